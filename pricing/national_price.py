"""Whether a record has a national price at all, before its HRG is looked at.

Belongs here: exclusions of the whole record. Does not belong here: which price it takes
(`pricing.unit_price`), or the elective scope (`pricing.elective_scope`).
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.reasons import Reason
from pricing.scheme import NationalPrice

EXCLUSIONS = (
    Reason.EXCLUDED_FROM_NATIONAL_PRICES,
    Reason.PROVIDER_EXCLUDED_AGREEMENT,
    Reason.UNGROUPABLE,
)


def exclusion(rules: NationalPrice) -> nw.Expr:
    """The reason a record has no national price, or null where it has one.

    A record that SUS+ takes only partly out (`1`) is priced on what is left of it.
    """
    return first_that_fits(
        [
            (
                nw.col("spell_in_pbr_code") == rules.excluded_spell_in_pbr_code,
                Reason.EXCLUDED_FROM_NATIONAL_PRICES,
            ),
            (
                nw.col("agreement_serial_number").str.ends_with(
                    rules.provider_excluded_agreement_suffix
                ),
                Reason.PROVIDER_EXCLUDED_AGREEMENT,
            ),
            (nw.col("hrg_code").is_in(rules.ungroupable_hrgs), Reason.UNGROUPABLE),
        ],
        otherwise=None,
    )
