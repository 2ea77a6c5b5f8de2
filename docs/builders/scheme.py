"""`docs/scheme-<year>.md`: every parameter of a scheme pack, the assumed ones first.

Belongs here: setting out what a pack in `data/schemes/` says. Does not belong here: any
value, or which of several versions is in force (`pricing.scheme`).
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.builders.markdown import code, lines, page, table, yes_or_no
from pipelines.workspace import PROJECT
from pricing.scheme import Parameter, read_pack
from pricing.scheme_tables import SHARE, ContractLine, DecisionRow, SchedulePart, WorksheetItem

_TABLE = "mechanism.decision_table"
_CONTRACT_LINES = "contract_lines.table"
_SCHEDULE = "low_volume.schedule"
_WORKSHEET = "fixed_element.worksheet"

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
    content = tomllib.loads(packs()[year].read_text("utf-8"))
    pack = read_pack(content)
    found = [version for versions in pack.versions.values() for version in versions]
    counts = {basis: sum(v.basis == basis for v in found) for basis in _BASES}
    introduction = (
        f"{pack.title}. Status: **{pack.status}**. In effect from {pack.effective_from} to "
        f"{pack.effective_to}. **{len(found)} values: "
        f"{', '.join(f'{count} {basis}' for basis, count in counts.items())}; "
        f"{len(pack.absent)} that the pack leaves out.** The rules in [pricing](../pricing) hold "
        "no number of their own: every one is here. Prices, market forces factors and block values "
        "are in the price book. [What of each guidance document is done](coverage.md)."
    )
    others = ", ".join(f"[{other}](scheme-{other}.md)" for other in packs() if other != year)
    sections = [
        _section(basis, [version for version in found if version.basis == basis])
        for basis in _BASES
        if counts[basis]
    ]
    return page(
        f"Scheme year {year}",
        f"`data/schemes/{year}.toml`",
        introduction,
        f"Other years: {others}.",
        *pack.notes,
        *(_decision_table(version) for version in pack.versions[_TABLE]),
        *(_contract_lines(version) for version in pack.versions.get(_CONTRACT_LINES, ())),
        *(_schedule(version) for version in pack.versions.get(_SCHEDULE, ())),
        *(_worksheet(version) for version in pack.versions.get(_WORKSHEET, ())),
        *sections,
        _absent(pack.absent),
        _documents(content),
    )


def _decision_table(version: Parameter) -> str:
    """Who pays whom, row by row: the first whose conditions all hold decides."""
    rows = [
        [str(place), code(row.rule), row.condition, code(row.pays), row.citation]
        for place, row in enumerate(version.value, 1)
    ]
    return f"## Payment mechanisms\n\n{version.says}\n\n" + table(
        ["", "rule", "where the line is of or has", "pays", "rests on"], rows
    )


def _contract_lines(version: Parameter) -> str:
    """What the variable element and the blend of a contract are made of, line by line."""
    rows = [
        [
            code(row.line),
            row.section.replace("_", " "),
            row.source.replace("_", " "),
            row.pays.replace("_", " "),
            code(row.rate) if row.rate else "",
            row.citation,
        ]
        for row in version.value
    ]
    return f"## Contract lines\n\n{version.says}\n\n" + table(
        ["line", "statement", "activity from", "pays", "rate", "rests on"], rows
    )


def _schedule(version: Parameter) -> str:
    """How the values of the LVA payments schedule are made, part by part."""
    rows = [
        [
            row.part.replace("_", " "),
            row.made_from.replace("_", " "),
            ", ".join(row.uplift_years),
            yes_or_no(row.is_delegated),
            row.citation,
        ]
        for row in version.value
    ]
    header = ["part", "made from", "uplift of", "delegated", "rests on"]
    return f"## LVA payments schedule\n\n{version.says}\n\n" + table(header, rows)


def _worksheet(version: Parameter) -> str:
    """How the fixed element is built, item by item."""
    rows = [
        [
            row.starts_from.replace("_", " "),
            code(row.item) + (" (optional)" if row.is_optional else ""),
            row.shape.replace("_", " "),
            lines(_of_item(row)),
            row.citation,
        ]
        for row in version.value
    ]
    return f"## Fixed element\n\n{version.says}\n\n" + table(
        ["starts from", "item", "is", "made of", "rests on"], rows
    )


def _of_item(row: WorksheetItem) -> Iterator[str]:
    """What an item takes: its parts by sign, its base and rates, and when it is not added."""
    yield from (f"{part.sign} {code(part.name)}{' ?' * part.is_optional}" for part in row.parts)
    if row.of:
        sign = f"{row.sign} a share " if row.shape == SHARE else ""
        yield f"{sign}of {row.of.replace('_', ' ')}"
    yield from map(code, row.rates)
    if row.unless:
        yield f"unless {code(row.unless)}"
    if row.payers:
        yield f"for {code(row.payers)}"
    if row.is_reviewed:
        yield "what a review adjusts"
    if row.year:
        yield f"figures of {row.year}"


def _section(basis: str, found: list[Parameter]) -> str:
    title, says = _BASES[basis]
    header = ["parameter", "what it says", "value", "unit", "effective from", "published"]
    rows = [
        [
            code(version.path),
            version.says,
            _value(version.value),
            version.unit,
            version.effective_from.isoformat(),
            version.published_on.isoformat(),
            version.citation.removeprefix("assumed: "),
            basis,
        ]
        for version in found
    ]
    return "\n\n".join(
        [
            f"## {title} ({len(found)})",
            says,
            table([*header, "citation", "basis"], rows),
        ]
    )


def _absent(absent: Mapping[str, str]) -> str:
    says = (
        "What the documents here do not give, and nothing guesses. A rule that reads one of these "
        "stops with the reason."
    )
    rows = [[code(path), reason.partition(" is not given: ")[2]] for path, reason in absent.items()]
    return f"## Left out ({len(rows)})\n\n{says}\n\n" + table(["parameter", "why"], rows)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return yes_or_no(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple) and value and isinstance(value[0], DecisionRow):
        return f"{len(value)} rows: see [payment mechanisms](#payment-mechanisms)"
    if isinstance(value, tuple) and value and isinstance(value[0], ContractLine):
        return f"{len(value)} rows: see [contract lines](#contract-lines)"
    if isinstance(value, tuple) and value and isinstance(value[0], SchedulePart):
        return f"{len(value)} parts: see [LVA payments schedule](#lva-payments-schedule)"
    if isinstance(value, tuple) and value and isinstance(value[0], WorksheetItem):
        return f"{len(value)} rows: see [fixed element](#fixed-element)"
    if isinstance(value, tuple):
        return " ".join(code(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return lines(f"{code(key)} → {_value(entry)}" for key, entry in value.items())
    return code(str(value))


def _documents(pack: dict[str, Any]) -> str:
    rows = [
        [document.get("short_title", ""), document["title"], document["published_on"].isoformat()]
        for document in pack["documents"].values()
    ]
    return "## Documents\n\n" + table(["cited as", "title", "published"], rows)
