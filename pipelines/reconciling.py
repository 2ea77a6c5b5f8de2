"""Reconciling a month with SUS+: making the three tables, and reading them back.

Belongs here: bringing together the priced lines, what SUS+ gave the records, and the other
price books that are held, and writing what comes out. Does not belong here: how two amounts
are compared, or what a cause is (`pricing.reconciliation`).
"""

from collections.abc import Iterator
from pathlib import Path

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import schema_of
from pipelines.deliveries import ROW_GROUP_ROWS, settled_cut
from pipelines.price_books import books
from pipelines.price_books.annex_a import (
    APC,
    ATTENDANCE_COLUMNS,
    ATTENDANCES,
    OTHER_UNIT_PRICES,
    SHORT_STAY,
)
from pipelines.pricing_run import Rulebook, priced_path, rulebook_for
from pipelines.publishing import opened_mart
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace, discard, replacing
from pricing import reconciliation
from schemas.extracts import EXTRACTS, Extract
from schemas.priced_line import (
    RECONCILIATION,
    RECONCILIATION_DIFFERENCES,
    SUS_ROUNDING,
)

_RECORDS_AT_ONCE = 200_000
_ROWS_HELD_OF_A_PART = 10_000
_OTHER = "_other"
_ELECTIVE = ("combined_price_pence", "day_case_price_pence", "ordinary_elective_price_pence")
_LIKE_PRICES = (
    ("outpatient_procedure_price_pence", ("outpatient_procedure_price_pence",)),
    *((name, _ELECTIVE) for name in _ELECTIVE),
    ("non_elective_price_pence", ("non_elective_price_pence",)),
    ("short_stay_emergency_price_pence", ("short_stay_emergency_price_pence",)),
)
"""The prices of another book that may stand in place of one of ours: elective ones are combined
in one publication and split in the next."""
_OTHER_PRICES = dict(
    zip(reconciliation.OTHER_PRICES, (pl.String, pl.Int64, pl.Int64, pl.String), strict=True)
)
_TABLES = {
    "reconciliation": RECONCILIATION,
    "reconciliation_differences": RECONCILIATION_DIFFERENCES,
    "sus_rounding": SUS_ROUNDING,
}


