"""Where everything is kept: the folders of one installation, and how files are replaced.

Belongs here: paths, and the one way in which any file is written. Does not belong here:
what is in the files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.basis import OWN_YEAR, PricingBasis

PROJECT = Path(__file__).resolve().parents[1]
CUTS = ("freeze", "flex")
"""Freeze is final, so where a month has both it is the one that is priced."""


class UserError(Exception):
    """Something the user can mend; the message says what and how. Never shows a traceback."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one installation.

    `root` holds what users put in and what the pipeline makes; `data` holds scheme packs,
    price books and organisations. What is priced on another `basis` than its own year's has
    folders of its own.
    """

    root: Path
    data: Path
    basis: PricingBasis = OWN_YEAR

    @classmethod
    def at(cls, root: Path | None = None) -> "Workspace":
        """The workspace at `root`, or at `SUS_PRICING_HOME`, or in the project's folder."""
        chosen = root or Path(os.environ.get("SUS_PRICING_HOME") or PROJECT)
        own_data = chosen / "data"
        data = own_data if (own_data / "schemes").is_dir() else PROJECT / "data"
        return cls(chosen.resolve(), data.resolve())

    def on(self, basis: PricingBasis) -> "Workspace":
        """The same workspace, pricing on another basis."""
        return replace(self, basis=basis)

    @property
    def imported(self) -> Path:
        """Price books and organisations that users imported."""
        return self.root / "data" / "imported"

    @property
    def landing(self) -> Path:
        """Files as delivered: extracts, and the users' own lists."""
        return self.root / "data" / "landing"

    @property
    def lake(self) -> Path:
        """Parquet between the steps."""
        return self.root / "lake"

    @property
    def mart(self) -> Path:
        """What analysts open."""
        return self.root / "marts" / "outputs.duckdb"

    @property
    def deliveries(self) -> Path:
        """What is known of each file that was taken in."""
        return self.lake / "deliveries"

    @property
    def results(self) -> Path:
        """What pricing made: apart from the month's own where the basis is another."""
        if self.basis.is_own_year:
            return self.lake
        return self.lake / "repriced" / f"basis={self.basis.name}"

    def state_of_data(self) -> frozenset[tuple[str, int, int, int]]:
        """Every file of `data` by path, inode, size and change: the same while none changes."""
        found = set()
        for folder in {self.data, self.root / "data"}:
            for path in folder.rglob("*"):
                with suppress(FileNotFoundError):
                    now = path.stat()
                    found.add((str(path), now.st_ino, now.st_size, now.st_ctime_ns))
        return frozenset(found)

    def month(self, stage: str, dataset: str, month: str, cut: str) -> Path:
        """The folder of one dataset's month and cut at one stage before pricing."""
        return _month(self.lake, stage, dataset, month, cut)

    def priced_month(self, stage: str, dataset: str, month: str, cut: str) -> Path:
        """The folder of one dataset's month and cut at one stage that pricing makes."""
        return _month(self.results, stage, dataset, month, cut)

    def statement(self, name: str, month: str) -> Path:
        """The file of one statement of a month."""
        return self.results / "statements" / name / f"month={month}.parquet"

    def accounting(self, month: str) -> Path:
        """The total accounting of a month's run."""
        return self.results / "accounting" / f"month={month}.json"

    def shown(self, path: Path) -> str:
        """`path` as messages show it: from the workspace where it is inside it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def _month(root: Path, stage: str, dataset: str, month: str, cut: str) -> Path:
    return root / stage / dataset / f"month={month}" / f"cut={cut}"


def keep_private() -> None:
    """Makes every file this process writes readable by its owner alone."""
    os.umask(0o077)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` by one rename when all is written.

    Nothing is left behind and `path` is untouched when the block fails; what a killed
    process leaves is removed by the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".{path.name}.writing")
    discard(writing)
    try:
        yield writing
        if path.is_dir():
            discard(path)
        writing.replace(path)
    finally:
        discard(writing)


def discard(path: Path) -> None:
    """Removes a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
