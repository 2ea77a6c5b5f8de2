"""Organisations: who provides and who pays, read from lists.

Belongs here: the layout of the lists of providers and commissioners, and reading them.
Does not belong here: how a record finds its parties (`pricing.organisations`).
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.lists import Cell, code, one_of, read_list, text
from pipelines.price_books import sha256_of
from pipelines.workspace import UserError

_PROVIDERS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("provider_name", "provider_name", pl.String, text),
    Cell(
        "provider_kind",
        "provider_kind",
        pl.String,
        one_of("nhs_trust", "ambulance_trust", "independent"),
    ),
)
_COMMISSIONERS = (
    Cell("organisation_code", "organisation_code", pl.String, code),
    Cell("organisation_name", "organisation_name", pl.String, text),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("commissioner_kind", "commissioner_kind", pl.String, one_of("icb", "nhs_england")),
)


@dataclass(frozen=True, slots=True)
class Organisations:
    """Providers and commissioners."""

    providers: pl.DataFrame
    commissioners: pl.DataFrame
    sha256: str


def read_organisations(folder: Path) -> Organisations:
    """Reads the providers and commissioners in a folder."""
    providers, commissioners = folder / "providers.csv", folder / "commissioners.csv"
    for path in (providers, commissioners):
        if not path.is_file():
            raise UserError(f"{path.name} is not in {folder}.")
    return Organisations(
        providers=read_list(providers, _PROVIDERS, ["provider_code"]),
        commissioners=read_list(commissioners, _COMMISSIONERS, ["organisation_code"]),
        sha256=sha256_of([providers, commissioners]),
    )
