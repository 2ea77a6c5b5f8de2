"""The users' list of contracts: what is known of each relationship, and what was agreed in it.

Belongs here: reading the list, and laying out what is in force in a month. Does not belong
here: what a contract does to a payment (`pricing.mechanism`, `pricing.excluded_items`), or the
contracts that frames are held to (`schemas.contracts`).

Contracts count by month, since activity is priced by month.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.basis import scheme_year_of
from pipelines.deliveries import CONTRACTS
from pipelines.lists import (
    Cell,
    code,
    optional_flag,
    optional_one_of,
    optional_text,
    pence,
    required_day,
)
from pipelines.user_lists import (
    UserList,
    read_user_list,
    refuse_backwards,
    refuse_disagreeing,
    refuse_overlapping,
    refuse_rows,
)
from pipelines.workspace import Workspace
from pricing.contracts import (
    AGREED_API,
    AGREED_MECHANISMS,
    COVERS,
    PAIR,
    is_part_of_a_block,
    is_without_api,
    is_without_fixed_element,
    needs_approval,
    with_terms,
)
from pricing.low_volume import is_block_pair
from pricing.mechanism import facts_asked
from pricing.scheme import Scheme


def _first_of_month(value: str) -> date:
    found = required_day(value)
    if found.day != 1:
        raise ValueError("is not the first of a month: contracts count by month")
    return found


def _last_of_month(value: str) -> date:
    found = required_day(value)
    if found.day != monthrange(found.year, found.month)[1]:
        raise ValueError("is not the last of a month: contracts count by month")
    return found


CONTRACT_CELLS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("agreement_serial_number", "agreement_serial_number", pl.String, optional_text),
    Cell("covers", "covers", pl.String, optional_one_of(*COVERS)),
    Cell(
        "agreed_mechanism",
        "agreed_mechanism",
        pl.String,
        optional_one_of(AGREED_API, *AGREED_MECHANISMS),
    ),
    Cell("approval_reference", "approval_reference", pl.String, optional_text),
    Cell("is_same_system", "is_same_system", pl.Boolean, optional_flag),
    Cell("expected_annual_value", "expected_annual_value_pence", pl.Int64, pence),
    Cell("excluded_drugs_baseline", "excluded_drugs_baseline_pence", pl.Int64, pence),
    Cell("valid_from", "valid_from", pl.Date, _first_of_month),
    Cell("valid_to", "valid_to", pl.Date, _last_of_month),
)
_AGREEMENT = (*PAIR, "agreement_serial_number")
_OF_THE_WHOLE = ("is_same_system", "expected_annual_value_pence", "excluded_drugs_baseline_pence")
_SAYS = ("covers", "agreed_mechanism", *_OF_THE_WHOLE)


def read_contracts(workspace: Workspace) -> UserList:
    """Every contract in the landing folder; none where there is no list.

    A row without an agreement serial number is of the whole relationship. Raises `UserError`
    that names the lines of entries that overlap, or that say of one agreement what only a
    whole relationship has, or give two baselines of excluded drugs for one year.
    """
    contracts = read_user_list(workspace, CONTRACTS, CONTRACT_CELLS)
    refuse_backwards(contracts)
    is_agreement = pl.col("agreement_serial_number").is_not_null()
    refuse_rows(
        contracts,
        is_agreement & pl.any_horizontal(pl.col(name).is_not_null() for name in _OF_THE_WHOLE),
        "of a single agreement must leave is_same_system, expected_annual_value and "
        "excluded_drugs_baseline blank: they are of the whole relationship, which is an entry "
        "without agreement_serial_number",
    )
    refuse_rows(
        contracts,
        ~is_agreement & (pl.col("covers") == "advice_and_guidance").fill_null(False),
        "of advice_and_guidance must name its agreement_serial_number: of a whole relationship it "
        "would take in the elective activity too",
    )
    refuse_overlapping(contracts, _AGREEMENT)
    _refuse_two_baselines(contracts)
    return contracts


def _refuse_two_baselines(contracts: UserList) -> None:
    """The baseline is of a scheme year: what was paid above one cannot be held to another."""
    given = contracts.rows.filter(pl.col("excluded_drugs_baseline_pence").is_not_null())
    months = given.with_columns(month=pl.date_ranges("valid_from", "valid_to", "1mo"))
    written = pl.col("month").dt.strftime("%Y-%m")
    by_year = months.explode("month").with_columns(
        year=written.map_elements(scheme_year_of, return_dtype=pl.String)
    )
    refuse_disagreeing(
        by_year.unique(["file", "line", "year"]),
        [*PAIR, "year"],
        ["excluded_drugs_baseline_pence"],
        "excluded_drugs_baseline for the whole of a scheme year",
    )


def refuse_unapproved(
    contracts: pl.DataFrame, month: date, tables: Mapping[str, pl.DataFrame], scheme: Scheme
) -> None:
    """Raises `UserError` for what the parties cannot agree, or not without naming an approval.

    Of the contracts in force in a month that begins on `month`, by the organisations of the price
    year; `tables` are `providers`, `commissioners` and `lva_schedule` of `pricing.reference`. The
    rules are those that price the month.
    """
    agreed = _with_parties(contracts.filter(_is_in_force(month)), tables, scheme)
    is_unapproved = needs_approval(scheme) & nw.col("approval_reference").is_null()
    for faulty, wanted in (
        (
            is_part_of_a_block(),
            f"of a single agreement must not be {AGREED_API} where the pair is on the LVA payments "
            "schedule: a relationship moves to API as a whole, by an entry without "
            "agreement_serial_number",
        ),
        (
            is_unapproved,
            f"with another mechanism than {AGREED_API}, or with {AGREED_API} for a pair that is on "
            "the LVA payments schedule, must name its approval under approval_reference in "
            f"{scheme.scheme_year} ({scheme.citation('api_scope.other_mechanism_needs_approval')})",
        ),
    ):
        found = agreed.filter(faulty).collect().to_native()
        refuse_rows(UserList(found, {}), pl.lit(True), wanted)


def pairs_without_api(
    pairs: pl.DataFrame,
    in_force: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    scheme: Scheme,
) -> pl.DataFrame:
    """Those of some pairs for whose activity API pays nothing in a month.

    `in_force` are the month's contracts (`contracts_in_force`); `tables` are `providers`,
    `commissioners`, `lva_schedule` and `lva_exception_days` of `pricing.reference`.
    """
    known = _with_terms(pairs, in_force, tables, scheme)
    condition = is_without_api(scheme, facts_asked(scheme))
    found: pl.DataFrame = known.filter(condition).collect().to_native()
    return found.select(PAIR)


def pairs_without_fixed_element(
    pairs: pl.DataFrame,
    in_force: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    scheme: Scheme,
) -> pl.DataFrame:
    """Those of some pairs that can have no fixed element in a month; takes the same tables."""
    known = _with_terms(pairs, in_force, tables, scheme)
    condition = is_without_fixed_element(scheme, facts_asked(scheme))
    found: pl.DataFrame = known.filter(condition).collect().to_native()
    return found.select(PAIR)


def _with_terms(
    pairs: pl.DataFrame,
    in_force: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Pairs with their parties, and all that is asked of their contract."""
    asked = facts_asked(scheme)
    excepted = tables["lva_exception_days"].select(*PAIR, has_lva_exception=True).unique()
    is_api = pl.col("agreed_mechanism") == AGREED_API
    agreements = single_agreements(in_force).filter(is_api).select(*PAIR, has_api_agreement=True)
    parties = (
        _with_parties(pairs.select(PAIR).unique(), tables, scheme)
        .join(nw.from_native(excepted.lazy()), on=list(PAIR), how="left")
        .join(nw.from_native(agreements.unique().lazy()), on=list(PAIR), how="left")
        .with_columns(
            nw.col("has_lva_exception", "has_api_agreement").fill_null(False),
            agreement_covers=nw.lit(None, dtype=nw.String),
        )
    )
    contracts = nw.from_native(whole_contracts(in_force).lazy())
    return with_terms(parties, contracts, scheme, asked)


