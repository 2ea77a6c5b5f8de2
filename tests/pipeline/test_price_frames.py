"""What pricing joins to: unbundled HRGs, best practice and top-ups, and the cell of each price.

Belongs here: the frames that a price book gives, what makes its tables contradict each other,
and where a price was published. Does not belong here: what a record is paid
(`tests/cases`), or the layout of a workbook (`test_importing_prices`).
"""

import csv
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import narwhals.stable.v2 as nw
import polars as pl
import pytest
import workbooks
from pipeline.making import new_workspace
from support import BOOK
from workbooks import (
    BEST_PRACTICE_HEADER,
    Row,
    Tab,
    Tabs,
    factors,
    flagged_best_practice,
    layout_2023_25,
    layout_2026_27,
    schedule,
    with_cell,
    write,
)

from pipelines.price_books import PriceBook, cell_of, lacking, price_book_for, read_price_book
from pipelines.price_books.books import Publication, imported_books
from pipelines.price_books.importing import Imported, import_csv, import_workbook
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing.reference import REFERENCE_COLUMNS

FRAMES = ("unbundled_prices", "best_practice_prices", "top_up_rates")
POLARS = {nw.String: pl.String, nw.Int64: pl.Int64}
FLAGGED = [
    ("FE32Z", "BP01", "day_case", 58_300, None, None, None),
    ("AB16Z", "BP07", "rtt_10_year_health_plan", None, 54_000, 49_050, 0),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path / "workspace")


def import_tabs(
    workspace: Workspace, tabs: Tabs, year: str = "2026-27", published: date | None = None
) -> Imported:
    """Imports a workbook of these tabs, with the factors and block values."""
    path = write(
        workspace.root / "annex_a.xlsx", {**tabs, "m": factors(), "l": schedule()}.values()
    )
    starts = date(int(year[:4]), 4, 1)
    return import_workbook(workspace, path, Publication(year, published or starts, starts))


def book_of(workspace: Workspace, tabs: Tabs, year: str = "2026-27") -> PriceBook:
    import_tabs(workspace, tabs, year)
    return price_book_for(workspace, year, date(int(year[:4]), 7, 1))


def refused(workspace: Workspace, tabs: Tabs, year: str = "2026-27") -> str:
    """What an import says that is refused; nothing is stored."""
    with pytest.raises(UserError) as error:
        import_tabs(workspace, tabs, year)
    assert not imported_books(workspace).exists()
    return str(error.value)


def without_files(workspace: Workspace, *names: str) -> Path:
    """The book of the cases without some tables."""
    folder = workspace.data / "price_books" / "cases"
    lines = (folder / "manifest.toml").read_text("utf-8").splitlines()
    kept = [line for line in lines if line.partition(" ")[0] not in names]
    assert len(lines) - len(kept) == len(names)
    (folder / "manifest.toml").write_text("\n".join(kept), "utf-8")
    return folder


# --- The frames -------------------------------------------------------------------------------


def test_the_book_of_the_cases_gives_its_round_prices() -> None:
    book = read_price_book(BOOK)
    assert dict(book.unbundled_prices.rows()) == {
        "LE01A": 25_000,
        "RD01A": 10_000,
        "RD20A": 8_000,
        "RD40Z": 5_000,
        "RN01A": 40_000,
        "SB11Z": 0,
        "SB12Z": 15_000,
        "SB15Z": 20_000,
        "SC31Z": 12_000,
        "SC54Z": 70_000,
    }
    hips = "primary_hip_and_knee_replacement_outcomes"
    assert book.best_practice_prices.rows() == [
        ("AB16Z", "BP02", "spinal_surgery", None, 45_000, 56_000, None),
        ("BZ34A", "BP50", "day_case", None, 110_000, None, None),
        ("DZ11U", "BP30", "pleural_effusion", 110_000, None, None, None),
        ("EB12C", "BP70", "same_day_emergency_care", None, None, None, 120_000),
        ("FE30Z", "BP01", "endoscopy_procedures", 55_000, None, None, None),
        ("FE30Z", "BP40", "rapid_colorectal_diagnostic_pathway", 58_000, None, None, None),
        ("FE32Z", "BP01", "endoscopy_procedures", 46_000, None, None, None),
        ("HC32G", "BP02", "spinal_surgery", 120_000, None, None, 170_000),
        ("HC64C", "BP02", "spinal_surgery", 220_000, None, None, 330_000),
        ("HE11H", "BP03", "fragility_hip_fracture", None, None, None, 500_000),
        ("HN12F", "BP04", hips, None, 550_000, 570_000, None),
        ("HN22E", "BP04", hips, 660_000, None, None, None),
        ("HN24C", "BP03", "fragility_hip_fracture", None, None, None, 450_000),
    ]
    assert book.top_up_rates.rows() == [
        ("RRV", "0101", 120_000),
        ("RRV", "0102", 205_000),
        ("RRV", "NCBPS01", 200_000),
        ("RRV", "NCBPS02", 300_000),
        ("RRV", "NCBPS03", 100_000),
        ("RRV", "NCBPS05", 123_410),
        ("RRV", "NCBPS06", 123_409),
        ("RTD", "0101", 120_000),
        ("RTD", "NCBPS03", 100_000),
        ("RTD", "NCBPS04", 250_000),
    ]
    assert lacking(book) == {}


