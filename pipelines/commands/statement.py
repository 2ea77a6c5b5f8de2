"""`sus-pricing statement`: what a contract pays in a month, on a screen or a worksheet.

Belongs here: setting out a contract's statement, its outturn and its comparison with another year
for people. Does not belong here: any of their amounts (`pipelines.contract_statements`), or how a
workbook is laid out (`pipelines.commands.worksheets`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.basis import PricingBasis, months_of_year_to
from pipelines.commands.console import month as valid_month
from pipelines.commands.console import out, pounds
from pipelines.commands.console import scheme_year as valid_scheme_year
from pipelines.workspace import Workspace, refuse_as_file

if TYPE_CHECKING:
    import polars as pl

    from pipelines.contract_statements import ContractStatement, Outturn

app = typer.Typer()

_RULES = {
    "payment_mechanism": "the lines are paid in another way",
    "unit_price": "unit price, published or local",
    "long_stay": "long stay payment",
    "best_practice": "best practice",
    "top_up": "specialist top-up",
    "market_forces_factor": "market forces factor",
    "approval_or_rate": "prior approval, rate, or no price",
    "one_year_only": "refused, or of another contract, under one year",
    "beside_lines": "paid beside the lines: by plan, terms, counts or item",
}
_NOTHING = "-"
_NOT_IN_IT = (
    "The API fixed element, of which no worksheet has landed, and the LVA block are agreed for the "
    "year, and are not in these amounts."
)
_BLOCK_NOT_IN_IT = "An LVA block is agreed for the year, and is not in these amounts."
_API = {"api_fixed": "fixed", "variable_element": "variable", "blended": "blended"}
"""The elements of API, by section."""
_FIXED_ELEMENT = (
    "The API fixed element is not in the statements of both years. Activity that one year holds in "
    "it and the other pays for is a difference here, and would come off the fixed element."
)


@app.command()
def statement(
    provider: Annotated[str, typer.Option(help="Provider, such as RRK.")],
    commissioner: Annotated[str, typer.Option(help="Payer, such as QHL.")],
    month: Annotated[str, typer.Option(help="Month of activity, such as 2024-07.")],
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", help="Compare with the month under this year's rules."),
    ] = None,
    workbook: Annotated[
        Path | None, typer.Option("--workbook", help="Excel workbook to write the same to.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Prints what a contract pays for activity in a month and the year to date, against its plan.

    Below it an estimate of the scheme year's outturn, by three methods. The month must have been
    run. With --scheme, what the contract would pay under that year's rules is set beside it, and
    the difference explained by rule; the month must have been run with that --scheme too.

    The JSON document has the keys of a statement (activity_month, provider_code, commissioner_code,
    pricing_basis, scheme_year, is_illustrative, is_current, not_published, contract_statement,
    variable_element, blended, fixed_element), outturn, and, with --scheme, compared_with and
    differences. Amounts are whole pence; null is not known. not_published are the months of the
    year to date that no run has published, or whose run is out of date.
    """
    valid_month(month)
    if workbook:
        refuse_as_file(workbook)
    other_basis = PricingBasis(valid_scheme_year(scheme)).for_month(month) if scheme else None
    if other_basis and other_basis.is_own_year:
        raise typer.BadParameter(f"{scheme} is {month}'s own year: there is nothing to compare.")
    from pipelines.contract_statements import compared, outturn, read_statement

    workspace, pair = Workspace.at(), (provider.strip().upper(), commissioner.strip().upper())
    own = read_statement(workspace, *pair, month)
    other = read_statement(workspace.on(other_basis), *pair, month) if other_basis else None
    estimate = outturn(workspace, own)
    differences = compared(workspace, own, other) if other else None
    if workbook:
        from pipelines.commands.worksheets import write_statement

        write_statement(workbook, own, estimate, other, differences)
    if as_json:
        typer.echo(json.dumps(_document(own, estimate, other, differences), indent=2))
        return
    show(own)
    _show_outturn(estimate, not_in_it(own))
    if other is not None and differences is not None:
        show(other)
        _print(_side_by_side(own, other))
        _print(_differences_table(own, other, differences))
        if not (own.has_fixed_element and other.has_fixed_element):
            out.print(_FIXED_ELEMENT + "\n", soft_wrap=True)
    if own.is_illustrative or (other and other.is_illustrative):
        out.print("[bold yellow]ILLUSTRATIVE: the prices are made up. Do not pay on them.[/]")
    if workbook:
        out.print(f"Written to [bold]{escape(str(workbook))}[/]", soft_wrap=True)


