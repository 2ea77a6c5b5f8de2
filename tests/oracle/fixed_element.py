"""The fixed element of a contract, item by item, as the guidance of each year has it.

What belongs here: each year's worksheet written out as the guidance says it, one statement to an
item, with the factors typed from the paragraphs. What does not: reading a contract file, or what
is refused: it takes a worksheet without faults, as a dictionary, and gives each item's pence.

A worksheet is the document of a contract file. Amounts are pounds, as text or whole numbers; shares
are text with a per cent sign, or 0.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Any

Document = Mapping[str, Any]
Amounts = dict[str, int]


def fixed_element(document: Document) -> Amounts:
    """Pence by item, in order; their sum is the fixed element of the months of the agreement."""
    sheet = _Sheet(document)
    worksheet, has_part_years = _YEARS[document["scheme_year"], document.get("starts_from", "")]
    worksheet(sheet)
    months = _months(document)
    if has_part_years and months < 12:
        # 2021/22 ¶28, 2023/25 ¶51: pro rata to the shorter period.
        sheet.add("part_year", sheet.total * Fraction(months - 12, 12))
    return sheet.amounts


class _Sheet:
    """A worksheet as it grows: each line is rounded once, and all after it build on that."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.amounts: Amounts = {}

    @property
    def total(self) -> Fraction:
        return Fraction(sum(self.amounts.values()))

    def of(self, item: str) -> Mapping[str, Any] | None:
        return self.document.get(item)

    def add(self, item: str, pence: Fraction | None) -> None:
        """Adds a line, to the nearest penny, halves away from zero; none where it is not given."""
        if pence is not None:
            size = (2 * abs(pence) + 1) // 2
            self.amounts[item] = int(size if pence >= 0 else -size)

    def given(self, item: str, how: Callable[[Mapping[str, Any]], Fraction]) -> None:
        """Adds a line for an item that the document gives."""
        section = self.of(item)
        self.add(item, None if section is None else how(section))

    def share(self, item: str, base: Fraction, sign: int = 1) -> None:
        def worked(section: Mapping[str, Any]) -> Fraction:
            if "amount" in section:
                return sign * _pence(section["amount"])
            return sign * base * _share(section["share"])

        self.given(item, worked)

    def cquin(self, base: Fraction, unless: str) -> None:
        """1.25% was identified for CQUIN (2021/22 ¶51, 2023/25 ¶23, 2026/27 ¶13)."""
        share = Fraction(125, 10_000)
        self.given("cquin_funding", lambda s: Fraction(0) if s[unless] else base * share)


def _year_2024_25(sheet: _Sheet) -> None:
    """2023/25 Appendix 1, Table 2."""
    added = ("fixed_payment", "elective_recovery_funding", *_PLANNED)
    either = ("non_recurrent_and_full_year_items", "baseline_adjustments")
    off = ("service_development_funding", "high_cost_exclusions")
    sheet.given("opening_baseline", lambda s: _sum(s, *added, *either) - _sum(s, *off))
    sheet.cquin(sheet.total, "is_in_opening_baseline")
    sheet.given("public_health_reset", _all)
    sheet.given("service_changes", _all)
    sheet.share("activity_growth", sheet.total)
    # 2023/25 ¶64: 1.7%, and 5.0% once the pay awards were in it (2026/27 ¶65), less 1.1%.
    pay_awards = date(2024, 9, 30)
    known_by = sheet.document.get("as_of") or pay_awards
    net = Fraction(39, 1000) if known_by >= pay_awards else Fraction(6, 1000)
    _inflation(sheet, net, Fraction(38, 1000))
    sheet.given("market_forces_factor", _factor_on_stated_base)
    sheet.given("capacity_uplift", _capacity)
    sheet.given("additional_allocation_funding", _all)
    _services_of_the_fixed_element(sheet)
    sheet.share("additional_efficiency", sheet.total, -1)
    _network(sheet)
    sheet.given("variable_payment_removed", lambda s: -_all(s))
    sheet.given("service_development_funding", _all)
    sheet.given("agreed_excluded_items", _all)
    sheet.given("excluded_drugs_baseline", _all)


def _rolled_forward_2024_25(sheet: _Sheet) -> None:
    """2023/25 ¶51: the figure of the first year, with the factors of the second."""
    sheet.given("opening_baseline", lambda s: _sum(s, "fixed_payment"))
    sheet.cquin(sheet.total, "is_in_opening_baseline")
    pay_awards = date(2024, 9, 30)
    known_by = sheet.document.get("as_of") or pay_awards
    net = Fraction(39, 1000) if known_by >= pay_awards else Fraction(6, 1000)
    _inflation(sheet, net, Fraction(38, 1000))


