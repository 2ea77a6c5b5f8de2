"""Payable: what the mechanism pays for a line, whether it counts, and the reason.

Belongs here: `payable_pence`, `is_in_activity_target` and `reason_code`. Does not belong
here: what a line is worth (`pricing.mff`), or which mechanism it has
(`pricing.mechanism`).
"""

import narwhals.stable.v2 as nw

from pricing import ebi, point_of_delivery, unbundled, unit_price
from pricing.decision import Row, first_that_fits
from pricing.elective_scope import (
    is_excluded_treatment_function,
    is_first_attendance,
    is_termination_of_pregnancy,
)
from pricing.local_prices import LOCAL
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME
from pricing.mechanism import (
    ACTIVITY_BASED,
    API_BLENDED,
    API_FIXED,
    API_VARIABLE,
    EXCLUDED_ITEM,
    LOCAL_AGREEMENT,
    is_by,
)
from pricing.money import apply_ppm
from pricing.national_price import EXCLUSIONS
from pricing.overseas_visitors import CHARGED_TO_PATIENT
from pricing.reasons import Reason
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme

PAID_FOR_ACTIVITY = (API_VARIABLE, API_BLENDED, ACTIVITY_BASED, LOCAL_AGREEMENT)
"""Mechanisms that pay for activity: nothing where it needed prior approval and has none."""
_PAID_OTHERWISE = (OUTSIDE_SCHEME, LVA_BLOCK, API_FIXED, CHARGED_TO_PATIENT)


def payable_pence(scheme: Scheme) -> nw.Expr:
    """What is payable for the line; null where that is agreed or worked out elsewhere.

    What did not take place, or is in another line's price, pays nothing, nor does an unapproved
    intervention (2023/25 ¶40, 2026/27 ¶29, 2021/22 ¶26). The variable
    element pays its rate of the value, at unit or local price (2023/25 ¶70, ¶72, ¶118, 2026/27
    ¶73, ¶76), activity-based payment all of it (2023/25 ¶20, 2026/27 ¶11), local agreement the
    price that is agreed. A block (2023/25 ¶87, 2026/27 ¶116), the fixed element and an overseas
    visitor pay elsewhere, so the line itself pays nothing. Where a plan decides, what is payable
    is the contract's: variable element (2021/22 ¶55-56) and blend (2026/27 ¶84).
    """
    mechanism = nw.col("payment_mechanism")
    value = nw.col("value_pence")
    rate_ppm, quantum = scheme.variable_element.rate_ppm, scheme.rounding.quantum_pence
    of_elective_activity = (
        None
        if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE
        else apply_ppm(value, rate_ppm, quantum)
    )
    # Nothing is said of these, not even that nothing is paid.
    is_not_ruled = is_by("overseas_visitor") | is_by("hrg_retired")
    return first_that_fits(
        [
            (mechanism.is_in(_PAID_OTHERWISE), 0),
            (nw.col("price_source").is_in(unit_price.NOTHING_DONE), 0),
            (
                mechanism.is_in(PAID_FOR_ACTIVITY)
                & (nw.col("ebi_outcome") == ebi.ZERO_PRICE)
                & ~is_not_ruled,
                0,
            ),
            (mechanism == API_VARIABLE, of_elective_activity),
            (mechanism == ACTIVITY_BASED, value),
            (
                (mechanism == LOCAL_AGREEMENT) & (nw.col("price_source") == LOCAL) & ~is_not_ruled,
                value,
            ),
        ],
        otherwise=None,
        dtype=nw.Int64,
    )


def is_in_activity_target(scheme: Scheme) -> nw.Expr:
    """Whether the line counts towards the elective activity target (2023/25 ¶119, Table 3)."""
    counts = nw.col("payment_mechanism") == API_VARIABLE
    if scheme.gives("services.outside_activity_target"):
        outside = scheme.services.outside_activity_target
        counts = counts & ~nw.col("service").is_in(outside).fill_null(False)
    if scheme.evidence_based_interventions.zero_price_is_in_activity_target:
        return counts
    return counts & (nw.col("ebi_outcome") != ebi.ZERO_PRICE)


def reason_code(scheme: Scheme) -> nw.Expr:
    """Why the line pays what it pays: the first reason that fits."""
    rows = [
        *_reasons_whoever_pays(),
        *_reasons_of_rules(),
        *_reasons_of_services(scheme),
        *_reasons_of_activity(scheme),
        *((nw.col("national_price_exclusion") == excluded, excluded) for excluded in EXCLUSIONS),
        (nw.col("payment_mechanism") != API_FIXED, Reason.NO_UNIT_PRICE),
        *_reasons_of_fixed_element(scheme),
    ]
    return first_that_fits(rows, otherwise=Reason.NO_UNIT_PRICE)


def _reasons_whoever_pays() -> list[Row]:
    """What settles the line before its price is looked at."""
    mechanism, source = nw.col("payment_mechanism"), nw.col("price_source")
    is_unapproved = nw.col("ebi_outcome") == ebi.ZERO_PRICE
    return [
        (is_by("private_patient"), Reason.PRIVATE_PATIENT),
        (is_by("not_nhs_funded"), Reason.NOT_NHS_FUNDED),
        (mechanism == CHARGED_TO_PATIENT, Reason.OVERSEAS_VISITOR_CHARGED),
        (is_by("overseas_visitor"), Reason.OVERSEAS_VISITOR_NOT_RULED),
        (mechanism == LVA_BLOCK, Reason.COVERED_BY_LVA_BLOCK),
        (source == unit_price.NOT_ATTENDED, Reason.NOT_ATTENDED),
        (source == unit_price.ADMINISTRATIVE_EVENT, Reason.ADMINISTRATIVE_EVENT),
        (nw.col("is_hrg_retired"), Reason.HRG_RETIRED),
        (mechanism.is_in(PAID_FOR_ACTIVITY) & is_unapproved, Reason.UNAPPROVED_EBI),
        (source == unit_price.WITHIN_CORE_PRICE, Reason.WITHIN_CORE_PRICE),
    ]


