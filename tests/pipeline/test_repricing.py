"""A month under another year's rules, or as prices were known on another day.

Belongs here: that such results are right, live apart from the month's own, and tie out.
Does not belong here: the rules and prices of any year.

Sums by hand: the provider's market forces factor is 1.000000, so the day case HRG FE32Z and
a first attendance in treatment function 100 are worth their prices. In the book of the
cases these are £500 and £200.
"""

import csv
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import duckdb
import pytest
from pipeline.making import (
    APPOINTMENT,
    COMMISSIONER,
    DERIVED_COMMISSIONER,
    END,
    PROVIDER,
    QUERY_DATE,
    SPELL_HRG,
    START,
    Record,
    add_other_unit_prices,
    attendance,
    land,
    new_workspace,
    spell,
)

from pipelines import cli
from pipelines.assets import ON_OTHER_BASIS, WorkspaceResource
from pipelines.basis import PricingBasis
from pipelines.commands import jobs
from pipelines.reissue import compare
from pipelines.workspace import UserError, Workspace

MONTH = "2024-07"
Row = tuple[object, ...]

# The preview of partitioned checks is silenced where the assets are made, which pytest undoes.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")


PARTIES = {PROVIDER: "RTD", COMMISSIONER: "00L", DERIVED_COMMISSIONER: "00L"}


def day_case(record_id: str, day: str = "20240710", **changes: str) -> Record:
    """A day case in FE32Z of the provider whose market forces factor is 1."""
    return spell(record_id, {**PARTIES, START: day, END: day, **changes})


def first_attendance(record_id: str, day: str = "20240712") -> Record:
    return attendance(record_id, {**PARTIES, APPOINTMENT: day})


class Said(NamedTuple):
    """How a command ended, and what it said in one line."""

    code: int
    text: str


