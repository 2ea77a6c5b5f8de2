"""Explaining a line: its steps in words, its amounts worked out again, other mechanisms.

Belongs here: what `pricing.explain` says of rows written by hand, with amounts worked out by
hand, and that it agrees with every line that is priced. Does not belong here: the record, book
and run around a line (`tests/pipeline/test_explaining.py`).
"""

import json
from pathlib import Path
from typing import Any

import aimed
import polars as pl
import pytest
from oracle.years import YEARS
from rules.test_oracle_years import (
    MECHANISMS_OF_SOME_YEARS,
    frame_of,
    make,
    of_year,
    tables_of,
)
from support import price_on, scheme

from pricing import Explanation, explain
from pricing.explaining import (
    MECHANISMS,
    SECTIONS,
    SOURCES,
    Published,
    Step,
    UnderMechanism,
    asked_of_lists,
)
from pricing.money import times_ppm
from schemas.priced_line import PAYMENT_MECHANISMS, PRICE_SOURCES, PRICED_LINE_COLUMNS

Row = dict[str, Any]

DAY_CASE: Row = {
    "record_id": "R1",
    "line_number": 0,
    "dataset": "apc",
    "activity_month": "2024-07",
    "cut": "freeze",
    "scheme_year": "2024-25",
    "provider_code": "RRV",
    "commissioner_code": "QMJ",
    "treatment_function_code": "100",
    "hrg_code": "FE30Z",
    "point_of_delivery_code": "DC",
    "price_source": "combined",
    "unit_price_pence": 50_000,
    "best_practice_tariff_name": None,
    "best_practice_pence": 0,
    "excess_bed_days": 0,
    "long_stay_pence": 0,
    "top_up_pence": 0,
    "pre_mff_pence": 50_000,
    "mff_ppm": 1_100_000,
    "value_pence": 55_000,
    "ebi_outcome": "not_applicable",
    "payment_mechanism": "api_variable",
    "mechanism_rule": "elective_activity",
    "is_in_activity_target": True,
    "payable_pence": 55_000,
    "patient_charge_pence": None,
    "reason_code": "ELECTIVE_SPELL",
}
UNPRICED = {
    "price_source": "none",
    "unit_price_pence": None,
    "pre_mff_pence": None,
    "value_pence": None,
}
FIXED = {
    "payment_mechanism": "api_fixed",
    "mechanism_rule": "fixed_element",
    "is_in_activity_target": False,
    "payable_pence": 0,
}
UNPAID = {"is_in_activity_target": False, "payable_pence": 0}
OPEN = {"is_in_activity_target": False, "payable_pence": None}
UNBUNDLED = {"line_number": 1, "mechanism_rule": "unbundled_service"}
EMERGENCY = {"point_of_delivery_code": "NEL", "price_source": "non_elective"}
ATTENDANCE = {
    "dataset": "op",
    "hrg_code": "WF01B",
    "point_of_delivery_code": "OPFASPCL",
    "price_source": "outpatient_attendance",
}


def row(year: str = "2024-25", **changes: Any) -> Row:
    """A day case that is worth £500.00 × 1.1 = £550.00 and paid, with changes made to it."""
    assert changes.keys() <= DAY_CASE.keys()
    return {**DAY_CASE, "scheme_year": year, **changes}


def explained(line: Row) -> Explanation:
    return explain(line, scheme(line["scheme_year"]))


def step(line: Row, what: str) -> Step:
    """The one step of a line that says this."""
    (found,) = [step for step in explained(line).steps if step.what == what]
    return found


def test_the_row_by_hand_has_the_columns_of_a_priced_line() -> None:
    assert tuple(DAY_CASE) == PRICED_LINE_COLUMNS


def test_a_plain_line_from_its_price_to_what_is_payable() -> None:
    line = row()
    assert [(step.section, step.what, step.how) for step in explained(line).steps] == [
        ("price", "DC", "point of delivery; HRG FE30Z, treatment function 100"),
        ("price", "unit price £500.00", "the combined day case and ordinary elective price"),
        (
            "value",
            "value £550.00",
            "£500.00 × MFF 1.100000, rounded once to the nearest penny, halves away from zero",
        ),
        (
            "mechanism",
            "api_variable",
            "the API variable element pays for each unit of elective activity; by row 15 of 18 of "
            "the decision table, elective_activity: NHS provider, elective activity",
        ),
        ("payable", "payable £550.00", "100% of the value £550.00"),
        ("payable", "in the target", "whether it counts towards the elective activity target"),
    ]
    assert step(line, "api_variable").citation == "2023/25 ¶71, ¶116-117"
    assert step(line, "payable £550.00").citation == "2023/25 ¶72"
    assert explained(line).differences == ()


