"""A scheme year's rules as values: what a scheme pack must hold, and reading one whole.

Belongs here: the parameters that rules take, grouped as in the pack, and the check that a
pack gives each of them, dated, cited, of the right type and in range, or says why it cannot.
Does not belong here: the values (`data/schemes/`), what a row of a table may say
(`pricing.scheme_tables`), files (`pipelines.scheme_packs`), or the rules.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from pricing.scheme_tables import (
    CONTRACT_SECTIONS,
    CQUIN,
    LINES,
    PART_YEAR,
    SHORTFALL,
    TABLES,
    ContractLine,
    DecisionRow,
    SchedulePart,
    SchemePackError,
    WorksheetItem,
    citation,
)
from schemas.priced_line import (
    FIRST_ATTENDANCES,
    OUTPATIENT_PROCEDURE,
    PAYMENT_MECHANISMS,
    UNBUNDLED_OTHER,
)

BASES = ("cited", "local", "assumed")
STATUSES = ("final", "proposed")
PAYS_FOR_ACTIVITY = "activity"
PAYS_FOR_DIFFERENCE = "difference_from_plan"


class Section:
    """Parameters of one subject. To read one that the pack does not give is an error.

    Raises `SchemePackError` with the reason that the pack has for leaving it out.
    """

    __slots__ = ("_absent", "_values")

    def __init__(self, values: Mapping[str, Any], absent: Mapping[str, str]) -> None:
        self._values = values
        self._absent = absent

    if not TYPE_CHECKING:  # to a type checker a section has the parameters it declares, no others

        def __getattr__(self, name: str) -> Any:
            if name in type(self).__annotations__:
                if name in self._values:
                    return self._values[name]
                raise SchemePackError([self._absent[name]])
            raise AttributeError(name)


class Rounding(Section):
    """How an amount is rounded, once, after every factor."""

    quantum_pence: int


class Spells(Section):
    """How a spell is classified."""

    elective_admission_methods: tuple[str, ...]
    emergency_admission_methods: tuple[str, ...]
    day_case_classification: str
    regular_day_classification: str
    regular_night_classification: str


class ShortStayEmergency(Section):
    """Which emergency spells take the reduced short stay price."""

    minimum_age_years: int
    maximum_stay_days: int


class LongStay(Section):
    """Which stays are known only as SUS+ adjusted them."""

    stay_adjusted_by_sus_hrg_prefixes: tuple[str, ...]


class Attendances(Section):
    """How an outpatient attendance is classified, and which price column it takes."""

    attended_codes: tuple[str, ...]
    administrative_event_code: str
    attendance_hrg_by_first_attendance: Mapping[str, str]
    multi_professional_hrg_by_first_attendance: Mapping[str, str]
    multi_professional_codes: tuple[str, ...]
    first_attendance_not_face_to_face: Mapping[str, str]
    not_face_to_face_media: tuple[str, ...]
    price_column_by_attendance_hrg: Mapping[str, str]
    first_attendance_hrgs: tuple[str, ...]
    not_face_to_face_hrgs: tuple[str, ...]
    multi_professional_hrgs: tuple[str, ...]
    not_consultant_led_main_specialties: tuple[str, ...]


class NationalPrice(Section):
    """Which records have no national price whatever their HRG."""

    ungroupable_hrgs: tuple[str, ...]
    excluded_spell_in_pbr_code: str
    provider_excluded_agreement_suffix: str


class EvidenceBasedInterventions(Section):
    """Which spells pay nothing without prior approval; in some years none."""

    category: str
    types: tuple[str, ...]
    zero_price_is_in_activity_target: bool


class ElectiveScope(Section):
    """What the elective variable element pays for."""

    points_of_delivery: tuple[str, ...]
    includes_first_attendances: bool
    excluded_treatment_function_codes: tuple[str, ...]
    termination_of_pregnancy_hrgs: tuple[str, ...]


class VariableElement(Section):
    """Whether elective activity is paid for, or its difference from a plan, and at what rate."""

    pays: str
    rate_ppm: int


class Mechanism(Section):
    """Who may be paid by which mechanism."""

    nhs_provider_kinds: tuple[str, ...]
    private_patient_categories: tuple[str, ...]
    other_categories_outside_scheme: tuple[str, ...]
    blended_points_of_delivery: tuple[str, ...]
    decision_table: tuple[DecisionRow, ...]


class ContractLines(Section):
    """What the variable element and the blended payments of a contract are made of."""

    table: tuple[ContractLine, ...]


class LowVolume(Section):
    """What an LVA block pays for, and how the values of its schedule are made."""

    has_payments_schedule: bool
    commissioner_kinds: tuple[str, ...]
    provider_kinds_outside: tuple[str, ...]
    exception_kinds: tuple[str, ...]
    mental_health_treatment_function_codes: tuple[str, ...]
    items_paid_apart: tuple[str, ...]
    threshold_pence: int
    threshold_includes_delegated_services: bool
    also_considered: tuple[str, ...]
    schedule: tuple[SchedulePart, ...]
    secondary_dental_treatment_function_codes: tuple[str, ...]
    schedule_quantum_pence: int
    near_threshold_ppm: int
    growth_ppm: int
    integrated_care_boards: int
    payment_due_by: date
    payment_is_due_on_update: bool
    new_value_is_for_pay_award: bool
    additional_payment_within_months: int


class Services(Section):
    """Services apart from core HRGs: how each is paid for, and what counts to the target."""

    service_by_hrg_prefix: Mapping[str, str]
    point_of_delivery_by_hrg_prefix: Mapping[str, str]
    within_admitted_price: tuple[str, ...]
    locally_agreed_core_hrgs: tuple[str, ...]
    mechanism_by_service: Mapping[str, str]
    outside_activity_target: tuple[str, ...]


class MarketForcesFactor(Section):
    """Which prices of the variable element the market forces factor is applied to."""

    applies_to: tuple[str, ...]


class TopUps(Section):
    """Where specialist top-ups are paid."""

    paid_in: str


class BestPracticeTariffs(Section):
    """How best practice is paid for."""

    pays: str
    activity_tariffs: tuple[str, ...]
    annual_for_non_elective: tuple[str, ...]
    plan_difference_rate_ppm: int
    blended_difference_rate_ppm: int


class Cquin(Section):
    """Commissioning for quality and innovation."""

    funding_ppm: int
    adjusts_payment: bool
    full_attainment_ppm: int
    is_in_unit_prices: bool


class AdviceAndGuidance(Section):
    """How advice and guidance is paid for."""

    pays: str


class ExcludedItems(Section):
    """High cost drugs, devices, listed procedures and innovative products."""

    lowest_of: tuple[str, ...]
    workbook_tabs: Mapping[str, str]
    local_items_are_in_fixed_element: bool
    drugs_against_baseline_commissioner_kinds: tuple[str, ...]
    homecare_drugs_may_be_in_unit_prices: bool


class OverseasVisitors(Section):
    """What overseas visitors who are liable are charged."""

    chargeable_codes: tuple[str, ...]
    charge_ppm: int
    settled_status_charge_ppm: int


class ApiScope(Section):
    """Which contracts are under API, by value and membership of a system."""

    minimum_contract_pence: int
    commissioners_without_threshold: tuple[str, ...]
    other_variable_rate_needs_approval: bool
    other_mechanism_needs_approval: bool
    armed_forces_fixed_below_pence: int


class CostAdjustment(Section):
    """Cost uplift, efficiency and CNST of the year."""

    uplift_ppm: int
    efficiency_ppm: int
    net_uplift_is: str
    previous_year_uplift_ppm: int
    previous_year_efficiency_ppm: int
    cnst_maternity_ppm: int
    cnst_uniform_ppm: int


class FixedElement(Section):
    """How the fixed element is built and reviewed."""

    worksheet: tuple[WorksheetItem, ...]
    instalments: int
    is_pro_rata_in_part_year: bool
    capacity_uplift_ppm: int
    review_limit_ppm: int
    review_limit_commissioner_kinds: tuple[str, ...]


class UecBlend(Section):
    """The blended payment for urgent and emergency care."""

    services: tuple[str, ...]
    services_outside: tuple[str, ...]
    variable_rate_ppm: int
    default_growth_ppm: Mapping[str, int]
    break_glass_example_ppm: Mapping[str, int]


class RadiotherapyBlend(Section):
    """The blended payment for external beam radiotherapy and SABR."""

    services: tuple[str, ...]
    variable_rate_ppm: int
    local_price_services: tuple[str, ...]


class GenomicsBlend(Section):
    """The blended payment for genomic testing and reporting."""

    example_variable_rate_ppm: int
    maximum_incentive_ppm: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of a pack with where it comes from."""

    path: str
    says: str
    value: Any
    unit: str
    effective_from: date
    published_on: date
    citation: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """The rules of one scheme year, as in force on one day and published by another."""

    scheme_year: str
    title: str
    status: str
    effective_from: date
    effective_to: date
    rounding: Rounding
    spells: Spells
    short_stay_emergency: ShortStayEmergency
    long_stay: LongStay
    attendances: Attendances
    national_price: NationalPrice
    evidence_based_interventions: EvidenceBasedInterventions
    elective_scope: ElectiveScope
    variable_element: VariableElement
    mechanism: Mechanism
    contract_lines: ContractLines
    low_volume: LowVolume
    services: Services
    market_forces_factor: MarketForcesFactor
    top_ups: TopUps
    best_practice_tariffs: BestPracticeTariffs
    cquin: Cquin
    advice_and_guidance: AdviceAndGuidance
    excluded_items: ExcludedItems
    overseas_visitors: OverseasVisitors
    api_scope: ApiScope
    cost_adjustment: CostAdjustment
    fixed_element: FixedElement
    uec_blend: UecBlend
    radiotherapy_blend: RadiotherapyBlend
    genomics_blend: GenomicsBlend
    parameters: Mapping[str, Parameter]
    absent: Mapping[str, str]

    def gives(self, path: str) -> bool:
        """Whether the pack gives a parameter, for one that some years do without."""
        return path in self.parameters

    def citation(self, path: str) -> str:
        """What a parameter rests on, that it is assumed, or why the pack does not give it."""
        return self.parameters[path].citation if self.gives(path) else self.absent[path]


