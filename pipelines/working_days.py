"""Working days of a month: Monday to Friday, but for bank holidays in England.

Belongs here: counting them. Does not belong here: the bank holidays, which are in
`data/bank_holidays.toml`, or what is estimated by them (`pricing.forecast_outturn`).
"""

import tomllib
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from functools import cache

from pipelines.workspace import PROJECT, UserError

_SATURDAY = 5


def working_days(months: Sequence[str]) -> dict[str, int]:
    """The working days of each month. Raises `UserError` for a year without bank holidays.

    >>> working_days(["2024-12", "2025-05"])
    {'2024-12': 20, '2025-05': 20}
    """
    return {month: _of(int(month[:4]), int(month[5:])) for month in months}


def _of(year: int, month: int) -> int:
    holidays = _bank_holidays().get(str(year))
    if not holidays:
        raise UserError(f"data/bank_holidays.toml has no bank holidays of {year}. Add them.")
    days = (date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1))
    return sum(day.weekday() < _SATURDAY and day not in holidays for day in days)


@cache
def _bank_holidays() -> dict[str, list[date]]:
    text = (PROJECT / "data" / "bank_holidays.toml").read_text("utf-8")
    years: dict[str, list[date]] = tomllib.loads(text)["years"]
    return years
