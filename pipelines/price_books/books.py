"""Books: the stored price books, and the tables that price a day.

Belongs here: what is kept of each book, which of them prices a day as known on another, and
the cell that a price came from. Does not belong here: the layout of Annex A (`annex_a`),
importing (`importing`), the frames made of its tables (`frames`) or which price a record takes
(`pricing`).

A book is a folder: CSV files with a manifest.toml under `data/price_books`, kept by hand, or
Parquet with a manifest.json under `data/imported/price_books`, as imported.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.lists import listed
from pipelines.price_books.annex_a import (
    APC,
    ATTENDANCES,
    BEST_PRACTICE,
    BY_NAME,
    FACTORS,
    LVA,
    OTHER_UNIT_PRICES,
    TOP_UP_PROVIDERS,
    TOP_UPS,
    UNBUNDLED,
)
from pipelines.price_books.frames import HRG_TABLES, idle_best_practice, origin, put_together
from pipelines.price_books.reading import Source, TableRead, read_table
from pipelines.price_books.sheets import content_of, read_csv
from pipelines.workspace import UserError, Workspace

MANIFEST = "manifest.json"
_NAMED_AFTER = (
    *(APC, ATTENDANCES, FACTORS, LVA),
    *(UNBUNDLED, BEST_PRACTICE, TOP_UPS, TOP_UP_PROVIDERS),
)
"""The tables by whose books a price book is named."""
_SHIPPED_MANIFEST: dict[str, type] = {
    "name": str,
    "scheme_year": str,
    "illustrative": bool,
    "published_on": date,
    "effective_from": date,
    "tables": dict,
}


@dataclass(frozen=True, slots=True)
class Publication:
    """What a book prices, and since when: a reissue has a publication day of its own."""

    scheme_year: str
    published_on: date
    effective_from: date
    is_illustrative: bool = False


@dataclass(frozen=True, slots=True)
class StoredBook:
    """A price book on disk. `workbook` is the file it was imported from, if it was.

    `left_out` are the tabs and tables that the user left out of it.
    """

    id: str
    name: str
    publication: Publication
    folder: Path
    files: Mapping[str, Path]
    workbook: str | None
    sources: Mapping[str, list[Source]]
    tabs_not_read: Mapping[str, str]
    left_out: Sequence[str]

    @property
    def tables(self) -> list[str]:
        """The names of the tables it holds."""
        return list(self.files)

    @property
    def manifest(self) -> Path:
        """The file that says what the book is."""
        return self.folder / (MANIFEST if self.workbook else "manifest.toml")

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return self.read(table).rows.height

    def read(self, table: str) -> TableRead:
        """A table: `sheet`, `row`, and its columns. Raises `UserError` naming every fault."""
        path = self.files[table]
        if not path.is_file():
            raise UserError(f"The price book {self.id} has no file {path.name}.")
        if self.workbook:
            rows = _read_parquet(path, self)
            missing = [c.name for c in BY_NAME[table].columns if c.name not in rows.columns]
            if missing:
                raise UserError(
                    f"The price book {self.id} was imported by an earlier version, which did not "
                    f"read {', '.join(missing)} of {BY_NAME[table].title}. Remove {self.folder} "
                    f"and import {self.workbook} again."
                )
            return TableRead(rows, self.sources[table], [])
        read = read_table(
            [read_csv(path.name, content_of(path))], BY_NAME[table], self.publication.scheme_year
        )
        if read.faults:
            raise UserError(f"The price book {self.id} cannot be used:\n{listed(read.faults)}")
        return read


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The tables that price a day, and what identifies them.

    They may come from several stored books; `folder` is the one of the HRG prices, `stored`
    tells which book each table is from, and `read` holds every table as published, by name.
    The frames have the columns of `pricing.reference.REFERENCE_COLUMNS`, and no rows where the
    book lacks the table: see `lacking`.
    """

    name: str
    scheme_year: str
    is_illustrative: bool
    published_on: date
    sha256: str
    folder: Path
    hrg_prices: pl.DataFrame
    attendance_prices: pl.DataFrame
    market_forces_factors: pl.DataFrame
    lva_schedule: pl.DataFrame
    unbundled_prices: pl.DataFrame
    best_practice_prices: pl.DataFrame
    top_up_rates: pl.DataFrame
    read: Mapping[str, TableRead]
    stored: Mapping[str, StoredBook]


