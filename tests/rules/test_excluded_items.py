"""What is paid for excluded items, on every engine: cases, baselines and properties.

Belongs here: the cases of `tests/cases/items/` and what holds of any items. Does not belong here:
reading the list, and the statements of a month (`tests/pipeline/test_excluded_items.py`).
"""

from collections import defaultdict
from datetime import date
from functools import cache
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CASES, ENGINES, SCHEME_YEAR, case_list, case_tables, pence_of, scheme

from pipelines.contracts import CONTRACT_CELLS, contracts_in_force, drug_baselines
from pipelines.excluded_items import ITEM_CELLS
from pipelines.lists import thousandths
from pricing.excluded_items import against_baseline, priced_items, record_mechanisms
from pricing.reasons import ItemReason
from pricing.reference import Reference
from schemas.priced_line import EXCLUDED_DRUGS_BASELINE, EXCLUDED_ITEMS, PAYMENT_MECHANISMS

Item = dict[str, Any]
DOCUMENT = yaml.safe_load((CASES / "items" / "excluded_items.yaml").read_text("utf-8"))
ITEMS = {c.name: c.dtype for c in ITEM_CELLS} | {
    "is_listed": pl.Boolean,
    "is_in_unit_prices": pl.Boolean,
    "is_month_priced": pl.Boolean,
}
RECORDS = dict.fromkeys(
    ("record_id", "provider_code", "commissioner_code", "activity_month", "record_mechanism"),
    pl.String,
)
PRICES = ("actual_cost", "framework_price", "reference_price")
PAIR = ("provider_code", "commissioner_code")


def item_of(case: dict[str, Any]) -> Item:
    return {**DOCUMENT["defaults"]["item"], **case["item"]}


def items_frame(items: list[Item]) -> pl.DataFrame:
    rows = [
        {
            "item_reference": item.get("item_reference", f"ITEM-{number}"),
            **{name: item[name] for name in ITEMS if name in item},
            "quantity_thousandths": thousandths(item["quantity"]),
            **{f"{price}_pence": pence_of(item[price]) for price in PRICES},
        }
        for number, item in enumerate(items, 1)
    ]
    return pl.DataFrame(rows, schema=ITEMS)


def records_frame(items: list[Item]) -> pl.DataFrame:
    linked = [item for item in items if item["record_mechanism"]]
    return pl.DataFrame([{name: item[name] for name in RECORDS} for item in linked], schema=RECORDS)


@cache
def baselines(month: str) -> pl.DataFrame:
    contracts = case_list("contracts", CONTRACT_CELLS).rows
    return drug_baselines(contracts_in_force(contracts, date.fromisoformat(f"{month}-01")))


class Engine:
    """Frames of one engine, made and read."""

    def __init__(self, name: str, connection: duckdb.DuckDBPyConnection) -> None:
        self.name, self.connection = name, connection

    def native(self, table: pl.DataFrame) -> Any:
        is_polars = self.name == "polars"
        return table.lazy() if is_polars else self.connection.from_arrow(table.to_arrow())

    def frame(self, table: pl.DataFrame) -> nw.LazyFrame[Any]:
        return nw.from_native(self.native(table)).lazy()

    def rows(self, frame: nw.LazyFrame[Any], by: str) -> list[Item]:
        made = frame.to_native()
        table = made.collect() if self.name == "polars" else pl.DataFrame(made.to_arrow_table())
        return table.sort(by).to_dicts()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    with duckdb.connect() as connection:
        yield Engine(request.param, connection)


def priced(engine: Engine, items: list[Item], month: str, year: str) -> nw.LazyFrame[Any]:
    tables = {name: engine.native(table) for name, table in case_tables(month, year).items()}
    return priced_items(
        engine.frame(items_frame(items)),
        Reference.from_native(tables),
        engine.frame(baselines(month)),
        engine.frame(records_frame(items)),
        scheme(year),
    )


@cache
def priced_cases(name: str) -> dict[str, Item]:
    groups = defaultdict(list)
    for case in DOCUMENT["cases"]:
        item = {**item_of(case), "item_reference": case["case"]}
        groups[item["activity_month"], case.get("scheme_year", SCHEME_YEAR)].append(item)
    with duckdb.connect() as connection:
        engine = Engine(name, connection)
        return {
            row["item_reference"]: row
            for (month, year), items in groups.items()
            for row in engine.rows(priced(engine, items, month, year), "item_reference")
        }


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["case"])
def test_case(name: str, case: dict[str, Any]) -> None:
    row = priced_cases(name)[case["case"]]
    expect = {
        **{k: v for k, v in case["expect"].items() if k not in ("price", "amount", "payable")},
        **{
            f"{k}_pence": pence_of(case["expect"][k])
            for k in ("price", "amount", "payable")
            if k in case["expect"]
        },
    }
    assert {column: row[column] for column in expect} == expect


