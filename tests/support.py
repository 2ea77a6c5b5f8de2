"""What several tests need: reading cases, and pricing records on either engine.

Belongs here: test plumbing. Does not belong here: expected values, which are in
`tests/cases/` and in each test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import yaml

from pipelines.basis import PricingBasis, scheme_year_of
from pipelines.contracts import (
    CONTRACT_CELLS,
    contracts_in_force,
    single_agreements,
    whole_contracts,
)
from pipelines.lists import Cell, read_list
from pipelines.local_prices import (
    PRICE_CELLS,
    local_attendance_price_days,
    local_hrg_price_days,
)
from pipelines.organisations import LAYOUTS, Organisations, bundled_list
from pipelines.price_books import read_price_book
from pipelines.scheme_packs import scheme_for
from pipelines.user_lists import (
    APPROVALS,
    BRIDGE,
    EXCEPTIONS,
    VISITORS,
    UserList,
    approved_days,
    approved_records,
    charging_statuses,
    exception_days,
    in_price_year,
    of_price_year,
)
from pipelines.workspace import PROJECT, Workspace
from pricing.hrg_bridge import with_bridged
from pricing.national import (
    marks_of_attendances,
    marks_of_spells,
    parties_of,
    price_attendances,
    price_spells,
)
from pricing.reference import Reference
from pricing.scheme import Scheme
from schemas.contracts import valid_schema
from schemas.extracts import BY_DATASET

SCHEME_YEAR = "2024-25"
CASES = PROJECT / "tests" / "cases"
BOOK = CASES / "book"
ENGINES = ("polars", "duckdb")
SHARED_REFERENCE = PROJECT.parent / "shared" / "reference"
_DATASETS = {"spell": "apc", "attendance": "op"}
_PENCE = (
    "unit_price",
    "best_practice",
    "long_stay",
    "top_up",
    "pre_mff",
    "value",
    "payable",
    "patient_charge",
)


@dataclass(frozen=True)
class Case:
    """One case of `tests/cases/`: a record, and what is expected of it.

    `lines` is what is expected of each of its lines, the core HRG's (0) among them; a refused
    record has none.
    """

    file: str
    name: str
    policy: str
    working: str
    scheme_year: str
    dataset: str
    record: dict[str, Any]
    lines: dict[int, dict[str, Any]]
    refused: list[str]


@cache
def cases() -> list[Case]:
    """Every case of every file, in order."""
    return [case for path in sorted(CASES.glob("*.yaml")) for case in _cases_of(path)]


def _cases_of(path: Path) -> Iterator[Case]:
    document = yaml.safe_load(path.read_text("utf-8"))
    for number, entry in enumerate(document["cases"], 1):
        kind = next(key for key in _DATASETS if key in entry)
        record = {**document["defaults"][kind], **(entry[kind] or {})}
        record.setdefault("record_id", f"{path.stem}-{number}")
        refused = sorted(entry.get("refused", []))
        assert ("expect" in entry) is not bool(refused), f"{path.stem}: {entry['case']}"
        lines = {} if refused else {0: entry["expect"], **entry.get("lines", {})}
        yield Case(
            file=path.stem,
            name=entry["case"],
            policy=entry.get("policy", document["policy"]),
            working=entry.get("working", ""),
            scheme_year=entry.get("scheme_year", document.get("scheme_year", SCHEME_YEAR)),
            dataset=_DATASETS[kind],
            record=record,
            lines={number: expected(amounts) for number, amounts in lines.items()},
            refused=refused,
        )


def expected(amounts: dict[str, Any]) -> dict[str, Any]:
    """Expectations with amounts in pounds as Int64 pence columns."""
    named = {f"{k}_pence" if k in _PENCE else k: v for k, v in amounts.items()}
    return {k: pence_of(v) if k.endswith("_pence") else v for k, v in named.items()}


def pence_of(pounds: str | None) -> int | None:
    """Pence from pounds written as text."""
    if pounds is None:
        return None
    pence = Decimal(pounds) * 100
    assert pence == int(pence), pounds
    return int(pence)


def records_frame(dataset: str, records: list[dict[str, Any]]) -> pl.DataFrame:
    """Valid records as the pricing functions take them."""
    schema = {**valid_schema(BY_DATASET[dataset]), "activity_month": pl.String, "cut": pl.String}
    rows = [_row(dataset, record, place) for place, record in enumerate(records, 1)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(dataset: str, record: dict[str, Any], place: int) -> dict[str, Any]:
    row = {**record, "delivery_id": "case", "row_number": place, "cut": "freeze"}
    if "sus_price" in row:
        row["sus_price_pence"] = pence_of(row.pop("sus_price"))
    schema = valid_schema(BY_DATASET[dataset])
    unknown = row.keys() - schema.keys() - {"cut"}
    assert not unknown, f"{row.get('record_id')}: no such column: {sorted(unknown)}"
    for name, kind in schema.items():
        if kind == pl.Date and isinstance(row.get(name), str):
            row[name] = date.fromisoformat(row[name])
    costing_date = row[BY_DATASET[dataset].costing_date]
    return {**row, "activity_month": f"{costing_date:%Y-%m}"}


@cache
def scheme(year: str = SCHEME_YEAR) -> Scheme:
    """The scheme of a year as shipped."""
    return scheme_for(Workspace.at(PROJECT), date(int(year[:4]), 7, 1)).scheme


@cache
def case_list(name: str, cells: tuple[Cell, ...]) -> UserList:
    """A user's list of the cases, from `tests/cases/book/`."""
    file = f"{name}.csv"
    rows = read_list(BOOK / file, cells, numbered=True)
    return UserList(rows.with_columns(file=pl.lit(file)), {})


