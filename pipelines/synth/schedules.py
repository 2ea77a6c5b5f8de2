"""The lists that users would bring for the LVA payments schedule: inputs and locations.

Belongs here: rows of those lists, made up, for the pairs of a price book's schedule. Does not
belong here: extracts of the years that a schedule is made from (`writing`), or how a list is read.
"""

from collections.abc import Iterator, Sequence

from pipelines.synth.pools import stable
from pipelines.synth.reference import Reference

INPUT_COLUMNS = (
    *("scheme_year", "schedule_input", "provider_code", "commissioner_code", "part", "year"),
    *("amount", "growth"),
)
LOCATION_COLUMNS = ("organisation_code", "easting", "northing", "postcode_sector")
_LARGE = 1_250_000
"""What one pair has, so that it comes near the threshold."""


def schedule_lists(
    years: Sequence[str], reference: Reference
) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
    """The name, the header and the rows of each list, for the schedules of some years."""
    for year in years:
        yield f"schedule_inputs_{year}", INPUT_COLUMNS, list(_inputs(year, reference))
    if years:
        yield "organisation_locations", LOCATION_COLUMNS, list(_locations(reference))


def _inputs(year: str, reference: Reference) -> Iterator[tuple[str, ...]]:
    for place, pair in enumerate(reference.low_volume_pairs):
        amount = _LARGE if place == 0 else 1_000 + stable(*pair) % 20_000
        if place % 4 == 0:
            yield (year, "newly_delegated", *pair, "specialised", "", f"{amount}", "")
    for provider in dict.fromkeys(provider for provider, _ in reference.low_volume_pairs):
        income = 200_000_000 + stable(provider) % 900_000_000
        yield (year, "provider_income", provider, "", "", "", f"{income}", "")


def _locations(reference: Reference) -> Iterator[tuple[str, ...]]:
    for code in sorted({code for pair in reference.low_volume_pairs for code in pair}):
        yield (code, f"{300_000 + stable(code) % 300_000}", f"{stable(code, code) % 600_000}", "")
