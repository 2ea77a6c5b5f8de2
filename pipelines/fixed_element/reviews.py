"""The review of a contract, as its file says it: read, supplied from the lake, and worked out.

Belongs here: what the section `[review]` of a contract's file may say, what of it comes from the
lake, and the rows of the review for the mart. Does not belong here: reading files
(`pipelines.fixed_element.contract_files`), what the lake supplies
(`pipelines.fixed_element.contract_activity`), or any rule (`pricing.fixed_element_review`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import PricingBasis, first_month_of, months_of, scheme_year_of
from pipelines.fixed_element.contract_activity import ActivityOfYear, activity_of_year
from pipelines.fixed_element.contract_files import (
    FROM_ACTIVITY,
    REVIEW,
    ContractFile,
    Section,
    landed_contract_files,
    read_contract_file,
    refuse_two_of_a_contract,
)
from pipelines.fixed_element.statements import built, supplied, worksheets_paying
from pipelines.fixed_element.worksheets import ContractPair, FixedWorksheet, has_items
from pipelines.lists import listed
from pipelines.organisations import COMMISSIONERS, Organisations, read_organisations
from pipelines.pricing_run import rulebook_for, write_statement
from pipelines.reasons import reasons
from pipelines.scheme_packs import scheme_for
from pipelines.workspace import UserError, Workspace
from pricing.explaining import pounds
from pricing.fixed_element_review import (
    COST,
    IN_WORKSHEET,
    NOT_BY_ACTIVITY,
    PRICE,
    DeficitReduction,
    Fault,
    PlannedChange,
    Review,
    ReviewedContract,
    Service,
    faults,
    reviewed,
)
from pricing.scheme import Scheme
from schemas.contract_statements import FIXED_ELEMENT_REVIEW

FIXED_ELEMENT_REVIEW_STATEMENT = "fixed_element_review"
_COVERS = "covers"
_TYPES = {"text": pl.String, "integer": pl.Int64, "flag": pl.Boolean}


@dataclass(frozen=True, slots=True)
class FixedReview:
    """A contract's review, the file it is of, and the activity it rests on, if any.

    `notes` are what a reader should know.
    """

    file: str
    sha256: str
    about: str | None
    notes: tuple[str, ...]
    review: Review
    limit_ppm: int
    activity: ActivityOfYear | None


@dataclass(frozen=True, slots=True)
class _Said:
    """A service as the file says it: its points of delivery, and whether they value it."""

    section: Section
    service: Service
    points_of_delivery: tuple[str, ...]
    is_from_activity: bool


def review_of(workspace: Workspace, path: Path) -> FixedReview:
    """The review of the contract that a file is of, held to the worksheet that the file has.

    Raises `UserError` that names faults by file and key, where the scheme year has no review, where
    the months that a service is valued from are not priced, and where the worksheet has another
    adjustment.
    """
    organisations = read_organisations(workspace)
    file = read_contract_file(path, organisations)
    found = _review(workspace, file, organisations)
    if has_items(file):
        _refuse_other_adjustments([found], [built(workspace, path)])
    return found


def worksheet_of(workspace: Workspace, path: Path) -> FixedWorksheet:
    """The worksheet of a contract file, held to the review that the file has.

    Without one, a note says so: no limit is known for what the worksheet adjusts.
    """
    sheet = built(workspace, path)
    if REVIEW in sheet.file.root:
        organisations = read_organisations(workspace)
        review = _review(workspace, read_contract_file(path, organisations), organisations)
        _refuse_other_adjustments([review], [sheet])
        return sheet
    lines, entered = _reviewed_lines(sheet)
    if not entered:
        return sheet
    limit = sheet.pack.scheme.citation("fixed_element.review_limit_ppm")
    note = (
        f"{lines} comes to {pounds(entered)}. The limit ({limit}) was not checked: it is of the "
        f"contract value, which a section [{REVIEW}] gives."
    )
    return replace(sheet, notes=(*sheet.notes, note))


def landed_reviews(workspace: Workspace, scheme_year: str, month: str) -> list[FixedReview]:
    """The reviews of a scheme year in the landing folder, by name of their files.

    Without those that rest on a month's own activity as it is priced here, which comes first.
    Raises `UserError` as `review_of` does, and where two are of one provider and payer.
    """
    organisations = read_organisations(workspace)
    files = [
        file
        for file in landed_contract_files(workspace, organisations, scheme_year)
        if file.root.is_table(REVIEW)
    ]
    refuse_two_of_a_contract(files)
    return [
        _review(workspace, file, organisations)
        for file in files
        if not _rests_on(file, workspace.basis, month)
    ]


def reviews_left_out(workspace: Workspace, scheme_year: str, month: str) -> list[str]:
    """Of each review that a month is made without, what whoever reads the result must know."""
    organisations = read_organisations(workspace)
    year = scheme_year_of(month)
    return [
        f"{file.name}: its review is not in {month} under {scheme_year}: it asks for the activity "
        f"of {year}, this with it."
        for file in landed_contract_files(workspace, organisations, scheme_year)
        if file.root.is_table(REVIEW) and _rests_on(file, workspace.basis, month)
    ]


def _rests_on(file: ContractFile, basis: PricingBasis, month: str) -> bool:
    """Whether a review values services by a month's activity, priced on the basis it is on."""
    section = file.root.section(REVIEW)
    year = scheme_year_of(month)
    return (
        section is not None
        and section.written("activity_year") == year != file.scheme_year
        and PricingBasis(file.scheme_year) == basis
    )


