"""`docs/reasons.md`: every code that a line, a record or a file may carry.

Belongs here: setting out the reasons table and the registry of rules. Does not belong
here: the codes and their sentences (`data/reasons.toml`, `schemas.rules`).
"""

from docs.builders.markdown import code, page, table
from pipelines.reasons import reasons
from schemas.extracts import EXTRACTS
from schemas.rules import FILE_RULES, record_rules, warning_rules

_RECORD_RULE = "record rule"


def build() -> str:
    """The page."""
    rows = reasons()
    payment = [row for row in rows if row["kind"] == "payment"]
    refusals = [row for row in rows if row["kind"] == "refusal"]
    warnings = [row for row in rows if row["kind"] == "warning"]
    of_pricing = [row for row in refusals if row["citation"] != _RECORD_RULE]
    of_rules = [row for row in refusals if row["citation"] == _RECORD_RULE]
    introduction = (
        "Every priced line has one reason. Every refused record has all the codes that apply to "
        "it. In the mart they are in the `reasons` table, with the same sentences. "
        f"{len(payment)} payment reasons, {len(of_pricing)} refusals by pricing, "
        f"{len(of_rules)} refusals by validation, {len(warnings)} warnings, "
        f"{len(FILE_RULES)} faults of files."
    )
    return page(
        "Reasons",
        "`data/reasons.toml` and `schemas/rules.py`",
        introduction,
        "## Why a line pays what it pays",
        _of_pricing(payment),
        "## Refused by pricing",
        "A lookup found nothing, or an amount cannot be right. Nothing is put in its place.",
        _of_pricing(of_pricing),
        "## Refused by validation",
        "The record cannot be priced as it was delivered. It is kept whole, less identifiers, in "
        "`refused_records`.",
        _of_rules(of_rules),
        "## Warnings",
        "Counted and shown in the Dagster UI; the record is priced.",
        _of_rules(warnings),
        "## Faults of files",
        "A file with one of these fails the months it may hold. What was taken in and published "
        "before stays as it was. The message names the file and the line or column.",
        table(["code", "what it means"], [[code(r.code), r.sentence] for r in FILE_RULES]),
    )


def _of_pricing(rows: list[dict[str, str]]) -> str:
    return table(
        ["code", "what it means", "rests on", "what to do"],
        [
            [code(row["reason_code"]), row["sentence"], row["citation"], row["what_to_do"]]
            for row in rows
        ],
    )


def _of_rules(rows: list[dict[str, str]]) -> str:
    """Rules with the datasets they look at; one code may mean a little different in each."""
    sentences: dict[str, dict[str, list[str]]] = {}
    for extract in EXTRACTS:
        for rule in (*record_rules(extract), *warning_rules(extract)):
            found = sentences.setdefault(rule.code, {})
            found.setdefault(rule.sentence, []).append(extract.dataset)
    return table(
        ["code", "dataset", "what it means", "what to do"],
        [
            [code(row["reason_code"]), ", ".join(datasets), sentence, row["what_to_do"]]
            for row in rows
            for sentence, datasets in sentences[row["reason_code"]].items()
        ],
    )
