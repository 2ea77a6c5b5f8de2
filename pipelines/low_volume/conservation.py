"""The conservation statement: nothing is paid for twice between the LVA blocks and all else.

Belongs here: what became of every line and item of a pair that has a block, the equalities that
show it paid once or not at all, and the lines that an exception takes out of a block, found again
from the records apart from the code that priced them (2023/25 ¶79, ¶85, ¶87, ¶100, 2026/27 ¶108,
¶116). Does not belong here: the monitor itself (`pricing.low_volume_monitor`), or the other
equalities of a month (`pipelines.accounting`, `pipelines.equalities`).

What is held in a block must pay nothing. What a pair with a block pays beside it must be by an
exception that the year knows, an excluded item that it pays apart, or because the parties moved the
pair to API; what the decision table settles before it comes to blocks is named by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import narwhals.stable.v2 as nw
import polars as pl

from pipelines.contracts import contracts_in_force, whole_contracts
from pipelines.deliveries import settled_cut
from pipelines.equalities import Equality
from pipelines.pricing_run import (
    CONTRACT_LINES,
    Rulebook,
    month_days,
    priced_paths,
    rulebook_for,
)
from pipelines.user_lists import exception_days
from pipelines.validation import valid_path
from pipelines.workspace import Workspace, rows_of
from pricing.contracts import AGREED_API, PAIR
from pricing.low_volume import EXCEPTION_FLAGS, LVA_BLOCK, is_block_pair
from pricing.low_volume_monitor import BILLED_APART, LINE, NOT_PAYERS
from pricing.mechanism import API_BLENDED, API_VARIABLE
from pricing.scheme import Scheme
from pricing.scheme_tables import LINES
from schemas.extracts import BY_DATASET

IN_BLOCK = "in a block"
UNEXPLAINED = "paid beside the block without a reason"
_BLOCK_RULE, _ITEM_RULE, _RETIRED = "low_volume_block", "excluded_item", "hrg_retired"
_KEY = ", ".join((*PAIR, "activity_month"))
_OF_API = ("api_variable", "api_blended", "api_fixed", "api_other")
_STATED = (
    *("covered_activity", "covered_value_pence"),
    *("exception_activity", "exception_value_pence"),
    *("items_apart", "items_apart_amount_pence"),
    *("items_held", "items_held_amount_pence"),
)
"""What the monitor says of a pair that lines and items must give."""


@dataclass(frozen=True, slots=True)
class Share:
    """What became of some lines of pairs on the schedule."""

    became: str
    lines: int
    value_pence: int
    payable_pence: int
    open_lines: int


@dataclass(frozen=True, slots=True)
class Relations:
    """What the statement is made from, as SQL that gives rows.

    `lines`, `items` and `monitor` have the columns of `schemas.priced_line`; `pairs` are those of
    the schedule by month, with `is_block_pair` and `is_moved_to_api`; `excepted` are lines, by
    `LINE` and month, that an exception takes out of their block.
    """

    lines: str
    items: str
    monitor: str
    pairs: str
    excepted: str


@dataclass(frozen=True, slots=True)
class Conservation:
    """The statement: what became of the lines of listed pairs, and whether it is conserved."""

    shares: list[Share]
    equalities: list[Equality]

    @property
    def faults(self) -> list[Equality]:
        """The equalities that do not hold."""
        return [equality for equality in self.equalities if not equality.holds]


def conservation(workspace: Workspace, month: str) -> Conservation:
    """The conservation statement of a month, from what is in the lake."""
    lines = rows_of(*priced_paths(workspace, month).values())
    with duckdb.connect() as connection:
        return conservation_of(workspace, month, rulebook_for(workspace, month), lines, connection)


def conservation_of(
    workspace: Workspace,
    month: str,
    rulebook: Rulebook,
    lines_sql: str,
    connection: duckdb.DuckDBPyConnection,
) -> Conservation:
    """The same, of priced lines that `lines_sql` gives."""
    scheme, pairs = rulebook.pack.scheme, listed_pairs(rulebook, month)
    connection.register("listed_pairs", pairs.to_arrow())
    items, monitor = (
        rows_of(workspace.statement(name, month)) for name in ("excluded_items", "low_volume")
    )
    of = Relations(lines_sql, items, monitor, "(FROM listed_pairs)", "(FROM excepted_lines)")
    beside = _to_be_explained(of, scheme, connection)
    connection.register("excepted_lines", _excepted(workspace, month, rulebook, beside).to_arrow())
    others = (CONTRACT_LINES, "low_volume_additions")
    contract_lines, additions = (rows_of(workspace.statement(name, month)) for name in others)
    made = conserved(of, scheme, connection)
    more = _of_the_lake(of, contract_lines, additions, connection)
    return replace(made, equalities=[*made.equalities, *more])


def conserved(of: Relations, scheme: Scheme, connection: duckdb.DuckDBPyConnection) -> Conservation:
    """The statement of some months of a scheme, of what the relations give."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE conserved_lines AS FROM {_lines_of_pairs(of, scheme)}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE conserved_items AS FROM {_items_of_pairs(of)}"
    )
    return Conservation(_shares(scheme, connection), _equalities(of, scheme, connection))


