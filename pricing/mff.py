"""Market forces factor: applied once, to the sum of what is priced.

It applies to the unit prices of the variable element in every year (2023/25 ¶73, 2026/27 ¶77,
2021/22 ¶56).

Belongs here: value from price. Does not belong here: the factors (price books), or which
provider a record belongs to (`pricing.organisations`). A provider without a factor is
refused by `pricing.national`: there is no default.
"""

import narwhals.stable.v2 as nw

from pricing.local_prices import LOCAL
from pricing.mechanism import API_VARIABLE
from pricing.money import PPM, apply_ppm
from pricing.scheme import MarketForcesFactor, Rounding


def pre_mff_pence() -> nw.Expr:
    """Unit price, best practice, long stay and top-up together; null without a unit price."""
    added = ("best_practice_pence", "long_stay_pence", "top_up_pence")
    return sum((nw.col(name) for name in added), nw.col("unit_price_pence"))


def local_price_mechanisms(rules: MarketForcesFactor) -> tuple[str, ...]:
    """The mechanisms that pay local prices after MFF; any other pays them as they were agreed.

    MFF is applied to unit prices, and to the local prices used for the variable element (2023/25
    ¶73, 2026/27 ¶77); 2021/22 ¶56 speaks of unit prices alone.
    """
    return (API_VARIABLE,) if "local_price" in rules.applies_to else ()


def factor_ppm(rules: MarketForcesFactor) -> nw.Expr:
    """The factor of a line: the provider's, but for local prices that are paid as agreed."""
    is_as_agreed = (nw.col("price_source") == LOCAL) & ~nw.col("payment_mechanism").is_in(
        local_price_mechanisms(rules)
    )
    return nw.when(is_as_agreed).then(nw.lit(PPM)).otherwise(nw.col("provider_mff_ppm"))


def value_pence(rounding: Rounding) -> nw.Expr:
    """What the record is worth: `pre_mff_pence` times the provider's factor, rounded once."""
    return apply_ppm(nw.col("pre_mff_pence"), nw.col("mff_ppm"), rounding.quantum_pence)
