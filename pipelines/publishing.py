"""Publishing: a month's results into `marts/outputs.duckdb`, all at once or not at all.

Belongs here: the tables and reading views of the mart, with their comments, and building
the new file aside, checking it, and swapping it in with one rename. Does not belong here:
working anything out; what is published is what the lake holds.

Readers keep the file they have open; whoever opens it after the rename gets the new one.

What is priced on another basis than the month's own year is in tables of the same names in
the schema `repriced`, so that no query over a month's own tables can mix the two.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock

from pipelines.accounting import Account, item_totals, totals
from pipelines.basis import (
    OWN_SCHEMA,
    REPRICED_SCHEMA,
    PricingBasis,
    first_month_of,
    schema_of,
    scheme_year_of,
)
from pipelines.fixed_element.statements import FIXED_ELEMENT_STATEMENT
from pipelines.pricing_run import CONTRACT_LINES, priced_paths
from pipelines.reasons import reasons
from pipelines.validation import refused_path
from pipelines.workspace import UserError, Workspace, discard, replacing, rows_of
from pipelines.year_to_date import of_statement, out_of_step, with_instalments
from schemas.contract_statements import (
    BLENDED,
    CONTRACT_STATEMENT,
    FIXED_ELEMENT,
    FIXED_ELEMENT_REVIEW,
    VARIABLE_ELEMENT,
)
from schemas.extracts import EXTRACTS, SUPPLEMENT
from schemas.priced_line import (
    EBI_CHALLENGES,
    EXCLUDED_DRUGS_BASELINE,
    EXCLUDED_ITEMS,
    LOW_VOLUME,
    LOW_VOLUME_ADDITIONS,
    PRICED_LINE,
    REASONS,
    RECONCILIATION,
    RECONCILIATION_DIFFERENCES,
    REFUSED_RECORDS,
    SUS_ROUNDING,
    Field,
)

STORAGE_VERSION = "v1.5.0"
"""The oldest DuckDB that can read what is published."""

_MEMORY_LIMIT = "1GB"
_SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
    "date": "DATE",
    "codes": "VARCHAR[]",
    "timestamp": "TIMESTAMP",
}

PRICING_BASIS = Field(
    "pricing_basis",
    "text",
    "own_year, or the rule year and the day as of which the rules and prices were known",
)

ACCOUNTING = (
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    Field("dataset", "text", "apc, op, or items: the excluded items of the users' list"),
    Field("payment_mechanism", "text", "Mechanism that pays for the lines"),
    Field("lines", "integer", "Priced lines, or items"),
    Field(
        "value_pence",
        "integer",
        "Worth at unit prices after MFF, or what the items come to; null if none has a price",
    ),
    Field(
        "payable_pence",
        "integer",
        "What is payable for the lines; null if no line has an amount, or a plan decides it",
    ),
    Field("lines_without_price", "integer", "Lines whose local price is still to be agreed"),
)
RUNS = (
    Field("run_id", "text", "Run that published the month"),
    Field("published_at", "timestamp", "When, in UTC"),
    Field(
        "is_current",
        "flag",
        "Whether it is the month's latest run on its basis, and made of what was last delivered",
    ),
    Field("activity_month", "text", "Month of discharge or appointment, CCYY-MM"),
    PRICING_BASIS,
    Field("scheme_year", "text", "Scheme year whose rules were used"),
    Field("is_illustrative", "flag", "True: made-up prices, not to be paid on"),
    Field("records_delivered", "integer", "Records in"),
    Field("records_priced", "integer", "Records that became priced lines"),
    Field("records_refused", "integer", "Records refused, by validation or pricing"),
    Field("value_pence", "integer", "Worth of all lines at unit prices after MFF"),
    Field("payable_pence", "integer", "Payable for all lines that have an amount"),
    Field("content_hash", "text", "Of the priced lines, in whatever order"),
    Field("deliveries", "text", "Files taken in, each with its sha256, as JSON"),
    Field("priced_with", "text", "sha256 of pack, price book and lists, as JSON"),
    Field(
        "year_to_date",
        "text",
        "sha256 of what each month of the year so far gives to statements by contract, as JSON",
    ),
    Field("versions", "text", "Versions of the software, as JSON"),
    Field("notices", "text", "What whoever reads the result must know"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the mart."""

    name: str
    comment: str
    fields: tuple[Field, ...]


