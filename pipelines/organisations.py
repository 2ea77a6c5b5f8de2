"""Organisations: who provides and who pays, and since when, read from dated lists.

Belongs here: the layout of the lists, which of those bundled and imported counts on a day,
the check that the dates of a list tile, and laying out what each code comes down to for a
month. Does not belong here: how a code is followed (`pricing.organisations`), or what other
people's lists look like (`pipelines.organisation_imports`).
"""

import hashlib
import json
import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.lists import (
    Cell,
    code,
    day,
    one_of,
    optional_text,
    read_list,
    refuse_faults,
    required_day,
    text,
)
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing.organisations import (
    Party,
    Period,
    Periods,
    Succession,
    Successions,
    cycles,
    overlaps_and_gaps,
    party_on,
)
from schemas.extracts import ORGANISATION_CODE

PROVIDERS, SITES = "providers", "sites"
COMMISSIONERS, SUCCESSIONS = "commissioners", "successions"
PROVIDER_KINDS = ("nhs_trust", "ambulance_trust", "independent")
COMMISSIONER_KINDS = ("icb", "nhs_england")


def organisation_code(value: str) -> str:
    """The code of an organisation, in capitals."""
    found = code(value)
    if not re.fullmatch(ORGANISATION_CODE, found):
        raise ValueError("is no organisation code")
    return found


_DATED = (
    Cell("valid_from", "valid_from", pl.Date, required_day),
    Cell("valid_to", "valid_to", pl.Date, day),
)
LAYOUTS: dict[str, tuple[Cell, ...]] = {
    PROVIDERS: (
        Cell("provider_code", "provider_code", pl.String, organisation_code),
        Cell("provider_name", "provider_name", pl.String, text),
        Cell("provider_kind", "provider_kind", pl.String, one_of(*PROVIDER_KINDS)),
        *_DATED,
    ),
    SITES: (
        Cell("site_code", "site_code", pl.String, organisation_code),
        Cell("provider_code", "provider_code", pl.String, organisation_code),
        *_DATED,
    ),
    COMMISSIONERS: (
        Cell("organisation_code", "organisation_code", pl.String, organisation_code),
        Cell("organisation_name", "organisation_name", pl.String, optional_text),
        Cell("commissioner_code", "commissioner_code", pl.String, organisation_code),
        Cell("commissioner_kind", "commissioner_kind", pl.String, one_of(*COMMISSIONER_KINDS)),
        *_DATED,
    ),
    SUCCESSIONS: (
        Cell("predecessor_code", "predecessor_code", pl.String, organisation_code),
        Cell("successor_code", "successor_code", pl.String, organisation_code),
        Cell("effective_on", "effective_on", pl.Date, required_day),
    ),
}
"""The columns of each list. A row holds from `valid_from` to `valid_to`, both included;
blank is open."""

_MAY_BE_ABSENT = (SITES, SUCCESSIONS)
_ROWS, _MANIFEST = "rows.parquet", "manifest.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a list was read from."""

    file: str
    sha256: str
    rows: int
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class OrganisationList:
    """One list, with the `file` and `line` of each row; `published` is None where not imported.

    `is_illustrative` says that it is the small list that ships for the demonstration.
    """

    name: str
    rows: pl.DataFrame
    sources: tuple[Source, ...]
    published: date | None = None
    is_illustrative: bool = False

    @property
    def says(self) -> str:
        """Where the list is from, as a citation."""
        if self.published is None:
            return f"data/organisations/{self.name}.csv"
        files = ", ".join(source.file for source in self.sources)
        return f"imported {self.name}, published {self.published} ({files})"


