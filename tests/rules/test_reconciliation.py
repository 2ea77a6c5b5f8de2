"""Reconciliation with SUS+: every outcome and every cause, on both engines.

Each case is a record whose price here is known, and what SUS+ is said to have given it. The
sums are worked out by hand, in pence: £500.00 at a factor of 1.1 is £550.00.
"""

from functools import cache
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from support import ENGINES, scheme

from pricing import reconciliation
from pricing.reference import REFERENCE_COLUMNS, Reference
from schemas.priced_line import (
    PRICED_LINE,
    RECONCILIATION,
    RECONCILIATION_DIFFERENCES,
    SUS_ROUNDING,
)

Row = dict[str, Any]

_POLARS = {nw.String: pl.String, nw.Int64: pl.Int64, nw.Date: pl.Date, nw.Boolean: pl.Boolean}
_LINE_TYPES = {"text": pl.String, "integer": pl.Int64, "flag": pl.Boolean}
_RECORD = {
    "record_id": pl.String,
    "spell_in_pbr_code": pl.String,
    "agreement_serial_number": pl.String,
    "hrg_code": pl.String,
    "exclusion_reason_code": pl.String,
    **dict.fromkeys(reconciliation.COMPONENTS.values(), pl.Int64),
}

CORE: Row = {
    "line_number": 0,
    "dataset": "apc",
    "activity_month": "2024-07",
    "provider_code": "RGT",
    "commissioner_code": "QUE",
    "treatment_function_code": "100",
    "hrg_code": "FE32Z",
    "point_of_delivery_code": "DC",
    "price_source": "combined",
    "unit_price_pence": 50_000,
    "best_practice_pence": 0,
    "excess_bed_days": 0,
    "long_stay_pence": 0,
    "top_up_pence": 0,
    "pre_mff_pence": 50_000,
    "mff_ppm": 1_100_000,
    "value_pence": 55_000,
    "ebi_outcome": "not_applicable",
}
UNBUNDLED: Row = {
    **CORE,
    "line_number": 1,
    "hrg_code": "SB12Z",
    "price_source": "unbundled",
    "unit_price_pence": 10_000,
    "pre_mff_pence": 10_000,
    "value_pence": 11_000,
}
WITHIN_CORE: Row = {
    **UNBUNDLED,
    "hrg_code": "RD20A",
    "price_source": "within_core_price",
    "unit_price_pence": 0,
    "pre_mff_pence": 0,
    "value_pence": 0,
}
OF_FIXED_ELEMENT: Row = {
    **UNBUNDLED,
    "hrg_code": "SC31Z",
    "unit_price_pence": 12_000,
    "pre_mff_pence": 12_000,
    "value_pence": 13_200,
}
NO_PRICE: Row = {
    "price_source": "none",
    "unit_price_pence": None,
    "pre_mff_pence": None,
    "value_pence": None,
}
SUS: Row = {
    "spell_in_pbr_code": "0",
    "agreement_serial_number": "000001",
    "hrg_code": "FE32Z",
    "exclusion_reason_code": None,
    "sus_initial_pence": 50_000,
    "sus_long_stay_pence": None,
    "sus_top_up_pence": None,
    "sus_unbundled_pence": None,
    "sus_pre_mff_pence": 50_000,
    "sus_mff_pence": 5_000,
    "sus_price_pence": 55_000,
}
NO_SUS: Row = dict.fromkeys(reconciliation.COMPONENTS.values())

BEST_PRACTICE = [
    {
        "hrg_code": "FE32Z",
        "best_practice_flag": flag,
        "best_practice_tariff_name": "endoscopy_procedures",
        "best_practice_combined_price_pence": 52_000,
    }
    # Two flags of one tariff with one price must not make two records of one.
    for flag in ("BP01", "BP02")
]
HRG_PRICES = [
    {"hrg_code": "FE32Z", "combined_price_pence": 50_000, "per_day_long_stay_pence": 30_000}
]
OTHER_PRICES = [
    {"price_key": "FE32Z", "other_price_pence": 51_500, "other_price_cause": "rule_year"},
    {"price_key": "FE32Z", "other_price_pence": 50_700, "other_price_cause": "price_book_version"},
    {"price_key": "100", "other_price_pence": 48_000, "other_price_cause": "rule_year"},
]


def sus(initial: int, final: int, **others: int) -> Row:
    """What SUS+ gave: parts that add up, and a final price."""
    parts = {f"sus_{name}_pence": pence for name, pence in others.items()}
    pre_mff = initial + sum(others.values())
    return {
        "sus_initial_pence": initial,
        **parts,
        "sus_pre_mff_pence": pre_mff,
        "sus_mff_pence": final - pre_mff,
        "sus_price_pence": final,
    }


