"""A reissue: what months are worth and pay as prices were known on one day, and on another.

Belongs here: the months that a scheme year's reissue concerns, and the difference between
two pricings of them. Does not belong here: the pricing, which is that of any month on a
basis (`pipelines.pricing_run`).
"""

from dataclasses import dataclass

import polars as pl

from pipelines.accounting import Account, read_account
from pipelines.basis import PricingBasis, scheme_year_of
from pipelines.deliveries import deliveries_of
from pipelines.pricing_run import priced_paths
from pipelines.workspace import UserError, Workspace
from schemas.extracts import EXTRACTS

CONTRACT_LINE = ("provider_code", "commissioner_code", "point_of_delivery_code")
_AMOUNTS = ("value_pence", "payable_pence")


@dataclass(frozen=True, slots=True)
class Reissue:
    """The difference between two pricings of some months.

    `differences` has a row for each provider, commissioner and point of delivery: `lines`,
    `value_pence` and `payable_pence`, each `_before` and `_after`, and the `_difference` of the
    amounts. An amount is null where no line has one, and adds nothing to the difference.
    """

    months: tuple[str, ...]
    before: PricingBasis
    after: PricingBasis
    is_illustrative: bool
    differences: pl.DataFrame

    def total(self, column: str) -> int:
        """The sum of a column of the differences."""
        return int(self.differences[column].sum())


def months_in_lake(workspace: Workspace, scheme_year: str) -> tuple[str, ...]:
    """The months of a scheme year of which every dataset has been taken in.

    Raises `UserError` where there is none.
    """
    taken = [
        {
            month
            for delivery in deliveries_of(workspace, extract.dataset)
            for month in delivery.months
        }
        for extract in EXTRACTS
    ]
    found = tuple(
        sorted(month for month in set.intersection(*taken) if scheme_year_of(month) == scheme_year)
    )
    if not found:
        raise UserError(
            f"No month of {scheme_year} has been taken in. Put its extracts in "
            f"{workspace.shown(workspace.landing)}/ and run it: sus-pricing run --month "
            f"{scheme_year[:4]}-04"
        )
    return found


def compare(
    workspace: Workspace, months: tuple[str, ...], before: PricingBasis, after: PricingBasis
) -> Reissue:
    """The difference that the later basis makes to months that are priced on both.

    Raises `UserError` where the two are not of the same records and lists, or where the sum
    of the differences is not the difference of the two runs' totals.
    """
    first, second = workspace.on(before), workspace.on(after)
    for month in months:
        _refuse_unlike(read_account(first, month), read_account(second, month))
    made = _differences(_by_contract_line(first, months), _by_contract_line(second, months))
    reissue = Reissue(
        months=months,
        before=before,
        after=after,
        is_illustrative=any(
            read_account(priced, month).is_illustrative
            for priced in (first, second)
            for month in months
        ),
        differences=made,
    )
    for amount in _AMOUNTS:
        runs = sum(
            getattr(read_account(second, month), amount)
            - getattr(read_account(first, month), amount)
            for month in months
        )
        if reissue.total(f"{amount}_difference") != runs:
            raise UserError(
                f"The differences of {amount} come to {reissue.total(f'{amount}_difference'):,} "
                f"pence, those of the two runs to {runs:,}. Run the reissue again."
            )
    return reissue


def _refuse_unlike(before: Account, after: Account) -> None:
    """Raises `UserError` where two pricings are not of the same records and users' lists."""
    unlike = [
        f"{one.dataset} records"
        for one, other in zip(before.datasets, after.datasets, strict=True)
        if (one.cut, one.files, one.supplements) != (other.cut, other.files, other.supplements)
    ]
    lists = [
        {name: sha256 for name, sha256 in account.pricing_inputs.items() if _is_own_list(name)}
        for account in (before, after)
    ]
    unlike += sorted(name for name, _ in lists[0].items() ^ lists[1].items())
    if unlike:
        raise UserError(
            f"Between the two pricings of {before.activity_month} these have changed: "
            f"{', '.join(dict.fromkeys(unlike))}. Run the reissue again."
        )


def _is_own_list(name: str) -> bool:
    """Whether an input is the user's own, and no publication."""
    published = ("scheme pack", "price book", "LVA payments schedule", "organisations")
    return not name.startswith(published)


def _by_contract_line(workspace: Workspace, months: tuple[str, ...]) -> pl.DataFrame:
    paths = [path for month in months for path in priced_paths(workspace, month).values()]
    # The sum of nothing is 0; where no line has an amount there is none.
    amounts = [
        pl.when(pl.col(amount).is_not_null().any()).then(pl.col(amount).sum()).alias(amount)
        for amount in _AMOUNTS
    ]
    return (
        pl.scan_parquet(paths)
        .group_by(CONTRACT_LINE)
        .agg(pl.len().cast(pl.Int64).alias("lines"), *amounts)
        .collect()
    )


def _differences(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    measures = ("lines", *_AMOUNTS)
    named = [
        frame.rename({name: f"{name}_{when}" for name in measures})
        for frame, when in ((before, "before"), (after, "after"))
    ]
    return (
        named[0]
        .join(named[1], on=CONTRACT_LINE, how="full", coalesce=True)
        .with_columns(pl.col("lines_before", "lines_after").fill_null(0))
        .with_columns(
            (
                pl.col(f"{amount}_after").fill_null(0) - pl.col(f"{amount}_before").fill_null(0)
            ).alias(f"{amount}_difference")
            for amount in _AMOUNTS
        )
        .select(
            *CONTRACT_LINE,
            *(f"{name}_{when}" for name in measures for when in ("before", "after")),
            *(f"{amount}_difference" for amount in _AMOUNTS),
        )
        .sort(CONTRACT_LINE)
    )
