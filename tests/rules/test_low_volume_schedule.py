"""The LVA payments schedule: the cases an analyst can read, the oracle, and what must always hold.

Belongs here: the sums of `pricing.low_volume_schedule`. Does not belong here: reading what they are
made of (`pipeline/test_low_volume_schedule.py`).
"""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import cache, partial
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import low_volume_schedule as oracle
from support import CASES, ENGINES, pence_of

from pipelines.scheme_packs import pack_of
from pipelines.workspace import PROJECT, Workspace
from pricing.cost_adjustment import net_uplift
from pricing.low_volume_schedule import (
    CAUSES,
    Activity,
    BlockValue,
    Inputs,
    Location,
    NobodyStandsError,
    Pair,
    Row,
    Worked,
    against_published,
    block_values,
    near_or_across,
    outside,
    proximity,
    reexpressed,
    sums,
    with_other_tests,
)
from pricing.scheme import Scheme
from pricing.scheme_tables import GIVEN, WHOLE, SchedulePart

HERE = Workspace.at(PROJECT)
DOCUMENT = yaml.safe_load((CASES / "schedules" / "low_volume_schedule.yaml").read_text("utf-8"))
BY_NAME = {case["case"]: case for case in DOCUMENT["cases"]}
PAIR: Pair = ("RRV", "QMJ")
YEARS = {"2023-24": "2023-07-01", "2024-25": "2024-04-01", "2026-27": "2026-04-01"}


@cache
def scheme_of(year: str, as_of: date) -> Scheme:
    pack = pack_of(HERE, year)
    return pack.scheme(pack.effective_to, as_of)


def net_uplifts(scheme: Scheme, as_of: date) -> dict[str, Fraction]:
    years = {year for part in scheme.low_volume.schedule for year in part.uplift_years}
    return {year: net_uplift(scheme_of(year, as_of).cost_adjustment) for year in years}


def amounts(given: Mapping[str, str] | None) -> dict[str, int]:
    return {part: pence_of(pounds) or 0 for part, pounds in (given or {}).items()}


def inputs_of(case: Mapping[str, Any], pair: Pair = PAIR) -> Inputs:
    activity = {
        year: {(pair, part): Activity(1, pence) for part, pence in amounts(done).items()}
        for year, done in case.get("activity", {}).items()
    }
    paid = amounts(case.get("finance_payments"))
    growth = case.get("allocation_growth")
    by_part = {
        name: {(pair, part): pence for part, pence in amounts(case.get(key)).items()}
        for name, key in (("given_parts", "given"), ("newly_delegated", "newly_delegated"))
    }
    of_last = {" ".join(pair): case["last"]} if "last" in case else case.get("last_of", {})
    rows = {(code[:3], code[4:]): amounts(row) for code, row in of_last.items()}
    return Inputs(
        activity=activity,
        last={pair: rows} if rows else {},
        finance_payments={pair: paid} if paid else {},
        allocation_growth={pair[1]: Fraction(growth)} if growth else {},
        **by_part,
    )


def value_of(case: Mapping[str, Any]) -> BlockValue:
    as_of = case.get("as_of", DOCUMENT["as_of"])
    scheme = scheme_of(case.get("scheme_year", DOCUMENT["scheme_year"]), as_of)
    inputs = inputs_of(case)
    found = block_values(inputs, scheme, net_uplifts(scheme, as_of))
    # Of a pair that nothing names there is no value: the cases' has no activity and nothing else.
    return found[0]


def of(pair: Pair, **pence: int) -> BlockValue:
    """A block value of parts that are given as they are."""
    part = partial(
        SchedulePart,
        source=GIVEN,
        reference_years=(),
        price_year=None,
        of_schedule=None,
        takes=None,
        uplift_years=(),
        adds_newly_delegated=False,
        citation="",
    )
    worked = tuple(
        Worked(
            part(part=name, is_delegated=name in ("secondary_dental", "specialised")),
            (amount,),
            (),
            0,
            None,
            100,
        )
        for name, amount in pence.items()
    )
    return BlockValue(pair, worked, ())


# --- Cases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["case"])
def test_case(case: dict[str, Any]) -> None:
    value = value_of(case)
    assert {one.part: one.says for one in value.missing} == case.get("missing", {})
    assert ("expect" in case) is not bool(value.missing)
    found = {one.part.part: one.pence for one in value.worked} | {WHOLE: value.pence}
    expected = amounts(case.get("expect"))
    assert {part: found[part] for part in expected} == expected
    assert value.is_partial is case.get("is_partial", False)


