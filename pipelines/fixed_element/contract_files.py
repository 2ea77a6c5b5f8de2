"""Contract files: what the parties put together of one contract and scheme year, one TOML file.

Belongs here: reading such a file strictly, its header, its sections and what a value in it may
say, with every fault named by file and key. Does not belong here: what a section holds
(`pipelines.fixed_element.worksheets`, `pipelines.fixed_element.reviews`), or any rule.

A file is read a key at a time. A key that nobody asks for is a fault, so that no slip of the pen
leaves an amount out; and faults are collected, so that all of them are told at once.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pipelines.basis import checked_scheme_year, first_month_of
from pipelines.lists import listed, ppm
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations
from pipelines.workspace import UserError, Workspace
from pricing.money import LARGEST_PENCE, PPM

HEADER = ("provider_code", "commissioner_code", "scheme_year")
FROM_ACTIVITY = "from_activity"
REVIEW = "review"
"""The section of a contract file that is no item: see `pipelines.fixed_element.reviews`."""
"""What a value says that the lake is to supply."""
_Read = TypeVar("_Read")
_POUNDS = re.compile(r"-?£?(\d{1,3}(?:,\d{3}){1,6}|\d{1,20})(?:\.(\d{1,2}))?")
_SHARE = re.compile(r"(-?)(\d{1,9})(?:\.(\d{1,20}))?(%?)")
_LONGEST = 40
"""Digits of a number, or letters that a message shows of a text."""
_SHARE_DECIMALS = 6
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


class Section:
    """A table of a contract file. Each reader gives None, and notes a fault, where it cannot."""

    def __init__(self, title: str, values: Mapping[str, Any], faults: list[str]) -> None:
        self.title, self._values, self._faults = title, values, faults
        self._asked: list[str] = []

    @property
    def name(self) -> str:
        """The full name of the table, without its brackets."""
        return self.title.strip("[]")

    def is_table(self, key: str) -> bool:
        """Whether a key is a table of its own."""
        return isinstance(self._values.get(key), Mapping)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def fault(self, key: str, says: str) -> None:
        """Notes what is wrong with a key, or with the section where the key is blank."""
        self._faults.append(" ".join(part for part in (self.title, key, says) if part))

    def pounds(self, key: str, *, may_be_negative: bool = False) -> int | None:
        """An amount in pounds, as text, whole number or decimal, in pence; None where not given."""
        return self._read(key, lambda value: pence(value, may_be_negative=may_be_negative))

    def share(self, key: str, *, may_be_negative: bool = False) -> int | None:
        """A share such as 0.02 or "2%", in millionths; None where not given."""
        return self._read(key, lambda value: share_ppm(value, may_be_negative=may_be_negative))

    def count(self, key: str) -> int | None:
        """A whole number from 0; None where not given."""
        return self._read(key, _count)

    def text(self, key: str) -> str | None:
        """Text; None where not given."""
        return self._read(key, _text)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of different texts; None where not given."""
        return self._read(key, _texts)

    def flag(self, key: str) -> bool | None:
        """True or false; None where not given."""
        return self._read(key, _flag)

    def scheme_year(self, key: str) -> str | None:
        """A scheme year such as 2024-25; None where not given."""
        return self._read(key, _scheme_year)

    def month(self, key: str) -> str | None:
        """A month such as 2024-07; None where not given."""
        return self._read(key, _month)

    def day(self, key: str) -> date | None:
        """A date without quotes, such as 2024-03-27; None where not given."""
        return self._read(key, _day)

    def factor(self, key: str) -> int | None:
        """A factor below 2 with at most six decimals, in millionths; None where not given."""
        return self._read(key, lambda value: ppm(_as_text(value)))

    def is_from_activity(self, key: str) -> bool:
        """Whether a key asks that the lake supply it."""
        return bool(self._values.get(key) == FROM_ACTIVITY)

    def section(self, key: str) -> "Section | None":
        """A table within; None where not given."""
        values = self._read(key, _table)
        return None if values is None else Section(self._within(key), values, self._faults)

    def sections(self, key: str) -> "list[Section]":
        """Each table of a list of tables; none where not given."""
        tables = self._read(key, _tables) or []
        within = self._within(key)
        return [
            Section(f"{within} {number}", values, self._faults)
            for number, values in enumerate(tables, 1)
        ]

    def written(self, key: str) -> str:
        """A value as text; blank where it is neither text nor a number, or not given."""
        return _as_text(self._values.get(key))

    def need(self, *keys: str) -> bool:
        """Whether all of some keys are given; each that is not is a fault."""
        missing = [key for key in keys if key not in self._values]
        for key in missing:
            self._asked.append(key)
            self.fault(key, "is missing: nothing is assumed for it")
        return not missing

    def others(self) -> list[str]:
        """The keys that nobody has asked for so far."""
        return [key for key in self._values if key not in self._asked]

    def refuse_others(self) -> None:
        """Notes as a fault every key that nobody asked for, with those that may be given."""
        known = ", ".join(dict.fromkeys(self._asked)) or "nothing"
        for key in self.others():
            self.fault(key, f"is not known here: one of {known} may be given")

    def _read(self, key: str, parse: Callable[[Any], _Read]) -> _Read | None:
        self._asked.append(key)
        if key not in self._values:
            return None
        try:
            return parse(self._values[key])
        except ValueError as error:
            self.fault(key, str(error))
            return None

    def _within(self, key: str) -> str:
        return f"{self.title.removesuffix(']')}.{key}]" if self.title else f"[{key}]"


