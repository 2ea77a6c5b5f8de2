"""Worksheets of the fixed element: a contract file's items, held to the year, and worked out.

Belongs here: which items a file must give, and what a worksheet is refused for beside what is wrong
in an item: a payer that an item is not for, a pair that is not under API, amounts that look like
pence or millions. Does not belong here: what a section says (`pipelines.fixed_element.items`), or
what an item comes to (`pricing.fixed_element`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.basis import OWN_YEAR, PricingBasis, months_of, scheme_year_of
from pipelines.contracts import (
    contracts_in_force,
    drug_baselines,
    pairs_without_fixed_element,
    read_contracts,
    whole_contracts,
)
from pipelines.fixed_element.contract_files import (
    REVIEW,
    ContractFile,
    landed_contract_files,
    read_contract_file,
    refuse_two_of_a_contract,
)
from pipelines.fixed_element.items import Asked, ItemReader, how_to_give, needs_nothing
from pipelines.lists import listed
from pipelines.organisations import (
    COMMISSIONERS,
    PROVIDERS,
    Organisations,
    read_organisations,
)
from pipelines.price_books import StoredBook, published_table, stored_books
from pipelines.price_books.annex_a import LVA
from pipelines.scheme_packs import SchemePack, scheme_for
from pipelines.user_lists import in_price_year
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from pricing.explaining import pounds
from pricing.fixed_element import (
    Worksheet,
    approaches,
    faults,
    is_cquin_in_prices,
    items_of,
    of_part_year,
    worksheet,
)
from pricing.maternity import Network
from pricing.money import rounded
from pricing.organisations import Party
from pricing.scheme import Scheme
from pricing.scheme_tables import PART_YEAR, SchemePackError, WorksheetItem
from pricing.worksheet_items import (
    MONTHS_IN_YEAR,
    Given,
    NetUplift,
    NetworkContributions,
    Parts,
    PartYear,
    Share,
)

ACTIVITY_LEVELS = "activity_levels"
_THRESHOLD = "api_scope.minimum_contract_pence"
_DRUGS_BASELINE = "excluded_drugs_baseline"


@dataclass(frozen=True, slots=True)
class FixedWorksheet:
    """A worksheet as read: what is given of each item, and what of it the lake is asked for.

    Where the lake has supplied that, nothing is asked any more, and `cited` says of each item what
    its figures rest on.

    `months` are those of the year that the agreement is for; `activity_levels` the units agreed for
    a whole year, by name; `notes` what a reader should know.
    """

    file: ContractFile
    pack: SchemePack
    about: str | None
    starts_from: str
    months: tuple[str, ...]
    rows: tuple[WorksheetItem, ...]
    given: Mapping[str, Given]
    asked: tuple[Asked, ...]
    activity_levels: Mapping[str, int]
    notes: tuple[str, ...]
    cited: Mapping[str, str] = field(default_factory=dict)

    def worked_out(self) -> Worksheet:
        """The worksheet, line by line."""
        return worksheet(self.rows, self.given, self.pack.scheme)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What no fixed element comes to: where, blank of all, and in words."""
        for item, says in faults(self.worked_out(), self.given):
            yield (f"[{item}]" if item else ""), says

    def inputs_of(self, item: str) -> str:
        """Where the inputs of an item are from."""
        place = f"{self.file.name} {'months' if item == PART_YEAR else f'[{item}]'}"
        return f"{place}; {self.cited[item]}" if item in self.cited else place

    def month_of_agreement(self, month: str) -> int:
        """How many months of the agreement there are up to a month, and with it."""
        return sum(one <= self.of_same_month(month) for one in self.months)

    def of_same_month(self, month: str) -> str:
        """The month of the worksheet's year that a month of any year is priced as."""
        place = months_of(scheme_year_of(month)).index(month)
        return months_of(self.file.scheme_year)[place]

    def levels_of_months(self) -> dict[str, int]:
        """The agreed levels of activity, of the months of the agreement, in whole units."""
        return {
            name: rounded(of_part_year(units, len(self.months)))
            for name, units in self.activity_levels.items()
        }


def landed_worksheets(
    workspace: Workspace, organisations: Organisations, scheme_year: str
) -> tuple[FixedWorksheet, ...]:
    """The worksheets of a scheme year in the landing folder, by name of their files.

    A file of another year is left alone, and so is one that has no item: it is of a review. Raises
    `UserError` with every fault of a file, and where two are of one provider and payer.
    """
    files = [
        file
        for file in landed_contract_files(workspace, organisations, scheme_year)
        if has_items(file)
    ]
    made = tuple(_worksheet(workspace, file, organisations, is_in_run=True) for file in files)
    refuse_two_of_a_contract(files)
    _refuse_other_networks(made)
    return made


