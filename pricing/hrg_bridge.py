"""HRGs over time: the price year's HRG for one that its price book does not hold.

Belongs here: looking an HRG up in the bridge, and which HRGs are retired. Does not belong
here: the bridge, which is the user's own list (`pipelines.user_lists`), or the prices.

What the price year says of an HRG it says of the bridged one: its prices, trim points and
short stay flag, and the list of terminations of pregnancy. What grouping says of the record
is said of the record's own: whether it is an attendance (`WF..`), or could not be grouped.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.scheme import Scheme


def with_bridged(book_prices: nw.LazyFrame[Any], bridge: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The prices of every HRG of the book, and of each bridged HRG that the book lacks.

    Takes the book's prices by `hrg_code`, and for HRGs by theirs the `price_hrg_code` of the
    price year. Gives the table `hrg_prices` of `pricing.reference`.
    """
    of_book = book_prices.with_columns(price_hrg_code=nw.col("hrg_code"))
    bridged = (
        bridge.join(book_prices.select("hrg_code"), on="hrg_code", how="anti")
        .join(book_prices.rename({"hrg_code": "price_hrg_code"}), on="price_hrg_code", how="inner")
        .select(*of_book.collect_schema().names())
    )
    return nw.concat([of_book, bridged])


def is_retired(scheme: Scheme) -> nw.Expr:
    """Whether a record's price is unknown for its HRG is not of the year it is priced under.

    Only of a record of another year: within its own, an HRG that the book lacks has no
    unit price. Needs the prices of its HRG, `costing_date` and `national_price_exclusion`.
    """
    day, hrg = nw.col("costing_date"), nw.col("hrg_code")
    is_of_another_year = (day < scheme.effective_from) | (day > scheme.effective_to)
    is_priced_by_hrg = ~hrg.str.starts_with("WF") & ~hrg.str.starts_with("UZ")
    return (
        is_of_another_year
        & is_priced_by_hrg.fill_null(False)
        & nw.col("price_hrg_code").is_null()
        & nw.col("national_price_exclusion").is_null()
    )
