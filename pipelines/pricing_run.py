"""The pricing of a month: valid records to priced lines, and lines to statements.

Belongs here: bringing together the records, the scheme, the price book and the users'
lists, running the pure functions of `pricing` over them in one streamed pass, and writing
what comes out. Does not belong here: any rule.
"""

import json
from calendar import monthrange
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.activity_counts import (
    read_activity_counts,
    refuse_unusable_counts,
    valued_counts,
)
from pipelines.activity_plans import (
    planned,
    read_activity_plans,
    refuse_other_magnitudes,
    refuse_unusable_plans,
)
from pipelines.basis import PricingBasis, months_of, months_of_year_to, scheme_year_of
from pipelines.contract_terms import (
    read_contract_terms,
    refuse_unusable_terms,
    terms_in_price_year,
)
from pipelines.contracts import (
    contracts_in_force,
    drug_baselines,
    pairs_without_api,
    read_contracts,
    refuse_unapproved,
    single_agreements,
    whole_contracts,
)
from pipelines.deliveries import ROW_GROUP_ROWS, settled_cut
from pipelines.excluded_items import (
    items_to_price,
    published_above_baselines,
    read_excluded_items,
)
from pipelines.fixed_element.contract_files import REVIEW, landed_contract_files
from pipelines.fixed_element.worksheets import FixedWorksheet, landed_worksheets
from pipelines.local_prices import (
    local_attendance_price_days,
    local_hrg_price_days,
    read_local_prices,
)
from pipelines.low_volume.payments import additions, payments_of, published_blocks
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations, read_organisations
from pipelines.price_books import (
    PriceBook,
    StoredBook,
    price_book_for,
    schedules_of,
    sha256_of,
)
from pipelines.price_books.annex_a import LVA
from pipelines.scheme_packs import SchemePack, scheme_for
from pipelines.user_lists import (
    UserList,
    approved_days,
    approved_records,
    charging_statuses,
    exception_days,
    in_price_year,
    no_hrg_bridge,
    of_price_year,
    read_hrg_bridge,
    read_lva_exceptions,
    read_overseas_visitors,
    read_prior_approvals,
    refuse_rows,
    refuse_unknown_organisations,
    written_under,
)
from pipelines.validation import count_codes, valid_path, write_refused
from pipelines.workspace import CUTS, UserError, Workspace, discard, replacing
from pipelines.year_to_date import YEAR_TO_DATE, year_to_date
from pricing import (
    blended_payments,
    contract_lines,
    contract_statement,
    ebi,
    excluded_items,
    low_volume,
    low_volume_monitor,
    variable_element,
)
from pricing.contracts import PAIR
from pricing.hrg_bridge import with_bridged
from pricing.national import (
    marks_of_attendances,
    marks_of_spells,
    parties_of,
    price_attendances,
    price_spells,
)
from pricing.organisations import find_parties, payer_as_delivered
from pricing.reference import Reference
from schemas.contract_statements import (
    BLENDED,
    CONTRACT_LINES_OF_MONTH,
    CONTRACT_STATEMENT,
    VARIABLE_ELEMENT,
)
from schemas.extracts import DELIVERY_COLUMNS, EXTRACTS
from schemas.priced_line import (
    EBI_CHALLENGES,
    EXCLUDED_DRUGS_BASELINE,
    EXCLUDED_ITEMS,
    LOW_VOLUME,
    LOW_VOLUME_ADDITIONS,
    Field,
)

_PRICE = {"apc": (marks_of_spells, price_spells), "op": (marks_of_attendances, price_attendances)}
CONTRACT_LINES = "contract_lines"
"""What a month's lines come to by contract line, for the statements of its year; not published."""
_PRICED = "priced"
_APART = pl.QueryOptFlags(comm_subplan_elim=False)
"""Shared between branches of a query, the records would be held in memory for the later one."""
_LINE = ("record_id", "line_number")


