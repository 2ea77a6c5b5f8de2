"""Timing: seconds of one call, and of two pieces of work in turn.

Belongs here: the clock, interleaving, medians and ratios. Does not belong here: what is timed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our work and what it is held against, timed in turn; the ratio of medians is the result.

    The goal is a ratio, or, where somebody waits for it, in seconds.
    """

    letter: str
    name: str
    against: str
    goal: float
    is_goal_in_seconds: bool = False
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as long ours takes."""
        return median(self.ours) / median(self.theirs)

    @property
    def is_met(self) -> bool:
        """Whether the goal is."""
        return (median(self.ours) if self.is_goal_in_seconds else self.ratio) <= self.goal


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
