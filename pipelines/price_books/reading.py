"""Reading a table of Annex A from sheets: its header, its columns and its rows.

Belongs here: finding a header by its words wherever it stands, and parsing what is below it
with every fault named by its cell. Does not belong here: the words (`annex_a`), or what is
done with a table (`importing`, `books`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipelines.lists import quoted
from pipelines.price_books.annex_a import Column, Table, in_group, plain, words_in_year
from pipelines.price_books.sheets import Sheet, letters

_DEEPEST_HEADER = 3
_SHOWN_OF_NOTE = 40
_AMOUNT = re.compile(r"£?-?[\d,]*\.?\d+%?|[-–]")
_TOTAL = re.compile(r"(?:grand )?totals?|england")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table was read: a sheet, its header, and the letter of each of our columns.

    `headers` are the words above each of them; `not_read` the columns that are no part of the
    table, by letter; `notes` the first words of each row that holds no data, by its number.
    """

    sheet: str
    header_row: int
    columns: dict[str, str]
    headers: dict[str, str]
    not_read: dict[str, str]
    notes: dict[str, str]
    rows: int
    is_csv: bool = False


@dataclass(frozen=True, slots=True)
class TableRead:
    """A table as read: `sheet`, `row` and the columns of the table; or what is wrong with it."""

    rows: pl.DataFrame
    sources: list[Source]
    faults: list[str]

    def place(self, row: Mapping[str, Any], column: str) -> str:
        """Where a value of a row stands: tab and cell, or file and line."""
        return _place_of(self._source(row), row, column)

    def cell(self, row: Mapping[str, Any], column: str) -> str:
        """Where a value stands in its file: tab and cell, or line and column."""
        source = self._source(row)
        if source.is_csv:
            return f"line {row['row']}, column '{source.headers[column]}'"
        return f"tab '{source.sheet}', cell {source.columns[column]}{row['row']}"

    def header(self, row: Mapping[str, Any], column: str) -> str:
        """The words above a value of a row, as published."""
        return self._source(row).headers[column]

    def _source(self, row: Mapping[str, Any]) -> Source:
        return next(source for source in self.sources if source.sheet == row["sheet"])


@dataclass(slots=True)
class _Header:
    """A header that may be the table's: its rows, and which column is where."""

    top: int
    depth: int
    words: list[str]
    places: dict[str, int] = field(default_factory=dict)
    ambiguous: dict[str, list[int]] = field(default_factory=dict)


def read_table(
    sheets: Sequence[Sheet], table: Table, scheme_year: str, elsewhere: Sequence[str] = ()
) -> TableRead:
    """A table from the sheets that hold it, each with a header of its own.

    A column whose header speaks of another year than `scheme_year` is no part of the table.
    `elsewhere` names tables that are read beside it, which may have columns in its place.
    """
    faults: list[str] = []
    parsed: list[dict[str, Any]] = []
    sources = []
    for sheet in sheets:
        header = _find_header(sheet, table, scheme_year, elsewhere)
        missing = _missing(header, table, elsewhere)
        if missing:
            faults.append(f"{sheet.shown}: the header has no column {quoted(missing)}")
            continue
        rows, notes, wrong = _read_rows(sheet, table, header)
        faults += wrong
        parsed += rows
        if not rows and not wrong:
            faults.append(f"{sheet.shown}: there are no rows below the header")
        sources.append(_source(sheet, header, len(rows), notes))
    if not faults:
        parsed, faults = _without_repeats(parsed, table, sheets)
        faults += _wrong_sums(parsed, table, sources)
    schema = {
        "sheet": pl.String,
        "row": pl.Int64,
        **{column.name: column.dtype for column in table.columns},
    }
    return TableRead(pl.DataFrame([] if faults else parsed, schema=schema), sources, faults)


def _find_header(sheet: Sheet, table: Table, scheme_year: str, elsewhere: Sequence[str]) -> _Header:
    """The rows whose words name most of the table's columns; the fewest and first of those."""

    def rank(header: _Header) -> tuple[int, ...]:
        missing = len(_missing(header, table, elsewhere))
        # A list of names has no cell that tells a row of it from a second row of header.
        more = len(header.places) if table.code else 0
        return (
            missing,
            len(header.ambiguous),
            _is_title(sheet, header),
            -more,
            header.depth,
            header.top,
        )

    return min(_headers(sheet, table, scheme_year), key=rank, default=_Header(0, 1, []))


def _is_title(sheet: Sheet, header: _Header) -> bool:
    """Whether a header is one text above a table of several columns."""
    rows = sheet.rows[header.top :]
    says = {cell for row in rows[: header.depth] for cell in row if cell}
    return len(says) == 1 and any(len(set(filter(None, row))) > 1 for row in rows[header.depth :])


