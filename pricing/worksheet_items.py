"""The shapes of the items of a fixed element's worksheet, each as exact arithmetic.

Belongs here: what each shape takes and comes to, with its formula in words that names its base
(2021/22 ¶28, ¶39-47, ¶51, 2023/25 ¶25, ¶27, ¶35, ¶37, ¶48, ¶51, ¶63-67, Appendix 1, Table 2,
2026/27 ¶10, ¶15, ¶17, ¶24, ¶26, ¶37, ¶63-69, ¶71-72, Appendix 1, Table 2). Does not belong here:
which items a year has, in what order and of what base (the scheme pack's
`fixed_element.worksheet`), the running total (`pricing.fixed_element`), or reading what the parties
put down (`pipelines.fixed_element.worksheets`).

Nothing is rounded here. A part, share or base that was not given is for the reader to refuse: there
is no shape with a value of its own to fall back on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pricing.cost_adjustment import net_of
from pricing.explaining import percent, pounds
from pricing.maternity import Network, added, taken_off
from pricing.money import PPM, rounded
from pricing.scheme import Scheme
from pricing.scheme_tables import OPENING, RUNNING, STATED, TAKEN_OFF, WorksheetItem

MONTHS_IN_YEAR = 12
_BASES = {OPENING: "the opening baseline", RUNNING: "the running total", STATED: "the stated base"}
_YEAR = re.compile(r"\b(20\d\d) (\d\d)\b")
_SHOWN_IN_MILLIONS = 10_000_000
_THOUSAND_POUNDS = 100_000


@dataclass(frozen=True, slots=True)
class Working:
    """What an item comes to, exactly, in pence, and how: the formula in words, its base and rate.

    `rests_on` is what the values of the pack that it takes rest on.
    """

    pence: Fraction
    says: str
    base_pence: int | None = None
    rate: Fraction | None = None
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: the year's rules, the first line and the lines above, in pence."""

    scheme: Scheme
    opening_pence: int
    running_pence: int

    def base(self, row: WorksheetItem, stated: int | None) -> tuple[int, str]:
        """The base that a row names, and what it is in words.

        Raises `ValueError` where the row leaves it to the parties and it was not stated.
        """
        if row.of == STATED and stated is None:
            raise ValueError(f"'{row.item}' has no base")
        found = {OPENING: self.opening_pence, RUNNING: self.running_pence, STATED: stated}
        pence = found[row.of or RUNNING]
        return int(pence or 0), f"{_BASES[row.of or RUNNING]}, {in_short(int(pence or 0))}"


@dataclass(frozen=True, slots=True)
class Parts:
    """Amounts by part; each is added or taken off as its sign in the row says."""

    amounts: Mapping[str, int]

    def worked(self, row: WorksheetItem, _: Place) -> Working:
        """The sum of the parts; of parts that the parties named, each with its own sign."""
        signs = {part.name: -1 if part.sign == TAKEN_OFF else 1 for part in row.parts}
        signed = {name: signs.get(name, 1) * pence for name, pence in self.amounts.items()}
        return Working(Fraction(sum(signed.values())), _sum_in_words(signed.items()))


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a base, or an amount agreed in its place.

    `is_held` says that the condition of the row's `unless` holds, so that nothing is added.
    """

    share_ppm: int | None = None
    amount_pence: int | None = None
    base_pence: int | None = None
    is_held: bool = False

    def worked(self, row: WorksheetItem, at: Place) -> Working:
        """The share of the base the row names, the pack's where the row has one."""
        sign = -1 if row.sign == TAKEN_OFF else 1
        off = ", taken off" if row.sign == TAKEN_OFF else ""
        if self.is_held:
            condition = (row.unless or "").removeprefix("is_").replace("_", " ")
            return Working(Fraction(0), f"{condition} already: not added again")
        if self.amount_pence is not None:
            return Working(
                Fraction(sign * self.amount_pence), f"agreed: {in_short(self.amount_pence)}{off}"
            )
        of_pack = row.rates[0] if row.rates else None
        ppm = at.scheme.parameters[of_pack].value if of_pack else self.share_ppm
        if ppm is None:
            raise ValueError(f"'{row.item}' has no share")
        base, in_words = at.base(row, self.base_pence)
        return Working(
            sign * Fraction(base * ppm, PPM),
            f"{percent(ppm)} of {in_words}{off}",
            base,
            sign * Fraction(ppm, PPM),
            (at.scheme.citation(of_pack),) if of_pack else (),
        )


