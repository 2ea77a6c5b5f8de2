"""Delivered CSV text to record dicts, or to the codes for which a row is refused.

What belongs here: header matching, the trimming and parsing of single values, every record rule,
supersession across the deliveries of a cut, and the month in which a row is filed.
What does not: any price or organisation lookup (`pricing.py`), any price book (`books.py`).

No policy paragraph governs these rules: they say which rows can be read at all.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TypedDict

Fields = dict[str, str | None]
"""One delivered row: our column names, trimmed text, None for blank."""

EARLIEST_COSTING_DATE = date(2018, 4, 1)
LONGEST_STAY_DAYS = 36525
OLDEST_AGE_YEARS = 130

ADMINISTRATIVE_CATEGORIES = ("01", "02", "03", "04", "98", "99")
SPELL_IN_PBR_CODES = ("0", "1", "2")
ELECTIVE_METHODS = ("11", "12", "13")
EMERGENCY_METHODS = ("21", "22", "23", "24", "25", "28", "2A", "2B", "2C", "2D")
OTHER_METHODS = ("31", "32", "81", "82", "83")
ADMISSION_METHODS = ELECTIVE_METHODS + EMERGENCY_METHODS + OTHER_METHODS
PATIENT_CLASSIFICATIONS = ("1", "2", "3", "4", "5")
ATTENDED_CODES = ("0", "2", "3", "4", "5", "6", "7")
SEEN_CODES = ("5", "6")
FIRST_ATTENDANCE_CODES = ("1", "2", "3", "4", "5")
ADMINISTRATIVE_EVENT = "5"

SPELL_HEADERS = {
    "Spell Identifier": "record_id",
    "Organisation Code (Code Of Provider)": "organisation_code_of_provider",
    "Provider Site Code": "provider_site_code",
    "Organisation Code (Code Of Commissioner)": "organisation_code_of_commissioner",
    "Derived Commissioner": "derived_commissioner_code",
    "Commissioner Serial No (Agreement No)": "agreement_serial_number",
    "Administrative Category (On Admission)": "administrative_category_code",
    "Patient Classification": "patient_classification_code",
    "Admission Method (Hospital Provider Spell)": "admission_method_code",
    "Start Date (Hospital Provider Spell)": "start_date",
    "End Date (Hospital Provider Spell)": "end_date",
    "Length Of Stay (Hospital Provider Spell)": "length_of_stay_days",
    "PbR Final Adjusted Length Of Stay": "adjusted_length_of_stay_days",
    "Spell ACC Length Of Stay": "adult_critical_care_days",
    "Spell NCC Length Of Stay": "neonatal_critical_care_days",
    "Spell PCC Length Of Stay": "paediatric_critical_care_days",
    "Age At Start Of Spell": "age_years",
    "Spell In PbR/Not In PbR": "spell_in_pbr_code",
    "Main Specialty Code": "main_specialty_code",
    "Treatment Function Code": "treatment_function_code",
    "Spell Exclusion Reason": "exclusion_reason_code",
    "Spell Core HRG": "hrg_code",
    "Evidence Based Intervention Category": "ebi_category_code",
    "Evidence Based Intervention Type": "ebi_type_code",
    "Tariff Initial Amount National": "sus_initial_pence",
    "Aggregate UnBundled Adjustment National": "sus_unbundled_pence",
    "Tariff Pre MFF Adjusted National": "sus_pre_mff_pence",
    "MFF Adjustment": "sus_mff_pence",
    "PbR Final Tariff": "sus_price_pence",
    "Tariff Service Adjustment National": "sus_top_up_pence",
    "Tariff Long Stay Payment National": "sus_long_stay_pence",
    "Open Spell Indicator": "open_spell_indicator",
    "Query Date": "query_timestamp",
}

ATTENDANCE_HEADERS = {
    "Generated Record ID": "record_id",
    "Organisation Code (Code Of Provider)": "organisation_code_of_provider",
    "Provider Site Code": "provider_site_code",
    "Organisation Code (Code Of Commissioner)": "organisation_code_of_commissioner",
    "Derived Commissioner": "derived_commissioner_code",
    "Commissioning Serial No (Agreement No)": "agreement_serial_number",
    "Administrative Category": "administrative_category_code",
    "Attended Or Did Not Attend": "attended_or_did_not_attend_code",
    "First Attendance": "first_attendance_code",
    "Appointment Date": "appointment_date",
    "Spell In PbR/Not In PbR": "spell_in_pbr_code",
    "Main Specialty Code": "main_specialty_code",
    "Treatment Function Code": "treatment_function_code",
    "Exclusion Reason": "exclusion_reason_code",
    "Core HRG": "hrg_code",
    "Tariff Initial Amount National": "sus_initial_pence",
    "Aggregate UnBundled Adjustment National": "sus_unbundled_pence",
    "Tariff Pre MFF Adjusted National": "sus_pre_mff_pence",
    "MFF Adjustment": "sus_mff_pence",
    "PbR Final Tariff": "sus_price_pence",
    "Query Date": "query_timestamp",
}

# Columns of ours that several delivered ones make up: what they hold, a blank between two.
UNBUNDLED_HRG_HEADERS = tuple(f"Unbundled HRG {place}" for place in range(1, 13))
JOINED_HEADERS = {
    "apc": {
        "unbundled_hrg_codes": UNBUNDLED_HRG_HEADERS,
        "best_practice_flags": tuple(f"BPT Indicator {place}" for place in range(1, 6)),
        "specialised_service_codes": (
            "Significant Specialised Service Code",
            *(f"Specialised Service Code {place}" for place in range(1, 6)),
        ),
    },
    "op": {"unbundled_hrg_codes": UNBUNDLED_HRG_HEADERS},
}
SUS_AMOUNTS = (
    "sus_initial_pence",
    "sus_unbundled_pence",
    "sus_pre_mff_pence",
    "sus_mff_pence",
    "sus_price_pence",
    "sus_top_up_pence",
    "sus_long_stay_pence",
)
CRITICAL_CARE_DAYS = (
    "adult_critical_care_days",
    "neonatal_critical_care_days",
    "paediatric_critical_care_days",
)

HEADERS = {"apc": SPELL_HEADERS, "op": ATTENDANCE_HEADERS}
COSTING_DATE_COLUMN = {"apc": "end_date", "op": "appointment_date"}

HRG_FORM = r"[A-Z]{2}[0-9]{2}[A-Z]"
FLAG_FORM = r"[A-Z0-9]{1,10}"

# Only the "plus" extracts carry it, as their last column.
OPTIONAL_HEADERS = ("Open Spell Indicator",)

PADDED_TO_TWO = ("administrative_category_code",)
LEADING_ZEROS_REMOVED = (
    "patient_classification_code",
    "ebi_category_code",
    "attended_or_did_not_attend_code",
    "first_attendance_code",
)


class SpellRecord(TypedDict):
    """An admitted patient care spell that passed every record rule.

    The last column is of the supplementary extract, and None where none came.
    """

    record_id: str
    dataset: str
    activity_month: str
    cut: str
    organisation_code_of_provider: str
    provider_site_code: str | None
    organisation_code_of_commissioner: str | None
    derived_commissioner_code: str | None
    agreement_serial_number: str | None
    administrative_category_code: str | None
    patient_classification_code: str
    admission_method_code: str
    start_date: date
    end_date: date
    length_of_stay_days: int
    adjusted_length_of_stay_days: int | None
    adult_critical_care_days: int | None
    neonatal_critical_care_days: int | None
    paediatric_critical_care_days: int | None
    age_years: int
    spell_in_pbr_code: str
    main_specialty_code: str | None
    treatment_function_code: str
    hrg_code: str
    exclusion_reason_code: str | None
    unbundled_hrg_codes: str | None
    best_practice_flags: str | None
    specialised_service_codes: str | None
    ebi_category_code: str | None
    ebi_type_code: str | None
    sus_initial_pence: int | None
    sus_unbundled_pence: int | None
    sus_pre_mff_pence: int | None
    sus_mff_pence: int | None
    sus_price_pence: int | None
    sus_top_up_pence: int | None
    sus_long_stay_pence: int | None
    open_spell_indicator: str | None
    query_timestamp: str
    overseas_visitor_code: str | None


class AttendanceRecord(TypedDict):
    """An outpatient attendance that passed every record rule.

    The last columns are of the supplementary extract, and None where none came.
    """

    record_id: str
    dataset: str
    activity_month: str
    cut: str
    organisation_code_of_provider: str
    provider_site_code: str | None
    organisation_code_of_commissioner: str | None
    derived_commissioner_code: str | None
    agreement_serial_number: str | None
    administrative_category_code: str | None
    attended_or_did_not_attend_code: str
    first_attendance_code: str
    appointment_date: date
    spell_in_pbr_code: str
    main_specialty_code: str | None
    treatment_function_code: str
    hrg_code: str | None
    exclusion_reason_code: str | None
    unbundled_hrg_codes: str | None
    sus_initial_pence: int | None
    sus_unbundled_pence: int | None
    sus_pre_mff_pence: int | None
    sus_mff_pence: int | None
    sus_price_pence: int | None
    query_timestamp: str
    multi_professional_code: str | None
    consultation_medium_code: str | None
    overseas_visitor_code: str | None


class DeliveryError(ValueError):
    """The file itself cannot be read, so none of its rows can."""


@dataclass
class DeliveredRow:
    """One data row of one delivery, with all the reasons to refuse it."""

    delivery: str
    cut: str
    dataset: str
    row_number: int
    fields: Fields
    codes: list[str]
    month: str = ""
    supplement: Fields = field(default_factory=dict)


# --- single values -----------------------------------------------------------------------------


def blank_to_none(text: str) -> str | None:
    """Trim; what is then empty is None.

    >>> blank_to_none("  QHM "), blank_to_none("   ")
    ('QHM', None)
    """
    trimmed = text.strip()
    return trimmed if trimmed else None


def pad_to_two(text: str) -> str:
    """Administrative categories are delivered as `1` and as `01`.

    >>> pad_to_two("1"), pad_to_two("01")
    ('01', '01')
    """
    return text.rjust(2, "0")


def without_leading_zeros(text: str) -> str:
    """Single-figure codes are delivered as `5` and as `05`; `0` and `00` are both `0`.

    >>> without_leading_zeros("05"), without_leading_zeros("00")
    ('5', '0')
    """
    return text.lstrip("0") or "0"


def parse_date(text: str) -> date | None:
    """CCYYMMDD or CCYY-MM-DD, and a day that exists; otherwise None.

    >>> parse_date("20240229"), parse_date("2024-02-30"), parse_date("01/02/2024")
    (datetime.date(2024, 2, 29), None, None)
    """
    digits = text.replace("-", "")
    if re.fullmatch(r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        return None
    try:
        return date(int(digits[0:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def parse_int(text: str) -> int | None:
    """A whole number of at most 18 figures, with or without a minus sign; otherwise None.

    >>> parse_int("12"), parse_int("-1"), parse_int("1.0"), parse_int("+1"), parse_int("9" * 19)
    (12, -1, None, None, None)
    """
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def parse_money(text: str) -> int | None:
    """Pounds, of at most ten figures and one or two decimals or none, to pence; otherwise None.

    >>> parse_money("12"), parse_money("-12.5"), parse_money("0.05"), parse_money("1,200")
    (1200, -1250, 5, None)
    """
    if re.fullmatch(r"-?[0-9]{1,10}(\.[0-9]{1,2})?", text) is None:
        return None
    whole, _, decimals = text.lstrip("-").partition(".")
    pence = int(whole) * 100 + int(decimals.ljust(2, "0"))
    return -pence if text.startswith("-") else pence


def is_query_timestamp(text: str | None) -> bool:
    """Fourteen digits, CCYYMMDDhhmmss, of a day that exists; the time of day is not looked at."""
    if text is None or re.fullmatch(r"[0-9]{14}", text) is None:
        return False
    return parse_date(text[:8]) is not None


def clean(column: str, text: str) -> str | None:
    """One delivered value as its column holds it.

    Capitals are not supplied: a code in small letters is no code of the NHS Data Dictionary.
    """
    value = blank_to_none(text)
    if value is None:
        return None
    if column in PADDED_TO_TWO:
        value = pad_to_two(value)
    if column in LEADING_ZEROS_REMOVED:
        value = without_leading_zeros(value)
    return value


def date_in(fields: Fields, column: str) -> date | None:
    """The date in a column; None if blank or not a date."""
    text = fields[column]
    return None if text is None else parse_date(text)


def int_in(fields: Fields, column: str) -> int | None:
    """The whole number in a column; None if blank or not a whole number."""
    text = fields[column]
    return None if text is None else parse_int(text)


def codes_malformed(fields: Fields, column: str, form: str, code: str) -> list[str]:
    """The code of a column of several codes, where one of them is not of their form."""
    codes = fields[column]
    if codes is None or all(re.fullmatch(form, each) for each in codes.split(" ")):
        return []
    return [code]


# --- record rules for both datasets ------------------------------------------------------------


def rule_record_id(fields: Fields) -> list[str]:
    """Every record has an identifier."""
    return ["RECORD_ID_MISSING"] if fields["record_id"] is None else []


def rule_provider(fields: Fields) -> list[str]:
    """Every record has a provider."""
    return ["PROVIDER_MISSING"] if fields["organisation_code_of_provider"] is None else []


def rule_commissioner(fields: Fields) -> list[str]:
    """Every record has a commissioner, derived or as sent."""
    derived = fields["derived_commissioner_code"]
    as_sent = fields["organisation_code_of_commissioner"]
    return ["COMMISSIONER_MISSING"] if derived is None and as_sent is None else []


def rule_hrg_form(fields: Fields) -> list[str]:
    """An HRG, where given, is two letters, two digits and a letter."""
    hrg = fields["hrg_code"]
    if hrg is not None and re.fullmatch(HRG_FORM, hrg) is None:
        return ["HRG_MALFORMED"]
    return []


def rule_treatment_function(fields: Fields) -> list[str]:
    """A treatment function is three digits."""
    treatment_function = fields["treatment_function_code"]
    if treatment_function is None:
        return ["TREATMENT_FUNCTION_MISSING"]
    if re.fullmatch(r"[0-9]{3}", treatment_function) is None:
        return ["TREATMENT_FUNCTION_MALFORMED"]
    return []


def rule_administrative_category(fields: Fields) -> list[str]:
    """An administrative category may be blank, and is otherwise a known one."""
    category = fields["administrative_category_code"]
    if category is not None and category not in ADMINISTRATIVE_CATEGORIES:
        return ["ADMINISTRATIVE_CATEGORY_UNKNOWN"]
    return []


def rule_spell_in_pbr(fields: Fields) -> list[str]:
    """Every record says whether it is in (0), partly in (1) or out of (2) national prices."""
    known = fields["spell_in_pbr_code"] in SPELL_IN_PBR_CODES
    return [] if known else ["SPELL_IN_PBR_UNKNOWN"]


def rule_unbundled_hrgs(fields: Fields) -> list[str]:
    """Each unbundled HRG has the form of an HRG."""
    return codes_malformed(fields, "unbundled_hrg_codes", HRG_FORM, "UNBUNDLED_HRG_MALFORMED")


def rule_sus_prices(fields: Fields) -> list[str]:
    """Each amount SUS put on the record may be blank, and is otherwise pounds and pence."""
    texts = [fields.get(column) for column in SUS_AMOUNTS]
    if any(text is not None and parse_money(text) is None for text in texts):
        return ["SUS_PRICE_UNPARSEABLE"]
    return []


def rule_query_date(fields: Fields) -> list[str]:
    """Every record says when it was extracted."""
    return [] if is_query_timestamp(fields["query_timestamp"]) else ["QUERY_DATE_UNPARSEABLE"]


def rule_costing_date(fields: Fields, costing_date_column: str) -> list[str]:
    """The costing date is not before April 2018, nor after the day of extraction."""
    costing_date = date_in(fields, costing_date_column)
    if costing_date is None:
        return []
    query_timestamp = fields["query_timestamp"]
    too_early = costing_date < EARLIEST_COSTING_DATE
    too_late = False
    if query_timestamp is not None and is_query_timestamp(query_timestamp):
        too_late = costing_date.isoformat().replace("-", "") > query_timestamp[:8]
    return ["COSTING_DATE_OUT_OF_RANGE"] if too_early or too_late else []


# --- record rules for spells -------------------------------------------------------------------


def rule_spell_hrg(fields: Fields) -> list[str]:
    """Every spell is grouped."""
    return ["HRG_MISSING"] if fields["hrg_code"] is None else []


def rule_admission_method(fields: Fields) -> list[str]:
    """Every spell has a known admission method."""
    method = fields["admission_method_code"]
    if method is None:
        return ["ADMISSION_METHOD_MISSING"]
    return [] if method in ADMISSION_METHODS else ["ADMISSION_METHOD_UNKNOWN"]


def rule_patient_classification(fields: Fields) -> list[str]:
    """Every spell has a known patient classification."""
    classification = fields["patient_classification_code"]
    if classification is None:
        return ["PATIENT_CLASSIFICATION_MISSING"]
    if classification not in PATIENT_CLASSIFICATIONS:
        return ["PATIENT_CLASSIFICATION_UNKNOWN"]
    return []


def rule_start_date(fields: Fields) -> list[str]:
    """Every spell has a start date."""
    if fields["start_date"] is None:
        return ["START_DATE_MISSING"]
    return [] if date_in(fields, "start_date") is not None else ["START_DATE_UNPARSEABLE"]


def rule_end_date(fields: Fields) -> list[str]:
    """An end date, where given, is a date."""
    if fields["end_date"] is not None and date_in(fields, "end_date") is None:
        return ["END_DATE_UNPARSEABLE"]
    return []


def rule_open_spell(fields: Fields) -> list[str]:
    """A spell that is still open is not priced."""
    indicator = fields["open_spell_indicator"]
    marked_open = indicator is not None and indicator not in ("N", "0")
    return ["OPEN_SPELL"] if fields["end_date"] is None or marked_open else []


def rule_end_not_before_start(fields: Fields) -> list[str]:
    """A spell does not end before it starts."""
    start = date_in(fields, "start_date")
    end = date_in(fields, "end_date")
    if start is not None and end is not None and end < start:
        return ["END_BEFORE_START"]
    return []


def rule_length_of_stay(fields: Fields) -> list[str]:
    """Every spell has a length of stay, from 0 to 36,525 days."""
    if fields["length_of_stay_days"] is None:
        return ["LENGTH_OF_STAY_MISSING"]
    days = int_in(fields, "length_of_stay_days")
    if days is None:
        return ["LENGTH_OF_STAY_UNPARSEABLE"]
    return [] if 0 <= days <= LONGEST_STAY_DAYS else ["LENGTH_OF_STAY_OUT_OF_RANGE"]


def rule_adjusted_length_of_stay(fields: Fields) -> list[str]:
    """An adjusted length of stay may be blank, and is otherwise from 0 to 36,525 days."""
    if fields["adjusted_length_of_stay_days"] is None:
        return []
    days = int_in(fields, "adjusted_length_of_stay_days")
    if days is None:
        return ["ADJUSTED_LENGTH_OF_STAY_UNPARSEABLE"]
    return [] if 0 <= days <= LONGEST_STAY_DAYS else ["ADJUSTED_LENGTH_OF_STAY_OUT_OF_RANGE"]


def rule_critical_care_days(fields: Fields) -> list[str]:
    """Days of critical care may be blank, and are otherwise from 0 to 36,525."""
    codes: list[str] = []
    for column in CRITICAL_CARE_DAYS:
        if fields[column] is None:
            continue
        days = int_in(fields, column)
        if days is None:
            codes.append("CRITICAL_CARE_DAYS_UNPARSEABLE")
        elif not 0 <= days <= LONGEST_STAY_DAYS:
            codes.append("CRITICAL_CARE_DAYS_OUT_OF_RANGE")
    return sorted(set(codes))


def rule_best_practice_flags(fields: Fields) -> list[str]:
    """A best practice tariff indicator is capitals and digits."""
    return codes_malformed(fields, "best_practice_flags", FLAG_FORM, "BPT_INDICATOR_MALFORMED")


def rule_specialised_services(fields: Fields) -> list[str]:
    """A specialised service code is capitals and digits."""
    return codes_malformed(
        fields, "specialised_service_codes", FLAG_FORM, "SPECIALISED_SERVICE_MALFORMED"
    )


def rule_age(fields: Fields) -> list[str]:
    """Every spell has an age, from 0 to 130 years."""
    if fields["age_years"] is None:
        return ["AGE_MISSING"]
    years = int_in(fields, "age_years")
    if years is None:
        return ["AGE_UNPARSEABLE"]
    return [] if 0 <= years <= OLDEST_AGE_YEARS else ["AGE_OUT_OF_RANGE"]


def rule_ebi_category(fields: Fields) -> list[str]:
    """An EBI category is 1 or 2 where given, and it is given with a type (2023/25 ¶38, ¶42)."""
    category = fields["ebi_category_code"]
    if category is None:
        return ["EBI_CATEGORY_UNKNOWN"] if fields["ebi_type_code"] is not None else []
    return [] if category in ("1", "2") else ["EBI_CATEGORY_UNKNOWN"]


def rule_ebi_type(fields: Fields) -> list[str]:
    """A category 1 intervention says which it is, by a letter and an underscore (2023/25 ¶42)."""
    if fields["ebi_category_code"] != "1":
        return []
    ebi_type = fields["ebi_type_code"]
    if ebi_type is None or re.match(r"[A-Z]_", ebi_type) is None:
        return ["EBI_TYPE_UNKNOWN"]
    return []


# --- record rules for attendances --------------------------------------------------------------


def rule_attendance_hrg(fields: Fields) -> list[str]:
    """An attendance that took place, and was no administrative event, is grouped."""
    was_seen = fields["attended_or_did_not_attend_code"] in SEEN_CODES
    is_event = fields["first_attendance_code"] == ADMINISTRATIVE_EVENT
    if was_seen and not is_event and fields["hrg_code"] is None:
        return ["HRG_MISSING"]
    return []


def rule_attended(fields: Fields) -> list[str]:
    """Every attendance says whether the patient was seen."""
    attended = fields["attended_or_did_not_attend_code"]
    if attended is None:
        return ["ATTENDED_MISSING"]
    return [] if attended in ATTENDED_CODES else ["ATTENDED_UNKNOWN"]


def rule_first_attendance(fields: Fields) -> list[str]:
    """Every attendance says whether it is a first or a follow-up."""
    first_attendance = fields["first_attendance_code"]
    if first_attendance is None:
        return ["FIRST_ATTENDANCE_MISSING"]
    return [] if first_attendance in FIRST_ATTENDANCE_CODES else ["FIRST_ATTENDANCE_UNKNOWN"]


def rule_appointment_date(fields: Fields) -> list[str]:
    """Every attendance has a date."""
    if fields["appointment_date"] is None:
        return ["APPOINTMENT_DATE_MISSING"]
    if date_in(fields, "appointment_date") is None:
        return ["APPOINTMENT_DATE_UNPARSEABLE"]
    return []


RULES_FOR_BOTH = (
    rule_record_id,
    rule_provider,
    rule_commissioner,
    rule_hrg_form,
    rule_treatment_function,
    rule_administrative_category,
    rule_spell_in_pbr,
    rule_unbundled_hrgs,
    rule_sus_prices,
    rule_query_date,
)

RULES_FOR_SPELLS = (
    rule_spell_hrg,
    rule_admission_method,
    rule_patient_classification,
    rule_start_date,
    rule_end_date,
    rule_open_spell,
    rule_end_not_before_start,
    rule_length_of_stay,
    rule_adjusted_length_of_stay,
    rule_critical_care_days,
    rule_best_practice_flags,
    rule_specialised_services,
    rule_age,
    rule_ebi_category,
    rule_ebi_type,
)

RULES_FOR_ATTENDANCES = (
    rule_attendance_hrg,
    rule_attended,
    rule_first_attendance,
    rule_appointment_date,
)

RULES = {
    "apc": RULES_FOR_BOTH + RULES_FOR_SPELLS,
    "op": RULES_FOR_BOTH + RULES_FOR_ATTENDANCES,
}


def record_codes(fields: Fields, dataset: str) -> list[str]:
    """All codes for which the row alone is refused; supersession needs the other rows too."""
    codes: list[str] = []
    for rule in RULES[dataset]:
        codes += rule(fields)
    codes += rule_costing_date(fields, COSTING_DATE_COLUMN[dataset])
    return codes


def record_warnings(fields: Fields, dataset: str) -> list[str]:
    """What is counted and never refused."""
    warnings: list[str] = []
    if dataset == "apc":
        stay = int_in(fields, "length_of_stay_days")
        start = date_in(fields, "start_date")
        end = date_in(fields, "end_date")
        if (
            stay is not None
            and start is not None
            and end is not None
            and end - start != timedelta(days=stay)
        ):
            warnings.append("LENGTH_OF_STAY_DIFFERS")
        if fields["patient_classification_code"] == "2" and stay is not None and stay > 0:
            warnings.append("DAY_CASE_WITH_STAY")
    return warnings


# --- whole files -------------------------------------------------------------------------------


def header_positions(header: Sequence[str], names: Iterable[str]) -> dict[str, int]:
    """Where each column named stands; names match as spelt, but for case and outer blanks."""
    delivered = [name.strip().casefold() for name in header]
    positions: dict[str, int] = {}
    for name in names:
        count = delivered.count(name.casefold())
        if count > 1:
            raise DeliveryError(f"the header gives {name!r} {count} times")
        if count == 1:
            positions[name] = delivered.index(name.casefold())
        elif name not in OPTIONAL_HEADERS:
            raise DeliveryError(f"the header has no {name!r}")
    return positions


def joined(values: Iterable[str]) -> str | None:
    """What several columns hold, in order, a blank between two; None where they hold nothing.

    >>> joined(["SB12Z", "", " RD20A "]), joined(["", " "])
    ('SB12Z RD20A', None)
    """
    return blank_to_none(" ".join(" ".join(values).split()))


def fields_of(values: Sequence[str], positions: dict[str, int], dataset: str) -> Fields:
    """The columns of one delivered row as ours."""
    fields: Fields = {}
    for name, column in HEADERS[dataset].items():
        fields[column] = clean(column, values[positions[name]]) if name in positions else None
    for column, names in JOINED_HEADERS[dataset].items():
        fields[column] = joined(values[positions[name]] for name in names)
    return fields


def read_text(text: str, dataset: str, cut: str, delivery: str = "") -> list[DeliveredRow]:
    """Every data row of a delivered CSV, with its own refusal codes and its month."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        table = [line for line in lines if line]
    except csv.Error as error:
        raise DeliveryError(f"{delivery}: {error}") from error
    if not table:
        raise DeliveryError(f"{delivery}: the file is empty")
    header, data = table[0], table[1:]
    joined_names = (name for names in JOINED_HEADERS[dataset].values() for name in names)
    positions = header_positions(header, (*HEADERS[dataset], *joined_names))
    rows: list[DeliveredRow] = []
    for row_number, values in enumerate(data, start=1):
        if len(values) != len(header):
            raise DeliveryError(
                f"{delivery}: data row {row_number} has {len(values)} values for "
                f"{len(header)} columns"
            )
        fields = fields_of(values, positions, dataset)
        codes = record_codes(fields, dataset)
        rows.append(DeliveredRow(delivery, cut, dataset, row_number, fields, codes))
    file_in_months(rows)
    return rows