class Agreed(NamedTuple):
    """What contracts count, plan and agree, by provider, payer and `contract_line`.

    `counts` have `activity_month`, `activity` and `value_pence` after MFF; `plans` have
    `activity_month`, `planned_activity` and `planned_value_pence`; `terms` and `bands` are those
    of `contract_terms.Terms`. An amount is null where it is not priced, planned or agreed.
    """

    counts: pl.DataFrame
    plans: pl.DataFrame
    terms: pl.DataFrame
    bands: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything a month is priced with, and what identifies each part."""

    pack: SchemePack
    book: PriceBook
    organisations: Organisations
    approvals: UserList
    exceptions: UserList
    contracts: UserList
    local_prices: UserList
    visitors: UserList
    items: UserList
    plans: UserList
    terms: UserList
    counts: UserList
    bridge: UserList
    schedules: tuple[StoredBook, ...]
    worksheets: tuple[FixedWorksheet, ...]
    reviews: Mapping[str, str]
    basis: PricingBasis
    payers_on: date | None = None
    """The day whose payers the records come down to, where it is not that of the rules."""

    def inputs(self) -> dict[str, str]:
        """The sha256 of everything a month is priced with."""
        lists = {
            "prior approvals": self.approvals,
            "LVA exceptions": self.exceptions,
            "contracts": self.contracts,
            "local prices": self.local_prices,
            "overseas visitors": self.visitors,
            "excluded items": self.items,
            "activity plans": self.plans,
            "contract terms": self.terms,
            "activity counts": self.counts,
            "HRG bridge": self.bridge,
        }
        return {
            f"scheme pack {self.pack.path.name}": self.pack.sha256,
            f"price book {self.book.name}": self.book.sha256,
            **{
                f"LVA payments schedule {book.id}": sha256_of([book.manifest, book.files[LVA]])
                for book in self.schedules
                if book not in self.book.stored.values()
            },
            "organisations": self.organisations.sha256,
            **{
                f"{kind} {name}": sha256
                for kind, one in lists.items()
                for name, sha256 in one.files.items()
            },
            **{f"contract file {one.file.name}": one.file.sha256 for one in self.worksheets},
            **{f"contract file {name}": sha256 for name, sha256 in self.reviews.items()},
        }

    def is_own_year(self, month: str) -> bool:
        """Whether the rules are of the year that the month itself is in."""
        first, _ = month_days(month)
        return self.pack.scheme.effective_from <= first <= self.pack.scheme.effective_to

    def reference(
        self, month: str, dataset: str | None, earliest_admission: date | None = None
    ) -> Reference:
        """The reference tables for one month's records of a dataset, as Polars frames.

        Statements, which are of no dataset, have no overseas visitors: those go by record.
        """
        first, last = month_days(month)
        admitted_from = min(earliest_admission or first, first)
        parties = self.parties(month)
        codes = _codes(parties)
        approvals, exceptions, local_prices, contracts = (
            in_price_year(entries.rows, *codes)
            for entries in (self.approvals, self.exceptions, self.local_prices, self.contracts)
        )
        in_force = contracts_in_force(contracts, first)
        visitors = self.visitors.rows.filter(pl.col("dataset").eq_missing(pl.lit(dataset)))
        tables: dict[str, Any] = {
            **parties,
            "hrg_prices": self._hrg_prices(),
            "attendance_prices": self.book.attendance_prices,
            "unbundled_prices": self.book.unbundled_prices,
            "best_practice_prices": self.book.best_practice_prices,
            "top_up_rates": self.book.top_up_rates,
            "market_forces_factors": self.book.market_forces_factors,
            "lva_schedule": self.book.lva_schedule,
            "lva_exception_days": exception_days(exceptions, first, last),
            "contracts": whole_contracts(in_force),
            "agreements": single_agreements(in_force),
            "local_hrg_price_days": local_hrg_price_days(local_prices, first, last),
            "local_attendance_price_days": local_attendance_price_days(local_prices, first, last),
            "overseas_visitors": charging_statuses(visitors),
            "approved_records": approved_records(approvals),
            "approved_days": approved_days(approvals, admitted_from, last),
        }
        return Reference.from_native({name: table.lazy() for name, table in tables.items()})

    def baselines(self, month: str) -> pl.DataFrame:
        """The baselines of excluded drugs that contracts of the month give, by pair."""
        first, _ = month_days(month)
        return drug_baselines(contracts_in_force(self.entries(month, self.contracts), first))

    def agreed(self, months: Sequence[str], by: str | None = None) -> Agreed:
        """What contracts plan, count and agree of some months, for the statements of the last.

        The months are of one scheme year. All is by the parties of the last, or of the month `by`:
        who was succeeded by then is held by the successor. Raises `UserError` that names the lines
        of plans and counts, written under the year that prices the months, of pairs that are then
        not under API, and where terms that come down to one pair disagree.
        """
        scheme, month = self.pack.scheme, by or months[-1]
        plans, counts = (
            [by_pair_of(self, month, self.under_api(of, one).lazy()).collect() for one in months]
            for of in (self.plans, self.counts)
        )
        tables = {name: table.rows for name, table in self.book.read.items()}
        terms = terms_in_price_year(self._terms_of(month))
        return Agreed(
            plans=planned(pl.concat(plans), scheme),
            counts=valued_counts(
                pl.concat(counts), scheme, tables, self.book.market_forces_factors
            ),
            terms=terms.of_lines,
            bands=terms.bands,
        )

    def under_api(self, of: UserList, month: str) -> pl.DataFrame:
        """A month's plans or counts under the year that prices it, by the parties of its lines.

        Raises `UserError` that names the lines of those of pairs that are not under API then.
        """
        rows = written_under(of, self.pack.scheme.scheme_year, [month]).rows
        if rows.is_empty():
            return rows
        entries = self.entries(month, UserList(rows, of.files))
        without = self._pairs_without_api(entries, month)
        _refuse_without_api(entries.join(without, on=PAIR, how="semi"), self._when(month))
        return entries

    def contracted(self, month: str) -> pl.DataFrame:
        """The pairs that the contracts list names for a month."""
        first, _ = month_days(month)
        return contracts_in_force(self.entries(month, self.contracts), first).select(PAIR)

    def _when(self, month: str) -> str:
        year = self.pack.scheme.scheme_year
        return month if self.is_own_year(month) else f"{month} under {year}"

    def _terms_of(self, month: str) -> pl.DataFrame:
        """The scheme year's terms by the parties of a month.

        Terms of a pair that is under API in no month of the year are refused, or left out under
        another year's rules.
        """
        by_pair = pl.concat_str(PAIR, separator=" ").alias("agreed_by")
        place = ["file", "line"]
        rows = self.terms.rows.filter(scheme_year=self.pack.scheme.scheme_year)
        rows = rows.with_columns(by_pair)
        outside = rows
        for one in (month, *months_of(scheme_year_of(month))):
            if outside.is_empty():
                break
            entries = self.entries(one, UserList(outside, {}))
            without = self._pairs_without_api(entries, one)
            outside = outside.join(entries.join(without, on=PAIR, how="semi"), on=place, how="semi")
        if self.is_own_year(month):
            _refuse_without_api(outside, scheme_year_of(month))
        return self.entries(month, UserList(rows.join(outside, on=place, how="anti"), {}))

    def _pairs_without_api(self, entries: pl.DataFrame, month: str) -> pl.DataFrame:
        first, last = month_days(month)
        parties = self.parties(month)
        exceptions, contracts = (
            in_price_year(of.rows, *_codes(parties)) for of in (self.exceptions, self.contracts)
        )
        tables = {
            **parties,
            "lva_schedule": self.book.lva_schedule,
            "lva_exception_days": exception_days(exceptions, first, last),
        }
        in_force = contracts_in_force(contracts, first)
        return pairs_without_api(entries, in_force, tables, self.pack.scheme)

    def entries(self, month: str, of: UserList) -> pl.DataFrame:
        """The entries of one of the lists by the parties of the month's lines, by file and line."""
        return in_price_year(of.rows, *_codes(self.parties(month)))

    def _hrg_prices(self) -> pl.DataFrame:
        bridge = self.bridge.rows.select("price_hrg_code", hrg_code="activity_hrg_code")
        book, bridged = (nw.from_native(t.lazy()) for t in (self.book.hrg_prices, bridge))
        prices: pl.DataFrame = with_bridged(book, bridged).collect().to_native()
        return prices

    def parties(self, month: str) -> dict[str, pl.DataFrame]:
        """The tables `providers` and `commissioners` of `pricing.reference` for a month."""
        first, _ = month_days(month)
        return self.organisations.laid_out(first, self.basis.rules_day(month), self.payers_on)

    def at_published_prices(self, payers_on: date) -> "Rulebook":
        """The same without local prices, records coming down to the payers of a day.

        Without blocks too, so that an item that is paid for apart is one whoever is listed.
        """
        none = UserList(self.local_prices.rows.clear(), {})
        return replace(self.without_blocks(), local_prices=none, payers_on=payers_on)

    def without_blocks(self) -> "Rulebook":
        """The same as if no schedule listed any pair."""
        nobody = self.book.lva_schedule.clear()
        return replace(self, book=replace(self.book, lva_schedule=nobody))


