"""The yearly review of a contract: its value against price × activity, and what is adjusted.

Belongs here: the difference of each service and of the contract (2026/27 ¶54-57, ¶60), and every
rule of how much of it may be adjusted in a year, and the rest later (2026/27 ¶61). Does not belong
here: what activity is worth (`pricing.contract_activity`), the worksheet that the adjustment is an
item of (`pricing.fixed_element`), or the limit and whom it holds for (the scheme pack).

A difference is what price × activity comes to less what is funded: below zero where the contract
pays more than its activity is worth, so that it is what the contract would change by. An adjustment
below zero is an efficiency that the trust has to make.

Readings, where the paragraph leaves one open:

- An adjustment has the direction of the agreed difference and stays within it: its goal is to
  reduce the difference.
- A contract is for acute services where it funds any: the whole of it is then held to the limit,
  which is of the total contract value.
- The combined limit is of the efficiency that is asked for, so it moderates what is taken off; an
  increase asks for none. It holds the contract's own part of the deficit reduction against the
  contract value.
- Deficit reduction alone is that of the whole trust against its NHS contract income. Above the
  limit no adjustment is made, neither down nor up: the sentence has no direction.
- Exceptional circumstances lift the limit. They do not lift the rules of deficit reduction, which
  have no exception.
- The adjustment holds updated market forces factors and other pricing changes, so that what is
  adjusted beside them is the rest of it. With them and without them it is no more than the
  adjustment: changes that go the other way make no room for more, and changes that go further by
  themselves leave nothing, and are not undone.
- That the identified difference should not be applied in full at once is said of an adjustment that
  does so, and refuses none.
- "No more than" is met to the penny: the limit in pence is the share rounded down.

Providers within and outside the system are treated alike: nothing here asks which one is.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from pricing.explaining import percent, pounds
from pricing.money import PPM
from pricing.reasons import ReviewReason
from pricing.scheme import Scheme

PRICE, COST, NOT_BY_ACTIVITY = "price", "cost", "not_by_activity"
VALUED_BY = (PRICE, COST, NOT_BY_ACTIVITY)
"""What a service is worth: unit prices or costs times activity, or nothing (2026/27 ¶57, ¶60)."""
IDENTIFIED, AGREED = "identified_difference", "agreed_difference"
LIMIT, COMBINED, ABOVE = "limit", "with_deficit_reduction", "deficit_reduction_alone"
ADJUSTMENT, PRICING_CHANGES, BESIDE = "adjustment", "pricing_changes", "beside_pricing_changes"
IN_WORKSHEET, LATER = "in_worksheet", "later_years"
STEPS = (
    *(IDENTIFIED, AGREED, LIMIT, COMBINED, ABOVE),
    *(ADJUSTMENT, PRICING_CHANGES, BESIDE, IN_WORKSHEET, LATER),
)
"""What a review works out, in order."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a contract funds as one service, and what its activity is worth.

    `activity_value_pence` is None where the service is not valued by activity. `activity` and
    `lines_without_price` are those of priced lines, None where the worth was given.
    """

    service: str
    funding_pence: int
    valued_by: str
    activity_value_pence: int | None = None
    activity: int | None = None
    lines_without_price: int | None = None

    @property
    def difference_pence(self) -> int | None:
        """Price × activity less funding; None where it is not valued by activity."""
        if self.activity_value_pence is None:
            return None
        return self.activity_value_pence - self.funding_pence

    @property
    def reason_code(self) -> ReviewReason:
        """Whether it is funded above or below what its activity is worth."""
        difference = self.difference_pence
        if difference is None:
            return ReviewReason.REVIEW_NOT_BY_ACTIVITY
        if difference == 0:
            return ReviewReason.REVIEW_AT_ACTIVITY
        is_above = difference < 0
        return (
            ReviewReason.REVIEW_ABOVE_ACTIVITY if is_above else ReviewReason.REVIEW_BELOW_ACTIVITY
        )


@dataclass(frozen=True, slots=True)
class DeficitReduction:
    """Efficiency that a trust is expected to deliver because its deficit plan limit is reduced.

    Of the whole trust beside its NHS contract income, and the part that falls on the contract.
    """

    trust_pence: int
    nhs_contract_income_pence: int
    contract_pence: int


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A year of the plan by which an agreed difference is actioned (2026/27 ¶61)."""

    scheme_year: str
    amount_pence: int
    what_changes: str
    exceptional_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedContract:
    """All that the parties say of a contract for its review.

    `deficit_reduction` is None where the trust's deficit plan limit is not reduced.
    `pricing_changes_pence` is what updated market forces factors and other changes of prices add to
    the contract; the first year of `plan` is `scheme_year`. `has_acute_services` says whether the
    contract funds acute services, specialised ones among them.
    """

    scheme_year: str
    provider_code: str
    commissioner_code: str
    commissioner_kind: str
    has_acute_services: bool
    contract_value_pence: int
    services: tuple[Service, ...]
    agreed_difference_pence: int
    pricing_changes_pence: int
    deficit_reduction: DeficitReduction | None
    plan: tuple[PlannedChange, ...]

    @property
    def identified_difference_pence(self) -> int:
        """The differences of all services that are valued by activity, together."""
        return sum(one.difference_pence or 0 for one in self.services)

    @property
    def adjustment_pence(self) -> int:
        """What the parties adjust in the scheme year."""
        return self.plan[0].amount_pence if self.plan else 0


