"""Plans, terms and counts that users would bring, made up to go with the records of a run.

Belongs here: what contracts plan of the activity in the extracts, what they agree, and counts of
activity that is in no extract. Does not belong here: which contracts there are (`lists`), what
each scheme year's contracts plan and count (`mix.toml`), or how a list is read.

A plan is a few per cent off the records made. Every few contracts have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import polars as pl

from pipelines.synth.extracts import (
    ADMISSION_METHOD,
    AGE,
    ATTENDED,
    CLASSIFICATION,
    FIRST_ATTENDANCE,
    UNBUNDLED,
    Dataset,
    Mix,
    Month,
    Row,
)
from pipelines.synth.pools import stable
from pipelines.synth.reference import MILLION, Reference

PLAN_COLUMNS = (
    *("provider_code", "commissioner_code", "activity_month", "scheme_year", "what_if"),
    *("contract_line", "plan_basis", "activity", "value"),
)
TERM_COLUMNS = (
    *("provider_code", "commissioner_code", "scheme_year", "contract_line", "term"),
    *("metric", "weight_percent", "side", "from_percent", "to_percent"),
    *("percent", "amount", "approval_reference"),
)
COUNT_COLUMNS = (
    *("provider_code", "commissioner_code", "activity_month", "scheme_year", "what_if"),
    *("contract_line", "price_code", "activity", "local_price", "approval_reference"),
)
BEST_PRACTICE, CQUIN = "best_practice", "cquin"
_RADIOTHERAPY_HRG, _RADIOTHERAPY = "SC", "UNBRTHPY"
_ADULT_YEARS = 19
_LEAST_EACH, _MOST_EACH = 100, 5_000_000
"""Pence: a unit that is planned for less or more than anything costs is a slip of the pen."""
Pair = tuple[str, str]
Done = Mapping[str, Sequence[int]]


@dataclass(slots=True)
class Activity:
    """Activity of the good records by pair, month and line: units, pence at base, and added."""

    reference: Reference
    done: dict[tuple[str, ...], list[int]] = field(default_factory=dict)

    def gather(self, records: pl.DataFrame, dataset: Dataset, month: str) -> None:
        """Add these records."""
        good = records.filter(
            pl.col("_fault").is_null(), ~pl.col("_is_excluded"), _is_of_contract()
        )
        base = sum(pl.col(name).fill_null(0) for name in ("_long_stay", "_top_up"))
        base += pl.col("_unit") - pl.col("_best_practice")
        is_spell = dataset.name == "apc"
        line = _line_of_spell(dataset, self.reference) if is_spell else _line_of_attendance(dataset)
        core = good.select(
            "_provider", "_payer", "_mff", line=line, base=base, added="_best_practice"
        )
        carried = [name for name in UNBUNDLED if name in good.columns]
        hrgs = good.select("_provider", "_payer", "_mff", *carried)
        prices = {
            hrg: pence
            for hrg, pence in self.reference.unbundled.items()
            if hrg.startswith(_RADIOTHERAPY_HRG)
        }
        further = hrgs.unpivot(index=["_provider", "_payer", "_mff"], value_name="hrg").select(
            *("_provider", "_payer", "_mff"),
            line=pl.lit(_RADIOTHERAPY),
            base=pl.col("hrg").replace_strict(prices, default=None, return_dtype=pl.Int64),
            added=pl.lit(0, pl.Int64),
        )
        columns = ("base", "added")
        totals = (
            pl.concat([core.cast(dict.fromkeys(columns, pl.Int64)), further])
            .drop_nulls(["line", "base"])
            .group_by("_provider", "_payer", "line")
            .agg(
                pl.len().cast(pl.Int64).alias("units"),
                *((pl.col(name) * pl.col("_mff") // MILLION).sum() for name in columns),
            )
        )
        for provider, payer, name, *amounts in totals.iter_rows():
            sums = self.done.setdefault((provider, payer, month, name), [0, 0, 0])
            sums[:] = [before + more for before, more in zip(sums, amounts, strict=True)]


def _is_of_contract() -> pl.Expr:
    """Whether a record is of the contract itself: the NHS pays, and under no agreement in it."""
    category = "Administrative Category"
    is_nhs = pl.coalesce(pl.col(f"^{category}.*$")).fill_null("").str.ends_with("1")
    return is_nhs & ~pl.col("_agreement").str.contains("^[A-Z]{3}0")


def _line_of_spell(dataset: Dataset, reference: Reference) -> pl.Expr:
    short = [hrg for hrg, price in reference.prices.items() if price.short_stay is not None]
    kind = pl.col(CLASSIFICATION).str.strip_chars_start("0")
    method, stay = pl.col(ADMISSION_METHOD), pl.col("_stay")
    is_elective = method.is_in(["11", "12", "13"]) & kind.is_in(["1", "2"])
    is_adult = pl.col(AGE).cast(pl.Int64, strict=False) >= _ADULT_YEARS
    is_short = (stay <= 1) & pl.col(dataset.hrg).is_in(short) & is_adult
    return (
        pl.when(is_elective & (kind == "2") & (stay == 0))
        .then(pl.lit("DC"))
        .when(is_elective)
        .then(pl.lit("EL"))
        .when(method.str.starts_with("2") & is_short)
        .then(pl.lit("NELST"))
        .when(method.str.starts_with("2"))
        .then(pl.lit("NEL"))
    )


def _line_of_attendance(dataset: Dataset) -> pl.Expr:
    attended = pl.col(ATTENDED).str.strip_chars_start("0").is_in(["5", "6"])
    first, hrg = pl.col(FIRST_ATTENDANCE).str.strip_chars_start("0"), pl.col(dataset.hrg)
    is_first = attended & hrg.str.starts_with("WF0") & first.is_in(["1", "3"])
    return (
        pl.when(attended & ~hrg.str.contains("^(WF|UZ)"))
        .then(pl.lit("OPPROC"))
        .when(is_first & (first == "3"))
        .then(pl.lit("NF2FFA"))
        .when(is_first & hrg.str.starts_with("WF02"))
        .then(pl.lit("OPFAMPCL"))
        .when(is_first)
        .then(pl.lit("OPFASPCL"))
    )


def plans(
    pairs: Sequence[Pair], year: str, months: Sequence[str], activity: Activity, mix: Mix
) -> list[tuple[str, ...]]:
    """What the pairs plan of every month of a scheme year, of every pair but some.

    Under the rules of the year, and of another for comparison. A month without records is planned
    like one of `months`, which have some.
    """
    planned = mix["planned"]
    like = {month: months[n % len(months)] for n, month in enumerate(whole_year(year))}
    like |= {month: month for month in months}
    rows: list[tuple[str, ...]] = []
    for place, pair in enumerate(pairs):
        if place % planned["every_without"] == 1:
            continue
        grows = place % planned["every_grown"] == 0
        for month, rules in product(like, rule_years(months, planned)):
            found = _of_month(pair, month, like[month], rules, activity, planned, grows)
            rows += [
                (
                    *(*pair, month, rules, _what_if(month, rules), line, basis),
                    *("" if units is None else str(units), _pounds(value)),
                )
                for line, basis, units, value in found
            ]
    return rows


def whole_year(year: str) -> list[str]:
    """The months of a scheme year.

    >>> whole_year("2024-25")[::11]
    ['2024-04', '2025-03']
    """
    return [f"{int(year[:4]) + (n > 12)}-{(n - 1) % 12 + 1:02}" for n in range(4, 16)]


def rule_years(months: Sequence[str], planned: Mix) -> list[str]:
    """The scheme years of some months that have rules, and those they are compared with."""
    own = {year for month in months if (year := year_of(month)) in planned["lines"]}
    compared: Mapping[str, str] = planned["compared_with"]
    return sorted({*own, *(compared[year] for year in own if year in compared)})


_Planned = tuple[str, str, int | None, int]


def _of_month(
    pair: Pair,
    month: str,
    like: str,
    rules: str,
    activity: Activity,
    planned: Mix,
    grows: bool,
) -> Iterator[_Planned]:
    """What a pair plans of a month under the rules of a year, going by a month with records."""
    year = planned["lines"].get(rules, {})
    done = {
        line: sums
        for line in year.get("records", ())
        if (sums := activity.done.get((*pair, like, line)))
    }
    of_lines = list(_of_records(pair, month, year, done, planned, grows))
    yield from of_lines
    yield from _of_counts(pair, rules, activity.reference, planned)
    whole = sum(value for *_, value in of_lines)
    yield from _of_amounts(pair, month, year, done, planned, whole)


def _of_records(
    pair: Pair, month: str, year: Row, done: Done, planned: Mix, grows: bool
) -> Iterator[_Planned]:
    """Lines of records: about what was done, or for growth what was done a year before."""
    for line in year.get("records", ()):
        units, base, added = done.get(line, (0, 0, 0))
        value = base if line in year.get("at_base_price", ()) else base + added
        is_grown = grows and line in planned["growing"]
        share = planned["base_year_percent"] if is_grown else _share(planned, *pair, month, line)
        count = max(1, _rounded(units * share, 100))
        amount = min(_rounded(value * count, units), count * _MOST_EACH) if units else 0
        if amount >= count * _LEAST_EACH:
            yield line, "default_growth" if is_grown else "agreed", count, amount


def _of_counts(pair: Pair, rules: str, reference: Reference, planned: Mix) -> Iterator[_Planned]:
    factors = {provider.code: provider.mff_ppm or MILLION for provider in reference.providers}
    for counted in _counted(pair, rules, reference, planned):
        line = counted["line"]
        units = max(1, _rounded(counted["units"] * _share(planned, *pair, line), 100))
        each = counted.get("amount") or counted["local_price"]
        factor = factors[pair[0]] if counted.get("takes_factor") else MILLION
        yield line, "agreed", units, units * _rounded(each * factor, MILLION)


def _of_amounts(
    pair: Pair, month: str, year: Row, done: Done, planned: Mix, whole: int
) -> Iterator[_Planned]:
    """What is an amount of its own: best practice added to elective lines, and CQUIN."""
    for line in year.get("amounts", ()):
        if line == BEST_PRACTICE:
            added = sum(done[one][2] for one in year["records"] if one in done)
            value = _rounded(max(0, added) * _share(planned, *pair, month, line), 100)
        else:
            value = _rounded(whole * planned["cquin_ppm"], MILLION)
        yield line, "agreed", None, value


def terms(
    pairs: Sequence[Pair], rules: str, reference: Reference, mix: Mix
) -> list[tuple[str, ...]]:
    """What the pairs agree of their lines; what few agree, the first of those it may be of."""
    rows: list[tuple[str, ...]] = []
    for one in mix["planned"]["terms"]:
        if rules in one["years"]:
            who = [pair for pair in pairs if _is_of(pair, one, reference)]
            said = [str(one.get(name, "")) for name in TERM_COLUMNS[3:]]
            rows += [(*pair, rules, *said) for pair in (who[:1] if one.get("once") else who)]
    return rows


def counts(
    pairs: Sequence[Pair], year: str, last: str, reference: Reference, mix: Mix
) -> list[tuple[str, ...]]:
    """What the pairs count of a scheme year up to a month, at local prices where it has a price."""
    planned = mix["planned"]
    rows: list[tuple[str, ...]] = []
    to_date = [month for month in whole_year(year) if month <= last]
    of_rules = [(month, rules) for month in to_date for rules in rule_years([month], planned)]
    for pair, (month, rules) in product(pairs, of_rules):
        for counted in _counted(pair, rules, reference, planned):
            line = counted["line"]
            units = _rounded(counted["units"] * _share(planned, *pair, line, month), 100)
            price = _pounds(counted["local_price"]) if "local_price" in counted else ""
            said = (counted.get("price_code", ""), str(units), price, counted.get("approval", ""))
            rows.append((*pair, month, rules, _what_if(month, rules), line, *said))
    return rows


def _counted(pair: Pair, rules: str, reference: Reference, planned: Mix) -> list[Row]:
    counted: list[Row] = planned["counted"]
    return [one for one in counted if rules in one["years"] and _is_of(pair, one, reference)]


def _is_of(pair: Pair, one: Row, reference: Reference) -> bool:
    payer = "nhs_england" if pair[1] in reference.nhs_england else "icb"
    return bool(one["payers"] == payer)


def _share(planned: Mix, *of: str) -> int:
    """A percentage between the least and the most, always the same for the same."""
    least, most = planned["least_percent"], planned["most_percent"]
    return int(least + stable(*of) % (most - least + 1))


def year_of(month: str) -> str:
    """The scheme year of a month."""
    start = Month(month).scheme_year_start
    return f"{start}-{(start + 1) % 100:02d}"


def _what_if(month: str, rules: str) -> str:
    return "" if rules == year_of(month) else "yes"


def _rounded(number: int, by: int) -> int:
    return (number + by // 2) // by


def _pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"
