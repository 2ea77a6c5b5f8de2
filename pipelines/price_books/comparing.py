"""Comparing: where each price of an HRG comes from, and what one edition changes of another.

Belongs here: finding prices with their cells, and differences between books or scheme years.
Does not belong here: which book prices a day (`books`), or pricing a month with one
(`pipelines.pricing_run`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from pipelines.price_books.annex_a import ATTENDANCE_COLUMNS, BY_NAME, Column
from pipelines.price_books.books import (
    PriceBook,
    StoredBook,
    compose,
    in_effect_on,
    known_by,
    latest_of_each_table,
    stored_books,
    tables_needed,
)
from pipelines.price_books.frames import HRG_PRICE_COLUMNS, HRG_TABLES, whole_hrg_prices
from pipelines.price_books.reading import TableRead
from pipelines.pricing_run import Revalued, revalue
from pipelines.workspace import UserError, Workspace

_LISTED = "listed"


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """A value of a code in a book, and where it stands."""

    book: StoredBook
    table: str
    name: str
    header: str
    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value that two editions do not share; None where an edition has none."""

    table: str
    key: str
    column: str
    before: int | None
    after: int | None
    kind: Literal["changed", "new", "gone"]


@dataclass(frozen=True, slots=True)
class Edition:
    """The tables of a book, or those that price a scheme year."""

    name: str
    tables: Mapping[str, TableRead]
    books: Mapping[str, StoredBook]


def scheme_years(workspace: Workspace, as_of: date | None = None) -> list[str]:
    """The scheme years that have price books, as published by a day."""
    books = stored_books(workspace)
    years = dict.fromkeys(book.publication.scheme_year for book in books)
    return [year for year in years if _of_year(books, year, as_of)]


def edition(workspace: Workspace, name: str, as_of: date | None = None) -> Edition:
    """The tables of a book by its id, or of a scheme year at its end, as published by a day.

    Raises `UserError` where there is neither.
    """
    books = stored_books(workspace)
    is_year = any(book.publication.scheme_year == name for book in books)
    chosen = _of_year(books, name, as_of) if is_year else [b for b in books if b.id == name]
    if not chosen:
        ids = ", ".join(book.id for book in books) or "none"
        known = f" as published by {as_of}" if as_of else ""
        raise UserError(f"There is no price book or scheme year '{name}'{known}. There are: {ids}.")
    by_table = latest_of_each_table(chosen)
    return Edition(name, {t: book.read(t) for t, book in by_table.items()}, by_table)


def _of_year(books: Sequence[StoredBook], year: str, as_of: date | None) -> list[StoredBook]:
    ends = date(int(year[:4]) + 1, 3, 31)
    return known_by(in_effect_on(books, year, ends), as_of)


def find_code(edition: Edition, code: str) -> list[FoundPrice]:
    """Every value that an edition has for a code, with its cell or line.

    The code of an HRG, treatment function, provider, commissioner or test, or the name of an
    item on a list; in any case of letters.
    """
    found = []
    for name, read in edition.tables.items():
        table = BY_NAME[name]
        keys = table.key or [c.name for c in table.columns if c.needed and c.dtype == pl.String]
        is_it = pl.any_horizontal(pl.col(key).str.to_uppercase() == code.upper() for key in keys)
        for row in read.rows.filter(is_it).iter_rows(named=True):
            others = [row[key] for key in keys if row[key] and row[key].upper() != code.upper()]
            given = [c for c in table.columns if row[c.name] is not None and _is_paid(c)]
            for column in given:
                header = ", ".join([read.header(row, column.name), *others])
                place = read.place(row, column.name)
                found.append(
                    FoundPrice(
                        edition.books[name], name, column.name, header, row[column.name], place
                    )
                )
            if not given and not (table.key and table.amounts):
                header = ", ".join([table.title, *others])
                place = read.place(row, keys[0])
                found.append(
                    FoundPrice(edition.books[name], name, keys[0], header, "listed", place)
                )
    return found