Command = Callable[..., Said]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = new_workspace(tmp_path / "workspace")
    land(made, f"freeze/apc_{MONTH}.csv", [day_case("S1"), day_case("S2")])
    land(made, f"freeze/op_{MONTH}.csv", [first_attendance("A1")])
    return made


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Dagster jobs that run, in order."""
    names: list[str] = []
    run_job = jobs._run_job

    def run_and_tell(workspace: Workspace, name: str, *arguments: str) -> bool:
        names.append(name)
        return run_job(workspace, name, *arguments)

    monkeypatch.setattr(jobs, "_run_job", run_and_tell)
    return names


@pytest.fixture
def command(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Runs the command line in this process, with run history in memory."""
    mask = os.umask(0o077)
    for name in ("SUS_PRICING_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(workspace.root))
    monkeypatch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["sus-pricing", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return Said(int(str(ended.value.code or 0)), " ".join(f"{said.out} {said.err}".split()))

    yield run
    os.umask(mask)


def add_book(
    workspace: Workspace,
    name: str,
    scheme_year: str,
    published_on: str,
    fe32z: str,
    effective_from: str | None = None,
) -> None:
    """A book as that of the cases, of another year or publication, with another price of FE32Z."""
    books = workspace.data / "price_books"
    book = Path(shutil.copytree(books / "cases", books / name))
    manifest = (book / "manifest.toml").read_text("utf-8")
    manifest = manifest.replace('name = "cases"', f'name = "{name}"')
    manifest = manifest.replace('"2024-25"', f'"{scheme_year}"')
    manifest = manifest.replace("published_on = 2024-03-27", f"published_on = {published_on}")
    manifest = manifest.replace(
        "effective_from = 2024-04-01",
        f"effective_from = {effective_from or f'{scheme_year[:4]}-04-01'}",
    )
    (book / "manifest.toml").write_text(manifest, "utf-8")
    add_other_unit_prices(book)
    prices = book / "apc_and_outpatient_procedures.csv"
    rows = list(csv.reader(io.StringIO(prices.read_text("utf-8"))))
    for row in rows:
        if row[0] == "FE32Z":
            assert row[3] == "500"
            row[3] = fe32z
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    prices.write_text(text.getvalue(), "utf-8")


def read(workspace: Workspace, query: str) -> list[Row]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        return mart.sql(query).fetchall()


MONTHS_OF = "SELECT DISTINCT activity_month FROM {}"
VALUES = "SELECT record_id, scheme_year, value_pence, pricing_basis FROM {} ORDER BY record_id"


def test_another_years_rules_give_results_apart_from_the_months_own(
    workspace: Workspace, command: Command, ran: list[str]
) -> None:
    add_book(workspace, "next", "2025-26", "2025-03-01", "1,250")
    assert command("run", "--month", MONTH).code == 0
    own = read(workspace, "FROM priced_lines ORDER BY ALL")
    assert read(workspace, VALUES.format("priced_lines")) == [
        ("A1", "2024-25", 200_00, "own_year"),
        ("S1", "2024-25", 500_00, "own_year"),
        ("S2", "2024-25", 500_00, "own_year"),
    ]
    assert read(workspace, "FROM repriced.priced_lines") == []

    said = command("run", "--month", MONTH, "--scheme", "2025-26")
    assert said.code == 0, said.text
    assert "scheme 2025-26" in said.text
    assert "schema repriced, pricing_basis 2025-26" in said.text
    assert read(workspace, VALUES.format("repriced.priced_lines")) == [
        ("A1", "2025-26", 200_00, "2025-26"),
        ("S1", "2025-26", 1_250_00, "2025-26"),
        ("S2", "2025-26", 1_250_00, "2025-26"),
    ]
    assert read(workspace, "FROM priced_lines ORDER BY ALL") == own
    assert read(
        workspace,
        "SELECT sum(value_pence), sum(lines) FROM repriced.accounting "
        "WHERE pricing_basis = '2025-26'",
    ) == [(2_700_00, 3)]
    assert read(
        workspace,
        "SELECT pricing_basis, scheme_year, is_current, value_pence FROM runs ORDER BY ALL",
    ) == [("2025-26", "2025-26", True, 2_700_00), ("own_year", "2024-25", True, 1_200_00)]
    assert ran == ["monthly_pricing", "repricing"]


def test_the_months_own_year_by_its_name_is_the_months_own(
    workspace: Workspace, command: Command
) -> None:
    assert command("run", "--month", MONTH, "--scheme", "2024-25").code == 0
    assert len(read(workspace, "FROM priced_lines")) == 3
    assert read(workspace, "FROM repriced.priced_lines") == []
    assert not (workspace.lake / "repriced").exists()


def test_a_month_of_a_year_without_a_pack_is_priced_under_another(
    workspace: Workspace, command: Command, ran: list[str]
) -> None:
    land(workspace, "freeze/apc_2019-07.csv", [day_case("S19", "20190710")])
    land(workspace, "freeze/op_2019-07.csv", [first_attendance("A19", "20190712")])
    refused = command("run", "--month", "2019-07")
    assert refused.code == 1
    assert "No scheme pack covers 2019-07" in refused.text

    said = command("run", "--month", "2019-07", "--scheme", "2024-25")
    assert said.code == 0, said.text
    assert read(workspace, VALUES.format("repriced.priced_lines")) == [
        ("A19", "2024-25", 200_00, "2024-25"),
        ("S19", "2024-25", 500_00, "2024-25"),
    ]
    # The run that failed at pricing had validated the month already.
    assert ran == ["monthly_pricing", "repricing"]


def test_what_was_not_taken_in_yet_is_taken_in_first(
    workspace: Workspace, command: Command, ran: list[str]
) -> None:
    add_book(workspace, "next", "2025-26", "2025-03-01", "1,250")
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    assert ran == ["taking_in", "repricing"]
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    assert ran == ["taking_in", "repricing", "repricing"]
    land(workspace, f"freeze/apc_{MONTH}_more.csv", [day_case("S3")])
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    assert ran == ["taking_in", "repricing", "repricing", "taking_in", "repricing"]
    assert len(read(workspace, "FROM repriced.priced_lines WHERE dataset = 'apc'")) == 3


def test_a_delivery_that_another_month_took_in_counts_as_news(
    workspace: Workspace, command: Command, ran: list[str]
) -> None:
    add_book(workspace, "next", "2025-26", "2025-03-01", "1,250")
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    land(workspace, "freeze/apc_2024-08.csv", [day_case("S8", "20240810")])
    land(workspace, "freeze/op_2024-08.csv", [first_attendance("A8", "20240812")])
    land(workspace, "freeze/apc_late.csv", [day_case("S3")])
    assert command("run", "--month", "2024-08").code == 0
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    assert ran == ["taking_in", "repricing", "monthly_pricing", "taking_in", "repricing"]
    assert len(read(workspace, "FROM repriced.priced_lines WHERE dataset = 'apc'")) == 3


def test_as_of_a_day_uses_what_had_been_published_by_then(
    workspace: Workspace, command: Command
) -> None:
    add_book(workspace, "reissue", "2024-25", "2024-09-15", "530")
    for day, price in (("2024-09-14", 500_00), ("2024-09-15", 530_00)):
        said = command("run", "--month", MONTH, "--as-of", day)
        assert said.code == 0, said.text
        assert f"as known on {day}" in said.text
        basis = PricingBasis(None, cli.valid_day(day)).name
        ((found,),) = read(
            workspace,
            "SELECT DISTINCT value_pence FROM repriced.priced_lines "
            f"WHERE dataset = 'apc' AND pricing_basis = '{basis}'",
        )
        assert found == price
    assert command("run", "--month", MONTH).code == 0
    assert read(
        workspace, "SELECT DISTINCT value_pence FROM priced_lines WHERE dataset = 'apc'"
    ) == [(530_00,)]


def test_nothing_published_yet_is_said(workspace: Workspace, command: Command) -> None:
    said = command("run", "--month", MONTH, "--as-of", "2024-01-31")
    assert said.code == 1
    assert "31 January 2024" in said.text or "2024-01-31" in said.text
    assert not workspace.mart.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--scheme", "2031-32"), "2031"),
        (("--scheme", "2024-26"), "'2024-26' is not a scheme year such as 2025-26."),
        (("--scheme", "next"), "'next' is not a scheme year such as 2025-26."),
        (("--as-of", "2099-01-01"), "2099-01-01 is not here yet"),
        (("--as-of", "May"), "'May' is not a date such as 2025-06-27."),
    ],
)
def test_a_basis_that_cannot_be_is_named_and_nothing_is_made(
    workspace: Workspace, command: Command, arguments: tuple[str, ...], says: str
) -> None:
    said = command("run", "--month", MONTH, *arguments)
    assert said.code in (1, 2)
    unboxed = " ".join(said.text.replace("│", " ").split())
    assert says in unboxed
    assert "Traceback" not in said.text
    assert not workspace.lake.exists()


