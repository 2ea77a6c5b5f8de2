"""The cases an analyst can read, priced on every engine through the same functions."""

import pytest
from support import ENGINES, Case, cases, lines_of, priced_cases, scheme

from pipelines.workspace import PROJECT

YEARS = sorted(path.stem for path in (PROJECT / "data" / "schemes").glob("*.toml"))


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_case(case: Case) -> None:
    """Every line that the case names is as it says, and the record has no other."""
    found = lines_of(ENGINES[0], case)
    assert sorted((found[0]["refusal_codes"] or "").split()) == case.refused
    assert sorted(found) == (sorted(case.lines) or [0])
    shown = {
        number: {name: found[number][name] for name in expect}
        for number, expect in case.lines.items()
    }
    assert shown == case.lines


def test_every_case_is_a_record_of_its_own() -> None:
    ids = [case.record["record_id"] for case in cases()]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 250


def test_no_two_cases_of_a_file_have_the_same_name() -> None:
    names = [(case.file, case.name) for case in cases()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_every_case_is_the_same_on_every_engine(engine: str) -> None:
    """In every column of every line, whether or not the case names it."""
    found, expected = priced_cases(engine), priced_cases(ENGINES[0])
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []


@pytest.mark.parametrize("year", YEARS)
def test_every_row_of_the_decision_table_is_expected_of_some_case(year: str) -> None:
    expected = {
        line.get("mechanism_rule")
        for case in cases()
        if case.scheme_year == year
        for line in case.lines.values()
    }
    rows = {row.rule for row in scheme(year).mechanism.decision_table}
    assert rows - expected == set()
