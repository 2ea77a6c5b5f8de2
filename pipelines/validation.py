"""Validation: sorting a month's delivered rows into valid records and refused ones.

Belongs here: running the record rules over a month in one streamed pass, finding
superseded records, adding what supplementary extracts say, and asserting the contract on
what is left. Does not belong here: the rules and the contract (`schemas`), or which
supplementary row is of which record (`pipelines.supplements`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from pipelines.deliveries import (
    ROW_GROUP_ROWS,
    Delivery,
    deliveries_of,
    parts_of,
    settled_cut,
    settled_parts,
)
from pipelines.superseding import superseded
from pipelines.supplements import added_to, supplements_of
from pipelines.workspace import Workspace, discard, replacing
from schemas.contracts import contract, valid_schema
from schemas.extracts import BY_DATASET, DELIVERY_COLUMNS, SUPPLEMENT_COLUMNS, Extract
from schemas.rules import (
    DELIVERED,
    Rule,
    delivered,
    is_moment,
    record_rules,
    stripped,
    values,
    warning_rules,
)

_ROW = list(DELIVERY_COLUMNS)
_SAMPLED_ROWS = 5


@dataclass(frozen=True, slots=True)
class Validated:
    """What validation made of a dataset's month."""

    cut: str
    delivered: int
    valid: int
    refused: int
    refused_by_code: dict[str, int]
    warnings: dict[str, int]


def valid_path(workspace: Workspace, dataset: str, month: str, cut: str) -> Path:
    """The valid records of a month and cut."""
    return workspace.month("valid", dataset, month, cut) / "records.parquet"


def refused_path(workspace: Workspace, dataset: str, month: str, cut: str, by: str) -> Path:
    """The records of a month and cut refused by `validation` or `pricing`."""
    folder = workspace.month if by == "validation" else workspace.priced_month
    return folder("refused", dataset, month, cut) / f"{by}.parquet"


def is_validated(workspace: Workspace, dataset: str, month: str) -> bool:
    """Whether a month's valid records were made from the deliveries there are now."""
    if not any(month in delivery.months for delivery in deliveries_of(workspace, dataset)):
        return False
    cut = settled_cut(workspace, dataset, month)
    kept = _beside(workspace, dataset, month, cut, "made_from")
    return kept.is_file() and json.loads(kept.read_text("utf-8")) == _made_from(workspace, dataset)


def validate(workspace: Workspace, dataset: str, month: str) -> Validated:
    """Sorts a month's delivered rows into valid and refused, each row exactly once.

    The settled cut is taken. Refused rows keep their text as delivered with all their
    codes; valid ones are typed.
    """
    extract = BY_DATASET[dataset]
    cut = settled_cut(workspace, dataset, month)
    parts = settled_parts(workspace, dataset)
    made_from = _made_from(workspace, dataset)
    earlier = _superseded(parts, month)
    rows = _as_delivered(pl.scan_parquet(parts[month]), earlier)
    refused_here = refused_path(workspace, dataset, month, cut, "validation")
    valid_here = valid_path(workspace, dataset, month, cut)
    holding = valid_here.parent / ".sorting"
    discard(holding)
    holding.mkdir(parents=True)
    added = added_to(workspace, extract, parts[month], holding)
    _sort_rows(rows, added, extract, holding)
    columns = valid_schema(extract)
    with replacing(valid_here) as writing:
        _settle(holding / "valid.parquet", writing, columns)
    refused_keys = _keys(holding / "refused.parquet")
    refused = _as_delivered(_found(parts[month], refused_keys), earlier)
    with replacing(refused_here) as writing:
        _with_codes(refused, extract).sink_parquet(writing, row_group_size=ROW_GROUP_ROWS)
    warnings = _warnings(pl.scan_parquet(valid_here), added, extract)
    discard(holding)
    for name, kept in {"warnings": warnings, "made_from": made_from}.items():
        with replacing(_beside(workspace, dataset, month, cut, name)) as writing:
            writing.write_text(json.dumps(kept), "utf-8")
    return Validated(
        cut=cut,
        delivered=sum(d.months[month].records for d in _holding(workspace, dataset, cut, month)),
        valid=int(pl.scan_parquet(valid_here).select(pl.len()).collect().item()),
        refused=refused_keys.height,
        refused_by_code=count_codes([refused_here]),
        warnings=warnings,
    )


def read_warnings(workspace: Workspace, dataset: str, month: str, cut: str) -> dict[str, int]:
    """How many valid records of a month and cut each warning is of; none are left out."""
    kept = _beside(workspace, dataset, month, cut, "warnings").read_text("utf-8")
    warnings: dict[str, int] = json.loads(kept)
    return warnings


def supplements_read(
    workspace: Workspace, dataset: str, month: str, cut: str
) -> list[dict[str, Any]]:
    """The supplementary extracts that a month's valid records were made with.

    Each has its `name`, `sha256` and `records`, as the account keeps a delivery.
    """
    kept = json.loads(_beside(workspace, dataset, month, cut, "made_from").read_text("utf-8"))
    read: list[dict[str, Any]] = kept["supplements"]
    return read


