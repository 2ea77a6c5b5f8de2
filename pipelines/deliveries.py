"""Deliveries: taking the extracts in `data/landing/` into the lake, each file once.

Belongs here: recognising a file by its header, opening what SUS+ sends (CSV, plain, zip or
gz; users' lists may be Parquet), and one streamed pass that keeps the columns we use and files
each record under its costing month and cut. Does not belong here: whether a record is fit to
price (`schemas.rules`), what a supplementary record adds to it (`pipelines.supplements`), or the
users' own lists (`pipelines.user_lists`).

A file that cannot be read fails the months it may hold records of, and leaves what was
taken in before as it was.
"""

import codecs
import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

import polars as pl
from filelock import FileLock

from pipelines.lists import folded
from pipelines.workspace import CUTS, UserError, Workspace, discard, replacing
from schemas.extracts import (
    BY_DATASET,
    DELIVERY_COLUMNS,
    LAYOUTS,
    SUPPLEMENT,
    Column,
    Extract,
    Layout,
)
from schemas.rules import EARLIEST_COSTING_DATE, is_moment, parse_date

PRIOR_APPROVALS = "prior_approvals"
LVA_EXCEPTIONS = "lva_exceptions"
HRG_BRIDGE = "hrg_bridge"
CONTRACTS = "contracts"
LOCAL_PRICES = "local_prices"
OVERSEAS_VISITORS = "overseas_visitors"
EXCLUDED_ITEMS = "excluded_items"
ACTIVITY_PLANS = "activity_plans"
CONTRACT_TERMS = "contract_terms"
ACTIVITY_COUNTS = "activity_counts"
SCHEDULE_INPUTS = "schedule_inputs"
LOCATIONS = "organisation_locations"
LIST_HEADERS = {
    PRIOR_APPROVALS: ("record_id", "ebi_type_code", "approval_reference"),
    LVA_EXCEPTIONS: ("provider_code", "commissioner_code", "exception"),
    HRG_BRIDGE: ("activity_hrg_code", "price_hrg_code", "price_scheme_year"),
    CONTRACTS: ("agreement_serial_number", "covers", "agreed_mechanism"),
    LOCAL_PRICES: ("hrg_code", "treatment_function_code", "price", "agreement_reference"),
    OVERSEAS_VISITORS: ("record_id", "charging_status"),
    EXCLUDED_ITEMS: ("item_reference", "activity_month", "category", "item_name"),
    ACTIVITY_PLANS: ("activity_month", "contract_line", "plan_basis"),
    CONTRACT_TERMS: ("contract_line", "term", "side", "from_percent", "to_percent"),
    ACTIVITY_COUNTS: ("activity_month", "contract_line", "price_code", "local_price"),
    SCHEDULE_INPUTS: ("scheme_year", "schedule_input"),
    LOCATIONS: ("organisation_code", "easting", "northing", "postcode_sector"),
}
EVERY_MONTH = "every"
"""Where the records of a supplementary extract are filed: they have no costing date."""
ROW_GROUP_ROWS = 100_000

_PARQUET = ".parquet"
_SUFFIXES = (".csv", ".zip", ".gz", _PARQUET)
_SNIFF_BYTES = 1 << 20
_LINE_END = re.compile(rb"[\r\n]")
_UNPACKED = ".unpacked-"
_ABANDONED_SECONDS = 3_600
_BLOCK_BYTES = 8 << 20
_MONTH_IN_NAME = re.compile(r"(?<!\d)(20\d\d)[-_]?(0[1-9]|1[0-2])(?!\d|[-_]\d\d(?!\d))")
_UNDATED = 0
_LONGEST_ROW_LINES = 100
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'",\n'))


class DeliveryError(UserError):
    """A file that cannot be taken in: its rule code, and the months it may hold."""

    def __init__(self, code: str, name: str, detail: str, months: tuple[str, str] | None) -> None:
        self.code = code
        self.months = months
        super().__init__(f"{name}: {code}: {detail}")

    def may_hold(self, month: str) -> bool:
        """Whether the file may hold records of `month`; it may if it names no month."""
        return self.months is None or self.months[0] <= month <= self.months[1]