def _refuse_without_api(entries: pl.DataFrame, when: str) -> None:
    refuse_rows(
        UserList(entries, {}),
        pl.lit(True),
        f"must be of a provider and payer who are under API in {when}: an NHS provider whose "
        "contract agrees on no other mechanism and is no LVA block",
    )


def _codes(parties: dict[str, pl.DataFrame]) -> list[dict[str, str | None]]:
    """What each code of a provider, and of a payer, comes down to."""
    return [
        dict(zip(*parties[name].get_columns()[:2], strict=True))
        for name in (PROVIDERS, COMMISSIONERS)
    ]


@dataclass(frozen=True, slots=True)
class Priced:
    """What pricing made of a dataset's month."""

    cut: str
    valid: int
    lines: int
    refused: int
    refused_by_code: dict[str, int]


@dataclass(frozen=True, slots=True)
class Revalued:
    """What two price books make of a month's lines: pence after MFF, each line as it is rounded.

    `lines` are those that either book gives; one that a book gives no price, or refuses, is
    worth nothing in its total, and counted as gaining or losing a price.
    """

    lines: int
    changed: int
    gain_price: int
    lose_price: int
    before_pence: int
    after_pence: int

    @property
    def difference_pence(self) -> int:
        """What the second book makes more of it than the first."""
        return self.after_pence - self.before_pence


def rulebook_for(workspace: Workspace, month: str) -> Rulebook:
    """The rules, prices and lists that price a month.

    Every step of a month takes it, so it is read again only where a file of `data` has changed.
    """
    return _rulebook_for(workspace, month, workspace.state_of_data())


