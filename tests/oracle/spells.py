"""The core line of an admitted patient care spell, priced.

What belongs here: points of delivery, prices, long stays, best practice, top-ups and
evidence-based interventions of spells. What does not: who pays (`mechanism.py`).
"""

from .books import BestPractice, Books, HrgPrices
from .lines import Priced
from .money import times_ppm
from .parties import (
    Pair,
    approvals_of,
    approved_records,
    is_in_force,
    is_nhs_provider,
    local_price,
)
from .reading import OTHER_METHODS, SpellRecord
from .records import (
    UNGROUPABLE_HRG,
    is_elective,
    is_emergency,
    is_retired,
    is_treatment_function_elective,
    price_hrg,
    reason_no_national_price,
)
from .years import Year

ADULT_AGE_YEARS = 19
LONGEST_SHORT_STAY_DAYS = 1
NON_ELECTIVE = ("NEL", "NELST", "NELNE")

# Rehabilitation and specialist palliative care: their days are not in the extract (assumed).
SERVICES_WHOSE_DAYS_ARE_TAKEN_OFF = ("VC", "SD")


# --- which price -------------------------------------------------------------------------------


def stay_for_payment(record: SpellRecord) -> int:
    """The adjusted length of stay where there is one, else the stay outside critical care."""
    adjusted = record["adjusted_length_of_stay_days"]
    if adjusted is not None:
        return adjusted
    critical_care_days = (
        (record["adult_critical_care_days"] or 0)
        + (record["neonatal_critical_care_days"] or 0)
        + (record["paediatric_critical_care_days"] or 0)
    )
    return max(0, record["length_of_stay_days"] - critical_care_days)


def short_stay_price_applies(record: SpellRecord, prices: HrgPrices | None) -> bool:
    """An adult's emergency stay of 0 or 1 day, in an HRG that has a reduced price for it."""
    is_short = stay_for_payment(record) <= LONGEST_SHORT_STAY_DAYS
    return is_short and has_short_stay_price(record, prices)


def has_short_stay_price(record: SpellRecord, prices: HrgPrices | None) -> bool:
    """An adult's emergency in an HRG that has a reduced price, however long the stay."""
    return (
        prices is not None
        and prices.is_short_stay_flagged
        and prices.short_stay_emergency is not None
        and is_emergency(record)
        and record["age_years"] >= ADULT_AGE_YEARS
    )


def point_of_delivery_of(record: SpellRecord, prices: HrgPrices | None) -> str:
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
    return "NELST" if short_stay_price_applies(record, prices) else "NEL"


def published_price(
    record: SpellRecord, point_of_delivery: str, prices: HrgPrices | None
) -> tuple[str, int | None]:
    """Which published price a spell takes, and the price; ("none", None) where there is none.

    An HRG has either a combined price or a day case and an ordinary elective one, not both.
    """
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


# --- what is added to it -----------------------------------------------------------------------


def long_stay(
    record: SpellRecord, point_of_delivery: str, prices: HrgPrices | None
) -> tuple[int, int]:
    """Days beyond the trim point of the kind of admission, and the pence paid for them."""
    if prices is None:
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


def is_stay_unknown(record: SpellRecord, line: Priced, books: Books) -> bool:
    """A stay that may be shorter, and so priced otherwise, by days only the adjusted one omits."""
    prices = books.hrg_prices.get(str(price_hrg(record, books)))
    might_be_short = line.price_source == "non_elective" and has_short_stay_price(record, prices)
    return (
        (line.excess_days > 0 or might_be_short)
        and record["adjusted_length_of_stay_days"] is None
        and any(
            hrg.startswith(SERVICES_WHOSE_DAYS_ARE_TAKEN_OFF)
            for hrg in (record["unbundled_hrg_codes"] or "").split()
        )
    )


def best_practice_of(
    record: SpellRecord, price_source: str, books: Books, year: Year
) -> BestPractice | None:
    """The tariff of the first flag that has a price instead of the one taken; None if none has.

    An annual tariff does not stand before one of elective activity, which is paid for each unit
    (2023/25 ¶25-26).
    """
    hrg = str(price_hrg(record, books))
    flagged = [
        books.best_practice.get((hrg, f)) for f in (record["best_practice_flags"] or "").split()
    ]
    priced = [
        one for one in flagged if one is not None and one.prices.get(price_source) is not None
    ]
    paid = [one for one in priced if year.activity_tariffs and one.name in year.activity_tariffs]
    return next(iter([*paid, *priced]), None)


def is_best_practice_paid(
    tariff: BestPractice,
    point_of_delivery: str,
    pair: Pair,
    is_at_unit_prices: bool,
    books: Books,
    year: Year,
) -> bool:
    """Whether the spell itself is paid, or measured, at the best practice price.

    Of every tariff by difference from plan (2021/22 ¶57); of the elective activity tariffs
    (2023/25 ¶26, 2026/27 ¶15); of all where the unit and BPT prices are paid (2023/25 ¶20-22,
    2026/27 ¶11, ¶12); of all in the blend of urgent and emergency care (2026/27 ¶85). The annual
    ones are in the fixed element (2023/25 ¶25).
    """
    if year.activity_tariffs is None or is_at_unit_prices:
        return True
    if point_of_delivery in year.blended_points_of_delivery:
        return True
    if not is_nhs_provider(pair.provider, books):
        return True
    if point_of_delivery in NON_ELECTIVE and tariff.name in year.annual_where_non_elective:
        return False
    return tariff.name in year.activity_tariffs


