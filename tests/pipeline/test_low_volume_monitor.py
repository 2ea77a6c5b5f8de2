"""The monitor of LVA blocks in real months, and the conservation statement that stops a run.

Belongs here: real workspaces, each with one thing changed of what shows that nothing is paid for
twice; the schedules of a year as known on a day; and what the command prints. Does not belong here:
what a block covers or when it is due (`tests/cases/blocks/`).
"""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from pipeline import making
from pipeline.making import (
    ADJUSTED_STAY,
    CLASSIFICATION,
    COMMISSIONER,
    DERIVED_COMMISSIONER,
    END,
    METHOD,
    PROVIDER,
    QUERY_DATE,
    START,
    STAY,
    UNBUNDLED,
    add_book_of_2026_27,
    attendance,
    land,
    new_workspace,
    spell,
)
from support import BOOK
from typer.testing import CliRunner, Result

from pipelines import accounting
from pipelines.basis import PricingBasis
from pipelines.cli import app
from pipelines.excluded_items import ITEM_CELLS
from pipelines.low_volume.conservation import UNEXPLAINED, conservation
from pipelines.low_volume.monitor import read_monitor
from pipelines.pricing_run import CONTRACT_LINES, make_low_volume, priced_path
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace
from schemas.priced_line import LOW_VOLUME_ADDITIONS

JUNE, JULY = "2024-06", "2024-07"
OWN, OTHER = "2024-25", "2026-27"
EMERGENCY = {METHOD: "21", CLASSIFICATION: "1", STAY: "2", ADJUSTED_STAY: "2"}
ITEMS = """
I1,,RRV,QHM,2024-07,drug,Adalimumab,no,2,100.00,90.00,
I2,,RTD,QMJ,2024-07,drug,Adalimumab,no,1,100.00,90.00,
"""


def of(provider: str, payer: str, month: str, **more: str) -> dict[str, str]:
    day = f"{month.replace('-', '')}10"
    return {
        PROVIDER: provider,
        COMMISSIONER: payer,
        DERIVED_COMMISSIONER: payer,
        START: day,
        END: day,
        QUERY_DATE: "20250919063000",
        **more,
    }