def listed_pairs(rulebook: Rulebook, month: str) -> pl.DataFrame:
    """The pairs of the schedule in a month: whether a block pays, and whether they were moved."""
    first, _ = month_days(month)
    parties, scheme = rulebook.parties(month), rulebook.pack.scheme
    in_force = contracts_in_force(rulebook.entries(month, rulebook.contracts), first)
    moved = whole_contracts(in_force).filter(agreed_mechanism=AGREED_API)
    kinds = (
        parties["providers"].select("provider_code", "provider_kind"),
        parties["commissioners"].select("commissioner_code", "commissioner_kind"),
    )
    found = rulebook.book.lva_schedule
    for of_kind in kinds:
        found = found.join(of_kind.unique(), on=of_kind.columns[0], how="left")
    found = found.join(moved.select(*PAIR, is_moved_to_api=True), on=PAIR, how="left")
    with_block: pl.DataFrame = (
        nw.from_native(found)
        .with_columns(is_block_pair=is_block_pair(scheme.mechanism, scheme.low_volume))
        .to_native()
    )
    return with_block.select(
        *PAIR,
        pl.lit(month).alias("activity_month"),
        "is_block_pair",
        pl.col("is_moved_to_api").fill_null(value=False),
    )


def _shares(scheme: Scheme, connection: duckdb.DuckDBPyConnection) -> list[Share]:
    """What became of the lines of listed pairs, in the order of the decision."""
    rows = connection.execute(
        """
        SELECT became, count(*)::BIGINT, coalesce(sum(value_pence), 0)::BIGINT,
               coalesce(sum(payable_pence), 0)::BIGINT,
               (count(*) FILTER (payable_pence IS NULL))::BIGINT
        FROM conserved_lines GROUP BY became
        """
    ).fetchall()
    found = {row[0]: Share(*row) for row in rows}
    return [found.get(became, Share(became, 0, 0, 0, 0)) for became in _became(scheme)]


def _equalities(
    of: Relations, scheme: Scheme, connection: duckdb.DuckDBPyConnection
) -> list[Equality]:
    """That what blocks hold pays nothing, and that the monitor is what lines and items give."""

    def number(sql: str) -> int:
        ((found,),) = connection.execute(f"SELECT {sql}").fetchall()
        return int(found or 0)

    def none(says: str, sql: str) -> Equality:
        return Equality(f"conservation: {says} = none", number(f"count(*) FROM {sql}"), 0)

    def monitored(says: str, left: str, right: str) -> Equality:
        sides = (number(f"sum({side}) FROM {of.monitor}") for side in (left, right))
        return Equality(f"conservation: {says}", *sides)

    is_in_block, is_paid = f"payment_mechanism = '{LVA_BLOCK}'", "payable_pence IS DISTINCT FROM 0"
    line = ", ".join(("activity_month", *LINE))
    under_api = " + ".join(f"{way}_activity" for way in _OF_API)
    worth = " + ".join(f"{way}_value_pence" for way in _OF_API)
    return [
        Equality(
            "conservation: lines in blocks = lines of pairs that have one",
            number(f"count(*) FROM {of.lines} WHERE {is_in_block}"),
            number(
                f"count(*) FROM conserved_lines WHERE {is_in_block} AND is_block_pair "
                "AND NOT is_moved_to_api"
            ),
        ),
        none(
            "lines in a block that are paid", f"conserved_lines WHERE {is_in_block} AND {is_paid}"
        ),
        none(
            "lines in a block that are outside it too",
            f"(SELECT {line} FROM conserved_lines GROUP BY ALL "
            f"HAVING bool_or({is_in_block}) AND count(*) > 1)",
        ),
        none(f"lines {UNEXPLAINED}", f"conserved_lines WHERE became = '{UNEXPLAINED}'"),
        none(
            "items that a block holds and that are paid",
            f"conserved_items WHERE {is_in_block} AND {is_paid}",
        ),
        none(
            "items paid beside a block that the year does not pay apart",
            f"conserved_items WHERE is_of_block AND NOT {is_in_block} AND payable_pence <> 0 "
            f"AND {_is_held(scheme)}",
        ),
        monitored("covered_activity = lines under API", "covered_activity", under_api),
        monitored("covered_value_pence = worth under API", "covered_value_pence", worth),
        none(
            "pairs of whose covered lines API has not the same number or worth",
            f"{of.monitor} WHERE covered_activity <> {under_api} OR covered_value_pence <> {worth}",
        ),
        none("pairs that the monitor does not show as lines and items do", _differing_pairs(of)),
    ]


