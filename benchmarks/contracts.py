"""What is timed of contract statements: a national year's priced lines to what contracts pay.

Belongs here: made-up priced lines and plans of every contract of a scheme year, our contract
lines and statements of its months, and one SQL statement each that makes the same. Does not
belong here: timing or reporting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import OWN_YEAR, months_of, months_of_year_to
from pipelines.deliveries import ROW_GROUP_ROWS
from pipelines.scheme_packs import scheme_for
from pipelines.workspace import PROJECT, Workspace
from pricing import blended_payments, contract_lines, variable_element
from pricing.money import PPM
from pricing.scheme import Scheme

SCHEME_YEAR = "2026-27"
MONTHS = months_of(SCHEME_YEAR)
PROVIDERS, COMMISSIONERS = 200, 42
_PER_CENT_OF_LINES = {
    "api_variable": {
        "DC": 12,
        "EL": 3,
        "OPPROC": 12,
        "NF2FFA": 2,
        "OPFAMPNCL": 1,
        "OPFAMPCL": 2,
        "OPFASPNCL": 3,
        "OPFASPCL": 14,
        "UNBCHEMO": 3,
        "UNBRAD": 7,
    },
    "api_blended": {"NEL": 6, "NELST": 4, "UNBRTHPY": 2},
    "api_fixed": {"OPFUPSPCL": 24, "UNBACC": 1},
    "activity_based": {"OPFASPCL": 4},
}
"""How lines are shared out among mechanisms and points of delivery."""
_TARIFFS = {"DC": "day_case", "NEL": "rtt_10_year_health_plan", "EL": "an_annual_tariff"}
_PAID_BY_PLAN_OR_UNIT = [
    point for name in ("api_variable", "api_blended") for point in _PER_CENT_OF_LINES[name]
]
CONTRACT_LINES, STATEMENTS = "contract_lines", "statements"
_SQL_FILES = {CONTRACT_LINES: "sum_contract_lines.sql", STATEMENTS: "state_contracts.sql"}
_STATEMENTS: dict[str, Callable[..., Any]] = {
    "variable_element": variable_element.statement,
    "blended": blended_payments.statement,
}
_NOT_AGREED = {
    "counts": ("activity_month", "contract_line", "activity", "value_pence"),
    "terms": ("contract_line", "rate_ppm", "amount_pence", "attainment_ppm", "withheld_ppm"),
    "bands": ("contract_line", "side", "from_ppm", "to_ppm", "rate_ppm"),
}
"""What statements take beside lines and plans, of which these contracts have none."""
_PAIR = ("provider_code", "commissioner_code")


@dataclass(frozen=True, slots=True)
class National:
    """The files of a national year: what is given, and what each side makes of it."""

    root: Path

    @property
    def lines(self) -> Path:
        """Priced lines, a file a month."""
        return self.root / "lines"

    @property
    def plans(self) -> Path:
        """What every contract plans of each of its lines."""
        return self.root / "plans.parquet"

    def ours(self, table: str, month: str) -> Path:
        """What ours makes: contract lines, or a section's statement, of a month."""
        return self.root / "ours" / table / f"{month}.parquet"

    def theirs(self, table: str) -> Path:
        """What the SQL makes of every month: contract lines, or both sections' statements."""
        return self.root / "theirs" / f"{table}.parquet"


def make_year(national: National, lines: int) -> None:
    """Writes `lines` priced lines, with the columns that contract lines take, and the plans."""
    national.lines.mkdir(parents=True)
    each = lines // len(MONTHS)
    for number, month in enumerate(MONTHS):
        made = _priced(month, number * each, each)
        made.write_parquet(national.lines / f"{month}.parquet", row_group_size=ROW_GROUP_ROWS)
    _plans().write_parquet(national.plans)


def sum_lines(national: National) -> None:
    """Ours: every line to its contract line in one streamed pass, a month after another."""
    scheme = _scheme(national)
    for month in MONTHS:
        lines = nw.from_native(pl.scan_parquet(national.lines / f"{month}.parquet"))
        made = contract_lines.of_month(lines, scheme).to_native()
        made.sink_parquet(national.ours(CONTRACT_LINES, month), mkdir=True)


def state(national: National) -> None:
    """Ours: both statements of each month, from the contract lines of the year up to it."""
    scheme = _scheme(national)
    of_lines = pl.scan_parquet([national.ours(CONTRACT_LINES, month) for month in MONTHS])
    given = (_none("counts"), pl.scan_parquet(national.plans), _none("terms"), _none("bands"))
    frames = [nw.from_native(frame) for frame in (of_lines, *given)]
    for month in MONTHS:
        for section, statement in _STATEMENTS.items():
            made = statement(*frames, months_of_year_to(month), MONTHS, scheme).to_native()
            made.sink_parquet(national.ours(section, month), mkdir=True)


def by_sql(national: National, table: str) -> None:
    """The reference: one statement of DuckDB, on as many threads as ours has."""
    made = national.theirs(table)
    made.parent.mkdir(exist_ok=True)
    text = (PROJECT / "benchmarks" / _SQL_FILES[table]).read_text("utf-8")
    statement = Template(text).safe_substitute(
        lines=national.lines / "*.parquet", plans=national.plans, made=made
    )
    with duckdb.connect(config={"threads": pl.thread_pool_size()}) as connection:
        connection.execute(statement)


