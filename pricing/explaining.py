"""Explaining a priced line: how its amounts came about, worked out again from the row itself.

Belongs here: the steps of one stored line in words, with their numbers and citations, whether
its amounts are what its own parts give, and what each other mechanism would have paid. Takes
the row and the scheme, and nothing else. Does not belong here: pricing, since what the row
says of the record (its HRG, price, factor, mechanism) is taken as it stands; or what
surrounds a line: the record, the price book, the lists, the run (`pipelines.explaining`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from pricing import ebi, point_of_delivery, unbundled, unit_price
from pricing.contracts import AGREED_MECHANISMS
from pricing.local_prices import LOCAL
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME
from pricing.mechanism import (
    ACTIVITY_BASED,
    API_BLENDED,
    API_FIXED,
    API_VARIABLE,
    EXCLUDED_ITEM,
    LOCAL_AGREEMENT,
)
from pricing.mff import local_price_mechanisms
from pricing.money import PPM, times_ppm
from pricing.overseas_visitors import CHARGED_TO_PATIENT
from pricing.payable import PAID_FOR_ACTIVITY
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme
from pricing.scheme_tables import AS_AGREED, BY_SERVICE, DecisionRow
from schemas.priced_line import PAYMENT_MECHANISMS

Line = Mapping[str, Any]

PRICE, VALUE, MECHANISM, PAYABLE = SECTIONS = ("price", "value", "mechanism", "payable")
"""What the steps of a line are about, in order."""

MECHANISMS = {
    API_VARIABLE: "the API variable element pays for each unit of elective activity",
    API_FIXED: "the API fixed element pays; nothing is payable for the line itself",
    API_BLENDED: "the blended payment of the contract pays, by its plan",
    LVA_BLOCK: "the LVA block of the pair pays; nothing is payable for the line itself",
    ACTIVITY_BASED: "the unit price is paid for each unit of activity",
    LOCAL_AGREEMENT: "what is payable is agreed locally",
    EXCLUDED_ITEM: "an excluded item, paid for from the list of such items",
    CHARGED_TO_PATIENT: "the patient is charged; nothing is payable for the line itself",
    OUTSIDE_SCHEME: "not paid for under the scheme",
}
"""Every payment mechanism in words."""

SOURCES = {
    "combined": "the combined day case and ordinary elective price",
    "day_case": "the day case price",
    "ordinary_elective": "the ordinary elective price",
    "non_elective": "the non-elective price",
    "short_stay_emergency": "the reduced short stay emergency price",
    unit_price.PROCEDURE: "the outpatient procedure price",
    unit_price.ATTENDANCE: "the outpatient attendance price of the treatment function",
    unit_price.NOT_ATTENDED: "not attended, so it is worth nothing",
    unit_price.ADMINISTRATIVE_EVENT: "an administrative event, which is worth nothing",
    unit_price.UNBUNDLED: "the price of the unbundled HRG",
    unit_price.WITHIN_CORE_PRICE: "the price of the core HRG holds it",
    LOCAL: "the price that the parties agreed, from the list of local prices",
    unit_price.NONE: "none is published for it, or none applies",
}
"""Every price source in words."""

_NOT_RULED = ("overseas_visitor", "hrg_retired")
_OWN_RULE = {
    API_FIXED: "fixed_element",
    LVA_BLOCK: "low_volume_block",
    ACTIVITY_BASED: "unit_price",
    LOCAL_AGREEMENT: "no_unit_price",
    API_VARIABLE: "elective_activity",
    CHARGED_TO_PATIENT: "overseas_visitor",
    OUTSIDE_SCHEME: "private_patient",
}
_ADDED = {
    "best_practice_pence": "best practice",
    "long_stay_pence": "long stay",
    "top_up_pence": "top-up",
}
_RATES = {
    "charge_ppm": "without a settled status",
    "settled_status_charge_ppm": "with one",
}
_NO_PRICE = "there is no price: to be agreed by the parties"
_BLENDED_BEST_PRACTICE = "best_practice_tariffs.blended_difference_rate_ppm"

LOCAL_PRICES, PRIOR_APPROVALS = "the list of local prices", "the list of prior approvals"
"""What citations call the users' lists that a price or an approval is from."""

