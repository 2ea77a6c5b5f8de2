"""Equalities of what contracts pay: every statement held against what it is made from.

Belongs here: an equality, the sums of priced lines, items, plans and counts that statements must
give, made apart from the code that makes the statements, and where the two differ. Does not belong
here: the equalities of records and mechanisms (`pipelines.accounting`), or any statement
(`pipelines.pricing_run`).

A total hides what one contract gains and another loses, so beside the totals stands how many
contract lines, and how many sections of contracts, are not what they are made from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from pipelines.basis import months_of_year_to
from pipelines.fixed_element.reviews import (
    FIXED_ELEMENT_REVIEW_STATEMENT,
    landed_reviews,
)
from pipelines.fixed_element.statements import (
    FIXED_ELEMENT_STATEMENT,
    supplied,
    worksheets_paying,
)
from pipelines.fixed_element.worksheets import FixedWorksheet
from pipelines.pricing_run import CONTRACT_LINES, Rulebook, by_pair_of
from pipelines.workspace import Workspace
from pricing.contract_statement import API_FIXED, EXCLUDED_ITEMS, SECTIONS
from pricing.contracts import PAIR
from pricing.ebi import ZERO_PRICE
from pricing.money import PPM, times_ppm
from pricing.scheme import Scheme
from pricing.scheme_tables import (
    ADDITION,
    AMOUNT_EACH,
    BEST_PRACTICE,
    CONTRACT_SECTIONS,
    COUNTS,
    EACH_UNIT,
    LINES,
    ContractLine,
)

_LINE = [*PAIR, "section", "contract_line"]
_SECTION = [*PAIR, "section"]
_MADE_FROM = {
    **dict.fromkeys(SECTIONS.values(), "priced lines"),
    **dict.fromkeys(CONTRACT_SECTIONS, "contract lines or fixed_pence"),
    "variable_element": "contract lines",
    API_FIXED: "priced lines and fixed element",
    EXCLUDED_ITEMS: "items and baselines",
}
"""What the known payable of each section is the sum of."""
_OF_WORKSHEETS = {
    "amount_pence": "totals of worksheets",
    "payable_to_date_pence": "their instalments up to the month",
    "payable_pence": "their instalments of the month",
}
"""What the items of the fixed element come to, by amount."""


@dataclass(frozen=True, slots=True)
class Equality:
    """Two numbers that must be the same."""

    says: str
    left: int
    right: int

    @property
    def holds(self) -> bool:
        """Whether they are."""
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class _Tie:
    """An amount as it is stated and as it must be: in all, and of how many keys it differs."""

    says: str
    stated: int
    made: int
    differing: int


def contract_equalities(
    workspace: Workspace,
    month: str,
    rulebook: Rulebook,
    lines_sql: str,
    connection: duckdb.DuckDBPyConnection,
) -> list[Equality]:
    """The contract lines of a month and the statements by section, against what they are made from.

    `lines_sql` gives the month's priced lines, which are read once.
    """
    scheme = rulebook.pack.scheme
    priced = _priced(lines_sql, connection, scheme.rounding.quantum_pence)
    paid = pl.concat(
        [
            pl.read_parquet(workspace.statement(name, month)).with_columns(section=pl.lit(name))
            for name in CONTRACT_SECTIONS
        ],
        how="diagonal",
    )
    # What is fixed is owed where the rest is not known (2026/27 ¶84).
    known = pl.coalesce("payable_pence", "fixed_pence")
    paid = paid.with_columns(known_payable_pence=known)
    return [
        *_of_contract_lines(workspace, month, rulebook, priced, paid),
        *_of_fixed_element(workspace, month, rulebook),
        *_of_reviews(workspace, month, rulebook),
        *_of_sections(workspace, month, priced, paid),
    ]


def _priced(
    lines_sql: str, connection: duckdb.DuckDBPyConnection, quantum_pence: int
) -> pl.DataFrame:
    """Priced lines by contract, section and point of delivery, as `contract_lines` has amounts."""
    unit = PPM * quantum_pence
    of_section = " ".join(
        f"WHEN '{mechanism}' THEN '{section}'" for mechanism, section in SECTIONS.items()
    )
    made = connection.sql(
        f"""
        WITH lines AS (
            SELECT *, coalesce(value_pence, 0) AS worth, ebi_outcome = '{ZERO_PRICE}' AS unapproved,
                   pre_mff_pence - best_practice_pence AS base_pence,
                   CASE WHEN best_practice_pence = 0 THEN worth ELSE coalesce(sign(base_pence)
                       * ((abs(base_pence)::HUGEINT * mff_ppm + {unit // 2}) // {unit}
                       * {quantum_pence}), 0) END AS at_base
            FROM {lines_sql}
        )
        SELECT provider_code, commissioner_code,
               CASE payment_mechanism {of_section} END AS section,
               point_of_delivery_code AS contract_line,
               count(*)::BIGINT AS activity,
               (count(*) FILTER (unapproved))::BIGINT AS unapproved_activity,
               sum(worth)::BIGINT AS value_pence,
               sum(at_base)::BIGINT AS value_at_base_pence,
               sum(worth - at_base)::BIGINT AS best_practice_pence,
               coalesce(sum(at_base) FILTER (unapproved), 0)::BIGINT
                   AS unapproved_value_at_base_pence,
               coalesce(sum(worth - at_base) FILTER (unapproved), 0)::BIGINT
                   AS unapproved_best_practice_pence,
               coalesce(sum(payable_pence), 0)::BIGINT AS payable_pence
        FROM lines GROUP BY ALL
        """
    )
    return pl.DataFrame(made.to_arrow_table())


def _of_contract_lines(
    workspace: Workspace,
    month: str,
    rulebook: Rulebook,
    priced: pl.DataFrame,
    paid: pl.DataFrame,
) -> list[Equality]:
    """The variable element and the blend, of what SUS records carry, what is planned and counted.

    What goes by a plan is tied by what was done and what was planned: what a difference from it
    pays is the rule's alone.
    """
    scheme = rulebook.pack.scheme
    table = scheme.contract_lines.table
    section_of = {row.line: row.section for row in table}
    section = pl.col("contract_line").replace_strict(
        section_of, default=None, return_dtype=pl.String
    )
    agreed = rulebook.agreed([month])
    plans, counts = (one.with_columns(section=section) for one in (agreed.plans, agreed.counts))
    of_records = priced.filter(pl.col("section").is_in(list(CONTRACT_SECTIONS)))
    expected = _from_records(of_records, scheme)
    to_date = _from_records(_to_date(workspace, month, rulebook, of_records, section), scheme)
    blend = paid.filter(section="blended")
    parts = blend.with_columns(payable_pence=pl.col("fixed_pence") + pl.col("variable_pence"))
    lines, counted = _names(table, LINES), _names(table, COUNTS)
    worth = [*lines, *_names(table, BEST_PRACTICE)]
    by_unit, beside = _names(table, LINES, EACH_UNIT), _names(table, BEST_PRACTICE, ADDITION)
    priced_counts = [line for line in counted if line not in _names(table, COUNTS, AMOUNT_EACH)]
    lacking = "priced lines without what lacks its approval"
    ties = [
        ("activity of SUS records", "priced lines", "activity", expected, lines),
        ("value_pence of SUS records", "priced lines", "value_pence", expected, worth),
        (
            "payable_pence of SUS records that are paid each",
            "priced lines",
            "payable_pence",
            expected,
            by_unit,
        ),
        (
            "payable_pence of best practice beside base prices",
            "priced lines at its rate",
            "payable_pence",
            expected,
            beside,
        ),
        ("activity_to_date of SUS records", lacking, "activity_to_date", to_date, lines),
        ("value_to_date_pence of SUS records", lacking, "value_to_date_pence", to_date, worth),
        ("planned_activity", "plans", "planned_activity", plans, list(section_of)),
        ("planned_value_pence", "plans", "planned_value_pence", plans, list(section_of)),
        ("activity of counts", "the list of counts", "activity", counts, counted),
        ("value_pence of counts", "the list of counts", "value_pence", counts, priced_counts),
    ]
    return _equalities(
        "variable element and blend",
        [
            *(
                _tied(
                    f"{says} = that of {source}",
                    amount,
                    _LINE,
                    paid.filter(pl.col("contract_line").is_in(of)),
                    made.filter(pl.col("contract_line").is_in(of)),
                )
                for says, source, amount, made, of in ties
            ),
            _tied(
                "payable_pence of the blend = fixed_pence + variable_pence",
                "payable_pence",
                _LINE,
                blend,
                parts,
            ),
        ],
    )


def _to_date(
    workspace: Workspace,
    month: str,
    rulebook: Rulebook,
    of_month: pl.DataFrame,
    section: pl.Expr,
) -> pl.DataFrame:
    """Priced lines of the year to date, those of who was succeeded with the successor's.

    None where a month is missing, for nothing is said then.
    """
    before = [workspace.statement(CONTRACT_LINES, one) for one in months_of_year_to(month)[:-1]]
    if not all(path.is_file() for path in before):
        return of_month.clear()
    earlier = (by_pair_of(rulebook, month, pl.scan_parquet(path)).collect() for path in before)
    found = (one.with_columns(section=section).select(of_month.columns) for one in earlier)
    return pl.concat([of_month, *found])


def _from_records(facts: pl.DataFrame, scheme: Scheme) -> pl.DataFrame:
    """What contract lines must show of priced lines, with best practice apart where it is a line.

    To date without what lacks its prior approval, as it is held against a plan.
    """
    base, added, unapproved_base, unapproved_added = (
        pl.col(name).fill_null(0)
        for name in (
            *("value_at_base_pence", "best_practice_pence"),
            *("unapproved_value_at_base_pence", "unapproved_best_practice_pence"),
        )
    )
    held, held_added = base - unapproved_base, added - unapproved_added
    apart = [row for row in scheme.contract_lines.table if row.source == BEST_PRACTICE]
    is_apart = pl.col("section").is_in([row.section for row in apart])
    found = [
        facts.select(
            *_LINE,
            "activity",
            "payable_pence",
            activity_to_date=pl.col("activity") - pl.col("unapproved_activity"),
            value_pence=pl.when(is_apart).then(base).otherwise(base + added),
            value_to_date_pence=pl.when(is_apart).then(held).otherwise(held + held_added),
        )
    ]
    for row in apart:
        own = facts.filter(section=row.section).with_columns(contract_line=pl.lit(row.line))
        found.append(
            own.select(
                *_LINE,
                activity=pl.lit(0, dtype=pl.Int64),
                payable_pence=_at_rate(own["best_practice_pence"], row, scheme),
                activity_to_date=pl.lit(0, dtype=pl.Int64),
                value_pence=added,
                value_to_date_pence=held_added,
            )
        )
    return pl.concat(found)


def _at_rate(pence: pl.Series, row: ContractLine, scheme: Scheme) -> pl.Series:
    """Amounts at the rate of a line, each rounded for itself; none where a plan decides."""
    if row.pays != ADDITION or row.rate is None:
        return pl.Series([None] * len(pence), dtype=pl.Int64)
    rate, quantum = scheme.parameters[row.rate].value, scheme.rounding.quantum_pence
    amounts = [times_ppm(amount or 0, rate, quantum) for amount in pence]
    return pl.Series(amounts, dtype=pl.Int64)


def _of_fixed_element(workspace: Workspace, month: str, rulebook: Rulebook) -> list[Equality]:
    """The items of the fixed element, against the total of each worksheet and what of it is due.

    And that no pair is paid an instalment in a month whose LVA block pays for all that passes.
    """
    paying, _ = worksheets_paying(workspace, rulebook, month)
    made = [_due(supplied(workspace, sheet), month) for sheet in paying]
    schema = dict.fromkeys(PAIR, pl.String) | dict.fromkeys(_OF_WORKSHEETS, pl.Int64)
    due = by_pair_of(rulebook, month, pl.DataFrame(made, schema=schema).lazy()).collect()
    stated = pl.read_parquet(workspace.statement(FIXED_ELEMENT_STATEMENT, month))
    ties = [
        _tied(f"{amount} of items = {of}", amount, PAIR, stated, due)
        for amount, of in _OF_WORKSHEETS.items()
    ]
    in_block = (
        pl.read_parquet(workspace.statement("low_volume", month))
        .filter("is_block_pair", ~pl.col("is_moved_to_api"))
        .select(PAIR)
    )
    paid_twice = stated.filter(pl.col("payable_pence") != 0).join(in_block, on=PAIR, how="semi")
    pairs = paid_twice.select(PAIR).unique().height
    return [
        *_equalities("fixed element", ties),
        Equality("fixed element: pairs with an instalment and an LVA block = none", pairs, 0),
    ]


def _of_reviews(workspace: Workspace, month: str, rulebook: Rulebook) -> list[Equality]:
    """The rows of reviews, against what each file says of its contract as a whole."""
    found = landed_reviews(workspace, rulebook.pack.scheme.scheme_year, month)
    stated = pl.read_parquet(workspace.statement(FIXED_ELEMENT_REVIEW_STATEMENT, month))
    said = [
        {
            "provider_code": one.provider_code,
            "commissioner_code": one.commissioner_code,
            "funding_pence": one.contract_value_pence,
            "amount_pence": one.agreed_difference_pence,
        }
        for one in (review.review.contract for review in found)
    ]
    types = {"funding_pence": pl.Int64, "amount_pence": pl.Int64}
    contracts = pl.DataFrame(said, schema={**dict.fromkeys(PAIR, pl.String), **types})
    ties = [
        _tied(
            "funding_pence of services = contract value",
            "funding_pence",
            PAIR,
            stated.filter(part="service"),
            contracts,
        ),
        _tied(
            "amount_pence of the years of the plan = agreed difference",
            "amount_pence",
            PAIR,
            stated.filter(part="year"),
            contracts,
        ),
    ]
    return _equalities("fixed element review", ties)


def _due(sheet: FixedWorksheet, month: str) -> dict[str, str | int]:
    """The total of a worksheet, and what of it is due by the month and in it, as a whole."""
    total, instalments = sheet.worked_out().total_pence, sheet.pack.scheme.fixed_element.instalments
    of_month = sheet.of_same_month(month)
    counts = [
        sum(one < of_month for one in sheet.months),
        sum(one <= of_month for one in sheet.months),
        len(sheet.months),
    ]
    before, by_now, whole = (-(-count * instalments // 12) for count in counts)
    paid_before, paid = (_halves_up(total * done, whole) for done in (before, by_now))
    return {
        **dict(zip(PAIR, (sheet.file.provider_code, sheet.file.commissioner_code), strict=True)),
        "amount_pence": total,
        "payable_to_date_pence": paid,
        "payable_pence": paid - paid_before,
    }


def _halves_up(pence: int, parts: int) -> int:
    """A part of an amount to the penny, halves away from zero."""
    size = (2 * abs(pence) + parts) // (2 * parts)
    return size if pence >= 0 else -size


def _of_sections(
    workspace: Workspace, month: str, priced: pl.DataFrame, paid: pl.DataFrame
) -> list[Equality]:
    """The statement by section: of priced lines, contract lines, items and their baselines."""
    statement = pl.read_parquet(workspace.statement("contract_statement", month))
    fixed = pl.read_parquet(workspace.statement(FIXED_ELEMENT_STATEMENT, month))
    items, baselines = (
        pl.read_parquet(workspace.statement(name, month)).with_columns(
            section=pl.lit(EXCLUDED_ITEMS)
        )
        for name in ("excluded_items", "excluded_drugs_baseline")
    )
    amounts = ["activity", "value_pence", "known_payable_pence"]
    by_line = priced.filter(~pl.col("section").is_in(list(CONTRACT_SECTIONS)))
    parts = [
        by_line.select(*_SECTION, *amounts[:2], known_payable_pence="payable_pence"),
        paid.select(*_SECTION, *amounts),
        fixed.select(*PAIR, section=pl.lit(API_FIXED), known_payable_pence="payable_pence"),
        items.select(
            *_SECTION,
            activity=pl.lit(1, dtype=pl.Int64),
            value_pence="amount_pence",
            known_payable_pence="payable_pence",
        ),
        baselines.select(*_SECTION, known_payable_pence="payable_pence"),
    ]
    source = pl.concat(parts, how="diagonal")
    whole = statement.filter(open_lines=0).with_columns(payable_pence="known_payable_pence")
    ties = [
        *(
            _tied(
                f"known_payable_pence of {section} = payable_pence of {of}",
                "known_payable_pence",
                _SECTION,
                statement.filter(section=section),
                source.filter(section=section),
            )
            for section, of in _MADE_FROM.items()
        ),
        *(
            _tied(
                f"{amount} = {amount} of lines, items and counts",
                amount,
                _SECTION,
                statement,
                source,
            )
            for amount in amounts[:2]
        ),
        _tied(
            "payable_pence = known_payable_pence of what is not open",
            "payable_pence",
            _SECTION,
            statement,
            whole,
        ),
    ]
    return _equalities("contract statement", ties)


def _equalities(of: str, ties: Sequence[_Tie]) -> list[Equality]:
    """Of each amount in all, and of all of them that none is another contract's."""
    differing = sum(tie.differing for tie in ties)
    return [
        *(Equality(f"{of}: {tie.says}", tie.stated, tie.made) for tie in ties),
        Equality(f"{of}: amounts that differ in any contract = none", differing, 0),
    ]


def _tied(
    says: str, amount: str, keys: Sequence[str], stated: pl.DataFrame, made: pl.DataFrame
) -> _Tie:
    """The tie of an amount; what is not known adds nothing."""
    left, right = (
        one.group_by(keys).agg(pl.col(amount).cast(pl.Int64).sum()) for one in (stated, made)
    )
    both = left.join(right, on=keys, how="full", nulls_equal=True, suffix="_made")
    sums = both.select(pl.col(amount, f"{amount}_made").fill_null(0))
    differing = sums.filter(pl.col(amount) != pl.col(f"{amount}_made")).height
    in_all, must_be = (int(column.sum()) for column in sums)
    return _Tie(says, in_all, must_be, differing)


def _names(table: Sequence[ContractLine], source: str, pays: str | None = None) -> list[str]:
    """The contract lines whose activity is from a source, or those of them that pay in a way."""
    return [row.line for row in table if row.source == source and pays in (None, row.pays)]
