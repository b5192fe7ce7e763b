"""LIME as audioLIME asks it: a ridge regression of the score by which components play.

Masks say who plays. They are coin tosses, everybody first, repetitions kept; a mask weighs the more
the nearer it is to everybody by the cosine of the angle between them. With half of the components
playing it still weighs 0.5, so the fit is close to that of all masks alike: a shrunken Banzhaf
value rather than a Shapley value, and however many masks are drawn, it does not become one.

All that the regression needs to know are moments of masks and scores, and those of all masks can be
had without drawing any: a mask counts by how many play, so of a game that few components play, the
others' masks are summed up by their number. `of_all_masks` is what 1000 drawn masks come to on
average. The ridge is made to count as among those 1000, however many masks there are, so that all
estimates are of one thing.

Source: V. Haunschmid, E. Manilow and G. Widmer, "audioLIME: Listenable Explanations Using Source
Separation", 2020, and its program, version 0.0.3; M. T. Ribeiro, S. Singh and C. Guestrin, "'Why
should I trust you?'", 2016. The variance of a fit that is not the truth: see `least_squares`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.sampling import Plays
from stemlens.attribution.table import membership, validate

MASKS = 1000
KERNEL_WIDTH = 0.25
RIDGE = 1.0  # what the sum of the squared coefficients costs beside MASKS masks

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """What a regression needs to know, weighted, per mask, about the weighted means.

    gram `[n, n]`: of who plays with who else plays; cross `[n, tags]`: with what that is worth.
    """

    gram: Values
    cross: Values


def kernel(playing: ArrayLike, n: int) -> Values:
    """What a mask weighs in which so many of n components play."""
    cosine = np.sqrt(np.asarray(playing, dtype=np.float64) / n)  # nobody is at a right angle
    weight: Values = np.sqrt(np.exp(-(((1 - cosine) / KERNEL_WIDTH) ** 2)))
    return weight


def lime_masks(n: int, random: np.random.Generator, count: int = MASKS) -> Plays:
    """Masks as audioLIME draws them: `[count, n]`."""
    plays = random.random((count, n)) < 0.5
    plays[0] = True
    return plays


def of_masks(plays: Plays, values: ArrayLike, first: float = 1.0) -> Moments:
    """The moments of masks `[masks, n]` and what they are worth `[masks, tags]`.

    first: how often the first mask counts; len(plays) / MASKS: as it does among `MASKS`.
    """
    weight, x, y = _about_means(plays, values, first)
    weighted = (weight * x).T / len(plays)
    return Moments(weighted @ x, weighted @ y)


def of_all_masks(n: int, games: Iterable[tuple[NDArray[np.intp], Values]]) -> Moments:
    """What the moments of `MASKS` drawn masks are on average.

    games: a mask is worth their mean. Of each, which of the n components play it, and its table
    `[2**players, tags]`.
    """
    weight, plays, together = _means(n)
    gram = together - plays**2 / weight + (plays - together) * np.eye(n)
    found = [_of_game(n, players, table) for players, table in games]
    worth = np.mean([one.worth for one in found], axis=0)
    cross = np.tile(np.mean([one.others for one in found], axis=0), (n, 1))
    for one in found:
        cross[one.players] += (one.own - one.others) / len(found)
    return Moments(gram, cross - plays / weight * worth)


def furthest(n: int) -> float:
    """How large a coefficient of a regression of all masks can be, beside the range of what masks
    are worth.

    It is the covariance of the worth with what is left of a component beside the others, over the
    variance of that; a ridge, or fewer others, only make it smaller.
    """
    weight, plays, together = _means(n)
    own, shared = plays - together, together - plays**2 / weight
    left = own * (own + n * shared) / (own + (n - 1) * shared)
    return float(np.sqrt(weight / left) / 2)


def _means(n: int) -> tuple[float, float, float]:
    """What all masks weigh on average; those in which one component plays; in which two do."""
    tossed = 1 - 1 / MASKS  # the first mask is everybody
    weight = tossed * _mean_weight(n, n, 0) + 1 / MASKS
    plays = tossed / 2 * _mean_weight(n, n - 1, 1) + 1 / MASKS
    together = plays**2 / weight  # where there are no two
    if n > 1:
        together = tossed / 4 * _mean_weight(n, n - 2, 2) + 1 / MASKS
    return float(weight), float(plays), float(together)


@dataclass(frozen=True, slots=True)
class _OfGame:
    """Weighted means of what masks are worth, in a game of some `players`: of all masks `[tags]`,
    of those in which each player plays `[players, tags]`, in which any other component `[tags]`."""

    players: NDArray[np.intp]
    worth: Values
    own: Values
    others: Values


def _of_game(n: int, players: NDArray[np.intp], table: Values) -> _OfGame:
    inside = membership(len(players))
    size, rest, everybody = inside.sum(axis=1), n - len(players), table[-1] / MASKS
    each = (1 - 1 / MASKS) / len(table)
    weighted = each * _mean_weight(n, rest, size)[:, None] * table
    others = np.zeros(table.shape[1])
    if rest:
        others = each / 2 * _mean_weight(n, rest - 1, size + 1) @ table + everybody
    return _OfGame(
        players, weighted.sum(axis=0) + everybody, inside.T @ weighted + everybody, others
    )


def _mean_weight(n: int, tossing: int, playing: ArrayLike) -> Values:
    """What a mask weighs on average in which so many of n components play, and `tossing` others
    toss a coin."""
    plays, at = np.unique(playing, return_inverse=True)
    log = np.append(0.0, np.cumsum(np.log(np.arange(1, tossing + 1))))  # of factorials
    chance = np.exp(log[-1] - log - log[::-1] - tossing * np.log(2))
    mean: Values = kernel(plays[:, None] + np.arange(tossing + 1), n) @ chance
    return mean[at.reshape(np.shape(playing))]


def _about_means(plays: Plays, values: ArrayLike, first: float) -> tuple[Values, Values, Values]:
    """What masks weigh `[masks, 1]`, who plays, and what that is worth about the weighted means."""
    weight = kernel(plays.sum(axis=1), plays.shape[1])[:, None]
    weight[0] *= first
    x, y = plays.astype(np.float64), np.asarray(values, dtype=np.float64)
    mean_x, mean_y = ((weight * a).sum(axis=0) / weight.sum() for a in (x, y))
    return weight, x - mean_x, y - mean_y


def ridge(
    moments: Moments, alpha: float = RIDGE / MASKS, chosen: NDArray[np.bool_] | None = None
) -> Values:
    """The coefficients `[n, tags]` where the sum of their squares costs `alpha` per mask.

    chosen: which components are fitted for which tag `[n, tags]`; the others have 0. None: all.
    """
    value = np.zeros(moments.cross.shape)
    for some, tags in _alike(np.ones(value.shape, dtype=np.bool_) if chosen is None else chosen):
        inner = moments.gram[np.ix_(some, some)] + alpha * np.eye(len(some))
        value[np.ix_(some, tags)] = np.linalg.solve(inner, moments.cross[np.ix_(some, tags)])
    return value


@dataclass(frozen=True, slots=True)
class Fit:
    """The coefficients of a regression of drawn masks, and the variances of their errors.

    coefficients, variance: `[n, tags]`. of_sums: the variance of sums of coefficients, which do
    not err independently of each other, `[sums, tags]`.
    """

    coefficients: Values
    variance: Values
    of_sums: Values


def exactly(coefficients: Values, sums: Values) -> Fit:
    """Coefficients without an error."""
    return Fit(coefficients, np.zeros_like(coefficients), np.zeros_like(sums @ coefficients))


def fit(plays: Plays, values: ArrayLike, chosen: NDArray[np.bool_], sums: Values) -> Fit:
    """The ridge regression of what drawn masks are worth, and how far it may be off.

    plays, values: `[masks, n]`, `[masks, tags]`. chosen: as in `ridge`; errors are those of this
    choice. sums: the weight of each component in each sum, `[sums, n]`.

    The variance is that of drawing masks: each counts by its influence and by what the fit misses
    of it, divided by 1 − leverage, since without that mask the fit had missed more (HC3).
    """
    weight, x, y = _about_means(plays, values, first=len(plays) / MASKS)
    value, variance = np.zeros((2, *chosen.shape))
    of_sums = np.zeros((len(sums), chosen.shape[1]))
    for some, tags in _alike(chosen):
        weighted = (weight * x[:, some]).T / len(plays)
        inner = weighted @ x[:, some] + RIDGE / MASKS * np.eye(len(some))
        influence = np.linalg.solve(inner, weighted)
        found = influence @ y[:, tags]
        leverage = (x[:, some] * influence.T).sum(axis=1) + weight[:, 0] / weight.sum()
        missed = (y[:, tags] - x[:, some] @ found) / (1 - leverage)[:, None]
        value[np.ix_(some, tags)] = found
        variance[np.ix_(some, tags)] = influence**2 @ missed**2
        of_sums[:, tags] = (sums[:, some] @ influence) ** 2 @ missed**2
    return Fit(value, variance, of_sums)


def _alike(chosen: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each set of components that is chosen, which these are, and for which tags."""
    sets, of = np.unique(chosen, axis=1, return_inverse=True)
    for number, some in enumerate(sets.T):
        yield np.flatnonzero(some), np.flatnonzero(of.reshape(-1) == number)


def lime(plays: Plays, values: ArrayLike, alpha: float = RIDGE) -> Values:
    """The coefficients `[n, tags]` of a ridge regression of `values` `[masks, tags]` by `plays`.

    alpha: what the sum of the squared coefficients costs, beside all these masks.
    """
    return ridge(of_masks(plays, values), alpha / len(plays))


def lime_limit(values: ArrayLike) -> Values:
    """What LIME comes to with ever more masks, `[n, tags]`, of a table `[2**n, tags]`.

    The ridge is then nothing beside the masks.
    """
    n, table = validate(values)
    return lime(membership(n), table, alpha=0.0)
