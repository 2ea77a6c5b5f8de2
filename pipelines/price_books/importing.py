"""Importing: a workbook or CSV file as published, into a stored price book, whole or not at all.

Belongs here: which tabs are read, what must be there, what makes an import wrong, and how it
is kept. Does not belong here: reading a table (`reading`) or which book prices a day (`books`).

Each import is a book of the tables that it holds. A workbook of prices must hold every table
that is expected of its year; factors, block values and eligible providers may come in workbooks
of their own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from pipelines.lists import listed, quoted
from pipelines.organisations import COMMISSIONERS, PROVIDERS, read_organisations
from pipelines.price_books.annex_a import (
    BY_NAME,
    COVER,
    LVA,
    TABLES,
    Table,
    plain,
    table_of_tab,
    year_said,
    years_in_title,
)
from pipelines.price_books.books import (
    MANIFEST,
    Publication,
    StoredBook,
    imported_books,
    read_manifest,
    stored_books,
)
from pipelines.price_books.frames import put_together
from pipelines.price_books.reading import TableRead, read_table
from pipelines.price_books.sheets import Sheet, content_of, read_csv, read_workbook
from pipelines.workspace import UserError, Workspace, replacing
from pricing.contracts import PAIR

MADE_UP = "ILLUSTRATIVE:"
NOT_WHOLE = "PARTIAL:"
"""How a cell begins that says of a whole file that nobody may pay on it."""
_SHOWN_OF_TITLE = 60
_SHOWN_CODES = 10


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the book, and whether it was there already.

    `gone` tells by table how many keys of the edition before it no longer holds: a later
    table takes the place of the whole of the one before.
    `notes` are what a reader should know of its block values.
    """

    book: StoredBook
    was_there: bool
    gone: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


def import_workbook(
    workspace: Workspace, path: Path, publication: Publication, without: Sequence[str] = ()
) -> Imported:
    """Stores the tables of a workbook as a book; nothing when anything is wrong.

    `without` names tabs that are not to be read, and what the year's workbook is expected to
    hold and this one does not. Raises `UserError` that names every fault by its tab and cell.
    """
    _refuse_publication(workspace, publication)
    content = content_of(path)
    left_out = {plain(name): name for name in without}
    sheets = read_workbook(path.name, content)
    by_table, unread = _sort_tabs(sheets, publication.scheme_year, left_out)
    if not by_table:
        names = quoted([sheet.name for sheet in sheets])
        raise UserError(
            f"{path.name} is a workbook of another kind: none of its tabs ({names}) is a table "
            "of prices, factors, block values or eligible providers. Patterns are in "
            "price_books/annex_a.py."
        )
    read = {
        table.name: read_table(by_table[table.name], table, publication.scheme_year, list(by_table))
        for table in TABLES
        if table.name in by_table
    }
    expected = _expected(by_table, publication.scheme_year)
    absent = _absent(expected, read, unread, left_out)
    faults = [
        *(
            f"{what}. {_how_to_leave_out(key)}"
            for key, what in absent.items()
            if key not in left_out
        ),
        *_not_there_to_leave_out(left_out, sheets, absent),
        *_of_another_year(sheets, read, publication.scheme_year, left_out),
        *_not_to_be_paid_on(sheets, publication),
    ]
    return _store(
        workspace, path, content, publication, read, faults, unread=unread, left_out=without
    )


def import_csv(workspace: Workspace, path: Path, table: str, publication: Publication) -> Imported:
    """Stores one table from a CSV file as a book; nothing when anything is wrong.

    `table` is the name of a table or the beginning of one. Raises `UserError` that names
    every faulty line.
    """
    _refuse_publication(workspace, publication)
    chosen, content = _table_named(table), content_of(path)
    sheets = [read_csv(path.name, content)]
    read = {chosen.name: read_table(sheets, chosen, publication.scheme_year)}
    faults = list(_not_to_be_paid_on(sheets, publication))
    faults = faults or _of_another_year(sheets, read, publication.scheme_year, {})
    return _store(workspace, path, content, publication, read, faults, name_in_id=f"_{chosen.name}")


def _table_named(name: str) -> Table:
    if name in BY_NAME:
        return BY_NAME[name]
    found = [table for table in TABLES if name and table.name.startswith(name.casefold())]
    if len(found) != 1:
        raise UserError(f"'{name}' is not one table. There are: {', '.join(sorted(BY_NAME))}.")
    return found[0]


def _refuse_publication(workspace: Workspace, publication: Publication) -> None:
    """Raises `UserError` for a year without a pack, or days that cannot be."""
    packs = sorted(path.stem for path in (workspace.data / "schemes").glob("*.toml"))
    year = publication.scheme_year
    faults = []
    if year not in packs:
        faults.append(f"there is no scheme {year}; there are {', '.join(packs) or 'none'}")
    starts = date(int(year[:4]), 4, 1)
    ends = date(starts.year + 1, 3, 31)
    if not starts <= publication.effective_from <= ends:
        faults.append(
            f"prices of {year} cannot take effect on {publication.effective_from}: the year is "
            f"{starts} to {ends}"
        )
    if publication.published_on > date.today():
        faults.append(f"the publication day {publication.published_on} is in the future")
    if faults:
        raise UserError(f"Nothing is imported: {'; '.join(faults)}.")