@dataclass(frozen=True, slots=True)
class ContractFile:
    """One file, of one provider, payer and scheme year; `faults` is what is wrong so far.

    A header that could not be read is blank. `root` is the file as a section, its tables within.
    """

    name: str
    sha256: str
    provider_code: str
    commissioner_code: str
    scheme_year: str
    root: Section
    faults: list[str]

    def refuse_faults(self) -> None:
        """Raises `UserError` that names every fault by file and key, where there is any."""
        if self.faults:
            faults = [f"{self.name}: {fault}" for fault in self.faults]
            raise UserError(f"{self.name} cannot be used:\n{listed(faults)}")


def landed_contract_files(
    workspace: Workspace, organisations: Organisations, scheme_year: str
) -> Iterator[ContractFile]:
    """The contract files of a scheme year in the landing folder, by name.

    One whose year cannot be read is of every year, so that no run passes it over.
    """
    for path in sorted(workspace.landing.glob("[!.]*.toml")):
        file = read_contract_file(path, organisations)
        if file.scheme_year in ("", scheme_year):
            yield file


def refuse_two_of_a_contract(files: Sequence[ContractFile]) -> None:
    """Raises `UserError` where two of a year's files are of one provider and payer."""
    found: dict[tuple[str, str], str] = {}
    for file in files:
        pair = (file.provider_code, file.commissioner_code)
        if pair in found:
            raise UserError(
                f"{found[pair]} and {file.name} are both of {' and '.join(pair)} in "
                f"{file.scheme_year}. Keep the one that was agreed."
            )
        found[pair] = file.name


def read_contract_file(path: Path, organisations: Organisations) -> ContractFile:
    """The file with its header read; what is wrong with that is among its `faults`.

    Raises `UserError` where it is not there or is not TOML, such as for a key given twice.
    """
    try:
        content = path.read_bytes()
        values = tomllib.loads(content.decode(), parse_float=Decimal)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        twice = ": it is given twice" if "overwrite" in str(error) or "twice" in str(error) else ""
        raise UserError(f"{path.name} is not a TOML file: {error}{twice}.") from error
    except ValueError as error:
        raise UserError(
            f"{path.name} is not a TOML file: a number in it has more digits than any contract has."
        ) from error
    faults: list[str] = []
    root = Section("", values, faults)
    root.need(*HEADER)
    provider, payer, year = (
        root.text(HEADER[0]),
        root.text(HEADER[1]),
        root.scheme_year(HEADER[2]),
    )
    if year:
        days = _first_and_last_day(year)
        _refuse_unknown(root, HEADER[0], provider, PROVIDERS, organisations, days)
        _refuse_unknown(root, HEADER[1], payer, COMMISSIONERS, organisations, days)
    return ContractFile(
        name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        provider_code=provider or "",
        commissioner_code=payer or "",
        scheme_year=year or "",
        root=root,
        faults=faults,
    )


def pence(value: Any, *, may_be_negative: bool = False) -> int:
    """Pounds in pence. Raises `ValueError` that says what was read.

    >>> [pence(amount) for amount in ("175,000,000", "£1,234.50", 12, Decimal("0.1"))]
    [17500000000, 123450, 1200, 10]
    >>> pence("175m")
    Traceback (most recent call last):
        ...
    ValueError: is '175m': write pounds, such as 175,000,000 or "1,234.50"
    """
    found = _POUNDS.fullmatch(_as_text(value))
    if not found:
        raise ValueError(f'is {_shown(value)}: write pounds, such as 175,000,000 or "1,234.50"')
    whole, decimals = found.groups()
    amount = int(whole.replace(",", "")) * 100 + int((decimals or "").ljust(2, "0"))
    if amount > LARGEST_PENCE:
        raise ValueError(
            f"is {_shown(value)}, read as £{amount // 100:,}.{amount % 100:02}: over £10 billion, "
            "which no contract is. Write pounds, not pence"
        )
    if found[0].startswith("-") and amount:
        if not may_be_negative:
            raise ValueError(f"is {_shown(value)}, which is below 0: it must not be")
        return -amount
    return amount


