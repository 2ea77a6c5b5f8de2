"""Explaining a record: how its amount came about, from the stored row, pack and book.

Belongs here: putting a published line into words, step by step. Does not belong here: any
rule; nothing is priced again, so what is explained is what was published.
"""

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from pipelines.basis import PricingBasis
from pipelines.organisations import COMMISSIONERS, PROVIDERS
from pipelines.pricing_run import Rulebook, rulebook_for
from pipelines.publishing import OWN_SCHEMA, REPRICED_SCHEMA
from pipelines.scheme_packs import scheme_for
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace
from pricing import ebi, low_volume, mechanism, unit_price
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was found, how, and what it rests on."""

    what: str
    how: str
    citation: str


def explain_record(workspace: Workspace, record_id: str) -> list[tuple[str, list[Step]]]:
    """A title and the steps for every published line or refusal of a record.

    Raises `UserError` where there is no mart, or no such record in it.
    """
    if not workspace.mart.exists():
        raise UserError(
            f"{workspace.shown(workspace.mart)} is not there yet. Run a month first: "
            "sus-pricing run --month 2024-07"
        )
    with duckdb.connect(str(workspace.mart), read_only=True) as connection:
        lines = _rows(connection, workspace.basis, "priced_lines", record_id)
        refused = _rows(connection, workspace.basis, "refused_records", record_id)
        reasons = {
            row["reason_code"]: row for row in _dicts(connection.sql("SELECT * FROM reasons"))
        }
        runs = {
            (row["activity_month"], row["pricing_basis"]): row
            for row in _dicts(connection.sql("SELECT * FROM runs ORDER BY published_at"))
        }
        others = _other_bases(connection, record_id)
    if not lines and not refused:
        raise UserError(
            f"No published record has the identifier '{record_id}'"
            + (
                f" on the basis {workspace.basis.name}. It is published on: {', '.join(others)}. "
                "Name the year with --scheme, the day with --as-of."
                if others
                else ". It is the Spell Identifier or the Generated Record ID that SUS+ gave; see "
                "priced_lines and refused_records."
            )
        )
    explained = [
        _explain_line(workspace.on(PricingBasis.named(line["pricing_basis"])), line, reasons, runs)
        for line in lines
    ]
    return explained + [_explain_refusal(row, reasons) for row in refused]


def _explain_line(
    workspace: Workspace,
    line: dict[str, Any],
    reasons: dict[str, dict[str, Any]],
    runs: dict[tuple[str, str], dict[str, Any]],
) -> tuple[str, list[Step]]:
    run = runs.get((line["activity_month"], workspace.basis.name))
    sources = _sources(workspace, line["activity_month"], run)
    scheme = sources.scheme
    kind = "Spell" if line["dataset"] == "apc" else "Attendance"
    reason = reasons[line["reason_code"]]
    steps = [
        Step(
            f"{line['activity_month']} ({line['cut']})",
            f"month of {'discharge' if kind == 'Spell' else 'appointment'}, "
            f"{_rules(workspace.basis, scheme)}",
            scheme.title,
        ),
        *sources.warnings,
        *_party_steps(workspace, line, sources),
        Step(
            line["point_of_delivery_code"],
            f"point of delivery; HRG {line['hrg_code'] or 'none'}, treatment function "
            f"{line['treatment_function_code']}",
            scheme.citation("spells.day_case_classification")
            if kind == "Spell"
            else scheme.citation("attendances.multi_professional_hrgs"),
        ),
        *_bridge_steps(line, sources),
        _price_step(line, f"{sources.book} ({sources.book_is})", scheme),
        *_long_stay_steps(line, sources.book),
        *_value_steps(line, scheme, sources.book),
        *_ebi_steps(line, scheme),
        Step(
            line["payment_mechanism"],
            _MECHANISMS[line["payment_mechanism"]],
            _mechanism_citation(line["payment_mechanism"], scheme),
        ),
        Step(
            f"payable {_payable(line)}",
            f"{line['reason_code']}: {reason['sentence']}",
            reason["citation"],
        ),
        _target_step(line, scheme),
        Step("what to do", reason["what_to_do"], ""),
    ]
    if run:
        steps.append(Step("run", f"{run['run_id']}, published {run['published_at']} UTC", ""))
    return f"{kind} {line['record_id']}, line {line['line_number']}", steps


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a line was priced with, as far as it is still there.

    `rulebook` is what would be used now, None where nothing could be; `changed` names the
    inputs of the run that are no longer the same.
    """

    scheme: Scheme
    book: str
    rulebook: Rulebook | None
    changed: tuple[str, ...]
    warnings: tuple[Step, ...]

    def has_changed(self, name: str) -> bool:
        """Whether an input whose name begins so is no longer that of the run."""
        return self.rulebook is None or any(one.startswith(name) for one in self.changed)

    @property
    def book_is(self) -> str:
        """What kind of book priced the line."""
        if self.rulebook is None or self.has_changed(_BOOK):
            return "the book of the run, which is not the one that counts now"
        is_made_up = self.rulebook.book.is_illustrative
        return "illustrative book, made up" if is_made_up else "official book"


