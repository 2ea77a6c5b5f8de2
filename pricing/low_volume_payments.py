"""LVA payments: what is due of each block, and by which day.

Belongs here: what the schedules that were published for a year make due (2023/25 ¶80, ¶86, 2026/27
¶109, ¶115), and why a day or an amount is not known. Does not belong here: the schedules (price
books), what a block covers (`pricing.low_volume`) or whether anything was paid: no record says so.

A schedule of other values that is published in the year is taken to be an update for a pay award;
one published before the year takes the place of those before it, and one of the same values is no
update. Where no schedule of a year lists a pair there is nothing to say of it.
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
class Payment:
    """What is due of a block: in pence, and the last day; None where that is not known."""

    payment_due_pence: int | None
    payment_due_by: date | None
    additional_payment_pence: int | None
    additional_payment_due_by: date | None
    reason: BlockReason


@dataclass(frozen=True, slots=True)
class _Timetable:
    """The schedules of a year by the day on which its blocks are due.

    `before` was current when `due` was published, where that is the update that makes it due;
    `last` is published after the day, None where none is.
    """

    due_by: date
    before: Schedule | None
    due: Schedule
    last: Schedule | None


def payments(schedules: Sequence[Schedule], scheme: Scheme) -> dict[Pair, Payment]:
    """What is due of each block that any schedule of the scheme's year lists.

    `schedules` are those published for the year as known, in the order of publication. By the end
    of the quarter that the year gives (2023/25 ¶86, 2026/27 ¶115); where the year has it so, once
    the schedule is updated if that is sooner, and then what the update adds to a block that was
    paid before, in the month after (2026/27 ¶115). An addition below zero is shown as it is.
    """
    in_year = _base_and_updates(schedules, scheme.effective_from)
    pairs = dict.fromkeys(pair for schedule in in_year for pair in schedule.blocks)
    if not scheme.gives("low_volume.payment_due_by"):
        return {
            pair: Payment(
                in_year[-1].blocks.get(pair), None, None, None, BlockReason.BLOCK_DUE_DAY_NOT_GIVEN
            )
            for pair in pairs
        }
    timetable = _timetable(in_year, scheme)
    return {pair: _of_pair(pair, timetable, scheme) for pair in pairs}


def _base_and_updates(schedules: Sequence[Schedule], year_starts: date) -> list[Schedule]:
    """The schedule that the year begins with, then each update of it."""
    published: list[Schedule] = []
    for schedule in schedules:
        if published and schedule.published_on < year_starts:
            published = []
        if not published or schedule.blocks != published[-1].blocks:
            published.append(schedule)
    return published


def _timetable(in_year: Sequence[Schedule], scheme: Scheme) -> _Timetable:
    base, *updates = in_year
    due_by = scheme.low_volume.payment_due_by
    if scheme.low_volume.payment_is_due_on_update and updates:
        first = updates[0]
        if first.published_on <= due_by:
            last = updates[-1] if len(updates) > 1 else None
            return _Timetable(first.published_on, base, first, last)
    by_then = [base, *(one for one in updates if one.published_on <= due_by)]
    later = updates[len(by_then) - 1 :]
    return _Timetable(due_by, None, by_then[-1], later[-1] if later else None)


def _of_pair(pair: Pair, timetable: _Timetable, scheme: Scheme) -> Payment:
    """What is due of one block, by the schedules on either side of the day it is due."""
    due_by, due = timetable.due_by, timetable.due.blocks.get(pair)
    of_day = due, due_by if due is not None else None
    if timetable.last is not None:
        now = timetable.last.blocks.get(pair)
        if now is None:
            return Payment(*of_day, None, None, BlockReason.BLOCK_TAKEN_OFF_BY_UPDATE)
        by = _month_after(timetable.last, scheme)
        reason = BlockReason.BLOCK_UPDATED_AFTER_DUE
        if due is None:
            reason = BlockReason.BLOCK_LISTED_BY_UPDATE
        if by is None:
            reason = BlockReason.BLOCK_ADDITION_DAY_NOT_GIVEN
        return Payment(*of_day, now - (due or 0), by, reason)
    if due is None:
        return Payment(None, None, None, None, BlockReason.BLOCK_TAKEN_OFF_BY_UPDATE)
    if timetable.before is None:
        return Payment(*of_day, None, None, BlockReason.BLOCK_DUE_BY_DAY)
    paid_before = timetable.before.blocks.get(pair)
    if paid_before is None:
        return Payment(*of_day, None, None, BlockReason.BLOCK_DUE_ON_UPDATE)
    by = _month_after(timetable.due, scheme)
    return Payment(*of_day, due - paid_before, by, BlockReason.BLOCK_DUE_ON_UPDATE)


def _month_after(update: Schedule, scheme: Scheme) -> date | None:
    """The last day to pay what an update adds; None where the year gives none (2026/27 ¶115)."""
    if not scheme.gives("low_volume.additional_payment_within_months"):
        return None
    months = update.published_on.month - 1 + scheme.low_volume.additional_payment_within_months
    year, month = update.published_on.year + months // 12, months % 12 + 1
    return date(year, month, monthrange(year, month)[1])
