"""Shares and effects of all stems in all segments, with what is not known of them.

What a session gets is the mean over its segments, since every value used here is linear. Two kinds
of doubt are kept apart: the `variance` of an estimate, which averages out over segments, and the
`bound` of what has not been looked at yet, which is certain and does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964  # half the width of a 95 % interval in standard deviations


@dataclass(frozen=True, slots=True)
class Parts:
    """How something is shared out, by stems or by groups; float64 `[segments, parts, tags]`.

    `variance` and `bound` are 0 where `attributions` are exact.
    """

    attributions: NDArray[np.float64]
    variance: NDArray[np.float64]
    bound: NDArray[np.float64]

    @property
    def exact(self) -> bool:
        """Whether nothing is estimated and nothing left out."""
        return not self.variance.any() and not self.bound.any()

    @property
    def half_width(self) -> NDArray[np.float64]:
        """Half the width of the 95 % intervals of the session's shares `[parts, tags]`."""
        half: NDArray[np.float64] = Z95 * np.sqrt(self._session_variance()) + self.bound.mean(
            axis=0
        )
        return half

    def _session_variance(self) -> NDArray[np.float64]:
        """Of the session's shares `[parts, tags]`: segments err independently of each other."""
        found: NDArray[np.float64] = self.variance.sum(axis=0) / len(self.variance) ** 2
        return found

    @property
    def segment_half_width(self) -> NDArray[np.float64]:
        """The same for each segment by itself `[segments, parts, tags]`."""
        half: NDArray[np.float64] = Z95 * np.sqrt(self.variance) + self.bound
        return half


@dataclass(frozen=True, slots=True)
class Interactions:
    """The session's pairwise Shapley interactions, and half their 95 % intervals (0: exact), both
    `[stems, stems, tags]`; they are of the part `measured` of its segments."""

    value: NDArray[np.float64]
    half_width: NDArray[np.float64]
    measured: float


@dataclass(frozen=True, slots=True)
class Shares(Parts):
    """What is known at one moment of all stems, in the unit of the game's values.

    mute, solo: `[segments, stems, tags]`, NaN where not measured yet.
    total: `[segments, tags]`, what the values of everybody and of nobody differ by.
    scores, baseline: `[segments, tags]`, 0 to 1, of everybody and of nobody.
    coalitions: how many were scored so far.
    groups: the shares of groups of stems, where they were asked for.
    interactions: in the last revision, where the value knows them.
    together: the variance of the session's shares `[stems, tags]`, where segments do not err
        independently of each other.
    masks: of how many drawn masks a regression is; None: of all, or there is none.
    """

    mute: NDArray[np.float64]
    solo: NDArray[np.float64]
    total: NDArray[np.float64]
    scores: NDArray[np.float64]
    baseline: NDArray[np.float64]
    coalitions: int
    groups: Parts | None = None
    interactions: Interactions | None = None
    together: NDArray[np.float64] | None = None
    masks: int | None = None

    def _session_variance(self) -> NDArray[np.float64]:
        return Parts._session_variance(self) if self.together is None else self.together

    def best(self, tags: int) -> NDArray[np.intp]:
        """The tags with the highest scores of the session, the best first."""
        return np.argsort(-self.scores.mean(axis=0), kind="stable")[:tags]