def read_file(path: str | Path, cut: str, dataset: str) -> list[DeliveredRow]:
    """Every data row of a delivered CSV file."""
    # newline="" leaves line ends inside quotes as they are, as the csv module asks.
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return read_text(file.read(), dataset, cut, str(path))


def own_month(row: DeliveredRow) -> str | None:
    """The month of the row's costing date; None where that is blank, no date, or out of range.

    Nor has a row a month whose Query Date cannot be read: its date might be of any century.
    """
    costing_date = date_in(row.fields, COSTING_DATE_COLUMN[row.dataset])
    if costing_date is None or "COSTING_DATE_OUT_OF_RANGE" in row.codes:
        return None
    if "QUERY_DATE_UNPARSEABLE" in row.codes:
        return None
    return f"{costing_date.year:04d}-{costing_date.month:02d}"


def file_in_months(rows: list[DeliveredRow]) -> None:
    """Give each row of one delivery its month; undated rows go to the last dated one."""
    dated = sorted({month for month in map(own_month, rows) if month is not None})
    for row in rows:
        month = own_month(row)
        if month is None and not dated:
            raise DeliveryError(f"{row.delivery}: no row has a costing date in range")
        row.month = dated[-1] if month is None else month


def mark_superseded(rows: Sequence[DeliveredRow]) -> None:
    """Of rows with one identifier in one dataset and cut, only the last extracted stands.

    The rows of all deliveries are looked at together, in the order of the deliveries; between equal
    Query Dates the later row stands. A row without a Query Date is neither earlier nor later than
    another, and is refused for that anyway. A row that is refused for something else still
    supersedes: it is what the provider last said.
    """
    standing: dict[tuple[str, str, str], DeliveredRow] = {}
    for row in rows:
        record_id = row.fields["record_id"]
        query_timestamp = row.fields["query_timestamp"]
        if record_id is None or not is_query_timestamp(query_timestamp):
            continue
        key = (row.dataset, row.cut, record_id)
        earlier = standing.get(key)
        if earlier is None:
            standing[key] = row
        elif str(query_timestamp) >= str(earlier.fields["query_timestamp"]):
            earlier.codes.append("SUPERSEDED")
            standing[key] = row
        else:
            row.codes.append("SUPERSEDED")


