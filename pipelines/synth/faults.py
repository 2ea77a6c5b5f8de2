"""Faults: breaking a share of records in one way each, and counting what was planted.

Belongs here: every way a record can be broken, and what a reader must then find. A fault's
name is the reason code that it must be given. Does not belong here: oddities of good records
(`pools`, `templates`), or the rules that find faults, which are not looked at.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Self

import polars as pl

from pipelines.synth.amounts import NO_DIFFERENCE
from pipelines.synth.extracts import (
    ADJUSTED_STAY,
    ADMISSION_METHOD,
    AGE,
    APC,
    APPOINTMENT,
    ATTENDED,
    CLASSIFICATION,
    COMMISSIONER,
    DAY_TEXTS,
    DERIVED_COMMISSIONER,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    FIRST_ATTENDANCE,
    PROVIDER,
    QUERY_DATE,
    START,
    STAY,
    Dataset,
    Row,
)
from pipelines.synth.reference import MILLION, Reference

MOST_DIRTY_PPM = 500_000
NOT_DATES = ("20240231", "31/07/2024", "not known")

Break = Callable[[Row, int], None]


@dataclass(slots=True)
class Tally:
    """Rows written, those without a planted fault, and the faults planted by code.

    `differences` are good rows that SUS+ prices otherwise than the rules of the year, by cause.
    """

    rows: int = 0
    good: int = 0
    planted: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    differences: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count what another tally counted as well."""
        self.rows += other.rows
        self.good += other.good
        self.planted = dict(Counter(self.planted) + Counter(other.planted))
        self.warnings = dict(Counter(self.warnings) + Counter(other.warnings))
        self.differences = dict(Counter(self.differences) + Counter(other.differences))


@dataclass(slots=True)
class DatasetExpectations:
    """The tally of one dataset, whole and by month."""

    total: Tally = field(default_factory=Tally)
    months: dict[str, Tally] = field(default_factory=dict)


@dataclass(slots=True)
class Expectations:
    """What a reader of the synthetic files must find in them, no more and no less.

    `warnings` are of good rows: of the others, only those broken in their stay or its dates
    have one. `ebi_spells` are good spells of a type that has a zero price without prior
    approval, whoever pays for them.
    """

    seed: int
    months: list[str]
    dirty_ppm: int
    datasets: dict[str, DatasetExpectations]
    prior_approvals: int = 0
    lva_exceptions: int = 0
    ebi_spells: dict[str, int] = field(default_factory=lambda: {"approved": 0, "not_approved": 0})


