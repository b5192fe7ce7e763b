"""audioLIME written plainly, as it was published: waveforms in, coefficients out.

Nothing of Stemlens is used but the tagger, and that as anyone would: it hears whole mixtures.
Components are the stems cut into parts of whole segments; what is absent is zeros; masks are coin
tosses, the first is everybody, repetitions stay; a mask weighs sqrt(exp(−d² / 0.25²)) by its cosine
distance d to everybody; a ridge regression with alpha 1 and an intercept that costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemlens.tagging import Tagger

Array = NDArray[np.float64]


def waveforms(stems: NDArray[np.float32], edges: Sequence[int]) -> NDArray[np.float32]:
    """The components `[components, samples]`, part by part; those that are silent are left out.

    edges: the samples at which parts begin, and the last one ends.
    """
    cut = []
    for first, last in pairwise(edges):
        for stem in stems:
            component = np.zeros_like(stem)
            component[first:last] = stem[first:last]
            cut.append(component)
    return np.array([component for component in cut if component.any()])


def heard(tagger: Tagger, waveform: NDArray[np.float32]) -> Array:
    """The scores `[tags]` of a waveform, the mean of its segments."""
    opened = tagger.open(waveform[None])
    one = np.ones((1, 1))
    scores = [tagger.score(opened.segment(t, [0]).mix(one))[0] for t in range(opened.segments)]
    return np.mean(np.array(scores, dtype=np.float64), axis=0)


class AudioLime:
    """The components of a session, to be explained as often as wanted; mixtures are heard once."""

    def __init__(self, stems: NDArray[np.float32], tagger: Tagger, edges: Sequence[int]) -> None:
        self.components = waveforms(stems, edges)

        @cache
        def hear(mask: tuple[bool, ...]) -> Array:
            mixture = np.zeros(stems.shape[1], dtype=np.float32)
            for component, plays in zip(self.components, mask, strict=True):
                if plays:
                    mixture += component
            return heard(tagger, mixture)

        self.hear = hear

    def explain(self, seed: int, masks: int = 1000, features: int | None = None) -> Array:
        """The coefficients `[components, tags]`."""
        random = np.random.RandomState(seed)
        data = random.randint(0, 2, size=(masks, len(self.components)))
        data[0] = 1
        labels = np.array([self.hear(tuple(map(bool, row))) for row in data])
        weights = np.array([kernel(row) for row in data])
        found = np.zeros((data.shape[1], labels.shape[1]))
        for tag in range(labels.shape[1]):
            used = select(data, labels[:, tag], weights, features)
            found[used, tag] = ridge(data[:, used], labels[:, tag], weights, 1.0)
        return found


def kernel(row: NDArray[np.int_]) -> float:
    """What a mask weighs."""
    norm = np.sqrt((row**2).sum()) * np.sqrt(len(row))
    distance = 1 - row.sum() / norm if norm else 1.0
    return float(np.sqrt(np.exp(-(distance**2) / 0.25**2)))


def ridge(data: Array, labels: Array, weights: Array, alpha: float) -> Array:
    """The coefficients of one tag, as one least squares of stacked rows."""
    n = data.shape[1]
    root = np.sqrt(weights)
    design = np.column_stack([data, np.ones(len(data))]) * root[:, None]
    penalty = np.sqrt(alpha) * np.eye(n + 1)[:n]
    stacked = np.concatenate([design, penalty])
    return np.linalg.lstsq(stacked, np.append(labels * root, np.zeros(n)), rcond=None)[0][:n]


def fits(data: Array, labels: Array, weights: Array) -> float:
    """R² of a weighted fit without a ridge."""
    root = np.sqrt(weights)[:, None]
    design = np.column_stack([data, np.ones(len(data))])
    found = np.linalg.lstsq(design * root, labels * root[:, 0], rcond=None)[0]
    missed = (weights * (labels - design @ found) ** 2).sum()
    return float(1 - missed / (weights * (labels - np.average(labels, weights=weights)) ** 2).sum())


def select(data: Array, labels: Array, weights: Array, features: int | None) -> list[int]:
    """The components that may have a coefficient, by LIME's method `auto`."""
    n = data.shape[1]
    if features is None:
        return list(range(n))
    if features <= 6:
        used: list[int] = []
        for _ in range(min(features, n)):
            others = [one for one in range(n) if one not in used]
            r2 = [fits(data[:, [*used, one]], labels, weights) for one in others]
            used.append(others[int(np.argmax(r2))])
        return used
    size = abs(ridge(data, labels, weights, 0.01))
    return sorted(range(n), key=lambda one: -size[one])[:features]
