"""The traps that SUS extracts set, each met in text as delivered, from file to priced line.

The numbers are those of the project's list of traps. In `test_organisations.py` are 22, a
provider that merged between the year of activity and the year of prices, and 23, an HRG
retired between them. What each rule pays is worked out in
`tests/cases/`; here it is whether the text gets there unharmed.
"""

from datetime import date
from pathlib import Path

import pytest
from pipeline.making import (
    ADJUSTED_STAY,
    ATTENDANCE_CATEGORY,
    ATTENDANCE_HRG,
    ATTENDED,
    CLASSIFICATION,
    DERIVED_COMMISSIONER,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    FIRST_ATTENDANCE,
    IN_PBR,
    OPEN_SPELL,
    PROVIDER,
    QUERY_DATE,
    SPELL_CATEGORY,
    SPELL_HRG,
    START,
    STAY,
    SUS_PRICE,
    TREATMENT_FUNCTION,
    Line,
    attendance,
    delivered_columns,
    extract,
    land,
    new_workspace,
    price,
    price_records,
    refusals,
    sort_out,
    spell,
    take_in,
)

from pipelines.scheme_packs import scheme_for
from pipelines.workspace import UserError, Workspace
from schemas.extracts import ADMITTED_PATIENT_CARE

LATER = "20250519063000"
APPROVALS = (
    "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to,"
    "approval_reference\n"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def shown(lines: dict[str, Line], *columns: str) -> dict[str, tuple[object, ...]]:
    return {record_id: tuple(line[c] for c in columns) for record_id, line in lines.items()}


def test_trap_a_cataract_that_is_not_on_the_tab_of_prices_is_not_worth_nothing(
    workspace: Workspace,
) -> None:
    """Trap 1: BZ34 day cases left tab 1 of Annex A; a book without them must say so."""
    book = workspace.data / "price_books" / "cases" / "apc_and_outpatient_procedures.csv"
    kept = [line for line in book.read_text("utf-8").splitlines() if not line.startswith("BZ34")]
    book.write_text("\n".join(kept), "utf-8")
    cataract = {SPELL_HRG: "BZ34C", TREATMENT_FUNCTION: "130"}
    at_trust, at_hospital = spell("S1", cataract), spell("S2", {**cataract, PROVIDER: "NT313"})
    land(workspace, "freeze/apc_2024-07.csv", [at_trust, at_hospital])
    columns = ("unit_price_pence", "value_pence", "payable_pence", "reason_code")
    assert shown(price(workspace), *columns) == {
        "S1": (None, None, 0, "NO_UNIT_PRICE"),
        "S2": (None, None, None, "NO_UNIT_PRICE"),
    }


def test_trap_a_day_case_may_cost_more_than_an_ordinary_elective(tmp_path: Path) -> None:
    """Trap 2: split prices, of which neither is the larger by rule."""
    lines = price_records(
        tmp_path,
        spell("day case", {SPELL_HRG: "BZ34C"}),
        spell("ordinary", {SPELL_HRG: "BZ34C", CLASSIFICATION: "1"}),
        spell("dearer ordinary", {SPELL_HRG: "BZ34A", CLASSIFICATION: "1"}),
    )
    assert shown(lines, "price_source", "unit_price_pence") == {
        "day case": ("day_case", 90000),
        "ordinary": ("ordinary_elective", 80000),
        "dearer ordinary": ("ordinary_elective", 120000),
    }


def test_trap_no_price_is_not_a_price_of_zero(tmp_path: Path) -> None:
    """Trap 3: `-`, blank and 0 in the price book are three things."""
    lines = price_records(
        tmp_path,
        spell("zero", {SPELL_HRG: "LA97A"}),
        spell("dash", {SPELL_HRG: "LA01A"}),
        spell("blank", {SPELL_HRG: "MC14Z"}),
        spell("not in the book", {SPELL_HRG: "ZZ99Z"}),
    )
    columns = ("price_source", "unit_price_pence", "value_pence", "reason_code")
    assert shown(lines, *columns) == {
        "zero": ("combined", 0, 0, "NO_UNIT_PRICE"),
        "dash": ("none", None, None, "NO_UNIT_PRICE"),
        "blank": ("none", None, None, "NO_UNIT_PRICE"),
        "not in the book": ("none", None, None, "NO_UNIT_PRICE"),
    }


def test_trap_an_intervention_type_cut_short_or_with_an_ampersand_is_known(
    tmp_path: Path,
) -> None:
    """Trap 4: types are known by their letter; approvals may give them whole."""
    in_full = "D_low_back_pain_inj"
    lines = price_records(
        tmp_path,
        spell("cut", {EBI_CATEGORY: "1", EBI_TYPE: in_full[:15], SPELL_HRG: "AB16Z"}),
        spell("ampersand", {EBI_CATEGORY: "1", EBI_TYPE: "B_menstr_D&C", SPELL_HRG: "MA10Z"}),
        spell("approved", {EBI_CATEGORY: "1", EBI_TYPE: in_full[:15], PROVIDER: "RRV00"}),
        spell("another letter", {EBI_CATEGORY: "1", EBI_TYPE: "E_breast_red"}),
        lists={"approvals.csv": f"{APPROVALS},RRV,QMJ,{in_full},2024-07-01,2024-07-31,IFR-1\n"},
    )
    assert shown(lines, "ebi_outcome", "payable_pence", "reason_code") == {
        "cut": ("zero_price", 0, "UNAPPROVED_EBI"),
        "ampersand": ("zero_price", 0, "UNAPPROVED_EBI"),
        "approved": ("approved", 55000, "ELECTIVE_SPELL"),
        "another letter": ("not_applicable", 56173, "ELECTIVE_SPELL"),
    }


def test_trap_a_leading_zero_of_a_spells_code_makes_no_difference(tmp_path: Path) -> None:
    """Trap 5: `2` and `02` are one code; codes are text and never numbers."""
    intervention = {EBI_TYPE: "A_snoring", SPELL_HRG: "CA64Z"}
    lines = price_records(
        tmp_path,
        spell("private 2", {SPELL_CATEGORY: "2"}),
        spell("private 02", {SPELL_CATEGORY: "02"}),
        spell("day case 2", {CLASSIFICATION: "2"}),
        spell("day case 02", {CLASSIFICATION: "02"}),
        spell("category 1", {**intervention, EBI_CATEGORY: "1"}),
        spell("category 01", {**intervention, EBI_CATEGORY: "01"}),
    )
    found = shown(lines, "point_of_delivery_code", "payment_mechanism", "reason_code")
    assert found["private 2"] == found["private 02"] == ("DC", "outside_scheme", "PRIVATE_PATIENT")
    assert found["day case 2"] == found["day case 02"] == ("DC", "api_variable", "ELECTIVE_SPELL")
    assert found["category 1"] == found["category 01"] == ("DC", "api_variable", "UNAPPROVED_EBI")


def test_trap_a_leading_zero_of_an_attendances_code_makes_no_difference(tmp_path: Path) -> None:
    """Trap 5: attended is `5` or `05`; `0` and `00` are a code too, and not a blank."""
    lines = price_records(
        tmp_path,
        attendance("5", {ATTENDED: "5"}),
        attendance("05", {ATTENDED: "05"}),
        attendance("first 01", {FIRST_ATTENDANCE: "01", ATTENDANCE_HRG: "FE30Z"}),
        attendance("0", {ATTENDED: "0", ATTENDANCE_HRG: ""}),
        attendance("00", {ATTENDED: "00", ATTENDANCE_HRG: ""}),
        attendance("private 2", {ATTENDANCE_CATEGORY: "2"}),
    )
    reasons = {record_id: reason for record_id, (reason,) in shown(lines, "reason_code").items()}
    assert reasons == {
        "5": "FIRST_ATTENDANCE",
        "05": "FIRST_ATTENDANCE",
        "first 01": "FIRST_ATTENDANCE",
        "0": "NOT_ATTENDED",
        "00": "NOT_ATTENDED",
        "private 2": "PRIVATE_PATIENT",
    }


def test_trap_a_treatment_function_is_text(workspace: Workspace) -> None:
    """Trap 6: one with an ampersand is refused as such, one with zeros before it keeps them."""
    codes = {"ampersand": "&01", "zeros": "011", "short": "11"}
    land(workspace, "apc.csv", [spell(i, {TREATMENT_FUNCTION: c}) for i, c in codes.items()])
    lines = price(workspace)
    assert shown(lines, "treatment_function_code") == {"zeros": ("011",)}
    malformed = ["TREATMENT_FUNCTION_MALFORMED"]
    assert refusals(workspace) == {"ampersand": malformed, "short": malformed}


def test_trap_a_site_is_cut_to_its_trust_and_a_five_character_provider_is_not(
    workspace: Workspace,
) -> None:
    """Trap 7: cut to three characters only where five are no provider and three are one."""
    codes = ("RRV", "RRV00", "RRV01", "NVC", "NVC01", "NVC02", "NT313", "NT399", "X99")
    land(workspace, "apc.csv", [spell(code, {PROVIDER: code}) for code in codes])
    assert shown(price(workspace), "provider_code", "mff_ppm") == {
        "RRV": ("RRV", 1_100_000),
        "RRV00": ("RRV", 1_100_000),
        "RRV01": ("RRV", 1_100_000),
        "NVC": ("NVC", 1_300_000),
        "NVC01": ("NVC01", 1_150_000),
        "NVC02": ("NVC", 1_300_000),
        "NT313": ("NT313", 1_200_000),
    }
    unknown = ["PROVIDER_UNKNOWN"]
    assert refusals(workspace, by="pricing") == {"NT399": unknown, "X99": unknown}


def test_trap_a_provider_without_a_market_forces_factor_is_not_given_one(
    workspace: Workspace,
) -> None:
    """Trap 8: neither 1.0 nor an average."""
    land(workspace, "apc.csv", [spell("S1", {PROVIDER: "RCF"}), spell("S2", {PROVIDER: "RCF01"})])
    land(workspace, "op.csv", [attendance("A1", {PROVIDER: "RCF", ATTENDED: "3"})])
    assert price(workspace) == {}
    assert price(workspace, "op") == {}
    missing = ["MFF_MISSING"]
    assert refusals(workspace, by="pricing") == {"S1": missing, "S2": missing}
    assert refusals(workspace, "op", by="pricing") == {"A1": missing}


def test_trap_first_attendance_5_is_an_administrative_event(tmp_path: Path) -> None:
    """Trap 9: a clock stop is not an attendance, whatever its HRG."""
    event = {FIRST_ATTENDANCE: "5"}
    lines = price_records(
        tmp_path,
        attendance("A1", event),
        attendance("A2", {**event, ATTENDANCE_HRG: "FE32Z"}),
        attendance("A3", {**event, ATTENDANCE_HRG: ""}),
    )
    nothing = ("administrative_event", 0, 0, "ADMINISTRATIVE_EVENT")
    columns = ("price_source", "unit_price_pence", "payable_pence", "reason_code")
    assert shown(lines, *columns) == dict.fromkeys(("A1", "A2", "A3"), nothing)


def test_trap_a_record_without_an_administrative_category_does_not_vanish(
    tmp_path: Path,
) -> None:
    """Trap 10: a blank is in no list, and NOT IN a list loses it."""
    spells = price_records(tmp_path / "apc", spell("S1", {SPELL_CATEGORY: ""}))
    attendances = price_records(tmp_path / "op", attendance("A1", {ATTENDANCE_CATEGORY: " "}))
    assert shown(spells, "payment_mechanism", "payable_pence") == {"S1": ("api_variable", 56173)}
    assert shown(attendances, "payment_mechanism", "payable_pence") == {
        "A1": ("api_variable", 22469)
    }


def test_trap_a_first_attendance_not_face_to_face_takes_the_face_to_face_price(
    tmp_path: Path,
) -> None:
    """Trap 11: Annex A has no column D; WF01D and WF02D take the prices of B."""
    lines = price_records(
        tmp_path,
        attendance("A1", {ATTENDANCE_HRG: "WF01D", FIRST_ATTENDANCE: "3"}),
        attendance("A2", {ATTENDANCE_HRG: "WF02D", FIRST_ATTENDANCE: "3"}),
        attendance("A3", {ATTENDANCE_HRG: "WF01C", FIRST_ATTENDANCE: "4"}),
    )
    assert shown(lines, "unit_price_pence", "point_of_delivery_code", "reason_code") == {
        "A1": (20000, "NF2FFA", "FIRST_ATTENDANCE"),
        "A2": (25000, "NF2FFA", "FIRST_ATTENDANCE"),
        "A3": (10000, "NF2FFUP", "FOLLOW_UP"),
    }


def test_trap_a_procedure_without_a_procedure_price_is_the_attendance_it_was(
    tmp_path: Path,
) -> None:
    """Trap 12: it falls back to the price of its treatment function."""
    lines = price_records(
        tmp_path,
        attendance("with", {ATTENDANCE_HRG: "FE32Z"}),
        attendance("without", {ATTENDANCE_HRG: "FE30Z"}),
        attendance("without, by telephone", {ATTENDANCE_HRG: "FE30Z", FIRST_ATTENDANCE: "3"}),
        attendance("without, follow-up", {ATTENDANCE_HRG: "FE30Z", FIRST_ATTENDANCE: "2"}),
    )
    assert shown(lines, "price_source", "unit_price_pence", "point_of_delivery_code") == {
        "with": ("outpatient_procedure", 30000, "OPPROC"),
        "without": ("outpatient_attendance", 20000, "OPFASPCL"),
        "without, by telephone": ("outpatient_attendance", 20000, "NF2FFA"),
        "without, follow-up": ("outpatient_attendance", 10000, "OPFUPSPCL"),
    }


def test_trap_a_day_case_that_stays_is_an_ordinary_elective(workspace: Workspace) -> None:
    """Trap 13: classification 2 with a stay over 0, which is counted as well."""
    stayed = {START: "20240708", STAY: "2", ADJUSTED_STAY: "2", SPELL_HRG: "BZ34C"}
    land(workspace, "apc.csv", [spell("S1", stayed), spell("S2", {SPELL_HRG: "BZ34C"})])
    assert sort_out(workspace).warnings == {"DAY_CASE_WITH_STAY": 1}
    assert shown(price(workspace), "point_of_delivery_code", "unit_price_pence") == {
        "S1": ("EL", 80000),
        "S2": ("DC", 90000),
    }


def test_trap_the_scheme_year_ends_on_31_march(workspace: Workspace) -> None:
    """Trap 14: the costing date alone decides, and the next year's prices are not guessed."""
    admitted = {START: "20250330", STAY: "1", QUERY_DATE: LATER}
    spells = [
        spell("31 March", {**admitted, END: "20250331"}),
        spell("1 April", {**admitted, END: "20250401"}),
        spell("the year before", {START: "20240331", END: "20240401", STAY: "1"}),
    ]
    land(workspace, "apc.csv", spells)
    assert shown(price(workspace, month="2025-03"), "activity_month", "scheme_year") == {
        "31 March": ("2025-03", "2024-25")
    }
    assert set(price(workspace, month="2024-04")) == {"the year before"}
    with pytest.raises(UserError, match="There is no price book for 2025-26"):
        price(workspace, month="2025-04")
    assert scheme_for(workspace, date(2024, 3, 31)).scheme.scheme_year == "2023-24"


def test_trap_an_open_spell_is_not_priced(workspace: Workspace) -> None:
    """Trap 15: one without a discharge, and one that the Plus extract says is open."""
    spells = [
        spell("closed"),
        spell("no discharge", {END: ""}),
        spell("said to be open", {OPEN_SPELL: "Y"}),
    ]
    land(workspace, "apc.csv", spells)
    assert set(price(workspace)) == {"closed"}
    open_spell = ["OPEN_SPELL"]
    assert refusals(workspace) == {"no discharge": open_spell, "said to be open": open_spell}


def test_trap_half_a_penny_is_rounded_away_from_zero(tmp_path: Path) -> None:
    """Trap 16: £3,000.00 x 1.123455 is £3,370.365, which half to even would make £3,370.36."""
    lines = price_records(tmp_path, spell("S1", {SPELL_HRG: "HN24C"}))
    assert shown(lines, "pre_mff_pence", "mff_ppm", "value_pence", "payable_pence") == {
        "S1": (300_000, 1_123_455, 337_037, 337_037)
    }


def test_trap_a_spell_partly_out_of_national_prices_is_priced(tmp_path: Path) -> None:
    """Trap 17: `Spell In PbR` 1 is partly out; only 2 is out as a whole."""
    lines = price_records(tmp_path, *(spell(code, {IN_PBR: code}) for code in ("0", "1", "2")))
    assert shown(lines, "unit_price_pence", "reason_code") == {
        "0": (50000, "ELECTIVE_SPELL"),
        "1": (50000, "ELECTIVE_SPELL"),
        "2": (None, "EXCLUDED_FROM_NATIONAL_PRICES"),
    }


def test_trap_the_same_record_in_flex_and_freeze_and_twice_in_one_file_is_paid_once(
    workspace: Workspace,
) -> None:
    """Trap 18."""
    again = spell("S1", {QUERY_DATE: "20241019063000", SPELL_HRG: "BZ34C"})
    land(workspace, "flex/apc_2024-07.csv", [spell("S1", {SPELL_HRG: "FE30Z"})])
    land(workspace, "freeze/apc_2024-07.csv", [spell("S1"), spell("S2"), again])
    assert shown(price(workspace), "cut", "hrg_code", "unit_price_pence") == {
        "S1": ("freeze", "BZ34C", 90000),
        "S2": ("freeze", "FE32Z", 50000),
    }
    assert refusals(workspace) == {"S1": ["SUPERSEDED"]}


def test_trap_a_misspelt_header_harms_only_where_it_is_needed(workspace: Workspace) -> None:
    """Trap 19: SUS+ itself spells one wrong; one we need is named, and not guessed."""
    columns = delivered_columns("apc")
    assert "Tarrif Initial Amount Local" in columns
    moved = [*reversed(columns)]
    land(workspace, "freeze/apc_2024-07.csv", extract([spell()], moved))
    assert shown(price(workspace), "hrg_code", "value_pence") == {"S1": ("FE32Z", 56173)}

    misspelt = extract([spell()]).replace(b"Derived Commissioner,", b"Derived Comissioner,", 1)
    land(workspace, "freeze/apc_2024-07.csv", misspelt)
    with pytest.raises(UserError, match=f"FILE_COLUMN_MISSING.*'{DERIVED_COMMISSIONER}'"):
        take_in(workspace)


def test_trap_1300_columns_some_of_one_name_are_read(workspace: Workspace) -> None:
    """Trap 20: repeated headers that nothing needs do no harm; one that pricing needs does."""
    extra = [f"Diagnosis {n % 500}" for n in range(1_300 - len(delivered_columns("apc")))]
    columns = [*delivered_columns("apc"), *extra]
    assert (len(columns), len(set(columns))) == (1_300, len(delivered_columns("apc")) + 500)
    record = {**spell(), "Diagnosis 7": "K52"}
    land(workspace, "freeze/apc_2024-07.csv", extract([record], columns))
    assert shown(price(workspace), "hrg_code", "value_pence") == {"S1": ("FE32Z", 56173)}

    land(workspace, "freeze/apc_2024-07.csv", extract([spell()], [*columns, SPELL_HRG]))
    with pytest.raises(UserError, match=f"FILE_COLUMN_REPEATED.*'{SPELL_HRG}'"):
        take_in(workspace)


def test_trap_a_record_that_could_not_be_grouped_has_no_price(tmp_path: Path) -> None:
    """Trap 21: SUS+ prices UZ01Z at zero; that zero is not taken over."""
    ungroupable = {SUS_PRICE: "0.00", PROVIDER: "NT313"}
    spells = price_records(tmp_path / "apc", spell("S1", {**ungroupable, SPELL_HRG: "UZ01Z"}))
    attendances = price_records(
        tmp_path / "op", attendance("A1", {**ungroupable, ATTENDANCE_HRG: "UZ01Z"})
    )
    nothing = ("none", None, None, None, "local_agreement", "UNGROUPABLE")
    columns = ("price_source", "unit_price_pence", "value_pence", "payable_pence")
    columns += ("payment_mechanism", "reason_code")
    assert shown(spells, *columns) == {"S1": nothing}
    assert shown(attendances, *columns) == {"A1": nothing}


@pytest.mark.slow
def test_trap_a_million_rows_whose_last_line_is_cut_off_are_not_taken_in(
    workspace: Workspace,
) -> None:
    """Trap 24: named by its line, and nothing of the file is kept."""
    columns = [header for column in ADMITTED_PATIENT_CARE.columns for header in column.headers]
    columns += ["Hospital Provider Spell No"]
    head, _, row = extract([spell("S1")], columns).partition(b"\r\n")
    whole = land(workspace, "freeze/apc_2024-07.csv", head + b"\r\n" + row * 1_000_000)
    cut_off = whole.stat().st_size - len(row) // 2
    with whole.open("r+b") as file:
        file.truncate(cut_off)
    with pytest.raises(UserError, match="FILE_TRUNCATED: line 1,000,001 has fewer fields"):
        take_in(workspace)
    assert [*workspace.lake.rglob("*.parquet")] == []

    with whole.open("ab") as file:
        file.write(row[-(len(row) - len(row) // 2) :])
    (delivery,) = take_in(workspace)
    assert delivery.records == 1_000_000
    whole.unlink()


def test_trap_a_last_line_cut_off_before_the_intervention_type_is_not_paid_for(
    workspace: Workspace,
) -> None:
    """Trap 24: cut there, every column that pricing needs is whole and the spell would be paid."""
    record = spell("S1", {EBI_CATEGORY: "1", EBI_TYPE: "A_snoring", SPELL_HRG: "CA64Z"})
    columns = [c for c in delivered_columns("apc") if c not in (EBI_CATEGORY, EBI_TYPE)]
    whole = extract([spell("S0"), record], [*columns, EBI_CATEGORY, EBI_TYPE])
    for tail in (b",1,A_snoring\r\n", b"1,A_snoring\r\n", b",A_snoring\r\n"):
        land(workspace, "freeze/apc_2024-07.csv", whole.removesuffix(tail))
        with pytest.raises(UserError, match="FILE_TRUNCATED: line 3 has fewer fields"):
            take_in(workspace)
    land(workspace, "freeze/apc_2024-07.csv", whole)
    assert shown(price(workspace), "reason_code") == {
        "S0": ("ELECTIVE_SPELL",),
        "S1": ("UNAPPROVED_EBI",),
    }