def make_fixed_element_review(workspace: Workspace, month: str) -> pl.DataFrame:
    """Writes and gives the review of each contract that has one for the scheme year of a month.

    Raises `UserError` where a contract's worksheet has another adjustment than its review.
    """
    rulebook = rulebook_for(workspace, month)
    reviews = landed_reviews(workspace, rulebook.pack.scheme.scheme_year, month)
    paying, _ = worksheets_paying(workspace, rulebook, month)
    _refuse_other_adjustments(reviews, [supplied(workspace, sheet) for sheet in paying])
    rows = review_rows(reviews, month)
    return write_statement(
        workspace,
        FIXED_ELEMENT_REVIEW_STATEMENT,
        month,
        nw.from_native(rows.lazy()),
        FIXED_ELEMENT_REVIEW,
    )


def _refuse_other_adjustments(
    reviews: Sequence[FixedReview], sheets: Sequence[FixedWorksheet]
) -> None:
    """Raises `UserError` for each review whose adjustment is not that of the contract's worksheet.

    With the adjustment go pricing changes, which may be an item apart (2026/27 ¶61).
    """
    by_pair = {(one.file.provider_code, one.file.commissioner_code): one for one in sheets}
    faults = []
    for one in reviews:
        contract = one.review.contract
        sheet = by_pair.get((contract.provider_code, contract.commissioner_code))
        if sheet is None:
            continue
        lines, entered = _reviewed_lines(sheet)
        agreed = one.review.amount(IN_WORKSHEET) or 0
        if entered != agreed:
            faults.append(
                f"{one.file} adjusts {pounds(agreed)} in {contract.scheme_year}, and {lines} of "
                f"{sheet.file.name} comes to {pounds(entered)}"
            )
    if faults:
        raise UserError(
            f"A review's adjustment is what the worksheet has of it:\n{listed(faults)}\n"
            "Enter what was agreed in both."
        )


def _reviewed_lines(sheet: FixedWorksheet) -> tuple[str, int]:
    """The items of a worksheet that a review adjusts, by name, and what they come to."""
    items = {row.item for row in sheet.rows if row.is_reviewed}
    lines = [line for line in sheet.worked_out().lines if line.item in items]
    names = " and ".join(f"[{line.item}]" for line in lines)
    return names, sum(line.amount_pence for line in lines)


