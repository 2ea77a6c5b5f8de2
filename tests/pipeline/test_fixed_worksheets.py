"""Worksheets of the fixed element as files: what they are refused for, and what the command shows.

Belongs here: bad input with the very message, and the command on real files. Does not belong here:
what a worksheet comes to (`tests/rules/test_fixed_element.py`).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from contract_documents import HERE, Written, as_toml, document_of, read, worksheet_cases
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.contracts import CONTRACT_CELLS
from pipelines.fixed_element.contract_files import HEADER
from pipelines.fixed_element.worksheets import (
    FixedWorksheet,
    landed_worksheets,
    read_worksheet,
)
from pipelines.organisations import read_organisations
from pipelines.workspace import PROJECT, UserError, Workspace

EXAMPLE = PROJECT / "data" / "worksheets" / "fixed-2026-27.toml"
BASELINE = {
    "year": "2023-24",
    "fixed_payment": "100,000,000",
    "service_development_funding": 0,
    "elective_recovery_funding": 0,
    "planned_chemotherapy": 0,
    "planned_diagnostic_imaging": 0,
    "planned_nuclear_medicine": 0,
}
NETWORK: dict[str, Any] = {
    "cost": "1,800,000",
    "centre_provider": "RRK",
    "lead_commissioner": "QHL",
    "births": {"QHL": {"RRK": 10}},
}
SERVICE = {"name": "advice", "units": 2, "units_in_baseline": 1, "amount_each": "25"}


def faults_of(folder: Path, workspace: Workspace = HERE, **changes: Any) -> list[str]:
    """What a plain worksheet for 2024/25 with some other sections is refused for."""
    document = document_of("items_2024_25", {"items": {**changes}})
    with pytest.raises(UserError) as raised:
        read(document, folder, workspace)
    title, *faults = str(raised.value).splitlines()
    assert title == "contract.toml cannot be used:"
    return [fault.removeprefix("  contract.toml: ") for fault in faults]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        # Of the header.
        (
            {"provider_code": "RRX"},
            "provider_code is 'RRX', which is no provider of the lists of organisations",
        ),
        (
            {"commissioner_code": "QXX"},
            "commissioner_code is 'QXX', which is no payer of the lists of organisations",
        ),
        (
            {"provider_code": "RE9"},
            "provider_code is 'RE9', for which R0B stands in the year: write that",
        ),
        ({"provider_code": None}, "provider_code is missing: nothing is assumed for it"),
        (
            {"starts_from": "last_year"},
            "starts_from is 'last_year': write one of previous_year, rolled_forward",
        ),
        (
            {"starts_from": None},
            "starts_from is missing: write one of previous_year, rolled_forward",
        ),
        ({"first_month": "2025-04"}, "first_month is 2025-04, which is not in 2024-25"),
        (
            {"first_month": "2024-10", "last_month": "2024-05"},
            "last_month is 2024-05, before first_month, 2024-10",
        ),
        (
            {"as_of": "2024-03-27"},
            "as_of is '2024-03-27': write a date without quotes, such as 2024-03-27",
        ),
        # Of the pair.
        (
            {"provider_code": "RRK", "commissioner_code": "QHM"},
            "RRK and QHM are on the LVA payments schedule, so that a block pays: to move the "
            "relationship to API, say so in the list of contracts",
        ),
        (
            {"provider_code": "NT313"},
            "NT313 and QHL have no fixed element: an NHS provider has one whose contract agrees "
            "on no other mechanism",
        ),
        # An item without what it is of.
        (
            {"opening_baseline": None},
            "[opening_baseline] is missing: give fixed_payment, service_development_funding, "
            "elective_recovery_funding, planned_chemotherapy, planned_diagnostic_imaging, "
            "planned_nuclear_medicine; nothing is assumed",
        ),
        (
            {"activity_growth": None},
            "[activity_growth] is missing: give the share that is added, or the amount agreed; "
            "nothing is assumed",
        ),
        (
            {"cquin_funding": None},
            "[cquin_funding] is missing: say whether is_in_opening_baseline; nothing is assumed",
        ),
        (
            {"capacity_uplift": {}},
            "[capacity_uplift] base is missing: state what in pounds the share is of",
        ),
        (
            {"market_forces_factor": {"previous_factor": "1", "factor": "1.01"}},
            "[market_forces_factor] base is missing: state what in pounds the share is of",
        ),
        (
            {"inflation_net_of_efficiency": {"cnst_by_service": {"maternity": {}}}},
            "[inflation_net_of_efficiency.cnst_by_service.maternity] base is missing: nothing is "
            "assumed for it",
        ),
        # Parts.
        (
            {"opening_baseline": {k: v for k, v in BASELINE.items() if k != "fixed_payment"}},
            "[opening_baseline] fixed_payment is missing: nothing is assumed for it",
        ),
        (
            {"opening_baseline": {**BASELINE, "ifrs_16": 0}},
            "[opening_baseline] ifrs_16 is not known here: one of year, fixed_payment, "
            "service_development_funding, elective_recovery_funding, planned_chemotherapy, "
            "planned_diagnostic_imaging, planned_nuclear_medicine, "
            "non_recurrent_and_full_year_items, baseline_adjustments, high_cost_exclusions may "
            "be given",
        ),
        (
            {"opening_baseline": {**BASELINE, "service_development_funding": "-25,000,000"}},
            "[opening_baseline] service_development_funding is '-25,000,000', which is below 0: "
            "it must not be",
        ),
        (
            {"service_changes": {}},
            "[service_changes] gives nothing: name each part and its pounds, or one of 0",
        ),
        (
            {"service_development_funding": {}},
            "[service_development_funding] gives nothing: give one of mental_health, "
            "other_services, not_split",
        ),
        (
            {"advice_and_guidance": {"services": [SERVICE, SERVICE]}},
            "[advice_and_guidance.services] 2 name is 'advice', which is given twice",
        ),
        (
            {"advice_and_guidance": {"services": [{k: SERVICE[k] for k in list(SERVICE)[:3]}]}},
            "[advice_and_guidance.services] 1 amount_each is missing: nothing is assumed for it",
        ),
        (
            {"advice_and_guidance": {}},
            "[advice_and_guidance] services are missing: give each as "
            "[[advice_and_guidance.services]]",
        ),
        # Shares.
        ({"activity_growth": {"share": 2}}, '[activity_growth] share is 2: write 0.02 or "2%"'),
        (
            {"activity_growth": {"share": "1.5"}},
            "[activity_growth] share is '1.5': write 0.015 or \"1.5%\"",
        ),
        (
            {"activity_growth": {"share": -2}},
            '[activity_growth] share is -2: write -0.02 or "-2%"',
        ),
        ({"activity_growth": {"share": "101%"}}, "[activity_growth] share is '101%': over 100%"),
        (
            {"activity_growth": {"share": "0.00001%"}},
            "[activity_growth] share is '0.00001%': finer than a millionth",
        ),
        (
            {"additional_efficiency": {"share": "-1.2%"}},
            "[additional_efficiency] share is '-1.2%', which is below 0: it must not be",
        ),
        (
            {"activity_growth": {"share": "2%", "amount": "1,000"}},
            "[activity_growth] must give share, or the amount agreed in its place, and not both",
        ),
        (
            {"inflation_net_of_efficiency": {}},
            "[inflation_net_of_efficiency] must give cnst, its growth in pounds, or "
            "cnst_by_service, and not both",
        ),
        (
            {
                "overseas_visitors": {
                    "charges": "2,000,000",
                    "non_recovery": "10%",
                    "improvement": "10.0001%",
                    "commissioner_share": "50%",
                }
            },
            "[overseas_visitors] improvement is more than non_recovery: no more can be recovered",
        ),
        # Years out of order.
        (
            {"opening_baseline": {**BASELINE, "year": "2024-25"}},
            "[opening_baseline] year is 2024-25: the figures must be of 2023-24",
        ),
        # Pence and millions.
        (
            {"variable_payment_removed": {"planned_variable": 52}},
            "[variable_payment_removed] planned_variable is read as £52.00: write pounds, not "
            "thousands or millions; or, where it is meant, with its pence",
        ),
        (
            {"opening_baseline": {**BASELINE, "fixed_payment": "175m"}},
            "[opening_baseline] fixed_payment is '175m': write pounds, such as 175,000,000 or "
            '"1,234.50"',
        ),
        (
            {"opening_baseline": {**BASELINE, "fixed_payment": "9,999.99"}},
            "[opening_baseline] comes to £9,999.99 as read, which no contract is: are the amounts "
            "in millions? Write pounds",
        ),
        (
            {"opening_baseline": {**BASELINE, "fixed_payment": "5,000,000,000.01"}},
            "[opening_baseline] comes to £5,000,000,000.01 as read, which no contract is: are the "
            "amounts in pence? Write pounds",
        ),
        (
            {"opening_baseline": {**BASELINE, "fixed_payment": 17_500_000_000}},
            "[opening_baseline] fixed_payment is 17500000000, read as £17,500,000,000.00: over "
            "£10 billion, which no contract is. Write pounds, not pence",
        ),
        (
            {"inflation_net_of_efficiency": {"agreed_share": 0, "cnst": "50"}},
            "[inflation_net_of_efficiency] cnst is read as £50.00: write pounds, not thousands or "
            "millions; or, where it is meant, with its pence",
        ),
        # What no contract comes to: 100 - 520, a billion pounds times a billion, 4bn + 2bn.
        (
            {"variable_payment_removed": {"planned_variable": "520,000,000"}},
            "the fixed element comes to -£420,000,000.00: more is taken off than there is, most by "
            "[variable_payment_removed], -£520,000,000.00. It is paid to the provider, so that it "
            "cannot be below 0",
        ),
        (
            {
                "advice_and_guidance": {
                    "services": [
                        {
                            **{"name": "advice", "units": 999_999_999, "units_in_baseline": 0},
                            "amount_each": "1,000,000,000",
                        }
                    ]
                }
            },
            "[advice_and_guidance] comes to £999,999,999,000,000,000.00, which no contract is",
        ),
        (
            {
                "opening_baseline": {**BASELINE, "fixed_payment": "4,000,000,000"},
                "additional_allocation_funding": {"items": "2,000,000,000"},
            },
            "the fixed element comes to £6,000,000,000.00, which no contract is",
        ),
        (
            {"inflation_net_of_efficiency": {"agreed_share": 0, "cnst": "100,000,000.01"}},
            "[inflation_net_of_efficiency] cnst is £100,000,000.01, more than all that it grows "
            "on, £100,000,000.00",
        ),
        (
            {
                "market_forces_factor": {
                    **{"previous_factor": "0.999999", "factor": "1"},
                    "base": "50,000,000",
                }
            },
            "[market_forces_factor] previous_factor is 0.999999: no market forces factor is below "
            "1",
        ),
        # CNST of some services alone, or of more than there is.
        (
            {"inflation_net_of_efficiency": {"cnst_by_service": {"maternity": {"base": 20**6}}}},
            "[inflation_net_of_efficiency] cnst_by_service has bases of £64,000,000.00 and leaves "
            "out £36,000,000.00 of £100,000,000.00: each service has a share, and what is of no "
            "HRG one of 0",
        ),
        (
            {"inflation_net_of_efficiency": {"cnst_by_service": {"other": {"base": 101_000_000}}}},
            "[inflation_net_of_efficiency] cnst_by_service has bases of £101,000,000.00 and has "
            "£1,000,000.00 too much of £100,000,000.00: each service has a share, and what is of "
            "no HRG one of 0",
        ),
        # What is not the parties' to agree.
        (
            {"cquin_funding": {"is_in_opening_baseline": False, "amount": "250,000,000"}},
            "[cquin_funding] amount is not known here: one of is_in_opening_baseline may be given",
        ),
        # Numbers of any length.
        (
            {"activity_growth": {"amount": "1" * 5_000}},
            f"[activity_growth] amount is '{'1' * 40}…': write pounds, such as 175,000,000 or "
            '"1,234.50"',
        ),
        (
            {"activity_growth": {"amount": Written("1e99999")}},
            "[activity_growth] amount is a number of more than 40 digits: write pounds, such as "
            '175,000,000 or "1,234.50"',
        ),
        (
            {"activity_growth": {"share": Written("0x" + "f" * 5_000)}},
            "[activity_growth] share is a number of more than 40 digits: write a share such as "
            '0.02 or "2%"',
        ),
        (
            {"advice_and_guidance": {"services": [{**SERVICE, "units": "1" + ",000" * 2_000}]}},
            f"[advice_and_guidance.services] 1 units is '1{',000' * 9},00…': write a whole number, "
            "such as 1204",
        ),
        # Items of others.
        (
            {"excluded_drugs_baseline": {"baseline": "4,000,000"}},
            "[excluded_drugs_baseline] is for payers that are nhs england, not icb (2023/25 ¶29)",
        ),
        # Networks.
        (
            {"maternal_medicine_network": {**NETWORK, "births": {"QHL": {"RRX": 10}}}},
            "[maternal_medicine_network.births.QHL] names 'RRX', which is no provider of the "
            "organisations",
        ),
        (
            {"maternal_medicine_network": {**NETWORK, "births": {"QHL": {"RRK": 0}}}},
            "[maternal_medicine_network.births.QHL] gives no births",
        ),
        (
            {
                "maternal_medicine_network": {
                    **NETWORK,
                    "centre_provider": "R0A",
                    "births": {"QOP": {"R0A": 10}},
                }
            },
            "[maternal_medicine_network] births has none of RRK under QHL, and it is not the "
            "centre",
        ),
        # The lake.
        (
            {"opening_baseline": {**BASELINE, "fixed_payment": "from_activity"}},
            "[opening_baseline] fixed_payment cannot be 'from_activity': no plan of the lake is "
            "of it",
        ),
    ],
)
def test_a_fault_is_named_by_section_and_key(
    changes: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    assert faults_of(tmp_path, **changes) == [fault]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    assert faults_of(
        tmp_path,
        provider_code="RRX",
        activity_growth={"share": 2},
        service_changes=None,
        service_change={"ward": 0},
    )[:3] == [
        "provider_code is 'RRX', which is no provider of the lists of organisations",
        "[service_changes] is missing: name each part and its pounds, or one of 0; nothing is "
        "assumed",
        '[activity_growth] share is 2: write 0.02 or "2%"',
    ]


def test_an_item_of_no_year_is_named_with_those_there_are(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, specialist_top_ups={"net_amount": 0})
    assert fault.startswith(
        "[specialist_top_ups] is no item of 2024-25: there are opening_baseline, cquin_funding, "
    )


@pytest.mark.parametrize(
    ("year", "reason"),
    [
        (
            "2023-24",
            "'fixed_element.worksheet' of 2023-24 is not given: the worksheet of the 2023/25 "
            "guidance is for 2024/25; that of 2023/24 is in the Revenue finance and contracting "
            "guidance of the year, which is not here and would be needed.",
        ),
        (
            "2025-26",
            "'fixed_element.worksheet' of 2025-26 is not given: the guidance of 2025/26 is not "
            "among the documents here, and would be needed.",
        ),
    ],
)
def test_a_year_without_a_worksheet_is_refused_with_the_reason(
    year: str, reason: str, tmp_path: Path
) -> None:
    assert faults_of(tmp_path, scheme_year=year, as_of=None) == [f"scheme_year is {year}: {reason}"]


def test_part_of_a_year_without_a_rule_for_it_is_refused(tmp_path: Path) -> None:
    document = document_of("items_2026_27", {"items": {"first_month": "2026-10"}})
    with pytest.raises(UserError) as raised:
        read(document, tmp_path)
    assert str(raised.value).endswith(
        "first_month and last_month leave out a part of the year: "
        "'fixed_element.is_pro_rata_in_part_year' of 2026-27 is not given: the consultation does "
        "not say."
    )


def test_maternity_without_its_share_is_refused_where_the_pack_has_none(tmp_path: Path) -> None:
    item = {"cnst_by_service": {"maternity": {"base": "20,000,000"}}}
    document = document_of("items_2026_27", {"items": {"inflation_net_of_efficiency": item}})
    with pytest.raises(
        UserError,
        match=r"cnst_by_service\.maternity\] share is missing, and "
        "'cost_adjustment.cnst_maternity_ppm' of 2026-27 is not given",
    ):
        read(document, tmp_path)


def test_a_number_that_python_would_not_read_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    path.write_text(f"[service_changes]\nward = {'1' * 5_000}\n", "utf-8")
    with pytest.raises(UserError) as raised:
        read_worksheet(HERE, path)
    assert str(raised.value) == (
        "contract.toml is not a TOML file: a number in it has more digits than any contract has."
    )


def test_cquin_is_not_added_to_prices_that_have_it(tmp_path: Path) -> None:
    """2021/22 ¶51: unit prices of 2021/22 have been uplifted by 1.25% already."""
    outturn = {"from_activity": ["DC"], "year": "2019-20", "priced_under": "2021-22"}
    (plain,) = [c.document for c in worksheet_cases() if "CQUIN is not added again" in c.name]
    baseline = {**plain["opening_baseline"], "contract_outturn": outturn}
    own = {**plain, "opening_baseline": baseline}
    assert len(read(own, tmp_path).asked) == 1
    with pytest.raises(UserError) as raised:
        read({**own, "cquin_funding": {"is_based_on_unit_prices": False}}, tmp_path)
    assert str(raised.value).splitlines()[1:] == [
        "  contract.toml: [cquin_funding] is_based_on_unit_prices is false, and contract_outturn "
        "of [opening_baseline] is at the unit prices of 2021-22, which have it in them (2021/22 "
        "¶51): it would be added twice"
    ]


def test_a_part_given_twice_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    path.write_text("[service_changes]\nward = 0\nward = 1\n", "utf-8")
    with pytest.raises(UserError) as raised:
        read_worksheet(HERE, path)
    assert str(raised.value) == (
        "contract.toml is not a TOML file: Cannot overwrite a value (at line 3, column 9): it is "
        "given twice."
    )


def test_the_page_shows_what_a_worksheet_with_faults_is_refused_for() -> None:
    with pytest.raises(UserError) as raised:
        read_worksheet(HERE, PROJECT / "data" / "worksheets" / "fixed-with-faults.toml")
    page = (PROJECT / "docs" / "fixed-element.md").read_text("utf-8")
    assert f"```text\nRefused: {raised.value}\n```" in page


# --- Month by month -------------------------------------------------------------------------

LISTED = {"provider_code": "RRV", "commissioner_code": "QHM"}
"""A pair of the LVA payments schedule of 2024/25."""


def with_contract(folder: Path, *rows: str) -> Workspace:
    """What ships, and a list of contracts of these rows."""
    landing = folder / "data" / "landing"
    landing.mkdir(parents=True)
    header = ",".join(cell.header for cell in CONTRACT_CELLS)
    (landing / "contracts.csv").write_text("\n".join([header, *rows, ""]), "utf-8")
    return Workspace(folder, PROJECT / "data")


def test_the_months_that_a_block_pays_for_are_named(tmp_path: Path) -> None:
    """2023/25 ¶85: the pair is under API for the first half of the year alone."""
    workspace = with_contract(tmp_path, "RRV,QHM,,,api,VAR1,,,,2024-04-01,2024-09-30")
    assert faults_of(tmp_path, workspace, **LISTED) == [
        "RRV and QHM are on the LVA payments schedule in 2024-10, 2024-11, 2024-12, 2025-01, "
        "2025-02, 2025-03, so that a block pays: to move the relationship to API, say so in the "
        "list of contracts"
    ]


def test_an_agreement_from_the_month_that_api_begins_is_taken(tmp_path: Path) -> None:
    workspace = with_contract(tmp_path, "RRV,QHM,,,api,VAR1,,,,2024-10-01,2025-03-31")
    items = {"items": {**LISTED, "first_month": "2024-10"}}
    found = read(document_of("items_2024_25", items), tmp_path, workspace)
    assert found.months == ("2024-10", "2024-11", "2024-12", "2025-01", "2025-02", "2025-03")


# --- Beside other lists and files ----------------------------------------------------------


def landed(workspace: Workspace, **texts: str) -> tuple[FixedWorksheet, ...]:
    """The worksheets of 2024/25 from files of these texts."""
    for name, text in texts.items():
        (workspace.landing / f"{name}.toml").write_text(text, "utf-8")
    return landed_worksheets(workspace, read_organisations(workspace), "2024-25")


def of_plain(**items: Any) -> str:
    return as_toml(document_of("items_2024_25", {"items": items}))


DRUGS = {"commissioner_code": "13Q", "excluded_drugs_baseline": {"baseline": "4,000,000"}}


def test_a_baseline_of_drugs_is_that_of_the_list_of_contracts(tmp_path: Path) -> None:
    """2023/25 ¶29: of £10m in the list and £4m in the worksheet, nobody would pay £6m."""
    of_list = "RRK,13Q,,,,,,,{},2024-04-01,2025-03-31"
    says = (
        "[excluded_drugs_baseline] comes to £4,000,000.00, and the list of contracts, by which "
        "drugs above it are paid, has {}: enter what was agreed in both"
    )
    workspace = with_contract(tmp_path, of_list.format("10000000"))
    assert faults_of(tmp_path, workspace, **DRUGS) == [says.format("£10,000,000.00")]
    workspace = with_contract(tmp_path / "none", of_list.format(""))
    with pytest.raises(UserError) as raised:
        landed(workspace, drugs=of_plain(**DRUGS))
    assert str(raised.value).endswith(says.format("none"))
    workspace = with_contract(tmp_path / "same", of_list.format("4000000"))
    (found,) = landed(workspace, drugs=of_plain(**DRUGS))
    assert found.worked_out().total_pence == 10_400_000_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('fixed_payment = "100,000,000"\n', "[fixed_payment] is no item of 2024-25: there are "),
        ("[[review]]\ncontract_value = 1\n", "review is a table or list: it must be a table"),
    ],
)
def test_a_file_that_is_neither_a_worksheet_nor_a_review_is_refused(
    text: str, fault: str, tmp_path: Path
) -> None:
    header = [f'{key} = "{code}"' for key, code in zip(HEADER, ("RRK", "QHL"), strict=False)]
    header += ['scheme_year = "2024-25"', 'starts_from = "rolled_forward"', text]
    with pytest.raises(UserError) as raised:
        landed(with_contract(tmp_path), half="\n".join(header))
    assert any(line.startswith(f"  half.toml: {fault}") for line in str(raised.value).splitlines())


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({}, None),
        ({"cost": "1,800,001"}, "cost"),
        ({"births": {"QHL": {"RRK": 10}, "QOP": {"R0A": 5}}}, "births"),
    ],
)
def test_a_network_is_the_same_in_every_contract(
    other: dict[str, Any], differs: str | None, tmp_path: Path
) -> None:
    """2021/22 Appendix 1: what comes off all contracts is what the centre's contract has."""
    network = {**NETWORK, "births": {"QHL": {"RRK": 10}, "QOP": {"R0A": 10}}}
    texts = {
        "centre": of_plain(maternal_medicine_network=network),
        "other": of_plain(
            provider_code="R0A",
            commissioner_code="QOP",
            maternal_medicine_network={**network, **other},
        ),
    }
    workspace = with_contract(tmp_path)
    if differs is None:
        totals = [one.worked_out().total_pence for one in landed(workspace, **texts)]
        # 1.8 less half of it; half of it off.
        assert totals == [10_090_000_000, 9_910_000_000]
        return
    with pytest.raises(UserError) as raised:
        landed(workspace, **texts)
    assert str(raised.value) == (
        "A Maternal Medicine Network is the same in every contract:\n"
        f"  centre.toml and other.toml have another {differs} of the network of RRK and QHL\n"
        "Enter what was agreed in all of them."
    )


