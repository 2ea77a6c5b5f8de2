"""The command line: `sus-pricing run`, `explain` and `synth`.

Belongs here: reading options, showing progress and printing results for people. Does not
belong here: the work; a run is the same Dagster job that the schedule starts.

Exit codes: 0 all done, 1 refused to publish (or nothing to show), 2 wrong usage.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from filelock import FileLock, Timeout
from rich.markup import escape
from rich.table import Table

from pipelines.basis import OWN_YEAR
from pipelines.commands import prices
from pipelines.commands.console import err, out, pounds, progress
from pipelines.commands.console import month as valid_month
from pipelines.commands.console import months as valid_months
from pipelines.workspace import PROJECT, UserError, Workspace, keep_private

app = typer.Typer(
    help="Prices SUS+ extracts under the NHS Payment Scheme and publishes them in DuckDB.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(prices.app, name="prices")
_SHOWN_CODES = 12
_COMMAND_LINE = {"sus-pricing/started-by": "command line"}


def main() -> None:
    """Runs the command line; a user's mistake ends in a sentence, not a traceback."""
    keep_private()
    try:
        app()
    except UserError as error:
        err.print(f"[bold red]Refused:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.command()
def run(
    month: Annotated[str, typer.Option(help="Month of activity, such as 2024-07.")],
) -> None:
    """Takes in, validates, prices and publishes one month; ends with the accounting."""
    valid_month(month)
    workspace = Workspace.at()
    if not _run_job(workspace, month):
        raise typer.Exit(1)
    from pipelines.accounting import read_account
    from pipelines.publishing import published_notices

    account = read_account(workspace, month)
    for table in (
        _records_table(account),
        _refusals_table(account),
        _mechanisms_table(account),
    ):
        out.print(table)
        out.print()
    for notice in published_notices(workspace, month):
        out.print(f"[bold yellow]{escape(notice)}[/]")
    out.print(f"Content hash {account.content_hash}")
    out.print(f"Published in [bold]{escape(workspace.shown(workspace.mart))}[/]", soft_wrap=True)


@app.command()
def explain(
    record_id: Annotated[str, typer.Argument(help="Spell Identifier or Generated Record ID.")],
) -> None:
    """Says how a record's amount came about, step by step, with citations."""
    from pipelines.explaining import explain_record

    explained = explain_record(Workspace.at(), record_id)
    for title, steps in explained:
        table = Table(
            title=title, title_justify="left", show_header=False, box=None, padding=(0, 1)
        )
        table.add_column(justify="right", style="dim")
        table.add_column(style="bold", overflow="fold")
        table.add_column(overflow="fold")
        table.add_column(style="dim", overflow="fold")
        for number, step in enumerate(steps, 1):
            table.add_row(str(number), escape(step.what), escape(step.how), escape(step.citation))
        out.print(table)
        out.print()


@app.command()
def synth(
    months: Annotated[str, typer.Option(help="Months, such as 2024-07..2024-09.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    spells: Annotated[int, typer.Option(min=0, help="APC spells over all months.")] = 20_000,
    attendances: Annotated[
        int, typer.Option(min=0, help="OP attendances over all months.")
    ] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    dirty_ppm: Annotated[
        int, typer.Option(min=0, max=500_000, help="Rows with one planted fault, per million.")
    ] = 10_000,
) -> None:
    """Writes synthetic SUS+ extracts, prior approvals and what to expect of them."""
    from pipelines.price_books import shipped_folder
    from pipelines.scheme_packs import scheme_for
    from pipelines.synth import Reference, write_extracts

    wanted = valid_months(months)
    workspace = Workspace.at()
    on = OWN_YEAR.rules_day(wanted[0])
    year = scheme_for(workspace, on).scheme.scheme_year
    book = shipped_folder(workspace, year, on)
    reference = Reference.read(workspace.data / "organisations", book)
    with progress("Writing synthetic extracts", spells + attendances) as advance:
        write_extracts(wanted, spells, attendances, seed, out_dir, reference, dirty_ppm, advance)
    out.print(
        f"{spells:,} spells and {attendances:,} attendances in [bold]{escape(str(out_dir))}[/]; "
        "what was planted is in expectations.json. All synthetic: no patient is in them.",
        soft_wrap=True,
    )


def _run_job(workspace: Workspace, month: str) -> bool:
    """Runs the month's Dagster job in this process; tells what failed. True if it published."""
    os.environ["SUS_PRICING_HOME"] = str(workspace.root)
    with err.status("Starting"):
        from pipelines.assets import MONTHS
        from pipelines.automation import monthly_pricing
        from pipelines.definitions import defs

        if month not in set(MONTHS.get_partition_keys()):
            raise typer.BadParameter(f"{month} is not between 2018-04 and this month.")
        job = defs.resolve_job_def(monthly_pricing.name)
    run_id = str(uuid4())
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    failures: list[str] = []
    total = sum(1 for _ in job.nodes)
    with (
        _instance(workspace) as instance,
        _only_run_of(month),
        _alive(run_id),
        progress(f"Pricing {month}", total) as advance,
    ):
        _give_up_killed_runs(instance)

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
            partition_key=month,
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


def _records_table(account: Any) -> Table:
    table = Table(title=f"Records of {account.activity_month}", title_justify="left")
    table.add_column("dataset")
    table.add_column("cut")
    for column in ("files", "delivered", "priced", "refused"):
        table.add_column(column, justify="right", no_wrap=True)
    for d in account.datasets:
        refused = d.refused_by_validation + d.refused_by_pricing
        counts = (len(d.files), d.delivered, d.priced, refused)
        table.add_row(d.dataset, d.cut, *(f"{count:,}" for count in counts))
    table.add_section()
    totals = (account.delivered, account.priced, account.refused)
    table.add_row("all", "", "", *(f"{total:,}" for total in totals))
    return table


def _refusals_table(account: Any) -> Table:
    """Refusals by code, the most frequent first, with the organisations that are missing."""
    table = Table(title="Refused for", title_justify="left")
    table.add_column("dataset")
    table.add_column("code", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("organisations", overflow="fold")
    for d in account.datasets:
        by_count = sorted(d.refused_by_code.items(), key=lambda entry: (-entry[1], entry[0]))
        for code, count in by_count[:_SHOWN_CODES]:
            organisations = list(d.refused_organisations.get(code, {}))[:_SHOWN_CODES]
            table.add_row(d.dataset, code, f"{count:,}", escape(", ".join(organisations)))
        more = len(d.refused_by_code) - _SHOWN_CODES
        if more > 0:
            table.add_row(d.dataset, f"and {more} more codes", "", "see refused_records")
        table.add_section()
    return table


def _mechanisms_table(account: Any) -> Table:
    title = f"Lines and pounds by mechanism, {account.activity_month}, scheme {account.scheme_year}"
    table = Table(title=title, title_justify="left")
    table.add_column("dataset")
    table.add_column("mechanism", no_wrap=True)
    for column in ("lines", "value", "payable", "local price to agree"):
        table.add_column(column, justify="right", no_wrap=True)
    for m in account.mechanisms:
        table.add_row(
            m.dataset,
            m.payment_mechanism,
            f"{m.lines:,}",
            pounds(m.value_pence),
            pounds(m.payable_pence),
            f"{m.lines_without_price:,}",
        )
    table.add_section()
    table.add_row(
        "all",
        "",
        f"{sum(m.lines for m in account.mechanisms):,}",
        pounds(account.value_pence),
        pounds(account.payable_pence),
        f"{sum(m.lines_without_price for m in account.mechanisms):,}",
    )
    return table
