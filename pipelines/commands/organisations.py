"""`sus-pricing organisations`: import the lists of organisations, and look into them.

Belongs here: options and what is printed. Does not belong here: the lists
(`pipelines.organisations`) or how they are imported (`pipelines.organisation_imports`).
"""

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import day, out
from pipelines.workspace import Workspace

_SHOWN_CODES = 12

app = typer.Typer(
    help="Who provides and who pays, over time: imports lists of organisations and shows them.",
    no_args_is_help=True,
)


class ListName(StrEnum):
    """The lists of organisations."""

    PROVIDERS = "providers"
    SITES = "sites"
    COMMISSIONERS = "commissioners"
    SUCCESSIONS = "successions"


class ProviderKind(StrEnum):
    """The kinds of provider."""

    NHS_TRUST = "nhs_trust"
    AMBULANCE_TRUST = "ambulance_trust"
    INDEPENDENT = "independent"


@app.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(help="CSV file, in our own layout or as published.")],
    table: Annotated[ListName, typer.Option(help="The list the file is, or is part of.")],
    published: Annotated[str, typer.Option(help="Day it was published, such as 2026-11-01.")],
    kind: Annotated[
        ProviderKind | None,
        typer.Option(help="Kind of the providers, where the file does not tell."),
    ] = None,
) -> None:
    """Imports a list of organisations; nothing is stored unless all of it is right.

    The list takes the place of the bundled one of its name entirely; they are not mixed.

    Files published on the same day are one list. A later day counts, and none is overwritten.

    Files of the Organisation Data Service are read as they are, without a header.

    With --kind nhs_trust, those with AMBULANCE in their names are ambulance trusts.
    """
    from pipelines.organisation_imports import import_organisations

    imported = import_organisations(
        Workspace.at(), file, table.value, day(published), kind.value if kind else None
    )
    if imported.was_there:
        out.print(f"{escape(file.name)} was imported before: nothing to do.")
        return
    out.print(
        f"{imported.rows:,} rows of {escape(file.name)} imported as {table.value} published on "
        f"{published}.",
        soft_wrap=True,
    )
    for why, count in imported.left_out.items():
        out.print(f"Left out: {count:,} {why}.", soft_wrap=True)
    if imported.gone:
        shown = ", ".join(imported.gone[:_SHOWN_CODES])
        more = len(imported.gone) - _SHOWN_CODES
        out.print(
            f"No longer in the list: {shown}{f' and {more:,} more' if more > 0 else ''}. A list is "
            "all that was published of it on one day: import what is missing with the same day.",
            soft_wrap=True,
        )


@app.command("list")
def list_lists() -> None:
    """Lists the lists: how many rows, from which files, published when, and which count now."""
    from pipelines.organisations import publication, publications, read_organisations

    workspace = Workspace.at()
    shown = Table(title="Lists of organisations", title_justify="left")
    for column in ("list", "rows", "published", "from", "counts"):
        shown.add_column(column, justify="right" if column == "rows" else "left", overflow="fold")
    for name, counts in read_organisations(workspace).lists.items():
        others = [on for on in publications(workspace, name) if on != counts.published]
        for one in (counts, *(publication(workspace, name, on) for on in reversed(others))):
            published = "bundled, illustrative" if one.published is None else f"{one.published}"
            files = ", ".join(source.file for source in one.sources) or "none"
            now = "yes" if one is counts else "only as of then"
            shown.add_row(name, f"{one.rows.height:,}", published, escape(files), now)
    out.print(shown)


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="Code of a provider, site or commissioner.")],
    on: Annotated[str | None, typer.Option(help="Day, such as 2024-07-01; else today.")] = None,
) -> None:
    """Shows what a code is, who it comes down to on a day, and who took over from whom."""
    from pipelines.organisations import read_organisations

    organisations = read_organisations(Workspace.at())
    wanted = code.strip().upper()
    shown = Table(
        title=escape(wanted), title_justify="left", show_header=False, box=None, padding=(0, 1)
    )
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for what, found in organisations.described(wanted, day(on) if on else date.today()):
        shown.add_row(what, escape(found))
    out.print(shown)
