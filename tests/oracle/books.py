"""Price books, organisations and the user's lists, read into plain dictionaries.

What belongs here: the reading of reference CSVs, columns found by name, and the meaning of their
cells: `-` or blank is None, `0` is a published zero, "1,234", Yes and No, "30%".
What does not: any rule about which price applies to whom (`pricing.py`).

A cell or a key that cannot be understood raises BookError: an oracle must not guess.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from .reading import parse_date

NHS_PROVIDER_KINDS = ("nhs_trust", "ambulance_trust")
PROVIDER_KINDS = (*NHS_PROVIDER_KINDS, "independent")
COMMISSIONER_KINDS = ("icb", "nhs_england")
COVERS = (
    "specialised",
    "armed_forces",
    "health_and_justice",
    "increasing_capacity_framework",
    "subcontracted",
    "advice_and_guidance",
)
AGREED_MECHANISMS = ("api", "api_fixed", "activity_based", "local_agreement")
CHARGING_STATUSES = ("chargeable", "chargeable_settled_status", "exempt")
ATTENDANCES = ("first", "follow_up")
EXCEPTIONS = (
    "patient_choice_without_contract",
    "out_of_area_mental_health",
    "mental_health_lead_provider_collaborative",
)


Key = TypeVar("Key")
Value = TypeVar("Value")


class BookError(ValueError):
    """A reference table says something that cannot be understood."""


@dataclass(frozen=True)
class HrgPrices:
    """One row of Annex A, tab 1; money in pence, None where nothing is published."""

    outpatient_procedure: int | None
    combined: int | None
    day_case: int | None
    ordinary_elective: int | None
    ordinary_elective_trim_days: int | None
    non_elective: int | None
    non_elective_trim_days: int | None
    per_day_long_stay: int | None
    is_short_stay_flagged: bool
    short_stay_share: Fraction | None
    short_stay_emergency: int | None


@dataclass(frozen=True)
class Dated:
    """A row of a list of organisations: who a code is or belongs to, from one day to another."""

    belongs_to: str
    kind: str
    first: date
    last: date | None

    def holds_in(self, month_begins: date, month_ends: date) -> bool:
        """On any day of the month: a record is dated by its month alone."""
        return self.first <= month_ends and (self.last is None or month_begins <= self.last)


@dataclass(frozen=True)
class Commissioner:
    """Who pays for an organisation code that a record may carry."""

    commissioner_code: str
    commissioner_kind: str


@dataclass(frozen=True)
class Approval:
    """One prior approval (2023/25 ¶39): of one record, or of a provider's type of procedure."""

    record_id: str | None
    provider_code: str | None
    commissioner_code: str | None
    ebi_type_code: str | None
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True)
class LvaException:
    """One pair that is outside LVA for a kind of care (2023/25 ¶79)."""

    provider_code: str
    commissioner_code: str
    exception: str
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True)
class BestPractice:
    """The prices of a best practice tariff for one HRG and flag, by the price they replace."""

    name: str
    prices: dict[str, int | None]


@dataclass(frozen=True)
class Contract:
    """What is known of a relationship, or of one agreement within it."""

    provider_code: str
    commissioner_code: str
    agreement_serial_number: str | None
    covers: str | None
    agreed_mechanism: str | None
    is_same_system: bool | None
    expected_annual_pence: int | None
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True)
class LocalPrice:
    """A price that a provider and payer agreed (2023/25 ¶18, ¶72).

    `what` is an HRG, or a treatment function and which attendance: "650 first".
    """

    provider_code: str
    commissioner_code: str
    what: str
    pence: int
    takes_place_of_published: bool
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, eq=False)
class Books:
    """Everything a price is looked up in. One is not another, however alike."""

    hrg_prices: dict[str, HrgPrices]
    attendance_prices: dict[str, dict[str, int | None]]
    mff_ppm: dict[str, int]
    lva_schedule: dict[tuple[str, str], int]
    provider_kinds: dict[str, str]
    providers: dict[str, list[Dated]]
    sites: dict[str, list[Dated]]
    commissioners: dict[str, list[Dated]]
    successions: dict[str, tuple[str, date]]
    price_year: str
    bridge: dict[str, str] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    exceptions: list[LvaException] = field(default_factory=list)
    unbundled_prices: dict[str, int | None] = field(default_factory=dict)
    best_practice: dict[tuple[str, str], BestPractice] = field(default_factory=dict)
    top_up_ppm: dict[str, int] = field(default_factory=dict)
    top_up_providers: frozenset[tuple[str, str]] = frozenset()
    contracts: list[Contract] = field(default_factory=list)
    local_prices: list[LocalPrice] = field(default_factory=list)
    charging_statuses: dict[tuple[str, str], str] = field(default_factory=dict)


