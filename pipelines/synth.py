"""Synthetic SUS+ PbR extracts, exactly as delivered, with faults planted and counted.

Belongs here: drawing made-up records, breaking a stated share of them in one way each, and
writing them in bounded memory with a list of what was planted. Does not belong here: the
proportions of activity (`synth_mix.toml`), the delivered columns (`synth_columns.toml`), or
reading and judging extracts (the readers and `schemas.rules`), which this is made to test:
nothing of theirs is imported.

A record is a clinical template, a contract, a patient and some paperwork, each drawn from a
pool made once, put together with a date. Every draw comes from `random.Random`, so that a
seed gives the same bytes on every machine. Every identifier is made up.
"""

import calendar
import csv
import json
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import IO, Any, Self

import polars as pl

CHUNK_ROWS = 50_000
POOL_ROWS = 4_096
TEMPLATE_ROWS = 16_384
DEFAULT_DIRTY_PPM = 10_000
MOST_DIRTY_PPM = 500_000
MILLION = 1_000_000

Mix = dict[str, Any]
Row = dict[str, Any]
Break = Callable[[Row, int], None]

GROUPS = ("acute", "planned", "clinic", "mental_health")
PRICE_NAMES = ("day_case", "ordinary_elective", "non_elective", "procedure")
NOT_DATES = ("20240231", "31/07/2024", "not known")

PROVIDER = "Organisation Code (Code Of Provider)"
COMMISSIONER = "Organisation Code (Code Of Commissioner)"
DERIVED_COMMISSIONER = "Derived Commissioner"
QUERY_DATE = "Query Date"
UNBUNDLED = "Unbundled HRG 1"
START = "Start Date (Hospital Provider Spell)"
END = "End Date (Hospital Provider Spell)"
STAY = "Length Of Stay (Hospital Provider Spell)"
ADJUSTED_STAY = "PbR Final Adjusted Length Of Stay"
AGE = "Age At Start Of Spell"
ADMISSION_METHOD = "Admission Method (Hospital Provider Spell)"
CLASSIFICATION = "Patient Classification"
EBI_CATEGORY = "Evidence Based Intervention Category"
EBI_TYPE = "Evidence Based Intervention Type"
APPOINTMENT = "Appointment Date"
ATTENDED = "Attended Or Did Not Attend"
FIRST_ATTENDANCE = "First Attendance"


