"""The users' lists for the LVA payments schedule: what no extract or price book holds.

Belongs here: reading the list of schedule inputs and that of locations, and holding them to how a
year makes its schedule. Does not belong here: what an input does
(`pricing.low_volume_schedule`), or the schedule (`pipelines.low_volume.schedule`).
"""

from collections.abc import Mapping

import polars as pl

from pipelines.deliveries import LOCATIONS, SCHEDULE_INPUTS
from pipelines.lists import (
    Cell,
    code,
    growth,
    one_of,
    optional_code,
    optional_one_of,
    optional_sector,
    pence,
    scheme_year,
    whole,
)
from pipelines.organisations import COMMISSIONERS, PROVIDERS, Organisations
from pipelines.user_lists import (
    UserList,
    read_user_list,
    refuse_disagreeing,
    refuse_repeated,
    refuse_rows,
    refuse_unknown_organisations,
)
from pipelines.workspace import Workspace
from pricing.low_volume_schedule import Location
from pricing.scheme import Scheme
from pricing.scheme_tables import (
    ACTIVITY,
    FINANCE_PAYMENTS,
    GIVEN,
    LAST_SCHEDULE,
    SCHEDULE_PARTS,
    SchedulePart,
)

FINANCE_PAYMENT, ALLOCATION_GROWTH = "finance_payment", "allocation_growth"
LAST_VALUE, GIVEN_VALUE = "last_schedule", "given"
NEWLY_DELEGATED, PROVIDER_INCOME = "newly_delegated", "provider_income"
DELEGATED_ACTIVITY = "delegated_activity"
_PROVIDER, _PAYER = "provider_code", "commissioner_code"
NEEDS = {
    FINANCE_PAYMENT: (_PROVIDER, _PAYER, "year", "amount_pence"),
    ALLOCATION_GROWTH: (_PAYER, "growth_ppm"),
    LAST_VALUE: (_PROVIDER, _PAYER, "part", "amount_pence"),
    GIVEN_VALUE: (_PROVIDER, _PAYER, "part", "amount_pence"),
    NEWLY_DELEGATED: (_PROVIDER, _PAYER, "part", "amount_pence"),
    DELEGATED_ACTIVITY: (_PROVIDER, _PAYER, "part", "year", "amount_pence"),
    PROVIDER_INCOME: (_PROVIDER, "amount_pence"),
}
"""What a row must give, by what it is; it may give no other."""
INPUT_CELLS = (
    Cell("scheme_year", "scheme_year", pl.String, scheme_year),
    Cell("schedule_input", "schedule_input", pl.String, one_of(*NEEDS)),
    Cell("provider_code", _PROVIDER, pl.String, optional_code),
    Cell("commissioner_code", _PAYER, pl.String, optional_code),
    Cell("part", "part", pl.String, optional_one_of(*SCHEDULE_PARTS)),
    Cell("year", "year", pl.String, lambda value: scheme_year(value) if value else None),
    Cell("amount", "amount_pence", pl.Int64, pence),
    Cell("growth", "growth_ppm", pl.Int64, growth),
)
LOCATION_CELLS = (
    Cell("organisation_code", "organisation_code", pl.String, code),
    Cell("easting", "easting", pl.Int64, whole),
    Cell("northing", "northing", pl.Int64, whole),
    Cell("postcode_sector", "postcode_sector", pl.String, optional_sector),
)
_NAMED = tuple(dict.fromkeys(name for names in NEEDS.values() for name in names))


def read_schedule_inputs(
    workspace: Workspace, scheme: Scheme, organisations: Organisations
) -> UserList:
    """What the landing folder gives for the schedule of a year, held to how the year makes it.

    Raises `UserError` that names the lines of rows that lack what they need, that are there twice,
    of organisations that nobody knows, or of what the year does not make its schedule from.
    """
    every = read_user_list(workspace, SCHEDULE_INPUTS, INPUT_CELLS)
    for name, needed in NEEDS.items():
        others = [column for column in _NAMED if column not in needed]
        is_whole = pl.all_horizontal(pl.col(needed).is_not_null())
        is_bare = pl.all_horizontal(pl.col(others).is_null())
        refuse_rows(
            every,
            (pl.col("schedule_input") == name) & ~(is_whole & is_bare),
            f"of {name} must give {_headers(needed)}, and nothing else",
        )
    refuse_repeated(every, "scheme_year", "schedule_input", _PROVIDER, _PAYER, "part", "year")
    refuse_unknown_organisations(every, organisations.known(PROVIDERS), organisations.payers())
    own = UserList(every.rows.filter(scheme_year=scheme.scheme_year), every.files)
    _refuse_unlike_recipe(own, scheme)
    return own