def test_everything_that_adds_to_a_price() -> None:
    """£1,000.00 − £50.00 + 3 × £200.00 + £95.00 = £1,645.00, × 1.012345 = £1,665.307525."""
    line = row(
        **{**EMERGENCY, **FIXED},
        unit_price_pence=100_000,
        best_practice_tariff_name="spinal_surgery",
        best_practice_pence=-5_000,
        excess_bed_days=3,
        long_stay_pence=60_000,
        top_up_pence=9_500,
        pre_mff_pence=164_500,
        mff_ppm=1_012_345,
        value_pence=166_531,
    )
    said = {step.what: step.how for step in explained(line).steps}
    assert explained(line).differences == ()
    assert said["best practice -£50.00"] == (
        "tariff spinal surgery: its price £950.00 in place of the base £1,000.00"
    )
    assert said["long stay £600.00"] == "3 days beyond the trim point × £200.00"
    assert said["top-up £95.00"] == (
        "specialist top-up, about 10.00% of the price £950.00, long stay left out"
    )
    assert said["before MFF £1,645.00"] == (
        "unit price £1,000.00 + best practice -£50.00 + long stay £600.00 + top-up £95.00"
    )
    assert said["value £1,665.31"].startswith("£1,645.00 × MFF 1.012345, ")


def test_a_tariff_whose_price_is_not_paid_is_shown() -> None:
    line = row(best_practice_tariff_name="pleural_effusion")
    assert step(line, "best practice £0.00").how == (
        "tariff pleural effusion: its price adds nothing, or the base price is paid"
    )


def test_a_value_is_rounded_half_away_from_zero() -> None:
    """£0.05 × 1.1 = 5.5p, which is 6p, and of a credit −6p."""
    for pence, value in ((5, 6), (-5, -6)):
        found = explained(row(unit_price_pence=pence)).amounts
        assert (found["pre_mff_pence"], found["value_pence"]) == (pence, value)


@pytest.mark.parametrize(
    ("changes", "what", "how", "published"),
    [
        ({}, "unit price £500.00", SOURCES["combined"], ("hrg_prices", "combined_price_pence")),
        (
            {"price_source": "day_case"},
            "unit price £500.00",
            "the day case price",
            ("hrg_prices", "day_case_price_pence"),
        ),
        (
            {"price_source": "ordinary_elective", "point_of_delivery_code": "EL"},
            "unit price £500.00",
            "the ordinary elective price",
            ("hrg_prices", "ordinary_elective_price_pence"),
        ),
        (
            {**EMERGENCY, **FIXED},
            "unit price £500.00",
            "the non-elective price",
            ("hrg_prices", "non_elective_price_pence"),
        ),
        (
            {**FIXED, "price_source": "short_stay_emergency", "point_of_delivery_code": "NELST"},
            "unit price £500.00",
            "the reduced short stay emergency price",
            ("hrg_prices", "short_stay_emergency_price_pence"),
        ),
        (
            {**ATTENDANCE, "price_source": "outpatient_procedure", "hrg_code": "JC43C"},
            "unit price £500.00",
            "the outpatient procedure price",
            ("hrg_prices", "outpatient_procedure_price_pence"),
        ),
        (
            ATTENDANCE,
            "unit price £500.00",
            "the outpatient attendance price of the treatment function",
            ("attendance_prices", "attendance_price_pence"),
        ),
        (
            {
                **{**ATTENDANCE, **FIXED, "hrg_code": None, "price_source": "not_attended"},
                **dict.fromkeys(("unit_price_pence", "pre_mff_pence", "value_pence"), 0),
            },
            "unit price £0.00",
            "not attended, so it is worth nothing",
            None,
        ),
        (
            {
                **{**ATTENDANCE, **FIXED, "price_source": "administrative_event"},
                **dict.fromkeys(("unit_price_pence", "pre_mff_pence", "value_pence"), 0),
            },
            "unit price £0.00",
            "an administrative event, which is worth nothing",
            None,
        ),
        (
            {
                **UNBUNDLED,
                "hrg_code": "SB12Z",
                "point_of_delivery_code": "UNBCHEMO",
                "price_source": "unbundled",
                "is_in_activity_target": False,
            },
            "unit price £500.00",
            "the price of the unbundled HRG",
            ("unbundled_prices", "unbundled_price_pence"),
        ),
        (
            {
                **{**UNBUNDLED, **FIXED, "hrg_code": "RD20A", "point_of_delivery_code": "UNBRAD"},
                **dict.fromkeys(("unit_price_pence", "pre_mff_pence", "value_pence"), 0),
                "mechanism_rule": "within_core_price",
                "price_source": "within_core_price",
            },
            "unit price £0.00",
            "the price of the core HRG holds it",
            None,
        ),
        (
            {"price_source": "local"},
            "unit price £500.00",
            "the price that the parties agreed, from the list of local prices",
            None,
        ),
        ({**UNPRICED, **FIXED}, "no unit price", "none is published for it, or none applies", None),
    ],
    ids=PRICE_SOURCES,
)
def test_every_price_source_is_told(
    changes: Row, what: str, how: str, published: tuple[str, str] | None
) -> None:
    line = row(**changes)
    found = step(line, what)
    assert found.how == how
    place = found.published and (found.published.table, found.published.column)
    assert place == published
    assert explained(line).differences == ()


