"""Integrated loudness (ITU-R BS.1770-4) of sounds that are read piece by piece.

The figure is that of `audio.loudness`: the same filters (pyloudnorm's), blocks and gates; but of
the sound nothing is in memory than one piece. Samples are `[frames, channels]`, one channel or two.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stemlens.audio import Samples

HOP_S, HOPS = 0.1, 4  # of gating blocks: they are 0.4 s long and overlap by three quarters
GATE_LUFS, BELOW_LU = -70.0, -10.0
OFFSET_LU = -0.691
PIECE = 100  # hops


def integrated(read: Callable[[slice], Samples], frames: int, rate: int) -> float | None:
    """The loudness in LUFS of `frames` frames, of which `read` gives those of a slice; None for
    silence, and where nothing is louder than the gate at −70 LUFS."""
    power = _power(_hops(read, frames, rate), rate)
    heard = power[_lufs(power) >= GATE_LUFS]
    if not len(heard):
        return None
    gate = _lufs(heard.mean()) + BELOW_LU
    return float(_lufs(heard[_lufs(heard) > gate].mean()))


def _hops(read: Callable[[slice], Samples], frames: int, rate: int) -> NDArray[np.float64]:
    """Σ x² over the channels of the weighted sound, in each hop."""
    from pyloudnorm import IIRfilter  # with all of scipy's statistics behind it
    from scipy.signal import sosfilt

    stages = (
        IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf"),
        IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"),
    )
    sections = np.array([[*stage.b, *stage.a] for stage in stages])
    count = max(round((frames / rate - HOPS * HOP_S) / HOP_S) + 1, 1) + HOPS - 1
    edges = (np.arange(count + 1) * HOP_S * rate).astype(int)
    energy = np.zeros(count)
    state = None
    for first in range(0, count, PIECE):
        own = edges[first : first + PIECE + 1]
        piece = read(slice(own[0], min(own[-1], frames))).astype(np.float64)
        if not len(piece):
            break
        if state is None:
            state = np.zeros((len(sections), 2, piece.shape[1]))
        weighted, state = sosfilt(sections, piece, axis=0, zi=state)
        squares = np.square(weighted).sum(axis=1)
        starts = own[:-1][own[:-1] < frames] - own[0]
        energy[first : first + len(starts)] = np.add.reduceat(squares, starts)
    return energy


def _power(energy: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """The mean power in each gating block, by the energy in each hop."""
    power: NDArray[np.float64] = np.convolve(energy, np.ones(HOPS), "valid") / (HOPS * HOP_S * rate)
    return power


def _lufs(power: NDArray[np.float64] | np.floating) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(OFFSET_LU + 10 * np.log10(power))
