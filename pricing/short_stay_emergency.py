"""Short stay emergency: emergency spells that take the reduced price.

Belongs here: who takes it. Does not belong here: the price (price books) or its
percentage, which Annex A has applied already.
"""

import narwhals.stable.v2 as nw

from pricing.scheme import ShortStayEmergency, Spells


def is_short_stay_emergency(spells: Spells, rules: ShortStayEmergency) -> nw.Expr:
    """An emergency admission of an adult for at most a day, whose HRG has a reduced price."""
    return (
        nw.col("admission_method_code").is_in(spells.emergency_admission_methods)
        & (nw.col("stay_for_payment_days") <= rules.maximum_stay_days)
        & (nw.col("age_years") >= rules.minimum_age_years)
        & nw.col("is_short_stay_emergency_applicable").fill_null(False)
        & ~nw.col("short_stay_emergency_price_pence").is_null()
    )
