"""`sus-pricing schemes`: what it prints of the shipped packs, and what it refuses.

Belongs here: that each value is printed with its citation, and dates with it. Does not belong
here: that the values are right (`tests/rules/test_scheme.py`).
"""

import re

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.workspace import UserError


def printed(*arguments: str) -> str:
    """What a command prints, as one line without the lines of its tables."""
    done = CliRunner().invoke(app, ["schemes", *arguments], env={"COLUMNS": "300"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return " ".join(re.sub(r"[│┃━─┏┓┗┛┡┩├┤└┘╇┼┴┬]", " ", done.output).split())


def test_all_years_are_listed_and_the_proposed_one_is_marked() -> None:
    listed = printed("list")
    assert "2021-22 2021/22 National Tariff" in listed
    assert re.search(r"2026-27 Consultation on .*proposed 2026-04-01 to 2027-03-31", listed)
    assert listed.count("final") == 5


def test_a_year_is_shown_with_dates_and_citations() -> None:
    shown = printed("show", "2024-25")
    assert "1.7% 2024-04-01 2024-03-27 2023/25 ¶64" in shown
    assert "5% 2024-04-01 2024-09-30 cost uplift of" in shown
    assert "Not in the pack of 2024-25" in shown


def test_a_year_is_shown_as_published_by_a_day() -> None:
    shown = printed("show", "2024-25", "--as-of", "2024-09-29")
    assert "as published by 2024-09-29" in shown
    assert "1.7% 2024-04-01 2024-03-27" in shown
    assert "2024-09-30" not in shown


def test_what_was_not_published_by_the_day_is_said() -> None:
    with pytest.raises(
        UserError, match="Nothing of the rules of 2024-25 was published by 2022-06-30"
    ):
        printed("show", "2024-25", "--as-of", "2022-06-30")
    shown = printed("show", "2022-23", "--as-of", "2022-06-01")
    assert "cost_adjustment.uplift_ppm not published by then" in shown


def test_two_years_are_held_against_each_other() -> None:
    shown = printed("diff", "2024-25", "2026-27")
    assert "2024-25 (final) 2026-27 (proposed)" in shown
    assert "£500,000.00 £1,500,000.00" in shown
    assert "2023/25 ¶11, ¶83, ¶85, Table 1" in shown
    assert "2026/27 ¶106, Table 1" in shown
    assert "rounding" not in shown
    assert re.search(r"\d+ parameters differ; \d+ are the same in both years", shown)


def test_a_year_does_not_differ_from_itself() -> None:
    assert "0 parameters differ" in printed("diff", "2024-25", "2024-25")


def test_what_is_assumed_is_listed_for_all_years_or_one() -> None:
    every, one = printed("assumptions"), printed("assumptions", "2022-23")
    assert "75% of the unit price" in every
    assert {f"20{start}-{start + 1}" for start in range(21, 27)} <= set(every.split())
    assert "75% of the unit price" in one
    assert "2024-25" not in one


@pytest.mark.parametrize("command", [["show"], ["assumptions"], ["diff", "2024-25"]])
def test_a_year_without_a_pack_is_named_with_those_there_are(command: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"No scheme pack covers 2031-32\. There are packs for: 2021"
    ):
        printed(*command, "2031-32")


def test_what_is_no_scheme_year_is_wrong_usage() -> None:
    done = CliRunner().invoke(app, ["schemes", "show", "2024"])
    assert done.exit_code == 2


def test_how_a_schedule_is_made_is_shown() -> None:
    assert "acute: average of" in printed("show", "2026-27")