def imported_books(workspace: Workspace) -> Path:
    """The folder of the books that users imported."""
    return workspace.imported / "price_books"


def stored_books(workspace: Workspace) -> list[StoredBook]:
    """Every stored book, in order of year, effective day and publication."""
    shipped = sorted((workspace.data / "price_books").glob("*/manifest.toml"))
    imported = sorted(imported_books(workspace).glob(f"[!.]*/{MANIFEST}"))
    found = [*map(_read_shipped_manifest, shipped), *map(read_manifest, imported)]

    def order(book: StoredBook) -> tuple[Any, ...]:
        said = book.publication
        return (said.scheme_year, said.effective_from, said.published_on, book.id)

    return sorted(found, key=order)


def price_book_for(
    workspace: Workspace,
    scheme_year: str,
    on: date,
    as_of: date | None = None,
    *,
    needs_lva_schedule: bool = True,
) -> PriceBook:
    """The prices in effect on a day, as published by another (`as_of`; by default, by now).

    Each table is the latest in effect, then the latest published. The tables of HRG prices are
    taken from one publication, since a reissue moves prices between them. Official books are
    never filled up from illustrative ones: those count only where there is no official book,
    published by then or not.
    Raises `UserError` where a needed table is missing, or two books hold it that nothing tells
    apart. `needs_lva_schedule` is False for years before LVA: none is then an empty schedule.
    """
    every = in_effect_on(stored_books(workspace), scheme_year, on)
    in_effect = known_by(every, as_of)
    known = f" as published by {as_of}" if as_of else ""
    if not in_effect:
        shelf = workspace.shown(workspace.data / "price_books")
        kinds = {book.publication.is_illustrative for book in every}
        made_up = " Illustrative ones do not count beside official ones." if len(kinds) > 1 else ""
        raise UserError(
            f"There is no price book for {scheme_year} in effect in {on:%Y-%m}{known}.{made_up} "
            f"{_how_to_import(scheme_year)} Or put a folder of CSV files, with its manifest.toml, "
            f"under {shelf}."
        )
    chosen = latest_of_each_table(in_effect)
    needed = [*tables_needed(scheme_year), *([LVA] if needs_lva_schedule else [])]
    missing = [table for table in needed if table not in chosen]
    if missing:
        titles = ", ".join(BY_NAME[table].title for table in missing)
        ids = " and ".join(dict.fromkeys(book.id for book in chosen.values()))
        is_official = not any(book.publication.is_illustrative for book in in_effect)
        never = " Official prices are never filled up with made-up ones." if is_official else ""
        raise UserError(
            f"The price books for {scheme_year} in effect in {on:%Y-%m}{known} ({ids}) lack: "
            f"{titles}.{never} {_how_to_import(scheme_year)}"
        )
    return compose(chosen)


def published_table(
    workspace: Workspace, scheme_year: str, on: date, table: str, as_of: date | None = None
) -> tuple[StoredBook, TableRead] | None:
    """One table in effect on a day, as published by another, and its book; None without one."""
    every = in_effect_on(stored_books(workspace), scheme_year, on)
    book = latest_of_each_table(known_by(every, as_of)).get(table)
    return (book, book.read(table)) if book else None


def schedules_of(
    workspace: Workspace, in_use: StoredBook, as_of: date | None = None
) -> list[StoredBook]:
    """The books with an LVA payments schedule published by a day for the year of one in use.

    In the order of publication, whenever they take effect; official ones, or illustrative ones, as
    the one in use is.
    """
    used = in_use.publication
    known = [
        book
        for book in stored_books(workspace)
        if LVA in book.tables
        and book.publication.scheme_year == used.scheme_year
        and book.publication.is_illustrative == used.is_illustrative
        and (as_of is None or book.publication.published_on <= as_of)
    ]
    return sorted(
        known, key=lambda book: (book.publication.published_on, book.publication.effective_from)
    )


def tables_needed(scheme_year: str) -> list[str]:
    """The tables without which the records of a year have no unit prices."""
    with_4b = BY_NAME[OTHER_UNIT_PRICES].is_expected(scheme_year)
    return [APC, ATTENDANCES, FACTORS, *([OTHER_UNIT_PRICES] if with_4b else [])]