HRG_CODE = "HRG code"
OUTPATIENT_PROCEDURE = "Outpatient procedure price (£)"
COMBINED = "Combined day case / ordinary elective spell price (£)"
DAY_CASE = "Day case spell price (£)"
ORDINARY_ELECTIVE = "Ordinary elective spell price (£)"
ORDINARY_ELECTIVE_TRIM = "Ordinary elective long stay trim point (days)"
NON_ELECTIVE = "Non-elective spell price (£)"
NON_ELECTIVE_TRIM = "Non-elective long stay trim point (days)"
PER_DAY_LONG_STAY = "Per day long stay payment (for days exceeding trim point) (£)"
SHORT_STAY_FLAG = "Reduced short stay emergency tariff applicable?"
SHORT_STAY_SHARE = "% applied in calculation of reduced short stay emergency tariff"
SHORT_STAY_EMERGENCY = "Reduced short stay emergency tariff (£)"

TREATMENT_FUNCTION_CODE = "Treatment function code"
ATTENDANCE_COLUMNS = {
    "WF01B": "WF01B First Attendance - Single Professional",
    "WF02B": "WF02B First Attendance - Multi Professional",
    "WF01A": "WF01A Follow Up Attendance - Single Professional",
    "WF02A": "WF02A Follow Up Attendance - Multi Professional",
}


# --- cells -------------------------------------------------------------------------------------


def published(cell: str) -> str | None:
    """A cell's text; None where it is blank or `-`.

    >>> published(" - "), published(""), published("0")
    (None, None, '0')
    """
    text = cell.strip()
    return None if text in ("", "-") else text


def pounds_to_pence(cell: str) -> int | None:
    """Pounds, perhaps with commas, to whole pence.

    >>> pounds_to_pence("1,234"), pounds_to_pence("0"), pounds_to_pence("-")
    (123400, 0, None)
    """
    text = published(cell)
    if text is None:
        return None
    if re.fullmatch(r"([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]{1,2})?", text) is None:
        raise BookError(f"{cell!r} is no amount in pounds")
    return int(Decimal(text.replace(",", "")) * 100)


def whole_days(cell: str) -> int | None:
    """Whole days.

    >>> whole_days("12"), whole_days("-")
    (12, None)
    """
    text = published(cell)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+", text) is None:
        raise BookError(f"{cell!r} is no number of days")
    return int(text.replace(",", ""))


def yes_or_no(cell: str) -> bool:
    """Yes or No; where nothing is published, no.

    >>> yes_or_no("Yes"), yes_or_no("No"), yes_or_no("-")
    (True, False, False)
    """
    text = published(cell)
    if text is None or text.lower() == "no":
        return False
    if text.lower() == "yes":
        return True
    raise BookError(f"{cell!r} is neither Yes nor No")


def percentage(cell: str) -> Fraction | None:
    """A percentage, as text.

    >>> percentage("30%"), percentage("-")
    (Fraction(3, 10), None)
    """
    text = published(cell)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text) is None:
        raise BookError(f"{cell!r} is no percentage")
    return Fraction(text.removesuffix("%")) / 100


def factor_to_ppm(cell: str) -> int:
    """A factor of at most six decimals to parts per million.

    >>> factor_to_ppm("1.084213")
    1084213
    """
    text = cell.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]{1,6})?", text) is None:
        raise BookError(f"{cell!r} is no factor of at most six decimals")
    return int(Decimal(text) * 1_000_000)


