"""Elective scope: what the elective variable element pays for.

The definition is that of 2023/25 ¶71, ¶116-117, 2026/27 ¶74 and 2021/22 ¶56.

Belongs here: the definition of elective activity. Does not belong here: at what rate it
is paid (`pricing.payable`), or whose activity is under API at all (`pricing.mechanism`).
"""

import narwhals.stable.v2 as nw

from pricing import point_of_delivery, unit_price
from pricing.scheme import Attendances, ElectiveScope


def is_excluded_treatment_function(scope: ElectiveScope) -> nw.Expr:
    """Treatment functions outside the elective variable element (2023/25 ¶117)."""
    codes = scope.excluded_treatment_function_codes
    return nw.col("treatment_function_code").is_in(codes).fill_null(False)


def is_termination_of_pregnancy(scope: ElectiveScope) -> nw.Expr:
    """Termination of pregnancy services, outside the variable element (2023/25 ¶117).

    The list is of the price year's HRGs, so a bridged record is looked up as what prices it.
    """
    hrg = nw.coalesce("price_hrg_code", "hrg_code")
    return hrg.is_in(scope.termination_of_pregnancy_hrgs).fill_null(False)


def is_elective_spell(scope: ElectiveScope) -> nw.Expr:
    """Day case and ordinary elective spells with a published non-zero price (2023/25 ¶117)."""
    return (
        nw.col("point_of_delivery_code").is_in(scope.points_of_delivery)
        & (nw.col("published_price_pence") > 0).fill_null(False)
        & ~is_termination_of_pregnancy(scope)
        & ~is_excluded_treatment_function(scope)
    )


def is_first_attendance(attendances: Attendances) -> nw.Expr:
    """First attendances that national prices apply to, priced or not (2023/25 ¶117)."""
    return (
        nw.col("attendance_hrg_code").is_in(attendances.first_attendance_hrgs)
        & nw.col("published_source").is_in([unit_price.ATTENDANCE, unit_price.NONE])
        & nw.col("national_price_exclusion").is_null()
    ).fill_null(False)


def is_elective_attendance(scope: ElectiveScope, attendances: Attendances) -> nw.Expr:
    """Outpatient procedures with a non-zero price, and in most years first attendances.

    A first attendance is in scope with or without a price: where there is none, a locally
    agreed one is paid (2023/25 ¶72, 2026/27 ¶76). In 2021/22 ¶56 it is outside.
    """
    is_procedure = (nw.col("point_of_delivery_code") == point_of_delivery.OUTPATIENT_PROCEDURE) & (
        nw.col("published_price_pence") > 0
    ).fill_null(False)
    in_scope = is_procedure & ~is_termination_of_pregnancy(scope)
    if scope.includes_first_attendances:
        in_scope = in_scope | is_first_attendance(attendances)
    return in_scope.fill_null(False) & ~is_excluded_treatment_function(scope)
