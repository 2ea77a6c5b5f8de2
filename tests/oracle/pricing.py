"""One record in, one priced line out, or the codes for which it is refused.

What belongs here: every pricing rule, one function to a rule, with the paragraph it comes from.
What does not: what differs between years (`years.py`), how records are read (`reading.py`), how
books are read (`books.py`).

Money is whole pence; the one division, by the market forces factor's million, is a Fraction.
"""

from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from .books import NHS_PROVIDER_KINDS, Books, Commissioner, Dated
from .reading import (
    ADMINISTRATIVE_EVENT,
    ELECTIVE_METHODS,
    EMERGENCY_METHODS,
    OTHER_METHODS,
    SEEN_CODES,
    AttendanceRecord,
    SpellRecord,
)
from .years import Year

Line = dict[str, str | int | bool | None]
Outcome = tuple[Literal["priced"], Line] | tuple[Literal["refused"], list[str]]
Record = SpellRecord | AttendanceRecord

# 2023/25 ¶117: "All first outpatient attendances - WF01B, WF02B, WF01D, WF02D".
FIRST_ATTENDANCE_HRGS = ("WF01B", "WF02B", "WF01D", "WF02D")
FOLLOW_UP_HRGS = ("WF01A", "WF02A", "WF01C", "WF02C")

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
NON_CONSULTANT_MAIN_SPECIALTIES = ("560", "900", "901", "902", "903", "904", "950", "960")
ADULT_AGE_YEARS = 19
LONGEST_SHORT_STAY_DAYS = 1
LARGEST_PRE_MFF_PENCE = 10**12

LINE_COLUMNS = (
    "record_id",
    "line_number",
    "dataset",
    "activity_month",
    "cut",
    "scheme_year",
    "provider_code",
    "commissioner_code",
    "treatment_function_code",
    "hrg_code",
    "point_of_delivery_code",
    "price_source",
    "unit_price_pence",
    "excess_bed_days",
    "long_stay_pence",
    "top_up_pence",
    "pre_mff_pence",
    "mff_ppm",
    "value_pence",
    "ebi_outcome",
    "payment_mechanism",
    "is_in_activity_target",
    "payable_pence",
    "reason_code",
)


# --- who ---------------------------------------------------------------------------------------


def rules_day(activity_month: str, books: Books) -> date:
    """The first of the record's month in the year whose rules and prices these are."""
    month, starts = int(activity_month[5:]), int(books.price_year[:4])
    return date(starts if month >= 4 else starts + 1, month, 1)


def end_of_month(day: date) -> date:
    """The last day of the month of a day."""
    next_month = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return next_month - timedelta(days=1)


def who_it_is_now(
    code: str, rows: dict[str, list[Dated]], books: Books, on: date, seen: tuple[str, ...] = ()
) -> Dated | None:
    """Who a code comes down to in the month of a day; None where it is nobody.

    Successors are followed forwards alone, and an open row ends where a succession begins.
    """
    if code in seen:
        return None
    here = [row for row in rows.get(code, []) if row.holds_in(on, end_of_month(on))]
    successor, since = books.successions.get(code, ("", date.max))
    may_be_succeeded = not here or here[0].last is None
    if successor and since <= on and may_be_succeeded:
        return who_it_is_now(successor, rows, books, on, (*seen, code))
    if not here:
        return None
    if here[0].belongs_to == code:
        return here[0]
    return who_it_is_now(here[0].belongs_to, rows, books, on, (*seen, code))


def is_listed(code: str, rows: dict[str, list[Dated]], books: Books) -> bool:
    """Whether a code, or one that took over from it, ever was in a list."""
    seen = set()
    while code not in rows:
        if code in seen or code not in books.successions:
            return False
        seen.add(code)
        code = books.successions[code][0]
    return True


def own_provider_code(record: Record, books: Books) -> str | None:
    """The provider's own code behind the one delivered, as in the month of activity.

    A provider's own stands; then a site's provider; then the first three characters, which are
    a trust's site or department. Five-character codes are whole for independent providers, so
    the cut is made only where the whole code is not known. None where nothing is known of it.
    """
    delivered = record["organisation_code_of_provider"]
    if is_listed(delivered, books.providers, books):
        return delivered
    begins = date.fromisoformat(f"{record['activity_month']}-01")
    for site in books.sites.get(delivered, []):
        if site.holds_in(begins, end_of_month(begins)):
            return site.belongs_to
    return delivered[:3] if is_listed(delivered[:3], books.providers, books) else None


