"""The year to date in the mart: which months of a scheme year do not agree with one another.

Belongs here: finding months whose figures of the year to date are not what the months before
published, since only then do the months come to what the year pays. Does not belong here: taking
them out or telling of them (`pipelines.publishing`), or any amount (`pricing`).
"""

from dataclasses import dataclass

import duckdb

from pipelines.basis import (
    PricingBasis,
    first_month_of,
    months_of,
    schema_of,
    scheme_year_of,
)

OF_MONTH = "activity_month = $month AND pricing_basis = $basis"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a month on a basis is in the mart."""

    month: str
    basis: str

    @property
    def of_month(self) -> dict[str, str]:
        """Values of `OF_MONTH`."""
        return {"month": self.month, "basis": self.basis}

    def table(self, name: str) -> str:
        """The name of a table with its schema."""
        return f"{schema_of(PricingBasis.named(self.basis))}.{name}"


def not_following_on_drugs(connection: duckdb.DuckDBPyConnection, place: Place) -> list[str]:
    """The months of the scheme year that were not made with what is published of earlier ones.

    A month pays of the year's drugs above a baseline what earlier months did not publish. Of all
    pairs together, since one may have been succeeded by another.
    """
    table, year = place.table("excluded_drugs_baseline"), scheme_year_of(place.month)
    following = f"{int(year[:4]) + 1}-04"
    rows = connection.execute(
        f"""
        WITH of_year AS (
            SELECT activity_month, sum(published_before_pence) AS published_before_pence,
                sum(payable_pence) AS payable_pence
            FROM {table} WHERE pricing_basis = $basis
            AND activity_month >= $first AND activity_month < $following
            GROUP BY activity_month
        ), held AS (
            SELECT activity_month, published_before_pence, coalesce(sum(payable_pence) OVER (
                ORDER BY activity_month ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS published_pence FROM of_year
        )
        SELECT activity_month FROM held
        WHERE published_before_pence <> published_pence ORDER BY ALL
        """,
        {"basis": place.basis, "first": first_month_of(year), "following": following},
    ).fetchall()
    return [row[0] for row in rows]


def out_of_step_on_contracts(connection: duckdb.DuckDBPyConnection, place: Place) -> list[str]:
    """The months whose contract lines, to date, are not those that this one was made with.

    A month is made with all of the year to date as it is now. The month before it is out of date
    where it published another year to date; so is every later one where the next of them was made
    with another.
    """
    year = months_of(scheme_year_of(place.month))
    here = year.index(place.month)
    published = {
        row[0]
        for row in connection.execute(
            f"SELECT DISTINCT activity_month FROM {place.table('contract_statement')} "
            "WHERE pricing_basis = $basis",
            {"basis": place.basis},
        ).fetchall()
    }
    before = [m for m in year[here - 1 : here] if not _agree(connection, place, m, place.month)]
    next_ones = year[here + 1 : here + 2]
    is_broken = any(not _agree(connection, place, place.month, m) for m in next_ones)
    later = year[here + 1 :] if is_broken else []
    return [month for month in (*before, *later) if month in published]


def _agree(connection: duckdb.DuckDBPyConnection, place: Place, earlier: str, later: str) -> bool:
    """Whether a month's year to date, less the month, is the one that the month before has.

    Activity to date is unknown where a month of the year was not priced when it was made.
    """
    columns = (
        "activity_month, provider_code, commissioner_code, contract_line, activity_to_date, "
        "payable_to_date_pence, payable_to_date_pence - payable_pence AS before_pence"
    )
    tables = " UNION ALL ".join(
        f"SELECT {columns} FROM {place.table(name)} WHERE pricing_basis = $basis"
        for name in ("variable_element", "blended")
    )
    row = connection.execute(
        f"""
        WITH lines AS ({tables}),
        earlier AS (SELECT * FROM lines WHERE activity_month = $earlier),
        later AS (SELECT * FROM lines WHERE activity_month = $later)
        SELECT count(*) FROM later
        LEFT JOIN earlier USING (provider_code, commissioner_code, contract_line)
        WHERE later.before_pence IS NOT NULL
        AND later.before_pence IS DISTINCT FROM
            CASE WHEN earlier.contract_line IS NULL THEN 0 ELSE earlier.payable_to_date_pence END
        OR later.activity_to_date IS NULL AND earlier.activity_to_date IS NOT NULL
        """,
        {"basis": place.basis, "earlier": earlier, "later": later},
    ).fetchone()
    return row == (0,)
