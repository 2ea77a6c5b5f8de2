"""`docs/reasons.md`: every code that a line, an item, a record or a file may carry.

Belongs here: setting out the reasons table and the registry of rules, each with how often the
demonstration has it. Does not belong here: the codes and their sentences
(`data/reasons.toml`, `schemas.rules`), or making the demonstration (`docs.builders.examples`).
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from docs.builders.markdown import code, page, table
from pipelines.reasons import reasons
from pricing.reasons import ItemReason, ReviewReason, StatementReason
from schemas.extracts import EXTRACTS
from schemas.rules import FILE_RULES, record_rules, warning_rules

_RECORD_RULE = "record rule"
_COUNTS = {
    "lines": "SELECT reason_code, count(*) FROM priced_lines GROUP BY ALL",
    "items": "SELECT reason_code, count(*) FROM excluded_items GROUP BY ALL",
    "contract lines": "SELECT reason_code, count(*) FROM variable_element GROUP BY ALL",
    "records": "SELECT code || ' ' || dataset, count(*) FROM refused_records, "
    "unnest(refusal_codes) AS each_code(code) GROUP BY ALL",
}
_OF_ITEMS = tuple(str(reason) for reason in ItemReason)
_OF_CONTRACT_LINES = tuple(str(reason) for reason in StatementReason)
_OF_REVIEWS = tuple(str(reason) for reason in ReviewReason)


def build(workspace: Path) -> str:
    """The page, with counts from the DuckDB file of a workspace."""
    rows = reasons()
    payment = [row for row in rows if row["kind"] == "payment"]
    apart = (*_OF_ITEMS, *_OF_CONTRACT_LINES, *_OF_REVIEWS)
    of_lines = [row for row in payment if row["reason_code"] not in apart]
    of_items = [row for row in payment if row["reason_code"] in _OF_ITEMS]
    of_contract_lines = [row for row in payment if row["reason_code"] in _OF_CONTRACT_LINES]
    of_reviews = [row for row in payment if row["reason_code"] in _OF_REVIEWS]
    refusals = [row for row in rows if row["kind"] == "refusal"]
    warnings = [row for row in rows if row["kind"] == "warning"]
    of_pricing = [row for row in refusals if row["citation"] != _RECORD_RULE]
    of_rules = [row for row in refusals if row["citation"] == _RECORD_RULE]
    counts = _counted(workspace / "marts" / "outputs.duckdb")
    refused = _by_code(counts["records"])
    introduction = (
        "Every priced line, excluded item and contract line has one reason. Every refused record "
        "has all the codes that apply to it. In the mart they are in the `reasons` table, with the "
        f"same sentences. {len(of_lines)} reasons of lines, {len(of_items)} of excluded items, "
        f"{len(of_contract_lines)} of contract lines, {len(of_reviews)} of reviews, "
        f"{len(of_pricing)} refusals by pricing, {len(of_rules)} refusals by validation, "
        f"{len(warnings)} warnings, {len(FILE_RULES)} faults of files. The counts are those of "
        "July 2024 as `make demo` makes it, whose records are made up: 0 is a code that no "
        "record of it happens to have."
    )
    return page(
        "Reasons",
        "`data/reasons.toml`, `schemas/rules.py` and the demonstration",
        introduction,
        "## Why a line pays what it pays",
        _of_pricing(of_lines, "lines", counts["lines"]),
        "## Why an excluded item pays what it pays",
        "High cost drugs, devices, listed procedures and MedTech products on the user's list.",
        _of_pricing(of_items, "items", counts["items"]),
        "## Why a contract line pays what it pays",
        "Of the variable element and the blended payments, by contract and month. The counts are "
        "those of the variable element.",
        _of_pricing(of_contract_lines, "contract lines", counts["contract lines"]),
        "## What the review of a contract finds",
        "Of the services of a contract, of each step of its review and of the years of its plan. "
        "The demonstration reviews none.",
        _of_reviews(of_reviews),
        "## Refused by pricing",
        "A lookup found nothing, or an amount cannot be right. Nothing is put in its place.",
        _of_pricing(of_pricing, "records", refused),
        "## Refused by validation",
        "The record cannot be priced as it was delivered. It is kept whole, less identifiers, in "
        "`refused_records`. A record that has several codes is counted under each.",
        _of_rules(of_rules, counts["records"]),
        "## Warnings",
        "Counted and shown in the Dagster UI; the record is priced.",
        _of_rules(warnings),
        "## Faults of files",
        "A file with one of these fails the months it may hold. What was taken in and published "
        "before stays as it was. The message names the file and the line or column.",
        table(["code", "what it means"], [[code(r.code), r.sentence] for r in FILE_RULES]),
    )


def _counted(mart: Path) -> dict[str, dict[str, int]]:
    with duckdb.connect(str(mart), read_only=True) as connection:
        return {name: dict(connection.sql(sql).fetchall()) for name, sql in _COUNTS.items()}


def _by_code(counts: Mapping[str, int]) -> dict[str, int]:
    """Refused records by code, of counts by code and dataset."""
    found: dict[str, int] = {}
    for place, count in counts.items():
        name = place.split()[0]
        found[name] = found.get(name, 0) + count
    return found


def _of_pricing(rows: list[dict[str, str]], of: str, counts: Mapping[str, int]) -> str:
    return table(
        ["code", of, "what it means", "rests on", "what to do"],
        [
            [
                code(row["reason_code"]),
                f"{counts.get(row['reason_code'], 0):,}",
                row["sentence"],
                row["citation"],
                row["what_to_do"],
            ]
            for row in rows
        ],
        numbers=[1],
    )


def _of_reviews(rows: list[dict[str, str]]) -> str:
    """Reasons that no record has, without a count."""
    return table(
        ["code", "what it means", "rests on", "what to do"],
        [
            [code(row["reason_code"]), row["sentence"], row["citation"], row["what_to_do"]]
            for row in rows
        ],
    )


def _of_rules(rows: list[dict[str, str]], counts: Mapping[str, int] | None = None) -> str:
    """Rules with the datasets they look at; one code may mean a little different in each."""
    sentences: dict[str, dict[str, list[str]]] = {}
    for extract in EXTRACTS:
        for rule in (*record_rules(extract), *warning_rules(extract)):
            found = sentences.setdefault(rule.code, {})
            found.setdefault(rule.sentence, []).append(extract.dataset)
    counted = [] if counts is None else ["records"]
    return table(
        ["code", *counted, "dataset", "what it means", "what to do"],
        [
            [
                code(row["reason_code"]),
                *(_of_datasets(row["reason_code"], datasets, counts or {}) for _ in counted),
                ", ".join(datasets),
                sentence,
                row["what_to_do"],
            ]
            for row in rows
            for sentence, datasets in sentences[row["reason_code"]].items()
        ],
        numbers=range(1, 1 + len(counted)),
    )


def _of_datasets(name: str, datasets: list[str], counts: Mapping[str, int]) -> str:
    return f"{sum(counts.get(f'{name} {dataset}', 0) for dataset in datasets):,}"
