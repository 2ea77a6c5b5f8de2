"""Showing and comparing price books, and what a difference is worth on a month.

Belongs here: two editions that differ in what is known, and sums done by hand. Does not
belong here: importing (`test_importing_prices`).
"""

import csv
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import workbooks
from pipeline.making import (
    MONTH,
    PROVIDER,
    SPELL_HRG,
    TREATMENT_FUNCTION,
    Record,
    attendance,
    land,
    new_workspace,
    price,
    spell,
)
from workbooks import COMBINED, DAY_CASE, ORDINARY

from pipelines import cli
from pipelines.price_books.books import Publication
from pipelines.price_books.comparing import (
    Change,
    differences,
    edition,
    effect_on_month,
    find_code,
    not_compared,
    scheme_years,
)
from pipelines.price_books.importing import import_csv, import_workbook
from pipelines.pricing_run import Revalued, priced_paths
from pipelines.workspace import UserError, Workspace

WHEN_FIRST_KNOWN = date(2024, 4, 1)
HRGS, VISITS = "apc_and_outpatient_procedures.csv", "outpatient_attendances.csv"
CHANGED_IN_REISSUE = ("HRG prices", "outpatient attendances")
ELIGIBLE = "eligible providers of specialist top-ups"
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
    assert not_compared(before, after) == [
        "LVA payments schedule (only in cases)",
        "excluded devices and listed procedures (no codes)",
        "excluded drugs (no codes)",
    ]


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
        "excluded devices and listed procedures (no codes)",
        "excluded drugs (no codes)",
        "MedTech products (no codes)",
    ]


def test_best_practice_and_who_is_eligible_for_top_ups_are_compared(workspace: Workspace) -> None:
    """FE30Z under BP01 costs £555, not £550; RTD is no more eligible, RX3 is; 0102 adds 21%."""
    reissue = workspace.data / "price_books" / "reissue"
    edit(reissue / "best_practice_tariffs.csv", ",550,", ",555,")
    edit(reissue / "specialist_top_up_providers.csv", "0101,RTD", "0101,RX3")
    edit(reissue / "specialist_top_ups.csv", "20.5%", "21%")
    changes = differences(edition(workspace, "cases"), edition(workspace, "reissue"))
    assert [change for change in changes if change.table not in CHANGED_IN_REISSUE] == [
        Change(
            *("best practice tariffs", "FE30Z BP01 Endoscopy procedures"),
            *("best_practice_combined_price_pence", 55_000, 55_500, "changed"),
        ),
        Change(ELIGIBLE, "0101 RTD", "listed", True, None, "gone"),
        Change(ELIGIBLE, "0101 RX3", "listed", None, True, "new"),
        Change(
            *("specialist top-ups", "Illustrative service 2 0102"),
            *("top_up_ppm", 205_000, 210_000, "changed"),
        ),
    ]


def test_a_drug_is_shown_with_its_price_or_as_listed(workspace: Workspace) -> None:
    path = workspace.root / "drugs.csv"
    path.write_text('Name,Unit price (£)\nAbatacept,"1,200"\nBelimumab,-\n', "utf-8")
    said = Publication("2026-27", date(2026, 4, 1), date(2026, 4, 1))
    book = edition(workspace, import_csv(workspace, path, "drugs", said).book.id)
    shown = [(p.header, p.value, p.place) for p in find_code(book, "abatacept")]
    assert shown == [("Unit price (£)", 120_000, "drugs.csv, line 2")]
    shown = [(p.header, p.value, p.place) for p in find_code(book, "Belimumab")]
    assert shown == [("drugs in unit prices", "listed", "drugs.csv, line 3")]


