"""The monitor of LVA blocks: what each covered in a month, and what was paid beside it.

Belongs here: the month's statement by pair. The block as published and its parts (2023/25 ¶84,
2026/27 ¶112), what the parties changed (2023/25 ¶79, ¶85, 2026/27 ¶108), the activity that it
covers and what API would have paid for that, what is paid outside it, and excluded items, which
some years bill apart (2023/25 ¶87, ¶100, 2026/27 ¶116). Does not belong here: which lines a block
covers (`pricing.low_volume`), or when it is due (`pricing.low_volume_payments`).

What API would have paid is the year's own decision table for the same records, priced as if no pair
was listed: no second rule.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import AGREED_API, PAIR
from pricing.decision import first_that_fits
from pricing.low_volume import EXCEPTION_FLAGS, LVA_BLOCK, OUTSIDE_SCHEME, is_block_pair
from pricing.mechanism import (
    API_BLENDED,
    API_FIXED,
    API_VARIABLE,
    EXCLUDED_ITEM,
    LOCAL_AGREEMENT,
)
from pricing.overseas_visitors import CHARGED_TO_PATIENT
from pricing.reasons import BlockReason
from pricing.reference import Reference
from pricing.scheme import Scheme
from schemas.priced_line import LOW_VOLUME, LOW_VOLUME_PAYMENT

NOT_PAYERS = (OUTSIDE_SCHEME, CHARGED_TO_PATIENT)
"""Mechanisms by which the NHS pays neither in a block nor outside it."""
BILLED_APART = (EXCLUDED_ITEM, LOCAL_AGREEMENT)
"""Mechanisms of items that are paid beside the block, or may be: of some it is not known yet."""
LINE = ("dataset", "record_id", "line_number")
"""What a priced line is known by in a month."""
_OF_API = {API_VARIABLE: "api_variable", API_BLENDED: "api_blended", API_FIXED: "api_fixed"}
_OTHER = "api_other"
_PAIR = list(PAIR)


def statement(
    lines: nw.LazyFrame[Any],
    without_blocks: nw.LazyFrame[Any],
    items: nw.LazyFrame[Any],
    schedule: nw.LazyFrame[Any],
    reference: Reference,
    activity_month: str,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Each pair of the schedule with what its block covered in the month, and what not.

    Takes priced lines of one month, priced lines of at least the records that blocks cover as if no
    pair was listed, the month's excluded items, and the `schedule` as published: its pairs, block
    values and parts, its days, and what is due (`schemas.priced_line.LOW_VOLUME_PAYMENT`). Gives
    the columns of `schemas.priced_line.LOW_VOLUME`, a row for every listed pair, with or without
    activity. Of a pair that was moved to API (2023/25 ¶85) all lines are outside the block, whose
    value is shown as published. What is payable outside it is null where that of any line is open:
    a price is to be agreed, or a contract's plan decides it.
    """
    pairs = schedule.select(*_PAIR)
    of_pairs = lines.join(pairs, on=_PAIR, how="inner")
    covered = of_pairs.filter(nw.col("payment_mechanism") == LVA_BLOCK)
    under_api = without_blocks.join(covered.select(*LINE), on=list(LINE), how="inner")
    found = schedule
    for part in (
        _outside(of_pairs),
        _covered(covered),
        _under_api(under_api),
        _of_items(items.join(pairs, on=_PAIR, how="inner")),
    ):
        found = found.join(part, on=_PAIR, how="left")
    counted = [
        field.name
        for field in LOW_VOLUME
        if field.name.endswith(("_activity", "_value_pence", "_amount_pence", "_lines", "_price"))
        or field.name in ("items_apart", "items_held")
    ]
    found = (
        _with_terms(found, reference, scheme)
        .with_columns(nw.col(*counted).fill_null(0))
        .with_columns(
            activity_month=nw.lit(activity_month),
            scheme_year=nw.lit(scheme.scheme_year),
            api_variable_payable_pence=_payable_of_variable_element(),
            exception_payable_pence=_unless_open("exception_payable_pence", "open_lines"),
            items_apart_payable_pence=_unless_open("items_apart_payable_pence", "open_items"),
        )
    )
    return _with_due(found).select(*(field.name for field in LOW_VOLUME))


