"""The priced line: one row per record and line, and the row is the trace.

Belongs here: the columns of the priced line and of every table made from it, with their
types and the comments that travel into the DuckDB file. Does not belong here: how any of
them is worked out (`pricing`).
"""

from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "integer", "flag", "date", "codes", "timestamp"]

PAYMENT_MECHANISMS = (
    "api_variable",
    "api_fixed",
    "api_blended",
    "lva_block",
    "activity_based",
    "local_agreement",
    "excluded_item",
    "charged_to_patient",
    "outside_scheme",
)
OUTPATIENT_PROCEDURE = "OPPROC"
FIRST_ATTENDANCES = ("NF2FFA", "OPFAMPNCL", "OPFAMPCL", "OPFASPNCL", "OPFASPCL")
UNBUNDLED_OTHER = "UNBOTHER"
"""Points of delivery that no parameter of a scheme pack names."""
EBI_OUTCOMES = ("not_applicable", "approved", "zero_price")
PRICE_SOURCES = (
    "combined",
    "day_case",
    "ordinary_elective",
    "non_elective",
    "short_stay_emergency",
    "outpatient_procedure",
    "outpatient_attendance",
    "not_attended",
    "administrative_event",
    "unbundled",
    "within_core_price",
    "local",
    "none",
)


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an output table."""

    name: str
    type: Type
    comment: str


PRICED_LINE = (
    Field("record_id", "text", "Spell Identifier or Generated Record ID, as SUS+ gave it"),
    Field("line_number", "integer", "0 for the core HRG, then the unbundled HRGs in order"),
    Field("dataset", "text", "apc: admitted patient care spells; op: outpatient attendances"),
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("cut", "text", "flex (reconciliation) or freeze (final)"),
    Field("scheme_year", "text", "Scheme year whose rules priced the line"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer: integrated care board or NHS England hub"),
    Field("treatment_function_code", "text", "TREATMENT FUNCTION CODE"),
    Field("hrg_code", "text", "HRG of the line, core or unbundled; null if not attended"),
    Field("point_of_delivery_code", "text", "National POINT OF DELIVERY CODE"),
    Field("price_source", "text", "Which price was taken, published or local; none if none is"),
    Field(
        "unit_price_pence", "integer", "Unit price; null if there is none, 0 if zero is published"
    ),
    Field(
        "best_practice_tariff_name", "text", "Best practice tariff that the record is flagged for"
    ),
    Field(
        "best_practice_pence", "integer", "What its price adds to the base price; 0 if base is paid"
    ),
    Field("excess_bed_days", "integer", "Days of stay beyond the trim point"),
    Field("long_stay_pence", "integer", "Excess bed days at the per day long stay payment"),
    Field("top_up_pence", "integer", "Specialist top-up, a share of the price"),
    Field(
        "pre_mff_pence", "integer", "Unit price, best practice, long stay and top-up, before MFF"
    ),
    Field("mff_ppm", "integer", "Market forces factor of the provider, in millionths"),
    Field("value_pence", "integer", "Worth at the unit price after MFF; null if no price"),
    Field("ebi_outcome", "text", "not_applicable, approved or zero_price"),
    Field("payment_mechanism", "text", "Mechanism that pays for the line"),
    Field("mechanism_rule", "text", "Row of the scheme's decision table that gave the mechanism"),
    Field(
        "is_in_activity_target",
        "flag",
        "Counts towards the elective activity target, or the plan in a year without one",
    ),
    Field(
        "payable_pence",
        "integer",
        "What the mechanism pays for the line; null where a local price must be agreed, or where "
        "the contract's plan decides it",
    ),
    Field(
        "patient_charge_pence",
        "integer",
        "What an overseas visitor who is liable is charged; null if nobody is, or the rate is not "
        "known",
    ),
    Field("reason_code", "text", "Why that is payable: see the reasons table"),
)
PRICED_LINE_COLUMNS = tuple(field.name for field in PRICED_LINE)

LOW_VOLUME_PARTS = (
    Field(
        "core_pence",
        "integer",
        "Of the block, what the schedule publishes as core services, as in 2024/25; null where it "
        "has no such column",
    ),
    Field(
        "acute_mental_health_community_pence",
        "integer",
        "Of the block, acute, mental health and community services published together; null where "
        "it has no such column",
    ),
    Field("acute_pence", "integer", "Of the block, acute services; null where not published"),
    Field(
        "mental_health_community_pence",
        "integer",
        "Of the block, mental health and community services; null where not published",
    ),
    Field(
        "secondary_dental_pence",
        "integer",
        "Of the block, secondary dental services; null where not published",
    ),
    Field(
        "specialised_pence",
        "integer",
        "Of the block, delegated specialised services; null where not published",
    ),
)
"""The parts of a block, as the schedule publishes them; they may overlap (core, acute)."""
LOW_VOLUME_PAYMENT = (
    Field(
        "payment_due_pence",
        "integer",
        "What of the block is due by the day where nothing was paid before; null where that is not "
        "known or no block is due",
    ),
    Field(
        "payment_due_by",
        "date",
        "Last day to pay it; null where the documents of the year do not give it",
    ),
    Field(
        "additional_payment_pence",
        "integer",
        "What later updates add on top of that, all together: each with its day is in "
        "low_volume_additions. Below zero where they take away; null without one",
    ),
    Field("payment_reason_code", "text", "Why that is due, or not known: see the reasons table"),
)
LOW_VOLUME = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year of the LVA payments schedule"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("block_value_pence", "integer", "LVA payment for the whole year, paid once"),
    *LOW_VOLUME_PARTS,
    Field("schedule_published_on", "date", "Day the schedule was published"),
    Field("schedule_effective_from", "date", "Day from which it counts"),
    Field(
        "is_block_pair",
        "flag",
        "An ICB and an NHS provider inside LVA in the month; False: no block pays, though listed",
    ),
    Field(
        "is_moved_to_api",
        "flag",
        "The contracts list moved the whole pair to API in the month: all its lines are paid "
        "outside the block, which is not to be paid as well",
    ),
    Field(
        "has_patient_choice_exception",
        "flag",
        "The exceptions list has elective care by choice without a contract for the pair, on a day "
        "of the month, and the year knows the exception",
    ),
    Field(
        "has_out_of_area_exception",
        "flag",
        "It has out-of-area mental health placements, on a day of the month",
    ),
    Field(
        "has_collaborative_exception",
        "flag",
        "It has a mental health lead provider collaborative, on a day of the month",
    ),
    Field("covered_activity", "integer", "Lines of the month that the block pays for"),
    Field("covered_value_pence", "integer", "What they are worth at unit prices after MFF"),
    Field("covered_lines_without_price", "integer", "Those of them that have no price"),
    Field(
        "api_variable_activity",
        "integer",
        "Of the covered lines, those that the variable element would have paid for without a block",
    ),
    Field("api_variable_value_pence", "integer", "What they are worth"),
    Field(
        "api_variable_payable_pence",
        "integer",
        "What would have been payable for those that have an amount by the line; null where none "
        "has: a plan decides, or a price is to be agreed",
    ),
    Field("api_variable_open_lines", "integer", "Those of them without an amount by the line"),
    Field("api_blended_activity", "integer", "Covered lines that would have been blended"),
    Field("api_blended_value_pence", "integer", "What they are worth"),
    Field("api_fixed_activity", "integer", "Covered lines that the fixed element would have paid"),
    Field("api_fixed_value_pence", "integer", "What they are worth"),
    Field(
        "api_other_activity",
        "integer",
        "Covered lines that would have been paid in another way: local agreement, unit price or "
        "excluded item",
    ),
    Field("api_other_value_pence", "integer", "What they are worth"),
    Field("exception_activity", "integer", "Lines of the pair paid outside the block"),
    Field("exception_value_pence", "integer", "What they are worth at unit prices after MFF"),
    Field(
        "exception_payable_pence",
        "integer",
        "What is payable for them; null where that of any is open: a price is to be agreed, or the "
        "contract's plan decides it",
    ),
    Field(
        "items_apart",
        "integer",
        "Excluded items of the pair that are billed apart, in the month, or may be",
    ),
    Field("items_apart_amount_pence", "integer", "What they come to, so far as that is known"),
    Field(
        "items_apart_payable_pence",
        "integer",
        "What is paid for them; null where that of any is not known",
    ),
    Field("items_held", "integer", "Excluded items of the pair that the block pays for"),
    Field("items_held_amount_pence", "integer", "What they come to; nothing is paid for them"),
    *LOW_VOLUME_PAYMENT,
)

LOW_VOLUME_ADDITIONS = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year of the LVA payments schedule"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("schedule_published_on", "date", "Day the updated schedule was published"),
    Field("before_pence", "integer", "Block before the update; null where the pair had none"),
    Field("block_value_pence", "integer", "Block by the update"),
    Field(
        "additional_payment_pence",
        "integer",
        "What it adds to a block that was paid, or was to be paid, before; below zero where it "
        "takes away",
    ),
    Field(
        "additional_payment_due_by",
        "date",
        "Last day to pay that; null where the documents of the year do not give it",
    ),
    Field(
        "is_in_payment_due",
        "flag",
        "payment_due_pence of low_volume has it already: due by itself where the block was paid "
        "before the update. False: due on top",
    ),
)

EBI_CHALLENGES = (
    Field("record_id", "text", "Spell Identifier"),
    Field("activity_month", "text", "Month of discharge, CCYY-MM"),
    Field("cut", "text", "flex or freeze"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("hrg_code", "text", "Core healthcare resource group"),
    Field("ebi_type_code", "text", "Evidence-based intervention type, as delivered"),
    Field("payment_mechanism", "text", "Mechanism that pays for the spell"),
    Field("sus_price_pence", "integer", "PbR Final Tariff: what SUS+ priced, approvals unknown"),
    Field("value_pence", "integer", "What the unit price would have been, after MFF"),
    Field("payable_pence", "integer", "What is payable without prior approval"),
    Field("reason_code", "text", "Why that is payable: see the reasons table"),
)

EXCLUDED_ITEMS = (
    Field("item_reference", "text", "The user's own reference of the item"),
    Field("record_id", "text", "Record the item belongs to; null if the list names none"),
    Field("activity_month", "text", "Month the item was used in, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year whose rules priced the item"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("category", "text", "drug, device, listed_procedure or medtech"),
    Field("item_name", "text", "As the user's list names it"),
    Field("quantity_thousandths", "integer", "Units used, in thousandths"),
    Field("actual_cost_pence", "integer", "Actual cost of one unit"),
    Field("framework_price_pence", "integer", "Price of one unit under a procurement framework"),
    Field("reference_price_pence", "integer", "Reference price of one unit"),
    Field(
        "price_taken", "text", "actual_cost, framework_price or reference_price; none if none is"
    ),
    Field("price_pence", "integer", "Lowest of the prices of one unit; null where none is ruled"),
    Field("amount_pence", "integer", "That price for the quantity; null where none is ruled"),
    Field("payment_mechanism", "text", "Mechanism that pays for the item"),
    Field(
        "payable_pence",
        "integer",
        "What is paid for the item by itself; null where that is not known, or is worked out "
        "against a baseline",
    ),
    Field("reason_code", "text", "Why that is payable: see the reasons table"),
)

EXCLUDED_DRUGS_BASELINE = (
    Field("activity_month", "text", "Month the drugs were used in, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year whose rules priced the drugs"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("month_amount_pence", "integer", "Excluded drugs of the month"),
    Field("year_amount_pence", "integer", "Excluded drugs of the scheme year up to the month"),
    Field("baseline_pence", "integer", "In the fixed element for the year; null if not known"),
    Field("year_payable_pence", "integer", "What the year's drugs come to above the baseline"),
    Field(
        "published_before_pence",
        "integer",
        "What earlier months of the year have published as payable, when the month was made",
    ),
    Field(
        "payable_pence",
        "integer",
        "Of the year's, what earlier months have not published: late items of theirs too; below "
        "zero where they published too much, null where the baseline is not known",
    ),
)

RECONCILIATION = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("dataset", "text", "apc or op"),
    Field("component", "text", "Part of the price that is compared; final is the whole"),
    Field("outcome", "text", "exact, within_tolerance, different, missing_in_sus or missing_here"),
    Field("cause", "text", "Why the final price of the records differs; null where it does not"),
    Field("records", "integer", "Records"),
    Field("sus_pence", "integer", "What SUS+ gave them; a blank counts as nothing"),
    Field("ours_pence", "integer", "What they come to here; no price counts as nothing"),
    Field("difference_pence", "integer", "What SUS+ gave above what they come to here"),
)

RECONCILIATION_DIFFERENCES = (
    Field("record_id", "text", "Spell Identifier or Generated Record ID, as SUS+ gave it"),
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("dataset", "text", "apc or op"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("hrg_code", "text", "Core healthcare resource group; null if not attended"),
    Field("cause", "text", "Why the final price differs"),
    Field("outcome", "text", "Of the final price: different, missing_in_sus or missing_here"),
    Field("sus_initial_pence", "integer", "Unit price that SUS+ gave"),
    Field("ours_unit_price_pence", "integer", "Unit price here, with any best practice tariff"),
    Field("sus_long_stay_pence", "integer", "Long stay payment that SUS+ gave"),
    Field("ours_long_stay_pence", "integer", "Long stay payment here"),
    Field("sus_top_up_pence", "integer", "Top-up that SUS+ gave"),
    Field("ours_top_up_pence", "integer", "Top-up here"),
    Field("sus_unbundled_pence", "integer", "Unbundled amount that SUS+ gave"),
    Field("ours_unbundled_pence", "integer", "Prices of the unbundled lines here"),
    Field("sus_pre_mff_pence", "integer", "Amount before MFF that SUS+ gave"),
    Field("ours_pre_mff_pence", "integer", "Amount before MFF here, of all lines"),
    Field("sus_mff_pence", "integer", "Amount that MFF adds, as SUS+ gave it"),
    Field("ours_mff_pence", "integer", "Amount that MFF adds here"),
    Field("sus_mff_ppm", "integer", "Factor that the prices of SUS+ imply, in millionths"),
    Field("mff_ppm", "integer", "Market forces factor here, in millionths"),
    Field("sus_price_pence", "integer", "PbR Final Tariff: the price that SUS+ gave"),
    Field(
        "ours_price_pence",
        "integer",
        "Worth of all lines here at unit prices after MFF; nothing for an unapproved EBI",
    ),
    Field("difference_pence", "integer", "Price that SUS+ gave above the price here"),
)

SUS_ROUNDING = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("dataset", "text", "apc or op"),
    Field("quantum_pence", "integer", "Rounded to so many pence: 1, or 100 for whole pounds"),
    Field("mode", "text", "half_away_from_zero, half_even or down"),
    Field(
        "applied", "text", "once: to the whole after MFF; each_component: to each part, then added"
    ),
    Field("records_tested", "integer", "Records whose amounts SUS+ gave are all there and add up"),
    Field("records_matching", "integer", "Of those, the price of SUS+ is what the rule gives"),
)

REFUSED_RECORDS = (
    Field("dataset", "text", "apc or op"),
    Field("activity_month", "text", "Month the record was filed in, CCYY-MM"),
    Field("cut", "text", "flex or freeze"),
    Field("record_id", "text", "As delivered; null if it was missing"),
    Field("refused_by", "text", "validation or pricing"),
    Field("refusal_codes", "codes", "Every reason it was refused: see the reasons table"),
    Field("delivery_id", "text", "First 16 digits of the sha256 of the delivered file"),
    Field("row_number", "integer", "Row of the delivered file, the first below the header is 1"),
    Field("delivered_values", "text", "The record as delivered, less identifiers, as JSON"),
)

REASONS = (
    Field("reason_code", "text", "Code"),
    Field("kind", "text", "payment, refusal or warning"),
    Field("sentence", "text", "What it means"),
    Field("citation", "text", "Document and paragraph it rests on"),
    Field("what_to_do", "text", "What a user can do about it"),
)
