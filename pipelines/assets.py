"""Dagster assets and their checks: one asset at each arrow's end, by activity month.

Belongs here: what depends on what, and what the UI is told of it. Does not belong here:
the work itself; an asset is a call of a function of this package and its metadata.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from pipelines import accounting, deliveries, pricing_run, publishing, validation
from pipelines.workspace import UserError, Workspace
from pricing.scheme import SchemePackError
from schemas.contracts import valid_schema
from schemas.extracts import ADMITTED_PATIENT_CARE, EXTRACTS, Extract
from schemas.priced_line import (
    EBI_CHALLENGES,
    LOW_VOLUME,
    PRICED_LINE,
    VARIABLE_ELEMENT,
    Field,
)

# Partitioned asset checks are a preview in the pinned Dagster; blocking ones are what we need.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

OWNER = "team:pricing"
PUBLISHING_POOL = "publishing"
INTAKE_POOL = "intake"
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2018-04", fmt="%Y-%m", end_offset=1)

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
    """Extract, valid and refused records, and priced lines of one dataset, with its check."""
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
            "Each file in the landing folder is taken in once."
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

    @dg.asset(
        name=f"{dataset}_priced_lines",
        group_name="pricing",
        owners=[OWNER],
        tags=tags,
        kinds={"polars", "parquet"},
        partitions_def=MONTHS,
        deps=[dg.AssetKey(f"{dataset}_valid_records")],
        description=f"Priced lines of {title}: what each is worth, what is payable, and why.",
        metadata={"dagster/column_schema": _schema(PRICED_LINE)},
    )
    @mendable
    def priced_asset(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> dg.MaterializeResult[Any]:
        made = pricing_run.price(workspace.open(), dataset, context.partition_key)
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": made.lines,
                "cut": made.cut,
                "refused": made.refused,
                "refused_by_code": _counts(made.refused_by_code),
            }
        )

    return [extract_asset, validation_assets, contract_check, priced_asset]


def statement_asset(
    name: str,
    description: str,
    columns: tuple[Field, ...],
    make: Callable[[Workspace, str], Any],
    datasets: tuple[Extract, ...],
) -> dg.AssetsDefinition:
    """One statement of a month, made from its priced lines."""

    @dg.asset(
        name=name,
        group_name="statements",
        owners=[OWNER],
        kinds={"polars", "parquet"},
        partitions_def=MONTHS,
        deps=[dg.AssetKey(f"{extract.dataset}_priced_lines") for extract in datasets],
        description=description,
        metadata={"dagster/column_schema": _schema(columns)},
    )
    @mendable
    def statement(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> dg.MaterializeResult[Any]:
        table = make(workspace.open(), context.partition_key)
        totals = {
            column: int(table[column].sum())
            for column in table.columns
            if column.endswith(("_pence", "activity"))
        }
        return dg.MaterializeResult(
            metadata={"dagster/partition_row_count": table.height, **totals}
        )

    return statement


STATEMENTS = [
    statement_asset(
        "variable_element",
        "API variable element by provider, commissioner, month and point of delivery.",
        VARIABLE_ELEMENT,
        pricing_run.make_variable_element,
        EXTRACTS,
    ),
    statement_asset(
        "low_volume",
        "Each pair of the LVA payments schedule, and what its block covered in the month.",
        LOW_VOLUME,
        pricing_run.make_low_volume,
        EXTRACTS,
    ),
    statement_asset(
        "ebi_challenges",
        "Category 1 evidence-based interventions without prior approval.",
        EBI_CHALLENGES,
        pricing_run.make_ebi_challenges,
        (ADMITTED_PATIENT_CARE,),
    ),
]


@dg.asset(
    group_name="publication",
    owners=[OWNER],
    kinds={"duckdb"},
    partitions_def=MONTHS,
    deps=[
        *(dg.AssetKey(f"{extract.dataset}_refused_records") for extract in EXTRACTS),
        *(dg.AssetKey(f"{extract.dataset}_priced_lines") for extract in EXTRACTS),
        *STATEMENTS,
    ],
    description="Every record in, priced or refused; every penny by mechanism; the hash of it.",
)
@mendable
def month_account(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Counts the month from what is in the lake."""
    made = accounting.account(workspace.open(), context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "records_delivered": made.delivered,
            "records_priced": made.priced,
            "records_refused": made.refused,
            "value_pence": made.value_pence,
            "payable_pence": made.payable_pence,
            "content_hash": made.content_hash,
            "is_illustrative": made.is_illustrative,
            "notices": dg.MetadataValue.md("\n".join(f"- {n}" for n in made.notices) or "none"),
        }
    )


@dg.asset_check(
    asset=month_account,
    blocking=True,
    partitions_def=MONTHS,
    description="Records in = priced + refused; lines and pence of mechanisms = statements.",
)
@mendable
def total_accounting(
    context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource
) -> dg.AssetCheckResult:
    """Whether every record and penny of the month is in one place."""
    account = accounting.read_account(workspace.open(), context.partition_key)
    table = [
        dg.TableRecord({"equality": e.says, "left": e.left, "right": e.right, "holds": e.holds})
        for e in account.equalities
    ]
    faults = "; ".join(f"{e.says}: {e.left:,} against {e.right:,}" for e in account.faults)
    return dg.AssetCheckResult(
        passed=not account.faults,
        description=faults or f"All {len(account.equalities)} equalities hold.",
        metadata={"equalities": dg.MetadataValue.table(table)},
    )


@dg.asset(
    group_name="publication",
    owners=[OWNER],
    kinds={"duckdb"},
    partitions_def=MONTHS,
    pool=PUBLISHING_POOL,
    deps=[month_account],
    description="marts/outputs.duckdb with the month in it, swapped in by one rename.",
)
@mendable
def outputs_duckdb(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Publishes the month."""
    opened = workspace.open()
    account = accounting.read_account(opened, context.partition_key)
    for notice in account.notices:
        context.log.warning(notice)
    rows = publishing.publish(opened, account, context.run.run_id)
    return dg.MaterializeResult(metadata={"path": str(opened.mart), **rows})


def all_assets() -> Iterator[Any]:
    """Every asset and asset check."""
    for extract in EXTRACTS:
        yield from dataset_assets(extract)
    yield from STATEMENTS
    yield from (month_account, total_accounting, outputs_duckdb)
