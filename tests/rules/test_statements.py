"""Statements made from priced lines, above all where a contract's plan decides what is payable.

Belongs here: priced lines summed, all that a contract pays, and that an amount worked out elsewhere
is null in every total, never nothing. Does not belong here: what a line is worth (`tests/cases/`),
or what a contract line pays (`test_contract_statements.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from statements import FRAMES, STATEMENTS
from support import ENGINES, case_tables, cases, price_on, records_frame, scheme

from pipelines.accounting import MechanismTotal, totals
from pricing import contract_lines, contract_statement
from schemas.contract_statements import (
    CONTRACT_LINES_OF_MONTH,
    CONTRACT_STATEMENT,
    FIXED_ELEMENT,
)
from schemas.priced_line import EXCLUDED_DRUGS_BASELINE, EXCLUDED_ITEMS, Field

PLAIN = next(c.record for c in cases() if c.name == "An elective day case in 2021-22")
UNAPPROVED = {
    "hrg_code": "HN23C",
    "ebi_category_code": "1",
    "ebi_type_code": "C_knee_arth",
    "start_date": "2024-10-05",
    "end_date": "2024-10-05",
}
STAYED = {
    "hrg_code": "EB12C",
    "best_practice_flags": "BP70",
    "admission_method_code": "21",
    "patient_classification_code": "1",
    "end_date": "2024-07-04",
    "length_of_stay_days": 3,
    "adjusted_length_of_stay_days": 3,
}
EMERGENCY = {"admission_method_code": "21", "patient_classification_code": "1"}


def lines(year: str, *differing: dict[str, Any]) -> pl.DataFrame:
    """Spells priced under a year, all in July."""
    records = [{**PLAIN, "record_id": f"S{n}", **one} for n, one in enumerate(differing, 1)]
    priced = price_on("polars", "apc", records_frame("apc", records), case_tables(), year)
    return priced.with_columns(activity_month=pl.lit("2024-07")).drop("refusal_codes")


def on(engine: str, connection: duckdb.DuckDBPyConnection, table: pl.DataFrame) -> Any:
    return table.lazy() if engine == "polars" else connection.from_arrow(table.to_arrow())


def of_month(engine: str, priced: pl.DataFrame, year: str) -> dict[str, dict[str, Any]]:
    """Priced lines as an engine sums them, by contract line of the one contract."""
    with duckdb.connect() as connection:
        found = nw.from_native(on(engine, connection, priced)).lazy()
        made = contract_lines.of_month(found, scheme(year)).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    assert table.columns == [field.name for field in CONTRACT_LINES_OF_MONTH]
    assert table["contract_line"].is_unique().all()
    return {row["contract_line"]: row for row in table.to_dicts()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("year", "payable"), [("2024-25", 110_000), ("2021-22", 0)])
def test_lines_are_summed_by_contract_line(engine: str, year: str, payable: int) -> None:
    """£500.00 x 1.1 = £550.00, twice; one without approval of £2,200.00 pays nothing.

    In 2021/22 only that one has an amount: what the other two pay is the plan's to say.
    """
    row = of_month(engine, lines(year, {}, {}, UNAPPROVED, EMERGENCY), year)["DC"]
    assert (row["activity"], row["value_pence"], row["payable_pence"]) == (3, 330_000, payable)
    assert (row["target_activity"], row["target_value_pence"]) == (2, 110_000)
    assert (row["unapproved_activity"], row["unapproved_value_at_base_pence"]) == (1, 220_000)
    assert (row["value_at_base_pence"], row["best_practice_pence"]) == (330_000, 0)
    assert row["lines_for_local_price"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_where_a_plan_decides_no_line_has_an_amount(engine: str) -> None:
    row = of_month(engine, lines("2021-22", {}, {}), "2021-22")["DC"]
    assert (row["activity"], row["value_pence"], row["payable_pence"]) == (2, 110_000, None)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("year", "line", "differing", "value", "base", "annual"),
    [
        # (£1,000.00 + £100.00) x 1.1 = £1,210.00 and £1,000.00 x 1.1 = £1,100.00
        (
            "2021-22",
            "DC",
            {"hrg_code": "BZ34A", "best_practice_flags": "BP50"},
            121_000,
            110_000,
            0,
        ),
        # (£1,000.00 + £200.00) x 1.1 = £1,320.00 and £1,000.00 x 1.1 = £1,100.00
        ("2026-27", "NEL", STAYED, 132_000, 110_000, 0),
        # Endoscopy is no tariff of activity in 2026/27: £500.00 x 1.1
        ("2026-27", "DC", {"best_practice_flags": "BP01"}, 55_000, 55_000, 1),
    ],
)
def test_best_practice_is_told_from_base_prices(
    engine: str,
    year: str,
    line: str,
    differing: dict[str, Any],
    value: int,
    base: int,
    annual: int,
) -> None:
    """Two of each: what best practice adds is the value less that at the base price."""
    row = of_month(engine, lines(year, differing, differing), year)[line]
    assert (row["value_pence"], row["value_at_base_pence"]) == (2 * value, 2 * base)
    assert row["best_practice_pence"] == 2 * (value - base)
    assert row["annual_best_practice_activity"] == 2 * annual


def sections(
    engine: str,
    priced: pl.DataFrame,
    year: str,
    of_items: Sequence[dict[str, Any]] | None = None,
    fixed: Sequence[dict[str, Any]] = (),
    **given: Sequence[dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The contract statement of July's priced lines, with no plan or count not given, by section.

    What is given is of July and the one contract, by its frame.
    """
    rules, month = scheme(year), "2024-07"
    of_items = ITEMS if of_items is None else of_items
    items = pl.DataFrame(of_items, schema=_columns(EXCLUDED_ITEMS), orient="row")
    baselines = pl.DataFrame(BASELINES, schema=_columns(EXCLUDED_DRUGS_BASELINE), orient="row")
    with duckdb.connect() as connection:

        def frame(table: pl.DataFrame) -> Any:
            return nw.from_native(on(engine, connection, table)).lazy()

        of_lines = contract_lines.of_month(frame(priced), rules)
        of_july = {**PAIR, "activity_month": month}
        lists = [
            frame(pl.DataFrame([{**of_july, **row} for row in given.get(name, [])], FRAMES[name]))
            for name in list(FRAMES)[1:]
        ]
        variable, blended = (
            made(of_lines, *lists, [month], [month], rules) for made in STATEMENTS.values()
        )
        made = contract_statement.statement(
            frame(priced),
            frame(pl.DataFrame(list(fixed), _columns(FIXED_ELEMENT), orient="row")),
            variable,
            blended,
            frame(items),
            frame(baselines),
            month,
            rules,
        ).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    assert table.columns == [field.name for field in CONTRACT_STATEMENT]
    return {row["section"]: row for row in table.filter(**PAIR).to_dicts()}


