"""The core line of an outpatient attendance, priced.

What belongs here: procedures and attendances, their points of delivery and prices. What does not:
who pays (`mechanism.py`).
"""

from .books import Books
from .lines import Priced
from .parties import Pair, local_price
from .reading import AttendanceRecord
from .records import (
    is_administrative_event,
    is_consultation,
    is_procedure_hrg,
    is_retired,
    is_treatment_function_elective,
    price_hrg,
    reason_no_national_price,
    was_seen,
)
from .years import Year

# 2023/25 ¶117: "All first outpatient attendances - WF01B, WF02B, WF01D, WF02D".
FIRST_ATTENDANCE_HRGS = ("WF01B", "WF02B", "WF01D", "WF02D")
FOLLOW_UP_HRGS = ("WF01A", "WF02A", "WF01C", "WF02C")

SINGLE_PROFESSIONAL = {"1": "WF01B", "2": "WF01A", "3": "WF01D", "4": "WF01C"}
MULTI_PROFESSIONAL = {"1": "WF02B", "2": "WF02A", "3": "WF02D", "4": "WF02C"}
MULTI_PROFESSIONAL_CODES = ("1", "2")

# Telephone, telemedicine, talk type; 01 is face to face (NHS Data Dictionary).
NOT_FACE_TO_FACE_MEDIA = ("02", "03", "04")
NOT_FACE_TO_FACE = {"1": "3", "2": "4"}

# Attendances that were not face to face have no column of their own.
PRICE_COLUMN = {
    "WF01A": "WF01A",
    "WF01C": "WF01A",
    "WF01B": "WF01B",
    "WF01D": "WF01B",
    "WF02A": "WF02A",
    "WF02C": "WF02A",
    "WF02B": "WF02B",
    "WF02D": "WF02B",
}
NON_CONSULTANT_MAIN_SPECIALTIES = ("560", "900", "901", "902", "903", "904", "950", "960")


# --- what kind of attendance -------------------------------------------------------------------


def groups_to_priced_procedure(record: AttendanceRecord, books: Books) -> bool:
    """Seen, in an HRG with a published outpatient procedure price (2023/25 ¶116, ¶117)."""
    hrg = price_hrg(record, books)
    if hrg is None or not is_procedure_hrg(hrg) or not is_consultation(record):
        return False
    prices = books.hrg_prices.get(hrg)
    return prices is not None and prices.outpatient_procedure is not None


def hrg_by_first_attendance(record: AttendanceRecord) -> str | None:
    """The WF HRG of an appointment that is not grouped to one; None for administrative events.

    The extract itself says neither how many professionals there were nor, at times, the medium;
    the supplementary extract does.
    """
    first_attendance = record["first_attendance_code"]
    if record["consultation_medium_code"] in NOT_FACE_TO_FACE_MEDIA:
        first_attendance = NOT_FACE_TO_FACE.get(first_attendance, first_attendance)
    if record["multi_professional_code"] in MULTI_PROFESSIONAL_CODES:
        return MULTI_PROFESSIONAL.get(first_attendance)
    return SINGLE_PROFESSIONAL.get(first_attendance)


def attendance_hrg(record: AttendanceRecord, is_priced_procedure: bool) -> str | None:
    """The WF HRG under which an attendance is priced; None where there is none.

    A procedure HRG without a procedure price is paid as the attendance it also was: a first
    attendance which does "not group to an HRG with an outpatient procedure unit price" (2023/25
    ¶117).
    """
    hrg = record["hrg_code"]
    if is_administrative_event(record):
        return None
    if hrg in PRICE_COLUMN:
        return hrg
    if is_procedure_hrg(hrg) and is_consultation(record) and not is_priced_procedure:
        return hrg_by_first_attendance(record)
    return None


def clinic_lead(record: AttendanceRecord) -> str:
    """CL, or NCL where the main specialty is not a consultant's."""
    is_not_led = record["main_specialty_code"] in NON_CONSULTANT_MAIN_SPECIALTIES
    return "NCL" if is_not_led else "CL"


