"""Payment mechanism: who pays for a line, and how (2023/25 Table 1, 2026/27 Table 1).

Belongs here: reading the scheme's decision table of mechanisms, top to bottom, and the facts
that its rows ask of a line: private patients and others not funded by the NHS (2023/25 ¶59,
2026/27 ¶53, 2021/22 ¶34), overseas visitors (2023/25 ¶46-47, 2026/27 ¶35, ¶38), LVA blocks (2023/25
¶80, 2026/27 ¶109), what the parties agreed (2026/27 ¶42-43), the Increasing Capacity Framework and
subcontracting (2023/25 ¶20-22, 2026/27 ¶11-12, 2021/22 ¶12, ¶17), the threshold of 2021/22
¶11-16, NHS England's services (2023/25 ¶18, 2026/27 ¶8-9), API (2023/25 ¶1, ¶16-17, ¶49, ¶71, ¶93,
2026/27 ¶2-3, ¶6, ¶49, ¶74, ¶81-82, 2021/22 ¶3, ¶10, ¶27, ¶56), and unit prices for other providers.

Does not belong here: the table, which is the scheme pack's, what each mechanism pays
(`pricing.payable`), or how a fact of more than a column is worked out (the module of its
subject).
"""

from collections.abc import Sequence, Set

import narwhals.stable.v2 as nw

from pricing import contracts, overseas_visitors
from pricing.decision import Row, first_that_fits
from pricing.scheme import Scheme
from pricing.scheme_tables import AS_AGREED, BY_SERVICE, MECHANISM_RULES, DecisionRow

API_VARIABLE = "api_variable"
API_FIXED = "api_fixed"
API_BLENDED = "api_blended"
ACTIVITY_BASED = "activity_based"
LOCAL_AGREEMENT = "local_agreement"
EXCLUDED_ITEM = "excluded_item"


def facts_asked(scheme: Scheme) -> Set[str]:
    """The facts that the scheme's decision table asks of a line; no other is worked out."""
    table = scheme.mechanism.decision_table
    return {fact.removeprefix("not ") for row in table for fact in row.when}


def facts(scheme: Scheme) -> dict[str, nw.Expr]:
    """The facts asked of a line that are not columns of it yet."""
    asked = facts_asked(scheme)
    rules = scheme.mechanism
    category = nw.col("administrative_category_code")
    found = {
        "is_private_patient": category.is_in(rules.private_patient_categories),
        "is_not_nhs_funded": category.is_in(rules.other_categories_outside_scheme),
        "is_chargeable_overseas_visitor": overseas_visitors.is_chargeable(scheme),
        "is_mechanism_agreed": contracts.is_mechanism_agreed(),
        "is_under_framework": contracts.covers("increasing_capacity_framework"),
        "is_subcontracted": contracts.covers("subcontracted"),
        "is_outside_api": contracts.is_outside_api(asked),
        "is_locally_agreed_service": _is_locally_agreed_service(scheme),
        "is_advice_and_guidance": contracts.covers("advice_and_guidance"),
        "is_blended_activity": nw.col("point_of_delivery_code").is_in(
            rules.blended_points_of_delivery
        ),
        "has_unit_price": ~nw.col("published_price_pence").is_null(),
    }
    return {name: fact for name, fact in found.items() if name in asked}


def rule_number(scheme: Scheme, never: Sequence[str] = ()) -> nw.Expr:
    """Which rule decides, by its place among `MECHANISM_RULES`; needs every fact asked.

    Facts that `never` hold of the lines need no column, and their rows are passed over.
    """
    table = scheme.mechanism.decision_table
    rows = [
        (_holds(row), _number(row.rule)) for row in table[:-1] if not set(row.when) & set(never)
    ]
    return first_that_fits(rows, otherwise=_number(table[-1].rule), dtype=nw.Int16)


def is_by(rule: str) -> nw.Expr:
    """Whether a rule decided the line's mechanism; needs `rule_number`."""
    return nw.col("rule_number") == _number(rule)


def mechanism_rule(scheme: Scheme) -> nw.Expr:
    """The name of the rule that decided."""
    rules = [row.rule for row in scheme.mechanism.decision_table]
    return first_that_fits([(is_by(rule), rule) for rule in rules], otherwise=None)


def payment_mechanism(scheme: Scheme) -> nw.Expr:
    """The mechanism that the deciding row gives; needs `rule_number` and `service_mechanism`."""
    numbers: dict[str, list[int]] = {}
    for row in scheme.mechanism.decision_table:
        numbers.setdefault(row.pays, []).append(_number(row.rule))
    of_its_own = {
        AS_AGREED: contracts.agreed_mechanism(),
        BY_SERVICE: nw.col("service_mechanism"),
    }
    rows: list[Row] = [
        (nw.col("rule_number").is_in(of_rules), of_its_own.get(pays, pays))
        for pays, of_rules in numbers.items()
    ]
    return first_that_fits(rows, otherwise=None)


def _is_locally_agreed_service(scheme: Scheme) -> nw.Expr:
    """Transplants of NHS England, whose payment the parties agree (2023/25 ¶18).

    The list is of the price year's HRGs, so a bridged record is looked up as what prices it.
    """
    hrg = nw.coalesce("price_hrg_code", "hrg_code")
    is_nhs_england = nw.col("commissioner_kind") == contracts.NHS_ENGLAND
    return hrg.is_in(scheme.services.locally_agreed_core_hrgs) & is_nhs_england


def _holds(row: DecisionRow) -> nw.Expr:
    """Whether every fact of the row holds; one that is not known does not."""
    return nw.all_horizontal(
        *(
            ~nw.col(fact.removeprefix("not ")).fill_null(False)
            if fact.startswith("not ")
            else nw.col(fact)
            for fact in row.when
        ),
        ignore_nulls=False,
    )


def _number(rule: str) -> int:
    return MECHANISM_RULES.index(rule)
