"""Showing and comparing price books, and what a difference is worth on a month.

Belongs here: two editions that differ in what is known, and sums done by hand. Does not
belong here: importing (`test_importing_prices`).
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import workbooks
from pipeline.making import (
    MONTH,
    PROVIDER,
    SPELL_HRG,
    TREATMENT_FUNCTION,
    attendance,
    land,
    new_workspace,
    price,
    spell,
)

from pipelines import cli
from pipelines.price_books.books import Publication
from pipelines.price_books.comparing import (
    Change,
    Effect,
    differences,
    edition,
    effect_on_month,
    find_hrg,
    not_compared,
)
from pipelines.price_books.importing import import_workbook
from pipelines.workspace import UserError, Workspace

WHEN_FIRST_KNOWN = date(2024, 4, 1)
HRGS, VISITS = "apc_and_outpatient_procedures.csv", "outpatient_attendances.csv"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The book of the cases, and a reissue: four prices changed, one HRG gone, one new."""
    made = new_workspace(tmp_path)
    cases = made.data / "price_books" / "cases"
    reissue = cases.with_name("reissue")
    shutil.copytree(cases, reissue)
    edit(reissue / "manifest.toml", '"cases"', '"reissue"')
    edit(reissue / "manifest.toml", "published_on = 2024-03-27", "published_on = 2024-06-01")
    edit(reissue / HRGS, '"1,000","1,200"', '"1,010.01","1,200"')
    edit(reissue / HRGS, "AA31E,", "AA99Z,")
    edit(reissue / VISITS, "General Surgery Service,200,250", "General Surgery Service,190,-")
    return made


