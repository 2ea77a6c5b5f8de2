"""Unit price: which published price a record takes, and from which column of Annex A.

Belongs here: the choice of published price. Does not belong here: the prices (price books),
prices that are not published (`pricing.local_prices`), what is added to them
(`pricing.long_stay`) or the factor (`pricing.mff`). A missing price is null; a published zero
is 0.
"""

import narwhals.stable.v2 as nw

from pricing.decision import first_that_fits
from pricing.scheme import Attendances

NONE = "none"
PROCEDURE = "outpatient_procedure"
ATTENDANCE = "outpatient_attendance"
NOT_ATTENDED = "not_attended"
ADMINISTRATIVE_EVENT = "administrative_event"
UNBUNDLED = "unbundled"
WITHIN_CORE_PRICE = "within_core_price"
NOTHING_DONE = (NOT_ATTENDED, ADMINISTRATIVE_EVENT, WITHIN_CORE_PRICE)
"""Sources of a price of nothing: it did not take place, or another line's price holds it."""

_SPELL_PRICES = {
    "combined": "combined_price_pence",
    "day_case": "day_case_price_pence",
    "ordinary_elective": "ordinary_elective_price_pence",
    "non_elective": "non_elective_price_pence",
    "short_stay_emergency": "short_stay_emergency_price_pence",
}


def source_for_spells() -> nw.Expr:
    """Which price a spell takes, by its point of delivery.

    Day cases and ordinary electives take their own price where Annex A splits them and
    the combined one where it does not. Regular attenders have no national price.
    """
    point_of_delivery = nw.col("point_of_delivery_code")
    has_national_price = nw.col("national_price_exclusion").is_null()

    def priced(code: str, source: str) -> nw.Expr:
        published = ~nw.col(_SPELL_PRICES[source]).is_null()
        return (point_of_delivery == code) & published

    return first_that_fits(
        [
            (~has_national_price, NONE),
            (priced("DC", "day_case"), "day_case"),
            (priced("DC", "combined"), "combined"),
            (priced("EL", "ordinary_elective"), "ordinary_elective"),
            (priced("EL", "combined"), "combined"),
            (priced("NELST", "short_stay_emergency"), "short_stay_emergency"),
            (priced("NEL", "non_elective"), "non_elective"),
            (priced("NELNE", "non_elective"), "non_elective"),
        ],
        otherwise=NONE,
    )


def of_spells() -> nw.Expr:
    """The published unit price of a spell in pence; needs `published_source`."""
    source = nw.col("published_source")
    rows = [(source == name, nw.col(column)) for name, column in _SPELL_PRICES.items()]
    return first_that_fits(rows, otherwise=None, dtype=nw.Int64)


def source_for_attendances() -> nw.Expr:
    """Which price an appointment takes: the procedure's, else the treatment function's.

    An appointment that nobody attended, and an administrative event, is worth nothing. Of
    a retired HRG nobody knows whether it is a procedure with a price, so it takes neither.
    """
    return first_that_fits(
        [
            (~nw.col("is_attended"), NOT_ATTENDED),
            (nw.col("is_administrative_event"), ADMINISTRATIVE_EVENT),
            (~nw.col("national_price_exclusion").is_null(), NONE),
            (nw.col("is_hrg_retired"), NONE),
            (nw.col("is_procedure"), PROCEDURE),
            (~nw.col("attendance_price_pence").is_null(), ATTENDANCE),
        ],
        otherwise=NONE,
    )


def is_procedure(rules: Attendances) -> nw.Expr:
    """Whether an appointment is an outpatient procedure: its HRG has a procedure price."""
    is_attendance_hrg = nw.col("hrg_code").is_in(list(rules.price_column_by_attendance_hrg))
    return (
        nw.col("is_attended")
        & ~nw.col("is_administrative_event")
        & ~is_attendance_hrg.fill_null(False)
        & ~nw.col("outpatient_procedure_price_pence").is_null()
    )


def of_attendances() -> nw.Expr:
    """The published unit price of an appointment in pence; needs `published_source`."""
    source = nw.col("published_source")
    return first_that_fits(
        [
            (source.is_in([NOT_ATTENDED, ADMINISTRATIVE_EVENT]), 0),
            (source == PROCEDURE, nw.col("outpatient_procedure_price_pence")),
            (source == ATTENDANCE, nw.col("attendance_price_pence")),
        ],
        otherwise=None,
        dtype=nw.Int64,
    )


def price_column(rules: Attendances) -> nw.Expr:
    """The column of Annex A's attendance prices that an attendance HRG takes."""
    hrg = nw.col("attendance_hrg_code")
    rows = rules.price_column_by_attendance_hrg.items()
    return first_that_fits([(hrg == own, column) for own, column in rows], otherwise=None)
