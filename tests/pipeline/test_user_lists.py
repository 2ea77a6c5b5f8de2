"""The users' lists of contracts, local prices, overseas visitors and excluded items.

Belongs here: that every fault is told with its file and line, and what a list comes to for a
month. Does not belong here: what is paid by it (`tests/cases/`).
"""

import itertools
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from pipeline.making import MONTH, land, new_workspace
from support import case_tables, scheme

from pipelines import contracts, local_prices
from pipelines.contracts import CONTRACT_CELLS, read_contracts
from pipelines.excluded_items import (
    ITEM_CELLS,
    categories_not_checked,
    items_to_price,
    read_excluded_items,
)
from pipelines.lists import Cell, code, pence, read_list
from pipelines.local_prices import PRICE_CELLS, read_local_prices
from pipelines.pricing_run import rulebook_for
from pipelines.user_lists import VISITORS, UserList, in_price_year, read_overseas_visitors
from pipelines.workspace import UserError, Workspace
from pricing.reference import REFERENCE_COLUMNS

Reader = Callable[[Workspace], UserList]

CONTRACTS = ",".join(cell.header for cell in CONTRACT_CELLS)
PRICES = ",".join(cell.header for cell in PRICE_CELLS)
OVERSEAS = ",".join(cell.header for cell in VISITORS)
ITEMS = ",".join(cell.header for cell in ITEM_CELLS)

CONTRACT = "RRV,QMJ,,,,,yes,1000000.00,,2024-04-01,2025-03-31"
PRICE = "RRV,QMJ,SB17Z,,,150.00,LOCAL-1,,2024-04-01,2025-03-31"
VISITOR = "apc,S1,chargeable,CHARGE-1"
ITEM = "ITEM-1,S1,RRV,QMJ,2024-07,drug,Adalimumab,no,2,100.00,90.00,95.00"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path)


def changed(row: str, cells: tuple[Any, ...], **values: str) -> str:
    fields = dict(zip((cell.header for cell in cells), row.split(","), strict=True))
    assert set(values) <= set(fields)
    return ",".join({**fields, **values}.values())


def contract(**values: str) -> str:
    return changed(CONTRACT, CONTRACT_CELLS, **values)


def price(**values: str) -> str:
    return changed(PRICE, PRICE_CELLS, **values)


def item(**values: str) -> str:
    return changed(ITEM, ITEM_CELLS, **values)


def landed(workspace: Workspace, *lists: tuple[str, str, list[str]]) -> None:
    for name, header, rows in lists:
        land(workspace, name, "\n".join([header, *rows]) + "\n")


