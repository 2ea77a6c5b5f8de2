"""Low volume activity: which records an LVA block pays for.

Belongs here: membership of the published schedule, and the exceptions to it (2023/25 ¶79, 2026/27
¶108). Does not belong here: the schedule (price books), the exceptions that parties agree (the
user's own list), or the month's statement of what blocks covered (`pricing.low_volume_monitor`).

Membership of the published schedule decides, not a threshold worked out from activity
(2023/25 ¶80-81, ¶83, ¶85, 2026/27 ¶104, ¶109-110, ¶112), unless the parties moved a pair to API.
Before 2022/23 there was none (2023/25 ¶11, ¶77).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR, is_agreed_to_be_under_api
from pricing.reference import Reference
from pricing.scheme import LowVolume, Mechanism, Spells

LVA_BLOCK = "lva_block"
OUTSIDE_SCHEME = "outside_scheme"
EXCEPTION_FLAGS = {
    "patient_choice_without_contract": "has_patient_choice_exception",
    "out_of_area_mental_health": "has_out_of_area_exception",
    "mental_health_lead_provider_collaborative": "has_collaborative_exception",
}
"""The column that says of a record that its pair has an exception, by kind of exception."""


def with_exceptions(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Records with their parties, and whether their pair has an exception on the costing date.

    Adds `EXCEPTION_FLAGS`, null where there is none.
    """
    return records.join(reference.lva_exception_days, on=[*PAIR, "costing_date"], how="left")


def is_block_pair(mechanism: Mechanism, rules: LowVolume) -> nw.Expr:
    """Whether a pair has a block at all: on the schedule, an ICB and an NHS provider.

    Outside it even if listed are other parties (2023/25 ¶82, 2026/27 ¶111) and ambulance trusts
    (2023/25 ¶79, 2026/27 ¶108).
    """
    if not rules.has_payments_schedule:
        return nw.lit(False)
    kind = nw.col("provider_kind")
    return (
        ~nw.col("block_value_pence").is_null()
        & kind.is_in(mechanism.nhs_provider_kinds)
        & nw.col("commissioner_kind").is_in(rules.commissioner_kinds)
        & ~kind.is_in(rules.provider_kinds_outside)
    ).fill_null(False)


def is_covered(rules: LowVolume, is_out_of_area: nw.Expr) -> nw.Expr:
    """Whether the pair's block pays for the line; needs `with_exceptions` and the parties.

    Outside it is what the parties moved to API (2023/25 ¶85), and of the kinds of exception that
    the year has (2023/25 ¶79, 2026/27 ¶108) out-of-area mental health placements that the
    commissioner arranged, elective care by patient choice where there is no contract, and
    contracts of mental health lead provider collaboratives.
    """
    if not rules.has_payments_schedule:
        return nw.lit(False)
    of_kind = {
        # A retired HRG may be elective activity: the block must not swallow what is not known.
        "patient_choice_without_contract": nw.col("is_elective_activity")
        | nw.col("is_hrg_retired"),
        "out_of_area_mental_health": is_out_of_area,
        "mental_health_lead_provider_collaborative": _is_mental_health(rules),
    }
    is_outside = is_agreed_to_be_under_api()
    for kind in rules.exception_kinds:
        has_exception = nw.col(EXCEPTION_FLAGS[kind]).fill_null(False)
        is_outside = is_outside | (has_exception & of_kind[kind])
    return (nw.col("is_block_pair") & ~is_outside).fill_null(False)


def is_out_of_area_spell(rules: LowVolume, spells: Spells) -> nw.Expr:
    """A spell that a listed out-of-area placement may be: mental health, no emergency.

    2023/25 ¶79, 2026/27 ¶108.
    """
    if not rules.has_payments_schedule:
        return nw.lit(False)
    is_emergency = nw.col("admission_method_code").is_in(spells.emergency_admission_methods)
    return _is_mental_health(rules) & ~is_emergency


def _is_mental_health(rules: LowVolume) -> nw.Expr:
    codes = rules.mental_health_treatment_function_codes
    return nw.col("treatment_function_code").is_in(codes)
