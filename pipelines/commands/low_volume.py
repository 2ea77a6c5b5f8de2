"""`sus-pricing lva`: the LVA payments schedule, rebuilt and compared, and re-expressed.

Belongs here: options and what is printed. Does not belong here: the work
(`pipelines.low_volume.schedule`, `pipelines.low_volume.published_schedules`) or the files
(`pipelines.low_volume.schedule_files`).
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands import console
from pipelines.commands.console import err, out, pounds, progress
from pipelines.commands.jobs import take_in_month
from pipelines.workspace import Workspace, refuse_as_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.low_volume.schedule import Schedule
    from pricing.low_volume_schedule import Pair, Reexpressed, Row

app = typer.Typer(
    help="Makes the LVA payments schedule of a year, and holds it against the published one.",
    no_args_is_help=True,
)
_SHOWN_ROWS = 20
_SHOWN_WORKING = 2
_WHAT_TO_DO = (
    "What is not on the schedule has a contract, and its activity would fall in the block. If the "
    "parties agree on a block for all of it, add the row to the schedule; else leave the pair "
    "under API, to which they may move it (2023/25 ¶81, ¶85, 2026/27 ¶107, ¶110)."
)

SchemeYear = Annotated[str, typer.Option("--scheme", help="Scheme year of the schedule: 2026-27.")]


@app.command()
def build(
    scheme: SchemeYear,
    partial: Annotated[
        bool, typer.Option("--partial", help="Average the reference years that are whole.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(help="Use what had been published by this day, else all.")
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for schedule.csv and how it was made.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Rebuilds a year's LVA payments schedule and compares it with the published one.

    Reference years are priced month by month under the rules and prices that the year names, and
    nothing of them is kept. Months whose extracts are in the landing folder are taken in first.
    With --out, schedule.csv can be imported by prices import, unless it is partial.
    """
    from pipelines.low_volume.reference_years import (
        months_lacking,
        months_to_take_in,
        reference_years,
    )
    from pipelines.low_volume.schedule import build as build_schedule
    from pipelines.low_volume.schedule import recipe
    from pipelines.low_volume.schedule_files import refuse_other_folder, to_json, write

    year = console.scheme_year(scheme)
    if out_folder:
        refuse_other_folder(out_folder)
    known = console.day(as_of) if as_of else None
    workspace = Workspace.at()
    rules = recipe(workspace, year, known).scheme
    for month in months_to_take_in(workspace, months_lacking(workspace, rules)):
        if not take_in_month(workspace, month):
            raise typer.Exit(1)
    lacking = months_lacking(workspace, rules)
    whole = [one for one in reference_years(rules) if one not in lacking]
    with progress("Pricing reference years", _months_of_datasets(whole)) as advance:
        made = build_schedule(workspace, year, known, allows_partial=partial, advance=advance)
    if out_folder:
        write(made, out_folder)
    if as_json:
        typer.echo(json.dumps(to_json(made), ensure_ascii=False, indent=2))
    else:
        _show(made)
    if out_folder:
        where = f"Written to [bold]{escape(str(out_folder))}[/]"
        (err if as_json else out).print(where, soft_wrap=True)


