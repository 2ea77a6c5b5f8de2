"""Variable element: the month's elective activity by contract and point of delivery.

Belongs here: the statement made from priced lines. Does not belong here: what a line pays
(`pricing.payable`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.mechanism import API_VARIABLE

_CONTRACT_MONTH = (
    "activity_month",
    "scheme_year",
    "provider_code",
    "commissioner_code",
    "point_of_delivery_code",
)


def statement(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Activity, value and payable of the API variable element, and what counts to target.

    Takes priced lines; gives the columns of `schemas.priced_line.VARIABLE_ELEMENT`. Lines
    that need a locally agreed price are counted and add nothing; an amount is null where
    every line needs one. What is payable is null where the contract's plan decides it.
    """
    in_target = nw.col("is_in_activity_target")
    is_by_plan = ~nw.col("value_pence").is_null() & nw.col("payable_pence").is_null()
    has_a_price = nw.col("lines_for_local_price") < nw.col("activity")
    is_payable_by_line = nw.col("lines_against_plan") == 0
    amounts = ("value_pence", "payable_pence", "target_value_pence")
    return (
        lines.filter(nw.col("payment_mechanism") == API_VARIABLE)
        .with_columns(
            one=nw.lit(1, dtype=nw.Int64),
            target_one=nw.when(in_target).then(1).otherwise(0),
            target_value_pence=nw.when(in_target).then(nw.col("value_pence")),
            local_one=nw.when(nw.col("value_pence").is_null()).then(1).otherwise(0),
            plan_one=nw.when(is_by_plan).then(1).otherwise(0),
        )
        .group_by(*_CONTRACT_MONTH)
        .agg(
            nw.col("one").sum().cast(nw.Int64).alias("activity"),
            nw.col("target_one").sum().cast(nw.Int64).alias("target_activity"),
            nw.col("local_one").sum().cast(nw.Int64).alias("lines_for_local_price"),
            nw.col("plan_one").sum().cast(nw.Int64).alias("lines_against_plan"),
            # A sum of nothing is 0 on one engine and null on another.
            *(nw.col(amount).fill_null(0).sum().cast(nw.Int64).alias(amount) for amount in amounts),
        )
        .with_columns(
            *(nw.when(has_a_price).then(nw.col(amount)).alias(amount) for amount in amounts)
        )
        .with_columns(payable_pence=nw.when(is_payable_by_line).then(nw.col("payable_pence")))
        .drop("lines_against_plan")
    )