SECTIONS: dict[str, type[Section]] = {
    name: kind
    for name, kind in get_type_hints(Scheme).items()
    if isinstance(kind, type) and issubclass(kind, Section)
}
PARAMETERS: dict[str, Any] = {
    f"{section}.{name}": wanted
    for section, kind in SECTIONS.items()
    for name, wanted in get_type_hints(kind).items()
    if not name.startswith("_")
}
"""The type of every parameter, by `section.parameter`."""

NEEDED_EVERY_YEAR = (
    "rounding",
    "spells",
    "short_stay_emergency",
    "long_stay",
    "attendances",
    "national_price",
    "evidence_based_interventions",
    "elective_scope",
    "variable_element",
    "mechanism",
)
"""Sections without which no record can be priced: a pack may not leave out any of them."""

_HEADER = ("scheme_year", "title", "status", "effective_from", "effective_to", "documents")
_MAY_BE_IN_HEADER = ("notes", "absent")
_VERSION_KEYS = ("says", "value", "unit", "effective_from", "published_on", "document", "basis")
_MAY_BE_IN_VERSION = ("paragraph", "reported_in")
_MAY_BE_EMPTY = (
    "evidence_based_interventions.types",
    "elective_scope.excluded_treatment_function_codes",
    "elective_scope.termination_of_pregnancy_hrgs",
    "mechanism.blended_points_of_delivery",
    "services.within_admitted_price",
    "services.locally_agreed_core_hrgs",
)
_BETWEEN = {
    "rounding.quantum_pence": (1, 100),
    "low_volume.integrated_care_boards": (1, 100),
    "low_volume.schedule_quantum_pence": (1, 100),
    "low_volume.additional_payment_within_months": (1, 12),
    "fixed_element.instalments": (1, 12),
    # By the unit a name ends in, where it has no range of its own.
    "ppm": (0, 2_000_000),
    "pence": (1, 100_000_000_000),
    "years": (0, 130),
    "days": (0, 366),
}
ITEM_CATEGORIES = ("drug", "device", "listed_procedure", "medtech")
"""What an excluded item may be."""
_DIFFERENCE_OR_PRICE = (PAYS_FOR_DIFFERENCE, "unit_price")
_ONE_OF: dict[str, tuple[str, ...]] = {
    "variable_element.pays": (PAYS_FOR_ACTIVITY, PAYS_FOR_DIFFERENCE),
    "best_practice_tariffs.pays": _DIFFERENCE_OR_PRICE,
    "advice_and_guidance.pays": _DIFFERENCE_OR_PRICE,
    "cost_adjustment.net_uplift_is": ("difference", "product"),
    "top_ups.paid_in": ("variable_element", "fixed_element"),
    "low_volume.exception_kinds": (
        "patient_choice_without_contract",
        "out_of_area_mental_health",
        "mental_health_lead_provider_collaborative",
    ),
    "services.mechanism_by_service": PAYMENT_MECHANISMS,
    "market_forces_factor.applies_to": ("unit_price", "local_price"),
    "low_volume.items_paid_apart": ITEM_CATEGORIES,
    "excluded_items.lowest_of": ("actual_cost", "framework_price", "reference_price"),
}
_SCHEME_YEAR = re.compile(r"20\d\d-\d\d")
_FACTORS_OF_UPLIFT = 2


