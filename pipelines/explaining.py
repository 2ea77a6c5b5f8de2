"""Explaining a record: its published lines step by step, with all that surrounds them.

Belongs here: bringing to an explained line (`pricing.explain`) the record as delivered, who its
parties are, the cell of the price book, the sentence of its reason, the run, and what has
changed since. Does not belong here: any rule, or the words for one; nothing is priced again,
so what is explained is what was published.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import duckdb
import polars as pl

from pipelines.basis import OWN_SCHEMA, REPRICED_SCHEMA, PricingBasis
from pipelines.organisations import COMMISSIONERS, PROVIDERS
from pipelines.price_books import PriceBook, cell_of
from pipelines.pricing_run import Rulebook, rulebook_for
from pipelines.scheme_packs import scheme_for
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace
from pricing import Explanation, explain
from pricing.explaining import PRICE, Published, Step, price_book_of
from pricing.scheme import Scheme
from schemas.extracts import BY_DATASET, Column, supplement_columns
from schemas.priced_line import PRICED_LINE_COLUMNS

WHO = "who"
"""The section of the steps that say whose a line is, before those of `pricing.explaining`."""


@dataclass(frozen=True, slots=True)
class AsDelivered:
    """A record as delivered: what each column held that was not blank, by its header.

    Direct identifiers are not in it: they are never read. `values` is None where the lake does
    not hold the record any more.
    """

    dataset: str
    activity_month: str
    cut: str
    delivery_id: str | None
    row_number: int | None
    values: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class ExplainedReason:
    """A reason code with its sentence, what it rests on, and what a user can do."""

    reason_code: str
    sentence: str
    citation: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A published line: the stored row, who it is of, and how its amounts came about.

    `warnings` say what has changed since it was published; `run` is who published it and when.
    """

    stored: Mapping[str, Any]
    who: tuple[Step, ...]
    explanation: Explanation
    reason: ExplainedReason
    warnings: tuple[str, ...]
    run: str | None


@dataclass(frozen=True, slots=True)
class ExplainedRefusal:
    """A refused record, and every reason for it."""

    dataset: str
    activity_month: str
    cut: str
    refused_by: str
    delivery_id: str
    row_number: int
    reasons: tuple[ExplainedReason, ...]