def test_each_value_of_an_hrg_is_shown_with_its_line(workspace: Workspace) -> None:
    found = find_code(edition(workspace, "reissue"), "bz34a")
    assert [(price.name, price.value, price.place) for price in found] == [
        ("outpatient_procedure_price_pence", 15_000, f"{HRGS}, line 4"),
        ("day_case_price_pence", 101_001, f"{HRGS}, line 4"),
        ("ordinary_elective_price_pence", 120_000, f"{HRGS}, line 4"),
        ("ordinary_elective_trim_point_days", 5, f"{HRGS}, line 4"),
        ("non_elective_price_pence", 200_000, f"{HRGS}, line 4"),
        ("non_elective_trim_point_days", 10, f"{HRGS}, line 4"),
        ("per_day_long_stay_pence", 20_000, f"{HRGS}, line 4"),
        ("is_short_stay_emergency_applicable", False, f"{HRGS}, line 4"),
        ("best_practice_day_case_price_pence", 110_000, "best_practice_tariffs.csv, line 3"),
    ]


def price_month(workspace: Workspace, more: Sequence[Record] = ()) -> None:
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
            *more,
        ],
    )
    shutil.move(workspace.data / "price_books" / "reissue", workspace.root)
    for dataset in ("apc", "op"):
        price(workspace, dataset)
    shutil.move(workspace.root / "reissue", workspace.data / "price_books")


def test_a_month_is_valued_with_the_whole_of_each_book(workspace: Workspace) -> None:
    """MFF 1.123455 at RGT, 1.2 at NT313; each line rounded to the penny.

    S1: £1,000.00 x 1.123455 = £1,123.455, £1,123.46; £1,010.01 x 1.123455 = £1,134.7007...,
    £1,134.70. S2: £1,200.00; £1,010.01 x 1.2 = £1,212.012, £1,212.01. S3 and S4: £700.00 x 1.2 =
    £840.00; one loses its price, the other gains it. A1: £240.00; £190.00 x 1.2 = £228.00.
    A2: £300.00, then no price. A3: £100.00 x 1.2 = £120.00 both times.
    """
    price_month(workspace)
    before, after = edition(workspace, "cases"), edition(workspace, "reissue")
    effect = effect_on_month(workspace, MONTH, before, after)
    assert effect == {
        "apc": Revalued(
            lines=4,
            changed=2,
            gain_price=1,
            lose_price=1,
            before_pence=112_346 + 120_000 + 84_000,
            after_pence=113_470 + 121_201 + 84_000,
        ),
        "op": Revalued(
            lines=3,
            changed=1,
            gain_price=0,
            lose_price=1,
            before_pence=24_000 + 30_000 + 12_000,
            after_pence=22_800 + 12_000,
        ),
    }
    assert [one.difference_pence for one in effect.values()] == [2_325, -31_200]
    back = effect_on_month(workspace, MONTH, after, before)
    assert [one.difference_pence for one in back.values()] == [-2_325, 31_200]
    assert (back["apc"].gain_price, back["apc"].lose_price) == (1, 1)


def test_each_line_of_a_record_is_valued_once(workspace: Workspace) -> None:
    """£80.00 for imaging and £200.00 twice for chemotherapy, x 1.2, beside a £100.00 follow-up."""
    unbundled = {f"Unbundled HRG {n}": hrg for n, hrg in enumerate(("RD20A", "SB15Z", "SB15Z"), 1)}
    more = [attendance("A4", {PROVIDER: "NT313", "Core HRG": "WF01A", **unbundled})]
    price_month(workspace, more)
    cases = edition(workspace, "cases")
    op = effect_on_month(workspace, MONTH, cases, cases)["op"]
    pence = 24_000 + 30_000 + 12_000 + 12_000 + 9_600 + 24_000 + 24_000
    assert (op.lines, op.changed, op.before_pence, op.after_pence) == (7, 0, pence, pence)


def test_the_first_book_makes_of_a_month_what_was_priced_with_it(workspace: Workspace) -> None:
    price_month(workspace)
    stored = sorted((workspace.lake / "priced").rglob("*"))
    effect = effect_on_month(
        workspace, MONTH, edition(workspace, "cases"), edition(workspace, "reissue")
    )
    for dataset, path in priced_paths(workspace, MONTH).items():
        assert effect[dataset].before_pence == pl.read_parquet(path)["value_pence"].sum()
    assert sorted((workspace.lake / "priced").rglob("*")) == stored


