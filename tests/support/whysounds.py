"""Sounds that explain a tag, as a server would have written them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from stemlens_bridge.protocol import SOUNDS, SPANS, Explanation
from stemlens_bridge.trials import Explained

RATE = 48_000


def explained(folder: Path, tag: str = "rock", seconds: float = 3.0) -> Explained:
    """Six sounds of noise: the passage from 1 to 2 s of a song, and the whole of it."""
    noise = np.random.default_rng(5)
    sounds = []
    for span in SPANS:
        start_s, end_s = (1.0, 2.0) if span == "passage" else (0.0, seconds)
        for kind in SOUNDS:
            path = folder / f"{span}-{kind}.wav"
            shape = (round((end_s - start_s) * RATE), 2)
            samples = 0.1 * noise.standard_normal(shape).astype(np.float32)
            soundfile.write(path, samples, RATE, subtype="FLOAT")
            told = f"{kind}: <b>{tag}</b> & 25 points."
            where = (start_s, end_s, 0.25, str(path), told)
            sounds.append(Explanation("j", "r", 0, tag, kind, span, *where))
    return Explained("j", "r", "/x.json", tuple(sounds))