def _reasons_of_rules() -> list[Row]:
    """Rules of the decision table that are reasons in themselves; then a local price."""
    mechanism = nw.col("payment_mechanism")
    is_local = nw.col("price_source") == LOCAL
    pays_by_line = mechanism.is_in([API_VARIABLE, ACTIVITY_BASED, LOCAL_AGREEMENT])
    has_no_agreed_price = is_by("mechanism_agreed") & (
        ((mechanism == ACTIVITY_BASED) & nw.col("value_pence").is_null())
        | ((mechanism == LOCAL_AGREEMENT) & ~is_local)
    )
    # Of what has no group there is nothing that a price could be agreed for.
    is_ungroupable = (nw.col("national_price_exclusion") == Reason.UNGROUPABLE).fill_null(False)
    return [
        (has_no_agreed_price & is_ungroupable, Reason.UNGROUPABLE),
        (has_no_agreed_price, Reason.AGREED_PRICE_MISSING),
        (is_by("mechanism_agreed"), Reason.MECHANISM_AGREED),
        (is_by("contract_not_known"), Reason.CONTRACT_NOT_KNOWN),
        (is_by("small_armed_forces_contract"), Reason.SMALL_ARMED_FORCES_CONTRACT),
        (is_by("advice_and_guidance"), Reason.ADVICE_AND_GUIDANCE),
        (is_by("locally_agreed_service") & ~is_local, Reason.LOCALLY_AGREED_SERVICE),
        (mechanism == EXCLUDED_ITEM, Reason.EXCLUDED_DRUG),
        (is_by("increasing_capacity_framework"), Reason.INCREASING_CAPACITY_FRAMEWORK),
        (is_by("subcontracted"), Reason.SUBCONTRACTED),
        (is_by("below_contract_threshold"), Reason.BELOW_CONTRACT_THRESHOLD),
        (is_local & pays_by_line, Reason.LOCAL_PRICE),
    ]


def _reasons_of_services(scheme: Scheme) -> list[Row]:
    """Unbundled services, by who pays for them."""
    mechanism = nw.col("payment_mechanism")
    is_service = is_by("unbundled_service")
    is_excluded = ~nw.col("national_price_exclusion").is_null()
    return [
        (
            is_service & (mechanism == API_VARIABLE) & nw.col("value_pence").is_null(),
            Reason.UNBUNDLED_LOCAL_PRICE,
        ),
        (is_service & (mechanism == API_VARIABLE), Reason.UNBUNDLED_SERVICE),
        (
            is_service
            & (mechanism == API_FIXED)
            & ~is_excluded
            & unbundled.may_be_variable_radiotherapy(scheme.services),
            Reason.RADIOTHERAPY_NOT_TOLD_APART,
        ),
        (is_service & (mechanism == API_FIXED) & ~is_excluded, Reason.SERVICE_IN_FIXED_ELEMENT),
        (is_service & (mechanism == API_BLENDED), Reason.SERVICE_BLENDED),
    ]


def _reasons_of_activity(scheme: Scheme) -> list[Row]:
    """Activity that is paid for as such."""
    mechanism, source = nw.col("payment_mechanism"), nw.col("price_source")
    is_variable = mechanism == API_VARIABLE
    against_plan = (
        [(is_variable, Reason.ELECTIVE_AGAINST_PLAN)]
        if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE
        else []
    )
    return [
        (mechanism == API_BLENDED, Reason.UEC_BLENDED),
        (mechanism == ACTIVITY_BASED, Reason.ACTIVITY_BASED_UNIT_PRICE),
        (is_variable & nw.col("unit_price_pence").is_null(), Reason.FIRST_ATTENDANCE_LOCAL_PRICE),
        *against_plan,
        (is_variable & (source == unit_price.ATTENDANCE), Reason.FIRST_ATTENDANCE),
        (is_variable & (source == unit_price.PROCEDURE), Reason.OUTPATIENT_PROCEDURE),
        (is_variable, Reason.ELECTIVE_SPELL),
    ]


def _reasons_of_fixed_element(scheme: Scheme) -> list[Row]:
    """Why the variable element does not pay, for what is under API."""
    code = nw.col("point_of_delivery_code")
    attendance_hrg = nw.col("attendance_hrg_code")
    is_first = attendance_hrg.is_in(scheme.attendances.first_attendance_hrgs)
    is_procedure = nw.col("published_source") == unit_price.PROCEDURE
    is_spell_or_procedure = attendance_hrg.is_null() | is_procedure
    outside_scope = (
        []
        if scheme.elective_scope.includes_first_attendances
        else [(is_first_attendance(scheme.attendances), Reason.FIRST_ATTENDANCE_IN_FIXED_ELEMENT)]
    )
    return [
        (code.is_in(point_of_delivery.NON_ELECTIVE), Reason.NON_ELECTIVE),
        (code.is_in(point_of_delivery.REGULAR), Reason.REGULAR_ATTENDER),
        (~attendance_hrg.is_null() & ~is_first & ~is_procedure, Reason.FOLLOW_UP),
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