# --- The published tables that codes and prices are taken from -----------------------------


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider; `mff_ppm` is None where its market forces factor is unknown."""

    code: str
    name: str
    kind: str
    mff_ppm: int | None


@dataclass(frozen=True, slots=True)
class Price:
    """What the price book says of an HRG: pence and days, None where it has no price."""

    by_name: Mapping[str, int | None]
    elective_trim: int | None
    non_elective_trim: int | None
    per_day: int | None
    short_stay: int | None


@dataclass(frozen=True, slots=True)
class Reference:
    """Organisations, prices and the low volume schedule, as far as making records needs."""

    providers: tuple[Provider, ...]
    payers: Mapping[str, tuple[str, ...]]
    nhs_england: tuple[str, ...]
    prices: Mapping[str, Price]
    attendance_prices: Mapping[tuple[str, str], int | None]
    low_volume_pairs: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, organisations: Path, price_book: Path) -> Self:
        """Read the folder of organisations and the folder of a price book."""
        factors = {
            code: _scaled(text, MILLION)
            for code, text in _table(price_book / "market_forces_factor.csv")
        }
        payers: dict[str, list[str]] = {}
        hubs = set()
        for code, _, payer, kind in _table(organisations / "commissioners.csv"):
            payers.setdefault(payer, []).append(code)
            if kind == "nhs_england":
                hubs.add(payer)
        return cls(
            providers=tuple(
                Provider(code, name, kind, factors.get(code))
                for code, name, kind in _table(organisations / "providers.csv")
            ),
            payers={payer: tuple(codes) for payer, codes in sorted(payers.items())},
            nhs_england=tuple(sorted(hubs)),
            prices=_hrg_prices(price_book / "apc_and_outpatient_procedures.csv"),
            attendance_prices=_attendance_prices(price_book / "outpatient_attendances.csv"),
            low_volume_pairs=tuple(
                sorted((row[0], row[1]) for row in _table(price_book / "lva_payments_schedule.csv"))
            ),
        )


def _table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))[1:]


def _hrg_prices(path: Path) -> dict[str, Price]:
    prices = {}
    for row in _table(path):
        procedure, combined, day_case, ordinary, non_elective = (
            _scaled(row[place]) for place in (2, 3, 4, 5, 7)
        )
        prices[row[0]] = Price(
            by_name={
                "procedure": procedure,
                "day_case": combined if day_case is None else day_case,
                "ordinary_elective": combined if ordinary is None else ordinary,
                "non_elective": non_elective,
            },
            elective_trim=_scaled(row[6], 1),
            non_elective_trim=_scaled(row[8], 1),
            per_day=_scaled(row[9]),
            short_stay=_scaled(row[12]) if row[10] == "Yes" else None,
        )
    return prices


def _attendance_prices(path: Path) -> dict[tuple[str, str], int | None]:
    prices = {}
    for row in _table(path):
        for hrg, text in zip(("WF01B", "WF02B", "WF01A", "WF02A"), row[2:6], strict=True):
            not_face_to_face = hrg[:4] + {"A": "C", "B": "D"}[hrg[4]]
            prices[row[0], hrg] = prices[row[0], not_face_to_face] = _scaled(text)
    return prices


def _scaled(text: str, per_unit: int = 100) -> int | None:
    """A published number in its smallest unit, pence unless told; None for no number.

    >>> _scaled("1,130"), _scaled("-"), _scaled("0")
    (113000, None, 0)
    """
    return None if text in ("-", "") else int(Decimal(text.replace(",", "")) * per_unit)


# --- What was planted ----------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Rows written, those without a planted fault, and the faults planted by code."""

    rows: int = 0
    good: int = 0
    planted: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count what another tally counted as well."""
        self.rows += other.rows
        self.good += other.good
        self.planted = dict(Counter(self.planted) + Counter(other.planted))
        self.warnings = dict(Counter(self.warnings) + Counter(other.warnings))


@dataclass(slots=True)
class DatasetExpectations:
    """The tally of one dataset, whole and by month."""

    total: Tally = field(default_factory=Tally)
    months: dict[str, Tally] = field(default_factory=dict)


@dataclass(slots=True)
class Expectations:
    """What a reader of the synthetic files must find in them, no more and no less.

    `warnings` are of good rows: of the others, only those broken in their stay or its dates
    have one. `ebi_spells` are good spells of a type that has a zero price without prior
    approval, whoever pays for them.
    """

    seed: int
    months: list[str]
    dirty_ppm: int
    datasets: dict[str, DatasetExpectations]
    prior_approvals: int = 0
    lva_exceptions: int = 0
    ebi_spells: dict[str, int] = field(default_factory=lambda: {"approved": 0, "not_approved": 0})


# --- The whole -----------------------------------------------------------------------------


def write_extracts(
    months: Sequence[str],
    spells: int,
    attendances: int,
    seed: int,
    out: Path,
    reference: Reference,
    dirty_ppm: int = DEFAULT_DIRTY_PPM,
    progress: Callable[[int], None] | None = None,
) -> Expectations:
    """Write the freeze extracts of `months`, the user's own lists, and what to expect of them.

    `spells` and `attendances` are rows over all months; `dirty_ppm` of them carry one planted
    fault each. `progress` is told the rows written since it was last told.
    """
    _check_arguments(months, spells, attendances, dirty_ppm)
    world = World.make(reference, seed)
    datasets = {dataset.name: DatasetExpectations() for dataset in DATASETS}
    expectations = Expectations(seed, list(months), dirty_ppm, datasets)
    (out / "freeze").mkdir(parents=True, exist_ok=True)
    with _renamed_when_whole(out / "prior_approvals.csv") as file:
        approvals = Approvals(file, expectations)
        for dataset, rows in zip(DATASETS, (spells, attendances), strict=True):
            faults = Faults.of(dataset, reference, dirty_ppm)
            for month, month_rows in zip(months, _spread(rows, len(months)), strict=True):
                extract = Extract(world, dataset, Month(month), month_rows, seed)
                tally = extract.write(out / "freeze", faults, approvals, progress)
                datasets[dataset.name].months[month] = tally
                datasets[dataset.name].total.add(tally)
    exceptions = _lva_exceptions(months, world)
    expectations.lva_exceptions = len(exceptions)
    with _renamed_when_whole(out / "lva_exceptions.csv") as file:
        _write_lines(file, [EXCEPTION_COLUMNS, *exceptions])
    with _renamed_when_whole(out / "expectations.json") as file:
        file.write((json.dumps(asdict(expectations), indent=2, sort_keys=True) + "\n").encode())
    return expectations


def _check_arguments(months: Sequence[str], spells: int, attendances: int, dirty_ppm: int) -> None:
    well_formed = all(re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month) for month in months)
    if not months or not well_formed or len(set(months)) != len(months):
        raise ValueError(f"months must be different and written YYYY-MM: {list(months)}")
    if min(months) < "2018-04" or max(months) > "2037-12":
        raise ValueError("months must be from 2018-04, before which no record is valid, to 2037-12")
    if min(spells, attendances) < 0:
        raise ValueError("spells and attendances must not be negative")
    if not 0 <= dirty_ppm <= MOST_DIRTY_PPM:
        raise ValueError(f"dirty_ppm must be between 0 and {MOST_DIRTY_PPM}")


def _spread(total: int, parts: int) -> list[int]:
    """Nearly equal parts of a total.

    >>> _spread(7, 3)
    [2, 2, 3]
    """
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


@contextmanager
def _renamed_when_whole(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _write_lines(file: IO[bytes], rows: Sequence[Sequence[str]]) -> None:
    file.write("".join(",".join(row) + "\r\n" for row in rows).encode())


# --- Days ----------------------------------------------------------------------------------

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_0 = date(1890, 1, 1)
_DAY_TEXTS = pl.date_range(_DAY_0, date(2110, 1, 1), eager=True).dt.strftime("%Y%m%d")


def _day_number(day: date) -> int:
    return (day - _DAY_0).days


@dataclass(frozen=True, slots=True)
class Month:
    """A month of activity."""

    text: str

    @property
    def first(self) -> date:
        """Its first day."""
        return date.fromisoformat(self.text + "-01")

    @property
    def days(self) -> int:
        """How many days it has."""
        return calendar.monthrange(self.first.year, self.first.month)[1]

    @property
    def freeze(self) -> date:
        """The day its freeze extract is run, seven weeks after its end."""
        return self.first + timedelta(days=self.days + 49)

    @property
    def costing_period(self) -> str:
        """As SUS+ writes it.

        >>> Month("2024-07").costing_period
        'M04 - Jul 2024'
        """
        number = (self.first.month - 4) % 12 + 1
        return f"M{number:02d} - {MONTH_NAMES[self.first.month - 1]} {self.first.year}"

    @property
    def scheme_year_start(self) -> int:
        """The calendar year its financial year starts in."""
        return self.first.year - (self.first.month < 4)


# --- Pools ---------------------------------------------------------------------------------


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
        return self._take(_uniform(rng, count) % len(self.entries))

    def draw_from(self, group: pl.Series, rng: Random) -> pl.DataFrame:
        """An entry of each of these groups."""
        within = _uniform(rng, len(group)) % self.size.gather(group)
        return self._take(self.first.gather(group) + within)

    def _take(self, places: pl.Series) -> pl.DataFrame:
        return self.entries.select(pl.all().gather(places))


def _uniform(rng: Random, count: int) -> pl.Series:
    """So many 32-bit numbers, without a Python call for each."""
    numbers = pl.Series([rng.randbytes(4 * count)]).bin
    return numbers.reinterpret(dtype=pl.Array(pl.UInt32, count), endianness="little").explode()


@dataclass(frozen=True, slots=True)
class Pools:
    """What records of one dataset are put together from."""

    templates: Pool
    contracts: Pool
    patients: Pool
    paperwork: Pool


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is the same for every extract of a run."""

    reference: Reference
    mix: Mix
    columns: Mapping[str, list[str]]
    pools: Mapping[str, Pools]

    @classmethod
    def make(cls, reference: Reference, seed: int) -> Self:
        """Fill the pools."""
        mix, columns = (
            tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
            for name in ("synth_mix.toml", "synth_columns.toml")
        )
        rng = Random(f"{seed}/pools")
        templates = Templates(mix, reference, rng)
        contracts = Pool.of(*(_contracts(group, mix, reference, rng) for group in GROUPS))
        patients = Pool.of(list(_patients(mix["filler"], rng)))
        paperwork = Pool.of(list(_paperwork(mix, rng)))
        pools = {
            name: Pools(
                Pool.of(list(made)),
                contracts.only(columns[name]),
                patients.only(columns[name]),
                paperwork.only(columns[name]),
            )
            for name, made in (("apc", templates.spells()), ("op", templates.attendances()))
        }
        return cls(reference, mix, columns, pools)


