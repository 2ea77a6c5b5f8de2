"""Explaining a published line: by what its run used, whatever is there now.

Belongs here: what is said once prices, lists or organisations are no longer those of the
run. Does not belong here: the words for a mechanism or a mapping, which are tested with it.
"""

from pathlib import Path

import pytest
from pipeline import making
from pipeline.making import MONTH, land, land_good_month, new_workspace

from pipelines.explaining import Step, explain_record
from pipelines.workspace import Workspace

RECORD = f"S1-{MONTH}"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = new_workspace(tmp_path / "workspace")
    land_good_month(made, MONTH)
    making.publish(made, MONTH)
    return made


def explained(workspace: Workspace) -> dict[str, Step]:
    ((_, steps),) = explain_record(workspace, RECORD)
    return {step.what: step for step in steps}


def manifest(workspace: Workspace) -> Path:
    return workspace.data / "price_books" / "cases" / "manifest.toml"


def test_nothing_is_said_of_changes_where_there_are_none(workspace: Workspace) -> None:
    steps = explained(workspace)
    assert "changed since" not in steps
    assert steps["unit price £500.00"].citation == "cases (illustrative book, made up)"
    assert steps["RGT"].citation == "data/organisations/providers.csv"


def test_a_book_that_came_later_is_not_said_to_have_priced_it(workspace: Workspace) -> None:
    text = manifest(workspace).read_text("utf-8").replace('"cases"', '"later"')
    manifest(workspace).write_text(text, "utf-8")
    steps = explained(workspace)
    price = steps["unit price £500.00"]
    assert price.citation == "cases (the book of the run, which is not the one that counts now)"
    assert "price book cases, price book later" in steps["changed since"].how


def test_organisations_that_came_later_are_not_said_to_have_been_used(
    workspace: Workspace,
) -> None:
    with (workspace.data / "organisations" / "providers.csv").open("a", encoding="utf-8") as file:
        file.write("RZZ,A trust,nhs_trust,2013-04-01,\n")
    steps = explained(workspace)
    assert steps["RGT"].citation == "organisations of the run"
    assert "organisations: not as when this was published" in steps["changed since"].how


def test_a_line_is_explained_though_its_book_is_gone(workspace: Workspace) -> None:
    manifest(workspace).unlink()
    steps = explained(workspace)
    assert steps["payable £561.73"].how.startswith("ELECTIVE_SPELL: ")
    assert "There is no price book for 2024-25" in steps["changed since"].how


def test_a_line_is_explained_though_a_list_is_faulty_now(workspace: Workspace) -> None:
    land(workspace, "approvals.csv", "record_id,provider_code\nS1,RGT\n")
    assert explained(workspace)["payable £561.73"].how.startswith("ELECTIVE_SPELL: ")
