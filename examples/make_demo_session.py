"""Write the demo session: a short pop-rock piece as five stems and a session file.

What it is for
    The examples and the tests need music, not test tones: parts that enter and leave, share a
    register, differ in loudness, and sum to a mix that sounds like one. This script holds such a
    piece as data, plays it one stem at a time with FluidSynth and writes, into `examples/demo/`,
    `drums.flac`, `bass.flac`, `keys.flac`, `guitar.flac`, `pad.flac` and `session.json`. It then
    prints what it measured, so that a change to the music can be judged by numbers too.

How to run it
    python examples/make_demo_session.py [--out FOLDER]
    It needs the Python packages mido, numpy, pyloudnorm and soundfile, the program `fluidsynth`
    and the sound font TimGM6mb (Debian: `apt install fluidsynth timgm6mb-soundfont`).

The piece
    G major / E minor, 4/4, 132 bpm, 15 bars and a tail:
    intro (2 bars)        Em9 | Cmaj9                      keys and pad; the motif
    verse (4 bars)        Em9 | Cmaj9 | Am9 | D9sus4 D9    bass and drums in, the pad from Am9 on
    chorus (4 bars)       G | D/F# | Em7 | C D             guitar in, the strings take the melody
    break (2 bars)        Am9 | D9sus4 D9                  keys and pad, then a build
    last chorus (2 bars)  G D/F# | Em7 C D                 everyone, twice the harmonic pace
    end (1 bar)           G                                one chord, left to ring

Conventions of the notation
    A line is one voice over one section. Bars are parted by `|`; every bar must add up to 8
    eighths, and every section must have as many bars as FORM says. A token is
        PITCH[+PITCH...]*EIGHTHS[@LEVEL][!|~]     e.g.  E2*1@6   G2+D3+G3*3@9   -*2   B4*1~
    with `-` a rest, middle C = C4 = MIDI 60, `@1` (ppp) to `@9` (fff) holding until the next `@`
    of the line, `!` short, `~` tied to the next token (which must have the same pitches).
    A drum pattern has 16 characters a bar, one a sixteenth: `.` nothing, `1` to `9` a stroke.
    Spaces are free in both. Wrong data fails with a sentence that names the place.

Audio conventions
    44.1 kHz, stereo, FLAC 16 bit, all stems equally long. A stem's gain is fixed data (no
    normalising), so the stems add up to the mix at 0 dB each. No random numbers anywhere: the
    small unevennesses of touch and time come from short tables, and a second run gives the same
    bytes (with the same versions of FluidSynth and libsndfile).

Licence
    The music is the project's own work, under the licence of the code: GPL-3.0-or-later.
    The sound font TimGM6mb (Tim Brechbill, David Bolton) is GPL-2; it is not part of this project.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import pyloudnorm
import soundfile as sf

Audio = npt.NDArray[np.float64]  # frames x 2, full scale = 1.0
SectionLines = Mapping[str, Sequence[str]]  # section -> voices
SectionDrums = Mapping[str, Mapping[str, str]]  # section -> drum -> pattern

# ---------------------------------------------------------------------------------------------
# Facts: sound and format
# ---------------------------------------------------------------------------------------------

SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SAMPLE_RATE = 44_100
# FluidSynth's own master gain: low enough that no stem meets its output limits, and the same for
# all stems; the levels proper are Stem.gain_db.
SYNTH_GAIN = 0.4
MAX_SUM_PEAK_DB = -1.0
MAX_TOTAL_BYTES = 4_000_000
DEFAULT_OUT = Path(__file__).resolve().parent / "demo"

# ---------------------------------------------------------------------------------------------
# Facts: time and form
# ---------------------------------------------------------------------------------------------

TEMPO = 132.0
TICKS_PER_BEAT = 480
TICKS_PER_EIGHTH = TICKS_PER_BEAT // 2
TICKS_PER_SIXTEENTH = TICKS_PER_BEAT // 4
EIGHTHS_PER_BAR = 8
SIXTEENTHS_PER_BAR = 16
TAIL_BEATS = 2  # for the last chord to die away

FORM: tuple[tuple[str, int], ...] = (
    ("intro", 2),
    ("verse", 4),
    ("chorus", 4),
    ("break", 2),
    ("last chorus", 2),
    ("end", 1),
)

# ---------------------------------------------------------------------------------------------
# Facts: touch. A level is turned into a velocity; the section leans on it; the tables below keep
# two equal notes from being equal. Their lengths are coprime to the bar, so that no bar repeats
# the one before it to the bit.
# ---------------------------------------------------------------------------------------------

LEVEL_BASE, LEVEL_STEP = 15, 12  # level 1 -> velocity 27, level 9 -> velocity 123
SECTION_LEAN: Mapping[str, int] = {
    "intro": -4,
    "verse": 0,
    "chorus": 4,
    "break": -4,
    "last chorus": 4,
    "end": 4,
}
TOUCH = (0, 2, -3, 1, -2, 3, -1)  # velocity
TIMING = (0, 2, -1, 1, -2, 3, 0, -3, 1, -1, 2)  # ticks; one is 0.95 ms
HELD, SHORT = 0.94, 0.45  # how much of its written length a note sounds ...
LONGEST_GAP = TICKS_PER_EIGHTH // 8  # ... but a long note is not let go of that much earlier


# ---------------------------------------------------------------------------------------------
# Facts: the music
# ---------------------------------------------------------------------------------------------

DRUM_NOTES: Mapping[str, int] = {
    "kick": 36,
    "snare": 38,
    "hat": 42,
    "pedal hat": 44,
    "open hat": 46,
    "crash": 49,
    "crash 2": 57,
    "tambourine": 54,
    "high tom": 48,
    "mid tom": 45,
    "floor tom": 41,
}

# The sound font's toms are much louder than its kick, its hats softer: this scales velocities.
DRUM_TRIM: Mapping[str, float] = {
    "snare": 0.9,
    "hat": 1.25,
    "open hat": 1.25,
    "high tom": 0.85,
    "mid tom": 0.9,
    "floor tom": 0.75,
}

DRUMS: SectionDrums = {
    "intro": {
        # nothing but the pick-up into the verse
        "snare": "................|.............457",
        "kick": "................|............6...",
    },
    "verse": {
        "crash": "7...............|................|................|................",
        "hat": "7.4.6.4.7.4.6.4.|7.4.6.4.7.4.6...|7.4.6.4.7.4.6.43|7.4.6.4.7.......",
        "open hat": "................|..............6.|................|................",
        "snare": "....8..2.2..8...|....8..2.2..8..2|....8..2.2..8..2|....8...86.....6",
        "kick": "9.....7...7.....|9.....7...7...5.|9.....7...7.....|9.....7.7...7.7.",
        # the fill that opens the chorus, two strokes a drum, downwards
        "high tom": "................|................|................|..........87....",
        "mid tom": "................|................|................|............87..",
        "floor tom": "................|................|................|..............98",
    },
    "chorus": {
        "crash": "9...............|................|8...............|................",
        "open hat": "..5.7.5.7.5.7.5.|7.5.7.5.7.5.7.5.|..5.7.5.7.5.7.5.|7.5.7.5.7.5.....",
        "tambourine": "3.2.5.2.3.2.5.2.|3.2.5.2.3.2.5.2.|3.2.5.2.3.2.5.2.|3.2.5.2.3.2.5...",
        "snare": "....9.......9...|....9.......9..3|....9..2....9...|....9..2.3..98..",
        "kick": "9.....7.8.7.....|9..6..7.8.7.....|9.....7.8.7.....|9.....7.8.7...8.",
        "floor tom": "................|................|................|..............99",
    },
    "break": {
        # one stroke to close the chorus, then only the foot keeps time, then the build
        "crash": "8...............|................",
        "pedal hat": "....4.......4...|4...4...5...5...",
        "snare": "................|2.2.3.3.44556789",
        "kick": "9...............|4...5...6...8.8.",
    },
    "last chorus": {
        "crash": "9.......7.......|9.......8.......",
        "crash 2": "................|............8...",
        "open hat": "..5.7.5...5.7.5.|..5.7.5.........",
        "tambourine": "3.2.5.2.3.2.5.2.|3.2.5.2.........",
        "snare": "....9.......9..3|....9.....78..89",
        "kick": "9.....7.9.7...6.|9.....7.9...9...",
    },
    "end": {
        "crash": "9...............",
        "crash 2": "7...............",
        "snare": "8...............",
        "kick": "9...............",
    },
}

# Roots with the kick in the verse, chromatic steps into Am (G#) and D (C#); eighths in the chorus.
BASS: SectionLines = {
    "verse": [
        "E1*2@8 -*1 E1*1@6 -*1 E1*1@7 D2*1@6 B1*1@5 |"
        "C2*2@8 -*1 C2*1@6 -*1 C2*1@7 G1*1@6 G#1*1@7 |"
        "A1*2@8 -*1 A1*1@6 -*1 A1*1@7 C2*1@6 C#2*1@7 |"
        "D2*2@8 D2*1@5! D2*1@6 A1*1@7 D2*1@7 E2*1@8 F#2*1@8"
    ],
    "chorus": [
        "G1*1@9 G1*1@6 G1*1@7 G1*1@8 G1*1@7 G1*1@6 B1*1@7 A1*1@7 |"
        "F#1*1@9 F#1*1@6 F#1*1@7 F#1*1@8 A1*1@7 A1*1@6 D2*1@8 F#1*1@7 |"
        "E1*1@9 E1*1@6 E1*1@7 E1*1@8 E1*1@7 G1*1@6 A1*1@7 B1*1@8 |"
        "C2*1@9 C2*1@6 C2*1@7 C2*1@8 D2*1@9 D2*1@7 D2*1@8 B1*1@8"
    ],
    "break": ["A1*3@8 -*5 |D2*1@3! D2*1@3! D2*1@4! D2*1@4! D2*1@5! D2*1@6 E2*1@7 F#2*1@8"],
    "last chorus": [
        "G1*1@9 G1*1@6 G1*1@7 G1*1@8 F#1*1@9 F#1*1@6 F#1*1@7 A1*1@8 |"
        "E1*1@9 E1*1@6 E1*1@7 B1*1@8 C2*1@9 C2*1@7 D2*1@9 D2*1@8"
    ],
    "end": ["G1*8@9"],
}

# Voices from the top: melody, chord, left hand. The chords move by step: F#-E over held G and B,
# then B-C-D into Am9 and D; the verse's D9 (F# A C E) opens into the chorus's G.
KEYS: SectionLines = {
    "intro": [
        "B4*1@5 D5*1@6 E5*3@7 G5*1@7 F#5*1@6 D5*1@5 | E5*3@7 D5*1@5 B4*3@6 A4*1@4",
        "G3+B3+D4+F#4*3@5 G3+B3+D4+F#4*5@4 | G3+B3+D4+E4*3@5 G3+B3+D4+E4*5@4",
        "E3*3@5 B2*1@4 E3*4@5 | C3*3@5 G2*1@4 C3*4@5",
    ],
    "verse": [
        "B4*2@6 -*6 | -*4 B4*1@5 D5*1@6 E5*1@7 G5*1@7~ |"
        "G5*3@7 E5*1@6 D5*1@5 C5*1@6 B4*2@6 | A4*3@6 C5*1@6 D5*2@7 E5*1@7 F#5*1@8",
        "G3+B3+D4+F#4*3@6 G3+B3+D4+F#4*1@5! -*1 G3+B3+D4+F#4*1@6! -*2 |"
        "G3+B3+D4+E4*3@6 G3+B3+D4+E4*1@5! -*1 G3+B3+D4+E4*1@6! -*2 |"
        "G3+B3+C4+E4*3@6 G3+B3+C4+E4*1@5! -*1 G3+B3+C4+E4*1@6! -*2 |"
        "G3+A3+C4+E4*3@6 G3+A3+C4+E4*1@5 F#3+A3+C4+E4*2@7 F#3+A3+C4*1@7 F#3+A3+C4*1@7",
    ],
    # three-three-two accents against the straight eighths of the bass
    "chorus": [
        "B3+D4+G4*1@8 B3+D4+G4*1@5 B3+D4+G4*1@5 B3+D4+G4*1@7 B3+D4+G4*1@5 B3+D4+G4*1@5"
        " B3+D4+G4*1@7 B3+D4+G4*1@6 |"
        "A3+D4+F#4*1@8 A3+D4+F#4*1@5 A3+D4+F#4*1@5 A3+D4+F#4*1@7 A3+D4+F#4*1@5 A3+D4+F#4*1@5"
        " A3+D4+F#4*1@7 A3+D4+F#4*1@6 |"
        "B3+D4+G4*1@8 B3+D4+G4*1@5 B3+D4+G4*1@5 B3+D4+G4*1@7 B3+D4+G4*1@5 B3+D4+G4*1@5"
        " B3+D4+G4*1@7 B3+D4+G4*1@6 |"
        "C4+D4+G4*1@8 C4+D4+G4*1@5 C4+E4+G4*1@6 C4+E4+G4*1@6 D4+F#4+A4*1@8 D4+F#4+A4*1@6"
        " D4+F#4+A4*1@7 D4+F#4+A4*1@8",
    ],
    # the motif again, a fourth higher
    "break": [
        "E5*1@6 G5*1@6 A5*3@7 C6*1@7 B5*1@6 G5*1@5 | A5*3@7 G5*1@5 E5*2@6 F#5*2@7",
        "G3+B3+C4+E4*3@5 G3+B3+C4+E4*5@4 | G3+A3+C4+E4*3@5 G3+A3+C4+E4*1@5"
        " F#3+A3+C4+E4*2@6 F#3+A3+C4+D4*2@7",
        "A2*3@6 E3*1@4 A3*4@4 | D3*3@5 A2*1@4 D3*4@6",
    ],
    "last chorus": [
        "B3+D4+G4*1@8 B3+D4+G4*1@5 B3+D4+G4*1@6 B3+D4+G4*1@7 A3+D4+F#4*1@8 A3+D4+F#4*1@5"
        " A3+D4+F#4*1@6 A3+D4+F#4*1@7 |"
        "B3+D4+G4*1@8 B3+D4+G4*1@5 B3+D4+G4*1@6 B3+D4+G4*1@7 C4+E4+G4*1@8 C4+E4+G4*1@6"
        " D4+F#4+A4*1@8 D4+F#4+A4*1@7",
    ],
    "end": ["G2+D3+B3+D4+A4+B4*8@7"],
}

# Fifths that ring, single low strings damped between them. Silent until the chorus but for the
# two chords that push into it.
GUITAR: SectionLines = {
    "verse": ["-*8 | -*8 | -*8 | -*6 D3+A3+D4*1@6! D3+A3+D4*1@8"],
    "chorus": [
        "G2+D3+G3*3@9 G2*1@5! G2+D3+G3*1@7! G2+D3+G3*2@8 G2*1@5! |"
        "A2+D3+A3*3@9 A2*1@5! A2+D3+A3*1@7! A2+D3+A3*2@8 A2*1@6! |"
        "E2+B2+E3*3@9 E2*1@5! E2+B2+E3*1@7! E2+B2+E3*2@8 E2*1@6! |"
        "C3+G3+C4*3@9 C3*1@6! D3+A3+D4*2@9 D3+A3+D4*1@7! D3+A3+D4*1@8"
    ],
    "break": ["A2+E3+A3*3@8 -*5 | -*8"],
    "last chorus": [
        "G2+D3+G3*3@9 G2*1@6! A2+D3+A3*3@9 A2*1@6! |"
        "E2+B2+E3*3@9 E2*1@6! C3+G3+C4*2@9 D3+A3+D4*1@9 D3+A3+D4*1@8"
    ],
    "end": ["G2+D3+G3+D4*8@8"],
}

# Four strings from the top. In the verse and the break G hangs over D as a suspension and falls
# to F#; the chorus's melody climbs G-A-B over the falling bass G-F#-E.
PAD: SectionLines = {
    "intro": ["E4*8@6~ | E4*8", "B3*8@6~ | B3*8", "E3*8@6 | C3*8"],
    "verse": [
        "-*8 | -*8 | G4*8@6~ | G4*4 F#4*4@7",
        "-*8 | -*8 | E4*8@6~ | E4*4 D4*4@7",
        "-*8 | -*8 | C4*8@6~ | C4*8",
        "-*8 | -*8 | A2*8@6 | D3*8",
    ],
    "chorus": [
        "G5*3@8 F#5*1@6 D5*4@7 | A5*3@8 G5*1@6 F#5*4@7 |"
        "B5*3@9 A5*1@7 G5*2@7 E5*2@7 | G5*3@8 E5*1@7 F#5*2@8 A5*2@8",
        "B4*8@6 | A4*8 | G4*8~ | G4*4 F#4*4",
        "D4*8@6~ | D4*8~ | D4*8 | E4*4 D4*4",
        "G3*8@6 | F#3*8 | E3*8 | C3*4 D3*4",
    ],
    "break": [
        "C5*8@6~ | C5*8",
        "G4*8@6~ | G4*4 F#4*4@7",
        "E4*8@6~ | E4*4 D4*4@7",
        "A3*8@6 | D3*8",
    ],
    "last chorus": [
        "G5*3@9 D5*1@7 A5*3@9 F#5*1@7 | B5*3@9 A5*1@7 G5*2@8 A5*2@9",
        "B4*4@7 A4*4 | G4*4~ G4*2 F#4*2",
        "D4*4@7~ D4*4~ | D4*4 E4*2 D4*2",
        "G3*4@7 F#3*4 | E3*4 C3*2 D3*2",
    ],
    "end": ["G5*8@8", "B4*8@7", "D4*8@7", "G3*8@7"],
}

# Bow pressure: (bar counted from 0, expression 0..127), straight lines in between.
PAD_EXPRESSION: tuple[tuple[float, int], ...] = (
    (0.0, 84),
    (1.0, 108),
    (2.0, 90),
    (4.0, 80),
    (5.9, 120),
    (6.0, 108),
    (9.9, 118),
    (10.0, 96),
    (11.0, 88),
    (11.95, 122),
    (12.0, 112),
    (14.0, 122),
    (14.6, 104),
    (15.1, 70),
)


@dataclass(frozen=True)
class Take:
    """One playing of a stem's notes: its sound and its place. Two takes make a doubled part."""

    program: int  # General MIDI, counted from 0
    pan: int  # 0 left, 64 centre, 127 right
    lag: int = 0  # ticks behind the beat


