"""What a contract pays by the year to date: the variable element and the blended payments.

What belongs here: the rules of statements written again from the policy text, contract by contract,
line by line, in whole pence and exact fractions. What does not: what a priced line is worth.

A row is a dictionary: of lines with `provider_code`, `commissioner_code`, `activity_month`,
`contract_line` and sums; of counts and plans alike; of terms and bands by contract line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

Row = Mapping[str, Any]
Contract = tuple[str, str]
HALF, WHOLE, FIFTH, MILLION = Fraction(1, 2), Fraction(1), Fraction(1, 5), 1_000_000


@dataclass(frozen=True)
class Rule:
    """How a contract line pays, and at what rate if the policy has one."""

    pays: str
    source: str
    rate: Fraction | None = None


ELECTIVE = ("DC", "EL", "OPPROC")
FIRST = ("NF2FFA", "OPFAMPNCL", "OPFAMPCL", "OPFASPNCL", "OPFASPCL")
UNBUNDLED = ("UNBCHEMO", "UNBRAD")
BESPOKE = ("sabr", "srs_t", "sirt", "genomic_testing")

BY_PLAN = {
    **{line: Rule("share", "lines", HALF) for line in ELECTIVE},  # 2021/22 ¶56
    "best_practice": Rule("share", "best practice", WHOLE),  # 2021/22 ¶57
    "cquin": Rule("shortfall", "terms", WHOLE),  # 2021/22 ¶58
}
BY_UNIT = {
    # 2023/25 ¶71-72, 2026/27 ¶74, ¶76
    **{line: Rule("unit", "lines", WHOLE) for line in (*ELECTIVE, *FIRST, *UNBUNDLED)},
    "advice_and_guidance": Rule("each", "counts"),  # 2023/25 ¶76, 2026/27 ¶80
    "cquin": Rule("nothing", "terms"),  # 2023/25 ¶74, 2026/27 ¶78
}
BLEND = {
    "NEL": Rule("share", "lines", FIFTH),  # 2026/27 ¶84
    "NELST": Rule("share", "lines", FIFTH),
    "accident_and_emergency": Rule("share", "counts", FIFTH),
    "same_day_emergency_care": Rule("share", "counts", FIFTH),
    "uec_best_practice": Rule("addition", "best practice", WHOLE),  # 2026/27 ¶85
    "UNBRTHPY": Rule("share", "lines", HALF),  # 2026/27 ¶94-95
    "sabr": Rule("share", "counts", HALF),
    "genomic_testing": Rule("share", "counts"),  # 2026/27 ¶102
    "genomics_incentive": Rule("withheld", "terms"),  # 2026/27 ¶101
}
# What 2023/25 ¶18 says of 2024/25, no document here says of the year before.
OF_2024_25 = {**BY_UNIT, **{line: Rule("unit", "counts", WHOLE) for line in BESPOKE}}
RULES: Mapping[tuple[str, str], Mapping[str, Rule]] = {
    ("2021-22", "variable_element"): BY_PLAN,
    # Assumed: as in 2021/22, at three quarters.
    ("2022-23", "variable_element"): {
        **BY_PLAN,
        **{line: Rule("share", "lines", Fraction(3, 4)) for line in ELECTIVE},
    },
    ("2023-24", "variable_element"): {
        **BY_UNIT,
        "cquin": Rule("shortfall", "terms"),  # Not paused yet (2023/25 ¶23); at what is not known.
    },
    ("2024-25", "variable_element"): OF_2024_25,
    ("2025-26", "variable_element"): OF_2024_25,  # Assumed: as in 2024/25.
    ("2026-27", "variable_element"): {
        **BY_UNIT,
        # 2026/27 ¶75, ¶95
        **{
            line: Rule("unit", "counts", WHOLE)
            for line in ("community_diagnostics", "srs_t", "sirt")
        },
    },
    **{(f"{year}-{year - 1999}", "blended"): {} for year in range(2021, 2026)},
    ("2026-27", "blended"): BLEND,
}
EVERY_CONTRACT = ("cquin",)


def statement(
    year: str,
    section: str,
    given: Mapping[str, Sequence[Row]],
    months: Sequence[str],
    priced_months: Sequence[str],
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Each contract line as at the last of the months: fixed, variable, payable and the reason."""
    rules = RULES[year, section]
    found = {}
    for contract in _contracts(given):
        own = {
            name: [row for row in rows if _contract(row) == contract]
            for name, rows in given.items()
        }
        ledgers = {
            line: Ledger(line, rule, own, months, priced_months, rules)
            for line, rule in rules.items()
        }
        there = {line: ledger for line, ledger in ledgers.items() if ledger.has_rows}
        if there:
            there |= {line: ledgers[line] for line in EVERY_CONTRACT if line in ledgers}
        if "genomic_testing" in there and "genomics_incentive" in ledgers:
            there["genomics_incentive"] = ledgers["genomics_incentive"]
        for line, ledger in there.items():
            found[(*contract, line)] = ledger.shown(ledgers.get("genomic_testing"))
    return found


