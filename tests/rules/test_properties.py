"""What holds of any valid records whatever, found by drawing them at random.

Belongs here: properties that need no expected amount. Does not belong here: examples with
their answers (`tests/cases/`), or the comparison with the oracle (`test_oracle.py`).
"""

from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support import ENGINES, case_tables, price_on, records_frame

from pricing.ebi import APPROVED, NOT_APPLICABLE, ZERO_PRICE
from pricing.reasons import Reason, Refusal
from schemas.extracts import ADMITTED_PATIENT_CARE, OUTPATIENTS
from schemas.priced_line import PRICED_LINE_COLUMNS

Record = dict[str, Any]
Batch = tuple[str, pl.DataFrame]

PAID_FOR_ELSEWHERE = ("lva_block", "api_fixed", "outside_scheme")
APPROVED_RECORD = "RECORD-WITH-IFR-1"
FIRST_DAY, DAYS = date(2024, 4, 1), 365

# A call of the pricing costs more than its rows, so few examples, of many records.
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def column(table: str, name: str) -> list[str]:
    return sorted(case_tables()[table][name].unique())


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def shared() -> dict[str, st.SearchStrategy[Any]]:
    providers, payers = (
        column("providers", "delivered_code"),
        column("commissioners", "organisation_code"),
    )
    return {
        "organisation_code_of_provider": one_of(
            *providers, "RRV", "RRV01", "RX301", "X99", "X9901"
        ),
        "organisation_code_of_commissioner": one_of(*payers, "ZZZ"),
        "derived_commissioner_code": one_of(None, *payers, "QHM", "QMJ", "ZZZ"),
        "agreement_serial_number": one_of(
            *(None, "000001", "000001", "00001="),
            *("ABP001", "LOCAL1", "FIX001", "FRAME1", "SUBCO1", "ADVIC1"),
        ),
        "administrative_category_code": one_of(
            None, "01", "01", "01", "02", "03", "04", "98", "99"
        ),
        "spell_in_pbr_code": one_of("0", "0", "0", "1", "2"),
        "main_specialty_code": one_of(None, "100", "560", "950"),
        "treatment_function_code": one_of(
            *column("attendance_prices", "treatment_function_code"), "100", "100", "725", "999"
        ),
        "query_timestamp": one_of("20250601063000"),
    }


@st.composite
def spells(draw: st.DrawFn) -> Record:
    end = FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS - 1)))
    stay = draw(st.integers(0, 3) | st.integers(0, 400))
    ebi_type = draw(one_of(None, None, "A_snoring", "B_menstr_D&C", "D_low_back_pain_inj", "E_x"))
    return {
        **draw(st.fixed_dictionaries(shared())),
        "hrg_code": draw(one_of(*column("hrg_prices", "hrg_code"), "UZ01Z", "XX99Z")),
        "patient_classification_code": draw(one_of("1", "2", "2", "3", "4", "5")),
        "admission_method_code": draw(one_of("11", "12", "13", "21", "2A", "31", "82")),
        "start_date": end - timedelta(days=stay),
        "end_date": end,
        "length_of_stay_days": stay,
        "adjusted_length_of_stay_days": draw(st.none() | st.integers(0, 36_525)),
        "age_years": draw(one_of(0, 18, 19, 70, 130)),
        "ebi_category_code": None if ebi_type is None else draw(one_of("1", "1", "2")),
        "ebi_type_code": ebi_type,
        "sus_price_pence": draw(st.none() | st.integers(-100, 10**9)),
    }


@st.composite
def attendances(draw: st.DrawFn) -> Record:
    attended = draw(one_of("5", "5", "5", "6", "0", "2", "3", "7"))
    hrgs = [*column("hrg_prices", "hrg_code"), "UZ01Z", "XX99Z", *FIRSTS, *FOLLOW_UPS, *FIRSTS]
    return {
        **draw(st.fixed_dictionaries(shared())),
        "hrg_code": draw(one_of(*hrgs) if attended in "56" else one_of(None, *hrgs)),
        "attended_or_did_not_attend_code": attended,
        "first_attendance_code": draw(one_of("1", "1", "2", "3", "4", "5")),
        "appointment_date": FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS - 1))),
    }


FIRSTS = ("WF01B", "WF02B", "WF01D", "WF02D")
FOLLOW_UPS = ("WF01A", "WF02A", "WF01C", "WF02C")
APC, OP = ADMITTED_PATIENT_CARE.dataset, OUTPATIENTS.dataset