def test_the_sources_tested_are_all_there_are() -> None:
    marks = test_every_price_source_is_told.pytestmark  # type: ignore[attr-defined]
    tested = [changes.get("price_source", "combined") for changes, *_ in marks[0].args[1]]
    assert tuple(tested) == PRICE_SOURCES


@pytest.mark.parametrize(
    ("hrg", "counted_as", "column"),
    [
        ("WF01B", "OPFASPCL", "WF01B"),
        ("WF02C", "NF2FFUP", "WF02A"),
        # A procedure HRG without a price: by how it is counted.
        ("LA97A", "OPFASPNCL", "WF01B"),
        ("LA97A", "OPFAMPCL", "WF02B"),
        ("LA97A", "OPFUPSPCL", "WF01A"),
        ("LA97A", "OPFUPMPNCL", "WF02A"),
        # Not face to face, and the row does not say whether with one professional or more.
        ("LA97A", "NF2FFA", None),
    ],
)
def test_the_column_of_an_attendance_price_is_told_where_it_is_known(
    hrg: str, counted_as: str, column: str | None
) -> None:
    line = row(**{**ATTENDANCE, "hrg_code": hrg, "point_of_delivery_code": counted_as})
    published = step(line, "unit price £500.00").published
    key = {"treatment_function_code": "100", "price_column": column}
    assert (published and published.key) == (key if column else None)


# MFF is applied to the local prices of the variable element alone.
LOCAL_AGREEMENT = {
    "price_source": "local",
    "mff_ppm": 1_000_000,
    "value_pence": 50_000,
    "is_in_activity_target": False,
    "payment_mechanism": "local_agreement",
    "mechanism_rule": "no_unit_price",
    "payable_pence": 50_000,
}
RADIOTHERAPY = {
    **UNBUNDLED,
    **OPEN,
    "hrg_code": "SC41Z",
    "point_of_delivery_code": "UNBRTHPY",
    "price_source": "unbundled",
}