def test_a_workbook_gives_them_too(workspace: Workspace) -> None:
    """SABR is on tab 4b, and BZ34C there has prices of spells; 0103 has no rate."""
    book = book_of(workspace, layout_2026_27())
    assert book.unbundled_prices.rows() == [
        ("RD01A", 13_000),
        ("RD20A", 8_450),
        ("SC22Z", 10_800),
        ("SC40Z", 0),
        ("RN01A", 61_250),
        ("SB12Z", 27_100),
        ("SC57Z", 189_000),
    ]
    assert book.best_practice_prices.rows() == FLAGGED
    assert book.top_up_rates.rows() == [
        *(("RRV", "0101", 120_000), ("RRV", "0102", 205_000), ("RTD", "0101", 120_000))
    ]
    assert lacking(book) == {}


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_has_the_columns_that_pricing_takes(frame: str, workspace: Workspace) -> None:
    """With rows, and without the tables that it is made of."""
    wanted = {name: POLARS[kind] for name, kind in REFERENCE_COLUMNS[frame].items()}
    wanted.pop("price_hrg_code", None)  # of the bridge, which is no part of a book
    assert dict(getattr(read_price_book(BOOK), frame).schema) == wanted
    folder = without_files(
        workspace, "unbundled_services", "best_practice_tariffs", "specialist_top_ups"
    )
    empty = getattr(read_price_book(folder), frame)
    assert (dict(empty.schema), empty.height) == (wanted, 0)


def test_an_unbundled_hrg_without_a_price_is_not_one_at_nothing(workspace: Workspace) -> None:
    tabs = layout_2026_27()
    tabs["radiotherapy"] = with_cell(tabs["radiotherapy"], "SC22Z", "Price (£)", "-")
    prices = dict(book_of(workspace, tabs).unbundled_prices.rows())
    assert prices["SC40Z"] == 0
    assert "SC22Z" not in prices


def test_what_a_book_lacks_is_said(workspace: Workspace) -> None:
    folder = without_files(workspace, "unbundled_services", "specialist_top_up_providers")
    assert lacking(read_price_book(folder)) == {
        "unbundled_prices": "unbundled services",
        "top_up_rates": "eligible providers of specialist top-ups",
    }
    without_files(workspace, "best_practice_tariffs", "specialist_top_ups")
    assert lacking(read_price_book(folder)) == {
        "unbundled_prices": "unbundled services",
        "best_practice_prices": "best practice tariffs",
        "top_up_rates": "specialist top-ups and eligible providers of specialist top-ups",
    }


def test_one_price_of_best_practice_is_kept_prices_nothing_and_is_told(
    workspace: Workspace,
) -> None:
    """2023/25: a base and a BPT price of no kind, and top-up rates without codes of services."""
    book = book_of(workspace, layout_2023_25(), "2024-25")
    kept = book.read["best_practice_tariffs"].rows.row(0, named=True)
    assert (kept["base_price_pence"], kept["best_practice_price_pence"]) == (56_100, 58_300)
    assert book.best_practice_prices.is_empty()
    assert book.top_up_rates.is_empty()
    assert lacking(book) == {
        "best_practice_prices": "the SUS BPT flag or the kind of admission of 1 best practice "
        "tariffs",
        "top_up_rates": "eligible providers of specialist top-ups and the service codes of 2 "
        "specialist top-ups",
    }