def _choose(rng: Random, weights: Mapping[str, float], count: int) -> list[str]:
    return rng.choices(list(weights), list(weights.values()), k=count)


def _in_bands(rng: Random, bands: Sequence[tuple[int, int, int]], count: int) -> list[int]:
    chosen = rng.choices(bands, [weight for _, _, weight in bands], k=count)
    return [rng.randint(low, high) for low, high, _ in chosen]


def _stable(*parts: str) -> int:
    """The same large number for the same text, whatever the seed."""
    return zlib.crc32("/".join(parts).encode())


# --- Clinical templates --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Templates:
    """Makes the clinical part of records: what was done, to whom, how long, at what price."""

    mix: Mix
    reference: Reference
    rng: Random

    def spells(self) -> Iterator[Row]:
        """Templates of admitted patient care."""
        for kind, count in self._kinds("apc"):
            methods = _choose(self.rng, kind["admission_methods"], count)
            classes = _choose(self.rng, kind["patient_classifications"], count)
            ages = _in_bands(self.rng, self.mix["ages"][kind["ages"]], count)
            stays = _in_bands(self.rng, self.mix["stays"][kind["stays"]], count)
            hrgs = _choose(self.rng, self._hrg_weights(kind), count)
            for drawn in zip(methods, classes, ages, stays, hrgs, strict=True):
                yield self._spell(kind, *drawn)

    def attendances(self) -> Iterator[Row]:
        """Templates of out-patient care."""
        for kind, count in self._kinds("op"):
            attended = _choose(self.rng, kind["attended"], count)
            firsts = _choose(self.rng, kind["first_attendances"], count)
            ages = _in_bands(self.rng, self.mix["ages"][kind["ages"]], count)
            hrgs = _choose(self.rng, self._hrg_weights(kind), count)
            for drawn in zip(attended, firsts, ages, hrgs, strict=True):
                yield self._attendance(kind, *drawn)

    def _kinds(self, dataset: str) -> list[tuple[Mix, int]]:
        kinds = self.mix[dataset]
        total = sum(kind["weight"] for kind in kinds)
        return [(kind, max(1, round(TEMPLATE_ROWS * kind["weight"] / total))) for kind in kinds]

    def _hrg_weights(self, kind: Mix) -> dict[str, float]:
        """HRGs of the book that begin so and have the price, or the code itself if none does."""
        weights: dict[str, float] = {}
        for beginning in kind["hrgs"]:
            found = [
                hrg for hrg in self.reference.prices if beginning and hrg.startswith(beginning)
            ]
            if kind["price"] in PRICE_NAMES:
                found = [hrg for hrg in found if self._price(kind, hrg) is not None]
            elif not found:
                found = [beginning]
            for hrg in found:
                weights[hrg] = weights.get(hrg, 0) + self.mix["hrg_weights"].get(hrg, 4)
        if not weights:
            raise ValueError(f"the price book has no HRG for the kind {kind['kind']!r}")
        return weights

    def _price(self, kind: Mix, hrg: str) -> int | None:
        """What SUS+ would start from, in pence; it prices what it cannot group at zero."""
        if hrg == "UZ01Z":
            return 0
        price = self.reference.prices.get(hrg)
        return price.by_name.get(kind["price"]) if price else None

    def _spell(
        self, kind: Mix, method: str, patient_class: str, age: int, stay: int, hrg: str
    ) -> Row:
        stays = self._stays(stay)
        types = kind.get("ebi_types")
        return {
            **self._person(kind, age),
            **self._functions(kind, hrg),
            **stays,
            **self._spell_amounts(kind, hrg, method, age, stays["_adjusted_stay"]),
            ADMISSION_METHOD: method,
            CLASSIFICATION: patient_class,
            "Intended Management": patient_class,
            "Spell Core HRG": hrg,
            AGE: str(age),
            EBI_CATEGORY: _choose(self.rng, kind["ebi_categories"], 1)[0] if types else "",
            EBI_TYPE: self.rng.choice(types) if types else "",
            "_group": GROUPS.index(kind["providers"]),
        }

    def _attendance(self, kind: Mix, attended: str, first: str, age: int, hrg: str) -> Row:
        functions = self._functions(kind, hrg)
        unit = self._price(kind, hrg)
        if kind["price"] == "attendance":
            function = functions["Treatment Function Code"]
            unit = self.reference.attendance_prices.get((function, hrg))
        return {
            **self._person(kind, age),
            **functions,
            **_amounts(unit, 0),
            ATTENDED: attended,
            FIRST_ATTENDANCE: first,
            "Core HRG": hrg,
            "Age": str(age),
            "Outcome Of Attendance": self.rng.choice("123"),
            "_stay": 0,
            "_group": GROUPS.index("clinic"),
        }

    def _person(self, kind: Mix, age: int) -> Row:
        female = kind.get("sex") == "female" or self.rng.random() < 0.53
        return {
            "Age At CDS Activity Date": str(age),
            "Gender Code": "2" if female else "1",
            "_age_days": age * 1461 // 4 + 1,
        }

    def _functions(self, kind: Mix, hrg: str) -> Row:
        function = self._treatment_function(kind, hrg)
        specialty = self.mix["main_specialties"].get(function, function)
        nurse_led = self.mix["nurse_led"]
        if "attended" in kind and self.rng.random() * 1000 < nurse_led["share"]:
            specialty = nurse_led["main_specialty"]
        return {"Treatment Function Code": function, "Main Specialty Code": specialty}

    def _treatment_function(self, kind: Mix, hrg: str) -> str:
        if hrg[:2] in ("WF", ""):
            return _choose(self.rng, self.mix["clinics"], 1)[0]
        stray = self.mix["planned_care"]
        planned = kind.get("providers") == "planned" or kind["price"] == "procedure"
        if planned and self.rng.random() * 1000 < stray["stray_share"]:
            return str(self.rng.choice(stray["stray_treatment_functions"]))
        functions = self.mix["treatment_functions"]
        own = kind.get("treatment_functions") or functions.get(hrg[:2]) or functions[""]
        return str(self.rng.choice(own))

    def _stays(self, stay: int) -> Row:
        """A stay: a tenth are not adjusted, a few are shortened, a few disagree with the dates."""
        chance = self.rng.random()
        shortened = max(0, stay - self.rng.randint(1, 5)) if chance > 0.97 else stay
        differs = stay > 1 and self.rng.random() < 0.002
        return {
            STAY: str(stay + differs),
            "PbR NCC PCC Adjusted Length Of Stay": str(stay),
            ADJUSTED_STAY: "" if chance < 0.1 else str(shortened),
            "_stay": stay,
            "_adjusted_stay": stay if chance < 0.1 else shortened,
        }

    def _spell_amounts(self, kind: Mix, hrg: str, method: str, age: int, stay: int) -> Row:
        unit = self._price(kind, hrg)
        price = self.reference.prices.get(hrg)
        if price is None or unit is None:
            return {
                **_amounts(unit, 0),
                "PbR Spell Trimpoint Days": "",
                "PbR Days Beyond Trimpoint": "",
            }
        if method.startswith("2") and stay <= 1 and age >= 19 and price.short_stay is not None:
            unit = price.short_stay
        trim = price.elective_trim if method.startswith("1") else price.non_elective_trim
        beyond = max(0, stay - trim) if trim is not None and price.per_day is not None else 0
        return {
            **_amounts(unit, beyond * (price.per_day or 0)),
            "PbR Spell Trimpoint Days": "" if trim is None else str(trim),
            "PbR Days Beyond Trimpoint": str(beyond),
        }


