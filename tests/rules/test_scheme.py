"""Scheme packs: the shipped one against the policy text, and what a faulty one is told.

Belongs here: reading packs whole, by date, with every fault named. Does not belong here:
what the rules make of the values (`tests/cases/`).
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.scheme_packs import scheme_for
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing.scheme import BASES, SECTIONS, SchemePackError, read_scheme

SHIPPED = PROJECT / "data" / "schemes" / "2024-25.toml"
IN_YEAR = date(2024, 7, 1)

Pack = dict[str, Any]


def pack() -> Pack:
    return tomllib.loads(SHIPPED.read_text("utf-8"))


def faults_of(faulty: Pack, on: date = IN_YEAR) -> list[str]:
    with pytest.raises(SchemePackError) as raised:
        read_scheme(faulty, on)
    return raised.value.faults


# --- The shipped pack ----------------------------------------------------------------------


def test_the_shipped_pack_reads_for_every_month_of_its_year() -> None:
    months = [f"2024-{number:02}" for number in range(4, 13)]
    months += [f"2025-{number:02}" for number in range(1, 4)]
    for month in months:
        assert (
            scheme_for(Workspace.at(PROJECT), date.fromisoformat(f"{month}-01")).scheme.scheme_year
            == "2024-25"
        )


@pytest.mark.parametrize("month", ["2024-03", "2025-04"])
def test_a_month_either_side_of_the_year_has_no_pack(month: str) -> None:
    with pytest.raises(UserError, match=f"No scheme pack covers {month}.*2024-25"):
        scheme_for(Workspace.at(PROJECT), date.fromisoformat(f"{month}-01"))


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


def test_the_variable_element_pays_all_of_the_unit_price() -> None:
    assert read_scheme(pack(), IN_YEAR).variable_element.rate_ppm == 1_000_000


def test_every_parameter_says_what_it_rests_on() -> None:
    parameters = read_scheme(pack(), IN_YEAR).parameters
    assert len(parameters) == sum(len(fields(section)) for section in SECTIONS.values())
    for parameter in parameters.values():
        assert parameter.says.endswith("."), parameter.path
        assert parameter.unit, parameter.path
        assert parameter.basis in BASES, parameter.path
        assert (parameter.basis == "assumed") == parameter.citation.startswith("assumed: ")


@pytest.mark.parametrize(
    ("section", "name"),
    [(section, field.name) for section, kind in SECTIONS.items() for field in fields(kind)],
    ids=".".join,
)
def test_every_parameter_is_used_by_a_rule(section: str, name: str) -> None:
    """A value that no rule reads would look as if it decided something."""
    rules = [path for path in (PROJECT / "pricing").glob("*.py") if path.name != "scheme.py"]
    used = re.compile(rf"\b(rules|rounding|spells|scope|attendances|mechanism|{section})\.{name}\b")
    assert any(used.search(path.read_text("utf-8")) for path in rules), f"{section}.{name}"


# --- Values that change --------------------------------------------------------------------


def changed(value: int, effective_from: date, published_on: date) -> dict[str, Any]:
    (first,) = pack()["variable_element"]["rate_ppm"]
    return {
        **first,
        "value": value,
        "effective_from": effective_from,
        "published_on": published_on,
    }


def rate_on(day: date, *later: dict[str, Any]) -> int:
    versions = [*pack()["variable_element"]["rate_ppm"], *later]
    faultless = {**pack(), "variable_element": {"rate_ppm": versions}}
    return read_scheme(faultless, day).variable_element.rate_ppm


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


def test_a_pack_without_a_value_yet_in_effect_is_refused() -> None:
    faults = faults_of(pack(), date(2024, 3, 31))
    assert "'rounding.quantum_pence' has no value in effect on 31 March 2024" in faults
    assert len(faults) == len(read_scheme(pack(), IN_YEAR).parameters)


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
    with pytest.raises(UserError, match="'effective_from' and 'effective_to' must be dates"):
        scheme_for(workspace_with(tmp_path, text), date(2024, 7, 1))


def test_the_hash_is_that_of_the_file() -> None:
    found = scheme_for(Workspace.at(PROJECT), date(2024, 7, 1))
    assert found.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
