"""Cost uplift and efficiency: what a year's prices and values rise by, net of efficiency.

Belongs here: the two factors of a year taken together (2023/25 ¶63-64, 2026/27 ¶64-65, 2021/22
¶46). Does not belong here: the factors (scheme packs), or what is uplifted by them
(`pricing.low_volume_schedule`, `pricing.fixed_element`).

The worked examples of the guidance take the efficiency factor from the cost uplift factor: a net
uplift of 0.6% is 1.7% less 1.1% (2023/25 Appendix 1).
"""

from collections.abc import Iterable
from fractions import Fraction
from math import prod

from pricing.money import PPM
from pricing.scheme import CostAdjustment


def net_uplift(factors: CostAdjustment) -> Fraction:
    """What a year adds, as an exact share: 0.006 is 0.6%; below zero where efficiency is more."""
    return net_of(factors.uplift_ppm, factors.efficiency_ppm, factors.net_uplift_is)


def net_of(uplift_ppm: int, efficiency_ppm: int, net_uplift_is: str) -> Fraction:
    """What two factors come to together: their `difference`, or the `product` of both.

    >>> net_of(17_000, 11_000, "difference"), net_of(17_000, 11_000, "product")
    (Fraction(3, 500), Fraction(5813, 1000000))
    """
    uplift, efficiency = Fraction(uplift_ppm, PPM), Fraction(efficiency_ppm, PPM)
    if net_uplift_is == "product":
        return (1 + uplift) * (1 - efficiency) - 1
    return uplift - efficiency


def compounded(net_uplifts: Iterable[Fraction]) -> Fraction:
    """What several years come to together, one upon the other: 1 is no change.

    >>> compounded([Fraction(10, 100), Fraction(10, 100)])
    Fraction(121, 100)
    """
    return prod((1 + one for one in net_uplifts), start=Fraction(1))