def provider_code(record: Record, books: Books) -> str | None:
    """The provider of the price year that the delivered code comes down to, or None."""
    own = own_provider_code(record, books)
    on = rules_day(record["activity_month"], books)
    found = None if own is None else who_it_is_now(own, books.providers, books, on)
    return None if found is None else found.belongs_to


def delivered_commissioner(record: Record) -> str | None:
    """The derived commissioner or, where that is blank, the one sent."""
    if record["derived_commissioner_code"] is not None:
        return record["derived_commissioner_code"]
    return record["organisation_code_of_commissioner"]


def commissioner(record: Record, books: Books) -> Commissioner | None:
    """The payer of the price year behind the commissioner of the record, or None."""
    delivered = delivered_commissioner(record)
    on = rules_day(record["activity_month"], books)
    found = delivered and who_it_is_now(delivered, books.commissioners, books, on)
    return Commissioner(found.belongs_to, found.kind) if found else None


def is_the_same_now(
    code: str | None, now: str, rows: dict[str, list[Dated]], record: Record, books: Books
) -> bool:
    """Whether an organisation that a user's list names is one of the price year by now."""
    on = rules_day(record["activity_month"], books)
    found = code and who_it_is_now(code, rows, books, on)
    return bool(found) and found.belongs_to == now


def is_nhs_provider(provider: str, books: Books) -> bool:
    """API and LVA are for NHS providers, unit prices for others (2023/25 ¶17, ¶20, ¶82)."""
    return books.provider_kinds[provider] in NHS_PROVIDER_KINDS


# --- whether national prices apply -------------------------------------------------------------


def reason_no_national_price(record: Record) -> str | None:
    """Why no national price applies to the record; None where one does.

    `Spell In PbR` 1, partly excluded, is priced as usual.
    """
    if record["spell_in_pbr_code"] == "2":
        return "EXCLUDED_FROM_NATIONAL_PRICES"
    agreement = record["agreement_serial_number"]
    if agreement is not None and agreement.endswith("="):
        return "PROVIDER_EXCLUDED_AGREEMENT"
    if record["hrg_code"] == UNGROUPABLE_HRG:
        return "UNGROUPABLE"
    return None


# --- HRGs over time ----------------------------------------------------------------------------


def is_of_another_year(record: Record, books: Books) -> bool:
    """Activity of another year than the one whose prices these are."""
    starts = int(books.price_year[:4])
    return not f"{starts}-04" <= record["activity_month"] <= f"{starts + 1}-03"


def price_hrg(record: Record, books: Books) -> str | None:
    """The HRG of the price book that a record is priced by: its own, or that of the bridge.

    The bridge is for activity of another year, and for HRGs that the book does not hold.
    """
    hrg = record["hrg_code"]
    if hrg is None or hrg in books.hrg_prices or not is_of_another_year(record, books):
        return hrg
    return books.bridge.get(hrg, hrg)


def is_retired(record: Record, books: Books) -> bool:
    """Whether a record of another year has an HRG that this year's book does not price."""
    hrg = price_hrg(record, books)
    return (
        is_of_another_year(record, books)
        and is_procedure_hrg(hrg)
        and hrg not in books.hrg_prices
        and reason_no_national_price(record) is None
    )


def is_unpriced_for_its_hrg(record: Record, books: Books) -> bool:
    """A retired HRG, of a spell or of an appointment at which the patient was seen."""
    if "appointment_date" in record and not is_consultation(record):
        return False
    return is_retired(record, books)


# --- spells ------------------------------------------------------------------------------------


def is_elective(record: SpellRecord) -> bool:
    """Admitted from a waiting list, booked or planned."""
    return record["admission_method_code"] in ELECTIVE_METHODS


def is_emergency(record: SpellRecord) -> bool:
    """Admitted as an emergency; 31, 32 and 8x are neither elective nor emergency."""
    return record["admission_method_code"] in EMERGENCY_METHODS


def stay_for_payment(record: SpellRecord) -> int:
    """The adjusted length of stay where there is one, else the length of stay."""
    adjusted = record["adjusted_length_of_stay_days"]
    return record["length_of_stay_days"] if adjusted is None else adjusted


