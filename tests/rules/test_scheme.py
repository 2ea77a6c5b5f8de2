"""Scheme packs: the shipped ones against the policy text, and what a faulty one is told.

Belongs here: reading packs whole, by date and publication day, with every fault named. Does not
belong here: what the rules make of the values (`tests/cases/`).
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.basis import PricingBasis
from pipelines.scheme_packs import all_packs, pack_of, scheme_for
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing import point_of_delivery
from pricing.scheme import BASES, PARAMETERS, SECTIONS, STATUSES, Scheme, read_scheme
from pricing.scheme_tables import SchemePackError

SHIPPED = PROJECT / "data" / "schemes" / "2024-25.toml"
HERE = Workspace.at(PROJECT)
YEARS = ("2021-22", "2022-23", "2023-24", "2024-25", "2025-26", "2026-27")
IN_YEAR = date(2024, 7, 1)

Pack = dict[str, Any]


def pack() -> Pack:
    return tomllib.loads(SHIPPED.read_text("utf-8"))


def faults_of(faulty: Pack, on: date = IN_YEAR) -> list[str]:
    with pytest.raises(SchemePackError) as raised:
        read_scheme(faulty, on)
    return raised.value.faults


# --- The shipped pack ----------------------------------------------------------------------


@pytest.mark.parametrize("year", YEARS)
def test_a_shipped_pack_reads_for_every_month_of_its_year(year: str) -> None:
    months = [f"{year[:4]}-{number:02}" for number in range(4, 13)]
    months += [f"20{year[5:]}-{number:02}" for number in range(1, 4)]
    for month in months:
        assert scheme_for(HERE, date.fromisoformat(f"{month}-01")).scheme.scheme_year == year


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2021, 4, 1), "2021-22"),
        (date(2022, 3, 31), "2021-22"),
        (date(2022, 4, 1), "2022-23"),
        (date(2023, 3, 31), "2022-23"),
        (date(2023, 4, 1), "2023-24"),
        (date(2024, 3, 31), "2023-24"),
        (date(2024, 4, 1), "2024-25"),
        (date(2025, 3, 31), "2024-25"),
        (date(2025, 4, 1), "2025-26"),
        (date(2026, 3, 31), "2025-26"),
        (date(2026, 4, 1), "2026-27"),
        (date(2027, 3, 31), "2026-27"),
    ],
)
def test_each_side_of_1_april_has_its_own_rules(day: date, year: str) -> None:
    found = scheme_for(HERE, day)
    assert (found.scheme.scheme_year, found.path.stem) == (year, year)
    assert found.scheme.effective_from <= day <= found.scheme.effective_to


@pytest.mark.parametrize("month", ["2021-03", "2027-04", "2019-07", "2000-01"])
def test_a_month_before_or_after_all_packs_has_none(month: str) -> None:
    listed = f"No scheme pack covers {month}.*2021-22, 2022-23.*2026-27"
    with pytest.raises(UserError, match=listed):
        scheme_for(HERE, date.fromisoformat(f"{month}-01"))


def test_the_shipped_years_follow_each_other() -> None:
    assert tuple(pack.scheme_year for pack in all_packs(HERE)) == YEARS
    assert [pack.status for pack in all_packs(HERE)] == [*["final"] * 5, "proposed"]
    assert {pack.status for pack in all_packs(HERE)} <= {*STATUSES}


def test_excluded_treatment_functions_are_those_of_paragraph_117() -> None:
    """Typed from the paragraph, in its order; spells and attendances have the same list."""
    scope = read_scheme(pack(), IN_YEAR).elective_scope
    assert scope.excluded_treatment_function_codes == (
        *("501", "560", "700", "710", "711", "712", "713", "715", "720"),
        *("721", "722", "723", "724", "725", "726", "727", "199", "499"),
    )


def test_termination_of_pregnancy_hrgs_are_those_of_paragraph_117() -> None:
    scope = read_scheme(pack(), IN_YEAR).elective_scope
    assert scope.termination_of_pregnancy_hrgs == (
        *("MA50Z", "MA51Z", "MA52A", "MA52B", "MA53Z"),
        *("MA54Z", "MA55A", "MA55B", "MA56A", "MA56B"),
    )


def test_first_attendances_are_those_of_paragraph_117() -> None:
    attendances = read_scheme(pack(), IN_YEAR).attendances
    assert attendances.first_attendance_hrgs == ("WF01B", "WF02B", "WF01D", "WF02D")


def test_interventions_are_those_of_paragraph_42() -> None:
    interventions = read_scheme(pack(), IN_YEAR).evidence_based_interventions
    assert interventions.category == "1"
    assert interventions.types == ("A_", "B_", "C_", "D_")


@pytest.mark.parametrize(
    ("year", "pays", "rate_ppm"),
    [
        ("2021-22", "difference_from_plan", 500_000),  # 2021/22 ¶56
        ("2023-24", "activity", 1_000_000),  # 2023/25 ¶72
        ("2024-25", "activity", 1_000_000),  # 2023/25 ¶72
        ("2026-27", "activity", 1_000_000),  # 2026/27 ¶76
    ],
)
def test_what_the_variable_element_pays(year: str, pays: str, rate_ppm: int) -> None:
    found = scheme_of(year).variable_element
    assert (found.pays, found.rate_ppm) == (pays, rate_ppm)


def scheme_of(year: str, as_of: date | None = None) -> Scheme:
    return scheme_for(HERE, date(int(year[:4]), 7, 1), as_of).scheme


def test_figures_of_the_2026_27_consultation() -> None:
    """Typed from 2026/27 ¶9, ¶35, ¶61, ¶65, ¶84, ¶88, ¶91, ¶94, ¶101-102, ¶106-107, ¶113-115."""
    found = scheme_of("2026-27")
    assert found.api_scope.armed_forces_fixed_below_pence == 500_000_00
    assert found.overseas_visitors.charge_ppm == 1_500_000
    assert found.overseas_visitors.settled_status_charge_ppm == 1_000_000
    assert found.fixed_element.review_limit_ppm == 25_000
    assert found.cost_adjustment.uplift_ppm == 20_300
    assert found.cost_adjustment.efficiency_ppm == 20_000
    assert found.cost_adjustment.cnst_uniform_ppm == 100
    assert found.uec_blend.variable_rate_ppm == 200_000
    assert found.uec_blend.break_glass_example_ppm == {"100000": 500_000, "200000": 800_000}
    assert found.uec_blend.default_growth_ppm == {
        "non_elective": 26_000,
        "accident_and_emergency": 18_000,
    }
    assert found.radiotherapy_blend.variable_rate_ppm == 500_000
    assert found.genomics_blend.maximum_incentive_ppm == 20_000
    assert found.genomics_blend.example_variable_rate_ppm == 200_000
    assert found.low_volume.threshold_pence == 1_500_000_00
    assert found.low_volume.integrated_care_boards == 36
    acute, mental_health, dental, specialised = found.low_volume.schedule
    for of_activity in (acute, dental):
        assert of_activity.reference_years == ("2019-20", "2022-23", "2023-24")
        assert of_activity.price_year == "2024-25"
    for rolled_forward in (mental_health, specialised):
        assert rolled_forward.of_schedule == "2024-25"
        assert rolled_forward.takes == rolled_forward.part
    assert {part.uplift_years for part in found.low_volume.schedule} == {("2025-26", "2026-27")}
    assert [part.part for part in found.low_volume.schedule if part.adds_newly_delegated] == [
        "specialised"
    ]
    assert found.low_volume.growth_ppm == 85_000
    assert found.low_volume.payment_due_by == date(2026, 9, 30)
    assert found.low_volume.payment_is_due_on_update
    assert found.low_volume.additional_payment_within_months == 1
    assert found.top_ups.paid_in == "fixed_element"


def test_figures_of_the_2021_22_guidance() -> None:
    """Typed from 2021/22 ¶13, ¶26, ¶46, ¶51, ¶56, ¶58."""
    found = scheme_of("2021-22")
    assert found.api_scope.minimum_contract_pence == 10_000_000_00
    assert found.cost_adjustment.uplift_ppm == 31_000
    assert found.cost_adjustment.efficiency_ppm == 11_000
    assert found.cost_adjustment.previous_year_uplift_ppm == 25_000
    assert found.cost_adjustment.previous_year_efficiency_ppm == 11_000
    assert found.cquin.funding_ppm == 12_500
    assert found.cquin.adjusts_payment
    assert found.cquin.full_attainment_ppm == 1_000_000
    assert not found.elective_scope.includes_first_attendances
    assert found.elective_scope.excluded_treatment_function_codes == ()
    assert found.elective_scope.termination_of_pregnancy_hrgs == ()
    assert not found.low_volume.has_payments_schedule


def test_figures_of_the_2023_25_guidance() -> None:
    """Typed from 2023/25 ¶23, ¶26, ¶66, ¶83, ¶86, Appendix 1."""
    first, second = scheme_of("2023-24"), scheme_of("2024-25")
    for found in (first, second):
        assert found.low_volume.threshold_pence == 500_000_00
        assert found.cost_adjustment.efficiency_ppm == 11_000
        assert found.cost_adjustment.cnst_maternity_ppm == 38_000
        assert found.cost_adjustment.cnst_uniform_ppm == 100
        assert found.cquin.funding_ppm == 12_500
        assert len(found.best_practice_tariffs.activity_tariffs) == 5
    assert first.evidence_based_interventions.types == ()
    acute, mental_health = first.low_volume.schedule
    assert acute.reference_years == ("2018-19", "2019-20", "2021-22")
    assert (acute.price_year, acute.uplift_years) == ("2022-23", ("2023-24",))
    assert mental_health.source == "finance_payments"
    core, *given = second.low_volume.schedule
    assert (core.of_schedule, core.takes, core.uplift_years) == ("2023-24", "all", ("2024-25",))
    assert [part.source for part in given] == ["given", "given"]
    assert not second.cquin.adjusts_payment
    assert second.low_volume.payment_due_by == date(2024, 6, 30)
    assert not second.low_volume.payment_is_due_on_update
    assert second.fixed_element.capacity_uplift_ppm == 6_000


@pytest.mark.parametrize("year", YEARS)
def test_every_parameter_says_what_it_rests_on_or_why_it_is_left_out(year: str) -> None:
    pack = pack_of(HERE, year)
    assert pack.versions.keys() | pack.absent.keys() == PARAMETERS.keys()
    assert pack.versions.keys().isdisjoint(pack.absent)
    for parameter in (version for versions in pack.versions.values() for version in versions):
        assert parameter.says.endswith("."), parameter.path
        assert parameter.unit, parameter.path
        assert parameter.basis in BASES, parameter.path
        assert (parameter.basis == "assumed") == parameter.citation.startswith("assumed: ")
    assert all(reason.endswith(".") for reason in pack.absent.values())


NOT_READ_BY_A_RULE_YET = {
    *(f"low_volume.{name}" for name in SECTIONS["low_volume"].__annotations__),
    *(
        path
        for path in PARAMETERS
        if path.partition(".")[0]
        in {"cquin", "advice_and_guidance", "cost_adjustment", "fixed_element", "genomics_blend"}
    ),
    "excluded_items.workbook_tabs",
    "uec_blend.services",
    "uec_blend.services_outside",
    "uec_blend.break_glass_example_ppm",
} - {
    "low_volume.has_payments_schedule",
    "low_volume.commissioner_kinds",
    "low_volume.provider_kinds_outside",
    "low_volume.exception_kinds",
    "low_volume.mental_health_treatment_function_codes",
    "low_volume.items_paid_apart",
    "low_volume.schedule",
    "low_volume.secondary_dental_treatment_function_codes",
    "low_volume.schedule_quantum_pence",
    "low_volume.near_threshold_ppm",
    "low_volume.growth_ppm",
    "low_volume.threshold_pence",
    "low_volume.threshold_includes_delegated_services",
    "low_volume.also_considered",
    "low_volume.integrated_care_boards",
    "low_volume.payment_due_by",
    "low_volume.payment_is_due_on_update",
    "low_volume.new_value_is_for_pay_award",
    "low_volume.additional_payment_within_months",
    "cquin.full_attainment_ppm",
    "cquin.funding_ppm",
    "cquin.is_in_unit_prices",
    "genomics_blend.maximum_incentive_ppm",
    "fixed_element.review_limit_ppm",
    "fixed_element.review_limit_commissioner_kinds",
    *(f"cost_adjustment.{name}" for name in SECTIONS["cost_adjustment"].__annotations__),
    "fixed_element.worksheet",
    "fixed_element.instalments",
    "fixed_element.capacity_uplift_ppm",
}
"""Published for what is not worked out yet; `docs/coverage.md` says what. It may only shrink."""
EVERY_YEAR = [pack.scheme(pack.effective_to) for pack in all_packs(HERE)]
RATES = {row.rate for scheme in EVERY_YEAR for row in scheme.contract_lines.table} | {
    rate
    for scheme in EVERY_YEAR
    if scheme.gives("fixed_element.worksheet")
    for row in scheme.fixed_element.worksheet
    for rate in row.rates
}
"""Parameters that rows of tables name as their rates, by which rules read them."""


@pytest.mark.parametrize("path", PARAMETERS)
def test_every_parameter_is_used_by_a_rule_or_known_not_to_be(path: str) -> None:
    """A value that no rule reads would look as if it decided something."""
    section, _, name = path.partition(".")
    rules = [file for file in (PROJECT / "pricing").glob("*.py") if file.name != "scheme.py"]
    read = re.compile(rf"\b(rules|rounding|spells|scope|attendances|mechanism|{section})\.{name}\b")
    is_read = any(read.search(file.read_text("utf-8")) for file in rules) or path in RATES
    assert is_read != (path in NOT_READ_BY_A_RULE_YET)


# --- As of a day ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "as_of", "uplift_ppm"),
    [
        # 2023/25 ¶64 prints 2.9%; 2026/27 ¶65 says that 5.2% was published in August 2023.
        ("2023-24", date(2023, 8, 30), 29_000),
        ("2023-24", date(2023, 8, 31), 52_000),
        ("2023-24", date(2024, 3, 27), 52_000),
        ("2023-24", None, 52_000),
        # 2023/25 ¶64 of 27 March 2024; 2026/27 ¶65: 5.0% was published in September 2024.
        ("2024-25", date(2024, 3, 27), 17_000),
        ("2024-25", date(2024, 9, 29), 17_000),
        ("2024-25", date(2024, 9, 30), 50_000),
        ("2024-25", None, 50_000),
        ("2025-26", date(2025, 5, 1), 41_500),
        ("2025-26", date(2025, 6, 26), 41_500),
        ("2025-26", date(2025, 6, 27), 48_300),
        ("2025-26", None, 48_300),
    ],
)
def test_the_uplift_is_that_published_by_the_day(
    year: str, as_of: date | None, uplift_ppm: int
) -> None:
    assert scheme_of(year, as_of).cost_adjustment.uplift_ppm == uplift_ppm


@pytest.mark.parametrize(
    ("year", "day_before"),
    [
        ("2021-22", date(2021, 9, 29)),
        ("2022-23", date(2022, 3, 31)),
        ("2023-24", date(2023, 6, 29)),
        ("2024-25", date(2024, 3, 26)),
        ("2025-26", date(2025, 3, 31)),
        ("2026-27", date(2026, 3, 30)),
    ],
)
def test_nothing_is_priced_before_the_rules_were_published(year: str, day_before: date) -> None:
    with pytest.raises(UserError) as raised:
        scheme_of(year, day_before)
    assert f"{year}.toml: " in str(raised.value)
    assert f"nothing was published by {day_before.day} " in str(raised.value)


def test_a_value_not_yet_published_is_said_to_be_so_only_when_it_is_read() -> None:
    """Priced in June 2022, a record needs no uplift; who asks for it is told when it came."""
    found = scheme_of("2022-23", date(2022, 6, 1))
    assert found.variable_element.rate_ppm == 750_000
    with pytest.raises(SchemePackError) as raised:
        _ = found.cost_adjustment.uplift_ppm
    assert raised.value.faults == [
        "'cost_adjustment.uplift_ppm' of 2022-23: nothing was published by 1 June 2022; the first "
        "value was published on 30 November 2022"
    ]


def test_the_basis_of_a_workspace_reaches_the_pack() -> None:
    from pipelines.pricing_run import rulebook_for

    basis = PricingBasis(None, date(2024, 3, 26))
    with pytest.raises(UserError, match="nothing was published by 26 March 2024"):
        rulebook_for(HERE.on(basis), "2024-07")


# --- What a pack leaves out ----------------------------------------------------------------


def test_reading_what_a_pack_leaves_out_says_why() -> None:
    found = scheme_of("2024-25")
    with pytest.raises(SchemePackError) as raised:
        _ = found.uec_blend.variable_rate_ppm
    assert raised.value.faults == [
        "'uec_blend.variable_rate_ppm' of 2024-25 is not given: the blended payments were "
        "introduced in 2026/27: in this year there is none."
    ]
    assert found.citation("uec_blend.variable_rate_ppm") == raised.value.faults[0]


def test_a_section_has_no_parameter_that_is_not_declared() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = scheme_of("2024-25").uec_blend.no_such_thing  # type: ignore[attr-defined]


# --- Values that change --------------------------------------------------------------------


def changed(value: int, effective_from: date, published_on: date) -> dict[str, Any]:
    (first,) = pack()["variable_element"]["rate_ppm"]
    return {
        **first,
        "value": value,
        "effective_from": effective_from,
        "published_on": published_on,
    }


def with_rates(*later: dict[str, Any]) -> Pack:
    made = pack()
    made["variable_element"]["rate_ppm"] += later
    return made


def rate_on(day: date, *later: dict[str, Any], as_of: date | None = None) -> int:
    return read_scheme(with_rates(*later), day, as_of).variable_element.rate_ppm


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2024, 4, 1), 1_000_000),
        (date(2024, 9, 30), 1_000_000),
        (date(2024, 10, 1), 750_000),
        (date(2025, 3, 31), 750_000),
    ],
)
def test_a_later_value_is_taken_from_its_day_on(day: date, rate: int) -> None:
    from_october = changed(750_000, date(2024, 10, 1), date(2024, 9, 1))
    assert rate_on(day, from_october) == rate


def test_of_two_values_from_one_day_the_last_published_is_taken() -> None:
    day = date(2024, 10, 1)
    published = changed(750_000, day, date(2024, 9, 1))
    corrected = changed(800_000, day, date(2024, 9, 15))
    assert rate_on(day, published, corrected) == rate_on(day, corrected, published) == 800_000


def test_an_earlier_day_does_not_win_by_being_published_later() -> None:
    day = date(2024, 10, 1)
    in_october = changed(750_000, day, date(2024, 9, 1))
    for_april_but_late = changed(900_000, date(2024, 4, 1), date(2024, 12, 1))
    assert rate_on(day, in_october, for_april_but_late) == 750_000
    assert rate_on(date(2024, 9, 30), in_october, for_april_but_late) == 900_000


def test_a_value_counts_from_the_day_it_was_published_on() -> None:
    from_october = changed(750_000, date(2024, 10, 1), date(2024, 9, 1))
    day = date(2024, 11, 1)
    assert rate_on(day, from_october, as_of=date(2024, 8, 31)) == 1_000_000
    assert rate_on(day, from_october, as_of=date(2024, 9, 1)) == 750_000
    assert rate_on(date(2024, 9, 30), from_october, as_of=date(2024, 12, 31)) == 1_000_000


@pytest.mark.parametrize("day", [date(2024, 3, 31), date(2025, 4, 1)])
def test_a_day_outside_the_year_is_refused(day: date) -> None:
    fault = f"{day.day} {day:%B %Y} is not in the scheme year 2024-25"
    assert faults_of(pack(), day) == [fault]


def test_two_values_that_nothing_tells_apart_are_named() -> None:
    twice = changed(750_000, date(2024, 4, 1), date(2024, 3, 27))
    assert faults_of(with_rates(twice)) == [
        "'variable_element.rate_ppm' has two values in effect from 1 April 2024 and published on "
        "27 March 2024"
    ]


def test_a_value_that_takes_effect_after_the_year_is_named() -> None:
    late = changed(750_000, date(2025, 4, 1), date(2024, 9, 1))
    assert faults_of(with_rates(late)) == [
        "'variable_element.rate_ppm' has a value that takes effect on 1 April 2025, after the year"
    ]


def test_a_value_published_before_the_document_it_cites_is_named() -> None:
    early = changed(750_000, date(2024, 10, 1), date(2024, 3, 26))
    assert faults_of(with_rates(early)) == [
        "'variable_element.rate_ppm' is said to be published on 26 March 2024, before the document "
        "it cites, which is of 27 March 2024"
    ]


def test_a_gap_at_the_start_of_the_year_is_named() -> None:
    faulty = pack()
    faulty["variable_element"]["rate_ppm"][0]["effective_from"] = date(2024, 4, 2)
    assert faults_of(faulty) == [
        "'variable_element.rate_ppm' has no value in effect on 1 April 2024, when the year begins"
    ]


# --- Faulty packs --------------------------------------------------------------------------


def without(key: str) -> Callable[[Pack], None]:
    def change(faulty: Pack) -> None:
        del faulty["spells"]["day_case_classification"][0][key]

    return change


def with_value(key: str, value: Any) -> Callable[[Pack], None]:
    def change(faulty: Pack) -> None:
        faulty["spells"]["day_case_classification"][0][key] = value

    return change


def with_parameter(section: str, name: str, value: Any) -> Callable[[Pack], None]:
    def change(faulty: Pack) -> None:
        faulty[section][name][0]["value"] = value

    return change


DAY_CASE = "'spells.day_case_classification'"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: p.pop("scheme_year"), "'scheme_year' is missing"),
        (lambda p: p.pop("documents"), "'documents' is missing"),
        (lambda p: p.update(spels={}), "'spels' is not a section"),
        (lambda p: p["spells"].update(day_cases=[]), "'spells.day_cases' is not a parameter"),
        (lambda p: p["spells"].pop("day_case_classification"), f"{DAY_CASE} has no value"),
        (
            lambda p: p["spells"].update(day_case_classification=[]),
            f"{DAY_CASE} has no value",
        ),
        (without("value"), f"{DAY_CASE} has no 'value'"),
        (without("unit"), f"{DAY_CASE} has no 'unit'"),
        (without("says"), f"{DAY_CASE} has no 'says'"),
        (without("basis"), f"{DAY_CASE} has no 'basis'"),
        (without("effective_from"), f"{DAY_CASE} has no 'effective_from'"),
        (without("published_on"), f"{DAY_CASE} has no 'published_on'"),
        (without("document"), f"{DAY_CASE} has no 'document'"),
        (
            with_value("basis", "guessed"),
            f"{DAY_CASE} has basis 'guessed', not one of cited, local, assumed",
        ),
        (with_value("basis", "cited"), f"{DAY_CASE} is cited but names no paragraph"),
        (
            with_value("effective_from", "1 April"),
            f"{DAY_CASE} has a 'effective_from' that is not a date",
        ),
        (
            with_value("published_on", 2024),
            f"{DAY_CASE} has a 'published_on' that is not a date",
        ),
        (with_value("value", 2), f"{DAY_CASE} must be str, not 2"),
        (with_value("note", "x"), f"{DAY_CASE} has a 'note', which no value has"),
        (
            with_value("reported_in", "memory"),
            f"{DAY_CASE} cites 'memory', which has no title under [documents]",
        ),
        (
            lambda p: p.update(status="draft"),
            "'status' must be one of final, proposed, not 'draft'",
        ),
        (
            lambda p: p.update(scheme_year="2024"),
            "'scheme_year' must be a year such as 2025-26, not '2024'",
        ),
        (lambda p: p.update(notes="a note"), "'notes' must be a list of sentences"),
        (
            lambda p: p.update(effective_to=date(2024, 3, 31)),
            "'effective_to' is before 'effective_from'",
        ),
        (
            lambda p: p["documents"]["practice"].pop("published_on"),
            "'documents.practice' has no 'published_on' that is a date",
        ),
        (
            lambda p: p["absent"].update({"cquin.funding_ppm": "not known."}),
            "'cquin.funding_ppm' has a value and is under [absent] too",
        ),
        (
            lambda p: p["absent"].update({"cquin.rate": "not known."}),
            "'cquin.rate' under [absent] is not a parameter",
        ),
        (
            lambda p: p["absent"].update({"uec_blend.services": "not known."}),
            "'uec_blend.services' is under [absent] twice",
        ),
        (
            lambda p: p["absent"].update({"genomics_blend": " "}),
            "'genomics_blend' under [absent] has no reason",
        ),
        (
            lambda p: p["absent"].update({"rounding": "not known."}),
            "'rounding' may not be absent: no record can be priced without it",
        ),
        (
            with_parameter("variable_element", "pays", "plan"),
            "'variable_element.pays' must be one of activity, difference_from_plan, not 'plan'",
        ),
        (
            with_parameter("variable_element", "rate_ppm", 2_000_001),
            "'variable_element.rate_ppm' must be from 0 to 2,000,000, not 2,000,001",
        ),
        (
            with_parameter("low_volume", "items_paid_apart", ["drugs"]),
            "'low_volume.items_paid_apart' must be one of drug, device, listed_procedure, medtech, "
            "not 'drugs'",
        ),
        (
            with_parameter("low_volume", "threshold_pence", 0),
            "'low_volume.threshold_pence' must be from 1 to 100,000,000,000, not 0",
        ),
        (
            with_parameter("low_volume", "payment_is_due_on_update", "whichever is sooner"),
            "'low_volume.payment_is_due_on_update' must be bool, not 'whichever is sooner'",
        ),
        (
            with_parameter("low_volume", "payment_due_by", "quarter one"),
            "'low_volume.payment_due_by' must be date, not 'quarter one'",
        ),
        (
            with_parameter("services", "mechanism_by_service", {"chemotherapy": "variable"}),
            "'services.mechanism_by_service' must be one of api_variable, api_fixed, api_blended, "
            "lva_block, activity_based, local_agreement, excluded_item, charged_to_patient, "
            "outside_scheme, not 'variable'",
        ),
        (
            with_parameter("elective_scope", "points_of_delivery", ["DC", "DC"]),
            "'elective_scope.points_of_delivery' says something twice",
        ),
        (
            with_parameter("variable_element", "rate_ppm", True),
            "'variable_element.rate_ppm' must be int, not True",
        ),
        (
            with_parameter("variable_element", "rate_ppm", 1.0),
            "'variable_element.rate_ppm' must be int, not 1.0",
        ),
        (
            with_parameter("elective_scope", "points_of_delivery", "DC"),
            "'elective_scope.points_of_delivery' must be a list or table of text, not 'DC'",
        ),
        (
            with_parameter("elective_scope", "points_of_delivery", []),
            "'elective_scope.points_of_delivery' must be a list or table of text, not []",
        ),
        (
            with_parameter("elective_scope", "points_of_delivery", ["DC", 1]),
            "'elective_scope.points_of_delivery' must be a list or table of text, not ['DC', 1]",
        ),
    ],
)
def test_a_fault_is_named(change: Callable[[Pack], None], fault: str) -> None:
    faulty = pack()
    change(faulty)
    assert faults_of(faulty) == [fault]


def test_a_table_is_not_taken_for_a_list_nor_a_list_for_a_table() -> None:
    faulty = pack()
    with_parameter("elective_scope", "points_of_delivery", {"DC": "EL"})(faulty)
    with_parameter("attendances", "price_column_by_attendance_hrg", ["WF01A"])(faulty)
    list_wanted, table_wanted = sorted(faults_of(faulty), reverse=True)
    assert list_wanted.startswith("'elective_scope.points_of_delivery' must be ")
    assert table_wanted.startswith("'attendances.price_column_by_attendance_hrg' must be ")


def test_a_document_that_is_not_listed_is_named() -> None:
    faulty = pack()
    with_value("document", "memory")(faulty)
    (fault,) = faults_of(faulty)
    assert fault.startswith(f"{DAY_CASE} cites 'memory'")


def test_all_faults_are_named_at_once() -> None:
    faulty = pack()
    del faulty["rounding"]
    without("unit")(faulty)
    without("says")(faulty)
    with_parameter("variable_element", "rate_ppm", "all of it")(faulty)
    assert sorted(faults_of(faulty)) == [
        "'rounding.quantum_pence' has no value",
        f"{DAY_CASE} has no 'says'",
        f"{DAY_CASE} has no 'unit'",
        "'variable_element.rate_ppm' must be int, not 'all of it'",
    ]


# --- Contract lines ------------------------------------------------------------------------


def test_the_lines_of_a_contract_are_those_of_the_guidance() -> None:
    """Typed from 2021/22 ¶55-58, 2023/25 ¶71, ¶76, 2026/27 ¶75, ¶80, ¶82, ¶94-95, ¶99-101."""
    first = ("NF2FFA", "OPFAMPNCL", "OPFAMPCL", "OPFASPNCL", "OPFASPCL")
    by_unit = {"DC", "EL", "OPPROC", *first, "UNBCHEMO", "UNBRAD", "advice_and_guidance", "cquin"}
    assert contract_lines("2021-22", "variable_element") == {
        *("DC", "EL", "OPPROC", "best_practice", "cquin")
    }
    assert contract_lines("2023-24", "variable_element") == by_unit
    of_counts = {"sabr", "srs_t", "sirt", "genomic_testing"}
    assert contract_lines("2024-25", "variable_element") == by_unit | of_counts
    assert contract_lines("2026-27", "variable_element") == {
        *by_unit,
        *("community_diagnostics", "srs_t", "sirt"),
    }
    assert contract_lines("2026-27", "blended") == {
        *("NEL", "NELST", "accident_and_emergency", "same_day_emergency_care"),
        *("uec_best_practice", "UNBRTHPY", "sabr", "genomic_testing", "genomics_incentive"),
    }
    for year in YEARS[:-1]:
        assert contract_lines(year, "blended") == set()


def contract_lines(year: str, section: str) -> set[str]:
    table = scheme_of(year).contract_lines.table
    return {row.line for row in table if row.section == section}


def test_no_point_of_delivery_of_a_contract_line_is_spelt_otherwise_elsewhere() -> None:
    codes = {row.line for year in YEARS for row in scheme_of(year).contract_lines.table}
    named = {code for code in codes if code.isupper()}
    unbundled = {
        code
        for year in YEARS
        for code in scheme_of(year).services.point_of_delivery_by_hrg_prefix.values()
    }
    assert named <= {
        *unbundled,
        *("DC", "EL", "NEL", "NELST", point_of_delivery.OUTPATIENT_PROCEDURE),
        *point_of_delivery.FIRST_ATTENDANCES,
    }


def with_line(name: str, /, **changes: Any) -> Callable[[Pack], None]:
    """One row of the table of contract lines with other entries; None takes one out."""

    def change(faulty: Pack) -> None:
        (row,) = (row for row in rows_of_table(faulty) if row["line"] == name)
        row.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del row[key]

    return change


def rows_of_table(faulty: Pack) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = faulty["contract_lines"]["table"][0]["value"]
    return rows


def without_line(line: str) -> Callable[[Pack], None]:
    def change(faulty: Pack) -> None:
        rows = rows_of_table(faulty)
        rows[:] = [row for row in rows if row["line"] != line]

    return change


TABLE = "'contract_lines.table'"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (with_line("DC", pays=None), f"row 1 of {TABLE} has no 'pays'"),
        (with_line("DC", paragraph=None), f"row 1 of {TABLE} has no 'paragraph'"),
        (with_line("DC", note="x"), f"row 1 of {TABLE} has a 'note', which no row has"),
        (
            with_line("DC", section="fixed_element"),
            f"row 1 of {TABLE} is of 'fixed_element', not of variable_element or blended",
        ),
        (
            with_line("DC", pays="half"),
            f"row 1 of {TABLE} pays by 'half', not by one of each_unit, difference_from_plan, "
            "agreed_amount_each, shortfall, no_adjustment, withheld, addition",
        ),
        (
            with_line("DC", **{"from": "terms"}),
            f"row 1 of {TABLE} pays by 'each_unit' from 'terms', not from lines or counts",
        ),
        (with_line("DC", rate=None), f"row 1 of {TABLE} pays by 'each_unit' and has no 'rate'"),
        (
            with_line("DC", rate="variable_element.pays"),
            f"{TABLE} has 'DC' at 'variable_element.pays', which is no number of a pack",
        ),
        (
            with_line("DC", rate="uec_blend.variable_rate_ppm"),
            f"{TABLE} has 'DC' at 'uec_blend.variable_rate_ppm', which the pack does not give",
        ),
        (
            with_line("DC", document="memory"),
            f"row 1 of {TABLE} cites 'memory', which is not under [documents]",
        ),
        (with_line("sabr", line="sirt"), f"{TABLE} has a line twice"),
        (
            without_line("UNBRAD"),
            f"{TABLE} has no 'UNBRAD' of 'variable_element', which lines may be counted under",
        ),
        (
            without_line("NF2FFA"),
            f"{TABLE} has no 'NF2FFA' of 'variable_element', which lines may be counted under",
        ),
        (
            with_line("sabr", line="NEL", **{"from": "lines"}),
            f"{TABLE} has 'NEL' of 'variable_element', which no line is counted under",
        ),
        (
            with_line("cquin", pays="shortfall"),
            f"{TABLE} has 'cquin' pay by 'shortfall', not as 'cquin' says",
        ),
        (
            with_line("cquin", pays="withheld", of="DC"),
            f"{TABLE} has 'cquin' of 'DC', which is no line of 'variable_element' with a plan",
        ),
    ],
)
def test_a_fault_of_a_contract_line_is_named(change: Callable[[Pack], None], fault: str) -> None:
    faulty = pack()
    change(faulty)
    assert faults_of(faulty) == [fault]


def test_best_practice_is_a_line_once() -> None:
    faulty = pack()
    for line in ("sabr", "sirt"):
        with_line(line, **{"from": "best_practice", "pays": "addition"})(faulty)
    assert faults_of(faulty) == [f"{TABLE} has best practice of 'variable_element' twice"]


# --- The worksheet of the fixed element -----------------------------------------------------


def test_the_items_of_the_worksheets_are_those_of_the_tables() -> None:
    """Typed from 2023/25 and 2026/27 Appendix 1, Table 2: the items that must be given."""

    def needed(year: str) -> list[str]:
        rows = scheme_of(year).fixed_element.worksheet
        own = [row for row in rows if row.starts_from == "previous_year" and not row.is_optional]
        return [row.item for row in own if row.item != "cquin_funding"]

    assert needed("2024-25") == [
        *("opening_baseline", "public_health_reset", "service_changes", "activity_growth"),
        *("inflation_net_of_efficiency", "additional_allocation_funding", "additional_efficiency"),
        *("variable_payment_removed", "service_development_funding"),
    ]
    assert needed("2026-27") == [
        *("opening_baseline", "service_changes", "activity_change", "inflation_net_of_efficiency"),
        *("additional_allocation_funding", "identified_differences"),
        *("variable_and_blended_payment_removed", "service_development_funding"),
    ]
    approaches = {row.starts_from for row in scheme_of("2021-22").fixed_element.worksheet}
    assert approaches == {"outturn_contract_value", "reported_cost", "forecast_cost"}


WORKSHEET = "'fixed_element.worksheet'"


def with_item(item: str, /, **changes: Any) -> Callable[[Pack], None]:
    """The first row of an item of the worksheet with other entries; None takes one out."""

    def change(faulty: Pack) -> None:
        rows = faulty["fixed_element"]["worksheet"][0]["value"]
        row = next(row for row in rows if row["item"] == item)
        row.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del row[key]

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (with_item("opening_baseline", note="x"), "has a 'note', which no row has"),
        (with_item("opening_baseline", parts=None), "is 'parts' and has no 'parts'"),
        (
            with_item("opening_baseline", parts=["fixed_payment"]),
            "has a part 'fixed_payment', which must be such as +fixed_payment or ±other_items?",
        ),
        (with_item("opening_baseline", parts=["+one", "-one"]), "has a part twice"),
        (
            with_item("opening_baseline", unless="is_paid"),
            "is 'parts' and has an 'unless', which a share alone has",
        ),
        (with_item("opening_baseline", rates=["x"]), "is 'parts' and must have 0 rates"),
    ],
)
def test_a_fault_of_a_worksheet_row_is_named(change: Callable[[Pack], None], fault: str) -> None:
    faulty = pack()
    change(faulty)
    assert faults_of(faulty) == [f"row 1 of {WORKSHEET} {fault}"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            with_item("activity_growth", **{"of": "last_year"}),
            f"row 5 of {WORKSHEET} is of 'last_year', not of opening_baseline, running_total, "
            "stated",
        ),
        (
            with_item("activity_growth", sign="plus"),
            f"row 5 of {WORKSHEET} has the sign 'plus', not one of + - ±",
        ),
        (
            with_item("inflation_net_of_efficiency", rates=["cost_adjustment.uplift_ppm"]),
            f"row 6 of {WORKSHEET} is 'net_uplift' and must have 2 or 4 rates",
        ),
        (
            with_item("cquin_funding", rates=["cquin.adjusts_payment"]),
            f"{WORKSHEET} has 'cquin_funding' at 'cquin.adjusts_payment', which is no number of a "
            "pack",
        ),
        (
            with_item("cquin_funding", rates=["cquin.full_attainment_ppm"]),
            f"{WORKSHEET} has 'cquin_funding' at 'cquin.full_attainment_ppm', which the pack does "
            "not give",
        ),
        (
            with_item("excluded_drugs_baseline", payers="excluded_items.payers"),
            f"{WORKSHEET} has 'excluded_drugs_baseline' for 'excluded_items.payers', which the "
            "pack does not give",
        ),
        (
            with_item("service_changes", item="activity_growth"),
            f"{WORKSHEET} has an item twice from 'previous_year'",
        ),
        (
            with_item("opening_baseline", optional=True),
            f"{WORKSHEET} does not begin 'previous_year' with parts that must be given",
        ),
        (
            with_item("overseas_visitors", **{"is": "part_year"}),
            f"{WORKSHEET} has a part of a year before the last item of 'previous_year'",
        ),
        (
            with_parameter("fixed_element", "instalments", 13),
            "'fixed_element.instalments' must be from 1 to 12, not 13",
        ),
    ],
)
def test_what_does_not_go_together_in_a_worksheet_is_named(
    change: Callable[[Pack], None], fault: str
) -> None:
    faulty = pack()
    change(faulty)
    assert faults_of(faulty) == [fault]


def test_a_worksheet_of_part_of_a_year_needs_the_rule_for_it() -> None:
    faulty = pack()
    with_parameter("fixed_element", "is_pro_rata_in_part_year", False)(faulty)
    assert set(faults_of(faulty)) == {
        f"{WORKSHEET} has 'part_year', and the year is not said to be pro rata"
    }


@pytest.mark.parametrize("months", [0, 13])
def test_months_to_pay_an_addition_beyond_their_range_are_named(months: int) -> None:
    """2026/27 ¶115 gives them; the other packs have none."""
    text = (PROJECT / "data" / "schemes" / "2026-27.toml").read_text("utf-8")
    faulty = tomllib.loads(text)
    with_parameter("low_volume", "additional_payment_within_months", months)(faulty)
    assert faults_of(faulty) == [
        f"'low_volume.additional_payment_within_months' must be from 1 to 12, not {months}"
    ]


# --- Packs as files ------------------------------------------------------------------------


def workspace_with(root: Path, text: str) -> Workspace:
    schemes = root / "data" / "schemes"
    schemes.mkdir(parents=True)
    (schemes / "2024-25.toml").write_text(text, "utf-8")
    return Workspace.at(root)


def test_a_faulty_file_is_named_with_each_of_its_faults(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace("[[rounding.", "[[roundings.")
    with pytest.raises(UserError) as raised:
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))
    assert "2024-25.toml: 'roundings' is not a section" in str(raised.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2024-25\.toml is not a TOML file"):
        scheme_for(workspace_with(tmp_path, "scheme_year = "), date(2024, 7, 1))


def test_a_file_without_its_year_is_named(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace("effective_to = 2025-03-31", "")
    with pytest.raises(UserError, match=r"2024-25\.toml: 'effective_to' is missing"):
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))


def test_a_file_named_for_another_year_is_refused(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace('scheme_year = "2024-25"', 'scheme_year = "2023-24"')
    with pytest.raises(UserError, match="'scheme_year' is 2023-24, and the file is named 2024-25"):
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))


def test_a_year_that_does_not_begin_on_1_april_is_refused(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace(
        "\neffective_to = 2025-03-31", "\neffective_to = 2025-03-30"
    )
    with pytest.raises(UserError, match="the year 2024-25 is from 2024-04-01 to 2025-03-31"):
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))


def test_a_publication_day_in_the_future_is_refused(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace(
        "published_on = 2024-09-30", "published_on = 2999-09-30"
    )
    with pytest.raises(UserError) as raised:
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))
    fault = "'cost_adjustment.uplift_ppm' is said to be published on 2999-09-30, in the future"
    assert fault in str(raised.value)


def test_years_that_leave_a_gap_are_named(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path, SHIPPED.read_text("utf-8"))
    later = PROJECT / "data" / "schemes" / "2026-27.toml"
    (tmp_path / "data" / "schemes" / "2026-27.toml").write_bytes(later.read_bytes())
    with pytest.raises(UserError, match="2024-25 ends on 2025-03-31 and leaves days without rules"):
        all_packs(workspace)


def test_finding_a_pack_reads_no_other(tmp_path: Path) -> None:
    """So that a run waits for one pack, not for six, nor for a fault in another year's."""
    workspace = workspace_with(tmp_path, SHIPPED.read_text("utf-8"))
    (tmp_path / "data" / "schemes" / "2023-24.toml").write_text("no pack", "utf-8")
    assert scheme_for(workspace, date(2024, 7, 1)).scheme.scheme_year == "2024-25"


