"""Importing price workbooks: every cell read rightly, or the import refused whole.

Belongs here: workbooks in each year's layout, good and hostile, and the books they become.
Does not belong here: comparing books (`test_comparing_prices`) or pricing with one.
"""

import csv
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import workbooks
from pipeline.making import land_good_month, new_workspace, price
from polars.testing import assert_frame_equal
from support import BOOK, SHARED_REFERENCE
from workbooks import (
    APC_HEADER,
    APC_ROWS,
    COMBINED,
    DAY_CASE,
    NON_ELECTIVE,
    PER_DAY,
    PROCEDURE,
    SHARE,
    SHORT_STAY,
    Row,
    Tab,
    Tabs,
    factors,
    layout_2017_19,
    layout_2023_25,
    layout_2025_26,
    layout_2026_27,
    schedule,
    with_cell,
    without,
    write,
)

from pipelines.price_books.annex_a import TABLES
from pipelines.price_books.books import (
    Publication,
    StoredBook,
    imported_books,
    price_book_for,
    read_price_book,
    shipped_folder,
    stored_books,
)
from pipelines.price_books.importing import Imported, import_csv, import_workbook
from pipelines.workspace import PROJECT, UserError, Workspace

LAYOUTS: dict[str, Callable[[], Tabs]] = {
    "2017-18": layout_2017_19,
    "2024-25": layout_2023_25,
    "2025-26": layout_2025_26,
    "2026-27": layout_2026_27,
}
APC = "apc_and_outpatient_procedures"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with the book of the cases, and packs of more years in name."""
    made = new_workspace(tmp_path / "workspace")
    for year in LAYOUTS:
        (made.data / "schemes" / f"{year}.toml").touch()
    return made


def publication(year: str = "2025-26", published: date | None = None) -> Publication:
    starts = date(int(year[:4]), 4, 1)
    return Publication(year, published or starts, starts)


def import_tabs(
    workspace: Workspace,
    tabs: Tabs,
    said: Publication | None = None,
    name: str = "annex_a.xlsx",
    without: Sequence[str] = (),
) -> Imported:
    path = write(workspace.root / name, tabs.values())
    return import_workbook(workspace, path, said or publication(), without)


def refused(
    workspace: Workspace, tabs: Tabs, said: Publication | None = None, without: Sequence[str] = ()
) -> str:
    """What an import says that is refused; nothing is stored."""
    with pytest.raises(UserError) as error:
        import_tabs(workspace, tabs, said, without=without)
    assert not imported_books(workspace).exists()
    return str(error.value)


def changed(tabs: Tabs, **others: Tab) -> Tabs:
    return {**tabs, **others}


def whole(tabs: Tabs) -> Tabs:
    """With the factors and block values in the same workbook."""
    return {**tabs, "mff": factors(), "lva": schedule()}


def prices_of(book: StoredBook, table: str = APC) -> dict[str, dict[str, object]]:
    """The rows of a table by their first key, less what is null."""
    key = next(one for one in TABLES if one.name == table).key[0]
    rows = book.read(table).rows.iter_rows(named=True)
    return {row[key]: {k: v for k, v in row.items() if v is not None} for row in rows}


# --- Each year's layout ----------------------------------------------------------------------


@pytest.mark.parametrize("year", LAYOUTS)
def test_every_layout_gives_the_same_hrg_prices(year: str, workspace: Workspace) -> None:
    """Tab 1 as 2017/19 and 2023/25 have it; BZ34 on tab 4b and no split price from 2025/26."""
    import_tabs(workspace, whole(LAYOUTS[year]()), publication(year))
    book = price_book_for(workspace, year, date(int(year[:4]), 7, 1))
    got = {row["hrg_code"]: row for row in book.hrg_prices.iter_rows(named=True)}
    none = dict.fromkeys(book.hrg_prices.columns)
    assert got["AA26H"] == {
        **none,
        "hrg_code": "AA26H",
        "combined_price_pence": 201_800,
        "ordinary_elective_trim_point_days": 12,
        "non_elective_price_pence": 321_200,
        "non_elective_trim_point_days": 13,
        "per_day_long_stay_pence": 33_100,
        "is_short_stay_emergency_applicable": True,
        "short_stay_emergency_price_pence": 96_400,
    }
    assert got["FE32Z"] == {
        **none,
        "hrg_code": "FE32Z",
        "outpatient_procedure_price_pence": 50_000,
        "combined_price_pence": 56_100,
        "ordinary_elective_trim_point_days": 5,
        "non_elective_price_pence": 0,
        "non_elective_trim_point_days": 8,
        "per_day_long_stay_pence": 21_900,
        "is_short_stay_emergency_applicable": False,
    }
    assert got["BZ34C"] == {
        **none,
        "hrg_code": "BZ34C",
        "outpatient_procedure_price_pence": 17_400,
        "day_case_price_pence": 86_100,
        "ordinary_elective_price_pence": 81_200,
        "ordinary_elective_trim_point_days": 10,
        "per_day_long_stay_pence": 32_900,
        "is_short_stay_emergency_applicable": False,
    }
    assert "SC57Z" not in got, "a currency without a spell price is no HRG price"
    assert book.attendance_prices.filter(treatment_function_code="110").rows() == [
        ("110", "WF01B", 18_000),
        ("110", "WF01A", 9_000),
    ]
    assert book.market_forces_factors.rows() == [("RRV", 1_175_335)]
    assert book.lva_schedule.rows() == [("RRV", "QHM", 21_200_000)]
    assert not book.is_illustrative


def test_the_other_year_of_a_workbook_is_told_and_not_read(workspace: Workspace) -> None:
    book = import_tabs(workspace, layout_2017_19(), publication("2017-18")).book
    assert book.tabs_not_read == {"1b APC & OPROC 18.19": "of 2018-19"}
    assert prices_of(book)["AA26H"]["per_day_long_stay_pence"] == 33_100


def test_each_price_is_traced_to_its_cell(workspace: Workspace) -> None:
    """2025/26: column A empty and data from row 7, so BZ34C is in row 9 of tab 1."""
    book = import_tabs(workspace, layout_2025_26()).book
    apc, other = book.read(APC), book.read("other_unit_prices")
    cataract = apc.rows.filter(hrg_code="BZ34C").row(0, named=True)
    split = other.rows.filter(hrg_code="BZ34C").row(0, named=True)
    assert apc.place(cataract, "outpatient_procedure_price_pence") == "tab '1 APC & OPROC', D9"
    assert other.place(split, "day_case_price_pence") == "tab '4b Other unit prices', D5"
    assert apc.sources[0].header_row == 6
    assert stored_books(workspace)[-1] == book


FURTHER: dict[str, list[tuple[object, ...]]] = {
    "unbundled_services": [
        ("RD01A", "MRI, one area", 13_000, 2_200),
        ("RD20A", "CT, one area", 8_450, 2_000),
        ("SC22Z", "Deliver a fraction", 10_800, None),
        ("SC40Z", "Preparation", 0, None),
        ("RN01A", "PET-CT", 61_250, None),
        ("SB12Z", "Deliver simple chemotherapy", 27_100, None),
    ],
    "best_practice_tariffs": [
        ("Day case", "BP01", "FE32Z", "Colonoscopy", None, None, 58_300, None, None, None),
        (
            *("RTT (10-year health plan)", "BP07", "AB16Z", "Denervation", None, None),
            *(None, 54_000, 49_050, 0),
        ),
    ],
    "specialist_top_ups": [
        ("0101", "Cancer", 120_000),
        ("0102", "Children", 205_000),
        ("0103", "Burns", None),
    ],
    "specialist_top_up_providers": [
        ("0101", "RRV", "University College London"),
        ("0101", "RTD", "Newcastle"),
        ("0102", "RRV", "University College London"),
        ("0103", "RRV", "University College London"),
    ],
    "urgent_and_emergency_care": [("VB01Z", "Emergency medicine", 61_200)],
    "community_diagnostic_centres": [("RD20A", "CT, one area", 9_300)],
    "genomic_testing": [("R14.1", "Acutely unwell", 150_000)],
    "excluded_devices": [("Aneurysm coils", None)],
    "excluded_drugs": [("Abatacept", "ICB")],
    "drugs_in_unit_prices": [("Abatacept", 120_000), ("Belimumab", None)],
    "medtech_products": [("Spectra Optia", None)],
}


@pytest.mark.parametrize("table", FURTHER)
def test_a_table_beside_those_of_prices_is_kept_as_published(
    table: str, workspace: Workspace
) -> None:
    import_tabs(workspace, whole(layout_2026_27()), publication("2026-27"))
    book = price_book_for(workspace, "2026-27", date(2026, 4, 1))
    assert book.read[table].rows.drop("sheet", "row").rows() == FURTHER[table]


def test_the_short_stay_prices_may_be_on_a_tab_of_their_own(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    moved = [workbooks.FLAG, SHARE, SHORT_STAY]
    own = Tab(
        "3b Short stay emergency",
        [["HRG code", *moved]],
        [["AA26H", "Yes", "30%", "964"]],
        2,
    )
    both = changed(tabs, apc=without(tabs["apc"], *moved), short_stay=own)
    import_tabs(workspace, whole(both), publication("2024-25"))
    prices = price_book_for(workspace, "2024-25", date(2024, 4, 1)).hrg_prices
    columns = ("hrg_code", "is_short_stay_emergency_applicable", "short_stay_emergency_price_pence")
    assert prices.select(columns).rows()[:2] == [("AA26H", True, 96_400), ("AB16Z", False, None)]


# --- Cells -----------------------------------------------------------------------------------

CELLS: dict[str, tuple[str, str | float, object]] = {
    "a whole price": ("combined_price_pence", "1,234", 123_400),
    "a price as a number with pence": ("combined_price_pence", 1234.5, 123_450),
    "a number that binary cannot hold": ("combined_price_pence", 1234.1, 123_410),
    "a sum with an error in its last bit": ("combined_price_pence", 0.1 + 0.2, 30),
    "a price with a pound sign": ("combined_price_pence", "£1,234.56", 123_456),
    "a price with a footnote": ("combined_price_pence", "123*", 12_300),
    "a price with a footnote in brackets": ("combined_price_pence", "1,123 (2)", 112_300),
    "no price with a footnote": ("combined_price_pence", "-¹", None),
    "no price": ("combined_price_pence", "-", None),
    "blank": ("combined_price_pence", "", None),
    "nothing": ("combined_price_pence", 0.0, 0),
    "a flag with a footnote": ("is_short_stay_emergency_applicable", "Yes¹", True),
    "a percentage as text": ("short_stay_emergency_share_ppm", "30% ", 300_000),
    "a percentage as a number": ("short_stay_emergency_share_ppm", 0.55, 550_000),
}
HEADERS = {
    "combined_price_pence": COMBINED,
    "is_short_stay_emergency_applicable": workbooks.FLAG,
    "short_stay_emergency_share_ppm": SHARE,
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_read_as_it_is_meant(kind: str, workspace: Workspace) -> None:
    column, said, meant = CELLS[kind]
    tabs = layout_2023_25()
    apc = with_cell(tabs["apc"], "FE32Z", HEADERS[column], said)
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    assert prices_of(book)["FE32Z"].get(column) == meant


def test_numbers_written_as_text_read_as_numbers_do(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    numbers = import_tabs(workspace, tabs, publication("2024-25", date(2024, 3, 1))).book
    texts = {name: replace(tab, as_text=True) for name, tab in tabs.items()}
    as_text = import_tabs(workspace, texts, publication("2024-25", date(2024, 3, 2))).book
    for table in numbers.tables:
        assert_frame_equal(numbers.read(table).rows, as_text.read(table).rows)


@pytest.mark.parametrize(
    ("written", "ppm"),
    [
        ("1.175335", 1_175_335),
        ("1.1753350000000001", 1_175_335),
        ("1.1753349999999998", 1_175_335),
        ("1", 1_000_000),
        ("1.0001", 1_000_100),
    ],
)
def test_a_factor_is_exact_whatever_digits_the_file_spells(
    written: str, ppm: int, workspace: Workspace
) -> None:
    path = write(workspace.root / "mff.xlsx", [factors([["RRV", "UCLH", 1.25]])])
    respell(path, b"<v>1.25</v>", f"<v>{written}</v>".encode())
    book = import_workbook(workspace, path, publication()).book
    assert prices_of(book, "market_forces_factor")["RRV"]["mff_ppm"] == ppm


def respell(path: Path, before: bytes, after: bytes) -> None:
    """Changes what the XML of a workbook says."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert any(before in part for part in parts.values())
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part.replace(before, after))


