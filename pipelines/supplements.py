"""Supplements: what CDS 6.2 supplementary extracts add to the records of a month.

Belongs here: which supplementary row is of which record, and which of several stands.
Does not belong here: taking the files in (`pipelines.deliveries`), or their columns and
codes (`schemas`).

Both datasets have one layout. A row with a spell is of admitted patient care, an episode
of that spell; one without is of the attendance with its identifier.
"""

from pathlib import Path

import polars as pl

from pipelines.deliveries import EVERY_MONTH, ROW_GROUP_ROWS, Delivery, deliveries_of
from pipelines.superseding import superseded
from pipelines.workspace import Workspace
from schemas.extracts import (
    ADMITTED_PATIENT_CARE,
    DELIVERY_COLUMNS,
    SUPPLEMENT,
    SUPPLEMENT_COLUMNS,
    Extract,
)
from schemas.rules import DELIVERED, delivered, known_supplement, stripped, values

_OUTPATIENT_TYPES = ("020", "021")
_ROW = ("query_timestamp", *DELIVERY_COLUMNS)
"""The later Query Date stands, and one that can be read before one that cannot."""


def supplements_of(workspace: Workspace) -> list[Delivery]:
    """The supplementary extracts that have been taken in; the same bytes count once."""
    once = {d.delivery_id: d for d in deliveries_of(workspace, SUPPLEMENT.dataset)}
    return list(once.values())


def added_to(
    workspace: Workspace, extract: Extract, records: list[Path], aside: Path
) -> pl.LazyFrame | None:
    """What supplementary rows add to the records in some parts of the lake.

    A row for each record that has one: `record_id`, the columns of the supplement, null
    where the code is not known, and the texts that they were made from, `delivered_...`.
    Nothing where no supplementary extract came. Writes to the folder `aside`, which must be
    there for as long as the rows are read.
    """
    names = SUPPLEMENT_COLUMNS[extract.dataset]
    parts = [
        workspace.lake / name
        for delivery in supplements_of(workspace)
        for name in delivery.months[EVERY_MONTH].files
    ]
    if not parts:
        return None
    versions = aside / "supplement.parquet"
    _of_records(_read(parts, extract), records).sink_parquet(
        versions, row_group_size=ROW_GROUP_ROWS
    )
    rows = pl.scan_parquet(versions)
    of_source = rows.select(pl.col("source_id").alias("record_id"), *_ROW)
    standing = _without(rows, superseded(of_source, _ROW)).filter(
        pl.any_horizontal(delivered(name).is_not_null() for name in names)
    )
    order = ("episode_number", *_ROW)
    earlier = superseded(standing.select("record_id", *order), order)
    return (
        _without(standing, earlier)
        .with_columns(known_supplement(extract))
        .select("record_id", *names, *(DELIVERED + name for name in names))
    )


def _read(parts: list[Path], extract: Extract) -> pl.LazyFrame:
    """Supplementary rows, cleaned; `source_id` is the record that was sent, `record_id` ours."""
    named = pl.scan_parquet(parts).rename(
        lambda name: name if name in DELIVERY_COLUMNS else DELIVERED + name
    )
    rows = stripped(named, SUPPLEMENT).with_columns(values(SUPPLEMENT))
    own, spell = pl.col("generated_record_id"), pl.col("spell_id")
    if extract is ADMITTED_PATIENT_CARE:
        in_spell = pl.concat_str(
            spell, pl.col("episode_number").cast(pl.String).fill_null(""), separator=" episode "
        )
        return rows.with_columns(source_id=pl.coalesce(own, in_spell), record_id=spell)
    kind = pl.col("cds_record_type_code")
    is_outpatient = spell.is_null() & (kind.is_null() | kind.is_in(_OUTPATIENT_TYPES))
    return rows.filter(is_outpatient).with_columns(source_id=own, record_id=own)


def _of_records(rows: pl.LazyFrame, records: list[Path]) -> pl.LazyFrame:
    """The rows of these records, and every other version of what was sent in them.

    A later version may put an episode in another spell.
    """
    ids = pl.scan_parquet(records).select(pl.col("record_id").str.strip_chars())
    sent = rows.join(ids, on="record_id", how="semi").select("source_id")
    return rows.join(sent, on="source_id", how="semi")


def _without(rows: pl.LazyFrame, earlier: pl.DataFrame) -> pl.LazyFrame:
    return rows.join(earlier.lazy(), on=DELIVERY_COLUMNS, how="anti")
