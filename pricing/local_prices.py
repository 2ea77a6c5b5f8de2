"""Local prices: what two parties agreed to pay where no unit price is published.

Belongs here: which records have one, and when it is taken: where nothing is published (2023/25
¶18, ¶72, 2026/27 ¶76), or in place of what is, with approval (2026/27 ¶43). Does not belong here:
the prices, which are the user's own list, or what is paid at them (`pricing.payable`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR
from pricing.money import PPM
from pricing.reference import Reference
from pricing.scheme import Attendances, MarketForcesFactor

LOCAL = "local"
_AGREED = ("local_price_pence", "is_variation_approved")


def of_hrgs(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """`record_id` and local price of each record with one for its HRG on its costing date.

    Of attendance HRGs and of groups that are none there is no such price: an attendance has
    that of its treatment function.
    """
    groups = nw.col("hrg_code").str
    return (
        records.filter(~(groups.starts_with("WF") | groups.starts_with("UZ")))
        .select("record_id", *PAIR, "hrg_code", "costing_date")
        .join(reference.local_hrg_price_days, on=[*PAIR, "hrg_code", "costing_date"], how="inner")
        .select("record_id", *_AGREED)
    )


def of_attendances(
    records: nw.LazyFrame[Any], reference: Reference, rules: Attendances
) -> nw.LazyFrame[Any]:
    """`record_id` and local price of each record with one for its treatment function.

    Takes records with their `attendance_hrg_code`: first attendances and follow-ups apart.
    """
    key = [*PAIR, "treatment_function_code", "is_first", "costing_date"]
    is_first = nw.col("attendance_hrg_code").is_in(rules.first_attendance_hrgs)
    return (
        records.filter(~nw.col("attendance_hrg_code").is_null())
        .with_columns(is_first=is_first)
        .select("record_id", *key)
        .join(reference.local_attendance_price_days, on=key, how="inner")
        .select(
            "record_id",
            local_attendance_price_pence="local_price_pence",
            is_attendance_variation_approved="is_variation_approved",
        )
    )


def is_taken(published_pence: str) -> nw.Expr:
    """Whether the local price is taken, beside what is published or in its place."""
    is_open = nw.col(published_pence).is_null() | nw.col("is_variation_approved")
    return (~nw.col("local_price_pence").is_null() & is_open).fill_null(False)


def factor_ppm(rules: MarketForcesFactor) -> nw.Expr:
    """The factor of a line: the provider's, but for local prices outside the variable element.

    It is applied to unit prices, and to the local prices used for the variable element (2023/25
    ¶73, 2026/27 ¶77); 2021/22 ¶56 speaks of unit prices alone. Any other local price is paid as
    it was agreed.
    """
    is_as_agreed = nw.col("price_source") == LOCAL
    if "local_price" in rules.applies_to:
        is_as_agreed = is_as_agreed & (nw.col("payment_mechanism") != "api_variable")
    return nw.when(is_as_agreed).then(nw.lit(PPM)).otherwise(nw.col("provider_mff_ppm"))
