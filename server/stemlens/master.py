"""What the master bus did to the sum of the stems, and how it can play its part in the game.

The bus is not part of the sum: what a compressor does depends on everything that plays, so it
cannot be applied to one coalition at a time without becoming another game. Two treatments keep the
sum linear. `curve`: the gain of the mix over the sum, as it changes over time, plays on every stem,
as if the bus were keyed from the whole mix at every coalition. `rest`: what the mix has beyond the
stems plays as a stem of its own.

The curve is a line from knot to knot, one each 10 ms; its knots are those with which curve × sum
comes nearest to the mix, least squares over all samples, with a little stiffness that carries it
over passages in which the sum says nothing. In the basis of hat functions this is one tridiagonal
system. What the mix has beyond the sum is unrelated to it and so moves the curve little, where the
ratio of two levels would follow it.

Conventions: mono float32 `[samples]` at the tagger's rate, the mix aligned with the sum; gains are
linear; residuals are in dB relative to the mix, −200 to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemlens.audio import FLOOR_DB, Samples

Spectra = NDArray[np.complexfloating]

KNOT_S = 0.01
STIFFNESS = 0.01  # of the mean over knots of what the sum says
DEEPEST, HIGHEST = 10 ** (-60 / 20), 10 ** (24 / 20)  # of the curve around the overall gain

NULLS_DB, BUS_DB = -60.0, -20.0
EXPLAINS_DB = 6.0
"""A curve or filter that takes as much off the residual is what the bus does. Measured on three
songs: to the curve any compressor or limiter loses 8 to 16 dB, anything else 4 at most; to a filter
an equaliser loses 15 to 47 dB, anything else 4 at most."""
UNRELATED_DB = -1.0
LEAST_GAIN = 0.01

FRAME_S = 0.064
AT_ONCE = 1000  # frames
_ROUNDS = 30
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Curve:
    """A gain over time, relative to the overall gain: `knots` linear, each `step_s`, the first one
    at `start_s`; before the first and after the last it stays as it is there."""

    knots: NDArray[np.float64]
    step_s: float
    start_s: float = 0.0

    def apply(
        self, samples: Samples, rate: float, on_block: Callable[[], None] = lambda: None
    ) -> None:
        """Multiplies `[frames]` or `[frames, channels]`, in place.

        `on_block` is called before each block; what it raises ends the work.
        """
        for first in range(0, len(samples), _BLOCK):
            on_block()
            part = samples[first : first + _BLOCK]
            seconds = np.arange(first, first + len(part)) / rate - self.start_s
            gain = np.interp(seconds / self.step_s, np.arange(len(self.knots)), self.knots)
            part *= gain.astype(np.float32).reshape(-1, *[1] * (part.ndim - 1))


@dataclass(frozen=True, eq=False)
class Treatment:
    """What is done about the master bus, and why.

    kind: off, curve or rest. reason: asked (by the option), nulls (nothing to do), level, filter,
    more (than the stems), little (but not nothing), unrelated.
    before_db: the residual in what the tagger hears, at the best gain; after_db: what the treatment
    leaves of it.
    gain: how much louder the mix is, with its polarity, for the rest. curve: for the kind curve.
    """

    kind: str
    reason: str
    before_db: float
    after_db: float
    gain: float = 1.0
    curve: Curve | None = None


def treat(wanted: str, mix: Samples, total: Samples, rate: float) -> Treatment:
    """How to treat the bus that made `mix` of `total`; `wanted` is off, curve, rest or auto.

    Where the two null, or have nothing to do with each other, it is `off` whatever was wanted.
    """
    if not mix.any() or not total.any():
        nothing_db = 0.0 if mix.any() or total.any() else FLOOR_DB
        reason = "unrelated" if nothing_db > FLOOR_DB else "nulls"
        return Treatment("off", reason, nothing_db, nothing_db)
    best = _best_gain(mix, total)
    before_db = left_db(mix, best * total)
    off = Treatment("off", "asked", before_db, before_db)
    if before_db <= NULLS_DB:
        return replace(off, reason="nulls")
    gain = fitted_gain(mix, total, rate)
    if abs(best) < LEAST_GAIN or abs(gain) < LEAST_GAIN:
        return replace(off, reason="unrelated")
    rest = Treatment("rest", "asked", before_db, FLOOR_DB, gain)
    if wanted in ("off", "rest"):
        return off if wanted == "off" else rest
    curve = gain_curve(mix, total, rate, best)
    played = total.copy()
    curve.apply(played, rate)
    curved = Treatment("curve", "asked", before_db, left_db(mix, best * played), best, curve)
    if wanted == "curve":
        return curved
    if before_db > UNRELATED_DB:
        return replace(off, reason="unrelated")
    if curved.after_db <= before_db - EXPLAINS_DB:
        return replace(curved, reason="level")
    if before_db <= BUS_DB:
        return replace(off, reason="little")
    if filtered_db(mix, total, rate) <= before_db - EXPLAINS_DB:
        return replace(off, reason="filter")
    return replace(rest, reason="more")


def left_db(mix: Samples, explained: Samples) -> float:
    """What `explained` leaves of the mix."""
    whole, left = _inner(mix, mix), _inner(mix - explained, mix - explained)
    if not left or not whole:
        return 0.0 if left else FLOOR_DB
    return min(max(10 * math.log10(left / whole), FLOOR_DB), 0.0)


def gain_curve(mix: Samples, total: Samples, rate: float, gain: float) -> Curve:
    """The curve that brings `gain` · `total` nearest to `mix`."""
    from scipy.linalg import solveh_banded  # which takes a third of a second to load

    step = round(rate * KNOT_S)
    knots = len(total) // step + 2
    ramp = np.arange(step, dtype=np.float32) / np.float32(step)
    hats = np.stack([(1 - ramp) ** 2, ramp**2, (1 - ramp) * ramp], axis=1)
    sides = np.stack([1 - ramp, ramp], axis=1)
    of_sum, of_mix = (_cut(samples, step, knots - 1) for samples in (total, mix))
    power = ((of_sum * of_sum) @ hats).astype(np.float64)
    product = ((of_mix * of_sum) @ sides).astype(np.float64) / gain
    # upper row: the coupling of each knot with the one before; lower row: the diagonal
    matrix, right = np.zeros((2, knots)), np.zeros(knots)
    matrix[1, :-1] += power[:, 0]
    matrix[1, 1:] += power[:, 1]
    matrix[0, 1:] = power[:, 2]
    right[:-1] += product[:, 0]
    right[1:] += product[:, 1]
    stiff = STIFFNESS * matrix[1].mean()
    matrix[1, :-1] += stiff
    matrix[1, 1:] += stiff
    matrix[0, 1:] -= stiff
    found = np.clip(solveh_banded(matrix, right), DEEPEST, HIGHEST)
    return Curve(found, step / rate)


def fitted_gain(mix: Samples, total: Samples, rate: float) -> float:
    """How much louder the mix is than the sum where it has nothing else, with its polarity.

    The sum over short frames and octaves of the magnitude (not the energy) of what is left is
    least: where another stem plays has little say then, as outliers have in a median.
    """
    octaves = _octaves(rate)
    tiles = []
    for of_mix, of_sum in _spectra(mix, total, rate):
        powers = (np.abs(of_mix) ** 2, np.abs(of_sum) ** 2, (of_mix * of_sum.conj()).real)
        tiles.append([(power @ octaves).ravel() for power in powers])
    mix_power, sum_power, product = np.concatenate(tiles, axis=1).astype(np.float64)
    gain = _best_gain(mix, total)
    floor = 1e-12 * mix_power.mean() + np.finfo(np.float64).tiny
    for _ in range(_ROUNDS):  # iteratively reweighted least squares
        left = mix_power - 2 * gain * product + gain**2 * sum_power
        weight = 1 / np.sqrt(np.maximum(left, floor))
        heard = float(weight @ sum_power)
        gain = float(weight @ product) / heard if heard else 0.0
    return gain


def filtered_db(mix: Samples, total: Samples, rate: float) -> float:
    """What is left of the mix when the best filter that stays the same plays on the sum.

    By the coherence of the two in each bin (an equaliser, a phase rotation by a high-pass).
    """
    mix_power = sum_power = both = np.float64(0)
    for of_mix, of_sum in _spectra(mix, total, rate):
        mix_power = mix_power + (np.abs(of_mix) ** 2).sum(axis=0, dtype=np.float64)
        sum_power = sum_power + (np.abs(of_sum) ** 2).sum(axis=0, dtype=np.float64)
        both = both + (of_mix * of_sum.conj()).sum(axis=0, dtype=np.complex128)
    whole = np.sum(mix_power)
    explained = np.sum(np.abs(both) ** 2 / np.where(sum_power > 0, sum_power, 1))
    if whole == 0:
        return FLOOR_DB
    left = max(float(1 - explained / whole), 10 ** (FLOOR_DB / 10))
    return min(10 * math.log10(left), 0.0)


def _spectra(mix: Samples, total: Samples, rate: float) -> Iterator[tuple[Spectra, Spectra]]:
    """Spectra `[frames, bins]` of the two, some frames at a time."""
    size = 1 << round(math.log2(rate * FRAME_S))
    window = np.hanning(size).astype(np.float32)
    frames = -(-len(total) // size)
    for first in range(0, frames, AT_ONCE):
        block = slice(first * size, (first + AT_ONCE) * size)
        count = min(AT_ONCE, frames - first)
        of_mix, of_sum = (np.fft.rfft(_cut(x[block], size, count) * window) for x in (mix, total))
        yield of_mix, of_sum


def _octaves(rate: float) -> NDArray[np.float32]:
    """Which bin of `_spectra` is in which octave, `[bins, octaves]`."""
    size = 1 << round(math.log2(rate * FRAME_S))
    octave = np.floor(np.log2(np.maximum(np.arange(size // 2 + 1), 1))).astype(int)
    return np.eye(octave[-1] + 1, dtype=np.float32)[octave]


def _best_gain(mix: Samples, total: Samples) -> float:
    """The least-squares gain, 0 for a silent sum."""
    power = _inner(total, total)
    return _inner(mix, total) / power if power else 0.0


def _inner(a: Samples, b: Samples) -> float:
    return float(np.einsum("s,s->", a, b, dtype=np.float64))


def _cut(samples: Samples, size: int, count: int) -> Samples:
    """`[count, size]`, with zeros at the end."""
    return np.pad(samples[: count * size], (0, max(0, count * size - len(samples)))).reshape(
        count, size
    )
