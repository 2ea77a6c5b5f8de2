"""`docs/cases.md`: every pricing case, with what both engines give for it.

Belongs here: running the cases of `tests/cases/` and setting them out for people. Does not
belong here: the cases, or how they are read (`tests/support.py`).
"""

import sys
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from docs.builders.markdown import code, lines, page, table, yes_or_no
from pipelines.workspace import PROJECT

sys.path.insert(0, str(PROJECT / "tests"))

from support import CASES, ENGINES, SCHEME_YEAR, Case, cases, lines_of

_KINDS = {"apc": "spell", "op": "attendance"}


def build() -> str:
    """The page."""
    every = cases()
    agreed = sum(_agrees(case) for case in every)
    introduction = (
        f"{len(every)} cases in {len({case.file for case in every})} subjects. Each is one record "
        "and what the scheme pays for it. The amounts below are not copied from the cases: each "
        "record was priced by Polars and by DuckDB when this page was made. ✓ says that the two "
        "gave the same lines, column for column, and that it is what the case expects; ✗ says that "
        f"they did not. **✓ {agreed}, ✗ {len(every) - agreed}.**\n\n"
        "*What differs* is what the record has that the plain record of its subject has not. A "
        "null is a blank, which is not the same as 0. 2023/25 ¶40 is a paragraph of the 2023/25 "
        "NHS Payment Scheme guidance on payment mechanisms (27 March 2024); 2026/27 is that of the "
        "consultation, 2021/22 that of September 2021. A case is priced under the rules of "
        f"{SCHEME_YEAR} where it names no other year. The prices, factors "
        "and block values are those of [tests/cases/book](../tests/cases/book), made up and round. "
        "[How to read and add a case](../tests/cases/README.md)."
    )
    subjects = [_subject(name, list(found)) for name, found in groupby(every, lambda c: c.file)]
    contents = "\n".join(f"- [{_title(name)}](#{name.replace('_', '-')})" for name in _names(every))
    return page("Pricing cases", "`tests/cases/*.yaml`", introduction, contents, *subjects)


def _names(every: list[Case]) -> Iterator[str]:
    yield from dict.fromkeys(case.file for case in every)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Ebi", "EBI").replace("Mff", "MFF")


def _subject(name: str, found: list[Case]) -> str:
    document = _document(name)
    raw = [
        entry[_KINDS[case.dataset]] for case, entry in zip(found, document["cases"], strict=True)
    ]
    own_policy = [entry.get("policy", "") for entry in document["cases"]]
    header = ["situation", "what differs", "what both engines give", "working"]
    rows = [
        [case.name, _differs(case, differs or {}, document), _given(case), case.working]
        for case, differs in zip(found, raw, strict=True)
    ]
    if any(own_policy):
        header.append("policy")
        rows = [[*row, policy] for row, policy in zip(rows, own_policy, strict=True)]
    plain = "\n\n".join(_plain(kind, record) for kind, record in document["defaults"].items())
    return "\n\n".join(
        [
            f"## {_title(name)}",
            " ".join(document["about"].split()),
            f"Policy: {document['policy']}.",
            plain,
            table(header, rows),
        ]
    )


def _plain(kind: str, record: dict[str, Any]) -> str:
    said = ", ".join(f"{name} {_shown(name, value)}" for name, value in record.items())
    return f"<details><summary>The plain {kind}</summary>\n\n{said}\n\n</details>"


def _differs(case: Case, differs: dict[str, Any], document: dict[str, Any]) -> str:
    kind = [f"*{_KINDS[case.dataset]}*"] if len(document["defaults"]) > 1 else []
    kind += [f"scheme year {case.scheme_year}"] if case.scheme_year != SCHEME_YEAR else []
    said = [f"{name} {_shown(name, value)}" for name, value in differs.items()]
    return lines([*kind, *(said or ["nothing"])])


def _given(case: Case) -> str:
    """What the engines give, for the columns the case is about; a part for each line."""
    found = lines_of("polars", case)
    tick = "✓" if _agrees(case) else "✗"
    if found[0]["refusal_codes"]:
        codes = ", ".join(sorted(found[0]["refusal_codes"].split()))
        return f"{tick} refused: {codes}"
    given = [
        said
        for number, line in sorted(found.items())
        for said in [
            *([f"*line {number}*"] if len(found) > 1 else []),
            *(
                f"{name.removesuffix('_pence')} {_shown(name, line[name])}"
                for name in case.lines.get(number, ())
            ),
        ]
    ]
    return f"{tick} {lines(given)}"


def _agrees(case: Case) -> bool:
    by_engine = [lines_of(engine, case) for engine in ENGINES]
    found = by_engine[0]
    return (
        all(other == found for other in by_engine)
        and sorted((found[0]["refusal_codes"] or "").split()) == case.refused
        and sorted(found) == (sorted(case.lines) or [0])
        and all(
            {name: found[number][name] for name in expect} == expect
            for number, expect in case.lines.items()
        )
    )


@cache
def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(CASES / f"{name}.yaml").read_text("utf-8"))
    return document


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return yes_or_no(value)
    if name.endswith("_pence"):
        sign = "−" if value < 0 else ""
        return f"{sign}£{abs(value) // 100:,}.{abs(value) % 100:02}"
    if name == "sus_price":
        return f"£{value}"
    return f"{value:,}" if isinstance(value, int) else code(str(value)) or "blank"
