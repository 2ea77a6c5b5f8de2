"""Best practice tariffs: the price of a spell that met the criteria, in place of the base price.

Belongs here: which tariff a flag of SUS+ is, and whether its price is paid for the spell: that
of elective activity (2023/25 ¶26, ¶74-75, 2026/27 ¶15, ¶78-79), of a blended payment (2026/27
¶85), and wherever unit prices are paid without API (2023/25 ¶20-22, 2026/27 ¶11-12). Annual ones
are not: they inform the next fixed element (2023/25 ¶24-25, 2026/27 ¶15). Does not belong here:
the prices and flags (price books), the criteria, or the difference from a plan (2021/22 ¶57).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing import contracts, point_of_delivery
from pricing.codes import each_code
from pricing.decision import first_that_fits
from pricing.mechanism import API_VARIABLE, facts_asked
from pricing.reference import Reference
from pricing.scheme import PAYS_FOR_DIFFERENCE, Scheme

_MOST_FLAGS = 5
_PRICES = ("combined", "day_case", "ordinary_elective", "non_elective")


def tariffs(spells: nw.LazyFrame[Any], reference: Reference, scheme: Scheme) -> nw.LazyFrame[Any]:
    """`record_id` of each spell flagged for a tariff that has a price for it.

    With `best_practice_tariff_name` and `best_practice_price_pence`: of the first such flag, those
    of activity tariffs before those of annual ones, which would hide a price that is paid.
    Takes spells with their `price_hrg_code` and `published_source`.
    """
    price = first_that_fits(
        [
            (nw.col("published_source") == source, nw.col(f"best_practice_{source}_price_pence"))
            for source in _PRICES
        ],
        otherwise=None,
        dtype=nw.Int64,
    )
    flagged = spells.select(
        "record_id", "price_hrg_code", "published_source", "best_practice_flags"
    )
    priced = (
        each_code(flagged, "best_practice_flags", _MOST_FLAGS)
        .rename({"code": "best_practice_flag"})
        .join(
            reference.best_practice_prices.rename({"hrg_code": "price_hrg_code"}),
            on=["price_hrg_code", "best_practice_flag"],
            how="inner",
        )
        .with_columns(best_practice_price_pence=price)
        .filter(~nw.col("best_practice_price_pence").is_null())
    )
    if scheme.gives("best_practice_tariffs.activity_tariffs"):
        of_activity = scheme.best_practice_tariffs.activity_tariffs
        is_annual = ~nw.col("best_practice_tariff_name").is_in(of_activity)
        after = nw.when(is_annual).then(nw.lit(_MOST_FLAGS)).otherwise(nw.lit(0))
        priced = priced.with_columns(place=nw.col("place") + after)
    is_first = nw.col("place") == nw.col("place").min().over("record_id")
    return priced.filter(is_first).select(
        "record_id", "best_practice_tariff_name", "best_practice_price_pence"
    )


def tariff_name() -> nw.Expr:
    """The tariff that the spell is flagged for; none beside a local price."""
    return nw.when(~nw.col("is_local")).then(nw.col("best_practice_tariff_name"))


def best_practice_pence(scheme: Scheme) -> nw.Expr:
    """What the tariff's price adds to the base price; 0 where the base price is paid.

    Never both are paid: the two make up the price of the tariff. A local price has none.
    """
    difference = nw.col("best_practice_price_pence") - nw.col("published_price_pence")
    is_paid = _is_paid(scheme) & ~nw.col("is_local")
    return nw.when(is_paid).then(difference).otherwise(nw.lit(0)).fill_null(0).cast(nw.Int64)


def is_of_annual_tariff(scheme: Scheme) -> nw.Expr:
    """Whether a priced line is flagged for an annual tariff, which adds nothing to its price.

    It informs the fixed element of later years (2023/25 ¶25, 2026/27 ¶15). That is said of the
    variable element: in the blend every tariff is paid for, and in 2021/22 none is annual.
    """
    if scheme.best_practice_tariffs.pays == PAYS_FOR_DIFFERENCE:
        return nw.lit(False)
    name = nw.col("best_practice_tariff_name")
    is_annual = ~name.is_in(scheme.best_practice_tariffs.activity_tariffs)
    is_variable = nw.col("payment_mechanism") == API_VARIABLE
    return (is_variable & ~name.is_null() & is_annual).fill_null(False)


def _is_paid(scheme: Scheme) -> nw.Expr:
    """Whether the tariff's price is paid by the line, annual tariffs being not."""
    rules = scheme.best_practice_tariffs
    if scheme.best_practice_tariffs.pays == PAYS_FOR_DIFFERENCE:
        return nw.lit(True)
    name, code = nw.col("best_practice_tariff_name"), nw.col("point_of_delivery_code")
    is_annual_here = nw.lit(False)
    if scheme.gives("best_practice_tariffs.annual_for_non_elective"):
        is_annual_here = code.is_in(point_of_delivery.NON_ELECTIVE) & name.is_in(
            rules.annual_for_non_elective
        )
    is_outside_api = ~nw.col("is_nhs_provider") | contracts.is_outside_api(facts_asked(scheme))
    return (
        (name.is_in(rules.activity_tariffs) & ~is_annual_here)
        | code.is_in(scheme.mechanism.blended_points_of_delivery)
        | is_outside_api
    )
