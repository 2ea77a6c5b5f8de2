"""Payable: what the mechanism pays for a line, whether it counts, and the reason.

Belongs here: `payable_pence`, `is_in_activity_target` and `reason_code`. Does not belong
here: what a line is worth (`pricing.mff`), or which mechanism it has
(`pricing.mechanism`).
"""

import narwhals.stable.v2 as nw

from pricing import ebi, point_of_delivery, unit_price
from pricing.decision import first_that_fits
from pricing.elective_scope import (
    is_excluded_treatment_function,
    is_first_attendance,
    is_termination_of_pregnancy,
)
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME
from pricing.mechanism import ACTIVITY_BASED, API_BLENDED, API_FIXED, API_VARIABLE
from pricing.money import apply_ppm
from pricing.national_price import EXCLUSIONS
from pricing.reasons import Reason
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme

_PAID_FOR_ACTIVITY = (API_VARIABLE, API_BLENDED, ACTIVITY_BASED)


def payable_pence(scheme: Scheme) -> nw.Expr:
    """What is payable for the line; null where that is agreed or worked out elsewhere.

    An unapproved intervention pays nothing (2023/25 ¶40, 2026/27 ¶29, 2021/22 ¶26). The variable
    element pays its rate of the value (2023/25 ¶70, ¶72, ¶118, 2026/27 ¶73, ¶76), activity-based
    payment all of it (2023/25 ¶20, 2026/27 ¶11). A block (2023/25 ¶87, 2026/27 ¶116) and the fixed
    element pay for the line elsewhere, so the line itself pays nothing. Where a plan decides, what
    is payable is the contract's: variable element (2021/22 ¶55-56) and blend (2026/27 ¶84).
    """
    mechanism = nw.col("payment_mechanism")
    value = nw.col("value_pence")
    rate_ppm, quantum = scheme.variable_element.rate_ppm, scheme.rounding.quantum_pence
    of_elective_activity = (
        None
        if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE
        else apply_ppm(value, rate_ppm, quantum)
    )
    return first_that_fits(
        [
            (mechanism.is_in([OUTSIDE_SCHEME, LVA_BLOCK, API_FIXED]), 0),
            (
                mechanism.is_in(_PAID_FOR_ACTIVITY) & (nw.col("ebi_outcome") == ebi.ZERO_PRICE),
                0,
            ),
            (mechanism == API_VARIABLE, of_elective_activity),
            (mechanism == ACTIVITY_BASED, value),
        ],
        otherwise=None,
        dtype=nw.Int64,
    )


def is_in_activity_target(scheme: Scheme) -> nw.Expr:
    """Whether the line counts towards the elective activity target (2023/25 ¶119, Table 3)."""
    is_variable = nw.col("payment_mechanism") == API_VARIABLE
    if scheme.evidence_based_interventions.zero_price_is_in_activity_target:
        return is_variable
    return is_variable & (nw.col("ebi_outcome") != ebi.ZERO_PRICE)


def reason_code(scheme: Scheme) -> nw.Expr:
    """Why the line pays what it pays: the first reason that fits."""
    mechanism = nw.col("payment_mechanism")
    private = scheme.mechanism.private_patient_categories
    is_private = nw.col("administrative_category_code").is_in(private)
    source = nw.col("price_source")
    code = nw.col("point_of_delivery_code")
    is_first = nw.col("attendance_hrg_code").is_in(scheme.attendances.first_attendance_hrgs)
    is_follow_up = (
        ~nw.col("attendance_hrg_code").is_null() & ~is_first & (source != unit_price.PROCEDURE)
    )
    is_spell_or_procedure = nw.col("attendance_hrg_code").is_null() | (
        source == unit_price.PROCEDURE
    )
    against_plan = (
        [(mechanism == API_VARIABLE, Reason.ELECTIVE_AGAINST_PLAN)]
        if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE
        else []
    )
    outside_scope = (
        []
        if scheme.elective_scope.includes_first_attendances
        else [(is_first_attendance(scheme.attendances), Reason.FIRST_ATTENDANCE_IN_FIXED_ELEMENT)]
    )
    rows = [
        ((mechanism == OUTSIDE_SCHEME) & is_private, Reason.PRIVATE_PATIENT),
        (mechanism == OUTSIDE_SCHEME, Reason.NOT_NHS_FUNDED),
        (mechanism == LVA_BLOCK, Reason.COVERED_BY_LVA_BLOCK),
        (source == unit_price.NOT_ATTENDED, Reason.NOT_ATTENDED),
        (source == unit_price.ADMINISTRATIVE_EVENT, Reason.ADMINISTRATIVE_EVENT),
        (nw.col("is_hrg_retired"), Reason.HRG_RETIRED),
        (
            mechanism.is_in(_PAID_FOR_ACTIVITY) & (nw.col("ebi_outcome") == ebi.ZERO_PRICE),
            Reason.UNAPPROVED_EBI,
        ),
        (mechanism == API_BLENDED, Reason.UEC_BLENDED),
        (mechanism == ACTIVITY_BASED, Reason.ACTIVITY_BASED_UNIT_PRICE),
        (
            (mechanism == API_VARIABLE) & nw.col("unit_price_pence").is_null(),
            Reason.FIRST_ATTENDANCE_LOCAL_PRICE,
        ),
        *against_plan,
        ((mechanism == API_VARIABLE) & (source == unit_price.ATTENDANCE), Reason.FIRST_ATTENDANCE),
        (
            (mechanism == API_VARIABLE) & (source == unit_price.PROCEDURE),
            Reason.OUTPATIENT_PROCEDURE,
        ),
        (mechanism == API_VARIABLE, Reason.ELECTIVE_SPELL),
        *((nw.col("national_price_exclusion") == excluded, excluded) for excluded in EXCLUSIONS),
        (mechanism != API_FIXED, Reason.NO_UNIT_PRICE),
        (code.is_in(point_of_delivery.NON_ELECTIVE), Reason.NON_ELECTIVE),
        (code.is_in(point_of_delivery.REGULAR), Reason.REGULAR_ATTENDER),
        (is_follow_up, Reason.FOLLOW_UP),
        *outside_scope,
        (
            is_spell_or_procedure & is_termination_of_pregnancy(scheme.elective_scope),
            Reason.TERMINATION_OF_PREGNANCY,
        ),
        (
            is_excluded_treatment_function(scheme.elective_scope),
            Reason.EXCLUDED_TREATMENT_FUNCTION,
        ),
    ]
    return first_that_fits(rows, otherwise=Reason.NO_UNIT_PRICE)