def test_a_reissue_is_the_difference_of_two_pricings(
    workspace: Workspace, command: Command
) -> None:
    """July's two day cases go from £500 to £530, which is £60.

    August's, of another HRG, keeps its £700, and the two attendances keep their £200: day
    cases come to £1,700 before and £1,760 after, everything to £2,100 and £2,160.
    """
    add_book(workspace, "reissue", "2024-25", "2024-09-15", "530")
    august = day_case("S8", "20240810", **{SPELL_HRG: "AA31E"})
    land(workspace, "freeze/apc_2024-08.csv", [august])
    land(workspace, "freeze/op_2024-08.csv", [first_attendance("A8", "20240812")])
    for month in (MONTH, "2024-08"):
        assert command("run", "--month", month).code == 0
    out = workspace.root / "differences.csv"
    said = command(
        *("reissue", "2024-25", "--from", "2024-09-01", "--to", "2024-10-01", "--out", str(out))
    )
    assert said.code == 0, said.text
    assert "2024-07, 2024-08" in said.text
    assert "ILLUSTRATIVE" in said.text
    assert "RTD │ QHM │ DC │ 3 │ £1,700.00 │ £1,760.00 │ £60.00 │ £60.00" in said.text
    assert "│ all │ │ │ 5 │ £2,100.00 │ £2,160.00 │ £60.00 │ £60.00 │" in said.text
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert [
        (row["point_of_delivery_code"], row["value_pence_before"], row["value_pence_difference"])
        for row in rows
    ] == [("DC", "170000", "6000"), ("OPFASPCL", "40000", "0")]
    totals = read(
        workspace,
        "SELECT pricing_basis, sum(value_pence)::BIGINT FROM repriced.accounting GROUP BY ALL "
        "ORDER BY ALL",
    )
    assert totals == [
        ("own_year_as_of_2024-09-01", 2_100_00),
        ("own_year_as_of_2024-10-01", 2_160_00),
    ]


def test_a_reissue_of_a_year_without_a_month_says_what_to_do(command: Command) -> None:
    said = command("reissue", "2025-26", "--from", "2025-05-01", "--to", "2025-07-01")
    assert said.code == 1
    assert "No month of 2025-26 has been taken in." in said.text


def test_a_reissue_between_days_in_the_wrong_order_is_refused(command: Command) -> None:
    said = command("reissue", "2024-25", "--from", "2024-10-01", "--to", "2024-10-01")
    assert said.code == 2
    assert "is not after" in said.text


def test_a_record_is_explained_on_the_basis_that_is_asked_for(
    workspace: Workspace, command: Command
) -> None:
    add_book(workspace, "next", "2025-26", "2025-03-01", "1,250")
    assert command("run", "--month", MONTH).code == 0
    assert command("run", "--month", MONTH, "--scheme", "2025-26").code == 0
    record = "S1"
    own = command("explain", record)
    assert "month of discharge, so the rules" in own.text
    assert "£500.00" in own.text
    assert "£1,250.00" not in own.text
    assert command("explain", record, "--scheme", "2024-25").text == own.text
    other = command("explain", record, "--scheme", "2025-26")
    assert "month of discharge, priced under" in other.text
    assert "£1,250.00" in other.text
    missing = command("explain", record, "--as-of", "2024-09-01")
    assert missing.code == 1
    assert f"'{record}' is not published under its own year's rules as known on" in missing.text
    assert (
        "It is under: the rules of 2025-26 (--scheme 2025-26); its own year's rules (without "
        "--scheme and --as-of)."
    ) in missing.text
    assert "No record 'nobody' is in what is published" in command("explain", "nobody").text


