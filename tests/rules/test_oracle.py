"""The engine against the oracle, which was written from the policy and not from the engine.

Belongs here: that both give the same answer to every record, as hospitals send them and as
badly as they can be sent, and that the oracle stands on nothing of ours. Does not belong
here: what the answer to any one record is (`tests/cases/`).
"""

import ast
import csv
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from oracle import pricing as oracle
from oracle.books import Books, read_books
from oracle.reading import (
    CRITICAL_CARE_DAYS,
    HEADERS,
    JOINED_HEADERS,
    SUPPLEMENT_HEADERS,
    SUS_AMOUNTS,
)
from oracle.run import price_month
from oracle.years import YEARS
from support import BOOK, ENGINES, Case, case_tables, cases, price_on, records_frame

from pipelines import synth
from pipelines.deliveries import take_in
from pipelines.price_books import price_book_for
from pipelines.pricing_run import price, priced_path
from pipelines.validation import refused_path, validate
from pipelines.workspace import PROJECT, Workspace
from schemas.extracts import BY_DATASET
from schemas.priced_line import PRICED_LINE_COLUMNS

ORACLE = PROJECT / "tests" / "oracle"
DATASETS = ("apc", "op")
MONTH = "2024-07"
ROWS = 10_000
DIRTY_PPM = 30_000


@dataclass(frozen=True)
class Answers:
    """Priced lines by dataset, record and line; refused rows by dataset, file and row."""

    lines: dict[tuple[str, str, int], dict[str, Any]]
    refused: dict[tuple[str, str, int], list[str]]


def by_engine(workspace: Workspace, month: str) -> Answers:
    answers = Answers({}, {})
    for dataset in DATASETS:
        files = {d.delivery_id: d.name for d in take_in(workspace, dataset, month)}
        validate(workspace, dataset, month)
        price(workspace, dataset, month)
        for line in pl.read_parquet(priced_path(workspace, dataset, month, "freeze")).to_dicts():
            answers.lines[dataset, line["record_id"], line["line_number"]] = line
        for by in ("validation", "pricing"):
            rows = pl.read_parquet(refused_path(workspace, dataset, month, "freeze", by))
            for row in rows.iter_rows(named=True):
                key = (dataset, files[row["delivery_id"]], row["row_number"])
                assert key not in answers.refused
                answers.refused[key] = sorted(row["refusal_codes"])
    return answers


def by_oracle(workspace: Workspace, month: str, books: Books) -> Answers:
    landed = sorted((workspace.landing / "freeze").glob("*.csv"))
    supplements = [path for path in landed if is_supplement(path)]
    deliveries = [
        (path, "freeze", "apc" if path.name.startswith("apc") else "op")
        for path in landed
        if path not in supplements
    ]
    lines, refused = price_month(deliveries, month, books, YEARS["2024-25"], supplements)
    return Answers(
        lines,
        {
            (dataset, Path(path).relative_to(workspace.landing).as_posix(), number): codes
            for dataset, path, number, codes in refused
        },
    )


def is_supplement(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return "Consultation Medium Used" in next(csv.reader(file))


def books_of(workspace: Workspace) -> Books:
    def landed(name: str) -> Path | None:
        return next(workspace.landing.glob(f"{name}*.csv"), None)

    return read_books(
        price_book_for(workspace, "2024-25", date(2024, 7, 1)).folder,
        workspace.data / "organisations",
        approvals=landed("prior_approvals"),
        exceptions=landed("lva_exceptions"),
        contracts=landed("contracts"),
        local_prices=landed("local_prices"),
        overseas_visitors=landed("overseas_visitors"),
    )


def assert_same(engine: Answers, expected: Answers) -> None:
    for ours, theirs in ((engine.refused, expected.refused), (engine.lines, expected.lines)):
        differing = [
            f"{key}: engine {ours.get(key)}, oracle {theirs.get(key)}"
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)
        ]
        assert not differing, f"{len(differing)} differ; the first: {differing[0]}"
    assert {tuple(line) for line in expected.lines.values()} == {PRICED_LINE_COLUMNS}


