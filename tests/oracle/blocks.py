"""What a low volume activity block covered, and when it is due.

What belongs here: the monitor written again from the policy, in plain sums over priced lines, and
the days of payment. What does not: which lines a block covers (`low_volume.py`), or what API pays
for a line (`pricing.py`).
"""

import calendar
from collections.abc import Mapping, Sequence
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
    kept: list[tuple[date, Mapping[Pair, int]]] = []
    for day, blocks in schedules:
        if kept and day < begins:
            kept = [(day, blocks)]
        elif not kept or kept[-1][1] != blocks:
            kept.append((day, blocks))
    every = {pair for _, blocks in kept for pair in blocks}
    return {pair: _due(pair, kept, year) for pair in every}


def _due(pair: Pair, kept: Sequence[tuple[date, Mapping[Pair, int]]], year: str) -> dict[str, Any]:
    values = [blocks.get(pair) for _, blocks in kept]
    days = [day for day, _ in kept]
    starts = int(year[:4])
    if year == "2024-25":
        # "in quarter one": of an update's own day nothing is said.
        last_day, on_update = date(starts, *QUARTER_ONE), False
    elif year == "2026-27":
        last_day, on_update = date(starts, *QUARTER_TWO), True
    else:
        return _row(values[-1], None, None, None, "BLOCK_DUE_DAY_NOT_GIVEN")
    if on_update and len(days) > 1 and days[1] <= last_day:
        place, due_by, is_on_update = 1, days[1], True
    else:
        in_time = [number for number in range(1, len(days)) if days[number] <= last_day]
        place, due_by, is_on_update = max([0, *in_time]), last_day, False
    due, now = values[place], values[-1]
    by = due_by if due is not None else None
    if place < len(days) - 1:
        if now is None:
            return _row(due, by, None, None, "BLOCK_TAKEN_OFF_BY_UPDATE")
        added = now - (due or 0)
        if not on_update:
            return _row(due, by, added, None, "BLOCK_ADDITION_DAY_NOT_GIVEN")
        why = "BLOCK_UPDATED_AFTER_DUE" if due is not None else "BLOCK_LISTED_BY_UPDATE"
        return _row(due, by, added, _end_of_next_month(days[-1]), why)
    if due is None:
        return _row(None, None, None, None, "BLOCK_TAKEN_OFF_BY_UPDATE")
    if not is_on_update:
        return _row(due, by, None, None, "BLOCK_DUE_BY_DAY")
    before = values[0]
    if before is None:
        return _row(due, by, None, None, "BLOCK_DUE_ON_UPDATE")
    return _row(due, by, due - before, _end_of_next_month(days[1]), "BLOCK_DUE_ON_UPDATE")


def _end_of_next_month(day: date) -> date:
    """2026/27 ¶115: "in the month after the updated LVA schedule is published"."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, calendar.monthrange(year, month)[1])


def _row(
    due: int | None, due_by: date | None, added: int | None, added_by: date | None, why: str
) -> dict[str, Any]:
    return {
        "payment_due_pence": due,
        "payment_due_by": due_by,
        "additional_payment_pence": added,
        "additional_payment_due_by": added_by,
        "payment_reason_code": why,
    }
