"""CDS 6.2 supplementary extracts: which row is of which record, and what it adds to it."""

import csv
import gzip
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pipeline.making import (
    AGE,
    ATTENDANCE_ID,
    END,
    EPISODE,
    MEDIUM,
    MONTH,
    MULTI_PROFESSIONAL,
    OVERSEAS_VISITOR,
    QUERY_DATE,
    RECORD_TYPE,
    START,
    SUPPLEMENT_HEADER,
    SUPPLEMENT_SPELL,
    Record,
    attendance,
    extract,
    land,
    new_workspace,
    of_attendance,
    of_episode,
    refusals,
    sort_out,
    spell,
    supplementary,
    take_in,
)
from support import SHARED_REFERENCE

from pipelines.deliveries import DeliveryError, deliveries_of, has_news, months_held
from pipelines.validation import is_validated, supplements_read, valid_path
from pipelines.workspace import Workspace
from schemas.extracts import SUPPLEMENT, SUPPLEMENT_COLUMNS

LATER, EARLIER = "20241019063000", "20240818063000"
AUGUST = {START: "20240801", END: "20240801"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def added(
    workspace: Workspace, dataset: str, month: str = MONTH
) -> dict[str, tuple[str | None, ...]]:
    """What a month's valid records have of their supplementary rows, by record."""
    sort_out(workspace, dataset, month)
    valid = pl.read_parquet(valid_path(workspace, dataset, month, "freeze"))
    return {
        row[0]: row[1:] for row in valid.select("record_id", *SUPPLEMENT_COLUMNS[dataset]).rows()
    }


def visitors(workspace: Workspace, month: str = MONTH) -> dict[str, str | None]:
    """The overseas visitor status of a month's valid spells."""
    return {record_id: codes[0] for record_id, codes in added(workspace, "apc", month).items()}


def lake_of_supplements(workspace: Workspace) -> list[dict[str, Any]]:
    parts = sorted((workspace.lake / "extracts" / "supplement").rglob("*.parquet"))
    return [row for part in parts for row in pl.read_parquet(part).to_dicts()]


# --- Which row is of which record ------------------------------------------------------------


def test_attendances_are_joined_by_their_identifier(workspace: Workspace) -> None:
    land(workspace, "op.csv", [attendance(f"A{place}") for place in range(1, 5)])
    rows = [
        of_attendance("A1", {MULTI_PROFESSIONAL: "1", MEDIUM: "1", OVERSEAS_VISITOR: "8"}),
        of_attendance(" A2 ", {MULTI_PROFESSIONAL: "02", MEDIUM: "03"}),
        of_attendance("A3"),
        of_attendance("of nobody", {MEDIUM: "02"}),
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert added(workspace, "op") == {
        "A1": ("1", "01", "8"),
        "A2": ("2", "03", None),
        "A3": (None, None, None),
        "A4": (None, None, None),
    }


def test_a_row_of_another_type_is_of_no_attendance(workspace: Workspace) -> None:
    """An episode may bear the number of an attendance; so may one that is in no spell."""
    of_types = {"A1": "020", "A2": "20", "A3": "021", "A4": "", "A5": "130", "A6": "010"}
    land(workspace, "op.csv", [attendance(i) for i in [*of_types, "A7"]])
    rows = [{ATTENDANCE_ID: i, RECORD_TYPE: kind, MEDIUM: "02"} for i, kind in of_types.items()]
    rows += [{ATTENDANCE_ID: "A7", SUPPLEMENT_SPELL: "S1", RECORD_TYPE: "020", MEDIUM: "02"}]
    land(workspace, "cds62.csv", supplementary(*rows))
    media = {i: codes[1] for i, codes in added(workspace, "op").items()}
    assert media == {
        **dict.fromkeys(("A1", "A2", "A3", "A4"), "02"),
        **dict.fromkeys(("A5", "A6", "A7")),
    }


def test_the_last_episode_that_has_a_status_gives_it_to_the_spell(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell(f"S{place}") for place in range(1, 6)])
    rows = [
        of_episode("E1", "S1", "2", "4"),
        of_episode("E2", "S1", "1", "8"),
        of_episode("E3", "S2", "9", "1"),
        of_episode("E4", "S2", "10", "2"),
        of_episode("E5", "S3", "1", "3"),
        of_episode("E6", "S3", "2", ""),
        of_episode("E7", "S4", "1", ""),
        of_episode("S5", "S1", "", "9"),
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert visitors(workspace) == {"S1": "4", "S2": "2", "S3": "3", "S4": None, "S5": None}


def test_episodes_without_an_identifier_of_their_own_are_told_apart_by_number(
    workspace: Workspace,
) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S2")])
    rows = [
        {**of_episode("", "S1", "1", "8"), QUERY_DATE: LATER},
        of_episode("", "S1", "2", "4"),
        of_episode("", "S2", "1", "2"),
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert visitors(workspace) == {"S1": "4", "S2": "2"}


def test_one_file_may_be_of_both_datasets_and_of_any_month(workspace: Workspace) -> None:
    """It names a month and has no date: a record is found wherever it was costed."""
    august = spell("S2", {**AUGUST, QUERY_DATE: LATER})
    land(workspace, "apc.csv", [spell("S1"), august])
    land(workspace, "op.csv", [attendance("A1")])
    episodes = [of_episode("E1", "S1", "1", "4"), of_episode("E2", "S2", "1", "2")]
    both = supplementary(*episodes, of_attendance("A1", {MEDIUM: "02"}))
    land(workspace, "cds62_2024-07.csv", both)
    assert visitors(workspace) == {"S1": "4"}
    assert visitors(workspace, "2024-08") == {"S2": "2"}
    assert added(workspace, "op") == {"A1": (None, "02", None)}


# --- Which of several stands -----------------------------------------------------------------


def test_the_later_query_date_stands(workspace: Workspace) -> None:
    land(workspace, "op.csv", [attendance("A1"), attendance("A2"), attendance("A3")])
    first = [of_attendance(i, {MEDIUM: "01", OVERSEAS_VISITOR: "4"}) for i in ("A1", "A2", "A3")]
    again = [
        of_attendance("A1", {MEDIUM: "02", QUERY_DATE: LATER}),
        of_attendance("A2", {MEDIUM: "03", QUERY_DATE: EARLIER}),
        of_attendance("A3", {MEDIUM: "04", QUERY_DATE: "99999999999999"}),
    ]
    land(workspace, "freeze/a.csv", supplementary(*again))
    land(workspace, "freeze/b.csv", supplementary(*first))
    assert added(workspace, "op") == {
        "A1": (None, "02", None),
        "A2": (None, "01", "4"),
        "A3": (None, "01", "4"),
    }


def test_of_two_alike_the_row_delivered_last_stands(workspace: Workspace) -> None:
    land(workspace, "op.csv", [attendance("A1")])
    rows = [of_attendance("A1", {MEDIUM: medium}) for medium in ("03", "01", "02")]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert added(workspace, "op") == {"A1": (None, "02", None)}


def test_an_episode_that_was_sent_again_in_another_spell_is_of_the_other(
    workspace: Workspace,
) -> None:
    """Also where the other was discharged in another month."""
    land(
        workspace, "apc.csv", [spell("S1"), spell("S2"), spell("S3", {**AUGUST, QUERY_DATE: LATER})]
    )
    rows = [
        of_episode("E1", "S1", "1", "8"),
        of_episode("E2", "S1", "2", "4"),
        {**of_episode("E2", "S2", "1", "4"), QUERY_DATE: LATER},
        of_episode("E3", "S2", "2", "1"),
        {**of_episode("E3", "S3", "1", "1"), QUERY_DATE: LATER},
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert visitors(workspace) == {"S1": "8", "S2": "4"}
    assert visitors(workspace, "2024-08") == {"S3": "1"}


def test_a_status_that_was_taken_back_is_gone(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1")])
    rows = [
        of_episode("E1", "S1", "1", "2"),
        of_episode("E2", "S1", "2", "4"),
        {**of_episode("E2", "S1", "2", ""), QUERY_DATE: LATER},
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert visitors(workspace) == {"S1": "2"}


# --- Codes that are not known ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "place", "code", "known"),
    [
        (OVERSEAS_VISITOR, 2, "OVERSEAS_VISITOR_UNKNOWN", ("1", "2", "3", "4", "8", "9")),
        (MULTI_PROFESSIONAL, 0, "MULTI_PROFESSIONAL_UNKNOWN", ("1", "2")),
        (MEDIUM, 1, "CONSULTATION_MEDIUM_UNKNOWN", ("01", "04", "08", "98")),
    ],
)
def test_a_code_that_is_not_known_is_counted_and_left_out(
    workspace: Workspace, header: str, place: int, code: str, known: tuple[str, ...]
) -> None:
    texts = {f"A{number}": text for number, text in enumerate((*known, "", "0", "00", "9X", "70"))}
    land(workspace, "op.csv", [attendance(i) for i in texts])
    land(
        workspace,
        "cds62.csv",
        supplementary(*(of_attendance(i, {header: t}) for i, t in texts.items())),
    )
    codes = {i: row[place] for i, row in added(workspace, "op").items()}
    assert codes == {i: text if text in known else None for i, text in texts.items()}
    assert sort_out(workspace, "op").warnings == {code: 4}
    assert refusals(workspace, "op") == {}


def test_a_code_that_another_took_the_place_of_is_not_counted(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S2"), spell("refused", {AGE: ""})])
    rows = [
        of_episode("E1", "S1", "1", "7"),
        of_episode("E2", "S1", "2", "4"),
        of_episode("E3", "S2", "1", "7"),
        {**of_episode("E3", "S2", "1", "8"), QUERY_DATE: LATER},
        of_episode("E4", "refused", "1", "7"),
    ]
    land(workspace, "cds62.csv", supplementary(*rows))
    assert sort_out(workspace).warnings == {}


# --- Taken in as other files are -------------------------------------------------------------


def test_without_a_supplementary_extract_nothing_is_added(workspace: Workspace) -> None:
    land(workspace, "op.csv", [attendance("A1")])
    assert added(workspace, "op") == {"A1": (None, None, None)}
    assert supplements_read(workspace, "op", MONTH, "freeze") == []


def test_only_what_is_used_is_kept(workspace: Workspace) -> None:
    """Start times, incident and clinic numbers stay at the door, and so does what was unpacked."""
    secret = {"Ambulance Incident Number": "INCIDENT-77", "Clinic Code": "CLINIC-77"}
    rows = supplementary({**of_episode("E1", "S1", "1", "4"), **secret})
    land(workspace, "freeze/cds62.csv.gz", gzip.compress(rows))
    land(workspace, "apc.csv", [spell("S1")])
    assert visitors(workspace) == {"S1": "4"}
    (row,) = lake_of_supplements(workspace)
    assert row.keys() == {*(c.name for c in SUPPLEMENT.columns), "delivery_id", "row_number"}
    assert "77" not in str({k: v for k, v in row.items() if k != "delivery_id"})
    assert not list(workspace.landing.glob(".*"))


@pytest.mark.parametrize("names", [("a.csv", "copy of a.csv"), ("flex/a.csv", "freeze/a.csv")])
def test_the_same_file_twice_counts_once(workspace: Workspace, names: tuple[str, str]) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S2")])
    for name in names:
        land(workspace, name, supplementary(of_episode("E1", "S1", "1", "4")))
    assert visitors(workspace) == {"S1": "4", "S2": None}
    (read,) = supplements_read(workspace, "apc", MONTH, "freeze")
    assert read["records"] == 1


def test_a_file_taken_in_is_not_read_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(workspace, "apc.csv", [spell("S1")])
    land(workspace, "op.csv", [attendance("A1")])
    land(workspace, "cds62.csv", supplementary(of_episode("E1", "S1", "1", "4")))
    take_in(workspace, "op")
    take_in(workspace, "apc")
    monkeypatch.setattr(pl, "scan_csv", lambda *_, **__: pytest.fail("a file is read again"))
    take_in(workspace, "op")
    take_in(workspace, "apc")
    shutil.rmtree(workspace.lake / "extracts" / "supplement")
    with pytest.raises(pytest.fail.Exception, match="read again"):
        take_in(workspace, "op")


FAULTS: dict[str, tuple[bytes, str]] = {
    "cut off": (
        supplementary(of_attendance(), of_attendance("A2"))[:-20],
        "FILE_TRUNCATED: line 3 has fewer fields",
    ),
    "a field too many": (
        supplementary(of_attendance()).removesuffix(b"\r\n") + b",\r\n",
        "FILE_MALFORMED: line 2 has more fields",
    ),
    "header only": (supplementary(), "FILE_HEADER_ONLY"),
    "a column missing": (
        extract([of_attendance()], [h for h in SUPPLEMENT_HEADER if h != SUPPLEMENT_SPELL]),
        "FILE_COLUMN_MISSING: .*'Spell ID'",
    ),
    "a column twice": (
        extract([of_attendance()], [*SUPPLEMENT_HEADER, EPISODE]),
        "FILE_COLUMN_REPEATED: .*'Episode Number'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dataset", ["apc", "op"])
def test_a_file_that_cannot_be_read_fails_the_months_it_may_hold(
    workspace: Workspace, dataset: str, fault: str
) -> None:
    content, says = FAULTS[fault]
    land(workspace, "apc.csv", [spell("S1"), spell("S2", {**AUGUST, QUERY_DATE: LATER})])
    land(workspace, "op.csv", [attendance("A1")])
    land(workspace, "cds62_2024-07.csv", content)
    with pytest.raises(DeliveryError, match=f"^cds62_2024-07.csv: {says}"):
        take_in(workspace, dataset)
    assert len(take_in(workspace, "apc", "2024-08")) == 1
    assert lake_of_supplements(workspace) == []


def test_columns_that_have_moved_are_read_the_same(workspace: Workspace) -> None:
    """Also those that a receiving database puts after them."""
    land(workspace, "apc.csv", [spell("S1")])
    columns = [*reversed(SUPPLEMENT_HEADER), "Id", "ImportRunDataFileId", "ActivityDate"]
    row: Record = {**of_episode("E1", "S1", "1", "4"), QUERY_DATE: LATER, "ActivityDate": "1900"}
    land(workspace, "cds62.csv", extract([row], columns))
    assert visitors(workspace) == {"S1": "4"}


# --- What a new one sets going ---------------------------------------------------------------


def test_a_month_is_validated_again_when_a_supplementary_extract_comes_or_goes(
    workspace: Workspace,
) -> None:
    land(workspace, "apc.csv", [spell("S1"), spell("S2", {**AUGUST, QUERY_DATE: LATER})])
    land(workspace, "op.csv", [attendance("A1")])
    held = [("apc", MONTH), ("apc", "2024-08"), ("op", MONTH)]

    def validated() -> list[bool]:
        return [is_validated(workspace, dataset, month) for dataset, month in held]

    for dataset, month in held:
        sort_out(workspace, dataset, month)
    assert (validated(), has_news(workspace)) == ([True] * 3, False)

    path = land(workspace, "cds62.csv", supplementary(of_episode("E1", "S1", "1", "4")))
    assert has_news(workspace)
    take_in(workspace, "op")
    assert (validated(), has_news(workspace)) == ([False] * 3, False)
    for dataset, month in held:
        sort_out(workspace, dataset, month)
    assert validated() == [True] * 3
    (read,) = supplements_read(workspace, "apc", MONTH, "freeze")
    assert (read["name"], read["records"]) == ("cds62.csv", 1)

    path.unlink()
    assert validated() == [False] * 3
    assert visitors(workspace) == {"S1": None}


def test_a_month_that_an_older_version_validated_is_validated_again(workspace: Workspace) -> None:
    land(workspace, "apc.csv", [spell("S1")])
    sort_out(workspace)
    assert is_validated(workspace, "apc", MONTH)
    kept = valid_path(workspace, "apc", MONTH, "freeze").with_name("made_from.json")
    (delivery,) = deliveries_of(workspace, "apc")
    kept.write_text(f'["freeze {delivery.sha256}"]')
    assert not is_validated(workspace, "apc", MONTH)


def test_a_supplementary_extract_is_of_no_month_of_its_own(workspace: Workspace) -> None:
    """Like a list: the sensor starts no month for it, and what it holds is found by record."""
    land(workspace, "cds62_2024-07.csv", supplementary(of_episode("E1", "S1", "1", "4")))
    assert months_held(workspace, "cds62_2024-07.csv") == set()


def test_the_header_made_here_is_the_one_that_is_published() -> None:
    """But for the last four, which a receiving database adds."""
    path = SHARED_REFERENCE / "sus_pbr_columns.csv"
    if not path.is_file():
        pytest.skip("the published column lists are not here")
    headers: dict[str, list[str]] = {}
    for row in csv.reader(path.read_text("utf-8").splitlines()):
        headers.setdefault(row[0], []).append(row[2])
    for kind in ("apc_supplementary_cds62", "op_supplementary_cds62"):
        assert headers[kind][:-4] == list(SUPPLEMENT_HEADER)
        assert headers[kind][-4:] == ["Id", "ImportRunDataFileId", "ActivityDate", "ActivityPeriod"]
