"""Dagster assets and their checks: one asset at each arrow's end, by activity month.

Belongs here: what depends on what, and what the UI is told of it. Does not belong here:
the work itself; an asset is a call of a function of this package and its metadata.

What follows validation stands twice: once as a month is priced in its own year, and once,
under the prefix `repriced`, by month and pricing basis.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from pipelines import (
    accounting,
    deliveries,
    pricing_run,
    publishing,
    reconciling,
    validation,
)
from pipelines.basis import PricingBasis
from pipelines.equalities import Equality
from pipelines.fixed_element.reviews import (
    FIXED_ELEMENT_REVIEW_STATEMENT,
    make_fixed_element_review,
)
from pipelines.fixed_element.statements import FIXED_ELEMENT_STATEMENT, make_fixed_element
from pipelines.low_volume import conservation, schedule_files
from pipelines.low_volume import schedule as schedules
from pipelines.scheme_packs import years_with_schedule
from pipelines.workspace import UserError, Workspace
from pricing.scheme_tables import SchemePackError
from schemas.contract_statements import (
    BLENDED,
    CONTRACT_LINES_OF_MONTH,
    CONTRACT_STATEMENT,
    FIXED_ELEMENT,
    FIXED_ELEMENT_REVIEW,
    VARIABLE_ELEMENT,
)
from schemas.contracts import valid_schema
from schemas.extracts import ADMITTED_PATIENT_CARE, EXTRACTS, Extract
from schemas.priced_line import (
    EBI_CHALLENGES,
    EXCLUDED_DRUGS_BASELINE,
    EXCLUDED_ITEMS,
    LOW_VOLUME,
    PRICED_LINE,
    RECONCILIATION,
    Field,
)

# Partitioned asset checks are a preview in the pinned Dagster; blocking ones are what we need.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

OWNER = "team:pricing"
PUBLISHING_POOL = "publishing"
INTAKE_POOL = "intake"
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2018-04", fmt="%Y-%m", end_offset=1)
BASES = dg.DynamicPartitionsDefinition(name="pricing_basis")
MONTHS_AND_BASES = dg.MultiPartitionsDefinition({"month": MONTHS, "basis": BASES})
REPRICED = "repriced"
SCHEDULE = "low_volume_schedule"
SCHEDULE_YEARS = dg.StaticPartitionsDefinition(years_with_schedule())

P = ParamSpec("P")
T = TypeVar("T")


def _schema(columns: tuple[Field, ...]) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(f.name, type=f.type, description=f.comment) for f in columns]
    )


def _schema_of(types: Mapping[str, Any]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, type=str(t)) for name, t in types.items()])


def _counts(counts: Mapping[str, int]) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.json(dict(counts))


def _table_of(equalities: Sequence[Equality]) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"equality": e.says, "left": e.left, "right": e.right, "holds": e.holds})
            for e in equalities
        ]
    )


def _faults(faults: Sequence[Equality]) -> str:
    return "; ".join(f"{e.says}: {e.left:,} against {e.right:,}" for e in faults)


class WorkspaceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The workspace the assets read and write; empty takes `SUS_PRICING_HOME` or the project."""

    root: str = ""

    def open(self) -> Workspace:
        """The workspace."""
        return Workspace.at(Path(self.root) if self.root else None)


