"""Months of other years, from the extract to the mart: what is worked out elsewhere stays null.

Belongs here: that a year in which a plan or a blend pays ties out and is published so. Does
not belong here: what each record is worth or pays (`tests/cases/`).
"""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from pipeline.making import (
    APPOINTMENT,
    CLASSIFICATION,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    METHOD,
    QUERY_DATE,
    SPELL_HRG,
    START,
    add_other_unit_prices,
    attendance,
    land,
    new_workspace,
    publish,
    spell,
)

from pipelines.accounting import Account
from pipelines.contracts import CONTRACT_CELLS
from pipelines.explaining import explain_record
from pipelines.workspace import UserError, Workspace


def workspace_of(root: Path, year: str, published_on: str) -> Workspace:
    """A workspace whose book of the cases is one of another year, with that year's tables."""
    workspace = new_workspace(root)
    manifest = workspace.data / "price_books" / "cases" / "manifest.toml"
    text = manifest.read_text("utf-8").replace('"2024-25"', f'"{year}"')
    text = text.replace("effective_from = 2024-04-01", f"effective_from = {year[:4]}-04-01")
    text = text.replace("published_on = 2024-03-27", f"published_on = {published_on}")
    if year == "2021-22":  # before low volume activity, so no schedule was published
        text = text.replace('lva_payments_schedule = "lva_payments_schedule.csv"\n', "")
    manifest.write_text(text, "utf-8")
    if year == "2026-27":
        add_other_unit_prices(manifest.parent)
    return workspace


def published_month(workspace: Workspace, month: str) -> Account:
    """A day case, an unapproved intervention, an emergency and a first attendance."""
    day = f"{month.replace('-', '')}10"
    dates = {START: day, END: day, QUERY_DATE: f"{month.replace('-', '')}28093000"}
    unapproved = {SPELL_HRG: "HN23C", EBI_CATEGORY: "1", EBI_TYPE: "C_knee_arth"}
    emergency = {METHOD: "21", CLASSIFICATION: "1", SPELL_HRG: "EB12C"}
    land(
        workspace,
        "freeze/apc.csv",
        [
            spell("day case", {**dates, SPELL_HRG: "FE30Z"}),
            spell("unapproved", {**dates, **unapproved}),
            spell("emergency", {**dates, **emergency}),
        ],
    )
    first = {APPOINTMENT: day, QUERY_DATE: dates[QUERY_DATE]}
    land(workspace, "freeze/op.csv", [attendance("first", first)])
    return publish(workspace, month)


def with_contracts(workspace: Workspace) -> Workspace:
    """The provider and the payer are members of one system, so API is theirs in 2021/22."""
    row = "RGT,QMJ,,,,,yes,,,2021-04-01,2022-03-31"
    land(workspace, "contracts.csv", f"{','.join(c.header for c in CONTRACT_CELLS)}\n{row}\n")
    return workspace


def by_mechanism(account: Account) -> dict[str, tuple[int, int | None, int | None]]:
    return {
        m.payment_mechanism: (m.lines, m.value_pence, m.payable_pence) for m in account.mechanisms
    }


def lines_of(workspace: Workspace) -> dict[str, tuple[int | None, int | None, str]]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        rows = mart.execute(
            "SELECT record_id, value_pence, payable_pence, reason_code FROM priced_lines"
        ).fetchall()
    return {record_id: tuple(row) for record_id, *row in rows}


