"""How far a separated stem may be trusted, told from the mix and the stems alone.

Nobody has the true stems of a lone mix, but what a separator gets wrong leaves traces. Each is
measured as an energy, in dB relative to the stem that it harms:

- null: what the mix has and the stems together do not, in the regions in which the stem dominates;
- leak: another stem's sound, as a coherent copy, in this one;
- lost: the reverse, this stem's sound in the others;
- islands: cells that stand alone, with nothing near in time or frequency ("musical noise");
- floor: a steady residue in passages in which the stem should be silent.

The energies add up to the stem's distortion, and trust is 1 / (1 + distortion / 0.1): 0.5 means
that about a tenth of what the stem plays, −10 dB, is not its own; −20 dB gives 0.91.

All is measured on the mono sum, as taggers hear it, up to 11 kHz, in frames of about 93 ms. Power
is weighted by frequency, so that every octave of pink noise counts the same. A *region* is a third
of an octave by four frames. Conventions: `[frames, bins]` spectra, float64 sums, dB relative to the
stem, −200 to 0 or more. Real stems are never assessed: their trust is 1, and scipy, which takes a
second to load, is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.audio import FLOOR_DB, Samples, resample, to_mono

Spectra = NDArray[np.complex64]
Floats = NDArray[np.float64]

RATE = 22_050  # Hz; sounds of lower rates are left as they are
FRAME_S = 0.093
REGION_FRAMES = 4
LEAK_FRAMES = 64  # one sample of a leak's gain: about as long as a held note
BLOCK_FRAMES = 512
LOWEST_HZ = 40.0
SURE = 2.0  # standard errors that independent music may reach
HALF = 0.1  # distortion, relative to the stem, at which trust is 0.5
LOW_TRUST = 0.5
OTHERS = 0.05  # of the others' lack of trust: see `doubts`
PART, LEAST = 2.1, 0.072  # of a share, and in scores: see `widened`
AUDIBLE_DB = -26.0  # traces below this are not worth a reason

NEAR = (2, 3)  # frames and bins away: nearer than that the window itself spreads a cell
ISLAND = 0.05  # of a cell's power: no more than this around it, and it stands alone

SILENT_DB = (-80.0, -20.0)  # below the stem's loud passages: where a residue is looked for
SILENT_PART = 0.05  # of the passages, at least: less is chance
MUSIC_DB = 10.0  # near the upper end it may be music played softly, and counts less
STEADY_DB = 6.0  # a residue moves less than this within half a second; a tail falls
UNMASKED_DB = 10.0  # a residue in silence weighs as much more, because nothing covers it
ALIKE_DB = 1.0  # a leak that near to what is lost is what is told
TINY = 1e-12
SILENT = "it is silent, so there is nothing to mistrust"


@dataclass(frozen=True, slots=True)
class Measures:
    """The traces that a separator left in one stem, in dB relative to the stem (−200: none).

    leak_from, lost_to: the stem that has most to do with it.
    """

    null_db: float = FLOOR_DB
    leak_db: float = FLOOR_DB
    leak_from: str | None = None
    lost_db: float = FLOOR_DB
    lost_to: str | None = None
    islands_db: float = FLOOR_DB
    floor_db: float = FLOOR_DB

    @property
    def distortion(self) -> float:
        """The energy of all traces relative to the stem's."""
        unmasked_db = self.floor_db + UNMASKED_DB
        traces = (self.null_db, self.leak_db, self.lost_db, self.islands_db, unmasked_db)
        return sum(_power(db) for db in traces)


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a stem may be believed: `value` 0 to 1, and `reason`, a sentence for a musician."""

    stem: str
    value: float
    reason: str
    measures: Measures = Measures()

    def warning(self, name: str) -> str:
        """What to know before believing this stem, called `name`; for a trust below `LOW_TRUST`."""
        return (
            f"The separated stem {name} can be trusted only to {100 * self.value:.0f} %: "
            f"{self.reason}. Its shares may be further off than usual; the intervals say how far."
        )


def assess(
    mix: Samples,
    stems: Mapping[str, Samples],
    rate: float,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[Trust, ...]:
    """Trust of each stem, in their order, from the mix and what was made of it.

    mix and each stem: `[frames]` or `[frames, channels]`, aligned and of one length, at `rate` Hz.
    Raises ValueError where they are not. `on_progress` is told the fraction that is done; what it
    raises ends the work.
    """
    if any(len(stem) != len(mix) for stem in stems.values()):
        raise ValueError("the mix and its stems differ in length")
    names = list(stems)
    if not names or not len(mix):
        return tuple(Trust(name, 1.0, SILENT) for name in names)
    sounds = [_heard(samples, rate) for samples in (mix, *stems.values())]
    heard_rate = min(rate, RATE)
    sums = _Sums(len(names), heard_rate)
    for done, spectra in _blocks(sounds, sums.size):
        on_progress(done)
        sums.add(spectra)
    power = sums.power()
    floors = [floor(sound, heard_rate) for sound in sounds[1:]]
    leak = leakage(sums)
    found = []
    for i, name in enumerate(names):
        if power[i] <= TINY * max(power.max(), TINY):
            found.append(Trust(name, 1.0, SILENT))
            continue
        into = leak[i] / power[i]
        out_of = leak[:, i] / power[i]
        measures = Measures(
            null_db=_db(sums.null[i] / power[i]),
            leak_db=_db(into.sum()),
            leak_from=names[int(into.argmax())] if into.any() else None,
            lost_db=_db(out_of.sum()),
            lost_to=names[int(out_of.argmax())] if out_of.any() else None,
            islands_db=_db(sums.islands[i] / power[i]),
            floor_db=floors[i],
        )
        value = 1 / (1 + measures.distortion / HALF)
        found.append(Trust(name, float(value), reason(measures), measures))
    return tuple(found)


def overall_null_db(mix: Samples, stems: Sequence[Samples]) -> float:
    """What Σ stems leaves of the mix, in dB relative to the mix, all channels, at full rate."""
    rest = mix - sum(stems, np.zeros_like(mix))
    energy = float(np.vdot(mix, mix))
    return _db(float(np.vdot(rest, rest)) / energy) if energy else FLOOR_DB


def reason(m: Measures) -> str:
    """What harms a stem most, as a sentence's part for a musician."""
    # What counts, and what is said. Where two stems have the same, the quieter one is told a leak.
    told = [
        (m.leak_db + ALIKE_DB, m.leak_db, f"{m.leak_from} leaks into it"),
        (m.lost_db, m.lost_db, f"part of it is in {m.lost_to}"),
        (m.null_db, m.null_db, "the mix has something there that no stem has"),
        (m.islands_db, m.islands_db, "it twitters (specks of sound that stand alone)"),
        (m.floor_db + UNMASKED_DB, m.floor_db, "it is not silent where it should be"),
    ]
    weight, db, said = max(told)
    if weight < AUDIBLE_DB:
        return "nothing was found that a separator would have got wrong"
    return f"{said}, about {max(-db, 0.0):.0f} dB below"


