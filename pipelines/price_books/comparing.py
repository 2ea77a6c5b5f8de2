"""Comparing: where each price of an HRG comes from, and what one edition changes of another.

Belongs here: finding prices with their cells, differences between books or scheme years, and
what a difference is worth on a month that was priced. Does not belong here: which book prices
a day (`books`), or pricing (`pricing`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.deliveries import settled_cut
from pipelines.price_books.annex_a import ATTENDANCE_COLUMNS, ATTENDANCES, BY_NAME
from pipelines.price_books.books import (
    HRG_PRICE_COLUMNS,
    HRG_TABLES,
    StoredBook,
    latest_of_each_table,
    stored_books,
    whole_hrg_prices,
)
from pipelines.price_books.reading import TableRead
from pipelines.pricing_run import priced_paths
from pipelines.scheme_packs import scheme_for
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace
from pricing import unit_price
from pricing.money import apply_ppm
from pricing.point_of_delivery import attendance_hrg

_SCHEME_YEAR = re.compile(r"20\d\d-\d\d")
_PRICE_KEY = ["key", "price_column"]


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """A value of an HRG in a book, and where it stands."""

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
class Effect:
    """What the difference of unit prices is worth on a month's lines, after MFF.

    Pence, at the long stay payments and factors that the month was priced with. Lines whose
    price only one edition has are counted, not valued.
    """

    lines: int
    changed_lines: int
    difference_pence: int
    lines_gone: int
    lines_new: int


@dataclass(frozen=True, slots=True)
class Edition:
    """The tables of a book, or those that price a scheme year."""

    name: str
    tables: Mapping[str, TableRead]
    books: Mapping[str, StoredBook]


def edition(workspace: Workspace, name: str, as_of: date | None = None) -> Edition:
    """The tables of a book by its id, or of a scheme year at its end.

    Raises `UserError` where there is neither.
    """
    books = stored_books(workspace)
    chosen = [book for book in books if book.id == name]
    if _SCHEME_YEAR.fullmatch(name):
        chosen = [book for book in books if book.publication.scheme_year == name]
        chosen = [b for b in chosen if as_of is None or b.publication.published_on <= as_of]
        chosen = [b for b in chosen if not b.publication.is_illustrative] or chosen
    if not chosen:
        ids = ", ".join(book.id for book in books) or "none"
        raise UserError(f"There is no price book or scheme year '{name}'. There are: {ids}.")
    by_table = latest_of_each_table(chosen)
    return Edition(name, {t: book.read(t) for t, book in by_table.items()}, by_table)


def find_hrg(edition: Edition, hrg_code: str) -> list[FoundPrice]:
    """Every value that an edition has for an HRG or other code, with its cell or line."""
    found = []
    for name, read in edition.tables.items():
        table = BY_NAME[name]
        if not table.key or table.key[0] not in ("hrg_code", "code"):
            continue
        for row in read.rows.filter(pl.col(table.key[0]) == hrg_code.upper()).iter_rows(named=True):
            for column in table.columns:
                value = row[column.name]
                if column.name in (*table.amounts, "is_short_stay_emergency_applicable") and (
                    value is not None
                ):
                    place, header = read.place(row, column.name), read.header(row, column.name)
                    found.append(
                        FoundPrice(edition.books[name], name, column.name, header, value, place)
                    )
    return found


def differences(before: Edition, after: Edition) -> list[Change]:
    """Every amount that changed, is new or is gone, by table, key and column.

    The tables of HRG prices are compared as one, since prices move between them. A key that
    one edition lacks is told by each of its amounts. Tables without a key are not compared.
    """
    changes: list[Change] = []
    old, new = _comparable(before), _comparable(after)
    for table in dict.fromkeys([*old, *new]):
        if table not in old or table not in new:
            continue
        for column in old[table].columns:
            if not column.endswith(("_pence", "_days", "_ppm", *ATTENDANCE_COLUMNS)):
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
        if table.key and amounts:
            key = pl.concat_str(pl.col(table.key), separator=" ", ignore_nulls=True)
            tables[table.title] = read.rows.select(*amounts, key=key)
    return tables


def effect_on_month(workspace: Workspace, month: str, before: Edition, after: Edition) -> Effect:
    """What the difference of unit prices is worth on the lines of a month in the lake.

    The difference of each line's unit price times its MFF, rounded as amounts are. Raises
    `UserError` where the month was not priced.
    """
    prices = _unit_prices(before, "before").join(
        _unit_prices(after, "after"), on=_PRICE_KEY, how="full", coalesce=True
    )
    lines = _priced_lines(workspace, month).join(prices.lazy(), on=_PRICE_KEY, how="left")
    difference = nw.col("after") - nw.col("before")
    valued = nw.from_native(lines).with_columns(
        difference_pence=apply_ppm(difference, nw.col("mff_ppm"))
    )
    was_there, is_there = pl.col("before").is_not_null(), pl.col("after").is_not_null()
    only_now = prices.filter(~was_there & is_there)["key"].unique()
    is_unpriced = pl.col("unit_price_pence").is_null()
    counted = valued.to_native().select(
        lines=pl.len(),
        changed_lines=(pl.col("before") != pl.col("after")).sum(),
        difference_pence=pl.col("difference_pence").sum(),
        lines_gone=(was_there & ~is_there).sum(),
        lines_new=((~was_there & is_there) | (is_unpriced & pl.col("key").is_in(only_now))).sum(),
    )
    return Effect(**counted.collect().row(0, named=True))


def _priced_lines(workspace: Workspace, month: str) -> pl.LazyFrame:
    """The lines of a month: the price that each took, by `key` and `price_column`, and its MFF."""
    paths = priced_paths(workspace, month)
    if not all(path.is_file() for path in paths.values()):
        raise UserError(f"{month} is not priced. Run it: sus-pricing run --month {month}.")
    rules = scheme_for(workspace, workspace.basis.rules_day(month)).scheme.attendances
    cut = settled_cut(workspace, "op", month)
    attended = pl.scan_parquet(valid_path(workspace, "op", month, cut)).select(
        "record_id", "first_attendance_code"
    )
    lines = pl.scan_parquet(list(paths.values())).join(attended, on="record_id", how="left")
    attendances = nw.from_native(lines).with_columns(attendance_hrg_code=attendance_hrg(rules))
    took = attendances.with_columns(price_column=unit_price.price_column(rules)).to_native()
    is_attendance = pl.col("price_source") == unit_price.ATTENDANCE
    return took.select(
        "unit_price_pence",
        "mff_ppm",
        key=pl.when(is_attendance).then("treatment_function_code").otherwise("hrg_code"),
        price_column=pl.when(is_attendance)
        .then("price_column")
        .otherwise(pl.col("price_source") + "_price_pence"),
    )


def _unit_prices(edition: Edition, name: str) -> pl.DataFrame:
    """The unit prices that lines take, by `key` and `price_column`, in a column of a name."""
    tables = {t: edition.tables[t] for t in HRG_TABLES if t in edition.tables}
    found = [pl.DataFrame(schema={"key": pl.String, "price_column": pl.String, name: pl.Int64})]
    if tables:
        prices = whole_hrg_prices(tables)
        columns = [column for column in HRG_PRICE_COLUMNS if column.endswith("_price_pence")]
        found.append(_long(prices, "hrg_code", columns, name))
    if ATTENDANCES in edition.tables:
        prices = edition.tables[ATTENDANCES].rows
        found.append(_long(prices, "treatment_function_code", list(ATTENDANCE_COLUMNS), name))
    return pl.concat(found)


def _long(prices: pl.DataFrame, key: str, columns: list[str], name: str) -> pl.DataFrame:
    return (
        prices.unpivot(columns, index=key, variable_name="price_column", value_name=name)
        .rename({key: "key"})
        .drop_nulls(name)
    )
