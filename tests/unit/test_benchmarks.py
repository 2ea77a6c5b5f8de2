"""The benchmarks compare like with like: what they time gives the same answers.

Belongs here: that the hand-written SQL prices and states contracts as we do, and that the month
can be priced on another basis. Does not belong here: any time.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks import contracts, reference, schedules, work
from pipelines import pricing_run
from schemas.priced_line import PRICE_SOURCES


@pytest.mark.slow
def test_the_sql_gives_the_same_lines_and_the_month_ties_on_another_basis(tmp_path: Path) -> None:
    workspace = work.open_workspace(tmp_path)
    work.make_extracts(workspace, 2_000)
    for _, step in work.month_steps():
        step(workspace)
    sql = work.SqlPricing(workspace)
    sql.price()
    assert sql.differences() == {}
    lines = pl.scan_parquet(list(pricing_run.priced_paths(workspace, work.MONTH).values()))
    further = lines.filter(pl.col("line_number") > 0).select(pl.len()).collect().item()
    assert sql.lines() - further == 3_960  # two thousand of each, less the planted 1 in 100
    # Alike in what no line is of would say nothing.
    sources = lines.select(pl.col("price_source").unique()).collect().to_series()
    assert set(sources) == set(PRICE_SOURCES)
    for amount in ("best_practice_pence", "long_stay_pence", "top_up_pence"):
        assert lines.select((pl.col(amount) > 0).any()).collect().item(), amount
    work.price_and_publish(workspace.on(reference.OTHER_YEAR))


@pytest.mark.slow
def test_the_workbook_that_is_timed_is_read_whole(tmp_path: Path) -> None:
    workspace = work.open_workspace(tmp_path)
    path = tmp_path / "annex_a.xlsx"
    assert reference.make_workbook(path) == 20  # eighteen tables or lists of 2026/27, MFF and LVA
    reference.import_whole(workspace, path)
    reference.read_plainly(path)


@pytest.mark.slow
def test_the_sql_states_contracts_as_we_do(tmp_path: Path) -> None:
    national = contracts.National(tmp_path)
    contracts.make_year(national, 600_000)
    contracts.sum_lines(national)
    contracts.state(national)
    for table in (contracts.CONTRACT_LINES, contracts.STATEMENTS):
        contracts.by_sql(national, table)
        assert contracts.differences(national, table) == "", table
    made = pl.read_parquet(national.theirs(contracts.STATEMENTS))
    contracts_a_month = contracts.PROVIDERS * contracts.COMMISSIONERS
    # Thirteen lines that are planned, and CQUIN; the best practice of those that have any.
    of_every_contract = made.filter(pl.col("contract_line") != "uec_best_practice")
    assert of_every_contract.height == 14 * contracts_a_month * 12
    # Alike in what no line is of would say nothing.
    assert set(made["reason_code"]) == {
        "EACH_UNIT_PAID",
        "DIFFERENCE_FROM_PLAN",
        "NO_ADJUSTMENT",
        "BEST_PRACTICE_ADDITION",
        "PRICE_MISSING",
    }
    for amount in ("best_practice_pence", "variable_pence", "payable_to_date_pence"):
        assert made.select((pl.col(amount) != 0).any()).item(), amount
    sums = pl.read_parquet(national.theirs(contracts.CONTRACT_LINES))
    for count in sums.columns[4:]:
        assert sums.select((pl.col(count) != 0).any()).item(), count


def test_rows_that_differ_are_told(tmp_path: Path) -> None:
    national = contracts.National(tmp_path)
    row = pl.DataFrame(
        {
            "provider_code": ["R000"],
            "commissioner_code": ["Q00"],
            "activity_month": ["2026-04"],
            "contract_line": ["DC"],
            "activity": [1],
        }
    )
    for month in contracts.MONTHS:
        path = national.ours(contracts.CONTRACT_LINES, month)
        path.parent.mkdir(parents=True, exist_ok=True)
        row.with_columns(activity_month=pl.lit(month)).write_parquet(path)
    theirs = national.theirs(contracts.CONTRACT_LINES)
    theirs.parent.mkdir()
    every = pl.concat(row.with_columns(activity_month=pl.lit(m)) for m in contracts.MONTHS)
    for made, told in (
        (every, ""),
        (every.with_columns(activity=pl.lit(2, dtype=pl.Int64)), "the rows differ"),
        (
            every.with_columns(pl.col("activity").cast(pl.Float64)),
            "the types of the columns differ",
        ),
        (every.drop("activity"), "the columns differ"),
    ):
        made.write_parquet(theirs)
        assert contracts.differences(national, contracts.CONTRACT_LINES) == told


@pytest.mark.long
def test_the_sql_sums_reference_years_as_we_do(tmp_path: Path) -> None:
    schedules.make_years(tmp_path, 3_600)
    schedules.rebuild(tmp_path)
    schedules.by_sql(tmp_path)
    schedules.copy(tmp_path)
    assert schedules.differences(tmp_path) == []
    sums = json.loads((tmp_path / "ours.json").read_text("utf-8"))
    # Alike in nothing would say nothing: both parts, of every reference year.
    of = {(key.split()[0], key.split()[-1]) for key in sums}
    years = ("2019-20", "2022-23", "2023-24")
    assert of == {(year, part) for year in years for part in ("acute", "secondary_dental")}
