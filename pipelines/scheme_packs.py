"""Scheme packs: finding and reading the rules of the year that a day falls in.

Belongs here: files to `pricing.scheme.Scheme`, and what needs a clock or more than one pack
to check. Does not belong here: what a pack must hold (`pricing.scheme`).
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from pipelines.basis import scheme_year_of
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing.scheme import Pack, Scheme, read_pack
from pricing.scheme_tables import SchemePackError

_YEAR_STARTS_IN = 4


@dataclass(frozen=True, slots=True)
class SchemePack:
    """A scheme as read from a pack, with what identifies the file."""

    scheme: Scheme
    path: Path
    sha256: str


def scheme_for(workspace: Workspace, on: date, as_of: date | None = None) -> SchemePack:
    """The scheme whose year holds a day, as in force on it and published by another.

    Reads the pack of that year alone. Raises `UserError` where there is none, where it
    cannot be used, or where its rules were not published by `as_of`.
    """
    month = f"{on:%Y-%m}"
    path, pack, sha256 = _read(workspace, scheme_year_of(month), month)
    try:
        return SchemePack(pack.scheme(on, as_of), path, sha256)
    except SchemePackError as error:
        raise _unusable(path, error.faults) from error


def pack_of(workspace: Workspace, year: str) -> Pack:
    """The pack of a scheme year, such as `2025-26`, with every version of its values."""
    return _read(workspace, year, year)[1]


def all_packs(workspace: Workspace) -> list[Pack]:
    """Every pack in order. Raises `UserError` where two overlap or years are missing between."""
    packs = [pack_of(workspace, path.stem) for path in _paths(workspace)]
    faults = []
    for before, after in pairwise(packs):
        days = (after.effective_from - before.effective_to) // timedelta(days=1)
        if days != 1:
            what = "leaves days without rules between" if days > 1 else "overlaps"
            faults.append(
                f"{before.scheme_year} ends on {before.effective_to} and {what} "
                f"{after.scheme_year}, which begins on {after.effective_from}"
            )
    if faults:
        raise UserError("The scheme years do not follow each other:\n  " + "\n  ".join(faults))
    return packs


def scheme_years(workspace: Workspace) -> list[str]:
    """The scheme years that have a pack, in order."""
    return [path.stem for path in _paths(workspace)]


def years_with_schedule() -> list[str]:
    """The scheme years whose pack, as shipped, says how their LVA payments schedule is made."""
    packs = sorted((PROJECT / "data" / "schemes").glob("*.toml"))
    return [
        path.stem
        for path in packs
        if "schedule" in tomllib.loads(path.read_text("utf-8")).get("low_volume", {})
    ]


def schedules_priced_under(workspace: Workspace, year: str) -> list[str]:
    """The scheme years whose LVA payments schedule prices its activity under a year."""
    return [
        pack.scheme_year
        for pack in all_packs(workspace)
        for version in pack.versions.get("low_volume.schedule", ())[-1:]
        if any(part.price_year == year for part in version.value)
    ]


def _read(workspace: Workspace, year: str, wanted: str) -> tuple[Path, Pack, str]:
    path = workspace.data / "schemes" / f"{year}.toml"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        years = ", ".join(scheme_years(workspace)) or "none"
        raise UserError(
            f"No scheme pack covers {wanted}. There are packs for: {years}. "
            "Activity of another year can be priced under the rules of one of them: "
            "sus-pricing run --month MONTH --scheme YEAR."
        ) from None
    try:
        pack = read_pack(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a TOML file: {error}") from error
    except SchemePackError as error:
        raise _unusable(path, error.faults) from error
    faults = _faults_of_file(pack, year)
    if faults:
        raise _unusable(path, faults)
    return path, pack, hashlib.sha256(content).hexdigest()


def _faults_of_file(pack: Pack, year: str) -> list[str]:
    """What a pack cannot know of itself: its file's name, and which day it is."""
    starts = date(int(year[:4]), _YEAR_STARTS_IN, 1)
    ends = starts.replace(year=starts.year + 1) - timedelta(days=1)
    today = date.today()
    faults = []
    if pack.scheme_year != year:
        faults.append(f"'scheme_year' is {pack.scheme_year}, and the file is named {year}")
    if (pack.effective_from, pack.effective_to) != (starts, ends):
        faults.append(f"the year {year} is from {starts} to {ends}: see 'effective_from'")
    faults += [
        f"'{version.path}' is said to be published on {version.published_on}, in the future"
        for versions in pack.versions.values()
        for version in versions
        if version.published_on > today
    ]
    return faults


def _paths(workspace: Workspace) -> list[Path]:
    return sorted((workspace.data / "schemes").glob("*.toml"))


def _unusable(path: Path, faults: list[str]) -> UserError:
    listed = "\n".join(f"  {path.name}: {fault}" for fault in faults)
    return UserError(f"The scheme pack cannot be used:\n{listed}")