# --- Against the threshold of 2021/22 -------------------------------------------------------


def of_2021_22(**header: Any) -> dict[str, Any]:
    only = {
        "opening_baseline": {"year": "2021-22", "wards": "100,000,000"},
        "overheads": {"amount": 0},
        "cquin_funding": {"is_based_on_unit_prices": True},
    }
    header = {"is_same_system": None, "starts_from": "forecast_cost", **header}
    return document_of("bases_2021_22", {"header": header, "only": only})


@pytest.mark.parametrize(
    ("header", "is_refused"),
    [
        ({}, True),
        ({"is_same_system": True}, False),
        ({"is_same_system": False}, True),
        ({"expected_value": "10,000,000"}, False),
        ({"expected_value": "9,999,999.99"}, True),
        # 2021/22 ¶28: for six months the threshold is £5 million.
        ({"expected_value": "5,000,000", "first_month": "2021-10"}, False),
        ({"expected_value": "4,999,999.99", "first_month": "2021-10"}, True),
    ],
)
def test_the_threshold_is_pro_rata_to_the_months(
    header: dict[str, Any], is_refused: bool, tmp_path: Path
) -> None:
    document = of_2021_22(**header)
    if not is_refused:
        found = read(document, tmp_path)
        six = "The threshold of API outside a system is £5,000,000.00 for 6 months (2021/22 ¶28)."
        assert (six in found.notes) == ("first_month" in header)
        return
    with pytest.raises(UserError) as raised:
        read(document, tmp_path)
    assert str(raised.value).endswith(
        "RRK and QHL are not known to be under API: say is_same_system, or an expected_value of "
        "at least £10,000,000.00 a year (2021/22 ¶13, ¶28)"
    )


