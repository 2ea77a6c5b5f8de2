"""Months run with plans, terms and counts, from the landing folder to the mart.

Belongs here: that a list at fault is named and nothing is published, what the account says of
plans and terms, and that a month priced under another year has the plans written under it. Does
not belong here: each fault of a list (`test_plans.py`), or what is paid by a plan (`tests/cases/`).

RGT and 93C come down to RGT and QMJ, who are under API. A day case is worth £561.73.
"""

import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pipeline import making
from pipeline.making import MONTH, attendance, land, new_workspace, spell
from pipeline.test_plans import BAND, COUNT, PLAN, RATE, contracts, counts, plans, terms

from pipelines.accounting import Account
from pipelines.basis import PricingBasis
from pipelines.workspace import UserError, Workspace

OURS = {"provider_code": "RGT", "commissioner_code": "QMJ"}
NOBODY_S = {"provider_code": "RYC", "commissioner_code": "QMJ"}
DAY_CASES = {**PLAN, **OURS, "activity": "20", "value": "11234.60"}
DONE = 12


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A month of twelve day cases and an attendance, published without any list."""
    workspace = new_workspace(tmp_path_factory.mktemp("published"))
    spells = [spell(f"S{number}") for number in range(DONE)]
    land(workspace, f"freeze/apc_{MONTH}.csv", spells)
    land(workspace, f"freeze/op_{MONTH}.csv", [attendance()])
    making.publish(workspace)
    return workspace


@pytest.fixture
def workspace(published: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to put lists beside."""
    return Workspace.at(shutil.copytree(published.root, tmp_path / "workspace"))


def each_at(pounds: str) -> dict[str, str]:
    """Twenty day cases planned at an amount each."""
    return {**DAY_CASES, "value": f"{20 * Decimal(pounds)}"}


REFUSED: Mapping[str, tuple[Any, list[dict[str, str]], str]] = {
    "a plan of nobody's": (
        plans,
        [DAY_CASES, {**DAY_CASES, **NOBODY_S}],
        "must plan for a provider and payer who have activity: in 2024-25 up to 2024-07",
    ),
    "CQUIN of nobody's": (
        plans,
        [DAY_CASES, {**DAY_CASES, **NOBODY_S, "contract_line": "cquin", "activity": ""}],
        "must plan for a provider and payer who have activity",
    ),
    "two plans": (plans, [DAY_CASES, {**DAY_CASES, "value": "9000"}], "must be the only one"),
    "bands that overlap": (
        terms,
        [{**BAND, "to_percent": "20"}, {**BAND, "from_percent": "19.9999"}],
        "must not overlap",
    ),
    "over 100%": (terms, [RATE, {**BAND, "percent": "100.0001"}], "'percent' is over 100%"),
    "a month outside the years": (
        plans,
        [DAY_CASES, {**DAY_CASES, "activity_month": "2027-04", "scheme_year": "2027-28"}],
        "must be of a scheme year that has rules",
    ),
    "a plan of a month outside its year": (
        plans,
        [DAY_CASES, {**DAY_CASES, "activity_month": "2025-04"}],
        "must be of a month of its scheme_year, or say yes under what_if",
    ),
    "a count of a month outside its year": (
        counts,
        [{**COUNT, **OURS}, {**COUNT, **OURS, "scheme_year": "2023-24"}],
        "must be of a month of its scheme_year, or say yes under what_if",
    ),
    "a comparison with its own year": (
        plans,
        [DAY_CASES, {**DAY_CASES, "activity_month": "2024-06", "what_if": "yes"}],
        "must leave what_if blank",
    ),
    # £561.73 × 30 = £16,851.90 and / 30 = £18.724...; pence for pounds are £56,173.00 each.
    "pence for pounds": (
        plans,
        [DAY_CASES, {**each_at("56173"), "activity_month": "2024-06"}],
        "at most 30 times what one of its line is worth on average",
    ),
    "a penny above 30 times": (
        plans,
        [{**each_at("16851.90"), "activity_month": "2024-06"}, each_at("16851.91")],
        "at most 30 times",
    ),
    "a penny below a 30th": (
        plans,
        [{**each_at("18.73"), "activity_month": "2024-06"}, each_at("18.72")],
        "at least a 30th",
    ),
    "a count twice": (
        counts,
        [{**COUNT, **OURS}, {**COUNT, **OURS, "activity": "5"}],
        "must be the only one",
    ),
}


