"""What the lake can supply of a contract for its fixed element and its review, each figure cited.

Belongs here: reading a contract's priced lines of a whole year on a pricing basis, and its plans of
a scheme year, with the months, files and prices that each rests on. Does not belong here: what they
are worth (`pricing.contract_activity`), or what the fixed element does with them.

What is missing is named: months that are not priced, or priced with other rules than there are now,
and months without a plan. Nothing is filled in for them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import PricingBasis, first_month_of, months_of
from pipelines.deliveries import deliveries_of, settled_cut
from pipelines.pricing_run import Rulebook, by_pair_of, priced_paths, rulebook_for
from pipelines.workspace import UserError, Workspace
from pricing import contract_activity
from pricing.contracts import PAIR
from pricing.scheme import Scheme
from pricing.scheme_tables import CONTRACT_SECTIONS
from schemas.contract_statements import CONTRACT_LINES_OF_MONTH
from schemas.extracts import EXTRACTS

_PRICES_LINES = (
    *("scheme pack", "price book", "organisations", "prior approvals", "LVA exceptions"),
    *("contracts", "local prices", "overseas visitors", "HRG bridge"),
)
"""Kinds of input that decide what a line is worth. Plans, terms and counts do not."""


@dataclass(frozen=True, slots=True)
class Cited:
    """What figures rest on: months, and files with their sha256 by name."""

    says: str
    months: tuple[str, ...]
    files: Mapping[str, str]
    is_illustrative: bool

    @property
    def sha256(self) -> str:
        """Of all files together."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ActivityOfYear:
    """A contract's activity of a year at the prices of a year, and what it rests on.

    `lines` has `point_of_delivery_code`, `payment_mechanism`, `activity`, `unapproved_activity`,
    `lines_without_price` and `value_pence`.
    """

    activity_year: str
    price_year: str
    lines: pl.DataFrame
    cited: Cited


@dataclass(frozen=True, slots=True)
class PlannedPayments:
    """What a contract plans to pay beside its fixed element, and what it rests on.

    `lines` are those of `pricing.contract_activity.planned_payments`. `pence` is by section; None
    where `missing` says why it is not known. `without_plan` are lines that nothing is planned of.
    """

    scheme_year: str
    lines: pl.DataFrame
    pence: Mapping[str, int | None]
    missing: tuple[str, ...]
    without_plan: tuple[str, ...]
    cited: Cited


def activity_of_year(
    workspace: Workspace, provider: str, commissioner: str, activity_year: str, price_year: str
) -> ActivityOfYear:
    """Every month of a year's activity of a contract, as priced under a scheme year.

    The provider and payer are those of the price year: who was succeeded is held by the successor.
    Raises `UserError` that names the months that are not priced so, or were priced with other
    rules, prices or lists than there are now, and where nothing of the contract is under API.
    """
    months = months_of(activity_year)
    on = workspace.on(PricingBasis(price_year).for_month(months[0]))
    paths = {month: _priced(on, month) for month in months}
    _refuse_months(on, [m for m, found in paths.items() if not found], "not priced")
    rulebooks = {month: rulebook_for(on, month) for month in months}
    _refuse_months(
        on,
        [m for m, rulebook in rulebooks.items() if not _is_current(paths[m], rulebook)],
        "priced with another scheme pack, price book or lists",
    )
    last = rulebooks[months[-1]]
    every_line = pl.scan_parquet([path for found in paths.values() for path in found])
    of_contract = by_pair_of(last, months[-1], every_line).filter(
        provider_code=provider, commissioner_code=commissioner
    )
    valued = contract_activity.price_times_activity(nw.from_native(of_contract)).to_native()
    keys = ["point_of_delivery_code", "payment_mechanism"]
    lines = valued.collect(engine="streaming").drop(PAIR).sort(keys)
    if lines.is_empty():
        raise UserError(
            f"{provider} and {commissioner} have no activity under API in {activity_year}, priced "
            f"under {price_year}. Check both codes: sus-pricing organisations show {provider}."
        )
    return ActivityOfYear(activity_year, price_year, lines, _cited(on, months, last))


def _priced(workspace: Workspace, month: str) -> list[Path]:
    """The priced lines of a month; none where any dataset of it is not taken in or priced."""
    try:
        found = list(priced_paths(workspace, month).values())
    except UserError:
        return []
    return found if all(path.is_file() for path in found) else []


