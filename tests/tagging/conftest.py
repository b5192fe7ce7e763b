"""What several tests of the taggers need: taggers with the real weights, stems made by code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from stemlens import tagging


@pytest.fixture(scope="session")
def tagger() -> Callable[[str], tagging.Tagger]:
    """Taggers by name, on the CPU, each loaded once; the first use may fetch the weights."""
    return cache(lambda name: tagging.load(name, "cpu"))


@pytest.fixture(scope="session")
def stems() -> NDArray[np.float32]:
    """Three stems of 7 s at 16 kHz: a chord that decays, a noisy beat, a gliding tone."""
    time = np.arange(7 * 16_000) / 16_000
    chord = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.18, 329.63, 440.0))
    chord = 0.1 * chord * np.exp(-2 * (time % 1.75))
    # RandomState, because its numbers are the same in every version of numpy
    beat = 0.3 * np.random.RandomState(1).standard_normal(time.size) * np.exp(-30 * (time % 0.5))
    glide = 0.2 * np.sin(2 * np.pi * (110 * time + 60 * time**2)) * (time > 2)
    return np.stack([chord, beat, glide]).astype(np.float32)
