"""Importing: a workbook or CSV file as published, into a stored price book, whole or not at all.

Belongs here: which tabs are read, what must be there, what makes an import wrong, and how it
is kept. Does not belong here: reading a table (`reading`) or which book prices a day (`books`).

Each import is a book of the tables that it holds. A workbook of prices must hold every table
that is expected of its year; factors and block values may come in workbooks of their own.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.lists import listed, quoted
from pipelines.price_books.annex_a import BY_NAME, TABLES, Table, table_of_tab, year_said
from pipelines.price_books.books import (
    HRG_TABLES,
    MANIFEST,
    Publication,
    StoredBook,
    imported_books,
    merge_hrg_prices,
    read_manifest,
    stored_books,
)
from pipelines.price_books.reading import TableRead, missing_columns, read_table
from pipelines.price_books.sheets import Sheet, read_csv, read_workbook
from pipelines.workspace import UserError, Workspace, replacing


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the book, and whether it was there already."""

    book: StoredBook
    was_there: bool


def import_workbook(workspace: Workspace, path: Path, publication: Publication) -> Imported:
    """Stores the tables of a workbook as a book; nothing when anything is wrong.

    Raises `UserError` that names every fault by its tab and cell.
    """
    _refuse_publication(workspace, publication)
    sheets = read_workbook(path)
    by_table, unread = _sort_tabs(sheets, publication.scheme_year)
    if not by_table:
        names = quoted([sheet.name for sheet in sheets])
        raise UserError(
            f"{path.name} is a workbook of another kind: none of its tabs ({names}) is a table "
            "of prices, factors or block values. Patterns are in price_books/annex_a.py."
        )
    faults = _absent_tables(by_table, publication.scheme_year, unread)
    read = {}
    for table in TABLES:
        if table.name in by_table:
            read[table.name] = read_table(
                by_table[table.name], table, publication.scheme_year, list(by_table)
            )
    return _store(workspace, path, publication, read, unread, faults, name_in_id="")


def import_csv(workspace: Workspace, path: Path, table: str, publication: Publication) -> Imported:
    """Stores one table from a CSV file as a book; nothing when anything is wrong.

    `table` is the name of a table or the beginning of one. Raises `UserError` that names
    every faulty line.
    """
    _refuse_publication(workspace, publication)
    chosen = _table_named(table)
    read = {chosen.name: read_table([read_csv(path)], chosen, publication.scheme_year)}
    return _store(workspace, path, publication, read, {}, [], name_in_id=f"_{chosen.name}")


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
    sheets: Sequence[Sheet], scheme_year: str
) -> tuple[dict[str, list[Sheet]], dict[str, str]]:
    """The tabs of each table, and why each other tab is not read."""
    by_table: dict[str, list[Sheet]] = {}
    unread = {}
    for sheet in sheets:
        table = table_of_tab(sheet.name)
        year = year_said(sheet.name)
        if table is None:
            unread[sheet.name] = "not known"
        elif year not in (None, scheme_year):
            unread[sheet.name] = f"of {year}"
        else:
            by_table.setdefault(table.name, []).append(sheet)
    stands_alone = all(BY_NAME[name].stands_alone for name in by_table)
    for name, tabs in list(by_table.items()):
        table = BY_NAME[name]
        missing = {
            tab.name: missing_columns(tab, table, scheme_year, list(by_table)) for tab in tabs
        }
        readable = [tab for tab in tabs if not missing[tab.name]]
        if readable or not (stands_alone or table.is_expected(scheme_year)):
            by_table[name] = readable
            for tab in tabs:
                if missing[tab.name]:
                    lacks = quoted(missing[tab.name])
                    unread[tab.name] = f"like {table.title}, but without the columns {lacks}"
    return {name: tabs for name, tabs in by_table.items() if tabs}, unread


def _absent_tables(
    by_table: dict[str, list[Sheet]], scheme_year: str, unread: dict[str, str]
) -> list[str]:
    """The tables that a workbook of prices should hold and does not."""
    if all(BY_NAME[name].stands_alone for name in by_table):
        return []
    absent = [t for t in TABLES if t.is_expected(scheme_year) and t.name not in by_table]
    others = f"; tabs not read: {quoted(list(unread))}" if unread else ""
    return [f"there is no tab of {table.title}{others}" for table in absent]


def _store(
    workspace: Workspace,
    path: Path,
    publication: Publication,
    read: dict[str, TableRead],
    unread: dict[str, str],
    faults: list[str],
    name_in_id: str,
) -> Imported:
    for table in read.values():
        faults += table.faults
    if not faults:
        parts = {name: read[name] for name in HRG_TABLES if name in read}
        faults += merge_hrg_prices(parts)[1] if parts else []
    if faults:
        raise UserError(f"{path.name} is not imported:\n{listed(faults)}")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    made_up = "_illustrative" if publication.is_illustrative else ""
    book_id = (
        f"{publication.scheme_year}{made_up}_published_{publication.published_on}"
        f"_effective_{publication.effective_from}{name_in_id}_{sha256[:12]}"
    )
    folder = imported_books(workspace) / book_id
    there = {book.id: book for book in stored_books(workspace)}
    if book_id in there:
        return Imported(there[book_id], was_there=True)
    _refuse_second(list(there.values()), publication, list(read))
    manifest = {
        "scheme_year": publication.scheme_year,
        "illustrative": publication.is_illustrative,
        "published_on": publication.published_on.isoformat(),
        "effective_from": publication.effective_from.isoformat(),
        "workbook": path.name,
        "sha256": sha256,
        "tables": {name: _table_as_kept(table) for name, table in read.items()},
        "tabs_not_read": unread,
    }
    with replacing(folder) as writing:
        writing.mkdir()
        for name, table in read.items():
            table.rows.write_parquet(writing / f"{name}.parquet")
        (writing / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), "utf-8")
    return Imported(read_manifest(folder / MANIFEST), was_there=False)


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
