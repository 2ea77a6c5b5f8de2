"""The files of a run: extracts in bounded memory, the users' lists, and what to expect.

Belongs here: the order of a run, writing each file whole or not at all, and the prior
approvals and exceptions that users would bring. Does not belong here: what stands in an
extract (`records`) or is wrong with it (`faults`).
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import IO

import polars as pl

from pipelines.synth.extracts import APC, DATASETS, DAY_0, EBI_CATEGORY, EBI_TYPE, Mix, Month, Row
from pipelines.synth.faults import MOST_DIRTY_PPM, DatasetExpectations, Expectations, Faults, Tally
from pipelines.synth.lists import OfRecords, lists, period
from pipelines.synth.plans import Activity
from pipelines.synth.pools import is_mental_health, stable
from pipelines.synth.records import Extract, World
from pipelines.synth.reference import Reference
from pipelines.synth.schedules import schedule_lists

CHUNK_ROWS = 50_000
DEFAULT_DIRTY_PPM = 10_000

APPROVAL_COLUMNS = (
    *("record_id", "provider_code", "commissioner_code", "ebi_type_code"),
    *("valid_from", "valid_to", "approval_reference"),
)
EXCEPTION_COLUMNS = ("provider_code", "commissioner_code", "exception", "valid_from", "valid_to")


def write_extracts(
    months: Sequence[str],
    spells: int,
    attendances: int,
    seed: int,
    out: Path,
    reference: Reference,
    dirty_ppm: int = DEFAULT_DIRTY_PPM,
    progress: Callable[[int], None] | None = None,
    schedule_years: Sequence[str] = (),
) -> Expectations:
    """Write the freeze extracts of `months`, the users' lists, and what to expect of them.

    Beside each extract goes its CDS 6.2 supplement. `schedule_years` are those whose LVA payments
    schedules the months are for.
    `spells` and `attendances` are rows over all months; `dirty_ppm` of them carry one planted
    fault each. `progress` is told the rows written since it was last told.
    """
    _check_arguments(months, spells, attendances, dirty_ppm)
    world = World.make(reference, seed)
    datasets = {dataset.name: DatasetExpectations() for dataset in DATASETS}
    expectations = Expectations(seed, list(months), dirty_ppm, datasets)
    (out / "freeze").mkdir(parents=True, exist_ok=True)
    of_months = period(months)
    of_records = OfRecords(Activity(reference))
    with _renamed_when_whole(out / f"prior_approvals_{of_months}.csv") as file:
        approvals = Approvals(file, expectations)
        for dataset, rows in zip(DATASETS, (spells, attendances), strict=True):
            faults = Faults.of(dataset, reference, dirty_ppm)
            for month, month_rows in zip(months, _spread(rows, len(months)), strict=True):
                extract = Extract(world, dataset, Month(month), seed)
                tally = _write_extract(
                    extract, month_rows, out / "freeze", faults, approvals, of_records, progress
                )
                datasets[dataset.name].months[month] = tally
                datasets[dataset.name].total.add(tally)
    exceptions = _lva_exceptions(months, reference, world.mix)
    expectations.lva_exceptions = len(exceptions)
    with _renamed_when_whole(out / f"lva_exceptions_{of_months}.csv") as file:
        _write_lines(file, [EXCEPTION_COLUMNS, *exceptions])
    own_lists = lists(months, reference, world.mix, of_records)
    for name, columns, rows_of_list in (*own_lists, *schedule_lists(schedule_years, reference)):
        with _renamed_when_whole(out / f"{name}.csv") as file:
            _write_lines(file, [columns, *rows_of_list])
    with _renamed_when_whole(out / f"expectations_{of_months}.json") as file:
        file.write((json.dumps(asdict(expectations), indent=2, sort_keys=True) + "\n").encode())
    return expectations


def _check_arguments(months: Sequence[str], spells: int, attendances: int, dirty_ppm: int) -> None:
    well_formed = all(re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month) for month in months)
    if not months or not well_formed or len(set(months)) != len(months):
        raise ValueError(f"months must be different and written YYYY-MM: {list(months)}")
    if min(months) < "2018-04" or max(months) > "2037-12":
        raise ValueError("months must be from 2018-04, before which no record is valid, to 2037-12")
    if min(spells, attendances) < 0:
        raise ValueError("spells and attendances must not be negative")
    if not 0 <= dirty_ppm <= MOST_DIRTY_PPM:
        raise ValueError(f"dirty_ppm must be between 0 and {MOST_DIRTY_PPM}")


def _write_extract(
    extract: Extract,
    rows: int,
    folder: Path,
    faults: Faults,
    approvals: "Approvals",
    of_records: OfRecords,
    progress: Callable[[int], None] | None,
) -> Tally:
    """Write it and its supplement in chunks; no file where there are no rows."""
    tally = Tally()
    if not rows:
        return tally
    dataset, month = extract.dataset, extract.month.text
    rng = Random(f"{extract.seed}/{dataset.name}/{month}")
    of_supplement = Random(f"{extract.seed}/{dataset.name}/{month}/supplement")
    with ExitStack() as files:
        file, supplement = (
            files.enter_context(_renamed_when_whole(folder / f"{stem}_{month}.csv"))
            for stem in (dataset.file_stem, f"{dataset.name}_supplement")
        )
        _write_lines(file, [extract.world.columns[dataset.name]])
        _write_lines(supplement, [extract.world.columns["supplement"]])
        for size in _spread(rows, -(-rows // CHUNK_ROWS)):
            chunk, counted = faults.plant(extract.good_records(tally.rows, size, rng), rng)
            for delivered, to in (
                (extract.as_delivered(chunk), file),
                (extract.supplement_of(chunk, of_supplement), supplement),
            ):
                delivered.write_csv(
                    to, include_header=False, line_terminator="\r\n", batch_size=4096
                )
            tally.add(counted)
            approvals.decide(chunk, tally)
            of_records.gather(chunk, dataset, month)
            if progress:
                progress(size)
    return tally


def _spread(total: int, parts: int) -> list[int]:
    """Nearly equal parts of a total.

    >>> _spread(7, 3)
    [2, 2, 3]
    """
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


@contextmanager
def _renamed_when_whole(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _write_lines(file: IO[bytes], rows: Sequence[Sequence[str]]) -> None:
    file.write("".join(",".join(row) + "\r\n" for row in rows).encode())


class Approvals:
    """Decides which spells were approved, and writes the approvals that say so.

    Three in ten weeks of a provider, payer and type are approved as a whole, by an approval
    with dates; three in ten spells of all, in the other weeks, by their record identifier.
    """

    def __init__(self, file: IO[bytes], expectations: Expectations) -> None:
        self._file = file
        self._found = expectations
        self._weeks: set[tuple[str, ...]] = set()
        _write_lines(file, [APPROVAL_COLUMNS])

    def decide(self, records: pl.DataFrame, tally: Tally) -> None:
        """Decide for the good spells among these records that need an approval.

        Those without one that SUS+ gives a price are counted among the differences.
        """
        if EBI_TYPE not in records.columns:
            return
        own = ("_start", "_provider", "_payer", "_fault", "_final")
        columns = (APC.record_id, EBI_CATEGORY, EBI_TYPE, *own)
        typed = records.select(columns).filter(pl.col(EBI_TYPE).is_not_null())
        in_scope = pl.col(EBI_CATEGORY).is_in(("1", "01")) & pl.col(EBI_TYPE).str.contains(
            "^[A-D]_"
        )
        for row in typed.filter(in_scope, pl.col("_fault").is_null()).iter_rows(named=True):
            approved = self._by_week(row) or self._by_record(row)
            self._found.ebi_spells["approved" if approved else "not_approved"] += 1
            if row["_final"] and not approved:
                tally.add(Tally(differences={"ebi_approval": 1}))

    def _by_week(self, row: Row) -> bool:
        start = DAY_0 + timedelta(days=row["_start"])
        monday = start - timedelta(days=start.weekday())
        week = (row["_provider"], row["_payer"], row[EBI_TYPE][0], f"{monday}")
        if self._draw(*week) >= 300:
            return False
        if week not in self._weeks:
            self._weeks.add(week)
            dates = (f"{monday}", f"{monday + timedelta(days=6)}")
            self._write("", row["_provider"], row["_payer"], row[EBI_TYPE], *dates)
        return True

    def _by_record(self, row: Row) -> bool:
        record_id = str(row[APC.record_id])
        if self._draw(record_id) >= 430:
            return False
        self._write(record_id, "", "", "", "", "")
        return True

    def _draw(self, *parts: str) -> int:
        return stable(str(self._found.seed), *parts) % 1000

    def _write(self, *values: str) -> None:
        self._found.prior_approvals += 1
        _write_lines(self._file, [(*values, f"SYN-{self._found.prior_approvals:07d}")])


def _lva_exceptions(months: Sequence[str], reference: Reference, mix: Mix) -> list[tuple[str, ...]]:
    """Some pairs of the low volume schedule, in force for the months' years; some expired."""
    years = [Month(month).scheme_year_start for month in months]
    in_force = (f"{min(years)}-04-01", f"{max(years) + 1}-03-31")
    expired = (f"{min(years) - 1}-04-01", f"{min(years)}-03-31")
    trusts = {each.code: each for each in reference.providers if each.kind == "nhs_trust"}
    rows: list[tuple[str, ...]] = []
    for place, (code, payer) in enumerate(reference.low_volume_pairs):
        trust = trusts.get(code)
        if trust and is_mental_health(trust, mix["providers"]):
            rows.append((code, payer, "out_of_area_mental_health", *in_force))
        elif trust and place % 4 == 0:
            rows.append((code, payer, "patient_choice_without_contract", *in_force))
        elif trust and place % 8 == 1:
            rows.append((code, payer, "patient_choice_without_contract", *expired))
    return rows
