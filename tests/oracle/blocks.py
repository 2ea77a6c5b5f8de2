"""What a low volume activity block covered, and when it is due.

What belongs here: the monitor written again from the policy, in plain sums over priced lines, and
the days of payment. What does not: which lines a block covers (`low_volume.py`), or what API pays
for a line (`pricing.py`).
"""

import calendar
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

Row = Mapping[str, Any]
Pair = tuple[str, str]

WAYS = {"api_variable": "api_variable", "api_blended": "api_blended", "api_fixed": "api_fixed"}
PAID_BY_NOBODY = ("outside_scheme", "charged_to_patient")
QUARTER_ONE, QUARTER_TWO = (6, 30), (9, 30)


def monitor(
    lines: Sequence[Row], without_schedule: Sequence[Row], items: Sequence[Row], pairs: list[Pair]
) -> dict[Pair, dict[str, int | None]]:
    """The sums of each pair: in its block, under API, and beside it (2023/25 ¶79-80, ¶87, ¶100)."""
    under_api = {_key(line): line for line in without_schedule}
    return {pair: _of_pair(pair, lines, under_api, items) for pair in pairs}


def _key(line: Row) -> tuple[Any, ...]:
    return line["dataset"], line["record_id"], line["line_number"]


def _of_pair(
    pair: Pair,
    lines: Sequence[Row],
    under_api: Mapping[tuple[Any, ...], Row],
    items: Sequence[Row],
) -> dict[str, int | None]:
    own = [line for line in lines if _pair(line) == pair]
    covered = [line for line in own if line["payment_mechanism"] == "lva_block"]
    paid_by_others = ("lva_block", *PAID_BY_NOBODY)
    beside = [line for line in own if line["payment_mechanism"] not in paid_by_others]
    row: dict[str, int | None] = {
        "covered_activity": len(covered),
        "covered_value_pence": _worth(covered),
        "covered_lines_without_price": sum(line["value_pence"] is None for line in covered),
        "exception_activity": len(beside),
        "exception_value_pence": _worth(beside),
        "exception_payable_pence": _all_known(beside),
    }
    again = [under_api[_key(line)] for line in covered]
    for way in ("api_variable", "api_blended", "api_fixed", "api_other"):
        of_way = [line for line in again if WAYS.get(line["payment_mechanism"], "api_other") == way]
        row[f"{way}_activity"] = len(of_way)
        row[f"{way}_value_pence"] = _worth(of_way)
        if way == "api_variable":
            amounts = [line["payable_pence"] for line in of_way]
            known = [amount for amount in amounts if amount is not None]
            row["api_variable_open_lines"] = len(amounts) - len(known)
            row["api_variable_payable_pence"] = sum(known) if known or not amounts else None
    own_items = [item for item in items if _pair(item) == pair]
    apart = [i for i in own_items if i["payment_mechanism"] in ("excluded_item", "local_agreement")]
    held = [item for item in own_items if item["payment_mechanism"] == "lva_block"]
    return row | {
        "items_apart": len(apart),
        "items_apart_amount_pence": sum(item["amount_pence"] or 0 for item in apart),
        "items_apart_payable_pence": _all_known(apart),
        "items_held": len(held),
        "items_held_amount_pence": sum(item["amount_pence"] or 0 for item in held),
    }


def _pair(row: Row) -> Pair:
    return row["provider_code"], row["commissioner_code"]


def _worth(lines: Sequence[Row]) -> int:
    return sum(line["value_pence"] or 0 for line in lines)


def _all_known(rows: Sequence[Row]) -> int | None:
    """What is payable, or nothing said where any of it is not known."""
    amounts = [row["payable_pence"] for row in rows]
    return None if None in amounts else sum(amounts)


# --- when it is due ----------------------------------------------------------------------------


def payments(
    schedules: Sequence[tuple[date, Mapping[Pair, int]]], year: str
) -> dict[Pair, dict[str, Any]]:
    """What is due of each pair: 2023/25 ¶86, and 2026/27 ¶115; other years do not say."""
    begins = date(int(year[:4]), 4, 1)
    earlier = [schedule for schedule in schedules if schedule[0] < begins]
    known = earlier[-1:] + [schedule for schedule in schedules if schedule[0] >= begins]
    every = {pair for _, blocks in known for pair in blocks}
    return {
        pair: RULES.get(year, _no_day)([(day, blocks.get(pair)) for day, blocks in known], begins)
        for pair in every
    }