def differences(national: National, table: str) -> str:
    """What differs between the two sides' rows: empty where nothing does."""
    theirs = pl.scan_parquet(national.theirs(table))
    columns = theirs.collect_schema().names()
    # Each section has columns that the other has not; the paragraphs are the pack's own words.
    sections = tuple(_STATEMENTS) if table == STATEMENTS else (table,)
    ours = pl.concat(
        [
            pl.scan_parquet([national.ours(section, month) for month in MONTHS]).with_columns(
                section=pl.lit(section)
            )
            for section in sections
        ],
        how="diagonal",
    ).drop("paragraph", strict=False)
    if "section" not in columns:
        ours = ours.drop("section")
    if set(columns) != set(ours.collect_schema().names()):
        return "the columns differ"
    keys = [*_PAIR, "activity_month", "contract_line"]
    found = [side.select(columns).sort(keys).collect() for side in (ours, theirs)]
    if found[0].schema != found[1].schema:
        return "the types of the columns differ"
    return "" if found[0].equals(found[1]) else "the rows differ"


def _scheme(national: National) -> Scheme:
    workspace = Workspace(national.root, PROJECT / "data")
    return scheme_for(workspace, OWN_YEAR.rules_day(MONTHS[0])).scheme


def _none(name: str) -> pl.LazyFrame:
    texts = dict.fromkeys((*_PAIR, "activity_month", "contract_line", "side"), pl.String)
    columns = (*_PAIR, *_NOT_AGREED[name])
    return pl.LazyFrame(schema={column: texts.get(column, pl.Int64) for column in columns})


def _plans() -> pl.DataFrame:
    """A plan of every contract for each month and line."""
    months = pl.DataFrame({"activity_month": MONTHS})
    lines = pl.DataFrame({"contract_line": _PAID_BY_PLAN_OR_UNIT})
    every = _pairs().select(_PAIR).join(months, how="cross").join(lines, how="cross")
    place = pl.int_range(pl.len())
    return every.with_columns(
        planned_activity=(place.hash(1) % 30).cast(pl.Int64),
        planned_value_pence=(place.hash(2) % 6_000_000).cast(pl.Int64),
    )


def _priced(month: str, first: int, lines: int) -> pl.DataFrame:
    """Lines of a month; some of best practice, some without a price or the approval they need."""
    place = pl.col("place")

    def draw(what: int, outcomes: int) -> pl.Expr:
        """One of some numbers for each line, the same in every run."""
        return (place.hash(what) % outcomes).cast(pl.Int64)

    value, is_variable = pl.col("value_pence"), pl.col("payment_mechanism") == "api_variable"
    is_unapproved = pl.col("ebi_outcome") == "zero_price"
    return (
        pl.DataFrame({"place": pl.int_range(first, first + lines, eager=True)})
        .with_columns(kind=draw(1, 100), pair=draw(2, PROVIDERS * COMMISSIONERS))
        .join(_kinds(), on="kind", maintain_order="left")
        .join(_pairs(), on="pair", maintain_order="left")
        .with_columns(
            activity_month=pl.lit(month),
            best_practice_tariff_name=pl.when(draw(3, 20) == 0).then("tariff"),
            ebi_outcome=pl.when(draw(4, 100) == 0)
            .then(pl.lit("zero_price"))
            .otherwise(pl.lit("not_applicable")),
        )
        .with_columns(
            best_practice_pence=pl.when(
                pl.col("best_practice_tariff_name").is_in(["day_case", "rtt_10_year_health_plan"])
            )
            .then(draw(5, 60_000) - 10_000)
            .otherwise(0),
        )
        .with_columns(
            pre_mff_pence=pl.when(draw(6, 2_000) > 0).then(
                20_000 + draw(7, 500_000) + pl.col("best_practice_pence")
            )
        )
        .with_columns(value_pence=(pl.col("pre_mff_pence") * pl.col("mff_ppm") + PPM // 2) // PPM)
        .with_columns(
            is_in_activity_target=is_variable & ~is_unapproved,
            payable_pence=pl.when(is_variable).then(
                pl.when(is_unapproved).then(0).otherwise(value)
            ),
        )
        .drop("place", "kind", "pair", "tariff")
    )


def _kinds() -> pl.DataFrame:
    kinds = [
        {
            "payment_mechanism": mechanism,
            "point_of_delivery_code": point,
            "tariff": _TARIFFS.get(point),
        }
        for mechanism, shares in _PER_CENT_OF_LINES.items()
        for point, share in shares.items()
        for _ in range(share)
    ]
    return pl.DataFrame(kinds).with_columns(kind=pl.int_range(pl.len(), dtype=pl.Int64))


def _pairs() -> pl.DataFrame:
    """Every provider with every payer."""
    providers = pl.DataFrame(
        {
            "provider_code": [f"R{number:03}" for number in range(PROVIDERS)],
            "mff_ppm": [1_000_000 + 997 * number for number in range(PROVIDERS)],
        }
    )
    payers = pl.DataFrame({"commissioner_code": [f"Q{n:02}" for n in range(COMMISSIONERS)]})
    return providers.join(payers, how="cross").with_columns(
        pair=pl.int_range(pl.len(), dtype=pl.Int64)
    )
