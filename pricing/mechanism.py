"""Payment mechanism: who pays for a record, and how (000 Table 1).

Belongs here: the decision between mechanisms, read top to bottom. Does not belong here:
what each pays (`pricing.payable`), or what elective activity is (`pricing.elective_scope`).
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME
from pricing.scheme import Mechanism

API_VARIABLE = "api_variable"
API_FIXED = "api_fixed"
ACTIVITY_BASED = "activity_based"
LOCAL_AGREEMENT = "local_agreement"


def payment_mechanism(rules: Mechanism) -> nw.Expr:
    """The mechanism of a record; needs `is_covered_by_block` and `is_elective_activity`.

    Private and other patients not funded by the NHS first; then the LVA block of the
    pair (¶80); then API for NHS providers, its variable element for elective activity
    (¶71) and its fixed element for the rest; then unit prices for other providers (¶20);
    and local agreement for what is left. What a retired HRG would be paid for is not known
    until it is bridged, so nothing is said to be payable, or not payable, for it.
    """
    category = nw.col("administrative_category_code")
    outside = [*rules.private_patient_categories, *rules.other_categories_outside_scheme]
    is_nhs_provider = nw.col("provider_kind").is_in(rules.nhs_provider_kinds)
    return first_that_fits(
        [
            (category.is_in(outside), OUTSIDE_SCHEME),
            (nw.col("is_covered_by_block"), LVA_BLOCK),
            (nw.col("is_hrg_retired"), LOCAL_AGREEMENT),
            (is_nhs_provider & nw.col("is_elective_activity"), API_VARIABLE),
            (is_nhs_provider, API_FIXED),
            (~nw.col("unit_price_pence").is_null(), ACTIVITY_BASED),
        ],
        otherwise=LOCAL_AGREEMENT,
    )
