"""Evidence-based interventions: a zero price without prior approval (000 ¶39-43).

Belongs here: which spells are in scope and which of them were approved. Does not belong
here: the approvals, which do not flow to SUS+ and are the user's own list (¶43), or what
a zero price makes payable (`pricing.payable`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.reference import Reference
from pricing.scheme import EvidenceBasedInterventions
from schemas.priced_line import EBI_CHALLENGES

NOT_APPLICABLE = "not_applicable"
APPROVED = "approved"
ZERO_PRICE = "zero_price"
_LETTER_LENGTH = 2


def find_approvals(spells: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Adds `ebi_outcome`, from the intervention's type and the prior approvals.

    An approval names the record, or the provider, commissioner and type of intervention;
    the latter must be in force on the day of admission.
    """
    by_record = reference.approved_records.with_columns(is_approved_record=nw.lit(True))
    by_day = reference.approved_days.with_columns(is_approved_day=nw.lit(True))
    return spells.join(by_record, on="record_id", how="left").join(
        by_day,
        on=["provider_code", "commissioner_code", "ebi_type_letter", "start_date"],
        how="left",
    )


def ebi_type_letter() -> nw.Expr:
    """The letter and underscore a type begins with: SUS+ cuts the rest to 15 characters."""
    return nw.col("ebi_type_code").str.slice(0, _LETTER_LENGTH)


def outcome(rules: EvidenceBasedInterventions) -> nw.Expr:
    """`not_applicable`, `approved` or `zero_price`; needs `find_approvals`."""
    in_scope = (nw.col("ebi_category_code") == rules.category) & nw.col("ebi_type_letter").is_in(
        rules.types
    )
    is_approved = nw.col("is_approved_record").fill_null(False) | nw.col(
        "is_approved_day"
    ).fill_null(False)
    return first_that_fits(
        [(in_scope & is_approved, APPROVED), (in_scope, ZERO_PRICE)],
        otherwise=NOT_APPLICABLE,
    )


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