def short_stay_price_applies(record: SpellRecord, books: Books) -> bool:
    """An adult's emergency stay of 0 or 1 day, in an HRG that has a reduced price for it."""
    prices = books.hrg_prices.get(str(price_hrg(record, books)))
    return (
        is_emergency(record)
        and stay_for_payment(record) <= LONGEST_SHORT_STAY_DAYS
        and record["age_years"] >= ADULT_AGE_YEARS
        and prices is not None
        and prices.is_short_stay_flagged
        and prices.short_stay_emergency is not None
    )


def spell_point_of_delivery(record: SpellRecord, books: Books) -> str:
    """The national point of delivery code of a spell."""
    classification = record["patient_classification_code"]
    if is_elective(record):
        if classification == "3":
            return "RADAY"
        if classification == "4":
            return "RANIGHT"
        # Not the adjusted stay: a day case is one by how long the patient was there.
        if classification == "2" and record["length_of_stay_days"] == 0:
            return "DC"
        return "EL"
    if record["admission_method_code"] in OTHER_METHODS:
        return "NELNE"
    return "NELST" if short_stay_price_applies(record, books) else "NEL"


def spell_unit_price(
    record: SpellRecord, point_of_delivery: str, books: Books
) -> tuple[str, int | None]:
    """Which published price a spell takes, and the price; ("none", None) where there is none.

    An HRG has either a combined price or a day case and an ordinary elective one, not both.
    """
    prices = books.hrg_prices.get(str(price_hrg(record, books)))
    if prices is None or reason_no_national_price(record) is not None:
        return "none", None
    if point_of_delivery == "DC" and prices.day_case is not None:
        return "day_case", prices.day_case
    if point_of_delivery == "EL" and prices.ordinary_elective is not None:
        return "ordinary_elective", prices.ordinary_elective
    if point_of_delivery in ("DC", "EL") and prices.combined is not None:
        return "combined", prices.combined
    if point_of_delivery == "NELST":
        return "short_stay_emergency", prices.short_stay_emergency
    if point_of_delivery in ("NEL", "NELNE") and prices.non_elective is not None:
        return "non_elective", prices.non_elective
    return "none", None


def long_stay(
    record: SpellRecord, point_of_delivery: str, unit_price: int | None, books: Books
) -> tuple[int, int]:
    """Days beyond the trim point of the kind of admission, and the pence paid for them."""
    prices = books.hrg_prices.get(str(price_hrg(record, books)))
    if prices is None or unit_price is None:
        return 0, 0
    if point_of_delivery in ("DC", "EL"):
        trim = prices.ordinary_elective_trim_days
    elif point_of_delivery in ("NEL", "NELNE"):
        trim = prices.non_elective_trim_days
    else:
        trim = None
    if trim is None or prices.per_day_long_stay is None:
        return 0, 0
    excess_days = max(0, stay_for_payment(record) - trim)
    return excess_days, excess_days * prices.per_day_long_stay


# --- attendances -------------------------------------------------------------------------------


def was_seen(record: AttendanceRecord) -> bool:
    """Attended, on time (5) or late but seen (6)."""
    return record["attended_or_did_not_attend_code"] in SEEN_CODES


def is_administrative_event(record: AttendanceRecord) -> bool:
    """A referral to treatment clock stop, which is no attendance."""
    return was_seen(record) and record["first_attendance_code"] == ADMINISTRATIVE_EVENT


def is_consultation(record: AttendanceRecord) -> bool:
    """The patient was seen, and it was not an administrative event."""
    return was_seen(record) and not is_administrative_event(record)


def is_procedure_hrg(hrg: str | None) -> bool:
    """Any HRG but an attendance (WF) or an invalid one (UZ)."""
    return hrg is not None and not hrg.startswith(("WF", "UZ"))


def groups_to_priced_procedure(record: AttendanceRecord, books: Books) -> bool:
    """Seen, in an HRG with a published outpatient procedure price (2023/25 ¶116, ¶117)."""
    hrg = price_hrg(record, books)
    if not is_consultation(record) or hrg is None or not is_procedure_hrg(hrg):
        return False
    prices = books.hrg_prices.get(hrg)
    return prices is not None and prices.outpatient_procedure is not None


