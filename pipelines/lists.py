"""Small lists in CSV or Parquet, read whole and strictly: price books, organisations, users' lists.

Belongs here: the one reader of such files and what a cell of Annex A may say. Does not
belong here: which lists there are (`pipelines.price_books`, `pipelines.user_lists`) or
the streamed extracts (`pipelines.deliveries`).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from pipelines.basis import checked_scheme_year
from pipelines.workspace import UserError
from pricing.money import LARGEST_PENCE

_POUNDS = re.compile(r"^\d{1,3}(,\d{3})*(\.\d{1,2})?$|^\d+(\.\d{1,2})?$")
_HRG = re.compile(r"[A-Z]{2}\d{2}[A-Z]")
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_QUANTITY = re.compile(r"(\d{1,9})(?:\.(\d{1,3}))?")
_REFERENCE = re.compile(r"[A-Za-z0-9/_-]{1,40}")
_DIGITS = re.compile(r"\d(?:[^0-9A-Za-z]*\d)*")
_NHS_NUMBER_LENGTH = 10
_LONGEST_NAME = 120
_NEGATIVE = re.compile(r"^[-–−]\s*£?\s*\d|^\(\s*£?\s*[\d,.]+\s*\)$")
_FRACTIONS_OF_A_PENNY = re.compile(r"^[\d,]+\.\d{3,}$")
_WHOLE = re.compile(r"\d{1,3}(,\d{3}){1,2}|\d{1,9}")
_PERCENTAGE = re.compile(r"(\d{1,3})(?:\.(\d{1,4}))?(%?)")
_GROWTH = re.compile(r"(\d{1,2})(?:\.(\d{1,4}))?%|0(?:\.(\d{1,6}))?")
_SECTOR = re.compile(r"[A-Z]{1,2}\d[A-Z\d]? \d")
_PERCENT = re.compile(r"(\d{1,3})(?:\.(\d{1,4}))?%|([01])(?:\.(\d{1,6}))?")
_SHOWN_FAULTS = 20
_LONGEST_TRIM_POINT_DAYS = 366
NO_PRICE = ("", "-", "–")
_ROWS: dict[str, Any] = {"line": pl.Int64, "fields": pl.List(pl.String)}


@dataclass(frozen=True, slots=True)
class Cell:
    """How a column of a list is read: header as published, our name, type and parser."""

    header: str
    name: str
    dtype: Any
    parse: Callable[[str], Any]


def text(value: str) -> str:
    """Text that must be there."""
    if not value:
        raise ValueError("is blank")
    return value


def reference(value: str) -> str:
    """A short code of the user's own that is published.

    >>> reference("ITEM/2024-07/00001")
    'ITEM/2024-07/00001'
    """
    if not _REFERENCE.fullmatch(text(value)):
        raise ValueError("is not a code of up to 40 letters, digits, hyphens, slashes and _")
    return _without_identifier(value)


def name(value: str) -> str:
    """The name of a thing, which is published; no more of a text than that."""
    if len(text(value)) > _LONGEST_NAME:
        raise ValueError(f"is over {_LONGEST_NAME} characters: give the name of the item alone")
    return _without_identifier(value)


def _without_identifier(value: str) -> str:
    """`value`, which is published, unless ten digits stand together, letters alone between others.

    >>> _without_identifier("2024-07-00001")
    '2024-07-00001'
    >>> _without_identifier("943/476.5919")
    Traceback (most recent call last):
        ...
    ValueError: holds a number of ten digits, as an NHS NUMBER has: it is published
    """
    runs = (re.sub(r"\D", "", run) for run in _DIGITS.findall(value))
    if any(len(run) == _NHS_NUMBER_LENGTH for run in runs):
        raise ValueError("holds a number of ten digits, as an NHS NUMBER has: it is published")
    return value


def optional_text(value: str) -> str | None:
    """Text that may be blank."""
    return value or None


def code(value: str) -> str:
    """A code, in capitals, that must be there."""
    return text(value).upper()


def optional_code(value: str) -> str | None:
    """A code, in capitals, that may be blank."""
    return value.upper() or None


def hrg(value: str) -> str:
    """A healthcare resource group, such as FE30Z."""
    if not _HRG.fullmatch(value.upper()):
        raise ValueError("is not an HRG such as FE30Z")
    return value.upper()


def optional_hrg(value: str) -> str | None:
    """A healthcare resource group that may be blank."""
    return hrg(value) if value else None


def month(value: str) -> str:
    """A month, such as 2024-07."""
    if not _MONTH.fullmatch(value):
        raise ValueError("is not a month such as 2024-07")
    return value


def scheme_year(value: str) -> str:
    """A scheme year, such as 2024-25."""
    try:
        return checked_scheme_year(value)
    except ValueError:
        raise ValueError("is not a scheme year such as 2024-25") from None


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of a closed list of words."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is not one of {', '.join(allowed)}")
        return value

    return parse


def optional_one_of(*allowed: str) -> Callable[[str], str | None]:
    """One of a closed list of words, or blank."""
    parse = one_of(*allowed)
    return lambda value: parse(value) if value else None


def pence(value: str) -> int | None:
    """Pounds as Annex A writes them, in pence: `-` and blank are no price, `0` is zero.

    >>> [pence(price) for price in ("1,234", "12.50", "0", "-", "")]
    [123400, 1250, 0, None, None]
    """
    if value in NO_PRICE:
        return None
    bare = value.removeprefix("£")
    if not _POUNDS.match(bare):
        raise ValueError(f"is not a price: {_why_no_price(bare)}")
    pounds, _, decimals = bare.replace(",", "").partition(".")
    amount = int(pounds) * 100 + int(decimals.ljust(2, "0") or 0)
    if amount > LARGEST_PENCE:
        raise ValueError("is over £10 billion, which no price can be")
    return amount


def _why_no_price(bare: str) -> str:
    if _NEGATIVE.match(bare):
        return "it is negative"
    if _FRACTIONS_OF_A_PENNY.match(bare):
        return "it has more than two decimals"
    return "pounds such as 1,234 or 12.50, or - for none"


def pence_up_or_down(value: str) -> int | None:
    """Pounds that may be below 0, with a minus, in pence; blank is none.

    >>> [pence_up_or_down(amount) for amount in ("1,234", "-12.50", "")]
    [123400, -1250, None]
    """
    amount = pence(value.removeprefix("-") or "-")
    return amount if amount is None or not value.startswith("-") else -amount


def required_pence(value: str) -> int:
    """Pounds that must be there, in pence."""
    amount = pence(value)
    if amount is None:
        raise ValueError("is blank")
    return amount


def days(value: str) -> int | None:
    """A trim point in days; `-` and blank are none."""
    if value in NO_PRICE:
        return None
    if not value.isdigit():
        raise ValueError("is not a number of days")
    if int(value) > _LONGEST_TRIM_POINT_DAYS:
        raise ValueError("is over a year, which no trim point is")
    return int(value)


def yes_or_no(value: str) -> bool:
    """A flag as Annex A writes it; `-` and blank are no."""
    answers = {"yes": True, "no": False, "": False, "-": False}
    if value.lower() not in answers:
        raise ValueError("is neither Yes nor No")
    return answers[value.lower()]


def flag(value: str) -> bool:
    """Yes or no, which must be there."""
    answer = optional_flag(value)
    if answer is None:
        raise ValueError("is blank")
    return answer


def optional_flag(value: str) -> bool | None:
    """Yes or no; blank is not known, which is not no."""
    answers = {"yes": True, "no": False, "": None}
    if value.lower() not in answers:
        raise ValueError("is neither yes nor no")
    return answers[value.lower()]


def thousandths(value: str) -> int:
    """A quantity with up to three decimals that must be there and above 0, in thousandths.

    >>> [thousandths(quantity) for quantity in ("2", "0.5", "12.125")]
    [2000, 500, 12125]
    """
    found = _QUANTITY.fullmatch(value)
    if not found:
        raise ValueError("is not a quantity with at most three decimals, such as 2 or 0.5")
    whole, decimals = found.groups()
    amount = int(whole) * 1_000 + int((decimals or "").ljust(3, "0"))
    if amount == 0:
        raise ValueError("is zero: an item that was not used does not belong in the list")
    return amount


def ppm(value: str) -> int:
    """A factor with up to six decimals, in parts per million.

    >>> ppm("1.175335")
    1175335
    """
    if not re.fullmatch(r"[01](\.\d{1,6})?", value):
        raise ValueError("is not a factor below 2 with at most six decimals, such as 1.084213")
    whole, _, decimals = value.partition(".")
    factor = int(whole) * 1_000_000 + int(decimals.ljust(6, "0") or 0)
    if factor == 0:
        raise ValueError("is zero, which would price everything at nothing")
    return factor


def percent(value: str) -> int | None:
    """A share in parts per million: `30%`, or 0.3 as a cell shown as 30% is stored.

    >>> [percent(share) for share in ("30%", "0.3", "12.5%", "1", "-")]
    [300000, 300000, 125000, 1000000, None]
    """
    if value in NO_PRICE:
        return None
    found = _PERCENT.fullmatch(value)
    if not found:
        raise ValueError("is not a percentage such as 30%")
    percents, decimals, ones, millionths = found.groups()
    if percents is None:
        share = int(ones) * 1_000_000 + int((millionths or "").ljust(6, "0"))
    else:
        share = int(percents) * 10_000 + int((decimals or "").ljust(4, "0"))
    if share > 1_000_000:
        raise ValueError("is over 100%")
    return share


def whole(value: str) -> int | None:
    """A number of units of activity; blank is none.

    >>> [whole(count) for count in ("1,204", "0", "")]
    [1204, 0, None]
    """
    if not value:
        return None
    if not _WHOLE.fullmatch(value):
        raise ValueError("is not a whole number such as 1204")
    return int(value.replace(",", ""))


def required_whole(value: str) -> int:
    """A number of units of activity that must be there."""
    count = whole(value)
    if count is None:
        raise ValueError("is blank")
    return count


def percentage(value: str) -> int | None:
    """A percentage up to 100 in parts per million: `20` and `20%` are a fifth; blank is none.

    Of a number below 1 nobody can tell whether 0.2 is 20% or 0.2%, so that it needs its sign.

    >>> [percentage(share) for share in ("20", "12.5%", "0.5%", "100", "0", "")]
    [200000, 125000, 5000, 1000000, 0, None]
    """
    if not value:
        return None
    found = _PERCENTAGE.fullmatch(value)
    if not found:
        raise ValueError("is not a percentage with at most four decimals, such as 20 or 12.5")
    percents, decimals, sign = found.groups()
    share = int(percents) * 10_000 + int((decimals or "").ljust(4, "0"))
    if 0 < share < 10_000 and not sign:
        raise ValueError("is below 1: write 20 for 20%, or 0.2% with its sign")
    if share > 1_000_000:
        raise ValueError("is over 100%")
    return share


def growth(value: str) -> int | None:
    """What something grows by, in parts per million: `2%`, or 0.02; blank is none.

    >>> [growth(share) for share in ("2%", "0.02", "1.85%", "0", "")]
    [20000, 20000, 18500, 0, None]
    >>> growth("2")
    Traceback (most recent call last):
        ...
    ValueError: is no growth such as 2% or 0.02: a number of 1 or more needs its sign
    """
    if not value:
        return None
    found = _GROWTH.fullmatch(value)
    if not found:
        raise ValueError("is no growth such as 2% or 0.02: a number of 1 or more needs its sign")
    percents, decimals, millionths = found.groups()
    if percents is None:
        return int((millionths or "").ljust(6, "0"))
    return int(percents) * 10_000 + int((decimals or "").ljust(4, "0"))


def optional_sector(value: str) -> str | None:
    """A postcode sector, such as LS1 3, in capitals, that may be blank."""
    sector = value.upper()
    if sector and not _SECTOR.fullmatch(sector):
        raise ValueError("is no postcode sector such as LS1 3")
    return sector or None


def day(value: str) -> date | None:
    """A date, CCYY-MM-DD or CCYYMMDD; blank is none."""
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a date such as 2024-07-01") from None


def required_day(value: str) -> date:
    """A date that must be there."""
    found = day(value)
    if found is None:
        raise ValueError("is blank")
    return found


def folded(header: str) -> str:
    """A header as it is compared: without regard to case, or to blanks in number."""
    return " ".join(header.split()).casefold()


def read_list(
    path: Path,
    cells: Sequence[Cell],
    key: Sequence[str] = (),
    content: bytes | None = None,
    *,
    numbered: bool = False,
    header_row: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of a list in CSV or Parquet, parsed; columns in the order of `cells`.

    `header_row` is what the columns are, for a file that does not say. `numbered` puts the
    line of the file that each row is on before them, as `line`.
    Raises `UserError` that names every faulty line: a missing column, a cell that cannot
    be read, or two rows with the same `key`.
    """
    read = _parquet_rows if path.suffix.lower() == ".parquet" else _csv_rows
    rows = read(path, path.read_bytes() if content is None else content)
    if header_row is None:
        header_row = [] if rows.is_empty() else rows["fields"][0].to_list()
        rows = rows.slice(1)
    header = [folded(name) for name in header_row]
    missing = [cell.header for cell in cells if folded(cell.header) not in header]
    if missing:
        raise UserError(f"{path.name}: the header has no column {quoted(missing)}.")
    frame, faults = _parsed(rows, header, cells)
    faults = faults or _repeated(frame, key)
    refuse_faults(path.name, [f"{path.name}, {fault}" for fault in faults])
    return frame if numbered else frame.drop("line")


