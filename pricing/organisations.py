"""Who provided and who pays: delivered organisation codes resolved to the parties.

Belongs here: from a site or sub-location as delivered to the provider and the payer of the
price year, through mergers, and what the reference tables say of that pair. Does not
belong here: the organisations themselves (`data/organisations/`, and what users import),
or what follows from them.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from pricing.reference import Reference

DELIVERED_PARTIES = ("organisation_code_of_provider", "organisation_code")
"""The codes of a record that its parties are found by; see `payer_as_delivered`."""

_TRUST_CODE_LENGTH = 3
_OPEN = date.max


@dataclass(frozen=True, slots=True)
class Period:
    """What a code stands for from its first day to its last, both included; None is open.

    A provider, an ICB and a hub of NHS England stand for themselves; a sub-ICB location
    stands for its ICB.
    """

    stands_for: str
    kind: str
    first: date
    last: date | None


@dataclass(frozen=True, slots=True)
class Succession:
    """Who took over from an organisation, and from which day."""

    successor: str
    effective_on: date


@dataclass(frozen=True, slots=True)
class Party:
    """Who a code comes down to on a day, its kind, and the codes passed through, in order."""

    code: str
    kind: str
    passed: tuple[str, ...]


Periods = Mapping[str, Sequence[Period]]
Successions = Mapping[str, Succession]


def party_on(code: str, periods: Periods, successions: Successions, on: date) -> Party | None:
    """Who `code` comes down to in the month of a day; None where nobody open stands for it.

    An organisation that is open in that month stands for itself or for its ICB. One that is
    not is followed to its successor, from the day of the succession on: never backwards,
    for of a merged organisation nobody can say which part a record would have been. One
    whose last day is not given ends where it was succeeded: the Organisation Data Service
    leaves such records open while they are still in use.

    >>> always = date(2013, 4, 1)
    >>> periods = {
    ...     "RE9": [Period("RE9", "nhs_trust", always, date(2019, 3, 31))],
    ...     "R0B": [Period("R0B", "nhs_trust", date(2019, 4, 1), None)],
    ... }
    >>> successions = {"RE9": Succession("R0B", date(2019, 4, 1))}
    >>> [
    ...     party and party.code
    ...     for code, day in [("RE9", always), ("RE9", date(2024, 7, 1)), ("R0B", always)]
    ...     for party in [party_on(code, periods, successions, day)]
    ... ]
    ['RE9', 'R0B', None]
    """
    passed = [code]
    while True:
        here = passed[-1]
        period = _in_month(periods.get(here, ()), on)
        succession = successions.get(here)
        is_succeeded = succession is not None and succession.effective_on <= on
        if succession and is_succeeded and (period is None or period.last is None):
            following = succession.successor
        elif period and period.stands_for == here:
            return Party(here, period.kind, tuple(passed))
        elif period:
            following = period.stands_for
        else:
            return None
        if following in passed:
            return None
        passed.append(following)


def _in_month(periods: Sequence[Period], on: date) -> Period | None:
    """The period that holds a day, else the first that begins later in its month.

    A record has the day of its month, so what opens within the month counts for all of it.
    """
    last = on.replace(day=monthrange(on.year, on.month)[1])
    found = [p for p in periods if p.first <= last and on <= (p.last or _OPEN)]
    return min(found, key=lambda period: period.first, default=None)


def overlaps_and_gaps(
    periods: Sequence[tuple[date, date | None]],
) -> Iterator[tuple[int, str, date, date]]:
    """Where the periods of one code, in order of first day, do not follow on one another.

    Gives the place of the later period, `overlap` or `gap`, and the first and last day of it.

    >>> days = [(date(2020, 4, 1), date(2022, 6, 30)), (date(2022, 7, 2), None)]
    >>> [(place, kind, str(first)) for place, kind, first, _ in overlaps_and_gaps(days)]
    [(1, 'gap', '2022-07-01')]
    """
    latest = periods[0][1] or _OPEN if periods else _OPEN
    for place, (first, last) in enumerate(periods[1:], 1):
        if first <= latest:
            yield place, "overlap", first, min(latest, last or _OPEN)
        elif first > latest + timedelta(days=1):
            yield place, "gap", latest + timedelta(days=1), first - timedelta(days=1)
        latest = max(latest, last or _OPEN)


def cycles(successors: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Every ring of successors, once, from the first of its codes in the alphabet.

    >>> cycles({"A": "B", "B": "C", "C": "B", "D": "D"})
    [('B', 'C'), ('D',)]
    """
    rings = set()
    for start in successors:
        passed = [start]
        while (following := successors.get(passed[-1])) is not None and following not in passed:
            passed.append(following)
        if following is not None:
            ring = passed[passed.index(following) :]
            first = ring.index(min(ring))
            rings.add((*ring[first:], *ring[:first]))
    return sorted(rings)


