"""Explaining a published record: what surrounds its lines, by what its run used.

Belongs here: the record as delivered, its parties, price book and run, what is said once
prices, lists or organisations are no longer those of the run, and what the command prints.
Does not belong here: the steps of a line in words (`tests/rules/test_explaining.py`), or a
mapping of organisations or HRGs, which is tested with it.
"""

import json
import random
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from pipeline import making
from pipeline.making import (
    ADJUSTED_STAY,
    CLASSIFICATION,
    END,
    MEDIUM,
    METHOD,
    MONTH,
    PROVIDER,
    SPELL_HRG,
    START,
    STAY,
    UNBUNDLED,
    attendance,
    delivered_columns,
    land,
    land_good_month,
    new_workspace,
    of_attendance,
    spell,
    supplementary,
)
from typer.testing import CliRunner, Result

from pipelines import cli, synth
from pipelines.basis import PricingBasis
from pipelines.explaining import ExplainedLine, ExplainedRecord, explain_record
from pipelines.price_books import shipped_folder
from pipelines.pricing_run import month_days, price, priced_path, rulebook_for
from pipelines.workspace import PROJECT, UserError, Workspace
from pricing import explain
from pricing.explaining import Step
from schemas.extracts import DIRECT_IDENTIFIERS
from schemas.priced_line import PRICED_LINE_COLUMNS

RECORD = f"S1-{MONTH}"
HELD_TO = ("pre_mff_pence", "value_pence", "payable_pence", "patient_charge_pence")


