"""Sounds made of code, and sessions of them on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000
NAMES = ("kick", "chord", "noise", "lead")


def sounds(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Four stems `[4, samples]`: a kick, a chord, noise that comes and goes, a gliding lead."""
    time = np.arange(round(seconds * rate)) / rate
    kick = 0.5 * np.sin(2 * np.pi * 60 * time) * np.exp(-15 * (time % 0.5))
    chord = 0.1 * sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.2, 329.6))
    # RandomState, because its numbers are the same in every version of numpy
    noise = 0.1 * np.random.RandomState(0).standard_normal(time.size) * (time % 2 < 1)
    lead = 0.2 * np.sign(np.sin(2 * np.pi * (300 * time + 20 * time**2)))
    return np.stack([kick, chord, noise, lead]).astype(np.float32)


def stem_folder(folder: Path, seconds: float = 3.2, stems: int = 2) -> Path:
    """A folder of stems as 16-bit WAV files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in zip(NAMES[:stems], sounds(seconds), strict=False):
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return folder