@cache
def case_tables(
    month: str = "2024-07", year: str = SCHEME_YEAR, dataset: str = "apc"
) -> dict[str, pl.DataFrame]:
    """The reference tables of a month's cases under a year, from `tests/cases/book/`."""
    book = read_price_book(BOOK)
    organisations = Organisations({name: bundled_list(BOOK, name) for name in LAYOUTS})
    activity = date.fromisoformat(f"{month}-01")
    parties = organisations.laid_out(activity, PricingBasis(year).rules_day(month))
    codes = [dict(zip(*parties[name].get_columns()[:2], strict=True)) for name in parties]
    approvals = in_price_year(case_list("prior_approvals", APPROVALS).rows, *codes)
    exceptions = in_price_year(case_list("lva_exceptions", EXCEPTIONS).rows, *codes)
    local_prices = in_price_year(case_list("local_prices", PRICE_CELLS).rows, *codes)
    contracts = in_price_year(case_list("contracts", CONTRACT_CELLS).rows, *codes)
    in_force = contracts_in_force(contracts, activity)
    of_book = case_list("hrg_bridge", BRIDGE)
    bridge = of_price_year(of_book, year, set(book.hrg_prices["hrg_code"])).rows
    if scheme_year_of(month) == year:
        bridge = bridge.clear()
    first, last = date(2018, 4, 1), date(2025, 12, 31)
    visitors = case_list("overseas_visitors", VISITORS).rows.filter(dataset=dataset)
    return {
        **parties,
        "hrg_prices": with_bridged(
            nw.from_native(book.hrg_prices.lazy()),
            nw.from_native(bridge.lazy()).select("price_hrg_code", hrg_code="activity_hrg_code"),
        )
        .collect()
        .to_native(),
        "attendance_prices": book.attendance_prices,
        "unbundled_prices": book.unbundled_prices,
        "best_practice_prices": book.best_practice_prices,
        "top_up_rates": book.top_up_rates,
        "market_forces_factors": book.market_forces_factors,
        "lva_schedule": book.lva_schedule,
        "lva_exception_days": exception_days(exceptions, first, last),
        "contracts": whole_contracts(in_force),
        "agreements": single_agreements(in_force),
        "local_hrg_price_days": local_hrg_price_days(local_prices, first, last),
        "local_attendance_price_days": local_attendance_price_days(local_prices, first, last),
        "overseas_visitors": charging_statuses(visitors),
        "approved_records": approved_records(approvals),
        "approved_days": approved_days(approvals, first, last),
    }


LineKey = tuple[str, int]


def lines_of(engine: str, case: Case) -> dict[int, dict[str, Any]]:
    """The lines of a case's record as an engine prices them, by number; refused, line 0 alone."""
    record_id = case.record["record_id"]
    return {number: line for (of, number), line in priced_cases(engine).items() if of == record_id}


@cache
def priced_cases(engine: str) -> dict[LineKey, dict[str, Any]]:
    """Every case's record as an engine prices it under the case's year, by record and line."""
    lines: dict[LineKey, dict[str, Any]] = {}
    for dataset, year in sorted({(case.dataset, case.scheme_year) for case in cases()}):
        records = [c.record for c in cases() if (c.dataset, c.scheme_year) == (dataset, year)]
        lines.update(price_by_month(engine, dataset, records_frame(dataset, records), year))
    return lines


def price_by_month(
    engine: str, dataset: str, records: pl.DataFrame, year: str
) -> dict[LineKey, dict[str, Any]]:
    """Records as an engine prices them under a year with their month's tables, by line.

    Months whose tables are the same are priced at once: most of an engine's time is planning.
    """
    months: dict[tuple[int, ...], list[str]] = {}
    for month in records["activity_month"].unique().sort():
        tables = case_tables(month, year, dataset)
        of_month = tuple(int(table.hash_rows().sum()) for table in tables.values())
        months.setdefault(of_month, []).append(month)
    lines: dict[LineKey, dict[str, Any]] = {}
    for alike in months.values():
        of_months = records.filter(pl.col("activity_month").is_in(alike))
        priced = price_on(engine, dataset, of_months, case_tables(alike[0], year, dataset), year)
        by_line = {(row["record_id"], row["line_number"]): row for row in priced.to_dicts()}
        assert len(by_line) == priced.height, "a line came out twice"
        lines.update(by_line)
    return lines


def price_on(
    engine: str,
    dataset: str,
    records: pl.DataFrame,
    tables: dict[str, pl.DataFrame],
    year: str = SCHEME_YEAR,
) -> pl.DataFrame:
    """Prices records on an engine through the same functions; lines sorted by record."""
    marks_of, price_records = {
        "apc": (marks_of_spells, price_spells),
        "op": (marks_of_attendances, price_attendances),
    }[dataset]
    rules = scheme(year)
    order = ["record_id", "line_number"]
    if engine == "polars":
        reference = Reference.from_native({n: t.lazy() for n, t in tables.items()})
        frame = nw.from_native(records.lazy())
        parties = parties_of(frame, reference, rules).collect().lazy()
        marks = marks_of(frame, parties, reference, rules).collect().lazy()
        priced = price_records(frame, parties, marks, reference, rules)
        return priced.to_native().collect().sort(order)
    with duckdb.connect() as connection:
        relations = {
            name: connection.from_arrow(table.to_arrow()) for name, table in tables.items()
        }
        reference = Reference.from_native(relations)
        frame = nw.from_native(connection.from_arrow(records.to_arrow()))

        def materialised(found: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
            return nw.from_native(connection.from_arrow(found.to_native().to_arrow_table()))

        parties = materialised(parties_of(frame, reference, rules))
        marks = materialised(marks_of(frame, parties, reference, rules))
        priced = price_records(frame, parties, marks, reference, rules)
        return pl.DataFrame(priced.to_native().to_arrow_table()).sort(order)
