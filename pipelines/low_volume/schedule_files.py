"""What is written of a rebuilt LVA payments schedule: files that say how each value came about.

Belongs here: the tables of a schedule as CSV, its manifest, and writing them whole or not at all.
Does not belong here: any amount (`pricing.low_volume_schedule`), or what is printed
(`pipelines.commands.low_volume`).

`schedule.csv` has the columns that `prices import` reads, in pounds; the others are in pence.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.accounting import versions
from pipelines.low_volume.published_schedules import PublishedSchedule
from pipelines.low_volume.schedule import Schedule
from pipelines.price_books.importing import MADE_UP, NOT_WHOLE
from pipelines.workspace import (
    UserError,
    Workspace,
    refuse_as_folder,
    replacing,
    replacing_named,
    said_of,
)
from pricing.contracts import PAIR
from pricing.low_volume_schedule import CAUSES, BlockValue, Pair, Reexpressed, Row
from pricing.money import PPM, rounded
from pricing.scheme_tables import (
    ACUTE,
    CORE,
    MENTAL_HEALTH_AND_COMMUNITY,
    SCHEDULE_PARTS,
    SECONDARY_DENTAL,
    SPECIALISED,
    WHOLE,
)

MANIFEST = "manifest.json"
_TABLES = ("schedule", "working", "near_threshold", "accounting", "comparison")
_OWN_FILES = {MANIFEST, *(f"{name}.csv" for name in _TABLES)}
ILLUSTRATIVE = f"{MADE_UP} prices or organisations are made up. Do not pay on it."
UNDECIDED = "UNDECIDED: the parties say what pays. Add to the schedule what they agree is a block."
PARTIAL = NOT_WHOLE + " {} lack months, and are in no average. Do not pay on it."
HEADERS = {
    CORE: "Acute, mental health and community",
    ACUTE: "Acute",
    MENTAL_HEALTH_AND_COMMUNITY: "Mental health and community",
    SECONDARY_DENTAL: "Secondary dental",
    SPECIALISED: "Specialised",
    WHOLE: "block_value",
}
"""The header of each part of a schedule, as `prices import` knows it."""
Table = tuple[Sequence[str], list[Sequence[Any]]]


def tables(schedule: Schedule) -> dict[str, Table]:
    """The tables of a schedule, by name: each its header and its rows, in order."""
    made = {
        "schedule": _schedule_table({one.pair: _row(one) for one in schedule.listed}),
        "working": _working(schedule.values),
        "near_threshold": _near_threshold(schedule),
        "accounting": _accounting(schedule),
    }
    if schedule.published:
        made["comparison"] = _comparison(schedule)
    return made


def marks_of(schedule: Schedule) -> list[str]:
    """Why nobody may pay on a schedule, if there is reason."""
    lacking = ", ".join(schedule.years_lacking)
    return [
        *([ILLUSTRATIVE] if schedule.is_illustrative else []),
        *([PARTIAL.format(lacking)] if lacking else []),
    ]


def manifest(schedule: Schedule) -> dict[str, Any]:
    """What a schedule was made from and by what, and the hash of what came out."""
    return {
        "scheme_year": schedule.scheme_year,
        "as_of": f"{schedule.as_of}" if schedule.as_of else None,
        "is_illustrative": schedule.is_illustrative,
        "is_partial": schedule.is_partial,
        "notices": [*marks_of(schedule), *schedule.notices],
        "parts": {
            part.part: {"from": part.source, "rests_on": part.citation}
            for part in schedule.scheme.low_volume.schedule
        },
        "net_uplifts": {
            year: {
                "net": f"{found.net.numerator}/{found.net.denominator}",
                "uplift_ppm": found.uplift.value,
                "uplift_published_on": f"{found.uplift.published_on}",
                "uplift_basis": found.uplift.basis,
                "efficiency_ppm": found.efficiency.value,
                "efficiency_published_on": f"{found.efficiency.published_on}",
                "efficiency_basis": found.efficiency.basis,
            }
            for year, found in schedule.factors.items()
        },
        "growth": _growth(schedule),
        "pairs": len(schedule.listed),
        "pairs_without_value": len(schedule.values) - len(schedule.with_value),
        "total_pence": schedule.total_pence,
        "months_lacking": {year: list(months) for year, months in schedule.years_lacking.items()},
        "inputs": dict(sorted(schedule.inputs.items())),
        "versions": versions(),
        "content_hash": content_hash(schedule),
    }


def _growth(schedule: Schedule) -> dict[str, Any] | None:
    growth = schedule.scheme.parameters.get("low_volume.growth_ppm")
    if not growth:
        return None
    return {
        "growth_ppm": growth.value,
        "published_on": f"{growth.published_on}",
        "basis": growth.basis,
    }


def content_hash(schedule: Schedule) -> str:
    """The sha256 of all tables as they are written: the same inputs give the same."""
    digest = hashlib.sha256()
    for name, content in sorted(_contents(schedule).items()):
        digest.update(f"{name}\n".encode() + content)
    return digest.hexdigest()


def write(schedule: Schedule, folder: Path) -> None:
    """Writes every table and the manifest to a folder, in place of an earlier schedule's.

    Raises `UserError` where the folder holds anything else.
    """
    refuse_other_folder(folder)
    with said_of(folder), replacing(folder) as writing:
        writing.mkdir()
        for name, content in _contents(schedule).items():
            (writing / name).write_bytes(content)
        text = json.dumps(manifest(schedule), indent=1, ensure_ascii=False)
        (writing / MANIFEST).write_text(text + "\n", "utf-8")


def refuse_other_folder(folder: Path) -> None:
    """Raises `UserError` where a folder that the user named is there and no schedule's."""
    refuse_as_folder(folder)
    with said_of(folder):
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if held and not (held <= _OWN_FILES and _is_manifest(folder / MANIFEST)):
        raise UserError(f"{folder} holds other files. Name a folder that is not there yet.")


