"""Good records: the pools of a run, and records of a month put together from them.

Belongs here: what a record has that its parts have not: identifiers, dates, the final price,
its delivered form. Does not belong here: making the parts (`pools`, `templates`), or anything
wrong with a record (`faults`).
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

import polars as pl

from pipelines.synth.extracts import (
    APPOINTMENT,
    DAY_TEXTS,
    END,
    QUERY_DATE,
    START,
    Dataset,
    Mix,
    Month,
    day_number,
)
from pipelines.synth.pools import Pool, contracts, paperwork, patients, uniform
from pipelines.synth.reference import MILLION, Reference
from pipelines.synth.templates import Templates


@dataclass(frozen=True, slots=True)
class Pools:
    """What records of one dataset are put together from."""

    templates: Pool
    contracts: Pool
    patients: Pool
    paperwork: Pool


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is the same for every extract of a run."""

    mix: Mix
    columns: Mapping[str, list[str]]
    pools: Mapping[str, Pools]

    @classmethod
    def make(cls, reference: Reference, seed: int) -> Self:
        """Fill the pools."""
        mix, columns = _toml("mix.toml"), _toml("columns.toml")
        rng = Random(f"{seed}/pools")
        templates = Templates(mix, reference, rng)
        shared = (contracts(mix, reference, rng), patients(mix["filler"], rng), paperwork(mix, rng))
        pools = {
            name: Pools(Pool.of(list(made)), *(pool.only(columns[name]) for pool in shared))
            for name, made in (("apc", templates.spells()), ("op", templates.attendances()))
        }
        return cls(mix, columns, pools)


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Extract:
    """The freeze extract of one dataset and month."""

    world: World
    dataset: Dataset
    month: Month
    seed: int

    def good_records(self, first: int, count: int, rng: Random) -> pl.DataFrame:
        """Records in delivered columns and some of our own that begin with `_`.

        `first` of the month's records were made before these.
        """
        pools = self.world.pools[self.dataset.name]
        template = pools.templates.draw(rng, count)
        contract = pools.contracts.draw_from(template["_group"], rng)
        patient, papers = (pool.draw(rng, count) for pool in (pools.patients, pools.paperwork))
        frame = pl.concat([template, contract, patient, papers], how="horizontal")
        numbers = pl.int_range(first + 1, first + count + 1, eager=True)
        added = [
            *self._identifiers(numbers),
            *self._dates(frame, uniform(rng, count), uniform(rng, count)),
            *_final_amounts(frame),
            pl.repeat(f"{self.month.freeze:%Y%m%d}063000", count, eager=True).alias(QUERY_DATE),
            pl.repeat(None, count, dtype=pl.String, eager=True).alias("_fault"),
        ]
        columns = self.world.columns[self.dataset.name]
        return frame.with_columns(
            series for series in added if series.name in columns or series.name[0] == "_"
        )

    def _identifiers(self, numbers: pl.Series) -> Iterator[pl.Series]:
        before = int(f"{self.dataset.number}{self.month.text.replace('-', '')}") * 10**9
        yield (numbers + before).cast(pl.String).alias(self.dataset.record_id)
        for name in ("Id", "Hospital Provider Spell No", "Attendance Identifier"):
            yield numbers.alias(name)

    def _dates(
        self, frame: pl.DataFrame, day: pl.Series, birthday: pl.Series
    ) -> Iterator[pl.Series]:
        end = (day % self.month.days).cast(pl.Int64) + day_number(self.month.first)
        start = end - frame["_stay"]
        born = start - frame["_age_days"] - birthday % 360
        birth_text, end_text = DAY_TEXTS.gather(born), DAY_TEXTS.gather(end)
        yield start.alias("_start")
        yield end.alias("_end")
        yield DAY_TEXTS.gather(start).alias(START)
        for name in (END, APPOINTMENT, "Attendance Date", "ActivityDate"):
            yield end_text.alias(name)
        yield birth_text.alias("Birth Date")
        yield birth_text.str.slice(0, 4).alias("Year Of Birth")
        yield birth_text.str.slice(4, 2).alias("Month Of Birth")

    def as_delivered(self, records: pl.DataFrame) -> pl.DataFrame:
        """All delivered columns in their order, and none of our own."""
        constants = {
            **self.world.mix["constants"][self.dataset.name],
            "Applicable Costing Period": self.month.costing_period,
            "Extract Date": f"{self.month.freeze:%Y%m%d}",
            "Unique Query Id": f"SYNTHETIC {self.month.text} SEED {self.seed}",
            "ActivityPeriod": self.month.text.replace("-", ""),
        }
        return records.select(
            pl.col(name)
            if name in records.columns
            else pl.lit(constants.get(name), dtype=pl.String).alias(name)
            for name in self.world.columns[self.dataset.name]
        )


def _final_amounts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    pre_mff = frame["_pre_mff"]
    final = (pre_mff * frame["_mff"] + MILLION // 2) // MILLION
    final_text = _pounds_texts(final)
    yield _pounds_texts(final - pre_mff).alias("MFF Adjustment")
    for name in ("PbR Final Tariff", "Tariff Total Payment National"):
        yield final_text.alias(name)


_PENNIES = pl.Series([f".{pence:02d}" for pence in range(100)])


def _pounds_texts(pence: pl.Series) -> pl.Series:
    return (pence // 100).cast(pl.String) + _PENNIES.gather(pence % 100)
