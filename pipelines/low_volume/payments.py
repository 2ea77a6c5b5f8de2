"""LVA payments schedules of a year: the blocks as published, and what is due by them.

Belongs here: laying the month's schedule out with its parts, its days and its payments. Does not
belong here: what is due when (`pricing.low_volume_payments`), which pairs a block pays for
(`pricing.low_volume`), or finding and reading schedules (`pipelines.price_books`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.price_books import PriceBook, StoredBook
from pipelines.price_books.annex_a import LVA
from pricing.contracts import PAIR
from pricing.low_volume_payments import Pair, Payment, Schedule, payments
from pricing.scheme import Scheme
from schemas.priced_line import (
    LOW_VOLUME,
    LOW_VOLUME_ADDITIONS,
    LOW_VOLUME_PARTS,
    LOW_VOLUME_PAYMENT,
    Field,
)

_TYPES = {"text": pl.String, "integer": pl.Int64, "date": pl.Date, "flag": pl.Boolean}
_DAYS = ("schedule_published_on", "schedule_effective_from")


def payments_of(schedules: Sequence[StoredBook], scheme: Scheme) -> dict[Pair, Payment]:
    """What is due by the books with every schedule of the year that is known, by pair."""
    return payments([_schedule(one) for one in schedules], scheme)


def published_blocks(book: PriceBook, due: Mapping[Pair, Payment]) -> pl.DataFrame:
    """The schedule that is in effect: pairs, block values and parts, its days, and what is due.

    No rows where the year has no schedule.
    """
    keys, amounts = list(PAIR), ["block_value_pence", *_names(LOW_VOLUME_PARTS)]
    if LVA not in book.stored:
        return pl.DataFrame(schema=_columns([*keys, *amounts, *_DAYS, *_names(LOW_VOLUME_PAYMENT)]))
    publication = book.stored[LVA].publication
    rows = [
        (*pair, *(getattr(of, name) for name in _names(LOW_VOLUME_PAYMENT)[:-1]), str(of.reason))
        for pair, of in due.items()
    ]
    blocks = (
        book.read[LVA]
        .rows.select(*keys, *amounts)
        .with_columns(
            schedule_published_on=pl.lit(publication.published_on),
            schedule_effective_from=pl.lit(publication.effective_from),
        )
    )
    table = pl.DataFrame(rows, schema=_columns([*keys, *_names(LOW_VOLUME_PAYMENT)]), orient="row")
    return blocks.join(table, on=keys, how="left")


def additions(due: Mapping[Pair, Payment], monitor: pl.DataFrame) -> pl.DataFrame:
    """What each update adds to the blocks of a month's monitor that are to be paid."""
    own = ("schedule_published_on", "before_pence", "block_value_pence")
    names = [*own, *_names(LOW_VOLUME_ADDITIONS)[-3:]]
    is_due = pl.col("is_block_pair") & ~pl.col("is_moved_to_api")
    rows: list[tuple[Any, ...]] = [
        (month, year, *pair, *(getattr(one, name) for name in names))
        for month, year, *pair in monitor.filter(is_due)
        .select("activity_month", "scheme_year", *PAIR)
        .iter_rows()
        for of in [due.get((pair[0], pair[1]))]
        for one in (of.additions if of else ())
    ]
    columns = {field.name: _TYPES[field.type] for field in LOW_VOLUME_ADDITIONS}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _schedule(book: StoredBook) -> Schedule:
    values = book.read(LVA).rows.select(*PAIR, "block_value_pence").rows()
    published_on = book.publication.published_on
    return Schedule(published_on, {(provider, payer): value for provider, payer, value in values})


def _names(fields: Sequence[Field]) -> list[str]:
    return [field.name for field in fields]


def _columns(names: Sequence[str]) -> dict[str, type[pl.DataType]]:
    """The columns of the statement of these names, with their types."""
    types = {field.name: _TYPES[field.type] for field in LOW_VOLUME if field.type in _TYPES}
    return {name: types[name] for name in names}