def attendance_hrg(record: AttendanceRecord, books: Books) -> str | None:
    """The WF HRG under which an attendance is priced; None where there is none.

    A procedure HRG without a procedure price is paid as the attendance it also was: a first
    attendance which does "not group to an HRG with an outpatient procedure unit price" (2023/25
    ¶117).
    """
    hrg = record["hrg_code"]
    if is_administrative_event(record):
        return None
    if hrg in FIRST_ATTENDANCE_HRGS or hrg in FOLLOW_UP_HRGS:
        return hrg
    if is_consultation(record) and is_procedure_hrg(hrg):
        if groups_to_priced_procedure(record, books):
            return None
        of_first_attendance = {"1": "WF01B", "3": "WF01D", "2": "WF01A", "4": "WF01C"}
        return of_first_attendance[record["first_attendance_code"]]
    return None


def clinic_lead(record: AttendanceRecord) -> str:
    """CL, or NCL where the main specialty is not a consultant's."""
    main_specialty = record["main_specialty_code"]
    return "NCL" if main_specialty in NON_CONSULTANT_MAIN_SPECIALTIES else "CL"


def attendance_point_of_delivery(record: AttendanceRecord, books: Books) -> str:
    """The national point of delivery code of an attendance."""
    if groups_to_priced_procedure(record, books):
        return "OPPROC"
    lead = clinic_lead(record)
    hrg = attendance_hrg(record, books)
    if hrg is None:
        first_attendance = record["first_attendance_code"]
        if first_attendance == "3":
            return "NF2FFA"
        if first_attendance == "4":
            return "NF2FFUP"
        return f"OPFASP{lead}" if first_attendance == "1" else f"OPFUPSP{lead}"
    if hrg.endswith("D"):
        return "NF2FFA"
    if hrg.endswith("C"):
        return "NF2FFUP"
    first_or_follow_up = "OPFA" if hrg.endswith("B") else "OPFUP"
    professionals = "SP" if hrg.startswith("WF01") else "MP"
    return first_or_follow_up + professionals + lead


def attendance_unit_price(record: AttendanceRecord, books: Books) -> tuple[str, int | None]:
    """Which published price an attendance takes, and the price; ("none", None) if none.

    Non-face-to-face attendances, C and D, have no column of their own and take A's and B's.
    """
    if not was_seen(record):
        return "not_attended", 0
    if is_administrative_event(record):
        return "administrative_event", 0
    if reason_no_national_price(record) is not None:
        return "none", None
    if groups_to_priced_procedure(record, books):
        return "outpatient_procedure", books.hrg_prices[
            str(price_hrg(record, books))
        ].outpatient_procedure
    hrg = attendance_hrg(record, books)
    if hrg is None or is_retired(record, books):
        return "none", None
    column = {
        "WF01A": "WF01A",
        "WF01C": "WF01A",
        "WF01B": "WF01B",
        "WF01D": "WF01B",
        "WF02A": "WF02A",
        "WF02C": "WF02A",
        "WF02B": "WF02B",
        "WF02D": "WF02B",
    }[hrg]
    price = books.attendance_prices.get(record["treatment_function_code"], {}).get(column)
    return ("none", None) if price is None else ("outpatient_attendance", price)


# --- value -------------------------------------------------------------------------------------


def to_whole_pence(amount: Fraction) -> int:
    """To the nearest penny, halves away from zero.

    >>> [to_whole_pence(Fraction(*ratio)) for ratio in ((5, 2), (-15, 2), (9, 4))]
    [3, -8, 2]
    """
    nearest = int(abs(amount) + Fraction(1, 2))
    return nearest if amount >= 0 else -nearest


def value(pre_mff: int | None, mff_ppm: int) -> int | None:
    """What the record is worth: the market forces factor once, on the sum (2023/25 ¶73)."""
    if pre_mff is None:
        return None
    return to_whole_pence(Fraction(pre_mff * mff_ppm, 1_000_000))


# --- evidence-based interventions --------------------------------------------------------------


def is_in_ebi_scope(record: SpellRecord, year: Year) -> bool:
    """Category 1, and one of the procedures that need approval in the year (2023/25 ¶39, ¶42)."""
    ebi_type = record["ebi_type_code"]
    return (
        record["ebi_category_code"] == "1"
        and ebi_type is not None
        and ebi_type.startswith(year.interventions_needing_approval)
    )


