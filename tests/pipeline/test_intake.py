"""Taking deliveries in: what is recognised, where each record is filed, and what is left out."""

import gzip
import io
import json
import os
import random
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pipeline.making import (
    AGE,
    APPOINTMENT,
    ATTENDANCE_HRG,
    END,
    MONTH,
    PROVIDER,
    QUERY_DATE,
    SPELL_HRG,
    SPELL_ID,
    START,
    TREATMENT_FUNCTION,
    UNBUNDLED,
    Record,
    attendance,
    delivered_columns,
    extract,
    filed,
    land,
    land_good_month,
    new_workspace,
    price,
    publish,
    refusals,
    sort_out,
    spell,
    take_in,
    text_of,
)

from pipelines.deliveries import DeliveryError, deliveries_of, months_held, settled_cut
from pipelines.workspace import UserError, Workspace, keep_private
from schemas.extracts import ADMITTED_PATIENT_CARE, DIRECT_IDENTIFIERS

SPELLS = [spell("S1"), spell("S2", {SPELL_HRG: "FE30Z"})]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def zipped(content: bytes, name: str = "extract.csv") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def shuffled(columns: tuple[str, ...]) -> list[str]:
    return random.Random(24).sample(columns, len(columns))


def discharged(record_id: str, day: str) -> Record:
    return spell(record_id, {START: day, END: day, QUERY_DATE: "20250519063000"})


def parts(workspace: Workspace) -> list[Path]:
    return sorted((workspace.lake / "extracts").rglob("*.parquet"))


def records_by_month(workspace: Workspace, dataset: str = "apc") -> dict[str, int]:
    return {
        month: part.records
        for delivery in deliveries_of(workspace, dataset)
        for month, part in delivery.months.items()
    }


# --- How a file may come ---------------------------------------------------------------------

