"""What the published tables say of organisations and prices, as far as making records needs.

Belongs here: reading the folders of organisations and of a price book. Does not belong here:
what is drawn from them (`pools`, `templates`), or how the product itself reads a price book.
"""

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

MILLION = 1_000_000
BEST_PRACTICE_PRICES = ("combined", "day_case", "ordinary_elective", "non_elective")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider; `mff_ppm` is None where its market forces factor is unknown."""

    code: str
    name: str
    kind: str
    mff_ppm: int | None


@dataclass(frozen=True, slots=True)
class Price:
    """What the price book says of an HRG: pence and days, None where it has no price."""

    by_name: Mapping[str, int | None]
    elective_trim: int | None
    non_elective_trim: int | None
    per_day: int | None
    short_stay: int | None
    is_combined: bool


@dataclass(frozen=True, slots=True)
class BestPractice:
    """A best practice tariff of an HRG: its name, the flag for it, and pence by price."""

    name: str
    flag: str
    by_name: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class OtherBook:
    """The prices of another price book: those of another year, or published at another time."""

    is_same_year: bool
    prices: Mapping[str, Price]
    attendance_prices: Mapping[tuple[str, str], int | None]


@dataclass(frozen=True, slots=True)
class Reference:
    """Organisations, prices and the low volume schedule, as far as making records needs."""

    providers: tuple[Provider, ...]
    payers: Mapping[str, tuple[str, ...]]
    nhs_england: tuple[str, ...]
    prices: Mapping[str, Price]
    attendance_prices: Mapping[tuple[str, str], int | None]
    low_volume_pairs: tuple[tuple[str, str], ...]
    unbundled: Mapping[str, int]
    best_practice: Mapping[str, Sequence[BestPractice]]
    specialised_services: tuple[str, ...]
    top_ups: Mapping[str, int]
    other_books: tuple[OtherBook, ...]

    @classmethod
    def read(cls, organisations: Path, price_book: Path) -> Self:
        """Read the folder of organisations, that of a price book, and those beside it."""
        factors = {
            code: _scaled(text, MILLION)
            for code, text in _table(price_book / "market_forces_factor.csv")
        }
        payers: dict[str, list[str]] = {}
        hubs = set()
        for code, _, payer, kind in _open(organisations / "commissioners.csv"):
            payers.setdefault(payer, []).append(code)
            if kind == "nhs_england":
                hubs.add(payer)
        return cls(
            providers=tuple(
                Provider(code, name, kind, factors.get(code))
                for code, name, kind in _open(organisations / "providers.csv")
            ),
            payers={payer: tuple(codes) for payer, codes in sorted(payers.items())},
            nhs_england=tuple(sorted(hubs)),
            prices=_hrg_prices(price_book),
            attendance_prices=_attendance_prices(price_book / "outpatient_attendances.csv"),
            low_volume_pairs=tuple(
                sorted(
                    (row[0], row[1])
                    for row in _table_if_any(price_book / "lva_payments_schedule.csv")
                )
            ),
            unbundled=_unbundled(price_book),
            best_practice=_best_practice(price_book),
            specialised_services=tuple(
                row[0] for row in _table_if_any(price_book / "specialist_top_ups.csv")
            ),
            top_ups=_top_ups(price_book),
            other_books=tuple(_other_books(price_book)),
        )


def _open(path: Path) -> list[list[str]]:
    """The rows of a dated list that have no last day, without their dates."""
    return [row[:-2] for row in _table(path) if not row[-1]]


def _table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))[1:]


def _table_if_any(path: Path) -> list[list[str]]:
    """The rows of a table that not every price book has."""
    return _table(path) if path.exists() else []


def _unbundled(price_book: Path) -> dict[str, int]:
    prices = {
        row[0]: _scaled(row[2]) for row in _table_if_any(price_book / "unbundled_services.csv")
    }
    return {hrg: pence for hrg, pence in prices.items() if pence is not None}


def _best_practice(price_book: Path) -> dict[str, list[BestPractice]]:
    tariffs: dict[str, list[BestPractice]] = {}
    for name, flag, hrg, _, *prices in _table_if_any(price_book / "best_practice_tariffs.csv"):
        by_name = dict(zip(BEST_PRACTICE_PRICES, map(_scaled, prices), strict=True))
        tariffs.setdefault(hrg, []).append(BestPractice(name, flag, by_name))
    return tariffs


def _top_ups(price_book: Path) -> dict[str, int]:
    """Millionths by provider and specialised service, of those that are eligible."""
    rates = {
        row[0]: int(Decimal(row[2].removesuffix("%")) * (MILLION // 100))
        for row in _table_if_any(price_book / "specialist_top_ups.csv")
    }
    providers = _table_if_any(price_book / "specialist_top_up_providers.csv")
    return {f"{provider}/{service}": rates[service] for service, provider in providers}


def _other_books(price_book: Path) -> Iterator[OtherBook]:
    """The books in the folders beside, by name."""
    own_year = _scheme_year(price_book)
    for manifest in sorted(price_book.parent.glob("*/manifest.toml")):
        folder = manifest.parent
        if folder != price_book:
            yield OtherBook(
                _scheme_year(folder) == own_year,
                _hrg_prices(folder),
                _attendance_prices(folder / "outpatient_attendances.csv"),
            )


def _scheme_year(price_book: Path) -> str:
    manifest = tomllib.loads((price_book / "manifest.toml").read_text(encoding="utf-8"))
    return str(manifest["scheme_year"])


def _hrg_prices(price_book: Path) -> dict[str, Price]:
    prices = {}
    for row in _hrg_rows(price_book):
        procedure, combined, day_case, ordinary, non_elective = (
            _scaled(row[place]) for place in (2, 3, 4, 5, 7)
        )
        prices[row[0]] = Price(
            by_name={
                "procedure": procedure,
                "day_case": combined if day_case is None else day_case,
                "ordinary_elective": combined if ordinary is None else ordinary,
                "non_elective": non_elective,
            },
            elective_trim=_scaled(row[6], 1),
            non_elective_trim=_scaled(row[8], 1),
            per_day=_scaled(row[9]),
            short_stay=_scaled(row[12]) if row[10] == "Yes" else None,
            is_combined=combined is not None,
        )
    return prices


def _hrg_rows(price_book: Path) -> list[list[str]]:
    """The rows of tab 1, with what other unit prices (tab 4b) say in place of its `-`."""
    others = price_book / "other_unit_prices.csv"
    by_hrg = {row[0]: row for row in _table(others)} if others.exists() else {}
    rows = []
    for row in _table(price_book / "apc_and_outpatient_procedures.csv"):
        other = by_hrg.get(row[0], [])
        filled = [o if t == "-" else t for t, o in zip(row, other, strict=False)]
        rows.append(filled + row[len(other) :])
    return rows


def _attendance_prices(path: Path) -> dict[tuple[str, str], int | None]:
    prices = {}
    for row in _table(path):
        for hrg, text in zip(("WF01B", "WF02B", "WF01A", "WF02A"), row[2:6], strict=True):
            not_face_to_face = hrg[:4] + {"A": "C", "B": "D"}[hrg[4]]
            prices[row[0], hrg] = prices[row[0], not_face_to_face] = _scaled(text)
    return prices


def _scaled(text: str, per_unit: int = 100) -> int | None:
    """A published number in its smallest unit, pence unless told; None for no number.

    >>> _scaled("1,130"), _scaled("-"), _scaled("0")
    (113000, None, 0)
    """
    return None if text in ("-", "") else int(Decimal(text.replace(",", "")) * per_unit)