def test_no_two_cases_have_the_same_name() -> None:
    names = [case["case"] for case in DOCUMENT["cases"]]
    assert len(names) == len(set(names))


def test_a_sum_is_shown_as_it_is_worked_out() -> None:
    shown = {one.part.part: one.in_words for one in value_of(DOCUMENT["cases"][0]).worked}
    assert shown == {
        "acute": "average of £300,000.00, £330,000.00, £360,000.00 × 1.0283 × 1.0003 × 1.085",
        "mental_health_and_community": "£100,000.00 × 1.0283 × 1.0003 × 1.085",
        "secondary_dental": "average of £10,000.00, £20,000.00, £0.00 × 1.0283 × 1.0003 × 1.085",
        "specialised": "(£50,000.00 × 1.0283 × 1.0003 + £8,000.00 newly delegated) × 1.085",
    }


LINE_CASES = [
    {
        "record_id": case["case"],
        "line_number": 0,
        "provider_code": PAIR[0],
        "commissioner_code": PAIR[1],
        "payment_mechanism": case["line"]["payment_mechanism"],
        "treatment_function_code": case["line"]["treatment_function_code"],
        "value_pence": pence_of(case["line"]["value"]),
        "refusal_codes": case["line"].get("refusal_codes"),
    }
    for case in DOCUMENT["lines"]
]
LINES = pl.DataFrame(
    LINE_CASES, schema_overrides={"value_pence": pl.Int64, "line_number": pl.Int64}
)


def summed(lines: pl.DataFrame, engine: str, year: str = "2026-27") -> list[dict[str, Any]]:
    rules = scheme_of(year, date.fromisoformat(YEARS[year])).low_volume
    if engine == "polars":
        made = sums(nw.from_native(lines.lazy()), rules).collect().to_native()
    else:
        with duckdb.connect() as connection:
            connection.register("lines", lines.to_arrow())
            made = sums(nw.from_native(connection.table("lines")), rules).to_native().pl()
    keys = ["provider_code", "commissioner_code", "counts_as"]
    rows: list[dict[str, Any]] = made.sort(keys).to_dicts()
    return rows


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", DOCUMENT["lines"], ids=lambda case: case["case"])
def test_what_a_line_counts_as(engine: str, case: dict[str, Any]) -> None:
    (found,) = summed(LINES.filter(record_id=case["case"]), engine)
    value = pence_of(case["line"]["value"])
    assert found["counts_as"] == case["counts_as"]
    assert (found["records"], found["lines"]) == (1, 1)
    assert found["value_pence"] == (value or 0)
    assert found["lines_without_price"] == int(value is None)


def test_lines_are_summed_alike_on_every_engine() -> None:
    several = pl.concat([LINES, LINES.with_columns(line_number=pl.lit(1, pl.Int64))])
    found = {engine: summed(several, engine) for engine in ENGINES}
    assert found["polars"] == found["duckdb"]
    acute = next(row for row in found["polars"] if row["counts_as"] == "acute")
    # Five lines are acute, each twice, and only those of a core HRG are records.
    assert (acute["records"], acute["lines"], acute["lines_without_price"]) == (5, 10, 2)
    assert acute["value_pence"] == 2 * (120_00 + 120_00 + 80_00 + 50_00)


@pytest.mark.parametrize(
    ("provider_kind", "commissioner_kind", "reason"),
    [
        ("nhs_trust", "icb", None),
        ("ambulance_trust", "icb", "provider_outside_lva"),
        ("independent", "icb", "no_nhs_provider"),
        ("nhs_trust", "nhs_england", "payer_is_no_icb"),
        (None, "icb", "no_nhs_provider"),
        ("nhs_trust", None, "payer_is_no_icb"),
        ("independent", "nhs_england", "no_nhs_provider"),
    ],
)
def test_which_pairs_may_have_a_block(
    provider_kind: str | None, commissioner_kind: str | None, reason: str | None
) -> None:
    assert outside(provider_kind, commissioner_kind, SCHEME) == reason


SCHEME = scheme_of("2026-27", date(2026, 4, 1))


# --- Against what was published ---------------------------------------------------------------


