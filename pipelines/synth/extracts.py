"""The two extracts as they are delivered: their columns by name, their months and their days.

Belongs here: names and dates that more than one module needs. Does not belong here: the list
of all columns in order (`columns.toml`), or what is written in them.
"""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

Mix = dict[str, Any]
Row = dict[str, Any]

PROVIDER = "Organisation Code (Code Of Provider)"
COMMISSIONER = "Organisation Code (Code Of Commissioner)"
DERIVED_COMMISSIONER = "Derived Commissioner"
QUERY_DATE = "Query Date"
LOCAL_PRICE_HRG = "SB17Z"
"""Chemotherapy of no national list, which some pairs have a local price for."""
UNBUNDLED = tuple(f"Unbundled HRG {place}" for place in range(1, 13))
START = "Start Date (Hospital Provider Spell)"
END = "End Date (Hospital Provider Spell)"
STAY = "Length Of Stay (Hospital Provider Spell)"
ADJUSTED_STAY = "PbR Final Adjusted Length Of Stay"
AGE = "Age At Start Of Spell"
ADMISSION_METHOD = "Admission Method (Hospital Provider Spell)"
CLASSIFICATION = "Patient Classification"
EBI_CATEGORY = "Evidence Based Intervention Category"
EBI_TYPE = "Evidence Based Intervention Type"
APPOINTMENT = "Appointment Date"
ATTENDED = "Attended Or Did Not Attend"
FIRST_ATTENDANCE = "First Attendance"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One of the two extracts.

    `number` begins its record identifiers. `sound` is written over a record before it is
    broken, so that it has no other fault and no warning.
    """

    name: str
    file_stem: str
    number: int
    record_id: str
    hrg: str
    sound: Row


APC = Dataset(
    name="apc",
    file_stem="apc_spells",
    number=1,
    record_id="Spell Identifier",
    hrg="Spell Core HRG",
    sound={CLASSIFICATION: "1", EBI_CATEGORY: None, EBI_TYPE: None},
)
OP = Dataset(
    name="op",
    file_stem="op",
    number=2,
    record_id="Generated Record ID",
    hrg="Core HRG",
    sound={"Core HRG": "WF01A", ATTENDED: "5", FIRST_ATTENDANCE: "2"},
)
DATASETS = (APC, OP)

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY_0 = date(1890, 1, 1)
DAY_TEXTS = pl.date_range(DAY_0, date(2110, 1, 1), eager=True).dt.strftime("%Y%m%d")


def day_number(day: date) -> int:
    """Where a day stands in `DAY_TEXTS`."""
    return (day - DAY_0).days


@dataclass(frozen=True, slots=True)
class Month:
    """A month of activity."""

    text: str

    @property
    def first(self) -> date:
        """Its first day."""
        return date.fromisoformat(self.text + "-01")

    @property
    def days(self) -> int:
        """How many days it has."""
        return calendar.monthrange(self.first.year, self.first.month)[1]

    @property
    def freeze(self) -> date:
        """The day its freeze extract is run, seven weeks after its end."""
        return self.first + timedelta(days=self.days + 49)

    @property
    def costing_period(self) -> str:
        """As SUS+ writes it.

        >>> Month("2024-07").costing_period
        'M04 - Jul 2024'
        """
        number = (self.first.month - 4) % 12 + 1
        return f"M{number:02d} - {MONTH_NAMES[self.first.month - 1]} {self.first.year}"

    @property
    def scheme_year_start(self) -> int:
        """The calendar year its financial year starts in."""
        return self.first.year - (self.first.month < 4)
