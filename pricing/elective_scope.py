"""Elective scope: what the elective variable element pays for (000 ¶116-119).

Belongs here: the definition of elective activity. Does not belong here: at what rate it
is paid (`pricing.payable`), or whose activity is under API at all (`pricing.mechanism`).
"""

import narwhals.stable.v2 as nw

from pricing import point_of_delivery, unit_price
from pricing.scheme import Attendances, ElectiveScope


def is_excluded_treatment_function(scope: ElectiveScope) -> nw.Expr:
    """Treatment functions outside the elective variable element (¶117)."""
    codes = scope.excluded_treatment_function_codes
    return nw.col("treatment_function_code").is_in(codes).fill_null(False)


def is_termination_of_pregnancy(scope: ElectiveScope) -> nw.Expr:
    """Termination of pregnancy services, outside the elective variable element (¶117).

    The list is of the price year's HRGs, so a bridged record is looked up as what prices it.
    """
    hrg = nw.coalesce("price_hrg_code", "hrg_code")
    return hrg.is_in(scope.termination_of_pregnancy_hrgs).fill_null(False)


def is_elective_spell(scope: ElectiveScope) -> nw.Expr:
    """Day case and ordinary elective spells with a published non-zero price (¶117)."""
    return (
        nw.col("point_of_delivery_code").is_in(scope.points_of_delivery)
        & (nw.col("unit_price_pence") > 0).fill_null(False)
        & ~is_termination_of_pregnancy(scope)
        & ~is_excluded_treatment_function(scope)
    )


def is_elective_attendance(scope: ElectiveScope, attendances: Attendances) -> nw.Expr:
    """Outpatient procedures with a non-zero price, and first attendances (¶117).

    A first attendance is in scope with or without a price: where there is none, a locally
    agreed one is paid (¶72).
    """
    is_procedure = (nw.col("point_of_delivery_code") == point_of_delivery.OUTPATIENT_PROCEDURE) & (
        nw.col("unit_price_pence") > 0
    ).fill_null(False)
    is_first_attendance = (
        nw.col("attendance_hrg_code").is_in(attendances.first_attendance_hrgs)
        & nw.col("price_source").is_in([unit_price.ATTENDANCE, unit_price.NONE])
        & nw.col("national_price_exclusion").is_null()
    )
    in_scope = (is_procedure & ~is_termination_of_pregnancy(scope)) | is_first_attendance
    return in_scope.fill_null(False) & ~is_excluded_treatment_function(scope)