@pytest.mark.parametrize("case", DOCUMENT["against_published"], ids=lambda case: case["case"])
def test_the_cause_of_a_difference(case: dict[str, Any]) -> None:
    value = value_of(BY_NAME[case["of"]] if "of" in case else DOCUMENT["cases"][0])
    then = [value_of(BY_NAME[case["known_then"]])] if "known_then" in case else []
    published = {PAIR: amounts(case["published"])} if case["published"] else {}
    (found,) = against_published([value], published, then)
    assert (found.cause, list(found.parts)) == (case["cause"], case.get("parts", []))


def test_a_published_pair_that_is_not_rebuilt_says_so() -> None:
    lacking = value_of(DOCUMENT["cases"][3])
    assert lacking.missing
    (found,) = against_published([lacking], {PAIR: {WHOLE: 100_00}})
    assert (found.cause, found.rebuilt_pence, found.difference_pence) == ("not_rebuilt", None, None)
    (nothing,) = against_published([], {PAIR: {WHOLE: 100_00}})
    assert nothing.cause == "not_rebuilt"
    assert against_published([lacking], {}) == []


def test_a_partial_average_is_the_cause_before_any_part_is() -> None:
    partial_one = value_of(DOCUMENT["cases"][2])
    (found,) = against_published([partial_one], {PAIR: {WHOLE: 1_00}})
    assert found.cause == "partial_average"


def test_every_cause_is_found_by_some_case() -> None:
    tested = {case["cause"] for case in DOCUMENT["against_published"]}
    assert tested | {"not_rebuilt", "partial_average"} == CAUSES.keys()


# --- The threshold ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", DOCUMENT["threshold"], ids=lambda case: f"{case['weighed']}")
def test_each_side_of_the_threshold(case: dict[str, Any]) -> None:
    rules = scheme_of(
        case["scheme_year"], date.fromisoformat(YEARS[case["scheme_year"]])
    ).low_volume
    weighed = pence_of(case["weighed"]) or 0
    # Listed as its value says, so that only nearness brings it here.
    listed = [PAIR] if case["is_below"] else []
    found = near_or_across([of(PAIR, acute=weighed)], rules, listed, None)
    assert bool(found) is case["is_near"]
    assert all((one.is_below, one.is_across) == (case["is_below"], False) for one in found)
    (across,) = near_or_across([of(PAIR, acute=weighed)], rules, [] if listed else [PAIR], None)
    assert (across.is_across, across.is_near) == (True, case["is_near"])


@pytest.mark.parametrize(("year", "weighed"), [("2024-25", 490_000_00), ("2026-27", 1_490_000_00)])
def test_delegated_services_are_weighed_in_2026_27_alone(year: str, weighed: int) -> None:
    rules = scheme_of(year, date.fromisoformat(YEARS[year])).low_volume
    value = of(PAIR, acute=490_000_00, secondary_dental=400_000_00, specialised=600_000_00)
    assert value.weighed_pence(rules) == weighed


def test_without_a_published_schedule_the_last_one_tells_who_crosses() -> None:
    rules = SCHEME.low_volume
    above, new = of(PAIR, acute=2_000_000_00), of(("RTD", "QMJ"), acute=2_000_000_00)
    (found,) = near_or_across([above, new], rules, None, [PAIR])
    assert (found.pair, found.is_across) == (PAIR, True)
    assert near_or_across([above], rules, None, None) == []


def test_what_else_is_weighed_is_shown_where_it_is_known() -> None:
    (plain,) = near_or_across([of(PAIR, acute=1_500_000_00)], SCHEME.low_volume, [PAIR], [PAIR])
    places = (Location(0, 0, None), Location(3_000, 4_400, None))
    known = with_other_tests(plain, SCHEME, 6_000_000_000_00, places, True, {PAIR})
    assert known.proximity == "5 km"
    assert known.provider_income_share == Fraction(1, 4_000)
    assert (known.delivers_specialised, known.had_lva) == (True, True)
    assert with_other_tests(plain, SCHEME, None, places, None, set()).had_lva is False
    nothing = with_other_tests(plain, SCHEME, None, (None, None), None, None)
    assert (nothing.proximity, nothing.provider_income_share) == (None, None)
    assert (nothing.delivers_specialised, nothing.had_lva) == (None, None)
    scheme = scheme_of("2024-25", date(2024, 4, 1))
    in_2024 = with_other_tests(plain, scheme, 1, places, True, {PAIR})
    assert (in_2024.proximity, in_2024.delivers_specialised, in_2024.had_lva) == (None, None, None)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (Location(0, 0, None), Location(499, 0, None), "0 km"),
        (Location(0, 0, None), Location(500, 0, None), "1 km"),
        (Location(0, 0, "LS1 3"), Location(None, None, "LS1 3"), "same postcode sector"),
        (Location(None, None, "LS1 3"), Location(None, None, "LS1 4"), "same postcode district"),
        (Location(None, None, "LS1 3"), Location(None, None, "LS11 4"), "same postcode area"),
        (Location(None, None, "L1 3"), Location(None, None, "LS1 3"), "other postcode areas"),
        (Location(0, 0, None), Location(None, None, "LS1 3"), None),
        (None, Location(0, 0, None), None),
    ],
)
def test_how_far_apart(one: Location | None, other: Location | None, found: str | None) -> None:
    assert proximity(one, other) == found


