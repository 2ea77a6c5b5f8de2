"""The tables of a scheme pack: rules and recipes as rows, each with its paragraph.

Belongs here: what a row of each table may say, and reading a table whole. Does not belong here:
single values and how they are dated (`pricing.scheme`), the rows themselves (`data/schemes/`), or
what follows from them (the module of their subject).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from schemas.priced_line import PAYMENT_MECHANISMS


class SchemePackError(ValueError):
    """A scheme pack that cannot be used; `faults` lists everything wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A row of a decision table: it decides where all of `when` hold and no row above did."""

    rule: str
    when: tuple[str, ...]
    pays: str
    citation: str

    @property
    def condition(self) -> str:
        """What must hold, in words.

        >>> DecisionRow("blended", ("is_nhs_provider", "has_unit_price"), "", "").condition
        'NHS provider, has unit price'
        """
        words = [fact.removeprefix("is_").replace("_", " ") for fact in self.when]
        return ", ".join(words).replace("nhs", "NHS").replace("api", "API") or "otherwise"


@dataclass(frozen=True, slots=True)
class ContractLine:
    """What a contract plans, counts and pays for as one, and how it pays.

    `rate` is the path of the rate, None where the parties agree on it; `of` names the line of
    whose fixed payment an incentive is a share.
    """

    line: str
    section: str
    source: str
    pays: str
    rate: str | None
    of: str | None
    citation: str


@dataclass(frozen=True, slots=True)
class SchedulePart:
    """A part of the LVA block values of a year, and how it is made.

    From `activity` of the reference years at the prices of another, from `finance_payments` of the
    reference years, from what `takes` names of the `last_schedule`, or as `given`. What is made
    is uplifted by the factors of `uplift_years`, in order. `is_delegated` services are those that
    NHS England delegated to ICBs, some of them newly.
    """

    part: str
    source: str
    reference_years: tuple[str, ...]
    price_year: str | None
    of_schedule: str | None
    takes: str | None
    uplift_years: tuple[str, ...]
    adds_newly_delegated: bool
    is_delegated: bool
    citation: str

    @property
    def made_from(self) -> str:
        """What it is made from, in words."""
        years = ", ".join(self.reference_years)
        newly = ", newly delegated added" if self.adds_newly_delegated else ""
        if self.source == LAST_SCHEDULE:
            takes = "" if self.takes == self.part else f"{self.takes} of the "
            return f"{takes}schedule of {self.of_schedule}{newly}"
        if self.source == GIVEN:
            return f"as given{newly}"
        payments = "finance payments of " if self.source == FINANCE_PAYMENTS else ""
        at = f" at {self.price_year} prices" if self.price_year else ""
        return f"average of {payments}{years}{at}{newly}"


@dataclass(frozen=True, slots=True)
class WorksheetPart:
    """An amount that an item is made of: added, taken off, or either, as its own sign says."""

    name: str
    sign: str
    is_optional: bool


@dataclass(frozen=True, slots=True)
class WorksheetItem:
    """An item of the fixed element's worksheet: one line, and the shape of its formula.

    `starts_from` is the approach to the baseline that the item is of; `of` what a share is taken
    of; `rates` are paths of the pack; `year` is that of the figures of an opening baseline, None
    where no document says; where `unless` holds nothing is added; `payers` is the path of the
    kinds of payer that the item is of, None where it is of all; `is_reviewed` says that a yearly
    review's adjustment is entered in it.
    """

    starts_from: str
    item: str
    shape: str
    sign: str
    of: str | None
    parts: tuple[WorksheetPart, ...]
    rates: tuple[str, ...]
    year: str | None
    unless: str | None
    payers: str | None
    is_optional: bool
    is_reviewed: bool
    citation: str


MECHANISM_RULES = (
    "private_patient",
    "not_nhs_funded",
    "overseas_visitor",
    "low_volume_block",
    "hrg_retired",
    "excluded_item",
    "mechanism_agreed",
    "increasing_capacity_framework",
    "subcontracted",
    "contract_not_known",
    "below_contract_threshold",
    "outside_api",
    "small_armed_forces_contract",
    "within_core_price",
    "unbundled_service",
    "locally_agreed_service",
    "advice_and_guidance",
    "elective_activity",
    "blended_activity",
    "fixed_element",
    "unit_price",
    "no_unit_price",
)
"""Every rule that a decision table of payment mechanisms may have; reasons go by them."""
MECHANISM_FACTS = (
    "is_private_patient",
    "is_not_nhs_funded",
    "is_chargeable_overseas_visitor",
    "is_covered_by_block",
    "is_hrg_retired",
    "is_excluded_item",
    "is_mechanism_agreed",
    "is_under_framework",
    "is_subcontracted",
    "is_contract_not_known",
    "is_below_contract_threshold",
    "is_outside_api",
    "is_small_armed_forces_contract",
    "is_within_core_price",
    "is_unbundled",
    "is_locally_agreed_service",
    "is_advice_and_guidance",
    "is_nhs_provider",
    "is_elective_activity",
    "is_blended_activity",
    "has_unit_price",
)
"""What the rows of a decision table of payment mechanisms may ask of a line."""
AS_AGREED = "as_agreed"
BY_SERVICE = "by_service"
LINES, BEST_PRACTICE, COUNTS, TERMS = "lines", "best_practice", "counts", "terms"
EACH_UNIT, DIFFERENCE, AMOUNT_EACH = "each_unit", "difference_from_plan", "agreed_amount_each"
SHORTFALL, NO_ADJUSTMENT, WITHHELD, ADDITION = "shortfall", "no_adjustment", "withheld", "addition"
SHAPES = {
    EACH_UNIT: (LINES, COUNTS),
    DIFFERENCE: (LINES, BEST_PRACTICE, COUNTS),
    AMOUNT_EACH: (COUNTS,),
    SHORTFALL: (TERMS,),
    NO_ADJUSTMENT: (TERMS,),
    WITHHELD: (TERMS,),
    ADDITION: (BEST_PRACTICE,),
}
"""How a contract line may pay, and where the activity may come from that it pays for: priced
lines, what best practice adds to them, counts that the user gives, or the contract's terms."""
CONTRACT_SECTIONS = {"variable_element": "api_variable", "blended": "api_blended"}
"""The payment mechanism whose lines a section of a contract's statement is made of."""
CQUIN = "cquin"
_NEEDS_RATE = (EACH_UNIT, ADDITION)
ACTIVITY, FINANCE_PAYMENTS, LAST_SCHEDULE, GIVEN = (
    *("activity", "finance_payments"),
    *("last_schedule", "given"),
)
CORE, ACUTE = "acute_mental_health_and_community", "acute"
MENTAL_HEALTH_AND_COMMUNITY = "mental_health_and_community"
SECONDARY_DENTAL, SPECIALISED = "secondary_dental", "specialised"
SCHEDULE_PARTS = (CORE, ACUTE, MENTAL_HEALTH_AND_COMMUNITY, SECONDARY_DENTAL, SPECIALISED)
"""What a block value may be made of; the first is the two next together."""
WHOLE = "all"
_YEARS_OF = ("reference_years", "price_year", "of_schedule", "uplift_years")
_NEEDED_OF_SOURCE = {
    ACTIVITY: ("reference_years", "price_year"),
    FINANCE_PAYMENTS: ("reference_years",),
    LAST_SCHEDULE: ("of_schedule", "takes"),
    GIVEN: (),
}
"""What a part of a schedule must say, by where it is from; it may say no other of these."""
_SCHEME_YEAR = re.compile(r"20\d\d-\d\d")
ADDED, TAKEN_OFF, EITHER = "+", "-", "±"
SIGNS = (ADDED, TAKEN_OFF, EITHER)
OPENING, RUNNING, STATED = "opening_baseline", "running_total", "stated"
SHARE_BASES = (OPENING, RUNNING, STATED)
"""What a share may be of: the first line, all lines above, or an amount that is stated."""
PARTS, AGREED_PARTS, SHARE = "parts", "agreed_parts", "share"
NET_UPLIFT, FACTOR_CHANGE = "net_uplift", "factor_change"
UNITS, CHANGE_IN_UNITS = "units", "change_in_units"
ACHIEVEMENT, NET_GROWTH = "achievement", "net_growth"
UNRECOVERED, NETWORK, PART_YEAR = "unrecovered_charges", "network_contributions", "part_year"
WORKSHEET_SHAPES = {
    PARTS: ("parts",),
    AGREED_PARTS: (),
    SHARE: ("of",),
    NET_UPLIFT: ("of", "rates"),
    FACTOR_CHANGE: ("of",),
    UNITS: (),
    CHANGE_IN_UNITS: (),
    ACHIEVEMENT: (),
    NET_GROWTH: (),
    UNRECOVERED: (),
    NETWORK: (),
    PART_YEAR: (),
}
"""How an item of the worksheet may come about, and what its row must say for that."""
_RATES_OF = {SHARE: (0, 1), NET_UPLIFT: (2, 4)}
_PART = re.compile(r"([+±-])([a-z0-9_]+)(\??)")


