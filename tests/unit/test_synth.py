"""The synthetic extracts: their columns, their repeatability, and that what is planted is there.

Everything is counted with the standard library's CSV reader, so that nothing of ours stands
between the files and the counts.
"""

import csv
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines import synth

ROOT = Path(__file__).parents[2]
REAL_COLUMNS = ROOT.parent / "shared" / "reference" / "sus_pbr_columns.csv"
PRICE_BOOK = ROOT / "data" / "price_books" / "2024-25-illustrative"

MONTHS = ("2024-07", "2025-03")
SPELLS, ATTENDANCES = 9_000, 6_001
DIRTY_PPM = 30_000

Row = dict[str, str]
PROVIDER = "Organisation Code (Code Of Provider)"
COMMISSIONER = "Organisation Code (Code Of Commissioner)"
METHOD = "Admission Method (Hospital Provider Spell)"
CLASSIFICATION = "Patient Classification"
STAY = "Length Of Stay (Hospital Provider Spell)"
ADJUSTED = "PbR Final Adjusted Length Of Stay"
AGE = "Age At Start Of Spell"
START = "Start Date (Hospital Provider Spell)"
END = "End Date (Hospital Provider Spell)"
EBI_CATEGORY = "Evidence Based Intervention Category"
EBI_TYPE = "Evidence Based Intervention Type"
DIRECT_IDENTIFIERS = {
    "apc": (
        *("NHS Number", "Birth Date", "Postcode Of Usual Address", "Local Patient Identifier"),
        *("Postcode Sector Of Usual Address", "RTT Patient Pathway Identifier"),
        *("Hospital Provider Spell No", "Unique Booking Reference Number (Converted)"),
    ),
    "op": (
        *("NHS Number", "Birth Date", "Postcode Of Usual Address", "Local Patient Identifier"),
        *("Patient Name", "Patient Usual Address", "Year Of Birth", "Month Of Birth"),
        *("Postcode Sector Of Usual Address", "RTT Patient Pathway Identifier"),
        *("Attendance Identifier", "Unique Booking Reference Number (Converted)"),
    ),
}


@pytest.fixture(scope="module")
def reference() -> synth.Reference:
    return synth.Reference.read(ROOT / "data" / "organisations", PRICE_BOOK)


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, reference: synth.Reference
) -> tuple[Path, synth.Expectations]:
    out = tmp_path_factory.mktemp("synthetic")
    expected = synth.write_extracts(MONTHS, SPELLS, ATTENDANCES, 1, out, reference, DIRTY_PPM)
    return out, expected


def rows_of(out: Path, dataset: str) -> list[Row]:
    return [row for path in extracts(out, dataset) for row in read(path)]


def extracts(out: Path, dataset: str) -> list[Path]:
    stem = {"apc": "apc_spells", "op": "op"}[dataset]
    return sorted((out / "freeze").glob(f"{stem}_20*.csv"))