def test_a_month_of_2021_22_is_held_against_plans(tmp_path: Path) -> None:
    """RGT has a factor of 1.123455: £500.00, £2,000.00, £700.00 and £200.00 times that."""
    workspace = with_contracts(workspace_of(tmp_path, "2021-22", "2021-09-30"))
    account = published_month(workspace, "2021-07")
    assert lines_of(workspace) == {
        "day case": (56_173, None, "ELECTIVE_AGAINST_PLAN"),
        "unapproved": (224_691, 0, "UNAPPROVED_EBI"),
        "emergency": (78_642, 0, "NON_ELECTIVE"),
        "first": (22_469, 0, "FIRST_ATTENDANCE_IN_FIXED_ELEMENT"),
    }
    assert by_mechanism(account)["api_variable"] == (2, 56_173 + 224_691, None)
    assert account.faults == []
    (told,) = [notice for notice in account.notices if "contract" in notice]
    assert told.startswith("PLAN_MISSING: contract lines of which it is not known")
    assert "2, in 1 contracts (RGT with QMJ)" in told
    assert not [n for n in account.notices if n.startswith(("PROPOSED", "ASSUMED"))]
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        statement = mart.execute(
            "SELECT contract_line, activity, value_pence, payable_pence, lines_for_local_price, "
            "target_activity, reason_code FROM variable_element"
        ).fetchall()
    assert sorted(statement) == [
        ("DC", 2, 280_864, None, 0, 1, "PLAN_MISSING"),
        ("cquin", None, None, None, 0, 0, "PLAN_MISSING"),
    ]


def test_contracts_that_nobody_named_are_told_in_a_year_with_a_threshold(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, "2021-22", "2021-09-30")
    account = published_month(workspace, "2021-07")
    (told,) = [notice for notice in account.notices if "contracts list" in notice]
    assert told.startswith("Of 1 pairs of provider and payer (4 lines) it is not known")
    assert "2021/22 ¶13, ¶28" in told
    assert {m.payment_mechanism: m.lines for m in account.mechanisms if m.dataset == "apc"} == {
        "local_agreement": 3
    }
    # An intervention without approval has a zero price under API and at unit prices alike.
    assert {line[1:] for line in lines_of(workspace).values()} == {
        (None, "CONTRACT_NOT_KNOWN"),
        (0, "UNAPPROVED_EBI"),
    }


def test_a_month_of_2026_27_leaves_emergencies_to_the_blend(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, "2026-27", "2026-03-31")
    account = published_month(workspace, "2026-07")
    assert lines_of(workspace) == {
        "day case": (56_173, 56_173, "ELECTIVE_SPELL"),
        "unapproved": (224_691, 0, "UNAPPROVED_EBI"),
        "emergency": (78_642, None, "UEC_BLENDED"),
        "first": (22_469, 22_469, "FIRST_ATTENDANCE"),
    }
    assert by_mechanism(account)["api_blended"] == (1, 78_642, None)
    assert "PROPOSED: the rules of 2026-27 are those of a consultation." in " ".join(
        account.notices
    )


def test_a_year_that_rests_on_assumptions_says_so(tmp_path: Path) -> None:
    """No document here is of 2022/23: most values of its pack are assumed."""
    workspace = workspace_of(tmp_path, "2022-23", "2022-04-01")
    account = published_month(workspace, "2022-07")
    (assumed,) = [notice for notice in account.notices if notice.startswith("ASSUMED")]
    assert "sus-pricing schemes assumptions 2022-23" in assumed


def test_what_is_paid_by_contract_is_explained_so(tmp_path: Path) -> None:
    workspace = with_contracts(workspace_of(tmp_path, "2021-22", "2021-09-30"))
    published_month(workspace, "2021-07")
    (line,) = explain_record(workspace, "day case").lines
    found = {step.what: step for step in (*line.who, *line.explanation.steps)}
    assert line.reason.citation == "2021/22 ¶55-56"
    assert found["payable by contract"].citation == "2021/22 ¶56"
    assert found["api_variable"].citation == "2021/22 ¶56"
    assert "2021-22" in found["2021-07 (freeze)"].how


def test_a_month_is_not_priced_by_rules_published_later(tmp_path: Path) -> None:
    from pipelines.basis import PricingBasis
    from pipelines.pricing_run import rulebook_for

    workspace = workspace_of(tmp_path, "2021-22", "2021-09-30")
    before = workspace.on(PricingBasis(None, date(2021, 9, 29)))
    with pytest.raises(UserError, match="nothing was published by 29 September 2021"):
        rulebook_for(before, "2021-07")