@dataclass(frozen=True, slots=True)
class Step:
    """What stands after one step, and the largest size that its rule allows, None without one."""

    step: str
    amount_pence: int
    reason_code: ReviewReason
    bound_pence: int | None = None


@dataclass(frozen=True, slots=True)
class ActionedYear:
    """A year of the plan with what is left of the agreed difference after it."""

    change: PlannedChange
    left_pence: int
    is_exceptional: bool
    reason_code: ReviewReason


@dataclass(frozen=True, slots=True)
class Review:
    """A contract's review: each step in order, and the years of its plan."""

    contract: ReviewedContract
    steps: tuple[Step, ...]
    years: tuple[ActionedYear, ...]

    def amount(self, step: str) -> int | None:
        """What stands after a step; None where the review has no such step."""
        return next((one.amount_pence for one in self.steps if one.step == step), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """What of a contract cannot be: the key that says it, in the `number`th entry of `table`."""

    key: str
    says: str
    table: str = ""
    number: int = 0


def reviewed(contract: ReviewedContract, scheme: Scheme) -> Review:
    """The review of a contract that has no `faults`, under a scheme that gives the limit."""
    years = _actioned(contract, scheme)
    of_year = years[0].reason_code if years else ReviewReason.REVIEW_ADJUSTMENT_AGREED
    identified, agreed = contract.identified_difference_pence, contract.agreed_difference_pence
    steps = (
        Step(IDENTIFIED, identified, ReviewReason.REVIEW_DIFFERENCE_IDENTIFIED),
        Step(AGREED, agreed, ReviewReason.REVIEW_DIFFERENCE_AGREED),
        *rules(contract, scheme),
        Step(ADJUSTMENT, contract.adjustment_pence, of_year),
        *_with_pricing_changes(contract),
        _later(contract, scheme),
    )
    return Review(contract, steps, years)


def _with_pricing_changes(contract: ReviewedContract) -> Iterator[Step]:
    """The adjustment is inclusive of pricing changes: what they leave of it, and all of both."""
    adjustment, changes = contract.adjustment_pence, contract.pricing_changes_pence
    within = max(min(adjustment, 0), min(changes, max(adjustment, 0)))
    beside = adjustment - within
    if within == changes:
        reason = ReviewReason.REVIEW_PRICING_CHANGES_WITHIN
    elif changes * adjustment < 0:
        reason = ReviewReason.REVIEW_PRICING_CHANGES_OTHER_WAY
    else:
        reason = ReviewReason.REVIEW_PRICING_CHANGES_BEYOND
    yield Step(PRICING_CHANGES, changes, reason)
    yield Step(BESIDE, beside, ReviewReason.REVIEW_BESIDE_PRICING_CHANGES)
    yield Step(IN_WORKSHEET, changes + beside, ReviewReason.REVIEW_IN_WORKSHEET)


def _later(contract: ReviewedContract, scheme: Scheme) -> Step:
    """What later years action; the identified difference should not be applied in full at once."""
    later = contract.agreed_difference_pence - contract.adjustment_pence
    identified, is_ruled = contract.identified_difference_pence, limit_pence(contract, scheme)
    if is_ruled is not None and identified and contract.adjustment_pence == identified:
        return Step(LATER, later, ReviewReason.REVIEW_APPLIED_IN_FULL)
    return Step(LATER, later, ReviewReason.REVIEW_LATER_YEARS)


def rules(contract: ReviewedContract, scheme: Scheme) -> tuple[Step, ...]:
    """What each rule leaves of the agreed difference for the scheme year (2026/27 ¶61).

    The last is the most that may be adjusted.
    """
    limit = limit_pence(contract, scheme)
    if limit is None:
        agreed = contract.agreed_difference_pence
        return (Step(LIMIT, agreed, ReviewReason.REVIEW_LIMIT_NOT_RULED),)
    limited = _limited(contract, limit)
    combined = _with_deficit_reduction(contract, limit, limited.amount_pence)
    return (limited, combined, _beside_deficit_reduction(contract, scheme, combined.amount_pence))


def limit_pence(contract: ReviewedContract, scheme: Scheme) -> int | None:
    """The largest adjustment of a year, up or down; None for a contract of which none is ruled."""
    kinds = scheme.fixed_element.review_limit_commissioner_kinds
    if not contract.has_acute_services or contract.commissioner_kind not in kinds:
        return None
    return contract.contract_value_pence * scheme.fixed_element.review_limit_ppm // PPM


def _limited(contract: ReviewedContract, limit: int) -> Step:
    """Up to the limit, unless the circumstances are exceptional."""
    agreed = contract.agreed_difference_pence
    if contract.plan and contract.plan[0].exceptional_reason:
        return Step(LIMIT, agreed, ReviewReason.REVIEW_EXCEPTIONAL)
    within = _within(agreed, limit)
    reason = ReviewReason.REVIEW_WITHIN_LIMIT if within == agreed else ReviewReason.REVIEW_LIMITED
    return Step(LIMIT, within, reason, limit)


def _with_deficit_reduction(contract: ReviewedContract, limit: int, amount: int) -> Step:
    """An efficiency is no more than the limit together with that of deficit reduction."""
    of_deficit = contract.deficit_reduction
    if of_deficit is None:
        return Step(COMBINED, amount, ReviewReason.REVIEW_NO_DEFICIT_REDUCTION)
    if amount > 0:
        return Step(COMBINED, amount, ReviewReason.REVIEW_INCREASE_NOT_MODERATED)
    room = max(limit - of_deficit.contract_pence, 0)
    within = _within(amount, room)
    reason = (
        ReviewReason.REVIEW_WITHIN_COMBINED_LIMIT
        if within == amount
        else ReviewReason.REVIEW_MODERATED
    )
    return Step(COMBINED, within, reason, room)


def _beside_deficit_reduction(contract: ReviewedContract, scheme: Scheme, amount: int) -> Step:
    """No adjustment is made where deficit reduction is above the limit by itself."""
    of_deficit = contract.deficit_reduction
    if of_deficit is None:
        return Step(ABOVE, amount, ReviewReason.REVIEW_NO_DEFICIT_REDUCTION)
    most = of_deficit.nhs_contract_income_pence * scheme.fixed_element.review_limit_ppm
    if of_deficit.trust_pence * PPM <= most:
        return Step(ABOVE, amount, ReviewReason.REVIEW_DEFICIT_WITHIN_LIMIT)
    return Step(ABOVE, 0, ReviewReason.REVIEW_DEFICIT_ABOVE_LIMIT, 0)


def _within(amount: int, size: int) -> int:
    """The amount nearest to `amount` whose size is at most `size`."""
    return max(-size, min(amount, size))


def _actioned(contract: ReviewedContract, scheme: Scheme) -> tuple[ActionedYear, ...]:
    limit = limit_pence(contract, scheme)
    left, years = contract.agreed_difference_pence, []
    for change in contract.plan:
        left -= change.amount_pence
        if is_exceptional := _is_above(change.amount_pence, limit):
            reason = ReviewReason.REVIEW_EXCEPTIONAL
        elif change.scheme_year == contract.scheme_year:
            reason = ReviewReason.REVIEW_ADJUSTMENT_AGREED
        else:
            reason = ReviewReason.REVIEW_LATER_YEARS
        years.append(ActionedYear(change, left, is_exceptional, reason))
    return tuple(years)


def _is_above(amount: int, bound: int | None) -> bool:
    return bound is not None and abs(amount) > bound


def faults(
    contract: ReviewedContract, scheme: Scheme, unread: Set[str] = frozenset()
) -> list[Fault]:
    """Everything in which a contract's review is at odds with itself or with the rules.

    Nothing is told that rests on a field, of the contract or of its services, named in `unread`:
    one that could not be read.
    """
    value, agreed, deficit = "contract_value_pence", "agreed_difference_pence", "deficit_reduction"
    rests_on = (
        ({value, "services"}, _of_services(contract)),
        ({value, deficit}, _of_deficit_reduction(contract)),
        ({agreed, "services", "activity_value_pence"}, _of_agreed_difference(contract)),
        ({agreed, "plan"}, _of_plan(contract)),
        ({"has_acute_services", value, agreed, deficit, "plan"}, _of_limits(contract, scheme)),
    )
    return [fault for fields, told in rests_on if not fields & unread for fault in told]


def _of_services(contract: ReviewedContract) -> Iterator[Fault]:
    """The services are all that the contract funds (2026/27 ¶55)."""
    whole, parts = (
        contract.contract_value_pence,
        sum(one.funding_pence for one in contract.services),
    )
    if whole != parts:
        says = f"is {pounds(whole)}, and the funding of the services adds up to {pounds(parts)}"
        yield Fault("contract_value", says)


def _of_deficit_reduction(contract: ReviewedContract) -> Iterator[Fault]:
    of_deficit, table = contract.deficit_reduction, "deficit_reduction"
    if of_deficit is None:
        return
    trust, income = of_deficit.trust_pence, of_deficit.nhs_contract_income_pence
    if of_deficit.contract_pence > trust:
        says = (
            f"is {pounds(of_deficit.contract_pence)}, more than the whole trust's {pounds(trust)}"
        )
        yield Fault("this_contract", says, table)
    if trust > income:
        yield Fault("whole_trust", f"is {pounds(trust)}, more than nhs_contract_income", table)
    value = contract.contract_value_pence
    if income < value:
        says = f"is {pounds(income)}, less than this contract's {pounds(value)}"
        yield Fault("nhs_contract_income", says, table)


def _of_agreed_difference(contract: ReviewedContract) -> Iterator[Fault]:
    """What is agreed on is of the difference that was identified."""
    agreed, identified = contract.agreed_difference_pence, contract.identified_difference_pence
    if not _is_part(agreed, identified):
        yield Fault(
            "agreed_difference",
            f"is {pounds(agreed)}, and must be between £0.00 and the identified difference of "
            f"{pounds(identified)}",
        )


def _is_part(amount: int, whole: int) -> bool:
    return min(whole, 0) <= amount <= max(whole, 0)


def _of_plan(contract: ReviewedContract) -> Iterator[Fault]:
    """The plan begins with the scheme year, goes on in order, and is for the agreed difference."""
    agreed, plan = contract.agreed_difference_pence, contract.plan
    if not plan:
        if agreed:
            says = f"is missing: say in which years the agreed {pounds(agreed)} is actioned"
            yield Fault("plan", says)
        return
    if plan[0].scheme_year != contract.scheme_year:
        says = f"is {plan[0].scheme_year}: the plan must begin with {contract.scheme_year}"
        yield Fault("scheme_year", says, "plan", 1)
    for number, (before, after) in enumerate(pairwise(plan), 2):
        if after.scheme_year <= before.scheme_year:
            says = f"is {after.scheme_year} after {before.scheme_year}: years must be in order"
            yield Fault("scheme_year", says, "plan", number)
    for number, year in enumerate(plan, 1):
        if year.amount_pence * agreed < 0:
            says = (
                f"is {pounds(year.amount_pence)}, the other way than the agreed difference of "
                f"{pounds(agreed)}: an adjustment reduces it"
            )
            yield Fault("amount", says, "plan", number)
    planned = sum(year.amount_pence for year in plan)
    if planned != agreed:
        yield Fault(
            "agreed_difference",
            f"is {pounds(agreed)}, and the years of the plan add up to {pounds(planned)}",
        )


def _of_limits(contract: ReviewedContract, scheme: Scheme) -> Iterator[Fault]:
    """No year is beyond what the rules allow, and none calls itself exceptional without need."""
    limit = limit_pence(contract, scheme)
    for number, year in enumerate(contract.plan, 1):
        is_above = _is_above(year.amount_pence, limit)
        if year.exceptional_reason and not is_above:
            says = "is given for an amount that is not above the limit: leave it out"
            yield Fault("exceptional_reason", says, "plan", number)
        if is_above and not year.exceptional_reason:
            share = percent(scheme.fixed_element.review_limit_ppm)
            says = (
                f"is {pounds(year.amount_pence)}, above {share} of the contract value, "
                f"{pounds(limit or 0)}: action the rest in later years, or give exceptional_reason"
            )
            yield Fault("amount", says, "plan", number)
    if contract.plan:
        yield from _of_deficit_rules(contract, rules(contract, scheme), scheme)


def _of_deficit_rules(
    contract: ReviewedContract, steps: Sequence[Step], scheme: Scheme
) -> Iterator[Fault]:
    amount, share = contract.adjustment_pence, percent(scheme.fixed_element.review_limit_ppm)
    for step in steps:
        is_ruled = step.step == ABOVE or (step.step == COMBINED and amount < 0)
        if not is_ruled or not _is_above(amount, step.bound_pence):
            continue
        why = {
            COMBINED: f"with the contract's deficit reduction no more than {share} of the contract "
            f"value may be asked for, so at most {pounds(step.bound_pence or 0)}",
            ABOVE: f"the trust's deficit reduction is above {share} of its NHS contract income, so "
            "nothing may be adjusted",
        }
        says = f"is {pounds(amount)}: {why[step.step]}. Exceptional circumstances do not lift this"
        yield Fault("amount", says, "plan", 1)
