"""The year to date: what a month's statements by contract were made with, month by month.

Belongs here: identifying the contract lines, plans, counts, terms and instalments of a scheme year
up to each month, and finding published months that were made with others. Does not belong here:
taking months out of the mart or telling of them (`pipelines.publishing`), or any amount
(`pricing`).

A month is made with all of its year up to it as that is at the time. Months agree where each was
made with the same of every month that they share.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from pipelines.basis import months_of, scheme_year_of
from pipelines.user_lists import UserList

YEAR_TO_DATE = "year_to_date"
"""The key under which a statement's file holds it."""
_PLACE = ("file", "line")
_OF_INSTALMENTS = (
    *("provider_code", "commissioner_code", "item_number", "item", "formula"),
    *("amount_pence", "payable_pence", "payable_to_date_pence"),
)
"""What an instalment is: not the file that it is from, which says more than that."""


def year_to_date(
    months: Sequence[str],
    of_lines: Mapping[str, Path],
    monthly: Sequence[UserList],
    terms: pl.DataFrame,
) -> str:
    """What each of some months is made with, as JSON: a sha256 by month.

    `of_lines` are the files of contract lines of the months that are priced; `monthly` are plans
    and counts, written under the rules of the year, and `terms` are those of it.
    """
    made_with = {}
    of_year = _sha256(terms)
    for month in months:
        whole = hashlib.sha256(of_year)
        path = of_lines.get(month)
        whole.update(b"not priced" if path is None else path.read_bytes())
        for entries in monthly:
            whole.update(_sha256(entries.rows.filter(activity_month=month)))
        made_with[month] = whole.hexdigest()
    return json.dumps(made_with)


def of_instalments(year: Mapping[str, pl.DataFrame]) -> str:
    """What the instalments of some months are, as JSON: a sha256 by month; blank without any.

    Takes the rows of the statement `fixed_element` of each month, as they are worked out now.
    """
    return json.dumps(
        {
            month: _sha256(rows.select(_OF_INSTALMENTS)).hex() if rows.height else ""
            for month, rows in year.items()
        }
    )


def with_instalments(made_with: str, instalments: str) -> str:
    """What months are made with, and their instalments, which follow on each other."""
    of_month: dict[str, str] = json.loads(instalments)
    return json.dumps(
        {
            month: hashlib.sha256(f"{sha256}{of_month[month]}".encode()).hexdigest()
            if of_month[month]
            else sha256
            for month, sha256 in json.loads(made_with).items()
        }
    )


def _sha256(rows: pl.DataFrame) -> bytes:
    """Of what rows say, wherever they stand."""
    said = rows.drop(_PLACE, strict=False)
    return hashlib.sha256(said.sort(said.columns).write_csv().encode()).digest()


def of_statement(path: Path) -> str:
    """What the statement in a file was made with."""
    return pl.read_parquet_metadata(path)[YEAR_TO_DATE]


def out_of_step(
    connection: duckdb.DuckDBPyConnection, month: str, basis: str, made_with: str
) -> list[str]:
    """The published months of a month's year that were made with other than it, in order.

    Either is out of date, and it is not the one that was made last.
    """
    ours: dict[str, str] = json.loads(made_with)
    year = months_of(scheme_year_of(month))
    rows = connection.execute(
        "SELECT activity_month, year_to_date FROM runs WHERE is_current "
        "AND pricing_basis = ? AND activity_month <> ? AND list_contains(?, activity_month) "
        "ORDER BY ALL",
        [basis, month, year],
    ).fetchall()
    found = []
    for other, text in rows:
        theirs: dict[str, str] = json.loads(text)
        if any(theirs[one] != sha256 for one, sha256 in ours.items() if one in theirs):
            found.append(other)
    return found