def mendable(function: Callable[P, T]) -> Callable[P, T]:
    """Turns what a user can mend into a failure that says so and is not tried again."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (UserError, SchemePackError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return run


def dataset_assets(extract: Extract) -> list[Any]:
    """Extract, and valid and refused records of one dataset, with its check."""
    dataset, title = extract.dataset, extract.title
    tags = {"dataset": dataset}

    @dg.asset(
        name=f"{dataset}_extract",
        group_name="intake",
        owners=[OWNER],
        tags=tags,
        kinds={"polars", "parquet"},
        partitions_def=MONTHS,
        pool=INTAKE_POOL,
        description=(
            f"SUS+ {title} as delivered, less identifiers, filed by month and cut. "
            "Each file in the landing folder is taken in once, CDS 6.2 supplementary ones too."
        ),
    )
    @mendable
    def extract_asset(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> dg.MaterializeResult[Any]:
        month = context.partition_key
        taken = deliveries.take_in(workspace.open(), dataset, month)
        records = sum(delivery.months[month].records for delivery in taken)
        table = dg.MetadataValue.table(
            [
                dg.TableRecord({"file": d.name, "cut": d.cut, "sha256": d.sha256, "records": n})
                for d in taken
                for n in [d.months[month].records]
            ]
        )
        return dg.MaterializeResult(
            metadata={"dagster/partition_row_count": records, "deliveries": table}
        )

    @dg.multi_asset(
        name=f"{dataset}_validation",
        group_name="validation",
        partitions_def=MONTHS,
        specs=[
            dg.AssetSpec(
                f"{dataset}_valid_records",
                deps=[extract_asset],
                owners=[OWNER],
                tags=tags,
                kinds={"polars", "parquet"},
                description=f"{title.capitalize()} that no record rule refuses, typed.",
                metadata={"dagster/column_schema": _schema_of(valid_schema(extract))},
            ),
            dg.AssetSpec(
                f"{dataset}_refused_records",
                deps=[extract_asset],
                owners=[OWNER],
                tags=tags,
                kinds={"polars", "parquet"},
                description=f"{title.capitalize()} as delivered that a record rule refuses.",
            ),
        ],
    )
    @mendable
    def validation_assets(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> tuple[dg.MaterializeResult[Any], ...]:
        made = validation.validate(workspace.open(), dataset, context.partition_key)
        return (
            dg.MaterializeResult(
                asset_key=f"{dataset}_valid_records",
                metadata={
                    "dagster/partition_row_count": made.valid,
                    "cut": made.cut,
                    "warnings": _counts(made.warnings),
                },
            ),
            dg.MaterializeResult(
                asset_key=f"{dataset}_refused_records",
                metadata={
                    "dagster/partition_row_count": made.refused,
                    "cut": made.cut,
                    "refused_by_code": _counts(made.refused_by_code),
                },
            ),
        )

    @dg.asset_check(
        name="pandera_contract",
        asset=dg.AssetKey(f"{dataset}_valid_records"),
        blocking=True,
        partitions_def=MONTHS,
        description="Every valid record keeps the contract made from the column definitions.",
    )
    @mendable
    def contract_check(
        context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource
    ) -> dg.AssetCheckResult:
        checked, failures = validation.contract_failures(
            workspace.open(), dataset, context.partition_key
        )
        return dg.AssetCheckResult(
            passed=not failures,
            description=(
                f"{checked:,} records keep the contract."
                if not failures
                else f"{len(failures)} checks of the contract fail. The record rules let through "
                "what the contract does not: report it as a defect. "
                + "; ".join(f"{f['column']}: {f['check']} ({f['records']})" for f in failures)
            ),
            metadata={
                "records_checked": checked,
                "failures": dg.MetadataValue.json(failures),
            },
        )

    return [extract_asset, validation_assets, contract_check]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a month, and the datasets and other statements it is made from."""

    name: str
    description: str
    columns: tuple[Field, ...]
    make: Callable[[Workspace, str], Any]
    datasets: tuple[Extract, ...]
    statements: tuple[str, ...] = ()