@dataclass(frozen=True)
class Stem:
    """A stem: what it plays, on what, how loud. `lines` for pitched parts, `drums` for the kit."""

    id: str
    name: str
    takes: tuple[Take, ...]
    gain_db: float  # after FluidSynth; the balance of the mix
    mono: bool = False  # both channels alike, which FLAC stores at the price of one
    group: str | None = None
    lines: SectionLines = field(default_factory=dict)
    drums: SectionDrums = field(default_factory=dict)
    strum: int = 0  # ticks between the pitches of a chord
    upstrokes: bool = False  # off-beat eighths strum from the top string
    expression: tuple[tuple[float, int], ...] = ()


DRUM_KIT_CHANNEL = 9

STEMS: tuple[Stem, ...] = (
    Stem("drums", "Drums", (Take(0, 64),), 1.0, group="rhythm", drums=DRUMS),
    Stem("bass", "Bass", (Take(33, 64, 4),), -1.0, mono=True, group="rhythm", lines=BASS),
    Stem("keys", "Electric piano", (Take(4, 64, 2),), -8.5, mono=True, lines=KEYS, strum=3),
    Stem(
        "guitar",
        "Overdriven guitar",
        (Take(29, 24), Take(30, 104, 9)),  # played twice, left and right, as on records
        -8.0,
        lines=GUITAR,
        strum=8,
        upstrokes=True,
    ),
    Stem("pad", "Strings", (Take(48, 64),), -2.5, mono=True, lines=PAD, expression=PAD_EXPRESSION),
)

