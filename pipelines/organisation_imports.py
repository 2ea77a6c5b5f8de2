"""Imports of organisations: other people's lists into ours, whole or not at all.

Belongs here: the layouts in which lists are published (our own, those of the Organisation
Data Service, lists of commissioners), and adding a file to a publication. Does not belong
here: our own layout, or which publication counts (`pipelines.organisations`).
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.lists import (
    Cell,
    code,
    csv_rows,
    day,
    folded,
    optional_code,
    read_list,
    refuse_faults,
    required_day,
    text,
)
from pipelines.organisations import (
    COMMISSIONERS,
    LAYOUTS,
    PROVIDER_KINDS,
    PROVIDERS,
    SITES,
    SUCCESSIONS,
    Source,
    faults_of,
    imported_list,
    publication,
    publication_folder,
    read_organisations,
    write_source,
)
from pipelines.workspace import UserError, Workspace, replacing

_DAY = re.compile(r"\d{8}")
_ODS_COLUMNS, _OPEN_DATE, _PARENT = 27, 10, 14
_SUCCESSION_COLUMNS, _SUCCEEDED_ON = 5, 3
_TRUST_CODE_LENGTH = 3
_NEVER_ENDS = date(2050, 3, 31)
_HUB = "COMMISSIONING HUB"
_AMBULANCE = "AMBULANCE"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows kept, and what of the file was left out, by reason."""

    rows: int
    left_out: dict[str, int]
    was_there: bool
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """A list in our layout, with the line of each row, and what was left out."""

    rows: pl.DataFrame
    left_out: dict[str, int]
    is_national: bool = False


def import_organisations(
    workspace: Workspace, path: Path, name: str, published: date, kind: str | None = None
) -> Imported:
    """Adds a file to the list `name` (a key of `LAYOUTS`) as published on a day.

    A list may be in several files of one day; together they take the place of the bundled
    one. A file that is there already is left as it is. Raises `UserError` naming every
    fault, with nothing stored.
    """
    if published > date.today():
        raise UserError(
            f"{path.name}: {published} is in the future. Give the day the list was published."
        )
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    before = publication(workspace, name, published)
    for source in before.sources:
        if (source.sha256, source.kind) == (sha256, kind):
            return Imported(source.rows, {}, was_there=True)
        if source.sha256 == sha256 or source.file == path.name:
            other = "as another kind" if source.sha256 == sha256 else "with other content"
            raise UserError(
                f"{path.name} was imported {other} as {name} published on {published}. What was "
                "imported is kept: give the day on which this one was published."
            )
    read = _read(path, content, name, kind)
    rows = read.rows.with_columns(file=pl.lit(path.name))
    left_out = dict(read.left_out)
    unknown = _of_nobody(workspace, name, rows)
    if read.is_national and unknown.height:
        rows = rows.join(unknown, on="line", how="anti", maintain_order="left")
        left_out[f"of no {'provider' if name == SITES else 'organisation'} of the lists"] = (
            unknown.height
        )
    faults = faults_of(name, pl.concat([before.rows, rows]))
    refuse_faults(path.name, faults if read.is_national else faults + _unknown(name, unknown))
    if rows.is_empty():
        raise UserError(f"{path.name} holds no {name} that could be kept. Is it the right file?")
    source = Source(path.name, sha256, rows.height, kind)
    folder = publication_folder(workspace, name, published) / sha256[:16]
    with replacing(folder) as writing:
        write_source(writing, source, rows, {"published": f"{published}", "left_out": left_out})
    gone = _gone(workspace, name, published, pl.concat([before.rows, rows]))
    return Imported(rows.height, left_out, was_there=False, gone=gone)


def _gone(workspace: Workspace, name: str, published: date, rows: pl.DataFrame) -> tuple[str, ...]:
    """The codes of the publication before that this one does not hold."""
    earlier = imported_list(workspace, name, published - timedelta(days=1))
    own = LAYOUTS[name][0].name
    return tuple(sorted(set(earlier.rows[own]) - set(rows[own]))) if earlier else ()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}.") from None


