"""Planned and counted activity: what the parties' plans, terms and counts may say and come to.

Belongs here: the national default growth of a plan (2026/27 ¶90-92), which terms a line of a
contract may have by how it is paid for and which of them need approval (2021/22 ¶59, 2026/27
¶42-43, ¶86-89, ¶96-97, ¶100-102), and the value of activity that is counted and in no extract. Does
not belong here: the lines of a year (its scheme pack), the lists (`pipelines`), or what is paid
(`pricing.variable_element`, `pricing.blended_payments`).
"""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw

from pricing import mff
from pricing.decision import first_that_fits
from pricing.local_prices import LOCAL
from pricing.mechanism import API_BLENDED, API_VARIABLE
from pricing.money import PPM, apply_ppm
from pricing.scheme import Scheme
from pricing.scheme_tables import (
    ADDITION,
    AMOUNT_EACH,
    BEST_PRACTICE,
    CONTRACT_SECTIONS,
    COUNTS,
    DIFFERENCE,
    NO_ADJUSTMENT,
    SHORTFALL,
    TERMS,
    WITHHELD,
    ContractLine,
)

ACCIDENT_AND_EMERGENCY = "accident_and_emergency"
GENOMIC_TESTING = "genomic_testing"
RADIOTHERAPY = "UNBRTHPY"
VARIABLE_RATE = "variable_rate"
BREAK_GLASS = "break_glass"
ATTAINMENT = "attainment"
HELD_BACK = "withheld"
AMOUNT_OF_UNIT = "amount_each"
TRANSITION = "transition"
MANAGEMENT = "management"
LINEAR_ACCELERATORS = "linear_accelerators"
ALL_TERMS = (
    *(VARIABLE_RATE, BREAK_GLASS, ATTAINMENT, HELD_BACK),
    *(AMOUNT_OF_UNIT, TRANSITION, MANAGEMENT, LINEAR_ACCELERATORS),
)
"""What the parties may agree of a line of their contract."""
SIDES = ("above", "below", "both")
"""Of the plan, where terms of break-glass hold."""
_TERMS_OF_SHAPE = {
    DIFFERENCE: (VARIABLE_RATE, BREAK_GLASS),
    AMOUNT_EACH: (AMOUNT_OF_UNIT,),
    SHORTFALL: (VARIABLE_RATE, ATTAINMENT),
    NO_ADJUSTMENT: (ATTAINMENT,),
    WITHHELD: (HELD_BACK, ATTAINMENT),
}
_BESIDE_PLAN = {
    GENOMIC_TESTING: (TRANSITION, MANAGEMENT),
    RADIOTHERAPY: (LINEAR_ACCELERATORS,),
}
"""Amounts a month that a fixed payment has beside planned activity, against which nothing is done
(2026/27 ¶97, ¶99-100)."""
_NOT_PLANNED = (ADDITION, WITHHELD)


def lines_of(scheme: Scheme) -> Mapping[str, ContractLine]:
    """The lines that contracts of the year have, by name."""
    return {line.line: line for line in scheme.contract_lines.table}


def may_have_plan(line: ContractLine) -> bool:
    """Whether anything is planned of a line; nothing is of what is added or held back."""
    return line.pays not in _NOT_PLANNED


def is_counted(line: ContractLine) -> bool:
    """Whether the user counts a line's activity, for it is in no extract."""
    return line.source == COUNTS


def has_price(line: ContractLine) -> bool:
    """Whether the activity of a line is priced; of advice and guidance an amount is agreed."""
    return line.pays != AMOUNT_EACH


def is_amount_alone(line: ContractLine) -> bool:
    """Whether the plan of a line has a value and no activity: best practice and CQUIN."""
    return line.source in (BEST_PRACTICE, TERMS)


def terms_of(line: ContractLine) -> tuple[str, ...]:
    """The terms that a line may have, by how it is paid for (2026/27 ¶86-88, ¶97, ¶100-102).

    Of what attainment is paid by, the rate is full attainment: at 0 nothing is adjusted, as the
    parties may agree (2021/22 ¶59).
    """
    is_blended = CONTRACT_SECTIONS[line.section] == API_BLENDED
    beside_plan = _BESIDE_PLAN.get(line.line, ()) if is_blended else ()
    return (*_TERMS_OF_SHAPE.get(line.pays, ()), *beside_plan)


