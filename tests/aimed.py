"""Valid records, and the lists that they meet, aimed at every branch of every scheme year.

Belongs here: what to make so that each row of a decision table, each price and each reason occurs
often, with dates and amounts on both sides of a threshold. Does not belong here: what the answer
is (`oracle`), or that the aim was true (`rules/test_oracle_years.py`).

Records are not as hospitals send them: each field is drawn by itself, from few values.
"""

import csv
import shutil
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from oracle.books import Books, read_books

Record = dict[str, Any]
Draw = Callable[[], Any]
Row = Sequence[str]

ANOTHER_YEAR = "2019-07"
"""A month of none of the six scheme years: its HRGs may be retired, its parties merged."""
LISTS = (
    "prior_approvals",
    "lva_exceptions",
    "hrg_bridge",
    "contracts",
    "local_prices",
    "overseas_visitors",
)


@dataclass(frozen=True)
class Aim:
    """A scheme year to aim at, the folder with its book and lists, and how many records."""

    scheme_year: str
    folder: Path
    records: int

    @property
    def starts(self) -> int:
        """The calendar year in which it begins."""
        return int(self.scheme_year[:4])

    @property
    def months(self) -> tuple[str, ...]:
        """The months of the records: three of the year, and one of another."""
        return (f"{self.starts}-07", f"{self.starts}-10", f"{self.starts + 1}-01", ANOTHER_YEAR)

    def books(self) -> Books:
        """The book and the lists, as the oracle reads them."""
        lists = {name: self.folder / f"{name}.csv" for name in LISTS}
        return read_books(
            self.folder,
            self.folder,
            approvals=lists["prior_approvals"],
            exceptions=lists["lva_exceptions"],
            bridge=lists["hrg_bridge"],
            price_year=self.scheme_year,
            contracts=lists["contracts"],
            local_prices=lists["local_prices"],
            overseas_visitors=lists["overseas_visitors"],
        )


# --- the book and the lists --------------------------------------------------------------------


