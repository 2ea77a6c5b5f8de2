"""The cases an analyst can read, priced on every engine through the same functions."""

import pytest
from support import ENGINES, Case, cases, priced_cases


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_case(engine: str, case: Case) -> None:
    line = priced_cases(engine)[case.record["record_id"]]
    refused = sorted((line["refusal_codes"] or "").split())
    assert refused == case.refused
    assert {name: line[name] for name in case.expect} == case.expect


def test_every_case_is_a_record_of_its_own() -> None:
    ids = [case.record["record_id"] for case in cases()]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 60


def test_engines_agree_on_every_column() -> None:
    assert priced_cases("polars") == priced_cases("duckdb")
