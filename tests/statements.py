"""Contract statements in tests: reading their cases, and making them on either engine.

Belongs here: test plumbing. Does not belong here: expected values, which are in
`tests/cases/statements/` and in each test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import yaml
from support import CASES, ENGINES, pence_of, scheme

from pipelines.activity_plans import AGREED, planned
from pipelines.basis import months_of_year_to
from pricing import blended_payments, planned_activity, variable_element
from schemas.contract_statements import CONTRACT_LINES_OF_MONTH

STATEMENT_CASES = CASES / "statements"
STATEMENTS: dict[str, Callable[..., Any]] = {
    "variable_element": variable_element.statement,
    "blended": blended_payments.statement,
}
_PAIR = {"provider_code": pl.String, "commissioner_code": pl.String}
_LINE = {**_PAIR, "contract_line": pl.String}
_MONTHLY = {**_PAIR, "activity_month": pl.String, "contract_line": pl.String}


def _of(first: Mapping[str, Any], *numbers: str) -> dict[str, Any]:
    return {**first, **dict.fromkeys(numbers, pl.Int64)}


FRAMES = {
    "of_lines": {
        field.name: pl.String if field.type == "text" else pl.Int64
        for field in CONTRACT_LINES_OF_MONTH
    },
    "counts": _of(_MONTHLY, "activity", "value_pence"),
    "plans": _of(_MONTHLY, "planned_activity", "planned_value_pence"),
    "terms": _of(_LINE, "rate_ppm", "amount_pence", "attainment_ppm", "withheld_ppm"),
    "bands": _of({**_LINE, "side": pl.String}, "from_ppm", "to_ppm", "rate_ppm"),
}
"""The frames that a statement takes, with their columns."""

_PRICES = dict.fromkeys(("local_price_pence", "published_price_pence"), pl.Int64)
_PENCE = (
    *("value", "planned_value", "target_value", "best_practice", "fixed", "variable", "payable"),
    *("value_to_date", "planned_value_to_date", "payable_to_date", "target_value_to_date"),
    *("value_difference_to_date", "unapproved_value"),
)

Rows = list[dict[str, Any]]
Given = dict[str, Rows]
PAIR = {"provider_code": "RRV", "commissioner_code": "QMJ"}


@dataclass(frozen=True)
class StatementCase:
    """One case of `tests/cases/statements/`: what is given, and the rows expected by line."""

    file: str
    name: str
    policy: str
    working: str
    scheme_year: str
    month: str
    priced_months: list[str]
    given: Given
    expect: dict[str, dict[str, Any]]


@cache
def statement_cases() -> list[StatementCase]:
    """Every case of every file, in order."""
    found = []
    for path in sorted(STATEMENT_CASES.glob("*.yaml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        for entry in document["cases"]:
            year = entry.get("scheme_year", document["scheme_year"])
            month = entry.get("month", f"{year[:4]}-04")
            found.append(
                StatementCase(
                    file=path.stem,
                    name=entry["case"],
                    policy=entry.get("policy", document["policy"]),
                    working=entry["working"],
                    scheme_year=year,
                    month=month,
                    priced_months=entry.get("priced_months", months_of_year_to(month)),
                    given=given(entry, month, year),
                    expect={line: expected_row(row) for line, row in entry["expect"].items()},
                )
            )
    return found


def given(entry: Mapping[str, Any], month: str, year: str) -> Given:
    """What a case gives, as rows of each frame; of the case's month where it names no other.

    A plan of `default_growth` has what was done in the base year, and grows here; a count with
    the `price` of a unit, published or `local`, is valued here, for a provider whose factor is 1.1.
    """
    lines = []
    for row in entry.get("lines", []):
        value, added = pence_of(row["value"]), pence_of(row.get("best_practice", "0.00"))
        unapproved = pence_of(row.get("unapproved_value", "0.00"))
        payable = pence_of(row["payable"]) if "payable" in row else value
        assert added is not None
        lines.append(
            {
                **PAIR,
                "activity_month": row.get("month", month),
                "contract_line": row["line"],
                "activity": row["activity"],
                "value_pence": value,
                "value_at_base_pence": None if value is None else value - added,
                "best_practice_pence": added,
                "unapproved_activity": row.get("unapproved", 0),
                "unapproved_value_at_base_pence": unapproved,
                "unapproved_best_practice_pence": 0,
                "annual_best_practice_activity": row.get("annual_best_practice", 0),
                "payable_pence": payable,
                "target_activity": row.get("target_activity", 0),
                "target_value_pence": pence_of(row.get("target_value", "0.00")),
                "lines_for_local_price": row.get("for_local_price", 0),
            }
        )
    return {
        "of_lines": lines,
        "counts": [_counted(row, month, year) for row in entry.get("counts", [])],
        "plans": [_planned(row, month, year) for row in entry.get("plans", [])],
        "terms": [
            {
                **PAIR,
                "contract_line": row["line"],
                "rate_ppm": _ppm(row, "rate"),
                "amount_pence": pence_of(row.get("amount")),
                "attainment_ppm": _ppm(row, "attainment"),
                "withheld_ppm": _ppm(row, "withheld"),
            }
            for row in entry.get("terms", [])
        ],
        "bands": [
            {
                **PAIR,
                "contract_line": row["line"],
                "side": row["side"],
                "from_ppm": _ppm(row, "from"),
                "to_ppm": _ppm(row, "to"),
                "rate_ppm": _ppm(row, "rate"),
            }
            for row in entry.get("bands", [])
        ],
    }


def _counted(row: Mapping[str, Any], month: str, year: str) -> dict[str, Any]:
    made = {**_monthly(row, month), "activity": row["activity"]}
    if "price" not in row:
        return {**made, "value_pence": pence_of(row["value"])}
    local, price = row.get("local", False), pence_of(row["price"])
    asked = {
        **made,
        "local_price_pence": price if local else None,
        "published_price_pence": None if local else price,
        "provider_mff_ppm": 1_100_000,
    }
    frame = nw.from_native(pl.LazyFrame([asked], schema_overrides=_PRICES))
    (valued,) = planned_activity.valued(frame, scheme(year)).collect().to_native().to_dicts()
    return {**made, "value_pence": valued["value_pence"]}


def _planned(row: Mapping[str, Any], month: str, year: str) -> dict[str, Any]:
    amounts = {
        "planned_activity": row["activity"],
        "planned_value_pence": pence_of(row["value"]),
    }
    asked = {**_monthly(row, month), **amounts, "plan_basis": row.get("basis", AGREED)}
    (made,) = planned(pl.DataFrame([asked]), scheme(year)).to_dicts()
    return made


def _monthly(row: Mapping[str, Any], month: str) -> dict[str, Any]:
    return {
        **PAIR,
        "activity_month": row.get("month", month),
        "contract_line": row["line"],
    }


def _ppm(row: Mapping[str, Any], name: str) -> int | None:
    """Millionths from a whole percentage."""
    return None if row.get(name) is None else row[name] * 10_000


def expected_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Expectations with amounts in pounds as pence columns; `rate` in percent as `rate_ppm`."""
    found = {}
    for name, said in row.items():
        if name == "rate":
            found["rate_ppm"] = _ppm(row, name)
        elif name in _PENCE:
            found[f"{name}_pence"] = pence_of(said)
        else:
            found[name] = said
    return found


