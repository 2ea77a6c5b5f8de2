"""The users' own lists: prior approvals, LVA exceptions, overseas visitors and the HRG bridge.

Belongs here: reading the lists, laying each entry out by the days it is in force, and what
every such list is held to. Does not belong here: what an approval (`pricing.ebi`) or exception
(`pricing.low_volume`) does, lists that have a module of their own (`pipelines.contracts`,
`pipelines.local_prices`, `pipelines.excluded_items`, `pipelines.activity_plans`,
`pipelines.contract_terms`, `pipelines.activity_counts`), or finding the files
(`pipelines.deliveries`).
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.basis import scheme_year_of
from pipelines.deliveries import (
    HRG_BRIDGE,
    LVA_EXCEPTIONS,
    OVERSEAS_VISITORS,
    PRIOR_APPROVALS,
    landed_lists,
    read_landed,
)
from pipelines.lists import (
    Cell,
    code,
    day,
    hrg,
    listed,
    one_of,
    optional_code,
    optional_text,
    read_list,
    scheme_year,
    text,
)
from pipelines.workspace import UserError, Workspace
from pricing.ebi import TYPE_LETTER_LENGTH
from pricing.low_volume import EXCEPTION_FLAGS
from pricing.overseas_visitors import CHARGING_STATUSES
from schemas.extracts import BY_DATASET

APPROVALS = (
    Cell("record_id", "record_id", pl.String, optional_text),
    Cell("provider_code", "provider_code", pl.String, optional_code),
    Cell("commissioner_code", "commissioner_code", pl.String, optional_code),
    Cell("ebi_type_code", "ebi_type_code", pl.String, optional_text),
    Cell("valid_from", "valid_from", pl.Date, day),
    Cell("valid_to", "valid_to", pl.Date, day),
    Cell("approval_reference", "approval_reference", pl.String, optional_text),
)
EXCEPTIONS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell(
        "exception",
        "exception",
        pl.String,
        one_of(*EXCEPTION_FLAGS),
    ),
    Cell("valid_from", "valid_from", pl.Date, day),
    Cell("valid_to", "valid_to", pl.Date, day),
)
BRIDGE = (
    Cell("activity_hrg_code", "activity_hrg_code", pl.String, hrg),
    Cell("price_hrg_code", "price_hrg_code", pl.String, hrg),
    Cell("price_scheme_year", "price_scheme_year", pl.String, scheme_year),
)
VISITORS = (
    Cell("dataset", "dataset", pl.String, one_of(*BY_DATASET)),
    Cell("record_id", "record_id", pl.String, text),
    Cell("charging_status", "charging_status", pl.String, one_of(*CHARGING_STATUSES)),
    Cell("source_reference", "source_reference", pl.String, text),
)
_PERIOD = ("valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class UserList:
    """All rows of the lists of one kind, with the name and sha256 of each file."""

    rows: pl.DataFrame
    files: dict[str, str]


def read_prior_approvals(workspace: Workspace) -> UserList:
    """Every prior approval in the landing folder; none where there is no list.

    A row names a record, or a provider, commissioner, type of intervention and period.
    """
    approvals = read_user_list(workspace, PRIOR_APPROVALS, APPROVALS)
    by_period = ["provider_code", "commissioner_code", "ebi_type_code", *_PERIOD]
    incomplete = pl.col("record_id").is_null() & pl.any_horizontal(
        pl.col(name).is_null() for name in by_period
    )
    refuse_backwards(approvals)
    refuse_rows(approvals, incomplete, "must name a record_id, or all of " + ", ".join(by_period))
    no_letter = ~pl.col("ebi_type_code").str.contains(r"^[A-Z]_").fill_null(True)
    both = pl.col("record_id").is_not_null() & pl.any_horizontal(
        pl.col(name).is_not_null() for name in by_period
    )
    refuse_rows(approvals, both, "must name a record_id or a period approval, not both")
    refuse_rows(approvals, no_letter, "must give the type as SUS+ does, such as A_snoring")
    return approvals


def read_lva_exceptions(workspace: Workspace) -> UserList:
    """Every LVA exception in the landing folder; none where there is no list."""
    exceptions = read_user_list(workspace, LVA_EXCEPTIONS, EXCEPTIONS)
    no_period = pl.any_horizontal(pl.col(name).is_null() for name in _PERIOD)
    refuse_backwards(exceptions)
    refuse_rows(exceptions, no_period, "must give valid_from and valid_to")
    return exceptions


def read_overseas_visitors(workspace: Workspace) -> UserList:
    """What the landing folder says of overseas visitors, by record; none where there is no list.

    A spell and an attendance may have the same identifier, so each row names its dataset too.
    Raises `UserError` that names both lines where a record is there twice.
    """
    visitors = read_user_list(workspace, OVERSEAS_VISITORS, VISITORS)
    refuse_repeated(visitors, "dataset", "record_id")
    return visitors


def read_hrg_bridge(workspace: Workspace) -> UserList:
    """Every bridge from one HRG to another in the landing folder; none where there is no list."""
    return read_user_list(workspace, HRG_BRIDGE, BRIDGE)


def of_price_year(bridge: UserList, price_year: str, hrgs: Set[str]) -> UserList:
    """The HRGs that price those of other years under `price_year`.

    `hrgs` are those of the year's price book. Raises `UserError` for an HRG that is bridged
    twice, to one that the book does not hold, or that is an attendance or no group at all.
    """
    of_year = UserList(bridge.rows.filter(pl.col("price_scheme_year") == price_year), bridge.files)
    own = pl.col("activity_hrg_code")
    unpriced = own.str.contains("^(WF|UZ)")
    for fault, wanted in (
        (own.is_duplicated(), f"must be the only one of its HRG for {price_year}"),
        (unpriced, "must bridge an HRG that is priced as such, no WF or UZ group"),
        (
            ~pl.col("price_hrg_code").is_in(list(hrgs)),
            f"must name as price_hrg_code an HRG of the price book of {price_year}",
        ),
    ):
        refuse_rows(of_year, fault, wanted)
    return of_year


def no_hrg_bridge() -> UserList:
    """The bridge of a month that is priced under its own year's rules, which needs none."""
    return _all_rows(BRIDGE, [], {})