def _is_paid(column: Column) -> bool:
    """Whether a column says what is paid, and not what a row is."""
    return bool(column.dtype != pl.String)


def differences(before: Edition, after: Edition) -> list[Change]:
    """Every amount that changed, is new or is gone, by table, key and column.

    The tables of HRG prices are compared as one, since prices move between them. A key that
    one edition lacks is told by each of its amounts, or as listed where the table has none.
    Tables without a key are not compared.
    """
    changes: list[Change] = []
    old, new = _comparable(before), _comparable(after)
    for table in dict.fromkeys([*old, *new]):
        if table not in old or table not in new:
            continue
        for column in old[table].columns:
            if not column.endswith(("_pence", "_days", "_ppm", _LISTED, *ATTENDANCE_COLUMNS)):
                continue
            older, newer = (
                frame.select("key", pl.col(column).alias(name))
                for frame, name in ((old[table], "before"), (new[table], "after"))
            )
            joined = older.join(newer, on="key", how="full", coalesce=True).filter(
                pl.col("before").ne_missing(pl.col("after"))
            )
            changes += [
                Change(table, key, column, was, now, _kind(was, now))
                for key, was, now in joined.select("key", "before", "after").iter_rows()
            ]
    order = list(dict.fromkeys([*old, *new]))
    return sorted(changes, key=lambda change: (order.index(change.table), change.key))


def not_compared(before: Edition, after: Edition) -> list[str]:
    """The titles of the tables that cannot be compared, and why."""
    old, new = _comparable(before), _comparable(after)
    one_sided = [
        f"{title} (only in {before.name if title in old else after.name})"
        for title in dict.fromkeys([*old, *new])
        if (title in old) != (title in new)
    ]
    tables = [BY_NAME[name] for name in dict.fromkeys([*before.tables, *after.tables])]
    return [*one_sided, *(f"{table.title} (no codes)" for table in tables if not table.key)]


def _kind(before: int | None, after: int | None) -> Literal["changed", "new", "gone"]:
    if before is None:
        return "new"
    return "gone" if after is None else "changed"


def _comparable(edition: Edition) -> dict[str, pl.DataFrame]:
    """The keyed tables of an edition, with `key` as text; HRG prices as one."""
    tables = {}
    hrg_tables = {name: edition.tables[name] for name in HRG_TABLES if name in edition.tables}
    if hrg_tables:
        tables["HRG prices"] = whole_hrg_prices(hrg_tables).with_columns(key=pl.col("hrg_code"))
    for name, read in edition.tables.items():
        table = BY_NAME[name]
        amounts = [
            amount
            for amount in table.amounts
            if name not in hrg_tables or amount not in HRG_PRICE_COLUMNS
        ]
        if table.key and (amounts or not table.amounts):
            key = pl.concat_str(pl.col(table.key), separator=" ", ignore_nulls=True)
            listed = [] if amounts else [pl.lit(value=True).alias(_LISTED)]
            tables[table.title] = read.rows.select(*amounts, *listed, key=key)
    return tables


def effect_on_month(
    workspace: Workspace, month: str, before: Edition, after: Edition
) -> dict[str, Revalued]:
    """What each edition, the whole of it, makes of the records of a month, by dataset.

    Raises `UserError` where an edition lacks a table that pricing needs, or the month is not
    validated.
    """
    return revalue(workspace, month, _price_book(before), _price_book(after))


def _price_book(edition: Edition) -> PriceBook:
    year = next(iter(edition.books.values())).publication.scheme_year
    missing = [BY_NAME[t].title for t in tables_needed(year) if t not in edition.books]
    if missing:
        raise UserError(
            f"{edition.name} cannot price a month: it has no {', '.join(missing)}. Name the scheme "
            f"year {year} instead, which takes each table from the book that holds it."
        )
    return compose(edition.books)