def _review(workspace: Workspace, file: ContractFile, organisations: Organisations) -> FixedReview:
    section = file.root.section(REVIEW)
    if section is None:
        file.root.need(REVIEW)
        file.refuse_faults()
    assert section is not None, "refused above"
    is_headed, about = not file.faults, file.root.text("about")
    read, unread = _read(file, section)
    if not is_headed:
        file.refuse_faults()
    first_day = date.fromisoformat(f"{first_month_of(file.scheme_year)}-01")
    scheme = _scheme(workspace, first_day)
    pair = ContractPair(workspace, file, organisations, scheme, workspace.basis.as_of)
    notes = tuple(pair.refuse_without_fixed_element(months_of(file.scheme_year)))
    services, activity_year = read.pop("services"), read.pop("activity_year")
    parties, activity = (file.provider_code, file.commissioner_code), None
    if activity_year and not file.faults:
        activity = activity_of_year(workspace, *parties, activity_year, file.scheme_year)
    elif any(said.is_from_activity for said in services):
        unread.add("activity_value_pence")
    contract = ReviewedContract(
        scheme_year=file.scheme_year,
        provider_code=file.provider_code,
        commissioner_code=file.commissioner_code,
        commissioner_kind=_kind(organisations, file),
        services=tuple(_supplied(section, services, activity)),
        **read,
    )
    for fault in faults(contract, scheme, unread):
        _note(section, fault)
    file.refuse_faults()
    return FixedReview(
        file.name,
        file.sha256,
        about,
        notes,
        reviewed(contract, scheme),
        scheme.fixed_element.review_limit_ppm,
        activity,
    )


def _read(file: ContractFile, section: Section) -> tuple[dict[str, Any], set[str]]:
    """What the section says, by field of the contract, and the fields that could not be read."""
    read, unread = dict[str, Any](), set[str]()
    may = {"may_be_negative": True}
    readers: Mapping[str, Callable[[], Any]] = {
        "services": lambda: _services(section),
        "activity_year": lambda: _activity_year(section, read["services"]),
        "has_acute_services": lambda: _has_acute_services(section),
        "contract_value_pence": lambda: _needed_pounds(section, "contract_value"),
        "agreed_difference_pence": lambda: _needed_pounds(section, "agreed_difference", **may),
        "pricing_changes_pence": lambda: _needed_pounds(section, "pricing_changes", **may),
        "deficit_reduction": lambda: _deficit_reduction(section),
        "plan": lambda: tuple(_change(one) for one in section.sections("plan")),
    }
    for field, reader in readers.items():
        before = len(file.faults)
        read[field] = reader()
        if len(file.faults) > before:
            unread.add(field)
    section.refuse_others()
    return read, unread


def _services(section: Section) -> list[_Said]:
    services = [_service(one) for one in section.sections("service")]
    if not services:
        section.fault("service", "is missing: list each service that the contract funds")
    _refuse_repeated(services)
    return services


def _activity_year(section: Section, services: Sequence[_Said]) -> str | None:
    """The year whose activity values services; None where none is valued so."""
    if any(said.is_from_activity for said in services):
        section.need("activity_year")
    elif "activity_year" in section:
        section.fault("activity_year", f"is for services with {FROM_ACTIVITY}, and there is none")
    return section.scheme_year("activity_year")


def _has_acute_services(section: Section) -> bool:
    section.need("has_acute_services")
    return section.flag("has_acute_services") or False


def _needed_pounds(section: Section, key: str, *, may_be_negative: bool = False) -> int:
    section.need(key)
    return section.pounds(key, may_be_negative=may_be_negative) or 0


def _deficit_reduction(section: Section) -> DeficitReduction | None:
    """What the trust is expected to deliver; None where it says that this is nothing."""
    section.need("deficit_reduction")
    said = section.section("deficit_reduction")
    if said is None or not said.need("whole_trust"):
        return None
    trust = said.pounds("whole_trust")
    beside = ("nhs_contract_income", "this_contract")
    if trust != 0:
        said.need(*beside)
    income, own = (said.pounds(key) for key in beside)
    for key, amount in zip(beside, (income, own), strict=True):
        if trust == 0 and amount:
            says = f"is {pounds(amount)} where whole_trust is 0: leave it out, or say both"
            said.fault(key, says)
    said.refuse_others()
    return DeficitReduction(trust, income or 0, own or 0) if trust else None


