"""Short stay emergency: emergency spells that take the reduced price.

Belongs here: who takes it. Does not belong here: the price (price books) or its
percentage, which Annex A has applied already.
"""

import narwhals.stable.v2 as nw

from pricing.scheme import ShortStayEmergency, Spells


def is_short_stay_emergency(spells: Spells, rules: ShortStayEmergency) -> nw.Expr:
    """An emergency admission of an adult for at most a day, whose HRG has a reduced price."""
    is_short = nw.col("stay_for_payment_days") <= rules.maximum_stay_days
    return _is_of_reduced_price(spells, rules) & is_short


def could_be_short_stay(spells: Spells, rules: ShortStayEmergency) -> nw.Expr:
    """One that would be, if fewer of the days of its stay were counted."""
    is_long = nw.col("stay_for_payment_days") > rules.maximum_stay_days
    return (_is_of_reduced_price(spells, rules) & is_long).fill_null(False)


def _is_of_reduced_price(spells: Spells, rules: ShortStayEmergency) -> nw.Expr:
    return (
        nw.col("admission_method_code").is_in(spells.emergency_admission_methods)
        & (nw.col("age_years") >= rules.minimum_age_years)
        & nw.col("is_short_stay_emergency_applicable").fill_null(False)
        & ~nw.col("short_stay_emergency_price_pence").is_null()
    )
