"""The API fixed element, built item by item, and the instalments that it is paid in.

Belongs here: the worksheet, each item on the running total of those above it (2021/22 ¶27-28,
¶36-51, 2023/25 ¶49, ¶51, ¶57, ¶61, ¶63-64, ¶66-67, Appendix 1, Appendix 1, Table 2, 2026/27
¶47-49, ¶51, ¶63-65, ¶68-69, ¶71-72, Appendix 1, Appendix 1, Table 2). Does not belong here: what a
shape of formula comes to (`pricing.worksheet_items`), which items a year has and on what base (the
scheme pack's `fixed_element.worksheet`), the yearly review of the fixed element
(`pricing.fixed_element_review`), or files (`pipelines.fixed_element.worksheets`).

Each line is rounded once, by the year's named rule, and the total is the sum of the lines: what is
printed adds up. The two worked examples of the guidance come out as printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pricing.explaining import pounds
from pricing.money import LARGEST_PENCE, rounded
from pricing.scheme import Scheme
from pricing.scheme_tables import WorksheetItem
from pricing.worksheet_items import MONTHS_IN_YEAR, Given, NetUplift, Place

_SMALLEST_BASELINE_PENCE = 1_000_000
_LARGEST_TOTAL_PENCE = 500_000_000_000
"""A baseline below £10,000 is likelier to be one in millions, one above £5 billion in pence."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a worksheet: its formula in words, base and rate, and the total down to it."""

    item: str
    formula: str
    base_pence: int | None
    rate: Fraction | None
    amount_pence: int
    running_total_pence: int
    paragraph: str


@dataclass(frozen=True, slots=True)
class Worksheet:
    """A worksheet worked out: its lines in order."""

    lines: tuple[Line, ...]

    @property
    def total_pence(self) -> int:
        """The fixed element: the sum of the lines."""
        return self.lines[-1].running_total_pence


def approaches(scheme: Scheme) -> list[str]:
    """What a year's worksheet may start from. Raises `SchemePackError` where it has none."""
    return list(dict.fromkeys(row.starts_from for row in scheme.fixed_element.worksheet))


def items_of(scheme: Scheme, starts_from: str) -> list[WorksheetItem]:
    """The items of one approach, in order."""
    return [row for row in scheme.fixed_element.worksheet if row.starts_from == starts_from]


def worksheet(
    rows: Sequence[WorksheetItem], given: Mapping[str, Given], scheme: Scheme
) -> Worksheet:
    """Each item worked out, in order, on those above it.

    Raises `ValueError` for an item that must be given and is not, or that no row is of.
    """
    missing = [row.item for row in rows if not row.is_optional and row.item not in given]
    unknown = sorted(set(given) - {row.item for row in rows})
    if missing or unknown:
        faults = [f"'{item}' is not given" for item in missing]
        faults += [f"'{item}' is no item" for item in unknown]
        raise ValueError("; ".join(faults))
    lines: list[Line] = []
    opening = total = 0
    for row in (row for row in rows if row.item in given):
        working = given[row.item].worked(row, Place(scheme, opening, total))
        amount = rounded(working.pence, scheme.rounding.quantum_pence)
        total += amount
        opening = opening if lines else amount
        lines.append(
            Line(
                item=row.item,
                formula=working.says,
                base_pence=working.base_pence,
                rate=working.rate,
                amount_pence=amount,
                running_total_pence=total,
                paragraph="; ".join(dict.fromkeys((row.citation, *working.rests_on))),
            )
        )
    return Worksheet(tuple(lines))