def _refuse_unlike_recipe(own: UserList, scheme: Scheme) -> None:
    """Raises `UserError` naming the lines of what the year does not make its schedule from."""
    year, parts = scheme.scheme_year, scheme.low_volume.schedule
    kind, part = pl.col("schedule_input"), pl.col("part")
    for name in (LAST_VALUE, GIVEN_VALUE, NEWLY_DELEGATED, DELEGATED_ACTIVITY):
        taken = [one.part for one in parts if _takes(one, name)]
        words = " or ".join(taken) or "no part"
        refuse_rows(
            own,
            (kind == name) & ~part.is_in(taken),
            f"of {name} must be of what the schedule of {year} takes so: {words}",
        )
    of_payments = kind.is_in([FINANCE_PAYMENT, ALLOCATION_GROWTH])
    refuse_rows(
        own,
        of_payments & pl.lit(all(one.source != FINANCE_PAYMENTS for one in parts)),
        f"must not be of finance payments: the schedule of {year} is made from none",
    )
    for name, source in ((FINANCE_PAYMENT, FINANCE_PAYMENTS), (DELEGATED_ACTIVITY, ACTIVITY)):
        every = [year for one in parts if one.source == source for year in one.reference_years]
        years = list(dict.fromkeys(every))
        refuse_rows(
            own,
            (kind == name) & ~pl.col("year").is_in(years),
            f"of {name} must be of a reference year: {', '.join(years)}",
        )


def _takes(part: SchedulePart, name: str) -> bool:
    if name == NEWLY_DELEGATED:
        return part.adds_newly_delegated
    if name == DELEGATED_ACTIVITY:
        return part.is_delegated and part.source == ACTIVITY
    return part.source == (LAST_SCHEDULE if name == LAST_VALUE else GIVEN)


def inputs_lacking(own: UserList, scheme: Scheme) -> list[str]:
    """What the year makes its schedule from that the list gives nothing of, in words.

    An input that is given for some pair is taken to be given for every pair that has any.
    """
    given = set(own.rows.select("schedule_input", "part").rows())
    lacking = []
    for part in scheme.low_volume.schedule:
        of_part = part.part.replace("_", " ")
        if part.source == GIVEN and (GIVEN_VALUE, part.part) not in given:
            lacking.append(f"{GIVEN_VALUE} of {of_part}")
        if part.adds_newly_delegated and (NEWLY_DELEGATED, part.part) not in given:
            lacking.append(f"{NEWLY_DELEGATED} of {of_part} (0 where there is none)")
        if part.source == FINANCE_PAYMENTS:
            names = (FINANCE_PAYMENT, ALLOCATION_GROWTH)
            lacking += [f"{name} of {of_part}" for name in names if (name, None) not in given]
    return lacking


def by_parties(rows: pl.DataFrame, parties: Mapping[str, Mapping[str, str | None]]) -> pl.DataFrame:
    """Rows by the provider and payer that their codes come down to; predecessors' may repeat.

    `parties` are those of `providers` and `commissioners` by code. Raises `UserError` that names
    the lines of codes for which nobody stands, or where ICBs that are now one grow unlike.
    """
    mapped = {
        column: pl.col(column).replace_strict(dict(parties[name]), return_dtype=pl.String)
        if parties[name]
        else pl.col(column)
        for column, name in ((_PROVIDER, PROVIDERS), (_PAYER, COMMISSIONERS))
    }
    for column, now in mapped.items():
        refuse_rows(
            UserList(rows, {}),
            pl.col(column).is_not_null() & now.is_null(),
            f"must name as {column} one for whom somebody stands when the schedule begins",
        )
    found = rows.with_columns(**mapped)
    of_growth = found.filter(schedule_input=ALLOCATION_GROWTH)
    refuse_disagreeing(of_growth, [_PAYER], ["growth_ppm"], "growth")
    return found


def read_locations(workspace: Workspace, organisations: Organisations) -> UserList:
    """Where providers and ICBs are, as the landing folder says; none where there is no list.

    Raises `UserError` that names the lines of organisations that nobody knows or that are there
    twice, and of places that are none.
    """
    places = read_user_list(workspace, LOCATIONS, LOCATION_CELLS)
    known = organisations.known(PROVIDERS) | organisations.payers()
    refuse_rows(
        places,
        ~pl.col("organisation_code").is_in(list(known)),
        "must name a provider or commissioner of the organisations as organisation_code",
    )
    has_one, has_other = pl.col("easting").is_not_null(), pl.col("northing").is_not_null()
    is_nowhere = ~has_one & ~has_other & pl.col("postcode_sector").is_null()
    refuse_rows(
        places,
        (has_one != has_other) | is_nowhere,
        "must give easting and northing, both in metres, or postcode_sector",
    )
    refuse_repeated(places, "organisation_code")
    return places


def locations(places: UserList) -> dict[str, Location]:
    """Where each organisation is."""
    columns = ("organisation_code", "easting", "northing", "postcode_sector")
    return {code: Location(*place) for code, *place in places.rows.select(columns).iter_rows()}


def _headers(names: tuple[str, ...]) -> str:
    headers = {cell.name: cell.header for cell in INPUT_CELLS}
    return ", ".join(headers[name] for name in names)