def _headers(sheet: Sheet, table: Table, scheme_year: str) -> Iterator[_Header]:
    is_data = [_has_amount(row) for row in sheet.rows]
    for top, row in enumerate(sheet.rows):
        for depth in range(1, _DEEPEST_HEADER + 1):
            below = sheet.rows[top : top + depth]
            if len(below) < depth or is_data[top + depth - 1] or not any(row):
                break
            beside = _beside(sheet, top, depth, is_data)
            words = [
                in_group(words_in_year(text, scheme_year), near)
                for text, near in zip(_joined(below), beside, strict=True)
            ]
            header = _place_columns(_Header(top, depth, words), table.columns)
            if header.places:
                yield header


def _beside(sheet: Sheet, top: int, depth: int, is_data: Sequence[bool]) -> list[str]:
    """What stands right above and below each column of a header, but for a title of the whole."""
    header = sheet.rows[top]
    filled = [place for place, text in enumerate(header) if text]
    nothing = [""] * len(header)
    above = sheet.rows[top - 1] if top else nothing
    if len({above[place] for place in filled}) == 1:
        above = nothing
    under = top + depth
    below = sheet.rows[under] if under < len(sheet.rows) and not is_data[under] else nothing
    return _joined([above, below])


def _has_amount(row: Sequence[str]) -> bool:
    return any(_AMOUNT.fullmatch(cell) for cell in row)


def _joined(rows: Sequence[list[str]]) -> list[str]:
    """What each column says over some rows; a cell merged over them once."""
    return [" ".join(dict.fromkeys(filter(None, cells))) for cells in zip(*rows, strict=True)]


def _place_columns(header: _Header, columns: Sequence[Column]) -> _Header:
    for column in columns:
        found = [
            place
            for place, words in enumerate(header.words)
            if words and place not in header.places.values() and re.search(column.words, words)
        ]
        if len(found) == 1:
            header.places[column.name] = found[0]
        elif found and (column.needed or column.dtype == pl.Int64):
            header.ambiguous[column.name] = found
    return header


def _missing(header: _Header, table: Table, elsewhere: Sequence[str]) -> list[str]:
    missing = []
    for column in table.columns:
        twice = header.ambiguous.get(column.name)
        if twice:
            at = " and ".join(letters(place) for place in twice)
            missing.append(f"{column.header} (both {at} may be it)")
        elif column.needed and column.name not in header.places and column.or_on not in elsewhere:
            missing.append(column.header)
    if table.one_of and not any(name in header.places for name in table.one_of):
        missing.append(table.header(table.one_of[0]))
    return missing


def _source(sheet: Sheet, header: _Header, rows: int, notes: dict[str, str]) -> Source:
    placed = set(header.places.values())
    texts = _joined(sheet.rows[header.top : header.top + header.depth])
    filled = [any(row[place] for row in sheet.rows[header.top :]) for place in range(len(texts))]
    return Source(
        sheet=sheet.name,
        header_row=sheet.numbers[header.top],
        columns={name: letters(place) for name, place in header.places.items()},
        headers={name: texts[place] for name, place in header.places.items()},
        not_read={
            letters(place): text or "(no header)"
            for place, text in enumerate(texts)
            if place not in placed and filled[place]
        },
        notes=notes,
        rows=rows,
        is_csv=sheet.is_csv,
    )


def _read_rows(
    sheet: Sheet, table: Table, header: _Header
) -> tuple[list[dict[str, Any]], dict[str, str], list[str]]:
    """The rows below a header, what the rows say that are notes, and every fault."""
    columns = [column for column in table.columns if column.name in header.places]
    absent = dict.fromkeys(c.name for c in table.columns if c.name not in header.places)
    width = sheet.widths[header.top + header.depth - 1] if sheet.is_csv else None
    rows, notes, faults = [], {}, []
    below = header.top + header.depth
    texts = _joined(sheet.rows[header.top : below])
    for place in range(below, len(sheet.rows)):
        cells = sheet.rows[place]
        if width is not None and sheet.widths[place] != width:
            has = f"has {sheet.widths[place]} fields, the header has {width}"
            faults.append(f"{sheet.at(sheet.numbers[place])}: {has}")
            continue
        if not any(cells) and not _errors_of(sheet, place):
            continue
        if _is_note(sheet, place, table, header):
            notes[str(sheet.numbers[place])] = _first_words(cells)
            continue
        row: dict[str, Any] = {"sheet": sheet.name, "row": sheet.numbers[place], **absent}
        for column in columns:
            at = header.places[column.name]
            try:
                if (place, at) in sheet.errors:
                    raise ValueError("is an error of Excel, not a value")
                row[column.name] = column.parse(cells[at])
            except ValueError as error:
                row[column.name] = None
                faults.append(f"{sheet.place(place, at)}: '{texts[at]}' {error}")
        rows.append(row)
    return rows, notes, faults