# Dry: a room would fill the silences and enlarge the files. One core: with several, the order in
# which voices are added up, and so the last bit, would be left to chance.
SYNTH_SETTINGS: Mapping[str, str] = {
    "synth.cpu-cores": "1",
    "synth.polyphony": "256",
    "synth.chorus.active": "0",
    "synth.reverb.active": "0",
}

# ---------------------------------------------------------------------------------------------
# Notation -> notes
# ---------------------------------------------------------------------------------------------


class DemoError(Exception):
    """Something a person can put right; the message says what."""


@dataclass(frozen=True)
class Note:
    start: int  # ticks from the beginning of the piece
    length: int  # ticks
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Event:
    """A token of a line, placed in time (in eighths from the beginning of its section)."""

    start: float
    length: float
    pitches: tuple[int, ...]
    level: int
    short: bool


TOKEN = re.compile(
    r"(?P<pitches>-|[A-G][#b]?\d(?:\+[A-G][#b]?\d)*)"
    r"\*(?P<length>\d+(?:\.\d+)?)(?:@(?P<level>[1-9]))?(?P<mark>[!~]?)"
)
SEMITONES: Mapping[str, int] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS: Mapping[str, int] = {"": 0, "#": 1, "b": -1}


def pitch_number(name: str) -> int:
    """MIDI number of a pitch name such as F#4 (C4 = 60)."""
    return 12 * (int(name[-1]) + 1) + SEMITONES[name[0]] + ACCIDENTALS[name[1:-1]]