@pytest.fixture
def command(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command of `sus-pricing prices`; its exit code, and all it said on one line."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setenv("SUS_PRICING_HOME", str(workspace.root))
        monkeypatch.setattr(sys, "argv", ["sus-pricing", "prices", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(str(ended.value.code or 0)), " ".join((said.out + said.err).split())

    return run


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")


def test_what_a_reissue_changes_is_told_by_key_and_amount(workspace: Workspace) -> None:
    changes = differences(edition(workspace, "cases"), edition(workspace, "reissue"))
    assert changes == [
        Change("HRG prices", "AA31E", "combined_price_pence", 70_000, None, "gone"),
        Change("HRG prices", "AA31E", "ordinary_elective_trim_point_days", 5, None, "gone"),
        Change("HRG prices", "AA31E", "non_elective_price_pence", 80_000, None, "gone"),
        Change("HRG prices", "AA31E", "non_elective_trim_point_days", 5, None, "gone"),
        Change("HRG prices", "AA31E", "per_day_long_stay_pence", 20_000, None, "gone"),
        Change("HRG prices", "AA99Z", "combined_price_pence", None, 70_000, "new"),
        Change("HRG prices", "AA99Z", "ordinary_elective_trim_point_days", None, 5, "new"),
        Change("HRG prices", "AA99Z", "non_elective_price_pence", None, 80_000, "new"),
        Change("HRG prices", "AA99Z", "non_elective_trim_point_days", None, 5, "new"),
        Change("HRG prices", "AA99Z", "per_day_long_stay_pence", None, 20_000, "new"),
        Change("HRG prices", "BZ34A", "day_case_price_pence", 100_000, 101_001, "changed"),
        Change("outpatient attendances", "100", "WF01B", 20_000, 19_000, "changed"),
        Change("outpatient attendances", "100", "WF02B", 25_000, None, "gone"),
    ]


def test_a_year_is_its_latest_publication_or_that_of_a_day(workspace: Workspace) -> None:
    reissue = edition(workspace, "reissue")
    assert differences(edition(workspace, "2024-25"), reissue) == []
    from_year = differences(edition(workspace, "2024-25", WHEN_FIRST_KNOWN), reissue)
    assert from_year == differences(edition(workspace, "cases"), reissue)
    with pytest.raises(UserError, match=r"no price book or scheme year '2031-32'.*cases, reissue"):
        edition(workspace, "2031-32")


def test_a_table_that_one_edition_lacks_is_named(workspace: Workspace) -> None:
    reissue = workspace.data / "price_books" / "reissue"
    edit(reissue / "manifest.toml", 'lva_payments_schedule = "lva_payments_schedule.csv"', "")
    before, after = edition(workspace, "cases"), edition(workspace, "reissue")
    assert not_compared(before, after) == ["LVA payments schedule (only in cases)"]


def test_a_price_that_is_not_of_a_spell_is_compared_and_a_list_is_said_not_to_be(
    workspace: Workspace,
) -> None:
    """SABR on tab 4b costs £1,890, then £1,900; nothing else differs."""
    (workspace.data / "schemes" / "2025-26.toml").touch()
    tabs, ids = workbooks.layout_2025_26(), []
    for published, price_of_sabr in ((date(2025, 4, 1), "1,890"), (date(2025, 6, 27), "1,900")):
        cataract, sabr = tabs["other"].rows
        rows = [cataract, [*sabr[:-1], price_of_sabr]]
        other = replace(tabs["other"], rows=rows)
        path = workbooks.write(workspace.root / "a.xlsx", {**tabs, "other": other}.values())
        said = Publication("2025-26", published, date(2025, 4, 1))
        ids.append(import_workbook(workspace, path, said).book.id)
    before, after = (edition(workspace, one) for one in ids)
    assert differences(before, after) == [
        Change(
            "other unit prices (tab 4b)", "SC57Z", "unit_price_pence", 189_000, 190_000, "changed"
        )
    ]
    assert not_compared(before, after) == [
        "specialist top-ups (no codes)",
        "excluded devices (no codes)",
        "excluded drugs (no codes)",
        "MedTech products (no codes)",
    ]


def test_each_value_of_an_hrg_is_shown_with_its_line(workspace: Workspace) -> None:
    found = find_hrg(edition(workspace, "reissue"), "bz34a")
    assert [(price.name, price.value, price.place) for price in found] == [
        ("outpatient_procedure_price_pence", 15_000, f"{HRGS}, line 4"),
        ("day_case_price_pence", 101_001, f"{HRGS}, line 4"),
        ("ordinary_elective_price_pence", 120_000, f"{HRGS}, line 4"),
        ("ordinary_elective_trim_point_days", 5, f"{HRGS}, line 4"),
        ("non_elective_price_pence", 200_000, f"{HRGS}, line 4"),
        ("non_elective_trim_point_days", 10, f"{HRGS}, line 4"),
        ("per_day_long_stay_pence", 20_000, f"{HRGS}, line 4"),
        ("is_short_stay_emergency_applicable", False, f"{HRGS}, line 4"),
    ]


def price_month(workspace: Workspace) -> None:
    """Two cataracts and a headache as day cases, and three attendances of general surgery."""
    land(
        workspace,
        "freeze/apc_2024-07.csv",
        [
            spell("S1", {SPELL_HRG: "BZ34A", TREATMENT_FUNCTION: "130"}),
            spell("S2", {SPELL_HRG: "BZ34A", TREATMENT_FUNCTION: "130", PROVIDER: "NT313"}),
            spell("S3", {SPELL_HRG: "AA31E", PROVIDER: "NT313"}),
            spell("S4", {SPELL_HRG: "AA99Z", PROVIDER: "NT313"}),
        ],
    )
    land(
        workspace,
        "freeze/op_2024-07.csv",
        [
            attendance("A1", {PROVIDER: "NT313"}),
            attendance("A2", {PROVIDER: "NT313", "Core HRG": "WF02B"}),
            attendance("A3", {PROVIDER: "NT313", "Core HRG": "WF01A"}),
        ],
    )
    shutil.move(workspace.data / "price_books" / "reissue", workspace.root)
    for dataset in ("apc", "op"):
        price(workspace, dataset)
    shutil.move(workspace.root / "reissue", workspace.data / "price_books")


def test_a_difference_is_valued_on_the_lines_of_a_month(workspace: Workspace) -> None:
    """MFF 1.123455 at RGT, 1.2 at NT313.

    S1: £10.01 x 1.123455 = £11.2457..., £11.25. S2: £10.01 x 1.2 = £12.012, £12.01.
    A1: -£10.00 x 1.2 = -£12.00. S3 and A2 lose their price, S4 gains one, A3 keeps its own.
    """
    price_month(workspace)
    before, after = edition(workspace, "cases"), edition(workspace, "reissue")
    assert effect_on_month(workspace, MONTH, before, after) == Effect(
        lines=7,
        changed_lines=3,
        difference_pence=1_125 + 1_201 - 1_200,
        lines_gone=2,
        lines_new=1,
    )
    back = effect_on_month(workspace, MONTH, after, before)
    assert back.difference_pence == -(1_125 + 1_201 - 1_200)


def test_a_month_that_is_not_priced_is_named(workspace: Workspace) -> None:
    one = edition(workspace, "cases")
    with pytest.raises(UserError, match="of 2024-07 are not taken in yet"):
        effect_on_month(workspace, MONTH, one, one)
    price_month(workspace)
    shutil.rmtree(workspace.lake / "priced")
    with pytest.raises(UserError, match=r"2024-07 is not priced\. Run it"):
        effect_on_month(workspace, MONTH, one, one)


# --- The commands ----------------------------------------------------------------------------


def test_an_import_tells_what_was_read_what_not_and_where_it_is_kept(
    workspace: Workspace, command: Command
) -> None:
    (workspace.data / "schemes" / "2025-26.toml").touch()
    tabs = {**workbooks.layout_2025_26(), "mff": workbooks.factors()}
    path = workbooks.write(workspace.root / "annex_a.xlsx", tabs.values())
    words = ("import", str(path), "--scheme", "2025-26", "--published", "2025-06-27")
    words = (*words, "--effective", "2025-04-01")
    code, said = command(*words)
    assert code == 0, said
    assert "Read from annex_a.xlsx" in said
    assert "Tab 'Contents' is not read: not known." in said
    assert "Stored as 2025-26_published_2025-06-27_effective_2025-04-01_" in said
    assert "B Notes" in said
    code, said = command(*words)
    assert (code, said.startswith("Imported already, as 2025-26_published")) == (0, True)
    code, said = command("show", "BZ34C", "--scheme", "2025-26")
    assert code == 0
    assert "official, published 2025-06-27, effective 2025-04-01" in said
    assert "£861.00 │ tab '4b Other unit prices', D5" in said
    code, said = command("list")
    assert "2025-26, official, published 2025-06-27, effective 2025-04-01" in said
    assert "cases 2024-25, illustrative, published 2024-03-27, effective 2024-04-01" in said
    assert said.count("│ apc_and_outpatient_procedures │ 3 │") == 1


def test_a_csv_import_needs_its_table(workspace: Workspace, command: Command) -> None:
    path = workspace.root / "mff.csv"
    path.write_text("provider_code,mff\nRRV,1.1\n", "utf-8")
    days = ("--scheme", "2024-25", "--published", "2024-05-01", "--effective", "2024-04-01")
    assert command("import", "--csv", str(path), *days)[0] == 2
    assert command("import", str(path), "--csv", str(path), "--table", "mff", *days)[0] == 2
    assert command("import", *days)[0] == 2
    code, said = command("import", "--csv", str(path), "--table", "market", *days, "--illustrative")
    assert code == 0, said
    assert "Stored as 2024-25_illustrative_published_2024-05-01" in said


def test_a_refused_import_ends_with_1_and_says_why(workspace: Workspace, command: Command) -> None:
    path = workspace.root / "annex_a.xlsx"
    path.write_bytes(b"no workbook")
    days = ("--scheme", "2024-25", "--published", "2024-05-01", "--effective", "2024-04-01")
    code, said = command("import", str(path), *days)
    assert code == 1
    assert "Refused: annex_a.xlsx is not a workbook that can be read" in said


def test_a_difference_is_printed_with_what_it_is_worth(
    workspace: Workspace, command: Command
) -> None:
    price_month(workspace)
    code, said = command("diff", "cases", "reissue", "--month", MONTH)
    assert code == 0, said
    assert "│ HRG prices │ day case price │ 1 │ 0 │ 0 │" in said
    assert "│ BZ34A │ day case price │ £1,000.00 │ £1,010.01 │ £10.01 │" in said
    assert "3 of 7 lines have another unit price, worth £11.26 after MFF" in said
    assert "2 lines lose their price and 1 may gain one" in said
    assert "ILLUSTRATIVE: the prices of 'reissue' are made up." in said
    code, said = command("diff", "cases", "cases")
    assert "nothing differs" in said
    assert "--all shows the rest" not in said


def test_a_price_is_shown_as_it_stood_on_a_day(command: Command) -> None:
    code, said = command("show", "bz34a")
    assert code == 0
    assert "BZ34A in reissue 2024-25, illustrative, published 2024-06-01" in said
    assert "│ Day case spell price (£) │ £1,010.01 │ apc_and_outpatient_procedures.csv," in said
    code, said = command("show", "bz34a", "--as-of", "2024-05-31")
    assert "BZ34A in cases" in said
    assert "£1,000.00" in said
    assert command("show", "bz34a", "--as-of", "2024-03-26")[0] == 1


def test_an_hrg_that_no_book_has_is_told(command: Command) -> None:
    assert command("show", "ZZ99Z") == (1, "No price book has ZZ99Z.")