def most_withheld_ppm(line: ContractLine, scheme: Scheme) -> int:
    """The largest share of a fixed payment that may be held back (2026/27 ¶101)."""
    return _rate_ppm(line, scheme) or 0


def _rate_ppm(line: ContractLine, scheme: Scheme) -> int | None:
    """The rate that the scheme gives a line; None where the parties agree it (2026/27 ¶102)."""
    return scheme.parameters[line.rate].value if line.rate else None


def rate_needs_approval(line: ContractLine, term: str, rate_ppm: int, scheme: Scheme) -> bool:
    """Whether a rate is a variation that the year wants approved (2021/22 ¶59, 2026/27 ¶42-43).

    Break-glass terms of a blended payment are the parties' own to agree (2026/27 ¶86-88); in the
    variable element they are another rate.
    """
    path = "api_scope.other_variable_rate_needs_approval"
    if not scheme.gives(path) or not scheme.api_scope.other_variable_rate_needs_approval:
        return False
    if term == BREAK_GLASS:
        return CONTRACT_SECTIONS[line.section] == API_VARIABLE
    national = _rate_ppm(line, scheme)
    return term == VARIABLE_RATE and national is not None and rate_ppm != national


def growth_ppm(scheme: Scheme) -> Mapping[str, int]:
    """The national default growth of each line that has one (2026/27 ¶91-92); none without it."""
    if not scheme.gives("uec_blend.default_growth_ppm"):
        return {}
    growth = scheme.uec_blend.default_growth_ppm
    spells = scheme.mechanism.blended_points_of_delivery
    return {
        **dict.fromkeys(spells, growth["non_elective"]),
        ACCIDENT_AND_EMERGENCY: growth[ACCIDENT_AND_EMERGENCY],
    }


def grown(amount: str, scheme: Scheme, quantum: int = 1) -> nw.Expr:
    """`amount` of the base year with the default growth of its line, rounded once.

    Needs `contract_line`; null for a line that has no default growth.
    """
    rows = [
        (nw.col("contract_line") == line, apply_ppm(nw.col(amount), PPM + ppm, quantum))
        for line, ppm in growth_ppm(scheme).items()
    ]
    return first_that_fits(rows, otherwise=None, dtype=nw.Int64)


def local_price_needs_approval(scheme: Scheme) -> nw.Expr:
    """Whether a local price takes the place of one that is published (2026/27 ¶43, ¶89).

    SABR of the prostate is free to have one (2026/27 ¶96). Needs `local_price_pence`,
    `price_code` and `has_published_prices`, whether the year has prices of the line at all.
    """
    free = (
        scheme.radiotherapy_blend.local_price_services
        if scheme.gives("radiotherapy_blend.local_price_services")
        else ()
    )
    is_free = nw.col("price_code").is_in([code.upper() for code in free]).fill_null(False)
    return ~nw.col("local_price_pence").is_null() & nw.col("has_published_prices") & ~is_free


def valued(counts: nw.LazyFrame[Any], scheme: Scheme) -> nw.LazyFrame[Any]:
    """Counts with `value_pence`: their units, each priced and rounded as a line would be.

    Needs `contract_line`, `activity`, `local_price_pence`, `published_price_pence` and
    `provider_mff_ppm`. The local price comes first; the value is null where there is no price.
    """
    sections = [
        (nw.col("contract_line") == line.line, CONTRACT_SECTIONS[line.section])
        for line in lines_of(scheme).values()
    ]
    is_local = ~nw.col("local_price_pence").is_null()
    priced = counts.with_columns(
        payment_mechanism=first_that_fits(sections, otherwise=None),
        price_source=nw.when(is_local).then(nw.lit(LOCAL)).otherwise(nw.lit("published")),
    ).with_columns(mff_ppm=mff.factor_ppm(scheme.market_forces_factor))
    price = nw.coalesce("local_price_pence", "published_price_pence")
    each = apply_ppm(price, nw.col("mff_ppm"), scheme.rounding.quantum_pence)
    return priced.with_columns(value_pence=nw.col("activity") * each)