def _sort_tabs(
    sheets: Sequence[Sheet], scheme_year: str, left_out: Mapping[str, str]
) -> tuple[dict[str, list[Sheet]], dict[str, str]]:
    """The tabs of each table, and why each other tab is not read."""
    by_table: dict[str, list[Sheet]] = {}
    unread = {}
    for sheet in sheets:
        table = table_of_tab(sheet.name)
        year = year_said(sheet.name)
        if plain(sheet.name) in left_out:
            unread[sheet.name] = "left out"
        elif table is None:
            unread[sheet.name] = "not known"
        elif year not in (None, scheme_year):
            unread[sheet.name] = f"of {year}"
        else:
            by_table.setdefault(table.name, []).append(sheet)
    return by_table, unread


def _expected(by_table: Mapping[str, list[Sheet]], scheme_year: str) -> list[Table]:
    """The tables that a workbook must hold: none, where all of its tables may stand alone."""
    if all(BY_NAME[name].stands_alone for name in by_table):
        return []
    return [table for table in TABLES if table.is_expected(scheme_year)]


def _absent(
    expected: Sequence[Table],
    read: Mapping[str, TableRead],
    unread: Mapping[str, str],
    left_out: Mapping[str, str],
) -> dict[str, str]:
    """What should be there and is not, by the name it is left out by: tables, kinds of prices.

    A table is not missed whose tab was left out.
    """
    others = f"; tabs not read: {quoted(list(unread))}" if unread else ""
    tabs_left_out = [table_of_tab(tab) for tab, why in unread.items() if why == "left out"]
    absent = {}
    for table in expected:
        if table.name not in read:
            if table not in tabs_left_out or plain(table.title) in left_out:
                absent[plain(table.title)] = f"there is no tab of {table.title}{others}"
        elif not read[table.name].faults:
            absent |= {
                kind: f"there is no price of {kind} (HRGs {begins}...){others}"
                for kind, begins in table.kinds.items()
                if not _has_price_of(begins, read[table.name].rows)
            }
    return absent


def _how_to_leave_out(name: str) -> str:
    return f'If it has none, give --without "{name}"'


def _has_price_of(begins: str, rows: pl.DataFrame) -> bool:
    is_priced = pl.col("unit_price_pence").is_not_null()
    return not rows.filter(is_priced & pl.col("hrg_code").str.starts_with(begins)).is_empty()


def _not_there_to_leave_out(
    left_out: Mapping[str, str], sheets: Sequence[Sheet], absent: Mapping[str, str]
) -> list[str]:
    """What was named to be left out, and is neither a tab nor absent."""
    known = {*absent, *(plain(sheet.name) for sheet in sheets)}
    return [
        f"--without '{name}': there is no tab of that name, and nothing so named is absent"
        for key, name in left_out.items()
        if key not in known
    ]


def _of_another_year(
    sheets: Sequence[Sheet],
    read: Mapping[str, TableRead],
    scheme_year: str,
    left_out: Mapping[str, str],
) -> list[str]:
    """What says that a workbook is of another year: its tables, and titles above a header."""
    faults = [
        f"{source.sheet if source.is_csv else 'tab ' + repr(source.sheet)}: there were no "
        f"{table.title} before {table.first_in}; is this the workbook of {scheme_year}?"
        for table in (BY_NAME[name] for name in read)
        for source in read[table.name].sources
        if table.first_in and scheme_year < table.first_in
    ]
    headers = {source.sheet: source.header_row for r in read.values() for source in r.sources}
    for sheet in sheets:
        if plain(sheet.name) in left_out:
            continue
        is_cover = table_of_tab(sheet.name) is None and COVER.search(plain(sheet.name))
        above = [
            (place, column, text, years_in_title(text))
            for place, row in enumerate(sheet.rows)
            if is_cover or sheet.numbers[place] < headers.get(sheet.name, 0)
            for column, text in enumerate(row)
        ]
        if any(scheme_year in years for *_, years in above):
            continue
        for place, column, text, years in above:
            if len(years) == 1:
                says = f"'{text[:_SHOWN_OF_TITLE]}' speaks of {years.pop()}, not {scheme_year}"
                faults.append(f"{sheet.place(place, column)}: {says}")
                break
    return faults


def _not_to_be_paid_on(sheets: Sequence[Sheet], publication: Publication) -> Iterator[str]:
    """What a file says of itself that its import does not: it is made up, or lacks months."""
    for sheet in sheets:
        for place, row in enumerate(sheet.rows):
            for column, text in enumerate(row):
                if text.startswith(MADE_UP) and not publication.is_illustrative:
                    yield f"{sheet.place(place, column)}: says it is made up: give --illustrative"
                elif text.startswith(NOT_WHOLE):
                    says = "says that months are lacking: make it of whole years first"
                    yield f"{sheet.place(place, column)}: {says}"


