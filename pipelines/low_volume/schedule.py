"""The LVA payments schedule of a year, rebuilt and held against the published one.

Belongs here: bringing together what a schedule is made of (2023/25 ¶83-84, 2026/27 ¶113) and what
else is weighed near the threshold (2026/27 ¶106), refusing what cannot be made whole, and telling
what a reader must know. Does not belong here: pricing the years that are averaged
(`pipelines.low_volume.reference_years`), reading or re-expressing what was published
(`pipelines.low_volume.published_schedules`), the sums (`pricing.low_volume_schedule`), how a year
makes each part (scheme packs), or what is written of it (`pipelines.low_volume.schedule_files`).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import partial

import polars as pl

from pipelines.basis import PricingBasis
from pipelines.lists import listed
from pipelines.low_volume.published_schedules import (
    Held,
    PublishedSchedule,
    codes_on,
    held_by_last,
    in_own_year,
    last_schedule,
    nothing_published,
    pairs_now,
    published_schedule,
    with_unnamed,
    year_before,
)
from pipelines.low_volume.reference_years import (
    Advance,
    Pricing,
    ReferenceYear,
    months_lacking,
    reference_years,
)
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
from pipelines.organisations import COMMISSIONERS, Organisations, read_organisations
from pipelines.scheme_packs import SchemePack, pack_of, scheme_for
from pipelines.user_lists import UserList
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from pricing.cost_adjustment import net_uplift
from pricing.explaining import pounds
from pricing.low_volume_schedule import (
    NOT_AN_ICB,
    NOT_GIVEN,
    Activity,
    BlockValue,
    Difference,
    Inputs,
    Pair,
    Row,
    Weighed,
    against_published,
    block_values,
    boards_expected,
    near_or_across,
    schedule_rolled,
    with_other_tests,
)
from pricing.money import PPM
from pricing.scheme import Parameter, Scheme
from pricing.scheme_tables import (
    ACTIVITY,
    FINANCE_PAYMENTS,
    SPECIALISED,
)

_SHOWN_PAIRS = 10


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
    last, published = last_schedule(known, scheme), published_schedule(known, scheme_year)
    before = year_before(known, scheme)
    _refuse_lacking(scheme, lacking, last, given, allows_partial)
    resolve = partial(codes_on, organisations, begins)
    published_rows = in_own_year(published, resolve).rows if published else None
    of_user = by_parties(given.rows, resolve(given.rows[PAIR[0]], given.rows[PAIR[1]]))
    held = held_by_last(last, resolve, given.rows, of_user, scheme)
    factors = _factors(workspace, scheme, as_of)

    pricing = Pricing(workspace, scheme, as_of, organisations)
    years = [pricing.year(year, advance) for year in reference_years(scheme) if year not in lacking]
    inputs = _inputs(of_user, with_unnamed(held, years, organisations), years)
    values = block_values(inputs, scheme, {year: one.net for year, one in factors.items()})
    _refuse_not_given(values)
    as_known_then = (
        block_values(inputs, scheme, _net_uplifts_then(workspace, published, factors))
        if published
        else []
    )
    listed_last_year = pairs_now(before, resolve) if before else None
    weighed = near_or_across(
        values, scheme.low_volume, published_rows, pairs_now(last, resolve) if last else None
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
    rolled = schedule_rolled(scheme)
    if rolled and not last:
        faults.append(nothing_published(rolled))
    faults += [
        f"the list of schedule inputs has no {what}" for what in inputs_lacking(given, scheme)
    ]
    if faults:
        raise UserError(
            f"The LVA payments schedule of {scheme.scheme_year} cannot be made:\n{listed(faults)}"
        )


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
            f"no value and are not listed, since the schedule of {schedule_rolled(scheme)} does "
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