@pytest.mark.parametrize(
    ("header", "value"), [("SUS BPT flag", "-"), (BEST_PRACTICE_HEADER[4], "-")]
)
def test_a_price_without_flag_or_kind_is_told_and_the_others_are_taken(
    header: str, value: str, workspace: Workspace
) -> None:
    """FE32Z has a BPT price besides, of no kind."""
    tab = flagged_best_practice()
    tab = replace(
        tab,
        header=[[*tab.header[0], "BPT price (£)"]],
        rows=[[*row, "583"] for row in tab.rows],
    )
    place = tab.header[0].index(header)
    first, *others = tab.rows
    tab = replace(tab, rows=[[*first[:place], value, *first[place + 1 :]], *others])
    book = book_of(workspace, {**layout_2026_27(), "bpt": tab})
    assert book.best_practice_prices.rows() == FLAGGED[1:]
    says = "the SUS BPT flag or the kind of admission of 1 best practice tariffs"
    assert lacking(book) == {"best_practice_prices": says}


# --- Words ------------------------------------------------------------------------------------

WORDED: dict[str, tuple[str, str]] = {
    "SUS flag": ("SUS BPT flag", "best_practice_flag"),
    "BPT flag": ("SUS BPT flag", "best_practice_flag"),
    "Best practice tariff flag¹": ("SUS BPT flag", "best_practice_flag"),
    "SUS PbR BPT indicator": ("SUS BPT flag", "best_practice_flag"),
    "Day case spell BPT tariff (£)": (
        "Day case BPT price (£)",
        "best_practice_day_case_price_pence",
    ),
    "BPT day case spell price (£)": (
        "Day case BPT price (£)",
        "best_practice_day_case_price_pence",
    ),
    "Day case price with BPT": ("Day case BPT price (£)", "best_practice_day_case_price_pence"),
    "Combined BPT price": (BEST_PRACTICE_HEADER[4], "best_practice_combined_price_pence"),
    "Best practice combined day case / ordinary elective spell price (£)": (
        BEST_PRACTICE_HEADER[4],
        "best_practice_combined_price_pence",
    ),
    "Elective BPT price (£)": (
        "Ordinary elective BPT price (£)",
        "best_practice_ordinary_elective_price_pence",
    ),
    "Non elective best practice tariff price (£)": (
        "Non-elective BPT price (£)",
        "best_practice_non_elective_price_pence",
    ),
}


def renamed(tab: Tab, known: str, other: str) -> Tab:
    assert known in tab.header[-1]
    names = [other if name == known else name for name in tab.header[-1]]
    return replace(tab, header=[*tab.header[:-1], names])


@pytest.mark.parametrize("header", WORDED)
def test_best_practice_is_known_by_other_words(header: str, workspace: Workspace) -> None:
    known, column = WORDED[header]
    tabs = {**layout_2026_27(), "bpt": renamed(flagged_best_practice(), known, header)}
    book = import_tabs(workspace, tabs).book
    source = book.sources["best_practice_tariffs"][0]
    assert (source.headers[column], source.not_read) == (header, {})


@pytest.mark.parametrize("group", ["Best practice", "BPT prices (£)"])
def test_prices_under_a_heading_of_best_practice_are_of_best_practice(
    group: str, workspace: Workspace
) -> None:
    """Those under the heading of base prices beside them are not."""
    tab = flagged_best_practice()
    kinds = ["Combined price", "Day case price", "Elective price", "Non-elective price"]
    header = [*tab.header[0][:4], *kinds, *kinds]
    groups = [*[""] * 4, "Base prices", *[""] * 3, group, *[""] * 3]
    rows: list[Row] = [[*row[:4], "1", "2", "3", "4", *row[4:]] for row in tab.rows]
    tab = replace(tab, row=3, header=[groups, header], rows=rows, merged=("F3:I3", "J3:M3"))
    book = book_of(workspace, {**layout_2026_27(), "bpt": tab})
    assert book.best_practice_prices.rows() == FLAGGED