_MONTHLY = (
    Table("priced_lines", "One row per record and line; the row is the trace", PRICED_LINE),
    Table(
        "variable_element",
        "API variable element by provider, commissioner, month and contract line, with its plan",
        VARIABLE_ELEMENT,
    ),
    Table(
        "blended",
        "Blended payments by provider, commissioner, month and contract line, with their plan",
        BLENDED,
    ),
    Table(
        "fixed_element",
        "API fixed element of contracts with a worksheet, item by item, and the month's instalment",
        FIXED_ELEMENT,
    ),
    Table(
        "fixed_element_review",
        "Yearly review of contracts: each service, each rule in turn, and each year of the plan",
        FIXED_ELEMENT_REVIEW,
    ),
    Table(
        "contract_statement",
        "All that each contract pays in the month, by section; of the fixed element its instalment "
        "where there is a worksheet",
        CONTRACT_STATEMENT,
    ),
    Table(
        "low_volume",
        "Every pair of the LVA payments schedule: its block and what it covered in the month",
        LOW_VOLUME,
    ),
    Table(
        "low_volume_additions",
        "What each update of the LVA payments schedule adds to a block, and by which day it is due",
        LOW_VOLUME_ADDITIONS,
    ),
    Table(
        "ebi_challenges",
        "Category 1 evidence-based interventions without prior approval",
        EBI_CHALLENGES,
    ),
    Table(
        "excluded_items",
        "High cost drugs, devices and other excluded items: what is paid for each, and why",
        EXCLUDED_ITEMS,
    ),
    Table(
        "excluded_drugs_baseline",
        "Excluded drugs of NHS England in the scheme year up to each month, against baselines",
        EXCLUDED_DRUGS_BASELINE,
    ),
    Table(
        "reconciliation",
        "What SUS+ gave against what it comes to here, by part of the price and cause",
        RECONCILIATION,
    ),
    Table(
        "reconciliation_differences",
        "Records that SUS+ prices otherwise, part by part, and the one cause",
        RECONCILIATION_DIFFERENCES,
    ),
    Table(
        "sus_rounding",
        "How many prices of SUS+ each rounding rule gives from its own amounts",
        SUS_ROUNDING,
    ),
    Table("refused_records", "Records that were not priced, and every reason", REFUSED_RECORDS),
    Table("accounting", "Lines and pence of each month by mechanism", ACCOUNTING),
)
TABLES = (
    *(replace(table, fields=(*table.fields, PRICING_BASIS)) for table in _MONTHLY),
    Table("runs", "Every run that published, and what made it", RUNS),
    Table("reasons", "What each reason code means and what to do", REASONS),
)
"""The tables of the mart; those of months are in both schemas."""
_FROM_PARQUET = (
    "priced_lines",
    "variable_element",
    "blended",
    "fixed_element",
    "fixed_element_review",
    "contract_statement",
    "low_volume",
    "low_volume_additions",
    "ebi_challenges",
    "excluded_items",
    "excluded_drugs_baseline",
    "reconciliation",
    "reconciliation_differences",
    "sus_rounding",
)
"""The tables whose rows of a month are in the lake as they are published."""
_AGAINST_PLAN = ("variable_element", "blended")
"""The statements that are made with the year to date."""
_BY_NAME = {table.name: table for table in _MONTHLY}
_OF_MONTH = "activity_month = $month AND pricing_basis = $basis"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a month on a basis goes in the mart."""

    month: str
    basis: str

    @property
    def of_month(self) -> dict[str, str]:
        """Values of `_OF_MONTH`."""
        return {"month": self.month, "basis": self.basis}

    def table(self, name: str) -> str:
        """The name of a table with its schema."""
        return f"{schema_of(PricingBasis.named(self.basis))}.{name}"


class PublicationError(UserError):
    """The new mart did not tie out; the published one is untouched."""


def publish(workspace: Workspace, account: Account, run_id: str) -> dict[str, int]:
    """Puts a month into the mart in place of what the mart held of it.

    Gives the rows of each table for the month. Raises `PublicationError`, and leaves the
    published file as it was, when the new one does not tie out to the account.
    """
    workspace.mart.parent.mkdir(parents=True, exist_ok=True)
    spill = workspace.mart.parent / ".spill"
    with FileLock(workspace.mart.parent / ".lock"):
        try:
            with replacing(workspace.mart) as writing:
                if workspace.mart.is_dir():
                    raise UserError(
                        f"{workspace.shown(workspace.mart)} is a folder. Move it away and run "
                        "every month again."
                    )
                if workspace.mart.exists():
                    shutil.copyfile(workspace.mart, writing)
                rows = _build(workspace, account, run_id, writing, spill)
        except PermissionError as error:
            raise UserError(
                f"{workspace.shown(workspace.mart)} cannot be replaced while somebody has it "
                "open, as on Windows. Close it and run the month again; nothing was published."
            ) from error
        finally:
            discard(spill)
            discard(Path(f"{workspace.mart.parent}/.{workspace.mart.name}.writing.wal"))
    return rows


def _build(
    workspace: Workspace, account: Account, run_id: str, path: Path, spill: Path
) -> dict[str, int]:
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        connection.execute("SET temp_directory = ?", [str(spill)])
        connection.execute("SET preserve_insertion_order = true")
        try:
            connection.execute(
                f"ATTACH '{_quoted(path)}' AS mart (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
        except duckdb.Error as error:
            raise UserError(
                f"{workspace.shown(workspace.mart)} is damaged or no DuckDB file. Move it away "
                "and run every month again."
            ) from error
        connection.execute("USE mart")
        connection.execute("BEGIN")
        make_tables(workspace, connection)
        place = _Place(account.activity_month, account.pricing_basis)
        for name in _FROM_PARQUET:
            _replace_month(connection, name, place, _source(workspace, name, place.month))
        _replace_refused(workspace, connection, account, place)
        _replace_accounting(connection, account, place)
        if place.month in _not_following(connection, place):
            raise PublicationError(
                "What earlier months published of excluded drugs above baselines has changed while "
                f"{place.month} was made, so it was not published. Run the month again."
            )
        files, made_with = _files(account), _made_with(workspace, place.month)
        stale = _take_out_stale(workspace, connection, place)
        notices = [
            *account.notices,
            *_taken_out(place, stale),
            *_mark_out_of_step(connection, place, made_with),
            *_out_of_date_bases(connection, place, files),
        ]
        _add_run(connection, account, run_id, files, made_with, notices)
        if any(month < place.month for month in stale):
            _set_out_of_date(connection, place)
        _replace_reasons(connection)
        _refuse_unless_it_ties(connection, account, place)
        connection.execute("COMMIT")
        rows = {table.name: _count(connection, table.name, place) for table in _MONTHLY}
        connection.execute("CHECKPOINT mart")
        connection.execute("USE memory")
        connection.execute("DETACH mart")
    return rows


def make_tables(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the tables and views that are not there, and refuses a mart of other columns."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {REPRICED_SCHEMA}")
    for table in TABLES:
        _make_table(workspace, connection, OWN_SCHEMA, table)
        if table.name in _BY_NAME:
            comment = f"{table.comment}; on another pricing basis than the month's own year"
            _make_table(workspace, connection, REPRICED_SCHEMA, replace(table, comment=comment))


def _make_table(
    workspace: Workspace, connection: duckdb.DuckDBPyConnection, schema: str, table: Table
) -> None:
    wanted = [(f.name, _SQL_TYPES[f.type]) for f in table.fields]
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'mart' "
        "AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, table.name],
    ).fetchall()
    if found and found != wanted:
        raise UserError(
            f"{workspace.shown(workspace.mart)} was made by another version of sus-pricing: "
            f"its table {table.name} has other columns. Move it away and run every month again."
        )
    if not found:
        name = f"{schema}.{table.name}"
        columns = ", ".join(f"{name} {kind}" for name, kind in wanted)
        connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.execute(f"COMMENT ON TABLE {name} IS '{_escaped(table.comment)}'")
        _comment_columns(connection, name, {f.name: f.comment for f in table.fields})
        _make_view(connection, name, table)


def _comment_columns(
    connection: duckdb.DuckDBPyConnection, name: str, comments: Mapping[str, str]
) -> None:
    for column, comment in comments.items():
        connection.execute(f"COMMENT ON COLUMN {name}.{column} IS '{_escaped(comment)}'")


def _make_view(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """A view with pounds for pence, where a table has any."""
    if not any(f.name.endswith("_pence") for f in table.fields):
        return
    in_pounds = {
        f.name: f"{f.name.removesuffix('_pence')}_gbp"
        for f in table.fields
        if f.name.endswith("_pence")
    }
    columns = [
        f"({f.name} * 0.01::DECIMAL(3, 2))::DECIMAL(18, 2) AS {in_pounds[f.name]}"
        if f.name in in_pounds
        else f.name
        for f in table.fields
    ]
    view = f"{name}_gbp"
    connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {name}")
    comment = _escaped(f"{table.comment}; amounts in pounds")
    connection.execute(f"COMMENT ON VIEW {view} IS '{comment}'")
    comments = {in_pounds.get(f.name, f.name): f.comment for f in table.fields}
    _comment_columns(connection, view, comments)


def _source(workspace: Workspace, name: str, month: str) -> list[Path]:
    if name == "priced_lines":
        return list(priced_paths(workspace, month).values())
    return [workspace.statement(name, month)]


def _replace_month(
    connection: duckdb.DuckDBPyConnection, name: str, place: _Place, sources: Sequence[Path]
) -> None:
    """A month's rows of one table, from Parquet, in the order of their columns."""
    columns = [f.name for f in _BY_NAME[name].fields]
    order = {
        "priced_lines": ", ".join(columns[:2]),
        "reconciliation": f"abs(difference_pence) DESC, {', '.join(columns)}",
    }.get(name, "ALL")
    _delete_month(connection, name, place)
    connection.execute(
        f"INSERT INTO {place.table(name)} SELECT {', '.join(columns)}, '{place.basis}' "
        f"FROM {rows_of(*sources)} ORDER BY {order}"
    )


