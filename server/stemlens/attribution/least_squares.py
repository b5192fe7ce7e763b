"""Shapley and Banzhaf values estimated from pairs of coalitions, with their errors.

Of a game v of n players the differences d(S) = v(S) − v(Sᶜ) are known for some pairs (see
`sampling`), and for the pair of everybody and nobody. Both values are the coefficients of a
weighted least squares fit of d by what each player adds,

    minimise over φ:  Σ over pairs S of w(S) · (d(S) − Σᵢ zᵢ φᵢ)²,  zᵢ = 1 for i in S, else −1.

For Shapley all pairs of size k weigh 1 / (k (n − k)) for each of their two coalition sizes, and
the fit is held to Σφ = v(all) − v(nobody); for Banzhaf every pair weighs the same. With all pairs
in it the fit is the value itself; while there are some of a size, they share the mass of the whole
size. One solve serves all tags.

The variance is that of sampling within the sizes: how much influence × residual of a pair varies
between the pairs of one size, times the part of that size that was not drawn. A residual is
divided by 1 − leverage: that is what it would be, had the fit not seen the pair. Sizes of which
all pairs are known add nothing, so a complete game has variance 0.

Sources: S. Lundberg and S.-I. Lee, "A unified approach to interpreting model predictions", 2017;
I. Covert and S. Lee, "Improving KernelSHAP", 2021; Y. Liu et al., "Kernel Banzhaf", 2024; the
correction of residuals: J. MacKinnon and H. White, "Some heteroskedasticity-consistent covariance
matrix estimators", 1985 (HC3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.sampling import (
    Mass,
    Plays,
    banzhaf_mass,
    pairs_of_size,
    shapley_mass,
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated values and the variances of their errors, both float64 `[n, tags]`.

    A 95 % interval is value ± 1.96 · √variance; variances of independent estimates add up.
    """

    value: NDArray[np.float64]
    variance: NDArray[np.float64]


def shapley_from_pairs(plays: Plays, differences: ArrayLike, whole: ArrayLike) -> Estimate:
    """Shapley values; they sum to `whole`.

    plays: bool `[pairs, n]`, one coalition of each pair, no pair twice, those of size 1 complete.
    differences: `[pairs, tags]`, v(S) − v(Sᶜ). whole: `[tags]`, v(all) − v(nobody).
    """
    z, d = with_everybody(plays, differences, whole)
    # Only everybody's row tells of the sum of φ, which thereby is `whole`: from every other row
    # what the mean of its z makes of that sum is taken away.
    mean = z.sum(axis=1, keepdims=True) / max(1, z.shape[1])
    mean[0] = 0
    return _fit(z - mean, d - mean * d[0], pair_sizes(plays), shapley_mass)


def banzhaf_from_pairs(plays: Plays, differences: ArrayLike, whole: ArrayLike) -> Estimate:
    """Banzhaf values; arguments as for `shapley_from_pairs`."""
    z, d = with_everybody(plays, differences, whole)
    return _fit(z, d, pair_sizes(plays), banzhaf_mass)


def with_everybody(
    plays: Plays, differences: ArrayLike, whole: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """z `[1 + pairs, n]` and d `[1 + pairs, tags]`, the pair of everybody and nobody first."""
    n = plays.shape[1]
    if (pair_sizes(plays) == 1).sum() != pairs_of_size(n, 1) * (n > 1):
        raise ValueError("an estimate needs each pair of size 1 once")
    everybody = np.ones((1, n), dtype=bool)
    z = np.where(np.concatenate([everybody, plays]), 1.0, -1.0)
    return z, np.concatenate([np.asarray(whole)[None], differences]).astype(np.float64)


def pair_sizes(plays: Plays) -> NDArray[np.int64]:
    """The sizes of everybody's pair, which is 0, and of those in `plays`: `[1 + pairs]`."""
    playing = plays.sum(axis=1)
    return np.append(0, np.minimum(playing, plays.shape[1] - playing))


def _fit(
    z: NDArray[np.float64],
    d: NDArray[np.float64],
    sizes: NDArray[np.int64],
    mass: Mass,
) -> Estimate:
    """The fit of d by z; the pairs that are there share the mass of their size."""
    n = z.shape[1]
    drawn = np.bincount(sizes, minlength=n // 2 + 1)
    weighted = z * (mass(n)[sizes] / drawn[sizes])[:, None]
    influence = np.linalg.solve(weighted.T @ z, weighted.T)
    value = influence @ d
    residual = d - z @ value
    leverage = (z * influence.T).sum(axis=1)
    variance = np.zeros_like(value)
    for size in np.flatnonzero(drawn):
        known, of = int(drawn[size]), pairs_of_size(n, int(size))
        if known == of:
            continue
        these = sizes == size
        h, r = influence[:, these], residual[these] / (1 - leverage[these])[:, None]
        spread = h**2 @ r**2
        if known > 1:
            spread = (spread - (h @ r) ** 2 / known) * known / (known - 1)
        variance += spread * (1 - known / of)
    return Estimate(value, variance)
