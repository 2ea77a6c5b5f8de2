"""The months of a scheme year in the mart: which of them are out of date when one is run again.

Belongs here: contract lines to date that no longer agree. Does not belong here: drugs above a
baseline (`test_excluded_items.py`), or what a contract line pays (`tests/cases/statements`).
"""

from pathlib import Path

import duckdb
import pytest
from pipeline import making
from pipeline.making import land, land_good_month, new_workspace, spell

from pipelines.workspace import Workspace

APRIL, MAY, JUNE = MONTHS = ("2024-04", "2024-05", "2024-06")
COUNTS = (
    "provider_code,commissioner_code,activity_month,scheme_year,what_if,contract_line,price_code,"
    "activity,local_price,approval_reference\n"
    "RGT,13Q,2024-04,2024-25,,advice_and_guidance,,{april},,\n"
    "RGT,13Q,2024-05,2024-25,,advice_and_guidance,,20,,\n"
)
PLANS = (
    "provider_code,commissioner_code,activity_month,scheme_year,what_if,contract_line,plan_basis,"
    "activity,value\n"
    "RGT,13Q,2024-04,2024-25,,advice_and_guidance,agreed,10,\n"
    "RGT,13Q,2024-05,2024-25,,advice_and_guidance,agreed,10,\n"
)
TERMS = (
    "provider_code,commissioner_code,scheme_year,contract_line,term,metric,weight_percent,side,"
    "from_percent,to_percent,percent,amount,approval_reference\n"
    "RGT,13Q,2024-25,advice_and_guidance,amount_each,,,,,,,5.00,\n"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = new_workspace(tmp_path)
    for month in MONTHS:
        land_good_month(made, month)
    return made


def add_a_spell(workspace: Workspace, month: str) -> None:
    """A third spell of the month, in a later delivery."""
    day = f"{month.replace('-', '')}10"
    dates = {making.START: day, making.END: day, making.QUERY_DATE: "20250920063000"}
    spells = [spell(f"S{place}-{month}", dates) for place in (1, 2, 3)]
    land(workspace, f"freeze/apc_{month}_again.csv", spells)


def out_of_date(workspace: Workspace) -> list[str]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT activity_month FROM runs GROUP BY ALL HAVING NOT bool_or(is_current) "
            "ORDER BY ALL"
        ).fetchall()
    return [month for (month,) in rows]


def notices(workspace: Workspace, month: str) -> str:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.execute(
            "SELECT notices FROM runs WHERE is_current AND activity_month = ?", [month]
        ).fetchall()
    return str(rows[0][0])


def test_a_successor_goes_on_with_the_year_of_who_it_succeeds(workspace: Workspace) -> None:
    """RGT is RRV's from May: 2 day cases and 12 requests of April, 2 and 20 of May.

    April: 12 less 10 at £5.00. To date 32 less 20, of which April paid £10.00.
    """
    successions = workspace.data / "organisations" / "successions.csv"
    successions.write_text(successions.read_text("utf-8") + "RGT,RRV,2024-05-01\n", "utf-8")
    land(workspace, "plans.csv", PLANS)
    land(workspace, "terms.csv", TERMS)
    land(workspace, "counts.csv", COUNTS.format(april=12))
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT activity_month, provider_code, contract_line, activity_to_date, payable_pence "
            "FROM variable_element WHERE contract_line IN ('DC', 'advice_and_guidance') "
            "ORDER BY ALL"
        ).fetchall()
    assert [row[:4] for row in rows] == [
        (APRIL, "RGT", "DC", 2),
        (APRIL, "RGT", "advice_and_guidance", 12),
        (MAY, "RRV", "DC", 4),
        (MAY, "RRV", "advice_and_guidance", 32),
    ]
    assert [row[4] for row in rows if row[2] == "advice_and_guidance"] == [1_000, 5_000]
    assert out_of_date(workspace) == []


def test_months_run_in_order_are_all_up_to_date(workspace: Workspace) -> None:
    for month in (*MONTHS, JUNE):
        making.publish(workspace, month)
    assert out_of_date(workspace) == []


def test_every_later_month_is_out_of_date_when_an_earlier_comes_to_more(
    workspace: Workspace,
) -> None:
    for month in MONTHS:
        making.publish(workspace, month)
    add_a_spell(workspace, APRIL)
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == [MAY, JUNE]
    for month in (MAY, JUNE):
        assert f"{month} is out of date: it was made with other" in notices(workspace, APRIL)
    making.publish(workspace, MAY)
    assert out_of_date(workspace) == [JUNE]
    making.publish(workspace, JUNE)
    assert out_of_date(workspace) == []


