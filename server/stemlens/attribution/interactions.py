"""Pairwise Shapley interactions: which two stems do together what neither does alone.

The interaction of i and j is how much more i contributes when j is there, averaged over the
coalitions of the others as the Shapley value does:

    Iᵢⱼ = Σ over S without i, j of |S|! (n − |S| − 2)! / (n − 1)!
          · (v(S ∪ i ∪ j) − v(S ∪ i) − v(S ∪ j) + v(S)).

Positive: together they do more than the sum of both; negative: they do less than that, as two that
stand in for each other.

Beyond tables they are estimated from pairs of coalitions: from the sums v(S) + v(Sᶜ), as the
values are from the differences, by the same Gaussian process with sets of an even number of
players (see `gaussian_process`). In z_T the members of T interact by 4 / (|T| − 1). On the games
of real sessions 8 pairs a stem leave errors of a quarter of the interactions' size.

Source: M. Grabisch and M. Roubens, "An axiomatic approach to the concept of interaction among
players in cooperative games", 1999.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.gaussian_process import (
    MOST_PAIRS,
    PECULIAR,
    covariance,
    infer,
    peculiar,
    per_set,
    player_weights,
    symmetric,
)
from stemlens.attribution.least_squares import Estimate, shapley_from_pairs, with_everybody
from stemlens.attribution.sampling import Plays, all_pairs
from stemlens.attribution.table import membership, validate

PRIOR = {0: 10.0, 2: 1.0, 4: 0.1, 6: 0.02, 8: 0.004}
"""The variance of all coefficients of an order together; that of order 0 matters to nothing."""


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
    for i, j in pairs:
        result[i, j] = result[j, i] = np.tensordot(_parts(z, i, j), table, axes=(0, 0))
    return result


def interactions_by_process(
    plays: Plays, values: ArrayLike, complements: ArrayLike, everybody: ArrayLike, nobody: ArrayLike
) -> Estimate:
    """Interactions and the variances of their errors, both `[n, n, tags]`.

    plays: bool `[pairs, n]`, one coalition of each pair, no pair twice, those of size 1 complete.
    values, complements: `[pairs, tags]`, v(S) and v(Sᶜ); everybody, nobody: `[tags]`.
    """
    plays = plays[:MOST_PAIRS]
    here, there = (np.asarray(v, dtype=np.float64)[:MOST_PAIRS] for v in (values, complements))
    whole, empty = (np.asarray(v, dtype=np.float64) for v in (everybody, nobody))
    z, sums = with_everybody(plays, here + there, whole + empty)
    n = plays.shape[1]
    members = list(combinations(range(n), 2))
    value = np.zeros((n, n, sums.shape[1]))
    variance = np.zeros_like(value)
    complete = len(plays) == all_pairs(n)
    if members and complete:
        found = Estimate(np.array([_parts(z, i, j) for i, j in members]) @ sums, np.zeros(1))
    elif members:
        linear = shapley_from_pairs(plays, here - there, whole - empty)
        found = _posterior(plays, z, sums, player_weights(linear.value), members)
    for at, (i, j) in enumerate(members):
        value[i, j] = value[j, i] = found.value[at]
        variance[i, j] = variance[j, i] = 0 if complete else found.variance[at]
    return Estimate(value, variance)


def _parts(z: NDArray[np.float64], i: int, j: int) -> NDArray[np.float64]:
    """What the score of each coalition counts in the interaction of i and j: `[coalitions]`."""
    weight = _weights(z.shape[1])
    others = ((z > 0).sum(axis=1) - (z[:, i] > 0) - (z[:, j] > 0)).astype(int)
    return z[:, i] * z[:, j] * weight[others]


@cache
def _weights(n: int) -> NDArray[np.float64]:
    """What a coalition of 0, 1 … n − 2 others counts."""
    return np.array([1 / ((n - 1) * comb(n - 2, s)) for s in range(n - 1)])


def _posterior(
    plays: Plays,
    z: NDArray[np.float64],
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    members: list[tuple[int, int]],
) -> Estimate:
    """What the process makes of the sums of pairs, for the given pairs of players."""
    n = plays.shape[1]
    prior = per_set(weights, PRIOR)
    noise = peculiar(plays)
    terms, orders = z * weights, range(1, max(prior))
    powers = [(z if k % 2 else np.ones((1, n))) * weights**k for k in orders]
    with_values = np.empty((len(z), len(members)))
    of_values = np.full(len(members), _of_peculiar(n))
    for at, (i, j) in enumerate(members):
        # Sets with both are these two and a set of the others.
        others = symmetric([p.sum(axis=1) - p[:, i] - p[:, j] for p in powers])
        alone = symmetric([(weights**k).sum() - weights[i] ** k - weights[j] ** k for k in orders])
        with_values[:, at] = noise * _parts(z, i, j)
        for order, spread in prior.items():
            if order:  # the sums have twice the game's coefficients
                part = 2 / (order - 1)
                with_values[:, at] += spread * part * terms[:, i] * terms[:, j] * others[order - 2]
                of_values[at] += spread * part**2 * weights[i] * weights[j] * alone[order - 2]
    return infer(
        covariance(z, weights, prior) + np.diag(noise), with_values, of_values, sums, plays
    )


def _of_peculiar(n: int) -> float:
    """The prior variance of an interaction by what is peculiar to single pairs."""
    total = 0.0
    for size in range(1, n):
        for both, ways in ((0, 1), (1, 2), (2, 1)):  # how many of the two play
            if 0 <= size - both <= n - 2:
                count = (
                    ways * comb(n - 2, size - both) / 2
                )  # half of the coalitions: each pair once
                part = 1 / ((n - 1) * comb(n - 2, size - both))
                total += PECULIAR / min(size, n - size) ** 3 * count * part**2
    return total
