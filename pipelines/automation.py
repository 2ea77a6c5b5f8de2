"""When a month runs: the jobs, the schedule, and the sensor on the landing folder.

Belongs here: what starts a run and with which month. Does not belong here: the assets.
"""

import json
import time
from datetime import date, timedelta

import dagster as dg

from pipelines import deliveries
from pipelines.assets import MONTHS, REPRICED, SCHEDULE, WorkspaceResource
from pipelines.workspace import UserError

_SETTLED_SECONDS = 30
"""A file that changed more recently may still be on its way."""

_REPRICED = dg.AssetSelection.key_prefixes(REPRICED)
monthly_pricing = dg.define_asset_job(
    "monthly_pricing",
    selection=dg.AssetSelection.all() - _REPRICED - dg.AssetSelection.groups(SCHEDULE),
    executor_def=dg.in_process_executor,
    description="Takes in, validates, prices and publishes one month.",
    tags={"sus-pricing": "monthly"},
)
taking_in = dg.define_asset_job(
    "taking_in",
    selection=dg.AssetSelection.groups("intake", "validation"),
    executor_def=dg.in_process_executor,
    description="Takes in and validates one month, for it to be priced on another basis.",
    tags={"sus-pricing": "taking in"},
)
repricing = dg.define_asset_job(
    "repricing",
    selection=_REPRICED,
    executor_def=dg.in_process_executor,
    description="Prices one month's valid records on another basis, and publishes that apart.",
    tags={"sus-pricing": "repricing"},
)


@dg.schedule(
    job=monthly_pricing,
    cron_schedule="0 6 22 * *",
    execution_timezone="Europe/London",
    description="On the 22nd: the flex of last month, and the freeze of the month before.",
)
def monthly_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Last month and the one before it."""
    last_month = _month_before(context.scheduled_execution_time.date())
    months = [last_month, _month_before(last_month)]
    return [dg.RunRequest(partition_key=f"{month:%Y-%m}") for month in months]


@dg.sensor(
    job=monthly_pricing,
    minimum_interval_seconds=60,
    description="Runs each month that a new or changed extract in the landing folder holds.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    """A run for each month of each extract that has come since the last look."""
    opened = workspace.open()
    settled_before = (time.time() - _SETTLED_SECONDS) * 1_000_000_000
    seen = json.loads(context.cursor or "{}")
    found = {
        name: status
        for name, status in deliveries.landing_fingerprint(opened).items()
        if status[1] < settled_before
    }
    changed = sorted(name for name, status in found.items() if seen.get(name) != status)
    months: set[str] = set()
    for name in changed:
        try:
            months |= deliveries.months_held(opened, name)
        except UserError as error:
            context.log.error(str(error))
    known = set(MONTHS.get_partition_keys())
    requests = [
        dg.RunRequest(partition_key=month, run_key=f"{month} {max(found[n][1] for n in changed)}")
        for month in sorted(months & known)
    ]
    if not requests and not changed:
        return dg.SkipReason("Nothing new in the landing folder.")
    return dg.SensorResult(run_requests=requests, cursor=json.dumps({**seen, **found}))


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)
