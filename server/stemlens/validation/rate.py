"""How often something happened, with the interval in which its true rate lies.

The interval is Wilson's at 95 %: it stays between 0 and 1, and is right also near them and for few
trials, where the usual one (±1.96 standard errors) has no width at all.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan, sqrt

from stemlens.attribution.shares import Z95


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `trials`; `value`, `low` and `high` are 0 to 1, NaN where nothing was tried."""

    hits: int
    trials: int

    @classmethod
    def of(cls, happened: Iterable[object]) -> Rate:
        """Of a list of what happened (true) and what did not."""
        every = [bool(one) for one in happened]
        return cls(sum(every), len(every))

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else nan

    @property
    def low(self) -> float:
        return self._end(-1)

    @property
    def high(self) -> float:
        return self._end(+1)

    def _end(self, side: int) -> float:
        if not self.trials:
            return nan
        if self.hits == (0 if side < 0 else self.trials):
            return self.value  # but for rounding
        n, p = self.trials, self.value
        half = Z95 * sqrt(p * (1 - p) / n + (Z95 / (2 * n)) ** 2)
        return (p + Z95**2 / (2 * n) + side * half) / (1 + Z95**2 / n)

    def __str__(self) -> str:
        """ "98.5 % (95.7 to 99.5)"; a dash where nothing was tried."""
        if not self.trials:
            return "–"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"
