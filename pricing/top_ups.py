"""Specialist top-ups: a share of the price, for eligible providers of specialised services.

Belongs here: which top-up a spell has, in the years whose variable element pays them (2023/25
¶118, 2021/22 ¶56); from 2026/27 the fixed element does (2026/27 ¶10). Does not belong here: the
rates and who is eligible (price books), or which services a spell was of, which SUS+ says.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.codes import each_code
from pricing.money import apply_ppm
from pricing.reference import Reference
from pricing.scheme import Scheme

_MOST_SERVICES = 6


def rates(spells: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """`record_id` and `top_up_ppm` of each spell that has one: the highest of its services."""
    served = spells.select("record_id", "provider_code", "specialised_service_codes")
    return (
        each_code(served, "specialised_service_codes", _MOST_SERVICES)
        .rename({"code": "specialised_service_code"})
        .join(reference.top_up_rates, on=["provider_code", "specialised_service_code"], how="inner")
        .group_by("record_id")
        .agg(nw.col("top_up_ppm").max())
    )


def top_up_pence(scheme: Scheme) -> nw.Expr:
    """The share of the published price, best practice included and long stay not.

    Rounded as amounts are, since it is an amount that SUS+ shows of its own.
    """
    if scheme.top_ups.paid_in != "variable_element":
        return nw.lit(0, dtype=nw.Int64)
    price = nw.col("published_price_pence") + nw.col("best_practice_pence")
    amount = apply_ppm(price, nw.col("top_up_ppm"), scheme.rounding.quantum_pence)
    return (
        nw.when(~nw.col("is_local")).then(amount).otherwise(nw.lit(0)).fill_null(0).cast(nw.Int64)
    )