def in_price_year(
    entries: pl.DataFrame,
    providers: Mapping[str, str | None],
    commissioners: Mapping[str, str | None],
) -> pl.DataFrame:
    """The entries by the provider and payer that each comes down to in the price year.

    A predecessor's approvals and exceptions go on for its successor, since records do; they
    are then of every provider that became part of it, which are not told apart any more. An
    entry of an organisation for which nobody stands then is left out: its records are
    refused.
    """
    mapped = {}
    for name, codes in (("provider_code", providers), ("commissioner_code", commissioners)):
        named = entries[name].drop_nulls().unique().to_list()
        found = [codes.get(code) for code in named]
        mapped[name] = pl.col(name).replace_strict(
            named, found, default=None, return_dtype=pl.String
        )
    stands = [
        expression.is_not_null() | pl.col(name).is_null() for name, expression in mapped.items()
    ]
    return entries.filter(*stands).with_columns(**mapped)


def refuse_unknown_organisations(
    entries: UserList, providers: Set[str], commissioners: Set[str]
) -> None:
    """Raises `UserError` for an entry whose provider or payer was never one we know.

    A list names organisations as they come out in the year of the record or of the prices,
    `RRV` and not its site `RRV01`, the ICB and not its sub-ICB location: any other code
    would match nothing, without a word.
    """
    for column, known in (("provider_code", providers), ("commissioner_code", commissioners)):
        unknown = ~pl.col(column).is_in(list(known)).fill_null(True)
        kind = column.removesuffix("_code")
        wanted = f"must name a {kind} of the organisations as the outputs do (not a site or part)"
        refuse_rows(entries, unknown, wanted)


def approved_records(approvals: pl.DataFrame) -> pl.DataFrame:
    """The records that an approval names, each once."""
    return approvals.select("record_id").drop_nulls().unique().sort("record_id")