@pytest.mark.parametrize(
    "header",
    ["Day case price (£)", "Day case BPT trim point (days)", "Day case BPT price for children (£)"],
)
def test_another_amount_is_no_price_of_best_practice(header: str, workspace: Workspace) -> None:
    tab = renamed(flagged_best_practice(), "Day case BPT price (£)", header)
    book = book_of(workspace, {**layout_2026_27(), "bpt": tab})
    assert book.best_practice_prices["best_practice_day_case_price_pence"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("key", "known", "header"),
    [
        ("top_ups", workbooks.SERVICE_CODE, "Service code"),
        ("top_ups", workbooks.SERVICE_CODE, "PSS code"),
        ("eligible", workbooks.SERVICE_CODE, "Specialised service line code"),
        ("eligible", "Provider code", "Trust ODS code"),
    ],
)
def test_top_ups_are_known_by_other_words(
    key: str, known: str, header: str, workspace: Workspace
) -> None:
    tabs = layout_2026_27()
    tabs[key] = renamed(tabs[key], known, header)
    assert book_of(workspace, tabs).top_up_rates.height == 3


@pytest.mark.parametrize(
    "name", ["9b PSS providers", "Top-up eligibility", "Specialised services trusts"]
)
def test_the_tab_of_eligible_providers_is_known_by_its_name(
    name: str, workspace: Workspace
) -> None:
    tabs = layout_2026_27()
    tabs["eligible"] = replace(tabs["eligible"], name=name)
    assert book_of(workspace, tabs).top_up_rates.height == 3


def test_notes_among_eligible_providers_are_no_rows(workspace: Workspace) -> None:
    tabs = layout_2026_27()
    tab = tabs["eligible"]
    rows: list[Row] = [["Cancer services", "", ""], *tab.rows, ["* As on 1 April", "", ""]]
    tabs["eligible"] = replace(tab, rows=rows)
    book = book_of(workspace, tabs)
    assert book.top_up_rates.height == 3
    notes = (
        book.stored["specialist_top_up_providers"].sources["specialist_top_up_providers"][0].notes
    )
    assert notes == {"4": "Cancer services", "9": "* As on 1 April"}


# --- What contradicts -------------------------------------------------------------------------


def best_practice(*more: Row) -> Callable[[Tabs], None]:
    def change(tabs: Tabs) -> None:
        tabs["bpt"] = replace(tabs["bpt"], rows=[*tabs["bpt"].rows, *more])

    return change


def top_ups(*more: Row) -> Callable[[Tabs], None]:
    def change(tabs: Tabs) -> None:
        tabs["top_ups"] = replace(tabs["top_ups"], rows=[*tabs["top_ups"].rows, *more])

    return change


def eligible(*more: Row) -> Callable[[Tabs], None]:
    def change(tabs: Tabs) -> None:
        tabs["eligible"] = replace(tabs["eligible"], rows=[*tabs["eligible"].rows, *more])

    return change


def sabr_among_radiotherapy(tabs: Tabs) -> None:
    tab = tabs["radiotherapy"]
    tabs["radiotherapy"] = replace(tab, rows=[*tab.rows, ["SC57Z", "SABR", "1,900"]])