class NotDeliveredError(UserError):
    """No delivery holds a dataset of a month."""


@dataclass(frozen=True, slots=True)
class MonthPart:
    """What a delivery holds of one month."""

    records: int
    files: list[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file as taken in."""

    delivery_id: str
    name: str
    sha256: str
    dataset: str
    cut: str
    records: int
    months: dict[str, MonthPart]


@dataclass(frozen=True, slots=True)
class Landed:
    """A file in the landing folder, recognised by its header."""

    path: Path
    name: str
    kind: str
    header: list[str]

    @property
    def cut(self) -> str:
        """`flex` under a folder of that name, else `freeze`."""
        folders = {part.lower() for part in Path(self.name).parts[:-1]}
        return "flex" if "flex" in folders else "freeze"


def take_in(workspace: Workspace, dataset: str, month: str) -> list[Delivery]:
    """Takes in every delivery of a dataset not taken in before; gives those with the month.

    Supplementary extracts are taken in with those of either dataset. Raises `DeliveryError`
    for a file that may hold the month and cannot be read, and `NotDeliveredError` where no
    delivery holds it.
    """
    workspace.deliveries.mkdir(parents=True, exist_ok=True)
    with FileLock(workspace.deliveries / ".lock"):
        _discard_unpacked(workspace)
        faults = _take_in_all(workspace, (dataset, SUPPLEMENT.dataset))
    for fault in faults:
        if fault.may_hold(month):
            raise fault
    of_month = [d for d in deliveries_of(workspace, dataset) if month in d.months]
    if not of_month:
        raise NotDeliveredError(
            f"No delivery holds {BY_DATASET[dataset].title} of {month}. Put the extract in "
            f"{workspace.shown(workspace.landing)}/ (under freeze/ or flex/) and run again."
        )
    return of_month


def deliveries_of(workspace: Workspace, dataset: str) -> list[Delivery]:
    """The deliveries of a dataset that are in the landing folder and have been taken in.

    A file that is there under two names counts once.
    """
    registered = {
        (delivery.name, delivery.sha256): delivery
        for path in sorted(workspace.deliveries.glob(f"{dataset}-*.json"))
        for delivery in _read_registered(path)
    }
    identities = _read_identities(workspace)
    present = {
        (name, str(identity[2]))
        for name, identity in identities.items()
        if (workspace.landing / name).is_file()
    }
    once = {
        (registered[key].delivery_id, registered[key].cut): registered[key]
        for key in sorted(present & registered.keys(), reverse=True)
    }
    return [once[key] for key in sorted(once)]


def settled_cut(workspace: Workspace, dataset: str, month: str) -> str:
    """The cut that prices a month: freeze where one was delivered for it, else flex.

    A delivery whose name says other months may hold a few records of this one; they do
    not settle it while another delivery does.
    """
    holding = [d for d in deliveries_of(workspace, dataset) if month in d.months]
    meant = [d for d in holding if _is_for(d, month)] or holding
    for cut in CUTS:
        if any(delivery.cut == cut for delivery in meant):
            return cut
    raise UserError(f"{BY_DATASET[dataset].title.capitalize()} of {month} are not taken in yet.")


def settled_parts(workspace: Workspace, dataset: str) -> dict[str, list[Path]]:
    """The files of a dataset in the lake, by month, each month in its settled cut."""
    months = {month for d in deliveries_of(workspace, dataset) for month in d.months}
    by_cut = {cut: parts_of(workspace, dataset, cut) for cut in CUTS}
    return {
        month: by_cut[settled_cut(workspace, dataset, month)][month] for month in sorted(months)
    }


def _is_for(delivery: Delivery, month: str) -> bool:
    named = months_named(delivery.name)
    return named is None or named[0] <= month <= named[1]


def parts_of(workspace: Workspace, dataset: str, cut: str) -> dict[str, list[Path]]:
    """The files of a dataset's cut in the lake, by month."""
    parts: dict[str, list[Path]] = {}
    for delivery in deliveries_of(workspace, dataset):
        if delivery.cut == cut:
            for month, part in delivery.months.items():
                parts.setdefault(month, []).extend(workspace.lake / f for f in part.files)
    return {month: sorted(set(files)) for month, files in sorted(parts.items())}


def landed_lists(workspace: Workspace, kind: str) -> list[Landed]:
    """The users' lists of a kind in the landing folder."""
    landed, _ = _landed(workspace)
    return [file for file in landed if file.kind == kind]


def read_landed(file: Landed) -> bytes:
    """The whole content of a small file, unpacked."""
    with _opened(file.path, file.name) as stream:
        return stream.read()


def landing_fingerprint(workspace: Workspace) -> dict[str, list[int]]:
    """Size and time of every file in the landing folder, to tell when one has come."""
    return {
        str(path.relative_to(workspace.landing)): [path.stat().st_size, path.stat().st_mtime_ns]
        for path in _candidates(workspace)
        if path.is_file()
    }


def has_news(workspace: Workspace) -> bool:
    """Whether a file in the landing folder has come or changed since one was taken in."""
    known = {name: entry[:2] for name, entry in _read_identities(workspace).items()}
    found = landing_fingerprint(workspace)
    return any(known.get(Path(name).as_posix()) != status for name, status in found.items())


def months_held(workspace: Workspace, name: str) -> set[str]:
    """The months an extract in the landing folder holds records of.

    None for a list or a supplementary extract, which concern every month. Reads the costing
    dates alone. Raises `DeliveryError` for a file that cannot be read.
    """
    path = workspace.landing / name
    header = _read_header(path, name)
    file = Landed(path, name, _recognise(header, name), header)
    if file.kind not in BY_DATASET:
        return set()
    extract = BY_DATASET[file.kind]
    names = _positions(file, extract)
    with _plain(workspace, file) as plain:
        is_even = _every_row_has(len(names), plain)
        rows = _rows(plain, names, () if is_even else _blank_rows(file, plain))
        filed = rows.select(_filed_under(extract)).unique().collect()
    return {_month(number) for number in filed.to_series() if number != _UNDATED}


def months_named(name: str) -> tuple[str, str] | None:
    """The first and last month that a file's path names, if it names any.

    >>> months_named("freeze/apc_2024-07.csv"), months_named("op 202404_202503.zip")
    (('2024-07', '2024-07'), ('2024-04', '2025-03'))

    A day, such as that of the extraction, is not a month:

    >>> months_named("freeze/apc_2024-10-19.csv")
    """
    months = sorted(f"{year}-{month}" for year, month in _MONTH_IN_NAME.findall(name))
    return (months[0], months[-1]) if months else None


def _take_in_all(workspace: Workspace, kinds: tuple[str, ...]) -> list[DeliveryError]:
    landed, faults = _landed(workspace)
    identities = _read_identities(workspace)
    for file in landed:
        # Of every kind, since a file may have taken the place of one of these.
        sha256 = _identify(file, identities)
        if file.kind not in kinds:
            continue
        registered = workspace.deliveries / f"{file.kind}-{file.cut}-{sha256[:16]}.json"
        known = [d for d in _read_registered(registered) if _is_in_lake(workspace, d)]
        if any(delivery.name == file.name for delivery in known):
            continue
        try:
            delivery = (
                replace(known[0], name=file.name) if known else _take_in(workspace, file, sha256)
            )
        except DeliveryError as error:
            faults.append(error)
            continue
        with replacing(registered) as writing:
            writing.write_text(json.dumps([asdict(d) for d in [*known, delivery]], indent=1))
    with replacing(workspace.deliveries / "identities.json") as writing:
        writing.write_text(json.dumps(identities, indent=1, sort_keys=True))
    return faults


def _is_in_lake(workspace: Workspace, delivery: Delivery) -> bool:
    """Whether all of it is there, with the columns that are taken today."""
    taken = {*(column.name for column in LAYOUTS[delivery.dataset].columns), *DELIVERY_COLUMNS}
    paths = [workspace.lake / name for part in delivery.months.values() for name in part.files]
    return all(path.is_file() and pl.read_parquet_schema(path).keys() == taken for path in paths)


def _take_in(workspace: Workspace, file: Landed, sha256: str) -> Delivery:
    """One streamed pass: the columns we use, as text, each record filed under its month."""
    layout = LAYOUTS[file.kind]
    names = _positions(file, layout)
    delivery_id = sha256[:16]
    holding = workspace.lake / "extracts" / f".{delivery_id}-{file.cut}.taking-in"
    discard(holding)
    try:
        with _plain(workspace, file) as path:
            _split(file, path, names, layout, delivery_id, holding)
        months = _file_parts(workspace, file, holding, delivery_id)
    finally:
        discard(holding)
    return Delivery(
        delivery_id=delivery_id,
        name=file.name,
        sha256=sha256,
        dataset=file.kind,
        cut=file.cut,
        records=sum(part.records for part in months.values()),
        months=months,
    )


def _split(
    file: Landed,
    path: Path,
    names: list[str],
    layout: Layout,
    delivery_id: str,
    holding: Path,
) -> None:
    """Splits a file by month; its rows are checked beside, for they are seldom at fault."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        is_even = beside.submit(_every_row_has, len(names), path)
        is_read = _sink_by_month(_rows(path, names), names, layout, delivery_id, holding)
    if is_even.result() and is_read:
        return
    discard(holding)
    rows = _rows(path, names, _blank_rows(file, path))
    if not _sink_by_month(rows, names, layout, delivery_id, holding):
        detail = "it cannot be read as comma-separated text. Ask for the file again."
        raise _fault(file.name, "FILE_MALFORMED", detail)


def _sink_by_month(
    rows: pl.LazyFrame, names: list[str], layout: Layout, delivery_id: str, holding: Path
) -> bool:
    """One streamed pass into a file for each month; False where it is not CSV."""
    records = rows.select(
        *(_as_text(column, names).alias(column.name) for column in layout.columns),
        pl.lit(delivery_id).alias("delivery_id"),
        pl.col("row_number").cast(pl.Int64),
        _filed_under(layout).alias("filed_under"),
    )
    by_month = pl.PartitionBy(
        holding,
        key="filed_under",
        include_key=False,
        approximate_bytes_per_file=None,
        file_path_provider=lambda part: f"{part.partition_keys.item(0, 0)}.parquet",
    )
    try:
        records.sink_parquet(by_month, mkdir=True, row_group_size=ROW_GROUP_ROWS)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return False
    return True


def _as_text(column: Column, names: list[str]) -> pl.Expr:
    """A column as delivered; codes in several cells become one text, a blank between two."""
    cells = [name for name in _cell_names(column) if name in names]
    if not cells:
        return pl.lit(None, dtype=pl.String)
    if column.kind != "codes":
        return pl.col(cells)
    joined = pl.concat_str(cells, separator=" ", ignore_nulls=True)
    return joined.str.strip_chars().str.replace_all(r"\s+", " ")


def _cell_names(column: Column) -> list[str]:
    if column.kind != "codes":
        return [column.name]
    return [f"{column.name} {place}" for place, _ in enumerate(column.headers, 1)]


def _rows(path: Path, names: list[str], blank: Sequence[int] = ()) -> pl.LazyFrame:
    """The rows below the header, all text, without those that are `blank`."""
    rows = pl.scan_csv(
        path,
        glob=False,
        has_header=False,
        skip_lines=1,
        schema=dict.fromkeys(names, pl.String),
        # The width would be taken from the first row, which may be blank.
        missing_columns="insert",
        encoding="utf8-lossy",
        empty_string_is_null=False,
        row_index_name="row_number",
        row_index_offset=1,
    )
    return rows.filter(~pl.col("row_number").is_in(list(blank))) if blank else rows


def _every_row_has(fields: int, path: Path) -> bool:
    """Whether every row surely has that many fields; a block of the file at a time.

    Polars fills a short row with blanks and drops what a long one has over, and neither
    may pass: without its last columns an intervention needs no approval. Only commas,
    quotation marks and line ends are looked at, and rows alike in them only once.
    """
    whole: set[bytes] = set()
    begun = b""
    with path.open("rb") as stream:
        stream.readline()
        while block := stream.read(_BLOCK_BYTES):
            rows = (begun + block.translate(None, _ALL_BUT_STRUCTURE)).split(b"\n")
            begun = rows.pop()
            unknown = set(rows) - whole
            if not all(_is_whole(structure, fields) for structure in unknown):
                return False
            whole |= unknown
    return not begun or _is_whole(begun, fields)


def _is_whole(structure: bytes, fields: int) -> bool:
    outside_quotes = structure.split(b'"')[::2]
    commas = sum(part.count(b",") for part in outside_quotes)
    return structure.count(b'"') % 2 == 0 and commas + 1 == fields


def _blank_rows(file: Landed, path: Path) -> list[int]:
    """The numbers of the blank rows; every other must have as many fields as the header.

    Slow and exact: for a file that `_every_row_has` doubts, to name the line at fault.
    """
    fields = len(file.header)
    whole: set[bytes] = set()
    blank: list[int] = []
    row, opened_on, so_far = 0, 0, b""
    with path.open("rb", buffering=_SNIFF_BYTES) as stream:
        stream.readline()
        for line, text in enumerate(stream, 2):
            structure = so_far + text.translate(None, _ALL_BUT_STRUCTURE)
            if structure not in whole:
                outside_quotes = structure.split(b'"')[::2]
                if structure.count(b'"') % 2:
                    opened_on, so_far = opened_on or line, structure
                    if line - opened_on > _LONGEST_ROW_LINES:
                        break
                    continue
                found = sum(part.count(b",") for part in outside_quotes) + 1
                if not so_far and not text.strip():
                    blank.append(row + 1)
                elif found != fields:
                    few = found < fields
                    raise _fault(
                        file.name,
                        "FILE_TRUNCATED" if few else "FILE_MALFORMED",
                        f"line {opened_on or line:,} has {'fewer' if few else 'more'} fields "
                        f"({found:,}) than the header's {fields:,}. Ask for the file again.",
                    )
                else:
                    whole.add(structure)
            row, opened_on, so_far = row + 1, 0, b""
    if so_far:
        detail = f"line {opened_on:,} opens a quotation mark and does not close it. "
        raise _fault(file.name, "FILE_MALFORMED", detail + "Ask for the file again.")
    return blank


def _filed_under(layout: Layout) -> pl.Expr:
    """The month a record is costed in, as the number CCYYMM; 0 for none.

    Numbers, since text made for every row would cost as much as reading the file.
    """
    if not isinstance(layout, Extract):
        return pl.lit(_UNDATED)
    costed_on = parse_date(pl.col(layout.costing_date).str.strip_chars())
    moment = pl.col("query_timestamp").str.strip_chars()
    run_on = moment.str.head(8).str.to_date("%Y%m%d", strict=False)
    # Unchecked, one record of 2099 would take the undated ones to a month that never runs.
    in_range = is_moment(moment) & costed_on.is_between(EARLIEST_COSTING_DATE, run_on)
    month = costed_on.dt.year() * 100 + costed_on.dt.month().cast(pl.Int32)
    return pl.when(in_range).then(month).otherwise(_UNDATED)


def _file_parts(
    workspace: Workspace, file: Landed, holding: Path, delivery_id: str
) -> dict[str, MonthPart]:
    """Moves each month's part to its place; undated records go with the last month."""
    parts = {int(path.stem): path for path in sorted(holding.glob("*.parquet"))}
    if not parts:
        raise _fault(file.name, "FILE_HEADER_ONLY", "it holds a header and no records.")
    last = _last_month(file, parts) if file.kind in BY_DATASET else EVERY_MONTH
    months: dict[str, MonthPart] = {}
    for number, path in parts.items():
        month = last if number == _UNDATED else _month(number)
        suffix = ".undated" if number == _UNDATED else ""
        home = workspace.month("extracts", file.kind, month, file.cut)
        home.mkdir(parents=True, exist_ok=True)
        target = home / f"{delivery_id}{suffix}.parquet"
        records = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        path.replace(target)
        before = months.get(month, MonthPart(0, []))
        name = target.relative_to(workspace.lake).as_posix()
        months[month] = MonthPart(before.records + records, [*before.files, name])
    return dict(sorted(months.items()))


def _last_month(file: Landed, parts: Iterable[int]) -> str:
    dated = [_month(number) for number in parts if number != _UNDATED]
    named = months_named(file.name)
    if not dated and not named:
        raise _fault(
            file.name,
            "FILE_UNDATED",
            "no record has a costing date and a Query Date that can be read, and the name says "
            "no month.",
        )
    return max(dated) if dated else named[1] if named else ""


def _month(number: int) -> str:
    return f"{number // 100}-{number % 100:02}"


def _positions(file: Landed, layout: Layout) -> list[str]:
    """A name for each position of the header: ours where the column is ours.

    Headers may stand in any order, and those we do not use may be repeated.
    """
    ours = {
        folded(header): (header, name, column.optional)
        for column in layout.columns
        for header, name in zip(column.headers, _cell_names(column), strict=True)
    }
    found: dict[str, list[int]] = {}
    for position, header in enumerate(file.header):
        if folded(header) in ours:
            found.setdefault(folded(header), []).append(position)
    missing = [h for key, (h, _, optional) in ours.items() if key not in found and not optional]
    if missing:
        detail = f"the header has no column {_quoted(missing)}."
        raise _fault(file.name, "FILE_COLUMN_MISSING", detail)
    repeated = [ours[key][0] for key, places in found.items() if len(places) > 1]
    if repeated:
        detail = f"the header has {_quoted(repeated)} more than once; which is meant is unknown."
        raise _fault(file.name, "FILE_COLUMN_REPEATED", detail)
    by_position = {places[0]: ours[key][1] for key, places in found.items()}
    return [by_position.get(place, f"unused_{place}") for place in range(len(file.header))]


def _candidates(workspace: Workspace) -> list[Path]:
    workspace.landing.mkdir(parents=True, exist_ok=True)
    return [
        path
        for path in sorted(workspace.landing.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(workspace.landing).parts)
    ]


def _landed(workspace: Workspace) -> tuple[list[Landed], list[DeliveryError]]:
    landed, faults = [], []
    for path in _candidates(workspace):
        name = path.relative_to(workspace.landing).as_posix()
        try:
            header = _read_header(path, name)
            landed.append(Landed(path, name, _recognise(header, name), header))
        except DeliveryError as error:
            if not _is_among_extracts(name):
                error.months = None  # it may be a list, which counts for every month
            faults.append(error)
    return landed, faults


def _is_among_extracts(name: str) -> bool:
    return any(part.lower() in CUTS for part in Path(name).parts[:-1])


def _read_header(path: Path, name: str) -> list[str]:
    if path.is_dir():
        detail = "a folder has the name of a file. Rename it, or move it out of landing."
        raise _fault(name, "FILE_NOT_A_FILE", detail)
    if path.suffix.lower() == _PARQUET:
        return _parquet_header(path, name)
    try:
        with _opened(path, name) as stream:
            start = stream.read(_SNIFF_BYTES)
    except OSError as error:
        raise _fault(name, "FILE_UNREADABLE", f"it cannot be opened: {error.strerror}.") from None
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        raise _fault(name, "FILE_EMPTY", "it holds nothing. Ask for the file again.")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
        detail = "it is not UTF-8 text (it looks like UTF-16). Export it again as UTF-8."
        raise _fault(name, "FILE_ENCODING", detail)
    first_line = _LINE_END.split(start, maxsplit=1)[0].decode("utf-8-sig", errors="replace")
    try:
        header = next(csv.reader([first_line]))
    except csv.Error:
        header = []
    if not any(header):
        raise _fault(name, "FILE_DATASET_UNKNOWN", "its first line is not a header.")
    return header


def _parquet_header(path: Path, name: str) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError):
        detail = "it is damaged or no Parquet file. Write it again, or as CSV."
        raise _fault(name, "FILE_UNREADABLE", detail) from None


