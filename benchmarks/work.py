"""What is timed: each piece of our work, and the plain work it is held against.

Belongs here: synthetic extracts in a workspace of their own, our steps as the assets call
them, and the references: a copy of the same columns or rows, and pricing as one SQL statement
a dataset. Does not belong here: timing (`benchmarks.timing`) or reporting (`benchmarks.report`).
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import polars as pl

from pipelines import (
    accounting,
    deliveries,
    pricing_run,
    publishing,
    reconciling,
    validation,
)
from pipelines.basis import OWN_YEAR
from pipelines.fixed_element.reviews import make_fixed_element_review
from pipelines.fixed_element.statements import make_fixed_element
from pipelines.low_volume import conservation
from pipelines.price_books import shipped_folder
from pipelines.scheme_packs import scheme_for
from pipelines.synth import Reference as SyntheticReference
from pipelines.synth import write_extracts
from pipelines.workspace import PROJECT, Workspace, discard
from pricing.reference import Reference
from schemas.extracts import EXTRACTS, LAYOUTS

MONTH = "2024-07"
SEED = 2_407
DATASETS = tuple(extract.dataset for extract in EXTRACTS)
SQL_FILES = {"apc": "price_spells.sql", "op": "price_attendances.sql"}

Step = tuple[str, Callable[[Workspace], object]]


def open_workspace(root: Path) -> Workspace:
    """The workspace at `root`, with the project's scheme packs, price books and organisations."""
    return Workspace(root=root, data=PROJECT / "data")


def make_extracts(workspace: Workspace, rows: int) -> None:
    """Writes `rows` synthetic spells and as many attendances, with the users' own lists."""
    scheme_year = scheme_for(workspace, OWN_YEAR.rules_day(MONTH)).scheme.scheme_year
    folder = shipped_folder(workspace, scheme_year, OWN_YEAR.rules_day(MONTH))
    reference = SyntheticReference.read(workspace.data / "organisations", folder)
    write_extracts([MONTH], rows, rows, SEED, workspace.landing, reference)


def forget(workspace: Workspace) -> None:
    """Removes all that was made from the landing folder."""
    discard(workspace.lake)
    discard(workspace.mart.parent)


def month_steps() -> list[Step]:
    """The whole month from landing to mart, step by step, as the assets call them."""
    return [
        *_by_dataset("take in", deliveries.take_in),
        *_by_dataset("validate", validation.validate),
        *_by_dataset("contract", _hold_to_contract),
        *_by_dataset("price", pricing_run.price),
        ("contract lines", lambda w: pricing_run.make_contract_lines(w, MONTH)),
        ("variable element", lambda w: pricing_run.make_variable_element(w, MONTH)),
        ("blended", lambda w: pricing_run.make_blended(w, MONTH)),
        ("fixed element", lambda w: make_fixed_element(w, MONTH)),
        ("fixed element review", lambda w: make_fixed_element_review(w, MONTH)),
        ("EBI challenges", lambda w: pricing_run.make_ebi_challenges(w, MONTH)),
        ("excluded items", lambda w: pricing_run.make_excluded_items(w, MONTH)),
        ("low volume", lambda w: pricing_run.make_low_volume(w, MONTH)),
        ("conservation", lambda w: conservation.conservation(w, MONTH)),
        ("drugs baseline", lambda w: pricing_run.make_excluded_drugs_baseline(w, MONTH)),
        ("contract statement", lambda w: pricing_run.make_contract_statement(w, MONTH)),
        ("reconciliation", lambda w: reconciling.make_reconciliation(w, MONTH)),
        ("account", _account),
        ("publish", _publish),
    ]


def price_and_publish(workspace: Workspace) -> None:
    """Valid records of both datasets to the mart, on the workspace's basis."""
    names = [name for name, _ in month_steps()]
    for _, step in month_steps()[names.index(f"price {DATASETS[0]}") :]:
        step(workspace)


def take_in(workspace: Workspace) -> None:
    """Both extracts into the lake."""
    for dataset in DATASETS:
        deliveries.take_in(workspace, dataset, MONTH)


def copy_extracts(workspace: Workspace) -> None:
    """The reference for intake: a plain copy, as text, of the columns that we use."""
    for path in sorted(workspace.landing.glob("freeze/*.csv")):
        rows = pl.scan_csv(path, infer_schema=False)
        delivered = set(rows.collect_schema())
        columns = rows.select(header for header in _headers_used(delivered) if header in delivered)
        columns.sink_parquet(_aside(workspace) / f"{path.stem}.parquet")


def price(workspace: Workspace) -> None:
    """Valid records of both datasets to priced lines."""
    for dataset in DATASETS:
        pricing_run.price(workspace, dataset, MONTH)


def copy_priced(workspace: Workspace) -> None:
    """The reference for pricing: a plain copy of the priced lines."""
    for dataset, path in pricing_run.priced_paths(workspace, MONTH).items():
        pl.scan_parquet(path).sink_parquet(_aside(workspace) / f"{dataset}.lines.parquet")


