"""LVA payments: what is due of each block, and by which day.

Belongs here: what the schedules that were published for a year make due (2023/25 ¶80, ¶86, 2026/27
¶109, ¶115), and why a day or an amount is not known. Does not belong here: the schedules (price
books), what a block covers (`pricing.low_volume`) or whether anything was paid: no record says so.

An update of a block is a schedule of the year that lists the pair with another value than before;
that it is for a pay award is an assumption of the year's pack. Schedules published before the year
take each other's place. Where no schedule of a year lists a pair there is nothing to say of it.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pricing.reasons import BlockReason
from pricing.scheme import Scheme

Pair = tuple[str, str]


class Schedule(NamedTuple):
    """A schedule as published: its day, and the block values in pence by provider and payer."""

    published_on: date
    blocks: Mapping[Pair, int]


@dataclass(frozen=True, slots=True)
class Addition:
    """What one update adds to a block, in pence, and the last day to pay it, where that is known.

    `before_pence` is the value before it, None where the pair was not listed. Where
    `is_in_payment_due`, it is within what is due, and due by itself where the block was paid
    before the update; else it is due on top.
    """

    schedule_published_on: date
    before_pence: int | None
    block_value_pence: int
    additional_payment_due_by: date | None
    is_in_payment_due: bool

    @property
    def additional_payment_pence(self) -> int:
        """What it adds; below zero where it takes away."""
        return self.block_value_pence - (self.before_pence or 0)


@dataclass(frozen=True, slots=True)
class Payment:
    """What is due of a block: in pence, and the last day; None where that is not known."""

    payment_due_pence: int | None
    payment_due_by: date | None
    additions: tuple[Addition, ...]
    reason: BlockReason

    @property
    def additional_payment_pence(self) -> int | None:
        """What updates add on top of what is due, together; None where there is none."""
        on_top = [
            one.additional_payment_pence for one in self.additions if not one.is_in_payment_due
        ]
        return sum(on_top) if on_top else None


class _Listed(NamedTuple):
    """What a schedule says of one pair; no value where it does not list it."""

    published_on: date
    pence: int | None


def payments(schedules: Sequence[Schedule], scheme: Scheme) -> dict[Pair, Payment]:
    """What is due of each block that any schedule of the scheme's year lists.

    `schedules` are those published for the year as known, in the order of publication. By the end
    of the quarter that the year gives (2023/25 ¶86, 2026/27 ¶115); where the year has it so, once
    the block is updated if that is sooner. What each update adds to the value before it is paid in
    the month after it was published, where the block was paid before (2026/27 ¶115).
    """
    in_year = _of_the_year(schedules, scheme.effective_from)
    pairs = dict.fromkeys(pair for schedule in in_year for pair in schedule.blocks)
    return {
        pair: _of_pair([_Listed(day, blocks.get(pair)) for day, blocks in in_year], scheme)
        for pair in pairs
    }


def _of_the_year(schedules: Sequence[Schedule], year_starts: date) -> list[Schedule]:
    """The schedule that the year begins with, and those published in the year."""
    before = [one for one in schedules if one.published_on < year_starts]
    return [*before[-1:], *schedules[len(before) :]]


def _of_pair(listed: Sequence[_Listed], scheme: Scheme) -> Payment:
    """What is due of one block, by what each schedule says of it."""
    if not scheme.gives("low_volume.payment_due_by"):
        return Payment(listed[-1].pence, None, (), BlockReason.BLOCK_DUE_DAY_NOT_GIVEN)
    due_by = scheme.low_volume.payment_due_by
    in_time = sum(one.published_on <= due_by for one in listed[1:])
    update = _first_update(listed[: in_time + 1]) if _is_due_on_update(scheme) else None
    within: list[Addition] = []
    if update is not None:
        due_by, in_time = listed[update].published_on, update
        before = _last_value(listed[:update])
        within = [] if before is None else [_addition(listed[update], before, scheme, within=True)]
    due = listed[in_time].pence
    on_top = _on_top(due, listed[in_time + 1 :], scheme)
    if listed[-1].pence is None:
        reason = BlockReason.BLOCK_TAKEN_OFF_BY_UPDATE
    elif not on_top:
        is_by_day = update is None
        reason = BlockReason.BLOCK_DUE_BY_DAY if is_by_day else BlockReason.BLOCK_DUE_ON_UPDATE
    elif on_top[0].additional_payment_due_by is None:
        reason = BlockReason.BLOCK_ADDITION_DAY_NOT_GIVEN
    elif due is None:
        reason = BlockReason.BLOCK_LISTED_BY_UPDATE
    else:
        reason = BlockReason.BLOCK_UPDATED_AFTER_DUE
    return Payment(due, None if due is None else due_by, (*within, *on_top), reason)


def _is_due_on_update(scheme: Scheme) -> bool:
    """Whether the year makes a block due by a new value, which it takes to be for a pay award."""
    rules = scheme.low_volume
    return rules.payment_is_due_on_update and rules.new_value_is_for_pay_award


def _first_update(listed: Sequence[_Listed]) -> int | None:
    """The place of the first schedule that gives the pair another value than before."""
    for place, one in enumerate(listed[1:], 1):
        if one.pence is not None and one.pence != _last_value(listed[:place]):
            return place
    return None


def _last_value(listed: Sequence[_Listed]) -> int | None:
    values = [one.pence for one in listed if one.pence is not None]
    return values[-1] if values else None


def _on_top(due: int | None, later: Sequence[_Listed], scheme: Scheme) -> list[Addition]:
    """What each update after the block was due adds to the value before it."""
    found, before = [], due
    for one in later:
        if one.pence is not None and one.pence != before:
            found.append(_addition(one, before, scheme, within=False))
            before = one.pence
    return found


def _addition(update: _Listed, before: int | None, scheme: Scheme, *, within: bool) -> Addition:
    assert update.pence is not None
    by = _month_after(update.published_on, scheme)
    return Addition(update.published_on, before, update.pence, by, within)


def _month_after(published_on: date, scheme: Scheme) -> date | None:
    """The last day to pay what an update adds; None where the year gives none (2026/27 ¶115)."""
    rules = scheme.low_volume
    is_given = scheme.gives("low_volume.additional_payment_within_months")
    if not (is_given and rules.new_value_is_for_pay_award):
        return None
    months = published_on.month - 1 + rules.additional_payment_within_months
    year, month = published_on.year + months // 12, months % 12 + 1
    return date(year, month, monthrange(year, month)[1])
