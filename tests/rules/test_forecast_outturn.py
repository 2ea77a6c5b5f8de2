"""Forecast outturn: what the months to come are estimated at, on either engine.

Belongs here: the estimates of contract lines. Does not belong here: what is payable for them
(`tests/cases/statements/`), or the outturn of a published contract
(`tests/pipeline/test_contract_statements.py`).
"""

from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from support import ENGINES

from pricing.forecast_outturn import LARGEST_WEIGHT, METHODS, estimated
from pricing.money import LARGEST_PENCE

KNOWN, TO_COME = ["2024-04", "2024-05"], ["2024-06", "2024-07", "2024-08"]
LINE = {"provider_code": "RRV", "commissioner_code": "QMJ", "contract_line": "DC"}
FACTS = {
    **dict.fromkeys(
        ("provider_code", "commissioner_code", "contract_line", "activity_month"), pl.String
    ),
    "activity": pl.Int64,
    "value_pence": pl.Int64,
}
EVEN = dict.fromkeys([*KNOWN, *TO_COME], 1)
Row = dict[str, Any]


def facts(*months: tuple[int | None, int | None], line: str = "DC") -> list[Row]:
    """A row for each month known, of activity and pence."""
    own = {**LINE, "contract_line": line}
    return [
        {**own, "activity_month": month, "activity": activity, "value_pence": pence}
        for month, (activity, pence) in zip(KNOWN, months, strict=True)
    ]


def estimate(engine: str, rows: list[Row], weights: dict[str, int] | list[Row]) -> list[Row]:
    """The rows of the months to come, by line and month."""
    if isinstance(weights, dict):
        weights = [{"activity_month": month, "weight": of} for month, of in weights.items()]
    frames = [pl.DataFrame(rows, schema=FACTS), pl.DataFrame(weights)]
    with duckdb.connect() as connection:
        native: list[Any] = [
            frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            for frame in frames
        ]
        of_facts, of_weights = (nw.from_native(one).lazy() for one in native)
        made = estimated(of_facts, of_weights, KNOWN, TO_COME).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    return table.sort("contract_line", "activity_month").to_dicts()


def amounts(rows: list[Row], name: str) -> list[int | None]:
    return [row[name] for row in rows]


@pytest.mark.parametrize("engine", ENGINES)
def test_even_months_are_the_average_of_those_known(engine: str) -> None:
    """30 and £300.00 in two months: 15 and £150.00 each."""
    rows = estimate(engine, facts((10, 10_000), (20, 20_000)), EVEN)
    assert amounts(rows, "activity_month") == TO_COME
    assert amounts(rows, "activity") == [15, 15, 15]
    assert amounts(rows, "value_pence") == [15_000, 15_000, 15_000]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_months_up_to_any_are_rounded_once(engine: str) -> None:
    """11 in two months is 5.5 each: to June 16.5, so 17; to July 22; to August 27.5, so 28."""
    rows = estimate(engine, facts((5, -5), (6, -6)), EVEN)
    assert amounts(rows, "activity") == [6, 5, 6]
    assert amounts(rows, "value_pence") == [-6, -5, -6]


@pytest.mark.parametrize("engine", ENGINES)
def test_months_weigh_as_their_working_days(engine: str) -> None:
    """41 working days known came to 82: 2 a day, so 40, 46 and 42."""
    days = {"2024-04": 21, "2024-05": 20, "2024-06": 20, "2024-07": 23, "2024-08": 21}
    rows = estimate(engine, facts((40, None), (42, None)), days)
    assert amounts(rows, "activity") == [40, 46, 42]
    assert amounts(rows, "value_pence") == [None, None, None]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_line_has_its_own_profile_and_one_without_is_not_estimated(engine: str) -> None:
    """Last year 20 of DC in the months known and 10, 0 and 5 after: half, none, a quarter of 40."""
    profile = {"2024-04": 8, "2024-05": 12, "2024-06": 10, "2024-07": 0, "2024-08": 5}
    weights = [{**LINE, "activity_month": month, "weight": of} for month, of in profile.items()]
    weights.append({**LINE, "contract_line": "EL", "activity_month": "2024-06", "weight": 9})
    done = [(15, 1_000), (25, 3_000)]
    rows = estimate(engine, facts(*done) + facts(*done, line="EL"), weights)
    assert amounts(rows, "contract_line") == ["DC"] * 3
    assert amounts(rows, "activity") == [20, 0, 10]
    assert amounts(rows, "value_pence") == [2_000, 0, 1_000]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pence", "weight", "is_estimated"),
    [
        (LARGEST_PENCE, 1, True),
        (LARGEST_PENCE + 1, 1, False),
        (LARGEST_PENCE, LARGEST_WEIGHT - 4, True),
        (LARGEST_PENCE, LARGEST_WEIGHT - 3, False),
    ],
)
def test_what_cannot_be_multiplied_is_not_estimated(
    engine: str, pence: int, weight: int, is_estimated: bool
) -> None:
    weights = {**EVEN, "2024-08": weight}
    rows = estimate(engine, facts((1, pence), (1, 0)), weights)
    assert bool(rows) is is_estimated
    if is_estimated:
        whole = sum(row["value_pence"] for row in rows)
        assert whole == (pence * (2 + weight) + 1) // 2


def test_every_method_says_how_it_estimates() -> None:
    assert list(METHODS) == ["straight_line", "working_days", "last_years_profile"]
    assert all(sentence.endswith(".") for sentence in METHODS.values())
