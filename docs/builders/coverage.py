"""`docs/coverage.md`: what is done of each paragraph of the guidance documents.

Belongs here: finding the paragraphs that modules and packs cite, and setting them out with
what is kept by hand in `coverage.toml`. Does not belong here: any rule or value.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from docs.builders import scheme
from docs.builders.markdown import code, page, table
from pipelines.workspace import PROJECT
from pricing.scheme import read_pack

BY_HAND = Path(__file__).with_suffix(".toml")
STATUSES = {
    "implemented": "a module that cites it does what it says",
    "in part": "a module that cites it does some of it; what is missing is said",
    "data only": "its values are in a scheme pack, and no module cites it yet",
    "guidance": "there is nothing in it to compute; why is said",
    "not yet": "there is something to compute, and nothing here does it; what is said",
}
_ITEM = r"¶\d+(?:-\d+)?|Appendix \d+(?:, Table \d+)?|Table \d+|Figure \d+"
_CITATION = re.compile(rf"(2021/22|2023/25|2026/27) ((?:{_ITEM})(?:, (?:{_ITEM}))*)")
_Places = dict[tuple[str, str], list[str]]


def build() -> str:
    """The page."""
    documents = by_hand()
    introduction = (
        "What is done of each numbered paragraph, table and appendix of the guidance documents. "
        "Where a paragraph is done is read from the citations in the code and in the "
        "[scheme packs](scheme-2024-25.md); what no citation can tell is kept by hand in "
        "`docs/builders/coverage.toml`. A paragraph is one of these:"
    )
    meanings = table(["status", "means"], [list(row) for row in STATUSES.items()])
    counts = table(
        ["document", *STATUSES, "all"],
        [
            [f"[{name}](#{_anchor(name)})", *(f"{n}" for n in counted), f"{sum(counted)}"]
            for name in documents
            for counted in [_counts(name)]
        ],
        numbers=range(1, len(STATUSES) + 2),
    )
    return page(
        "Coverage of the guidance",
        "citations in the code and the packs, and `docs/builders/coverage.toml`",
        introduction,
        meanings,
        counts,
        *(_document(name, document) for name, document in documents.items()),
    )


@cache
def by_hand() -> dict[str, Any]:
    """The documents, and what is kept by hand of each."""
    return tomllib.loads(BY_HAND.read_text("utf-8"))


def items(document: dict[str, Any]) -> list[str]:
    """Every paragraph of a document, and the tables and appendices worth having."""
    return [*(str(number) for number in range(1, document["paragraphs"] + 1)), *document["also"]]


def said(entries: dict[str, str]) -> dict[str, str]:
    """Entries by single item, where one stands for a range of paragraphs, such as `3-7`."""
    return {item: text for key, text in entries.items() for item in _expanded(key)}


@cache
def cited_in_code() -> _Places:
    """The modules that cite each item of each document."""
    found: _Places = defaultdict(list)
    for folder in ("schemas", "pricing", "pipelines"):
        for path in sorted((PROJECT / folder).glob("**/*.py")):
            for place in dict.fromkeys(citations(path.read_text("utf-8"))):
                found[place].append(path.relative_to(PROJECT).as_posix())
    return dict(found)


@cache
def cited_in_packs() -> _Places:
    """The parameters that cite each item of each document, by themselves or in a row of a table."""
    found: _Places = defaultdict(list)
    for path in scheme.packs().values():
        pack = read_pack(tomllib.loads(path.read_text("utf-8")))
        for version in (version for versions in pack.versions.values() for version in versions):
            rows = version.value if isinstance(version.value, tuple) else ()
            cited = (version.citation, *(getattr(row, "citation", "") for row in rows))
            for place in (place for text in cited for place in citations(text)):
                if version.path not in found[place]:
                    found[place].append(version.path)
    return dict(found)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """The documents and items that a text cites.

    >>> list(citations("as agreed (2023/25 ¶39-40, ¶42, 2026/27 Table 1)"))
    [('2023/25', '39'), ('2023/25', '40'), ('2023/25', '42'), ('2026/27', 'Table 1')]
    """
    for document, cited in _CITATION.findall(" ".join(text.split())):
        for item in re.findall(_ITEM, cited):
            yield from ((document, one) for one in _expanded(item.removeprefix("¶")))


def status(document: str, item: str) -> tuple[str, str]:
    """The status of an item, and where it is done or why not."""
    kept = by_hand()[document]
    place = (document, item)
    missing = said(kept["missing"]).get(item, "")
    if place in cited_in_code():
        modules = ", ".join(f"[{name}](../{name})" for name in cited_in_code()[place])
        return ("in part" if missing else "implemented", f"{missing} {modules}".strip())
    if place in cited_in_packs():
        parameters = ", ".join(code(path) for path in cited_in_packs()[place])
        return "data only", f"{missing} {parameters}".strip()
    for name in ("guidance", "not yet"):
        reason = said(kept[name.replace(" ", "_")]).get(item)
        if reason:
            return name, reason
    raise ValueError(f"{document} {item} is not marked: add it to {BY_HAND.name}")


def _counts(document: str) -> list[int]:
    found = [status(document, item)[0] for item in items(by_hand()[document])]
    return [found.count(name) for name in STATUSES]


def _document(name: str, document: dict[str, Any]) -> str:
    rows = [
        [f"¶{item}" if item.isdigit() else item, *status(name, item)] for item in items(document)
    ]
    return f"## {name}\n\n{document['title']}.\n\n" + table(["", "status", "where, or why"], rows)


def _expanded(key: str) -> list[str]:
    first, _, last = key.partition("-")
    if first.isdigit() and last.isdigit():
        return [str(number) for number in range(int(first), int(last) + 1)]
    return [key]


def _anchor(title: str) -> str:
    return title.replace("/", "")
