"""The Dagster definitions: what `dg` and the UI load.

Belongs here: putting assets, checks, job, schedule, sensor and resources together. Does
not belong here: any of them.
"""

import dagster as dg

from pipelines.assets import WorkspaceResource, all_assets
from pipelines.automation import (
    landing_sensor,
    monthly_pricing,
    monthly_schedule,
    repricing,
    taking_in,
)
from pipelines.workspace import keep_private


def build_definitions(root: str = "") -> dg.Definitions:
    """The definitions over a workspace; tests give their own `root`."""
    found = list(all_assets())
    return dg.Definitions(
        assets=[d for d in found if not isinstance(d, dg.AssetChecksDefinition)],
        asset_checks=[d for d in found if isinstance(d, dg.AssetChecksDefinition)],
        jobs=[monthly_pricing, taking_in, repricing],
        schedules=[monthly_schedule],
        sensors=[landing_sensor],
        resources={"workspace": WorkspaceResource(root=root)},
        executor=dg.in_process_executor,
    )


keep_private()
defs = build_definitions()
