"""What written pages show is what happens: their commands and queries are run, in order."""

import re
from difflib import unified_diff
from pathlib import Path

import pytest

from docs import generate
from docs.builders import examples
from pipelines.workspace import PROJECT
from pricing.reasons import ItemReason, Reason, Refusal


@pytest.fixture(scope="module")
def readme() -> str:
    return (PROJECT / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", generate.EXAMPLES)
def test_examples_show_what_happens(name: str, tmp_path: Path) -> None:
    moved = [
        line
        for page, now in generate.renewed(name, tmp_path)
        for line in unified_diff(
            page.read_text("utf-8").splitlines(), now.splitlines(), page.name, "what happens"
        )
    ]
    assert "\n".join(moved) == ""


def test_the_windows_commands_are_those_of_the_demonstration(readme: str) -> None:
    block = re.findall(r"```powershell\n(.*?)```", readme, flags=re.DOTALL)[0]
    named = [line for line in block.splitlines() if r"\sus-pricing" in line]
    as_make_has_them = [
        line.replace(r".venv\Scripts\sus-pricing", examples.COMMAND) for line in named
    ]
    assert as_make_has_them == examples.recipe("demo")


def test_there_is_an_example_of_each_kind(readme: str) -> None:
    commands = re.findall(r"^\$ (.+)$", readme, flags=re.MULTILINE)
    assert commands[0] == "make demo"
    assert len([command for command in commands if " explain " in command]) == 2
    for shown in ("ELECTIVE_SPELL:", "Refused by"):
        assert shown in readme
    assert readme.count("```sql") >= 4


def test_ten_kinds_of_record_are_explained() -> None:
    page = (PROJECT / "docs" / "explaining.md").read_text("utf-8")
    commands = re.findall(r"^\$ .*sus-pricing explain (.+)$", page, flags=re.MULTILINE)
    assert len(set(commands)) == len(commands) >= 10
    assert sum(command.endswith(" --json") for command in commands) == 1
    for kind in (
        *("best practice £32.00", "top-up £249.90", "days beyond the trim point", "zero price "),
        *("UNBUNDLED_SERVICE:", "LOCAL_PRICE:", "COVERED_BY_LVA_BLOCK:", "SUBCONTRACTED:"),
        *("OVERSEAS_VISITOR_CHARGED:", "SERVICE_IN_FIXED_ELEMENT:", "Refused by pricing"),
    ):
        assert kind in page
    assert "The row does not hold" not in page
    assert "Changed since" not in page


def test_a_month_reconciled_shows_causes_and_no_difference_without_one() -> None:
    page = (PROJECT / "docs" / "reconciling.md").read_text("utf-8")
    printed = page[page.index("```console") : page.index("## How to read")]
    for cause in ("ebi_approval", "exclusion", "long_stay", "mff_value", "rounding"):
        assert re.search(rf"│ {cause} +│ +\d", printed)
    assert "│ unknown" not in printed


def test_every_reason_is_listed_with_its_count() -> None:
    page = (PROJECT / "docs" / "reasons.md").read_text("utf-8")
    counts = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, flags=re.MULTILINE))
    assert {*Reason, *ItemReason, *Refusal} <= counts.keys()
    assert counts["UNBUNDLED_SERVICE"] != "0" == counts["UEC_BLENDED"]


def test_what_ships_is_said_to_be_made_up_before_anything_is_run(readme: str) -> None:
    warned, first_command = readme.index("Do not pay on these figures"), readme.index("$ ")
    assert warned < first_command


def test_an_example_of_one_run_differs_from_another_in_its_name_and_time_only() -> None:
    run = "55f3802c-8dd4-48ec-855c-4283891be9b9, published 2026-11-22 01:16:19 UTC"
    other = "b3905d64-fe45-41ce-bfb1-681432dfb0e8, published 2026-11-23 09:00:00 UTC"
    assert examples._masked(run) == examples._masked(other)
    assert examples._masked("£1,234.00") != examples._masked("£1,234.01")