@pytest.fixture(scope="module")
def of_a_good_month(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = new_workspace(tmp_path_factory.mktemp("good") / "workspace")
    land_good_month(made, MONTH)
    making.publish(made, MONTH)
    return made


@pytest.fixture
def workspace(of_a_good_month: Workspace, tmp_path: Path) -> Workspace:
    """A published month of good records, to be changed at will."""
    return copied(of_a_good_month, tmp_path)


def copied(made: Workspace, to: Path) -> Workspace:
    return Workspace.at(shutil.copytree(made.root, to / "workspace"))


def line_of(record: ExplainedRecord) -> ExplainedLine:
    (line,) = record.lines
    return line


def explained(workspace: Workspace) -> dict[str, Step]:
    """The steps of the one line of the record, by what they say."""
    line = line_of(explain_record(workspace, RECORD))
    return {step.what: step for step in (*line.who, *line.explanation.steps)}


def warnings(workspace: Workspace) -> str:
    return " ".join(line_of(explain_record(workspace, RECORD)).warnings)


def manifest(workspace: Workspace) -> Path:
    return workspace.data / "price_books" / "cases" / "manifest.toml"


def run(workspace: Workspace, *arguments: str) -> Result:
    home = {"SUS_PRICING_HOME": str(workspace.root)}
    return CliRunner().invoke(cli.app, ["explain", *arguments], env=home)


def in_one_line(text: str) -> str:
    return " ".join(text.split())


# --- What is there, and what has changed since -----------------------------------------------


def test_nothing_is_said_of_changes_where_there_are_none(workspace: Workspace) -> None:
    steps = explained(workspace)
    assert warnings(workspace) == ""
    price, value = steps["unit price £500.00"].citation, steps["value £561.73"].citation
    assert price.startswith("cases")
    assert price.endswith("(illustrative book, made up)")
    assert "¶73; factor of cases" in value
    assert steps["RGT"].citation == "data/organisations/providers.csv"


def test_a_book_that_came_later_is_not_said_to_have_priced_it(workspace: Workspace) -> None:
    text = manifest(workspace).read_text("utf-8").replace('"cases"', '"later"')
    manifest(workspace).write_text(text, "utf-8")
    price = explained(workspace)["unit price £500.00"]
    assert price.citation == "cases (the book of the run, which is not the one that counts now)"
    assert "price book cases, price book later" in warnings(workspace)


def test_organisations_that_came_later_are_not_said_to_have_been_used(
    workspace: Workspace,
) -> None:
    with (workspace.data / "organisations" / "providers.csv").open("a", encoding="utf-8") as file:
        file.write("RZZ,A trust,nhs_trust,2013-04-01,\n")
    assert explained(workspace)["RGT"].citation == "organisations of the run"
    assert "organisations: not as when this was published" in warnings(workspace)


def test_a_line_is_explained_though_its_book_is_gone(workspace: Workspace) -> None:
    manifest(workspace).unlink()
    assert explained(workspace)["payable £561.73"].how == "100% of the value £561.73"
    assert "There is no price book for 2024-25" in warnings(workspace)


def test_a_line_is_explained_though_a_list_is_faulty_now(workspace: Workspace) -> None:
    land(workspace, "approvals.csv", "record_id,provider_code\nS1,RGT\n")
    assert "payable £561.73" in explained(workspace)


def test_a_record_that_was_delivered_again_since_is_said_to_have_been(
    workspace: Workspace,
) -> None:
    again = spell(RECORD, {making.QUERY_DATE: "20250920063000", making.AGE: "48"})
    land(workspace, f"freeze/apc_again_{MONTH}.csv", [again])
    making.sort_out(workspace)
    assert "delivered again since this was published" in warnings(workspace)


def test_a_price_is_cited_by_its_cell(tmp_path: Path) -> None:
    """FE32Z is on line 12 of the prices; best practice is £460.00 in place of £500.00."""
    made = new_workspace(tmp_path / "workspace")
    land(made, f"freeze/apc_{MONTH}.csv", [spell(RECORD, {"BPT Indicator 2": "BP01"})])
    land(made, f"freeze/op_{MONTH}.csv", [attendance()])
    making.publish(made, MONTH)
    steps = explained(made)
    assert steps["unit price £500.00"].citation == (
        "cases/apc_and_outpatient_procedures.csv, line 12, column 'Combined day case / ordinary "
        "elective spell price (£)' (illustrative book, made up)"
    )
    best_practice = steps["best practice -£40.00"]
    assert "its price £460.00 in place of the base £500.00" in best_practice.how
    assert "price of cases/best_practice_tariffs.csv, line 8, column" in best_practice.citation
    assert "factor of cases/market_forces_factor.csv, line" in steps["value £516.79"].citation


def test_of_several_flags_and_services_the_one_that_counted_is_cited(tmp_path: Path) -> None:
    """FE30Z: of BP01 and BP40 the first, £550.00; the top-up is the higher, 20.5% of £550.00."""
    made = new_workspace(tmp_path / "workspace")
    codes = {
        PROVIDER: "RRV",
        SPELL_HRG: "FE30Z",
        "BPT Indicator 1": "BP01",
        "BPT Indicator 2": "BP40",
        "Specialised Service Code 1": "0101",
        "Specialised Service Code 2": "0102",
    }
    land(made, f"freeze/apc_{MONTH}.csv", [spell(RECORD, codes)])
    land(made, f"freeze/op_{MONTH}.csv", [attendance()])
    making.publish(made, MONTH)
    steps = explained(made)
    assert (
        "cases/best_practice_tariffs.csv, line 6, column" in steps["best practice £50.00"].citation
    )
    assert steps["top-up £112.75"].citation == (
        "2023/25 ¶118; rate of cases/specialist_top_ups.csv, line 3, column 'Top-up (%)' "
        "(illustrative book, made up)"
    )
    # Which services it was of, only the record says.
    shutil.rmtree(made.lake)
    assert explained(made)["top-up £112.75"].citation == (
        "2023/25 ¶118; rate of cases (illustrative book, made up)"
    )


# --- What users' lists decided ---------------------------------------------------------------

LISTS = {
    "local_prices": (
        "provider_code,commissioner_code,hrg_code,treatment_function_code,attendance,price,"
        "agreement_reference,approval_reference,valid_from,valid_to",
        "RGT,QMJ,FE32Z,,,450.00,LP-1,NHSE-1,2024-06-01,2024-06-30",
        "RGT,QMJ,FE32Z,,,450.00,LP-2,NHSE-2,2024-07-01,2024-07-31",
        "RGT,QMJ,,710,follow_up,77.00,LP-3,,2024-07-01,2024-07-31",
        "RGT,QMJ,,710,first,77.00,LP-4,,2024-07-01,2024-07-31",
    ),
    "prior_approvals": (
        "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to,"
        "approval_reference",
        ",RGT,QMJ,B_menstr_D&C,2024-07-01,2024-07-31,IFR-1",
        ",RGT,QMJ,A_snoring,2024-07-01,2024-07-31,IFR-2",
        "APPROVED,,,,,,IFR-3",
    ),
    "overseas_visitors": (
        "dataset,record_id,charging_status,source_reference",
        "op,EXEMPT,chargeable,OVM-1",
        "apc,EXEMPT,exempt,OVM-2",
    ),
    "lva_exceptions": (
        "provider_code,commissioner_code,exception,valid_from,valid_to",
        "RRV,QHM,patient_choice_without_contract,2024-07-01,2024-07-31",
        "RGT,QMJ,patient_choice_without_contract,2024-07-01,2024-07-31",
    ),
    "contracts": (
        "provider_code,commissioner_code,agreement_serial_number,covers,agreed_mechanism,"
        "approval_reference,is_same_system,expected_annual_value,excluded_drugs_baseline,"
        "valid_from,valid_to",
        "RGT,QMJ,,,api,NHSE-3,no,15000000,,2024-07-01,2024-07-31",
        "RGT,QMJ,SUB1,subcontracted,,,,,,2024-07-01,2024-07-31",
        "RGT,QMJ,SUB2,,activity_based,NHSE-4,,,,2024-07-01,2024-07-31",
    ),
}
OF_LISTS = {
    "LOCAL": {},
    "APPROVED": {SPELL_HRG: "FE30Z", making.EBI_CATEGORY: "1", making.EBI_TYPE: "A_snoring"},
    "EXEMPT": {SPELL_HRG: "FE30Z"},
    "CHOICE": {
        SPELL_HRG: "FE30Z",
        PROVIDER: "RRV",
        making.COMMISSIONER: "00L",
        making.DERIVED_COMMISSIONER: "00L",
    },
    "SUBCONTRACTED": {SPELL_HRG: "FE30Z", making.SPELL_AGREEMENT: "SUB1"},
    "PRIVATE": {SPELL_HRG: "FE30Z", making.SPELL_CATEGORY: "02"},
}


@pytest.fixture(scope="module")
def of_lists(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = new_workspace(tmp_path_factory.mktemp("lists") / "workspace")
    land(made, f"freeze/apc_{MONTH}.csv", [spell(name, of) for name, of in OF_LISTS.items()])
    land(made, f"freeze/op_{MONTH}.csv", [attendance("FIRST", {making.TREATMENT_FUNCTION: "710"})])
    for name, lines in LISTS.items():
        land(made, f"{name}.csv", "\n".join(lines) + "\n")
    making.publish(made, MONTH)
    return made


def cited(workspace: Workspace, record_id: str) -> dict[str, tuple[str, str]]:
    """How each step of the one line of a record came about, and what it rests on."""
    line = line_of(explain_record(workspace, record_id))
    return {step.what: (step.how, step.citation) for step in line.explanation.steps}


@pytest.mark.parametrize(
    ("record_id", "what", "how", "citation"),
    [
        (
            "LOCAL",
            "unit price £450.00",
            "the price that the parties agreed, from the list of local prices",
            "local_prices.csv, line 3, agreement LP-2, approval NHSE-2",
        ),
        (
            "FIRST",
            "unit price £77.00",
            "the price that the parties agreed, from the list of local prices",
            "local_prices.csv, line 5, agreement LP-4",
        ),
        (
            "APPROVED",
            "approved",
            "evidence-based intervention with prior approval",
            "2023/25 ¶39; prior_approvals.csv, line 3 and prior_approvals.csv, line 4",
        ),
        (
            "EXEMPT",
            "exempt",
            "overseas visitor by the list: exempt",
            "overseas_visitors.csv, line 3",
        ),
        (
            "CHOICE",
            "exception",
            "to the LVA block of the pair, on the day: patient choice without contract",
            "lva_exceptions.csv, line 2",
        ),
        (
            "SUBCONTRACTED",
            "contract",
            "the parties agreed on api; approval NHSE-3",
            "contracts.csv, line 2",
        ),
        ("SUBCONTRACTED", "agreement SUB1", "covers subcontracted", "contracts.csv, line 3"),
    ],
)
def test_what_a_list_decided_is_cited_by_its_line(
    of_lists: Workspace, record_id: str, what: str, how: str, citation: str
) -> None:
    assert cited(of_lists, record_id)[what] == (how, citation)


def test_a_list_that_was_not_asked_is_not_cited(of_lists: Workspace) -> None:
    """A private patient is outside the scheme whatever was agreed; and RGT has no block."""
    said = " ".join(citation for _, citation in cited(of_lists, "PRIVATE").values())
    assert "contracts.csv" not in said
    assert "exception" not in cited(of_lists, "EXEMPT")
    assert not {"agreement SUB1", "agreement SUB2"} & cited(of_lists, "EXEMPT").keys()


def test_what_a_list_decided_stands_before_the_mechanism(of_lists: Workspace) -> None:
    sections = [s.section for s in line_of(explain_record(of_lists, "CHOICE")).explanation.steps]
    assert sections == sorted(sections, key=["price", "value", "mechanism", "payable"].index)
    said = [*cited(of_lists, "CHOICE")]
    assert said.index("exception") + 1 == said.index("api_variable")


def test_a_list_that_changed_since_is_not_said_to_have_been_used(
    of_lists: Workspace, tmp_path: Path
) -> None:
    made = copied(of_lists, tmp_path)
    for name, lines in LISTS.items():
        header, first, *others = lines
        land(made, f"{name}.csv", "\n".join([header, *others, first]) + "\n")
    assert cited(made, "LOCAL")["unit price £450.00"][1] == "the list of local prices"
    assert cited(made, "APPROVED")["approved"][1] == "2023/25 ¶39; the list of prior approvals"
    for record_id, what in (
        ("EXEMPT", "exempt"),
        ("CHOICE", "exception"),
        ("SUBCONTRACTED", "agreement SUB1"),
    ):
        assert what not in cited(made, record_id)
    assert "local prices local_prices.csv" in " ".join(
        line_of(explain_record(made, "LOCAL")).warnings
    )


def test_without_its_record_a_line_has_what_goes_by_the_pair_alone(
    of_lists: Workspace, tmp_path: Path
) -> None:
    made = copied(of_lists, tmp_path)
    shutil.rmtree(made.lake)
    assert cited(made, "LOCAL")["unit price £450.00"][1] == "the list of local prices"
    assert cited(made, "APPROVED")["approved"][1] == "2023/25 ¶39; prior_approvals.csv, line 4"
    assert "exception" not in cited(made, "CHOICE")
    subcontracted = cited(made, "SUBCONTRACTED")
    assert subcontracted["contract"][1] == "contracts.csv, line 2"
    assert "agreement SUB1" not in subcontracted


# --- As delivered ----------------------------------------------------------------------------


def with_identifiers(record: making.Record, dataset: str) -> making.Record:
    """The record with a value of its own in every column that tells who the patient is."""
    columns = set(delivered_columns(dataset))
    planted = [header for header in DIRECT_IDENTIFIERS if header in columns]
    assert "NHS Number" in planted
    return {**record, **{header: f"PLANTED{n}" for n, header in enumerate(planted)}}


@pytest.fixture(scope="module")
def with_every_identifier(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = new_workspace(tmp_path_factory.mktemp("identified") / "workspace")
    spells = [spell("S1", {CLASSIFICATION: "02"}), spell("S2", {SPELL_HRG: "not one"})]
    land(made, f"freeze/apc_{MONTH}.csv", [with_identifiers(one, "apc") for one in spells])
    land(made, f"freeze/op_{MONTH}.csv", [with_identifiers(attendance("A1"), "op")])
    land(made, "freeze/cds62.csv", supplementary(of_attendance("A1", {MEDIUM: "03"})))
    making.publish(made, MONTH)
    return made


@pytest.fixture
def published(with_every_identifier: Workspace, tmp_path: Path) -> Workspace:
    """A priced spell, a refused one and an attendance, each with every identifier."""
    return copied(with_every_identifier, tmp_path)


def test_a_record_is_shown_as_delivered_by_its_headers_without_blanks(
    published: Workspace,
) -> None:
    (delivered,) = explain_record(published, "S1").as_delivered
    assert delivered.values is not None
    assert delivered.row_number == 1
    assert delivered.values[SPELL_HRG] == "FE32Z"
    assert delivered.values[CLASSIFICATION] == "02"
    assert delivered.values[END] == "20240710"
    assert delivered.values.keys() <= {*delivered_columns("apc")}
    assert all(value.strip() for value in delivered.values.values())


def test_what_a_supplementary_extract_adds_is_shown_with_the_record(published: Workspace) -> None:
    (delivered,) = explain_record(published, "A1").as_delivered
    assert delivered.values is not None
    assert delivered.values[f"{MEDIUM} (CDS 6.2 supplementary extract)"] == "03"
    assert sum("supplementary" in header for header in delivered.values) == 1


def test_a_refused_record_is_shown_as_delivered_with_its_reasons(published: Workspace) -> None:
    record = explain_record(published, "S2")
    (delivered,), (refusal,) = record.as_delivered, record.refusals
    assert delivered.values is not None
    assert delivered.values[SPELL_HRG] == "not one"
    assert (record.lines, refusal.refused_by, refusal.row_number) == ((), "validation", 2)
    assert [reason.reason_code for reason in refusal.reasons] == ["HRG_MALFORMED"]
    assert all(reason.what_to_do for reason in refusal.reasons)


def test_several_unbundled_hrgs_are_shown_under_all_their_headers(tmp_path: Path) -> None:
    made = new_workspace(tmp_path / "workspace")
    codes = {UNBUNDLED: "SB12Z", "Unbundled HRG 3": "XC01Z"}
    land(made, f"freeze/apc_{MONTH}.csv", [spell("S1", codes)])
    land(made, f"freeze/op_{MONTH}.csv", [attendance()])
    making.publish(made, MONTH)
    record = explain_record(made, "S1")
    (delivered,) = record.as_delivered
    assert delivered.values is not None
    assert delivered.values["Unbundled HRG 1 to Unbundled HRG 12"] == "SB12Z XC01Z"
    assert [(line.stored["line_number"], line.stored["hrg_code"]) for line in record.lines] == [
        (0, "FE32Z"),
        (1, "SB12Z"),
        (2, "XC01Z"),
    ]


def test_a_record_that_the_lake_no_longer_holds_is_said_to_be_gone(published: Workspace) -> None:
    shutil.rmtree(published.lake)
    record = explain_record(published, "S1")
    assert [delivered.values for delivered in record.as_delivered] == [None]
    assert line_of(record).explanation.differences == ()
    assert "the lake no longer holds it" in run(published, "S1").output


@pytest.mark.parametrize("record_id", ["S1", "S2", "A1"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_identifier_of_a_patient_is_ever_shown(
    published: Workspace, record_id: str, options: tuple[str, ...]
) -> None:
    said = run(published, record_id, *options)
    assert said.exit_code == 0
    assert record_id in said.output
    assert "PLANTED" not in said.output
    for header in DIRECT_IDENTIFIERS:
        assert header not in in_one_line(said.output)


# --- What the command prints -----------------------------------------------------------------


def test_the_command_prints_every_section_in_order(published: Workspace) -> None:
    said = in_one_line(run(published, "S1").output)
    sections = [
        "Spell S1 As delivered: row 1 of delivery",
        "Line 0 of S1: FE32Z",
        "Who 2024-07 (freeze)",
        "Price DC",
        "Value value £561.73",
        "Mechanism api_variable",
        "Payable payable £561.73",
        "ELECTIVE_SPELL: Day case or ordinary elective spell",
        "Under other mechanisms api_fixed £0.00",
        "local_agreement no amount",
        "What to do",
        "Run run, published",
    ]
    places = [said.find(section) for section in sections]
    assert -1 not in places, sections[places.index(-1)]
    assert places == sorted(places)


def test_the_command_prints_why_a_record_was_refused(published: Workspace) -> None:
    said = in_one_line(run(published, "S2").output)
    assert "Refused by validation: spell S2, row 2 of delivery" in said
    assert "HRG_MALFORMED" in said


def test_a_record_that_nobody_published_is_a_sentence(published: Workspace) -> None:
    with pytest.raises(UserError) as refused:
        explain_record(published, "nobody")
    said = str(refused.value)
    assert said.startswith("No record 'nobody' is in what is published. Published months: 2024-07.")
    assert "sus-pricing run --month CCYY-MM" in said


@pytest.mark.parametrize("record_id", ["S1", "S2"])
def test_a_line_is_explained_with_its_record(published: Workspace, record_id: str) -> None:
    with pytest.raises(UserError) as refused:
        explain_record(published, f"{record_id}:1")
    assert str(refused.value) == (
        f"'{record_id}:1' names a line. All lines of a record are explained together: "
        f"sus-pricing explain {record_id}."
    )
    with pytest.raises(UserError, match="No record 'nobody:1' is in what is published"):
        explain_record(published, "nobody:1")


@pytest.mark.parametrize("record_id", ["S1", "S2"])
def test_a_record_of_another_basis_is_said_to_be_there(
    published: Workspace, record_id: str
) -> None:
    """Priced or refused."""
    with pytest.raises(UserError) as refused:
        explain_record(published.on(PricingBasis("2025-26", date(2025, 5, 1))), record_id)
    assert str(refused.value) == (
        f"Record '{record_id}' is not published under the rules of 2025-26 as known on 2025-05-01. "
        "It is under: its own year's rules (without --scheme and --as-of). Explain it with those "
        "options, or run its month with the ones you gave."
    )


def test_a_mart_of_an_earlier_version_is_to_be_published_again(published: Workspace) -> None:
    with duckdb.connect(str(published.mart)) as connection:
        for schema in ("main", "repriced"):
            for view in ("priced_lines_gbp",):
                connection.execute(f"DROP VIEW {schema}.{view}")
            connection.execute(f"ALTER TABLE {schema}.priced_lines DROP COLUMN mechanism_rule")
    with pytest.raises(UserError, match=r"without mechanism_rule\. Run 2024-07 again\."):
        explain_record(published, "S1")


def test_the_json_document_holds_the_stored_row_and_its_explanation(published: Workspace) -> None:
    document = json.loads(run(published, "S1", "--json").output)
    assert set(document) == {"record_id", "as_delivered", "lines", "refusals"}
    (line,) = document["lines"]
    assert set(line) == {"stored", "who", "explanation", "reason", "warnings", "run"}
    assert {*PRICED_LINE_COLUMNS, "pricing_basis"} == set(line["stored"])
    assert line["stored"]["payable_pence"] == 56_173
    assert line["explanation"]["amounts"]["payable_pence"] == 56_173
    assert line["explanation"]["differences"] == []
    assert line["reason"]["reason_code"] == "ELECTIVE_SPELL"
    assert document["as_delivered"][0]["values"][SPELL_HRG] == "FE32Z"
    refused = json.loads(run(published, "S2", "--json").output)
    assert (refused["lines"], refused["refusals"][0]["refused_by"]) == ([], "validation")


def test_a_published_row_that_was_changed_is_told(published: Workspace) -> None:
    with duckdb.connect(str(published.mart)) as connection:
        connection.execute(
            "UPDATE main.priced_lines SET payable_pence = payable_pence + 1 WHERE record_id = 'S1'"
        )
    said = in_one_line(run(published, "S1").output)
    assert (
        "The row does not hold: payable_pence is £561.74 in the row, and its parts give £561.73"
    ) in said


# --- Against what the pipeline prices --------------------------------------------------------


def test_a_random_thousand_of_a_synthetic_month_recomputes(tmp_path: Path) -> None:
    """From the stored row and the pack alone, to the penny."""
    workspace = Workspace(tmp_path, PROJECT / "data")
    book = shipped_folder(workspace, "2024-25", month_days(MONTH)[0])
    reference = synth.Reference.read(workspace.data / "organisations", book)
    synth.write_extracts([MONTH], 1_500, 1_500, 11, workspace.landing, reference, 10_000)
    stored: list[dict[str, Any]] = []
    for dataset in ("apc", "op"):
        making.sort_out(workspace, dataset)
        made = price(workspace, dataset, MONTH)
        stored += pl.read_parquet(priced_path(workspace, dataset, MONTH, made.cut)).to_dicts()
    by_record: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(stored, key=lambda line: (line["record_id"], line["line_number"])):
        by_record.setdefault(line["record_id"], []).append(line)
    scheme = rulebook_for(workspace, MONTH).pack.scheme
    chosen = random.Random(11).sample(sorted(by_record), 1_000)
    for line in (line for record_id in chosen for line in by_record[record_id]):
        found = explain(line, scheme)
        assert found.differences == (), line
        assert dict(found.amounts) == {name: line[name] for name in HELD_TO}


def test_a_long_stay_is_explained_day_by_day(tmp_path: Path) -> None:
    """FE32Z elective, trim point 5 days: 8 days are 3 × £200.00; (£500 + £600) × 1.123455."""
    made = new_workspace(tmp_path / "workspace")
    stayed = {
        CLASSIFICATION: "1",
        METHOD: "11",
        PROVIDER: "RGT",
        START: "20240702",
        STAY: "8",
        ADJUSTED_STAY: "8",
    }
    land(made, f"freeze/apc_{MONTH}.csv", [spell(RECORD, stayed)])
    land(made, f"freeze/op_{MONTH}.csv", [attendance()])
    making.publish(made, MONTH)
    steps = explained(made)
    assert steps["long stay £600.00"].how == "3 days beyond the trim point × £200.00"
    assert steps["before MFF £1,100.00"].how == "unit price £500.00 + long stay £600.00"
    # £1,100.00 × 1.123455 = £1,235.8005
    assert "value £1,235.80" in steps