def _outside(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """What the NHS pays for outside the block, by pair."""
    is_outside = ~nw.col("payment_mechanism").is_in([LVA_BLOCK, *NOT_PAYERS])
    is_open = nw.col("payable_pence").is_null()
    return (
        lines.filter(is_outside)
        .with_columns(line=nw.lit(1), open_line=nw.when(is_open).then(1).otherwise(0))
        .group_by(*_PAIR)
        .agg(
            _sum("line", "exception_activity"),
            _sum("value_pence", "exception_value_pence"),
            _sum("payable_pence", "exception_payable_pence"),
            _sum("open_line", "open_lines"),
        )
    )


def _covered(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """What the block pays for, by pair."""
    has_no_price = nw.col("value_pence").is_null()
    return (
        lines.with_columns(line=nw.lit(1), no_price=nw.when(has_no_price).then(1).otherwise(0))
        .group_by(*_PAIR)
        .agg(
            _sum("line", "covered_activity"),
            _sum("value_pence", "covered_value_pence"),
            _sum("no_price", "covered_lines_without_price"),
        )
    )


def _under_api(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """What API would have paid for covered lines, by pair: by the way that it pays."""
    mechanism = nw.col("payment_mechanism")
    way = first_that_fits([(mechanism == name, kind) for name, kind in _OF_API.items()], _OTHER)
    is_open = nw.col("payable_pence").is_null()
    lines = lines.with_columns(
        way=way, line=nw.lit(1), open_line=nw.when(is_open).then(1).otherwise(0)
    )
    columns = {
        **{
            f"{kind}_{name}": (kind, amount)
            for kind in (*_OF_API.values(), _OTHER)
            for name, amount in (("activity", "line"), ("value_pence", "value_pence"))
        },
        "api_variable_payable_pence": ("api_variable", "payable_pence"),
        "api_variable_open_lines": ("api_variable", "open_line"),
    }
    in_ways = lines.with_columns(
        **{
            name: nw.when(nw.col("way") == kind).then(nw.col(amount))
            for name, (kind, amount) in columns.items()
        }
    )
    return in_ways.group_by(*_PAIR).agg(*(_sum(name, name) for name in columns))


def _of_items(items: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Items that are billed apart, and those that the block holds, by pair."""
    is_apart = nw.col("payment_mechanism").is_in(BILLED_APART)
    is_held = nw.col("payment_mechanism") == LVA_BLOCK
    amount, payable = nw.col("amount_pence"), nw.col("payable_pence")
    columns = {
        "items_apart": nw.when(is_apart).then(1),
        "items_apart_amount_pence": nw.when(is_apart).then(amount),
        "items_apart_payable_pence": nw.when(is_apart).then(payable),
        "open_items": nw.when(is_apart & payable.is_null()).then(1),
        "items_held": nw.when(is_held).then(1),
        "items_held_amount_pence": nw.when(is_held).then(amount),
    }
    return (
        items.with_columns(**columns).group_by(*_PAIR).agg(*(_sum(name, name) for name in columns))
    )


def _with_terms(
    pairs: nw.LazyFrame[Any], reference: Reference, scheme: Scheme
) -> nw.LazyFrame[Any]:
    """The pairs with whether they are a block's, what was moved, and the month's exceptions."""
    rules = scheme.low_volume
    kinds = rules.exception_kinds if rules.has_payments_schedule else ()
    known = [EXCEPTION_FLAGS[kind] for kind in kinds]
    exceptions = reference.lva_exception_days.group_by(*_PAIR).agg(
        *(nw.col(flag).any() for flag in EXCEPTION_FLAGS.values())
    )
    moved = reference.contracts.filter(nw.col("agreed_mechanism") == AGREED_API)
    providers = reference.providers.select("provider_code", "provider_kind").unique()
    payers = reference.commissioners.select("commissioner_code", "commissioner_kind").unique()
    return (
        pairs.join(moved.select(*_PAIR, is_moved_to_api=nw.lit(True)), on=_PAIR, how="left")
        .join(exceptions, on=_PAIR, how="left")
        .join(providers, on="provider_code", how="left")
        .join(payers, on="commissioner_code", how="left")
        .with_columns(
            is_block_pair=is_block_pair(scheme.mechanism, rules),
            is_moved_to_api=nw.col("is_moved_to_api").fill_null(False),
            **{
                flag: nw.col(flag).fill_null(False) if flag in known else nw.lit(False)
                for flag in EXCEPTION_FLAGS.values()
            },
        )
    )


def _with_due(pairs: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """What is due by the schedule, of pairs that a block pays for; of others why nothing is."""
    reason = first_that_fits(
        [
            (~nw.col("is_block_pair"), BlockReason.BLOCK_NOT_OF_PARTIES),
            (nw.col("is_moved_to_api"), BlockReason.BLOCK_MOVED_TO_API),
        ],
        nw.col("payment_reason_code"),
    )
    is_due = nw.col("is_block_pair") & ~nw.col("is_moved_to_api")
    amounts = [field.name for field in LOW_VOLUME_PAYMENT[:-1]]
    return pairs.with_columns(
        **{name: nw.when(is_due).then(nw.col(name)) for name in amounts},
        payment_reason_code=reason,
    )


def _sum(column: str, name: str) -> nw.Expr:
    return nw.col(column).sum().cast(nw.Int64).alias(name)


def _payable_of_variable_element() -> nw.Expr:
    """What is payable by the lines that have an amount; null where there are lines and none has."""
    activity, payable = nw.col("api_variable_activity"), nw.col("api_variable_payable_pence")
    has_amount = nw.col("api_variable_open_lines") < activity
    return first_that_fits([(activity == 0, 0), (has_amount, payable)], None, nw.Int64)


def _unless_open(payable: str, open_count: str) -> nw.Expr:
    """What is payable, 0 where there is nothing to pay for; null where any of it is open."""
    is_known = nw.col(open_count).fill_null(0) == 0
    return nw.when(is_known).then(nw.col(payable).fill_null(0))
