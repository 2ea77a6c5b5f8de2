"""The command line: `sus-pricing run`, `explain`, `reissue` and `synth`.

Belongs here: reading options, showing progress and printing results for people. Does not
belong here: the work; a run is the same Dagster job that the schedule starts.

Exit codes: 0 all done, 1 refused to publish (or nothing to show), 2 wrong usage.
"""

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.basis import PricingBasis
from pipelines.commands import (
    fixed,
    low_volume,
    low_volume_monitor,
    organisations,
    prices,
    reconcile,
    schemes,
    statement,
)
from pipelines.commands.console import day as valid_day
from pipelines.commands.console import err, out, progress
from pipelines.commands.console import month as valid_month
from pipelines.commands.console import months as valid_months
from pipelines.commands.console import scheme_year as valid_scheme_year
from pipelines.commands.jobs import run_month
from pipelines.workspace import (
    UserError,
    Workspace,
    keep_private,
    refuse_as_file,
    refuse_as_folder,
    replacing_named,
)
from pricing.scheme_tables import SchemePackError

app = typer.Typer(
    help="Prices SUS+ extracts under the NHS Payment Scheme and publishes them in DuckDB.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(prices.app, name="prices")
app.add_typer(organisations.app, name="organisations")
app.add_typer(schemes.app, name="schemes")
app.add_typer(fixed.app, name="fixed")
app.add_typer(reconcile.app)
app.add_typer(statement.app)
low_volume.app.command()(low_volume_monitor.monitor)
app.add_typer(low_volume.app, name="lva")


def main() -> None:
    """Runs the command line; a user's mistake ends in a sentence, not a traceback."""
    keep_private()
    try:
        app()
    except (UserError, SchemePackError) as error:
        err.print(f"[bold red]Refused:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


Scheme = Annotated[
    str | None,
    typer.Option("--scheme", help="Rule year, such as 2024-25; else the month's own."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Use what had been published by this day, such as 2025-05-01; else all."
    ),
]


@app.command()
def run(
    month: Annotated[str, typer.Option(help="Month of activity, such as 2024-07.")],
    scheme: Scheme = None,
    as_of: AsOf = None,
) -> None:
    """Takes in, validates, prices and publishes one month; ends with the accounting.

    With --scheme or --as-of, the month's valid records are priced under another year's rules,
    or as known on another day. The results are in the schema `repriced` of the DuckDB file,
    apart from the month's own.
    """
    valid_month(month)
    workspace = Workspace.at().on(_basis(scheme, as_of).for_month(month))
    if not run_month(workspace, month):
        raise typer.Exit(1)
    from pipelines.accounting import read_account
    from pipelines.basis import schema_of
    from pipelines.commands.tables import (
        fixed_elements_table,
        mechanisms_table,
        records_table,
        refusals_table,
    )
    from pipelines.fixed_element.statements import instalments_of
    from pipelines.publishing import published_notices

    account = read_account(workspace, month)
    refusals = [refusals_table(account)] if account.refused else []
    instalments = instalments_of(workspace, month)
    fixed = [fixed_elements_table(instalments)] if instalments else []
    for table in (records_table(account), *refusals, mechanisms_table(account), *fixed):
        out.print(table)
        out.print()
    for notice in published_notices(workspace, month):
        out.print(f"[bold yellow]{escape(notice)}[/]")
    out.print(f"Content hash {account.content_hash}")
    where = escape(workspace.shown(workspace.mart))
    apart = (
        ""
        if workspace.basis.is_own_year
        else (f", schema {schema_of(workspace.basis)}, pricing_basis {workspace.basis.name}")
    )
    out.print(f"Published in [bold]{where}[/]{apart}", soft_wrap=True)


@app.command()
def explain(
    record_id: Annotated[str, typer.Argument(help="Spell Identifier or Generated Record ID.")],
    scheme: Scheme = None,
    as_of: AsOf = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Says how a record's amounts came about: as delivered, who, price, value, mechanism, payable.

    Each step has its numbers and what it rests on; then what each other mechanism would have
    paid, and what to do. With the --scheme or --as-of that a month was priced on, explains that.

    The JSON document has the keys record_id; as_delivered (each with its values by header);
    lines (each with the stored row, who, and its explanation: steps, amounts worked out again,
    differences from the stored ones, and under_each_mechanism; then reason, warnings and run); and
    refusals (each with its reasons). Amounts are whole pence; null is no amount.
    """
    from pipelines.commands.explained import show
    from pipelines.explaining import explain_record

    explained = explain_record(Workspace.at().on(_basis(scheme, as_of)), record_id)
    if as_json:
        typer.echo(json.dumps(explained.to_json(), ensure_ascii=False, indent=2))
    else:
        show(explained)


@app.command()
def reissue(
    scheme_year: Annotated[str, typer.Argument(help="Scheme year that was reissued: 2025-26.")],
    first: Annotated[str, typer.Option("--from", help="Publication day, such as 2025-05-01.")],
    second: Annotated[str, typer.Option("--to", help="Later publication day.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV to write every difference to, in pence.")
    ] = None,
) -> None:
    """Prices the year's months in the lake as known on two days; shows the difference.

    By provider, commissioner and point of delivery. Both pricings are in the schema `repriced`
    of the DuckDB file.
    """
    from pipelines.commands.tables import reissue_table
    from pipelines.reissue import compare, months_in_lake

    year = valid_scheme_year(scheme_year)
    before, after = _basis(None, first), _basis(None, second)
    if not first < second:
        raise typer.BadParameter(f"--to {second} is not after --from {first}.")
    if out_file:
        refuse_as_file(out_file)
    workspace = Workspace.at()
    months = months_in_lake(workspace, year)
    for basis in (before, after):
        for month in months:
            if not run_month(workspace.on(basis), month):
                raise typer.Exit(1)
    made = compare(workspace, months, before, after)
    out.print(reissue_table(year, made))
    if made.is_illustrative:
        out.print("[bold yellow]ILLUSTRATIVE: the prices are made up. Do not pay on them.[/]")
    if out_file:
        with replacing_named(out_file) as writing:
            made.differences.write_csv(writing)
        out.print(f"All {made.differences.height:,} rows in [bold]{escape(str(out_file))}[/]")


@app.command()
def synth(
    months: Annotated[str, typer.Option(help="Months, such as 2024-07..2024-09.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    spells: Annotated[int, typer.Option(min=0, help="APC spells over all months.")] = 20_000,
    attendances: Annotated[
        int, typer.Option(min=0, help="OP attendances over all months.")
    ] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    dirty_ppm: Annotated[
        int, typer.Option(min=0, max=500_000, help="Rows with one planted fault, per million.")
    ] = 10_000,
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", help="Year whose prices the records have; else the months' own."),
    ] = None,
) -> None:
    """Writes synthetic SUS+ extracts, the users' lists and what to expect of them.

    With --scheme, of years before there were prices here, for an LVA payments schedule; what else
    that is made from is then among the lists.
    """
    from pipelines.price_books import shipped_folder
    from pipelines.scheme_packs import schedules_priced_under, scheme_for
    from pipelines.synth import Reference, write_extracts

    wanted = valid_months(months)
    refuse_as_folder(out_dir)
    workspace = Workspace.at()
    on = _basis(scheme, None).rules_day(wanted[0])
    year = scheme_for(workspace, on).scheme.scheme_year
    schedule_years = schedules_priced_under(workspace, year) if scheme else []
    book = shipped_folder(workspace, year, on)
    reference = Reference.read(workspace.data / "organisations", book)
    with progress("Writing synthetic extracts", spells + attendances) as advance:
        write_extracts(
            wanted,
            spells,
            attendances,
            seed,
            out_dir,
            reference,
            dirty_ppm,
            advance,
            schedule_years,
        )
    out.print(
        f"{spells:,} spells and {attendances:,} attendances in [bold]{escape(str(out_dir))}[/]; "
        "what was planted is in the file of expectations. All synthetic: no patient is in them.",
        soft_wrap=True,
    )


def _basis(scheme: str | None, as_of: str | None) -> PricingBasis:
    day = valid_day(as_of) if as_of else None
    if day and day > date.today():
        raise typer.BadParameter(f"{day} is not here yet: what will be known then is not known.")
    return PricingBasis(valid_scheme_year(scheme) if scheme else None, day)