FAULTS: dict[str, tuple[Callable[[Tabs], None], str]] = {
    "an HRG with a flag twice": (
        best_practice(["Endoscopy", "BP01", "FE32Z", "Colonoscopy", "590", "-", "-", "-"]),
        "tab '5 BPTs', C6: FE32Z, BP01 is already in tab '5 BPTs', C4",
    ),
    "a flagged price of no tariff": (
        best_practice(["", "BP02", "FE32Z", "Colonoscopy", "590", "-", "-", "-"]),
        "tab '5 BPTs', C6: FE32Z with the flag BP02 has no name of its best practice tariff",
    ),
    "a flag that is none": (
        best_practice(["Endoscopy", "see note", "FE32Z", "Colonoscopy", "590", "-", "-", "-"]),
        "tab '5 BPTs', C6: 'SUS BPT flag' is no code of up to ten letters and digits",
    ),
    "two rates of a service": (
        top_ups(["0101", "Rare cancers", "13%"]),
        "tab '9 PSS top-ups', A6: 0101 is already in tab '9 PSS top-ups', A3",
    ),
    "a provider of a service that no rate is for": (
        eligible(["0109", "RRV", "University College London"]),
        "tab '9b PSS eligible providers', A8: RRV is eligible for 0109, which specialist top-ups "
        "do not have",
    ),
    "a provider eligible twice": (
        eligible(["0101", "RRV", "UCLH"]),
        "tab '9b PSS eligible providers', row 8: 0101, RRV is already on row 4",
    ),
    "a provider of a service without code": (
        eligible(["", "RRV", ""]),
        "tab '9b PSS eligible providers', A8: 'Specialised service code' is no code",
    ),
    "a service without provider": (
        eligible(["0101", "", ""]),
        "tab '9b PSS eligible providers', B8: 'Provider code' is no organisation code",
    ),
    "SABR at two prices": (
        sabr_among_radiotherapy,
        "SC57Z: 'Price (£)' is not the same in tab '3 Radiotherapy', C5 (£1,900.00) and tab "
        "'4b Other unit prices', G6 (£1,890.00)",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_cannot_be_right_is_refused_by_its_cells(kind: str, workspace: Workspace) -> None:
    change, says = FAULTS[kind]
    tabs = layout_2026_27()
    change(tabs)
    assert says in refused(workspace, tabs)


def test_a_folder_of_csv_that_contradicts_itself_is_named_by_its_lines(
    workspace: Workspace,
) -> None:
    folder = workspace.data / "price_books" / "cases"
    with (folder / "best_practice_tariffs.csv").open("a", encoding="utf-8") as file:
        file.write("Another,BP01,FE32Z,Colonoscopy,1,-,-,-\n")
    with pytest.raises(UserError) as error:
        price_book_for(workspace, "2024-25", date(2024, 7, 1))
    assert (
        "best_practice_tariffs.csv, line 15: FE32Z, BP01 is already in best_practice_tariffs.csv, "
        "line 8"
    ) in str(error.value)


def test_tables_that_contradict_each_other_across_books_are_refused(workspace: Workspace) -> None:
    """A list of providers that comes apart from the rates of the cases, 0101 and 0102."""
    path = workspace.root / "eligible.csv"
    path.write_text("Specialised service code,Provider code\n0104,RRV\n", "utf-8")
    said = Publication("2024-25", date(2024, 5, 1), date(2024, 4, 1), is_illustrative=True)
    import_csv(workspace, path, "specialist_top_up_providers", said)
    with pytest.raises(UserError, match=r"eligible\.csv, line 2: RRV is eligible for 0104, which"):
        price_book_for(workspace, "2024-25", date(2024, 7, 1))


def test_a_book_that_an_earlier_version_imported_is_not_half_used(workspace: Workspace) -> None:
    stored = import_tabs(workspace, layout_2026_27()).book
    file = stored.files["specialist_top_ups"]
    pl.read_parquet(file).drop("specialised_service_code").write_parquet(file)
    with pytest.raises(UserError) as error:
        price_book_for(workspace, "2026-27", date(2026, 7, 1))
    assert "by an earlier version, which did not read specialised_service_code" in str(error.value)
    assert f"Remove {stored.folder} and import annex_a.xlsx again" in str(error.value)


# --- Which book a table is from ---------------------------------------------------------------


def test_a_later_list_of_eligible_providers_takes_the_place_of_the_first(
    workspace: Workspace,
) -> None:
    """It may come in a workbook of its own; known from 1 May, RTD is no more eligible."""
    first = price_book_for(workspace, "2024-25", date(2024, 7, 1))
    tab = Tab(
        "PSS eligibility",
        [[workbooks.SERVICE_CODE, "Provider code"]],
        [["0102", "RTD"], ["0101", "RRV"]],
        as_text=True,
    )
    path = write(workspace.root / "pss.xlsx", [tab])
    said = Publication("2024-25", date(2024, 5, 1), date(2024, 4, 1), is_illustrative=True)
    stored = import_workbook(workspace, path, said).book
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1))
    assert book.top_up_rates.rows() == [("RRV", "0101", 120_000), ("RTD", "0102", 205_000)]
    assert book.stored["specialist_top_up_providers"] == stored
    assert book.stored["specialist_top_ups"].id == "cases"
    assert (book.name, book.sha256 != first.sha256) == (f"cases + {stored.id}", True)
    before = price_book_for(workspace, "2024-25", date(2024, 7, 1), as_of=date(2024, 4, 30))
    assert (before.top_up_rates.rows(), before.sha256) == (first.top_up_rates.rows(), first.sha256)


@pytest.mark.parametrize(
    "table",
    [
        "unbundled_services",
        "best_practice_tariffs",
        "specialist_top_ups",
        "specialist_top_up_providers",
    ],
)
def test_every_table_is_in_the_identity_of_a_book(table: str, workspace: Workspace) -> None:
    folder = workspace.data / "price_books" / "cases"
    before = read_price_book(folder).sha256
    path = folder / f"{table}.csv"
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    assert read_price_book(folder).sha256 != before