def _recognise(header: list[str], name: str) -> str:
    found = {folded(field) for field in header}
    for layout in LAYOUTS.values():
        if found.issuperset(map(folded, layout.recognised_by)):
            if name.lower().endswith(_PARQUET):
                detail = (
                    "SUS+ delivers its extracts as CSV, and only the users' lists may be Parquet."
                )
                raise _fault(name, "FILE_MALFORMED", detail)
            return layout.dataset
    for kind, fields in LIST_HEADERS.items():
        if found.issuperset(fields):
            return kind
    for delimiter, word in {";": "semicolons", "\t": "tabs", "|": "bars"}.items():
        if len(header) < 3 and header[0].count(delimiter) > 2:
            detail = f"its fields are separated by {word}, not commas. Export it again."
            raise _fault(name, "FILE_DELIMITER", detail)
    raise _fault(
        name,
        "FILE_DATASET_UNKNOWN",
        f"the header (of {len(header)} columns) is not that of a PbR APC spells or OP extract, a "
        "CDS 6.2 supplementary extract, or one of the users' lists (see README.md of landing). "
        "Move it out of landing.",
    )


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of the CSV file in `path`, whatever it is packed in."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()]
                if len(members) != 1 or not members[0].filename.lower().endswith(".csv"):
                    held = ", ".join(m.filename for m in members[:5]) or "nothing"
                    detail = f"the zip must hold exactly one CSV file; it holds {held}."
                    raise _fault(name, "FILE_ARCHIVE", detail)
                with archive.open(members[0]) as stream:
                    yield stream
        elif path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                yield io.BufferedReader(stream)
        else:
            with path.open("rb") as stream:
                yield stream
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, RuntimeError) as error:
        detail = f"the archive is damaged, locked or no archive ({error}). Ask for it again."
        raise _fault(name, "FILE_ARCHIVE", detail) from None


