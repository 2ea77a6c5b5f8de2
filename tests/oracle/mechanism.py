"""Who pays for a line, by which mechanism, how much, and why.

What belongs here: what the contract says, the facts that the year's table asks after, what each
mechanism pays, and the reason given. What does not: the order of the table (`years.py`), the price
(`spells.py`, `attendances.py`, `unbundled.py`).
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

from .attendances import FIRST_ATTENDANCE_HRGS, FOLLOW_UP_HRGS
from .books import Books
from .lines import Priced
from .low_volume import is_covered_by_block
from .money import times_ppm
from .parties import Pair, contract_of, is_nhs_provider
from .records import (
    Record,
    charging_status,
    price_hrg,
    reason_excluded,
    reason_no_national_price,
    reason_outside_scheme,
)
from .spells import NON_ELECTIVE
from .years import Facts, Year

# --- what the contract says --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contract of a pair, and the agreement within it, says of a record."""

    agreed_mechanism: str | None
    is_moved_to_api: bool
    is_under_framework: bool
    is_subcontracted: bool
    is_advice_and_guidance: bool
    is_contract_not_known: bool
    is_below_threshold: bool
    is_small_armed_forces_contract: bool

    @property
    def is_at_unit_prices(self) -> bool:
        """Paid "the unit and BPT prices", "rather than API rules" (2021/22 ¶17, 2023/25 ¶22)."""
        return self.is_under_framework or self.is_subcontracted


@cache
def terms_of(pair: Pair, serial_number: str | None, books: Books, year: Year) -> Terms:
    """The terms of a record: what the agreement says, and else what the whole contract does."""
    contract = contract_of(pair, None, books)
    agreement = contract_of(pair, serial_number, books) if serial_number is not None else None
    rows = [row for row in (agreement, contract) if row is not None]
    covers = next((row.covers for row in rows if row.covers), None)
    agreed = next((row.agreed_mechanism for row in rows if row.agreed_mechanism), None)
    whole = None if contract is None else contract.covers
    annual_value = None if contract is None else contract.expected_annual_pence
    is_same_system = contract is not None and contract.is_same_system is True

    # 2021/22 ¶15: "All NHS England Specialised Commissioning contracts ..., irrespective of value".
    is_exempt = pair.payer.commissioner_kind == "nhs_england" and whole == "specialised"
    # 2021/22 ¶14: below it "contract partners are free to pursue other approaches".
    is_settled = contract is not None and contract.agreed_mechanism is not None
    has_threshold = (
        year.api_threshold_pence is not None
        and not is_same_system
        and not is_exempt
        and not is_settled
    )
    return Terms(
        agreed_mechanism=None if agreed == "api" else agreed,
        # 2023/25 ¶85: "agree to move any LVA relationship to an API one", so no part of one.
        is_moved_to_api=contract is not None and contract.agreed_mechanism == "api",
        is_under_framework=year.is_framework_outside_api
        and covers == "increasing_capacity_framework",
        is_subcontracted=year.is_subcontracting_outside_api and covers == "subcontracted",
        is_advice_and_guidance=covers == "advice_and_guidance",
        is_contract_not_known=has_threshold and annual_value is None,
        is_below_threshold=has_threshold
        and annual_value is not None
        and annual_value < (year.api_threshold_pence or 0),
        is_small_armed_forces_contract=whole == "armed_forces"
        and annual_value is not None
        and annual_value < (year.armed_forces_fixed_below_pence or 0),
    )


# --- which mechanism ---------------------------------------------------------------------------


def facts_of(
    record: Record,
    line: Priced,
    pair: Pair,
    terms: Terms,
    costing_date: date,
    books: Books,
    year: Year,
) -> Facts:
    """What the year's table may ask of a line."""
    outside_scheme = reason_outside_scheme(record)
    return Facts(
        is_private_patient=outside_scheme == "PRIVATE_PATIENT",
        is_not_nhs_funded=outside_scheme == "NOT_NHS_FUNDED",
        is_chargeable_overseas_visitor=charging_status(record, books) != "exempt",
        is_covered_by_block=not terms.is_moved_to_api
        and is_covered_by_block(record, line, pair, costing_date, books, year),
        is_hrg_retired=line.is_hrg_retired,
        is_excluded_item=year.mechanism_by_service.get(str(line.service)) == "excluded_item",
        # 2023/25 ¶1, 2026/27 ¶3: API is for NHS providers only.
        is_another_mechanism_agreed=terms.agreed_mechanism is not None
        and (terms.agreed_mechanism != "api_fixed" or is_nhs_provider(pair.provider, books)),
        is_under_framework=terms.is_under_framework,
        is_subcontracted=terms.is_subcontracted,
        is_contract_not_known=terms.is_contract_not_known,
        is_below_threshold=terms.is_below_threshold,
        is_small_armed_forces_contract=terms.is_small_armed_forces_contract,
        is_within_core_price=line.is_within_core_price,
        is_unbundled=line.is_unbundled,
        is_transplant_of_nhs_england=pair.payer.commissioner_kind == "nhs_england"
        and price_hrg(record, books) in year.locally_agreed_hrgs,
        is_advice_and_guidance=terms.is_advice_and_guidance,
        is_nhs_provider=is_nhs_provider(pair.provider, books),
        is_elective=line.is_elective,
        is_blended=line.point_of_delivery in year.blended_points_of_delivery,
        has_unit_price=line.published is not None,
    )