@pytest.mark.parametrize(
    ("line", "what", "how", "citation"),
    [
        (row(), "payable £550.00", "100% of the value £550.00", "2023/25 ¶72"),
        (
            # 50% of £550.00
            row("2021-22", payable_pence=None),
            "payable by contract",
            "by the contract's plan: nothing more for planned activity, 50% of the value, £275.00, "
            "paid beyond it and taken back below it",
            "2021/22 ¶56",
        ),
        (
            row(**{**ATTENDANCE, **UNPRICED}, payable_pence=None),
            "payable to be agreed",
            "there is no price: to be agreed by the parties",
            "2023/25 ¶72",
        ),
        (
            row(ebi_outcome="zero_price", **UNPAID),
            "payable £0.00",
            "nothing without prior approval",
            "2023/25 ¶39",
        ),
        (
            row(**{**EMERGENCY, **FIXED}),
            "payable £0.00",
            "the API fixed element pays; nothing is payable for the line itself",
            "2023/25 ¶1, ¶16-17, ¶49, ¶93",
        ),
        (
            # 20% of £550.00
            row(
                "2026-27",
                **{**EMERGENCY, **OPEN},
                payment_mechanism="api_blended",
                mechanism_rule="blended_activity",
            ),
            "payable by contract",
            "by the contract's plan: nothing more for planned activity, 20% of the value, £110.00, "
            "paid beyond it and taken back below it",
            "2026/27 ¶84",
        ),
        (
            # 50% of £550.00
            row("2026-27", **RADIOTHERAPY, payment_mechanism="api_blended"),
            "payable by contract",
            "by the contract's plan: nothing more for planned activity, 50% of the value, £275.00, "
            "paid beyond it and taken back below it",
            "2026/27 ¶94-95",
        ),
        (
            row(**UNPAID, payment_mechanism="lva_block", mechanism_rule="low_volume_block"),
            "payable £0.00",
            "the LVA block of the pair pays; nothing is payable for the line itself",
            "2023/25 ¶79-80, ¶87",
        ),
        (
            row(
                is_in_activity_target=False,
                payment_mechanism="activity_based",
                mechanism_rule="unit_price",
            ),
            "payable £550.00",
            "the whole value £550.00",
            "2023/25 ¶20, Table 1",
        ),
        (
            row(
                **{**UNPRICED, **OPEN},
                payment_mechanism="local_agreement",
                mechanism_rule="no_unit_price",
            ),
            "payable to be agreed",
            "to be agreed by the parties",
            "2023/25 Table 1",
        ),
        (
            row(**LOCAL_AGREEMENT),
            "payable £500.00",
            "the whole value £500.00, at the local price",
            "2023/25 Table 1",
        ),
        (
            row(
                **{**UNBUNDLED, **UNPRICED, **OPEN},
                hrg_code="XD01Z",
                point_of_delivery_code="DRUG",
                payment_mechanism="excluded_item",
            ),
            "payable by item",
            "by the list of excluded items, where the item itself is priced",
            "2023/25 ¶102",
        ),
        (
            # 150% and 100% of £550.00
            row(
                "2026-27",
                **UNPAID,
                payment_mechanism="charged_to_patient",
                mechanism_rule="overseas_visitor",
                patient_charge_pence=82_500,
            ),
            "payable £0.00",
            "the patient is charged £825.00 (150% of the value) without a settled status or "
            "£550.00 (100% of the value) with one",
            "2026/27 ¶35",
        ),
        (
            row(
                **UNPAID,
                payment_mechanism="charged_to_patient",
                mechanism_rule="overseas_visitor",
            ),
            "payable £0.00",
            "the patient is charged, and there is no rate known here",
            "2023/25 ¶46-47",
        ),
        (
            row(**UNPAID, payment_mechanism="outside_scheme", mechanism_rule="private_patient"),
            "payable £0.00",
            "not paid for under the scheme",
            "2023/25 ¶59",
        ),
    ],
)
def test_what_every_mechanism_pays_is_told(line: Row, what: str, how: str, citation: str) -> None:
    found = step(line, what)
    assert (found.how, found.citation) == (how, citation)
    assert explained(line).differences == ()
    assert step(line, line["payment_mechanism"]).how.startswith(
        MECHANISMS[line["payment_mechanism"]]
    )


def test_the_mechanisms_tested_are_all_there_are() -> None:
    marks = test_what_every_mechanism_pays_is_told.pytestmark  # type: ignore[attr-defined]
    assert {line["payment_mechanism"] for line, *_ in marks[0].args[1]} == {*PAYMENT_MECHANISMS}


def test_a_patient_with_a_settled_status_is_charged_the_lower_rate() -> None:
    line = row(
        "2026-27",
        **UNPAID,
        payment_mechanism="charged_to_patient",
        mechanism_rule="overseas_visitor",
        patient_charge_pence=55_000,
    )
    assert explained(line).differences == ()
    assert explained({**line, "patient_charge_pence": 60_000}).differences == (
        "patient_charge_pence is £600.00 in the row, and its parts give £825.00",
    )
    assert explained({**line, "patient_charge_pence": None}).differences == (
        "patient_charge_pence is null in the row, and its parts give £825.00",
    )


def test_a_local_price_takes_no_factor_in_a_year_that_applies_none() -> None:
    """2021/22 ¶56 speaks of unit prices alone: £500.00 stays £500.00."""
    line = row(
        "2021-22",
        price_source="local",
        mff_ppm=1_000_000,
        value_pence=50_000,
        payment_mechanism="local_agreement",
        mechanism_rule="outside_api",
        is_in_activity_target=False,
        payable_pence=50_000,
    )
    assert explained(line).differences == ()
    found = step(line, "value £500.00")
    assert found.how.endswith("; no MFF is applied to such a local price")
    assert found.published is None
    (difference,) = explained(
        {**line, "mff_ppm": 1_100_000, "value_pence": 55_000, "payable_pence": 55_000}
    ).differences
    assert difference == "mff_ppm is of the provider, and no MFF is applied to such a local price"


def test_a_local_price_has_mff_under_the_variable_element_alone() -> None:
    """£500.00 × 1.1 = £550.00 there, £500.00 as agreed elsewhere (2023/25 ¶73)."""

    def payable(line: Row) -> dict[str, int | None]:
        under = explained(line).under_each_mechanism
        return {one.mechanism: one.payable_pence for one in under}

    variable, agreed = payable(row(price_source="local")), payable(row(**LOCAL_AGREEMENT))
    assert (variable["api_variable"], agreed["api_variable"]) == (55_000, None)
    for paid in (variable, agreed):
        assert (paid["local_agreement"], paid["activity_based"]) == (50_000, 50_000)


