"""Contract statements: the cases, the oracle, and what holds of any plans and activity.

Belongs here: the variable element and the blended payments made from sums of lines, plans, terms,
bands and counts. Does not belong here: expected amounts (`tests/cases/statements/`), or sums of
priced lines (`test_statements.py`).
"""

import random
from itertools import pairwise
from typing import Any

import pytest
from statements import FRAMES, Given, StatementCase, make, rows_of, statement_cases
from support import ENGINES, scheme

from docs.builders.coverage import citations
from pipelines.basis import months_of_year_to
from pricing.scheme_tables import ContractLine
from tests.oracle import statements as oracle

YEARS = ("2021-22", "2022-23", "2023-24", "2024-25", "2025-26", "2026-27")
SECTIONS = ("variable_element", "blended")
WANTED = {
    "2023/25": (18, 23, *range(25, 28), *range(70, 77), *range(116, 120)),
    "2026/27": (*range(42, 44), *range(73, 104)),
    "2021/22": range(51, 60),
}
"""The paragraphs on what a contract pays for activity, each to have a case."""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", statement_cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_case(case: StatementCase, engine: str) -> None:
    """Every row is as the case says, and there is no other."""
    found = rows_of(engine, case)
    assert sorted(found) == sorted(case.expect)
    shown = {line: {name: found[line][name] for name in row} for line, row in case.expect.items()}
    assert shown == case.expect


def test_every_paragraph_has_a_case() -> None:
    found = {place for case in statement_cases() for place in citations(case.policy)}
    wanted = {(document, str(number)) for document, all_ in WANTED.items() for number in all_}
    assert wanted - found == set()


def test_no_two_cases_of_a_file_have_the_same_name() -> None:
    names = [(case.file, case.name) for case in statement_cases()]
    assert len(names) == len(set(names))


# --- Against the oracle --------------------------------------------------------------------


def table(year: str, section: str) -> list[ContractLine]:
    return [row for row in scheme(year).contract_lines.table if row.section == section]


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("section", SECTIONS)
def test_the_oracle_has_the_lines_of_the_pack(year: str, section: str) -> None:
    assert {row.line for row in table(year, section)} == set(oracle.RULES[year, section])


def drawn(year: str, seed: int, contracts: int, months: list[str]) -> Given:
    """Contracts with some of everything, and now and then with something missing."""
    draw = random.Random(f"{year} {seed}")
    rows: Given = {name: [] for name in FRAMES}
    for number in range(contracts):
        pair = {"provider_code": f"P{number:04}", "commissioner_code": "QMJ"}
        for line in (row for section in SECTIONS for row in table(year, section)):
            own = {**pair, "contract_line": line.line}
            if draw.random() < 0.3:
                continue
            if line.source == "best_practice" and line.pays == "addition":
                continue
            for month in months:
                monthly = {**own, "activity_month": month}
                if line.source == "lines" and draw.random() < 0.9:
                    rows["of_lines"].append({**monthly, **line_sums(draw, line)})
                if line.source == "counts":
                    for _ in range(draw.choice([0, 1, 1, 1, 1, 2])):
                        rows["counts"].append({**monthly, **count(draw)})
                if draw.random() < 0.95:
                    planned = draw.choice([0, 1, 333, 50_005, 1_000_000, 123_456_789])
                    units = draw.randrange(200)
                    rows["plans"].append(
                        {**monthly, "planned_activity": units, "planned_value_pence": planned}
                    )
            rows["terms"] += [{**own, **terms(draw, line)}] * (draw.random() < 0.8)
            rows["bands"] += [{**own, **band} for band in bands(draw)]
    return rows