@app.command()
def reexpress(
    scheme: SchemeYear,
    on: Annotated[str, typer.Option(help="Day whose organisations it is for: 2026-04-01.")],
    as_of: Annotated[
        str | None, typer.Option(help="Use what had been published by this day, else all.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV to write the schedule to.")
    ] = None,
) -> None:
    """Adds up a published schedule by the providers and ICBs of a day; its total is conserved.

    A pair is undecided where another that is not on the schedule, and so has a contract, came down
    to the same parties. With --out SCHEDULE.csv those are in SCHEDULE-undecided.csv.
    """
    from pipelines.low_volume.published_schedules import reexpress as express
    from pipelines.low_volume.schedule_files import (
        ILLUSTRATIVE,
        undecided_beside,
        write_reexpressed,
    )

    year, day = console.scheme_year(scheme), console.day(on)
    for path in [out_file, undecided_beside(out_file)] if out_file else []:
        refuse_as_file(path)
    known = console.day(as_of) if as_of else None
    published, made, notices = express(Workspace.at(), year, day, known)
    before, after = published.rows, made.rows
    out.print(
        f"The schedule of {year} ({escape(published.book.id)}): {_counted(before)} are on {day} "
        f"{_counted(after)}. Total {_total(after)}, as before{_split(made)}.",
        soft_wrap=True,
    )
    merged = {pair: _pairs(of) for pair, of in made.made_of.items() if of != (pair,)}
    if merged:
        title, column = "What came together or took another code", "made of"
        out.print(_pairs_table(title, {column: merged}, after))
        _say_more(len(merged))
    if made.not_listed:
        listed = {pair: _pairs(made.made_of[pair]) for pair in made.not_listed}
        lacking = {pair: _pairs(of) for pair, of in made.not_listed.items()}
        columns = {"made of": listed, "not on the schedule": lacking}
        out.print(_pairs_table("Undecided", columns, after))
        _say_more(len(listed))
        out.print(_WHAT_TO_DO, soft_wrap=True)
    for notice in notices:
        out.print(f"[bold yellow]{escape(notice)}[/]", soft_wrap=True)
    if published.book.publication.is_illustrative:
        out.print(f"[bold yellow]{ILLUSTRATIVE}[/]")
    if out_file:
        write_reexpressed(published, made, out_file)
        paths = [out_file, *([undecided_beside(out_file)] if made.not_listed else [])]
        written = " and ".join(f"[bold]{escape(str(path))}[/]" for path in paths)
        out.print(f"Written to {written}", soft_wrap=True)


def _counted(rows: "Mapping[Pair, Row]") -> str:
    return f"{len(rows):,} pairs of {len({payer for _, payer in rows}):,} ICBs"


def _total(rows: "Mapping[Pair, Row]") -> str:
    from pricing.scheme_tables import WHOLE

    return pounds(sum(row[WHOLE] or 0 for row in rows.values()))


def _split(made: "Reexpressed") -> str:
    """What of a total is in the schedule and what undecided, where any is."""
    if not made.undecided:
        return ""
    count = len(made.undecided)
    return (
        f": {_total(made.decided)} in the schedule, {_total(made.undecided)} of "
        f"{count:,} pair{'s' * (count > 1)} undecided"
    )


def _pairs(of: "Sequence[Pair]") -> str:
    return ", ".join(" ".join(one) for one in of)


def _pairs_table(
    title: str, columns: "Mapping[str, Mapping[Pair, str]]", rows: "Mapping[Pair, Row]"
) -> Table:
    """Pairs with what is said of each in some columns, and its block value."""
    from pricing.scheme_tables import WHOLE

    table = _table(title, ["provider", "ICB", *columns], ["block value"])
    pairs = list(next(iter(columns.values())))
    for pair in pairs[:_SHOWN_ROWS]:
        table.add_row(*pair, *(of[pair] for of in columns.values()), pounds(rows[pair][WHOLE]))
    return table


def _months_of_datasets(years: list[str]) -> int:
    from pipelines.basis import months_of
    from schemas.extracts import EXTRACTS

    return len(EXTRACTS) * sum(len(months_of(year)) for year in years)


def _show(made: "Schedule") -> None:
    from pipelines.low_volume.schedule_files import content_hash, marks_of

    tables = [_recipe_table(made), _factors_table(made), _accounting_table(made)]
    tables = [table for table in tables if table.row_count]
    if made.published:
        tables.append(_comparison_table(made))
    for table in tables:
        out.print(table)
        out.print()
    if made.weighed:
        out.print(_near_table(made))
        _say_more(len(made.weighed))
        out.print()
    _show_working(made)
    for notice in (*marks_of(made), *made.notices):
        out.print(f"[bold yellow]{escape(notice)}[/]", soft_wrap=True)
    out.print(f"{len(made.listed):,} pairs, {pounds(made.total_pence)} in all.")
    out.print(f"Content hash {content_hash(made)}")


def _recipe_table(made: "Schedule") -> Table:
    """Each part: how it is made, and what it comes to over the pairs that are listed."""
    known = f", as known on {made.as_of}" if made.as_of else ""
    title = f"LVA payments schedule of {made.scheme_year}{known}"
    table = _table(title, ["part", "made from", "rests on"], ["value"])
    for part in made.scheme.low_volume.schedule:
        worth = sum(one.pence for value in made.listed for one in value.worked if one.part == part)
        table.add_row(part.part.replace("_", " "), part.made_from, part.citation, pounds(worth))
    return table


