"""The fixed element of a month: worksheets with what the lake supplies, as instalments.

Belongs here: filling in what a worksheet asks of the lake, with what each figure rests on, and the
month's rows of every worksheet in the landing folder. Does not belong here: what the lake has of a
contract (`pipelines.fixed_element.contract_activity`), or any rule (`pricing.fixed_element`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import PricingBasis, months_of, months_of_year_to, scheme_year_of
from pipelines.fixed_element.contract_activity import (
    Cited,
    activity_of_year,
    planned_payments_of_year,
)
from pipelines.fixed_element.items import PLANNED, Asked
from pipelines.fixed_element.worksheets import ContractPair, FixedWorksheet, read_worksheet
from pipelines.lists import listed
from pipelines.pricing_run import Rulebook, by_pair_of, rulebook_for, write_statement
from pipelines.workspace import UserError, Workspace
from pipelines.year_to_date import of_instalments
from pricing.fixed_element import paid_by_line
from pricing.money import PPM
from pricing.worksheet_items import Parts
from schemas.contract_statements import FIXED_ELEMENT

FIXED_ELEMENT_STATEMENT = "fixed_element"


def built(workspace: Workspace, path: Path) -> FixedWorksheet:
    """The worksheet of a contract file, with what it asks of the lake filled in."""
    return supplied(workspace, read_worksheet(workspace, path))


def supplied(workspace: Workspace, sheet: FixedWorksheet) -> FixedWorksheet:
    """A worksheet with what it asks of the lake filled in, and cited.

    Raises `UserError` that asks by name for all that the lake cannot supply.
    """
    amounts: dict[str, dict[str, int]] = {}
    cited: dict[str, list[str]] = {}
    missing = []
    of_lake = workspace.on(PricingBasis(None, workspace.basis.as_of))
    for asked in sheet.asked:
        try:
            pence, rests_on = _supplied(of_lake, sheet, asked)
        except UserError as error:
            missing.append(f"{sheet.file.name}: [{asked.item}] {asked.part}: {error}")
            continue
        amounts.setdefault(asked.item, {})[asked.part] = pence
        says = f"{asked.part} from {rests_on.says}, sha256 {rests_on.sha256}"
        cited.setdefault(asked.item, []).append(says)
    if missing:
        raise UserError(f"What the lake cannot supply must be given in pounds:\n{listed(missing)}")
    given = dict(sheet.given)
    for item, parts in amounts.items():
        before = given[item]
        assert isinstance(before, Parts), "only parts are asked of the lake"
        given[item] = Parts({**before.amounts, **parts})
    found = replace(
        sheet,
        given=given,
        asked=(),
        cited={item: "; ".join(says) for item, says in cited.items()},
    )
    faults = [
        " ".join(part for part in (f"{sheet.file.name}:", place, says) if part)
        for place, says in found.faults()
    ]
    if sheet.asked and faults:
        raise UserError(f"{sheet.file.name} cannot be used:\n{listed(faults)}")
    return found


def _supplied(workspace: Workspace, sheet: FixedWorksheet, asked: Asked) -> tuple[int, Cited]:
    pair = (sheet.file.provider_code, sheet.file.commissioner_code)
    if asked.points_of_delivery is None:
        planned = planned_payments_of_year(workspace, *pair, sheet.file.scheme_year)
        pence = planned.pence[PLANNED[asked.part]]
        if pence is None:
            raise UserError(f"not planned whole. {'; '.join(planned.missing)}")
        return pence, planned.cited
    activity = activity_of_year(workspace, *pair, asked.activity_year, asked.price_year)
    lines = activity.lines
    wanted = lines.filter(pl.col("point_of_delivery_code").is_in(asked.points_of_delivery))
    lacking = sorted({*asked.points_of_delivery} - {*wanted["point_of_delivery_code"]})
    if lacking:
        raise UserError(f"no activity of {', '.join(lacking)} in {asked.activity_year}")
    unpriced = int(wanted["lines_without_price"].sum())
    if unpriced:
        raise UserError(f"{unpriced:,} of its lines have no price under {asked.price_year}")
    return int(wanted["value_pence"].sum()), activity.cited


def make_fixed_element(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the month's instalment of each worksheet, item by item."""
    rulebook = rulebook_for(workspace, month)
    paying, _ = worksheets_paying(workspace, rulebook, month)
    sheets = [supplied(workspace, sheet) for sheet in paying]
    year = {one: rows_of(sheets, one) for one in months_of_year_to(month)}
    made = nw.from_native(by_pair_of(rulebook, month, year[month].lazy()))
    made_with = of_instalments(year)
    return write_statement(
        workspace, FIXED_ELEMENT_STATEMENT, month, made, FIXED_ELEMENT, made_with
    )


