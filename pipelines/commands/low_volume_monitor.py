"""`sus-pricing lva monitor`: what each LVA block covered, and that nothing is paid for twice.

Belongs here: setting out the monitor and the conservation statement for people. Does not belong
here: any number of them (`pipelines.low_volume.monitor`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipelines.commands.console import month as valid_month
from pipelines.commands.console import out, pounds
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from pipelines.low_volume.conservation import Conservation
    from pipelines.low_volume.monitor import BlockMonitor

_NOTHING = "-"
_PAIR = ("provider", "payer")
_COVERED = {
    "lines": "covered_activity",
    "worth": "covered_value_pence",
    "variable": "api_variable_payable_pence",
    "open": "api_variable_open_lines",
    "blended worth": "api_blended_value_pence",
    "fixed worth": "api_fixed_value_pence",
    "other worth": "api_other_value_pence",
}
_BESIDE = {
    "lines": "exception_activity",
    "worth": "exception_value_pence",
    "payable": "exception_payable_pence",
    "items": "items_apart",
    "billed": "items_apart_payable_pence",
    "in block": "items_held",
    "amount": "items_held_amount_pence",
}
_PARTS = {
    "core": "core_pence",
    "acute, mental health, community": "acute_mental_health_community_pence",
    "acute": "acute_pence",
    "mental health, community": "mental_health_community_pence",
    "dental": "secondary_dental_pence",
    "specialised": "specialised_pence",
}
_SAID = {
    "has_patient_choice_exception": "patient choice",
    "has_out_of_area_exception": "out of area",
    "has_collaborative_exception": "collaborative",
}
_UNDER_API = (
    "Under API: the variable element pays so much for the lines that have an amount (open: those "
    "that have none), and the blend, the fixed element and other mechanisms would pay for what "
    "comes to the worth shown."
)
_OF_UPDATES = (
    "In due: what is due has it already; where the block was paid before the update, it alone is "
    "due. On top: due besides."
)
_BESIDE_BLOCKS = (
    "Beside blocks: lines that the block does not pay for, and what is payable for them; excluded "
    "items and what is billed for them; and items that the block pays for, with their amount."
)


def monitor(
    month: Annotated[str, typer.Option(help="Month of activity, such as 2024-07.")],
    provider: Annotated[
        str | None, typer.Option(help="Pairs of this provider alone, such as RRK.")
    ] = None,
    commissioner: Annotated[
        str | None, typer.Option(help="Pairs of this payer alone, such as QHL.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Prints what each LVA block covered in a month and the year to date, and what is due of it.

    What API would have paid for the same lines, what was paid beside the block, excluded items,
    payments by day, and the conservation statement: that nothing is both in a block and paid. The
    month must have been run.

    The JSON document has the keys activity_month, months, not_published, scheme_year,
    is_illustrative, blocks and to_date (rows by pair, in the columns of low_volume), additions (in
    those of low_volume_additions), and
    conservation and conservation_to_date (each with shares and equalities). Amounts are whole
    pence; null is not known.
    """
    valid_month(month)
    from pipelines.low_volume.monitor import read_monitor

    codes = [code.strip().upper() if code else None for code in (provider, commissioner)]
    found = read_monitor(Workspace.at(), month, *codes)
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2, default=str))
        return
    _show(found)


def _show(of: "BlockMonitor") -> None:
    _print(_blocks(of))
    periods = {of.activity_month: of.blocks}
    if len(of.months) > 1:
        periods[f"{of.months[0]} to {of.months[-1]}"] = of.to_date
    for period, rows in periods.items():
        _print(_amounts(f"In blocks, and under API, {period}", rows, _COVERED))
        _print(_amounts(f"Beside blocks, {period}", rows, _BESIDE))
    out.print(f"{_UNDER_API}\n{_BESIDE_BLOCKS}\n", soft_wrap=True)
    _print(_payments(of))
    if of.additions.height:
        _print(_additions(of))
        out.print(f"{_OF_UPDATES}\n", soft_wrap=True)
    _print_reasons(of)
    for period, made in zip(periods, (of.conservation, of.conservation_to_date), strict=False):
        _print(_shares(f"Conservation statement, {period}: lines of listed pairs", made))
        _print_equalities(made)
    if of.not_published:
        out.print(
            f"[bold yellow]Not in the year to date, for they are not published or out of date: "
            f"{', '.join(of.not_published)}.[/]\n",
            soft_wrap=True,
        )
    if of.is_illustrative:
        out.print("[bold yellow]ILLUSTRATIVE: the prices are made up. Do not pay on them.[/]")