def _is_held(scheme: Scheme) -> str:
    """Whether an item is of a category that the year does not pay apart; every one if none is."""
    if not scheme.gives("low_volume.items_paid_apart"):
        return "true"
    return f"category NOT IN ({_quoted(scheme.low_volume.items_paid_apart)})"


def _of_the_lake(
    of: Relations, contract_lines: str, additions: str, connection: duckdb.DuckDBPyConnection
) -> list[Equality]:
    """That each listed pair has its row, what contract lines hold, and what updates add on top."""
    of_contracts = _quoted((API_VARIABLE, API_BLENDED))
    row = connection.execute(
        f"""
        WITH made AS (
            SELECT {_KEY}, count(*) AS activity, coalesce(sum(value_pence), 0) AS value_pence
            FROM {of.lines} WHERE payment_mechanism IN ({of_contracts}) GROUP BY ALL
        ), stated AS (
            SELECT {_KEY}, sum(activity) AS activity, coalesce(sum(value_pence), 0) AS value_pence
            FROM {contract_lines} GROUP BY ALL
        ), both_of AS (
            SELECT coalesce(stated.activity, 0) AS stated_activity,
                coalesce(made.activity, 0) AS activity,
                coalesce(stated.value_pence, 0) AS stated_pence,
                coalesce(made.value_pence, 0) AS value_pence
            FROM {of.pairs} LEFT JOIN stated USING ({_KEY}) LEFT JOIN made USING ({_KEY})
        )
        SELECT sum(stated_activity), sum(activity), sum(stated_pence), sum(value_pence),
            count(*) FILTER (stated_activity <> activity OR stated_pence <> value_pence),
            (SELECT count(*) FROM {of.monitor}), count(*),
            (SELECT sum(additional_payment_pence) FROM {of.monitor}),
            (SELECT sum(additional_payment_pence) FROM {additions} WHERE NOT is_in_payment_due)
        FROM both_of
        """
    ).fetchone()
    assert row is not None
    activity, made, value, worth, differing, *more = (int(number or 0) for number in row)
    rows, pairs, on_top, added = more
    of_pairs = "conservation: contract lines of listed pairs"
    return [
        Equality("conservation: rows of the monitor = pairs of the schedule", rows, pairs),
        Equality(f"{of_pairs}: activity = their lines outside blocks", activity, made),
        Equality(f"{of_pairs}: value_pence = that of their lines outside blocks", value, worth),
        Equality(f"{of_pairs}: pairs whose contract lines hold others = none", differing, 0),
        Equality("conservation: additional_payment_pence = additions on top", on_top, added),
    ]


def _before_blocks(scheme: Scheme) -> list[str]:
    """The rules of the decision table that are read before the block's."""
    rules = [row.rule for row in scheme.mechanism.decision_table]
    return rules[: rules.index(_BLOCK_RULE)] if _BLOCK_RULE in rules else rules


