"""Overseas visitors: who is liable to be charged, and how much.

Belongs here: telling them by the user's list, and else by the supplementary extract, and the
charge (2023/25 ¶46-47, 2026/27 ¶35, ¶38). Does not belong here: that a commissioner pays nothing
for them by the line (`pricing.mechanism`), or the shared risk that they do not pay, which is
an item of the fixed element (2023/25 ¶48, 2026/27 ¶37).
"""

import narwhals.stable.v2 as nw

from pricing.money import apply_ppm
from pricing.scheme import Scheme

CHARGED_TO_PATIENT = "charged_to_patient"
CHARGEABLE = "chargeable"
SETTLED_STATUS = "chargeable_settled_status"
EXEMPT = "exempt"
CHARGING_STATUSES = (CHARGEABLE, SETTLED_STATUS, EXEMPT)


def is_chargeable(scheme: Scheme) -> nw.Expr:
    """Whether the visitor is liable; what the user's list says goes before the extract."""
    status = nw.col("charging_status")
    by_list = status.is_in([CHARGEABLE, SETTLED_STATUS]).fill_null(False)
    codes = scheme.overseas_visitors.chargeable_codes
    by_extract = nw.col("overseas_visitor_code").is_in(codes).fill_null(False)
    return by_list | (status.is_null() & by_extract)


def patient_charge_pence(scheme: Scheme) -> nw.Expr:
    """What is charged: a share of the value, less for those with a settled status.

    Null for whom nobody charges, and where the scheme does not give the share.
    """
    nothing_known = nw.lit(None, dtype=nw.Int64)
    rules = scheme.overseas_visitors
    if not scheme.gives("overseas_visitors.charge_ppm"):
        return nothing_known

    def share(ppm: int) -> nw.Expr:
        return apply_ppm(nw.col("value_pence"), ppm, scheme.rounding.quantum_pence)

    is_settled = (nw.col("charging_status") == SETTLED_STATUS).fill_null(False)
    is_charged = nw.col("payment_mechanism") == CHARGED_TO_PATIENT
    charge = (
        nw.when(is_settled)
        .then(share(rules.settled_status_charge_ppm))
        .otherwise(share(rules.charge_ppm))
    )
    return nw.when(is_charged).then(charge).otherwise(nothing_known)
