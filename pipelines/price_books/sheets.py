"""Sheets: the cells of a workbook or a CSV file as text, each with its place.

Belongs here: opening what NHS England publishes, merged cells, and what makes a file no
workbook. Does not belong here: what a tab or a column is (`annex_a`) or what a cell may say
(`pipelines.lists`).
"""

import html
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipelines.lists import csv_rows
from pipelines.workspace import UserError

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ATTRIBUTES = re.compile(rb"""([\w:.-]+)\s*=\s*(["'])(.*?)\2""")
_RELATIONSHIPS = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["'][^"']*/relationships["']""")
_CELL = re.compile(r"([A-Z]+)(\d+)")
_NUMBER = re.compile(r"-?\d+\.?\d*")
_DIGITS_OF_EXCEL = 15


@dataclass(frozen=True, slots=True)
class Sheet:
    """A tab of a workbook, or a CSV file.

    `rows` holds every cell as text, blank where there is none, all rows as long as the
    longest; `numbers` the row or line that each stands on. `errors` are the cells that hold
    an error of Excel, by place in `rows`; `widths` the number of fields of each line of CSV.
    """

    name: str
    rows: list[list[str]]
    numbers: list[int]
    errors: frozenset[tuple[int, int]] = frozenset()
    is_csv: bool = False
    widths: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """The sheet as messages name it."""
        return self.name if self.is_csv else f"tab '{self.name}'"

    def number(self, number: int) -> str:
        """A row or line by its number."""
        return f"{'line' if self.is_csv else 'row'} {number}"

    def at(self, number: int) -> str:
        """Where a row stands, as people look for it."""
        return f"{self.shown}, {self.number(number)}"

    def place(self, row: int, column: int) -> str:
        """Where a cell of `rows` stands: by its name, or in CSV by its line."""
        if self.is_csv:
            return self.at(self.numbers[row])
        return f"{self.shown}, {letters(column)}{self.numbers[row]}"


def letters(column: int) -> str:
    """The letters of a column, the first being 0.

    >>> [letters(column) for column in (0, 25, 26, 701, 702)]
    ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    name, left = "", column + 1
    while left:
        left, place = divmod(left - 1, 26)
        name = chr(ord("A") + place) + name
    return name


def content_of(path: Path) -> bytes:
    """What a file holds. Raises `UserError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def read_workbook(name: str, content: bytes) -> list[Sheet]:
    """Every tab of a workbook (.xlsx), in order; merged cells all hold what is in them.

    `name` is the file as messages name it. Raises `UserError` for what is no workbook, or one
    that a password protects.
    """
    import fastexcel

    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            raise UserError(
                f"{name} is protected with a password. Open it in Excel, save it without "
                "one as .xlsx, and import that."
            )
        raise UserError(
            f"{name} is protected with a password, or an Excel 97-2003 workbook (.xls). "
            "Open it in Excel, save it without a password as .xlsx, and import that."
        )
    try:
        reader = fastexcel.read_excel(content)
        merged = _merged_cells(content)
        sheets = [_read_tab(reader, tab, merged.get(tab, [])) for tab in reader.sheet_names]
    except (fastexcel.FastExcelError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(
            f"{name} is not a workbook that can be read. Import the .xlsx file as "
            "NHS England published it."
        ) from error
    return sheets


def read_csv(name: str, content: bytes) -> Sheet:
    """A CSV file as a sheet. Raises `UserError` for what is no CSV file."""
    numbered = csv_rows(Path(name), content)
    width = max((len(row) for _, row in numbered), default=0)
    return Sheet(
        name=name,
        rows=[[cell.strip() for cell in row] + [""] * (width - len(row)) for _, row in numbered],
        numbers=[number for number, _ in numbered],
        is_csv=True,
        widths=tuple(len(row) for _, row in numbered),
    )


def _read_tab(reader: Any, name: str, merged: list[str]) -> Sheet:
    tab = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
    cells, found = tab.to_arrow_with_errors()
    first = tab.available_columns()[0].absolute_index if cells.num_columns else 0
    columns = [column.to_pylist() for column in cells.columns]
    rows = [
        [""] * first + [_as_excel_holds_it(cell) for cell in row]
        for row in zip(*columns, strict=True)
    ]
    _fill_merged(rows, merged)
    return Sheet(
        name,
        rows,
        numbers=list(range(1, len(rows) + 1)),
        errors=frozenset(
            (error.offset_position[0], error.offset_position[1] + first)
            for error in (found.errors if found else ())
        ),
    )


def _as_excel_holds_it(cell: str | None) -> str:
    """A cell as text; a number to the fifteen digits that Excel holds exactly.

    The file may write more of them: 1.175335 as 1.1753350000000001.
    """
    value = (cell or "").strip()
    if len(value) <= _DIGITS_OF_EXCEL or not _NUMBER.fullmatch(value):
        return value
    number = Decimal(value)
    exact = number.quantize(Decimal(1).scaleb(number.adjusted() + 1 - _DIGITS_OF_EXCEL))
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fill_merged(rows: list[list[str]], merged: list[str]) -> None:
    """Puts what a merged cell holds in every cell that it covers."""
    for reference in merged:
        corners = [_CELL.fullmatch(corner) for corner in reference.split(":")]
        if len(corners) != 2 or not all(corners):
            continue
        (left, top), (right, bottom) = ((_column(c[1]), int(c[2]) - 1) for c in corners if c)
        if top >= len(rows) or left >= len(rows[top]):
            continue
        value = rows[top][left]
        for row in rows[top : bottom + 1]:
            row[left : right + 1] = [value] * len(row[left : right + 1])


def _column(name: str) -> int:
    place = 0
    for letter in name:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _merged_cells(content: bytes) -> dict[str, list[str]]:
    """The merged cells of each tab, such as B4:D4, which calamine does not tell."""
    merged = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = set(archive.namelist())
        targets = {
            link["Id"]: posixpath.normpath(posixpath.join("/xl", link["Target"])).lstrip("/")
            for link in _elements(archive.read("xl/_rels/workbook.xml.rels"), "Relationship")
        }
        workbook = archive.read("xl/workbook.xml")
        links = [f"{prefix.decode()}:id" for prefix in _RELATIONSHIPS.findall(workbook)]
        for tab in _elements(workbook, "sheet"):
            part = targets.get(next((tab[link] for link in links if link in tab), ""), "")
            if part in parts:
                found = _elements(archive.read(part), "mergeCell")
                merged[tab["name"]] = [cell["ref"] for cell in found]
    return merged


def _elements(xml: bytes, tag: str) -> Iterator[dict[str, str]]:
    """The attributes of each element of a name. No parser: these parts are written by rote."""
    for found in re.finditer(rb"<(?:\w+:)?" + tag.encode() + rb"\s([^>]*)>", xml):
        yield {
            name.decode(): html.unescape(value.decode())
            for name, _, value in _ATTRIBUTES.findall(found[1])
        }