# --- Headers, notes and merged cells ----------------------------------------------------------


def test_a_header_is_found_wherever_it_stands(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    apc = replace(tabs["apc"], row=31, column="F", title="HRG prices of 2024/25 (£)")
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    assert prices_of(book)["BZ34C"]["row"] == 34
    assert book.sources[APC][0].columns["hrg_code"] == "F"


def test_a_header_may_be_split_over_merged_rows(workspace: Workspace) -> None:
    """What two columns share is merged above them; what one has alone, down both rows."""
    tabs = layout_2023_25()
    shared = {
        4: ("Day case", "spell price (£)"),
        5: ("Ordinary elective", "spell price (£)"),
        6: ("Ordinary elective", "long stay trim point (days)"),
        7: ("Non-elective", "spell price (£)"),
        8: ("Non-elective", "long stay trim point (days)"),
    }
    top = [shared.get(place, (name, ""))[0] for place, name in enumerate(APC_HEADER)]
    below = [shared.get(place, ("", name))[1] for place, name in enumerate(APC_HEADER)]
    alone = [
        f"{chr(65 + at)}4:{chr(65 + at)}5" for at in range(len(APC_HEADER)) if at not in shared
    ]
    apc = replace(tabs["apc"], header=[top, below], merged=("F4:G4", "H4:I4", *alone))
    expected = import_tabs(workspace, tabs, publication("2024-25", date(2024, 3, 1))).book
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    assert book.sources[APC][0].header_row == 4
    assert_frame_equal(book.read(APC).rows.drop("row"), expected.read(APC).rows.drop("row"))


def test_an_hrg_on_tab_1_without_any_price_is_an_hrg_of_the_book(workspace: Workspace) -> None:
    tabs = layout_2025_26()
    none: Row = ["ZZ01Z", "No price at all", *["-"] * 9]
    tabs["apc"] = replace(tabs["apc"], rows=[*tabs["apc"].rows, none])
    import_tabs(workspace, whole(tabs))
    prices = price_book_for(workspace, "2025-26", date(2025, 7, 1)).hrg_prices
    assert prices.filter(hrg_code="ZZ01Z").row(0) == ("ZZ01Z", *[None] * 8, False, None)


def test_footnotes_headings_and_totals_are_no_rows_and_are_counted(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    heading: Row = ["Nervous system"]
    apc = replace(
        tabs["apc"],
        header=[[f"{name}²" if name == "HRG code" else name for name in APC_HEADER]],
        rows=[heading, *APC_ROWS],
        footnotes=("", "* See Annex C", "** Including critical care"),
        merged=("A10:M10",),
        cells={"A10": "1 Prices are before MFF."},
    )
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    assert list(prices_of(book)) == ["AA26H", "AB16Z", "BZ34C", "FE32Z"]
    assert book.sources[APC][0].notes == {
        "5": "Nervous system",
        "10": "1 Prices are before MFF.",
        "11": "* See Annex C",
        "12": "** Including critical care",
    }


def test_the_total_of_a_schedule_is_no_pair(workspace: Workspace) -> None:
    rows: list[Row] = [
        ["RRV", "UCLH", "QHM", "ICB", "200,000", "2,000", "10,000", "212,000"],
        ["Total", "", "", "", "200,000", "2,000", "10,000", "212,000"],
    ]
    book = import_tabs(workspace, {"lva": schedule(rows)}).book
    assert list(prices_of(book, "lva_payments_schedule").values()) == [
        {
            "sheet": "LVA payments schedule",
            "row": 5,
            "provider_code": "RRV",
            "provider_name": "UCLH",
            "commissioner_code": "QHM",
            "commissioner_name": "ICB",
            "acute_mental_health_community_pence": 20_000_000,
            "secondary_dental_pence": 200_000,
            "specialised_pence": 1_000_000,
            "block_value_pence": 21_200_000,
        }
    ]


def test_a_merged_price_belongs_to_every_row_it_covers(workspace: Workspace) -> None:
    """The per day payment of AA26H is merged over AB16Z, whose own is under it."""
    tabs = layout_2023_25()
    apc = replace(tabs["apc"], merged=("J5:J6",))
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    per_day = {hrg: row["per_day_long_stay_pence"] for hrg, row in prices_of(book).items()}
    assert per_day == {"AA26H": 33_100, "AB16Z": 33_100, "BZ34C": 32_900, "FE32Z": 21_900}


def test_what_is_not_known_is_listed_and_kept(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    apc = replace(
        tabs["apc"],
        header=[[*APC_HEADER, "BPT: day case price (£)"]],
        rows=[[*row, "600"] for row in APC_ROWS],
    )
    extra = Tab("15 Pathology", [["Test", "Amount"]], [["Blood", "3"]])
    book = import_tabs(workspace, changed(tabs, apc=apc, extra=extra), publication("2024-25")).book
    assert book.tabs_not_read == {"Contents": "not known", "15 Pathology": "not known"}
    assert book.sources[APC][0].not_read == {"N": "BPT: day case price (£)"}
    assert stored_books(workspace)[-1].tabs_not_read == book.tabs_not_read


SET_APART = [
    "Day case price where the best practice criteria are met (£)",
    "Day case spell price with BPT (£)",
    "Combined day case / ordinary elective spell BPT price (£)",
    "Combined day case / ordinary elective spell tariff (£) - children",
    "Ordinary elective spell price (£) where the BPT is met",
    "Elective price uplift for children",
    "Outpatient procedure price with BPT",
    "Non-elective spell price with BPT",
    "Non-elective spell price (£) (local)",
    "Non-elective long stay trim point with BPT (days)",
    "Per day long stay payment BPT",
    "Reduced short stay emergency price with BPT (£)",
]


@pytest.mark.parametrize("header", SET_APART)
def test_a_price_on_conditions_is_never_taken_as_the_base_price(
    header: str, workspace: Workspace
) -> None:
    """Beside the base prices, on a tab 1 without split prices, where nothing else is like it."""
    tabs = layout_2025_26()
    apc = tabs["apc"]
    with_it = replace(
        apc, header=[[*apc.header[0], header]], rows=[[*row, "600"] for row in apc.rows]
    )
    plainly = import_tabs(workspace, tabs, publication("2025-26", date(2025, 3, 1))).book
    book = import_tabs(workspace, changed(tabs, apc=with_it)).book
    assert book.sources[APC][0].not_read == {"M": header}
    assert_frame_equal(book.read(APC).rows, plainly.read(APC).rows)


@pytest.mark.parametrize("base", [PROCEDURE, COMBINED, NON_ELECTIVE, PER_DAY, SHORT_STAY])
def test_a_price_on_conditions_does_not_stand_for_a_base_price_that_is_absent(
    base: str, workspace: Workspace
) -> None:
    tabs = layout_2025_26()
    header = [
        f"{base} where best practice is met" if name == base else name
        for name in tabs["apc"].header[0]
    ]
    said = refused(workspace, changed(tabs, apc=replace(tabs["apc"], header=[header])))
    assert f"tab '1 APC & OPROC': the header has no column '{base}'" in said


def test_a_column_under_best_practice_is_no_base_price(workspace: Workspace) -> None:
    """Column M says only 'Day case spell price (£)'; the cell merged above M and N says whose."""
    tabs = layout_2025_26()
    apc = tabs["apc"]
    header = [*apc.header[0], DAY_CASE, "Criteria"]
    group = [*[""] * len(apc.header[0]), "Best practice tariff", ""]
    with_it = replace(
        apc,
        row=5,
        header=[group, header],
        rows=[[*row, "600", "Yes"] for row in apc.rows],
        merged=("M5:N5",),
    )
    book = import_tabs(workspace, changed(tabs, apc=with_it)).book
    assert book.sources[APC][0].header_row == 6
    assert book.sources[APC][0].not_read == {"M": DAY_CASE, "N": "Criteria"}
    assert book.read(APC).rows["day_case_price_pence"].null_count() == 3


def test_a_column_over_best_practice_is_no_base_price(workspace: Workspace) -> None:
    """The row below the header says of column M that its price is of best practice."""
    tabs = layout_2025_26()
    apc = tabs["apc"]
    width = len(apc.header[0])
    below: Row = [*[""] * width, "with BPT"]
    rows: list[Row] = [below, *([*row, "600"] for row in apc.rows)]
    with_it = replace(apc, row=5, header=[[*apc.header[0], DAY_CASE]], rows=rows)
    book = import_tabs(workspace, changed(tabs, apc=with_it)).book
    assert book.read(APC).rows["day_case_price_pence"].null_count() == 3
    assert list(book.sources[APC][0].not_read) == ["M"]


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (PROCEDURE, "Outpatient procedure tariff (£)¹"),
        (COMBINED, "Combined day case and ordinary elective spell tariff (£)"),
        (COMBINED, "Combined price"),
        (workbooks.ELECTIVE_TRIM, "Ordinary elective long stay trimpoint (days)"),
        (NON_ELECTIVE, "2024/25 Non-elective spell tariff (£)"),
        (NON_ELECTIVE, "Non elective price (£)"),
        (PER_DAY, "Per day long stay payment (£)"),
        (PER_DAY, "Per day long stay payment (for days exceeding trimpoint) (£)"),
        (SHORT_STAY, "Reduced short stay emergency price"),
    ],
)
def test_a_base_price_is_known_by_the_words_of_other_years(
    known: str, other: str, workspace: Workspace
) -> None:
    tabs = layout_2023_25()
    apc = tabs["apc"]
    header = [other if name == known else name for name in apc.header[0]]
    book = import_tabs(
        workspace, changed(tabs, apc=replace(apc, header=[header])), publication("2024-25")
    ).book
    assert book.sources[APC][0].not_read == {}


WORDED: dict[str, tuple[str, str, str]] = {
    "Total LVA payments 2024/25 (£)": ("lva", "Total to pay (£)", "lva_payments_schedule"),
    "LVA block value (£)": ("lva", "Total to pay (£)", "lva_payments_schedule"),
    "2024/25 payment MFF": ("mff", "MFF", "market_forces_factor"),
    "MFF payment index value": ("mff", "MFF", "market_forces_factor"),
    "Specialist top-up payment (%)": ("top_ups", "Top-up rate", "specialist_top_ups"),
    "First attendance - single professional (WF01B) (£)": (
        *("opatt", "WF01B First Attendance - Single Professional", "outpatient_attendances"),
    ),
    "Price (£) including reporting": ("nuclear", "", "unbundled_services"),
}


@pytest.mark.parametrize("header", WORDED)
def test_an_amount_is_known_by_other_words(header: str, workspace: Workspace) -> None:
    key, known, table = WORDED[header]
    tabs = whole(layout_2023_25())
    known = known or tabs[key].header[0][-1]
    names = [header if name == known else name for name in tabs[key].header[0]]
    assert header in names
    tabs[key] = replace(tabs[key], header=[names])
    book = import_tabs(workspace, tabs, publication("2024-25")).book
    assert [source.not_read for source in book.sources[table]] == [{}] * len(book.sources[table])


@pytest.mark.parametrize(
    ("key", "known", "header"),
    [
        ("lva", "Total to pay (£)", "Total of specialised services (£)"),
        ("mff", "MFF", "MFF change"),
        ("top_ups", "Top-up rate", "Top-up rate for children"),
        ("opatt", "WF01B First Attendance - Single Professional", "WF01B with BPT"),
    ],
)
def test_an_amount_is_not_known_by_a_part_of_its_words(
    key: str, known: str, header: str, workspace: Workspace
) -> None:
    tabs = whole(layout_2023_25())
    names = [header if name == known else name for name in tabs[key].header[0]]
    assert header in names
    tabs[key] = replace(tabs[key], header=[names])
    assert "the header has no column" in refused(workspace, tabs, publication("2024-25"))


def test_a_tab_that_is_like_a_table_and_lacks_its_columns_is_a_fault_unless_left_out(
    workspace: Workspace,
) -> None:
    tabs = layout_2023_25()
    bpt = without(tabs["bpt"], "BPT price (£)")
    tabs = changed(tabs, bpt=bpt)
    said = refused(workspace, tabs, publication("2024-25"))
    assert "tab '5 BPTs': the header has no column 'BPT price (£)'" in said
    book = import_tabs(workspace, tabs, publication("2024-25"), without=["5 BPTs"]).book
    assert "best_practice_tariffs" not in book.tables
    assert book.tabs_not_read == {"Contents": "not known", "5 BPTs": "left out"}
    assert book.left_out == ("5 BPTs",)
    assert stored_books(workspace)[-1] == book


def test_a_workbook_without_a_table_is_taken_where_the_user_says_so(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    del tabs["bpt"], tabs["nuclear"]
    said = refused(workspace, tabs, publication("2024-25"))
    assert 'If it has none, give --without "best practice tariffs"' in said
    assert 'If it has none, give --without "nuclear medicine"' in said
    both = ["Best practice tariffs", "nuclear medicine"]
    book = import_tabs(workspace, tabs, publication("2024-25"), without=both).book
    assert book.left_out == ("Best practice tariffs", "nuclear medicine")
    assert book.tabs_not_read == {"Contents": "not known"}


@pytest.mark.parametrize("name", ["5 BPT", "best practice tariffs", "chemotherapy"])
def test_what_cannot_be_left_out_is_named(name: str, workspace: Workspace) -> None:
    """A misspelt tab, a table that is there, prices that are there."""
    said = refused(workspace, layout_2023_25(), publication("2024-25"), without=[name])
    assert f"--without '{name}': there is no tab of that name, and nothing so named is" in said


def test_leaving_out_one_tab_of_unbundled_services_does_not_excuse_its_prices(
    workspace: Workspace,
) -> None:
    said = refused(workspace, layout_2023_25(), publication("2024-25"), without=["2d Chemotherapy"])
    assert "there is no price of chemotherapy (HRGs SB...)" in said


def test_the_same_workbook_with_less_left_out_is_another_import(workspace: Workspace) -> None:
    tabs = layout_2025_26()
    import_tabs(workspace, tabs, without=["5 BPTs"])
    assert import_tabs(workspace, tabs, without=["5 BPTs"]).was_there
    with pytest.raises(UserError, match=r"holds .* already, published"):
        import_tabs(workspace, tabs)


def test_a_column_of_another_year_is_not_this_years(workspace: Workspace) -> None:
    tab = Tab(
        "Payment index",
        [["Org code", "Trust", "2024/25 MFF", "2025/26 MFF payment index"]],
        [["RRV", "University College London", "1.1", "1.2"]],
    )
    book = import_tabs(workspace, {"mff": replace(tab, name="MFF values")}).book
    assert prices_of(book, "market_forces_factor")["RRV"]["mff_ppm"] == 1_200_000
    assert book.sources["market_forces_factor"][0].not_read == {"C": "2024/25 MFF"}


def test_units_below_a_header_are_no_row(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    units: Row = ["", "", "£", "£", "£", "£", "days", "£", "days", "£", "", "", "£"]
    apc = replace(tabs["apc"], rows=[units, *APC_ROWS])
    book = import_tabs(workspace, changed(tabs, apc=apc), publication("2024-25")).book
    assert list(prices_of(book)) == ["AA26H", "AB16Z", "BZ34C", "FE32Z"]
    assert book.sources[APC][0].notes == {"5": "£ days"}


def test_notes_of_factors_in_a_workbook_of_prices_are_left_out_by_name(
    workspace: Workspace,
) -> None:
    notes = Tab("MFF notes", [["The MFF is published apart."]], [])
    tabs = changed(layout_2023_25(), notes=notes)
    said = refused(workspace, tabs, publication("2024-25"))
    assert "tab 'MFF notes': the header has no column 'provider_code'" in said
    book = import_tabs(workspace, tabs, publication("2024-25"), without=["mff notes"]).book
    assert "market_forces_factor" not in book.tables


def test_a_tab_that_only_sounds_like_a_table_is_not_known(workspace: Workspace) -> None:
    """Readmissions have no price."""
    name = "Emergency readmissions"
    extra = Tab(name, [["Code", "Name", "Unit price (£)"]], [["VB01Z", "Another", "5"]])
    tabs = changed(layout_2026_27(), extra=extra)
    book = import_tabs(workspace, tabs, publication("2026-27")).book
    assert book.tabs_not_read == {"Contents": "not known", name: "not known"}


@pytest.mark.parametrize("name", ["12b Drugs in unit prices", "12b HCD drugs now in the prices"])
def test_drugs_that_are_in_unit_prices_are_not_excluded_drugs(
    name: str, workspace: Workspace
) -> None:
    tabs = layout_2026_27()
    tabs["drugs_in_prices"] = replace(tabs["drugs_in_prices"], name=name)
    book = import_tabs(workspace, tabs, publication("2026-27")).book
    assert book.read("excluded_drugs").rows["name"].to_list() == ["Abatacept"]
    assert book.sources["drugs_in_unit_prices"][0].sheet == name


def test_drugs_of_chemotherapy_are_no_unbundled_services(workspace: Workspace) -> None:
    extra = Tab("12d Chemotherapy drugs", [["High cost drug", "Commissioner"]], [["X", "ICB"]])
    tabs = changed(layout_2023_25(), extra=extra)
    book = import_tabs(workspace, tabs, publication("2024-25")).book
    assert [source.sheet for source in book.sources["unbundled_services"]] == [
        *("2b Diagnostic imaging", "3 Radiotherapy", "2c Nuclear medicine", "2d Chemotherapy")
    ]


def test_the_lists_of_2021_22_are_known_by_their_words(workspace: Workspace) -> None:
    """Tabs 14a to 14c; the documents do not say which of drugs and devices is 14a."""
    tabs = layout_2023_25()
    names = {"drugs": "14a HCD drugs", "devices": "14b HC devices", "medtech": "14c Innovative"}
    renamed = {key: replace(tabs[key], name=name) for key, name in names.items()}
    book = import_tabs(workspace, changed(tabs, **renamed), publication("2024-25")).book
    read = {table: book.sources[table][0].sheet for table in book.tables if table[:2] in "exme"}
    assert read == {
        "excluded_devices": "14b HC devices",
        "excluded_drugs": "14a HCD drugs",
        "medtech_products": "14c Innovative",
    }


def test_a_footnote_of_a_list_is_no_item(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    rows: list[Row] = [["Abatacept", "ICB"], ["", "See the commissioning policy"]]
    drugs = replace(tabs["drugs"], rows=rows)
    book = import_tabs(workspace, changed(tabs, drugs=drugs), publication("2024-25")).book
    assert book.rows("excluded_drugs") == 1
    assert book.sources["excluded_drugs"][0].notes == {"3": "See the commissioning policy"}


def test_the_same_row_on_two_tabs_is_one(workspace: Workspace) -> None:
    """Both tabs price SC40Z at nothing; another price on one of them is refused."""
    tabs = layout_2023_25()
    header = tabs["radiotherapy"].header
    other = Tab("2e Chemotherapy delivery", header, [["SC40Z", "Preparation", "0"]])
    book = import_tabs(workspace, changed(tabs, other=other), publication("2024-25")).book
    assert list(prices_of(book, "unbundled_services")) == [
        *("RD01A", "RD20A", "SC22Z", "SC40Z", "RN01A", "SB12Z")
    ]
    other = replace(other, rows=[["SC40Z", "Preparation", "1"]])
    with pytest.raises(UserError) as error:
        import_tabs(workspace, changed(tabs, other=other), publication("2024-25"))
    assert (
        "tab '2e Chemotherapy delivery', row 2: SC40Z is already in tab '3 Radiotherapy', row 4"
        in str(error.value)
    )


def test_the_same_price_on_tab_1_and_tab_4b_is_no_contradiction(workspace: Workspace) -> None:
    import_tabs(workspace, whole(apc_of(twice("861"), "2025-26")))
    prices = price_book_for(workspace, "2025-26", date(2025, 7, 1)).hrg_prices
    assert prices.filter(hrg_code="BZ34C")["day_case_price_pence"].to_list() == [86_100]


def test_urgent_care_had_prices_before_2026_27(workspace: Workspace) -> None:
    tabs = {**layout_2023_25(), "uec": layout_2026_27()["uec"]}
    assert (
        "urgent_and_emergency_care"
        in import_tabs(workspace, tabs, publication("2024-25")).book.tables
    )


@pytest.mark.parametrize(
    "title",
    [
        "2025/26 unit prices",
        "Change of 2025/26 from 2024/25",
        "2023/25 NHS Payment Scheme",
        "As of 2025-06-27",
    ],
)
def test_a_title_that_does_not_speak_of_another_year_alone_is_taken(
    title: str, workspace: Workspace
) -> None:
    tabs = apc_of(lambda tab: replace(tab, title=title), "2025-26")
    cover = Tab("Contents", [["2025/26 prices"], ["They follow those of 2024/25"]], [])
    assert import_tabs(workspace, changed(tabs, cover=cover)).was_there is False


def test_an_item_that_is_no_code_and_has_no_price_is_shown_by_its_words(
    workspace: Workspace,
) -> None:
    long = "Colonoscopy, of which the code was typed wrongly"
    tabs = apc_of(lambda tab: replace(tab, rows=[*tab.rows, ["FE3ZZ", long, *[""] * 11]]))
    book = import_tabs(workspace, tabs, publication("2024-25")).book
    assert book.sources[APC][0].notes == {"9": "FE3ZZ Colonoscopy, of which the code was ..."}


@pytest.mark.parametrize("factor", ["0.9", "1.5"])
def test_the_least_and_the_greatest_factor_are_taken(factor: str, workspace: Workspace) -> None:
    book = import_tabs(workspace, {"mff": factors([["RRV", "UCLH", factor]])}).book
    assert book.rows("market_forces_factor") == 1


def test_a_factor_out_of_bounds_is_refused_in_a_book_kept_by_hand(workspace: Workspace) -> None:
    path = workspace.data / "price_books" / "cases" / "market_forces_factor.csv"
    path.write_text(path.read_text("utf-8").replace("1.100000", "1.700000"), "utf-8")
    with pytest.raises(UserError, match="is no market forces factor"):
        price_book_for(workspace, "2024-25", date(2024, 7, 1))


def test_a_schedule_in_four_parts_or_in_none_is_read(workspace: Workspace) -> None:
    header = [
        *("Provider code", "Commissioner code", "Acute (£)", "Mental health and community (£)"),
        *("Secondary dental (£)", "Specialised (£)", "Total to pay (£)"),
    ]
    rows: list[Row] = [
        ["RRV", "QHM", "100", "20", "3", "-", "123"],
        ["RRV", "QMF", "-", "-", "-", "-", "50"],
    ]
    lva = replace(schedule(), header=[header], rows=rows)
    book = import_tabs(workspace, {"lva": lva}).book
    assert book.read("lva_payments_schedule").rows["block_value_pence"].to_list() == [12_300, 5_000]
    wrong = replace(lva, rows=[["RRV", "QHM", "100", "20", "3", "-", "124"]])
    with pytest.raises(UserError, match=r"G5: .* is £124\.00, but its parts make £123\.00"):
        import_tabs(workspace, {"lva": wrong}, publication("2025-26", date(2025, 4, 2)))


def test_merged_cells_are_found_whatever_the_prefix_of_their_namespace(
    workspace: Workspace,
) -> None:
    tabs = layout_2023_25()
    apc = replace(tabs["apc"], merged=("J5:J6",))
    path = write(workspace.root / "annex_a.xlsx", changed(tabs, apc=apc).values())
    respell(path, b"xmlns:r=", b"xmlns:d3p1=")
    respell(path, b" r:id=", b" d3p1:id=")
    book = import_workbook(workspace, path, publication("2024-25")).book
    assert prices_of(book)["AB16Z"]["per_day_long_stay_pence"] == 33_100


def test_two_imports_at_once_of_one_publication_leave_one(workspace: Workspace) -> None:
    """Two workbooks that differ, from two threads: one is stored, the other refused."""
    tabs = layout_2025_26()
    other = apc_of(lambda tab: with_cell(tab, "FE32Z", COMBINED, "562"), "2025-26")
    paths = [
        write(workspace.root / f"{name}.xlsx", those.values())
        for name, those in (("a", tabs), ("b", other))
    ]

    def attempt(path: Path) -> bool:
        try:
            return not import_workbook(workspace, path, publication()).was_there
        except UserError:
            return False

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(attempt, paths)) == [False, True]
    assert len(list(imported_books(workspace).iterdir())) == 1


# --- What is refused -------------------------------------------------------------------------


def apc_of(change: Callable[[Tab], Tab], year: str = "2024-25") -> Tabs:
    tabs = LAYOUTS[year]()
    return changed(tabs, apc=change(tabs["apc"]))


def shifted(tab: Tab) -> Tab:
    """Every value one column to the right of its header."""
    return replace(tab, rows=[["", *row] for row in tab.rows])


def twice(price: str) -> Callable[[Tab], Tab]:
    """Tab 1 with a day case price for BZ34C, which tab 4b has too."""

    def change(tab: Tab) -> Tab:
        place = tab.header[0].index(COMBINED) + 1
        rows: list[Row] = [
            [*row[:place], price if row[0] == "BZ34C" else "-", *row[place:]] for row in tab.rows
        ]
        header = [*tab.header[0][:place], DAY_CASE, *tab.header[0][place:]]
        return replace(tab, header=[header], rows=rows)

    return change


REFUSED: dict[str, tuple[str, Tabs, tuple[str, ...]]] = {
    "a missing tab": (
        "2024-25",
        {k: tab for k, tab in layout_2023_25().items() if k != "opatt"},
        ("there is no tab of outpatient attendances; tabs not read: 'Contents'",),
    ),
    "no tab 4b": (
        "2025-26",
        layout_2023_25(),
        ("there is no tab of other unit prices (tab 4b)",),
    ),
    "last year's tabs": (
        "2026-27",
        layout_2025_26(),
        (
            "no tab of community diagnostic centre prices",
            "no tab of A&E / urgent and emergency care",
            "no tab of genomic prices",
        ),
    ),
    "a missing column": (
        "2024-25",
        apc_of(lambda tab: without(tab, NON_ELECTIVE, PER_DAY)),
        (
            "tab '1 APC & OPROC': the header has no column 'Non-elective spell price (£)', "
            "'Per day long stay payment (for days exceeding trim point) (£)'",
        ),
    ),
    "short stay prices nowhere": (
        "2024-25",
        apc_of(lambda tab: without(tab, workbooks.FLAG, SHORT_STAY)),
        ("no column 'Reduced short stay emergency tariff applicable?', 'Reduced short stay",),
    ),
    "two columns that may be it": (
        "2024-25",
        apc_of(
            lambda tab: replace(
                tab,
                header=[[*tab.header[0], "Non-elective spell price (£)"]],
                rows=[[*row, "1"] for row in tab.rows],
            )
        ),
        ("'Non-elective spell price (£) (both H and N may be it)'",),
    ),
    "two columns of which none is needed": (
        "2024-25",
        apc_of(
            lambda tab: replace(
                tab,
                header=[[*tab.header[0], "Day case price (£)"]],
                rows=[[*row, "1"] for row in tab.rows],
            )
        ),
        ("'Day case spell price (£) (both E and N may be it)'",),
    ),
    "shifted columns": (
        "2024-25",
        apc_of(shifted),
        ("tab '1 APC & OPROC', A5: 'HRG code' is no HRG code", "A8: 'HRG code'"),
    ),
    "text in a price": (
        "2024-25",
        apc_of(lambda tab: with_cell(tab, "FE32Z", COMBINED, "see note")),
        (
            "tab '1 APC & OPROC', D8: 'Combined day case / ordinary elective spell price (£)' is "
            "not a price",
        ),
    ),
    "a negative price": (
        "2024-25",
        apc_of(lambda tab: with_cell(tab, "FE32Z", PROCEDURE, "-500")),
        ("C8: 'Outpatient procedure price (£)' is not a price: it is negative",),
    ),
    "a fraction of a penny": (
        "2024-25",
        apc_of(lambda tab: with_cell(tab, "FE32Z", PROCEDURE, 500.125)),
        ("C8: 'Outpatient procedure price (£)' is not a price: it has more than two decimals",),
    ),
    "an error of Excel": (
        "2024-25",
        apc_of(lambda tab: with_cell(tab, "FE32Z", PROCEDURE, "=1/0")),
        ("C8: 'Outpatient procedure price (£)' is an error of Excel",),
    ),
    "an HRG twice on a tab": (
        "2024-25",
        apc_of(lambda tab: replace(tab, rows=[*tab.rows, tab.rows[0]])),
        ("tab '1 APC & OPROC', row 9: AA26H is already on row 5",),
    ),
    "another price on tab 4b": (
        "2025-26",
        apc_of(twice("860"), "2025-26"),
        (
            "BZ34C: 'Day case spell price (£)' is not the same in tab '1 APC & OPROC', F9 "
            "(£860.00) and tab '4b Other unit prices', D5 (£861.00)",
        ),
    ),
    "a combined price and a split one on tab 4b": (
        "2025-26",
        apc_of(lambda tab: with_cell(tab, "BZ34C", COMBINED, "900"), "2025-26"),
        ("tab '1 APC & OPROC', E9: BZ34C has a combined price and a split one",),
    ),
    "a price of tab 4b that could be any": (
        "2025-26",
        changed(
            layout_2025_26(),
            other=Tab(
                "4b Other unit prices",
                [["HRG code", "HRG name", "Unit price (£)"]],
                [["BZ34C", "Cataract", "861"], ["SC57Z", "SABR", "1,890"]],
                4,
                "B",
            ),
        ),
        (
            "tab '4b Other unit prices', D5: BZ34C has the price £861.00, of no kind, and no "
            "elective price in tab '1 APC & OPROC', E9. If it is",
            "from CSV with the column named 'Day case spell price (£)' or 'Combined",
        ),
    ),
    "no prices of a service": (
        "2024-25",
        {k: tab for k, tab in layout_2023_25().items() if k != "nuclear"},
        ("there is no price of nuclear medicine (HRGs RN...); tabs not read: 'Contents'",),
    ),
    "a service without any price": (
        "2024-25",
        changed(
            layout_2023_25(),
            chemotherapy=with_cell(layout_2023_25()["chemotherapy"], "SB12Z", "Tariff (£)", "-"),
        ),
        ("there is no price of chemotherapy (HRGs SB...)",),
    ),
    "no best practice tariffs and no top-ups": (
        "2024-25",
        {k: tab for k, tab in layout_2023_25().items() if k not in ("bpt", "top_ups")},
        ("there is no tab of best practice tariffs", "there is no tab of specialist top-ups"),
    ),
    "next year's tabs": (
        "2025-26",
        layout_2026_27(),
        (
            "tab '7 CDC prices': there were no community diagnostic centre prices before "
            "2026-27; is this the workbook of 2025-26?",
            "tab '8 Genomic testing': there were no genomic prices before 2026-27",
        ),
    ),
    "a title of another year": (
        "2025-26",
        apc_of(lambda tab: replace(tab, title="2026/27 unit prices before MFF"), "2025-26"),
        ("tab '1 APC & OPROC', B1: '2026/27 unit prices before MFF' speaks of 2026-27, not 2025",),
    ),
    "a cover of another year": (
        "2025-26",
        changed(
            layout_2025_26(),
            cover=Tab("Contents", [["Annex A"], ["2024-25 NHS Payment Scheme"]], [["1 APC"]]),
        ),
        ("tab 'Contents', A2: '2024-25 NHS Payment Scheme' speaks of 2024-25, not 2025-26",),
    ),
    "a price beside what is no HRG": (
        "2024-25",
        apc_of(lambda tab: replace(tab, rows=[*tab.rows, ["FE3ZZ", "x", "5", *["-"] * 10]])),
        ("tab '1 APC & OPROC', A9: 'HRG code' is no HRG code",),
    ),
    "a rate of no service": (
        "2024-25",
        changed(
            layout_2023_25(),
            top_ups=Tab(
                "9 PSS top-ups", [["Specialised service", "Top-up rate"]], [["", "12%"]], 2
            ),
        ),
        ("tab '9 PSS top-ups', A3: 'Specialised service' is blank",),
    ),
    "parts that do not make the total": (
        "2025-26",
        {"lva": schedule([["RRV", "UCLH", "QHM", "ICB", "200,000", "-", "10,000", "212,000"]])},
        (
            "tab 'LVA payments schedule', H5: 'Total to pay (£)' is £212,000.00, but its parts "
            "make £210,000.00",
        ),
    ),
    "a factor below 0.9": (
        "2025-26",
        {"mff": factors([["RRV", "UCLH", "0.899999"]])},
        ("tab 'MFF', C4: 'MFF' is no market forces factor: those are from 0.9 to 1.5",),
    ),
    "a factor above 1.5": (
        "2025-26",
        {"mff": factors([["RRV", "UCLH", "1.500001"]])},
        ("tab 'MFF', C4: 'MFF' is no market forces factor: those are from 0.9 to 1.5",),
    ),
    "an empty tab": (
        "2024-25",
        apc_of(lambda tab: Tab(tab.name, [[]], [])),
        ("tab '1 APC & OPROC': the header has no column 'HRG code'",),
    ),
    "no rows": (
        "2024-25",
        apc_of(lambda tab: replace(tab, rows=[])),
        ("tab '1 APC & OPROC': there are no rows below the header",),
    ),
    "a factor of 0": (
        "2025-26",
        {"mff": factors([["RRV", "UCLH", "0"]])},
        ("tab 'MFF', C4: 'MFF' is zero",),
    ),
    "a factor of 11.75": (
        "2025-26",
        {"mff": factors([["RRV", "UCLH", "11.75"]])},
        ("C4: 'MFF' is not a factor below 2",),
    ),
    "a factor of seven decimals": (
        "2025-26",
        {"mff": factors([["RRV", "UCLH", 1.1753351]])},
        ("C4: 'MFF' is not a factor below 2 with at most six decimals",),
    ),
    "a blank block value": (
        "2025-26",
        {"lva": schedule([["RRV", "UCLH", "QHM", "ICB", "1", "2", "3", "-"]])},
        ("tab 'LVA payments schedule', H5: 'Total to pay (£)' is blank",),
    ),
    "a workbook of another kind": (
        "2025-26",
        {"sheet": Tab("Sheet1", [["Name", "Grade"]], [["Ann", "7"]])},
        ("annex_a.xlsx is a workbook of another kind: none of its tabs ('Sheet1')",),
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_faulty_workbook_is_refused_by_its_cells_and_nothing_is_stored(
    kind: str, workspace: Workspace
) -> None:
    year, tabs, says = REFUSED[kind]
    said = refused(workspace, tabs, publication(year))
    for one in says:
        assert one in said


def test_every_fault_of_every_tab_is_told_at_once(workspace: Workspace) -> None:
    tabs = layout_2023_25()
    tabs["apc"] = with_cell(tabs["apc"], "FE32Z", COMBINED, "n/a")
    tabs["radiotherapy"] = with_cell(tabs["radiotherapy"], "SC22Z", "Price (£)", "-1")
    tabs["mff"] = factors([["RRV", "UCLH", "2.5"]])
    del tabs["drugs"]
    said = refused(workspace, tabs, publication("2024-25"))
    for one in ("no tab of excluded drugs", "D8:", "tab '3 Radiotherapy', C3", "tab 'MFF', C4"):
        assert one in said


def test_no_more_than_twenty_faults_are_shown(workspace: Workspace) -> None:
    rows: list[Row] = [[f"R{place:02}", "Trust", "9"] for place in range(25)]
    said = refused(workspace, {"mff": factors(rows)})
    assert said.count("is not a factor below 2") == 20
    assert "and 5 more" in said


OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "protected": (
        OLE + "EncryptedPackage".encode("utf-16-le") + bytes(512),
        ("book.xlsx is protected with a password", "save it without"),
    ),
    "an old workbook renamed": (OLE + b"Workbook", ("Excel 97-2003 workbook (.xls)",)),
    "text": (b"HRG code,Price\n", ("book.xlsx is not a workbook that can be read",)),
    "empty": (b"", ("book.xlsx is not a workbook that can be read",)),
    "cut off": (b"PK\x03\x04" + bytes(400), ("book.xlsx is not a workbook that can be read",)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_workbook_is_named(kind: str, workspace: Workspace) -> None:
    content, says = FILES[kind]
    path = workspace.root / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        import_workbook(workspace, path, publication())
    for one in says:
        assert one in str(error.value)
    assert not imported_books(workspace).exists()


def test_an_archive_of_something_else_is_no_workbook(workspace: Workspace) -> None:
    path = workspace.root / "book.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
    with pytest.raises(UserError, match=r"book\.xlsx is not a workbook that can be read"):
        import_workbook(workspace, path, publication())
    with pytest.raises(UserError, match=r"nowhere\.xlsx cannot be read: No such file"):
        import_workbook(workspace, workspace.root / "nowhere.xlsx", publication())


def test_days_and_years_that_cannot_be_are_told_together(workspace: Workspace) -> None:
    tomorrow = date.today() + timedelta(days=1)
    said = refused(workspace, layout_2025_26(), Publication("2031-32", tomorrow, date(2025, 4, 1)))
    assert "there is no scheme 2031-32; there are 2017-18, " in said
    assert "prices of 2031-32 cannot take effect on 2025-04-01" in said
    assert f"the publication day {tomorrow} is in the future" in said
    late = Publication("2025-26", date(2025, 4, 1), date(2026, 4, 1))
    assert "the year is 2025-04-01 to 2026-03-31" in refused(workspace, layout_2025_26(), late)


def test_a_book_published_today_and_in_effect_on_the_last_day_is_taken(
    workspace: Workspace,
) -> None:
    last = Publication("2025-26", date.today(), date(2026, 3, 31))
    assert import_tabs(workspace, layout_2025_26(), last).was_there is False


# --- Books side by side ----------------------------------------------------------------------


def test_the_same_workbook_again_is_there_already(workspace: Workspace) -> None:
    first = import_tabs(workspace, layout_2025_26())
    again = import_tabs(workspace, layout_2025_26())
    assert (first.was_there, again.was_there) == (False, True)
    assert again.book == first.book
    assert len(list(imported_books(workspace).iterdir())) == 1


def test_another_workbook_of_the_same_publication_is_refused(workspace: Workspace) -> None:
    first = import_tabs(workspace, layout_2025_26()).book
    tabs = apc_of(lambda tab: with_cell(tab, "FE32Z", COMBINED, "562"), "2025-26")
    with pytest.raises(UserError, match=f"{first.id} holds .* already.*A reissue has"):
        import_tabs(workspace, tabs)
    assert len(list(imported_books(workspace).iterdir())) == 1


def test_a_reissue_stands_beside_the_first_and_as_of_tells_them_apart(
    workspace: Workspace,
) -> None:
    import_tabs(workspace, whole(layout_2025_26()))
    reissue = apc_of(lambda tab: with_cell(tab, "FE32Z", COMBINED, "571"), "2025-26")
    import_tabs(workspace, whole(reissue), publication("2025-26", date(2025, 6, 27)))

    def price_as_of(as_of: date | None) -> object:
        book = price_book_for(workspace, "2025-26", date(2025, 4, 1), as_of)
        return book.hrg_prices.filter(hrg_code="FE32Z")["combined_price_pence"].item()

    assert price_as_of(None) == 57_100
    assert price_as_of(date(2025, 6, 27)) == 57_100
    assert price_as_of(date(2025, 6, 26)) == 56_100
    with pytest.raises(UserError, match="in effect in 2025-04 as published by 2025-03-31"):
        price_as_of(date(2025, 3, 31))


def test_factors_and_block_values_may_come_in_workbooks_of_their_own(workspace: Workspace) -> None:
    import_tabs(workspace, layout_2025_26())
    import_tabs(workspace, {"mff": factors()}, name="mff.xlsx")
    with pytest.raises(UserError, match="lack: LVA payments schedule"):
        price_book_for(workspace, "2025-26", date(2025, 4, 1))
    early = price_book_for(workspace, "2025-26", date(2025, 4, 1), needs_lva_schedule=False)
    assert early.lva_schedule.height == 0
    assert early.lva_schedule.columns == ["provider_code", "commissioner_code", "block_value_pence"]
    import_tabs(workspace, {"lva": schedule()}, name="lva.xlsx")
    book = price_book_for(workspace, "2025-26", date(2025, 4, 1))
    assert book.lva_schedule.height == 1
    assert len(book.name.split(" + ")) == 3


def test_a_day_before_the_official_book_is_not_priced_with_a_made_up_one(
    workspace: Workspace,
) -> None:
    """The book of the cases, made up, was published on 27 March 2024; ours in May."""
    on, may = date(2024, 7, 1), date(2024, 5, 1)
    assert price_book_for(workspace, "2024-25", on, as_of=date(2024, 4, 30)).is_illustrative
    tabs = {**layout_2023_25(), "factors": factors(), "schedule": schedule()}
    import_tabs(workspace, tabs, Publication("2024-25", may, date(2024, 4, 1)))
    assert not price_book_for(workspace, "2024-25", on, as_of=may).is_illustrative
    with pytest.raises(UserError, match="as published by 2024-04-30"):
        price_book_for(workspace, "2024-25", on, as_of=date(2024, 4, 30))


def test_made_up_prices_never_fill_up_official_ones(workspace: Workspace) -> None:
    """The illustrative book of the cases has every table of 2024/25."""
    on = date(2024, 7, 1)
    assert price_book_for(workspace, "2024-25", on).is_illustrative
    import_tabs(workspace, layout_2023_25(), publication("2024-25"))
    with pytest.raises(UserError) as error:
        price_book_for(workspace, "2024-25", on)
    assert "lack: market forces factor, LVA payments schedule." in str(error.value)
    assert "never filled up with made-up ones" in str(error.value)
    assert "sus-pricing prices import WORKBOOK.xlsx --scheme 2024-25" in str(error.value)


def test_the_prices_of_hrgs_come_from_one_publication(workspace: Workspace) -> None:
    """A reissue of tab 1 alone must not be joined to the first publication's tab 4b."""
    import_tabs(workspace, whole(layout_2025_26()))
    tab = workspace.root / "tab1.csv"
    as_csv(layout_2025_26()["apc"], tab)
    import_csv(workspace, tab, "apc", publication("2025-26", date(2025, 6, 27)))
    with pytest.raises(UserError, match=r"lack: other unit prices \(tab 4b\)"):
        price_book_for(workspace, "2025-26", date(2025, 7, 1))
    other = workspace.root / "tab4b.csv"
    as_csv(layout_2025_26()["other"], other)
    import_csv(workspace, other, "other", publication("2025-26", date(2025, 6, 27)))
    book = price_book_for(workspace, "2025-26", date(2025, 7, 1))
    assert book.published_on == date(2025, 6, 27)
    assert book.stored["outpatient_attendances"].publication.published_on == date(2025, 4, 1)


def test_what_ships_for_2025_26_is_a_publication_and_its_reissue(tmp_path: Path) -> None:
    """Made up; the cataract day cases are on tab 4b: £883, and £889 in the reissue."""
    shipped = Workspace(root=tmp_path, data=PROJECT / "data")

    def cataract(as_of: date) -> tuple[object, ...]:
        book = price_book_for(shipped, "2025-26", date(2025, 4, 1), as_of)
        assert book.is_illustrative
        prices = book.hrg_prices.filter(hrg_code="BZ34C")
        return prices.select("outpatient_procedure_price_pence", "day_case_price_pence").row(0)

    assert cataract(date(2025, 6, 26)) == (17_900, 88_300)
    assert cataract(date(2025, 6, 27)) == (18_000, 88_900)


def test_synthetic_extracts_are_made_from_what_ships_whatever_is_imported(
    workspace: Workspace,
) -> None:
    import_tabs(workspace, whole(layout_2023_25()), publication("2024-25"))
    on = date(2024, 7, 1)
    assert price_book_for(workspace, "2024-25", on).folder.parent == imported_books(workspace)
    assert shipped_folder(workspace, "2024-25", on) == workspace.data / "price_books" / "cases"
    with pytest.raises(UserError, match=r"no price book of CSV files for 2019-20"):
        shipped_folder(workspace, "2019-20", date(2019, 7, 1))


def test_a_damaged_book_says_so(workspace: Workspace) -> None:
    book = import_tabs(workspace, whole(layout_2025_26())).book
    book.files[APC].write_bytes(b"PAR1")
    with pytest.raises(UserError, match=f"{APC}.parquet of the price book .* is damaged"):
        price_book_for(workspace, "2025-26", date(2025, 7, 1))
    book.manifest.write_text("{}", "utf-8")
    with pytest.raises(UserError, match=r"manifest of the imported price book .* is damaged"):
        stored_books(workspace)


def test_what_is_stored_is_for_its_owner_alone(workspace: Workspace) -> None:
    mask = os.umask(0o077)
    try:
        book = import_tabs(workspace, layout_2025_26()).book
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o077 for path in [book.folder, *book.folder.iterdir()]} == {0}


# --- CSV -------------------------------------------------------------------------------------


def as_csv(tab: Tab, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerows([*tab.header, *tab.rows])
    return path


CSV_TABLES = {
    "apc": "apc",
    "outpatient": "opatt",
    "unbundled": "imaging",
    "other": "other",
    "best_practice": "bpt",
    "specialist_top_ups": "top_ups",
    "specialist_top_up_p": "eligible",
    "urgent": "uec",
    "community": "cdc",
    "genomic": "genomics",
    "market": "mff",
    "lva": "lva",
    "excluded_devices": "devices",
    "excluded_drugs": "drugs",
    "drugs": "drugs_in_prices",
    "medtech": "medtech",
}


@pytest.mark.parametrize("table", CSV_TABLES)
def test_a_table_from_csv_is_that_of_its_tab(table: str, workspace: Workspace) -> None:
    tabs = whole(layout_2026_27())
    unbundled = [tabs.pop(name) for name in ("radiotherapy", "nuclear", "chemotherapy")]
    rows = [[*row, "-"] for tab in unbundled for row in tab.rows]
    imaging = tabs["imaging"]
    tabs["imaging"] = replace(imaging, name="2b Unbundled", rows=[*imaging.rows, *rows])
    from_workbook = import_tabs(workspace, tabs, publication("2026-27")).book
    path = as_csv(tabs[CSV_TABLES[table]], workspace.root / "table.csv")
    said = publication("2026-27", date(2026, 4, 2))
    from_csv = import_csv(workspace, path, table, said).book
    (name,) = from_csv.tables
    got = from_csv.read(name).rows
    assert_frame_equal(got.drop("sheet", "row"), from_workbook.read(name).rows.drop("sheet", "row"))
    assert got.select("sheet", "row").row(0) == ("table.csv", 2)


def test_every_table_can_come_from_csv() -> None:
    known = {t.name for t in TABLES if t.name != "short_stay_emergency"}
    named = {next(t.name for t in TABLES if t.name.startswith(start)) for start in CSV_TABLES}
    assert named == known


def test_a_table_of_a_later_year_is_refused_from_csv_too(workspace: Workspace) -> None:
    path = as_csv(layout_2026_27()["cdc"], workspace.root / "cdc.csv")
    with pytest.raises(UserError, match=r"cdc\.csv: there were no community .* before 2026-27"):
        import_csv(workspace, path, "community", publication())


def test_a_price_of_tab_4b_from_csv_that_could_be_any_prices_nothing(workspace: Workspace) -> None:
    """Tab 4b comes apart from tab 1, and its price of BZ34C has no kind; with one, it prices."""
    tabs = whole(layout_2025_26())
    other = Tab(tabs.pop("other").name, [["HRG code", "Unit price (£)"]], [["BZ34C", "861"]])
    import_tabs(workspace, tabs, without=["other unit prices (tab 4b)"])
    path = as_csv(other, workspace.root / "tab4b.csv")
    import_csv(workspace, path, "other", publication())
    with pytest.raises(UserError, match=r"tab4b\.csv, line 2: BZ34C has the price £861\.00"):
        price_book_for(workspace, "2025-26", date(2025, 7, 1))
    as_csv(replace(other, header=[["HRG code", DAY_CASE]]), path)
    import_csv(workspace, path, "other", publication("2025-26", date(2025, 4, 2)))
    import_tabs(
        workspace,
        tabs,
        publication("2025-26", date(2025, 4, 2)),
        without=["other unit prices (tab 4b)"],
    )
    prices = price_book_for(workspace, "2025-26", date(2025, 7, 1)).hrg_prices
    assert prices.filter(hrg_code="BZ34C")["day_case_price_pence"].item() == 86_100


def test_a_faulty_line_of_csv_is_named(workspace: Workspace) -> None:
    path = workspace.root / "mff.csv"
    path.write_text("provider_code,mff\nRRV,1.1\nRJ1,11.75\nRJ2\n", "utf-8")
    with pytest.raises(UserError) as error:
        import_csv(workspace, path, "market", publication())
    assert "mff.csv, line 3: 'mff' is not a factor below 2" in str(error.value)
    assert "mff.csv, line 4: has 1 fields, the header has 2" in str(error.value)
    with pytest.raises(UserError, match=r"'excluded' is not one table. There are: apc_and"):
        import_csv(workspace, path, "excluded", publication())
    assert not imported_books(workspace).exists()


BLOCKS = "provider_code,commissioner_code,block_value\nRTD,QMJ,95000\n"


@pytest.mark.parametrize(
    ("mark", "is_illustrative", "says"),
    [
        ("ILLUSTRATIVE: prices are made up.", False, "says it is made up: give --illustrative"),
        (
            "PARTIAL: 2019-20 lack months.",
            True,
            "says that months are lacking: make it of whole years first",
        ),
    ],
)
def test_a_file_that_says_not_to_pay_on_it_is_not_imported_as_if_it_did_not(
    mark: str, is_illustrative: bool, says: str, workspace: Workspace
) -> None:
    path = workspace.root / "blocks.csv"
    path.write_text(f'"{mark}",,\n{BLOCKS}', "utf-8")
    with pytest.raises(UserError) as error:
        import_csv(workspace, path, "lva", replace(publication(), is_illustrative=is_illustrative))
    assert str(error.value) == f"blocks.csv is not imported:\n  blocks.csv, line 1: {says}"
    assert not imported_books(workspace).exists()


def test_a_schedule_tells_at_import_whom_it_cannot_be_paid_between(workspace: Workspace) -> None:
    """RYB is merged into RYC, and no list has QZZ."""
    path = workspace.root / "blocks.csv"
    rows = "RYB,QMJ,1000\nRTD,QZZ,1000\nRTD,QHM,0\n"
    path.write_text(f"{BLOCKS}{rows}", "utf-8")
    providers, commissioners, free = import_csv(workspace, path, "lva", publication()).notes
    assert providers.startswith(
        "RYB: nobody of the lists of providers stands under that code on 2025-04-01, so no month "
        "has a pair of it. Import the lists of organisations of that day"
    )
    assert commissioners.startswith("QZZ: nobody of the lists of commissioners stands under")
    assert free == "A block of £0.00 pays for all that passes between RTD and QHM."


# --- Against real figures, and in pricing ------------------------------------------------------


def reference_rows(name: str) -> list[dict[str, str]]:
    path = SHARED_REFERENCE / name
    if not path.is_file():
        pytest.skip(f"the reference file {name} is not beside the project")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_published_prices_of_orthopaedics_are_read_to_the_pound(workspace: Workspace) -> None:
    """All HC and HN HRGs of the June 2025 reissue, in the layout of its workbook."""
    real = reference_rows("nhsps_2025_26_hc_hn_prices.csv")
    assert len(real) == 184
    tabs = layout_2025_26()
    rows: list[Row] = [
        [
            *(row["hrg_code"], "name", "-", row["combined_dc_el_price"] or "-", "5"),
            *(row["non_elective_price"] or "-", "8", "200", "No", "-", "-"),
        ]
        for row in real
    ]
    tabs["apc"] = replace(tabs["apc"], rows=rows)
    book = import_tabs(workspace, tabs, publication("2025-26", date(2025, 6, 27))).book
    read = prices_of(book)

    def pounds(hrg: str, column: str) -> str:
        pence = read[hrg].get(column)
        return "" if pence is None else f"{int(str(pence)) // 100}"

    assert {
        (
            hrg,
            pounds(hrg, "combined_price_pence"),
            pounds(hrg, "non_elective_price_pence"),
        )
        for hrg in read
    } == {
        (
            row["hrg_code"],
            row["combined_dc_el_price"].strip("-"),
            row["non_elective_price"].strip("-"),
        )
        for row in real
    }


def test_prices_without_trim_points_are_no_tab_1(workspace: Workspace) -> None:
    reference_rows("nhsps_2025_26_hc_hn_prices.csv")
    path = SHARED_REFERENCE / "nhsps_2025_26_hc_hn_prices.csv"
    with pytest.raises(UserError, match="no column 'Outpatient procedure price"):
        import_csv(workspace, path, "apc", publication())


@pytest.mark.parametrize("from_csv", [False, True])
def test_the_published_factors_are_read_to_the_millionth(
    workspace: Workspace, from_csv: bool
) -> None:
    real = reference_rows("mff_2026_27.csv")
    assert len(real) == 205
    said = publication("2026-27")
    if from_csv:
        book = import_csv(workspace, SHARED_REFERENCE / "mff_2026_27.csv", "market", said).book
    else:
        rows: list[Row] = [[r["provider_code"], r["provider_name"], r["mff_factor"]] for r in real]
        book = import_tabs(workspace, {"mff": factors(rows)}, said).book
    read = prices_of(book, "market_forces_factor")
    expected = {r["provider_code"]: int(Decimal(r["mff_factor"]) * 1_000_000) for r in real}
    assert {provider: row["mff_ppm"] for provider, row in read.items()} == expected


def case_tabs() -> Tabs:
    """The price book of the cases as a workbook."""

    def lines(name: str) -> tuple[list[str], list[Row]]:
        with (BOOK / name).open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        return header, [list(row) for row in rows]

    names = {
        "apc": ("1 APC & OPROC", "apc_and_outpatient_procedures.csv"),
        "opatt": ("2 OPATT", "outpatient_attendances.csv"),
        "mff": ("MFF", "market_forces_factor.csv"),
        "lva": ("LVA payments schedule", "lva_payments_schedule.csv"),
    }
    tabs = layout_2023_25()
    for key, (tab, name) in names.items():
        header, rows = lines(name)
        tabs[key] = Tab(tab, [header], rows, 5, "B")
    return tabs


def test_an_imported_workbook_prices_a_month_as_the_same_prices_in_csv(tmp_path: Path) -> None:
    lines = []
    for place in ("csv", "workbook"):
        workspace = new_workspace(tmp_path / place)
        if place == "workbook":
            import_tabs(workspace, case_tabs(), publication("2024-25"))
            made = price_book_for(workspace, "2024-25", date(2024, 7, 1))
            by_hand = read_price_book(BOOK)
            assert not made.is_illustrative
            assert_frame_equal(made.hrg_prices, by_hand.hrg_prices)
            assert_frame_equal(made.attendance_prices, by_hand.attendance_prices)
            assert_frame_equal(made.market_forces_factors, by_hand.market_forces_factors)
            assert_frame_equal(made.lva_schedule, by_hand.lva_schedule)
        land_good_month(workspace)
        lines.append({**price(workspace, "apc"), **price(workspace, "op")})
    assert lines[0] == lines[1]
    assert len(lines[0]) == 3
    assert all(line["value_pence"] for line in lines[0].values())


def test_a_title_is_not_the_header_of_a_list(workspace: Workspace) -> None:
    """The tab's title says the word that its column does."""
    tabs = whole(layout_2025_26())
    rows: list[Row] = [["High cost device", "Notes"], ["Aneurysm coils", "Yes"], ["Stents", "No"]]
    tabs["devices"] = Tab("12a Devices", [["High cost devices", ""]], rows)
    made = import_tabs(workspace, tabs).book
    assert made.read("excluded_devices").rows["name"].to_list() == ["Aneurysm coils", "Stents"]


def test_listed_procedures_are_of_one_list_with_devices(workspace: Workspace) -> None:
    """On a tab of their own or on that of devices: Annex A has three tabs for four kinds."""
    tabs = whole(layout_2025_26())
    devices: list[Row] = [["Aneurysm coils", "Yes"]]
    procedures: list[Row] = [["Laser ablation", "Yes"], ["Stent removal", "No"]]
    tabs["devices"] = Tab("12a Devices", [["High cost device", "Notes"]], devices)
    tabs["procedures"] = Tab("12a Listed procedures", [["Listed procedure", "Notes"]], procedures)
    apart = import_tabs(workspace, tabs, name="apart.xlsx").book
    del tabs["procedures"]
    named = [["Name", "Notes"]]
    tabs["devices"] = Tab("12a Devices and procedures", named, [*devices, *procedures])
    later = publication("2025-26", date(2025, 6, 27))
    together = import_tabs(workspace, tabs, later, "together.xlsx").book
    for made in (apart, together):
        names = made.read("excluded_devices").rows["name"].to_list()
        assert names == ["Aneurysm coils", "Laser ablation", "Stent removal"]


def test_what_a_later_list_no_longer_holds_is_counted(workspace: Workspace) -> None:
    two: list[Row] = [["RRV", "UCLH", "1.175335"], ["RTD", "Newcastle", "1.0"]]
    first = import_tabs(workspace, {"factors": factors(two)}, name="mff.xlsx")
    assert first.gone == {}
    later = publication("2025-26", date(2025, 6, 27))
    second = import_tabs(workspace, {"factors": factors(two[1:])}, later, "mff_later.xlsx")
    assert second.gone == {"market_forces_factor": 1}