@lru_cache(maxsize=16)
def _rulebook_for(workspace: Workspace, month: str, _: Hashable) -> Rulebook:
    on = workspace.basis.rules_day(month)
    pack = scheme_for(workspace, on, workspace.basis.as_of)
    organisations = read_organisations(workspace)
    approvals, exceptions = read_prior_approvals(workspace), read_lva_exceptions(workspace)
    contracts, local_prices = read_contracts(workspace), read_local_prices(workspace)
    items = read_excluded_items(workspace)
    plans, terms = read_activity_plans(workspace), read_contract_terms(workspace)
    counts = read_activity_counts(workspace)
    named = (approvals, exceptions, contracts, local_prices, items, plans, terms, counts)
    for entries in named:
        refuse_unknown_organisations(
            entries, organisations.known(PROVIDERS), organisations.payers()
        )
    book = price_book_for(
        workspace,
        pack.scheme.scheme_year,
        on,
        as_of=workspace.basis.as_of,
        needs_lva_schedule=pack.scheme.low_volume.has_payments_schedule,
    )
    in_use = book.stored.get(LVA)
    rulebook = Rulebook(
        pack=pack,
        book=book,
        organisations=organisations,
        approvals=approvals,
        exceptions=exceptions,
        contracts=contracts,
        local_prices=local_prices,
        visitors=read_overseas_visitors(workspace),
        items=items,
        plans=plans,
        terms=terms,
        counts=counts,
        bridge=no_hrg_bridge(),
        schedules=tuple(schedules_of(workspace, in_use, workspace.basis.as_of) if in_use else ()),
        worksheets=landed_worksheets(workspace, organisations, pack.scheme.scheme_year),
        reviews={
            file.name: file.sha256
            for file in landed_contract_files(workspace, organisations, pack.scheme.scheme_year)
            if file.root.is_table(REVIEW)
        },
        basis=workspace.basis,
    )
    parties = rulebook.parties(month)
    refuse_unapproved(
        in_price_year(contracts.rows, *_codes(parties)),
        month_days(month)[0],
        {**parties, "lva_schedule": book.lva_schedule},
        pack.scheme,
    )
    _refuse_unusable(rulebook, month)
    if rulebook.is_own_year(month):
        return rulebook
    hrgs = set(book.hrg_prices["hrg_code"])
    bridge = of_price_year(read_hrg_bridge(workspace), pack.scheme.scheme_year, hrgs)
    return replace(rulebook, bridge=bridge)


def _refuse_unusable(rulebook: Rulebook, month: str) -> None:
    """Raises `UserError` for plans, terms and counts that the month's statements cannot take.

    Those written under the year that prices the month are held to its lines and prices.
    """
    scheme, months = rulebook.pack.scheme, months_of(scheme_year_of(month))
    year, terms = scheme.scheme_year, rulebook.terms
    refuse_unusable_terms(UserList(terms.rows.filter(scheme_year=year), terms.files), scheme)
    refuse_unusable_plans(written_under(rulebook.plans, year, months), scheme)
    tables = {name: table.rows for name, table in rulebook.book.read.items()}
    refuse_unusable_counts(written_under(rulebook.counts, year, months), scheme, tables)
    rulebook.agreed([month])


def priced_path(workspace: Workspace, dataset: str, month: str, cut: str) -> Path:
    """The priced lines of a month and cut."""
    return workspace.priced_month(_PRICED, dataset, month, cut) / "lines.parquet"


def priced_paths(workspace: Workspace, month: str) -> dict[str, Path]:
    """The priced lines of a month's settled cut, by dataset."""
    return {
        extract.dataset: priced_path(
            workspace, extract.dataset, month, settled_cut(workspace, extract.dataset, month)
        )
        for extract in EXTRACTS
    }


def refuse_unless_priced_with(workspace: Workspace, month: str, rulebook: Rulebook) -> None:
    """Raises `UserError` where a month's lines were priced with other rules, prices or lists."""
    for path in priced_paths(workspace, month).values():
        if json.loads(path.with_name("priced_with.json").read_text("utf-8")) != rulebook.inputs():
            raise UserError(
                f"The scheme pack, price book or lists have changed since {month} was priced. "
                "Run the whole month again."
            )


