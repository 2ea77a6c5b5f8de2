"""The monitor of LVA blocks as published: a month, the scheme year to date, and what is due.

Belongs here: reading the monitor from the mart, adding its months up, and the conservation
statement of the lines and items that are published with it. Does not belong here: what a block
covered (`pricing.low_volume_monitor`), or printing it (`pipelines.commands.low_volume_monitor`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from pipelines.basis import months_of_year_to, schema_of
from pipelines.low_volume.conservation import (
    Conservation,
    Relations,
    conserved,
    excepted_by_month,
)
from pipelines.publishing import opened_mart
from pipelines.scheme_packs import scheme_for
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from schemas.priced_line import LOW_VOLUME, LOW_VOLUME_ADDITIONS, Field

_TABLES = ("low_volume", "low_volume_additions", "priced_lines", "excluded_items")
_OF_YEAR = ("block_value_pence", "payment_due_pence", "additional_payment_pence")
_SUMMED = tuple(
    field.name
    for field in LOW_VOLUME
    if field.type == "integer"
    and field.name.startswith(("covered_", "api_", "exception_", "items_"))
)
"""What a block covered, and what was paid beside it: the columns that months add up."""


@dataclass(frozen=True, slots=True)
class BlockMonitor:
    """The published monitor of a month and of the scheme year up to it.

    `blocks` are the month's rows in the columns of `schemas.priced_line.LOW_VOLUME`, `additions`
    what each update adds to them, and `to_date` the sums of the published months by pair, null
    where any month of them is. `not_published` are the months up to it that the mart does not hold,
    or not as they are now.
    """

    activity_month: str
    months: list[str]
    not_published: list[str]
    scheme_year: str
    is_illustrative: bool
    blocks: pl.DataFrame
    additions: pl.DataFrame
    to_date: pl.DataFrame
    conservation: Conservation
    conservation_to_date: Conservation


def read_monitor(
    workspace: Workspace, month: str, provider: str | None = None, commissioner: str | None = None
) -> BlockMonitor:
    """The monitor of a month, of all pairs of its schedule or those of a provider or a payer.

    Raises `UserError` where the month is not published, or lists no such pair.
    """
    how = f"Run it first: sus-pricing run --month {month}."
    year, asked = months_of_year_to(month), {"provider_code": provider}
    asked["commissioner_code"] = commissioner
    pair = {name: code for name, code in asked.items() if code}
    with opened_mart(workspace, _TABLES, how) as mart:
        runs = _runs(mart, workspace, year)
        if month not in runs:
            raise UserError(f"{month} is not published, or is out of date. {how}")
        months = [one for one in year if one in runs]
        scheme_year, is_illustrative = runs[month]
        rows = _rows(workspace, mart, "low_volume", LOW_VOLUME, months, pair)
        added = _rows(workspace, mart, "low_volume_additions", LOW_VOLUME_ADDITIONS, [month], pair)
        of_month = rows.filter(activity_month=month).sort(PAIR)
        if of_month.is_empty():
            raise UserError(_no_such_pair(month, pair))
        return BlockMonitor(
            month,
            months,
            [one for one in year if one not in runs],
            scheme_year,
            is_illustrative,
            of_month,
            added.sort(*PAIR, "schedule_published_on"),
            _to_date(rows),
            _conserved(workspace, mart, [month], month, pair),
            _conserved(workspace, mart, months, month, pair),
        )


def _runs(
    mart: duckdb.DuckDBPyConnection, workspace: Workspace, months: Sequence[str]
) -> dict[str, tuple[str, bool]]:
    """Scheme year, and whether prices are made up, of the months whose run is current."""
    rows = mart.execute(
        "SELECT activity_month, scheme_year, is_illustrative FROM runs WHERE is_current "
        "AND pricing_basis = ? AND list_contains(?, activity_month)",
        [workspace.basis.name, list(months)],
    ).fetchall()
    return {month: (year, is_illustrative) for month, year, is_illustrative in rows}


def _rows(
    workspace: Workspace,
    mart: duckdb.DuckDBPyConnection,
    table: str,
    fields: Sequence[Field],
    months: Sequence[str],
    pair: dict[str, str],
) -> pl.DataFrame:
    columns = ", ".join(field.name for field in fields)
    try:
        found = mart.sql(f"SELECT {columns} FROM {_published(workspace, table, months, pair)}")
    except duckdb.BinderException as error:
        raise UserError(
            f"{workspace.shown(workspace.mart)} was made by an earlier version of sus-pricing. "
            "Move it away and run every month again."
        ) from error
    return pl.DataFrame(found.to_arrow_table())


def _published(
    workspace: Workspace, table: str, months: Sequence[str], pair: dict[str, str]
) -> str:
    """The rows of a table, of some months and, where they are named, of a provider or a payer."""
    listed = ", ".join(f"'{month}'" for month in months)
    of_pair = "".join(
        " AND {} = '{}'".format(name, code.replace("'", "''")) for name, code in pair.items()
    )
    return (
        f"(FROM {schema_of(workspace.basis)}.{table} WHERE activity_month IN ({listed}) "
        f"AND pricing_basis = '{workspace.basis.name}'{of_pair})"
    )


def _to_date(rows: pl.DataFrame) -> pl.DataFrame:
    """The months by pair: sums, null where a month of them is not known, and what the last says."""
    sums = [
        pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name)
        for name in _SUMMED
    ]
    last = [pl.col(name).sort_by("activity_month").last() for name in _OF_YEAR]
    return rows.group_by(PAIR).agg(*last, *sums).sort(PAIR)


def _conserved(
    workspace: Workspace,
    mart: duckdb.DuckDBPyConnection,
    months: Sequence[str],
    month: str,
    pair: dict[str, str],
) -> Conservation:
    """The conservation statement of what is published.

    Exceptions are those that the monitor has for the pair in the month, and take out what they may
    by kind; by the day and the admission they were held to the records before the month was
    published, which the mart does not have.
    """
    lines, items, monitor = (
        _published(workspace, table, months, pair)
        for table in ("priced_lines", "excluded_items", "low_volume")
    )
    columns = ", ".join((*PAIR, "activity_month", "is_block_pair", "is_moved_to_api"))
    pairs = f"(SELECT {columns} FROM {monitor})"
    on, as_of = workspace.basis.rules_day(month), workspace.basis.as_of
    scheme = scheme_for(workspace, on, as_of).scheme
    of = Relations(lines, items, monitor, pairs, "(FROM excepted_lines)")
    mart.register("excepted_lines", excepted_by_month(of, scheme, mart).to_arrow())
    return conserved(of, scheme, mart)


def _no_such_pair(month: str, pair: dict[str, str]) -> str:
    if not pair:
        return f"No LVA payments schedule is in effect in {month}."
    named = " with ".join(pair.values())
    return (
        f"The LVA payments schedule in effect in {month} lists no pair of {named}. Check the "
        "codes, which are those of the schedule; without --provider and --commissioner every pair "
        "is shown."
    )
