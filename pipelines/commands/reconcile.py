"""`sus-pricing reconcile`: a published month against the prices of SUS+.

Belongs here: setting out the tables of the mart for people, and what a user can do about each
cause. Does not belong here: comparing, or finding a cause (`pricing.reconciliation`).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipelines.commands.console import month as valid_month
from pipelines.commands.console import out, pounds
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer()

_CAUSES = {
    "ebi_approval": "SUS+ prices an intervention without prior approval; nothing is payable. "
    "Send ebi_challenges to the provider, or add the approval to your list.",
    "local_price": "A locally agreed price was taken, which SUS+ does not know. Nothing to do.",
    "exclusion": "SUS+ priced a record that has no national price, or left out one that has. "
    "Ask the provider to correct the exclusion or the agreement number.",
    "best_practice_tariff": "SUS+ and the scheme disagree on whether the best practice price is "
    "paid. Check the indicator, and whether the tariff is annual.",
    "top_up": "SUS+ gave another specialist top-up. Check the provider's eligibility and the rate.",
    "long_stay": "SUS+ paid for other days beyond the trim point. Check the adjusted stay.",
    "unbundled": "SUS+ gave another sum for the same unbundled HRGs. Here each is a line of its "
    "own in priced_lines, at its price whichever mechanism pays, and imaging of a spell is in the "
    "spell's price. Where SUS+ is below, it left a price out: the lines say whether anything is "
    "payable for it. Where it is above, check that the price book has every HRG, and whether SUS+ "
    "priced a scan of a spell.",
    "mff_value": "The same price before MFF, another factor. Check the factor of the provider.",
    "rule_year": "SUS+ took the price of another year. Ask for the extract to be run again.",
    "price_book_version": "SUS+ took another publication of the year's prices. Check that the "
    "latest is imported.",
    "rounding": "Only rounding: SUS+ rounds otherwise. Nothing to do.",
    "unknown": "None of these explains it. Look at reconciliation_differences.",
}


@app.command()
def reconcile(
    month: Annotated[str, typer.Option(help="Month of activity, such as 2024-07.")],
) -> None:
    """Compares a published month with the prices of SUS+, and says why they differ.

    The month must have been run. Every record is in the table reconciliation, those that
    differ in reconciliation_differences.
    """
    valid_month(month)
    from pipelines.reconciling import read_reconciliation

    tables = read_reconciliation(Workspace.at(), month)
    for table in (
        _components_table(tables["reconciliation"], month),
        _causes_table(tables["reconciliation"]),
        _rounding_table(tables["sus_rounding"]),
    ):
        out.print(table)
        out.print()
    out.print(_best_rounding(tables["sus_rounding"]), soft_wrap=True)


def _components_table(summary: "pl.DataFrame", month: str) -> Table:
    """Records by part of the price and outcome, for both datasets together."""
    from pricing.reconciliation import COMPONENTS, OUTCOMES

    table = Table(title=f"Prices of SUS+ against ours, {month}", title_justify="left")
    table.add_column("part", no_wrap=True)
    for outcome in OUTCOMES:
        table.add_column(outcome.replace("_", " "), justify="right")
    table.add_column("SUS+ above ours", justify="right", no_wrap=True)
    for component in COMPONENTS:
        rows = summary.filter(component=component)
        counts = (rows.filter(outcome=outcome)["records"].sum() for outcome in OUTCOMES)
        table.add_row(
            component.replace("_", " "),
            *(f"{count:,}" for count in counts),
            pounds(int(rows["difference_pence"].sum())),
        )
    return table


def _causes_table(summary: "pl.DataFrame") -> Table:
    """The causes of differing final prices, the largest first, and what to do about each."""
    table = Table(title="Why final prices differ", title_justify="left")
    for column in ("dataset", "cause"):
        table.add_column(column, no_wrap=True)
    for column in ("records", "SUS+ above ours"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("what it means, and what to do", overflow="fold")
    import polars as pl

    amounts = ("records", "difference_pence")
    by_cause = (
        summary.filter(pl.col("component") == "final", pl.col("cause").is_not_null())
        .group_by("dataset", "cause")
        .agg(pl.col(amounts).sum())
        .sort(pl.col("difference_pence").abs(), "dataset", "cause", descending=[True, False, False])
    )
    for row in by_cause.iter_rows(named=True):
        table.add_row(
            row["dataset"],
            row["cause"],
            f"{row['records']:,}",
            pounds(row["difference_pence"]),
            _CAUSES[row["cause"]],
        )
    table.add_section()
    total = by_cause.select(pl.col(amounts).sum()).row(0, named=True)
    table.add_row("all", "", f"{total['records']:,}", pounds(total["difference_pence"]), "")
    return table


def _rounding_table(rounding: "pl.DataFrame") -> Table:
    """Each rounding rule and how many prices of SUS+ it gives, the best first."""
    table = Table(title="Which rounding gives the prices of SUS+", title_justify="left")
    table.add_column("rounded to")
    table.add_column("halves")
    table.add_column("applied")
    for column in ("tested", "matching"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in _ranked(rounding).iter_rows(named=True):
        to, halves, applied = _words(row)
        table.add_row(
            to, halves, applied, f"{row['records_tested']:,}", f"{row['records_matching']:,}"
        )
    return table


def _ranked(rounding: "pl.DataFrame") -> "pl.DataFrame":
    """The rules over both datasets, the best first."""
    import polars as pl

    rule = ("quantum_pence", "mode", "applied")
    counts = ("records_tested", "records_matching")
    return (
        rounding.group_by(rule)
        .agg(pl.col(counts).sum())
        .sort("records_matching", *rule, descending=[True, False, False, False])
    )


def _words(rule: dict[str, Any]) -> tuple[str, str, str]:
    to = "the penny" if rule["quantum_pence"] == 1 else "the pound"
    applied = "once, at the end" if rule["applied"] == "once" else "to each part"
    return to, rule["mode"].replace("_", " "), applied


def _best_rounding(rounding: "pl.DataFrame") -> str:
    """The rule that fits best, with those that fit as well."""
    ranked = _ranked(rounding)
    if ranked.is_empty():
        return "No record tells anything of how SUS+ rounds."
    most = ranked["records_matching"][0]
    best = ranked.filter(records_matching=most)
    rules = "; ".join(
        f"to {to}, {halves}, {applied}"
        for to, halves, applied in map(_words, best.iter_rows(named=True))
    )
    fits = "Fits best" if best.height == 1 else "These fit equally well"
    return f"{fits}, in {most:,} of {ranked['records_tested'][0]:,} records: {rules}."
