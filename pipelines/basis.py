"""The pricing basis: under which year's rules a month is priced, and as known on which day.

Belongs here: the choice of rule year and publication day, and its name in paths and tables.
Does not belong here: the rules (`pipelines.scheme_packs`) or prices (`pipelines.price_books`).
"""

import re
from dataclasses import dataclass
from datetime import date

_NAME = re.compile(r"(?P<year>own_year|20\d\d-\d\d)(_as_of_(?P<day>\d{4}-\d\d-\d\d))?")
_SCHEME_YEAR = re.compile(r"20(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class PricingBasis:
    """A rule year and a publication day; by default the month's own year, as known today.

    >>> PricingBasis("2025-26", date(2025, 5, 1)).name
    '2025-26_as_of_2025-05-01'
    """

    scheme_year: str | None = None
    as_of: date | None = None

    @classmethod
    def named(cls, name: str) -> "PricingBasis":
        """The basis of a name. Raises `ValueError` for what is no name of one."""
        found = _NAME.fullmatch(name)
        if not found:
            raise ValueError(f"'{name}' is not a pricing basis")
        try:
            day = date.fromisoformat(found["day"]) if found["day"] else None
            year = None if found["year"] == "own_year" else checked_scheme_year(found["year"])
        except ValueError:
            raise ValueError(f"'{name}' is not a pricing basis") from None
        return cls(year, day)

    def for_month(self, month: str) -> "PricingBasis":
        """The same basis, by its shorter name where the rule year is the month's own.

        >>> PricingBasis("2024-25").for_month("2024-07") == OWN_YEAR
        True
        """
        if self.scheme_year == scheme_year_of(month):
            return PricingBasis(None, self.as_of)
        return self

    @property
    def name(self) -> str:
        """The name of the basis in paths, partitions and tables."""
        day = f"_as_of_{self.as_of}" if self.as_of else ""
        return f"{self.scheme_year or 'own_year'}{day}"

    @property
    def options(self) -> str:
        """The options of a command that name the basis; none where it is the month's own year.

        >>> PricingBasis("2025-26", date(2025, 5, 1)).options
        '--scheme 2025-26 --as-of 2025-05-01'
        """
        year = [f"--scheme {self.scheme_year}"] if self.scheme_year else []
        day = [f"--as-of {self.as_of}"] if self.as_of else []
        return " ".join([*year, *day])

    @property
    def is_own_year(self) -> bool:
        """Whether this is how the month itself is priced, and published."""
        return self == OWN_YEAR

    def rules_day(self, month: str) -> date:
        """The day whose rules and prices apply to activity of a month (`CCYY-MM`).

        The first of the month; under another year's rules, the first of the same month of
        that year, so that what changes within a year does so at the same point of it.

        >>> [PricingBasis("2024-25").rules_day(month) for month in ("2019-07", "2020-02")]
        [datetime.date(2024, 7, 1), datetime.date(2025, 2, 1)]
        """
        first = date.fromisoformat(f"{month}-01")
        if self.scheme_year is None:
            return first
        starts = int(self.scheme_year[:4])
        return first.replace(year=starts if first.month >= 4 else starts + 1)


def checked_scheme_year(name: str) -> str:
    """`name` where it is a scheme year such as `2025-26`; raises `ValueError` where it is not."""
    found = _SCHEME_YEAR.fullmatch(name)
    if not found or (int(found[1]) + 1) % 100 != int(found[2]):
        raise ValueError(f"'{name}' is not a scheme year such as 2025-26.")
    return name


def first_month_of(scheme_year: str) -> str:
    """The first month of a scheme year.

    >>> first_month_of("2024-25")
    '2024-04'
    """
    return f"{scheme_year[:4]}-04"


def months_of(scheme_year: str) -> list[str]:
    """The months of a scheme year, in order.

    >>> months_of("2024-25")[::4]
    ['2024-04', '2024-08', '2024-12']
    """
    starts = int(scheme_year[:4])
    return [f"{starts + place // 13}-{(place - 1) % 12 + 1:02}" for place in range(4, 16)]


def scheme_year_of(month: str) -> str:
    """The scheme year, April to March, that a month falls in.

    >>> scheme_year_of("2024-04"), scheme_year_of("2025-03"), scheme_year_of("2000-01")
    ('2024-25', '2024-25', '1999-00')
    """
    year, number = int(month[:4]), int(month[5:])
    starts = year if number >= 4 else year - 1
    return f"{starts}-{(starts + 1) % 100:02}"


def months_of_year_to(month: str) -> list[str]:
    """The months of a month's scheme year up to it, and with it.

    >>> months_of_year_to("2024-06"), months_of_year_to("2025-04")
    (['2024-04', '2024-05', '2024-06'], ['2025-04'])
    >>> months_of_year_to("2025-01")[-2:]
    ['2024-12', '2025-01']
    """
    year = months_of(scheme_year_of(month))
    return year[: year.index(month) + 1]


OWN_YEAR = PricingBasis()
OWN_SCHEMA, REPRICED_SCHEMA = "main", "repriced"


def schema_of(basis: PricingBasis) -> str:
    """The schema of the mart that holds what is priced on a basis."""
    return OWN_SCHEMA if basis.is_own_year else REPRICED_SCHEMA
