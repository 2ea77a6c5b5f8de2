"""What written pages show is what happens: their commands and queries are run, in order."""

import re
from difflib import unified_diff
from pathlib import Path

import pytest

from docs.builders import examples
from docs.generate import EXAMPLES


@pytest.fixture(scope="module")
def readme() -> str:
    return EXAMPLES[0].read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_examples_show_what_happens(page: Path, tmp_path: Path) -> None:
    shown = page.read_text("utf-8")
    now = examples.renewed(shown, tmp_path)
    moved = unified_diff(shown.splitlines(), now.splitlines(), page.name, "what happens")
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
    explained = [command for command in commands if " explain " in command]
    assert len(explained) == 3
    for shown in ("ELECTIVE_SPELL:", "UNAPPROVED_EBI:", "Refused by"):
        assert shown in readme
    assert readme.count("```sql") >= 4


def test_what_ships_is_said_to_be_made_up_before_anything_is_run(readme: str) -> None:
    warned, first_command = readme.index("Do not pay on these figures"), readme.index("$ ")
    assert warned < first_command


def test_an_example_of_one_run_differs_from_another_in_its_name_and_time_only() -> None:
    run = "55f3802c-8dd4-48ec-855c-4283891be9b9, published 2026-11-22 01:16:19 UTC"
    other = "b3905d64-fe45-41ce-bfb1-681432dfb0e8, published 2026-11-23 09:00:00 UTC"
    assert examples._masked(run) == examples._masked(other)
    assert examples._masked("£1,234.00") != examples._masked("£1,234.01")