# --- Other organisations ----------------------------------------------------------------------


def test_a_schedule_of_42_icbs_is_added_up_for_36() -> None:
    schedule: dict[Pair, Row] = {
        ("RRV", "QMJ"): {WHOLE: 300_00, "acute": 200_00, "mental_health_and_community": 100_00},
        ("RRV", "QMF"): {WHOLE: 50_00, "acute": 50_00, "mental_health_and_community": None},
        ("RTD", "QHM"): {WHOLE: 70_00, "acute": None, "mental_health_and_community": None},
    }
    now = reexpressed(
        schedule, {"RRV": "RRV", "RTD": "RTD"}, {"QMJ": "QXX", "QMF": "QXX", "QHM": "QHM"}
    )
    # 50 for acute comes to the whole, so that its blank is nothing.
    assert now.rows == {
        ("RRV", "QXX"): {WHOLE: 350_00, "acute": 250_00, "mental_health_and_community": 100_00},
        ("RTD", "QHM"): {WHOLE: 70_00, "acute": None, "mental_health_and_community": None},
    }
    assert now.made_of[("RRV", "QXX")] == (("RRV", "QMF"), ("RRV", "QMJ"))


def test_a_part_that_one_of_two_does_not_tell_is_not_told_of_both() -> None:
    schedule: dict[Pair, Row] = {
        ("RE9", "QHM"): {WHOLE: 300_00, "acute": 200_00},
        ("RLN", "QHM"): {WHOLE: 100_00, "acute": None},
    }
    now = reexpressed(schedule, {"RE9": "R0B", "RLN": "R0B"}, {"QHM": "QHM"})
    assert now.rows == {("R0B", "QHM"): {WHOLE: 400_00, "acute": None}}


def test_codes_for_whom_nobody_stands_are_named() -> None:
    schedule: dict[Pair, Row] = {("RRV", "QZZ"): {WHOLE: 1}, ("RXX", "QMJ"): {WHOLE: 1}}
    with pytest.raises(NobodyStandsError) as refused:
        reexpressed(schedule, {"RRV": "RRV", "RXX": None}, {"QMJ": "QMJ", "QZZ": None})
    assert refused.value.codes == ["QZZ", "RXX"]


# --- The oracle -------------------------------------------------------------------------------

MANY = settings(max_examples=60, deadline=None)
POUNDS = st.integers(0, 5_000_000_00)
THREE_YEARS = st.lists(POUNDS, min_size=3, max_size=3)


def inputs_from(
    year: str, by_part: Mapping[str, list[int]], **others: Any
) -> tuple[Inputs, Scheme, dict[str, Fraction]]:
    as_of = date.fromisoformat(YEARS[year])
    scheme = scheme_of(year, as_of)
    years = next((p.reference_years for p in scheme.low_volume.schedule if p.reference_years), ())
    activity = {
        one: {(PAIR, part): Activity(1, done[place]) for part, done in by_part.items()}
        for place, one in enumerate(years)
    }
    names = (
        *("last", "finance_payments", "allocation_growth"),
        *("given_parts", "newly_delegated"),
    )
    plain: dict[str, Any] = {name: {} for name in names}
    return Inputs(activity=activity, **(plain | others)), scheme, net_uplifts(scheme, as_of)


def parts_of(value: BlockValue) -> dict[str, int]:
    assert not value.missing
    return {one.part.part: one.pence for one in value.worked}


