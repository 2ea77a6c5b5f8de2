"""The mart: what analysts open, and that it is replaced whole or not at all.

Belongs here: tables, comments, pounds, replacing a month, and what refuses to be published.
Does not belong here: the amounts (`tests/cases/`), or a run that is killed (`tests/faults/`).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pipeline import making
from pipeline.making import attendance, land, land_good_month, new_workspace, spell

from pipelines import accounting, publishing
from pipelines.publishing import TABLES, PublicationError, published_notices
from pipelines.reasons import reasons
from pipelines.workspace import UserError, Workspace

MONTH, NEXT = "2024-07", "2024-08"
STORAGE_OF_DUCKDB_1_5 = 68
"""The storage version in the header of a file that DuckDB 1.5 can read; 2.0 writes 999."""

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published month with every table in use: paid, blocked, zero-priced, local and refused."""
    workspace = new_workspace(tmp_path_factory.mktemp("made"))
    ebi = {making.EBI_CATEGORY: "1", making.EBI_TYPE: "A_snoring"}
    block = {making.PROVIDER: "RRV", making.DERIVED_COMMISSIONER: "QHM"}
    land(
        workspace,
        f"freeze/apc_{MONTH}.csv",
        [
            spell("S3"),
            spell("S1", ebi),
            spell("S2", block),
            spell("S4", {making.SPELL_HRG: ""}),
            spell("S5", {making.PROVIDER: "RCF"}),
        ],
    )
    land(
        workspace,
        f"freeze/op_{MONTH}.csv",
        [attendance("A2"), attendance("A1", {making.TREATMENT_FUNCTION: "650"})],
    )
    making.publish(workspace, MONTH)
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to publish again from."""
    root = tmp_path / "workspace"
    shutil.copytree(made.root, root)
    return Workspace.at(root)


@pytest.fixture
def mart(made: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(made.mart), read_only=True) as connection:
        yield connection


def read(workspace: Workspace, query: str) -> Rows:
    with duckdb.connect(str(workspace.mart), read_only=True) as connection:
        return connection.sql(query).fetchall()


def beside(mart: Path) -> list[str]:
    """What is in the folder of the mart, but for the lock."""
    return sorted(path.name for path in mart.parent.iterdir() if path.name != ".lock")


# --- What analysts open --------------------------------------------------------------------


def test_every_table_has_its_columns_and_a_comment_on_each(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    comments = mart.sql("SELECT schema_name, table_name, comment FROM duckdb_tables()").fetchall()
    own = {name: comment for schema, name, comment in comments if schema == "main"}
    assert own == {table.name: table.comment for table in TABLES}
    of_months = {name for name in own if name not in ("runs", "reasons")}
    apart = {name: comment for schema, name, comment in comments if schema == "repriced"}
    assert apart == {
        name: f"{own[name]}; on another pricing basis than the month's own year"
        for name in of_months
    }
    for table in TABLES:
        columns = mart.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE table_name = ? AND schema_name = 'main' ORDER BY column_index",
            [table.name],
        ).fetchall()
        assert columns == [(field.name, field.comment) for field in table.fields]
        assert all(comment for _, comment in columns)
        assert ("pricing_basis" in dict(columns)) == (table.name != "reasons")


def test_every_table_with_pence_has_a_view_in_pounds(mart: duckdb.DuckDBPyConnection) -> None:
    views = dict(
        mart.sql(
            "SELECT view_name, comment FROM duckdb_views() "
            "WHERE NOT internal AND schema_name = 'main'"
        ).fetchall()
    )
    with_pence = [t for t in TABLES if any(f.name.endswith("_pence") for f in t.fields)]
    assert views == {f"{t.name}_gbp": f"{t.comment}; amounts in pounds" for t in with_pence}
    for table in with_pence:
        described = mart.sql(f"DESCRIBE {table.name}_gbp").fetchall()
        kinds = {name: kind for name, kind, *_ in described}
        assert list(kinds) == [field.name.replace("_pence", "_gbp") for field in table.fields]
        assert {kind for name, kind in kinds.items() if name.endswith("_gbp")} == {"DECIMAL(18,2)"}
        commented = mart.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = ? AND schema_name = 'main' "
            "ORDER BY column_index",
            [f"{table.name}_gbp"],
        ).fetchall()
        assert commented == [(field.comment,) for field in table.fields]


@pytest.mark.parametrize(
    "pence", [0, 1, 9, 10, 99, 100, 12_345_678_901, 2 * 10**12, -1, -105, None]
)
def test_pounds_are_exact_to_the_penny(workspace: Workspace, pence: int | None) -> None:
    with duckdb.connect(str(workspace.mart)) as mart:
        mart.execute("UPDATE priced_lines SET value_pence = ? WHERE record_id = 'S3'", [pence])
    ((pounds,),) = read(workspace, "SELECT value_gbp FROM priced_lines_gbp WHERE record_id = 'S3'")
    assert pounds == (None if pence is None else Decimal(pence) / 100)


def test_lines_are_sorted_by_record(mart: duckdb.DuckDBPyConnection) -> None:
    lines = mart.sql("SELECT record_id, line_number, reason_code FROM priced_lines").fetchall()
    assert lines == [
        ("A1", 0, "FIRST_ATTENDANCE_LOCAL_PRICE"),
        ("A2", 0, "FIRST_ATTENDANCE"),
        ("S1", 0, "UNAPPROVED_EBI"),
        ("S2", 0, "COVERED_BY_LVA_BLOCK"),
        ("S3", 0, "ELECTIVE_SPELL"),
    ]


def test_refused_records_are_there_whole_with_every_code(mart: duckdb.DuckDBPyConnection) -> None:
    rows = mart.sql(
        "SELECT record_id, refused_by, refusal_codes, row_number, delivered_values "
        "FROM refused_records ORDER BY record_id"
    ).fetchall()
    assert [row[:4] for row in rows] == [
        ("S4", "validation", ["HRG_MISSING"], 4),
        ("S5", "pricing", ["MFF_MISSING"], 5),
    ]
    delivered = json.loads(rows[1][4])
    assert delivered["organisation_code_of_provider"] == "RCF"
    assert delivered["end_date"] == "20240710"
    assert "nhs_number" not in {name.lower() for name in delivered}


def test_statements_are_there(mart: duckdb.DuckDBPyConnection) -> None:
    assert mart.sql("SELECT record_id, payable_pence FROM ebi_challenges").fetchall() == [("S1", 0)]
    covered = mart.sql("SELECT provider_code FROM low_volume WHERE covered_activity = 1").fetchall()
    assert covered == [("RRV",)]
    (variable,) = mart.sql(
        "SELECT sum(payable_pence), sum(activity), sum(lines_for_local_price) FROM variable_element"
    ).fetchall()
    assert variable == (56_173 + 22_469, 4, 1)


def test_a_run_says_what_went_in_and_what_came_out(
    made: Workspace, mart: duckdb.DuckDBPyConnection
) -> None:
    account = accounting.read_account(made, MONTH)
    names = [field.name for field in publishing.RUNS]
    (row,) = mart.sql("SELECT * FROM runs").fetchall()
    said = dict(zip(names, row, strict=True))
    assert said["is_current"] is True
    assert said["is_illustrative"] is True
    assert (said["records_delivered"], said["records_priced"], said["records_refused"]) == (7, 5, 2)
    assert said["content_hash"] == account.content_hash
    assert said["payable_pence"] == 56_173 + 22_469
    assert json.loads(said["priced_with"]) == account.pricing_inputs
    assert {file["name"] for file in json.loads(said["deliveries"])} == {
        f"freeze/apc_{MONTH}.csv",
        f"freeze/op_{MONTH}.csv",
    }
    assert set(json.loads(said["versions"])) >= {"sus-pricing", "duckdb", "polars"}
    assert said["notices"].startswith("ILLUSTRATIVE")


def test_every_reason_is_explained_in_the_mart(mart: duckdb.DuckDBPyConnection) -> None:
    assert mart.sql("SELECT * FROM reasons").fetchall() == [
        tuple(row.values()) for row in reasons()
    ]
    unexplained = mart.sql(
        "SELECT reason_code FROM priced_lines ANTI JOIN reasons USING (reason_code) UNION ALL "
        "SELECT unnest(refusal_codes) AS reason_code FROM refused_records EXCEPT ALL "
        "SELECT reason_code FROM reasons"
    ).fetchall()
    assert unexplained == []


def test_older_clients_can_read_it(workspace: Workspace) -> None:
    """Of the first publication, and of one on top of it."""
    for _ in range(2):
        with workspace.mart.open("rb") as file:
            header = file.read(20)
        assert header[8:12] == b"DUCK"
        assert int.from_bytes(header[12:], "little") == STORAGE_OF_DUCKDB_1_5
        publish_again(workspace)


# --- Publishing again ----------------------------------------------------------------------


def publish_again(workspace: Workspace, run_id: str = "again") -> dict[str, int]:
    account = accounting.read_account(workspace, MONTH)
    return publishing.publish(workspace, account, run_id)


def test_the_rows_of_each_table_are_told(workspace: Workspace) -> None:
    assert publish_again(workspace) == {
        "priced_lines": 5,
        "variable_element": 3,
        "blended": 0,
        "fixed_element": 0,
        "fixed_element_review": 0,
        "contract_statement": 2,
        "low_volume": 8,
        "ebi_challenges": 1,
        "excluded_items": 0,
        "excluded_drugs_baseline": 0,
        "reconciliation": 32,
        "reconciliation_differences": 4,
        "sus_rounding": 0,
        "refused_records": 2,
        "accounting": 3,
    }


def test_a_month_published_again_takes_its_own_place_alone(workspace: Workspace) -> None:
    land_good_month(workspace, NEXT)
    making.publish(workspace, NEXT)
    august = read(workspace, f"SELECT * FROM priced_lines WHERE activity_month = '{NEXT}'")
    july = read(workspace, f"SELECT * FROM priced_lines WHERE activity_month = '{MONTH}'")
    assert (len(july), len(august)) == (5, 3)

    land(workspace, f"freeze/apc_{MONTH}.csv", [spell("S9")])
    making.publish(workspace, MONTH)
    by_month = "SELECT record_id FROM priced_lines WHERE activity_month = "
    assert read(workspace, f"{by_month}'{MONTH}'") == [("A1",), ("A2",), ("S9",)]
    assert august == read(workspace, f"SELECT * FROM priced_lines WHERE activity_month = '{NEXT}'")
    for table in ("refused_records", "ebi_challenges"):
        assert read(workspace, f"SELECT * FROM {table} WHERE activity_month = '{MONTH}'") == []


def test_of_the_runs_of_a_month_the_last_is_current(workspace: Workspace) -> None:
    publish_again(workspace, "second")
    publish_again(workspace, "third")
    runs = read(workspace, "SELECT run_id, is_current FROM runs ORDER BY is_current")
    assert sorted(runs[:-1]) == [("run", False), ("second", False)]
    assert runs[-1] == ("third", True)


def test_the_same_inputs_give_the_same_rows_and_hash(made: Workspace, tmp_path: Path) -> None:
    anew = Workspace.at(shutil.copytree(made.root, tmp_path / "anew"))
    shutil.rmtree(anew.lake)
    anew.mart.unlink()
    account = making.publish(anew, MONTH)
    assert account.content_hash == accounting.read_account(made, MONTH).content_hash
    for table in TABLES:
        if table.name != "runs":
            assert read(anew, f"FROM {table.name}") == read(made, f"FROM {table.name}")


READER = """
import sys, duckdb
mart = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(mart.sql("SELECT sum(hash(priced_lines)) FROM priced_lines").fetchall(), flush=True)
"""


def test_who_has_the_old_file_open_is_not_disturbed(workspace: Workspace) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, workspace.mart],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def ask() -> str:
            reader.stdin.write("again\n")
            reader.stdin.flush()
            return reader.stdout.readline()

        before = ask()
        assert before.startswith("[(")
        land(workspace, f"freeze/apc_{MONTH}.csv", [spell("S9")])
        making.publish(workspace, MONTH)
        assert ask() == before
        reader.stdin.close()
    assert reader.returncode == 0
    assert read(workspace, "SELECT count(*) FROM priced_lines") == [(3,)]


def test_nothing_is_left_beside_the_mart(workspace: Workspace) -> None:
    assert beside(workspace.mart) == ["outputs.duckdb"]
    publish_again(workspace)
    assert beside(workspace.mart) == ["outputs.duckdb"]


# --- What is not published -----------------------------------------------------------------


def tampered(account: accounting.Account, name: str) -> accounting.Account:
    """The account with one thing of it changed."""
    first, *others = account.mechanisms
    by_name = {
        "payable": {"mechanisms": [replace(first, payable_pence=first.payable_pence + 1), *others]},
        "lines": {"mechanisms": [replace(first, lines=first.lines + 1), *others]},
        "mechanisms": {"mechanisms": others},
        "content_hash": {"content_hash": account.content_hash + "0"},
    }
    changes: Any = by_name[name]
    return replace(account, **changes)


@pytest.mark.parametrize("name", ["payable", "lines", "mechanisms", "content_hash"])
def test_a_mart_that_does_not_tie_out_is_not_published(workspace: Workspace, name: str) -> None:
    before = workspace.mart.read_bytes()
    account = accounting.read_account(workspace, MONTH)
    with pytest.raises(PublicationError, match=r"not those that were accounted\s+for"):
        publishing.publish(workspace, tampered(account, name), "run")
    assert workspace.mart.read_bytes() == before
    assert beside(workspace.mart) == ["outputs.duckdb"]


def test_a_mart_without_all_that_was_refused_is_not_published(workspace: Workspace) -> None:
    before = workspace.mart.read_bytes()
    account = accounting.read_account(workspace, MONTH)
    first, *others = account.datasets
    one_more = replace(first, refused_by_pricing=first.refused_by_pricing + 1)
    with pytest.raises(PublicationError, match=r"holds 2 refused records of 2024-07.*3"):
        publishing.publish(workspace, replace(account, datasets=[one_more, *others]), "run")
    assert workspace.mart.read_bytes() == before


def test_a_record_of_another_month_is_not_paid_twice(workspace: Workspace) -> None:
    """What is published of its earlier month is out of date, and is taken out as a whole."""
    again = {making.START: "20240805", making.END: "20240805", making.QUERY_DATE: "20240920063000"}
    land(workspace, f"freeze/apc_{NEXT}.csv", [spell("S3", again)])
    land(workspace, f"freeze/op_{NEXT}.csv", [attendance("A9", {making.APPOINTMENT: "20240805"})])
    making.publish(workspace, NEXT)
    months = "SELECT DISTINCT activity_month FROM priced_lines"
    assert read(workspace, months) == [(NEXT,)]
    (notice,) = [n for n in published_notices(workspace, NEXT) if "taken out" in n]
    assert f"Run {MONTH} again" in notice
    # The later month's own lines stand; its year to date had the earlier as it was.
    assert read(workspace, "SELECT activity_month FROM runs WHERE is_current") == []
    assert any(f"{NEXT} is out of date itself" in n for n in published_notices(workspace, NEXT))

    making.publish(workspace, MONTH)
    making.publish(workspace, NEXT)
    current = "SELECT activity_month FROM runs WHERE is_current ORDER BY ALL"
    assert read(workspace, current) == [(MONTH,), (NEXT,)]
    record = "SELECT activity_month FROM priced_lines WHERE record_id = 'S3'"
    assert read(workspace, record) == [(NEXT,)]
    assert len(read(workspace, months)) == 2


def test_records_that_change_places_between_two_months_do_not_block_either(
    workspace: Workspace,
) -> None:
    later = {making.QUERY_DATE: "20241020063000"}
    july = {making.START: "20240705", making.END: "20240705"}
    august = {making.START: "20240805", making.END: "20240805"}
    for month, day in ((MONTH, "20240705"), (NEXT, "20240805")):
        dates = {making.START: day, making.END: day}
        land(workspace, f"freeze/apc_{month}.csv", [spell(f"R-{month}", dates)])
        visit = attendance(f"A-{month}", {making.APPOINTMENT: day})
        land(workspace, f"freeze/op_{month}.csv", [visit])
        making.publish(workspace, month)
    moved = [spell(f"R-{MONTH}", {**august, **later}), spell(f"R-{NEXT}", {**july, **later})]
    land(workspace, "freeze/apc_again.csv", moved)
    making.publish(workspace, MONTH)
    making.publish(workspace, NEXT)
    placed = "SELECT record_id, activity_month FROM priced_lines WHERE dataset = 'apc' ORDER BY ALL"
    assert read(workspace, placed) == [(f"R-{MONTH}", NEXT), (f"R-{NEXT}", MONTH)]


def test_a_mart_of_another_version_is_left_alone(workspace: Workspace) -> None:
    with duckdb.connect(str(workspace.mart)) as mart:
        mart.execute("DROP VIEW priced_lines_gbp")
        mart.execute("ALTER TABLE priced_lines DROP COLUMN reason_code")
    before = workspace.mart.read_bytes()
    with pytest.raises(UserError, match=r"made by another version.*priced_lines.*Move it away"):
        publish_again(workspace)
    assert workspace.mart.read_bytes() == before


def test_a_file_that_is_no_mart_is_left_alone(workspace: Workspace) -> None:
    workspace.mart.write_bytes(b"minutes of the meeting of 4 July" * 1000)
    with pytest.raises(UserError, match=r"marts/outputs\.duckdb is damaged or no DuckDB file"):
        publish_again(workspace)
    assert workspace.mart.read_bytes().startswith(b"minutes of the meeting")
    assert beside(workspace.mart) == ["outputs.duckdb"]
