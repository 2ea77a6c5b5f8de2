"""The fixed element in a monthly run: landed worksheets, their instalments, and what ties them.

Belongs here: real months with worksheets, published, tampered with and asked of the lake. Does not
belong here: what a worksheet comes to (`tests/rules/test_fixed_element.py`), or what a file is
refused for (`test_fixed_worksheets.py`).
"""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from contract_documents import as_toml, document_of
from pipeline import making
from pipeline.making import add_book_of_2026_27, land, land_good_month, new_workspace
from typer.testing import CliRunner

from pipelines import accounting
from pipelines.activity_plans import PLAN_CELLS
from pipelines.basis import PricingBasis, months_of
from pipelines.cli import app
from pipelines.contract_statements import compared, outturn, read_statement
from pipelines.contracts import CONTRACT_CELLS
from pipelines.fixed_element.statements import built, rows_of, worksheets_paying
from pipelines.fixed_element.worksheets import landed_worksheets
from pipelines.organisations import read_organisations
from pipelines.pricing_run import rulebook_for
from pipelines.workspace import PROJECT, UserError, Workspace

APRIL, MAY, JUNE = "2024-04", "2024-05", "2024-06"
OTHER = PricingBasis("2026-27")
TOTAL = 100_000_001
"""£1,000,000.01, which twelve instalments do not divide: 8,333,333.4… pence each."""


def opening(pounds: str) -> dict[str, Any]:
    plain = document_of("items_2024_25", {"items": {}})["opening_baseline"]
    return {**plain, "fixed_payment": pounds}


def of_2024_25(**changes: Any) -> str:
    """The contract file of RGT and QMJ, of £1,000,000.01."""
    items = {
        "provider_code": "RGT",
        "commissioner_code": "QMJ",
        "opening_baseline": opening("1,000,000.01"),
        **changes,
    }
    return as_toml(document_of("items_2024_25", {"items": items}))


def of_2026_27(**changes: Any) -> str:
    """Theirs of 2026/27, of £4.5m less the £2.5m that the review adjusts: £2,000,000.00."""
    plain = document_of("items_2026_27", {"items": {}})
    items = {
        "provider_code": "RGT",
        "commissioner_code": "QMJ",
        "opening_baseline": {**plain["opening_baseline"], "fixed_payment": "4,500,000.00"},
        "identified_differences": {"amount": "-2,500,000"},
        **changes,
    }
    return as_toml({**plain, **items})


