"""Total accounting: every record of a run exactly once, every penny in one place.

Belongs here: counting what came in and went out, the equalities that must hold before a
month is published, and the record kept of a run. Does not belong here: printing it
(`pipelines.cli`), the equalities of what contracts pay (`pipelines.equalities`) or of LVA blocks
(`pipelines.low_volume.conservation`), or the counts that
the mart itself must show (`pipelines.publishing`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines.basis import first_month_of, scheme_year_of
from pipelines.deliveries import deliveries_of, settled_cut
from pipelines.equalities import Equality, contract_equalities
from pipelines.excluded_items import categories_not_checked, items_changed_since
from pipelines.fixed_element.reviews import reviews_left_out
from pipelines.fixed_element.statements import FIXED_ELEMENT_STATEMENT, worksheets_paying
from pipelines.low_volume.conservation import conservation_of
from pipelines.organisations import COMMISSIONERS, PROVIDERS
from pipelines.price_books import lacking
from pipelines.pricing_run import (
    CONTRACT_LINES,
    Rulebook,
    idle_plans,
    idle_terms,
    month_days,
    priced_path,
    priced_paths,
    refuse_unless_priced_with,
    rulebook_for,
)
from pipelines.validation import (
    count_codes,
    read_warnings,
    refused_path,
    supplements_read,
    valid_path,
)
from pipelines.workspace import Workspace, replacing, rows_of
from pricing.contracts import PAIR
from pricing.explaining import pounds
from pricing.low_volume import LVA_BLOCK
from pricing.mechanism import API_BLENDED, API_VARIABLE
from pricing.reasons import ItemReason
from pricing.scheme import Scheme
from schemas.extracts import EXTRACTS, ORGANISATION_CODE, Extract
from schemas.priced_line import PRICED_LINE_COLUMNS

CONTENT_HASH_SQL = f"sum(hash({', '.join(PRICED_LINE_COLUMNS)})::HUGEINT)"
"""The same for the same rows in any order. DuckDB may change its hash between versions,
so a recorded content hash names the version that made it."""

_AGREED_ITEMS = "agreed_excluded_items"
"""The item of a worksheet for excluded items within the fixed element (2023/25 ¶29)."""
ITEMS = "items"
"""What stands for a dataset in totals of excluded items."""

_PAID_ON_THEIR_OWN = [ItemReason.ITEM_LOWEST_PRICE, ItemReason.ITEM_HOMECARE]
_RECORDS = {"apc": "spell", "op": "attendance"}
_IN_WORDS = {PROVIDERS: ("provider", "providers"), COMMISSIONERS: ("ICB", "ICBs")}
_NAMED_ORGANISATIONS = {
    "PROVIDER_UNKNOWN": "organisation_code_of_provider",
    "PROVIDER_NOT_IN_PRICE_YEAR": "organisation_code_of_provider",
    "MFF_MISSING": "organisation_code_of_provider",
    "COMMISSIONER_UNKNOWN": "coalesced_commissioner_code",
    "COMMISSIONER_NOT_IN_PRICE_YEAR": "coalesced_commissioner_code",
}


@dataclass(frozen=True, slots=True)
class MechanismTotal:
    """What one mechanism pays for in a dataset's month.

    An amount is None where no line has one: no price is not zero. What is payable is None
    too where it is worked out for each contract against its plan.
    """

    dataset: str
    payment_mechanism: str
    lines: int
    value_pence: int | None
    payable_pence: int | None
    lines_without_price: int


@dataclass(frozen=True, slots=True)
class DatasetAccount:
    """What became of every record of a dataset's month."""

    dataset: str
    cut: str
    files: list[dict[str, Any]]
    delivered: int
    valid: int
    refused_by_validation: int
    priced: int
    unbundled: int
    refused_by_pricing: int
    refused_by_code: dict[str, int]
    refused_organisations: dict[str, dict[str, int]]
    warnings: dict[str, int]
    supplements: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Account:
    """The record of a month's run, as kept in the lake and the `runs` table."""

    activity_month: str
    pricing_basis: str
    scheme_year: str
    pricing_inputs: dict[str, str]
    is_illustrative: bool
    datasets: list[DatasetAccount]
    mechanisms: list[MechanismTotal]
    items: list[MechanismTotal]
    content_hash: str
    notices: list[str]
    versions: dict[str, str]
    equalities: list[Equality] = field(default_factory=list)

    @property
    def delivered(self) -> int:
        """Records in."""
        return sum(dataset.delivered for dataset in self.datasets)

    @property
    def priced(self) -> int:
        """Records that became priced lines."""
        return sum(dataset.priced for dataset in self.datasets)

    @property
    def refused(self) -> int:
        """Records refused, by validation or pricing."""
        return sum(d.refused_by_validation + d.refused_by_pricing for d in self.datasets)

    @property
    def value_pence(self) -> int:
        """Worth of every line that has a price."""
        return sum(m.value_pence or 0 for m in self.mechanisms)

    @property
    def payable_pence(self) -> int:
        """Payable for every line that has an amount."""
        return sum(m.payable_pence or 0 for m in self.mechanisms)

    @property
    def faults(self) -> list[Equality]:
        """The equalities that do not hold."""
        return [equality for equality in self.equalities if not equality.holds]


