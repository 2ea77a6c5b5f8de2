"""LVA payments schedules as published, and as they are for the organisations of a day.

Belongs here: reading the schedule of a year, the one that is rolled forward (2023/25 ¶83, 2026/27
¶113) and that of the year before (2026/27 ¶106); what the last one holds of each pair, and what the
user says that it does not; re-expressing one for the ICBs of a day, its total conserved (2026/27
¶107). Does not belong here: adding pairs up (`pricing.low_volume_schedule`), finding and reading
price books (`pipelines.price_books`), or making a schedule (`pipelines.low_volume.schedule`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import polars as pl

from pipelines.basis import PricingBasis, scheme_year_of
from pipelines.lists import listed
from pipelines.low_volume.reference_years import ReferenceYear
from pipelines.low_volume.schedule_inputs import LAST_VALUE
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations, read_organisations
from pipelines.price_books import published_table, sha256_of
from pipelines.price_books.annex_a import LVA
from pipelines.price_books.books import StoredBook
from pipelines.price_books.reading import TableRead
from pipelines.scheme_packs import pack_of
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from pricing.explaining import pounds
from pricing.low_volume_schedule import (
    NobodyStandsError,
    OwnYear,
    Pair,
    Reexpressed,
    Row,
    at_threshold,
    kept_apart,
    reexpressed,
    schedule_rolled,
)
from pricing.organisations import Party
from pricing.scheme import Scheme
from pricing.scheme_tables import (
    ACUTE,
    CORE,
    MENTAL_HEALTH_AND_COMMUNITY,
    SECONDARY_DENTAL,
    SPECIALISED,
    WHOLE,
)

COLUMN_OF_PART = {
    WHOLE: "block_value_pence",
    CORE: "acute_mental_health_community_pence",
    ACUTE: "acute_pence",
    MENTAL_HEALTH_AND_COMMUNITY: "mental_health_community_pence",
    SECONDARY_DENTAL: "secondary_dental_pence",
    SPECIALISED: "specialised_pence",
}
"""The column of a published schedule that holds each part."""
Codes = Mapping[str, Mapping[str, str | None]]
Resolve = Callable[[Iterable[str | None], Iterable[str | None]], Codes]
Held = Mapping[Pair, Mapping[Pair, Row]]
"""What the last schedule holds, by pair and by each pair that came together in it."""


@dataclass(frozen=True, slots=True)
class PublishedSchedule:
    """A published schedule as read, by the pairs it names, and what identifies it."""

    scheme_year: str
    book: StoredBook
    table: TableRead

    @property
    def rows(self) -> dict[Pair, Row]:
        """What it says of each pair."""
        held = {part: name for part, name in COLUMN_OF_PART.items() if name in self.table.rows}
        return {
            (row[PAIR[0]], row[PAIR[1]]): {part: row[name] for part, name in held.items()}
            for row in self.table.rows.iter_rows(named=True)
        }

    @property
    def sha256(self) -> str:
        """What identifies its book's manifest and table."""
        return sha256_of([self.book.manifest, self.book.files[LVA]])

    def places(self, column: str, codes: Iterable[str]) -> list[str]:
        """Where some codes stand, in order."""
        rows = self.table.rows.filter(pl.col(column).is_in(list(codes)))
        return [
            f"{self.table.place(row, column)}: {row[column]}" for row in rows.iter_rows(named=True)
        ]


def last_schedule(workspace: Workspace, scheme: Scheme) -> PublishedSchedule | None:
    """The schedule that is rolled forward, if one is and it was published."""
    rolled = schedule_rolled(scheme)
    return published_schedule(workspace, rolled) if rolled else None


def year_before(workspace: Workspace, scheme: Scheme) -> PublishedSchedule | None:
    """The schedule of the year before, where whether a pair was on it is weighed."""
    if not scheme.gives("low_volume.also_considered"):
        return None
    if "previous_lva" not in scheme.low_volume.also_considered:
        return None
    return published_schedule(
        workspace, scheme_year_of(f"{scheme.effective_from - timedelta(1):%Y-%m}")
    )


def published_schedule(workspace: Workspace, scheme_year: str) -> PublishedSchedule | None:
    """The schedule of a year as last published for it, by the basis' day."""
    ends = pack_of(workspace, scheme_year).effective_to
    found = published_table(workspace, scheme_year, ends, LVA, workspace.basis.as_of)
    if not found:
        return None
    book, table = found
    if table.faults:
        raise UserError(f"The price book {book.id} cannot be used:\n{listed(table.faults)}")
    return PublishedSchedule(scheme_year, book, table)


