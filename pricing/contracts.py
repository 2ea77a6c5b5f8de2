"""Contracts: what the parties agreed, and which relationships are under API at all.

Belongs here: what a contract covers (2023/25 ¶21-22, ¶27, ¶76, 2026/27 ¶9, ¶12, ¶17, ¶80), the
mechanism that its parties agreed on (2023/25 ¶85, 2026/27 ¶42-43), and the threshold of 2021/22
¶11-16, Figure 1. Does not belong here: what follows for a line, which the scheme's decision table
says (`pricing.mechanism`), or the contracts, which are the user's own list.
"""

from collections.abc import Set
from typing import Any

import narwhals.stable.v2 as nw

from pricing.reference import Reference
from pricing.scheme import Scheme

PAIR = ("provider_code", "commissioner_code")
COVERS = (
    "specialised",
    "armed_forces",
    "health_and_justice",
    "increasing_capacity_framework",
    "subcontracted",
    "advice_and_guidance",
)
"""What a contract, or an agreement within one, may say that it covers."""
AGREED_API = "api"
AGREED_MECHANISMS = ("api_fixed", "activity_based", "local_agreement")
"""What parties may agree on in place of what the rules give; `AGREED_API` leaves it to them."""
NHS_ENGLAND = "nhs_england"
_OF_API = (AGREED_API, "api_fixed")


def with_terms(
    parties: nw.LazyFrame[Any], contracts: nw.LazyFrame[Any], scheme: Scheme, asked: Set[str]
) -> nw.LazyFrame[Any]:
    """The parties with what their contract says, and the facts of it that are asked.

    `contracts` is that table of `pricing.reference`. Adds `covers`, `agreed_mechanism` and a
    column for each of the facts of a contract, False where the scheme does not ask it.
    """
    facts = {
        "is_contract_not_known": _is_not_known,
        "is_below_contract_threshold": _is_below_threshold,
        "is_small_armed_forces_contract": _is_small_armed_forces_contract,
    }
    return parties.join(contracts, on=list(PAIR), how="left").with_columns(
        **{
            fact: work_out(scheme).fill_null(False) if fact in asked else nw.lit(False)
            for fact, work_out in facts.items()
        }
    )


