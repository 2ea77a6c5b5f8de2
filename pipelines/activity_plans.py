"""The users' list of activity plans: what each contract plans of a line in a month.

Belongs here: reading the list, and what is planned of each pair and line. Does not belong
here: growth of a plan (`pricing.planned_activity`), or what is paid for the difference from it
(`pricing.variable_element`, `pricing.blended_payments`).
"""

from collections.abc import Mapping

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.deliveries import ACTIVITY_PLANS
from pipelines.lists import (
    Cell,
    code,
    month,
    one_of,
    pence,
    scheme_year,
    text,
    whole,
    yes_or_no,
)
from pipelines.scheme_packs import scheme_years
from pipelines.user_lists import (
    UserList,
    read_user_list,
    refuse_other_months,
    refuse_outside_years,
    refuse_repeated,
    refuse_rows,
)
from pipelines.workspace import Workspace
from pricing.contracts import PAIR
from pricing.planned_activity import (
    grown,
    growth_ppm,
    has_price,
    is_amount_alone,
    lines_of,
    may_have_plan,
)
from pricing.scheme import Scheme
from pricing.scheme_tables import BEST_PRACTICE, LINES, ContractLine

AGREED, DEFAULT_GROWTH = "agreed", "default_growth"
PLAN_CELLS = (
    Cell("provider_code", "provider_code", pl.String, code),
    Cell("commissioner_code", "commissioner_code", pl.String, code),
    Cell("activity_month", "activity_month", pl.String, month),
    Cell("scheme_year", "scheme_year", pl.String, scheme_year),
    Cell("what_if", "what_if", pl.Boolean, yes_or_no),
    Cell("contract_line", "contract_line", pl.String, text),
    Cell("plan_basis", "plan_basis", pl.String, one_of(AGREED, DEFAULT_GROWTH)),
    Cell("activity", "planned_activity", pl.Int64, whole),
    Cell("value", "planned_value_pence", pl.Int64, pence),
)
_KEY = (*PAIR, "activity_month", "contract_line")
_LEAST_PENCE_EACH, _MOST_PENCE_EACH = 100, 10_000_000
"""£1 and £100,000 a unit of activity. They tell pence from pounds, and decide no amount: nothing
that is planned by the unit is cheaper than the one or, on average, dearer than the other."""
_MOST_TIMES_DONE, _FEWEST_DONE = 30, 10
"""How many times dearer or cheaper a unit may be planned than it is on average where some are done.
Pence for pounds are out by 100 times; the mix of one contract's activity by far less."""


def read_activity_plans(workspace: Workspace) -> UserList:
    """Every plan in the landing folder; none where there is no list.

    A plan is written under the lines and prices of its `scheme_year`: that of its month, or, with
    `what_if`, another under which the month is priced too. Raises `UserError` that names the lines
    of plans of a month outside their year that do not say so, of two plans for one contract, line
    and month, and of a value that cannot be that of its activity.
    """
    plans = read_user_list(workspace, ACTIVITY_PLANS, PLAN_CELLS)
    refuse_outside_years(plans, scheme_years(workspace))
    refuse_other_months(plans)
    refuse_repeated(plans, *_KEY, "scheme_year")
    activity, value = pl.col("planned_activity"), pl.col("planned_value_pence")
    refuse_rows(
        plans,
        (activity == 0) & (value > 0),
        "with a value must plan some activity for it, or leave activity blank where its line is "
        "an amount alone",
    )
    is_dear = value > activity * _MOST_PENCE_EACH
    is_cheap = value < activity * _LEAST_PENCE_EACH
    refuse_rows(
        plans,
        (activity > 0) & is_dear,
        f"must plan at most £{_MOST_PENCE_EACH // 100:,} for a unit of activity: is the value in "
        "pence? It is read as pounds",
    )
    refuse_rows(
        plans,
        (activity > 0) & is_cheap,
        f"must plan at least £{_LEAST_PENCE_EACH // 100:,} for a unit of activity: is the value in "
        "thousands or millions of pounds? It is read as pounds",
    )
    return plans


