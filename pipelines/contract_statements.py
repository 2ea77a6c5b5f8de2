"""A contract's statement: what is published of it, its outturn, and it under other years' rules.

Belongs here: reading a contract's rows of a month from the mart, and bringing what the forecast and
the comparison of years need to the pure functions. Does not belong here: any rule, or printing
(`pipelines.commands.statement`). Nothing is written: what is estimated is never published.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import (
    OWN_YEAR,
    PricingBasis,
    months_of,
    months_of_year_to,
    schema_of,
    scheme_year_of,
)
from pipelines.pricing_run import Agreed, Rulebook, by_pair_of, names_of, rulebook_for
from pipelines.publishing import opened_mart
from pipelines.scheme_packs import scheme_for
from pipelines.working_days import working_days
from pipelines.workspace import UserError, Workspace
from pricing import blended_payments, contract_lines, variable_element
from pricing.contract_statement import API_FIXED, EXCLUDED_ITEMS, PAID_BY_YEAR, SECTIONS
from pricing.contracts import PAIR
from pricing.forecast_outturn import (
    LAST_YEARS_PROFILE,
    METHODS,
    STRAIGHT_LINE,
    WORKING_DAYS,
    estimated,
    resting_on,
)
from pricing.planned_activity import is_counted, lines_of
from pricing.scheme import Scheme
from pricing.scheme_tables import CONTRACT_SECTIONS
from pricing.year_comparison import BESIDE_LINES, RULES, differences, rests_on

_BY_LINE: dict[str, Callable[..., nw.LazyFrame[Any]]] = {
    "variable_element": variable_element.statement,
    "blended": blended_payments.statement,
}
"""The statements that are made line by line against plans."""
_FIXED_ELEMENT = "fixed_element"
_TABLES = ("contract_statement", *_BY_LINE, _FIXED_ELEMENT)
_NO_SUCH_PART = "nothing in the year"
Names = tuple[list[str], list[str]]
"""Codes of a provider and of a payer: their own, and those of whom they succeeded."""
_OF_CONTRACT = (
    "list_contains($providers, provider_code) AND list_contains($commissioners, commissioner_code)"
)
_SHOWN = ("activity", "planned_activity", "value_pence", "planned_value_pence", "payable_pence")


@dataclass(frozen=True, slots=True)
class ContractStatement:
    """A contract's published statement of a month, and the run that published it.

    `tables` are `contract_statement`, `variable_element`, `blended` and `fixed_element`, by name,
    in the columns of `schemas.contract_statements`. `not_published` are the months of the scheme
    year up to it that have no current run, and so nothing in what is to date.
    """

    activity_month: str
    provider_code: str
    commissioner_code: str
    basis: PricingBasis
    scheme_year: str
    is_illustrative: bool
    is_current: bool
    priced_with: dict[str, str]
    not_published: tuple[str, ...]
    tables: dict[str, pl.DataFrame]

    @property
    def pair(self) -> dict[str, str]:
        """Provider and payer, by column."""
        return dict(zip(PAIR, (self.provider_code, self.commissioner_code), strict=True))

    @property
    def has_fixed_element(self) -> bool:
        """Whether the fixed element is known, by a worksheet, and its instalment is in it."""
        return not self.tables[_FIXED_ELEMENT].is_empty()


@dataclass(frozen=True, slots=True)
class Outturn:
    """What a scheme year may come to: an estimate by each method, or why there is none.

    `lines` have `method`, `section`, `contract_line` (null where a section is estimated whole),
    activity and pence as a statement has them, `is_estimated` (not where a line has nothing to be
    estimated by), and the `reason_code` of what is payable.
    """

    scheme_year: str
    lines: pl.DataFrame
    not_estimated: dict[str, str]


def read_statement(
    workspace: Workspace, provider: str, commissioner: str, month: str
) -> ContractStatement:
    """A contract's statement of a month, as published on the workspace's basis.

    Raises `UserError` where the month is not published, or has nothing of the contract.
    """
    basis = workspace.basis
    command = f"sus-pricing run --month {month} {basis.options}".rstrip()
    how = f"Run it first: {command}."
    with _mart(workspace, how) as mart:
        run = _run_of(mart, month, basis)
        if run is None:
            under = "" if basis.is_own_year else f" on the basis {basis.name}"
            raise UserError(f"{month} is not published{under}. {how}")
        own = [provider], [commissioner]
        tables = {
            name: mart.read(name, "activity_month = $month", own, month=month) for name in _TABLES
        }
        published = mart.published(basis)
        if tables["contract_statement"].is_empty():
            raise UserError(_no_such_contract(mart, provider, commissioner, month))
    year, is_illustrative, priced_with, is_current = run
    return ContractStatement(
        month,
        provider,
        commissioner,
        basis,
        year,
        is_illustrative,
        is_current,
        json.loads(priced_with),
        tuple(one for one in months_of_year_to(month) if one not in published),
        {name: table.sort(table.columns[2:5]) for name, table in tables.items()},
    )


class _Mart:
    """A published mart, read on one basis."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, basis: PricingBasis) -> None:
        self._connection, self._basis = connection, basis

    def read(self, table: str, condition: str, names: Names, **values: Any) -> pl.DataFrame:
        """Rows of a contract, under any of its names, without the basis."""
        providers, commissioners = names
        return self.query(
            f"SELECT * EXCLUDE (pricing_basis) FROM {schema_of(self._basis)}.{table} "
            f"WHERE {condition} AND pricing_basis = $basis AND {_OF_CONTRACT}",
            basis=self._basis.name,
            providers=providers,
            commissioners=commissioners,
            **values,
        )

    def query(self, sql: str, **values: Any) -> pl.DataFrame:
        """What a query gives."""
        return pl.DataFrame(self._connection.sql(sql, params=values).to_arrow_table())

    def published(self, basis: PricingBasis) -> set[str]:
        """The months whose current run is in the mart."""
        rows = self.query(
            "SELECT DISTINCT activity_month FROM runs WHERE is_current AND pricing_basis = $basis",
            basis=basis.name,
        )
        return set(rows["activity_month"])


