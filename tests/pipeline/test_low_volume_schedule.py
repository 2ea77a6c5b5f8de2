"""The LVA payments schedule from extracts, packs, books and lists to its files.

Belongs here: what is read, what is refused and how, and what is written. Does not belong here: the
sums (`rules/test_low_volume_schedule.py`).

The pack of 2026/27 is cut down to two reference years, each of twelve tiny months. In 2026/27 an
amount is multiplied by 1.0283 × 1.0003 × 1.085 = 1.11604021165.
"""

import csv
import json
import shutil
from datetime import date
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pipeline import making
from pipeline.making import attendance, land, new_workspace, spell
from typer.testing import CliRunner

from pipelines.assets import WorkspaceResource, low_volume_schedule
from pipelines.basis import months_of
from pipelines.cli import app
from pipelines.low_volume import reference_years, schedule_files
from pipelines.low_volume import schedule as schedules
from pipelines.low_volume.published_schedules import published_schedule, reexpress
from pipelines.low_volume.reference_years import (
    Pricing,
    ReferenceYear,
    months_lacking,
    months_to_take_in,
)
from pipelines.low_volume.schedule import Schedule, build, recipe
from pipelines.organisations import read_organisations
from pipelines.price_books.books import Publication
from pipelines.price_books.importing import import_csv
from pipelines.workspace import UserError, Workspace
from pricing.low_volume_schedule import Activity, against_published
from pricing.scheme_tables import WHOLE, SchemePackError

YEARS = ("2019-20", "2022-23")
PARTS = "Acute,Mental health and community,Secondary dental,Specialised"
LAST = f"""provider_code,commissioner_code,{PARTS},block_value
RTD,QMJ,60000,35000,-,-,95000
RRV,QHM,100000,80000,12000,20000,212000
RYB,QHM,30000,10000,-,-,40000
"""
PUBLISHED = """provider_code,commissioner_code,block_value
RTD,QMJ,47654
RRV,QHM,112690
RYC,QHM,12000
RX3,QHL,48000
"""
HEADER = "scheme_year,schedule_input,provider_code,commissioner_code,part,year,amount,growth"
INPUTS = f"""{HEADER}
2026-27,newly_delegated,RRV,QHM,specialised,,1000,
2026-27,provider_income,RTD,,,,500000000,
2026-27,last_schedule,RTD,QZA,mental_health_and_community,,0,
2026-27,last_schedule,RTD,QZA,specialised,,0,
2023-24,allocation_growth,,QMJ,,,,5%
"""
NEWLY = "2026-27,newly_delegated,RRV,QHM,specialised,,0,\n"
LATER = {making.QUERY_DATE: "20250919063000"}


def of_month(year: str, month: str) -> tuple[list[making.Record], list[making.Record]]:
    """The spells and attendances of a month: each spell is worth £500 before MFF."""
    day = f"{month.replace('-', '')}10"
    dates = {making.START: day, making.END: day, **LATER}
    plain = {**dates, making.PROVIDER: "RTD"}
    spells = [spell(f"S0-{month}", plain)]
    seen = {making.APPOINTMENT: day, making.PROVIDER: "RTD", **LATER}
    if year == "2022-23":
        by_nhs_england = {making.COMMISSIONER: "13Q", making.DERIVED_COMMISSIONER: "13Q"}
        return spells, [attendance(f"A0-{month}", {**seen, **by_nhs_england})]
    if month == "2019-07":
        changes: list[dict[str, str]] = [
            {making.COMMISSIONER: "56Z", making.DERIVED_COMMISSIONER: "56Z"},
            {making.PROVIDER: "RZA"},
            {making.TREATMENT_FUNCTION: "140"},
            {making.TREATMENT_FUNCTION: "710"},
            {making.COMMISSIONER: "13Q", making.DERIVED_COMMISSIONER: "13Q"},
            {making.PROVIDER: "NT313"},
            {making.PROVIDER: "RX8"},
            {making.PROVIDER: "RCF"},
            {making.SPELL_HRG: "FE99Z"},
        ]
        spells += [
            spell(f"S{place}-{month}", {**plain, **change})
            for place, change in enumerate(changes, 1)
        ]
    return spells, [attendance(f"A0-{month}", seen)]


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Both reference years taken in and validated, the last and the published schedule there."""
    workspace = new_workspace(tmp_path_factory.mktemp("schedule") / "workspace")
    making.add_book_of_2026_27(workspace)
    books = workspace.data / "price_books"
    (books / "cases" / "lva_payments_schedule.csv").write_text(LAST, "utf-8")
    (books / "cases-2026" / "lva_payments_schedule.csv").write_text(PUBLISHED, "utf-8")
    pack = workspace.data / "schemes" / "2026-27.toml"
    text = pack.read_text("utf-8").replace(
        'reference_years = ["2019-20", "2022-23", "2023-24"]',
        'reference_years = ["2019-20", "2022-23"]',
    )
    pack.write_text(text, "utf-8")
    land(workspace, "schedule_inputs.csv", INPUTS)
    for year in YEARS:
        months = months_of(year)
        spells, attendances = zip(*(of_month(year, month) for month in months), strict=True)
        for name, records in (("apc", spells), ("op", attendances)):
            land(workspace, f"freeze/{name}_{months[0]}_{months[-1]}.csv", list(chain(*records)))
    for year in YEARS:
        for month in months_of(year):
            for dataset in ("apc", "op"):
                making.sort_out(workspace, dataset, month)
    return workspace


@pytest.fixture(scope="module")
def built(taken_in: Workspace) -> Schedule:
    return build(taken_in, "2026-27")


def copied(workspace: Workspace, folder: Path) -> Workspace:
    return Workspace.at(shutil.copytree(workspace.root, folder / "workspace"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One in which nothing is taken in yet, with both schedules and the list."""
    made = new_workspace(tmp_path / "workspace")
    making.add_book_of_2026_27(made)
    books = made.data / "price_books"
    (books / "cases" / "lva_payments_schedule.csv").write_text(LAST, "utf-8")
    land(made, "schedule_inputs.csv", INPUTS)
    return made