def refuse_unusable_plans(plans: UserList, scheme: Scheme) -> None:
    """Raises `UserError` naming the plans that a scheme year's lines cannot have.

    `plans` are those written under that year.
    """
    year = scheme.scheme_year
    lines = lines_of(scheme)
    line = pl.col("contract_line")
    planned = [name for name, one in lines.items() if may_have_plan(one)]
    refuse_rows(
        plans,
        ~line.is_in(list(lines)),
        f"must name as contract_line one that contracts of {year} have: {', '.join(lines)}",
    )
    refuse_rows(plans, ~line.is_in(planned), "must be of a line that is planned")
    has_no_growth = ~line.is_in(list(growth_ppm(scheme)))
    refuse_rows(
        plans,
        (pl.col("plan_basis") == DEFAULT_GROWTH) & has_no_growth,
        f"of {DEFAULT_GROWTH} must be of a line that has a national default growth in {year}: "
        f"{', '.join(growth_ppm(scheme)) or 'none has'}",
    )
    amounts = [name for name in planned if is_amount_alone(lines[name])]
    is_amount = line.is_in(amounts)
    refuse_rows(
        plans,
        is_amount & pl.col("planned_activity").is_not_null(),
        f"of {' or '.join(amounts)} must leave activity blank: its line is an amount alone",
    )
    refuse_rows(
        plans,
        ~is_amount & pl.col("planned_activity").is_null(),
        "must give the activity that is planned",
    )
    _refuse_more_than_the_whole(plans, lines)
    priced = [name for name, one in lines.items() if has_price(one)]
    refuse_rows(
        plans,
        line.is_in(priced) & pl.col("planned_value_pence").is_null(),
        "must give the value that is planned, in pounds",
    )


def _refuse_more_than_the_whole(plans: UserList, lines: Mapping[str, ContractLine]) -> None:
    """Best practice adds to the prices of elective activity, and never as much as they are.

    Of CQUIN it cannot be told: it is a share of a fixed element that no plan holds (2021/22 ¶51).
    """
    line, value = pl.col("contract_line"), pl.col("planned_value_pence")
    added = [n for n, one in lines.items() if one.source == BEST_PRACTICE and may_have_plan(one)]
    of = [name for name, one in lines.items() if one.source == LINES]
    whole = value.filter(line.is_in(of)).sum().over(*PAIR, "activity_month")
    refuse_rows(
        plans,
        line.is_in(added) & (whole > 0) & (value > whole),
        f"must plan no more for {' or '.join(added)} than for the activity whose prices it adds "
        "to: is the value in pence? It is read as pounds",
    )


def refuse_other_magnitudes(plans: pl.DataFrame, done: pl.DataFrame) -> None:
    """Raises `UserError` naming plans whose unit costs many times more or less than is done.

    `done` has `contract_line`, `activity` and `value_pence` of all contracts together, without
    what has no price. Where hardly any of a line is done there is nothing to hold a plan to.
    """
    enough = done.filter(pl.col("activity") >= _FEWEST_DONE)
    each = enough.select("contract_line", each=pl.col("value_pence") // pl.col("activity"))
    known = plans.filter(pl.col("planned_activity") > 0).join(each, on="contract_line")
    planned_each = pl.col("planned_value_pence") // pl.col("planned_activity")
    faults = (
        (
            planned_each > pl.col("each") * _MOST_TIMES_DONE,
            f"at most {_MOST_TIMES_DONE} times what one of its line is worth on average: is the "
            "value in pence? It is read as pounds",
        ),
        (
            planned_each * _MOST_TIMES_DONE < pl.col("each"),
            f"at least a {_MOST_TIMES_DONE}th of what one of its line is worth on average: is the "
            "value in thousands or millions of pounds? It is read as pounds",
        ),
    )
    for is_other, wanted in faults:
        refuse_rows(UserList(known, {}), is_other, f"must plan a unit of activity at {wanted}")


def planned(plans: pl.DataFrame, scheme: Scheme) -> pl.DataFrame:
    """What is planned of each pair, month and line, those of one pair together.

    Takes entries of the scheme year by the organisations of the price year; gives
    `provider_code`, `commissioner_code`, `activity_month`, `contract_line`, `planned_activity`
    and `planned_value_pence`. Predecessors' plans add up.
    """
    amounts = {"planned_activity": 1, "planned_value_pence": scheme.rounding.quantum_pence}
    is_grown = nw.col("plan_basis") == DEFAULT_GROWTH
    made: pl.DataFrame = (
        nw.from_native(plans)
        .with_columns(
            **{
                name: nw.when(is_grown).then(grown(name, scheme, quantum)).otherwise(nw.col(name))
                for name, quantum in amounts.items()
            }
        )
        .to_native()
    )
    # A sum of nothing is 0, and what is not planned is not 0.
    sums = [pl.when(pl.col(n).count() == pl.len()).then(pl.col(n).sum()).alias(n) for n in amounts]
    return made.group_by(_KEY).agg(sums).sort(_KEY)
