"""The Dagster definitions: what the UI shows, what a run does, and how one is mended.

Belongs here: assets, checks, job, schedule and sensor together. Does not belong here: the
work inside an asset, which has tests of its own.

The graph is held against `snapshots/definitions.json`. Where a change of it is meant:

    RENEW_SNAPSHOTS=1 python -m pytest tests/pipeline/test_dagster.py
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import narwhals.stable.v2 as nw
import polars as pl
import pytest
import yaml
from pipeline.making import land, land_good_month, new_workspace

from pipelines import validation
from pipelines.accounting import read_account
from pipelines.assets import WorkspaceResource, mendable
from pipelines.automation import landing_sensor, monthly_schedule
from pipelines.definitions import build_definitions
from pipelines.validation import valid_path
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing import low_volume_monitor

SNAPSHOT = Path(__file__).parent / "snapshots" / "definitions.json"
JOB = "monthly_pricing"
MONTH = "2024-07"
JOBS = (JOB, "taking_in", "repricing")
ASSETS = 21
SCHEDULES = 1
REPRICED_ASSETS = 15
CHECKS = 6

# The preview of partitioned checks is silenced where the assets are made, which pytest undoes.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")


# --- The graph -----------------------------------------------------------------------------


def graph(defs: dg.Definitions) -> dict[str, Any]:
    """What the definitions say, as far as a change of it changes what runs or what is seen."""
    assets = defs.resolve_asset_graph()
    jobs = {name: defs.resolve_job_def(name) for name in JOBS}
    repository = defs.get_repository_def()
    return {
        "assets": {
            spec.key.to_user_string(): {
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "owners": list(spec.owners),
                "partitions": str(spec.partitions_def),
            }
            for spec in defs.resolve_all_asset_specs()
        },
        "checks": {
            f"{key.asset_key.to_user_string()}:{key.name}": {
                "blocking": assets.get_check_spec(key).blocking
            }
            for key in assets.asset_check_keys
        },
        "pools": {
            node.name: node.definition.pool
            for job in jobs.values()
            for node in job.nodes
            if node.definition.pool
        },
        "jobs": {
            name: {
                "executor": job.executor_def.name,
                "steps": sorted(node.name for node in job.nodes),
                "tags": dict(job.tags),
            }
            for name, job in jobs.items()
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "job": schedule.job_name,
                "status": schedule.default_status.value,
                "time_zone": schedule.execution_timezone,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "job": sensor.job_name,
                "seconds": sensor.minimum_interval_seconds,
                "status": sensor.default_status.value,
            }
            for sensor in repository.sensor_defs
        },
    }


def test_the_graph_is_the_one_that_was_agreed() -> None:
    found = json.dumps(graph(build_definitions()), indent=2, sort_keys=True) + "\n"
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOT.write_text(found, "utf-8")
    assert json.loads(found) == json.loads(SNAPSHOT.read_text("utf-8"))


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(build_definitions())


def test_everything_says_what_it_is() -> None:
    defs = build_definitions()
    assets = defs.resolve_asset_graph()
    described = {
        **{spec.key: spec.description for spec in defs.resolve_all_asset_specs()},
        **{key: assets.get_check_spec(key).description for key in assets.asset_check_keys},
        **{s.name: s.description for s in defs.get_repository_def().schedule_defs},
        **{s.name: s.description for s in defs.get_repository_def().sensor_defs},
    }
    assert len(described) == ASSETS + SCHEDULES + REPRICED_ASSETS + CHECKS + 2
    for name, description in described.items():
        assert (description or "").endswith("."), name


# --- A run ---------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = new_workspace(tmp_path / "workspace")
    land_good_month(made, MONTH)
    return made


@pytest.fixture
def instance(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """History that a later run can be re-executed from, and the workspace for the job."""
    monkeypatch.setenv("SUS_PRICING_HOME", str(workspace.root))
    with dg.instance_for_test() as made:
        yield made


def pricing_job() -> dg.JobDefinition:
    """The job over the workspace that the environment names."""
    return build_definitions().resolve_job_def(JOB)


def run(instance: dg.DagsterInstance, again: str | None = None) -> dg.JobExecutionResult:
    """A run of the month, from the beginning or from where run `again` failed."""
    return dg.execute_job(
        dg.reconstructable(pricing_job),
        instance=instance,
        tags={"dagster/partition": MONTH},
        reexecution_options=dg.ReexecutionOptions.from_failure(again, instance) if again else None,
    )


def steps(result: dg.JobExecutionResult, kind: str) -> set[str]:
    return {
        str(event.step_key)
        for event in result.all_events
        if event.event_type_value == f"STEP_{kind}"
    }


def materialised(result: Any) -> dict[str, dict[str, Any]]:
    """The metadata of every asset that was made, by its name."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def test_a_run_makes_every_asset_and_says_how_many_rows(workspace: Workspace) -> None:
    job = build_definitions(str(workspace.root)).resolve_job_def(JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, partition_key=MONTH)
    made = materialised(result)
    assert result.success
    assert len(made) == ASSETS
    rows = {
        name: said["dagster/partition_row_count"]
        for name, said in made.items()
        if "dagster/partition_row_count" in said
    }
    assert rows == {
        "apc_extract": 2,
        "apc_valid_records": 2,
        "apc_refused_records": 0,
        "apc_priced_lines": 2,
        "op_extract": 1,
        "op_valid_records": 1,
        "op_refused_records": 0,
        "op_priced_lines": 1,
        "contract_lines": 2,
        "variable_element": 3,
        "blended": 0,
        "fixed_element": 0,
        "fixed_element_review": 0,
        "contract_statement": 1,
        "low_volume": 8,
        "ebi_challenges": 0,
        "excluded_items": 0,
        "excluded_drugs_baseline": 0,
        "reconciliation": 14,
    }
    account = made["month_account"]
    assert (account["records_delivered"], account["records_priced"]) == (3, 3)
    assert account["payable_pence"] == sum(
        m.payable_pence for m in read_account(workspace, MONTH).mechanisms
    )
    assert account["is_illustrative"] is True
    assert "ILLUSTRATIVE" in account["notices"]
    assert made["outputs_duckdb"]["priced_lines"] == 3
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert checks == {
        "pandera_contract": True,
        "conservation_statement": True,
        "total_accounting": True,
    }
    assert workspace.mart.is_file()


