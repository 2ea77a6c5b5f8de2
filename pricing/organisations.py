"""Who provided and who pays: delivered organisation codes resolved to the parties.

Belongs here: from a site or sub-location as delivered to the provider and the payer, and
what the reference tables say of that pair. Does not belong here: the organisations
themselves (`data/organisations/`), or what follows from them.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.reference import Reference

DELIVERED_PARTIES = ("organisation_code_of_provider", "organisation_code")
"""The codes of a record that its parties are found by; see `payer_as_delivered`."""

_TRUST_CODE_LENGTH = 3


def payer_as_delivered() -> nw.Expr:
    """The commissioner SUS+ derived where there is one, else the one submitted."""
    return nw.coalesce("derived_commissioner_code", "organisation_code_of_commissioner")


def find_parties(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """One row for each pair of delivered codes in the records; null where unknown.

    Takes records with `DELIVERED_PARTIES`; gives those with `provider_code`,
    `provider_kind`, `mff_ppm`, the payer's `commissioner_code` and `commissioner_kind`,
    and the pair's `block_value_pence` on the LVA payments schedule.
    """
    pairs = records.select(*DELIVERED_PARTIES).unique()
    pairs = _with_provider(pairs, reference)
    pairs = _with_commissioner(pairs, reference)
    return pairs.join(reference.lva_schedule, on=["provider_code", "commissioner_code"], how="left")


def _with_provider(pairs: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """A code that is a provider's own stands; any other is cut to its first three characters.

    So a trust's site `RRV01` becomes `RRV`, and an independent provider keeps its five.
    """
    providers = reference.providers.join(
        reference.market_forces_factors, on="provider_code", how="left"
    )
    own = providers.select(
        nw.col("provider_code").alias("organisation_code_of_provider"),
        nw.col("provider_code").alias("own_provider_code"),
    )
    trusts = providers.select(
        nw.col("provider_code").alias("trust_code"),
        nw.col("provider_code").alias("trust_provider_code"),
    )
    trust_code = nw.col("organisation_code_of_provider").str.slice(0, _TRUST_CODE_LENGTH)
    return (
        pairs.join(own, on="organisation_code_of_provider", how="left")
        .with_columns(trust_code=trust_code)
        .join(trusts, on="trust_code", how="left")
        .with_columns(provider_code=nw.coalesce("own_provider_code", "trust_provider_code"))
        .join(
            providers.select("provider_code", "provider_kind", "mff_ppm"),
            on="provider_code",
            how="left",
        )
        .select(*DELIVERED_PARTIES, "provider_code", "provider_kind", "mff_ppm")
    )


def _with_commissioner(pairs: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """A sub-ICB location is paid for by its ICB; an NHS England hub pays for itself."""
    return pairs.join(reference.commissioners, on="organisation_code", how="left")
