"""Short pieces of band music, written by chance, whose every part is known.

A snippet has a tempo, a key and chords, which all its parts share. One instrument leads, a guitar
or a piano, and both play the same figures in the same range, so that nothing but their sound tells
them apart; a bass, strings and drums accompany. Programs, figures, velocities and the exact moments
of the notes vary. The same seed and number give the same snippet.

Times are in seconds from the snippet's start; pitches, velocities and programs are those of MIDI
(General MIDI 1, programs counted from 0; for drums the program is the kit).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SNIPPET_S = 3.0
"""One segment of the taggers, 2.992 s, and hardly more."""

STEMS = ("guitar", "piano", "bass", "strings", "drums")
LEADS = ("guitar", "piano")
DRUMS = STEMS.index("drums")

PROGRAMS = {
    "guitar": (24, 25, 26, 27, 28, 29, 30),  # nylon, steel, jazz, clean, muted, overdriven, dist.
    "piano": (0, 1, 2, 3, 4, 5),  # grand, bright, electric grand, honky-tonk, two electric pianos
    "bass": (32, 33, 34, 35, 36, 37, 38, 39),
    "strings": (40, 42, 48, 49, 50, 51),
    "drums": (0, 8, 16, 24, 25, 32, 40),  # standard, room, power, electronic, TR-808, jazz, brush
}

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = (  # degrees of the scale, a chord each half bar or bar
    (0, 4, 5, 3),
    (5, 3, 0, 4),
    (0, 3, 4, 3),
    (1, 4, 0, 0),
    (0, 5, 1, 4),
    (0, 6, 5, 4),
    (0, 3, 0, 4),
    (0, 2, 3, 4),
)
RHYTHMS = (  # onsets in a bar of four beats
    (0.0, 1.0, 2.0, 3.0),
    (0.0, 2.0),
    (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5),
    (0.0, 1.5, 2.0, 3.5),
    (0.0, 0.75, 1.5, 2.0, 2.75, 3.5),
    (0.5, 1.5, 2.5, 3.5),
    (0.0, 1.0, 1.5, 2.5, 3.0),
)
FIGURES = ("chords", "strum", "arpeggio", "melody", "fifths")
STRUM_S = 0.014  # between the strings of a strummed chord

GROOVES: tuple[dict[int, str], ...] = (  # sixteenths of a bar, by General MIDI's drum key
    {36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."},
    {36: "x.....x...x.....", 38: "....x.......x..x", 51: "x.x.x.x.x.x.x.x."},
    {36: "x...x...x...x...", 39: "....x.......x...", 46: "..x...x...x...x."},
    {36: "x.....x.........", 38: "........x.......", 42: "x...x...x...x..."},
    {36: "x.x.......xx....", 38: "....x..x.x..x..x", 42: "x.x.x.x.x.x.x.x."},
    {36: "x..x..x...x..x..", 37: "....x..x....x...", 42: "xxxxxxxxxxxxxxxx"},
    {36: "x.........x.....", 44: "....x.......x...", 51: "x...x..xx...x..x"},
    {36: "x.......x.......", 54: "....x.......x...", 70: "x.x.x.x.x.x.x.x."},
    {36: "x...x...x...x...", 45: "..x...x.........", 47: "..........x...x.", 38: "....x......."},
)
THINNED = 0.08  # of the drums' strokes, left out

Dice = np.random.Generator


@dataclass(frozen=True, slots=True)
class Note:
    start_s: float
    length_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one instrument plays."""

    program: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Snippet:
    """`parts` are in the order of `STEMS`: that of the other lead is empty, and in half of the
    snippets that of the strings. levels_db: how loud each stem is beside the others."""

    bpm: float
    lead: str
    parts: tuple[Part, ...]
    levels_db: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the parts of a snippet share; chords are scale degrees, `chord_beats` each."""

    beat_s: float
    key: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    chord_beats: float

    def pitches(self, beat: float, lowest: int, count: int, third: bool = True) -> list[int]:
        """The chord at a beat, from its first tone at or above `lowest` upwards."""
        degree = self.chords[int(beat // self.chord_beats) % len(self.chords)]
        steps = (0, 2, 4) if third else (0, 4)
        classes = {(self.key + self.scale[(degree + step) % 7]) % 12 for step in steps}
        return [p for p in range(lowest, lowest + 48) if p % 12 in classes][:count]

    def root(self, beat: float, lowest: int) -> int:
        """The chord's root, the first at or above `lowest`."""
        degree = self.chords[int(beat // self.chord_beats) % len(self.chords)]
        return lowest + (self.key + self.scale[degree] - lowest) % 12

    def bars(self) -> Iterator[float]:
        """The beats at which bars start."""
        yield from np.arange(0.0, SNIPPET_S / self.beat_s, 4.0).tolist()


def compose(seed: int, number: int) -> Snippet:
    """Snippet `number` of a series; even ones are led by a guitar, odd ones by a piano."""
    dice = np.random.default_rng([seed, number])
    frame = _Frame(
        beat_s=60 / float(dice.uniform(72, 168)),
        key=int(dice.integers(12)),
        scale=SCALES[str(dice.choice(sorted(SCALES)))],
        chords=PROGRESSIONS[dice.integers(len(PROGRESSIONS))],
        chord_beats=float(dice.choice([2.0, 4.0])),
    )
    lead = LEADS[number % 2]
    written = {
        lead: _lead(frame, dice),
        "bass": _bass(frame, dice),
        "strings": _strings(frame, dice) if dice.integers(2) else (),
        "drums": _drums(frame, dice),
    }
    parts = tuple(
        Part(int(dice.choice(PROGRAMS[stem])), _played(written.get(stem, ()), frame, dice))
        for stem in STEMS
    )
    levels_db = tuple(dice.uniform(-4, 4, len(STEMS)).tolist())
    return Snippet(60 / frame.beat_s, lead, parts, levels_db)


_Written = Sequence[tuple[float, float, int, float]]
"""Notes: at which beat, how many beats long, pitch, how strong (0 to 1)."""


def _lead(frame: _Frame, dice: Dice) -> _Written:
    figure = str(dice.choice(FIGURES))
    lowest = int(dice.integers(50, 62))
    rhythm = RHYTHMS[dice.integers(len(RHYTHMS))]
    written: list[tuple[float, float, int, float]] = []
    if figure in ("arpeggio", "melody"):
        step = float(dice.choice([0.25, 0.5]))
        at = int(dice.integers(4))
        for count, beat in enumerate(np.arange(0, SNIPPET_S / frame.beat_s, step).tolist()):
            if figure == "arpeggio":
                tones = frame.pitches(beat, lowest, 5)
                pitch = tones[(0, 1, 2, 3, 4, 3, 2, 1)[count % 8]]
            else:
                at = min(max(at + int(dice.integers(-2, 3)), 0), 9)
                tonic = lowest + (frame.key - lowest) % 12
                pitch = tonic + frame.scale[at % 7] + 12 * (at // 7)
            length = step * float(dice.uniform(0.8, 1.6))
            written.append((beat, length, pitch, float(dice.uniform(0.5, 1))))
        return written
    spread = STRUM_S / frame.beat_s if figure == "strum" else 0.0
    tones_played = 3 if figure == "fifths" else int(dice.integers(3, 6))
    short = float(dice.uniform(0.3, 1))
    for bar in frame.bars():
        for onset, following in zip(rhythm, (*rhythm[1:], 4.0 + rhythm[0]), strict=True):
            tones = frame.pitches(bar + onset, lowest, tones_played, third=figure != "fifths")
            strong = float(dice.uniform(0.5, 1))
            for k, pitch in enumerate(tones):
                length = short * (following - onset)
                written.append((bar + onset + k * spread, length, pitch, strong))
    return written


def _bass(frame: _Frame, dice: Dice) -> _Written:
    rhythm = RHYTHMS[dice.integers(len(RHYTHMS))]
    leaps = float(dice.uniform(0, 0.5))
    written: list[tuple[float, float, int, float]] = []
    for bar in frame.bars():
        for onset, following in zip(rhythm, (*rhythm[1:], 4.0 + rhythm[0]), strict=True):
            pitch = frame.root(bar + onset, 28)
            if dice.random() < leaps:
                pitch += int(dice.choice([7, 12]))
            length = float(dice.uniform(0.5, 0.95)) * (following - onset)
            written.append((bar + onset, length, pitch, float(dice.uniform(0.6, 1))))
    return written


def _strings(frame: _Frame, dice: Dice) -> _Written:
    lowest, strong = int(dice.integers(52, 66)), float(dice.uniform(0.5, 1))
    beats = np.arange(0, SNIPPET_S / frame.beat_s, frame.chord_beats).tolist()
    return [
        (beat, 0.98 * frame.chord_beats, pitch, strong)
        for beat in beats
        for pitch in frame.pitches(beat, lowest, 3)
    ]


def _drums(frame: _Frame, dice: Dice) -> _Written:
    groove = GROOVES[dice.integers(len(GROOVES))]
    return [
        (bar + k / 4, 0.2, key, float(dice.uniform(0.5, 1)))
        for bar in frame.bars()
        for key, strokes in groove.items()
        for k, stroke in enumerate(strokes)
        if stroke == "x" and dice.random() >= THINNED
    ]


def _played(written: _Written, frame: _Frame, dice: Dice) -> tuple[Note, ...]:
    """As people play: not quite in time, and never beyond the snippet's end."""
    hand_s, touch = float(dice.uniform(0.001, 0.01)), float(dice.uniform(70, 127))
    notes = []
    for beat, beats, pitch, strong in written:
        start_s = max(0.0, beat * frame.beat_s + float(dice.normal(0, hand_s)))
        length_s = max(0.03, min(beats * frame.beat_s, SNIPPET_S - start_s))
        if start_s < SNIPPET_S - 0.03:
            notes.append(Note(start_s, length_s, pitch, max(1, round(touch * strong))))
    return tuple(notes)
