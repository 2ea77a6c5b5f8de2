"""Equalities of what contracts pay: that two tables which agree are not believed for it.

Belongs here: statements changed together, on a real workspace, and that each change is a fault.
Does not belong here: the equalities of records and mechanisms (`test_accounting.py`), or what
contracts pay (`tests/cases/statements`).
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from pipeline import making
from pipeline.making import (
    ADJUSTED_STAY,
    APPOINTMENT,
    CLASSIFICATION,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    METHOD,
    PROVIDER,
    QUERY_DATE,
    SPELL_CATEGORY,
    SPELL_HRG,
    START,
    STAY,
    UNBUNDLED,
    add_book_of_2026_27,
    attendance,
    land,
    new_workspace,
    spell,
)

from pipelines import accounting
from pipelines.activity_counts import COUNT_CELLS
from pipelines.activity_plans import PLAN_CELLS
from pipelines.basis import PricingBasis
from pipelines.contract_terms import TERM_CELLS
from pipelines.contracts import CONTRACT_CELLS
from pipelines.excluded_items import ITEM_CELLS
from pipelines.workspace import Workspace

APRIL, MAY = "2024-04", "2024-05"
OWN, OTHER = "2024-25", "2026-27"
STAYED = {
    SPELL_HRG: "EB12C",
    "BPT Indicator 1": "BP70",
    METHOD: "21",
    CLASSIFICATION: "1",
    STAY: "3",
    ADJUSTED_STAY: "3",
}
COUNTS = """
RGT,QMJ,2024-05,2024-25,,advice_and_guidance,,20,,
RGT,QMJ,2024-05,2026-27,yes,accident_and_emergency,,10,100.00,LOCAL-1
"""
PLANS = """
RGT,QMJ,2024-05,2024-25,,advice_and_guidance,agreed,10,
RGT,QMJ,2024-04,2026-27,yes,NEL,agreed,1,1000.00
RGT,QMJ,2024-05,2026-27,yes,NEL,agreed,1,1000.00
RRV,QMJ,2024-05,2026-27,yes,accident_and_emergency,agreed,5,600.00
"""
TERMS = "RGT,QMJ,2024-25,advice_and_guidance,amount_each,,,,,,,5.00,\n"
# £180.00 paid on its own; £3,000.00 of the year above a baseline of £1,000.00 of it.
ITEMS = """
I1,,RGT,QMJ,2024-05,drug,Adalimumab,no,2,100.00,90.00,
I2,,RGT,13Q,2024-05,drug,Adalimumab,no,30,100.00,,
"""
CONTRACTS = "RGT,13Q,,specialised,,,,,1000.00,2024-04-01,2025-03-31\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """April and May 2024 of two contracts, each under its own year and under 2026/27."""
    workspace = new_workspace(tmp_path_factory.mktemp("equalities"))
    add_book_of_2026_27(workspace)
    for cells, rows in (
        (COUNT_CELLS, COUNTS),
        (PLAN_CELLS, PLANS),
        (TERM_CELLS, TERMS),
        (ITEM_CELLS, ITEMS),
        (CONTRACT_CELLS, CONTRACTS),
    ):
        header = ",".join(cell.header for cell in cells)
        land(workspace, f"{cells[-2].name}_{len(cells)}.csv", f"{header}\n{rows.lstrip()}")
    for month in (APRIL, MAY):
        land_month(workspace, month)
    for basis in (workspace, workspace.on(PricingBasis(OTHER))):
        for month in (APRIL, MAY):
            making.publish(basis, month)
    return workspace


def land_month(workspace: Workspace, month: str) -> None:
    """Of RGT and RRV an elective spell and an emergency, and a drug with that of RRV.

    Of RGT an attendance, a private spell and one without its approval too.
    """
    day = month.replace("-", "")
    of_day = {START: f"{day}10", END: f"{day}10", QUERY_DATE: "20250919063000"}
    stayed = {**of_day, **STAYED, END: f"{day}13"}
    land(
        workspace,
        f"freeze/apc_{month}.csv",
        [
            spell(f"S1-{month}", of_day),
            spell(f"S2-{month}", {**of_day, PROVIDER: "RRV", UNBUNDLED: "XD01Z"}),
            spell(f"S3-{month}", stayed),
            spell(f"S4-{month}", {**stayed, PROVIDER: "RRV"}),
            spell(f"S5-{month}", {**of_day, SPELL_CATEGORY: "02"}),
            spell(f"S6-{month}", {**of_day, EBI_CATEGORY: "1", EBI_TYPE: "A_snoring"}),
        ],
    )
    of_day = {APPOINTMENT: f"{day}10", QUERY_DATE: "20250919063000"}
    land(workspace, f"freeze/op_{month}.csv", [attendance(f"A1-{month}", of_day)])


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to tamper with."""
    return Workspace.at(shutil.copytree(made.root, tmp_path / "workspace"))