def day(cell: str) -> date | None:
    """A date; None where blank."""
    text = published(cell)
    if text is None:
        return None
    value = parse_date(text)
    if value is None:
        raise BookError(f"{cell!r} is no date")
    return value


def known(value: str, choices: Iterable[str]) -> str:
    """A value that is one of a closed list."""
    if value not in choices:
        raise BookError(f"{value!r} is not one of {', '.join(choices)}")
    return value


# --- tables ------------------------------------------------------------------------------------


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV, only the columns named; a column that is not there is an error."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        for column in columns:
            if header.count(column) != 1:
                raise BookError(f"{path.name} has {header.count(column)} columns {column!r}")
        rows: list[dict[str, str]] = []
        for row in reader:
            if None in row or None in row.values():
                raise BookError(f"{path.name}, line {reader.line_num}: wrong number of values")
            rows.append({column: row[column].strip() for column in columns})
        return rows


def add_once(table: dict[Key, Value], key: Key, value: Value) -> None:
    """Put a row in a table; a second row with its key is an error."""
    if key in table:
        raise BookError(f"{key!r} is given twice")
    table[key] = value


def read_hrg_prices(path: Path) -> dict[str, HrgPrices]:
    """Annex A, tab 1: admitted patient care and outpatient procedures, by HRG."""
    table: dict[str, HrgPrices] = {}
    for row in read_table(
        path,
        (
            HRG_CODE,
            OUTPATIENT_PROCEDURE,
            COMBINED,
            DAY_CASE,
            ORDINARY_ELECTIVE,
            ORDINARY_ELECTIVE_TRIM,
            NON_ELECTIVE,
            NON_ELECTIVE_TRIM,
            PER_DAY_LONG_STAY,
            SHORT_STAY_FLAG,
            SHORT_STAY_SHARE,
            SHORT_STAY_EMERGENCY,
        ),
    ):
        prices = HrgPrices(
            outpatient_procedure=pounds_to_pence(row[OUTPATIENT_PROCEDURE]),
            combined=pounds_to_pence(row[COMBINED]),
            day_case=pounds_to_pence(row[DAY_CASE]),
            ordinary_elective=pounds_to_pence(row[ORDINARY_ELECTIVE]),
            ordinary_elective_trim_days=whole_days(row[ORDINARY_ELECTIVE_TRIM]),
            non_elective=pounds_to_pence(row[NON_ELECTIVE]),
            non_elective_trim_days=whole_days(row[NON_ELECTIVE_TRIM]),
            per_day_long_stay=pounds_to_pence(row[PER_DAY_LONG_STAY]),
            is_short_stay_flagged=yes_or_no(row[SHORT_STAY_FLAG]),
            short_stay_share=percentage(row[SHORT_STAY_SHARE]),
            short_stay_emergency=pounds_to_pence(row[SHORT_STAY_EMERGENCY]),
        )
        add_once(table, row[HRG_CODE], prices)
    return table


def read_attendance_prices(path: Path) -> dict[str, dict[str, int | None]]:
    """Annex A, tab 2: outpatient attendances, by treatment function and then by WF HRG."""
    table: dict[str, dict[str, int | None]] = {}
    for row in read_table(path, (TREATMENT_FUNCTION_CODE, *ATTENDANCE_COLUMNS.values())):
        prices = {hrg: pounds_to_pence(row[name]) for hrg, name in ATTENDANCE_COLUMNS.items()}
        add_once(table, row[TREATMENT_FUNCTION_CODE], prices)
    return table


def read_mff(path: Path) -> dict[str, int]:
    """The market forces factor of each provider, in parts per million."""
    table: dict[str, int] = {}
    for row in read_table(path, ("provider_code", "market_forces_factor")):
        add_once(table, row["provider_code"], factor_to_ppm(row["market_forces_factor"]))
    return table


