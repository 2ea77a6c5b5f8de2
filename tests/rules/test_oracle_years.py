"""The engine against the oracle under every scheme year, on records that aim at every branch.

Belongs here: that both give every record the same lines or refusals, and that the aim was true:
each row of each year's table, each price and each reason occurs, as the oracle tells it. Does not
belong here: the records and lists (`aimed.py`), or delivered files (`test_oracle.py`).
"""

import gc
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import aimed
import polars as pl
import pytest
from oracle.books import Books
from oracle.pricing import LINE_COLUMNS, price_attendance, price_spell
from oracle.years import YEARS
from support import BOOK, price_on

from pipelines.basis import PricingBasis
from pipelines.pricing_run import rulebook_for
from pipelines.workspace import PROJECT, Workspace
from pricing.reasons import Reason, Refusal
from schemas.contracts import valid_schema
from schemas.extracts import BY_DATASET, SUPPLEMENT_COLUMNS
from schemas.priced_line import PAYMENT_MECHANISMS, PRICE_SOURCES, PRICED_LINE_COLUMNS

FEW, MANY = 5_000, 100_000
"""Records of both datasets together, for each year; a tenth of them on DuckDB."""
ORGANISATIONS = ("providers", "sites", "commissioners", "successions")

Record = dict[str, Any]
Line = tuple[Any, ...]
Key = tuple[str, int]


# --- what both are asked -------------------------------------------------------------------


def make(root: Path, year: str, records: int) -> aimed.Aim:
    """A workspace whose book, organisations and lists are those of the aim."""
    aim = aimed.Aim(year, root / "data" / "price_books" / "aimed", records // 2)
    aimed.write(aim, BOOK)
    shutil.copytree(PROJECT / "data" / "schemes", root / "data" / "schemes")
    for name, folder in {
        **dict.fromkeys(ORGANISATIONS, root / "data" / "organisations"),
        **dict.fromkeys(aimed.LISTS, root / "data" / "landing"),
    }.items():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(aim.folder / f"{name}.csv", folder)
    return aim


def tables_of(
    root: Path, year: str, month: str, dataset: str, earliest_admission: date | None
) -> dict[str, pl.DataFrame]:
    """The reference tables of a month under a year, as a run reads them."""
    workspace = Workspace.at(root).on(PricingBasis(year))
    reference = rulebook_for(workspace, month).reference(month, dataset, earliest_admission)
    return {
        field.name: getattr(reference, field.name).collect().to_native()
        for field in fields(reference)
    }


def frame_of(dataset: str, records: list[Record]) -> pl.DataFrame:
    """Records as the pricing functions take them."""
    schema = {
        **valid_schema(BY_DATASET[dataset]),
        **dict.fromkeys((*SUPPLEMENT_COLUMNS[dataset], "activity_month", "cut"), pl.String),
    }
    delivered = {"delivery_id": "aimed", "row_number": 1}
    return pl.DataFrame([delivered | record for record in records], schema=schema, orient="row")


# --- what each answers ---------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """Lines by record and line number; codes by refused record."""

    lines: dict[Key, Line]
    refused: dict[str, list[str]]


def by_oracle(records: list[Record], books: Books, year: str) -> Answers:
    answers = Answers({}, {})
    for record in records:
        price_one: Any = price_spell if record["dataset"] == "apc" else price_attendance
        outcome, answer = price_one(record, books, YEARS[year])
        if outcome == "refused":
            answers.refused[record["record_id"]] = answer
        else:
            for line in answer:
                key = (record["record_id"], line["line_number"])
                answers.lines[key] = tuple(line.values())
    return answers


def by_engine(
    engine: str, dataset: str, records: pl.DataFrame, tables: dict[str, pl.DataFrame], year: str
) -> Answers:
    """A refused record has its codes, and no line."""
    priced = price_on(engine, dataset, records, tables, year)
    is_refused = pl.col("refusal_codes").is_not_null()
    refused = priced.filter(is_refused).select("record_id", "refusal_codes").unique()
    lines = priced.filter(~is_refused).select(LINE_COLUMNS)
    answers = Answers(
        {(line[0], line[1]): line for line in lines.iter_rows()},
        {record_id: sorted(codes.split()) for record_id, codes in refused.iter_rows()},
    )
    assert len(answers.lines) == lines.height
    assert len(answers.refused) == refused.height
    return answers


def assert_same(engine: Answers, oracle: Answers, what: str) -> None:
    for ours, theirs in ((engine.refused, oracle.refused), (engine.lines, oracle.lines)):
        if ours == theirs:
            continue
        differing = [key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key)]
        raise AssertionError(
            f"{what}: {len(differing)} of {len(theirs)} differ. The first: {differing[0]}, "
            + difference(ours.get(differing[0]), theirs.get(differing[0]))
        )


