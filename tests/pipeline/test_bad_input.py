"""Bad input: what the user is told, and that nothing published changes.

A good month is published first, one bad thing is put beside it, and the month is run from
the command line: the message must name the file, the line or code and what to do, the exit
code is 1, there is no traceback, and the mart is the same to the byte. Of faults in rules,
prices and lists, which are many and fail in one place, some are run so and all are read.
"""

import gzip
import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from pipeline.making import (
    MONTH,
    PROVIDER,
    SPELL_HRG,
    delivered_columns,
    extract,
    land,
    land_good_month,
    new_workspace,
    publish,
    spell,
)

from pipelines import cli
from pipelines.price_books import price_book_for
from pipelines.pricing_run import rulebook_for
from pipelines.workspace import PROJECT, UserError, Workspace

Spoil = Callable[[Workspace], None]

GOOD = extract([spell(f"T{n}") for n in range(1, 6)])
LINES = GOOD.splitlines(keepends=True)
BIG = LINES[0] + b"".join(LINES[1:]) * 4_000
BESIDE = f"freeze/apc_{MONTH}_more"


@dataclass(frozen=True)
class Said:
    """How a command ended, and all it said, on one line."""

    code: int
    text: str


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def good_month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a published month, to be copied."""
    workspace = new_workspace(tmp_path_factory.mktemp("good"))
    land_good_month(workspace)
    publish(workspace)
    return workspace.root


@pytest.fixture
def workspace(good_month: Path, tmp_path: Path) -> Workspace:
    return Workspace.at(shutil.copytree(good_month, tmp_path / "workspace"))


@pytest.fixture
def run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a month from the command line, in this process."""
    mask = os.umask(0o077)

    def run_month(month: str = MONTH) -> Said:
        for name in ("SUS_PRICING_HOME", "DAGSTER_HOME"):
            monkeypatch.setenv(name, str(workspace.root))
        # Run history in memory, since making its files would take longer than the run.
        monkeypatch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)
        monkeypatch.setattr(sys, "argv", ["sus-pricing", "run", "--month", month])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return Said(int(str(ended.value.code or 0)), " ".join(f"{said.out} {said.err}".split()))

    yield run_month
    os.umask(mask)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_refused(workspace: Workspace, run: Run, *says: str, month: str = MONTH) -> None:
    """The month is refused, the messages say all of `says`, and the mart is as it was."""
    before = everything_in(workspace.mart.parent)
    assert "outputs.duckdb" in before
    said = run(month)
    assert said.code == 1, said.text
    for words in says:
        assert words in said.text
    assert "Nothing was published." in said.text
    assert "Traceback" not in said.text
    assert "not foreseen" not in said.text
    assert everything_in(workspace.mart.parent) == before
    scraps = [p.name for p in workspace.lake.rglob("*") if p.name.endswith((".writing", "-in"))]
    assert scraps == []


def assert_rules_refused(workspace: Workspace, *says: str) -> None:
    """What the month is priced with is refused, in words that say all of `says`.

    Every step that prices reads it first and turns this error into a refused run.
    """
    with pytest.raises(UserError) as refused:
        rulebook_for(workspace, MONTH)
    said = " ".join(str(refused.value).split())
    for words in says:
        assert words in said


# --- Extracts that cannot be read ------------------------------------------------------------


