"""Making small deliveries: extracts with every delivered column, from a few records.

Belongs here: a workspace over the book of `tests/cases/`, good records to change one
thing of, and the steps of the flow taken one after another. Does not belong here: what is
expected of them, which each test says.

A record is a dictionary from delivered header to text; headers not in it are blank.
"""

import csv
import io
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from support import BOOK

from pipelines import accounting, deliveries, pricing_run, publishing, validation
from pipelines.assets import STATEMENTS
from pipelines.deliveries import Delivery
from pipelines.validation import Validated
from pipelines.workspace import PROJECT, Workspace
from schemas.extracts import Column

Record = dict[str, str]
Line = dict[str, Any]

MONTH = "2024-07"
QUERIED = "20240919063000"

SPELL_ID = "Spell Identifier"
ATTENDANCE_ID = "Generated Record ID"
PROVIDER = "Organisation Code (Code Of Provider)"
COMMISSIONER = "Organisation Code (Code Of Commissioner)"
DERIVED_COMMISSIONER = "Derived Commissioner"
SPELL_AGREEMENT = "Commissioner Serial No (Agreement No)"
SPELL_CATEGORY = "Administrative Category (On Admission)"
ATTENDANCE_CATEGORY = "Administrative Category"
IN_PBR = "Spell In PbR/Not In PbR"
SPECIALTY = "Main Specialty Code"
TREATMENT_FUNCTION = "Treatment Function Code"
UNBUNDLED = "Unbundled HRG 1"
SUS_PRICE = "PbR Final Tariff"
QUERY_DATE = "Query Date"
SPELL_HRG = "Spell Core HRG"
ATTENDANCE_HRG = "Core HRG"
CLASSIFICATION = "Patient Classification"
METHOD = "Admission Method (Hospital Provider Spell)"
START = "Start Date (Hospital Provider Spell)"
END = "End Date (Hospital Provider Spell)"
STAY = "Length Of Stay (Hospital Provider Spell)"
ADJUSTED_STAY = "PbR Final Adjusted Length Of Stay"
AGE = "Age At Start Of Spell"
EBI_CATEGORY = "Evidence Based Intervention Category"
EBI_TYPE = "Evidence Based Intervention Type"
OPEN_SPELL = "Open Spell Indicator"
ATTENDED = "Attended Or Did Not Attend"
FIRST_ATTENDANCE = "First Attendance"
APPOINTMENT = "Appointment Date"
SUPPLEMENT_SPELL = "Spell ID"
RECORD_TYPE = "CDS Record Type"
EPISODE = "Episode Number"
OVERSEAS_VISITOR = "OSV Status Classification At CDS Activity Date"
MULTI_PROFESSIONAL = "Multi-Professional Or Multi-Disciplinary Indication Code"
MEDIUM = "Consultation Medium Used"

_SHARED = {
    PROVIDER: "RGT",
    COMMISSIONER: "93C",
    DERIVED_COMMISSIONER: "93C",
    IN_PBR: "0",
    TREATMENT_FUNCTION: "100",
    SPECIALTY: "100",
    SUS_PRICE: "561.73",
    QUERY_DATE: QUERIED,
}
_SPELL = {
    **_SHARED,
    SPELL_CATEGORY: "01",
    SPELL_HRG: "FE32Z",
    CLASSIFICATION: "2",
    METHOD: "11",
    START: "20240710",
    END: "20240710",
    STAY: "0",
    ADJUSTED_STAY: "0",
    AGE: "47",
    OPEN_SPELL: "N",
}
_ATTENDANCE = {
    **_SHARED,
    ATTENDANCE_CATEGORY: "01",
    ATTENDANCE_HRG: "WF01B",
    ATTENDED: "5",
    FIRST_ATTENDANCE: "1",
    APPOINTMENT: "20240710",
}

