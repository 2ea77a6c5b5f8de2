"""The fixed element built item by item: the worked examples, cases by paragraph, and properties.

Belongs here: what worksheets come to, against hand working and the oracle. Does not belong here:
what a contract file is refused for (`tests/pipeline/test_fixed_worksheets.py`).
"""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from contract_documents import (
    HERE,
    Document,
    WorksheetCase,
    document_of,
    read,
    subject_of,
    worksheet_cases,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.fixed_element import fixed_element
from support import scheme

from pipelines.commands.fixed import in_millions
from pipelines.fixed_element.worksheets import read_worksheet
from pipelines.workspace import PROJECT
from pricing.fixed_element import (
    Line,
    Worksheet,
    approaches,
    items_of,
    of_part_year,
    paid_by_line,
    paid_to_date,
    worksheet,
)
from pricing.maternity import Network, added, contributions, taken_off
from pricing.money import shared_out
from pricing.worksheet_items import Cnst, Given, NetUplift, Parts, PartYear, Share

CASES = worksheet_cases()
EXAMPLES = subject_of("examples")["cases"]
PENCE = st.integers(0, 50_000_000_000)
ANY_PENCE = st.integers(-5_000_000_000, 5_000_000_000)
PPM = st.integers(0, 100_000)


def pence_of(pounds: str) -> int:
    return int(Decimal(pounds.replace(",", "")) * 100)


def lines_of(made: Worksheet) -> dict[str, Line]:
    return {line.item: line for line in made.lines}


# --- The worked examples --------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["file"])
def test_each_line_of_a_worked_example_is_as_printed(example: dict[str, Any]) -> None:
    made = read_worksheet(HERE, PROJECT / "data" / "worksheets" / example["file"]).worked_out()
    found = lines_of(made)
    assert list(found) == list(example["printed"])
    for item, (printed, exact, *_) in example["printed"].items():
        assert found[item].amount_pence == pence_of(exact), item
        if printed is not None:
            assert in_millions(found[item].amount_pence) == shown(printed), item
    assert in_millions(made.total_pence) == shown(example["total"][0])
    assert made.total_pence == pence_of(example["total"][1])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["file"])
def test_each_base_of_a_worked_example_is_as_printed_or_the_case_says_why_not(
    example: dict[str, Any],
) -> None:
    made = read_worksheet(HERE, PROJECT / "data" / "worksheets" / example["file"]).worked_out()
    found = lines_of(made)
    otherwise = example["does_not_follow"]
    for item, (_, _, *base) in example["printed"].items():
        if base:
            used = in_millions(found[item].base_pence or 0)
            assert (used == shown(base[0])) == (item not in otherwise), item
            assert used == shown(otherwise[item][0] if item in otherwise else base[0]), item


def test_the_printed_base_of_growth_in_2026_27_gives_neither_printed_figure() -> None:
    """1% of £205m is £2.05m: £2.1m, and with it the next base would be £204.55m, not £204.5m."""
    of_printed = Fraction(205_000_000_00, 100)
    assert in_millions(int(of_printed)) == "£2.1m"
    assert in_millions(int(202_500_000_00 + of_printed)) == "£204.6m"


def shown(millions: str) -> str:
    return f"-£{millions[1:]}m" if millions.startswith("-") else f"£{millions}m"


# --- Cases by paragraph ---------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_comes_to_what_was_worked_out_by_hand(case: WorksheetCase, tmp_path: Path) -> None:
    made = read(case.document, tmp_path).worked_out()
    found = {item: line.amount_pence for item, line in lines_of(made).items()}
    wanted = {item: pence_of(pounds) for item, pounds in case.expect.items()}
    assert {item: found.get(item) for item in wanted} == wanted
    assert made.total_pence == pence_of(case.total)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_oracle_gives_the_same_lines(case: WorksheetCase, tmp_path: Path) -> None:
    made = read(case.document, tmp_path).worked_out()
    assert [(line.item, line.amount_pence) for line in made.lines] == [
        *fixed_element(case.document).items()
    ]