@dataclass(frozen=True, slots=True)
class Pack:
    """A scheme pack read whole: every version of every parameter, and what it leaves out."""

    scheme_year: str
    title: str
    status: str
    effective_from: date
    effective_to: date
    notes: tuple[str, ...]
    versions: Mapping[str, tuple[Parameter, ...]]
    absent: Mapping[str, str]

    def scheme(self, on: date, as_of: date | None = None) -> Scheme:
        """The rules for activity on a day, of what was published by `as_of`.

        Of the values in effect on that day the last in effect, and of those the last
        published, is taken. Raises `SchemePackError` where the day is outside the year, or
        a value that no record can be priced without was not yet published.
        """
        if not self.effective_from <= on <= self.effective_to:
            raise SchemePackError([f"{_day(on)} is not in the scheme year {self.scheme_year}"])
        parameters: dict[str, Parameter] = {}
        absent = dict(self.absent)
        for path, versions in self.versions.items():
            known = [v for v in versions if as_of is None or v.published_on <= as_of]
            in_effect = [v for v in known if v.effective_from <= on]
            if in_effect:
                parameters[path] = in_effect[-1]
            else:
                first = min(v.published_on for v in versions)
                absent[path] = (
                    f"'{path}' of {self.scheme_year}: nothing was published by {_day(as_of or on)}"
                    f"; the first value was published on {_day(first)}"
                )
        unknown = [absent[p] for p in absent if p.partition(".")[0] in NEEDED_EVERY_YEAR]
        if unknown:
            raise SchemePackError(_in_short(unknown))
        sections: dict[str, Any] = {
            name: kind(_of(name, parameters, lambda p: p.value), _of(name, absent, str))
            for name, kind in SECTIONS.items()
        }
        return Scheme(
            scheme_year=self.scheme_year,
            title=self.title,
            status=self.status,
            effective_from=self.effective_from,
            effective_to=self.effective_to,
            parameters=parameters,
            absent=absent,
            **sections,
        )