def land_month(workspace: Workspace, month: str) -> None:
    """RRV with QHM in its block, a drug with it; RTD with QMJ by choice and as an emergency.

    And RGT with QMJ, which is on no schedule.
    """
    emergency = {**EMERGENCY, END: f"{month.replace('-', '')}12"}
    land(
        workspace,
        f"freeze/apc_{month}.csv",
        [
            spell(f"S1-{month}", of("RRV", "00L", month)),
            spell(f"S2-{month}", {**of("RRV", "00L", month), **emergency, UNBUNDLED: "XD01Z"}),
            spell(f"S3-{month}", of("RTD", "93C", month)),
            spell(f"S4-{month}", {**of("RTD", "93C", month), **emergency}),
            spell(f"S5-{month}", of("RGT", "93C", month)),
        ],
    )
    day = {making.APPOINTMENT: f"{month.replace('-', '')}10", QUERY_DATE: "20250919063000"}
    land(workspace, f"freeze/op_{month}.csv", [attendance(f"A1-{month}", day)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """June and July 2024, July under 2026/27 too, in a folder whose name has an apostrophe."""
    workspace = new_workspace(tmp_path_factory.mktemp("St Mary's blocks"))
    add_book_of_2026_27(workspace)
    header = ",".join(cell.header for cell in ITEM_CELLS)
    land(workspace, "excluded_items.csv", f"{header}\n{ITEMS.lstrip()}")
    shutil.copy(BOOK / "lva_exceptions.csv", workspace.landing)
    for month in (JUNE, JULY):
        land_month(workspace, month)
        making.publish(workspace, month)
    making.publish(workspace.on(PricingBasis(OTHER)), JULY)
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to tamper with."""
    return Workspace.at(shutil.copytree(made.root, tmp_path / "St Mary's"))


def on(workspace: Workspace, year: str) -> Workspace:
    return workspace if year == OWN else workspace.on(PricingBasis(year))


def rows(workspace: Workspace, month: str = JULY) -> dict[tuple[str, str], dict[str, Any]]:
    table = pl.read_parquet(workspace.statement("low_volume", month))
    return {(r["provider_code"], r["commissioner_code"]): r for r in table.to_dicts()}


# --- A real month --------------------------------------------------------------------------


def test_each_block_shows_what_it_covered_and_what_was_paid_beside_it(made: Workspace) -> None:
    """RRV: £500.00 and £600.00 x 1.1, a drug of £180.00; RTD: £500.00 outside, £600.00 inside."""
    found = rows(made)
    row = found["RRV", "QHM"]
    assert (row["covered_activity"], row["covered_value_pence"]) == (3, 55_000 + 66_000)
    assert row["api_variable_payable_pence"] == 55_000
    assert (row["api_fixed_activity"], row["api_fixed_value_pence"]) == (1, 66_000)
    assert (row["api_other_activity"], row["covered_lines_without_price"]) == (1, 1)
    assert (row["items_held"], row["items_held_amount_pence"], row["items_apart"]) == (1, 18_000, 0)
    assert (row["schedule_published_on"], row["schedule_effective_from"]) == (
        date(2024, 3, 27),
        date(2024, 4, 1),
    )
    assert (row["payment_due_pence"], row["payment_due_by"]) == (21_200_000, date(2024, 6, 30))
    row = found["RTD", "QMJ"]
    assert (row["covered_activity"], row["covered_value_pence"]) == (1, 60_000)
    assert (row["exception_activity"], row["exception_payable_pence"]) == (1, 50_000)
    assert row["has_patient_choice_exception"]
    # The drug is held by the block of the pair, since no record is named.
    assert row["items_held"] == 1


def test_under_2026_27_items_are_billed_apart_and_emergencies_would_be_blended(
    made: Workspace,
) -> None:
    """2026/27 ¶81, ¶116: of £180.00 and £90.00 nothing is held."""
    found = rows(on(made, OTHER))
    row = found["RRV", "QHM"]
    assert (row["covered_activity"], row["api_blended_value_pence"]) == (2, 66_000)
    assert (row["items_apart"], row["items_apart_payable_pence"], row["items_held"]) == (
        1,
        18_000,
        0,
    )
    assert (row["payment_due_pence"], row["payment_due_by"]) == (21_200_000, date(2026, 9, 30))
    assert found["RTD", "QMJ"]["items_apart_payable_pence"] == 9_000


@pytest.mark.parametrize("year", [OWN, OTHER])
def test_nothing_is_paid_for_twice(made: Workspace, year: str) -> None:
    found = conservation(on(made, year), JULY)
    assert found.faults == []
    became = {share.became: share.lines for share in found.shares if share.lines}
    apart = {"excluded items, billed apart": 1} if year == OTHER else {}
    in_block = {"in a block": 4 - len(apart)}
    assert became == {**in_block, **apart, "outside the block by an exception": 1}


# --- Tampering -----------------------------------------------------------------------------

Change = Callable[[pl.DataFrame], pl.DataFrame]
IN_BLOCK = pl.col("payment_mechanism") == "lva_block"
OF_RRV = (pl.col("provider_code") == "RRV") & (pl.col("commissioner_code") == "QHM")
OF_RTD = pl.col("provider_code") == "RTD"
OF_RGT = pl.col("provider_code") == "RGT"


def where(condition: pl.Expr, **values: Any) -> Change:
    """Other values in the rows for which a condition holds, of which there must be some."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        assert table.filter(condition).height
        return table.with_columns(
            pl.when(condition).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return change


def again(condition: pl.Expr, **values: Any) -> Change:
    """Some rows once more, with other values."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        more = table.filter(condition)
        assert more.height
        return pl.concat([table, more.with_columns(**values)])

    return change


def without(condition: pl.Expr) -> Change:
    return lambda table: table.filter(~condition)


PAID = {
    "payment_mechanism": pl.lit("api_variable"),
    "mechanism_rule": pl.lit("elective_activity"),
    "payable_pence": pl.col("value_pence"),
}
ELECTIVE_IN_BLOCK = IN_BLOCK & OF_RRV & (pl.col("point_of_delivery_code") == "DC")
EXCEPTED = OF_RTD & (pl.col("payment_mechanism") == "api_variable")
ONE_MORE = pl.col("covered_activity") + 1


@pytest.mark.parametrize(
    ("year", "where_", "change", "notices"),
    [
        (OWN, "lines", where(IN_BLOCK, payable_pence=pl.lit(1)), "lines in a block that are paid"),
        (
            OWN,
            "lines",
            where(IN_BLOCK, payable_pence=pl.lit(None, dtype=pl.Int64)),
            "lines in a block that are paid",
        ),
        (OWN, "lines", where(ELECTIVE_IN_BLOCK, **PAID), f"lines {UNEXPLAINED}"),
        (OTHER, "lines", where(ELECTIVE_IN_BLOCK, **PAID), f"lines {UNEXPLAINED}"),
        (OWN, "lines", again(ELECTIVE_IN_BLOCK, **PAID), "lines in a block that are outside it"),
        (
            OWN,
            "lines",
            where(OF_RGT, payment_mechanism=pl.lit("lva_block"), payable_pence=pl.lit(0)),
            "lines in blocks = lines of pairs that have one",
        ),
        # An emergency is no elective care that a patient chose (2023/25 ¶79).
        (
            OWN,
            "lines",
            where(EXCEPTED, point_of_delivery_code=pl.lit("NEL")),
            f"lines {UNEXPLAINED}",
        ),
        # In 2024/25 a drug of a block is in it (2023/25 ¶87).
        (
            OWN,
            "lines",
            where(
                IN_BLOCK & OF_RRV & (pl.col("line_number") == 1),
                payment_mechanism=pl.lit("excluded_item"),
                mechanism_rule=pl.lit("excluded_item"),
            ),
            f"lines {UNEXPLAINED}",
        ),
        # The exception of RTD began on 1 July.
        (
            OWN,
            "valid",
            where(pl.col("record_id").str.starts_with("S3"), end_date=date(2024, 6, 30)),
            f"lines {UNEXPLAINED}",
        ),
        (
            OWN,
            "contract_lines",
            again(OF_RTD, provider_code=pl.lit("RRV"), commissioner_code=pl.lit("QHM")),
            "contract lines of listed pairs: activity",
        ),
        (
            OWN,
            "contract_lines",
            where(OF_RTD, value_pence=pl.col("value_pence") + 1),
            "contract lines of listed pairs: value_pence",
        ),
        (
            OWN,
            "contract_lines",
            where(OF_RTD, provider_code=pl.lit("RRV"), commissioner_code=pl.lit("QHM")),
            "pairs whose contract lines hold others",
        ),
        (
            OWN,
            "excluded_items",
            where(IN_BLOCK, payable_pence=pl.lit(1)),
            "items that a block holds and that are paid",
        ),
        (
            OWN,
            "excluded_items",
            where(
                IN_BLOCK & OF_RRV,
                payment_mechanism=pl.lit("excluded_item"),
                payable_pence=pl.col("amount_pence"),
            ),
            "items paid beside a block that the year does not pay apart",
        ),
        (
            OWN,
            "low_volume",
            where(OF_RRV, api_fixed_activity=pl.col("api_fixed_activity") + 1),
            "covered_activity = lines under API",
        ),
        (
            OWN,
            "low_volume",
            where(OF_RRV, api_variable_value_pence=pl.col("api_variable_value_pence") - 1),
            "covered_value_pence = worth under API",
        ),
        (
            OWN,
            "low_volume",
            where(
                OF_RRV | OF_RTD,
                api_fixed_value_pence=pl.col("api_fixed_value_pence")
                + pl.when(OF_RRV).then(1).otherwise(-1),
            ),
            "pairs of whose covered lines API has not the same",
        ),
        *(
            (
                OWN,
                "low_volume",
                where(OF_RTD, **{name: pl.col(name) + 1}),
                "pairs that the monitor does not show as lines and items do",
            )
            for name in (
                *("covered_activity", "covered_value_pence", "exception_activity"),
                *("exception_value_pence", "items_apart", "items_apart_amount_pence"),
                *("items_held", "items_held_amount_pence"),
            )
        ),
        (OWN, "low_volume", without(OF_RTD), "rows of the monitor = pairs of the schedule"),
        (
            OWN,
            "low_volume",
            where(OF_RTD, additional_payment_pence=pl.lit(1)),
            "additional_payment_pence = additions on top",
        ),
    ],
)
def test_what_is_changed_is_noticed(
    workspace: Workspace, year: str, where_: str, change: Change, notices: str
) -> None:
    basis = on(workspace, year)
    path = {
        "lines": priced_path(basis, "apc", JULY, "freeze"),
        "valid": valid_path(basis, "apc", JULY, "freeze"),
        **{n: basis.statement(n, JULY) for n in (CONTRACT_LINES, "excluded_items", "low_volume")},
    }[where_]
    change(pl.read_parquet(path)).write_parquet(path)
    faults = [fault.says for fault in conservation(basis, JULY).faults]
    assert any(notices in says for says in faults), faults
    of_account = [fault.says for fault in accounting.account(basis, JULY).faults]
    assert set(faults) <= set(of_account)


# --- Schedules of a year -------------------------------------------------------------------


def reissue(workspace: Workspace, of_book: str, published_on: str, effective_from: str) -> None:
    """A book of the year again, with the block of RRV at £220,000.00, under its own days."""
    shelf = workspace.data / "price_books"
    shutil.copytree(shelf / of_book, shelf / "reissue")
    manifest = shelf / "reissue" / "manifest.toml"
    lines = [
        f"published_on = {published_on}"
        if line.startswith("published_on")
        else f"effective_from = {effective_from}"
        if line.startswith("effective_from")
        else 'name = "reissue"'
        if line.startswith("name")
        else line
        for line in manifest.read_text("utf-8").splitlines()
    ]
    manifest.write_text("\n".join(lines) + "\n", "utf-8")
    schedule = shelf / "reissue" / "lva_payments_schedule.csv"
    text = schedule.read_text("utf-8").replace('RRV,QHM,"212,000"', 'RRV,QHM,"220,000"')
    schedule.write_text(text, "utf-8")


def remade(workspace: Workspace) -> dict[str, Any]:
    for dataset in ("apc", "op"):
        making.price(workspace, dataset, JULY)
    making.make_statements(workspace, JULY)
    make_low_volume(workspace, JULY)
    return rows(workspace)["RRV", "QHM"]


def test_an_update_that_takes_effect_later_is_due_but_not_yet_the_block(
    workspace: Workspace,
) -> None:
    """£220,000.00 less £212,000.00, published on 1 October 2026 for what follows."""
    reissue(workspace, "cases-2026", "2026-10-01", "2026-10-01")
    row = remade(on(workspace, OTHER))
    assert (row["block_value_pence"], row["schedule_effective_from"]) == (
        21_200_000,
        date(2026, 4, 1),
    )
    assert (row["payment_due_pence"], row["payment_due_by"]) == (21_200_000, date(2026, 9, 30))
    assert row["additional_payment_pence"] == 800_000
    added = pl.read_parquet(on(workspace, OTHER).statement("low_volume_additions", JULY))
    assert added.columns == [field.name for field in LOW_VOLUME_ADDITIONS]
    assert added.rows() == [
        (
            *(JULY, OTHER, "RRV", "QHM", date(2026, 10, 1)),
            *(21_200_000, 22_000_000, 800_000, date(2026, 11, 30), False),
        )
    ]
    assert row["payment_reason_code"] == "BLOCK_UPDATED_AFTER_DUE"


@pytest.mark.parametrize(
    ("as_of", "due", "by", "added"),
    [
        (date(2024, 5, 19), 21_200_000, date(2024, 6, 30), None),
        (date(2024, 5, 20), 22_000_000, date(2024, 6, 30), None),
    ],
)
def test_a_schedule_counts_from_the_day_it_was_published(
    workspace: Workspace, as_of: date, due: int, by: date, added: int | None
) -> None:
    reissue(workspace, "cases", "2024-05-20", "2024-04-01")
    row = remade(workspace.on(PricingBasis(None, as_of)))
    assert (row["block_value_pence"], row["payment_due_pence"]) == (due, due)
    assert (row["payment_due_by"], row["additional_payment_pence"]) == (by, added)


def test_a_schedule_that_comes_later_in_the_year_is_among_what_made_the_month(
    workspace: Workspace,
) -> None:
    reissue(workspace, "cases", "2024-12-02", "2024-12-02")
    with pytest.raises(UserError, match="have changed since 2024-07 was priced"):
        accounting.account(workspace, JULY)
    account = making.publish(workspace, JULY)
    assert "LVA payments schedule reissue" in account.pricing_inputs


def test_an_official_schedule_to_come_is_no_update_of_the_illustrative_one_in_use(
    workspace: Workspace,
) -> None:
    """An official table that takes effect on 1 October: in July the illustrative one is in use."""
    books = workspace.data / "price_books"
    reissue(workspace, "cases", "2024-06-20", "2024-10-01")
    manifest = books / "reissue" / "manifest.toml"
    text = manifest.read_text("utf-8")
    assert "illustrative = true" in text
    manifest.write_text(text.replace("illustrative = true", "illustrative = false"), "utf-8")
    row = remade(workspace)
    assert (row["block_value_pence"], row["payment_due_pence"]) == (21_200_000, 21_200_000)
    assert row["payment_reason_code"] == "BLOCK_DUE_BY_DAY"


def test_the_parts_of_a_block_are_shown_as_published(workspace: Workspace) -> None:
    """£200,000.00 + £2,000.00 + £10,000.00; of the others the schedule says nothing."""
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(
        "provider_code,commissioner_code,core,secondary_dental,delegated_specialised,block_value\n"
        'RRV,QHM,"200,000","2,000","10,000","212,000"\nRTD,QMJ,-,-,-,"95,000"\n',
        "utf-8",
    )
    row = remade(workspace)
    parts = ("core_pence", "secondary_dental_pence", "specialised_pence")
    assert [row[part] for part in parts] == [20_000_000, 200_000, 1_000_000]
    assert row["acute_pence"] is row["acute_mental_health_community_pence"] is None
    assert {rows(workspace)["RTD", "QMJ"][part] for part in parts} == {None}


def test_parts_that_do_not_make_the_block_are_refused(workspace: Workspace) -> None:
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(
        "provider_code,commissioner_code,core,secondary_dental,delegated_specialised,block_value\n"
        'RRV,QHM,"200,000","2,000","10,001","212,000"\n',
        "utf-8",
    )
    with pytest.raises(UserError, match=r"line 2: .* is £212,000\.00, but .* make £212,001\.00"):
        remade(workspace)


# --- Mergers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "told"),
    [
        ("2024-09", False),
        ("2024-10", True),
    ],
)
def test_blocks_of_closed_organisations_are_told_to_be_listed_for_nobody(
    tmp_path: Path, month: str, told: bool
) -> None:
    """From 1 October 2024 QZA is part of QMJ, and RZA is RZB; RYB is RYC since April 2020."""
    workspace = new_workspace(tmp_path / "workspace")
    with (workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv").open("a") as file:
        file.write('RRV,QZA,"40,000"\nRTD,QZA,"1,000.50"\nRZA,QHM,"5,000"\n')
    land_month(workspace, month)
    account = making.publish(workspace, month)
    notices = [notice for notice in account.notices if "LVA payments schedule" in notice]
    listed_for = "of blocks is listed for nobody, and no block pays for their activity. Where"
    express = "merged, re-express the schedule: sus-pricing lva reexpress."
    of_provider = (
        "The LVA payments schedule lists 1 pair of RYB (now RYC), no provider in "
        f"2024-09: £40,000.00 {listed_for} providers {express}"
    )
    if told:
        of_provider = (
            "The LVA payments schedule lists 2 pairs of RYB (now RYC), RZA (now RZB), no "
            f"provider in 2024-10: £45,000.00 {listed_for} providers {express}"
        )
    of_payer = (
        "The LVA payments schedule lists 2 pairs of QZA (now QMJ), no ICB in 2024-10: "
        f"£41,000.50 {listed_for} ICBs {express}"
    )
    assert notices == [of_provider, *([of_payer] if told else [])]
    for pair in (("RRV", "QZA"), ("RZA", "QHM")):
        row = rows(workspace, month)[pair]
        assert row["is_block_pair"] is not told
        if told:
            due = row["payment_due_pence"], row["payment_reason_code"]
            assert due == (None, "BLOCK_NOT_OF_PARTIES")


# --- As published --------------------------------------------------------------------------


def command(workspace: Workspace, *arguments: str) -> Result:
    environment = {"SUS_PRICING_HOME": str(workspace.root), "COLUMNS": "200"}
    return CliRunner().invoke(app, ["lva", "monitor", *arguments], env=environment)


def test_the_command_prints_the_month_the_year_and_what_is_due(made: Workspace) -> None:
    done = command(made, "--month", JULY)
    assert done.exit_code == 0, done.output
    for text in (
        "In blocks, and under API, 2024-07",
        "In blocks, and under API, 2024-06 to 2024-07",
        "Payments of 2024-25, as known",
        "due by day: The block is due",
        "Conservation statement, 2024-06 to 2024-07: lines of listed pairs",
        "holds: lines in a block that are paid = none (0)",
        "Not in the year to date, for they are not published or out of date: 2024-04, 2024-05.",
        "ILLUSTRATIVE",
    ):
        assert text in done.output
    assert "DOES NOT HOLD" not in done.output


def test_the_document_has_the_month_and_the_year_to_date(made: Workspace) -> None:
    """RRV in two months: 3 lines and £1,210.00 each; RTD in June, before its exception, 2 lines."""
    document = json.loads(command(made, "--month", JULY, "--json").output)
    assert document["months"] == [JUNE, JULY]
    assert document["not_published"] == ["2024-04", "2024-05"]
    of_pair = {(row["provider_code"], row["commissioner_code"]): row for row in document["to_date"]}
    row = of_pair["RRV", "QHM"]
    assert (row["covered_activity"], row["covered_value_pence"]) == (6, 2 * 121_000)
    assert row["api_variable_payable_pence"] == 2 * 55_000
    row = of_pair["RTD", "QMJ"]
    assert (row["covered_activity"], row["covered_value_pence"]) == (3, 60_000 + 110_000)
    assert (row["exception_activity"], row["exception_payable_pence"]) == (1, 50_000)
    assert row["payment_due_pence"] == 9_500_000
    for name in ("conservation", "conservation_to_date"):
        assert all(equality["holds"] for equality in document[name]["equalities"])
    in_block = document["conservation_to_date"]["shares"][0]
    assert (in_block["became"], in_block["lines"]) == ("in a block", 9)


def test_one_pair_can_be_asked_for(made: Workspace) -> None:
    document = json.loads(command(made, "--month", JULY, "--provider", "rtd", "--json").output)
    assert [row["provider_code"] for row in document["blocks"]] == ["RTD"]
    assert document["conservation"]["shares"][0]["lines"] == 1
    assert all(one["holds"] for one in document["conservation"]["equalities"])


def test_what_is_published_and_paid_twice_is_shown(workspace: Workspace) -> None:
    with duckdb.connect(str(workspace.mart)) as mart:
        mart.execute(
            "UPDATE priced_lines SET payable_pence = 1 "
            "WHERE payment_mechanism = 'lva_block' AND activity_month = '2024-07'"
        )
    done = command(workspace, "--month", JULY)
    assert "DOES NOT HOLD: lines in a block that are paid = none (4 against 0)" in done.output


def test_what_is_published_beside_a_block_must_be_of_the_kind_that_its_exception_takes_out(
    workspace: Workspace,
) -> None:
    """RTD has the exception of elective care by choice (2023/25 ¶79), which no emergency is."""
    with duckdb.connect(str(workspace.mart)) as mart:
        mart.execute(
            "UPDATE priced_lines SET point_of_delivery_code = 'NEL' WHERE provider_code = 'RTD' "
            "AND payment_mechanism = 'api_variable' AND activity_month = '2024-07'"
        )
    done = command(workspace, "--month", JULY)
    assert (
        "DOES NOT HOLD: lines paid beside the block without a reason = none (1 against 0)"
        in done.output
    )


def test_a_pair_that_is_not_listed_is_named(made: Workspace) -> None:
    with pytest.raises(UserError, match=r"in effect in 2024-07 lists no pair of RGT with QMJ\."):
        read_monitor(made, JULY, "RGT", "QMJ")


def test_a_month_that_was_not_run_is_named_with_its_command(made: Workspace) -> None:
    with pytest.raises(UserError, match=r"2024-05 is not published, or is out of date\. Run it"):
        read_monitor(made, "2024-05")


def test_a_mart_of_an_earlier_version_is_named(workspace: Workspace) -> None:
    with duckdb.connect(str(workspace.mart)) as mart:
        mart.execute("DROP VIEW low_volume_gbp")
        mart.execute("ALTER TABLE low_volume DROP COLUMN payment_reason_code")
    with pytest.raises(UserError, match=r"made by an earlier version of sus-pricing\."):
        read_monitor(workspace, JULY)


def test_a_month_of_a_year_without_blocks_says_so(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "workspace")
    with pytest.raises(UserError, match="Nothing is published yet"):
        read_monitor(workspace, JULY)