def read_lva_schedule(path: Path) -> dict[tuple[str, str], int]:
    """The pairs on the LVA payments schedule, and the block value of each (2023/25 ¶83)."""
    table: dict[tuple[str, str], int] = {}
    for row in read_table(path, ("provider_code", "commissioner_code", "block_value")):
        value = pounds_to_pence(row["block_value"])
        if value is None:
            raise BookError(f"{path.name}: {row['provider_code']} has no block value")
        add_once(table, (row["provider_code"], row["commissioner_code"]), value)
    return table


def read_dated(path: Path, code: str, belongs_to: str, kind: str | None) -> dict[str, list[Dated]]:
    """The rows of a dated list by code, in order of their first days; none where it is absent."""
    table: dict[str, list[Dated]] = {}
    columns = [code, belongs_to, "valid_from", "valid_to", *([kind] if kind else [])]
    for row in read_table(path, dict.fromkeys(columns)) if path.exists() else []:
        first = day(row["valid_from"])
        if first is None:
            raise BookError(f"{path.name}: {row[code]} has no first day")
        kind_here = known(row[kind], (*PROVIDER_KINDS, *COMMISSIONER_KINDS)) if kind else ""
        dated = Dated(row[belongs_to], kind_here, first, day(row["valid_to"]))
        table.setdefault(row[code], []).append(dated)
    for rows in table.values():
        rows.sort(key=lambda row: row.first)
    return table


def read_successions(path: Path) -> dict[str, tuple[str, date]]:
    """Who took over from an organisation, and from which day."""
    table: dict[str, tuple[str, date]] = {}
    columns = ("predecessor_code", "successor_code", "effective_on")
    for row in read_table(path, columns) if path.exists() else []:
        effective_on = day(row["effective_on"])
        if effective_on is None:
            raise BookError(f"{path.name}: {row['predecessor_code']} was succeeded on no day")
        add_once(table, row["predecessor_code"], (row["successor_code"], effective_on))
    return table


def read_bridge(path: Path, price_year: str) -> dict[str, str]:
    """The HRG of the price year for those of other years, from the user's own list."""
    table: dict[str, str] = {}
    for row in read_table(path, ("activity_hrg_code", "price_hrg_code", "price_scheme_year")):
        if row["price_scheme_year"] == price_year:
            add_once(table, row["activity_hrg_code"], row["price_hrg_code"])
    return table


def read_approvals(path: Path) -> list[Approval]:
    """The user's own list of prior approvals, which SUS+ does not hold (2023/25 ¶43)."""
    columns = (
        "record_id",
        "provider_code",
        "commissioner_code",
        "ebi_type_code",
        "valid_from",
        "valid_to",
    )
    return [
        Approval(
            record_id=published(row["record_id"]),
            provider_code=published(row["provider_code"]),
            commissioner_code=published(row["commissioner_code"]),
            ebi_type_code=published(row["ebi_type_code"]),
            valid_from=day(row["valid_from"]),
            valid_to=day(row["valid_to"]),
        )
        for row in read_table(path, columns)
    ]


def read_exceptions(path: Path) -> list[LvaException]:
    """The user's own list of pairs that are outside LVA for a kind of care (2023/25 ¶79)."""
    columns = ("provider_code", "commissioner_code", "exception", "valid_from", "valid_to")
    return [
        LvaException(
            provider_code=row["provider_code"],
            commissioner_code=row["commissioner_code"],
            exception=known(row["exception"], EXCEPTIONS),
            valid_from=day(row["valid_from"]),
            valid_to=day(row["valid_to"]),
        )
        for row in read_table(path, columns)
    ]


def words_of(name: str) -> list[str]:
    """The words of a column name, in small letters.

    >>> words_of("Combined day case / ordinary elective BPT price (£)")
    ['combined', 'day', 'case', 'ordinary', 'elective', 'bpt', 'price']
    """
    return re.findall(r"[a-z0-9]+", name.lower().replace("non-elective", "nonelective"))


