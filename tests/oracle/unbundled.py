"""The lines of a record's unbundled HRGs, priced.

What belongs here: which service an unbundled HRG is, its point of delivery and its price.
What does not: who pays (`mechanism.py`), what SUS+ takes off the stay for it (`spells.py`).
"""

from datetime import date
from functools import cache

from .books import Books
from .lines import Priced
from .parties import Pair, local_price
from .reading import AttendanceRecord
from .records import Record, is_administrative_event, reason_excluded, was_seen
from .years import Year

# In an admitted spell the price of the core HRG holds these (assumed).
SERVICES_WITHIN_ADMITTED_PRICE = ("diagnostic_imaging", "nuclear_medicine")

# The points of delivery under which each is counted (assumed).
POINTS_OF_DELIVERY = {
    "SB": "UNBCHEMO",
    "RD": "UNBRAD",
    "RN": "UNBRAD",
    "SC": "UNBRTHPY",
    "XA": "UNBNCC",
    "XB": "UNBPCC",
    "XC": "UNBACC",
    "VC": "UNBREHAB",
    "SD": "UNBPALL",
    "XD": "DRUG",
    "LE": "UNBOTHER",
}
UNKNOWN_POINT_OF_DELIVERY = "UNBOTHER"


@cache
def service_of(hrg: str, year: Year) -> str | None:
    """The service of an unbundled HRG: that of the longest beginning known; None if none is."""
    for length in range(len(hrg), 0, -1):
        if hrg[:length] in year.services:
            return year.services[hrg[:length]]
    return None


def published_price(
    record: Record, hrg: str, is_within_core_price: bool, books: Books
) -> tuple[str, int | None]:
    """Which published price an unbundled HRG takes, and the price; ("none", None) if none.

    Nothing was done for a patient who did not come. A core HRG that is invalid for grouping does
    not stop the others from having a price.
    """
    if record["dataset"] == "op":
        attendance: AttendanceRecord = record
        if not was_seen(attendance):
            return "not_attended", 0
        if is_administrative_event(attendance):
            return "administrative_event", 0
    if reason_excluded(record) is not None:
        return "none", None
    if is_within_core_price:
        return "within_core_price", 0
    price = books.unbundled_prices.get(hrg)
    return ("none", None) if price is None else ("unbundled", price)


def unbundled_lines(
    record: Record, pair: Pair | None, costing_date: date, books: Books, year: Year
) -> list[Priced]:
    """One line for each unbundled HRG, in order, numbered from 1."""
    lines: list[Priced] = []
    for line_number, hrg in enumerate((record["unbundled_hrg_codes"] or "").split(), start=1):
        service = service_of(hrg, year)
        is_within = record["dataset"] == "apc" and service in SERVICES_WITHIN_ADMITTED_PRICE
        price_source, published = published_price(record, hrg, is_within, books)
        line = Priced(
            line_number=line_number,
            hrg=hrg,
            point_of_delivery=POINTS_OF_DELIVERY.get(hrg[:2], UNKNOWN_POINT_OF_DELIVERY),
            price_source=price_source,
            unit_price=published,
            published=published,
            # 2023/25 ¶71, ¶116: imaging, nuclear medicine and chemotherapy are elective activity.
            is_elective=year.mechanism_by_service.get(str(service)) == "api_variable",
            is_within_core_price=price_source == "within_core_price",
            is_excluded=reason_excluded(record) is not None,
            service=service,
        )
        if price_source in ("none", "unbundled"):
            agreed = local_price(hrg, pair, costing_date, books)
            if agreed is not None and (published is None or agreed.takes_place_of_published):
                line.price_source, line.unit_price = "local", agreed.pence
        lines.append(line)
    return lines
