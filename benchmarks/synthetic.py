"""Sessions of many stems that anyone can make again: a song of eight sections, computed.

Stems come and go as in a real arrangement: each plays in some of the sections, a verse has a third
of them, a chorus nearly all, so that of 48 stems some 45 sound at once and in a break five. Every
stem is one instrument (a drum, a bass, a pad, a lead …) with a pattern and a colour of its own,
the same for the same number of stems. It is no music to listen to, but the taggers hear kicks,
pads and voices in it, and its stems mask each other as instruments do.

Files are mono, 16 bit, 44.1 kHz, named `005 pad.wav`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 44_100
BEAT_S = 60 / 128
SECTION_BEATS = 16  # 7.5 s: two and a half segments of the tagger
# The part of all stems that plays in each section: intro, verse, build, chorus, break, …
DENSITY = (0.1, 0.3, 0.5, 0.95, 0.1, 0.35, 1.0, 0.2)
SCALE = (0, 2, 3, 5, 7, 8, 10)  # natural minor
ROOTS = (0, 5, 3, 4)  # degrees of the scale, one a bar
LOUDEST = 0.25  # of full scale

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Instrument:
    """How a stem sounds and when it plays.

    octave: of its notes, counted from 55 Hz; step: beats from note to note; length: of a note in
    beats; chance: that a step is played. A note is partials of amplitude 1/k^slope up to 6 kHz,
    detuned by `spread` cents between two voices, with `vibrato` cents at 5.5 Hz and `fall` octaves
    of falling pitch, plus `noise` (its share of the sound, high-passed at `above` Hz), rising for
    `attack` seconds and falling off with the time constant `decay`.
    """

    name: str
    octave: int
    step: float
    length: float
    chance: float
    slope: float = 1.0
    spread: float = 0.0
    vibrato: float = 0.0
    fall: float = 0.0
    noise: float = 0.0
    above: float = 200.0
    attack: float = 0.003
    decay: float = 10.0


INSTRUMENTS = (
    Instrument("kick", 0, 1, 0.6, 0.97, slope=3, fall=2, noise=0.03, decay=0.12),
    Instrument("snare", 2, 2, 0.5, 0.9, slope=2, fall=0.5, noise=0.8, above=900, decay=0.09),
    Instrument("hat", 5, 0.5, 0.25, 0.85, noise=1, above=6000, decay=0.03),
    Instrument("bass", 0, 0.5, 0.45, 0.8, slope=1.2, decay=0.4),
    Instrument("pad", 2, 4, 4, 1.0, slope=1.6, spread=14, attack=0.6),
    Instrument("pluck", 3, 0.25, 0.5, 0.6, slope=1.3, decay=0.12),
    Instrument("lead", 3, 1, 0.9, 0.7, slope=0.8, spread=7, vibrato=25, attack=0.02),
    Instrument("voice", 3, 2, 1.8, 0.75, slope=1.8, vibrato=45, noise=0.05, attack=0.09),
    Instrument("strings", 3, 4, 3.8, 0.9, slope=1.1, spread=10, vibrato=15, attack=0.25),
    Instrument("bell", 4, 1, 2, 0.35, slope=2.2, spread=30, decay=0.5),
    Instrument("guitar", 2, 0.5, 0.6, 0.7, slope=0.9, noise=0.04, decay=0.25),
    Instrument("shaker", 5, 0.25, 0.2, 0.8, noise=1, above=4000, attack=0.02, decay=0.04),
    Instrument("tom", 1, 1, 0.6, 0.3, slope=2.5, fall=0.8, noise=0.05, decay=0.18),
    Instrument("clap", 4, 2, 0.3, 0.8, noise=1, above=1200, decay=0.07),
    Instrument("organ", 2, 2, 1.9, 0.85, slope=1.4, vibrato=8, attack=0.01),
    Instrument("riser", 1, 8, 7.5, 0.5, noise=0.7, above=500, fall=-1, attack=2.5),
)


def render(folder: Path, stems: int, minutes: float = 1.0) -> None:
    """Writes that many stems into a new folder; longer sessions repeat the song, played anew."""
    folder.mkdir(parents=True)
    sections = round(minutes * 60 / (SECTION_BEATS * BEAT_S))
    for number, (name, samples) in enumerate(session(stems, sections), 1):
        soundfile.write(folder / f"{number:03} {name}.wav", samples, RATE, subtype="PCM_16")


def session(stems: int, sections: int) -> Iterator[tuple[str, Samples]]:
    """(name, samples) of each stem."""
    random = np.random.default_rng(stems)
    plays = arrangement(random, stems, sections)
    for number in range(stems):
        kind = INSTRUMENTS[number % len(INSTRUMENTS)]
        yield kind.name, stem(kind, np.random.default_rng([stems, number]), plays[:, number])


def arrangement(random: np.random.Generator, stems: int, sections: int) -> NDArray[np.bool_]:
    """Who plays in which section, `[sections, stems]`: as many as `DENSITY` says, by lot."""
    plays = np.zeros((sections, stems), dtype=bool)
    for section in range(sections):
        many = max(1, round(DENSITY[section % len(DENSITY)] * stems))
        plays[section, random.permutation(stems)[:many]] = True
    return plays


def stem(kind: Instrument, random: np.random.Generator, plays: NDArray[np.bool_]) -> Samples:
    """The samples of one stem, which plays in some of the sections."""
    steps = round(SECTION_BEATS / kind.step)
    section_s = SECTION_BEATS * BEAT_S
    tail = round(kind.length * BEAT_S * RATE) + RATE
    total = np.zeros(round(len(plays) * section_s * RATE) + tail)
    pattern = random.random(steps) < kind.chance  # the same in every section
    melody = random.integers(0, 5, steps)
    colour = kind.slope * random.uniform(0.8, 1.3)
    pitches: dict[int, Samples] = {}
    for section in np.flatnonzero(plays):
        for step in np.flatnonzero(pattern):
            beat = step * kind.step
            degree = int(ROOTS[int(beat // 4) % 4] + 2 * melody[step])
            if degree not in pitches:
                pitches[degree] = note(kind, random, hz(kind.octave, degree), colour)
            sound = pitches[degree] * random.uniform(0.7, 1.0)
            at = round((section * section_s + beat * BEAT_S) * RATE)
            total[at : at + len(sound)] += sound
    whole = total[:-tail]
    level = LOUDEST * 10 ** (-random.uniform(0, 12) / 20)
    return whole * (level / max(np.abs(whole).max(), 1e-9))


def hz(octave: int, degree: int) -> float:
    """Pitch of a degree of the scale, counted from 55 Hz."""
    return 55.0 * 2.0 ** (octave + degree // 7 + SCALE[degree % 7] / 12)


def note(kind: Instrument, random: np.random.Generator, pitch: float, slope: float) -> Samples:
    """One note of an instrument."""
    seconds = np.arange(round(kind.length * BEAT_S * RATE)) / RATE
    bend = 2 ** (kind.fall * np.exp(-seconds / 0.04) if kind.fall > 0 else -kind.fall * seconds / 4)
    wobble = 2 ** (kind.vibrato / 1200 * np.sin(2 * np.pi * 5.5 * seconds))
    tone = np.zeros_like(seconds)
    for cents in {-kind.spread / 2, kind.spread / 2}:
        phase = 2 * np.pi * np.cumsum(pitch * 2 ** (cents / 1200) * bend * wobble) / RATE
        start = random.uniform(0, 2 * np.pi)
        for k in range(1, 1 + max(1, min(24, int(6000 / pitch)))):
            tone += np.sin(k * (phase + start)) / k**slope
    hiss = np.fft.rfft(random.standard_normal(len(seconds)))
    hiss[np.fft.rfftfreq(len(seconds), 1 / RATE) < kind.above] = 0
    breath = np.fft.irfft(hiss, len(seconds))
    mixed = (1 - kind.noise) * tone / np.abs(tone).max() + kind.noise * breath / breath.std() / 3
    release = np.minimum(1, (seconds[-1] - seconds) / 0.02)
    return mixed * np.minimum(1, seconds / kind.attack) * np.exp(-seconds / kind.decay) * release


if __name__ == "__main__":
    render(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
