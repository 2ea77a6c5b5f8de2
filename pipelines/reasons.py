"""The reasons table: every code a line or refusal may carry, with its sentence.

Belongs here: reading `data/reasons.toml` and joining it with the registry of record
rules. Does not belong here: the sentences themselves.
"""

import tomllib

from pipelines.workspace import PROJECT
from schemas.rules import registry


def reasons() -> list[dict[str, str]]:
    """Every reason, refusal and warning, as rows of the reasons table, by kind and code."""
    text = (PROJECT / "data" / "reasons.toml").read_text("utf-8")
    of_pricing = [
        {
            "reason_code": code,
            "kind": kind,
            "sentence": entry["sentence"],
            "citation": entry["paragraph"],
            "what_to_do": entry["what_to_do"],
        }
        for kind, entries in tomllib.loads(text).items()
        for code, entry in entries.items()
    ]
    kinds = {"record": "refusal", "warning": "warning"}
    of_rules = [
        {
            "reason_code": rule.code,
            "kind": kinds[rule.severity],
            "sentence": rule.sentence,
            "citation": "record rule",
            "what_to_do": rule.what_to_do,
        }
        for rule in registry().values()
        if rule.severity in kinds
    ]
    return sorted([*of_pricing, *of_rules], key=lambda row: (row["kind"], row["reason_code"]))
