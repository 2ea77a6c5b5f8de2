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

from pipelines.synth.amounts import with_amounts
from pipelines.synth.extracts import (
    APC,
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
from pipelines.synth.reference import Reference
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
    top_ups: Mapping[str, int]

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
        return cls(mix, columns, pools, reference.top_ups)


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
            pl.repeat(f"{self.month.freeze:%Y%m%d}063000", count, eager=True).alias(QUERY_DATE),
            pl.repeat(None, count, dtype=pl.String, eager=True).alias("_fault"),
        ]
        columns = self.world.columns[self.dataset.name]
        shares = self.world.mix["differences"]
        frame = with_amounts(frame, uniform(rng, count), self.world.top_ups, shares)
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

    def supplement_of(self, records: pl.DataFrame, rng: Random) -> pl.DataFrame:
        """The CDS 6.2 supplementary rows of records: one for each episode or attendance.

        A record without an identifier has none, and one that was delivered twice has one.
        """
        ids = records[self.dataset.record_id]
        is_spell = self.dataset is APC
        frame = records.select(
            pl.col("_overseas_visitor").alias("OSV Status Classification At CDS Activity Date"),
            pl.col(QUERY_DATE),
            _id=ids,
            _episodes=1 + uniform(rng, len(records)) % (3 if is_spell else 1),
            **({} if is_spell else {name: pl.col(f"_{name}") for name in _OF_CLINICS}),
        )
        frame = frame.filter(ids.str.strip_chars() != "").unique("_id", maintain_order=True)
        frame = frame.with_columns(
            _episode=pl.int_ranges(1, pl.col("_episodes").cast(pl.Int64) + 1)
        ).explode("_episode")
        episode = pl.col("_episode").cast(pl.String)
        delivered = {
            "CDS Record Type": pl.lit("130" if is_spell else "020"),
            "Generated Record ID": pl.col("_id") + episode if is_spell else pl.col("_id"),
            **({"Episode Number": episode, "Spell ID": pl.col("_id")} if is_spell else {}),
            "CDS Schema Version": pl.lit("6-2-3"),
        }
        frame = frame.with_columns(text.alias(name) for name, text in delivered.items())
        return frame.select(
            pl.col(name) if name in frame.columns else pl.lit(None, dtype=pl.String).alias(name)
            for name in self.world.columns["supplement"]
        )


_OF_CLINICS = (
    "Multi-Professional Or Multi-Disciplinary Indication Code",
    "Consultation Medium Used",
)