def on(workspace: Workspace, year: str) -> Workspace:
    return workspace if year == OWN else workspace.on(PricingBasis(year))


@dataclass(frozen=True)
class Tamper:
    """A change of some amounts of a statement."""

    table: str
    amounts: tuple[str, ...]
    by: int
    of: Mapping[str, str]


def penny(table: str, amounts: str, by: int = 1, **of: str) -> Tamper:
    """So many pence or units more in some amounts of the rows of a table, at least one of them."""
    return Tamper(table, tuple(amounts.split()), by, of)


def tampered(workspace: Workspace, year: str, *changes: Tamper) -> list[str]:
    """What the account finds wrong of May after some changes of its statements."""
    basis = on(workspace, year)
    for change in changes:
        path = basis.statement(change.table, MAY)
        table = pl.read_parquet(path)
        is_row = pl.all_horizontal(pl.lit(True), *(pl.col(k) == v for k, v in change.of.items()))
        found = table.filter(is_row).select(change.amounts)
        assert found.height
        assert not any(found.null_count().row(0)), found
        table.with_columns(
            pl.when(is_row).then(pl.col(name) + change.by).otherwise(pl.col(name)).alias(name)
            for name in change.amounts
        ).write_parquet(path)
    return [fault.says for fault in accounting.account(basis, MAY).faults]


RGT, RRV = {"provider_code": "RGT"}, {"provider_code": "RRV"}
STATED = "payable_pence known_payable_pence"
VARIABLE, BLENDED = {"section": "variable_element"}, {"section": "blended"}
ITEM_SECTION = {"section": "excluded_items", "commissioner_code": "QMJ"}
DRUG_SECTION = {"section": "excluded_items", "commissioner_code": "13Q"}
DC, NEL = {"contract_line": "DC"}, {"contract_line": "NEL"}
A_AND_E = {"contract_line": "accident_and_emergency"}
BEST_PRACTICE = {"contract_line": "uec_best_practice"}
DIFFER = "amounts that differ in any contract"