def test_an_edition_with_the_same_rows_without_flag_or_code_loses_none(
    workspace: Workspace,
) -> None:
    """The keys of 2023/25's best practice and top-ups are partly blank, and blank is the same."""
    import_tabs(workspace, layout_2023_25(), "2024-25")
    again = import_tabs(workspace, layout_2023_25(), "2024-25", date(2024, 5, 1))
    assert (again.was_there, again.gone) == (False, {})


# --- The cell of a price ----------------------------------------------------------------------

CELLS: dict[str, tuple[str, dict[str, str], str, str | None]] = {
    "a price of tab 1": (
        *("hrg_prices", {"hrg_code": "FE32Z"}, "combined_price_pence"),
        "annex_a.xlsx, tab '1 APC & OPROC', cell E8",
    ),
    "a price of tab 4b, of an HRG that tab 1 has too": (
        *("hrg_prices", {"hrg_code": "BZ34C"}, "day_case_price_pence"),
        "annex_a.xlsx, tab '4b Other unit prices', cell D5",
    ),
    "and its price on tab 1": (
        *("hrg_prices", {"hrg_code": "BZ34C"}, "outpatient_procedure_price_pence"),
        "annex_a.xlsx, tab '1 APC & OPROC', cell D9",
    ),
    "an attendance": (
        "attendance_prices",
        {"treatment_function_code": "110", "price_column": "WF01A"},
        "attendance_price_pence",
        "annex_a.xlsx, tab '2 OPATT', cell E7",
    ),
    "imaging": (
        *("unbundled_prices", {"hrg_code": "RD20A"}, "unbundled_price_pence"),
        "annex_a.xlsx, tab '2b Diagnostic imaging', cell C5",
    ),
    "SABR": (
        *("unbundled_prices", {"hrg_code": "SC57Z"}, "unbundled_price_pence"),
        "annex_a.xlsx, tab '4b Other unit prices', cell G6",
    ),
    "best practice": (
        "best_practice_prices",
        {"hrg_code": "AB16Z", "best_practice_flag": "BP07"},
        "best_practice_ordinary_elective_price_pence",
        "annex_a.xlsx, tab '5 BPTs', cell H5",
    ),
    "a top-up": (
        "top_up_rates",
        {"provider_code": "RTD", "specialised_service_code": "0101"},
        "top_up_ppm",
        "annex_a.xlsx, tab '9 PSS top-ups', cell C3",
    ),
    "a factor": (
        *("market_forces_factors", {"provider_code": "RRV"}, "mff_ppm"),
        "annex_a.xlsx, tab 'MFF', cell C4",
    ),
    "a block value": (
        "lva_schedule",
        {"provider_code": "RRV", "commissioner_code": "QHM"},
        "block_value_pence",
        "annex_a.xlsx, tab 'LVA payments schedule', cell H5",
    ),
    "no price": (*("hrg_prices", {"hrg_code": "BZ34C"}, "combined_price_pence"), None),
    "an HRG of no book": (
        *("unbundled_prices", {"hrg_code": "SB17Z"}, "unbundled_price_pence"),
        None,
    ),
    "a unit price that is no unbundled one": (
        *("unbundled_prices", {"hrg_code": "BZ34C"}, "unbundled_price_pence"),
        None,
    ),
    "best practice of another kind": (
        "best_practice_prices",
        {"hrg_code": "AB16Z", "best_practice_flag": "BP07"},
        "best_practice_combined_price_pence",
        None,
    ),
    "a top-up of who is not eligible": (
        "top_up_rates",
        {"provider_code": "RTD", "specialised_service_code": "0102"},
        "top_up_ppm",
        None,
    ),
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    """2026/27 as imported: tab 1 from B6, tab 4b from B4, BZ34C with a unit price besides."""
    made = new_workspace(tmp_path_factory.mktemp("imported") / "workspace")
    tabs = layout_2026_27()
    cataract, sabr = tabs["other"].rows
    tabs["other"] = replace(tabs["other"], rows=[[*cataract[:-1], "861"], sabr])
    return book_of(made, tabs)


@pytest.mark.parametrize("kind", CELLS)
def test_a_price_is_followed_to_its_cell(kind: str, imported: PriceBook) -> None:
    frame, key, column, cell = CELLS[kind]
    assert cell_of(imported, frame, key, column) == cell


def test_a_price_of_csv_is_followed_to_its_line(workspace: Workspace) -> None:
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1))
    assert cell_of(book, "hrg_prices", {"hrg_code": "AA31E"}, "combined_price_pence") == (
        "cases/apc_and_outpatient_procedures.csv, line 2, column 'Combined day case / ordinary "
        "elective spell price (£)'"
    )
    key = {"provider_code": "RTD", "specialised_service_code": "0101"}
    assert cell_of(book, "top_up_rates", key, "top_up_ppm") == (
        "cases/specialist_top_ups.csv, line 2, column 'Top-up (%)'"
    )


