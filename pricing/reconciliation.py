"""Reconciliation: what SUS+ priced a record at, against what it comes to here, and why not.

Belongs here: comparing the parts of a price, finding the one cause of each difference by
arithmetic, and counting which rounding fits the figures of SUS+. Does not belong here: any
price (`pricing.national`), finding other price books to try (`pipelines.reconciling`), or
what a user should do about a cause (`pipelines.commands`).

**What is compared.** Of ours the value at the unit price, summed over the lines of a record,
whatever its mechanism pays: SUS+ knows no mechanism. Only for an unapproved evidence-based
intervention is it what is payable, which is nothing: SUS+ prices it since approvals do not
flow there (2023/25 ¶43). SUS+ adds unbundled amounts before MFF and rounds once; here each
line is rounded, so that a penny for each line is within tolerance.
"""

from functools import reduce
from itertools import product
from typing import Any

import narwhals.stable.v2 as nw

from pricing import national_price
from pricing.decision import first_that_fits
from pricing.ebi import ZERO_PRICE
from pricing.money import PPM, is_too_large
from pricing.reference import Reference
from pricing.scheme import Scheme
from schemas.priced_line import RECONCILIATION_DIFFERENCES, SUS_ROUNDING

TOLERANCE_PENCE_PER_LINE = 1
"""Of this report, not of the scheme: what rounding each line, and not the sum, may come to."""
WHOLE_POUND = 100

COMPONENTS = {
    "unit_price": "sus_initial_pence",
    "long_stay": "sus_long_stay_pence",
    "top_up": "sus_top_up_pence",
    "unbundled": "sus_unbundled_pence",
    "pre_mff": "sus_pre_mff_pence",
    "mff": "sus_mff_pence",
    "final": "sus_price_pence",
}
"""The column of a valid record that holds what SUS+ gave for each part of a price."""
RECORD_COLUMNS = (
    *("record_id", "spell_in_pbr_code", "agreement_serial_number", "hrg_code"),
    *("exclusion_reason_code", *COMPONENTS.values()),
)
"""What is read of a valid record; an extract of attendances lacks some of the amounts."""
OUTCOMES = ("exact", "within_tolerance", "different", "missing_in_sus", "missing_here")
CAUSES = (
    "ebi_approval",
    "local_price",
    "exclusion",
    "best_practice_tariff",
    "top_up",
    "long_stay",
    "unbundled",
    "mff_value",
    "rule_year",
    "price_book_version",
    "rounding",
    "unknown",
)
OTHER_PRICES: dict[str, type] = {
    "price_key": nw.String,
    "unit_price_pence": nw.Int64,
    "other_price_pence": nw.Int64,
    "other_price_cause": nw.String,
}
"""What became of prices in the other books that are held: `price_key` is an HRG, or a treatment
function for attendances; its price in our book, in another, and the cause of which the other
book would be. Unique by the first three."""

QUANTA_PENCE = (1, WHOLE_POUND)
MODES = ("half_away_from_zero", "half_even", "down")
APPLIED = ("once", "each_component")
_RULES = tuple(product(QUANTA_PENCE, MODES, APPLIED))
_AGREEING = ("exact", "within_tolerance")
_ADDED = ("long_stay", "top_up", "unbundled")
_PARTS = ("unit_price", *_ADDED)
_OURS = {name: f"ours_{'price' if name == 'final' else name}_pence" for name in COMPONENTS}
_OF_BPT = {
    "combined": "best_practice_combined_price_pence",
    "day_case": "best_practice_day_case_price_pence",
    "ordinary_elective": "best_practice_ordinary_elective_price_pence",
    "non_elective": "best_practice_non_elective_price_pence",
}