def _delete_month(connection: duckdb.DuckDBPyConnection, name: str, place: _Place) -> None:
    connection.execute(f"DELETE FROM {place.table(name)} WHERE {_OF_MONTH}", place.of_month)


def _replace_refused(
    workspace: Workspace, connection: duckdb.DuckDBPyConnection, account: Account, place: _Place
) -> None:
    _delete_month(connection, "refused_records", place)
    cuts = {dataset.dataset: dataset.cut for dataset in account.datasets}
    for extract in EXTRACTS:
        cut = cuts[extract.dataset]
        values = ", ".join(f"{c.name} := {c.name}" for c in extract.columns)
        for by in ("validation", "pricing"):
            path = refused_path(workspace, extract.dataset, place.month, cut, by)
            connection.execute(
                f"""
                INSERT INTO {place.table("refused_records")}
                SELECT ?, ?, ?, nullif(trim(record_id), ''), ?, refusal_codes,
                       delivery_id, row_number, to_json(struct_pack({values}))::VARCHAR, ?
                FROM read_parquet(?) ORDER BY delivery_id, row_number
                """,
                [extract.dataset, place.month, cut, by, place.basis, str(path)],
            )


def _replace_accounting(
    connection: duckdb.DuckDBPyConnection, account: Account, place: _Place
) -> None:
    _delete_month(connection, "accounting", place)
    for m in (*account.mechanisms, *account.items):
        connection.execute(
            f"INSERT INTO {place.table('accounting')} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                place.month,
                m.dataset,
                m.payment_mechanism,
                m.lines,
                m.value_pence,
                m.payable_pence,
                m.lines_without_price,
                place.basis,
            ],
        )