STATEMENTS = (
    Statement(
        pricing_run.CONTRACT_LINES,
        "What the lines of the variable element and the blend come to by contract line.",
        CONTRACT_LINES_OF_MONTH,
        pricing_run.make_contract_lines,
        EXTRACTS,
    ),
    Statement(
        "variable_element",
        "API variable element by provider, commissioner, month and contract line, with its plan.",
        VARIABLE_ELEMENT,
        pricing_run.make_variable_element,
        (),
        (pricing_run.CONTRACT_LINES,),
    ),
    Statement(
        "blended",
        "Blended payments by provider, commissioner, month and contract line, with their plan.",
        BLENDED,
        pricing_run.make_blended,
        (),
        (pricing_run.CONTRACT_LINES,),
    ),
    Statement(
        FIXED_ELEMENT_STATEMENT,
        "API fixed element of each contract with a worksheet, item by item, and its instalment.",
        FIXED_ELEMENT,
        make_fixed_element,
        (),
        (pricing_run.CONTRACT_LINES,),
    ),
    Statement(
        FIXED_ELEMENT_REVIEW_STATEMENT,
        "Yearly review of each contract that has one: services, rules step by step, and the plan.",
        FIXED_ELEMENT_REVIEW,
        make_fixed_element_review,
        EXTRACTS,
    ),
    Statement(
        "ebi_challenges",
        "Category 1 evidence-based interventions without prior approval.",
        EBI_CHALLENGES,
        pricing_run.make_ebi_challenges,
        (ADMITTED_PATIENT_CARE,),
    ),
    Statement(
        "excluded_items",
        "Excluded items of the users' list: what is paid for each, and why.",
        EXCLUDED_ITEMS,
        pricing_run.make_excluded_items,
        EXTRACTS,
    ),
    Statement(
        "low_volume",
        "Each pair of the LVA payments schedule: its block, what it covered in the month and what "
        "API would have paid for that, what was paid outside it, and when it is due.",
        LOW_VOLUME,
        pricing_run.make_low_volume,
        EXTRACTS,
        ("excluded_items",),
    ),
    Statement(
        "excluded_drugs_baseline",
        "Excluded drugs of NHS England in the scheme year so far, against their baselines.",
        EXCLUDED_DRUGS_BASELINE,
        pricing_run.make_excluded_drugs_baseline,
        EXTRACTS,
    ),
    Statement(
        "contract_statement",
        "All that each contract pays in the month, by section.",
        CONTRACT_STATEMENT,
        pricing_run.make_contract_statement,
        EXTRACTS,
        (
            *(FIXED_ELEMENT_STATEMENT, "variable_element", "blended"),
            *("excluded_items", "excluded_drugs_baseline"),
        ),
    ),
    Statement(
        "reconciliation",
        "What SUS+ gave against what it comes to here, by cause; the records that differ; and the "
        "rounding that fits SUS+.",
        RECONCILIATION,
        reconciling.make_reconciliation,
        EXTRACTS,
    ),
)


@dataclass(frozen=True, slots=True)
class Pricing:
    """One of the two ways a month is priced: in its own year, or on another basis."""

    prefix: tuple[str, ...]
    partitions: dg.PartitionsDefinition[Any]
    says: str

    def key(self, name: str) -> dg.AssetKey:
        """The key of one of its assets."""
        return dg.AssetKey([*self.prefix, name])

    def group(self, name: str) -> str:
        """The group of some of its assets."""
        return "_".join([*self.prefix, name])

    def open(self, partition_key: str, resource: WorkspaceResource) -> tuple[Workspace, str]:
        """The workspace on the basis of a partition, and the partition's month.

        Raises `UserError` for a basis that somebody added by hand and that is none.
        """
        if not isinstance(partition_key, dg.MultiPartitionKey):
            return resource.open(), partition_key
        name, month = (partition_key.keys_by_dimension[of] for of in ("basis", "month"))
        try:
            basis = PricingBasis.named(name)
        except ValueError as error:
            raise UserError(f"{error}. Name it as 2024-25 or 2024-25_as_of_2024-09-30.") from error
        if basis.for_month(month) != basis:
            raise UserError(f"{name} is {month}'s own year: take {basis.for_month(month).name}.")
        return resource.open().on(basis), month


IN_OWN_YEAR = Pricing((), MONTHS, "")
ON_OTHER_BASIS = Pricing(
    (REPRICED,), MONTHS_AND_BASES, " Under another year's rules, or as known on another day."
)


