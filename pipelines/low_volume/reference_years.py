"""The reference years: those whose activity is averaged for the LVA payments schedule of a year.

Belongs here: which years they are and what they lack (2023/25 ¶83, 2026/27 ¶113-114), and pricing
their valid records in a stream, all accounted for. Does not belong here: which part a line counts
towards and the average (`pricing.low_volume_schedule`), or the schedule that is made of it
(`pipelines.low_volume.schedule`).

Records are priced as under any other year's rules (2023/25 ¶83, 2026/27 ¶113), at published prices
alone: no local price is one that the schedule was made with. Their payers are those of the day on
which the schedule begins, so that its pairs are of its own year. Nothing of a record is kept.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from pipelines.basis import PricingBasis, months_of
from pipelines.deliveries import NotDeliveredError, deliveries_of, settled_cut, take_in
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations
from pipelines.price_books.books import StoredBook
from pipelines.pricing_run import Rulebook, pairs_of_records, rulebook_for, summed
from pipelines.validation import is_validated, supplements_read
from pipelines.workspace import Workspace
from pricing import low_volume_schedule as rules_of
from pricing.contracts import PAIR
from pricing.low_volume_schedule import REFUSED, Activity, Pair, outside, schedule_rolled
from pricing.scheme import Scheme
from pricing.scheme_tables import ACTIVITY
from schemas.extracts import EXTRACTS

NOBODY_STANDS = "nobody_stands_for_provider"
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


class Pricing:
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
        if not schedule_rolled(self._scheme):
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


def _price_years(scheme: Scheme) -> list[str]:
    return sorted({part.price_year for part in scheme.low_volume.schedule if part.price_year})