@MANY
@given(THREE_YEARS, THREE_YEARS, POUNDS, POUNDS, POUNDS)
def test_the_oracle_agrees_for_2026_27(
    acute: list[int], dental: list[int], mental_health: int, specialised: int, newly: int
) -> None:
    row = {WHOLE: 1, "mental_health_and_community": mental_health, "specialised": specialised}
    (value,) = block_values(
        *inputs_from(
            "2026-27",
            {"acute": acute, "secondary_dental": dental},
            last={PAIR: {PAIR: row}},
            newly_delegated={(PAIR, "specialised"): newly},
        )
    )
    expected = oracle.value_2026_27(acute, dental, mental_health, specialised, newly, (28_300, 300))
    assert parts_of(value) == expected
    assert value.pence == sum(expected.values())


@MANY
@given(POUNDS, POUNDS, POUNDS)
def test_the_oracle_agrees_for_2024_25(last: int, dental: int, specialised: int) -> None:
    given_parts = {(PAIR, "secondary_dental"): dental, (PAIR, "specialised"): specialised}
    (value,) = block_values(
        *inputs_from("2024-25", {}, last={PAIR: {PAIR: {WHOLE: last}}}, given_parts=given_parts)
    )
    assert parts_of(value) == oracle.value_2024_25(last, dental, specialised, 6_000)


@MANY
@given(THREE_YEARS, THREE_YEARS, st.integers(0, 200_000))
def test_the_oracle_agrees_for_2023_24(acute: list[int], paid: list[int], growth: int) -> None:
    years = ("2018-19", "2019-20", "2021-22")
    (value,) = block_values(
        *inputs_from(
            "2023-24",
            {"acute": acute},
            finance_payments={PAIR: dict(zip(years, paid, strict=True))},
            allocation_growth={"QMJ": 1 + Fraction(growth, 1_000_000)},
        )
    )
    assert parts_of(value) == oracle.value_2023_24(acute, paid, 18_000, growth)


# --- What must always hold --------------------------------------------------------------------


def acute_of(done: list[int]) -> Worked:
    row = {WHOLE: 0, "mental_health_and_community": 0, "specialised": 0}
    (value,) = block_values(*inputs_from("2026-27", {"acute": done}, last={PAIR: {PAIR: row}}))
    return value.worked[0]


@MANY
@given(THREE_YEARS)
def test_uplift_then_average_is_average_then_uplift(done: list[int]) -> None:
    worked = acute_of(done)
    factor = Fraction(10_283, 10_000) * Fraction(10_003, 10_000) * Fraction(1_085, 1_000)
    assert worked.exact_pence == sum(one * factor for one in done) / 3


@MANY
@given(THREE_YEARS, st.integers(0, 2), st.integers(0, 1_000_000_00))
def test_more_activity_is_never_worth_less(done: list[int], place: int, more: int) -> None:
    greater = [one + more * (at == place) for at, one in enumerate(done)]
    assert acute_of(greater).exact_pence >= acute_of(done).exact_pence
    assert acute_of(greater).pence >= acute_of(done).pence


CODES = st.sampled_from(["RA", "RB", "RC", "RD"])
PAYERS = st.sampled_from(["QA", "QB", "QC", "QD"])


@MANY
@given(
    st.dictionaries(st.tuples(CODES, PAYERS), POUNDS, min_size=1),
    st.fixed_dictionaries(dict.fromkeys(("RA", "RB", "RC", "RD"), CODES)),
    st.fixed_dictionaries(dict.fromkeys(("QA", "QB", "QC", "QD"), PAYERS)),
)
def test_mergers_conserve_the_total(
    schedule: dict[Pair, int], providers: dict[str, str], payers: dict[str, str]
) -> None:
    rows: dict[Pair, Row] = {pair: {WHOLE: pence} for pair, pence in schedule.items()}
    now = reexpressed(rows, providers, payers)
    assert sum(row[WHOLE] or 0 for row in now.rows.values()) == sum(schedule.values())
    assert sorted(pair for of_pair in now.made_of.values() for pair in of_pair) == sorted(schedule)


@MANY
@given(THREE_YEARS, THREE_YEARS)
def test_a_merger_before_the_average_comes_to_the_same_as_after(
    one: list[int], other: list[int]
) -> None:
    together = acute_of([a + b for a, b in zip(one, other, strict=True)])
    assert together.exact_pence == acute_of(one).exact_pence + acute_of(other).exact_pence
