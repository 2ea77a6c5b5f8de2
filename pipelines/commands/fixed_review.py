"""`sus-pricing fixed review`: a contract's value against price × activity, for people.

Belongs here: setting a review out as tables, files and a chart. Does not belong here: any amount
(`pricing.fixed_element_review`), what the file may say (`pipelines.fixed_element.reviews`), or
drawing (`pipelines.commands.charts`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import out, pounds
from pipelines.workspace import Workspace, refuse_as_folder, replacing_named

if TYPE_CHECKING:
    import polars as pl

    from pipelines.fixed_element.reviews import FixedReview

app = typer.Typer()

_NOTHING = "-"
_FUNDING, _WORTH, _PLANNED, _LEFT = "funding", "price × activity", "adjustment", "left"
_VALUED_BY = {"price": "price", "cost": "cost", "not_by_activity": _NOTHING}
_STEPS = {
    "identified_difference": "identified difference",
    "agreed_difference": "agreed difference",
    "limit": "limit",
    "with_deficit_reduction": "with deficit reduction",
    "deficit_reduction_alone": "deficit reduction alone",
    "adjustment": "adjusted in the year",
    "pricing_changes": "pricing changes",
    "beside_pricing_changes": "beside pricing changes",
    "in_worksheet": "in the worksheet",
    "later_years": "left to later years",
}


@app.command()
def review(
    file: Annotated[Path, typer.Argument(help="The contract's TOML file.")],
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write the tables, the chart and its data to."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Compares a contract's value with price × activity, and says what of it may be adjusted.

    Reads the section "review" of the file: services with their funding, the difference that the
    parties agree on, and the plan by which it is actioned. Services may be valued from activity in
    the lake. Every fault is told with its key, and nothing is written.

    With --out, review.csv has every row of the review, amounts in pence; chart.csv has series,
    label and pounds; chart.svg is the chart. The JSON document has the keys file, sha256, about,
    notes, is_illustrative, rests_on and rows.
    """
    from pipelines.fixed_element.reviews import review_of, review_rows

    if out_folder:
        refuse_as_folder(out_folder)
    found = review_of(Workspace.at(), file)
    rows = review_rows([found], "").drop("activity_month")
    if out_folder:
        _write(out_folder, found, rows)
    if as_json:
        typer.echo(json.dumps(_document(found, rows), indent=2, ensure_ascii=False))
        return
    if found.about:
        out.print(f"[yellow]{escape(found.about)}[/]", soft_wrap=True)
    for table in (_services_table(found), _steps_table(found, rows), _plan_table(found)):
        out.print(table)
        out.print()
    for said in _rests_on(found):
        out.print(escape(said), soft_wrap=True)
    if _is_illustrative(found):
        out.print("[bold yellow]ILLUSTRATIVE: the prices are made up. Do not agree on them.[/]")
    if out_folder:
        out.print(f"Written to [bold]{escape(str(out_folder))}[/]", soft_wrap=True)


