"""Loudness piece by piece is the loudness of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens import audio
from stemlens.loudness import integrated


@pytest.mark.parametrize(
    ("rate", "seconds"), [(44_100, 25.37), (48_000, 11.0), (11_025, 10.03), (22_050, 0.2)]
)
def test_it_is_that_of_the_whole_sound(rate: int, seconds: float) -> None:
    noise = np.random.RandomState(1).standard_normal((round(rate * seconds), 2)) * 0.1
    noise[len(noise) // 3 : len(noise) // 2] *= 1e-2  # below the relative gate
    samples = noise.astype(np.float32)
    whole = audio.loudness(samples, rate)
    assert integrated(lambda part: samples[part], len(samples), rate) == pytest.approx(
        whole, abs=2e-3
    )


def test_silence_has_none() -> None:
    quiet = np.full((30_000, 2), 1e-6, dtype=np.float32)
    assert integrated(lambda part: 0 * quiet[part], len(quiet), 8_000) is None
    assert integrated(lambda part: quiet[part], len(quiet), 8_000) is None
