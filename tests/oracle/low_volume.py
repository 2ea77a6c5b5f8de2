"""Which lines a low volume activity block has paid for.

What belongs here: the pairs on the schedule and the exceptions to it. What does not: the block
values themselves, which no line is paid from.
"""

from datetime import date

from .books import Books
from .lines import Priced
from .parties import Pair, has_exception, is_nhs_provider
from .records import Record, is_mental_health, is_mental_health_placement
from .years import Year


def is_lva_pair(pair: Pair, books: Books, year: Year) -> bool:
    """An ICB and an NHS provider on the published schedule, if any (2023/25 ¶11, ¶80, ¶82, ¶83)."""
    return (
        year.has_lva
        and (pair.provider, pair.payer.commissioner_code) in books.lva_schedule
        and pair.payer.commissioner_kind == "icb"
        and is_nhs_provider(pair.provider, books)
    )


def is_outside_lva(
    record: Record, line: Priced, pair: Pair, costing_date: date, books: Books, year: Year
) -> bool:
    """The three exceptions to the LVA arrangements (2023/25 ¶79), or four (2026/27 ¶108).

    What a retired HRG was for is not known, so it may be elective care.
    """
    if books.provider_kinds[pair.provider] == "ambulance_trust":
        return True
    if is_mental_health_placement(record) and has_exception(
        "out_of_area_mental_health", pair, costing_date, books
    ):
        return True
    if (
        year.has_collaboratives_outside_lva
        and is_mental_health(record)
        and has_exception("mental_health_lead_provider_collaborative", pair, costing_date, books)
    ):
        return True
    return (line.is_elective or line.is_hrg_retired) and has_exception(
        "patient_choice_without_contract", pair, costing_date, books
    )


def is_covered_by_block(
    record: Record, line: Priced, pair: Pair, costing_date: date, books: Books, year: Year
) -> bool:
    """Whether the block has paid for the line, and nothing more is due (2023/25 ¶87)."""
    return is_lva_pair(pair, books, year) and not is_outside_lva(
        record, line, pair, costing_date, books, year
    )
