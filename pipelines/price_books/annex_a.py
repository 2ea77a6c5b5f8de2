"""Annex A: which tables a workbook of prices has, and by which words they are known.

Belongs here: for each table the words of its tabs and columns, what a cell may say, and the
years in which it must be there. Prices of community diagnostics, urgent and emergency care and
genomic testing (2026/27 ¶75, ¶89, ¶93, ¶103) price what users count (`pipelines.activity_counts`):
no extract that is read has such activity. Does not belong here: opening workbooks (`sheets`),
finding these words on a tab (`reading`) or which book prices a day (`books`).

Patterns are tried on text without case, punctuation and footnote marks, `&` as `and`: see
`plain`. Those of amounts fit a header from end to end, since a word more may make it another
price (of best practice, of children). Where a workbook words a tab or column in another way,
mend its pattern here.

Known from real workbooks: tab "1 APC & OPROC" (16/17: columns from A, header in row 4; 17/18
as "1a APC & OPROC 17.18": from B, header in row 3; 2023/25; 2025/26: column A empty, data
from row 7, no split prices); the columns of "2 OPATT" and of unbundled prices; that radiotherapy
is on tab 3, other unit prices on 4b and the lists on 12a to 12c (14a to 14c in 2021/22). The
words of the other tabs and columns, those of best practice tariffs and specialist top-ups among
them, are our reading of the payment scheme documents.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipelines import lists
from schemas.extracts import ORGANISATION_CODE

APC = "apc_and_outpatient_procedures"
ATTENDANCES = "outpatient_attendances"
OTHER_UNIT_PRICES = "other_unit_prices"
SHORT_STAY = "short_stay_emergency"
FACTORS = "market_forces_factor"
LVA = "lva_payments_schedule"
UNBUNDLED = "unbundled_services"
BEST_PRACTICE = "best_practice_tariffs"
TOP_UPS = "specialist_top_ups"
TOP_UP_PROVIDERS = "specialist_top_up_providers"

_FOOTNOTES = re.compile(r"(?<=[\w%£\-–])\s*(?:[*†‡§^¹²³⁰-⁹]+|\[\w{1,2}\]|\(\d{1,2}\))+$")
_YEARS = re.compile(r"\b(?:20)?(\d\d) (?:20)?(\d\d)\b")
_YEARS_IN_TITLE = re.compile(r"\b20(\d\d)\s?[/–-]\s?(?:20)?(\d\d)\b(?!-\d)")
_SET_APART = re.compile(r"\b(?:bpts?|best practice|child\w*|paediatrics?|uplifts?|local\w*)\b")
_PRICE = "(?:price|tariff)s?"
_OF_PRICES = re.compile(rf"\b(?:{_PRICE}|payment|trim ?points?)\b")
_POUNDS = "(?: £)?$"
_UNIT_PRICE = (
    rf"^(?:unit |national )?{_PRICE}(?: £)?(?: including (?:the )?(?:cost of )?reporting)?{_POUNDS}"
)
_TRIM_POINT = "(?:spell )?(?:long stay )?trim ?points?(?: days)?$"
_BPT = "(?:bpts?|best practice(?: tariffs?)?)"
_SHORT_STAY_PRICE = rf"short stay emergency (?:spell )?{_PRICE}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name in a message, its words, our name and what it may say.

    A table that lacks a `needed` column cannot be read. `or_on` is a table that may have the
    column in its place.
    """

    header: str
    words: str
    name: str
    dtype: Any
    parse: Callable[[str], Any]
    needed: bool = True
    or_on: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of Annex A, on one tab or several.

    `key` names the columns that no two rows share. `one_of` are columns of which one at least
    is needed. A workbook of prices must hold the table from the scheme year `expected_from` on,
    and cannot before `first_in`; one that `stands_alone` may come in a workbook of its own. Of
    `kinds` of code, by how they begin, an expected table has prices each. `sums` are columns
    that add up to the last of them. `remark` is what its readers must know of how it is used.
    """

    name: str
    title: str
    tabs: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    expected_from: str | None = None
    first_in: str | None = None
    stands_alone: bool = False
    kinds: Mapping[str, str] = field(default_factory=dict)
    sums: tuple[tuple[str, ...], ...] = ()
    remark: str = ""

    def is_on(self, tab: str) -> bool:
        """Whether the name of a tab says that it holds this table."""
        return bool(re.search(self.tabs, plain(tab)))

    def is_expected(self, scheme_year: str) -> bool:
        """Whether a workbook of prices for a year must hold it."""
        return self.expected_from is not None and scheme_year >= self.expected_from

    def header(self, name: str) -> str:
        """The header of a column as messages name it."""
        return next(column.header for column in self.columns if column.name == name)

    @property
    def code(self) -> Column | None:
        """The first column of the key, by which a row is told from a note; None where it is text.

        A row without code and amount is a note; where there is no code, one that is not whole.
        """
        first = next((c for c in self.columns if c.name in self.key[:1]), None)
        return None if first is None or first.parse is lists.text else first

    @property
    def amounts(self) -> list[str]:
        """The columns that hold pence, days or parts per million."""
        return [column.name for column in self.columns if column.dtype == pl.Int64]


def plain(words: str) -> str:
    """Words as patterns see them.

    >>> plain("Combined day case / ordinary elective spell price (£)¹")
    'combined day case ordinary elective spell price £'
    """
    return re.sub(r"[^a-z0-9%£]+", " ", words.casefold().replace("&", " and ")).strip()


def without_footnotes(cell: str) -> str:
    """A cell less the marks that refer to a footnote.

    A digit that is a footnote by its formatting alone cannot be told from the number before it.

    >>> [without_footnotes(cell) for cell in ("123*", "Yes¹", "1,234 (2)", "-*", "(12)")]
    ['123', 'Yes', '1,234', '-', '(12)']
    """
    return _FOOTNOTES.sub("", cell)


def year_said(words: str) -> str | None:
    """The scheme year that the name of a tab or a header speaks of, if it does.

    >>> year_said("1a APC & OPROC 17.18"), year_said("12a Devices")
    ('2017-18', None)
    """
    for first, last in _YEARS.findall(plain(words)):
        if (int(first) + 1) % 100 == int(last):
            return f"20{first}-{last}"
    return None


def years_in_title(words: str) -> set[str]:
    """The scheme years that a title speaks of: their first year in full, as titles have it.

    >>> sorted(years_in_title("2025/26 prices (2024-25 in brackets), of 2025-06-27"))
    ['2024-25', '2025-26']
    """
    found = _YEARS_IN_TITLE.findall(words)
    return {f"20{a}-{b}" for a, b in found if (int(a) + 1) % 100 == int(b)}


def words_in_year(header: str, scheme_year: str) -> str:
    """A header as patterns see it: less its own year, and nothing if it is of another.

    >>> [words_in_year(f"MFF {year}", "2026-27") for year in ("2025/26", "2026/27")]
    ['', 'mff']
    """
    if year_said(header) not in (None, scheme_year):
        return ""
    return plain(_YEARS.sub(" ", plain(header)) if year_said(header) else header)


def in_group(words: str, beside: str) -> str:
    """The words of a price's header, after what stands above or below it if that sets it apart.

    >>> in_group("day case price", "BPT prices"), in_group("hrg code", "BPT prices")
    ('bpt prices day case price', 'hrg code')
    >>> in_group("bpt price", "BPT prices"), in_group("day case price", "Elective care")
    ('bpt price', 'day case price')
    """
    is_price = _OF_PRICES.search(words) and not _SET_APART.search(words)
    return f"{plain(beside)} {words}" if is_price and _SET_APART.search(plain(beside)) else words


def _matching(pattern: str, says: str) -> Callable[[str], str]:
    wanted = re.compile(pattern)

    def parse(value: str) -> str:
        code = without_footnotes(value).upper()
        if not wanted.fullmatch(code):
            raise ValueError(says)
        return code

    return parse


def _cell(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda value: parse(without_footnotes(value))


def _optional(parse: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda value: None if value in lists.NO_PRICE else parse(value)


hrg = _matching(r"[A-Z]{2}\d{2}[A-Z]", "is no HRG code such as FE32Z")
currency = _matching(r"(?=.*\d)[A-Z0-9][A-Z0-9._/-]{1,14}", "is no code such as VB01Z")
sus_code = _matching(r"[A-Z0-9]{1,10}", "is no code of up to ten letters and digits")
treatment_function = _matching(r"\d{3}", "is no treatment function code such as 100")
organisation = _matching(
    rf"(?!(?:TOTALS?|ENGLAND)$){ORGANISATION_CODE.strip('^$')}", "is no organisation code"
)


def _text(header: str, words: str, name: str, *, needed: bool = False) -> Column:
    parse = lists.text if needed else lists.optional_text
    return Column(header, words, name, pl.String, parse, needed)


def _amount(
    header: str,
    words: str,
    name: str,
    parse: Callable[[str], int | None] = lists.pence,
    *,
    needed: bool = False,
    or_on: str | None = None,
) -> Column:
    return Column(header, words, name, pl.Int64, _cell(parse), needed, or_on)


_HRG = Column("HRG code", r"^(?:core )?hrg\d?(?: code| root)?$", "hrg_code", pl.String, hrg)
_HRG_NAME = _text("HRG name", r"^hrg (?:name|description|label)$|^description$", "hrg_name")
_CODE = Column(
    "Code", r"^(?:\w+ )?(?:hrg|currency|code|test id)(?: code)?$", "code", pl.String, currency
)
_NAME = _text("Name", r"(?:name|description|label)$|^(?:currency|service|test)$", "name")
_PROVIDER = Column(
    "provider_code",
    r"^(?!.*\b(?:commissioner|icb)\b)"
    r"(?:.*\b(?:provider|trust|organisation|ods|org)\b.*\bcode|ods|code)$",
    "provider_code",
    pl.String,
    organisation,
)
_PROVIDER_NAME = _text(
    "Provider name",
    r"^(?:provider|trust|organisation)(?:(?: \w+)? name)?$|^name$",
    "provider_name",
)


def _elective_and_non_elective(*, needed: bool) -> tuple[Column, ...]:
    return (
        _amount(
            "Outpatient procedure price (£)",
            rf"^outpatient procedure (?:spell )?{_PRICE}{_POUNDS}",
            "outpatient_procedure_price_pence",
            needed=needed,
        ),
        _amount(
            "Combined day case / ordinary elective spell price (£)",
            rf"^(?:combined|(?:combined )?day ?case (?:and )?(?:ordinary )?elective) (?:spell )?"
            rf"{_PRICE}{_POUNDS}",
            "combined_price_pence",
            needed=needed,
        ),
        _amount(
            "Day case spell price (£)",
            rf"^day ?case (?:spell )?{_PRICE}{_POUNDS}",
            "day_case_price_pence",
        ),
        _amount(
            "Ordinary elective spell price (£)",
            rf"^(?:ordinary )?elective (?:spell )?{_PRICE}{_POUNDS}",
            "ordinary_elective_price_pence",
        ),
        _amount(
            "Ordinary elective long stay trim point (days)",
            rf"^(?:ordinary )?elective {_TRIM_POINT}",
            "ordinary_elective_trim_point_days",
            lists.days,
            needed=needed,
        ),
        _amount(
            "Non-elective spell price (£)",
            rf"^non ?elective (?:spell )?{_PRICE}{_POUNDS}",
            "non_elective_price_pence",
            needed=needed,
        ),
        _amount(
            "Non-elective long stay trim point (days)",
            rf"^non ?elective {_TRIM_POINT}",
            "non_elective_trim_point_days",
            lists.days,
            needed=needed,
        ),
        _amount(
            "Per day long stay payment (for days exceeding trim point) (£)",
            rf"^per day long stay (?:payment|{_PRICE})"
            rf"(?: for)?(?: days (?:exceeding|beyond)(?: the)? trim ?point)?{_POUNDS}",
            "per_day_long_stay_pence",
            needed=needed,
        ),
    )


def _short_stay(or_on: str | None = None) -> tuple[Column, ...]:
    return (
        Column(
            "Reduced short stay emergency tariff applicable?",
            rf"^(?:reduced )?{_SHORT_STAY_PRICE} applicable$",
            "is_short_stay_emergency_applicable",
            pl.Boolean,
            _cell(lists.yes_or_no),
            or_on=or_on,
        ),
        _amount(
            "% applied in calculation of reduced short stay emergency tariff",
            rf"^(?:%|percentage) applied in (?:the )?calculation of (?:the )?(?:reduced )?"
            rf"{_SHORT_STAY_PRICE}$",
            "short_stay_emergency_share_ppm",
            lists.percent,
        ),
        _amount(
            "Reduced short stay emergency tariff (£)",
            rf"^(?:reduced )?{_SHORT_STAY_PRICE}{_POUNDS}",
            "short_stay_emergency_price_pence",
            needed=True,
            or_on=or_on,
        ),
    )


def _attendance(hrg_code: str, kind: str) -> Column:
    code = hrg_code.casefold()
    words = plain(kind).replace("attendance", "attendances?")
    return _amount(
        f"{hrg_code} {kind}",
        rf"^(?=.*(?:{code}|{words}))(?:(?:{code}|{words}|{_PRICE}|£)(?: |$))+$",
        hrg_code,
        needed=True,
    )


def _best_practice_price(header: str, kind: str, name: str) -> Column:
    """The price of best practice for one kind of admission, whichever of its words come first."""
    return _amount(
        header,
        rf"^(?=.*\b{_BPT}\b)(?=.*\b{_PRICE}\b)(?:{_BPT} )?(?:{_PRICE} )?(?:£ )?"
        rf"{kind}(?: spell)?(?: {_BPT})?(?: {_PRICE})?(?: with {_BPT})?{_POUNDS}",
        f"best_practice_{name}_price_pence",
    )


BEST_PRACTICE_KINDS = ("combined", "day_case", "ordinary_elective", "non_elective")
"""The kinds of admission that a price of best practice may be for."""
ATTENDANCE_COLUMNS = {
    "WF01B": "First Attendance - Single Professional",
    "WF02B": "First Attendance - Multi Professional",
    "WF01A": "Follow Up Attendance - Single Professional",
    "WF02A": "Follow Up Attendance - Multi Professional",
}


def _factor(value: str) -> int:
    factor = lists.ppm(value)
    if not 900_000 <= factor <= 1_500_000:
        raise ValueError("is no market forces factor: those are from 0.9 to 1.5")
    return factor


def _unit_prices(
    name: str, title: str, tabs: str, expected_from: str, first_in: str | None = None
) -> Table:
    """A table of a code, a name and one price."""
    price = _amount("Unit price (£)", _UNIT_PRICE, "unit_price_pence", needed=True)
    return Table(
        name,
        title,
        tabs,
        (_CODE, _NAME, price),
        ("code",),
        expected_from=expected_from,
        first_in=first_in,
    )


_DRUG = r"^(?:high cost )?drugs?\b|^name$"
_SERVICE_CODE = (
    r"^(?!.*\b(?:provider|trust|organisation|ods|org)\b)(?=.*\b(?:services?|pss)\b).*\bcode$"
)


def _excluded_items(name: str, title: str, tabs: str, words: str) -> Table:
    """A list of what is excluded from unit prices."""
    return Table(
        name,
        title,
        tabs,
        (
            _text("Name", words, "name", needed=True),
            _text(
                "Commissioner",
                r"commissioner|commissioned|funded by|responsib",
                "commissioning_responsibility",
            ),
        ),
        expected_from="2021-22",
    )


TABLES = (
    Table(
        FACTORS,
        "market forces factor",
        r"\bmff\b|market forces",
        (
            _PROVIDER,
            _PROVIDER_NAME,
            _amount(
                "market_forces_factor",
                r"^(?:(?:payment|final|provider|trust) )?(?:market forces factor|mff|payment index)"
                r"(?: (?:mff|payment|index|value|factor))*$",
                "mff_ppm",
                _factor,
                needed=True,
            ),
        ),
        ("provider_code",),
        stands_alone=True,
    ),
    Table(
        LVA,
        "LVA payments schedule",
        r"\blva\b|low volume",
        (
            _PROVIDER,
            _PROVIDER_NAME,
            Column(
                "commissioner_code",
                r"\b(?:commissioner|icb)\b.*\bcode$|^icb$",
                "commissioner_code",
                pl.String,
                organisation,
            ),
            _text("Commissioner name", r"^(?:commissioner|icb) name$", "commissioner_name"),
            _amount(
                "Acute, mental health and community",
                rf"^acute mental health (?:and )?community(?: services)?{_POUNDS}",
                "acute_mental_health_community_pence",
            ),
            _amount("Core", rf"^core(?: lva)?(?: services| value)?{_POUNDS}", "core_pence"),
            _amount("Acute", rf"^acute(?: services| value)?{_POUNDS}", "acute_pence"),
            _amount(
                "Mental health and community",
                rf"^mental health (?:and )?community(?: services)?{_POUNDS}",
                "mental_health_community_pence",
            ),
            _amount(
                "Secondary dental",
                rf"^(?:secondary )?dental(?: services)?{_POUNDS}",
                "secondary_dental_pence",
            ),
            _amount(
                "Specialised",
                rf"^(?:delegated )?speciali[sz]ed(?: services)?{_POUNDS}",
                "specialised_pence",
            ),
            _amount(
                "block_value",
                r"^(?=.*(?:block value|total|lva (?:value|payment)|to pay))"
                r"(?:(?:grand|total|annual|lva|block|values?|payments?|to pay|£)(?: |$))+$",
                "block_value_pence",
                lists.required_pence,
                needed=True,
            ),
        ),
        ("provider_code", "commissioner_code"),
        stands_alone=True,
        sums=(
            (
                "acute_mental_health_community_pence",
                "secondary_dental_pence",
                "specialised_pence",
                "block_value_pence",
            ),
            (
                "acute_pence",
                "mental_health_community_pence",
                "secondary_dental_pence",
                "specialised_pence",
                "block_value_pence",
            ),
            ("core_pence", "secondary_dental_pence", "specialised_pence", "block_value_pence"),
            ("acute_pence", "mental_health_community_pence", "block_value_pence"),
        ),
    ),
    Table(
        SHORT_STAY,
        "short stay emergency",
        r"short stay|\bssem\b|\brsset\b",
        (_HRG, _HRG_NAME, *_short_stay()),
        ("hrg_code",),
    ),
    Table(
        APC,
        "APC & outpatient procedures",
        r"\bapc\b|admitted patient care|\boproc\b",
        (_HRG, _HRG_NAME, *_elective_and_non_elective(needed=True), *_short_stay(SHORT_STAY)),
        ("hrg_code",),
        expected_from="2016-17",
    ),
    Table(
        ATTENDANCES,
        "outpatient attendances",
        r"\bop ?att\b|outpatient att",
        (
            Column(
                "Treatment function code",
                r"^(?:treatment function|tfc)(?: code)?$",
                "treatment_function_code",
                pl.String,
                treatment_function,
            ),
            _text(
                "Treatment function name",
                r"^treatment function (?:name|description)$|^description$",
                "treatment_function_name",
            ),
            *(_attendance(code, kind) for code, kind in ATTENDANCE_COLUMNS.items()),
        ),
        ("treatment_function_code",),
        expected_from="2016-17",
    ),
    _unit_prices(
        "community_diagnostic_centres",
        "community diagnostic centre prices",
        r"\bcdcs?\b|community diagnostic",
        "2026-27",
        first_in="2026-27",
    ),
    Table(
        UNBUNDLED,
        "unbundled services",
        r"^(?!.*\bdrugs?\b).*(?:unbundled|imaging|nuclear medicine|chemotherapy|radiotherapy)",
        (
            _HRG,
            _HRG_NAME,
            _amount("Price (£)", _UNIT_PRICE, "unit_price_pence", needed=True),
            _amount(
                "Cost of reporting (£)", rf"^cost of reporting{_POUNDS}", "cost_of_reporting_pence"
            ),
        ),
        ("hrg_code",),
        expected_from="2021-22",
        kinds={
            "diagnostic imaging": "RD",
            "nuclear medicine": "RN",
            "chemotherapy": "SB",
            "radiotherapy": "SC",
        },
    ),
    Table(
        OTHER_UNIT_PRICES,
        "other unit prices (tab 4b)",
        rf"^4b\b|\bother\b.*{_PRICE}|\bsabr\b",
        (
            Column("HRG code", _CODE.words, "hrg_code", pl.String, currency),
            _text("HRG name", _NAME.words, "hrg_name"),
            _amount("Unit price (£)", _UNIT_PRICE, "unit_price_pence"),
            *_elective_and_non_elective(needed=False),
        ),
        ("hrg_code",),
        one_of=(
            "unit_price_pence",
            "outpatient_procedure_price_pence",
            "combined_price_pence",
            "day_case_price_pence",
            "ordinary_elective_price_pence",
            "non_elective_price_pence",
        ),
        expected_from="2025-26",
    ),
    Table(
        BEST_PRACTICE,
        "best practice tariffs",
        r"\bbpts?\b|best practice",
        (
            _text("Best practice tariff", r"^(?:bpt|best practice tariff)(?: name)?$", "bpt_name"),
            Column(
                "SUS BPT flag",
                rf"^(?:(?:sus|pbr) )*(?:{_BPT} )?(?:flag|indicator)(?: code)?$",
                "best_practice_flag",
                pl.String,
                _cell(_optional(sus_code)),
                needed=False,
            ),
            _HRG,
            _HRG_NAME,
            _amount(
                "Base price (£)",
                rf"^(?:base|non bpt|standard) (?:spell )?{_PRICE}{_POUNDS}",
                "base_price_pence",
            ),
            _amount(
                "BPT price (£)",
                rf"^(?:bpt|best practice tariff) {_PRICE}{_POUNDS}",
                "best_practice_price_pence",
            ),
            _best_practice_price(
                "Combined day case / ordinary elective BPT price (£)",
                "(?:combined|(?:combined )?day ?case (?:and )?(?:ordinary )?elective)",
                "combined",
            ),
            _best_practice_price("Day case BPT price (£)", "day ?case", "day_case"),
            _best_practice_price(
                "Ordinary elective BPT price (£)", "(?:ordinary )?elective", "ordinary_elective"
            ),
            _best_practice_price("Non-elective BPT price (£)", "non ?elective", "non_elective"),
        ),
        ("hrg_code", "best_practice_flag", "bpt_name"),
        one_of=(
            "best_practice_price_pence",
            *(f"best_practice_{kind}_price_pence" for kind in BEST_PRACTICE_KINDS),
        ),
        expected_from="2021-22",
        remark="A record takes a price by the flag that SUS+ gave it and by its kind of admission. "
        "A row without flag, or with the one BPT price alone, which is of no kind, is kept and "
        "shown and prices no record; a run says so.",
    ),
    Table(
        TOP_UP_PROVIDERS,
        "eligible providers of specialist top-ups",
        r"^(?=.*(?:top ?ups?\b|\bpss\b|specialised services))"
        r".*\b(?:providers?|trusts?|eligib\w+)\b",
        (
            Column(
                "Specialised service code",
                _SERVICE_CODE,
                "specialised_service_code",
                pl.String,
                sus_code,
            ),
            _PROVIDER,
            _PROVIDER_NAME,
        ),
        ("specialised_service_code", "provider_code"),
        stands_alone=True,
        remark="One row for each service and provider. Who is not in it has no top-up.",
    ),
    Table(
        TOP_UPS,
        "specialist top-ups",
        r"top ?ups?\b|\bpss\b|specialised services",
        (
            Column(
                "Specialised service code",
                _SERVICE_CODE,
                "specialised_service_code",
                pl.String,
                _cell(_optional(sus_code)),
                needed=False,
            ),
            _text(
                "Service",
                r"^(?!.*\bcode$).*(?:service|specialty|\barea\b|\bpss\b)",
                "service",
                needed=True,
            ),
            _amount(
                "Top-up (%)",
                r"^(?=.*(?:top ?up|rate))"
                r"(?:(?:specialist|top ?ups?|rate|payment|percentage|%)(?: |$))+$",
                "top_up_ppm",
                lists.percent,
                needed=True,
            ),
        ),
        ("service", "specialised_service_code"),
        expected_from="2021-22",
        remark="A record takes the rate by the code of its specialised service, where its provider "
        "is eligible. A rate without code is kept and shown and adds to no record; a run says so.",
    ),
    _unit_prices(
        "urgent_and_emergency_care",
        "A&E / urgent and emergency care",
        r"\ba and e\b|\buec\b|\bsdec\b|\burgent\b|accident and emergency"
        r"|emergency (?:medicine|department|care|attendance)",
        "2026-27",
    ),
    _unit_prices("genomic_testing", "genomic prices", r"genom", "2026-27", first_in="2026-27"),
    _excluded_items(
        "excluded_devices",
        "excluded devices and listed procedures",
        r"device|listed procedure|^12a\b",
        r"^(?:high cost )?devices?\b|^(?:listed )?procedures?(?: name)?$|category|^name$",
    ),
    _excluded_items(
        "excluded_drugs",
        "excluded drugs",
        r"^(?!.*\bin (?:the )?(?:unit )?prices\b)(?:.*\bdrugs?\b|12b\b)",
        _DRUG,
    ),
    Table(
        "drugs_in_unit_prices",
        "drugs in unit prices",
        r"\bdrugs?\b.*\bin (?:the )?(?:unit )?prices\b",
        (
            _text("Name", _DRUG, "name", needed=True),
            _amount("Unit price (£)", _UNIT_PRICE, "unit_price_pence"),
        ),
        remark="Drugs that were excluded from unit prices and are part of them now (2026/27 ¶21).",
    ),
    _excluded_items(
        "medtech_products",
        "MedTech products",
        r"medtech|innovative|^1[24]c\b",
        r"product|technology|^item|^name$",
    ),
)
"""In the order in which the name of a tab is tried: the first that fits has it."""
BY_NAME = {table.name: table for table in TABLES}


COVER = re.compile(r"\b(?:cover|contents?|introduction|title|about|read ?me|information|index)\b")
"""The words of tabs that say what a workbook is."""


def table_of_tab(tab: str) -> Table | None:
    """The table that the name of a tab speaks of."""
    return next((table for table in TABLES if table.is_on(tab)), None)
