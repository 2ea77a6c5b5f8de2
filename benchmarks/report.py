"""Reporting: the machine, and the results as JSON, as a table and as Markdown.

Belongs here: what is said of a run and how it looks. Does not belong here: measuring.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.child import MIB
from benchmarks.timing import Comparison
from pipelines.accounting import versions

MEMORY_GOAL_MIB = 2_048
_HEADINGS = ("", "what", "ours", "against", "theirs", "ratio", "goal", "met")
_STEP_HEADINGS = ("step of the month", "seconds", "share")
_PEAK_HEADINGS = ("row", "ours", "theirs")
_MEMORY_HEADINGS = ("spells + attendances", "peak memory", "seconds", "highest step")


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run of the benchmarks measured."""

    rows: int
    repetitions: int
    comparisons: list[Comparison]
    months: list[dict[str, Any]]
    memory: list[dict[str, Any]]
    national_peaks_mib: dict[str, dict[str, float]]
    lines_checked: int

    @property
    def steps(self) -> dict[str, float]:
        """Median seconds of each step of the whole month."""
        names = self.months[0]["steps"]
        return {name: median(month["steps"][name] for month in self.months) for name in names}

    def as_json(self) -> dict[str, Any]:
        """Everything, every repetition included."""
        return {
            "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": machine(),
            "versions": {"python": platform.python_version(), **versions()},
            "spells": self.rows,
            "attendances": self.rows,
            "repetitions": self.repetitions,
            "lines_equal_to_sql": self.lines_checked,
            "comparisons": [
                {
                    **asdict(c),
                    "median_ours": median(c.ours),
                    "median_theirs": median(c.theirs),
                    "ratio": c.ratio,
                    "is_met": c.is_met,
                }
                for c in self.comparisons
            ],
            "month_steps_seconds": self.steps,
            "national_peaks_mib": self.national_peaks_mib,
            "memory": {"goal_mib": MEMORY_GOAL_MIB, "runs": self.memory},
        }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mib": round(pages * page / MIB),
        "system": f"{platform.system()} {platform.machine()}",
    }


def show(results: Results, console: Console) -> None:
    """Prints the tables."""
    for title, headings, rows in _tables(results):
        table = Table(title=title, title_justify="left")
        for place, heading in enumerate(headings):
            is_number = place > 0 and all(row[place][:1].isdigit() for row in rows)
            table.add_column(heading, justify="right" if is_number else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(_about(results))


def write(results: Results, path: Path) -> None:
    """Writes the JSON to `path`, and the tables in Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.as_json(), indent=1) + "\n", "utf-8")
    path.with_suffix(".md").write_text(_markdown(results), "utf-8")


def _tables(results: Results) -> list[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    tables: list[tuple[str, Sequence[str], list[tuple[str, ...]]]] = [
        ("Time, medians", _HEADINGS, [_comparison_row(c) for c in results.comparisons]),
        ("Where the month's time goes", _STEP_HEADINGS, _step_rows(results.steps)),
    ]
    peaks = [
        (row, *(f"{peak[side]:,.0f} MiB" for side in ("ours", "theirs")))
        for row, peak in results.national_peaks_mib.items()
    ]
    tables.append(("Peak memory of national years; goal: under 2 GiB", _PEAK_HEADINGS, peaks))
    if results.memory:
        title = f"(e) Peak memory of the month; goal: flat, under 2 GiB. {_memory_verdict(results)}"
        tables.append((title, _MEMORY_HEADINGS, [_memory_row(run) for run in results.memory]))
    return tables


def _comparison_row(c: Comparison) -> tuple[str, ...]:
    return (
        c.letter,
        c.name,
        f"{median(c.ours):.2f} s",
        c.against,
        f"{median(c.theirs):.2f} s",
        f"{c.ratio:.2f}",
        f"≤ {c.goal:g}{' s' if c.is_goal_in_seconds else ''}",
        _yes(c.is_met),
    )


def _step_rows(steps: Mapping[str, float]) -> list[tuple[str, ...]]:
    total = sum(steps.values())
    rows = [(name, f"{spent:.2f}", f"{spent / total:.0%}") for name, spent in steps.items()]
    return [*rows, ("all", f"{total:.2f}", "100%")]


def _memory_row(run: Mapping[str, Any]) -> tuple[str, ...]:
    # The first step at which the peak stands is the one that made it.
    highest = next(name for name, peak in run["peaks"].items() if peak >= run["peak_mib"] - 1)
    return (
        f"{run['spells']:,} + {run['attendances']:,}",
        f"{run['peak_mib']:,.0f} MiB",
        f"{run['seconds']:.1f}",
        highest,
    )


def _memory_verdict(results: Results) -> str:
    peaks = [run["peak_mib"] for run in results.memory]
    rows = [run["spells"] for run in results.memory]
    return (
        f"Under 2 GiB: {_yes(max(peaks) <= MEMORY_GOAL_MIB)}; {peaks[-1] / peaks[0]:.1f} times "
        f"the memory for {rows[-1] / rows[0]:.0f} times the rows"
    )


def _markdown(results: Results) -> str:
    parts = ["# Benchmarks", _about(results)]
    for title, headings, rows in _tables(results):
        lines = [_line(headings), _line(["---"] * len(headings)), *map(_line, rows)]
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _about(results: Results) -> str:
    on = machine()
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"{results.rows:,} spells and {results.rows:,} attendances of one month, synthetic; "
        f"{results.repetitions} repetitions of each, in turn. {results.lines_checked:,} priced "
        f"lines are equal, row for row, to those of the SQL. {on['cpu']}, {on['cores']} cores, "
        f"{on['memory_mib']:,} MiB. {used}. Ratios are what to compare; seconds are of this "
        "machine, with whatever else it was doing."
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _yes(met: bool) -> str:
    return "yes" if met else "no"