def month_days(month: str) -> tuple[date, date]:
    """The first and last day of a month written `CCYY-MM`."""
    first = date.fromisoformat(f"{month}-01")
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def price(workspace: Workspace, dataset: str, month: str) -> Priced:
    """Prices a month's valid records; each becomes a priced line or a refusal."""
    cut = settled_cut(workspace, dataset, month)
    valid = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
    rulebook = rulebook_for(workspace, month)
    priced = _priced(valid, rulebook, dataset, month, cut)
    lines_here = priced_path(workspace, dataset, month, cut)
    holding = lines_here.parent / ".pricing"
    discard(holding)
    empty = priced.drop("refusal_codes").collect_schema()
    # A part for each set of refusal codes, so that one pass gives lines and refusals.
    by_refusal = pl.PartitionBy(
        holding,
        key="refusal_codes",
        include_key=False,
        approximate_bytes_per_file=None,
        file_path_provider=lambda part: f"{part.partition_keys.item(0, 0) or _PRICED}.parquet",
    )
    priced.sink_parquet(
        by_refusal,
        mkdir=True,
        row_group_size=ROW_GROUP_ROWS,
        optimizations=_APART,
    )
    parts = {path.stem: path for path in sorted(holding.glob("*.parquet"))}
    with replacing(lines_here) as writing:
        made = parts.pop(_PRICED, None)
        if made:
            made.replace(writing)
        else:
            pl.DataFrame(schema=empty).write_parquet(writing)
    with replacing(lines_here.with_name("priced_with.json")) as writing:
        writing.write_text(json.dumps(rulebook.inputs(), indent=1), "utf-8")
    refused = _refused(valid, parts)
    refused_here = write_refused(workspace, dataset, month, cut, refused)
    discard(holding)
    return Priced(
        cut=cut,
        valid=int(valid.select(pl.len()).collect().item()),
        lines=int(pl.scan_parquet(lines_here).select(pl.len()).collect().item()),
        refused=refused.height,
        refused_by_code=count_codes([refused_here]),
    )


def revalue(
    workspace: Workspace, month: str, before: PriceBook, after: PriceBook
) -> dict[str, Revalued]:
    """A month's valid records as each of two price books values them, by dataset.

    Under the month's own rules and lists; nothing is written. Raises `UserError` where the
    month's records are not validated.
    """
    rulebook = rulebook_for(workspace, month)
    return {
        extract.dataset: _revalue(workspace, extract.dataset, month, rulebook, before, after)
        for extract in EXTRACTS
    }


def summed(
    workspace: Workspace,
    dataset: str,
    month: str,
    rulebook: Rulebook,
    sums: Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]],
) -> tuple[int, pl.DataFrame]:
    """How many valid records a dataset's month has, and what their priced lines come to.

    `sums` takes priced lines with `refusal_codes`. The lines pass in a stream and nothing of them
    is written.
    """
    cut = settled_cut(workspace, dataset, month)
    valid = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
    priced = _priced(valid, rulebook, dataset, month, cut)
    made: pl.LazyFrame = sums(nw.from_native(priced)).to_native()
    found = made.collect(engine="streaming", optimizations=_APART)
    return int(valid.select(pl.len()).collect().item()), found


def pairs_of_records(
    workspace: Workspace, dataset: str, month: str, rulebook: Rulebook
) -> set[tuple[str, str, str]]:
    """Who provided and paid for a dataset's month on the day of its rules, and who pays now.

    Each provider and payer of valid records, with the payer on the day that the rulebook takes
    payers of. Not those for whom nobody stands.
    """
    valid = pl.scan_parquet(
        valid_path(workspace, dataset, month, settled_cut(workspace, dataset, month))
    )
    records = nw.from_native(valid).with_columns(organisation_code=payer_as_delivered())
    then = replace(rulebook, payers_on=None).reference(month, dataset)
    pairs: pl.LazyFrame = find_parties(records, then).to_native()
    now = rulebook.parties(month)[COMMISSIONERS].lazy()
    found = pairs.join(now, on="organisation_code", suffix="_now").select(
        *PAIR, "commissioner_code_now"
    )
    pairs_found = found.drop_nulls().unique().collect(engine="streaming")
    return set(pairs_found.iter_rows())


def _revalue(
    workspace: Workspace,
    dataset: str,
    month: str,
    rulebook: Rulebook,
    before: PriceBook,
    after: PriceBook,
) -> Revalued:
    cut = settled_cut(workspace, dataset, month)
    path = valid_path(workspace, dataset, month, cut)
    if not path.is_file():
        raise UserError(f"{month} is not validated. Run it: sus-pricing run --month {month}.")
    valid = pl.scan_parquet(path)

    def values(book: PriceBook, name: str) -> pl.LazyFrame:
        priced = _priced(valid, replace(rulebook, book=book), dataset, month, cut)
        is_line = pl.col("refusal_codes").is_null().alias(f"is_line_{name}")
        return priced.select(*_LINE, is_line, pl.col("value_pence").alias(name))

    # Full, since a record that one book refuses has its one row there, and no further lines.
    both = values(before, "before").join(
        values(after, "after"), on=list(_LINE), how="full", coalesce=True
    )
    was, now = pl.col("before"), pl.col("after")
    counted = both.select(
        lines=pl.any_horizontal("is_line_before", "is_line_after").sum(),
        changed=(was != now).sum(),
        gain_price=(was.is_null() & now.is_not_null()).sum(),
        lose_price=(was.is_not_null() & now.is_null()).sum(),
        before_pence=was.sum(),
        after_pence=now.sum(),
    ).collect(
        engine="streaming",
        optimizations=_APART,
    )
    return Revalued(**counted.row(0, named=True))


