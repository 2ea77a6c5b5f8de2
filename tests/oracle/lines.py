"""A line as it is worked out: what is asked of it before anyone knows who pays.

What belongs here: the shape of such a line. What does not: how any of it is found.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Priced:
    """One line with its price, in whole pence; None where there is no price.

    `published` is the national unit price, also where a local one takes its place. `attendance` is
    the WF HRG that an attendance is paid as, `service` that of an unbundled HRG.
    """

    line_number: int
    hrg: str | None
    point_of_delivery: str
    price_source: str
    unit_price: int | None
    published: int | None
    best_practice_name: str | None = None
    best_practice_pence: int = 0
    excess_days: int = 0
    long_stay_pence: int = 0
    top_up_pence: int = 0
    ebi_outcome: str = "not_applicable"
    is_elective: bool = False
    is_hrg_retired: bool = False
    is_procedure: bool = False
    is_within_core_price: bool = False
    is_excluded: bool = False
    attendance: str | None = None
    service: str | None = None

    @property
    def is_unbundled(self) -> bool:
        """Line 0 is the core HRG."""
        return self.line_number > 0

    @property
    def is_local(self) -> bool:
        """At a price that the provider and payer agreed."""
        return self.price_source == "local"

    @property
    def pre_mff(self) -> int | None:
        """The unit price and all that is added to it."""
        if self.unit_price is None:
            return None
        added = self.best_practice_pence + self.long_stay_pence + self.top_up_pence
        return self.unit_price + added