def _files(account: Account) -> str:
    """The deliveries that a month was made of, as JSON."""
    made_of = [
        {**file, "dataset": d.dataset, "cut": d.cut} for d in account.datasets for file in d.files
    ]
    supplements = {
        file["sha256"]: {**file, "dataset": SUPPLEMENT.dataset}
        for d in account.datasets
        for file in d.supplements
    }
    return json.dumps([*made_of, *supplements.values()])


def _out_of_date_bases(
    connection: duckdb.DuckDBPyConnection, place: _Place, files: str
) -> list[str]:
    """Marks what was priced of the month on other bases from other deliveries; tells which.

    A comparison of two bases would else show what was delivered between them.
    """
    others = [
        row[0]
        for row in connection.execute(
            "SELECT pricing_basis FROM runs WHERE is_current AND activity_month = $month "
            "AND pricing_basis <> $basis AND deliveries <> $files ORDER BY ALL",
            {**place.of_month, "files": files},
        ).fetchall()
    ]
    for basis in others:
        _set_out_of_date(connection, replace(place, basis=basis))
    return [
        f"{place.month} on the basis {basis} was made of other deliveries, and is out of date: "
        "run it again before the two are compared."
        for basis in others
    ]


def _add_run(
    connection: duckdb.DuckDBPyConnection,
    account: Account,
    run_id: str,
    files: str,
    made_with: str,
    notices: list[str],
) -> None:
    _set_out_of_date(connection, _Place(account.activity_month, account.pricing_basis))
    row: Mapping[str, object] = {
        "run_id": run_id,
        "published_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        "is_current": True,
        "activity_month": account.activity_month,
        "pricing_basis": account.pricing_basis,
        "scheme_year": account.scheme_year,
        "is_illustrative": account.is_illustrative,
        "records_delivered": account.delivered,
        "records_priced": account.priced,
        "records_refused": account.refused,
        "value_pence": account.value_pence,
        "payable_pence": account.payable_pence,
        "content_hash": account.content_hash,
        "deliveries": files,
        "priced_with": json.dumps(account.pricing_inputs),
        "year_to_date": made_with,
        "versions": json.dumps(account.versions),
        "notices": "\n".join(notices),
    }
    marks = ", ".join("?" for _ in RUNS)
    connection.execute(f"INSERT INTO runs VALUES ({marks})", [row[f.name] for f in RUNS])