def _priced(
    valid: pl.LazyFrame, rulebook: Rulebook, dataset: str, month: str, cut: str
) -> pl.LazyFrame:
    """Every valid record of a month, priced or refused."""
    reference = rulebook.reference(month, dataset, _earliest_admission(valid))
    records = valid.with_columns(activity_month=pl.lit(month), cut=pl.lit(cut))
    frame, scheme = nw.from_native(records), rulebook.pack.scheme
    marks_of, price_records = _PRICE[dataset]
    parties = _materialised(parties_of(frame, reference, scheme))
    marks = _materialised(marks_of(frame, parties, reference, scheme))
    priced = price_records(frame, parties, marks, reference, scheme)
    native: pl.LazyFrame = priced.to_native()
    return native


def _materialised(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    native: pl.LazyFrame = frame.to_native()
    found = native.collect(engine="streaming", optimizations=_APART)
    return nw.from_native(found.lazy())


def make_contract_lines(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives what the month's priced lines come to by contract and contract line."""
    rulebook = rulebook_for(workspace, month)
    made = contract_lines.of_month(_lines(workspace, month), rulebook.pack.scheme)
    table = write_statement(workspace, CONTRACT_LINES, month, made, CONTRACT_LINES_OF_MONTH)
    _refuse_implausible_plans(workspace, month, rulebook)
    return table


def _refuse_implausible_plans(workspace: Workspace, month: str, rulebook: Rulebook) -> None:
    """Raises `UserError` naming plans that what was done up to the month shows to be mistaken."""
    idle = idle_plans(workspace, month, rulebook)
    refuse_rows(
        UserList(idle, {}),
        ~pl.col("has_contract"),
        f"must plan for a provider and payer who have activity: in {scheme_year_of(month)} up to "
        f"{month} none of their records is priced and nothing is counted. Check both codes, and "
        "that their extracts are there; if they have a contract of which nothing was done yet, "
        "name it in the contracts list",
    )
    months, columns = months_of_year_to(month), ["contract_line", "activity", "value_pence"]
    of_lines = pl.concat([pl.read_parquet(p) for p in _contract_lines(workspace, months).values()])
    without_price = pl.col("activity") - pl.col("lines_for_local_price")
    done = pl.concat(
        [
            of_lines.with_columns(activity=without_price).select(columns),
            rulebook.agreed(months).counts.drop_nulls("value_pence").select(columns),
        ]
    )
    plans = pl.concat([rulebook.under_api(rulebook.plans, one) for one in months])
    refuse_other_magnitudes(plans, done.group_by("contract_line").sum())


def idle_plans(workspace: Workspace, month: str, rulebook: Rulebook) -> pl.DataFrame:
    """The plans up to a month of providers and payers of whom nothing was done in its year.

    As rows of the list by the parties of each month, with `has_contract`: whether the contracts
    list names the two. Only months that are priced can show that something was done.
    """
    months = months_of_year_to(month)
    plans, counts = (
        pl.concat([rulebook.under_api(of, one) for one in months])
        for of in (rulebook.plans, rulebook.counts)
    )
    files = _contract_lines(workspace, months).values()
    idle = plans.join(counts, on=PAIR, how="anti")
    idle = idle.join(pl.concat([pl.read_parquet(path) for path in files]), on=PAIR, how="anti")
    if not idle.is_empty():
        lines = [path for one in months for path in _priced_before(workspace, one)]
        of_any_mechanism = pl.scan_parquet(lines).select(PAIR)
        idle = idle.lazy().join(of_any_mechanism, on=PAIR, how="anti").collect()
    named = pl.concat([rulebook.contracted(one) for one in months]).unique()
    has_contract = pl.col("has_contract").fill_null(False)
    found = idle.join(named.with_columns(has_contract=True), on=PAIR, how="left")
    return found.with_columns(has_contract).sort("file", "line")


def idle_terms(workspace: Workspace, month: str, rulebook: Rulebook) -> pl.DataFrame:
    """The terms of the year of providers and payers of whom nothing else is known in it.

    No plan, count or contract of any month of it, and no priced line.
    """
    months = months_of(scheme_year_of(month))
    rules, place = rulebook.pack.scheme.scheme_year, ["file", "line"]
    idle = rulebook.terms.rows.filter(scheme_year=rules)
    if idle.is_empty():
        return idle
    of_list = UserList(idle, {})
    terms = pl.concat([rulebook.entries(one, of_list) for one in months])
    known = [rulebook.contracted(one) for one in months]
    for of in (rulebook.plans, rulebook.counts):
        by_month = ((one, written_under(of, rules, [one])) for one in months)
        known += [rulebook.entries(one, rows).select(PAIR) for one, rows in by_month]
    idle = idle.join(terms.join(pl.concat(known), on=PAIR, how="semi"), on=place, how="anti")
    if not idle.is_empty():
        paths = [path for one in months for path in _priced_before(workspace, one)]
        lines = pl.scan_parquet(paths).select(PAIR).unique().collect()
        idle = idle.join(terms.join(lines, on=PAIR, how="semi"), on=place, how="anti")
    return idle.sort(place)


def make_variable_element(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the month's variable element by contract and contract line."""
    made, made_with = _by_plan(workspace, month, variable_element.statement)
    return write_statement(workspace, "variable_element", month, made, VARIABLE_ELEMENT, made_with)


def make_blended(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the month's blended payments by contract and contract line."""
    made, made_with = _by_plan(workspace, month, blended_payments.statement)
    return write_statement(workspace, "blended", month, made, BLENDED, made_with)


def make_contract_statement(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives all that each contract pays in the month, by section."""
    parts = ("fixed_element", "variable_element", "blended", "excluded_items")
    fixed, variable, blended, items, baselines = (
        nw.from_native(pl.scan_parquet(workspace.statement(table, month)))
        for table in (*parts, "excluded_drugs_baseline")
    )
    made = contract_statement.statement(
        _lines(workspace, month),
        fixed,
        variable,
        blended,
        items,
        baselines,
        month,
        rulebook_for(workspace, month).pack.scheme,
    )
    return write_statement(workspace, "contract_statement", month, made, CONTRACT_STATEMENT)


def _by_plan(
    workspace: Workspace, month: str, statement: Callable[..., nw.LazyFrame[Any]]
) -> tuple[nw.LazyFrame[Any], str]:
    """A statement of the scheme year up to a month, from every month of it that is priced.

    And what it is made with. Who was succeeded within the year is held by the successor.
    """
    rulebook = rulebook_for(workspace, month)
    months = months_of_year_to(month)
    files = _contract_lines(workspace, months)
    year = rulebook.pack.scheme.scheme_year
    lists = [written_under(one, year, months) for one in (rulebook.plans, rulebook.counts)]
    terms = rulebook.terms.rows.filter(scheme_year=year)
    made_with = year_to_date(months, files, lists, terms)
    of_lines = by_pair_of(rulebook, month, pl.scan_parquet(list(files.values())))
    agreed = (nw.from_native(one.lazy()) for one in rulebook.agreed(months))
    made = statement(nw.from_native(of_lines), *agreed, months, list(files), rulebook.pack.scheme)
    return made, made_with


def _contract_lines(workspace: Workspace, months: Sequence[str]) -> dict[str, Path]:
    """What the lines of each of some months come to, of those that are priced."""
    files = {one: workspace.statement(CONTRACT_LINES, one) for one in months}
    return {one: path for one, path in files.items() if path.is_file()}


def make_low_volume(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives what each LVA block covered in the month, and what was paid beside it.

    With it, what each update of the schedule adds.
    """
    rulebook = rulebook_for(workspace, month)
    scheme = rulebook.pack.scheme
    due = payments_of(rulebook.schedules, scheme)
    made = low_volume_monitor.statement(
        _lines(workspace, month),
        nw.from_native(_priced_without_blocks(workspace, month, rulebook)),
        nw.from_native(pl.scan_parquet(workspace.statement("excluded_items", month))),
        nw.from_native(published_blocks(rulebook.book, due).lazy()),
        rulebook.reference(month, None),
        month,
        scheme,
    )
    monitor = write_statement(workspace, "low_volume", month, made, LOW_VOLUME)
    added = nw.from_native(additions(due, monitor).lazy())
    write_statement(workspace, "low_volume_additions", month, added, LOW_VOLUME_ADDITIONS)
    return monitor


def _priced_without_blocks(workspace: Workspace, month: str, rulebook: Rulebook) -> pl.LazyFrame:
    """The records that hold lines of a block, priced as if no schedule listed any pair.

    Few records are, so they are priced again: what decides for them is the year's own table.
    """
    without = rulebook.without_blocks()
    parts: list[pl.LazyFrame] = []
    for dataset, path in priced_paths(workspace, month).items():
        lines = pl.scan_parquet(path)
        in_block = lines.filter(payment_mechanism=low_volume.LVA_BLOCK).select("record_id").unique()
        records = in_block.collect(engine="streaming")
        if records.is_empty():
            parts.append(lines.clear())
            continue
        cut = settled_cut(workspace, dataset, month)
        valid = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
        of_blocks = valid.join(records.lazy(), on="record_id", how="semi")
        parts.append(_priced(of_blocks, without, dataset, month, cut).drop("refusal_codes"))
    return pl.concat(parts)


def make_ebi_challenges(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the month's unapproved evidence-based interventions."""
    cut = settled_cut(workspace, "apc", month)
    spells = pl.scan_parquet(valid_path(workspace, "apc", month, cut))
    made = ebi.challenges(
        nw.from_native(pl.scan_parquet(priced_path(workspace, "apc", month, cut))),
        nw.from_native(spells),
    )
    return write_statement(workspace, "ebi_challenges", month, made, EBI_CHALLENGES)


def make_excluded_items(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives what is paid for each excluded item of the month."""
    priced = _priced_items(workspace, month, rulebook_for(workspace, month))
    of_month = priced.filter(nw.col("activity_month") == month)
    return write_statement(workspace, "excluded_items", month, of_month, EXCLUDED_ITEMS)


def make_excluded_drugs_baseline(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the drugs of the scheme year up to the month against their baselines."""
    rulebook = rulebook_for(workspace, month)
    made = excluded_items.against_baseline(
        _priced_items(workspace, month, rulebook),
        nw.from_native(rulebook.baselines(month).lazy()),
        nw.from_native(_published_before(workspace, month, rulebook).lazy()),
        month,
        rulebook.pack.scheme.scheme_year,
    )
    return write_statement(
        workspace, "excluded_drugs_baseline", month, made, EXCLUDED_DRUGS_BASELINE
    )


def _published_before(workspace: Workspace, month: str, rulebook: Rulebook) -> pl.DataFrame:
    """What earlier months published above baselines, by the pair that each comes down to now."""
    published = published_above_baselines(workspace, month).lazy()
    by_pair = by_pair_of(rulebook, month, published).group_by(PAIR)
    return by_pair.agg(pl.sum("published_pence")).collect()


def names_of(
    rulebook: Rulebook, month: str, provider: str, commissioner: str
) -> tuple[list[str], list[str]]:
    """The codes that come down to a provider, and to a payer, in a month."""
    provider_codes, payer_codes = (
        [code for code, now in found.items() if now == own]
        for own, found in zip(
            (provider, commissioner), _codes(rulebook.parties(month)), strict=True
        )
    )
    return provider_codes, payer_codes


def by_pair_of(rulebook: Rulebook, month: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of earlier months by the provider and payer of a month: one may have been succeeded.

    What nobody stands for in the month keeps its codes.
    """
    codes = zip(PAIR, _codes(rulebook.parties(month)), strict=True)
    return rows.with_columns(
        pl.col(name).replace({code: now for code, now in found.items() if now})
        for name, found in codes
    )


def _priced_items(workspace: Workspace, month: str, rulebook: Rulebook) -> nw.LazyFrame[Any]:
    """The items of the month's scheme year up to the month, by the rules and lists of the month.

    Which mechanism pays for an item's record is known where the record's month was priced, on
    the same basis.
    """
    tables = {name: table.rows for name, table in rulebook.book.read.items()}
    items = items_to_price(rulebook.items.rows, month, tables)
    earlier = sorted({one for one in items["activity_month"] if one < month})
    lines = {
        **{one: list(_priced_before(workspace, one)) for one in earlier},
        month: list(priced_paths(workspace, month).values()),
    }
    every_line = [path for paths in lines.values() for path in paths]
    named = items.select("record_id").drop_nulls().unique().lazy()
    of_items = pl.scan_parquet(every_line).join(named, on="record_id", how="semi")
    priced = [one for one, paths in lines.items() if len(paths) == len(EXTRACTS)]
    items = items.with_columns(is_month_priced=pl.col("activity_month").is_in(priced))
    return excluded_items.priced_items(
        nw.from_native(items.lazy()),
        rulebook.reference(month, None),
        nw.from_native(rulebook.baselines(month).lazy()),
        excluded_items.record_mechanisms(nw.from_native(by_pair_of(rulebook, month, of_items))),
        rulebook.pack.scheme,
    )


def _priced_before(workspace: Workspace, month: str) -> Iterator[Path]:
    for extract in EXTRACTS:
        of_cuts = (priced_path(workspace, extract.dataset, month, cut) for cut in CUTS)
        yield from [path for path in of_cuts if path.is_file()][:1]


def _lines(workspace: Workspace, month: str) -> nw.LazyFrame[Any]:
    return nw.from_native(pl.scan_parquet(list(priced_paths(workspace, month).values())))


def write_statement(
    workspace: Workspace,
    name: str,
    month: str,
    made: nw.LazyFrame[Any],
    columns: tuple[Field, ...],
    made_with: str = "",
) -> pl.DataFrame:
    """Writes and gives a statement of a month in its columns, sorted by its keys."""
    names = [field.name for field in columns]
    ends = ("_code", "_month", "record_id", "_reference", "contract_line", "item_number")
    keys = [name for name in names if name.endswith(ends)]
    table: pl.DataFrame = made.to_native().select(names).collect().sort(keys)
    with replacing(workspace.statement(name, month)) as writing:
        table.write_parquet(writing, metadata={YEAR_TO_DATE: made_with} if made_with else None)
    return table


def _earliest_admission(valid: pl.LazyFrame) -> date | None:
    if "start_date" not in valid.collect_schema():
        return None
    earliest: date | None = valid.select(pl.col("start_date").min()).collect().item()
    return earliest


def _refused(valid: pl.LazyFrame, parts: dict[str, Path]) -> pl.DataFrame:
    """The rows of the records pricing refused, each with its codes."""
    refused = [
        pl.scan_parquet(path).select("record_id", refusal_codes=pl.lit(codes).str.split(" "))
        for codes, path in parts.items()
    ]
    empty = pl.LazyFrame(schema={"record_id": pl.String, "refusal_codes": pl.List(pl.String)})
    rows = valid.select("record_id", *DELIVERY_COLUMNS)
    return rows.join(pl.concat([empty, *refused]), on="record_id").drop("record_id").collect()
