"""Local prices: what two parties agreed to pay where no unit price is published.

Belongs here: which records have one, and when it is taken: where nothing is published (2023/25
¶18, ¶72, 2026/27 ¶76), or in place of what is, with approval (2026/27 ¶43). Does not belong here:
the prices, which are the user's own list, or what is paid at them (`pricing.payable`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing import unit_price
from pricing.contracts import PAIR
from pricing.reasons import Reason
from pricing.reference import Reference
from pricing.scheme import Attendances

LOCAL = "local"


def with_price_of_hrg(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Records with their parties, and the local price of their HRG on their costing date.

    Adds `local_price_pence` and `is_variation_approved`. Of attendance HRGs and of groups that
    are none there is no such price: an attendance has that of its treatment function.
    """
    priced = reference.local_hrg_price_days
    groups = nw.col("hrg_code").str
    priced = priced.filter(~(groups.starts_with("WF") | groups.starts_with("UZ")))
    return records.join(priced, on=[*PAIR, "hrg_code", "costing_date"], how="left")


def with_price_of_attendance(
    records: nw.LazyFrame[Any], reference: Reference, rules: Attendances
) -> nw.LazyFrame[Any]:
    """Records with their parties, and the local price of their treatment function.

    First attendances and follow-ups apart, by their `attendance_hrg_code`. Adds
    `local_attendance_price_pence` and `is_attendance_variation_approved`.
    """
    hrg = nw.col("attendance_hrg_code")
    is_first = nw.when(~hrg.is_null()).then(hrg.is_in(rules.first_attendance_hrgs))
    priced = reference.local_attendance_price_days.rename(
        {
            "local_price_pence": "local_attendance_price_pence",
            "is_variation_approved": "is_attendance_variation_approved",
        }
    )
    key = [*PAIR, "treatment_function_code", "is_first", "costing_date"]
    return records.with_columns(is_first=is_first).join(priced, on=key, how="left")


def of_procedure_or_attendance() -> dict[str, nw.Expr]:
    """The local price of an appointment: that of its HRG, else of its treatment function.

    The latter is no price of a procedure that has one of its own, nor of a retired HRG, of which
    nobody knows whether it is such a procedure.
    """
    is_of_hrg = ~nw.col("local_price_pence").is_null()
    may_be_procedure = nw.col("is_procedure") | nw.col("is_hrg_retired")

    def chosen(of_hrg: str, of_function: str) -> nw.Expr:
        of_attendance = nw.when(~may_be_procedure).then(nw.col(of_function))
        return nw.when(is_of_hrg).then(nw.col(of_hrg)).otherwise(of_attendance)

    return {
        "local_price_pence": chosen("local_price_pence", "local_attendance_price_pence"),
        "is_variation_approved": chosen(
            "is_variation_approved", "is_attendance_variation_approved"
        ),
    }


def is_taken() -> nw.Expr:
    """Whether the local price is taken, where nothing is published or in place of what is.

    Not for what was not done, or is in another line's price; nor without a group, for then there
    is nothing that a price could have been agreed for.
    """
    is_open = nw.col("published_price_pence").is_null() | nw.col("is_variation_approved")
    is_done = ~nw.col("published_source").is_in(unit_price.NOTHING_DONE)
    is_group = (nw.col("national_price_exclusion") != Reason.UNGROUPABLE).fill_null(True)
    is_agreed = ~nw.col("local_price_pence").is_null()
    return (is_agreed & is_open).fill_null(False) & is_done & is_group