def _parsed(
    rows: pl.DataFrame, header: Sequence[str], cells: Sequence[Cell]
) -> tuple[pl.DataFrame, list[str]]:
    """The line of each row and its cells, and what is wrong with them in the file's order.

    A parser is asked once for each text of its column, since a list may say little of its own on
    each of a million lines.
    """
    width = pl.col("fields").list.len()
    ragged = rows.filter(width != len(header)).select("line", width.alias("width"))
    faults = [
        (line, 0, f"has {found} fields, the header has {len(header)}")
        for line, found in ragged.iter_rows()
    ]
    rows = rows.filter(width == len(header))
    columns = [rows["line"]]
    for place, cell in enumerate(cells):
        texts = rows["fields"].list.get(header.index(folded(cell.header)))
        distinct = texts.unique()
        values, wrong = [], {}
        for text in distinct:
            try:
                values.append(cell.parse(text.strip()))
            except ValueError as error:
                wrong[text] = f"'{cell.header}' {error}"
                values.append(None)
        read = pl.DataFrame({"text": distinct, "value": pl.Series(values, dtype=cell.dtype)})
        cells_of_rows = texts.to_frame("text").join(
            read, on="text", how="left", maintain_order="left"
        )
        columns.append(cells_of_rows["value"].alias(cell.name))
        if wrong:
            at = rows.select("line", text=texts).filter(pl.col("text").is_in(list(wrong)))
            faults += [(line, place, wrong[text]) for line, text in at.iter_rows()]
    return pl.DataFrame(columns), [f"line {line}: {fault}" for line, _, fault in sorted(faults)]