@contextmanager
def _mart(workspace: Workspace, how: str) -> Iterator[_Mart]:
    with opened_mart(workspace, _TABLES, how) as connection:
        yield _Mart(connection, workspace.basis)


def _run_of(mart: _Mart, month: str, basis: PricingBasis) -> tuple[Any, ...] | None:
    """The last run of a month: scheme year, whether illustrative, inputs, whether current."""
    runs = mart.query(
        "SELECT scheme_year, is_illustrative, priced_with, is_current FROM runs "
        "WHERE activity_month = $month AND pricing_basis = $basis "
        "ORDER BY is_current DESC, published_at DESC LIMIT 1",
        month=month,
        basis=basis.name,
    )
    return None if runs.is_empty() else runs.row(0)


def _no_such_contract(mart: _Mart, provider: str, commissioner: str, month: str) -> str:
    """Says whom each of the two has a statement with, if the other is not among them."""
    said = [f"{provider} and {commissioner} have nothing in {month}."]
    for column, code, other in (
        ("provider_code", provider, "commissioner_code"),
        ("commissioner_code", commissioner, "provider_code"),
    ):
        found = mart.query(
            f"SELECT DISTINCT {other} AS code FROM contract_statement "
            f"WHERE {column} = $code AND activity_month = $month ORDER BY ALL LIMIT 20",
            code=code,
            month=month,
        )["code"].to_list()
        with_whom = f"has statements with {', '.join(found)}" if found else "has no statement"
        said.append(f"{code} as {column.removesuffix('_code')} {with_whom}.")
    return " ".join(said)


def outturn(workspace: Workspace, statement: ContractStatement) -> Outturn:
    """What the scheme year may come to for a contract, by each method.

    The months to come are estimated line by line from those that are published, and paid for by
    the rules, plans and terms of the year. Sections without contract lines are estimated whole.
    """
    month = statement.activity_month
    year, known = months_of(scheme_year_of(month)), months_of_year_to(month)
    if missing := statement.not_published:
        return _none(
            statement, f"Not published, or out of date, in this year: {', '.join(missing)}."
        )
    with _mart(workspace, "") as mart:
        try:
            rulebook = rulebook_for(workspace, month)
            if rulebook.inputs() != statement.priced_with:
                return _none(
                    statement,
                    f"The scheme pack, price book or lists have changed since {month} was run. "
                    "Run it again.",
                )
            agreed = _of_contract(rulebook.agreed(year, month), statement)
        except UserError as error:
            return _none(statement, str(error))
        names = names_of(rulebook, month, *statement.pair.values())
        facts = _Facts.of(mart, names, rulebook, agreed, known)
        weights, not_estimated = _weights(mart, statement, names, rulebook.pack.scheme, year)
    to_come = year[len(known) :]
    found = [
        row
        for method, weight in weights.items()
        for row in [
            *facts.outturn(method, weight, to_come, rulebook.pack.scheme),
            _fixed_of_year(method, statement),
        ]
    ]
    return Outturn(scheme_year_of(month), pl.concat(found), not_estimated)