@pytest.mark.parametrize(("made", "rows", "says"), REFUSED.values(), ids=REFUSED)
def test_a_list_at_fault_is_named_and_nothing_is_published(
    workspace: Workspace, made: Any, rows: list[dict[str, str]], says: str
) -> None:
    before = workspace.mart.read_bytes()
    land(workspace, "list.csv", made(*rows))
    with pytest.raises(UserError) as told:
        making.publish(workspace)
    assert says in str(told.value)
    assert "list.csv, line 3" in str(told.value)
    assert workspace.mart.read_bytes() == before


def with_lists(workspace: Workspace, **lists: str) -> Account:
    for name, text in lists.items():
        land(workspace, f"{name}.csv", text)
    return making.publish(workspace)


def of_lists(account: Account) -> list[str]:
    """The notices of a month but those of its price book, which every month here has."""
    of_book = ("ILLUSTRATIVE", "The LVA payments schedule lists")
    return [notice for notice in account.notices if not notice.startswith(of_book)]


def named(account: Account, words: str) -> list[str]:
    return [notice for notice in account.notices if words in notice]


def test_plans_of_what_was_done_need_no_notice(workspace: Workspace) -> None:
    account = with_lists(workspace, plans=plans(DAY_CASES))
    assert account.notices[0].startswith("ILLUSTRATIVE")
    assert of_lists(account) == []


def test_a_contract_of_which_nothing_is_done_yet_is_noted(workspace: Workspace) -> None:
    """Named in the contracts list, it is none that was mistaken for another."""
    idle = {**DAY_CASES, **NOBODY_S}
    account = with_lists(
        workspace, plans=plans(DAY_CASES, idle), contracts=contracts({**NOBODY_S, "covers": ""})
    )
    (notice,) = named(account, "held against them as not done")
    assert notice.startswith("plans.csv: ")
    assert "1 (lines 3)" in notice
    statement = pl.read_parquet(workspace.statement("variable_element", MONTH))
    row = statement.row(
        by_predicate=(pl.col("provider_code") == "RYC") & (pl.col("contract_line") == "DC"),
        named=True,
    )
    assert (row["activity"], row["planned_activity"], row["payable_pence"]) == (0, 20, 0)


def test_what_is_counted_is_activity(workspace: Workspace) -> None:
    counted = {**COUNT, **NOBODY_S}
    plan = {**DAY_CASES, **NOBODY_S}
    account = with_lists(workspace, plans=plans(plan), counts=counts(counted))
    assert named(account, "held against them as not done") == []


IDLE_TERM = {
    **{**NOBODY_S, "scheme_year": "2024-25", "contract_line": "advice_and_guidance"},
    **{"term": "amount_each", "amount": "20"},
}


def test_terms_of_nobody_s_are_noted_with_their_lines(workspace: Workspace) -> None:
    """Line 2 is of the contract whose records are there; line 3 of one of which nothing is.

    RYA came down to RYC, of which nothing is known either. Line 5 is of another year.
    """
    ours = {**IDLE_TERM, **OURS}
    rows = [ours, IDLE_TERM, {**IDLE_TERM, "provider_code": "RYA"}]
    other = {**RATE, **NOBODY_S}
    account = with_lists(workspace, terms=terms(*rows, other))
    (notice,) = named(account, "most likely a wrong code")
    assert notice.startswith("terms.csv: terms of a provider and payer")
    assert "in 2024-25" in notice
    assert ": 2 (lines 3, 4)." in notice


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("contracts", contracts({**NOBODY_S, "covers": "", "valid_from": "2025-03-01"})),
        (
            "counts",
            counts({**COUNT, **NOBODY_S, "provider_code": "RYB", "activity_month": "2024-09"}),
        ),
        ("plans", plans({**DAY_CASES, **NOBODY_S, "activity_month": "2025-03"})),
    ],
)
def test_terms_of_whoever_is_known_in_any_month_of_the_year_need_no_notice(
    workspace: Workspace, name: str, made: str
) -> None:
    """In September or March, of July; a count of RYB is of RYC, as the terms are."""
    account = with_lists(workspace, terms=terms(IDLE_TERM), **{name: made})
    assert named(account, "most likely a wrong code") == []