WAYS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "plain": (".csv", lambda: extract(SPELLS)),
    "capital ending": (".CSV", lambda: extract(SPELLS)),
    "zip": (".zip", lambda: zipped(extract(SPELLS))),
    "gz": (".csv.gz", lambda: gzip.compress(extract(SPELLS))),
    "byte order mark": (
        ".csv",
        lambda: (
            b"\xef\xbb\xbf"
            + extract(SPELLS, [SPELL_ID, *(c for c in delivered_columns("apc") if c != SPELL_ID)])
        ),
    ),
    "line feeds": (".csv", lambda: extract(SPELLS, line_end="\n")),
    "no last line end": (".csv", lambda: extract(SPELLS).removesuffix(b"\r\n")),
    "blank lines": (".csv", lambda: extract(SPELLS).replace(b"\r\n", b"\r\n\r\n")),
    "columns moved": (".csv", lambda: extract(SPELLS, shuffled(delivered_columns("apc")))),
    "columns added": (".csv", lambda: extract(SPELLS, ["New", *delivered_columns("apc"), "Newer"])),
    "all quoted": (
        ".csv",
        lambda: b'"' + extract(SPELLS).replace(b",", b'","').replace(b"\r\n", b'"\r\n"')[:-1],
    ),
    "header in other letters and spaces": (
        ".csv",
        lambda: (
            extract(SPELLS)
            .replace(b"Spell Core HRG", b"SPELL  CORE hrg ", 1)
            .replace(b"Age At Start Of Spell", b" Age at start of spell", 1)
        ),
    ),
    "a comma, a line end and quotation marks in quotes": (
        ".csv",
        lambda: extract([{**r, "Referrer Code": 'a "b",\r\nc'} for r in SPELLS]),
    ),
    "bytes that are not UTF-8 in a column we leave": (
        ".csv",
        lambda: extract([{**r, "Referrer Code": "?"} for r in SPELLS]).replace(b"?", b"\xe9"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_records_come_in_however_they_are_packed(workspace: Workspace, way: str) -> None:
    ending, content = WAYS[way]
    land(workspace, f"freeze/apc_{MONTH}{ending}", content())
    take_in(workspace)
    taken = filed(workspace)
    assert set(taken) == {"S1", "S2"}
    for record in SPELLS:
        row = taken[record[SPELL_ID]]
        for column in ADMITTED_PATIENT_CARE.columns:
            assert row[column.name] == text_of(record, column), column.name


def test_columns_that_have_moved_are_priced_the_same(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_2024-07.csv", extract(SPELLS, shuffled(delivered_columns("apc"))))
    lines = price(workspace)
    assert {i: line["unit_price_pence"] for i, line in lines.items()} == {"S1": 50000, "S2": 50000}
    assert {i: line["hrg_code"] for i, line in lines.items()} == {"S1": "FE32Z", "S2": "FE30Z"}


def test_codes_in_several_columns_become_one_text_in_the_order_of_their_numbers(
    workspace: Workspace,
) -> None:
    record = spell(
        "S1",
        {
            "Unbundled HRG 12": "XD01Z",
            "Unbundled HRG 2": " SB12Z ",
            "Unbundled HRG 10": "RD20A",
            "BPT Indicator 3": "BP65",
            "Significant Specialised Service Code": "NCBPS08S",
            "Specialised Service Code 1": "NCBPS13E",
            "Specialised Service Code 2": "NCBPS08S",
        },
    )
    land(workspace, "apc.csv", extract([record, spell("S2")], shuffled(delivered_columns("apc"))))
    land(workspace, "op.csv", [attendance("A1", {UNBUNDLED: "RD20A", "Unbundled HRG 3": "RD22Z"})])
    take_in(workspace)
    take_in(workspace, "op")
    of_spells = ("unbundled_hrg_codes", "best_practice_flags", "specialised_service_codes")
    codes = {i: tuple(row[name] for name in of_spells) for i, row in filed(workspace).items()}
    assert codes == {
        "S1": ("SB12Z RD20A XD01Z", "BP65", "NCBPS08S NCBPS13E NCBPS08S"),
        "S2": ("", "", ""),
    }
    assert filed(workspace, "op")["A1"]["unbundled_hrg_codes"] == "RD20A RD22Z"


@pytest.mark.parametrize("header", ["Unbundled HRG 12", "BPT Indicator 3", UNBUNDLED])
def test_every_column_that_codes_stand_in_must_be_there_once(
    workspace: Workspace, header: str
) -> None:
    columns = [c for c in delivered_columns("apc") if c != header]
    land(workspace, "apc_2024-07.csv", extract([spell("S1")], columns))
    with pytest.raises(DeliveryError, match=f"FILE_COLUMN_MISSING: .*'{header}'"):
        take_in(workspace)
    land(workspace, "apc_2024-07.csv", extract([spell("S1")], [*columns, header, header]))
    with pytest.raises(DeliveryError, match=f"FILE_COLUMN_REPEATED: .*'{header}'"):
        take_in(workspace)


def test_a_lake_that_an_older_version_made_without_a_column_is_filled_again(
    workspace: Workspace,
) -> None:
    land(workspace, "apc.csv", [spell("S1", {UNBUNDLED: "RD20A"}), discharged("june", "20240630")])
    first = take_in(workspace)
    for path in parts(workspace):
        pl.read_parquet(path).drop("unbundled_hrg_codes").write_parquet(path)
    assert take_in(workspace) == first
    assert filed(workspace)["S1"]["unbundled_hrg_codes"] == "RD20A"
    assert filed(workspace, month="2024-06")["june"]["unbundled_hrg_codes"] == ""


def test_an_extract_without_the_column_of_plus_extracts_is_read(workspace: Workspace) -> None:
    columns = [c for c in delivered_columns("apc") if c != "Open Spell Indicator"]
    records = [{k: v for k, v in r.items() if k in columns} for r in SPELLS]
    land(workspace, f"apc_{MONTH}.csv", extract(records, columns))
    take_in(workspace)
    assert [row["open_spell_indicator"] for row in filed(workspace).values()] == [None, None]
    assert sort_out(workspace).valid == 2


def test_a_file_is_known_by_its_header_and_not_by_its_name(workspace: Workspace) -> None:
    land(workspace, "freeze/outpatients.csv", SPELLS)
    land(workspace, "freeze/apc spells.zip", zipped(extract([attendance()])))
    assert [d.name for d in take_in(workspace, "apc")] == ["freeze/outpatients.csv"]
    assert [d.name for d in take_in(workspace, "op")] == ["freeze/apc spells.zip"]


def test_files_of_other_endings_and_hidden_ones_are_left_alone(workspace: Workspace) -> None:
    land(workspace, "README.md", "Put files here.")
    land(workspace, "freeze/.apc_2024-07.csv.part.csv", b"")
    land(workspace, "freeze/apc_2024-07.csv.filepart", b"")
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    assert [d.name for d in take_in(workspace)] == ["freeze/apc_2024-07.csv"]


# --- Where a record is filed -----------------------------------------------------------------


def test_a_years_file_is_split_by_month_of_discharge(workspace: Workspace) -> None:
    days = ["20240401", "20240430", "20240501", "20241231", "20250101", "20250331"]
    year = [discharged(f"S{day}", day) for day in days]
    land(workspace, "freeze/apc_202404_202503.csv", year)
    take_in(workspace, month="2024-12")
    held = {"2024-04": 2, "2024-05": 1, "2024-12": 1, "2025-01": 1, "2025-03": 1}
    assert records_by_month(workspace) == held
    for month, records in held.items():
        days_filed = [record_id[1:7] for record_id in filed(workspace, month=month)]
        assert days_filed == [month.replace("-", "")] * records
    with pytest.raises(
        UserError, match="No delivery holds admitted patient care spells of 2024-06"
    ):
        take_in(workspace, month="2024-06")


def test_attendances_are_filed_by_appointment_date(workspace: Workspace) -> None:
    days = ["20240731", "2024-08-01"]
    land(workspace, "op.csv", [attendance(d, {APPOINTMENT: d}) for d in days])
    take_in(workspace, "op")
    assert records_by_month(workspace, "op") == {"2024-07": 1, "2024-08": 1}


def test_records_without_a_date_are_filed_in_the_last_month_of_their_file(
    workspace: Workspace,
) -> None:
    """So is a date that cannot be, since one record of 2099 would draw the rest with it."""
    records = [
        spell("blank", {END: ""}),
        discharged("june", "20240630"),
        spell("too early", {START: "20180331", END: "20180331"}),
        spell("after the query", {START: "20240920", END: "20240920"}),
        discharged("july", "20240701"),
        spell("no date", {END: "not known"}),
        spell("no query date", {START: "20990630", END: "20990630", QUERY_DATE: ""}),
    ]
    land(workspace, "apc.csv", records)
    take_in(workspace)
    assert records_by_month(workspace) == {"2024-06": 1, "2024-07": 6}
    assert sort_out(workspace).valid == 1
    assert refusals(workspace) == {
        "blank": ["OPEN_SPELL"],
        "too early": ["COSTING_DATE_OUT_OF_RANGE"],
        "after the query": ["COSTING_DATE_OUT_OF_RANGE"],
        "no date": ["END_DATE_UNPARSEABLE"],
        "no query date": ["QUERY_DATE_UNPARSEABLE"],
    }


def test_a_file_of_undated_records_is_filed_in_the_month_it_names(workspace: Workspace) -> None:
    land(workspace, "apc_2024-07.csv", [spell("S1", {END: ""})])
    take_in(workspace)
    assert records_by_month(workspace) == {"2024-07": 1}


@pytest.mark.parametrize("ending", [".csv", ".zip"])
def test_the_months_of_a_file_can_be_told_without_taking_it_in(
    workspace: Workspace, ending: str
) -> None:
    records = [discharged("june", "20240630"), discharged("july", "20240701"), spell("", {END: ""})]
    content = extract(records)
    land(workspace, f"apc{ending}", zipped(content) if ending == ".zip" else content)
    assert months_held(workspace, f"apc{ending}") == {"2024-06", "2024-07"}
    assert not workspace.lake.exists()
    cut_off = content[:-100]
    land(workspace, f"apc{ending}", zipped(cut_off) if ending == ".zip" else cut_off)
    with pytest.raises(DeliveryError, match="FILE_TRUNCATED"):
        months_held(workspace, f"apc{ending}")


# --- Once ------------------------------------------------------------------------------------


def test_a_file_taken_in_is_not_read_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(workspace, "freeze/apc.csv", [discharged("june", "20240630"), spell("july")])
    first = take_in(workspace, month="2024-06")
    before = {path: path.stat() for path in parts(workspace)}

    def reads_again(*_: object, **__: object) -> None:
        pytest.fail("the file is read again")

    monkeypatch.setattr(pl, "scan_csv", reads_again)
    assert take_in(workspace, month="2024-07") == first
    assert {path: path.stat() for path in parts(workspace)} == before


def test_only_a_new_file_is_read(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_june.csv", [discharged("june", "20240630")])
    take_in(workspace, month="2024-06")
    (june,) = parts(workspace)
    before = june.stat()
    land(workspace, "freeze/apc_july.csv", [discharged("july", "20240731")])
    take_in(workspace)
    assert june.stat() == before
    assert records_by_month(workspace) == {"2024-06": 1, "2024-07": 1}


def test_the_same_file_under_two_names_counts_once(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    land(workspace, "freeze/apc_2024-07 (copy).csv", SPELLS)
    assert len(take_in(workspace)) == 1
    validated = sort_out(workspace)
    assert (validated.delivered, validated.valid) == (2, 2)


def test_either_of_two_names_may_be_removed(workspace: Workspace) -> None:
    for removed in ("freeze/apc_a.csv", "freeze/apc_b.csv"):
        land(workspace, "freeze/apc_a.csv", SPELLS)
        land(workspace, "freeze/apc_b.csv", SPELLS)
        take_in(workspace)
        (workspace.landing / removed).unlink()
        assert len(take_in(workspace)) == 1
        assert set(filed(workspace)) == {"S1", "S2"}


def test_a_replaced_file_takes_the_place_of_the_one_before(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    take_in(workspace)
    assert set(filed(workspace)) == {"S1", "S2"}
    land(workspace, "freeze/apc_2024-07.csv", [spell("S3")])
    take_in(workspace)
    assert set(filed(workspace)) == {"S3"}


def test_a_file_replaced_by_another_dataset_is_no_longer_of_the_first(
    workspace: Workspace,
) -> None:
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    land(workspace, "freeze/mixed_2024-07.csv", [spell("S3")])
    take_in(workspace)
    land(workspace, "freeze/mixed_2024-07.csv", [attendance()])
    take_in(workspace)
    assert set(filed(workspace)) == {"S1", "S2"}


def test_a_removed_file_no_longer_counts(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_a.csv", SPELLS)
    path = land(workspace, "freeze/apc_b.csv", [spell("S3")])
    take_in(workspace)
    assert set(filed(workspace)) == {"S1", "S2", "S3"}
    path.unlink()
    take_in(workspace)
    assert set(filed(workspace)) == {"S1", "S2"}


def test_a_file_that_comes_back_counts_again(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_a.csv", SPELLS)
    path = land(workspace, "freeze/apc_b.csv", [spell("S3")])
    take_in(workspace)
    content = path.read_bytes()
    path.unlink()
    take_in(workspace)
    path.write_bytes(content)
    take_in(workspace)
    assert set(filed(workspace)) == {"S1", "S2", "S3"}


@pytest.mark.parametrize("cleared", ["extracts", "deliveries", ""])
def test_a_lake_that_was_cleared_is_filled_again(workspace: Workspace, cleared: str) -> None:
    land(workspace, "freeze/apc_a.csv", [spell("S1"), discharged("june", "20240630")])
    land(workspace, "freeze/apc_b.csv", [spell("S2")])
    first = take_in(workspace)
    shutil.rmtree(workspace.lake / cleared)
    assert take_in(workspace) == first
    assert set(filed(workspace)) == {"S1", "S2"}
    assert set(filed(workspace, month="2024-06")) == {"june"}


# --- Flex and freeze -------------------------------------------------------------------------


def test_a_file_in_neither_folder_is_freeze(workspace: Workspace) -> None:
    land(workspace, "apc.csv", SPELLS)
    take_in(workspace)
    assert settled_cut(workspace, "apc", MONTH) == "freeze"


def test_flex_is_priced_until_freeze_comes_and_stays_in_the_lake(workspace: Workspace) -> None:
    flex = [spell("S1"), spell("S2"), spell("S3")]
    land(workspace, "Flex/apc_2024-07.csv", flex)
    lines = price(workspace)
    assert set(lines) == {"S1", "S2", "S3"}
    assert {line["cut"] for line in lines.values()} == {"flex"}
    flex_lake = workspace.month("extracts", "apc", MONTH, "flex")
    before = {path: path.read_bytes() for path in flex_lake.rglob("*.parquet")}

    land(workspace, "freeze/apc_2024-07.csv", [spell("S1", {SPELL_HRG: "FE30Z"}), spell("S2")])
    lines = price(workspace)
    assert set(lines) == {"S1", "S2"}
    assert {line["cut"] for line in lines.values()} == {"freeze"}
    assert before
    assert {path: path.read_bytes() for path in flex_lake.rglob("*.parquet")} == before


def test_one_month_may_be_flex_while_another_is_freeze(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_06.csv", [discharged("june", "20240630")])
    land(workspace, "flex/apc_07.csv", [discharged("july", "20240731")])
    take_in(workspace)
    assert settled_cut(workspace, "apc", "2024-06") == "freeze"
    assert settled_cut(workspace, "apc", "2024-07") == "flex"


def test_the_same_bytes_in_flex_and_freeze_are_two_deliveries(workspace: Workspace) -> None:
    land(workspace, "flex/apc.csv", SPELLS)
    land(workspace, "freeze/apc.csv", SPELLS)
    assert sorted(d.cut for d in take_in(workspace)) == ["flex", "freeze"]
    assert set(filed(workspace, cut="flex")) == set(filed(workspace, cut="freeze")) == {"S1", "S2"}


# --- Identifiers and privacy -----------------------------------------------------------------

PLANTED = {
    "NHS Number": "9990001112",
    "Patient Name": "WILHELMINA TESTPERSON",
    "Patient Usual Address": "17 MADEUP LANE",
    "Postcode Of Usual Address": "ZZ99 3VZ",
    "Postcode Sector Of Usual Address": "ZZ99 3",
    "Birth Date": "19611231",
    "Year Of Birth": "1961",
    "Month Of Birth": "Birthmonth12",
    "Local Patient Identifier": "LOCAL-PATIENT-77",
    "RTT Patient Pathway Identifier": "PATHWAY-77",
    "Hospital Provider Spell No": "HOSPSPELL-77",
    "Unique Booking Reference Number (Converted)": "UBRN-77",
    "Attendance Identifier": "ATTENDANCE-77",
    "NHS RID (From Provider)": "RID-77",
}


def with_identifiers(record: Record) -> Record:
    columns = delivered_columns("apc" if SPELL_HRG in record else "op")
    return {**record, **{name: text for name, text in PLANTED.items() if name in columns}}


def everything_written(workspace: Workspace) -> Iterator[str]:
    """All that is kept under the workspace outside what the user put there, as text."""
    for path in sorted(workspace.root.rglob("*")):
        if not path.is_file() or path.is_relative_to(workspace.root / "data"):
            continue
        yield path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield str(pl.read_parquet(path).rows())
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        for (table,) in mart.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            yield str(mart.execute(f"SELECT * FROM {table}").fetchall())


def test_identifiers_are_left_at_the_door(workspace: Workspace) -> None:
    spells = [spell("S1"), spell("S2", {AGE: "131"}), spell("S3", {PROVIDER: "RCF"})]
    attendances = [attendance("A1"), attendance("A2", {TREATMENT_FUNCTION: ""})]
    land(workspace, "freeze/apc_2024-07.zip", zipped(extract([*map(with_identifiers, spells)])))
    land(workspace, "flex/apc_2024-07.csv", [with_identifiers(spells[0])])
    land(workspace, "freeze/op_2024-07.csv", [with_identifiers(a) for a in attendances])
    publish(workspace)
    planted = set(PLANTED)
    assert planted >= set(DIRECT_IDENTIFIERS)
    written = list(everything_written(workspace))
    assert any("S3" in text for text in written)
    found = {name for text in written for name, secret in PLANTED.items() if secret in text}
    assert found == set()
    assert sorted(p.name for p in workspace.landing.rglob("*") if p.name.startswith(".")) == []


def test_a_row_put_out_of_step_does_not_bring_an_identifier_in(workspace: Workspace) -> None:
    """An unquoted comma in an address would move every field after it by one."""
    good = extract([with_identifiers(attendance())])
    moved = good.replace(b"17 MADEUP LANE", b"17, MADEUP LANE")
    land(workspace, "freeze/op_2024-07.csv", moved)
    with pytest.raises(UserError, match="FILE_MALFORMED: line 2 has more fields"):
        take_in(workspace, "op")
    assert parts(workspace) == []


def test_what_is_written_is_readable_by_its_owner_alone(workspace: Workspace) -> None:
    land_good_month(workspace)
    before = os.umask(0o022)
    try:
        keep_private()
        publish(workspace)
    finally:
        os.umask(before)
    for top in (workspace.lake, workspace.mart.parent):
        for path in (top, *top.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_registry_names_files_and_counts_and_no_record(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    take_in(workspace)
    (path,) = workspace.deliveries.glob("apc-*.json")
    (kept,) = json.loads(path.read_text())
    assert (kept["name"], kept["records"], list(kept["months"])) == (
        "freeze/apc_2024-07.csv",
        2,
        [MONTH],
    )
    assert "S1" not in path.read_text()


# --- Records in, records out -----------------------------------------------------------------


def test_every_record_of_mixed_deliveries_comes_out_exactly_once(workspace: Workspace) -> None:
    july = [spell(f"J{n}") for n in range(20)]
    corrected = [spell("J0", {QUERY_DATE: "20241019063000"})]
    refused = [spell("R1", {AGE: ""}), spell("R2", {END: ""}), spell("", {})]
    unpriced = [spell("P1", {PROVIDER: "RCF"}), spell("P2", {PROVIDER: "X99"})]
    june = [discharged(f"E{n}", "20240612") for n in range(5)]
    attendances = [attendance(f"A{n}") for n in range(7)] + [attendance("A7", {ATTENDANCE_HRG: ""})]
    land(workspace, "freeze/apc_2024-06_2024-07.csv", [*june, *july, *refused])
    land(workspace, "freeze/apc_more_2024-07.zip", zipped(extract([*corrected, *unpriced])))
    land(workspace, "flex/apc_2024-07.csv", [spell("F1"), *july])
    land(workspace, "freeze/op_2024-07.csv.gz", gzip.compress(extract(attendances)))

    account = publish(workspace)

    assert account.delivered == 20 + 1 + 3 + 2 + 8
    assert account.delivered == account.priced + account.refused
    spells, outpatients = account.datasets
    assert (spells.delivered, spells.valid, spells.priced) == (26, 22, 20)
    assert (outpatients.delivered, outpatients.priced) == (8, 7)
    assert spells.refused_by_code == {
        "AGE_MISSING": 1,
        "MFF_MISSING": 1,
        "OPEN_SPELL": 1,
        "PROVIDER_UNKNOWN": 1,
        "RECORD_ID_MISSING": 1,
        "SUPERSEDED": 1,
    }
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        out = mart.execute(
            "SELECT record_id FROM priced_lines UNION ALL SELECT record_id FROM refused_records"
        ).fetchall()
    expected = [r.get(SPELL_ID) or None for r in [*july, *corrected, *refused, *unpriced]]
    expected += [f"A{n}" for n in range(8)]
    assert sorted(str(row[0]) for row in out) == sorted(map(str, expected))


def test_a_stray_record_in_a_freeze_of_another_month_does_not_settle_the_month(
    workspace: Workspace,
) -> None:
    august = {START: "20240801", END: "20240801", QUERY_DATE: "20240920063000"}
    land(workspace, "freeze/apc_2024-07.csv", [spell("S1"), spell("STRAY", august)])
    land(workspace, "flex/apc_2024-08.csv", [spell("S2", august), spell("S3", august)])
    take_in(workspace, "apc", "2024-08")
    assert settled_cut(workspace, "apc", "2024-08") == "flex"
    assert settled_cut(workspace, "apc", "2024-07") == "freeze"


def test_a_record_of_a_freeze_supersedes_itself_in_the_flex_of_the_next_month(
    workspace: Workspace,
) -> None:
    later = {START: "20240801", END: "20240801", QUERY_DATE: "20241020063000"}
    land(workspace, "freeze/apc_2024-07.csv", [spell("S1"), spell("S2")])
    land(workspace, "flex/apc_2024-08.csv", [spell("S1", later), spell("S3", later)])
    assert set(price(workspace, "apc", "2024-08")) == {"S1", "S3"}
    assert set(price(workspace, "apc", "2024-07")) == {"S2"}
    assert refusals(workspace) == {"S1": ["SUPERSEDED"]}


def test_a_name_with_the_day_of_extraction_may_hold_any_month(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_a.csv", SPELLS)
    land(workspace, "freeze/apc_2024-10-19.csv", extract(SPELLS)[:-40])
    with pytest.raises(DeliveryError, match="FILE_TRUNCATED"):
        take_in(workspace)


def test_a_name_with_brackets_is_that_file_alone(workspace: Workspace) -> None:
    land(workspace, "freeze/apc1.csv", [spell("OTHER")])
    land(workspace, "freeze/apc[1].csv", [spell("S1"), spell("S2")])
    take_in(workspace)
    assert set(filed(workspace)) == {"OTHER", "S1", "S2"}


def test_what_a_killed_process_unpacked_is_removed(workspace: Workspace) -> None:
    left = workspace.landing / ".unpacked-killed"
    left.mkdir(parents=True)
    (left / "extract.csv").write_bytes(extract(SPELLS))
    os.utime(left, (0, 0))
    land(workspace, "freeze/apc_2024-07.csv", SPELLS)
    take_in(workspace)
    assert not left.exists()
