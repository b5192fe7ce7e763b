"""How sure a change is: intervals by the bootstrap over the segments of a session.

A session's change is the mean of what its segments change. Were the song longer, or another part of
it bounced, other segments would be in that mean; how much it would differ is read off means over
segments drawn anew, with replacement. Percentiles of these are too narrow for few segments, by the
factor √((n − 1)/n) and by Student's distribution; both are made good by spreading the draws around
the mean (T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 4.2).

From one segment nothing can be told; such intervals are infinite.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

DRAWS = 4_000
LEVEL = 0.95

Draws = NDArray[np.float64]


def draws(segments: int, seed: int = 0) -> Draws:
    """How much each segment counts in each draw: `[draws, segments]`, rows sum to 1."""
    counts = np.random.default_rng(seed).multinomial(
        segments, np.full(segments, 1 / segments), DRAWS
    )
    return counts / segments


def means(change: NDArray[np.float64], weights: Draws) -> NDArray[np.float64]:
    """The means `[draws, …]` over segments of `change` `[segments, …]`, spread to their due width.

    With one segment all are infinite, both ways, so that every interval of them is.
    """
    from scipy import special

    segments = len(change)
    centre = change.mean(axis=0)
    if segments < 2:
        signs = np.where(np.arange(len(weights)) % 2, np.inf, -np.inf)
        return np.broadcast_to(signs.reshape(-1, *[1] * centre.ndim), (len(weights), *centre.shape))
    wider = math.sqrt(segments / (segments - 1))
    wider *= special.stdtrit(segments - 1, (1 + LEVEL) / 2) / special.ndtri((1 + LEVEL) / 2)
    drawn = np.tensordot(weights, change, axes=1)
    spread: NDArray[np.float64] = centre + wider * (drawn - centre)
    return spread


def interval(drawn: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval (low, high) of what was drawn `[draws, …]`."""
    if not np.isfinite(drawn).all():
        infinite = np.full(drawn.shape[1:], np.inf)
        return -infinite, infinite
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high