def make(
    engine: str,
    section: str,
    rows: Given,
    months: Sequence[str],
    priced_months: Sequence[str],
    scheme_year: str,
) -> Rows:
    """A statement as an engine makes it."""
    assert engine in ENGINES
    frames = {
        name: pl.DataFrame(rows.get(name, []), schema=schema, orient="row")
        for name, schema in FRAMES.items()
    }
    with duckdb.connect() as connection:
        native = {
            name: frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            for name, frame in frames.items()
        }
        made = STATEMENTS[section](
            *(nw.from_native(native[name]).lazy() for name in FRAMES),
            months,
            priced_months,
            scheme(scheme_year),
        ).to_native()
        table = made.collect() if engine == "polars" else pl.DataFrame(made.to_arrow_table())
    keys = ["provider_code", "commissioner_code", "contract_line"]
    assert table.select(keys).is_unique().all(), "a contract line came out twice"
    return table.sort(keys).to_dicts()


@cache
def _made(engine: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of every case by its provider and contract line.

    Cases of one month are made at once, each as a contract of its own: most of an engine's time
    is planning.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for number, case in enumerate(statement_cases()):
        alike = (case.scheme_year, case.month, tuple(case.priced_months))
        groups.setdefault(alike, []).append(number)
    found = {}
    for (year, month, priced), numbers in groups.items():
        rows: Given = {name: [] for name in FRAMES}
        for number in numbers:
            for name, of_case in statement_cases()[number].given.items():
                rows[name] += [{**row, "provider_code": f"C{number}"} for row in of_case]
        for section in STATEMENTS:
            for row in make(engine, section, rows, months_of_year_to(month), priced, year):
                found[row["provider_code"], row["contract_line"]] = row
    return found


def rows_of(engine: str, case: StatementCase) -> dict[str, dict[str, Any]]:
    """Both statements of a case, by contract line."""
    own = f"C{statement_cases().index(case)}"
    return {line: row for (provider, line), row in _made(engine).items() if provider == own}
