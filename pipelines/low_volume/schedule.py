"""The LVA payments schedule of a year: rebuilt, held against the published one, and re-expressed.

Belongs here: reading what a schedule is made of (valid records, packs, price books, the users'
lists), pricing the reference years in a stream, and refusing what cannot be made whole. Does not
belong here: the sums (`pricing.low_volume_schedule`), how a year makes each part (scheme packs), or
what is written of it (`pipelines.low_volume.schedule_files`).

Records are priced as under any other year's rules (2023/25 ¶83, 2026/27 ¶113), at published prices
alone: no local price is one that the schedule was made with. Their payers are those of the day on
which the schedule begins, so that its pairs are of its own year. Nothing of a record is kept.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import polars as pl

from pipelines.basis import PricingBasis, months_of, scheme_year_of
from pipelines.deliveries import NotDeliveredError, deliveries_of, settled_cut, take_in
from pipelines.lists import listed
from pipelines.low_volume.schedule_inputs import (
    ALLOCATION_GROWTH,
    DELEGATED_ACTIVITY,
    FINANCE_PAYMENT,
    GIVEN_VALUE,
    LAST_VALUE,
    NEWLY_DELEGATED,
    PROVIDER_INCOME,
    by_parties,
    inputs_lacking,
    locations,
    read_locations,
    read_schedule_inputs,
)
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations, read_organisations
from pipelines.price_books import published_table, sha256_of
from pipelines.price_books.annex_a import LVA
from pipelines.price_books.books import StoredBook
from pipelines.price_books.reading import TableRead
from pipelines.pricing_run import Rulebook, pairs_of_records, rulebook_for, summed
from pipelines.scheme_packs import SchemePack, pack_of, scheme_for
from pipelines.user_lists import UserList
from pipelines.validation import is_validated, supplements_read
from pipelines.workspace import UserError, Workspace
from pricing import low_volume_schedule as rules_of
from pricing.contracts import PAIR
from pricing.cost_adjustment import net_uplift
from pricing.explaining import pounds
from pricing.low_volume_schedule import (
    NOT_AN_ICB,
    NOT_GIVEN,
    REFUSED,
    Activity,
    BlockValue,
    Difference,
    Inputs,
    NobodyStandsError,
    OwnYear,
    Pair,
    Reexpressed,
    Row,
    Weighed,
    against_published,
    at_threshold,
    block_values,
    boards_expected,
    kept_apart,
    near_or_across,
    outside,
    reexpressed,
    with_other_tests,
)
from pricing.money import PPM
from pricing.organisations import Party
from pricing.scheme import Parameter, Scheme
from pricing.scheme_tables import (
    ACTIVITY,
    ACUTE,
    CORE,
    FINANCE_PAYMENTS,
    MENTAL_HEALTH_AND_COMMUNITY,
    SECONDARY_DENTAL,
    SPECIALISED,
    WHOLE,
)
from schemas.extracts import EXTRACTS

COLUMN_OF_PART = {
    WHOLE: "block_value_pence",
    CORE: "acute_mental_health_community_pence",
    ACUTE: "acute_pence",
    MENTAL_HEALTH_AND_COMMUNITY: "mental_health_community_pence",
    SECONDARY_DENTAL: "secondary_dental_pence",
    SPECIALISED: "specialised_pence",
}
"""The column of a published schedule that holds each part."""
NOBODY_STANDS = "nobody_stands_for_provider"
_SHOWN_PAIRS = 10

Advance = Callable[[int], object]


@dataclass(slots=True)
class ReferenceYear:
    """What pricing made of a reference year's records, all accounted for.

    `by_pair` is what counts, by pair and part; `left_out` what is in no pair's value, by reason and
    what it counts as. `done_by` are the pairs that each pair's records were of, with the day.
    """

    scheme_year: str
    records: int = 0
    priced: int = 0
    refused_by_code: dict[str, int] = field(default_factory=dict)
    by_pair: dict[tuple[Pair, str], Activity] = field(default_factory=dict)
    left_out: dict[tuple[str, str], Activity] = field(default_factory=dict)
    done_by: dict[Pair, set[tuple[date, Pair]]] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Records that pricing refused."""
        return self.records - self.priced

    @property
    def counted(self) -> Activity:
        """What the pairs come to together."""
        return sum(self.by_pair.values(), Activity())

    def of_part(self, part: str, pairs: Container[Pair]) -> Activity:
        """What some pairs come to of a part."""
        found = (of for (pair, own), of in self.by_pair.items() if own == part and pair in pairs)
        return sum(found, Activity())

    @property
    def all_lines(self) -> Activity:
        """Every priced line, counted or left out."""
        return sum(self.left_out.values(), self.counted)


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