# --- As hospitals send them ----------------------------------------------------------------


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.at(tmp_path_factory.mktemp("synthetic"))
    book = price_book_for(made, "2024-25", date(2024, 7, 1)).folder
    reference = synth.Reference.read(made.data / "organisations", book)
    synth.write_extracts([MONTH], ROWS, ROWS, 7, made.landing, reference, DIRTY_PPM)
    return made


def test_a_synthetic_month_has_the_same_answers(synthetic: Workspace) -> None:
    engine = by_engine(synthetic, MONTH)
    core_lines = [key for key in engine.lines if key[2] == 0]
    assert len(core_lines) + len(engine.refused) == len(DATASETS) * ROWS
    assert len(engine.refused) == len(DATASETS) * ROWS * DIRTY_PPM // 1_000_000
    assert_same(engine, by_oracle(synthetic, MONTH, books_of(synthetic)))
    assert_worth_comparing(engine)


def assert_worth_comparing(answers: Answers) -> None:
    """Every mechanism, price source and planted code occurs, and nearly every reason."""

    def found(name: str) -> set[Any]:
        return {line[name] for line in answers.lines.values()}

    assert len(found("payment_mechanism")) >= 6
    assert len(found("price_source")) >= 10
    assert len(found("ebi_outcome")) == 3
    assert len(found("reason_code")) >= 18
    assert len(found("long_stay_pence")) > 10
    assert len({code for codes in answers.refused.values() for code in codes}) >= 40


# --- As badly as they can be sent ----------------------------------------------------------

AWKWARD = {
    "organisation_code_of_provider": [
        *("RRV", "RTD", "RX3", "RX8", "RGT", "NT313", "NVC", "NVC01", "RRV01", "  RRV "),
        *("rrv", "X99", "RCF", ""),
    ],
    "provider_site_code": ["RRV01", ""],
    "organisation_code_of_commissioner": ["QHM", "QMJ", "QHL", "00L", "13Q", "ZZZ", "qhm", ""],
    "derived_commissioner_code": ["", "QHM", "QHL", "93C", "00L", "13Q", " ", "ZZZ"],
    "agreement_serial_number": ["", "000001", "00001=", "=", "1= ", "=1"],
    "administrative_category_code": [
        *("", "1", "01", "02", "2", "03", "4", "98", "99"),
        *("001", "5", "0", "1 "),
    ],
    "patient_classification_code": ["1", "2", "01", "02", "3", "4", "5", "002", "0", "00", "a", ""],
    "admission_method_code": ["11", "12", "21", "2A", "31", "82", "2a", "99", "1", "011", ""],
    "start_date": [
        *("20240701", "2024-07-01", "20240630", "20240731", " 20240702 ", "00010101"),
        *("2024-6-30", "2024-0701", "20240231", "01/07/2024", "99991231", ""),
    ],
    "end_date": [
        *("20240701", "2024-07-01", "20240731", "20240901", "20240918", "20240919", "20240920"),
        *("20240231", "2024-07-1", "2024071", "20180331", "20991231", ""),
    ],
    "length_of_stay_days": [
        *("0", "1", "2", "5", "30", "36525", "-0", "007", " 3 "),
        *("", "-1", "36526", "2.5", "+1", "1e2", "9" * 20, "٣"),
    ],
    "adjusted_length_of_stay_days": ["", "0", "1", "30", "100", "36525", "-1", "x", "1 0"],
    "age_years": ["18", "19", "45", "0", "130", "019", "131", "-1", "45y", ""],
    "spell_in_pbr_code": ["0", "1", "2", "3", "00", "Y", ""],
    "main_specialty_code": ["100", "560", "950", ""],
    "treatment_function_code": [
        *("100", "110", "130", "501", "650", "710", " 100"),
        *("10", "&01", "1000", ""),
    ],
    "hrg_code": [
        *("FE30Z", "BZ34C", "BZ34A", "DZ11U", "LA97A", "MA52A", "MA55B", "EB10E", "WJ06J"),
        *("WF01A", "WF01B", "WF02B", "WF01D", "WF01C", "WF03A", "UZ01Z", "UZ02Z", "EC10A"),
        *("XX99Z", "fe30z", "FE3", ""),
    ],
    "unbundled_hrg_codes": ["", "SB97Z", " RD20A ", "XD01Z", "VC42Z", "sb97z", "SB97", "-"],
    "exclusion_reason_code": ["", "1", "no such reason"],
    "best_practice_flags": ["", "BP01", "BP02", " 5", "bp01", "BP-1", "B" * 11],
    "specialised_service_codes": ["", "NCBPS08", "8", " 36 ", "ncbps08", "N/A"],
    **{
        column: ["", "0", "2", "36525", "007", "-1", "36526", "x", "1.0"]
        for column in CRITICAL_CARE_DAYS
    },
    "ebi_category_code": ["", "1", "01", "2", "3", "A", "0"],
    "ebi_type_code": [
        *("", "A_snoring", "B_menstr_D&C", "D_low_back_pain_inj"),
        *("E_x", "A", "_", "a_snoring", "snoring"),
    ],
    **{
        column: [
            *("", "1.00", "5", "0", "12.3", "-0.05", "9999999999.99"),
            *("1,234.00", "12.345", "n/a", "1.", "-", "£3", ".5", "+1", "1e3", "1.2.3"),
            *("--1", "-1-", "9" * 17),
        ]
        for column in SUS_AMOUNTS
    },
    "open_spell_indicator": ["", "N", "0", "Y", "n", "1"],
    "query_timestamp": [
        *("20240919063000", "20240918063000", "20240919996099"),
        *("20240230000000", "99999999999999", "2024-09-19", "20240919", "not run", ""),
    ],
    "attended_or_did_not_attend_code": ["5", "6", "05", "0", "00", "2", "7", "1", "Y", ""],
    "first_attendance_code": ["1", "2", "3", "4", "5", "01", "6", "0", "F", ""],
    "appointment_date": [
        *("20240701", "2024-07-31", "20240919", "20240920"),
        *("20240231", "20180331", "20991231", ""),
    ],
}
AWKWARD_ROWS = 1_500
LATER_ROWS = 300