@dataclass(frozen=True, slots=True)
class Organisations:
    """Providers, their sites, commissioners, and who took over from whom."""

    lists: Mapping[str, OrganisationList]

    @property
    def is_illustrative(self) -> bool:
        """Whether any list is the one bundled for the demonstration."""
        return any(one.is_illustrative for one in self.lists.values())

    @property
    def sha256(self) -> str:
        """What identifies the lists together."""
        every = [
            f"{name} {source.sha256}"
            for name, one in sorted(self.lists.items())
            for source in one.sources
        ]
        return hashlib.sha256("\n".join(every).encode()).hexdigest()

    def parties(self, name: str, codes: Sequence[str], on: date) -> dict[str, Party | None]:
        """Who each of some codes comes down to on a day, among `providers` or `commissioners`."""
        periods, successions = self._periods(name), self._successions()
        return {one: party_on(one, periods, successions, on) for one in codes}

    def was_succeeded(self, party: Party) -> bool:
        """Whether another organisation took over on the way to a party."""
        before = set(self.lists[SUCCESSIONS].rows["predecessor_code"])
        return any(code in before for code in party.passed[:-1])

    def known(self, name: str) -> set[str]:
        """Every code that was ever a provider's or a commissioner's, of its own or before."""
        return _known(self._periods(name), self._successions())

    def payers(self) -> set[str]:
        """Every code that was ever a payer's, and of those that a payer took over from."""
        parts = {
            row["organisation_code"]
            for row in self.lists[COMMISSIONERS].rows.iter_rows(named=True)
            if row["organisation_code"] != row["commissioner_code"]
        }
        payers = set(self.lists[COMMISSIONERS].rows["commissioner_code"])
        return (self.known(COMMISSIONERS) - parts) | payers

    def laid_out(
        self, activity: date, on: date, payers_on: date | None = None
    ) -> dict[str, pl.DataFrame]:
        """The tables `providers` and `commissioners` of `pricing.reference` for a month.

        `activity` is the first of the month of activity, when a site belongs to its
        provider; `on` is the day whose rules apply, when provider and payer must be open;
        `payers_on` that of payers, where it is another.
        """
        providers = self._resolved(PROVIDERS, on)
        payers = self._resolved(COMMISSIONERS, payers_on or on)
        of_sites = (
            self._sites(activity)
            .join(providers, left_on="provider_code", right_on="code", how="left")
            .select(delivered_code="site_code", provider_code="party_code", provider_kind="kind")
            .join(providers, left_on="delivered_code", right_on="code", how="anti")
        )
        own = providers.rename(
            {"code": "delivered_code", "party_code": "provider_code", "kind": "provider_kind"}
        )
        return {
            PROVIDERS: pl.concat([own, of_sites]),
            COMMISSIONERS: payers.rename(
                {
                    "code": "organisation_code",
                    "party_code": "commissioner_code",
                    "kind": "commissioner_kind",
                }
            ),
        }

    def described(self, wanted: str, on: date) -> list[tuple[str, str]]:
        """What the lists say of a code, and what it comes down to on a day, line by line.

        Raises `UserError` for a code that is in none of them.
        """
        said: list[tuple[str, str]] = []
        for name, one in self.lists.items():
            by = LAYOUTS[name][0].name
            rows = one.rows.filter(pl.col(by) == wanted).sort(pl.col(pl.Date))
            said += [_in_words(name, row) for row in rows.iter_rows(named=True)]
        before = self.lists[SUCCESSIONS].rows.filter(pl.col("successor_code") == wanted)
        said += [
            ("took over from", f"{row['predecessor_code']} on {row['effective_on']}")
            for row in before.sort("effective_on", "predecessor_code").iter_rows(named=True)
        ]
        if not said:
            raise UserError(f"{wanted} is in none of the lists of organisations.")
        first = on.replace(day=1)
        of_site = self._sites(first).filter(pl.col("site_code") == wanted)["provider_code"]
        is_site = wanted not in self.known(PROVIDERS) and len(of_site)
        for name, what, own in (
            (PROVIDERS, "provider", of_site.item() if is_site else wanted),
            (COMMISSIONERS, "payer", wanted),
        ):
            if own in self.known(name):
                party = self.parties(name, [own], on)[own]
                found = "nobody: its records are refused"
                if party:
                    found = f"{' → '.join(party.passed)} ({party.kind})"
                said.append((f"{what} on {on}", found))
        return said

    def _resolved(self, name: str, on: date) -> pl.DataFrame:
        periods, successions = self._periods(name), self._successions()
        parties = {
            one: party_on(one, periods, successions, on)
            for one in sorted(_known(periods, successions))
        }
        rows = [(one, p and p.code, p and p.kind) for one, p in parties.items()]
        schema = dict.fromkeys(("code", "party_code", "kind"), pl.String)
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _sites(self, activity: date) -> pl.DataFrame:
        """The provider of each site in a month; on its first day, where that changes in it."""
        last = activity.replace(day=monthrange(activity.year, activity.month)[1])
        in_force = (pl.col("valid_from") <= last) & (
            pl.col("valid_to").is_null() | (pl.col("valid_to") >= activity)
        )
        sites = self.lists[SITES].rows.filter(in_force).sort("site_code", "valid_from")
        return sites.unique("site_code", keep="first", maintain_order=True).select(
            "site_code", "provider_code"
        )

    def _periods(self, name: str) -> Periods:
        stands_for = "provider_code" if name == PROVIDERS else "commissioner_code"
        kind = "provider_kind" if name == PROVIDERS else "commissioner_kind"
        columns = (LAYOUTS[name][0].name, stands_for, kind, "valid_from", "valid_to")
        found: dict[str, list[Period]] = {}
        for own, *period in (
            self.lists[name]
            .rows.select(pl.col(column).alias(f"{place}") for place, column in enumerate(columns))
            .iter_rows()
        ):
            found.setdefault(own, []).append(Period(*period))
        return found

    def _successions(self) -> Successions:
        rows = self.lists[SUCCESSIONS].rows.select(
            "predecessor_code", "successor_code", "effective_on"
        )
        return {one: Succession(successor, on) for one, successor, on in rows.iter_rows()}


