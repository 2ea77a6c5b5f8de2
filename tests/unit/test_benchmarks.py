"""The benchmarks compare like with like: what they time gives the same answers.

Belongs here: that the hand-written SQL prices as we do, and that the month can be priced on
another basis. Does not belong here: any time.
"""

from pathlib import Path

import polars as pl
import pytest

from benchmarks import reference, work
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
