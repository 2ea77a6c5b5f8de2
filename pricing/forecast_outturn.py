"""Forecast outturn: what the rest of a scheme year may come to, from the year to date.

Belongs here: the methods by which the months to come are estimated, and the estimates. Does not
belong here: what is payable for them, which the rules of the year decide as they do for months
that are known (`pricing.contract_lines`), or the days and activity that the months are weighed by.

No policy says how to forecast. Each of these is an estimate and is to be called one.
"""

from collections.abc import Sequence, Set
from typing import Any

import narwhals.stable.v2 as nw

from pricing.contract_lines import KEYS
from pricing.money import LARGEST_PENCE
from pricing.scheme import Scheme
from pricing.scheme_tables import BEST_PRACTICE

STRAIGHT_LINE = "straight_line"
WORKING_DAYS = "working_days"
LAST_YEARS_PROFILE = "last_years_profile"
METHODS = {
    STRAIGHT_LINE: "Each month to come is like the average of the months so far.",
    WORKING_DAYS: "Each working day to come, Monday to Friday but for bank holidays in England, is "
    "like the average working day so far.",
    LAST_YEARS_PROFILE: "Each month to come bears to the months so far the proportion that its "
    "activity bore to theirs in the year before, line by line.",
}
"""How each method estimates."""
LARGEST_WEIGHT = 9_000_000
"""More would take an amount of `LARGEST_PENCE` beyond what an Int64 holds."""


def estimated(
    facts: nw.LazyFrame[Any],
    weights: nw.LazyFrame[Any],
    known: Sequence[str],
    to_come: Sequence[str],
) -> nw.LazyFrame[Any]:
    """Facts of contract lines in the months to come, each amount in proportion to its weight.

    `facts` are of the months that are `known`, in any amounts (Int64) by pair, `activity_month`
    and `contract_line`. `weights` have `activity_month` and `weight`, and are of every line unless
    they name pair and line too. The months up to any to come add up to the amount to date times
    their weight over that of the months known, rounded once; null stays null where all is null. A
    line without weight in the months known, or beyond what can be multiplied, has no row.
    """
    columns = facts.collect_schema().names()
    amounts = [name for name in columns if name not in (*KEYS, "activity_month")]
    counts = [f"{name}_count" for name in amounts]
    to_date = facts.group_by(*KEYS).agg(
        *(nw.col(name).fill_null(0).sum().cast(nw.Int64) for name in amounts),
        *(nw.col(name).count().alias(count) for name, count in zip(amounts, counts, strict=True)),
    )
    by = [name for name in KEYS if name in weights.collect_schema().names()]
    weighed = _with_weights(to_date, _running(weights, by, known, to_come), by)
    is_small = (nw.col("weight_known") > 0) & (nw.col("weight_all") <= LARGEST_WEIGHT)
    for name in amounts:
        is_small = is_small & (nw.col(name).abs() <= LARGEST_PENCE)
    weighed = weighed.filter(is_small)
    before = ["weight_known", *(f"weight_to_{month}" for month in to_come)]
    return nw.concat(
        [
            weighed.select(
                *KEYS,
                activity_month=nw.lit(month),
                **{
                    name: nw.when(nw.col(count) > 0).then(
                        _share(name, f"weight_to_{month}") - _share(name, earlier)
                    )
                    for name, count in zip(amounts, counts, strict=True)
                },
            )
            for month, earlier in zip(to_come, before, strict=False)
        ]
    )


def resting_on(not_estimated: Set[str], section: str, scheme: Scheme) -> list[str]:
    """The lines of a section that are not known where some could not be estimated.

    Best practice, as a line of its own, is what is added to all of them.
    """
    table = [row for row in scheme.contract_lines.table if row.section == section]
    own = not_estimated & {row.line for row in table}
    return [*own, *(row.line for row in table if own and row.source == BEST_PRACTICE)]


def _running(
    weights: nw.LazyFrame[Any], by: list[str], known: Sequence[str], to_come: Sequence[str]
) -> nw.LazyFrame[Any]:
    """The weight of the months known, and of them and those to come up to each."""
    upto = {"weight_known": list(known), "weight_all": [*known, *to_come]}
    for place, month in enumerate(to_come, 1):
        upto[f"weight_to_{month}"] = [*known, *to_come[:place]]
    month_of, weight = nw.col("activity_month"), nw.col("weight")
    in_months = weights.with_columns(
        **{name: nw.when(month_of.is_in(of)).then(weight).otherwise(0) for name, of in upto.items()}
    )
    sums = [nw.col(name).sum().cast(nw.Int64) for name in upto]
    return in_months.group_by(*by).agg(*sums) if by else in_months.select(*sums)


def _with_weights(
    to_date: nw.LazyFrame[Any], weights: nw.LazyFrame[Any], by: list[str]
) -> nw.LazyFrame[Any]:
    if by:
        return to_date.join(weights, on=by, how="inner")
    return to_date.join(weights, how="cross")


def _share(amount: str, weight: str) -> nw.Expr:
    """The amount to date times a weight over the weight known, halves away from zero."""
    whole, known = nw.col(amount), nw.col("weight_known")
    size = (whole.abs() * nw.col(weight) + known // 2) // known
    return nw.when(whole < 0).then(-size).otherwise(size)