def test_every_item_of_every_year_has_a_case() -> None:
    """An item without one would be held to nothing."""
    cased = {
        (case.document["scheme_year"], case.document.get("starts_from", "previous_year"), item)
        for case in CASES
        for item in (*case.document, *case.expect)
    }
    for year in ("2021-22", "2022-23", "2024-25", "2026-27"):
        of_year = scheme(year)
        for starts_from in approaches(of_year):
            for row in items_of(of_year, starts_from):
                # What is alike for every approach of a year needs one case among them.
                others = {
                    (year, other, row.item)
                    for other in approaches(of_year)
                    for one in items_of(of_year, other)
                    if (one.item, one.shape, one.of, one.rates, one.sign)
                    == (row.item, row.shape, row.of, row.rates, row.sign)
                }
                assert others & cased, (year, starts_from, row.item)


# --- What holds of any worksheet ------------------------------------------------------------


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A worksheet for 2024/25 of amounts that leave something, with some optional items.

    Of £700m services may lose £100m and convergence a tenth; what is variable is at most £500m.
    """

    def pounds(pence: int) -> str:
        sign, size = ("-", -pence) if pence < 0 else ("", pence)
        return f"{sign}{size // 100}.{size % 100:02}"

    def share() -> str:
        return f"{Decimal(draw(PPM)) / 10_000:f}%"

    plain = document_of("items_2024_25", {"items": {}})
    opening = dict.fromkeys(plain["opening_baseline"], "0.00") | {"year": "2023-24"}
    opening["fixed_payment"] = pounds(draw(st.integers(70_000_000_000, 120_000_000_000)))
    opening["elective_recovery_funding"] = pounds(draw(PENCE))
    found = plain | {
        "opening_baseline": opening,
        "cquin_funding": {"is_in_opening_baseline": draw(st.booleans())},
        "service_changes": {"a": pounds(draw(ANY_PENCE)), "b": pounds(draw(ANY_PENCE))},
        "activity_growth": {"share": share()},
        "inflation_net_of_efficiency": {"cnst": pounds(draw(PENCE))},
        "additional_efficiency": {"share": share()},
        "variable_payment_removed": {"planned_variable": pounds(draw(PENCE))},
    }
    if draw(st.booleans()):
        found["capacity_uplift"] = {"base": pounds(draw(PENCE))}
    if draw(st.booleans()):
        found["first_month"] = draw(st.sampled_from(["2024-05", "2024-10", "2025-03"]))
    return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=documents())
def test_any_worksheet_is_the_oracle_s_and_adds_up(document: Document, tmp_path: Path) -> None:
    made = read(document, tmp_path).worked_out()
    found = [(line.item, line.amount_pence) for line in made.lines]
    assert found == [*fixed_element(document).items()]
    total = 0
    for line in made.lines:
        total += line.amount_pence
        assert line.running_total_pence == total
    assert made.total_pence == total


ROWS = items_of(scheme("2024-25"), "rolled_forward")


def rolled(opening: int, cnst: int = 0, months: int = 12, parts: Given | None = None) -> Worksheet:
    """A worksheet that is rolled forward, of so many months."""
    given_items: dict[str, Given] = {
        "opening_baseline": parts or Parts({"fixed_payment": opening}),
        "cquin_funding": Share(is_held=True),
        "inflation_net_of_efficiency": NetUplift(cnst=Cnst(cnst)),
    }
    if months < 12:
        given_items["part_year"] = PartYear(months)
    return worksheet(ROWS, given_items, scheme("2024-25"))


@given(opening=PENCE, more=PENCE, cnst=PENCE, months=st.integers(1, 12))
def test_more_in_never_makes_less_out(opening: int, more: int, cnst: int, months: int) -> None:
    less = rolled(opening, cnst, months).total_pence
    assert rolled(opening + more, cnst, months).total_pence >= less
    assert rolled(opening, cnst + more, months).total_pence >= less


@given(amounts=st.dictionaries(st.text("abc", min_size=1), ANY_PENCE, min_size=1))
def test_the_order_of_parts_does_not_matter(amounts: dict[str, int]) -> None:
    rows = items_of(scheme("2022-23"), "cost_profile")
    given_items: dict[str, Given] = {"net_tariff_uplift": Share(share_ppm=31_415)}
    totals = {
        worksheet(
            rows,
            {"opening_baseline": Parts(dict(order)), **given_items},
            scheme("2022-23"),
        ).total_pence
        for order in (amounts.items(), reversed(amounts.items()), sorted(amounts.items()))
    }
    assert len(totals) == 1


@given(opening=PENCE, months=st.integers(1, 11))
def test_part_of_a_year_is_its_share_of_the_whole(opening: int, months: int) -> None:
    whole = rolled(opening)
    part = rolled(opening, months=months)
    assert abs(part.total_pence - of_part_year(whole.total_pence, months)) <= Fraction(1, 2)
    assert of_part_year(whole.total_pence, 12) == whole.total_pence


@given(total=ANY_PENCE, months=st.integers(1, 12))
def test_instalments_are_alike_and_come_to_the_total(total: int, months: int) -> None:
    rules = scheme("2024-25")
    paid = [paid_to_date(total, month, months, rules) for month in range(months + 1)]
    assert paid[0] == 0
    assert paid[-1] == total
    each = [after - before for before, after in pairwise(paid)]
    assert max(each) - min(each) <= 1


@given(opening=PENCE, cnst=ANY_PENCE, months=st.integers(1, 12))
def test_the_lines_of_an_instalment_add_up_to_it(opening: int, cnst: int, months: int) -> None:
    made, rules = rolled(opening, cnst, months), scheme("2024-25")
    of_lines = [0] * len(made.lines)
    for month in range(1, months + 1):
        paid = paid_by_line(made, month, months, rules)
        assert sum(to_date for _, to_date in paid) == paid_to_date(
            made.total_pence, month, months, rules
        )
        of_lines = [so_far + now for so_far, (now, _) in zip(of_lines, paid, strict=True)]
        assert of_lines == [to_date for _, to_date in paid]
    assert of_lines == [line.amount_pence for line in made.lines]


BIRTHS = st.dictionaries(
    st.sampled_from(["QHL", "QMJ", "QOP", "QUA"]),
    st.dictionaries(st.sampled_from(["RRK", "R0A", "RXT"]), st.integers(1, 9_999), min_size=1),
    min_size=1,
)


@given(cost=PENCE, births=BIRTHS)
def test_what_a_network_takes_off_is_what_it_adds(
    cost: int, births: dict[str, dict[str, int]]
) -> None:
    network = Network(cost, "RRK", "QHL", births)
    assert sum(contributions(network).values()) == cost
    assert sum(taken_off(network).values()) == cost
    pairs = {("RRK", "QHL"), *taken_off(network)}
    assert sum(added(network, *pair) for pair in pairs) == cost


@given(cost=PENCE, births=BIRTHS)
def test_no_share_is_a_penny_from_its_exact_one(
    cost: int, births: dict[str, dict[str, int]]
) -> None:
    weights = {payer: sum(of.values()) for payer, of in births.items()}
    for payer, share in shared_out(cost, weights).items():
        assert abs(share - Fraction(cost * weights[payer], sum(weights.values()))) < 1


def test_nothing_can_be_shared_out_without_weight() -> None:
    with pytest.raises(ValueError, match="without weights above 0"):
        shared_out(100, {"QHL": 0})


def test_an_item_that_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(ValueError, match=r"^'cquin_funding' is not given; .* 'other' is no item$"):
        worksheet(ROWS, {"opening_baseline": Parts({}), "other": Parts({})}, scheme("2024-25"))