def faults(made: Worksheet, given: Mapping[str, Given]) -> Iterator[tuple[str, str]]:
    """What no fixed element of a contract comes to: the item it is of, blank of all, and in words.

    CNST is held to what it grows on, all of which has its share (2023/25 ¶66, 2026/27 ¶68).
    """
    opening, total = made.lines[0], made.total_pence
    found = [*_of_opening(opening)]
    for line in made.lines[1:]:
        if abs(line.amount_pence) > LARGEST_PENCE:
            found.append((line.item, f"comes to {pounds(line.amount_pence)}, which no contract is"))
        uplift = given.get(line.item)
        if isinstance(uplift, NetUplift):
            found += ((line.item, says) for says in _of_cnst(uplift, line.base_pence or 0))
    if total < 0:
        most = min(made.lines, key=lambda line: line.amount_pence)
        found.append(
            (
                "",
                f"the fixed element comes to {pounds(total)}: more is taken off than there is, "
                f"most by [{most.item}], {pounds(most.amount_pence)}. It is paid to the provider, "
                "so that it cannot be below 0",
            )
        )
    elif total > _LARGEST_TOTAL_PENCE and not found:
        found.append(("", f"the fixed element comes to {pounds(total)}, which no contract is"))
    yield from found


def _of_opening(line: Line) -> Iterator[tuple[str, str]]:
    """What a baseline that looks as if it were in millions, or in pence, comes to."""
    pence = line.amount_pence
    if not _SMALLEST_BASELINE_PENCE <= pence <= _LARGEST_TOTAL_PENCE:
        meant = "millions" if pence < _SMALLEST_BASELINE_PENCE else "pence"
        yield (
            line.item,
            f"comes to {pounds(pence)} as read, which no contract is: are the amounts in {meant}? "
            "Write pounds",
        )


def _of_cnst(uplift: NetUplift, base_pence: int) -> Iterator[str]:
    cnst = uplift.cnst
    if cnst is None:
        return
    if cnst.amount_pence is not None:
        if abs(cnst.amount_pence) > base_pence:
            yield (
                f"cnst is {pounds(cnst.amount_pence)}, more than all that it grows on, "
                f"{pounds(base_pence)}"
            )
        return
    named = sum(base for _, base, _ in cnst.services)
    if named != base_pence:
        left = base_pence - named
        what = f"leaves out {pounds(left)}" if left > 0 else f"has {pounds(-left)} too much"
        yield (
            f"cnst_by_service has bases of {pounds(named)} and {what} of {pounds(base_pence)}: "
            "each service has a share, and what is of no HRG one of 0"
        )


def is_cquin_in_prices(scheme: Scheme) -> bool:
    """Whether the unit prices of a year have the funding for CQUIN in them (2021/22 ¶51)."""
    return scheme.gives("cquin.is_in_unit_prices") and scheme.cquin.is_in_unit_prices


def of_part_year(whole: int, months: int) -> Fraction:
    """What of a year's amount, threshold or activity an agreement of some months has.

    2021/22 ¶28, 2023/25 ¶51.

    >>> of_part_year(10_000_000_00, 6), of_part_year(100, 12)
    (Fraction(500000000, 1), Fraction(100, 1))
    """
    return Fraction(whole * months, MONTHS_IN_YEAR)


def paid_to_date(total_pence: int, month: int, months: int, scheme: Scheme) -> int:
    """What of a fixed element is paid by the end of a month of its agreement, the first being 1.

    Instalments are equal but for rounding, and those of all the months are the total exactly.
    """
    paid, of_all = (_instalments(count, scheme) for count in (month, months))
    return rounded(Fraction(total_pence * paid, of_all), scheme.rounding.quantum_pence)


def paid_by_line(made: Worksheet, month: int, months: int, scheme: Scheme) -> list[tuple[int, int]]:
    """What of each line is paid in a month of the agreement, and by its end.

    Each line has what the instalments down to it come to, less those down to the line above: the
    lines add up to the instalment of the whole, to the penny. Month 0 is before the agreement.
    """
    found, above = [], (0, 0)
    for line in made.lines:
        before, by_end = (
            paid_to_date(line.running_total_pence, one, months, scheme)
            for one in (max(month - 1, 0), month)
        )
        found.append((by_end - before - (above[1] - above[0]), by_end - above[1]))
        above = (before, by_end)
    return found


def _instalments(months: int, scheme: Scheme) -> int:
    """How many instalments fall due in some months, each as its part of the year starts."""
    return -(-months * scheme.fixed_element.instalments // MONTHS_IN_YEAR)