@dataclass(slots=True)
class Faults:
    """Breaks the share of records that is due, each in one way, every way in its turn."""

    dataset: Dataset
    breaks: Mapping[str, Break]
    dirty_ppm: int
    seen: int = 0
    planted: int = 0

    @classmethod
    def of(cls, dataset: Dataset, reference: Reference, dirty_ppm: int) -> Self:
        """The faults that records of this dataset can have."""
        own = _spell_breaks() if dataset is APC else _attendance_breaks()
        return cls(dataset, {**_shared_breaks(dataset, reference), **own}, dirty_ppm)

    def plant(self, records: pl.DataFrame, rng: Random) -> tuple[pl.DataFrame, Tally]:
        """The records, some of them broken and put anywhere among the good ones."""
        count = len(records)
        dirty = self._due(count)
        good = records.tail(count - dirty)
        broken = [self._broken(row, good, rng) for row in records.head(dirty).iter_rows(named=True)]
        planted = dict(Counter(row["_fault"] for row in broken))
        tally = Tally(count, len(good), planted, _warnings(good, self.dataset), _differences(good))
        if broken:
            order = pl.Series(_scattered(len(good), dirty, rng))
            parts = [good, pl.DataFrame(broken, schema=records.schema)]
            records = pl.concat(parts, rechunk=True).select(pl.all().gather(order))
        return records, tally

    def _due(self, count: int) -> int:
        """Never more than half of a chunk, so that there is a good record to supersede one."""
        self.seen += count
        return min(self.seen * self.dirty_ppm // MILLION - self.planted, count // 2)

    def _broken(self, row: Row, good: pl.DataFrame, rng: Random) -> Row:
        turn, place = divmod(self.planted, len(self.breaks))
        self.planted += 1
        code = list(self.breaks)[place]
        if code == "SUPERSEDED":
            row = good.row(rng.randrange(len(good)), named=True)
        row = {**row, **self.dataset.sound, "_fault": code}
        if STAY in row:
            row[STAY] = str(row["_stay"])
        self.breaks[code](row, turn)
        return row


def _scattered(good: int, broken: int, rng: Random) -> list[int]:
    """An order that puts the broken ones, which come last, anywhere."""
    order: list[int] = []
    placed = 0
    for number, place in enumerate(sorted(rng.sample(range(good + broken), broken))):
        order.extend(range(placed, place - number))
        order.append(good + number)
        placed = place - number
    return [*order, *range(placed, good)]


def _warnings(good: pl.DataFrame, dataset: Dataset) -> dict[str, int]:
    if dataset is not APC:
        return {}
    stay = good[STAY].cast(pl.Int64)
    day_case = good[CLASSIFICATION].is_in(["2", "02"])
    return {
        "LENGTH_OF_STAY_DIFFERS": int((stay != good["_stay"]).sum()),
        "DAY_CASE_WITH_STAY": int((day_case & (stay > 0)).sum()),
    }


def _differences(good: pl.DataFrame) -> dict[str, int]:
    causes = good["_difference"].filter(good["_difference"] != NO_DIFFERENCE)
    return dict(sorted(causes.value_counts().rows()))


def _put(column: str, *values: str) -> Break:
    """Write one of these values, in turn, into a column."""
    return _put_all(*({column: value} for value in values))


def _put_all(*variants: Mapping[str, str]) -> Break:
    """Write one of these sets of values, in turn, into those of their columns there are."""

    def break_row(row: Row, turn: int) -> None:
        variant = variants[turn % len(variants)]
        row.update({name: text or None for name, text in variant.items() if name in row})

    return break_row


def _end_before_start(row: Row, turn: int) -> None:
    row[START] = DAY_TEXTS[row["_end"] + 1 + turn % 5]


def _move_out_of_range(row: Row, turn: int) -> None:
    """Twenty years before, or half a year after the extract was run; the stay is the same."""
    days = (-7305, 250)[turn % 2]
    for name in {START, END, APPOINTMENT} & row.keys():
        row[name] = DAY_TEXTS[row["_start" if name == START else "_end"] + days]


def _run_earlier(row: Row, turn: int) -> None:
    run = date.fromisoformat(row[QUERY_DATE][:8]) - timedelta(days=1 + turn % 7)
    row[QUERY_DATE] = f"{run:%Y%m%d}063000"


def _shared_breaks(dataset: Dataset, reference: Reference) -> dict[str, Break]:
    no_factor = [provider.code for provider in reference.providers if provider.mff_ppm is None]
    categories = ("Administrative Category", "Administrative Category (On Admission)")
    return {
        "PROVIDER_UNKNOWN": _put(PROVIDER, "X99", "ZZ901", "XX900"),
        "COMMISSIONER_UNKNOWN": _put_all(
            {COMMISSIONER: "ZZZ", DERIVED_COMMISSIONER: "ZZZ"},
            {COMMISSIONER: "X98", DERIVED_COMMISSIONER: ""},
            {DERIVED_COMMISSIONER: "ZZZ"},
        ),
        **({"MFF_MISSING": _put(PROVIDER, *no_factor)} if no_factor else {}),
        "SUPERSEDED": _run_earlier,
        "COSTING_DATE_OUT_OF_RANGE": _move_out_of_range,
        "HRG_MISSING": _put(dataset.hrg, ""),
        "HRG_MALFORMED": _put(dataset.hrg, "FE3", "FE32", "FE322Z", "F-32Z", "32FEZ"),
        "TREATMENT_FUNCTION_MISSING": _put("Treatment Function Code", ""),
        "TREATMENT_FUNCTION_MALFORMED": _put("Treatment Function Code", "10", "1000", "&01"),
        "RECORD_ID_MISSING": _put(dataset.record_id, "", "   "),
        "PROVIDER_MISSING": _put(PROVIDER, ""),
        "COMMISSIONER_MISSING": _put_all({COMMISSIONER: "", DERIVED_COMMISSIONER: ""}),
        "ADMINISTRATIVE_CATEGORY_UNKNOWN": _put_all(
            *(dict.fromkeys(categories, code) for code in ("05", "77", "X"))
        ),
        "SPELL_IN_PBR_UNKNOWN": _put("Spell In PbR/Not In PbR", "", "3", "Y"),
        "SUS_PRICE_UNPARSEABLE": _put("PbR Final Tariff", "1,234.00", "12.345", "n/a"),
        "QUERY_DATE_UNPARSEABLE": _put(QUERY_DATE, "", "2024-09-19", "not run"),
    }


def _spell_breaks() -> dict[str, Break]:
    return {
        "ADMISSION_METHOD_MISSING": _put(ADMISSION_METHOD, ""),
        "ADMISSION_METHOD_UNKNOWN": _put(ADMISSION_METHOD, "99", "14", "2E"),
        "PATIENT_CLASSIFICATION_MISSING": _put(CLASSIFICATION, ""),
        "PATIENT_CLASSIFICATION_UNKNOWN": _put(CLASSIFICATION, "8", "9", "A"),
        "START_DATE_MISSING": _put(START, ""),
        "START_DATE_UNPARSEABLE": _put(START, *NOT_DATES),
        "END_DATE_UNPARSEABLE": _put(END, *NOT_DATES),
        "OPEN_SPELL": _put_all(
            {END: "", "Open Spell Indicator": "Y"},
            {END: "", "Open Spell Indicator": ""},
            {"Open Spell Indicator": "Y"},
        ),
        "END_BEFORE_START": _end_before_start,
        "LENGTH_OF_STAY_MISSING": _put(STAY, ""),
        "LENGTH_OF_STAY_UNPARSEABLE": _put(STAY, "2.5", "two"),
        "LENGTH_OF_STAY_OUT_OF_RANGE": _put(STAY, "-1", "36526"),
        "ADJUSTED_LENGTH_OF_STAY_UNPARSEABLE": _put(ADJUSTED_STAY, "3 days", "1e2"),
        "ADJUSTED_LENGTH_OF_STAY_OUT_OF_RANGE": _put(ADJUSTED_STAY, "-2", "99999"),
        "AGE_MISSING": _put(AGE, ""),
        "AGE_UNPARSEABLE": _put(AGE, "n/k", "45y"),
        "AGE_OUT_OF_RANGE": _put(AGE, "131", "-1", "999"),
        "EBI_CATEGORY_UNKNOWN": _put(EBI_CATEGORY, "3", "A"),
        "EBI_TYPE_UNKNOWN": _put_all(
            {EBI_CATEGORY: "1", EBI_TYPE: ""}, {EBI_CATEGORY: "1", EBI_TYPE: "snoring"}
        ),
    }


def _attendance_breaks() -> dict[str, Break]:
    return {
        "ATTENDED_MISSING": _put(ATTENDED, ""),
        "ATTENDED_UNKNOWN": _put(ATTENDED, "1", "8", "Y"),
        "FIRST_ATTENDANCE_MISSING": _put(FIRST_ATTENDANCE, ""),
        "FIRST_ATTENDANCE_UNKNOWN": _put(FIRST_ATTENDANCE, "6", "9", "F"),
        "APPOINTMENT_DATE_MISSING": _put(APPOINTMENT, ""),
        "APPOINTMENT_DATE_UNPARSEABLE": _put(APPOINTMENT, *NOT_DATES),
    }