def test_a_price_of_an_imported_csv_is_followed_to_its_line(workspace: Workspace) -> None:
    path = workspace.root / "unbundled_2024.csv"
    path.write_text("HRG,Unit price\nRD20A,61\n", "utf-8")
    said = Publication("2024-25", date(2024, 5, 1), date(2024, 4, 1), is_illustrative=True)
    import_csv(workspace, path, "unbundled", said)
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1))
    assert book.unbundled_prices.rows() == [("RD20A", 6_100)]
    assert cell_of(book, "unbundled_prices", {"hrg_code": "RD20A"}, "unbundled_price_pence") == (
        "unbundled_2024.csv, line 2, column 'Unit price'"
    )


# --- What ships -------------------------------------------------------------------------------

SHIPPED = sorted((PROJECT / "data" / "price_books").glob("*-illustrative*"))


@pytest.fixture(params=SHIPPED, ids=lambda folder: str(folder.name))
def shipped(request: pytest.FixtureRequest) -> PriceBook:
    return read_price_book(request.param)


def test_what_ships_prices_the_unbundled_hrgs_of_the_demonstration(shipped: PriceBook) -> None:
    """But for chemotherapy off the national list and an HRG that is no service.

    Radiotherapy has a price in 2026/27 alone, where it is blended.
    """
    mix = tomllib.loads((PROJECT / "pipelines" / "synth" / "mix.toml").read_text("utf-8"))
    of_kinds = [kind.get("unbundled", {}) for name in ("apc", "op") for kind in mix[name]]
    drawings = [mix["unbundled"][name]["hrgs"] for name in ("apc", "op")] + of_kinds
    drawn = {hrg for drawing in drawings for hrg in drawing if hrg[:2] in ("RD", "RN")}
    priced = set(shipped.unbundled_prices["hrg_code"])
    assert drawn
    assert drawn <= priced
    assert {f"SB{place:02}Z" for place in range(1, 17)} <= priced
    assert not priced & {"SB17Z", "SB97Z"}
    assert any(hrg[:2] == "SC" for hrg in priced) is (shipped.scheme_year == "2026-27")
    assert lacking(shipped) == {}


def test_best_practice_that_ships_is_of_the_packs_tariffs_and_of_kinds_that_have_a_price(
    shipped: PriceBook,
) -> None:
    path = PROJECT / "data" / "schemes" / f"{shipped.scheme_year}.toml"
    pack = tomllib.loads(path.read_text("utf-8"))
    divided = pack["best_practice_tariffs"].get("activity_tariffs")
    base = {row["hrg_code"]: row for row in shipped.hrg_prices.iter_rows(named=True)}
    prices = shipped.best_practice_prices
    if divided:
        named = set(prices["best_practice_tariff_name"])
        assert named == {*divided[-1]["value"], "stroke_care"}
    differences = [
        row[f"best_practice_{kind}_price_pence"] - base[row["hrg_code"]][f"{kind}_price_pence"]
        for row in prices.iter_rows(named=True)
        for kind in ("combined", "day_case", "ordinary_elective", "non_elective")
        if row[f"best_practice_{kind}_price_pence"] is not None
    ]
    assert min(differences) < 0 < max(differences)


def test_who_is_eligible_for_a_top_up_that_ships_is_an_nhs_trust_with_a_factor(
    shipped: PriceBook,
) -> None:
    with (PROJECT / "data" / "organisations" / "providers.csv").open(encoding="utf-8") as file:
        kinds = {row["provider_code"]: row["provider_kind"] for row in csv.DictReader(file)}
    providers = set(shipped.top_up_rates["provider_code"])
    assert {kinds[code] for code in providers} == {"nhs_trust"}
    assert providers <= set(shipped.market_forces_factors["provider_code"])
    assert shipped.top_up_rates["specialised_service_code"].n_unique() == 4
