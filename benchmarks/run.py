"""The benchmarks' command: measures, prints a table, and writes JSON and Markdown.

Belongs here: what is measured, against what, in which order, and the goals. Does not belong
here: the work itself (`benchmarks.work`) or how results look (`benchmarks.report`).

Nothing is asserted of a time: a goal that is missed is reported. What is asserted is that the
SQL which pricing is held against gives the same lines, since a ratio to it says nothing else.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import contracts, reference, report, schedules, work
from benchmarks.child import in_child
from benchmarks.timing import Comparison, seconds
from pipelines.workspace import PROJECT, Workspace, discard

INTAKE_GOAL = 1.5
PRICING_GOAL = 1.8
SQL_GOAL = 1.0
MAIN_JOB_GOAL = 2.0
MAIN_JOB_RECORDS = 1_000_000
MAIN_JOB_SECONDS = 1.56
"""What pricing took when it knew the common path alone, at the end of issue "The main job".

An old figure of the machine that `results.md` names: that code can no longer be run beside this.
It is in the history of that file, as row (c) of commit 2ecf1c1. Far from a million records the
row says little, for what a run takes whatever its size was not measured then.
"""
MONTH_GOAL = 3.0
IMPORT_GOAL_SECONDS = 10.0
PACK_GOAL_SECONDS = 0.1
REPRICING_GOAL = 1.1
STATEMENTS_GOAL = 1.2
SCHEDULE_GOAL, SCHEDULE_COPY_GOAL = 1.2, 3.0
NATIONAL_SPELLS = 60_000_000
"""Spells of three national years, which the reference years stand for."""
MEMORY_MULTIPLES = (1, 4, 16)
_OUT = PROJECT / "benchmarks" / "results.json"


class Ticker:
    """Tells what is being measured."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("Starting", total=total)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Shows what is being done, and counts it when it is."""
        self._progress.update(self._task, description=what)
        yield
        self._progress.advance(self._task)


def main(
    rows: Annotated[int, typer.Option(help="Spells, and as many attendances.")] = 500_000,
    out: Annotated[Path, typer.Option(help="Where the JSON goes; Markdown beside it.")] = _OUT,
    repetitions: Annotated[int, typer.Option(min=1, help="Of each measurement.")] = 3,
    memory_rows: Annotated[int, typer.Option(help="Rows of the smallest memory run.")] = 100_000,
    national_lines: Annotated[
        int, typer.Option(help="Priced lines of the national year.")
    ] = 20_000_000,
    reference_spells: Annotated[
        int, typer.Option(help="Spells of the reference years of a schedule, 36 months.")
    ] = 1_800_000,
    skip_memory: Annotated[bool, typer.Option(help="Leave the memory runs out.")] = False,
) -> None:
    """Measures the pipeline against plain copies and hand-written SQL on the same files."""
    sizes = [] if skip_memory else [memory_rows * multiple for multiple in MEMORY_MULTIPLES]
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress,
        tempfile.TemporaryDirectory(prefix="sus-pricing-benchmarks-") as folder,
    ):
        ticker = Ticker(progress, len(sizes) + 4 + 3 * repetitions + 3 * (repetitions + 1))
        results = measure(
            Path(folder), rows, repetitions, sizes, national_lines, reference_spells, ticker
        )
    report.show(results, console)
    report.write(results, out)


def measure(
    folder: Path,
    rows: int,
    repetitions: int,
    sizes: list[int],
    national_lines: int,
    reference_spells: int,
    ticker: Ticker,
) -> report.Results:
    """Everything in its order: memory first, while the disk and this process are quiet."""
    memory = [measure_memory(folder / str(size), size, ticker) for size in sizes]
    national, peaks = compare_contracts(folder / "national", national_lines, repetitions, ticker)
    schedule, of_schedule = compare_schedule(
        folder / "schedule", reference_spells, repetitions, ticker
    )
    root = folder / "timed"
    workspace = work.open_workspace(root)
    with ticker.doing(f"Making {rows:,} spells and {rows:,} attendances"):
        in_child("extracts", root, rows)
    whole_month, months = compare_month(root, repetitions, ticker)
    with ticker.doing("Pricing by hand-written SQL, to compare every line"):
        sql, lines = priced_alike(workspace)
    pricing = compare_pricing(workspace, sql, repetitions, ticker)
    since = compare_with_main_job(pricing[0], 2 * rows)
    known = compare_reference(workspace, repetitions, ticker)
    intake = compare_intake(workspace, repetitions, ticker)
    comparisons = [intake, *pricing, whole_month, *known, since, *national, *schedule]
    peaks |= of_schedule
    return report.Results(rows, repetitions, comparisons, months, memory, peaks, lines)