def column_of(path: Path, wanted: str, unwanted: str = "") -> str:
    """The one column whose name has all the words wanted and none of the others."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = [name.strip() for name in next(csv.reader(file, strict=True))]
    found = [
        name
        for name in header
        if set(wanted.split()) <= set(words_of(name))
        and not set(unwanted.split()) & set(words_of(name))
    ]
    if len(found) != 1:
        raise BookError(f"{path.name} has {len(found)} columns of {wanted!r}")
    return found[0]


def snake_case(name: str) -> str:
    """A name as one word of small letters.

    >>> snake_case("Primary hip and knee replacement (outcomes)")
    'primary_hip_and_knee_replacement_outcomes'
    """
    return "_".join(words_of(name))


def read_unbundled_prices(path: Path) -> dict[str, int | None]:
    """The unit prices of unbundled HRGs; none where the book has no such table."""
    if not path.exists():
        return {}
    hrg, price = column_of(path, "hrg code"), column_of(path, "price")
    table: dict[str, int | None] = {}
    for row in read_table(path, (hrg, price)):
        add_once(table, row[hrg], pounds_to_pence(row[price]))
    return table


def read_other_unit_prices(path: Path) -> dict[str, int | None]:
    """The unit prices of tab 4b, of SABR (2026/27 ¶98); none where the book has no such table.

    Spell prices that a tab 4b may also give are not read: a book with them is not for the oracle.
    """
    if not path.exists():
        return {}
    hrg, price = column_of(path, "hrg code"), column_of(path, "unit price")
    return {row[hrg]: pounds_to_pence(row[price]) for row in read_table(path, (hrg, price))}


def read_best_practice(path: Path) -> dict[tuple[str, str], BestPractice]:
    """Best practice prices by HRG and flag; none where the book has no such table."""
    if not path.exists():
        return {}
    name, flag, hrg = (
        column_of(path, "best practice tariff", "price"),
        column_of(path, "flag"),
        column_of(path, "hrg code"),
    )
    columns = {
        "combined": column_of(path, "combined price"),
        "day_case": column_of(path, "day case price", "combined"),
        "ordinary_elective": column_of(path, "ordinary elective price", "combined"),
        "non_elective": column_of(path, "nonelective price"),
    }
    table: dict[tuple[str, str], BestPractice] = {}
    for row in read_table(path, (name, flag, hrg, *columns.values())):
        prices = {source: pounds_to_pence(row[column]) for source, column in columns.items()}
        add_once(table, (row[hrg], row[flag]), BestPractice(snake_case(row[name]), prices))
    return table


def read_top_ups(path: Path) -> dict[str, int]:
    """The rate of each specialised service in parts per million, by its code."""
    if not path.exists():
        return {}
    code, rate = column_of(path, "specialised service code"), column_of(path, "top up")
    table: dict[str, int] = {}
    for row in read_table(path, (code, rate)):
        share = percentage(row[rate])
        if share is None or (share * 1_000_000).denominator != 1:
            raise BookError(f"{path.name}: {row[code]} has no rate in parts per million")
        add_once(table, row[code], int(share * 1_000_000))
    return table


def read_top_up_providers(path: Path) -> frozenset[tuple[str, str]]:
    """Which providers are eligible for the top-up of which specialised service."""
    if not path.exists():
        return frozenset()
    code, provider = column_of(path, "specialised service code"), column_of(path, "provider code")
    return frozenset((row[provider], row[code]) for row in read_table(path, (code, provider)))


def read_contracts(path: Path) -> list[Contract]:
    """The user's own list of contracts."""
    columns = (
        "provider_code",
        "commissioner_code",
        "agreement_serial_number",
        "covers",
        "agreed_mechanism",
        "is_same_system",
        "expected_annual_value",
        "valid_from",
        "valid_to",
    )
    return [
        Contract(
            provider_code=row["provider_code"],
            commissioner_code=row["commissioner_code"],
            agreement_serial_number=published(row["agreement_serial_number"]),
            covers=known_or_none(row["covers"], COVERS),
            agreed_mechanism=known_or_none(row["agreed_mechanism"], AGREED_MECHANISMS),
            is_same_system=yes_or_no(row["is_same_system"])
            if published(row["is_same_system"])
            else None,
            expected_annual_pence=pounds_to_pence(row["expected_annual_value"]),
            valid_from=day(row["valid_from"]),
            valid_to=day(row["valid_to"]),
        )
        for row in read_table(path, columns)
    ]