def read_scheme(pack: Mapping[str, Any], on: date, as_of: date | None = None) -> Scheme:
    """The scheme that `pack` (a parsed TOML document) gives: see `read_pack`, `Pack.scheme`."""
    return read_pack(pack).scheme(on, as_of)


def read_pack(pack: Mapping[str, Any]) -> Pack:
    """A parsed TOML document as a pack. Raises `SchemePackError` with every fault of it."""
    faults = list(_header_faults(pack))
    if faults:
        raise SchemePackError(faults)
    absent, faults = _absent(pack)
    year = (pack["effective_from"], pack["effective_to"])
    faults += list(_document_faults(pack["documents"]))
    versions: dict[str, tuple[Parameter, ...]] = {}
    for name in SECTIONS:
        given = pack.get(name, {})
        faults += [
            f"'{name}.{key}' is not a parameter"
            for key in given
            if f"{name}.{key}" not in PARAMETERS
        ]
    for path, wanted in PARAMETERS.items():
        section, _, key = path.partition(".")
        given = pack.get(section, {}).get(key)
        if path in absent:
            if given:
                faults.append(f"'{path}' has a value and is under [absent] too")
            continue
        try:
            versions[path] = _versions(path, given, wanted, pack["documents"], year)
        except SchemePackError as error:
            faults += error.faults
    faults = faults or [*_contract_line_faults(versions), *_worksheet_faults(versions)]
    if faults:
        raise SchemePackError(faults)
    header = {key: pack[key] for key in _HEADER if key != "documents"}
    return Pack(**header, notes=tuple(pack.get("notes", ())), versions=versions, absent=absent)