def case(
    name: str,
    outcome: str,
    cause: str | None,
    difference: int,
    line: Row | None = None,
    unbundled: list[Row] | None = None,
    given: Row | None = None,
) -> Any:
    """A case: one record, the outcome and cause of its final price, and pence SUS+ is above."""
    return pytest.param(
        line or {}, unbundled or [], given or {}, (outcome, cause, difference), id=name
    )


TOP_UP = {"top_up_pence": 5_005, "pre_mff_pence": 55_005, "value_pence": 60_506}
LONG_STAY = {
    "excess_bed_days": 2,
    "long_stay_pence": 60_000,
    "pre_mff_pence": 110_000,
    "value_pence": 121_000,
}
LOCAL = {
    **UNBUNDLED,
    "hrg_code": "SB17Z",
    "price_source": "local",
    "unit_price_pence": 40_000,
    "pre_mff_pence": 40_000,
    "value_pence": 44_000,
}

CASES = [
    case("the same to the penny", "exact", None, 0),
    # 1.05p on each of three lines: 1 + 1 + 1 here, 3.15 rounded once is 3 there.
    case(
        "a penny for each line is within tolerance",
        "within_tolerance",
        None,
        2,
        unbundled=[UNBUNDLED],
        given=sus(50_000, 66_002, unbundled=10_000),
    ),
    # A third penny on two lines is beyond it; no rounding gives it, so it is the factor.
    case(
        "a third penny on two lines is not",
        "different",
        "mff_value",
        3,
        unbundled=[UNBUNDLED],
        given=sus(50_000, 66_003, unbundled=10_000),
    ),
    case("neither has a price", "exact", None, 0, line=NO_PRICE, given=NO_SUS),
    case(
        "a blank of SUS+ is nothing where nothing is due",
        "exact",
        None,
        0,
        line={
            "price_source": "not_attended",
            "unit_price_pence": 0,
            "pre_mff_pence": 0,
            "value_pence": 0,
        },
        given=NO_SUS,
    ),
    case("a price here alone", "missing_in_sus", "unknown", -55_000, given=NO_SUS),
    case("a price there alone", "missing_here", "unknown", 55_000, line=NO_PRICE),
    case(
        "an intervention without prior approval, which SUS+ prices as we value it",
        "different",
        "ebi_approval",
        55_000,
        line={"ebi_outcome": "zero_price"},
    ),
    # £100.00 x 1.1 of unbundled activity is not in question: £660.00 less £110.00.
    case(
        "an intervention without prior approval with an unbundled line",
        "different",
        "ebi_approval",
        55_000,
        line={"ebi_outcome": "zero_price"},
        unbundled=[UNBUNDLED],
        given=sus(50_000, 66_000, unbundled=10_000),
    ),
    case("an approved intervention", "exact", None, 0, line={"ebi_outcome": "approved"}),
    case(
        "an intervention without prior approval that SUS+ did not price either",
        "exact",
        None,
        0,
        line={"ebi_outcome": "zero_price"},
        given=NO_SUS,
    ),
    case(
        "a local price in place of the national one",
        "different",
        "local_price",
        -11_000,
        line={
            "price_source": "local",
            "unit_price_pence": 60_000,
            "pre_mff_pence": 60_000,
            "value_pence": 66_000,
        },
    ),
    case(
        "a local price of an unbundled HRG",
        "different",
        "local_price",
        -44_000,
        unbundled=[LOCAL],
    ),
    case(
        "excluded by the record, priced by SUS+",
        "missing_here",
        "exclusion",
        55_000,
        line=NO_PRICE,
        given={"spell_in_pbr_code": "2"},
    ),
    case(
        "excluded by the provider's agreement, priced by SUS+",
        "missing_here",
        "exclusion",
        55_000,
        line=NO_PRICE,
        given={"agreement_serial_number": "00001="},
    ),
    case(
        "not groupable, priced at nothing by SUS+",
        "missing_here",
        "exclusion",
        0,
        line={**NO_PRICE, "hrg_code": "UZ01Z"},
        given={**sus(0, 0), "hrg_code": "UZ01Z"},
    ),
    case(
        "not groupable, with an unbundled HRG that SUS+ left out",
        "different",
        "unbundled",
        -11_000,
        line={**NO_PRICE, "hrg_code": "UZ01Z"},
        unbundled=[UNBUNDLED],
        given={**sus(0, 0), "hrg_code": "UZ01Z"},
    ),
    case(
        "excluded by SUS+ with a reason, priced here",
        "missing_in_sus",
        "exclusion",
        -55_000,
        given={**NO_SUS, "exclusion_reason_code": "Treatment function excluded"},
    ),
    # (£500.00 + £20.00) x 1.1 = £572.00 here; SUS+ has the base price.
    case(
        "a best practice tariff that SUS+ left out",
        "different",
        "best_practice_tariff",
        -2_200,
        line={
            "best_practice_tariff_name": "endoscopy_procedures",
            "best_practice_pence": 2_000,
            "pre_mff_pence": 52_000,
            "value_pence": 57_200,
        },
    ),
    # An annual tariff: the base price here, £520.00 x 1.1 = £572.00 there.
    case(
        "a best practice tariff that SUS+ alone pays",
        "different",
        "best_practice_tariff",
        2_200,
        line={"best_practice_tariff_name": "endoscopy_procedures"},
        given=sus(52_000, 57_200),
    ),
    case(
        "another price on a flagged record that is no best practice price",
        "different",
        "unknown",
        2_310,
        line={"best_practice_tariff_name": "endoscopy_procedures"},
        given=sus(52_100, 57_310),
    ),
    case(
        "the best practice price on a record without the flag",
        "different",
        "unknown",
        2_200,
        given=sus(52_000, 57_200),
    ),
    # £550.05 x 1.1 = £605.055, rounded £605.06.
    case("a top-up that SUS+ left out", "different", "top_up", -5_506, line=TOP_UP),
    case(
        "a top-up that only SUS+ gave",
        "different",
        "top_up",
        5_500,
        given=sus(50_000, 60_500, top_up=5_000),
    ),
    # The top-up is of the price: another price has another top-up, and the price is the cause.
    case(
        "a top-up on the price of another year",
        "different",
        "rule_year",
        1_814,
        line=TOP_UP,
        given=sus(51_500, 62_320, top_up=5_155),
    ),
    case(
        "a day of long stay fewer",
        "different",
        "long_stay",
        -33_000,
        line=LONG_STAY,
        given=sus(50_000, 88_000, long_stay=30_000),
    ),
    case(
        "three days of long stay where there are none here",
        "different",
        "long_stay",
        99_000,
        given=sus(50_000, 154_000, long_stay=90_000),
    ),
    case(
        "a long stay payment that is no number of days",
        "different",
        "unknown",
        16_500,
        given=sus(50_000, 71_500, long_stay=15_000),
    ),
    case(
        "an unbundled price that SUS+ left out",
        "different",
        "unbundled",
        -11_000,
        unbundled=[UNBUNDLED],
    ),
    # The price of the spell holds its scan here; SUS+ added £80.00: £580.00 x 1.1 = £638.00.
    case(
        "imaging of an admitted patient that SUS+ priced apart",
        "different",
        "unbundled",
        8_800,
        unbundled=[WITHIN_CORE],
        given=sus(50_000, 63_800, unbundled=8_000),
    ),
    # £120.00 x 1.1 = £132.00, which the fixed element pays: SUS+ knows of no mechanism.
    case(
        "an unbundled HRG of the fixed element that SUS+ left out",
        "different",
        "unbundled",
        -13_200,
        unbundled=[OF_FIXED_ELEMENT],
    ),
    # £500.00 x 1.2 = £600.00.
    case("another factor", "different", "mff_value", 5_000, given=sus(50_000, 60_000)),
    case(
        "another price for which no factor can be blamed",
        "different",
        "unknown",
        5_000,
        given={"sus_price_pence": 60_000},
    ),
    # £515.00 x 1.1 = £566.50; £507.00 x 1.1 = £557.70.
    case("the price of another year", "different", "rule_year", 1_650, given=sus(51_500, 56_650)),
    # Another year has another factor too: £515.00 x 1.2 = £618.00.
    case(
        "the price and the factor of another year",
        "different",
        "rule_year",
        6_800,
        given=sus(51_500, 61_800),
    ),
    case(
        "the price of another publication of the year",
        "different",
        "price_book_version",
        770,
        given=sus(50_700, 55_770),
    ),
    case(
        "the price of another year, of an attendance",
        "different",
        "rule_year",
        -2_200,
        line={"price_source": "outpatient_attendance", "hrg_code": "WF01B"},
        given=sus(48_000, 52_800),
    ),
    case(
        "a price of the same number for another HRG",
        "different",
        "unknown",
        1_650,
        line={"hrg_code": "FE31Z"},
        given=sus(51_500, 56_650),
    ),
    # £550.05 x 1.1 = £605.055: here £605.06, in whole pounds £605.00.
    case(
        "the whole in whole pounds",
        "different",
        "rounding",
        -6,
        line=TOP_UP,
        given=sus(50_000, 60_500, top_up=5_005),
    ),
    # £500.00 x 1.1 = £550.00 and £50.05 x 1.1 = £55.055, in whole pounds £55: £605.
    case(
        "a top-up in whole pounds, before MFF",
        "different",
        "rounding",
        -6,
        line=TOP_UP,
        given=sus(50_000, 60_500, top_up=5_000),
    ),
    case(
        "a top-up and a long stay payment that both differ",
        "different",
        "unknown",
        38_500,
        given=sus(50_000, 93_500, long_stay=30_000, top_up=5_000),
    ),
]


