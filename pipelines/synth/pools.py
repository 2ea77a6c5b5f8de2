"""Drawing, and the pools of contracts, patients and paperwork that records are drawn from.

Belongs here: every way of drawing, and the part of a record that is the same whatever was done
to the patient. Does not belong here: the care itself and its price (`templates`), or putting
drawn parts together (`records`).
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

import polars as pl

from pipelines.synth.extracts import (
    COMMISSIONER,
    DERIVED_COMMISSIONER,
    PROVIDER,
    Mix,
    Row,
)
from pipelines.synth.reference import Provider, Reference

POOL_ROWS = 4_096
GROUPS = ("acute", "planned", "clinic", "mental_health")
ADVICE_AND_GUIDANCE = "ADV001"
"""The agreement that only clinics have."""


def choose(rng: Random, weights: Mapping[str, float], count: int) -> list[str]:
    """So many of the keys, by their weights."""
    return rng.choices(list(weights), list(weights.values()), k=count)


def in_bands(rng: Random, bands: Sequence[tuple[int, int, int]], count: int) -> list[int]:
    """So many numbers from bands of a lowest, a highest and a weight."""
    chosen = rng.choices(bands, [weight for _, _, weight in bands], k=count)
    return [rng.randint(low, high) for low, high, _ in chosen]


def uniform(rng: Random, count: int) -> pl.Series:
    """So many 32-bit numbers, without a Python call for each."""
    numbers = pl.Series([rng.randbytes(4 * count)]).bin
    return numbers.reinterpret(dtype=pl.Array(pl.UInt32, count), endianness="little").explode()


def stable(*parts: str) -> int:
    """The same large number for the same text, whatever the seed."""
    return zlib.crc32("/".join(parts).encode())


@dataclass(frozen=True, slots=True)
class Pool:
    """Entries to draw from; each group is a stretch of them.

    Blank text becomes null, since a CSV writer puts quotes around text that is empty.
    """

    entries: pl.DataFrame
    first: pl.Series
    size: pl.Series

    @classmethod
    def of(cls, *groups: Sequence[Row]) -> Self:
        """One pool of these groups, in order."""
        sizes = [len(group) for group in groups]
        first = [sum(sizes[:place]) for place in range(len(sizes))]
        rows = [row for group in groups for row in group]
        entries = pl.DataFrame(rows, infer_schema_length=None)
        return cls(
            entries.with_columns(pl.col(pl.String).replace("", None)),
            pl.Series(first, dtype=pl.UInt32),
            pl.Series(sizes, dtype=pl.UInt32),
        )

    def only(self, columns: Sequence[str]) -> "Pool":
        """The same entries with these columns of theirs, and those of our own."""
        wanted = [name for name in self.entries.columns if name in columns or name[0] == "_"]
        return Pool(self.entries.select(wanted), self.first, self.size)

    def draw(self, rng: Random, count: int) -> pl.DataFrame:
        """So many entries of any group."""
        return self._take(uniform(rng, count) % len(self.entries))

    def draw_from(self, group: pl.Series, rng: Random) -> pl.DataFrame:
        """An entry of each of these groups."""
        within = uniform(rng, len(group)) % self.size.gather(group)
        return self._take(self.first.gather(group) + within)

    def _take(self, places: pl.Series) -> pl.DataFrame:
        return self.entries.select(pl.all().gather(places))


def contracts(mix: Mix, reference: Reference, rng: Random) -> Pool:
    """Who provides and who pays, in groups of kinds of record."""
    return Pool.of(*(_contracts(group, mix, reference, rng) for group in GROUPS))


def _contracts(group: str, mix: Mix, reference: Reference, rng: Random) -> list[Row]:
    """Who provides and who pays, as records of this group of kinds say it."""
    weights = _pair_weights(group, mix["providers"], reference)
    suffixes = mix["providers"]["site_suffixes"]
    codes = {provider.code for provider in reference.providers}
    rows = []
    for provider, payer in rng.choices(list(weights), list(weights.values()), k=POOL_ROWS):
        site = provider.code + choose(rng, suffixes, 1)[0]
        if len(provider.code) != 3 or site in codes:
            site = provider.code
        rows.append(
            {
                PROVIDER: site,
                "Provider Site Code": site if len(site) == 5 else site + "00",
                **_commissioners(payer, reference, rng),
                "_provider": provider.code,
                "_payer": payer,
                "_mff": provider.mff_ppm,
            }
        )
    return rows


def _commissioners(payer: str, reference: Reference, rng: Random) -> Row:
    """The payer as records name it: mostly twice, by the same one of its locations."""
    carried = rng.choice(reference.payers[payer])
    chance = rng.random()
    plain, derived = carried, carried
    if chance < 0.05:
        derived = ""
    elif chance < 0.13:
        plain = payer
    elif chance < 0.15:
        plain = rng.choice(reference.payers[rng.choice(list(reference.payers))])
    hub = payer in reference.nhs_england
    return {
        COMMISSIONER: plain,
        DERIVED_COMMISSIONER: derived,
        "Derived Commissioner Type": "HUB" if hub else "SUB ICB",
        "Organisation Code (PCT Of Residence)": carried,
    }


def _pair_weights(
    group: str, shares: Mix, reference: Reference
) -> dict[tuple[Provider, str], float]:
    """How much each provider does for each payer: the same pattern whatever the seed."""
    known = [provider for provider in reference.providers if provider.mff_ppm is not None]
    independents = [provider for provider in known if provider.kind == "independent"]
    trusts = [provider for provider in known if provider.kind != "independent"]
    for_minds = [provider for provider in trusts if is_mental_health(provider, shares)]
    others = [provider for provider in trusts if provider not in for_minds]
    own = (for_minds if group == "mental_health" else others) or trusts
    independent_share = shares["independent_share"].get(group, 0) if independents else 0
    weights: dict[tuple[Provider, str], float] = {}
    for providers, share in ((own, 1000 - independent_share), (independents, independent_share)):
        sizes = {provider: _size(provider, shares) for provider in providers}
        for provider, size in sizes.items():
            for payer, part in _payer_weights(provider, shares, reference).items():
                weights[provider, payer] = share * size / sum(sizes.values()) * part
    return weights


def is_mental_health(provider: Provider, shares: Mix) -> bool:
    """Whether its name says that it is a mental health trust."""
    return any(words in provider.name for words in shares["mental_health_names"])


def _size(provider: Provider, shares: Mix) -> float:
    if provider.kind == "ambulance_trust":
        return float(shares["ambulance_size"])
    return 1 + stable(provider.code) % 10


def _payer_weights(provider: Provider, shares: Mix, reference: Reference) -> dict[str, float]:
    """How a provider's activity divides between payers near, payers on the schedule and hubs."""
    distant = [payer for code, payer in reference.low_volume_pairs if code == provider.code]
    near = _near_payers(provider, shares, reference, distant)
    hubs = sorted(reference.nhs_england, key=lambda hub: stable(provider.code, hub))[:2]
    mental_health = is_mental_health(provider, shares)
    low_volume = "mental_health_low_volume_share" if mental_health else "low_volume_share"
    distant_share = shares[low_volume] if distant else 0
    hub_share = shares["nhs_england_share"] if hubs and provider.kind == "nhs_trust" else 0
    near_share = 1000 - distant_share - hub_share
    near_weights = shares["near_weights"][: len(near)]
    return {
        **{payer: distant_share / len(distant) for payer in distant},
        **{hub: hub_share / len(hubs) for hub in hubs},
        **{
            payer: near_share * weight / sum(near_weights)
            for payer, weight in zip(near, near_weights, strict=True)
        },
    }


