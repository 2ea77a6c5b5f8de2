"""Excluded items: high cost drugs, devices, listed procedures and innovative products.

Belongs here: what is paid for an item outside unit prices, and the drugs of NHS England against
their baseline (2023/25 ¶28-34, ¶100-102, 2026/27 ¶18-23, ¶116, 2021/22 ¶18, ¶20-23). Does not
belong here: the items, which are the user's own list, or the lists of what is excluded (price
books).

Items are passed through: outside the fixed and the variable element, and without a market forces
factor (2023/25 ¶28-29, ¶101). An item that parties agreed to have in the fixed element (2023/25
¶29, 2026/27 ¶19) does not belong in the user's list. Homecare is funded by local agreement
(2023/25 ¶32): it may be in the fixed element as any excluded item may, and where it is paid apart
the excluded items pricing rule holds for it too (2026/27 ¶21). So what is on the list is paid as
other items are, but need not be named by the lists of excluded items, since homecare services are
excluded as a whole (2023/25 ¶28, ¶32). The costs of implementing a MedTech product are in the
fixed element and are no item (2023/25 ¶35, 2026/27 ¶24).
"""

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from pricing.contracts import AGREED_API, NHS_ENGLAND, PAIR, with_terms
from pricing.decision import first_that_fits
from pricing.low_volume import LVA_BLOCK, OUTSIDE_SCHEME, is_block_pair
from pricing.mechanism import (
    ACTIVITY_BASED,
    API_FIXED,
    EXCLUDED_ITEM,
    LOCAL_AGREEMENT,
    facts_asked,
)
from pricing.overseas_visitors import CHARGED_TO_PATIENT
from pricing.reasons import ItemReason
from pricing.reference import Reference
from pricing.scheme import Scheme
from schemas.priced_line import EXCLUDED_DRUGS_BASELINE, EXCLUDED_ITEMS

DRUG = "drug"
MEDTECH = "medtech"
PRICES = ("actual_cost", "framework_price", "reference_price")
"""The prices that one unit of an item may have; of those alike the first is named."""
NO_PRICE = "none"

NOT_RULED = "not_ruled"

_PAIR = list(PAIR)
_RECORD = ("record_id", *PAIR, "activity_month")
_UNDER_API = (AGREED_API, API_FIXED)
_UNDER_FRAMEWORK = "increasing_capacity_framework"
_AGAINST_BASELINE = (ItemReason.ITEM_AGAINST_BASELINE, ItemReason.ITEM_BASELINE_MISSING)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of the items for which a row of the decision table holds."""

    when: nw.Expr
    mechanism: str
    payable_pence: nw.Expr | int | None
    reason: ItemReason


def record_mechanisms(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The mechanism that pays for each record of some priced lines, its core HRG's.

    Gives `_RECORD` and `record_mechanism`, each record of a pair and month once: a spell and an
    attendance of one identifier that are paid for differently are left out, since an item could
    belong to either, and so is of no record that is known. The mechanism is `NOT_RULED` where
    nothing is said of who pays for the record.
    """
    is_ruled = (nw.col("mechanism_rule") != "overseas_visitor") | (
        nw.col("payment_mechanism") != LOCAL_AGREEMENT
    )
    mechanism = nw.when(is_ruled).then(nw.col("payment_mechanism")).otherwise(nw.lit(NOT_RULED))
    of_records = (
        lines.filter(nw.col("line_number") == 0)
        .with_columns(record_mechanism=mechanism)
        .group_by(*_RECORD)
        .agg(
            record_mechanism=nw.col("record_mechanism").min(),
            another=nw.col("record_mechanism").max(),
        )
    )
    same = of_records.filter(nw.col("record_mechanism") == nw.col("another"))
    return same.select(*_RECORD, "record_mechanism")