def test_what_did_not_take_place_pays_nothing_by_any_mechanism() -> None:
    nothing = dict.fromkeys(("unit_price_pence", "pre_mff_pence", "value_pence"), 0)
    missed = {**ATTENDANCE, **FIXED, **nothing, "price_source": "not_attended", "hrg_code": None}
    under = explained(row(**missed)).under_each_mechanism
    assert {one.payable_pence for one in under} == {0}


def test_what_would_have_been_paid_under_each_other_mechanism() -> None:
    others = explained(row()).under_each_mechanism
    assert [(one.mechanism, one.payable_pence, one.is_taken) for one in others] == [
        ("api_variable", 55_000, True),
        ("api_fixed", 0, False),
        ("lva_block", 0, False),
        ("activity_based", 55_000, False),
        ("local_agreement", None, False),
        ("charged_to_patient", 0, False),
        ("outside_scheme", 0, False),
    ]


def test_the_same_in_a_year_of_blended_payments_and_known_charges() -> None:
    """20% of £550.00 is £110.00, 150% of it £825.00."""
    others = {one.mechanism: one for one in explained(row("2026-27")).under_each_mechanism}
    blended, charged = others["api_blended"], others["charged_to_patient"]
    assert (blended.payable_pence, blended.beyond_plan_pence) == (None, 11_000)
    assert (charged.payable_pence, charged.patient_charge_pence) == (0, 82_500)
    assert "excluded_item" not in others


def test_a_year_without_a_mechanism_does_not_offer_it() -> None:
    """In 2021/22 there are no LVA blocks, blends or charges, and a plan decides."""
    others = {
        one.mechanism: one
        for one in explained(row("2021-22", payable_pence=None)).under_each_mechanism
    }
    assert set(others) == {
        "api_variable",
        "api_fixed",
        "activity_based",
        "local_agreement",
        "outside_scheme",
    }
    variable = others["api_variable"]
    assert (variable.payable_pence, variable.beyond_plan_pence) == (None, 27_500)


def test_an_unapproved_intervention_pays_nothing_by_any_unit_of_activity() -> None:
    line = row(ebi_outcome="zero_price", **UNPAID)
    others = {one.mechanism: one.payable_pence for one in explained(line).under_each_mechanism}
    assert (others["api_variable"], others["activity_based"]) == (0, 0)
    assert step(line, "zero price").citation == "2023/25 ¶39"


def test_a_tariff_that_other_mechanisms_would_pay_is_not_passed_over() -> None:
    line = row(best_practice_tariff_name="pleural_effusion")
    others = {one.mechanism: one.how for one in explained(line).under_each_mechanism}
    assert others["activity_based"].endswith(
        "the best practice price may be paid there, which the row does not hold"
    )


BLENDED = {
    **EMERGENCY,
    **OPEN,
    "payment_mechanism": "api_blended",
    "mechanism_rule": "blended_activity",
    "best_practice_tariff_name": "emergency_laparotomy",
}


def test_best_practice_is_paid_beside_the_blended_payment() -> None:
    """2026/27 ¶85: £1,000.00 and £50.00, × 1.1: £1,100.00, of which 20% is £220.00, and £55.00."""
    line = row(
        "2026-27",
        **BLENDED,
        unit_price_pence=100_000,
        best_practice_pence=5_000,
        pre_mff_pence=105_000,
        value_pence=115_500,
    )
    found = step(line, "payable by contract")
    assert found.how == (
        "by the contract's plan: nothing more for planned activity, 20% of the value at the base "
        "price £1,100.00, £220.00, paid beyond it and taken back below it; in addition 100% of "
        "what best practice makes of it, £1,155.00 less £1,100.00: £55.00, within the plan and "
        "beyond it"
    )
    assert found.citation == "2026/27 ¶84; 2026/27 ¶85"
    (taken,) = [one for one in explained(line).under_each_mechanism if one.is_taken]
    assert (taken.payable_pence, taken.beyond_plan_pence, taken.best_practice_pence) == (
        None,
        22_000,
        5_500,
    )
    of_price = step(line, "best practice £50.00")
    assert of_price.how.endswith(
        "the blended payment plans at the base price and pays the difference apart"
    )
    assert of_price.citation.startswith("2026/27 ¶85; ")
    assert explained(line).differences == ()


