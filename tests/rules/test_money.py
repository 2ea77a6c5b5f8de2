"""Exact money: the one multiplication and its rounding, held against exact fractions.

Belongs here: the arithmetic, on every engine, at its limits. Does not belong here: which
amounts are multiplied by what (`tests/cases/mff.yaml`).
"""

from fractions import Fraction

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import ENGINES

from pipelines.lists import pence, ppm
from pricing.money import LARGEST_FACTOR_PPM, LARGEST_PENCE, PPM, apply_ppm, is_too_large
from schemas.extracts import LONGEST_STAY_DAYS

LARGEST_INT64 = 2**63 - 1
amounts = st.integers(-LARGEST_PENCE, LARGEST_PENCE) | st.integers(-1_000, 1_000)
factors = st.integers(0, LARGEST_FACTOR_PPM) | st.sampled_from([1, 500_000, PPM, 1_175_335])
quanta = st.sampled_from([1, 100])
on_each_engine = pytest.mark.parametrize("engine", ENGINES)


def half_away_from_zero(pence: int, ppm: int, quantum_pence: int) -> int:
    exact = Fraction(pence * ppm, PPM * quantum_pence)
    nearest = int(abs(exact) + Fraction(1, 2)) * quantum_pence
    return nearest if pence >= 0 else -nearest


def on_engine(engine: str, frame: pl.DataFrame, expression: nw.Expr) -> pl.Series:
    """What an engine makes of an expression, row by row."""
    if engine == "polars":
        answered = nw.from_native(frame).select(answer=expression)
        return answered.to_native()["answer"]
    with duckdb.connect() as connection:
        numbered = connection.from_arrow(frame.with_row_index("row").to_arrow())
        answers = nw.from_native(numbered).select("row", answer=expression).sort("row")
        return pl.DataFrame(answers.to_native().to_arrow_table())["answer"]


@on_each_engine
@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(st.tuples(amounts, factors), min_size=1, max_size=50),
    quantum_pence=quanta,
)
@example(pairs=[(5, 500_000), (-5, 500_000), (-15, 500_000), (1, 499_999)], quantum_pence=1)
@example(pairs=[(50, PPM), (-50, PPM), (49, PPM), (-150, PPM), (149, PPM)], quantum_pence=100)
@example(
    pairs=[
        (sign * (LARGEST_PENCE - below), LARGEST_FACTOR_PPM - less)
        for sign in (1, -1)
        for below in (0, 1)
        for less in (0, 1)
    ],
    quantum_pence=1,
)
def test_a_factor_is_applied_exactly_and_rounded_half_away_from_zero(
    engine: str, pairs: list[tuple[int, int]], quantum_pence: int
) -> None:
    frame = pl.DataFrame(pairs, schema={"pence": pl.Int64, "ppm": pl.Int64}, orient="row")
    expression = apply_ppm(nw.col("pence"), nw.col("ppm"), quantum_pence)
    expected = [half_away_from_zero(pence, ppm, quantum_pence) for pence, ppm in pairs]
    assert on_engine(engine, frame, expression).to_list() == expected


@on_each_engine
@pytest.mark.parametrize(
    ("pence", "ppm", "quantum_pence", "expected"),
    [
        (5, 500_000, 1, 3),
        (-5, 500_000, 1, -3),
        (15, 500_000, 1, 8),
        (-15, 500_000, 1, -8),
        (101, PPM, 1, 101),
        (1, 499_999, 1, 0),
        (-1, 499_999, 1, 0),
        (0, 1_175_335, 1, 0),
        (100_000, 1_175_335, 1, 117_534),
        (149, PPM, 100, 100),
        (150, PPM, 100, 200),
        (-150, PPM, 100, -200),
        (None, PPM, 1, None),
    ],
)
def test_rounding_by_hand(
    engine: str, pence: int | None, ppm: int, quantum_pence: int, expected: int | None
) -> None:
    frame = pl.DataFrame({"pence": [pence]}, schema={"pence": pl.Int64})
    answers = on_engine(engine, frame, apply_ppm(nw.col("pence"), ppm, quantum_pence))
    assert answers.to_list() == [expected]


@on_each_engine
def test_what_comes_out_is_int64(engine: str) -> None:
    frame = pl.DataFrame({"pence": [7, -7, None], "ppm": [PPM, 1_100_000, PPM]})
    answers = on_engine(engine, frame, apply_ppm(nw.col("pence"), nw.col("ppm")))
    assert answers.dtype == pl.Int64


@on_each_engine
def test_amounts_beyond_the_limit_are_told(engine: str) -> None:
    edges = [0, LARGEST_PENCE, LARGEST_PENCE + 1, -LARGEST_PENCE, -LARGEST_PENCE - 1, None]
    frame = pl.DataFrame({"pence": edges}, schema={"pence": pl.Int64})
    answers = on_engine(engine, frame, is_too_large(nw.col("pence")))
    assert answers.to_list() == [False, False, True, False, True, None]


@pytest.mark.parametrize("quantum_pence", [1, 100])
def test_nothing_within_the_limits_wraps(quantum_pence: int) -> None:
    """The largest number on the way is the product with half a rounding unit added."""
    largest = LARGEST_PENCE * LARGEST_FACTOR_PPM + PPM * quantum_pence // 2
    assert largest <= LARGEST_INT64


def test_the_longest_stay_at_the_greatest_price_does_not_wrap_before_it_is_refused() -> None:
    """The guard looks at the sum before MFF, so days times price per day must fit as well."""
    assert LARGEST_PENCE + LONGEST_STAY_DAYS * LARGEST_PENCE <= LARGEST_INT64


def test_no_list_may_hold_a_greater_price() -> None:
    assert pence("10,000,000,000.00") == LARGEST_PENCE
    with pytest.raises(ValueError, match="over £10 billion"):
        pence("10,000,000,000.01")


def test_no_list_may_hold_a_greater_factor() -> None:
    assert ppm("1.999999") < LARGEST_FACTOR_PPM
    with pytest.raises(ValueError, match="factor below 2"):
        ppm("2.000000")
