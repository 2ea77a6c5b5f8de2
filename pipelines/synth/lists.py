"""The lists that users would bring: contracts, local prices, overseas visitors, excluded items.

Belongs here: rows of those lists, made up, that go with the records of a run, and the order of
all lists. Does not belong here: what is planned, agreed and counted in contracts (`plans`), prior
approvals and LVA exceptions, which decide what is expected of a run (`writing`), or how a list is
read.

A list is short: it shows its form, and each thing that it can say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipelines.synth.extracts import LOCAL_PRICE_HRG, Dataset, Mix, Month, Row
from pipelines.synth.plans import (
    COUNT_COLUMNS,
    PLAN_COLUMNS,
    TERM_COLUMNS,
    Activity,
    Pair,
    counts,
    plans,
    rule_years,
    terms,
    whole_year,
    year_of,
)
from pipelines.synth.pools import ADVICE_AND_GUIDANCE, stable
from pipelines.synth.reference import Provider, Reference

CONTRACT_COLUMNS = (
    *("provider_code", "commissioner_code", "agreement_serial_number", "covers"),
    *("agreed_mechanism", "approval_reference", "is_same_system", "expected_annual_value"),
    *("excluded_drugs_baseline", "valid_from", "valid_to"),
)
LOCAL_PRICE_COLUMNS = (
    *("provider_code", "commissioner_code", "hrg_code", "treatment_function_code"),
    *("attendance", "price", "agreement_reference", "approval_reference"),
    *("valid_from", "valid_to"),
)
VISITOR_COLUMNS = ("dataset", "record_id", "charging_status", "source_reference")
ITEM_COLUMNS = (
    *("item_reference", "record_id", "provider_code", "commissioner_code", "activity_month"),
    *("category", "item_name", "is_homecare", "quantity"),
    *("actual_cost", "framework_price", "reference_price"),
)
_MOST_VISITORS = 40
_MOST_ITEMS = 60
_PAYS_ALL_FEES = "4"
_AGREEMENTS = (
    ("ICF001", "increasing_capacity_framework", ""),
    ("ABP001", "", "activity_based"),
    ("FIX001", "", "api_fixed"),
    (ADVICE_AND_GUIDANCE, "advice_and_guidance", ""),
)
"""Agreements within a contract: serial number, what it covers, and the mechanism agreed."""
_STATUSES = ("exempt", "chargeable", "chargeable_settled_status")
_ITEMS = (
    ("drug", "Synthetic high cost drug", "yes"),
    ("drug", "Synthetic chemotherapy drug", "no"),
    ("device", "Synthetic implant", "no"),
    ("listed_procedure", "Synthetic listed procedure", "no"),
    ("medtech", "Synthetic MedTech product", "no"),
)


@dataclass(slots=True)
class OfRecords:
    """The rows of the lists that name records, a few of them as they pass, and what was done."""

    activity: Activity
    visitors: list[Sequence[str]] = field(default_factory=list)
    items: list[Sequence[str]] = field(default_factory=list)

    def gather(self, records: pl.DataFrame, dataset: Dataset, month: str) -> None:
        """Take what these records give, of the good ones."""
        self.activity.gather(records, dataset, month)
        good = records.filter(pl.col("_fault").is_null())
        own = (dataset.record_id, "_provider", "_payer", "_overseas_visitor")
        if len(self.visitors) < _MOST_VISITORS:
            liable = good.filter(pl.col("_overseas_visitor") == _PAYS_ALL_FEES)
            for row in liable.head(_MOST_VISITORS // 2).select(own).iter_rows(named=True):
                self._visit(row, dataset)
        if dataset.name == "apc" and len(self.items) < _MOST_ITEMS:
            for row in good.head(_MOST_ITEMS // 2).select(own).iter_rows(named=True):
                self._item(row, dataset, month)

    def _visit(self, row: Row, dataset: Dataset) -> None:
        """Half of the visitors have been looked into; of the rest only their code is known."""
        record_id = row[dataset.record_id]
        if stable(record_id) % 2:
            status = _STATUSES[len(self.visitors) % len(_STATUSES)]
            reference = f"SYN-OV-{len(self.visitors) + 1:04d}"
            self.visitors.append((dataset.name, record_id, status, reference))

    def _item(self, row: Row, dataset: Dataset, month: str) -> None:
        number = len(self.items)
        item = f"SYN-ITEM-{month}-{number + 1:05d}"
        category, name, is_homecare = _ITEMS[number % len(_ITEMS)]
        cost = 40_000 + stable(row[dataset.record_id]) % 400_000
        # An item may be known by its contract and month alone, and without a reference price.
        record_id = "" if number % 4 == 3 else row[dataset.record_id]
        framework, reference = _pounds(cost * 96 // 100), _pounds(cost * 92 // 100)
        self.items.append(
            (
                *(item, record_id, row["_provider"], row["_payer"], month),
                *(category, name, is_homecare, ("1", "2", "0.5")[number % 3]),
                *(_pounds(cost), framework, reference if number % 5 else ""),
            )
        )


def contracts(year: str, reference: Reference, mix: Mix) -> list[tuple[str, ...]]:
    """What each trust has with its near payers in a year, and a few contracts of their own kind."""
    valid = _valid(whole_year(year))
    rows: list[tuple[str, ...]] = []
    for provider in _trusts(reference):
        for place, payer in enumerate(_near_payers(provider, reference, mix)):
            annual = 1_000_000 * (1 + stable(provider.code, payer) % 300) // (1 + 9 * place)
            same = "yes" if place == 0 else "no"
            rows.append((provider.code, payer, "", "", "api", "", same, str(annual), "", *valid))
    rows += _agreements(valid, reference, mix)
    hubs = reference.nhs_england[:2]
    for provider, hub, covers in zip(
        _trusts(reference), hubs, ("specialised", "armed_forces"), strict=False
    ):
        rows.append((provider.code, hub, "", covers, "api", "", "", "8000000", "2500000", *valid))
    independents = [p for p in reference.providers if p.kind == "independent"]
    nearest = [(p.code, *_near_payers(p, reference, mix)[:1]) for p in independents]
    for pair, covers in zip(
        (pair for pair in nearest if len(pair) == 2),
        ("increasing_capacity_framework", "subcontracted"),
        strict=False,
    ):
        rows.append((*pair, "", covers, "", "", "", "", "", *valid))
    return rows


def _agreements(
    valid: tuple[str, str], reference: Reference, mix: Mix
) -> Iterator[tuple[str, ...]]:
    """Agreements of their own terms, of every other trust with its nearest payer.

    One mechanism that is agreed on in place of API needs approval, and has a reference.
    """
    for number, provider in enumerate(_trusts(reference)[::2]):
        for payer in _near_payers(provider, reference, mix)[:1]:
            for place, (serial, covers, agreed) in enumerate(_AGREEMENTS):
                approval = f"SYN-AP-{number + 1:02d}{place + 1}" if agreed else ""
                terms = (covers, agreed, approval, "", "", "")
                yield (provider.code, payer, serial, *terms, *valid)


def local_prices(months: Sequence[str], reference: Reference, mix: Mix) -> list[tuple[str, ...]]:
    """First attendances without a price, and chemotherapy of no national list, of some pairs."""
    valid = _valid(months)
    clinics = [f for f in mix["clinics"] if reference.attendance_prices.get((f, "WF01B")) is None]
    rows: list[tuple[str, ...]] = []
    for number, provider in enumerate(_trusts(reference)):
        for payer in _near_payers(provider, reference, mix)[:1] if number % 2 == 0 else []:
            agreement = f"SYN-LP-{number + 1:03d}"
            chemotherapy = (LOCAL_PRICE_HRG, "", "", "540.00", agreement, "")
            rows.append((provider.code, payer, *chemotherapy, *valid))
            for clinic in clinics[number % 3 :: 3]:
                price = _pounds(9_000 + stable(clinic) % 12_000)
                rows.append(
                    (provider.code, payer, "", clinic, "first", price, agreement, "", *valid)
                )
    return rows


def _near_payers(provider: Provider, reference: Reference, mix: Mix) -> list[str]:
    """The payers that the mix names for a provider, nearest first."""
    near = mix["providers"]["near"].get(provider.code, ())
    return [payer for payer in near if payer in reference.payers]


def _trusts(reference: Reference) -> list[Provider]:
    return [p for p in reference.providers if p.kind == "nhs_trust" and p.mff_ppm is not None]


def _valid(months: Sequence[str]) -> tuple[str, str]:
    """From the first to the last day of these months, so that lists of others may be beside it."""
    last = Month(max(months))
    return f"{Month(min(months)).first}", f"{last.first.replace(day=last.days)}"


def _pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"


def period(months: Sequence[str]) -> str:
    """Months as the names of files have them.

    >>> period(["2024-07"]), period(["2024-04", "2024-05", "2024-06"])
    ('2024-07', '2024-04_2024-06')
    """
    return "_".join(dict.fromkeys([months[0], months[-1]]))


def lists(
    months: Sequence[str], reference: Reference, mix: Mix, of_records: OfRecords
) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
    """The name, the header and the rows of each list.

    What is agreed for a year is named by it, so that a later run of the year takes its place.
    """
    of_months = period(months)
    yield f"local_prices_{of_months}", LOCAL_PRICE_COLUMNS, local_prices(months, reference, mix)
    yield f"overseas_visitors_{of_months}", VISITOR_COLUMNS, of_records.visitors
    yield f"excluded_items_{of_months}", ITEM_COLUMNS, of_records.items
    pairs: list[Pair] = []
    for year in dict.fromkeys(year_of(month) for month in months):
        own = [month for month in months if year_of(month) == year]
        agreed = contracts(year, reference, mix)
        pairs = _under_api(agreed, reference)
        yield f"contracts_{year}", CONTRACT_COLUMNS, agreed
        planned = plans(pairs, year, own, of_records.activity, mix)
        yield f"activity_plans_{year}", PLAN_COLUMNS, planned
        counted = counts(pairs, year, max(own), reference, mix)
        yield f"activity_counts_{year}", COUNT_COLUMNS, counted
    for rules in rule_years(months, mix["planned"]):
        yield f"contract_terms_{rules}", TERM_COLUMNS, terms(pairs, rules, reference, mix)


def _under_api(agreed: Sequence[Sequence[str]], reference: Reference) -> list[Pair]:
    """The pairs that agreed on API as a whole and have no low volume block."""
    blocks = set(reference.low_volume_pairs)
    return [
        (row[0], row[1])
        for row in agreed
        if not row[2] and row[4] == "api" and (row[0], row[1]) not in blocks
    ]