@dataclass(frozen=True, slots=True)
class ExplainedRecord:
    """A record as delivered, and every line and refusal that was published of it."""

    record_id: str
    as_delivered: tuple[AsDelivered, ...]
    lines: tuple[ExplainedLine, ...]
    refusals: tuple[ExplainedRefusal, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as values that JSON knows; amounts in pence."""
        return asdict(self)


def explain_record(workspace: Workspace, record_id: str) -> ExplainedRecord:
    """What is published of a record, explained.

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
            row["reason_code"]: ExplainedReason(
                row["reason_code"], row["sentence"], row["citation"], row["what_to_do"]
            )
            for row in _dicts(connection.sql("SELECT * FROM reasons"))
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
    _refuse_if_of_an_earlier_version(workspace, lines)
    valid = {place: _valid_record(workspace, record_id, place) for place in map(_place, lines)}
    return ExplainedRecord(
        record_id,
        (
            *(_as_delivered(workspace, place, record) for place, record in valid.items()),
            *map(_refused_as_delivered, refused),
        ),
        tuple(
            _explain_line(
                workspace.on(PricingBasis.named(line["pricing_basis"])),
                line,
                valid[_place(line)],
                reasons[line["reason_code"]],
                runs.get((line["activity_month"], line["pricing_basis"])),
            )
            for line in lines
        ),
        tuple(_explain_refusal(row, reasons) for row in refused),
    )


def _refuse_if_of_an_earlier_version(
    workspace: Workspace, lines: Sequence[Mapping[str, Any]]
) -> None:
    missing = [name for line in lines for name in PRICED_LINE_COLUMNS if name not in line]
    if missing:
        raise UserError(
            f"{workspace.shown(workspace.mart)} was published by an earlier version, without "
            f"{', '.join(dict.fromkeys(missing))}. Run {lines[0]['activity_month']} again."
        )


_Place = tuple[str, str, str]
"""A dataset, month and cut."""


def _place(row: Mapping[str, Any]) -> _Place:
    return row["dataset"], row["activity_month"], row["cut"]


def _valid_record(workspace: Workspace, record_id: str, place: _Place) -> dict[str, Any] | None:
    """The valid record that lines were made of; None where the lake no longer holds it."""
    path = valid_path(workspace, *place)
    if not path.is_file():
        return None
    found = pl.scan_parquet(path).filter(pl.col("record_id") == record_id).collect()
    return None if found.is_empty() else found.row(0, named=True)


def _as_delivered(
    workspace: Workspace, place: _Place, valid: Mapping[str, Any] | None
) -> AsDelivered:
    """The row of its delivery that a valid record was made of."""
    if valid is None:
        return AsDelivered(*place, None, None, None)
    delivery_id, row_number = valid["delivery_id"], valid["row_number"]
    parts = workspace.month("extracts", *place).glob(f"{delivery_id}*.parquet")
    rows = [
        row
        for part in sorted(parts)
        for row in pl.scan_parquet(part)
        .filter(pl.col("row_number") == row_number)
        .collect()
        .iter_rows(named=True)
    ]
    if not rows:
        return AsDelivered(*place, delivery_id, row_number, None)
    supplementary = {
        f"{column.header} (CDS 6.2 supplementary extract)": valid[column.name]
        for column in supplement_columns(BY_DATASET[place[0]])
        if valid.get(column.name)
    }
    values = {**_by_header(place[0], rows[0]), **supplementary}
    return AsDelivered(*place, delivery_id, row_number, values)


def _refused_as_delivered(row: Mapping[str, Any]) -> AsDelivered:
    values = _by_header(row["dataset"], json.loads(row["delivered_values"]))
    return AsDelivered(*_place(row), row["delivery_id"], row["row_number"], values)


def _by_header(dataset: str, values: Mapping[str, str | None]) -> dict[str, str]:
    """What is not blank of a record, by header; of the columns we read and of no other."""
    texts = {column: (values.get(column.name) or "") for column in BY_DATASET[dataset].columns}
    return {_headed(column): text for column, text in texts.items() if text.strip()}


def _headed(column: Column) -> str:
    first, *_, last = (*column.headers, column.headers[-1])
    return first if first == last else f"{first} to {last}"


def _explain_line(
    workspace: Workspace,
    line: dict[str, Any],
    valid: Mapping[str, Any] | None,
    reason: ExplainedReason,
    run: dict[str, Any] | None,
) -> ExplainedLine:
    sources = _sources(workspace, line["activity_month"], run)
    explained = explain(line, sources.scheme)
    first, *others = (_with_source(step, line, valid, sources) for step in explained.steps)
    warnings = list(sources.warnings)
    if run and valid and valid["delivery_id"] not in run["deliveries"]:
        warnings.append("the record was delivered again since this was published; run the month")
    return ExplainedLine(
        stored=line,
        who=(_rules_step(workspace, line, sources), *_party_steps(workspace, line, valid, sources)),
        explanation=replace(explained, steps=(first, *_bridge_steps(line, sources), *others)),
        reason=reason,
        warnings=tuple(warnings),
        run=f"{run['run_id']}, published {run['published_at']} UTC" if run else None,
    )


def _rules_step(workspace: Workspace, line: Mapping[str, Any], sources: "_Sources") -> Step:
    of = "discharge" if line["dataset"] == "apc" else "appointment"
    how = f"month of {of}, {_rules(workspace.basis, sources.scheme)}"
    return Step(WHO, f"{line['activity_month']} ({line['cut']})", how, sources.scheme.title)


def _with_source(
    step: Step,
    line: Mapping[str, Any],
    valid: Mapping[str, Any] | None,
    sources: "_Sources",
) -> Step:
    """The step with the price book of the run by its name, and the cell where it is known."""
    book = f"{sources.book} ({sources.book_is})"
    if step.published and sources.rulebook and not sources.has_changed(_BOOK):
        published = _of_price_year(step.published, line, sources.rulebook)
        cell = _cell(sources.rulebook.book, published, valid)
        book = f"{cell} ({sources.book_is})" if cell else book
    return replace(step, citation=step.citation.replace(price_book_of(line["scheme_year"]), book))


def _of_price_year(published: Published, line: Mapping[str, Any], rulebook: Rulebook) -> Published:
    """The place of a number; of a bridged HRG that of the HRG whose price it takes."""
    bridged = _bridged(line, rulebook)
    if bridged is None or published.table not in ("hrg_prices", "best_practice_prices"):
        return published
    return replace(published, key={"hrg_code": bridged["price_hrg_code"]})


def _cell(book: PriceBook, published: Published, valid: Mapping[str, Any] | None) -> str | None:
    """Where a number was published; None where the book, or the record, does not say."""
    keys = [dict(published.key)]
    if published.by_code:
        name, column = published.by_code
        codes = (valid or {}).get(column) or ""
        keys = [{**published.key, name: code} for code in codes.split()]
    cells = (cell_of(book, published.table, key, published.column) for key in keys)
    return next((cell for cell in cells if cell), None)


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
    warnings: tuple[str, ...]

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
        (warning,) if changed or rulebook is None else (),
    )