def _refuse_other_networks(sheets: Sequence[FixedWorksheet]) -> None:
    """Raises `UserError` for files of one network that give it another cost, or other births.

    Held alike, what comes off all of its contracts is what the centre's has (2021/22 Appendix 1).
    """
    first: dict[tuple[str, str], tuple[str, Network]] = {}
    differing = []
    for sheet in sheets:
        for given in sheet.given.values():
            if isinstance(given, NetworkContributions):
                network = given.network
                centre = (network.centre_provider_code, network.lead_commissioner_code)
                name, other = first.setdefault(centre, (sheet.file.name, network))
                if network != other:
                    what = "cost" if network.cost_pence != other.cost_pence else "births"
                    differing.append(
                        f"{name} and {sheet.file.name} have another {what} of the network of "
                        f"{' and '.join(centre)}"
                    )
    if differing:
        raise UserError(
            f"A Maternal Medicine Network is the same in every contract:\n{listed(differing)}\n"
            "Enter what was agreed in all of them."
        )


def has_items(file: ContractFile) -> bool:
    """Whether a file has more than a review, or cannot even say whose it is."""
    return (
        bool(file.faults)
        or not file.root.is_table(REVIEW)
        or any(file.root.is_table(key) for key in file.root.others() if key != REVIEW)
    )


def read_worksheet(workspace: Workspace, path: Path) -> FixedWorksheet:
    """The worksheet of a contract file. Raises `UserError` with every fault of it."""
    organisations = read_organisations(workspace)
    return _worksheet(workspace, read_contract_file(path, organisations), organisations)


def _worksheet(
    workspace: Workspace,
    file: ContractFile,
    organisations: Organisations,
    *,
    is_in_run: bool = False,
) -> FixedWorksheet:
    found = _read(workspace, file, organisations, is_in_run) if file.scheme_year else None
    file.refuse_faults()
    assert found is not None, "a file without faults has a worksheet"
    return found


def _read(
    workspace: Workspace, file: ContractFile, organisations: Organisations, is_in_run: bool
) -> FixedWorksheet | None:
    """The worksheet; None, with faults noted, where its year has none or more than one."""
    root = file.root
    days = [day for day in (root.day("as_of"), workspace.basis.as_of) if day]
    about, as_of = root.text("about"), min(days, default=None)
    starts_from, months = root.text("starts_from"), months_of_agreement(file)
    first_day = date.fromisoformat(f"{months_of(file.scheme_year)[0]}-01")
    try:
        pack = scheme_for(workspace, first_day, as_of)
        known = approaches(pack.scheme)
    except (UserError, SchemePackError) as error:
        root.fault("scheme_year", f"is {file.scheme_year}: {error}")
        return None
    chosen = starts_from or (known[0] if len(known) == 1 else None)
    if chosen not in known:
        says = f"is '{chosen}'" if chosen else "is missing"
        root.fault("starts_from", f"{says}: write one of {', '.join(known)}")
        return None
    rows = tuple(items_of(pack.scheme, chosen))
    reader = ItemReader(file, pack.scheme, organisations)
    given = _given(reader, rows, months)
    levels = _activity_levels(file)
    _refuse_other_payers(file, rows, given, pack.scheme, organisations, first_day)
    pair = ContractPair(workspace, file, organisations, pack.scheme, as_of, is_in_run)
    notes = [*pair.refuse_without_fixed_element(months), *_notes(pack.scheme, as_of, months)]
    _refuse_unknown_sections(file, rows)
    pair.refuse_other_drugs_baseline(given, months)
    _refuse_cquin_twice(file, rows, given, reader.asked, pack.scheme)
    sheet = FixedWorksheet(
        file=file,
        pack=pack,
        about=about,
        starts_from=chosen,
        months=months,
        rows=rows,
        given=given,
        asked=tuple(reader.asked),
        activity_levels=levels,
        notes=tuple(notes),
    )
    if not file.faults and not reader.asked:
        for item, says in sheet.faults():
            root.fault(item, says)
    return sheet