def read(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


def header_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def day(text: str) -> date | None:
    """The day a delivered text names, or None."""
    if not re.fullmatch(r"\d{8}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def month_file(out: Path, dataset: str, month: str) -> Path:
    return next(path for path in extracts(out, dataset) if month in path.name)


def test_prices_of_tab_4b_are_known_to_it() -> None:
    """BZ34C: £179 as a procedure on tab 1, £883 as a day case on tab 4b of the made-up book."""
    book = PRICE_BOOK.with_name("2025-26-illustrative")
    known = synth.Reference.read(ROOT / "data" / "organisations", book).prices["BZ34C"]
    assert (known.by_name["procedure"], known.by_name["day_case"]) == (17_900, 88_300)
    assert (known.elective_trim, known.per_day) == (10, 33_800)


@pytest.mark.parametrize(("dataset", "count"), [("apc", 215), ("op", 283)])
def test_every_file_has_all_columns(
    written: tuple[Path, synth.Expectations], dataset: str, count: int
) -> None:
    out, _ = written
    headers = [header_of(path) for path in extracts(out, dataset)]
    assert len(headers) == len(MONTHS)
    for header in headers:
        assert len(header) == len(set(header)) == count
        assert "Tarrif Initial Amount Local" in header


@pytest.mark.parametrize(("dataset", "extract"), [("apc", "apc_spells"), ("op", "op")])
def test_columns_are_the_real_ones_in_the_real_order(
    written: tuple[Path, synth.Expectations], dataset: str, extract: str
) -> None:
    if not REAL_COLUMNS.exists():
        pytest.skip("the real column names are not beside this repository")
    out, _ = written
    real = [row["column"] for row in read(REAL_COLUMNS) if row["extract"] == extract]
    assert header_of(extracts(out, dataset)[0]) == real


def test_lines_end_as_windows_writes_them(written: tuple[Path, synth.Expectations]) -> None:
    out, _ = written
    for path in out.rglob("*.csv"):
        content = path.read_bytes()
        assert content.count(b"\n") == content.count(b"\r\n") > 1
        assert content.endswith(b"\r\n")


def test_same_seed_same_bytes(
    written: tuple[Path, synth.Expectations], reference: synth.Reference, tmp_path: Path
) -> None:
    out, expected = written
    again = synth.write_extracts(MONTHS, SPELLS, ATTENDANCES, 1, tmp_path, reference, DIRTY_PPM)
    assert again == expected
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for file in files:
        assert (tmp_path / file).read_bytes() == (out / file).read_bytes(), file


def test_another_seed_gives_other_records(
    written: tuple[Path, synth.Expectations], reference: synth.Reference, tmp_path: Path
) -> None:
    out, _ = written
    synth.write_extracts(MONTHS[:1], 200, 0, 2, tmp_path, reference)
    assert extracts(tmp_path, "op") == []
    assert rows_of(tmp_path, "apc") != rows_of(out, "apc")[:200]


@pytest.mark.parametrize(("dataset", "rows"), [("apc", SPELLS), ("op", ATTENDANCES)])
def test_rows_are_those_asked_for(
    written: tuple[Path, synth.Expectations], dataset: str, rows: int
) -> None:
    out, expected = written
    tally = expected.datasets[dataset].total
    assert len(rows_of(out, dataset)) == tally.rows == rows
    assert tally.rows - tally.good == sum(tally.planted.values()) == rows * DIRTY_PPM // 1_000_000
    for month, of_month in expected.datasets[dataset].months.items():
        assert of_month.rows == sum(1 for _ in read(month_file(out, dataset, month)))


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_record_identifiers_are_unique_but_for_superseded_copies(
    written: tuple[Path, synth.Expectations], dataset: str
) -> None:
    out, expected = written
    name = {"apc": "Spell Identifier", "op": "Generated Record ID"}[dataset]
    runs: dict[str, list[str]] = {}
    for row in rows_of(out, dataset):
        runs.setdefault(row[name].strip(), []).append(row["Query Date"])
    runs.pop("")
    copies = [run for of_one in runs.values() for run in sorted(of_one)[:-1]]
    assert len(copies) == expected.datasets[dataset].total.planted["SUPERSEDED"] > 0
    for of_one in runs.values():
        assert of_one.count(max(of_one)) == 1


def is_blank(column: str) -> Callable[[Row], bool]:
    return lambda row: not row[column].strip()


def is_none_of(column: str, pattern: str) -> Callable[[Row], bool]:
    return lambda row: bool(row[column].strip()) and not re.fullmatch(pattern, row[column].strip())


def is_beyond(column: str, most: int) -> Callable[[Row], bool]:
    return lambda row: (
        re.fullmatch(r"-?\d+", row[column]) is not None and not 0 <= int(row[column]) <= most
    )


def is_not_a_day(column: str) -> Callable[[Row], bool]:
    return lambda row: bool(row[column]) and day(row[column]) is None


def ends_before_it_starts(row: Row) -> bool:
    start, end = day(row[START]), day(row[END])
    return start is not None and end is not None and end < start


def is_costed_out_of_range(column: str) -> Callable[[Row], bool]:
    def found(row: Row) -> bool:
        costed, run = day(row[column]), day(row["Query Date"][:8])
        if costed is None or run is None:
            return False
        return costed < date(2018, 4, 1) or costed > run

    return found


def has_no_commissioner(row: Row) -> bool:
    return not row[COMMISSIONER] and not row["Derived Commissioner"]


def is_open(row: Row) -> bool:
    return not row[END] or row["Open Spell Indicator"] not in ("", "N", "0")


def has_no_ebi_type(row: Row) -> bool:
    return row[EBI_CATEGORY] in ("1", "01") and not re.match(r"[A-Z]_", row[EBI_TYPE])


def has_no_needed_hrg(row: Row) -> bool:
    attended = row["Attended Or Did Not Attend"] in ("5", "05", "6")
    kept = row["First Attendance"] not in ("5", "05", "")
    return attended and kept and not row["Core HRG"]


SHARED = {
    "PROVIDER_MISSING": is_blank(PROVIDER),
    "COMMISSIONER_MISSING": has_no_commissioner,
    "TREATMENT_FUNCTION_MISSING": is_blank("Treatment Function Code"),
    "TREATMENT_FUNCTION_MALFORMED": is_none_of("Treatment Function Code", r"\d{3}"),
    "SPELL_IN_PBR_UNKNOWN": lambda row: row["Spell In PbR/Not In PbR"] not in ("0", "1", "2"),
    "SUS_PRICE_UNPARSEABLE": is_none_of("PbR Final Tariff", r"\d+(\.\d{1,2})?"),
    "QUERY_DATE_UNPARSEABLE": lambda row: not re.fullmatch(r"\d{14}", row["Query Date"]),
}
HRG = r"[A-Z]{2}\d{2}[A-Z]"
METHODS = "1[123]|2[1-58A-D]|3[12]|8[123]"
CATEGORIES = "0?[1-4]|98|99"
FOUND: dict[str, dict[str, Callable[[Row], bool]]] = {
    "apc": {
        **SHARED,
        "RECORD_ID_MISSING": is_blank("Spell Identifier"),
        "HRG_MISSING": is_blank("Spell Core HRG"),
        "HRG_MALFORMED": is_none_of("Spell Core HRG", HRG),
        "ADMINISTRATIVE_CATEGORY_UNKNOWN": is_none_of(
            "Administrative Category (On Admission)", CATEGORIES
        ),
        "ADMISSION_METHOD_MISSING": is_blank(METHOD),
        "ADMISSION_METHOD_UNKNOWN": is_none_of(METHOD, METHODS),
        "PATIENT_CLASSIFICATION_MISSING": is_blank(CLASSIFICATION),
        "PATIENT_CLASSIFICATION_UNKNOWN": is_none_of(CLASSIFICATION, "0?[1-5]"),
        "START_DATE_MISSING": is_blank(START),
        "START_DATE_UNPARSEABLE": is_not_a_day(START),
        "END_DATE_UNPARSEABLE": is_not_a_day(END),
        "END_BEFORE_START": ends_before_it_starts,
        "OPEN_SPELL": is_open,
        "COSTING_DATE_OUT_OF_RANGE": is_costed_out_of_range(END),
        "LENGTH_OF_STAY_MISSING": is_blank(STAY),
        "LENGTH_OF_STAY_UNPARSEABLE": is_none_of(STAY, r"-?\d+"),
        "LENGTH_OF_STAY_OUT_OF_RANGE": is_beyond(STAY, 36_525),
        "ADJUSTED_LENGTH_OF_STAY_UNPARSEABLE": is_none_of(ADJUSTED, r"-?\d+"),
        "ADJUSTED_LENGTH_OF_STAY_OUT_OF_RANGE": is_beyond(ADJUSTED, 36_525),
        "AGE_MISSING": is_blank(AGE),
        "AGE_UNPARSEABLE": is_none_of(AGE, r"-?\d+"),
        "AGE_OUT_OF_RANGE": is_beyond(AGE, 130),
        "EBI_CATEGORY_UNKNOWN": is_none_of(EBI_CATEGORY, "0?[12]"),
        "EBI_TYPE_UNKNOWN": has_no_ebi_type,
    },
    "op": {
        **SHARED,
        "RECORD_ID_MISSING": is_blank("Generated Record ID"),
        "HRG_MISSING": has_no_needed_hrg,
        "HRG_MALFORMED": is_none_of("Core HRG", HRG),
        "ADMINISTRATIVE_CATEGORY_UNKNOWN": is_none_of("Administrative Category", CATEGORIES),
        "ATTENDED_MISSING": is_blank("Attended Or Did Not Attend"),
        "ATTENDED_UNKNOWN": is_none_of("Attended Or Did Not Attend", "0?[02-7]"),
        "FIRST_ATTENDANCE_MISSING": is_blank("First Attendance"),
        "FIRST_ATTENDANCE_UNKNOWN": is_none_of("First Attendance", "0?[1-5]"),
        "APPOINTMENT_DATE_MISSING": is_blank("Appointment Date"),
        "APPOINTMENT_DATE_UNPARSEABLE": is_not_a_day("Appointment Date"),
        "COSTING_DATE_OUT_OF_RANGE": is_costed_out_of_range("Appointment Date"),
    },
}
FOUND_BY_PRICING = {"PROVIDER_UNKNOWN", "COMMISSIONER_UNKNOWN", "MFF_MISSING"}


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_planted_faults_are_all_found_and_no_others(
    written: tuple[Path, synth.Expectations], dataset: str
) -> None:
    out, expected = written
    planted = expected.datasets[dataset].total.planted
    assert set(planted) == {*FOUND[dataset], *FOUND_BY_PRICING, "SUPERSEDED"}
    codes = [
        [code for code, is_found in FOUND[dataset].items() if is_found(row)]
        for row in rows_of(out, dataset)
    ]
    assert [found for found in codes if len(found) > 1] == []
    assert Counter(found[0] for found in codes if found) == {
        code: count for code, count in planted.items() if code in FOUND[dataset]
    }


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_organisations_that_pricing_refuses_are_all_found(
    written: tuple[Path, synth.Expectations], reference: synth.Reference, dataset: str
) -> None:
    out, expected = written
    mff = {provider.code: provider.mff_ppm for provider in reference.providers}
    locations = {code for codes in reference.payers.values() for code in codes}
    found: Counter[str] = Counter()
    for row in rows_of(out, dataset):
        delivered = row[PROVIDER]
        provider = delivered if delivered in mff else delivered[:3]
        commissioner = row["Derived Commissioner"] or row[COMMISSIONER]
        found["PROVIDER_UNKNOWN"] += bool(delivered) and provider not in mff
        found["MFF_MISSING"] += provider in mff and mff[provider] is None
        found["COMMISSIONER_UNKNOWN"] += bool(commissioner) and commissioner not in locations
    planted = expected.datasets[dataset].total.planted
    assert found == {code: planted[code] for code in FOUND_BY_PRICING}


def test_warnings_of_good_rows_are_counted(written: tuple[Path, synth.Expectations]) -> None:
    out, expected = written
    rows = rows_of(out, "apc")
    stayed = sum(row[CLASSIFICATION] in ("2", "02") and row[STAY] != "0" for row in rows)
    warnings = expected.datasets["apc"].total.warnings
    assert stayed == warnings["DAY_CASE_WITH_STAY"] > 0


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_direct_identifiers_are_filled_and_made_up(
    written: tuple[Path, synth.Expectations], dataset: str
) -> None:
    out, _ = written
    for row in rows_of(out, dataset):
        assert all(row[name] for name in DIRECT_IDENTIFIERS[dataset])
        assert re.fullmatch(r"999\d{7}", row["NHS Number"])
        assert row["Postcode Of Usual Address"].startswith("ZZ99 ")
        assert "SYNTHETIC" in row.get("Patient Name", "SYNTHETIC")


def test_the_mix_is_that_of_hospitals(written: tuple[Path, synth.Expectations]) -> None:
    out, _ = written
    spells, attendances = rows_of(out, "apc"), rows_of(out, "op")
    elective = [row for row in spells if row[METHOD].startswith("1")]
    day_cases = [r for r in elective if r[CLASSIFICATION] in ("2", "02") and r[STAY] == "0"]
    emergencies = [row for row in spells if row[METHOD].startswith("2")]
    assert 0.33 < len(day_cases) / len(spells) < 0.43
    assert 0.31 < len(emergencies) / len(spells) < 0.41
    firsts = [row for row in attendances if row["First Attendance"] in ("1", "01", "3", "03")]
    assert 0.27 < len(firsts) / len(attendances) < 0.42
    for rows in (spells, attendances):
        assert 0.02 < sum(row[PROVIDER][:1] == "N" for row in rows) / len(rows) < 0.08
        assert any(re.fullmatch(r"R\w\w01", row[PROVIDER]) for row in rows)
        assert any(not row["Derived Commissioner"] and row[COMMISSIONER] for row in rows)


def test_approvals_are_of_good_spells_that_need_them(
    written: tuple[Path, synth.Expectations],
) -> None:
    out, expected = written
    approvals = list(read(next(out.glob("prior_approvals_*.csv"))))
    assert len(approvals) == expected.prior_approvals
    spells = {row["Spell Identifier"]: row for row in rows_of(out, "apc")}
    for approval in approvals:
        dates = (approval["valid_from"], approval["valid_to"])
        if approval["record_id"]:
            assert spells[approval["record_id"]][EBI_TYPE][0] in "ABCD"
            assert dates == ("", "")
        else:
            assert approval["provider_code"]
            assert approval["commissioner_code"]
            assert approval["ebi_type_code"][:2] in ("A_", "B_", "C_", "D_")
            assert (date.fromisoformat(dates[1]) - date.fromisoformat(dates[0])).days == 6
    forms = Counter(bool(approval["record_id"]) for approval in approvals)
    assert min(forms[True], forms[False]) > 5
    approved = expected.ebi_spells["approved"] / sum(expected.ebi_spells.values())
    assert 0.4 < approved < 0.8


PARTS = {
    "apc": (
        *("Tariff Initial Amount National", "Tariff Service Adjustment National"),
        *("Tariff Long Stay Payment National", "Aggregate UnBundled Adjustment National"),
    ),
    "op": ("Tariff Initial Amount National", "Aggregate UnBundled Adjustment National"),
}


def pence(text: str) -> int:
    return int(Decimal(text or "0") * 100)


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_the_amounts_of_sus_add_up(written: tuple[Path, synth.Expectations], dataset: str) -> None:
    """The parts give the amount before MFF, and that with what MFF adds the final price."""
    out, _ = written
    seen: Counter[str] = Counter()
    for row in rows_of(out, dataset):
        if is_none_of("PbR Final Tariff", r"\d+(\.\d{1,2})?")(row):
            continue
        final = row["PbR Final Tariff"]
        before = pence(row["Tariff Pre MFF Adjusted National"])
        assert sum(pence(row[part]) for part in PARTS[dataset]) == before
        assert before + pence(row["MFF Adjustment"]) == pence(final)
        assert final == row["Tariff Total Payment National"]
        seen.update(part for part in PARTS[dataset] if pence(row[part]))
        seen["blank"] += final == ""
    assert all(seen[name] > 0 for name in (*PARTS[dataset], "blank"))


def is_sound_stay(row: Row) -> bool:
    return all(re.fullmatch(r"\d{1,3}", row[column]) for column in (STAY, ADJUSTED))


def test_the_parts_of_a_price_are_those_of_the_record(
    written: tuple[Path, synth.Expectations], reference: synth.Reference
) -> None:
    """An unbundled amount has unbundled HRGs, a best practice tariff is one of its HRG."""
    out, _ = written
    several = 0
    for row in rows_of(out, "apc"):
        unbundled = [row[f"Unbundled HRG {place}"] for place in range(1, 13)]
        assert sorted(unbundled, key=lambda code: code == "") == unbundled
        several += unbundled[1] != ""
        if row["Aggregate UnBundled Adjustment National"]:
            assert any(code in reference.unbundled for code in unbundled)
        if row["BPT Indicator 1"] and re.fullmatch(HRG, row["Spell Core HRG"]):
            tariffs = reference.best_practice[row["Spell Core HRG"]]
            assert row["BPT Indicator 1"] in {tariff.flag for tariff in tariffs}
        if row["Tariff Service Adjustment National"]:
            assert row["Significant Specialised Service Code"]
        critical = sum(int(row[f"Spell {kind} Length Of Stay"]) for kind in ("ACC", "NCC", "PCC"))
        if critical and is_sound_stay(row):
            assert int(row[ADJUSTED]) + critical <= int(row[STAY])
    assert several > 0


def test_differences_of_every_cause_are_planted(
    written: tuple[Path, synth.Expectations], tmp_path: Path
) -> None:
    """Another publication of the same year's prices there is for 2025/26 alone."""
    _, expected = written
    spells = expected.datasets["apc"].total.differences
    attendances = expected.datasets["op"].total.differences
    anywhere = {"mff_value", "rounding", "rule_year", "exclusion"}
    assert set(spells) >= anywhere | {"top_up", "best_practice_tariff", "long_stay", "ebi_approval"}
    assert set(attendances) == anywhere | {"unbundled"}
    assert sum(spells.values()) < SPELLS // 20
    book = PRICE_BOOK.with_name("2025-26-illustrative")
    known = synth.Reference.read(ROOT / "data" / "organisations", book)
    later = synth.write_extracts(["2025-07"], 3_000, 0, 1, tmp_path, known)
    assert later.datasets["apc"].total.differences["price_book_version"] > 0


@pytest.mark.parametrize(("dataset", "stem"), [("apc", "apc_spells"), ("op", "op")])
def test_every_record_has_its_supplement(
    written: tuple[Path, synth.Expectations], dataset: str, stem: str
) -> None:
    out, _ = written
    identifier = {"apc": "Spell Identifier", "op": "Generated Record ID"}[dataset]
    for path in extracts(out, dataset):
        supplement = path.with_name(path.name.replace(stem, f"{dataset}_supplement"))
        rows = list(read(supplement))
        names = Counter(
            row["Spell ID" if dataset == "apc" else "Generated Record ID"] for row in rows
        )
        delivered = {row[identifier].strip() for row in read(path)} - {""}
        assert set(names) == delivered
        assert set(names.values()) == ({1, 2, 3} if dataset == "apc" else {1})
        codes = {row["OSV Status Classification At CDS Activity Date"] for row in rows}
        assert codes <= {"", "1", "2", "3", "4", "8"}
        assert "4" in codes
        if dataset == "op":
            kinds = {
                row["Multi-Professional Or Multi-Disciplinary Indication Code"] for row in rows
            }
            assert kinds == {"", "1"}
            assert {row["Consultation Medium Used"] for row in rows} == {"01", "02"}
        else:
            assert len({row["Generated Record ID"] for row in rows}) == len(rows)


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_the_columns_of_a_supplement_are_the_real_ones(
    written: tuple[Path, synth.Expectations], dataset: str
) -> None:
    if not REAL_COLUMNS.exists():
        pytest.skip("the real column names are not beside this repository")
    out, _ = written
    extract = f"{dataset}_supplementary_cds62"
    real = [row["column"] for row in read(REAL_COLUMNS) if row["extract"] == extract]
    assert header_of(next((out / "freeze").glob(f"{dataset}_supplement_*.csv"))) == real


def test_the_users_lists_go_with_the_records(
    written: tuple[Path, synth.Expectations], reference: synth.Reference
) -> None:
    out, _ = written
    listed = {
        name: rows_of_list(out, name)
        for name in ("contracts", "local_prices", "overseas_visitors", "excluded_items")
    }
    spells = {row["Spell Identifier"] for row in rows_of(out, "apc")}
    attendances = {row["Generated Record ID"] for row in rows_of(out, "op")}
    records = spells | attendances
    providers = {provider.code for provider in reference.providers}
    for name in ("contracts", "local_prices", "excluded_items"):
        assert {row["provider_code"] for row in listed[name]} <= providers
        assert {row["commissioner_code"] for row in listed[name]} <= set(reference.payers)
    of_contract = ("provider_code", "commissioner_code", "agreement_serial_number")
    contracts = [tuple(row[name] for name in of_contract) for row in listed["contracts"]]
    assert len(contracts) == len(set(contracts)) > 5
    for row in listed["local_prices"]:
        assert bool(row["hrg_code"]) != bool(row["treatment_function_code"])
        assert row["hrg_code"] not in reference.unbundled
        clinic = (row["treatment_function_code"], "WF01B")
        assert row["hrg_code"] or reference.attendance_prices.get(clinic) is None
    visitors = [(row["dataset"], row["record_id"]) for row in listed["overseas_visitors"]]
    assert len(visitors) == len(set(visitors)) > 3
    assert set(visitors) <= {("apc", one) for one in spells} | {("op", one) for one in attendances}
    items = listed["excluded_items"]
    assert len({row["item_reference"] for row in items}) == len(items) > 10
    assert {row["record_id"] for row in items} - {""} <= records
    assert {row["activity_month"] for row in items} <= set(MONTHS)


def rows_of_list(out: Path, name: str) -> list[Row]:
    """The rows of a list, of whatever months or years its files are."""
    return [row for path in sorted(out.glob(f"{name}_2*.csv")) for row in read(path)]


YEARS = {"2021-04": "2021-22", "2022-11": "2022-23", "2024-07": "2024-25", "2027-03": "2026-27"}


def lines_of_year(year: str) -> dict[str, Row]:
    """The contract lines of a scheme year, as its pack has them."""
    pack = tomllib.loads((ROOT / "data" / "schemes" / f"{year}.toml").read_text("utf-8"))
    return {row["line"]: row for row in pack["contract_lines"]["table"][-1]["value"]}


@pytest.fixture(scope="module")
def agreed(
    tmp_path_factory: pytest.TempPathFactory, reference: synth.Reference
) -> dict[str, tuple[Path, dict[str, list[Row]]]]:
    """What is planned, agreed and counted in a month of each year, beside its extracts.

    Under the rules of the year, and of the month alone.
    """
    made = {}
    for month, year in YEARS.items():
        out = tmp_path_factory.mktemp(month)
        synth.write_extracts([month], 4_000, 4_000, 5, out, reference)
        names = ("contracts", "activity_plans", "contract_terms", "activity_counts")
        lists = {name: rows_of_list(out, name) for name in names}
        made[month] = (
            out,
            {
                name: [
                    row
                    for row in rows
                    if row.get("scheme_year", year) == year
                    and row.get("activity_month", month) == month
                ]
                for name, rows in lists.items()
            },
        )
    return made


def pair(row: Row) -> tuple[str, str]:
    return row["provider_code"], row["commissioner_code"]


@pytest.mark.parametrize("month", YEARS)
def test_plans_terms_and_counts_are_of_lines_that_the_year_has(
    agreed: dict[str, tuple[Path, dict[str, list[Row]]]], month: str
) -> None:
    _, lists = agreed[month]
    plans, terms, counts = (
        lists[name] for name in ("activity_plans", "contract_terms", "activity_counts")
    )
    lines = lines_of_year(YEARS[month])
    counted = {name for name, line in lines.items() if line["from"] == "counts"}
    key = [(*pair(row), row["contract_line"]) for row in plans]
    assert len(key) == len(set(key)) > 20
    assert {row["contract_line"] for row in plans + terms} <= set(lines)
    assert {row["contract_line"] for row in counts} <= counted
    for row in plans:
        is_amount = lines[row["contract_line"]]["from"] in ("best_practice", "terms")
        assert (row["activity"] == "") is is_amount
        each = Decimal(row["value"]) / int(row["activity"] or 1)
        assert is_amount or 1 <= each <= 50_000


@pytest.mark.parametrize("month", YEARS)
def test_some_contracts_have_no_plan_and_what_they_count_is_there(
    agreed: dict[str, tuple[Path, dict[str, list[Row]]]], month: str
) -> None:
    """One in five; every contract that plans what is counted counts it too."""
    _, lists = agreed[month]
    open_to_plans = {
        pair(row)
        for row in lists["contracts"]
        if row["agreed_mechanism"] == "api" and not row["agreement_serial_number"]
    }
    planned = {pair(row) for row in lists["activity_plans"]}
    assert planned < open_to_plans
    assert 3 <= len(open_to_plans - planned) <= len(open_to_plans) // 3
    counted = {(*pair(row), row["contract_line"]) for row in lists["activity_counts"]}
    names = {line for *_, line in counted}
    assert {
        (*pair(row), row["contract_line"])
        for row in lists["activity_plans"]
        if row["contract_line"] in names
    } <= counted
    assert (names == set()) is (YEARS[month] < "2023-24")


@pytest.mark.parametrize("month", YEARS)
def test_what_is_planned_is_about_what_was_done(
    agreed: dict[str, tuple[Path, dict[str, list[Row]]]], reference: synth.Reference, month: str
) -> None:
    """Day cases of the planned contracts: what others pay for, or an agreement in them, is less."""
    out, lists = agreed[month]
    plans = [row for row in lists["activity_plans"] if row["contract_line"] == "DC"]
    carried = {code: payer for payer, codes in reference.payers.items() for code in codes}
    pairs = {pair(row) for row in plans}
    done = [
        row
        for row in rows_of(out, "apc")
        if (row[PROVIDER][:3], carried.get(row["Derived Commissioner"] or row[COMMISSIONER]))
        in pairs
        and row[METHOD] in ("11", "12", "13")
        and row[CLASSIFICATION].lstrip("0") == "2"
        and row[STAY] == "0"
        and row["PbR Final Tariff"]
    ]
    activity = sum(int(row["activity"]) for row in plans)
    value = sum(Decimal(row["value"]) for row in plans)
    assert 0.8 * len(done) < activity < 1.1 * len(done)
    worth = sum(Decimal(row["PbR Final Tariff"]) for row in done)
    assert Decimal("0.8") * worth < value < Decimal("1.1") * worth


def test_every_month_of_the_year_is_planned_and_under_the_rules_compared_with_too(
    agreed: dict[str, tuple[Path, dict[str, list[Row]]]],
) -> None:
    out, _ = agreed["2024-07"]
    plans, terms, counts = (
        rows_of_list(out, name) for name in ("activity_plans", "contract_terms", "activity_counts")
    )
    year = [f"2024-{month:02}" for month in range(4, 13)] + ["2025-01", "2025-02", "2025-03"]
    assert sorted({row["activity_month"] for row in plans}) == year
    assert sorted({row["activity_month"] for row in counts}) == year[:4]
    for rows in (plans, terms, counts):
        assert {row["scheme_year"] for row in rows} == {"2024-25", "2026-27"}
    for rows in (plans, counts):
        assert {(row["scheme_year"], row["what_if"]) for row in rows} == {
            ("2024-25", ""),
            ("2026-27", "yes"),
        }
    for rules in ("2024-25", "2026-27"):
        of_rules = [row for row in plans if row["scheme_year"] == rules]
        assert {row["contract_line"] for row in of_rules} <= set(lines_of_year(rules))
        key = [(*pair(row), row["activity_month"], row["contract_line"]) for row in of_rules]
        assert len(key) == len(set(key))


def test_one_contract_has_break_glass_terms_in_2026_27(
    agreed: dict[str, tuple[Path, dict[str, list[Row]]]],
) -> None:
    """Over 10% from plan 50%, over 20% 80%, either way; and one in three plans has grown."""
    _, lists = agreed["2027-03"]
    bands = [row for row in lists["contract_terms"] if row["term"] == "break_glass"]
    columns = ("contract_line", "side", "from_percent", "to_percent", "percent")
    assert [tuple(row[name] for name in columns) for row in bands] == [
        ("NEL", "both", "10", "20", "50"),
        ("NEL", "both", "20", "", "80"),
    ]
    (contract,) = {pair(row) for row in bands}
    grown = {pair(row) for row in lists["activity_plans"] if row["plan_basis"] == "default_growth"}
    assert contract in {pair(row) for row in lists["activity_plans"]}
    assert {row["contract_line"] for row in lists["activity_plans"] if pair(row) in grown} >= {
        "NEL",
        "DC",
    }
    for month in set(YEARS) - {"2027-03"}:
        _, others = agreed[month]
        assert not any(row["term"] == "break_glass" for row in others["contract_terms"])
        assert {row["plan_basis"] for row in others["activity_plans"]} == {"agreed"}


def test_a_month_before_there_are_rules_has_no_plan(
    reference: synth.Reference, tmp_path: Path
) -> None:
    synth.write_extracts(["2019-04"], 300, 300, 5, tmp_path, reference)
    for name in ("activity_plans", "contract_terms", "activity_counts"):
        assert rows_of_list(tmp_path, name) == []


def test_exceptions_are_of_pairs_on_the_schedule(
    written: tuple[Path, synth.Expectations], reference: synth.Reference
) -> None:
    out, expected = written
    exceptions = list(read(next(out.glob("lva_exceptions_*.csv"))))
    assert len(exceptions) == expected.lva_exceptions > 0
    pairs = {(row["provider_code"], row["commissioner_code"]) for row in exceptions}
    assert pairs <= set(reference.low_volume_pairs)
    assert {row["exception"] for row in exceptions} == {
        "patient_choice_without_contract",
        "out_of_area_mental_health",
    }


def test_few_rows_still_have_a_good_one_for_each_that_is_broken(
    reference: synth.Reference, tmp_path: Path
) -> None:
    told: list[int] = []
    expected = synth.write_extracts(
        ["2024-04"], 7, 1, 3, tmp_path, reference, synth.MOST_DIRTY_PPM, told.append
    )
    assert expected.datasets["apc"].total.good == 4
    assert expected.datasets["op"].total.good == 1
    assert told == [7, 1]


def test_no_faults_are_planted_when_none_are_wanted(
    reference: synth.Reference, tmp_path: Path
) -> None:
    expected = synth.write_extracts(["2024-04"], 500, 500, 3, tmp_path, reference, dirty_ppm=0)
    for dataset, found in FOUND.items():
        assert expected.datasets[dataset].total.planted == {}
        assert not any(f(row) for row in rows_of(tmp_path, dataset) for f in found.values())


@pytest.mark.parametrize(
    ("months", "spells", "dirty_ppm"),
    [
        ([], 1, 0),
        (["2024-7"], 1, 0),
        (["2024-13"], 1, 0),
        (["2024-07", "2024-07"], 1, 0),
        (["2018-03"], 1, 0),
        (["2024-07"], -1, 0),
        (["2024-07"], 1, 500_001),
    ],
)
def test_what_cannot_be_made_is_refused(
    reference: synth.Reference, tmp_path: Path, months: list[str], spells: int, dirty_ppm: int
) -> None:
    with pytest.raises(ValueError, match=r"months|negative|dirty_ppm"):
        synth.write_extracts(months, spells, 0, 1, tmp_path, reference, dirty_ppm)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_no_extract(reference: synth.Reference, tmp_path: Path) -> None:
    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt(rows)

    with pytest.raises(KeyboardInterrupt):
        synth.write_extracts(["2024-07"], 10, 10, 1, tmp_path, reference, progress=interrupt)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