@dataclass(frozen=True, slots=True)
class Cnst:
    """Growth in CNST contributions: an amount agreed, or shares of what is spent on services.

    Of a service the share is None where the pack gives it: that of maternity, and the uniform one.
    """

    amount_pence: int | None = None
    services: Sequence[tuple[str, int, int | None]] = ()

    def worked(self, maternity: str, uniform: str, scheme: Scheme) -> Working:
        """What CNST adds; shares of maternity and of all else are those of the pack."""
        if self.amount_pence is not None:
            return Working(Fraction(self.amount_pence), f"CNST {in_short(self.amount_pence)}")
        pence, words, rests_on = Fraction(0), [], []
        for service, base, agreed_ppm in self.services:
            path = maternity if service == "maternity" else uniform
            ppm = scheme.parameters[path].value if agreed_ppm is None else agreed_ppm
            pence += Fraction(base * ppm, PPM)
            words.append(f"{percent(ppm)} of {in_words(service)} {in_short(base)}")
            rests_on += [scheme.citation(path)] if agreed_ppm is None else []
        return Working(pence, f"CNST of {' and '.join(words)}", rests_on=tuple(rests_on))


@dataclass(frozen=True, slots=True)
class NetUplift:
    """Inflation net of efficiency, and CNST where the uplift factor does not hold all of it.

    `agreed_ppm` takes the place of the year's factors where the parties agreed on their own view.
    """

    agreed_ppm: int | None = None
    base_pence: int | None = None
    cnst: Cnst | None = None

    def worked(self, row: WorksheetItem, at: Place) -> Working:
        """The net uplift of the base the row names, plus CNST."""
        base, in_words = at.base(row, self.base_pence)
        scheme, (uplift, efficiency) = at.scheme, row.rates[:2]
        if self.agreed_ppm is not None:
            net = Fraction(self.agreed_ppm, PPM)
            says, rests_on = f"{percent(self.agreed_ppm)} net, as agreed,", []
        else:
            raised, saved = (scheme.parameters[path].value for path in (uplift, efficiency))
            net = net_of(raised, saved, scheme.cost_adjustment.net_uplift_is)
            rests_on = [scheme.citation(path) for path in (uplift, efficiency)]
            says = f"{rate_in_words(net)} net ({percent(raised)} less {percent(saved)})"
        exact, says = base * net, f"{says} of {in_words}"
        if self.cnst:
            maternity, uniform = row.rates[2:]
            cnst = self.cnst.worked(maternity, uniform, scheme)
            exact, says = exact + cnst.pence, f"{says}, plus {cnst.says}"
            rests_on += cnst.rests_on
        return Working(exact, says, base, net, tuple(rests_on))


@dataclass(frozen=True, slots=True)
class FactorChange:
    """The change of a factor that a base was made with, such as the market forces factor."""

    before_ppm: int
    after_ppm: int
    base_pence: int | None = None

    def worked(self, row: WorksheetItem, at: Place) -> Working:
        """What the base rises by when the new factor takes the place of the old one."""
        base, in_words = at.base(row, self.base_pence)
        rate = Fraction(self.after_ppm, self.before_ppm) - 1
        factors = (f"{Decimal(ppm).scaleb(-6):f}" for ppm in (self.before_ppm, self.after_ppm))
        return Working(base * rate, f"{' to '.join(factors)} on {in_words}", base, rate)


