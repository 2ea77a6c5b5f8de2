"""Record rules: what makes a delivered row unfit to price, or a whole delivery unfit to read.

Belongs here: the one registry of codes that validation may give, each with its severity,
a sentence, what to do, and (for rows) the expression that finds it. Does not belong here:
reasons that come of pricing (`pricing.reasons`), or reading and writing (`pipelines`).

Rows arrive as delivered, all text. `values()` gives each column's value under our name;
`delivered(name)` is the text it was made from. Rules may use both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import polars as pl

from schemas.extracts import (
    ADMITTED_PATIENT_CARE,
    EXTRACTS,
    Column,
    Extract,
    Layout,
    supplement_columns,
)

Severity = Literal["record", "file", "warning"]

EARLIEST_COSTING_DATE = date(2018, 4, 1)
_EARLIEST = f"{EARLIEST_COSTING_DATE.day} {EARLIEST_COSTING_DATE:%B %Y}"
_PARSED = frozenset({"date", "integer", "pence", "timestamp"})
DELIVERED = "delivered_"


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault that validation can find.

    `record` refuses the row, `file` fails the delivery, `warning` is only counted.
    """

    code: str
    severity: Severity
    sentence: str
    expression: pl.Expr | None = None
    what_to_do: str = "Ask the provider to correct the record and send it again."


FILE_RULES = (
    Rule("FILE_EMPTY", "file", "The file holds nothing. Ask for it to be delivered again."),
    Rule("FILE_HEADER_ONLY", "file", "The file holds a header and no records."),
    Rule("FILE_NOT_A_FILE", "file", "A folder stands where a file was expected."),
    Rule("FILE_UNREADABLE", "file", "The file cannot be opened or read."),
    Rule("FILE_ARCHIVE", "file", "The zip or gz must hold exactly one CSV file and be whole."),
    Rule("FILE_ENCODING", "file", "The file is not UTF-8 text. Export it again as UTF-8."),
    Rule("FILE_DELIMITER", "file", "Fields must be separated by commas."),
    Rule(
        "FILE_DATASET_UNKNOWN",
        "file",
        "The header is not that of an extract or list this pipeline reads.",
    ),
    Rule("FILE_COLUMN_MISSING", "file", "A column that pricing needs is not in the header."),
    Rule("FILE_COLUMN_REPEATED", "file", "A column that pricing needs is in the header twice."),
    Rule(
        "FILE_TRUNCATED",
        "file",
        "A row has fewer fields than the header: the file was cut off or damaged.",
    ),
    Rule("FILE_MALFORMED", "file", "A row has more fields than the header or an open quote."),
    Rule("FILE_UNDATED", "file", "No record of the file has a costing date that can be read."),
)


def stripped(rows: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """Rows whose delivered texts have no blanks at either end, and are null if empty.

    In two steps of plain expressions: `replace` would hold a whole column in memory, and
    every rule that looks at a text would strip it again.
    """
    names = [DELIVERED + column.name for column in layout.columns]
    bare = rows.with_columns(pl.col(name).str.strip_chars() for name in names)
    return bare.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)


def delivered(name: str) -> pl.Expr:
    """The text of a column as delivered, `stripped`."""
    return pl.col(DELIVERED + name)


def values(layout: Layout) -> list[pl.Expr]:
    """Each column's value under our name: codes cleaned, dates, days and pence parsed.

    Takes `stripped` rows, whose columns as delivered are named `delivered_...`. A value that
    cannot be parsed is null; its rule then looks at the text it was made from.
    """
    return [_value(column).alias(column.name) for column in layout.columns]


def known_supplement(extract: Extract) -> list[pl.Expr]:
    """The values that supplementary records add; null where the code is of no known list."""
    return [
        pl.when(pl.col(column.name).is_in(column.known or ())).then(pl.col(column.name))
        for column in supplement_columns(extract)
    ]


def _value(column: Column) -> pl.Expr:
    text = delivered(column.name)
    match column.kind:
        case "date":
            return parse_date(text)
        case "integer":
            is_whole = text.str.contains(r"^-?[0-9]{1,18}$")
            return pl.when(is_whole).then(text).str.to_integer(strict=False, dtype=pl.Int64)
        case "pence":
            return parse_pence(text)
        case "timestamp":
            return pl.when(is_moment(text)).then(text)
        case "text" | "codes":
            return text
        case "code":
            code = text
            if column.pad_to:
                code = code.str.zfill(column.pad_to)
            if column.strip_zeros:
                bare = code.str.strip_chars_start("0")
                code = pl.when(bare == "").then(pl.lit("0")).otherwise(bare)
            return code


