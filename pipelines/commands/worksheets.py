"""Worksheets: a contract's statement, or its fixed element, as an Excel workbook.

Belongs here: what is on which sheet, and in which format. Does not belong here: any amount
(`pipelines.contract_statements`), or what is printed (`pipelines.commands.statement`).

Amounts are in pounds, as numbers; what is not known is blank.
"""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlsxwriter

from pipelines.commands.statement import not_in_it
from pipelines.workspace import replacing_named

if TYPE_CHECKING:
    import polars as pl

    from pipelines.contract_statements import ContractStatement, Outturn

_WIDEST = 60


def write_statement(
    path: Path,
    own: "ContractStatement",
    estimate: "Outturn",
    other: "ContractStatement | None",
    differences: "pl.DataFrame | None",
) -> None:
    """Writes a statement, a sheet to each table, and first what it is of."""
    with (
        replacing_named(path) as writing,
        xlsxwriter.Workbook(writing, {"strings_to_formulas": False}) as book,
    ):
        _write_about(book, own, estimate)
        for of in (own, other) if other else (own,):
            for name, table in of.tables.items():
                title = name if of is own else f"{name} {of.scheme_year}"
                write_sheet(book, title, table)
        write_sheet(book, "outturn (estimates)", estimate.lines)
        if differences is not None:
            write_sheet(book, "differences by rule", differences)


def write_fixed_element(path: Path, about: "list[tuple[str, str]]", lines: "pl.DataFrame") -> None:
    """Writes a worksheet of the fixed element, and first what it is of."""
    with (
        replacing_named(path) as writing,
        xlsxwriter.Workbook(writing, {"strings_to_formulas": False}) as book,
    ):
        _write_rows(book.add_worksheet("about"), about, book.add_format({"bold": True}))
        write_sheet(book, "fixed element", lines)


def _write_about(book: Any, of: "ContractStatement", estimate: "Outturn") -> None:
    from pricing.forecast_outturn import METHODS

    rows = [
        ("Provider", of.provider_code),
        ("Payer", of.commissioner_code),
        ("Month", of.activity_month),
        ("Scheme year", of.scheme_year),
        ("Prices", "ILLUSTRATIVE: made up. Do not pay on them." if of.is_illustrative else ""),
        ("Not in it", not_in_it(of)),
        ("Up to date", "yes" if of.is_current else f"no: run {of.activity_month} again"),
        *(
            (f"Estimate by {method}", estimate.not_estimated.get(method, how))
            for method, how in METHODS.items()
        ),
    ]
    _write_rows(book.add_worksheet("about"), rows, book.add_format({"bold": True}))


def _write_rows(sheet: Any, rows: "list[tuple[str, str]]", bold: Any) -> None:
    for row, (what, value) in enumerate(rows):
        sheet.write_string(row, 0, what, bold)
        sheet.write_string(row, 1, value)
    sheet.set_column(0, 0, 32)
    sheet.set_column(1, 1, _WIDEST)


def write_sheet(book: Any, title: str, table: "pl.DataFrame") -> None:
    """A table as a sheet: headed, filtered, the header staying in sight."""
    sheet = book.add_worksheet(title)
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    money = book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"})
    count = book.add_format({"num_format": "#,##0"})
    rate = book.add_format({"num_format": "0.####%"})
    for column, name in enumerate(table.columns):
        values = table[name].to_list()
        sheet.write_string(0, column, _heading(name), bold)
        for row, value in enumerate(values, 1):
            if value is None:
                continue
            if name.endswith("_pence"):
                sheet.write_number(row, column, Decimal(value) / 100, money)
            elif name.endswith("_ppm"):
                sheet.write_number(row, column, Decimal(value) / 1_000_000, rate)
            elif isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            elif isinstance(value, int):
                sheet.write_number(row, column, value, count)
            else:
                sheet.write_string(row, column, value)
        widest = max((len(str(value)) for value in values), default=0)
        sheet.set_column(column, column, min(max(widest + 2, 14), _WIDEST))
    sheet.freeze_panes(1, 0)
    if table.columns:
        sheet.autofilter(0, 0, table.height, table.width - 1)


def _heading(name: str) -> str:
    """A column as people read it; pence are shown as pounds, millionths as per cent."""
    words = name.removesuffix("_pence").removesuffix("_ppm").replace("_", " ")
    return f"{words} (£)" if name.endswith("_pence") else words