def compare(
    lines: nw.LazyFrame[Any],
    records: nw.LazyFrame[Any],
    reference: Reference,
    other_prices: nw.LazyFrame[Any],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """One row for each priced record of a dataset: both sides, outcomes, and the one cause.

    Takes a month's priced lines of one dataset, the valid records they were made from, and
    `OTHER_PRICES`. Gives the columns of `RECONCILIATION_DIFFERENCES`, where `outcome` may be
    an agreeing one and `cause` is then null; an outcome for each component,
    `<component>_outcome`; and whether the record tells anything of rounding, `tells_rounding`.
    """
    records = records.with_columns(
        national_price_exclusion=national_price.exclusion(scheme.national_price)
    )
    delivered = set(records.collect_schema().names())
    compared = _ours(lines).join(
        records.select(
            "record_id",
            "national_price_exclusion",
            "exclusion_reason_code",
            *(_given(name, delivered).alias(name) for name in COMPONENTS.values()),
        ),
        on="record_id",
        how="left",
    )
    compared = _with_what_to_try(compared, reference, other_prices)
    compared = compared.with_columns(
        **{f"{name}_outcome": _outcome(name) for name in COMPONENTS},
        **{f"{name}_agrees": _agrees_but_for_rounding(name) for name in _PARTS},
        sus_mff_ppm=_implied_factor(),
    )
    compared = compared.with_columns(
        has_all_parts=_adds_up() & ~_sus("final").is_null() & ~nw.col("mff_ppm").is_null(),
        outcome=nw.col("final_outcome"),
        difference_pence=_sus("final").fill_null(0) - _ours_of("final").fill_null(0),
    )
    compared = compared.with_columns(
        tells_rounding=nw.col("has_all_parts") & (_sus("final") != 0) & ~nw.col("is_local"),
        follows=_follows(),
    )
    is_settled = nw.col("outcome").is_in(_AGREEING)
    return compared.with_columns(cause=nw.when(~is_settled).then(_cause())).select(
        *(field.name for field in RECONCILIATION_DIFFERENCES),
        *(f"{name}_outcome" for name in COMPONENTS),
        "tells_rounding",
    )


def differences(compared: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The records whose final price differs, with the columns of `RECONCILIATION_DIFFERENCES`."""
    return compared.filter(~nw.col("cause").is_null()).select(
        *(field.name for field in RECONCILIATION_DIFFERENCES)
    )


def summary(compared: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Records and pence by component, outcome and cause: the columns of `RECONCILIATION`.

    Every record is in it once for each component.
    """
    keys = ("activity_month", "dataset", "component", "outcome", "cause")
    pence = ("sus_pence", "ours_pence", "difference_pence")
    return nw.concat(
        [
            compared.select(
                "activity_month",
                "dataset",
                "cause",
                component=nw.lit(name),
                outcome=nw.col(f"{name}_outcome"),
                one=nw.lit(1, dtype=nw.Int64),
                sus_pence=_sus(name).fill_null(0),
                ours_pence=_ours_of(name).fill_null(0),
            )
            .with_columns(difference_pence=nw.col("sus_pence") - nw.col("ours_pence"))
            .group_by(*keys)
            .agg(
                nw.col("one").sum().cast(nw.Int64).alias("records"),
                *(nw.col(amount).sum().cast(nw.Int64).alias(amount) for amount in pence),
            )
            for name in COMPONENTS
        ]
    ).select(*keys, "records", *pence)


def rounding(compared: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """How many final prices of SUS+ each rounding rule gives: the columns of `SUS_ROUNDING`.

    From the amounts of SUS+ before MFF and our factor, on the records that have them all.
    """
    tested = compared.filter(nw.col("tells_rounding"))
    keys = ("activity_month", "dataset")
    counted = (
        tested.with_columns(
            one=nw.lit(1, dtype=nw.Int64),
            **{
                f"rule_{number}": nw.when(_final_by(*rule) == _sus("final")).then(1).otherwise(0)
                for number, rule in enumerate(_RULES)
            },
        )
        .group_by(*keys)
        .agg(
            nw.col("one").sum().cast(nw.Int64).alias("records_tested"),
            *(
                nw.col(f"rule_{n}").sum().cast(nw.Int64).alias(f"rule_{n}")
                for n in range(len(_RULES))
            ),
        )
    )
    return nw.concat(
        [
            counted.select(
                *keys,
                "records_tested",
                quantum_pence=nw.lit(quantum, dtype=nw.Int64),
                mode=nw.lit(mode),
                applied=nw.lit(applied),
                records_matching=nw.col(f"rule_{number}"),
            )
            for number, (quantum, mode, applied) in enumerate(_RULES)
        ]
    ).select(*(field.name for field in SUS_ROUNDING))


def _ours(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """A record's own parts: those of its core line, and the sums of its unbundled lines."""
    is_local = nw.col("price_source") == "local"
    unbundled = (
        lines.filter(nw.col("line_number") > 0)
        .with_columns(
            one=nw.lit(1, dtype=nw.Int64),
            priced_one=nw.when(nw.col("value_pence").is_null()).then(0).otherwise(1),
            local_pence=nw.when(is_local).then(nw.col("pre_mff_pence")).otherwise(0),
        )
        .group_by("record_id")
        .agg(
            nw.col("one").sum().cast(nw.Int64).alias("unbundled_lines"),
            nw.col("priced_one").sum().cast(nw.Int64).alias("unbundled_priced"),
            *(
                # A sum of nothing is 0 on one engine and null on another.
                nw.col(amount).fill_null(0).sum().cast(nw.Int64).alias(alias)
                for amount, alias in (
                    ("pre_mff_pence", "unbundled_pence"),
                    ("value_pence", "unbundled_value_pence"),
                    ("local_pence", "unbundled_local_pence"),
                )
            ),
        )
    )
    counts = ("unbundled_lines", "unbundled_priced", "unbundled_pence", "unbundled_value_pence")
    ours = (
        lines.filter(nw.col("line_number") == 0)
        .join(unbundled, on="record_id", how="left")
        .with_columns(*(nw.col(name).fill_null(0) for name in (*counts, "unbundled_local_pence")))
    )
    has_price = ~nw.col("value_pence").is_null() | (nw.col("unbundled_priced") > 0)
    core_value = nw.col("value_pence").fill_null(0)
    at_unit_price = core_value + nw.col("unbundled_value_pence")
    before_mff = nw.col("pre_mff_pence").fill_null(0) + nw.col("unbundled_pence")
    is_unapproved = nw.col("ebi_outcome") == ZERO_PRICE
    final = nw.when(is_unapproved).then(nw.col("unbundled_value_pence")).otherwise(at_unit_price)
    return ours.with_columns(
        line_count=nw.col("unbundled_lines") + 1,
        is_local=(nw.col("price_source") == "local") | (nw.col("unbundled_local_pence") != 0),
        ours_unit_price_pence=nw.col("unit_price_pence") + nw.col("best_practice_pence"),
        ours_long_stay_pence=nw.col("long_stay_pence").fill_null(0),
        ours_top_up_pence=nw.col("top_up_pence").fill_null(0),
        ours_unbundled_pence=nw.col("unbundled_pence"),
        ours_pre_mff_pence=nw.when(has_price).then(before_mff),
        ours_mff_pence=nw.when(has_price).then(at_unit_price - before_mff),
        ours_price_pence=nw.when(has_price).then(final),
    )


def _with_what_to_try(
    compared: nw.LazyFrame[Any], reference: Reference, other_prices: nw.LazyFrame[Any]
) -> nw.LazyFrame[Any]:
    """Whether another book has the unit price of SUS+, or a best practice tariff; the day rate."""
    is_attendance = nw.col("price_source") == "outpatient_attendance"
    compared = compared.with_columns(
        price_key=nw.when(is_attendance)
        .then(nw.col("treatment_function_code"))
        .otherwise(nw.col("hrg_code"))
    )
    compared = compared.join(
        other_prices,
        left_on=["price_key", "unit_price_pence", "sus_initial_pence"],
        right_on=["price_key", "unit_price_pence", "other_price_pence"],
        how="left",
    )
    best_practice = (
        nw.concat(
            [
                reference.best_practice_prices.select(
                    "hrg_code",
                    "best_practice_tariff_name",
                    price_source=nw.lit(source),
                    best_practice_price_pence=nw.col(column),
                )
                for source, column in _OF_BPT.items()
            ]
        )
        .filter(~nw.col("best_practice_price_pence").is_null())
        .unique()
        .with_columns(is_best_practice_price=nw.lit(True))
    )
    key = ["hrg_code", "best_practice_tariff_name", "price_source"]
    compared = compared.join(
        best_practice,
        left_on=[*key, "sus_initial_pence"],
        right_on=[*key, "best_practice_price_pence"],
        how="left",
    )
    rates = reference.hrg_prices.select("hrg_code", "per_day_long_stay_pence")
    return compared.join(rates, on="hrg_code", how="left")


def _given(name: str, delivered: set[str]) -> nw.Expr:
    """An amount of SUS+, if the extract has it; too large to be multiplied, it is no amount."""
    if name not in delivered:
        return nw.lit(None, dtype=nw.Int64)
    return nw.when(~is_too_large(nw.col(name))).then(nw.col(name))


def _sus(component: str) -> nw.Expr:
    return nw.col(COMPONENTS[component])


def _ours_of(component: str) -> nw.Expr:
    return nw.col(_OURS[component])


def _tolerance() -> nw.Expr:
    return nw.col("line_count") * TOLERANCE_PENCE_PER_LINE


def _outcome(component: str) -> nw.Expr:
    """How a part compares. A blank of SUS+ is nothing: it is missing only where we have some."""
    sus, ours = _sus(component), _ours_of(component)
    apart = (sus - ours).abs()
    return first_that_fits(
        [
            (sus.is_null() & (ours.is_null() | (ours == 0)), "exact"),
            (sus.is_null(), "missing_in_sus"),
            (ours.is_null(), "missing_here"),
            (apart == 0, "exact"),
            (apart <= _tolerance(), "within_tolerance"),
        ],
        otherwise="different",
    )


def _agrees_but_for_rounding(component: str) -> nw.Expr:
    """Whether a part is the same, or whole pounds that the part rounds to."""
    sus, ours = _sus(component), _ours_of(component)
    if component in _ADDED:
        sus = sus.fill_null(0)
    apart = (sus - ours).abs()
    is_near = (apart <= _tolerance()) | ((apart < WHOLE_POUND) & (sus % WHOLE_POUND == 0))
    is_nothing = (sus.fill_null(0) == 0) & (ours.fill_null(0) == 0)
    return (is_near | is_nothing).fill_null(False)


def _adds_up() -> nw.Expr:
    """Whether the parts of SUS+ give its amount before MFF."""
    parts = [_sus(name).fill_null(0) for name in _PARTS]
    added = reduce(lambda total, part: total + part, parts)
    return (added == _sus("pre_mff")).fill_null(False)


def _implied_factor() -> nw.Expr:
    """The factor by which the final price of SUS+ is above its amount before MFF, in ppm."""
    pre, final = _sus("pre_mff"), _sus("final")
    is_there = (pre > 0) & (final >= 0)
    divisor = nw.when(is_there).then(pre)
    return nw.when(is_there).then((final * PPM + divisor // 2) // divisor)


def _final_by(quantum_pence: int, mode: str, applied: str) -> nw.Expr:
    """What the amounts of SUS+ before MFF come to at our factor, rounded by a rule."""
    if applied == "once":
        return _rounded(_sus("pre_mff") * nw.col("mff_ppm"), quantum_pence, mode)
    parts = [
        _rounded(_sus(name).fill_null(0) * nw.col("mff_ppm"), quantum_pence, mode)
        for name in _PARTS
    ]
    return reduce(lambda total, part: total + part, parts)


def _rounded(millionths: nw.Expr, quantum_pence: int, mode: str) -> nw.Expr:
    """Whole quanta, in pence, of an amount in millionths of a penny; its sign is kept."""
    unit = PPM * quantum_pence
    size = millionths.abs()
    whole, rest = size // unit, size % unit
    goes_up = {
        "half_away_from_zero": rest * 2 >= unit,
        "half_even": (rest * 2 > unit) | ((rest * 2 == unit) & (whole % 2 == 1)),
        "down": nw.lit(False),
    }[mode]
    rounded = nw.when(goes_up).then(whole + 1).otherwise(whole) * quantum_pence
    return nw.when(millionths < 0).then(-rounded).otherwise(rounded)


def _follows() -> nw.Expr:
    """Whether the final price of SUS+ is its own parts at our factor, however they are rounded."""
    final = _sus("final")
    nearly = (_final_by(1, "half_away_from_zero", "once") - final).abs() <= _tolerance()
    by_rule = [_final_by(*rule) == final for rule in _RULES]
    return nw.col("has_all_parts") & reduce(lambda one, other: one | other, by_rule, nearly)


def _cause() -> nw.Expr:
    """The first cause that the arithmetic bears out; needs that the final price differs."""
    agrees = {name: nw.col(f"{name}_agrees") for name in _PARTS}
    sus_unit, base = _sus("unit_price"), nw.col("unit_price_pence")
    follows = nw.col("follows")

    def only(component: str) -> nw.Expr:
        """Whether one part differs, all others agree, and the final price follows from it."""
        others = [agrees[name] for name in _PARTS if name != component]
        return reduce(lambda one, other: one & other, others, ~agrees[component]) & follows

    all_agree = reduce(lambda one, other: one & other, agrees.values())
    has_no_sus_price = _sus("final").fill_null(0) == 0
    is_excluded_here = ~nw.col("national_price_exclusion").is_null()
    is_excluded_by_sus = has_no_sus_price & ~nw.col("exclusion_reason_code").is_null()
    is_flagged = ~nw.col("best_practice_tariff_name").is_null()
    is_base_price = (nw.col("best_practice_pence") != 0) & (sus_unit == base)
    is_other_tariff_price = nw.col("is_best_practice_price") & ~agrees["unit_price"]
    local_lines_left_out = (nw.col("unbundled_local_pence") != 0) & (
        _ours_of("unbundled") - _sus("unbundled").fill_null(0) == nw.col("unbundled_local_pence")
    )
    days_apart = (_sus("long_stay").fill_null(0) - _ours_of("long_stay")).abs()
    rate = nw.when(nw.col("per_day_long_stay_pence") > 0).then(nw.col("per_day_long_stay_pence"))
    factor_differs = nw.col("has_all_parts") & (_sus("pre_mff") + _sus("mff") == _sus("final"))
    return first_that_fits(
        [
            ((nw.col("ebi_outcome") == ZERO_PRICE) & (_sus("final") > 0), "ebi_approval"),
            ((nw.col("price_source") == "local") | local_lines_left_out, "local_price"),
            (is_excluded_here & (sus_unit > 0), "exclusion"),
            (is_excluded_here & (nw.col("outcome") == "missing_here"), "exclusion"),
            (~is_excluded_here & is_excluded_by_sus, "exclusion"),
            (
                is_flagged
                & (is_base_price | is_other_tariff_price)
                & agrees["long_stay"]
                & agrees["unbundled"]
                & follows,
                "best_practice_tariff",
            ),
            (only("top_up"), "top_up"),
            (only("long_stay") & (days_apart % rate == 0), "long_stay"),
            (only("unbundled"), "unbundled"),
            (all_agree & ~follows & factor_differs, "mff_value"),
            (~agrees["unit_price"] & (nw.col("other_price_cause") == "rule_year"), "rule_year"),
            (
                ~agrees["unit_price"] & (nw.col("other_price_cause") == "price_book_version"),
                "price_book_version",
            ),
            (all_agree & follows, "rounding"),
        ],
        otherwise="unknown",
    )
