"""The review of a contract: its cases, the oracle, and what holds for every contract.

Belongs here: every rule of 2026/27 ¶61, both sides of its limit. Does not belong here: the file
that a review is read from (`tests/pipeline/test_fixed_reviews.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support import CASES, pence_of, scheme

from pricing.fixed_element_review import (
    ABOVE,
    ADJUSTMENT,
    AGREED,
    BESIDE,
    IDENTIFIED,
    IN_WORKSHEET,
    LATER,
    NOT_BY_ACTIVITY,
    PRICE,
    STEPS,
    VALUED_BY,
    DeficitReduction,
    Fault,
    PlannedChange,
    ReviewedContract,
    Service,
    faults,
    limit_pence,
    reviewed,
    rules,
)
from pricing.reasons import ReviewReason
from tests.oracle import fixed_element_review as oracle

YEAR = "2026-27"
RULES = scheme(YEAR)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def document() -> Mapping[str, Any]:
    text = (CASES / "fixed_element" / "review.yaml").read_text("utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


def entries() -> list[Any]:
    return [pytest.param(entry, id=entry["case"]) for entry in document()["cases"]]


def pence(pounds: str) -> int:
    found = pence_of(pounds)
    assert found is not None
    return found


def contract_of(entry: Mapping[str, Any]) -> ReviewedContract:
    said = {**document()["defaults"], **entry}
    deficit = said.get("deficit_reduction")
    return ReviewedContract(
        scheme_year=document()["scheme_year"],
        provider_code="RRV",
        commissioner_code="QMJ",
        commissioner_kind=said["commissioner_kind"],
        has_acute_services=said["has_acute_services"],
        contract_value_pence=pence(said["contract_value"]),
        services=tuple(
            Service(name, pence(funding), valued_by, *(pence(worth) for worth in worths))
            for name, (funding, valued_by, *worths) in said["services"].items()
        ),
        agreed_difference_pence=pence(said["agreed_difference"]),
        pricing_changes_pence=pence(said["pricing_changes"]),
        deficit_reduction=DeficitReduction(*map(pence, deficit)) if deficit else None,
        plan=tuple(
            PlannedChange(year, pence(amount), "As agreed.", *reason)
            for year, amount, *reason in said["plan"]
        ),
    )


def shown(fault: Fault) -> str:
    number = str(fault.number) if fault.number else ""
    return " ".join(part for part in (fault.table, number, fault.key, fault.says) if part)


@pytest.mark.parametrize("entry", entries())
def test_a_case(entry: Mapping[str, Any]) -> None:
    contract = contract_of(entry)
    assert [shown(fault) for fault in faults(contract, RULES)] == entry.get("refused", [])
    if "refused" in entry:
        return
    found, expect = reviewed(contract, RULES), entry["expect"]
    services = {
        one.service: (one.difference_pence, one.reason_code) for one in found.contract.services
    }
    for name, (difference, reason) in expect.get("services", {}).items():
        assert services[name] == (pence_of(difference), reason), name
    steps = {step.step: (step.amount_pence, step.reason_code) for step in found.steps}
    for name, (amount, reason) in expect["steps"].items():
        assert steps[name] == (pence(amount), reason), name
    years = [(y.change.scheme_year, y.left_pence, y.reason_code) for y in found.years]
    expected = [(year, pence(left), reason) for year, left, reason in expect.get("years", [])]
    assert years == (expected or years)


def test_every_reason_and_step_is_expected_of_some_case() -> None:
    expects = [entry["expect"] for entry in document()["cases"] if "expect" in entry]
    of_services = {one[1] for expect in expects for one in expect.get("services", {}).values()}
    of_steps = {one[1] for expect in expects for one in expect["steps"].values()}
    of_years = {year[2] for expect in expects for year in expect.get("years", [])}
    assert of_services | of_steps | of_years == set(ReviewReason)
    assert {name for expect in expects for name in expect["steps"]} == set(STEPS)
    assert {one[1] for one in document()["defaults"]["services"].values()} < set(VALUED_BY)


def as_the_oracle_has_it(contract: ReviewedContract) -> oracle.Contract:
    deficit = contract.deficit_reduction
    return oracle.Contract(
        year=contract.scheme_year,
        payer=contract.commissioner_kind,
        is_acute=contract.has_acute_services,
        value=contract.contract_value_pence,
        agreed=contract.agreed_difference_pence,
        deficit=deficit
        and (deficit.trust_pence, deficit.nhs_contract_income_pence, deficit.contract_pence),
        is_exceptional=bool(contract.plan and contract.plan[0].exceptional_reason),
    )


@pytest.mark.parametrize("entry", [one for one in entries() if "expect" in one.values[0]])
def test_the_oracle_gives_the_case(entry: Mapping[str, Any]) -> None:
    contract, expect = contract_of(entry), entry["expect"]["steps"]
    services = [(one.funding_pence, one.activity_value_pence) for one in contract.services]
    asked = as_the_oracle_has_it(contract)
    last = expect.get(ABOVE) or expect.get("with_deficit_reduction") or expect.get("limit")
    if last:
        assert oracle.most(asked) == pence(last[0])
    if IDENTIFIED in expect:
        assert oracle.identified(services) == pence(expect[IDENTIFIED][0])
    amount = contract.adjustment_pence
    assert oracle.broken(asked, amount) == set()
    if BESIDE in expect:
        assert oracle.beside(amount, contract.pricing_changes_pence) == pence(expect[BESIDE][0])
    if LATER in expect:
        is_told = expect[LATER][1] == ReviewReason.REVIEW_APPLIED_IN_FULL
        assert is_told == bool(oracle.weighed(asked, oracle.identified(services), amount))


PENCE = st.integers(0, 10**12)
PARTS = st.tuples(PENCE, st.none() | PENCE)


@st.composite
def contracts(draw: st.DrawFn) -> ReviewedContract:
    """Contracts without a plan: values up to £10 billion, and differences often near the limit."""
    parts = draw(st.lists(PARTS, min_size=1, max_size=4))
    services = tuple(
        Service(f"service {n}", funding, NOT_BY_ACTIVITY if worth is None else PRICE, worth)
        for n, (funding, worth) in enumerate(parts)
    )
    value = sum(funding for funding, _ in parts)
    identified = sum(worth - funding for funding, worth in parts if worth is not None)
    near = value * 25 // 1000
    agreed = draw(
        st.integers(min(identified, 0), max(identified, 0))
        | st.integers(-near - 2, -max(near - 2, 0))
        | st.integers(max(near - 2, 0), near + 2)
    )
    agreed = max(min(identified, 0), min(agreed, max(identified, 0)))
    income = draw(st.integers(max(value, 1), 4 * 10**12))
    edge = income * 25 // 1000
    trust = draw(st.integers(0, income) | st.integers(edge, min(edge + 1, income)))
    own = draw(st.integers(0, trust) | st.integers(0, min(near, trust)))
    return ReviewedContract(
        scheme_year=YEAR,
        provider_code="RRV",
        commissioner_code="QMJ",
        commissioner_kind=draw(st.sampled_from(["icb", "icb", "icb", "nhs_england"])),
        has_acute_services=draw(st.sampled_from([True, True, True, False])),
        contract_value_pence=value,
        services=services,
        agreed_difference_pence=agreed,
        pricing_changes_pence=draw(st.integers(-(10**10), 10**10)),
        deficit_reduction=draw(st.none() | st.just(DeficitReduction(trust, income, own))),
        plan=(),
    )


def most(contract: ReviewedContract) -> int:
    return rules(contract, RULES)[-1].amount_pence


def planned(contract: ReviewedContract, *amounts: int, why: str | None = None) -> ReviewedContract:
    """The contract with a plan of these amounts, a year each; `why` the first is exceptional."""
    return replace(
        contract,
        plan=tuple(
            PlannedChange(f"{2026 + n}-{27 + n}", amount, "As agreed.", None if n else why)
            for n, amount in enumerate(amounts)
        ),
    )


@UNHURRIED
@given(contracts())
def test_the_most_is_what_the_oracle_finds_by_trying(contract: ReviewedContract) -> None:
    asked = as_the_oracle_has_it(contract)
    assert most(contract) == oracle.most(asked)
    services = [(one.funding_pence, one.activity_value_pence) for one in contract.services]
    assert contract.identified_difference_pence == oracle.identified(services)


@UNHURRIED
@given(contracts(), st.integers(-2, 2), st.booleans())
def test_an_adjustment_is_refused_where_it_breaks_a_sentence(
    contract: ReviewedContract, pennies: int, is_exceptional: bool
) -> None:
    """Either side of the most, to the penny; the reason alone lifts the limit, and only that."""
    amount = most(contract) + pennies
    why = "A site closes." if is_exceptional else None
    contract = planned(contract, amount, contract.agreed_difference_pence - amount, why=why)
    said = [
        f for f in faults(contract, RULES) if (f.key, f.table, f.number) == ("amount", "plan", 1)
    ]
    said = [f for f in said if "the other way" not in f.says]
    asked = as_the_oracle_has_it(contract)
    assert bool(said) == bool(oracle.broken(asked, amount))


@UNHURRIED
@given(contracts(), st.integers(0, 10**12))
def test_more_deficit_reduction_never_asks_for_more(contract: ReviewedContract, more: int) -> None:
    of_deficit = contract.deficit_reduction
    assume(of_deficit is not None)
    assert of_deficit is not None
    larger = replace(
        of_deficit,
        trust_pence=of_deficit.trust_pence + more,
        contract_pence=of_deficit.contract_pence + more,
    )
    without = replace(contract, deficit_reduction=None)
    efficiencies = [
        max(-most(one), 0)
        for one in (without, contract, replace(contract, deficit_reduction=larger))
    ]
    assert efficiencies == sorted(efficiencies, reverse=True)
    if contract.agreed_difference_pence > 0:
        assert most(contract) in (0, most(without))


@UNHURRIED
@given(contracts(), st.lists(st.integers(0, 4), max_size=3))
def test_what_is_phased_sums_to_what_is_agreed(
    contract: ReviewedContract, shares: list[int]
) -> None:
    """The most of the year, then parts of the rest, then what is left."""
    amounts = [most(contract)]
    for share in shares:
        amounts.append((contract.agreed_difference_pence - sum(amounts)) * share // 4)
    amounts.append(contract.agreed_difference_pence - sum(amounts))
    contract = planned(contract, *amounts)
    assert not [
        f for f in faults(contract, RULES) if "add up" in f.says and f.key != "contract_value"
    ]
    found = reviewed(contract, RULES)
    assert found.years[-1].left_pence == 0
    assert sum(year.change.amount_pence for year in found.years) == found.amount(AGREED)
    assert (found.amount(ADJUSTMENT) or 0) + (found.amount(LATER) or 0) == found.amount(AGREED)
    limit = limit_pence(contract, RULES)
    for year in found.years:
        is_above = limit is not None and abs(year.change.amount_pence) > limit
        assert year.is_exceptional == is_above


@UNHURRIED
@given(contracts(), st.integers(-2, 2), st.booleans())
def test_what_is_beside_pricing_changes_breaks_no_sentence(
    contract: ReviewedContract, pennies: int, is_near: bool
) -> None:
    """Changes of any size, and those within two pennies of the adjustment."""
    contract = planned(contract, most(contract), contract.agreed_difference_pence - most(contract))
    if is_near:
        near = contract.adjustment_pence + pennies
        contract = replace(contract, pricing_changes_pence=near)
    found, changes = reviewed(contract, RULES), contract.pricing_changes_pence
    beside = found.amount(BESIDE)
    assert beside == oracle.beside(contract.adjustment_pence, changes)
    assert oracle.broken(as_the_oracle_has_it(contract), beside) == set()
    assert found.amount(IN_WORKSHEET) == changes + beside