def split_bars(text: str, bars: int, where: str) -> list[str]:
    parts = text.split("|")
    if len(parts) != bars:
        raise DemoError(f"{where}: {len(parts)} bars are written, the form has {bars}.")
    return parts


def parse_line(text: str, bars: int, where: str) -> list[Event]:
    """The events of one voice over one section, ties joined, counted from the section's start."""
    events: list[Event] = []
    level = 6
    tied = False
    for index, bar in enumerate(split_bars(text, bars, where)):
        at = 0.0
        for token in bar.split():
            match = TOKEN.fullmatch(token)
            if match is None:
                raise DemoError(f"{where}, bar {index + 1}: '{token}' is not a note.")
            length = float(match["length"])
            level = int(match["level"] or level)
            names = [] if match["pitches"] == "-" else match["pitches"].split("+")
            pitches = tuple(pitch_number(name) for name in names)
            if tied:
                if pitches != events[-1].pitches:
                    raise DemoError(f"{where}, bar {index + 1}: '{token}' is not what is tied.")
                events[-1] = replace(events[-1], length=events[-1].length + length)
            elif pitches:
                start = index * EIGHTHS_PER_BAR + at
                events.append(Event(start, length, pitches, level, match["mark"] == "!"))
            tied = match["mark"] == "~" and bool(pitches)
            at += length
        if at != EIGHTHS_PER_BAR:
            raise DemoError(f"{where}, bar {index + 1}: {at:g} eighths, not {EIGHTHS_PER_BAR}.")
    if tied:
        raise DemoError(f"{where}: the last note is tied to nothing.")
    return events


