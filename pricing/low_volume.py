"""Low volume activity: which records an LVA block pays for, and the month's statement.

Belongs here: membership of the published schedule, the exceptions to it (2023/25 ¶79, 2026/27
¶108), and what each block covered. Does not belong here: the schedule (price books) or the
exceptions that parties agree (the user's own list).

Membership of the published schedule decides, not a threshold worked out from activity
(2023/25 ¶80-81, ¶83, ¶85, 2026/27 ¶104, ¶109-110, ¶112), unless the parties moved a pair to API.
Before 2022/23 there was none (2023/25 ¶11, ¶77).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import AGREED_API, PAIR, is_agreed_to_be_under_api
from pricing.overseas_visitors import CHARGED_TO_PATIENT
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


def statement(
    lines: nw.LazyFrame[Any], reference: Reference, activity_month: str, scheme_year: str
) -> nw.LazyFrame[Any]:
    """Each pair of the schedule with what its block covered in the month, and what not.

    Takes priced lines of one month; gives the columns of `schemas.priced_line.LOW_VOLUME`,
    a row for every listed pair, with or without activity. Of a pair that was moved to API
    (2023/25 ¶85) all lines are outside the block, whose value is shown as published. What is
    payable outside it is null where that of any line is open: a price is to be agreed, or a
    contract's plan decides it.
    """
    pairs = reference.lva_schedule.select(*PAIR, "block_value_pence")
    moved = reference.contracts.filter(nw.col("agreed_mechanism") == AGREED_API)
    covered = nw.col("payment_mechanism") == LVA_BLOCK
    not_payers = [OUTSIDE_SCHEME, CHARGED_TO_PATIENT]
    outside_block = ~covered & ~nw.col("payment_mechanism").is_in(not_payers)

    def total(amount: str, condition: nw.Expr) -> nw.Expr:
        return nw.when(condition).then(nw.col(amount)).otherwise(0).sum().cast(nw.Int64)

    def count(condition: nw.Expr) -> nw.Expr:
        return nw.when(condition).then(1).otherwise(0).sum().cast(nw.Int64)

    totals = (
        lines.join(pairs, on=list(PAIR), how="inner")
        .with_columns(is_covered=covered, is_exception=outside_block)
        .group_by(*PAIR)
        .agg(
            count(nw.col("is_covered")).alias("covered_activity"),
            total("value_pence", nw.col("is_covered")).alias("covered_value_pence"),
            count(nw.col("is_exception")).alias("exception_activity"),
            total("value_pence", nw.col("is_exception")).alias("exception_value_pence"),
            total("payable_pence", nw.col("is_exception")).alias("exception_payable_pence"),
            count(nw.col("is_exception") & nw.col("payable_pence").is_null()).alias("open_lines"),
        )
    )
    amounts = [
        "covered_activity",
        "covered_value_pence",
        "exception_activity",
        "exception_value_pence",
    ]
    is_known = nw.col("open_lines").fill_null(0) == 0
    listed = pairs.join(totals, on=list(PAIR), how="left").join(
        moved.select(*PAIR, is_moved_to_api=nw.lit(True)), on=list(PAIR), how="left"
    )
    return listed.select(
        nw.lit(activity_month).alias("activity_month"),
        nw.lit(scheme_year).alias("scheme_year"),
        "provider_code",
        "commissioner_code",
        "block_value_pence",
        nw.col("is_moved_to_api").fill_null(False),
        *(nw.col(name).fill_null(0) for name in amounts),
        exception_payable_pence=nw.when(is_known).then(
            nw.col("exception_payable_pence").fill_null(0)
        ),
    )