@dataclass(frozen=True, slots=True)
class YearFactors:
    """What a year's cost uplift and efficiency come to, the values it rests on, and their pack."""

    net: Fraction
    uplift: Parameter
    efficiency: Parameter
    pack: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule rebuilt, with all that it rests on."""

    scheme: Scheme
    as_of: date | None
    values: tuple[BlockValue, ...]
    listed: tuple[BlockValue, ...]
    published: PublishedSchedule | None
    last: PublishedSchedule | None
    differences: tuple[Difference, ...]
    weighed: tuple[Weighed, ...]
    years: tuple[ReferenceYear, ...]
    years_lacking: Mapping[str, tuple[str, ...]]
    factors: Mapping[str, YearFactors]
    inputs: Mapping[str, str]
    notices: tuple[str, ...]
    is_illustrative: bool

    @property
    def scheme_year(self) -> str:
        """The scheme year of the schedule."""
        return self.scheme.scheme_year

    @property
    def is_partial(self) -> bool:
        """Whether an average is of some of the reference years alone."""
        return bool(self.years_lacking)

    @property
    def total_pence(self) -> int:
        """What all that are listed come to."""
        return sum(one.pence or 0 for one in self.listed)

    @property
    def with_value(self) -> set[Pair]:
        """The pairs that have a value, listed or not."""
        return {one.pair for one in self.values if one.pence is not None}

    def counted(self, year: ReferenceYear) -> tuple[Activity, Activity]:
        """What of a reference year is in values, and what is of pairs that have none."""
        every, within = year.by_pair, self.with_value
        in_values = sum((of for (pair, _), of in every.items() if pair in within), Activity())
        without = sum((of for (pair, _), of in every.items() if pair not in within), Activity())
        return in_values, without


def recipe(workspace: Workspace, scheme_year: str, as_of: date | None = None) -> SchemePack:
    """The rules of a year whose pack says how its schedule is made.

    Raises `SchemePackError` with the reason where it does not.
    """
    pack = scheme_for(workspace, pack_of(workspace, scheme_year).effective_to, as_of)
    _ = pack.scheme.low_volume.schedule
    return pack


def reference_years(scheme: Scheme) -> list[str]:
    """The years whose activity the schedule is made from, in order."""
    of_activity = [part for part in scheme.low_volume.schedule if part.source == ACTIVITY]
    return sorted({year for part in of_activity for year in part.reference_years})


def months_lacking(workspace: Workspace, scheme: Scheme) -> dict[str, tuple[str, ...]]:
    """The months of each reference year that have no valid records of all there is; none if whole.

    By year, and only years that lack any.
    """
    lacking = {
        year: tuple(
            month
            for month in months_of(year)
            if not all(is_validated(workspace, extract.dataset, month) for extract in EXTRACTS)
        )
        for year in reference_years(scheme)
    }
    return {year: months for year, months in lacking.items() if months}


def months_to_take_in(workspace: Workspace, lacking: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Of months that are lacking those whose extracts are in the landing folder, in order.

    Raises `UserError` for what else keeps them from being taken in, such as a file that may hold
    one of them and cannot be read.
    """
    months = sorted(month for of_year in lacking.values() for month in of_year)
    landed = []
    for month in months:
        try:
            for extract in EXTRACTS:
                take_in(workspace, extract.dataset, month)
        except NotDeliveredError:
            continue
        landed.append(month)
    return landed


