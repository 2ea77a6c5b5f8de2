"""Explaining a record: its published lines step by step, with all that surrounds them.

Belongs here: bringing to an explained line (`pricing.explain`) the record as delivered, who its
parties are, the cell of the price book, the sentence of its reason, the run, and what has
changed since. Does not belong here: any rule, or the words for one; nothing is priced again,
so what is explained is what was published; or finding the entries of users' lists
(`pipelines.list_entries`).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import duckdb
import polars as pl

from pipelines.basis import OWN_SCHEMA, REPRICED_SCHEMA, PricingBasis
from pipelines.list_entries import Entries, place
from pipelines.organisations import COMMISSIONERS, PROVIDERS
from pipelines.price_books import PriceBook, cell_of
from pipelines.pricing_run import Rulebook, rulebook_for
from pipelines.scheme_packs import scheme_for
from pipelines.validation import valid_path
from pipelines.workspace import UserError, Workspace
from pricing import Explanation, explain
from pricing.explaining import (
    LOCAL_PRICES,
    MECHANISM,
    PRICE,
    PRIOR_APPROVALS,
    Published,
    Step,
    asked_of_lists,
    pounds,
    price_book_of,
)
from pricing.overseas_visitors import EXEMPT
from pricing.scheme import Scheme
from schemas.extracts import BY_DATASET, Column, supplement_columns
from schemas.priced_line import PRICED_LINE_COLUMNS

_Place = tuple[str, str, str]
"""A dataset, month and cut."""

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
            "sus-pricing run --month 2024-07."
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
        if not lines and not refused:
            raise UserError(_not_published(connection, workspace.basis, record_id))
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


def _not_published(
    connection: duckdb.DuckDBPyConnection, basis: PricingBasis, record_id: str
) -> str:
    """Why there is nothing to explain, and what to do."""
    others = _other_bases(connection, record_id)
    if others:
        published = "; ".join(
            f"{_rules_of(other)} ({other.options or 'without --scheme and --as-of'})"
            for other in others
        )
        return (
            f"Record '{record_id}' is not published under {_rules_of(basis)}. It is under: "
            f"{published}. Explain it with those options, or run its month with the ones you gave."
        )
    record, _, number = record_id.rpartition(":")
    if number.isdigit() and _other_bases(connection, record):
        return (
            f"'{record_id}' names a line. All lines of a record are explained together: "
            f"sus-pricing explain {record}."
        )
    months = connection.execute(
        "SELECT DISTINCT activity_month FROM runs WHERE is_current ORDER BY ALL"
    ).fetchall()
    return (
        f"No record '{record_id}' is in what is published. Published months: "
        f"{', '.join(month for (month,) in months) or 'none'}. A record is named by its Spell "
        "Identifier (admitted patient care) or Generated Record ID (outpatients), which is "
        "record_id in the tables priced_lines and refused_records. If it is of another month, "
        "run that first: sus-pricing run --month CCYY-MM."
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
    warnings = list(sources.warnings)
    priced = valid
    if run and valid and valid["delivery_id"] not in run["deliveries"]:
        warnings.append("the record was delivered again since this was published; run the month")
        priced = None
    steps = [_with_source(step, line, priced, sources) for step in explained.steps]
    of_price, of_mechanism = _bridge_steps(line, sources), _list_steps(line, priced, sources)
    decided = [step.section for step in steps].index(MECHANISM)
    return ExplainedLine(
        stored=line,
        who=(_rules_step(workspace, line, sources), *_party_steps(workspace, line, valid, sources)),
        explanation=replace(
            explained,
            steps=(*steps[:1], *of_price, *steps[1:decided], *of_mechanism, *steps[decided:]),
        ),
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
    """The step with the price book and lists of the run by name, and the cell or line if known."""
    step = _with_entry(step, line, valid, sources)
    book = f"{sources.book} ({sources.book_is})"
    if step.published and sources.rulebook and not sources.has_changed(_BOOK):
        published = _of_price_year(step.published, line, sources.rulebook)
        cell = _cell(sources.rulebook.book, published, valid)
        book = f"{cell} ({sources.book_is})" if cell else book
    return replace(step, citation=step.citation.replace(price_book_of(line["scheme_year"]), book))


def _with_entry(
    step: Step, line: Mapping[str, Any], valid: Mapping[str, Any] | None, sources: "_Sources"
) -> Step:
    """The step with the file and line of its entry, where the lists are those of the run."""
    entries = sources.entries(line, valid)
    if entries is None:
        return step
    cited = step.citation
    if cited == LOCAL_PRICES and not sources.has_changed(_LOCAL_PRICES):
        found = entries.local_prices()
        agreed = {row["agreement_reference"]: None for row in found}
        approved = {row["approval_reference"]: None for row in found if row["approval_reference"]}
        more = f", agreement {', '.join(agreed)}"
        more += f", approval {', '.join(approved)}" if approved else ""
        cited = f"{place(found)}{more}" if found else cited
    elif cited.endswith(PRIOR_APPROVALS) and not sources.has_changed(_APPROVALS):
        found = entries.approvals()
        cited = cited.replace(PRIOR_APPROVALS, place(found) if found else PRIOR_APPROVALS)
    return replace(step, citation=cited)


def _list_steps(
    line: Mapping[str, Any], valid: Mapping[str, Any] | None, sources: "_Sources"
) -> Iterator[Step]:
    """What users' lists say that was asked on the way to the mechanism, by file and line."""
    entries = sources.entries(line, valid)
    asked = asked_of_lists(line, sources.scheme) if entries else {}
    if entries and "overseas_visitors" in asked and not sources.has_changed(_VISITORS):
        for row in entries.visitors():
            what = "exempt" if row["charging_status"] == EXEMPT else "liable to charges"
            how = f"overseas visitor by the list: {_in_words(row['charging_status'])}"
            yield Step(MECHANISM, what, how, place([row]))
    if entries and "lva_exception_days" in asked and not sources.has_changed(_EXCEPTIONS):
        for row in entries.exceptions():
            how = f"to the LVA block of the pair, on the day: {_in_words(row['exception'])}"
            yield Step(MECHANISM, "exception", how, place([row]))
    if entries and "contracts" in asked and not sources.has_changed(_CONTRACTS):
        for row in entries.contracts():
            said = [_TERMS[name](row[name]) for name in asked["contracts"] if row[name] is not None]
            number = row["agreement_serial_number"]
            if said:
                reference = row["approval_reference"]
                said += [f"approval {reference}"] if reference else []
                what = f"agreement {number}" if number else "contract"
                yield Step(MECHANISM, what, "; ".join(said), place([row]))