def _year_2026_27(sheet: _Sheet) -> None:
    """2026/27 Appendix 1, Table 2."""
    added = ("fixed_payment", "elective_activity", *_PLANNED, "newly_delegated_services")
    off = ("service_development_funding", "high_cost_exclusions")
    either = ("non_recurrent_and_full_year_items",)
    sheet.given("opening_baseline", lambda s: _sum(s, *added, *either) - _sum(s, *off))
    sheet.cquin(sheet.total, "is_in_opening_baseline")
    sheet.given("service_changes", _all)
    sheet.share("activity_change", sheet.total)
    # 2026/27 ¶65: 2.03% less 2.0%; the share of maternity is in Annex DpD, which is not here.
    _inflation(sheet, Fraction(3, 10_000), None)
    sheet.given("market_forces_factor", _factor_on_stated_base)
    sheet.given("additional_allocation_funding", _all)
    sheet.given("specialist_top_ups", _all)
    _services_of_the_fixed_element(sheet)
    sheet.share("identified_differences", sheet.total)
    sheet.given("variable_and_blended_payment_removed", lambda s: -_all(s))
    sheet.given("service_development_funding", _all)
    sheet.given("agreed_excluded_items", _all)
    sheet.given("excluded_drugs_baseline", _all)


def _outturn_2021_22(sheet: _Sheet) -> None:
    """2021/22 ¶39: from the contract value of 2019/20."""
    sheet.given(
        "opening_baseline",
        lambda s: _sum(s, "contract_outturn") - _sum(s, "unbundled_diagnostic_imaging"),
    )
    _two_years(sheet)
    sheet.given("market_forces_factor", lambda s: sheet.total * (_factor(s) - 1))
    sheet.given("service_changes", _all)
    sheet.given("high_cost_items", _all)
    sheet.given("system_funding", _all)
    _rest_of_2021_22(sheet)


def _reported_cost_2021_22(sheet: _Sheet) -> None:
    """2021/22 ¶40-41: from what services cost in 2019/20, with overheads."""
    _costs(sheet)
    _two_years(sheet)
    sheet.given("market_forces_factor", lambda s: sheet.total * (_factor(s) - 1))
    sheet.given("service_changes", _all)
    _rest_of_2021_22(sheet)


def _forecast_cost_2021_22(sheet: _Sheet) -> None:
    """2021/22 ¶42-44: from what services are forecast to cost in the year."""
    _costs(sheet)
    sheet.given("service_changes", _all)
    _rest_of_2021_22(sheet)


def _default_2022_23(sheet: _Sheet) -> None:
    """The webinar of September 2021, initial elements for a fixed payment 1 and 2."""
    sheet.given("opening_baseline", _all)
    sheet.share("net_tariff_uplift", sheet.total)

    def remaining(service: Mapping[str, Any]) -> Fraction:
        growth = service["units"] - service["units_in_baseline"]
        left = growth * (1 - _share(service["supported_share"]))
        left -= service["units"] * _share(service["shifted_share"])
        return max(left, Fraction(0))

    sheet.given("differential_activity", lambda s: _each(s, remaining))
    sheet.given("strategic_expenditure", _all)


_PLANNED = ("planned_chemotherapy", "planned_diagnostic_imaging", "planned_nuclear_medicine")
_YEARS: dict[tuple[str, str], tuple[Callable[[_Sheet], None], bool]] = {
    ("2021-22", "outturn_contract_value"): (_outturn_2021_22, True),
    ("2021-22", "reported_cost"): (_reported_cost_2021_22, True),
    ("2021-22", "forecast_cost"): (_forecast_cost_2021_22, True),
    ("2022-23", "outturn"): (_default_2022_23, True),
    ("2022-23", "cost_profile"): (_default_2022_23, True),
    ("2024-25", "previous_year"): (_year_2024_25, True),
    ("2024-25", "rolled_forward"): (_rolled_forward_2024_25, True),
    ("2026-27", ""): (_year_2026_27, False),
}


def _inflation(sheet: _Sheet, net: Fraction, maternity: Fraction | None) -> None:
    """Inflation net of efficiency, or the parties' view of it, and CNST (2023/25 ¶63-66)."""
    base = sheet.total

    def worked(section: Mapping[str, Any]) -> Fraction:
        rate = _share(section["agreed_share"]) if "agreed_share" in section else net
        cnst = _pence(section.get("cnst", 0))
        for service, given in section.get("cnst_by_service", {}).items():
            own = maternity if service == "maternity" else Fraction(1, 10_000)
            share = _share(given["share"]) if "share" in given else own
            assert share is not None
            cnst += _pence(given["base"]) * share
        return base * rate + cnst

    sheet.given("inflation_net_of_efficiency", worked)


def _services_of_the_fixed_element(sheet: _Sheet) -> None:
    """What the fixed element is to fund beside the table (2023/25 ¶49, 2026/27 ¶49)."""

    def change(service: Mapping[str, Any]) -> Fraction:
        return Fraction(service["units"] - service["units_in_baseline"])

    sheet.given("annual_best_practice", lambda s: _each(s, _attained))
    sheet.given("advice_and_guidance", lambda s: _each(s, change))
    sheet.given("medtech_implementation", _all)
    sheet.given("evidence_based_interventions", lambda s: _each(s, change))
    sheet.given("overseas_visitors", _unrecovered)
    sheet.given("cancer_on_treatment_follow_ups", lambda s: _each(s, change))
    sheet.given("protected_funding", _all)


