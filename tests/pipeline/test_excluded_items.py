"""Excluded items in a month's run: the statements, the account, the mart, and the notices.

Belongs here: what becomes of a list of items on its way through. Does not belong here: what is
paid for an item (`tests/rules/test_excluded_items.py`), or faults of the list
(`test_user_lists.py`).
"""

from pathlib import Path

import duckdb
import polars as pl
import pytest
from pipeline import making
from pipeline.making import MONTH, SPELL_CATEGORY, attendance, land, new_workspace, spell

from pipelines import accounting, pricing_run
from pipelines.contracts import CONTRACT_CELLS
from pipelines.excluded_items import ITEM_CELLS
from pipelines.pricing_run import priced_path
from pipelines.workspace import UserError, Workspace
from schemas.priced_line import EXCLUDED_DRUGS_BASELINE, EXCLUDED_ITEMS

ITEMS = ",".join(cell.header for cell in ITEM_CELLS)
CONTRACTS = ",".join(cell.header for cell in CONTRACT_CELLS)

# Lowest of £100.00 and £90.00, twice: £180.00. S2 is a private patient. Drugs of 13Q are held
# against a baseline of £1,000.00: £900.00 in June and £300.00 in July, £200.00 above it.
LIST = f"""{ITEMS}
I1,S1,RGT,QMJ,2024-07,drug,Adalimumab,no,2,100.00,90.00,
I2,S2,RGT,QMJ,2024-07,device,Bespoke orthopaedic prosthesis,no,1,500.00,,
I3,,RGT,13Q,2024-06,drug,Adalimumab,no,9,100.00,,
I4,,RGT,13Q,2024-07,drug,Adalimumab,no,3,100.00,,
I5,,RTD,QMJ,2024-07,drug,Adalimumab,no,1,100.00,,
I6,NOBODY,RGT,QMJ,2024-07,medtech,Spectra Optia,no,1,70.00,,
I7,,RGT,QMJ,2024-08,drug,Adalimumab,no,1,100.00,,
I8,,RGT,13Q,2024-03,drug,Adalimumab,no,50,100.00,,
"""
BASELINE = f"{CONTRACTS}\nRGT,13Q,,specialised,,,,,1000.00,2024-04-01,2025-03-31\n"
PAID = {
    "I1": ("excluded_item", 18_000, "ITEM_LOWEST_PRICE"),
    "I2": ("outside_scheme", 0, "ITEM_OUTSIDE_SCHEME"),
    "I4": ("excluded_item", None, "ITEM_AGAINST_BASELINE"),
    "I5": ("lva_block", 0, "ITEM_COVERED_BY_LVA_BLOCK"),
    "I6": ("excluded_item", 7_000, "ITEM_LOWEST_PRICE"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = new_workspace(tmp_path)
    spells = [spell("S1"), spell("S2", {SPELL_CATEGORY: "02"})]
    land(made, f"freeze/apc_{MONTH}.csv", spells)
    land(made, f"freeze/op_{MONTH}.csv", [attendance("A1")])
    return made


def with_lists(workspace: Workspace) -> Workspace:
    land(workspace, "items.csv", LIST)
    land(workspace, "contracts.csv", BASELINE)
    return workspace


def taken_in_and_priced(workspace: Workspace) -> Workspace:
    """A month whose priced lines are given, as pricing would write them."""
    lines = {
        "apc": [("S1", 0, "RGT", "QMJ", "api_variable"), ("S2", 0, "RGT", "QMJ", "outside_scheme")],
        "op": [("A1", 0, "RGT", "QMJ", "api_variable")],
    }
    columns = ["record_id", "line_number", "provider_code", "commissioner_code"]
    for dataset, rows in lines.items():
        making.take_in(workspace, dataset)
        path = priced_path(workspace, dataset, MONTH, "freeze")
        path.parent.mkdir(parents=True)
        table = pl.DataFrame(rows, schema=[*columns, "payment_mechanism"], orient="row")
        table.write_parquet(path)
    return workspace


def test_every_item_of_the_month_is_in_its_statement(workspace: Workspace) -> None:
    made = pricing_run.make_excluded_items(taken_in_and_priced(with_lists(workspace)), MONTH)
    assert made.columns == [field.name for field in EXCLUDED_ITEMS]
    found = made.select("item_reference", "payment_mechanism", "payable_pence", "reason_code")
    assert {reference: tuple(rest) for reference, *rest in found.rows()} == PAID
    assert set(made["scheme_year"]) == {"2024-25"}


def test_drugs_are_held_against_the_baseline_from_april(workspace: Workspace) -> None:
    taken_in_and_priced(with_lists(workspace))
    made = pricing_run.make_excluded_drugs_baseline(workspace, MONTH)
    assert made.columns == [field.name for field in EXCLUDED_DRUGS_BASELINE]
    assert made.rows() == [
        (MONTH, "2024-25", "RGT", "13Q", 30_000, 120_000, 100_000, 20_000, 20_000)
    ]


def test_without_a_list_both_statements_are_empty(workspace: Workspace) -> None:
    taken_in_and_priced(workspace)
    assert pricing_run.make_excluded_items(workspace, MONTH).height == 0
    assert pricing_run.make_excluded_drugs_baseline(workspace, MONTH).height == 0


def test_items_are_published_and_accounted_for(workspace: Workspace) -> None:
    account = making.publish(with_lists(workspace))
    held = [(one.payment_mechanism, one.lines, one.payable_pence) for one in account.items]
    # £180.00, £70.00 and the drug that a baseline decides; what decides it leaves no total.
    assert held == [("excluded_item", 3, None), ("lva_block", 1, 0), ("outside_scheme", 1, 0)]
    assert [one.value_pence for one in account.items] == [55_000, 10_000, 50_000]
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        items = mart.sql("SELECT item_reference, payable_gbp::VARCHAR FROM excluded_items_gbp")
        assert dict(items.fetchall()) == {
            "I1": "180.00", "I2": "0.00", "I4": None, "I5": "0.00", "I6": "70.00"
        }  # fmt: skip
        above = mart.sql("SELECT payable_pence FROM excluded_drugs_baseline").fetchall()
        assert above == [(20_000,)]
        totals = mart.sql(
            "SELECT payment_mechanism, lines FROM accounting WHERE dataset = 'items' ORDER BY ALL"
        )
        assert totals.fetchall() == [("excluded_item", 3), ("lva_block", 1), ("outside_scheme", 1)]


def test_an_item_that_is_lost_is_noticed(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    path = workspace.statement("excluded_items", MONTH)
    pl.read_parquet(path).head(-1).write_parquet(path)
    faults = [fault.says for fault in accounting.account(workspace, MONTH).faults]
    assert faults[0] == "excluded items: items listed = items priced"


def test_a_drug_that_the_baseline_does_not_count_is_noticed(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    path = workspace.statement("excluded_drugs_baseline", MONTH)
    pl.read_parquet(path).clear().write_parquet(path)
    faults = [fault.says for fault in accounting.account(workspace, MONTH).faults]
    assert faults == ["excluded drugs baseline: month_amount_pence = amount_pence of its items"]


def test_a_list_that_changed_since_the_month_was_priced_stops_it(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    land(workspace, "items.csv", LIST.replace("90.00", "80.00"))
    with pytest.raises(UserError, match="have changed since 2024-07 was priced"):
        accounting.account(workspace, MONTH)


def test_what_a_reader_must_know_of_the_lists_is_told(workspace: Workspace) -> None:
    visitors = "record_id,charging_status,source_reference\nS1,exempt,C1\nS8,exempt,C2\n"
    land(workspace, "visitors.csv", visitors)
    notices = "\n".join(making.publish(with_lists(workspace)).notices)
    assert (
        "visitors.csv: overseas visitors that name a record which is no valid spell or attendance "
        "of any month run so far: 1 (lines 3)." in notices
    )
    assert (
        "items.csv: excluded items that name a record which is no valid spell or attendance of "
        "any month run so far: 1 (lines 7)." in notices
    )
    assert (
        "The price book 'cases' has no list of excluded items of the kinds device, drug, medtech: "
        "5 items are taken to be excluded unchecked." in notices
    )


def test_an_item_of_a_record_of_another_pair_is_not_linked_to_it(workspace: Workspace) -> None:
    """S2 is a private patient of RGT with QMJ; an item of that name of RGT with QHM is not his."""
    taken_in_and_priced(workspace)
    row = "I1,S2,RGT,QHM,2024-07,drug,Adalimumab,no,2,100.00,90.00,"
    land(workspace, "items.csv", f"{ITEMS}\n{row}\n")
    (made,) = pricing_run.make_excluded_items(workspace, MONTH).to_dicts()
    assert (made["payable_pence"], made["reason_code"]) == (18_000, "ITEM_LOWEST_PRICE")