def refused(workspace: Workspace, year: str = "2026-27", **options: Any) -> str:
    with pytest.raises((UserError, SchemePackError)) as error:
        build(workspace, year, **options)
    return str(error.value)


# --- From extracts to values -------------------------------------------------------------------


@pytest.mark.slow
def test_the_values_are_those_worked_out_by_hand(built: Schedule) -> None:
    """2019/20: 12 × (500 + 200) and 500 of an ICB that merged; 2022/23: 12 × 500."""
    values = {one.pair: one for one in built.values}
    rtd = {one.part.part: (one.amounts, one.pence) for one in values["RTD", "QMJ"].worked}
    assert rtd == {
        "acute": ((8_900_00, 6_000_00), 8_314_00),
        "mental_health_and_community": ((35_000_00,), 39_061_00),
        "secondary_dental": ((500_00, 0), 279_00),
        "specialised": ((0,), 0),
    }
    assert values["RTD", "QMJ"].lines_without_price == 1
    listed = {one.pair: one.pence for one in built.listed}
    assert listed == {
        ("RTD", "QMJ"): 47_654_00,
        ("RRV", "QHM"): 112_689_00,
        ("RYC", "QHM"): 11_160_00,
    }
    assert built.total_pence == 171_503_00


@pytest.mark.slow
def test_a_pair_that_was_on_no_schedule_has_activity_and_no_value(built: Schedule) -> None:
    """The provider merged after the price year: its pair is that of the successor."""
    found = next(one for one in built.values if one.pair == ("RZB", "QMJ"))
    acute = next(one for one in found.worked if one.part.part == "acute")
    assert (acute.amounts, found.pence) == ((700_00, 0), None)
    assert [one.kind for one in found.missing] == ["not_on_last_schedule"] * 2


@pytest.mark.slow
def test_every_record_is_accounted_for(built: Schedule) -> None:
    first, second = built.years
    assert (first.records, first.priced, first.refused_by_code) == (33, 32, {"MFF_MISSING": 1})
    assert first.left_out == {
        ("mental_health", "mental_health"): Activity(1, 500_00, 0),
        ("payer_is_no_icb", "acute"): Activity(1, 500_00, 0),
        ("no_nhs_provider", "acute"): Activity(1, 600_00, 0),
        ("provider_outside_lva", "acute"): Activity(1, 510_00, 0),
    }
    assert first.counted == Activity(28, 8_900_00 + 500_00 + 700_00, 1)
    in_values, without = built.counted(first)
    assert (in_values + without, without.value_pence) == (first.counted, 700_00)
    assert first.all_lines.lines == first.priced
    assert (second.records, second.priced, second.refused_by_code) == (24, 24, {})
    assert second.left_out == {("payer_is_no_icb", "acute"): Activity(12, 2_400_00, 0)}
    assert second.counted == Activity(12, 6_000_00, 0)


@pytest.mark.slow
def test_it_is_known_of_which_pair_a_record_was_before_a_merger(built: Schedule) -> None:
    """56Z came under QMJ in October 2024; its record of July is under the rules of July 2024."""
    first, _ = built.years
    of_july = {own for day, own in first.done_by["RTD", "QMJ"] if day == date(2024, 7, 1)}
    assert of_july == {("RTD", "QMJ"), ("RTD", "QZA")}
    assert first.done_by["RZB", "QMJ"] == {(date(2024, 7, 1), ("RZA", "QMJ"))}


@pytest.mark.slow
def test_every_pound_is_in_the_accounting(built: Schedule) -> None:
    _, rows = schedule_files.tables(built)["accounting"]
    of_first = {row[1]: row[-1] for row in rows if row[0] == "2019-20" and row[-1] is not None}
    assert of_first == {
        "acute": 8_900_00,
        "secondary_dental": 500_00,
        "of pairs without a value: acute": 700_00,
        "of pairs without a value: secondary_dental": 0,
        "left out: mental_health": 500_00,
        "left out: no_nhs_provider: acute": 600_00,
        "left out: payer_is_no_icb: acute": 500_00,
        "left out: provider_outside_lva: acute": 510_00,
    }
    assert sum(of_first.values()) == built.years[0].all_lines.value_pence


@pytest.mark.slow
def test_each_published_pair_has_one_cause(built: Schedule) -> None:
    causes = {one.pair: (one.cause, one.difference_pence) for one in built.differences}
    assert causes == {
        ("RTD", "QMJ"): ("same", 0),
        ("RRV", "QHM"): ("rounding", 1_00),
        ("RYC", "QHM"): ("no_breakdown", 840_00),
        ("RX3", "QHL"): ("not_rebuilt", None),
    }


@pytest.mark.slow
def test_the_factors_say_what_was_published_when(built: Schedule) -> None:
    factors = {year: (one.net, one.uplift.published_on) for year, one in built.factors.items()}
    assert factors == {
        "2025-26": (Fraction(283, 10_000), date(2025, 6, 27)),
        "2026-27": (Fraction(3, 10_000), date(2026, 3, 31)),
    }