@st.composite
def batches(draw: st.DrawFn, dataset: str | None = None, least: int = 0) -> Batch:
    """A dataset and valid records of it, one of which may be approved by its identifier."""
    dataset = dataset or draw(one_of(APC, OP))
    record = spells() if dataset == APC else attendances()
    many = st.lists(record, min_size=30, max_size=50)
    drawn = draw(st.lists(record, min_size=least, max_size=3) | many | many)
    ids = [APPROVED_RECORD if place == 0 else f"R{place:03}" for place in range(len(drawn))]
    records = [{**record, "record_id": i} for record, i in zip(drawn, ids, strict=True)]
    return dataset, records_frame(dataset, records)


def price(
    dataset: str,
    records: pl.DataFrame,
    engine: str = "polars",
    tables: dict[str, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    return price_on(engine, dataset, records, tables or case_tables())


def lines_of(priced: pl.DataFrame) -> pl.DataFrame:
    return priced.filter(pl.col("refusal_codes").is_null())


@settings(FEW, max_examples=20)
@given(batch=batches())
def test_what_holds_of_any_records(batch: Batch) -> None:
    dataset, records = batch
    priced = price(dataset, records)
    each_record_comes_out_once(records, priced)
    for line in lines_of(priced).to_dicts():
        nothing_is_payable_twice(line)
        only_a_local_price_leaves_the_payable_open(line)
        the_row_explains_its_amount(line)
        only_spells_are_interventions(line)


def each_record_comes_out_once(records: pl.DataFrame, priced: pl.DataFrame) -> None:
    lines = lines_of(priced)
    refused = priced.filter(pl.col("refusal_codes").is_not_null())
    core = lines.filter(line_number=0)
    assert sorted([*core["record_id"], *refused["record_id"]]) == sorted(records["record_id"])
    assert not lines.select("record_id", "line_number").is_duplicated().any()
    assert priced.columns == [*PRICED_LINE_COLUMNS, "refusal_codes"]
    for codes in refused["refusal_codes"]:
        assert set(codes.split(" ")) <= set(Refusal)


def nothing_is_payable_twice(line: Record) -> None:
    """A block or the fixed element has paid for the line, or it is paid its value, or nothing."""
    if is_worth_nothing(line) or line["payment_mechanism"] in PAID_FOR_ELSEWHERE:
        assert line["payable_pence"] == 0, line
    elif line["payment_mechanism"] == "local_agreement" and line["price_source"] != "local":
        assert line["payable_pence"] is None, line
    else:
        assert line["payable_pence"] == line["value_pence"], line


def is_worth_nothing(line: Record) -> bool:
    """An intervention without approval, or nothing was done for the line alone."""
    nothing_done = ("not_attended", "administrative_event", "within_core_price")
    return line["ebi_outcome"] == ZERO_PRICE or line["price_source"] in nothing_done


def only_a_local_price_leaves_the_payable_open(line: Record) -> None:
    """And then the reason says so: never that another mechanism was agreed, and pays."""
    is_agreed_by_the_unit = (line["mechanism_rule"], line["payment_mechanism"]) == (
        "mechanism_agreed",
        "activity_based",
    )
    needs_one = line["price_source"] != "local" and (
        line["payment_mechanism"] == "local_agreement"
        or (is_agreed_by_the_unit and line["price_source"] == "none")
        or line["reason_code"]
        in (Reason.FIRST_ATTENDANCE_LOCAL_PRICE, Reason.UNBUNDLED_LOCAL_PRICE)
    )
    is_open = line["payable_pence"] is None
    assert is_open == (needs_one and not is_worth_nothing(line)), line
    assert line["reason_code"] in set(Reason), line
    assert not (is_open and line["reason_code"] == Reason.MECHANISM_AGREED), line
    if line["reason_code"] == Reason.AGREED_PRICE_MISSING:
        assert is_open, line
        assert line["mechanism_rule"] == "mechanism_agreed", line


def the_row_explains_its_amount(line: Record) -> None:
    parts = [line[f"{name}_pence"] for name in ("unit_price", "long_stay", "top_up")]
    pre_mff, value = line["pre_mff_pence"], line["value_pence"]
    if line["price_source"] == "none":
        assert (parts, pre_mff, value) == ([None, 0, 0], None, None), line
        assert line["excess_bed_days"] == 0, line
    else:
        assert pre_mff == sum(parts), line
        assert abs(value * 1_000_000 - pre_mff * line["mff_ppm"]) <= 500_000, line
    assert line["is_in_activity_target"] == (
        line["payment_mechanism"] == "api_variable" and line["ebi_outcome"] != ZERO_PRICE
    ), line


def only_spells_are_interventions(line: Record) -> None:
    assert line["dataset"] == APC or line["ebi_outcome"] == NOT_APPLICABLE, line


@settings(FEW, max_examples=5)
@given(batch=batches())
def test_engines_agree(batch: Batch) -> None:
    """So that what holds of one holds of the other; DuckDB takes too long to ask often."""
    on_polars, on_duckdb = (price(*batch, engine) for engine in ENGINES)
    assert_frame_equal(on_polars, on_duckdb)


@FEW
@given(batch=batches(least=2), data=st.data())
def test_the_order_of_rows_does_not_matter(batch: Batch, data: st.DataObject) -> None:
    dataset, records = batch
    order = data.draw(st.permutations(range(records.height)))
    assert_frame_equal(price(dataset, records), price(dataset, records[order]))


@FEW
@given(batch=batches(least=2), data=st.data())
def test_parts_priced_apart_are_the_whole(batch: Batch, data: st.DataObject) -> None:
    dataset, records = batch
    first = data.draw(st.integers(0, records.height))
    parts = [price(dataset, part) for part in (records[:first], records[first:])]
    assert_frame_equal(price(dataset, records), pl.concat(parts).sort("record_id"))


@FEW
@given(batch=batches(APC, least=1), data=st.data())
def test_an_approval_of_a_record_helps_that_record_alone(batch: Batch, data: st.DataObject) -> None:
    before = price(*batch)
    spell = data.draw(st.sampled_from(unapproved_first(batch, before)))
    approval = pl.DataFrame({"record_id": [spell["record_id"]]})
    after = price(*batch, tables=with_rows("approved_records", approval))
    assert_only_helps(before, after, {spell["record_id"]})


@FEW
@given(batch=batches(APC, least=1), data=st.data())
def test_an_approval_of_a_day_helps_the_spells_of_that_day_alone(
    batch: Batch, data: st.DataObject
) -> None:
    before = price(*batch)
    named = ["provider_code", "commissioner_code", "ebi_type_letter", "start_date"]
    spell = data.draw(st.sampled_from(unapproved_first(batch, before)))
    schema = case_tables()["approved_days"].schema
    approval = pl.DataFrame({name: [spell[name]] for name in named}, schema=schema)
    after = price(*batch, tables=with_rows("approved_days", approval.drop_nulls()))
    alike = with_types(batch, before).join(approval, on=named, how="semi")
    assert_only_helps(before, after, set(alike["record_id"]))


@FEW
@given(batch=batches())
def test_what_a_block_covers_is_worth_the_same_where_no_pair_is_listed(batch: Batch) -> None:
    """Only who pays changes, and what follows from that; all other lines stay as they are."""
    tables = case_tables()
    before = price(*batch)
    after = price(*batch, tables={**tables, "lva_schedule": tables["lva_schedule"].clear()})
    changing = (
        *("payment_mechanism", "mechanism_rule", "payable_pence"),
        *("is_in_activity_target", "reason_code"),
    )
    assert_frame_equal(before.drop(changing), after.drop(changing))
    covered = (before["payment_mechanism"] == "lva_block").fill_null(value=False)
    assert_frame_equal(before.filter(~covered), after.filter(~covered))
    assert "lva_block" not in after["payment_mechanism"].to_list()


def with_types(batch: Batch, priced: pl.DataFrame) -> pl.DataFrame:
    letter = pl.col("ebi_type_code").str.slice(0, 2).alias("ebi_type_letter")
    return priced.join(batch[1].select("record_id", "start_date", letter), on="record_id")


def unapproved_first(batch: Batch, priced: pl.DataFrame) -> list[Record]:
    """The spells an approval would help; where there is none, all."""
    spells = with_types(batch, priced)
    unapproved = lines_of(spells).filter(ebi_outcome=ZERO_PRICE)
    return (unapproved if unapproved.height else spells).to_dicts()


def with_rows(table: str, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    tables = case_tables()
    return {**tables, table: tables[table].vstack(rows).unique()}


def assert_only_helps(before: pl.DataFrame, after: pl.DataFrame, may_change: set[str]) -> None:
    """Its value stays, its payable does not fall, and no other record is touched."""
    changing = ("ebi_outcome", "payable_pence", "is_in_activity_target", "reason_code")
    assert_frame_equal(before.drop(changing), after.drop(changing))
    for old, new in zip(before.to_dicts(), after.to_dicts(), strict=True):
        if old["record_id"] in may_change and old["ebi_outcome"] == ZERO_PRICE:
            assert new["ebi_outcome"] == APPROVED
            assert (new["payable_pence"] or 0) >= (old["payable_pence"] or 0)
        else:
            assert new == old