def read_local_prices(path: Path) -> list[LocalPrice]:
    """The user's own list of locally agreed prices."""
    columns = (
        "provider_code",
        "commissioner_code",
        "hrg_code",
        "treatment_function_code",
        "attendance",
        "price",
        "approval_reference",
        "valid_from",
        "valid_to",
    )
    table: list[LocalPrice] = []
    for row in read_table(path, columns):
        pence = pounds_to_pence(row["price"])
        if pence is None or bool(row["hrg_code"]) == bool(row["treatment_function_code"]):
            raise BookError(f"{path.name}: {row} is no price of one thing")
        attendance = row["attendance"] and known(row["attendance"], ATTENDANCES)
        table.append(
            LocalPrice(
                provider_code=row["provider_code"],
                commissioner_code=row["commissioner_code"],
                what=row["hrg_code"] or f"{row['treatment_function_code']} {attendance}",
                pence=pence,
                takes_place_of_published=published(row["approval_reference"]) is not None,
                valid_from=day(row["valid_from"]),
                valid_to=day(row["valid_to"]),
            )
        )
    return table


def read_charging_statuses(path: Path) -> dict[tuple[str, str], str]:
    """The user's own list of overseas visitors: whether each record of a dataset is chargeable."""
    table: dict[tuple[str, str], str] = {}
    for row in read_table(path, ("dataset", "record_id", "charging_status")):
        key = (known(row["dataset"], ("apc", "op")), row["record_id"])
        add_once(table, key, known(row["charging_status"], CHARGING_STATUSES))
    return table


def known_or_none(cell: str, choices: Iterable[str]) -> str | None:
    """One of a closed list, or None where blank."""
    return known(cell, choices) if published(cell) else None


def read_books(
    price_book: str | Path,
    organisations: str | Path,
    approvals: str | Path | None = None,
    exceptions: str | Path | None = None,
    bridge: str | Path | None = None,
    price_year: str = "2024-25",
    contracts: str | Path | None = None,
    local_prices: str | Path | None = None,
    overseas_visitors: str | Path | None = None,
) -> Books:
    """A price book folder, an organisations folder, and the user's files if there are any."""
    price_book, organisations = Path(price_book), Path(organisations)
    providers = read_dated(
        organisations / "providers.csv", "provider_code", "provider_code", "provider_kind"
    )
    return Books(
        hrg_prices=read_hrg_prices(price_book / "apc_and_outpatient_procedures.csv"),
        attendance_prices=read_attendance_prices(price_book / "outpatient_attendances.csv"),
        mff_ppm=read_mff(price_book / "market_forces_factor.csv"),
        lva_schedule=read_lva_schedule(price_book / "lva_payments_schedule.csv"),
        provider_kinds={code: rows[-1].kind for code, rows in providers.items()},
        providers=providers,
        sites=read_dated(organisations / "sites.csv", "site_code", "provider_code", None),
        commissioners=read_dated(
            organisations / "commissioners.csv",
            "organisation_code",
            "commissioner_code",
            "commissioner_kind",
        ),
        successions=read_successions(organisations / "successions.csv"),
        price_year=price_year,
        bridge={} if bridge is None else read_bridge(Path(bridge), price_year),
        approvals=[] if approvals is None else read_approvals(Path(approvals)),
        exceptions=[] if exceptions is None else read_exceptions(Path(exceptions)),
        unbundled_prices=read_other_unit_prices(price_book / "other_unit_prices.csv")
        | read_unbundled_prices(price_book / "unbundled_services.csv"),
        best_practice=read_best_practice(price_book / "best_practice_tariffs.csv"),
        top_up_ppm=read_top_ups(price_book / "specialist_top_ups.csv"),
        top_up_providers=read_top_up_providers(price_book / "specialist_top_up_providers.csv"),
        contracts=[] if contracts is None else read_contracts(Path(contracts)),
        local_prices=[] if local_prices is None else read_local_prices(Path(local_prices)),
        charging_statuses={}
        if overseas_visitors is None
        else read_charging_statuses(Path(overseas_visitors)),
    )
