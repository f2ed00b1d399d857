"""A histogram as plain numbers: how many values fell below each bound. Pure; for whoever counts."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """Counts values by `bounds`, rising upper bounds that belong to their bucket; the last bucket has none.

    Attributes:
        counts: of each bucket alone, not summed up.
        total: the sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and how many values were not above it, as Prometheus writes them; the last bound is "+Inf"."""
        names = [*(f"{bound:g}" if bound != int(bound) else f"{float(bound)}" for bound in self.bounds), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))