def read_organisations(workspace: Workspace) -> Organisations:
    """The lists that count on the basis' day: those last imported by then, else the bundled.

    A bundled list counts only where none of its name was ever imported. Raises `UserError`
    naming the file and line of every fault, and where a list was first published later.
    """
    folder = workspace.data / "organisations"
    by = workspace.basis.as_of or date.max
    lists = {}
    for name in LAYOUTS:
        days = publications(workspace, name)
        if days and days[0] > by:
            raise UserError(
                f"The {name} that were imported were first published on {days[0]}, after {by}. "
                f"Import those published by then: sus-pricing organisations import FILE.csv "
                f"--table {name} --published DATE."
            )
        imported = imported_list(workspace, name, by)
        lists[name] = imported or bundled_list(folder, name)
    return Organisations(lists)


def bundled_list(folder: Path, name: str) -> OrganisationList:
    """The list of a folder. Where it has no sites or successions, there are none."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        if name in _MAY_BE_ABSENT:
            return OrganisationList(name, _no_rows(name), ())
        raise UserError(f"{path.name} is not in {folder}.")
    content = path.read_bytes()
    rows = read_list(path, LAYOUTS[name], content=content, numbered=True)
    rows = rows.with_columns(file=pl.lit(path.name))
    refuse_faults(path.name, faults_of(name, rows))
    source = Source(path.name, hashlib.sha256(content).hexdigest(), rows.height)
    ships = folder == PROJECT / "data" / "organisations"
    return OrganisationList(name, rows, (source,), is_illustrative=ships)


def imported_list(workspace: Workspace, name: str, by: date) -> OrganisationList | None:
    """The list as last published by a day, from every file imported of that day."""
    days = [published for published in publications(workspace, name) if published <= by]
    return publication(workspace, name, days[-1]) if days else None


def publications(workspace: Workspace, name: str) -> list[date]:
    """The days on which what was imported of a list was published, in order."""
    folders = (workspace.imported / "organisations" / name).glob("[0-9]*/")
    return sorted(date.fromisoformat(folder.name) for folder in folders)


def publication(workspace: Workspace, name: str, published: date) -> OrganisationList:
    """Every file of a list imported as published on a day; no rows where there is none."""
    folder = publication_folder(workspace, name, published)
    try:
        files = sorted(folder.glob(f"[!.]*/{_MANIFEST}"))
        manifests = [json.loads(path.read_text("utf-8")) for path in files]
        frames = [pl.read_parquet(path.with_name(_ROWS)) for path in files]
        rows = pl.concat([_no_rows(name), *frames])
        sources = tuple(Source(m["file"], m["sha256"], m["rows"], m["kind"]) for m in manifests)
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"{workspace.shown(folder)} is damaged. Remove it and import its files again."
        ) from error
    return OrganisationList(name, rows, sources, published)


def publication_folder(workspace: Workspace, name: str, published: date) -> Path:
    """Where the files of a publication are kept, a folder each."""
    return workspace.imported / "organisations" / name / f"{published}"


def write_source(folder: Path, source: Source, rows: pl.DataFrame, about: dict[str, Any]) -> None:
    """Writes one file of a publication: its rows and its manifest."""
    folder.mkdir(parents=True)
    rows.write_parquet(folder / _ROWS)
    manifest = {
        "file": source.file,
        "sha256": source.sha256,
        "rows": source.rows,
        "kind": source.kind,
        **about,
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")


def faults_of(name: str, rows: pl.DataFrame) -> list[str]:
    """Everything wrong with a list as a whole, with file and line.

    Rows of one code may not overlap, and may leave no day between them.
    """
    if name == SUCCESSIONS:
        return _faults_of_successions(rows)
    own = LAYOUTS[name][0].name
    backwards = rows.filter(pl.col("valid_to") < pl.col("valid_from"))
    faults = [f"{_place(row)}: ends before it starts" for row in backwards.iter_rows(named=True)]
    several = rows.filter(pl.len().over(own) > 1).sort(own, "valid_from", "file", "line")
    for _, of_code in several.group_by(own, maintain_order=True):
        found = of_code.rows(named=True)
        periods = [(row["valid_from"], row["valid_to"]) for row in found]
        for place, kind, first, last in overlaps_and_gaps(periods):
            absent = "has no payer" if name == COMMISSIONERS else "is given for no day"
            says = "is given twice" if kind == "overlap" else absent
            here, before = found[place], found[place - 1]
            faults.append(
                f"{_place(here)}: {here[own]} {says} {_days(first, last)}; see {_place(before)}"
            )
    if name == COMMISSIONERS:
        listed = set(rows["organisation_code"])
        faults += [
            f"{_place(row)}: {row['commissioner_code']} pays for {row['organisation_code']} and "
            "has no row of its own"
            for row in rows.iter_rows(named=True)
            if row["commissioner_code"] not in listed
        ]
    return faults


def _faults_of_successions(rows: pl.DataFrame) -> list[str]:
    faults = []
    lines: dict[str, str] = {}
    for row in rows.iter_rows(named=True):
        first = lines.setdefault(row["predecessor_code"], _place(row))
        if first != _place(row):
            faults.append(
                f"{_place(row)}: {row['predecessor_code']} has a successor already; see {first}"
            )
    successors = dict(rows.select("predecessor_code", "successor_code").iter_rows())
    for ring in cycles(successors):
        shown = " → ".join((*ring, ring[0]))
        faults.append(f"{lines[ring[0]]}: {shown}: the successions go round in a ring")
    return faults


def _known(periods: Periods, successions: Successions) -> set[str]:
    return set(periods) | {one for one in successions if _leads_to(one, periods, successions)}


def _leads_to(start: str, periods: Periods, successions: Successions) -> bool:
    """Whether the successors of a code come to one that has periods of its own."""
    passed = {start}
    while (succession := successions.get(start)) and succession.successor not in passed:
        start = succession.successor
        passed.add(start)
        if start in periods:
            return True
    return False


def _in_words(name: str, row: dict[str, Any]) -> tuple[str, str]:
    if name == SUCCESSIONS:
        return "succeeded by", f"{row['successor_code']} on {row['effective_on']}"
    days = f"{row['valid_from']} to {row['valid_to'] or 'now on'}"
    if name == PROVIDERS:
        return "provider", f"{row['provider_name']}, {row['provider_kind']}, {days}"
    if name == SITES:
        return "site", f"of {row['provider_code']}, {days}"
    named = f"{row['organisation_name']}, " if row["organisation_name"] else ""
    return "commissioner", f"{named}paid for by {row['commissioner_code']}, {days}"


def _days(first: date, last: date) -> str:
    if last == date.max:
        return f"from {first} on"
    return f"on {first}" if first == last else f"from {first} to {last}"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['file']}, line {row['line']}"


def _no_rows(name: str) -> pl.DataFrame:
    own = {cell.name: cell.dtype for cell in LAYOUTS[name]}
    return pl.DataFrame(schema={"line": pl.Int64, **own, "file": pl.String})
