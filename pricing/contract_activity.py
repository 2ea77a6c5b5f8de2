"""What a contract's activity and plans are worth, for its fixed element and its review.

Belongs here: priced lines of a contract summed to price × activity by point of delivery and payment
mechanism (2026/27 ¶57), and the planned variable and blended payments that the envelope holds
beside the fixed element (2026/27 ¶47). Does not belong here: the difference from what is funded
(`pricing.fixed_element_review`), what the worksheet does with it (`pricing.fixed_element`), or how
a planned blend is fixed (`pricing.contract_lines`).
"""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from pricing import contract_lines, ebi
from pricing.contracts import PAIR
from pricing.mechanism import API_BLENDED, API_FIXED, API_VARIABLE
from pricing.scheme import Scheme
from pricing.scheme_tables import CONTRACT_SECTIONS, DIFFERENCE, EACH_UNIT

_OF_API = (API_VARIABLE, API_FIXED, API_BLENDED)
_SHAPE = {API_VARIABLE: EACH_UNIT, API_BLENDED: DIFFERENCE}
"""How a line pays whose plan is beside the fixed element. What else is planned is within it, such
as best practice and advice and guidance (2026/27 ¶51); what is withheld of a blend and earned is of
its planned payment."""


def price_times_activity(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Priced lines under API by provider, payer, point of delivery and payment mechanism.

    Gives `activity`, of it `unapproved_activity` and `lines_without_price`, and `value_pence`, null
    where no line has a price. What lacks its prior approval has a zero price (2026/27 ¶28-29), and
    is worth nothing whatever its unit price would have been.
    """
    is_unapproved = nw.col("ebi_outcome") == ebi.ZERO_PRICE
    has_price = ~nw.col("value_pence").is_null()
    counted = {
        "activity": nw.lit(True),
        "unapproved_activity": is_unapproved & has_price,
        "lines_without_price": ~has_price,
    }
    worth = nw.when(is_unapproved).then(0).otherwise(nw.col("value_pence")).fill_null(0)
    totals = (
        lines.filter(nw.col("payment_mechanism").is_in(_OF_API))
        .with_columns(
            value_pence=nw.when(has_price).then(worth).otherwise(0),
            **{name: nw.when(is_one).then(1).otherwise(0) for name, is_one in counted.items()},
        )
        .group_by(*PAIR, "point_of_delivery_code", "payment_mechanism")
        .agg(*(nw.col(name).sum().cast(nw.Int64) for name in (*counted, "value_pence")))
    )
    is_priced = nw.col("lines_without_price") < nw.col("activity")
    return totals.with_columns(value_pence=nw.when(is_priced).then(nw.col("value_pence")))


def planned_beside_fixed(scheme: Scheme) -> dict[str, str]:
    """The section of each contract line whose plan is beside the fixed element, by line."""
    return {
        row.line: row.section
        for row in scheme.contract_lines.table
        if row.pays == _SHAPE[CONTRACT_SECTIONS[row.section]]
    }


def planned_payments(
    plans: nw.LazyFrame[Any],
    terms: nw.LazyFrame[Any],
    bands: nw.LazyFrame[Any],
    nothing_done: nw.LazyFrame[Any],
    nothing_counted: nw.LazyFrame[Any],
    *,
    months: Sequence[str],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """What each contract plans to pay beside its fixed element in the months of a scheme year.

    Takes plans, terms and bands as `contract_lines.paid` does, and its frames of what was done and
    counted without a row. Gives `provider_code`, `commissioner_code`, `section`, `contract_line`,
    `planned_activity`, `planned_value_pence`, `payment_pence` and `months_planned`: of the variable
    element the planned value, of a blend what is fixed of it. A line that is not planned in every
    month has fewer `months_planned` than there are months, and no `payment_pence`.
    """
    found, lines = [], planned_beside_fixed(scheme)
    for section, mechanism in CONTRACT_SECTIONS.items():
        names = [name for name, of in lines.items() if of == section]
        of_section = plans.filter(nw.col("contract_line").is_in(names))
        paid = contract_lines.paid(
            section, nothing_done, nothing_counted, of_section, terms, bands, months, months, scheme
        )
        is_blend = mechanism == API_BLENDED
        payment = "fixed_to_date_pence" if is_blend else "planned_value_to_date_pence"
        rows = paid.filter(nw.col("contract_line").is_in(names)).join(
            of_section.group_by(*PAIR, "contract_line").agg(
                months_planned=nw.col("activity_month").n_unique().cast(nw.Int64)
            ),
            on=[*PAIR, "contract_line"],
            how="inner",
        )
        is_whole = nw.col("months_planned") == len(months)
        found.append(
            rows.select(
                *PAIR,
                "contract_line",
                "months_planned",
                section=nw.lit(section),
                planned_activity=nw.col("planned_activity_to_date"),
                planned_value_pence=nw.col("planned_value_to_date_pence"),
                payment_pence=nw.when(is_whole).then(nw.col(payment)),
            )
        )
    return nw.concat(found)
