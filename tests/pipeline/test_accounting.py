"""Total accounting: every record once, every penny in one place, and a fault where not.

Belongs here: the equalities, and that each of them notices. Does not belong here: what is
done about a fault (`test_dagster.py`), or what the mart itself is held against.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pipeline import making
from pipeline.making import attendance, land, new_workspace, spell

from pipelines import accounting, pricing_run, synth
from pipelines.accounting import Account, read_account
from pipelines.deliveries import take_in
from pipelines.local_prices import PRICE_CELLS
from pipelines.organisations import read_organisations
from pipelines.price_books import price_book_for
from pipelines.pricing_run import priced_path
from pipelines.validation import refused_path, valid_path, validate
from pipelines.workspace import PROJECT, UserError, Workspace

MONTH = "2024-07"
APPROVALS = "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published month with paid, blocked, zero-priced, local, refused and warned records."""
    workspace = new_workspace(tmp_path_factory.mktemp("made"))
    block = {making.PROVIDER: "RRV", making.DERIVED_COMMISSIONER: "QHM"}
    land(
        workspace,
        f"freeze/apc_{MONTH}.csv",
        [
            spell("S1", {making.EBI_CATEGORY: "1", making.EBI_TYPE: "A_snoring"}),
            spell("S2", block),
            spell("S3", {making.UNBUNDLED: "SB97Z", making.SPELL_CATEGORY: "02"}),
            spell("S4", {making.SPELL_HRG: ""}),
            spell("S5", {making.PROVIDER: "RCF"}),
            spell("S6", {making.PROVIDER: " X9901 "}),
            spell("S7", {making.PROVIDER: "X9901", making.DERIVED_COMMISSIONER: "ZZZ"}),
            spell("S8", {making.DERIVED_COMMISSIONER: "", making.COMMISSIONER: "Y99"}),
        ],
    )
    land(
        workspace,
        f"freeze/op_{MONTH}.csv",
        [attendance("A1"), attendance("A2", {making.TREATMENT_FUNCTION: "650"})],
    )
    rows = [
        making.of_episode("E1", "S1", "1", "8"),
        making.of_episode("E3", "S3", "1", "5"),
        making.of_episode("E4", "S4", "1", "5"),
    ]
    land(workspace, f"freeze/cds62_{MONTH}.csv", making.supplementary(*rows))
    making.publish(workspace, MONTH)
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to tamper with."""
    return Workspace.at(shutil.copytree(made.root, tmp_path / "workspace"))


# --- What is counted -----------------------------------------------------------------------


def test_every_record_is_counted_once(made: Workspace) -> None:
    account = read_account(made, MONTH)
    assert (account.delivered, account.priced, account.refused) == (10, 5, 5)
    apc, op = account.datasets
    assert (apc.dataset, apc.delivered, apc.valid, apc.priced) == ("apc", 8, 7, 3)
    assert (apc.refused_by_validation, apc.refused_by_pricing) == (1, 4)
    assert (op.dataset, op.delivered, op.priced, op.refused_by_code) == ("op", 2, 2, {})
    assert apc.warnings == {"OVERSEAS_VISITOR_UNKNOWN": 1}


def test_a_supplementary_extract_is_among_what_made_the_month(made: Workspace) -> None:
    """Once, though both datasets were validated with it; no record of it is delivered."""
    name = f"freeze/cds62_{MONTH}.csv"
    sha256 = hashlib.sha256((made.landing / name).read_bytes()).hexdigest()
    read = {"name": name, "sha256": sha256, "records": 3}
    assert [d.supplements for d in read_account(made, MONTH).datasets] == [[read], [read]]
    with duckdb.connect(str(made.mart), read_only=True) as mart:
        (kept,) = mart.execute("SELECT deliveries FROM runs").fetchall()
    deliveries = json.loads(kept[0])
    assert [d["dataset"] for d in deliveries] == ["apc", "op", "supplement"]
    assert deliveries[-1] == {**read, "dataset": "supplement"}


def test_every_penny_is_under_one_mechanism(made: Workspace) -> None:
    account = read_account(made, MONTH)
    by_mechanism = {
        (m.dataset, m.payment_mechanism): (m.lines, m.value_pence, m.payable_pence)
        for m in account.mechanisms
    }
    assert by_mechanism == {
        ("apc", "api_variable"): (1, 56_173, 0),
        ("apc", "lva_block"): (1, 55_000, 0),
        # The private spell and its imaging, which the price of the spell holds.
        ("apc", "outside_scheme"): (2, 56_173, 0),
        ("op", "api_variable"): (2, 22_469, 22_469),
    }
    without_price = {m.payment_mechanism: m.lines_without_price for m in account.mechanisms}
    assert without_price["api_variable"] == 1


def test_refusals_are_counted_by_code(made: Workspace) -> None:
    apc, _ = read_account(made, MONTH).datasets
    assert apc.refused_by_code == {
        "COMMISSIONER_UNKNOWN": 2,
        "PROVIDER_UNKNOWN": 2,
        "HRG_MISSING": 1,
        "MFF_MISSING": 1,
    }


def test_the_organisations_behind_refusals_are_named(made: Workspace) -> None:
    """As delivered, less blanks; the commissioner is the one that pricing looked up."""
    apc, _ = read_account(made, MONTH).datasets
    assert apc.refused_organisations == {
        "PROVIDER_UNKNOWN": {"X9901": 2},
        "MFF_MISSING": {"RCF": 1},
        "COMMISSIONER_UNKNOWN": {"Y99": 1, "ZZZ": 1},
    }


def test_files_are_named_with_their_records(made: Workspace) -> None:
    apc, op = read_account(made, MONTH).datasets
    assert [(file["name"], file["records"]) for file in (*apc.files, *op.files)] == [
        (f"freeze/apc_{MONTH}.csv", 8),
        (f"freeze/op_{MONTH}.csv", 2),
    ]
    assert all(len(file["sha256"]) == 64 for file in (*apc.files, *op.files))


def test_everything_it_was_priced_with_is_named_by_its_hash(made: Workspace) -> None:
    inputs = read_account(made, MONTH).pricing_inputs
    assert {name.split(" ")[0] for name in inputs} == {"scheme", "price", "organisations"}
    assert all(len(sha256) == 64 for sha256 in inputs.values())


def test_the_account_that_is_kept_is_the_account_that_was_made(workspace: Workspace) -> None:
    account = accounting.account(workspace, MONTH)
    assert read_account(workspace, MONTH) == account
    assert isinstance(account, Account)


def test_the_hash_does_not_change_with_the_order_of_rows(workspace: Workspace) -> None:
    path = priced_path(workspace, "apc", MONTH, "freeze")
    before = accounting.account(workspace, MONTH)
    pl.read_parquet(path).reverse().write_parquet(path)
    assert accounting.account(workspace, MONTH) == before


# --- What must be the same -----------------------------------------------------------------


def test_a_line_lost_and_another_doubled_does_not_tie_out(workspace: Workspace) -> None:
    path = priced_path(workspace, "apc", MONTH, "freeze")
    lines = pl.read_parquet(path)
    pl.concat([lines.head(lines.height - 1), lines.head(1)]).write_parquet(path)
    faults = accounting.account(workspace, MONTH).faults
    assert any("distinct lines" in fault.says for fault in faults)


def test_all_equalities_hold(made: Workspace) -> None:
    account = read_account(made, MONTH)
    assert account.faults == []
    assert len(account.equalities) == 72
    assert {e.left for e in account.equalities if e.says.startswith("contract lines")} == {
        3,
        56_173 + 22_469,
        22_469,
    }


Frame = Callable[[pl.DataFrame], pl.DataFrame]


def rewrite(path: Path, change: Frame) -> None:
    change(pl.read_parquet(path)).write_parquet(path)


def without_a_row(frame: pl.DataFrame) -> pl.DataFrame:
    assert frame.height
    return frame[1:]


def with_a_row_twice(frame: pl.DataFrame) -> pl.DataFrame:
    assert frame.height
    return pl.concat([frame, frame[:1]])


def with_a_penny_more(column: str) -> Frame:
    return lambda frame: frame.with_columns(pl.col(column) + 1)


def of_another_mechanism(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(payment_mechanism=pl.lit("api_fixed"))


@pytest.mark.parametrize(
    ("where", "change", "notices"),
    [
        ("valid", without_a_row, "delivered = valid + refused"),
        ("valid", with_a_row_twice, "delivered = valid + refused"),
        ("refused by validation", without_a_row, "delivered = valid + refused"),
        ("refused by pricing", without_a_row, "valid records = priced + refused"),
        ("refused by pricing", with_a_row_twice, "valid records = priced + refused"),
        ("priced", without_a_row, "valid records = priced + refused"),
        ("priced", with_a_row_twice, "valid records = priced + refused"),
        ("priced", of_another_mechanism, "contract lines: lines"),
        ("priced", of_another_mechanism, "low volume statement: lines"),
        ("priced", with_a_penny_more("value_pence"), "contract lines: value_pence"),
        ("priced", with_a_penny_more("value_pence"), "low volume statement: value_pence"),
        ("priced", with_a_penny_more("payable_pence"), "contract lines: payable_pence"),
        ("contract_lines", without_a_row, "contract lines: lines"),
        ("contract_lines", with_a_penny_more("payable_pence"), "contract lines: payable_pence"),
        ("contract_lines", with_a_penny_more("value_pence"), "contract lines: value_pence"),
        ("variable_element", without_a_row, "variable element and blend: activity"),
        ("contract_statement", with_a_penny_more("known_payable_pence"), "of lva_block"),
        ("contract_statement", with_a_penny_more("known_payable_pence"), "of outside_scheme"),
        ("contract_statement", without_a_row, "contract statement: activity"),
        ("low_volume", with_a_penny_more("covered_value_pence"), "value_pence"),
        ("low_volume", with_a_penny_more("covered_activity"), "lines"),
    ],
)
def test_what_is_changed_on_the_way_is_noticed(
    workspace: Workspace, where: str, change: Frame, notices: str
) -> None:
    paths = {
        "valid": valid_path(workspace, "apc", MONTH, "freeze"),
        "refused by validation": refused_path(workspace, "apc", MONTH, "freeze", "validation"),
        "refused by pricing": refused_path(workspace, "apc", MONTH, "freeze", "pricing"),
        "priced": priced_path(workspace, "apc", MONTH, "freeze"),
        **{
            name: workspace.statement(name, MONTH)
            for name in ("contract_lines", "variable_element", "contract_statement")
        },
        "low_volume": workspace.statement("low_volume", MONTH),
    }
    rewrite(paths[where], change)
    faults = [fault.says for fault in accounting.account(workspace, MONTH).faults]
    assert any(notices in says for says in faults), faults


# --- What the reader must know -------------------------------------------------------------


def test_made_up_prices_are_said_to_be(made: Workspace) -> None:
    account = read_account(made, MONTH)
    assert account.is_illustrative
    assert account.notices[0].startswith("ILLUSTRATIVE: the prices of 'cases' are made up.")


def test_an_official_book_is_not_said_to_be_made_up(workspace: Workspace) -> None:
    manifest = workspace.data / "price_books" / "cases" / "manifest.toml"
    text = manifest.read_text("utf-8").replace("illustrative = true", "illustrative = false")
    manifest.write_text(text, "utf-8")
    with pytest.raises(UserError, match="have changed since 2024-07 was priced"):
        accounting.account(workspace, MONTH)
    account = making.publish(workspace, MONTH)
    assert not account.is_illustrative
    # The schedule of the cases lists a trust that merged in 2020.
    (notice,) = account.notices
    assert notice.startswith("The LVA payments schedule lists 1 pair of RYB (now RYC), no provider")


def test_organisations_of_the_demonstration_are_said_to_be_so_beside_an_official_book(
    workspace: Workspace,
) -> None:
    manifest = workspace.data / "price_books" / "cases" / "manifest.toml"
    text = manifest.read_text("utf-8").replace("illustrative = true", "illustrative = false")
    manifest.write_text(text, "utf-8")
    shipped = Workspace(root=workspace.root, data=PROJECT / "data")
    making.publish(workspace, MONTH)
    rulebook = pricing_run.rulebook_for(workspace, MONTH)
    of_the_demonstration = replace(rulebook, organisations=read_organisations(shipped))
    notice, *_ = accounting._notices(workspace, of_the_demonstration, MONTH)
    assert notice.startswith("ILLUSTRATIVE: the providers, sites, commissioners, successions are")


def test_approvals_of_records_that_are_not_there_are_told_by_line(workspace: Workspace) -> None:
    rows = ["S1", "S4", *(f"GONE-{number}" for number in range(20))]
    lines = "".join(f"{record_id},,,,,,REF\n" for record_id in rows)
    land(workspace, "prior_approvals.csv", f"{APPROVALS},approval_reference\n{lines}")
    told = [n for n in making.publish(workspace, MONTH).notices if "approvals" in n]
    assert len(told) == 1
    assert told[0].startswith("prior_approvals.csv: approvals that name a record")
    assert "run so far: 21 " in told[0]
    assert "(lines 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 11 more)" in told[0]


# --- Against what was planted --------------------------------------------------------------


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.at(tmp_path_factory.mktemp("synthetic"))
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1)).folder
    reference = synth.Reference.read(workspace.data / "organisations", book)
    synth.write_extracts([MONTH], 3_000, 3_000, 3, workspace.landing, reference, 60_000)
    for dataset in ("apc", "op"):
        take_in(workspace, dataset, MONTH)
        validate(workspace, dataset, MONTH)
        pricing_run.price(workspace, dataset, MONTH)
    making.make_statements(workspace, MONTH)
    accounting.account(workspace, MONTH)
    return workspace


def test_a_synthetic_month_is_refused_for_what_was_planted_and_nothing_else(
    synthetic: Workspace,
) -> None:
    account = read_account(synthetic, MONTH)
    planted = json.loads(next(synthetic.landing.glob("expectations_*.json")).read_text("utf-8"))
    assert account.faults == []
    for dataset in account.datasets:
        expected = planted["datasets"][dataset.dataset]["total"]
        assert dataset.delivered == expected["rows"]
        assert dataset.priced == expected["good"]
        assert Counter(dataset.refused_by_code) == Counter(expected["planted"])
        assert len(expected["planted"]) >= 22


def test_a_synthetic_month_has_the_interventions_that_were_planted(synthetic: Workspace) -> None:
    planted = json.loads(next(synthetic.landing.glob("expectations_*.json")).read_text("utf-8"))
    lines = pl.read_parquet(priced_path(synthetic, "apc", MONTH, "freeze"))
    outcomes = dict(lines["ebi_outcome"].value_counts().rows())
    assert outcomes["approved"] == planted["ebi_spells"]["approved"]
    assert outcomes["zero_price"] == planted["ebi_spells"]["not_approved"]
    challenges = pl.read_parquet(synthetic.statement("ebi_challenges", MONTH))
    assert challenges.height == planted["ebi_spells"]["not_approved"]


# --- Of the demonstration ------------------------------------------------------------------

CANNOT_BE_REACHED = {"hrg_retired": "a month priced under its own year has no HRG of another year"}


@pytest.mark.slow
def test_the_demonstration_shows_every_row_of_the_decision_table(tmp_path: Path) -> None:
    """With the records, the seed and the faults of `make demo`, and no row that is not named."""
    workspace = Workspace.at(tmp_path)
    book = price_book_for(workspace, "2024-25", date(2024, 7, 1)).folder
    reference = synth.Reference.read(workspace.data / "organisations", book)
    synth.write_extracts([MONTH], 20_000, 60_000, 1, workspace.landing, reference)
    for dataset in ("apc", "op"):
        take_in(workspace, dataset, MONTH)
        validate(workspace, dataset, MONTH)
        pricing_run.price(workspace, dataset, MONTH)
    lines = pl.scan_parquet(list(pricing_run.priced_paths(workspace, MONTH).values()))
    shown = lines.select("mechanism_rule", "payment_mechanism").unique().collect()
    scheme = pricing_run.rulebook_for(workspace, MONTH).pack.scheme
    rows = {row.rule for row in scheme.mechanism.decision_table}
    assert rows - {*shown["mechanism_rule"]} == CANNOT_BE_REACHED.keys()
    agreed = shown.filter(mechanism_rule="mechanism_agreed")
    assert {*agreed["payment_mechanism"]} == {"activity_based", "api_fixed"}


def test_a_local_price_of_what_has_a_published_one_is_told(workspace: Workspace) -> None:
    """FE32Z and first attendances of 100 have a price; line 4 has its approval, 5 is of August."""
    header = ",".join(cell.header for cell in PRICE_CELLS)
    rows = (
        "RGT,QMJ,FE32Z,,,450.00,LP-1,,2024-07-01,2024-07-31",
        "RGT,QMJ,XX99Z,,,450.00,LP-2,,2024-07-01,2024-07-31",
        "RGT,QHM,FE32Z,,,450.00,LP-3,NHSE-1,2024-07-01,2024-07-31",
        "RRV,QHM,FE32Z,,,450.00,LP-4,,2024-08-01,2024-08-31",
        "RGT,QMJ,,100,first,50.00,LP-5,,2024-07-01,2024-07-31",
    )
    land(workspace, "prices.csv", "\n".join((header, *rows, "")))
    told = [n for n in making.publish(workspace, MONTH).notices if "prices.csv" in n]
    assert len(told) == 1
    assert told[0].startswith("prices.csv, lines 2, 6: a price is published")
