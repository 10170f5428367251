"""From measured rounds to figures: medians, and ratios within the same round."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How many times as much one takes as another: the median over rounds, the least and the most."""

    middle: float
    least: float
    most: float


def ratio(row, other):
    """The CPU time of one row against that of another, round by round, so that what disturbed a round touches both."""
    if row is None or other is None:
        return None
    each = [one / two for one, two in zip(row["cpu"], other["cpu"]) if two > 0]
    return Ratio(median(each), min(each), max(each)) if each else None


def find(rows, **wanted):
    """The row with these values, or None."""
    return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)


def middle(row, key):
    return median(row[key])


@dataclass(frozen=True)
class Verdict:
    """What came of a goal."""

    goal: object
    ratio: Ratio | None
    failed: str | None

    @property
    def reached(self):
        return self.failed is None and self.ratio is not None and self.ratio.middle <= self.goal.most


def verdicts(rows, goals, shapes):
    """Each goal with what was measured in its workload's shape; None in place of a ratio that was not measured."""
    found = []
    for goal in goals:
        of_goal = {"workload": goal.workload, "shape": shapes[goal.workload]}
        one, two = (find(rows, **of_goal, gateway=name) for name in (goal.row, goal.against))
        failed = next((row["failed"] for row in (one, two) if row is not None and row["failed"]), None)
        found.append(Verdict(goal, ratio(one, two), failed))
    return found