@dataclass(frozen=True, slots=True)
class Service:
    """Units of activity of a service, and what each is worth; None where its shape has no such."""

    name: str
    units: int
    amount_pence: int
    baseline_units: int = 0
    attainment_ppm: int = PPM
    baseline_attainment_ppm: int = PPM
    supported_ppm: int = 0
    shifted_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Units:
    """Activity at an amount each, such as what a contract does not cover."""

    services: Sequence[Service]

    def worked(self, row: WorksheetItem, _: Place) -> Working:
        """Units times their amount, added or taken off as the row says."""
        sign = -1 if row.sign == TAKEN_OFF else 1
        amounts = ((s, Fraction(sign * s.units * s.amount_pence)) for s in self.services)
        return _of_services(
            (s, exact, f"{s.units:,} at {pounds(s.amount_pence)}") for s, exact in amounts
        )


@dataclass(frozen=True, slots=True)
class ChangeInUnits:
    """Activity planned against that of the baseline, so that none is paid for twice."""

    services: Sequence[Service]

    def worked(self, _: WorksheetItem, __: Place) -> Working:
        """The change in units times their amount."""
        return _of_services(
            (
                s,
                Fraction((s.units - s.baseline_units) * s.amount_pence),
                f"{s.baseline_units:,} to {s.units:,} at {pounds(s.amount_pence)}",
            )
            for s in self.services
        )


@dataclass(frozen=True, slots=True)
class Achievement:
    """Best practice expected against that which the baseline holds, each a share of activity."""

    services: Sequence[Service]

    def worked(self, _: WorksheetItem, __: Place) -> Working:
        """The change in units that attain best practice, times what it adds to each."""
        found = []
        for s in self.services:
            expected = Fraction(s.units * s.attainment_ppm, PPM)
            held = Fraction(s.baseline_units * s.baseline_attainment_ppm, PPM)
            says = (
                f"{percent(s.attainment_ppm)} of {s.units:,} less "
                f"{percent(s.baseline_attainment_ppm)} of {s.baseline_units:,} "
                f"at {pounds(s.amount_pence)}"
            )
            found.append((s, (expected - held) * s.amount_pence, says))
        return _of_services(found)


@dataclass(frozen=True, slots=True)
class NetGrowth:
    """Growth in activity less what efficiency supports and what another sector takes over."""

    services: Sequence[Service]

    def worked(self, _: WorksheetItem, __: Place) -> Working:
        """What growth remains, at the unit price or cost; it adds, or nothing is left to fund.

        A share of the growth is supported within efficiency and improvement; a share of the
        planned activity is shifted.
        """
        found = []
        for s in self.services:
            growth = Fraction(s.units - s.baseline_units)
            supported = growth * s.supported_ppm / PPM
            remaining = growth - supported - Fraction(s.units * s.shifted_ppm, PPM)
            says = (
                f"growth of {s.units - s.baseline_units:,} less {percent(s.supported_ppm)} of it "
                f"and {percent(s.shifted_ppm)} of {s.units:,} shifted, "
                f"at {pounds(s.amount_pence)}"
            )
            found.append((s, max(remaining, Fraction(0)) * s.amount_pence, says))
        return _of_services(found)


@dataclass(frozen=True, slots=True)
class UnrecoveredCharges:
    """The commissioner's share of what chargeable overseas visitors are not expected to pay."""

    charges_pence: int
    non_recovery_ppm: int
    improvement_ppm: int
    share_ppm: int

    def worked(self, _: WorksheetItem, __: Place) -> Working:
        """Charges times the historic rate of non-recovery less the agreed improvement, shared."""
        rate = Fraction(self.non_recovery_ppm - self.improvement_ppm, PPM)
        rate *= Fraction(self.share_ppm, PPM)
        says = (
            f"{percent(self.share_ppm)} of charges of {in_short(self.charges_pence)} at "
            f"{percent(self.non_recovery_ppm)} not recovered less {percent(self.improvement_ppm)}"
        )
        return Working(self.charges_pence * rate, says, self.charges_pence, rate)


