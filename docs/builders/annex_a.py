"""`docs/annex-a.md`: the tabs and columns that the import of prices looks for.

Belongs here: setting out what `pipelines.price_books.annex_a` declares. Does not belong
here: the declarations.
"""

from docs.builders.markdown import code, page, table, yes_or_no
from pipelines.price_books.annex_a import TABLES, Column, Table


def build() -> str:
    """The page."""
    rows = [[code(one.name), one.title, _expected(one), code(one.tabs)] for one in TABLES]
    return page(
        "Annex A: the tabs and columns that are looked for",
        "`pipelines/price_books/annex_a.py`",
        "What `sus-pricing prices import` reads. A tab is known by its name and a column by its "
        "header, tried without case, punctuation and footnote marks, as regular expressions. "
        "Headers may stand in any row and order. The headers below are those that the CSV of "
        "`prices import --csv --table` may have as well.",
        "## Tables",
        "From the year given, a workbook of prices must hold the table. Market forces factors, the "
        "LVA payments schedule and the eligible providers of specialist top-ups may come in "
        "workbooks of their own.",
        table(["table", "what it is", "expected", "name of the tab"], rows),
        *(_columns(one) for one in TABLES),
    )


def _expected(one: Table) -> str:
    if one.expected_from:
        return f"from {one.expected_from}"
    return "may stand alone" if one.stands_alone else "where it is there"


def _columns(one: Table) -> str:
    rows = [[column.header, _needed(column), code(column.words)] for column in one.columns]
    key = f"No two rows share {' and '.join(code(name) for name in one.key)}." if one.key else ""
    says = " ".join(filter(None, [key, _one_of(one), one.remark]))
    return f"## {one.title}\n\n{says}\n\n{table(['column', 'needed', 'words'], rows)}"


def _one_of(one: Table) -> str:
    if not one.one_of:
        return ""
    return f"One of these is needed: {'; '.join(one.header(name) for name in one.one_of)}."


def _needed(column: Column) -> str:
    if column.or_on:
        return f"here or in {code(column.or_on)}"
    return yes_or_no(column.needed)
