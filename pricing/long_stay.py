"""Long stay: days beyond the trim point, and what is paid for them.

Belongs here: excess bed days. Does not belong here: trim points and per day payments
(price books), or which days SUS+ took off the stay.
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits


def stay_for_payment_days() -> nw.Expr:
    """The stay that prices look at: as SUS+ adjusted it, else the stay of the spell."""
    return nw.coalesce("adjusted_length_of_stay_days", "length_of_stay_days")


def excess_bed_days() -> nw.Expr:
    """Days of stay beyond the trim point of the kind of admission; needs `price_source`.

    None where the spell has no price, where Annex A publishes no trim point or per day
    payment for it, and for a short stay emergency.
    """
    trim_point_days = first_that_fits(
        [
            (
                nw.col("price_source").is_in(["combined", "day_case", "ordinary_elective"]),
                nw.col("ordinary_elective_trim_point_days"),
            ),
            (
                nw.col("price_source") == "non_elective",
                nw.col("non_elective_trim_point_days"),
            ),
        ],
        otherwise=None,
        dtype=nw.Int64,
    )
    beyond = nw.col("stay_for_payment_days") - trim_point_days
    is_paid = (beyond > 0) & ~nw.col("per_day_long_stay_pence").is_null()
    return first_that_fits([(is_paid, beyond)], otherwise=0, dtype=nw.Int64)


def long_stay_pence() -> nw.Expr:
    """Excess bed days at the per day long stay payment; needs `excess_bed_days`."""
    return nw.col("excess_bed_days") * nw.col("per_day_long_stay_pence").fill_null(0)
