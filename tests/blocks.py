"""LVA blocks in tests: reading their cases, and making the monitor on either engine.

Belongs here: test plumbing. Does not belong here: expected values, which are in
`tests/cases/blocks/` and in each test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import yaml
from support import CASES, case_tables, pence_of, price_on, records_frame, scheme

from pricing.low_volume_monitor import statement
from pricing.low_volume_payments import Payment, Schedule, payments
from pricing.reference import Reference
from schemas.priced_line import (
    EXCLUDED_ITEMS,
    LOW_VOLUME,
    LOW_VOLUME_ADDITIONS,
    LOW_VOLUME_PARTS,
    Field,
)

BLOCK_CASES = CASES / "blocks"
PAIR = ("RRV", "QHM")
ANOTHER = ("RRK", "QHL")
ADDITION_COLUMNS = [field.name for field in LOW_VOLUME_ADDITIONS[4:]]
KINDS = {"text": pl.String, "integer": pl.Int64, "date": pl.Date, "flag": pl.Boolean}
SPELL = {
    "organisation_code_of_provider": "RRV",
    "provider_site_code": None,
    "organisation_code_of_commissioner": None,
    "derived_commissioner_code": "00L",
    "agreement_serial_number": "000001",
    "administrative_category_code": "01",
    "patient_classification_code": "2",
    "admission_method_code": "11",
    "length_of_stay_days": 0,
    "adjusted_length_of_stay_days": 0,
    "age_years": 50,
    "spell_in_pbr_code": "0",
    "main_specialty_code": "100",
    "treatment_function_code": "100",
    "hrg_code": "FE30Z",
    "query_timestamp": "20250120093000",
}
"""An elective day case of a pair with a block."""

Row = dict[str, Any]


@dataclass(frozen=True)
class PaymentCase:
    """One case of `payments.yaml`: the schedules of a year, and what is due of one pair."""

    name: str
    scheme_year: str
    schedules: list[Schedule]
    expect: Row


@dataclass(frozen=True)
class BlockCase:
    """One case of `monitor.yaml`: the records and items of a month, and the row of one pair."""

    name: str
    scheme_year: str
    month: str
    pair: tuple[str, str]
    records: list[Row]
    items: list[Row]
    expect: Row


def _document(name: str) -> Any:
    return yaml.safe_load((BLOCK_CASES / f"{name}.yaml").read_text("utf-8"))


@cache
def payment_cases() -> list[PaymentCase]:
    """Every case of payments, in order."""
    document = _document("payments")
    found = []
    for entry in document["cases"]:
        schedules = []
        for one in entry["schedules"]:
            own = {PAIR: pence_of(one["block"])} if "block" in one else {}
            another = pence_of(one.get("another", "10.00"))
            schedules.append(
                Schedule(date.fromisoformat(one["published_on"]), {**own, ANOTHER: another})
            )
        year = entry.get("scheme_year", document["scheme_year"])
        found.append(PaymentCase(entry["case"], year, schedules, expected_row(entry["expect"])))
    return found


@cache
def block_cases() -> list[BlockCase]:
    """Every case of the monitor, in order."""
    document = _document("monitor")
    return [
        BlockCase(
            entry["case"],
            entry.get("scheme_year", document["scheme_year"]),
            entry.get("month", document["month"]),
            tuple(entry.get("pair", PAIR)),
            entry["records"],
            entry.get("items", []),
            expected_row(entry["expect"]),
        )
        for entry in document["cases"]
    ]


def expected_row(row: Row) -> Row:
    """Expectations with amounts in pounds as pence, and days as dates."""
    columns = {field.name: field.type for field in LOW_VOLUME}
    found = {}
    for name, said in row.items():
        if name == "additions":
            found[name] = [_expected_addition(one) for one in said]
        elif f"{name}_pence" in columns:
            found[f"{name}_pence"] = pence_of(said)
        else:
            is_day = said is not None and columns[name] == "date"
            found[name] = date.fromisoformat(said) if is_day else said
    return found


def _expected_addition(said: Row) -> Row:
    return {
        "schedule_published_on": date.fromisoformat(said["published_on"]),
        "before_pence": pence_of(said["before"]),
        "block_value_pence": pence_of(said["block"]),
        "additional_payment_pence": pence_of(said["adds"]),
        "additional_payment_due_by": said["by"] and date.fromisoformat(said["by"]),
        "is_in_payment_due": said["is"] == "in due",
    }


def paid(case: PaymentCase) -> Row:
    """What is due of the case's pair, by column of the monitor."""
    return as_row(payments(case.schedules, scheme(case.scheme_year))[PAIR])