def make_reconciliation(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes the month's three tables of reconciliation, and gives the summary.

    The summary has its largest absolute difference first.
    """
    rulebook = rulebook_for(workspace, month)
    summary_here = workspace.statement("reconciliation", month)
    holding = summary_here.parent / f".comparing-{month}"
    discard(holding)
    holding.mkdir(parents=True)
    for extract in EXTRACTS:
        for number, (lines, records) in enumerate(_parts(workspace, extract, month, holding)):
            compared = reconciliation.compare(
                nw.from_native(lines),
                nw.from_native(records),
                rulebook.reference(month, extract.dataset),
                nw.from_native(other_prices(workspace, rulebook).lazy()),
                rulebook.pack.scheme,
            )
            compared.to_native().sink_parquet(
                holding / f"{extract.dataset}-{number}.parquet", row_group_size=ROW_GROUP_ROWS
            )
    compared = nw.from_native(pl.scan_parquet(holding / "*.parquet"))
    made = {
        "reconciliation": reconciliation.summary(compared),
        "reconciliation_differences": reconciliation.differences(compared),
        "sus_rounding": reconciliation.rounding(compared),
    }
    tables = {name: _sorted(name, frame.to_native().collect()) for name, frame in made.items()}
    for name, table in tables.items():
        with replacing(workspace.statement(name, month)) as writing:
            table.write_parquet(writing)
    discard(holding)
    return tables["reconciliation"]


def _parts(
    workspace: Workspace, extract: Extract, month: str, holding: Path
) -> Iterator[tuple[pl.LazyFrame, pl.LazyFrame]]:
    """Priced lines with the records that they are of, so many at once as memory is to hold."""
    dataset = extract.dataset
    cut = settled_cut(workspace, dataset, month)
    lines = pl.scan_parquet(priced_path(workspace, dataset, month, cut))
    records = pl.scan_parquet(valid_path(workspace, dataset, month, cut))
    there = records.collect_schema()
    records = records.select(name for name in reconciliation.RECORD_COLUMNS if name in there)
    count = records.select(pl.len()).collect().item()
    if count <= _RECORDS_AT_ONCE:
        yield lines, records
        return
    part = pl.col("record_id").hash() % (count // _RECORDS_AT_ONCE + 1)
    folders = holding / f"{dataset}-lines", holding / f"{dataset}-records"
    for frame, folder in zip((lines, records), folders, strict=True):
        by_part = pl.PartitionBy(
            folder,
            key="part",
            include_key=False,
            approximate_bytes_per_file=None,
            file_path_provider=lambda made: f"{made.partition_keys.item(0, 0)}.parquet",
        )
        frame.with_columns(part=part).sink_parquet(
            by_part, mkdir=True, row_group_size=_ROWS_HELD_OF_A_PART
        )
    for of_lines in sorted(folders[0].iterdir()):
        yield pl.scan_parquet(of_lines), pl.scan_parquet(folders[1] / of_lines.name)


def _sorted(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order in which they are published."""
    columns = [field.name for field in _TABLES[name]]
    if name == "reconciliation_differences":
        return table.select(columns).sort("dataset", "record_id")
    first = {"reconciliation": "difference_pence", "sus_rounding": "records_matching"}[name]
    rest = [column for column in columns if column != first]
    descending = [True, *(False for _ in rest)]
    return table.select(columns).sort(pl.col(first).abs(), *rest, descending=descending)


def other_prices(workspace: Workspace, rulebook: Rulebook) -> pl.DataFrame:
    """What the other price books that are held give for the prices of ours.

    Gives `pricing.reconciliation.OTHER_PRICES`. Where another publication of the same year and
    another year give the same price, it is the publication. Made-up books count only where our
    own is made up.
    """
    ours = rulebook.book
    own_ids = {ours.stored[table].id for table in (APC, ATTENDANCES)}
    found = [pl.DataFrame(schema=_OTHER_PRICES)]
    for book in books.stored_books(workspace):
        said = book.publication
        if book.id in own_ids or (said.is_illustrative and not ours.is_illustrative):
            continue
        is_same_year = said.scheme_year == ours.scheme_year
        cause = "price_book_version" if is_same_year else "rule_year"
        found += [
            moves.with_columns(other_price_cause=pl.lit(cause))
            for moves in (*_hrg_moves(rulebook, book), *_attendance_moves(rulebook, book))
        ]
    return (
        pl.concat(found)
        .filter(pl.col("unit_price_pence") != pl.col("other_price_pence"))
        .sort("other_price_cause")  # price_book_version is before rule_year
        .unique(list(_OTHER_PRICES)[:3], keep="first", maintain_order=True)
    )


def _hrg_moves(rulebook: Rulebook, book: books.StoredBook) -> Iterator[pl.DataFrame]:
    for table in (APC, OTHER_UNIT_PRICES, SHORT_STAY):
        if table not in book.tables:
            continue
        others = book.read(table).rows
        both = rulebook.book.hrg_prices.join(
            others.select("hrg_code", pl.exclude("hrg_code").name.suffix(_OTHER)), on="hrg_code"
        )
        for ours, alike in _LIKE_PRICES:
            for other in (f"{name}{_OTHER}" for name in alike if name in others.columns):
                yield both.select(
                    price_key="hrg_code", unit_price_pence=ours, other_price_pence=other
                ).drop_nulls()


def _attendance_moves(rulebook: Rulebook, book: books.StoredBook) -> Iterator[pl.DataFrame]:
    if ATTENDANCES not in book.tables:
        return
    others = book.read(ATTENDANCES).rows.unpivot(
        list(ATTENDANCE_COLUMNS),
        index="treatment_function_code",
        variable_name="price_column",
        value_name="other_price_pence",
    )
    both = rulebook.book.attendance_prices.join(
        others, on=["treatment_function_code", "price_column"]
    )
    yield both.select(
        price_key="treatment_function_code",
        unit_price_pence="attendance_price_pence",
        other_price_pence="other_price_pence",
    ).drop_nulls()


def read_reconciliation(workspace: Workspace, month: str) -> dict[str, pl.DataFrame]:
    """The published reconciliation and rounding tables of a month, by name.

    Raises `UserError` where the month is not published on the workspace's basis.
    """
    how = f"Run it first: sus-pricing run --month {month}."
    schema, basis = schema_of(workspace.basis), workspace.basis.name
    with opened_mart(workspace, _TABLES, how) as mart:
        found = {
            name: pl.DataFrame(
                mart.sql(
                    f"SELECT * EXCLUDE (pricing_basis) FROM {schema}.{name} "
                    "WHERE activity_month = ? AND pricing_basis = ?",
                    params=[month, basis],
                ).to_arrow_table()
            )
            for name in ("reconciliation", "sus_rounding")
        }
    if found["reconciliation"].is_empty():
        raise UserError(f"{month} is not published. {how}")
    return found