def with_agreements(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Records with their parties, and the terms of the agreement they are under, if it has any.

    Adds `agreement_covers` and `agreement_mechanism`.
    """
    terms = {"covers": "agreement_covers", "agreed_mechanism": "agreement_mechanism"}
    agreements = reference.agreements.rename(terms)
    return records.join(agreements, on=[*PAIR, "agreement_serial_number"], how="left")


def covers(what: str) -> nw.Expr:
    """Whether the record's agreement, or else the contract, says that it covers this."""
    return (nw.coalesce("agreement_covers", "covers") == what).fill_null(False)


def is_outside_api(asked: Set[str]) -> nw.Expr:
    """Whether unit prices are paid in place of API, of the ways that the year's scheme knows."""
    ways = {
        "is_under_framework": covers("increasing_capacity_framework"),
        "is_subcontracted": covers("subcontracted"),
        "is_below_contract_threshold": nw.col("is_below_contract_threshold"),
    }
    known = [way for name, way in ways.items() if name in asked]
    return nw.any_horizontal(*known, ignore_nulls=False) if known else nw.lit(False)


def agreed_mechanism() -> nw.Expr:
    """What the record's agreement, or else the contract, says of how it is paid for."""
    return nw.coalesce("agreement_mechanism", "agreed_mechanism")


def is_mechanism_agreed() -> nw.Expr:
    """Whether the parties agreed on a mechanism; to agree on API is to leave it to the rules.

    API is for NHS providers only (2023/25 ¶1, 2026/27 ¶3), so others cannot agree on its fixed
    element.
    """
    agreed = agreed_mechanism()
    is_open_to_them = nw.col("is_nhs_provider") | ~agreed.is_in(_OF_API)
    return ((agreed != AGREED_API) & is_open_to_them).fill_null(False)


def is_agreed_to_be_under_api() -> nw.Expr:
    """Whether the parties moved an LVA relationship to API, as they may (2023/25 ¶85).

    The relationship moves as a whole: an agreement within it cannot by itself.
    """
    return (nw.col("agreed_mechanism") == AGREED_API).fill_null(False)


def is_part_of_a_block() -> nw.Expr:
    """Whether an agreement by itself is moved from an LVA block to API, which cannot be.

    Only relationships move (2023/25 ¶85). Needs `agreement_serial_number`, `agreed_mechanism` and
    `is_block_pair`.
    """
    is_agreement = ~nw.col("agreement_serial_number").is_null()
    return is_agreement & (nw.col("agreed_mechanism") == AGREED_API) & nw.col("is_block_pair")


def needs_approval(scheme: Scheme) -> nw.Expr:
    """Whether what the parties agreed on is a variation that the year wants approved.

    Another mechanism than API is (2026/27 ¶42-43), and so is API for a pair that has an LVA block,
    which moves by the variations process too (2023/25 ¶85). Needs `agreed_mechanism` and
    `is_block_pair`.
    """
    if not scheme.api_scope.other_mechanism_needs_approval:
        return nw.lit(False)
    agreed = nw.col("agreed_mechanism")
    return ((agreed != AGREED_API) | nw.col("is_block_pair")) & ~agreed.is_null()


def is_without_api(scheme: Scheme, asked: Set[str]) -> nw.Expr:
    """Whether API pays for none of a pair's activity by the activity, as its contract stands.

    Providers that are none of the NHS (2023/25 ¶1, 2026/27 ¶3), an LVA block, another mechanism or
    the fixed element alone, and what is outside API. Needs the parties `with_terms`, and
    `is_block_pair`, `has_lva_exception`, `has_api_agreement` and `agreement_covers`.
    """
    agreed = nw.col("agreed_mechanism")
    is_agreed_api = (agreed == AGREED_API).fill_null(False)
    is_in_block = nw.col("is_block_pair") & ~nw.col("has_lva_exception") & ~is_agreed_api
    is_agreed_away = agreed.is_in(AGREED_MECHANISMS).fill_null(False)
    is_outside = (
        is_agreed_away
        | is_outside_api(asked)
        | nw.col("is_contract_not_known")
        | nw.col("is_small_armed_forces_contract")
    )
    is_nhs = nw.col("provider_kind").is_in(scheme.mechanism.nhs_provider_kinds).fill_null(False)
    return ~is_nhs | is_in_block | (is_outside & ~nw.col("has_api_agreement"))


def is_without_fixed_element(scheme: Scheme, asked: Set[str]) -> nw.Expr:
    """Whether a pair can have no API fixed element, as its contract stands.

    Providers that are none of the NHS (2023/25 ¶1, 2026/27 ¶3), an LVA block that was not moved to
    API (2023/25 ¶85), another mechanism that was agreed, and what is outside API. Takes what
    `is_without_api` does.
    """
    agreed_away = [one for one in AGREED_MECHANISMS if one not in _OF_API]
    is_outside = (
        nw.col("agreed_mechanism").is_in(agreed_away).fill_null(False)
        | is_outside_api(asked)
        | nw.col("is_contract_not_known")
    )
    is_nhs = nw.col("provider_kind").is_in(scheme.mechanism.nhs_provider_kinds).fill_null(False)
    return ~is_nhs | (nw.col("is_block_pair") & ~is_agreed_to_be_under_api()) | is_outside


def _is_not_known(scheme: Scheme) -> nw.Expr:
    """Neither a member of the same system nor of known value, and the threshold asks for one."""
    is_known = nw.col("is_same_system").fill_null(False) | (
        ~nw.col("expected_annual_value_pence").is_null()
    )
    return ~_is_exempt(scheme) & ~is_known


def _is_below_threshold(scheme: Scheme) -> nw.Expr:
    """Of parties of different systems, below £10 million in 2021/22 ¶13-14."""
    minimum = scheme.api_scope.minimum_contract_pence
    is_small = (nw.col("expected_annual_value_pence") < minimum).fill_null(False)
    return ~_is_exempt(scheme) & ~nw.col("is_same_system").fill_null(False) & is_small


def _is_exempt(scheme: Scheme) -> nw.Expr:
    """Contracts that the threshold does not concern.

    Specialised commissioning is under API whatever the value (2021/22 ¶15-16); below it the
    parties are free, so what they agreed on stands (2021/22 ¶14).
    """
    is_agreed = ~nw.col("agreed_mechanism").is_null()
    payer = nw.concat_str([nw.col("commissioner_kind"), nw.col("covers")], separator="_")
    without_threshold = scheme.api_scope.commissioners_without_threshold
    return is_agreed | payer.is_in(without_threshold).fill_null(False)


def _is_small_armed_forces_contract(scheme: Scheme) -> nw.Expr:
    """Usually a fixed payment is agreed for these (2026/27 ¶9)."""
    limit = scheme.api_scope.armed_forces_fixed_below_pence
    return (nw.col("covers") == "armed_forces") & (nw.col("expected_annual_value_pence") < limit)