def read_deliveries(deliveries: Sequence[tuple[str | Path, str, str]]) -> list[DeliveredRow]:
    """Every row of every (path, cut, dataset), supersession marked."""
    rows: list[DeliveredRow] = []
    for path, cut, dataset in deliveries:
        rows += read_file(path, cut, dataset)
    mark_superseded(rows)
    return rows


# --- supplementary extracts (CDS 6.2) ----------------------------------------------------------

SUPPLEMENT_HEADERS = {
    "Generated Record ID": "generated_record_id",
    "Spell ID": "spell_id",
    "Episode Number": "episode_number",
    "CDS Record Type": "cds_record_type_code",
    "OSV Status Classification At CDS Activity Date": "overseas_visitor_code",
    "Multi-Professional Or Multi-Disciplinary Indication Code": "multi_professional_code",
    "Consultation Medium Used": "consultation_medium_code",
    "Query Date": "query_timestamp",
}
OUTPATIENT_RECORD_TYPES = ("020", "021", "20", "21")
SUPPLEMENT_CODES = {
    "overseas_visitor_code": ("1", "2", "3", "4", "8", "9"),
    "multi_professional_code": ("1", "2"),
    "consultation_medium_code": ("01", "02", "03", "04", "05", "06", "07", "08", "98"),
}
SUPPLEMENT_OF = {"apc": ("overseas_visitor_code",), "op": tuple(SUPPLEMENT_CODES)}


