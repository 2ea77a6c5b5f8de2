"""The users' list of excluded items: high cost drugs, devices, listed procedures and MedTech.

Belongs here: reading the list, and holding its names against the price book's lists. Does not
belong here: what is paid for an item (`pricing.excluded_items`), or making the month's
statements (`pipelines.pricing_run`).
"""

from collections.abc import Container, Mapping

import polars as pl

from pipelines.basis import scheme_year_of
from pipelines.deliveries import EXCLUDED_ITEMS
from pipelines.lists import (
    Cell,
    code,
    flag,
    folded,
    month,
    one_of,
    optional_text,
    pence,
    text,
    thousandths,
)
from pipelines.user_lists import UserList, read_user_list, refuse_repeated, refuse_rows
from pipelines.workspace import Workspace
from pricing.excluded_items import CATEGORIES, DRUG, PRICES
from pricing.money import LARGEST_PENCE

ITEM_CELLS = (
    Cell("item_reference", "item_reference", pl.String, text),
    Cell("record_id", "record_id", pl.String, optional_text),
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("activity_month", "activity_month", pl.String, month),
    Cell("category", "category", pl.String, one_of(*CATEGORIES)),
    Cell("item_name", "item_name", pl.String, text),
    Cell("is_homecare", "is_homecare", pl.Boolean, flag),
    Cell("quantity", "quantity_thousandths", pl.Int64, thousandths),
    *(Cell(price, f"{price}_pence", pl.Int64, pence) for price in PRICES),
)
_LIST_OF_CATEGORY = {
    "drug": "excluded_drugs",
    "device": "excluded_devices",
    "medtech": "medtech_products",
}
_IN_UNIT_PRICES = "drugs_in_unit_prices"


def read_excluded_items(workspace: Workspace) -> UserList:
    """Every excluded item in the landing folder; none where there is no list.

    Raises `UserError` that names the lines of items without any price, with the reference of
    another, or that come to more than any amount can be.
    """
    items = read_user_list(workspace, EXCLUDED_ITEMS, ITEM_CELLS)
    refuse_repeated(items, "item_reference")
    given = [pl.col(f"{price}_pence") for price in PRICES]
    refuse_rows(
        items,
        pl.all_horizontal(price.is_null() for price in given),
        f"must give at least one price of {', '.join(PRICES)}",
    )
    # Divided, since the product may be beyond what an Int64 holds.
    too_many = pl.max_horizontal(given) > LARGEST_PENCE * 1_000 // pl.col("quantity_thousandths")
    refuse_rows(items, too_many, "must not come to over £10 billion")
    return items


def items_to_price(
    items: pl.DataFrame, activity_month: str, tables: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """The items of a month's scheme year, up to the month, and what the price book says of each.

    `tables` are the book's. Adds `is_listed`, whether the book's list of its category names the
    item (null where the book has no such list), and `is_in_unit_prices`. Names are compared
    without regard to case.
    """
    year = scheme_year_of(activity_month)
    of_year = [
        one
        for one in items["activity_month"].unique()
        if scheme_year_of(one) == year and one <= activity_month
    ]
    is_listed = pl.lit(None, dtype=pl.Boolean)
    for category, table in _LIST_OF_CATEGORY.items():
        if table in tables:
            is_named = _is_named(items, tables, table)
            is_listed = pl.when(pl.col("category") == category).then(is_named).otherwise(is_listed)
    is_drug = pl.col("category") == DRUG
    return items.filter(pl.col("activity_month").is_in(of_year)).with_columns(
        is_listed=is_listed,
        is_in_unit_prices=is_drug & _is_named(items, tables, _IN_UNIT_PRICES),
    )


def categories_not_checked(items: pl.DataFrame, tables: Container[str | None]) -> list[str]:
    """The categories of some items for which a book of these tables has no list."""
    return sorted(
        category
        for category in items["category"].unique()
        if _LIST_OF_CATEGORY.get(category) not in tables
    )


def _is_named(items: pl.DataFrame, tables: Mapping[str, pl.DataFrame], table: str) -> pl.Expr:
    listed = tables[table]["name"].drop_nulls().to_list() if table in tables else []
    names = {folded(name) for name in listed}
    found = [name for name in items["item_name"].unique() if folded(name) in names]
    return pl.col("item_name").is_in(found)
