"""What activity and plans of a contract are worth, on either engine.

Belongs here: sums by hand, and what is not known. Does not belong here: reading the lake
(`tests/pipeline/test_fixed_reviews.py`).
"""

from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from statements import FRAMES
from support import ENGINES, scheme

from pipelines.basis import months_of
from pricing.contract_activity import planned_beside_fixed, planned_payments, price_times_activity

PAIR = {"provider_code": "RRV", "commissioner_code": "QMJ"}
LINE = {
    **PAIR,
    "point_of_delivery_code": "NEL",
    "payment_mechanism": "api_blended",
    "ebi_outcome": "not_applicable",
    "value_pence": 100_000,
}
LINES = dict.fromkeys(LINE, pl.String) | {"value_pence": pl.Int64}
YEAR = "2026-27"
MONTHS = months_of(YEAR)


def made(engine: str, make: Any, *tables: pl.DataFrame) -> list[dict[str, Any]]:
    """What a function makes of some tables on an engine."""
    with duckdb.connect() as connection:
        frames = [
            nw.from_native(
                one.lazy() if engine == "polars" else connection.from_arrow(one.to_arrow())
            ).lazy()
            for one in tables
        ]
        native = make(*frames).to_native()
        table = native.collect() if engine == "polars" else pl.DataFrame(native.to_arrow_table())
    return [dict(sorted(row.items())) for row in table.to_dicts()]


def worth(engine: str, *differing: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    lines = pl.DataFrame([{**LINE, **one} for one in differing], LINES, orient="row")
    rows = made(engine, price_times_activity, lines)
    keys = [(row["point_of_delivery_code"], row["payment_mechanism"]) for row in rows]
    assert len(set(keys)) == len(rows)
    return dict(zip(keys, rows, strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_are_summed_by_point_of_delivery_and_mechanism(engine: str) -> None:
    """£1,000.00 + £250.50 of two priced lines; the third has no price and adds nothing."""
    found = worth(engine, {}, {"value_pence": 25_050}, {"value_pence": None})
    assert found == {
        ("NEL", "api_blended"): {
            **PAIR,
            "point_of_delivery_code": "NEL",
            "payment_mechanism": "api_blended",
            "activity": 3,
            "unapproved_activity": 0,
            "lines_without_price": 1,
            "value_pence": 125_050,
        }
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_point_of_delivery_without_any_price_is_worth_nobody_knows_what(engine: str) -> None:
    row = worth(engine, {"value_pence": None}, {"value_pence": None})["NEL", "api_blended"]
    assert (row["activity"], row["lines_without_price"], row["value_pence"]) == (2, 2, None)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_lacks_its_prior_approval_has_a_zero_price(engine: str) -> None:
    """One approved at £1,000.00; the other's unit price would have been as much."""
    day_case = {"point_of_delivery_code": "DC", "payment_mechanism": "api_variable"}
    found = worth(
        engine,
        {**day_case, "ebi_outcome": "zero_price"},
        {**day_case, "ebi_outcome": "approved"},
    )
    row = found["DC", "api_variable"]
    assert (row["activity"], row["unapproved_activity"]) == (2, 1)
    assert row["value_pence"] == 100_000
    alone = worth(engine, {**day_case, "ebi_outcome": "zero_price"})["DC", "api_variable"]
    assert alone["value_pence"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_api_pays_for_is_of_the_contract_value(engine: str) -> None:
    others = ("lva_block", "activity_based", "local_agreement", "excluded_item", "outside_scheme")
    found = worth(
        engine,
        *({"payment_mechanism": f"api_{name}"} for name in ("fixed", "variable", "blended")),
        *({"payment_mechanism": name} for name in others),
    )
    assert {mechanism for _, mechanism in found} == {"api_fixed", "api_variable", "api_blended"}


def plans(line: str, pounds: int, months: list[str], activity: int = 10) -> pl.DataFrame:
    rows = [
        {
            **PAIR,
            "contract_line": line,
            "activity_month": month,
            "planned_activity": activity,
            "planned_value_pence": pounds * 100,
        }
        for month in months
    ]
    return pl.DataFrame(rows, FRAMES["plans"], orient="row")


def planned(
    engine: str, *lists: pl.DataFrame, year: str = YEAR, terms: Any = ()
) -> dict[str, dict[str, Any]]:
    empty = {name: pl.DataFrame(schema=schema) for name, schema in FRAMES.items()}
    tables = (
        pl.concat([empty["plans"], *lists]),
        pl.DataFrame([{**PAIR, **row} for row in terms], FRAMES["terms"], orient="row"),
        empty["bands"],
        empty["of_lines"],
        empty["counts"],
    )
    rules, months = scheme(year), months_of(year)
    rows = made(
        engine, lambda *frames: planned_payments(*frames, months=months, scheme=rules), *tables
    )
    return {row["contract_line"]: row for row in rows}


@pytest.mark.parametrize("engine", ENGINES)
def test_planned_payments_are_those_of_the_whole_year(engine: str) -> None:
    """12 × £5,000 of day cases; 12 × £8,000 of spells, which is what is fixed of the blend."""
    found = planned(engine, plans("DC", 5_000, MONTHS), plans("NEL", 8_000, MONTHS))
    assert {line: row["section"] for line, row in found.items()} == {
        "DC": "variable_element",
        "NEL": "blended",
    }
    assert (found["DC"]["payment_pence"], found["DC"]["planned_activity"]) == (6_000_000, 120)
    assert found["NEL"]["payment_pence"] == found["NEL"]["planned_value_pence"] == 9_600_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_month_without_a_plan_leaves_the_payment_unknown(engine: str) -> None:
    (row,) = planned(engine, plans("NEL", 8_000, MONTHS[1:])).values()
    assert (row["months_planned"], row["payment_pence"]) == (11, None)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_beside_the_plan_of_a_blend_is_of_its_payment(engine: str) -> None:
    """12 × (£8,000 + £100) of genomic testing; what is withheld of it is of the payment too."""
    terms = [
        {"contract_line": "genomic_testing", "amount_pence": 10_000},
        {"contract_line": "genomics_incentive", "withheld_ppm": 20_000, "attainment_ppm": 0},
    ]
    found = planned(engine, plans("genomic_testing", 8_000, MONTHS), terms=terms)
    assert {line: row["payment_pence"] for line, row in found.items()} == {
        "genomic_testing": 12 * 810_000
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_planned_within_the_fixed_element_is_not_beside_it(engine: str) -> None:
    """In 2021/22 the variable element pays for the difference from plan alone (2021/22 ¶56)."""
    assert planned(engine, plans("advice_and_guidance", 500, MONTHS)) == {}
    assert planned(engine, plans("DC", 5_000, months_of("2021-22")), year="2021-22") == {}
    assert planned_beside_fixed(scheme("2021-22")) == {}