def _became(scheme: Scheme) -> dict[str, str]:
    """What may become of a line of a listed pair, each with the condition; the first that holds."""
    earlier = [rule for rule in _before_blocks(scheme) if rule != _ITEM_RULE]
    items_are_apart = _ITEM_RULE in _before_blocks(scheme)
    return {
        IN_BLOCK: f"payment_mechanism = '{LVA_BLOCK}'",
        "outside the scheme, or charged to the patient": (
            f"payment_mechanism IN ({_quoted(NOT_PAYERS)})"
        ),
        "of pairs that are listed and have no block": "NOT is_block_pair",
        "moved to API by the parties": "is_moved_to_api",
        "excluded items, billed apart": (f"{items_are_apart} AND mechanism_rule = '{_ITEM_RULE}'"),
        "settled before blocks in the decision table": f"mechanism_rule IN ({_quoted(earlier)})",
        "outside the block by an exception": "is_excepted",
        UNEXPLAINED: "true",
    }


def _lines_of_pairs(of: Relations, scheme: Scheme) -> str:
    """The lines of listed pairs, each with what became of it."""
    cases = " ".join(f"WHEN {holds} THEN '{became}'" for became, holds in _became(scheme).items())
    line = ", ".join(("activity_month", *LINE))
    return f"""(
        SELECT *, CASE {cases} END AS became FROM (
            SELECT lines.*, is_block_pair, is_moved_to_api,
                excepted.record_id IS NOT NULL AS is_excepted
            FROM {of.lines} AS lines JOIN {of.pairs} AS pairs USING ({_KEY})
            LEFT JOIN {of.excepted} AS excepted USING ({line})
        )
    )"""


def _items_of_pairs(of: Relations) -> str:
    """The items of listed pairs, and whether they belong in the block.

    They do where their record's line of the core HRG is in it, or no record is known, and the pair
    has a block.
    """
    cores = f"""(
        SELECT {_KEY}, record_id, min(payment_mechanism) AS record_mechanism
        FROM conserved_lines WHERE line_number = 0 GROUP BY ALL
        HAVING count(DISTINCT payment_mechanism) = 1
    )"""
    return f"""(
        SELECT items.*, CASE WHEN record_mechanism IS NOT NULL
            THEN record_mechanism = '{LVA_BLOCK}'
            ELSE is_block_pair AND NOT is_moved_to_api END AS is_of_block
        FROM {of.items} AS items JOIN {of.pairs} AS pairs USING ({_KEY})
        LEFT JOIN {cores} AS cores USING ({_KEY}, record_id)
    )"""


def _differing_pairs(of: Relations) -> str:
    """The pairs of which the monitor says something else than their lines and items."""
    is_in_block = f"payment_mechanism = '{LVA_BLOCK}'"
    is_outside = f"payment_mechanism NOT IN ({_quoted((LVA_BLOCK, *NOT_PAYERS))})"
    is_apart = f"payment_mechanism IN ({_quoted(BILLED_APART)})"
    made = {
        **_counted("covered_activity", "covered_value_pence", "value_pence", is_in_block),
        **_counted("exception_activity", "exception_value_pence", "value_pence", is_outside),
    }
    of_items = {
        **_counted("items_apart", "items_apart_amount_pence", "amount_pence", is_apart),
        **_counted("items_held", "items_held_amount_pence", "amount_pence", is_in_block),
    }

    def by_pair(of_what: str, columns: dict[str, str]) -> str:
        sums = ", ".join(f"{sql} AS made_{name}" for name, sql in columns.items())
        return f"(SELECT {_KEY}, {sums} FROM {of_what} GROUP BY ALL)"

    differs = " OR ".join(f"{name} <> coalesce(made_{name}, 0)" for name in _STATED)
    return f"""(
        SELECT {_KEY} FROM {of.monitor} AS monitor
        LEFT JOIN {by_pair("conserved_lines", made)} AS of_lines USING ({_KEY})
        LEFT JOIN {by_pair("conserved_items", of_items)} AS of_items USING ({_KEY}) WHERE {differs}
    )"""


def _counted(number: str, amount: str, column: str, condition: str) -> dict[str, str]:
    return {
        number: f"count(*) FILTER ({condition})",
        amount: f"coalesce(sum({column}) FILTER ({condition}), 0)",
    }


