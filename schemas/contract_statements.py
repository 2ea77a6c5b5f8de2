"""Statements by contract: what is planned, done and paid for as one line of a contract.

Belongs here: the columns of the variable element, the blended payments, the review of the fixed
payment and the statement of all that a contract pays, with the comments that travel into the DuckDB
file. Does not belong here:
how any of them is worked out (`pricing`), or the priced line (`schemas.priced_line`).
"""

from schemas.priced_line import Field

CONTRACT_LINES_OF_MONTH = (
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("contract_line", "text", "POINT OF DELIVERY CODE of the priced lines"),
    Field("activity", "integer", "Priced lines"),
    Field("value_pence", "integer", "Worth at unit prices after MFF; null if no line has a price"),
    Field("value_at_base_pence", "integer", "Of that, what is not best practice; null if no price"),
    Field("best_practice_pence", "integer", "What best practice adds to the base price, after MFF"),
    Field("unapproved_activity", "integer", "Lines without the prior approval they need"),
    Field("unapproved_value_at_base_pence", "integer", "Worth of those lines at base prices"),
    Field("unapproved_best_practice_pence", "integer", "What best practice adds to those lines"),
    Field(
        "annual_best_practice_activity",
        "integer",
        "Lines flagged for an annual best practice tariff",
    ),
    Field("payable_pence", "integer", "Payable by the line; null if no line has an amount"),
    Field("target_activity", "integer", "Lines that count towards the activity target"),
    Field("target_value_pence", "integer", "Worth of those lines"),
    Field("lines_for_local_price", "integer", "Lines that need a locally agreed price"),
)

_KEY = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year whose rules priced the activity"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field(
        "contract_line",
        "text",
        "What is planned and paid for as one: a POINT OF DELIVERY CODE, or a service or amount "
        "that no SUS record carries",
    ),
)
_OF_MONTH = (
    Field(
        "activity",
        "integer",
        "Lines of SUS records, or units counted, of the month; null where the line is an amount",
    ),
    Field("planned_activity", "integer", "Activity planned for the month; null without a plan"),
    Field(
        "value_pence",
        "integer",
        "Worth at unit prices after MFF, at base prices where best practice is a contract line of "
        "its own; null if nothing has a price",
    ),
    Field("planned_value_pence", "integer", "Value planned for the month; null without a plan"),
    Field(
        "unapproved_activity",
        "integer",
        "Of the month's activity, what lacks the prior approval it needs: it is not in the year to "
        "date, nor held against a plan",
    ),
    Field("unapproved_value_pence", "integer", "Worth of that activity"),
)
_TO_DATE = (
    Field(
        "activity_to_date",
        "integer",
        "Activity of the scheme year up to the month, without what lacks prior approval; null "
        "where a month is not priced",
    ),
    Field("planned_activity_to_date", "integer", "Planned up to the month; null without any plan"),
    Field("value_to_date_pence", "integer", "Worth of the activity to date"),
    Field("planned_value_to_date_pence", "integer", "Value planned up to the month"),
    Field(
        "activity_difference_to_date",
        "integer",
        "Activity to date less what was planned of it; null where either is not known",
    ),
    Field(
        "value_difference_to_date_pence",
        "integer",
        "Value to date less what was planned of it; null where either is not known for all of it",
    ),
    Field("payable_to_date_pence", "integer", "Payable for the scheme year up to the month"),
    Field(
        "rate_ppm",
        "integer",
        "Rate in millionths, of the pack or agreed: of the unit price, of the difference from "
        "plan before any break-glass band, of full attainment, the share withheld, or what the "
        "fixed element has of a paused CQUIN; null where "
        "none is known or an amount is agreed",
    ),
    Field("reason_code", "text", "Why that is payable, or not known: see the reasons table"),
    Field("paragraph", "text", "Document and paragraph the line rests on"),
)

VARIABLE_ELEMENT = (
    *_KEY,
    *_OF_MONTH,
    Field(
        "is_in_activity_target",
        "flag",
        "Whether the contract line is of the activity target: its plan is part of the target",
    ),
    Field("target_activity", "integer", "Lines that count towards the activity target"),
    Field("target_value_pence", "integer", "Worth of those lines"),
    Field(
        "target_activity_to_date",
        "integer",
        "Lines of the year to date that count towards it; null where a month is not priced",
    ),
    Field("target_value_to_date_pence", "integer", "Worth of those lines"),
    Field(
        "best_practice_pence",
        "integer",
        "What best practice adds to the base price, after MFF: within the value, or the value of "
        "the contract line of best practice where there is one",
    ),
    Field(
        "annual_best_practice_activity",
        "integer",
        "Lines flagged for an annual best practice tariff, which informs the next fixed element",
    ),
    Field(
        "lines_for_local_price",
        "integer",
        "Lines or units that need a locally agreed price, not in it",
    ),
    Field(
        "payable_pence",
        "integer",
        "Payable for the month beside the fixed element: what the year to date pays above what it "
        "paid a month before; null where that is not known",
    ),
    *_TO_DATE,
)