def _notes_on_blocks(
    workspace: Workspace, publication: Publication, read: Mapping[str, TableRead]
) -> Iterator[str]:
    """Which pairs of a payments schedule a block cannot be paid between, and which have none."""
    if LVA not in read:
        return
    table, organisations = read[LVA], read_organisations(workspace)
    for name, column in ((PROVIDERS, PAIR[0]), (COMMISSIONERS, PAIR[1])):
        codes = sorted(set(table.rows[column]))
        parties = organisations.parties(name, codes, publication.effective_from)
        others = [code for code in codes if (of := parties[code]) is None or of.code != code]
        if others:
            shown, more = others[:_SHOWN_CODES], len(others[_SHOWN_CODES:])
            named = f"{', '.join(shown)}{f' and {more:,} more' if more else ''}"
            yield (
                f"{named}: nobody of the lists of {name} stands under that code on "
                f"{publication.effective_from}, so no month has a pair of it. Import the lists "
                "of organisations of that day, or have the schedule corrected."
            )
    without = table.rows.filter(block_value_pence=0).select(PAIR).rows()
    if without:
        pairs = ", ".join(" and ".join(pair) for pair in without)
        yield f"A block of £0.00 pays for all that passes between {pairs}."


def _store(
    workspace: Workspace,
    path: Path,
    content: bytes,
    publication: Publication,
    read: Mapping[str, TableRead],
    faults: Sequence[str],
    *,
    unread: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
    name_in_id: str = "",
) -> Imported:
    faults = [*faults, *(fault for table in read.values() for fault in table.faults)]
    if not faults:
        faults += put_together(read)[1]
    if faults:
        raise UserError(f"{path.name} is not imported:\n{listed(faults)}")
    notes = tuple(_notes_on_blocks(workspace, publication, read))
    sha256 = hashlib.sha256(content).hexdigest()
    made_up = "_illustrative" if publication.is_illustrative else ""
    book_id = (
        f"{publication.scheme_year}{made_up}_published_{publication.published_on}"
        f"_effective_{publication.effective_from}{name_in_id}_{sha256[:12]}"
    )
    manifest = {
        "scheme_year": publication.scheme_year,
        "illustrative": publication.is_illustrative,
        "published_on": publication.published_on.isoformat(),
        "effective_from": publication.effective_from.isoformat(),
        "workbook": path.name,
        "sha256": sha256,
        "tables": {name: _table_as_kept(table) for name, table in read.items()},
        "tabs_not_read": unread or {},
        "left_out": sorted(left_out),
    }
    folder = imported_books(workspace) / book_id
    workspace.imported.mkdir(parents=True, exist_ok=True)
    # Two imports at once must not both find that the other is not there.
    with FileLock(workspace.imported / ".lock"):
        there = {book.id: book for book in stored_books(workspace)}
        if book_id in there and list(there[book_id].left_out) == manifest["left_out"]:
            return Imported(there[book_id], was_there=True)
        _refuse_second(list(there.values()), publication, list(read))
        with replacing(folder) as writing:
            writing.mkdir()
            for name, table in read.items():
                table.rows.write_parquet(writing / f"{name}.parquet")
            text = json.dumps(manifest, indent=1, ensure_ascii=False)
            (writing / MANIFEST).write_text(text, "utf-8")
    books = list(there.values())
    gone = {name: _gone(table, name, books, publication) for name, table in read.items()}
    return Imported(
        read_manifest(folder / MANIFEST),
        was_there=False,
        gone={name: count for name, count in gone.items() if count},
        notes=notes,
    )


def _gone(
    table: TableRead, name: str, books: Sequence[StoredBook], publication: Publication
) -> int:
    """How many keys of the edition before, of the same year and kind, a table lacks."""
    before = [
        book
        for book in books
        if name in book.tables
        and book.publication.scheme_year == publication.scheme_year
        and book.publication.is_illustrative == publication.is_illustrative
    ]
    keys = BY_NAME[name].key
    if not before or not keys:
        return 0
    last = max(before, key=lambda b: (b.publication.effective_from, b.publication.published_on))
    return last.read(name).rows.join(table.rows, on=keys, how="anti", nulls_equal=True).height


def _table_as_kept(table: TableRead) -> dict[str, Any]:
    return {
        "rows": table.rows.height,
        "sources": [asdict(source) for source in table.sources],
    }


def _refuse_second(
    books: Sequence[StoredBook], publication: Publication, tables: Sequence[str]
) -> None:
    """Raises `UserError` for a table that the same publication has already."""
    for book in books:
        both = sorted(set(book.tables) & set(tables))
        if both and book.publication == publication:
            raise UserError(
                f"{book.id} holds {', '.join(both)} already, published and in effect on the same "
                "days. A reissue has a publication day of its own. To put this file in its place, "
                f"remove {book.folder} first."
            )