# --- What is written --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_and_name_every_input(
    taken_in: Workspace, built: Schedule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule_files.write(built, tmp_path / "one")
    monkeypatch.setenv("SUS_PRICING_HOME", str(taken_in.root))
    other = tmp_path / "other"
    done = CliRunner().invoke(
        app, ["lva", "build", "--scheme", "2026-27", "--out", str(other)], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 0, done.output
    names = {path.name for path in other.iterdir()}
    assert names == {
        *("schedule.csv", "working.csv", "comparison.csv", "near_threshold.csv"),
        *("accounting.csv", "manifest.json"),
    }
    for name in names:
        assert (other / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    manifest = json.loads((other / "manifest.json").read_text("utf-8"))
    inputs = manifest["inputs"]
    extracts = [name for name in inputs if name.startswith("extract ")]
    assert len(extracts) == 4
    assert {"organisations", "scheme pack 2026-27.toml", "scheme pack 2025-26.toml"} <= set(inputs)
    assert {"schedule inputs schedule_inputs.csv", "price book cases"} <= set(inputs)
    assert all(len(sha256) == 64 for sha256 in inputs.values())
    assert manifest["content_hash"] in done.output
    assert "ILLUSTRATIVE" in done.output
    assert "average of £8,900.00, £6,000.00 × 1.0283 × 1.0003 × 1.085 = £8,314.00" in done.output
    assert "3 pairs, £171,503.00 in all." in done.output


@pytest.mark.slow
def test_what_is_made_up_says_so_and_can_be_imported_all_the_same(
    taken_in: Workspace, built: Schedule, tmp_path: Path
) -> None:
    schedule_files.write(built, tmp_path / "out")
    path = tmp_path / "out" / "schedule.csv"
    first, header, *rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    assert first[0].startswith("ILLUSTRATIVE")
    assert header[2:] == [
        *("Acute", "Mental health and community", "Secondary dental", "Specialised"),
        "block_value",
    ]
    assert rows[2] == [
        *("RYC", "QHM"),
        *("0.00", "11160.00", "0.00", "0.00", "11160.00"),
    ]
    copy = copied(taken_in, tmp_path)
    publication = Publication("2026-27", date(2026, 6, 1), date(2026, 4, 1), is_illustrative=True)
    import_csv(copy, path, "lva_payments_schedule", publication)
    published = published_schedule(copy, "2026-27")
    assert published is not None
    again = against_published(built.listed, published.rows)
    assert [one.cause for one in again] == ["same"] * 3


@pytest.mark.slow
def test_an_earlier_schedule_stands_until_a_new_one_is_whole(
    built: Schedule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    schedule_files.write(built, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fails(_: Schedule) -> dict[str, Any]:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(schedule_files, "manifest", fails)
    with pytest.raises(RuntimeError, match="the disk is full"):
        schedule_files.write(built, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_a_folder_with_anything_else_in_it_is_left_alone(built: Schedule, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(UserError, match=r"holds other files\. Name a folder that is not there yet"):
        schedule_files.write(built, tmp_path)
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.slow
def test_an_operator_makes_it_in_dagster(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    done = dg.materialize(
        [low_volume_schedule],
        partition_key="2026-27",
        resources={"workspace": WorkspaceResource(root=str(workspace.root))},
        selection=[low_volume_schedule],
    )
    made = done.asset_materializations_for_node("low_volume_schedule")[0]
    built = build(workspace, "2026-27")
    assert made.metadata["block_value_pence"].value == built.total_pence
    assert made.metadata["content_hash"].value == schedule_files.content_hash(built)
    folder = schedule_files.folder_of(workspace, "2026-27")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["content_hash"] == schedule_files.content_hash(built)


# --- What is lacking --------------------------------------------------------------------------


def test_a_year_that_does_not_say_how_is_refused_with_the_reason(workspace: Workspace) -> None:
    assert refused(workspace, "2025-26") == (
        "'low_volume.schedule' of 2025-26 is not given: the guidance of 2025/26 is not among the "
        "documents here, and would be needed."
    )


def test_everything_that_is_lacking_is_named_at_once(workspace: Workspace) -> None:
    (workspace.landing / "schedule_inputs.csv").unlink()
    assert refused(workspace) == (
        "The LVA payments schedule of 2026-27 cannot be made:\n"
        "  2019-20 lacks 2019-04 to 2020-03\n"
        "  2022-23 lacks 2022-04 to 2023-03\n"
        "  2023-24 lacks 2023-04 to 2024-03\n"
        "  put their extracts in the landing folder and build again, which takes them in; or give "
        "--partial, for an average of the whole years alone\n"
        "  the list of schedule inputs has no newly_delegated of specialised (0 where there is "
        "none)"
    )


def test_a_partial_average_of_nothing_is_refused(workspace: Workspace) -> None:
    assert "not one of 2019-20, 2022-23, 2023-24 is whole" in refused(
        workspace, allows_partial=True
    )


def test_a_schedule_to_roll_forward_must_be_there(workspace: Workspace) -> None:
    found = refused(workspace, "2024-25")
    assert "no LVA payments schedule of 2023-24 was imported: sus-pricing prices import" in found
    assert "the list of schedule inputs has no given of secondary dental" in found


@pytest.mark.slow
def test_a_year_that_lacks_a_month_is_left_out_where_that_is_asked_for(
    taken_in: Workspace, tmp_path: Path
) -> None:
    copy = copied(taken_in, tmp_path)
    # As where a run was killed before the month's records were validated.
    shutil.rmtree(copy.month("valid", "apc", "2022-09", "freeze"))
    lacking = months_lacking(copy, recipe(copy, "2026-27").scheme)
    assert lacking == {"2022-23": ("2022-09",)}
    assert "2022-23 lacks 2022-09\n" in refused(copy)
    made = build(copy, "2026-27", allows_partial=True)
    acute = next(one for one in made.values if one.pair == ("RTD", "QMJ")).worked[0]
    # 8,900 × 1.11604021165 = 9,932.76
    assert (acute.amounts, acute.pence, acute.is_partial) == ((8_900_00,), 9_933_00, True)
    assert made.is_partial
    schedule_files.write(made, tmp_path / "out")
    for name in ("schedule.csv", "manifest.json"):
        assert "PARTIAL: 2022-23" in (tmp_path / "out" / name).read_text("utf-8"), name
    compared = (tmp_path / "out" / "comparison.csv").read_text("utf-8")
    rows = list(csv.DictReader(compared.splitlines()))
    assert {row["is_partial"] for row in rows} == {"yes"}


def test_months_whose_extracts_are_there_are_taken_in(workspace: Workspace) -> None:
    making.land_good_month(workspace, "2019-07")
    lacking = months_lacking(workspace, recipe(workspace, "2026-27").scheme)
    assert months_to_take_in(workspace, lacking) == ["2019-07"]


def test_what_else_keeps_a_month_from_being_taken_in_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise UserError("the lake is read-only")

    monkeypatch.setattr(reference_years, "take_in", fails)
    with pytest.raises(UserError, match="the lake is read-only"):
        months_to_take_in(workspace, {"2019-20": ("2019-07",)})


def test_what_a_month_is_made_of(workspace: Workspace) -> None:
    """A drug is paid for apart whoever is listed; dental of NHS England is told from its acute.

    RTD and QMJ are on the schedule of the price year, RGT and QMJ are not. 56Z came under QMJ in
    October 2024, after the day whose rules are taken.
    """
    plain = {making.START: "20190710", making.END: "20190710", **LATER}
    of_rtd, with_drug = {**plain, making.PROVIDER: "RTD"}, {making.UNBUNDLED: "XD01Z"}
    nhs_england = {making.COMMISSIONER: "13Q", making.DERIVED_COMMISSIONER: "13Q"}
    dental = {making.TREATMENT_FUNCTION: "140"}
    merged = {making.COMMISSIONER: "56Z", making.DERIVED_COMMISSIONER: "56Z"}
    spells = [
        spell("S1", {**of_rtd, **with_drug}),
        spell("S2", {**plain, **with_drug}),
        spell("S3", {**of_rtd, **nhs_england, **dental}),
        spell("S4", {**of_rtd, **merged}),
    ]
    land(workspace, "freeze/apc_2019-07.csv", spells)
    making.sort_out(workspace, "apc", "2019-07")
    scheme = recipe(workspace, "2026-27").scheme
    pricing = Pricing(workspace, scheme, None, read_organisations(workspace))
    made = ReferenceYear("2019-20")
    pricing._month(made, "apc", "2019-07", pricing._rulebook("2019-07"))
    assert (made.records, made.priced) == (4, 4)
    drugs = made.left_out.pop(("excluded_item", "excluded_item"))
    assert (drugs.lines, drugs.lines_without_price) == (2, 2)
    assert made.left_out == {("payer_is_no_icb", "secondary_dental"): Activity(1, 500_00, 0)}
    assert made.by_pair[("RTD", "QMJ"), "acute"] == Activity(2, 1_000_00, 0)
    july = date(2024, 7, 1)
    assert made.done_by["RTD", "QMJ"] == {(july, ("RTD", "QMJ")), (july, ("RTD", "QZA"))}


def without_reference_years(monkeypatch: pytest.MonkeyPatch, **done: Any) -> None:
    """Years that are whole, with what is `done` alone, so that what comes after is reached."""
    for looked_up_in in (schedules, reference_years):
        monkeypatch.setattr(looked_up_in, "months_lacking", lambda *_: {})
    monkeypatch.setattr(Pricing, "year", lambda _, year, __: ReferenceYear(year, **done))


def test_a_part_that_the_last_schedule_tells_is_not_given_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    more = "2026-27,last_schedule,RTD,QMJ,mental_health_and_community,,35001,\n"
    land(workspace, "schedule_inputs.csv", INPUTS + more)
    assert refused(workspace) == (
        "An entry of last_schedule is for what the schedule of 2024-25 does not hold. Leave these "
        "out:\n  schedule_inputs.csv, line 7: it has £35,000.00 for RTD and QMJ"
    )


def test_a_part_that_the_last_schedule_does_not_tell_is_named_by_pair(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    bare = "provider_code,commissioner_code,block_value\nRTD,QMJ,95000\n"
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(bare, "utf-8")
    assert refused(workspace) == (
        "What these pairs need is not known. Give it in the list of schedule inputs (see README.md "
        "of landing):\n"
        "  RTD and QMJ: mental health and community of the schedule of 2024-25, for RTD and QMJ\n"
        "  RTD and QMJ: specialised of the schedule of 2024-25, for RTD and QMJ"
    )
    more = "2026-27,last_schedule,RTD,QMJ,mental_health_and_community,,35000,\n"
    more += "2026-27,last_schedule,RTD,QMJ,specialised,,0,\n"
    land(workspace, "schedule_inputs.csv", INPUTS + more)
    made = build(workspace, "2026-27")
    value = next(one for one in made.values if one.pair == ("RTD", "QMJ"))
    assert value.pence == 39_061_00


def add_schedule(workspace: Workspace, year: str, rows: str) -> None:
    """The schedule of another year alone, published a month before it."""
    book = workspace.data / "price_books" / f"lva-{year}"
    book.mkdir()
    (book / "manifest.toml").write_text(
        f'name = "LVA {year}"\nscheme_year = "{year}"\nillustrative = true\n'
        f"published_on = {year[:4]}-03-01\neffective_from = {year[:4]}-04-01\n"
        '[tables]\nlva_payments_schedule = "lva_payments_schedule.csv"\n',
        "utf-8",
    )
    text = f"provider_code,commissioner_code,block_value\n{rows}"
    (book / "lva_payments_schedule.csv").write_text(text, "utf-8")


def last_of(workspace: Workspace, rows: str) -> None:
    """The schedule of 2024/25, with its breakdown."""
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(f"provider_code,commissioner_code,{PARTS},block_value\n{rows}", "utf-8")


def test_what_is_given_of_an_unlisted_predecessor_is_added_to_what_is_published(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RYA and RYB are RYC by now: (50,000 + 10,000) × 1.11604021165 = 66,962.41."""
    without_reference_years(monkeypatch)
    last_of(workspace, "RYC,QHM,0,50000,-,-,50000\n")
    more = "2026-27,last_schedule,RYB,QHM,mental_health_and_community,,10000,\n"
    land(workspace, "schedule_inputs.csv", INPUTS + more)
    assert "RYC and QHM: specialised of the schedule of 2024-25, for RYB and QHM" in refused(
        workspace
    )
    more += "2026-27,last_schedule,RYB,QHM,specialised,,0,\n"
    land(workspace, "schedule_inputs.csv", INPUTS + more)
    made = build(workspace, "2026-27")
    value = next(one for one in made.values if one.pair == ("RYC", "QHM"))
    assert {one.part.part: one.amounts for one in value.worked} == {
        "acute": (0, 0, 0),
        "mental_health_and_community": (60_000_00,),
        "secondary_dental": (0, 0, 0),
        "specialised": (0,),
    }
    assert value.pence == 66_962_00


def test_a_merged_pair_of_whose_parts_one_is_not_on_the_schedule_has_no_value(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule names QZA alone, which is QMJ by now, and QMJ had activity of its own."""
    july = date(2024, 7, 1)
    pair = ("RTD", "QMJ")
    without_reference_years(
        monkeypatch,
        by_pair={(pair, "acute"): Activity(9, 900_000_00)},
        done_by={pair: {(july, ("RTD", "QZA")), (july, pair)}},
    )
    land(workspace, "schedule_inputs.csv", f"{HEADER}\n{NEWLY}")
    last_of(workspace, "RTD,QZA,0,10000,-,-,10000\n")
    made = build(workspace, "2026-27")
    value = next(one for one in made.values if one.pair == pair)
    assert {one.part: one.says for one in value.missing} == {
        "mental_health_and_community": "the schedule of 2024-25 does not name RTD and QMJ",
        "specialised": "the schedule of 2024-25 does not name RTD and QMJ",
    }
    assert pair not in {one.pair for one in made.listed}
    worth = "2 pairs, with £2,700,000.00 of activity in the reference years, have no value"
    assert any(one.startswith(worth) for one in made.notices)
    accounting = schedule_files.tables(made)["accounting"][1]
    assert ["2019-20", "of pairs without a value: acute", None, 9, 0, 900_000_00] in accounting


def test_without_a_published_schedule_only_pairs_with_a_value_are_listed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RGT and QMJ had £700,000 a year, and the schedule of 2024/25 was for less than £500,000."""
    by_pair = {(("RGT", "QMJ"), "acute"): Activity(7, 700_000_00)}
    without_reference_years(monkeypatch, by_pair=by_pair)
    manifest = workspace.data / "price_books" / "cases-2026" / "manifest.toml"
    text = manifest.read_text("utf-8")
    table = 'lva_payments_schedule = "lva_payments_schedule.csv"\n'
    manifest.write_text(text.replace(table, ""), "utf-8")
    made = build(workspace, "2026-27")
    assert made.published is None
    assert {one.pair for one in made.listed} == {("RTD", "QMJ"), ("RRV", "QHM"), ("RYC", "QHM")}
    told = "1 pairs, with £2,100,000.00 of activity in the reference years, have no value"
    assert any(one.startswith(told) for one in made.notices)
    says = "every pair that has a value, and one below the threshold, is listed"
    assert any(says in one for one in made.notices)
    in_values, without = made.counted(made.years[0])
    assert (in_values.value_pence, without.value_pence) == (0, 700_000_00)


def test_who_merged_before_the_day_of_the_rules_was_one_then(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RYB is RYC since 2020, and RZB was not there before October: both stand for the whole."""
    july = date(2024, 7, 1)
    done_by = {
        ("RYC", "QHM"): {(july, ("RYC", "QHM"))},
        ("RZB", "QMJ"): {(july, ("RZA", "QMJ")), (date(2024, 10, 1), ("RZB", "QMJ"))},
    }
    without_reference_years(monkeypatch, done_by=done_by)
    last_of(workspace, "RYB,QHM,0,10000,-,-,10000\nRZB,QMJ,0,20000,-,-,20000\n")
    made = build(workspace, "2026-27")
    values = {one.pair: one.pence for one in made.values}
    # 10,000 and 20,000 × 1.11604021165
    assert (values["RYC", "QHM"], values["RZB", "QMJ"]) == (11_160_00, 22_321_00)


def test_dental_care_that_nhs_england_paid_for_is_told_and_can_be_given(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = {
        ("payer_is_no_icb", "secondary_dental"): Activity(3, 900_00),
        ("payer_is_no_icb", "acute"): Activity(1, 100_00),
    }
    without_reference_years(monkeypatch, left_out=left_out)
    says = "NHS England paid for secondary dental of NHS trusts before it was delegated: "
    (told,) = (one for one in build(workspace, "2026-27").notices if one.startswith(says))
    assert "£900.00 of 2019-20, £900.00 of 2022-23, £900.00 of 2023-24." in told
    more = "2026-27,delegated_activity,RTD,QMJ,secondary_dental,2019-20,600,\n"
    land(workspace, "schedule_inputs.csv", INPUTS + more)
    made = build(workspace, "2026-27")
    (told,) = (one for one in made.notices if one.startswith(says))
    assert ": £900.00 of 2022-23, £900.00 of 2023-24." in told
    value = next(one for one in made.values if one.pair == ("RTD", "QMJ"))
    dental = next(one for one in value.worked if one.part.part == "secondary_dental")
    # (600 + 0 + 0) / 3 = 200 × 1.11604021165 = 223.21
    assert (dental.amounts, dental.pence) == ((600_00, 0, 0), 223_00)


def test_a_factor_that_no_document_states_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    made = build(workspace, "2026-27")
    (told,) = (one for one in made.notices if "assumption" in one)
    assert told.startswith("A factor of 2025-26 is an assumption that no document here states: ")
    assert "4.83%" in told
    uplifts = schedule_files.manifest(made)["net_uplifts"]
    assert {year: (of["uplift_basis"], of["efficiency_basis"]) for year, of in uplifts.items()} == {
        "2025-26": ("assumed", "cited"),
        "2026-27": ("cited", "cited"),
    }
    assert schedule_files.manifest(made)["growth"]["basis"] == "cited"


def test_an_uplift_that_came_after_the_schedule_is_the_cause(workspace: Workspace) -> None:
    """94,433 × 1.006 = 94,999.60, as published; with September's uplift × 1.039 = 98,115.89."""
    add_schedule(workspace, "2023-24", "RTD,QMJ,94433\nRRV,QHM,10000\n")
    last_of(workspace, "RTD,QMJ,60000,35000,-,-,95000\nRRV,QHM,9000,-,-,-,9000\n")
    given = "".join(
        f"2024-25,given,RTD,QMJ,{part},,0,\n" for part in ("secondary_dental", "specialised")
    )
    land(workspace, "schedule_inputs.csv", f"{HEADER}\n{given}")
    found = {one.pair: one for one in build(workspace, "2024-25").differences}
    assert found["RTD", "QMJ"].cause == "uplifted_since"
    assert found["RTD", "QMJ"].difference_pence == -3_116_00
    assert found["RRV", "QHM"].cause == "parts_differ"
    as_then = {one.pair: one for one in build(workspace, "2024-25", date(2024, 4, 1)).differences}
    assert as_then["RTD", "QMJ"].cause == "same"


def test_what_is_weighed_besides_is_known_or_left_open(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,344,000 × 1.11604021165 is 1,499,958.04, just below; RTD has no specialised value."""
    without_reference_years(monkeypatch)
    land(workspace, "schedule_inputs.csv", f"{HEADER}\n{NEWLY}")
    last_of(workspace, "RTD,QMJ,0,1344000,-,-,1344000\nRRV,QHM,0,1343000,-,1000,1344000\n")
    weighed = {one.pair: one for one in build(workspace, "2026-27").weighed}
    found = {pair: (one.delivers_specialised, one.had_lva) for pair, one in weighed.items()}
    assert found == {("RTD", "QMJ"): (None, None), ("RRV", "QHM"): (True, None)}
    add_schedule(workspace, "2025-26", "RTD,QZA,1000\nRYX,QZX,1000\n")
    made = build(workspace, "2026-27")
    assert {one.pair: one.had_lva for one in made.weighed} == {
        ("RTD", "QMJ"): True,
        ("RRV", "QHM"): False,
    }
    assert "schedule of 2025-26, lva-2025-26" in made.inputs


def test_activity_and_finance_payments_of_one_pair_are_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch, by_pair={(("RTD", "QMJ"), "acute"): Activity(1, 300_00)})
    paid = "".join(
        f"2023-24,finance_payment,{provider},QMJ,,{year},100,\n"
        for provider in ("RTD", "RX3")
        for year in ("2018-19", "2019-20", "2021-22")
    )
    land(
        workspace, "schedule_inputs.csv", f"{HEADER}\n2023-24,allocation_growth,,QMJ,,,,5%\n{paid}"
    )
    made = build(workspace, "2023-24")
    (told,) = (one for one in made.notices if "finance payments" in one)
    assert told.endswith("Pairs that have both: RTD QMJ.")


def built_by_command(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setenv("SUS_PRICING_HOME", str(workspace.root))
    command = ["lva", "build", "--scheme", "2026-27", *options]
    done = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_all_of_it_is_printed_as_json(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    found = json.loads(built_by_command(workspace, monkeypatch, "--json"))
    made = build(workspace, "2026-27")
    assert found["content_hash"] == schedule_files.content_hash(made)
    assert found["notices"][1:] == list(made.notices)
    assert found["tables"].keys() == {
        *("schedule", "working", "near_threshold", "accounting", "comparison"),
    }
    of_rtd = [row for row in found["tables"]["working"] if row["provider_code"] == "RTD"]
    assert {row["part"]: row["pence"] for row in of_rtd} == {
        "acute": 0,
        "mental_health_and_community": 39_061_00,
        "secondary_dental": 0,
        "specialised": 0,
    }


def test_of_many_pairs_near_the_threshold_the_rest_are_counted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_reference_years(monkeypatch)
    land(workspace, "schedule_inputs.csv", f"{HEADER}\n{NEWLY}")
    providers, payers = ("RCF", "RGT", "RRV", "RTD", "RX3", "RYC"), ("QHL", "QHM", "QMJ", "QWO")
    pairs = [(provider, payer) for provider in providers for payer in payers]
    last_of(workspace, "".join(f"{a},{b},0,1344000,-,-,1344000\n" for a, b in pairs))
    assert "and 4 more" in built_by_command(workspace, monkeypatch)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            "RTD,QMJ,95000\nRTD,QMJ,96000\n",
            "lva_payments_schedule.csv, line 3",
        ),
        ("RTD,QMJ,-95000\n", "is not a price: it is negative"),
        (
            "RTD,QZZ,95000\n",
            "names organisations for whom nobody stands when the schedule begins:\n"
            "  lva_payments_schedule.csv, line 2: QZZ",
        ),
        (
            "RYX,QMJ,95000\n",
            "names organisations for whom nobody stands when the schedule begins:\n"
            "  lva_payments_schedule.csv, line 2: RYX",
        ),
    ],
)
def test_a_bad_schedule_is_named_by_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, schedule: str, says: str
) -> None:
    without_reference_years(monkeypatch)
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(f"provider_code,commissioner_code,block_value\n{schedule}", "utf-8")
    assert says in refused(workspace)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            "2026-27,newly_delegated,RRV,QHM,specialised,,1000,\n" * 2,
            "An entry must be the only one of its scheme_year and schedule_input and provider_code "
            "and commissioner_code and part and year. Not so:\n"
            "  schedule_inputs.csv, line 2 and schedule_inputs.csv, line 3",
        ),
        (
            "2026-27,newly_delegated,RRV,QZZ,specialised,,1000,\n",
            "An entry must name a commissioner of the organisations as the outputs do (not a site "
            "or part). Not so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,newly_delegated,RRV,QHM,specialised,,-1000,\n",
            "schedule_inputs.csv, line 2: 'amount' is not a price: it is negative",
        ),
        (
            "2023-24,allocation_growth,,QHM,,,,2\n",
            "schedule_inputs.csv, line 2: 'growth' is no growth such as 2% or 0.02: a number of 1 "
            "or more needs its sign",
        ),
        (
            "2026-27,newly_delegated,RRV,QHM,acute,,1000,\n",
            "An entry of newly_delegated must be of what the schedule of 2026-27 takes so: "
            "specialised. Not so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,delegated_activity,RRV,QHM,acute,2019-20,1000,\n",
            "An entry of delegated_activity must be of what the schedule of 2026-27 takes so: "
            "secondary_dental. Not so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,delegated_activity,RRV,QHM,secondary_dental,2021-22,1000,\n",
            "An entry of delegated_activity must be of a reference year: 2019-20, 2022-23, "
            "2023-24. Not so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,finance_payment,RRV,QHM,,2019-20,1000,\n",
            "An entry must not be of finance payments: the schedule of 2026-27 is made from none. "
            "Not so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,provider_income,RRV,QHM,,,1000,\n",
            "An entry of provider_income must give provider_code, amount, and nothing else. Not "
            "so:\n  schedule_inputs.csv, line 2",
        ),
        (
            "2026-27,newly_delegated,RYX,QHM,specialised,,1000,\n",
            "An entry must name as provider_code one for whom somebody stands when the schedule "
            "begins. Not so:\n  schedule_inputs.csv, line 2",
        ),
    ],
)
def test_a_bad_input_is_named_by_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, row: str, says: str
) -> None:
    without_reference_years(monkeypatch)
    land(workspace, "schedule_inputs.csv", f"{HEADER}\n{row}")
    assert says in refused(workspace)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("RTD,400000,,", "must give easting and northing, both in metres, or postcode_sector"),
        ("RTD,,,", "must give easting and northing, both in metres, or postcode_sector"),
        ("RXX,1,1,", "must name a provider or commissioner of the organisations"),
        ("RTD,,,NE1", "'postcode_sector' is no postcode sector such as LS1 3"),
        ("RTD,1,1,\nRTD,2,2,", "must be the only one of its organisation_code"),
    ],
)
def test_a_bad_location_is_named_by_line(workspace: Workspace, row: str, says: str) -> None:
    header = "organisation_code,easting,northing,postcode_sector"
    land(workspace, "locations.csv", f"{header}\n{row}\n")
    found = refused(workspace)
    assert says in found
    assert "locations.csv, line 2" in found


def test_years_out_of_order_are_refused_in_the_pack(workspace: Workspace) -> None:
    pack = workspace.data / "schemes" / "2026-27.toml"
    text = pack.read_text("utf-8")
    backwards = text.replace('["2019-20", "2022-23", "2023-24"]', '["2022-23", "2019-20"]', 1)
    pack.write_text(backwards, "utf-8")
    assert (
        "row 1 of 'low_volume.schedule' has years out of order as 'reference_years': 2022-23, "
        "2019-20"
    ) in refused(workspace)


# --- For other organisations ------------------------------------------------------------------


def test_a_schedule_is_re_expressed_and_its_total_conserved(workspace: Workspace) -> None:
    published, made, notices = reexpress(workspace, "2024-25", date(2026, 4, 1))
    assert notices == []
    # QZA, with which RTD has no block, is QMJ since October 2024.
    assert made.not_listed == {("RTD", "QMJ"): (("RTD", "QZA"),)}
    assert sum(row[WHOLE] or 0 for row in published.rows.values()) == 347_000_00
    assert sum(row[WHOLE] or 0 for row in made.rows.values()) == 347_000_00
    assert made.made_of["RYC", "QHM"] == (("RYB", "QHM"),)


MERGED = """provider_code,commissioner_code,block_value
RTD,QMJ,470000
RTD,QZA,30000
RRV,QZA,40000
RYB,QHM,5000
RRV,QHM,6000.50
"""


def re_expressed(workspace: Workspace, rows: str, *arguments: str) -> str:
    """What the command prints of a schedule of 2024/25 for 1 October 2024, when QZA is QMJ."""
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text(rows, "utf-8")
    done = CliRunner().invoke(
        app,
        ["lva", "reexpress", "--scheme", "2024-25", "--on", "2024-10-01", *arguments],
        env={"SUS_PRICING_HOME": str(workspace.root), "COLUMNS": "120"},
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_keeps_apart_what_a_contract_pays_for(
    workspace: Workspace, tmp_path: Path
) -> None:
    """RRV has no block with QMJ. RYB is RYC since 2020, so that RYC has the block it is listed for.

    RTD: 470,000 + 30,000. In all 470,000 + 30,000 + 40,000 + 5,000 + 6,000.50 = 551,000.50.
    """
    out = tmp_path / "made" / "schedule.csv"
    said = re_expressed(workspace, MERGED, "--out", str(out))
    assert (
        "5 pairs of 3 ICBs are on 2024-10-01 4 pairs of 2 ICBs. Total £551,000.50, as before: "
        "£511,000.50 in the schedule, £40,000.00 of 1 pair undecided.\n"
    ) in said
    table = [" ".join(line.split()) for line in said[said.index("Undecided") :].splitlines()]
    assert "│ RRV │ QMJ │ RRV QZA │ RRV QMJ │ £40,000.00 │" in table
    assert "If the parties agree on a block for all of it, add the row to the schedule" in said
    assert (
        "RTD QMJ comes to £500,000.00, which is not below the threshold of £500,000.00 (2023/25 "
        "¶11, ¶83, ¶85, Table 1): the parties may agree on API.\n"
    ) in said
    assert f"Written to {out} and {tmp_path}/made/schedule-undecided.csv\n" in said
    header = "provider_code,commissioner_code,block_value"
    made_up, *rows = out.read_text("utf-8").splitlines()
    assert made_up.startswith("ILLUSTRATIVE")
    assert rows == [header, "RRV,QHM,6000.50", "RTD,QMJ,500000.00", "RYC,QHM,5000.00"]
    made_up, undecided, *rows = (
        (tmp_path / "made" / "schedule-undecided.csv").read_text("utf-8").splitlines()
    )
    assert made_up.startswith("ILLUSTRATIVE")
    assert undecided.startswith("UNDECIDED: ")
    assert rows == [header, "RRV,QMJ,40000.00"]
    publication = Publication("2024-25", date(2024, 10, 1), date(2024, 10, 1), is_illustrative=True)
    import_csv(workspace, out, "lva_payments_schedule", publication)


def test_a_schedule_with_nothing_undecided_leaves_no_earlier_pair_beside_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = MERGED + "RRV,QMJ,1000\n"
    out, beside = tmp_path / "schedule.csv", tmp_path / "schedule-undecided.csv"
    said = re_expressed(workspace, rows, "--out", str(out))
    assert "Total £552,000.50, as before.\n" in said
    assert "ndecided" not in said
    assert not beside.exists()
    re_expressed(workspace, MERGED, "--out", str(out))
    assert "RRV,QMJ" in beside.read_text("utf-8")
    re_expressed(workspace, rows, "--out", str(out))
    assert beside.read_text("utf-8").splitlines()[2:] == [MERGED.splitlines()[0]]


def test_a_party_that_came_of_the_merger_has_no_contract_from_before_it(
    workspace: Workspace,
) -> None:
    """RZB takes the place of RZA on 1 October 2024, and QZX was closed before the year."""
    said = re_expressed(workspace, "provider_code,commissioner_code,block_value\nRZA,QHM,1000\n")
    assert "1 pairs of 1 ICBs are on 2024-10-01 1 pairs of 1 ICBs. Total £1,000.00, as before." in (
        said
    )


def test_a_schedule_is_not_re_expressed_for_a_day_on_which_nobody_stands(
    workspace: Workspace,
) -> None:
    path = workspace.data / "price_books" / "cases" / "lva_payments_schedule.csv"
    path.write_text("provider_code,commissioner_code,block_value\nRYN,QZN,1000\n", "utf-8")
    with pytest.raises(UserError) as error:
        reexpress(workspace, "2024-25", date(2024, 4, 1))
    assert str(error.value).startswith(
        "The schedule of 2024-25 names organisations for whom nobody stands on 2024-04-01:\n"
        "  lva_payments_schedule.csv, line 2: RYN\n"
        "  lva_payments_schedule.csv, line 2: QZN\n"
    )
