"""Payment mechanism: who pays for a record, and how (2023/25 Table 1, 2026/27 Table 1).

Belongs here: the decision between mechanisms, read top to bottom. Does not belong here:
what each pays (`pricing.payable`), or what elective activity is (`pricing.elective_scope`).
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME
from pricing.scheme import Mechanism

API_VARIABLE = "api_variable"
API_FIXED = "api_fixed"
API_BLENDED = "api_blended"
ACTIVITY_BASED = "activity_based"
LOCAL_AGREEMENT = "local_agreement"


def payment_mechanism(rules: Mechanism) -> nw.Expr:
    """The mechanism of a record; needs `is_covered_by_block` and `is_elective_activity`.

    Private and other patients not funded by the NHS first (2023/25 ¶59, 2026/27 ¶53, 2021/22
    ¶34); then the LVA block of the pair (2023/25 ¶80, 2026/27 ¶109); then API for NHS providers
    (2023/25 ¶1, ¶16-17, 2026/27 ¶2-3, ¶6, 2021/22 ¶3): its variable element for elective activity
    (2023/25 ¶71, 2026/27 ¶74, 2021/22 ¶56), its blended payment for priced urgent and emergency
    spells (2026/27 ¶81-82), its fixed element for the rest, maternity too (2023/25 ¶49, ¶93,
    2026/27 ¶49, 2021/22 ¶27); then unit prices for other providers (2023/25 ¶20, 2026/27 ¶11); and
    local agreement for what is left. What a retired HRG would be paid for is not known until it is
    bridged, so nothing is said to be payable, or not payable, for it.
    """
    category = nw.col("administrative_category_code")
    outside = [*rules.private_patient_categories, *rules.other_categories_outside_scheme]
    is_nhs_provider = nw.col("provider_kind").is_in(rules.nhs_provider_kinds)
    has_unit_price = ~nw.col("unit_price_pence").is_null()
    is_blended = nw.col("point_of_delivery_code").is_in(rules.blended_points_of_delivery)
    return first_that_fits(
        [
            (category.is_in(outside), OUTSIDE_SCHEME),
            (nw.col("is_covered_by_block"), LVA_BLOCK),
            (nw.col("is_hrg_retired"), LOCAL_AGREEMENT),
            (is_nhs_provider & nw.col("is_elective_activity"), API_VARIABLE),
            (is_nhs_provider & is_blended & has_unit_price, API_BLENDED),
            (is_nhs_provider, API_FIXED),
            (has_unit_price, ACTIVITY_BASED),
        ],
        otherwise=LOCAL_AGREEMENT,
    )