BLANK = {"is_same_system": "", "expected_annual_value": ""}
FAULTS: dict[str, tuple[Reader, str, list[str], tuple[str, ...]]] = {
    "no provider": (
        read_contracts,
        CONTRACTS,
        [contract(provider_code="")],
        ("list.csv, line 2: 'provider_code' is blank",),
    ),
    "covers something else": (
        read_contracts,
        CONTRACTS,
        [CONTRACT, contract(covers="everything")],
        ("list.csv, line 3: 'covers' is not one of specialised, armed_forces,",),
    ),
    "another mechanism": (
        read_contracts,
        CONTRACTS,
        [contract(agreed_mechanism="lva_block")],
        ("line 2: 'agreed_mechanism' is not one of api, api_fixed, activity_based, local",),
    ),
    "neither yes nor no": (
        read_contracts,
        CONTRACTS,
        [contract(is_same_system="perhaps")],
        ("line 2: 'is_same_system' is neither yes nor no",),
    ),
    "a negative value": (
        read_contracts,
        CONTRACTS,
        [contract(expected_annual_value="-1")],
        ("line 2: 'expected_annual_value' is not a price: it is negative",),
    ),
    "a day in the month": (
        read_contracts,
        CONTRACTS,
        [contract(valid_from="2024-04-02")],
        ("line 2: 'valid_from' is not the first of a month: contracts count by month",),
    ),
    "the last day but one": (
        read_contracts,
        CONTRACTS,
        [contract(valid_to="2024-02-28")],
        ("line 2: 'valid_to' is not the last of a month",),
    ),
    "an open end": (
        read_contracts,
        CONTRACTS,
        [contract(valid_to="")],
        ("line 2: 'valid_to' is blank",),
    ),
    "ends first": (
        read_contracts,
        CONTRACTS,
        [contract(valid_to="2024-03-31")],
        ("must not end before it starts", "list.csv, line 2"),
    ),
    "two contracts in one month": (
        read_contracts,
        CONTRACTS,
        [contract(valid_to="2024-08-31"), contract(valid_from="2024-08-01")],
        (
            "same provider_code, commissioner_code, agreement_serial_number",
            "list.csv, line 2 and list.csv, line 3",
        ),
    ),
    "a long contract over two others": (
        read_contracts,
        CONTRACTS,
        [
            CONTRACT,
            contract(valid_from="2025-04-01", valid_to="2025-04-30"),
            contract(valid_from="2025-02-01", valid_to="2025-03-31"),
        ],
        ("list.csv, line 2 and list.csv, line 4",),
    ),
    "the value of one agreement": (
        read_contracts,
        CONTRACTS,
        [contract(agreement_serial_number="000001", is_same_system="")],
        ("of a single agreement must leave is_same_system", "list.csv, line 2"),
    ),
    "two baselines of a year": (
        read_contracts,
        CONTRACTS,
        [
            contract(excluded_drugs_baseline="100", valid_to="2024-09-30"),
            contract(excluded_drugs_baseline="200", valid_from="2024-10-01"),
        ],
        ("excluded_drugs_baseline for the whole of a scheme year", "line 2 and list.csv, line 3"),
    ),
    "neither HRG nor treatment function": (
        read_local_prices,
        PRICES,
        [PRICE, price(hrg_code="")],
        ("an hrg_code or a treatment_function_code, and not both", "list.csv, line 3"),
    ),
    "both HRG and treatment function": (
        read_local_prices,
        PRICES,
        [price(treatment_function_code="100", attendance="first")],
        ("an hrg_code or a treatment_function_code, and not both", "list.csv, line 2"),
    ),
    "an HRG of a first attendance": (
        read_local_prices,
        PRICES,
        [price(attendance="first")],
        ("must give attendance, first or follow_up, with a treatment_function_code", "line 2"),
    ),
    "a treatment function of no attendance": (
        read_local_prices,
        PRICES,
        [price(hrg_code="", treatment_function_code="100")],
        ("must give attendance, first or follow_up, with a treatment_function_code", "line 2"),
    ),
    "an attendance by its group": (
        read_local_prices,
        PRICES,
        [price(hrg_code="WF01B")],
        ("must price an attendance by its treatment_function_code", "list.csv, line 2"),
    ),
    "no HRG": (
        read_local_prices,
        PRICES,
        [price(hrg_code="SB17")],
        ("line 2: 'hrg_code' is not an HRG such as FE30Z",),
    ),
    "no price": (read_local_prices, PRICES, [price(price="")], ("line 2: 'price' is blank",)),
    "no reference": (
        read_local_prices,
        PRICES,
        [price(agreement_reference="")],
        ("line 2: 'agreement_reference' is blank",),
    ),
    "two prices on one day": (
        read_local_prices,
        PRICES,
        [price(valid_to="2024-07-10"), price(valid_from="2024-07-10")],
        ("must not be in force on the same day", "list.csv, line 2 and list.csv, line 3"),
    ),
    "a record twice": (
        read_overseas_visitors,
        OVERSEAS,
        [VISITOR, "apc,S2,exempt,CHARGE-2", "op,S1,exempt,CHARGE-4", "apc,S1,exempt,CHARGE-3"],
        ("the only one of its dataset and record_id", "list.csv, line 2 and list.csv, line 5"),
    ),
    "another status": (
        read_overseas_visitors,
        OVERSEAS,
        ["apc,S1,maybe,CHARGE-1"],
        ("'charging_status' is not one of chargeable, chargeable_settled_status, exempt",),
    ),
    "a visitor of no dataset": (
        read_overseas_visitors,
        OVERSEAS,
        [",S1,exempt,CHARGE-1"],
        ("line 2: 'dataset' is not one of apc, op",),
    ),
    "no source": (
        read_overseas_visitors,
        OVERSEAS,
        ["apc,S1,exempt,"],
        ("line 2: 'source_reference' is blank",),
    ),
    "a reference twice": (
        read_excluded_items,
        ITEMS,
        [ITEM, ITEM],
        ("must be the only one of its item_reference", "list.csv, line 2 and list.csv, line 3"),
    ),
    "no price of an item": (
        read_excluded_items,
        ITEMS,
        [item(actual_cost="", framework_price="-", reference_price="")],
        ("must give at least one price of actual_cost, framework_price, reference", "line 2"),
    ),
    "no month": (
        read_excluded_items,
        ITEMS,
        [item(activity_month="2024-13")],
        ("line 2: 'activity_month' is not a month such as 2024-07",),
    ),
    "another category": (
        read_excluded_items,
        ITEMS,
        [item(category="drugs")],
        ("line 2: 'category' is not one of drug, device, listed_procedure, medtech",),
    ),
    "homecare not known": (
        read_excluded_items,
        ITEMS,
        [item(is_homecare="")],
        ("line 2: 'is_homecare' is blank",),
    ),
    "four decimals": (
        read_excluded_items,
        ITEMS,
        [item(quantity="0.0001")],
        ("line 2: 'quantity' is not a quantity with at most three decimals",),
    ),
    "a reference of words": (
        read_excluded_items,
        ITEMS,
        [item(item_reference="Given to Mr Nobody")],
        ("line 2: 'item_reference' is not a code of up to 40 letters",),
    ),
    "a long reference": (
        read_excluded_items,
        ITEMS,
        [item(item_reference="I" * 40), item(item_reference="I" * 41)],
        ("line 3: 'item_reference' is not a code of up to 40 letters",),
    ),
    "a reference that holds an identifier": (
        read_excluded_items,
        ITEMS,
        [item(item_reference="ITEM-9999999999")],
        ("line 2: 'item_reference' holds a number of ten digits",),
    ),
    "an identifier in the way it is written": (
        read_excluded_items,
        ITEMS,
        [item(item_reference="ITEM-999-999-9999")],
        ("line 2: 'item_reference' holds a number of ten digits",),
    ),
    "a name that holds an identifier": (
        read_excluded_items,
        ITEMS,
        [item(item_name="Adalimumab for 999 999 9999")],
        ("line 2: 'item_name' holds a number of ten digits",),
    ),
    "a name that is a text": (
        read_excluded_items,
        ITEMS,
        [item(item_name="n" * 120), item(item_name="n" * 121)],
        ("line 3: 'item_name' is over 120 characters",),
    ),
    "nothing used": (
        read_excluded_items,
        ITEMS,
        [item(quantity="0.000")],
        ("line 2: 'quantity' is zero",),
    ),
    "more than an amount can be": (
        read_excluded_items,
        ITEMS,
        [
            item(quantity="1", actual_cost="10000000000"),
            item(item_reference="ITEM-2", quantity="1.001", actual_cost="10000000000"),
            item(item_reference="ITEM-3", quantity="999999999.999", actual_cost="10000000000"),
        ],
        ("must not come to over £10 billion", "list.csv, line 3", "list.csv, line 4"),
    ),
}


