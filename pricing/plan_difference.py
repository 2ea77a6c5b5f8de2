"""Difference from a plan: what is paid for more than was planned, and taken back for less.

Belongs here: the one calculator of a share of the difference, with break-glass bands (2026/27 ¶84,
¶86-88, ¶95, ¶102, 2021/22 ¶52-53, ¶56). Does not belong here: which contract lines are paid so, or
what they come to (`pricing.contract_lines`), or the terms, which are the user's own list.

A band changes the rate for what is within it and for nothing else, so no penny more or less of
activity makes the payment jump (2026/27 ¶88: the marginal rate). That the rate of a band is
marginal, and that its edges are shares of the value planned for the year to date, is our reading.
"""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR
from pricing.money import PPM, apply_ppm

ABOVE, BELOW, BOTH = "above", "below", "both"
"""The side of the plan that a band is of."""
_KEYS = (*PAIR, "contract_line")


def share_of_difference(
    rows: nw.LazyFrame[Any],
    bands: nw.LazyFrame[Any],
    points: Sequence[str],
    quantum_pence: int,
) -> nw.LazyFrame[Any]:
    """Rows with the signed share of actual less planned value, as at each of some points.

    Takes one row a contract line with `rate_ppm` and, for each point, `actual_<point>` and
    `planned_<point>` in pence, within `money.LARGEST_PENCE`; adds `share_<point>`, rounded once,
    and `is_in_band_<point>`, whether a band changed it. `bands` have the pair, `contract_line`,
    `side`, `from_ppm`, `to_ppm` (null: no end) and `rate_ppm`; those of one side do not overlap.
    Null where any of the row's amounts or its rate is.
    """
    extra = [f"extra_{point}" for point in points]
    facts = [f"{amount}_{point}" for point in points for amount in ("actual", "planned")]
    of_bands = (
        bands.rename({"rate_ppm": "band_rate_ppm"})
        .join(rows.select(*_KEYS, "rate_ppm", *facts), on=list(_KEYS), how="inner")
        .with_columns(
            **{f"extra_{point}": _beyond_base_rate(point).fill_null(0) for point in points}
        )
        .group_by(*_KEYS)
        .agg(*(nw.col(name).sum().cast(nw.Int64) for name in extra))
    )
    return (
        rows.join(of_bands, on=list(_KEYS), how="left")
        .with_columns(*(nw.col(name).fill_null(0) for name in extra))
        .with_columns(
            **{f"share_{point}": _share(point, quantum_pence) for point in points},
            **{f"is_in_band_{point}": nw.col(f"extra_{point}") != 0 for point in points},
        )
        .drop(*extra)
    )


def _beyond_base_rate(point: str) -> nw.Expr:
    """What a band adds to the size of the share at the base rate, in pence times millionths."""
    planned, side = nw.col(f"planned_{point}"), nw.col("side")
    difference = nw.col(f"actual_{point}") - planned
    size = difference.abs()
    begins = apply_ppm(planned, nw.col("from_ppm"))
    ends = apply_ppm(planned, nw.col("to_ppm"))
    upto = nw.when(ends < size).then(ends).otherwise(size)
    applies = (
        (side == BOTH) | ((side == ABOVE) & (difference > 0)) | ((side == BELOW) & (difference < 0))
    )
    within = nw.when(applies & (upto > begins)).then(upto - begins).otherwise(0)
    return within * (nw.col("band_rate_ppm") - nw.col("rate_ppm"))


def _share(point: str, quantum_pence: int) -> nw.Expr:
    difference = nw.col(f"actual_{point}") - nw.col(f"planned_{point}")
    unit = PPM * quantum_pence
    whole = difference.abs() * nw.col("rate_ppm") + nw.col(f"extra_{point}")
    size = (whole + unit // 2) // unit * quantum_pence
    return nw.when(difference < 0).then(-size).otherwise(size)