def _none(statement: ContractStatement, why: str) -> Outturn:
    year = scheme_year_of(statement.activity_month)
    return Outturn(year, pl.DataFrame(), dict.fromkeys(METHODS, why))


def _of_contract(agreed: Agreed, statement: ContractStatement) -> Agreed:
    return Agreed(*(frame.filter(**statement.pair) for frame in agreed))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of a contract up to a month, in the three forms in which it is estimated."""

    of_lines: pl.DataFrame
    sections: pl.DataFrame
    agreed: Agreed
    known: list[str]
    has_baseline: bool

    @classmethod
    def of(
        cls,
        mart: _Mart,
        names: Names,
        rulebook: Rulebook,
        agreed: Agreed,
        known: list[str],
    ) -> "_Facts":
        in_months = "list_contains($months, activity_month)"
        lines, sections, baselines = (
            by_pair_of(rulebook, known[-1], mart.read(table, in_months, names, months=known).lazy())
            for table in ("priced_lines", "contract_statement", "excluded_drugs_baseline")
        )
        of_lines = contract_lines.of_month(nw.from_native(lines), rulebook.pack.scheme)
        by_line_or_year = [*CONTRACT_SECTIONS, *PAID_BY_YEAR]
        return cls(
            _collected(of_lines),
            sections.filter(~pl.col("section").is_in(by_line_or_year)).collect(),
            agreed,
            known,
            has_baseline=not baselines.collect().is_empty(),
        )

    def outturn(
        self, method: str, weights: pl.DataFrame, to_come: Sequence[str], scheme: Scheme
    ) -> Iterator[pl.DataFrame]:
        """The year by a method: contract lines by the rules, other sections in proportion."""
        year = [*self.known, *to_come]
        counts = self.agreed.counts.filter(pl.col("activity_month").is_in(self.known))
        of_lines, counted = (
            self._with_estimates(facts, weights, to_come) for facts in (self.of_lines, counts)
        )
        months = counts.group_by("contract_line").agg(pl.n_unique("activity_month"))
        doubtful = {
            *_not_estimated(self.of_lines, of_lines, to_come),
            *_not_estimated(counts, counted, to_come),
            # The average of months that nobody counted is not known.
            *months.filter(pl.col("activity_month") < len(self.known))["contract_line"],
        }
        agreed = self.agreed._replace(counts=counted)
        frames: list[Any] = [nw.from_native(frame.lazy()) for frame in (of_lines, *agreed)]
        for section, make in _BY_LINE.items():
            rows = _collected(make(*frames, year, year, scheme))
            unknown = resting_on(doubtful, section, scheme)
            yield _in_form(
                rows, method, section, pl.col("contract_line").is_in(unknown), "_to_date"
            )
        yield self._of_sections(method, weights, to_come)

    def _of_sections(
        self, method: str, weights: pl.DataFrame, to_come: Sequence[str]
    ) -> pl.DataFrame:
        amounts = ("activity", "value_pence", "payable_pence")
        facts = self.sections.select(*PAIR, "activity_month", *amounts, contract_line="section")
        whole = self._with_estimates(facts, weights, to_come)
        doubtful = _not_estimated(facts, whole, to_come)
        if self.has_baseline:
            # What is above the baseline of the year is not in proportion to what was before.
            doubtful.add(EXCLUDED_ITEMS)
        open_ones = facts.filter(pl.col("payable_pence").is_null())["contract_line"]
        rows = whole.group_by("contract_line").agg(
            pl.sum("activity"),
            *(
                pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
                for name in ("value_pence", "payable_pence")
            ),
        )
        is_open = pl.col("contract_line").is_in(open_ones.implode())
        rows = rows.with_columns(
            payable_pence=pl.when(~is_open).then(pl.col("payable_pence")),
            reason_code=pl.lit(None, dtype=pl.String),
        )
        return _in_form(rows, method, None, pl.col("contract_line").is_in(list(doubtful)), "")

    def _with_estimates(
        self, facts: pl.DataFrame, weights: pl.DataFrame, to_come: Sequence[str]
    ) -> pl.DataFrame:
        if not to_come:
            return facts
        made = estimated(
            nw.from_native(facts.lazy()), nw.from_native(weights.lazy()), self.known, to_come
        )
        return pl.concat([facts, _collected(made).select(facts.columns)])


def _fixed_of_year(method: str, statement: ContractStatement) -> pl.DataFrame:
    """The fixed element of the year, alike by every method; no row where there is no worksheet."""
    items = statement.tables[_FIXED_ELEMENT]
    rows = items.select(
        contract_line=pl.lit(API_FIXED),
        payable_pence=pl.sum("amount_pence"),
        reason_code=pl.lit(None, dtype=pl.String),
    ).head(0 if items.is_empty() else 1)
    return _in_form(rows, method, None, pl.lit(False), "")


def _not_estimated(facts: pl.DataFrame, whole: pl.DataFrame, to_come: Sequence[str]) -> set[str]:
    """The lines that have facts and no estimate."""
    later = whole.filter(pl.col("activity_month").is_in(list(to_come)))
    return set(facts["contract_line"]) - set(later["contract_line"]) if to_come else set()


def _in_form(
    rows: pl.DataFrame, method: str, section: str | None, is_unknown: pl.Expr, ends: str
) -> pl.DataFrame:
    """Rows of an outturn; nothing but the line where it could not be estimated."""
    column = dict.fromkeys(_SHOWN, pl.lit(None, dtype=pl.Int64)) | {
        name: pl.col(found) for name in _SHOWN if (found := _to_date(name, ends)) in rows.columns
    }
    own = pl.lit(section) if section else pl.col("contract_line")
    line = pl.col("contract_line") if section else pl.lit(None, dtype=pl.String)
    return rows.select(
        method=pl.lit(method),
        section=own,
        contract_line=line,
        **{name: pl.when(~is_unknown).then(found) for name, found in column.items()},
        is_estimated=~is_unknown,
        reason_code=pl.when(~is_unknown).then(pl.col("reason_code")),
    ).sort("section", "contract_line")


def _to_date(name: str, ends: str) -> str:
    """The name of an amount of the year to date: `value_to_date_pence` of `value_pence`."""
    unit = "_pence" if name.endswith("_pence") else ""
    return f"{name.removesuffix(unit)}{ends}{unit}"


def _weights(
    mart: _Mart, statement: ContractStatement, names: Names, scheme: Scheme, year: Sequence[str]
) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """What each method weighs the months by, and why a method cannot be used."""
    schema = {"activity_month": pl.String, "weight": pl.Int64}
    ones = dict.fromkeys(year, 1)
    found = {STRAIGHT_LINE: pl.DataFrame(list(ones.items()), schema, orient="row")}
    why = {}
    try:
        days = working_days(year)
        found[WORKING_DAYS] = pl.DataFrame(list(days.items()), schema, orient="row")
    except UserError as error:
        why[WORKING_DAYS] = str(error)
    before = {f"{int(month[:4]) - 1}{month[4:]}": month for month in year}
    missing = sorted(set(before) - mart.published(OWN_YEAR))
    if missing:
        why[LAST_YEARS_PROFILE] = (
            f"{len(missing)} of the 12 months of {scheme_year_of(missing[0])} are not published, "
            f"or out of date, the first of them {missing[0]}."
        )
    else:
        found[LAST_YEARS_PROFILE] = _profile(mart, statement, names, scheme, before)
    return found, why


def _profile(
    mart: _Mart,
    statement: ContractStatement,
    names: Names,
    scheme: Scheme,
    before: Mapping[str, str],
) -> pl.DataFrame:
    """Last year's activity of each line and section, by this year's month.

    Of what users count, only lines that they counted in every month of it.
    """
    providers, commissioners = names
    of_year = f"list_contains($months, activity_month) AND {_OF_CONTRACT}"
    rows = mart.query(
        f"""
        WITH counted AS (
            SELECT activity_month, contract_line, sum(activity) AS weight FROM (
                SELECT * FROM main.variable_element UNION ALL BY NAME SELECT * FROM main.blended
            ) WHERE {of_year} AND activity IS NOT NULL AND list_contains($counted, contract_line)
            GROUP BY ALL
        )
        SELECT activity_month, point_of_delivery_code AS contract_line, count(*) AS weight
        FROM main.priced_lines WHERE {of_year} GROUP BY ALL
        UNION ALL
        SELECT activity_month, section, activity FROM main.contract_statement WHERE {of_year}
        UNION ALL
        SELECT * FROM counted WHERE contract_line IN (
            SELECT contract_line FROM counted GROUP BY ALL HAVING count(*) = {len(before)}
        )
        """,
        months=list(before),
        providers=providers,
        commissioners=commissioners,
        counted=[name for name, line in lines_of(scheme).items() if is_counted(line)],
    )
    return rows.select(
        **{name: pl.lit(code) for name, code in statement.pair.items()},
        contract_line=pl.col("contract_line"),
        activity_month=pl.col("activity_month").replace_strict(before, return_dtype=pl.String),
        weight=pl.col("weight").cast(pl.Int64),
    )


def compared(
    workspace: Workspace, before: ContractStatement, after: ContractStatement
) -> pl.DataFrame:
    """Why a contract pays otherwise in a month under another year's rules, by rule.

    `rule`, `part_before` and `part_after` (the payment mechanism of the lines, or what the contract
    pays beside them), `lines`, `difference_pence`, and what the rule rests on in either year. They
    add up to the difference of what is known to be payable.
    """
    month, own_names = before.activity_month, ([before.provider_code], [before.commissioner_code])
    lines, rules = [], []
    for statement in (before, after):
        on_basis = workspace.on(statement.basis)
        with _mart(on_basis, "") as mart:
            lines.append(
                mart.read("priced_lines", "activity_month = $month", own_names, month=month)
            )
        day, as_of = statement.basis.rules_day(month), statement.basis.as_of
        rules.append(scheme_for(on_basis, day, as_of).scheme)
    own, other = (nw.from_native(one.lazy()) for one in lines)
    by_rule = _collected(differences(own, other, rules[0].rounding.quantum_pence))
    beside = [_beside(*of) for of in zip((before, after), lines, strict=True)]
    found = pl.concat(
        [
            by_rule.select(
                "rule",
                "lines",
                "difference_pence",
                part_before="mechanism_before",
                part_after="mechanism_after",
                rests_on_before=pl.lit(None, dtype=pl.String),
                rests_on_after=pl.lit(None, dtype=pl.String),
            ),
            _beside_differences(*beside),
        ]
    )
    place = {rule: number for number, rule in enumerate(RULES)}
    return found.sort(
        pl.col("rule").replace_strict(place, return_dtype=pl.Int64), "part_before", "part_after"
    ).with_columns(
        pl.coalesce(name, _rests_on(year)).alias(name)
        for name, year in zip(("rests_on_before", "rests_on_after"), rules, strict=True)
    )


def _rests_on(scheme: Scheme) -> pl.Expr:
    grounds = {rule: rests_on(rule, scheme) for rule in RULES}
    return pl.col("rule").replace_strict(grounds, return_dtype=pl.String)


def _beside_differences(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What is paid beside lines, part by part; a part that a year does not have is named so."""
    both = before.join(after, on="part", how="full", coalesce=True, suffix="_after")
    change = pl.col("pence_after").fill_null(0) - pl.col("pence").fill_null(0)
    return both.select(
        rule=pl.lit(BESIDE_LINES),
        lines=pl.lit(None, dtype=pl.Int64),
        difference_pence=change,
        part_before="part",
        part_after="part",
        rests_on_before=pl.col("paragraph").fill_null(_NO_SUCH_PART),
        rests_on_after=pl.col("paragraph_after").fill_null(_NO_SUCH_PART),
    ).filter(pl.col("difference_pence") != 0)


