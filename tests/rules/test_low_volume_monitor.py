"""The monitor of LVA blocks, on every engine: cases, payments, and against the oracle.

Belongs here: the cases of `tests/cases/blocks/`, that what a block covers is worth the same under
API, and what is due by which day. Does not belong here: which lines a block covers
(`tests/cases/`), or the monitor of a real month (`tests/pipeline/test_low_volume_monitor.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from blocks import (
    ANOTHER,
    PAIR,
    BlockCase,
    PaymentCase,
    as_row,
    block_cases,
    lines_of,
    monitor_rows,
    paid,
    payment_cases,
    row_of,
    spells_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import blocks as oracle
from oracle.books import Books, read_books
from oracle.pricing import price_attendance, price_spell
from oracle.years import YEARS
from support import BOOK, ENGINES, cases, records_frame, scheme

from pricing.low_volume_payments import Schedule, payments
from pricing.scheme import LowVolume
from schemas.priced_line import LOW_VOLUME

WAYS = ("api_variable", "api_blended", "api_fixed", "api_other")
MONTH = "2024-07"
Row = dict[str, Any]


def named(case: BlockCase | PaymentCase) -> str:
    return case.name


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", block_cases(), ids=named)
def test_the_monitor_shows_what_the_case_expects(case: BlockCase, engine: str) -> None:
    row = row_of(engine, case)
    assert {name: row[name] for name in case.expect} == case.expect


@pytest.mark.parametrize("case", payment_cases(), ids=named)
def test_what_is_due_is_what_the_case_expects(case: PaymentCase) -> None:
    found = paid(case)
    assert {name: found[name] for name in case.expect} == case.expect


# --- Against the oracle --------------------------------------------------------------------


def case_books(year: str) -> Books:
    lists = {
        "approvals": "prior_approvals",
        "exceptions": "lva_exceptions",
        "bridge": "hrg_bridge",
        **{name: name for name in ("contracts", "local_prices", "overseas_visitors")},
    }
    files = {name: BOOK / f"{file}.csv" for name, file in lists.items()}
    return read_books(BOOK, BOOK, price_year=year, **files)


def of_pairs(dataset: str) -> list[Row]:
    """The records of every case in July, each once for three pairs that are on the schedule."""
    parties = (("RRV", "QHM"), ("RTD", "QMJ"), ("RX3", "QHL"))
    day = {"apc": "end_date", "op": "appointment_date"}[dataset]
    found = [c.record for c in cases() if c.dataset == dataset and not c.refused]
    return [
        {
            **record,
            "record_id": f"{provider}-{number}",
            "organisation_code_of_provider": provider,
            "derived_commissioner_code": payer,
        }
        for number, record in enumerate(found)
        if str(record[day]).startswith(MONTH)
        for provider, payer in parties
    ]


@pytest.mark.parametrize("year", ["2022-23", "2024-25", "2026-27"])
def test_the_oracle_has_the_same_of_every_block(year: str) -> None:
    """Priced with the schedule and without it, and added up by hand."""
    frames = {dataset: records_frame(dataset, of_pairs(dataset)) for dataset in ("apc", "op")}
    lines, without = (
        pl.concat(
            [
                lines_of("polars", dataset, frame, MONTH, year, listed=listed)
                for dataset, frame in frames.items()
            ]
        )
        for listed in (True, False)
    )
    items = oracle_items()
    found = monitor_rows("polars", lines, without, MONTH, year, items)
    books = case_books(year)
    price = {"apc": price_spell, "op": price_attendance}
    answers = []
    for of in (books, replace(books, lva_schedule={})):
        priced = [
            price[dataset]({**record, "dataset": dataset}, of, YEARS[year])
            for dataset, frame in frames.items()
            for record in frame.iter_rows(named=True)
        ]
        answers.append(
            [line for outcome, of_record in priced if outcome == "priced" for line in of_record]
        )
    expected = oracle.monitor(*answers, items, list(found))
    assert sum(row["covered_activity"] for row in expected.values()) > 300
    assert sum(row["exception_activity"] for row in expected.values()) > 30
    for pair, row in expected.items():
        assert {name: found[pair][name] for name in row} == row, pair


def oracle_items() -> list[Row]:
    mechanisms = ("excluded_item", "lva_block", "local_agreement", "outside_scheme")
    return [
        {
            "provider_code": provider,
            "commissioner_code": payer,
            "payment_mechanism": mechanism,
            "amount_pence": None if mechanism == "local_agreement" else 100 * number,
            "payable_pence": {"excluded_item": 100 * number, "local_agreement": None}.get(
                mechanism, 0
            ),
        }
        for number, (mechanism, (provider, payer)) in enumerate(
            ((m, p) for m in mechanisms for p in (("RRV", "QHM"), ("RTD", "QMJ"))), 1
        )
        if (mechanism, provider) != ("local_agreement", "RTD")
    ]


DAYS = st.dates(date(2025, 12, 1), date(2027, 6, 30))
BLOCKS = st.fixed_dictionaries({}, optional={PAIR: st.integers(1, 5), ANOTHER: st.integers(1, 5)})


@settings(max_examples=300, deadline=None)
@given(
    drawn=st.lists(st.tuples(DAYS, BLOCKS), min_size=1, max_size=5),
    year=st.sampled_from(["2024-25", "2025-26", "2026-27"]),
)
def test_the_oracle_has_the_same_due_of_any_schedules(
    drawn: list[tuple[date, dict[tuple[str, str], int]]], year: str
) -> None:
    """Published at any time around a year; the days are moved to that year."""
    back = timedelta(days=365 * (2026 - int(year[:4])))
    schedules = sorted(((day - back, blocks) for day, blocks in drawn), key=lambda one: one[0])
    found = payments([Schedule(*one) for one in schedules], scheme(year))
    expected = oracle.payments(schedules, year)
    assert {pair: as_row(of) for pair, of in found.items()} == expected


# --- What holds of any blocks --------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(drawn=st.lists(st.tuples(DAYS, st.integers(1, 5)), min_size=1, max_size=5))
def test_what_is_due_and_what_comes_on_top_make_the_block(drawn: list[tuple[date, int]]) -> None:
    """So does what was paid before any update and every addition, in and on top of what is due."""
    drawn = sorted(drawn, key=lambda one: one[0])
    row = as_row(
        payments([Schedule(day, {PAIR: value}) for day, value in drawn], scheme("2026-27"))[PAIR]
    )
    last = drawn[-1][1]
    assert row["payment_due_pence"] + (row["additional_payment_pence"] or 0) == last
    assert row["payment_due_by"] <= date(2026, 9, 30)
    added = row["additions"]
    for one, following in pairwise(added):
        assert one["block_value_pence"] == following["before_pence"]
        assert not following["is_in_payment_due"]
    assert all(one["before_pence"] != one["block_value_pence"] for one in added)
    assert [one["block_value_pence"] for one in added][-1:] in ([], [last])


@settings(max_examples=100, deadline=None)
@given(
    drawn=st.lists(st.tuples(DAYS, st.integers(1, 5)), min_size=1, max_size=4),
    others=st.lists(st.integers(1, 5), min_size=4, max_size=4),
)
def test_what_is_due_of_a_pair_rests_on_its_own_values_alone(
    drawn: list[tuple[date, int]], others: list[int]
) -> None:
    drawn = sorted(drawn, key=lambda one: one[0])
    alone = [Schedule(day, {PAIR: value}) for day, value in drawn]
    beside = [
        Schedule(day, {**blocks, ANOTHER: other})
        for (day, blocks), other in zip(alone, others, strict=False)
    ]
    year = scheme("2026-27")
    assert payments(alone, year)[PAIR] == payments(beside, year)[PAIR]


def test_a_new_value_that_is_not_for_a_pay_award_makes_nothing_due_sooner() -> None:
    """Then 2026/27 ¶115 gives the end of quarter two, and no day for what the update adds."""
    year = scheme("2026-27")
    rules = year.low_volume
    values = {**rules._values, "new_value_is_for_pay_award": False}
    other = replace(year, low_volume=LowVolume(values, rules._absent))
    schedules = [Schedule(date(2026, 3, 31), {PAIR: 1}), Schedule(date(2026, 10, 1), {PAIR: 3})]
    row = as_row(payments(schedules, other)[PAIR])
    assert (row["payment_due_pence"], row["payment_due_by"]) == (1, date(2026, 9, 30))
    assert row["payment_reason_code"] == "BLOCK_ADDITION_DAY_NOT_GIVEN"
    early = [schedules[0], Schedule(date(2026, 6, 12), {PAIR: 3})]
    row = as_row(payments(early, other)[PAIR])
    assert (row["payment_due_pence"], row["payment_due_by"]) == (3, date(2026, 9, 30))
    assert row["payment_reason_code"] == "BLOCK_DUE_BY_DAY"


def conserved(rows: Sequence[Row]) -> None:
    for row in rows:
        assert row["covered_activity"] == sum(row[f"{way}_activity"] for way in WAYS)
        assert row["covered_value_pence"] == sum(row[f"{way}_value_pence"] for way in WAYS)
        assert row["api_variable_open_lines"] <= row["api_variable_activity"]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_block_covers_is_worth_the_same_under_api(engine: str) -> None:
    records = records_frame("apc", of_pairs("apc"))
    lines, without = (
        lines_of(engine, "apc", records, MONTH, "2026-27", listed=listed)
        for listed in (True, False)
    )
    rows = monitor_rows(engine, lines, without, MONTH, "2026-27")
    conserved(list(rows.values()))
    covered = lines.filter(payment_mechanism="lva_block")
    assert sum(row["covered_activity"] for row in rows.values()) == covered.height > 100
    assert sum(r["covered_value_pence"] for r in rows.values()) == covered["value_pence"].sum()
    assert {way for way in WAYS if any(row[f"{way}_activity"] for row in rows.values())} == set(
        WAYS
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pair_without_activity_has_a_row_of_nothing(engine: str) -> None:
    records = records_frame("apc", spells_of(MONTH, {}))
    lines = lines_of(engine, "apc", records, MONTH, "2024-25")
    rows = monitor_rows(engine, lines, lines, MONTH, "2024-25")
    counted = [
        field.name
        for field in LOW_VOLUME
        if field.name.startswith(("covered_", "api_", "exception_", "items_"))
    ]
    assert {rows["RYB", "QHM"][name] for name in counted} == {0}
