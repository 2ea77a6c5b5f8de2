"""Reasons: one closed list, in the code, in the data and in the cases alike.

Belongs here: that no code is without its sentence, or without a case. Does not belong here:
which record has which reason (`tests/cases/`).
"""

import tomllib
from collections import Counter

from blocks import block_cases, payment_cases
from statements import statement_cases
from support import cases

from pipelines.reasons import reasons
from pipelines.workspace import PROJECT
from pricing.reasons import (
    BlockReason,
    ItemReason,
    Reason,
    Refusal,
    ReviewReason,
    StatementReason,
)
from schemas.priced_line import REASONS
from schemas.rules import registry

DATA = tomllib.loads((PROJECT / "data" / "reasons.toml").read_text("utf-8"))


OF_PAYMENT = (*Reason, *ItemReason, *StatementReason, *BlockReason, *ReviewReason)


def test_the_data_explains_the_reasons_and_refusals_of_the_code() -> None:
    assert set(DATA) == {"payment", "refusal"}
    assert set(DATA["payment"]) == {
        *Reason,
        *ItemReason,
        *StatementReason,
        *BlockReason,
        *ReviewReason,
    }
    assert set(DATA["refusal"]) == set(Refusal)


def test_every_reason_is_expected_of_some_case() -> None:
    expected = {line.get("reason_code") for case in cases() for line in case.lines.values()}
    assert set(Reason) - expected == set()


def test_every_reason_of_a_contract_line_is_expected_of_some_case() -> None:
    expected = {
        row.get("reason_code") for case in statement_cases() for row in case.expect.values()
    }
    assert expected - {None} == set(StatementReason)


def test_every_reason_of_a_block_is_expected_of_some_case() -> None:
    expected = {
        case.expect.get("payment_reason_code") for case in (*payment_cases(), *block_cases())
    }
    assert expected - {None} == set(BlockReason)


def test_every_refusal_is_expected_of_some_case() -> None:
    expected = {code for case in cases() for code in case.refused}
    assert expected == set(Refusal)


def test_no_code_means_two_things() -> None:
    codes = [
        *Reason,
        *ItemReason,
        *StatementReason,
        *BlockReason,
        *ReviewReason,
        *Refusal,
        *registry(),
    ]
    assert [code for code, times in Counter(codes).items() if times > 1] == []


def test_every_code_is_in_the_registry_under_its_own_name() -> None:
    for code, rule in registry().items():
        assert code == rule.code
        assert rule.sentence.endswith("."), code


def test_every_row_of_the_reasons_table_is_whole() -> None:
    rows = reasons()
    for row in rows:
        assert list(row) == [field.name for field in REASONS]
        assert all(text.strip() for text in row.values()), row
        assert row["sentence"].endswith("."), row
        assert row["what_to_do"].endswith("."), row
    assert len({row["reason_code"] for row in rows}) == len(rows)


def test_every_code_that_a_record_may_get_is_in_the_reasons_table() -> None:
    kinds = {row["reason_code"]: row["kind"] for row in reasons()}
    of_rules = {"record": "refusal", "warning": "warning"}
    assert kinds == {
        **dict.fromkeys(OF_PAYMENT, "payment"),
        **dict.fromkeys(Refusal, "refusal"),
        **{
            code: of_rules[rule.severity]
            for code, rule in registry().items()
            if rule.severity in of_rules
        },
    }
