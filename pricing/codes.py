"""Several codes in one column, as records carry them: a row for each of them.

Belongs here: taking such a column apart, on any engine. Does not belong here: what a code
means (`pricing.unbundled`, `pricing.best_practice`, `pricing.top_ups`).
"""

from typing import Any

import narwhals.stable.v2 as nw

_BETWEEN = " "
_NOTHING = "-"
_PLACE_LENGTH = 2


def each_code(records: nw.LazyFrame[Any], codes: str, most: int) -> nw.LazyFrame[Any]:
    """A row for each code of the column `codes`, with its `code` and its `place`, from 1.

    Records without any have no row. `most` is how many a record may carry.

    >>> import polars as pl
    >>> records = nw.from_native(pl.LazyFrame({"id": [1, 2], "flags": ["B A", None]}))
    >>> each_code(records, "flags", 5).select("id", "place", "code").collect().rows()
    [(1, 1, 'B'), (1, 2, 'A')]
    """
    # Padded, for an engine may refuse to look beyond the end of a list.
    padding = nw.lit((_BETWEEN + _NOTHING) * (most - 1))
    padded = nw.concat_str([nw.col(codes), padding]).str.split(_BETWEEN)
    placed = [
        nw.concat_str([nw.lit(f"{place:0{_PLACE_LENGTH}}"), nw.col("code").list.get(place - 1)])
        for place in range(1, most + 1)
    ]
    return (
        records.filter(~nw.col(codes).is_null())
        .with_columns(code=padded)
        .with_columns(code=nw.concat_str(placed, separator=_BETWEEN).str.split(_BETWEEN))
        .explode("code")
        .with_columns(
            place=nw.col("code").str.slice(0, _PLACE_LENGTH).cast(nw.Int64),
            code=nw.col("code").str.slice(_PLACE_LENGTH),
        )
        .filter(nw.col("code") != _NOTHING)
    )