def _print(table: Table) -> None:
    out.print(table)
    out.print()


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for text in texts:
        table.add_column(text, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _amounts(title: str, rows: "pl.DataFrame", columns: dict[str, str]) -> Table:
    """Some columns of the pairs that have any of it, and their totals over every pair."""
    import polars as pl

    table = _table(title, _PAIR, list(columns))
    has_any = pl.any_horizontal(pl.col(name).fill_null(1) != 0 for name in columns.values())
    shown = rows.filter(has_any)
    for row in shown.iter_rows(named=True):
        table.add_row(
            row["provider_code"],
            row["commissioner_code"],
            *(_shown(name, row[name]) for name in columns.values()),
        )
    idle = rows.height - shown.height
    if idle:
        table.add_row(f"{idle:,} more", "none")
    table.add_section()
    table.add_row("all", "", *(_shown(name, _total(rows, name)) for name in columns.values()))
    return table


def _blocks(of: "BlockMonitor") -> Table:
    """The blocks as published, with the parts that the schedule has."""
    first = of.blocks.row(0, named=True)
    days = first["schedule_published_on"], first["schedule_effective_from"]
    parts = {said: name for said, name in _PARTS.items() if of.blocks[name].count()}
    if "core" in parts and "acute" in parts:
        # Core services are acute, mental health and community, which are then shown.
        del parts["core"]
    columns = {**parts, "block": "block_value_pence"}
    title = f"LVA payments schedule {of.scheme_year}, published {days[0]}, from {days[1]}"
    table = _table(title, _PAIR, ())
    for said in columns:
        table.add_column(said, justify="right", overflow="fold")
    for row in of.blocks.iter_rows(named=True):
        amounts = (_shown(name, row[name]) for name in columns.values())
        table.add_row(row["provider_code"], row["commissioner_code"], *amounts)
    table.add_section()
    table.add_row("all", "", *(_shown(n, int(of.blocks[n].sum())) for n in columns.values()))
    return table


def _payments(of: "BlockMonitor") -> Table:
    """What is due of each block, by which day and why, and what takes lines out of the block."""
    amounts = ("block", "due", "by", "on top")
    table = _table(f"Payments of {of.scheme_year}, as known", _PAIR, amounts)
    table.add_column("why", overflow="fold")
    table.add_column("exceptions", overflow="fold")
    names = (
        *("block_value_pence", "payment_due_pence", "payment_due_by"),
        "additional_payment_pence",
    )
    for row in of.blocks.iter_rows(named=True):
        table.add_row(
            row["provider_code"],
            row["commissioner_code"],
            *(_shown(name, row[name]) for name in names),
            _reason(row["payment_reason_code"]),
            ", ".join(said for flag, said in _SAID.items() if row[flag]),
        )
    table.add_section()
    known = (
        _shown(name, int(of.blocks[name].sum())) if of.blocks[name].count() else _NOTHING
        for name in names
        if name.endswith("_pence")
    )
    block, due, addition = known
    table.add_row("all known", "", block, due, "", addition, "", "")
    return table


def _additions(of: "BlockMonitor") -> Table:
    """What each update adds to a block, by which day, and whether that is in what is due."""
    table = _table(
        f"Added by updates of {of.scheme_year}, as known",
        (*_PAIR, "published"),
        ("before", "after", "adds", "by"),
    )
    table.add_column("is")
    names = (
        *("provider_code", "commissioner_code", "schedule_published_on", "before_pence"),
        *("block_value_pence", "additional_payment_pence", "additional_payment_due_by"),
    )
    for row in of.additions.iter_rows(named=True):
        of_due = "in due" if row["is_in_payment_due"] else "on top"
        table.add_row(*(_shown(name, row[name]) for name in names), of_due)
    return table


def _reason(code: str) -> str:
    """A reason of a payment in words."""
    return code.removeprefix("BLOCK_").lower().replace("_", " ")


def _print_reasons(of: "BlockMonitor") -> None:
    """The sentence of each reason that a payment has."""
    from pipelines.reasons import reasons

    said = {row["reason_code"]: f"{row['sentence']} ({row['citation']})" for row in reasons()}
    for code in of.blocks["payment_reason_code"].unique().sort():
        out.print(f"{_reason(code)}: {said[code]}", soft_wrap=True)
    out.print()


def _shares(title: str, made: "Conservation") -> Table:
    """What became of the lines of listed pairs."""
    table = _table(title, ("lines that are",), ("lines", "worth", "payable", "not known"))
    for share in made.shares:
        table.add_row(
            share.became,
            f"{share.lines:,}",
            pounds(share.value_pence),
            pounds(share.payable_pence),
            f"{share.open_lines:,}",
        )
    table.add_section()
    lines, open_lines = (sum(getattr(s, n) for s in made.shares) for n in ("lines", "open_lines"))
    worth, payable = (
        sum(getattr(s, n) for s in made.shares) for n in ("value_pence", "payable_pence")
    )
    table.add_row("all", f"{lines:,}", pounds(worth), pounds(payable), f"{open_lines:,}")
    return table


def _print_equalities(made: "Conservation") -> None:
    """Each equality, and whether it holds."""
    for equality in made.equalities:
        says = equality.says.removeprefix("conservation: ")
        mark = "holds" if equality.holds else "DOES NOT HOLD"
        out.print(f"{mark}: {says} ({_sides(equality.left, equality.right)})", soft_wrap=True)
    out.print()


def _sides(left: int, right: int) -> str:
    return f"{left:,}" if left == right else f"{left:,} against {right:,}"


def _total(rows: "pl.DataFrame", name: str) -> int | None:
    """The sum of a column; None where any pair's is not known."""
    return None if rows[name].null_count() else int(rows[name].sum())


def _shown(name: str, value: Any) -> str:
    if value is None:
        return _NOTHING
    if name.endswith("_pence"):
        return pounds(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _document(of: "BlockMonitor") -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "activity_month": of.activity_month,
        "months": of.months,
        "not_published": of.not_published,
        "scheme_year": of.scheme_year,
        "is_illustrative": of.is_illustrative,
        "blocks": of.blocks.to_dicts(),
        "additions": of.additions.to_dicts(),
        "to_date": of.to_date.to_dicts(),
        "conservation": _as_json(of.conservation),
        "conservation_to_date": _as_json(of.conservation_to_date),
    }


def _as_json(made: "Conservation") -> dict[str, Any]:
    return {
        "shares": [asdict(share) for share in made.shares],
        "equalities": [{**asdict(one), "holds": one.holds} for one in made.equalities],
    }