def line_sums(draw: random.Random, line: ContractLine) -> dict[str, Any]:
    activity = draw.randrange(1, 200)
    value = draw.choice([0, 49_999, 50_005, 1_200_000, 150_000_001])
    added = draw.choice([0, 0, 0, value // 7, -(value // 9)])
    unapproved = draw.choice([0, 0, activity // 2])
    without = (value - added) // 3 if unapproved else 0
    unpriced = draw.choice([0] * 20 + [1])
    is_priced = unpriced < activity
    payable = None if line.pays == "difference_from_plan" else value - without
    return {
        "activity": activity,
        "value_pence": value if is_priced else None,
        "value_at_base_pence": value - added if is_priced else None,
        "best_practice_pence": added if is_priced else 0,
        "unapproved_activity": unapproved if is_priced else 0,
        "unapproved_value_at_base_pence": without if is_priced else 0,
        "unapproved_best_practice_pence": 0,
        "annual_best_practice_activity": 0,
        "payable_pence": payable if is_priced else None,
        "target_activity": activity - unapproved,
        "target_value_pence": value - without if is_priced else None,
        "lines_for_local_price": unpriced,
    }


def count(draw: random.Random) -> dict[str, Any]:
    value = draw.choice([None, 0, 77_777, 77_777, 5_000_001, 5_000_001, 120_000_000])
    return {"activity": draw.choice([0, 1, 30, 90]), "value_pence": value}


def terms(draw: random.Random, line: ContractLine) -> dict[str, Any]:
    given = {
        "difference_from_plan": {
            "rate_ppm": draw.choice([None, 0, 200_000, 333_333, 1_000_000]),
            "amount_pence": draw.choice([None, 12_345]) if line.section == "blended" else None,
        },
        "agreed_amount_each": {"amount_pence": draw.choice([None, 2_500])},
        "shortfall": {
            "attainment_ppm": draw.choice([None, 800_000, 1_000_000]),
            "rate_ppm": draw.choice([None, None, 0, 900_000]),
        },
        "withheld": {
            "withheld_ppm": draw.choice([None, 0, 15_000, 20_000]),
            "attainment_ppm": draw.choice([None, 0, 333_333, 1_000_000]),
        },
    }
    nothing = dict.fromkeys(("rate_ppm", "amount_pence", "attainment_ppm", "withheld_ppm"))
    return {**nothing, **given.get(line.pays, {})}


def bands(draw: random.Random) -> list[dict[str, Any]]:
    first = draw.choice([0, 33_333, 100_000])
    either = [
        {"side": "both", "from_ppm": first, "to_ppm": None, "rate_ppm": 500_000},
    ]
    example = [
        {"side": "above", "from_ppm": 100_000, "to_ppm": 200_000, "rate_ppm": 500_000},
        {"side": "above", "from_ppm": 200_000, "to_ppm": None, "rate_ppm": 800_000},
        {"side": "below", "from_ppm": first, "to_ppm": 500_000, "rate_ppm": 50_000},
    ]
    return draw.choice([[], either, example])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("is_whole", [True, False])
def test_statements_are_as_the_oracle_has_them(engine: str, year: str, is_whole: bool) -> None:
    """200 contracts of everything, to June; then with a May that is not priced."""
    months = months_of_year_to(f"{year[:4]}-06")
    priced = months if is_whole else [months[0], months[2]]
    given = drawn(year, 1, 200, months)
    if not is_whole:
        given["of_lines"] = [row for row in given["of_lines"] if row["activity_month"] in priced]
    reasons = set()
    for section in SECTIONS:
        expected = oracle.statement(year, section, given, months, priced)
        found = {
            (row["provider_code"], row["commissioner_code"], row["contract_line"]): row
            for row in make(engine, section, given, months, priced, year)
        }
        assert found.keys() == expected.keys()
        for key, row in found.items():
            told = {
                "reason": row["reason_code"],
                "fixed": row.get("fixed_pence", 0),
                "variable": row["variable_pence" if section == "blended" else "payable_pence"],
                "to_date": row["payable_to_date_pence"],
                "difference": row["value_difference_to_date_pence"],
            }
            assert told == expected[key], key
            reasons.add(row["reason_code"])
    assert len(reasons) >= (10 if year == "2026-27" else 5), reasons


# --- What holds of any -----------------------------------------------------------------------


def one_line(line: str, months: list[str], done: list[int], planned: list[int]) -> Given:
    """One contract line with a value done and a value planned in each month."""
    own = {"provider_code": "RRV", "commissioner_code": "QMJ", "contract_line": line}
    rows: Given = {name: [] for name in FRAMES}
    for month, value, plan in zip(months, done, planned, strict=True):
        amounts = {"value_pence": value, "value_at_base_pence": value}
        others = {
            field: 0
            for field in FRAMES["of_lines"]
            if field.endswith(("_activity", "_pence", "_price")) and field not in amounts
        }
        monthly = {**own, "activity_month": month}
        rows["of_lines"].append({**monthly, **others, **amounts, "activity": 10})
        rows["plans"].append({**monthly, "planned_activity": 10, "planned_value_pence": plan})
    return rows


def many(contracts: list[Given]) -> Given:
    """Contracts together, each with a provider of its own by its place."""
    return {
        name: [
            {**row, "provider_code": f"P{place:05}"}
            for place, rows in enumerate(contracts)
            for row in rows[name]
        ]
        for name in FRAMES
    }


def variable_of(year: str, line: str, month: str, given: Given, period: str = "") -> list[int]:
    """What each contract is paid for a line beside the fixed payment, in order."""
    months = months_of_year_to(month)
    section = "blended" if line in oracle.BLEND else "variable_element"
    rows = make("polars", section, given, months, months, year)
    own = sorted(
        (row for row in rows if row["contract_line"] == line), key=lambda r: r["provider_code"]
    )
    if period == "to_date":
        return [row["payable_to_date_pence"] for row in own]
    return [row["variable_pence" if section == "blended" else "payable_pence"] for row in own]


EXAMPLE = [
    {"side": "above", "from_ppm": 100_000, "to_ppm": 200_000, "rate_ppm": 500_000},
    {"side": "above", "from_ppm": 200_000, "to_ppm": None, "rate_ppm": 800_000},
    {"side": "below", "from_ppm": 150_000, "to_ppm": None, "rate_ppm": 900_000},
]


def with_bands(given: Given, line: str) -> Given:
    own = {"provider_code": "RRV", "commissioner_code": "QMJ", "contract_line": line}
    return {**given, "bands": [{**own, **band} for band in EXAMPLE]}


@pytest.mark.parametrize("line", ["DC", "EL", "OPPROC"])
def test_no_difference_from_plan_has_no_variable_payment_in_2021_22(line: str) -> None:
    """Month by month as planned, or over one month and under another: nothing to date."""
    draw = random.Random(line)
    months = months_of_year_to("2021-06")
    contracts = []
    for _ in range(300):
        planned = [draw.randrange(10_000_000) for _ in months]
        shift = draw.randrange(-planned[1], planned[0] + 1)
        done = [planned[0] - shift, planned[1] + shift, planned[2]]
        contracts.append(one_line(line, months, done, planned))
    given = many(contracts)
    assert set(variable_of("2021-22", line, "2021-06", given, "to_date")) == {0}
    assert set(variable_of("2021-22", line, "2021-06", given)) == {0}


def test_below_the_trigger_the_payment_is_linear_in_activity() -> None:
    """Of £1,000,000.00 planned, each £5.00 of difference pays £1.00: to 10% above, 15% below."""
    planned = 100_000_000
    differences = range(-15_000_000, 10_000_001, 100_000)
    contracts = [
        with_bands(one_line("NEL", ["2026-04"], [planned + d], [planned]), "NEL")
        for d in differences
    ]
    found = variable_of("2026-27", "NEL", "2026-04", many(contracts))
    assert found == [d // 5 for d in differences]


@pytest.mark.parametrize("edge", [110_000_000, 120_000_000, 85_000_000, 100_000_000])
def test_no_edge_of_a_band_makes_the_payment_jump(edge: int) -> None:
    """A penny of activity is never worth more than a penny, nor less than nothing."""
    planned = 100_000_000
    values = range(edge - 40, edge + 41)
    contracts = [
        with_bands(one_line("NEL", ["2026-04"], [value], [planned]), "NEL") for value in values
    ]
    found = variable_of("2026-27", "NEL", "2026-04", many(contracts))
    steps = {after - before for before, after in pairwise(found)}
    assert steps == {0, 1}
    # The rate on either side of the edge: 40 pence at it, rounded.
    below, above = found[40] - found[0], found[80] - found[40]
    rates = {
        110_000_000: (8, 20),
        120_000_000: (20, 32),
        85_000_000: (36, 8),
        100_000_000: (8, 8),
    }
    assert (below, above) == rates[edge]


@pytest.mark.parametrize(("year", "line"), [("2021-22", "DC"), ("2026-27", "NEL")])
def test_months_add_up_to_the_year_to_date(year: str, line: str) -> None:
    """Whatever bands they pass on the way, and to the penny."""
    draw = random.Random(year)
    months = months_of_year_to(f"{int(year[:4]) + 1}-03")
    contracts = []
    for _ in range(40):
        planned = [draw.randrange(1, 10_000_001) for _ in months]
        done = [plan * draw.randrange(50, 160) // 100 for plan in planned]
        contracts.append(with_bands(one_line(line, months, done, planned), line))
    given = many(contracts)
    sums = [0] * len(contracts)
    for month in months:
        paid = variable_of(year, line, month, given)
        sums = [total + one for total, one in zip(sums, paid, strict=True)]
    to_date = variable_of(year, line, months[-1], given, "to_date")
    fixed = [sum(r["planned_value_pence"] for r in c["plans"]) for c in contracts]
    is_blended = line in oracle.BLEND
    assert sums == [t - is_blended * f for t, f in zip(to_date, fixed, strict=True)]
