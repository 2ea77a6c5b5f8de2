"""Exact money: integer pence, factors in parts per million, one rounding.

Belongs here: the arithmetic that every engine must do alike, so integers only. Does not
belong here: any price, factor or rate, or the choice of rounding quantum (scheme packs).
"""

from collections.abc import Mapping
from fractions import Fraction

import narwhals.stable.v2 as nw

PPM = 1_000_000
LARGEST_PENCE = 1_000_000_000_000
"""Ten billion pounds. A larger amount is refused: Int64 wraps without a word, and this
times the largest factor that a price book may hold (`LARGEST_FACTOR_PPM`) does not."""
LARGEST_FACTOR_PPM = 2 * PPM


def apply_ppm(pence: nw.Expr, ppm: nw.Expr | int, quantum_pence: int = 1) -> nw.Expr:
    """`pence` times a factor in ppm, rounded to `quantum_pence`, halves away from zero.

    Null in, null out. `pence` must be within `LARGEST_PENCE` either side of zero.

    >>> import polars as pl
    >>> frame = nw.from_native(pl.DataFrame({"pence": [5, -5, 15, 10]}))
    >>> frame.select(half=apply_ppm(nw.col("pence"), 500_000))["half"].to_list()
    [3, -3, 8, 5]
    """
    unit = PPM * quantum_pence
    size = (pence.abs() * ppm + unit // 2) // unit * quantum_pence
    return nw.when(pence < 0).then(-size).otherwise(size)


def times_ppm(pence: int, ppm: int, quantum_pence: int = 1) -> int:
    """What `apply_ppm` gives, of plain integers.

    >>> [times_ppm(pence, 500_000) for pence in (5, -5, 15, 10)]
    [3, -3, 8, 5]
    """
    unit = PPM * quantum_pence
    size = (abs(pence) * ppm + unit // 2) // unit * quantum_pence
    return -size if pence < 0 else size


def rounded(pence: Fraction, quantum_pence: int = 1) -> int:
    """An exact amount rounded to `quantum_pence`, halves away from zero.

    >>> [rounded(Fraction(pence, 2)) for pence in (5, -5, 4)], rounded(Fraction(150), 100)
    ([3, -3, 2], 200)
    """
    size = int(abs(pence) / quantum_pence + Fraction(1, 2)) * quantum_pence
    return -size if pence < 0 else size


def shared_out(pence: int, weights: Mapping[str, int]) -> dict[str, int]:
    """An amount from 0 shared out by weight, by largest remainder: the shares sum to it exactly.

    Equal remainders are taken in the order of the names. Raises `ValueError` without any weight.

    >>> shared_out(100, {"QUA": 1, "QHL": 1, "QGH": 1})
    {'QUA': 33, 'QHL': 33, 'QGH': 34}
    """
    of_all = sum(weights.values())
    if of_all <= 0 or min(weights.values()) < 0:
        raise ValueError("an amount cannot be shared out without weights above 0")
    shares = {name: pence * weight // of_all for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(pence * weights[name] % of_all), name))
    for name in by_remainder[: pence - sum(shares.values())]:
        shares[name] += 1
    return shares


def is_too_large(pence: nw.Expr) -> nw.Expr:
    """Whether an amount is beyond what may be multiplied by a factor."""
    return pence.abs() > LARGEST_PENCE