def measure_memory(root: Path, rows: int, ticker: Ticker) -> dict[str, Any]:
    """Peak memory of a fresh process that runs the whole month."""
    with ticker.doing(f"Memory of {rows:,} spells and {rows:,} attendances"):
        in_child("extracts", root, rows)
        month = in_child("month", root)
        discard(root)
    return {"spells": rows, "attendances": rows, **month}


def compare_month(
    root: Path, repetitions: int, ticker: Ticker
) -> tuple[Comparison, list[dict[str, Any]]]:
    """The whole month against the copy of the extracts, each in a fresh process."""
    compared = Comparison("d", "whole month, landing to mart", "CSV copy of (a)", MONTH_GOAL)
    months = []
    for repetition in range(repetitions):
        with ticker.doing(f"Whole month, {repetition + 1} of {repetitions}"):
            months.append(in_child("month", root))
            compared.ours.append(months[-1]["seconds"])
            compared.theirs.append(in_child("copy", root)["seconds"])
    return compared, months


def compare_contracts(
    root: Path, lines: int, repetitions: int, ticker: Ticker
) -> tuple[list[Comparison], dict[str, dict[str, float]]]:
    """A national year's contract lines, and its statements, each in a fresh process.

    Gives the comparisons, and by name the most memory that each side took. Fails where the SQL
    does not give the same rows.
    """
    with ticker.doing(f"Making {lines:,} priced lines of a year"):
        in_child("year", root, lines)
    pairs = f"{contracts.PROVIDERS} providers × {contracts.COMMISSIONERS} commissioners × 12 months"
    summed = f"{lines:,} lines to contract lines, {pairs}"
    names = {
        contracts.CONTRACT_LINES: ("j", summed),
        contracts.STATEMENTS: ("k", "the same, and both statements of each month"),
    }
    found = {
        table: Comparison(letter, name, "one SQL statement", STATEMENTS_GOAL)
        for table, (letter, name) in names.items()
    }
    peaks: dict[str, dict[str, float]] = {table: {"ours": 0.0, "theirs": 0.0} for table in found}
    for repetition in range(repetitions):
        with ticker.doing(f"Contract statements, {repetition + 1} of {repetitions}"):
            ours = in_child("ours", root)
            for table, compared in found.items():
                theirs = in_child("sql", root, table)
                compared.ours.append(ours[table]["seconds"])
                compared.theirs.append(theirs["seconds"])
                for side, measured in (("ours", ours[table]), ("theirs", theirs)):
                    peaks[table][side] = max(peaks[table][side], measured["peak_mib"])
    unlike = {table: contracts.differences(contracts.National(root), table) for table in found}
    if any(unlike.values()):
        raise RuntimeError(f"The SQL and ours do not state contracts alike: {unlike}")
    discard(root)
    return list(found.values()), {names[table][0]: peak for table, peak in peaks.items()}


def compare_schedule(
    root: Path, spells: int, repetitions: int, ticker: Ticker
) -> tuple[list[Comparison], dict[str, dict[str, float]]]:
    """Three reference years re-priced and averaged, each side in a fresh process.

    Gives the comparisons, and by letter the most memory that each side took. Fails where the SQL
    does not give the same sums.
    """
    with ticker.doing(f"Making {spells:,} spells of three years"):
        in_child("reference_years", root, spells)
    share = f"{spells:,} spells over 36 months, 1 in {NATIONAL_SPELLS / spells:,.0f} of three years"
    name = f"LVA payments schedule rebuilt from {share}"
    found = {
        "sql_years": Comparison("l", name, "pricing and sums by SQL", SCHEDULE_GOAL),
        "copy_years": Comparison("m", name, "copy of the valid records", SCHEDULE_COPY_GOAL),
    }
    peaks = {one.letter: {"ours": 0.0, "theirs": 0.0} for one in found.values()}
    for repetition in range(repetitions):
        with ticker.doing(f"LVA payments schedule, {repetition + 1} of {repetitions}"):
            ours = in_child("rebuild", root)
            for task, compared in found.items():
                theirs = in_child(task, root)
                compared.ours.append(ours["seconds"])
                compared.theirs.append(theirs["seconds"])
                for side, measured in (("ours", ours), ("theirs", theirs)):
                    peak = peaks[compared.letter]
                    peak[side] = max(peak[side], measured["peak_mib"])
    unlike = schedules.differences(root)
    if unlike:
        raise RuntimeError(f"The SQL and ours do not sum alike: {unlike[:5]}")
    discard(root)
    return list(found.values()), peaks


