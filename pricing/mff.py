"""Market forces factor: applied once, to the sum of what is priced.

It applies to the unit prices of the variable element in every year (2023/25 ¶73, 2026/27 ¶77,
2021/22 ¶56).

Belongs here: value from price. Does not belong here: the factors (price books), or which
provider a record belongs to (`pricing.organisations`). A provider without a factor is
refused by `pricing.national`: there is no default.
"""

import narwhals.stable.v2 as nw

from pricing.money import apply_ppm
from pricing.scheme import Rounding


def pre_mff_pence() -> nw.Expr:
    """Unit price, best practice, long stay and top-up together; null without a unit price."""
    added = ("best_practice_pence", "long_stay_pence", "top_up_pence")
    return sum((nw.col(name) for name in added), nw.col("unit_price_pence"))


def value_pence(rounding: Rounding) -> nw.Expr:
    """What the record is worth: `pre_mff_pence` times the provider's factor, rounded once."""
    return apply_ppm(nw.col("pre_mff_pence"), nw.col("mff_ppm"), rounding.quantum_pence)