def _services_table(found: "FixedReview") -> Table:
    """Each service with its funding and worth, and what the contract comes to."""
    contract = found.review.contract
    title = (
        f"{contract.provider_code} and {contract.commissioner_code}, {contract.scheme_year}: "
        "contract value against price × activity"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("service", overflow="fold")
    table.add_column("by", no_wrap=True)
    for name in ("funding", "price × activity", "difference", "lines", "no price"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in contract.services:
        table.add_row(
            escape(one.service),
            _VALUED_BY[one.valued_by],
            pounds(one.funding_pence),
            _pounds(one.activity_value_pence),
            _pounds(one.difference_pence),
            _count(one.activity),
            _count(one.lines_without_price),
        )
    table.add_section()
    valued = [one for one in contract.services if one.activity_value_pence is not None]
    table.add_row(
        "valued by activity",
        "",
        pounds(sum(one.funding_pence for one in valued)),
        pounds(sum(one.activity_value_pence or 0 for one in valued)),
        pounds(contract.identified_difference_pence),
        "",
        "",
    )
    apart = sum(one.funding_pence for one in contract.services if one not in valued)
    table.add_row("not by activity", "", pounds(apart), *[""] * 4)
    table.add_row("contract value", "", pounds(contract.contract_value_pence), *[""] * 4)
    return table


def _steps_table(found: "FixedReview", rows: "pl.DataFrame") -> Table:
    """What each rule leaves of the difference, and why."""
    from pipelines.reasons import reasons
    from pricing.explaining import percent

    said = {row["reason_code"]: row["sentence"] for row in reasons()}
    title = f"What may be adjusted in {found.review.contract.scheme_year}"
    table = Table(
        title=f"{title}: {percent(found.limit_ppm)} of the contract value and its exceptions",
        title_justify="left",
    )
    table.add_column("step", no_wrap=True)
    for name in ("leaves", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("because", "rests on"):
        table.add_column(name, overflow="fold")
    for row in rows.filter(part="step").iter_rows(named=True):
        table.add_row(
            _STEPS[row["item"]],
            pounds(row["amount_pence"]),
            _pounds(row["bound_pence"]),
            said[row["reason_code"]],
            row["paragraph"],
        )
    return table


def _plan_table(found: "FixedReview") -> Table:
    """The years over which the agreed difference is actioned."""
    table = Table(title="When it is actioned", title_justify="left")
    table.add_column("scheme year", no_wrap=True)
    for name in ("adjustment", "left after it"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("what changes", "exceptional"):
        table.add_column(name, overflow="fold")
    for year in found.review.years:
        table.add_row(
            year.change.scheme_year,
            pounds(year.change.amount_pence),
            pounds(year.left_pence),
            escape(year.change.what_changes),
            escape(year.change.exceptional_reason or _NOTHING),
        )
    return table


def _rests_on(found: "FixedReview") -> Iterator[str]:
    yield from found.notes
    yield f"Contract file {found.file}, sha256 {found.sha256[:12]}"
    if found.activity:
        yield f"Activity {found.activity.cited.says}, sha256 {found.activity.cited.sha256[:12]}"


def _is_illustrative(found: "FixedReview") -> bool:
    return found.activity is not None and found.activity.cited.is_illustrative


def _document(found: "FixedReview", rows: "pl.DataFrame") -> dict[str, Any]:
    """All of it as plain values."""
    cited = found.activity.cited if found.activity else None
    return {
        "file": found.file,
        "sha256": found.sha256,
        "about": found.about,
        "notes": found.notes,
        "is_illustrative": _is_illustrative(found),
        "rests_on": cited and {"says": cited.says, "sha256": cited.sha256, "files": cited.files},
        "rows": rows.to_dicts(),
    }


def _write(folder: Path, found: "FixedReview", rows: "pl.DataFrame") -> None:
    import polars as pl

    data = pl.DataFrame(list(_chart_data(found)), ["series", "label", "pounds"], orient="row")
    for name, text in {
        "review.csv": rows.write_csv(),
        "chart.csv": data.write_csv(),
        "chart.svg": chart(found),
    }.items():
        with replacing_named(folder / name) as writing:
            writing.write_text(text, "utf-8", newline="\n")


def chart(found: "FixedReview") -> str:
    """The funding of each service beside what its activity is worth, as SVG."""
    from pipelines.commands.charts import bars

    contract = found.review.contract
    title = (
        f"{contract.provider_code} and {contract.commissioner_code}, {contract.scheme_year}: "
        "funding against price × activity"
    )
    if found.about:
        title += f". {found.about}"
    if _is_illustrative(found):
        title += " Illustrative prices."
    of = [(s.service, (s.funding_pence, s.activity_value_pence)) for s in contract.services]
    return bars(title, (_FUNDING, _WORTH), of, "not valued by activity")


def _chart_data(found: "FixedReview") -> Iterator[tuple[str, str, str]]:
    """Series, label and pounds; no row where there is no amount."""
    for service in found.review.contract.services:
        amounts: Mapping[str, int | None] = {
            _FUNDING: service.funding_pence,
            _WORTH: service.activity_value_pence,
        }
        for series, pence in amounts.items():
            if pence is not None:
                yield series, service.service, _decimal(pence)
    for year in found.review.years:
        yield _PLANNED, year.change.scheme_year, _decimal(year.change.amount_pence)
        yield _LEFT, year.change.scheme_year, _decimal(year.left_pence)


def _decimal(pence: int) -> str:
    sign, size = ("-", -pence) if pence < 0 else ("", pence)
    return f"{sign}{size // 100}.{size % 100:02}"


def _pounds(pence: int | None) -> str:
    return _NOTHING if pence is None else pounds(pence)


def _count(number: int | None) -> str:
    return _NOTHING if number is None else f"{number:,}"