def test_hardly_any_of_a_line_done_is_nothing_to_hold_a_plan_to(workspace: Workspace) -> None:
    """One first attendance at £224.69 is done: none is refused that is planned at £9,000.00."""
    seen = {**DAY_CASES, "contract_line": "OPFASPCL", "activity": "1", "value": "9000"}
    assert of_lists(with_lists(workspace, plans=plans(seen))) == []


def test_what_is_not_known_for_lack_of_a_plan_is_noted_with_its_contracts(
    workspace: Workspace,
) -> None:
    advice = {
        **COUNT,
        **OURS,
        "contract_line": "advice_and_guidance",
        "activity": "30",
        "local_price": "",
    }
    account = with_lists(workspace, counts=counts(advice))
    assert named(account, "PLAN_MISSING") == [
        "PLAN_MISSING: contract lines of which it is not known what is payable: 1, in 1 contracts "
        "(RGT with QMJ). See variable_element and blended."
    ]
    statement = pl.read_parquet(workspace.statement("contract_statement", MONTH))
    row = statement.row(by_predicate=pl.col("section") == "variable_element", named=True)
    assert (row["payable_pence"], row["open_lines"]) == (None, 1)


def test_a_plan_for_a_comparison_is_not_used_in_its_month_s_own_year(
    workspace: Workspace,
) -> None:
    """One of this month under other rules, and one of another month under this year's."""
    apart = [
        {**DAY_CASES, "scheme_year": "2023-24", "what_if": "yes"},
        {**DAY_CASES, "activity_month": "2025-04", "what_if": "yes"},
        {**DAY_CASES, "activity_month": "2025-04", "scheme_year": "2025-26"},
    ]
    assert of_lists(with_lists(workspace, plans=plans(*apart))) == []
    statement = pl.read_parquet(workspace.statement("variable_element", MONTH))
    assert statement["planned_activity"].to_list() == [None] * statement.height


def test_a_month_priced_under_another_year_has_the_plans_written_under_it(
    tmp_path: Path,
) -> None:
    """April 2024 under 2026/27: two emergencies of £600.00 × 1.1 = £660.00 where one was planned.

    £1,320.00 less £660.00: × 20% = £132.00, beside the £660.00 planned.
    """
    workspace = new_workspace(tmp_path)
    month, year = "2024-04", "2026-27"
    emergency = {
        making.PROVIDER: "RRV",
        making.SPELL_HRG: "FE30Z",
        making.METHOD: "21",
        making.CLASSIFICATION: "1",
        making.START: "20240409",
        making.END: "20240410",
        making.STAY: "1",
        making.ADJUSTED_STAY: "1",
    }
    land(workspace, f"freeze/apc_{month}.csv", [spell(f"S{n}", emergency) for n in (1, 2)])
    land(workspace, f"freeze/op_{month}.csv", [attendance("A1", {making.APPOINTMENT: "20240410"})])
    book = workspace.data / "price_books" / "cases"
    other = Path(shutil.copytree(book, book.with_name("other")))
    manifest = (other / "manifest.toml").read_text("utf-8").replace("2024-03-27", "2026-04-01")
    manifest = manifest.replace("2024-25", year).replace("2024-04-01", "2026-04-01")
    (other / "manifest.toml").write_text(manifest, "utf-8")
    making.add_other_unit_prices(other)
    plan = {**PLAN, "activity_month": month, "contract_line": "NEL", "scheme_year": year}
    plan["what_if"] = "yes"
    land(workspace, "plans.csv", plans({**plan, "activity": "1", "value": "660"}))
    making.publish(workspace, month)
    assert pl.read_parquet(workspace.statement("blended", month)).is_empty()
    on_other = workspace.on(PricingBasis(year))
    making.publish(on_other, month)
    row = pl.read_parquet(on_other.statement("blended", month)).row(0, named=True)
    shown = ("contract_line", "fixed_pence", "variable_pence", "payable_pence", "reason_code")
    assert tuple(row[name] for name in shown) == (
        "NEL",
        66_000,
        13_200,
        79_200,
        "DIFFERENCE_FROM_PLAN",
    )