def write(aim: Aim, book_of_cases: Path) -> None:
    """The book of the cases, what it lacks, and the users' lists, into the folder of the aim."""
    shutil.copytree(book_of_cases, aim.folder, dirs_exist_ok=True)
    tables = TABLES | (TABLES_FROM_2025_26 if aim.starts >= 2025 else {})
    (aim.folder / "manifest.toml").write_text(manifest_of(aim, tables), "utf-8")
    for name, (header, rows) in {**tables, **lists_of(aim)}.items():
        with (aim.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(header)
            lines.writerows(rows)


OF_CASES = (
    "apc_and_outpatient_procedures",
    "outpatient_attendances",
    "market_forces_factor",
    "lva_payments_schedule",
)
"""What the book of the cases has of its own that the records meet."""


def manifest_of(aim: Aim, tables: Iterable[str]) -> str:
    """What the book says of itself."""
    return "\n".join(
        [
            'name = "aimed"',
            f'scheme_year = "{aim.scheme_year}"',
            "illustrative = true",
            f"published_on = {aim.starts}-04-01",
            f"effective_from = {aim.starts}-04-01",
            'says = "Every number here is made up for a test and must not be used for payment."',
            "[tables]",
            *(f'{name} = "{name}.csv"' for name in (*OF_CASES, *tables)),
        ]
    )


TABLES: dict[str, tuple[Row, list[Row]]] = {
    "unbundled_services": (
        (
            "HRG code",
            "HRG name",
            "Price (including cost of reporting) (£)",
            "Cost of reporting (£)",
        ),
        [
            ("RD20A", "A scan", "60", "20"),
            ("RD01A", "Another scan", "101", "20"),
            ("RN01A", "A scan with a tracer", "307", "30"),
            ("SB12Z", "Chemotherapy", "203", "-"),
            ("SB97Z", "Chemotherapy of no price of its own", "0", "-"),
            ("SC21Z", "Radiotherapy", "97", "-"),
            ("SC26Z", "Brachytherapy", "411", "-"),
            ("VC42Z", "Rehabilitation", "150", "-"),
            ("XX01Z", "A service that nobody knows", "77", "-"),
        ],
    ),
    "best_practice_tariffs": (
        (
            "Best practice tariff",
            "SUS BPT flag",
            "HRG code",
            "HRG name",
            "Combined day case / ordinary elective BPT price (£)",
            "Day case BPT price (£)",
            "Ordinary elective BPT price (£)",
            "Non-elective BPT price (£)",
        ),
        [
            ("Endoscopy procedures", "BP01", "FE30Z", "Colonoscopy", "541", "-", "-", "655"),
            ("Endoscopy procedures", "BP01", "FE32Z", "Colonoscopy", "459", "-", "-", "-"),
            ("Spinal surgery", "BP02", "HC32G", "Low back pain", "1,111", "-", "-", "1,717"),
            ("Fragility hip fracture", "BP03", "HN23C", "Knee", "2,222", "-", "-", "3,333"),
            ("Right procedure right place", "BP04", "FE30Z", "Colonoscopy", "467", "-", "-", "-"),
            ("Day Case", "BP05", "BZ34C", "Cataract", "-", "955", "777", "-"),
            ("RTT 10 year health plan", "BP06", "BZ34A", "Cataract", "-", "-", "1,313", "-"),
            ("Pleural effusion", "BP07", "DZ11U", "Pneumonia", "1,007", "-", "-", "2,121"),
            ("Same day emergency care", "BP08", "DZ11U", "Pneumonia", "-", "-", "-", "1,919"),
        ],
    ),
    "specialist_top_ups": (
        ("Specialised service code", "Service", "Top-up (%)"),
        [("0101", "Spinal", "12%"), ("0102", "Children", "20.5%"), ("0201", "Neuro", "8%")],
    ),
    "specialist_top_up_providers": (
        ("Specialised service code", "provider_code"),
        [("0101", "RRV"), ("0102", "RRV"), ("0101", "RTD"), ("0201", "RGT"), ("0102", "NVC")],
    ),
}

# Tab 4b, without which a book of these years is not whole.
TABLES_FROM_2025_26: dict[str, tuple[Row, list[Row]]] = {
    "other_unit_prices": (
        ("HRG code", "HRG name", "Unit price (£)"),
        [("SC99Z", "Radiotherapy, stereotactic", "1,501")],
    ),
}

SINCE, UNTIL = "2018-04-01", "2027-03-31"


def lists_of(aim: Aim) -> dict[str, tuple[Row, list[Row]]]:
    """The users' lists, with their headers."""
    return {
        "prior_approvals": (
            APPROVAL_HEADER,
            list(approvals_of(aim)),
        ),
        "lva_exceptions": (
            ("provider_code", "commissioner_code", "exception", "valid_from", "valid_to"),
            list(exceptions_of(aim)),
        ),
        "hrg_bridge": (
            ("activity_hrg_code", "price_hrg_code", "price_scheme_year"),
            [
                ("EB09Z", "EB12C", aim.scheme_year),
                ("MA49Z", "MA50Z", aim.scheme_year),
                ("LA99Z", "LA01A", aim.scheme_year),
                ("FE29Z", "FE30Z", "2019-20"),
            ],
        ),
        "contracts": (CONTRACT_HEADER, list(contracts_of(aim))),
        "local_prices": (LOCAL_PRICE_HEADER, list(local_prices_of(aim))),
        "overseas_visitors": (
            ("dataset", "record_id", "charging_status", "source_reference"),
            [
                (dataset, f"{dataset}-{number}", status, f"OVM-{number}")
                for dataset in ("apc", "op")
                for number in range(aim.records)
                for status in [listed_status(number)]
                if status is not None
            ],
        ),
    }


def listed_status(number: int) -> str | None:
    """What the list of overseas visitors says of a record; None where it is not on it."""
    return {0: "chargeable", 20: "chargeable_settled_status", 40: "exempt"}.get(number % 60)


APPROVAL_HEADER = (
    *("record_id", "provider_code", "commissioner_code", "ebi_type_code"),
    *("valid_from", "valid_to", "approval_reference"),
)


def approvals_of(aim: Aim) -> Iterator[Row]:
    """Of single records, and of types of procedure for half a month."""
    for number in range(0, aim.records, 17):
        yield (f"apc-{number}", "", "", "", "", "", f"IFR-{number}")
    for year in (aim.starts, 2019):
        for ebi_type in ("A_snoring", "C_knee_arth"):
            period = (f"{year}-07-05", f"{year}-07-20")
            yield ("", "RRV", "QMJ", ebi_type, *period, f"IFR-{ebi_type}-{year}")
            yield ("", "RYC", "QHL", ebi_type, *period, f"IFR-{ebi_type}-{year}-RYC")


def exceptions_of(aim: Aim) -> Iterator[Row]:
    """Each kind of exception, for half a month and for half a year."""
    starts = aim.starts
    for year in (starts, 2019):
        half_month = (f"{year}-07-10", f"{year}-07-20")
        yield ("RTD", "QMJ", "patient_choice_without_contract", *half_month)
        yield ("RYC", "QHL", "patient_choice_without_contract", *half_month)
        yield ("RX3", "QHL", "out_of_area_mental_health", *half_month)
    yield ("RX3", "QHL", "mental_health_lead_provider_collaborative", f"{starts}-10-01",
           f"{starts + 1}-03-31")  # fmt: skip
    yield ("RRV", "QHM", "patient_choice_without_contract", f"{starts}-10-01", f"{starts}-12-31")


CONTRACT_HEADER = (
    *("provider_code", "commissioner_code", "agreement_serial_number", "covers"),
    *("agreed_mechanism", "approval_reference", "is_same_system", "expected_annual_value"),
    *("excluded_drugs_baseline", "valid_from", "valid_to"),
)
TERMS: dict[tuple[str, str], Row] = {
    # covers, agreed mechanism, same system, expected annual value
    ("RRV", "QHM"): ("", "", "yes", ""),
    ("RRV", "QMJ"): ("", "", "yes", "9,000,000"),
    ("RRV", "QHL"): ("health_and_justice", "", "yes", ""),
    ("RRV", "13Q"): ("specialised", "", "no", ""),
    ("RRV", "85J"): ("health_and_justice", "", "no", "12,000,000"),
    ("RTD", "QMJ"): ("", "", "yes", ""),
    ("RTD", "QHM"): ("", "api_fixed", "yes", ""),
    ("RTD", "QHL"): ("", "activity_based", "no", "5,000"),
    ("RTD", "QWO"): ("", "local_agreement", "", ""),
    ("RTD", "13Q"): ("specialised", "", "no", "1"),
    ("RTD", "85J"): ("health_and_justice", "", "no", "5,000,000"),
    ("RGT", "QWO"): ("", "", "no", "10,000,000"),
    ("RGT", "QHM"): ("", "", "no", "9,999,999.99"),
    ("RGT", "QMJ"): ("", "", "no", ""),
    ("RGT", "13Q"): ("increasing_capacity_framework", "", "yes", ""),
    ("RGT", "85J"): ("subcontracted", "", "yes", ""),
    ("RX3", "QHL"): ("", "", "yes", ""),
    ("RX3", "13Q"): ("armed_forces", "", "yes", "499,999.99"),
    ("RX3", "85J"): ("armed_forces", "", "yes", "500,000"),
    ("RX8", "QHM"): ("", "", "yes", ""),
    ("RYC", "QWO"): ("", "", "yes", ""),
    ("NVC", "QMJ"): ("", "", "", "15,000,000"),
    ("NVC", "QHM"): ("", "", "no", "1,000,000"),
    ("NVC", "QHL"): ("increasing_capacity_framework", "", "no", "1,000,000"),
    ("NT313", "QWO"): ("subcontracted", "", "no", ""),
    ("NT313", "QMJ"): ("", "local_agreement", "", ""),
    ("NT313", "13Q"): ("specialised", "", "", ""),
}
AGREEMENTS: dict[str, Row] = {
    # covers, agreed mechanism
    "ICF": ("increasing_capacity_framework", ""),
    "SUB": ("subcontracted", ""),
    "AGS": ("advice_and_guidance", ""),
    "ARM": ("armed_forces", ""),
    "SPE": ("specialised", ""),
    "API": ("", "api"),
    "FIX": ("", "api_fixed"),
    "ABP": ("", "activity_based"),
    "LOC": ("subcontracted", "local_agreement"),
}
WITH_AGREEMENTS = (
    *(("RRV", "QHM"), ("RRV", "QMJ"), ("RRV", "13Q"), ("RGT", "QWO"), ("RGT", "QHM")),
    *(("RX3", "13Q"), ("RTD", "QHM"), ("NVC", "QMJ"), ("NVC", "QHM"), ("RGT", "QHL")),
)


def contracts_of(aim: Aim) -> Iterator[Row]:
    """Contracts of whole relationships, some for a part of the year, and agreements within."""
    for (provider, payer), (covers, agreed, is_same_system, value) in TERMS.items():
        reference = "VAR-1" if agreed else ""
        yield (provider, payer, "", covers, agreed, reference, is_same_system, value, "",
               SINCE, UNTIL)  # fmt: skip
    for provider, payer in WITH_AGREEMENTS:
        for serial_number, (covers, agreed) in AGREEMENTS.items():
            if (provider, payer, agreed) == ("RRV", "QHM", "api"):
                continue  # on the LVA payments schedule, which an agreement cannot leave alone
            reference = "VAR-2" if agreed else ""
            yield (provider, payer, serial_number, covers, agreed, reference, "", "", "",
                   SINCE, UNTIL)  # fmt: skip
    # An LVA relationship that is moved to API for July alone (2023/25 ¶85).
    july = (f"{aim.starts}-07-01", f"{aim.starts}-07-31")
    yield ("RYC", "QHL", "", "", "api", "VAR-3", "yes", "", "", *july)
    yield ("RYC", "QHL", "", "", "", "", "yes", "", "", "2019-07-01", "2019-07-31")
    yield ("RTD", "QMJ", "SPE", "specialised", "", "", "", "", "", *july)


LOCAL_PRICE_HEADER = (
    *("provider_code", "commissioner_code", "hrg_code", "treatment_function_code", "attendance"),
    *("price", "agreement_reference", "approval_reference", "valid_from", "valid_to"),
)
WITH_LOCAL_PRICES = (
    *(("RRV", "QHM"), ("RRV", "QMJ"), ("RRV", "13Q"), ("RGT", "QWO"), ("RTD", "QMJ")),
    *(("RTD", "QHL"), ("RGT", "QHM"), ("RX3", "13Q"), ("NVC", "QMJ"), ("NT313", "QMJ")),
    *(("RGT", "85J"), ("NVC", "QHM"), ("RTD", "QWO"), ("RTD", "13Q"), ("RGT", "13Q")),
)
LOCAL_HRG_PRICES = (
    # HRG, price, and whether it is approved to take the place of a published one
    *(("SC23Z", "88.88", ""), ("XC01Z", "1,234", ""), ("XD01Z", "500", ""), ("LA01A", "9,000", "")),
    *(("MC14Z", "450", ""), ("EB10E", "777", ""), ("XX98Z", "66.66", ""), ("FE32Z", "999", "")),
    *(("JC43C", "123.45", "VAR-3"), ("RD20A", "55.55", "VAR-3"), ("HC32G", "1,050", "VAR-3")),
    *(("LA97A", "10.01", "VAR-3"), ("RN01A", "290", ""), ("XX02Z", "33.33", "")),
)
LOCAL_ATTENDANCE_PRICES = (
    *(("650", "first", "70.07", ""), ("110", "first", "175.75", "VAR-4")),
    *(("100", "follow_up", "95.05", "VAR-4"), ("710", "follow_up", "60", "")),
    *(("130", "first", "1", ""), ("710", "first", "140", "")),
)


def local_prices_of(aim: Aim) -> Iterator[Row]:
    """Prices of HRGs and attendances; some change, or begin and end, within a month."""
    for provider, payer in WITH_LOCAL_PRICES:
        pair = (provider, payer)
        for hrg, price, approval in LOCAL_HRG_PRICES:
            yield (*pair, hrg, "", "", price, "LP-1", approval, SINCE, UNTIL)
        for function, attendance, price, approval in LOCAL_ATTENDANCE_PRICES:
            yield (*pair, "", function, attendance, price, "LP-2", approval, SINCE, UNTIL)
        for year in (aim.starts, 2019):
            first_half, second_half = (
                (f"{year}-07-01", f"{year}-07-15"),
                (f"{year}-07-16", f"{year + 1}-03-31"),
            )
            yield (*pair, "SB17Z", "", "", "310.50", "LP-3", "", *first_half)
            yield (*pair, "SB17Z", "", "", "320.25", "LP-3", "", *second_half)
            yield (*pair, "FE30Z", "", "", "480.15", "LP-4", "VAR-5", f"{year}-07-10",
                   f"{year}-07-20")  # fmt: skip


# --- the records -------------------------------------------------------------------------------


def weighted(*choices: tuple[int, Iterable[Any]]) -> list[Any]:
    """Values to draw from, each group as often in all as its weight says, within itself alike."""
    groups = [(weight, list(values)) for weight, values in choices]
    return [
        value
        for weight, values in groups
        for value in values
        for _ in range(max(1, 4 * weight // len(values)))
    ]


PAIRS = weighted(
    (60, TERMS),
    (8, [("RRV", "QMJ"), ("RX3", "QHL")]),
    (6, [("RYC", "QHL"), ("RX3", "QHL"), ("RTD", "QMJ"), ("RRV", "QHM")]),
    (8, [("RGT", "QHL"), ("RYC", "QMJ"), ("RRV", "QWO"), ("NVC", "QWO"), ("NT313", "QHL")]),
    (3, [("RYA", "QHL"), ("RRV77", "QHM"), ("RRV01", "QHM"), ("NVC01", "00L"), ("RYB", "15E")]),
    (2, [("X99", "QHM"), ("RCF", "QHM"), ("RYX", "QHM"), ("RYN", "QMJ"), ("RYM", "93C")]),
    (2, [("RRV", "ZZZ"), ("RRV", "QZX"), ("X99", "ZZZ"), ("RCF", "QZX"), ("RRV", "QZN")]),
)
SERIAL_NUMBERS = weighted(
    (60, [None, "000001"]), (25, AGREEMENTS), (4, ["00001=", "=", "API="]), (4, ["=1", "NONE"])
)
TREATMENT_FUNCTIONS = weighted(
    (60, ["100", "110", "130"]), (20, ["650", "501", "710", "725", "560"]), (4, ["199", "999"])
)
UNBUNDLED = weighted(
    (60, [None]),
    (10, ["SB12Z", "SB17Z", "RD20A", "RD01A", "RN01A", "SC21Z", "SC23Z", "XD01Z", "XC01Z"]),
    (4, ["SB97Z", "SC26Z", "SC57Z", "XA01Z", "XB01Z", "LE01A", "XX01Z", "XX02Z", "RN99Z", "SC99Z"]),
    (4, ["VC42Z", "SD01A", "VC42Z XC01Z", "RD20A SD01A"]),
    (4, ["SB12Z SB12Z RD20A", "RD20A RN01A SC21Z XD01Z", " ".join(["SB17Z", "XC01Z"] * 6)]),
)


class Drawing:
    """Draws the fields of records, seeded by the year and dataset."""

    def __init__(self, aim: Aim, dataset: str) -> None:
        self._random = Random(f"{aim.scheme_year} {dataset}")
        self._months = weighted((45, aim.months[:1]), (45, aim.months[1:]))

    def one(self, values: list[Any]) -> Any:
        """One of the values."""
        return values[int(self._random.random() * len(values))]

    def day(self) -> date:
        """A day of one of the months."""
        year, month = map(int, self.one(self._months).split("-"))
        return date(year, month, 1 + int(self._random.random() * monthrange(year, month)[1]))

    def shared(self, dataset: str, number: int, costing_date: date) -> Record:
        """The fields of both datasets."""
        provider, payer = self.one(PAIRS)
        return {
            "record_id": f"{dataset}-{number}",
            "dataset": dataset,
            "activity_month": f"{costing_date:%Y-%m}",
            "cut": "freeze",
            "organisation_code_of_provider": provider,
            "provider_site_code": None,
            "organisation_code_of_commissioner": payer if number % 3 else "QHM",
            "derived_commissioner_code": None if number % 3 else payer,
            "agreement_serial_number": self.one(SERIAL_NUMBERS),
            "administrative_category_code": self.one(ADMINISTRATIVE_CATEGORIES),
            "spell_in_pbr_code": self.one(SPELL_IN_PBR),
            "main_specialty_code": self.one(MAIN_SPECIALTIES),
            "treatment_function_code": self.one(TREATMENT_FUNCTIONS),
            "exclusion_reason_code": None,
            "unbundled_hrg_codes": self.one(UNBUNDLED),
            "sus_initial_pence": None,
            "sus_unbundled_pence": None,
            "sus_pre_mff_pence": None,
            "sus_mff_pence": None,
            "sus_price_pence": None,
            "query_timestamp": "20270401063000",
            "overseas_visitor_code": self.one(OVERSEAS_VISITOR_CODES),
        }


ADMINISTRATIVE_CATEGORIES = weighted((90, ["01", None, "98"]), (4, ["02"]), (3, ["03", "04"]))
SPELL_IN_PBR = weighted((90, ["0"]), (5, ["1"]), (6, ["2"]))
MAIN_SPECIALTIES = weighted((80, ["100", None]), (20, ["560", "950", "960"]))
OVERSEAS_VISITOR_CODES = weighted((90, [None, "1"]), (4, ["4"]), (2, ["2", "3", "9"]))

SPELL_HRGS = weighted(
    (50, ["FE30Z", "FE32Z", "BZ34A", "BZ34C", "DZ11U", "HC32G", "HN23C", "EB12C", "HN22E"]),
    (8, ["DZ11U", "EB12C"]),
    (12, ["MA50Z", "MA56B", "LA97A", "LB55A", "NZ30C", "WJ06J", "KB01F", "KC05M", "AB16Z"]),
    (6, ["LA01A"]),
    (8, ["MC14Z", "EB10E", "JC43C"]),
    (4, ["EC10A"]),
    (4, ["UZ01Z"]),
    (6, ["XX98Z", "XX99Z", "EB09Z", "MA49Z", "LA99Z", "FE29Z"]),
)
ADMISSION_METHODS = weighted((60, ["11", "12", "13"]), (30, ["21", "2A", "28"]), (8, ["31", "82"]))
CLASSIFICATIONS = weighted((45, ["2"]), (45, ["1"]), (6, ["3", "4"]), (2, ["5"]))
STAYS = weighted(
    (40, [0, 1]), (40, [2, 4, 5, 6, 8, 9, 10, 11]), (15, [15, 16, 20, 21, 22, 40]), (2, [400])
)
ADJUSTED_STAYS = weighted((70, [None]), (30, [0, 1, 5, 6, 10, 11, 20, 21, 100]))
CRITICAL_CARE_DAYS = weighted((85, [None, 0]), (15, [1, 2, 5, 500]))
AGES = weighted((80, [19, 45, 90]), (20, [0, 18]))
INTERVENTIONS = weighted(
    (75, [(None, None)]),
    (30, [("1", "A_snoring"), ("1", "B_menstr_D&C"), ("1", "C_knee_arth"), ("1", "D_low_back_pa")]),
    (5, [("1", "E_x"), ("2", "A_snoring"), ("2", None)]),
)
BEST_PRACTICE_FLAGS = weighted(
    (40, [None]),
    (40, ["BP01", "BP02", "BP03", "BP04", "BP05", "BP06", "BP07", "BP08"]),
    (20, ["BP99", "BP99 BP01", "BP04 BP01", "BP08 BP07", "BP07 BP08", "BP05 BP06 BP03 BP02"]),
)
SPECIALISED_SERVICES = weighted(
    (50, [None]), (30, ["0101", "0102", "0201"]), (20, ["0101 0102 0101", "9999", "0201 0101"])
)


def spells(aim: Aim) -> list[Record]:
    """Valid admitted patient care spells."""
    draw = Drawing(aim, "apc")
    found = []
    for number in range(aim.records):
        end, stay = draw.day(), draw.one(STAYS)
        category, ebi_type = draw.one(INTERVENTIONS)
        record = draw.shared("apc", number, end)
        record |= {
            "hrg_code": draw.one(SPELL_HRGS),
            "patient_classification_code": draw.one(CLASSIFICATIONS),
            "admission_method_code": draw.one(ADMISSION_METHODS),
            "start_date": end - timedelta(days=stay),
            "end_date": end,
            "length_of_stay_days": stay,
            "adjusted_length_of_stay_days": draw.one(ADJUSTED_STAYS),
            "adult_critical_care_days": draw.one(CRITICAL_CARE_DAYS),
            "neonatal_critical_care_days": draw.one(CRITICAL_CARE_DAYS),
            "paediatric_critical_care_days": draw.one(CRITICAL_CARE_DAYS),
            "best_practice_flags": draw.one(BEST_PRACTICE_FLAGS),
            "specialised_service_codes": draw.one(SPECIALISED_SERVICES),
            "sus_top_up_pence": None,
            "sus_long_stay_pence": None,
            "age_years": draw.one(AGES),
            "ebi_category_code": category,
            "ebi_type_code": ebi_type,
            "open_spell_indicator": None,
        }
        found.append(record)
    return found


ATTENDANCE_HRGS = weighted(
    (60, ["WF01A", "WF01B", "WF02A", "WF02B", "WF01C", "WF01D", "WF02C", "WF02D"]),
    (30, ["FE32Z", "BZ34C", "JC43C", "AB16Z", "MA56B"]),
    (20, ["FE30Z", "HC32G", "LA01A", "MC14Z", "LA97A", "LB55A"]),
    (5, ["UZ01Z", "WF03A"]),
    (6, ["XX98Z", "XX99Z", "MA49Z", "LA99Z"]),
)
ATTENDED = weighted((85, ["5", "6"]), (15, ["0", "2", "3", "7"]))
FIRST_ATTENDANCES = weighted((90, ["1", "2", "3", "4"]), (8, ["5"]))
MULTI_PROFESSIONAL = weighted((70, [None]), (30, ["1", "2"]))
MEDIA = weighted((60, [None, "01"]), (30, ["02", "03", "04"]), (10, ["05", "98"]))


def attendances(aim: Aim) -> list[Record]:
    """Valid outpatient attendances."""
    draw = Drawing(aim, "op")
    found = []
    for number in range(aim.records):
        appointment = draw.day()
        record = draw.shared("op", number, appointment)
        attended, first_attendance = draw.one(ATTENDED), draw.one(FIRST_ATTENDANCES)
        may_be_ungrouped = attended not in ("5", "6") or first_attendance == "5"
        record |= {
            "hrg_code": None if may_be_ungrouped and number % 2 else draw.one(ATTENDANCE_HRGS),
            "attended_or_did_not_attend_code": attended,
            "first_attendance_code": first_attendance,
            "appointment_date": appointment,
            "multi_professional_code": draw.one(MULTI_PROFESSIONAL),
            "consultation_medium_code": draw.one(MEDIA),
        }
        found.append(record)
    return found


RECORDS: dict[str, Callable[[Aim], list[Record]]] = {"apc": spells, "op": attendances}
