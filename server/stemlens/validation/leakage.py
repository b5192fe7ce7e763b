"""Stems that leak: each may have a part of others in it, as a poor separator gives them.

What leaks into other stems is missing where it came from, so that the stems still add up to the
mix, as those of a separator nearly do. A stem that does not play gets its part too: a separator
gives a stem for each instrument that it knows, and where there is none, what it took for one.

Conventions: float32 `[stems, …]`, samples or frames × channels; parts are factors of amplitude,
float64 `[into, from]`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Stems = NDArray[np.float32]
Parts = NDArray[np.float64]


def leaking(stems: Stems, parts: Parts) -> Stems:
    """The stems when these parts of each are in other ones and not in itself."""
    others = np.where(np.eye(len(stems), dtype=bool), 0.0, parts)
    kept = np.diag(1 - others.sum(axis=0))
    return np.tensordot(kept + others, stems, axes=1).astype(np.float32)


def into_all(count: int, level_db: float) -> Parts:
    """Each of so many stems into every other one: its copies are at `level_db` beside what is left
    of it in its own; at 0 dB all stems are the same."""
    ratio = 10 ** (level_db / 20)
    return np.full((count, count), ratio / (1 + (count - 1) * ratio))


def into_next(count: int, level_db: float) -> Parts:
    """Each of so many stems into the one that follows, and the last into the first, at `level_db`
    beside what it was."""
    return np.roll(np.eye(count), 1, axis=0) * 10 ** (level_db / 20)


def distortion_ratio_db(true: Stems, found: Stems) -> float:
    """Signal-to-distortion ratio of a stem `[samples]`: its power over that of all that is wrong
    with it, in dB; infinite where nothing is."""
    wrong = float(np.sum(np.square(found.astype(np.float64) - true)))
    signal = float(np.sum(np.square(true.astype(np.float64))))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(signal) / wrong)) if wrong else np.inf
