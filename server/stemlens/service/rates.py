"""How much of the server one sender may take: a token bucket for each, in a table that cannot grow.

A bucket holds up to `burst` and fills by `rate` a second. Taking more than there is leaves a debt;
until it is paid, whoever sends can be slowed down (TCP) or passed over (UDP), so that the others
never notice.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_SENDERS = 4_096


class Bucket:
    """What one sender may still take."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._since = burst, clock()

    def take(self, count: float = 1) -> None:
        """Takes so much, if need be on credit."""
        now = self._clock()
        self._left = min(self._burst, self._left + self._rate * (now - self._since)) - count
        self._since = now

    @property
    def debt_s(self) -> float:
        """In how many seconds the debt is paid; 0 where there is none."""
        left = self._left + self._rate * (self._clock() - self._since)
        return max(0.0, -left / self._rate)


class Buckets:
    """A bucket for each sender; those that were silent longest are forgotten first."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._of: OrderedDict[Hashable, Bucket] = OrderedDict()

    def of(self, sender: Hashable) -> Bucket:
        """The sender's bucket."""
        bucket = self._of.pop(sender, None) or Bucket(self._rate, self._burst)
        self._of[sender] = bucket
        if len(self._of) > MAX_SENDERS:
            self._of.popitem(last=False)
        return bucket