def test_the_hash_is_that_of_the_file() -> None:
    found = scheme_for(Workspace.at(PROJECT), date(2024, 7, 1))
    assert found.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()


# --- The table of a schedule ----------------------------------------------------------------

OF_ACTIVITY = {
    "part": "acute",
    "from": "activity",
    "reference_years": ["2019-20", "2022-23"],
    "price_year": "2024-25",
    "uplift_years": ["2025-26", "2026-27"],
    "paragraph": "113",
}
ROLLED_FORWARD = {
    "part": "specialised",
    "from": "last_schedule",
    "of_schedule": "2024-25",
    "takes": "specialised",
    "paragraph": "113",
}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            [{**OF_ACTIVITY, "reference_years": ["2022-23", "2019-20"]}],
            "row 1 of 'low_volume.schedule' has years out of order as 'reference_years': 2022-23, "
            "2019-20",
        ),
        (
            [{**OF_ACTIVITY, "uplift_years": ["2026-27", "2025-26"]}],
            "row 1 of 'low_volume.schedule' has years out of order as 'uplift_years': 2026-27, "
            "2025-26",
        ),
        (
            [{**OF_ACTIVITY, "uplift_years": ["2024-25", "2025-26"]}],
            "row 1 of 'low_volume.schedule' is uplifted by 2024-25, which is not after 2024-25, "
            "whose prices it has",
        ),
        (
            [{**OF_ACTIVITY, "price_year": "2024/25"}],
            "row 1 of 'low_volume.schedule' must give a year such as 2025-26 as 'price_year', not "
            "'2024/25'",
        ),
        (
            [{**OF_ACTIVITY, "part": "ambulance"}],
            "row 1 of 'low_volume.schedule' is of 'ambulance', not of one of "
            "acute_mental_health_and_community, acute, mental_health_and_community, "
            "secondary_dental, specialised",
        ),
        (
            [{**OF_ACTIVITY, "from": "memory"}],
            "row 1 of 'low_volume.schedule' is from 'memory', not from one of activity, "
            "finance_payments, last_schedule, given",
        ),
        (
            [{key: value for key, value in OF_ACTIVITY.items() if key != "price_year"}],
            "row 1 of 'low_volume.schedule' is from 'activity' and has no 'price_year'",
        ),
        (
            [{**OF_ACTIVITY, "takes": "acute"}],
            "row 1 of 'low_volume.schedule' is from 'activity' and has a 'takes'",
        ),
        (
            [{**ROLLED_FORWARD, "takes": "dental"}],
            "row 1 of 'low_volume.schedule' takes 'dental', which no schedule has",
        ),
        (
            [{**ROLLED_FORWARD, "growth": 2}],
            "row 1 of 'low_volume.schedule' has a 'growth', which no row has",
        ),
        (
            [{**ROLLED_FORWARD, "is_delegated": "yes"}],
            "row 1 of 'low_volume.schedule' must say true or false as 'is_delegated', not 'yes'",
        ),
        ([OF_ACTIVITY, OF_ACTIVITY], "'low_volume.schedule' has a part twice"),
        (
            [OF_ACTIVITY, {**ROLLED_FORWARD, "part": "acute_mental_health_and_community"}],
            "'low_volume.schedule' has 'acute_mental_health_and_community' and a part of it beside "
            "it",
        ),
        (
            [OF_ACTIVITY, {**OF_ACTIVITY, "part": "secondary_dental", "price_year": "2023-24"}],
            "'low_volume.schedule' prices activity under two years",
        ),
        (
            [
                ROLLED_FORWARD,
                {**ROLLED_FORWARD, "part": "secondary_dental", "of_schedule": "2023-24"},
            ],
            "'low_volume.schedule' rolls two schedules forward",
        ),
    ],
)
def test_a_fault_of_a_schedule_is_named(rows: list[dict[str, Any]], fault: str) -> None:
    faulty = pack()
    with_parameter("low_volume", "schedule", rows)(faulty)
    assert faults_of(faulty) == [fault]


def test_how_a_part_is_made_is_said_in_words() -> None:
    said = {
        (year, part.part): part.made_from
        for year in ("2023-24", "2024-25", "2026-27")
        for part in scheme_of(year).low_volume.schedule
    }
    assert said == {
        ("2023-24", "acute"): "average of 2018-19, 2019-20, 2021-22 at 2022-23 prices",
        (
            "2023-24",
            "mental_health_and_community",
        ): "average of finance payments of 2018-19, 2019-20, 2021-22",
        ("2024-25", "acute_mental_health_and_community"): "all of the schedule of 2023-24",
        ("2024-25", "secondary_dental"): "as given",
        ("2024-25", "specialised"): "as given",
        ("2026-27", "acute"): "average of 2019-20, 2022-23, 2023-24 at 2024-25 prices",
        ("2026-27", "mental_health_and_community"): "schedule of 2024-25",
        ("2026-27", "secondary_dental"): "average of 2019-20, 2022-23, 2023-24 at 2024-25 prices",
        ("2026-27", "specialised"): "schedule of 2024-25, newly delegated added",
    }
