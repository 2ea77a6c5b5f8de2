"""One record in, its priced lines out, or the codes for which it is refused.

What belongs here: the order of work on one record, the codes of refusal and the columns of a line.
What does not: the rules, which are by subject in `records.py`, `spells.py`, `attendances.py`,
`unbundled.py`, `low_volume.py` and `mechanism.py`; what differs between years (`years.py`), how
records are read (`reading.py`), how books are read (`books.py`).

Money is whole pence, and is rounded by `money.times_ppm` alone.
"""

from datetime import date
from typing import Literal

from . import attendances, spells
from .books import Books, Commissioner
from .lines import Priced
from .mechanism import (
    Terms,
    facts_of,
    is_in_activity_target,
    patient_charge,
    payable,
    reason,
    rule_and_mechanism,
    terms_of,
)
from .money import times_ppm
from .parties import (
    Pair,
    is_listed,
    own_provider_code,
    pair_of,
    payer_of,
    provider_of,
)
from .reading import AttendanceRecord, SpellRecord
from .records import Record
from .unbundled import unbundled_lines
from .years import Year

Line = dict[str, str | int | bool | None]
Outcome = tuple[Literal["priced"], list[Line]] | tuple[Literal["refused"], list[str]]

LARGEST_PRE_MFF_PENCE = 10**12
WHOLE_PPM = 1_000_000

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
    "best_practice_tariff_name",
    "best_practice_pence",
    "excess_bed_days",
    "long_stay_pence",
    "top_up_pence",
    "pre_mff_pence",
    "mff_ppm",
    "value_pence",
    "ebi_outcome",
    "payment_mechanism",
    "mechanism_rule",
    "is_in_activity_target",
    "payable_pence",
    "patient_charge_pence",
    "reason_code",
)


# --- who ---------------------------------------------------------------------------------------


def delivered_commissioner(record: Record) -> str:
    """The derived commissioner or, where that is blank, the one sent."""
    derived = record["derived_commissioner_code"]
    return str(record["organisation_code_of_commissioner"] if derived is None else derived)


def refusal_codes(
    record: Record,
    provider: str | None,
    payer: Commissioner | None,
    lines: list[Priced],
    books: Books,
) -> list[str]:
    """Why a record that could be read cannot be priced: all that apply, sorted."""
    codes: list[str] = []
    month = record["activity_month"]
    if provider is None:
        delivered = record["organisation_code_of_provider"]
        is_known = own_provider_code(delivered, month, books) is not None
        codes.append("PROVIDER_NOT_IN_PRICE_YEAR" if is_known else "PROVIDER_UNKNOWN")
    elif provider not in books.mff_ppm:
        codes.append("MFF_MISSING")
    if payer is None:
        is_known = is_listed(delivered_commissioner(record), books.commissioners, books)
        codes.append("COMMISSIONER_NOT_IN_PRICE_YEAR" if is_known else "COMMISSIONER_UNKNOWN")
    is_known = provider is not None and payer is not None
    if is_known and any((line.pre_mff or 0) > LARGEST_PRE_MFF_PENCE for line in lines):
        codes.append("AMOUNT_TOO_LARGE")
    if record["dataset"] == "apc" and spells.is_stay_unknown(record, lines[0], books):
        codes.append("ADJUSTED_STAY_MISSING")
    return sorted(codes)


# --- the whole record --------------------------------------------------------------------------


def price_spell(record: SpellRecord, books: Books, year: Year) -> Outcome:
    """Price one admitted patient care spell: its core HRG, then its unbundled ones."""
    return price_record(record, record["end_date"], books, year)


def price_attendance(record: AttendanceRecord, books: Books, year: Year) -> Outcome:
    """Price one outpatient attendance: its core HRG, then its unbundled ones."""
    return price_record(record, record["appointment_date"], books, year)


def price_record(record: Record, costing_date: date, books: Books, year: Year) -> Outcome:
    """Every line of one record, or all the reasons why it has none."""
    month = record["activity_month"]
    provider = provider_of(record["organisation_code_of_provider"], month, books)
    payer = payer_of(delivered_commissioner(record), month, books)
    pair = terms = None
    if provider is not None and payer is not None:
        pair = pair_of(provider, payer, month)
        terms = terms_of(pair, record["agreement_serial_number"], books, year)

    if record["dataset"] == "apc":
        is_at_unit_prices = terms is not None and terms.is_at_unit_prices
        core = spells.core_line(record, pair, is_at_unit_prices, books, year)
    else:
        core = attendances.core_line(record, pair, books, year)
    lines = [core]
    if record["unbundled_hrg_codes"] is not None:
        lines += unbundled_lines(record, pair, costing_date, books, year)

    codes = refusal_codes(record, provider, payer, lines, books)
    if pair is None or terms is None or codes:
        return "refused", codes
    return "priced", [
        paid_line(record, line, pair, terms, costing_date, books, year) for line in lines
    ]


def paid_line(
    record: Record,
    line: Priced,
    pair: Pair,
    terms: Terms,
    costing_date: date,
    books: Books,
    year: Year,
) -> Line:
    """A line of the priced lines: the price, after the market forces factor, and who pays it."""
    facts = facts_of(record, line, pair, terms, costing_date, books, year)
    rule, mechanism = rule_and_mechanism(line, terms, facts, year)

    # 2023/25 ¶73: "unit price(s) or local price(s) used for the variable element".
    mff_ppm = books.mff_ppm[pair.provider]
    if line.is_local and not (year.is_mff_on_local_prices and mechanism == "api_variable"):
        mff_ppm = WHOLE_PPM
    # Once, on the sum (2023/25 ¶73).
    value_pence = None if line.pre_mff is None else times_ppm(line.pre_mff, mff_ppm)
    return {
        "record_id": record["record_id"],
        "line_number": line.line_number,
        "dataset": record["dataset"],
        "activity_month": record["activity_month"],
        "cut": record["cut"],
        "scheme_year": year.name,
        "provider_code": pair.provider,
        "commissioner_code": pair.payer.commissioner_code,
        "treatment_function_code": record["treatment_function_code"],
        "hrg_code": line.hrg,
        "point_of_delivery_code": line.point_of_delivery,
        "price_source": line.price_source,
        "unit_price_pence": line.unit_price,
        "best_practice_tariff_name": line.best_practice_name,
        "best_practice_pence": line.best_practice_pence,
        "excess_bed_days": line.excess_days,
        "long_stay_pence": line.long_stay_pence,
        "top_up_pence": line.top_up_pence,
        "pre_mff_pence": line.pre_mff,
        "mff_ppm": mff_ppm,
        "value_pence": value_pence,
        "ebi_outcome": line.ebi_outcome,
        "payment_mechanism": mechanism,
        "mechanism_rule": rule,
        "is_in_activity_target": is_in_activity_target(line, mechanism, year),
        "payable_pence": payable(line, rule, mechanism, value_pence, year),
        "patient_charge_pence": patient_charge(record, mechanism, value_pence, books, year),
        "reason_code": reason(record, line, rule, mechanism, books, year),
    }