def payer_as_delivered() -> nw.Expr:
    """The commissioner SUS+ derived where there is one, else the one submitted."""
    return nw.coalesce("derived_commissioner_code", "organisation_code_of_commissioner")


def find_parties(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """One row for each pair of delivered codes in the records; null where unknown.

    Takes records with `DELIVERED_PARTIES`; gives those with `provider_code`,
    `provider_kind`, `mff_ppm`, the payer's `commissioner_code` and `commissioner_kind`,
    the pair's `block_value_pence` on the LVA payments schedule, and
    `is_provider_listed` and `is_commissioner_listed`: whether the lists hold the code at
    all, though nobody stands for it in the price year.

    The LVA payments schedule is matched as published, not through successions: membership
    of the published schedule decides (2023/25 ¶80-81, ¶85), and nobody but its publisher
    can say what a block is worth after a merger.
    """
    pairs = records.select(*DELIVERED_PARTIES).unique()
    pairs = _with_provider(pairs, reference)
    pairs = _with_commissioner(pairs, reference)
    return pairs.join(reference.lva_schedule, on=["provider_code", "commissioner_code"], how="left")


def _with_provider(pairs: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """A code of the list stands, a site for its provider; any other is cut to three characters.

    So a trust's site `RRV01` becomes `RRV`, and an independent provider keeps its five.
    """
    own = reference.providers.select(
        nw.col("delivered_code").alias("organisation_code_of_provider"),
        nw.col("provider_code").alias("own_provider_code"),
        nw.col("provider_kind").alias("own_provider_kind"),
        nw.lit(True).alias("is_listed_whole"),
    )
    trusts = reference.providers.select(
        nw.col("delivered_code").alias("trust_code"),
        nw.col("provider_code").alias("trust_provider_code"),
        nw.col("provider_kind").alias("trust_provider_kind"),
        nw.lit(True).alias("is_listed_cut"),
    )
    trust_code = nw.col("organisation_code_of_provider").str.slice(0, _TRUST_CODE_LENGTH)
    is_whole = ~nw.col("is_listed_whole").is_null()
    return (
        pairs.join(own, on="organisation_code_of_provider", how="left")
        .with_columns(trust_code=trust_code)
        .join(trusts, on="trust_code", how="left")
        .with_columns(
            provider_code=nw.when(is_whole)
            .then(nw.col("own_provider_code"))
            .otherwise(nw.col("trust_provider_code")),
            provider_kind=nw.when(is_whole)
            .then(nw.col("own_provider_kind"))
            .otherwise(nw.col("trust_provider_kind")),
            is_provider_listed=nw.coalesce("is_listed_whole", "is_listed_cut", nw.lit(False)),
        )
        .join(reference.market_forces_factors, on="provider_code", how="left")
        .select(
            *DELIVERED_PARTIES, "provider_code", "provider_kind", "is_provider_listed", "mff_ppm"
        )
    )


def _with_commissioner(pairs: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """A sub-ICB location is paid for by its ICB; an NHS England hub pays for itself."""
    listed = reference.commissioners.with_columns(is_commissioner_listed=nw.lit(True))
    return pairs.join(listed, on="organisation_code", how="left").with_columns(
        nw.col("is_commissioner_listed").fill_null(False)
    )
