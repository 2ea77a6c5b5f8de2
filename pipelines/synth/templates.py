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
    LOCAL_PRICE_HRG,
    STAY,
    UNBUNDLED,
    Mix,
    Row,
)
from pipelines.synth.pools import GROUPS, choose, in_bands
from pipelines.synth.reference import BestPractice, Reference

TEMPLATE_ROWS = 16_384
UNGROUPED = "UZ01Z"
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
        """The price that an HRG must have to be of a kind."""
        price = self.reference.prices.get(hrg)
        return price.by_name.get(kind["price"]) if price else None

    def _spell(
        self, kind: Mix, method: str, patient_class: str, age: int, stay: int, hrg: str
    ) -> Row:
        unbundled = self._unbundled(kind, "apc", hrg)
        stays = self._stays(stay, unbundled)
        types = kind.get("ebi_types")
        return {
            **self._person(kind, age),
            **self._functions(kind, hrg),
            **stays,
            **self._unbundled_amounts(unbundled, self.mix["unbundled"]["within_spell"]),
            **self._spell_amounts(hrg, method, patient_class, age, stays),
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
        is_kept = attended[-1] in "56" and first[-1] != "5"
        unbundled = self._unbundled(kind, "op", hrg) if is_kept else []
        function = functions["Treatment Function Code"]
        is_several = hrg.startswith("WF02")
        medium = "02" if first[-1] in "34" else "01"
        return {
            **self._person(kind, age),
            **functions,
            **self._unbundled_amounts(unbundled, []),
            **self._attendance_price(hrg, first[-1], function, is_kept),
            ATTENDED: attended,
            FIRST_ATTENDANCE: first,
            "Core HRG": hrg,
            "Age": str(age),
            "Outcome Of Attendance": self.rng.choice("123"),
            "_Multi-Professional Or Multi-Disciplinary Indication Code": "1" if is_several else "",
            "_Consultation Medium Used": medium,
            "_stay": 0,
            "_group": GROUPS.index("clinic"),
        }

    def _unbundled(self, kind: Mix, dataset: str, hrg: str) -> list[str]:
        """The unbundled HRGs of a record, mostly none: those of its kind, else the usual ones.

        One that cannot be grouped has none.
        """
        usual = self.mix["unbundled"][dataset]
        share = kind.get("unbundled_share", usual["share"])
        if self.rng.random() * 1000 >= share or hrg == UNGROUPED:
            return []
        weights = kind.get("unbundled", usual["hrgs"])
        count = self.rng.choice([1, 1, 1, 2, 2, 3])
        return list(dict.fromkeys(choose(self.rng, weights, count)))

    def _unbundled_amounts(self, hrgs: list[str], within: list[str]) -> Row:
        """The codes in their places, and what SUS+ adds for those that are paid for apart."""
        apart = [hrg for hrg in hrgs if hrg[:2] not in within]
        priced = [self.reference.unbundled[h] for h in apart if h in self.reference.unbundled]
        return {
            **{place: hrgs[n] if n < len(hrgs) else "" for n, place in enumerate(UNBUNDLED)},
            "Number Unbundled HRGs": str(len(hrgs)),
            "Number Unbundled Priced HRGs": str(len(priced)),
            "Number Unbundled Non Priced HRGs": str(len(hrgs) - len(priced)),
            "_unbundled": sum(priced),
            "_may_have_local_price": LOCAL_PRICE_HRG in apart,
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

    def _stays(self, stay: int, unbundled: list[str]) -> Row:
        """A stay: a tenth are not adjusted, a few are shortened, a few disagree with the dates.

        SUS+ always adjusts one with critical care or rehabilitation, and takes its days off.
        """
        chance = self.rng.random()
        shortened = max(0, stay - self.rng.randint(1, 5)) if chance > 0.97 else stay
        differs = stay > 1 and self.rng.random() < 0.002
        critical, rest = self._days_apart(stay, unbundled)
        is_apart = any(critical.values()) or rest > 0
        adjusted = max(0, stay - sum(critical.values()) - rest) if is_apart else shortened
        is_blank = chance < 0.1 and not is_apart
        return {
            STAY: str(stay + differs),
            "PbR NCC PCC Adjusted Length Of Stay": str(stay),
            ADJUSTED_STAY: "" if is_blank else str(adjusted),
            **{f"Spell {kind} Length Of Stay": str(days) for kind, days in critical.items()},
            "_stay": stay,
            "_adjusted_stay": stay + differs if is_blank else adjusted,
        }

    def _days_apart(self, stay: int, unbundled: list[str]) -> tuple[dict[str, int], int]:
        """Days of critical care by kind, and of rehabilitation, as its unbundled HRGs say."""
        services = {hrg[:2] for hrg in unbundled}
        left = stay
        critical = {}
        for kind, service in (("ACC", "XC"), ("NCC", "XA"), ("PCC", "XB")):
            critical[kind] = self.rng.randint(0, left) if service in services else 0
            left -= critical[kind]
        return critical, self.rng.randint(0, left) if "VC" in services else 0

    def _attendance_price(self, hrg: str, first: str, function: str, is_kept: bool) -> Row:
        """A procedure's price, else that of the clinic; nothing for one that was not kept."""
        price = self.reference.prices.get(hrg)
        unit: int | None
        others: list[tuple[bool, int | None]] = []
        if not is_kept or hrg == UNGROUPED:
            unit = 0
        elif price and price.by_name["procedure"] is not None:
            unit = price.by_name["procedure"]
            others = [
                (book.is_same_year, book.prices[hrg].by_name["procedure"])
                for book in self.reference.other_books
                if hrg in book.prices
            ]
        else:
            clinic = function, hrg if hrg[:2] == "WF" else _BY_FIRST_ATTENDANCE[first]
            unit = self.reference.attendance_prices.get(clinic)
            others = [
                (book.is_same_year, book.attendance_prices.get(clinic))
                for book in self.reference.other_books
            ]
        return {
            "_unit": unit,
            "_best_practice": 0,
            "_long_stay": 0,
            "_per_day": 0,
            "_specialised": "",
            "_is_ungrouped": is_kept and hrg == UNGROUPED,
            **_other_prices(unit, others),
        }

    def _spell_amounts(self, hrg: str, method: str, patient_class: str, age: int, s: Row) -> Row:
        """The parts of a spell's price that are the same whoever provides."""
        price, stay = self.reference.prices.get(hrg), s["_adjusted_stay"]
        is_elective = method.startswith("1")
        kind = "non_elective"
        if is_elective:
            is_day_case = patient_class[-1] == "2" and s[STAY] == "0"
            kind = "day_case" if is_day_case else "ordinary_elective"
        unit = price.by_name[kind] if price else None
        if is_elective and patient_class[-1] in "34":
            unit = None
        is_short = price and price.short_stay is not None and stay <= 1 and age >= 19
        if price is None or unit is None:
            return {
                **_no_amounts(0 if hrg == UNGROUPED else None, is_ungrouped=hrg == UNGROUPED),
                "PbR Spell Trimpoint Days": "",
                "PbR Days Beyond Trimpoint": "",
                "BPT Indicator 1": "",
                "Significant Specialised Service Code": "",
                "Specialised Service Code 1": "",
            }
        if method.startswith("2") and is_short:
            unit, kind = price.short_stay, "short_stay"
        trim = price.elective_trim if is_elective else price.non_elective_trim
        is_paid = trim is not None and price.per_day is not None and kind != "short_stay"
        beyond = max(0, stay - (trim or 0)) if is_paid else 0
        tariff, best_practice = self._best_practice(hrg, kind, price.is_combined)
        specialised = self._specialised() if kind != "short_stay" else ""
        others = [
            (book.is_same_year, book.prices[hrg].by_name.get(kind, book.prices[hrg].short_stay))
            for book in self.reference.other_books
            if hrg in book.prices
        ]
        assert unit is not None
        return {
            "PbR Spell Trimpoint Days": "" if trim is None else str(trim),
            "PbR Days Beyond Trimpoint": str(beyond),
            "BPT Indicator 1": tariff.flag if tariff else "",
            "Significant Specialised Service Code": specialised,
            "Specialised Service Code 1": specialised,
            "_unit": unit + best_practice,
            "_best_practice": best_practice,
            "_long_stay": beyond * (price.per_day or 0),
            "_per_day": price.per_day or 0,
            "_specialised": specialised,
            "_is_ungrouped": False,
            **_other_prices(unit, others),
        }

    def _best_practice(
        self, hrg: str, kind: str, is_combined: bool
    ) -> tuple[BestPractice | None, int]:
        """A tariff that some planned spells are flagged for, and what it adds to the base."""
        wanted = self.mix["best_practice"]
        tariffs = [
            tariff
            for tariff in self.reference.best_practice.get(hrg, ())
            if tariff.name in wanted["names"]
        ]
        if not tariffs or kind not in ("day_case", "ordinary_elective"):
            return None, 0
        if self.rng.random() * 1000 >= wanted["share"]:
            return None, 0
        tariff = self.rng.choice(tariffs)
        paid = tariff.by_name["combined" if is_combined else kind]
        base = self.reference.prices[hrg].by_name[kind]
        return tariff, 0 if paid is None or base is None else paid - base

    def _specialised(self) -> str:
        services = self.reference.specialised_services
        if not services or self.rng.random() * 1000 >= self.mix["specialised"]["share"]:
            return ""
        return self.rng.choice(services)


_BY_FIRST_ATTENDANCE = {"1": "WF01B", "2": "WF01A", "3": "WF01D", "4": "WF01C"}


def _no_amounts(unit: int | None, *, is_ungrouped: bool) -> Row:
    return {
        "_unit": unit,
        "_best_practice": 0,
        "_long_stay": 0,
        "_per_day": 0,
        "_specialised": "",
        "_is_ungrouped": is_ungrouped,
        **_other_prices(None, []),
    }


def _other_prices(unit: int | None, others: list[tuple[bool, int | None]]) -> Row:
    """What another year gives, and another publication of the same: null where it is the same."""
    versions = [pence for is_same_year, pence in others if is_same_year and pence]
    years = [p for is_same_year, p in others if not is_same_year and p and p not in versions]
    moved = [[pence for pence in of if unit and pence != unit] for of in (years, versions)]
    year, version = (of[0] if of else None for of in moved)
    return {"_other_year": year, "_other_version": version}
