"""What differs from scheme year to scheme year, typed from the guidance of each.

What belongs here: a year's own lists and answers, with the paragraph each comes from.
What does not: any rule made with them (`pricing.py`).

"2021/22", "2023/25" and "2026/27" are the three guidance documents named in `__init__.py`. No
document here is of 2022/23 or 2025/26: the project takes 2022/23 to be as 2021/22 but for LVA,
which was introduced in that year (2023/25 ¶77), and 2025/26 to be as 2024/25.
"""

from dataclasses import dataclass, replace

# 2023/25 ¶117: "apart from termination of pregnancy services (HRGs ...)".
TERMINATION_OF_PREGNANCY_HRGS = (
    "MA50Z",
    "MA51Z",
    "MA52A",
    "MA52B",
    "MA53Z",
    "MA54Z",
    "MA55A",
    "MA55B",
    "MA56A",
    "MA56B",
)

# 2023/25 ¶117: "apart from those with the following Treatment Function Codes", given twice, alike.
TREATMENT_FUNCTIONS_OUTSIDE_ELECTIVE = (
    "501",
    "560",
    "700",
    "710",
    "711",
    "712",
    "713",
    "715",
    "720",
    "721",
    "722",
    "723",
    "724",
    "725",
    "726",
    "727",
    "199",
    "499",
)

# 2023/25 ¶42, 2026/27 ¶31: A_snoring, B_menstr_D&C, C_knee_arth, D_low_back_pain_inj. The column is
# cut to fifteen characters in some extracts, so the letter and underscore decide.
FOUR_INTERVENTIONS = ("A_", "B_", "C_", "D_")


@dataclass(frozen=True)
class Year:
    """One scheme year."""

    name: str
    is_paid_against_plan: bool
    has_first_attendances: bool
    hrgs_outside_elective: tuple[str, ...]
    treatment_functions_outside_elective: tuple[str, ...]
    interventions_needing_approval: tuple[str, ...]
    has_lva: bool
    has_collaboratives_outside_lva: bool
    blended_points_of_delivery: tuple[str, ...]


_2021_22 = Year(
    name="2021-22",
    # 2021/22 ¶56: "any additional activity ... above this planned baseline level".
    is_paid_against_plan=True,
    # 2021/22 ¶56: "all elective ordinary, day cases and outpatient procedures with a published
    # unit price": no attendances, and no list of what is left out.
    has_first_attendances=False,
    hrgs_outside_elective=(),
    treatment_functions_outside_elective=(),
    # 2021/22 ¶26: "only ... if an IFR has been approved".
    interventions_needing_approval=FOUR_INTERVENTIONS,
    # 2023/25 ¶11: "first introduced in 2022/23".
    has_lva=False,
    has_collaboratives_outside_lva=False,
    # 2026/27 ¶81: the blended payments came with 2026/27.
    blended_points_of_delivery=(),
)
_2024_25 = Year(
    name="2024-25",
    # 2023/25 ¶72: "Actual elective activity delivered is paid for at a rate of 100%".
    is_paid_against_plan=False,
    has_first_attendances=True,  # 2023/25 ¶71, ¶117
    hrgs_outside_elective=TERMINATION_OF_PREGNANCY_HRGS,
    treatment_functions_outside_elective=TREATMENT_FUNCTIONS_OUTSIDE_ELECTIVE,
    interventions_needing_approval=FOUR_INTERVENTIONS,  # 2023/25 ¶39
    has_lva=True,  # 2023/25 ¶77
    has_collaboratives_outside_lva=False,  # 2023/25 ¶79: three exceptions
    blended_points_of_delivery=(),
)
YEARS = {
    year.name: year
    for year in (
        _2021_22,
        replace(_2021_22, name="2022-23", has_lva=True),
        # 2023/25 ¶39: zero prices were introduced "for 2024/25"; before, ¶37, the fixed element.
        replace(_2024_25, name="2023-24", interventions_needing_approval=()),
        _2024_25,
        replace(_2024_25, name="2025-26"),
        replace(
            _2024_25,
            name="2026-27",
            # 2026/27 ¶108: a fourth, "mental health lead provider collaborative contracts".
            has_collaboratives_outside_lva=True,
            # 2026/27 ¶82: A&E, overnight and other same day non-elective; not maternity (NELNE).
            blended_points_of_delivery=("NEL", "NELST"),
        ),
    )
}
