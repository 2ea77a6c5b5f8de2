"""`docs/data-dictionary.md`: what is taken in, and what is published.

Belongs here: setting out the extract columns and the tables and views of the mart, and
where each is used. Does not belong here: the columns (`schemas`), or the tables
(`pipelines.publishing`).
"""

import duckdb

from docs.builders.markdown import code, lines, page, table, yes_or_no
from pipelines import publishing
from pipelines.basis import REPRICED_SCHEMA
from pipelines.workspace import PROJECT, Workspace
from schemas.extracts import (
    DIRECT_IDENTIFIERS,
    EXTRACTS,
    SUPPLEMENT,
    SUPPLEMENT_COLUMNS,
    Column,
    Extract,
    Layout,
)
from schemas.rules import record_rules

_USED = {
    "priced_lines": (
        "The statements are made from it. `sus-pricing explain` reads it. Join it to `reasons`."
    ),
    "variable_element": "What each contract pays of the variable element, against its plan.",
    "blended": "What each contract pays of the blended payments, fixed and variable.",
    "fixed_element": "What each item of a contract's fixed element adds, and what of it is paid.",
    "fixed_element_review": "A contract against price × activity, and what may be adjusted when.",
    "contract_statement": "All that a contract pays in the month, and what of it is open.",
    "low_volume": "Statement of each LVA block, and of what was paid outside it.",
    "low_volume_additions": "What is due of LVA blocks beside the block, and when.",
    "ebi_challenges": "List for commissioners to raise with providers.",
    "excluded_items": "List of what is paid for each item of the user's list, and why.",
    "excluded_drugs_baseline": "Statement of NHS England's drugs above what the fixed element has.",
    "reconciliation": "`sus-pricing reconcile` prints it: where SUS+ prices otherwise, and why.",
    "reconciliation_differences": "List to go through with providers, a cause at a time.",
    "sus_rounding": "To choose the rounding of a scheme pack by what SUS+ does.",
    "refused_records": "List to send back to providers. `sus-pricing explain` reads it.",
    "accounting": "The table that a run ends with; excluded items are its rows of `items`.",
    "runs": "What made each month, to reproduce it and to show an auditor.",
    "reasons": "To be joined to `reason_code` and `refusal_codes`. `sus-pricing explain` reads it.",
}
_KINDS = {
    "text": "text",
    "code": "text, in capitals",
    "codes": "text, in capitals, a blank between two codes",
    "date": "date, from CCYYMMDD or CCYY-MM-DD",
    "integer": "whole number",
    "pence": "pence, from pounds",
    "timestamp": "text, CCYYMMDDhhmmss",
}


def build() -> str:
    """The page."""
    return page(
        "Data dictionary",
        "`schemas/` and `pipelines/publishing.py`",
        "What is taken in, what each column becomes, and what is published. Codes are text, with "
        "leading zeros as the NHS Data Dictionary has them. Amounts are whole pence. Blank is "
        "null, and null is not 0.",
        "## Taken in",
        "Columns are found by header, in any order, whatever the case. Those not named here are "
        "left at the door. Every value is trimmed.",
        *(_extract(extract) for extract in EXTRACTS),
        _supplement(),
        "### Never read",
        "No column of ours may be read from these, and a test holds us to it: "
        + ", ".join(code(header) for header in DIRECT_IDENTIFIERS)
        + ".",
        "## Published: marts/outputs.duckdb",
        *_tables(),
    )


def _extract(extract: Extract) -> str:
    rows = [
        [
            _delivered_as(column),
            code(column.name),
            _becomes(column),
            column.means,
            yes_or_no(column.nullable),
            lines(code(found) for found in _codes(column, extract)),
        ]
        for column in extract.columns
    ]
    header = ["delivered as", "becomes", "type", "what it is", "may be blank", "refused for"]
    return (
        f"### {extract.title.capitalize()} (`{extract.dataset}`)\n\n"
        f"Costed by `{extract.costing_date}`. {_recognised(extract)}\n\n"
        f"{table(header, rows)}"
    )