def pricing_assets(pricing: Pricing) -> list[Any]:
    """Priced lines, statements, the account with its check, and what is published."""
    prefix = list(pricing.prefix) or None

    def lines_asset(extract: Extract) -> dg.AssetsDefinition:
        @dg.asset(
            name=f"{extract.dataset}_priced_lines",
            group_name=pricing.group("pricing"),
            tags={"dataset": extract.dataset},
            kinds={"polars", "parquet"},
            deps=[dg.AssetKey(f"{extract.dataset}_valid_records")],
            description=(
                f"Priced lines of {extract.title}: what each is worth, what is payable, and why."
                f"{pricing.says}"
            ),
            metadata={"dagster/column_schema": _schema(PRICED_LINE)},
            key_prefix=prefix,
            owners=[OWNER],
            partitions_def=pricing.partitions,
        )
        @mendable
        def priced_lines(
            context: dg.AssetExecutionContext, workspace: WorkspaceResource
        ) -> dg.MaterializeResult[Any]:
            opened, month = pricing.open(context.partition_key, workspace)
            made = pricing_run.price(opened, extract.dataset, month)
            return dg.MaterializeResult(
                metadata={
                    "dagster/partition_row_count": made.lines,
                    "cut": made.cut,
                    "refused": made.refused,
                    "refused_by_code": _counts(made.refused_by_code),
                }
            )

        return priced_lines

    def statement_asset(statement: Statement) -> dg.AssetsDefinition:
        @dg.asset(
            name=statement.name,
            group_name=pricing.group("statements"),
            kinds={"polars", "parquet"},
            deps=[
                *(pricing.key(f"{extract.dataset}_priced_lines") for extract in statement.datasets),
                *(pricing.key(name) for name in statement.statements),
            ],
            description=f"{statement.description}{pricing.says}",
            metadata={"dagster/column_schema": _schema(statement.columns)},
            key_prefix=prefix,
            owners=[OWNER],
            partitions_def=pricing.partitions,
        )
        @mendable
        def made_statement(
            context: dg.AssetExecutionContext, workspace: WorkspaceResource
        ) -> dg.MaterializeResult[Any]:
            table = statement.make(*pricing.open(context.partition_key, workspace))
            totals = {
                column: int(table[column].sum())
                for column in table.columns
                if column.endswith(("_pence", "activity"))
            }
            return dg.MaterializeResult(
                metadata={"dagster/partition_row_count": table.height, **totals}
            )

        return made_statement

    @dg.asset_check(
        asset=pricing.key("low_volume"),
        additional_deps=[pricing.key(pricing_run.CONTRACT_LINES)],
        blocking=True,
        partitions_def=pricing.partitions,
        description=(
            "No line is both in a block and paid; what a listed pair is paid beside its block is "
            "by an exception, an item paid apart or its move to API."
        ),
    )
    @mendable
    def conservation_statement(
        context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource
    ) -> dg.AssetCheckResult:
        made = conservation.conservation(*pricing.open(context.partition_key, workspace))
        return dg.AssetCheckResult(
            passed=not made.faults,
            description=_faults(made.faults) or f"All {len(made.equalities)} equalities hold.",
            metadata={
                "lines_of_listed_pairs": dg.MetadataValue.table(
                    [dg.TableRecord(asdict(share)) for share in made.shares]
                ),
                "equalities": _table_of(made.equalities),
            },
        )

    @dg.asset(
        group_name=pricing.group("publication"),
        kinds={"duckdb"},
        deps=[
            *(dg.AssetKey(f"{extract.dataset}_refused_records") for extract in EXTRACTS),
            *(pricing.key(f"{extract.dataset}_priced_lines") for extract in EXTRACTS),
            *(pricing.key(statement.name) for statement in STATEMENTS),
        ],
        description=(
            "Every record in, priced or refused; every penny by mechanism; the hash of it."
            f"{pricing.says}"
        ),
        key_prefix=prefix,
        owners=[OWNER],
        partitions_def=pricing.partitions,
    )
    @mendable
    def month_account(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> dg.MaterializeResult[Any]:
        made = accounting.account(*pricing.open(context.partition_key, workspace))
        notices = "\n".join(f"- {notice}" for notice in made.notices)
        return dg.MaterializeResult(
            metadata={
                "records_delivered": made.delivered,
                "records_priced": made.priced,
                "records_refused": made.refused,
                "value_pence": made.value_pence,
                "payable_pence": made.payable_pence,
                "content_hash": made.content_hash,
                "is_illustrative": made.is_illustrative,
                "notices": dg.MetadataValue.md(notices or "none"),
            }
        )

    @dg.asset_check(
        asset=month_account,
        blocking=True,
        partitions_def=pricing.partitions,
        description="Records in = priced + refused; lines and pence of mechanisms = statements.",
    )
    @mendable
    def total_accounting(
        context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource
    ) -> dg.AssetCheckResult:
        account = accounting.read_account(*pricing.open(context.partition_key, workspace))
        return dg.AssetCheckResult(
            passed=not account.faults,
            description=(
                _faults(account.faults) or f"All {len(account.equalities)} equalities hold."
            ),
            metadata={"equalities": _table_of(account.equalities)},
        )

    @dg.asset(
        group_name=pricing.group("publication"),
        kinds={"duckdb"},
        pool=PUBLISHING_POOL,
        deps=[month_account],
        description=(
            f"marts/outputs.duckdb with the month in it, swapped in by one rename.{pricing.says}"
        ),
        key_prefix=prefix,
        owners=[OWNER],
        partitions_def=pricing.partitions,
    )
    @mendable
    def outputs_duckdb(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> dg.MaterializeResult[Any]:
        opened, month = pricing.open(context.partition_key, workspace)
        account = accounting.read_account(opened, month)
        for notice in account.notices:
            context.log.warning(notice)
        rows = publishing.publish(opened, account, context.run.run_id)
        return dg.MaterializeResult(metadata={"path": str(opened.mart), **rows})

    return [
        *(lines_asset(extract) for extract in EXTRACTS),
        *(statement_asset(statement) for statement in STATEMENTS),
        conservation_statement,
        month_account,
        total_accounting,
        outputs_duckdb,
    ]


@dg.asset(
    group_name=SCHEDULE,
    kinds={"polars", "csv"},
    owners=[OWNER],
    partitions_def=SCHEDULE_YEARS,
    deps=[
        dg.AssetDep(f"{extract.dataset}_valid_records", partition_mapping=dg.AllPartitionMapping())
        for extract in EXTRACTS
    ],
    description=(
        "The LVA payments schedule of a year, rebuilt from its reference years: the values, how "
        "each was worked out, and how they compare with what was published."
    ),
)
@mendable
def low_volume_schedule(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """The same as `sus-pricing lva build --out`, into the lake."""
    opened, year = workspace.open(), context.partition_key
    made = schedules.build(opened, year)
    folder = schedule_files.folder_of(opened, year)
    schedule_files.write(made, folder)
    notices = [*schedule_files.marks_of(made), *made.notices]
    return dg.MaterializeResult(
        metadata={
            "path": str(folder),
            "dagster/partition_row_count": len(made.listed),
            "block_value_pence": made.total_pence,
            "content_hash": schedule_files.content_hash(made),
            "is_illustrative": made.is_illustrative,
            "notices": dg.MetadataValue.md("\n".join(f"- {one}" for one in notices) or "none"),
        }
    )


def all_assets() -> Iterator[Any]:
    """Every asset and asset check."""
    for extract in EXTRACTS:
        yield from dataset_assets(extract)
    for pricing in (IN_OWN_YEAR, ON_OTHER_BASIS):
        yield from pricing_assets(pricing)
    yield low_volume_schedule