def _in_words(name: str) -> str:
    return name.replace("_", " ")


_TERMS: dict[str, Callable[[Any], str]] = {
    "covers": lambda covers: f"covers {_in_words(covers)}",
    "agreed_mechanism": lambda agreed: f"the parties agreed on {agreed}",
    "is_same_system": lambda is_same: f"parties of {'one system' if is_same else 'two systems'}",
    "expected_annual_value_pence": lambda pence: f"expected to be worth {pounds(pence)} a year",
}
"""What an entry of the contracts list says, by its column."""


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
    frame: pl.DataFrame = getattr(book, published.table)
    rows = [frame.filter(**key, **published.beside)[published.column] for key in keys]
    values = [(row[0], key) for row, key in zip(rows, keys, strict=True) if row.drop_nulls().len()]
    if not values:
        return None
    _, key = max(values, key=lambda one: one[0])
    return cell_of(book, published.table, key, published.column)


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

    def entries(self, line: Mapping[str, Any], valid: Mapping[str, Any] | None) -> Entries | None:
        """The entries of users' lists that may be the line's; None where that cannot be told."""
        if self.rulebook is None or self.has_changed(_ORGANISATIONS):
            return None
        return Entries(line, valid, self.rulebook)

    @property
    def book_is(self) -> str:
        """What kind of book priced the line."""
        if self.rulebook is None or self.has_changed(_BOOK):
            return "the book of the run, which is not the one that counts now"
        is_made_up = self.rulebook.book.is_illustrative
        return "illustrative book, made up" if is_made_up else "official book"


_BOOK, _ORGANISATIONS, _BRIDGE = "price book ", "organisations", "HRG bridge "
_LOCAL_PRICES, _APPROVALS, _VISITORS = "local prices ", "prior approvals ", "overseas visitors "
_EXCEPTIONS, _CONTRACTS = "LVA exceptions ", "contracts "


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
    book = f"the book of {row['price_scheme_year']}"
    how = f"stands for {line['hrg_code']}, which {book} does not hold"
    return [
        Step(PRICE, row["price_hrg_code"], how, f"HRG bridge {row['file']}, line {row['line']}")
    ]


def _bridged(line: Mapping[str, Any], rulebook: Rulebook) -> dict[str, Any] | None:
    """The row of the bridge that leads a line's core HRG to one that the book holds."""
    hrg = line["hrg_code"]
    if hrg is None or line["line_number"] > 0:
        return None
    rows = rulebook.bridge.rows.filter(activity_hrg_code=hrg)
    if rows.is_empty() or hrg in rulebook.book.hrg_prices["hrg_code"]:
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


def _other_bases(connection: duckdb.DuckDBPyConnection, record_id: str) -> list[PricingBasis]:
    """The bases on which a record is published, priced or refused."""
    tables = [
        f"SELECT pricing_basis FROM {schema}.{table} WHERE record_id = $1"
        for schema in (OWN_SCHEMA, REPRICED_SCHEMA)
        for table in ("priced_lines", "refused_records")
    ]
    found = connection.execute(f"{' UNION '.join(tables)} ORDER BY ALL", [record_id]).fetchall()
    return [PricingBasis.named(name) for (name,) in found]


def _rules_of(basis: PricingBasis) -> str:
    year = f"the rules of {basis.scheme_year}" if basis.scheme_year else "its own year's rules"
    return f"{year} as known on {basis.as_of}" if basis.as_of else year


def _rules(basis: PricingBasis, scheme: Scheme) -> str:
    known = f", as known on {basis.as_of}" if basis.as_of else ""
    if basis.scheme_year:
        return f"priced under the rules of {scheme.scheme_year}{known}"
    return f"so the rules of {scheme.scheme_year}{known}"


def _dicts(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