def rule_and_mechanism(line: Priced, terms: Terms, facts: Facts, year: Year) -> tuple[str, str]:
    """The first row of the year's table that holds, and the mechanism it pays by."""
    for row in year.table:
        if row.holds(facts):
            break
    else:
        raise AssertionError("the last row of a table holds for every line")
    if row.pays == "as_agreed":
        return row.rule, str(terms.agreed_mechanism)
    if row.pays != "by_service":
        return row.rule, row.pays
    if line.is_excluded:
        return row.rule, "api_fixed"
    by_service = year.mechanism_by_service.get(str(line.service), "api_fixed")
    if by_service == "activity_based" and line.published is None:
        return row.rule, "local_agreement"
    return row.rule, by_service


# Nothing took place, or the core HRG's price holds it.
NOTHING_DONE = ("not_attended", "administrative_event", "within_core_price")

# --- how much ----------------------------------------------------------------------------------


def is_unapproved(line: Priced, mechanism: str) -> bool:
    """An intervention paid for by the unit, at a price of zero (2023/25 ¶40)."""
    return line.ebi_outcome == "zero_price" and mechanism in (
        "api_variable",
        "api_blended",
        "activity_based",
        "local_agreement",
    )


def payable(
    line: Priced, rule: str, mechanism: str, value_pence: int | None, year: Year
) -> int | None:
    """What the mechanism pays for the line itself; None where that is not for us to know.

    All of the unit price (2023/25 ¶72), unless a plan that we do not know stands against it
    (2021/22 ¶56, 2026/27 ¶84); the unit price to others (2023/25 ¶20); what was agreed, where it is
    a price; nothing where something else has paid, or the patient does.
    """
    if line.price_source in NOTHING_DONE:
        return 0
    if is_unapproved(line, mechanism) and rule not in ("overseas_visitor", "hrg_retired"):
        return 0
    if mechanism == "api_variable":
        return None if year.is_paid_against_plan else value_pence
    if mechanism == "activity_based":
        return value_pence
    if mechanism == "local_agreement":
        return value_pence if line.is_local and rule != "overseas_visitor" else None
    if mechanism in ("api_blended", "excluded_item"):
        return None
    return 0


def patient_charge(
    record: Record, mechanism: str, value_pence: int | None, books: Books, year: Year
) -> int | None:
    """What an overseas visitor is charged: a percentage of the commissioned price (2026/27 ¶35)."""
    if mechanism != "charged_to_patient" or value_pence is None:
        return None
    is_settled = charging_status(record, books) == "chargeable_settled_status"
    percent = year.settled_status_charge_percent if is_settled else year.overseas_charge_percent
    return None if percent is None else times_ppm(value_pence, percent * 10_000)


def is_in_activity_target(line: Priced, mechanism: str, year: Year) -> bool:
    """Variable, with a price that is not zero, of a kind that counts (2023/25 ¶119, Table 3)."""
    return (
        mechanism == "api_variable"
        and line.ebi_outcome != "zero_price"
        and line.service not in year.services_outside_target
    )


# --- why ---------------------------------------------------------------------------------------

REASON_OF_RULE = {
    "mechanism_agreed": "MECHANISM_AGREED",
    "contract_not_known": "CONTRACT_NOT_KNOWN",
    "small_armed_forces_contract": "SMALL_ARMED_FORCES_CONTRACT",
    "advice_and_guidance": "ADVICE_AND_GUIDANCE",
}
REASON_OF_UNIT_PRICE_RULE = {
    "increasing_capacity_framework": "INCREASING_CAPACITY_FRAMEWORK",
    "subcontracted": "SUBCONTRACTED",
    "below_contract_threshold": "BELOW_CONTRACT_THRESHOLD",
}


