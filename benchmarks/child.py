"""One measurement in a process of its own, so that nothing before it warms or fills it.

Belongs here: the pieces of work that are measured that way, and how much memory a process has
taken. Does not belong here: what they are held against, or when they run (`benchmarks.run`).

    python -m benchmarks.child extracts|month|copy|year|ours|sql FOLDER [ROWS|TABLE]
    python -m benchmarks.child reference_years|rebuild|copy_years|sql_years FOLDER [SPELLS]
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.workspace import PROJECT

MIB = 1 << 20


def in_child(task: str, root: Path, *arguments: object) -> dict[str, Any]:
    """Runs a task in a fresh process; gives what it measured."""
    command = [sys.executable, "-m", "benchmarks.child", task, str(root), *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task} failed in its process:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def peak_mib() -> float:
    """The most memory this process has held so far, in MiB.

    Where the system says it of the process alone, that is taken: the usual counter of a new
    process begins at the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / MIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak * 1024 / MIB


def _month(root: Path) -> dict[str, Any]:
    from benchmarks.timing import seconds
    from benchmarks.work import forget, month_steps, open_workspace

    workspace = open_workspace(root)
    forget(workspace)
    steps, peaks = {}, {}
    for name, step in month_steps():
        steps[name] = seconds(lambda step=step: step(workspace))  # type: ignore[misc]
        peaks[name] = peak_mib()
    return {"seconds": sum(steps.values()), "steps": steps, "peak_mib": peak_mib(), "peaks": peaks}


def _copy(root: Path) -> dict[str, Any]:
    from benchmarks.timing import seconds
    from benchmarks.work import copy_extracts, open_workspace

    workspace = open_workspace(root)
    return {"seconds": seconds(lambda: copy_extracts(workspace)), "peak_mib": peak_mib()}


def _extracts(root: Path, rows: str) -> dict[str, Any]:
    from benchmarks.work import make_extracts, open_workspace

    workspace = open_workspace(root)
    make_extracts(workspace, int(rows))
    sizes = [path.stat().st_size for path in workspace.landing.rglob("*.csv")]
    return {"mib": sum(sizes) / MIB}


def _year(root: Path, lines: str) -> dict[str, Any]:
    from benchmarks.contracts import National, make_year

    make_year(National(root), int(lines))
    return {}


def _ours(root: Path) -> dict[str, Any]:
    from benchmarks.contracts import National, state, sum_lines
    from benchmarks.timing import seconds

    national = National(root)
    summed = seconds(lambda: sum_lines(national))
    peak_of_sums = peak_mib()
    both = summed + seconds(lambda: state(national))
    return {
        "contract_lines": {"seconds": summed, "peak_mib": peak_of_sums},
        "statements": {"seconds": both, "peak_mib": peak_mib()},
    }


def _sql(root: Path, table: str) -> dict[str, Any]:
    from benchmarks.contracts import National, by_sql
    from benchmarks.timing import seconds

    return {"seconds": seconds(lambda: by_sql(National(root), table)), "peak_mib": peak_mib()}


def _reference_years(root: Path, spells: str) -> dict[str, Any]:
    from benchmarks.schedules import make_years

    make_years(root, int(spells))
    return {}


def _of_schedule(name: str) -> Callable[[Path], dict[str, Any]]:
    def measure(root: Path) -> dict[str, Any]:
        from benchmarks import schedules
        from benchmarks.timing import seconds

        work: Callable[[Path], None] = getattr(schedules, name)
        return {"seconds": seconds(lambda: work(root)), "peak_mib": peak_mib()}

    return measure


if __name__ == "__main__":
    _task, _root, *_arguments = sys.argv[1:]
    _tasks: dict[str, Any] = {
        **{"extracts": _extracts, "month": _month, "copy": _copy},
        **{"year": _year, "ours": _ours, "sql": _sql, "reference_years": _reference_years},
        **{"rebuild": _of_schedule("rebuild"), "copy_years": _of_schedule("copy")},
        "sql_years": _of_schedule("by_sql"),
    }
    json.dump(_tasks[_task](Path(_root), *_arguments), sys.stdout)