def test_a_month_whose_records_moved_is_taken_out_of_its_own_basis_alone(
    workspace: Workspace, command: Command
) -> None:
    """S1 is delivered again as of August: what was published of July is out of date."""
    assert command("run", "--month", MONTH, "--as-of", "2024-10-01").code == 0
    assert command("run", "--month", MONTH).code == 0
    moved = day_case("S1", "20240810", **{QUERY_DATE: "20260101000000"})
    land(workspace, "freeze/apc_2024-08.csv", [moved])
    land(workspace, "freeze/op_2024-08.csv", [first_attendance("A8", "20240812")])
    assert command("run", "--month", "2024-08").code == 0
    assert read(workspace, MONTHS_OF.format("priced_lines")) == [("2024-08",)]
    assert read(workspace, MONTHS_OF.format("repriced.priced_lines")) == [(MONTH,)]
    assert command("run", "--month", "2024-08", "--as-of", "2024-10-01").code == 0
    assert read(workspace, MONTHS_OF.format("repriced.priced_lines")) == [("2024-08",)]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("next_year", "'next_year' is not a pricing basis"),
        ("2025-13", "'2025-13' is not a pricing basis"),
        ("2024-25", "2024-25 is 2024-07's own year: take own_year."),
        ("2025-26_as_of_2025-02-30", "is not a pricing basis"),
    ],
)
def test_a_basis_added_by_hand_that_is_none_fails_with_what_to_do(
    workspace: Workspace, name: str, says: str
) -> None:
    key = dg.MultiPartitionKey({"month": MONTH, "basis": name})
    resource = WorkspaceResource(root=str(workspace.root))
    with pytest.raises(UserError, match=re.escape(says)):
        ON_OTHER_BASIS.open(key, resource)


def current_runs(workspace: Workspace) -> list[Row]:
    query = "SELECT DISTINCT pricing_basis FROM runs WHERE is_current ORDER BY ALL"
    return read(workspace, query)


def test_a_basis_priced_from_other_deliveries_is_out_of_date(
    workspace: Workspace, command: Command
) -> None:
    add_book(workspace, "next", "2025-26", "2025-03-01", "1,250")
    other = ("run", "--month", MONTH, "--scheme", "2025-26")
    assert command("run", "--month", MONTH).code == 0
    assert "out of date" not in command(*other).text
    assert current_runs(workspace) == [("2025-26",), ("own_year",)]
    land(workspace, f"freeze/apc_{MONTH}_more.csv", [day_case("S3")])
    said = command(*other)
    assert f"{MONTH} on the basis own_year was made of other deliveries" in said.text
    assert current_runs(workspace) == [("2025-26",)]
    assert "out of date" not in command("run", "--month", MONTH).text
    assert current_runs(workspace) == [("2025-26",), ("own_year",)]


def test_a_reissue_of_records_or_lists_that_changed_between_is_refused(
    workspace: Workspace, command: Command
) -> None:
    before, after = (PricingBasis(None, date(2024, month, 1)) for month in (9, 10))
    assert command("run", "--month", MONTH, "--as-of", "2024-09-01").code == 0
    header = "provider_code,commissioner_code,exception,valid_from,valid_to"
    entry = "RTD,QHM,out_of_area_mental_health,2024-04-01,2024-04-30"
    land(workspace, "lva_exceptions.csv", f"{header}\n{entry}\n")
    assert command("run", "--month", MONTH, "--as-of", "2024-10-01").code == 0
    with pytest.raises(UserError, match=r"LVA exceptions lva_exceptions\.csv\. Run the reissue"):
        compare(workspace, (MONTH,), before, after)
    land(workspace, f"freeze/apc_{MONTH}_more.csv", [day_case("S3")])
    assert command("run", "--month", MONTH, "--as-of", "2024-09-01").code == 0
    with pytest.raises(UserError, match=r"have changed: apc records\. Run the reissue again"):
        compare(workspace, (MONTH,), before, after)
    assert command("run", "--month", MONTH, "--as-of", "2024-10-01").code == 0
    assert compare(workspace, (MONTH,), before, after).total("value_pence_difference") == 0