def test_every_case_comes_out_once_and_the_engines_agree() -> None:
    found = priced_cases("polars")
    assert sorted(found) == sorted(case["case"] for case in DOCUMENT["cases"])
    assert found == priced_cases("duckdb")


def test_every_reason_of_an_item_is_expected_of_some_case() -> None:
    expected = {case["expect"].get("reason_code") for case in DOCUMENT["cases"]}
    assert set(ItemReason) - expected == set()


def test_every_mechanism_of_an_item_is_one_there_is() -> None:
    assert {row["payment_mechanism"] for row in priced_cases("polars").values()} <= set(
        PAYMENT_MECHANISMS
    )


def test_the_columns_are_those_of_the_mart(engine: Engine) -> None:
    made = priced(engine, [item_of({"item": {}})], "2024-07", SCHEME_YEAR)
    assert made.collect_schema().names() == [field.name for field in EXCLUDED_ITEMS]


def drug(month: str, amount: str, **changes: Any) -> Item:
    of_one = dict.fromkeys(PRICES) | {"actual_cost": amount, "quantity": "1"}
    item = item_of({"item": {"commissioner_code": "13Q", "activity_month": month}})
    return {**item, **of_one, **changes}


Published = dict[tuple[str, str], int]


def baseline_rows(
    engine: Engine, items: list[Item], month: str, published: Published | None = None
) -> list[Item]:
    of_year = [item for item in items if item["activity_month"] <= month]
    made = priced(engine, of_year, month, SCHEME_YEAR)
    before = pl.DataFrame(
        [(*pair, pence) for pair, pence in (published or {}).items()],
        schema=dict.fromkeys(PAIR, pl.String) | {"published_pence": pl.Int64},
        orient="row",
    )
    known = engine.frame(baselines(month))
    held = against_baseline(made, known, engine.frame(before), month, SCHEME_YEAR)
    assert held.collect_schema().names() == [field.name for field in EXCLUDED_DRUGS_BASELINE]
    return engine.rows(held, "commissioner_code")


YEAR_OF_DRUGS = [drug("2024-04", "6000.00"), drug("2024-05", "7000.00"), drug("2024-06", "500.00")]


@pytest.mark.parametrize(
    ("month", "before", "of_month", "of_year", "year_payable", "payable"),
    [
        # Baseline £10,000. April: £6,000, below it.
        ("2024-04", 0, 600_000, 600_000, 0, 0),
        # May: £13,000 in the year, £3,000 above it, none of which April published.
        ("2024-05", 0, 700_000, 1_300_000, 300_000, 300_000),
        # June: £13,500, £3,500 above it, of which May published £3,000.
        ("2024-06", 300_000, 50_000, 1_350_000, 350_000, 50_000),
        # June, where £2,000 of May's came late, so that May published £1,000.
        ("2024-06", 100_000, 50_000, 1_350_000, 350_000, 250_000),
        # June, where May published £4,000 of which £1,000 was taken off the list since.
        ("2024-06", 400_000, 50_000, 1_350_000, 350_000, -50_000),
        # July: no drug of the month, nothing more.
        ("2024-07", 350_000, 0, 1_350_000, 350_000, 0),
        # July alone was run: it pays for the year so far.
        ("2024-07", 0, 0, 1_350_000, 350_000, 350_000),
    ],
)
def test_drugs_are_paid_above_the_baseline_of_the_year(
    engine: Engine,
    month: str,
    before: int,
    of_month: int,
    of_year: int,
    year_payable: int,
    payable: int,
) -> None:
    published = {("RRV", "13Q"): before} if before else None
    (row,) = baseline_rows(engine, YEAR_OF_DRUGS, month, published)
    assert row == {
        "activity_month": month,
        "scheme_year": SCHEME_YEAR,
        "provider_code": "RRV",
        "commissioner_code": "13Q",
        "month_amount_pence": of_month,
        "year_amount_pence": of_year,
        "baseline_pence": 1_000_000,
        "year_payable_pence": year_payable,
        "published_before_pence": before,
        "payable_pence": payable,
    }


def test_what_was_published_of_drugs_that_left_the_list_is_taken_back(engine: Engine) -> None:
    (row,) = baseline_rows(engine, [], "2024-06", {("RRV", "13Q"): 300_000})
    assert (row["year_amount_pence"], row["year_payable_pence"]) == (0, 0)
    assert (row["published_before_pence"], row["payable_pence"]) == (300_000, -300_000)


def test_nothing_is_payable_or_not_where_no_baseline_is_known(engine: Engine) -> None:
    items = [*YEAR_OF_DRUGS, drug("2024-05", "40.00", commissioner_code="85J")]
    with_baseline, without = baseline_rows(engine, items, "2024-05")
    assert with_baseline["payable_pence"] == 300_000
    assert (without["commissioner_code"], without["month_amount_pence"]) == ("85J", 4_000)
    assert without["baseline_pence"] is None
    assert (without["year_payable_pence"], without["payable_pence"]) == (None, None)