def read_supplement(path: str | Path) -> list[Fields]:
    """Every row of a supplementary extract, of spells and attendances alike."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        header, *data = (line for line in csv.reader(file, strict=True) if line)
    positions = header_positions(header, SUPPLEMENT_HEADERS)
    rows: list[Fields] = []
    for values in data:
        row = {
            column: blank_to_none(values[positions[name]])
            for name, column in SUPPLEMENT_HEADERS.items()
        }
        if row["multi_professional_code"] is not None:
            row["multi_professional_code"] = without_leading_zeros(row["multi_professional_code"])
        if row["consultation_medium_code"] is not None:
            row["consultation_medium_code"] = pad_to_two(row["consultation_medium_code"])
        rows.append(row)
    return rows


def extracted_at(row: Fields) -> str:
    """When a row was extracted; before all others where that cannot be read."""
    timestamp = row["query_timestamp"]
    return str(timestamp) if is_query_timestamp(timestamp) else ""


def standing_supplements(rows: Sequence[Fields]) -> list[Fields]:
    """The last extracted row of each episode and attendance, in order of the episodes."""
    standing: dict[tuple[str | None, ...], Fields] = {}
    for row in rows:
        sent = (row["generated_record_id"],)
        if row["generated_record_id"] is None:
            sent = (row["spell_id"], row["episode_number"])
        earlier = standing.pop(sent, row)
        standing[sent] = row if extracted_at(row) >= extracted_at(earlier) else earlier

    def place(row: Fields) -> tuple[int, str]:
        episode = int_in(row, "episode_number")
        return -1 if episode is None else episode, extracted_at(row)

    return sorted(standing.values(), key=place)


def supplement_key(row: Fields) -> tuple[str, str | None] | None:
    """The dataset and record that a row is of; None where it is of neither dataset."""
    if row["spell_id"] is not None:
        return "apc", row["spell_id"]
    if row["cds_record_type_code"] in (None, *OUTPATIENT_RECORD_TYPES):
        return "op", row["generated_record_id"]
    return None


def add_supplements(rows: Sequence[DeliveredRow], supplements: Sequence[str | Path]) -> None:
    """Give each row what the supplementary extracts say of it, where the code is a known one.

    Of the episodes of a spell the last that has a status says it.
    """
    sent = [row for path in supplements for row in read_supplement(path)]
    said: dict[tuple[str, str | None], Fields] = {}
    for row in standing_supplements([row for row in sent if supplement_key(row) is not None]):
        dataset, record_id = supplement_key(row) or ("", None)
        columns = SUPPLEMENT_OF[dataset]
        if any(row[column] is not None for column in columns):
            said[dataset, record_id] = {
                column: row[column] if row[column] in SUPPLEMENT_CODES[column] else None
                for column in columns
            }
    for delivered in rows:
        delivered.supplement = said.get((delivered.dataset, delivered.fields["record_id"]), {})


# --- records -----------------------------------------------------------------------------------


def _text(row: DeliveredRow, column: str) -> str:
    value = row.fields[column]
    if value is None:
        raise AssertionError(f"{column} is blank in a row that was not refused")
    return value


def _date(row: DeliveredRow, column: str) -> date:
    value = date_in(row.fields, column)
    if value is None:
        raise AssertionError(f"{column} is no date in a row that was not refused")
    return value


def _int(row: DeliveredRow, column: str) -> int:
    value = int_in(row.fields, column)
    if value is None:
        raise AssertionError(f"{column} is no number in a row that was not refused")
    return value


def _money(row: DeliveredRow, column: str) -> int | None:
    text = row.fields[column]
    return None if text is None else parse_money(text)


def spell_record(row: DeliveredRow) -> SpellRecord:
    """A row that passed every rule, as a typed record."""
    fields = row.fields
    return {
        "record_id": _text(row, "record_id"),
        "dataset": row.dataset,
        "activity_month": row.month,
        "cut": row.cut,
        "organisation_code_of_provider": _text(row, "organisation_code_of_provider"),
        "provider_site_code": fields["provider_site_code"],
        "organisation_code_of_commissioner": fields["organisation_code_of_commissioner"],
        "derived_commissioner_code": fields["derived_commissioner_code"],
        "agreement_serial_number": fields["agreement_serial_number"],
        "administrative_category_code": fields["administrative_category_code"],
        "patient_classification_code": _text(row, "patient_classification_code"),
        "admission_method_code": _text(row, "admission_method_code"),
        "start_date": _date(row, "start_date"),
        "end_date": _date(row, "end_date"),
        "length_of_stay_days": _int(row, "length_of_stay_days"),
        "adjusted_length_of_stay_days": int_in(fields, "adjusted_length_of_stay_days"),
        "adult_critical_care_days": int_in(fields, "adult_critical_care_days"),
        "neonatal_critical_care_days": int_in(fields, "neonatal_critical_care_days"),
        "paediatric_critical_care_days": int_in(fields, "paediatric_critical_care_days"),
        "age_years": _int(row, "age_years"),
        "spell_in_pbr_code": _text(row, "spell_in_pbr_code"),
        "main_specialty_code": fields["main_specialty_code"],
        "treatment_function_code": _text(row, "treatment_function_code"),
        "hrg_code": _text(row, "hrg_code"),
        "exclusion_reason_code": fields["exclusion_reason_code"],
        "unbundled_hrg_codes": fields["unbundled_hrg_codes"],
        "best_practice_flags": fields["best_practice_flags"],
        "specialised_service_codes": fields["specialised_service_codes"],
        "ebi_category_code": fields["ebi_category_code"],
        "ebi_type_code": fields["ebi_type_code"],
        "sus_initial_pence": _money(row, "sus_initial_pence"),
        "sus_unbundled_pence": _money(row, "sus_unbundled_pence"),
        "sus_pre_mff_pence": _money(row, "sus_pre_mff_pence"),
        "sus_mff_pence": _money(row, "sus_mff_pence"),
        "sus_price_pence": _money(row, "sus_price_pence"),
        "sus_top_up_pence": _money(row, "sus_top_up_pence"),
        "sus_long_stay_pence": _money(row, "sus_long_stay_pence"),
        "open_spell_indicator": fields["open_spell_indicator"],
        "query_timestamp": _text(row, "query_timestamp"),
        "overseas_visitor_code": row.supplement.get("overseas_visitor_code"),
    }


def attendance_record(row: DeliveredRow) -> AttendanceRecord:
    """A row that passed every rule, as a typed record."""
    fields = row.fields
    return {
        "record_id": _text(row, "record_id"),
        "dataset": row.dataset,
        "activity_month": row.month,
        "cut": row.cut,
        "organisation_code_of_provider": _text(row, "organisation_code_of_provider"),
        "provider_site_code": fields["provider_site_code"],
        "organisation_code_of_commissioner": fields["organisation_code_of_commissioner"],
        "derived_commissioner_code": fields["derived_commissioner_code"],
        "agreement_serial_number": fields["agreement_serial_number"],
        "administrative_category_code": fields["administrative_category_code"],
        "attended_or_did_not_attend_code": _text(row, "attended_or_did_not_attend_code"),
        "first_attendance_code": _text(row, "first_attendance_code"),
        "appointment_date": _date(row, "appointment_date"),
        "spell_in_pbr_code": _text(row, "spell_in_pbr_code"),
        "main_specialty_code": fields["main_specialty_code"],
        "treatment_function_code": _text(row, "treatment_function_code"),
        "hrg_code": fields["hrg_code"],
        "exclusion_reason_code": fields["exclusion_reason_code"],
        "unbundled_hrg_codes": fields["unbundled_hrg_codes"],
        "sus_initial_pence": _money(row, "sus_initial_pence"),
        "sus_unbundled_pence": _money(row, "sus_unbundled_pence"),
        "sus_pre_mff_pence": _money(row, "sus_pre_mff_pence"),
        "sus_mff_pence": _money(row, "sus_mff_pence"),
        "sus_price_pence": _money(row, "sus_price_pence"),
        "query_timestamp": _text(row, "query_timestamp"),
        "multi_professional_code": row.supplement.get("multi_professional_code"),
        "consultation_medium_code": row.supplement.get("consultation_medium_code"),
        "overseas_visitor_code": row.supplement.get("overseas_visitor_code"),
    }