def _change(section: Section) -> PlannedChange:
    section.need("scheme_year", "amount", "what_changes")
    change = PlannedChange(
        section.scheme_year("scheme_year") or "",
        section.pounds("amount", may_be_negative=True) or 0,
        section.text("what_changes") or "",
        section.text("exceptional_reason"),
    )
    section.refuse_others()
    return change


def _service(section: Section) -> _Said:
    """A service, valued from the lake, as the file says, or not by activity: by one of them."""
    section.need("service", "funding")
    name, funding = section.text("service"), section.pounds("funding")
    points = section.texts(FROM_ACTIVITY)
    value, valued_by = section.pounds("activity_value"), section.text("valued_by")
    is_apart, covers = section.flag(NOT_BY_ACTIVITY), section.texts(_COVERS)
    ways = [key for key in (FROM_ACTIVITY, "activity_value", NOT_BY_ACTIVITY) if key in section]
    if len(ways) != 1:
        both = f"has {' and '.join(ways)}" if ways else "is not valued"
        section.fault("", f"{both}: give one of {FROM_ACTIVITY}, activity_value, {NOT_BY_ACTIVITY}")
    if "activity_value" in section and valued_by not in (PRICE, COST):
        section.fault("valued_by", f"must say whether activity_value is {PRICE} or {COST}")
    if "activity_value" not in section and "valued_by" in section:
        section.fault("valued_by", "is of activity_value, which is not given: leave it out")
    if is_apart is False:
        section.fault(NOT_BY_ACTIVITY, "is false: say how it is valued instead")
    if FROM_ACTIVITY in section and _COVERS in section:
        section.fault(_COVERS, f"is for a service without {FROM_ACTIVITY}: name them there")
    section.refuse_others()
    by = NOT_BY_ACTIVITY if is_apart else valued_by or PRICE
    service = Service(name or "", funding or 0, by, value)
    return _Said(section, service, points or covers or (), FROM_ACTIVITY in section)


def _refuse_repeated(services: list[_Said]) -> None:
    """Notes a service, and a point of delivery, that an earlier service has already."""
    names: dict[str, int] = {}
    points: dict[str, int] = {}
    for number, said in enumerate(services, 1):
        name = said.service.service
        if name and names.setdefault(name, number) != number:
            said.section.fault("service", f"is '{name}', as service {names[name]} is")
        for point in said.points_of_delivery:
            if points.setdefault(point, number) != number:
                key = FROM_ACTIVITY if said.is_from_activity else _COVERS
                said.section.fault(key, f"has {point}, which service {points[point]} has too")


def _supplied(
    section: Section, services: list[_Said], activity: ActivityOfYear | None
) -> Iterator[Service]:
    """The services, with what the lake supplies; notes points of delivery without a service."""
    if activity is None:
        yield from (said.service for said in services)
        return
    by_point = {
        row["point_of_delivery_code"]: row
        for row in activity.lines.group_by("point_of_delivery_code")
        .agg(pl.sum("activity", "lines_without_price", "value_pence"))
        .iter_rows(named=True)
    }
    year, named = activity.activity_year, set()
    for said in services:
        named |= set(said.points_of_delivery)
        if not said.is_from_activity:
            yield said.service
            continue
        for point in said.points_of_delivery:
            if point not in by_point:
                has = ", ".join(sorted(by_point))
                says = f"has {point}, of which the contract has nothing in {year}: it has {has}"
                said.section.fault(FROM_ACTIVITY, says)
        rows = [by_point[point] for point in said.points_of_delivery if point in by_point]
        lines, unpriced, worth = (
            sum(row[name] for row in rows)
            for name in ("activity", "lines_without_price", "value_pence")
        )
        if rows and lines == unpriced:
            says = (
                f"has {lines:,} lines in {year}, none of which has a unit price: value it otherwise"
            )
            said.section.fault(FROM_ACTIVITY, says)
        yield replace(
            said.service,
            activity_value_pence=worth,
            activity=lines,
            lines_without_price=unpriced,
        )
    for point in sorted(set(by_point) - named):
        row = by_point[point]
        section.fault(
            "service",
            f"leaves out {point}, of which there are {row['activity']:,} lines in {year} worth "
            f"{pounds(row['value_pence'])}: name it under {FROM_ACTIVITY}, or under {_COVERS} of "
            "the service that holds it",
        )