def _near_payers(
    provider: Provider, shares: Mix, reference: Reference, distant: Sequence[str]
) -> list[str]:
    boards = [payer for payer in reference.payers if payer not in reference.nhs_england]
    by_chance = sorted(boards, key=lambda payer: stable(provider.code, payer))
    near = shares["near"].get(provider.code, by_chance)
    known = [payer for payer in near if payer in boards and payer not in distant]
    return known[: len(shares["near_weights"])]


def patients(filler: Mix, rng: Random) -> Pool:
    """People who do not exist: numbers kept for tests, a postcode of no place, no real name."""
    return Pool.of([_patient(number, filler, rng) for number in range(POOL_ROWS)])


def _patient(number: int, filler: Mix, rng: Random) -> Row:
    sector = f"ZZ99 {rng.randint(1, 9)}"
    postcode = sector + "".join(rng.choices("ABDEFGHJLNPQRSTUWXYZ", k=2))
    practice = f"Z99{rng.randint(0, 399):03d}"
    return {
        "NHS Number": _test_nhs_number(rng),
        "Local Patient Identifier": f"SYN{number:07d}",
        "RTT Patient Pathway Identifier": f"SYNTHETIC{rng.randrange(10**11):011d}",
        "Unique Booking Reference Number (Converted)": f"999{rng.randrange(10**9):09d}",
        "Patient Name": f"SYNTHETIC PATIENT {number}",
        "Patient Usual Address": f"{rng.randint(1, 250)} SYNTHETIC STREET, NOWHERE",
        "Postcode Of Usual Address": postcode,
        "Postcode Sector Of Usual Address": sector,
        "Ethnic Category Code": choose(rng, filler["ethnic_category"], 1)[0],
        "Marital Status": choose(rng, filler["marital_status"], 1)[0],
        "GP Practice Code": practice,
    }