_OF_A_VISITOR = ("Classification", "Start Date", "End Date")
SUPPLEMENT_HEADER = (
    *("SUS Version Number", ATTENDANCE_ID, EPISODE, SUPPLEMENT_SPELL, "Excluded Episode Spell ID"),
    *("SHA Commissioner", "SHA Provider", "Spell Version As At Date And Time", RECORD_TYPE),
    *("Waiting Time Measurement Type", "Withheld Identity Reason"),
    *("Discharged To HaH Service Indicator", "Start Time (Hospital Provider Spell)"),
    *("Discharge Time (Hospital Provider Spell)", "Start Time (Episode)", "End Time (Episode)"),
    *("Ambulance Incident Number", OVERSEAS_VISITOR),
    *(f"OSV Status {what} {place}" for place in range(1, 6) for what in _OF_A_VISITOR),
    *(MULTI_PROFESSIONAL, "Rehabilitation Assessment Team Type"),
    *("Direct Access Referral Indicator", "Activity Location Type Code"),
    *("Local Sub Specialty Code", MEDIUM, "Earliest Clinically Appropriate Date"),
    *("Appointment Time", "Expected Duration Of Appointment", "Clinic Code"),
    *("EM Site Code (Of Treatment)", "EM Initial Assessment Date"),
    *("EM Date Seen For Treatment", "EM Attendance Conclusion Date", "EM Departure Date"),
    *("Organisation Code (Conveying Ambulance Trust)", "CDS Schema Version"),
    *("Earliest Reasonable Offer Date", "Psychiatric Patient Status Code", QUERY_DATE),
    "Unique Query Id",
)
"""The header of a CDS 6.2 supplementary extract, of either dataset."""


def spell(record_id: str = "S1", changes: Mapping[str, str] | None = None) -> Record:
    """A day case that no rule refuses and that is paid, with `changes` made to it."""
    return {SPELL_ID: record_id, **_SPELL, **(changes or {})}


def attendance(record_id: str = "A1", changes: Mapping[str, str] | None = None) -> Record:
    """A first attendance that no rule refuses and that is paid, with `changes` made to it."""
    return {ATTENDANCE_ID: record_id, **_ATTENDANCE, **(changes or {})}


def supplementary(*rows: Record) -> bytes:
    """A CDS 6.2 supplementary extract with these rows, queried as the records made here are."""
    return extract([{QUERY_DATE: QUERIED, **row} for row in rows], SUPPLEMENT_HEADER)


def of_episode(record_id: str, spell_id: str, number: str, status: str) -> Record:
    """The supplementary row of an episode with an overseas visitor status."""
    return {
        ATTENDANCE_ID: record_id,
        SUPPLEMENT_SPELL: spell_id,
        EPISODE: number,
        RECORD_TYPE: "130",
        OVERSEAS_VISITOR: status,
    }


def of_attendance(record_id: str = "A1", changes: Mapping[str, str] | None = None) -> Record:
    """The supplementary row of an attendance, with no code but those in `changes`."""
    return {ATTENDANCE_ID: record_id, RECORD_TYPE: "020", **(changes or {})}


def text_of(record: Record, column: Column) -> str:
    """What a column of ours is made from in a record: one cell, or codes in several."""
    if column.kind != "codes":
        return record.get(column.header, "")
    return " ".join(" ".join(record.get(header, "") for header in column.headers).split())


@cache
def delivered_columns(dataset: str) -> tuple[str, ...]:
    """The header of an extract as it is delivered, in order."""
    columns = tomllib.loads((PROJECT / "pipelines" / "synth" / "columns.toml").read_text("utf-8"))
    return tuple(columns[dataset])


def dataset_of(record: Record) -> str:
    """Which extract a record belongs in."""
    return "apc" if SPELL_HRG in record else "op"


def extract(
    records: Sequence[Record],
    columns: Sequence[str] | None = None,
    line_end: str = "\r\n",
    dataset: str | None = None,
) -> bytes:
    """An extract of these records as delivered: a header and a line for each.

    Raises `KeyError` for a record with a header that no column has.
    """
    header = list(columns or delivered_columns(dataset or dataset_of(records[0])))
    text = io.StringIO()
    lines = csv.writer(text, lineterminator=line_end)
    lines.writerow(header)
    for record in records:
        unknown = set(record) - set(header)
        if unknown:
            raise KeyError(unknown)
        lines.writerow([record.get(name, "") for name in header])
    return text.getvalue().encode()


def new_workspace(root: Path) -> Workspace:
    """An empty workspace priced with the pack that is shipped and the book of the cases."""
    data = root / "data"
    shutil.copytree(PROJECT / "data" / "schemes", data / "schemes")
    shutil.copytree(BOOK, data / "price_books" / "cases")
    (data / "organisations").mkdir()
    for name in ("providers.csv", "sites.csv", "commissioners.csv", "successions.csv"):
        shutil.copy(BOOK / name, data / "organisations")
    shutil.copy(PROJECT / "data" / "reasons.toml", data)
    workspace = Workspace.at(root)
    workspace.landing.mkdir()
    return workspace


