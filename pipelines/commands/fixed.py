"""`sus-pricing fixed`: the fixed element of a contract, built from a worksheet.

Belongs here: reading options and setting the worksheet out for people. Does not belong here: any
amount (`pricing.fixed_element`), or what a contract file may say
(`pipelines.fixed_element.worksheets`).
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands import fixed_review
from pipelines.commands.console import out, pounds
from pipelines.workspace import Workspace, refuse_as_file

if TYPE_CHECKING:
    from pipelines.fixed_element.worksheets import FixedWorksheet
    from pricing.fixed_element import Worksheet

app = typer.Typer(
    help="The fixed element of API contracts: built from worksheets, and reviewed every year.",
    no_args_is_help=True,
)
app.add_typer(fixed_review.app)
_SHOWN_TO_PENCE = 10_000_000


@app.command()
def build(
    file: Annotated[Path, typer.Argument(help="The contract file: a worksheet in TOML.")],
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
    workbook: Annotated[
        Path | None, typer.Option("--workbook", help="Excel workbook to write the same to.")
    ] = None,
) -> None:
    """Builds the fixed element of a contract and scheme year, item by item.

    Each line has its formula with the base named, what it adds, the total down to it and the
    paragraph it rests on. What a part says to be from_activity is filled in from the lake. A file
    with anything wrong in it is refused, with every fault by section and key; and so is one whose
    section [review] adjusts something else than the items do.

    The JSON document has the keys file, sha256, provider_code, commissioner_code, scheme_year,
    about, starts_from, months, lines, total_pence, activity_levels and notes. Amounts are whole
    pence; a rate is an exact fraction as text.
    """
    from pipelines.fixed_element.reviews import worksheet_of

    if workbook:
        refuse_as_file(workbook)
    found = worksheet_of(Workspace.at(), file)
    made = found.worked_out()
    if workbook:
        _write(workbook, found, made)
    if as_json:
        typer.echo(json.dumps(_document(found, made), indent=2, ensure_ascii=False))
        return
    if found.about:
        out.print(f"[yellow]{escape(found.about)}[/]", soft_wrap=True)
    out.print(_table(found, made))
    out.print()
    out.print(
        f"Fixed element of {found.file.scheme_year}: [bold]{pounds(made.total_pence)}[/] "
        f"({in_millions(made.total_pence)})"
    )
    for note in _all_notes(found):
        out.print(escape(note), soft_wrap=True)
    if workbook:
        out.print(f"Written to [bold]{escape(str(workbook))}[/]", soft_wrap=True)


def in_millions(pence: int) -> str:
    """Pence in millions of pounds as the guidance prints them, halves away from zero.

    >>> [in_millions(pence) for pence in (206_550_000_00, -2_589_471_60)]
    ['£206.6m', '-£2.6m']
    """
    from pricing.money import rounded

    tenths = Decimal(rounded(Fraction(pence, _SHOWN_TO_PENCE))) / 10
    return f"{'-' if tenths < 0 else ''}£{abs(tenths):,.1f}m"


def _table(found: "FixedWorksheet", made: "Worksheet") -> Table:
    from pricing.worksheet_items import in_words

    provider, payer = found.file.provider_code, found.file.commissioner_code
    title = (
        f"Fixed element of {provider} and {payer}, {found.file.scheme_year}, from "
        f"{found.starts_from.replace('_', ' ')}"
    )
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("item", overflow="fold", max_width=20)
    table.add_column("how", overflow="fold", max_width=36)
    for column in ("amount", "running total"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("rests on", overflow="fold", max_width=22)
    for line in made.lines:
        amounts = (line.amount_pence, line.running_total_pence)
        table.add_row(
            in_words(line.item).replace("cquin", "CQUIN"),
            escape(line.formula),
            *(f"{pounds(pence)}\n{in_millions(pence)}" for pence in amounts),
            escape(line.paragraph),
        )
    return table


def _all_notes(found: "FixedWorksheet") -> Iterator[str]:
    yield from found.notes
    yield f"Inputs: {found.file.name}, sha256 {found.file.sha256}."
    months = f"{found.months[0]} to {found.months[-1]}"
    for name, units in found.levels_of_months().items():
        whole = found.activity_levels[name]
        yield f"Agreed activity of {name}: {units:,} for {months}, of {whole:,} for the year."


def _rows(found: "FixedWorksheet", made: "Worksheet") -> list[dict[str, Any]]:
    return [
        {
            "item": line.item,
            "formula": line.formula,
            "base_pence": line.base_pence,
            "rate": None if line.rate is None else str(line.rate),
            "amount_pence": line.amount_pence,
            "running_total_pence": line.running_total_pence,
            "inputs": found.inputs_of(line.item),
            "paragraph": line.paragraph,
        }
        for line in made.lines
    ]


def _document(found: "FixedWorksheet", made: "Worksheet") -> dict[str, Any]:
    return {
        "file": found.file.name,
        "sha256": found.file.sha256,
        "provider_code": found.file.provider_code,
        "commissioner_code": found.file.commissioner_code,
        "scheme_year": found.file.scheme_year,
        "about": found.about,
        "starts_from": found.starts_from,
        "months": list(found.months),
        "lines": _rows(found, made),
        "total_pence": made.total_pence,
        "activity_levels": found.levels_of_months(),
        "notes": list(found.notes),
    }


def _write(path: Path, found: "FixedWorksheet", made: "Worksheet") -> None:
    import polars as pl

    from pipelines.commands.worksheets import write_fixed_element

    about = [
        ("Provider", found.file.provider_code),
        ("Payer", found.file.commissioner_code),
        ("Scheme year", found.file.scheme_year),
        ("Starts from", found.starts_from.replace("_", " ")),
        ("Fixed element", pounds(made.total_pence)),
        *([("About", found.about)] if found.about else []),
        *(("Note", note) for note in _all_notes(found)),
    ]
    write_fixed_element(path, about, pl.DataFrame(_rows(found, made), infer_schema_length=None))
