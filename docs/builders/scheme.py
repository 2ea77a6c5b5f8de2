"""`docs/scheme-<year>.md`: every parameter of a scheme pack, the assumed ones first.

Belongs here: setting out what a pack in `data/schemes/` says. Does not belong here: any
value, or which of several versions is in force (`pricing.scheme`).
"""

import tomllib
from pathlib import Path
from typing import Any

from docs.builders.markdown import code, lines, page, table, yes_or_no
from pipelines.workspace import PROJECT
from pricing.scheme import SECTIONS

_BASES = {
    "assumed": (
        "Assumed",
        "No document here states these. They are our reading or the working practice of NHS "
        "analysts, named so that they can be challenged and changed.",
    ),
    "local": ("Local", "Agreed between the parties."),
    "cited": ("Cited", "Stated in the document and paragraph named."),
}


def packs() -> dict[str, Path]:
    """The scheme packs that ship, by scheme year."""
    return {path.stem: path for path in sorted((PROJECT / "data" / "schemes").glob("*.toml"))}


def build(year: str) -> str:
    """The page of a scheme year."""
    pack = tomllib.loads(packs()[year].read_text("utf-8"))
    found = [
        (f"{section}.{key}", version)
        for section in SECTIONS
        for key, versions in pack.get(section, {}).items()
        for version in versions
    ]
    counts = {basis: sum(v["basis"] == basis for _, v in found) for basis in _BASES}
    introduction = (
        f"{pack['title']}. Status: {pack['status']}. In effect from "
        f"{pack['effective_from']} to {pack['effective_to']}. **{len(found)} values: "
        f"{', '.join(f'{count} {basis}' for basis, count in counts.items())}.** The rules in "
        "[pricing](../pricing) hold no number of their own: every one is here. Prices, market "
        "forces factors and block values are in the price book."
    )
    sections = [
        _section(basis, [(path, v) for path, v in found if v["basis"] == basis], pack)
        for basis in _BASES
        if counts[basis]
    ]
    return page(
        f"Scheme year {year}",
        f"`data/schemes/{year}.toml`",
        introduction,
        *sections,
        _documents(pack),
    )


def _section(basis: str, found: list[tuple[str, dict[str, Any]]], pack: dict[str, Any]) -> str:
    title, says = _BASES[basis]
    header = ["parameter", "what it says", "value", "unit", "effective from", "published"]
    rows = [
        [
            code(path),
            version["says"],
            _value(version["value"]),
            version["unit"],
            version["effective_from"].isoformat(),
            version["published_on"].isoformat(),
            _citation(version, pack["documents"]),
            basis,
        ]
        for path, version in found
    ]
    return "\n\n".join(
        [
            f"## {title} ({len(found)})",
            says,
            table([*header, "citation", "basis"], rows),
        ]
    )


def _citation(version: dict[str, Any], documents: dict[str, Any]) -> str:
    document = documents[version["document"]]
    paragraph = version.get("paragraph", "")
    mark = "¶" if paragraph[:1].isdigit() else ""
    return f"{document.get('short_title', document['title'])} {mark}{paragraph}".strip()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return yes_or_no(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return " ".join(code(str(entry)) for entry in value)
    if isinstance(value, dict):
        return lines(f"{code(key)} → {code(entry)}" for key, entry in value.items())
    return code(str(value))


def _documents(pack: dict[str, Any]) -> str:
    rows = [
        [document.get("short_title", ""), document["title"], document["published_on"].isoformat()]
        for document in pack["documents"].values()
    ]
    return "## Documents\n\n" + table(["cited as", "title", "published"], rows)