_ASKED_OF_LISTS: dict[str, dict[str, set[str]]] = {
    "overseas_visitors": {"charging_status": {"is_chargeable_overseas_visitor"}},
    "lva_exception_days": {"exception": {"is_covered_by_block"}},
    "contracts": {
        "covers": {
            "is_under_framework",
            "is_subcontracted",
            "is_contract_not_known",
            "is_below_contract_threshold",
            "is_outside_api",
            "is_small_armed_forces_contract",
            "is_advice_and_guidance",
        },
        "agreed_mechanism": {"is_mechanism_agreed"},
        "is_same_system": {"is_contract_not_known", "is_below_contract_threshold"},
        "expected_annual_value_pence": {
            "is_contract_not_known",
            "is_below_contract_threshold",
            "is_small_armed_forces_contract",
        },
    },
}
"""By list and column, the facts of the decision table that are worked out from it."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a number was published: a value of one of the tables of `pricing.reference`.

    `by_code` is a further column of the key, and the column of the record with its codes: the
    row of a line does not hold which it was. Of those with a value the highest counts, of equal
    ones the first. `beside` is what else the row of the table says.
    """

    table: str
    key: Mapping[str, str]
    column: str
    by_code: tuple[str, str] | None = None
    beside: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was found, how, and what it rests on.

    `section` is one of `SECTIONS`. `published` is where the number stands in the price book,
    for a step that rests on one.
    """

    section: str
    what: str
    how: str
    citation: str
    published: Published | None = None


@dataclass(frozen=True, slots=True)
class UnderMechanism:
    """What a mechanism pays, or would have paid, for the line as it is valued.

    `payable_pence` is null where it is agreed, or worked out elsewhere. `beyond_plan_pence` is
    what it pays if the activity is beyond the contract's plan; `best_practice_pence` what it pays
    in addition, within the plan or beyond it, for best practice that was achieved;
    `patient_charge_pence` what the patient is charged.
    """

    mechanism: str
    how: str
    citation: str
    payable_pence: int | None = 0
    beyond_plan_pence: int | None = None
    best_practice_pence: int | None = None
    patient_charge_pence: int | None = None
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class _Valued:
    """A line with its value, worked out again, and the scheme it is under."""

    line: Line
    value: int | None
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a line's amounts came about.

    `amounts` are those of the row, in pence, worked out again from its parts. `differences`
    says where the row is not what its parts give: of a line as it was priced, nothing.
    """

    steps: tuple[Step, ...]
    amounts: Mapping[str, int | None]
    differences: tuple[str, ...]
    under_each_mechanism: tuple[UnderMechanism, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as values that JSON knows; amounts in pence."""
        return asdict(self)


def explain(line: Line, scheme: Scheme) -> Explanation:
    """How the amounts of a priced line came about, step by step, worked out again.

    Takes one row with the columns of `schemas.priced_line.PRICED_LINE` and the scheme it was
    priced under. Raises `ValueError` for a scheme of another year.
    """
    if line["scheme_year"] != scheme.scheme_year:
        raise ValueError(f"The line is of {line['scheme_year']}, not {scheme.scheme_year}")
    pre_mff = _pre_mff_pence(line)
    value = None if pre_mff is None else _rounded(pre_mff, line["mff_ppm"], scheme)
    taken = _under(line["payment_mechanism"], line, value, scheme)
    amounts = {
        "pre_mff_pence": pre_mff,
        "value_pence": value,
        "payable_pence": taken.payable_pence,
        "patient_charge_pence": taken.patient_charge_pence,
    }
    return Explanation(
        steps=(
            *_price_steps(line, scheme),
            *_value_steps(line, amounts, scheme),
            *_mechanism_steps(line, scheme),
            *_payable_steps(line, taken, scheme),
        ),
        amounts=amounts,
        differences=tuple(_differences(line, amounts, scheme)),
        under_each_mechanism=tuple(
            _under(name, line, value, scheme) for name in _may_pay(line, scheme)
        ),
    )


def asked_of_lists(line: Line, scheme: Scheme) -> dict[str, tuple[str, ...]]:
    """What users' lists were asked on the way to the line's mechanism: columns by list.

    The decision table is read from the top, so no row below the one that decided was asked.
    """
    row, table = _deciding_row(line, scheme), scheme.mechanism.decision_table
    read = table[: table.index(row) + 1] if row else ()
    asked = {fact.removeprefix("not ") for one in read for fact in one.when}
    found = {
        name: tuple(column for column, facts in columns.items() if facts & asked)
        for name, columns in _ASKED_OF_LISTS.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def price_book_of(scheme_year: str) -> str:
    """What citations call the price book that a line was priced with."""
    return f"the price book of {scheme_year}"


def pounds(pence: int) -> str:
    """Pence as pounds, for people.

    >>> pounds(123456), pounds(-50)
    ('£1,234.56', '-£0.50')
    """
    sign, size = ("-", -pence) if pence < 0 else ("", pence)
    return f"{sign}£{size // 100:,}.{size % 100:02}"


def percent(ppm: int) -> str:
    """A share in per cent, without needless zeros.

    >>> percent(12_500), percent(1_000_000)
    ('1.25%', '100%')
    """
    return f"{Decimal(ppm).scaleb(-4).normalize():f}%"


def _rounded(pence: int, ppm: int, scheme: Scheme) -> int:
    return times_ppm(pence, ppm, scheme.rounding.quantum_pence)


def _pre_mff_pence(line: Line) -> int | None:
    if line["unit_price_pence"] is None:
        return None
    return int(line["unit_price_pence"] + sum(line[name] for name in _ADDED))


def _is_unbundled(line: Line) -> bool:
    return bool(line["line_number"] > 0)


def _service(line: Line, scheme: Scheme) -> str | None:
    """The service of an unbundled HRG; a core HRG has none."""
    return unbundled.service_of(line["hrg_code"], scheme.services) if _is_unbundled(line) else None


def _price_steps(line: Line, scheme: Scheme) -> Iterator[Step]:
    of_what, citation = _point_of_delivery(line, scheme)
    how = f"point of delivery; {of_what}, treatment function {line['treatment_function_code']}"
    yield Step(PRICE, line["point_of_delivery_code"], how, citation)
    yield _unit_price_step(line, scheme)
    if line["best_practice_tariff_name"] is not None:
        yield _best_practice_step(line, scheme)
    if line["excess_bed_days"]:
        yield _long_stay_step(line)
    if line["top_up_pence"]:
        yield _top_up_step(line, scheme)


def _point_of_delivery(line: Line, scheme: Scheme) -> tuple[str, str]:
    if _is_unbundled(line):
        service = _service(line, scheme)
        of = f" of {service.replace('_', ' ')}" if service else ""
        path = "services.point_of_delivery_by_hrg_prefix"
        return f"unbundled HRG {line['hrg_code']}{of}", scheme.citation(path)
    path = (
        "spells.day_case_classification"
        if line["dataset"] == "apc"
        else "attendances.multi_professional_hrgs"
    )
    return f"HRG {line['hrg_code'] or 'none'}", scheme.citation(path)


def _unit_price_step(line: Line, scheme: Scheme) -> Step:
    source, pence = line["price_source"], line["unit_price_pence"]
    what = "no unit price" if pence is None else f"unit price {pounds(pence)}"
    paths = {
        unit_price.NOT_ATTENDED: "attendances.attended_codes",
        unit_price.ADMINISTRATIVE_EVENT: "attendances.administrative_event_code",
        unit_price.WITHIN_CORE_PRICE: "services.within_admitted_price",
    }
    if source in paths:
        citation = scheme.citation(paths[source])
    elif source == LOCAL:
        citation = LOCAL_PRICES
    else:
        citation = price_book_of(line["scheme_year"])
    return Step(PRICE, what, SOURCES[source], citation, _published_price(line, scheme))


def _published_price(line: Line, scheme: Scheme) -> Published | None:
    """Where the unit price stands; None for one that is not published, or not told by the row."""
    source, of_hrg = line["price_source"], {"hrg_code": line["hrg_code"]}
    if source in (LOCAL, unit_price.NONE, *unit_price.NOTHING_DONE):
        return None
    if source == unit_price.UNBUNDLED:
        return Published("unbundled_prices", of_hrg, "unbundled_price_pence")
    if source != unit_price.ATTENDANCE:
        return Published("hrg_prices", of_hrg, f"{source}_price_pence")
    columns = _attendance_columns(line, scheme)
    if len(columns) != 1:
        return None
    function = line["treatment_function_code"]
    key = {"treatment_function_code": function, "price_column": columns.pop()}
    return Published("attendance_prices", key, "attendance_price_pence")


def _attendance_columns(line: Line, scheme: Scheme) -> set[str]:
    """The price columns that the attendance may have had, by its HRG, else by how it counts."""
    rules, code = scheme.attendances, line["point_of_delivery_code"]
    columns = rules.price_column_by_attendance_hrg
    if line["hrg_code"] in columns:
        return {columns[line["hrg_code"]]}
    is_first = code in point_of_delivery.FIRST_ATTENDANCES
    is_apart = code in point_of_delivery.NOT_FACE_TO_FACE
    return {
        column
        for hrg, column in columns.items()
        if (hrg in rules.first_attendance_hrgs) == is_first
        and (hrg in rules.not_face_to_face_hrgs) == is_apart
        and (
            is_apart
            or (hrg in rules.multi_professional_hrgs)
            == (code in point_of_delivery.MULTI_PROFESSIONAL)
        )
    }


def _best_practice_step(line: Line, scheme: Scheme) -> Step:
    name, pence = line["best_practice_tariff_name"].replace("_", " "), line["best_practice_pence"]
    citation, base = scheme.citation("best_practice_tariffs.pays"), line["unit_price_pence"]
    if not pence or base is None:
        how = f"tariff {name}: its price adds nothing, or the base price is paid"
        return Step(PRICE, f"best practice {pounds(pence)}", how, citation)
    how = f"tariff {name}: its price {pounds(base + pence)} in place of the base {pounds(base)}"
    if line["payment_mechanism"] == API_BLENDED and scheme.gives(_BLENDED_BEST_PRACTICE):
        how += "; the blended payment plans at the base price and pays the difference apart"
        citation = scheme.citation(_BLENDED_BEST_PRACTICE)
    column = f"best_practice_{line['price_source']}_price_pence"
    published = Published(
        "best_practice_prices",
        {"hrg_code": line["hrg_code"]},
        column,
        by_code=("best_practice_flag", "best_practice_flags"),
        beside={
            "best_practice_tariff_name": line["best_practice_tariff_name"],
            column: base + pence,
        },
    )
    citation = f"{citation}; price of {price_book_of(line['scheme_year'])}"
    return Step(PRICE, f"best practice {pounds(pence)}", how, citation, published)


def _top_up_step(line: Line, scheme: Scheme) -> Step:
    pence, base = line["top_up_pence"], line["unit_price_pence"]
    of = 0 if base is None else base + line["best_practice_pence"]
    how = "specialist top-up, long stay left out"
    if of > 0:
        hundredths = (pence * 20_000 + of) // (2 * of)
        share = f"{hundredths // 100}.{hundredths % 100:02}%"
        how = f"specialist top-up, about {share} of the price {pounds(of)}, long stay left out"
    published = Published(
        "top_up_rates",
        {"provider_code": line["provider_code"]},
        "top_up_ppm",
        by_code=("specialised_service_code", "specialised_service_codes"),
    )
    citation = f"{scheme.citation('top_ups.paid_in')}; rate of {price_book_of(line['scheme_year'])}"
    return Step(PRICE, f"top-up {pounds(pence)}", how, citation, published)


def _long_stay_step(line: Line) -> Step:
    days, pence = line["excess_bed_days"], line["long_stay_pence"]
    how = f"{days:,} days beyond the trim point × {pounds(pence // days)}"
    published = Published("hrg_prices", {"hrg_code": line["hrg_code"]}, "per_day_long_stay_pence")
    citation = price_book_of(line["scheme_year"])
    return Step(PRICE, f"long stay {pounds(pence)}", how, citation, published)


def _value_steps(line: Line, amounts: Mapping[str, int | None], scheme: Scheme) -> Iterator[Step]:
    pre_mff, value = amounts["pre_mff_pence"], amounts["value_pence"]
    if pre_mff is None or value is None:
        yield Step(VALUE, "no value", "there is no unit price to value it at", "")
        return
    added = [f"{name} {pounds(line[column])}" for column, name in _ADDED.items() if line[column]]
    if added:
        parts = " + ".join([f"unit price {pounds(line['unit_price_pence'])}", *added])
        citation = scheme.citation("market_forces_factor.applies_to")
        yield Step(VALUE, f"before MFF {pounds(pre_mff)}", parts, citation)
    quantum = scheme.rounding.quantum_pence
    factor = f"{line['mff_ppm'] // PPM}.{line['mff_ppm'] % PPM:06}"
    how = (
        f"{pounds(pre_mff)} × MFF {factor}, rounded once to the nearest "
        f"{'penny' if quantum == 1 else f'{quantum} pence'}, halves away from zero"
    )
    of_provider = {"provider_code": line["provider_code"]}
    published: Published | None = Published("market_forces_factors", of_provider, "mff_ppm")
    if not _takes_factor(line, line["payment_mechanism"], scheme):
        how += "; no MFF is applied to such a local price"
        published = None
    citation = (
        f"{scheme.citation('market_forces_factor.applies_to')}; "
        f"factor of {price_book_of(line['scheme_year'])}; "
        f"rounding {scheme.citation('rounding.quantum_pence')}"
    )
    yield Step(VALUE, f"value {pounds(value)}", how, citation, published)


def _takes_factor(line: Line, mechanism: str, scheme: Scheme) -> bool:
    """Whether the price is multiplied by MFF, under a mechanism."""
    takes_local = mechanism in local_price_mechanisms(scheme.market_forces_factor)
    return line["price_source"] != LOCAL or takes_local


def _mechanism_steps(line: Line, scheme: Scheme) -> Iterator[Step]:
    outcomes = {
        ebi.APPROVED: ("approved", "evidence-based intervention with prior approval"),
        ebi.ZERO_PRICE: (
            "zero price",
            "category 1 evidence-based intervention, no prior approval on the list",
        ),
    }
    if line["ebi_outcome"] in outcomes:
        citation = scheme.citation("evidence_based_interventions.category")
        if line["ebi_outcome"] == ebi.APPROVED:
            citation = f"{citation}; {PRIOR_APPROVALS}"
        yield Step(MECHANISM, *outcomes[line["ebi_outcome"]], citation)
    table, row = scheme.mechanism.decision_table, _deciding_row(line, scheme)
    name = line["payment_mechanism"]
    if row is None:
        citation = scheme.citation("mechanism.decision_table")
        yield Step(MECHANISM, name, MECHANISMS[name], citation)
        return
    given = {AS_AGREED: ", as agreed", BY_SERVICE: ", by its service"}.get(row.pays, "")
    where = f"row {table.index(row) + 1} of {len(table)} of the decision table, {row.rule}"
    how = f"{MECHANISMS[name]}; by {where}: {row.condition}{given}"
    yield Step(MECHANISM, name, how, row.citation)


def _deciding_row(line: Line, scheme: Scheme) -> DecisionRow | None:
    table = scheme.mechanism.decision_table
    return next((row for row in table if row.rule == line["mechanism_rule"]), None)


def _payable_steps(line: Line, taken: UnderMechanism, scheme: Scheme) -> Iterator[Step]:
    if taken.payable_pence is not None:
        what = pounds(taken.payable_pence)
    elif taken.beyond_plan_pence is not None:
        what = "by contract"
    else:
        what = "by item" if taken.mechanism == EXCLUDED_ITEM else "to be agreed"
    yield Step(PAYABLE, f"payable {what}", taken.how, taken.citation)
    yield _target_step(line, scheme)


def _target_step(line: Line, scheme: Scheme) -> Step:
    counts = line["is_in_activity_target"]
    if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE:
        what = "in the plan" if counts else "not in the plan"
        how = "whether it counts towards the elective activity that the contract plans"
        return Step(PAYABLE, what, how, scheme.citation("variable_element.pays"))
    what = "in the target" if counts else "not in the target"
    how = "whether it counts towards the elective activity target"
    return Step(PAYABLE, what, how, scheme.citation("services.outside_activity_target"))


def _may_pay(line: Line, scheme: Scheme) -> list[str]:
    """The mechanisms that the year has for such a line, and the one that was taken."""
    possible = {row.pays for row in scheme.mechanism.decision_table}
    if AS_AGREED in possible:
        possible.update(AGREED_MECHANISMS)
    if BY_SERVICE in possible:
        by_service = scheme.services.mechanism_by_service
        possible.update(by_service.values())
        if by_service.get(_service(line, scheme) or "") != EXCLUDED_ITEM:
            possible.discard(EXCLUDED_ITEM)
    possible.add(line["payment_mechanism"])
    return [name for name in PAYMENT_MECHANISMS if name in possible]


def _under(name: str, line: Line, value: int | None, scheme: Scheme) -> UnderMechanism:
    """What a mechanism pays for the line as it is valued; a local price with MFF or without."""
    own = line["payment_mechanism"]
    of = _Valued(line, value, scheme)
    if _takes_factor(line, own, scheme) and not _takes_factor(line, name, scheme):
        pre_mff = _pre_mff_pence(line)
        of = replace(of, value=None if pre_mff is None else _rounded(pre_mff, PPM, scheme))
    if line["price_source"] in unit_price.NOTHING_DONE and name != CHARGED_TO_PATIENT:
        under = UnderMechanism(name, SOURCES[line["price_source"]], _own_citation(name, scheme))
    elif name == own and line["mechanism_rule"] in _NOT_RULED and name == LOCAL_AGREEMENT:
        how = "nothing is said of it: it is for the parties to settle"
        under = UnderMechanism(name, how, _own_citation(name, scheme), None)
    elif name in PAID_FOR_ACTIVITY and line["ebi_outcome"] == ebi.ZERO_PRICE:
        citation = scheme.citation("evidence_based_interventions.category")
        under = UnderMechanism(name, "nothing without prior approval", citation)
    elif _takes_factor(line, name, scheme) and not _takes_factor(line, own, scheme):
        how = "the local price after the provider's MFF, which the row does not hold"
        under = UnderMechanism(name, how, _own_citation(name, scheme), None)
    elif name in _PAYS:
        under = _PAYS[name](of)
    else:
        under = UnderMechanism(name, MECHANISMS[name], _own_citation(name, scheme))
    return replace(under, is_taken=name == own)


def _variable(of: _Valued) -> UnderMechanism:
    value, variable = of.value, of.scheme.variable_element
    path = "variable_element.rate_ppm"
    if variable.pays == PAYS_FOR_DIFFERENCE:
        return _of_difference(API_VARIABLE, path, of)
    rate, citation = variable.rate_ppm, of.scheme.citation(path)
    if value is None:
        return UnderMechanism(API_VARIABLE, _NO_PRICE, citation, None)
    how = f"{percent(rate)} of the value {pounds(value)}"
    return UnderMechanism(API_VARIABLE, how, citation, _rounded(value, rate, of.scheme))


def _blended(of: _Valued) -> UnderMechanism:
    scheme = of.scheme
    is_radiotherapy = scheme.gives("radiotherapy_blend.services") and (
        _service(of.line, scheme) in scheme.radiotherapy_blend.services
    )
    if is_radiotherapy:
        return _of_difference(API_BLENDED, "radiotherapy_blend.variable_rate_ppm", of)
    return _of_emergency_care(of)


def _of_emergency_care(of: _Valued) -> UnderMechanism:
    """By plan at the base price, and all that best practice adds to it besides (2026/27 ¶85).

    What it adds is the line's value less its value at the base price, each rounded once: so the
    two make up the value of the line to the penny.
    """
    path, line, value, scheme = "uec_blend.variable_rate_ppm", of.line, of.value, of.scheme
    pre_mff, added = _pre_mff_pence(line), line["best_practice_pence"]
    is_known = scheme.gives(path) and scheme.gives(_BLENDED_BEST_PRACTICE)
    if value is None or pre_mff is None or not added or not is_known:
        under = _of_difference(API_BLENDED, path, of)
        return replace(under, how=f"{under.how}{_untold_best_practice(API_BLENDED, line)}")
    at_base = _rounded(pre_mff - added, line["mff_ppm"], scheme)
    under = _of_difference(API_BLENDED, path, replace(of, value=at_base), "at the base price")
    rate = scheme.best_practice_tariffs.blended_difference_rate_ppm
    addition = _rounded(value - at_base, rate, scheme)
    how = (
        f"{under.how}; in addition {percent(rate)} of what best practice makes of it, "
        f"{pounds(value)} less {pounds(at_base)}: {pounds(addition)}, within the plan and beyond it"
    )
    citation = f"{under.citation}; {scheme.citation(_BLENDED_BEST_PRACTICE)}"
    return replace(under, how=how, citation=citation, best_practice_pence=addition)


def _untold_best_practice(name: str, line: Line) -> str:
    """That a mechanism which is not the line's may pay a tariff that the line's does not."""
    is_told = not line["best_practice_tariff_name"] or line["best_practice_pence"]
    if is_told or line["payment_mechanism"] == name:
        return ""
    return "; the best practice price may be paid there, which the row does not hold"


def _of_difference(name: str, path: str, of: _Valued, at: str = "") -> UnderMechanism:
    """Paid by the contract's plan: a share of what is beyond it, and nothing more of the rest."""
    value, scheme = of.value, of.scheme
    citation = scheme.citation(path)
    if value is None:
        return UnderMechanism(name, _NO_PRICE, citation, None)
    if not scheme.gives(path):
        how = "by the contract's plan, at a rate that is not known here"
        return UnderMechanism(name, how, citation, None)
    rate = scheme.parameters[path].value
    beyond_plan = _rounded(value, rate, scheme)
    of_what = f"the value {at} {pounds(value)}" if at else "the value"
    how = (
        f"by the contract's plan: nothing more for planned activity, {percent(rate)} of "
        f"{of_what}, {pounds(beyond_plan)}, paid beyond it and taken back below it"
    )
    return UnderMechanism(name, how, citation, None, beyond_plan_pence=beyond_plan)


def _activity_based(of: _Valued) -> UnderMechanism:
    line, value = of.line, of.value
    citation = _own_citation(ACTIVITY_BASED, of.scheme)
    if value is None:
        return UnderMechanism(ACTIVITY_BASED, _NO_PRICE, citation, None)
    how = f"the whole value {pounds(value)}{_untold_best_practice(ACTIVITY_BASED, line)}"
    return UnderMechanism(ACTIVITY_BASED, how, citation, value)


def _agreed_locally(of: _Valued) -> UnderMechanism:
    value, citation = of.value, _own_citation(LOCAL_AGREEMENT, of.scheme)
    if of.line["price_source"] != LOCAL or value is None:
        return UnderMechanism(LOCAL_AGREEMENT, "to be agreed by the parties", citation, None)
    how = f"the whole value {pounds(value)}, at the local price"
    return UnderMechanism(LOCAL_AGREEMENT, how, citation, value)


def _by_item(of: _Valued) -> UnderMechanism:
    how = "by the list of excluded items, where the item itself is priced"
    citation = of.scheme.citation("excluded_items.lowest_of")
    return UnderMechanism(EXCLUDED_ITEM, how, citation, None)


def _charged(of: _Valued) -> UnderMechanism:
    """What the patient is charged; the row does not say which of two rates it was."""
    value, scheme, stored = of.value, of.scheme, of.line["patient_charge_pence"]
    citation = _own_citation(CHARGED_TO_PATIENT, scheme)
    given = [rate for rate in _RATES if scheme.gives(f"overseas_visitors.{rate}")]
    if value is None or not given:
        what = "price to charge by" if value is None else "rate known here"
        how = f"the patient is charged, and there is no {what}"
        return UnderMechanism(CHARGED_TO_PATIENT, how, citation)
    rates = {rate: scheme.parameters[f"overseas_visitors.{rate}"].value for rate in given}
    charges = {rate: _rounded(value, ppm, scheme) for rate, ppm in rates.items()}
    each = [
        f"{pounds(charges[rate])} ({percent(ppm)} of the value) {_RATES[rate]}"
        for rate, ppm in rates.items()
    ]
    charge = stored if stored in charges.values() else charges.get("charge_ppm")
    how = f"the patient is charged {' or '.join(each)}"
    citation = scheme.citation(f"overseas_visitors.{given[0]}")
    return UnderMechanism(CHARGED_TO_PATIENT, how, citation, patient_charge_pence=charge)


_PAYS: dict[str, Callable[[_Valued], UnderMechanism]] = {
    API_VARIABLE: _variable,
    API_BLENDED: _blended,
    ACTIVITY_BASED: _activity_based,
    LOCAL_AGREEMENT: _agreed_locally,
    EXCLUDED_ITEM: _by_item,
    CHARGED_TO_PATIENT: _charged,
}
"""What pays for a line itself, or may; under the other mechanisms nothing is payable for it."""


def _own_citation(name: str, scheme: Scheme) -> str:
    """What a mechanism rests on where no fact of a line calls for it."""
    for row in scheme.mechanism.decision_table:
        if row.rule == _OWN_RULE.get(name):
            return row.citation
    return scheme.citation("mechanism.decision_table")


def _differences(line: Line, amounts: Mapping[str, int | None], scheme: Scheme) -> Iterator[str]:
    """Where the row is not what its own parts, and the scheme, give."""
    yield from _differences_of_price(line, scheme)
    for name, given in amounts.items():
        if line[name] != given:
            yield f"{name} is {_shown(line[name])} in the row, and its parts give {_shown(given)}"
    yield from _differences_of_mechanism(line, scheme)
    counts = _counts_towards_target(line, scheme)
    if line["is_in_activity_target"] != counts:
        yield f"is_in_activity_target should be {'yes' if counts else 'no'}"


def _differences_of_price(line: Line, scheme: Scheme) -> Iterator[str]:
    source, pence = line["price_source"], line["unit_price_pence"]
    if (source == unit_price.NONE) != (pence is None):
        yield f"unit_price_pence is {_shown(pence)} with the price source {source}"
    if source in unit_price.NOTHING_DONE and pence:
        yield f"unit_price_pence is {_shown(pence)} of what is worth nothing: {source}"
    if pence is None:
        for name in _ADDED:
            if line[name]:
                yield f"{name} is {_shown(line[name])} without a price to add it to"
    days, long_stay = line["excess_bed_days"], line["long_stay_pence"]
    if (long_stay % days) if days else long_stay:
        yield f"long_stay_pence is {_shown(long_stay)}, which {days} days at one price do not give"
    if not _takes_factor(line, line["payment_mechanism"], scheme) and line["mff_ppm"] != PPM:
        yield "mff_ppm is of the provider, and no MFF is applied to such a local price"


def _differences_of_mechanism(line: Line, scheme: Scheme) -> Iterator[str]:
    row, name = _deciding_row(line, scheme), line["payment_mechanism"]
    if row is None:
        yield f"the decision table has no row {line['mechanism_rule']}"
        return
    given = _given_by(row, line, scheme)
    if name not in given:
        yield f"payment_mechanism is {name}, and the row {row.rule} gives {' or '.join(given)}"


def _given_by(row: DecisionRow, line: Line, scheme: Scheme) -> tuple[str, ...]:
    """The mechanisms that a row of the decision table may give such a line."""
    if row.pays == AS_AGREED:
        return AGREED_MECHANISMS
    if row.pays != BY_SERVICE:
        return (row.pays,)
    of_service = scheme.services.mechanism_by_service.get(_service(line, scheme) or "", API_FIXED)
    if line["price_source"] == unit_price.UNBUNDLED:
        return (of_service,)
    # Without a published price the row does not say whether the whole record is excluded from
    # them, nor beside a local price whether there is one.
    unpriced = {unit_price.NONE: (LOCAL_AGREEMENT,), LOCAL: (ACTIVITY_BASED, LOCAL_AGREEMENT)}
    given = unpriced.get(line["price_source"]) if of_service == ACTIVITY_BASED else None
    return tuple(dict.fromkeys((*(given or (of_service,)), API_FIXED)))


def _counts_towards_target(line: Line, scheme: Scheme) -> bool:
    if line["payment_mechanism"] != API_VARIABLE:
        return False
    path = "services.outside_activity_target"
    if scheme.gives(path) and _service(line, scheme) in scheme.parameters[path].value:
        return False
    is_unapproved = line["ebi_outcome"] == ebi.ZERO_PRICE
    rules = scheme.evidence_based_interventions
    return not is_unapproved or rules.zero_price_is_in_activity_target


def _shown(pence: int | None) -> str:
    return "null" if pence is None else pounds(pence)