def _header_faults(pack: Mapping[str, Any]) -> Iterator[str]:
    for key in _HEADER:
        if key not in pack:
            yield f"'{key}' is missing"
    for key in pack:
        if key not in {*_HEADER, *_MAY_BE_IN_HEADER, *SECTIONS}:
            yield f"'{key}' is not a section"
    for key in ("documents", "absent", *SECTIONS):
        if not isinstance(pack.get(key, {}), Mapping):
            yield f"'{key}' must be a section, [{key}]"
    days = [pack.get("effective_from"), pack.get("effective_to")]
    if "effective_from" in pack and "effective_to" in pack:
        if not all(type(day) is date for day in days):
            yield "'effective_from' and 'effective_to' must be dates"
        elif pack["effective_to"] < pack["effective_from"]:
            yield "'effective_to' is before 'effective_from'"
    if "scheme_year" in pack and not _SCHEME_YEAR.fullmatch(str(pack["scheme_year"])):
        yield f"'scheme_year' must be a year such as 2025-26, not '{pack['scheme_year']}'"
    if "status" in pack and pack["status"] not in STATUSES:
        yield f"'status' must be one of {', '.join(STATUSES)}, not '{pack['status']}'"
    notes = pack.get("notes", [])
    if not isinstance(notes, list) or any(type(note) is not str for note in notes):
        yield "'notes' must be a list of sentences"


def _document_faults(documents: Mapping[str, Any]) -> Iterator[str]:
    for name, document in documents.items():
        if not isinstance(document, Mapping):
            yield f"'documents.{name}' must be a section, [documents.{name}]"
            continue
        if type(document.get("published_on")) is not date:
            yield f"'documents.{name}' has no 'published_on' that is a date"


