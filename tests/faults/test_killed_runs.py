"""Runs that are killed, and runs at the same time: nothing published is harmed.

Belongs here: processes that end where no code of ours can tidy up. Does not belong here:
faults that a run can tell of (`tests/pipeline/`).

A month is published, its extracts are delivered again with other records, and the run that
takes them in is killed at each asset in turn.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from pipeline import making
from pipeline.making import attendance, land, land_good_month, new_workspace, spell

from pipelines.accounting import read_account
from pipelines.definitions import defs
from pipelines.publishing import TABLES
from pipelines.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow

MONTH, NEXT = "2024-07", "2024-08"
KILLED_RUN = Path(__file__).parent / "killed_run.py"
COMMAND_LINE = "from pipelines.cli import main; main()"

POINTS = [
    ("op_extract", "lake/deliveries/identities.json", "after"),
    ("apc_valid_records", "lake/valid/apc/", "after"),
    ("apc_priced_lines", "lake/priced/apc/", "before"),
    ("contract_statement", "lake/statements/contract_statement/", "after"),
    ("low_volume", "pipelines.low_volume.conservation:conservation", "called"),
    ("month_account", "lake/accounting/", "before"),
    ("outputs_duckdb", "pipelines.publishing:_refuse_unless_it_ties", "called"),
]
"""One of each kind: identities, records, lines, a statement, a check, the account, the mart."""
MORE_POINTS = [
    ("apc_extract", "lake/extracts/apc/", "before"),
    ("op_extract", "lake/deliveries/op-", "after"),
    ("op_refused_records", "lake/refused/op/", "before"),
    ("op_priced_lines", "lake/priced/op/", "after"),
    ("contract_lines", "lake/statements/contract_lines/", "before"),
    ("variable_element", "lake/statements/variable_element/", "after"),
    ("blended", "lake/statements/blended/", "before"),
    ("fixed_element", "lake/statements/fixed_element/", "after"),
    ("fixed_element_review", "lake/statements/fixed_element_review/", "before"),
    ("low_volume", "lake/statements/low_volume/", "before"),
    ("ebi_challenges", "lake/statements/ebi_challenges/", "after"),
    ("excluded_items", "lake/statements/excluded_items/", "before"),
    ("excluded_drugs_baseline", "lake/statements/excluded_drugs_baseline/", "after"),
    ("reconciliation", "lake/statements/reconciliation/", "before"),
]


@pytest.fixture(scope="module")
def delivered_again(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published month, and its extracts again, which no run has taken in yet."""
    workspace = new_workspace(tmp_path_factory.mktemp("delivered"))
    land_good_month(workspace, MONTH)
    making.publish(workspace, MONTH)
    ebi = {making.EBI_CATEGORY: "1", making.EBI_TYPE: "A_snoring"}
    spells = [spell("S1"), spell("S2", ebi), spell("S3", {making.SPELL_HRG: ""})]
    land(workspace, f"freeze/apc_{MONTH}.csv", spells)
    attendances = [attendance("A1"), attendance("A2", {making.PROVIDER: "RCF"})]
    land(workspace, f"freeze/op_{MONTH}.csv", attendances)
    return workspace