def _factors_table(made: "Schedule") -> Table:
    """What values are multiplied by, and when each number of it was published."""
    from pricing.explaining import percent
    from pricing.money import PPM

    table = _table("Multiplied by", ["", "is", "published", "rests on"], ["factor"])
    for year, found in made.factors.items():
        uplift, efficiency = found.uplift, found.efficiency
        table.add_row(
            f"net uplift of {year}",
            f"cost uplift {percent(uplift.value)}, efficiency {percent(efficiency.value)}",
            f"{uplift.published_on}, {efficiency.published_on}",
            "; ".join(dict.fromkeys((uplift.citation, efficiency.citation))),
            _decimal(1 + found.net),
        )
    growth = made.scheme.parameters.get("low_volume.growth_ppm")
    if growth:
        says = f"activity growth {percent(growth.value)}"
        factor = _decimal(1 + Fraction(growth.value, PPM))
        table.add_row("all parts", says, f"{growth.published_on}", growth.citation, factor)
    return table


def _decimal(value: Fraction) -> str:
    from pricing.low_volume_schedule import Factor

    return Factor("", value).shown


def _accounting_table(made: "Schedule") -> Table:
    """Where every record and every pound of the reference years went."""
    columns = ["records", "priced", "refused", "lines", "no price"]
    columns += ["worth", "in values", "no value"]
    table = _table("Reference years", ["year"], columns)
    for year in made.years:
        every, (in_values, without) = year.all_lines, made.counted(year)
        table.add_row(
            year.scheme_year,
            *(f"{year.records:,}", f"{year.priced:,}", f"{year.refused:,}"),
            *(f"{every.lines:,}", f"{every.lines_without_price:,}"),
            *(pounds(every.value_pence), pounds(in_values.value_pence)),
            pounds(without.value_pence),
        )
    for name, months in made.years_lacking.items():
        table.add_row(f"{name}, which lacks {len(months)} months", *[""] * len(columns))
    return table


def _comparison_table(made: "Schedule") -> Table:
    """How many pairs differ from what was published, by cause."""
    from pricing.low_volume_schedule import CAUSES

    published = made.published
    book = f" ({published.book.id})" if published else ""
    table = _table(f"Against what was published{book}", ["cause"], ["pairs", "published less ours"])
    for cause, says in CAUSES.items():
        found = [one for one in made.differences if one.cause == cause]
        known = [one.difference_pence for one in found if one.difference_pence is not None]
        if found:
            table.add_row(says, f"{len(found):,}", pounds(sum(known)) if known else "-")
    return table


def _near_table(made: "Schedule") -> Table:
    """The pairs whose value is near or across the threshold, with what else is weighed."""
    from pricing.explaining import percent
    from pricing.money import PPM, rounded

    rules = made.scheme.low_volume
    with_delegated = "with" if rules.threshold_includes_delegated_services else "without"
    title = (
        f"Near or across the threshold of {pounds(rules.threshold_pence)}, {with_delegated} "
        f"delegated services (near: within {percent(rules.near_threshold_ppm)})"
    )
    own = ["provider", "ICB", "is", "apart", "of income", "specialised", "LVA before"]
    table = _table(title, own, ["weighed"])
    for one in made.weighed[:_SHOWN_ROWS]:
        standing = "below" if one.is_below else "at or above"
        words = [
            standing,
            *(["across"] if one.is_across else []),
            *(["near"] if one.is_near else []),
        ]
        share = one.provider_income_share
        table.add_row(
            *one.pair,
            ", ".join(words),
            one.proximity or "-",
            "-" if share is None else percent(rounded(share * PPM)),
            _flag(one.delivers_specialised),
            _flag(one.had_lva),
            pounds(one.weighed_pence),
        )
    return table


def _show_working(made: "Schedule") -> None:
    """The sums of the first pairs, as an example of what --out writes of all."""
    for value in made.listed[:_SHOWN_WORKING]:
        out.print(f"[bold]{' '.join(value.pair)}[/] {pounds(value.pence)}")
        for one in value.worked:
            name = one.part.part.replace("_", " ")
            out.print(f"  {name}: {one.in_words} = {pounds(one.pence)}", soft_wrap=True)
    if made.listed:
        out.print()


def _table(title: str, columns: list[str], numbers: list[str]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _say_more(rows: int) -> None:
    if rows > _SHOWN_ROWS:
        out.print(f"and {rows - _SHOWN_ROWS:,} more")


def _flag(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[value]
