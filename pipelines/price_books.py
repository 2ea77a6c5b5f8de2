"""Price books: what NHS England published, read as published.

Belongs here: the layout of the tables of a price book (Annex A), and which book prices a
scheme year. Does not belong here: prices, or which of them a record takes
(`pricing.unit_price`).
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.lists import (
    Cell,
    code,
    days,
    pence,
    ppm,
    read_list,
    required_pence,
    yes_or_no,
)
from pipelines.workspace import UserError, Workspace

_HRG_PRICES = (
    Cell("HRG code", "hrg_code", pl.String, code),
    Cell("Outpatient procedure price (£)", "outpatient_procedure_price_pence", pl.Int64, pence),
    Cell(
        "Combined day case / ordinary elective spell price (£)",
        "combined_price_pence",
        pl.Int64,
        pence,
    ),
    Cell("Day case spell price (£)", "day_case_price_pence", pl.Int64, pence),
    Cell("Ordinary elective spell price (£)", "ordinary_elective_price_pence", pl.Int64, pence),
    Cell(
        "Ordinary elective long stay trim point (days)",
        "ordinary_elective_trim_point_days",
        pl.Int64,
        days,
    ),
    Cell("Non-elective spell price (£)", "non_elective_price_pence", pl.Int64, pence),
    Cell(
        "Non-elective long stay trim point (days)", "non_elective_trim_point_days", pl.Int64, days
    ),
    Cell(
        "Per day long stay payment (for days exceeding trim point) (£)",
        "per_day_long_stay_pence",
        pl.Int64,
        pence,
    ),
    Cell(
        "Reduced short stay emergency tariff applicable?",
        "is_short_stay_emergency_applicable",
        pl.Boolean,
        yes_or_no,
    ),
    Cell(
        "Reduced short stay emergency tariff (£)",
        "short_stay_emergency_price_pence",
        pl.Int64,
        pence,
    ),
)
_ATTENDANCE_COLUMNS = {
    "WF01B First Attendance - Single Professional": "WF01B",
    "WF02B First Attendance - Multi Professional": "WF02B",
    "WF01A Follow Up Attendance - Single Professional": "WF01A",
    "WF02A Follow Up Attendance - Multi Professional": "WF02A",
}
_ATTENDANCE_PRICES = (
    Cell("Treatment function code", "treatment_function_code", pl.String, code),
    *(Cell(header, name, pl.Int64, pence) for header, name in _ATTENDANCE_COLUMNS.items()),
)
_MARKET_FORCES_FACTORS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("market_forces_factor", "mff_ppm", pl.Int64, ppm),
)
_LVA_SCHEDULE = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("block_value", "block_value_pence", pl.Int64, required_pence),
)
_TABLES = (
    "apc_and_outpatient_procedures",
    "outpatient_attendances",
    "market_forces_factor",
    "lva_payments_schedule",
)
_MANIFEST: dict[str, type] = {
    "name": str,
    "scheme_year": str,
    "illustrative": bool,
    "published_on": date,
    "effective_from": date,
    **dict.fromkeys((f"tables.{name}" for name in _TABLES), str),
}


@dataclass(frozen=True, slots=True)
class PriceBook:
    """A price book as published: its tables, and what identifies it."""

    name: str
    scheme_year: str
    is_illustrative: bool
    published_on: date
    sha256: str
    folder: Path
    hrg_prices: pl.DataFrame
    attendance_prices: pl.DataFrame
    market_forces_factors: pl.DataFrame
    lva_schedule: pl.DataFrame


def price_book_for(workspace: Workspace, scheme_year: str, on: date) -> PriceBook:
    """The book in effect on a day: official before illustrative, then the latest.

    Raises `UserError` where there is none, or two that nothing tells apart.
    """
    folder = workspace.data / "price_books"
    manifests = [(_manifest(path), path.parent) for path in sorted(folder.glob("*/manifest.toml"))]
    in_effect = [
        (manifest, path)
        for manifest, path in manifests
        if manifest["scheme_year"] == scheme_year and manifest["effective_from"] <= on
    ]
    if not in_effect:
        raise UserError(
            f"There is no price book for {scheme_year} in effect in {on:%Y-%m}. Put one, with its "
            f"manifest.toml, in a folder under {workspace.shown(folder)}."
        )

    def rank(manifest: dict[str, Any]) -> tuple[bool, date, date]:
        return (
            not manifest["illustrative"],
            manifest["effective_from"],
            manifest["published_on"],
        )

    best = max(rank(manifest) for manifest, _ in in_effect)
    chosen = [(manifest, path) for manifest, path in in_effect if rank(manifest) == best]
    if len(chosen) > 1:
        names = " and ".join(path.name for _, path in chosen)
        raise UserError(f"{names} were published and take effect on the same days. Keep one.")
    manifest, path = chosen[0]
    return read_price_book(path, manifest)


def read_price_book(folder: Path, manifest: dict[str, Any] | None = None) -> PriceBook:
    """Reads a price book from its folder. Raises `UserError` naming every faulty line."""
    manifest = manifest or _manifest(folder / "manifest.toml")
    paths = {name: folder / manifest["tables"][name] for name in _TABLES}
    absent = [path.name for path in paths.values() if not path.is_file()]
    if absent:
        raise UserError(f"The price book {folder.name} has no file {', '.join(absent)}.")
    hrg_prices = read_list(paths["apc_and_outpatient_procedures"], _HRG_PRICES, ["hrg_code"])
    _refuse_combined_and_split(hrg_prices, paths["apc_and_outpatient_procedures"])
    attendances = read_list(
        paths["outpatient_attendances"], _ATTENDANCE_PRICES, ["treatment_function_code"]
    )
    return PriceBook(
        name=manifest["name"],
        scheme_year=manifest["scheme_year"],
        is_illustrative=manifest["illustrative"],
        published_on=manifest["published_on"],
        sha256=sha256_of([folder / "manifest.toml", *paths.values()]),
        folder=folder,
        hrg_prices=hrg_prices,
        attendance_prices=attendances.unpivot(
            list(_ATTENDANCE_COLUMNS.values()),
            index="treatment_function_code",
            variable_name="price_column",
            value_name="attendance_price_pence",
        ).drop_nulls("attendance_price_pence"),
        market_forces_factors=read_list(
            paths["market_forces_factor"], _MARKET_FORCES_FACTORS, ["provider_code"]
        ),
        lva_schedule=read_list(
            paths["lva_payments_schedule"], _LVA_SCHEDULE, ["provider_code", "commissioner_code"]
        ),
    )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.parent.name}/{path.name} is not a TOML file: {error}") from error
    tables = manifest.get("tables")
    in_tables = tables if isinstance(tables, dict) else {}
    given = {**manifest, **{f"tables.{key}": name for key, name in in_tables.items()}}
    missing = [key for key in _MANIFEST if key not in given]
    if missing:
        raise UserError(f"{path.parent.name}/{path.name} does not say: {', '.join(missing)}.")
    wrong = [
        f"'{key}' must be {kind.__name__}, not {given[key]!r}"
        for key, kind in _MANIFEST.items()
        if type(given[key]) is not kind
    ]
    if wrong:
        raise UserError(f"{path.parent.name}/{path.name}: {'; '.join(wrong)}.")
    return manifest


def _refuse_combined_and_split(prices: pl.DataFrame, path: Path) -> None:
    both = prices.filter(
        pl.col("combined_price_pence").is_not_null()
        & (
            pl.col("day_case_price_pence").is_not_null()
            | pl.col("ordinary_elective_price_pence").is_not_null()
        )
    )["hrg_code"].to_list()
    if both:
        raise UserError(f"{path.name}: {', '.join(both)} has a combined price and a split one.")


def sha256_of(paths: list[Path]) -> str:
    """The sha256 of some files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
