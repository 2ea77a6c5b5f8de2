"""What is timed of reference data: importing a full-size workbook and loading packs.

Belongs here: a made-up workbook of the size of Annex A, and our work on it with the plain work
it is held against. Does not belong here: timing or reporting.
"""

import tomllib
from datetime import date
from itertools import islice, product
from pathlib import Path

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
_CHAPTERS = {"other": "XY", "radiotherapy": "KL", "nuclear": "MN", "chemotherapy": "PQ"}


def make_workbook(path: Path) -> int:
    """Writes a workbook of every table of 2026/27, each as long as Annex A could be.

    Gives the number of its tabs.
    """
    tabs = {**layout_2026_27(), "factors": factors(), "schedule": schedule()}
    write(path, (_as_long_as_annex_a(name, tab) for name, tab in tabs.items()))
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


def _as_long_as_annex_a(name: str, tab: Tab) -> Tab:
    """A tab with a row for each of many HRGs, where it is a table of HRGs at all."""
    header = [cell.casefold() for cell in tab.header[-1]]
    place = next((header.index(cell) for cell in _CODED if cell in header), None)
    if place is None or name == "genomics":
        return tab
    own = {str(row[place]) for row in tab.rows}
    template = tab.rows[0]
    made: list[Row] = [
        [code if at == place else cell for at, cell in enumerate(template)]
        for code in islice((code for code in _codes(name) if code not in own), HRGS)
    ]
    return Tab(**{**_fields(tab), "rows": [*tab.rows, *made]})


def _codes(name: str) -> list[str]:
    """HRG codes, of chapters of their own where no other tab may hold the same."""
    chapters = _CHAPTERS.get(name, "FGHJ")
    return [
        f"{chapter}{letter}{number:02}{split}"
        for chapter, letter, number, split in product(chapters, "ABCDZ", range(100), "ABCD")
    ]


def _fields(tab: Tab) -> dict[str, object]:
    return {field: getattr(tab, field) for field in tab.__dataclass_fields__}