def test_a_month_run_before_an_earlier_one_is_out_of_date_once_that_is_run(
    workspace: Workspace,
) -> None:
    making.publish(workspace, MAY)
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == [MAY]
    making.publish(workspace, MAY)
    assert out_of_date(workspace) == []


DAY_CASES = (
    "provider_code,commissioner_code,activity_month,scheme_year,what_if,contract_line,plan_basis,"
    "activity,value\n"
    "RGT,QMJ,2024-04,2024-25,,DC,agreed,{april},{april}000.00\n"
    "RGT,QMJ,2024-05,2024-25,,DC,agreed,2,2000.00\n"
)


def test_a_later_month_is_out_of_date_when_a_plan_changes_that_pays_nothing(
    workspace: Workspace,
) -> None:
    """Day cases are paid for by the unit: of May only what is planned to date changes."""
    land(workspace, "plans.csv", DAY_CASES.format(april=2))
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    land(workspace, "plans.csv", DAY_CASES.format(april=4))
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == [MAY]


def test_a_later_month_is_out_of_date_when_an_earlier_has_a_line_that_it_lacks(
    workspace: Workspace,
) -> None:
    """An ordinary elective spell of April comes late; May has day cases alone."""
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    elective = {
        **{making.START: "20240408", making.END: "20240410", making.CLASSIFICATION: "1"},
        **{making.STAY: "2", making.ADJUSTED_STAY: "2", making.QUERY_DATE: "20250920063000"},
    }
    land(workspace, "freeze/late_2024-04.csv", [spell("S9-2024-04", elective)])
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == [MAY]


def test_a_later_month_is_out_of_date_when_what_it_lacked_is_given(workspace: Workspace) -> None:
    """Without plans May said PLAN_MISSING; April is run with them."""
    land(workspace, "terms.csv", TERMS)
    land(workspace, "counts.csv", COUNTS.format(april=12))
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    land(workspace, "plans.csv", PLANS)
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == [MAY]


def test_every_earlier_month_is_out_of_date_when_its_own_count_changes(
    workspace: Workspace,
) -> None:
    land(workspace, "counts.csv", COUNTS.format(april=12))
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    land(workspace, "counts.csv", COUNTS.format(april=15))
    making.publish(workspace, JUNE)
    # May's year to date holds April, too.
    assert out_of_date(workspace) == [APRIL, MAY]


def test_where_a_list_stands_makes_no_month_out_of_date(workspace: Workspace) -> None:
    land(workspace, "counts.csv", COUNTS.format(april=12))
    making.publish(workspace, APRIL)
    (workspace.landing / "counts.csv").rename(workspace.landing / "counted.csv")
    making.publish(workspace, MAY)
    assert out_of_date(workspace) == []


def test_a_record_that_moves_to_a_later_month_is_not_in_the_year_twice(
    workspace: Workspace,
) -> None:
    """S1 of April is delivered again as of May: three spells of May, and one of April left."""
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    moved = {making.START: "20240507", making.END: "20240507", making.QUERY_DATE: "20250920063000"}
    land(workspace, "freeze/moved_2024-05.csv", [spell(f"S1-{APRIL}", moved)])
    making.publish(workspace, MAY)
    assert out_of_date(workspace) == [APRIL, MAY]
    assert "2024-05 is out of date itself" in notices_of_last(workspace)
    for month in (APRIL, MAY):
        making.publish(workspace, month)
    assert out_of_date(workspace) == []
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT activity, activity_to_date FROM variable_element "
            "WHERE contract_line = 'DC' ORDER BY activity_month"
        ).fetchall()
    assert rows == [(1, 1), (3, 4)]


def notices_of_last(workspace: Workspace) -> str:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        (row,) = mart.sql("SELECT notices FROM runs ORDER BY rowid DESC LIMIT 1").fetchall()
    return str(row[0])


def test_an_earlier_month_is_out_of_date_when_what_was_counted_of_it_changes(
    workspace: Workspace,
) -> None:
    """£5.00 for each of 12 less 10 in April, and of 15 less 10 once the list says so."""
    land(workspace, "plans.csv", PLANS)
    land(workspace, "terms.csv", TERMS)
    land(workspace, "counts.csv", COUNTS.format(april=12))
    making.publish(workspace, APRIL)
    land(workspace, "counts.csv", COUNTS.format(april=15))
    making.publish(workspace, MAY)
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT payable_pence, payable_to_date_pence FROM variable_element "
            "WHERE contract_line = 'advice_and_guidance' ORDER BY activity_month"
        ).fetchall()
    # May: 20 less 10 more, and with April's 5.
    assert rows == [(1_000, 1_000), (5_000, 7_500)]
    assert out_of_date(workspace) == [APRIL]
    making.publish(workspace, APRIL)
    assert out_of_date(workspace) == []
