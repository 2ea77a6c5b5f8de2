"""A scheme year's rules as values: what a scheme pack must hold, and reading one whole.

Belongs here: the parameters the rules take, grouped as in the pack, and the check that a
pack gives every one of them, dated, cited and of the right type. Does not belong here:
the values (`data/schemes/`), files (`pipelines.scheme_packs`), or the rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, get_type_hints

BASES = ("cited", "local", "assumed")


class SchemePackError(ValueError):
    """A scheme pack that cannot be used; `faults` lists everything wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Rounding:
    """How an amount is rounded, once, after every factor."""

    quantum_pence: int


@dataclass(frozen=True, slots=True)
class Spells:
    """How a spell is classified."""

    elective_admission_methods: tuple[str, ...]
    emergency_admission_methods: tuple[str, ...]
    day_case_classification: str
    regular_day_classification: str
    regular_night_classification: str


@dataclass(frozen=True, slots=True)
class ShortStayEmergency:
    """Which emergency spells take the reduced short stay price."""

    minimum_age_years: int
    maximum_stay_days: int


@dataclass(frozen=True, slots=True)
class Attendances:
    """How an outpatient attendance is classified, and which price column it takes."""

    attended_codes: tuple[str, ...]
    administrative_event_code: str
    attendance_hrg_by_first_attendance: Mapping[str, str]
    price_column_by_attendance_hrg: Mapping[str, str]
    first_attendance_hrgs: tuple[str, ...]
    not_face_to_face_hrgs: tuple[str, ...]
    multi_professional_hrgs: tuple[str, ...]
    not_consultant_led_main_specialties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NationalPrice:
    """Which records have no national price whatever their HRG."""

    ungroupable_hrgs: tuple[str, ...]
    excluded_spell_in_pbr_code: str
    provider_excluded_agreement_suffix: str


@dataclass(frozen=True, slots=True)
class EvidenceBasedInterventions:
    """Which spells have a zero price without prior approval."""

    category: str
    types: tuple[str, ...]
    zero_price_is_in_activity_target: bool


@dataclass(frozen=True, slots=True)
class ElectiveScope:
    """What the elective variable element pays for."""

    points_of_delivery: tuple[str, ...]
    excluded_treatment_function_codes: tuple[str, ...]
    termination_of_pregnancy_hrgs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariableElement:
    """At what rate elective activity is paid."""

    rate_ppm: int