def section_starts() -> list[tuple[str, int, int]]:
    """(section, first bar, bars) in playing order."""
    starts, bar = [], 0
    for section, bars in FORM:
        starts.append((section, bar, bars))
        bar += bars
    return starts


TOTAL_BARS = sum(bars for _, bars in FORM)
TOTAL_TICKS = (TOTAL_BARS * 4 + TAIL_BEATS) * TICKS_PER_BEAT
TOTAL_FRAMES = round(TOTAL_TICKS / TICKS_PER_BEAT * 60.0 / TEMPO * SAMPLE_RATE)


def velocity(level: int, section: str, count: int, trim: float = 1.0) -> int:
    wanted = LEVEL_BASE + LEVEL_STEP * level + SECTION_LEAN[section] + TOUCH[count % len(TOUCH)]
    return min(127, max(1, round(wanted * trim)))


def unsteady(tick: int, count: int) -> int:
    """The tick as a hand would hit it; the first beat of the piece cannot come early."""
    return max(0, tick + TIMING[count % len(TIMING)])


def sounding_ticks(event: Event) -> int:
    written = event.length * TICKS_PER_EIGHTH
    if event.short:
        return round(written * SHORT)
    return round(max(written * HELD, written - LONGEST_GAP))


def strum_order(event: Event, upstrokes: bool) -> tuple[int, ...]:
    off_beat = int(event.start) % 2 == 1
    return tuple(sorted(event.pitches, reverse=upstrokes and off_beat))


