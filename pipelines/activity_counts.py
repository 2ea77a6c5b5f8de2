"""The users' list of activity counts: what no extract has, counted by contract, line and month.

Belongs here: reading the list, and the prices of the price book by line and code. Does not
belong here: what a count is worth (`pricing.planned_activity`), or what is paid for it
(`pricing.variable_element`, `pricing.blended_payments`).
"""

from collections.abc import Mapping

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.deliveries import ACTIVITY_COUNTS
from pipelines.lists import (
    Cell,
    code,
    month,
    optional_code,
    optional_text,
    pence,
    required_whole,
    scheme_year,
    text,
    yes_or_no,
)
from pipelines.price_books.annex_a import BY_NAME
from pipelines.scheme_packs import scheme_years
from pipelines.user_lists import (
    UserList,
    read_user_list,
    refuse_other_months,
    refuse_outside_years,
    refuse_repeated,
    refuse_rows,
)
from pipelines.workspace import Workspace
from pricing.contracts import PAIR
from pricing.money import LARGEST_PENCE
from pricing.planned_activity import (
    has_price,
    is_counted,
    lines_of,
    local_price_needs_approval,
    valued,
)
from pricing.scheme import Scheme

COUNT_CELLS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("activity_month", "activity_month", pl.String, month),
    Cell("scheme_year", "scheme_year", pl.String, scheme_year),
    Cell("what_if", "what_if", pl.Boolean, yes_or_no),
    Cell("contract_line", "contract_line", pl.String, text),
    Cell("price_code", "price_code", pl.String, optional_code),
    Cell("activity", "activity", pl.Int64, required_whole),
    Cell("local_price", "local_price_pence", pl.Int64, pence),
    Cell("approval_reference", "approval_reference", pl.String, optional_text),
)
_KEY = (*PAIR, "activity_month", "contract_line")
_TABLE_OF_LINE = {
    "community_diagnostics": "community_diagnostic_centres",
    "accident_and_emergency": "urgent_and_emergency_care",
    "same_day_emergency_care": "urgent_and_emergency_care",
    "genomic_testing": "genomic_testing",
    "sabr": "other_unit_prices",
    "srs_t": "other_unit_prices",
    "sirt": "other_unit_prices",
}
_PRICE = "unit_price_pence"


def read_activity_counts(workspace: Workspace) -> UserList:
    """Every count in the landing folder; none where there is no list.

    A count is by the lines and prices of its `scheme_year`, as a plan is. Raises `UserError` that
    names the lines of counts of a month outside their year that do not say `what_if`, and of two
    counts for one contract, line, code and month.
    """
    counts = read_user_list(workspace, ACTIVITY_COUNTS, COUNT_CELLS)
    refuse_outside_years(counts, scheme_years(workspace))
    refuse_other_months(counts)
    refuse_repeated(counts, *_KEY, "scheme_year", "price_code")
    return counts


def refuse_unusable_counts(
    counts: UserList, scheme: Scheme, tables: Mapping[str, pl.DataFrame]
) -> None:
    """Raises `UserError` naming the counts that a scheme year's lines cannot have.

    `counts` are those written under that year; `tables` are those of its price book, as published.
    """
    year = scheme.scheme_year
    lines = lines_of(scheme)
    line, price, local = (
        pl.col(name) for name in ("contract_line", "price_code", "local_price_pence")
    )
    counted = [name for name, one in lines.items() if is_counted(one)]
    refuse_rows(
        counts,
        ~line.is_in(counted),
        f"must name as contract_line one whose activity is counted in {year}: {', '.join(counted)}"
        " (that of the others is in the extracts)",
    )
    without_price = [name for name in counted if not has_price(lines[name])]
    refuse_rows(
        counts,
        line.is_in(without_price) & (price.is_not_null() | local.is_not_null()),
        f"of {' or '.join(without_price)} must leave price_code and local_price blank: what each "
        "unit pays is a term of the contract",
    )
    refuse_rows(
        counts,
        ~line.is_in(without_price) & price.is_null() & local.is_null(),
        "must give the price_code of its unit price, or a local_price",
    )
    published = _published(tables)
    unknown = counts.rows.join(published, on=["contract_line", "price_code"], how="anti")
    priced = list(published["contract_line"].unique())
    refuse_rows(
        UserList(unknown, counts.files),
        line.is_in(priced) & price.is_not_null() & local.is_null(),
        f"must give as price_code a code that the price book of {year} has for its line, or a "
        "local_price",
    )
    asked = nw.from_native(counts.rows).with_columns(
        has_published_prices=nw.col("contract_line").is_in(_lines_with_prices(year))
    )
    unapproved = asked.filter(local_price_needs_approval(scheme)).to_native()
    refuse_rows(
        UserList(unapproved, counts.files),
        pl.col("approval_reference").is_null(),
        "must name its approval under approval_reference, where its local_price takes the place of "
        "a unit price (2026/27 ¶43, ¶89)",
    )


def valued_counts(
    counts: pl.DataFrame,
    scheme: Scheme,
    tables: Mapping[str, pl.DataFrame],
    factors: pl.DataFrame,
) -> pl.DataFrame:
    """The counts of each pair, month and line together, with what they are worth after MFF.

    Takes entries of the scheme year by the organisations of the price year; gives
    `provider_code`, `commissioner_code`, `activity_month`, `contract_line`, `activity` and
    `value_pence`, null where any of it has no price. `factors` is `market_forces_factors` of
    `pricing.reference`. Raises `UserError` that names the lines of a provider without a factor,
    and of counts that come to more than any amount can be.
    """
    published = _published(tables).rename({_PRICE: "published_price_pence"})
    priced = counts.join(published, on=["contract_line", "price_code"], how="left").join(
        factors.rename({"mff_ppm": "provider_mff_ppm"}), on="provider_code", how="left"
    )
    every = UserList(priced, {})
    price = pl.coalesce("local_price_pence", "published_price_pence")
    refuse_rows(
        every,
        price.is_not_null() & pl.col("provider_mff_ppm").is_null(),
        f"must be of a provider that has a market forces factor in {scheme.scheme_year}",
    )
    # Divided, since the product may be beyond what an Int64 holds.
    most = pl.when(pl.col("activity") > 0).then(LARGEST_PENCE // pl.col("activity"))
    refuse_rows(every, price > most, "must not come to over £10 billion")
    value: pl.DataFrame = valued(nw.from_native(priced.lazy()), scheme).collect().to_native()
    is_whole = pl.col("value_pence").count() == pl.len()
    return (
        value.group_by(_KEY)
        .agg(
            pl.col("activity").sum(),
            pl.when(is_whole).then(pl.col("value_pence").sum()).alias("value_pence"),
        )
        .sort(_KEY)
    )


def _lines_with_prices(year: str) -> list[str]:
    """The lines for which prices are published in a scheme year, whatever the book at hand has."""
    first_in = {line: BY_NAME[table].first_in for line, table in _TABLE_OF_LINE.items()}
    return [line for line, first in first_in.items() if first is None or year >= first]


def _published(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The unit price of each line and code that a book's tables have."""
    none = pl.DataFrame(
        schema={"contract_line": pl.String, "price_code": pl.String, _PRICE: pl.Int64}
    )
    found = [none]
    for line, table in _TABLE_OF_LINE.items():
        if table not in tables or _PRICE not in tables[table].columns:
            continue
        (own,) = BY_NAME[table].key
        priced = tables[table].drop_nulls(_PRICE)
        found.append(
            priced.select(
                contract_line=pl.lit(line), price_code=pl.col(own), unit_price_pence=pl.col(_PRICE)
            )
        )
    return pl.concat(found)
