"""The benchmarks compare like with like: what they time gives the same answers.

Belongs here: that the hand-written SQL prices as we do, and that the month can be priced on
another basis. Does not belong here: any time.
"""

from pathlib import Path

import pytest

from benchmarks import reference, work


@pytest.mark.slow
def test_the_sql_gives_the_same_lines_and_the_month_ties_on_another_basis(tmp_path: Path) -> None:
    workspace = work.open_workspace(tmp_path)
    work.make_extracts(workspace, 2_000)
    for _, step in work.month_steps():
        step(workspace)
    sql = work.SqlPricing(workspace)
    sql.price()
    assert sql.differences() == {}
    assert sql.lines() == 3_960  # two thousand of each, less the planted one in a hundred
    work.price_and_publish(workspace.on(reference.OTHER_YEAR))


@pytest.mark.slow
def test_the_workbook_that_is_timed_is_read_whole(tmp_path: Path) -> None:
    workspace = work.open_workspace(tmp_path)
    path = tmp_path / "annex_a.xlsx"
    assert reference.make_workbook(path) == 18
    reference.import_whole(workspace, path)
    reference.read_plainly(path)
