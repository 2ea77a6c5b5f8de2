"""The items of a worksheet in a contract file: what each shape of item says, key by key.

Belongs here: reading one section of a contract file as the inputs of one item, with everything that
is missing or given twice noted by key. Does not belong here: how a value is written
(`pipelines.fixed_element.contract_files`), what an item comes to (`pricing.worksheet_items`), or
the worksheet as a whole (`pipelines.fixed_element.worksheets`).

There is no value that stands for one that is not given: an amount of 0 is written down.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.fixed_element.contract_files import FROM_ACTIVITY, ContractFile, Section
from pipelines.organisations import PROVIDERS, Organisations
from pricing.explaining import pounds
from pricing.maternity import Network
from pricing.money import PPM
from pricing.scheme import Scheme
from pricing.scheme_tables import (
    ACHIEVEMENT,
    AGREED_PARTS,
    CHANGE_IN_UNITS,
    EITHER,
    FACTOR_CHANGE,
    NET_GROWTH,
    NET_UPLIFT,
    NETWORK,
    PARTS,
    SHARE,
    STATED,
    TAKEN_OFF,
    UNITS,
    UNRECOVERED,
    WorksheetItem,
)
from pricing.worksheet_items import (
    Achievement,
    ChangeInUnits,
    Cnst,
    FactorChange,
    Given,
    NetGrowth,
    NetUplift,
    NetworkContributions,
    Parts,
    Service,
    Share,
    Units,
    UnrecoveredCharges,
)

PLANNED = {"planned_variable": "variable_element", "planned_blended": "blended"}
"""Parts that the plans of the contract come to, by the section of its statement."""
_NAME = re.compile(r"[a-z0-9_]{1,60}")
_SMALLEST_PENCE = 100_000
"""An amount below £1,000 is likelier to be one in thousands or millions."""
_CNST_RATES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A part that the lake is to supply: of the year's plans, or of a year's activity.

    `points_of_delivery` are those of the activity, None for what is planned; `activity_year` is
    when it was done, `price_year` whose prices it is worth.
    """

    item: str
    part: str
    points_of_delivery: tuple[str, ...] | None = None
    activity_year: str = ""
    price_year: str = ""


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Reads the items of one file; `asked` is what of them the lake is to supply."""

    file: ContractFile
    scheme: Scheme
    organisations: Organisations
    asked: list[Asked] = field(default_factory=list)

    def read(self, row: WorksheetItem, section: Section) -> Given | None:
        """What a section gives of an item; None, and faults noted, where it cannot be read."""
        before = len(self.file.faults)
        found = _READERS[row.shape](self, row, section)
        section.refuse_others()
        return found if len(self.file.faults) == before else None

    def parts(self, row: WorksheetItem, section: Section) -> Parts:
        """Each part that must be given, and those that may be."""
        year = section.scheme_year("year") if row.year else None
        if row.year and section.need("year") and year and year != row.year:
            section.fault("year", f"is {year}: the figures must be of {row.year}")
        section.need(*(part.name for part in row.parts if not part.is_optional))
        amounts = {}
        for part in row.parts:
            pence = self._part(row.item, section, part.name, part.sign == EITHER)
            if pence is not None:
                amounts[part.name] = pence
        if not any(part.name in section for part in row.parts):
            names = ", ".join(part.name for part in row.parts)
            section.fault("", f"gives nothing: give one of {names}")
        return Parts(amounts)

    def agreed_parts(self, row: WorksheetItem, section: Section) -> Parts:
        """Parts by names of the parties' own."""
        year = section.scheme_year("year") if "year" in section or row.year else None
        if row.year and section.need("year") and year and year != row.year:
            section.fault("year", f"is {year}: the figures must be of {row.year}")
        if year and not row.year and year > self.file.scheme_year:
            section.fault("year", f"is {year}, after {self.file.scheme_year}")
        names = section.others()
        amounts = {}
        for name in names:
            pence = _large_pounds(section, name, may_be_negative=True)
            if not _NAME.fullmatch(name):
                section.fault(name, "must be a name of small letters, digits and _")
            elif pence is not None:
                amounts[name] = pence
        if not names:
            section.fault("", "gives nothing: name each part and its pounds, or one of 0")
        return Parts(amounts)

    def share(self, row: WorksheetItem, section: Section) -> Share:
        """A share, the pack's own or one that is given, or an amount in its place.

        What is added unless it is there already is the pack's: there is nothing to agree on.
        """
        is_signed = row.sign == EITHER
        if row.unless:
            is_held = section.flag(row.unless)
            section.need(row.unless)
            if is_held:
                return Share(is_held=True)
            return Share(base_pence=self._base(row, section, is_needed=True))
        amount = _large_pounds(section, "amount", may_be_negative=is_signed)
        base = self._base(row, section, is_needed="amount" not in section)
        if row.rates:
            return Share(amount_pence=amount, base_pence=base)
        share = section.share("share", may_be_negative=is_signed)
        if ("share" in section) == ("amount" in section):
            section.fault("", "must give share, or the amount agreed in its place, and not both")
        return Share(share, amount, base)

    def net_uplift(self, row: WorksheetItem, section: Section) -> NetUplift:
        """The year's factors, or the parties' own view of them; and CNST, where it is apart."""
        agreed = section.share("agreed_share", may_be_negative=True)
        base = self._base(row, section, is_needed=True)
        cnst = self._cnst(row, section) if len(row.rates) == _CNST_RATES else None
        return NetUplift(agreed, base, cnst)

    def _cnst(self, row: WorksheetItem, section: Section) -> Cnst:
        amount = _large_pounds(section, "cnst", may_be_negative=True)
        by_service = section.section("cnst_by_service")
        if ("cnst" in section) == (by_service is not None):
            section.fault(
                "", "must give cnst, its growth in pounds, or cnst_by_service, and not both"
            )
        services: list[tuple[str, int, int | None]] = []
        for name in by_service.others() if by_service else ():
            service = by_service.section(name) if by_service else None
            if service is None:
                continue
            base, share = _large_pounds(service, "base"), service.share("share")
            service.need("base")
            service.refuse_others()
            path = row.rates[2 if name == "maternity" else 3]
            if share is None and not self.scheme.gives(path):
                service.fault("share", f"is missing, and {self.scheme.absent[path]}")
            services.append((name, base or 0, share))
        return Cnst(amount, tuple(services))

    def factor_change(self, row: WorksheetItem, section: Section) -> FactorChange:
        """The factor before and after."""
        section.need("previous_factor", "factor")
        before, after = (self._factor(section, key) for key in ("previous_factor", "factor"))
        return FactorChange(before or PPM, after or PPM, self._base(row, section, is_needed=True))

    def _factor(self, section: Section, key: str) -> int | None:
        found = section.factor(key)
        if found is not None and found < PPM:
            section.fault(key, f"is {section.written(key)}: no market forces factor is below 1")
        return found

    def units(self, _: WorksheetItem, section: Section) -> Units:
        """Units of each service, and what each unit is worth."""
        return Units(self._services(section, ()))

    def change_in_units(self, _: WorksheetItem, section: Section) -> ChangeInUnits:
        """Units of each service planned, and in the baseline."""
        return ChangeInUnits(self._services(section, ("units_in_baseline",)))

    def achievement(self, _: WorksheetItem, section: Section) -> Achievement:
        """Units and attainment of each tariff expected, and in the baseline."""
        keys = ("units_in_baseline", "attainment", "attainment_in_baseline")
        return Achievement(self._services(section, keys))

    def net_growth(self, _: WorksheetItem, section: Section) -> NetGrowth:
        """Units of each service planned and in the baseline, and what is not to be funded."""
        keys = ("units_in_baseline", "supported_share", "shifted_share")
        return NetGrowth(self._services(section, keys))

    def _services(self, section: Section, keys: tuple[str, ...]) -> tuple[Service, ...]:
        found: list[Service] = []
        for one in section.sections("services"):
            one.need("name", "units", "amount_each", *keys)
            name = one.text("name")
            if name in [service.name for service in found]:
                one.fault("name", f"is '{name}', which is given twice")
            attainment, in_baseline, supported, shifted = (
                one.share(key) if key in keys else None
                for key in (
                    *("attainment", "attainment_in_baseline"),
                    *("supported_share", "shifted_share"),
                )
            )
            found.append(
                Service(
                    name=name or "",
                    units=one.count("units") or 0,
                    amount_pence=one.pounds("amount_each") or 0,
                    baseline_units=(one.count("units_in_baseline") or 0)
                    if "units_in_baseline" in keys
                    else 0,
                    attainment_ppm=PPM if attainment is None else attainment,
                    baseline_attainment_ppm=PPM if in_baseline is None else in_baseline,
                    supported_ppm=supported or 0,
                    shifted_ppm=shifted or 0,
                )
            )
            one.refuse_others()
        if not found:
            section.fault("services", f"are missing: give each as [[{section.name}.services]]")
        return tuple(found)

    def unrecovered_charges(self, _: WorksheetItem, section: Section) -> UnrecoveredCharges:
        """The charges, the rate not recovered, the improvement agreed, and who bears it."""
        section.need("charges", "non_recovery", "improvement", "commissioner_share")
        charges = _large_pounds(section, "charges")
        non_recovery, improvement = section.share("non_recovery"), section.share("improvement")
        share = section.share("commissioner_share")
        if non_recovery is not None and improvement is not None and improvement > non_recovery:
            section.fault("improvement", "is more than non_recovery: no more can be recovered")
        return UnrecoveredCharges(charges or 0, non_recovery or 0, improvement or 0, share or 0)

    def network_contributions(self, _: WorksheetItem, section: Section) -> NetworkContributions:
        """The network's cost, its centre and lead, and births by commissioner and provider."""
        section.need("cost", "centre_provider", "lead_commissioner", "births")
        cost = _large_pounds(section, "cost")
        centre, lead = section.text("centre_provider"), section.text("lead_commissioner")
        births: dict[str, dict[str, int]] = {}
        by_payer = section.section("births")
        for payer in by_payer.others() if by_payer else ():
            of_payer = by_payer.section(payer) if by_payer else None
            if of_payer is None:
                continue
            births[payer] = {one: of_payer.count(one) or 0 for one in of_payer.others()}
            if sum(births[payer].values()) == 0:
                of_payer.fault("", "gives no births")
            self._refuse_unknown(of_payer, [payer], list(births[payer]))
        if not births:
            section.fault("births", "are none: give those of each commissioner by provider")
        self._refuse_unknown(section, [lead or ""], [centre or ""])
        network = Network(cost or 0, centre or "", lead or "", births)
        pair = (self.file.provider_code, self.file.commissioner_code)
        if pair != (centre, lead) and pair[0] not in births.get(pair[1], {}):
            section.fault(
                "births", f"has none of {pair[0]} under {pair[1]}, and it is not the centre"
            )
        return NetworkContributions(network, *pair)

    def _refuse_unknown(self, section: Section, payers: list[str], providers: list[str]) -> None:
        known = {
            "payer": (payers, self.organisations.payers()),
            "provider": (providers, self.organisations.known(PROVIDERS)),
        }
        for kind, (codes, among) in known.items():
            for code in codes:
                if code and code not in among:
                    section.fault("", f"names '{code}', which is no {kind} of the organisations")

    def _base(self, row: WorksheetItem, section: Section, *, is_needed: bool) -> int | None:
        """The base that the parties state, for an item that leaves it to them."""
        if row.of != STATED:
            return None
        if is_needed and "base" not in section:
            section.pounds("base")
            section.fault("base", "is missing: state what in pounds the share is of")
        return _large_pounds(section, "base")

    def _part(self, item: str, section: Section, name: str, may_be_negative: bool) -> int | None:
        """A part in pence; None, and asked for, where the lake is to supply it."""
        if section.is_from_activity(name):
            section.text(name)
            if name in PLANNED:
                self.asked.append(Asked(item, name))
            else:
                section.fault(name, f"cannot be '{FROM_ACTIVITY}': no plan of the lake is of it")
            return None
        if section.is_table(name):
            self._of_activity(item, section, name)
            return None
        return _large_pounds(section, name, may_be_negative=may_be_negative)

    def _of_activity(self, item: str, section: Section, name: str) -> None:
        """A part that is the value of a year's activity, at the prices of a year."""
        asked = section.section(name)
        if asked is None:
            return
        asked.need(FROM_ACTIVITY, "year", "priced_under")
        points, year = asked.texts(FROM_ACTIVITY), asked.scheme_year("year")
        price_year = asked.scheme_year("priced_under")
        asked.refuse_others()
        if year and year > self.file.scheme_year:
            asked.fault("year", f"is {year}, after {self.file.scheme_year}")
        if points and year and price_year:
            self.asked.append(Asked(item, name, points, year, price_year))