def add_other_unit_prices(book: Path) -> None:
    """Gives a book of the cases the table that 2025/26 and later need, with an HRG of no record."""
    header = "HRG code,HRG name,Day case spell price (£),Ordinary elective spell price (£)"
    (book / "other_unit_prices.csv").write_text(f"{header}\nXX99Z,Nobody's,1,2\n", "utf-8")
    with (book / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('other_unit_prices = "other_unit_prices.csv"\n')


def add_book_of_2026_27(workspace: Workspace) -> None:
    """The book of the cases, said to be of 2026/27 too."""
    shelf = workspace.data / "price_books"
    shutil.copytree(shelf / "cases", shelf / "cases-2026")
    manifest = shelf / "cases-2026" / "manifest.toml"
    text = manifest.read_text("utf-8").replace('"2024-25"', '"2026-27"')
    text = text.replace('"cases"', '"cases-2026"').replace("2024-0", "2026-0")
    manifest.write_text(text, "utf-8")
    add_other_unit_prices(shelf / "cases-2026")


def land(workspace: Workspace, name: str, content: bytes | Sequence[Record] | str) -> Path:
    """Puts a file in the landing folder: bytes, text, or an extract of records."""
    path = workspace.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content if isinstance(content, bytes) else extract(content))
    return path


def land_good_month(workspace: Workspace, month: str = MONTH) -> None:
    """Two spells and an attendance of a month, all of which are priced."""
    day = f"{month.replace('-', '')}10"
    spells = [
        spell(f"S{place}-{month}", {START: day, END: day, QUERY_DATE: "20250919063000"})
        for place in (1, 2)
    ]
    one = attendance(f"A1-{month}", {APPOINTMENT: day, QUERY_DATE: "20250919063000"})
    land(workspace, f"freeze/apc_{month}.csv", spells)
    land(workspace, f"freeze/op_{month}.csv", [one])


def take_in(workspace: Workspace, dataset: str = "apc", month: str = MONTH) -> list[Delivery]:
    """The deliveries of a month, taken in."""
    return deliveries.take_in(workspace, dataset, month)


def filed(
    workspace: Workspace, dataset: str = "apc", month: str = MONTH, cut: str = "freeze"
) -> dict[str, Line]:
    """What the lake holds of a month and cut as taken in, by record."""
    parts = deliveries.parts_of(workspace, dataset, cut).get(month, [])
    return {row["record_id"]: row for part in parts for row in pl.read_parquet(part).to_dicts()}


def sort_out(workspace: Workspace, dataset: str = "apc", month: str = MONTH) -> Validated:
    """Takes a month in and validates it; every record is valid or refused, and keeps the contract.

    The contract is asserted, since it is the second lock on the same door.
    """
    take_in(workspace, dataset, month)
    validated = validation.validate(workspace, dataset, month)
    assert validated.delivered == validated.valid + validated.refused
    assert validation.contract_failures(workspace, dataset, month) == (validated.valid, [])
    return validated


def refusals(
    workspace: Workspace, dataset: str = "apc", month: str = MONTH, by: str = "validation"
) -> dict[str | None, list[str]]:
    """Every refused record's codes, in order, by its identifier as delivered."""
    cut = deliveries.settled_cut(workspace, dataset, month)
    refused = pl.read_parquet(validation.refused_path(workspace, dataset, month, cut, by))
    return dict(refused.select("record_id", pl.col("refusal_codes").list.sort()).rows())


def price(workspace: Workspace, dataset: str = "apc", month: str = MONTH) -> dict[str, Line]:
    """Takes a month in, validates and prices it; the line of each core HRG by its record."""
    sort_out(workspace, dataset, month)
    made = pricing_run.price(workspace, dataset, month)
    lines = pl.read_parquet(pricing_run.priced_path(workspace, dataset, month, made.cut))
    assert made.lines == lines.height
    core = lines.filter(line_number=0)
    assert made.valid == core.height + made.refused
    assert core["record_id"].is_unique().all()
    return {line["record_id"]: line for line in core.iter_rows(named=True)}


def price_records(root: Path, *records: Record, lists: Mapping[str, str] | None = None) -> Any:
    """The priced lines of a month of one dataset, from a delivery of these records alone."""
    workspace = new_workspace(root)
    land(workspace, f"freeze/extract_{MONTH}.csv", records)
    for name, text in (lists or {}).items():
        land(workspace, name, text)
    return price(workspace, dataset_of(records[0]))


def make_statements(workspace: Workspace, month: str = MONTH) -> None:
    """Every statement of a month that is priced, in the order that they rest on one another."""
    for statement in STATEMENTS:
        statement.make(workspace, month)


def publish(workspace: Workspace, month: str = MONTH) -> accounting.Account:
    """Every step of a month up to the mart, as the job takes them."""
    for dataset in ("apc", "op"):
        price(workspace, dataset, month)
    make_statements(workspace, month)
    account = accounting.account(workspace, month)
    assert account.faults == []
    publishing.publish(workspace, account, "run")
    return account