_BOOK, _ORGANISATIONS, _BRIDGE = "price book ", "organisations", "HRG bridge "


def _sources(workspace: Workspace, month: str, run: dict[str, Any] | None) -> _Sources:
    """What the run recorded of its inputs, held against what there is now."""
    warning = "explained from the published row; what it rests on cannot be read again"
    rulebook, now = None, dict[str, str]()
    try:
        rulebook = rulebook_for(workspace, month)
        now = rulebook.inputs()
    except UserError as error:
        warning = f"{warning}: {error}"
    then = json.loads(run["priced_with"]) if run else now
    changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if rulebook and changed:
        warning = f"{', '.join(changed)}: not as when this was published; run the month again"
    books = [name.removeprefix(_BOOK) for name in then if name.startswith(_BOOK)]
    on, as_of = workspace.basis.rules_day(month), workspace.basis.as_of
    return _Sources(
        rulebook.pack.scheme if rulebook else scheme_for(workspace, on, as_of).scheme,
        books[0] if books else "no price book",
        rulebook,
        tuple(changed),
        (Step("changed since", warning, ""),) if changed or rulebook is None else (),
    )


def _target_step(line: dict[str, Any], scheme: Scheme) -> Step:
    """Whether it counts towards the activity target, or in years without one the plan."""
    counts = line["is_in_activity_target"]
    if scheme.variable_element.pays == PAYS_FOR_DIFFERENCE:
        return Step(
            "in the plan" if counts else "not in the plan",
            "whether it counts towards the elective activity that the contract plans",
            scheme.citation("variable_element.pays"),
        )
    return Step(
        "in the target" if counts else "not in the target",
        "whether it counts towards the elective activity target",
        scheme.citation("services.outside_activity_target"),
    )


def _party_steps(workspace: Workspace, line: dict[str, Any], sources: _Sources) -> list[Step]:
    """The provider and payer, with the organisations they took over from on the way.

    The line has the codes of the price year alone; those delivered are in the lake, which
    may have been cleared.
    """
    if sources.rulebook is None or sources.has_changed(_ORGANISATIONS):
        lists = "organisations of the run"
        return [
            Step(line["provider_code"], "provider", lists),
            Step(line["commissioner_code"], "payer", lists),
        ]
    organisations = sources.rulebook.organisations
    on = workspace.basis.rules_day(line["activity_month"])
    delivered = _delivered(workspace, line)
    steps = []
    for name, what, column in (
        (PROVIDERS, "provider", "provider_code"),
        (COMMISSIONERS, "payer", "commissioner_code"),
    ):
        how = what
        whole = delivered.get(what, "")
        for party in organisations.parties(name, [whole, whole[:3]], on).values():
            if party and party.code == line[column] and organisations.was_succeeded(party):
                how = f"{what} as on {on}: {' → '.join(party.passed)}"
        steps.append(Step(line[column], how, organisations.lists[name].says))
    return steps