def _amounts(unit: int | None, long_stay: int) -> Row:
    """What SUS+ says of the price before the market forces factor; blank without a price."""
    pre_mff = None if unit is None else unit + long_stay
    return {
        "Tariff Initial Amount National": _pounds(unit),
        "Tariff Long Stay Payment National": _pounds(long_stay) if long_stay else "",
        "Tariff Pre MFF Adjusted National": _pounds(pre_mff),
        "_pre_mff": pre_mff,
    }


def _pounds(pence: int | None) -> str:
    return "" if pence is None else f"{pence // 100}.{pence % 100:02d}"


# --- Contracts, patients, paperwork --------------------------------------------------------


def _contracts(group: str, mix: Mix, reference: Reference, rng: Random) -> list[Row]:
    """Who provides and who pays, as records of this group of kinds say it."""
    weights = _pair_weights(group, mix["providers"], reference)
    suffixes = mix["providers"]["site_suffixes"]
    codes = {provider.code for provider in reference.providers}
    rows = []
    for provider, payer in rng.choices(list(weights), list(weights.values()), k=POOL_ROWS):
        site = provider.code + _choose(rng, suffixes, 1)[0]
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
    for_minds = [provider for provider in trusts if _is_mental_health(provider, shares)]
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


def _is_mental_health(provider: Provider, shares: Mix) -> bool:
    return any(words in provider.name for words in shares["mental_health_names"])


def _size(provider: Provider, shares: Mix) -> float:
    if provider.kind == "ambulance_trust":
        return float(shares["ambulance_size"])
    return 1 + _stable(provider.code) % 10


