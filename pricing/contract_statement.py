"""Contract statement: all that a contract pays in a month, a section to each way of paying.

Belongs here: the sections put together (2023/25 Table 1, 2026/27 Table 1), and how much of
them is not known. Does not belong here: what any of them pays (`pricing.variable_element`,
`pricing.blended_payments`, `pricing.payable`, `pricing.excluded_items`).

A section is what one payment mechanism pays. A fixed payment is owed whatever was done (2026/27
¶84): it is known before the variable one is. A line that excluded items pay for is paid for by the
items of its contract; where the month has none of them, what it pays is not known. The LVA block is
paid once in the year (2023/25 ¶86, 2026/27 ¶116): its activity and worth are shown, and nothing is
payable. The fixed element pays its instalment where there is a worksheet of the contract; where
there is none, it is agreed for the year and not known here, and nothing of it is payable.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR
from pricing.decision import first_that_fits
from pricing.mechanism import API_BLENDED, API_VARIABLE, EXCLUDED_ITEM
from pricing.reasons import ItemReason
from pricing.scheme import Scheme
from pricing.scheme_tables import CONTRACT_SECTIONS
from schemas.contract_statements import CONTRACT_STATEMENT
from schemas.priced_line import PAYMENT_MECHANISMS

EXCLUDED_ITEMS = "excluded_items"
SECTIONS = {
    **{mechanism: mechanism for mechanism in PAYMENT_MECHANISMS},
    **{mechanism: section for section, mechanism in CONTRACT_SECTIONS.items()},
    EXCLUDED_ITEM: EXCLUDED_ITEMS,
}
"""The section of a contract's statement that a payment mechanism is."""
API_FIXED = "api_fixed"
PAID_BY_YEAR = ("lva_block", API_FIXED)
"""Sections that are of the year: the block is paid once in it, the fixed element is agreed for it,
and is known to a month by its worksheet alone."""
_AGAINST_BASELINE = (ItemReason.ITEM_AGAINST_BASELINE, ItemReason.ITEM_BASELINE_MISSING)
_SUMS = (
    *("activity", "value_pence", "known_payable_pence", "open_lines", "rows_with_value"),
    *("lines_of_items", "items"),
)
"""What is summed by section; lines that items pay for, and items, to tell whether any do."""


def statement(
    lines: nw.LazyFrame[Any],
    fixed: nw.LazyFrame[Any],
    variable: nw.LazyFrame[Any],
    blended: nw.LazyFrame[Any],
    items: nw.LazyFrame[Any],
    baselines: nw.LazyFrame[Any],
    activity_month: str,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Each section of each contract in a month: `schemas.contract_statements.CONTRACT_STATEMENT`.

    Takes the month's priced lines, fixed element, variable element, blended payments, excluded
    items, and the drugs of NHS England against their baseline, which pays for those of its contract
    together.
    """
    parts = [
        _of_lines(lines),
        _of_fixed_element(fixed),
        _of_contract_lines(variable, "variable_element", nw.col("lines_for_local_price")),
        _of_contract_lines(
            blended.with_columns(known_payable_pence=nw.coalesce("payable_pence", "fixed_pence")),
            "blended",
            nw.lit(0),
        ),
        _of_items(items),
        _of_baselines(baselines),
    ]
    totals = (
        nw.concat([_in_form(part) for part in parts])
        .group_by(*PAIR, "section")
        .agg(*(nw.col(name).sum().cast(nw.Int64) for name in _SUMS))
        .with_columns(
            open_lines=nw.col("open_lines")
            + nw.when(nw.col("items") == 0).then(nw.col("lines_of_items")).otherwise(0)
        )
    )
    citations = [(nw.col("section") == s, _citation(m, scheme)) for m, s in SECTIONS.items()]
    return totals.with_columns(
        activity_month=nw.lit(activity_month),
        scheme_year=nw.lit(scheme.scheme_year),
        value_pence=nw.when(nw.col("rows_with_value") > 0).then(nw.col("value_pence")),
        payable_pence=nw.when(nw.col("open_lines") == 0).then(nw.col("known_payable_pence")),
        paragraph=first_that_fits(citations, None),
    ).select(*(field.name for field in CONTRACT_STATEMENT))


def _of_lines(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Lines of the mechanisms that have no statement of their own."""
    mechanism = nw.col("payment_mechanism")
    is_of_items = mechanism == EXCLUDED_ITEM
    is_open = nw.col("payable_pence").is_null() & ~is_of_items
    sections = [(mechanism == name, section) for name, section in SECTIONS.items()]
    return lines.filter(~mechanism.is_in([API_VARIABLE, API_BLENDED])).with_columns(
        section=first_that_fits(sections, None),
        activity=nw.lit(1),
        open_lines=nw.when(is_open).then(1).otherwise(0),
        lines_of_items=nw.when(is_of_items).then(1).otherwise(0),
    )


def _of_fixed_element(items: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The instalment of the month; the activity that it pays for is in the lines."""
    return items.with_columns(
        section=nw.lit(API_FIXED),
        value_pence=nw.lit(None, dtype=nw.Int64),
    )


def _of_contract_lines(
    rows: nw.LazyFrame[Any], section: str, unpriced: nw.Expr
) -> nw.LazyFrame[Any]:
    """Contract lines; each without an amount is open, and what of the others has no price."""
    return rows.with_columns(
        section=nw.lit(section),
        open_lines=nw.when(nw.col("payable_pence").is_null()).then(1).otherwise(unpriced),
    )


def _of_items(items: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Excluded items; those against a baseline are paid for with their contract's others."""
    is_together = nw.col("reason_code").is_in([str(reason) for reason in _AGAINST_BASELINE])
    is_open = nw.col("payable_pence").is_null() & ~is_together
    return items.with_columns(
        section=nw.lit(EXCLUDED_ITEMS),
        activity=nw.lit(1),
        value_pence=nw.col("amount_pence"),
        open_lines=nw.when(is_open).then(1).otherwise(0),
        items=nw.lit(1),
    )


def _of_baselines(baselines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return baselines.with_columns(
        section=nw.lit(EXCLUDED_ITEMS),
        activity=nw.lit(0),
        value_pence=nw.lit(None, dtype=nw.Int64),
        open_lines=nw.when(nw.col("payable_pence").is_null()).then(1).otherwise(0),
    )


def _in_form(part: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """A part with every sum, 0 where it has none; all that is payable is known, unless it says."""
    has_value = nw.when(nw.col("value_pence").is_null()).then(0).otherwise(1)
    part = part.with_columns(rows_with_value=has_value)
    has = part.collect_schema().names()
    columns = {**dict.fromkeys(_SUMS), **{name: name for name in _SUMS if name in has}}
    columns["known_payable_pence"] = columns["known_payable_pence"] or "payable_pence"
    return part.select(
        *PAIR,
        "section",
        **{
            name: (nw.col(column).fill_null(0) if column else nw.lit(0)).cast(nw.Int64)
            for name, column in columns.items()
        },
    )


def _citation(mechanism: str, scheme: Scheme) -> str:
    """What the rows of the year's decision table rest on that give the mechanism."""
    rows = [row.citation for row in scheme.mechanism.decision_table if row.pays == mechanism]
    of_table = [scheme.citation("mechanism.decision_table")]
    return "; ".join(dict.fromkeys(rows or of_table))