def frame(rows: list[Row], columns: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=columns, orient="row")


def tables() -> dict[str, pl.DataFrame]:
    given = {"best_practice_prices": BEST_PRACTICE, "hrg_prices": HRG_PRICES}
    return {
        name: frame(
            [{column: row.get(column) for column in columns} for row in given.get(name, [])],
            {column: _POLARS[kind] for column, kind in columns.items()},
        )
        for name, columns in REFERENCE_COLUMNS.items()
    }


def other_prices() -> pl.DataFrame:
    columns = {name: _POLARS[kind] for name, kind in reconciliation.OTHER_PRICES.items()}
    return frame([{"unit_price_pence": 50_000, **row} for row in OTHER_PRICES], columns)


def made(engine: str, lines: list[Row], records: list[Row]) -> dict[str, list[Row]]:
    """The comparison and the three tables that an engine makes of lines and records."""
    of_lines = frame(
        [{field.name: row.get(field.name) for field in PRICED_LINE} for row in lines],
        {field.name: _LINE_TYPES[field.type] for field in PRICED_LINE},
    )
    of_records = frame([{name: row.get(name) for name in _RECORD} for row in records], _RECORD)
    with duckdb.connect() as connection:

        def on(table: pl.DataFrame) -> Any:
            return table.lazy() if engine == "polars" else connection.from_arrow(table.to_arrow())

        def back(found: nw.LazyFrame[Any]) -> pl.DataFrame:
            native = found.to_native()
            return native.collect() if engine == "polars" else pl.DataFrame(native.to_arrow_table())

        compared = reconciliation.compare(
            nw.from_native(on(of_lines)).lazy(),
            nw.from_native(on(of_records)).lazy(),
            Reference.from_native({name: on(table) for name, table in tables().items()}),
            nw.from_native(on(other_prices())).lazy(),
            scheme(),
        )
        table = back(compared)
        # Made once, as in a run, where it is written before the tables are made of it.
        compared = nw.from_native(on(table)).lazy()
        made_of_it = {
            "compared": table,
            "differences": back(reconciliation.differences(compared)),
            "summary": back(reconciliation.summary(compared)),
            "rounding": back(reconciliation.rounding(compared)),
        }
        return {name: made.to_dicts() for name, made in made_of_it.items()}


