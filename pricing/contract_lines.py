"""Contract lines: what each comes to in the month and the year to date, and what it pays.

Belongs here: priced lines summed to contract lines, counts and plans beside them, and the shapes
in which a line pays: each unit (2023/25 ¶70-73, ¶116-119, 2026/27 ¶73-77, ¶79, ¶95), the difference
from a plan (2021/22 ¶52-57, ¶59, 2026/27 ¶84, ¶94-95, ¶102), an agreed amount each (2023/25 ¶76,
2026/27 ¶80), what quality falls short (2021/22 ¶51, ¶58, 2023/25 ¶23, ¶74, 2026/27 ¶13, ¶78), best
practice beside base prices (2026/27 ¶85), and what is withheld and earned (2026/27 ¶99, ¶101).
Does not belong here: which lines a year has and at what rates (the scheme pack's
`contract_lines.table`), the share of a difference (`pricing.plan_difference`), what is fixed, or
the columns of a statement (`pricing.variable_element`, `pricing.blended_payments`).

What goes by a plan is worked out on the year to date, so that one month's more makes up for
another's less, and a month pays what it adds to that. A plan that is missing is never a plan of
nothing. A plan for what SUS records carry with no record is activity that was not done; of what the
user counts, no count of a month is no knowledge, from the first month that is counted or planned.
"""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from pricing import best_practice, ebi
from pricing.contracts import PAIR
from pricing.decision import Outcome, Row, first_that_fits
from pricing.mechanism import API_BLENDED, API_VARIABLE
from pricing.money import LARGEST_PENCE, apply_ppm
from pricing.plan_difference import share_of_difference
from pricing.reasons import StatementReason
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme
from pricing.scheme_tables import (
    ADDITION,
    AMOUNT_EACH,
    BEST_PRACTICE,
    CONTRACT_SECTIONS,
    COUNTS,
    DIFFERENCE,
    EACH_UNIT,
    LINES,
    NO_ADJUSTMENT,
    SHORTFALL,
    TERMS,
    WITHHELD,
    ContractLine,
    SchemePackError,
)
from schemas.contract_statements import CONTRACT_LINES_OF_MONTH

KEYS = (*PAIR, "contract_line")
_POINTS = ("to_date", "before")
_SUMS = (
    "activity",
    "held_activity",
    "value_pence",
    "held_value_pence",
    "best_practice_pence",
    "annual_best_practice_activity",
    "payable_pence",
    "target_activity",
    "target_value_pence",
    "lines_for_local_price",
    "planned_activity",
    "planned_value_pence",
    "rows_done",
    "rows_payable",
    "rows_planned",
    "rows_planned_activity",
    "rows_planned_value",
)
"""What is summed by contract line. What is held is held against a plan: all but what lacks its
prior approval. Rows are counted to tell what is not there from what is 0."""
_OF_MONTH = (
    "target_activity",
    "target_value_pence",
    "best_practice_pence",
    "annual_best_practice_activity",
    "lines_for_local_price",
)
"""What a statement shows of the month alone."""