class Ledger:
    """One line of one contract in the year up to a month."""

    def __init__(
        self,
        line: str,
        rule: Rule,
        own: Mapping[str, Sequence[Row]],
        months: Sequence[str],
        priced_months: Sequence[str],
        rules: Mapping[str, Rule],
    ) -> None:
        self.line, self.rule, self.months = line, rule, months
        self.is_apart = any(each.source == "best practice" for each in rules.values())
        of_lines = [row for row in own["of_lines"] if row["activity_month"] in months]
        self.done: list[Row] = []
        if rule.source == "lines":
            self.done = [row for row in of_lines if row["contract_line"] == line]
        elif rule.source == "best practice":
            pods = [name for name, each in rules.items() if each.source == "lines"]
            self.done = [
                row
                for row in of_lines
                if row["contract_line"] in pods and row["best_practice_pence"]
            ]
        elif rule.source == "counts":
            self.done = self._mine(own["counts"])
        self.plans = self._mine(own["plans"])
        self.terms: Row = next((row for row in own["terms"] if row["contract_line"] == line), {})
        self.bands = [row for row in own["bands"] if row["contract_line"] == line]
        self.is_whole = set(months) <= set(priced_months) or rule.source in ("counts", "terms")

    def _mine(self, rows: Sequence[Row]) -> list[Row]:
        return [
            row
            for row in rows
            if row["contract_line"] == self.line and row["activity_month"] in self.months
        ]

    @property
    def has_rows(self) -> bool:
        return bool(self.done or self.plans)

    def actual(self, upto: Sequence[str]) -> int:
        """What is held against a plan: at base prices, and without unapproved interventions."""
        return sum(self._value(row) for row in self.done if row["activity_month"] in upto)

    def _value(self, row: Row) -> int:
        if self.rule.source == "best practice":
            return int(row["best_practice_pence"])
        value = int(row["value_pence"] or 0)
        if self.rule.source == "lines":
            value -= int(row["unapproved_value_at_base_pence"])
            if self.is_apart:
                value -= int(row["best_practice_pence"])
        return value

    def units(self, upto: Sequence[str]) -> int:
        return sum(
            row["activity"] - row.get("unapproved_activity", 0)
            for row in self.done
            if row["activity_month"] in upto
        )

    def planned(self, upto: Sequence[str], what: str = "planned_value_pence") -> int:
        return sum(row[what] for row in self.plans if row["activity_month"] in upto)

    @property
    def is_planned(self) -> bool:
        planned = {row["activity_month"] for row in self.plans}
        active = {
            row["activity_month"]
            for row in self.done
            if self.units([row["activity_month"]]) > 0 or self.actual([row["activity_month"]])
        }
        if not planned:
            return False
        first = min(planned | active)
        return all(month in planned for month in self.months if month >= first)

    @property
    def is_uncounted(self) -> bool:
        """Whether the user left a month uncounted, from the first one counted or planned."""
        if self.rule.source != "counts":
            return False
        counted = {row["activity_month"] for row in self.done}
        first = min(counted | {row["activity_month"] for row in self.plans})
        return any(month not in counted for month in self.months if month >= first)

    @property
    def rate(self) -> Fraction | None:
        agreed = self.terms.get("rate_ppm")
        if self.rule.pays in ("share", "shortfall") and agreed is not None:
            return Fraction(agreed, MILLION)
        return self.rule.rate

    def fixed(self, upto: Sequence[str]) -> int:
        """Planned value, and the amounts of each planned month beside it (2026/27 ¶84, ¶99)."""
        months = {row["activity_month"] for row in self.plans if row["activity_month"] in upto}
        return self.planned(upto) + len(months) * (self.terms.get("amount_pence") or 0)

    def shown(self, genomics: "Ledger | None") -> dict[str, Any]:
        """The row of the statement."""
        reason = self.missing(genomics)
        last, before = self.months, self.months[:-1]
        fixed = self.fixed_shown(genomics)
        made: dict[str, Any] = {"fixed": fixed and fixed[0] - fixed[1]}
        if self.rule.pays in ("unit", "addition"):
            month = [row for row in self.done if row["activity_month"] == self.months[-1]]
            of_month = self.by_unit(month)
            to_date = self.by_unit(self.done)
            made["variable"] = None if reason else of_month
            made["to_date"] = to_date if self.is_whole and not reason else None
            if any(self._unpaid(row) for row in self.done) or self.is_uncounted:
                made["to_date"] = None
        elif reason:
            made["variable"] = made["to_date"] = None
        else:
            to_date, so_far = (self.by_terms(upto, genomics) for upto in (last, before))
            made["variable"], made["to_date"] = to_date - so_far, to_date
        if made["to_date"] is not None and fixed is not None:
            made["to_date"] += fixed[0]
        return {**made, "difference": self.difference(), "reason": reason or self.reason()}

    def difference(self) -> int | None:
        """The value of the year to date less its plan; None where not all of either is known."""
        if self.rule.source == "terms" or self.rule.pays == "each":
            return None
        is_unpriced = any(
            row.get("lines_for_local_price")
            or (self.rule.source == "counts" and row["value_pence"] is None and row["activity"])
            for row in self.done
        )
        if is_unpriced and self.rule.source != "best practice":
            return None
        if not (self.is_planned and self.is_whole) or self.is_uncounted:
            return None
        return self.actual(self.months) - self.planned(self.months)

    def fixed_shown(self, genomics: "Ledger | None") -> tuple[int, int] | None:
        """The fixed payment to date and up to the month before; None where there is no plan.

        The variable element has none: what is planned is in the fixed element (2021/22 ¶55).
        """
        points = (self.months, self.months[:-1])
        if self.rule.pays == "share" and self.line in BLEND:
            if not self.is_planned:
                return None
            to_date, before = (self.fixed(upto) for upto in points)
            return to_date, before
        if self.rule.pays == "withheld":
            share = self.terms.get("withheld_ppm")
            if genomics is None or not genomics.is_planned or share is None:
                return None
            to_date, before = (
                -_nearest(genomics.fixed(upto) * Fraction(share, MILLION)) for upto in points
            )
            return to_date, before
        return 0, 0

    def _unpaid(self, row: Row) -> bool:
        if self.rule.source == "counts":
            return row["value_pence"] is None and row["activity"] > 0
        return self.rule.source == "lines" and row["payable_pence"] is None

    def by_unit(self, rows: Sequence[Row]) -> int:
        if self.rule.source == "lines":
            return sum(row["payable_pence"] or 0 for row in rows)
        if self.rule.source == "counts":
            return sum(row["value_pence"] or 0 for row in rows)
        return sum(row["best_practice_pence"] for row in rows)

    def by_terms(self, upto: Sequence[str], genomics: "Ledger | None") -> int:
        """What is paid for the year up to a month, beside what is fixed."""
        if self.rule.pays == "nothing":
            return 0
        if self.rule.pays == "each":
            beyond = self.units(upto) - self.planned(upto, "planned_activity")
            return int(beyond * self.terms["amount_pence"])
        if self.rule.pays == "shortfall":
            assert self.rate is not None
            if self.rate == 0:  # Agreed to be removed (2021/22 ¶59).
                return 0
            short = max(self.rate - Fraction(self.terms["attainment_ppm"], MILLION), Fraction(0))
            return -_nearest(self.planned(upto) * short)
        if self.rule.pays == "withheld":
            assert genomics is not None
            if self.terms["withheld_ppm"] == 0:
                return 0
            withheld = _nearest(
                genomics.fixed(upto) * Fraction(self.terms["withheld_ppm"], MILLION)
            )
            return _nearest(withheld * Fraction(self.terms["attainment_ppm"], MILLION))
        assert self.rate is not None
        return share(self.actual(upto), self.planned(upto), self.rate, self.bands)

    def missing(self, genomics: "Ledger | None") -> str | None:
        """What is not there to know the variable payment by."""
        pays, source = self.rule.pays, self.rule.source
        month = [row for row in self.done if row["activity_month"] == self.months[-1]]
        if pays == "shortfall" and self.rate == 0:
            return None
        if pays in ("share", "each", "shortfall") and not self.is_planned:
            return "PLAN_MISSING"
        if pays == "withheld" and (genomics is None or not genomics.is_planned):
            return "PLAN_MISSING"
        if pays in ("share", "each") and self.is_uncounted:
            return "COUNT_MISSING"
        if pays == "unit" and source == "counts" and not month:
            return "COUNT_MISSING"
        if pays == "share" and any(
            (source == "lines" and row["lines_for_local_price"])
            or (source == "counts" and row["value_pence"] is None and row["activity"])
            for row in self.done
        ):
            return "PRICE_MISSING"
        if pays == "unit" and month and all(self._unpaid(row) for row in month):
            return "PRICE_MISSING"
        if pays in ("share", "each") and not self.is_whole:
            return "MONTHS_MISSING"
        if pays == "withheld" and self.terms.get("withheld_ppm") is None:
            return "RATE_MISSING"
        if pays in ("share", "shortfall") and self.rate is None:
            return "RATE_MISSING"
        if pays == "each" and self.terms.get("amount_pence") is None:
            return "AMOUNT_MISSING"
        if pays == "withheld" and self.terms["withheld_ppm"] == 0:
            return None  # Of nothing there is nothing to earn (2026/27 ¶101).
        if pays in ("shortfall", "withheld") and self.terms.get("attainment_ppm") is None:
            return "ATTAINMENT_MISSING"
        return None

    def reason(self) -> str:
        if self.rule.pays == "share":
            assert self.rate is not None
            whole = (self.actual(self.months), self.planned(self.months), self.rate)
            is_changed = exact_share(*whole, self.bands) != exact_share(*whole, [])
            return "BREAK_GLASS" if is_changed else "DIFFERENCE_FROM_PLAN"
        return {
            "unit": "EACH_UNIT_PAID",
            "each": "AGREED_AMOUNT_EACH",
            "shortfall": "ATTAINMENT_SHORTFALL",
            "nothing": "NO_ADJUSTMENT",
            "withheld": "INCENTIVE_WITHHELD",
            "addition": "BEST_PRACTICE_ADDITION",
        }[self.rule.pays]