@pytest.fixture(scope="module")
def undisturbed(delivered_again: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What a run that nothing disturbs makes of it."""
    workspace = copy(delivered_again, tmp_path_factory.mktemp("undisturbed"))
    making.publish(workspace, MONTH)
    return workspace


@pytest.fixture
def workspace(delivered_again: Workspace, tmp_path: Path) -> Workspace:
    return copy(delivered_again, tmp_path)


def copy(workspace: Workspace, folder: Path) -> Workspace:
    return Workspace.at(shutil.copytree(workspace.root, folder / "workspace"))


def start(workspace: Workspace, *program: str, month: str = MONTH) -> "subprocess.Popen[str]":
    home = str(workspace.root)
    return subprocess.Popen(
        [sys.executable, *program, "run", "--month", month],
        env={
            **os.environ,
            "SUS_PRICING_HOME": home,
            "DAGSTER_HOME": home,
            "PYTHONPATH": str(PROJECT),
        },
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed(workspace: Workspace, point: str, moment: str) -> None:
    process = start(workspace, str(KILLED_RUN), point, moment, "--")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, f"it never came to {point}: {said}"


def run_again(workspace: Workspace) -> None:
    process = start(workspace, "-c", COMMAND_LINE)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said


def assert_as_if_undisturbed(workspace: Workspace, undisturbed: Workspace) -> None:
    """The account, every table but that of the runs, and no half-made file."""
    found, expected = read_account(workspace, MONTH), read_account(undisturbed, MONTH)
    assert found == expected
    for table in TABLES:
        if table.name != "runs":
            assert rows(workspace, table.name) == rows(undisturbed, table.name)
    made = (*workspace.lake.rglob("*"), *workspace.mart.parent.rglob("*"))
    assert [path for path in made if path.name.startswith(".") and path.name != ".lock"] == []


def rows(workspace: Workspace, table: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        return mart.sql(f"FROM {table}").fetchall()


@pytest.mark.parametrize(
    ("asset", "point", "moment"),
    [*POINTS, *(pytest.param(*point, marks=pytest.mark.long) for point in MORE_POINTS)],
)
def test_a_killed_run_leaves_what_was_published_and_the_next_one_completes(
    workspace: Workspace, undisturbed: Workspace, asset: str, point: str, moment: str
) -> None:
    before = workspace.mart.read_bytes()
    killed(workspace, point, moment)
    assert workspace.mart.read_bytes() == before, asset
    making.publish(workspace, MONTH)
    assert_as_if_undisturbed(workspace, undisturbed)


def test_a_run_killed_after_the_last_rename_has_published(
    workspace: Workspace, undisturbed: Workspace
) -> None:
    killed(workspace, "marts/outputs.duckdb", "after")
    assert rows(workspace, "priced_lines") == rows(undisturbed, "priced_lines")
    making.publish(workspace, MONTH)
    assert_as_if_undisturbed(workspace, undisturbed)


@pytest.mark.parametrize("point", ["lake/deliveries/apc-", "marts/outputs.duckdb"])
def test_the_next_run_does_not_wait_for_a_killed_one(
    workspace: Workspace, undisturbed: Workspace, point: str
) -> None:
    """Taking in and publishing are one at a time; the dead hold no place in the queue."""
    before = workspace.mart.read_bytes()
    killed(workspace, point, "before")
    assert workspace.mart.read_bytes() == before
    run_again(workspace)
    assert_as_if_undisturbed(workspace, undisturbed)
    with dg.DagsterInstance.from_config(str(workspace.root)) as instance:
        ended = [run.status for run in instance.get_runs()]
    assert ended == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def test_a_run_is_killed_at_every_asset_of_one_dataset_or_the_other() -> None:
    """Those that price on another basis are made by the same functions.

    The LVA payments schedule is of no month: it is made apart, and keeps nothing in the lake.
    """

    def either(assets: set[str]) -> set[str]:
        names = (asset.removeprefix("repriced/") for asset in assets)
        return {name.removeprefix("apc_").removeprefix("op_") for name in names}

    assets = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    killed_at = {asset for asset, _, _ in (*POINTS, *MORE_POINTS)}
    assert killed_at <= assets
    assert either(killed_at) == either(assets) - {"low_volume_schedule"}


def test_two_first_runs_at_once_both_publish(tmp_path: Path) -> None:
    """Of two months, in an installation that has no history yet."""
    workspace = new_workspace(tmp_path / "workspace")
    months = (MONTH, NEXT)
    for month in months:
        land_good_month(workspace, month)
    running = [start(workspace, "-c", COMMAND_LINE, month=month) for month in months]
    for process in running:
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
    published = rows(workspace, "runs")
    assert sorted(row[3] for row in published) == list(months)
    lines = [(row[0], row[3]) for row in rows(workspace, "priced_lines")]
    assert sorted(lines) == sorted(
        (f"{record}-{month}", month) for month in months for record in ("S1", "S2", "A1")
    )
