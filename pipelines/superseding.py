"""Superseding: which of several rows of one record stands.

Belongs here: finding the rows that a later one takes the place of, without sorting them
all. Does not belong here: what counts as later, which the caller's order says, or what
becomes of such a row (`pipelines.validation`, `pipelines.supplements`).
"""

from collections.abc import Sequence

import polars as pl

from schemas.extracts import DELIVERY_COLUMNS


def superseded(rows: pl.LazyFrame, order: Sequence[str]) -> pl.DataFrame:
    """The rows whose `record_id` another row has that comes after them in `order`.

    `order` tells any two rows apart; null comes first in it. The columns are those of `rows`,
    among them the delivery's.
    """
    names = rows.collect_schema().names()
    # Hashes are small: only what shares one is then looked at whole.
    hashed = pl.col("record_id").hash().alias("hashed")
    repeated = rows.group_by(hashed).len().filter(pl.col("len") > 1).select("hashed").collect()
    if repeated.is_empty():
        return pl.DataFrame(schema=rows.collect_schema())
    candidates = rows.with_columns(hashed).join(repeated.lazy(), on="hashed", how="semi").collect()
    standing = candidates.sort(order).unique("record_id", keep="last")
    return candidates.join(standing, on=DELIVERY_COLUMNS, how="anti").select(names)