def _first_words(cells: Sequence[str]) -> str:
    words = " ".join(dict.fromkeys(filter(None, cells)))
    return words if len(words) <= _SHOWN_OF_NOTE else f"{words[:_SHOWN_OF_NOTE].rstrip()} ..."


def _errors_of(sheet: Sheet, place: int) -> bool:
    return any(row == place for row, _ in sheet.errors)


def _is_note(sheet: Sheet, place: int, table: Table, header: _Header) -> bool:
    """Whether a row holds no data: a heading, units, a footnote, a total, the header again."""
    cells = sheet.rows[place]
    pairs = zip(cells, sheet.rows[header.top], strict=True)
    if all(plain(cell) == plain(above) for cell, above in pairs):
        return True
    amounts = [header.places[name] for name in table.amounts if name in header.places]
    is_filled = any(cells[at] or (place, at) in sheet.errors for at in amounts)
    if not table.code:
        needed = [header.places[column.name] for column in table.columns if column.needed]
        is_whole = all(cells[at] or (place, at) in sheet.errors for at in needed)
        return not is_whole and (not is_filled or not _has_amount(cells))
    said = cells[header.places[table.code.name]]
    if _TOTAL.fullmatch(plain(said or next(filter(None, cells), ""))):
        return True
    if _is_read_by(table.code, said):
        return False
    if not table.amounts:
        others = [column for column in table.columns if column.name in table.key[1:]]
        return not any(_is_read_by(column, cells[header.places[column.name]]) for column in others)
    is_under_header = place == header.top + header.depth and not said
    is_merged = len(set(filter(None, cells))) == 1
    return not is_filled or ((is_under_header or is_merged) and not _has_amount(cells))


def _is_read_by(column: Column, cell: str) -> bool:
    try:
        column.parse(cell)
    except ValueError:
        return False
    return True


def _without_repeats(
    rows: list[dict[str, Any]], table: Table, sheets: Sequence[Sheet]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, once each; a fault for a key that is there twice.

    The same row may stand on two tabs of one table.
    """
    if not table.key:
        return rows, []
    by_name = {sheet.name: sheet for sheet in sheets}
    first_by_key: dict[tuple[Any, ...], dict[str, Any]] = {}
    faults = []
    for row in rows:
        key = tuple(row[name] for name in table.key)
        first = first_by_key.setdefault(key, row)
        if first is row:
            continue
        place = {name: row[name] for name in ("sheet", "row")}
        if first["sheet"] != row["sheet"] and {**first, **place} == row:
            continue
        sheet, shown = by_name[row["sheet"]], ", ".join(str(value) for value in key if value)
        already = f"on {sheet.number(first['row'])}"
        if first["sheet"] != row["sheet"]:
            already = f"in {by_name[first['sheet']].at(first['row'])}"
        faults.append(f"{sheet.at(row['row'])}: {shown} is already {already}")
    return list(first_by_key.values()), faults


def _wrong_sums(
    rows: Sequence[Mapping[str, Any]], table: Table, sources: Sequence[Source]
) -> list[str]:
    """A fault for each row whose parts, where a tab has a column of each, do not make its total."""
    faults = []
    for source in sources:
        whole = [sums for sums in table.sums if set(sums) <= set(source.columns)]
        # Two of a tab's four parts are no breakdown of the total.
        given = [sums for sums in whole if not any(set(sums) < set(other) for other in whole)]
        for row in rows if given else []:
            if row["sheet"] != source.sheet:
                continue
            for *parts, total in given:
                amounts = [row[part] for part in parts]
                made = sum(amount or 0 for amount in amounts)
                if made != row[total] and any(amount is not None for amount in amounts):
                    at = _place_of(source, row, total)
                    says = f"'{source.headers[total]}' is {_pounds(row[total])}"
                    faults.append(f"{at}: {says}, but its parts make {_pounds(made)}")
    return faults


def _pounds(pence: int) -> str:
    return f"£{pence // 100:,}.{pence % 100:02}"


def _place_of(source: Source, row: Mapping[str, Any], column: str) -> str:
    if source.is_csv:
        return f"{source.sheet}, line {row['row']}"
    return f"tab '{source.sheet}', {source.columns[column]}{row['row']}"
