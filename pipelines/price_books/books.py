"""Books: the stored price books, and the tables that price a day.

Belongs here: what is kept of each book, which of them prices a day as known on another, and
the HRG prices made whole from the tabs that hold them. Does not belong here: the layout of
Annex A (`annex_a`), importing (`importing`) or which price a record takes
(`pricing.unit_price`).

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
    ATTENDANCE_COLUMNS,
    ATTENDANCES,
    BY_NAME,
    FACTORS,
    LVA,
    OTHER_UNIT_PRICES,
    SHORT_STAY,
)
from pipelines.price_books.reading import Source, TableRead, read_table
from pipelines.price_books.sheets import content_of, read_csv
from pipelines.workspace import UserError, Workspace

MANIFEST = "manifest.json"
HRG_TABLES = (APC, OTHER_UNIT_PRICES, SHORT_STAY)
"""The tables that hold the prices of an HRG between them."""
HRG_PRICE_COLUMNS = (
    "outpatient_procedure_price_pence",
    "combined_price_pence",
    "day_case_price_pence",
    "ordinary_elective_price_pence",
    "ordinary_elective_trim_point_days",
    "non_elective_price_pence",
    "non_elective_trim_point_days",
    "per_day_long_stay_pence",
    "is_short_stay_emergency_applicable",
    "short_stay_emergency_price_pence",
)
ELECTIVE_PRICE_COLUMNS = (
    "combined_price_pence",
    "day_case_price_pence",
    "ordinary_elective_price_pence",
)
_PLACE = ("sheet", "row")
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
            return TableRead(_read_parquet(path, self), self.sources[table], [])
        read = read_table(
            [read_csv(path.name, content_of(path))], BY_NAME[table], self.publication.scheme_year
        )
        if read.faults:
            raise UserError(f"The price book {self.id} cannot be used:\n{listed(read.faults)}")
        return read


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The tables that price a day, and what identifies them.

    They may come from several stored books; `folder` is the one of the HRG prices and
    `stored` tells which book each table is from. `further` holds the tables that pricing does
    not need, by name.
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
    further: Mapping[str, pl.DataFrame]
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


def merge_hrg_prices(parts: Mapping[str, TableRead]) -> tuple[pl.DataFrame, list[str]]:
    """The prices of each HRG from the tables that hold them, and what is wrong with them.

    `hrg_code` and `HRG_PRICE_COLUMNS`. A fault names both cells of a price that two tables
    give differently, an HRG with a combined price and a split one, and an HRG of tab 1 whose
    only elective price is one of no kind on tab 4b.
    """
    stacked = pl.concat(
        [_hrg_rows(table, read.rows) for table, read in parts.items()], how="diagonal"
    )
    absent = [name for name in HRG_PRICE_COLUMNS if name not in stacked.columns]
    stacked = stacked.with_columns(pl.lit(None, pl.Int64).alias(name) for name in absent)
    merged = stacked.group_by("hrg_code", maintain_order=True).agg(
        pl.col(name).drop_nulls().first() for name in HRG_PRICE_COLUMNS
    )
    flag = pl.col("is_short_stay_emergency_applicable").cast(pl.Boolean).fill_null(value=False)
    faults = [
        *_contradictions(stacked, parts),
        *_combined_and_split(merged, stacked, parts),
        *_lost_unit_prices(merged, parts),
    ]
    return merged.with_columns(flag), faults


def whole_hrg_prices(read: Mapping[str, TableRead]) -> pl.DataFrame:
    """`merge_hrg_prices` of those tables that hold them; raises `UserError` for its faults."""
    merged, faults = merge_hrg_prices({name: read[name] for name in HRG_TABLES if name in read})
    if faults:
        raise UserError(f"The prices of HRGs cannot be used:\n{listed(faults)}")
    return merged


def _hrg_rows(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """What a table says of HRGs. Tab 1 holds an HRG without a price; others hold more than HRGs."""
    there = [name for name in HRG_PRICE_COLUMNS if name in rows.columns]
    has_price = pl.any_horizontal(pl.col(there).is_not_null())
    kept = rows if table == APC else rows.filter(has_price)
    return kept.select("hrg_code", *_PLACE, *there, table=pl.lit(table))


def _contradictions(stacked: pl.DataFrame, parts: Mapping[str, TableRead]) -> list[str]:
    """Prices that two tables give differently, with both cells."""
    faults = []
    for name in HRG_PRICE_COLUMNS:
        given = stacked.filter(pl.col(name).is_not_null())
        for row in given.filter(pl.col(name).n_unique().over("hrg_code") > 1).partition_by(
            "hrg_code", maintain_order=True
        ):
            cells = [
                f"{parts[one['table']].place(one, name)} ({_shown(one[name], name)})"
                for one in row.iter_rows(named=True)
            ]
            faults.append(
                f"{row['hrg_code'][0]}: '{_header(name)}' is not the same in {' and '.join(cells)}"
            )
    return faults


def _combined_and_split(
    merged: pl.DataFrame, stacked: pl.DataFrame, parts: Mapping[str, TableRead]
) -> list[str]:
    split = pl.any_horizontal(
        pl.col("day_case_price_pence", "ordinary_elective_price_pence").is_not_null()
    )
    both = merged.filter(pl.col("combined_price_pence").is_not_null() & split)["hrg_code"]
    faults = []
    for hrg in both:
        row = stacked.filter(hrg_code=hrg).filter(pl.col("combined_price_pence").is_not_null())
        one = row.row(0, named=True)
        at = parts[one["table"]].place(one, "combined_price_pence")
        faults.append(f"{at}: {hrg} has a combined price and a split one")
    return faults


def _lost_unit_prices(merged: pl.DataFrame, parts: Mapping[str, TableRead]) -> list[str]:
    """HRGs of tab 1 whose elective price is only what tab 4b calls a unit price.

    Which of the elective prices it is, nobody but the workbook can say.
    """
    if APC not in parts or OTHER_UNIT_PRICES not in parts:
        return []
    elective = pl.any_horizontal(pl.col(ELECTIVE_PRICE_COLUMNS).is_not_null())
    without = merged.filter(~elective)["hrg_code"].to_list()
    other, tab_1 = parts[OTHER_UNIT_PRICES], parts[APC]
    on_tab_1 = {
        row["hrg_code"]: row
        for row in tab_1.rows.filter(pl.col("hrg_code").is_in(without)).iter_rows(named=True)
    }
    faults = []
    for row in other.rows.filter(pl.col("unit_price_pence").is_not_null()).iter_rows(named=True):
        hrg = row["hrg_code"]
        if hrg in on_tab_1:
            price = _shown(row["unit_price_pence"], "unit_price_pence")
            faults.append(
                f"{other.place(row, 'unit_price_pence')}: {hrg} has the price {price}, of no kind, "
                f"and no elective price in {tab_1.place(on_tab_1[hrg], 'combined_price_pence')}. "
                "If it is the day case or the combined price, import the workbook --without the "
                "tab, and the tab from CSV with the column named 'Day case spell price (£)' or "
                "'Combined day case / ordinary elective spell price (£)'; or mend the pattern in "
                "price_books/annex_a.py"
            )
    return faults


def _header(name: str) -> str:
    return next(column.header for column in BY_NAME[APC].columns if column.name == name)


def _shown(value: Any, name: str) -> str:
    if name.endswith("_pence"):
        return f"£{value // 100:,}.{value % 100:02}"
    return str(value)


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
        if table in HRG_TABLES:
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
    books = list({book.id: book for book in chosen.values()}.values())
    used = [APC, ATTENDANCES, FACTORS, LVA]
    names = dict.fromkeys(chosen[table].name for table in used if table in chosen)
    return PriceBook(
        name=" + ".join(names),
        scheme_year=chosen[APC].publication.scheme_year,
        is_illustrative=any(book.publication.is_illustrative for book in books),
        published_on=max(book.publication.published_on for book in books),
        sha256=sha256_of(
            [*(book.manifest for book in books), *(b.files[t] for t, b in chosen.items())]
        ),
        folder=chosen[APC].folder,
        hrg_prices=whole_hrg_prices(read),
        attendance_prices=read[ATTENDANCES]
        .rows.unpivot(
            list(ATTENDANCE_COLUMNS),
            index="treatment_function_code",
            variable_name="price_column",
            value_name="attendance_price_pence",
        )
        .drop_nulls("attendance_price_pence"),
        market_forces_factors=read[FACTORS].rows.select("provider_code", "mff_ppm"),
        lva_schedule=_lva_schedule(read.get(LVA)),
        further={t: r.rows.drop(_PLACE) for t, r in read.items() if t not in used},
        stored=chosen,
    )


def _lva_schedule(read: TableRead | None) -> pl.DataFrame:
    columns = {
        "provider_code": pl.String,
        "commissioner_code": pl.String,
        "block_value_pence": pl.Int64,
    }
    return read.rows.select(list(columns)) if read else pl.DataFrame(schema=columns)


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