def test_what_is_not_excluded_does_not_count_towards_the_baseline(engine: Engine) -> None:
    items = [*YEAR_OF_DRUGS, drug("2024-04", "99999.00", is_listed=False)]
    (row,) = baseline_rows(engine, items, "2024-04")
    assert row["year_amount_pence"] == 600_000


def test_the_mechanism_of_a_record_is_that_of_its_core_line(engine: Engine) -> None:
    """A record that is there twice for a pair, and paid differently, says nothing of its items."""
    lines = pl.DataFrame(
        [
            ("S1", 0, "RRV", "QMJ", "api_fixed", "fixed_element"),
            ("S1", 1, "RRV", "QMJ", "api_variable", "unbundled_service"),
            ("S2", 0, "RRV", "QMJ", "api_fixed", "fixed_element"),
            ("S2", 0, "RRV", "QMJ", "outside_scheme", "private_patient"),
            ("S2", 0, "RRV", "QHM", "lva_block", "low_volume_block"),
            ("S3", 0, "RRV", "QHM", "local_agreement", "overseas_visitor"),
            ("S4", 0, "RRV", "QHM", "charged_to_patient", "overseas_visitor"),
            ("S5", 0, "RRV", "QHM", "local_agreement", "mechanism_agreed"),
        ],
        schema=["record_id", "line_number", *PAIR, "payment_mechanism", "mechanism_rule"],
        orient="row",
    ).with_columns(activity_month=pl.lit("2024-07"))
    found = engine.rows(record_mechanisms(engine.frame(lines)), "record_id")
    assert [
        (row["record_id"], row["commissioner_code"], row["record_mechanism"]) for row in found
    ] == [
        ("S1", "QMJ", "api_fixed"),
        ("S2", "QHM", "lva_block"),
        ("S3", "QHM", "not_ruled"),
        ("S4", "QHM", "charged_to_patient"),
        ("S5", "QHM", "local_agreement"),
    ]


pounds = st.integers(0, 1_000_000_00).map(lambda pence: f"{pence // 100}.{pence % 100:02}")
any_item = st.fixed_dictionaries(
    {
        "provider_code": st.sampled_from(["RRV", "RTD", "NT313", "RX8", "RYX"]),
        "commissioner_code": st.sampled_from(["QMJ", "QHM", "13Q", "85J"]),
        "category": st.sampled_from(["drug", "device", "listed_procedure", "medtech"]),
        "is_homecare": st.booleans(),
        "is_listed": st.sampled_from([True, False, None]),
        "is_in_unit_prices": st.booleans(),
        "is_month_priced": st.booleans(),
        "quantity": st.integers(1, 99_999).map(lambda n: f"{n // 1000}.{n % 1000:03}"),
        "actual_cost": pounds,
        "framework_price": st.none() | pounds,
        "reference_price": st.none() | pounds,
    }
)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(any_item, min_size=1, max_size=30),
    st.sampled_from(["2021-22", "2022-23", "2023-24", "2024-25", "2025-26", "2026-27"]),
)
def test_never_more_than_the_lowest_price_there_is(drawn: list[Item], year: str) -> None:
    items = [item_of({"item": item}) for item in drawn]
    with duckdb.connect() as connection:
        engine = Engine("polars", connection)
        rows = engine.rows(priced(engine, items, "2024-07", year), "item_reference")
    assert len(rows) == len(items)
    for row in rows:
        given_prices = [row[f"{price}_pence"] for price in PRICES]
        lowest = min(price for price in given_prices if price is not None)
        most = lowest * row["quantity_thousandths"]
        assert row["payable_pence"] is None or 0 <= row["payable_pence"] * 1_000 <= most + 500
        if row["payment_mechanism"] == "lva_block":
            assert row["payable_pence"] == 0


@settings(max_examples=4, deadline=None)
@given(st.lists(st.tuples(st.integers(4, 12), pounds), min_size=1, max_size=40))
def test_what_is_payable_above_a_baseline_never_falls(drawn: list[tuple[int, str]]) -> None:
    items = [drug(f"2024-{month:02}", amount) for month, amount in drawn]
    paid = before = 0
    with duckdb.connect() as connection:
        engine = Engine("polars", connection)
        for month in range(4, 13):
            published = {("RRV", "13Q"): paid} if paid else None
            for row in baseline_rows(engine, items, f"2024-{month:02}", published):
                assert row["payable_pence"] >= 0
                paid += row["payable_pence"]
                assert row["year_payable_pence"] == paid >= before
                assert paid == max(row["year_amount_pence"] - 1_000_000, 0)
                before = paid