def worksheets_paying(
    workspace: Workspace, rulebook: Rulebook, month: str
) -> tuple[list[FixedWorksheet], list[str]]:
    """The worksheets that pay in a month, and of each that is left out why.

    None is left out under the rules of the month's own year. Under those of another, one is that
    asks the lake for this very activity at these prices, which must be priced first; and one of a
    pair that, in any month of its agreement, has a block or other terms: a year pays as a whole.
    """
    if rulebook.is_own_year(month):
        return list(rulebook.worksheets), []
    year, basis = scheme_year_of(month), workspace.basis
    paying, notices = [], []
    for sheet in rulebook.worksheets:
        file = sheet.file
        pair = ContractPair(workspace, file, rulebook.organisations, sheet.pack.scheme, basis.as_of)
        months = [one for one in months_of(year) if sheet.of_same_month(one) in sheet.months]
        without = pair.months_without(months, basis)
        asked = [
            one.part
            for one in sheet.asked
            if one.activity_year == year and PricingBasis(one.price_year) == basis
        ]
        if asked:
            why = f"{' and '.join(asked)} in it is asked of the activity of {year}, this with it"
        elif without:
            why = (
                f"{file.provider_code} and {file.commissioner_code} have none in "
                f"{', '.join(without)}, as the contracts and the LVA schedule stand"
            )
        else:
            paying.append(sheet)
            continue
        notices.append(
            f"{file.name}: no instalment of its fixed element is in {month} under "
            f"{file.scheme_year}: {why}."
        )
    return paying, notices


def rows_of(sheets: Sequence[FixedWorksheet], month: str) -> pl.DataFrame:
    """The rows of worksheets in a month: `schemas.contract_statements.FIXED_ELEMENT`."""
    rows = [row for sheet in sheets for row in _rows(sheet, month)]
    types = {"text": pl.String, "integer": pl.Int64}
    return pl.DataFrame(rows, schema={field.name: types[field.type] for field in FIXED_ELEMENT})


def _rows(sheet: FixedWorksheet, month: str) -> list[dict[str, Any]]:
    made, scheme = sheet.worked_out(), sheet.pack.scheme
    place = sheet.month_of_agreement(month)
    is_in_agreement = sheet.of_same_month(month) in sheet.months
    paid = paid_by_line(made, place, len(sheet.months), scheme)
    return [
        {
            "activity_month": month,
            "scheme_year": sheet.file.scheme_year,
            "provider_code": sheet.file.provider_code,
            "commissioner_code": sheet.file.commissioner_code,
            "item_number": number,
            "item": line.item,
            "formula": line.formula,
            "base_pence": line.base_pence,
            "rate_ppm": int(line.rate * PPM)
            if line.rate is not None and (line.rate * PPM).denominator == 1
            else None,
            "amount_pence": line.amount_pence,
            "running_total_pence": line.running_total_pence,
            "payable_pence": payable if is_in_agreement else 0,
            "payable_to_date_pence": to_date,
            "inputs": sheet.inputs_of(line.item),
            "worksheet_sha256": sheet.file.sha256,
            "paragraph": line.paragraph,
        }
        for number, (line, (payable, to_date)) in enumerate(zip(made.lines, paid, strict=True), 1)
    ]