@pytest.mark.parametrize(
    ("base", "added", "beyond_plan", "best_practice"),
    [
        # 5p × 1.1 = 5.5p is 6p, of which 20% is 1p; with best practice 10p × 1.1 = 11p: 5p more.
        (5, 5, 1, 5),
        # £10.00 × 1.1 = £11.00, of which 20% is £2.20; £9.50 × 1.1 = £10.45: 55p less.
        (1_000, -50, 220, -55),
    ],
)
def test_base_price_and_best_practice_make_up_the_value_to_the_penny(
    base: int, added: int, beyond_plan: int, best_practice: int
) -> None:
    line = row("2026-27", **BLENDED, unit_price_pence=base, best_practice_pence=added)
    (taken,) = [one for one in explained(line).under_each_mechanism if one.is_taken]
    assert (taken.beyond_plan_pence, taken.best_practice_pence) == (beyond_plan, best_practice)


def test_a_blended_spell_without_best_practice_has_no_addition() -> None:
    """20% of £550.00; a tariff whose price is the base price adds nothing."""
    for tariff in (None, "emergency_laparotomy"):
        line = row("2026-27", **{**BLENDED, "best_practice_tariff_name": tariff})
        (taken,) = [one for one in explained(line).under_each_mechanism if one.is_taken]
        assert (taken.beyond_plan_pence, taken.best_practice_pence) == (11_000, None)
        assert taken.how.endswith("taken back below it")


def test_a_tariff_and_a_top_up_are_looked_for_among_the_codes_of_the_record() -> None:
    line = row(
        best_practice_tariff_name="spinal_surgery", best_practice_pence=-5_000, top_up_pence=4_500
    )
    best_practice = step(line, "best practice -£50.00").published
    assert best_practice is not None
    assert best_practice.by_code == ("best_practice_flag", "best_practice_flags")
    assert best_practice.beside == {
        "best_practice_tariff_name": "spinal_surgery",
        "best_practice_combined_price_pence": 45_000,
    }
    top_up = step(line, "top-up £45.00")
    assert top_up.citation == "2023/25 ¶118; rate of the price book of 2024-25"
    assert top_up.published is not None
    assert top_up.published.by_code == ("specialised_service_code", "specialised_service_codes")
    assert top_up.published.key == {"provider_code": "RRV"}


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (
            row(),
            {
                "overseas_visitors": ("charging_status",),
                "lva_exception_days": ("exception",),
                "contracts": ("covers", "agreed_mechanism"),
            },
        ),
        # 2021/22 ¶11-14 asks of which system the parties are, and for how much.
        (
            row("2021-22", payable_pence=None),
            {
                "overseas_visitors": ("charging_status",),
                "contracts": (
                    "covers",
                    "agreed_mechanism",
                    "is_same_system",
                    "expected_annual_value_pence",
                ),
            },
        ),
        (
            row(**UNPAID, payment_mechanism="lva_block", mechanism_rule="low_volume_block"),
            {"overseas_visitors": ("charging_status",), "lva_exception_days": ("exception",)},
        ),
        (
            row(**{**FIXED, "mechanism_rule": "overseas_visitor"}),
            {"overseas_visitors": ("charging_status",)},
        ),
        (row(**UNPAID, payment_mechanism="outside_scheme", mechanism_rule="private_patient"), {}),
        (row(mechanism_rule="nobodys_rule"), {}),
    ],
)
def test_a_list_was_asked_where_the_table_was_read_so_far(
    line: Row, asked: dict[str, tuple[str, ...]]
) -> None:
    assert asked_of_lists(line, scheme(line["scheme_year"])) == asked


@pytest.mark.parametrize(
    ("column", "value", "differences"),
    [
        ("payable_pence", 55_001, ["payable_pence is £550.01"]),
        ("payable_pence", None, ["payable_pence is null"]),
        ("value_pence", 54_999, ["value_pence is £549.99"]),
        ("pre_mff_pence", 50_001, ["pre_mff_pence is £500.01"]),
        ("patient_charge_pence", 1, ["patient_charge_pence is £0.01"]),
        ("unit_price_pence", 50_010, ["pre_mff_pence", "value_pence", "payable_pence"]),
        (
            "unit_price_pence",
            None,
            ["unit_price_pence is null", "pre_mff_pence", "value_pence", "payable_pence"],
        ),
        ("mff_ppm", 1_200_000, ["value_pence", "payable_pence"]),
        ("excess_bed_days", 0, []),
        ("long_stay_pence", 10, ["long_stay_pence", "pre_mff_pence", "value_pence", "payable_pe"]),
        (
            "price_source",
            "not_attended",
            ["unit_price_pence is £500.00 of what is worth nothing: not_att", "payable_pence is"],
        ),
        ("mechanism_rule", "fixed_element", ["payment_mechanism is api_variable, and the row"]),
        ("mechanism_rule", "nobodys_rule", ["the decision table has no row nobodys_rule"]),
        ("is_in_activity_target", False, ["is_in_activity_target should be yes"]),
    ],
)
def test_a_row_that_was_tampered_with_is_told(
    column: str, value: Any, differences: list[str]
) -> None:
    found = explained(row(**{column: value})).differences
    assert len(found) == len(differences)
    for said, begins in zip(found, differences, strict=True):
        assert said.startswith(begins)


