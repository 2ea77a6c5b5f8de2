"""What is timed of reference data: importing a full-size workbook and loading packs.

Belongs here: a made-up workbook of the size of Annex A, and our work on it with the plain work
it is held against. Does not belong here: timing or reporting.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase

import polars as pl

from benchmarks.work import MONTH
from pipelines.basis import PricingBasis
from pipelines.price_books.books import Publication
from pipelines.price_books.importing import import_workbook
from pipelines.scheme_packs import scheme_for
from pipelines.workspace import PROJECT, Workspace, discard
from tests.workbooks import Row, Tab, factors, layout_2026_27, schedule, write

HRGS = 3_000
PUBLISHED = Publication("2026-27", date(2026, 4, 1), date(2026, 4, 1), is_illustrative=True)
OTHER_YEAR = PricingBasis("2025-26")
_CODED = ("hrg code", "code")


def make_workbook(path: Path) -> int:
    """Writes a workbook of every table of 2026/27, each as long as Annex A could be.

    Gives the number of its tabs.
    """
    tabs = [*layout_2026_27().values(), factors(), schedule()]
    coded = [tab.name for tab in tabs if _place_of_code(tab) is not None]
    write(path, (_as_long_as_annex_a(tab, coded) for tab in tabs))
    return len(tabs)


def import_whole(workspace: Workspace, path: Path) -> None:
    """The import, from an empty shelf."""
    discard(workspace.imported)
    import_workbook(workspace, path, PUBLISHED)


def read_plainly(path: Path) -> None:
    """The reference for the import: every tab read, as text, by the same reader."""
    pl.read_excel(path, sheet_id=0, has_header=False, infer_schema_length=0)


def load_packs(workspace: Workspace) -> None:
    """What a run loads: the pack of its month."""
    scheme_for(workspace, date.fromisoformat(f"{MONTH}-01"))


def parse_pack() -> None:
    """The reference for loading: the same file parsed, and nothing made of it."""
    tomllib.loads((PROJECT / "data" / "schemes" / "2024-25.toml").read_text("utf-8"))


def _place_of_code(tab: Tab) -> int | None:
    """The column of HRGs, where a tab has one."""
    header = [cell.casefold() for cell in tab.header[-1]]
    return next((header.index(cell) for cell in _CODED if cell in header), None)


def _as_long_as_annex_a(tab: Tab, coded: list[str]) -> Tab:
    """A tab with a row for each of many HRGs, of chapters of its own, if it is of HRGs."""
    place = _place_of_code(tab)
    if place is None:
        return tab
    chapter = 2 * coded.index(tab.name)
    template = tab.rows[0]
    made: list[Row] = [
        [code if at == place else cell for at, cell in enumerate(template)]
        for code in islice(_codes(ascii_uppercase[chapter : chapter + 2]), HRGS)
    ]
    own = {str(row[place]) for row in tab.rows}
    return replace(tab, rows=[*tab.rows, *(row for row in made if row[place] not in own)])


def _codes(chapters: str) -> Iterator[str]:
    for chapter, letter, number, split in product(chapters, "ABCDZ", range(100), "ABCD"):
        yield f"{chapter}{letter}{number:02}{split}"
