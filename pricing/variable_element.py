"""Variable element: what each contract pays for elective activity and for quality.

Belongs here: the statement of the API variable element by contract, month and contract line
(2023/25 ¶57, ¶70-76, ¶116-119, 2026/27 ¶51, ¶73-80, 2021/22 ¶52-59), beside the activity target and
the plan. Does not belong here: what a priced line pays (`pricing.payable`), or how a contract line
pays (`pricing.contract_lines`).

What is planned is in the fixed element already, so by a plan the variable element pays the
difference alone. Activity targets move no money (2023/25 ¶118-119): what counts towards them, and
the plan, are shown.
"""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from pricing import contract_lines
from pricing.scheme import Scheme
from schemas.contract_statements import VARIABLE_ELEMENT


def statement(
    of_lines: nw.LazyFrame[Any],
    counts: nw.LazyFrame[Any],
    plans: nw.LazyFrame[Any],
    terms: nw.LazyFrame[Any],
    bands: nw.LazyFrame[Any],
    months: Sequence[str],
    priced_months: Sequence[str],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """The variable element of the last of `months`: see `contract_lines.paid` for what it takes.

    Gives the columns of `schemas.contract_statements.VARIABLE_ELEMENT`, a row for each contract
    line that has activity, a count or a plan in the year to date, or that every contract has.
    """
    rows = contract_lines.paid(
        "variable_element", of_lines, counts, plans, terms, bands, months, priced_months, scheme
    )
    return rows.with_columns(
        payable_pence=nw.col("variable_pence"),
        payable_to_date_pence=nw.col("variable_to_date_pence"),
    ).select(*(field.name for field in VARIABLE_ELEMENT))
