"""The users' list of contract terms: what the parties agreed of how a line is paid for.

Belongs here: reading the list, and laying out a scheme year's terms by pair and line. Does not
belong here: which terms a line may have and which need approval (`pricing.planned_activity`), or
what they do to a payment (`pricing.variable_element`, `pricing.blended_payments`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import polars as pl

from pipelines.deliveries import CONTRACT_TERMS
from pipelines.lists import (
    Cell,
    code,
    listed,
    one_of,
    optional_one_of,
    optional_text,
    pence_up_or_down,
    percentage,
    scheme_year,
    text,
)
from pipelines.scheme_packs import scheme_years
from pipelines.user_lists import (
    UserList,
    read_user_list,
    refuse_outside_years,
    refuse_repeated,
    refuse_rows,
)
from pipelines.workspace import UserError, Workspace
from pricing.contracts import PAIR
from pricing.money import PPM, times_ppm
from pricing.planned_activity import (
    ALL_TERMS,
    AMOUNT_OF_UNIT,
    ATTAINMENT,
    BREAK_GLASS,
    HELD_BACK,
    LINEAR_ACCELERATORS,
    MANAGEMENT,
    SIDES,
    TRANSITION,
    VARIABLE_RATE,
    lines_of,
    most_withheld_ppm,
    rate_needs_approval,
    terms_of,
)
from pricing.scheme import Scheme

Row = dict[str, Any]

TERM_CELLS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("scheme_year", "scheme_year", pl.String, scheme_year),
    Cell("contract_line", "contract_line", pl.String, text),
    Cell("term", "term", pl.String, one_of(*ALL_TERMS)),
    Cell("metric", "metric", pl.String, optional_text),
    Cell("weight_percent", "weight_ppm", pl.Int64, percentage),
    Cell("side", "side", pl.String, optional_one_of(*SIDES)),
    Cell("from_percent", "from_ppm", pl.Int64, percentage),
    Cell("to_percent", "to_ppm", pl.Int64, percentage),
    Cell("percent", "ppm", pl.Int64, percentage),
    Cell("amount", "amount_pence", pl.Int64, pence_up_or_down),
    Cell("approval_reference", "approval_reference", pl.String, optional_text),
)
_HEADERS = {cell.name: cell.header for cell in TERM_CELLS}
_SAYS = ("metric", "weight_ppm", "side", "from_ppm", "to_ppm", "ppm", "amount_pence")
_NEEDS = {
    VARIABLE_RATE: ("ppm",),
    BREAK_GLASS: ("side", "from_ppm", "ppm"),
    ATTAINMENT: ("ppm",),
    HELD_BACK: ("ppm",),
    AMOUNT_OF_UNIT: ("amount_pence",),
    TRANSITION: ("amount_pence",),
    MANAGEMENT: ("amount_pence",),
    LINEAR_ACCELERATORS: ("amount_pence",),
}
_MAY_SAY = {BREAK_GLASS: ("to_ppm",), ATTAINMENT: ("metric", "weight_ppm")}
_OF_LINE = (*PAIR, "contract_line")
_OF_YEAR = (*PAIR, "scheme_year", "contract_line")
_KEY = (*_OF_YEAR, "term", "metric", "side", "from_ppm")
_ADD_UP = (TRANSITION, MANAGEMENT, LINEAR_ACCELERATORS)
"""Amounts a month, which a successor pays for each of those that it took over from."""
_MOST_PENCE_EACH = 100_000
"""£1,000 for a unit of advice and guidance, which costs tens of pounds. It tells pence from pounds,
and decides no amount."""
_TERMS_SCHEMA = {
    **dict.fromkeys(_OF_LINE, pl.String),
    **dict.fromkeys(("rate_ppm", "amount_pence", "attainment_ppm", "withheld_ppm"), pl.Int64),
}
_BANDS_SCHEMA = {
    **dict.fromkeys((*_OF_LINE, "side"), pl.String),
    **dict.fromkeys(("from_ppm", "to_ppm", "rate_ppm"), pl.Int64),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """A scheme year's terms: one row a pair and line, and the bands of break-glass beside them.

    `of_lines` has `rate_ppm`, `amount_pence` (each unit's; beside a plan, a month's),
    `attainment_ppm` and `withheld_ppm`, null where nothing is agreed. `bands` has `side` (above
    or below), `from_ppm`, `to_ppm` (null where it has no end) and `rate_ppm`.
    """

    of_lines: pl.DataFrame
    bands: pl.DataFrame


def read_contract_terms(workspace: Workspace) -> UserList:
    """Every term in the landing folder; none where there is no list.

    Raises `UserError` that names the lines of terms that lack what they need or say more, of an
    amount that cannot be that of a unit, of two that are the same, of bands that overlap, and of
    metrics whose weights are not the whole.
    """
    terms = read_user_list(workspace, CONTRACT_TERMS, TERM_CELLS)
    term = pl.col("term")
    for name, needed in _NEEDS.items():
        is_it, idle = term == name, {*_SAYS} - {*needed, *_MAY_SAY.get(name, ())}
        refuse_rows(
            terms,
            is_it & pl.any_horizontal(pl.col(one).is_null() for one in needed),
            f"of {name} must give {_named(needed)}",
        )
        refuse_rows(
            terms,
            is_it & pl.any_horizontal(pl.col(one).is_not_null() for one in idle),
            f"of {name} must leave {_named(idle)} blank",
        )
    refuse_rows(
        terms,
        (term != TRANSITION) & (pl.col("amount_pence") < 0),
        f"must give no amount below 0 but of {TRANSITION}, which may lessen what is paid",
    )
    refuse_rows(
        terms,
        (term == AMOUNT_OF_UNIT) & (pl.col("amount_pence") > _MOST_PENCE_EACH),
        f"of {AMOUNT_OF_UNIT} must give at most £{_MOST_PENCE_EACH // 100:,} for a unit: is the "
        "amount in pence? It is read as pounds",
    )
    refuse_rows(
        terms,
        pl.col("metric").is_null() != pl.col("weight_ppm").is_null(),
        "must give metric and weight_percent together, or neither",
    )
    refuse_rows(
        terms, pl.col("to_ppm") <= pl.col("from_ppm"), "must have to_percent above from_percent"
    )
    refuse_outside_years(terms, scheme_years(workspace))
    refuse_repeated(terms, *_KEY)
    _refuse_overlapping_bands(terms.rows, _OF_YEAR)
    _refuse_part_weights(terms.rows)
    return terms


def refuse_unusable_terms(terms: UserList, scheme: Scheme) -> None:
    """Raises `UserError` naming the terms that a scheme year's lines cannot have.

    `terms` are of that year.
    """
    year = scheme.scheme_year
    lines = lines_of(scheme)
    refuse_rows(
        terms,
        ~pl.col("contract_line").is_in(list(lines)),
        f"must name as contract_line one that contracts of {year} have: {', '.join(lines)}",
    )
    rows = terms.rows.to_dicts()
    _refuse(
        [row for row in rows if row["term"] not in terms_of(lines[row["contract_line"]])],
        f"must be of a term that its line may have in {year}",
    )
    _refuse([row for row in rows if _is_unapproved(row, scheme)], _approval_wanted(scheme))
    _refuse(
        [
            row
            for row in rows
            if row["term"] == HELD_BACK
            and row["ppm"] > most_withheld_ppm(lines[row["contract_line"]], scheme)
        ],
        f"of {HELD_BACK} must hold back at most what {year} lets the parties hold back",
    )
    held = {_key(row, _OF_LINE) for row in rows if row["term"] == HELD_BACK}
    _refuse(
        [
            row
            for row in rows
            if row["term"] == ATTAINMENT
            and HELD_BACK in terms_of(lines[row["contract_line"]])
            and _key(row, _OF_LINE) not in held
        ],
        f"of {ATTAINMENT} must be of a line of which something is {HELD_BACK}",
    )


def terms_in_price_year(entries: pl.DataFrame) -> Terms:
    """The terms of a scheme year by pair and line.

    Takes entries by the organisations of the price year, with `agreed_by`, the pair that agreed
    each. Raises `UserError` that names the lines where those of pairs that come down to one
    disagree; amounts a month add up.
    """
    of_lines, bands = [], []
    rows = entries.sort(*_OF_LINE, "term", "agreed_by", "file", "line").to_dicts()
    for key, of_line in _groups(rows, _OF_LINE):
        made: Row = dict.fromkeys(_TERMS_SCHEMA) | dict(zip(_OF_LINE, key, strict=True))
        for (term,), same in _groups(of_line, ("term",)):
            said = same if term in _ADD_UP else _said_once(same)
            if term == BREAK_GLASS:
                bands += [dict(zip(_OF_LINE, key, strict=True)) | one for one in _bands(said)]
            elif term == ATTAINMENT:
                made["attainment_ppm"] = _attainment(said)
            elif term in (AMOUNT_OF_UNIT, *_ADD_UP):
                amount = sum(row["amount_pence"] for row in said)
                made["amount_pence"] = (made["amount_pence"] or 0) + amount
            else:
                made["rate_ppm" if term == VARIABLE_RATE else "withheld_ppm"] = said[0]["ppm"]
        of_lines.append(made)
    return Terms(
        pl.DataFrame(of_lines, schema=_TERMS_SCHEMA, orient="row"),
        pl.DataFrame(bands, schema=_BANDS_SCHEMA, orient="row"),
    )


def _attainment(rows: Sequence[Row]) -> int:
    """What was attained of all metrics by their weights; one without metric is the whole."""
    weighed = sum(row["ppm"] * _weight(row) for row in rows)
    return times_ppm(weighed, 1)


def _weight(row: Row) -> int:
    return PPM if row["weight_ppm"] is None else int(row["weight_ppm"])


def _bands(rows: Sequence[Row]) -> Iterator[Row]:
    """Each band on the side that it is of, or on both."""
    for row in rows:
        for side in ("above", "below") if row["side"] == "both" else (row["side"],):
            edges = {name: row[name] for name in ("from_ppm", "to_ppm")}
            yield {"side": side, **edges, "rate_ppm": row["ppm"]}


def _said_once(rows: Sequence[Row]) -> list[Row]:
    """What pairs that come down to one say alike. Raises `UserError` where they do not."""
    by_pair = [list(same) for _, same in _groups(rows, ("agreed_by",))]
    said = [sorted(([row[name] for name in _SAYS] for row in one), key=repr) for one in by_pair]
    if any(one != said[0] for one in said):
        raise UserError(
            "Terms of one line must be the same for every pair that its provider and payer took "
            f"over from: end one of them, or make them agree. Not so:\n{listed([_places(rows)])}"
        )
    return by_pair[0]


def _refuse_overlapping_bands(terms: pl.DataFrame, keys: Sequence[str]) -> None:
    """A band has its lower edge and not its upper, so that one may begin where another ends."""
    faults = []
    for side in ("above", "below"):
        on_side = terms.filter(term=BREAK_GLASS).filter(pl.col("side").is_in([side, "both"]))
        rows = on_side.sort(*keys, "from_ppm", "file", "line").to_dicts()
        for _, bands in _groups(rows, keys):
            faults += [
                _places(pair)
                for pair in pairwise(bands)
                if pair[0]["to_ppm"] is None or pair[1]["from_ppm"] < pair[0]["to_ppm"]
            ]
    if faults:
        raise UserError(
            f"Two bands of {BREAK_GLASS} on one side of the plan must not overlap. "
            f"Not so:\n{listed(list(dict.fromkeys(faults)))}"
        )


def _refuse_part_weights(terms: pl.DataFrame) -> None:
    rows = terms.filter(term=ATTAINMENT).sort(*_OF_YEAR, "file", "line").to_dicts()
    faults = [
        _places(metrics)
        for _, metrics in _groups(rows, _OF_YEAR)
        if sum(_weight(row) for row in metrics) != PPM
    ]
    if faults:
        raise UserError(
            f"The weights of the metrics of one line's {ATTAINMENT} must come to 100%. "
            f"Not so:\n{listed(faults)}"
        )


def _is_unapproved(row: Row, scheme: Scheme) -> bool:
    line = lines_of(scheme)[row["contract_line"]]
    is_rate = row["term"] in (VARIABLE_RATE, BREAK_GLASS) and not row["approval_reference"]
    return is_rate and rate_needs_approval(line, row["term"], row["ppm"], scheme)


def _approval_wanted(scheme: Scheme) -> str:
    return (
        "of another rate than the scheme's must name its approval under approval_reference in "
        f"{scheme.scheme_year} ({scheme.citation('api_scope.other_variable_rate_needs_approval')})"
    )


def _refuse(rows: Sequence[Row], wanted: str) -> None:
    if rows:
        raise UserError(f"An entry {wanted}. Not so:\n{listed([_places([row]) for row in rows])}")


def _groups(
    rows: Sequence[Row], keys: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    """Rows of the same keys, which stand together."""
    for key, same in groupby(rows, key=lambda row: _key(row, keys)):
        yield key, list(same)


def _key(row: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in keys)


def _places(rows: Sequence[Mapping[str, Any]]) -> str:
    return " and ".join(f"{row['file']}, line {row['line']}" for row in rows)


def _named(columns: Sequence[str] | set[str]) -> str:
    return ", ".join(_HEADERS[name] for name in _SAYS if name in columns)