def months_of_agreement(file: ContractFile) -> tuple[str, ...]:
    """The months of the agreement: the whole year, or as the file says."""
    every = months_of(file.scheme_year)
    first, last = file.root.month("first_month"), file.root.month("last_month")
    outside = [
        (key, month)
        for key, month in (("first_month", first), ("last_month", last))
        if month and month not in every
    ]
    for key, month in outside:
        file.root.fault(key, f"is {month}, which is not in {file.scheme_year}")
    if outside:
        return tuple(every)
    chosen = [month for month in every if (first or month) <= month <= (last or month)]
    if not chosen:
        file.root.fault("last_month", f"is {last}, before first_month, {first}")
    return tuple(chosen or every)


def _given(
    reader: ItemReader, rows: Sequence[WorksheetItem], months: Sequence[str]
) -> dict[str, Given]:
    """What the file gives of each item; of part of a year, its months."""
    root, given = reader.file.root, dict[str, Given]()
    for row in (row for row in rows if row.shape != PART_YEAR):
        section = root.section(row.item)
        if section is not None:
            found = reader.read(row, section)
            if found is not None:
                given[row.item] = found
        elif needs_nothing(row):
            given[row.item] = NetUplift()
        elif row.item not in root and not row.is_optional:
            root.fault(f"[{row.item}]", f"is missing: {how_to_give(row)}; nothing is assumed")
    if len(months) < MONTHS_IN_YEAR:
        if any(row.shape == PART_YEAR for row in rows):
            given[PART_YEAR] = PartYear(len(months))
        else:
            why = reader.scheme.citation("fixed_element.is_pro_rata_in_part_year")
            root.fault("first_month and last_month", f"leave out a part of the year: {why}")
    return given


def _refuse_cquin_twice(
    file: ContractFile,
    rows: Sequence[WorksheetItem],
    given: Mapping[str, Given],
    asked: Sequence[Asked],
    scheme: Scheme,
) -> None:
    """Notes CQUIN that is added to activity at prices of the year which have it (2021/22 ¶51)."""
    if not is_cquin_in_prices(scheme):
        return
    at_prices = [one for one in asked if one.price_year == scheme.scheme_year]
    for row in rows:
        share = given.get(row.item)
        if at_prices and row.unless and isinstance(share, Share) and not share.is_held:
            file.root.fault(
                f"[{row.item}]",
                f"{row.unless} is false, and {at_prices[0].part} of [{at_prices[0].item}] is at "
                f"the unit prices of {scheme.scheme_year}, which have it in them "
                f"({scheme.citation('cquin.is_in_unit_prices')}): it would be added twice",
            )


def _activity_levels(file: ContractFile) -> dict[str, int]:
    levels = file.root.section(ACTIVITY_LEVELS)
    return {name: levels.count(name) or 0 for name in levels.others()} if levels else {}


def _refuse_unknown_sections(file: ContractFile, rows: Sequence[WorksheetItem]) -> None:
    """Notes what is neither in the header nor an item; with the items there are."""
    items = ", ".join(row.item for row in rows if row.shape != PART_YEAR)
    for key in file.root.others():
        if key == REVIEW:
            file.root.section(REVIEW)
        else:
            file.root.fault(f"[{key}]", f"is no item of {file.scheme_year}: there are {items}")


def _refuse_other_payers(
    file: ContractFile,
    rows: Sequence[WorksheetItem],
    given: Mapping[str, Given],
    scheme: Scheme,
    organisations: Organisations,
    on: date,
) -> None:
    """Notes an item that is for payers of other kinds."""
    payer = organisations.parties(COMMISSIONERS, [file.commissioner_code], on)
    party = payer[file.commissioner_code]
    for row in rows:
        kinds = scheme.parameters[row.payers].value if row.payers else ()
        if row.item in given and kinds and party and party.kind not in kinds:
            wanted = " or ".join(kinds).replace("_", " ")
            file.root.fault(
                f"[{row.item}]",
                f"is for payers that are {wanted}, not {party.kind} ({row.citation})",
            )


