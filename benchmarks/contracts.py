"""What is timed of contract statements: a national year's priced lines to what contracts pay.

Belongs here: made-up priced lines, counts and plans of every contract of a scheme year, our
statements of its months, and one SQL statement that makes the same. Does not belong here: timing
or reporting.
"""

from pathlib import Path

import polars as pl

from pipelines.basis import months_of
from pipelines.deliveries import ROW_GROUP_ROWS
from pricing.money import PPM

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


def make_lines(folder: Path, lines: int) -> None:
    """Writes `lines` priced lines, a file a month, with the columns that contract lines take."""
    folder.mkdir(parents=True)
    each = lines // len(MONTHS)
    for number, month in enumerate(MONTHS):
        made = _priced(month, number * each, each)
        made.write_parquet(folder / f"{month}.parquet", row_group_size=ROW_GROUP_ROWS)


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
            pre_mff_pence=pl.when(draw(6, 200) > 0).then(
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