def pitched_notes(stem: Stem) -> list[Note]:
    notes: list[Note] = []
    for section, first_bar, bars in section_starts():
        for voice, text in enumerate(stem.lines.get(section, ())):
            where = f"{stem.id}, {section}, voice {voice + 1}"
            for count, event in enumerate(parse_line(text, bars, where)):
                begin = round((first_bar * EIGHTHS_PER_BAR + event.start) * TICKS_PER_EIGHTH)
                end = begin + sounding_ticks(event)
                hit = unsteady(begin, count + 3 * voice)
                for string, pitch in enumerate(strum_order(event, stem.upstrokes)):
                    start = hit + string * stem.strum
                    loudness = velocity(event.level, section, count + voice + string)
                    notes.append(Note(start, end - start, pitch, loudness))
    return notes


def drum_notes(stem: Stem) -> list[Note]:
    notes: list[Note] = []
    for section, first_bar, bars in section_starts():
        for drum, text in stem.drums.get(section, {}).items():
            where = f"{stem.id}, {section}, {drum}"
            for index, bar in enumerate(split_bars(text, bars, where)):
                steps = bar.replace(" ", "")
                if len(steps) != SIXTEENTHS_PER_BAR or not re.fullmatch(r"[.1-9]*", steps):
                    raise DemoError(f"{where}, bar {index + 1}: not 16 of '.' and '1' to '9'.")
                for step, mark in enumerate(steps):
                    if mark == ".":
                        continue
                    count = step + index + DRUM_NOTES[drum]
                    grid = (first_bar + index) * SIXTEENTHS_PER_BAR + step
                    start = unsteady(grid * TICKS_PER_SIXTEENTH, count)
                    loudness = velocity(int(mark), section, count, DRUM_TRIM.get(drum, 1.0))
                    notes.append(Note(start, TICKS_PER_SIXTEENTH // 2, DRUM_NOTES[drum], loudness))
    return notes


def without_overlaps(notes: Iterable[Note]) -> list[Note]:
    """A key cannot be pressed while it is down: a note ends before its pitch is struck again.

    Where two voices strike the same key at once, the longer note stays.
    """
    by_pitch: dict[int, list[Note]] = {}
    for note in sorted(notes, key=lambda n: (n.pitch, n.start, n.length)):
        line = by_pitch.setdefault(note.pitch, [])
        if line and note.start - line[-1].start < TICKS_PER_SIXTEENTH // 4:
            line[-1] = max(line[-1], note, key=lambda n: n.length)
            continue
        if line and line[-1].start + line[-1].length >= note.start:
            line[-1] = replace(line[-1], length=note.start - line[-1].start - 1)
        line.append(note)
    return sorted(
        (note for line in by_pitch.values() for note in line), key=lambda n: (n.start, n.pitch)
    )


# ---------------------------------------------------------------------------------------------
# Notes -> MIDI -> sound
# ---------------------------------------------------------------------------------------------


def expression_events(points: Sequence[tuple[float, int]]) -> list[tuple[int, int]]:
    """(tick, value) of a curve given by its corners, an event wherever the value changes."""
    if not points:
        return []
    ticks_per_bar = EIGHTHS_PER_BAR * TICKS_PER_EIGHTH
    grid = np.arange(0, TOTAL_TICKS, TICKS_PER_SIXTEENTH // 2)
    corners = [bar * ticks_per_bar for bar, _ in points]
    curve = np.interp(grid, corners, [value for _, value in points])
    events = [(int(tick), round(float(value))) for tick, value in zip(grid, curve, strict=True)]
    return events[:1] + [new for old, new in pairwise(events) if old[1] != new[1]]


def midi_file(stem: Stem) -> mido.MidiFile:
    """One track with everything of the stem; each take has a channel of its own."""
    notes = without_overlaps(drum_notes(stem) if stem.drums else pitched_notes(stem))
    timed: list[tuple[int, int, mido.Message]] = []  # tick, order within the tick, message
    for index, take in enumerate(stem.takes):
        channel = DRUM_KIT_CHANNEL if stem.drums else index

        def control(number: int, value: int, channel: int = channel) -> mido.Message:
            return mido.Message("control_change", channel=channel, control=number, value=value)

        timed.append((0, 0, mido.Message("program_change", channel=channel, program=take.program)))
        timed.append((0, 0, control(10, take.pan)))
        curve = expression_events(stem.expression)
        timed += [(tick, 1, control(11, value)) for tick, value in curve]
        for note in notes:
            start = note.start + take.lag
            on = {"channel": channel, "note": note.pitch, "velocity": note.velocity}
            off = {"channel": channel, "note": note.pitch}
            timed.append((start + note.length, 2, mido.Message("note_off", **off)))
            timed.append((start, 3, mido.Message("note_on", **on)))
    timed.sort(key=lambda entry: entry[:2])  # stable: equal keys keep the order above

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO)))
    now = 0
    for tick, _, message in timed:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, TOTAL_TICKS - now)))
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(track)
    return file