def account(workspace: Workspace, month: str) -> Account:
    """Counts a month from what is in the lake, and keeps the account beside it."""
    rulebook = rulebook_for(workspace, month)
    refuse_unless_priced_with(workspace, month, rulebook)
    datasets = [_dataset(workspace, extract, month) for extract in EXTRACTS]
    with duckdb.connect() as connection:
        lines_sql = _lines_sql(workspace, month)
        mechanisms, content_hash = totals(lines_sql, connection)
        items = item_totals(rows_of(_items_path(workspace, month)), connection)
        distinct = _distinct_lines(lines_sql, connection)
        of_contracts = contract_equalities(workspace, month, rulebook, lines_sql, connection)
        of_blocks = conservation_of(workspace, month, rulebook, lines_sql, connection).equalities
    made = Account(
        activity_month=month,
        pricing_basis=workspace.basis.name,
        scheme_year=rulebook.pack.scheme.scheme_year,
        pricing_inputs=rulebook.inputs(),
        is_illustrative=rulebook.book.is_illustrative or rulebook.organisations.is_illustrative,
        datasets=datasets,
        mechanisms=mechanisms,
        items=items,
        content_hash=content_hash,
        notices=_notices(workspace, rulebook, month),
        versions=versions(),
        equalities=[
            *_equalities(workspace, month, datasets, mechanisms, distinct),
            *of_contracts,
            *of_blocks,
            *_item_equalities(workspace, month, rulebook, items),
        ],
    )
    with replacing(workspace.accounting(month)) as writing:
        writing.write_text(json.dumps(asdict(made), indent=1, ensure_ascii=False), "utf-8")
    return made


def read_account(workspace: Workspace, month: str) -> Account:
    """The account of a month's last run."""
    kept = json.loads(workspace.accounting(month).read_text("utf-8"))
    return Account(
        **{
            **kept,
            "datasets": [DatasetAccount(**entry) for entry in kept["datasets"]],
            "mechanisms": [MechanismTotal(**entry) for entry in kept["mechanisms"]],
            "items": [MechanismTotal(**entry) for entry in kept["items"]],
            "equalities": [Equality(**entry) for entry in kept["equalities"]],
        }
    )