def review(**changes: str) -> str:
    """The made-up review that ships, as RGT and QMJ's; `changes` are texts of it by key."""
    text = (PROJECT / "data" / "worksheets" / "review-2026-27.toml").read_text("utf-8")
    text = text.replace('"RRK"', '"RGT"').replace('"QHL"', '"QMJ"')
    for key, (before, after) in {k: v.split(" -> ") for k, v in changes.items()}.items():
        assert f'{key} = "{before}"' in text
        text = text.replace(f'{key} = "{before}"', f'{key} = "{after}"')
    return text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """April and May 2024 of RGT and QMJ, and May under 2026/27; RRV's agreement begins in May."""
    workspace = new_workspace(tmp_path_factory.mktemp("fixed"))
    add_book_of_2026_27(workspace)
    land(workspace, "rgt.toml", of_2024_25())
    land(workspace, "rrv.toml", of_2024_25(provider_code="RRV", first_month=MAY))
    land(workspace, "rgt-2026.toml", of_2026_27())
    land(workspace, "rgt-review.toml", review())
    for month in (APRIL, MAY):
        land_good_month(workspace, month)
        making.publish(workspace, month)
    making.publish(workspace.on(OTHER), APRIL)
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to change."""
    return Workspace.at(shutil.copytree(made.root, tmp_path / "workspace"))


def queried(workspace: Workspace, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        return mart.execute(sql).fetchall()


# --- Instalments ---------------------------------------------------------------------------


def test_a_month_publishes_the_instalment_of_each_worksheet(made: Workspace) -> None:
    """By hand: a twelfth of 100,000,001 is 8,333,333.4, two are 16,666,666.8: 8,333,334 in May.

    RRV's eleven months have 100,000,001 - 8,333,333 = 91,666,668, nothing in April and an eleventh
    of it, 8,333,333.5 to the nearest penny, in May.
    """
    assert queried(
        made,
        "SELECT activity_month, provider_code, sum(amount_pence)::BIGINT, "
        "sum(payable_pence)::BIGINT, sum(payable_to_date_pence)::BIGINT FROM fixed_element "
        "GROUP BY ALL ORDER BY ALL",
    ) == [
        (APRIL, "RGT", TOTAL, 8_333_333, 8_333_333),
        (APRIL, "RRV", 91_666_668, 0, 0),
        (MAY, "RGT", TOTAL, 8_333_334, 16_666_667),
        (MAY, "RRV", 91_666_668, 8_333_333, 8_333_333),
    ]


def test_the_instalments_of_a_year_are_its_fixed_element(made: Workspace) -> None:
    organisations = read_organisations(made)
    sheets = landed_worksheets(made, organisations, "2024-25")
    of_year = pl.concat([rows_of(sheets, month) for month in months_of("2024-25")])
    totals = of_year.group_by("provider_code").agg(pl.sum("payable_pence")).sort("provider_code")
    assert totals.rows() == [("RGT", TOTAL), ("RRV", 91_666_668)]
    march = (
        rows_of(sheets, "2025-03").group_by("provider_code").agg(pl.sum("payable_to_date_pence"))
    )
    assert sorted(march.rows()) == [("RGT", TOTAL), ("RRV", 91_666_668)]


def test_the_statement_has_the_instalment_where_there_is_a_worksheet(made: Workspace) -> None:
    found = queried(
        made,
        "SELECT activity_month, provider_code, activity, payable_pence, known_payable_pence, "
        "open_lines FROM contract_statement WHERE section = 'api_fixed' ORDER BY ALL",
    )
    assert found == [
        (APRIL, "RGT", 0, 8_333_333, 8_333_333, 0),
        (APRIL, "RRV", 0, 0, 0, 0),
        (MAY, "RGT", 0, 8_333_334, 8_333_334, 0),
        (MAY, "RRV", 0, 8_333_333, 8_333_333, 0),
    ]


def test_each_item_says_where_it_is_from(made: Workspace) -> None:
    (row,) = queried(
        made,
        "SELECT item_number, formula, inputs, length(worksheet_sha256), paragraph "
        f"FROM fixed_element WHERE provider_code = 'RRV' AND activity_month = '{MAY}' "
        "AND item = 'part_year'",
    )
    assert row == (
        11,
        "1 of 12 months of the running total, £1,000,000.01, taken off",
        "rrv.toml months",
        64,
        "2023/25 ¶51",
    )


def test_under_another_year_its_own_worksheet_pays(made: Workspace) -> None:
    """A twelfth of £2,000,000.00 is £166,666.67; RRV has no worksheet of 2026/27."""
    assert queried(
        made,
        "SELECT provider_code, scheme_year, sum(payable_pence)::BIGINT "
        "FROM repriced.fixed_element GROUP BY ALL",
    ) == [("RGT", "2026-27", 16_666_667)]


def test_under_another_year_a_pair_on_other_terms_in_any_month_is_left_out(
    workspace: Workspace,
) -> None:
    """What June alone is agreed to pay leaves no fixed element of the year to hold April to."""
    header = ",".join(cell.header for cell in CONTRACT_CELLS)
    agreed = "RGT,QMJ,,,local_agreement,VAR1,,,,2024-06-01,2024-06-30"
    land(workspace, "contracts.csv", f"{header}\n{agreed}\n")
    on_other = workspace.on(OTHER)
    assert worksheets_paying(on_other, rulebook_for(on_other, APRIL), APRIL) == (
        [],
        [
            "rgt-2026.toml: no instalment of its fixed element is in 2024-04 under 2026-27: RGT "
            "and QMJ have none in 2024-06, as the contracts and the LVA schedule stand."
        ],
    )


def test_what_priced_a_month_names_the_worksheets_of_its_year(made: Workspace) -> None:
    inputs = rulebook_for(made, MAY).inputs()
    names = [name for name in inputs if name.startswith("contract file")]
    assert names == ["contract file rgt.toml", "contract file rrv.toml"]


# --- The statement of a contract -----------------------------------------------------------


def shown(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setenv("SUS_PRICING_HOME", str(workspace.root))
    pair = ("--provider", "RGT", "--commissioner", "QMJ", "--month", MAY)
    done = CliRunner().invoke(app, ["statement", *pair, *options])
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_the_command_shows_fixed_variable_and_blended_as_one(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(made, monkeypatch)
    words = [[cell.strip() for cell in line.strip("│┃ ").split("│")] for line in text.splitlines()]
    statement = read_statement(made, "RGT", "QMJ", MAY)
    variable = statement.tables["variable_element"]["payable_pence"].sum()
    (of_month,) = [line[1] for line in words if line[0] == "fixed"]
    assert of_month == "£83,333.34"
    in_all = next(line for line in words if line[0] == "all" and len(line) == 5 and line[1])
    pence = int(variable) + 8_333_334
    assert in_all[1] == f"£{pence // 100:,}.{pence % 100:02}"
    assert "An LVA block is agreed for the year" in text
    document = json.loads(shown(made, monkeypatch, "--json"))
    assert sum(row["payable_pence"] for row in document["fixed_element"]) == 8_333_334


def test_the_outturn_has_the_fixed_element_whole(made: Workspace) -> None:
    lines = outturn(made, read_statement(made, "RGT", "QMJ", MAY)).lines
    found = lines.filter(section="api_fixed").select("payable_pence", "is_estimated").unique()
    assert found.rows() == [(TOTAL, True)]


def test_a_comparison_of_years_explains_the_fixed_elements_too(made: Workspace) -> None:
    own = read_statement(made, "RGT", "QMJ", APRIL)
    other = read_statement(made.on(OTHER), "RGT", "QMJ", APRIL)
    differences = compared(made, own, other)
    known = [
        int(of.tables["contract_statement"]["known_payable_pence"].sum()) for of in (own, other)
    ]
    assert int(differences["difference_pence"].sum()) == known[1] - known[0]
    fixed = differences.filter(part_before="api_fixed", rule="beside_lines")["difference_pence"]
    assert fixed.to_list() == [16_666_667 - 8_333_333]


# --- What ties it --------------------------------------------------------------------------


def tampered(workspace: Workspace, *changes: tuple[str, str, str]) -> list[str]:
    """What the account finds wrong of May after a penny more in one row of some statements."""
    for table, names, condition in changes:
        path = workspace.statement(table, MAY)
        rows = pl.read_parquet(path).with_row_index()
        place = rows.filter(pl.sql_expr(condition))["index"][0]
        rows.with_columns(
            pl.when(pl.col("index") == place)
            .then(pl.col(name) + 1)
            .otherwise(pl.col(name))
            .alias(name)
            for name in names.split()
        ).drop("index").write_parquet(path)
    return [fault.says for fault in accounting.account(workspace, MAY).faults]


RGT = "provider_code = 'RGT'"
SECTION = f"{RGT} AND section = 'api_fixed'"
STATED = "payable_pence known_payable_pence"


def test_an_untouched_month_ties(workspace: Workspace) -> None:
    assert tampered(workspace) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            [("fixed_element", "payable_pence", RGT)],
            "fixed element: payable_pence of items = their instalments of the month",
        ),
        (
            [("fixed_element", "payable_pence", RGT), ("contract_statement", STATED, SECTION)],
            "fixed element: payable_pence of items = their instalments of the month",
        ),
        (
            [("fixed_element", "payable_to_date_pence", RGT)],
            "fixed element: payable_to_date_pence of items = their instalments up to the month",
        ),
        (
            [("fixed_element", "amount_pence", RGT)],
            "fixed element: amount_pence of items = totals of worksheets",
        ),
        (
            [("contract_statement", STATED, SECTION)],
            "contract statement: known_payable_pence of api_fixed = payable_pence of priced lines "
            "and fixed element",
        ),
    ],
)
def test_a_tampered_instalment_is_found(
    changes: list[tuple[str, str, str]], fault: str, workspace: Workspace
) -> None:
    assert fault in tampered(workspace, *changes)


def test_a_contract_s_instalment_is_not_another_s(workspace: Workspace) -> None:
    path = workspace.statement("fixed_element", MAY)
    one_more = {"RGT": 1, "RRV": -1}
    table = pl.read_parquet(path)
    first = pl.col("item_number") == 1
    table.with_columns(
        payable_pence=pl.col("payable_pence")
        + pl.when(first).then(pl.col("provider_code").replace_strict(one_more)).otherwise(0)
    ).write_parquet(path)
    assert "fixed element: amounts that differ in any contract = none" in tampered(workspace)


def test_an_instalment_beside_a_block_is_found(workspace: Workspace) -> None:
    """2023/25 ¶80: a block pays for all that passes between the two."""
    path = workspace.statement("low_volume", MAY)
    in_block = {"is_block_pair": True, "is_moved_to_api": False}
    pair = {"provider_code": "RGT", "commissioner_code": "QMJ", **in_block}
    changed = (pl.lit(value).alias(name) for name, value in pair.items())
    pl.read_parquet(path).head(1).with_columns(changed).write_parquet(path)
    assert "fixed element: pairs with an instalment and an LVA block = none" in tampered(workspace)


def test_items_paid_beside_an_amount_for_them_are_told(workspace: Workspace) -> None:
    """2023/25 ¶29: funding of excluded items is agreed within the fixed element, or by volume."""
    fixed, items = (workspace.statement(name, MAY) for name in ("fixed_element", "excluded_items"))
    is_one = (pl.col("item") == "service_changes") & (pl.col("provider_code") == "RGT")
    of_item = {"item": pl.lit("agreed_excluded_items"), "amount_pence": pl.lit(200_000_000)}
    pl.read_parquet(fixed).with_columns(
        pl.when(is_one).then(new).otherwise(pl.col(name)).alias(name)
        for name, new in of_item.items()
    ).write_parquet(fixed)
    paid = {"provider_code": "RGT", "commissioner_code": "QMJ", "payable_pence": 18_000}
    listed = pl.read_parquet(items)
    pl.concat([listed, pl.DataFrame([paid])], how="diagonal_relaxed").write_parquet(items)
    assert (
        "RGT with QMJ: £2,000,000.00 of the year's fixed element is for excluded items that were "
        f"agreed, and items of {MAY} are paid apart as well: 1, £180.00. Take those that the "
        "amount is for out of the list of items."
    ) in accounting.account(workspace, MAY).notices


# --- Reviews -------------------------------------------------------------------------------


def test_a_review_is_published_under_the_year_that_it_is_of(made: Workspace) -> None:
    """By hand: the services of the file add up to £210.1m, the plan to -£6m."""
    assert queried(made, "SELECT count(*) FROM fixed_element_review") == [(0,)]
    assert queried(
        made,
        "SELECT provider_code, commissioner_code, scheme_year, part, count(*), "
        "sum(funding_pence)::BIGINT, min(pricing_basis) FROM repriced.fixed_element_review "
        "WHERE part <> 'step' GROUP BY ALL ORDER BY ALL",
    ) == [
        ("RGT", "QMJ", "2026-27", "service", 5, 21_010_000_000, "2026-27"),
        ("RGT", "QMJ", "2026-27", "year", 3, None, "2026-27"),
    ]
    assert queried(
        made,
        "SELECT item, amount_pence, left_pence FROM repriced.fixed_element_review "
        "WHERE part = 'year' ORDER BY place",
    ) == [
        ("2026-27", -250_000_000, -350_000_000),
        ("2027-28", -200_000_000, -150_000_000),
        ("2028-29", -150_000_000, 0),
    ]


def test_a_month_knows_the_reviews_that_it_has(made: Workspace) -> None:
    named = "contract file rgt-review.toml"
    assert named in rulebook_for(made.on(OTHER), APRIL).inputs()
    assert named not in rulebook_for(made, APRIL).inputs()


@pytest.mark.parametrize(
    ("part", "column", "fault"),
    [
        ("service", "funding_pence", "funding_pence of services = contract value"),
        ("year", "amount_pence", "amount_pence of the years of the plan = agreed difference"),
    ],
)
def test_a_tampered_review_is_found(
    part: str, column: str, fault: str, workspace: Workspace
) -> None:
    on_other = workspace.on(OTHER)
    assert not accounting.account(on_other, APRIL).faults
    path = on_other.statement("fixed_element_review", APRIL)
    is_one = (pl.col("part") == part) & (pl.col("place") == 1)
    more = pl.when(is_one).then(pl.col(column) + 1).otherwise(pl.col(column)).alias(column)
    pl.read_parquet(path).with_columns(more).write_parquet(path)
    faults = [one.says for one in accounting.account(on_other, APRIL).faults]
    assert f"fixed element review: {fault}" in faults


def test_a_faulty_review_refuses_the_run(workspace: Workspace) -> None:
    before = workspace.mart.read_bytes()
    faulty = review(contract_value="210,100,000 -> 210,100,001")
    land(workspace, "rgt-review.toml", faulty)
    with pytest.raises(UserError) as raised:
        making.publish(workspace.on(OTHER), APRIL)
    assert "rgt-review.toml: [review]" in str(raised.value)
    assert workspace.mart.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "items", "comes_to"),
    [
        (
            {"identified_differences": {"amount": "-2,500,000.01"}},
            "[identified_differences]",
            "-£2,500,000.01",
        ),
        (
            # 0.1% of £300m is £300,000: the updated factor is within the adjustment.
            {
                "market_forces_factor": {
                    "previous_factor": "1.000000",
                    "factor": "1.001000",
                    "base": "300,000,000",
                },
            },
            "[market_forces_factor] and [identified_differences]",
            "-£2,200,000.00",
        ),
    ],
)
def test_a_worksheet_with_another_adjustment_than_its_review_refuses_the_run(
    changes: dict[str, Any], items: str, comes_to: str, workspace: Workspace
) -> None:
    before = workspace.mart.read_bytes()
    land(workspace, "rgt-2026.toml", of_2026_27(**changes))
    with pytest.raises(UserError) as raised:
        making.publish(workspace.on(OTHER), APRIL)
    assert str(raised.value) == (
        "A review's adjustment is what the worksheet has of it:\n"
        f"  rgt-review.toml adjusts -£2,500,000.00 in 2026-27, and {items} of rgt-2026.toml comes "
        f"to {comes_to}\nEnter what was agreed in both."
    )
    assert workspace.mart.read_bytes() == before


def test_two_reviews_of_one_contract_refuse_the_run(workspace: Workspace) -> None:
    land(workspace, "rgt-review-again.toml", review())
    with pytest.raises(UserError) as raised:
        making.publish(workspace.on(OTHER), APRIL)
    assert str(raised.value) == (
        "rgt-review-again.toml and rgt-review.toml are both of RGT and QMJ in 2026-27. Keep the "
        "one that was agreed."
    )


# --- Files that are refused, and that change -----------------------------------------------


def test_a_faulty_worksheet_refuses_the_run(workspace: Workspace) -> None:
    before = workspace.mart.read_bytes()
    land(workspace, "rgt.toml", of_2024_25(activity_growth={"share": 2}))
    with pytest.raises(UserError) as raised:
        making.publish(workspace, MAY)
    assert str(raised.value) == (
        'rgt.toml cannot be used:\n  rgt.toml: [activity_growth] share is 2: write 0.02 or "2%"'
    )
    assert workspace.mart.read_bytes() == before


def test_two_worksheets_of_one_contract_refuse_the_run(workspace: Workspace) -> None:
    land(workspace, "rgt-again.toml", of_2024_25())
    with pytest.raises(UserError) as raised:
        rulebook_for(workspace, MAY)
    assert str(raised.value) == (
        "rgt-again.toml and rgt.toml are both of RGT and QMJ in 2024-25. Keep the one that was "
        "agreed."
    )


def test_a_file_of_another_year_or_of_a_review_is_left_alone(workspace: Workspace) -> None:
    header = 'provider_code = "RGT"\ncommissioner_code = "QMJ"\nscheme_year = '
    land(workspace, "review.toml", f'{header}"2024-25"\n[review]\ncontract_value = 1\n')
    land(workspace, "later.toml", f'{header}"2025-26"\n[activity_growth]\nshare = 2\n')
    assert [one.file.name for one in rulebook_for(workspace, MAY).worksheets] == [
        "rgt.toml",
        "rrv.toml",
    ]


def test_a_file_that_does_not_say_whose_it_is_refuses_every_run(workspace: Workspace) -> None:
    land(workspace, "whose.toml", "[activity_growth]\nshare = 0\n")
    with pytest.raises(UserError) as raised:
        rulebook_for(workspace, MAY)
    assert str(raised.value).splitlines() == [
        "whose.toml cannot be used:",
        "  whose.toml: provider_code is missing: nothing is assumed for it",
        "  whose.toml: commissioner_code is missing: nothing is assumed for it",
        "  whose.toml: scheme_year is missing: nothing is assumed for it",
    ]


def test_another_worksheet_puts_earlier_months_out_of_date(workspace: Workspace) -> None:
    """The instalments of a year follow on each other: April was paid by the worksheet before."""
    land(workspace, "rgt.toml", of_2024_25(opening_baseline=opening("2,000,000.00")))
    making.publish(workspace, MAY)
    assert queried(
        workspace,
        "SELECT activity_month FROM runs WHERE is_current AND pricing_basis = 'own_year'",
    ) == [(MAY,)]
    ((notices,),) = queried(
        workspace,
        f"SELECT notices FROM runs WHERE is_current AND activity_month = '{MAY}'",
    )
    assert (
        f"{APRIL} is out of date: it was made with other contract lines, plans, counts" in notices
    )


def test_what_else_a_file_says_puts_no_month_out_of_date(workspace: Workspace) -> None:
    land(workspace, "rgt.toml", of_2024_25(about="With another word at the top."))
    making.publish(workspace, MAY)
    assert queried(
        workspace, "SELECT activity_month FROM runs WHERE is_current AND pricing_basis = 'own_year'"
    ) == [(APRIL,), (MAY,)]


def test_another_pack_puts_earlier_months_out_of_date(workspace: Workspace) -> None:
    """April paid a twelfth; paid in quarters, April and May are a quarter, due in April."""
    path = workspace.data / "schemes" / "2024-25.toml"
    head, instalments = path.read_text("utf-8").split("[[fixed_element.instalments]]")
    quarters = instalments.replace("value = 12", "value = 4", 1)
    path.write_text(f"{head}[[fixed_element.instalments]]{quarters}", "utf-8")
    making.publish(workspace, MAY)
    assert queried(
        workspace, "SELECT activity_month FROM runs WHERE is_current AND pricing_basis = 'own_year'"
    ) == [(MAY,)]


# --- From activity -------------------------------------------------------------------------


def with_plans(workspace: Workspace, months: list[str]) -> None:
    """A day case of £500.00 and an emergency of £1,000.00 planned in each of some months."""
    header = ",".join(cell.header for cell in PLAN_CELLS)
    rows = [
        f"RGT,QMJ,{month},2026-27,,{line},agreed,1,{pounds}"
        for month in months
        for line, pounds in (("DC", "500.00"), ("NEL", "1000.00"))
    ]
    land(workspace, "activity_plans.csv", "\n".join([header, *rows, ""]))


ASKED = {"planned_variable": "from_activity", "planned_blended": "from_activity"}


def test_what_is_planned_is_taken_from_the_lake_and_cited(workspace: Workspace) -> None:
    """Twelve of £500.00 are variable; of twelve emergencies the fixed payment is £12,000.00."""
    with_plans(workspace, months_of("2026-27"))
    path = land(
        workspace,
        "rgt-2026.toml",
        of_2026_27(variable_and_blended_payment_removed=ASKED),
    )
    found = built(workspace, path)
    (line,) = [
        line
        for line in found.worked_out().lines
        if line.item == "variable_and_blended_payment_removed"
    ]
    assert line.amount_pence == -600_000 - 1_200_000
    inputs = found.inputs_of("variable_and_blended_payment_removed")
    assert inputs.startswith(
        "rgt-2026.toml [variable_and_blended_payment_removed]; planned_variable from plans of "
        "2026-04 to 2027-03, sha256 "
    )


def test_what_the_lake_fills_in_is_held_to_what_contracts_are(workspace: Workspace) -> None:
    """£2,515,000 less £2,500,000, £6,000 and £12,000."""
    with_plans(workspace, months_of("2026-27"))
    plain = document_of("items_2026_27", {"items": {}})["opening_baseline"]
    low = of_2026_27(
        opening_baseline={**plain, "fixed_payment": "2,515,000"},
        variable_and_blended_payment_removed=ASKED,
    )
    with pytest.raises(UserError) as raised:
        built(workspace, land(workspace, "rgt-2026.toml", low))
    assert str(raised.value) == (
        "rgt-2026.toml cannot be used:\n  rgt-2026.toml: the fixed element comes to -£3,000.00: "
        "more is taken off than there is, most by [identified_differences], -£2,500,000.00. It is "
        "paid to the provider, so that it cannot be below 0"
    )


def test_what_is_not_planned_whole_is_asked_for_by_name(workspace: Workspace) -> None:
    with_plans(workspace, months_of("2026-27")[:-1])
    path = land(
        workspace,
        "rgt-2026.toml",
        of_2026_27(variable_and_blended_payment_removed=ASKED),
    )
    with pytest.raises(UserError) as raised:
        built(workspace, path)
    title, *faults = str(raised.value).splitlines()
    assert title == "What the lake cannot supply must be given in pounds:"
    parts = [fault.split("] ")[1].split(":")[0] for fault in faults]
    assert "planned_blended" in parts
    assert all("2027-03" in fault for fault in faults)


def test_a_month_that_a_file_asks_for_is_made_without_it(workspace: Workspace) -> None:
    """The twelve months of 2024/25 must be priced under 2026/27 before the file can be."""
    activity = {"from_activity": ["DC"], "year": "2024-25", "priced_under": "2026-27"}
    baseline = {
        **document_of("items_2026_27", {"items": {}})["opening_baseline"],
        "elective_activity": activity,
    }
    land(workspace, "rgt-2026.toml", of_2026_27(opening_baseline=baseline))
    asking = review().replace("[review]\n", '[review]\nactivity_year = "2024-25"\n')
    land(workspace, "rgt-review.toml", asking)
    account = making.publish(workspace.on(OTHER), APRIL)
    assert queried(workspace, "SELECT count(*) FROM repriced.fixed_element") == [(0,)]
    assert queried(workspace, "SELECT count(*) FROM repriced.fixed_element_review") == [(0,)]
    assert account.notices[-2:] == [
        "rgt-2026.toml: no instalment of its fixed element is in 2024-04 under 2026-27: "
        "elective_activity in it is asked of the activity of 2024-25, this with it.",
        "rgt-review.toml: its review is not in 2024-04 under 2026-27: it asks for the activity of "
        "2024-25, this with it.",
    ]


def test_months_that_are_not_priced_are_named(workspace: Workspace) -> None:
    activity = {"from_activity": ["DC"], "year": "2024-25", "priced_under": "2024-25"}
    path = land(
        workspace,
        "asked.toml",
        of_2024_25(
            opening_baseline={**opening("1,000,000"), "elective_recovery_funding": activity}
        ),
    )
    with pytest.raises(UserError) as raised:
        built(workspace, path)
    assert (
        str(raised.value)
        .splitlines()[1]
        .startswith(
            "  asked.toml: [opening_baseline] elective_recovery_funding: These months are not "
            f"priced: {JUNE}, 2024-07"
        )
    )
