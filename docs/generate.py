"""Writes every generated page, and renews what the examples of written pages show.

    make docs

Belongs here: which pages there are. Does not belong here: what makes each
(`docs.builders`). The tests hold the pages in the repository to what this writes.
"""

import sys
import tempfile
from collections.abc import Callable
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
    reasons,
    scheme,
)
from pipelines.workspace import PROJECT

EXAMPLES = (PROJECT / "README.md", PROJECT / "docs" / "other-years.md")
"""Pages whose examples are run; each in a workspace of its own."""
PAGES: dict[str, Callable[[], str]] = {
    "docs/annex-a.md": annex_a.build,
    "docs/asset-graph.svg": asset_graph.build,
    "docs/cases.md": cases.build,
    "docs/commands.md": commands.build,
    "docs/coverage.md": coverage.build,
    "docs/data-dictionary.md": data_dictionary.build,
    "docs/reasons.md": reasons.build,
    **{f"docs/scheme-{year}.md": partial(scheme.build, year) for year in scheme.packs()},
}


def main() -> None:
    """Writes what has changed, and says what it was."""
    for name, build in PAGES.items():
        _write(PROJECT / name, build())
    for page in EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            _write(page, examples.renewed(page.read_text("utf-8"), Path(folder)))


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8", newline="\n")
        path.chmod(0o644)  # the pipeline keeps what it writes private; pages are for everyone
        sys.stdout.write(f"{path.relative_to(PROJECT)} is renewed\n")


if __name__ == "__main__":
    main()