def _rest_of_2021_22(sheet: _Sheet) -> None:
    """2021/22 ¶26, ¶49, ¶51, ¶55, Appendix 1: alike whatever the baseline."""
    sheet.given("specialised_commissioning", _all)
    sheet.given(
        "evidence_based_interventions",
        lambda s: _each(s, lambda one: Fraction(one["units"] - one["units_in_baseline"])),
    )
    sheet.given("best_practice", lambda s: _each(s, _attained))
    sheet.cquin(sheet.total, "is_based_on_unit_prices")
    sheet.given("provider_to_provider_maternity", _all)
    _network(sheet)


def _costs(sheet: _Sheet) -> None:
    """Direct costs, overheads, and the average cost of what is not covered taken off (¶41-44)."""
    sheet.given("opening_baseline", _all)
    sheet.share("overheads", sheet.total)
    sheet.given("costs_not_covered", lambda s: -_each(s, lambda one: Fraction(one["units"])))


def _two_years(sheet: _Sheet) -> None:
    """2021/22 ¶46: 2.5% less 1.1% for 2020/21, and 3.1% less 1.1% for 2021/22."""
    sheet.add("inflation_of_2020_21", sheet.total * Fraction(14, 1000))
    sheet.add("inflation_of_2021_22", sheet.total * Fraction(20, 1000))


def _network(sheet: _Sheet) -> None:
    """2021/22 Appendix 1: the centre has the cost, and each contract gives up its fair share."""
    section = sheet.of("maternal_medicine_network")
    if section is None:
        return
    pair = (sheet.document["provider_code"], sheet.document["commissioner_code"])
    cost, births = int(_pence(section["cost"])), section["births"]
    by_payer = _shared_out(cost, {payer: sum(of.values()) for payer, of in births.items()})
    of_pair = 0
    if pair[0] in births.get(pair[1], {}):
        of_pair = _shared_out(by_payer[pair[1]], births[pair[1]])[pair[0]]
    is_centre = pair == (section["centre_provider"], section["lead_commissioner"])
    sheet.add("maternal_medicine_network", Fraction((cost if is_centre else 0) - of_pair))


def _shared_out(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Penny by penny: first what divides evenly, then one each to those who lack most."""
    whole = sum(weights.values())
    exact = {name: Fraction(amount * weight, whole) for name, weight in weights.items()}
    given = {name: share.numerator // share.denominator for name, share in exact.items()}
    while sum(given.values()) < amount:
        most = max(sorted(weights), key=lambda name: exact[name] - given[name])
        given[most] += 1
    return given


def _capacity(section: Mapping[str, Any]) -> Fraction:
    """2023/25 Appendix 1, Table 2: 0.6% of the relevant services, or as agreed in a system."""
    if "amount" in section:
        return _pence(section["amount"])
    return _pence(section["base"]) * Fraction(6, 1000)


def _unrecovered(section: Mapping[str, Any]) -> Fraction:
    """2023/25 ¶48, 2026/27 ¶37."""
    left = _share(section["non_recovery"]) - _share(section["improvement"])
    return _pence(section["charges"]) * left * _share(section["commissioner_share"])


def _attained(service: Mapping[str, Any]) -> Fraction:
    """Units that attain best practice, above those that the baseline has (2023/25 ¶25)."""
    before = service["units_in_baseline"] * _share(service["attainment_in_baseline"])
    return service["units"] * _share(service["attainment"]) - before


def _factor_on_stated_base(section: Mapping[str, Any]) -> Fraction:
    return _pence(section["base"]) * (_factor(section) - 1)


def _factor(section: Mapping[str, Any]) -> Fraction:
    return Fraction(section["factor"]) / Fraction(section["previous_factor"])


def _each(section: Mapping[str, Any], units: Callable[[Mapping[str, Any]], Fraction]) -> Fraction:
    amounts = (units(one) * _pence(one["amount_each"]) for one in section["services"])
    return sum(amounts, Fraction(0))


def _all(section: Mapping[str, Any]) -> Fraction:
    return _sum(section, *(name for name in section if name != "year"))


def _sum(section: Mapping[str, Any], *names: str) -> Fraction:
    return sum(_amounts(section, names), Fraction(0))


def _amounts(section: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Fraction]:
    yield from (_pence(section[name]) for name in names if name in section)


def _pence(pounds: str | int) -> Fraction:
    return Fraction(str(pounds).replace(",", "")) * 100


def _share(share: str | int) -> Fraction:
    return Fraction(str(share).removesuffix("%")) / 100


def _months(document: Document) -> int:
    """How many months of the year, April to March, the agreement is for."""

    def place(month: str) -> int:
        return (int(month[5:]) - 4) % 12

    first = place(document.get("first_month", "2000-04"))
    return place(document.get("last_month", "2001-03")) - first + 1
