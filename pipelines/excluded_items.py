"""The users' list of excluded items: high cost drugs, devices, listed procedures and MedTech.

Belongs here: reading the list, holding its names against the price book's lists, and what earlier
months published of it. Does not belong here: what is paid for an item
(`pricing.excluded_items`), or making the month's statements (`pipelines.pricing_run`).
"""

from collections.abc import Container, Mapping
from pathlib import Path

import duckdb
import polars as pl

from pipelines.basis import first_month_of, schema_of, scheme_year_of
from pipelines.deliveries import EXCLUDED_ITEMS
from pipelines.lists import (
    Cell,
    code,
    flag,
    folded,
    month,
    name,
    one_of,
    optional_text,
    pence,
    reference,
    thousandths,
)
from pipelines.user_lists import UserList, read_user_list, refuse_repeated, refuse_rows
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from pricing.excluded_items import DRUG, PRICES
from pricing.money import LARGEST_PENCE
from pricing.scheme import ITEM_CATEGORIES

ITEM_CELLS = (
    Cell("item_reference", "item_reference", pl.String, reference),
    Cell("record_id", "record_id", pl.String, optional_text),
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("activity_month", "activity_month", pl.String, month),
    Cell("category", "category", pl.String, one_of(*ITEM_CATEGORIES)),
    Cell("item_name", "item_name", pl.String, name),
    Cell("is_homecare", "is_homecare", pl.Boolean, flag),
    Cell("quantity", "quantity_thousandths", pl.Int64, thousandths),
    *(Cell(price, f"{price}_pence", pl.Int64, pence) for price in PRICES),
)
_LIST_OF_CATEGORY = {
    "drug": "excluded_drugs",
    "device": "excluded_devices",
    # Annex A has three tabs for the four (2023/25 ¶28): procedures with devices is our reading.
    "listed_procedure": "excluded_devices",
    "medtech": "medtech_products",
}
_IN_UNIT_PRICES = "drugs_in_unit_prices"
_AS_LISTED = [
    *("item_reference", "record_id", "category", "item_name", "quantity_thousandths"),
    *(f"{price}_pence" for price in PRICES),
]
"""What a statement keeps of an item as it was listed, whoever stands for its parties since."""


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
        if _LIST_OF_CATEGORY[category] not in tables
    )


def items_changed_since(items: pl.DataFrame, month: str, statement: Path) -> int:
    """How many items of a month are not as the month's last statement has them, or are gone."""
    of_month = items.filter(pl.col("activity_month") == month).select(_AS_LISTED)
    stated = pl.read_parquet(statement).select(_AS_LISTED)
    added = of_month.join(stated, on=_AS_LISTED, how="anti", nulls_equal=True)
    gone = stated.join(of_month, on=_AS_LISTED, how="anti", nulls_equal=True)
    return pl.concat([added, gone])["item_reference"].n_unique()


def published_above_baselines(workspace: Workspace, month: str) -> pl.DataFrame:
    """What earlier months of the scheme year published of drugs above baselines, by pair.

    On the workspace's basis; `provider_code`, `commissioner_code` and `published_pence`. Raises
    `UserError` where the mart cannot be read.
    """
    none = pl.DataFrame(schema={**dict.fromkeys(PAIR, pl.String), "published_pence": pl.Int64})
    if not workspace.mart.is_file():
        return none
    table = f"{schema_of(workspace.basis)}.excluded_drugs_baseline"
    try:
        with duckdb.connect(str(workspace.mart), read_only=True) as mart:
            found = mart.sql(
                f"SELECT {', '.join(PAIR)}, sum(payable_pence)::BIGINT AS published_pence "
                f"FROM {table} WHERE pricing_basis = ? AND activity_month >= ? "
                "AND activity_month < ? AND payable_pence IS NOT NULL GROUP BY ALL",
                params=[workspace.basis.name, first_month_of(scheme_year_of(month)), month],
            )
            return pl.concat([none, pl.DataFrame(found.to_arrow_table())])
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise UserError(
            f"{workspace.shown(workspace.mart)} was made by another version of sus-pricing: its "
            "table excluded_drugs_baseline has other columns. Move it away and run every month "
            "again."
        ) from error
    except duckdb.Error as error:
        raise UserError(
            f"{workspace.shown(workspace.mart)} is damaged or no DuckDB file. Move it away and run "
            "every month again."
        ) from error


def _is_named(items: pl.DataFrame, tables: Mapping[str, pl.DataFrame], table: str) -> pl.Expr:
    listed = tables[table]["name"].drop_nulls().to_list() if table in tables else []
    names = {folded(name) for name in listed}
    found = [name for name in items["item_name"].unique() if folded(name) in names]
    return pl.col("item_name").is_in(found)