def test_a_block_that_is_paid_for_twice_stops_the_run_and_publishes_nothing(
    workspace: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = low_volume_monitor.statement

    def of_one_line_more(*args: Any) -> Any:
        return statement(*args).with_columns(covered_activity=nw.col("covered_activity") + 1)

    monkeypatch.setattr(low_volume_monitor, "statement", of_one_line_more)
    result = run(instance)
    assert not result.success
    (failed,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (failed.asset_key.to_user_string(), failed.check_name) == (
        "low_volume",
        "conservation_statement",
    )
    assert "conservation: covered_activity = lines under API: 8 against 0" in failed.description
    held = {
        row.data["equality"]: row.data["holds"] for row in failed.metadata["equalities"].records
    }
    assert not held["conservation: covered_activity = lines under API"]
    assert held["conservation: lines in a block that are paid = none"]
    shares = failed.metadata["lines_of_listed_pairs"].records
    assert {row.data["became"]: row.data["lines"] for row in shares}["in a block"] == 0
    assert "low_volume" in materialised(result)
    assert "month_account" not in materialised(result)
    assert not workspace.mart.exists()


def test_a_check_that_fails_stops_the_run_and_publishes_nothing(
    workspace: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = validation.validate

    def let_a_bad_age_through(*args: Any) -> Any:
        made = validate(*args)
        path = valid_path(workspace, args[1], MONTH, made.cut)
        if args[1] == "apc":
            pl.read_parquet(path).with_columns(age_years=pl.lit(999, pl.Int64)).write_parquet(path)
        return made

    monkeypatch.setattr(validation, "validate", let_a_bad_age_through)
    result = run(instance)
    assert not result.success
    (failed,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert failed.asset_key.to_user_string() == "apc_valid_records"
    (fault,) = failed.metadata["failures"].value
    assert (fault["column"], fault["check"], fault["records"]) == (
        *("age_years", "in_range(0, 130)"),
        2,
    )
    assert "999" not in json.dumps(fault)
    assert "apc_priced_lines" not in materialised(result)
    assert "month_account" not in materialised(result)
    assert not workspace.mart.exists()


def test_what_a_user_can_mend_is_said_in_the_run(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    (workspace.landing / "freeze" / f"op_{MONTH}.csv").unlink()
    failure = run(instance).failure_data_for_node("op_extract")
    assert failure is not None
    assert failure.user_failure_data is not None
    said = failure.user_failure_data.description or ""
    assert said.startswith(f"No delivery holds outpatient attendances of {MONTH}.")
    assert "data/landing/" in said
    assert str(workspace.root) not in said


def test_what_a_user_can_mend_is_not_tried_again() -> None:
    @mendable
    def refuse() -> None:
        raise UserError("The shelf is empty.")

    with pytest.raises(dg.Failure, match=r"The shelf is empty\.") as raised:
        refuse()
    assert raised.value.allow_retries is False


def test_a_mended_run_goes_on_from_where_it_failed(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    factors = workspace.data / "price_books" / "cases" / "market_forces_factor.csv"
    factors.rename(factors.with_suffix(".away"))
    failed = run(instance)
    assert steps(failed, "FAILURE") == {"apc_priced_lines", "op_priced_lines"}
    done = steps(failed, "SUCCESS")
    assert done >= {"apc_extract", "apc_validation", "apc_valid_records_pandera_contract"}
    assert not workspace.mart.exists()

    factors.with_suffix(".away").rename(factors)
    mended = run(instance, again=failed.run_id)
    assert mended.success
    assert steps(mended, "START") == {node.name for node in pricing_job().nodes} - done
    assert workspace.mart.is_file()
    assert len(materialised(failed) | materialised(mended)) == ASSETS


# --- What starts a run ---------------------------------------------------------------------


def look(workspace: Workspace, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(cursor=cursor, definitions=build_definitions())
    return landing_sensor(context, workspace=WorkspaceResource(root=str(workspace.root)))


def settle(workspace: Workspace, seconds_ago: int = 60) -> None:
    changed = time.time() - seconds_ago
    for path in workspace.landing.rglob("*.*"):
        os.utime(path, (changed, changed))


def months(found: dg.SensorResult | dg.SkipReason) -> list[str | None]:
    assert isinstance(found, dg.SensorResult)
    return [request.partition_key for request in found.run_requests or []]


def test_an_empty_landing_folder_starts_nothing(tmp_path: Path) -> None:
    found = look(new_workspace(tmp_path / "workspace"))
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message == "Nothing new in the landing folder."


def test_new_files_start_a_run_of_each_month_they_hold_once(workspace: Workspace) -> None:
    land_good_month(workspace, "2024-08")
    settle(workspace)
    found = look(workspace)
    assert months(found) == [MONTH, "2024-08"]
    assert isinstance(found, dg.SensorResult)
    assert isinstance(look(workspace, found.cursor), dg.SkipReason)


def test_a_changed_file_starts_its_own_month_alone(workspace: Workspace) -> None:
    land_good_month(workspace, "2024-08")
    settle(workspace, 120)
    found = look(workspace)
    assert isinstance(found, dg.SensorResult)
    os.utime(workspace.landing / "freeze" / "op_2024-08.csv", (time.time() - 60,) * 2)
    again = look(workspace, found.cursor)
    assert months(again) == ["2024-08"]
    assert isinstance(again, dg.SensorResult)
    keys = {r.run_key for r in found.run_requests or []}
    assert not keys & {r.run_key for r in again.run_requests or []}


def test_a_file_that_may_still_be_on_its_way_is_left_for_the_next_look(
    workspace: Workspace,
) -> None:
    assert isinstance(look(workspace), dg.SkipReason)
    settle(workspace)
    assert months(look(workspace)) == [MONTH]


def test_a_file_that_cannot_be_read_does_not_keep_others_from_starting(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    land(workspace, "freeze/holiday_photos.csv", "place,weather\nWhitby,rain\n")
    settle(workspace)
    assert months(look(workspace)) == [MONTH]
    assert "holiday_photos.csv: FILE_DATASET_UNKNOWN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (datetime(2024, 9, 22, 6), ["2024-08", "2024-07"]),
        (datetime(2025, 1, 22, 6), ["2024-12", "2024-11"]),
        (datetime(2024, 3, 31, 6), ["2024-02", "2024-01"]),
    ],
)
def test_the_schedule_runs_last_month_and_the_one_before(
    day: datetime, expected: list[str]
) -> None:
    at = day.replace(tzinfo=ZoneInfo("Europe/London"))
    context = dg.build_schedule_context(scheduled_execution_time=at)
    requests: Any = monthly_schedule(context)
    assert [request.partition_key for request in requests] == expected


# --- The instance --------------------------------------------------------------------------


def test_the_instance_file_is_accepted_and_tells_nobody_anything(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.run_monitoring_enabled is True
        assert instance.global_op_concurrency_default_limit == 1
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text("utf-8"))
    assert settings["telemetry"] == {"enabled": False}
