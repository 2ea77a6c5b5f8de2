"""Decision tables: rows read top to bottom, the first that fits decides.

Belongs here: the one shape in which rules with several cases are written. Does not
belong here: any rule.
"""

from collections.abc import Sequence

import narwhals.stable.v2 as nw

Outcome = nw.Expr | str | int | bool | None
Row = tuple[nw.Expr, Outcome]


def first_that_fits(rows: Sequence[Row], otherwise: Outcome, dtype: type = nw.String) -> nw.Expr:
    """The outcome of the first row whose condition holds; a null condition does not hold.

    >>> import polars as pl
    >>> stay = nw.from_native(pl.DataFrame({"days": [0, 3, None]}))
    >>> rows = [(nw.col("days") == 0, "same day"), (nw.col("days") < 2, "short")]
    >>> stay.select(kind=first_that_fits(rows, "longer"))["kind"].to_list()
    ['same day', 'longer', 'longer']
    """
    # Not numbers that are looked up for their text: Polars holds all rows for such a step.
    decided = _outcome(otherwise, dtype)
    for condition, outcome in reversed(rows):
        decided = nw.when(condition).then(_outcome(outcome, dtype)).otherwise(decided)
    return decided


def _outcome(outcome: Outcome, dtype: type) -> nw.Expr:
    return outcome if isinstance(outcome, nw.Expr) else nw.lit(outcome, dtype=dtype)