def _refuse_months(workspace: Workspace, months: list[str], says: str) -> None:
    if months:
        options = workspace.basis.options
        under = f" under {workspace.basis.scheme_year}" if workspace.basis.scheme_year else ""
        command = f"sus-pricing run --month {months[0]} {options}".rstrip()
        raise UserError(
            f"These months are {says}{under}: {', '.join(months)}. Run each of them first, such as "
            f"with {command}; nothing is filled in for a month."
        )


def _is_current(paths: Iterable[Path], rulebook: Rulebook) -> bool:
    """Whether lines were priced with what there is now, plans and terms aside."""
    now = _of_lines(rulebook.inputs())
    return all(
        _of_lines(json.loads(path.with_name("priced_with.json").read_text("utf-8"))) == now
        for path in paths
    )


def _of_lines(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: sha256 for name, sha256 in inputs.items() if name.startswith(_PRICES_LINES)}


def _cited(workspace: Workspace, months: list[str], rulebook: Rulebook) -> Cited:
    """The extracts that settle the months, and what they were priced with."""
    extracts = {
        delivery.name: delivery.sha256
        for extract in EXTRACTS
        for month in months
        for delivery in deliveries_of(workspace, extract.dataset)
        if month in delivery.months
        and delivery.cut == settled_cut(workspace, extract.dataset, month)
    }
    return Cited(
        f"{months[0]} to {months[-1]}, {len(extracts)} extracts, under "
        f"{rulebook.pack.scheme.scheme_year} at the prices of {rulebook.book.name}",
        tuple(months),
        {**extracts, **_of_lines(rulebook.inputs())},
        rulebook.book.is_illustrative or rulebook.organisations.is_illustrative,
    )


def planned_payments_of_year(
    workspace: Workspace, provider: str, commissioner: str, scheme_year: str
) -> PlannedPayments:
    """What a contract plans of its variable element and its blended payments in a scheme year.

    By the parties of the year's last month. Raises `UserError` for a list that cannot be used.
    """
    months = months_of(scheme_year)
    rulebook = rulebook_for(workspace, first_month_of(scheme_year))
    agreed = rulebook.agreed(months)
    pair = {"provider_code": provider, "commissioner_code": commissioner}
    plans, terms, bands = (
        frame.filter(**pair) for frame in (agreed.plans, agreed.terms, agreed.bands)
    )
    nothing_done = pl.DataFrame(
        schema={
            field.name: pl.String if field.type == "text" else pl.Int64
            for field in CONTRACT_LINES_OF_MONTH
        }
    )
    tables = (plans, terms, bands, nothing_done, agreed.counts.clear())
    frames: list[Any] = [nw.from_native(table.lazy()) for table in tables]
    scheme = rulebook.pack.scheme
    made = contract_activity.planned_payments(*frames, months=months, scheme=scheme)
    lines = made.to_native().collect().drop(PAIR).sort("section", "contract_line")
    totals, missing = _totals(lines, plans, months)
    return PlannedPayments(
        scheme_year,
        lines,
        totals,
        missing,
        tuple(_never_planned(lines, scheme)),
        Cited(
            f"plans of {months[0]} to {months[-1]}",
            tuple(months),
            {**rulebook.plans.files, **rulebook.terms.files},
            is_illustrative=False,
        ),
    )


def _totals(
    lines: pl.DataFrame, plans: pl.DataFrame, months: list[str]
) -> tuple[dict[str, int | None], tuple[str, ...]]:
    """What is planned by section, None where any of it is not known, and what is missing."""
    totals: dict[str, int | None] = {}
    missing = []
    for section in CONTRACT_SECTIONS:
        of_section = lines.filter(section=section)
        payments = of_section["payment_pence"].to_list()
        totals[section] = None if None in payments or not payments else sum(payments)
        if of_section.is_empty():
            missing.append(f"{section}: no line has a plan")
        for row in of_section.filter(pl.col("payment_pence").is_null()).iter_rows(named=True):
            planned = plans.filter(contract_line=row["contract_line"])["activity_month"]
            without = [month for month in months if month not in set(planned)]
            what = f"no plan of {', '.join(without)}" if without else "no value is planned"
            missing.append(f"{row['contract_line']}: {what}")
    return totals, tuple(missing)


def _never_planned(lines: pl.DataFrame, scheme: Scheme) -> list[str]:
    names = contract_activity.planned_beside_fixed(scheme)
    return [name for name in names if name not in set(lines["contract_line"])]