def has_prior_approval(record: SpellRecord, provider: str, payer: str, books: Books) -> bool:
    """Whether the user's approvals name the record, or its provider, payer and type (2023/25 ¶43).

    The second kind is in force from its first day to its last, by the day the spell started, and
    must give both days.
    """
    for approval in books.approvals:
        if approval.record_id is not None:
            if approval.record_id == record["record_id"]:
                return True
        elif (
            is_the_same_now(approval.provider_code, provider, books.providers, record, books)
            and is_the_same_now(
                approval.commissioner_code, payer, books.commissioners, record, books
            )
            and approval.ebi_type_code is not None
            and approval.ebi_type_code[:1] == str(record["ebi_type_code"])[:1]
            and is_in_force(approval.valid_from, approval.valid_to, record["start_date"])
        ):
            return True
    return False


def ebi_outcome(record: SpellRecord, provider: str, payer: str, books: Books, year: Year) -> str:
    """The unit price outside EBI or with prior approval, else a zero price (2023/25 ¶40)."""
    if not is_in_ebi_scope(record, year):
        return "not_applicable"
    return "approved" if has_prior_approval(record, provider, payer, books) else "zero_price"


def is_in_force(valid_from: date | None, valid_to: date | None, on: date) -> bool:
    """Both days given, and the day neither before the one nor after the other."""
    return valid_from is not None and valid_to is not None and valid_from <= on <= valid_to


# --- elective scope ----------------------------------------------------------------------------


def is_elective_spell_or_procedure(
    record: Record,
    point_of_delivery: str,
    price_source: str,
    unit_price: int | None,
    books: Books,
    year: Year,
) -> bool:
    """A day case, ordinary elective or outpatient procedure in the variable element (2023/25 ¶117).

    The HRG has a published price that is not zero and is no termination of pregnancy, and the
    treatment function is not one of those listed.
    """
    return (
        (point_of_delivery in ("DC", "EL") or price_source == "outpatient_procedure")
        and unit_price is not None
        and unit_price > 0
        and price_hrg(record, books) not in year.hrgs_outside_elective
        and record["treatment_function_code"] not in year.treatment_functions_outside_elective
        and reason_no_national_price(record) is None
    )


def is_elective_first_attendance(record: AttendanceRecord, books: Books, year: Year) -> bool:
    """A first attendance in the variable element, priced or not (2023/25 ¶72, ¶117)."""
    return (
        year.has_first_attendances
        and is_first_attendance(record, books)
        and record["treatment_function_code"] not in year.treatment_functions_outside_elective
        and reason_no_national_price(record) is None
    )


def is_first_attendance(record: AttendanceRecord, books: Books) -> bool:
    """A first attendance that is not paid for as a procedure (2023/25 ¶117)."""
    return (
        is_consultation(record)
        and not groups_to_priced_procedure(record, books)
        and attendance_hrg(record, books) in FIRST_ATTENDANCE_HRGS
    )


# --- low volume activity -----------------------------------------------------------------------


def has_exception(
    name: str,
    record: Record,
    provider: str,
    payer: Commissioner,
    costing_date: date,
    books: Books,
) -> bool:
    """Whether the user's exceptions list the pair, in force on the costing date."""
    return any(
        exception.exception == name
        and is_the_same_now(exception.provider_code, provider, books.providers, record, books)
        and is_the_same_now(
            exception.commissioner_code,
            payer.commissioner_code,
            books.commissioners,
            record,
            books,
        )
        and is_in_force(exception.valid_from, exception.valid_to, costing_date)
        for exception in books.exceptions
    )


def is_outside_lva(
    record: Record,
    provider: str,
    payer: Commissioner,
    costing_date: date,
    is_in_elective_scope: bool,
    is_mental_health_placement: bool,
    is_mental_health: bool,
    books: Books,
    year: Year,
) -> bool:
    """The three exceptions to the LVA arrangements (2023/25 ¶79), or four (2026/27 ¶108).

    What a retired HRG was for is not known, so it may be elective care.
    """
    if books.provider_kinds[provider] == "ambulance_trust":
        return True
    if is_mental_health_placement and has_exception(
        "out_of_area_mental_health", record, provider, payer, costing_date, books
    ):
        return True
    if (
        year.has_collaboratives_outside_lva
        and is_mental_health
        and has_exception(
            "mental_health_lead_provider_collaborative",
            record,
            provider,
            payer,
            costing_date,
            books,
        )
    ):
        return True
    return (is_in_elective_scope or is_unpriced_for_its_hrg(record, books)) and has_exception(
        "patient_choice_without_contract", record, provider, payer, costing_date, books
    )