def _set_out_of_date(connection: duckdb.DuckDBPyConnection, place: _Place) -> None:
    connection.execute(f"UPDATE runs SET is_current = false WHERE {_OF_MONTH}", place.of_month)


def _replace_reasons(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("DELETE FROM reasons")
    rows = [[row[f.name] for f in REASONS] for row in reasons()]
    connection.executemany("INSERT INTO reasons VALUES (?, ?, ?, ?, ?)", rows)


def _refuse_unless_it_ties(
    connection: duckdb.DuckDBPyConnection, account: Account, place: _Place
) -> None:
    """The mart's own rows must give the account to the penny."""
    of_month = f"activity_month = '{place.month}' AND pricing_basis = '{place.basis}'"
    lines = f"(SELECT * FROM {place.table('priced_lines')} WHERE {of_month})"
    mechanisms, content_hash = totals(lines, connection)
    if mechanisms != account.mechanisms or content_hash != account.content_hash:
        raise PublicationError(
            f"The priced lines of {place.month} in the new mart are not those that were "
            "accounted for, so it was not published. Run the month again."
        )
    items = f"(SELECT * FROM {place.table('excluded_items')} WHERE {of_month})"
    if item_totals(items, connection) != account.items:
        raise PublicationError(
            f"The excluded items of {place.month} in the new mart are not those that were "
            "accounted for, so it was not published. Run the month again."
        )
    refused = _count(connection, "refused_records", place)
    if refused != account.refused:
        raise PublicationError(
            f"The new mart holds {refused:,} refused records of {place.month}, the account "
            f"{account.refused:,}, so it was not published. Run the month again."
        )


def _take_out_stale(
    workspace: Workspace, connection: duckdb.DuckDBPyConnection, place: _Place
) -> list[str]:
    """Takes out other months that hold records of this one, and gives them.

    A record's later delivery stands, and it has another month: what was published of its
    earlier month is out of date as a whole, and would pay for the record twice. So would a year to
    date with what its lines came to.
    """
    lines = place.table("priced_lines")
    stale = [
        row[0]
        for row in connection.execute(
            f"""
            SELECT DISTINCT other.activity_month FROM {lines} AS here
            JOIN {lines} AS other USING (dataset, record_id, line_number, pricing_basis)
            WHERE here.activity_month = $month AND here.pricing_basis = $basis
              AND other.activity_month <> $month ORDER BY ALL
            """,
            place.of_month,
        ).fetchall()
    ]
    for month in stale:
        other = replace(place, month=month)
        for table in _MONTHLY:
            _delete_month(connection, table.name, other)
        _set_out_of_date(connection, other)
        discard(workspace.statement(CONTRACT_LINES, month))
    return stale


def _taken_out(place: _Place, stale: Sequence[str]) -> list[str]:
    """What is told of months that were taken out, and of one whose year to date had them."""
    told = [
        f"{month} was taken out of the mart: records of it were delivered again as "
        f"{place.month}. Run {month} again."
        for month in stale
    ]
    had = [month for month in stale if month < place.month]
    if had:
        told.append(
            f"{place.month} is out of date itself: in its year to date {', '.join(had)} is as it "
            f"was before. Run {place.month} again after it."
        )
    return told


def _not_following(connection: duckdb.DuckDBPyConnection, place: _Place) -> list[str]:
    """The months of the scheme year that were not made with what is published of earlier ones.

    A month pays of the year's drugs above a baseline what earlier months did not publish: only
    then do the months come to what the year pays. Of all pairs together, since one may have been
    succeeded by another.
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


def _mark_out_of_step(
    connection: duckdb.DuckDBPyConnection, place: _Place, made_with: str
) -> list[str]:
    """Marks other months that this publication leaves without what they were made with."""
    of_drugs = [month for month in _not_following(connection, place) if month != place.month]
    of_contracts = out_of_step(connection, place.month, place.basis, made_with)
    for month in (*of_drugs, *of_contracts):
        _set_out_of_date(connection, replace(place, month=month))
    drugs = "what earlier months published of excluded drugs above baselines"
    contracts = "other contract lines, plans, counts, terms or instalments of the year to date"
    return [
        f"{month} is out of date: it was made with {of_what}, which {verb} not what {they} now. "
        f"Run {month} again."
        for months, of_what, verb, they in (
            (of_drugs, drugs, "is", "they publish"),
            (of_contracts, contracts, "are", "there is"),
        )
        for month in months
    ]


def _made_with(workspace: Workspace, month: str) -> str:
    """What the month's statements by contract were made with; those against plans of the same."""
    made_with = {of_statement(workspace.statement(name, month)) for name in _AGAINST_PLAN}
    if len(made_with) > 1:
        raise PublicationError(
            f"Earlier months of the year, plans or terms have changed while {month} was made, so "
            "it was not published. Run the month again."
        )
    instalments = of_statement(workspace.statement(FIXED_ELEMENT_STATEMENT, month))
    return with_instalments(made_with.pop(), instalments)


@contextmanager
def opened_mart(
    workspace: Workspace, tables: Iterable[str], how: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published mart, to read these tables of the workspace's basis.

    Raises `UserError` where nothing is published, which says `how` to, or where the mart was made
    before it had the tables.
    """
    if not workspace.mart.is_file():
        raise UserError(f"Nothing is published yet. {how}")
    with duckdb.connect(str(workspace.mart), read_only=True) as connection:
        rows = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?",
            [schema_of(workspace.basis)],
        ).fetchall()
        if not set(tables) <= {name for (name,) in rows}:
            raise UserError(
                f"{workspace.shown(workspace.mart)} was made by an earlier version of "
                "sus-pricing. Move it away and run every month again."
            )
        yield connection


def published_notices(workspace: Workspace, month: str) -> list[str]:
    """What whoever reads a published month must know."""
    place = _Place(month, workspace.basis.name)
    with duckdb.connect(str(workspace.mart), read_only=True) as connection:
        row = connection.execute(
            f"SELECT notices FROM runs WHERE {_OF_MONTH} ORDER BY rowid DESC LIMIT 1",
            place.of_month,
        ).fetchone()
    return row[0].splitlines() if row else []


def _count(connection: duckdb.DuckDBPyConnection, name: str, place: _Place) -> int:
    row = connection.execute(
        f"SELECT count(*) FROM {place.table(name)} WHERE {_OF_MONTH}", place.of_month
    ).fetchone()
    assert row is not None
    return int(row[0])


def _quoted(path: Path) -> str:
    return _escaped(str(path))


def _escaped(text: str) -> str:
    return text.replace("'", "''")