def difference(ours: Any, theirs: Any) -> str:
    """Which columns of a line differ, and how."""
    if not isinstance(ours, tuple) or not isinstance(theirs, tuple):
        return f"engine {ours}, oracle {theirs}"
    pairs = zip(LINE_COLUMNS, ours, theirs, strict=True)
    return "; ".join(f"{name}: engine {a}, oracle {b}" for name, a, b in pairs if a != b)


# --- that they are the same ----------------------------------------------------------------


@contextmanager
def without_collecting() -> Iterator[None]:
    """Millions of lasting objects are made here, which the collector would look at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def compare(root: Path, year: str, records: int) -> Counter[tuple[str, Any]]:
    """Prices aimed records both ways, asserts that they agree, and counts what occurred."""
    aim = make(root, year, records)
    books = aim.books()
    found: Counter[tuple[str, Any]] = Counter()
    for dataset, make_records in aimed.RECORDS.items():
        by_month: dict[str, list[Record]] = {month: [] for month in aim.months}
        for record in make_records(aim):
            by_month[record["activity_month"]].append(record)
        for month, of_month in by_month.items():
            admissions = [record["start_date"] for record in of_month if dataset == "apc"]
            tables = tables_of(root, year, month, dataset, min(admissions, default=None))
            frame = frame_of(dataset, of_month)
            expected = by_oracle(of_month, books, year)
            what = f"{year}, {dataset} of {month}"
            assert_same(by_engine("polars", dataset, frame, tables, year), expected, what)
            few = of_month[::10]
            assert_same(
                by_engine("duckdb", dataset, frame[::10], tables, year),
                by_oracle(few, books, year),
                f"{what} on DuckDB",
            )
            found += occurrences(expected)
            found["records", dataset] += len(of_month)
    return found


def occurrences(answers: Answers) -> Counter[tuple[str, Any]]:
    """How often each value occurs that is of a closed list, and what stands beside what."""
    columns = ("mechanism_rule", "payment_mechanism", "price_source", "reason_code", "ebi_outcome")
    places = {name: LINE_COLUMNS.index(name) for name in LINE_COLUMNS}
    found = Counter(
        (name, line[places[name]]) for name in columns for line in answers.lines.values()
    )
    found.update(("refusal", code) for codes in answers.refused.values() for code in codes)
    for name in ("best_practice_pence", "top_up_pence", "long_stay_pence"):
        amounts = (line[places[name]] for line in answers.lines.values())
        found.update((name, (amount > 0) - (amount < 0)) for amount in amounts)
    best_practice = places["best_practice_tariff_name"]
    found.update(
        ("named_best_practice_pence", line[places["best_practice_pence"]] != 0)
        for line in answers.lines.values()
        if line[best_practice] is not None
    )
    found.update(
        ("patient_charge_pence", line[places["patient_charge_pence"]] is not None)
        for line in answers.lines.values()
        if line[places["payment_mechanism"]] == "charged_to_patient"
    )
    return found


# --- that the aim was true -----------------------------------------------------------------

MECHANISMS_OF_SOME_YEARS = {
    "lva_block": {*YEARS} - {"2021-22"},
    "api_blended": {"2026-27"},
    "charged_to_patient": {"2023-24", "2024-25", "2026-27"},
}
REASONS_OF_SOME_YEARS = {
    "ELECTIVE_SPELL": {*YEARS} - {"2021-22", "2022-23"},
    "OUTPATIENT_PROCEDURE": {*YEARS} - {"2021-22", "2022-23"},
    "FIRST_ATTENDANCE": {*YEARS} - {"2021-22", "2022-23"},
    "FIRST_ATTENDANCE_LOCAL_PRICE": {*YEARS} - {"2021-22", "2022-23"},
    "TERMINATION_OF_PREGNANCY": {*YEARS} - {"2021-22", "2022-23"},
    "EXCLUDED_TREATMENT_FUNCTION": {*YEARS} - {"2021-22", "2022-23"},
    "UNBUNDLED_SERVICE": {*YEARS} - {"2021-22", "2022-23"},
    "UNBUNDLED_LOCAL_PRICE": {*YEARS} - {"2021-22", "2022-23"},
    "ELECTIVE_AGAINST_PLAN": {"2021-22", "2022-23"},
    "FIRST_ATTENDANCE_IN_FIXED_ELEMENT": {"2021-22", "2022-23"},
    "UNAPPROVED_EBI": {*YEARS} - {"2023-24"},
    "COVERED_BY_LVA_BLOCK": {*YEARS} - {"2021-22"},
    "CONTRACT_NOT_KNOWN": {"2021-22"},
    "BELOW_CONTRACT_THRESHOLD": {"2021-22"},
    "INCREASING_CAPACITY_FRAMEWORK": {"2021-22", "2022-23", "2023-24", "2024-25"},
    "SUBCONTRACTED": {*YEARS} - {"2021-22", "2022-23"},
    "LOCALLY_AGREED_SERVICE": {"2023-24", "2024-25", "2025-26"},
    "RADIOTHERAPY_NOT_TOLD_APART": {"2024-25", "2025-26"},
    "OVERSEAS_VISITOR_CHARGED": {"2023-24", "2024-25", "2026-27"},
    "OVERSEAS_VISITOR_NOT_RULED": {"2021-22", "2022-23", "2025-26"},
    "SMALL_ARMED_FORCES_CONTRACT": {"2026-27"},
    "UEC_BLENDED": {"2026-27"},
    "SERVICE_BLENDED": {"2026-27"},
}
"""What only some years have, from the guidance; all else every year has."""


def of_year(names: set[str], only_in: dict[str, set[str]], year: str) -> set[str]:
    return {name for name in names if year in only_in.get(name, {year})}


def assert_aimed_well(found: Counter[tuple[str, Any]], year: str, least: int) -> None:
    """Each thing that the year has occurs at least so often, and nothing that it has not."""

    def occurred(column: str) -> dict[Any, int]:
        return {value: count for (name, value), count in found.items() if name == column}

    expected = {
        "mechanism_rule": {row.rule for row in YEARS[year].table},
        "payment_mechanism": of_year({*PAYMENT_MECHANISMS}, MECHANISMS_OF_SOME_YEARS, year),
        "price_source": {*PRICE_SOURCES},
        "reason_code": of_year({*map(str, Reason)}, REASONS_OF_SOME_YEARS, year),
        "refusal": {*map(str, Refusal)},
        "ebi_outcome": {"not_applicable"}
        | ({"approved", "zero_price"} if year != "2023-24" else set()),
        "best_practice_pence": {-1, 0, 1},
        "named_best_practice_pence": {True} if year < "2023-24" else {True, False},
        "top_up_pence": {0, 1} if year != "2026-27" else {0},
        "long_stay_pence": {0, 1},
        "patient_charge_pence": {
            "2023-24": {False},
            "2024-25": {False},
            "2026-27": {True, False},
        }.get(year, set()),
    }
    for column, values in expected.items():
        counts = occurred(column)
        assert counts.keys() == values, f"{year}, {column}: {counts.keys() ^ values}"
        rare = {value: count for value, count in counts.items() if count < least}
        assert not rare, f"{year}, {column}: fewer than {least}: {rare}"


@pytest.mark.slow
@pytest.mark.parametrize("year", YEARS)
def test_aimed_records_have_the_same_answers(year: str, tmp_path: Path) -> None:
    found = compare(tmp_path, year, FEW)
    assert found["records", "apc"] + found["records", "op"] == FEW
    assert_aimed_well(found, year, least=5)


@pytest.mark.long
@pytest.mark.parametrize("year", YEARS)
def test_a_hundred_thousand_aimed_records_have_the_same_answers(year: str, tmp_path: Path) -> None:
    with without_collecting():
        found = compare(tmp_path, year, MANY)
    assert found["records", "apc"] + found["records", "op"] == MANY
    assert_aimed_well(found, year, least=100)


def test_the_oracle_gives_the_columns_of_a_line() -> None:
    assert LINE_COLUMNS == PRICED_LINE_COLUMNS