def share(actual: int, planned: int, rate: Fraction, bands: Sequence[Row]) -> int:
    """The share of a difference from plan to the nearest penny, halves away from zero."""
    return _nearest(exact_share(actual, planned, rate, bands))


def exact_share(actual: int, planned: int, rate: Fraction, bands: Sequence[Row]) -> Fraction:
    """Each stretch of the difference at the rate that holds there (2026/27 ¶86-88).

    >>> over = [
    ...     {"side": "above", "from_ppm": 100_000, "to_ppm": 200_000, "rate_ppm": 500_000},
    ...     {"side": "above", "from_ppm": 200_000, "to_ppm": None, "rate_ppm": 800_000},
    ... ]
    >>> [str(exact_share(125, 100, Fraction(1, 5), bands)) for bands in ([], over)]
    ['5', '11']
    """
    difference = actual - planned
    side = "above" if difference > 0 else "below"
    size, sign = abs(difference), 1 if difference > 0 else -1
    stretches = []
    for band in bands:
        if band["side"] in (side, "both"):
            begins = _nearest(Fraction(planned * band["from_ppm"], MILLION))
            upto = band["to_ppm"]
            ends = size if upto is None else _nearest(Fraction(planned * upto, MILLION))
            stretches.append((begins, ends, Fraction(band["rate_ppm"], MILLION)))
    edges = sorted(
        {0, size} | {edge for first, last, _ in stretches for edge in (first, last) if edge < size}
    )
    total = Fraction(0)
    for begins, ends in pairwise(edges):
        own = [r for first, last, r in stretches if first <= begins and ends <= last]
        total += (ends - begins) * (own[0] if own else rate)
    return sign * total


def _nearest(amount: Fraction) -> int:
    """To the nearest penny, halves away from zero."""
    size = int(abs(amount) + HALF)
    return size if amount >= 0 else -size


def _contract(row: Row) -> Contract:
    return row["provider_code"], row["commissioner_code"]


def _contracts(given: Mapping[str, Sequence[Row]]) -> list[Contract]:
    named = ("of_lines", "counts", "plans")
    return sorted({_contract(row) for name in named for row in given[name]})