@pytest.mark.parametrize(("reader", "header", "rows", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_file_and_line(
    workspace: Workspace, reader: Reader, header: str, rows: list[str], says: tuple[str, ...]
) -> None:
    landed(workspace, ("list.csv", header, rows))
    with pytest.raises(UserError) as told:
        reader(workspace)
    for part in says:
        assert part in str(told.value)
    assert "999" not in str(told.value)


def test_the_amount_that_is_just_not_too_large_is_not_named(workspace: Workspace) -> None:
    landed(workspace, ("list.csv", ITEMS, [item(quantity="1", actual_cost="10000000000")]))
    assert read_excluded_items(workspace).rows["actual_cost_pence"].to_list() == [10**12]


AS_WRITTEN = {
    "plain": lambda text: text,
    "with a byte order mark": lambda text: f"\ufeff{text}",
    "all in quotes": lambda text: "".join(
        ",".join(f'"{field}"' for field in line.split(",")) + "\n" if line else "\n"
        for line in text.splitlines()
    ),
    "with the line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "with the line ends of an old Mac": lambda text: text.replace("\n", "\r"),
    "without a last line end": lambda text: text.removesuffix("\n"),
}
"""The same list as programs write it."""


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_a_list_says_the_same_however_it_is_written(tmp_path: Path, written: str) -> None:
    cells = (Cell("code", "code", pl.String, code), Cell("price", "price_pence", pl.Int64, pence))
    path = tmp_path / "list.csv"

    def read(*lines: str) -> pl.DataFrame:
        text = AS_WRITTEN[written]("\n".join(["price,note,code", *lines]) + "\n")
        path.write_bytes(text.encode())
        return read_list(path, cells, ["code"], numbered=True)

    # Lines 3 and 5 are blank, and blanks around a field are not of it.
    rows = read("12.50,x, aa ", "", "-,x,bb", ",,", "12.50,x,\u00e9\u2028")
    assert rows.rows() == [(2, "AA", 1250), (4, "BB", None), (6, "\u00c9", 1250)]
    assert read().rows() == []
    with pytest.raises(UserError) as told:
        read("1,x", "a,x,", "b,x,B", "1,x,A", "a,x,A", " ")
    assert str(told.value).splitlines()[1:] == [
        "  list.csv, line 2: has 2 fields, the header has 3",
        "  list.csv, line 3: 'code' is blank",
        "  list.csv, line 3: 'price' is not a price: pounds such as 1,234 or 12.50, or - for none",
        "  list.csv, line 4: 'price' is not a price: pounds such as 1,234 or 12.50, or - for none",
        "  list.csv, line 6: 'price' is not a price: pounds such as 1,234 or 12.50, or - for none",
        "  list.csv, line 7: has 1 fields, the header has 3",
    ]
    with pytest.raises(UserError) as told:
        read("1,x,A", "2,x,B", "3,x,a", "4,x,A")
    assert str(told.value).splitlines()[1:] == [
        "  list.csv, line 4: A is already on line 2",
        "  list.csv, line 5: A is already on line 2",
    ]


@pytest.mark.parametrize(
    ("reader", "header", "row"),
    [
        (read_contracts, CONTRACTS, CONTRACT),
        (read_local_prices, PRICES, PRICE),
        (read_overseas_visitors, OVERSEAS, VISITOR),
        (read_excluded_items, ITEMS, ITEM),
    ],
)
def test_every_file_of_a_kind_is_read_and_none_is_needed(
    workspace: Workspace, reader: Reader, header: str, row: str
) -> None:
    assert reader(workspace).rows.height == 0
    second = row.replace("RRV", "RTD").replace("ITEM-1", "ITEM-2").replace("S1", "S2")
    landed(workspace, ("one.csv", header, [row]), ("other.csv", header, [second]))
    found = reader(workspace)
    assert found.rows.select("file", "line").rows() == [("one.csv", 2), ("other.csv", 2)]
    assert sorted(found.files) == ["one.csv", "other.csv"]


@pytest.mark.parametrize(
    ("reader", "header", "row"),
    [
        (read_contracts, CONTRACTS, CONTRACT),
        (read_local_prices, PRICES, PRICE),
        (read_overseas_visitors, OVERSEAS, VISITOR),
        (read_excluded_items, ITEMS, ITEM),
    ],
)
def test_a_column_that_is_missing_is_told(
    workspace: Workspace, reader: Reader, header: str, row: str
) -> None:
    columns, _, missing = header.rpartition(",")
    land(workspace, "list.csv", f"{columns}\n{row.rpartition(',')[0]}\n")
    with pytest.raises(UserError, match=f"list.csv: the header has no column '{missing}'"):
        reader(workspace)


def test_blank_is_not_known_and_is_not_no(workspace: Workspace) -> None:
    systems = (("QMJ", "yes"), ("QHM", "no"), ("QHL", ""))
    rows = [contract(commissioner_code=code, is_same_system=said) for code, said in systems]
    landed(workspace, ("list.csv", CONTRACTS, rows))
    assert read_contracts(workspace).rows["is_same_system"].to_list() == [True, False, None]


NOT_APPROVED = "must name its approval under approval_reference in 2026-27"
NOT_A_WHOLE = "a relationship moves to API as a whole"


@pytest.mark.parametrize(
    ("row", "year", "refused_for"),
    [
        (contract(agreed_mechanism="activity_based"), "2026-27", NOT_APPROVED),
        (contract(agreed_mechanism="activity_based", approval_reference="A1"), "2026-27", None),
        (contract(agreed_mechanism="api"), "2026-27", None),
        (CONTRACT, "2026-27", None),
        (contract(agreed_mechanism="activity_based"), "2024-25", None),
        (contract(agreed_mechanism="activity_based", valid_to="2024-06-30"), "2026-27", None),
        # RTD with QMJ is on the schedule, and RYC with QHL, which RYA and RYB became.
        (contract(provider_code="RTD", agreed_mechanism="api"), "2026-27", NOT_APPROVED),
        (
            contract(provider_code="RTD", agreed_mechanism="api", approval_reference="A1"),
            "2026-27",
            None,
        ),
        (contract(provider_code="RTD", agreed_mechanism="api"), "2024-25", None),
        (
            contract(provider_code="RYA", commissioner_code="QHL", agreed_mechanism="api"),
            "2026-27",
            NOT_APPROVED,
        ),
        # An independent provider has no block, even if listed.
        (contract(provider_code="NT313", agreed_mechanism="api"), "2026-27", None),
        (
            contract(
                provider_code="RTD",
                agreed_mechanism="api",
                approval_reference="A1",
                agreement_serial_number="000001",
                **BLANK,
            ),
            "2024-25",
            NOT_A_WHOLE,
        ),
        (
            contract(agreed_mechanism="api", agreement_serial_number="000001", **BLANK),
            "2024-25",
            None,
        ),
        (
            contract(
                provider_code="RTD", agreed_mechanism="api", agreement_serial_number="1", **BLANK
            ),
            "2021-22",
            None,
        ),
    ],
)
def test_what_the_parties_agree_is_refused_without_its_approval_or_where_it_cannot_be(
    workspace: Workspace, row: str, year: str, refused_for: str | None
) -> None:
    landed(workspace, ("list.csv", CONTRACTS, [row]))
    tables = case_tables()
    codes = [
        dict(zip(*tables[name].get_columns()[:2], strict=True))
        for name in ("providers", "commissioners")
    ]
    in_year = in_price_year(read_contracts(workspace).rows, *codes)
    if refused_for is None:
        contracts.refuse_unapproved(in_year, date(2024, 7, 1), tables, scheme(year))
        return
    with pytest.raises(UserError, match=rf"{refused_for}(?s:.*)list.csv, line 2"):
        contracts.refuse_unapproved(in_year, date(2024, 7, 1), tables, scheme(year))


def test_a_month_is_not_priced_with_a_part_of_a_block_moved_to_api(workspace: Workspace) -> None:
    row = contract(
        provider_code="RTD", agreed_mechanism="api", agreement_serial_number="000001", **BLANK
    )
    landed(workspace, ("list.csv", CONTRACTS, [row]))
    with pytest.raises(UserError, match=NOT_A_WHOLE):
        rulebook_for(workspace, MONTH)


@pytest.mark.parametrize(
    ("month", "found"), [("2024-03", 0), ("2024-04", 1), ("2025-03", 1), ("2025-04", 0)]
)
def test_a_contract_counts_in_the_months_from_its_first_to_its_last(
    workspace: Workspace, month: str, found: int
) -> None:
    landed(workspace, ("list.csv", CONTRACTS, [CONTRACT]))
    rows = read_contracts(workspace).rows
    in_force = contracts.contracts_in_force(rows, date.fromisoformat(f"{month}-01"))
    assert contracts.whole_contracts(in_force).height == found


def test_a_local_price_counts_on_each_day_from_its_first_to_its_last(workspace: Workspace) -> None:
    rows = [
        price(valid_from="2024-07-30", valid_to="2024-08-02"),
        price(valid_from="2024-08-03", price="160.00", approval_reference="A1"),
        price(hrg_code="", treatment_function_code="303", attendance="first"),
    ]
    landed(workspace, ("list.csv", PRICES, rows))
    listed = read_local_prices(workspace).rows
    first, last = date(2024, 8, 1), date(2024, 8, 4)
    days = local_prices.local_hrg_price_days(listed, first, last)
    assert days.select("costing_date", "local_price_pence", "is_variation_approved").rows() == [
        (date(2024, 8, 1), 15_000, False),
        (date(2024, 8, 2), 15_000, False),
        (date(2024, 8, 3), 16_000, True),
        (date(2024, 8, 4), 16_000, True),
    ]
    of_attendances = local_prices.local_attendance_price_days(listed, first, last)
    assert of_attendances.select("treatment_function_code", "is_first").unique().rows() == [
        ("303", True)
    ]
    assert of_attendances.height == 4


LISTS = (
    ("contracts.csv", CONTRACTS, [CONTRACT, contract(agreement_serial_number="F1", **BLANK)]),
    (
        "prices.csv",
        PRICES,
        [PRICE, price(hrg_code="", treatment_function_code="303", attendance="follow_up")],
    ),
    ("visitors.csv", OVERSEAS, [VISITOR]),
    ("items.csv", ITEMS, [ITEM]),
)


def test_the_tables_of_a_month_have_the_columns_that_pricing_joins_to(
    workspace: Workspace,
) -> None:
    landed(workspace, *LISTS)
    reference = rulebook_for(workspace, MONTH).reference(MONTH, "apc")
    for name, columns in REFERENCE_COLUMNS.items():
        schema = getattr(reference, name).collect_schema()
        assert dict(schema) == {column: kind() for column, kind in columns.items()}, name
    assert reference.agreements.collect().rows() == [("RRV", "QMJ", "F1", None, None)]
    assert reference.contracts.collect().rows() == [("RRV", "QMJ", None, None, True, 100_000_000)]
    assert reference.overseas_visitors.collect().rows() == [("S1", "chargeable")]
    assert reference.local_hrg_price_days.collect().shape[0] == 31
    is_first = reference.local_attendance_price_days.select("is_first").collect()["is_first"]
    assert nw.to_native(is_first).to_list() == [False] * 31


def test_a_visitor_is_of_the_dataset_that_the_list_names(workspace: Workspace) -> None:
    """A spell and an attendance may have one identifier: the spell S1 is charged, and no more."""
    rows = [VISITOR, "op,S1,exempt,CHARGE-2", "op,S3,chargeable,CHARGE-3"]
    landed(workspace, ("visitors.csv", OVERSEAS, rows))
    rulebook = rulebook_for(workspace, MONTH)
    found = {
        dataset: rulebook.reference(MONTH, dataset).overseas_visitors.collect().rows()
        for dataset in ("apc", "op", None)
    }
    assert found == {
        "apc": [("S1", "chargeable")],
        "op": [("S1", "exempt"), ("S3", "chargeable")],
        None: [],
    }


def test_a_month_names_the_lists_it_is_priced_with(workspace: Workspace) -> None:
    landed(workspace, *LISTS)
    named = rulebook_for(workspace, MONTH).inputs()
    for name in (
        "contracts contracts.csv",
        "local prices prices.csv",
        "overseas visitors visitors.csv",
        "excluded items items.csv",
    ):
        assert len(named[name]) == 64


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (CONTRACTS, contract(provider_code="RRV01")),
        (CONTRACTS, contract(commissioner_code="93C")),
        (PRICES, price(provider_code="X99")),
        (PRICES, price(commissioner_code="ZZZ")),
        (ITEMS, item(provider_code="X99")),
        (ITEMS, item(commissioner_code="93C")),
    ],
)
def test_an_organisation_that_the_outputs_do_not_know_is_refused(
    workspace: Workspace, header: str, row: str
) -> None:
    landed(workspace, ("list.csv", header, [row]))
    with pytest.raises(
        UserError, match=r"must name a (provider|commissioner)(?s:.*)list.csv, line 2"
    ):
        rulebook_for(workspace, MONTH)


