"""The users' own lists: prior approvals and LVA exceptions.

Belongs here: reading the lists and laying each entry out by the days it is in force.
Does not belong here: what an approval (`pricing.ebi`) or exception (`pricing.low_volume`)
does, or finding the files (`pipelines.deliveries`).
"""

import hashlib
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.deliveries import LVA_EXCEPTIONS, PRIOR_APPROVALS, landed_lists, read_landed
from pipelines.lists import (
    Cell,
    code,
    day,
    one_of,
    optional_code,
    optional_text,
    read_list,
)
from pipelines.workspace import UserError, Workspace
from pricing.low_volume import EXCEPTION_FLAGS

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
_PERIOD = ("valid_from", "valid_to")
_TYPE_LETTER_LENGTH = 2


@dataclass(frozen=True, slots=True)
class UserList:
    """All rows of the lists of one kind, with the name and sha256 of each file."""

    rows: pl.DataFrame
    files: dict[str, str]


def read_prior_approvals(workspace: Workspace) -> UserList:
    """Every prior approval in the landing folder; none where there is no list.

    A row names a record, or a provider, commissioner, type of intervention and period.
    """
    approvals = _read_all(workspace, PRIOR_APPROVALS, APPROVALS)
    by_period = ["provider_code", "commissioner_code", "ebi_type_code", *_PERIOD]
    incomplete = pl.col("record_id").is_null() & pl.any_horizontal(
        pl.col(name).is_null() for name in by_period
    )
    _refuse_rows(approvals, incomplete, "must name a record_id, or all of " + ", ".join(by_period))
    no_letter = ~pl.col("ebi_type_code").str.contains(r"^[A-Z]_").fill_null(True)
    both = pl.col("record_id").is_not_null() & pl.any_horizontal(
        pl.col(name).is_not_null() for name in by_period
    )
    _refuse_rows(approvals, both, "must name a record_id or a period approval, not both")
    _refuse_rows(approvals, no_letter, "must give the type as SUS+ does, such as A_snoring")
    return approvals


def read_lva_exceptions(workspace: Workspace) -> UserList:
    """Every LVA exception in the landing folder; none where there is no list."""
    exceptions = _read_all(workspace, LVA_EXCEPTIONS, EXCEPTIONS)
    no_period = pl.any_horizontal(pl.col(name).is_null() for name in _PERIOD)
    _refuse_rows(exceptions, no_period, "must give valid_from and valid_to")
    return exceptions


def refuse_unknown_organisations(
    entries: UserList, providers: pl.Series, commissioners: pl.Series
) -> None:
    """Raises `UserError` for an entry whose provider or payer is no organisation we know.

    A list names organisations as they come out, `RRV` and not its site `RRV01`, the ICB
    and not its sub-ICB location: any other code would match nothing, without a word.
    """
    for column, known in (("provider_code", providers), ("commissioner_code", commissioners)):
        unknown = ~pl.col(column).is_in(known.implode()).fill_null(True)
        kind = column.removesuffix("_code")
        wanted = f"must name a {kind} of data/organisations as the outputs do (not a site or part)"
        _refuse_rows(entries, unknown, wanted)


def approved_records(approvals: pl.DataFrame) -> pl.DataFrame:
    """The records that an approval names, each once."""
    return approvals.select("record_id").drop_nulls().unique().sort("record_id")


def approved_days(approvals: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """A row for each day between two on which a pair has approval for a type."""
    by_period = approvals.filter(pl.col("record_id").is_null())
    letter = pl.col("ebi_type_code").str.slice(0, _TYPE_LETTER_LENGTH)
    return (
        _by_day(by_period, "start_date", first, last)
        .select("provider_code", "commissioner_code", letter.alias("ebi_type_letter"), "start_date")
        .unique()
        .sort(pl.all())
    )


def exception_days(exceptions: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """A row for each day between two on which a pair has an exception, and which."""
    kind = pl.col("exception")
    return (
        _by_day(exceptions, "costing_date", first, last)
        .group_by("provider_code", "commissioner_code", "costing_date")
        .agg(
            *((kind == name).any().alias(flag) for name, flag in EXCEPTION_FLAGS.items()),
        )
        .sort(pl.all())
    )


def _by_day(entries: pl.DataFrame, name: str, first: date, last: date) -> pl.DataFrame:
    start = pl.max_horizontal("valid_from", pl.lit(first))
    end = pl.min_horizontal("valid_to", pl.lit(last))
    in_force = entries.filter(start <= end)
    return in_force.with_columns(pl.date_ranges(start, end).alias(name)).explode(name)


def _read_all(workspace: Workspace, kind: str, cells: tuple[Cell, ...]) -> UserList:
    frames, files = [], {}
    for file in landed_lists(workspace, kind):
        content = read_landed(file)
        rows = read_list(file.path, cells, content=content, numbered=True)
        frames.append(rows.with_columns(file=pl.lit(file.name)))
        files[file.name] = hashlib.sha256(content).hexdigest()
    empty = pl.DataFrame(
        schema={"line": pl.Int64, **{c.name: c.dtype for c in cells}, "file": pl.String}
    )
    return UserList(pl.concat([empty, *frames]), files)


def _refuse_rows(entries: UserList, incomplete: pl.Expr, wanted: str) -> None:
    ends_first = pl.col("valid_to") < pl.col("valid_from")
    for fault, sentence in ((incomplete, wanted), (ends_first, "must not end before it starts")):
        bad = entries.rows.filter(fault).select("file", "line").rows()
        if bad:
            where = "\n".join(f"  {name}, line {line}" for name, line in bad[:20])
            raise UserError(f"An entry {sentence}. Not so:\n{where}")