BLENDED = (
    *_KEY,
    *_OF_MONTH,
    Field("fixed_pence", "integer", "Fixed payment of the month; null without a plan"),
    Field(
        "variable_pence",
        "integer",
        "Variable payment of the month: what the year to date pays above what it paid a month "
        "before; null where that is not known",
    ),
    Field("payable_pence", "integer", "Fixed and variable payment together"),
    *_TO_DATE,
)

CONTRACT_STATEMENT = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year whose rules priced the activity"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("section", "text", "Part of what the contract pays"),
    Field("activity", "integer", "Lines of SUS records, units counted and excluded items"),
    Field("value_pence", "integer", "Worth at unit prices after MFF; null if nothing has a price"),
    Field("payable_pence", "integer", "Payable; null where any part of it is not known"),
    Field(
        "known_payable_pence",
        "integer",
        "What is known of it; of a blended payment the fixed payment, where the variable one is "
        "not known",
    ),
    Field(
        "open_lines",
        "integer",
        "How many parts are not known: contract lines, lines and units without a price, items, and "
        "lines that items pay for of a contract without any item in the month",
    ),
    Field("paragraph", "text", "Document and paragraphs the section rests on"),
)

FIXED_ELEMENT = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year that the fixed element is of"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field("item_number", "integer", "Place of the item in the worksheet"),
    Field("item", "text", "Item of the worksheet"),
    Field("formula", "text", "How the item comes about, with its base"),
    Field("base_pence", "integer", "What a share is taken of; null where the item is no share"),
    Field(
        "rate_ppm", "integer", "That share in millionths; null where there is none that is whole"
    ),
    Field("amount_pence", "integer", "What the item adds to the fixed element of the agreement"),
    Field("running_total_pence", "integer", "Fixed element down to the item"),
    Field(
        "payable_pence",
        "integer",
        "What of the item is payable in the month; over all items, the month's instalment",
    ),
    Field(
        "payable_to_date_pence",
        "integer",
        "What of the item is payable of the scheme year up to the month",
    ),
    Field("inputs", "text", "File and section, and what of the lake, the item was made from"),
    Field("worksheet_sha256", "text", "sha256 of the file"),
    Field("paragraph", "text", "Document and paragraphs the item rests on"),
)

FIXED_ELEMENT_REVIEW = (
    Field("activity_month", "text", "Month whose run published it, CCYY-MM"),
    Field("scheme_year", "text", "Scheme year that the contract is reviewed for"),
    Field("provider_code", "text", "Organisation, not site"),
    Field("commissioner_code", "text", "Payer"),
    Field(
        "part",
        "text",
        "service: what is funded as one; step: what a rule leaves of the difference; year: of the "
        "plan that actions it",
    ),
    Field("place", "integer", "Place among the rows of its part"),
    Field("item", "text", "Service, step or scheme year"),
    Field("valued_by", "text", "Of a service: price, cost or not_by_activity"),
    Field("funding_pence", "integer", "Of a service: what the contract funds"),
    Field("activity", "integer", "Of a service: priced lines; null where its worth was given"),
    Field("activity_value_pence", "integer", "Of a service: price, or cost, times activity"),
    Field(
        "lines_without_price",
        "integer",
        "Of a service: lines that have no unit price and add nothing to its worth",
    ),
    Field(
        "amount_pence",
        "integer",
        "Of a service its worth less its funding, null where it is not valued by activity; of a "
        "step what stands after it; of a year what is actioned. Below zero is taken off",
    ),
    Field("bound_pence", "integer", "Of a step: the largest amount that its rule allows"),
    Field("left_pence", "integer", "Of a year: what is left of the agreed difference after it"),
    Field("is_exceptional", "flag", "Of a year: whether it is above the limit of the scheme"),
    Field("says", "text", "Of a year: what changes, and what is exceptional"),
    Field("reason_code", "text", "What that means: see the reasons table"),
    Field("paragraph", "text", "Document and paragraph the row rests on"),
)