def _to_be_explained(
    of: Relations, scheme: Scheme, connection: duckdb.DuckDBPyConnection
) -> pl.DataFrame:
    """The lines of pairs with a block that only an exception can have taken out of it."""
    nobody = f"(SELECT {', '.join(('activity_month', *LINE))} FROM {of.lines} WHERE false)"
    without = Relations(of.lines, of.items, of.monitor, of.pairs, nobody)
    kinds = ("treatment_function_code", "point_of_delivery_code", "mechanism_rule")
    columns = (*PAIR, "activity_month", *LINE, *kinds)
    found = connection.sql(
        f"SELECT {', '.join(columns)} FROM {_lines_of_pairs(without, scheme)} "
        f"WHERE became = '{UNEXPLAINED}'"
    )
    return pl.DataFrame(found.to_arrow_table())


def _excepted(
    workspace: Workspace, month: str, rulebook: Rulebook, lines: pl.DataFrame
) -> pl.DataFrame:
    """Those of some lines whose pair has an exception on the day, of a kind that takes them out.

    By the day and admission of the record as it was delivered (2023/25 ¶79, 2026/27 ¶108).
    """
    scheme, days = rulebook.pack.scheme, month_days(month)
    exceptions = exception_days(rulebook.entries(month, rulebook.exceptions), *days)
    of_records = [
        _of_records(workspace, dataset, month, lines.filter(dataset=dataset))
        for dataset in BY_DATASET
    ]
    found = pl.concat(of_records).join(exceptions, on=[*PAIR, "costing_date"])
    is_emergency = pl.col("admission_method_code").is_in(scheme.spells.emergency_admission_methods)
    return found.filter(_taken_out(scheme, is_emergency)).select("activity_month", *LINE)


def excepted_by_month(
    of: Relations, scheme: Scheme, connection: duckdb.DuckDBPyConnection
) -> pl.DataFrame:
    """The lines of pairs that an exception of the pair in the month may take out of its block.

    By what the monitor has of each pair and the kind of each line. Of its day and admission a line
    does not tell.
    """
    flags = ", ".join(EXCEPTION_FLAGS.values())
    pairs = connection.sql(f"SELECT {_KEY}, {flags} FROM {of.monitor}").to_arrow_table()
    lines = _to_be_explained(of, scheme, connection)
    found = lines.join(pl.DataFrame(pairs), on=[*PAIR, "activity_month"])
    return found.filter(_taken_out(scheme, pl.lit(value=False))).select("activity_month", *LINE)


def _taken_out(scheme: Scheme, is_emergency: pl.Expr) -> pl.Expr:
    """Whether a line is outside its block by an exception (2023/25 ¶79, 2026/27 ¶108)."""
    rules = scheme.low_volume
    if not rules.has_payments_schedule:
        return pl.lit(value=False)
    is_mental_health = pl.col("treatment_function_code").is_in(
        rules.mental_health_treatment_function_codes
    )
    elective = [
        row.line
        for row in scheme.contract_lines.table
        if (row.section, row.source) == ("variable_element", LINES)
    ]
    takes_out = {
        "patient_choice_without_contract": pl.col("point_of_delivery_code").is_in(elective)
        | (pl.col("mechanism_rule") == _RETIRED),
        "out_of_area_mental_health": is_mental_health & ~is_emergency,
        "mental_health_lead_provider_collaborative": is_mental_health,
    }
    return pl.any_horizontal(
        pl.lit(value=False),
        *(pl.col(EXCEPTION_FLAGS[kind]) & takes_out[kind] for kind in rules.exception_kinds),
    )


def _of_records(
    workspace: Workspace, dataset: str, month: str, lines: pl.DataFrame
) -> pl.DataFrame:
    """Lines of a dataset with the day and the method of admission of their valid records."""
    day = BY_DATASET[dataset].costing_date
    path = valid_path(workspace, dataset, month, settled_cut(workspace, dataset, month))
    valid = pl.scan_parquet(path)
    method = "admission_method_code"
    known = method in valid.collect_schema()
    records = valid.select(
        "record_id",
        costing_date=pl.col(day),
        admission_method_code=pl.col(method) if known else pl.lit(None, dtype=pl.String),
    )
    found = lines.lazy().join(records, on="record_id", how="left")
    return found.with_columns(activity_month=pl.lit(month)).collect(engine="streaming")


def _quoted(names: Sequence[str]) -> str:
    """Names as a list of SQL; one that nothing is in where there are none."""
    return ", ".join(f"'{name}'" for name in names) or "NULL"
