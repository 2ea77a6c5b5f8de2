"""Organisations and HRGs over time: lists from file to priced line, and lists that are wrong.

Belongs here: importing lists, what counts on a day, and months priced under another year's
rules. Does not belong here: what a code comes down to (`tests/cases/organisations.yaml`), or
a retired HRG to (`tests/cases/hrgs_over_time.yaml`).
"""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from pipeline import making
from pipeline.making import (
    COMMISSIONER,
    DERIVED_COMMISSIONER,
    EBI_CATEGORY,
    EBI_TYPE,
    END,
    PROVIDER,
    SPELL_HRG,
    START,
    Line,
    Record,
    attendance,
    land,
    new_workspace,
    publish,
    sort_out,
    spell,
)
from support import SHARED_REFERENCE

from pipelines import accounting, cli, explaining, pricing_run
from pipelines.basis import PricingBasis
from pipelines.explaining import ExplainedReason, explain_record
from pipelines.organisation_imports import import_organisations
from pipelines.organisations import (
    COMMISSIONERS,
    PROVIDERS,
    SITES,
    SUCCESSIONS,
    Organisations,
    read_organisations,
)
from pipelines.pricing_run import rulebook_for
from pipelines.workspace import PROJECT, UserError, Workspace

PUBLISHED = date(2026, 11, 1)
TODAY = date.today()
JULY = date(2024, 7, 1)
PROVIDER_HEADER = "provider_code,provider_name,provider_kind,valid_from,valid_to"
SITE_HEADER = "site_code,provider_code,valid_from,valid_to"
COMMISSIONER_HEADER = (
    "organisation_code,organisation_name,commissioner_code,commissioner_kind,valid_from,valid_to"
)
SUCCESSION_HEADER = "predecessor_code,successor_code,effective_on"
LIST_HEADER = (
    "code,name,status,type,ods_role,operational_start,postcode,country,successor_code,"
    "parent_icb_code,parent_icb_name"
)
MAPPING_HEADER = (
    "sub_icb_code,icb_code,commissioning_hub,region,health_and_justice,delegated,"
    "effective_from,effective_to"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def put(workspace: Workspace, name: str, *lines: str) -> Path:
    """A file of these lines somewhere in the workspace, to be imported."""
    path = workspace.root / name
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def ods(code: str, name: str, opened: str, closed: str = "", parent: str = "") -> str:
    """A row of a file of the Organisation Data Service: 27 columns, addresses made up."""
    address = ["1 MADE UP STREET", "", "", "NOWHERE", "", "ZZ1 1ZZ"]
    row = [code, name, "Y56", "QMJ", *address, opened, closed, "", "", parent, *[""] * 12]
    assert len(row) == 27
    return ",".join(f'"{cell}"' for cell in row)


def add(
    workspace: Workspace,
    table: str,
    *lines: str,
    name: str = "list.csv",
    published: date = PUBLISHED,
    kind: str | None = None,
) -> int:
    """Imports a file of these lines; gives the rows that were kept."""
    path = put(workspace, name, *lines)
    return import_organisations(workspace, path, table, published, kind).rows


def payer(organisations: Organisations, code: str, on: date) -> str | None:
    party = organisations.parties(COMMISSIONERS, [code], on)[code]
    return party and party.code


def provider(organisations: Organisations, code: str, on: date) -> str | None:
    party = organisations.parties(PROVIDERS, [code], on)[code]
    return party and party.code


def laid_out(organisations: Organisations, activity: date, on: date) -> dict[str, str | None]:
    """What each delivered code of a provider or site comes down to."""
    table = organisations.laid_out(activity, on)[PROVIDERS]
    return dict(table.select("delivered_code", "provider_code").iter_rows())


# --- What is imported ------------------------------------------------------------------------


def test_an_imported_list_takes_the_place_of_the_bundled_one_entirely(
    tmp_path: Path,
) -> None:
    workspace = Workspace(root=tmp_path, data=PROJECT / "data")
    assert read_organisations(workspace).lists[PROVIDERS].is_illustrative
    rows = add(workspace, PROVIDERS, PROVIDER_HEADER, "RZZ,A trust,nhs_trust,2013-04-01,")
    organisations = read_organisations(workspace)
    assert rows == 1
    assert organisations.lists[PROVIDERS].rows["provider_code"].to_list() == ["RZZ"]
    assert not organisations.lists[PROVIDERS].is_illustrative
    assert organisations.lists[PROVIDERS].published == PUBLISHED
    assert organisations.lists[COMMISSIONERS].is_illustrative
    assert organisations.is_illustrative


def test_lists_kept_in_the_users_own_data_are_not_those_of_the_demonstration(
    workspace: Workspace,
) -> None:
    assert not read_organisations(workspace).is_illustrative


def test_before_the_first_import_the_bundled_list_does_not_stand_in(workspace: Workspace) -> None:
    add(workspace, PROVIDERS, PROVIDER_HEADER, "RZZ,A trust,nhs_trust,2013-04-01,")
    on_the_day = workspace.on(PricingBasis(None, PUBLISHED))
    assert read_organisations(on_the_day).lists[PROVIDERS].published == PUBLISHED
    before = workspace.on(PricingBasis(None, PUBLISHED - timedelta(days=1)))
    with pytest.raises(UserError, match=f"first published on {PUBLISHED}") as error:
        read_organisations(before)
    assert "organisations import FILE.csv --table providers" in str(error.value)


def test_codes_that_a_later_publication_lacks_are_told(workspace: Workspace) -> None:
    two = ("RYY,Another,nhs_trust,2013-04-01,", "RZZ,A trust,nhs_trust,2013-04-01,")
    add(workspace, PROVIDERS, PROVIDER_HEADER, *two)
    later = PUBLISHED + timedelta(days=1)
    path = put(workspace, "later.csv", PROVIDER_HEADER, two[0])
    assert import_organisations(workspace, path, PROVIDERS, later).gone == ("RZZ",)
    rest = put(workspace, "rest.csv", PROVIDER_HEADER, two[1])
    assert import_organisations(workspace, rest, PROVIDERS, later).gone == ()


def test_an_import_changes_what_identifies_the_lists(workspace: Workspace) -> None:
    before = read_organisations(workspace).sha256
    add(workspace, PROVIDERS, PROVIDER_HEADER, "RZZ,A trust,nhs_trust,2013-04-01,")
    assert read_organisations(workspace).sha256 != before


def test_an_import_again_does_nothing(workspace: Workspace) -> None:
    path = put(workspace, "p.csv", PROVIDER_HEADER, "RZZ,A trust,nhs_trust,2013-04-01,")
    first = import_organisations(workspace, path, PROVIDERS, PUBLISHED)
    again = import_organisations(workspace, path, PROVIDERS, PUBLISHED)
    assert (first.was_there, again.was_there) == (False, True)
    assert (first.rows, again.rows) == (1, 1)
    assert read_organisations(workspace).lists[PROVIDERS].rows.height == 1


def test_files_of_one_day_are_one_list_and_a_later_day_is_another(workspace: Workspace) -> None:
    add(workspace, PROVIDERS, ods("RZZ", "A TRUST", "20130401"), name="etr.csv", kind="nhs_trust")
    add(
        workspace,
        PROVIDERS,
        ods("NZZ", "A HOSPITAL LTD", "20130401"),
        name="ephp.csv",
        kind="independent",
    )
    both = read_organisations(workspace).lists[PROVIDERS]
    assert sorted(both.rows["provider_code"]) == ["NZZ", "RZZ"]
    assert sorted(source.file for source in both.sources) == ["ephp.csv", "etr.csv"]
    later = PUBLISHED + timedelta(days=7)
    add(workspace, PROVIDERS, PROVIDER_HEADER, "RYY,B,nhs_trust,2013-04-01,", published=later)
    assert read_organisations(workspace).lists[PROVIDERS].rows["provider_code"].to_list() == ["RYY"]


def test_what_was_published_after_a_day_does_not_count_as_of_it(workspace: Workspace) -> None:
    for code, published in (("RYY", date(2025, 5, 1)), ("RZZ", date(2025, 7, 1))):
        row = f"{code},A trust,nhs_trust,2013-04-01,"
        add(workspace, PROVIDERS, PROVIDER_HEADER, row, published=published)

    def known(as_of: date | None) -> set[str]:
        on_basis = workspace.on(PricingBasis(None, as_of))
        return set(read_organisations(on_basis).lists[PROVIDERS].rows["provider_code"])

    assert known(None) == known(date(2025, 7, 1)) == {"RZZ"}
    assert known(date(2025, 6, 30)) == known(date(2025, 5, 1)) == {"RYY"}


def test_what_a_killed_import_leaves_is_not_read(workspace: Workspace) -> None:
    add(workspace, PROVIDERS, PROVIDER_HEADER, "RZZ,A trust,nhs_trust,2013-04-01,")
    made = next((workspace.imported / "organisations" / PROVIDERS).glob("*/*"))
    left = made.with_name(f".{made.name}.writing")
    left.mkdir()
    (left / "manifest.json").write_bytes((made / "manifest.json").read_bytes())
    assert read_organisations(workspace).lists[PROVIDERS].rows.height == 1


def test_trusts_of_the_data_service_have_the_kind_that_is_given_and_ambulances_their_own(
    workspace: Workspace,
) -> None:
    add(
        workspace,
        PROVIDERS,
        ods("RZZ", "A UNIVERSITY HOSPITALS NHS TRUST", "20130401"),
        ods("RYZ", "ANOTHER AMBULANCE SERVICE NHS TRUST", "20130401", "20230331"),
        kind="nhs_trust",
    )
    rows = read_organisations(workspace).lists[PROVIDERS].rows
    assert rows.select("provider_code", "provider_kind", "valid_from", "valid_to").rows() == [
        ("RZZ", "nhs_trust", date(2013, 4, 1), None),
        ("RYZ", "ambulance_trust", date(2013, 4, 1), date(2023, 3, 31)),
    ]


def test_sites_of_the_data_service_are_their_parents_else_what_their_code_begins_with(
    workspace: Workspace,
) -> None:
    imported = import_organisations(
        workspace,
        put(
            workspace,
            "ets.csv",
            ods("RRV40", "A SITE", "20130401"),
            ods("X9Y8Z", "A SITE WITH A NEW CODE", "20210401", parent="RTD"),
            ods("RRV41", "A SITE OF ANOTHER", "20210401", parent="RGT"),
            ods("RQQ01", "A SITE OF NOBODY", "20130401"),
        ),
        SITES,
        PUBLISHED,
    )
    assert imported.rows == 3
    assert imported.left_out == {"of no provider of the lists": 1}
    found = laid_out(read_organisations(workspace), JULY, JULY)
    assert [found[site] for site in ("RRV40", "X9Y8Z", "RRV41")] == ["RRV", "RTD", "RGT"]
    assert "RQQ01" not in found
    assert "X9Y8Z" not in laid_out(read_organisations(workspace), date(2021, 3, 1), JULY)


def test_successions_of_the_data_service_are_kept_as_far_as_they_concern_the_lists(
    workspace: Workspace,
) -> None:
    imported = import_organisations(
        workspace,
        put(
            workspace,
            "succ.csv",
            '"RZ1","RZ2","R","20150401","1"',
            '"RZ2","RTD","R","20190401","1"',
            '"A81001","A81002","R","20190401","1"',
            '"RZ3","RTD","R","20190401","1"',
            '"RZ3","RRV","R","20190401","1"',
        ),
        SUCCESSIONS,
        PUBLISHED,
    )
    assert imported.rows == 2
    assert imported.left_out == {
        "organisations with several successors": 1,
        "of no organisation of the lists": 1,
    }
    organisations = read_organisations(workspace)
    assert provider(organisations, "RZ1", JULY) == "RTD"
    assert provider(organisations, "RZ1", date(2018, 7, 1)) is None
    assert "RZ3" not in organisations.known(PROVIDERS)


def test_an_open_organisation_ends_where_it_was_succeeded(workspace: Workspace) -> None:
    """The data service leaves a trust open after its merger while its code is still in use."""
    add(workspace, SUCCESSIONS, SUCCESSION_HEADER, "RRV,RGT,2024-07-01")
    organisations = read_organisations(workspace)
    assert provider(organisations, "RRV", date(2024, 6, 1)) == "RRV"
    assert provider(organisations, "RRV", JULY) == "RGT"


def test_a_list_of_commissioners_gives_boards_locations_and_hubs(workspace: Workspace) -> None:
    imported = import_organisations(
        workspace,
        put(
            workspace,
            "list.csv",
            LIST_HEADER,
            "55A,A LOCATION,Active,Sub-ICB Location,RO98,2013-04-01,,,,QX1,A BOARD",
            "QX1,A BOARD,Active,Unknown,RO261,2017-04-01,,,,,",
            "QX2,A PARTNERSHIP,Active,Unknown,RO261,2017-04-01,,,,,",
            "44B,A COMMISSIONING HUB,Active,CCG (Legacy),RO98,2013-03-13,,,,Y56,",
            "44C,AN OLD COMMISSIONING HUB,Active,CCG (Legacy),RO98,2013-03-13,,,44B,,",
            "33D,A CCG,Inactive,CCG (Legacy),RO98,2013-04-01,,,55A,,",
        ),
        COMMISSIONERS,
        PUBLISHED,
    )
    assert imported.rows == 3
    assert list(imported.left_out.values()) == [3]
    add(
        workspace,
        SUCCESSIONS,
        *(workspace.root / "list.csv").read_text("utf-8").splitlines(),
        name="again.csv",
    )
    organisations = read_organisations(workspace)
    assert payer(organisations, "55A", JULY) == "QX1"
    assert payer(organisations, "55A", date(2016, 4, 1)) is None
    assert payer(organisations, "44B", JULY) == "44B"
    assert payer(organisations, "44C", JULY) == "44B"
    assert payer(organisations, "33D", JULY) == "QX1"
    assert "QX2" not in organisations.known(COMMISSIONERS)


def test_rows_of_a_mapping_that_follow_on_one_another_are_one(workspace: Workspace) -> None:
    add(
        workspace,
        COMMISSIONERS,
        MAPPING_HEADER,
        "55A,QX1,44B,Y56,44H,No,2024-04-01,2025-03-31",
        "55A,QX1,44B,Y56,44H,Yes,2025-04-01,2026-03-31",
        "55A,QX2,44B,Y56,44H,Yes,2026-04-01,2050-03-31",
    )
    rows = read_organisations(workspace).lists[COMMISSIONERS].rows
    kept = rows.select("organisation_code", "commissioner_code", "valid_from", "valid_to").rows()
    assert sorted(kept, key=str) == [
        ("44B", "44B", date(2024, 4, 1), None),
        ("44H", "44H", date(2024, 4, 1), None),
        ("55A", "QX1", date(2024, 4, 1), date(2026, 3, 31)),
        ("55A", "QX2", date(2026, 4, 1), None),
        ("QX1", "QX1", date(2024, 4, 1), date(2026, 3, 31)),
        ("QX2", "QX2", date(2026, 4, 1), None),
    ]
    assert dict(rows.select("organisation_code", "commissioner_kind").iter_rows()) == {
        **dict.fromkeys(("44B", "44H"), "nhs_england"),
        **dict.fromkeys(("55A", "QX1", "QX2"), "icb"),
    }


@pytest.mark.skipif(
    not (SHARED_REFERENCE / "ods_commissioners.csv").is_file(),
    reason="the reference lists of commissioners are not beside the project",
)
def test_the_real_lists_of_commissioners_resolve_codes_that_were_looked_up_by_hand(
    workspace: Workspace,
) -> None:
    for name, table in (
        ("sub_icb_to_icb.csv", COMMISSIONERS),
        ("ods_commissioners.csv", SUCCESSIONS),
    ):
        import_organisations(workspace, SHARED_REFERENCE / name, table, PUBLISHED)
    organisations = read_organisations(workspace)
    # Darlington CCG became part of Tees Valley (16C), a location of North East and North Cumbria.
    assert payer(organisations, "00C", TODAY) == "QHM"
    assert payer(organisations, "16C", JULY) == "QHM"
    # East Berkshire CCG became part of Frimley (D4U1Y), which is QNQ.
    assert payer(organisations, "15D", JULY) == "QNQ"
    # Yorkshire and Humber hub became North East and Yorkshire, which pays for itself.
    assert payer(organisations, "13V", JULY) == "85J"
    assert payer(organisations, "85J", JULY) == "85J"
    # The mapping begins in April 2024 and says nothing of before.
    assert payer(organisations, "16C", date(2024, 3, 1)) is None
    boards = {
        row["commissioner_code"]
        for row in organisations.lists[COMMISSIONERS].rows.iter_rows(named=True)
        if row["commissioner_kind"] == "icb"
    }
    assert len(boards) == 42


@pytest.mark.skipif(
    not (SHARED_REFERENCE / "ods_commissioners.csv").is_file(),
    reason="the reference lists of commissioners are not beside the project",
)
def test_the_real_list_of_commissioners_gives_every_location_its_board(
    workspace: Workspace,
) -> None:
    path = SHARED_REFERENCE / "ods_commissioners.csv"
    import_organisations(workspace, path, COMMISSIONERS, PUBLISHED)
    rows = read_organisations(workspace).lists[COMMISSIONERS].rows
    parts = rows.filter(rows["organisation_code"] != rows["commissioner_code"])
    assert parts.height == 106
    assert parts["commissioner_code"].n_unique() == 42
    organisations = read_organisations(workspace)
    assert payer(organisations, "93C", JULY) == "QMJ"
    assert payer(organisations, "13Q", JULY) == "13Q"


# --- What is wrong ---------------------------------------------------------------------------

TRUST = "RZZ,A trust,nhs_trust"
BAD: dict[str, tuple[str, Sequence[str], str | None, tuple[str, ...]]] = {
    "rows of a provider that overlap": (
        PROVIDERS,
        (PROVIDER_HEADER, f"{TRUST},2013-04-01,2020-03-31", f"{TRUST},2020-03-01,"),
        None,
        ("line 3: RZZ is given twice from 2020-03-01 to 2020-03-31; see bad.csv, line 2",),
    ),
    "rows of a provider that never end and overlap": (
        PROVIDERS,
        (PROVIDER_HEADER, f"{TRUST},2013-04-01,", f"{TRUST},2020-03-01,"),
        None,
        ("line 3: RZZ is given twice from 2020-03-01 on",),
    ),
    "rows of a site that overlap": (
        SITES,
        (SITE_HEADER, "RRV50,RRV,2013-04-01,", "RRV50,RTD,2013-04-01,"),
        None,
        ("line 3: RRV50 is given twice from 2013-04-01 on",),
    ),
    "a gap in a provider's days": (
        PROVIDERS,
        (PROVIDER_HEADER, f"{TRUST},2013-04-01,2020-03-30", f"{TRUST},2020-04-01,"),
        None,
        ("line 3: RZZ is given for no day on 2020-03-31; see bad.csv, line 2",),
    ),
    "a gap in a mapping": (
        COMMISSIONERS,
        (
            COMMISSIONER_HEADER,
            "55A,A location,QX1,icb,2013-04-01,2022-06-30",
            "55A,A location,QX1,icb,2022-07-02,",
            "QX1,A board,QX1,icb,2013-04-01,",
        ),
        None,
        ("line 3: 55A has no payer on 2022-07-01; see bad.csv, line 2",),
    ),
    "a gap in a mapping as published": (
        COMMISSIONERS,
        (
            MAPPING_HEADER,
            "55A,QX1,44B,Y56,,No,2024-04-01,2025-03-31",
            "55A,QX1,44B,Y56,,No,2025-05-01,2050-03-31",
            "55B,QX1,44B,Y56,,No,2024-04-01,2050-03-31",
        ),
        None,
        ("line 3: 55A has no payer from 2025-04-01 to 2025-04-30",),
    ),
    "a payer without a row": (
        COMMISSIONERS,
        (COMMISSIONER_HEADER, "55A,A location,QX1,icb,2013-04-01,"),
        None,
        ("line 2: QX1 pays for 55A and has no row of its own",),
    ),
    "a row that ends before it starts": (
        PROVIDERS,
        (PROVIDER_HEADER, f"{TRUST},2020-03-31,2020-03-30"),
        None,
        ("line 2: ends before it starts",),
    ),
    "successions that go round in a ring": (
        SUCCESSIONS,
        (SUCCESSION_HEADER, "RRV,RTD,2024-04-01", "RTD,RGT,2024-04-01", "RGT,RRV,2024-04-01"),
        None,
        ("line 4: RGT → RRV → RTD → RGT: the successions go round in a ring",),
    ),
    "an organisation that succeeds itself": (
        SUCCESSIONS,
        (SUCCESSION_HEADER, "RRV,RRV,2024-04-01"),
        None,
        ("line 2: RRV → RRV: the successions go round in a ring",),
    ),
    "a successor of whom nothing is known": (
        SUCCESSIONS,
        (SUCCESSION_HEADER, "RRV,RTD,2024-04-01", "RGT,RQQ,2024-04-01"),
        None,
        ("line 3: RQQ is not an organisation of the lists; import those first",),
    ),
    "two successors": (
        SUCCESSIONS,
        (SUCCESSION_HEADER, "RRV,RTD,2024-04-01", "RRV,RGT,2025-04-01"),
        None,
        ("line 3: RRV has a successor already; see bad.csv, line 2",),
    ),
    "a site of a provider of whom nothing is known": (
        SITES,
        (SITE_HEADER, "RQQ01,RQQ,2013-04-01,"),
        None,
        ("line 2: RQQ is not a provider of the lists",),
    ),
    "a kind that there is not": (
        PROVIDERS,
        (PROVIDER_HEADER, "RZZ,A trust,charity,2013-04-01,"),
        None,
        ("line 2: 'provider_kind' is not one of nhs_trust, ambulance_trust, independent",),
    ),
    "dates of the data service that are none": (
        PROVIDERS,
        (
            ods("RZX", "A TRUST", "20130401"),
            ods("RZY", "A TRUST", "20130431"),
            ods("RZZ", "A TRUST", "20130401", "never"),
        ),
        "nhs_trust",
        ("line 2: 'column 11' is not a date such as", "line 3: 'column 12' is not a date such as"),
    ),
    "a provider of the data service without a first day": (
        PROVIDERS,
        (ods("RZX", "A TRUST", "20130401"), ods("RZY", "A TRUST", "")),
        "nhs_trust",
        ("line 2: 'column 11' is blank",),
    ),
    "a file of the data service whose kind is not given": (
        PROVIDERS,
        (ods("RZX", "A TRUST", "20130401"),),
        None,
        ("does not say of what kind its providers are. Give --kind nhs_trust",),
    ),
    "a file of the data service whose rows are of different lengths": (
        PROVIDERS,
        (ods("RZX", "A TRUST", "20130401"), '"RZY","A TRUST"'),
        "nhs_trust",
        ("line 2: has 2 fields, the header has 27",),
    ),
    "a location of a list without its board": (
        COMMISSIONERS,
        (LIST_HEADER, "55A,A LOCATION,Active,Sub-ICB Location,RO98,2013-04-01,,,,,"),
        None,
        ("line 2: 55A is a sub-ICB location without a parent_icb_code",),
    ),
    "a header of another list": (
        PROVIDERS,
        (SITE_HEADER, "RRV01,RRV,2013-04-01,"),
        None,
        ("has no layout of providers that is known", "provider_code, provider_name"),
    ),
    "national successions that concern nobody": (
        SUCCESSIONS,
        ('"A81001","A81002","R","20190401","1"',),
        None,
        ("holds no successions that could be kept",),
    ),
    "nothing": (PROVIDERS, (), None, ("has no layout of providers that is known",)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_list_that_is_wrong_is_told_by_its_line_and_not_stored(
    kind: str, workspace: Workspace
) -> None:
    table, lines, provider_kind, says = BAD[kind]
    path = put(workspace, "bad.csv", *lines)
    with pytest.raises(UserError) as refused:
        import_organisations(workspace, path, table, PUBLISHED, provider_kind)
    for words in ("bad.csv", *says):
        assert words in str(refused.value)
    assert list(workspace.imported.glob("**/*")) == []


def test_every_fault_of_a_list_is_told_at_once(workspace: Workspace) -> None:
    lines = (
        f"{TRUST},2013-04-01,2012-04-01",
        "RZY,A,nhs_trust,2013-04-01,",
        "RZY,B,nhs_trust,2013-04-01,",
    )
    path = put(workspace, "bad.csv", PROVIDER_HEADER, *lines)
    with pytest.raises(UserError) as refused:
        import_organisations(workspace, path, PROVIDERS, PUBLISHED)
    assert "bad.csv, line 2: ends before it starts" in str(refused.value)
    assert "bad.csv, line 4: RZY is given twice" in str(refused.value)


def test_a_file_that_overlaps_another_of_its_day_is_told_with_both_lines(
    workspace: Workspace,
) -> None:
    add(workspace, PROVIDERS, PROVIDER_HEADER, f"{TRUST},2013-04-01,", name="first.csv")
    with pytest.raises(UserError, match=r"see first\.csv, line 2") as refused:
        add(workspace, PROVIDERS, ods("RZZ", "A", "20140401"), name="etr.csv", kind="nhs_trust")
    assert "etr.csv, line 1: RZZ is given twice from 2014-04-01 on" in str(refused.value)
    assert read_organisations(workspace).lists[PROVIDERS].rows.height == 1


def test_a_publication_in_the_future_is_refused(workspace: Workspace) -> None:
    path = put(workspace, "p.csv", PROVIDER_HEADER, f"{TRUST},2013-04-01,")
    tomorrow = TODAY + timedelta(days=1)
    with pytest.raises(UserError, match=f"{tomorrow} is in the future"):
        import_organisations(workspace, path, PROVIDERS, tomorrow)
    assert list(workspace.imported.glob("**/*")) == []
    assert import_organisations(workspace, path, PROVIDERS, TODAY).rows == 1


def test_a_file_of_other_content_does_not_overwrite_the_one_that_is_there(
    workspace: Workspace,
) -> None:
    add(workspace, PROVIDERS, PROVIDER_HEADER, f"{TRUST},2013-04-01,")
    with pytest.raises(UserError, match="was imported with other content as providers published"):
        add(workspace, PROVIDERS, PROVIDER_HEADER, f"{TRUST},2014-04-01,")
    kept = read_organisations(workspace).lists[PROVIDERS].rows
    assert kept["valid_from"].to_list() == [date(2013, 4, 1)]


def test_a_file_is_not_imported_as_another_kind(workspace: Workspace) -> None:
    row = ods("RZX", "A TRUST", "20130401")
    add(workspace, PROVIDERS, row, kind="nhs_trust")
    with pytest.raises(UserError, match="was imported as another kind"):
        add(workspace, PROVIDERS, row, kind="independent")


def test_a_kind_is_not_given_for_a_file_that_tells_its_own(workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r"list\.csv tells the kind of its rows itself"):
        add(workspace, PROVIDERS, PROVIDER_HEADER, f"{TRUST},2013-04-01,", kind="nhs_trust")
    with pytest.raises(UserError, match=r"list\.csv tells the kind of its rows itself"):
        add(workspace, SUCCESSIONS, SUCCESSION_HEADER, "RRV,RTD,2024-04-01", kind="nhs_trust")


@pytest.mark.parametrize("name", ["manifest.json", "rows.parquet"])
def test_an_import_that_was_damaged_is_told(name: str, workspace: Workspace) -> None:
    add(workspace, PROVIDERS, PROVIDER_HEADER, f"{TRUST},2013-04-01,")
    next(workspace.imported.rglob(name)).write_bytes(b"{")
    with pytest.raises(UserError, match="imported/organisations/providers/2026-11-01 is damaged"):
        read_organisations(workspace)


def test_a_file_that_is_not_there_is_told(workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r"gone\.csv cannot be opened: No such file"):
        import_organisations(workspace, workspace.root / "gone.csv", PROVIDERS, PUBLISHED)


# --- The commands ----------------------------------------------------------------------------


@pytest.fixture
def command(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `sus-pricing organisations`; gives how it ended, and all it said on one line."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("SUS_PRICING_HOME", str(workspace.root))
        monkeypatch.setattr(sys, "argv", ["sus-pricing", "organisations", *arguments])
        mask = os.umask(0o077)
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            os.umask(mask)
        said = capfd.readouterr()
        return int(str(ended.value.code or 0)), " ".join(f"{said.out} {said.err}".split())

    return run


def test_the_commands_import_list_and_show(
    workspace: Workspace, command: Callable[..., tuple[int, str]]
) -> None:
    path = str(put(workspace, "etr.csv", ods("RZZ", "A TRUST", "20130401")))
    options = ("--table", "providers", "--published", "2026-11-01")
    assert command("import", path, *options)[0] == 1
    code, said = command("import", path, *options, "--kind", "nhs_trust")
    assert code == 0
    assert "1 rows of etr.csv imported as providers published on 2026-11-01." in said
    assert "was imported before" in command("import", path, *options, "--kind", "nhs_trust")[1]
    code, said = command("list")
    assert code == 0
    assert "2026-11-01" in said
    assert "bundled, illustrative" in said
    path = str(put(workspace, "old.csv", ods("RZZ", "A TRUST", "20130401", "20260331")))
    command("import", path, *options[:3], "2025-11-01", "--kind", "nhs_trust")
    assert "2025-11-01 │ old.csv │ only as of then" in command("list")[1]
    code, said = command("show", "rzz", "--on", "2024-07-01")
    assert (code, "provider on 2024-07-01 RZZ (nhs_trust)" in said) == (0, True)
    code, said = command("show", "56Z", "--on", "2024-07-01")
    assert (code, "payer on 2024-07-01 56Z → QZA (icb)" in said) == (0, True)
    code, said = command("show", "RQQ")
    assert (code, "RQQ is in none of the lists of organisations." in said) == (1, True)


def test_a_refused_import_ends_with_1_and_a_sentence(
    workspace: Workspace, command: Callable[..., tuple[int, str]]
) -> None:
    path = str(put(workspace, "bad.csv", PROVIDER_HEADER, f"{TRUST},2013-04-01,2012-04-01"))
    code, said = command("import", path, "--table", "providers", "--published", "2026-11-01")
    assert code == 1
    assert "Refused: bad.csv cannot be used: bad.csv, line 2: ends before it starts" in said
    assert "Traceback" not in said


def test_what_is_imported_is_readable_by_its_owner_alone(
    workspace: Workspace, command: Callable[..., tuple[int, str]]
) -> None:
    path = str(put(workspace, "p.csv", PROVIDER_HEADER, f"{TRUST},2013-04-01,"))
    assert command("import", path, "--table", "providers", "--published", "2026-11-01")[0] == 0
    made = list(workspace.imported.rglob("*"))
    assert made
    assert [p.name for p in made if p.stat().st_mode & 0o077] == []


# --- Months priced under another year --------------------------------------------------------

MONTH = "2019-07"
UNDER_2024_25 = PricingBasis("2024-25")
RETIRED = "ZZ99Z"
BRIDGE = "activity_hrg_code,price_hrg_code,price_scheme_year\n"


def of_2019(record_id: str, changes: dict[str, str] | None = None) -> Record:
    return spell(record_id, {START: "20190710", END: "20190710", **(changes or {})})


def reprice(workspace: Workspace, *records: Record) -> dict[str, Line]:
    """The lines of July 2019 priced under the rules of 2024-25, with all statements made."""
    land(workspace, f"freeze/apc_{MONTH}.csv", records)
    land(workspace, f"freeze/op_{MONTH}.csv", [attendance("A1", {"Appointment Date": "20190710"})])
    on_basis = workspace.on(UNDER_2024_25)
    for dataset in ("apc", "op"):
        sort_out(on_basis, dataset, MONTH)
        made = pricing_run.price(on_basis, dataset, MONTH)
        assert made.valid == made.lines + made.refused
    making.make_statements(on_basis, MONTH)
    lines = pl.read_parquet(pricing_run.priced_path(on_basis, "apc", MONTH, "freeze"))
    return {line["record_id"]: line for line in lines.iter_rows(named=True)}


def test_a_month_of_another_year_comes_down_to_the_organisations_of_the_price_year(
    workspace: Workspace,
) -> None:
    lines = reprice(
        workspace,
        of_2019("MERGED", {PROVIDER: "RYA"}),
        of_2019("CLOSED", {PROVIDER: "RYX01"}),
        of_2019("UNKNOWN", {PROVIDER: "RQQ"}),
        of_2019("BOARD", {COMMISSIONER: "66Z", DERIVED_COMMISSIONER: "66Z"}),
    )
    assert {name: line["provider_code"] for name, line in lines.items()} == {"MERGED": "RYC"}
    # £500.00 × 1.250000, the factor of the successor.
    assert lines["MERGED"]["payable_pence"] == 62_500
    account = accounting.account(workspace.on(UNDER_2024_25), MONTH)
    assert account.faults == []
    apc = account.datasets[0]
    assert apc.refused_by_code == {
        "PROVIDER_NOT_IN_PRICE_YEAR": 1,
        "PROVIDER_UNKNOWN": 1,
        "COMMISSIONER_NOT_IN_PRICE_YEAR": 1,
    }
    assert apc.refused_organisations == {
        "PROVIDER_NOT_IN_PRICE_YEAR": {"RYX01": 1},
        "PROVIDER_UNKNOWN": {"RQQ": 1},
        "COMMISSIONER_NOT_IN_PRICE_YEAR": {"66Z": 1},
    }


def test_a_retired_hrg_is_counted_until_it_is_bridged(workspace: Workspace) -> None:
    record = of_2019("S1", {SPELL_HRG: RETIRED})
    line = reprice(workspace, record)["S1"]
    assert (line["reason_code"], line["payable_pence"]) == ("HRG_RETIRED", None)
    account = accounting.account(workspace.on(UNDER_2024_25), MONTH)
    assert account.faults == []
    assert [m.lines_without_price for m in account.mechanisms if m.dataset == "apc"] == [1]
    told = "Of 1 records the HRG (1 HRGs) has no row in the price book of 2024-25 and no bridge"
    assert any(told in notice and RETIRED in notice for notice in account.notices)

    land(workspace, "bridge.csv", f"{BRIDGE}{RETIRED},FE30Z,2024-25\n")
    line = reprice(workspace, record)["S1"]
    assert (line["hrg_code"], line["reason_code"]) == (RETIRED, "ELECTIVE_SPELL")
    # £500.00 × 1.123455 is £561.7275, to the penny £561.73.
    assert line["payable_pence"] == 56_173
    notices = accounting.account(workspace.on(UNDER_2024_25), MONTH).notices
    assert not any(RETIRED in notice for notice in notices)


def test_the_bridge_identifies_a_month_of_another_year_alone(workspace: Workspace) -> None:
    land(workspace, "bridge.csv", f"{BRIDGE}{RETIRED},FE30Z,2024-25\n")

    def bridges(month: str, basis: PricingBasis) -> list[str]:
        inputs = rulebook_for(workspace.on(basis), month).inputs()
        return [name for name in inputs if name.startswith("HRG bridge")]

    assert bridges(MONTH, UNDER_2024_25) == ["HRG bridge bridge.csv"]
    assert bridges("2024-07", UNDER_2024_25) == []
    assert bridges("2024-07", PricingBasis()) == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("ZZ99Z,FE30Z,2024-25", "ZZ99Z,FE32Z,2024-25"), "the only one of its HRG for 2024-25"),
        (("ZZ99Z,ZZ98Z,2024-25",), "an HRG of the price book of 2024-25"),
        (("ZZ99Z,WF01B,2024-25",), "an HRG of the price book of 2024-25"),
        (("WF01B,FE30Z,2024-25",), "no WF or UZ group"),
        (("ZZ9Z,FE30Z,2024-25",), "'activity_hrg_code' is not an HRG such as FE30Z"),
        (("ZZ99Z,,2024-25",), "'price_hrg_code' is not an HRG such as FE30Z"),
        (("ZZ99Z,FE30Z,2024-26",), "'price_scheme_year' is not a scheme year such as 2024-25"),
    ],
)
def test_a_bridge_that_is_wrong_is_told_by_file_and_line(
    rows: Sequence[str], says: str, workspace: Workspace
) -> None:
    land(workspace, "lists/bridge.csv", BRIDGE + "ZZ97Z,FE30Z,2024-25\n" + "\n".join(rows) + "\n")
    with pytest.raises(UserError) as refused:
        rulebook_for(workspace.on(UNDER_2024_25), MONTH)
    assert says in str(refused.value)
    assert "bridge.csv, line 3" in str(refused.value)


def test_a_bridge_of_another_price_year_is_left_alone(workspace: Workspace) -> None:
    land(workspace, "bridge.csv", f"{BRIDGE}ZZ99Z,ZZ98Z,2025-26\nZZ99Z,FE30Z,2024-25\n")
    bridge = rulebook_for(workspace.on(UNDER_2024_25), MONTH).bridge
    assert bridge.rows["price_hrg_code"].to_list() == ["FE30Z"]


def test_an_approval_may_name_an_organisation_of_before(workspace: Workspace) -> None:
    header = "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to"
    row = ",RYA,QMJ,C_knee_arth,2019-07-01,2019-07-31,IFR"
    land(workspace, "prior_approvals.csv", f"{header},approval_reference\n{row}\n")
    ebi = {SPELL_HRG: "HN23C", EBI_CATEGORY: "1", EBI_TYPE: "C_knee_arth"}
    lines = reprice(
        workspace,
        of_2019("OURS", {PROVIDER: "RYA", **ebi}),
        of_2019("OTHER", {PROVIDER: "RTD", **ebi}),
    )
    assert {name: line["ebi_outcome"] for name, line in lines.items()} == {
        "OURS": "approved",
        "OTHER": "zero_price",
    }


@pytest.mark.parametrize("code", ["RYA01", "RQQ"])
def test_an_approval_may_not_name_a_site_or_nobody(code: str, workspace: Workspace) -> None:
    header = "record_id,provider_code,commissioner_code,ebi_type_code,valid_from,valid_to"
    row = f",{code},QMJ,C_knee_arth,2019-07-01,2019-07-31,IFR"
    land(workspace, "prior_approvals.csv", f"{header},approval_reference\n{row}\n")
    with pytest.raises(UserError, match="must name a provider of the organisations"):
        rulebook_for(workspace.on(UNDER_2024_25), MONTH)


def test_an_exception_may_not_name_a_sub_icb_location(workspace: Workspace) -> None:
    header = "provider_code,commissioner_code,exception,valid_from,valid_to"
    row = "RRV,93C,patient_choice_without_contract,2019-07-01,2019-07-31"
    land(workspace, "lva_exceptions.csv", f"{header}\n{row}\n")
    with pytest.raises(UserError, match="must name a commissioner of the organisations"):
        rulebook_for(workspace.on(UNDER_2024_25), MONTH)


# --- What is explained -----------------------------------------------------------------------


def test_a_record_that_came_down_to_a_successor_is_explained_so(workspace: Workspace) -> None:
    land(
        workspace,
        "freeze/apc_2024-07.csv",
        [
            spell("S1", {PROVIDER: "RYA01", COMMISSIONER: "09Z", DERIVED_COMMISSIONER: "09Z"}),
            spell("S2"),
        ],
    )
    land(workspace, "freeze/op_2024-07.csv", [attendance()])
    publish(workspace)
    said = {step.what: step.how for step in explain_record(workspace, "S1").lines[0].who}
    assert said["RYC"] == "provider as on 2024-07-01: RYA → RYC"
    assert said["QHM"] == "payer as on 2024-07-01: 09Z → 00L → QHM"
    said = {step.what: step.how for step in explain_record(workspace, "S2").lines[0].who}
    assert (said["RGT"], said["QMJ"]) == ("provider", "payer")


def test_a_bridge_is_explained(workspace: Workspace) -> None:
    land(workspace, "bridge.csv", f"{BRIDGE}{RETIRED},FE30Z,2024-25\n")
    line = reprice(workspace, of_2019("S1", {SPELL_HRG: RETIRED}))["S1"]
    reason = ExplainedReason(line["reason_code"], "", "", "")
    published = {**line, "pricing_basis": UNDER_2024_25.name}
    made = explaining._explain_line(workspace.on(UNDER_2024_25), published, None, reason, None)
    said = {step.what: (step.how, step.citation) for step in made.explanation.steps}
    assert said["FE30Z"] == (
        "stands for ZZ99Z, which the book of 2024-25 does not hold",
        "HRG bridge bridge.csv, line 2",
    )


def test_a_bridge_is_not_said_to_lead_where_it_does_not(workspace: Workspace) -> None:
    """Of an attendance without HRG, and of unbundled HRGs, which are not bridged."""
    land(workspace, "bridge.csv", f"{BRIDGE}{RETIRED},FE30Z,2024-25\nSB99Z,FE32Z,2024-25\n")
    missed = {"Appointment Date": "20190710", making.ATTENDANCE_HRG: "", making.ATTENDED: "3"}
    records = of_2019("S1", {making.UNBUNDLED: "SB99Z"}), attendance("MISSED", missed)
    on_basis, told = workspace.on(UNDER_2024_25), {}
    for dataset, record in zip(("apc", "op"), records, strict=True):
        land(workspace, f"freeze/{dataset}_{MONTH}.csv", [record])
        sort_out(on_basis, dataset, MONTH)
        pricing_run.price(on_basis, dataset, MONTH)
        lines = pl.read_parquet(pricing_run.priced_path(on_basis, dataset, MONTH, "freeze"))
        for line in lines.iter_rows(named=True):
            reason = ExplainedReason(line["reason_code"], "", "", "")
            published = {**line, "pricing_basis": UNDER_2024_25.name}
            made = explaining._explain_line(on_basis, published, None, reason, None)
            assert made.explanation.differences == ()
            assert not [s for s in made.explanation.steps if "bridge" in s.citation], line
            told[line["record_id"], line["hrg_code"]] = {
                step.what: step.how for step in made.explanation.steps
            }
    assert told.keys() == {("S1", "FE32Z"), ("S1", "SB99Z"), ("MISSED", None)}
    missed_steps = told["MISSED", None]
    assert missed_steps["unit price £0.00"] == "not attended, so it is worth nothing"
    assert missed_steps["OPFASPCL"] == "point of delivery; HRG none, treatment function 100"