def reason(
    record: Record, line: Priced, rule: str, mechanism: str, books: Books, year: Year
) -> str:
    """Why the line pays what it pays: the first that fits."""
    if mechanism == "outside_scheme":
        return str(reason_outside_scheme(record))
    if rule == "overseas_visitor":
        is_charged = mechanism == "charged_to_patient"
        return "OVERSEAS_VISITOR_CHARGED" if is_charged else "OVERSEAS_VISITOR_NOT_RULED"
    if mechanism == "lva_block":
        return "COVERED_BY_LVA_BLOCK"
    if line.price_source == "not_attended":
        return "NOT_ATTENDED"
    if line.price_source == "administrative_event":
        return "ADMINISTRATIVE_EVENT"
    if rule == "hrg_retired":
        return "HRG_RETIRED"
    if is_unapproved(line, mechanism):
        return "UNAPPROVED_EBI"
    if rule == "within_core_price" or line.price_source == "within_core_price":
        return "WITHIN_CORE_PRICE"
    if rule == "mechanism_agreed" and is_price_missing(line, mechanism):
        is_ungroupable = reason_no_national_price(record) == "UNGROUPABLE" and not line.is_unbundled
        return "UNGROUPABLE" if is_ungroupable else "AGREED_PRICE_MISSING"
    if rule in REASON_OF_RULE:
        return REASON_OF_RULE[rule]
    if rule == "locally_agreed_service":
        return "LOCAL_PRICE" if line.is_local else "LOCALLY_AGREED_SERVICE"
    if mechanism == "excluded_item":
        return "EXCLUDED_DRUG"
    if rule in REASON_OF_UNIT_PRICE_RULE:
        return REASON_OF_UNIT_PRICE_RULE[rule]
    if line.is_local and mechanism in ("api_variable", "activity_based", "local_agreement"):
        return "LOCAL_PRICE"
    if mechanism == "api_variable":
        return reason_variable(line, year)
    if mechanism == "api_blended":
        return "SERVICE_BLENDED" if line.is_unbundled else "UEC_BLENDED"
    if mechanism == "activity_based":
        return "ACTIVITY_BASED_UNIT_PRICE"
    if mechanism == "api_fixed":
        if line.is_unbundled:
            return str(reason_excluded(record) or reason_service_fixed(line, year))
        return reason_fixed(record, line, books, year)
    return reason_no_unit_price(record, line)


def is_price_missing(line: Priced, mechanism: str) -> bool:
    """Agreed to be paid by a price that nobody gives (2026/27 ¶42; Table 1)."""
    if mechanism == "local_agreement":
        return not line.is_local
    return mechanism == "activity_based" and line.unit_price is None


def reason_service_fixed(line: Priced, year: Year) -> str:
    """2023/25 ¶18: "unit prices for SABR, SRST and SIRT radiotherapy services"; the rest is fixed.

    An HRG of radiotherapy does not say which it is.
    """
    is_unknown = year.has_variable_radiotherapy and line.service == "radiotherapy"
    return "RADIOTHERAPY_NOT_TOLD_APART" if is_unknown else "SERVICE_IN_FIXED_ELEMENT"


def reason_variable(line: Priced, year: Year) -> str:
    """In the variable element, as what; or without a price (2023/25 ¶18, ¶72)."""
    if line.is_unbundled:
        return "UNBUNDLED_LOCAL_PRICE" if line.unit_price is None else "UNBUNDLED_SERVICE"
    if line.unit_price is None:
        return "FIRST_ATTENDANCE_LOCAL_PRICE"
    if year.is_paid_against_plan:
        return "ELECTIVE_AGAINST_PLAN"
    if line.point_of_delivery in ("DC", "EL"):
        return "ELECTIVE_SPELL"
    return "OUTPATIENT_PROCEDURE" if line.is_procedure else "FIRST_ATTENDANCE"


def reason_fixed(record: Record, line: Priced, books: Books, year: Year) -> str:
    """Why the fixed element pays for a core HRG (2023/25 ¶49, ¶119 Table 3)."""
    no_national_price = reason_no_national_price(record)
    if no_national_price is not None:
        return no_national_price
    if line.point_of_delivery in NON_ELECTIVE:
        return "NON_ELECTIVE"
    if line.point_of_delivery in ("RADAY", "RANIGHT"):
        return "REGULAR_ATTENDER"
    if line.attendance in FOLLOW_UP_HRGS:
        return "FOLLOW_UP"
    if line.attendance in FIRST_ATTENDANCE_HRGS and not year.has_first_attendances:
        return "FIRST_ATTENDANCE_IN_FIXED_ELEMENT"
    if price_hrg(record, books) in year.hrgs_outside_elective and line.attendance is None:
        return "TERMINATION_OF_PREGNANCY"
    if record["treatment_function_code"] in year.treatment_functions_outside_elective:
        return "EXCLUDED_TREATMENT_FUNCTION"
    if line.published is None or line.published == 0:
        return "NO_UNIT_PRICE"
    raise AssertionError(f"{record['record_id']} is in the fixed element for no reason")


def reason_no_unit_price(record: Record, line: Priced) -> str:
    """Why there is nothing to pay by but what the parties agree (2023/25 ¶17, Table 1)."""
    excluded = reason_excluded(record) if line.is_unbundled else reason_no_national_price(record)
    return excluded or "NO_UNIT_PRICE"