def _no_day(history: list[tuple[date, int | None]], _: date) -> dict[str, Any]:
    return _row(history[-1][1], None, [], "BLOCK_DUE_DAY_NOT_GIVEN")


def _in_quarter_one(history: list[tuple[date, int | None]], begins: date) -> dict[str, Any]:
    """2023/25 ¶86: "the amount included on the LVA payments schedule ... in quarter one"."""
    last_day = date(begins.year, *QUARTER_ONE)
    on_schedule, later = history[0][1], []
    for day, block in history[1:]:
        if day <= last_day:
            on_schedule = block
        else:
            later.append((day, block))
    added = _walk(on_schedule, later, None)
    by = last_day if on_schedule is not None else None
    return _row(on_schedule, by, added, _why(history, on_schedule, added, "BLOCK_DUE_BY_DAY"))


def _on_update(history: list[tuple[date, int | None]], begins: date) -> dict[str, Any]:
    """2026/27 ¶115, sentence by sentence, day after day.

    "Once any in-year updates have been made ... or by the end of quarter two, whichever is sooner."
    "Where LVA payments are made prior to the impact of any pay award, any required additional
    payments should be made in the month after the updated LVA schedule is published."
    """
    last_day = date(begins.year, *QUARTER_TWO)
    on_schedule = history[0][1]
    value = on_schedule
    for place, (day, block) in enumerate(history[1:], 1):
        if day > last_day:
            break
        on_schedule = block
        if block is None or block == value:
            continue
        # The update is sooner: all of it now, or by the month after what it adds to what was paid.
        within = [] if value is None else [_added(day, value, block, True, _end_of_next_month)]
        on_top = _walk(block, history[place + 1 :], _end_of_next_month)
        why = _why(history, block, on_top, "BLOCK_DUE_ON_UPDATE")
        return _row(block, day, within + on_top, why)
    later = [one for place, one in enumerate(history) if place and one[0] > last_day]
    on_top = _walk(on_schedule, later, _end_of_next_month)
    by = last_day if on_schedule is not None else None
    return _row(on_schedule, by, on_top, _why(history, on_schedule, on_top, "BLOCK_DUE_BY_DAY"))


RULES = {"2024-25": _in_quarter_one, "2026-27": _on_update}


def _walk(
    value: int | None, later: Sequence[tuple[date, int | None]], by: Callable[[date], date] | None
) -> list[dict[str, Any]]:
    added = []
    for day, block in later:
        if block is not None and block != value:
            added.append(_added(day, value, block, False, by))
            value = block
    return added


def _why(
    history: Sequence[tuple[date, int | None]],
    due: int | None,
    on_top: Sequence[Mapping[str, Any]],
    plain: str,
) -> str:
    if history[-1][1] is None:
        return "BLOCK_TAKEN_OFF_BY_UPDATE"
    if not on_top:
        return plain
    if on_top[0]["additional_payment_due_by"] is None:
        return "BLOCK_ADDITION_DAY_NOT_GIVEN"
    return "BLOCK_LISTED_BY_UPDATE" if due is None else "BLOCK_UPDATED_AFTER_DUE"


def _end_of_next_month(day: date) -> date:
    """2026/27 ¶115: "in the month after the updated LVA schedule is published"."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, calendar.monthrange(year, month)[1])


def _added(
    day: date, before: int | None, block: int, is_in_due: bool, by: Callable[[date], date] | None
) -> dict[str, Any]:
    return {
        "schedule_published_on": day,
        "before_pence": before,
        "block_value_pence": block,
        "additional_payment_pence": block if before is None else block - before,
        "additional_payment_due_by": by(day) if by else None,
        "is_in_payment_due": is_in_due,
    }


def _row(
    due: int | None, due_by: date | None, added: Sequence[Mapping[str, Any]], why: str
) -> dict[str, Any]:
    on_top = [one["additional_payment_pence"] for one in added if not one["is_in_payment_due"]]
    return {
        "payment_due_pence": due,
        "payment_due_by": due_by,
        "additional_payment_pence": sum(on_top) if on_top else None,
        "payment_reason_code": why,
        "additions": list(added),
    }