def priced_items(
    items: nw.LazyFrame[Any],
    reference: Reference,
    baselines: nw.LazyFrame[Any],
    records: nw.LazyFrame[Any],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """What is paid for each item, and why: the columns of `schemas.priced_line.EXCLUDED_ITEMS`.

    `items` are those of the user's list, with `is_listed` (null where there is no list to hold
    them against), `is_in_unit_prices` and `is_month_priced` (whether `records` has those of the
    item's month); price times quantity must be within `money.LARGEST_PENCE`. `baselines` are by
    pair, in pence a scheme year; `records` are those of `record_mechanisms`. Every item
    comes out once.
    """
    facts = _with_facts(items, reference, baselines, records, scheme)
    is_ruled = scheme.gives("excluded_items.lowest_of")
    lowest_of = scheme.excluded_items.lowest_of if is_ruled else ()
    priced = facts.with_columns(*_lowest_price(lowest_of)).with_columns(amount_pence=_amount())
    outcomes = _outcomes(scheme)

    def decided(part: str, otherwise: Any, dtype: type = nw.String) -> nw.Expr:
        rows = [(outcome.when, getattr(outcome, part)) for outcome in outcomes]
        return first_that_fits(rows, otherwise, dtype)

    return priced.with_columns(
        scheme_year=nw.lit(scheme.scheme_year),
        payment_mechanism=decided("mechanism", EXCLUDED_ITEM),
        payable_pence=decided("payable_pence", nw.col("amount_pence"), nw.Int64),
        reason_code=decided("reason", ItemReason.ITEM_LOWEST_PRICE),
    ).select(*(field.name for field in EXCLUDED_ITEMS))


def _with_facts(
    items: nw.LazyFrame[Any],
    reference: Reference,
    baselines: nw.LazyFrame[Any],
    records: nw.LazyFrame[Any],
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """The items with who their parties come down to, and what is known of the pair and record.

    A party for whom nobody stands keeps the code that the list gives.
    """
    providers = reference.providers.select(
        provider_code="delivered_code",
        standing_provider="provider_code",
        provider_kind="provider_kind",
    )
    commissioners = reference.commissioners.select(
        commissioner_code="organisation_code",
        standing_commissioner="commissioner_code",
        commissioner_kind="commissioner_kind",
    )
    parties = (
        items.join(providers, on="provider_code", how="left")
        .join(commissioners, on="commissioner_code", how="left")
        .with_columns(
            provider_code=nw.coalesce("standing_provider", "provider_code"),
            commissioner_code=nw.coalesce("standing_commissioner", "commissioner_code"),
        )
    )
    return (
        with_terms(parties, reference.contracts, scheme, facts_asked(scheme))
        .join(reference.lva_schedule.select(*_PAIR, "block_value_pence"), on=_PAIR, how="left")
        .join(baselines, on=_PAIR, how="left")
        .join(records, on=list(_RECORD), how="left")
    )


def _lowest_price(lowest_of: tuple[str, ...]) -> list[nw.Expr]:
    """The lowest of the prices that an item has, and which it is (2023/25 ¶102)."""
    if not lowest_of:
        return [
            nw.lit(None, dtype=nw.Int64).alias("price_pence"),
            nw.lit(NO_PRICE).alias("price_taken"),
        ]
    prices = [nw.col(f"{price}_pence") for price in PRICES if price in lowest_of]
    lowest = nw.min_horizontal(*prices)
    named = [(nw.col(f"{price}_pence") == lowest, price) for price in PRICES if price in lowest_of]
    return [lowest.alias("price_pence"), first_that_fits(named, NO_PRICE).alias("price_taken")]


def _amount() -> nw.Expr:
    """The price of one unit for the quantity, rounded once to the penny, halves away from zero."""
    return (nw.col("price_pence") * nw.col("quantity_thousandths") + 500) // 1_000


def _outcomes(scheme: Scheme) -> list[_Outcome]:
    """The decision table of items, read top to bottom; what is left pays its amount.

    Whoever the provider is, an item is paid the same way (2023/25 ¶29): but for fixed elements
    and blocks, which only NHS providers have.
    """
    is_homecare = nw.col("is_homecare")
    is_closed = nw.col("provider_kind").is_null() | nw.col("commissioner_kind").is_null()
    of_record = nw.col("record_mechanism")
    return [
        _Outcome(is_closed, LOCAL_AGREEMENT, None, ItemReason.ITEM_PARTY_NOT_IN_PRICE_YEAR),
        _Outcome(
            ~nw.col("record_id").is_null() & of_record.is_null() & nw.col("is_month_priced"),
            LOCAL_AGREEMENT,
            None,
            ItemReason.ITEM_RECORD_NOT_FOUND,
        ),
        _Outcome(of_record == OUTSIDE_SCHEME, OUTSIDE_SCHEME, 0, ItemReason.ITEM_OUTSIDE_SCHEME),
        _Outcome(
            of_record == CHARGED_TO_PATIENT,
            CHARGED_TO_PATIENT,
            0,
            ItemReason.ITEM_CHARGED_TO_PATIENT,
        ),
        _Outcome(of_record == NOT_RULED, LOCAL_AGREEMENT, None, ItemReason.ITEM_VISITOR_NOT_RULED),
        _under_block(scheme),
        _Outcome(_is_in_unit_price(scheme), ACTIVITY_BASED, 0, ItemReason.ITEM_IN_UNIT_PRICE),
        _Outcome(
            ~nw.col("is_listed") & ~is_homecare, LOCAL_AGREEMENT, None, ItemReason.ITEM_NOT_LISTED
        ),
        _Outcome(
            nw.col("is_listed").is_null() & ~is_homecare,
            LOCAL_AGREEMENT,
            None,
            ItemReason.ITEM_LIST_MISSING,
        ),
        *_of_fixed_element(scheme),
        _Outcome(
            nw.col("price_pence").is_null(), EXCLUDED_ITEM, None, ItemReason.ITEM_PRICE_NOT_RULED
        ),
        *_of_baseline(scheme),
        _Outcome(is_homecare, EXCLUDED_ITEM, nw.col("amount_pence"), ItemReason.ITEM_HOMECARE),
    ]


def _under_block(scheme: Scheme) -> _Outcome:
    """Items that an LVA block pays for: all but those that the year pays beside it.

    MedTech (2023/25 ¶100), every excluded item (2026/27 ¶116), nothing else (2023/25 ¶87).
    A record of the pair that is outside the block (2023/25 ¶79) has its items outside too.
    """
    rules = scheme.low_volume
    if not rules.has_payments_schedule:
        return _Outcome(nw.lit(False), LVA_BLOCK, 0, ItemReason.ITEM_COVERED_BY_LVA_BLOCK)
    is_moved_to_api = nw.col("agreed_mechanism").fill_null("") == AGREED_API
    is_pair_covered = is_block_pair(scheme.mechanism, rules) & ~is_moved_to_api
    of_record = nw.col("record_mechanism")
    is_covered = (
        nw.when(of_record.is_null()).then(is_pair_covered).otherwise(of_record == LVA_BLOCK)
    )
    if not scheme.gives("low_volume.items_paid_apart"):
        return _Outcome(is_covered, EXCLUDED_ITEM, None, ItemReason.ITEM_LVA_NOT_RULED)
    is_within = is_covered & ~nw.col("category").is_in(rules.items_paid_apart)
    return _Outcome(is_within, LVA_BLOCK, 0, ItemReason.ITEM_COVERED_BY_LVA_BLOCK)


def _is_in_unit_price(scheme: Scheme) -> nw.Expr:
    """Drugs that were moved into unit prices, homecare or not (2026/27 ¶21)."""
    if not scheme.gives("excluded_items.homecare_drugs_may_be_in_unit_prices"):
        return nw.lit(False)
    return nw.col("is_in_unit_prices") & scheme.excluded_items.homecare_drugs_may_be_in_unit_prices


def _of_fixed_element(scheme: Scheme) -> list[_Outcome]:
    """Items commissioned locally in a year whose fixed element includes them (2021/22 ¶20, ¶22).

    Innovative products are outside it (2021/22 ¶23), and so are contracts that are not under
    aligned payment and incentive, by their value or by the Framework (2021/22 ¶11-14, ¶17).
    """
    if not scheme.gives("excluded_items.local_items_are_in_fixed_element"):
        return []
    if not scheme.excluded_items.local_items_are_in_fixed_element:
        return []
    is_local = (
        nw.col("provider_kind").is_in(scheme.mechanism.nhs_provider_kinds)
        & (nw.col("commissioner_kind") != NHS_ENGLAND)
        & (nw.col("category") != MEDTECH)
        & (nw.col("covers").fill_null("") != _UNDER_FRAMEWORK)
    )
    agreed = nw.col("agreed_mechanism")
    is_under_api = (
        nw.when(agreed.is_null())
        .then(~nw.col("is_below_contract_threshold"))
        .otherwise(agreed.is_in(_UNDER_API))
    )
    return [
        _Outcome(
            is_local & nw.col("is_contract_not_known"),
            LOCAL_AGREEMENT,
            None,
            ItemReason.ITEM_CONTRACT_NOT_KNOWN,
        ),
        _Outcome(is_local & is_under_api, API_FIXED, 0, ItemReason.ITEM_IN_FIXED_ELEMENT),
    ]


def _of_baseline(scheme: Scheme) -> list[_Outcome]:
    """Drugs of which a baseline is in the fixed element (2023/25 ¶29, 2026/27 ¶19).

    Only what an NHS provider has a fixed element for, or a contract gives a baseline of.
    """
    if not scheme.gives("excluded_items.drugs_against_baseline_commissioner_kinds"):
        return []
    kinds = scheme.excluded_items.drugs_against_baseline_commissioner_kinds
    has_baseline = ~nw.col("excluded_drugs_baseline_pence").is_null()
    has_fixed_element = nw.col("provider_kind").is_in(scheme.mechanism.nhs_provider_kinds)
    is_against = (nw.col("category") == DRUG) & nw.col("commissioner_kind").is_in(kinds)
    return [
        _Outcome(is_against & has_baseline, EXCLUDED_ITEM, None, ItemReason.ITEM_AGAINST_BASELINE),
        _Outcome(
            is_against & has_fixed_element, EXCLUDED_ITEM, None, ItemReason.ITEM_BASELINE_MISSING
        ),
    ]


def against_baseline(
    priced: nw.LazyFrame[Any],
    baselines: nw.LazyFrame[Any],
    published: nw.LazyFrame[Any],
    activity_month: str,
    scheme_year: str,
) -> nw.LazyFrame[Any]:
    """What the drugs of each pair come to above its baseline in the scheme year up to a month.

    Takes the priced items of the year up to the month, and what earlier months of it published
    as payable (`published_pence`, by pair, each once); gives the columns of
    `schemas.priced_line.EXCLUDED_DRUGS_BASELINE`. The month pays what they did not, so that an
    item which came late, after its month was run, is not lost, and what was published too much is
    taken back. Where no baseline is known nothing is said to be payable, since what is above it
    cannot be known (2023/25 ¶29, 2026/27 ¶19).
    """
    amount = nw.col("amount_pence")
    is_of_month = nw.col("activity_month") == activity_month
    drugs = priced.filter(
        nw.col("reason_code").is_in([str(one) for one in _AGAINST_BASELINE])
    ).select(
        *_PAIR,
        month_amount_pence=nw.when(is_of_month).then(amount).otherwise(0),
        year_amount_pence=amount,
        published_before_pence=nw.lit(0),
    )
    # A pair whose drugs all left the list is held to what was published for it all the same.
    before = published.select(
        *_PAIR,
        month_amount_pence=nw.lit(0),
        year_amount_pence=nw.lit(0),
        published_before_pence=nw.col("published_pence"),
    )
    sums = ("month_amount_pence", "year_amount_pence", "published_before_pence")
    totals = (
        nw.concat([each.with_columns(nw.col(*sums).cast(nw.Int64)) for each in (drugs, before)])
        .group_by(*_PAIR)
        .agg(nw.col(*sums).sum().cast(nw.Int64))
    )
    year_payable = _above_baseline(nw.col("year_amount_pence"))
    return (
        totals.join(baselines, on=_PAIR, how="left")
        .with_columns(
            nw.lit(activity_month).alias("activity_month"),
            nw.lit(scheme_year).alias("scheme_year"),
            baseline_pence=nw.col("excluded_drugs_baseline_pence"),
            year_payable_pence=year_payable,
            payable_pence=year_payable - nw.col("published_before_pence"),
        )
        .select(*(field.name for field in EXCLUDED_DRUGS_BASELINE))
    )


def _above_baseline(amount: nw.Expr) -> nw.Expr:
    above = amount - nw.col("excluded_drugs_baseline_pence")
    return nw.when(above < 0).then(0).otherwise(above)
