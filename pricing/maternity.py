"""Maternity services in the fixed element: CNST, and contributions to a Maternal Medicine Network.

Belongs here: what is peculiar to maternity when a fixed element is set (2021/22 Appendix 1, 2023/25
¶66, ¶93, ¶96-97, 2026/27 ¶68). Does not belong here: the CNST shares (scheme packs), or how a
worksheet is put together (`pricing.fixed_element`).

A network is paid for through the lead commissioner of its centre: the fixed element of the centre
rises by the cost of the network, and every commissioner takes its fair share of that cost off the
fixed elements of its own providers. The share goes by births, as the guidance has it for example;
shared out by largest remainder, what is taken off is what is added, to the penny.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pricing.money import shared_out

Births = Mapping[str, Mapping[str, int]]
"""Births by commissioner, and within a commissioner by provider."""


@dataclass(frozen=True, slots=True)
class Network:
    """A Maternal Medicine Network: its cost, its centre, who leads, and whose births it serves."""

    cost_pence: int
    centre_provider_code: str
    lead_commissioner_code: str
    births: Births


def contributions(network: Network) -> dict[str, int]:
    """What each commissioner contributes to a network, in pence; all of it is the cost.

    >>> births = {"QHL": {"RRK": 2, "RXK": 1}, "QUA": {"RL4": 1}}
    >>> contributions(Network(1_000_01, "RRK", "QHL", births))
    {'QHL': 75001, 'QUA': 25000}
    """
    births = {payer: sum(of.values()) for payer, of in network.births.items()}
    return shared_out(network.cost_pence, births)


def taken_off(network: Network) -> dict[tuple[str, str], int]:
    """What comes off each contract, by provider and payer, in pence; all of it is the cost.

    A commissioner's contribution comes off its providers by their births of it.
    """
    return {
        (provider, payer): pence
        for payer, contribution in contributions(network).items()
        for provider, pence in shared_out(contribution, network.births[payer]).items()
    }


def added(network: Network, provider_code: str, commissioner_code: str) -> int:
    """What is added to a contract: the cost, where it is the centre's with its lead."""
    centre = (network.centre_provider_code, network.lead_commissioner_code)
    return network.cost_pence if (provider_code, commissioner_code) == centre else 0
