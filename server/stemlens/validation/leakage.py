"""Stems as a poor separator would give them: every stem with a part of all the others in it.

What leaks into other stems is missing where it came from, so that the stems still add up to the
mix, as those of a separator nearly do. A stem that does not play gets its part too: a separator
gives a stem for each instrument that it knows, and where there is none, what it took for one.

Conventions: float `[stems, samples]`; a level of −12 dB means that the copy of a stem in each other
one is 12 dB below what is left of it in its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def leaking(stems: NDArray[np.float32], level_db: float) -> NDArray[np.float32]:
    """The stems with leaks; at 0 dB all are the same."""
    ratio = 10 ** (level_db / 20)
    part = ratio / (1 + (len(stems) - 1) * ratio)  # of each stem that is in each other one
    own, mix = 1 - len(stems) * part, stems.sum(axis=0, dtype=np.float64)
    return (own * stems + part * mix).astype(np.float32)


def distortion_ratio_db(true: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Signal-to-distortion ratio of a stem `[samples]`: its power over that of all that is wrong
    with it, in dB; infinite where nothing is."""
    wrong = float(np.sum(np.square(found.astype(np.float64) - true)))
    signal = float(np.sum(np.square(true.astype(np.float64))))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(signal) / wrong)) if wrong else np.inf