def _supplement() -> str:
    added_to = {
        name: [dataset for dataset, names in SUPPLEMENT_COLUMNS.items() if name in names]
        for name in (column.name for column in SUPPLEMENT.columns)
    }
    rows = [
        [
            _delivered_as(column),
            code(column.name),
            _becomes(column),
            column.means,
            ", ".join(code(dataset) for dataset in added_to[column.name]),
        ]
        for column in SUPPLEMENT.columns
    ]
    header = ["delivered as", "becomes", "type", "what it is", "added to the records of"]
    return (
        f"### {SUPPLEMENT.title} (`{SUPPLEMENT.dataset}`)\n\n"
        "Optional. They have no costing date: a row is joined to the attendance with its Generated "
        "Record ID, or to the spell with its Spell ID, in any month. Of several rows of one record "
        "the one with the latest Query Date stands; of the episodes of a spell, the last that has "
        f"a code. {_recognised(SUPPLEMENT)}\n\n{table(header, rows)}"
    )


def _recognised(layout: Layout) -> str:
    headers = " and ".join(code(header) for header in layout.recognised_by)
    return f"Recognised by the headers {headers}."


def _delivered_as(column: Column) -> str:
    first, last = column.headers[0], column.headers[-1]
    return code(first) if first == last else f"{code(first)} to {code(last)}"


def _becomes(column: Column) -> str:
    said = [_KINDS[column.kind]]
    if column.pad_to:
        said.append(f"zeros put before it to {column.pad_to} digits")
    if column.strip_zeros:
        said.append("leading zeros taken off")
    if column.known:
        said.append("one of " + " ".join(column.known))
    if column.between:
        said.append("{:,} to {:,}".format(*column.between))
    if column.optional:
        said.append("the column may be absent")
    return "; ".join(said)


def _codes(column: Column, extract: Extract) -> list[str]:
    """The codes of the rules made from a column; rules that weigh several are in Reasons."""
    made = {column.missing} if column.missing else set()
    endings = ("UNPARSEABLE", "MALFORMED", "UNKNOWN", "OUT_OF_RANGE")
    made |= {f"{column.stem}_{ending}" for ending in endings} if column.stem else set()
    return [rule.code for rule in record_rules(extract) if rule.code in made]


def _repriced() -> list[str]:
    return [t.name for t in publishing.TABLES if t.name not in ("runs", "reasons")]


def _tables() -> list[str]:
    """The tables and views of a mart just made, as DuckDB describes them."""
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS mart")
        connection.execute("USE mart")
        publishing.make_tables(Workspace.at(PROJECT), connection)
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE database_name = 'mart' AND schema_name = 'main' AND NOT internal "
            "ORDER BY table_name, column_index"
        ).fetchall()
        views = connection.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'mart' "
            "AND schema_name = 'main' AND NOT internal ORDER BY view_name"
        ).fetchall()
    parts = []
    for made in publishing.TABLES:
        rows = [
            [code(name), kind, comment or ""]
            for of, name, kind, comment in columns
            if of == made.name
        ]
        parts += [
            f"### {made.name}",
            f"{made.comment}. *Used:* {_USED[made.name]}",
            table(["column", "type", "what it is"], rows),
        ]
    rows = [
        [
            code(view),
            comment or "",
            ", ".join(code(name) for of, name, _, _ in columns if of == view and "_gbp" in name),
        ]
        for view, comment in views
    ]
    return [
        *parts,
        "### On another pricing basis: the schema repriced",
        "What `sus-pricing run --scheme` and `--as-of`, and `reissue`, make of a month: tables and "
        "views of the same names and columns as a month's own, "
        + ", ".join(code(f"{REPRICED_SCHEMA}.{name}") for name in _repriced())
        + ". They may hold one month on several bases: a query names its `pricing_basis`. "
        "*Used:* to compare years, publication days and baselines. Never to pay a month.",
        "### Views in pounds",
        "Each has the columns of its table, with `_gbp` (`DECIMAL(18,2)`) for every `_pence`. "
        "*Used:* by people. What is settled is summed in pence.",
        table(["view", "what it is", "columns in pounds"], rows),
    ]
