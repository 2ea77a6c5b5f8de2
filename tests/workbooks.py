"""Making workbooks of prices in the layouts that NHS England has used, good and hostile.

Belongs here: tabs as they are laid out from year to year, written with XlsxWriter. Does not
belong here: what is expected of importing them, which each test says. Layouts of tabs that no
real workbook here shows are our reading, as `pipelines.price_books.annex_a` says.

Rows are lists of text as Annex A shows it; what looks like a number is written as one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter

Row = list[str | float]

CODE, NAME = "HRG code", "HRG name"
PROCEDURE = "Outpatient procedure price (£)"
COMBINED = "Combined day case / ordinary elective spell price (£)"
DAY_CASE = "Day case spell price (£)"
ORDINARY = "Ordinary elective spell price (£)"
ELECTIVE_TRIM = "Ordinary elective long stay trim point (days)"
NON_ELECTIVE = "Non-elective spell price (£)"
NON_ELECTIVE_TRIM = "Non-elective long stay trim point (days)"
PER_DAY = "Per day long stay payment (for days exceeding trim point) (£)"
FLAG = "Reduced short stay emergency tariff applicable?"
SHARE = "% applied in calculation of reduced short stay emergency tariff"
SHORT_STAY = "Reduced short stay emergency tariff (£)"
APC_HEADER = [
    *(CODE, NAME, PROCEDURE, COMBINED, DAY_CASE, ORDINARY, ELECTIVE_TRIM),
    *(NON_ELECTIVE, NON_ELECTIVE_TRIM, PER_DAY, FLAG, SHARE, SHORT_STAY),
]
ATTENDANCE_HEADER = [
    "Treatment function code",
    "Treatment function name",
    "WF01B First Attendance - Single Professional",
    "WF02B First Attendance - Multi Professional",
    "WF01A Follow Up Attendance - Single Professional",
    "WF02A Follow Up Attendance - Multi Professional",
]
BEST_PRACTICE_HEADER = [
    *("Best practice tariff", "SUS BPT flag", CODE, NAME),
    "Combined day case / ordinary elective BPT price (£)",
    "Day case BPT price (£)",
    "Ordinary elective BPT price (£)",
    "Non-elective BPT price (£)",
]
SERVICE_CODE = "Specialised service code"
APC_ROWS: list[Row] = [
    ["AA26H", "Headache", "-", "2,018", "-", "-", "12", "3,212", "13", "331", "Yes", "30%", "964"],
    ["AB16Z", "Denervation", "169", "-", "529", "497", "21", "-", "-", "388", "No", "-", "-"],
    ["BZ34C", "Cataract", "174", "-", "861", "812", "10", "-", "-", "329", "No", "-", "-"],
    ["FE32Z", "Colonoscopy", "500", "561", "-", "-", "5", "0", "8", "219", "No", "-", "-"],
]
ATTENDANCE_ROWS: list[Row] = [
    ["100", "General Surgery Service", "198", "256", "118", "147"],
    ["110", "Trauma and Orthopaedic Service", "180", "-", "90", "-"],
]
_NUMBER = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?|-?\d+(\.\d+)?")
_PERCENT = re.compile(r"(\d+)%")


@dataclass(frozen=True)
class Tab:
    """A tab: where its header begins, from 1 and A, and what stands below and above it.

    `header` may be several rows; `merged` are cells merged over what stands in the first, or
    over what `cells` says for it. An amount that begins with `=` is a formula that failed.
    """

    name: str
    header: list[list[str]]
    rows: list[Row]
    row: int = 1
    column: str = "A"
    title: str = ""
    footnotes: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    as_text: bool = False
    cells: Mapping[str, str] = field(default_factory=dict)


Tabs = dict[str, Tab]


def write(path: Path, tabs: Iterable[Tab]) -> Path:
    """Writes a workbook of these tabs; the same tabs give the same bytes."""
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        percent = book.add_format({"num_format": "0%"})
        for tab in tabs:
            sheet = book.add_worksheet(tab.name)
            left = ord(tab.column) - ord("A")
            if tab.title:
                sheet.write_string(0, left, tab.title)
            below = tab.row - 1
            for row in [*tab.header, *tab.rows, *([note] for note in tab.footnotes)]:
                for place, value in enumerate(row, left):
                    _write(sheet, (below, place), value, percent, as_text=tab.as_text)
                below += 1
            for cells in tab.merged:
                first = cells.partition(":")[0]
                said = tab.cells[first] if first in tab.cells else _said(tab, first)
                sheet.merge_range(cells, said)
    return path


def _write(sheet, at, value, percent, *, as_text) -> None:  # type: ignore[no-untyped-def]
    share = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, float):
        sheet.write_number(*at, value)
    elif value.startswith("="):
        sheet.write_formula(*at, value, None, "#DIV/0!")
    elif as_text or value == "":
        sheet.write_string(*at, value)
    elif share:
        sheet.write_number(*at, int(share[1]) / 100, percent)
    elif _NUMBER.fullmatch(value):
        sheet.write_number(*at, float(value.replace(",", "")))
    else:
        sheet.write_string(*at, value)


def _said(tab: Tab, cell: str) -> str:
    column, row = ord(cell[0]) - ord(tab.column), int(cell[1:]) - tab.row
    return str([*tab.header, *tab.rows][row][column])


def without(tab: Tab, *headers: str) -> Tab:
    """A tab less some columns."""
    kept = [place for place, name in enumerate(tab.header[-1]) if name not in headers]
    return replace(
        tab,
        header=[[row[place] for place in kept] for row in tab.header],
        rows=[[row[place] for place in kept] for row in tab.rows],
    )


def with_cell(tab: Tab, code: str, header: str, value: str | float) -> Tab:
    """A tab with another value for a code under a header."""
    place = tab.header[-1].index(header)
    rows = [
        [value if at == place and row[0] == code else cell for at, cell in enumerate(row)]
        for row in tab.rows
    ]
    assert rows != tab.rows
    return replace(tab, rows=rows)


def _lists(*names: str) -> Tabs:
    return {
        "devices": Tab(names[0], [["Device category", "Notes"]], [["Aneurysm coils", "Yes"]]),
        "drugs": Tab(names[1], [["High cost drug", "Commissioner"]], [["Abatacept", "ICB"]]),
        "medtech": Tab(names[2], [["Product", "Guidance"]], [["Spectra Optia", "MTG28"]]),
    }


def layout_2017_19() -> Tabs:
    """Two years in one workbook: header in row 3, from column B; tariffs, not prices."""
    tariff = [name.replace(" price (£)", " tariff (£)") for name in APC_HEADER]
    second = [[*row[:9], "999", *row[10:]] for row in APC_ROWS]
    return {
        "apc": Tab("1a APC & OPROC 17.18", [tariff], APC_ROWS, 3, "B", "2017/18 tariffs"),
        "next": Tab("1b APC & OPROC 18.19", [tariff], second, 3, "B", "2018/19 tariffs"),
        "opatt": Tab("2 OPATT", [ATTENDANCE_HEADER], ATTENDANCE_ROWS, 4, "B"),
    }


def layout_2023_25() -> Tabs:
    """Header in row 4, from column A; unbundled prices by service, radiotherapy on tab 3."""
    unbundled = ["HRG code", "HRG name", "Price (including cost of reporting) (£)"]
    return {
        "cover": Tab("Contents", [["2023/25 NHS Payment Scheme: Annex A"]], [["1 APC & OPROC"]]),
        "apc": Tab("1 APC & OPROC", [APC_HEADER], APC_ROWS, 4, "A", "Unit prices before MFF"),
        "opatt": Tab("2 OPATT", [ATTENDANCE_HEADER], ATTENDANCE_ROWS, 5),
        "imaging": Tab(
            "2b Diagnostic imaging",
            [[*unbundled, "Cost of reporting (£)"]],
            [["RD01A", "MRI, one area", "130", "22"], ["RD20A", "CT, one area", "84.50", "20"]],
            3,
        ),
        "radiotherapy": Tab(
            "3 Radiotherapy",
            [["HRG code", "HRG name", "Price (£)"]],
            [["SC22Z", "Deliver a fraction", "108"], ["SC40Z", "Preparation", "0"]],
            2,
        ),
        "nuclear": Tab("2c Nuclear medicine", [unbundled], [["RN01A", "PET-CT", "612.50"]], 3, "B"),
        "chemotherapy": Tab(
            "2d Chemotherapy",
            [["HRG code", "HRG name", "Tariff (£)"]],
            [["SB12Z", "Deliver simple chemotherapy", "271"]],
            3,
        ),
        "bpt": Tab(
            "5 BPTs",
            [["Best practice tariff", "HRG code", "HRG name", "Base price (£)", "BPT price (£)"]],
            [["Day case", "FE32Z", "Colonoscopy", "561", "583"]],
            3,
        ),
        "top_ups": Tab(
            "9 PSS top-ups",
            [["Specialised service", "Top-up rate"]],
            [["Cancer", "12%"], ["Neurosciences", "28%"]],
            2,
        ),
        **_lists("12a Devices", "12b Drugs", "12c MedTech"),
    }


def layout_2025_26() -> Tabs:
    """Column A empty, data from row 7, no split prices on tab 1: BZ34 is on tab 4b."""
    tabs = layout_2023_25()
    apc = Tab("1 APC & OPROC", [APC_HEADER], APC_ROWS, 6, "B", "Pay award prices")
    whole = replace(apc, rows=[row for row in APC_ROWS if row[0] not in ("AB16Z", "BZ34C")])
    cataract: Row = ["BZ34C", "Cataract", "174", "-", "-", "-", "329", "No", "-", "-"]
    whole = without(whole, DAY_CASE, ORDINARY)
    tabs["apc"] = replace(whole, rows=[*whole.rows, [*cataract[:4], "-", *cataract[4:]]])
    tabs["other"] = Tab(
        "4b Other unit prices",
        [[CODE, NAME, DAY_CASE, ORDINARY, ELECTIVE_TRIM, "Unit price (£)"]],
        [
            ["BZ34C", "Cataract", "861", "812", "10", "-"],
            ["SC57Z", "SABR", "-", "-", "-", "1,890"],
        ],
        4,
        "B",
    )
    return tabs


def flagged_best_practice() -> Tab:
    """Prices of best practice by the flag of SUS+ and the kind of admission."""
    rows: list[Row] = [
        ["Day case", "BP01", "FE32Z", "Colonoscopy", "583", "-", "-", "-"],
        ["RTT (10-year health plan)", "BP07", "AB16Z", "Denervation", "-", "540", "490.50", "0"],
    ]
    return Tab("5 BPTs", [BEST_PRACTICE_HEADER], rows, 3, "B")


def coded_top_ups() -> Tab:
    """Top-up rates by the code of the service, of which one has none."""
    rows: list[Row] = [
        ["0101", "Cancer", "12%"],
        ["0102", "Children", "20.5%"],
        ["0103", "Burns", "-"],
    ]
    return Tab("9 PSS top-ups", [[SERVICE_CODE, "Service", "Top-up rate"]], rows, 2, as_text=True)


def eligible_providers() -> Tab:
    """Who is eligible for the top-up of each service."""
    rows: list[Row] = [
        ["0101", "RRV", "University College London"],
        ["0101", "RTD", "Newcastle"],
        ["0102", "RRV", "University College London"],
        ["0103", "RRV", "University College London"],
    ]
    header = [SERVICE_CODE, "Provider code", "Provider name"]
    return Tab("9b PSS eligible providers", [header], rows, 3, as_text=True)


def layout_2026_27() -> Tabs:
    """As 2025/26, with urgent and emergency care, diagnostic centres and genomics.

    Best practice has flags and top-ups have codes, as in our reading.
    """
    tabs = layout_2025_26()
    coded = ["Code", "Name", "Unit price (£)"]
    return {
        **tabs,
        "uec": Tab("6 A&E and UEC", [coded], [["VB01Z", "Emergency medicine", "612"]], 3),
        "cdc": Tab("7 CDC prices", [coded], [["RD20A", "CT, one area", "93"]], 3),
        "genomics": Tab("8 Genomic testing", [coded], [["R14.1", "Acutely unwell", "1,500"]], 3),
        "bpt": flagged_best_practice(),
        "top_ups": coded_top_ups(),
        "eligible": eligible_providers(),
        "drugs_in_prices": Tab(
            "12d Drugs in unit prices",
            [["High cost drug", "Unit price (£)"]],
            [["Abatacept", "1,200"], ["Belimumab", "-"]],
            2,
        ),
    }


def factors(rows: Iterable[Row] = (("RRV", "University College London", "1.175335"),)) -> Tab:
    """The market forces factors, as in a workbook of their own."""
    return Tab("MFF", [["Provider code", "Provider name", "MFF"]], list(map(list, rows)), 3)


def schedule(rows: Iterable[Row] | None = None) -> Tab:
    """The LVA payments schedule, with its breakdown."""
    header = [
        *("Provider code", "Provider name", "Commissioner code", "Commissioner name"),
        *("Acute, mental health and community (£)", "Secondary dental (£)", "Specialised (£)"),
        "Total to pay (£)",
    ]
    one: Row = ["RRV", "UCLH", "QHM", "ICB", "200,000", "2,000", "10,000", "212,000"]
    return Tab("LVA payments schedule", [header], list(map(list, rows or [one])), 4)