def find_fluidsynth() -> str:
    program = shutil.which("fluidsynth")
    if program is None:
        raise DemoError("The program 'fluidsynth' is missing (Debian: apt install fluidsynth).")
    if not SOUND_FONT.is_file():
        raise DemoError(
            f"The sound font {SOUND_FONT} is missing (Debian: apt install timgm6mb-soundfont)."
        )
    return program


def play(program: str, midi: Path, wav: Path) -> Audio:
    """FluidSynth's rendering of a MIDI file, in float: rounding happens once, at the end."""
    # An empty configuration file: a person's own FluidSynth settings must not change the stems.
    command = [program, "-n", "-i", "-q", "-f", os.devnull]
    command += ["-r", str(SAMPLE_RATE), "-g", str(SYNTH_GAIN)]
    for name, value in SYNTH_SETTINGS.items():
        command += ["-o", f"{name}={value}"]
    command += ["-T", "wav", "-O", "float", "-F", str(wav), str(SOUND_FONT), str(midi)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0 or not wav.is_file():
        raise DemoError(f"fluidsynth did not render {midi.name}: {result.stderr.strip()}")
    audio, rate = sf.read(wav, dtype="float64", always_2d=True)
    if rate != SAMPLE_RATE or audio.shape[1] != 2:
        raise DemoError(f"fluidsynth gave {audio.shape[1]} channels at {rate} Hz.")
    return np.asarray(audio)


def to_length(audio: Audio, frames: int) -> Audio:
    """Exactly so many frames: silence behind, or cut with a short fade so that nothing clicks."""
    if len(audio) <= frames:
        return np.pad(audio, ((0, frames - len(audio)), (0, 0)))
    fade = SAMPLE_RATE // 4
    cut = audio[:frames].copy()
    cut[-fade:] *= np.cos(np.linspace(0.0, np.pi / 2, fade))[:, np.newaxis] ** 2
    return cut


def to_pcm16(audio: Audio) -> npt.NDArray[np.int16]:
    """Plain rounding: without dither, silence stays silence and the same input the same bytes."""
    return np.round(np.clip(audio, -1.0, 32767 / 32768) * 32768).astype(np.int16)


def render(stem: Stem, program: str, folder: Path) -> npt.NDArray[np.int16]:
    midi = folder / f"{stem.id}.mid"
    midi_file(stem).save(midi)
    audio = to_length(play(program, midi, folder / f"{stem.id}.wav"), TOTAL_FRAMES)
    if stem.mono:
        audio = np.repeat(audio.mean(axis=1, keepdims=True), 2, axis=1)
    audio = audio * 10 ** (stem.gain_db / 20)
    if np.abs(audio).max() >= 1.0:
        raise DemoError(f"{stem.id} clips at {decibels(float(np.abs(audio).max())):+.1f} dBFS.")
    return to_pcm16(audio)


# ---------------------------------------------------------------------------------------------
# Measuring
# ---------------------------------------------------------------------------------------------

FRAME_SECONDS = 0.05
SOUNDING_DB = -60.0


@dataclass(frozen=True)
class Measures:
    lufs: float
    peak_db: float
    sounding: float  # share of the frames above SOUNDING_DB
    first: float  # seconds: begin of the first such frame
    last: float  # seconds: end of the last one


def decibels(amplitude: float) -> float:
    return float(20 * np.log10(amplitude)) if amplitude > 0 else float("-inf")


def measure(audio: Audio) -> Measures:
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    frames = audio[: len(audio) // size * size].reshape(-1, size * 2)
    loud = np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > 10 ** (SOUNDING_DB / 20))
    if not len(loud):
        raise DemoError("A stem is silent.")
    return Measures(
        lufs=float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio)),
        peak_db=decibels(float(np.abs(audio).max())),
        sounding=len(loud) / len(frames),
        first=float(loud[0]) * FRAME_SECONDS,
        last=float(loud[-1] + 1) * FRAME_SECONDS,
    )


