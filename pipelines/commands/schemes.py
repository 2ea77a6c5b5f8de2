"""`sus-pricing schemes`: what the scheme packs say, on whose word, and what is assumed.

Belongs here: setting out packs for people. Does not belong here: reading them
(`pipelines.scheme_packs`), or what they must hold (`pricing.scheme`).
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import day, out, pounds, scheme_year
from pipelines.workspace import UserError, Workspace

if TYPE_CHECKING:
    from pricing.scheme import Pack, Parameter
    from pricing.scheme_tables import SchedulePart

app = typer.Typer(
    help="What the scheme packs say of each year, and what is assumed.", no_args_is_help=True
)
_Year = Annotated[str, typer.Argument(help="Scheme year, such as 2025-26.")]


@app.command("list")
def list_packs() -> None:
    """Lists the scheme years there are rules for."""
    from pipelines.scheme_packs import all_packs

    table = _table("Scheme years", "year", "title", "status", "in effect")
    for column in ("values", "assumed", "absent"):
        table.add_column(column, justify="right", no_wrap=True)
    for pack in all_packs(Workspace.at()):
        every = [version for versions in pack.versions.values() for version in versions]
        table.add_row(
            pack.scheme_year,
            pack.title,
            pack.status,
            f"{pack.effective_from} to {pack.effective_to}",
            f"{len(every)}",
            f"{sum(version.basis == 'assumed' for version in every)}",
            f"{len(pack.absent)}",
        )
    out.print(table)


@app.command()
def show(
    year: _Year,
    as_of: Annotated[
        str | None, typer.Option(help="Only what was published by this day, such as 2025-05-01.")
    ] = None,
) -> None:
    """Shows every value of a year with its dates and citation, and what the year lacks."""
    from pipelines.scheme_packs import pack_of

    pack = pack_of(Workspace.at(), scheme_year(year))
    known_by = day(as_of) if as_of else None
    known = {path: _published(versions, known_by) for path, versions in pack.versions.items()}
    if not any(known.values()):
        raise UserError(f"Nothing of the rules of {year} was published by {known_by}.")
    by_day = f", as published by {known_by}" if known_by else ""
    out.print(f"[bold]{escape(pack.title)}[/] ({pack.status}){by_day}", soft_wrap=True)
    for note in pack.notes:
        out.print(escape(note), style="yellow")
    table = _table(f"Values of {year}", "parameter", "value", "in effect", "published", "rests on")
    for versions in known.values():
        for place, version in enumerate(versions, 1):
            style = "" if place == len(versions) else "dim"
            table.add_row(
                f"[bold]{_name(version.path)}[/]\n{escape(version.says)}",
                _shown(version),
                f"{version.effective_from}",
                f"{version.published_on}",
                escape(version.citation),
                style=style,
                end_section=place == len(versions),
            )
    out.print(table)
    absent = {path: "not published by then" for path, versions in known.items() if not versions}
    _print_absent({**pack.absent, **absent}, year)


@app.command()
def diff(before: _Year, after: _Year) -> None:
    """Shows what differs between two years, each side with its citation."""
    from pipelines.scheme_packs import pack_of

    workspace = Workspace.at()
    years = [scheme_year(year) for year in (before, after)]
    packs = [pack_of(workspace, year) for year in years]
    titles = [f"{p.scheme_year} ({p.status})" for p in packs]
    table = _table(f"{before} and {after}", "parameter", *titles)
    same = 0
    for path in dict.fromkeys(path for pack in packs for path in (*pack.versions, *pack.absent)):
        found = [pack.versions[path][-1] if path in pack.versions else None for pack in packs]
        values = [version and version.value for version in found]
        if values[0] == values[1]:
            same += any(found)
            continue
        sides = [_side(pack, path, version) for pack, version in zip(packs, found, strict=True)]
        table.add_row(f"[bold]{_name(path)}[/]", *sides, end_section=True)
    out.print(table)
    out.print(f"{table.row_count} parameters differ; {same} are the same in both years.")


@app.command()
def assumptions(
    year: Annotated[str | None, typer.Argument(help="Scheme year; all years without one.")] = None,
) -> None:
    """Lists every assumed value, with what it says: read these before relying on a result."""
    from pipelines.scheme_packs import all_packs, pack_of

    workspace = Workspace.at()
    packs = [pack_of(workspace, scheme_year(year))] if year else all_packs(workspace)
    table = _table("Assumed", "year", "parameter", "value", "why, and what it rests on")
    for pack in packs:
        found = [v for versions in pack.versions.values() for v in versions if v.basis == "assumed"]
        for version in found:
            rests_on = escape(version.citation.removeprefix("assumed: "))
            table.add_row(
                pack.scheme_year,
                _name(version.path),
                _shown(version),
                f"{escape(version.says)} [dim]({rests_on})[/]",
                end_section=version is found[-1],
            )
    out.print(table)
    out.print(f"{table.row_count} assumed values.")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        is_fixed = column in ("year", "status", "in effect", "published")
        table.add_column(column, overflow="fold", no_wrap=is_fixed)
    return table


def _name(path: str) -> str:
    """A parameter's path on two lines, so that few names are broken."""
    return path.replace(".", ".\n")


def _published(versions: Iterable["Parameter"], by: date | None) -> list["Parameter"]:
    return [version for version in versions if by is None or version.published_on <= by]


def _side(pack: "Pack", path: str, version: "Parameter | None") -> str:
    if version is None:
        return f"[dim]{escape(pack.absent[path].partition(' is not given: ')[2])}[/]"
    return f"{_shown(version)}\n[dim]{escape(version.citation)}[/]"


def _print_absent(absent: dict[str, str], year: str) -> None:
    if not absent:
        return
    table = _table(f"Not in the pack of {year}", "parameter", "why")
    for path, reason in absent.items():
        table.add_row(path, escape(reason.partition(" is not given: ")[2] or reason))
    out.print(table)


def _shown(version: "Parameter") -> str:
    """A value for people: a share as a percentage, an amount as pounds."""
    name, value = version.path, version.value
    if name == "mechanism.decision_table":
        return escape("\n".join(f"{row.rule}: {row.condition} → {row.pays}" for row in value))
    if name == "contract_lines.table":
        rows = (f"{row.line}: {row.section}, {row.pays.replace('_', ' ')}" for row in value)
        return escape("\n".join(rows))
    if name == "fixed_element.worksheet":
        rows = (f"{row.starts_from}: {row.item}, {row.shape.replace('_', ' ')}" for row in value)
        return escape("\n".join(rows))
    if name == "low_volume.schedule":
        return escape("\n".join(f"{row.part}: {_made(row)}" for row in value))
    if isinstance(value, tuple):
        return escape(", ".join(value)) or "none"
    if isinstance(value, dict):
        # Keys that are shares themselves are of bands, such as 10% above plan.
        keys = {key: f"over {_one(name, int(key))}" if key.isdigit() else key for key in value}
        bands = keys if name.endswith("_ppm") else {key: key for key in value}
        return escape(
            "\n".join(f"{bands[key]}: {_one(name, entry)}" for key, entry in value.items())
        )
    return escape(_one(name, value))


def _made(part: "SchedulePart") -> str:
    uplifts = f", uplift of {', '.join(part.uplift_years)}" if part.uplift_years else ""
    return f"{part.made_from}{uplifts}"


def _one(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ppm"):
        return f"{value / 10_000:g}%"
    if isinstance(value, int) and name.endswith("_pence"):
        return pounds(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
