"""Unbundled services: the lines of a record beside that of its core HRG.

Belongs here: which service an unbundled HRG is of, its price, and that it is variable or not
(2023/25 ¶18, ¶71, ¶116, ¶119, Table 3, 2026/27 ¶46, ¶74, ¶82, ¶94-95, 2021/22 ¶10, ¶33). Does not
belong here: who pays (the scheme's decision table), or what is the same for every line
(`pricing.national`).
"""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw

from pricing import unit_price
from pricing.codes import each_code
from pricing.contracts import PAIR
from pricing.decision import Row, first_that_fits
from pricing.mechanism import ACTIVITY_BASED, API_FIXED, API_VARIABLE, LOCAL_AGREEMENT
from pricing.reasons import Reason
from pricing.reference import Reference
from pricing.scheme import Scheme, Services
from schemas.priced_line import UNBUNDLED_OTHER

_MOST_HRGS = 12
_RADIOTHERAPY = "radiotherapy"
_KINDS_OF_RADIOTHERAPY = ("sabr", "srs_srt", "sirt")


def lines(
    records: nw.LazyFrame[Any], reference: Reference, scheme: Scheme, dataset: str
) -> nw.LazyFrame[Any]:
    """A line for each unbundled HRG of the records, with its `published_source` and prices.

    Takes records with their parties and the price source of their core HRG; gives them with
    `hrg_code` and `line_number` of the unbundled HRG. What is of the core HRG alone is taken
    off.
    """
    # That the core could not be grouped does not concern the rest.
    is_of_core = (nw.col("national_price_exclusion") == Reason.UNGROUPABLE).fill_null(False)
    exclusion = nw.when(~is_of_core).then(nw.col("national_price_exclusion"))
    found = (
        each_code(records, "unbundled_hrg_codes", _MOST_HRGS)
        .drop("hrg_code", "line_number")
        .rename({"code": "hrg_code", "place": "line_number"})
        .with_columns(national_price_exclusion=exclusion)
        .join(reference.unbundled_prices, on="hrg_code", how="left")
        .join(
            reference.local_hrg_price_days,
            on=[*PAIR, "hrg_code", "costing_date"],
            how="left",
        )
    )
    found = found.with_columns(service=_by_prefix(scheme.services.service_by_hrg_prefix, None))
    return found.with_columns(
        published_source=_source(scheme.services, dataset),
        point_of_delivery_code=_by_prefix(
            scheme.services.point_of_delivery_by_hrg_prefix, UNBUNDLED_OTHER
        ),
    ).with_columns(published_price_pence=_published_price_pence())


def is_paid_by(services: Services, mechanism: str) -> nw.Expr:
    """Whether a mechanism is that of the service; what the variable element pays is elective.

    2023/25 ¶71, ¶116, 2026/27 ¶74.
    """
    pays = services.mechanism_by_service
    of_mechanism = [name for name, its_own in pays.items() if its_own == mechanism]
    return nw.col("service").is_in(of_mechanism).fill_null(False)


def mechanism_of_service(services: Services) -> nw.Expr:
    """The mechanism of the service; the fixed element where the scheme names no other.

    So too where the record as a whole is excluded from national prices, as for its core HRG.
    What unit prices would pay for is by local agreement where none is published.
    """
    is_unpriced = nw.col("published_price_pence").is_null()
    by_unit_price = is_unpriced & is_paid_by(services, ACTIVITY_BASED)
    rows: list[Row] = [
        (~nw.col("national_price_exclusion").is_null(), API_FIXED),
        (by_unit_price, LOCAL_AGREEMENT),
    ]
    rows += [
        (nw.col("service") == name, mechanism)
        for name, mechanism in services.mechanism_by_service.items()
        if name in services.service_by_hrg_prefix.values()
    ]
    return first_that_fits(rows, otherwise=API_FIXED)


def service_of(hrg_code: str, services: Services) -> str | None:
    """The service of one unbundled HRG, as the lines have it; None where it is of none."""
    rows = _longest_first(services.service_by_hrg_prefix)
    return next((name for prefix, name in rows if hrg_code.startswith(prefix)), None)


def may_be_variable_radiotherapy(services: Services) -> nw.Expr:
    """Whether radiotherapy may be of a kind that is variable, which its HRG does not tell.

    SABR, SRS/T and SIRT are paid for by the unit, the rest is not (2023/25 ¶18).
    """
    pays, told_apart = services.mechanism_by_service, services.service_by_hrg_prefix.values()
    is_hidden = any(
        pays.get(kind) == API_VARIABLE and kind not in told_apart for kind in _KINDS_OF_RADIOTHERAPY
    )
    return (nw.col("service") == _RADIOTHERAPY).fill_null(False) & is_hidden


def _by_prefix(named: Mapping[str, str], otherwise: str | None) -> nw.Expr:
    """What an HRG's beginning stands for; the longest that fits."""
    hrg = nw.col("hrg_code").str
    rows = _longest_first(named)
    return first_that_fits([(hrg.starts_with(p), name) for p, name in rows], otherwise)


def _longest_first(named: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(named.items(), key=lambda item: -len(item[0]))


def _source(services: Services, dataset: str) -> nw.Expr:
    """Which price is published for the line.

    What the record as a whole is excluded from, its unbundled HRGs are too. Of an admitted spell,
    imaging is paid with the core HRG, at whatever price that has.
    """
    core = nw.col("published_source")
    within = list(services.within_admitted_price) if dataset == "apc" else []
    return first_that_fits(
        [
            *(
                (core == source, source)
                for source in (unit_price.NOT_ATTENDED, unit_price.ADMINISTRATIVE_EVENT)
            ),
            (~nw.col("national_price_exclusion").is_null(), unit_price.NONE),
            (nw.col("service").is_in(within), unit_price.WITHIN_CORE_PRICE),
            (~nw.col("unbundled_price_pence").is_null(), unit_price.UNBUNDLED),
        ],
        otherwise=unit_price.NONE,
    )


def _published_price_pence() -> nw.Expr:
    source = nw.col("published_source")
    return first_that_fits(
        [
            (source.is_in(unit_price.NOTHING_DONE), 0),
            (source == unit_price.UNBUNDLED, nw.col("unbundled_price_pence")),
        ],
        otherwise=None,
        dtype=nw.Int64,
    )