def _discard_unpacked(workspace: Workspace) -> None:
    """What a killed process unpacked; one that is at work has touched its own lately."""
    long_ago = time.time() - _ABANDONED_SECONDS
    for folder in workspace.landing.glob(f"{_UNPACKED}*"):
        if folder.stat().st_mtime < long_ago:
            discard(folder)


@contextmanager
def _plain(workspace: Workspace, file: Landed) -> Iterator[Path]:
    """The file as a plain CSV: itself, or unpacked for as long as it is read.

    It is unpacked beside the landing folder and not in the lake, since it still holds
    identifiers.
    """
    if file.path.suffix.lower() == ".csv":
        yield file.path
        return
    with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=workspace.landing) as folder:
        path = Path(folder) / "extract.csv"
        with _opened(file.path, file.name) as packed, path.open("wb") as plain:
            shutil.copyfileobj(packed, plain, _SNIFF_BYTES)
        yield path


def _identify(file: Landed, identities: dict[str, list[int | str]]) -> str:
    """The sha256 of a file, read again only when its size or time has changed."""
    status = file.path.stat()
    known = identities.get(file.name)
    if known and known[:2] == [status.st_size, status.st_mtime_ns]:
        return str(known[2])
    with file.path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    identities[file.name] = [status.st_size, status.st_mtime_ns, sha256]
    return sha256


def _read_identities(workspace: Workspace) -> dict[str, list[int | str]]:
    path = workspace.deliveries / "identities.json"
    if not path.is_file():
        return {}
    identities: dict[str, list[int | str]] = json.loads(path.read_text())
    return identities


def _read_registered(path: Path) -> list[Delivery]:
    if not path.is_file():
        return []
    return [
        Delivery(**{**entry, "months": {m: MonthPart(**p) for m, p in entry["months"].items()}})
        for entry in json.loads(path.read_text())
    ]


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _fault(name: str, code: str, detail: str) -> DeliveryError:
    return DeliveryError(code, name, detail, months_named(name))
