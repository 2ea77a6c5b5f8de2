"""The cases an analyst can read, priced on every engine through the same functions."""

from functools import cache
from typing import Any

import pytest
from support import ENGINES, Case, case_tables, cases, price_on, records_frame


@cache
def priced(engine: str) -> dict[str, dict[str, Any]]:
    """Every case's record as an engine prices it, by record."""
    lines = {}
    for dataset in ("apc", "op"):
        records = [case.record for case in cases() if case.dataset == dataset]
        frame = price_on(engine, dataset, records_frame(dataset, records), case_tables())
        lines.update({row["record_id"]: row for row in frame.to_dicts()})
    return lines


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_case(engine: str, case: Case) -> None:
    line = priced(engine)[case.record["record_id"]]
    refused = sorted((line["refusal_codes"] or "").split())
    assert refused == case.refused
    assert {name: line[name] for name in case.expect} == case.expect


def test_every_case_is_a_record_of_its_own() -> None:
    ids = [case.record["record_id"] for case in cases()]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 60


def test_engines_agree_on_every_column() -> None:
    assert priced("polars") == priced("duckdb")