def test_a_price_that_is_split_is_another_price_and_not_lost(workspace: Workspace) -> None:
    """AA31E, combined at £700, has a day case price of £710; x 1.2 = £852, £12 more than £840."""
    reissue = workspace.data / "price_books" / "reissue"
    shutil.copy(workspace.data / "price_books" / "cases" / HRGS, reissue / HRGS)
    with (reissue / HRGS).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        if row[0] == "AA31E":
            for name, price_said in ((COMBINED, "-"), (DAY_CASE, "710"), (ORDINARY, "720")):
                row[header.index(name)] = price_said
    with (reissue / HRGS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    price_month(workspace)
    before, after = edition(workspace, "cases"), edition(workspace, "reissue")
    apc = effect_on_month(workspace, MONTH, before, after)["apc"]
    assert (apc.changed, apc.gain_price, apc.lose_price) == (1, 0, 0)
    assert apc.difference_pence == 1_200


def test_another_factor_and_a_provider_without_one_are_in_the_effect(workspace: Workspace) -> None:
    """S1 at RGT: £1,010.01 x 1.15 = £1,161.5115, £1,161.51. NT313 has no factor any more."""
    factors = workspace.data / "price_books" / "reissue" / "market_forces_factor.csv"
    edit(factors, "RGT,1.123455", "RGT,1.150000")
    edit(factors, "NT313,1.200000\n", "")
    price_month(workspace)
    before, after = edition(workspace, "cases"), edition(workspace, "reissue")
    effect = effect_on_month(workspace, MONTH, before, after)
    assert effect["apc"].after_pence == 116_151
    assert (effect["apc"].lines, effect["apc"].lose_price) == (4, 2)
    assert (effect["op"].lines, effect["op"].lose_price, effect["op"].after_pence) == (3, 3, 0)


def test_an_edition_that_cannot_price_a_month_is_named(workspace: Workspace) -> None:
    price_month(workspace)
    edit(
        workspace.data / "price_books" / "reissue" / "manifest.toml",
        'market_forces_factor = "market_forces_factor.csv"',
        "",
    )
    with pytest.raises(UserError) as error:
        effect_on_month(
            workspace, MONTH, edition(workspace, "cases"), edition(workspace, "reissue")
        )
    assert "reissue cannot price a month: it has no market forces factor." in str(error.value)
    assert "Name the scheme year 2024-25 instead" in str(error.value)


def test_a_month_that_is_not_validated_is_named(workspace: Workspace) -> None:
    one = edition(workspace, "cases")
    with pytest.raises(UserError, match="of 2024-07 are not taken in yet"):
        effect_on_month(workspace, MONTH, one, one)
    price_month(workspace)
    shutil.rmtree(workspace.lake / "valid")
    with pytest.raises(UserError, match=r"2024-07 is not validated\. Run it"):
        effect_on_month(workspace, MONTH, one, one)


def test_a_year_is_of_official_books_even_before_they_were_published(workspace: Workspace) -> None:
    """As `price_book_for` has it: the made-up cases, known since March, do not stand in."""
    tabs = [*workbooks.layout_2023_25().values(), workbooks.factors()]
    path = workbooks.write(workspace.root / "a.xlsx", tabs)
    said = Publication("2024-25", date(2024, 7, 1), date(2024, 4, 1))
    book = import_workbook(workspace, path, said).book
    of_year = edition(workspace, "2024-25", date(2024, 7, 1))
    assert {one.id for one in of_year.books.values()} == {book.id}
    with pytest.raises(UserError, match="scheme year '2024-25' as published by 2024-06-30"):
        edition(workspace, "2024-25", date(2024, 6, 30))
    assert scheme_years(workspace, date(2024, 6, 30)) == []
    assert scheme_years(workspace, date(2024, 7, 1)) == ["2024-25"]


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
    said_first = said
    assert "Read from annex_a.xlsx" in said
    assert "Tab 'Contents' is not read: not known." in said
    assert "Stored as 2025-26_published_2025-06-27_effective_2025-04-01_" in said
    assert "B Notes" in said
    code, said = command(*words)
    assert (code, said.startswith("Imported already, as 2025-26_published")) == (0, True)
    assert "APC & outpatient procedures │ 1 APC & OPROC" in said_first
    code, said = command(*words, "--without", "5 BPTs")
    assert (code, "already, published" in said) == (1, True)
    code, said = command("show", "BZ34C", "--scheme", "2025-26")
    assert code == 0
    assert "official, published 2025-06-27, effective 2025-04-01" in said
    assert "£861.00 │ tab '4b Other unit prices', D5" in said
    code, said = command("list")
    assert "2025-26, official, published 2025-06-27, effective 2025-04-01" in said
    assert "cases 2024-25, illustrative, published 2024-03-27, effective 2024-04-01" in said
    assert said.count("│ apc_and_outpatient_procedures │ 3 │") == 1


def test_what_is_left_out_is_told(workspace: Workspace, command: Command) -> None:
    (workspace.data / "schemes" / "2025-26.toml").touch()
    tabs = workbooks.layout_2025_26()
    del tabs["nuclear"]
    path = workbooks.write(workspace.root / "annex_a.xlsx", tabs.values())
    words = ("import", str(path), "--scheme", "2025-26", "--published", "2025-06-27")
    words = (*words, "--effective", "2025-04-01", "--without", "5 bpts")
    code, said = command(*words)
    assert (code, 'If it has none, give --without "nuclear medicine"' in said) == (1, True)
    code, said = command(*words, "--without", "nuclear medicine")
    assert code == 0, said
    assert "Does without nuclear medicine, as told." in said
    assert "Tab '5 BPTs' is not read: left out." in said
    assert "Does without 5" not in said


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
    assert "│ apc │ 4 │ 2 │ 1 │ 1 │ £3,163.46 │ £3,186.71 │ £23.25 │" in said
    assert "│ op │ 3 │ 1 │ 0 │ 1 │ £660.00 │ £348.00 │ -£312.00 │" in said
    assert "│ all │ 7 │ 3 │ 1 │ 2 │ £3,823.46 │ £3,534.71 │ -£288.75 │" in said
    assert "priced with the whole of each, market forces factors too" in said
    assert "ILLUSTRATIVE: the prices of 'reissue' are made up." in said
    code, said = command("diff", "cases", "cases")
    assert "nothing differs" in said
    assert "--all shows the rest" not in said
    code, said = command("diff", "2024-25", "cases", "--as-of", "2024-05-31")
    assert "nothing differs" in said
    code, said = command("diff", "2024-25", "cases", "--as-of", "2024-06-01")
    assert "│ BZ34A │ day case price │ £1,010.01 │ £1,000.00 │ -£10.01 │" in said


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


def test_any_code_of_a_book_is_shown_with_its_line(workspace: Workspace) -> None:
    """A treatment function, a factor, and the block values of a provider's pairs."""
    book = edition(workspace, "reissue")
    attendance = {price.header: price.value for price in find_code(book, "110")}
    assert attendance == {
        "WF01B First Attendance - Single Professional": 18_000,
        "WF01A Follow Up Attendance - Single Professional": 9_000,
    }
    found = [(p.header, p.value, p.place) for p in find_code(book, "rrv")]
    assert found == [
        ("market_forces_factor", 1_100_000, "market_forces_factor.csv, line 6"),
        ("block_value, 13Q", 2_000_000, "lva_payments_schedule.csv, line 3"),
        ("block_value, QHM", 21_200_000, "lva_payments_schedule.csv, line 4"),
        (f"{ELIGIBLE}, 0101", "listed", "specialist_top_up_providers.csv, line 2"),
        (f"{ELIGIBLE}, 0102", "listed", "specialist_top_up_providers.csv, line 4"),
        (f"{ELIGIBLE}, NCBPS01", "listed", "specialist_top_up_providers.csv, line 5"),
        (f"{ELIGIBLE}, NCBPS02", "listed", "specialist_top_up_providers.csv, line 6"),
        (f"{ELIGIBLE}, NCBPS03", "listed", "specialist_top_up_providers.csv, line 7"),
        (f"{ELIGIBLE}, NCBPS05", "listed", "specialist_top_up_providers.csv, line 10"),
        (f"{ELIGIBLE}, NCBPS06", "listed", "specialist_top_up_providers.csv, line 11"),
    ]
    assert find_code(book, "XX99Z") == []
