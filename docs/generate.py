"""Writes every generated page, and renews what the examples of written pages show.

    make docs

Belongs here: which pages there are, and which of them share a workspace. Does not belong
here: what makes each (`docs.builders`). The tests hold the pages in the repository to what
this writes.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from docs.builders import (
    annex_a,
    asset_graph,
    cases,
    commands,
    coverage,
    data_dictionary,
    examples,
    fixed_element_review,
    reasons,
    scheme,
)
from pipelines.workspace import PROJECT

DOCS = PROJECT / "docs"
EXAMPLES = {
    "the demonstration": (PROJECT / "README.md", DOCS / "explaining.md", DOCS / "reconciling.md"),
    "other years": (DOCS / "other-years.md",),
    "statements of 2024-25": (DOCS / "statements.md",),
    "statements of 2021-22": (DOCS / "statements-2021-22.md",),
    "statements of 2026-27": (DOCS / "statements-2026-27.md",),
    "low volume": (DOCS / "low-volume.md",),
    "the fixed element": (DOCS / "fixed-element.md",),
    "the review of a contract": (DOCS / "fixed-element-review.md",),
    "blocks of 2026-27": (DOCS / "low-volume-monitor.md",),
}
"""Pages whose examples are run: those of one name after another, in one workspace."""
OF_MARTS: dict[str, tuple[Path, Callable[[Path], str]]] = {
    "the demonstration": (DOCS / "reasons.md", reasons.build),
}
"""The page made of what is in a workspace once its examples have run."""
PAGES: dict[str, Callable[[], str]] = {
    "docs/annex-a.md": annex_a.build,
    "docs/asset-graph.svg": asset_graph.build,
    "docs/cases.md": cases.build,
    "docs/commands.md": commands.build,
    "docs/coverage.md": coverage.build,
    "docs/data-dictionary.md": data_dictionary.build,
    "docs/fixed-element-review.svg": fixed_element_review.build,
    **{f"docs/scheme-{year}.md": partial(scheme.build, year) for year in scheme.packs()},
}


def main() -> None:
    """Writes what has changed, and says what it was."""
    for name, build in PAGES.items():
        _write(PROJECT / name, build())
    for name in EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            for page, text in renewed(name, Path(folder)):
                _write(page, text)


def renewed(name: str, workspace: Path) -> Iterator[tuple[Path, str]]:
    """The pages that share a workspace, each with what its examples show there, in order."""
    for page in EXAMPLES[name]:
        yield page, examples.renewed(page.read_text("utf-8"), workspace)
    if name in OF_MARTS:
        page, build = OF_MARTS[name]
        yield page, build(workspace)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8", newline="\n")
        path.chmod(0o644)  # the pipeline keeps what it writes private; pages are for everyone
        sys.stdout.write(f"{path.relative_to(PROJECT)} is renewed\n")


if __name__ == "__main__":
    main()