def _read(path: Path, content: bytes, name: str, kind: str | None) -> _Read:
    """A file in our layout, whatever its own; raises `UserError` for one that we do not know."""
    first = next((row for _, row in csv_rows(path, content)), [])
    header = {folded(field) for field in first}
    own = [cell.header for cell in LAYOUTS[name]]
    readers: list[tuple[bool, Callable[[], _Read]]] = [
        (
            header.issuperset(own),
            lambda: _Read(read_list(path, LAYOUTS[name], content=content, numbered=True), {}),
        ),
        (
            name == PROVIDERS and _is_ods(first),
            lambda: _ods_providers(path, content, kind),
        ),
        (name == SITES and _is_ods(first), lambda: _ods_sites(path, content)),
        (
            name == SUCCESSIONS and _is_ods_succession(first),
            lambda: _ods_successions(path, content),
        ),
        (
            name == SUCCESSIONS and header.issuperset(c.header for c in _OF_COMMISSIONERS),
            lambda: _successions_of_commissioners(path, content),
        ),
        (
            name == COMMISSIONERS and header.issuperset(c.header for c in _OF_COMMISSIONERS),
            lambda: _commissioners(path, content),
        ),
        (
            name == COMMISSIONERS and header.issuperset(c.header for c in _MAPPING),
            lambda: _mapping(path, content),
        ),
    ]
    if kind and (name != PROVIDERS or header.issuperset(own)):
        raise UserError(f"{path.name} tells the kind of its rows itself. Leave out --kind.")
    for fits, reader in readers:
        if fits:
            return reader()
    raise UserError(
        f"{path.name} has no layout of {name} that is known. It may have the columns "
        f"{', '.join(own)}, or be {_ALSO[name]}."
    )


_ALSO = {
    PROVIDERS: "a file of the Organisation Data Service (27 columns, no header), with --kind",
    SITES: "a file of the Organisation Data Service (27 columns, no header)",
    COMMISSIONERS: "a list with the columns code, type, operational_start and parent_icb_code, "
    "or sub_icb_code, icb_code, effective_from and effective_to",
    SUCCESSIONS: "the succession file of the Organisation Data Service (5 columns, no header), or "
    "a list with the columns code, operational_start and successor_code",
}


# --- The Organisation Data Service -----------------------------------------------------------

_ODS = (
    Cell("column 1", "code", pl.String, code),
    Cell("column 2", "name", pl.String, text),
    Cell("column 11", "valid_from", pl.Date, required_day),
    Cell("column 12", "valid_to", pl.Date, day),
    Cell("column 15", "parent_code", pl.String, optional_code),
)
_ODS_SUCCESSION = (
    Cell("column 1", "predecessor_code", pl.String, code),
    Cell("column 2", "successor_code", pl.String, code),
    Cell("column 4", "effective_on", pl.Date, required_day),
)


def _is_ods(row: Sequence[str]) -> bool:
    return len(row) == _ODS_COLUMNS and _DAY.fullmatch(row[_OPEN_DATE].strip()) is not None


def _is_ods_succession(row: Sequence[str]) -> bool:
    return (
        len(row) == _SUCCESSION_COLUMNS and _DAY.fullmatch(row[_SUCCEEDED_ON].strip()) is not None
    )


def _numbered(path: Path, content: bytes, cells: Sequence[Cell], columns: int) -> pl.DataFrame:
    """A file without a header, its columns named by their numbers, from 1."""
    header = [f"column {number}" for number in range(1, columns + 1)]
    return read_list(path, cells, content=content, numbered=True, header_row=header)


def _ods_providers(path: Path, content: bytes, kind: str | None) -> _Read:
    """Providers, whose kind the file does not tell but for ambulance trusts, by their names."""
    if kind is None:
        raise UserError(
            f"{path.name} does not say of what kind its providers are. Give --kind "
            f"{', '.join(PROVIDER_KINDS)}."
        )
    rows = _numbered(path, content, _ODS, _ODS_COLUMNS)
    is_ambulance = pl.col("name").str.to_uppercase().str.contains(_AMBULANCE, literal=True)
    by_name = pl.when(is_ambulance).then(pl.lit("ambulance_trust")).otherwise(pl.lit(kind))
    return _Read(
        rows.select(
            "line",
            provider_code="code",
            provider_name="name",
            provider_kind=by_name if kind == "nhs_trust" else pl.lit(kind),
            valid_from="valid_from",
            valid_to="valid_to",
        ),
        {},
        is_national=True,
    )