def read_price_book(folder: Path) -> PriceBook:
    """The prices of one folder of CSV files. Raises `UserError` naming every faulty line."""
    book = _read_shipped_manifest(folder / "manifest.toml")
    return compose(dict.fromkeys(book.tables, book))


def shipped_folder(workspace: Workspace, scheme_year: str, on: date) -> Path:
    """The folder of the CSV files that ship for a day, whatever was imported since."""
    shipped = [book for book in stored_books(workspace) if not book.workbook]
    chosen = latest_of_each_table(in_effect_on(shipped, scheme_year, on))
    if APC not in chosen:
        shelf = workspace.shown(workspace.data / "price_books")
        raise UserError(f"There is no price book of CSV files for {scheme_year} in {shelf}.")
    return chosen[APC].folder


def in_effect_on(books: Iterable[StoredBook], scheme_year: str, on: date) -> list[StoredBook]:
    """The books of a scheme year whose prices have taken effect on a day."""
    return [
        book
        for book in books
        if book.publication.scheme_year == scheme_year and book.publication.effective_from <= on
    ]


def known_by(books: Sequence[StoredBook], as_of: date | None) -> list[StoredBook]:
    """Of books in effect those that count, as published by a day (by default, by now).

    Illustrative ones count only where none is official, published by then or not.
    """
    official = [book for book in books if not book.publication.is_illustrative]
    return [
        book
        for book in official or books
        if as_of is None or book.publication.published_on <= as_of
    ]


def latest_of_each_table(books: Sequence[StoredBook]) -> dict[str, StoredBook]:
    """The book that each table is taken from, of books that are all in effect."""

    def day(book: StoredBook) -> tuple[date, date]:
        return (book.publication.effective_from, book.publication.published_on)

    with_hrgs = [book for book in books if set(HRG_TABLES) & set(book.tables)]
    last = max(map(day, with_hrgs), default=None)
    chosen = {}
    for table in BY_NAME:
        holding = [book for book in books if table in book.tables]
        # A price of best practice is beside its base price, and reissued with it.
        if table in (*HRG_TABLES, BEST_PRACTICE):
            holding = [book for book in holding if day(book) == last]
        best = [book for book in holding if day(book) == max(map(day, holding))]
        if len(best) > 1:
            names = " and ".join(book.id for book in best)
            raise UserError(f"{names} were published and take effect on the same days. Keep one.")
        if best:
            chosen[table] = best[0]
    return chosen


def _how_to_import(scheme_year: str) -> str:
    return (
        f"Import what was published: sus-pricing prices import WORKBOOK.xlsx --scheme "
        f"{scheme_year} --published DATE --effective DATE."
    )


def compose(chosen: Mapping[str, StoredBook]) -> PriceBook:
    """The price book of the tables that are read, each from a stored book.

    Raises `UserError` without those of HRGs, attendances and factors.
    """
    absent = [table for table in (APC, ATTENDANCES, FACTORS) if table not in chosen]
    if absent:
        ids = " and ".join(dict.fromkeys(book.id for book in chosen.values()))
        raise UserError(f"The price book {ids} has no table {', '.join(absent)}.")
    read = {table: book.read(table) for table, book in chosen.items()}
    frames, faults = put_together(read)
    if faults:
        raise UserError(f"The prices cannot be used:\n{listed(faults)}")
    books = list({book.id: book for book in chosen.values()}.values())
    names = dict.fromkeys(chosen[table].name for table in _NAMED_AFTER if table in chosen)
    return PriceBook(
        name=" + ".join(names),
        scheme_year=chosen[APC].publication.scheme_year,
        is_illustrative=any(book.publication.is_illustrative for book in books),
        published_on=max(book.publication.published_on for book in books),
        sha256=sha256_of(
            [*(book.manifest for book in books), *(b.files[t] for t, b in chosen.items())]
        ),
        folder=chosen[APC].folder,
        **frames,
        read=read,
        stored=chosen,
    )


