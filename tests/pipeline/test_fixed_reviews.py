"""Reviews of contracts: what a file may say, what the lake supplies, and what the command gives.

Belongs here: each fault by file and key, a year of activity from extracts to the review, and the
files that are written. Does not belong here: what the rules allow (`tests/cases/fixed_element/`).

RGT has a market forces factor of 1.123455: a day case of FE32Z at £500.00 is worth £561.73, a spell
of it at £600.00 £674.07, a first attendance at £200.00 £224.69, a follow-up at £100.00 £112.35.
"""

import csv
import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest
from pipeline import making
from pipeline.making import (
    ADJUSTED_STAY,
    APPOINTMENT,
    ATTENDANCE_HRG,
    CLASSIFICATION,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    FIRST_ATTENDANCE,
    METHOD,
    QUERY_DATE,
    SPELL_HRG,
    START,
    STAY,
    attendance,
    land,
    new_workspace,
    spell,
)
from pipeline.test_plans import PLAN, plans
from typer.testing import CliRunner

from pipelines import pricing_run
from pipelines.basis import PricingBasis, months_of
from pipelines.cli import app
from pipelines.fixed_element.contract_activity import activity_of_year, planned_payments_of_year
from pipelines.fixed_element.reviews import review_of, review_rows, worksheet_of
from pipelines.workspace import PROJECT, UserError, Workspace
from schemas.contract_statements import FIXED_ELEMENT_REVIEW

YEAR, ACTIVITY = "2026-27", "2024-25"
MONTHS = months_of(ACTIVITY)
PAIR = ("RGT", "QMJ")
HEADER = 'provider_code = "RGT"\ncommissioner_code = "QMJ"\nscheme_year = "2026-27"\n'
GIVEN = (
    HEADER
    + """
[review]
has_acute_services = true
contract_value = "200,000,000"
agreed_difference = "-7,000,000"
pricing_changes = "-800,000"

[review.deficit_reduction]
whole_trust = "10,000,000"
nhs_contract_income = "500,000,000"
this_contract = "4,000,000"

[[review.service]]
service = "Non-elective"
funding = "120,000,000"
activity_value = "112,000,000"
valued_by = "price"

[[review.service]]
service = "Mental health"
funding = "30,000,000"
activity_value = "31,000,000"
valued_by = "cost"

[[review.service]]
service = "Community"
funding = 50_000_000
not_by_activity = true

[[review.plan]]
scheme_year = "2026-27"
amount = "-1,000,000"
what_changes = "Fewer temporary staff on wards."

[[review.plan]]
scheme_year = "2027-28"
amount = "-4,000,000"
what_changes = "Shorter stays."

[[review.plan]]
scheme_year = "2028-29"
amount = -2_000_000.00
what_changes = "Same day emergency care."
"""
)
FROM_LAKE = (
    HEADER
    + """
[review]
has_acute_services = true
contract_value = "30,000"
activity_year = "2024-25"
agreed_difference = "0"
pricing_changes = "0"

[review.deficit_reduction]
whole_trust = "0"

[[review.service]]
service = "Planned care"
funding = "16,000"
from_activity = ["DC", "OPFASPCL"]

[[review.service]]
service = "Emergency care"
funding = "9,000"
from_activity = ["NEL"]

[[review.service]]
service = "Follow-up and community"
funding = "5,000"
not_by_activity = true
covers = ["OPFUPSPCL"]
"""
)


def write(workspace: Workspace, text: str, name: str = "contract.toml") -> Path:
    path = workspace.root / name
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path / "workspace")


def refused(workspace: Workspace, text: str) -> list[str]:
    """The faults that a file is refused with, each without the name of the file."""
    with pytest.raises(UserError) as error:
        review_of(workspace, write(workspace, text))
    first, *faults = str(error.value).splitlines()
    assert first == "contract.toml cannot be used:"
    return [fault.strip().removeprefix("contract.toml: ") for fault in faults]