def top_up_ppm(record: SpellRecord, provider: str, books: Books) -> int:
    """The highest rate of the record's services for which the provider is eligible; else 0."""
    return max(
        (
            books.top_up_ppm.get(code, 0)
            for code in (record["specialised_service_codes"] or "").split()
            if (provider, code) in books.top_up_providers
        ),
        default=0,
    )


# --- evidence-based interventions --------------------------------------------------------------


def ebi_outcome(record: SpellRecord, pair: Pair, books: Books, year: Year) -> str:
    """The unit price outside EBI or with prior approval, else a zero price (2023/25 ¶40)."""
    if not is_in_ebi_scope(record, year):
        return "not_applicable"
    return "approved" if has_prior_approval(record, pair, books) else "zero_price"


def is_in_ebi_scope(record: SpellRecord, year: Year) -> bool:
    """Category 1, and one of the procedures that need approval in the year (2023/25 ¶39, ¶42)."""
    ebi_type = record["ebi_type_code"]
    return (
        record["ebi_category_code"] == "1"
        and ebi_type is not None
        and ebi_type.startswith(year.interventions_needing_approval)
    )


def has_prior_approval(record: SpellRecord, pair: Pair, books: Books) -> bool:
    """Whether the user's approvals name the record, or its provider, payer and type (2023/25 ¶43).

    The second kind is in force from its first day to its last, by the day the spell started, and
    must give both days.
    """
    if record["record_id"] in approved_records(books):
        return True
    letter = str(record["ebi_type_code"])[:1]
    return any(
        str(approval.ebi_type_code)[:1] == letter
        and is_in_force(approval.valid_from, approval.valid_to, record["start_date"])
        for approval in approvals_of(pair, books)
    )


# --- the line ----------------------------------------------------------------------------------


def is_elective_spell(
    record: SpellRecord, point_of_delivery: str, published: int | None, books: Books, year: Year
) -> bool:
    """A day case or ordinary elective spell in the variable element (2023/25 ¶117).

    The HRG has a published price that is not zero and is no termination of pregnancy, and the
    treatment function is not one of those listed. A local price does not bring it in.
    """
    return (
        point_of_delivery in ("DC", "EL")
        and published is not None
        and published > 0
        and price_hrg(record, books) not in year.hrgs_outside_elective
        and is_treatment_function_elective(record, year)
    )


def core_line(
    record: SpellRecord, pair: Pair | None, is_at_unit_prices: bool, books: Books, year: Year
) -> Priced:
    """The core HRG with its price: the published one, or else what the parties agreed.

    Without a known provider and payer there is no local price, best practice or top-up; the record
    is then refused.
    """
    prices = books.hrg_prices.get(str(price_hrg(record, books)))
    point_of_delivery = point_of_delivery_of(record, prices)
    price_source, published = published_price(record, point_of_delivery, prices)
    line = Priced(
        line_number=0,
        hrg=record["hrg_code"],
        point_of_delivery=point_of_delivery,
        price_source=price_source,
        unit_price=published,
        published=published,
        is_elective=is_elective_spell(record, point_of_delivery, published, books, year),
        is_hrg_retired=is_retired(record, books),
        is_procedure=True,
    )
    if pair is not None:
        line.ebi_outcome = ebi_outcome(record, pair, books, year)

    agreed = None
    if record["hrg_code"] != UNGROUPABLE_HRG:
        agreed = local_price(record["hrg_code"], pair, record["end_date"], books)
    if agreed is not None and (published is None or agreed.takes_place_of_published):
        line.price_source, line.unit_price = "local", agreed.pence
        line.is_hrg_retired = False
    elif published is not None:
        line.excess_days, line.long_stay_pence = long_stay(record, point_of_delivery, prices)
        if pair is not None:
            add_best_practice(line, record, pair, is_at_unit_prices, books, year)
            if year.has_top_ups_in_prices:
                ppm = top_up_ppm(record, pair.provider, books)
                line.top_up_pence = times_ppm(published + line.best_practice_pence, ppm)
    return line


def add_best_practice(
    line: Priced,
    record: SpellRecord,
    pair: Pair,
    is_at_unit_prices: bool,
    books: Books,
    year: Year,
) -> None:
    """The tariff's name on the line and, where it is paid, its difference from the base price."""
    tariff = best_practice_of(record, line.price_source, books, year)
    price = None if tariff is None else tariff.prices[line.price_source]
    if tariff is None or price is None or line.published is None:
        return
    line.best_practice_name = tariff.name
    if is_best_practice_paid(tariff, line.point_of_delivery, pair, is_at_unit_prices, books, year):
        line.best_practice_pence = price - line.published
