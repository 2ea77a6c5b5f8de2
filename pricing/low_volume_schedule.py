"""The LVA payments schedule: how the values of its blocks are made, and how two schedules compare.

Belongs here: which lines the value of a block rests on, the average, uplift and growth of its parts
(2023/25 ¶12, ¶83-84, ¶88, 2026/27 ¶112-114), how near a value is to the threshold and what else is
weighed (2023/25 ¶83, ¶85, 2026/27 ¶106), a schedule against the published one, and a schedule
expressed for other organisations (2026/27 ¶107). Does not belong here: how a year makes each part
(scheme packs), what a block pays for (`pricing.low_volume`), or reading any of it
(`pipelines.low_volume`).

Acute services and secondary dental are known by treatment function, and who commissioned a line by
its payer, since no document says more. So what NHS England commissioned before it was delegated
(2023/25 ¶84-85, 2026/27 ¶113) is in no pair but where the user gives it; `sums` counts it all the
same, so that nothing drops out unseen.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import product, takewhile
from math import ceil, floor, isqrt
from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import PAIR
from pricing.cost_adjustment import compounded
from pricing.decision import first_that_fits
from pricing.explaining import pounds
from pricing.low_volume import OUTSIDE_SCHEME
from pricing.mechanism import EXCLUDED_ITEM
from pricing.money import PPM, rounded
from pricing.overseas_visitors import CHARGED_TO_PATIENT
from pricing.scheme import LowVolume, Scheme
from pricing.scheme_tables import (
    ACTIVITY,
    ACUTE,
    CORE,
    FINANCE_PAYMENTS,
    LAST_SCHEDULE,
    MENTAL_HEALTH_AND_COMMUNITY,
    SCHEDULE_PARTS,
    SECONDARY_DENTAL,
    SPECIALISED,
    WHOLE,
    SchedulePart,
)

Pair = tuple[str, str]
Row = Mapping[str, int | None]
"""What a schedule says of a pair, in pence: the block value as `WHOLE`, and its parts, if any."""

REFUSED, MENTAL_HEALTH = "refused", "mental_health"
NOT_AN_ICB, NOT_AN_NHS_PROVIDER = "payer_is_no_icb", "no_nhs_provider"
OUTSIDE_LVA = "provider_outside_lva"

NOT_ON_LAST_SCHEDULE, NOT_GIVEN = "not_on_last_schedule", "not_given"
NOT_PUBLISHED, NOT_REBUILT = "not_published", "not_rebuilt"
SAME, ROUNDING, PARTIAL_AVERAGE = "same", "rounding", "partial_average"
UPLIFTED_SINCE = "uplifted_since"
PARTS_DIFFER, NO_BREAKDOWN = "parts_differ", "no_breakdown"
CAUSES = {
    NOT_PUBLISHED: "not on the published schedule",
    NOT_REBUILT: "published, and a part of it has nothing here to be made from",
    SAME: "no difference",
    PARTIAL_AVERAGE: "the average is of some of the reference years alone",
    ROUNDING: "rounding of each part",
    UPLIFTED_SINCE: "an uplift was published after the schedule",
    PARTS_DIFFER: "parts differ",
    NO_BREAKDOWN: "the published schedule has no breakdown that tells which part differs",
}
"""Why a value is not the published one, in words; the first that fits is the cause."""
_NO_MORE = (SAME, ROUNDING)
_HALVES_OF_CORE = (ACUTE, MENTAL_HEALTH_AND_COMMUNITY)
_BREAKDOWNS = (
    (*_HALVES_OF_CORE, SECONDARY_DENTAL, SPECIALISED),
    (CORE, SECONDARY_DENTAL, SPECIALISED),
)
"""The parts that a block value may be set out in, the finer first."""


def counts_as(rules: LowVolume) -> nw.Expr:
    """What a priced line counts as: a part made from activity, or why it is in none.

    Not what no ICB pays for, not excluded items, which are paid for apart (2023/25 ¶100, 2026/27
    ¶116), and not mental health, whose value comes from finance payments or the last schedule
    (2023/25 ¶83, 2026/27 ¶113). All else that SUS+ has is taken to be acute.
    """
    mechanism, function = nw.col("payment_mechanism"), nw.col("treatment_function_code")
    return first_that_fits(
        [
            (~nw.col("refusal_codes").is_null(), REFUSED),
            (mechanism == OUTSIDE_SCHEME, OUTSIDE_SCHEME),
            (mechanism == CHARGED_TO_PATIENT, CHARGED_TO_PATIENT),
            (mechanism == EXCLUDED_ITEM, EXCLUDED_ITEM),
            (function.is_in(rules.mental_health_treatment_function_codes), MENTAL_HEALTH),
            (function.is_in(rules.secondary_dental_treatment_function_codes), SECONDARY_DENTAL),
        ],
        ACUTE,
    )


def sums(lines: nw.LazyFrame[Any], rules: LowVolume) -> nw.LazyFrame[Any]:
    """What lines come to by pair and what they count as.

    Takes priced lines with `refusal_codes`, of which a refused record is one row without a line.
    Gives `PAIR`, `counts_as`, `refusal_codes`, `records` (lines of a core HRG, or refusals),
    `lines`, `value_pence`, what they are worth after MFF whichever mechanism pays, and
    `lines_without_price`, which are worth nothing in it.
    """
    value, is_core = nw.col("value_pence"), nw.col("line_number") == 0
    return (
        lines.with_columns(
            counts_as=counts_as(rules),
            is_record=nw.when(is_core).then(1).otherwise(0),
            is_without_price=nw.when(value.is_null()).then(1).otherwise(0),
            worth_pence=value.fill_null(0),
        )
        .group_by(*PAIR, "counts_as", "refusal_codes")
        .agg(
            nw.col("is_record").sum().cast(nw.Int64).alias("records"),
            nw.len().cast(nw.Int64).alias("lines"),
            nw.col("worth_pence").sum().cast(nw.Int64).alias("value_pence"),
            nw.col("is_without_price").sum().cast(nw.Int64).alias("lines_without_price"),
        )
    )


def outside(provider_kind: str | None, commissioner_kind: str | None, scheme: Scheme) -> str | None:
    """Why a pair can have no block; None where it can.

    LVA is for ICBs and NHS providers (2023/25 ¶82, 2026/27 ¶111), but ambulance trusts (2023/25
    ¶79, 2026/27 ¶108). The provider is looked at first, so that what an NHS trust did for another
    payer is known as such.
    """
    if provider_kind in scheme.low_volume.provider_kinds_outside:
        return OUTSIDE_LVA
    if provider_kind not in scheme.mechanism.nhs_provider_kinds:
        return NOT_AN_NHS_PROVIDER
    return None if commissioner_kind in scheme.low_volume.commissioner_kinds else NOT_AN_ICB


def boards_expected(scheme: Scheme) -> int | None:
    """How many ICBs the schedule is for, where the year says (2026/27 ¶107)."""
    is_said = scheme.gives("low_volume.integrated_care_boards")
    return scheme.low_volume.integrated_care_boards if is_said else None


def schedule_rolled(scheme: Scheme) -> str | None:
    """The year of the schedule that is rolled forward, if one is (2023/25 ¶83, 2026/27 ¶113)."""
    return next((one.of_schedule for one in scheme.low_volume.schedule if one.of_schedule), None)


@dataclass(frozen=True, slots=True)
class Activity:
    """What lines of a pair come to: how many, their worth, and how many have no price."""

    lines: int = 0
    value_pence: int = 0
    lines_without_price: int = 0

    def __add__(self, other: "Activity") -> "Activity":
        """Both together."""
        return Activity(
            self.lines + other.lines,
            self.value_pence + other.value_pence,
            self.lines_without_price + other.lines_without_price,
        )


@dataclass(frozen=True, slots=True)
class Factor:
    """What an amount is multiplied by, exactly, and what it is."""

    says: str
    value: Fraction

    @property
    def shown(self) -> str:
        """The factor as a decimal: what is in millionths never goes on for ever.

        >>> Factor("growth", Fraction(1_085, 1_000)).shown
        '1.085'
        """
        return f"{Decimal(self.value.numerator) / Decimal(self.value.denominator):f}"


@dataclass(frozen=True, slots=True)
class Worked:
    """A part of a block value and the sum that makes it.

    The average of `amounts` times each of `factors`, newly delegated services added, and all of
    it times `growth`; rounded once, to `quantum_pence`.
    """

    part: SchedulePart
    amounts: tuple[int, ...]
    factors: tuple[Factor, ...]
    newly_delegated_pence: int
    growth: Factor | None
    quantum_pence: int
    lines_without_price: int = 0
    is_partial: bool = False

    @property
    def exact_pence(self) -> Fraction:
        """What it comes to before it is rounded."""
        average = Fraction(sum(self.amounts), len(self.amounts))
        uplifted = average * compounded(factor.value - 1 for factor in self.factors)
        growth = self.growth.value if self.growth else Fraction(1)
        return (uplifted + self.newly_delegated_pence) * growth

    @property
    def pence(self) -> int:
        """What it comes to."""
        return rounded(self.exact_pence, self.quantum_pence)

    @property
    def in_words(self) -> str:
        """The sum, such as `average of £1.00, £2.00 × 1.0283`."""
        amounts = ", ".join(pounds(amount) for amount in self.amounts)
        said = f"average of {amounts}" if len(self.amounts) > 1 or self.is_partial else amounts
        said = f"partial {said}" if self.is_partial else said
        said = " × ".join([said, *(factor.shown for factor in self.factors)])
        if self.part.adds_newly_delegated:
            said = f"{said} + {pounds(self.newly_delegated_pence)} newly delegated"
            said = f"({said})" if self.growth else said
        return f"{said} × {self.growth.shown}" if self.growth else said


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that cannot be made: which, of what kind, and why."""

    part: str
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class BlockValue:
    """What the block of a pair comes to, part by part; None where a part is missing."""

    pair: Pair
    worked: tuple[Worked, ...]
    missing: tuple[Missing, ...]

    @property
    def pence(self) -> int | None:
        """The value to be paid: the sum of its parts as they are rounded."""
        return None if self.missing else sum(one.pence for one in self.worked)

    @property
    def is_partial(self) -> bool:
        """Whether an average in it is not of all reference years."""
        return any(one.is_partial for one in self.worked)

    @property
    def lines_without_price(self) -> int:
        """Lines that it rests on and that are worth nothing in it, for want of a price."""
        return sum(one.lines_without_price for one in self.worked)

    def weighed_pence(self, rules: LowVolume) -> int | None:
        """The value that the threshold is held against, with or without delegated services.

        2023/25 ¶83, ¶85 without; 2026/27 ¶106 with.
        """
        if self.missing:
            return None
        with_delegated = rules.threshold_includes_delegated_services
        return sum(w.pence for w in self.worked if with_delegated or not w.part.is_delegated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a schedule is made of, by pairs of its own year, in pence.

    `activity` is of whole years by `(pair, part)`. `last` is the schedule that is rolled forward
    and what the user says of it, by the pair and then by each that came together in it: of one that
    had activity and of which nothing is said, an empty row. The rest is the user's: finance
    payments by year, the growth of an ICB's allocation as a factor, parts as given, and newly
    delegated services.
    """

    activity: Mapping[str, Mapping[tuple[Pair, str], Activity]]
    last: Mapping[Pair, Mapping[Pair, Row]]
    finance_payments: Mapping[Pair, Mapping[str, int]]
    allocation_growth: Mapping[str, Fraction]
    given_parts: Mapping[tuple[Pair, str], int]
    newly_delegated: Mapping[tuple[Pair, str], int]

    @property
    def pairs(self) -> list[Pair]:
        """Every pair that any of it names, in order."""
        by_part = (self.given_parts, self.newly_delegated, *self.activity.values())
        named = {pair for of in by_part for pair, _ in of}
        return sorted(named | set(self.last) | set(self.finance_payments))


def block_values(
    inputs: Inputs, scheme: Scheme, net_uplifts: Mapping[str, Fraction]
) -> list[BlockValue]:
    """The block value of every pair that the inputs name, in order of pairs.

    `net_uplifts` are what each year adds, as `pricing.cost_adjustment` gives it. Where activity
    lacks a reference year, the average is of the others, and marked.
    """
    return [_block_value(pair, inputs, scheme, net_uplifts) for pair in inputs.pairs]


def _block_value(
    pair: Pair, inputs: Inputs, scheme: Scheme, net_uplifts: Mapping[str, Fraction]
) -> BlockValue:
    rules = scheme.low_volume
    made = [
        _worked(pair, part, inputs, net_uplifts, rules, scheme.gives("low_volume.growth_ppm"))
        for part in rules.schedule
    ]
    return BlockValue(
        pair,
        tuple(one for one in made if isinstance(one, Worked)),
        tuple(one for one in made if isinstance(one, Missing)),
    )


def _worked(
    pair: Pair,
    part: SchedulePart,
    inputs: Inputs,
    net_uplifts: Mapping[str, Fraction],
    rules: LowVolume,
    has_growth: bool,
) -> Worked | Missing:
    growth = Factor("activity growth", 1 + Fraction(rules.growth_ppm, PPM)) if has_growth else None
    plain = Worked(
        part=part,
        amounts=(0,),
        factors=tuple(
            Factor(f"net uplift of {year}", 1 + net_uplifts[year]) for year in part.uplift_years
        ),
        newly_delegated_pence=inputs.newly_delegated.get((pair, part.part), 0),
        growth=growth,
        quantum_pence=rules.schedule_quantum_pence,
    )
    if part.source == ACTIVITY:
        return _from_activity(pair, plain, inputs)
    if part.source == FINANCE_PAYMENTS:
        return _from_finance_payments(pair, plain, inputs)
    if part.source == LAST_SCHEDULE:
        return _from_last_schedule(pair, plain, inputs)
    return replace(plain, amounts=(inputs.given_parts.get((pair, part.part), 0),))


def _from_activity(pair: Pair, plain: Worked, inputs: Inputs) -> Worked:
    """The average of the reference years' activity (2023/25 ¶83, 2026/27 ¶113).

    A year in which a pair had none is worth nothing in it, since the year is whole.
    """
    part = plain.part
    years = [inputs.activity[y] for y in part.reference_years if y in inputs.activity]
    done = [year.get((pair, part.part), Activity()) for year in years]
    return replace(
        plain,
        amounts=tuple(one.value_pence for one in done),
        lines_without_price=sum(one.lines_without_price for one in done),
        is_partial=len(years) < len(part.reference_years),
    )


def _from_finance_payments(pair: Pair, plain: Worked, inputs: Inputs) -> Worked | Missing:
    """The average of payments, in line with the growth of the ICB's core allocation (2023/25 ¶83).

    A pair of which no payment is given has none: the provider is an acute trust (2023/25 ¶12).
    """
    part = plain.part
    paid = inputs.finance_payments.get(pair)
    if paid is None:
        return plain
    lacking = [year for year in part.reference_years if year not in paid]
    if lacking:
        return Missing(part.part, NOT_GIVEN, f"finance payments of {' and '.join(lacking)}")
    growth = inputs.allocation_growth.get(pair[1])
    if growth is None:
        return Missing(part.part, NOT_GIVEN, f"allocation growth of {pair[1]}")
    factors = (Factor("allocation growth", growth), *plain.factors)
    amounts = tuple(paid[year] for year in part.reference_years)
    return replace(plain, amounts=amounts, factors=factors)


def _from_last_schedule(pair: Pair, plain: Worked, inputs: Inputs) -> Worked | Missing:
    """What the last schedule held of a part, or so the user says (2023/25 ¶88, 2026/27 ¶113).

    Of a pair that merged, what it held of each that it is made of, together.
    """
    part = plain.part
    rows = inputs.last.get(pair, {})
    unnamed = [named for named, row in rows.items() if not row] if rows else [pair]
    if unnamed:
        says = f"the schedule of {part.of_schedule} does not name {_as_named(unnamed)}"
        return Missing(part.part, NOT_ON_LAST_SCHEDULE, says)
    held = {named: breakdown(row).get(str(part.takes)) for named, row in rows.items()}
    lacking = [named for named, pence in held.items() if pence is None]
    if lacking:
        says = f"{str(part.takes).replace('_', ' ')} of the schedule of {part.of_schedule}"
        says = says if list(rows) == [pair] else f"{says}, for {_as_named(lacking)}"
        return Missing(part.part, NOT_GIVEN, says)
    return replace(plain, amounts=(sum(pence or 0 for pence in held.values()),))


def _as_named(pairs: Iterable[Pair]) -> str:
    """Pairs by the codes of an earlier schedule."""
    return ", ".join(f"{provider} and {payer}" for provider, payer in sorted(pairs))


def breakdown(row: Row) -> dict[str, int]:
    """What a schedule says of each part of a block value, and of the whole.

    A blank is nothing where the other parts come to the whole; else it is not known, and left out.

    >>> breakdown({"all": 300, "acute_mental_health_and_community": 300, "secondary_dental": None})
    {'all': 300, 'acute_mental_health_and_community': 300, 'secondary_dental': 0, 'specialised': 0}
    >>> breakdown({"all": 300, "acute": 200, "mental_health_and_community": None})
    {'all': 300, 'acute': 200}
    """
    found = {part: pence for part, pence in row.items() if pence is not None}
    for parts in _BREAKDOWNS:
        given = [found[part] for part in parts if part in found]
        if given and sum(given) == found.get(WHOLE):
            found |= {part: 0 for part in parts if part not in found}
    if CORE not in found and all(half in found for half in _HALVES_OF_CORE):
        found[CORE] = sum(found[half] for half in _HALVES_OF_CORE)
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """A pair's value against the published one, with one cause; `parts` are those that differ."""

    pair: Pair
    published_pence: int | None
    rebuilt_pence: int | None
    cause: str
    parts: tuple[str, ...] = ()

    @property
    def difference_pence(self) -> int | None:
        """What was published beyond what is rebuilt; None where either is not there."""
        if self.published_pence is None or self.rebuilt_pence is None:
            return None
        return self.published_pence - self.rebuilt_pence


def against_published(
    rebuilt: Iterable[BlockValue],
    published: Mapping[Pair, Row],
    as_known_then: Iterable[BlockValue] = (),
) -> list[Difference]:
    """Every pair that is published, or rebuilt with a value: its difference and the cause.

    `as_known_then` are the same values with the uplifts known on the day of the published schedule,
    where they are others.
    """
    values, then = ({one.pair: one for one in of} for of in (rebuilt, as_known_then))
    pairs = {pair for pair, one in values.items() if one.pence is not None} | set(published)
    return [
        _difference(pair, values.get(pair), published.get(pair), then.get(pair))
        for pair in sorted(pairs)
    ]


def _difference(
    pair: Pair, value: BlockValue | None, row: Row | None, then: BlockValue | None
) -> Difference:
    ours = value.pence if value else None
    theirs = row[WHOLE] if row else None
    if row is None:
        return Difference(pair, None, ours, NOT_PUBLISHED)
    if value is None or ours is None:
        return Difference(pair, theirs, None, NOT_REBUILT)
    cause, parts = _cause(value, row)
    if cause != SAME and value.is_partial:
        cause, parts = PARTIAL_AVERAGE, ()
    elif cause in (PARTS_DIFFER, NO_BREAKDOWN) and then and _cause(then, row)[0] in _NO_MORE:
        cause, parts = UPLIFTED_SINCE, ()
    return Difference(pair, theirs, ours, cause, parts)


def _cause(value: BlockValue, row: Row) -> tuple[str, tuple[str, ...]]:
    """How a value and a published one compare, whole and part by part, and the parts that differ.

    Where no breakdown tells the parts, the whole must.
    """
    published = breakdown(row)
    whole = _of_part(WHOLE, value.worked, published[WHOLE])
    parts = _part_by_part(value, published)
    if all(one.is_same for one in (whole, *parts)):
        return SAME, ()
    differing = tuple(one.part for one in parts if not one.is_rounding)
    if whole.is_rounding and not differing:
        return ROUNDING, ()
    return (PARTS_DIFFER, differing or (WHOLE,)) if parts else (NO_BREAKDOWN, ())


@dataclass(frozen=True, slots=True)
class _OfPart:
    """A part as published and as rebuilt, and the least and most that rounding could make of it."""

    part: str
    published_pence: int
    pence: int
    least_pence: int
    most_pence: int

    @property
    def is_same(self) -> bool:
        """Whether it is what is published."""
        return self.pence == self.published_pence

    @property
    def is_rounding(self) -> bool:
        """Whether another rounding of the same amounts could have given what is published."""
        return self.least_pence <= self.published_pence <= self.most_pence


def _part_by_part(value: BlockValue, published: Mapping[str, int]) -> list[_OfPart]:
    """The parts of both sides, by the finest breakdown that both have; none where there is none."""
    for parts in _BREAKDOWNS:
        stands_in = {part: _as_set_out(part, parts) for part in SCHEDULE_PARTS}
        is_ours = all(stands_in[one.part.part] for one in value.worked)
        if is_ours and all(part in published for part in parts):
            return [
                _of_part(
                    part,
                    [one for one in value.worked if stands_in[one.part.part] == part],
                    published[part],
                )
                for part in parts
            ]
    return []


def _as_set_out(part: str, parts: tuple[str, ...]) -> str | None:
    """The part of a breakdown that holds another; None where it cannot be told from its others."""
    is_in_core = part in _HALVES_OF_CORE and CORE in parts
    return part if part in parts else CORE if is_in_core else None


def _of_part(part: str, worked: Sequence[Worked], published_pence: int) -> _OfPart:
    exact = [one.exact_pence / one.quantum_pence for one in worked]
    least, most = (
        sum(to(one) * of.quantum_pence for one, of in zip(exact, worked, strict=True))
        for to in (floor, ceil)
    )
    return _OfPart(part, published_pence, sum(one.pence for one in worked), least, most)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A pair's value against the threshold, and what else is weighed; None is not known.

    `is_across` says that the value is on the other side of the threshold than the schedule says:
    the published one where there is one, else the one that is rolled forward.
    """

    pair: Pair
    weighed_pence: int
    is_below: bool
    is_near: bool
    is_across: bool
    proximity: str | None = None
    provider_income_share: Fraction | None = None
    delivers_specialised: bool | None = None
    had_lva: bool | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where an organisation is: metres on the National Grid, or a postcode sector, or both."""

    easting: int | None
    northing: int | None
    postcode_sector: str | None


def near_or_across(
    values: Iterable[BlockValue],
    rules: LowVolume,
    listed: Iterable[Pair] | None,
    listed_before: Iterable[Pair] | None,
) -> list[Weighed]:
    """The pairs whose value is near the threshold or across it, in order of pairs.

    Below it is LVA, at it is not (2023/25 ¶83, 2026/27 ¶106). `listed` is the published schedule,
    `listed_before` the one that is rolled forward; None where there is none.
    """
    known = set(listed) if listed is not None else None
    before = set(listed_before) if listed_before is not None else None
    threshold, found = rules.threshold_pence, []
    for value in values:
        weighed = value.weighed_pence(rules)
        if weighed is None:
            continue
        is_below = weighed < threshold
        is_near = abs(weighed - threshold) * PPM <= threshold * rules.near_threshold_ppm
        reference = known if known is not None else before
        is_listed = value.pair in reference if reference is not None else None
        # Of a pair that is new, the last schedule says nothing.
        is_across = is_listed is not None and is_listed != is_below
        is_across = is_across and (known is not None or bool(is_listed))
        if is_near or is_across:
            found.append(Weighed(value.pair, weighed, is_below, is_near, is_across))
    return found


def with_other_tests(
    weighed: Weighed,
    scheme: Scheme,
    provider_income_pence: int | None,
    places: tuple[Location | None, Location | None],
    delivers_specialised: bool | None,
    listed_last_year: Container[Pair] | None,
) -> Weighed:
    """A pair near the threshold with what the year weighs besides, where known (2026/27 ¶106).

    `listed_last_year` are the pairs of the schedule of the year before; None where it is not there.
    """
    is_said = scheme.gives("low_volume.also_considered")
    asked = scheme.low_volume.also_considered if is_said else ()
    share = (
        Fraction(weighed.weighed_pence, provider_income_pence) if provider_income_pence else None
    )
    had_lva = None if listed_last_year is None else weighed.pair in listed_last_year
    return replace(
        weighed,
        proximity=proximity(*places) if "proximity" in asked else None,
        provider_income_share=share if "share_of_provider_income" in asked else None,
        delivers_specialised=delivers_specialised if "specialised_services" in asked else None,
        had_lva=had_lva if "previous_lva" in asked else None,
    )


def proximity(one: Location | None, other: Location | None) -> str | None:
    """How far two organisations are apart: whole kilometres, else by postcode; None if not known.

    >>> proximity(Location(0, 0, None), Location(3_000, 4_000, None))
    '5 km'
    >>> proximity(Location(None, None, "NW1 2"), Location(None, None, "NW1 3"))
    'same postcode district'
    """
    if one is None or other is None:
        return None
    if None not in (one.easting, one.northing, other.easting, other.northing):
        east = int(one.easting or 0) - int(other.easting or 0)
        north = int(one.northing or 0) - int(other.northing or 0)
        metres = isqrt(east * east + north * north)
        return f"{(metres + 500) // 1000:,} km"
    if one.postcode_sector and other.postcode_sector:
        return _by_postcode(one.postcode_sector, other.postcode_sector)
    return None


def _by_postcode(one: str, other: str) -> str:
    if one == other:
        return "same postcode sector"
    districts = [sector.partition(" ")[0] for sector in (one, other)]
    if districts[0] == districts[1]:
        return "same postcode district"
    areas = ["".join(takewhile(str.isalpha, district)) for district in districts]
    return "same postcode area" if areas[0] == areas[1] else "other postcode areas"


class NobodyStandsError(ValueError):
    """Codes of a schedule for which nobody stands on the day; `codes` are they, in order."""

    def __init__(self, codes: list[str]) -> None:
        self.codes = codes
        super().__init__(", ".join(codes))


@dataclass(frozen=True, slots=True)
class OwnYear:
    """Who stood for themselves in a schedule's own year, and who each of them has come down to.

    `listed` are the pairs of the schedule as that year knew them.
    """

    providers: Mapping[str, str]
    commissioners: Mapping[str, str]
    listed: Collection[Pair]

    def not_listed(self, now: Pair) -> tuple[Pair, ...]:
        """The pairs of that year that came down to one, and are not on the schedule."""
        providers, payers = (
            sorted(code for code, successor in codes.items() if successor == own)
            for codes, own in zip((self.providers, self.commissioners), now, strict=True)
        )
        return tuple(pair for pair in product(providers, payers) if pair not in self.listed)


@dataclass(frozen=True, slots=True)
class Reexpressed:
    """A schedule for the organisations of another day, and the pairs that each is made of.

    `not_listed` has the pairs that it cannot decide: a pair that the schedule does not list came
    down to the same, so that its activity, which API pays for, would fall in the block.
    """

    rows: Mapping[Pair, Row]
    made_of: Mapping[Pair, tuple[Pair, ...]]
    not_listed: Mapping[Pair, tuple[Pair, ...]]

    @property
    def decided(self) -> dict[Pair, Row]:
        """The pairs that the schedule lists all of."""
        return {pair: row for pair, row in self.rows.items() if pair not in self.not_listed}

    @property
    def undecided(self) -> dict[Pair, Row]:
        """The pairs whose parties must say what pays, with what the schedule lists of them."""
        return {pair: row for pair, row in self.rows.items() if pair in self.not_listed}


def reexpressed(
    schedule: Mapping[Pair, Row],
    providers: Mapping[str, str | None],
    commissioners: Mapping[str, str | None],
) -> Reexpressed:
    """A schedule by the organisations that its own come down to (2026/27 ¶107).

    Of each code of the schedule it is told who it comes down to. What several pairs come down to is
    their sum, so that the total is conserved; a part that is not known of one of them is not known
    of the sum. Which pairs are undecided `kept_apart` says. Raises `NobodyStandsError` for codes of
    the schedule that come down to nobody: what their block would be nobody can say.
    """
    lost = {provider for provider, _ in schedule if providers.get(provider) is None}
    lost |= {payer for _, payer in schedule if commissioners.get(payer) is None}
    if lost:
        raise NobodyStandsError(sorted(lost))
    made_of: dict[Pair, list[Pair]] = {}
    for provider, payer in sorted(schedule):
        now = (str(providers[provider]), str(commissioners[payer]))
        made_of.setdefault(now, []).append((provider, payer))
    rows = {now: _added_up([schedule[pair] for pair in pairs]) for now, pairs in made_of.items()}
    return Reexpressed(rows, {now: tuple(pairs) for now, pairs in made_of.items()}, {})


def kept_apart(made: Reexpressed, own_year: OwnYear) -> Reexpressed:
    """The same, with what its own year decides: which pairs a block can pay for all of.

    A pair that is not on the schedule has a contract (2023/25 ¶81, 2026/27 ¶110), and no block
    takes its place unless the parties say so.
    """
    not_listed = {now: own_year.not_listed(now) for now in made.rows}
    return replace(made, not_listed={now: pairs for now, pairs in not_listed.items() if pairs})


def at_threshold(made: Reexpressed, rules: LowVolume) -> dict[Pair, int]:
    """What pairs come to that are made of several, and that are not below the threshold any more.

    With delegated services or without, as the year weighs it (2023/25 ¶83, ¶85, 2026/27 ¶106); with
    them where the schedule does not tell them apart.
    """
    weighed = {}
    for pair, pairs in made.made_of.items():
        parts = breakdown(made.rows[pair])
        with_delegated = rules.threshold_includes_delegated_services or CORE not in parts
        if len(pairs) > 1:
            weighed[pair] = parts[WHOLE if with_delegated else CORE]
    return {pair: pence for pair, pence in weighed.items() if pence >= rules.threshold_pence}


def _added_up(rows: list[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    known = [breakdown(row) for row in rows]
    given = {part for row in rows for part in row}
    return {
        part: sum(row[part] for row in known) if all(part in row for row in known) else None
        for part in (WHOLE, *SCHEDULE_PARTS)
        if part in given
    }
