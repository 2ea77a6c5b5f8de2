"""Year comparison: why a contract pays otherwise under one year's rules than under another's.

Belongs here: the difference between two pricings of the same lines, split by the rule that makes
it: how the line is paid, its price and what is added to it, MFF, and approval or rate. Does not
belong here: what a plan pays beside its lines (`pricing.contract_lines`), or either pricing.

A line that both years pay for in the same way is taken from the one price to the other a part at a
time, in the order of `PARTS` and MFF last. Each step is rounded as a price is, so that they add up
to the difference to the penny; in another order a step would come to something else.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.money import apply_ppm
from pricing.scheme import PARAMETERS, Scheme

PAYMENT_MECHANISM = "payment_mechanism"
APPROVAL_OR_RATE = "approval_or_rate"
MARKET_FORCES_FACTOR = "market_forces_factor"
ONE_YEAR_ONLY = "one_year_only"
PARTS = {
    "unit_price": "unit_price_pence",
    "long_stay": "long_stay_pence",
    "best_practice": "best_practice_pence",
    "top_up": "top_up_pence",
}
"""The parts of a price before MFF, in the order in which one year's are put for the other's."""
BESIDE_LINES = "beside_lines"
RULES = {
    PAYMENT_MECHANISM: "mechanism.decision_table",
    "unit_price": "price book",
    "long_stay": "price book",
    "best_practice": "best_practice_tariffs.pays",
    "top_up": "top_ups.paid_in",
    MARKET_FORCES_FACTOR: "market_forces_factor.applies_to",
    APPROVAL_OR_RATE: "variable_element.rate_ppm",
    ONE_YEAR_ONLY: "no paragraph: under one year the record is refused, or another contract's",
    BESIDE_LINES: "contract_lines.table",
}
"""The rules that a difference may come from, and the parameter that each rests on, if any.

What a contract pays beside its lines it pays by plan, terms and counts, or for excluded items.
"""
_AMOUNTS = ("value_pence", "payable_pence", "pre_mff_pence", "mff_ppm", *PARTS.values())
_LINE = ("dataset", "record_id", "line_number")


def differences(
    before: nw.LazyFrame[Any],
    after: nw.LazyFrame[Any],
    quantum_pence: int,
) -> nw.LazyFrame[Any]:
    """What the lines of contracts pay more or less of themselves, by rule.

    Takes priced lines of the same records under each year's rules, and what the first rounds to;
    gives `rule`, how the lines are paid (`mechanism_before`, `mechanism_after`), the `lines` that
    differ by it, and `difference_pence`. A line that has no amount of its own pays nothing here:
    its contract does, so that lines which are paid in another way may differ by nothing.
    """
    both = _side(before, "before").join(_side(after, "after"), on=list(_LINE), how="full")
    both = both.with_columns(
        change=_amount("payable_pence_after") - _amount("payable_pence_before")
    )
    parts = _changes_of_parts(quantum_pence)
    is_alike = nw.col("mechanism_before") == nw.col("mechanism_after")
    is_paid_whole = _is_paid_whole("before") & _is_paid_whole("after")
    is_in_both = ~nw.col("mechanism_before").is_null() & ~nw.col("mechanism_after").is_null()
    conditions = {
        **dict.fromkeys(parts, is_in_both & is_alike & is_paid_whole),
        PAYMENT_MECHANISM: is_in_both & ~is_alike,
        APPROVAL_OR_RATE: is_in_both & is_alike & ~is_paid_whole,
        ONE_YEAR_ONLY: ~is_in_both,
    }
    changes = {**dict.fromkeys(conditions, nw.col("change")), **parts}
    found = [
        both.filter(conditions[rule]).select(
            "mechanism_before",
            "mechanism_after",
            rule=nw.lit(rule),
            difference_pence=changes[rule].cast(nw.Int64),
        )
        for rule in conditions
    ]
    return (
        nw.concat(found)
        .filter((nw.col("difference_pence") != 0) | (nw.col("rule") == PAYMENT_MECHANISM))
        .group_by("rule", "mechanism_before", "mechanism_after")
        .agg(
            nw.len().cast(nw.Int64).alias("lines"),
            nw.col("difference_pence").sum().cast(nw.Int64),
        )
    )


def rests_on(rule: str, scheme: Scheme) -> str:
    """What a rule rests on in a year: its paragraphs, the price book, or that nothing is ruled."""
    named = RULES[rule]
    return scheme.citation(named) if named in PARAMETERS else named


def _side(lines: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
    amounts = {f"{amount}_{name}": nw.col(amount) for amount in _AMOUNTS}
    return lines.select(*_LINE, **{f"mechanism_{name}": nw.col("payment_mechanism")}, **amounts)


def _is_paid_whole(side: str) -> nw.Expr:
    """Whether a line pays what it is worth; not where either is not known."""
    is_whole = nw.col(f"payable_pence_{side}") == nw.col(f"value_pence_{side}")
    return is_whole.fill_null(False)


def _changes_of_parts(quantum_pence: int) -> dict[str, nw.Expr]:
    """What each part changes of a line's worth, taken from one to the other in turn."""
    pence, factor = nw.col("pre_mff_pence_before"), nw.col("mff_ppm_before")
    worth, changes = nw.col("value_pence_before"), {}
    for rule, amount in PARTS.items():
        pence = pence + _amount(f"{amount}_after") - _amount(f"{amount}_before")
        now = apply_ppm(pence, factor, quantum_pence)
        changes[rule], worth = now - worth, now
    changes[MARKET_FORCES_FACTOR] = nw.col("value_pence_after") - worth
    return changes


def _amount(name: str) -> nw.Expr:
    return nw.col(name).fill_null(0)