def changed(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def test_a_file_is_reviewed_as_it_says(workspace: Workspace) -> None:
    """112 - 120 + 31 - 30 = -£7m. 2.5% of £200m is £5m, less £4m of deficit reduction: £1m."""
    found = review_of(workspace, write(workspace, GIVEN)).review
    steps = {step.step: step.amount_pence for step in found.steps}
    assert steps["identified_difference"] == -700_000_000
    assert steps["limit"] == -500_000_000
    assert steps["with_deficit_reduction"] == steps["adjustment"] == -100_000_000
    assert steps["beside_pricing_changes"] == -20_000_000
    assert [year.left_pence for year in found.years] == [-600_000_000, -200_000_000, 0]
    assert [one.valued_by for one in found.contract.services] == [
        "price",
        "cost",
        "not_by_activity",
    ]


SERVICE = '[[review.service]]\nservice = "Community"\n'
FAULTS: dict[str, tuple[tuple[tuple[str, str], ...], list[str]]] = {
    "services that do not add up": (
        (("50_000_000", "50_000_001"),),
        [
            "[review] contract_value is £200,000,000.00, and the funding of the services adds up "
            "to £200,000,001.00"
        ],
    ),
    "a key that is not known": (
        (('what_changes = "Shorter stays."', 'changes = "Shorter stays."'),),
        [
            "[review.plan] 2 what_changes is missing: nothing is assumed for it",
            "[review.plan] 2 changes is not known here: one of what_changes, scheme_year, amount, "
            "exceptional_reason may be given",
        ],
    ),
    "a service valued in two ways": (
        ((SERVICE, SERVICE + 'activity_value = "1"\nvalued_by = "cost"\n'),),
        [
            "[review.service] 3 has activity_value and not_by_activity: give one of from_activity, "
            "activity_value, not_by_activity"
        ],
    ),
    "a service that is not valued, and one valued by nothing known": (
        (("not_by_activity = true\n", ""), ('valued_by = "cost"', 'valued_by = "guess"')),
        [
            "[review.service] 2 valued_by must say whether activity_value is price or cost",
            "[review.service] 3 is not valued: give one of from_activity, activity_value, "
            "not_by_activity",
        ],
    ),
    "amounts that are no pounds": (
        (('"112,000,000"', '"112m"'), ('"-800,000"', '"-0.4%"')),
        [
            "[review] pricing_changes is '-0.4%': write pounds, such as 175,000,000 or "
            '"1,234.50"',
            "[review.service] 1 activity_value is '112m': write pounds, such as 175,000,000 or "
            '"1,234.50"',
        ],
    ),
    "what must be said": (
        (
            ("has_acute_services = true\n", ""),
            ('pricing_changes = "-800,000"\n', ""),
            ('this_contract = "4,000,000"\n', ""),
            ('scheme_year = "2027-28"\n', ""),
        ),
        [
            "[review] has_acute_services is missing: nothing is assumed for it",
            "[review] pricing_changes is missing: nothing is assumed for it",
            "[review.deficit_reduction] this_contract is missing: nothing is assumed for it",
            "[review.plan] 2 scheme_year is missing: nothing is assumed for it",
        ],
    ),
    "a service twice": (
        (('"Mental health"', '"Non-elective"'),),
        ["[review.service] 2 service is 'Non-elective', as service 1 is"],
    ),
    "a year of activity without a service": (
        (("pricing_changes", 'activity_year = "2025-26"\npricing_changes'),),
        ["[review] activity_year is for services with from_activity, and there is none"],
    ),
    "years out of order, and an adjustment above the limit": (
        (
            ('"2028-29"', '"2027-28"'),
            ('"2027-28"', '"2028-29"'),
            ('"-4,000,000"', '"-5,000,000.01"'),
            ("-2_000_000.00", '"-999,999.99"'),
        ),
        [
            "[review] plan 3 scheme_year is 2027-28 after 2028-29: years must be in order",
            "[review] plan 2 amount is -£5,000,000.01, above 2.5% of the contract value, "
            "£5,000,000.00: action the rest in later years, or give exceptional_reason",
        ],
    ),
    "a plan that does not add up": (
        (("-2_000_000.00", "-1_999_999.99"),),
        [
            "[review] agreed_difference is -£7,000,000.00, and the years of the plan add up to "
            "-£6,999,999.99"
        ],
    ),
    "more than deficit reduction leaves": (
        (('"-1,000,000"', '"-1,500,000"'), ('"-4,000,000"', '"-3,500,000"')),
        [
            "[review] plan 1 amount is -£1,500,000.00: with the contract's deficit reduction no "
            "more than 2.5% of the contract value may be asked for, so at most £1,000,000.00. "
            "Exceptional circumstances do not lift this"
        ],
    ),
    "deficit reduction of a contract whose trust has none": (
        (('whole_trust = "10,000,000"', 'whole_trust = "0"'),),
        [
            "[review.deficit_reduction] nhs_contract_income is £500,000,000.00 where whole_trust "
            "is 0: leave it out, or say both",
            "[review.deficit_reduction] this_contract is £4,000,000.00 where whole_trust is 0: "
            "leave it out, or say both",
        ],
    ),
    "what cannot be read, together with what does not fit": (
        (
            ('scheme_year = "2028-29"', 'scheme_year = "2028/29"'),
            ("50_000_000", "50_000_001"),
            ('"-7,000,000"', '"-7,000,001"'),
            ('"4,000,000"', '"11,000,000"'),
        ),
        [
            "[review.plan] 3 scheme_year is '2028/29': write a scheme year, such as 2024-25",
            "[review] contract_value is £200,000,000.00, and the funding of the services adds up "
            "to £200,000,001.00",
            "[review] agreed_difference is -£7,000,001.00, and must be between £0.00 and the "
            "identified difference of -£7,000,000.00",
            "[review] deficit_reduction this_contract is £11,000,000.00, more than the whole "
            "trust's £10,000,000.00",
        ],
    ),
    "what rests on what cannot be read is not told": (
        (("50_000_000", '"fifty"'), ("-2_000_000.00", "-1_999_999.99")),
        [
            "[review.service] 3 funding is 'fifty': write pounds, such as 175,000,000 or "
            '"1,234.50"',
            "[review] agreed_difference is -£7,000,000.00, and the years of the plan add up to "
            "-£6,999,999.99",
        ],
    ),
    "one service that is no list": (
        (
            ("[[review.service]]", "[review.service]"),
            (
                GIVEN[
                    GIVEN.index('[[review.service]]\nservice = "Men') : GIVEN.index("[[review.plan")
                ],
                "",
            ),
        ),
        [
            "[review] service is a table or list: it must be a list of tables",
            "[review] service is missing: list each service that the contract funds",
        ],
    ),
    "an unknown payer": (
        (("QMJ", "QXX"),),
        ["commissioner_code is 'QXX', which is no payer of the lists of organisations"],
    ),
}


@pytest.mark.parametrize(("pairs", "faults"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_told_by_its_key(
    workspace: Workspace, pairs: tuple[tuple[str, str], ...], faults: list[str]
) -> None:
    assert sorted(refused(workspace, changed(GIVEN, *pairs))) == sorted(faults)


def test_a_file_without_a_review_or_without_services_says_so(workspace: Workspace) -> None:
    assert refused(workspace, HEADER) == ["review is missing: nothing is assumed for it"]
    without = GIVEN[: GIVEN.index("[[review.service]]")]
    assert refused(workspace, without) == [
        "[review] service is missing: list each service that the contract funds",
        "[review] plan is missing: say in which years the agreed -£7,000,000.00 is actioned",
    ]


def test_a_point_of_delivery_has_one_service(workspace: Workspace) -> None:
    text = changed(
        FROM_LAKE,
        ('from_activity = ["NEL"]', 'from_activity = ["NEL", "DC"]'),
        ('covers = ["OPFUPSPCL"]', 'covers = ["OPFUPSPCL", "NEL"]'),
        ('"OPFASPCL"]', '"OPFASPCL"]\ncovers = ["EL"]'),
        ('activity_year = "2024-25"\n', ""),
    )
    assert refused(workspace, text) == [
        "[review.service] 1 covers is for a service without from_activity: name them there",
        "[review.service] 2 from_activity has DC, which service 1 has too",
        "[review.service] 3 covers has NEL, which service 2 has too",
        "[review] activity_year is missing: nothing is assumed for it",
    ]


def test_a_year_without_the_limit_has_no_review(workspace: Workspace) -> None:
    text = GIVEN.replace('scheme_year = "2026-27"', 'scheme_year = "2024-25"', 1)
    with pytest.raises(
        UserError, match=r"Contracts of 2024-25 cannot be reviewed: .*: the limit was given for"
    ):
        review_of(workspace, write(workspace, text))


def test_a_pair_that_a_block_pays_for_has_no_review(workspace: Workspace) -> None:
    making.add_book_of_2026_27(workspace)
    text = GIVEN.replace('"RGT"', '"RRV"').replace('"QMJ"', '"QHM"')
    says = (
        "RRV and QHM are on the LVA payments schedule, so that a block pays: to move the "
        "relationship to API, say so in the list of contracts"
    )
    assert refused(workspace, text) == [says]


def test_months_that_are_not_priced_are_named(workspace: Workspace) -> None:
    with pytest.raises(UserError) as error:
        review_of(workspace, write(workspace, FROM_LAKE))
    assert str(error.value) == (
        f"These months are not priced under 2026-27: {', '.join(MONTHS)}. Run each of them first, "
        "such as with sus-pricing run --month 2024-04 --scheme 2026-27; nothing is filled in for a "
        "month."
    )


def test_the_rows_have_the_columns_of_the_mart(workspace: Workspace) -> None:
    found = review_of(workspace, write(workspace, GIVEN))
    rows = review_rows([found], "2026-04")
    assert rows.columns == [field.name for field in FIXED_ELEMENT_REVIEW]
    assert rows["part"].to_list() == ["service"] * 3 + ["step"] * 10 + ["year"] * 3
    assert rows["paragraph"].null_count() == rows["reason_code"].null_count() == 0
    assert set(rows["activity_month"]) == {"2026-04"}
    funding = rows.filter(part="service")["funding_pence"].sum()
    assert funding == found.review.contract.contract_value_pence
    worth = rows.filter(part="service").select(
        pl.col("activity_value_pence") - pl.col("funding_pence") == pl.col("amount_pence")
    )
    assert worth.to_series().to_list() == [True, True, None]
    assert review_rows([], "2026-04").schema == rows.schema


def test_the_command_prints_the_review(workspace: Workspace, tmp_path: Path) -> None:
    said = run(workspace, str(write(workspace, GIVEN)), "--out", str(tmp_path / "review"))
    for part in (
        "RGT and QMJ, 2026-27: contract value against price × activity",
        "Non-elective price £120,000,000.00 £112,000,000.00 -£8,000,000.00",
        "Mental health cost £30,000,000.00 £31,000,000.00 £1,000,000.00",
        "Community - £50,000,000.00 - - - -",
        "valued by activity £150,000,000.00 £143,000,000.00 -£7,000,000.00",
        "What may be adjusted in 2026-27: 2.5% of the contract value",
        "with deficit reduction -£1,000,000.00 £1,000,000.00 Together",
        "2027-28 -£4,000,000.00 -£2,000,000.00 Shorter stays.",
    ):
        assert part in said


def run(workspace: Workspace, *arguments: str) -> str:
    """What `fixed review` prints, as one line without the lines of its tables."""
    home = {"SUS_PRICING_HOME": str(workspace.root), "COLUMNS": "250"}
    done = CliRunner().invoke(app, ["fixed", "review", *arguments], env=home)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return " ".join(re.sub(r"[│┃━─┏┓┗┛┡┩├┤└┘╇┼┴┬]", " ", done.output).split())


def test_what_is_written_is_what_is_printed(workspace: Workspace, tmp_path: Path) -> None:
    folder, path = tmp_path / "review", str(write(workspace, GIVEN))
    run(workspace, path, "--out", str(folder))
    assert sorted(one.name for one in folder.iterdir()) == ["chart.csv", "chart.svg", "review.csv"]
    data = list(csv.reader(io.StringIO((folder / "chart.csv").read_text("utf-8"))))
    assert data == [
        ["series", "label", "pounds"],
        ["funding", "Non-elective", "120000000.00"],
        ["price × activity", "Non-elective", "112000000.00"],
        ["funding", "Mental health", "30000000.00"],
        ["price × activity", "Mental health", "31000000.00"],
        ["funding", "Community", "50000000.00"],
        ["adjustment", "2026-27", "-1000000.00"],
        ["left", "2026-27", "-6000000.00"],
        ["adjustment", "2027-28", "-4000000.00"],
        ["left", "2027-28", "-2000000.00"],
        ["adjustment", "2028-29", "-2000000.00"],
        ["left", "2028-29", "0.00"],
    ]
    drawn = ET.fromstring((folder / "chart.svg").read_text("utf-8"))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    widths = [int(r.attrib["width"]) for r in drawn.iter(f"{space}rect") if r.get("height") == "18"]
    # The longest bar is 460 wide: 112/120, 30/120, 31/120 and 50/120 of it.
    assert widths == [460, 429, 115, 118, 191]
    texts = [text.text for text in drawn.iter(f"{space}text")]
    assert texts.count("not valued by activity") == 1
    assert {"Non-elective", "Mental health", "Community", "£112,000,000"} <= set(texts)


def test_the_document_has_every_row(workspace: Workspace) -> None:
    home = {"SUS_PRICING_HOME": str(workspace.root)}
    path = str(write(workspace, GIVEN))
    done = CliRunner().invoke(app, ["fixed", "review", path, "--json"], env=home)
    found = json.loads(done.stdout)
    assert found["file"] == "contract.toml"
    assert found["rests_on"] is None
    assert len(found["rows"]) == 16
    assert found["rows"][0]["amount_pence"] == -800_000_000


def test_a_refused_file_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    path = str(write(workspace, GIVEN.replace("50_000_000", "50_000_001")))
    with pytest.raises(UserError):
        run(workspace, path, "--out", str(tmp_path / "review"))
    assert not (tmp_path / "review").exists()


# --- With a worksheet in the same file ------------------------------------------------------

SHIPPED = (PROJECT / "data" / "worksheets" / "fixed-2026-27.toml").read_text("utf-8")
ITEMS = SHIPPED[SHIPPED.index("[opening_baseline]") :]
DIFFERENCES = '[identified_differences]\nshare = "-1.2%"'
FACTOR = """[market_forces_factor]
previous_factor = "1.250000"
factor = "1.247500"
base = "400,000,000"
"""


def with_items(differences: str, factor: str = "") -> str:
    """The review with a worksheet, whose identified differences are an amount."""
    said = f'{factor}[identified_differences]\namount = "{differences}"'
    return GIVEN + changed(ITEMS, (DIFFERENCES, said))


@pytest.mark.parametrize(
    "text",
    [
        with_items("-1,000,000"),
        # 1.2475 of 1.25 is 0.998: 400 × -0.2% = -£0.8m, and -1.0 + 0.8 = -£0.2m beside it.
        with_items("-200,000", FACTOR),
    ],
    ids=["together", "apart"],
)
def test_a_worksheet_that_adjusts_what_its_review_does(workspace: Workspace, text: str) -> None:
    path = write(workspace, text)
    assert not [note for note in worksheet_of(workspace, path).notes if "limit" in note]
    assert review_of(workspace, path).review.amount("in_worksheet") == -100_000_000


@pytest.mark.parametrize(
    ("text", "items", "comes_to"),
    [
        (with_items("-1,000,000.01"), "[identified_differences]", "-£1,000,000.01"),
        (
            with_items("-1,000,000", FACTOR),
            "[market_forces_factor] and [identified_differences]",
            "-£1,800,000.00",
        ),
    ],
    ids=["a penny more", "the factor twice"],
)
def test_a_worksheet_and_its_review_are_held_to_each_other(
    workspace: Workspace, text: str, items: str, comes_to: str
) -> None:
    path = write(workspace, text)
    says = (
        "A review's adjustment is what the worksheet has of it:\n"
        f"  contract.toml adjusts -£1,000,000.00 in 2026-27, and {items} of contract.toml comes to "
        f"{comes_to}\nEnter what was agreed in both."
    )
    for held in (worksheet_of, review_of):
        with pytest.raises(UserError) as error:
            held(workspace, path)
        assert str(error.value) == says


def test_build_refuses_a_worksheet_with_a_review_that_has_faults(workspace: Workspace) -> None:
    text = with_items("-1,000,000").replace("50_000_000", "50_000_001")
    home = {"SUS_PRICING_HOME": str(workspace.root)}
    done = CliRunner().invoke(app, ["fixed", "build", str(write(workspace, text))], env=home)
    assert isinstance(done.exception, UserError)
    assert "[review] contract_value is £200,000,000.00, and" in str(done.exception)


def test_a_worksheet_without_a_review_says_that_no_limit_was_checked(workspace: Workspace) -> None:
    """Of nothing that is adjusted there is nothing to say."""
    half = HEADER + changed(ITEMS, ('"-1.2%"', '"-40%"'))
    (note,) = [n for n in worksheet_of(workspace, write(workspace, half)).notes if "limit" in n]
    assert re.fullmatch(
        r"\[identified_differences\] comes to -£[\d,.]+\. The limit \(2026/27 ¶61\) was not "
        r"checked: it is of the contract value, which a section \[review\] gives\.",
        note,
    )
    none = HEADER + changed(ITEMS, ('"-1.2%"', '"0%"'))
    notes = worksheet_of(workspace, write(workspace, none)).notes
    assert not [note for note in notes if "limit" in note]


# --- From the lake -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A year of activity, priced under 2026/27.

    Each month has two day cases, an emergency spell of three days, a first attendance and a
    follow-up. October has a knee arthroscopy without approval too, and an emergency spell that
    could not be grouped.
    """
    workspace = new_workspace(tmp_path_factory.mktemp("priced") / "workspace")
    making.add_book_of_2026_27(workspace)
    queried = {QUERY_DATE: "20250919063000"}
    emergency = {CLASSIFICATION: "1", METHOD: "21", STAY: "3", ADJUSTED_STAY: "3", **queried}
    arthroscopy = {SPELL_HRG: "HN23C", EBI_CATEGORY: "1", EBI_TYPE: "C_knee_arth", **queried}
    spells, attendances = [], []
    for number, month in enumerate(MONTHS):
        begins, ends = (f"{month.replace('-', '')}{day}" for day in ("10", "13"))
        on_day = {START: begins, END: begins, **queried}
        spells += [spell(f"D{number}-{twice}", on_day) for twice in (1, 2)]
        spells.append(spell(f"N{number}", {**emergency, START: begins, END: ends}))
        seen = {APPOINTMENT: begins, **queried}
        attendances.append(attendance(f"A{number}", seen))
        again = {FIRST_ATTENDANCE: "2", ATTENDANCE_HRG: "WF01A"}
        attendances.append(attendance(f"F{number}", {**seen, **again}))
    october = {START: "20241005", END: "20241005"}
    spells.append(spell("E1", {**arthroscopy, **october}))
    ungrouped = {SPELL_HRG: "UZ01Z", START: "20241005", END: "20241008"}
    spells.append(spell("U1", {**emergency, **ungrouped}))
    land(workspace, "freeze/apc.csv", spells)
    land(workspace, "freeze/op.csv", attendances)
    on = workspace.on(PricingBasis(YEAR))
    for month in MONTHS:
        for dataset in ("apc", "op"):
            making.sort_out(workspace, dataset, month)
            pricing_run.price(on, dataset, month)
    return workspace


@pytest.mark.slow
def test_a_year_of_activity_is_valued_and_cited(priced: Workspace) -> None:
    """24 × £561.73, 12 × £674.07, 12 × £224.69 and 12 × £112.35.

    What lacks approval is worth nothing, and what could not be grouped nobody knows what.
    """
    found = activity_of_year(priced, *PAIR, ACTIVITY, YEAR)
    assert found.lines.rows() == [
        ("DC", "api_variable", 25, 1, 0, 24 * 56_173),
        ("NEL", "api_blended", 12, 0, 0, 12 * 67_407),
        ("NEL", "api_fixed", 1, 0, 1, None),
        ("OPFASPCL", "api_variable", 12, 0, 0, 12 * 22_469),
        ("OPFUPSPCL", "api_fixed", 12, 0, 0, 12 * 11_235),
    ]
    assert found.cited.months == tuple(MONTHS)
    assert found.cited.says == (
        "2024-04 to 2025-03, 2 extracts, under 2026-27 at the prices of cases-2026"
    )
    assert {"freeze/apc.csv", "freeze/op.csv", "price book cases-2026"} <= set(found.cited.files)
    assert found.cited.is_illustrative


@pytest.mark.slow
def test_a_review_is_supplied_from_the_lake(priced: Workspace) -> None:
    """Planned care 13,481.52 + 2,696.28 = £16,177.80; emergency care £8,088.84."""
    path = write(priced, FROM_LAKE)
    planned, emergency, apart = review_of(priced, path).review.contract.services
    assert (planned.activity_value_pence, planned.difference_pence) == (1_617_780, 17_780)
    assert (planned.activity, planned.lines_without_price) == (37, 0)
    assert (emergency.activity_value_pence, emergency.difference_pence) == (808_884, -91_116)
    assert (emergency.activity, emergency.lines_without_price) == (13, 1)
    assert (apart.activity, apart.activity_value_pence) == (None, None)
    said = run(priced, str(path))
    assert "Emergency care price £9,000.00 £8,088.84 -£911.16 13 1" in said
    assert "Activity 2024-04 to 2025-03, 2 extracts, under 2026-27" in said
    assert "ILLUSTRATIVE" in said


@pytest.mark.slow
def test_points_of_delivery_of_no_service_and_of_no_activity_are_named(priced: Workspace) -> None:
    text = changed(
        FROM_LAKE,
        ('["DC", "OPFASPCL"]', '["DC", "EL"]'),
        ('covers = ["OPFUPSPCL"]\n', ""),
        ('"30,000"', '"30,001"'),
    )
    assert refused(priced, text) == [
        "[review.service] 1 from_activity has EL, of which the contract has nothing in 2024-25: it "
        "has DC, NEL, OPFASPCL, OPFUPSPCL",
        "[review] service leaves out OPFASPCL, of which there are 12 lines in 2024-25 worth "
        "£2,696.28: name it under from_activity, or under covers of the service that holds it",
        "[review] service leaves out OPFUPSPCL, of which there are 12 lines in 2024-25 worth "
        "£1,348.20: name it under from_activity, or under covers of the service that holds it",
        "[review] contract_value is £30,001.00, and the funding of the services adds up to "
        "£30,000.00",
    ]


@pytest.mark.slow
def test_a_month_that_is_gone_or_priced_otherwise_is_named(
    priced: Workspace, tmp_path: Path
) -> None:
    workspace = Workspace.at(shutil.copytree(priced.root, tmp_path / "workspace"))
    on = workspace.on(PricingBasis(YEAR))
    pricing_run.priced_path(on, "op", "2024-08", "freeze").unlink()
    with pytest.raises(UserError, match=r"These months are not priced under 2026-27: 2024-08\. "):
        activity_of_year(workspace, *PAIR, ACTIVITY, YEAR)
    pricing_run.price(on, "op", "2024-08")
    activity_of_year(workspace, *PAIR, ACTIVITY, YEAR)
    land(workspace, "plans.csv", plans({**PLAN, "provider_code": "RGT"}))
    activity_of_year(workspace, *PAIR, ACTIVITY, YEAR)
    pack = workspace.data / "schemes" / "2026-27.toml"
    pack.write_text(pack.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(UserError, match="priced with another scheme pack, price book or lists"):
        activity_of_year(workspace, *PAIR, ACTIVITY, YEAR)


@pytest.mark.slow
def test_a_contract_without_activity_is_not_worth_nothing(priced: Workspace) -> None:
    with pytest.raises(UserError, match="RGT and QHM have no activity under API in 2024-25"):
        activity_of_year(priced, "RGT", "QHM", ACTIVITY, YEAR)


# --- Plans ---------------------------------------------------------------------------------


def of_year(line: str, months: list[str], value: str) -> list[dict[str, str]]:
    plan = {**PLAN, "provider_code": "RGT", "scheme_year": YEAR, "contract_line": line}
    return [{**plan, "activity_month": month, "activity": "10", "value": value} for month in months]


def test_planned_payments_are_supplied_and_what_is_missing_is_named(workspace: Workspace) -> None:
    """12 × £5,617.30 of day cases; of the spells December and January have no plan."""
    making.add_book_of_2026_27(workspace)
    year = months_of(YEAR)
    short = [month for month in year if month not in ("2026-12", "2027-01")]
    land(
        workspace,
        "plans.csv",
        plans(*of_year("DC", year, "5617.30"), *of_year("NEL", short, "6740.70")),
    )
    found = planned_payments_of_year(workspace, *PAIR, YEAR)
    assert found.pence == {"variable_element": 12 * 561_730, "blended": None}
    assert found.missing == ("NEL: no plan of 2026-12, 2027-01",)
    assert {"EL", "NELST", "genomic_testing"} <= set(found.without_plan)
    assert list(found.cited.files) == ["plans.csv"]
    nobody_s = planned_payments_of_year(workspace, "RGT", "QHM", YEAR)
    assert nobody_s.pence == {"variable_element": None, "blended": None}
    assert nobody_s.missing == (
        "variable_element: no line has a plan",
        "blended: no line has a plan",
    )
