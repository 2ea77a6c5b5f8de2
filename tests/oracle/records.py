"""Questions about one record that have nothing to do with prices: what happened, and to whom.

What belongs here: what the codes of a record mean, its HRG in the price year, and whether any
national price is there for it.
What does not: which price it is (`spells.py`, `attendances.py`, `unbundled.py`).
"""

from .books import Books
from .parties import is_of_another_year
from .reading import (
    ADMINISTRATIVE_EVENT,
    ELECTIVE_METHODS,
    EMERGENCY_METHODS,
    SEEN_CODES,
    AttendanceRecord,
    SpellRecord,
)
from .years import Year

Record = SpellRecord | AttendanceRecord

# 2023/25 ¶79 speaks of "mental health services" and gives no codes: these, which are assumed, are
# the mental health ones among the codes of ¶117.
MENTAL_HEALTH_TREATMENT_FUNCTIONS = (
    "710",
    "711",
    "712",
    "713",
    "715",
    "720",
    "721",
    "722",
    "723",
    "724",
    "725",
    "726",
    "727",
)
UNGROUPABLE_HRG = "UZ01Z"

# To pay all fees (NHS Data Dictionary); of hotel fees alone the price is no measure.
CHARGEABLE_OVERSEAS_VISITOR = ("4",)


def reason_no_national_price(record: Record) -> str | None:
    """Why no national price applies to the record; None where one does.

    `Spell In PbR` 1, partly excluded, is priced as usual.
    """
    excluded = reason_excluded(record)
    if excluded is None and record["hrg_code"] == UNGROUPABLE_HRG:
        return "UNGROUPABLE"
    return excluded


def reason_excluded(record: Record) -> str | None:
    """Why the whole record, unbundled HRGs too, is out of national prices; None where it is in."""
    if record["spell_in_pbr_code"] == "2":
        return "EXCLUDED_FROM_NATIONAL_PRICES"
    agreement = record["agreement_serial_number"]
    if agreement is not None and agreement.endswith("="):
        return "PROVIDER_EXCLUDED_AGREEMENT"
    return None


def reason_outside_scheme(record: Record) -> str | None:
    """Why the scheme does not pay at all; None where it may (2023/25 ¶59).

    A blank, 98 or 99 is not evidence that the patient was not an NHS patient.
    """
    category = record["administrative_category_code"]
    if category == "02":
        return "PRIVATE_PATIENT"
    if category in ("03", "04"):
        return "NOT_NHS_FUNDED"
    return None


def charging_status(record: Record, books: Books) -> str:
    """Whether an overseas visitor is charged, and as whom (2023/25 ¶46, 2026/27 ¶35, ¶38).

    What the user's list says of the record stands before the code that came with it.
    """
    listed = books.charging_statuses.get((record["dataset"], record["record_id"]))
    if listed is not None:
        return listed
    is_chargeable = record["overseas_visitor_code"] in CHARGEABLE_OVERSEAS_VISITOR
    return "chargeable" if is_chargeable else "exempt"


# --- HRGs --------------------------------------------------------------------------------------


def is_procedure_hrg(hrg: str | None) -> bool:
    """Any HRG but an attendance (WF) or an invalid one (UZ)."""
    return hrg is not None and not hrg.startswith(("WF", "UZ"))


def price_hrg(record: Record, books: Books) -> str | None:
    """The HRG of the price book that a record is priced by: its own, or that of the bridge.

    The bridge is for activity of another year, and for HRGs that the book does not hold.
    """
    hrg = record["hrg_code"]
    if hrg is None or hrg in books.hrg_prices:
        return hrg
    if not is_of_another_year(record["activity_month"], books):
        return hrg
    return books.bridge.get(hrg, hrg)


def is_retired(record: Record, books: Books) -> bool:
    """Whether a record of another year has an HRG that this year's book does not price."""
    hrg = price_hrg(record, books)
    return (
        hrg not in books.hrg_prices
        and is_procedure_hrg(hrg)
        and is_of_another_year(record["activity_month"], books)
        and reason_no_national_price(record) is None
    )


# --- spells ------------------------------------------------------------------------------------


def is_elective(record: SpellRecord) -> bool:
    """Admitted from a waiting list, booked or planned."""
    return record["admission_method_code"] in ELECTIVE_METHODS


def is_emergency(record: SpellRecord) -> bool:
    """Admitted as an emergency; 31, 32 and 8x are neither elective nor emergency."""
    return record["admission_method_code"] in EMERGENCY_METHODS


def is_mental_health_placement(record: Record) -> bool:
    """A non-emergency inpatient spell in a mental health service (2023/25 ¶79)."""
    return record["dataset"] == "apc" and is_mental_health(record) and not is_emergency(record)


def is_mental_health(record: Record) -> bool:
    """In a treatment function of mental health (assumed: see the list)."""
    return record["treatment_function_code"] in MENTAL_HEALTH_TREATMENT_FUNCTIONS


# --- attendances -------------------------------------------------------------------------------


def was_seen(record: AttendanceRecord) -> bool:
    """Attended, on time (5) or late but seen (6)."""
    return record["attended_or_did_not_attend_code"] in SEEN_CODES


def is_administrative_event(record: AttendanceRecord) -> bool:
    """A referral to treatment clock stop, which is no attendance."""
    return was_seen(record) and record["first_attendance_code"] == ADMINISTRATIVE_EVENT


def is_consultation(record: AttendanceRecord) -> bool:
    """The patient was seen, and it was not an administrative event."""
    return was_seen(record) and record["first_attendance_code"] != ADMINISTRATIVE_EVENT


# --- what the year says of the treatment function ----------------------------------------------


def is_treatment_function_elective(record: Record, year: Year) -> bool:
    """Not one of those that the elective variable element leaves out (2023/25 ¶117)."""
    return record["treatment_function_code"] not in year.treatment_functions_outside_elective
