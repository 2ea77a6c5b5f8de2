"""Point of delivery: the national code under which an activity is counted.

Belongs here: spells and attendances to `point_of_delivery_code`. Does not belong here:
what is paid for a point of delivery (`pricing.elective_scope`, `pricing.mechanism`).
"""

import narwhals.stable.v2 as nw

from pricing import unit_price
from pricing.decision import first_that_fits
from pricing.scheme import Attendances, Spells
from schemas.priced_line import FIRST_ATTENDANCES as FIRST_ATTENDANCES
from schemas.priced_line import OUTPATIENT_PROCEDURE as OUTPATIENT_PROCEDURE

DAY_CASE = "DC"
ELECTIVE = "EL"
REGULAR = ("RADAY", "RANIGHT")
NON_ELECTIVE = ("NEL", "NELST", "NELNE")
NOT_FACE_TO_FACE = ("NF2FFA", "NF2FFUP")
MULTI_PROFESSIONAL = ("OPFAMPNCL", "OPFAMPCL", "OPFUPMPNCL", "OPFUPMPCL")


def of_spells(rules: Spells) -> nw.Expr:
    """The point of delivery of a spell; needs `is_short_stay_emergency`.

    A day case that stays is an ordinary elective. An emergency is short stay where the
    short stay price applies, so that the code and the price never disagree.
    """
    elective = nw.col("admission_method_code").is_in(rules.elective_admission_methods)
    emergency = nw.col("admission_method_code").is_in(rules.emergency_admission_methods)
    classification = nw.col("patient_classification_code")
    same_day = nw.col("length_of_stay_days") == 0
    return first_that_fits(
        [
            (elective & (classification == rules.regular_day_classification), "RADAY"),
            (elective & (classification == rules.regular_night_classification), "RANIGHT"),
            (elective & (classification == rules.day_case_classification) & same_day, DAY_CASE),
            (elective, ELECTIVE),
            (nw.col("is_short_stay_emergency"), "NELST"),
            (emergency, "NEL"),
        ],
        otherwise="NELNE",
    )


def of_attendances(rules: Attendances) -> nw.Expr:
    """The point of delivery of an attendance; needs `is_procedure` and `published_source`.

    Only an HRG with a procedure price makes a procedure: one without is the attendance
    it falls back to. An administrative event is a follow-up whatever its HRG.
    """
    is_event = nw.col("published_source") == unit_price.ADMINISTRATIVE_EVENT
    kind = nw.col("attendance_kind")
    first = kind.is_in(rules.first_attendance_hrgs)
    not_face_to_face = kind.is_in(rules.not_face_to_face_hrgs)
    multi_professional = kind.is_in(rules.multi_professional_hrgs)
    not_consultant_led = nw.col("main_specialty_code").is_in(
        rules.not_consultant_led_main_specialties
    )
    return first_that_fits(
        [
            (nw.col("is_procedure"), OUTPATIENT_PROCEDURE),
            (is_event & not_consultant_led, "OPFUPSPNCL"),
            (is_event, "OPFUPSPCL"),
            (not_face_to_face & first, "NF2FFA"),
            (not_face_to_face, "NF2FFUP"),
            (first & multi_professional & not_consultant_led, "OPFAMPNCL"),
            (first & multi_professional, "OPFAMPCL"),
            (first & not_consultant_led, "OPFASPNCL"),
            (first, "OPFASPCL"),
            (multi_professional & not_consultant_led, "OPFUPMPNCL"),
            (multi_professional, "OPFUPMPCL"),
            (not_consultant_led, "OPFUPSPNCL"),
        ],
        otherwise="OPFUPSPCL",
    )


def attendance_hrg(rules: Attendances) -> nw.Expr:
    """The attendance HRG (`WF..`) an appointment has, or falls back to; null if neither.

    An appointment that grouped to an attendance HRG has that one. One that grouped to a
    procedure, or was not grouped, has the one of its first attendance code. `UZ01Z` and
    other groups that are no procedure have none.
    """
    hrg = nw.col("hrg_code")
    is_group_of_its_own = hrg.str.starts_with("WF") | hrg.str.starts_with("UZ")
    return first_that_fits(
        [
            (hrg.is_in(list(rules.price_column_by_attendance_hrg)), hrg),
            (is_group_of_its_own, None),
        ],
        otherwise=attendance_hrg_by_first_attendance(rules),
    )


def attendance_kind(rules: Attendances) -> nw.Expr:
    """The attendance HRG that says how an appointment is counted, priced or not."""
    return nw.coalesce(nw.col("attendance_hrg_code"), attendance_hrg_by_first_attendance(rules))


def attendance_hrg_by_first_attendance(rules: Attendances) -> nw.Expr:
    """The attendance HRG of a first attendance code; null for an administrative event.

    What the supplementary extract says of it goes before: by which medium the patient was
    seen, and whether by more than one professional.
    """
    code = nw.col("first_attendance_code")
    is_apart = nw.col("consultation_medium_code").is_in(rules.not_face_to_face_media)
    not_face_to_face = rules.first_attendance_not_face_to_face
    rows = []
    for is_multi_professional, hrgs in (
        (
            nw.col("multi_professional_code").is_in(rules.multi_professional_codes),
            rules.multi_professional_hrg_by_first_attendance,
        ),
        (nw.lit(True), rules.attendance_hrg_by_first_attendance),
    ):
        rows += [
            (is_multi_professional & is_apart & (code == first), hrgs[apart])
            for first, apart in not_face_to_face.items()
        ]
        rows += [(is_multi_professional & (code == first), hrg) for first, hrg in hrgs.items()]
    return first_that_fits(rows, otherwise=None)