def _party_steps(
    workspace: Workspace,
    line: Mapping[str, Any],
    valid: Mapping[str, Any] | None,
    sources: _Sources,
) -> list[Step]:
    """The provider and payer, with the organisations they took over from on the way.

    The line has the codes of the price year alone; those delivered are in the lake, which
    may have been cleared.
    """
    if sources.rulebook is None or sources.has_changed(_ORGANISATIONS):
        lists = "organisations of the run"
        return [
            Step(WHO, line["provider_code"], "provider", lists),
            Step(WHO, line["commissioner_code"], "payer", lists),
        ]
    organisations = sources.rulebook.organisations
    on = workspace.basis.rules_day(line["activity_month"])
    delivered = _delivered_parties(valid)
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
        steps.append(Step(WHO, line[column], how, organisations.lists[name].says))
    return steps


def _delivered_parties(valid: Mapping[str, Any] | None) -> dict[str, str]:
    if valid is None:
        return {}
    payer = valid["derived_commissioner_code"] or valid["organisation_code_of_commissioner"]
    return {"provider": valid["organisation_code_of_provider"], "payer": payer}


def _bridge_steps(line: dict[str, Any], sources: _Sources) -> list[Step]:
    """The HRG whose price a retired one takes, by the bridge that the run had."""
    rulebook = sources.rulebook
    if rulebook is None or sources.has_changed(_BRIDGE) or sources.has_changed(_BOOK):
        bridges = [name for name in sources.changed if name.startswith(_BRIDGE)]
        how = "the HRG bridge of the run has changed since: the price may be another HRG's"
        return [Step(PRICE, "bridge", how, ", ".join(bridges))] if bridges else []
    row = _bridged(line, rulebook)
    if row is None:
        return []
    how = f"prices {line['hrg_code']}, which the book of {row['price_scheme_year']} does not hold"
    return [
        Step(PRICE, row["price_hrg_code"], how, f"HRG bridge {row['file']}, line {row['line']}")
    ]


def _bridged(line: Mapping[str, Any], rulebook: Rulebook) -> dict[str, Any] | None:
    """The row of the bridge that leads a line's HRG to one that the book holds."""
    rows = rulebook.bridge.rows.filter(pl.col("activity_hrg_code").eq_missing(line["hrg_code"]))
    if rows.is_empty() or line["hrg_code"] in rulebook.book.hrg_prices["hrg_code"]:
        return None
    return rows.row(0, named=True)


def _explain_refusal(
    row: Mapping[str, Any], reasons: Mapping[str, ExplainedReason]
) -> ExplainedRefusal:
    return ExplainedRefusal(
        *_place(row),
        refused_by=row["refused_by"],
        delivery_id=row["delivery_id"],
        row_number=row["row_number"],
        reasons=tuple(reasons[code] for code in row["refusal_codes"]),
    )


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
