"""What SUS+ makes of a record's price, and where it errs.

Belongs here: the amounts of a record, which are consistent with each other, and the few in
which SUS+ goes another way than the rules of the year, each counted by its cause. Does not
belong here: the parts of a price that are the same whoever provides (`templates`), or faults
of records (`faults`).

A record has at most one difference, and only where it makes one to the final price that no
rounding explains. Unapproved evidence-based interventions have none: SUS+ prices all of them
by design.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from pipelines.synth.extracts import ADMISSION_METHOD, EBI_TYPE
from pipelines.synth.reference import MILLION

NO_DIFFERENCE = ""
_POUND = 100
_ANOTHER_FACTOR_PPM = 12_345
_LEAST_FOR_A_FACTOR = 20_000
"""Pence before MFF from which a larger factor adds more than rounding four parts up could."""
_LEAST_FOR_A_TOP_UP = 200
_LEAST_BY_ROUNDING = 12
_PARTS = ("_unit", "_long_stay", "_top_up", "_unbundled")


def with_amounts(
    frame: pl.DataFrame,
    draw: pl.Series,
    top_ups: Mapping[str, int],
    shares: Mapping[str, int],
) -> pl.DataFrame:
    """The records with what SUS+ gives for each part of their price, as text in pounds.

    `draw` decides which records have a difference; `top_ups` are millionths by provider and
    specialised service. `_difference` is the cause of what was planted and `_final` the price
    in pence.
    """
    frame = frame.with_columns(
        _top_up_ppm=pl.concat_str("_provider", pl.lit("/"), "_specialised").replace_strict(
            top_ups, default=0, return_dtype=pl.Int64
        ),
        _is_excluded=(pl.col("_in_pbr") == "2") | pl.col("_agreement").str.ends_with("="),
        _base=pl.col("_unit") - pl.col("_best_practice"),
        _sus_factor=pl.col("_mff"),
    )
    frame = _with_final(frame.with_columns(_top_up=_top_up(pl.col("_unit"))))
    frame = frame.with_columns(_difference=_planted(frame, draw, shares))
    is_of = {cause: pl.col("_difference") == cause for cause in _CAUSES}
    is_late = is_of["long_stay"]
    frame = frame.with_columns(
        _unit=pl.when(is_of["best_practice_tariff"])
        .then("_base")
        .when(is_of["rule_year"])
        .then("_other_year")
        .when(is_of["price_book_version"])
        .then("_other_version")
        .otherwise("_unit"),
        _long_stay=pl.when(is_late)
        .then(pl.col("_long_stay") + pl.col("_per_day"))
        .otherwise("_long_stay"),
        _unbundled=pl.when(is_of["unbundled"]).then(0).otherwise("_unbundled"),
        _sus_factor=pl.when(is_of["mff_value"])
        .then(pl.col("_mff") + _ANOTHER_FACTOR_PPM)
        .otherwise("_mff"),
    )
    frame = _with_final(
        frame.with_columns(
            _top_up=pl.when(is_of["top_up"]).then(0).otherwise(_top_up(pl.col("_unit")))
        )
    )
    in_pounds = pl.when(is_of["rounding"]).then(_in_whole_pounds()).otherwise("_final")
    return _as_text(frame.with_columns(_final=in_pounds))


def _top_up(unit: pl.Expr) -> pl.Expr:
    return (unit.fill_null(0) * pl.col("_top_up_ppm") + MILLION // 2) // MILLION


def _with_final(frame: pl.DataFrame) -> pl.DataFrame:
    """Before MFF and after it, rounded once; null where nothing has a price."""
    has_price = pl.col("_unit").is_not_null() | (pl.col("_unbundled") > 0)
    added = pl.sum_horizontal(pl.col(name).fill_null(0) for name in _PARTS)
    frame = frame.with_columns(_pre_mff=pl.when(has_price).then(added))
    return frame.with_columns(
        _final=(pl.col("_pre_mff") * pl.col("_sus_factor") + MILLION // 2) // MILLION
    )


def _in_whole_pounds() -> pl.Expr:
    """Each part in whole pounds after MFF, then added."""
    unit = MILLION * _POUND
    return pl.sum_horizontal(
        (pl.col(name).fill_null(0) * pl.col("_mff") + unit // 2) // unit * _POUND for name in _PARTS
    )


_CAUSES = (
    "mff_value",
    "rounding",
    "rule_year",
    "price_book_version",
    "top_up",
    "best_practice_tariff",
    "long_stay",
    "unbundled",
    "exclusion",
)


def _planted(frame: pl.DataFrame, draw: pl.Series, shares: Mapping[str, int]) -> pl.Series:
    """The cause of each record's difference, or `NO_DIFFERENCE`.

    Each cause has a band of a thousand draws of its own, and falls on the records of its band
    that it can be of.
    """
    has_no_other_cause = ~pl.col("_may_have_local_price")
    if EBI_TYPE in frame.columns:
        has_no_other_cause &= pl.col(EBI_TYPE).is_null()
    is_priced = ~pl.col("_is_excluded") & (pl.col("_final") > 0)
    is_plain = is_priced & pl.col("_unit").is_not_null() & has_no_other_cause
    can_be = {
        "mff_value": is_plain & (pl.col("_pre_mff") >= _LEAST_FOR_A_FACTOR),
        "rounding": is_plain & ((_in_whole_pounds() - pl.col("_final")).abs() > _LEAST_BY_ROUNDING),
        "rule_year": is_plain
        & (pl.col("_best_practice") == 0)
        & pl.col("_other_year").is_not_null(),
        "price_book_version": is_plain
        & (pl.col("_best_practice") == 0)
        & pl.col("_other_version").is_not_null(),
        "top_up": is_plain & (pl.col("_top_up") >= _LEAST_FOR_A_TOP_UP),
        "best_practice_tariff": is_plain & (pl.col("_best_practice") != 0),
        "long_stay": is_plain & (pl.col("_long_stay") > 0),
        "unbundled": is_plain & (pl.col("_unbundled") > 0),
        # What SUS+ prices although it is excluded. What it cannot group it prices at nothing.
        "exclusion": pl.col("_is_excluded") & (pl.col("_unit") > 0) & has_no_other_cause,
    }
    draws = pl.Series("_draw", draw % 1000)
    planted = pl.lit(NO_DIFFERENCE)
    first = 0
    for cause in _CAUSES:
        in_band = pl.col("_draw").is_between(first, first + shares[cause] - 1)
        planted = pl.when(in_band & can_be[cause]).then(pl.lit(cause)).otherwise(planted)
        first += shares[cause]
    not_grouped = (
        ~pl.col("_is_excluded")
        & (pl.col("_final") == 0)
        & pl.col("_is_ungrouped")
        & ~pl.col("_may_have_local_price")
    )
    planted = pl.when(not_grouped).then(pl.lit("exclusion")).otherwise(planted)
    return frame.with_columns(draws).select(planted.alias("_difference"))["_difference"]


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """The amounts as they are delivered; blank where SUS+ has taken the record out."""
    is_blank = pl.col("_is_excluded") & (pl.col("_difference") != "exclusion")
    kept = {
        "Tariff Initial Amount National": pl.col("_unit"),
        "Tariff Service Adjustment National": _if_any("_top_up"),
        "Tariff Long Stay Payment National": _if_any("_long_stay"),
        "Aggregate UnBundled Adjustment National": _if_any("_unbundled"),
        "Tariff Pre MFF Adjusted National": pl.col("_pre_mff"),
        "MFF Adjustment": pl.col("_final") - pl.col("_pre_mff"),
        "PbR Final Tariff": pl.col("_final"),
    }
    pence = frame.select(
        pl.when(~is_blank).then(amount).alias(name) for name, amount in kept.items()
    )
    final = pence["PbR Final Tariff"]
    factor = frame["_sus_factor"]
    factor_text = (
        (factor // MILLION).cast(pl.String) + "." + (factor % MILLION).cast(pl.String).str.zfill(6)
    )
    return frame.with_columns(
        *(pounds_texts(amount) for amount in pence),
        pounds_texts(final).alias("Tariff Total Payment National"),
        *_factors(frame, factor_text),
        _final=final,
    )


def _if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != 0).then(name)


def _factors(frame: pl.DataFrame, text: pl.Series) -> Iterator[pl.Series]:
    if ADMISSION_METHOD not in frame.columns:
        yield text.alias("Applied MFF National")
        return
    elective = frame[ADMISSION_METHOD].str.starts_with("1")
    none = pl.Series([None], dtype=pl.String)
    yield text.zip_with(elective, none).alias("Applied MFF Elective")
    yield text.zip_with(~elective, none).alias("Applied MFF Non Elective")


_PENNIES = pl.Series([f".{pence:02d}" for pence in range(100)])


def pounds_texts(pence: pl.Series) -> pl.Series:
    """Pounds with two decimals; the sign is before them."""
    size = pence.abs()
    text = (size // 100).cast(pl.String) + _PENNIES.gather(size % 100)
    return text.zip_with(pence.fill_null(0) >= 0, "-" + text).alias(pence.name)
