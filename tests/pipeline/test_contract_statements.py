"""A contract's statement as people get it: read from the mart, estimated, compared and printed.

Belongs here: what `sus-pricing statement` shows of what is published, its outturn, the comparison
with another year, and the worksheet. Does not belong here: what a contract line pays
(`tests/cases/statements`), or how months to come are estimated and differences split
(`tests/rules`).
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fastexcel
import polars as pl
import pytest
from pipeline import making
from pipeline.making import add_book_of_2026_27, land, land_good_month, new_workspace
from typer.testing import CliRunner, Result

from pipelines.basis import PricingBasis, months_of
from pipelines.cli import app
from pipelines.contract_statements import compared, outturn, read_statement
from pipelines.working_days import working_days
from pipelines.workspace import UserError, Workspace

PROVIDER, PAYER = PAIR = ("RGT", "QMJ")
APRIL, MAY = "2024-04", "2024-05"
YEAR = months_of("2024-25")
COUNTS = (
    "provider_code,commissioner_code,activity_month,scheme_year,what_if,contract_line,price_code,"
    "activity,local_price,approval_reference\n"
    "RGT,QMJ,2024-04,2024-25,,advice_and_guidance,,12,,\n"
    "RGT,QMJ,2024-05,2024-25,,advice_and_guidance,,20,,\n"
)
PLANS = (
    "provider_code,commissioner_code,activity_month,scheme_year,what_if,contract_line,plan_basis,"
    "activity,value\n"
) + "".join(f"RGT,QMJ,{month},2024-25,,advice_and_guidance,agreed,10,\n" for month in YEAR)
TERMS = (
    "provider_code,commissioner_code,scheme_year,contract_line,term,metric,weight_percent,side,"
    "from_percent,to_percent,percent,amount,approval_reference\n"
    "RGT,QMJ,2024-25,advice_and_guidance,amount_each,,,,,,,5.00,\n"
)
OTHER = PricingBasis("2026-27")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """April and May 2024 of a contract, each under its own year and under 2026/27."""
    workspace = new_workspace(tmp_path_factory.mktemp("statements"))
    add_book_of_2026_27(workspace)
    land(workspace, "plans.csv", PLANS)
    land(workspace, "terms.csv", TERMS)
    land(workspace, "counts.csv", COUNTS)
    for month in (APRIL, MAY):
        land_good_month(workspace, month)
        making.publish(workspace, month)
    for month in (APRIL, MAY):
        making.publish(workspace.on(OTHER), month)
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to change."""
    root = tmp_path / "workspace"
    shutil.copytree(made.root, root)
    return Workspace.at(root)


def change(workspace: Workspace, *statements: str) -> None:
    """Changes the mart by SQL."""
    with duckdb.connect(str(workspace.mart)) as mart:
        for statement in statements:
            mart.execute(statement)


# --- What is published ---------------------------------------------------------------------


def test_a_statement_is_what_the_mart_has_of_the_contract(made: Workspace) -> None:
    statement = read_statement(made, *PAIR, MAY)
    assert (statement.scheme_year, statement.is_illustrative) == ("2024-25", True)
    assert statement.is_current
    with duckdb.connect(str(made.mart), read_only=True) as mart:
        for name, table in statement.tables.items():
            rows = mart.execute(
                f"SELECT * EXCLUDE (pricing_basis) FROM {name} WHERE provider_code = 'RGT' "
                "AND commissioner_code = 'QMJ' AND activity_month = '2024-05' ORDER BY ALL"
            ).fetchall()
            assert sorted(table.rows(), key=str) == sorted(rows, key=str)
            assert rows or name in ("blended", "fixed_element")


