"""Pairwise Shapley interactions: which two stems do together what neither does alone.

The interaction of i and j is how much more i contributes when j is there, averaged over the
coalitions of the others as the Shapley value does:

    Iᵢⱼ = Σ over S without i, j of |S|! (n − |S| − 2)! / (n − 1)!
          · (v(S ∪ i ∪ j) − v(S ∪ i) − v(S ∪ j) + v(S)).

Positive: together they do more than the sum of both; negative: they stand in for each other.

Source: M. Grabisch and M. Roubens, "An axiomatic approach to the concept of interaction among
players in cooperative games", 1999.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.table import membership, validate


def interactions(values: ArrayLike) -> NDArray[np.float64]:
    """Interactions `[n, n, ...]` of a table `[2**n, ...]` indexed by bit mask (bit i ↔ stem i).

    Symmetric; the diagonal, which means nothing, is 0. Raises ValueError for what is no table.
    """
    n, table = validate(values)
    result = np.zeros((n, n, *table.shape[1:]))
    pairs = list(combinations(range(n), 2))
    if not pairs:
        return result
    z = np.where(membership(n), 1.0, -1.0)
    size = membership(n).sum(axis=1)
    weight = np.array([1 / ((n - 1) * comb(n - 2, s)) for s in range(n - 1)])
    for i, j in pairs:
        others = size - (z[:, i] + z[:, j] + 2).astype(int) // 2
        result[i, j] = result[j, i] = np.tensordot(
            z[:, i] * z[:, j] * weight[others], table, axes=(0, 0)
        )
    return result