def _delivered(workspace: Workspace, line: dict[str, Any]) -> dict[str, str]:
    """The provider and payer of a line as delivered; none where the lake no longer holds it."""
    path = valid_path(workspace, line["dataset"], line["activity_month"], line["cut"])
    if not path.is_file():
        return {}
    found = pl.scan_parquet(path).filter(pl.col("record_id") == line["record_id"]).collect()
    if found.is_empty():
        return {}
    row = found.row(0, named=True)
    payer = row["derived_commissioner_code"] or row["organisation_code_of_commissioner"]
    return {"provider": row["organisation_code_of_provider"], "payer": payer}


def _bridge_steps(line: dict[str, Any], sources: _Sources) -> list[Step]:
    """The HRG whose price a retired one takes, by the bridge that the run had."""
    rulebook = sources.rulebook
    if rulebook is None or sources.has_changed(_BRIDGE) or sources.has_changed(_BOOK):
        bridges = [name for name in sources.changed if name.startswith(_BRIDGE)]
        how = "the HRG bridge of the run has changed since: the price may be another HRG's"
        return [Step("bridge", how, ", ".join(bridges))] if bridges else []
    bridged = rulebook.bridge.rows.filter(pl.col("activity_hrg_code") == line["hrg_code"])
    if bridged.is_empty() or line["hrg_code"] in rulebook.book.hrg_prices["hrg_code"]:
        return []
    row = bridged.row(0, named=True)
    how = f"prices {line['hrg_code']}, which the book of {row['price_scheme_year']} does not hold"
    return [Step(row["price_hrg_code"], how, f"HRG bridge {row['file']}, line {row['line']}")]


_MECHANISMS = {
    mechanism.API_VARIABLE: "the API variable element pays for each unit of elective activity",
    mechanism.API_BLENDED: "the blended payment of the contract pays, by its plan",
    mechanism.API_FIXED: "the API fixed element pays; nothing is payable for the line itself",
    low_volume.LVA_BLOCK: "the LVA block of the pair pays; nothing is payable for the line itself",
    mechanism.ACTIVITY_BASED: "a non-NHS provider is paid the unit price",
    mechanism.LOCAL_AGREEMENT: "no unit price: what is payable is agreed locally",
    low_volume.OUTSIDE_SCHEME: "not paid for under the scheme",
}


def _price_step(line: dict[str, Any], book: str, scheme: Scheme) -> Step:
    source = line["price_source"]
    if source == unit_price.NONE:
        return Step("no unit price", "none is published for it, or none applies", book)
    price = f"unit price {_pounds(line['unit_price_pence'])}"
    if source in (unit_price.NOT_ATTENDED, unit_price.ADMINISTRATIVE_EVENT):
        citation = scheme.citation(
            "attendances.attended_codes"
            if source == unit_price.NOT_ATTENDED
            else "attendances.administrative_event_code"
        )
        return Step(price, source.replace("_", " "), citation)
    named = source.replace("non_elective", "non-elective").replace("_", " ")
    return Step(price, f"the {named} price", book)


def _long_stay_steps(line: dict[str, Any], book: str) -> list[Step]:
    if not line["excess_bed_days"]:
        return []
    days, pence = line["excess_bed_days"], line["long_stay_pence"]
    how = f"{days:,} days beyond the trim point × {_pounds(pence // days)}"
    return [Step(f"long stay {_pounds(pence)}", how, book)]