def _columns(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {field.name: pl.String if field.type == "text" else pl.Int64 for field in fields}


PAIR = {"provider_code": "RRV", "commissioner_code": "QMJ"}
ITEMS = [
    {**PAIR, "amount_pence": 12_000, "payable_pence": 12_000, "reason_code": "ITEM_LOWEST_PRICE"},
    {**PAIR, "amount_pence": 5_000, "payable_pence": None, "reason_code": "ITEM_AGAINST_BASELINE"},
]
BASELINES = [{**PAIR, "payable_pence": 700}]


@pytest.mark.parametrize("engine", ENGINES)
def test_all_that_a_contract_pays_ties_to_its_lines(engine: str) -> None:
    """£550.00 twice; £2,200.00 not approved; an emergency of £600.00 x 1.1; a private £550.00.

    Of the items one pays £120.00, and the drugs of NHS England £7.00 above their baseline.
    """
    private = {"administrative_category_code": "02"}
    priced = lines("2024-25", {}, {}, UNAPPROVED, EMERGENCY, private)
    found = sections(engine, priced, "2024-25")
    assert {
        name: (row["activity"], row["value_pence"], row["payable_pence"], row["open_lines"])
        for name, row in found.items()
    } == {
        "variable_element": (3, 330_000, 110_000, 0),
        "api_fixed": (1, 66_000, 0, 0),
        "outside_scheme": (1, 55_000, 0, 0),
        "excluded_items": (2, 17_000, 12_700, 0),
    }
    of_lines = [row for name, row in found.items() if name != "excluded_items"]
    assert sum(row["activity"] for row in of_lines) == priced.height
    assert sum(row["value_pence"] for row in of_lines) == priced["value_pence"].sum()
    assert sum(row["known_payable_pence"] for row in of_lines) == priced["payable_pence"].sum()
    assert found["api_fixed"]["paragraph"].startswith("assumed: no document; ")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_worksheet_pays_its_instalment_with_what_it_pays_for(engine: str) -> None:
    """An emergency of £600.00 x 1.1; of the worksheet £1,000.00 - £250.00 in the month."""
    items = [{**PAIR, "payable_pence": pence} for pence in (100_000, -25_000)]
    row = sections(engine, lines("2024-25", EMERGENCY), "2024-25", fixed=items)["api_fixed"]
    assert (row["activity"], row["value_pence"], row["open_lines"]) == (1, 66_000, 0)
    assert row["payable_pence"] == row["known_payable_pence"] == 75_000


@pytest.mark.parametrize("engine", ENGINES)
def test_an_instalment_is_paid_without_any_activity(engine: str) -> None:
    items = [{**PAIR, "payable_pence": 100_000}]
    row = sections(engine, lines("2024-25"), "2024-25", fixed=items)["api_fixed"]
    assert (row["activity"], row["value_pence"], row["payable_pence"]) == (0, None, 100_000)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_plan_decides_is_open_and_not_nothing(engine: str) -> None:
    """Elective activity without a plan, and CQUIN without one: two lines are open."""
    row = sections(engine, lines("2021-22", {}, {}), "2021-22")["variable_element"]
    assert (row["payable_pence"], row["known_payable_pence"], row["open_lines"]) == (None, 0, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blend_without_a_plan_is_open(engine: str) -> None:
    """£1,320.00, of which best practice £220.00 is known to be payable."""
    row = sections(engine, lines("2026-27", STAYED), "2026-27")["blended"]
    assert (row["activity"], row["value_pence"], row["open_lines"]) == (1, 132_000, 1)
    assert (row["payable_pence"], row["known_payable_pence"]) == (None, 22_000)


# £1,000.00 planned of A&E: fixed, 2026/27 ¶84.
A_AND_E_PLANNED = {
    "contract_line": "accident_and_emergency",
    "planned_activity": 10,
    "planned_value_pence": 100_000,
}
NEL_PLANNED = {"contract_line": "NEL", "planned_activity": 1, "planned_value_pence": 110_000}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fixed_payment_is_owed_where_the_variable_one_is_not_known(engine: str) -> None:
    """£1,000.00 fixed of A&E, which nobody counted, and £1,100.00 of NEL: known with £220.00.

    NEL is done as planned, so that beside what is fixed it pays best practice alone, £220.00.
    """
    priced = lines("2026-27", STAYED)
    row = sections(engine, priced, "2026-27", plans=[A_AND_E_PLANNED, NEL_PLANNED])["blended"]
    assert (row["open_lines"], row["payable_pence"]) == (1, None)
    assert row["known_payable_pence"] == 100_000 + 110_000 + 22_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fixed_payment_is_owed_where_what_was_done_has_no_price(engine: str) -> None:
    """£1,000.00 of A&E is fixed; of its 12 attendances nobody knows a price."""
    counted = {"contract_line": "accident_and_emergency", "activity": 12, "value_pence": None}
    found = sections(
        engine, lines("2026-27", {}), "2026-27", plans=[A_AND_E_PLANNED], counts=[counted]
    )
    row = found["blended"]
    assert (row["activity"], row["value_pence"]) == (12, None)
    assert (row["open_lines"], row["payable_pence"], row["known_payable_pence"]) == (
        1,
        None,
        100_000,
    )


WITH_A_DRUG = {"unbundled_hrg_codes": "XD01Z"}
ELSEWHERE = {**PAIR, "commissioner_code": "QHM"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("of_items", "is_open"),
    [
        # £120.00 of an item, and £7.00 above the baseline.
        (ITEMS[:1], (12_700, 12_700, 0)),
        # £7.00, for items of earlier months: what the two drugs come to is not known.
        ([], (None, 700, 2)),
        ([{**ITEMS[0], **ELSEWHERE}], (None, 700, 2)),
    ],
)
def test_drugs_of_a_contract_without_any_item_are_open_and_not_nothing(
    engine: str, of_items: list[dict[str, Any]], is_open: tuple[int | None, int, int]
) -> None:
    priced = lines("2024-25", WITH_A_DRUG, WITH_A_DRUG, {})
    of_drugs = priced.filter(payment_mechanism="excluded_item")
    assert of_drugs["payable_pence"].to_list() == [None, None]
    found = sections(engine, priced, "2024-25", of_items)["excluded_items"]
    row = (found["payable_pence"], found["known_payable_pence"], found["open_lines"])
    assert row == is_open


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