class SqlPricing:
    """Pricing written by hand in SQL, one statement a dataset, on the same reference tables."""

    def __init__(
        self,
        workspace: Workspace,
        month: str = MONTH,
        rulebook: pricing_run.Rulebook | None = None,
    ) -> None:
        self._workspace, self._month = workspace, month
        self._rulebook = rulebook or pricing_run.rulebook_for(workspace, month)
        self._cuts = {name: deliveries.settled_cut(workspace, name, month) for name in DATASETS}
        self._connection = duckdb.connect()
        for name, table in self._reference_tables().items():
            self._connection.register("given", table.to_arrow())
            self._connection.execute(f"CREATE TABLE {name} AS FROM given")
            self._connection.unregister("given")

    def price(self) -> None:
        """Runs both statements."""
        for dataset in DATASETS:
            self._connection.execute(self._statement(dataset))

    def rows(self, text: str, dataset: str) -> list[tuple[Any, ...]]:
        """What a statement of one's own gives of a dataset, on the same reference tables."""
        return self._connection.execute(self._filled(text, dataset)).fetchall()

    def differences(self) -> dict[str, str]:
        """What differs, by dataset, between its lines and ours: empty where nothing does."""
        found = {dataset: self._difference(dataset) for dataset in DATASETS}
        return {dataset: difference for dataset, difference in found.items() if difference}

    def lines(self) -> int:
        """How many lines were priced."""
        return sum(self._count(_rows_of(self._lines(dataset))) for dataset in DATASETS)

    def _difference(self, dataset: str) -> str:
        cut = self._cuts[dataset]
        ours = _rows_of(pricing_run.priced_path(self._workspace, dataset, MONTH, cut))
        theirs = _rows_of(self._lines(dataset))
        if self._columns(ours) != self._columns(theirs):
            return "the columns or their types differ"
        only_ours = self._count(f"({ours} EXCEPT ALL {theirs})")
        only_theirs = self._count(f"({theirs} EXCEPT ALL {ours})")
        if only_ours or only_theirs:
            return f"{only_ours:,} lines are ours alone and {only_theirs:,} are of the SQL alone"
        return ""

    def _columns(self, rows: str) -> list[tuple[str, str]]:
        described = self._connection.execute(f"DESCRIBE {rows}").fetchall()
        return [(name, kind) for name, kind, *_ in described]

    def _count(self, rows: str) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM ({rows})").fetchone()
        assert row is not None
        return int(row[0])

    def _statement(self, dataset: str) -> str:
        text = (PROJECT / "benchmarks" / SQL_FILES[dataset]).read_text("utf-8")
        return self._filled(text, dataset)

    def _filled(self, text: str, dataset: str) -> str:
        return Template(text).substitute(
            valid=self._valid(dataset),
            lines=self._lines(dataset),
            month=self._month,
            cut=self._cuts[dataset],
        )

    def _valid(self, dataset: str) -> Path:
        return validation.valid_path(self._workspace, dataset, self._month, self._cuts[dataset])

    def _lines(self, dataset: str) -> Path:
        return _aside(self._workspace) / f"{dataset}.sql.parquet"

    def _reference_tables(self) -> dict[str, pl.DataFrame]:
        spells = pl.scan_parquet(self._valid("apc"))
        earliest = spells.select(pl.col("start_date").min()).collect().item()
        reference: Any = self._rulebook.reference(self._month, "apc", earliest)
        attendances: Any = self._rulebook.reference(self._month, "op", earliest)
        tables = {field.name: getattr(reference, field.name) for field in fields(Reference)}
        tables["overseas_visitors_op"] = attendances.overseas_visitors
        return {name: table.to_native().collect() for name, table in tables.items()}


def _by_dataset(name: str, work: Callable[[Workspace, str, str], object]) -> list[Step]:
    def step(dataset: str) -> Step:
        return f"{name} {dataset}", lambda workspace: work(workspace, dataset, MONTH)

    return [step(dataset) for dataset in DATASETS]


def _hold_to_contract(workspace: Workspace, dataset: str, month: str) -> None:
    _, failures = validation.contract_failures(workspace, dataset, month)
    if failures:
        raise RuntimeError(f"The contract of {dataset} is broken: {failures}")


def _account(workspace: Workspace) -> None:
    account = accounting.account(workspace, MONTH)
    if account.faults:
        raise RuntimeError(f"The account does not tie: {account.faults}")


def _publish(workspace: Workspace) -> None:
    publishing.publish(workspace, accounting.read_account(workspace, MONTH), "benchmark")


def _headers_used(delivered: set[str]) -> list[str]:
    """The headers that we take of the file which delivered these."""
    (layout,) = (one for one in LAYOUTS.values() if delivered.issuperset(one.recognised_by))
    return [header for column in layout.columns for header in column.headers]


def _aside(workspace: Workspace) -> Path:
    """Where references write; not in the lake, which is emptied."""
    folder = workspace.root / "references"
    folder.mkdir(exist_ok=True)
    return folder


def _rows_of(path: Path) -> str:
    return f"FROM read_parquet('{path}', hive_partitioning = false)"