@pytest.mark.parametrize(
    ("pair", "month", "says"),
    [
        (
            ("RGT", "QHM"),
            MAY,
            "RGT and QHM have nothing in 2024-05. RGT as provider has statements",
        ),
        (("RXX", "QMJ"), MAY, "RXX as provider has no statement. QMJ as commissioner has"),
        (
            PAIR,
            "2024-06",
            "2024-06 is not published. Run it first: sus-pricing run --month 2024-06",
        ),
    ],
)
def test_what_there_is_no_statement_of_is_said(
    made: Workspace, pair: tuple[str, str], month: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        read_statement(made, *pair, month)


def test_before_anything_is_published_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Nothing is published yet\. Run it first"):
        read_statement(new_workspace(tmp_path), *PAIR, MAY)


def test_a_basis_that_was_not_run_is_named_with_its_command(made: Workspace) -> None:
    with pytest.raises(UserError, match=r"on the basis 2025-26. Run it first: .* --scheme 2025-26"):
        read_statement(made.on(PricingBasis("2025-26")), *PAIR, MAY)


def test_a_mart_of_an_earlier_version_is_named(workspace: Workspace) -> None:
    change(workspace, "DROP VIEW blended_gbp", "DROP TABLE blended")
    with pytest.raises(UserError, match="made by an earlier version of sus-pricing"):
        read_statement(workspace, *PAIR, MAY)


# --- Outturn -------------------------------------------------------------------------------


def by_line(workspace: Workspace, method: str) -> dict[str, dict[str, Any]]:
    estimate = outturn(workspace, read_statement(workspace, *PAIR, MAY))
    rows = estimate.lines.filter(method=method).to_dicts()
    return {row["contract_line"] or row["section"]: row for row in rows}


def to_date(workspace: Workspace, line: str) -> dict[str, Any]:
    lines = read_statement(workspace, *PAIR, MAY).tables["variable_element"]
    return lines.row(by_predicate=pl.col("contract_line") == line, named=True)


def test_a_straight_line_goes_on_as_the_year_began(made: Workspace) -> None:
    """Two of twelve months: six times what they came to."""
    found, day_cases = by_line(made, "straight_line")["DC"], to_date(made, "DC")
    assert day_cases["activity_to_date"] == 4
    assert found["activity"] == 24
    assert found["value_pence"] == 6 * day_cases["value_to_date_pence"] > 0
    assert found["payable_pence"] == 6 * day_cases["payable_to_date_pence"]


def test_a_line_by_plan_is_paid_by_the_plan_of_the_whole_year(made: Workspace) -> None:
    """32 in two months: 192 in the year, less the 120 planned, at £5.00."""
    found = by_line(made, "straight_line")["advice_and_guidance"]
    assert (found["activity"], found["planned_activity"]) == (192, 120)
    assert found["payable_pence"] == 72 * 500


def test_working_days_are_those_of_the_months(made: Workspace) -> None:
    """21 days in April and in May of 254 in the year: 32 × 254 / 42 = 193.5, so 194 less 120."""
    assert sum(working_days(YEAR).values()) == 254
    found = by_line(made, "working_days")["advice_and_guidance"]
    assert found["activity"] == 194
    assert found["payable_pence"] == 74 * 500


def last_year(lines: dict[str, int]) -> Iterator[str]:
    """The year before in the mart: as many of May's day cases in each month as is said, or one."""
    of_may = "activity_month = '2024-05' AND point_of_delivery_code = 'DC'"
    yield f"CREATE TABLE one AS SELECT * FROM priced_lines WHERE {of_may} LIMIT 1"
    for month in months_of("2023-24"):
        yield (
            f"INSERT INTO runs SELECT * REPLACE ('{month}' AS activity_month) FROM runs "
            "WHERE is_current AND activity_month = '2024-05' AND pricing_basis = 'own_year'"
        )
        for number in range(lines.get(month, 1)):
            yield (
                f"INSERT INTO priced_lines SELECT * REPLACE ('{month}' AS activity_month, "
                f"'S{number}-{month}' AS record_id) FROM one"
            )


def test_last_year_s_profile_is_that_of_each_line(workspace: Workspace) -> None:
    """2 + 3 day cases in April and May 2023 and 1 in each of ten months: three times the 4 done."""
    change(workspace, *last_year({"2023-04": 2, "2023-05": 3}))
    found = by_line(workspace, "last_years_profile")
    assert found["DC"]["activity"] == 4 * 15 // 5
    assert found["DC"]["is_estimated"]
    # The year before has no first attendance, so that nothing is said of them.
    assert not found["OPFASPCL"]["is_estimated"]
    assert found["OPFASPCL"]["payable_pence"] is None


def test_why_a_method_does_not_estimate_is_said(workspace: Workspace) -> None:
    statement = read_statement(workspace, *PAIR, MAY)
    said = outturn(workspace, statement).not_estimated
    assert said == {
        "last_years_profile": "12 of the 12 months of 2023-24 are not published, or out of date, "
        "the first of them 2023-04."
    }
    land(workspace, "counts.csv", COUNTS.replace(",20,", ",21,"))
    changed = outturn(workspace, statement)
    assert changed.lines.is_empty()
    assert set(changed.not_estimated.values()) == {
        "The scheme pack, price book or lists have changed since 2024-05 was run. Run it again."
    }
    change(workspace, "UPDATE runs SET is_current = false WHERE activity_month = '2024-04'")
    said = outturn(workspace, read_statement(workspace, *PAIR, MAY)).not_estimated
    assert "out of date, in this year: 2024-04" in said["straight_line"]


def test_a_plan_of_part_of_the_year_is_no_plan_of_it(workspace: Workspace) -> None:
    short = "".join(PLANS.splitlines(keepends=True)[:-1])
    land(workspace, "plans.csv", short)
    making.publish(workspace, MAY)
    found = by_line(workspace, "straight_line")["advice_and_guidance"]
    assert found["reason_code"] == "PLAN_MISSING"
    assert (found["planned_activity"], found["payable_pence"]) == (None, None)


@pytest.mark.long
def test_in_march_the_outturn_is_the_year(tmp_path: Path) -> None:
    """With nothing to come every method gives what was done."""
    workspace = new_workspace(tmp_path)
    for month in YEAR:
        land_good_month(workspace, month)
        making.publish(workspace, month)
    statement = read_statement(workspace, *PAIR, "2025-03")
    lines = statement.tables["variable_element"]
    done = dict(zip(lines["contract_line"], lines["payable_to_date_pence"], strict=True))
    for method in ("straight_line", "working_days"):
        rows = outturn(workspace, statement).lines.filter(method=method)
        found = dict(zip(rows["contract_line"], rows["payable_pence"], strict=True))
        assert {line: found[line] for line in done} == done


def test_a_year_without_bank_holidays_is_not_counted() -> None:
    with pytest.raises(UserError, match="no bank holidays of 2031"):
        working_days(["2031-04"])


# --- Under another year's rules --------------------------------------------------------------


def test_the_rules_add_up_to_the_difference_of_the_statements(made: Workspace) -> None:
    own = read_statement(made, *PAIR, MAY)
    other = read_statement(made.on(OTHER), *PAIR, MAY)
    sums = [
        int(of.tables["contract_statement"]["known_payable_pence"].sum()) for of in (own, other)
    ]
    differences = compared(made, own, other)
    assert differences["difference_pence"].sum() == sums[1] - sums[0] != 0
    # Advice and guidance is neither planned nor counted under 2026/27: £50.00 less.
    row = differences.row(by_predicate=pl.col("rule") == "beside_lines", named=True)
    assert row["part_before"] == "variable_element: advice_and_guidance"
    assert row["difference_pence"] == -5_000
    assert (row["rests_on_before"], row["rests_on_after"]) == (
        "2023/25 ¶27, ¶76",
        "nothing in the year",
    )


# --- The command -----------------------------------------------------------------------------


def command(workspace: Workspace, *arguments: str) -> Result:
    environment = {"SUS_PRICING_HOME": str(workspace.root), "COLUMNS": "200"}
    pair = ("--provider", PROVIDER, "--commissioner", PAYER.lower(), "--month", MAY)
    return CliRunner().invoke(app, ["statement", *pair, *arguments], env=environment)


def test_the_command_prints_sections_lines_reasons_and_estimates(made: Workspace) -> None:
    done = command(made)
    assert done.exit_code == 0, done.output
    for text in (
        "RGT and QMJ, 2024-05, scheme 2024-25",
        "Variable element, 2024-04 to 2024-05",
        "activity target",
        "2023/25 ¶27, ¶76",
        "Forecast outturn 2024-25: estimates, which nothing pays on",
        "last_years_profile: not estimated. 12 of the 12 months",
        "ILLUSTRATIVE",
    ):
        assert text in done.output
    # 20 less 10 planned in May at £5.00; 32 less 20 to date.
    assert "£50.00" in done.output
    assert "£60.00" in done.output


def test_a_statement_that_is_out_of_date_says_so(workspace: Workspace) -> None:
    change(workspace, "UPDATE runs SET is_current = false WHERE activity_month = '2024-05'")
    said = command(workspace).output
    assert "out of date. Run it again: sus-pricing run --month 2024-05\n" in said


def test_months_that_are_not_in_what_is_to_date_are_named(workspace: Workspace) -> None:
    change(workspace, "UPDATE runs SET is_current = false WHERE activity_month = '2024-04'")
    assert (
        "Not in what is to date, since not published, or out of date: 2024-04.\n"
        in command(workspace).output
    )
    assert json.loads(command(workspace, "--json").output)["not_published"] == ["2024-04"]


def test_json_and_worksheets_have_the_same_amounts(made: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "statement.xlsx"
    done = command(made, "--scheme", "2026-27", "--json", "--workbook", str(path))
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert document["compared_with"]["scheme_year"] == "2026-27"
    book = fastexcel.read_excel(path)
    assert book.sheet_names == [
        *("about", "contract_statement", "variable_element", "blended", "fixed_element"),
        *("contract_statement 2026-27", "variable_element 2026-27", "blended 2026-27"),
        "fixed_element 2026-27",
        *("outturn (estimates)", "differences by rule"),
    ]
    of_sheets = {
        "variable_element": document["variable_element"],
        "contract_statement 2026-27": document["compared_with"]["contract_statement"],
        "outturn (estimates)": document["outturn"]["lines"],
        "differences by rule": document["differences"],
    }
    for name, rows in of_sheets.items():
        sheet = book.load_sheet(name).to_polars()
        amount = "difference" if name.startswith("differences") else "payable"
        found = [None if v is None else round(v * 100) for v in sheet[f"{amount} (£)"]]
        assert found == [row[f"{amount}_pence"] for row in rows]


def test_another_year_is_set_beside_the_own(made: Workspace) -> None:
    done = command(made, "--scheme", "2026-27")
    assert done.exit_code == 0, done.output
    assert "2024-05 under the rules of 2024-25 and 2026-27" in done.output
    assert "Why 2026-27 pays otherwise than 2024-25" in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--scheme", "2024-25"), "2024-25 is 2024-05's own year: there is nothing to compare"),
        (("--scheme", "2024"), "is not a scheme year"),
    ],
)
def test_a_year_that_cannot_be_compared_is_named(
    made: Workspace, arguments: tuple[str, ...], says: str
) -> None:
    done = command(made, *arguments)
    assert done.exit_code == 2
    assert says in done.output