def test_in_a_run_only_the_list_of_contracts_says_what_the_threshold_asks(tmp_path: Path) -> None:
    """2021/22 ¶13: by it the lines of the pair are priced, or said to be of no known contract."""
    document = of_2021_22(is_same_system=True)
    workspace = with_contract(tmp_path)
    (workspace.landing / "contract.toml").write_text(as_toml(document), "utf-8")
    with pytest.raises(UserError) as raised:
        landed_worksheets(workspace, read_organisations(workspace), "2021-22")
    assert str(raised.value).endswith(
        "RRK and QHL are not known to be under API: the list of contracts, by which their lines "
        "are priced, must say is_same_system, or an expected_annual_value of at least "
        "£10,000,000.00 a year (2021/22 ¶13, ¶28)"
    )
    of_list = "RRK,QHL,,,,,yes,,,2021-04-01,2022-03-31"
    workspace = with_contract(tmp_path / "listed", of_list)
    (workspace.landing / "contract.toml").write_text(as_toml(document), "utf-8")
    (found,) = landed_worksheets(workspace, read_organisations(workspace), "2021-22")
    assert found.worked_out().total_pence == 10_000_000_000


def test_agreed_levels_of_activity_are_pro_rata_too(tmp_path: Path) -> None:
    """2021/22 ¶28: 7 of 12 months of 1,000 are 583.3, of 6 are 3.5, which is 4."""
    document = of_2021_22(is_same_system=True, last_month="2021-10")
    found = read({**document, "activity_levels": {"NEL": 1000, "maternity": 6}}, tmp_path)
    assert found.levels_of_months() == {"NEL": 583, "maternity": 4}


