"""Pandera contracts: what a table of valid records is asserted to be before it is priced.

Belongs here: the contract of each extract, generated from the same column definitions as
the record rules, so that neither can drift. Does not belong here: column definitions
(`schemas.extracts`) or finding and reporting bad rows (`schemas.rules`), which is done
first and cheaply; the contract is the second lock.
"""

from typing import Any

import pandera.polars as pa
import polars as pl

from schemas.extracts import (
    ADMITTED_PATIENT_CARE,
    DELIVERY_COLUMNS,
    Column,
    Extract,
    supplement_columns,
)

_DTYPES: dict[str, Any] = {"date": pl.Date, "integer": pl.Int64, "pence": pl.Int64}


def valid_schema(extract: Extract) -> dict[str, Any]:
    """The Polars type of every column of a table of valid records, in order."""
    types = {column.name: _DTYPES.get(column.kind, pl.String) for column in _columns(extract)}
    delivery_id, row_number = DELIVERY_COLUMNS
    return {**types, delivery_id: pl.String, row_number: pl.Int64}


def contract(extract: Extract) -> pa.DataFrameSchema:
    """The Pandera contract of the valid records of `extract`.

    Validate a bare Parquet scan at the depth of schema and data: a lazy frame is
    otherwise checked for its schema alone.
    """
    types = valid_schema(extract)
    columns = {
        column.name: pa.Column(
            types[column.name], _checks(column), nullable=column.nullable, name=column.name
        )
        for column in _columns(extract)
    }
    delivery = {name: pa.Column(types[name], nullable=False) for name in DELIVERY_COLUMNS}
    return pa.DataFrameSchema(
        {**columns, **delivery},
        checks=_frame_checks(extract),
        unique=["record_id"],
        strict=True,
        ordered=True,
        name=f"valid_{extract.dataset}",
    )


def _columns(extract: Extract) -> tuple[Column, ...]:
    return (*extract.columns, *supplement_columns(extract))


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.pattern:
        checks.append(pa.Check.str_matches(column.pattern))
    if column.known:
        checks.append(pa.Check.isin(column.known))
    if column.between:
        checks.append(pa.Check.in_range(*column.between))
    return checks


def _frame_checks(extract: Extract) -> list[pa.Check]:
    if extract is not ADMITTED_PATIENT_CARE:
        return []
    return [pa.Check(_ends_after_it_starts, name="a spell does not end before it starts")]


def _ends_after_it_starts(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("end_date") >= pl.col("start_date"))
