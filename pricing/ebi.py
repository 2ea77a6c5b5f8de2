"""Evidence-based interventions: nothing is paid without prior approval.

Belongs here: which spells are in scope (2023/25 ¶38-40, ¶42, 2026/27 ¶27-29, ¶31, 2021/22
¶25-26; in 2023/24 none, 2023/25 ¶37) and which of them were approved. Does not belong here: the
approvals, which do not flow to SUS+ and are the user's own list (2023/25 ¶43, 2026/27 ¶32), or
what a zero price makes payable (`pricing.payable`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR
from pricing.decision import first_that_fits
from pricing.reference import Reference
from pricing.scheme import EvidenceBasedInterventions
from schemas.priced_line import EBI_CHALLENGES

NOT_APPLICABLE = "not_applicable"
APPROVED = "approved"
ZERO_PRICE = "zero_price"
TYPE_LETTER_LENGTH = 2


def approvals(
    spells: nw.LazyFrame[Any], reference: Reference, rules: EvidenceBasedInterventions
) -> nw.LazyFrame[Any]:
    """The `record_id` of each spell with prior approval, once; takes spells with their parties.

    An approval names the record, or the provider, commissioner and type of intervention;
    the latter must be in force on the day of admission.
    """
    by_day = (
        spells.filter(is_in_scope(rules))
        .select("record_id", "start_date", *PAIR, ebi_type_letter=_type_letter())
        .join(
            reference.approved_days,
            on=[*PAIR, "ebi_type_letter", "start_date"],
            how="inner",
        )
        .select("record_id")
    )
    every = nw.concat([by_day, reference.approved_records.select("record_id")])
    return every.unique()


def is_in_scope(rules: EvidenceBasedInterventions) -> nw.Expr:
    """Category 1 interventions of the types that need approval: in some years there are none."""
    is_category = nw.col("ebi_category_code") == rules.category
    return (is_category & _type_letter().is_in(rules.types)).fill_null(False)


def outcome(rules: EvidenceBasedInterventions) -> nw.Expr:
    """`not_applicable`, `approved` or `zero_price`; needs `is_approved`."""
    in_scope = is_in_scope(rules)
    return first_that_fits(
        [(in_scope & nw.col("is_approved").fill_null(False), APPROVED), (in_scope, ZERO_PRICE)],
        otherwise=NOT_APPLICABLE,
    )


def _type_letter() -> nw.Expr:
    """The letter and underscore a type begins with: SUS+ cuts the rest to 15 characters."""
    return nw.col("ebi_type_code").str.slice(0, TYPE_LETTER_LENGTH)


def challenges(lines: nw.LazyFrame[Any], spells: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Unapproved interventions with what SUS+ priced them at, for commissioners to raise.

    Takes priced lines and the valid spells they were made from; gives the columns of
    `schemas.priced_line.EBI_CHALLENGES`.
    """
    as_delivered = spells.select("record_id", "ebi_type_code", "sus_price_pence")
    return (
        lines.filter(nw.col("ebi_outcome") == ZERO_PRICE)
        .join(as_delivered, on="record_id", how="inner")
        .select(*(field.name for field in EBI_CHALLENGES))
    )