def _test_nhs_number(rng: Random) -> str:
    """A number with its check digit from 999, the range that is never issued."""
    while True:
        digits = f"999{rng.randrange(10**6):06d}"
        weighed = sum(int(digit) * (10 - place) for place, digit in enumerate(digits))
        check = -weighed % 11
        if check < 10:
            return f"{digits}{check}"


def paperwork(mix: Mix, rng: Random) -> Pool:
    """What is written on a record beside the care."""
    return Pool.of([_papers(mix["paperwork"], mix["filler"], rng) for _ in range(POOL_ROWS)])


def _papers(papers: Mix, filler: Mix, rng: Random) -> Row:
    category = choose(rng, papers["administrative_category"], 1)[0]
    in_pbr = choose(rng, papers["spell_in_pbr"], 1)[0]
    form = choose(rng, papers["agreement"], 1)[0]
    number = rng.randrange(99_999)
    agreement = form.format(n=number)
    of_spell = f"{number:06d}" if form == ADVICE_AND_GUIDANCE else agreement
    reason = papers["exclusion_reason"][in_pbr]
    procedure = rng.choice(filler["procedures"])
    return {
        "Administrative Category (On Admission)": category,
        "Administrative Category": category,
        "Spell In PbR/Not In PbR": in_pbr,
        "Spell Exclusion Reason": reason,
        "Exclusion Reason": reason,
        "Commissioner Serial No (Agreement No)": of_spell,
        "Commissioning Serial No (Agreement No)": agreement,
        "Open Spell Indicator": choose(rng, papers["open_spell_indicator"], 1)[0],
        "_in_pbr": in_pbr,
        "_agreement": agreement,
        "_overseas_visitor": choose(rng, papers["overseas_visitor"], 1)[0],
        "Spell Primary Diagnosis": rng.choice(filler["diagnoses"]),
        "Spell Secondary Diagnosis": rng.choice(filler["diagnoses"]),
        "Spell Dominant Procedure": procedure,
        "Primary Procedure Code": procedure,
        "Number Diagnosis": str(rng.randint(1, 9)),
        "Number Procedures": "1" if procedure else "0",
    }