def nothing_published(scheme_year: str) -> str:
    """That a year has no schedule, and how to import one."""
    return (
        f"no LVA payments schedule of {scheme_year} was imported: sus-pricing prices import "
        f"WORKBOOK.xlsx --scheme {scheme_year} --published DATE --effective DATE"
    )


def codes_on(
    organisations: Organisations,
    on: date,
    providers: Iterable[str | None],
    payers: Iterable[str | None],
) -> Codes:
    """Who each of some codes comes down to on a day, by `providers` and `commissioners`."""
    found: dict[str, dict[str, str | None]] = {}
    for name, codes in ((PROVIDERS, providers), (COMMISSIONERS, payers)):
        parties = organisations.parties(name, sorted({code for code in codes if code}), on)
        found[name] = {code: party.code if party else None for code, party in parties.items()}
    return found


def in_own_year(
    published: PublishedSchedule, resolve: Resolve, on: date | None = None
) -> Reexpressed:
    """A published schedule by the organisations of a day.

    Raises `UserError` naming the cells of codes for which nobody stands.
    """
    rows = published.rows
    codes = resolve([pair[0] for pair in rows], [pair[1] for pair in rows])
    try:
        return reexpressed(rows, codes[PROVIDERS], codes[COMMISSIONERS])
    except NobodyStandsError as error:
        lost = [
            *published.places(PAIR[0], set(error.codes) & _lost(codes[PROVIDERS])),
            *published.places(PAIR[1], set(error.codes) & _lost(codes[COMMISSIONERS])),
        ]
        when = f"on {on}" if on else "when the schedule begins"
        raise UserError(
            f"The schedule of {published.scheme_year} names organisations for whom nobody stands "
            f"{when}:\n{listed(lost)}\nImport the organisations of that day, providers or "
            "commissioners first, then the successions of those that closed: sus-pricing "
            "organisations import FILE --table TABLE --published DATE."
        ) from None


def _lost(codes: Mapping[str, str | None]) -> set[str]:
    return {code for code, now in codes.items() if now is None}


def pairs_now(published: PublishedSchedule, resolve: Resolve) -> set[Pair]:
    """The pairs that those of an earlier schedule came down to; not those of whom nobody stands."""
    codes = resolve([pair[0] for pair in published.rows], [pair[1] for pair in published.rows])
    now = ((codes[PROVIDERS][one], codes[COMMISSIONERS][other]) for one, other in published.rows)
    return {(provider, payer) for provider, payer in now if provider and payer}


def held_by_last(
    last: PublishedSchedule | None,
    resolve: Resolve,
    given: pl.DataFrame,
    of_user: pl.DataFrame,
    scheme: Scheme,
) -> Held:
    """What the last schedule holds, as it names pairs, and what the list says that it does not.

    `of_user` is what is `given` by the pairs of the new year. Raises `UserError` for a row of what
    the schedule does hold.
    """
    rows = last.rows if last else {}
    now = in_own_year(last, resolve).made_of if last else {}
    held = {pair: {named: dict(rows[named]) for named in of} for pair, of in now.items()}
    takes = {part.part: str(part.takes) for part in scheme.low_volume.schedule}
    as_named = given.filter(schedule_input=LAST_VALUE).select("file", "line", *PAIR)
    said = of_user.join(as_named, on=["file", "line"], suffix="_named")
    published = []
    for row in said.iter_rows(named=True):
        pair, named = (row[PAIR[0]], row[PAIR[1]]), tuple(row[f"{name}_named"] for name in PAIR)
        of_named = held.setdefault(pair, {}).setdefault(named, {})
        there = rows.get(named, {}).get(part := takes[row["part"]])
        if there is not None:
            place = f"{row['file']}, line {row['line']}"
            published.append(f"{place}: it has {pounds(there)} for {' and '.join(named)}")
        of_named[part] = row["amount_pence"]
    if last and published:
        raise UserError(
            f"An entry of {LAST_VALUE} is for what the schedule of {last.scheme_year} does not "
            f"hold. Leave these out:\n{listed(published)}"
        )
    return held