def write_refused(
    workspace: Workspace, dataset: str, month: str, cut: str, refusals: pl.DataFrame
) -> Path:
    """Writes the records pricing refused as they were delivered, with their codes.

    `refusals` has `delivery_id`, `row_number` and `refusal_codes`.
    """
    columns = [column.name for column in BY_DATASET[dataset].columns]
    found = _found(parts_of(workspace, dataset, cut)[month], refusals)
    rows = found.join(refusals.lazy(), on=_ROW, how="inner", maintain_order="left")
    path = refused_path(workspace, dataset, month, cut, "pricing")
    with replacing(path) as writing:
        rows.select(*columns, *_ROW, "refusal_codes").sink_parquet(
            writing, row_group_size=ROW_GROUP_ROWS
        )
    return path


def contract_failures(
    workspace: Workspace, dataset: str, month: str
) -> tuple[int, list[dict[str, object]]]:
    """How many records were held against the Pandera contract, and every check that failed.

    Each failure has its column, check, count of records, and the places of a few of them in
    their deliveries: values of records do not leave the lake.
    """
    cut = settled_cut(workspace, dataset, month)
    scan = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
    checked = int(scan.select(pl.len()).collect().item())
    try:
        # Unless told, Pandera holds a lazy frame against its schema alone.
        with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract(BY_DATASET[dataset]).validate(scan, lazy=True)
    except SchemaErrors as errors:
        return checked, _summary(errors.failure_cases, scan)
    return checked, []


def _summary(cases: pl.DataFrame, scan: pl.LazyFrame) -> list[dict[str, object]]:
    failures = (
        cases.group_by("column", "check", maintain_order=True)
        .agg(pl.len().alias("records"), pl.col("index").drop_nulls().head(_SAMPLED_ROWS))
        .sort("records", descending=True, maintain_order=True)
    )
    sampled = failures["index"].explode().drop_nulls().unique().implode()
    numbered = scan.select(pl.col(name) for name in _ROW if name in scan.collect_schema())
    found = numbered.with_row_index().filter(pl.col("index").is_in(sampled)).collect()
    places = {row[0]: ", row ".join(str(value) for value in row[1:]) for row in found.rows()}
    return [
        {
            "column": failure["column"],
            "check": failure["check"],
            "records": failure["records"],
            "rows": [places[index] for index in failure["index"]],
        }
        for failure in failures.to_dicts()
    ]


def count_codes(refused: list[Path]) -> dict[str, int]:
    """How often each code occurs in files of refused records, the most frequent first."""
    codes = pl.scan_parquet(refused).select(pl.col("refusal_codes").explode()).drop_nulls()
    counts = codes.group_by("refusal_codes").len().collect()
    return dict(counts.sort("len", "refusal_codes", descending=[True, False]).rows())


def rule_expression(rule: Rule) -> pl.Expr:
    """Whether a rule finds its fault in a row; a rule that cannot tell does not."""
    assert rule.expression is not None, rule.code
    return rule.expression.fill_null(False)


def _holding(workspace: Workspace, dataset: str, cut: str, month: str) -> list[Delivery]:
    return [
        delivery
        for delivery in deliveries_of(workspace, dataset)
        if delivery.cut == cut and month in delivery.months
    ]


def _beside(workspace: Workspace, dataset: str, month: str, cut: str, name: str) -> Path:
    return valid_path(workspace, dataset, month, cut).with_name(f"{name}.json")


def _made_from(workspace: Workspace, dataset: str) -> dict[str, Any]:
    """All that a month's valid records depend on.

    Every delivery of the dataset, since a record of any may supersede one of the month, and
    every supplementary extract; and the columns, which an older version made without some.
    """
    return {
        "deliveries": sorted(f"{d.cut} {d.sha256}" for d in deliveries_of(workspace, dataset)),
        "supplements": [
            {"name": d.name, "sha256": d.sha256, "records": d.records}
            for d in supplements_of(workspace)
        ],
        "columns": list(valid_schema(BY_DATASET[dataset])),
    }


def _with_columns_of(
    added: pl.LazyFrame | None, rows: pl.LazyFrame, names: Sequence[str]
) -> pl.LazyFrame:
    """Rows with some columns of what supplements add to their records; null where nothing."""
    if added is None:  # a join with nothing would cost an eighth of the pass
        return rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in names)
    found = added.select("record_id", *names)
    return rows.join(found, on="record_id", how="left", maintain_order="left")