def parse_date(text: pl.Expr) -> pl.Expr:
    """A date from `CCYYMMDD` or `CCYY-MM-DD`; null where the text is neither."""
    digits = text.str.replace_all("-", "", literal=True)
    is_date = text.str.contains(r"^([0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})$")
    return pl.when(is_date).then(digits).str.to_date("%Y%m%d", strict=False)


def is_moment(text: pl.Expr) -> pl.Expr:
    """Whether the text is `CCYYMMDDhhmmss`, of a day that exists."""
    day = text.str.head(8).str.to_date("%Y%m%d", strict=False)
    return text.str.contains(r"^[0-9]{14}$") & day.is_not_null()


def parse_pence(pounds: pl.Expr) -> pl.Expr:
    """Int64 pence from pounds written with at most two decimals; null where they are not.

    >>> frame = pl.DataFrame({"p": ["12.5", "7", "-0.05", "1,000", "0.005", "1.", ".5", "9" * 17]})
    >>> frame.select(parse_pence(pl.col("p")))["p"].to_list()
    [1250, 700, -5, None, None, None, None, None]
    """
    point = pounds.str.find(".", literal=True)
    decimals = (pounds.str.len_bytes() - point - 1).cast(pl.Int64)
    digits = pounds.str.replace(".", "", literal=True).cast(pl.Int64, strict=False)
    # Ten figures of pounds, since Int64 wraps without a word.
    is_money = pounds.str.contains(r"^-?[0-9]{1,10}(\.|$)")
    pence = (
        pl.when(point.is_null())
        .then(digits * 100)
        .when(decimals == 1)
        .then(digits * 10)
        .when(decimals == 2)
        .then(digits)
    )
    return pl.when(is_money).then(pence)


def record_rules(extract: Extract) -> tuple[Rule, ...]:
    """Every rule that refuses a row of `extract`, in the order of its columns."""
    own = [rule for column in extract.columns for rule in _column_rules(column)]
    across = _APC_RULES if extract is ADMITTED_PATIENT_CARE else _OP_RULES
    return _one_per_code([*own, *_shared_rules(extract), *across])


def warning_rules(extract: Extract) -> tuple[Rule, ...]:
    """Every rule that is only counted for `extract`."""
    unknown = (_unknown_supplement(column) for column in supplement_columns(extract))
    return (*unknown, *(_APC_WARNINGS if extract is ADMITTED_PATIENT_CARE else ()))


def registry() -> dict[str, Rule]:
    """Every rule of every severity, by code."""
    rules = [
        *FILE_RULES,
        *(rule for extract in EXTRACTS for rule in record_rules(extract)),
        *(rule for extract in EXTRACTS for rule in warning_rules(extract)),
    ]
    return {rule.code: rule for rule in rules}


def _column_rules(column: Column) -> Iterator[Rule]:
    value, subject = pl.col(column.name), column.subject
    present = delivered(column.name)
    if column.missing:
        sentence = f"The {subject} is missing."
        yield Rule(column.missing, "record", sentence, present.is_null())
    if column.kind in _PARSED:
        unparseable = present.is_not_null() & value.is_null()
        code = f"{column.stem}_UNPARSEABLE"
        yield Rule(code, "record", f"The {subject} cannot be read.", unparseable)
    if column.pattern:
        code = f"{column.stem}_MALFORMED"
        which = f"One of the {subject}" if column.kind == "codes" else f"The {subject}"
        sentence = f"{which} is not in the form of its codes."
        yield Rule(code, "record", sentence, ~value.str.contains(column.pattern))
    if column.known:
        code = f"{column.stem}_UNKNOWN"
        sentence = f"The {subject} is not a code of the NHS Data Dictionary."
        yield Rule(code, "record", sentence, ~value.is_in(column.known))
    if column.between:
        low, high = column.between
        code = f"{column.stem}_OUT_OF_RANGE"
        sentence = f"The {subject} is not between {low:,} and {high:,}."
        yield Rule(code, "record", sentence, ~value.is_between(low, high))