@dataclass(frozen=True, slots=True)
class ContractPair:
    """The parties of a file, and what may pay for what passes between them.

    `is_in_run` says that lines of theirs are priced by the list of contracts, so that the file
    cannot say of the contract what the list does not.
    """

    workspace: Workspace
    file: ContractFile
    organisations: Organisations
    scheme: Scheme
    as_of: date | None
    is_in_run: bool = False

    def refuse_without_fixed_element(self, months: Sequence[str]) -> Iterator[str]:
        """Notes the months in which the pair has none; gives a note where that cannot be told."""
        without = self._without(months, OWN_YEAR, self._own_terms(months))
        for is_listed in (True, False):
            found = [month for month, is_so in without.items() if is_so == is_listed]
            if found:
                when = "" if len(found) == len(months) else f" in {', '.join(found)}"
                self._refuse(when, is_listed=is_listed)
        if self.scheme.low_volume.has_payments_schedule and not self._schedules():
            yield (
                f"No LVA payments schedule of {self.file.scheme_year} is here: whether a block "
                "pays for the pair could not be told."
            )

    def months_without(self, months: Sequence[str], basis: PricingBasis) -> list[str]:
        """Those of some months, priced on a basis, in which the pair can have no fixed element."""
        return list(self._without(months, basis, None))

    def refuse_other_drugs_baseline(
        self, given: Mapping[str, Given], months: Sequence[str]
    ) -> None:
        """Notes a baseline of excluded drugs that the list of contracts does not have.

        What is above the list's is paid apart, what is below the worksheet's is in it (2023/25
        ¶29): between two that differ nobody pays, or both do.
        """
        item = given.get(_DRUGS_BASELINE)
        if not isinstance(item, Parts):
            return
        first, last = (date.fromisoformat(f"{month}-01") for month in (months[0], months[-1]))
        contracts = read_contracts(self.workspace).rows
        codes = [
            {code: party.code if party else None for code, party in of.items()}
            for of in self._parties(contracts, first)
        ]
        in_year = (pl.col("valid_from") <= last) & (pl.col("valid_to") >= first)
        of_pair = in_price_year(contracts, *codes).filter(in_year, **self._pair)
        in_list = drug_baselines(of_pair)["excluded_drugs_baseline_pence"].unique().to_list()
        entered = sum(item.amounts.values())
        if [entered] == in_list or not (in_list or self.is_in_run):
            return
        has = f"has {' and '.join(map(pounds, in_list))}" if in_list else "has none"
        self.file.root.fault(
            f"[{_DRUGS_BASELINE}]",
            f"comes to {pounds(entered)}, and the list of contracts, by which drugs above it are "
            f"paid, {has}: enter what was agreed in both",
        )

    def _without(
        self, months: Sequence[str], basis: PricingBasis, own: Mapping[str, object] | None
    ) -> dict[str, bool]:
        """The months in which the pair has none, and whether the LVA schedule then lists it.

        `own` is what the file says of the contract, where the list does not. Months in which
        parties, contracts and schedule are the same are held to the rules once.
        """
        contracts = read_contracts(self.workspace).rows
        changes = [*contracts["valid_from"], *contracts["valid_to"].dt.offset_by("1d")]
        schedules = [book.publication.effective_from for book in self._schedules()]
        held: dict[tuple[object, ...], tuple[bool, bool]] = {}
        found = {}
        for month in months:
            first, day = date.fromisoformat(f"{month}-01"), basis.rules_day(month)
            parties = self._parties(contracts, day)
            alike = (
                *(tuple(of.items()) for of in parties),
                sum(one <= first for one in changes),
                sum(one <= day for one in schedules),
            )
            if alike not in held:
                held[alike] = self._is_without(contracts, first, day, parties, own)
            is_without, is_listed = held[alike]
            if is_without:
                found[month] = is_listed
        return found

    def _is_without(
        self,
        contracts: pl.DataFrame,
        first: date,
        day: date,
        parties: Sequence[Mapping[str, Party | None]],
        own: Mapping[str, object] | None,
    ) -> tuple[bool, bool]:
        now = [of[code] for of, code in zip(parties, self._pair.values(), strict=True)]
        if None in now:
            # A code that nobody stands for is refused with the header.
            return False, False
        pair = {name: party.code for name, party in zip(PAIR, now, strict=True) if party}
        codes = [
            {code: party.code if party else None for code, party in of.items()} for of in parties
        ]
        in_force = contracts_in_force(in_price_year(contracts, *codes).filter(**pair), first)
        if own is not None and whole_contracts(in_force).is_empty():
            in_force = pl.concat([in_force, _one_row(**pair, **own)], how="diagonal_relaxed")
        kinds = [party.kind for party in now if party]
        none = pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String))
        of_schedule = self._listed(pair, day)
        tables = {
            PROVIDERS: _one_row(provider_code=pair[PAIR[0]], provider_kind=kinds[0]),
            COMMISSIONERS: _one_row(commissioner_code=pair[PAIR[1]], commissioner_kind=kinds[1]),
            "lva_schedule": of_schedule,
            "lva_exception_days": none,
        }
        found = pairs_without_fixed_element(_one_row(**pair), in_force, tables, self.scheme)
        return found.height > 0, of_schedule.height > 0

    @property
    def _pair(self) -> dict[str, str]:
        codes = (self.file.provider_code, self.file.commissioner_code)
        return dict(zip(PAIR, codes, strict=True))

    def _parties(self, contracts: pl.DataFrame, day: date) -> list[dict[str, Party | None]]:
        """Who the codes of the pair, and of each provider and payer of the list, come down to."""
        return [
            self.organisations.parties(name, sorted({code, *contracts[column].drop_nulls()}), day)
            for name, (column, code) in zip(
                (PROVIDERS, COMMISSIONERS), self._pair.items(), strict=True
            )
        ]

    def _refuse(self, when: str, *, is_listed: bool) -> None:
        names = " and ".join(self._pair.values())
        if is_listed:
            says = (
                f"are on the LVA payments schedule{when}, so that a block pays: to move the "
                "relationship to API, say so in the list of contracts"
            )
        elif self._has_threshold:
            threshold = pounds(self.scheme.api_scope.minimum_contract_pence)
            wanted = f"at least {threshold} a year ({self.scheme.citation(_THRESHOLD)})"
            says = f"are not known to be under API{when}: " + (
                "the list of contracts, by which their lines are priced, must say is_same_system, "
                f"or an expected_annual_value of {wanted}"
                if self.is_in_run
                else f"say is_same_system, or an expected_value of {wanted}"
            )
        else:
            says = (
                f"have no fixed element{when}: an NHS provider has one whose contract agrees on no "
                "other mechanism"
            )
        self.file.root.fault("", f"{names} {says}")

    def _own_terms(self, months: Sequence[str]) -> Mapping[str, object] | None:
        """What the file itself says of its contract against a threshold; None in a run.

        A value for part of a year is held to a like part of the threshold (2021/22 ¶28).
        """
        if not self._has_threshold:
            return None
        root = self.file.root
        is_same_system, value = root.flag("is_same_system"), root.pounds("expected_value")
        if self.is_in_run or (is_same_system is None and value is None):
            return None
        first, last = (date.fromisoformat(f"{month}-01") for month in (min(months), max(months)))
        in_list = read_contracts(self.workspace).rows.filter(
            pl.col("valid_from") <= last, pl.col("valid_to") >= first, **self._pair
        )
        if whole_contracts(in_list).height:
            root.fault("is_same_system", "is said in the list of contracts: leave it out here")
            return None
        a_year = None if value is None else value * MONTHS_IN_YEAR // len(months)
        return {"is_same_system": is_same_system, "expected_annual_value_pence": a_year}

    @property
    def _has_threshold(self) -> bool:
        return self.scheme.gives(_THRESHOLD)

    def _schedules(self) -> list[StoredBook]:
        """The books with an LVA payments schedule of the year."""
        if not self.scheme.low_volume.has_payments_schedule:
            return []
        return [
            book
            for book in stored_books(self.workspace)
            if LVA in book.tables
            and book.publication.scheme_year == self.file.scheme_year
            and (self.as_of is None or book.publication.published_on <= self.as_of)
        ]

    def _listed(self, pair: Mapping[str, str], day: date) -> pl.DataFrame:
        """The row of the pair in the year's LVA payments schedule of a day, if it has one."""
        found = (
            published_table(self.workspace, self.file.scheme_year, day, LVA, self.as_of)
            if self.scheme.low_volume.has_payments_schedule
            else None
        )
        if found is None:
            return pl.DataFrame(
                schema={**dict.fromkeys(PAIR, pl.String), "block_value_pence": pl.Int64}
            )
        return found[1].rows.select(*PAIR, "block_value_pence").filter(**pair)


def _one_row(**values: object) -> pl.DataFrame:
    return pl.DataFrame([values])


def _notes(scheme: Scheme, as_of: date | None, months: Sequence[str]) -> Iterator[str]:
    if as_of:
        yield f"Factors are those published by {as_of}."
    if len(months) < MONTHS_IN_YEAR and scheme.gives(_THRESHOLD):
        threshold = of_part_year(scheme.api_scope.minimum_contract_pence, len(months))
        yield (
            f"The threshold of API outside a system is {pounds(rounded(threshold))} for "
            f"{len(months)} months ({scheme.citation('fixed_element.is_pro_rata_in_part_year')})."
        )