def _with_parties(
    entries: pl.DataFrame, tables: Mapping[str, pl.DataFrame], scheme: Scheme
) -> nw.LazyFrame[Any]:
    """Entries of pairs with the kinds of both parties, and whether they have an LVA block."""
    providers = tables["providers"].select("provider_code", "provider_kind")
    payers = tables["commissioners"].select("commissioner_code", "commissioner_kind")
    known = (
        entries.join(providers.drop_nulls().unique(), on="provider_code")
        .join(payers.drop_nulls().unique(), on="commissioner_code")
        .join(tables["lva_schedule"], on=PAIR, how="left")
    )
    return nw.from_native(known.lazy()).with_columns(
        is_block_pair=is_block_pair(scheme.mechanism, scheme.low_volume)
    )


def contracts_in_force(contracts: pl.DataFrame, month: date) -> pl.DataFrame:
    """The entries in force in a month that begins on `month`, those of one agreement once.

    Takes entries by the organisations of the price year (`user_lists.in_price_year`). Raises
    `UserError` that names the lines where two that come down to one pair disagree.
    """
    in_force = contracts.filter(_is_in_force(month))
    refuse_disagreeing(in_force, _AGREEMENT, _SAYS, "of one agreement")
    return in_force.unique(_AGREEMENT, keep="first", maintain_order=True).sort(_AGREEMENT)


def whole_contracts(in_force: pl.DataFrame) -> pl.DataFrame:
    """The table `contracts` of `pricing.reference`: what is known of whole relationships."""
    return in_force.filter(pl.col("agreement_serial_number").is_null()).select(
        *PAIR, "covers", "agreed_mechanism", "is_same_system", "expected_annual_value_pence"
    )


def single_agreements(in_force: pl.DataFrame) -> pl.DataFrame:
    """The table `agreements` of `pricing.reference`: what is known of single agreements."""
    return in_force.filter(pl.col("agreement_serial_number").is_not_null()).select(
        *_AGREEMENT, "covers", "agreed_mechanism"
    )


def drug_baselines(in_force: pl.DataFrame) -> pl.DataFrame:
    """The baseline of excluded drugs of each pair that has one, in pence a scheme year."""
    return in_force.filter(pl.col("excluded_drugs_baseline_pence").is_not_null()).select(
        *PAIR, "excluded_drugs_baseline_pence"
    )


def _is_in_force(month: date) -> pl.Expr:
    return (pl.col("valid_from") <= month) & (pl.col("valid_to") >= month)
