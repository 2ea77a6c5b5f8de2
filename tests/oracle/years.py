"""What differs from scheme year to scheme year, typed from the guidance of each.

What belongs here: a year's own lists and answers and the order in which its mechanisms are asked
after, with the paragraph each comes from.
What does not: any rule made with them (`pricing.py`, `mechanism.py`).

"2021/22", "2023/25" and "2026/27" are the three guidance documents named in `__init__.py`. No
document here is of 2022/23 or 2025/26: the project takes 2022/23 to be as 2021/22 but for LVA,
which was introduced in that year (2023/25 ¶77), and for the threshold of £10 million, and 2025/26
to be as 2024/25 but for the Increasing Capacity Framework and the rates of overseas visitors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

# --- lists -------------------------------------------------------------------------------------

# 2023/25 ¶117: "apart from termination of pregnancy services (HRGs ...)".
TERMINATION_OF_PREGNANCY_HRGS = (
    "MA50Z",
    "MA51Z",
    "MA52A",
    "MA52B",
    "MA53Z",
    "MA54Z",
    "MA55A",
    "MA55B",
    "MA56A",
    "MA56B",
)

# 2023/25 ¶117: "apart from those with the following Treatment Function Codes", given twice, alike.
TREATMENT_FUNCTIONS_OUTSIDE_ELECTIVE = (
    "501",
    "560",
    "700",
    "710",
    "711",
    "712",
    "713",
    "715",
    "720",
    "721",
    "722",
    "723",
    "724",
    "725",
    "726",
    "727",
    "199",
    "499",
)

# 2023/25 ¶42, 2026/27 ¶31: A_snoring, B_menstr_D&C, C_knee_arth, D_low_back_pain_inj. The column is
# cut to fifteen characters in some extracts, so the letter and underscore decide.
FOUR_INTERVENTIONS = ("A_", "B_", "C_", "D_")

# 2023/25 ¶18: "Renal transplants, haematopoietic stem cell transplantation (HSCT), Cardiothoracic
# Transplantation Services". It names no HRG; which they are is assumed from the names of the HRGs.
TRANSPLANT_HRGS = frozenset(
    (
        *("LA01A", "LA01B", "LA02A", "LA02B", "LA03A", "LA03B"),
        *("SA19A", "SA19B", "SA20A", "SA20B", "SA21A", "SA21B", "SA22A", "SA22B"),
        *("SA23A", "SA23B", "SA26A", "SA26B", "SA27A", "SA27B", "SA38A", "SA38B"),
        *("SA39A", "SA39B", "SA40Z"),
        *("DZ01Z", "ED01Z", "ED04Z", "ED05Z", "ED06Z"),
    )
)

# Which service a subchapter of unbundled HRGs is: assumed, from the design of HRG4+.
SERVICES = {
    "SB": "chemotherapy",
    "RD": "diagnostic_imaging",
    "RN": "nuclear_medicine",
    "SC": "radiotherapy",
    "XA": "critical_care",
    "XB": "critical_care",
    "XC": "critical_care",
    "VC": "rehabilitation",
    "SD": "specialist_palliative_care",
    "XD": "high_cost_drugs",
    "LE": "renal_dialysis",
}

# 2026/27 ¶82, ¶94: external beam radiotherapy is blended, so that brachytherapy must be told from
# it; the HRGs of brachytherapy are assumed.
SERVICES_2026_27 = SERVICES | {
    "SC": "external_beam_radiotherapy",
    **dict.fromkeys(
        ("SC26Z", "SC27Z", "SC28Z", "SC30Z", "SC53Z", "SC54Z", "SC55Z", "SC57Z"), "brachytherapy"
    ),
}

# 2021/22 ¶10, ¶33: "Unbundled diagnostic imaging services continue to have national prices"; that
# nuclear medicine is among them is assumed. All else is in the fixed element (¶10); high cost drugs
# have prices of their own (¶18, ¶20, ¶21).
PAID_APART_2021_22 = {
    "diagnostic_imaging": "activity_based",
    "nuclear_medicine": "activity_based",
    "high_cost_drugs": "excluded_item",
}

# 2023/25 ¶71: "unbundled diagnostic imaging and nuclear medicine, and chemotherapy delivery"; ¶28:
# high cost drugs are outside unit prices; all else is in the fixed element (¶119, Table 3).
PAID_APART_2023_25 = {
    "diagnostic_imaging": "api_variable",
    "nuclear_medicine": "api_variable",
    "chemotherapy": "api_variable",
    "high_cost_drugs": "excluded_item",
}

# 2026/27 ¶94: radiotherapy by external beam is blended. Critical care is not (¶82).
PAID_APART_2026_27 = PAID_APART_2023_25 | {"external_beam_radiotherapy": "api_blended"}

# 2023/25 ¶119, Table 3: "NHSPS payment, outside scope of activity target".
SERVICES_OUTSIDE_TARGET = ("chemotherapy", "diagnostic_imaging", "nuclear_medicine")

# 2023/25 ¶26, and its footnote 4.
ELECTIVE_ACTIVITY_TARIFFS = (
    "endoscopy_procedures",
    "pleural_effusion",
    "primary_hip_and_knee_replacement_outcomes",
    "rapid_colorectal_diagnostic_pathway",
    "spinal_surgery",
)
ANNUAL_WHERE_NON_ELECTIVE = ("spinal_surgery",)

# 2026/27 ¶15: "the Right Procedure Right Place (RPRP), Day Case and 10YHP RTT BPTs".
ACTIVITY_TARIFFS_2026_27 = ("right_procedure_right_place", "day_case", "rtt_10_year_health_plan")


# --- mechanisms --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be asked of a line to know which mechanism pays for it."""

    is_private_patient: bool
    is_not_nhs_funded: bool
    is_chargeable_overseas_visitor: bool
    is_covered_by_block: bool
    is_hrg_retired: bool
    is_excluded_item: bool
    is_another_mechanism_agreed: bool
    is_under_framework: bool
    is_subcontracted: bool
    is_contract_not_known: bool
    is_below_threshold: bool
    is_small_armed_forces_contract: bool
    is_within_core_price: bool
    is_unbundled: bool
    is_transplant_of_nhs_england: bool
    is_advice_and_guidance: bool
    is_nhs_provider: bool
    is_elective: bool
    is_blended: bool
    has_unit_price: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A mechanism and when it pays, unless one above it does.

    `as_agreed` pays what the contract says, `by_service` what the year does for the service.
    """

    rule: str
    holds: Callable[[Facts], bool]
    pays: str


# 2021/22 ¶34, 2023/25 ¶59, 2026/27 ¶53: private patients; of others nothing is said (assumed).
PRIVATE_PATIENT = Row("private_patient", lambda of: of.is_private_patient, "outside_scheme")
NOT_NHS_FUNDED = Row("not_nhs_funded", lambda of: of.is_not_nhs_funded, "outside_scheme")
# 2023/25 ¶46, ¶47: "identify chargeable overseas visitors and bill the patient"; 2026/27 ¶35.
OVERSEAS_BILLED = Row(
    "overseas_visitor", lambda of: of.is_chargeable_overseas_visitor, "charged_to_patient"
)
# 2021/22 does not speak of them, and of 2022/23 and 2025/26 there is no document.
OVERSEAS_NOT_RULED = replace(OVERSEAS_BILLED, pays="local_agreement")
# 2023/25 ¶87, 2026/27 ¶116: "no further payments or amounts should be transacted".
LOW_VOLUME_BLOCK = Row("low_volume_block", lambda of: of.is_covered_by_block, "lva_block")
# What a retired HRG is worth no document says.
HRG_RETIRED = Row("hrg_retired", lambda of: of.is_hrg_retired, "local_agreement")
# 2021/22 ¶18, 2023/25 ¶28-30, 2026/27 ¶18-20: outside unit prices and the fixed element.
EXCLUDED_ITEM = Row("excluded_item", lambda of: of.is_excluded_item, "excluded_item")
# 2021/22 ¶14, ¶59, 2026/27 ¶42: the parties may agree on another payment.
MECHANISM_AGREED = Row("mechanism_agreed", lambda of: of.is_another_mechanism_agreed, "as_agreed")
# 2021/22 ¶12, ¶17, 2023/25 ¶21: "not covered by API - instead ... the unit prices".
FRAMEWORK = Row(
    "increasing_capacity_framework",
    lambda of: of.is_under_framework and of.has_unit_price,
    "activity_based",
)
# 2023/25 ¶22, 2026/27 ¶12: "using unit prices, rather than API rules".
SUBCONTRACTED = Row(
    "subcontracted", lambda of: of.is_subcontracted and of.has_unit_price, "activity_based"
)
# 2021/22 ¶11, ¶13, ¶14: which it is cannot be told without the system and the value.
CONTRACT_NOT_KNOWN = Row(
    "contract_not_known",
    lambda of: of.is_nhs_provider and of.is_contract_not_known,
    "local_agreement",
)
# 2021/22 ¶14: "if [they] cannot agree a pricing approach, the unit and BPT prices ... must be".
BELOW_THRESHOLD = Row(
    "below_contract_threshold",
    lambda of: of.is_nhs_provider and of.is_below_threshold and of.has_unit_price,
    "activity_based",
)
# The three before, of what has no unit price (2023/25 Table 1: "activity excluded from API").
OUTSIDE_API = Row(
    "outside_api",
    lambda of: (
        of.is_nhs_provider
        and (of.is_under_framework or of.is_subcontracted or of.is_below_threshold)
    ),
    "local_agreement",
)
# 2026/27 ¶9: "a fixed payment agreed where the value is below £0.5m".
SMALL_ARMED_FORCES = Row(
    "small_armed_forces_contract",
    lambda of: of.is_nhs_provider and of.is_small_armed_forces_contract,
    "api_fixed",
)
# That the price of a spell holds its imaging is assumed.
WITHIN_CORE_PRICE = Row(
    "within_core_price", lambda of: of.is_nhs_provider and of.is_within_core_price, "api_fixed"
)
# 2021/22 ¶10, 2023/25 ¶18, ¶71, ¶119, 2026/27 ¶74, ¶94.
UNBUNDLED_SERVICE = Row(
    "unbundled_service", lambda of: of.is_nhs_provider and of.is_unbundled, "by_service"
)
# 2023/25 ¶18: "these procedures should have locally agreed payment arrangements".
LOCALLY_AGREED_SERVICE = Row(
    "locally_agreed_service",
    lambda of: of.is_nhs_provider and of.is_transplant_of_nhs_england,
    "local_agreement",
)
# 2023/25 ¶27, ¶76, 2026/27 ¶17, ¶80: in the fixed element, and a difference that is agreed.
ADVICE_AND_GUIDANCE = Row(
    "advice_and_guidance", lambda of: of.is_nhs_provider and of.is_advice_and_guidance, "api_fixed"
)
# 2021/22 ¶56, 2023/25 ¶71, ¶117, 2026/27 ¶74.
ELECTIVE_ACTIVITY = Row(
    "elective_activity", lambda of: of.is_nhs_provider and of.is_elective, "api_variable"
)
# 2026/27 ¶82, ¶84: "planned activity x NHSPS prices", so what has none is not in it.
BLENDED_ACTIVITY = Row(
    "blended_activity",
    lambda of: of.is_nhs_provider and of.is_blended and of.has_unit_price,
    "api_blended",
)
# 2021/22 ¶27, 2023/25 ¶49, 2026/27 ¶49.
FIXED_ELEMENT = Row("fixed_element", lambda of: of.is_nhs_provider, "api_fixed")
# 2023/25 ¶20, Table 1, 2026/27 ¶11, Table 1; of 2021/22 ¶14 ("must be applied").
UNIT_PRICE = Row("unit_price", lambda of: of.has_unit_price, "activity_based")
NO_UNIT_PRICE = Row("no_unit_price", lambda _: True, "local_agreement")

TABLE_2021_22 = (
    PRIVATE_PATIENT,
    NOT_NHS_FUNDED,
    OVERSEAS_NOT_RULED,
    HRG_RETIRED,
    EXCLUDED_ITEM,
    MECHANISM_AGREED,
    FRAMEWORK,
    CONTRACT_NOT_KNOWN,
    BELOW_THRESHOLD,
    OUTSIDE_API,
    WITHIN_CORE_PRICE,
    UNBUNDLED_SERVICE,
    ADVICE_AND_GUIDANCE,
    ELECTIVE_ACTIVITY,
    FIXED_ELEMENT,
    UNIT_PRICE,
    NO_UNIT_PRICE,
)
TABLE_2022_23 = (
    PRIVATE_PATIENT,
    NOT_NHS_FUNDED,
    OVERSEAS_NOT_RULED,
    LOW_VOLUME_BLOCK,
    HRG_RETIRED,
    EXCLUDED_ITEM,
    MECHANISM_AGREED,
    FRAMEWORK,
    OUTSIDE_API,
    WITHIN_CORE_PRICE,
    UNBUNDLED_SERVICE,
    ADVICE_AND_GUIDANCE,
    ELECTIVE_ACTIVITY,
    FIXED_ELEMENT,
    UNIT_PRICE,
    NO_UNIT_PRICE,
)
TABLE_2023_25 = (
    PRIVATE_PATIENT,
    NOT_NHS_FUNDED,
    OVERSEAS_BILLED,
    LOW_VOLUME_BLOCK,
    HRG_RETIRED,
    EXCLUDED_ITEM,
    MECHANISM_AGREED,
    FRAMEWORK,
    SUBCONTRACTED,
    OUTSIDE_API,
    WITHIN_CORE_PRICE,
    UNBUNDLED_SERVICE,
    LOCALLY_AGREED_SERVICE,
    ADVICE_AND_GUIDANCE,
    ELECTIVE_ACTIVITY,
    FIXED_ELEMENT,
    UNIT_PRICE,
    NO_UNIT_PRICE,
)
TABLE_2025_26 = (
    PRIVATE_PATIENT,
    NOT_NHS_FUNDED,
    OVERSEAS_NOT_RULED,
    LOW_VOLUME_BLOCK,
    HRG_RETIRED,
    EXCLUDED_ITEM,
    MECHANISM_AGREED,
    SUBCONTRACTED,
    OUTSIDE_API,
    WITHIN_CORE_PRICE,
    UNBUNDLED_SERVICE,
    LOCALLY_AGREED_SERVICE,
    ADVICE_AND_GUIDANCE,
    ELECTIVE_ACTIVITY,
    FIXED_ELEMENT,
    UNIT_PRICE,
    NO_UNIT_PRICE,
)
TABLE_2026_27 = (
    PRIVATE_PATIENT,
    NOT_NHS_FUNDED,
    OVERSEAS_BILLED,
    # 2026/27 ¶116: "no further payments ..., other than for excluded items".
    EXCLUDED_ITEM,
    LOW_VOLUME_BLOCK,
    HRG_RETIRED,
    MECHANISM_AGREED,
    SUBCONTRACTED,
    OUTSIDE_API,
    SMALL_ARMED_FORCES,
    WITHIN_CORE_PRICE,
    UNBUNDLED_SERVICE,
    ADVICE_AND_GUIDANCE,
    ELECTIVE_ACTIVITY,
    BLENDED_ACTIVITY,
    FIXED_ELEMENT,
    UNIT_PRICE,
    NO_UNIT_PRICE,
)


# --- years -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Year:
    """One scheme year; None where a year has no such limit or rate. One is not another."""

    name: str
    table: tuple[Row, ...]
    is_paid_against_plan: bool
    has_first_attendances: bool
    hrgs_outside_elective: tuple[str, ...]
    treatment_functions_outside_elective: tuple[str, ...]
    interventions_needing_approval: tuple[str, ...]
    has_lva: bool
    has_collaboratives_outside_lva: bool
    blended_points_of_delivery: tuple[str, ...]
    services: Mapping[str, str]
    mechanism_by_service: Mapping[str, str]
    has_variable_radiotherapy: bool
    services_outside_target: tuple[str, ...]
    locally_agreed_hrgs: frozenset[str]
    is_mff_on_local_prices: bool
    has_top_ups_in_prices: bool
    activity_tariffs: tuple[str, ...] | None
    annual_where_non_elective: tuple[str, ...]
    is_framework_outside_api: bool
    is_subcontracting_outside_api: bool
    api_threshold_pence: int | None
    armed_forces_fixed_below_pence: int | None
    overseas_charge_percent: int | None
    settled_status_charge_percent: int | None


_2021_22 = Year(
    name="2021-22",
    table=TABLE_2021_22,
    # 2021/22 ¶56: "any additional activity ... above this planned baseline level".
    is_paid_against_plan=True,
    # 2021/22 ¶56: "all elective ordinary, day cases and outpatient procedures with a published
    # unit price": no attendances, and no list of what is left out.
    has_first_attendances=False,
    hrgs_outside_elective=(),
    treatment_functions_outside_elective=(),
    # 2021/22 ¶26: "only ... if an IFR has been approved".
    interventions_needing_approval=FOUR_INTERVENTIONS,
    # 2023/25 ¶11: "first introduced in 2022/23".
    has_lva=False,
    has_collaboratives_outside_lva=False,
    # 2026/27 ¶81: the blended payments came with 2026/27.
    blended_points_of_delivery=(),
    services=SERVICES,
    mechanism_by_service=PAID_APART_2021_22,
    has_variable_radiotherapy=False,  # 2023/25 ¶18: "For 2024/25, we have set unit prices"
    # 2021/22 ¶56: a planned level of activity, and no target.
    services_outside_target=(),
    locally_agreed_hrgs=frozenset(),
    # 2021/22 ¶56: "the unit price published in Annex A ..., with relevant national variations
    # applied (eg MFF and specialist top-ups)": of unit prices alone.
    is_mff_on_local_prices=False,
    has_top_ups_in_prices=True,
    # 2021/22 ¶57: "the difference between the actual and planned BPT values", of every BPT.
    activity_tariffs=None,
    annual_where_non_elective=(),
    is_framework_outside_api=True,  # 2021/22 ¶12, ¶17
    is_subcontracting_outside_api=False,  # not spoken of before 2023/25 ¶22
    api_threshold_pence=1_000_000_000,  # 2021/22 ¶13: "£10 million or more"
    armed_forces_fixed_below_pence=None,
    overseas_charge_percent=None,
    settled_status_charge_percent=None,
)
_2024_25 = Year(
    name="2024-25",
    table=TABLE_2023_25,
    # 2023/25 ¶72: "Actual elective activity delivered is paid for at a rate of 100%".
    is_paid_against_plan=False,
    has_first_attendances=True,  # 2023/25 ¶71, ¶117
    hrgs_outside_elective=TERMINATION_OF_PREGNANCY_HRGS,
    treatment_functions_outside_elective=TREATMENT_FUNCTIONS_OUTSIDE_ELECTIVE,
    interventions_needing_approval=FOUR_INTERVENTIONS,  # 2023/25 ¶39
    has_lva=True,  # 2023/25 ¶77
    has_collaboratives_outside_lva=False,  # 2023/25 ¶79: three exceptions
    blended_points_of_delivery=(),
    services=SERVICES,
    mechanism_by_service=PAID_APART_2023_25,
    has_variable_radiotherapy=True,  # 2023/25 ¶18: "SABR, SRST and SIRT", for 2024/25
    services_outside_target=SERVICES_OUTSIDE_TARGET,
    locally_agreed_hrgs=TRANSPLANT_HRGS,  # 2023/25 ¶18
    is_mff_on_local_prices=True,  # 2023/25 ¶73: "or local price(s)"
    has_top_ups_in_prices=True,  # 2023/25 ¶118: "adjusted for MFF and PSS top-ups"
    activity_tariffs=ELECTIVE_ACTIVITY_TARIFFS,
    annual_where_non_elective=ANNUAL_WHERE_NON_ELECTIVE,
    is_framework_outside_api=True,  # 2023/25 ¶21
    is_subcontracting_outside_api=True,  # 2023/25 ¶22
    api_threshold_pence=None,  # 2023/25 ¶16, ¶17: almost all, whatever the value
    armed_forces_fixed_below_pence=None,
    # 2023/25 ¶47: the rates are in another document.
    overseas_charge_percent=None,
    settled_status_charge_percent=None,
)
YEARS = {
    year.name: year
    for year in (
        _2021_22,
        replace(
            _2021_22, name="2022-23", table=TABLE_2022_23, has_lva=True, api_threshold_pence=None
        ),
        # 2023/25 ¶39: zero prices were introduced "for 2024/25"; before, ¶37, the fixed element.
        # ¶18: SABR, SRS/T and SIRT have unit prices "For 2024/25".
        replace(
            _2024_25,
            name="2023-24",
            interventions_needing_approval=(),
            has_variable_radiotherapy=False,
        ),
        _2024_25,
        replace(_2024_25, name="2025-26", table=TABLE_2025_26, is_framework_outside_api=False),
        replace(
            _2024_25,
            name="2026-27",
            table=TABLE_2026_27,
            # 2026/27 ¶108: a fourth, "mental health lead provider collaborative contracts".
            has_collaboratives_outside_lva=True,
            # 2026/27 ¶82: A&E, overnight and other same day non-elective; not maternity (NELNE).
            blended_points_of_delivery=("NEL", "NELST"),
            services=SERVICES_2026_27,
            mechanism_by_service=PAID_APART_2026_27,
            # 2026/27 ¶8: of what 2023/25 ¶18 names, "NICE decisions" alone are left.
            locally_agreed_hrgs=frozenset(),
            # 2026/27 ¶10: "as part of the API fixed element".
            has_top_ups_in_prices=False,
            activity_tariffs=ACTIVITY_TARIFFS_2026_27,
            annual_where_non_elective=(),
            # 2026/27 ¶11, ¶12 speak of subcontracting and no more of the Framework.
            is_framework_outside_api=False,
            armed_forces_fixed_below_pence=50_000_000,  # 2026/27 ¶9
            # 2026/27 ¶35: 100% for those with European settled status, "150% ... for all others".
            overseas_charge_percent=150,
            settled_status_charge_percent=100,
        ),
    )
}