def is_lva_pair(provider: str, payer: Commissioner, books: Books, year: Year) -> bool:
    """An ICB and an NHS provider on the published schedule, if any (2023/25 ¶11, ¶80, ¶82, ¶83)."""
    return (
        year.has_lva
        and is_nhs_provider(provider, books)
        and payer.commissioner_kind == "icb"
        and (provider, payer.commissioner_code) in books.lva_schedule
    )


def is_mental_health_placement(record: SpellRecord) -> bool:
    """A non-emergency inpatient spell in a mental health service (2023/25 ¶79)."""
    return not is_emergency(record) and is_mental_health(record)


def is_mental_health(record: Record) -> bool:
    """In a treatment function of mental health (assumed: see the list)."""
    return record["treatment_function_code"] in MENTAL_HEALTH_TREATMENT_FUNCTIONS


# --- mechanism and payable ---------------------------------------------------------------------


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


def mechanism(
    record: Record,
    provider: str,
    is_covered_by_lva: bool,
    is_in_elective_scope: bool,
    point_of_delivery: str,
    unit_price: int | None,
    books: Books,
    year: Year,
) -> str:
    """How the record is paid for: the first that fits (2023/25 ¶17, Table 1).

    Priced urgent and emergency spells are blended where the year has a blend (2026/27 ¶82, ¶84).
    """
    if reason_outside_scheme(record) is not None:
        return "outside_scheme"
    if is_covered_by_lva:
        return "lva_block"
    if is_unpriced_for_its_hrg(record, books):
        return "local_agreement"
    if is_nhs_provider(provider, books):
        if is_in_elective_scope:
            return "api_variable"
        is_blended = point_of_delivery in year.blended_points_of_delivery
        return "api_blended" if is_blended and unit_price is not None else "api_fixed"
    return "local_agreement" if unit_price is None else "activity_based"


def pay_outside_scheme(record: Record) -> tuple[int | None, str]:
    """Nothing: not the scheme's patient (2023/25 ¶59)."""
    return 0, str(reason_outside_scheme(record))


def pay_lva_block() -> tuple[int | None, str]:
    """Nothing further: the block has paid for it (2023/25 ¶87)."""
    return 0, "COVERED_BY_LVA_BLOCK"


def pay_api_variable(
    value_pence: int | None, outcome: str, in_scope_as: str, year: Year
) -> tuple[int | None, str]:
    """All of the unit price (2023/25 ¶72), or nothing for an unapproved intervention (2023/25 ¶40).

    A first attendance without a unit price is paid a locally agreed one, which we do not know; nor
    do we know the plan that activity is held against where it is (2021/22 ¶56).
    """
    if outcome == "zero_price":
        return 0, "UNAPPROVED_EBI"
    if value_pence is None:
        return None, "FIRST_ATTENDANCE_LOCAL_PRICE"
    if year.is_paid_against_plan:
        return None, "ELECTIVE_AGAINST_PLAN"
    return value_pence, in_scope_as


def pay_api_blended(outcome: str) -> tuple[int | None, str]:
    """What the contract's plan makes of it (2026/27 ¶84); unapproved, its price is zero."""
    return (0, "UNAPPROVED_EBI") if outcome == "zero_price" else (None, "UEC_BLENDED")


def pay_api_fixed(
    record: Record,
    point_of_delivery: str,
    price_source: str,
    unit_price: int | None,
    attendance: str | None,
    books: Books,
    year: Year,
) -> tuple[int | None, str]:
    """Nothing for the record itself: the fixed element pays (2023/25 ¶49, ¶119 Table 3)."""
    if price_source == "not_attended":
        return 0, "NOT_ATTENDED"
    if price_source == "administrative_event":
        return 0, "ADMINISTRATIVE_EVENT"
    no_national_price = reason_no_national_price(record)
    if no_national_price is not None:
        return 0, no_national_price
    if point_of_delivery in ("NEL", "NELST", "NELNE"):
        return 0, "NON_ELECTIVE"
    if point_of_delivery in ("RADAY", "RANIGHT"):
        return 0, "REGULAR_ATTENDER"
    if attendance in FOLLOW_UP_HRGS:
        return 0, "FOLLOW_UP"
    if attendance in FIRST_ATTENDANCE_HRGS and not year.has_first_attendances:
        return 0, "FIRST_ATTENDANCE_IN_FIXED_ELEMENT"
    if price_hrg(record, books) in year.hrgs_outside_elective and attendance is None:
        return 0, "TERMINATION_OF_PREGNANCY"
    if record["treatment_function_code"] in year.treatment_functions_outside_elective:
        return 0, "EXCLUDED_TREATMENT_FUNCTION"
    if unit_price is None or unit_price == 0:
        return 0, "NO_UNIT_PRICE"
    raise AssertionError(f"{record['record_id']} is in the fixed element for no reason")


