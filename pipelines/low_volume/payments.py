"""LVA payments schedules of a year: the blocks as published, and what is due by them.

Belongs here: laying the month's schedule out with its parts, its days and its payments. Does not
belong here: what is due when (`pricing.low_volume_payments`), which pairs a block pays for
(`pricing.low_volume`), or finding and reading schedules (`pipelines.price_books`).
"""

from collections.abc import Sequence

import polars as pl

from pipelines.price_books import PriceBook, StoredBook
from pipelines.price_books.annex_a import LVA
from pricing.contracts import PAIR
from pricing.low_volume_payments import Schedule, payments
from pricing.scheme import Scheme
from schemas.priced_line import LOW_VOLUME, LOW_VOLUME_PARTS, LOW_VOLUME_PAYMENT, Field

_TYPES = {"text": pl.String, "integer": pl.Int64, "date": pl.Date}
_DAYS = ("schedule_published_on", "schedule_effective_from")


def published_blocks(
    book: PriceBook, schedules: Sequence[StoredBook], scheme: Scheme
) -> pl.DataFrame:
    """The schedule that is in effect: pairs, block values and parts, its days, and what is due.

    `schedules` are the books with every schedule of the year that is known, on which it rests what
    is due. No rows where the year has no schedule.
    """
    keys, amounts = list(PAIR), ["block_value_pence", *_names(LOW_VOLUME_PARTS)]
    if LVA not in book.stored:
        return pl.DataFrame(schema=_columns([*keys, *amounts, *_DAYS, *_names(LOW_VOLUME_PAYMENT)]))
    publication = book.stored[LVA].publication
    due = [
        (*pair, *(getattr(of, name) for name in _names(LOW_VOLUME_PAYMENT)[:-1]), str(of.reason))
        for pair, of in payments([_schedule(one) for one in schedules], scheme).items()
    ]
    blocks = (
        book.read[LVA]
        .rows.select(*keys, *amounts)
        .with_columns(
            schedule_published_on=pl.lit(publication.published_on),
            schedule_effective_from=pl.lit(publication.effective_from),
        )
    )
    table = pl.DataFrame(due, schema=_columns([*keys, *_names(LOW_VOLUME_PAYMENT)]), orient="row")
    return blocks.join(table, on=keys, how="left")


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
