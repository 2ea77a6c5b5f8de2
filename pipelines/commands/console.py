"""The console: where commands print, how they show progress, and what their options may say.

Belongs here: what every command of the command line shares. Does not belong here: any
command, or anything that is printed.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from pipelines.basis import checked_scheme_year

_PIPED_WIDTH = 110
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err = Console(stderr=True, highlight=False)

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def month(value: str) -> str:
    """A month such as 2024-07; raises `BadParameter` for anything else."""
    if not _MONTH.fullmatch(value):
        raise typer.BadParameter(f"'{value}' is not a month such as 2024-07.")
    return value


def months(value: str) -> list[str]:
    """Every month of `2024-04..2024-07`, or the one month."""
    first, _, last = value.partition("..")
    first, last = month(first), month(last or first)
    if last < first:
        raise typer.BadParameter(f"'{value}' ends before it starts.")
    every, next_one = [], first
    while next_one <= last:
        every.append(next_one)
        year, number = int(next_one[:4]), int(next_one[5:])
        next_one = f"{year + number // 12}-{number % 12 + 1:02}"
    return every


def day(value: str) -> date:
    """A day such as 2025-06-27; raises `BadParameter` for anything else."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"'{value}' is not a date such as 2025-06-27.") from None


def scheme_year(value: str) -> str:
    """A scheme year such as 2025-26; raises `BadParameter` for anything else."""
    try:
        return checked_scheme_year(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def pounds(pence: int | None) -> str:
    """Pounds; no price is not £0.00."""
    if pence is None:
        return "no price"
    sign, pence = "-" if pence < 0 else "", abs(pence)
    return f"{sign}£{pence // 100:,}.{pence % 100:02}"


@contextmanager
def progress(title: str, total: int) -> Iterator[Any]:
    """Progress on the error stream of a terminal; gives what advances it by a number."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.advance(task, done)