def test_a_row_without_a_price_to_add_to_is_told_and_not_an_error() -> None:
    added = {"best_practice_tariff_name": "spinal_surgery", "best_practice_pence": 100}
    line = row(**{**UNPRICED, **added}, top_up_pence=50, payable_pence=None)
    assert explained(line).amounts["value_pence"] is None
    assert step(line, "top-up £0.50").how == "specialist top-up, long stay left out"
    assert [said.partition(" is ")[0] for said in explained(line).differences] == [
        "best_practice_pence",
        "top_up_pence",
    ]


def test_what_the_parties_agreed_on_must_be_something_they_may_agree_on() -> None:
    agreed = {**FIXED, "mechanism_rule": "mechanism_agreed"}
    assert explained(row(**agreed)).differences == ()
    (said,) = explained(row(**{**agreed, "payment_mechanism": "lva_block"})).differences
    assert said.endswith("gives api_fixed or activity_based or local_agreement")


def test_imaging_of_2021_22_is_paid_by_activity_where_it_has_a_published_price() -> None:
    """2021/22 ¶10, ¶33; without one the parties agree."""
    imaging = {**UNBUNDLED, "hrg_code": "RD20A", "point_of_delivery_code": "UNBRAD"}
    priced = row(
        "2021-22",
        **imaging,
        price_source="unbundled",
        payment_mechanism="activity_based",
        is_in_activity_target=False,
    )
    assert explained(priced).differences == ()
    unpriced = row("2021-22", **{**imaging, **UNPRICED, **OPEN})
    assert explained({**unpriced, "payment_mechanism": "local_agreement"}).differences == ()
    (said,) = explained({**unpriced, "payment_mechanism": "activity_based"}).differences
    assert said.endswith("the row unbundled_service gives local_agreement or api_fixed")


def test_a_line_of_another_year_is_not_explained() -> None:
    with pytest.raises(ValueError, match="The line is of 2023-24, not 2024-25"):
        explain(row("2023-24"), scheme("2024-25"))


def test_every_mechanism_and_source_has_its_words() -> None:
    assert set(MECHANISMS) == {*PAYMENT_MECHANISMS}
    assert set(SOURCES) == {*PRICE_SOURCES}


def test_an_explanation_is_a_json_document() -> None:
    """Amounts are whole pence."""
    document = json.loads(json.dumps(explained(row()).to_json()))
    assert set(document) == {"steps", "amounts", "differences", "under_each_mechanism"}
    assert document["amounts"] == {
        "pre_mff_pence": 50_000,
        "value_pence": 55_000,
        "payable_pence": 55_000,
        "patient_charge_pence": None,
    }
    assert document["steps"][0].keys() == {"section", "what", "how", "citation", "published"}
    assert {step["section"] for step in document["steps"]} == {*SECTIONS}


# --- Against what is priced ------------------------------------------------------------------

_PARTS = ("best_practice_pence", "long_stay_pence", "top_up_pence")


class Tables:
    """The reference tables of a month, to look up where a step says that its number stands."""

    def __init__(self, tables: dict[str, pl.DataFrame]) -> None:
        self._rows = {name: table.to_dicts() for name, table in tables.items()}
        self._prices = {r["hrg_code"]: r["price_hrg_code"] for r in self._rows["hrg_prices"]}
        self._found: dict[tuple[Any, ...], list[Row]] = {}

    def value(self, published: Published, record: Row) -> int | None:
        """The value there; of a bridged HRG that of the HRG whose price it takes."""
        key = {**published.key, **published.beside}
        if published.table in ("hrg_prices", "best_practice_prices"):
            key["hrg_code"] = self._prices.get(key["hrg_code"], key["hrg_code"])
        codes: list[Row] = [{}]
        if published.by_code:
            name, column = published.by_code
            codes = [{name: code} for code in (record[column] or "").split()]
        rows = [row for code in codes for row in self._fitting(published.table, {**key, **code})]
        return max((row[published.column] for row in rows), default=None)

    def _fitting(self, table: str, key: Row) -> list[Row]:
        place = (table, *key.items())
        if place not in self._found:
            self._found[place] = [r for r in self._rows[table] if key.items() <= r.items()]
        return self._found[place]