def _payer_weights(provider: Provider, shares: Mix, reference: Reference) -> dict[str, float]:
    """How a provider's activity divides between payers near, payers on the schedule and hubs."""
    distant = [payer for code, payer in reference.low_volume_pairs if code == provider.code]
    near = _near_payers(provider, shares, reference, distant)
    hubs = sorted(reference.nhs_england, key=lambda hub: _stable(provider.code, hub))[:2]
    mental_health = _is_mental_health(provider, shares)
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
    by_chance = sorted(boards, key=lambda payer: _stable(provider.code, payer))
    near = shares["near"].get(provider.code, by_chance)
    known = [payer for payer in near if payer in boards and payer not in distant]
    return known[: len(shares["near_weights"])]


def _patients(filler: Mix, rng: Random) -> Iterator[Row]:
    """People who do not exist: numbers kept for tests, a postcode of no place, no real name."""
    for number in range(POOL_ROWS):
        sector = f"ZZ99 {rng.randint(1, 9)}"
        postcode = sector + "".join(rng.choices("ABDEFGHJLNPQRSTUWXYZ", k=2))
        practice = f"Z99{rng.randint(0, 399):03d}"
        yield {
            "NHS Number": _test_nhs_number(rng),
            "Local Patient Identifier": f"SYN{number:07d}",
            "RTT Patient Pathway Identifier": f"SYNTHETIC{rng.randrange(10**11):011d}",
            "Unique Booking Reference Number (Converted)": f"999{rng.randrange(10**9):09d}",
            "Patient Name": f"SYNTHETIC PATIENT {number}",
            "Patient Usual Address": f"{rng.randint(1, 250)} SYNTHETIC STREET, NOWHERE",
            "Postcode Of Usual Address": postcode,
            "Postcode Sector Of Usual Address": sector,
            "Ethnic Category Code": _choose(rng, filler["ethnic_category"], 1)[0],
            "Marital Status": _choose(rng, filler["marital_status"], 1)[0],
            "GP Practice Code": practice,
        }


def _test_nhs_number(rng: Random) -> str:
    """A number with its check digit from 999, the range that is never issued."""
    while True:
        digits = f"999{rng.randrange(MILLION):06d}"
        weighed = sum(int(digit) * (10 - place) for place, digit in enumerate(digits))
        check = -weighed % 11
        if check < 10:
            return f"{digits}{check}"


def _paperwork(mix: Mix, rng: Random) -> Iterator[Row]:
    """What is written on a record beside the care."""
    papers, filler = mix["paperwork"], mix["filler"]
    for _ in range(POOL_ROWS):
        category = _choose(rng, papers["administrative_category"], 1)[0]
        in_pbr = _choose(rng, papers["spell_in_pbr"], 1)[0]
        form = _choose(rng, papers["agreement"], 1)[0]
        agreement = form.format(n=rng.randrange(99_999))
        reason = papers["exclusion_reason"][in_pbr]
        procedure = rng.choice(filler["procedures"])
        yield {
            "Administrative Category (On Admission)": category,
            "Administrative Category": category,
            "Spell In PbR/Not In PbR": in_pbr,
            "Spell Exclusion Reason": reason,
            "Exclusion Reason": reason,
            "Commissioner Serial No (Agreement No)": agreement,
            "Commissioning Serial No (Agreement No)": agreement,
            "Open Spell Indicator": _choose(rng, papers["open_spell_indicator"], 1)[0],
            UNBUNDLED: _choose(rng, papers["unbundled_hrg"], 1)[0],
            "Spell Primary Diagnosis": rng.choice(filler["diagnoses"]),
            "Spell Secondary Diagnosis": rng.choice(filler["diagnoses"]),
            "Spell Dominant Procedure": procedure,
            "Primary Procedure Code": procedure,
            "Number Diagnosis": str(rng.randint(1, 9)),
            "Number Procedures": "1" if procedure else "0",
        }


# --- Records -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dataset:
    """One of the two extracts.

    `number` begins its record identifiers. `sound` is written over a record before it is
    broken, so that it has no other fault and no warning.
    """

    name: str
    file_stem: str
    number: int
    record_id: str
    hrg: str
    sound: Row


APC = Dataset(
    name="apc",
    file_stem="apc_spells",
    number=1,
    record_id="Spell Identifier",
    hrg="Spell Core HRG",
    sound={CLASSIFICATION: "1", UNBUNDLED: None, EBI_CATEGORY: None, EBI_TYPE: None},
)
OP = Dataset(
    name="op",
    file_stem="op",
    number=2,
    record_id="Generated Record ID",
    hrg="Core HRG",
    sound={"Core HRG": "WF01A", ATTENDED: "5", FIRST_ATTENDANCE: "2", UNBUNDLED: None},
)
DATASETS = (APC, OP)


