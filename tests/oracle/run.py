"""Deliveries in, every row of a month out exactly once, priced or refused.

What belongs here: the order of work and the count that proves nothing was lost.
What does not: any rule; rules of reading are in `reading.py`, of pricing in `pricing.py`.
"""

from collections.abc import Sequence
from pathlib import Path

from . import pricing, reading
from .books import Books
from .years import Year

Delivery = tuple[str | Path, str, str]
"""Path, cut (`flex` or `freeze`) and dataset (`apc` or `op`)."""

Priced = dict[tuple[str, str, int], pricing.Line]
Refused = list[tuple[str, str | Path, int, list[str]]]


def price_row(row: reading.DeliveredRow, books: Books, year: Year) -> pricing.Outcome:
    """One delivered row, refused by the record rules or passed on to be priced."""
    if row.codes:
        return "refused", sorted(row.codes)
    if row.dataset == "apc":
        return pricing.price_spell(reading.spell_record(row), books, year)
    return pricing.price_attendance(reading.attendance_record(row), books, year)


def price_month(
    deliveries: Sequence[Delivery],
    month: str,
    books: Books,
    year: Year,
    supplements: Sequence[str | Path] = (),
) -> tuple[Priced, Refused]:
    """Price the rows of one activity month ("2024-07") of all deliveries of one cut.

    Give every delivery of the cut, of other months too, so that supersession sees them all, and
    the supplementary extracts that came with it. The priced lines are by (dataset,
    record_id, line_number); the refused rows are (dataset, delivery path, 1-based data row number,
    sorted codes), in the order delivered.
    """
    cuts = {cut for _, cut, _ in deliveries}
    if len(cuts) > 1:
        raise ValueError(f"one cut at a time, since a freeze may repeat its flex: {sorted(cuts)}")
    paths = {str(path): path for path, _, _ in deliveries}
    if len(paths) != len(deliveries):
        raise ValueError("a delivery is given twice")
    priced: Priced = {}
    refused: Refused = []
    rows = [row for row in reading.read_deliveries(deliveries) if row.month == month]
    reading.add_supplements(rows, supplements)
    records_priced = 0
    for row in rows:
        outcome = price_row(row, books, year)
        if outcome[0] == "refused":
            refused.append((row.dataset, paths[row.delivery], row.row_number, outcome[1]))
            continue
        records_priced += 1
        for line in outcome[1]:
            if tuple(line) != pricing.LINE_COLUMNS:
                raise AssertionError(f"row {row.row_number} has the wrong columns")
            key = (row.dataset, str(line["record_id"]), int(line["line_number"] or 0))
            if key in priced:
                raise AssertionError(f"{key} is priced twice")
            priced[key] = line
    if records_priced + len(refused) != len(rows):
        raise AssertionError(f"{len(rows)} rows in, {records_priced} + {len(refused)} out")
    return priced, refused