def published_by(line: Row) -> dict[str, Any]:
    """What must stand where a step of the line says that its number does; a top-up's is a rate."""
    price, days = line["unit_price_pence"], line["excess_bed_days"]
    return {
        "unit price": price,
        "best practice": price is not None and price + line["best_practice_pence"],
        "long stay": days and line["long_stay_pence"] // days,
        "value": line["mff_ppm"],
    }


def assert_stands_where_it_is_said(step: Step, line: Row, tables: Tables, record: Row) -> None:
    assert step.published is not None
    found = tables.value(step.published, record)
    if step.what.startswith("top-up"):
        assert found is not None, line
        price = line["unit_price_pence"] + line["best_practice_pence"]
        assert times_ppm(price, found) == line["top_up_pence"], line
    else:
        (expected,) = [v for name, v in published_by(line).items() if step.what.startswith(name)]
        assert found == expected, (step, line)


@pytest.mark.slow
@pytest.mark.parametrize("year", YEARS)
def test_every_line_of_aimed_records_recomputes(year: str, tmp_path: Path) -> None:
    """From the row and the pack alone, to the penny; and the book holds what a step says it does.

    The records meet every row of the year's decision table and every price source.
    """
    aim, found, lines = make(tmp_path, year, RECORDS), set[tuple[str, Any]](), 0
    for dataset, make_records in aimed.RECORDS.items():
        records = make_records(aim)
        for month in aim.months:
            of_month = {r["record_id"]: r for r in records if r["activity_month"] == month}
            admitted = [r["start_date"] for r in of_month.values() if dataset == "apc"]
            frames = tables_of(tmp_path, year, month, dataset, min(admitted, default=None))
            tables, frame = Tables(frames), frame_of(dataset, list(of_month.values()))
            priced = price_on("polars", dataset, frame, frames, year)
            for line in priced.filter(pl.col("refusal_codes").is_null()).to_dicts():
                said = explain(line, scheme(year))
                assert said.differences == (), line
                assert {name: line[name] for name in said.amounts} == dict(said.amounts)
                (taken,) = [one for one in said.under_each_mechanism if one.is_taken]
                assert taken.mechanism == line["payment_mechanism"]
                for step in said.steps:
                    if step.published:
                        record = of_month[line["record_id"]]
                        assert_stands_where_it_is_said(step, line, tables, record)
                found |= occurrences(line, said, taken)
                lines += 1
    assert lines > RECORDS
    assert_every_branch_was_met(found, year)


RECORDS = 2_000
"""Records of both datasets together, for each year."""
_COUNTED = ("mechanism_rule", "price_source", "payment_mechanism", "ebi_outcome")


def occurrences(line: Row, said: Explanation, taken: UnderMechanism) -> set[tuple[str, Any]]:
    """What of each closed list, and of each thing that is told in two places, a line shows."""
    found = {(name, line[name]) for name in _COUNTED}
    found |= {("part", name) for name in _PARTS if line[name]}
    found |= {
        ("beside", name)
        for name in ("best_practice_pence", "patient_charge_pence")
        if getattr(taken, name)
    }
    if line["payment_mechanism"] == "api_variable":
        found.add(("in target", (line["is_in_activity_target"], line["line_number"] > 0)))
    if line["price_source"] == "local":
        found.add(("local with factor", line["mff_ppm"] != 1_000_000))
    found |= {
        ("attendance column", step.published.key["price_column"])
        for step in said.steps
        if step.published and step.published.table == "attendance_prices"
    }
    return found


def assert_every_branch_was_met(found: set[tuple[str, Any]], year: str) -> None:
    """Each that the year has occurs."""

    def occurred(what: str) -> set[Any]:
        return {value for name, value in found if name == what}

    rules = scheme(year)
    assert occurred("mechanism_rule") == {row.rule for row in rules.mechanism.decision_table}
    assert occurred("price_source") == {*PRICE_SOURCES}
    assert occurred("payment_mechanism") == of_year(
        {*PAYMENT_MECHANISMS}, MECHANISMS_OF_SOME_YEARS, year
    )
    assert occurred("part") == {*_PARTS} - ({"top_up_pence"} if year == "2026-27" else set())
    beside = {"best_practice_pence", "patient_charge_pence"}
    assert occurred("beside") == (beside if year == "2026-27" else set())
    no_factor = {"2021-22", "2022-23"}
    assert occurred("local with factor") == ({False} if year in no_factor else {True, False})
    assert occurred("attendance column") == {
        *rules.attendances.price_column_by_attendance_hrg.values()
    }
    # 2023/25 Table 3: unbundled services are paid for outside the target; so is what is unapproved.
    unbundled = {(False, True)} if year not in no_factor else set()
    unapproved = {(False, False)} if year != "2023-24" else set()
    assert occurred("in target") == {(True, False)} | unbundled | unapproved