# --- The command ----------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["fixed", "build", *arguments])


def test_the_command_shows_each_line_with_its_base_and_the_total() -> None:
    done = run(str(EXAMPLE))
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.replace("│", " ").split())
    assert "Fixed element of 2026-27: £101,565,321.21 (£101.6m)" in words
    assert "no contract of any provider" in words
    for text in ("£2,025,000.00", "£2.0m", "-£2,521,036.29", "2026/27 ¶47, Appendix"):
        assert text in done.output


def test_json_and_workbook_hold_the_same_lines(tmp_path: Path) -> None:
    from fastexcel import read_excel

    book = tmp_path / "fixed.xlsx"
    done = run(str(EXAMPLE), "--json", "--workbook", str(book))
    document = json.loads(done.output)
    assert document["total_pence"] == 10_156_532_121
    assert sum(line["amount_pence"] for line in document["lines"]) == document["total_pence"]
    growth = document["lines"][3]
    assert growth == {
        "item": "activity_change",
        "formula": "1% of the running total, £202.5m",
        "base_pence": 20_250_000_000,
        "rate": "1/100",
        "amount_pence": 202_500_000,
        "running_total_pence": 20_452_500_000,
        "inputs": "fixed-2026-27.toml [activity_change]",
        "paragraph": "2026/27 Appendix 1, Table 2",
    }
    sheet = read_excel(book).load_sheet("fixed element").to_polars()
    pounds = [round(value * 100) for value in sheet["amount (£)"]]
    assert pounds == [line["amount_pence"] for line in document["lines"]]