def share_ppm(value: Any, *, may_be_negative: bool = False) -> int:
    """A share below 1 in millionths: 0.02 or "2%". Raises `ValueError` that says what was read.

    >>> [share_ppm(share) for share in (Decimal("0.02"), "2%", "0.012", 0, "100%", "0.01%")]
    [20000, 20000, 12000, 0, 1000000, 100]
    >>> share_ppm(2)
    Traceback (most recent call last):
        ...
    ValueError: is 2: write 0.02 or "2%"
    """
    found = _SHARE.fullmatch(_as_text(value))
    if not found:
        raise ValueError(f'is {_shown(value)}: write a share such as 0.02 or "2%"')
    minus, whole, decimals, sign = found.groups()
    decimals = (decimals or "").rstrip("0")
    places = _SHARE_DECIMALS - 2 if sign else _SHARE_DECIMALS
    if len(decimals) > places:
        raise ValueError(f"is {_shown(value)}: finer than a millionth")
    if int(whole) >= 1 and not sign:
        raise ValueError(f"is {_shown(value)}: {_meant(minus, whole, decimals)}")
    share = int(whole + decimals.ljust(places, "0"))
    if share > PPM:
        raise ValueError(f"is {_shown(value)}: over 100%")
    if minus and share:
        if not may_be_negative:
            raise ValueError(f"is {_shown(value)}, which is below 0: it must not be")
        return -share
    return share


def _meant(minus: str, whole: str, decimals: str) -> str:
    """What a share that was written as a percentage should say."""
    percents = Decimal(f"{minus}{whole}.{decimals or 0}").normalize()
    return f'write {(percents / 100).normalize():f} or "{percents:f}%"'


def _count(value: Any) -> int:
    text = _as_text(value)
    if not re.fullmatch(r"\d{1,3}(,\d{3}){1,2}|\d{1,9}", text):
        raise ValueError(f"is {_shown(value)}: write a whole number, such as 1204")
    return int(text.replace(",", ""))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"is {_shown(value)}: write text between quotes")
    return value.strip()


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"is {_shown(value)}: write a list of texts")
    found = tuple(_text(entry) for entry in value)
    twice = [entry for place, entry in enumerate(found) if entry in found[:place]]
    if twice:
        raise ValueError(f"has '{twice[0]}' twice")
    return found


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {_shown(value)}: write true or false")
    return value


def _scheme_year(value: Any) -> str:
    try:
        return checked_scheme_year(_text(value))
    except ValueError:
        raise ValueError(f"is {_shown(value)}: write a scheme year, such as 2024-25") from None


def _month(value: Any) -> str:
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise ValueError(f"is {_shown(value)}: write a month, such as 2024-07")
    return value


def _day(value: Any) -> date:
    if type(value) is not date:
        raise ValueError(f"is {_shown(value)}: write a date without quotes, such as 2024-03-27")
    return value


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"is {_shown(value)}: it must be a table of its own")
    return value


def _tables(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise ValueError(f"is {_shown(value)}: it must be a list of tables")
    return value


def _as_text(value: Any) -> str:
    """A number as it would be written out, or text; blank for anything else."""
    if isinstance(value, bool) or _is_long(value):
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value).strip() if isinstance(value, str | int) else ""


def _shown(value: Any) -> str:
    """A value as a message shows it; a table in short."""
    if _is_long(value):
        return f"a number of more than {_LONGEST} digits"
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return f"'{short}'" if value else "blank"
    if isinstance(value, bool):
        return str(value).lower()
    return "a table or list" if isinstance(value, Mapping | list) else f"{value}"


def _is_long(value: Any) -> bool:
    """Whether a number has more digits than any that a contract may have."""
    if isinstance(value, Decimal):
        places = (value.adjusted(), value.as_tuple().exponent)
        return value.is_finite() and any(abs(int(place)) > _LONGEST for place in places)
    return isinstance(value, int) and abs(value) >= 10**_LONGEST


def _first_and_last_day(year: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{first_month_of(year)}-01")
    return first, first.replace(year=first.year + 1) - timedelta(days=1)


def _refuse_unknown(
    root: Section,
    key: str,
    code: str | None,
    name: str,
    organisations: Organisations,
    days: tuple[date, date],
) -> None:
    """Notes a party that the lists do not know, or that is no party of its own in the year."""
    if code is None:
        return
    known = organisations.known(PROVIDERS) if name == PROVIDERS else organisations.payers()
    if code not in known:
        kind = "provider" if name == PROVIDERS else "payer"
        root.fault(key, f"is '{code}', which is no {kind} of the lists of organisations")
        return
    parties = [organisations.parties(name, [code], day)[code] for day in days]
    stand_for = {party.code for party in parties if party}
    if not stand_for:
        root.fault(key, f"is '{code}', for which nobody stands from {days[0]} to {days[1]}")
    elif code not in stand_for:
        others = " or ".join(sorted(stand_for))
        root.fault(key, f"is '{code}', for which {others} stands in the year: write that")
