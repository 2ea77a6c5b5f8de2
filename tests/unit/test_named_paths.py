"""What commands write to paths that a user named: nothing of the user's is ever taken away.

Belongs here: folders and files with `--out` or `--workbook`, right and wrong. Does not belong here:
what is written.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.low_volume.schedule_files import refuse_other_folder
from pipelines.workspace import UserError, replacing, replacing_named

MANIFEST = '{"scheme_year": "2026-27", "parts": {}, "content_hash": "0"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a document in it."""
    made = tmp_path / "docs"
    made.mkdir()
    (made / "notes.txt").write_text("mine", "utf-8")
    return made


def test_a_file_never_takes_the_place_of_a_folder(folder: Path) -> None:
    with pytest.raises(IsADirectoryError), replacing(folder) as writing:
        writing.write_text("file", "utf-8")
    with pytest.raises(UserError, match=r"docs is a folder\. Name a file, such as .*docs/NAME\.$"):
        replacing_named(folder).__enter__()
    assert (folder / "notes.txt").read_text("utf-8") == "mine"
    assert [path.name for path in folder.parent.iterdir()] == ["docs"]


def test_a_path_below_a_file_is_refused(folder: Path) -> None:
    below = folder / "notes.txt" / "more" / "x.csv"
    with pytest.raises(
        UserError, match=r"notes\.txt is a file, and .*x\.csv would be in it\. Name"
    ):
        replacing_named(below).__enter__()


def test_what_the_system_refuses_is_said(folder: Path) -> None:
    full = OSError(28, "No space left on device")
    manager = replacing_named(folder / "x.csv")
    assert manager.__enter__().exists()
    with pytest.raises(UserError, match=r"x\.csv cannot be written: No space left on device"):
        manager.__exit__(OSError, full, None)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "held",
    [
        {"notes.txt": "mine"},
        {"manifest.json": MANIFEST, "notes.txt": "mine"},
        {"manifest.json": "{}"},
        {"manifest.json": "not JSON", "schedule.csv": ""},
        {"schedule.csv": "mine"},
    ],
)
def test_a_folder_that_is_no_schedules_is_refused(tmp_path: Path, held: dict[str, str]) -> None:
    for name, text in held.items():
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"holds other files\. Name a folder that is not there yet"):
        refuse_other_folder(tmp_path)


def test_an_earlier_schedule_or_nothing_may_be_written_over(tmp_path: Path) -> None:
    refuse_other_folder(tmp_path / "new" / "folder")
    refuse_other_folder(tmp_path)
    for name, text in {"manifest.json": MANIFEST, "schedule.csv": "", "working.csv": ""}.items():
        (tmp_path / name).write_text(text, "utf-8")
    refuse_other_folder(tmp_path)
    with pytest.raises(UserError, match=r"schedule\.csv is a file\. Name a folder\."):
        refuse_other_folder(tmp_path / "schedule.csv")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("lva build --scheme 2026-27 --out docs/notes.txt", "notes.txt is a file. Name a folder."),
        ("lva build --scheme 2026-27 --out docs", "docs holds other files. Name a folder"),
        ("lva reexpress --scheme 2026-27 --on 2026-04-01 --out docs", "docs is a folder. Name a"),
        ("fixed review F.toml --out docs/notes.txt", "notes.txt is a file. Name a folder."),
        ("fixed build F.toml --workbook docs", "docs is a folder. Name a file"),
        (
            "statement --provider RRK --commissioner QHL --month 2024-07 --workbook docs",
            "docs is a folder. Name a file",
        ),
        ("reissue 2024-25 --from 2024-09-01 --to 2024-10-01 --out docs", "docs is a folder. Name"),
        ("synth --months 2024-07..2024-07 --out docs/notes.txt", "notes.txt is a file. Name a"),
    ],
)
def test_commands_refuse_such_a_path_before_they_do_anything(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    """In a workspace with nothing in it, of which any of them would have complained."""
    monkeypatch.chdir(folder.parent)
    done = CliRunner().invoke(
        app, arguments.split(), env={"SUS_PRICING_HOME": str(folder.parent / "home")}
    )
    assert done.exit_code != 0
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)
    assert (folder / "notes.txt").read_text("utf-8") == "mine"
    assert not (folder.parent / "home").exists()
