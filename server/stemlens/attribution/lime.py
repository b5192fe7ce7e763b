"""LIME as audioLIME asks it: a ridge regression of the score by which stems play.

Here to be compared with. Masks are coin tosses, everybody first, repetitions kept; a mask weighs
the more the nearer it is to everybody by the cosine of the angle between them. With stems as
features half of them playing still weighs 0.5, so the fit is close to that of all masks alike: a
shrunken Banzhaf value rather than a Shapley value, and however many masks are drawn, it does not
become one.

Source: V. Haunschmid, E. Manilow and G. Widmer, "audioLIME: Listenable Explanations Using Source
Separation", 2020, and its program, version 0.0.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.sampling import Plays
from stemlens.attribution.table import membership, validate

MASKS = 1000
KERNEL_WIDTH = 0.25


def lime_masks(n: int, random: np.random.Generator, count: int = MASKS) -> Plays:
    """Masks as audioLIME draws them: `[count, n]`."""
    plays = random.random((count, n)) < 0.5
    plays[0] = True
    return plays


def lime(plays: Plays, values: ArrayLike, alpha: float = 1.0) -> NDArray[np.float64]:
    """The coefficients `[n, tags]` of a ridge regression of `values` `[masks, tags]` by `plays`.

    alpha: what the sum of the squared coefficients costs.
    """
    cosine = np.sqrt(plays.mean(axis=1))  # of the angle to everybody; nobody is at a right angle
    weight = np.exp(-((1 - cosine) ** 2) / KERNEL_WIDTH**2 / 2)[:, None]
    x, y = plays.astype(np.float64), np.asarray(values, dtype=np.float64)
    x = x - (weight * x).sum(axis=0) / weight.sum()
    y = y - (weight * y).sum(axis=0) / weight.sum()
    return np.linalg.solve(x.T @ (weight * x) + alpha * np.eye(x.shape[1]), x.T @ (weight * y))


def lime_limit(values: ArrayLike) -> NDArray[np.float64]:
    """What LIME comes to with ever more masks, `[n, tags]`, of a table `[2**n, tags]`.

    The ridge is then nothing beside the masks.
    """
    n, table = validate(values)
    return lime(membership(n), table, alpha=0.0)