def table_row(name: str, measures: Measures, size: int) -> str:
    return (
        f"{name:8} {measures.lufs:7.1f} {measures.peak_db:7.1f} {measures.sounding:9.0%}"
        f" {measures.first:7.2f} {measures.last:7.2f} {size:10d}"
    )


# ---------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------


def session(stems: Sequence[Stem]) -> dict[str, object]:
    return {
        "schema": "stemlens.session/1",
        "project": "Demo",
        "daw": "fluidsynth",
        "tempo": TEMPO,
        "stems": [
            {
                "id": stem.id,
                "name": stem.name,
                "path": f"{stem.id}.flac",
                "gain_db": 0.0,  # the balance is in the files
                "group": stem.group,
            }
            for stem in stems
        ],
    }


def encode(data: npt.NDArray[np.int16]) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, data, SAMPLE_RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return buffer.getvalue()


def make(out: Path) -> None:
    """Render, measure, and only then, if nothing is wrong, write."""
    program = find_fluidsynth()
    with tempfile.TemporaryDirectory() as folder:
        pcm = {stem.id: render(stem, program, Path(folder)) for stem in STEMS}
    audio = {name: data / 32768.0 for name, data in pcm.items()}
    mix = np.sum(list(audio.values()), axis=0)

    flac = {name: encode(data) for name, data in pcm.items()}
    total = sum(len(content) for content in flac.values())

    print(f"{TOTAL_BARS} bars at {TEMPO:g} bpm, {TOTAL_FRAMES / SAMPLE_RATE:.2f} s")
    print("stem        LUFS    peak  sounding   first    last      bytes")
    for name, stem_audio in audio.items():
        print(table_row(name, measure(stem_audio), len(flac[name])))
    mixed = measure(mix)
    print(table_row("sum", mixed, total))
    if mixed.peak_db > MAX_SUM_PEAK_DB:
        raise DemoError(f"The sum peaks at {mixed.peak_db:.1f} dBFS, above {MAX_SUM_PEAK_DB:g}.")
    if total > MAX_TOTAL_BYTES:
        raise DemoError(f"The stems take {total} bytes, more than {MAX_TOTAL_BYTES}.")

    out.mkdir(parents=True, exist_ok=True)
    for name, content in flac.items():
        (out / f"{name}.flac").write_bytes(content)
    text = json.dumps(session(STEMS), indent=2, ensure_ascii=False) + "\n"
    (out / "session.json").write_text(text, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the demo session (stems and session.json).")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        make(options.out)
    except DemoError as error:
        print(f"make_demo_session: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