def _unknown_supplement(column: Column) -> Rule:
    return Rule(
        f"{column.stem}_UNKNOWN",
        "warning",
        f"The {column.subject} in the CDS 6.2 supplementary extract is not a code known here.",
        delivered(column.name).is_not_null() & pl.col(column.name).is_null(),
        "The record is priced as if none were given. Ask the provider to correct it and send the "
        "supplementary record again.",
    )


def _shared_rules(extract: Extract) -> tuple[Rule, ...]:
    costing_date = pl.col(extract.costing_date)
    query_date = pl.col("query_timestamp").str.head(8).str.to_date("%Y%m%d", strict=False)
    return (
        Rule(
            "COMMISSIONER_MISSING",
            "record",
            "Neither a commissioner nor a derived commissioner is given.",
            pl.col("organisation_code_of_commissioner").is_null()
            & pl.col("derived_commissioner_code").is_null(),
        ),
        Rule(
            "COSTING_DATE_OUT_OF_RANGE",
            "record",
            f"The date that costs the record (discharge or appointment) is before {_EARLIEST} or "
            "after the extract was run.",
            (costing_date < EARLIEST_COSTING_DATE) | (costing_date > query_date),
        ),
        Rule(
            "SUPERSEDED",
            "record",
            "The same record was delivered again, with a later Query Date or as late and after.",
            pl.col("is_superseded"),
            "Nothing: the later one stands.",
        ),
    )


_APC_RULES = (
    Rule(
        "OPEN_SPELL",
        "record",
        "The spell has not ended; it is costed in the month of its discharge.",
        delivered("end_date").is_null()
        | (
            pl.col("open_spell_indicator").is_not_null()
            & ~pl.col("open_spell_indicator").is_in(("N", "0"))
        ),
        "Nothing: it is priced in the month of its discharge, when SUS+ delivers it.",
    ),
    Rule(
        "END_BEFORE_START",
        "record",
        "The spell ends before it starts.",
        pl.col("end_date") < pl.col("start_date"),
    ),
    Rule(
        "EBI_CATEGORY_UNKNOWN",
        "record",
        "The evidence-based intervention category is not a code of SUS+, or a type has none.",
        pl.col("ebi_category_code").is_null() & pl.col("ebi_type_code").is_not_null(),
    ),
    Rule(
        "EBI_TYPE_UNKNOWN",
        "record",
        "A category 1 evidence-based intervention must give its type, as in A_snoring.",
        (pl.col("ebi_category_code") == "1")
        & ~pl.col("ebi_type_code").fill_null("").str.contains(r"^[A-Z]_"),
    ),
)

_OP_RULES = (
    Rule(
        "HRG_MISSING",
        "record",
        "The core healthcare resource group is missing.",
        pl.col("hrg_code").is_null()
        & pl.col("attended_or_did_not_attend_code").is_in(("5", "6"))
        & pl.col("first_attendance_code").ne_missing("5"),
    ),
)

_APC_WARNINGS = (
    Rule(
        "LENGTH_OF_STAY_DIFFERS",
        "warning",
        "The length of stay is not the days between admission and discharge.",
        pl.col("length_of_stay_days")
        != (pl.col("end_date") - pl.col("start_date")).dt.total_days(),
        "Ask the provider if the count is unexpected; the length of stay given is used.",
    ),
    Rule(
        "DAY_CASE_WITH_STAY",
        "warning",
        "A day case with a stay over 0 days is priced as an ordinary elective.",
        (pl.col("patient_classification_code") == "2") & (pl.col("length_of_stay_days") > 0),
        "Ask the provider whether the patient classification is right.",
    ),
)


def _one_per_code(rules: list[Rule]) -> tuple[Rule, ...]:
    """Rules that share a code become one, which finds what any of them finds."""
    merged: dict[str, Rule] = {}
    for rule in rules:
        before = merged.get(rule.code)
        if before is not None and before.expression is not None and rule.expression is not None:
            either = before.expression.fill_null(False) | rule.expression.fill_null(False)
            rule = replace(rule, expression=either)
        merged[rule.code] = rule
    return tuple(merged.values())
