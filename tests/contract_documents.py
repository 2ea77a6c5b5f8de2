"""Contract files of tests: cases of the fixed element as documents, and documents as TOML.

Belongs here: test plumbing. Does not belong here: expected values (`tests/cases/fixed_element/`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from support import CASES

from pipelines.fixed_element.worksheets import FixedWorksheet, read_worksheet
from pipelines.workspace import PROJECT, Workspace

FOLDER = CASES / "fixed_element"
SUBJECTS = ("items_2024_25", "items_2026_27", "bases_2021_22")
HERE = Workspace(Path("/nowhere"), PROJECT / "data")
"""What ships, and no lists of a user's."""
Document = dict[str, Any]


class Written(str):
    """A value as it stands in a file, without quotes."""

    __slots__ = ()


@dataclass(frozen=True)
class WorksheetCase:
    """A case: the document of a contract file, and what its items come to, in pounds."""

    name: str
    document: Document
    expect: Mapping[str, str]
    total: str


def worksheet_cases() -> list[WorksheetCase]:
    """Every case of the items and approaches of each year."""
    return [
        WorksheetCase(
            f"{subject}: {case['case']}", document_of(subject, case), case["expect"], case["total"]
        )
        for subject in SUBJECTS
        for case in subject_of(subject)["cases"]
    ]


def subject_of(name: str) -> Document:
    """A file of cases."""
    found: Document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return found


def document_of(subject: str, case: Document) -> Document:
    """The document of a case: the plain one with what differs, or with other items alone."""
    plain = subject_of(subject)["plain"]
    if "only" in case:
        header = {key: value for key, value in plain.items() if not isinstance(value, dict)}
        items = case["only"]
    else:
        header, items = plain, case["items"]
    own = {key: case[key] for key in ("as_of", "starts_from") if key in case}
    merged = {**header, **own, **case.get("header", {}), **items}
    return {key: value for key, value in merged.items() if value is not None}


def as_toml(document: Mapping[str, Any]) -> str:
    """A document as a contract file: its header, and a table to each section."""
    header = [f"{key} = {_value(one)}" for key, one in document.items() if not _is_table(one)]
    for key, section in document.items():
        if _is_table(section):
            header += ["", f"[{key}]", *(f"{name} = {_value(v)}" for name, v in section.items())]
    return "\n".join(header) + "\n"


def read(document: Mapping[str, Any], folder: Path, workspace: Workspace = HERE) -> FixedWorksheet:
    """The worksheet of a document, by way of a file."""
    path = folder / "contract.toml"
    path.write_text(as_toml(document), "utf-8")
    return read_worksheet(workspace, path)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return (
        f"{value}" if isinstance(value, date | Written) else json.dumps(value, ensure_ascii=False)
    )