class _Sums:
    """What is added up over the blocks of a session: energies of stems, traces, cross spectra.

    null, islands: energies `[stems]`.
    """

    def __init__(self, stems: int, rate: float) -> None:
        from scipy import fft

        self.size = fft.next_fast_len(max(16, round(FRAME_S * rate / 16) * 16), real=True)
        hz = fft.rfftfreq(self.size, 1 / rate)
        self.weight = np.maximum(hz, LOWEST_HZ) / 1000.0
        edges = LOWEST_HZ * 2 ** (np.arange(40) / 3)
        edges = edges[edges < hz[-1]]
        self.first = np.unique(np.searchsorted(hz, edges))
        self.octave = np.arange(len(self.first)) // 3
        self.stems = stems
        self.null, self.islands = np.zeros((2, stems))
        self._power: list[Floats] = []
        self._over: dict[tuple[int, int], list[Floats]] = {
            (i, j): [] for i in range(stems) for j in range(stems) if i != j
        }

    def power(self) -> Floats:
        """The energy of each stem `[stems]`."""
        return np.sum([block.sum(axis=(1, 2)) for block in self._power], axis=0)

    def bands(self) -> Floats:
        """The energy of each stem in each third of an octave `[stems, bands]`."""
        return np.sum([block.sum(axis=1) for block in self._power], axis=0)

    def samples(self, i: int, j: int) -> Floats:
        """Of the gain of j in i: numerators and denominators `[2, LEAK_FRAMES each, bands]`."""
        return np.concatenate(self._over[i, j], axis=1)

    def add(self, spectra: Spectra) -> None:
        """Adds a block `[1 + stems, frames, bins]`, the mix first."""
        mix, stems = spectra[0], spectra[1:]
        powers = (np.abs(stems) ** 2 * self.weight).astype(np.float32)
        region = np.stack([self._regions(power) for power in powers])
        self._power.append(region)
        rest = mix - stems.sum(axis=0)
        missing = self._regions((np.abs(rest) ** 2 * self.weight).astype(np.float32))
        self.null += (missing * region / (region.sum(axis=0) + TINY)).sum(axis=(1, 2))
        for i in range(self.stems):
            for j in range(i):
                cross = self._regions((stems[i] * stems[j].conj()).real * self.weight)
                self._leak(i, j, cross, region)
                self._leak(j, i, cross, region)
        for i in range(self.stems):
            self.islands[i] += islands(powers[i])

    def _regions(self, cells: NDArray[np.floating]) -> Floats:
        """Sums `[frames / REGION_FRAMES, bands]` of cells `[frames, bins]`."""
        bands = np.add.reduceat(cells, self.first, axis=1)
        frames = np.arange(0, len(bands), REGION_FRAMES)
        return np.add.reduceat(bands, frames, axis=0).astype(np.float64)

    def _leak(self, i: int, j: int, cross: Floats, region: Floats) -> None:
        # Where j dominates, its gain in i can be told from i's own sound, and from i's in j.
        weight = (region[j] / (region[i] + region[j] + TINY)) ** 2
        each = np.arange(0, len(cross), LEAK_FRAMES // REGION_FRAMES)
        over = np.stack([weight * cross, weight * region[j]])
        self._over[i, j].append(np.add.reduceat(over, each, axis=1))


def leakage(sums: _Sums) -> Floats:
    """The energy `[into, of]` that stems have of each other as coherent copies.

    A leak has a positive gain of its own in each octave; independent music has a phase that differs
    from note to note, so that its cross spectrum averages out. The gain is what weighted least
    squares say, less two standard errors, as its samples (thirds of an octave × 1.5 s) differ.
    """
    n = sums.stems
    energy = np.zeros((n, n))
    bands = sums.bands()
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            over, under = sums.samples(i, j)
            for octave in range(int(sums.octave[-1]) + 1):
                own = sums.octave == octave
                gain = _sure_gain(over[:, own], under[:, own])
                energy[i, j] += gain**2 * bands[j, own].sum()
    return energy


def _sure_gain(over: Floats, under: Floats) -> float:
    """The gain over/under that is left after two standard errors; at most 1."""
    total = under.sum()
    if total <= TINY:
        return 0.0
    gain = over.sum() / total
    error = np.sqrt(((over - gain * under) ** 2).sum()) / total
    return float(np.clip(gain - SURE * error, 0.0, 1.0))


def islands(stem: NDArray[np.floating]) -> float:
    """The energy in cells with next to nothing near them, earlier and later or above and below.

    A note goes on in time and a hit reaches across frequencies; what does neither is an artefact.
    stem: power `[frames, bins]`.
    """
    from scipy.ndimage import maximum_filter1d

    alone = np.ones(stem.shape, dtype=np.bool_)
    for axis, (reach, aside) in enumerate((NEAR, NEAR[::-1])):
        # a glide is a little higher or lower by then
        around = maximum_filter1d(stem, 2 * aside + 1, axis=1 - axis)
        near, here = np.moveaxis(around, axis, 0), np.moveaxis(alone, axis, 0)
        most = np.moveaxis(ISLAND * stem, axis, 0)
        for step in (reach, reach + 1):
            here[step:] &= near[:-step] <= most[step:]
            here[:-step] &= near[step:] <= most[:-step]
    return float(stem[alone].sum())


def floor(sound: Samples, rate: float) -> float:
    """The level of a steady residue in what should be silence, in dB below the loud passages.

    sound: mono `[frames]`. Looked for in passages of half a second that are at least 20 dB below
    what the stem has at its loudest, and count less near
    that level; a reverberation falls and is none. −200: there is none.
    """
    step = max(1, round(0.05 * rate))
    count = len(sound) // step
    if count < 10:
        return FLOOR_DB
    frames = np.square(sound[: count * step].astype(np.float64)).reshape(count, step).mean(axis=1)
    loud = np.quantile(frames, 0.95)
    if loud <= 0:
        return FLOOR_DB
    levels = 10 * np.log10(np.maximum(frames / loud, 1e-20))
    passages = np.lib.stride_tricks.sliding_window_view(levels, 10)[::5]
    highest, lowest = passages.max(axis=1), passages.min(axis=1)
    steady = (highest < SILENT_DB[1]) & (lowest > SILENT_DB[0]) & (highest - lowest < STEADY_DB)
    if steady.mean() < SILENT_PART:
        return FLOOR_DB
    power = (10 ** (passages[steady] / 10)).mean(axis=1)
    doubtful = np.clip((SILENT_DB[1] - highest[steady]) / MUSIC_DB, 0.0, 1.0)
    return _db(float((power * doubtful).mean()))


def _heard(samples: Samples, rate: float) -> Samples:
    mono = to_mono(np.asarray(samples, dtype=np.float32).reshape(len(samples), -1))
    return resample(mono, rate, RATE) if rate > RATE else mono


def _blocks(sounds: Sequence[Samples], size: int) -> Iterator[tuple[float, Spectra]]:
    """Spectra `[sounds, frames, bins]` of all sounds, block by block, after the fraction done."""
    from scipy import fft, signal

    hop = size // 4
    window = signal.get_window("hann", size).astype(np.float32)
    frames = 1 + -(-len(sounds[0]) // hop)
    padded = [np.pad(sound, (size // 2, size)) for sound in sounds]
    for start in range(0, frames, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, frames)
        spectra = []
        for sound in padded:
            part = sound[start * hop : (stop - 1) * hop + size]
            cut = np.lib.stride_tricks.sliding_window_view(part, size)[::hop]
            spectra.append(fft.rfft(cut * window, axis=1))
        yield start / frames, np.stack(spectra)


def _db(ratio: float) -> float:
    return max(float(10 * np.log10(ratio)), FLOOR_DB) if ratio > 0 else FLOOR_DB


def _power(db: float) -> float:
    return float(10 ** (db / 10))


def doubts(trust: Floats) -> Floats:
    """How far the shares of separated stems are in doubt, 0 to 1, from their trusts `[stems]`.

    A stem's share depends on what the others play as well, so that it is in doubt by its own lack
    of trust or by `OTHERS` of the largest there is, whichever is more.
    """
    lack = 1 - trust
    return np.maximum(lack, OTHERS * lack.max(initial=0.0))


def widened(low: Floats, high: Floats, value: Floats, doubt: Floats) -> tuple[Floats, Floats]:
    """An interval (low, high) around a share, in scores, as wide as its doubt (0 to 1) demands.

    It grows by `margin` on both sides; without doubt it comes back bit for bit.
    """
    more = margin(value, doubt)
    return low - more, high + more


def margin(value: Floats, doubt: Floats) -> Floats:
    """By how much a share, in scores, may be off because its stem was separated.

    √doubt · (`PART` · |value| + `LEAST`), which holds 95 % of the true shares after the damage most
    like a separator's (masks) and 99 % of all (`python -m benchmarks.trust`). The root, because
    shares follow the amplitude of what is wrong, and trust its energy.
    """
    more: Floats = np.sqrt(doubt) * (PART * np.abs(value) + LEAST)
    return more