@pytest.mark.parametrize(
    ("year", "notices", "changes"),
    [
        (
            OWN,
            "payable_pence of SUS records that are paid each",
            [
                penny("variable_element", "payable_pence payable_to_date_pence", **RGT, **DC),
                penny("contract_statement", STATED, **RGT, **VARIABLE),
            ],
        ),
        (
            OWN,
            f"variable element and blend: {DIFFER}",
            [
                penny("variable_element", "payable_pence", 1, **RGT, **DC),
                penny("variable_element", "payable_pence", -1, **RRV, **DC),
                penny("contract_statement", STATED, 1, **RGT, **VARIABLE),
                penny("contract_statement", STATED, -1, **RRV, **VARIABLE),
            ],
        ),
        (
            OTHER,
            "payable_pence of best practice beside base prices",
            [
                penny("blended", "payable_pence variable_pence", **RRV, **BEST_PRACTICE),
                penny("contract_statement", "known_payable_pence", **RRV, **BLENDED),
            ],
        ),
        (
            OTHER,
            f"variable element and blend: {DIFFER}",
            [
                penny("blended", "value_pence", -1, **RGT, **NEL),
                penny("blended", "value_pence", 1, **RGT, **BEST_PRACTICE),
            ],
        ),
        (
            OTHER,
            "blend: value_pence of SUS records",
            [
                penny("blended", "value_pence", **RGT, **NEL),
                penny("contract_statement", "value_pence", **RGT, **BLENDED),
            ],
        ),
        (
            OTHER,
            "blend: activity of SUS records",
            [
                penny("blended", "activity", **RGT, **NEL),
                penny("contract_statement", "activity", **RGT, **BLENDED),
            ],
        ),
        (
            OTHER,
            "payable_pence of the blend = fixed_pence + variable_pence",
            [
                penny("blended", "payable_pence", **RGT, **NEL),
                penny("contract_statement", "known_payable_pence", **RGT, **BLENDED),
            ],
        ),
        (
            OTHER,
            "blend: planned_value_pence",
            [
                penny("blended", "planned_value_pence fixed_pence payable_pence", **RGT, **NEL),
                penny("contract_statement", "known_payable_pence", **RGT, **BLENDED),
            ],
        ),
        (
            OTHER,
            "blend: planned_activity",
            [penny("blended", "planned_activity planned_activity_to_date", **RGT, **NEL)],
        ),
        (
            OTHER,
            "value_to_date_pence of SUS records",
            [
                penny("blended", "value_to_date_pence variable_pence payable_pence", **RGT, **NEL),
                penny("contract_statement", "known_payable_pence", **RGT, **BLENDED),
            ],
        ),
        (
            OWN,
            "activity_to_date of SUS records",
            [penny("variable_element", "activity_to_date", **RRV, **DC)],
        ),
        (
            OTHER,
            "blend: activity of counts",
            [
                penny("blended", "activity", **RGT, **A_AND_E),
                penny("contract_statement", "activity", **RGT, **BLENDED),
            ],
        ),
        (
            OTHER,
            "blend: value_pence of counts",
            [
                penny("blended", "value_pence", **RGT, **A_AND_E),
                penny("contract_statement", "value_pence", **RGT, **BLENDED),
            ],
        ),
        (
            OWN,
            "excluded items: payable_pence = amount_pence of items paid on their own",
            [
                penny("excluded_items", "payable_pence", item_reference="I1"),
                penny("contract_statement", STATED, **RGT, **ITEM_SECTION),
            ],
        ),
        (
            OWN,
            "year_payable_pence = year_amount_pence above baseline_pence",
            [
                penny("excluded_drugs_baseline", "year_payable_pence payable_pence"),
                penny("contract_statement", STATED, **DRUG_SECTION),
            ],
        ),
        (
            OWN,
            "known_payable_pence of excluded_items",
            [penny("contract_statement", STATED, **RGT, **ITEM_SECTION)],
        ),
        (
            OWN,
            f"contract statement: {DIFFER}",
            [
                penny("contract_statement", STATED, 1, **ITEM_SECTION, **RGT),
                penny("contract_statement", STATED, -1, **DRUG_SECTION),
            ],
        ),
        (
            OTHER,
            "known_payable_pence of blended",
            [penny("contract_statement", "known_payable_pence", -60_000, **RRV, **BLENDED)],
        ),
        (
            OTHER,
            "known_payable_pence of variable_element",
            [penny("contract_statement", STATED, **RRV, **VARIABLE)],
        ),
        (
            OWN,
            "known_payable_pence of api_fixed",
            [penny("contract_statement", STATED, section="api_fixed")],
        ),
        (
            OWN,
            "payable_pence = known_payable_pence of what is not open",
            [penny("contract_statement", "payable_pence", **RRV, **VARIABLE)],
        ),
        (
            OWN,
            "contract statement: value_pence",
            [penny("contract_statement", "value_pence", section="outside_scheme")],
        ),
        (
            OWN,
            "contract statement: activity",
            [penny("contract_statement", "activity", section="outside_scheme")],
        ),
    ],
)
def test_tables_that_were_changed_together_are_noticed(
    workspace: Workspace, year: str, notices: str, changes: list[Tamper]
) -> None:
    faults = tampered(workspace, year, *changes)
    assert any(notices in says for says in faults), faults


@pytest.mark.parametrize(
    ("year", "sums"),
    [
        # £561.73 and £224.69 of RGT, £550.00 of RRV, each at £500.00 or £200.00 x the factor; one
        # spell without approval pays nothing.
        (
            OWN,
            {
                "payable_pence of SUS records that are paid each": 56_173 + 22_469 + 55_000,
                "payable_pence of best practice beside base prices": 0,
                "value_to_date_pence of SUS records": 2 * (56_173 + 22_469 + 55_000),
                "known_payable_pence of excluded_items": 18_000 + 200_000,
                "blend: activity of counts": 20,
            },
        ),
        # £1,000.00 x the factor in the blend, £1,123.46 of RGT and £1,100.00 of RRV; with best
        # practice £1,348.15 and £1,320.00. RGT has £1,000.00 planned, and 20% of £123.46 and
        # £246.92 above it to date: £49.38 less £24.69.
        (
            OTHER,
            {
                "payable_pence of SUS records that are paid each": 56_173 + 22_469 + 55_000,
                "payable_pence of best practice beside base prices": 22_469 + 22_000,
                "payable_pence of the blend": 100_000 + 2_469 + 22_469 + 22_000,
                "known_payable_pence of blended": 100_000 + 2_469 + 22_469 + 22_000 + 60_000,
                "blend: planned_value_pence": 100_000 + 60_000,
                "blend: value_pence of counts": 100_000,
            },
        ),
    ],
)
def test_what_contracts_pay_ties_to_what_it_is_made_from(
    made: Workspace, year: str, sums: dict[str, int]
) -> None:
    account = accounting.read_account(on(made, year), MAY)
    assert account.faults == []
    found = {
        says: [(e.left, e.right) for e in account.equalities if says in e.says] for says in sums
    }
    assert found == {says: [(pence, pence)] for says, pence in sums.items()}