def totals(
    lines_sql: str, connection: duckdb.DuckDBPyConnection
) -> tuple[list[MechanismTotal], str]:
    """Totals by dataset and mechanism of priced lines, and their content hash."""
    rows = connection.execute(
        f"""
        SELECT dataset, payment_mechanism, count(*)::BIGINT,
               sum(value_pence)::BIGINT,
               CASE WHEN count(*) FILTER (value_pence IS NOT NULL AND payable_pence IS NULL) = 0
                    THEN sum(payable_pence)::BIGINT END,
               count(*) FILTER (value_pence IS NULL AND payable_pence IS NULL)::BIGINT,
               {CONTENT_HASH_SQL}
        FROM {lines_sql} GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    content_hash = sum(int(row[-1]) for row in rows) % (1 << 64)
    return [MechanismTotal(*row[:-1]) for row in rows], (
        f"duckdb-{duckdb.__version__}:{content_hash:016x}"
    )


def item_totals(items_sql: str, connection: duckdb.DuckDBPyConnection) -> list[MechanismTotal]:
    """Totals by mechanism of priced excluded items; what they come to is their value.

    What is payable is None where a baseline decides it, or nothing says, for any of them.
    """
    rows = connection.execute(
        f"""
        SELECT '{ITEMS}', payment_mechanism, count(*)::BIGINT, sum(amount_pence)::BIGINT,
               CASE WHEN count(*) FILTER (amount_pence IS NOT NULL AND payable_pence IS NULL) = 0
                    THEN sum(payable_pence)::BIGINT END,
               count(*) FILTER (amount_pence IS NULL AND payable_pence IS NULL)::BIGINT
        FROM {items_sql} GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return [MechanismTotal(*row) for row in rows]


def _distinct_lines(lines_sql: str, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Distinct lines by dataset; by their hashes, which keeps memory small."""
    return dict(
        connection.execute(
            "SELECT dataset, count(DISTINCT hash(record_id, line_number)) "
            f"FROM {lines_sql} GROUP BY ALL"
        ).fetchall()
    )


def versions() -> dict[str, str]:
    """The versions that made a result."""
    packages = ("sus-pricing", "polars", "duckdb", "narwhals", "pandera", "dagster")
    return {package: version(package) for package in packages}


def _lines_sql(workspace: Workspace, month: str) -> str:
    return rows_of(*priced_paths(workspace, month).values())


def _dataset(workspace: Workspace, extract: Extract, month: str) -> DatasetAccount:
    dataset = extract.dataset
    cut = settled_cut(workspace, dataset, month)
    deliveries = [
        d for d in deliveries_of(workspace, dataset) if d.cut == cut and month in d.months
    ]
    refused = {
        by: refused_path(workspace, dataset, month, cut, by) for by in ("validation", "pricing")
    }
    valid = valid_path(workspace, dataset, month, cut)
    lines = pl.scan_parquet(priced_path(workspace, dataset, month, cut))
    return DatasetAccount(
        dataset=dataset,
        cut=cut,
        files=[
            {"name": d.name, "sha256": d.sha256, "records": d.months[month].records}
            for d in deliveries
        ],
        delivered=sum(d.months[month].records for d in deliveries),
        valid=_rows(valid),
        refused_by_validation=_rows(refused["validation"]),
        priced=lines.filter(pl.col("line_number") == 0).select(pl.len()).collect().item(),
        unbundled=_unbundled(valid) - _unbundled(refused["pricing"]),
        refused_by_pricing=_rows(refused["pricing"]),
        refused_by_code=count_codes(list(refused.values())),
        refused_organisations=_refused_organisations(refused["pricing"]),
        warnings=read_warnings(workspace, dataset, month, cut),
        supplements=supplements_read(workspace, dataset, month, cut),
    )


def _rows(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _unbundled(path: Path) -> int:
    """How many unbundled HRGs the records of a file carry."""
    codes = pl.scan_parquet(path).select(pl.col("unbundled_hrg_codes").drop_nulls())
    return int(codes.select(pl.all().str.count_matches(r"\S+").sum()).collect().item())


def _refused_organisations(refused: Path) -> dict[str, dict[str, int]]:
    """The organisation codes behind refusals that a missing entry caused."""
    blanks_null = pl.read_parquet(refused).with_columns(
        pl.col(pl.String).str.strip_chars().replace("", None)  # as delivered: blank is text
    )
    coalesced = pl.coalesce("derived_commissioner_code", "organisation_code_of_commissioner")
    named = blanks_null.with_columns(coalesced_commissioner_code=coalesced)
    found = {}
    for code, column in _NAMED_ORGANISATIONS.items():
        is_code = pl.col(column).str.contains(ORGANISATION_CODE)
        counts = (
            named.filter(pl.col("refusal_codes").list.contains(code) & is_code)
            .group_by(column)
            .len()
            .sort("len", column, descending=[True, False])
        )
        if counts.height:
            found[code] = {str(organisation): count for organisation, count in counts.rows()}
    return found


def _notices(workspace: Workspace, rulebook: Rulebook, month: str) -> list[str]:
    """What whoever reads the result must know of it."""
    notices = []
    if rulebook.book.is_illustrative:
        notices.append(
            f"ILLUSTRATIVE: the prices of '{rulebook.book.name}' are made up. "
            "Do not pay on these figures."
        )
    absent = lacking(rulebook.book)
    if absent:
        notices.append(
            f"The price book '{rulebook.book.name}' has no table of {', '.join(absent.values())}: "
            "lines that would take a price of it have none, or the base price alone. Import the "
            "whole workbook: sus-pricing prices import."
        )
    lists = rulebook.organisations.lists.values()
    bundled = [one.name for one in lists if one.is_illustrative and one.rows.height]
    if bundled and not rulebook.book.is_illustrative:
        notices.append(
            f"ILLUSTRATIVE: the {', '.join(bundled)} are those of the demonstration. Do not pay "
            "on these figures: import the real lists, sus-pricing organisations import."
        )
    notices += _of_the_rules(rulebook.pack.scheme)
    for name, column in zip((PROVIDERS, COMMISSIONERS), PAIR, strict=True):
        notices += _blocks_of_the_closed(rulebook, month, name, column)
    notices += _unknown_contracts(workspace, rulebook.pack.scheme, month)
    notices += _unknown_records(workspace, rulebook.approvals.rows, "approvals", ["apc"])
    for dataset in _RECORDS:
        visitors = rulebook.visitors.rows.filter(pl.col("dataset") == dataset)
        notices += _unknown_records(workspace, visitors, "overseas visitors", [dataset])
    notices += _unknown_records(workspace, rulebook.items.rows, "excluded items", list(_RECORDS))
    notices += _unchecked_items(rulebook, month)
    notices += _late_items(workspace, rulebook, month)
    notices += _open_items(workspace, month)
    notices += _idle_plans(workspace, rulebook, month)
    notices += _idle_terms(workspace, rulebook, month)
    notices += _open_contract_lines(workspace, month)
    notices += worksheets_paying(workspace, rulebook, month)[1]
    notices += _items_in_instalments(workspace, month)
    notices += reviews_left_out(workspace, rulebook.pack.scheme.scheme_year, month)
    notices += _idle_local_prices(rulebook, month)
    notices += _unknown_hrgs(workspace, rulebook, month)
    return notices


def _of_the_rules(scheme: Scheme) -> list[str]:
    """What whoever reads the result must know of the year's rules."""
    notices = []
    if scheme.status == "proposed":
        notices.append(
            f"PROPOSED: the rules of {scheme.scheme_year} are those of a consultation. "
            "The final scheme may differ."
        )
    assumed = sum(parameter.basis == "assumed" for parameter in scheme.parameters.values())
    if assumed * 2 > len(scheme.parameters):
        notices.append(
            f"ASSUMED: {assumed} of the {len(scheme.parameters)} values of {scheme.scheme_year} "
            f"are. See sus-pricing schemes assumptions {scheme.scheme_year}."
        )
    return notices


def _blocks_of_the_closed(rulebook: Rulebook, month: str, name: str, column: str) -> list[str]:
    """Blocks of the published schedule whose provider or ICB is none in the month.

    They are listed for nobody: the schedule is matched as published, not through successions
    (2026/27 ¶107).
    """
    now = dict(zip(*rulebook.parties(month)[name].get_columns()[:2], strict=True))
    standing = {code for code in now.values() if code}
    closed = rulebook.book.lva_schedule.filter(~pl.col(column).is_in(list(standing)))
    if closed.is_empty():
        return []
    codes = closed[column].unique().sort().to_list()
    named = ", ".join(f"{code} (now {now[code]})" if now.get(code) else code for code in codes)
    pence = _sum(closed, "block_value_pence")
    kind, kinds = _IN_WORDS[name]
    counted = f"{closed.height:,} pair{'s' * (closed.height > 1)}"
    return [
        f"The LVA payments schedule lists {counted} of {named}, no {kind} in {month}: "
        f"£{pence // 100:,}.{pence % 100:02} of blocks is listed for nobody, and no block "
        f"pays for their activity. Where {kinds} merged, re-express the schedule: sus-pricing lva "
        "reexpress."
    ]


def _unknown_contracts(workspace: Workspace, scheme: Scheme, month: str) -> list[str]:
    """Pairs whose contract decides the mechanism, and is not in the contracts list."""
    lines = pl.scan_parquet(list(priced_paths(workspace, month).values()))
    pairs = (
        lines.filter(pl.col("mechanism_rule") == "contract_not_known")
        .group_by("provider_code", "commissioner_code")
        .len()
        .collect()
    )
    if pairs.is_empty():
        return []
    return [
        f"Of {pairs.height:,} pairs of provider and payer ({pairs['len'].sum():,} lines) it is not "
        "known whether the contract is under API, so nothing is said to be payable for them "
        f"({scheme.citation('api_scope.minimum_contract_pence')}). Name them in the contracts "
        "list, with is_same_system or expected_annual_value, and run the month again."
    ]


def _unknown_records(
    workspace: Workspace, entries: pl.DataFrame, kind: str, datasets: Sequence[str]
) -> list[str]:
    """Entries that name a record which is not valid in any month in the lake.

    `datasets` are those that the record may be of.
    """
    valid = [
        path
        for dataset in datasets
        for path in sorted((workspace.lake / "valid" / dataset).glob("*/*/records.parquet"))
    ]
    records = pl.concat([pl.scan_parquet(path).select("record_id") for path in valid])
    unknown = (
        entries.filter(pl.col("record_id").is_not_null())
        .lazy()
        .join(records, on="record_id", how="anti")
        .select("file", "line")
        .sort("file", "line")
        .collect()
    )
    words = " or ".join(_RECORDS[dataset] for dataset in datasets)
    notices = []
    for (name,), rows in unknown.group_by("file", maintain_order=True):
        notices.append(
            f"{name}: {kind} that name a record which is no valid {words} of any month run so "
            f"far: {_lines_of_list(rows)}."
        )
    return notices


def _late_items(workspace: Workspace, rulebook: Rulebook, month: str) -> list[str]:
    """Excluded items of earlier months of the year that are not as those months have them."""
    notices = []
    months = rulebook.items.rows["activity_month"].unique().sort()
    for one in months.filter((months >= first_month_of(scheme_year_of(month))) & (months < month)):
        statement = workspace.statement("excluded_items", one)
        changed = statement.is_file() and items_changed_since(rulebook.items.rows, one, statement)
        if changed:
            notices.append(
                f"Of the excluded items of {one}, {changed:,} were added, changed or taken out "
                f"since it was run. Run {one} again, so that each is paid in its month. Drugs held "
                f"against a baseline are made good in {month} until then."
            )
    return notices


def _open_items(workspace: Workspace, month: str) -> list[str]:
    """Excluded items of the month of which it is not known what is payable, by reason."""
    items = pl.read_parquet(workspace.statement("excluded_items", month))
    is_open = pl.col("payable_pence").is_null() & (
        pl.col("reason_code") != ItemReason.ITEM_AGAINST_BASELINE
    )
    counts = items.filter(is_open).group_by("reason_code").len().sort("reason_code").rows()
    if not counts:
        return []
    said = ", ".join(f"{count:,} {code}" for code, count in counts)
    return [f"Of some excluded items it is not known what is payable: {said}. See excluded_items."]


def _items_in_instalments(workspace: Workspace, month: str) -> list[str]:
    """Contracts whose fixed element has excluded items in it, and that are paid for others too."""
    fixed = pl.read_parquet(workspace.statement(FIXED_ELEMENT_STATEMENT, month))
    items = pl.read_parquet(workspace.statement("excluded_items", month))
    agreed = fixed.filter(item=_AGREED_ITEMS).select(*PAIR, "amount_pence")
    paid = items.drop_nulls("payable_pence").group_by(PAIR)
    both = agreed.join(paid.agg(pl.len(), pl.sum("payable_pence")), on=PAIR).sort(PAIR)
    return [
        f"{provider} with {payer}: {pounds(amount)} of the year's fixed element is for excluded "
        f"items that were agreed, and items of {month} are paid apart as well: {count:,}, "
        f"{pounds(payable)}. Take those that the amount is for out of the list of items."
        for provider, payer, amount, count, payable in both.rows()
    ]


def _idle_plans(workspace: Workspace, rulebook: Rulebook, month: str) -> list[str]:
    """Plans of contracts of which nothing was done in the year: perhaps, but rarely, so."""
    return [
        f"{name}: plans of contracts of which no record is priced and nothing is counted in "
        f"{scheme_year_of(month)} up to {month}: {_lines_of_list(rows)}. What is planned is held "
        "against them as not done: check both codes, and that their extracts are there."
        for (name,), rows in idle_plans(workspace, month, rulebook).group_by(
            "file", maintain_order=True
        )
    ]


def _idle_terms(workspace: Workspace, rulebook: Rulebook, month: str) -> list[str]:
    """Terms of a provider and payer of whom nothing else is known: most likely a wrong code."""
    return [
        f"{name}: terms of a provider and payer of whom there is no plan, no count, no priced "
        f"record and nothing in the contracts list in {scheme_year_of(month)}: "
        f"{_lines_of_list(rows)}. They change no payment: most likely a wrong code. Check both."
        for (name,), rows in idle_terms(workspace, month, rulebook).group_by(
            "file", maintain_order=True
        )
    ]


def _open_contract_lines(workspace: Workspace, month: str) -> list[str]:
    """Contract lines of which it is not known what is payable, by reason and contract."""
    tables = ("variable_element", "blended")
    columns = [*PAIR, "reason_code"]
    found = [
        pl.read_parquet(workspace.statement(table, month))
        .filter(pl.col("payable_pence").is_null())
        .select(columns)
        for table in tables
    ]
    notices = []
    for (code,), rows in (
        pl.concat(found).sort(columns[::-1]).group_by("reason_code", maintain_order=True)
    ):
        pairs = rows.select(PAIR).unique(maintain_order=True)
        named = ", ".join(" with ".join(pair) for pair in pairs.sort(PAIR).head(10).rows())
        more = f" and {pairs.height - 10:,} more" if pairs.height > 10 else ""
        notices.append(
            f"{code}: contract lines of which it is not known what is payable: {rows.height:,}, in "
            f"{pairs.height:,} contracts ({named}{more}). See {' and '.join(tables)}."
        )
    return notices


def _lines_of_list(rows: pl.DataFrame) -> str:
    lines = ", ".join(str(line) for line in rows["line"].head(10))
    more = f" and {rows.height - 10:,} more" if rows.height > 10 else ""
    return f"{rows.height:,} (lines {lines}{more})"


def _idle_local_prices(rulebook: Rulebook, month: str) -> list[str]:
    """Local prices of what has a published one, which only an approval puts in its place."""
    first, last = month_days(month)
    book = rulebook.book
    prices = [name for name in book.hrg_prices.columns if name.endswith("_price_pence")]
    has_price = pl.any_horizontal(pl.col(prices).is_not_null())
    hrgs = [
        *book.hrg_prices.filter(has_price)["hrg_code"],
        *book.unbundled_prices["hrg_code"],
    ]
    functions = book.attendance_prices["treatment_function_code"].unique().to_list()
    is_published = pl.col("hrg_code").is_in(hrgs) | (
        pl.col("treatment_function_code").is_in(functions)
    )
    idle = rulebook.local_prices.rows.filter(
        pl.col("approval_reference").is_null(),
        is_published.fill_null(False),
        (pl.col("valid_from") <= last) & (pl.col("valid_to") >= first),
    ).sort("file", "line")
    return [
        f"{name}, lines {', '.join(str(line) for line in rows['line'])}: a price is published for "
        "what they price and they name no approval_reference, so they are taken only for activity "
        "to which no published price applies."
        for (name,), rows in idle.group_by("file", maintain_order=True)
    ]


def _unchecked_items(rulebook: Rulebook, month: str) -> list[str]:
    """Excluded items that no list of the price book was there to hold against."""
    is_held = (pl.col("activity_month") == month) & ~pl.col("is_homecare")
    of_month = rulebook.items.rows.filter(is_held)
    unchecked = categories_not_checked(of_month, rulebook.book.read)
    if not unchecked:
        return []
    items = of_month.filter(pl.col("category").is_in(unchecked)).height
    return [
        f"The price book '{rulebook.book.name}' has no list of excluded items of the kinds "
        f"{', '.join(unchecked)}: whether {items:,} items are excluded is not known, so nothing is "
        "said to be payable for them. Import the whole workbook: sus-pricing prices import."
    ]


def _unknown_hrgs(workspace: Workspace, rulebook: Rulebook, month: str) -> list[str]:
    """HRGs without a price because the book does not hold them at all, which it may lack."""
    held = pl.concat(
        [
            rulebook.book.hrg_prices.select("hrg_code"),
            rulebook.bridge.rows.select(hrg_code="activity_hrg_code"),
        ]
    )
    groups_of_attendances = pl.col("hrg_code").str.contains("^(WF|UZ)")
    unknown = (
        pl.scan_parquet(list(priced_paths(workspace, month).values()))
        .filter(pl.col("line_number") == 0)
        .filter(pl.col("hrg_code").is_not_null() & ~groups_of_attendances)
        .select("hrg_code")
        .join(held.lazy(), on="hrg_code", how="anti")
        .group_by("hrg_code")
        .len()
        .sort("len", "hrg_code", descending=[True, False])
        .collect()
    )
    if unknown.is_empty():
        return []
    shown = ", ".join(f"{hrg} ({count:,})" for hrg, count in unknown.head(10).rows())
    more = f" and {unknown.height - 10:,} more" if unknown.height > 10 else ""
    if not rulebook.is_own_year(month):
        return [
            f"Of {unknown['len'].sum():,} records the HRG ({unknown.height:,} HRGs) has no row in "
            f"the price book of {rulebook.pack.scheme.scheme_year} and no bridge: {shown}{more}. "
            "Name the HRGs that took their place in an HRG bridge list."
        ]
    return [
        f"The price book holds no row for {unknown.height:,} HRGs of {unknown['len'].sum():,} "
        f"records, which have no price for that: {shown}{more}. Check that it is whole."
    ]


def _equalities(
    workspace: Workspace,
    month: str,
    datasets: list[DatasetAccount],
    mechanisms: list[MechanismTotal],
    distinct: Mapping[str, int],
) -> list[Equality]:
    of_contracts = pl.read_parquet(workspace.statement(CONTRACT_LINES, month))
    low_volume = pl.read_parquet(workspace.statement("low_volume", month))
    challenges = pl.read_parquet(workspace.statement("ebi_challenges", month))
    reconciled = pl.read_parquet(workspace.statement("reconciliation", month)).filter(
        component="final"
    )
    by_contract = [m for m in mechanisms if m.payment_mechanism in (API_VARIABLE, API_BLENDED)]
    in_block = [m for m in mechanisms if m.payment_mechanism == LVA_BLOCK]
    found = []
    for d in datasets:
        found += [
            Equality(
                f"{d.dataset}: records delivered = valid + refused by validation",
                d.delivered,
                d.valid + d.refused_by_validation,
            ),
            Equality(
                f"{d.dataset}: valid records = priced + refused by pricing",
                d.valid,
                d.priced + d.refused_by_pricing,
            ),
            Equality(
                f"{d.dataset}: priced records + their unbundled HRGs = lines of all mechanisms",
                d.priced + d.unbundled,
                _lines_of(mechanisms, d.dataset),
            ),
            Equality(
                f"{d.dataset}: lines of all mechanisms = distinct lines",
                _lines_of(mechanisms, d.dataset),
                distinct.get(d.dataset, 0),
            ),
            Equality(
                f"{d.dataset}: priced records = records reconciled with SUS+",
                d.priced,
                _sum(reconciled.filter(dataset=d.dataset), "records"),
            ),
        ]
    found.append(
        Equality(
            "value_pence of all mechanisms = value reconciled with SUS+ + value of unapproved EBI",
            sum(m.value_pence or 0 for m in mechanisms),
            _sum(reconciled, "ours_pence") + _sum(challenges, "value_pence"),
        )
    )
    statement_totals: list[tuple[str, Mapping[str, int], list[MechanismTotal]]] = [
        (
            "contract lines",
            {
                "lines": _sum(of_contracts, "activity"),
                "value_pence": _sum(of_contracts, "value_pence"),
                "payable_pence": _sum(of_contracts, "payable_pence"),
            },
            by_contract,
        ),
        (
            "low volume statement",
            {
                "lines": _sum(low_volume, "covered_activity"),
                "value_pence": _sum(low_volume, "covered_value_pence"),
            },
            in_block,
        ),
    ]
    for name, amounts, of_mechanism in statement_totals:
        found += [
            Equality(
                f"{name}: {amount} = {amount} of its mechanism",
                total,
                sum(getattr(m, amount) or 0 for m in of_mechanism),
            )
            for amount, total in amounts.items()
        ]
    return found


def _items_path(workspace: Workspace, month: str) -> Path:
    return workspace.statement("excluded_items", month)


def _item_equalities(
    workspace: Workspace, month: str, rulebook: Rulebook, totals_of_items: list[MechanismTotal]
) -> list[Equality]:
    items = pl.read_parquet(_items_path(workspace, month))
    baselines = pl.read_parquet(workspace.statement("excluded_drugs_baseline", month))
    listed = rulebook.items.rows.filter(pl.col("activity_month") == month)
    known = baselines.drop_nulls("year_payable_pence")
    above = (known["year_amount_pence"] - known["baseline_pence"]).clip(lower_bound=0)
    on_their_own = items.filter(pl.col("reason_code").is_in(_PAID_ON_THEIR_OWN))
    drugs = items.filter(
        pl.col("reason_code").is_in(
            [ItemReason.ITEM_AGAINST_BASELINE, ItemReason.ITEM_BASELINE_MISSING]
        )
    )
    return [
        Equality("excluded items: items listed = items priced", listed.height, items.height),
        Equality(
            "excluded items: items priced = distinct references among them",
            items.height,
            items["item_reference"].n_unique(),
        ),
        Equality(
            "excluded items: items priced = items of all mechanisms",
            items.height,
            sum(total.lines for total in totals_of_items),
        ),
        Equality(
            "excluded items: amount_pence = amount_pence of all mechanisms",
            _sum(items, "amount_pence"),
            sum(total.value_pence or 0 for total in totals_of_items),
        ),
        Equality(
            "excluded items: payable_pence = amount_pence of items paid on their own",
            _sum(items, "payable_pence"),
            _sum(on_their_own, "amount_pence"),
        ),
        Equality(
            "excluded drugs baseline: month_amount_pence = amount_pence of its items",
            _sum(baselines, "month_amount_pence"),
            _sum(drugs, "amount_pence"),
        ),
        Equality(
            "excluded drugs baseline: year_payable_pence = published_before_pence + payable_pence",
            _sum(known, "year_payable_pence"),
            _sum(known, "published_before_pence") + _sum(known, "payable_pence"),
        ),
        Equality(
            "excluded drugs baseline: year_payable_pence = year_amount_pence above baseline_pence",
            _sum(known, "year_payable_pence"),
            int(above.sum()),
        ),
    ]


def _lines_of(mechanisms: list[MechanismTotal], dataset: str) -> int:
    return sum(m.lines for m in mechanisms if m.dataset == dataset)


def _sum(table: pl.DataFrame, column: str) -> int:
    return int(table[column].sum())