def build(
    workspace: Workspace,
    scheme_year: str,
    as_of: date | None = None,
    *,
    allows_partial: bool = False,
    advance: Advance | None = None,
) -> Schedule:
    """The schedule of a year, made as its pack says, from what is there; nothing is written.

    `as_of` takes packs, prices and organisations as published by a day. `allows_partial` makes an
    average of the reference years that are whole; `advance` is told of each dataset's month that
    is done. Raises `UserError` naming everything that is lacking.
    """
    pack = recipe(workspace, scheme_year, as_of)
    scheme, begins = pack.scheme, pack.scheme.effective_from
    known = workspace.on(PricingBasis(None, as_of))
    organisations = read_organisations(known)
    given = read_schedule_inputs(known, scheme, organisations)
    places = read_locations(known, organisations)
    lacking = months_lacking(workspace, scheme)
    last, published = _last_schedule(known, scheme), _published(known, scheme_year)
    before = _year_before(known, scheme)
    _refuse_lacking(scheme, lacking, last, given, allows_partial)
    resolve = partial(_codes_on, organisations, begins)
    published_rows = _in_own_year(published, resolve).rows if published else None
    of_user = by_parties(given.rows, resolve(given.rows[PAIR[0]], given.rows[PAIR[1]]))
    held = _held_by_last(last, resolve, given.rows, of_user, scheme)
    factors = _factors(workspace, scheme, as_of)

    pricing = _Pricing(workspace, scheme, as_of, organisations)
    years = [pricing.year(year, advance) for year in reference_years(scheme) if year not in lacking]
    inputs = _inputs(of_user, _with_unnamed(held, years, organisations), years)
    values = block_values(inputs, scheme, {year: one.net for year, one in factors.items()})
    _refuse_not_given(values)
    as_known_then = (
        block_values(inputs, scheme, _net_uplifts_then(workspace, published, factors))
        if published
        else []
    )
    listed_last_year = _pairs_now(before, resolve) if before else None
    weighed = near_or_across(
        values, scheme.low_volume, published_rows, _pairs_now(last, resolve) if last else None
    )
    schedules = [one for one in (last, published, before) if one]
    books = [*pricing.books, *(one.book for one in schedules)]
    return Schedule(
        scheme=scheme,
        as_of=as_of,
        values=tuple(values),
        listed=tuple(_listed(values, scheme, published_rows)),
        published=published,
        last=last,
        differences=tuple(against_published(values, published_rows, as_known_then))
        if published_rows
        else (),
        weighed=tuple(
            _with_other_tests(weighed, values, scheme, of_user, places, listed_last_year)
        ),
        years=tuple(years),
        years_lacking=lacking,
        factors=factors,
        inputs={
            f"scheme pack {pack.path.name}": pack.sha256,
            **{f"scheme pack {one.pack}": one.sha256 for one in factors.values()},
            **pricing.inputs,
            "organisations": organisations.sha256,
            **{f"schedule inputs {name}": sha256 for name, sha256 in given.files.items()},
            **{f"organisation locations {name}": sha256 for name, sha256 in places.files.items()},
            **{f"schedule of {one.scheme_year}, {one.book.id}": one.sha256 for one in schedules},
        },
        notices=tuple(_notices(scheme, values, published, organisations, years, factors, of_user)),
        is_illustrative=organisations.is_illustrative
        or any(book.publication.is_illustrative for book in books),
    )


def reexpress(
    workspace: Workspace, scheme_year: str, on: date, as_of: date | None = None
) -> tuple[PublishedSchedule, Reexpressed, list[str]]:
    """The published schedule of a year for the organisations of a day, its total conserved.

    And a notice of each merged pair that is not below the year's threshold. Raises `UserError`
    where nothing is published, or naming the cells of codes for which nobody stands on the day.
    """
    known = workspace.on(PricingBasis(None, as_of))
    published = _published(known, scheme_year)
    if not published:
        raise UserError(f"There is nothing to re-express: {_nothing_published(scheme_year)}.")
    pack = pack_of(known, scheme_year)
    scheme = pack.scheme(pack.effective_to, as_of)
    organisations = read_organisations(known)
    made = _in_own_year(published, partial(_codes_on, organisations, on), on)
    made = kept_apart(made, _own_year(organisations, published, scheme, on))
    totals = [sum(row[WHOLE] or 0 for row in of.values()) for of in (published.rows, made.rows)]
    if totals[0] != totals[1]:
        raise AssertionError(f"{totals[0]} pence became {totals[1]}")
    return published, made, _at_threshold(made, scheme)


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