def record_of(record_id: str, line: Row, unbundled: list[Row], given: Row) -> tuple[list[Row], Row]:
    lines = [{**CORE, **line}, *unbundled]
    return [{**one, "record_id": record_id} for one in lines], {
        **SUS,
        **given,
        "record_id": record_id,
    }


@cache
def of_cases(engine: str) -> dict[str, list[Row]]:
    """What an engine makes of every case, priced and compared together."""
    drawn = [record_of(f"S{place}", *param.values[:3]) for place, param in enumerate(CASES)]
    return made(engine, [line for lines, _ in drawn for line in lines], [one for _, one in drawn])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", range(len(CASES)), ids=[param.id for param in CASES])
def test_the_outcome_and_the_cause(engine: str, place: int) -> None:
    expected = CASES[place].values[3]
    found = of_cases(engine)
    (one,) = (row for row in found["compared"] if row["record_id"] == f"S{place}")
    assert (one["outcome"], one["cause"], one["difference_pence"]) == expected
    differing = {row["record_id"] for row in found["differences"]}
    assert (f"S{place}" in differing) == (expected[1] is not None)


def test_every_cause_and_every_outcome_has_a_case() -> None:
    expected = [param.values[3] for param in CASES]
    assert {cause for _, cause, _ in expected} == {*reconciliation.CAUSES, None}
    assert {outcome for outcome, _, _ in expected} == set(reconciliation.OUTCOMES)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_part_has_an_outcome_of_its_own(engine: str) -> None:
    """£500.00 + £50.05 + £600.00 + £100.00 = £1,250.05 here; x 1.1 by lines £1,375.06.

    SUS+: no top-up, a day of £300.00 fewer; £900.00 x 1.1 = £990.00.
    """
    line = {
        "excess_bed_days": 2,
        "long_stay_pence": 60_000,
        "top_up_pence": 5_005,
        "pre_mff_pence": 115_005,
        "value_pence": 126_506,
    }
    given = sus(50_000, 99_000, long_stay=30_000, unbundled=10_000)
    lines, record = record_of("S1", line, [UNBUNDLED], given)
    found = made(engine, lines, [record])
    (one,) = found["compared"]
    assert {name: one[f"{name}_outcome"] for name in reconciliation.COMPONENTS} == {
        "unit_price": "exact",
        "long_stay": "different",
        "top_up": "missing_in_sus",
        "unbundled": "exact",
        "pre_mff": "different",
        "mff": "different",
        "final": "different",
    }
    assert (one["sus_mff_ppm"], one["mff_ppm"]) == (1_100_000, 1_100_000)
    (row,) = found["differences"]
    assert set(row) == {field.name for field in RECONCILIATION_DIFFERENCES}
    ours = ("unit_price", "long_stay", "top_up", "unbundled", "pre_mff", "mff", "price")
    assert [row[f"ours_{name}_pence"] for name in ours] == [
        *(50_000, 60_000, 5_005, 10_000, 125_005, 12_501, 137_506)
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_summary_has_every_record_once_for_each_part(engine: str) -> None:
    """One exact, two with another factor (£50.00 and £100.00 above), one without a price."""
    drawn = [
        record_of("S1", {}, [], {}),
        record_of("S2", {}, [], sus(50_000, 60_000)),
        record_of("S3", {}, [], sus(50_000, 65_000)),
        record_of("S4", NO_PRICE, [], {"spell_in_pbr_code": "2"}),
    ]
    rows = [row for lines, _ in drawn for row in lines]
    found = made(engine, rows, [record for _, record in drawn])
    assert set(found["summary"][0]) == {field.name for field in RECONCILIATION}
    final = {
        (row["outcome"], row["cause"]): (row["records"], row["difference_pence"])
        for row in found["summary"]
        if row["component"] == "final"
    }
    assert final == {
        ("exact", None): (1, 0),
        ("different", "mff_value"): (2, 15_000),
        ("missing_here", "exclusion"): (1, 55_000),
    }
    for component in reconciliation.COMPONENTS:
        of_one = [row for row in found["summary"] if row["component"] == component]
        assert sum(row["records"] for row in of_one) == 4
        assert all(
            row["difference_pence"] == row["sus_pence"] - row["ours_pence"] for row in of_one
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_rounding_that_fits_is_counted(engine: str) -> None:
    """Amounts at which the rules part, at a factor of 1.1.

    R1: £0.05 x 1.1 = 5.5p: away 6, even 6, down 5. R2: £0.15 x 1.1 = 16.5p: away 17, even 16,
    down 16. R3: £0.05 + £0.05 = 11p once, but 6 + 6 = 12 by parts, down 5 + 5 = 10.
    SUS+ has 6, 17 and 11: away from zero, once. R4 has no amount before MFF, R5 is nothing, R6
    does not add up: none of them tells anything.
    """
    drawn = [
        record_of("R1", {}, [], sus(5, 6)),
        record_of("R2", {}, [], sus(15, 17)),
        record_of("R3", {}, [], sus(5, 11, top_up=5)),
        record_of("R4", {}, [], NO_SUS),
        record_of("R5", {}, [], sus(0, 0)),
        record_of("R6", {}, [], {**sus(5, 6), "sus_pre_mff_pence": 6}),
    ]
    rows = [row for lines, _ in drawn for row in lines]
    found = made(engine, rows, [record for _, record in drawn])["rounding"]
    assert set(found[0]) == {field.name for field in SUS_ROUNDING}
    assert {row["records_tested"] for row in found} == {3}
    matching = {
        (row["quantum_pence"], row["mode"], row["applied"]): row["records_matching"]
        for row in found
    }
    assert matching == {
        (1, "half_away_from_zero", "once"): 3,
        (1, "half_away_from_zero", "each_component"): 2,
        (1, "half_even", "once"): 2,
        (1, "half_even", "each_component"): 1,
        (1, "down", "once"): 1,
        (1, "down", "each_component"): 0,
        **{
            (100, mode, applied): 0
            for mode in reconciliation.MODES
            for applied in reconciliation.APPLIED
        },
    }


def test_engines_agree_on_every_column() -> None:
    def everything(engine: str) -> dict[str, list[str]]:
        found = of_cases(engine)
        return {name: sorted(str(sorted(row.items())) for row in found[name]) for name in found}

    assert everything("polars") == everything("duckdb")
