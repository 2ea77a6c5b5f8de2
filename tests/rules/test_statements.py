"""Statements in the years in which a contract's plan decides what is payable.

Belongs here: that an amount worked out elsewhere is null in every total, never nothing.
Does not belong here: what a line is worth (`tests/cases/`).
"""

from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from support import ENGINES, case_tables, cases, price_on, records_frame

from pipelines.accounting import MechanismTotal, totals
from pricing import low_volume, variable_element
from pricing.reference import Reference

PLAIN = next(c.record for c in cases() if c.name == "An elective day case in 2021-22")
UNAPPROVED = {
    "hrg_code": "HN23C",
    "ebi_category_code": "1",
    "ebi_type_code": "C_knee_arth",
    "start_date": "2024-10-05",
    "end_date": "2024-10-05",
}
EMERGENCY = {"admission_method_code": "21", "patient_classification_code": "1"}


def lines(year: str, *differing: dict[str, Any]) -> pl.DataFrame:
    """Spells priced under a year, all in July."""
    records = [{**PLAIN, "record_id": f"S{n}", **one} for n, one in enumerate(differing, 1)]
    priced = price_on("polars", "apc", records_frame("apc", records), case_tables(), year)
    return priced.with_columns(activity_month=pl.lit("2024-07")).drop("refusal_codes")


def on(engine: str, connection: duckdb.DuckDBPyConnection, table: pl.DataFrame) -> Any:
    return table.lazy() if engine == "polars" else connection.from_arrow(table.to_arrow())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("year", "payable"),
    [
        # £500.00 x 1.1 = £550.00, twice; the unapproved one pays nothing
        ("2024-25", 110_000),
        ("2021-22", None),
    ],
)
def test_the_variable_element_has_no_payable_where_a_plan_decides(
    engine: str, year: str, payable: int | None
) -> None:
    """£550.00 + £550.00 + £2,200.00 = £3,300.00, of which the approved activity is the target."""
    with duckdb.connect() as connection:
        found = on(engine, connection, lines(year, {}, {}, UNAPPROVED))
        made = nw.from_native(found).lazy()
        statement = variable_element.statement(made).to_native()
        (row,) = (
            statement.collect().to_dicts()
            if engine == "polars"
            else pl.DataFrame(statement.to_arrow_table()).to_dicts()
        )
    assert (row["activity"], row["value_pence"], row["payable_pence"]) == (3, 330_000, payable)
    assert (row["target_activity"], row["target_value_pence"]) == (2, 110_000)
    assert row["lines_for_local_price"] == 0


def low_volume_rows(
    engine: str, priced: pl.DataFrame, year: str = "2024-25", month: str = "2024-07"
) -> dict[tuple[str, str], dict[str, Any]]:
    """The statement of priced lines as an engine makes it, by provider and payer."""
    with duckdb.connect() as connection:
        tables = {name: on(engine, connection, table) for name, table in case_tables(month).items()}
        made = low_volume.statement(
            nw.from_native(on(engine, connection, priced)).lazy(),
            Reference.from_native(tables),
            month,
            year,
        ).to_native()
        rows = (
            made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
        ).to_dicts()
    found = {(row["provider_code"], row["commissioner_code"]): row for row in rows}
    assert len(found) == len(rows) == case_tables(month)["lva_schedule"].height
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("year", "payable"), [("2024-25", 50_000), ("2022-23", None)])
def test_an_exception_to_a_block_has_no_payable_where_a_plan_decides(
    engine: str, year: str, payable: int | None
) -> None:
    """RTD: elective by patient choice, £500.00; an emergency that the block pays, £600.00."""
    pair = {"organisation_code_of_provider": "RTD"}
    rows = low_volume_rows(engine, lines(year, pair, {**pair, **EMERGENCY}), year)
    row = rows.pop(("RTD", "QMJ"))
    assert (row["covered_activity"], row["covered_value_pence"]) == (1, 60_000)
    assert (row["exception_activity"], row["exception_value_pence"]) == (1, 50_000)
    assert row["exception_payable_pence"] == payable
    assert {row["exception_payable_pence"] for row in rows.values()} == {0}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pair_that_was_moved_to_api_has_no_block_to_pay(engine: str) -> None:
    """RYC with QHL, in July: £500.00 x 1.25 = £625.00, and an emergency of the fixed element.

    RRV with QHM was not moved: £550.00 in the block.
    """
    moved = {
        "organisation_code_of_provider": "RYC",
        "organisation_code_of_commissioner": "QHL",
        "derived_commissioner_code": "QHL",
    }
    stays = {"organisation_code_of_commissioner": "QHM", "derived_commissioner_code": "QHM"}
    priced = lines("2024-25", moved, {**moved, **EMERGENCY}, stays)
    rows = low_volume_rows(engine, priced)
    assert [pair for pair, row in rows.items() if row["is_moved_to_api"]] == [("RYC", "QHL")]
    row = rows["RYC", "QHL"]
    assert (row["block_value_pence"], row["covered_activity"]) == (3_000_000, 0)
    assert (row["exception_activity"], row["exception_value_pence"]) == (2, 62_500 + 75_000)
    assert row["exception_payable_pence"] == 62_500
    row = rows["RRV", "QHM"]
    assert (row["covered_activity"], row["covered_value_pence"]) == (1, 55_000)
    assert (row["exception_activity"], row["exception_payable_pence"]) == (0, 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_before_its_contract_the_pair_is_in_its_block(engine: str) -> None:
    rows = low_volume_rows(engine, lines("2024-25", {}), month="2024-06")
    assert {row["is_moved_to_api"] for row in rows.values()} == {False}


def test_the_account_tells_a_plan_from_a_local_price_and_from_nothing(tmp_path: Path) -> None:
    """Against the plan: a value and no payable. A transplant elsewhere has neither."""
    path = tmp_path / "lines.parquet"
    transplant = {"organisation_code_of_provider": "NT313", "hrg_code": "LA01A"}
    lines("2021-22", {}, UNAPPROVED, transplant, EMERGENCY).write_parquet(path)
    with duckdb.connect() as connection:
        found, _ = totals(f"read_parquet('{path}')", connection)
    assert found == [
        MechanismTotal("apc", "api_fixed", 1, 66_000, 0, 0),
        MechanismTotal("apc", "api_variable", 2, 275_000, None, 0),
        MechanismTotal("apc", "local_agreement", 1, None, None, 1),
    ]