_READERS: dict[str, Callable[[ItemReader, WorksheetItem, Section], Given]] = {
    PARTS: ItemReader.parts,
    AGREED_PARTS: ItemReader.agreed_parts,
    SHARE: ItemReader.share,
    NET_UPLIFT: ItemReader.net_uplift,
    FACTOR_CHANGE: ItemReader.factor_change,
    UNITS: ItemReader.units,
    CHANGE_IN_UNITS: ItemReader.change_in_units,
    ACHIEVEMENT: ItemReader.achievement,
    NET_GROWTH: ItemReader.net_growth,
    UNRECOVERED: ItemReader.unrecovered_charges,
    NETWORK: ItemReader.network_contributions,
}


def needs_nothing(row: WorksheetItem) -> bool:
    """Whether an item takes all from the pack and the lines above it: a net uplift without CNST."""
    return row.shape == NET_UPLIFT and len(row.rates) < _CNST_RATES and row.of != STATED


def how_to_give(row: WorksheetItem) -> str:
    """What a section of an item must say, for one that is missing."""
    if row.shape == PARTS:
        wanted = ", ".join(part.name for part in row.parts if not part.is_optional)
        return f"give {wanted}" if wanted else "give one of its parts"
    if row.shape == AGREED_PARTS:
        return "name each part and its pounds, or one of 0"
    if row.unless:
        return f"say whether {row.unless}"
    if row.shape == SHARE:
        sign = "taken off" if row.sign == TAKEN_OFF else "added"
        return f"give the share that is {sign}, or the amount agreed"
    if row.shape == NET_UPLIFT:
        return "give cnst, its growth in pounds, or cnst_by_service"
    if row.shape == FACTOR_CHANGE:
        return "give previous_factor and factor"
    return "give its services"


def _large_pounds(section: Section, key: str, *, may_be_negative: bool = False) -> int | None:
    """An amount of a contract; one that looks like thousands or millions is a fault."""
    pence = section.pounds(key, may_be_negative=may_be_negative)
    if pence and abs(pence) < _SMALLEST_PENCE and "." not in section.written(key):
        section.fault(
            key,
            f"is read as {pounds(pence)}: write pounds, not thousands or millions; or, where it "
            "is meant, with its pence",
        )
    return pence