def approved_days(approvals: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """A row for each day between two on which a pair has approval for a type."""
    by_period = approvals.filter(pl.col("record_id").is_null())
    letter = pl.col("ebi_type_code").str.slice(0, TYPE_LETTER_LENGTH)
    return (
        by_day(by_period, "start_date", first, last)
        .select("provider_code", "commissioner_code", letter.alias("ebi_type_letter"), "start_date")
        .unique()
        .sort(pl.all())
    )


def exception_days(exceptions: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """A row for each day between two on which a pair has an exception, and which."""
    kind = pl.col("exception")
    return (
        by_day(exceptions, "costing_date", first, last)
        .group_by("provider_code", "commissioner_code", "costing_date")
        .agg(
            *((kind == name).any().alias(flag) for name, flag in EXCEPTION_FLAGS.items()),
        )
        .sort(pl.all())
    )


def charging_statuses(visitors: pl.DataFrame) -> pl.DataFrame:
    """What a dataset's entries of the list say of each record's charges."""
    return visitors.select("record_id", "charging_status").sort("record_id")


def by_day(entries: pl.DataFrame, name: str, first: date, last: date) -> pl.DataFrame:
    """Each entry once for each day between two on which it is in force, the day as `name`."""
    start = pl.max_horizontal("valid_from", pl.lit(first))
    end = pl.min_horizontal("valid_to", pl.lit(last))
    in_force = entries.filter(start <= end)
    return in_force.with_columns(pl.date_ranges(start, end).alias(name)).explode(name)


def read_user_list(workspace: Workspace, kind: str, cells: tuple[Cell, ...]) -> UserList:
    """Every row of every list of a kind in the landing folder, with its `file` and `line`.

    Raises `UserError` that names the file and line of each cell that cannot be read.
    """
    frames, files = [], {}
    for file in landed_lists(workspace, kind):
        content = read_landed(file)
        rows = read_list(file.path, cells, content=content, numbered=True)
        frames.append(rows.with_columns(file=pl.lit(file.name)))
        files[file.name] = hashlib.sha256(content).hexdigest()
    return _all_rows(cells, frames, files)


def _all_rows(
    cells: tuple[Cell, ...], frames: list[pl.DataFrame], files: dict[str, str]
) -> UserList:
    empty = pl.DataFrame(
        schema={"line": pl.Int64, **{c.name: c.dtype for c in cells}, "file": pl.String}
    )
    return UserList(pl.concat([empty, *frames]), files)


def refuse_rows(entries: UserList, faulty: pl.Expr, wanted: str) -> None:
    """Raises `UserError` that names the lines for which `faulty` holds, and what is `wanted`."""
    bad = entries.rows.filter(faulty).select("file", "line").rows()
    if bad:
        where = "\n".join(f"  {name}, line {line}" for name, line in bad[:20])
        raise UserError(f"An entry {wanted}. Not so:\n{where}")


def refuse_backwards(entries: UserList) -> None:
    """Raises `UserError` for an entry that ends before it starts."""
    ends_first = pl.col("valid_to") < pl.col("valid_from")
    refuse_rows(entries, ends_first, "must not end before it starts")


def refuse_outside_years(entries: UserList, years: Collection[str]) -> None:
    """Raises `UserError` for an entry whose `scheme_year` is one for which there are no rules."""
    refuse_rows(
        entries,
        ~pl.col("scheme_year").is_in(list(years)),
        f"must be of a scheme year that has rules, as scheme_year: {', '.join(years)}",
    )


def refuse_other_months(entries: UserList) -> None:
    """Raises `UserError` for a month outside its `scheme_year`, unless the entry is a `what_if`.

    An entry for a comparison that is of its own year is refused too: one of the two is mistaken.
    """
    months = entries.rows["activity_month"].unique().to_list()
    year_of = pl.col("activity_month").replace_strict(
        months, [scheme_year_of(month) for month in months], return_dtype=pl.String
    )
    is_apart = year_of != pl.col("scheme_year")
    refuse_rows(
        entries,
        is_apart & ~pl.col("what_if"),
        "must be of a month of its scheme_year, or say yes under what_if where it is for a "
        "comparison",
    )
    refuse_rows(
        entries,
        ~is_apart & pl.col("what_if"),
        "must leave what_if blank where its month is in its scheme_year: it is no comparison",
    )


def written_under(entries: UserList, year: str, months: Sequence[str]) -> UserList:
    """Plans or counts of some months, written under the lines and prices of a scheme year."""
    rows = entries.rows.filter(pl.col("activity_month").is_in(months), scheme_year=year)
    return UserList(rows, entries.files)


def refuse_repeated(entries: UserList, *keys: str) -> None:
    """Raises `UserError` for two entries of the same keys, naming both lines."""
    named = " and ".join(keys)
    _refuse_groups(entries.rows, keys, pl.len() > 1, f"must be the only one of its {named}")


def refuse_overlapping(entries: UserList, keys: Sequence[str]) -> None:
    """Raises `UserError` for two entries of the same keys on one day, naming both lines.

    Keys that are null are the same; every entry must have both of its dates.
    """
    ordered = entries.rows.sort(*keys, *_PERIOD, "file", "line")
    latest: dict[tuple[object, ...], dict[str, object]] = {}
    faults = []
    for row in ordered.iter_rows(named=True):
        key = tuple(row[name] for name in keys)
        before = latest.get(key)
        if before and row["valid_from"] <= before["valid_to"]:
            faults.append(f"{_place(before)} and {_place(row)}")
        if not before or row["valid_to"] > before["valid_to"]:
            latest[key] = row
    if faults:
        named = ", ".join(keys)
        raise UserError(
            f"Two entries of the same {named} must not be in force on the same day. "
            f"Not so:\n{listed(faults)}"
        )


def refuse_disagreeing(
    entries: pl.DataFrame, keys: Sequence[str], values: Sequence[str], what: str
) -> None:
    """Raises `UserError` where entries of the same keys say different things, naming the lines.

    For entries by the organisations of the price year: two predecessors' entries may come
    down to one successor, and nobody but the parties can say which of them holds for it.
    """
    _refuse_groups(
        entries,
        keys,
        pl.struct(*values).n_unique() > 1,
        f"must say the same {what} as every other of its provider and payer, or of those that "
        "they took over from: end one of them, or make them agree",
    )


def _refuse_groups(
    entries: pl.DataFrame, keys: Sequence[str], faulty: pl.Expr, wanted: str
) -> None:
    groups = (
        entries.filter(faulty.over(keys))
        .sort("file", "line")
        .group_by(keys, maintain_order=True)
        .agg(place=pl.format("{}, line {}", "file", "line").unique(maintain_order=True))
        .select("place")
        .unique(maintain_order=True)
    )
    if groups.height:
        faults = [" and ".join(places) for places in groups["place"].to_list()]
        raise UserError(f"An entry {wanted}. Not so:\n{listed(faults)}")


def _place(row: Mapping[str, object]) -> str:
    return f"{row['file']}, line {row['line']}"