def with_unnamed(held: Held, years: Iterable[ReferenceYear], organisations: Organisations) -> Held:
    """The same with an empty row for each pair of which nothing is held and that had activity.

    It came together with pairs of which something is, so that without it the sum is too low.
    """
    done: dict[date, list[tuple[Pair, Pair]]] = {}
    for year in years:
        for pair, found in year.done_by.items():
            for day, own in found if pair in held else ():
                if own not in held[pair]:
                    done.setdefault(day, []).append((pair, own))
    names = {named for rows in held.values() for named in rows}
    made = {pair: dict(rows) for pair, rows in held.items()}
    for day, pairs in done.items():
        codes = codes_on(organisations, day, *zip(*names, strict=True))
        for pair, own in pairs:
            if not any(_stands_for(codes, named, own) for named in held[pair]):
                made[pair][own] = {}
    return made


def _stands_for(codes: Codes, named: Pair, own: Pair) -> bool:
    """Whether a pair as a schedule names it is another on a day, or was not there as yet.

    What nobody was on the day came later, of all that merged into it.
    """
    then = (codes[PROVIDERS][named[0]], codes[COMMISSIONERS][named[1]])
    return all(now in (None, code) for now, code in zip(then, own, strict=True))


def reexpress(
    workspace: Workspace, scheme_year: str, on: date, as_of: date | None = None
) -> tuple[PublishedSchedule, Reexpressed, list[str]]:
    """The published schedule of a year for the organisations of a day, its total conserved.

    And a notice of each merged pair that is not below the year's threshold. Raises `UserError`
    where nothing is published, or naming the cells of codes for which nobody stands on the day.
    """
    known = workspace.on(PricingBasis(None, as_of))
    published = published_schedule(known, scheme_year)
    if not published:
        raise UserError(f"There is nothing to re-express: {nothing_published(scheme_year)}.")
    pack = pack_of(known, scheme_year)
    scheme = pack.scheme(pack.effective_to, as_of)
    organisations = read_organisations(known)
    made = in_own_year(published, partial(codes_on, organisations, on), on)
    made = kept_apart(made, _own_year(organisations, published, scheme, on))
    totals = [sum(row[WHOLE] or 0 for row in of.values()) for of in (published.rows, made.rows)]
    if totals[0] != totals[1]:
        raise AssertionError(f"{totals[0]} pence became {totals[1]}")
    return published, made, _at_threshold(made, scheme)


def _own_year(
    organisations: Organisations, published: PublishedSchedule, scheme: Scheme, on: date
) -> OwnYear:
    """Who stood for themselves beside a schedule, by who they come down to on a day.

    Those are whoever did when it took effect, or in a later month of its year; but a party of the
    day itself only if it did at first, since else it came of the others.
    """
    begins = published.book.publication.effective_from
    months = [begins, *(day for day in _firsts(begins, scheme.effective_to) if day < on)]
    found: dict[str, dict[str, str]] = {}
    for name in (PROVIDERS, COMMISSIONERS):
        codes = sorted(organisations.known(name))
        standing = [_standing(organisations.parties(name, codes, day)) for day in months]
        later = set[str]().union(*standing)
        now = organisations.parties(name, sorted(later), on)
        found[name] = {
            code: party.code
            for code, party in now.items()
            if party and (party.code != code or code in standing[0])
        }
    then = codes_on(organisations, begins, *zip(*published.rows, strict=True))
    pairs = {
        (then[PROVIDERS][provider] or provider, then[COMMISSIONERS][payer] or payer)
        for provider, payer in published.rows
    }
    return OwnYear(found[PROVIDERS], found[COMMISSIONERS], pairs | published.rows.keys())


def _standing(parties: Mapping[str, Party | None]) -> set[str]:
    return {code for code, party in parties.items() if party and party.code == code}


def _firsts(after: date, until: date) -> Iterator[date]:
    """The firsts of the months after a day, until another."""
    months = range(after.year * 12 + after.month, until.year * 12 + until.month)
    return (date(month // 12, month % 12 + 1, 1) for month in months)


def _at_threshold(made: Reexpressed, scheme: Scheme) -> list[str]:
    """A notice of each merged pair that is not below the threshold, where the year has one."""
    if not scheme.gives("low_volume.threshold_pence"):
        return []
    rules = scheme.low_volume
    return [
        f"{' '.join(pair)} comes to {pounds(pence)}, which is not below the threshold of "
        f"{pounds(rules.threshold_pence)} ({scheme.citation('low_volume.threshold_pence')}): the "
        "parties may agree on API."
        for pair, pence in at_threshold(made, rules).items()
    ]