def awkward_columns(dataset: str) -> dict[str, str]:
    """Every delivered column that is read, and which of the above its values are like."""
    of_several = JOINED_HEADERS[dataset].items()
    return HEADERS[dataset] | {header: column for column, names in of_several for header in names}


def awkward_rows(dataset: str, share: float, rng: Random) -> Iterator[list[str]]:
    """Rows that say the first of the values above, but for a share of their cells.

    A few rows of each thousand repeat the identifier of the row before.
    """
    for number in range(AWKWARD_ROWS):
        own = f"{number}"
        yield [
            rng.choices([own, f" {number - 1} ", " "], [97, 2, 1])[0]
            if column == "record_id"
            else rng.choice(AWKWARD[column])
            if rng.random() < share
            else AWKWARD[column][0]
            for column in awkward_columns(dataset).values()
        ]


def sent_again(dataset: str, rows: list[list[str]], rng: Random) -> Iterator[list[str]]:
    """Some of the rows from a later run of the query, or from an earlier one."""
    at = list(awkward_columns(dataset).values()).index("query_timestamp")
    for row in rng.sample(rows, LATER_ROWS):
        run_at = rng.choice(("20240919063001", "20240919062959", ""))
        yield [*row[:at], run_at, *row[at + 1 :]]


def deliver(workspace: Workspace, dataset: str, name: str, rows: list[list[str]]) -> None:
    headers = awkward_columns(dataset)
    others = [h for h in BY_DATASET[dataset].recognised_by if h not in headers]
    path = workspace.landing / "freeze" / f"{dataset}_{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*headers, *others])
        lines.writerows([*row, *others] for row in rows)


AWKWARD_SUPPLEMENT = {
    "cds_record_type_code": ["020", "", "20", "130", "010"],
    "episode_number": ["1", "2", "3", "10", "", "x"],
    "overseas_visitor_code": ["", "4", "1", "9", "04", " 4 ", "5", "X"],
    "multi_professional_code": ["", "1", "2", "01", "0", "3", "Y"],
    "consultation_medium_code": ["", "1", "01", "2", "03", "4", "98", "99", "T"],
    "query_timestamp": ["20240919063000", "20240919063001", "20240919062959", "", "soon"],
}
LISTS = ("prior_approvals", "lva_exceptions", "contracts", "local_prices", "overseas_visitors")


