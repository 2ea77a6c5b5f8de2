"""Blended payments: urgent and emergency care, radiotherapy and genomic testing.

Belongs here: the statement of the blended payments (2026/27 ¶81-82) by contract, month and contract
line: a fixed payment for planned activity (2026/27 ¶84, ¶95, ¶97, ¶99-100), a variable one for the
difference from it, with a break-glass clause (2026/27 ¶84, ¶86-88, ¶94-95, ¶102), best practice
beside it (2026/27 ¶85), and what is withheld and earned (2026/27 ¶101). Does not belong here: how
a contract line pays (`pricing.contract_lines`), or prices, local prices and the default growth of a
plan, which come with the user's lists.

The services are told apart by the scheme pack alone: one calculator has three sets of terms.
"""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from pricing import contract_lines
from pricing.scheme import Scheme
from schemas.contract_statements import BLENDED


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
    """The blended payments of the last of `months`: see `contract_lines.paid` for what it takes.

    Gives the columns of `schemas.contract_statements.BLENDED`; no row in a year without a blend.
    """
    rows = contract_lines.paid(
        "blended", of_lines, counts, plans, terms, bands, months, priced_months, scheme
    )
    return rows.with_columns(
        payable_pence=nw.col("fixed_pence") + nw.col("variable_pence"),
        payable_to_date_pence=nw.col("fixed_to_date_pence") + nw.col("variable_to_date_pence"),
    ).select(*(field.name for field in BLENDED))
