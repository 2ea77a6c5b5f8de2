"""The users' lists of activity plans, contract terms and activity counts.

Belongs here: that every fault is told with its file and line, and what the lists come to for the
statements of a month. Does not belong here: what is paid by them (`tests/cases/`).

Of the book of the cases: RRV has a factor of 1.1, RYC, which RYA and RYB became in 2020, one of
1.25, and RZA, which RZB became in October 2024, one of 1.4. RRV is not on the LVA schedule with
QMJ, and is with QHM.
"""

import csv
import io
import re
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pipeline.making import MONTH, delivered_columns, land, new_workspace, spell, take_in

from pipelines import synth
from pipelines.activity_counts import COUNT_CELLS, read_activity_counts
from pipelines.activity_plans import PLAN_CELLS, read_activity_plans
from pipelines.basis import PricingBasis, months_of, scheme_year_of
from pipelines.contract_terms import TERM_CELLS, read_contract_terms
from pipelines.contracts import CONTRACT_CELLS
from pipelines.lists import Cell
from pipelines.pricing_run import rulebook_for
from pipelines.user_lists import EXCEPTIONS, UserList
from pipelines.workspace import PROJECT, UserError, Workspace

Reader = Callable[[Workspace], UserList]
Row = dict[str, str]

PARTIES = {"provider_code": "RRV", "commissioner_code": "QMJ"}
PLAN = {
    **PARTIES,
    "activity_month": MONTH,
    "scheme_year": "2024-25",
    "contract_line": "DC",
    "plan_basis": "agreed",
    "activity": "100",
    "value": "50000.00",
}
TERM = {**PARTIES, "scheme_year": "2026-27", "contract_line": "NEL", "term": "variable_rate"}
RATE = {**TERM, "percent": "20"}
BAND = {**TERM, "term": "break_glass", "side": "above", "from_percent": "10", "percent": "50"}
METRIC = {
    **TERM,
    "contract_line": "genomics_incentive",
    "term": "attainment",
    "metric": "turnaround",
    "weight_percent": "100",
    "percent": "80",
}
ADVICE = {**TERM, "contract_line": "advice_and_guidance", "term": "amount_each"}
HELD = {**TERM, "contract_line": "genomics_incentive", "term": "withheld", "percent": "2"}
COUNT = {
    **PARTIES,
    "activity_month": MONTH,
    "scheme_year": "2024-25",
    "contract_line": "genomic_testing",
    "activity": "4",
    "local_price": "250.00",
}
YEAR = "2026-27"
JULY = "2026-07"