def lacking(book: PriceBook) -> dict[str, str]:
    """What a book lacks of the prices beside those of HRGs and attendances, in words.

    By the frame that is short of it: `unbundled_prices`, `best_practice_prices`,
    `top_up_rates`. Nothing where the book has all.
    """
    short: dict[str, list[str]] = {}
    if book.unbundled_prices.is_empty():
        short["unbundled_prices"] = [BY_NAME[UNBUNDLED].title]
    idle = idle_best_practice(book.read[BEST_PRACTICE]) if BEST_PRACTICE in book.read else None
    if idle is None:
        short["best_practice_prices"] = [BY_NAME[BEST_PRACTICE].title]
    elif idle:
        short["best_practice_prices"] = [
            f"the SUS BPT flag or the kind of admission of {idle:,} best practice tariffs"
        ]
    top_ups = [
        BY_NAME[table].title for table in (TOP_UPS, TOP_UP_PROVIDERS) if table not in book.read
    ]
    if TOP_UPS in book.read:
        rates = book.read[TOP_UPS].rows.drop_nulls("top_up_ppm")
        uncoded = rates["specialised_service_code"].null_count()
        top_ups += [f"the service codes of {uncoded:,} specialist top-ups"] if uncoded else []
    if top_ups:
        short["top_up_rates"] = top_ups
    return {frame: " and ".join(words) for frame, words in short.items()}


def cell_of(book: PriceBook, table: str, key: Mapping[str, str], column: str) -> str | None:
    """Where a value of one of the book's frames was published; None where it has none.

    `table`, the columns of `key` and `column` are those of `pricing.reference`, such as
    `hrg_prices`, `hrg_code` and `combined_price_pence`. Gives the workbook, tab and cell, or the
    file of CSV, its line and column; of prices that several tabs hold, the one it was taken from.
    """
    frame: pl.DataFrame = getattr(book, table)
    if frame.filter(**key).drop_nulls(column).is_empty():
        return None
    name, cell = origin(book.read, table, key, column)
    stored = book.stored[name]
    file = stored.workbook or f"{stored.id}/{stored.files[name].name}"
    return f"{file}, {cell}"


def _read_parquet(path: Path, book: StoredBook) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"{path.name} of the price book {book.id} is damaged. Remove the folder and import "
            f"{book.workbook} again."
        ) from error


def _read_shipped_manifest(path: Path) -> StoredBook:
    """What a book of CSV files says of itself."""
    folder = path.parent
    try:
        manifest = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder.name}/{path.name} is not a TOML file: {error}") from error
    missing = [key for key in _SHIPPED_MANIFEST if key not in manifest]
    if missing:
        raise UserError(f"{folder.name}/{path.name} does not say: {', '.join(missing)}.")
    wrong = [
        f"'{key}' must be {kind.__name__}, not {manifest[key]!r}"
        for key, kind in _SHIPPED_MANIFEST.items()
        if type(manifest[key]) is not kind
    ]
    if not wrong:
        wrong = [
            f"'tables.{key}' is no table of Annex A"
            if key not in BY_NAME
            else f"'tables.{key}' must be str, not {name!r}"
            for key, name in manifest["tables"].items()
            if key not in BY_NAME or type(name) is not str
        ]
    if wrong:
        raise UserError(f"{folder.name}/{path.name}: {'; '.join(wrong)}.")
    return StoredBook(
        id=folder.name,
        name=manifest["name"],
        publication=_publication(manifest, manifest["published_on"], manifest["effective_from"]),
        folder=folder,
        files={key: folder / name for key, name in manifest["tables"].items()},
        workbook=None,
        sources={},
        tabs_not_read={},
        left_out=(),
    )


def read_manifest(path: Path) -> StoredBook:
    """What an imported book says of itself."""
    folder = path.parent
    try:
        manifest = json.loads(path.read_text("utf-8"))
        published, effective = (
            date.fromisoformat(manifest[key]) for key in ("published_on", "effective_from")
        )
        return StoredBook(
            id=folder.name,
            name=folder.name,
            publication=_publication(manifest, published, effective),
            folder=folder,
            files={name: folder / f"{name}.parquet" for name in manifest["tables"]},
            workbook=manifest["workbook"],
            sources={
                name: [Source(**source) for source in table["sources"]]
                for name, table in manifest["tables"].items()
            },
            tabs_not_read=manifest["tabs_not_read"],
            left_out=tuple(manifest.get("left_out", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The manifest of the imported price book {folder.name} is damaged. Remove the folder "
            "and import its workbook again."
        ) from error


def _publication(manifest: Mapping[str, Any], published: date, effective: date) -> Publication:
    return Publication(
        manifest["scheme_year"], published, effective, is_illustrative=manifest["illustrative"]
    )


def sha256_of(paths: Iterable[Path]) -> str:
    """The sha256 of some files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