def of_month(lines: nw.LazyFrame[Any], scheme: Scheme) -> nw.LazyFrame[Any]:
    """Priced lines of the variable element and the blend, by contract, month and line.

    Takes priced lines of any months; gives the columns of
    `schemas.contract_statements.CONTRACT_LINES_OF_MONTH` in one aggregation. Lines that need a
    locally agreed price are counted and add nothing; an amount is null where every line needs one.
    """
    value, added = nw.col("value_pence"), nw.col("best_practice_pence")
    quantum = scheme.rounding.quantum_pence
    without = apply_ppm(nw.col("pre_mff_pence") - added, nw.col("mff_ppm"), quantum)
    in_target = nw.col("is_in_activity_target")
    is_unapproved = nw.col("ebi_outcome") == ebi.ZERO_PRICE
    counted = {
        "one": nw.lit(True),
        "unapproved_activity": is_unapproved,
        "annual_best_practice_activity": best_practice.is_of_annual_tariff(scheme),
        "target_activity": in_target,
        "lines_for_local_price": value.is_null(),
        "lines_payable": ~nw.col("payable_pence").is_null(),
    }
    amounts = (
        "value_pence",
        "value_at_base_pence",
        "best_practice_pence",
        "unapproved_value_at_base_pence",
        "unapproved_best_practice_pence",
        "payable_pence",
        "target_value_pence",
    )
    has_a_price = nw.col("lines_for_local_price") < nw.col("activity")
    totals = (
        lines.filter(nw.col("payment_mechanism").is_in([API_VARIABLE, API_BLENDED]))
        .with_columns(
            value_at_base_pence=nw.when(added == 0).then(value).otherwise(without),
            target_value_pence=nw.when(in_target).then(value),
            **{name: nw.when(is_one).then(1).otherwise(0) for name, is_one in counted.items()},
        )
        .with_columns(best_practice_pence=value - nw.col("value_at_base_pence"))
        .with_columns(
            **{
                f"unapproved_{name}": nw.when(is_unapproved).then(nw.col(name))
                for name in ("value_at_base_pence", "best_practice_pence")
            }
        )
        .group_by(*PAIR, "activity_month", "point_of_delivery_code")
        .agg(
            # A sum of nothing is 0 on one engine and null on another.
            *(nw.col(name).fill_null(0).sum().cast(nw.Int64) for name in (*counted, *amounts))
        )
        .rename({"point_of_delivery_code": "contract_line", "one": "activity"})
    )
    has_amount = {
        "value_pence": has_a_price,
        "value_at_base_pence": has_a_price,
        "target_value_pence": has_a_price,
        "payable_pence": nw.col("lines_payable") > 0,
    }
    return totals.with_columns(
        **{name: nw.when(has).then(nw.col(name)) for name, has in has_amount.items()}
    ).select(*(field.name for field in CONTRACT_LINES_OF_MONTH))


