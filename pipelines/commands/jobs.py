"""Running a month's Dagster jobs from the command line, in its own process.

Belongs here: which jobs a month takes, the instance they are recorded in, the locks that
keep runs apart, and saying what failed. Does not belong here: the jobs
(`pipelines.automation`) or what a command prints of their results.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import typer
from filelock import FileLock, Timeout
from rich.markup import escape

from pipelines.commands.console import err, progress
from pipelines.workspace import PROJECT, UserError, Workspace
from schemas.extracts import EXTRACTS

_COMMAND_LINE = {"sus-pricing/started-by": "command line"}


def run_month(workspace: Workspace, month: str) -> bool:
    """Runs a month's Dagster jobs on the workspace's basis; true if it was published.

    On another basis than the month's own year, the extracts are read only where valid records
    have not been made of all there is.
    """
    os.environ["SUS_PRICING_HOME"] = str(workspace.root)
    with err.status("Starting"):
        from dagster import MultiPartitionKey

        from pipelines.assets import MONTHS
        from pipelines.automation import monthly_pricing, repricing, taking_in
        from pipelines.deliveries import has_news
        from pipelines.scheme_packs import scheme_for
        from pipelines.validation import is_validated

        if month not in set(MONTHS.get_partition_keys()):
            raise typer.BadParameter(f"{month} is not between 2018-04 and this month.")
    basis = workspace.basis
    if basis.is_own_year:
        return _run_job(workspace, monthly_pricing.name, month, month)
    scheme_for(workspace, basis.rules_day(month))
    is_current = not has_news(workspace) and all(
        is_validated(workspace, extract.dataset, month) for extract in EXTRACTS
    )
    key = MultiPartitionKey({"month": month, "basis": basis.name})
    return (is_current or _run_job(workspace, taking_in.name, month, month)) and _run_job(
        workspace, repricing.name, month, key
    )


def take_in_month(workspace: Workspace, month: str) -> bool:
    """Runs the Dagster job that takes in and validates a month; true if all of it was done."""
    from pipelines.automation import taking_in

    os.environ["SUS_PRICING_HOME"] = str(workspace.root)
    return _run_job(workspace, taking_in.name, month, month)


def _run_job(workspace: Workspace, name: str, month: str, partition_key: str) -> bool:
    """Runs one Dagster job in this process; tells what failed. True if all of it was done."""
    from pipelines.assets import BASES
    from pipelines.definitions import defs

    job = defs.resolve_job_def(name)
    basis = workspace.basis
    title = f"{name.replace('_', ' ').capitalize()}: {month}" + (
        "" if partition_key == month else f", {basis.name.replace('_', ' ')}"
    )
    run_id = str(uuid4())
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    failures: list[str] = []
    total = sum(1 for _ in job.nodes)
    with (
        _instance(workspace) as instance,
        _only_run_of(month),
        _alive(run_id),
        progress(title, total) as advance,
    ):
        _give_up_killed_runs(instance)
        if not basis.is_own_year:
            instance.add_dynamic_partitions(str(BASES.name), [basis.name])

        def listen(entry: Any) -> None:
            event = entry.dagster_event
            if event is None:
                return
            if event.event_type_value == "STEP_SUCCESS":
                advance(1)
            failure = _failure(event)
            if failure:
                failures.append(failure)

        instance.add_event_listener(run_id, listen)
        result = job.execute_in_process(
            run_config=quiet,
            instance=instance,
            partition_key=partition_key,
            raise_on_error=False,
            run_id=run_id,
            tags=_COMMAND_LINE,
        )
    for failure in dict.fromkeys(failures):
        err.print(f"[bold red]Refused:[/] {escape(failure)}", soft_wrap=True)
    if not result.success:
        err.print(f"Nothing was published. The run is {run_id} in the Dagster UI.", soft_wrap=True)
    return bool(result.success)


def _failure(event: Any) -> str | None:
    """What a Dagster event says went wrong, if anything, for people."""
    if event.event_type_value == "ASSET_CHECK_EVALUATION":
        check = event.asset_check_evaluation_data
        if check.passed:
            return None
        asset = check.asset_key.to_user_string()
        return f"the check {check.check_name} of {asset} fails: {check.description}"
    if event.event_type_value != "STEP_FAILURE":
        return None
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    cause = failure.error and (failure.error.cause or failure.error)
    message = cause.message.strip() if cause else "no message"
    if "DagsterAssetCheckFailedError" in message:
        return None
    return (
        f"{event.step_key} failed in a way that was not foreseen, which is a defect of "
        f"sus-pricing: {message}"
    )


def _instance(workspace: Workspace) -> Any:
    """The Dagster instance in DAGSTER_HOME, else in the workspace's own folder.

    It has the project's dagster.yaml if it has none. One at a time, since two first runs
    that make its history at once would trip over each other.
    """
    import dagster as dg

    home = Path(os.environ.get("DAGSTER_HOME") or workspace.root).resolve()
    (home / "storage").mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    with FileLock(home / "storage" / ".lock"):
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
        return dg.DagsterInstance.get()


def _give_up_killed_runs(instance: Any) -> None:
    """Ends runs of this command whose process is gone: they hold their place in a pool."""
    import dagster as dg

    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags=_COMMAND_LINE)
    for run in instance.get_runs(started):
        with suppress(Timeout), _alive(run.run_id):
            instance.report_run_failed(run, "The process of this run was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


@contextmanager
def _only_run_of(month: str) -> Iterator[None]:
    """Two runs of one month at once would write the same files."""
    lock = FileLock(Path(os.environ["DAGSTER_HOME"]) / "storage" / f".month-{month}.lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except Timeout:
        raise UserError(f"{month} is being run already. Wait for that run to end.") from None


@contextmanager
def _alive(run_id: str) -> Iterator[None]:
    """Holds a lock that ends with the process, however it ends; `Timeout` if it is held."""
    lock = FileLock(Path(os.environ["DAGSTER_HOME"]) / "storage" / f".{run_id}.lock")
    with lock.acquire(timeout=0):
        yield
    Path(lock.lock_file).unlink(missing_ok=True)