def _value_steps(line: dict[str, Any], scheme: Scheme, book: str) -> list[Step]:
    if line["value_pence"] is None:
        return [Step("no value", "there is no unit price to value it at", "")]
    mff = f"{line['mff_ppm'] // 1_000_000}.{line['mff_ppm'] % 1_000_000:06}"
    quantum = (
        "penny"
        if scheme.rounding.quantum_pence == 1
        else (f"{scheme.rounding.quantum_pence} pence")
    )
    how = (
        f"{_pounds(line['pre_mff_pence'])} × MFF {mff}, rounded once to the nearest {quantum}, "
        "halves away from zero"
    )
    rounding = scheme.citation("rounding.quantum_pence")
    applies = scheme.citation("market_forces_factor.applies_to")
    citation = f"{applies}; factor of {book}; rounding {rounding}"
    return [Step(f"value {_pounds(line['value_pence'])}", how, citation)]


def _ebi_steps(line: dict[str, Any], scheme: Scheme) -> list[Step]:
    outcomes = {
        ebi.APPROVED: ("approved", "evidence-based intervention with prior approval"),
        ebi.ZERO_PRICE: (
            "zero price",
            "category 1 evidence-based intervention, no prior approval on the list",
        ),
    }
    if line["ebi_outcome"] not in outcomes:
        return []
    what, how = outcomes[line["ebi_outcome"]]
    return [Step(what, how, scheme.citation("evidence_based_interventions.category"))]


def _mechanism_citation(name: str, scheme: Scheme) -> str:
    paths = {
        mechanism.API_VARIABLE: "variable_element.rate_ppm",
        mechanism.API_BLENDED: "mechanism.blended_points_of_delivery",
        low_volume.LVA_BLOCK: "low_volume.commissioner_kinds",
        low_volume.OUTSIDE_SCHEME: "mechanism.private_patient_categories",
    }
    return scheme.citation(paths.get(name, "mechanism.nhs_provider_kinds"))


def _explain_refusal(
    row: dict[str, Any], reasons: dict[str, dict[str, Any]]
) -> tuple[str, list[Step]]:
    title = (
        f"Refused by {row['refused_by']}: {row['dataset']} record {row['record_id']}, "
        f"row {row['row_number']:,} of delivery {row['delivery_id']}"
    )
    return title, [
        Step(
            code,
            f"{reasons[code]['sentence']} {reasons[code]['what_to_do']}",
            reasons[code]["citation"],
        )
        for code in row["refusal_codes"]
    ]


def _rows(
    connection: duckdb.DuckDBPyConnection, basis: PricingBasis, table: str, record_id: str
) -> list[dict[str, Any]]:
    """A record's rows on a basis, which is in one schema or the other by the month."""
    relation = connection.sql(
        f"SELECT * FROM {OWN_SCHEMA}.{table} WHERE record_id = $1 UNION ALL "
        f"SELECT * FROM {REPRICED_SCHEMA}.{table} WHERE record_id = $1 ORDER BY ALL",
        params=[record_id],
    )
    rows = _dicts(relation)
    return [r for r in rows if r["pricing_basis"] == basis.for_month(r["activity_month"]).name]


def _other_bases(connection: duckdb.DuckDBPyConnection, record_id: str) -> list[str]:
    """The bases on which a record is published."""
    found = connection.execute(
        f"SELECT pricing_basis FROM {OWN_SCHEMA}.priced_lines WHERE record_id = $1 "
        f"UNION SELECT pricing_basis FROM {REPRICED_SCHEMA}.priced_lines WHERE record_id = $1 "
        "ORDER BY ALL",
        [record_id],
    ).fetchall()
    return [row[0] for row in found]


def _rules(basis: PricingBasis, scheme: Scheme) -> str:
    known = f", as known on {basis.as_of}" if basis.as_of else ""
    if basis.scheme_year:
        return f"priced under the rules of {scheme.scheme_year}{known}"
    return f"so the rules of {scheme.scheme_year}{known}"


def _dicts(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _payable(line: dict[str, Any]) -> str:
    has_value_alone = line["payable_pence"] is None and line["value_pence"] is not None
    return "by contract" if has_value_alone else _pounds(line["payable_pence"])


def _pounds(pence: int | None) -> str:
    return "to be agreed" if pence is None else f"£{pence // 100:,}.{pence % 100:02}"
