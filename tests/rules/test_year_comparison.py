"""Two years' pricings of the same lines: the difference by rule, on either engine.

Belongs here: how a difference of lines is split. Does not belong here: either pricing, or what a
contract pays beside its lines (`tests/pipeline/test_contract_statements.py`).
"""

from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ENGINES, scheme

from pricing.money import times_ppm
from pricing.scheme import PARAMETERS
from pricing.year_comparison import BESIDE_LINES, PARTS, RULES, differences, rests_on

SCHEMA = {
    "dataset": pl.String,
    "record_id": pl.String,
    "line_number": pl.Int64,
    "payment_mechanism": pl.String,
    **dict.fromkeys(
        ("value_pence", "payable_pence", "pre_mff_pence", "mff_ppm", *PARTS.values()), pl.Int64
    ),
}
Line = dict[str, Any]
Found = dict[tuple[str, str | None, str | None], tuple[int, int]]


def line(
    unit: int | None = 100_000,
    mechanism: str = "api_variable",
    factor: int = 1_000_000,
    record: str = "S1",
    **others: Any,
) -> Line:
    """A priced line that pays what it is worth."""
    parts = {"long_stay_pence": 0, "best_practice_pence": 0, "top_up_pence": 0}
    parts |= {name: others.pop(name) for name in list(others) if name in parts}
    whole = None if unit is None else unit + sum(parts.values())
    value = None if whole is None else times_ppm(whole, factor)
    return {
        "dataset": "apc",
        "record_id": record,
        "line_number": 0,
        "payment_mechanism": mechanism,
        "value_pence": value,
        "payable_pence": value,
        "pre_mff_pence": whole,
        "mff_ppm": factor,
        "unit_price_pence": unit,
        **parts,
        **others,
    }


def compare(engine: str, before: list[Line], after: list[Line]) -> Found:
    """Lines that differ and pence, by rule and mechanisms."""
    frames = [pl.DataFrame(lines, schema=SCHEMA) for lines in (before, after)]
    with duckdb.connect() as connection:
        native: list[Any] = [
            frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            for frame in frames
        ]
        sides = (nw.from_native(one).lazy() for one in native)
        made = differences(*sides, quantum_pence=1).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    columns = ["rule", "mechanism_before", "mechanism_after", "lines", "difference_pence"]
    return {row[:3]: row[3:] for row in table.select(columns).iter_rows()}


VARIABLE = ("api_variable", "api_variable")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_alike_has_no_difference(engine: str) -> None:
    assert compare(engine, [line()], [line()]) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_price_is_taken_to_the_other_a_part_at_a_time_and_mff_last(engine: str) -> None:
    """Before: (£1,000.00 + £50.00 + £20.00) × 1.1 = £1,177.00.

    £1,100.00 for £1,000.00 is £100.00 × 1.1 = £110.00; long stay £30.00 more × 1.1 = £33.00; best
    practice £50.00 less × 1.1 = -£55.00; the top-up £20.00 less × 1.1 = -£22.00. Then 1.2 for 1.1
    of £1,130.00 is £113.00.
    """
    before = line(100_000, factor=1_100_000, best_practice_pence=5_000, top_up_pence=2_000)
    after = line(110_000, factor=1_200_000, long_stay_pence=3_000)
    assert (before["value_pence"], after["value_pence"]) == (117_700, 135_600)
    assert compare(engine, [before], [after]) == {
        ("unit_price", *VARIABLE): (1, 11_000),
        ("long_stay", *VARIABLE): (1, 3_300),
        ("best_practice", *VARIABLE): (1, -5_500),
        ("top_up", *VARIABLE): (1, -2_200),
        ("market_forces_factor", *VARIABLE): (1, 11_300),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_line_paid_in_another_way_is_one_difference(engine: str) -> None:
    """£1,000.00 each in 2024/25; non-elective in the blend, which pays by the contract."""
    before = [line(record=name) for name in ("S1", "S2", "S3")]
    after = [
        line(110_000, "api_blended", record="S1", payable_pence=None),
        line(110_000, "activity_based", record="S2"),
        line(record="S3"),
    ]
    assert compare(engine, before, after) == {
        ("payment_mechanism", "api_variable", "api_blended"): (1, -100_000),
        ("payment_mechanism", "api_variable", "activity_based"): (1, 10_000),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_paid_by_the_contract_in_either_year_are_counted_and_differ_by_nothing(
    engine: str,
) -> None:
    before = line(50_000, "api_fixed", payable_pence=0)
    after = line(55_000, "api_blended", payable_pence=None)
    assert compare(engine, [before], [after]) == {
        ("payment_mechanism", "api_fixed", "api_blended"): (1, 0)
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_paid_whole_differs_by_approval_or_rate(engine: str) -> None:
    """Without approval nothing was paid; at the plan's rate a line has no amount of its own."""
    before = [line(payable_pence=0), line(record="S2"), line(None, record="S3")]
    after = [line(110_000), line(record="S2", payable_pence=None), line(record="S3")]
    # £1,100.00 for nothing, nothing for £1,000.00, and £1,000.00 where there was no price.
    assert compare(engine, before, after) == {
        ("approval_or_rate", *VARIABLE): (3, 110_000 - 100_000 + 100_000)
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_record_refused_under_one_year_is_its_own_difference(engine: str) -> None:
    assert compare(engine, [line()], [line(record="S2")]) == {
        ("one_year_only", "api_variable", None): (1, -100_000),
        ("one_year_only", None, "api_variable"): (1, 100_000),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_identifier_in_both_datasets_is_two_records(engine: str) -> None:
    attendance = line(20_000, dataset="op")
    before, after = [line(), attendance], [line(110_000), attendance]
    assert compare(engine, before, after) == {("unit_price", *VARIABLE): (1, 10_000)}


PENCE = st.one_of(st.none(), st.integers(0, 10**9))
LINES = st.builds(
    lambda unit, factor, mechanism, payable, added: line(
        unit, mechanism, factor, best_practice_pence=added, **payable
    ),
    PENCE,
    st.integers(1_000_000, 1_300_000),
    st.sampled_from(["api_variable", "api_blended", "activity_based"]),
    st.sampled_from([{}, {"payable_pence": 0}, {"payable_pence": None}]),
    st.integers(-(10**6), 10**6),
)


@settings(deadline=None)
@given(before=st.lists(LINES, max_size=5), after=st.lists(LINES, max_size=5))
def test_the_rules_add_up_to_the_difference(before: list[Line], after: list[Line]) -> None:
    sides = [
        [{**one, "record_id": f"S{number}"} for number, one in enumerate(lines)]
        for lines in (before, after)
    ]
    paid = [sum(one["payable_pence"] or 0 for one in lines) for lines in sides]
    found = compare("polars", *sides)
    assert sum(pence for _, pence in found.values()) == paid[1] - paid[0]


def test_each_rule_rests_on_what_each_year_says() -> None:
    assert rests_on("market_forces_factor", scheme("2024-25")) == "2023/25 ¶73"
    assert rests_on("market_forces_factor", scheme("2026-27")) == "2026/27 ¶77"
    assert rests_on("unit_price", scheme("2024-25")) == "price book"
    named = {on for on in RULES.values() if "." in on and " " not in on}
    assert named <= set(PARAMETERS)
    assert BESIDE_LINES in RULES