def _beside(statement: ContractStatement, lines: pl.DataFrame) -> pl.DataFrame:
    """What each part of a contract pays beside what its lines pay of themselves."""
    none = pl.lit(None, dtype=pl.String)
    of_lines = lines.select(
        section=pl.col("payment_mechanism").replace_strict(SECTIONS, return_dtype=pl.String),
        contract_line="point_of_delivery_code",
        pence=-pl.col("payable_pence"),
        paragraph=none,
    )
    by_line = [
        statement.tables[name].with_columns(section=pl.lit(name)) for name in CONTRACT_SECTIONS
    ]
    # Of a blend at least what is fixed is known.
    of_contract = pl.concat(by_line, how="diagonal").select(
        "section",
        "contract_line",
        pence=pl.coalesce("payable_pence", "fixed_pence"),
        paragraph="paragraph",
    )
    of_sections = (
        statement.tables["contract_statement"]
        .filter(~pl.col("section").is_in(list(_BY_LINE)))
        .select("section", contract_line=none, pence="known_payable_pence", paragraph="paragraph")
    )
    is_by_line = pl.col("section").is_in(list(_BY_LINE))
    line = pl.when(is_by_line).then(pl.concat_str("section", "contract_line", separator=": "))
    return (
        pl.concat([of_lines, of_contract, of_sections])
        .group_by(part=pl.coalesce(line, "section"))
        .agg(pl.sum("pence"), pl.col("paragraph").drop_nulls().first())
    )


def _collected(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    made: pl.DataFrame = frame.to_native().collect()
    return made