def _ods_sites(path: Path, content: bytes) -> _Read:
    """Sites, of the organisation that the file names, else of that their code begins with."""
    rows = _numbered(path, content, _ODS, _ODS_COLUMNS)
    trust = pl.col("code").str.slice(0, _TRUST_CODE_LENGTH)
    return _Read(
        rows.select(
            "line",
            site_code="code",
            provider_code=pl.coalesce("parent_code", trust),
            valid_from="valid_from",
            valid_to="valid_to",
        ),
        {},
        is_national=True,
    )


def _ods_successions(path: Path, content: bytes) -> _Read:
    rows = _numbered(path, content, _ODS_SUCCESSION, _SUCCESSION_COLUMNS)
    return _one_successor(rows)


def _one_successor(rows: pl.DataFrame) -> _Read:
    """National successions, without the organisations that several took over from."""
    rows = rows.unique(["predecessor_code", "successor_code"], keep="first", maintain_order=True)
    is_split = pl.len().over("predecessor_code") > 1
    split = rows.filter(is_split)["predecessor_code"].n_unique()
    left_out = {"organisations with several successors": split} if split else {}
    return _Read(rows.filter(~is_split), left_out, is_national=True)


# --- Lists of commissioners ------------------------------------------------------------------

_OF_COMMISSIONERS = (
    Cell("code", "code", pl.String, code),
    Cell("name", "name", pl.String, text),
    Cell("status", "status", pl.String, text),
    Cell("type", "type", pl.String, text),
    Cell("operational_start", "operational_start", pl.Date, required_day),
    Cell("successor_code", "successor_code", pl.String, optional_code),
    Cell("parent_icb_code", "parent_icb_code", pl.String, optional_code),
)
_MAPPING = (
    Cell("sub_icb_code", "sub_icb_code", pl.String, code),
    Cell("icb_code", "icb_code", pl.String, code),
    Cell("commissioning_hub", "commissioning_hub", pl.String, optional_code),
    Cell("health_and_justice", "health_and_justice", pl.String, optional_code),
    Cell("effective_from", "effective_from", pl.Date, required_day),
    Cell("effective_to", "effective_to", pl.Date, day),
)


def _commissioners(path: Path, content: bytes) -> _Read:
    """Sub-ICB locations, ICBs and hubs that are active, each from its first day.

    The list gives no dates of a mapping, so the one of its publication counts throughout.
    """
    rows = read_list(path, _OF_COMMISSIONERS, content=content, numbered=True)
    active = pl.col("status") == "Active"
    is_part = active & (pl.col("type") == "Sub-ICB Location")
    no_parent = rows.filter(is_part & pl.col("parent_icb_code").is_null())
    refuse_faults(
        path.name,
        [
            f"{path.name}, line {line}: {one} is a sub-ICB location without a parent_icb_code"
            for line, one in no_parent.select("line", "code").iter_rows()
        ],
    )
    icbs = rows.filter(is_part)["parent_icb_code"].unique().implode()
    is_icb = active & pl.col("code").is_in(icbs)
    is_hub = active & pl.col("name").str.contains(_HUB) & pl.col("successor_code").is_null()
    kept = rows.filter(is_part | is_icb | is_hub).select(
        "line",
        organisation_code="code",
        organisation_name="name",
        commissioner_code=pl.when(is_part).then("parent_icb_code").otherwise("code"),
        commissioner_kind=pl.when(is_hub).then(pl.lit("nhs_england")).otherwise(pl.lit("icb")),
        valid_from="operational_start",
        valid_to=pl.lit(None, dtype=pl.Date),
    )
    left_out = rows.height - kept.height
    why = "closed, or neither sub-ICB location, ICB nor commissioning hub"
    return _Read(kept, {why: left_out} if left_out else {}, is_national=True)


