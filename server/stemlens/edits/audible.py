"""How much of an edit one hears in the mix: its loudness, and how far its spectrum moves.

The spectrum is compared in third-octave bands (IEC 61260) of mean power over the whole session: the
mean of the absolute differences in dB over the bands that are within 40 dB of the loudest. The
words for it are ours; about 1 dB on a whole mix is what one just notices.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens import audio

HEARD_DB = 40.0  # below the loudest band
FLOOR = 1e-20
LOWEST_HZ = 40.0
WORDS = ((0.15, "inaudible"), (0.6, "subtle"), (1.5, "audible"), (3.0, "plain"))
BEYOND = "drastic"


@dataclass(frozen=True, slots=True)
class Audible:
    """What an edit does to the sound of a mix: louder by so many LU, its spectrum moved by so many
    dB, and that in a word."""

    loudness_db: float
    spectrum_db: float

    @property
    def word(self) -> str:
        most = max(abs(self.loudness_db), self.spectrum_db)
        return next((word for limit, word in WORDS if most < limit), BEYOND)


def bands(waveform: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Mean power in third-octave bands from 40 Hz up to the Nyquist frequency, `[bands]`."""
    from scipy.signal import welch

    size = min(4096, len(waveform))
    frequencies, power = welch(waveform, rate, nperseg=size, noverlap=0)
    count = int(math.log2(rate / 2 / LOWEST_HZ) * 3)
    edges = LOWEST_HZ * 2 ** (np.arange(count + 1) / 3)
    places = np.searchsorted(frequencies, edges)
    return np.array([power[a : max(a + 1, b)].sum() for a, b in itertools.pairwise(places)])


@dataclass(frozen=True, eq=False)
class Sound:
    """What is compared of a mix: its loudness in LUFS (None: silent), and its power in bands."""

    lufs: float | None
    bands: NDArray[np.float64]


def sound(mix: NDArray[np.float32], rate: int) -> Sound:
    """The sound of a mix `[samples]`."""
    return Sound(audio.loudness(mix[:, None], rate), bands(mix, rate))


def audible(before: Sound, after: Sound) -> Audible:
    """What lies between two mixes."""
    known = before.lufs is not None and after.lufs is not None
    louder = (after.lufs or 0.0) - (before.lufs or 0.0) if known else 0.0
    one, other = before.bands, after.bands
    loudest = max(one.max(initial=0), other.max(initial=0))
    heard = np.maximum(one, other) > loudest * 10 ** (-HEARD_DB / 10)
    moved = 10 * np.log10((other[heard] + FLOOR) / (one[heard] + FLOOR))
    return Audible(louder, float(np.abs(moved).mean()) if heard.any() else 0.0)