PRICES = {
    "community_diagnostic_centres": ("RD01A,Scan,50.05",),
    "urgent_and_emergency_care": ("VB01Z,Emergency medicine,123.45", "SDEC01,Same day,400"),
    "genomic_testing": ("R14.1,Acutely unwell,1500", "R15.1,Of no price,-"),
    "other_unit_prices": ("SC99Z,SABR of something,2000",),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


@pytest.fixture
def blended(workspace: Workspace) -> Workspace:
    """The same, with the book of the cases as that of 2026/27 and prices of counted services."""
    book = workspace.data / "price_books" / "cases"
    manifest = (book / "manifest.toml").read_text("utf-8")
    for old, new in (("2024-25", YEAR), ("2024-03-27", "2026-03-31"), ("2024-04-01", "2026-04-01")):
        manifest = manifest.replace(old, new)
    for table, rows in PRICES.items():
        code = "HRG code" if table == "other_unit_prices" else "Code"
        header = f"{code},{'HRG name' if code == 'HRG code' else 'Name'},Unit price (£)"
        (book / f"{table}.csv").write_text("\n".join([header, *rows, ""]), "utf-8")
        manifest += f'{table} = "{table}.csv"\n'
    (book / "manifest.toml").write_text(manifest, "utf-8")
    return workspace


def text_of(cells: tuple[Cell, ...], rows: tuple[Mapping[str, str], ...]) -> str:
    """A list with these rows; a column that a row does not have is blank."""
    header = [cell.header for cell in cells]
    assert all(set(row) <= set(header) for row in rows)
    text = io.StringIO()
    lines = csv.DictWriter(text, header, restval="", lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue()


def plans(*rows: Mapping[str, str]) -> str:
    return text_of(PLAN_CELLS, rows)


def terms(*rows: Mapping[str, str]) -> str:
    return text_of(TERM_CELLS, rows)


def counts(*rows: Mapping[str, str]) -> str:
    return text_of(COUNT_CELLS, rows)


def contracts(*rows: Mapping[str, str]) -> str:
    period = {"valid_from": "2018-04-01", "valid_to": "2027-03-31"}
    return text_of(CONTRACT_CELLS, tuple({**PARTIES, **period, **row} for row in rows))


READERS: dict[Any, Reader] = {
    plans: read_activity_plans,
    terms: read_contract_terms,
    counts: read_activity_counts,
}
PER_UNIT = "for a unit of activity"
OUTSIDE = (
    "must be of a month of its scheme_year, or say yes under what_if where it is for a comparison"
)
Faults = dict[str, tuple[Any, list[Row], tuple[str, ...]]]
FAULTS: Faults = {
    "no provider": (plans, [{**PLAN, "provider_code": ""}], ("line 2: 'provider_code' is blank",)),
    "no payer": (
        plans,
        [{**PLAN, "commissioner_code": ""}],
        ("line 2: 'commissioner_code' is blank",),
    ),
    "no line": (
        plans,
        [PLAN, {**PLAN, "contract_line": ""}],
        ("line 3: 'contract_line' is blank",),
    ),
    "no month": (
        plans,
        [{**PLAN, "activity_month": "2024-13"}],
        ("line 2: 'activity_month' is not a month such as 2024-07",),
    ),
    "a month before there are rules": (
        plans,
        [{**PLAN, "activity_month": "2021-03", "scheme_year": "2020-21"}],
        ("must be of a scheme year that has rules, as scheme_year: 2021-22,", "line 2"),
    ),
    "a month after there are rules": (
        plans,
        [{**PLAN, "activity_month": "2027-04", "scheme_year": "2027-28"}],
        ("must be of a scheme year that has rules", "list.csv, line 2"),
    ),
    "a plan of a month before its year": (
        plans,
        [PLAN, {**PLAN, "activity_month": "2024-03"}],
        (OUTSIDE, "list.csv, line 3"),
    ),
    "a plan of a month after its year": (
        plans,
        [{**PLAN, "activity_month": "2024-04"}, {**PLAN, "activity_month": "2025-04"}],
        (OUTSIDE, "list.csv, line 3"),
    ),
    "a plan of another year that says it is none": (
        plans,
        [{**PLAN, "what_if": "no", "scheme_year": "2023-24"}],
        (OUTSIDE, "list.csv, line 2"),
    ),
    "a plan of its own year as a comparison": (
        plans,
        [
            {**PLAN, "what_if": "yes", "activity_month": "2025-04"},
            {**PLAN, "what_if": "yes", "activity_month": "2025-03"},
        ],
        ("must leave what_if blank where its month is in its scheme_year", "list.csv, line 3"),
    ),
    "a count of a month after its year": (
        counts,
        [{**COUNT, "activity_month": "2025-03"}, {**COUNT, "activity_month": "2025-04"}],
        (OUTSIDE, "list.csv, line 3"),
    ),
    "a count of its own year as a comparison": (
        counts,
        [{**COUNT, "scheme_year": "2026-27", "what_if": "yes"}, {**COUNT, "what_if": "yes"}],
        ("must leave what_if blank where its month is in its scheme_year", "list.csv, line 3"),
    ),
    "a comparison that may be": (
        plans,
        [{**PLAN, "what_if": "perhaps"}],
        ("line 2: 'what_if' is neither Yes nor No",),
    ),
    "another basis": (
        plans,
        [{**PLAN, "plan_basis": "guess"}],
        ("line 2: 'plan_basis' is not one of agreed, default_growth",),
    ),
    "half an activity": (
        plans,
        [{**PLAN, "activity": "100.5"}],
        ("line 2: 'activity' is not a whole number",),
    ),
    "less than no activity": (
        plans,
        [{**PLAN, "activity": "-1"}],
        ("line 2: 'activity' is not a whole number",),
    ),
    "ten digits of activity": (
        plans,
        [{**PLAN, "activity": "1000000000"}],
        ("line 2: 'activity' is not a whole number",),
    ),
    "a negative value": (
        plans,
        [{**PLAN, "value": "-50000"}],
        ("line 2: 'value' is not a price: it is negative",),
    ),
    "fractions of a penny": (
        plans,
        [{**PLAN, "value": "50000.001"}],
        ("line 2: 'value' is not a price: it has more than two decimals",),
    ),
    "two plans": (
        plans,
        [PLAN, {**PLAN, "contract_line": "EL"}, {**PLAN, "plan_basis": "default_growth"}],
        (
            "the only one of its provider_code and commissioner_code and activity_month and "
            "contract_line and scheme_year",
            "list.csv, line 2 and list.csv, line 4",
        ),
    ),
    "a penny a unit too dear": (
        plans,
        [
            {**PLAN, "activity": "2", "value": "200000.00"},
            {**PLAN, "activity": "2", "value": "200000.01", "contract_line": "EL"},
        ],
        (f"must plan at most £100,000 {PER_UNIT}", "pence", "list.csv, line 3"),
    ),
    "a penny too cheap": (
        plans,
        [
            {**PLAN, "activity": "100", "value": "100.00"},
            {**PLAN, "activity": "100", "value": "99.99", "contract_line": "EL"},
        ],
        (f"must plan at least £1 {PER_UNIT}", "pounds", "list.csv, line 3"),
    ),
    "a value of nothing done": (
        plans,
        [{**PLAN, "activity": "0", "value": "0"}, {**PLAN, "contract_line": "EL", "activity": "0"}],
        ("with a value must plan some activity", "list.csv, line 3"),
    ),
    "a term of no year": (
        terms,
        [{**RATE, "scheme_year": "2026-28"}],
        ("line 2: 'scheme_year' is not a scheme year such as 2024-25",),
    ),
    "a term of a year before": (
        terms,
        [{**RATE, "scheme_year": "2020-21"}],
        ("must be of a scheme year that has rules, as scheme_year: 2021-22,", "line 2"),
    ),
    "another term": (
        terms,
        [{**RATE, "term": "rate"}],
        ("line 2: 'term' is not one of variable_rate, break_glass, attainment, withheld,",),
    ),
    "another side": (
        terms,
        [{**BAND, "side": "beyond"}],
        ("line 2: 'side' is not one of above, below, both",),
    ),
    "more than the whole": (
        terms,
        [{**RATE, "percent": "100"}, {**RATE, "contract_line": "NELST", "percent": "100.0001"}],
        ("line 3: 'percent' is over 100%",),
    ),
    "a share that may be a percentage": (
        terms,
        [{**RATE, "percent": "0.2"}],
        ("line 2: 'percent' is below 1: write 20 for 20%, or 0.2% with its sign",),
    ),
    "a percentage in words": (
        terms,
        [{**RATE, "percent": "half"}],
        ("line 2: 'percent' is not a percentage",),
    ),
    "a rate of nothing": (
        terms,
        [{**RATE, "percent": ""}],
        ("of variable_rate must give percent", "list.csv, line 2"),
    ),
    "a rate with an amount": (
        terms,
        [{**RATE, "amount": "1.00"}],
        ("of variable_rate must leave metric, weight_percent, side,", "list.csv, line 2"),
    ),
    "a band of no side": (
        terms,
        [{**BAND, "side": ""}],
        ("of break_glass must give side, from_percent, percent", "list.csv, line 2"),
    ),
    "a band from nowhere": (
        terms,
        [{**BAND, "from_percent": ""}],
        ("of break_glass must give side, from_percent, percent", "list.csv, line 2"),
    ),
    "a band that ends where it begins": (
        terms,
        [
            {**BAND, "to_percent": "10.0001"},
            {**BAND, "side": "below", "to_percent": "10"},
        ],
        ("must have to_percent above from_percent", "list.csv, line 3"),
    ),
    "an amount of nothing": (
        terms,
        [ADVICE],
        ("of amount_each must give amount", "list.csv, line 2"),
    ),
    "an amount a unit in pence": (
        terms,
        [
            {**ADVICE, "amount": "1000.00"},
            {**ADVICE, "commissioner_code": "QHL", "amount": "1000.01"},
        ],
        ("of amount_each must give at most £1,000 for a unit: is the", "list.csv, line 3"),
    ),
    "a negative amount of management": (
        terms,
        [
            {**TERM, "contract_line": "genomic_testing", "term": "transition", "amount": "-1000"},
            {**TERM, "contract_line": "genomic_testing", "term": "management", "amount": "-0.01"},
        ],
        ("must give no amount below 0 but of transition", "list.csv, line 3"),
    ),
    "two minuses": (
        terms,
        [{**TERM, "contract_line": "genomic_testing", "term": "transition", "amount": "--5"}],
        ("line 2: 'amount' is not a price: it is negative",),
    ),
    "bands that overlap": (
        terms,
        [
            {**BAND, "to_percent": "20"},
            {**BAND, "from_percent": "20", "to_percent": "30.0001"},
            {**BAND, "from_percent": "30"},
        ],
        ("must not overlap", "list.csv, line 3 and list.csv, line 4"),
    ),
    "a band of both sides over one of one side": (
        terms,
        [{**BAND, "side": "below"}, {**BAND, "side": "both", "from_percent": "15"}],
        ("must not overlap", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a term twice": (
        terms,
        [RATE, {**RATE, "percent": "30"}],
        ("must be the only one of its", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a metric of no weight": (
        terms,
        [{**METRIC, "weight_percent": ""}],
        ("must give metric and weight_percent together", "list.csv, line 2"),
    ),
    "weights of less than the whole": (
        terms,
        [
            {**METRIC, "weight_percent": "60"},
            {**METRIC, "metric": "equity", "weight_percent": "39.9999"},
        ],
        ("must come to 100%", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a metric beside the whole": (
        terms,
        [METRIC, {**METRIC, "metric": "", "weight_percent": ""}],
        ("must come to 100%", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a count of nothing": (
        counts,
        [{**COUNT, "activity": ""}],
        ("line 2: 'activity' is blank",),
    ),
    "a count twice": (
        counts,
        [COUNT, {**COUNT, "local_price": "260.00"}],
        ("must be the only one of its", "price_code", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a count of a year before": (
        counts,
        [{**COUNT, "activity_month": "2021-03", "scheme_year": "2020-21"}],
        ("must be of a scheme year that has rules", "list.csv, line 2"),
    ),
}


@pytest.mark.parametrize(("made", "rows", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_file_and_line(
    workspace: Workspace, made: Any, rows: list[Row], says: tuple[str, ...]
) -> None:
    land(workspace, "list.csv", made(*rows))
    with pytest.raises(UserError) as told:
        READERS[made](workspace)
    for part in ("list.csv", *says):
        assert part in str(told.value)


BEYOND = (
    *("a penny a unit too dear", "a penny too cheap", "a value of nothing done"),
    *("an amount a unit in pence", "a plan of a month before its year"),
    *("a plan of a month after its year", "a plan of its own year as a comparison"),
    *("a count of a month after its year", "a count of its own year as a comparison"),
)


def test_only_the_line_beyond_a_limit_is_named(workspace: Workspace) -> None:
    """The lines before it, which are just within the limit, are not."""
    for name in BEYOND:
        made, rows, _ = FAULTS[name]
        land(workspace, "list.csv", made(*rows))
        with pytest.raises(UserError) as told:
            READERS[made](workspace)
        assert "list.csv, line 2" not in str(told.value), name


@pytest.mark.parametrize(
    "rows",
    [
        [{**BAND, "to_percent": "20"}, {**BAND, "from_percent": "20"}],
        [{**BAND, "from_percent": "20"}, {**BAND, "to_percent": "20"}],
        [BAND, {**BAND, "side": "below"}],
        [BAND, {**BAND, "commissioner_code": "QHL"}],
        [BAND, {**BAND, "scheme_year": "2025-26"}],
        [BAND, {**BAND, "contract_line": "NELST"}],
        [{**METRIC, "weight_percent": "60"}, {**METRIC, "metric": "x", "weight_percent": "40"}],
        [{**METRIC, "metric": "", "weight_percent": ""}],
    ],
)
def test_bands_may_touch_and_metrics_come_to_the_whole(
    workspace: Workspace, rows: list[Row]
) -> None:
    land(workspace, "list.csv", terms(*rows))
    assert read_contract_terms(workspace).rows.height == len(rows)


@pytest.mark.parametrize(("made", "row"), [(plans, PLAN), (terms, RATE), (counts, COUNT)])
def test_every_file_of_a_kind_is_read_and_none_is_needed(
    workspace: Workspace, made: Any, row: Row
) -> None:
    assert READERS[made](workspace).rows.height == 0
    land(workspace, "one.csv", made(row))
    land(workspace, "freeze/other.csv", made({**row, "commissioner_code": "QHL"}))
    found = READERS[made](workspace)
    assert found.rows.select("file", "line").rows() == [("freeze/other.csv", 2), ("one.csv", 2)]
    assert sorted(found.files) == ["freeze/other.csv", "one.csv"]
    others = [read for read in READERS.values() if read is not READERS[made]]
    assert [read(workspace).rows.height for read in others] == [0, 0]


@pytest.mark.parametrize(("made", "row"), [(plans, PLAN), (terms, RATE), (counts, COUNT)])
def test_a_column_that_is_missing_is_told(workspace: Workspace, made: Any, row: Row) -> None:
    lines = [line.rpartition(",") for line in made(row).splitlines()]
    land(workspace, "list.csv", "\n".join(line[0] for line in lines) + "\n")
    with pytest.raises(UserError, match=f"list.csv: the header has no column '{lines[0][2]}'"):
        READERS[made](workspace)


def test_a_list_is_read_as_excel_writes_it(workspace: Workspace) -> None:
    """With a mark of order, ends of line as in Windows, thousands, blanks and small letters."""
    header = ",".join(cell.header for cell in PLAN_CELLS)
    rows = [
        'rrv, qmj ,2024-07,2024-25,No,DC,agreed,"1,200","£1,234,567.80"',
        "",
        "RRV,QMJ,2024-08,2021-22,Yes,DC,agreed,1,1",
    ]
    land(workspace, "list.csv", "\ufeff" + "\r\n".join([header, *rows, ""]))
    assert read_activity_plans(workspace).rows.rows() == [
        (
            *(2, "RRV", "QMJ", "2024-07", "2024-25", False, "DC"),
            *("agreed", 1_200, 123_456_780, "list.csv"),
        ),
        (4, "RRV", "QMJ", "2024-08", "2021-22", True, "DC", "agreed", 1, 100, "list.csv"),
    ]


def as_parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("activity", "value"),
    [
        (["100"], ["50000.00"]),
        ([100], [50_000]),
        ([100], [50_000.0]),
        ([100], [Decimal("50000.00")]),
    ],
)
def test_a_list_may_be_parquet(workspace: Workspace, activity: list[Any], value: list[Any]) -> None:
    land(workspace, "list.csv", plans(PLAN))
    row = {**PLAN, "commissioner_code": "QHL", "what_if": None}
    row |= {"activity": activity[0], "value": value[0]}
    land(workspace, "list.parquet", as_parquet(pl.DataFrame([row])))
    found = read_activity_plans(workspace)
    assert found.rows.drop("line", "file").rows() == [
        ("RRV", "QMJ", MONTH, "2024-25", False, "DC", "agreed", 100, 5_000_000),
        ("RRV", "QHL", MONTH, "2024-25", False, "DC", "agreed", 100, 5_000_000),
    ]
    assert found.rows["file"].to_list() == ["list.csv", "list.parquet"]
    assert found.rows["line"].to_list() == [2, 2]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"activity": 100.5}, "list.parquet, line 3: 'activity' is not a whole number"),
        (
            {"value": 0.1 + 0.2},
            "list.parquet, line 3: 'value' is not a price: it has more than two",
        ),
        ({"provider_code": None}, "list.parquet, line 3: 'provider_code' is blank"),
        ({"value": [1]}, "list.parquet is not a Parquet file of plain columns"),
    ],
)
def test_a_fault_of_a_parquet_list_is_told_with_its_row(
    workspace: Workspace, changes: dict[str, Any], says: str
) -> None:
    """The first row is line 2, as in a CSV file; its 100.0 is a whole number."""
    typed = {**PLAN, "what_if": "", "activity": 100, "value": 50_000.0}
    good = {
        name: [typed[name]] if isinstance(changes.get(name), list) else typed[name]
        for name in typed
    }
    good["activity"] = float(good["activity"])
    land(workspace, "list.parquet", as_parquet(pl.DataFrame([good, {**good, **changes}])))
    with pytest.raises(UserError) as told:
        read_activity_plans(workspace)
    assert says in str(told.value)
    assert "line 2" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PAR1 and no more", "FILE_UNREADABLE: it is damaged or no Parquet file"),
        (as_parquet(pl.DataFrame({"x": ["1"]})), "FILE_DATASET_UNKNOWN"),
        (
            as_parquet(pl.DataFrame(schema=dict.fromkeys(delivered_columns("op"), pl.String))),
            "FILE_MALFORMED: SUS+ delivers its extracts as CSV",
        ),
    ],
)
def test_a_parquet_file_that_is_no_list_is_told(
    workspace: Workspace, content: bytes, says: str
) -> None:
    land(workspace, "some.parquet", content)
    land(workspace, "freeze/apc_2024-07.csv", [spell()])
    with pytest.raises(UserError) as told:
        take_in(workspace)
    assert f"some.parquet: {says}" in str(told.value)


def test_a_month_names_the_lists_it_is_priced_with(workspace: Workspace) -> None:
    for name, text in (("p", plans(PLAN)), ("t", terms(RATE)), ("c", counts(COUNT))):
        land(workspace, f"{name}.csv", text)
    named = rulebook_for(workspace, MONTH).inputs()
    for name in ("activity plans p.csv", "contract terms t.csv", "activity counts c.csv"):
        assert len(named[name]) == 64


NEL = {**PLAN, "activity_month": JULY, "scheme_year": YEAR, "contract_line": "NEL"}
A_AND_E = {
    **COUNT,
    "activity_month": JULY,
    "scheme_year": YEAR,
    "contract_line": "accident_and_emergency",
}
AT_PRICE = {**A_AND_E, "price_code": "VB01Z", "local_price": ""}
ELECTIVE_TERM = {**TERM, "contract_line": "DC"}
OF_YEAR: Faults = {
    "a line that the year does not have": (
        plans,
        [{**NEL, "contract_line": "DC"}, {**NEL, "contract_line": "NELNE"}],
        (
            "must name as contract_line one that contracts of 2026-27 have: DC, EL,",
            "list.csv, line 3",
        ),
    ),
    "a line that is written small": (
        plans,
        [{**NEL, "contract_line": "nel"}],
        ("must name as contract_line one that contracts of 2026-27 have", "list.csv, line 2"),
    ),
    "another month of the year": (
        plans,
        [{**NEL, "activity_month": "2027-03", "contract_line": "NELNE"}],
        ("must name as contract_line one that contracts of 2026-27 have", "list.csv, line 2"),
    ),
    "what is added cannot be planned": (
        plans,
        [{**NEL, "contract_line": "uec_best_practice"}],
        ("must be of a line that is planned", "list.csv, line 2"),
    ),
    "growth of elective activity": (
        plans,
        [{**NEL, "plan_basis": "default_growth", "contract_line": "EL"}],
        (
            "of default_growth must be of a line that has a national default growth in 2026-27: "
            "NEL, NELST, accident_and_emergency",
            "list.csv, line 2",
        ),
    ),
    "growth of same day emergency care": (
        plans,
        [{**NEL, "plan_basis": "default_growth", "contract_line": "same_day_emergency_care"}],
        ("must be of a line that has a national default growth", "list.csv, line 2"),
    ),
    "no activity": (
        plans,
        [{**NEL, "activity": ""}],
        ("must give the activity that is planned", "list.csv, line 2"),
    ),
    "no value": (
        plans,
        [{**NEL, "value": "-"}],
        ("must give the value that is planned", "list.csv, line 2"),
    ),
    "activity of CQUIN": (
        plans,
        [{**NEL, "contract_line": "cquin"}],
        ("of cquin must leave activity blank", "list.csv, line 2"),
    ),
    "a plan of an independent provider": (
        plans,
        [{**NEL, "provider_code": "NT313"}],
        ("must be of a provider and payer who are under API in 2026-07", "list.csv, line 2"),
    ),
    "a plan of a block": (
        plans,
        [NEL, {**NEL, "commissioner_code": "QHM"}],
        ("must be of a provider and payer who are under API in 2026-07", "list.csv, line 3"),
    ),
    "a term of no line": (
        terms,
        [{**RATE, "contract_line": "NELNE"}],
        ("must name as contract_line one that contracts of 2026-27 have", "list.csv, line 2"),
    ),
    "a rate of what is paid by the unit": (
        terms,
        [{**ELECTIVE_TERM, "percent": "75", "approval_reference": "A1"}],
        ("must be of a term that its line may have in 2026-27", "list.csv, line 2"),
    ),
    "an attainment without its line": (
        terms,
        [{**METRIC, "contract_line": "genomic_testing"}],
        ("must be of a term that its line may have in 2026-27", "list.csv, line 2"),
    ),
    "a transition of emergencies": (
        terms,
        [{**TERM, "term": "transition", "amount": "1000"}],
        ("must be of a term that its line may have in 2026-27", "list.csv, line 2"),
    ),
    "linear accelerators of genomic tests": (
        terms,
        [
            {
                **TERM,
                "contract_line": "genomic_testing",
                "term": "linear_accelerators",
                "amount": "1000",
            }
        ],
        ("must be of a term that its line may have in 2026-27", "list.csv, line 2"),
    ),
    "a rate of CQUIN, which is paused": (
        terms,
        [{**RATE, "contract_line": "cquin", "percent": "0", "approval_reference": "A1"}],
        ("must be of a term that its line may have in 2026-27", "list.csv, line 2"),
    ),
    "attainment of what is not held back": (
        terms,
        [METRIC],
        ("of attainment must be of a line of which something is withheld", "list.csv, line 2"),
    ),
    "more held back than may be": (
        terms,
        [{**HELD, "percent": "2.0001"}],
        ("of withheld must hold back at most what 2026-27 lets", "list.csv, line 2"),
    ),
    "another rate without approval": (
        terms,
        [RATE, {**RATE, "contract_line": "NELST", "percent": "20.0001"}],
        (
            "must name its approval under approval_reference in 2026-27 (2026/27 ¶42-43)",
            "list.csv, line 3",
        ),
    ),
    "terms of an independent provider": (
        terms,
        [{**RATE, "provider_code": "NT313"}],
        ("must be of a provider and payer who are under API in 2026-27", "list.csv, line 2"),
    ),
    "a count of what is in the extracts": (
        counts,
        [{**A_AND_E, "contract_line": "NEL"}],
        ("must name as contract_line one whose activity is counted in 2026-27", "line 2"),
    ),
    "a price of advice": (
        counts,
        [{**A_AND_E, "contract_line": "advice_and_guidance"}],
        ("of advice_and_guidance must leave price_code and local_price blank", "line 2"),
    ),
    "no price at all": (
        counts,
        [{**A_AND_E, "local_price": ""}],
        ("must give the price_code of its unit price, or a local_price", "list.csv, line 2"),
    ),
    "a code that the book does not have": (
        counts,
        [AT_PRICE, {**AT_PRICE, "price_code": "VB99Z"}],
        ("must give as price_code a code that the price book of 2026-27 has", "list.csv, line 3"),
    ),
    "a code without a price": (
        counts,
        [{**AT_PRICE, "contract_line": "genomic_testing", "price_code": "R15.1"}],
        ("must give as price_code a code that the price book of 2026-27 has", "list.csv, line 2"),
    ),
    "a local price without approval": (
        counts,
        [
            {**A_AND_E, "contract_line": "same_day_emergency_care", "approval_reference": "A1"},
            {**A_AND_E, "contract_line": "same_day_emergency_care", "price_code": "SDEC01"},
        ],
        ("must name its approval under approval_reference", "list.csv, line 3"),
    ),
    "a local price of other SABR": (
        counts,
        [{**A_AND_E, "contract_line": "sabr", "price_code": "SC99Z"}],
        ("must name its approval under approval_reference", "list.csv, line 2"),
    ),
    "a count of a block": (
        counts,
        [{**AT_PRICE, "commissioner_code": "QHM"}],
        ("must be of a provider and payer who are under API in 2026-07", "list.csv, line 2"),
    ),
    "a provider without a factor": (
        counts,
        [{**AT_PRICE, "provider_code": "RCF"}],
        ("must be of a provider that has a market forces factor in 2026-27", "list.csv, line 2"),
    ),
    "more than any amount": (
        counts,
        [
            {**A_AND_E, "activity": "10", "local_price": "1000000000", "approval_reference": "A1"},
            {
                **A_AND_E,
                "activity": "11",
                "local_price": "1000000000",
                "price_code": "VB01Z",
                "approval_reference": "A1",
            },
        ],
        ("must not come to over £10 billion", "list.csv, line 3"),
    ),
    "a plan of a site": (
        plans,
        [{**NEL, "provider_code": "RRV01"}],
        ("must name a provider of the organisations", "list.csv, line 2"),
    ),
    "terms of a part of a payer": (
        terms,
        [{**RATE, "commissioner_code": "93C"}],
        ("must name a commissioner of the organisations", "list.csv, line 2"),
    ),
    "a count of nobody": (
        counts,
        [{**AT_PRICE, "provider_code": "X99"}],
        ("must name a provider of the organisations", "list.csv, line 2"),
    ),
}


@pytest.mark.parametrize(("made", "rows", "says"), OF_YEAR.values(), ids=OF_YEAR)
def test_what_the_year_does_not_have_is_refused_before_pricing(
    blended: Workspace, made: Any, rows: list[Row], says: tuple[str, ...]
) -> None:
    land(blended, "list.csv", made(*rows))
    with pytest.raises(UserError) as told:
        rulebook_for(blended, JULY)
    for part in says:
        assert part in str(told.value)
    named = [f"line {place}" for place, _ in enumerate(rows, 2)]
    assert [line for line in named if line in str(told.value)] == [named[-1]]


def on_book_of(workspace: Workspace, year: str) -> Workspace:
    """A workspace that prices July 2024 under another year, at the prices of the cases."""
    manifest = workspace.data / "price_books" / "cases" / "manifest.toml"
    text = manifest.read_text("utf-8").replace('"2024-25"', f'"{year}"')
    text = text.replace("2024-03-27", f"{year[:4]}-04-01").replace(
        "2024-04-01", f"{year[:4]}-04-01"
    )
    manifest.write_text(text, "utf-8")
    return workspace


def test_rates_of_2021_22_need_approval_unless_they_are_the_scheme_s(workspace: Workspace) -> None:
    """50% and, of best practice and CQUIN, 100% need none; 2021/22 ¶59 wants it of any other."""
    on_book_of(workspace, "2021-22")
    land(workspace, "contracts.csv", contracts({"is_same_system": "yes"}))
    of_year = {**RATE, "scheme_year": "2021-22"}
    fair = [
        {**of_year, "contract_line": "DC", "percent": "50"},
        {**of_year, "contract_line": "EL", "percent": "75", "approval_reference": "A1"},
        {**of_year, "contract_line": "best_practice", "percent": "100"},
        {**of_year, "contract_line": "cquin", "percent": "100"},
    ]
    land(workspace, "list.csv", terms(*fair))
    found = rulebook_for(workspace, "2021-07").agreed(["2021-07"]).terms
    assert found.select("contract_line", "rate_ppm").rows() == [
        ("DC", 500_000),
        ("EL", 750_000),
        ("best_practice", 1_000_000),
        ("cquin", 1_000_000),
    ]
    for unapproved in (
        {**of_year, "contract_line": "OPPROC", "percent": "49.9999"},
        {**BAND, "scheme_year": "2021-22", "contract_line": "OPPROC", "percent": "50"},
        {**of_year, "contract_line": "cquin", "percent": "0"},
    ):
        rows = [row for row in fair if row["contract_line"] != unapproved["contract_line"]]
        land(workspace, "list.csv", terms(*rows, unapproved))
        told = rf"2021/22 ¶59\)(?s:.*)list.csv, line {len(rows) + 2}"
        with pytest.raises(UserError, match=told):
            rulebook_for(workspace, "2021-07")


def test_best_practice_is_planned_below_the_prices_it_adds_to(workspace: Workspace) -> None:
    """£1,000.00 of elective activity of a month: as much best practice, and a penny more."""
    on_book_of(workspace, "2021-22")
    land(workspace, "contracts.csv", contracts({"is_same_system": "yes"}))
    month = {**PLAN, "activity_month": "2021-07", "scheme_year": "2021-22"}
    elective = [
        {**month, "activity": "1", "value": "600"},
        {**month, "contract_line": "EL", "activity": "1", "value": "400"},
        {**month, "activity_month": "2021-08", "activity": "1", "value": "5000"},
    ]
    added = {**month, "contract_line": "best_practice", "activity": "", "value": "1000.00"}
    land(workspace, "list.csv", plans(*elective, added))
    assert rulebook_for(workspace, "2021-07").agreed(["2021-07"]).plans.height == 3
    land(workspace, "list.csv", plans(*elective, {**added, "value": "1000.01"}))
    with pytest.raises(UserError, match=r"no more for best_practice(?s:.*)list.csv, line 5"):
        rulebook_for(workspace, "2021-07")
    land(workspace, "list.csv", plans({**added, "value": "1000.01"}))
    assert rulebook_for(workspace, "2021-07").agreed(["2021-07"]).plans.height == 1


def test_terms_of_another_year_are_held_to_its_own_lines(blended: Workspace) -> None:
    land(blended, "list.csv", terms({**RATE, "contract_line": "NELNE", "scheme_year": "2025-26"}))
    assert rulebook_for(blended, JULY).agreed([JULY]).terms.height == 0


@pytest.mark.parametrize("year", ["2021-22", "2024-25"])
def test_no_line_has_default_growth_before_2026_27(workspace: Workspace, year: str) -> None:
    on_book_of(workspace, year)
    land(workspace, "contracts.csv", contracts({"is_same_system": "yes"}))
    month = f"{year[:4]}-07"
    plan = {**PLAN, "activity_month": month, "scheme_year": year}
    land(workspace, "list.csv", plans(plan))
    assert rulebook_for(workspace, month).plans.rows.height == 1
    grown = {**plan, "plan_basis": "default_growth"}
    land(workspace, "list.csv", plans(grown))
    with pytest.raises(UserError, match=rf"growth in {year}: none has(?s:.*)list.csv, line 2"):
        rulebook_for(workspace, month)


def test_default_growth_is_added_once_and_halves_go_up(blended: Workspace) -> None:
    """2.6% of non-elective activity and 1.8% of attendances in A&E (2026/27 ¶91).

    NEL: 250 × 1.026 = 256.5, 257; £1,234,567.89 × 1.026 = £1,266,666.65514, £1,266,666.66.
    NELST: 1,000 × 1.026 = 1,026; £10,000.00 × 1.026 = £10,260.00.
    A&E: 25 × 1.018 = 25.45, 25; £3,000.25 × 1.018 = £3,054.2545, £3,054.25.
    What is agreed does not grow.
    """
    grown = {**NEL, "plan_basis": "default_growth"}
    rows = [
        {**grown, "activity": "250", "value": "1234567.89"},
        {**grown, "contract_line": "NELST", "activity": "1000", "value": "10000"},
        {**grown, "contract_line": "accident_and_emergency", "activity": "25", "value": "3000.25"},
        {**grown, "commissioner_code": "QWO", "plan_basis": "agreed", "value": "1000"},
    ]
    land(blended, "list.csv", plans(*rows))
    found = rulebook_for(blended, JULY).agreed([JULY]).plans
    assert found.rows() == [
        ("RRV", "QMJ", JULY, "NEL", 257, 126_666_666),
        ("RRV", "QMJ", JULY, "NELST", 1_026, 1_026_000),
        ("RRV", "QMJ", JULY, "accident_and_emergency", 25, 305_425),
        ("RRV", "QWO", JULY, "NEL", 100, 100_000),
    ]


def test_a_count_is_worth_its_units_each_rounded_after_mff(blended: Workspace) -> None:
    """RRV's factor is 1.1. A price of the variable element takes it, agreed or not (2026/27 ¶77).

    A&E: £123.45 × 1.1 = £135.795, £135.80; × 1,000 = £135,800.00.
    Community diagnostics at a local £50.05: × 1.1 = £55.055, £55.06; × 3 = £165.18.
    Same day emergency care at a local £400.05 and SABR of the prostate at a local £1,800.55 are in
    blended payments, which pay local prices as they were agreed: × 2 = £800.10 and £3,601.10.
    Genomic testing: £1,500 × 1.1 = £1,650.00; × 4 = £6,600.00. Of none there is nothing.
    Advice and guidance has no price.
    """
    local = {**A_AND_E, "activity": "2", "approval_reference": "A1"}
    rows = [
        {**AT_PRICE, "activity": "1,000"},
        {
            **local,
            "contract_line": "community_diagnostics",
            "activity": "3",
            "local_price": "50.05",
        },
        {**local, "contract_line": "same_day_emergency_care", "local_price": "400.05"},
        {
            **local,
            "contract_line": "sabr",
            "price_code": "sabr_prostate",
            "local_price": "1800.55",
            "approval_reference": "",
        },
        {**AT_PRICE, "contract_line": "genomic_testing", "price_code": "r14.1"},
        {**AT_PRICE, "contract_line": "sabr", "price_code": "SC99Z", "activity": "0"},
        {**A_AND_E, "contract_line": "advice_and_guidance", "activity": "70", "local_price": ""},
    ]
    land(blended, "list.csv", counts(*rows))
    found = rulebook_for(blended, JULY).agreed([JULY]).counts
    assert found.drop("provider_code", "commissioner_code", "activity_month").rows() == [
        ("accident_and_emergency", 1_000, 13_580_000),
        ("advice_and_guidance", 70, None),
        ("community_diagnostics", 3, 16_518),
        ("genomic_testing", 4, 660_000),
        ("sabr", 2, 360_110),
        ("same_day_emergency_care", 2, 80_010),
    ]


def test_a_count_without_a_price_has_no_value_and_takes_that_of_the_others(
    workspace: Workspace,
) -> None:
    """The book of the cases has no prices of genomic tests, which 2024/25 leaves to the parties.

    No approval is wanted for what has no unit price: £250.00 × 1.1 = £275.00; × 4 = £1,100.00.
    """
    land(workspace, "list.csv", counts(COUNT))
    agreed = rulebook_for(workspace, MONTH).agreed([MONTH])
    assert agreed.counts.rows() == [("RRV", "QMJ", MONTH, "genomic_testing", 4, 110_000)]
    other = {**COUNT, "price_code": "R14.1", "local_price": ""}
    land(workspace, "list.csv", counts(COUNT, other))
    agreed = rulebook_for(workspace, MONTH).agreed([MONTH])
    assert agreed.counts.rows() == [("RRV", "QMJ", MONTH, "genomic_testing", 8, None)]


def test_terms_are_laid_out_by_contract_and_line(blended: Workspace) -> None:
    """Attainment: 80% of 60% and 50.5% of 40% are 48% and 20.2%, 68.2%.

    A transition of -£1,000.00 and £250.50 of management are -£749.50 a month.
    """
    genomics = {**TERM, "contract_line": "genomic_testing"}
    rows = [
        {**BAND, "side": "both", "to_percent": "20"},
        {**BAND, "from_percent": "20", "percent": "80"},
        {**RATE, "percent": "25", "approval_reference": "A1"},
        {**ADVICE, "amount": "21.50"},
        {**METRIC, "weight_percent": "60"},
        {**METRIC, "metric": "equity", "weight_percent": "40", "percent": "50.5"},
        HELD,
        {**genomics, "term": "variable_rate", "percent": "30"},
        {**genomics, "term": "transition", "amount": "-1000.00"},
        {**genomics, "term": "management", "amount": "250.50"},
        {
            **TERM,
            "contract_line": "UNBRTHPY",
            "term": "linear_accelerators",
            "amount": "3,000",
        },
    ]
    land(blended, "list.csv", terms(*rows))
    agreed = rulebook_for(blended, JULY).agreed([JULY])
    pair = ("RRV", "QMJ")
    assert agreed.terms.rows() == [
        (*pair, "NEL", 250_000, None, None, None),
        (*pair, "UNBRTHPY", None, 300_000, None, None),
        (*pair, "advice_and_guidance", None, 2_150, None, None),
        (*pair, "genomic_testing", 300_000, -74_950, None, None),
        (*pair, "genomics_incentive", None, None, 682_000, 20_000),
    ]
    assert agreed.bands.rows() == [
        (*pair, "NEL", "above", 100_000, 200_000, 500_000),
        (*pair, "NEL", "below", 100_000, 200_000, 500_000),
        (*pair, "NEL", "above", 200_000, None, 800_000),
    ]


def of(provider: str, *rows: Row) -> list[Row]:
    return [{**row, "provider_code": provider} for row in rows]


def test_what_predecessors_planned_and_counted_adds_up_for_their_successor(
    workspace: Workspace,
) -> None:
    """RYA and RYB became RYC: 100 and 20 day cases, £50,000.00 and £9,000.50.

    Of tests, 4 and 1 at £250.00 × 1.25 = £312.50: £1,562.50.
    """
    smaller = {**PLAN, "activity": "20", "value": "9000.50"}
    land(workspace, "p.csv", plans(*of("RYA", PLAN), *of("RYB", smaller)))
    land(workspace, "c.csv", counts(*of("RYA", COUNT), *of("RYC", {**COUNT, "activity": "1"})))
    agreed = rulebook_for(workspace, MONTH).agreed([MONTH])
    assert agreed.plans.rows() == [("RYC", "QMJ", MONTH, "DC", 120, 5_900_050)]
    assert agreed.counts.rows() == [("RYC", "QMJ", MONTH, "genomic_testing", 5, 156_250)]


def test_predecessors_terms_hold_for_their_successor_where_they_agree(blended: Workspace) -> None:
    """Amounts a month add up: £1,000.00 and £500.00."""
    amount = {**TERM, "contract_line": "genomic_testing", "term": "transition", "amount": "1000"}
    rows = [*of("RYA", BAND, amount), *of("RYB", BAND, {**amount, "amount": "500"})]
    land(blended, "list.csv", terms(*rows))
    agreed = rulebook_for(blended, JULY).agreed([JULY])
    assert agreed.bands.rows() == [("RYC", "QMJ", "NEL", "above", 100_000, None, 500_000)]
    assert agreed.terms["amount_pence"].to_list() == [None, 150_000]
    for differing in (
        {**BAND, "percent": "60"},
        {**BAND, "from_percent": "15"},
        {**BAND, "to_percent": "90"},
        {**BAND, "side": "both"},
    ):
        land(blended, "list.csv", terms(*of("RYA", BAND), *of("RYB", differing)))
        with pytest.raises(UserError, match=r"list.csv, line 2 and list.csv, line 3"):
            rulebook_for(blended, JULY)


def test_a_successor_holds_what_was_planned_with_its_predecessor(workspace: Workspace) -> None:
    """RZA became RZB in October 2024: in September's statement its plan is still its own."""
    rows = of("RZA", {**PLAN, "activity_month": "2024-09"}, {**PLAN, "activity_month": "2024-10"})
    land(workspace, "list.csv", plans(*rows))
    found = rulebook_for(workspace, "2024-10").agreed(["2024-09", "2024-10"]).plans
    assert found.select("provider_code", "activity_month").rows() == [
        ("RZB", "2024-09"),
        ("RZB", "2024-10"),
    ]
    earlier = rulebook_for(workspace, "2024-09").agreed(["2024-09"]).plans
    assert earlier["provider_code"].to_list() == ["RZA"]


def test_plans_are_those_of_the_months_asked_and_terms_those_of_the_year(
    blended: Workspace,
) -> None:
    months = months_of(YEAR)
    assert (months[0], months[8], months[9], months[-1]) == (
        "2026-04",
        "2026-12",
        "2027-01",
        "2027-03",
    )
    land(blended, "list.csv", plans(*({**NEL, "activity_month": month} for month in months)))
    land(blended, "terms.csv", terms(RATE))
    agreed = rulebook_for(blended, JULY).agreed(months[:4])
    assert agreed.plans["activity_month"].to_list() == months[:4]
    assert agreed.terms.height == 1


BLOCK = {**PLAN, "commissioner_code": "QHM"}
LVA = [{"is_same_system": "yes", "commissioner_code": "QHM"}]
UNDER_API = {
    "not on the schedule": (PLAN, [], True),
    "on the schedule": (BLOCK, [], False),
    "moved to API": (BLOCK, [{**LVA[0], "agreed_mechanism": "api"}], True),
    "moved to API a month before": (
        BLOCK,
        [{**LVA[0], "agreed_mechanism": "api", "valid_to": "2024-06-30"}],
        False,
    ),
    "another mechanism": (PLAN, [{"agreed_mechanism": "activity_based"}], False),
    "the fixed element alone": (PLAN, [{"agreed_mechanism": "api_fixed"}], False),
    "another mechanism but for one agreement": (
        PLAN,
        [
            {"agreed_mechanism": "local_agreement"},
            {"agreed_mechanism": "api", "agreement_serial_number": "000001"},
        ],
        True,
    ),
    "a subcontract": (PLAN, [{"covers": "subcontracted"}], False),
    "a contract of specialised services": (PLAN, [{"covers": "specialised"}], True),
    "no NHS provider": ({**PLAN, "provider_code": "NT313"}, [], False),
}


@pytest.mark.parametrize(("plan", "agreed", "is_open"), UNDER_API.values(), ids=UNDER_API)
def test_a_plan_is_of_a_pair_under_api(
    workspace: Workspace, plan: Row, agreed: list[Row], is_open: bool
) -> None:
    land(workspace, "list.csv", plans(plan))
    land(workspace, "contracts.csv", contracts(*agreed))
    if is_open:
        assert rulebook_for(workspace, MONTH).agreed([MONTH]).plans.height == 1
        return
    with pytest.raises(UserError, match=r"under API in 2024-07(?s:.*)list.csv, line 2"):
        rulebook_for(workspace, MONTH)


def test_a_block_with_an_exception_in_the_month_may_have_a_plan(workspace: Workspace) -> None:
    land(workspace, "list.csv", plans(BLOCK))
    exception = dict(
        zip(
            (cell.header for cell in EXCEPTIONS),
            ("RRV", "QHM", "patient_choice_without_contract", "2024-07-31", "2024-08-01"),
            strict=True,
        )
    )
    land(workspace, "exceptions.csv", text_of(EXCEPTIONS, (exception,)))
    assert rulebook_for(workspace, MONTH).agreed([MONTH]).plans.height == 1


def test_terms_hold_in_a_year_in_which_a_pair_comes_under_api(blended: Workspace) -> None:
    """The block of RRV and QHM moves to API in October: terms for the year may be given in July."""
    land(blended, "list.csv", terms({**RATE, "commissioner_code": "QHM"}))
    with pytest.raises(UserError, match=r"under API in 2026-27(?s:.*)list.csv, line 2"):
        rulebook_for(blended, JULY)
    moved = {
        **LVA[0],
        "agreed_mechanism": "api",
        "approval_reference": "A1",
        "valid_from": "2026-10-01",
    }
    land(blended, "contracts.csv", contracts(moved))
    assert rulebook_for(blended, JULY).agreed([JULY]).terms.height == 1


def test_a_contract_not_known_in_2021_22_has_no_plan(workspace: Workspace) -> None:
    on_book_of(workspace, "2021-22")
    land(
        workspace,
        "list.csv",
        plans({**PLAN, "activity_month": "2021-07", "scheme_year": "2021-22"}),
    )
    with pytest.raises(UserError, match=r"under API in 2021-07(?s:.*)list.csv, line 2"):
        rulebook_for(workspace, "2021-07")
    land(workspace, "contracts.csv", contracts({"expected_annual_value": "10000000"}))
    assert rulebook_for(workspace, "2021-07").agreed(["2021-07"]).plans.height == 1


@pytest.mark.parametrize("month", ["2021-04", "2024-07", "2026-04"])
def test_the_synthetic_lists_are_taken_in_every_year(tmp_path: Path, month: str) -> None:
    """At the prices of an illustrative book that is said to be of the month's year.

    The plans are of every month of the year and the counts of every month up to this one, and
    under the rules of the year that it is compared with too: a month takes those of its own year.
    """
    workspace = new_workspace(tmp_path)
    shelf, year = workspace.data / "price_books", scheme_year_of(month)
    shutil.rmtree(shelf / "cases")
    shutil.copytree(PROJECT / "data" / "price_books" / "2025-26-illustrative", shelf / "made_up")
    manifest = shelf / "made_up" / "manifest.toml"
    text = manifest.read_text("utf-8").replace('"2025-26"', f'"{year}"')
    manifest.write_text(re.sub(r"= \d{4}-\d\d-\d\d", f"= {year[:4]}-04-01", text), "utf-8")
    shutil.rmtree(workspace.data / "organisations")
    shutil.copytree(PROJECT / "data" / "organisations", workspace.data / "organisations")
    reference = synth.Reference.read(workspace.data / "organisations", shelf / "made_up")
    synth.write_extracts([month], 2_000, 2_000, 3, workspace.landing, reference)
    rulebook = rulebook_for(workspace, month)
    agreed = rulebook.agreed([month])
    plans, counts = (
        of.rows.filter(activity_month=month, scheme_year=year)
        for of in (rulebook.plans, rulebook.counts)
    )
    assert agreed.plans.height == plans.height > 20
    assert agreed.counts.height == counts.height
    assert (counts.height > 20) is (year >= "2023-24")
    assert set(rulebook.plans.rows["activity_month"]) == set(months_of(year))
    assert agreed.bands.height == (4 if year == YEAR else 0)
    terms = rulebook.terms.rows.filter(scheme_year=year)
    assert set(agreed.terms["contract_line"]) == set(terms["contract_line"])
    priced = agreed.counts.filter(pl.col("contract_line") != "advice_and_guidance")
    assert priced["value_pence"].null_count() == 0


def under_2024_25(workspace: Workspace) -> Workspace:
    """Under the rules of 2024/25, at the prices of the cases."""
    manifest = workspace.data / "price_books" / "cases" / "manifest.toml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace(f'"{YEAR}"', '"2024-25"').replace("2026-", "2024-"))
    return workspace.on(PricingBasis("2024-25"))


def test_a_month_has_the_plans_and_counts_of_the_year_it_is_priced_under(
    blended: Workspace,
) -> None:
    """July 2026 in its own year, then under 2024/25, which has no line of non-elective activity.

    SIRT in 2024/25: £250.00 × 1.1 = £275.00; × 4 = £1,100.00.
    """
    day_case = {**NEL, "contract_line": "DC", "activity": "80"}
    other = {"scheme_year": "2024-25", "what_if": "yes"}
    land(blended, "p.csv", plans(NEL, day_case, {**PLAN, "activity_month": JULY, **other}))
    sirt = {**COUNT, "activity_month": JULY, "contract_line": "sirt", "approval_reference": "A1"}
    land(blended, "c.csv", counts(AT_PRICE, {**sirt, **other}))
    land(blended, "t.csv", terms({**RATE, "contract_line": "NELST"}))

    def found(workspace: Workspace) -> list[list[tuple[object, ...]]]:
        agreed = rulebook_for(workspace, JULY).agreed([JULY])
        return [
            agreed.plans.select("contract_line", "planned_activity").rows(),
            agreed.counts.select("contract_line", "value_pence").rows(),
            agreed.terms.select("contract_line").rows(),
        ]

    own = [[("DC", 80), ("NEL", 100)], [("accident_and_emergency", 4 * 13_580)], [("NELST",)]]
    assert found(blended) == own
    assert found(under_2024_25(blended)) == [[("DC", 100)], [("sirt", 110_000)], []]


IN_2024_25 = {"scheme_year": "2024-25", "what_if": "yes"}
OF_ANOTHER_YEAR: Faults = {
    "a line of the month's own year": (
        plans,
        [{**NEL, "contract_line": "DC"}, {**NEL, **IN_2024_25}],
        ("one that contracts of 2024-25 have: DC,", "list.csv, line 3"),
    ),
    "growth of the month's own year": (
        plans,
        [{**PLAN, **IN_2024_25, "activity_month": JULY, "plan_basis": "default_growth"}],
        ("default growth in 2024-25: none has", "list.csv, line 2"),
    ),
    "a count of what that year has in the extracts": (
        counts,
        [AT_PRICE, {**AT_PRICE, **IN_2024_25}],
        ("whose activity is counted in 2024-25", "list.csv, line 3"),
    ),
    "a plan of an independent provider": (
        plans,
        [
            {**NEL, "provider_code": "NT313"},
            {**PLAN, **IN_2024_25, "activity_month": JULY, "provider_code": "NT313"},
        ],
        ("under API in 2026-07 under 2024-25", "list.csv, line 3"),
    ),
}


@pytest.mark.parametrize(("made", "rows", "says"), OF_ANOTHER_YEAR.values(), ids=OF_ANOTHER_YEAR)
def test_what_is_written_under_a_year_is_held_to_it_where_that_year_prices_the_month(
    blended: Workspace, made: Any, rows: list[Row], says: tuple[str, ...]
) -> None:
    land(blended, "list.csv", made(*rows))
    with pytest.raises(UserError) as told:
        rulebook_for(under_2024_25(blended), JULY)
    for part in says:
        assert part in str(told.value)
    named = [f"line {place}" for place, _ in enumerate(rows, 2)]
    assert [line for line in named if line in str(told.value)] == [named[-1]]


def test_terms_of_the_year_are_left_out_for_pairs_not_under_api_in_another_s_months(
    blended: Workspace,
) -> None:
    """They are for the year and not for the month, which may be before the contract began."""
    land(
        blended,
        "t.csv",
        terms(
            {
                **RATE,
                "scheme_year": "2024-25",
                "provider_code": "NT313",
                "contract_line": "advice_and_guidance",
                "term": "amount_each",
                "percent": "",
                "amount": "2",
            }
        ),
    )
    assert rulebook_for(under_2024_25(blended), JULY).agreed([JULY]).terms.is_empty()