@pytest.mark.parametrize(
    ("header", "before", "after"),
    [
        (CONTRACTS, contract(provider_code="RYA"), contract(provider_code="RYB")),
        (PRICES, price(provider_code="RYA"), price(provider_code="RYB")),
    ],
)
def test_what_predecessors_agreed_holds_for_their_successor_if_they_agree(
    workspace: Workspace, header: str, before: str, after: str
) -> None:
    landed(workspace, ("list.csv", header, [before, after]))
    reference = rulebook_for(workspace, MONTH).reference(MONTH, "apc")
    table = reference.contracts if header == CONTRACTS else reference.local_hrg_price_days
    assert set(nw.to_native(table.collect()["provider_code"])) == {"RYC"}
    differing = after.replace("1000000.00", "2000000.00").replace("150.00", "151.00")
    landed(workspace, ("list.csv", header, [before, differing]))
    with pytest.raises(UserError, match=r"list.csv, line 2 and list.csv, line 3"):
        rulebook_for(workspace, MONTH).reference(MONTH, "apc")


def test_items_are_held_against_the_lists_of_the_price_book(workspace: Workspace) -> None:
    """Without regard to case or to blanks; a category without a list is not held against any."""
    names = {
        "excluded_drugs": ["ADALIMUMAB", "Drug in two  words", None],
        "excluded_devices": ["Stents", "Laser Ablation"],
        "drugs_in_unit_prices": ["drug in Two words"],
    }
    tables = {name: pl.DataFrame({"name": listed}) for name, listed in names.items()}
    drawn = [
        item(),
        item(item_reference="ITEM-2", item_name="drug in two words"),
        item(item_reference="ITEM-3", item_name="Nobody's drug"),
        item(item_reference="ITEM-4", category="medtech"),
        item(item_reference="ITEM-8", category="listed_procedure", item_name="Laser ablation"),
        item(item_reference="ITEM-9", category="listed_procedure"),
        item(item_reference="ITEM-5", activity_month="2024-03"),
        item(item_reference="ITEM-6", activity_month="2024-04"),
        item(item_reference="ITEM-7", activity_month="2024-08"),
    ]
    landed(workspace, ("list.csv", ITEMS, drawn))
    found = items_to_price(read_excluded_items(workspace).rows, MONTH, tables)
    assert categories_not_checked(found, tables) == ["medtech"]
    assert found.select("item_reference", "is_listed", "is_in_unit_prices").rows() == [
        ("ITEM-1", True, False),
        ("ITEM-2", True, True),
        ("ITEM-3", False, False),
        ("ITEM-4", None, False),
        ("ITEM-8", True, False),
        ("ITEM-9", False, False),
        ("ITEM-6", True, False),
    ]


def test_every_kind_of_list_is_told_from_the_others(workspace: Workspace) -> None:
    landed(workspace, *LISTS)
    found = [
        reader(workspace).files
        for reader in (
            read_contracts,
            read_local_prices,
            read_overseas_visitors,
            read_excluded_items,
        )
    ]
    assert [list(files) for files in found] == [[name] for name, _, _ in LISTS]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(map(set, found), 2))