def _warnings(valid: pl.LazyFrame, added: pl.LazyFrame | None, extract: Extract) -> dict[str, int]:
    """How many valid records each warning rule finds, where it finds any."""
    names = SUPPLEMENT_COLUMNS[extract.dataset]
    is_unknown = [delivered(name).is_not_null() & pl.col(name).is_null() for name in names]
    unknown = None if added is None else added.filter(pl.any_horizontal(is_unknown))
    counts = _with_columns_of(unknown, valid, [DELIVERED + name for name in names]).select(
        rule_expression(rule).sum().alias(rule.code) for rule in warning_rules(extract)
    )
    return {code: count for code, count in counts.collect().row(0, named=True).items() if count}


def _found(parts: list[Path], wanted: pl.DataFrame) -> pl.LazyFrame:
    """The rows of some parts that `wanted` names; only those are read whole."""
    rows_of = {
        delivery_id: rows["row_number"].implode()
        for (delivery_id,), rows in wanted.group_by("delivery_id")
    }
    found = [
        pl.scan_parquet(part).filter(pl.col("row_number").is_in(rows_of[delivery_id]))
        for part in parts
        for delivery_id in [part.name.partition(".")[0]]
        if delivery_id in rows_of
    ]
    return pl.concat(found) if found else pl.scan_parquet(parts).limit(0)


def _as_delivered(rows: pl.LazyFrame, earlier: pl.DataFrame) -> pl.LazyFrame:
    """Rows as the record rules take them; those in `earlier` are superseded."""
    named = rows.rename(lambda name: name if name in _ROW else DELIVERED + name)
    if earlier.is_empty():
        return named.with_columns(is_superseded=pl.lit(False))
    marked = earlier.lazy().with_columns(is_superseded=pl.lit(True))
    return named.join(marked, on=_ROW, how="left", maintain_order="left").with_columns(
        pl.col("is_superseded").fill_null(False)
    )


def _sort_rows(
    rows: pl.LazyFrame, added: pl.LazyFrame | None, extract: Extract, holding: Path
) -> None:
    """One pass: every row's values, what is added to it, and whether any rule refuses it."""
    rules = record_rules(extract)
    is_refused = pl.any_horizontal(rule_expression(rule) for rule in rules)
    typed = stripped(rows, extract).with_columns(values(extract))
    whole = _with_columns_of(added, typed, SUPPLEMENT_COLUMNS[extract.dataset])
    sorted_rows = whole.select(*valid_schema(extract), is_refused.alias("is_refused"))
    by_outcome = pl.PartitionBy(
        holding,
        key="is_refused",
        include_key=False,
        approximate_bytes_per_file=None,
        file_path_provider=lambda part: (
            "refused.parquet" if part.partition_keys.item(0, 0) else "valid.parquet"
        ),
    )
    sorted_rows.sink_parquet(by_outcome, mkdir=True, row_group_size=ROW_GROUP_ROWS)


def _settle(made: Path, writing: Path, columns: dict[str, pl.DataType]) -> None:
    if made.exists():
        made.replace(writing)
    else:
        pl.DataFrame(schema=columns).write_parquet(writing)


def _keys(made: Path) -> pl.DataFrame:
    if made.exists():
        return pl.read_parquet(made, columns=_ROW)
    return pl.DataFrame(schema={"delivery_id": pl.String, "row_number": pl.Int64})


def _with_codes(rows: pl.LazyFrame, extract: Extract) -> pl.LazyFrame:
    """Rows under our names, as delivered, with the code of every rule that refuses them."""
    delivered_columns = [DELIVERED + column.name for column in extract.columns]
    codes = pl.concat_list(
        pl.when(rule_expression(rule)).then(pl.lit(rule.code)) for rule in record_rules(extract)
    ).list.drop_nulls()
    kept = rows.with_columns(pl.col(name).alias("_" + name) for name in delivered_columns)
    return (
        stripped(kept, extract)
        .with_columns(values(extract))
        .select(
            *(pl.col("_" + name).alias(name.removeprefix(DELIVERED)) for name in delivered_columns),
            *_ROW,
            codes.alias("refusal_codes"),
        )
    )


def _superseded(parts: dict[str, list[Path]], month: str) -> pl.DataFrame:
    """Rows of the month whose record was delivered again, in any month's settled cut.

    The later Query Date stands; of two alike, the row delivered last.
    """
    ids = pl.col("record_id").str.strip_chars()
    moment = pl.col("query_timestamp").str.strip_chars()
    keys = [ids, moment.alias("query_timestamp"), *_ROW]
    here = pl.scan_parquet(parts[month]).select(keys, is_here=pl.lit(True))
    elsewhere = [path for other, paths in parts.items() if other != month for path in paths]
    seen = [here]
    if elsewhere:
        there = pl.scan_parquet(elsewhere).select(keys, is_here=pl.lit(False))
        seen.append(there.join(here.select("record_id"), on="record_id", how="semi"))
    every = pl.concat(seen).filter(
        (pl.col("record_id") != "") & is_moment(pl.col("query_timestamp"))
    )
    return superseded(every, ["query_timestamp", *_ROW]).filter("is_here").select(_ROW)