def _decision_table(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> tuple[DecisionRow, ...]:
    """The rows of a decision table, in order; the last must decide what no other did."""
    rows, faults = [], []
    for where, row, citation in _cited_rows(path, version, documents, ("rule", "when", "pays")):
        if row["rule"] not in MECHANISM_RULES:
            faults.append(f"{where} has no rule that is known: '{row['rule']}'")
        if row["pays"] not in (*PAYMENT_MECHANISMS, AS_AGREED, BY_SERVICE):
            faults.append(f"{where} pays by '{row['pays']}', which is no mechanism")
        faults += [
            f"{where} asks '{fact}', which is not known of a line"
            for fact in row["when"]
            if fact.removeprefix("not ") not in MECHANISM_FACTS
        ]
        rows.append(DecisionRow(row["rule"], tuple(row["when"]), row["pays"], citation))
    rules = [row.rule for row in rows]
    if not faults and len(set(rules)) < len(rules):
        faults.append(f"'{path}' has a rule twice")
    if not faults and (not rows or rows[-1].when or any(not row.when for row in rows[:-1])):
        faults.append(f"the last row of '{path}', and no other, must hold for every line")
    if faults:
        raise SchemePackError(faults)
    return tuple(rows)


def _contract_lines(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> tuple[ContractLine, ...]:
    """The rows of a table of contract lines, each a line of its own."""
    rows, faults = [], []
    needed = ("line", "section", "from", "pays")
    for where, row, citation in _cited_rows(path, version, documents, needed):
        made = ContractLine(
            line=row["line"],
            section=row["section"],
            source=row["from"],
            pays=row["pays"],
            rate=row.get("rate"),
            of=row.get("of"),
            citation=citation,
        )
        faults += [f"{where} {fault}" for fault in _faults_of_contract_line(made, row)]
        rows.append(made)
    for section in CONTRACT_SECTIONS:
        own = [row for row in rows if row.section == section]
        if sum(row.source == BEST_PRACTICE for row in own) > 1:
            faults.append(f"'{path}' has best practice of '{section}' twice")
        planned = {row.line for row in own if row.pays == DIFFERENCE}
        faults += [
            f"'{path}' has '{row.line}' of '{row.of}', which is no line of '{section}' with a plan"
            for row in own
            if row.pays == WITHHELD and row.of not in planned
        ]
    if len({row.line for row in rows}) < len(rows):
        faults.append(f"'{path}' has a line twice")
    if faults:
        raise SchemePackError(faults)
    return tuple(rows)


def _faults_of_contract_line(row: ContractLine, given: Mapping[str, Any]) -> Iterator[str]:
    known = ("line", "section", "from", "pays", "rate", "of", "paragraph", "document", "basis")
    for key in given:
        if key not in (*known, "reported_in"):
            yield f"has a '{key}', which no row has"
    if row.section not in CONTRACT_SECTIONS:
        yield f"is of '{row.section}', not of {' or '.join(CONTRACT_SECTIONS)}"
    if row.pays not in SHAPES:
        yield f"pays by '{row.pays}', not by one of {', '.join(SHAPES)}"
    elif row.source not in SHAPES[row.pays]:
        yield f"pays by '{row.pays}' from '{row.source}', not from {' or '.join(SHAPES[row.pays])}"
    if row.rate is None and row.pays in _NEEDS_RATE:
        yield f"pays by '{row.pays}' and has no 'rate'"


def _schedule(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> tuple[SchedulePart, ...]:
    """The parts of a schedule, each once, with years that can be followed in order."""
    rows, faults = [], []
    for where, row, citation in _cited_rows(path, version, documents, ("part", "from")):
        found = [f"{where} {fault}" for fault in _faults_of_schedule_part(row)]
        faults += found
        if not found:
            rows.append(
                SchedulePart(
                    part=row["part"],
                    source=row["from"],
                    reference_years=tuple(row.get("reference_years", ())),
                    price_year=row.get("price_year"),
                    of_schedule=row.get("of_schedule"),
                    takes=row.get("takes"),
                    uplift_years=tuple(row.get("uplift_years", ())),
                    adds_newly_delegated=row.get("adds_newly_delegated", False),
                    is_delegated=row.get("is_delegated", False),
                    citation=citation,
                )
            )
    parts = [row.part for row in rows]
    if len(set(parts)) < len(parts):
        faults.append(f"'{path}' has a part twice")
    if CORE in parts and {ACUTE, MENTAL_HEALTH_AND_COMMUNITY} & set(parts):
        faults.append(f"'{path}' has '{CORE}' and a part of it beside it")
    if len({row.price_year for row in rows if row.source == ACTIVITY}) > 1:
        faults.append(f"'{path}' prices activity under two years")
    if len({row.of_schedule for row in rows if row.source == LAST_SCHEDULE}) > 1:
        faults.append(f"'{path}' rolls two schedules forward")
    if faults:
        raise SchemePackError(faults)
    return tuple(rows)


def _worksheet(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> tuple[WorksheetItem, ...]:
    """The rows of the worksheet, in order; those of each approach begin with its baseline."""
    rows, faults = [], []
    for where, row, citation in _cited_rows(path, version, documents, ("from", "item", "is")):
        faults += [f"{where} {fault}" for fault in _faults_of_worksheet_item(row)]
        if faults:
            continue
        found = (_PART.fullmatch(part) for part in row.get("parts", ()))
        parts = (WorksheetPart(one[2], one[1], bool(one[3])) for one in found if one)
        rows.append(
            WorksheetItem(
                starts_from=row["from"],
                item=row["item"],
                shape=row["is"],
                sign=row.get("sign", EITHER),
                of=row.get("of"),
                parts=tuple(parts),
                rates=tuple(row.get("rates", ())),
                year=row.get("year"),
                unless=row.get("unless"),
                payers=row.get("payers"),
                is_optional=row.get("optional", False),
                is_reviewed=row.get("reviewed", False),
                citation=citation,
            )
        )
    for starts_from in dict.fromkeys(row.starts_from for row in rows):
        own = [row for row in rows if row.starts_from == starts_from]
        if len({row.item for row in own}) < len(own):
            faults.append(f"'{path}' has an item twice from '{starts_from}'")
        if own[0].shape not in (PARTS, AGREED_PARTS) or own[0].is_optional:
            faults.append(f"'{path}' does not begin '{starts_from}' with parts that must be given")
        if any(row.shape == PART_YEAR for row in own[:-1]):
            faults.append(f"'{path}' has a part of a year before the last item of '{starts_from}'")
    if faults:
        raise SchemePackError(faults)
    return tuple(rows)


def _faults_of_schedule_part(row: Mapping[str, Any]) -> Iterator[str]:
    of_sources = {key for keys in _NEEDED_OF_SOURCE.values() for key in keys}
    may = (*of_sources, "uplift_years", "adds_newly_delegated", "is_delegated")
    for key in row:
        if key not in (*may, "part", "from", "paragraph", "document", "basis", "reported_in"):
            yield f"has a '{key}', which no row has"
    if row["part"] not in SCHEDULE_PARTS:
        yield f"is of '{row['part']}', not of one of {', '.join(SCHEDULE_PARTS)}"
    if row["from"] not in _NEEDED_OF_SOURCE:
        yield f"is from '{row['from']}', not from one of {', '.join(_NEEDED_OF_SOURCE)}"
        return
    needed = _NEEDED_OF_SOURCE[row["from"]]
    for key in sorted(of_sources):
        if key in needed and not row.get(key):
            yield f"is from '{row['from']}' and has no '{key}'"
        if key in row and key not in needed:
            yield f"is from '{row['from']}' and has a '{key}'"
    if row.get("takes", WHOLE) not in (*SCHEDULE_PARTS, WHOLE):
        yield f"takes '{row['takes']}', which no schedule has"
    for key in ("adds_newly_delegated", "is_delegated"):
        if type(row.get(key, False)) is not bool:
            yield f"must say true or false as '{key}', not {row[key]!r}"
    yield from _faults_of_years(row)


def _faults_of_years(row: Mapping[str, Any]) -> Iterator[str]:
    """Years that are none, or that are not in order: uplifts follow what they are applied to."""
    years = {
        key: [row[key]] if isinstance(row[key], str) else row[key]
        for key in _YEARS_OF
        if key in row
    }
    faults = [
        f"must give a year such as 2025-26 as '{key}', not '{year}'"
        for key, of_key in years.items()
        for year in of_key
        if not _SCHEME_YEAR.fullmatch(str(year))
    ]
    if faults:
        yield from faults
        return
    for key, of_key in years.items():
        if any(later <= earlier for earlier, later in pairwise(of_key)):
            yield f"has years out of order as '{key}': {', '.join(of_key)}"
    base = (years.get("price_year") or years.get("of_schedule") or [""])[0]
    first = min(years.get("uplift_years", ()), default=None)
    if first is not None and first <= base:
        yield f"is uplifted by {first}, which is not after {base}, whose prices it has"


def _faults_of_worksheet_item(row: Mapping[str, Any]) -> Iterator[str]:
    known = (
        *("from", "item", "is", "sign", "of", "parts", "rates", "year", "unless", "payers"),
        *("optional", "reviewed", "paragraph", "document", "basis", "reported_in"),
    )
    for key in row:
        if key not in known:
            yield f"has a '{key}', which no row has"
    if row["is"] not in WORKSHEET_SHAPES:
        yield f"is '{row['is']}', not one of {', '.join(WORKSHEET_SHAPES)}"
        return
    for key in WORKSHEET_SHAPES[row["is"]]:
        if key not in row:
            yield f"is '{row['is']}' and has no '{key}'"
    if row.get("of", OPENING) not in SHARE_BASES:
        yield f"is of '{row['of']}', not of {', '.join(SHARE_BASES)}"
    if row.get("sign", EITHER) not in SIGNS:
        yield f"has the sign '{row['sign']}', not one of {' '.join(SIGNS)}"
    if "unless" in row and row["is"] != SHARE:
        yield f"is '{row['is']}' and has an 'unless', which a share alone has"
    parts = row.get("parts", [])
    for part in parts:
        if not _PART.fullmatch(part):
            yield f"has a part '{part}', which must be such as +fixed_payment or ±other_items?"
    names = [part.strip("".join((*SIGNS, "?"))) for part in parts]
    if len(set(names)) < len(names):
        yield "has a part twice"
    wanted = _RATES_OF.get(row["is"], (0,))
    if len(row.get("rates", ())) not in wanted:
        yield f"is '{row['is']}' and must have {' or '.join(map(str, wanted))} rates"


def _cited_rows(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any], needed: tuple[str, ...]
) -> list[tuple[str, Mapping[str, Any], str]]:
    """Each row of a table with its place in words and its citation.

    A row may cite a document of its own, and have a basis of its own.
    """
    rows, faults = [], []
    given = version["value"]
    if not isinstance(given, list) or not all(isinstance(row, Mapping) for row in given):
        raise SchemePackError([f"'{path}' must be a list of rows"])
    for number, row in enumerate(given, 1):
        where = f"row {number} of '{path}'"
        missing = [key for key in (*needed, "paragraph") if key not in row]
        if missing:
            faults.append(f"{where} has no '{missing[0]}'")
            continue
        of_table = ("basis",) if "document" in row else ("basis", "document", "reported_in")
        cited = {**{key: version[key] for key in of_table if key in version}, **row}
        if cited["document"] not in documents:
            faults.append(f"{where} cites '{cited['document']}', which is not under [documents]")
            continue
        rows.append((where, row, citation(cited, documents)))
    if faults:
        raise SchemePackError(faults)
    return rows


TABLES: Mapping[Any, Callable[..., tuple[Any, ...]]] = {
    tuple[DecisionRow, ...]: _decision_table,
    tuple[ContractLine, ...]: _contract_lines,
    tuple[SchedulePart, ...]: _schedule,
    tuple[WorksheetItem, ...]: _worksheet,
}
"""How a parameter that is a table of rows is read, by its type."""


def citation(version: Mapping[str, Any], documents: Mapping[str, Any]) -> str:
    """Such as `2023/25 ¶39-40, ¶42`; with `reported_in`, the document that tells of another."""

    def titled(key: str) -> str:
        document = documents[version[key]]
        return str(document.get("short_title", document["title"]))

    places = [
        f"¶{place}" if place[:1].isdigit() else place
        for place in str(version.get("paragraph", "")).split(", ")
        if place
    ]
    origin = f"{titled('document')}, by " if "reported_in" in version else ""
    telling = titled("reported_in" if "reported_in" in version else "document")
    assumed = "assumed: " if version["basis"] == "assumed" else ""
    return f"{assumed}{origin}{telling} {', '.join(places)}".strip()
