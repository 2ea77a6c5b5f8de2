"""Who provides and who pays: what the codes of a record come down to in the price year.

What belongs here: following codes through sites and successions, and what the user's lists say of
a provider and payer together (contracts, local prices, approvals, exceptions).
What does not: what any of it does to a price or a mechanism (`pricing.py`, `mechanism.py`).

Nothing here depends on more of a record than its codes and its month, so each answer is remembered.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from .books import (
    NHS_PROVIDER_KINDS,
    Approval,
    Books,
    Commissioner,
    Contract,
    Dated,
    LocalPrice,
)

Period = tuple[date | None, date | None]


def starts_of(scheme_year: str) -> int:
    """The calendar year in which a scheme year begins.

    >>> starts_of("2024-25")
    2024
    """
    return int(scheme_year[:4])


@cache
def rules_day(activity_month: str, books: Books) -> date:
    """The first of the record's month in the year whose rules and prices these are."""
    month, starts = int(activity_month[5:]), starts_of(books.price_year)
    return date(starts if month >= 4 else starts + 1, month, 1)


def end_of_month(day: date) -> date:
    """The last day of the month of a day.

    >>> end_of_month(date(2024, 2, 1)), end_of_month(date(2024, 12, 5))
    (datetime.date(2024, 2, 29), datetime.date(2024, 12, 31))
    """
    next_month = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return next_month - timedelta(days=1)


@cache
def is_of_another_year(activity_month: str, books: Books) -> bool:
    """Activity of another year than the one whose prices these are."""
    starts = starts_of(books.price_year)
    return not f"{starts}-04" <= activity_month <= f"{starts + 1}-03"


# --- codes -------------------------------------------------------------------------------------


def who_it_is_now(
    code: str, rows: dict[str, list[Dated]], books: Books, on: date, seen: tuple[str, ...] = ()
) -> Dated | None:
    """Who a code comes down to in the month of a day; None where it is nobody.

    Successors are followed forwards alone, and an open row ends where a succession begins.
    """
    if code in seen:
        return None
    here = [row for row in rows.get(code, []) if row.holds_in(on, end_of_month(on))]
    successor, since = books.successions.get(code, ("", date.max))
    may_be_succeeded = not here or here[0].last is None
    if successor and since <= on and may_be_succeeded:
        return who_it_is_now(successor, rows, books, on, (*seen, code))
    if not here:
        return None
    if here[0].belongs_to == code:
        return here[0]
    return who_it_is_now(here[0].belongs_to, rows, books, on, (*seen, code))


def is_listed(code: str, rows: dict[str, list[Dated]], books: Books) -> bool:
    """Whether a code, or one that took over from it, ever was in a list."""
    seen = set()
    while code not in rows:
        if code in seen or code not in books.successions:
            return False
        seen.add(code)
        code = books.successions[code][0]
    return True


@cache
def own_provider_code(delivered: str, activity_month: str, books: Books) -> str | None:
    """The provider's own code behind the one delivered, as in the month of activity.

    A provider's own stands; then a site's provider; then the first three characters, which are
    a trust's site or department. Five-character codes are whole for independent providers, so
    the cut is made only where the whole code is not known. None where nothing is known of it.
    """
    if is_listed(delivered, books.providers, books):
        return delivered
    begins = date.fromisoformat(f"{activity_month}-01")
    for site in books.sites.get(delivered, []):
        if site.holds_in(begins, end_of_month(begins)):
            return site.belongs_to
    return delivered[:3] if is_listed(delivered[:3], books.providers, books) else None


@cache
def provider_now(code: str, activity_month: str, books: Books) -> str | None:
    """The provider of the price year that a provider's own code comes down to, or None."""
    found = who_it_is_now(code, books.providers, books, rules_day(activity_month, books))
    return None if found is None else found.belongs_to


@cache
def provider_of(delivered: str, activity_month: str, books: Books) -> str | None:
    """The provider of the price year that the delivered code comes down to, or None."""
    own = own_provider_code(delivered, activity_month, books)
    return None if own is None else provider_now(own, activity_month, books)