def _successions_of_commissioners(path: Path, content: bytes) -> _Read:
    """Successions, each from the day its successor opened: the list gives no other."""
    rows = read_list(path, _OF_COMMISSIONERS, content=content, numbered=True)
    opened = rows.select(successor_code="code", effective_on="operational_start")
    found = rows.filter(pl.col("successor_code").is_not_null()).join(
        opened, on="successor_code", how="left", maintain_order="left"
    )
    undated = found.filter(pl.col("effective_on").is_null())
    refuse_faults(
        path.name,
        [
            f"{path.name}, line {line}: the successor {successor} is not in the list"
            for line, successor in undated.select("line", "successor_code").iter_rows()
        ],
    )
    return _one_successor(
        found.select("line", "successor_code", "effective_on", predecessor_code="code").select(
            "line", *(cell.name for cell in LAYOUTS[SUCCESSIONS])
        )
    )


def _mapping(path: Path, content: bytes) -> _Read:
    """Sub-ICB locations and their ICBs by day, with the ICBs and hubs that the rows name.

    Rows that follow on one another with the same ICB are one.
    """
    rows = read_list(path, _MAPPING, content=content, numbered=True)

    def periods(column: str, payer: str, kind: str) -> pl.DataFrame:
        return rows.filter(pl.col(column).is_not_null()).select(
            "line",
            organisation_code=column,
            organisation_name=pl.lit(None, dtype=pl.String),
            commissioner_code=payer,
            commissioner_kind=pl.lit(kind),
            valid_from="effective_from",
            valid_to=pl.col("effective_to").fill_null(_NEVER_ENDS),
        )

    every = pl.concat(
        [
            periods("sub_icb_code", "icb_code", "icb"),
            periods("icb_code", "icb_code", "icb"),
            periods("commissioning_hub", "commissioning_hub", "nhs_england"),
            periods("health_and_justice", "health_and_justice", "nhs_england"),
        ]
    )
    return _Read(pl.DataFrame(_joined(every), schema=every.schema), {}, is_national=True)


def _joined(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of our layout, in which those that follow on one another and say the same are one."""
    made: list[dict[str, Any]] = []
    keys = ("organisation_code", "commissioner_code", "commissioner_kind")
    for row in rows.sort("organisation_code", "valid_from", "line").iter_rows(named=True):
        before = made[-1] if made else None
        if before and all(before[key] == row[key] for key in keys):
            next_day = before["valid_to"] + timedelta(days=1)
            if row["valid_from"] == next_day or (
                row["valid_from"] < next_day and _pays_for_itself(row)
            ):
                before["valid_to"] = max(before["valid_to"], row["valid_to"])
                continue
        made.append(row)
    for row in made:
        row["valid_to"] = None if row["valid_to"] >= _NEVER_ENDS else row["valid_to"]
    return made


def _pays_for_itself(row: dict[str, Any]) -> bool:
    return bool(row["organisation_code"] == row["commissioner_code"])


# --- What the lists know ---------------------------------------------------------------------


def _of_nobody(workspace: Workspace, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The sites and successions that concern no organisation of the lists as they stand."""
    if name not in (SITES, SUCCESSIONS):
        return rows.clear()
    organisations = read_organisations(workspace)
    known = organisations.known(PROVIDERS)
    if name == SITES:
        return rows.filter(~pl.col("provider_code").is_in(list(known)))
    known |= organisations.known(COMMISSIONERS)
    successors = dict(rows.select("predecessor_code", "successor_code").iter_rows())
    lead = [one for one in successors if _ends_in(one, successors, known)]
    return rows.filter(~pl.col("predecessor_code").is_in(lead))


def _ends_in(start: str, successors: dict[str, str], known: set[str]) -> bool:
    passed = {start}
    while (start := successors.get(start, "")) and start not in passed:
        if start in known:
            return True
        passed.add(start)
    return False


def _unknown(name: str, rows: pl.DataFrame) -> list[str]:
    column = "provider_code" if name == SITES else "successor_code"
    which = "a provider" if name == SITES else "an organisation"
    return [
        f"{row['file']}, line {row['line']}: {row[column]} is not {which} of the lists; "
        "import those first"
        for row in rows.iter_rows(named=True)
    ]