def _absent(pack: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Why each parameter that the pack leaves out is left out; a section stands for all of its."""
    absent: dict[str, str] = {}
    faults = []
    for key, reason in _flat(pack.get("absent", {})):
        paths = [path for path in PARAMETERS if path == key or path.partition(".")[0] == key]
        if not paths:
            faults.append(f"'{key}' under [absent] is not a parameter")
        elif key.partition(".")[0] in NEEDED_EVERY_YEAR:
            faults.append(f"'{key}' may not be absent: no record can be priced without it")
        else:
            if not isinstance(reason, str) or not reason.strip():
                faults.append(f"'{key}' under [absent] has no reason")
            for path in paths:
                if path in absent:
                    faults.append(f"'{path}' is under [absent] twice")
                absent[path] = f"'{path}' of {pack['scheme_year']} is not given: {reason}"
    return absent, faults


def _flat(given: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of a table by their full names, whether or not its keys were in quotes."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _versions(
    path: str, given: Any, wanted: Any, documents: Mapping[str, Any], year: tuple[date, date]
) -> tuple[Parameter, ...]:
    """Every version of a parameter, in the order in which one takes the place of another."""
    if not given:
        raise SchemePackError([f"'{path}' has no value"])
    if not isinstance(given, list) or not all(isinstance(v, Mapping) for v in given):
        raise SchemePackError([f"'{path}' must be given under [[{path}]]"])
    faults = [fault for version in given for fault in _version_faults(path, version, documents)]
    if faults:
        raise SchemePackError(faults)
    starts, ends = year
    if min(version["effective_from"] for version in given) > starts:
        faults.append(f"'{path}' has no value in effect on {_day(starts)}, when the year begins")
    faults += [
        f"'{path}' has a value that takes effect on {_day(v['effective_from'])}, after the year"
        for v in given
        if v["effective_from"] > ends
    ]
    made: dict[tuple[date, date], Parameter] = {}
    for version in given:
        place = (version["effective_from"], version["published_on"])
        if place in made:
            faults.append(
                f"'{path}' has two values in effect from {_day(place[0])} and published on "
                f"{_day(place[1])}"
            )
        try:
            value = (
                TABLES[wanted](path, version, documents)
                if wanted in TABLES
                else _typed(path, version["value"], wanted)
            )
        except SchemePackError as error:
            faults += error.faults
            continue
        made[place] = Parameter(
            path=path,
            says=version["says"],
            value=value,
            unit=version["unit"],
            effective_from=version["effective_from"],
            published_on=version["published_on"],
            citation=citation(version, documents),
            basis=version["basis"],
        )
    if faults:
        raise SchemePackError(faults)
    return tuple(made[place] for place in sorted(made))


def _version_faults(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> Iterator[str]:
    for key in _VERSION_KEYS:
        if key not in version:
            yield f"'{path}' has no '{key}'"
    for key in version:
        if key not in {*_VERSION_KEYS, *_MAY_BE_IN_VERSION}:
            yield f"'{path}' has a '{key}', which no value has"
    if version.get("basis", "cited") not in BASES:
        yield f"'{path}' has basis '{version['basis']}', not one of {', '.join(BASES)}"
    if version.get("basis") == "cited" and not version.get("paragraph"):
        yield f"'{path}' is cited but names no paragraph"
    for key in ("document", "reported_in"):
        if key in version and "title" not in documents.get(version[key], {}):
            yield f"'{path}' cites '{version[key]}', which has no title under [documents]"
    for key in ("effective_from", "published_on"):
        if key in version and type(version[key]) is not date:
            yield f"'{path}' has a '{key}' that is not a date"
    document = documents.get(str(version.get("document")), {}).get("published_on")
    published = version.get("published_on")
    if type(document) is date and type(published) is date and published < document:
        yield (
            f"'{path}' is said to be published on {_day(published)}, before the document it "
            f"cites, which is of {_day(document)}"
        )


def _typed(path: str, value: Any, wanted: Any) -> Any:
    """`value` as the parameter wants it: lists become tuples, all else must match exactly."""
    if wanted in (int, str, bool, date):
        if type(value) is not wanted:
            raise SchemePackError([f"'{path}' must be {wanted.__name__}, not {value!r}"])
        _refuse_out_of_range(path, [value])
        return value
    entries = list(value.values()) if isinstance(value, dict) else value
    kind = get_args(wanted)[1] if get_origin(wanted) is Mapping else str
    words = "numbers" if kind is int else "text"
    is_filled = bool(entries) or path in _MAY_BE_EMPTY
    if (
        not isinstance(entries, list)
        or not is_filled
        or any(type(entry) is not kind for entry in entries)
    ):
        raise SchemePackError([f"'{path}' must be a list or table of {words}, not {value!r}"])
    if isinstance(value, dict) != (get_origin(wanted) is Mapping):
        raise SchemePackError([f"'{path}' must be {wanted}, not {value!r}"])
    if len({*entries}) < len(entries) and not isinstance(value, dict):
        raise SchemePackError([f"'{path}' says something twice"])
    _refuse_out_of_range(path, entries)
    return dict(value) if isinstance(value, dict) else tuple(value)


def _contract_line_faults(versions: Mapping[str, tuple[Parameter, ...]]) -> Iterator[str]:
    """What does not go together in the table of contract lines and the rest of the pack."""
    path = "contract_lines.table"
    adjusts = {version.value for version in versions.get("cquin.adjusts_payment", ())}
    for rows in (version.value for version in versions.get(path, ())):
        for row in rows:
            if row.rate is not None and PARAMETERS.get(row.rate) is not int:
                yield f"'{path}' has '{row.line}' at '{row.rate}', which is no number of a pack"
            elif row.rate is not None and row.rate not in versions:
                yield f"'{path}' has '{row.line}' at '{row.rate}', which the pack does not give"
            if row.line == CQUIN and (row.pays == SHORTFALL) not in adjusts:
                yield f"'{path}' has '{row.line}' pay by '{row.pays}', not as 'cquin' says"
        for section, mechanism in CONTRACT_SECTIONS.items():
            wanted = _points_of_delivery(mechanism, versions)
            named = {row.line for row in rows if row.section == section and row.source == LINES}
            for code in sorted(wanted - named):
                yield f"'{path}' has no '{code}' of '{section}', which lines may be counted under"
            for code in sorted(named - wanted):
                yield f"'{path}' has '{code}' of '{section}', which no line is counted under"


def _worksheet_faults(versions: Mapping[str, tuple[Parameter, ...]]) -> Iterator[str]:
    """What does not go together in the worksheet of the fixed element and the rest of the pack.

    The CNST rates of a net uplift may be left out of the pack: the parties then give them.
    """
    path = "fixed_element.worksheet"
    pro_rata = {v.value for v in versions.get("fixed_element.is_pro_rata_in_part_year", ())}
    for row in (row for version in versions.get(path, ()) for row in version.value):
        if row.shape == PART_YEAR and pro_rata != {True}:
            yield f"'{path}' has '{row.item}', and the year is not said to be pro rata"
        for place, rate in enumerate(row.rates):
            if PARAMETERS.get(rate) is not int:
                yield f"'{path}' has '{row.item}' at '{rate}', which is no number of a pack"
            elif rate not in versions and place < _FACTORS_OF_UPLIFT:
                yield f"'{path}' has '{row.item}' at '{rate}', which the pack does not give"
        if row.payers is not None and row.payers not in versions:
            yield f"'{path}' has '{row.item}' for '{row.payers}', which the pack does not give"


def _points_of_delivery(mechanism: str, versions: Mapping[str, tuple[Parameter, ...]]) -> set[str]:
    """Every point of delivery that a line under a mechanism may have."""

    def of(path: str) -> list[Any]:
        return [version.value for version in versions.get(path, ())]

    blended = {code for codes in of("mechanism.blended_points_of_delivery") for code in codes}
    elective = {code for codes in of("elective_scope.points_of_delivery") for code in codes}
    elective.add(OUTPATIENT_PROCEDURE)
    if any(of("elective_scope.includes_first_attendances")):
        elective.update(FIRST_ATTENDANCES)
    services = {
        name
        for by_service in of("services.mechanism_by_service")
        for name, its_own in by_service.items()
        if its_own == mechanism
    }
    unbundled = {
        _of_longest_prefix(prefix, codes)
        for named in of("services.service_by_hrg_prefix")
        for prefix, name in named.items()
        if name in services
        for codes in of("services.point_of_delivery_by_hrg_prefix")
    }
    return (blended if mechanism == "api_blended" else elective) | unbundled


def _of_longest_prefix(hrg: str, codes: Mapping[str, str]) -> str:
    fitting = sorted((prefix for prefix in codes if hrg.startswith(prefix)), key=len)
    return codes[fitting[-1]] if fitting else UNBUNDLED_OTHER


def _refuse_out_of_range(path: str, values: Sequence[Any]) -> None:
    name = path.partition(".")[2]
    low, high = _BETWEEN.get(path) or _BETWEEN.get(name.rpartition("_")[2], (0, 1_000_000))
    faults = []
    for value in values:
        if type(value) is int and not low <= value <= high:
            faults.append(f"'{path}' must be from {low:,} to {high:,}, not {value:,}")
        if path in _ONE_OF and value not in _ONE_OF[path]:
            faults.append(f"'{path}' must be one of {', '.join(_ONE_OF[path])}, not '{value}'")
    if faults:
        raise SchemePackError(faults)


def _of(section: str, found: Mapping[str, Any], take: Any) -> dict[str, Any]:
    """What is found for the parameters of a section, by their short names."""
    start = f"{section}."
    return {path[len(start) :]: take(v) for path, v in found.items() if path.startswith(start)}


def _in_short(unknown: list[str]) -> list[str]:
    """The first of many like faults, and how many more there are."""
    more = len(unknown) - 1
    return [unknown[0]] if not more else [f"{unknown[0]} (and so for {more} more)"]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