def zipped(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def with_a_hole(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(50) + content[middle + 50 :]


def one_line_cut(content: list[bytes], line: int) -> bytes:
    """The file with a line of it, counted from 1, cut off in its middle."""
    short = content[line - 1][: len(content[line - 1]) // 2] + b"\r\n"
    return b"".join([*content[: line - 1], short, *content[line:]])


FEWER, AGAIN = "fewer fields", "Ask for the file again."
FILES: dict[str, tuple[str, bytes, str, tuple[str, ...]]] = {
    "empty": (".csv", b"", "FILE_EMPTY", (AGAIN,)),
    "blank lines alone": (".csv", b"\r\n \r\n", "FILE_EMPTY", (AGAIN,)),
    "a byte order mark alone": (".csv", b"\xef\xbb\xbf", "FILE_EMPTY", (AGAIN,)),
    "header only": (".csv", LINES[0], "FILE_HEADER_ONLY", ("a header and no records",)),
    "header and blank lines": (".csv", LINES[0] + b"\r\n\r\n", "FILE_HEADER_ONLY", ()),
    "APC episodes": (
        ".csv",
        b"Generated Record ID,Hospital Provider Spell No,Episode Number,Core HRG\r\n1,2,3,FE\r\n",
        "FILE_DATASET_UNKNOWN",
        ("PbR APC spells or OP extract", "Move it out of landing."),
    ),
    "SEM": (
        ".csv",
        b"CDS Type,Episode Number,Treatment Function,Treatment Function\r\n130,1,100,100\r\n",
        "FILE_DATASET_UNKNOWN",
        ("Move it out of landing.",),
    ),
    "last line cut off": (".csv", GOOD[:-120], "FILE_TRUNCATED", ("line 6", FEWER, AGAIN)),
    "last line cut off by a field": (
        ".csv",
        GOOD.removesuffix(b",\r\n"),
        "FILE_TRUNCATED",
        ("line 6", "(214) than the header's 215", AGAIN),
    ),
    "last line of many cut off": (
        ".csv",
        BIG[:-120],
        "FILE_TRUNCATED",
        ("line 20,001", FEWER, AGAIN),
    ),
    "a line in the middle cut off": (
        ".csv",
        one_line_cut(LINES, 3),
        "FILE_TRUNCATED",
        ("line 3", FEWER, AGAIN),
    ),
    "a line in the middle of many cut off": (
        ".csv",
        one_line_cut(BIG.splitlines(keepends=True), 12_345),
        "FILE_TRUNCATED",
        ("line 12,345", FEWER, AGAIN),
    ),
    "first line cut off": (".csv", one_line_cut(LINES, 2), "FILE_TRUNCATED", ("line 2", FEWER)),
    "a foot below the records": (
        ".csv",
        GOOD + b"\r\n(5 rows affected)\r\n",
        "FILE_TRUNCATED",
        ("line 8 has fewer fields (1)",),
    ),
    "a field too many": (
        ".csv",
        b"".join([*LINES[:3], LINES[3].replace(b"FE32Z", b"FE32Z,", 1), *LINES[4:]]),
        "FILE_MALFORMED",
        ("line 4", "more fields (216)", AGAIN),
    ),
    "an empty field too many": (
        ".csv",
        b"".join([*LINES[:3], LINES[3].replace(b"\r\n", b",\r\n"), *LINES[4:]]),
        "FILE_MALFORMED",
        ("line 4", "more fields (216)"),
    ),
    "a quotation mark not closed": (
        ".csv",
        BIG.replace(b"FE32Z", b'"FE32Z', 1),
        "FILE_MALFORMED",
        ("line 2 opens a quotation mark and does not close it", AGAIN),
    ),
    "cut off in quotes": (
        ".csv",
        GOOD.removesuffix(b"\r\n") + b'"20',
        "FILE_MALFORMED",
        ("line 6 opens a quotation mark",),
    ),
    "semicolons": (".csv", GOOD.replace(b",", b";"), "FILE_DELIMITER", ("semicolons", "Export it")),
    "tabs": (".csv", GOOD.replace(b",", b"\t"), "FILE_DELIMITER", ("tabs", "Export it again.")),
    "bars": (".csv", GOOD.replace(b",", b"|"), "FILE_DELIMITER", ("bars", "Export it again.")),
    "UTF-16": (
        ".csv",
        GOOD.decode().encode("utf-16"),
        "FILE_ENCODING",
        ("UTF-16", "Export it again as UTF-8."),
    ),
    "UTF-16 without a mark": (".csv", GOOD.decode().encode("utf-16-be"), "FILE_ENCODING", ()),
    "a column missing": (
        ".csv",
        extract([spell()]).replace(b",Admission Method (Hospital Provider Spell),", b",Other,", 1),
        "FILE_COLUMN_MISSING",
        ("'Admission Method (Hospital Provider Spell)'",),
    ),
    "a column we read given twice": (
        ".csv",
        extract([spell()], [*delivered_columns("apc"), "spell core hrg"]),
        "FILE_COLUMN_REPEATED",
        ("'Spell Core HRG'", "more than once"),
    ),
    "a zip of something else": (
        ".zip",
        zipped(("extract.pdf", b"%PDF")),
        "FILE_ARCHIVE",
        ("must hold exactly one CSV file; it holds extract.pdf",),
    ),
    "a zip of two files": (
        ".zip",
        zipped(("a.csv", GOOD), ("b.csv", GOOD)),
        "FILE_ARCHIVE",
        ("exactly one CSV file; it holds a.csv, b.csv",),
    ),
    "a zip of nothing": (".zip", zipped(), "FILE_ARCHIVE", ("it holds nothing",)),
    "a zip of an empty file": (".zip", zipped(("a.csv", b"")), "FILE_EMPTY", (AGAIN,)),
    "a zip cut off": (".zip", zipped(("a.csv", BIG))[:-99], "FILE_ARCHIVE", ("Ask for it again.",)),
    "a zip with a hole": (
        ".zip",
        with_a_hole(zipped(("a.csv", BIG))),
        "FILE_ARCHIVE",
        ("Ask for it again.",),
    ),
    "no zip at all": (".zip", GOOD, "FILE_ARCHIVE", ("Ask for it again.",)),
    "a gz cut off": (
        ".csv.gz",
        gzip.compress(BIG)[:-2_000],
        "FILE_ARCHIVE",
        ("Ask for it again.",),
    ),
    "a gz with a hole": (
        ".csv.gz",
        with_a_hole(gzip.compress(BIG)),
        "FILE_ARCHIVE",
        ("Ask for it again.",),
    ),
    "no gz at all": (".csv.gz", GOOD, "FILE_ARCHIVE", ("Ask for it again.",)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_read_is_named_and_fails_its_month(
    kind: str, workspace: Workspace, run: Run
) -> None:
    ending, content, code, says = FILES[kind]
    land(workspace, BESIDE + ending, content)
    assert_refused(workspace, run, f"{BESIDE}{ending}: {code}:", *says)


def test_a_folder_named_like_a_file_is_named_and_fails_its_month(
    workspace: Workspace, run: Run
) -> None:
    (workspace.landing / f"{BESIDE}.csv").mkdir()
    assert_refused(workspace, run, f"{BESIDE}.csv: FILE_NOT_A_FILE", "Rename it")


def test_a_link_to_nothing_is_named_and_fails_its_month(workspace: Workspace, run: Run) -> None:
    (workspace.landing / f"{BESIDE}.csv").symlink_to("gone.csv")
    assert_refused(workspace, run, f"{BESIDE}.csv: FILE_UNREADABLE", "cannot be opened")


def test_records_without_any_date_fail_where_the_name_says_no_month(
    workspace: Workspace, run: Run
) -> None:
    undated = {"End Date (Hospital Provider Spell)": "31/07/2024"}
    land(workspace, "freeze/apc.csv", [spell("T1", undated)])
    assert_refused(workspace, run, "freeze/apc.csv: FILE_UNDATED", "the name says no month")


@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_a_good_file_replaced_by_a_damaged_one_fails_and_its_records_stay_published(
    dataset: str, workspace: Workspace, run: Run
) -> None:
    path = workspace.landing / "freeze" / f"{dataset}_{MONTH}.csv"
    path.write_bytes(path.read_bytes()[:-100])
    assert_refused(workspace, run, f"freeze/{dataset}_{MONTH}.csv: FILE_TRUNCATED")
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        assert mart.execute("SELECT count(*) FROM priced_lines").fetchall() == [(3,)]


def test_a_bad_file_of_another_month_does_not_fail_this_one(workspace: Workspace, run: Run) -> None:
    land(workspace, "freeze/apc_2024-08.csv", b"")
    land(workspace, "freeze/op_202408_202503.zip", b"")
    assert run("2024-07").code == 0
    land_good_month(workspace, "2024-06")
    assert run("2024-06").code == 0
    assert_refused(workspace, run, "freeze/apc_2024-08.csv: FILE_EMPTY", month="2024-08")
    assert_refused(workspace, run, "op_202408_202503.zip: FILE_ARCHIVE", month="2024-11")


def test_a_bad_file_that_names_no_month_may_hold_any_and_fails_each(
    workspace: Workspace, run: Run
) -> None:
    land_good_month(workspace, "2024-06")
    land(workspace, "freeze/spells.csv", GOOD[:-120])
    for month in ("2024-06", "2024-07"):
        assert_refused(workspace, run, "freeze/spells.csv: FILE_TRUNCATED", month=month)


def test_a_message_is_given_once(workspace: Workspace, run: Run) -> None:
    """A file of no known kind may be of either dataset, and fails both."""
    land(workspace, f"{BESIDE}.csv", b"")
    assert run().text.count("FILE_EMPTY") == 1


def test_more_columns_than_most_and_unused_ones_of_one_name_are_fine(
    workspace: Workspace, run: Run
) -> None:
    columns = [*delivered_columns("apc"), *["Spare"] * (1_300 - len(delivered_columns("apc")))]
    land(workspace, f"{BESIDE}.csv", extract([spell("T1")], columns))
    said = run()
    assert said.code == 0, said.text
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        assert mart.execute("SELECT count(*) FROM priced_lines").fetchall() == [(4,)]


# --- No deliveries, no rules -----------------------------------------------------------------


def test_a_month_without_deliveries_says_where_to_put_them(workspace: Workspace, run: Run) -> None:
    shutil.rmtree(workspace.landing)
    says = ("No delivery holds admitted patient care spells of 2024-07", "data/landing/")
    assert_refused(workspace, run, *says, "No delivery holds outpatient attendances of 2024-07")


def test_a_month_with_one_dataset_alone_is_refused(workspace: Workspace, run: Run) -> None:
    (workspace.landing / f"freeze/op_{MONTH}.csv").unlink()
    assert_refused(workspace, run, "No delivery holds outpatient attendances of 2024-07")


def test_a_month_without_a_scheme_pack_names_those_there_are(
    workspace: Workspace, run: Run
) -> None:
    land_good_month(workspace, "2019-07")
    says = (
        "No scheme pack covers 2019-07",
        "There are packs for: 2021-22, 2022-23, 2023-24",
        "Activity of another year can be priced under the rules of one of them",
    )
    assert_refused(workspace, run, *says, month="2019-07")


@pytest.mark.parametrize("month", ["2017-08", "2024-13", "July", "2099-01"])
def test_what_is_no_month_is_wrong_usage(month: str, run: Run) -> None:
    said = run(month)
    assert said.code == 2
    assert month in said.text
    assert "Traceback" not in said.text


# --- The users' lists ------------------------------------------------------------------------

APPROVALS = (
    "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to,"
    "approval_reference\n"
)
EXCEPTIONS = "provider_code,commissioner_code,exception,valid_from,valid_to\n"


def test_approvals_of_records_that_are_not_there_are_a_notice_with_their_lines(
    workspace: Workspace, run: Run
) -> None:
    rows = [f"S1-{MONTH},,,,,,A1", "NOBODY,,,,,,A2", "", f"S2-{MONTH},,,,,,A3", "NOTHING,,,,,,A4"]
    land(workspace, "our approvals.csv", APPROVALS + "\n".join(rows) + "\n")
    said = run()
    assert said.code == 0
    assert (
        "our approvals.csv: approvals that name a record which is no valid spell of any month "
        "run so far: 2 (lines 3, 6)" in said.text
    )
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        (notices,) = mart.execute("SELECT notices FROM runs WHERE is_current").fetchall()
    assert "(lines 3, 6)" in str(notices)


LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "dates that are none": (
        APPROVALS
        + ",RGT,QMJ,A_snoring,31/07/2024,2024-08-01,A1\n,RGT,QMJ,A_,2024-07-01,2024-13-01,A2\n",
        (
            "list.csv, line 2: 'valid_from' is not a date such as 2024-07-01",
            "list.csv, line 3: 'valid_to' is not a date",
        ),
    ),
    "rows not complete": (
        APPROVALS + "S1,,,,,,A1\n,RGT,QMJ,,2024-07-01,2024-08-01,A2\n\n,,,,,,A3\n",
        ("must name a record_id, or all of provider_code", "list.csv, line 3", "list.csv, line 5"),
    ),
    "a period that ends first": (
        APPROVALS + ",RGT,QMJ,A_snoring,2024-08-01,2024-07-01,A1\n",
        ("must not end before it starts", "list.csv, line 2"),
    ),
    "a row cut off": (
        APPROVALS + "S1,,,,,,A1\nS2\n",
        ("list.csv, line 3: has 1 fields, the header has 7",),
    ),
    "a quotation mark not closed": (APPROVALS + 'S1,,,,,,"A1\n', ("list.csv is not a CSV file",)),
    "a column missing": (
        "record_id,ebi_type_code,approval_reference\nS1,A_,A1\n",
        ("list.csv: the header has no column 'provider_code', 'commissioner_code'",),
    ),
    "an exception of no known kind": (
        EXCEPTIONS + "RTD,QMJ,whim,2024-07-01,2024-08-01\n",
        ("list.csv, line 2: 'exception' is not one of patient_choice_without_contract",),
    ),
    "an exception without a period": (
        EXCEPTIONS + "RTD,QMJ,out_of_area_mental_health,,2024-08-01\n",
        ("must give valid_from and valid_to", "list.csv, line 2"),
    ),
    "a record and a period at once": (
        APPROVALS + "S1,RGT,QMJ,A_snoring,2024-07-01,2024-08-01,A1\n",
        ("a record_id or a period approval, not both", "list.csv, line 2"),
    ),
    "a type without its letter": (
        APPROVALS + ",RGT,QMJ,snoring,2024-07-01,2024-08-01,A1\n",
        ("must give the type as SUS+ does, such as A_snoring", "list.csv, line 2"),
    ),
    "a site for a provider": (
        APPROVALS + ",RGT01,QMJ,A_snoring,2024-07-01,2024-08-01,A1\n",
        ("must name a provider of the organisations", "list.csv, line 2"),
    ),
    "a sub-ICB location for a payer": (
        EXCEPTIONS + "RTD,93C,out_of_area_mental_health,2024-07-01,2024-08-01\n",
        ("must name a commissioner of the organisations", "list.csv, line 2"),
    ),
    "an exception of no provider": (
        EXCEPTIONS + ",QMJ,out_of_area_mental_health,2024-07-01,2024-08-01\n",
        ("list.csv, line 2: 'provider_code' is blank",),
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_with_faults_names_its_lines(kind: str, workspace: Workspace) -> None:
    text, says = LISTS[kind]
    land(workspace, "list.csv", text)
    assert_rules_refused(workspace, *says)


@pytest.mark.parametrize("kind", ["rows not complete", "an exception of no known kind"])
def test_a_list_with_faults_is_refused_by_the_run(
    kind: str, workspace: Workspace, run: Run
) -> None:
    text, says = LISTS[kind]
    land(workspace, "list.csv", text)
    assert_refused(workspace, run, *says)


def test_a_list_that_is_not_utf_8_is_named(workspace: Workspace) -> None:
    land(workspace, "list.csv", f"{APPROVALS}S1,,,,,,é\n".encode("latin-1"))
    assert_rules_refused(workspace, "list.csv is not UTF-8 text. Export it again as UTF-8.")


# --- Records that cannot be priced -----------------------------------------------------------


def test_a_provider_without_a_market_forces_factor_is_named_and_its_records_refused(
    workspace: Workspace, run: Run
) -> None:
    land(workspace, f"{BESIDE}.csv", [spell("T1", {PROVIDER: "RCF01"}), spell("T2")])
    said = run()
    assert said.code == 0, said.text
    assert "│ apc │ MFF_MISSING │ 1 │ RCF01 │" in said.text
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        lines = mart.execute("SELECT record_id FROM priced_lines WHERE record_id LIKE 'T%'")
        assert lines.fetchall() == [("T2",)]
        refused = mart.execute("SELECT record_id, refused_by, refusal_codes FROM refused_records")
        assert refused.fetchall() == [("T1", "pricing", ["MFF_MISSING"])]


def test_an_hrg_without_a_price_has_a_coded_reason_and_no_zero(
    workspace: Workspace, run: Run
) -> None:
    no_price = {SPELL_HRG: "LA01A"}
    land(
        workspace,
        f"{BESIDE}.csv",
        [spell("T1", no_price), spell("T2", {**no_price, PROVIDER: "NT313"})],
    )
    said = run()
    assert said.code == 0, said.text
    assert "│ apc │ local_agreement │ 1 │ no price │ no price │ 1 │" in said.text
    with duckdb.connect(str(workspace.mart), read_only=True) as mart:
        lines = mart.execute(
            "SELECT record_id, unit_price_pence, value_pence, payable_pence, payment_mechanism, "
            "reason_code FROM priced_lines WHERE record_id LIKE 'T%' ORDER BY 1"
        )
        assert lines.fetchall() == [
            ("T1", None, None, 0, "api_fixed", "NO_UNIT_PRICE"),
            ("T2", None, None, None, "local_agreement", "NO_UNIT_PRICE"),
        ]


# --- Scheme packs and price books ------------------------------------------------------------

PACK = "schemes/2024-25.toml"
HRGS = "price_books/cases/apc_and_outpatient_procedures.csv"
FACTORS = "price_books/cases/market_forces_factor.csv"
MANIFEST = "price_books/cases/manifest.toml"
ORGANISATIONS = "organisations"


def edit(file: str, *changes: tuple[str, str]) -> Spoil:
    """Changes the first place of each text in a file of the workspace's data."""

    def spoil(workspace: Workspace) -> None:
        path = workspace.data / file
        text = path.read_text("utf-8")
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after, 1)
        path.write_text(text, "utf-8")

    return spoil


def remove(file: str) -> Spoil:
    def spoil(workspace: Workspace) -> None:
        (workspace.data / file).unlink()

    return spoil


QUANTUM = 'value = 1\nunit = "pence"'
CITED = 'document = "guidance"\nparagraph = "72"\nbasis = "cited"'
AGE_FROM = 'value = 19\nunit = "years"\neffective_from = 2024-04-01'
DATA: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "a pack with many faults, every one of which is listed": (
        edit(
            PACK,
            (QUANTUM, 'unit = "pence"'),
            (AGE_FROM, AGE_FROM.replace("19", '"19"')),
            (CITED, CITED.replace("72", "")),
            ("effective_from = 2024-04-01\npublished_on = 2022-07-01", "published_on = 2022-07-01"),
            ('document = "none"', 'document = "hearsay"'),
        ),
        (
            "The scheme pack cannot be used",
            "2024-25.toml: 'rounding.quantum_pence' has no 'value'",
            "'rounding.quantum_pence' cites 'hearsay'",
            "'short_stay_emergency.minimum_age_years' must be int, not '19'",
            "'variable_element.rate_ppm' is cited but names no paragraph",
            "'spells.elective_admission_methods' has no 'effective_from'",
        ),
    ),
    "a pack without a parameter": (
        edit(PACK, ("[[rounding.quantum_pence]]", "[[rounding.quantum]]")),
        ("'rounding.quantum' is not a parameter", "'rounding.quantum_pence' has no value"),
    ),
    "a pack whose value starts too late": (
        edit(PACK, (AGE_FROM, AGE_FROM.replace("04-01", "08-01"))),
        ("'short_stay_emergency.minimum_age_years' has no value in effect on 1 April 2024",),
    ),
    "a pack with a date that is text": (
        edit(PACK, (AGE_FROM, AGE_FROM.replace("2024-04-01", '"1 April 2024"'))),
        ("has a 'effective_from' that is not a date",),
    ),
    "a pack with a time for a date": (
        edit(PACK, (AGE_FROM, f"{AGE_FROM}T00:00:00")),
        ("has a 'effective_from' that is not a date",),
    ),
    "a pack that rounds to nothing": (
        edit(PACK, (QUANTUM, QUANTUM.replace("1", "0"))),
        ("'rounding.quantum_pence' must be from 1 to 100, not 0",),
    ),
    "a pack with a single table": (
        edit(PACK, ("[[rounding.quantum_pence]]", "[rounding.quantum_pence]")),
        ("'rounding.quantum_pence' must be given under [[rounding.quantum_pence]]",),
    ),
    "a pack whose year has no dates": (
        edit(PACK, ("effective_to = 2025-03-31", 'effective_to = "2025"')),
        ("2024-25.toml: 'effective_from' and 'effective_to' must be dates",),
    ),
    "a pack that is no TOML": (
        edit(PACK, ("value = 19", "value = ")),
        ("2024-25.toml is not a TOML file", "line "),
    ),
    "a price in words": (
        edit(HRGS, (",-,700,-,-,", ",-,seven hundred,-,-,")),
        ("apc_and_outpatient_procedures.csv, line 2", "spell price (£)' is not a price"),
    ),
    "a negative price": (
        edit(HRGS, (",-,700,-,-,", ",-,-700,-,-,")),
        ("apc_and_outpatient_procedures.csv, line 2", "spell price (£)' is not a price"),
    ),
    "an HRG twice": (
        edit(HRGS, ("FE30Z,", "FE32Z,")),
        ("apc_and_outpatient_procedures.csv, line 12: FE32Z is already on line 11",),
    ),
    "a combined price and a split one": (
        edit(HRGS, (",-,700,-,-,", ",-,700,700,-,")),
        ("AA31E has a combined price and a split one",),
    ),
    "a price column with another heading": (
        edit(HRGS, ("HRG code", "Group")),
        ("apc_and_outpatient_procedures.csv: the header has no column 'HRG code'",),
    ),
    "a market forces factor of 0": (
        edit(FACTORS, ("1.123455", "0.000000")),
        ("market_forces_factor.csv, line 5", "is zero, which would price everything at nothing"),
    ),
    "a market forces factor of 11.75": (
        edit(FACTORS, ("1.123455", "11.75")),
        ("market_forces_factor.csv, line 5", "is not a factor below 2"),
    ),
    "a market forces factor that is blank": (
        edit(FACTORS, ("1.123455", "")),
        ("market_forces_factor.csv, line 5", "is not a factor below 2"),
    ),
    "a provider with two factors": (
        edit(FACTORS, ("RTD,", "RRV,")),
        ("market_forces_factor.csv, line 7: RRV is already on line 6",),
    ),
    "a price book without a file": (
        remove(FACTORS),
        ("The price book cases has no file market_forces_factor.csv",),
    ),
    "a price book that is empty": (
        lambda w: (w.data / FACTORS).write_text("") and None,
        ("market_forces_factor.csv: the header has no column 'provider_code'",),
    ),
    "no price book": (
        remove(MANIFEST),
        ("There is no price book for 2024-25", "manifest.toml", "price_books"),
    ),
    "a price book that does not say whether it is made up": (
        edit(MANIFEST, ("illustrative = true\n", "")),
        ("cases/manifest.toml does not say: illustrative",),
    ),
    "a price book that says so in words": (
        edit(MANIFEST, ("illustrative = true", 'illustrative = "false"')),
        ("cases/manifest.toml: 'illustrative' must be bool, not 'false'",),
    ),
    "no providers": (
        remove(f"{ORGANISATIONS}/providers.csv"),
        ("providers.csv is not in",),
    ),
    "a provider given twice over": (
        edit(
            f"{ORGANISATIONS}/providers.csv",
            (
                "2013-04-01,2020-03-31",
                "2013-04-01,2020-03-31\nRYA,Illustrative West Trust,nhs_trust,2020-03-31,",
            ),
        ),
        ("providers.csv, line 13: RYA is given twice on 2020-03-31; see providers.csv, line 12",),
    ),
    "a sub-ICB location whose payers leave a gap": (
        edit(f"{ORGANISATIONS}/commissioners.csv", ("QMJ,icb,2024-10-01", "QMJ,icb,2024-10-03")),
        (
            "commissioners.csv, line 6: 56Z has no payer from 2024-10-01 to 2024-10-02; "
            "see commissioners.csv, line 5",
        ),
    ),
    "a payer of whom nothing is said": (
        edit(f"{ORGANISATIONS}/commissioners.csv", (",QHL,icb", ",QXX,icb")),
        ("commissioners.csv, line 4: QXX pays for 15E and has no row of its own",),
    ),
    "a provider without a first day": (
        edit(f"{ORGANISATIONS}/providers.csv", (",2013-04-01,", ",,")),
        ("providers.csv, line 2: 'valid_from' is blank",),
    ),
    "organisations without dates": (
        edit(f"{ORGANISATIONS}/providers.csv", (",valid_from,valid_to", ",from,to")),
        ("providers.csv: the header has no column 'valid_from', 'valid_to'",),
    ),
    "successions that go round in a ring": (
        edit(f"{ORGANISATIONS}/successions.csv", ("RYA,RYC,", "RYA,RYD,")),
        ("successions.csv, line 4: RYA → RYD → RYA: the successions go round in a ring",),
    ),
    "a provider of no known kind": (
        edit(f"{ORGANISATIONS}/providers.csv", (",independent", ",charity")),
        ("providers.csv, line 2: 'provider_kind' is not one of nhs_trust",),
    ),
}


@pytest.mark.parametrize("kind", DATA)
def test_rules_and_prices_that_cannot_be_used_say_what_is_wrong(
    kind: str, workspace: Workspace
) -> None:
    spoil, says = DATA[kind]
    spoil(workspace)
    assert_rules_refused(workspace, *says)


@pytest.mark.parametrize(
    "kind",
    [
        "a pack with many faults, every one of which is listed",
        "a pack that is no TOML",
        "a negative price",
        "a market forces factor of 11.75",
        "an HRG twice",
        "a price book without a file",
        "no price book",
        "no providers",
    ],
)
def test_rules_and_prices_that_cannot_be_used_are_refused_by_the_run(
    kind: str, workspace: Workspace, run: Run
) -> None:
    spoil, says = DATA[kind]
    spoil(workspace)
    assert_refused(workspace, run, *says)


# --- The mart --------------------------------------------------------------------------------


def other_tables(workspace: Workspace) -> None:
    workspace.mart.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{workspace.mart}' AS mart (STORAGE_VERSION 'v1.5.0')")
        connection.execute("CREATE TABLE mart.priced_lines (record_id VARCHAR, pounds DOUBLE)")


MARTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no DuckDB file": (
        lambda w: w.mart.write_text("Dear colleague, " * 999) and None,
        ("is damaged or no DuckDB file",),
    ),
    "empty": (lambda w: w.mart.write_bytes(b"") and None, ("is damaged or no DuckDB file",)),
    "cut off": (
        lambda w: w.mart.write_bytes(w.mart.read_bytes()[:5_000]) and None,
        ("is damaged",),
    ),
    "other columns": (other_tables, ("its table excluded_drugs_baseline has other columns",)),
}


@pytest.mark.parametrize("kind", MARTS)
def test_a_mart_that_is_not_ours_is_left_as_it_is(
    kind: str, workspace: Workspace, run: Run
) -> None:
    spoil, says = MARTS[kind]
    spoil(workspace)
    assert_refused(workspace, run, "marts/outputs.duckdb", "Move it away and run", *says)


# --- The command itself ----------------------------------------------------------------------


def test_the_command_ends_with_1_and_a_sentence_and_writes_nothing_others_can_read(
    workspace: Workspace,
) -> None:
    """In a process of its own, as a user starts it, with run history on disk."""
    land(workspace, f"{BESIDE}.csv", GOOD[:-120])
    before = workspace.mart.read_bytes()
    there = set(workspace.root.rglob("*"))
    ended = subprocess.run(
        [sys.executable, "-c", "from pipelines.cli import main; main()", "run", "--month", MONTH],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "SUS_PRICING_HOME": str(workspace.root)},
        umask=0o022,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert f"Refused: {BESIDE}.csv: FILE_TRUNCATED: line 6 has fewer fields" in said
    assert "Traceback" not in said
    assert workspace.mart.read_bytes() == before
    written = set(workspace.root.rglob("*")) - there
    assert written
    open_to_others = {p.name for p in written if stat.S_IMODE(p.stat().st_mode) & 0o077}
    assert open_to_others == set()


def test_an_unreadable_list_fails_every_month_whatever_its_name_says(
    workspace: Workspace, run: Run
) -> None:
    approvals = APPROVALS.replace(",", ";") + "S1;;;;;;A1\n"
    land(workspace, "prior_approvals_2024-04.csv", approvals)
    assert_refused(workspace, run, "prior_approvals_2024-04.csv: FILE_DELIMITER")


def test_a_first_line_that_is_no_header_is_named(workspace: Workspace, run: Run) -> None:
    land(workspace, f"{BESIDE}.csv", b"\n" + extract([spell("S9")]))
    assert_refused(workspace, run, f"{BESIDE}.csv: FILE_DATASET_UNKNOWN", "not a header")


def test_an_hrg_the_price_book_does_not_hold_is_told(workspace: Workspace, run: Run) -> None:
    land(workspace, f"{BESIDE}.csv", [spell("S9", {SPELL_HRG: "BZ99Z"})])
    said = run()
    assert said.code == 0
    assert "The price book holds no row for 1 HRGs of 1 records" in said.text
    assert "BZ99Z (1)" in said.text


def test_a_price_book_counts_from_the_day_it_takes_effect(workspace: Workspace) -> None:
    shipped = workspace.data / "price_books" / "cases"
    later = shipped.with_name("later")
    shutil.copytree(shipped, later)
    manifest = later / "manifest.toml"
    text = manifest.read_text("utf-8").replace('name = "cases"', 'name = "later"')
    text = text.replace("effective_from = 2024-04-01", "effective_from = 2025-01-01")
    manifest.write_text(text, "utf-8")
    assert price_book_for(workspace, "2024-25", date(2024, 12, 1)).name == "cases"
    assert price_book_for(workspace, "2024-25", date(2025, 1, 1)).name == "later"
    manifest.write_text(text.replace("2025-01-01", "2024-04-01"), "utf-8")
    with pytest.raises(UserError, match=r"cases and later.*Keep one"):
        price_book_for(workspace, "2024-25", date(2024, 12, 1))