def deliver_supplement(workspace: Workspace, rng: Random) -> None:
    """What came with the records above: of spells their episodes, some of them sent again."""
    rows = []
    for number in range(AWKWARD_ROWS * 2):
        is_episode = rng.random() < 0.5
        record = f"{rng.randrange(AWKWARD_ROWS)}"
        own = {
            "generated_record_id": f"episode-{number % 900}" if is_episode else record,
            "spell_id": record if is_episode else "",
        }
        drawn = {column: rng.choice(values) for column, values in AWKWARD_SUPPLEMENT.items()}
        rows.append([(own | drawn)[column] for column in SUPPLEMENT_HEADERS.values()])
    path = workspace.landing / "freeze" / "supplementary_cds62.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(SUPPLEMENT_HEADERS)
        lines.writerows(rows)


@pytest.fixture(scope="module", params=[0.03, 0.3], ids=["some_awkward", "most_awkward"])
def awkward(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two deliveries of each dataset, priced with the book of the cases."""
    root = tmp_path_factory.mktemp("awkward")
    shutil.copytree(PROJECT / "data" / "schemes", root / "data" / "schemes")
    shutil.copytree(BOOK, root / "data" / "price_books" / "cases")
    shutil.copytree(BOOK, root / "data" / "organisations")
    made = Workspace.at(root)
    rng = Random(f"{request.param}")
    for dataset in DATASETS:
        rows = list(awkward_rows(dataset, request.param, rng))
        deliver(made, dataset, MONTH, rows)
        deliver(made, dataset, f"{MONTH}_again", list(sent_again(dataset, rows, rng)))
    deliver_supplement(made, rng)
    for name in LISTS:
        if (BOOK / f"{name}.csv").exists():
            shutil.copy(BOOK / f"{name}.csv", made.landing)
    return made


@pytest.mark.parametrize("month", [MONTH, "2024-09"])
def test_awkward_records_have_the_same_answers(awkward: Workspace, month: str) -> None:
    """Undated records are in the last month that each delivery holds, which is September."""
    engine = by_engine(awkward, month)
    assert_same(engine, by_oracle(awkward, month, books_of(awkward)))
    assert engine.refused


# --- As an analyst writes them down --------------------------------------------------------


@cache
def case_books(year: str = "2024-25") -> Books:
    names = ("approvals", "exceptions", "bridge", "contracts", "local_prices", "overseas_visitors")
    lists = (*LISTS[:2], "hrg_bridge", *LISTS[2:])
    there = {name: BOOK / f"{file}.csv" for name, file in zip(names, lists, strict=True)}
    given = {name: path for name, path in there.items() if path.exists()}
    return read_books(BOOK, BOOK, price_year=year, **given)


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_the_oracle_gives_what_the_case_expects(case: Case) -> None:
    books = case_books(case.scheme_year)
    record: Any = records_frame(case.dataset, [case.record]).row(0, named=True)
    record["dataset"] = case.dataset
    if case.dataset == "apc":
        outcome, answer = oracle.price_spell(record, books, YEARS[case.scheme_year])
    else:
        outcome, answer = oracle.price_attendance(record, books, YEARS[case.scheme_year])
    if case.refused:
        assert (outcome, answer) == ("refused", case.refused)
    else:
        assert outcome == "priced"
        assert sorted(line["line_number"] for line in answer) == sorted(case.lines)
        shown = {
            number: {name: answer[number][name] for name in expect}
            for number, expect in case.lines.items()
        }
        assert shown == case.lines


# --- Under every year's rules --------------------------------------------------------------

MIXED = 1_500
MIXED_MONTHS = ("2019-07", "2024-07", "2024-10")
"""In and out of the exceptions, approvals and mergers of the cases: few, for each takes time."""
TOGETHER = (
    {"start_date", "end_date", "length_of_stay_days", "adjusted_length_of_stay_days"},
    {"ebi_category_code", "ebi_type_code"},
    {"attended_or_did_not_attend_code", "first_attendance_code", "hrg_code"},
)
"""Fields that a valid record has from one hand: the rest may be of anyone's."""


@cache
def mixed_records(dataset: str) -> list[dict[str, Any]]:
    """Valid records of which each field, or few that belong together, is some case's own."""
    rng = Random(f"{dataset} under every year")
    costing_date = BY_DATASET[dataset].costing_date
    found = [
        case.record
        for case in cases()
        if case.dataset == dataset
        and not case.refused
        and str(case.record[costing_date])[:7] in MIXED_MONTHS
    ]
    groups = [group for group in TOGETHER if group <= {*found[0]}]
    fields = {name for record in found for name in record} - set().union(*groups)
    groups += [{name} for name in sorted(fields - {"record_id"})]
    plain = {name: record[name] for record in reversed(found) for name in record}
    mixed = []
    for number in range(MIXED):
        record = dict(rng.choice(found), record_id=f"mixed-{number}")
        for group in rng.sample(groups, 6):
            other = rng.choice(found)
            record |= {name: other.get(name, plain[name]) for name in sorted(group)}
        mixed.append(record)
    return mixed


def lines_of_records(
    engine: str, dataset: str, records: pl.DataFrame, year: str
) -> dict[str, list[dict[str, Any]]]:
    """The lines of each record, in order, as an engine prices each month with its tables."""
    found: dict[str, list[dict[str, Any]]] = {}
    for (month,), of_month in records.group_by("activity_month"):
        priced = price_on(engine, dataset, of_month, case_tables(str(month), year), year)
        for line in priced.sort("record_id", "line_number").to_dicts():
            found.setdefault(line["record_id"], []).append(line)
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("year", YEARS)
def test_mixed_records_have_the_same_answers_in_every_year(
    year: str, dataset: str, engine: str
) -> None:
    records = records_frame(dataset, mixed_records(dataset))
    priced = lines_of_records(engine, dataset, records, year)
    assert len(priced) == MIXED
    price_one: Any = oracle.price_spell if dataset == "apc" else oracle.price_attendance
    differing = []
    for record in records.to_dicts():
        outcome, answer = price_one({**record, "dataset": dataset}, case_books(year), YEARS[year])
        lines = priced[record["record_id"]]
        codes = lines[0]["refusal_codes"]
        kept = [{name: line[name] for name in PRICED_LINE_COLUMNS} for line in lines]
        ours = ("priced", kept) if codes is None else ("refused", sorted(codes.split()))
        if ours != (outcome, answer):
            differing.append(f"engine {ours}, oracle {(outcome, answer)}")
    assert not differing, f"{len(differing)} differ; the first: {differing[0]}"


def test_mixed_records_meet_what_differs_between_years() -> None:
    """Each reason that only some years have occurs in those years, and in no other."""
    years_of = {
        "ELECTIVE_AGAINST_PLAN": {"2021-22", "2022-23"},
        "FIRST_ATTENDANCE_IN_FIXED_ELEMENT": {"2021-22", "2022-23"},
        "UEC_BLENDED": {"2026-27"},
        "COVERED_BY_LVA_BLOCK": {*YEARS} - {"2021-22"},
        "UNAPPROVED_EBI": {*YEARS} - {"2023-24"},
        "EXCLUDED_TREATMENT_FUNCTION": {*YEARS} - {"2021-22", "2022-23"},
        "TERMINATION_OF_PREGNANCY": {*YEARS} - {"2021-22", "2022-23"},
    }
    found: dict[str, set[str]] = {reason: set() for reason in years_of}
    for year in YEARS:
        for dataset in DATASETS:
            records = records_frame(dataset, mixed_records(dataset))
            priced = lines_of_records("polars", dataset, records, year).values()
            for reason in found.keys() & {line["reason_code"] for of in priced for line in of}:
                found[reason].add(year)
    assert found == years_of


# --- That the oracle is on its own ---------------------------------------------------------


def imported_by(path: Path) -> Iterator[str]:
    """The top of every absolute import; a relative one must stay in its own folder."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path.name} imports from outside its folder"
            if node.level == 0 and node.module:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", sorted(ORACLE.glob("**/*.py")), ids=lambda path: path.name)
def test_the_oracle_uses_the_standard_library_alone(path: Path) -> None:
    assert set(imported_by(path)) <= sys.stdlib_module_names
    for way_round in ("importlib", "__import__", "exec(", "eval(", "subprocess", ".toml"):
        assert way_round not in path.read_text("utf-8")