def test_nothing_is_written_of_a_file_that_is_refused(tmp_path: Path) -> None:
    path, book = tmp_path / "contract.toml", tmp_path / "fixed.xlsx"
    path.write_text(as_toml(document_of("items_2024_25", {"items": {"activity_growth": None}})))
    done = run(str(path), "--workbook", str(book))
    assert isinstance(done.exception, UserError)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["contract.toml"]


# --- Worksheets that ship ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "total_pence"),
    [
        # £98m, 1.4% and 2% on it, 1% of £101,359,440.00, -£1m, £4m, 1.25% of £105,373,034.40
        ("2021-22", 10_669_019_733),
        # £100m, 3% of it, (1,000 - 40% of it - 1% of 11,000) x £2,000
        ("2022-23", 10_398_000_000),
        # As the guidance prints them: £187.2m and £101.6m
        ("2024-25", 18_719_982_840),
        ("2026-27", 10_156_532_121),
    ],
)
def test_each_worksheet_that_ships_comes_to_its_sum(
    year: str, total_pence: int, tmp_path: Path
) -> None:
    path = PROJECT / "data" / "worksheets" / f"fixed-{year}.toml"
    made = read_worksheet(Workspace.at(tmp_path), path).worked_out()
    assert made.total_pence == total_pence
