"""Validation: every record rule finds its fault and no other, and the contract bites.

Examples are given for every code of the registry; a new rule without one fails here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pipeline.making import (
    ADJUSTED_STAY,
    AGE,
    APPOINTMENT,
    ATTENDANCE_CATEGORY,
    ATTENDANCE_HRG,
    ATTENDANCE_ID,
    ATTENDED,
    CLASSIFICATION,
    COMMISSIONER,
    DERIVED_COMMISSIONER,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    FIRST_ATTENDANCE,
    IN_PBR,
    MEDIUM,
    METHOD,
    MONTH,
    MULTI_PROFESSIONAL,
    OPEN_SPELL,
    OVERSEAS_VISITOR,
    PROVIDER,
    QUERIED,
    QUERY_DATE,
    SPELL_CATEGORY,
    SPELL_HRG,
    SPELL_ID,
    START,
    STAY,
    SUS_PRICE,
    TREATMENT_FUNCTION,
    UNBUNDLED,
    Record,
    attendance,
    land,
    new_workspace,
    of_attendance,
    of_episode,
    refusals,
    sort_out,
    spell,
    supplementary,
    take_in,
    text_of,
)

from pipelines import validation
from pipelines.validation import Validated, contract_failures, read_warnings, valid_path
from pipelines.workspace import Workspace
from schemas.contracts import valid_schema
from schemas.extracts import BY_DATASET, EXTRACTS
from schemas.rules import record_rules, registry, warning_rules

Changes = dict[str, str]
LATER, EARLIER = "20241019063000", "20240818063000"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def each(header: str, *texts: str) -> list[Changes]:
    return [{header: text} for text in texts]


# --- Every rule ------------------------------------------------------------------------------

MFF_AMOUNT = "MFF Adjustment"
OTHER_AMOUNTS = (
    "Tariff Initial Amount National",
    "Aggregate UnBundled Adjustment National",
    "Tariff Pre MFF Adjusted National",
    MFF_AMOUNT,
)
SPELL_AMOUNTS = ("Tariff Service Adjustment National", "Tariff Long Stay Payment National")
CRITICAL_CARE = tuple(f"Spell {kind} Length Of Stay" for kind in ("ACC", "NCC", "PCC"))
NOT_DATES = ("20240231", "31/07/2024", "not known", "2024071", "2024-7-1", "202407-10", "0")
SHARED: dict[str, list[Changes]] = {
    "PROVIDER_MISSING": each(PROVIDER, "", "  "),
    "COMMISSIONER_MISSING": [{COMMISSIONER: "", DERIVED_COMMISSIONER: " "}],
    "TREATMENT_FUNCTION_MISSING": each(TREATMENT_FUNCTION, "", " "),
    "TREATMENT_FUNCTION_MALFORMED": each(TREATMENT_FUNCTION, "10", "1000", "&01", "A10", "10 0"),
    "SPELL_IN_PBR_UNKNOWN": each(IN_PBR, "", "3", "Y", "00"),
    "SUS_PRICE_UNPARSEABLE": [
        *each(SUS_PRICE, "1,234.00", "12.345", "£12", "n/a", ".5", "9" * 17),
        *({header: "1,234.00"} for header in OTHER_AMOUNTS),
        {MFF_AMOUNT: "-1.234", SUS_PRICE: "?"},
    ],
    "UNBUNDLED_HRG_MALFORMED": [
        *each(UNBUNDLED, "RD20", "rd20a", "RD20AB", "RD 20A", "RD20A,SB12Z"),
        {"Unbundled HRG 12": "SB"},
        {UNBUNDLED: "RD20A", "Unbundled HRG 2": "12", "Unbundled HRG 3": "SB12Z"},
    ],
    "QUERY_DATE_UNPARSEABLE": each(
        QUERY_DATE, "", "20240919", "2024-09-19 06:30", "20249919063000", "not run"
    ),
}
APC: dict[str, list[Changes]] = {
    **SHARED,
    "RECORD_ID_MISSING": each(SPELL_ID, "", "   "),
    "ADMINISTRATIVE_CATEGORY_UNKNOWN": each(SPELL_CATEGORY, "05", "5", "77", "X", "001"),
    "COSTING_DATE_OUT_OF_RANGE": [
        {START: "20180331", END: "20180331"},
        {START: "20240920", END: "20240920"},
        {START: "19000101", END: "19000101"},
    ],
    "SUPERSEDED": [{QUERY_DATE: EARLIER}],
    "HRG_MISSING": each(SPELL_HRG, "", " "),
    "HRG_MALFORMED": each(SPELL_HRG, "FE3", "FE32", "FE322Z", "F-32Z", "32FEZ", "FE32Z1", "fe32z"),
    "ADMISSION_METHOD_MISSING": each(METHOD, ""),
    "ADMISSION_METHOD_UNKNOWN": each(METHOD, "99", "14", "2E", "1", "011", "2a"),
    "PATIENT_CLASSIFICATION_MISSING": each(CLASSIFICATION, ""),
    "PATIENT_CLASSIFICATION_UNKNOWN": each(CLASSIFICATION, "0", "6", "8", "A"),
    "START_DATE_MISSING": each(START, ""),
    "START_DATE_UNPARSEABLE": each(START, *NOT_DATES),
    "END_DATE_UNPARSEABLE": each(END, *NOT_DATES),
    "OPEN_SPELL": [{END: "", OPEN_SPELL: "Y"}, {END: ""}, *each(OPEN_SPELL, "Y", "1", "open")],
    "END_BEFORE_START": each(START, "20240711", "20250710"),
    "LENGTH_OF_STAY_MISSING": each(STAY, ""),
    "LENGTH_OF_STAY_UNPARSEABLE": each(STAY, "2.5", "two", "1e2", "1 day"),
    "LENGTH_OF_STAY_OUT_OF_RANGE": each(STAY, "-1", "36526", "9" * 18),
    "ADJUSTED_LENGTH_OF_STAY_UNPARSEABLE": each(ADJUSTED_STAY, "3 days", "1.0"),
    "ADJUSTED_LENGTH_OF_STAY_OUT_OF_RANGE": each(ADJUSTED_STAY, "-2", "36526"),
    "SUS_PRICE_UNPARSEABLE": [
        *SHARED["SUS_PRICE_UNPARSEABLE"],
        *({header: "12.345"} for header in SPELL_AMOUNTS),
    ],
    "CRITICAL_CARE_DAYS_UNPARSEABLE": [{header: "2.5"} for header in CRITICAL_CARE],
    "CRITICAL_CARE_DAYS_OUT_OF_RANGE": [
        {header: text} for header in CRITICAL_CARE for text in ("-1", "36526")
    ],
    "BPT_INDICATOR_MALFORMED": [
        *each("BPT Indicator 1", "bp65", "BP-65", "B" * 11),
        {"BPT Indicator 1": "BP65", "BPT Indicator 5": "?"},
    ],
    "SPECIALISED_SERVICE_MALFORMED": [
        *each("Significant Specialised Service Code", "NCBPS08s", "08/S"),
        *each("Specialised Service Code 5", "N" * 11),
    ],
    "AGE_MISSING": each(AGE, ""),
    "AGE_UNPARSEABLE": each(AGE, "n/k", "45y", "4.5"),
    "AGE_OUT_OF_RANGE": each(AGE, "-1", "131", "999"),
    "EBI_CATEGORY_UNKNOWN": [*each(EBI_CATEGORY, "3", "A"), {EBI_TYPE: "C_knee_arth"}],
    "EBI_TYPE_UNKNOWN": [
        {EBI_CATEGORY: "1"},
        {EBI_CATEGORY: "01", EBI_TYPE: "snoring"},
        {EBI_CATEGORY: "1", EBI_TYPE: "a_snoring"},
        {EBI_CATEGORY: "1", EBI_TYPE: "Asnoring"},
    ],
}
OP: dict[str, list[Changes]] = {
    **SHARED,
    "RECORD_ID_MISSING": each(ATTENDANCE_ID, "", "   "),
    "ADMINISTRATIVE_CATEGORY_UNKNOWN": each(ATTENDANCE_CATEGORY, "05", "5", "77", "X", "001"),
    "COSTING_DATE_OUT_OF_RANGE": each(APPOINTMENT, "20180331", "2024-09-20"),
    "SUPERSEDED": [{QUERY_DATE: EARLIER}],
    "HRG_MISSING": [
        {ATTENDANCE_HRG: ""},
        {ATTENDANCE_HRG: " ", ATTENDED: "6"},
        {ATTENDANCE_HRG: "", ATTENDED: "05", FIRST_ATTENDANCE: "4"},
    ],
    "HRG_MALFORMED": each(ATTENDANCE_HRG, "WF1B", "WF01"),
    "ATTENDED_MISSING": each(ATTENDED, ""),
    "ATTENDED_UNKNOWN": each(ATTENDED, "1", "8", "Y"),
    "FIRST_ATTENDANCE_MISSING": each(FIRST_ATTENDANCE, ""),
    "FIRST_ATTENDANCE_UNKNOWN": each(FIRST_ATTENDANCE, "0", "6", "F"),
    "APPOINTMENT_DATE_MISSING": each(APPOINTMENT, ""),
    "APPOINTMENT_DATE_UNPARSEABLE": each(APPOINTMENT, *NOT_DATES),
}
EXAMPLES = {"apc": APC, "op": OP}
MAKE: dict[str, Callable[..., Record]] = {"apc": spell, "op": attendance}
ID_HEADER = {"apc": SPELL_ID, "op": ATTENDANCE_ID}


def examples(dataset: str) -> Iterator[tuple[str, Record]]:
    """Every example as a record, and the code it is to be refused for."""
    for code, variants in EXAMPLES[dataset].items():
        for number, changes in enumerate(variants, 1):
            yield code, MAKE[dataset](f"{code} {number}", changes)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """The codes of every example, in the order of `examples`, by dataset."""
    found = {}
    for dataset in EXAMPLES:
        workspace = new_workspace(tmp_path_factory.mktemp(dataset))
        records = [record for _, record in examples(dataset)]
        standing = [MAKE[dataset]("SUPERSEDED 1"), MAKE[dataset]("sound")]
        land(workspace, f"{dataset}_{MONTH}.csv", [*records, *standing])
        assert sort_out(workspace, dataset).valid == 2
        path = validation.refused_path(workspace, dataset, MONTH, "freeze", "validation")
        rows = pl.read_parquet(path).sort("row_number")
        assert rows["row_number"].to_list() == list(range(1, len(records) + 1))
        found[dataset] = rows["refusal_codes"].to_list()
    return found


@pytest.mark.parametrize(
    ("dataset", "code"),
    [(e.dataset, rule.code) for e in EXTRACTS for rule in record_rules(e)],
)
def test_a_record_with_one_fault_is_refused_with_that_code_alone(
    dataset: str, code: str, refused: dict[str, list[list[str]]]
) -> None:
    assert code in EXAMPLES[dataset], "a rule must have an example here"
    found = {
        str({h: text for h, text in record.items() if text != MAKE[dataset]().get(h)}): codes
        for (expected, record), codes in zip(examples(dataset), refused[dataset], strict=True)
        if expected == code
    }
    assert found == {changes: [code] for changes in found}
    assert found


def test_every_record_rule_of_the_registry_has_an_example() -> None:
    codes = {code for code, rule in registry().items() if rule.severity == "record"}
    assert codes == APC.keys() | OP.keys()


def test_every_reason_is_given_when_several_apply(workspace: Workspace) -> None:
    faults = {
        SPELL_HRG: "x",
        AGE: "131",
        STAY: "",
        METHOD: "14",
        QUERY_DATE: "",
        PROVIDER: "",
        TREATMENT_FUNCTION: "&01",
        START: "20240711",
    }
    other = {ATTENDANCE_HRG: "", TREATMENT_FUNCTION: "", SUS_PRICE: "?"}
    land(workspace, "apc_2024-07.csv", [spell("S1", faults)])
    land(workspace, "op_2024-07.csv", [attendance("A1", other)])
    sort_out(workspace)
    sort_out(workspace, "op")
    assert refusals(workspace) == {
        "S1": [
            "ADMISSION_METHOD_UNKNOWN",
            "AGE_OUT_OF_RANGE",
            "END_BEFORE_START",
            "HRG_MALFORMED",
            "LENGTH_OF_STAY_MISSING",
            "PROVIDER_MISSING",
            "QUERY_DATE_UNPARSEABLE",
            "TREATMENT_FUNCTION_MALFORMED",
        ]
    }
    assert refusals(workspace, "op") == {
        "A1": ["HRG_MISSING", "SUS_PRICE_UNPARSEABLE", "TREATMENT_FUNCTION_MISSING"]
    }


def test_a_record_of_blanks_is_refused_for_everything_that_is_missing(
    workspace: Workspace,
) -> None:
    blanks = dict.fromkeys(spell(), "")
    land(workspace, "apc_2024-07.csv", [blanks, spell("S1")])
    assert sort_out(workspace).refused_by_code == dict.fromkeys(
        [
            "ADMISSION_METHOD_MISSING",
            "AGE_MISSING",
            "COMMISSIONER_MISSING",
            "HRG_MISSING",
            "LENGTH_OF_STAY_MISSING",
            "OPEN_SPELL",
            "PATIENT_CLASSIFICATION_MISSING",
            "PROVIDER_MISSING",
            "QUERY_DATE_UNPARSEABLE",
            "RECORD_ID_MISSING",
            "SPELL_IN_PBR_UNKNOWN",
            "START_DATE_MISSING",
            "TREATMENT_FUNCTION_MISSING",
        ],
        1,
    )


def test_a_refused_record_keeps_its_text_as_delivered(workspace: Workspace) -> None:
    written = {SPELL_HRG: " fe3 ", AGE: " 0131", PROVIDER: "rgt ", START: "2024-07-09", STAY: ""}
    written |= {UNBUNDLED: "rd20a", "Unbundled HRG 12": "SB"}
    land(workspace, "apc_2024-07.csv", [spell(), spell(" S2 ", written)])
    sort_out(workspace)
    path = validation.refused_path(workspace, "apc", MONTH, "freeze", "validation")
    (row,) = pl.read_parquet(path).to_dicts()
    delivered = {c.name: row[c.name] for c in BY_DATASET["apc"].columns}
    sent = spell(" S2 ", written)
    assert delivered == {c.name: text_of(sent, c) for c in BY_DATASET["apc"].columns}
    assert row["row_number"] == 2


def test_a_valid_record_is_typed_and_its_codes_are_cleaned(workspace: Workspace) -> None:
    changes = {
        PROVIDER: " RGT",
        SPELL_CATEGORY: "1",
        CLASSIFICATION: "02",
        METHOD: " 2A ",
        START: "2024-07-08",
        STAY: "02",
        ADJUSTED_STAY: "",
        EBI_CATEGORY: "01",
        EBI_TYPE: " B_menstr_D&C ",
        SPELL_HRG: " FE32Z",
        SUS_PRICE: "12.5",
        DERIVED_COMMISSIONER: "",
        MFF_AMOUNT: "-0.05",
        "Tariff Initial Amount National": "561",
        UNBUNDLED: " RD20A",
        "Unbundled HRG 12": "SB12Z ",
        "BPT Indicator 2": "BP65",
        "Spell NCC Length Of Stay": "3",
    }
    land(workspace, "apc_2024-07.csv", [spell(" S1 ", changes)])
    assert sort_out(workspace).valid == 1
    frame = pl.read_parquet(valid_path(workspace, "apc", MONTH, "freeze"))
    assert dict(frame.schema) == valid_schema(BY_DATASET["apc"])
    (row,) = frame.to_dicts()
    assert {
        "record_id": "S1",
        "organisation_code_of_provider": "RGT",
        "administrative_category_code": "01",
        "patient_classification_code": "2",
        "admission_method_code": "2A",
        "length_of_stay_days": 2,
        "adjusted_length_of_stay_days": None,
        "ebi_category_code": "1",
        "ebi_type_code": "B_menstr_D&C",
        "hrg_code": "FE32Z",
        "sus_price_pence": 1250,
        "sus_mff_pence": -5,
        "sus_initial_pence": 56100,
        "sus_top_up_pence": None,
        "unbundled_hrg_codes": "RD20A SB12Z",
        "best_practice_flags": "BP65",
        "specialised_service_codes": None,
        "neonatal_critical_care_days": 3,
        "adult_critical_care_days": None,
        "overseas_visitor_code": None,
        "derived_commissioner_code": None,
        "treatment_function_code": "100",
    }.items() <= row.items()
    assert (str(row["start_date"]), str(row["end_date"])) == ("2024-07-08", "2024-07-10")


# --- Either side of every limit --------------------------------------------------------------

LIMITS: dict[str, tuple[list[Changes], list[Changes]]] = {
    "age": (each(AGE, "0", "130"), each(AGE, "-1", "131")),
    "stay": (each(STAY, "0", "36525"), each(STAY, "-1", "36526")),
    "adjusted stay": (each(ADJUSTED_STAY, "", "0", "36525"), each(ADJUSTED_STAY, "-1", "36526")),
    "first costing date": (
        [{START: "20180401", END: "20180401"}, {START: "20180331", END: "20180401"}],
        [{START: "20180331", END: "20180331"}],
    ),
    "query date": (
        [{END: "20240919", START: "20240919"}, {QUERY_DATE: "20240710000000"}],
        [{END: "20240920", START: "20240920"}, {QUERY_DATE: "20240709235959"}],
    ),
    "start and end": (each(START, "20240709", "20240710"), each(START, "20240711")),
    "administrative category": (
        each(SPELL_CATEGORY, "", "1", "01", "02", "3", "04", "98", "99"),
        each(SPELL_CATEGORY, "00", "05", "97"),
    ),
    "open spell": (each(OPEN_SPELL, "", "N", "0"), each(OPEN_SPELL, "Y", "1", "n")),
    "intervention": (
        [
            {EBI_CATEGORY: "1", EBI_TYPE: "Z_other"},
            {EBI_CATEGORY: "2"},
            {EBI_CATEGORY: "02", EBI_TYPE: "whatever"},
        ],
        [{EBI_CATEGORY: "1", EBI_TYPE: "_A"}, {EBI_TYPE: "A_snoring"}],
    ),
    "critical care": (
        each("Spell ACC Length Of Stay", "", "0", "36525"),
        each("Spell ACC Length Of Stay", "-1", "36526"),
    ),
    "amount that MFF adds": (each(MFF_AMOUNT, "", "-5.25", "5.25"), each(MFF_AMOUNT, "5.255")),
    "best practice tariff indicator": (
        each("BPT Indicator 1", "", "1", "B" * 10),
        each("BPT Indicator 1", "B" * 11),
    ),
    "price of SUS": (each(SUS_PRICE, "", "0", "-5.25", "9" * 10), each(SUS_PRICE, "9" * 11)),
    "one commissioner is enough": (
        [{COMMISSIONER: ""}, {DERIVED_COMMISSIONER: ""}],
        [{COMMISSIONER: "", DERIVED_COMMISSIONER: ""}],
    ),
}
LIMITS_OP: dict[str, tuple[list[Changes], list[Changes]]] = {
    "an appointment nobody attended needs no HRG": (
        [{ATTENDANCE_HRG: "", ATTENDED: code} for code in ("0", "00", "2", "3", "04", "7")],
        [{ATTENDANCE_HRG: "", ATTENDED: code} for code in ("5", "06")],
    ),
    "an administrative event needs no HRG": (
        [{ATTENDANCE_HRG: "", FIRST_ATTENDANCE: "5"}, {ATTENDANCE_HRG: "", FIRST_ATTENDANCE: "05"}],
        [{ATTENDANCE_HRG: "", FIRST_ATTENDANCE: "4"}],
    ),
    "first costing date": (each(APPOINTMENT, "20180401"), each(APPOINTMENT, "20180331")),
    "query date": (each(APPOINTMENT, "20240919"), each(APPOINTMENT, "20240920")),
}


@pytest.mark.parametrize(
    ("dataset", "limits"), [("apc", LIMITS), ("op", LIMITS_OP)], ids=["apc", "op"]
)
def test_limits_hold_on_either_side(
    workspace: Workspace,
    dataset: str,
    limits: dict[str, tuple[list[Changes], list[Changes]]],
) -> None:
    sides: dict[str, bool] = {}
    records = []
    for name, (inside, outside) in limits.items():
        for is_inside, variants in ((True, inside), (False, outside)):
            for changes in variants:
                record_id = f"{name}: {changes}"
                sides[record_id] = is_inside
                records.append(MAKE[dataset](record_id, changes))
    land(workspace, f"{dataset}.csv", [*records, MAKE[dataset]("last", LAST[dataset])])
    taken = take_in(workspace, dataset, "2024-10")
    valid: set[str] = set()
    for month in taken[0].months:
        sort_out(workspace, dataset, month)
        ids = pl.read_parquet(valid_path(workspace, dataset, month, "freeze"))["record_id"]
        valid |= set(ids)
    assert {record_id: record_id in valid for record_id in sides} == sides


LAST = {
    "apc": {START: "20241001", END: "20241001", QUERY_DATE: LATER},
    "op": {APPOINTMENT: "20241001", QUERY_DATE: LATER},
}


# --- Superseded ------------------------------------------------------------------------------


def test_the_earlier_of_two_in_a_file_is_superseded(workspace: Workspace) -> None:
    both = [spell("S1", {AGE: "50"}), spell("S1", {QUERY_DATE: EARLIER}), spell("S2")]
    land(workspace, "apc.csv", both)
    validated = sort_out(workspace)
    assert (validated.valid, validated.refused_by_code) == (2, {"SUPERSEDED": 1})
    valid = pl.read_parquet(valid_path(workspace, "apc", MONTH, "freeze"))
    assert dict(valid.select("record_id", "age_years").rows()) == {"S1": 50, "S2": 47}


def test_of_two_alike_in_a_file_the_later_row_stands(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1", {AGE: age}) for age in ("50", "51", "52")])
    validated = sort_out(workspace)
    assert (validated.valid, validated.refused_by_code) == (1, {"SUPERSEDED": 2})
    assert pl.read_parquet(valid_path(workspace, "apc", MONTH, "freeze"))["age_years"].item() == 52


def test_a_later_delivery_supersedes_an_earlier_one(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_a.csv", [spell("S1", {AGE: "50", QUERY_DATE: LATER}), spell("S2")])
    land(workspace, "freeze/apc_b.csv", [spell("S1", {AGE: "51"}), spell("S3")])
    validated = sort_out(workspace)
    assert (validated.delivered, validated.valid) == (4, 3)
    valid = pl.read_parquet(valid_path(workspace, "apc", MONTH, "freeze"))
    assert dict(valid.select("record_id", "age_years").rows())["S1"] == 50
    assert refusals(workspace) == {"S1": ["SUPERSEDED"]}


def test_of_two_alike_in_two_deliveries_exactly_one_stands(workspace: Workspace) -> None:
    land(workspace, "freeze/apc_a.csv", [spell("S1", {AGE: "50"})])
    land(workspace, "freeze/apc_b.csv", [spell("S1", {AGE: "51"})])
    assert sort_out(workspace).refused_by_code == {"SUPERSEDED": 1}


def test_spaces_around_an_identifier_do_not_make_it_another(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell(" S1"), spell("S1 ", {QUERY_DATE: f" {LATER} "})])
    assert sort_out(workspace).refused_by_code == {"SUPERSEDED": 1}
    assert refusals(workspace) == {" S1": ["SUPERSEDED"]}


def test_a_spell_delivered_again_with_another_discharge_is_superseded_in_the_month_before(
    workspace: Workspace,
) -> None:
    again = {END: "20240803", STAY: "24", QUERY_DATE: LATER}
    land(workspace, "freeze/apc_july.csv", [spell("S1"), spell("S2")])
    land(workspace, "freeze/apc_august.csv", [spell("S1", again)])
    sort_out(workspace)
    assert refusals(workspace) == {"S1": ["SUPERSEDED"]}
    assert sort_out(workspace, month="2024-08").valid == 1


def test_another_cut_supersedes_nothing(workspace: Workspace) -> None:
    land(workspace, "flex/apc.csv", [spell("S1", {QUERY_DATE: LATER})])
    land(workspace, "freeze/apc.csv", [spell("S1")])
    assert sort_out(workspace) == Validated(
        cut="freeze", delivered=1, valid=1, refused=0, refused_by_code={}, warnings={}
    )


def test_records_without_an_identifier_supersede_nothing(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell(""), spell(" ", {QUERY_DATE: LATER})])
    assert sort_out(workspace).refused_by_code == {"RECORD_ID_MISSING": 2}


def test_a_record_whose_query_date_cannot_be_read_supersedes_nothing(
    workspace: Workspace,
) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S1", {QUERY_DATE: "99999999999999"})])
    validated = sort_out(workspace)
    assert (validated.valid, validated.refused_by_code) == (1, {"QUERY_DATE_UNPARSEABLE": 1})


def test_validating_again_gives_the_same(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S1"), spell("S2", {AGE: ""})])
    assert sort_out(workspace) == sort_out(workspace)


# --- Warnings --------------------------------------------------------------------------------


def test_warnings_are_counted_and_refuse_nothing(workspace: Workspace) -> None:
    spells = [
        spell("sound"),
        spell("sound stay", {START: "20240708", STAY: "2", CLASSIFICATION: "1"}),
        spell("differs", {STAY: "1", CLASSIFICATION: "1"}),
        spell("day case with stay", {START: "20240709", STAY: "1"}),
        spell("both", {STAY: "3"}),
        spell("visitor"),
        spell("refused ones are not counted", {STAY: "3", AGE: ""}),
    ]
    attendances = [attendance("A1"), attendance("A2"), attendance("A3", {ATTENDANCE_HRG: "x"})]
    codes = [
        of_attendance("A1", {OVERSEAS_VISITOR: "5", MEDIUM: "9"}),
        of_attendance("A2", {MULTI_PROFESSIONAL: "M", MEDIUM: "99"}),
        of_attendance("A3", {OVERSEAS_VISITOR: "5"}),
    ]
    land(workspace, "apc.csv", spells)
    land(workspace, "op.csv", attendances)
    land(workspace, "cds62.csv", supplementary(of_episode("E1", "visitor", "1", "X"), *codes))
    validated = sort_out(workspace)
    assert (validated.valid, validated.refused) == (6, 1)
    assert validated.warnings == {
        "OVERSEAS_VISITOR_UNKNOWN": 1,
        "LENGTH_OF_STAY_DIFFERS": 2,
        "DAY_CASE_WITH_STAY": 2,
    }
    assert validated.warnings.keys() == {rule.code for rule in warning_rules(BY_DATASET["apc"])}
    of_outpatients = sort_out(workspace, "op")
    assert (of_outpatients.valid, of_outpatients.refused) == (2, 1)
    assert of_outpatients.warnings == {
        "OVERSEAS_VISITOR_UNKNOWN": 1,
        "MULTI_PROFESSIONAL_UNKNOWN": 1,
        "CONSULTATION_MEDIUM_UNKNOWN": 2,
    }
    assert of_outpatients.warnings.keys() == {r.code for r in warning_rules(BY_DATASET["op"])}
    assert read_warnings(workspace, "op", MONTH, "freeze") == of_outpatients.warnings


# --- The contract: the second lock -----------------------------------------------------------

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def put(column: str, value: Any) -> Spoil:
    """Writes a value into the second row of a column."""

    def spoil(frame: pl.DataFrame) -> pl.DataFrame:
        is_second = pl.int_range(pl.len()) == 1
        new = pl.when(is_second).then(pl.lit(value)).otherwise(pl.col(column))
        return frame.with_columns(new.cast(frame.schema[column]).alias(column))

    return spoil


SPOILT: dict[str, tuple[Spoil, str]] = {
    "unknown code": (put("admission_method_code", "99"), "admission_method_code"),
    "code not padded": (put("administrative_category_code", "1"), "administrative_category_code"),
    "malformed HRG": (put("hrg_code", "FE32"), "hrg_code"),
    "malformed treatment function": (put("treatment_function_code", "&01"), "treatment_function"),
    "unknown visitor": (put("overseas_visitor_code", "7"), "overseas_visitor_code"),
    "malformed unbundled HRG": (put("unbundled_hrg_codes", "RD20A "), "unbundled_hrg_codes"),
    "age out of range": (put("age_years", 131), "age_years"),
    "negative stay": (put("length_of_stay_days", -1), "length_of_stay_days"),
    "adjusted stay out of range": (put("adjusted_length_of_stay_days", 36526), "adjusted_length"),
    "no identifier": (put("record_id", None), "record_id"),
    "no provider": (put("organisation_code_of_provider", None), "organisation_code_of_provider"),
    "no discharge date": (put("end_date", None), "end_date"),
    "the same record twice": (put("record_id", "S1"), "uniqueness"),
    "ends before it starts": (lambda f: f.with_columns(start_date=pl.date(2024, 7, 11)), ""),
    "a column too many": (
        lambda f: f.with_columns(nhs_number=pl.lit("9990001112")),
        "column_in_schema",
    ),
    "a column too few": (lambda f: f.drop("provider_site_code"), "column_in_dataframe"),
    "columns in another order": (lambda f: f.select(sorted(f.columns)), ""),
    "a date as text": (lambda f: f.with_columns(pl.col("end_date").cast(pl.String)), "end_date"),
    "days as a fraction": (lambda f: f.with_columns(pl.col("age_years").cast(pl.Float64)), "age"),
}


@pytest.fixture(scope="module")
def sorted_out(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("contract"))
    land(workspace, "apc.csv", [spell("S1"), spell("S2"), spell("S3")])
    sort_out(workspace)
    return workspace


@pytest.mark.parametrize("kind", SPOILT)
def test_the_contract_catches_bad_records(sorted_out: Workspace, kind: str) -> None:
    spoil, named = SPOILT[kind]
    path = valid_path(sorted_out, "apc", MONTH, "freeze")
    good = path.read_bytes()
    try:
        spoil(pl.read_parquet(path)).write_parquet(path)
        checked, failures = contract_failures(sorted_out, "apc", MONTH)
    finally:
        path.write_bytes(good)
    assert checked == 3
    assert failures
    assert named in str(failures)
    assert not any(text in str(failures) for text in ("S2", "9990001112")), "no values leave it"
    assert contract_failures(sorted_out, "apc", MONTH) == (3, [])


def test_the_contract_of_attendances_catches_bad_records(workspace: Workspace) -> None:
    land(workspace, "op.csv", [attendance("A1"), attendance("A2")])
    sort_out(workspace, "op")
    path = valid_path(workspace, "op", MONTH, "freeze")
    good = pl.read_parquet(path)
    for column, value in {"first_attendance_code": "6", "appointment_date": None}.items():
        put(column, value)(good).write_parquet(path)
        checked, failures = contract_failures(workspace, "op", MONTH)
        assert (checked, [f["column"] for f in failures]) == (2, [column])


def test_the_contract_takes_a_month_with_no_valid_records(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1", {AGE: ""})])
    assert sort_out(workspace).valid == 0


def test_the_query_date_of_the_records_made_here_is_the_one_the_limits_are_about() -> None:
    assert QUERIED.startswith("20240919")
