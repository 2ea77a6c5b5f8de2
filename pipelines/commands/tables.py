"""The tables that a run and a reissue end with.

Belongs here: setting out an account or a reissue for people. Does not belong here: any
number (`pipelines.accounting`, `pipelines.reissue`).
"""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from pipelines.accounting import Account, MechanismTotal
from pipelines.basis import PricingBasis
from pipelines.commands.console import pounds
from pipelines.fixed_element.statements import Instalment
from pipelines.reissue import Reissue

_SHOWN_CODES = 12
_SHOWN_DIFFERENCES = 15


def fixed_elements_table(instalments: Sequence[Instalment]) -> Table:
    """The fixed element of each contract that has a worksheet, and what the month pays of it."""
    table = Table(title="Fixed elements", title_justify="left")
    for column in ("provider", "payer"):
        table.add_column(column, no_wrap=True)
    for column in ("fixed element", "instalment of the month"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in instalments:
        amounts = (pounds(one.fixed_element_pence), pounds(one.instalment_pence))
        table.add_row(one.provider_code, one.commissioner_code, *amounts)
    return table


def reissue_table(year: str, reissue: Reissue) -> Table:
    """The largest differences by provider, payer and point of delivery, and the total of all."""
    title = (
        f"{year} as known on {reissue.after.as_of}, against {reissue.before.as_of}: "
        f"{', '.join(reissue.months)}"
    )
    table = Table(title=title, title_justify="left")
    for column in ("provider", "payer", "POD"):
        table.add_column(column, no_wrap=True)
    for column in ("lines", "value before", "value after", "difference", "payable\ndifference"):
        table.add_column(column, justify="right", overflow="fold")
    differing = [
        row
        for row in reissue.differences.iter_rows(named=True)
        if row["value_pence_difference"] or row["payable_pence_difference"]
    ]
    differing.sort(key=lambda row: -abs(row["value_pence_difference"]))
    for row in differing[:_SHOWN_DIFFERENCES]:
        table.add_row(
            row["provider_code"],
            row["commissioner_code"],
            row["point_of_delivery_code"],
            f"{row['lines_after']:,}",
            pounds(row["value_pence_before"]),
            pounds(row["value_pence_after"]),
            pounds(row["value_pence_difference"]),
            pounds(row["payable_pence_difference"]),
        )
    more = len(differing) - _SHOWN_DIFFERENCES
    if more > 0:
        table.add_row(f"and {more:,} more")
    table.add_section()
    table.add_row(
        "all",
        "",
        "",
        f"{reissue.total('lines_after'):,}",
        pounds(reissue.total("value_pence_before")),
        pounds(reissue.total("value_pence_after")),
        pounds(reissue.total("value_pence_difference")),
        pounds(reissue.total("payable_pence_difference")),
    )
    return table


def records_table(account: Account) -> Table:
    """Records in and out, by dataset."""
    table = Table(title=f"Records of {account.activity_month}", title_justify="left")
    table.add_column("dataset")
    table.add_column("cut")
    for column in ("files", "delivered", "priced", "refused"):
        table.add_column(column, justify="right", no_wrap=True)
    for d in account.datasets:
        refused = d.refused_by_validation + d.refused_by_pricing
        counts = (len(d.files), d.delivered, d.priced, refused)
        table.add_row(d.dataset, d.cut, *(f"{count:,}" for count in counts))
    table.add_section()
    totals = (account.delivered, account.priced, account.refused)
    table.add_row("all", "", "", *(f"{total:,}" for total in totals))
    return table


def refusals_table(account: Account) -> Table:
    """Refusals by code, the most frequent first, with the organisations that are missing."""
    table = Table(title="Refused for", title_justify="left")
    table.add_column("dataset")
    table.add_column("code", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("organisations", overflow="fold")
    for d in account.datasets:
        by_count = sorted(d.refused_by_code.items(), key=lambda entry: (-entry[1], entry[0]))
        for code, count in by_count[:_SHOWN_CODES]:
            organisations = list(d.refused_organisations.get(code, {}))[:_SHOWN_CODES]
            table.add_row(d.dataset, code, f"{count:,}", escape(", ".join(organisations)))
        more = len(d.refused_by_code) - _SHOWN_CODES
        if more > 0:
            table.add_row(d.dataset, f"and {more} more codes", "", "see refused_records")
        table.add_section()
    return table


def _payable(mechanism: MechanismTotal) -> str:
    """What a mechanism pays; what is worked out for each contract has no amount here."""
    has_value_alone = mechanism.payable_pence is None and mechanism.value_pence is not None
    return "by contract" if has_value_alone else pounds(mechanism.payable_pence)


def mechanisms_table(account: Account) -> Table:
    """Lines and pounds, by dataset and mechanism; below them the excluded items."""
    title = f"Lines and pounds by mechanism, {account.activity_month}, scheme {account.scheme_year}"
    basis = PricingBasis.named(account.pricing_basis)
    if basis.as_of:
        title += f", as known on {basis.as_of}"
    table = Table(title=title, title_justify="left")
    table.add_column("dataset")
    table.add_column("mechanism", no_wrap=True)
    for column in ("lines", "value", "payable", "without a price"):
        table.add_column(column, justify="right", no_wrap=True)
    for m in account.mechanisms:
        table.add_row(
            m.dataset,
            m.payment_mechanism,
            f"{m.lines:,}",
            pounds(m.value_pence),
            _payable(m),
            f"{m.lines_without_price:,}",
        )
    table.add_section()
    table.add_row(
        "all lines",
        "",
        f"{sum(m.lines for m in account.mechanisms):,}",
        pounds(account.value_pence),
        pounds(account.payable_pence),
        f"{sum(m.lines_without_price for m in account.mechanisms):,}",
    )
    if account.items:
        table.add_section()
    for m in account.items:
        table.add_row(
            m.dataset,
            m.payment_mechanism,
            f"{m.lines:,}",
            pounds(m.value_pence),
            pounds(m.payable_pence),
            f"{m.lines_without_price:,}",
        )
    return table