def point_of_delivery_of(
    record: AttendanceRecord, is_priced_procedure: bool, attendance: str | None
) -> str:
    """The national point of delivery code of an attendance, kept or not."""
    if is_priced_procedure:
        return "OPPROC"
    hrg = attendance or hrg_by_first_attendance(record) or "WF01A"
    if hrg.endswith("D"):
        return "NF2FFA"
    if hrg.endswith("C"):
        return "NF2FFUP"
    first_or_follow_up = "OPFA" if hrg.endswith("B") else "OPFUP"
    professionals = "SP" if hrg.startswith("WF01") else "MP"
    return first_or_follow_up + professionals + clinic_lead(record)


# --- which price -------------------------------------------------------------------------------


def published_price(
    record: AttendanceRecord, is_priced_procedure: bool, attendance: str | None, books: Books
) -> tuple[str, int | None]:
    """Which published price an attendance takes, and the price; ("none", None) if none."""
    if not was_seen(record):
        return "not_attended", 0
    if is_administrative_event(record):
        return "administrative_event", 0
    if reason_no_national_price(record) is not None:
        return "none", None
    if is_priced_procedure:
        prices = books.hrg_prices[str(price_hrg(record, books))]
        return "outpatient_procedure", prices.outpatient_procedure
    if attendance is None or is_retired(record, books):
        return "none", None
    of_function = books.attendance_prices.get(record["treatment_function_code"], {})
    price = of_function.get(PRICE_COLUMN[attendance])
    return ("none", None) if price is None else ("outpatient_attendance", price)


# --- the line ----------------------------------------------------------------------------------


def is_elective_procedure(
    record: AttendanceRecord, price_source: str, published: int | None, books: Books, year: Year
) -> bool:
    """An outpatient procedure in the variable element (2023/25 ¶117).

    Its published price is not zero, it is no termination of pregnancy, and the treatment function
    is not one of those listed.
    """
    return (
        price_source == "outpatient_procedure"
        and published is not None
        and published > 0
        and price_hrg(record, books) not in year.hrgs_outside_elective
        and is_treatment_function_elective(record, year)
    )


def is_elective_first_attendance(
    record: AttendanceRecord, attendance: str | None, year: Year
) -> bool:
    """A first attendance in the variable element, priced or not (2023/25 ¶72, ¶117)."""
    return (
        year.has_first_attendances
        and attendance in FIRST_ATTENDANCE_HRGS
        and is_consultation(record)
        and is_treatment_function_elective(record, year)
        and reason_no_national_price(record) is None
    )


def core_line(record: AttendanceRecord, pair: Pair | None, books: Books, year: Year) -> Priced:
    """The procedure or attendance with its price: the published one, or what the parties agreed.

    A price agreed for the HRG is looked for before one for the treatment function.
    """
    is_priced_procedure = groups_to_priced_procedure(record, books)
    attendance = attendance_hrg(record, is_priced_procedure)
    price_source, published = published_price(record, is_priced_procedure, attendance, books)
    is_procedure = is_elective_procedure(record, price_source, published, books, year)
    line = Priced(
        line_number=0,
        hrg=record["hrg_code"],
        point_of_delivery=point_of_delivery_of(record, is_priced_procedure, attendance),
        price_source=price_source,
        unit_price=published,
        published=published,
        is_elective=is_procedure or is_elective_first_attendance(record, attendance, year),
        is_hrg_retired=is_consultation(record) and is_retired(record, books),
        is_procedure=is_procedure,
        attendance=attendance,
    )
    if is_consultation(record):
        agreed = None
        if is_procedure_hrg(record["hrg_code"]):
            agreed = local_price(record["hrg_code"], pair, record["appointment_date"], books)
        # A retired HRG may be a procedure, which has no price of its treatment function.
        if agreed is None and attendance is not None and not is_retired(record, books):
            first = "first" if attendance in FIRST_ATTENDANCE_HRGS else "follow_up"
            what = f"{record['treatment_function_code']} {first}"
            agreed = local_price(what, pair, record["appointment_date"], books)
        if agreed is not None and (published is None or agreed.takes_place_of_published):
            line.price_source, line.unit_price = "local", agreed.pence
            line.is_hrg_retired = False
    return line