Codes = Mapping[str, Mapping[str, str | None]]
Resolve = Callable[[Iterable[str | None], Iterable[str | None]], Codes]


def _codes_on(
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
    listed = _codes_on(organisations, begins, *zip(*published.rows, strict=True))
    pairs = {
        (listed[PROVIDERS][provider] or provider, listed[COMMISSIONERS][payer] or payer)
        for provider, payer in published.rows
    }
    return OwnYear(found[PROVIDERS], found[COMMISSIONERS], pairs | published.rows.keys())


def _standing(parties: Mapping[str, Party | None]) -> set[str]:
    return {code for code, party in parties.items() if party and party.code == code}


def _firsts(after: date, until: date) -> Iterator[date]:
    """The firsts of the months after a day, until another."""
    months = range(after.year * 12 + after.month, until.year * 12 + until.month)
    return (date(month // 12, month % 12 + 1, 1) for month in months)


def _last_schedule(workspace: Workspace, scheme: Scheme) -> PublishedSchedule | None:
    """The schedule that is rolled forward, if one is and it was published."""
    rolled = _schedule_rolled(scheme)
    return _published(workspace, rolled) if rolled else None


def _schedule_rolled(scheme: Scheme) -> str | None:
    """The year of the schedule that is rolled forward, if one is."""
    return next((one.of_schedule for one in scheme.low_volume.schedule if one.of_schedule), None)


def _year_before(workspace: Workspace, scheme: Scheme) -> PublishedSchedule | None:
    """The schedule of the year before, where whether a pair was on it is weighed."""
    if not scheme.gives("low_volume.also_considered"):
        return None
    if "previous_lva" not in scheme.low_volume.also_considered:
        return None
    return _published(workspace, scheme_year_of(f"{scheme.effective_from - timedelta(1):%Y-%m}"))


def _pairs_now(published: PublishedSchedule, resolve: Resolve) -> set[Pair]:
    """The pairs that those of an earlier schedule came down to; not those of whom nobody stands."""
    codes = resolve([pair[0] for pair in published.rows], [pair[1] for pair in published.rows])
    now = ((codes[PROVIDERS][one], codes[COMMISSIONERS][other]) for one, other in published.rows)
    return {(provider, payer) for provider, payer in now if provider and payer}


def _published(workspace: Workspace, scheme_year: str) -> PublishedSchedule | None:
    """The schedule of a year as last published for it, by the basis' day."""
    ends = pack_of(workspace, scheme_year).effective_to
    found = published_table(workspace, scheme_year, ends, LVA, workspace.basis.as_of)
    if not found:
        return None
    book, table = found
    if table.faults:
        raise UserError(f"The price book {book.id} cannot be used:\n{listed(table.faults)}")
    return PublishedSchedule(scheme_year, book, table)


def _nothing_published(scheme_year: str) -> str:
    return (
        f"no LVA payments schedule of {scheme_year} was imported: sus-pricing prices import "
        f"WORKBOOK.xlsx --scheme {scheme_year} --published DATE --effective DATE"
    )


def _refuse_lacking(
    scheme: Scheme,
    lacking: Mapping[str, tuple[str, ...]],
    last: PublishedSchedule | None,
    given: UserList,
    allows_partial: bool,
) -> None:
    """Raises `UserError` with all that the schedule needs and is not there."""
    faults = []
    years = reference_years(scheme)
    if lacking and not allows_partial:
        for year, months in lacking.items():
            faults.append(f"{year} lacks {_in_short(months)}")
        faults.append(
            "put their extracts in the landing folder and build again, which takes them in; or "
            "give --partial, for an average of the whole years alone"
        )
    elif years and set(lacking) == set(years):
        faults.append(f"not one of {', '.join(years)} is whole: there is nothing to average")
    rolled = _schedule_rolled(scheme)
    if rolled and not last:
        faults.append(_nothing_published(rolled))
    faults += [
        f"the list of schedule inputs has no {what}" for what in inputs_lacking(given, scheme)
    ]
    if faults:
        raise UserError(
            f"The LVA payments schedule of {scheme.scheme_year} cannot be made:\n{listed(faults)}"
        )


def _price_years(scheme: Scheme) -> list[str]:
    return sorted({part.price_year for part in scheme.low_volume.schedule if part.price_year})


def _in_short(months: tuple[str, ...]) -> str:
    """Months that follow each other by the first and the last of them."""
    runs: list[list[str]] = []
    for month in months:
        year = int(month[:4]) * 12 + int(month[5:])
        before = int(runs[-1][-1][:4]) * 12 + int(runs[-1][-1][5:]) if runs else 0
        if runs and year == before + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _in_own_year(
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


Held = Mapping[Pair, Mapping[Pair, Row]]
"""What the last schedule holds, by pair and by each pair that came together in it."""


def _held_by_last(
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
    now = _in_own_year(last, resolve).made_of if last else {}
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


def _with_unnamed(held: Held, years: Iterable[ReferenceYear], organisations: Organisations) -> Held:
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
        codes = _codes_on(organisations, day, *zip(*names, strict=True))
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


def _net_uplifts_then(
    workspace: Workspace, published: PublishedSchedule, factors: Mapping[str, YearFactors]
) -> dict[str, Fraction]:
    """What each year added as known on the day of a schedule; as now where not all was known."""
    day = published.book.publication.published_on
    then = {}
    for year, now in factors.items():
        then[year] = now.net
        if max(now.uplift.published_on, now.efficiency.published_on) > day:
            with suppress(UserError):
                pack = scheme_for(workspace, pack_of(workspace, year).effective_to, day)
                then[year] = net_uplift(pack.scheme.cost_adjustment)
    return then


def _factors(workspace: Workspace, scheme: Scheme, as_of: date | None) -> dict[str, YearFactors]:
    """What each year that values are uplifted by adds, as known on the day."""
    years = {year for part in scheme.low_volume.schedule for year in part.uplift_years}
    found = {}
    for year in sorted(years):
        pack = scheme_for(workspace, pack_of(workspace, year).effective_to, as_of)
        values = pack.scheme.parameters
        found[year] = YearFactors(
            net=net_uplift(pack.scheme.cost_adjustment),
            uplift=values["cost_adjustment.uplift_ppm"],
            efficiency=values["cost_adjustment.efficiency_ppm"],
            pack=pack.path.name,
            sha256=pack.sha256,
        )
    return found


class _Pricing:
    """The pricing of reference years, month by month, under one year's rules and prices."""

    def __init__(
        self,
        workspace: Workspace,
        scheme: Scheme,
        as_of: date | None,
        organisations: Organisations,
    ) -> None:
        self._scheme, self._organisations = scheme, organisations
        years = _price_years(scheme)
        self._workspace = workspace.on(PricingBasis(years[0] if years else None, as_of))
        self._rulebooks: dict[date, Rulebook] = {}
        self._kinds: dict[str, dict[str, tuple[str | None, str | None]]] = {
            PROVIDERS: {},
            COMMISSIONERS: {},
        }
        self.inputs: dict[str, str] = {}

    @property
    def books(self) -> list[StoredBook]:
        """The price books that priced anything."""
        found = [b for book in self._rulebooks.values() for b in book.book.stored.values()]
        return list({book.id: book for book in found}.values())

    def year(self, year: str, advance: Advance | None) -> ReferenceYear:
        """A whole year's records, priced and summed a month at a time."""
        made = ReferenceYear(year)
        for month in months_of(year):
            rulebook = self._rulebook(month)
            for extract in EXTRACTS:
                self._month(made, extract.dataset, month, rulebook)
                if advance:
                    advance(1)
        if made.priced + sum(made.refused_by_code.values()) != made.records:
            raise AssertionError(f"{year}: {made.records} records are not all accounted for")
        return made

    def _month(self, made: ReferenceYear, dataset: str, month: str, rulebook: Rulebook) -> None:
        rules = self._scheme.low_volume
        sums = partial(rules_of.sums, rules=rules)
        records, found = summed(self._workspace, dataset, month, rulebook, sums)
        made.records += records
        for row in found.iter_rows(named=True):
            if row["counts_as"] == REFUSED:
                codes = row["refusal_codes"]
                made.refused_by_code[codes] = made.refused_by_code.get(codes, 0) + row["records"]
                continue
            made.priced += row["records"]
            done = Activity(row["lines"], row["value_pence"], row["lines_without_price"])
            pair, reason = self._counted(row)
            if reason:
                out = (reason, row["counts_as"])
                made.left_out[out] = made.left_out.get(out, Activity()) + done
            else:
                key = (pair, row["counts_as"])
                made.by_pair[key] = made.by_pair.get(key, Activity()) + done
        self._note_pairs(made, dataset, month, rulebook)
        self._note_inputs(dataset, month)

    def _note_pairs(
        self, made: ReferenceYear, dataset: str, month: str, rulebook: Rulebook
    ) -> None:
        """Whose the records were on the day of the rules, by who they are of in the new year."""
        if not _schedule_rolled(self._scheme):
            return
        day = self._workspace.basis.rules_day(month)
        for own, payer, now in pairs_of_records(self._workspace, dataset, month, rulebook):
            provider, _ = self._party(PROVIDERS, own)
            standing, _ = self._party(COMMISSIONERS, now)
            if provider and standing:
                made.done_by.setdefault((provider, standing), set()).add((day, (own, payer)))

    def _counted(self, row: Mapping[str, Any]) -> tuple[Pair, str | None]:
        """The pair of the new year that a sum is of, and why it is in no value, if it is not."""
        provider, provider_kind = self._party(PROVIDERS, row[PAIR[0]])
        payer, payer_kind = self._party(COMMISSIONERS, row[PAIR[1]])
        made = {part.part for part in self._scheme.low_volume.schedule if part.source == ACTIVITY}
        if row["counts_as"] not in made:
            return ("", ""), row["counts_as"]
        reason = outside(provider_kind, payer_kind, self._scheme)
        if provider is None:
            reason = NOBODY_STANDS
        return (str(provider), str(payer)), reason

    def _party(self, name: str, code: str) -> tuple[str | None, str | None]:
        """Who a code comes down to when the schedule begins, and of which kind."""
        known = self._kinds[name]
        if code not in known:
            party = self._organisations.parties(name, [code], self._scheme.effective_from)[code]
            known[code] = (party.code, party.kind) if party else (None, None)
        return known[code]

    def _rulebook(self, month: str) -> Rulebook:
        """The rules and prices of a month; of every reference year's July they are the same."""
        day = self._workspace.basis.rules_day(month)
        if day not in self._rulebooks:
            found = rulebook_for(self._workspace, month)
            found = found.at_published_prices(payers_on=self._scheme.effective_from)
            self._rulebooks[day] = found
            self.inputs |= found.inputs()
        return self._rulebooks[day]

    def _note_inputs(self, dataset: str, month: str) -> None:
        """What identifies the extracts that the month's records are from."""
        cut = settled_cut(self._workspace, dataset, month)
        for delivery in deliveries_of(self._workspace, dataset):
            if month in delivery.months and delivery.cut == cut:
                self.inputs[f"extract {delivery.name}"] = delivery.sha256
        for one in supplements_read(self._workspace, dataset, month, cut):
            self.inputs[f"supplementary extract {one['name']}"] = one["sha256"]


def _inputs(of_user: pl.DataFrame, held: Held, years: Iterable[ReferenceYear]) -> Inputs:
    """All that the sums take, by pairs of the new year; what merged is added up."""
    activity = {year.scheme_year: dict(year.by_pair) for year in years}
    for row in of_user.filter(schedule_input=DELEGATED_ACTIVITY).iter_rows(named=True):
        if row["year"] in activity:
            key = ((row[PAIR[0]], row[PAIR[1]]), row["part"])
            of_year = activity[row["year"]]
            more = Activity(value_pence=row["amount_pence"])
            of_year[key] = of_year.get(key, Activity()) + more

    def by_part(name: str) -> dict[tuple[Pair, str], int]:
        found: dict[tuple[Pair, str], int] = {}
        for row in of_user.filter(schedule_input=name).iter_rows(named=True):
            key = ((row[PAIR[0]], row[PAIR[1]]), row["part"])
            found[key] = found.get(key, 0) + row["amount_pence"]
        return found

    paid: dict[Pair, dict[str, int]] = {}
    for row in of_user.filter(schedule_input=FINANCE_PAYMENT).iter_rows(named=True):
        of_pair = paid.setdefault((row[PAIR[0]], row[PAIR[1]]), {})
        of_pair[row["year"]] = of_pair.get(row["year"], 0) + row["amount_pence"]
    growth = of_user.filter(schedule_input=ALLOCATION_GROWTH)
    return Inputs(
        activity=activity,
        last=held,
        finance_payments=paid,
        allocation_growth={
            payer: 1 + Fraction(ppm, PPM)
            for payer, ppm in growth.select(PAIR[1], "growth_ppm").iter_rows()
        },
        given_parts=by_part(GIVEN_VALUE),
        newly_delegated=by_part(NEWLY_DELEGATED),
    )


def _refuse_not_given(values: Iterable[BlockValue]) -> None:
    """Raises `UserError` naming the pairs that lack a part which the user must give."""
    lacking = [
        f"{' and '.join(value.pair)}: {missing.says}"
        for value in values
        for missing in value.missing
        if missing.kind == NOT_GIVEN
    ]
    if lacking:
        raise UserError(
            "What these pairs need is not known. Give it in the list of schedule inputs (see "
            f"README.md of landing):\n{listed(lacking)}"
        )


def _listed(
    values: Iterable[BlockValue], scheme: Scheme, published: Mapping[Pair, Row] | None
) -> list[BlockValue]:
    """The pairs of the schedule: those that are published, else those below the threshold."""
    found = [one for one in values if one.pence is not None]
    if published is not None:
        return [one for one in found if one.pair in published]
    rules = scheme.low_volume
    return [one for one in found if (one.weighed_pence(rules) or 0) < rules.threshold_pence]


def _with_other_tests(
    weighed: Iterable[Weighed],
    values: Iterable[BlockValue],
    scheme: Scheme,
    of_user: pl.DataFrame,
    places: UserList,
    listed_last_year: Container[Pair] | None,
) -> list[Weighed]:
    """Pairs near the threshold with what else is weighed.

    A specialised value shows that a provider delivers such services; that it has none in a block
    does not show that it does not, for it may have them under API.
    """
    where = locations(places)
    incomes = of_user.filter(schedule_input=PROVIDER_INCOME).group_by(PAIR[0])
    income = dict(incomes.agg(pl.sum("amount_pence")).iter_rows())
    specialised = {
        value.pair[0]
        for value in values
        for one in value.worked
        if one.part.part == SPECIALISED and one.pence
    }
    return [
        with_other_tests(
            one,
            scheme,
            income.get(one.pair[0]),
            (where.get(one.pair[0]), where.get(one.pair[1])),
            True if one.pair[0] in specialised else None,
            listed_last_year,
        )
        for one in weighed
    ]


def _notices(
    scheme: Scheme,
    values: Sequence[BlockValue],
    published: PublishedSchedule | None,
    organisations: Organisations,
    years: Sequence[ReferenceYear],
    factors: Mapping[str, YearFactors],
    of_user: pl.DataFrame,
) -> Iterator[str]:
    """What a reader must know before using any of it."""
    without = sum(one.lines_without_price for one in values)
    if without:
        yield f"{without:,} lines have no published price, and are worth nothing in the averages."
    yield from _of_assumptions(scheme, factors)
    yield from _of_delegated(scheme, years, of_user)
    yield from _without_value(scheme, values, years)
    yield from _of_both_sources(values)
    expected, boards = boards_expected(scheme), _boards(organisations, scheme)
    if expected is not None and boards != expected:
        yield (
            f"The schedule is for {expected} ICBs; the organisations have {boards} on "
            f"{scheme.effective_from}. Import those of that day."
        )
    if published is None:
        yield (
            f"No schedule of {scheme.scheme_year} was imported: every pair that has a value, and "
            "one below the threshold, is listed. What else a schedule weighs is for people to "
            "judge."
        )


def _of_assumptions(scheme: Scheme, factors: Mapping[str, YearFactors]) -> Iterator[str]:
    """Each factor that no document states."""
    growth = scheme.parameters.get("low_volume.growth_ppm")
    used = [(year, of) for year, one in factors.items() for of in (one.uplift, one.efficiency)]
    for year, one in [*used, *([(scheme.scheme_year, growth)] if growth else [])]:
        if one.basis == "assumed":
            yield (
                f"A factor of {year} is an assumption that no document here states: {one.says} "
                "Check it before using any value."
            )


def _of_delegated(
    scheme: Scheme, years: Sequence[ReferenceYear], of_user: pl.DataFrame
) -> Iterator[str]:
    """What NHS England paid for in reference years, of services that are the ICBs' by now.

    Not of years for which the list says what it would have been of each pair.
    """
    given = of_user.filter(schedule_input=DELEGATED_ACTIVITY).select("year", "part").rows()
    for part in scheme.low_volume.schedule:
        if not part.is_delegated or part.source != ACTIVITY:
            continue
        found = {
            year.scheme_year: year.left_out.get((NOT_AN_ICB, part.part))
            for year in years
            if (year.scheme_year, part.part) not in given
        }
        amounts = [f"{pounds(of.value_pence)} of {year}" for year, of in found.items() if of]
        if amounts:
            name = part.part.replace("_", " ")
            yield (
                f"NHS England paid for {name} of NHS trusts before it was delegated: "
                f"{', '.join(amounts)}. No average has it, and each may be too low. Which "
                "ICB it would be of is not told here: give what each pair had of those years as "
                f"{DELEGATED_ACTIVITY} in the list of schedule inputs."
            )


def _without_value(
    scheme: Scheme, values: Iterable[BlockValue], years: Iterable[ReferenceYear]
) -> Iterator[str]:
    """The pairs that cannot be made, and what they had."""
    found = [one for one in values if one.missing]
    pairs = {one.pair for one in found}
    worth = sum(
        done.value_pence
        for year in years
        for (pair, _), done in year.by_pair.items()
        if pair in pairs
    )
    if found:
        missing = dict.fromkeys(of.part for one in found for of in one.missing)
        parts = " and ".join(part.replace("_", " ") for part in missing)
        yield (
            f"{len(found):,} pairs, with {pounds(worth)} of activity in the reference years, have "
            f"no value and are not listed, since the schedule of {_schedule_rolled(scheme)} does "
            f"not name all that they are made of: working.csv has them. Give their {parts} in it "
            f"as {LAST_VALUE} in the list of schedule inputs, 0 where there is none."
        )


def _of_both_sources(values: Iterable[BlockValue]) -> Iterator[str]:
    """The pairs that have both activity and finance payments, which one reading takes apart."""
    found = []
    for value in values:
        sources = {one.part.source for one in value.worked if any(one.amounts)}
        if {ACTIVITY, FINANCE_PAYMENTS} <= sources:
            found.append(" ".join(value.pair))
    if found:
        shown = ", ".join(found[:_SHOWN_PAIRS])
        more = len(found) - _SHOWN_PAIRS
        shown = f"{shown} and {more:,} more" if more > 0 else shown
        yield (
            "Activity and finance payments are added up where a pair has both, by service; that "
            "the first are for acute trusts and the second for others would be another reading. "
            f"Pairs that have both: {shown}."
        )


def _boards(organisations: Organisations, scheme: Scheme) -> int:
    """How many ICBs there are when the schedule begins."""
    codes = sorted(organisations.payers())
    parties = organisations.parties(COMMISSIONERS, codes, scheme.effective_from).values()
    kinds = scheme.low_volume.commissioner_kinds
    return len({party.code for party in parties if party and party.kind in kinds})
