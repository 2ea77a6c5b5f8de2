"""Reconciling with SUS+ in a run: what was planted is found, and what the command prints.

Belongs here: a synthetic month through every step, and the other price books that are tried.
Does not belong here: how a cause is found, which has its cases in `tests/rules`.
"""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from pipeline import making
from pipeline.making import PROVIDER, SUS_PRICE, attendance, land, new_workspace, spell
from typer.testing import CliRunner

from pipelines import reconciling, synth
from pipelines.cli import app
from pipelines.price_books import price_book_for
from pipelines.pricing_run import rulebook_for
from pipelines.workspace import UserError, Workspace
from pricing.reconciliation import CAUSES, COMPONENTS

MONTH = "2024-07"
SPELLS, ATTENDANCES = 6_000, 9_000
AMOUNTS = {
    "Tariff Initial Amount National": "500.00",
    "Tariff Pre MFF Adjusted National": "500.00",
}


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.at(tmp_path_factory.mktemp("reconciled"))
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1)).folder
    reference = synth.Reference.read(workspace.data / "organisations", book)
    synth.write_extracts([MONTH], SPELLS, ATTENDANCES, 5, workspace.landing, reference)
    making.publish(workspace)
    return workspace


def read(workspace: Workspace, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        return mart.execute(query).fetchall()


def test_every_difference_that_was_planted_is_found_with_its_cause(synthetic: Workspace) -> None:
    """And nothing else is, but for prices agreed locally, which SUS+ cannot know."""
    planted = json.loads(next(synthetic.landing.glob("expectations_*.json")).read_text("utf-8"))
    found = read(
        synthetic,
        "SELECT dataset, cause, count(*) FROM reconciliation_differences "
        "WHERE cause <> 'local_price' GROUP BY ALL",
    )
    assert {(dataset, cause): records for dataset, cause, records in found} == {
        (dataset, cause): records
        for dataset, of_one in planted["datasets"].items()
        for cause, records in of_one["total"]["differences"].items()
    }
    causes = {cause for _, cause, _ in found}
    assert causes == set(CAUSES) - {"local_price", "price_book_version", "unknown"}


def test_every_record_is_in_the_summary_once_for_each_part(synthetic: Workspace) -> None:
    priced = dict(
        read(
            synthetic,
            "SELECT dataset, count(*) FROM priced_lines WHERE line_number = 0 GROUP BY ALL",
        )
    )
    compared = read(
        synthetic,
        "SELECT dataset, component, sum(records)::BIGINT FROM reconciliation GROUP BY ALL",
    )
    assert {(dataset, component): records for dataset, component, records in compared} == {
        (dataset, component): records
        for dataset, records in priced.items()
        for component in COMPONENTS
    }


def test_the_sums_of_the_differences_are_those_of_the_summary(synthetic: Workspace) -> None:
    by_record = read(
        synthetic,
        "SELECT dataset, cause, count(*), sum(difference_pence)::BIGINT "
        "FROM reconciliation_differences GROUP BY ALL ORDER BY ALL",
    )
    by_cause = read(
        synthetic,
        "SELECT dataset, cause, sum(records)::BIGINT, sum(difference_pence)::BIGINT "
        "FROM reconciliation WHERE component = 'final' AND cause IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL",
    )
    assert by_record == by_cause


def test_the_largest_difference_comes_first(synthetic: Workspace) -> None:
    sizes = [abs(row[0]) for row in read(synthetic, "SELECT difference_pence FROM reconciliation")]
    assert sizes == sorted(sizes, reverse=True)


def test_the_rounding_of_sus_is_found(synthetic: Workspace) -> None:
    """Halves away from zero once, at the end; halves to even fit as well, since none is one."""
    rows = read(
        synthetic,
        "SELECT quantum_pence, applied, mode, sum(records_matching)::BIGINT, "
        "sum(records_tested)::BIGINT FROM sus_rounding GROUP BY ALL ORDER BY 4 DESC, 3",
    )
    assert len(rows) == 12
    (quantum, applied, mode, matching, tested), *_ = rows
    assert (quantum, applied, mode) == (1, "once", "half_away_from_zero")
    assert 0.98 < matching / tested < 1


def test_a_month_reconciled_in_parts_gives_the_same_tables(
    synthetic: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("reconciliation", "reconciliation_differences", "sus_rounding")
    whole = [pl.read_parquet(synthetic.statement(name, MONTH)) for name in names]
    monkeypatch.setattr(reconciling, "_RECORDS_AT_ONCE", 1_000)
    reconciling.make_reconciliation(synthetic, MONTH)
    for name, table in zip(names, whole, strict=True):
        assert pl.read_parquet(synthetic.statement(name, MONTH)).equals(table), name


def command(workspace: Workspace, *arguments: str) -> Any:
    runner = CliRunner()
    environment = {"SUS_PRICING_HOME": str(workspace.root), "COLUMNS": "300"}
    return runner.invoke(app, ["reconcile", *arguments], env=environment)


def test_the_command_prints_causes_with_what_to_do(synthetic: Workspace) -> None:
    done = command(synthetic, "--month", MONTH)
    assert done.exit_code == 0, done.output
    assert "Prices of SUS+ against ours, 2024-07" in done.output
    totals: Counter[str] = Counter()
    for line in done.output.splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        if len(cells) > 4 and cells[2] in CAUSES:
            totals[cells[2]] += int(cells[3].replace(",", ""))
    in_mart = read(synthetic, "SELECT cause, count(*) FROM reconciliation_differences GROUP BY ALL")
    assert totals == dict(in_mart)
    assert "rounded to" in done.output
    assert "to the penny, half away from zero, once, at the end" in done.output


def test_a_month_that_is_not_published_says_what_to_do(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path)
    with pytest.raises(UserError, match=r"Nothing is published yet.*run --month 2024-07"):
        reconciling.read_reconciliation(workspace, MONTH)
    land(workspace, f"freeze/apc_{MONTH}.csv", [spell("S1")])
    land(workspace, f"freeze/op_{MONTH}.csv", [attendance("A1")])
    making.publish(workspace)
    assert reconciling.read_reconciliation(workspace, MONTH)["reconciliation"].height > 0
    with pytest.raises(UserError, match=r"2024-08 is not published.*run --month 2024-08"):
        reconciling.read_reconciliation(workspace, "2024-08")


def test_a_price_of_the_same_year_published_at_another_time_is_that(tmp_path: Path) -> None:
    """Two other books: one of 2024/25, one of 2025/26, each with its own price of FE32Z."""
    workspace = new_workspace(tmp_path)
    book = workspace.data / "price_books" / "cases"
    ours = price_book_for(workspace, "2024-25", date(2024, 7, 1)).hrg_prices
    price = ours.filter(hrg_code="FE32Z")["combined_price_pence"].item()
    for year, published, name in (
        ("2024-25", "2024-01-01", "earlier"),
        ("2025-26", "2025-03-27", "later"),
    ):
        folder = book.with_name(name)
        folder.mkdir()
        (folder / "manifest.toml").write_text(
            f'name = "{name}"\nscheme_year = "{year}"\nillustrative = true\n'
            f"published_on = {published}\neffective_from = {year[:4]}-04-01\n"
            '[tables]\napc_and_outpatient_procedures = "apc.csv"\n',
            "utf-8",
        )
        header = (book / "apc_and_outpatient_procedures.csv").read_text("utf-8").splitlines()[0]
        moved = {"earlier": price // 100 + 10, "later": price // 100 + 20}[name]
        blanks = ["-"] * (header.count(",") + 1)
        blanks[:4] = ["FE32Z", "A colonoscopy", "-", f'"{moved}"']
        blanks[10] = "No"
        (folder / "apc.csv").write_text(f"{header}\n{','.join(blanks)}\n", "utf-8")
    moves = reconciling.other_prices(workspace, rulebook_for(workspace, MONTH))
    of_combined = moves.filter(price_key="FE32Z", unit_price_pence=price)
    assert dict(of_combined.select("other_price_pence", "other_price_cause").rows()) == {
        price + 1_000: "price_book_version",
        price + 2_000: "rule_year",
    }


def test_a_record_that_sus_priced_and_we_refuse_is_not_compared(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path)
    refused = spell("S2", {PROVIDER: "XXX", SUS_PRICE: "1.00"})
    land(workspace, f"freeze/apc_{MONTH}.csv", [spell("S1", AMOUNTS), refused])
    land(workspace, f"freeze/op_{MONTH}.csv", [attendance("A1")])
    making.publish(workspace)
    made = pl.read_parquet(workspace.statement("reconciliation", MONTH))
    final = made.filter(component="final", dataset="apc")
    assert final["records"].sum() == 1
