"""`sus-pricing prices`: import price workbooks, list books, show a price, compare books.

Belongs here: options and what is printed. Does not belong here: the work
(`pipelines.price_books`).
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands import console
from pipelines.commands.console import out, pounds
from pipelines.workspace import Workspace

app = typer.Typer(
    help="Imports the price workbooks that NHS England publishes, and shows what is in them.",
    no_args_is_help=True,
)
_SHOWN_ROWS = 20


@app.command("import")
def import_(
    scheme: Annotated[str, typer.Option(help="Scheme year it prices, such as 2025-26.")],
    published: Annotated[str, typer.Option(help="Day it was published, such as 2025-06-27.")],
    effective: Annotated[str, typer.Option(help="Day its prices take effect.")],
    workbook: Annotated[Path | None, typer.Argument(help="Workbook (.xlsx) as published.")] = None,
    csv: Annotated[Path | None, typer.Option(help="CSV file of one table, instead.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Table of the CSV file, such as apc; its name or its start.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Tab not to read, or table that the workbook does not have; may be repeated."
        ),
    ] = None,
    illustrative: Annotated[
        bool, typer.Option("--illustrative", help="The prices are made up.")
    ] = False,
) -> None:
    """Stores the prices, factors and block values of a workbook, or of a CSV file."""
    from pipelines.price_books.books import Publication
    from pipelines.price_books.importing import import_csv, import_workbook

    publication = Publication(
        console.scheme_year(scheme), console.day(published), console.day(effective), illustrative
    )
    workspace = Workspace.at()
    if workbook and not csv and not table:
        imported = import_workbook(workspace, workbook, publication, without or ())
    elif csv and table and not workbook and not without:
        imported = import_csv(workspace, csv, table, publication)
    else:
        raise typer.BadParameter("Give a workbook, or --csv with --table.")
    book = imported.book
    if imported.was_there:
        out.print(f"Imported already, as [bold]{escape(book.id)}[/].", soft_wrap=True)
        return
    out.print(_sources_table(book))
    tabs = {tab.casefold() for tab in book.tabs_not_read}
    for name in book.left_out:
        if name.casefold() not in tabs:
            out.print(f"[yellow]Does without {escape(name)}, as told.[/]", soft_wrap=True)
    for tab, why in book.tabs_not_read.items():
        out.print(f"[yellow]Tab '{escape(tab)}' is not read: {escape(why)}.[/]", soft_wrap=True)
    for table, count in imported.gone.items():
        out.print(
            f"[yellow]{count:,} of the edition before are not in its {escape(table)}, and have "
            "none from then on.[/]",
            soft_wrap=True,
        )
    for note in imported.notes:
        out.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)
    out.print(f"Stored as [bold]{escape(book.id)}[/].", soft_wrap=True)


@app.command("list")
def list_() -> None:
    """Lists every price book: its year, its days, its tables and their rows."""
    from pipelines.price_books.books import stored_books

    for book in stored_books(Workspace.at()):
        out.print(_title(book), soft_wrap=True)
        shown = Table()
        shown.add_column("table", no_wrap=True)
        shown.add_column("rows", justify="right", no_wrap=True)
        for table in book.tables:
            shown.add_row(table, f"{book.rows(table):,}")
        out.print(shown)
        out.print()


@app.command()
def show(
    code: Annotated[
        str,
        typer.Argument(help="HRG, treatment function, provider or other code, such as BZ34C."),
    ],
    scheme: Annotated[str | None, typer.Option(help="Only this scheme year.")] = None,
    as_of: Annotated[str | None, typer.Option(help="As published by this day.")] = None,
) -> None:
    """Shows each price, factor or block value of a code, and the cell it comes from."""
    from pipelines.price_books.comparing import edition, find_code, scheme_years

    workspace = Workspace.at()
    known = console.day(as_of) if as_of else None
    year = console.scheme_year(scheme) if scheme else None
    found = [
        price
        for one in ([year] if year else scheme_years(workspace, known))
        for price in find_code(edition(workspace, one, known), code)
    ]
    if not found:
        out.print(f"No price book has {escape(code.upper())}.")
        raise typer.Exit(1)
    for book in {price.book.id: price.book for price in found}.values():
        out.print(_prices_table(code.upper(), book, [p for p in found if p.book.id == book.id]))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Scheme year or price book.")],
    after: Annotated[str, typer.Argument(help="Scheme year or price book.")],
    month: Annotated[
        str | None, typer.Option(help="Month whose records to price with each, such as 2025-07.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Scheme years as published by this day.")
    ] = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Every row, not the first 20.")] = False,
) -> None:
    """Tells what one edition of the prices changes of another, and what that is worth."""
    from pipelines.price_books.comparing import (
        differences,
        edition,
        effect_on_month,
        not_compared,
    )

    workspace = Workspace.at()
    known = console.day(as_of) if as_of else None
    old, new = edition(workspace, before, known), edition(workspace, after, known)
    changes = differences(old, new)
    out.print(_counts_table(changes, old.name, new.name))
    shown = changes if all_rows else changes[:_SHOWN_ROWS]
    if shown:
        out.print(_changes_table(shown, len(changes), old.name, new.name))
    for title in not_compared(old, new):
        out.print(f"Not compared: {escape(title)}.")
    if month:
        month = console.month(month)
        effect = effect_on_month(workspace, month, old, new)
        out.print(_effect_table(effect, month, old.name, new.name))
        out.print(
            f"The records of {month} priced with the whole of each, market forces factors too, "
            "under the rules and lists of that month. A line without a price counts as nothing.",
            soft_wrap=True,
        )
    for book in _made_up(old, new):
        out.print(
            f"[bold yellow]ILLUSTRATIVE: the prices of '{escape(book)}' are made up.[/]",
            soft_wrap=True,
        )


def _title(book: Any) -> str:
    """A book as titles name it: what it prices, since when, and whether it is made up."""
    said = book.publication
    kind = "illustrative" if said.is_illustrative else "official"
    return escape(
        f"{book.id}\n{said.scheme_year}, {kind}, published {said.published_on}, "
        f"effective {said.effective_from}"
    )


def _prices_table(hrg: str, book: Any, found: Any) -> Table:
    shown = Table(title=f"{escape(hrg)} in {_title(book)}", title_justify="left")
    shown.add_column("price", overflow="fold")
    shown.add_column("value", justify="right", no_wrap=True)
    shown.add_column("from", overflow="fold")
    for price in found:
        shown.add_row(escape(price.header), _value(price.name, price.value), escape(price.place))
    return shown


def _made_up(*editions: Any) -> list[str]:
    """The illustrative books among those of some editions."""
    books = [book for edition in editions for book in edition.books.values()]
    return list(dict.fromkeys(b.id for b in books if b.publication.is_illustrative))


def _sources_table(book: Any) -> Table:
    """Where each table was read, what was not, and what the rows say that are notes."""
    from pipelines.price_books.annex_a import BY_NAME

    shown = Table(title=f"Read from {escape(book.workbook)}", title_justify="left")
    shown.add_column("table", no_wrap=True)
    shown.add_column("from", overflow="fold")
    for name in ("header row", "rows"):
        shown.add_column(name, justify="right")
    for name in ("columns not read", "rows that are notes"):
        shown.add_column(name, overflow="fold")
    for table, sources in book.sources.items():
        for source in sources:
            not_read = (f"{letter} {header}" for letter, header in source.not_read.items())
            notes = [f"{row} {words}" for row, words in source.notes.items()]
            more = [f"and {len(notes) - _SHOWN_ROWS} more"] if len(notes) > _SHOWN_ROWS else []
            shown.add_row(
                BY_NAME[table].title,
                escape(source.sheet),
                str(source.header_row),
                f"{source.rows:,}",
                escape("; ".join(not_read)),
                escape("; ".join([*notes[:_SHOWN_ROWS], *more])),
            )
    return shown


def _counts_table(changes: Any, before: str, after: str) -> Table:
    title = f"From {escape(before)} to {escape(after)}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("table")
    shown.add_column("amount", overflow="fold")
    for kind in ("changed", "new", "gone"):
        shown.add_column(kind, justify="right")
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for change in changes:
        kinds = counts.setdefault((change.table, change.column), {})
        kinds[change.kind] = kinds.get(change.kind, 0) + 1
    for (table, column), kinds in counts.items():
        numbers = (f"{kinds.get(kind, 0):,}" for kind in ("changed", "new", "gone"))
        shown.add_row(table, _words(column), *numbers)
    if not counts:
        shown.add_row("nothing differs", "", "", "", "")
    return shown


def _changes_table(changes: Any, total: int, before: str, after: str) -> Table:
    title = f"The first {len(changes)} of {total:,}; --all shows the rest"
    shown = Table(title=None if len(changes) == total else title, title_justify="left")
    shown.add_column("table")
    shown.add_column("code", no_wrap=True)
    shown.add_column("amount", overflow="fold")
    for name in (escape(before), escape(after), "difference"):
        shown.add_column(name, justify="right")
    for change in changes:
        both = change.before is not None and change.after is not None
        difference = change.after - change.before if both else None
        shown.add_row(
            change.table,
            change.key,
            _words(change.column),
            *(_value(change.column, value) for value in (change.before, change.after)),
            change.kind if difference is None else _value(change.column, difference),
        )
    return shown


def _effect_table(effect: Any, month: str, before: str, after: str) -> Table:
    """What each edition makes of a month, by dataset and in all."""
    title = f"{month} from {escape(before)} to {escape(after)}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("dataset")
    for name in (
        *("lines", "another\nvalue", "gain\na price", "lose\na price"),
        *("before", "after", "difference"),
    ):
        shown.add_column(name, justify="right", overflow="fold")

    def add(name: str, *parts: Any) -> None:
        counts = ("lines", "changed", "gain_price", "lose_price")
        amounts = ("before_pence", "after_pence", "difference_pence")
        shown.add_row(
            name,
            *(f"{sum(getattr(part, count) for part in parts):,}" for count in counts),
            *(pounds(sum(getattr(part, amount) for part in parts)) for amount in amounts),
        )

    for dataset, revalued in effect.items():
        add(dataset, revalued)
    add("all", *effect.values())
    return shown


def _words(column: str) -> str:
    for suffix in ("_pence", "_ppm", "_days"):
        column = column.removesuffix(suffix)
    return column.replace("_", " ")


def _value(column: str, value: Any) -> str:
    """An amount in the unit that people read, by the suffix of its column."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, str):
        return value
    if column.endswith("_days"):
        return f"{value} days"
    if column.endswith("_ppm"):
        sign, size = "-" if value < 0 else "", abs(value)
        return f"{sign}{size // 1_000_000}.{size % 1_000_000:06}"
    return pounds(value)
