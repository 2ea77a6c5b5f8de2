"""The review of a contract once more: what the sentences of its paragraph allow.

Belongs here: 2026/27 ¶55 and ¶61 as a list of what an amount would break, and the largest amount
that breaks nothing, found by trying. Does not belong here: how the rules are put in order.

Amounts are whole pence.
"""

from dataclasses import dataclass
from fractions import Fraction

SHARE = {"2026-27": Fraction(25, 1000)}
"""¶61: "up to +/- 2.5% of total contract values"."""
COMMISSIONED_BY = "icb"
"""¶61: "For acute services commissioned by ICBs"."""


@dataclass(frozen=True)
class Contract:
    """What ¶61 asks of a contract; `deficit` is of the trust, its income, and of the contract."""

    year: str
    payer: str
    is_acute: bool
    value: int
    agreed: int
    deficit: tuple[int, int, int] | None
    is_exceptional: bool


def broken(contract: Contract, amount: int) -> set[str]:
    """The sentences of ¶61 that an adjustment of the year would go against."""
    if contract.payer != COMMISSIONED_BY or not contract.is_acute:
        return set()
    share = SHARE[contract.year]
    found = set()
    if abs(amount) > share * contract.value and not contract.is_exceptional:
        found.add("up to +/- 2.5% of total contract values")
    if contract.deficit:
        trust, income, own = contract.deficit
        asked_of_the_trust = -amount
        if asked_of_the_trust > 0 and asked_of_the_trust + own > share * contract.value:
            found.add("combined efficiency requirement ... no more than 2.5%")
        if Fraction(trust, income) > share and amount != 0:
            found.add("exceeds 2.5% of NHS contract income, no additional adjustments")
    return found


def most(contract: Contract) -> int:
    """The largest part of the agreed difference that goes against nothing."""
    direction = -1 if contract.agreed < 0 else 1
    fits, too_much = 0, abs(contract.agreed) + 1
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        if broken(contract, direction * middle):
            too_much = middle
        else:
            fits = middle
    return direction * fits


def weighed(contract: Contract, difference: int, amount: int) -> set[str]:
    """The sentences of ¶61 that say what should not be, and that an adjustment is told of."""
    is_of_contract = contract.payer == COMMISSIONED_BY and contract.is_acute
    if is_of_contract and difference != 0 and amount == difference:
        return {"should not immediately be applied in full"}
    return set()


def beside(adjustment: int, changes: int) -> int:
    """The most to be adjusted beside pricing changes: "inclusive of other pricing changes".

    By itself, and with the changes, it takes off (or adds) no more than the adjustment does.
    """
    direction = -1 if adjustment < 0 else 1
    most_of_both = direction * adjustment
    fits, too_much = 0, most_of_both + 1
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        if middle > most_of_both or middle + direction * changes > most_of_both:
            too_much = middle
        else:
            fits = middle
    return direction * fits


def identified(services: list[tuple[int, int | None]]) -> int:
    """¶55: the combined value of the services' elements less the contract's value.

    Each is its funding and what its activity is worth, None where it is not funded by activity.
    """
    combined = sum(funding if worth is None else worth for funding, worth in services)
    return combined - sum(funding for funding, _ in services)
