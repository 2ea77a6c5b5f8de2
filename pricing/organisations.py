"""Who provided and who pays: delivered organisation codes resolved to organisations.

Belongs here: from a site or sub-location as delivered to the provider and the payer.
Does not belong here: the organisations themselves (`data/organisations/`).
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing.reference import Reference

_TRUST_CODE_LENGTH = 3


def resolve_provider(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Adds `provider_code`, `provider_kind` and `mff_ppm`; null where unknown.

    A code that is a provider's own stands, so an independent provider keeps its five
    characters; any other is cut to the first three, so a trust's site `RRV01` becomes
    `RRV`.
    """
    providers = reference.providers.join(
        reference.market_forces_factors, on="provider_code", how="left"
    ).select("provider_code", "provider_kind", "mff_ppm")
    as_delivered = providers.select(
        nw.col("provider_code").alias("organisation_code_of_provider"),
        nw.col("provider_code").alias("own_provider_code"),
        nw.col("provider_kind").alias("own_provider_kind"),
        nw.col("mff_ppm").alias("own_mff_ppm"),
    )
    as_trust = providers.select(
        nw.col("provider_code").alias("trust_code"),
        nw.col("provider_code").alias("trust_provider_code"),
        nw.col("provider_kind").alias("trust_provider_kind"),
        nw.col("mff_ppm").alias("trust_mff_ppm"),
    )
    is_own = ~nw.col("own_provider_code").is_null()

    def own_or_trust(column: str) -> nw.Expr:
        own, trust = nw.col(f"own_{column}"), nw.col(f"trust_{column}")
        return nw.when(is_own).then(own).otherwise(trust).alias(column)

    return (
        records.join(as_delivered, on="organisation_code_of_provider", how="left")
        .with_columns(
            trust_code=nw.col("organisation_code_of_provider").str.slice(0, _TRUST_CODE_LENGTH)
        )
        .join(as_trust, on="trust_code", how="left")
        .with_columns(
            own_or_trust("provider_code"), own_or_trust("provider_kind"), own_or_trust("mff_ppm")
        )
    )


def resolve_commissioner(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """Adds the payer's `commissioner_code` and `commissioner_kind`; null where unknown.

    The commissioner SUS+ derived goes before the one that was submitted. A sub-ICB
    location is paid for by its ICB; an NHS England hub pays for itself.
    """
    return records.with_columns(
        organisation_code=nw.coalesce(
            "derived_commissioner_code", "organisation_code_of_commissioner"
        )
    ).join(reference.commissioners, on="organisation_code", how="left")