def refuse_faults(name: str, faults: Sequence[str]) -> None:
    """Raises `UserError` that shows the faults of a list, where it has any."""
    if faults:
        raise UserError(f"{name} cannot be used:\n{listed(faults)}")


def csv_rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, each with its line. Raises `UserError`."""
    return list(_each_csv_row(path, content))


def _each_csv_row(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        lines = csv.reader(io.StringIO(_decoded(path, content), newline=""), strict=True)
        yield from ((lines.line_num, row) for row in lines if any(row))
    except csv.Error as error:
        raise UserError(f"{path.name} is not a CSV file: {error}.") from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 text. Export it again as UTF-8.") from error


def _csv_rows(path: Path, content: bytes) -> pl.DataFrame:
    """The rows of `csv_rows`: `line`, and `fields`, a list of texts."""
    if b'"' in content or content.count(b"\r") != content.count(b"\r\n"):
        return _of_rows(_each_csv_row(path, content))
    # Without quotes a line is a row, and every comma parts two fields.
    lines = pl.Series([_decoded(path, content)]).str.split("\n").explode()
    rows = pl.DataFrame({"line": pl.int_range(1, len(lines) + 1, eager=True), "text": lines})
    text = pl.col("text").str.strip_suffix("\r")
    return rows.filter(text.str.strip_chars(",") != "").select(
        "line", text.str.split(",").alias("fields")
    )


def _of_rows(rows: Iterable[tuple[int, list[str]]]) -> pl.DataFrame:
    lines: list[int] = []
    fields: list[str] = []
    ends = [0]
    # In one flat list: of a million lists, most of the time would go to collecting garbage.
    for line, row in rows:
        lines.append(line)
        fields += row
        ends.append(len(fields))
    parted = pa.LargeListArray.from_arrays(ends, pa.array(fields, pa.large_string()))
    return pl.DataFrame({"line": lines, "fields": parted}, schema=_ROWS)


def _parquet_rows(path: Path, content: bytes) -> pl.DataFrame:
    """The rows of a Parquet file as a CSV file would have them, the header on line 1."""
    try:
        frame = pl.read_parquet(io.BytesIO(content))
        texts = frame.select(_as_text(name, dtype) for name, dtype in frame.schema.items())
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path.name} is not a Parquet file of plain columns.") from error
    header = _of_rows([(1, texts.columns)])
    rows = texts.select(
        pl.int_range(2, pl.len() + 2).alias("line"), pl.concat_list(pl.all()).alias("fields")
    ).filter(pl.col("fields").list.join("") != "")
    return pl.concat([header, rows])


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as a CSV file would have it: blank where null, yes and no, and 1 for 1.0."""
    column = pl.col(name)
    if dtype == pl.Boolean:
        column = column.replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
    text = column.cast(pl.String)
    return (text.str.strip_suffix(".0") if dtype.is_float() else text).fill_null("")


def _repeated(frame: pl.DataFrame, key: Sequence[str]) -> list[str]:
    """The rows whose key an earlier one has."""
    if not key:
        return []
    first = pl.col("line").first().over(key)
    again = frame.select("line", *key, first=first).filter(pl.col("line") != pl.col("first"))
    return [
        f"line {line}: {', '.join(map(str, values))} is already on line {first}"
        for line, *values, first in again.iter_rows()
    ]


def quoted(names: Sequence[str]) -> str:
    """Names as a message shows them."""
    return ", ".join(f"'{name}'" for name in names)


def listed(faults: Sequence[str]) -> str:
    """Faults as a message shows them: a line each, the first twenty."""
    shown = "\n".join(f"  {fault}" for fault in faults[:_SHOWN_FAULTS])
    more = len(faults) - _SHOWN_FAULTS
    return f"{shown}\n  and {more} more" if more > 0 else shown