@dataclass(frozen=True, slots=True)
class Extract:
    """The freeze extract of one dataset and month."""

    world: World
    dataset: Dataset
    month: Month
    rows: int
    seed: int

    def write(
        self,
        folder: Path,
        faults: "Faults",
        approvals: "Approvals",
        progress: Callable[[int], None] | None,
    ) -> Tally:
        """Write it in chunks; no file where there are no rows."""
        tally = Tally()
        if not self.rows:
            return tally
        rng = Random(f"{self.seed}/{self.dataset.name}/{self.month.text}")
        columns = self.world.columns[self.dataset.name]
        name = f"{self.dataset.file_stem}_{self.month.text}.csv"
        with _renamed_when_whole(folder / name) as file:
            _write_lines(file, [columns])
            for size in _spread(self.rows, -(-self.rows // CHUNK_ROWS)):
                chunk, counted = faults.plant(self.records(tally.rows, size, rng), rng)
                self._as_delivered(chunk).write_csv(
                    file, include_header=False, line_terminator="\r\n", batch_size=4096
                )
                tally.add(counted)
                approvals.decide(chunk)
                if progress:
                    progress(size)
        return tally

    def records(self, first: int, count: int, rng: Random) -> pl.DataFrame:
        """Good records, in delivered columns and some of our own that begin with `_`."""
        pools = self.world.pools[self.dataset.name]
        template = pools.templates.draw(rng, count)
        contract = pools.contracts.draw_from(template["_group"], rng)
        patient, paperwork = (pool.draw(rng, count) for pool in (pools.patients, pools.paperwork))
        frame = pl.concat([template, contract, patient, paperwork], how="horizontal")
        numbers = pl.int_range(first + 1, first + count + 1, eager=True)
        added = [
            *self._identifiers(numbers),
            *self._dates(frame, _uniform(rng, count), _uniform(rng, count)),
            *_final_amounts(frame),
            pl.repeat(f"{self.month.freeze:%Y%m%d}063000", count, eager=True).alias(QUERY_DATE),
            pl.repeat(None, count, dtype=pl.String, eager=True).alias("_fault"),
        ]
        columns = self.world.columns[self.dataset.name]
        return frame.with_columns(
            series for series in added if series.name in columns or series.name[0] == "_"
        )

    def _identifiers(self, numbers: pl.Series) -> Iterator[pl.Series]:
        before = int(f"{self.dataset.number}{self.month.text.replace('-', '')}") * 10**9
        yield (numbers + before).cast(pl.String).alias(self.dataset.record_id)
        for name in ("Id", "Hospital Provider Spell No", "Attendance Identifier"):
            yield numbers.alias(name)

    def _dates(
        self, frame: pl.DataFrame, day: pl.Series, birthday: pl.Series
    ) -> Iterator[pl.Series]:
        end = (day % self.month.days).cast(pl.Int64) + _day_number(self.month.first)
        start = end - frame["_stay"]
        born = start - frame["_age_days"] - birthday % 360
        birth_text, end_text = _DAY_TEXTS.gather(born), _DAY_TEXTS.gather(end)
        yield start.alias("_start")
        yield end.alias("_end")
        yield _DAY_TEXTS.gather(start).alias(START)
        for name in (END, APPOINTMENT, "Attendance Date", "ActivityDate"):
            yield end_text.alias(name)
        yield birth_text.alias("Birth Date")
        yield birth_text.str.slice(0, 4).alias("Year Of Birth")
        yield birth_text.str.slice(4, 2).alias("Month Of Birth")

    def _as_delivered(self, chunk: pl.DataFrame) -> pl.DataFrame:
        constants = {
            **self.world.mix["constants"][self.dataset.name],
            "Applicable Costing Period": self.month.costing_period,
            "Extract Date": f"{self.month.freeze:%Y%m%d}",
            "Unique Query Id": f"SYNTHETIC {self.month.text} SEED {self.seed}",
            "ActivityPeriod": self.month.text.replace("-", ""),
        }
        return chunk.select(
            pl.col(name)
            if name in chunk.columns
            else pl.lit(constants.get(name), dtype=pl.String).alias(name)
            for name in self.world.columns[self.dataset.name]
        )


def _final_amounts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    pre_mff = frame["_pre_mff"]
    final = (pre_mff * frame["_mff"] + MILLION // 2) // MILLION
    final_text = _pounds_texts(final)
    yield _pounds_texts(final - pre_mff).alias("MFF Adjustment")
    for name in ("PbR Final Tariff", "Tariff Total Payment National"):
        yield final_text.alias(name)


_PENNIES = pl.Series([f".{pence:02d}" for pence in range(100)])


def _pounds_texts(pence: pl.Series) -> pl.Series:
    return (pence // 100).cast(pl.String) + _PENNIES.gather(pence % 100)


# --- Faults --------------------------------------------------------------------------------


@dataclass(slots=True)
class Faults:
    """Breaks the share of records that is due, each in one way, every way in its turn."""

    dataset: Dataset
    breaks: Mapping[str, Break]
    dirty_ppm: int
    seen: int = 0
    planted: int = 0

    @classmethod
    def of(cls, dataset: Dataset, reference: Reference, dirty_ppm: int) -> Self:
        """The faults that records of this dataset can have."""
        own = _spell_breaks() if dataset is APC else _attendance_breaks()
        return cls(dataset, {**_shared_breaks(dataset, reference), **own}, dirty_ppm)

    def plant(self, records: pl.DataFrame, rng: Random) -> tuple[pl.DataFrame, Tally]:
        """The records, some of them broken and put anywhere among the good ones."""
        count = len(records)
        dirty = self._due(count)
        good = records.tail(count - dirty)
        broken = [self._broken(row, good, rng) for row in records.head(dirty).iter_rows(named=True)]
        planted = dict(Counter(row["_fault"] for row in broken))
        tally = Tally(count, len(good), planted, _warnings(good, self.dataset))
        if broken:
            order = pl.Series(_scattered(len(good), dirty, rng))
            parts = [good, pl.DataFrame(broken, schema=records.schema)]
            records = pl.concat(parts, rechunk=True).select(pl.all().gather(order))
        return records, tally

    def _due(self, count: int) -> int:
        """Never more than half of a chunk, so that there is a good record to supersede one."""
        self.seen += count
        return min(self.seen * self.dirty_ppm // MILLION - self.planted, count // 2)

    def _broken(self, row: Row, good: pl.DataFrame, rng: Random) -> Row:
        turn, place = divmod(self.planted, len(self.breaks))
        self.planted += 1
        code = list(self.breaks)[place]
        if code == "SUPERSEDED":
            row = good.row(rng.randrange(len(good)), named=True)
        row = {**row, **self.dataset.sound, "_fault": code}
        if STAY in row:
            row[STAY] = str(row["_stay"])
        self.breaks[code](row, turn)
        return row


def _scattered(good: int, broken: int, rng: Random) -> list[int]:
    """An order that puts the broken ones, which come last, anywhere."""
    order: list[int] = []
    placed = 0
    for number, place in enumerate(sorted(rng.sample(range(good + broken), broken))):
        order.extend(range(placed, place - number))
        order.append(good + number)
        placed = place - number
    return [*order, *range(placed, good)]


def _warnings(good: pl.DataFrame, dataset: Dataset) -> dict[str, int]:
    counts = {"UNBUNDLED_NOT_PRICED": good[UNBUNDLED].count()}
    if dataset is APC:
        stay = good[STAY].cast(pl.Int64)
        day_case = good[CLASSIFICATION].is_in(["2", "02"])
        counts["LENGTH_OF_STAY_DIFFERS"] = int((stay != good["_stay"]).sum())
        counts["DAY_CASE_WITH_STAY"] = int((day_case & (stay > 0)).sum())
    return counts


def _put(column: str, *values: str) -> Break:
    """Write one of these values, in turn, into a column."""
    return _put_all(*({column: value} for value in values))


def _put_all(*variants: Mapping[str, str]) -> Break:
    """Write one of these sets of values, in turn, into those of their columns there are."""

    def break_row(row: Row, turn: int) -> None:
        variant = variants[turn % len(variants)]
        row.update({name: text or None for name, text in variant.items() if name in row})

    return break_row


def _end_before_start(row: Row, turn: int) -> None:
    row[START] = _DAY_TEXTS[row["_end"] + 1 + turn % 5]


def _move_out_of_range(row: Row, turn: int) -> None:
    """Twenty years before, or half a year after the extract was run; the stay is the same."""
    days = (-7305, 250)[turn % 2]
    for name in {START, END, APPOINTMENT} & row.keys():
        row[name] = _DAY_TEXTS[row["_start" if name == START else "_end"] + days]


def _run_earlier(row: Row, turn: int) -> None:
    run = date.fromisoformat(row[QUERY_DATE][:8]) - timedelta(days=1 + turn % 7)
    row[QUERY_DATE] = f"{run:%Y%m%d}063000"


def _shared_breaks(dataset: Dataset, reference: Reference) -> dict[str, Break]:
    no_factor = [provider.code for provider in reference.providers if provider.mff_ppm is None]
    categories = ("Administrative Category", "Administrative Category (On Admission)")
    return {
        "PROVIDER_UNKNOWN": _put(PROVIDER, "X99", "ZZ901", "XX900"),
        "COMMISSIONER_UNKNOWN": _put_all(
            {COMMISSIONER: "ZZZ", DERIVED_COMMISSIONER: "ZZZ"},
            {COMMISSIONER: "X98", DERIVED_COMMISSIONER: ""},
            {DERIVED_COMMISSIONER: "ZZZ"},
        ),
        **({"MFF_MISSING": _put(PROVIDER, *no_factor)} if no_factor else {}),
        "SUPERSEDED": _run_earlier,
        "COSTING_DATE_OUT_OF_RANGE": _move_out_of_range,
        "HRG_MISSING": _put(dataset.hrg, ""),
        "HRG_MALFORMED": _put(dataset.hrg, "FE3", "FE32", "FE322Z", "F-32Z", "32FEZ"),
        "TREATMENT_FUNCTION_MISSING": _put("Treatment Function Code", ""),
        "TREATMENT_FUNCTION_MALFORMED": _put("Treatment Function Code", "10", "1000", "&01"),
        "RECORD_ID_MISSING": _put(dataset.record_id, "", "   "),
        "PROVIDER_MISSING": _put(PROVIDER, ""),
        "COMMISSIONER_MISSING": _put_all({COMMISSIONER: "", DERIVED_COMMISSIONER: ""}),
        "ADMINISTRATIVE_CATEGORY_UNKNOWN": _put_all(
            *(dict.fromkeys(categories, code) for code in ("05", "77", "X"))
        ),
        "SPELL_IN_PBR_UNKNOWN": _put("Spell In PbR/Not In PbR", "", "3", "Y"),
        "SUS_PRICE_UNPARSEABLE": _put("PbR Final Tariff", "1,234.00", "12.345", "n/a"),
        "QUERY_DATE_UNPARSEABLE": _put(QUERY_DATE, "", "2024-09-19", "not run"),
    }


def _spell_breaks() -> dict[str, Break]:
    return {
        "ADMISSION_METHOD_MISSING": _put(ADMISSION_METHOD, ""),
        "ADMISSION_METHOD_UNKNOWN": _put(ADMISSION_METHOD, "99", "14", "2E"),
        "PATIENT_CLASSIFICATION_MISSING": _put(CLASSIFICATION, ""),
        "PATIENT_CLASSIFICATION_UNKNOWN": _put(CLASSIFICATION, "8", "9", "A"),
        "START_DATE_MISSING": _put(START, ""),
        "START_DATE_UNPARSEABLE": _put(START, *NOT_DATES),
        "END_DATE_UNPARSEABLE": _put(END, *NOT_DATES),
        "OPEN_SPELL": _put_all(
            {END: "", "Open Spell Indicator": "Y"},
            {END: "", "Open Spell Indicator": ""},
            {"Open Spell Indicator": "Y"},
        ),
        "END_BEFORE_START": _end_before_start,
        "LENGTH_OF_STAY_MISSING": _put(STAY, ""),
        "LENGTH_OF_STAY_UNPARSEABLE": _put(STAY, "2.5", "two"),
        "LENGTH_OF_STAY_OUT_OF_RANGE": _put(STAY, "-1", "36526"),
        "ADJUSTED_LENGTH_OF_STAY_UNPARSEABLE": _put(ADJUSTED_STAY, "3 days", "1e2"),
        "ADJUSTED_LENGTH_OF_STAY_OUT_OF_RANGE": _put(ADJUSTED_STAY, "-2", "99999"),
        "AGE_MISSING": _put(AGE, ""),
        "AGE_UNPARSEABLE": _put(AGE, "n/k", "45y"),
        "AGE_OUT_OF_RANGE": _put(AGE, "131", "-1", "999"),
        "EBI_CATEGORY_UNKNOWN": _put(EBI_CATEGORY, "3", "A"),
        "EBI_TYPE_UNKNOWN": _put_all(
            {EBI_CATEGORY: "1", EBI_TYPE: ""}, {EBI_CATEGORY: "1", EBI_TYPE: "snoring"}
        ),
    }


def _attendance_breaks() -> dict[str, Break]:
    return {
        "ATTENDED_MISSING": _put(ATTENDED, ""),
        "ATTENDED_UNKNOWN": _put(ATTENDED, "1", "8", "Y"),
        "FIRST_ATTENDANCE_MISSING": _put(FIRST_ATTENDANCE, ""),
        "FIRST_ATTENDANCE_UNKNOWN": _put(FIRST_ATTENDANCE, "6", "9", "F"),
        "APPOINTMENT_DATE_MISSING": _put(APPOINTMENT, ""),
        "APPOINTMENT_DATE_UNPARSEABLE": _put(APPOINTMENT, *NOT_DATES),
    }


# --- The user's own lists ------------------------------------------------------------------

APPROVAL_COLUMNS = (
    *("record_id", "provider_code", "commissioner_code", "ebi_type_code"),
    *("valid_from", "valid_to", "approval_reference"),
)
EXCEPTION_COLUMNS = ("provider_code", "commissioner_code", "exception", "valid_from", "valid_to")


class Approvals:
    """Decides which spells were approved, and writes the approvals that say so.

    Three in ten weeks of a provider, payer and type are approved as a whole, by an approval
    with dates; three in ten spells of all, in the other weeks, by their record identifier.
    """

    def __init__(self, file: IO[bytes], expectations: Expectations) -> None:
        self._file = file
        self._found = expectations
        self._weeks: set[tuple[str, ...]] = set()
        _write_lines(file, [APPROVAL_COLUMNS])

    def decide(self, records: pl.DataFrame) -> None:
        """Decide for the good spells among these records that need an approval."""
        if EBI_TYPE not in records.columns:
            return
        columns = (APC.record_id, EBI_CATEGORY, EBI_TYPE, "_start", "_provider", "_payer", "_fault")
        typed = records.select(columns).filter(pl.col(EBI_TYPE).is_not_null())
        in_scope = pl.col(EBI_CATEGORY).is_in(("1", "01")) & pl.col(EBI_TYPE).str.contains(
            "^[A-D]_"
        )
        for row in typed.filter(in_scope, pl.col("_fault").is_null()).iter_rows(named=True):
            approved = self._by_week(row) or self._by_record(row)
            self._found.ebi_spells["approved" if approved else "not_approved"] += 1

    def _by_week(self, row: Row) -> bool:
        start = _DAY_0 + timedelta(days=row["_start"])
        monday = start - timedelta(days=start.weekday())
        week = (row["_provider"], row["_payer"], row[EBI_TYPE][0], f"{monday}")
        if self._draw(*week) >= 300:
            return False
        if week not in self._weeks:
            self._weeks.add(week)
            dates = (f"{monday}", f"{monday + timedelta(days=6)}")
            self._write("", row["_provider"], row["_payer"], row[EBI_TYPE], *dates)
        return True

    def _by_record(self, row: Row) -> bool:
        record_id = str(row[APC.record_id])
        if self._draw(record_id) >= 430:
            return False
        self._write(record_id, "", "", "", "", "")
        return True

    def _draw(self, *parts: str) -> int:
        return _stable(str(self._found.seed), *parts) % 1000

    def _write(self, *values: str) -> None:
        self._found.prior_approvals += 1
        _write_lines(self._file, [(*values, f"SYN-{self._found.prior_approvals:07d}")])


def _lva_exceptions(months: Sequence[str], world: World) -> list[tuple[str, ...]]:
    """Some pairs of the low volume schedule, in force for the months' years; some expired."""
    years = [Month(month).scheme_year_start for month in months]
    in_force = (f"{min(years)}-04-01", f"{max(years) + 1}-03-31")
    expired = (f"{min(years) - 1}-04-01", f"{min(years)}-03-31")
    trusts = {each.code: each for each in world.reference.providers if each.kind == "nhs_trust"}
    rows: list[tuple[str, ...]] = []
    for place, (code, payer) in enumerate(world.reference.low_volume_pairs):
        trust = trusts.get(code)
        if trust and _is_mental_health(trust, world.mix["providers"]):
            rows.append((code, payer, "out_of_area_mental_health", *in_force))
        elif trust and place % 4 == 0:
            rows.append((code, payer, "patient_choice_without_contract", *in_force))
        elif trust and place % 8 == 1:
            rows.append((code, payer, "patient_choice_without_contract", *expired))
    return rows