def pay_activity_based(
    value_pence: int | None, price_source: str, outcome: str
) -> tuple[int | None, str]:
    """The unit price to a provider outside the NHS (2023/25 ¶20), or EBI's zero price (¶40)."""
    if price_source == "not_attended":
        return 0, "NOT_ATTENDED"
    if price_source == "administrative_event":
        return 0, "ADMINISTRATIVE_EVENT"
    if outcome == "zero_price":
        return 0, "UNAPPROVED_EBI"
    return value_pence, "ACTIVITY_BASED_UNIT_PRICE"


def pay_local_agreement(record: Record, books: Books) -> tuple[int | None, str]:
    """What the two parties agree, which we do not know (2023/25 ¶17, Table 1)."""
    if is_unpriced_for_its_hrg(record, books):
        return None, "HRG_RETIRED"
    no_national_price = reason_no_national_price(record)
    return None, "NO_UNIT_PRICE" if no_national_price is None else no_national_price


# --- the whole record --------------------------------------------------------------------------


def refusal_codes(
    record: Record,
    provider: str | None,
    payer: Commissioner | None,
    pre_mff: int | None,
    books: Books,
) -> list[str]:
    """Why a record that could be read cannot be priced: all that apply, sorted."""
    codes: list[str] = []
    if provider is None:
        is_known = own_provider_code(record, books) is not None
        codes.append("PROVIDER_NOT_IN_PRICE_YEAR" if is_known else "PROVIDER_UNKNOWN")
    elif provider not in books.mff_ppm:
        codes.append("MFF_MISSING")
    if payer is None:
        is_known = is_listed(str(delivered_commissioner(record)), books.commissioners, books)
        codes.append("COMMISSIONER_NOT_IN_PRICE_YEAR" if is_known else "COMMISSIONER_UNKNOWN")
    if pre_mff is not None and pre_mff > LARGEST_PRE_MFF_PENCE:
        codes.append("AMOUNT_TOO_LARGE")
    return sorted(codes)


def price_spell(record: SpellRecord, books: Books, year: Year) -> Outcome:
    """Price one admitted patient care spell."""
    point_of_delivery = spell_point_of_delivery(record, books)
    price_source, unit_price = spell_unit_price(record, point_of_delivery, books)
    excess_days, long_stay_pence = long_stay(record, point_of_delivery, unit_price, books)
    pre_mff = None if unit_price is None else unit_price + long_stay_pence

    provider = provider_code(record, books)
    payer = commissioner(record, books)
    codes = refusal_codes(record, provider, payer, pre_mff, books)
    if provider is None or payer is None or codes:
        return "refused", codes

    mff_ppm = books.mff_ppm[provider]
    value_pence = value(pre_mff, mff_ppm)
    outcome = ebi_outcome(record, provider, payer.commissioner_code, books, year)
    in_scope = is_elective_spell_or_procedure(
        record, point_of_delivery, price_source, unit_price, books, year
    )
    is_covered_by_lva = is_lva_pair(provider, payer, books, year) and not is_outside_lva(
        record,
        provider,
        payer,
        record["end_date"],
        in_scope,
        is_mental_health_placement(record),
        is_mental_health(record),
        books,
        year,
    )
    paid_by = mechanism(
        record,
        provider,
        is_covered_by_lva,
        in_scope,
        point_of_delivery,
        unit_price,
        books,
        year,
    )
    if paid_by == "outside_scheme":
        payable, reason = pay_outside_scheme(record)
    elif paid_by == "lva_block":
        payable, reason = pay_lva_block()
    elif paid_by == "api_variable":
        payable, reason = pay_api_variable(value_pence, outcome, "ELECTIVE_SPELL", year)
    elif paid_by == "api_blended":
        payable, reason = pay_api_blended(outcome)
    elif paid_by == "api_fixed":
        payable, reason = pay_api_fixed(
            record, point_of_delivery, price_source, unit_price, None, books, year
        )
    elif paid_by == "activity_based":
        payable, reason = pay_activity_based(value_pence, price_source, outcome)
    else:
        payable, reason = pay_local_agreement(record, books)

    line: Line = {
        "record_id": record["record_id"],
        "line_number": 0,
        "dataset": "apc",
        "activity_month": record["activity_month"],
        "cut": record["cut"],
        "scheme_year": year.name,
        "provider_code": provider,
        "commissioner_code": payer.commissioner_code,
        "treatment_function_code": record["treatment_function_code"],
        "hrg_code": record["hrg_code"],
        "point_of_delivery_code": point_of_delivery,
        "price_source": price_source,
        "unit_price_pence": unit_price,
        "excess_bed_days": excess_days,
        "long_stay_pence": long_stay_pence,
        "top_up_pence": 0,
        "pre_mff_pence": pre_mff,
        "mff_ppm": mff_ppm,
        "value_pence": value_pence,
        "ebi_outcome": outcome,
        "payment_mechanism": paid_by,
        "is_in_activity_target": paid_by == "api_variable" and outcome != "zero_price",
        "payable_pence": payable,
        "reason_code": reason,
    }
    return "priced", line