def _is_manifest(path: Path) -> bool:
    """Whether a file is the manifest of a schedule."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and {"scheme_year", "parts", "content_hash"} <= said.keys()


def to_json(schedule: Schedule) -> dict[str, Any]:
    """The manifest, and under `tables` each table as a list of rows by header."""
    return {
        **manifest(schedule),
        "tables": {
            name: [dict(zip(header, row, strict=True)) for row in rows]
            for name, (header, rows) in tables(schedule).items()
        },
    }


def write_reexpressed(published: PublishedSchedule, made: Reexpressed, path: Path) -> None:
    """Writes a re-expressed schedule, in the columns that `prices import` reads.

    What is undecided goes into a file of its own beside it, which is left without rows where an
    earlier one is there and nothing is.
    """
    beside = undecided_beside(path)
    marks = [ILLUSTRATIVE] if published.book.publication.is_illustrative else []
    if made.undecided or beside.exists():
        _write_rows(made.undecided, beside, [*marks, UNDECIDED])
    _write_rows(made.decided, path, marks)


def undecided_beside(path: Path) -> Path:
    """The file of undecided pairs beside that of a re-expressed schedule.

    >>> undecided_beside(Path("made/schedule.csv")).as_posix()
    'made/schedule-undecided.csv'
    """
    return path.with_name(f"{path.stem}-undecided{path.suffix}")


def _write_rows(rows: Mapping[Pair, Row], path: Path, marks: Sequence[str]) -> None:
    with replacing_named(path) as writing:
        writing.write_bytes(_as_csv(_schedule_table(rows), marks))


def folder_of(workspace: Workspace, scheme_year: str) -> Path:
    """Where the schedule of a year is kept that Dagster makes."""
    return workspace.lake / "low_volume_schedule" / f"scheme_year={scheme_year}"


def _contents(schedule: Schedule) -> dict[str, bytes]:
    return {
        f"{name}.csv": _as_csv(table, marks_of(schedule) if name == "schedule" else [])
        for name, table in tables(schedule).items()
    }


def _as_csv(table: Table, marks: Sequence[str]) -> bytes:
    """A table as CSV; what not to pay on says so above its header, where an import finds titles."""
    header, rows = table
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerows([mark, *[""] * (len(header) - 1)] for mark in marks)
    lines.writerow(header)
    lines.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def _row(value: BlockValue) -> Row:
    return {**{one.part.part: one.pence for one in value.worked}, WHOLE: value.pence}


def _schedule_table(rows: Mapping[Pair, Row]) -> Table:
    """Pairs with their block value and its parts, in pounds, less parts that no pair has."""
    held = {part for row in rows.values() for part, pence in row.items() if pence is not None}
    parts = [part for part in (*SCHEDULE_PARTS, WHOLE) if part in held or part == WHOLE]
    return (
        [*PAIR, *(HEADERS[part] for part in parts)],
        [
            [*pair, *(_pounds(row.get(part)) for part in parts)]
            for pair, row in sorted(rows.items())
        ],
    )


def _pounds(pence: int | None) -> str:
    return "" if pence is None else f"{pence // 100}.{pence % 100:02}"


def _working(values: Iterable[BlockValue]) -> Table:
    header = (*PAIR, "part", "from", "working", "exact_pence", "pence", "is_partial", "rests_on")
    rows: list[Sequence[Any]] = []
    for value in values:
        for one in value.worked:
            exact = one.exact_pence
            shown = f"{exact.numerator}/{exact.denominator}"
            says = (one.part.part, one.part.source, one.in_words, shown, one.pence)
            rows.append([*value.pair, *says, _flag(one.is_partial), one.part.citation])
        for lack in value.missing:
            rows.append([*value.pair, lack.part, "", f"none: {lack.says}", None, None, "", ""])
    return header, rows


def _comparison(schedule: Schedule) -> Table:
    without_price = {one.pair: one.lines_without_price for one in schedule.values}
    header = (
        *PAIR,
        *("published_pence", "rebuilt_pence", "difference_pence", "cause", "says"),
        *("parts", "lines_without_price", "is_partial"),
    )
    return header, [
        [
            *one.pair,
            *(one.published_pence, one.rebuilt_pence, one.difference_pence),
            *(one.cause, CAUSES[one.cause], " ".join(one.parts)),
            *(without_price.get(one.pair), _flag(schedule.is_partial)),
        ]
        for one in schedule.differences
    ]


def _near_threshold(schedule: Schedule) -> Table:
    header = (
        *PAIR,
        *("weighed_pence", "threshold_pence", "is_below", "is_near", "is_across"),
        *("proximity", "provider_income_share_ppm", "delivers_specialised", "had_lva"),
        "is_partial",
    )
    return header, [
        [
            *one.pair,
            *(one.weighed_pence, schedule.scheme.low_volume.threshold_pence),
            *(_flag(one.is_below), _flag(one.is_near), _flag(one.is_across), one.proximity),
            None if share is None else rounded(share * PPM),
            *(_flag(one.delivers_specialised), _flag(one.had_lva), _flag(schedule.is_partial)),
        ]
        for one in schedule.weighed
        for share in [one.provider_income_share]
    ]


def _accounting(schedule: Schedule) -> Table:
    """Each reference year's lines, by the part they count to or why they count to none."""
    header = ("scheme_year", "counts_as", "records", "lines", "lines_without_price", "value_pence")
    rows: list[Sequence[Any]] = []
    with_value = schedule.with_value
    without = {one.pair for one in schedule.values} - with_value
    for year in schedule.years:
        parts = sorted({part for _, part in year.by_pair})
        rows.append([year.scheme_year, "valid records", year.records, None, None, None])
        rows.append([year.scheme_year, "priced records", year.priced, None, None, None])
        for codes, count in sorted(year.refused_by_code.items()):
            rows.append([year.scheme_year, f"refused: {codes}", count, None, None, None])
        found = {part: year.of_part(part, with_value) for part in parts}
        found |= {
            f"of pairs without a value: {part}": year.of_part(part, without) for part in parts
        }
        for (reason, part), one in sorted(year.left_out.items()):
            says = reason if reason == part else f"{reason}: {part}"
            found[f"left out: {says}"] = one
        for says, one in found.items():
            counts = (one.lines, one.lines_without_price, one.value_pence)
            rows.append([year.scheme_year, says, None, *counts])
    return header, rows


def _flag(value: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[value]
