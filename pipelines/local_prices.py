"""The users' list of local prices: what a provider and a payer agreed for an HRG or attendance.

Belongs here: reading the list, and laying out each price by the days it is in force. Does not
belong here: where a local price is taken (`pricing.local_prices`), or published prices
(`pipelines.price_books`).
"""

from datetime import date

import polars as pl

from pipelines.deliveries import LOCAL_PRICES
from pipelines.lists import (
    Cell,
    code,
    optional_code,
    optional_hrg,
    optional_one_of,
    optional_text,
    required_day,
    required_pence,
    text,
)
from pipelines.user_lists import (
    UserList,
    by_day,
    read_user_list,
    refuse_backwards,
    refuse_disagreeing,
    refuse_overlapping,
    refuse_rows,
)
from pipelines.workspace import Workspace
from pricing.contracts import PAIR

FIRST, FOLLOW_UP = "first", "follow_up"
PRICE_CELLS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("hrg_code", "hrg_code", pl.String, optional_hrg),
    Cell("treatment_function_code", "treatment_function_code", pl.String, optional_code),
    Cell("attendance", "attendance", pl.String, optional_one_of(FIRST, FOLLOW_UP)),
    Cell("price", "local_price_pence", pl.Int64, required_pence),
    Cell("agreement_reference", "agreement_reference", pl.String, text),
    Cell("approval_reference", "approval_reference", pl.String, optional_text),
    Cell("valid_from", "valid_from", pl.Date, required_day),
    Cell("valid_to", "valid_to", pl.Date, required_day),
)
_KEY = (*PAIR, "hrg_code", "treatment_function_code", "attendance")
_SAYS = ("local_price_pence", "is_variation_approved")


def read_local_prices(workspace: Workspace) -> UserList:
    """Every local price in the landing folder; none where there is no list.

    A row prices an HRG, or first or follow-up attendances of a treatment function. Raises
    `UserError` that names the lines of entries that do neither or both, or that overlap.
    """
    prices = read_user_list(workspace, LOCAL_PRICES, PRICE_CELLS)
    refuse_backwards(prices)
    has_hrg = pl.col("hrg_code").is_not_null()
    has_treatment_function = pl.col("treatment_function_code").is_not_null()
    refuse_rows(
        prices,
        has_hrg == has_treatment_function,
        "must give an hrg_code or a treatment_function_code, and not both",
    )
    refuse_rows(
        prices,
        has_treatment_function != pl.col("attendance").is_not_null(),
        f"must give attendance, {FIRST} or {FOLLOW_UP}, with a treatment_function_code, and only "
        "with one",
    )
    refuse_rows(
        prices,
        pl.col("hrg_code").str.contains("^(WF|UZ)").fill_null(False),
        "must price an attendance by its treatment_function_code; a WF or UZ group is no HRG to "
        "agree a price for",
    )
    refuse_overlapping(prices, _KEY)
    return prices


def local_hrg_price_days(prices: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """The table `local_hrg_price_days` of `pricing.reference`, for the days between two.

    Takes entries by the organisations of the price year. Raises `UserError` that names the
    lines where two that come down to one pair disagree.
    """
    of_hrgs = prices.filter(pl.col("hrg_code").is_not_null())
    return _days(of_hrgs, [*PAIR, "hrg_code", "costing_date"], first, last)


def local_attendance_price_days(prices: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """The table `local_attendance_price_days` of `pricing.reference`; see above."""
    of_attendances = prices.filter(pl.col("hrg_code").is_null()).with_columns(
        is_first=pl.col("attendance") == FIRST
    )
    keys = [*PAIR, "treatment_function_code", "is_first", "costing_date"]
    return _days(of_attendances, keys, first, last)


def _days(prices: pl.DataFrame, keys: list[str], first: date, last: date) -> pl.DataFrame:
    days = by_day(prices, "costing_date", first, last).with_columns(
        is_variation_approved=pl.col("approval_reference").is_not_null()
    )
    refuse_disagreeing(days, keys, _SAYS, "price and approval on a day")
    return days.select(*keys, *_SAYS).unique().sort(keys)