def show(of: "ContractStatement") -> None:
    """Prints a statement: sections, contract lines of the month and to date, and why."""
    _print(_sections_table(of))
    out.print(f"{not_in_it(of)}\n", soft_wrap=True)
    if of.has_fixed_element:
        _print(_api_table(of))
    for name, title in (("variable_element", "Variable element"), ("blended", "Blended payments")):
        lines = of.tables[name]
        if lines.is_empty():
            continue
        months = months_of_year_to(of.activity_month)
        _print(_lines_table(f"{title}, {of.activity_month}", lines, ""))
        if len(months) > 1:
            _print(_lines_table(f"{title}, {months[0]} to {months[-1]}", lines, "_to_date"))
        _print(_grounds_table(f"{title}: why", lines))
    if of.not_published:
        missing = f"not published, or out of date: {', '.join(of.not_published)}"
        out.print(f"[bold yellow]Not in what is to date, since {missing}.[/]\n", soft_wrap=True)
    if not of.is_current:
        command = f"sus-pricing run --month {of.activity_month} {of.basis.options}".rstrip()
        out.print(
            f"[bold yellow]This statement is out of date. Run it again: {command}[/]\n",
            soft_wrap=True,
        )


def not_in_it(of: "ContractStatement") -> str:
    """What is agreed for the year, and is not in the amounts of a statement."""
    return _BLOCK_NOT_IN_IT if of.has_fixed_element else _NOT_IN_IT


