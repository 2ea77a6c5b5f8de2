"""Whole pence, and the one rounding.

What belongs here: arithmetic on pence and parts per million. What does not: any price.
"""


def times_ppm(pence: int, ppm: int) -> int:
    """Parts per million of an amount to the nearest penny, halves away from zero.

    >>> [times_ppm(pence, 500_000) for pence in (5, -15, 4)], times_ppm(100, 1_084_213)
    ([3, -8, 2], 108)
    """
    nearest = (2 * abs(pence) * ppm + 1_000_000) // 2_000_000
    return nearest if pence >= 0 else -nearest