def paid(
    section: str,
    of_lines: nw.LazyFrame[Any],
    counts: nw.LazyFrame[Any],
    plans: nw.LazyFrame[Any],
    terms: nw.LazyFrame[Any],
    bands: nw.LazyFrame[Any],
    months: Sequence[str],
    priced_months: Sequence[str],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Each contract line of a section as at the last of `months`, with what it pays.

    `months` are those of the scheme year up to the statement's, `priced_months` those of which
    every record is in `of_lines`. Takes the frames of `of_month` and of the user's lists, a row of
    `terms` to a contract line. Gives the columns that both statements have, and with them
    `fixed_pence`, `fixed_to_date_pence`, `variable_pence` and `variable_to_date_pence`: null where
    that is not known.
    """
    table = [row for row in scheme.contract_lines.table if row.section == section]
    year = _Year(table, tuple(months), set(months) <= set(priced_months), scheme)
    rows = year.summed(year.facts(of_lines, counts, plans))
    rows = rows.join(terms.rename({"rate_ppm": "agreed_rate_ppm"}), on=list(KEYS), how="left")
    rows = year.with_fixed(rows.with_columns(rate_ppm=year.rate()))
    rows = rows.with_columns(**year.held_against_plan())
    rows = share_of_difference(rows, bands, _POINTS, scheme.rounding.quantum_pence)
    rows = rows.with_columns(
        **{f"by_terms_{point}": year.by_terms(point) for point in _POINTS}
    ).with_columns(missing=year.missing())
    return rows.with_columns(**year.variable()).with_columns(
        **year.shown(),
        reason_code=year.reason(),
        paragraph=year.each(lambda row: row.citation),
        activity_month=nw.lit(months[-1]),
        scheme_year=nw.lit(scheme.scheme_year),
    )


class _Year:
    """The contract lines of a section, and what of the year up to a month is known."""

    def __init__(
        self,
        table: Sequence[ContractLine],
        months: tuple[str, ...],
        is_whole: bool,
        scheme: Scheme,
    ) -> None:
        self.table, self.months, self.is_whole, self.scheme = table, months, is_whole, scheme

    def names(self, *shapes: str, source: str = "") -> list[str]:
        """The lines that pay in one of some shapes, or whose activity comes from a source."""
        return [r.line for r in self.table if r.pays in shapes or r.source == source]

    def is_of(self, *shapes: str, source: str = "") -> nw.Expr:
        """Whether a row is of such a line."""
        return nw.col("contract_line").is_in(self.names(*shapes, source=source))

    def each(self, take: Callable[[ContractLine], Outcome], dtype: type = nw.String) -> nw.Expr:
        """What is taken of the line of each row."""
        rows = [(nw.col("contract_line") == row.line, take(row)) for row in self.table]
        return first_that_fits(rows, None, dtype)

    def facts(
        self, of_lines: nw.LazyFrame[Any], counts: nw.LazyFrame[Any], plans: nw.LazyFrame[Any]
    ) -> nw.LazyFrame[Any]:
        """What was done, counted and planned up to the month, in one form."""
        found = [
            self._of_lines(of_lines),
            *self._of_best_practice(of_lines),
            self._of_counts(counts),
            self._of_plans(plans),
        ]
        known = nw.concat([_in_form(one.filter(self._is_to_date())) for one in found])
        return nw.concat([known, *self._of_terms(known)])

    def _is_to_date(self) -> nw.Expr:
        every = [row.line for row in self.table]
        return nw.col("activity_month").is_in(self.months) & nw.col("contract_line").is_in(every)

    def _of_lines(self, of_lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Priced lines; at base prices where best practice is a contract line of its own."""
        base, unapproved = nw.col("value_at_base_pence"), nw.col("unapproved_value_at_base_pence")
        held = base - unapproved
        is_apart = bool(self.names(source=BEST_PRACTICE))
        unapproved_whole = unapproved + nw.col("unapproved_best_practice_pence")
        return of_lines.filter(self.is_of(source=LINES)).with_columns(
            held_activity=nw.col("activity") - nw.col("unapproved_activity"),
            value_pence=base if is_apart else nw.col("value_pence"),
            held_value_pence=held if is_apart else nw.col("value_pence") - unapproved_whole,
            target_value_pence=nw.when(nw.col("target_activity") > 0).then(held)
            if is_apart
            else nw.col("target_value_pence"),
            rows_done=nw.lit(1),
            rows_payable=nw.when(nw.col("payable_pence").is_null()).then(0).otherwise(1),
        )

    def _of_best_practice(self, of_lines: nw.LazyFrame[Any]) -> list[nw.LazyFrame[Any]]:
        """What best practice adds, as a line of its own."""
        added = nw.col("best_practice_pence")
        has_any = (added != 0) | (nw.col("unapproved_best_practice_pence") != 0)
        return [
            of_lines.filter(self.is_of(source=LINES) & has_any).select(
                *PAIR,
                "activity_month",
                contract_line=nw.lit(row.line),
                value_pence=added,
                held_value_pence=added - nw.col("unapproved_best_practice_pence"),
                payable_pence=apply_ppm(
                    added, nw.lit(self.pack_rate(row), dtype=nw.Int64), self._quantum
                ),
                rows_done=nw.lit(1),
                rows_payable=nw.lit(1),
            )
            for row in self.table
            if row.source == BEST_PRACTICE
        ]

    def _of_counts(self, counts: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """What the user counts; where a unit has no price it is for a local price."""
        has_value = ~nw.col("value_pence").is_null() | (nw.col("activity") == 0)
        needs_price = ~has_value & ~self.is_of(AMOUNT_EACH)
        value = nw.col("value_pence").fill_null(0)
        rate = self.each(self.pack_rate, nw.Int64)
        return counts.filter(self.is_of(source=COUNTS)).with_columns(
            held_activity=nw.col("activity"),
            value_pence=value,
            held_value_pence=value,
            lines_for_local_price=nw.when(needs_price).then(nw.col("activity")).otherwise(0),
            payable_pence=apply_ppm(value, rate, self._quantum),
            rows_done=nw.lit(1),
            rows_payable=nw.when(has_value).then(1).otherwise(0),
        )

    def _of_plans(self, plans: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        has_activity, has_value = (
            ~nw.col(name).is_null() for name in ("planned_activity", "planned_value_pence")
        )
        return plans.with_columns(
            rows_planned=nw.lit(1),
            rows_planned_activity=nw.when(has_activity).then(1).otherwise(0),
            rows_planned_value=nw.when(has_value).then(1).otherwise(0),
        )

    def _of_terms(self, known: nw.LazyFrame[Any]) -> list[nw.LazyFrame[Any]]:
        """Lines that every contract has, or every one that has the line they are a share of."""
        every = [row.line for row in self.table]
        contracts = known.select(*KEYS).unique()
        return [
            _in_form(
                contracts.filter(nw.col("contract_line").is_in([row.of] if row.of else every))
                .select(*PAIR)
                .unique()
                .with_columns(
                    activity_month=nw.lit(self.months[-1]), contract_line=nw.lit(row.line)
                )
            )
            for row in self.table
            if row.source == TERMS
        ]

    def summed(self, facts: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """One row a contract line, with what is missing in any month of the year to date."""
        is_done = (nw.col("held_activity") > 0) | (nw.col("held_value_pence") != 0)
        is_planned = nw.col("rows_planned") > 0
        is_counted = self.is_of(source=COUNTS) & (nw.col("rows_done") > 0)
        is_last = nw.col("activity_month") == self.months[-1]
        # How many months there are from this one to the last.
        places = [(nw.col("activity_month") == m, n) for n, m in enumerate(self.months[::-1], 1)]
        by_month = (
            facts.group_by(*KEYS, "activity_month")
            .agg(*(nw.col(name).sum().cast(nw.Int64) for name in _SUMS))
            .with_columns(
                months_planned=nw.when(is_planned).then(1).otherwise(0),
                months_to_plan=nw.when(is_done | is_planned).then(
                    first_that_fits(places, None, nw.Int64)
                ),
                months_counted=nw.when(is_counted).then(1).otherwise(0),
                months_from=first_that_fits(places, None, nw.Int64),
                **{f"{n}_month": nw.when(is_last).then(nw.col(n)).otherwise(0) for n in _SUMS},
            )
        )
        flags = ("months_planned", "months_counted")
        summed = by_month.group_by(*KEYS).agg(
            nw.col("months_from").max(),
            nw.col("months_to_plan").max(),
            *(nw.col(name).sum().cast(nw.Int64) for name in flags),
            *(nw.col(f"{n}_month").sum().cast(nw.Int64) for n in _SUMS),
            *(nw.col(n).sum().cast(nw.Int64).alias(f"{n}_to_date") for n in _SUMS),
        )
        return summed.with_columns(
            **{f"{n}_before": nw.col(f"{n}_to_date") - nw.col(f"{n}_month") for n in _SUMS}
        )

    def pack_rate(self, row: ContractLine) -> int | None:
        """The rate of a line as the pack has it; None where the parties agree on it.

        Raises `SchemePackError` where the pack had not given it by the day that rules are as of.
        """
        if row.rate is None:
            return None
        if not self.scheme.gives(row.rate):
            raise SchemePackError([self.scheme.absent[row.rate]])
        rate: int = self.scheme.parameters[row.rate].value
        return rate

    def rate(self) -> nw.Expr:
        """The rate that the parties agreed on, else the pack's; of an incentive, theirs alone."""
        of_pack = self.each(self.pack_rate, nw.Int64)
        agreed = nw.coalesce("agreed_rate_ppm", of_pack)
        return (
            nw.when(self.is_of(WITHHELD))
            .then(nw.col("withheld_ppm"))
            .otherwise(nw.when(self.is_of(DIFFERENCE, SHORTFALL)).then(agreed).otherwise(of_pack))
        )

    def with_fixed(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The fixed payment: planned value and amounts beside it, less what is withheld of it.

        2026/27 ¶84, ¶95, ¶99-101. Null without a plan.
        """
        amount = nw.col("amount_pence").fill_null(0)
        of_plan = {
            f"fixed_{point}": nw.when(~_has_no_plan()).then(
                _small(nw.col(f"planned_value_pence_{point}"))
                + amount * nw.col(f"rows_planned_{point}")
            )
            for point in _POINTS
        }
        names = {name: f"whole_{name}" for name in of_plan}
        rows = rows.with_columns(**of_plan)
        rows = rows.with_columns(**{whole: self._of_whole(name) for name, whole in names.items()})
        rate = nw.col("rate_ppm")
        return rows.with_columns(
            **{
                name: first_that_fits(
                    [
                        (self.is_of(DIFFERENCE), nw.col(name)),
                        (self.is_of(WITHHELD), -apply_ppm(nw.col(of), rate, self._quantum)),
                    ],
                    0,
                    nw.Int64,
                )
                for name, of in names.items()
            }
        )

    def _of_whole(self, fixed: str) -> nw.Expr:
        """What is fixed of the line that each row is a share of; null where it is of none."""
        # A window: joined to itself, the frame would be worked out twice.
        rows: list[Row] = [
            (
                nw.col("contract_line") == row.line,
                nw.when(nw.col("contract_line") == row.of).then(nw.col(fixed)).max().over(*PAIR),
            )
            for row in self.table
            if row.of
        ]
        return first_that_fits(rows, None, nw.Int64)

    def held_against_plan(self) -> dict[str, nw.Expr]:
        """The values that a share of the difference is of; null beyond what may be multiplied."""
        amounts = {"actual": "held_value_pence", "planned": "planned_value_pence"}
        return {
            f"{name}_{point}": _small(nw.col(f"{amount}_{point}"))
            for name, amount in amounts.items()
            for point in _POINTS
        }

    def by_terms(self, point: str) -> nw.Expr:
        """What a line pays by plan and terms up to a point; null where it pays otherwise."""
        planned = nw.col(f"planned_{point}")
        beyond = nw.col(f"held_activity_{point}") - nw.col(f"planned_activity_{point}")
        short = nw.col("rate_ppm") - nw.col("attainment_ppm")
        is_adjusted = (nw.col("rate_ppm") > 0) & ~(short < 0).fill_null(False)
        is_short = nw.when(is_adjusted).then(short).otherwise(0)
        withheld = -nw.col(f"fixed_{point}")
        # Of nothing withheld nothing is earned, whatever was attained.
        attained = nw.when(nw.col("rate_ppm") == 0).then(0).otherwise(nw.col("attainment_ppm"))
        earned = apply_ppm(withheld, attained, self._quantum)
        return first_that_fits(
            [
                (self.is_of(DIFFERENCE), nw.col(f"share_{point}")),
                (self.is_of(AMOUNT_EACH), _times(beyond, nw.col("amount_pence"))),
                (self.is_of(SHORTFALL), -apply_ppm(planned, is_short, self._quantum)),
                (self.is_of(WITHHELD), earned),
            ],
            None,
            nw.Int64,
        )

    def missing(self) -> nw.Expr:
        """What is missing to know what a line pays; null where nothing is."""
        by_plan = self.is_of(DIFFERENCE, AMOUNT_EACH)
        by_attainment = self.is_of(SHORTFALL, WITHHELD)
        by_terms = nw.col("by_terms_to_date")
        # At a rate of 0 attainment moves nothing: an adjustment that the parties agreed to remove
        # (2021/22 ¶59), or an incentive of which nothing is withheld (2026/27 ¶101).
        is_removed = self.is_of(SHORTFALL, WITHHELD) & (nw.col("rate_ppm") == 0).fill_null(False)
        needs_plan = (by_plan | self.is_of(SHORTFALL)) & ~is_removed
        is_unpriced = (nw.col("rows_done_month") > 0) & (nw.col("rows_payable_month") == 0)
        is_uncounted_month = self.is_of(source=COUNTS) & (nw.col("rows_done_month") == 0)
        return first_that_fits(
            [
                (needs_plan & _has_no_plan(), StatementReason.PLAN_MISSING),
                (
                    self.is_of(WITHHELD) & nw.col("whole_fixed_to_date").is_null(),
                    StatementReason.PLAN_MISSING,
                ),
                (by_plan & self._has_uncounted(), StatementReason.COUNT_MISSING),
                (self.is_of(EACH_UNIT) & is_uncounted_month, StatementReason.COUNT_MISSING),
                (
                    self.is_of(DIFFERENCE) & (nw.col("lines_for_local_price_to_date") > 0),
                    StatementReason.PRICE_MISSING,
                ),
                (self.is_of(EACH_UNIT) & is_unpriced, StatementReason.PRICE_MISSING),
                (
                    by_plan & self._is_by_records() & nw.lit(not self.is_whole),
                    StatementReason.MONTHS_MISSING,
                ),
                (
                    self.is_of(DIFFERENCE, SHORTFALL, WITHHELD) & nw.col("rate_ppm").is_null(),
                    StatementReason.RATE_MISSING,
                ),
                (
                    self.is_of(AMOUNT_EACH) & nw.col("amount_pence").is_null(),
                    StatementReason.AMOUNT_MISSING,
                ),
                (
                    by_attainment & ~is_removed & nw.col("attainment_ppm").is_null(),
                    StatementReason.ATTAINMENT_MISSING,
                ),
                (
                    (by_plan | by_attainment) & by_terms.is_null(),
                    StatementReason.STATEMENT_TOO_LARGE,
                ),
            ],
            None,
        )

    def variable(self) -> dict[str, nw.Expr]:
        """What each line pays beside what is fixed, of the month and to date."""
        is_known = nw.col("missing").is_null()
        to_date, before = nw.col("by_terms_to_date"), nw.col("by_terms_before")
        by_unit = self.is_of(EACH_UNIT, ADDITION)
        has_all = nw.col("rows_payable_to_date") == nw.col("rows_done_to_date")
        units_to_date = nw.when(has_all & self._is_year_known()).then(
            nw.col("payable_pence_to_date")
        )

        def of(by_units: nw.Expr, by_terms: nw.Expr) -> nw.Expr:
            rows: list[Row] = [(self.is_of(NO_ADJUSTMENT), 0), (by_unit, by_units)]
            known = first_that_fits(rows, by_terms, nw.Int64)
            return nw.when(is_known).then(known)

        return {
            "variable_pence": of(nw.col("payable_pence_month"), to_date - before),
            "variable_to_date_pence": of(units_to_date, to_date),
            "fixed_pence": nw.col("fixed_to_date") - nw.col("fixed_before"),
            "fixed_to_date_pence": nw.col("fixed_to_date"),
        }

    def reason(self) -> nw.Expr:
        """Why a line pays what it pays, or why that is not known."""
        by_shape = {
            EACH_UNIT: StatementReason.EACH_UNIT_PAID,
            DIFFERENCE: StatementReason.DIFFERENCE_FROM_PLAN,
            AMOUNT_EACH: StatementReason.AGREED_AMOUNT_EACH,
            SHORTFALL: StatementReason.ATTAINMENT_SHORTFALL,
            NO_ADJUSTMENT: StatementReason.NO_ADJUSTMENT,
            WITHHELD: StatementReason.INCENTIVE_WITHHELD,
            ADDITION: StatementReason.BEST_PRACTICE_ADDITION,
        }
        return first_that_fits(
            [
                (~nw.col("missing").is_null(), nw.col("missing")),
                (
                    self.is_of(DIFFERENCE) & nw.col("is_in_band_to_date"),
                    StatementReason.BREAK_GLASS,
                ),
            ],
            self.each(lambda row: by_shape[row.pays]),
        )

    def shown(self) -> dict[str, nw.Expr]:
        """What stands beside the payment: null where it is not known, or has no meaning."""
        is_known = self._is_year_known()
        is_uncounted = self.is_of(source=COUNTS) & (nw.col("rows_done_month") == 0)
        has_units = ~self.is_of(source=BEST_PRACTICE) & ~self.is_of(source=TERMS)
        has_value = ~self.is_of(AMOUNT_EACH, source=TERMS)
        in_target = nw.col("contract_line").is_in(self.in_activity_target())
        found = {name: nw.col(f"{name}_month") for name in _OF_MONTH}
        found["is_in_activity_target"] = in_target
        for name in ("target_activity", "target_value"):
            unit = "_pence" if "value" in name else ""
            to_date = nw.col(f"{name}{unit}_to_date")
            found[f"{name}_to_date{unit}"] = nw.when(is_known).then(to_date)
        for period, ends, kind in (("month", "", ""), ("to_date", "_to_date", "held_")):
            unpriced, units = (
                nw.col(f"{name}_{period}") for name in ("lines_for_local_price", "activity")
            )
            is_priced = has_value & ((unpriced == 0) | (unpriced < units))
            rows, rows_activity, rows_value = (
                nw.col(f"rows_planned{of}_{period}") for of in ("", "_activity", "_value")
            )
            is_shown = is_known if ends else ~is_uncounted
            is_planned = (rows > 0) & ~_has_no_plan() if ends else rows > 0
            shown = {
                "activity": (has_units & is_shown, f"{kind}activity"),
                "value": (is_priced & is_shown, f"{kind}value_pence"),
                "planned_activity": (is_planned & (rows_activity == rows), "planned_activity"),
                "planned_value": (is_planned & (rows_value == rows), "planned_value_pence"),
            }
            for name, (condition, amount) in shown.items():
                unit = "_pence" if "value" in name else ""
                whole = nw.col(f"{amount}_{period}")
                found[f"{name}{ends}{unit}"] = nw.when(condition).then(whole)
            if not ends:
                for name, condition in (("activity", has_units), ("value_pence", is_priced)):
                    held = nw.col(f"held_{name}_month")
                    apart = nw.when(condition & is_shown).then(nw.col(f"{name}_month") - held)
                    found[f"unapproved_{name}"] = apart
        is_compared = is_known & ~_has_no_plan()
        is_priced = has_value & (nw.col("lines_for_local_price_to_date") == 0)
        for name, unit, is_there in (("activity", "", has_units), ("value", "_pence", is_priced)):
            done, planned = (nw.col(f"{kind}_{name}{unit}_to_date") for kind in ("held", "planned"))
            compared = nw.when(is_compared & is_there).then(done - planned)
            found[f"{name}_difference_to_date{unit}"] = compared
        return found

    def in_activity_target(self) -> list[str]:
        """The lines of which activity counts towards the target (2023/25 ¶119, Table 3).

        None in a year that holds elective activity against a plan, and has no target.
        """
        if self.scheme.variable_element.pays == PAYS_FOR_DIFFERENCE:
            return []
        services = self.scheme.services
        outside = (
            services.outside_activity_target
            if self.scheme.gives("services.outside_activity_target")
            else ()
        )
        apart = {
            services.point_of_delivery_by_hrg_prefix.get(prefix)
            for prefix, service in services.service_by_hrg_prefix.items()
            if service in outside
        }
        return [
            row.line
            for row in self.table
            if CONTRACT_SECTIONS[row.section] == API_VARIABLE
            and row.source == LINES
            and row.line not in apart
        ]

    def _has_uncounted(self) -> nw.Expr:
        """Whether a month is not counted, of those from the first with a count or a plan."""
        return self.is_of(source=COUNTS) & (nw.col("months_counted") < nw.col("months_from"))

    def _is_year_known(self) -> nw.Expr:
        """Whether what was done is known of every month of the year to date."""
        return (nw.lit(self.is_whole) | ~self._is_by_records()) & ~self._has_uncounted()

    def _is_by_records(self) -> nw.Expr:
        return self.is_of(source=LINES) | self.is_of(source=BEST_PRACTICE)

    @property
    def _quantum(self) -> int:
        return self.scheme.rounding.quantum_pence


def _has_no_plan() -> nw.Expr:
    """Whether a month has no plan, of those from the first with a plan or activity, or none has."""
    is_short = (nw.col("months_planned") < nw.col("months_to_plan")).fill_null(False)
    return is_short | (nw.col("rows_planned_to_date") == 0)


def _small(pence: nw.Expr) -> nw.Expr:
    """An amount that may be multiplied; null beyond it, since Int64 wraps or stops the run."""
    return nw.when(pence.abs() <= LARGEST_PENCE).then(pence)


def _times(units: nw.Expr, pence: nw.Expr) -> nw.Expr:
    """Units at an amount each; null beyond what an amount may be."""
    most = (pence * 0 + LARGEST_PENCE) // nw.when(pence > 0).then(pence).otherwise(1)
    return nw.when(units.abs() <= most).then(units * pence)


def _in_form(facts: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Facts with every sum, 0 where they have none."""
    has = facts.collect_schema().names()
    return facts.select(
        *PAIR,
        "activity_month",
        nw.col("contract_line").cast(nw.String),
        **{
            name: (nw.col(name).fill_null(0) if name in has else nw.lit(0)).cast(nw.Int64)
            for name in _SUMS
        },
    )