def _note(section: Section, fault: Fault) -> None:
    """Notes what a rule finds, under the table and entry it is of."""
    place = f"{fault.table} {fault.number}".removesuffix(" 0").strip()
    section.fault(f"{place} {fault.key}".strip(), fault.says)


def _scheme(workspace: Workspace, first_day: date) -> Scheme:
    scheme = scheme_for(workspace, first_day).scheme
    for path in ("fixed_element.review_limit_ppm", "fixed_element.review_limit_commissioner_kinds"):
        if not scheme.gives(path):
            why = scheme.absent[path]
            raise UserError(f"Contracts of {scheme.scheme_year} cannot be reviewed: {why}")
    return scheme


def _kind(organisations: Organisations, file: ContractFile) -> str:
    """The kind of the payer, on a day of the scheme year on which it stands for itself."""
    months = months_of(file.scheme_year)
    days = [date.fromisoformat(f"{month}-01") for month in months]
    code = file.commissioner_code
    parties = [organisations.parties(COMMISSIONERS, [code], day)[code] for day in days]
    return next(party.kind for party in parties if party and party.code == code)


def review_rows(reviews: list[FixedReview], activity_month: str) -> pl.DataFrame:
    """Rows of the mart: `schemas.contract_statements.FIXED_ELEMENT_REVIEW`, in its columns."""
    paragraphs = {row["reason_code"]: row["citation"] for row in reasons()}
    schema = {field.name: _TYPES[field.type] for field in FIXED_ELEMENT_REVIEW}
    rows = [
        {
            "activity_month": activity_month,
            "scheme_year": one.review.contract.scheme_year,
            "provider_code": one.review.contract.provider_code,
            "commissioner_code": one.review.contract.commissioner_code,
            **row,
            "paragraph": paragraphs[row["reason_code"]],
        }
        for one in reviews
        for row in _rows(one.review)
    ]
    keys = ["provider_code", "commissioner_code", "scheme_year", "part", "place"]
    return pl.DataFrame(rows, schema=schema, orient="row").sort(keys)


def _rows(review: Review) -> Iterator[Mapping[str, Any]]:
    for place, service in enumerate(review.contract.services, 1):
        yield {
            "part": "service",
            "place": place,
            "item": service.service,
            "valued_by": service.valued_by,
            "funding_pence": service.funding_pence,
            "activity": service.activity,
            "activity_value_pence": service.activity_value_pence,
            "lines_without_price": service.lines_without_price,
            "amount_pence": service.difference_pence,
            "reason_code": str(service.reason_code),
        }
    for place, step in enumerate(review.steps, 1):
        yield {
            "part": "step",
            "place": place,
            "item": step.step,
            "amount_pence": step.amount_pence,
            "bound_pence": step.bound_pence,
            "reason_code": str(step.reason_code),
        }
    for place, year in enumerate(review.years, 1):
        why = year.change.exceptional_reason
        yield {
            "part": "year",
            "place": place,
            "item": year.change.scheme_year,
            "amount_pence": year.change.amount_pence,
            "left_pence": year.left_pence,
            "is_exceptional": year.is_exceptional,
            "says": f"{year.change.what_changes} Exceptional: {why}"
            if why
            else year.change.what_changes,
            "reason_code": str(year.reason_code),
        }