@dataclass(frozen=True, slots=True)
class LowVolume:
    """What is outside an LVA block even for a listed pair."""

    provider_kinds_outside: tuple[str, ...]
    out_of_area_treatment_function_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Who may be paid by which mechanism."""

    nhs_provider_kinds: tuple[str, ...]
    low_volume_commissioner_kinds: tuple[str, ...]
    private_patient_categories: tuple[str, ...]
    other_categories_outside_scheme: tuple[str, ...]


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
    """The rules of one scheme year, as in force on one day."""

    scheme_year: str
    title: str
    status: str
    effective_from: date
    effective_to: date
    rounding: Rounding
    spells: Spells
    short_stay_emergency: ShortStayEmergency
    attendances: Attendances
    national_price: NationalPrice
    evidence_based_interventions: EvidenceBasedInterventions
    elective_scope: ElectiveScope
    variable_element: VariableElement
    low_volume: LowVolume
    mechanism: Mechanism
    parameters: Mapping[str, Parameter]

    def citation(self, path: str) -> str:
        """The document and paragraph a parameter rests on, or that it is assumed."""
        return self.parameters[path].citation


SECTIONS: dict[str, type] = {
    "rounding": Rounding,
    "spells": Spells,
    "short_stay_emergency": ShortStayEmergency,
    "attendances": Attendances,
    "national_price": NationalPrice,
    "evidence_based_interventions": EvidenceBasedInterventions,
    "elective_scope": ElectiveScope,
    "variable_element": VariableElement,
    "low_volume": LowVolume,
    "mechanism": Mechanism,
}
_HEADER = ("scheme_year", "title", "status", "effective_from", "effective_to", "documents")
_PARAMETER_KEYS = ("says", "value", "unit", "effective_from", "published_on", "document", "basis")
_BETWEEN = {"rounding.quantum_pence": (1, 100), "variable_element.rate_ppm": (0, 2_000_000)}
_ANY_NUMBER = (0, 1_000_000)


def read_scheme(pack: Mapping[str, Any], on: date) -> Scheme:
    """The scheme that `pack` (a parsed TOML document) gives for activity on a day.

    Of the values in effect on that day the last in effect, and of those the last
    published, is taken. Raises `SchemePackError` with every fault of the whole pack.
    """
    faults = [f"'{key}' is missing" for key in _HEADER if key not in pack]
    faults += [f"'{key}' is not a section" for key in pack if key not in {*_HEADER, *SECTIONS}]
    faults += [
        f"'{key}' must be a section, [{key}]"
        for key in ("documents", *SECTIONS)
        if not isinstance(pack.get(key, {}), Mapping)
    ]
    if faults:
        raise SchemePackError(faults)
    sections: dict[str, Any] = {}
    parameters: dict[str, Parameter] = {}
    for name, section in SECTIONS.items():
        values: dict[str, Any] = {}
        given = pack.get(name, {})
        faults += [
            f"'{name}.{key}' is not a parameter"
            for key in given
            if key not in {field.name for field in fields(section)}
        ]
        for key, wanted in get_type_hints(section).items():
            path = f"{name}.{key}"
            try:
                parameters[path] = _in_force(path, given.get(key), pack["documents"], on)
                values[key] = _typed(path, parameters[path].value, wanted)
            except SchemePackError as error:
                faults += error.faults
        if len(values) == len(fields(section)):
            sections[name] = section(**values)
    if faults:
        raise SchemePackError(faults)
    return Scheme(
        **{key: pack[key] for key in _HEADER if key != "documents"},
        **sections,
        parameters=parameters,
    )


def _in_force(path: str, versions: Any, documents: Mapping[str, Any], on: date) -> Parameter:
    if not versions:
        raise SchemePackError([f"'{path}' has no value"])
    if not isinstance(versions, list) or not all(isinstance(v, Mapping) for v in versions):
        raise SchemePackError([f"'{path}' must be given under [[{path}]]"])
    faults = [fault for version in versions for fault in _version_faults(path, version, documents)]
    if faults:
        raise SchemePackError(faults)
    in_effect = [version for version in versions if version["effective_from"] <= on]
    if not in_effect:
        raise SchemePackError([f"'{path}' has no value in effect on {on.day} {on:%B %Y}"])
    latest = max(in_effect, key=lambda v: (v["effective_from"], v["published_on"]))
    return Parameter(
        path=path,
        citation=_citation(latest, documents),
        **{key: latest[key] for key in _PARAMETER_KEYS if key != "document"},
    )


def _version_faults(
    path: str, version: Mapping[str, Any], documents: Mapping[str, Any]
) -> Iterator[str]:
    for key in _PARAMETER_KEYS:
        if key not in version:
            yield f"'{path}' has no '{key}'"
    if version.get("basis", "cited") not in BASES:
        yield f"'{path}' has basis '{version['basis']}', not one of {', '.join(BASES)}"
    if version.get("basis") == "cited" and not version.get("paragraph"):
        yield f"'{path}' is cited but names no paragraph"
    if "document" in version and "title" not in documents.get(version["document"], {}):
        yield f"'{path}' cites '{version['document']}', which has no title under [documents]"
    for key in ("effective_from", "published_on"):
        if key in version and type(version[key]) is not date:
            yield f"'{path}' has a '{key}' that is not a date"


def _citation(version: Mapping[str, Any], documents: Mapping[str, Any]) -> str:
    document = documents[version["document"]]
    title = str(document.get("short_title", document["title"]))
    paragraph = version.get("paragraph", "")
    place = f" ¶{paragraph}" if paragraph[:1].isdigit() else f" {paragraph}" if paragraph else ""
    assumed = "assumed: " if version["basis"] == "assumed" else ""
    return f"{assumed}{title}{place}"


def _typed(path: str, value: Any, wanted: Any) -> Any:
    """`value` as the field wants it: lists become tuples, all else must match exactly."""
    if wanted in (int, str, bool):
        if type(value) is not wanted:
            raise SchemePackError([f"'{path}' must be {wanted.__name__}, not {value!r}"])
        low, high = _BETWEEN.get(path, _ANY_NUMBER)
        if wanted is int and not low <= value <= high:
            raise SchemePackError([f"'{path}' must be from {low:,} to {high:,}, not {value:,}"])
        return value
    texts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(texts, list) or not texts or any(type(text) is not str for text in texts):
        raise SchemePackError([f"'{path}' must be a list or table of text, not {value!r}"])
    if isinstance(value, dict) != (wanted == Mapping[str, str]):
        raise SchemePackError([f"'{path}' must be {wanted}, not {value!r}"])
    return dict(value) if isinstance(value, dict) else tuple(value)
