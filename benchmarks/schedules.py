"""What is timed of the LVA payments schedule: three reference years re-priced and averaged.

Belongs here: made-up extracts of the reference years, our rebuilt schedule, a plain copy of the
same records, and the sums of the same lines by SQL. Does not belong here: timing or reporting.
"""

import json
from pathlib import Path
from string import Template
from typing import Any

import polars as pl

from benchmarks.work import SEED, SQL_FILES, SqlPricing, open_workspace
from pipelines import deliveries, validation
from pipelines.basis import PricingBasis, months_of
from pipelines.low_volume.reference_years import reference_years
from pipelines.low_volume.schedule import build, recipe
from pipelines.price_books import shipped_folder
from pipelines.pricing_run import rulebook_for
from pipelines.synth import Reference, write_extracts
from pipelines.workspace import PROJECT, Workspace
from schemas.extracts import EXTRACTS

SCHEME_YEAR, PRICE_YEAR = "2026-27", "2024-25"
ATTENDANCES_A_MONTH = 100
"""There must be some: a month without is not whole."""
_OURS, _THEIRS = "ours.json", "theirs.json"
_SUMS = """
SELECT provider_code, commissioner_code,
       CASE WHEN payment_mechanism IN ('outside_scheme', 'charged_to_patient', 'excluded_item')
                THEN payment_mechanism
            WHEN treatment_function_code IN (${mental_health}) THEN 'mental_health'
            WHEN treatment_function_code IN (${dental}) THEN 'secondary_dental'
            ELSE 'acute' END AS counts_as,
       count(*) AS lines, coalesce(sum(value_pence), 0)::BIGINT AS value_pence
FROM (${priced}) GROUP BY ALL
"""


def months() -> list[str]:
    """Every month of the reference years, in order."""
    scheme = recipe(Workspace(PROJECT, PROJECT / "data"), SCHEME_YEAR).scheme
    return [month for year in reference_years(scheme) for month in months_of(year)]


def make_years(root: Path, spells: int) -> None:
    """Writes the extracts of every month, and takes them in; `spells` are over all of them."""
    workspace, every = open_workspace(root), months()
    book = shipped_folder(workspace, PRICE_YEAR, PricingBasis(PRICE_YEAR).rules_day(every[0]))
    reference = Reference.read(workspace.data / "organisations", book)
    attendances = ATTENDANCES_A_MONTH * len(every)
    write_extracts(
        every,
        spells,
        attendances,
        SEED,
        workspace.landing,
        reference,
        schedule_years=[SCHEME_YEAR],
    )
    for month in every:
        for extract in EXTRACTS:
            deliveries.take_in(workspace, extract.dataset, month)
            validation.validate(workspace, extract.dataset, month)


def rebuild(root: Path) -> None:
    """Ours: the schedule, from valid records to values."""
    made = build(open_workspace(root), SCHEME_YEAR)
    sums = {
        f"{year.scheme_year} {' '.join(pair)} {part}": [done.lines, done.value_pence]
        for year in made.years
        for (pair, part), done in year.by_pair.items()
    }
    (root / _OURS).write_text(json.dumps(sums), "utf-8")


def copy(root: Path) -> None:
    """The reference: a plain copy of every valid record."""
    workspace = open_workspace(root)
    for month, dataset, path in _valid(workspace):
        pl.scan_parquet(path).sink_parquet(root / f"{dataset}-{month}.copy.parquet")


def by_sql(root: Path) -> None:
    """The other reference: the same lines priced and summed by SQL, a statement a month."""
    workspace = open_workspace(root).on(PricingBasis(PRICE_YEAR))
    scheme = recipe(workspace, SCHEME_YEAR).scheme
    codes = {
        "mental_health": _quoted(scheme.low_volume.mental_health_treatment_function_codes),
        "dental": _quoted(scheme.low_volume.secondary_dental_treatment_function_codes),
    }
    sums: dict[str, list[int]] = {}
    for year in reference_years(scheme):
        for month in months_of(year):
            rulebook = rulebook_for(workspace, month)
            rulebook = rulebook.at_published_prices(scheme.effective_from)
            sql = SqlPricing(workspace, month, rulebook)
            for dataset, file in SQL_FILES.items():
                text = (PROJECT / "benchmarks" / file).read_text("utf-8")
                priced = text.partition("COPY (")[2].rpartition(") TO '")[0]
                statement = Template(_SUMS).substitute(codes, priced=priced)
                for provider, payer, part, lines, value in sql.rows(statement, dataset):
                    key = f"{year} {provider} {payer} {part}"
                    before = sums.get(key, [0, 0])
                    sums[key] = [before[0] + lines, before[1] + value]
    (root / _THEIRS).write_text(json.dumps(sums), "utf-8")


def differences(root: Path) -> list[str]:
    """The sums of pairs that the two sides do not share; theirs have all that is left out too."""
    ours, theirs = (json.loads((root / name).read_text("utf-8")) for name in (_OURS, _THEIRS))
    return [key for key, done in ours.items() if theirs.get(key) != done]


def _valid(workspace: Workspace) -> list[tuple[str, str, Path]]:
    found = []
    for month in months():
        for extract in EXTRACTS:
            cut = deliveries.settled_cut(workspace, extract.dataset, month)
            path = validation.valid_path(workspace, extract.dataset, month, cut)
            found.append((month, extract.dataset, path))
    return found


def _quoted(codes: Any) -> str:
    return ", ".join(f"'{code}'" for code in codes)