@dataclass(frozen=True, slots=True)
class NetworkContributions:
    """A contract's place in a Maternal Medicine Network."""

    network: Network
    provider_code: str
    commissioner_code: str

    def worked(self, _: WorksheetItem, __: Place) -> Working:
        """The network's cost where the contract is the centre's, less the share by births."""
        pair = (self.provider_code, self.commissioner_code)
        cost, share = added(self.network, *pair), taken_off(self.network).get(pair, 0)
        parts = {"cost of the network": cost, "contribution by births": -share}
        says = _sum_in_words((name, pence) for name, pence in parts.items() if pence)
        return Working(Fraction(cost - share), says or "no part in it")


@dataclass(frozen=True, slots=True)
class PartYear:
    """How many months of the year an agreement is for."""

    months: int

    def worked(self, _: WorksheetItem, at: Place) -> Working:
        """What of the year's amount is not paid for, taken off."""
        base, left_out = at.running_pence, MONTHS_IN_YEAR - self.months
        months = f"{left_out} of {MONTHS_IN_YEAR} months"
        says = f"{months} of {_BASES[RUNNING]}, {in_short(base)}, taken off"
        rate = -Fraction(left_out, MONTHS_IN_YEAR)
        return Working(base * rate, says, base, rate)


Given = (
    Parts
    | Share
    | NetUplift
    | FactorChange
    | Units
    | ChangeInUnits
    | Achievement
    | NetGrowth
    | UnrecoveredCharges
    | NetworkContributions
    | PartYear
)
"""What the parties put down for an item."""


def in_short(pence: int) -> str:
    """An amount as the guidance writes it where that is exact, in millions; else in pounds.

    >>> [in_short(pence) for pence in (206_550_000_00, 500_000_00, -2_500_000_00, 1_234_567_89)]
    ['£206.55m', '£0.5m', '-£2.5m', '£1,234,567.89']
    """
    if pence == 0:
        return "£0"
    if pence % _THOUSAND_POUNDS or abs(pence) < _SHOWN_IN_MILLIONS:
        return pounds(pence)
    sign, thousands = "-" if pence < 0 else "", abs(pence) // _THOUSAND_POUNDS
    decimals = f"{thousands % 1_000:03}".rstrip("0")
    return f"{sign}£{thousands // 1_000:,}{'.' if decimals else ''}{decimals}m"


def _of_services(found: Iterable[tuple[Service, Fraction, str]]) -> Working:
    listed = list(found)
    says = "; ".join(f"{in_words(service.name)}: {says}" for service, _, says in listed)
    return Working(sum((exact for _, exact, _ in listed), Fraction(0)), says)


def _sum_in_words(signed: Iterable[tuple[str, int]]) -> str:
    """Amounts as a sum: the first with a sign only where it is taken off."""
    words = ""
    for name, pence in signed:
        minus, plus = (" − ", " + ") if words else ("− ", "")
        words += f"{minus if pence < 0 else plus}{in_words(name)} {in_short(abs(pence))}"
    return words


def rate_in_words(rate: Fraction) -> str:
    """A rate in per cent; about, where it has more decimals than a millionth has.

    >>> rate_in_words(Fraction(6, 1000)), rate_in_words(Fraction(-1, 3))
    ('0.6%', 'about -33.3333%')
    """
    ppm = rate * PPM
    if ppm.denominator == 1:
        return percent(int(ppm))
    return f"about {Decimal(rounded(ppm)).scaleb(-4):f}%"


def in_words(name: str) -> str:
    """A name of an item, part or service as people read it.

    >>> in_words("inflation_of_2020_21"), in_words("service_changes")
    ('inflation of 2020/21', 'service changes')
    """
    return _YEAR.sub(r"\1/\2", name.replace("_", " "))
