"""Every module says what belongs in it and what does not.

Belongs here: what a newcomer may count on at the top of any file. Does not belong here:
style, which the linter holds us to.
"""

import ast
import re
from pathlib import Path

import pytest

from pipelines.workspace import PROJECT

FOLDERS = ("schemas", "pricing", "pipelines", "benchmarks")
MODULES = sorted(path for folder in FOLDERS for path in (PROJECT / folder).glob("**/*.py"))
UNFINISHED = re.compile("TO" + "DO|FIX" + "ME")


def shown(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_says_what_belongs_in_it_and_what_does_not(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    said = " ".join(docstring.split())
    assert re.search(r"\b(Belongs here|What belongs here)\b", said)
    assert re.search(r"\b(Does not belong here|What does not)\b", said)
    assert said.partition(". ")[0].strip(), "it begins with a sentence of its own"


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_nothing_is_left_to_do_in_a_module(path: Path) -> None:
    assert not UNFINISHED.search(path.read_text("utf-8"))


def test_there_are_modules_to_look_at() -> None:
    assert {path.relative_to(PROJECT).parts[0] for path in MODULES} == set(FOLDERS)
