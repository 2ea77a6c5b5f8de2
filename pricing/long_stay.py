"""Long stay: days beyond the trim point, and what is paid for them.

Belongs here: the stay that prices look at, and excess bed days. Does not belong here: trim
points and per day payments (price books).
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.scheme import Scheme
from pricing.short_stay_emergency import could_be_short_stay

_CRITICAL_CARE_DAYS = (
    "adult_critical_care_days",
    "neonatal_critical_care_days",
    "paediatric_critical_care_days",
)


def stay_for_payment_days() -> nw.Expr:
    """The stay that prices look at: as SUS+ adjusted it, else less days of critical care."""
    critical_care = nw.sum_horizontal(*_CRITICAL_CARE_DAYS)
    left = nw.max_horizontal(nw.col("length_of_stay_days") - critical_care, nw.lit(0))
    return nw.coalesce(nw.col("adjusted_length_of_stay_days"), left)


def is_stay_unknown(scheme: Scheme) -> nw.Expr:
    """Whether the stay has days that only SUS+ could have taken off, and did not.

    The extract does not give days of rehabilitation and specialist palliative care, so where the
    price of a spell with either turns on its stay, it needs the stay that SUS+ adjusted.
    """
    hrgs = nw.col("unbundled_hrg_codes")
    has_such_days = [
        hrgs.str.starts_with(prefix) | hrgs.str.contains(f" {prefix}", literal=True)
        for prefix in scheme.long_stay.stay_adjusted_by_sus_hrg_prefixes
    ]
    could_be_short = could_be_short_stay(scheme.spells, scheme.short_stay_emergency)
    turns_on_stay = (nw.col("excess_bed_days") > 0) | (
        could_be_short & (nw.col("price_source") == "non_elective")
    )
    return (
        turns_on_stay
        & nw.col("adjusted_length_of_stay_days").is_null()
        & nw.any_horizontal(*has_such_days, ignore_nulls=False)
    ).fill_null(False)


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
