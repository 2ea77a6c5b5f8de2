"""The examples of written pages: finding them, running them, and what they really show.

Belongs here: running the commands and queries of a page in a workspace of their own, in
order, and putting what they gave in place of what the page shows. Does not belong here:
the page.

In a `console` block the lines after a `$ ` command are its output, which a `console quiet` block
leaves out; the table under an `sql` block is its result; a `python` block only has to run.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from docs.builders.commands import printed
from docs.builders.markdown import table
from pipelines.workspace import PROJECT
from tests.workbooks import layout_2026_27, write

COMMAND = ".venv/bin/sus-pricing"
_EXAMPLE = re.compile(
    r"```console(?P<quiet> quiet)?\n(?P<console>.*?)\n```"
    r"|```sql\n(?P<sql>.*?)\n```\n\n(?P<result>\|.*?\|)(?=\n\n|\n?\Z)"
    r"|```python\n(?P<python>.*?)\n```",
    re.DOTALL,
)
_OF_ONE_RUN = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
)


WORKBOOK = "annex-dpa-2026-27.xlsx"
"""A made-up workbook in the layout of 2026/27, which a page may import."""
WORKSHEETS = "data/worksheets"
"""The contract files that ship with the project, which a page may read."""


def renewed(text: str, workspace: Path) -> str:
    """`text` with what its examples show when they are run in `workspace`, in order.

    An example that differs only in a run's identifier or time is left as it is.
    """
    if WORKBOOK in text:
        write(workspace / WORKBOOK, layout_2026_27().values())
    if WORKSHEETS in text:
        shutil.copytree(PROJECT / WORKSHEETS, workspace / WORKSHEETS, dirs_exist_ok=True)

    def renew(example: re.Match[str]) -> str:
        now = _shown(example, workspace)
        return example[0] if _masked(now) == _masked(example[0]) else now

    return _EXAMPLE.sub(renew, text)


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    done = subprocess.run(  # noqa: S603
        ["make", "--dry-run", "--old-file=.venv/ready", target],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line.startswith(COMMAND)]


def _shown(example: re.Match[str], workspace: Path) -> str:
    if example["quiet"]:
        list(_console(example["console"], workspace))
        return example[0]
    if example["console"]:
        return "\n".join(["```console", *_console(example["console"], workspace), "```"])
    if example["sql"]:
        return f"```sql\n{example['sql']}\n```\n\n{_queried(example['sql'], workspace)}"
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", example["python"]], cwd=workspace, capture_output=True, check=True
    )
    return example[0]


def _console(block: str, workspace: Path) -> Iterator[str]:
    for line in block.splitlines():
        if not line.startswith("$ "):
            continue
        yield line
        command = line.removeprefix("$ ")
        if command.startswith("make "):
            for own in recipe(command.removeprefix("make ")):
                yield own
                yield _run(own, workspace)
        else:
            yield _run(command, workspace)


def _run(command: str, workspace: Path) -> str:
    name, *arguments = command.split()
    if name != COMMAND:
        raise ValueError(f"an example can only run {COMMAND}, not {command}")
    # The command line sets its own DAGSTER_HOME, inside the workspace.
    home = {"SUS_PRICING_HOME": str(workspace), "DAGSTER_HOME": ""}
    return printed(arguments, home, workspace)


def _queried(sql: str, workspace: Path) -> str:
    mart = workspace / "marts" / "outputs.duckdb"
    with duckdb.connect(str(mart), read_only=True) as connection:
        found = connection.sql(sql)
        names, rows = found.columns, found.fetchall()
    numbers = [place for place in range(len(names)) if any(_is_number(row[place]) for row in rows)]
    return table(names, [[_cell(value) for value in row] for row in rows], numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if _is_number(value) else str(value)


def _masked(text: str) -> str:
    return _OF_ONE_RUN.sub("#", text)
