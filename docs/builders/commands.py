"""`docs/commands.md`: the help of every command, as printed.

Belongs here: running the command line for its help. Does not belong here: the help
(`pipelines.cli`).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.builders.markdown import page

COMMAND = Path(sys.executable).with_name("sus-pricing")
_WIDTH = 100
_COLOURING = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE", "TERMINAL_WIDTH")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def build() -> str:
    """The page."""
    from typer.main import get_command

    from pipelines.cli import app

    parts = [_help()]
    for words in _commands(get_command(app)):
        parts += [f"## {' '.join(words)}", _help(*words)]
    return page(
        "Commands",
        "`sus-pricing --help`",
        "On Windows the command is `.venv\\Scripts\\sus-pricing`. It ends with 0 when all is done, "
        "1 when it refused, 2 when it was used wrongly.",
        *parts,
    )


def _commands(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of a group's own commands after it."""
    for name, command in group.commands.items():
        yield (*words, name)
        if hasattr(command, "commands"):
            yield from _commands(command, *words, name)


def printed(
    arguments: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None
) -> str:
    """What `sus-pricing` prints for `arguments`, without colours or blanks at line ends."""
    plain = {name: value for name, value in os.environ.items() if name not in _COLOURING}
    done = subprocess.run(  # noqa: S603 - our own command
        [COMMAND, *arguments],
        env={**plain, "COLUMNS": str(_WIDTH), "NO_COLOR": "1", **(environment or {})},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"sus-pricing {' '.join(arguments)}: {done.stderr}")
    shown = _ANSI.sub("", done.stdout).splitlines()
    return "\n".join(line.rstrip() for line in shown).strip("\n")


def _help(*command: str) -> str:
    return f"```text\n{printed([*command, '--help'])}\n```"
