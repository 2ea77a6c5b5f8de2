"""What the published tables say of organisations and prices, as far as making records needs.

Belongs here: reading the folders of organisations and of a price book. Does not belong here:
what is drawn from them (`pools`, `templates`), or how the product itself reads a price book.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

MILLION = 1_000_000


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


@dataclass(frozen=True, slots=True)
class Reference:
    """Organisations, prices and the low volume schedule, as far as making records needs."""

    providers: tuple[Provider, ...]
    payers: Mapping[str, tuple[str, ...]]
    nhs_england: tuple[str, ...]
    prices: Mapping[str, Price]
    attendance_prices: Mapping[tuple[str, str], int | None]
    low_volume_pairs: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, organisations: Path, price_book: Path) -> Self:
        """Read the folder of organisations and the folder of a price book."""
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
                sorted((row[0], row[1]) for row in _table(price_book / "lva_payments_schedule.csv"))
            ),
        )


def _open(path: Path) -> list[list[str]]:
    """The rows of a dated list that have no last day, without their dates."""
    return [row[:-2] for row in _table(path) if not row[-1]]


def _table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))[1:]


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
