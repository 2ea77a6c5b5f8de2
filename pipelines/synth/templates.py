"""Clinical templates: what was done, to whom, how long it took and what SUS+ made of its price.

Belongs here: turning the kinds of record in `mix.toml` into a pool of templates. Does not
belong here: who provided and who paid (`pools`), dates and identifiers (`records`), or the
market forces factor, which a template's price is before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from pipelines.synth.extracts import (
    ADJUSTED_STAY,
    ADMISSION_METHOD,
    AGE,
    ATTENDED,
    CLASSIFICATION,
    EBI_CATEGORY,
    EBI_TYPE,
    FIRST_ATTENDANCE,
    STAY,
    Mix,
    Row,
)
from pipelines.synth.pools import GROUPS, choose, in_bands
from pipelines.synth.reference import Reference

TEMPLATE_ROWS = 16_384
PRICE_NAMES = ("day_case", "ordinary_elective", "non_elective", "procedure")


@dataclass(frozen=True, slots=True)
class Templates:
    """Makes the clinical part of records: what was done, to whom, how long, at what price."""

    mix: Mix
    reference: Reference
    rng: Random

    def spells(self) -> Iterator[Row]:
        """Templates of admitted patient care."""
        for kind, count in self._kinds("apc"):
            methods = choose(self.rng, kind["admission_methods"], count)
            classes = choose(self.rng, kind["patient_classifications"], count)
            ages = in_bands(self.rng, self.mix["ages"][kind["ages"]], count)
            stays = in_bands(self.rng, self.mix["stays"][kind["stays"]], count)
            hrgs = choose(self.rng, self._hrg_weights(kind), count)
            for drawn in zip(methods, classes, ages, stays, hrgs, strict=True):
                yield self._spell(kind, *drawn)

    def attendances(self) -> Iterator[Row]:
        """Templates of out-patient care."""
        for kind, count in self._kinds("op"):
            attended = choose(self.rng, kind["attended"], count)
            firsts = choose(self.rng, kind["first_attendances"], count)
            ages = in_bands(self.rng, self.mix["ages"][kind["ages"]], count)
            hrgs = choose(self.rng, self._hrg_weights(kind), count)
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
            EBI_CATEGORY: choose(self.rng, kind["ebi_categories"], 1)[0] if types else "",
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
            return choose(self.rng, self.mix["clinics"], 1)[0]
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