def as_row(of: Payment) -> Row:
    """A payment by the columns of the monitor, and its additions by those of their table."""
    return {
        "payment_due_pence": of.payment_due_pence,
        "payment_due_by": of.payment_due_by,
        "additional_payment_pence": of.additional_payment_pence,
        "payment_reason_code": str(of.reason),
        "additions": [
            {name: getattr(one, name) for name in ADDITION_COLUMNS} for one in of.additions
        ],
    }


def spells_of(month: str, *differing: Row) -> list[Row]:
    """Day cases on the first of a month, with what differs."""
    day = f"{month}-01"
    return [
        {**SPELL, "record_id": f"S{number}", "start_date": day, "end_date": day, **one}
        for number, one in enumerate(differing, 1)
    ]


def lines_of(
    engine: str, dataset: str, records: pl.DataFrame, month: str, year: str, *, listed: bool = True
) -> pl.DataFrame:
    """Priced lines of records, or what they would be if no schedule listed anybody."""
    tables = case_tables(month, year, dataset)
    if not listed:
        tables = {**tables, "lva_schedule": tables["lva_schedule"].clear()}
    priced = price_on(engine, dataset, records, tables, year)
    return priced.filter(pl.col("refusal_codes").is_null()).drop("refusal_codes")


def published(month: str, year: str, **due: Any) -> pl.DataFrame:
    """The schedule of the cases, without parts, with £1.00 due of each block."""
    found = case_tables(month, year)["lva_schedule"]
    made = {
        **dict.fromkeys(field.name for field in LOW_VOLUME_PARTS),
        "schedule_published_on": date(2024, 3, 27),
        "schedule_effective_from": date(2024, 4, 1),
        "payment_due_pence": 100,
        "payment_due_by": date(2024, 6, 30),
        "additional_payment_pence": None,
        "payment_reason_code": "BLOCK_DUE_BY_DAY",
        **due,
    }
    kinds = {field.name: KINDS[field.type] for field in LOW_VOLUME}
    return found.with_columns(
        pl.lit(value, dtype=kinds[name]).alias(name) for name, value in made.items()
    )


def items_frame(items: Sequence[Row], month: str) -> pl.DataFrame:
    """Excluded items of a month with the columns of their statement."""
    schema = {field.name: KINDS[field.type] for field in EXCLUDED_ITEMS}
    rows = [{"activity_month": month, **item} for item in items]
    return pl.DataFrame(rows, schema=schema, orient="row")


def monitor_rows(
    engine: str,
    lines: pl.DataFrame,
    without_blocks: pl.DataFrame,
    month: str,
    year: str,
    items: Sequence[Row] = (),
) -> dict[tuple[str, str], Row]:
    """The monitor as an engine makes it, by provider and payer; each listed pair once."""
    with duckdb.connect() as connection:

        def native(table: pl.DataFrame) -> Any:
            return table.lazy() if engine == "polars" else connection.from_arrow(table.to_arrow())

        def frame(table: pl.DataFrame) -> nw.LazyFrame[Any]:
            return nw.from_native(native(table)).lazy()

        tables = {name: native(table) for name, table in case_tables(month, year).items()}
        exceptions = case_tables(month, year)["lva_exception_days"]
        of_month = exceptions.filter(pl.col("costing_date").dt.strftime("%Y-%m") == month)
        tables["lva_exception_days"] = native(of_month)
        schedule = published(month, year)
        made = statement(
            frame(lines),
            frame(without_blocks),
            frame(items_frame(items, month)),
            frame(schedule),
            Reference.from_native(tables),
            month,
            scheme(year),
        ).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    assert table.columns == names(LOW_VOLUME)
    found = {(row["provider_code"], row["commissioner_code"]): row for row in table.to_dicts()}
    assert len(found) == table.height == schedule.height
    return found


def names(fields: Sequence[Field]) -> list[str]:
    """The names of some columns."""
    return [field.name for field in fields]


def row_of(engine: str, case: BlockCase) -> Row:
    """The row of a case's pair as an engine makes it of lines that Polars priced.

    That engines price alike is for the cases of lines to show.
    """
    records = records_frame("apc", spells_of(case.month, *case.records))
    lines, without = (
        lines_of("polars", "apc", records, case.month, case.scheme_year, listed=listed)
        for listed in (True, False)
    )
    items = [
        {
            **dict(zip(("provider_code", "commissioner_code"), case.pair, strict=True)),
            "payment_mechanism": item["payment_mechanism"],
            "amount_pence": pence_of(item["amount"]),
            "payable_pence": pence_of(item["payable"]),
        }
        for item in case.items
    ]
    rows = monitor_rows(engine, lines, without, case.month, case.scheme_year, items)
    return rows[case.pair]