def _print(table: Table) -> None:
    out.print(table)
    out.print()


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for text in texts:
        table.add_column(text, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _sections_table(of: "ContractStatement") -> Table:
    """Each section: what is known to be payable, and how many parts of it are not known."""
    from pricing.contract_statement import API_FIXED, PAID_BY_YEAR

    by_year = {*PAID_BY_YEAR} - ({API_FIXED} if of.has_fixed_element else set())
    title = (
        f"{of.provider_code} and {of.commissioner_code}, {of.activity_month}, "
        f"scheme {of.scheme_year}"
    )
    table = _table(title, ("section",), ("activity", "worth", "known payable", "not known"))
    table.add_column("rests on", overflow="fold")
    sections = of.tables["contract_statement"]
    for row in sections.iter_rows(named=True):
        table.add_row(
            row["section"],
            _count(row["activity"]),
            _pounds(row["value_pence"]),
            _NOTHING if row["section"] in by_year else _pounds(row["known_payable_pence"]),
            _count(row["open_lines"]),
            row["paragraph"],
        )
    table.add_section()
    known, open_lines = (int(sections[n].sum()) for n in ("known_payable_pence", "open_lines"))
    title = "all" if of.has_fixed_element else "all by activity"
    table.add_row(title, "", "", _pounds(known), _count(open_lines), "")
    return table


def _api_table(of: "ContractStatement") -> Table:
    """Fixed, variable and blended payments as one: of the month, to date, and what is not known."""
    months = months_of_year_to(of.activity_month)
    title = f"API payments, {of.activity_month} and {months[0]} to {months[-1]}"
    columns = ("of the month", "lines not known", "to date", "contract lines not known")
    table = _table(title, ("element",), columns)
    names = ("known_payable_pence", "open_lines")
    sections = {row["section"]: row for row in of.tables["contract_statement"].to_dicts()}
    sums = [0, 0, 0, 0]
    for section, element in _API.items():
        of_month = [sections.get(section, {}).get(name, 0) for name in names]
        lines = of.tables["fixed_element" if element == "fixed" else section]
        to_date = lines["payable_to_date_pence"]
        numbers = [*of_month, int(to_date.sum()), to_date.null_count()]
        sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        _add_element(table, element, numbers)
    table.add_section()
    _add_element(table, "all", sums)
    return table


def _add_element(table: Table, element: str, numbers: list[int]) -> None:
    of_month, open_lines, to_date, open_to_date = numbers
    amounts = (_pounds(of_month), _count(open_lines), _pounds(to_date), _count(open_to_date))
    table.add_row(element, *amounts)


def _lines_table(title: str, lines: "pl.DataFrame", ends: str) -> Table:
    """Contract lines with plan, actual and what is paid, of the month or to date.

    Of the month a blend shows what is fixed and what varies, else how far the worth is from plan.
    """
    parts = ("fixed_pence", "variable_pence")
    is_blend = not ends and set(parts) <= set(lines.columns)
    of_plan = ("fixed", "variable") if is_blend else ("planned worth", "difference")
    table = _table(title, ("contract line",), ("activity", "planned", "worth", *of_plan, "payable"))
    for row in lines.iter_rows(named=True):
        worth, planned = row[f"value{ends}_pence"], row[f"planned_value{ends}_pence"]
        both = worth is not None and planned is not None
        difference = worth - row["unapproved_value_pence"] - planned if both else None
        if ends:
            difference = row["value_difference_to_date_pence"]
        amounts = [row[name] for name in parts] if is_blend else [planned, difference]
        table.add_row(
            row["contract_line"],
            _count(row[f"activity{ends}"]),
            _count(row[f"planned_activity{ends}"]),
            _pounds(worth),
            *(_pounds(amount) for amount in amounts),
            _pounds(row[f"payable{ends}_pence"]),
        )
    if "is_in_activity_target" in lines.columns:
        _add_target(table, lines, ends)
    return table


def _add_target(table: Table, lines: "pl.DataFrame", ends: str) -> None:
    """Activity that counts towards the contract's target, against what is planned of it.

    There is no target where any of it has no plan, nor in a year that sets none.
    """
    import polars as pl

    counting = lines.filter("is_in_activity_target")
    if counting.is_empty():
        return
    is_done = pl.col(f"target_activity{ends}") > 0
    has_target = counting.filter(is_done)[f"planned_value{ends}_pence"].null_count() == 0
    columns = (
        *(f"target_activity{ends}", f"planned_activity{ends}"),
        *(f"target_value{ends}_pence", f"planned_value{ends}_pence"),
    )
    activity, target, worth, planned = (
        int(counting[name].sum())
        if counting[name].count() and (has_target or not name.startswith("planned"))
        else None
        for name in columns
    )
    table.add_section()
    table.add_row(
        "activity target",
        _count(activity),
        _count(target),
        _pounds(worth),
        _pounds(planned),
        _pounds(worth - planned if worth is not None and planned is not None else None),
        "",
    )


def _grounds_table(title: str, lines: "pl.DataFrame") -> Table:
    """Why lines pay what they pay: rate, the sentence of the reason, and what it rests on."""
    from pipelines.reasons import reasons
    from pricing.explaining import percent

    said = {row["reason_code"]: _sentences(row) for row in reasons()}
    table = _table(title, (), ())
    table.add_column("contract lines", overflow="fold")
    table.add_column("rate", justify="right", no_wrap=True)
    for column in ("reason", "rests on"):
        table.add_column(column, overflow="fold")
    grounds = ("rate_ppm", "reason_code", "paragraph")
    alike = lines.group_by(grounds, maintain_order=True).agg("contract_line")
    for row in alike.iter_rows(named=True):
        names, ppm = ", ".join(row["contract_line"]), row["rate_ppm"]
        rate = _NOTHING if ppm is None else percent(ppm)
        table.add_row(names, rate, said[row["reason_code"]], row["paragraph"])
    return table


def _sentences(reason: Mapping[str, str]) -> str:
    """What a reason means, and what to do where there is something to do."""
    if reason["what_to_do"] == "Nothing.":
        return reason["sentence"]
    return f"{reason['sentence']} {reason['what_to_do']}"


def _show_outturn(estimate: "Outturn", not_in: str) -> None:
    """What the year may come to by each method, and how each estimates."""
    from pricing.forecast_outturn import METHODS

    title = f"Forecast outturn {estimate.scheme_year}: estimates, which nothing pays on"
    methods = [method for method in METHODS if method not in estimate.not_estimated]
    if methods:
        _print(_outturn_table(title, estimate, methods))
        out.print(f"{not_in} Nor are units without a price.", soft_wrap=True)
    else:
        out.print(title)
    for method, how in METHODS.items():
        why = estimate.not_estimated.get(method)
        said = f"not estimated. {why}" if why else how
        out.print(f"{method}: {escape(said)}", soft_wrap=True)
    out.print()


def _outturn_table(title: str, estimate: "Outturn", methods: list[str]) -> Table:
    """Payable of the year by line and method; what is not known is not in the totals."""
    table = _table(title, ("section", "contract line"), ("planned worth", *methods))
    keys = ["section", "contract_line"]
    amounts = estimate.lines.pivot(
        "method", index=keys, values="payable_pence", aggregate_function="first"
    )
    planned = estimate.lines.unique(keys, keep="first", maintain_order=True)
    plans = planned["planned_value_pence"].to_list()
    for row, plan in zip(amounts.iter_rows(named=True), plans, strict=True):
        table.add_row(
            row["section"],
            row["contract_line"] or "",
            _pounds(plan),
            *(_pounds(row[method]) for method in methods),
        )
    table.add_section()
    known = (_pounds(int(amounts[method].sum())) for method in methods)
    unknown = (_count(amounts[method].null_count()) for method in methods)
    table.add_row("all known", "", "", *known)
    table.add_row("lines not known", "", "", *unknown)
    return table


def _side_by_side(own: "ContractStatement", other: "ContractStatement") -> Table:
    """Each section under either year's rules: what is known to be payable, and what is not."""
    years = (own.scheme_year, other.scheme_year)
    table = _table(
        f"{own.activity_month} under the rules of {years[0]} and {years[1]}, known payable",
        ("section",),
        (years[0], "not known", years[1], "not known", "difference"),
    )
    sides = [
        {row["section"]: row for row in of.tables["contract_statement"].iter_rows(named=True)}
        for of in (own, other)
    ]
    sums = [0, 0, 0, 0]
    for section in sorted({*sides[0], *sides[1]}):
        numbers = [
            side.get(section, {}).get(name, 0)
            for side in sides
            for name in ("known_payable_pence", "open_lines")
        ]
        sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        _add_side_by_side(table, section, numbers)
    table.add_section()
    _add_side_by_side(table, "all", sums)
    return table


def _add_side_by_side(table: Table, section: str, numbers: list[int]) -> None:
    before, open_before, after, open_after = numbers
    table.add_row(
        section,
        _pounds(before),
        _count(open_before),
        _pounds(after),
        _count(open_after),
        _pounds(after - before),
    )


def _differences_table(
    own: "ContractStatement", other: "ContractStatement", differences: "pl.DataFrame"
) -> Table:
    """The difference by rule; the rows add up to that of the sections."""
    years = (own.scheme_year, other.scheme_year)
    table = _table(f"Why {years[1]} pays otherwise than {years[0]}", (), ())
    for column in ("rule", "of"):
        table.add_column(column, overflow="fold")
    table.add_column("lines", justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("rests on", overflow="fold")
    for row in differences.iter_rows(named=True):
        parts = dict.fromkeys((row["part_before"] or "none", row["part_after"] or "none"))
        grounds = dict.fromkeys((row["rests_on_before"], row["rests_on_after"]))
        table.add_row(
            _RULES[row["rule"]],
            " to ".join(parts),
            _count(row["lines"]),
            _pounds(row["difference_pence"]),
            "; ".join(grounds),
        )
    table.add_section()
    table.add_row("all", "", "", _pounds(int(differences["difference_pence"].sum())), "")
    return table


def _pounds(pence: int | None) -> str:
    return _NOTHING if pence is None else pounds(pence)


def _count(number: int | None) -> str:
    return _NOTHING if number is None else f"{number:,}"


def _document(
    own: "ContractStatement",
    estimate: "Outturn",
    other: "ContractStatement | None",
    differences: "pl.DataFrame | None",
) -> dict[str, Any]:
    """All of it as plain values."""
    document = {
        **_as_json(own),
        "outturn": {
            "scheme_year": estimate.scheme_year,
            "lines": estimate.lines.to_dicts(),
            "not_estimated": estimate.not_estimated,
        },
    }
    if other is not None and differences is not None:
        document["compared_with"] = _as_json(other)
        document["differences"] = differences.to_dicts()
    return document


def _as_json(of: "ContractStatement") -> dict[str, Any]:
    return {
        "activity_month": of.activity_month,
        **of.pair,
        "pricing_basis": of.basis.name,
        "scheme_year": of.scheme_year,
        "is_illustrative": of.is_illustrative,
        "is_current": of.is_current,
        "not_published": list(of.not_published),
        **{name: table.to_dicts() for name, table in of.tables.items()},
    }
