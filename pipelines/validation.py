"""Validation: sorting a month's delivered rows into valid records and refused ones.

Belongs here: running the record rules over a month in one streamed pass, finding
superseded records, and asserting the contract on what is left. Does not belong here: the
rules and the contract (`schemas`).
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from pipelines.deliveries import ROW_GROUP_ROWS, Delivery, deliveries_of, parts_of, settled_cut
from pipelines.workspace import Workspace, discard, replacing
from schemas.contracts import contract, valid_schema
from schemas.extracts import BY_DATASET, DELIVERY_COLUMNS, Extract
from schemas.rules import DELIVERED, Rule, record_rules, values, warning_rules

_ROW = list(DELIVERY_COLUMNS)


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
    return workspace.month("refused", dataset, month, cut) / f"{by}.parquet"


def validate(workspace: Workspace, dataset: str, month: str) -> Validated:
    """Sorts a month's delivered rows into valid and refused, each row exactly once.

    The settled cut is taken. Refused rows keep their text as delivered with all their
    codes; valid ones are typed.
    """
    extract = BY_DATASET[dataset]
    cut = settled_cut(workspace, dataset, month)
    parts = parts_of(workspace, dataset, cut)
    superseded = _superseded(parts, month)
    rows = _with_superseded(_delivered(parts[month]), superseded)
    refused_here = refused_path(workspace, dataset, month, cut, "validation")
    valid_here = valid_path(workspace, dataset, month, cut)
    holding = valid_here.parent / ".sorting"
    discard(holding)
    _sort_rows(rows, extract, holding)
    columns = valid_schema(extract)
    with replacing(valid_here) as writing:
        _settle(holding / "valid.parquet", writing, columns)
    refused = _refused_rows(holding / "refused.parquet", rows, extract)
    with replacing(refused_here) as writing:
        refused.write_parquet(writing)
    discard(holding)
    valid = pl.scan_parquet(valid_here)
    counts = valid.select(
        pl.len().alias("valid"),
        *(rule_expression(rule).sum().alias(rule.code) for rule in warning_rules(extract)),
    )
    row = counts.collect().row(0, named=True)
    return Validated(
        cut=cut,
        delivered=sum(d.months[month].records for d in _holding(workspace, dataset, cut, month)),
        valid=row.pop("valid"),
        refused=refused.height,
        refused_by_code=count_codes(refused["refusal_codes"]),
        warnings={code: count for code, count in row.items() if count},
    )


def rows_as_delivered(
    workspace: Workspace, dataset: str, month: str, cut: str, refusals: pl.DataFrame
) -> pl.DataFrame:
    """Refused rows as they were delivered, with their codes.

    `refusals` has `delivery_id`, `row_number` and `refusal_codes`.
    """
    parts = parts_of(workspace, dataset, cut)[month]
    columns = [column.name for column in BY_DATASET[dataset].columns]
    found = pl.scan_parquet(parts).join(refusals.lazy(), on=_ROW, how="inner")
    return found.select(*columns, *_ROW, "refusal_codes").sort(_ROW).collect()


def contract_failures(
    workspace: Workspace, dataset: str, month: str
) -> tuple[int, list[dict[str, object]]]:
    """How many records were held against the Pandera contract, and every check that failed.

    Counts and check names only: values of records do not leave the lake.
    """
    cut = settled_cut(workspace, dataset, month)
    extract = BY_DATASET[dataset]
    scan = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
    checked = int(scan.select(pl.len()).collect().item())
    try:
        # Unless told, Pandera holds a lazy frame against its schema alone.
        with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract(extract).validate(scan, lazy=True)
    except SchemaErrors as errors:
        failures = Counter(
            (str(case["column"]), str(case["check"])) for case in errors.failure_cases.to_dicts()
        )
        return checked, [
            {"column": column, "check": check, "records": count}
            for (column, check), count in failures.most_common()
        ]
    return checked, []


def count_codes(codes: pl.Series) -> dict[str, int]:
    """How often each code occurs in lists of codes, the most frequent first."""
    counts = codes.explode().drop_nulls().value_counts().sort("count", codes.name)
    return dict(reversed(counts.rows()))


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


def _delivered(parts: list[Path]) -> pl.LazyFrame:
    return pl.scan_parquet(parts).rename(lambda n: n if n in _ROW else DELIVERED + n)


def _sort_rows(rows: pl.LazyFrame, extract: Extract, holding: Path) -> None:
    """One pass: every row's values, and whether any rule refuses it."""
    rules = record_rules(extract)
    is_refused = pl.any_horizontal(rule_expression(rule) for rule in rules)
    sorted_rows = rows.with_columns(values(extract)).select(
        *valid_schema(extract), is_refused.alias("is_refused")
    )
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


def _refused_rows(made: Path, rows: pl.LazyFrame, extract: Extract) -> pl.DataFrame:
    """The refused rows as delivered, with the code of every rule that refuses them."""
    delivered_columns = [DELIVERED + column.name for column in extract.columns]
    reasons = pl.concat_list(
        pl.when(rule_expression(rule)).then(pl.lit(rule.code)) for rule in record_rules(extract)
    ).list.drop_nulls()
    if made.exists():
        refused = rows.join(pl.scan_parquet(made).select(_ROW), on=_ROW, how="semi")
    else:
        refused = rows.limit(0)
    return (
        refused.with_columns(values(extract))
        .select(*delivered_columns, *_ROW, reasons.alias("refusal_codes"))
        .rename({name: name.removeprefix(DELIVERED) for name in delivered_columns})
        .sort(_ROW)
        .collect()
    )


def _superseded(parts: dict[str, list[Path]], month: str) -> pl.DataFrame:
    """Rows of the month whose record was delivered again in the cut, in any month.

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
        (pl.col("record_id") != "") & pl.col("query_timestamp").str.contains(r"^[0-9]{14}$")
    )
    # Hashes are small: only what shares one is then looked at whole.
    hashed = pl.col("record_id").hash().alias("hashed")
    repeated = every.group_by(hashed).len().filter(pl.col("len") > 1).select("hashed").collect()
    if repeated.is_empty():
        return repeated.select(delivery_id=pl.lit(""), row_number=pl.lit(0)).clear()
    candidates = every.with_columns(hashed).join(repeated.lazy(), on="hashed", how="semi").collect()
    order = ["query_timestamp", *_ROW]
    standing = candidates.sort(order).unique("record_id", keep="last")
    return candidates.filter("is_here").join(standing, on=_ROW, how="anti").select(_ROW)


def _with_superseded(rows: pl.LazyFrame, superseded: pl.DataFrame) -> pl.LazyFrame:
    if superseded.is_empty():
        return rows.with_columns(is_superseded=pl.lit(False))
    marked = superseded.lazy().with_columns(is_superseded=pl.lit(True))
    return rows.join(marked, on=_ROW, how="left", maintain_order="left").with_columns(
        pl.col("is_superseded").fill_null(False)
    )
