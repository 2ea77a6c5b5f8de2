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
from pipelines.equalities import Equality
from pipelines.excluded_items import ITEM_CELLS
from pipelines.publishing import PublicationError, publish
from pipelines.validation import validate
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
I9,,RGT,QMJ,2024-07,medtech,Spectra Optia,no,1,70.00,,
"""
BASELINE = f"{CONTRACTS}\nRGT,13Q,,specialised,,,,,1000.00,2024-04-01,2025-03-31\n"
PAID = {
    "I1": ("excluded_item", 18_000, "ITEM_LOWEST_PRICE"),
    "I2": ("outside_scheme", 0, "ITEM_OUTSIDE_SCHEME"),
    "I4": ("excluded_item", None, "ITEM_AGAINST_BASELINE"),
    "I5": ("lva_block", 0, "ITEM_COVERED_BY_LVA_BLOCK"),
    "I6": ("local_agreement", None, "ITEM_RECORD_NOT_FOUND"),
    "I9": ("local_agreement", None, "ITEM_LIST_MISSING"),
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
    for dataset in ("apc", "op"):
        making.take_in(workspace, dataset)
        validate(workspace, dataset, MONTH)
        pricing_run.price(workspace, dataset, MONTH)
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
        (MONTH, "2024-25", "RGT", "13Q", 30_000, 120_000, 100_000, 20_000, 0, 20_000)
    ]


def test_without_a_list_both_statements_are_empty(workspace: Workspace) -> None:
    taken_in_and_priced(workspace)
    assert pricing_run.make_excluded_items(workspace, MONTH).height == 0
    assert pricing_run.make_excluded_drugs_baseline(workspace, MONTH).height == 0


def test_items_are_published_and_accounted_for(workspace: Workspace) -> None:
    account = making.publish(with_lists(workspace))
    held = [(one.payment_mechanism, one.lines, one.payable_pence) for one in account.items]
    # £180.00 and the drug that a baseline decides, which leaves no total; two of £70.00 are open.
    assert held == [
        ("excluded_item", 2, None),
        ("local_agreement", 2, None),
        ("lva_block", 1, 0),
        ("outside_scheme", 1, 0),
    ]
    assert [one.value_pence for one in account.items] == [48_000, 14_000, 10_000, 50_000]
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        items = mart.sql("SELECT item_reference, payable_gbp::VARCHAR FROM excluded_items_gbp")
        assert dict(items.fetchall()) == {
            "I1": "180.00", "I2": "0.00", "I4": None, "I5": "0.00", "I6": None, "I9": None
        }  # fmt: skip
        above = mart.sql("SELECT payable_pence FROM excluded_drugs_baseline").fetchall()
        assert above == [(20_000,)]
        totals = mart.sql(
            "SELECT payment_mechanism, lines FROM accounting WHERE dataset = 'items' ORDER BY ALL"
        )
        assert totals.fetchall() == [
            ("excluded_item", 2),
            ("local_agreement", 2),
            ("lva_block", 1),
            ("outside_scheme", 1),
        ]


def test_items_without_an_amount_are_told(workspace: Workspace) -> None:
    notices = making.publish(with_lists(workspace)).notices
    assert (
        "Of some excluded items it is not known what is payable: 1 ITEM_LIST_MISSING, "
        "1 ITEM_RECORD_NOT_FOUND. See excluded_items." in notices
    )


def test_an_item_that_is_lost_is_noticed(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    path = workspace.statement("excluded_items", MONTH)
    pl.read_parquet(path).head(-1).write_parquet(path)
    faults = [fault.says for fault in accounting.account(workspace, MONTH).faults]
    assert "excluded items: items listed = items priced" in faults


def test_a_drug_that_the_baseline_does_not_count_is_noticed(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    path = workspace.statement("excluded_drugs_baseline", MONTH)
    pl.read_parquet(path).clear().write_parquet(path)
    faults = [fault.says for fault in accounting.account(workspace, MONTH).faults]
    assert "excluded drugs baseline: month_amount_pence = amount_pence of its items" in faults


def test_what_a_month_pays_above_a_baseline_must_be_what_the_year_still_owes(
    workspace: Workspace,
) -> None:
    making.publish(with_lists(workspace))
    path = workspace.statement("excluded_drugs_baseline", MONTH)
    table = pl.read_parquet(path)
    table.with_columns(payable_pence=pl.col("payable_pence") + 1).write_parquet(path)
    says = "excluded drugs baseline: year_payable_pence = published_before_pence + payable_pence"
    faults = accounting.account(workspace, MONTH).faults
    assert Equality(says, 20_000, 20_001) in faults


def test_a_list_that_changed_since_the_month_was_priced_stops_it(workspace: Workspace) -> None:
    making.publish(with_lists(workspace))
    land(workspace, "items.csv", LIST.replace("90.00", "80.00"))
    with pytest.raises(UserError, match="have changed since 2024-07 was priced"):
        accounting.account(workspace, MONTH)


def test_what_a_reader_must_know_of_the_lists_is_told(workspace: Workspace) -> None:
    visitors = ["apc,S1,exempt,C1", "op,S1,exempt,C2", "apc,S8,exempt,C3"]
    header = "dataset,record_id,charging_status,source_reference"
    land(workspace, "visitors.csv", "\n".join([header, *visitors]))
    notices = "\n".join(making.publish(with_lists(workspace)).notices)
    assert (
        "visitors.csv: overseas visitors that name a record which is no valid spell of any month "
        "run so far: 1 (lines 4)." in notices
    )
    assert (
        "visitors.csv: overseas visitors that name a record which is no valid attendance of any "
        "month run so far: 1 (lines 3)." in notices
    )
    assert (
        "items.csv: excluded items that name a record which is no valid spell or attendance of "
        "any month run so far: 1 (lines 7)." in notices
    )
    assert (
        "The price book 'cases' has no list of excluded items of the kinds medtech: whether 2 "
        "items are excluded is not known, so nothing is said to be payable for them. Import the "
        "whole workbook: sus-pricing prices import." in notices
    )


def test_an_item_of_a_record_of_another_pair_is_not_linked_to_it(workspace: Workspace) -> None:
    """S2 is of RGT with QMJ: for an item of that record of RGT with QHM nothing is known."""
    taken_in_and_priced(workspace)
    row = "I1,S2,RGT,QHM,2024-07,drug,Adalimumab,no,2,100.00,90.00,"
    land(workspace, "items.csv", f"{ITEMS}\n{row}\n")
    (made,) = pricing_run.make_excluded_items(workspace, MONTH).to_dicts()
    assert (made["payable_pence"], made["reason_code"]) == (None, "ITEM_RECORD_NOT_FOUND")


# Drugs of 13Q, baseline £1,000.00: June £1,200.00, of which £300.00 comes late, and July £50.00.
JUNE = "J1,,RGT,13Q,2024-06,drug,Adalimumab,no,9,100.00,,\n"
LATE = "J2,,RGT,13Q,2024-06,drug,Adalimumab,no,3,100.00,,\n"
JULY = "J3,,RGT,13Q,2024-07,drug,Adalimumab,no,0.5,100.00,,\n"


def drugs(workspace: Workspace, *rows: str) -> None:
    land(workspace, "items.csv", f"{ITEMS}\n{''.join(rows)}")


def two_months(root: Path) -> Workspace:
    made = new_workspace(root)
    for month in ("2024-06", "2024-07"):
        making.land_good_month(made, month)
    land(made, "contracts.csv", BASELINE)
    return made


def published(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """What the mart has of each month: payable of the year up to it, and of the month."""
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT activity_month, year_payable_pence, payable_pence FROM excluded_drugs_baseline"
        ).fetchall()
    return {month: (year, payable) for month, year, payable in rows}


def out_of_date(workspace: Workspace) -> list[str]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql(
            "SELECT activity_month FROM runs GROUP BY ALL HAVING NOT bool_or(is_current)"
        ).fetchall()
    return [month for (month,) in rows]


def test_a_drug_that_comes_after_its_month_was_run_is_paid_by_the_next(tmp_path: Path) -> None:
    workspace = two_months(tmp_path)
    drugs(workspace, JUNE)
    making.publish(workspace, "2024-06")
    assert published(workspace) == {"2024-06": (0, 0)}
    drugs(workspace, JUNE, LATE, JULY)
    notices = making.publish(workspace, "2024-07").notices
    # £900.00 + £300.00 + £50.00 less £1,000.00; June published nothing of it.
    assert published(workspace) == {"2024-06": (0, 0), "2024-07": (25_000, 25_000)}
    assert out_of_date(workspace) == []
    told = [notice for notice in notices if "of 2024-06, 1 were added" in notice]
    assert len(told) == 1


def test_when_the_earlier_month_is_run_again_the_later_is_out_of_date(tmp_path: Path) -> None:
    workspace = two_months(tmp_path)
    drugs(workspace, JUNE)
    making.publish(workspace, "2024-06")
    drugs(workspace, JUNE, LATE, JULY)
    making.publish(workspace, "2024-07")
    # June pays its £200.00 now, which July pays too until it is run again.
    making.publish(workspace, "2024-06")
    assert published(workspace) == {"2024-06": (20_000, 20_000), "2024-07": (25_000, 25_000)}
    assert out_of_date(workspace) == ["2024-07"]
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        said = mart.sql("SELECT notices FROM runs WHERE is_current").fetchall()
    assert "2024-07 is out of date" in said[0][0]
    making.publish(workspace, "2024-07")
    assert published(workspace) == {"2024-06": (20_000, 20_000), "2024-07": (25_000, 5_000)}
    assert out_of_date(workspace) == []


def test_what_a_provider_was_paid_counts_for_its_successor(tmp_path: Path) -> None:
    """£1,200.00 in June and £50.00 in July less £1,000.00, of which June published £200.00."""
    workspace = two_months(tmp_path)
    successions = workspace.data / "organisations" / "successions.csv"
    successions.write_text(successions.read_text("utf-8") + "RGT,RRV,2024-07-01\n", "utf-8")
    drugs(workspace, JUNE, LATE)
    making.publish(workspace, "2024-06")
    assert published(workspace) == {"2024-06": (20_000, 20_000)}
    drugs(workspace, JUNE, LATE, JULY)
    making.publish(workspace, "2024-07")
    assert published(workspace) == {"2024-06": (20_000, 20_000), "2024-07": (25_000, 5_000)}
    assert out_of_date(workspace) == []
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.sql("SELECT provider_code FROM excluded_drugs_baseline ORDER BY activity_month")
        assert rows.fetchall() == [("RGT",), ("RRV",)]


def test_a_drug_that_is_taken_off_the_list_is_taken_back(tmp_path: Path) -> None:
    workspace = two_months(tmp_path)
    drugs(workspace, JUNE, LATE)
    making.publish(workspace, "2024-06")
    drugs(workspace, JUNE, JULY)
    making.publish(workspace, "2024-07")
    # £950.00 in the year is below the baseline, and June published £200.00.
    assert published(workspace) == {"2024-06": (20_000, 20_000), "2024-07": (0, -20_000)}


def test_an_earlier_month_that_is_published_meanwhile_stops_the_later(tmp_path: Path) -> None:
    workspace = two_months(tmp_path)
    drugs(workspace, JUNE, LATE, JULY)
    making.publish(workspace, "2024-06")
    statement = workspace.statement("excluded_drugs_baseline", "2024-07")
    making.publish(workspace, "2024-07")
    before = published(workspace)
    made_too_early = pl.read_parquet(statement).with_columns(
        published_before_pence=pl.lit(0, dtype=pl.Int64),
        payable_pence=pl.col("year_payable_pence"),
    )
    made_too_early.write_parquet(statement)
    account = accounting.account(workspace, "2024-07")
    with pytest.raises(PublicationError, match="earlier months published of excluded drugs"):
        publish(workspace, account, "run")
    assert published(workspace) == before


def test_an_item_of_an_earlier_month_goes_by_its_record_where_that_was_priced(
    tmp_path: Path,
) -> None:
    """Both name a record that there is not: June was priced and May was not."""
    workspace = two_months(tmp_path)
    row = "{},NOBODY,RGT,13Q,{},drug,Adalimumab,no,1,100.00,,\n"
    drugs(workspace, row.format("M1", "2024-05"), row.format("M2", "2024-06"), JULY)
    for month in ("2024-06", "2024-07"):
        making.publish(workspace, month)
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        found = mart.sql(
            "SELECT year_amount_pence FROM excluded_drugs_baseline ORDER BY activity_month"
        ).fetchall()
    # M1 of May, £100.00; then with July's £50.00.
    assert found == [(10_000,), (15_000,)]