def priced_alike(workspace: Workspace) -> tuple[work.SqlPricing, int]:
    """The SQL, once it has given the same lines as ours; fails where it does not."""
    sql = work.SqlPricing(workspace)
    sql.price()
    differences = sql.differences()
    if differences:
        raise RuntimeError(f"The SQL and ours do not price alike: {differences}")
    return sql, sql.lines()


def compare_pricing(
    workspace: Workspace, sql: work.SqlPricing, repetitions: int, ticker: Ticker
) -> list[Comparison]:
    """Pricing against a copy of its output, and against the SQL; the first turn is dropped."""
    name = "pricing, Parquet to Parquet"
    copied = Comparison("b", name, "copy of the priced lines", PRICING_GOAL)
    by_sql = Comparison("c", name, "one SQL statement a dataset", SQL_GOAL)
    for repetition in range(repetitions + 1):
        with ticker.doing(f"Pricing, {repetition + 1} of {repetitions + 1}"):
            ours = seconds(lambda: work.price(workspace))
            copy = seconds(lambda: work.copy_priced(workspace))
            statement = seconds(sql.price)
        if repetition:
            copied.ours.append(ours)
            by_sql.ours.append(ours)
            copied.theirs.append(copy)
            by_sql.theirs.append(statement)
    return [copied, by_sql]


def compare_with_main_job(pricing: Comparison, records: int) -> Comparison:
    """Pricing by all rules against the common path alone, which was timed long before."""
    against = f'issue "The main job", old figure of {MAIN_JOB_SECONDS:g} s a million, same machine'
    then = MAIN_JOB_SECONDS * records / MAIN_JOB_RECORDS
    return Comparison(
        "i", "pricing by all rules", against, MAIN_JOB_GOAL, ours=pricing.ours, theirs=[then]
    )


def compare_reference(workspace: Workspace, repetitions: int, ticker: Ticker) -> list[Comparison]:
    """Reference data, and the month on another basis; the first turn is dropped."""
    path = workspace.root / "annex_a.xlsx"
    tabs = reference.make_workbook(path)
    size = f"workbook of {tabs} tabs, {reference.HRGS:,} HRGs each"
    imported = Comparison("f", f"import of a {size}", "plain read of it", IMPORT_GOAL_SECONDS, True)
    loaded = Comparison("g", "loading a scheme pack", "plain parse", PACK_GOAL_SECONDS, True)
    repriced = Comparison(
        "h", "month re-priced, valid records to mart", "the same in its own year", REPRICING_GOAL
    )
    for repetition in range(repetitions + 1):
        with ticker.doing(f"Reference data, {repetition + 1} of {repetitions + 1}"):
            turns = [
                (imported, lambda: reference.import_whole(workspace, path)),
                (loaded, lambda: reference.load_packs(workspace)),
                (repriced, lambda: work.price_and_publish(workspace.on(reference.OTHER_YEAR))),
            ]
            against = [
                lambda: reference.read_plainly(path),
                reference.parse_pack,
                lambda: work.price_and_publish(workspace),
            ]
            for (compared, ours), theirs in zip(turns, against, strict=True):
                timed = seconds(ours), seconds(theirs)
                if repetition:
                    compared.ours.append(timed[0])
                    compared.theirs.append(timed[1])
    discard(workspace.imported)
    return [imported, loaded, repriced]


def compare_intake(workspace: Workspace, repetitions: int, ticker: Ticker) -> Comparison:
    """Intake against a copy of the columns we use; the first turn is dropped."""
    compared = Comparison("a", "intake", "CSV copy of the columns used", INTAKE_GOAL)
    for repetition in range(repetitions + 1):
        with ticker.doing(f"Intake, {repetition + 1} of {repetitions + 1}"):
            work.forget(workspace)
            ours = seconds(lambda: work.take_in(workspace))
            copy = seconds(lambda: work.copy_extracts(workspace))
        if repetition:
            compared.ours.append(ours)
            compared.theirs.append(copy)
    return compared


if __name__ == "__main__":
    typer.run(main)