def price_attendance(record: AttendanceRecord, books: Books, year: Year) -> Outcome:
    """Price one outpatient attendance."""
    point_of_delivery = attendance_point_of_delivery(record, books)
    price_source, unit_price = attendance_unit_price(record, books)
    pre_mff = unit_price

    provider = provider_code(record, books)
    payer = commissioner(record, books)
    codes = refusal_codes(record, provider, payer, pre_mff, books)
    if provider is None or payer is None or codes:
        return "refused", codes

    mff_ppm = books.mff_ppm[provider]
    value_pence = value(pre_mff, mff_ppm)
    # SUS+ marks interventions on spells alone (2023/25 ¶42).
    outcome = "not_applicable"
    is_procedure = is_elective_spell_or_procedure(
        record, point_of_delivery, price_source, unit_price, books, year
    )
    in_scope = is_procedure or is_elective_first_attendance(record, books, year)
    is_covered_by_lva = is_lva_pair(provider, payer, books, year) and not is_outside_lva(
        record,
        provider,
        payer,
        record["appointment_date"],
        in_scope,
        False,
        is_mental_health(record),
        books,
        year,
    )
    paid_by = mechanism(
        record,
        provider,
        is_covered_by_lva,
        in_scope,
        point_of_delivery,
        unit_price,
        books,
        year,
    )
    if paid_by == "outside_scheme":
        payable, reason = pay_outside_scheme(record)
    elif paid_by == "lva_block":
        payable, reason = pay_lva_block()
    elif paid_by == "api_variable":
        in_scope_as = "OUTPATIENT_PROCEDURE" if is_procedure else "FIRST_ATTENDANCE"
        payable, reason = pay_api_variable(value_pence, outcome, in_scope_as, year)
    elif paid_by == "api_fixed":
        attendance = attendance_hrg(record, books)
        payable, reason = pay_api_fixed(
            record, point_of_delivery, price_source, unit_price, attendance, books, year
        )
    elif paid_by == "activity_based":
        payable, reason = pay_activity_based(value_pence, price_source, outcome)
    else:
        payable, reason = pay_local_agreement(record, books)

    line: Line = {
        "record_id": record["record_id"],
        "line_number": 0,
        "dataset": "op",
        "activity_month": record["activity_month"],
        "cut": record["cut"],
        "scheme_year": year.name,
        "provider_code": provider,
        "commissioner_code": payer.commissioner_code,
        "treatment_function_code": record["treatment_function_code"],
        "hrg_code": record["hrg_code"],
        "point_of_delivery_code": point_of_delivery,
        "price_source": price_source,
        "unit_price_pence": unit_price,
        "excess_bed_days": 0,
        "long_stay_pence": 0,
        "top_up_pence": 0,
        "pre_mff_pence": pre_mff,
        "mff_ppm": mff_ppm,
        "value_pence": value_pence,
        "ebi_outcome": outcome,
        "payment_mechanism": paid_by,
        "is_in_activity_target": paid_by == "api_variable",
        "payable_pence": payable,
        "reason_code": reason,
    }
    return "priced", line