@cache
def payer_of(code: str, activity_month: str, books: Books) -> Commissioner | None:
    """The payer of the price year behind the code of a commissioner, or None."""
    found = who_it_is_now(code, books.commissioners, books, rules_day(activity_month, books))
    return Commissioner(found.belongs_to, found.kind) if found else None


def is_nhs_provider(provider: str, books: Books) -> bool:
    """API and LVA are for NHS providers, unit prices for others (2023/25 ¶17, ¶20, ¶82)."""
    return books.provider_kinds[provider] in NHS_PROVIDER_KINDS


# --- what the user's lists say of a provider and payer -----------------------------------------


def is_in_force(valid_from: date | None, valid_to: date | None, on: date) -> bool:
    """Both days given, and the day neither before the one nor after the other."""
    return valid_from is not None and valid_to is not None and valid_from <= on <= valid_to


@dataclass(frozen=True, eq=False)
class Pair:
    """A provider and a payer of the price year, and the month of the activity between them."""

    provider: str
    payer: Commissioner
    activity_month: str

    def is_named_by(
        self, provider_code: str | None, commissioner_code: str | None, books: Books
    ) -> bool:
        """Whether organisations that a user's list names are these two by now."""
        if provider_code is None or commissioner_code is None:
            return False
        payer = payer_of(commissioner_code, self.activity_month, books)
        return (
            provider_now(provider_code, self.activity_month, books) == self.provider
            and payer is not None
            and payer.commissioner_code == self.payer.commissioner_code
        )


@cache
def pair_of(provider: str, payer: Commissioner, activity_month: str) -> Pair:
    """The pair, made once so that it is quick to know again."""
    return Pair(provider, payer, activity_month)


@cache
def approved_records(books: Books) -> frozenset[str]:
    """The records that the user's approvals name."""
    return frozenset(row.record_id for row in books.approvals if row.record_id is not None)


@cache
def approvals_of(pair: Pair, books: Books) -> tuple[Approval, ...]:
    """The approvals of a type of procedure, for the pair."""
    return tuple(
        row
        for row in books.approvals
        if row.record_id is None
        and row.ebi_type_code is not None
        and pair.is_named_by(row.provider_code, row.commissioner_code, books)
    )


@cache
def exceptions_of(exception: str, pair: Pair, books: Books) -> tuple[Period, ...]:
    """When the user's exceptions take the pair out of LVA for one kind of care."""
    return tuple(
        (row.valid_from, row.valid_to)
        for row in books.exceptions
        if row.exception == exception
        and pair.is_named_by(row.provider_code, row.commissioner_code, books)
    )


def has_exception(exception: str, pair: Pair, costing_date: date, books: Books) -> bool:
    """Whether the user's exceptions list the pair, in force on the costing date."""
    return any(
        is_in_force(first, last, costing_date)
        for first, last in exceptions_of(exception, pair, books)
    )


@cache
def contract_of(pair: Pair, serial_number: str | None, books: Books) -> Contract | None:
    """The row of an agreement or, for None, of the whole relationship, that is in force.

    Contracts count by whole months: activity is priced by the month.
    """
    begins = date.fromisoformat(f"{pair.activity_month}-01")
    for row in books.contracts:
        if (
            row.agreement_serial_number == serial_number
            and is_in_force(row.valid_from, row.valid_to, begins)
            and pair.is_named_by(row.provider_code, row.commissioner_code, books)
        ):
            return row
    return None


@cache
def local_prices_of(pair: Pair, books: Books) -> dict[str, tuple[LocalPrice, ...]]:
    """The prices that the two agreed, by HRG, or by treatment function and attendance."""
    found: dict[str, tuple[LocalPrice, ...]] = {}
    for row in books.local_prices:
        if pair.is_named_by(row.provider_code, row.commissioner_code, books):
            found[row.what] = (*found.get(row.what, ()), row)
    return found


def local_price(
    what: str | None, pair: Pair | None, costing_date: date, books: Books
) -> LocalPrice | None:
    """The price that the two agreed for something, in force on the costing date."""
    if what is None or pair is None:
        return None
    for row in local_prices_of(pair, books).get(what, ()):
        if is_in_force(row.valid_from, row.valid_to, costing_date):
            return row
    return None
