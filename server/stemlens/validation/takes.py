"""Snippets as sound: every stem of every snippet by itself, and who plays in which.

All parts of one instrument are rendered in long runs with gaps between them and cut, since starting
the synthesiser for each part would cost more than the sound.

Conventions: stems are in the order of `snippets.STEMS`, mono float32 `[stems, samples]` at 16 kHz,
`SAMPLES` long; the mix is their sum and nothing else. Stems that do not play are zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np
from numpy.typing import NDArray

from stemlens.validation import fluidsynth
from stemlens.validation.snippets import SNIPPET_S, STEMS, Part, Snippet

SAMPLES = round(SNIPPET_S * fluidsynth.SAMPLE_RATE)
RUN = 100  # parts that are rendered in one go
SLOT_S = 3.2  # from part to part; what still sounds at the next one's start is cut off there
LEVEL_DB = -24.0  # of a stem, RMS, before its snippet's own level

TICKS_PER_BEAT = 1000
BEAT_US = 1_000_000  # and so a tick is a millisecond
DRUM_CHANNEL = 9
ALL_SOUND_OFF = 120

Floats = NDArray[np.float32]


class Takes:
    """What each stem of each snippet sounds like; see `record`."""

    def __init__(self, pcm: NDArray[np.int16], levels_db: NDArray[np.float64]) -> None:
        self._pcm, self._levels_db = pcm, levels_db

    def __len__(self) -> int:
        return len(self._pcm)

    def stems(self, number: int, plays: NDArray[np.bool_]) -> Floats:
        """The stems of a snippet, those that `plays` `[stems]` at their levels, the others mute."""
        raw = self._pcm[number].astype(np.float64)
        rms = np.sqrt(np.mean(raw**2, axis=1))
        wanted = 10 ** ((LEVEL_DB + self._levels_db[number]) / 20) * plays
        gains = np.divide(wanted, rms, out=np.zeros(len(STEMS)), where=rms > 0)
        return (gains[:, None] * raw).astype(np.float32)


def record(
    snippets: Sequence[Snippet],
    soundfont: Path,
    folder: Path,
    on_progress: Callable[[float], None] = lambda done: None,
) -> Takes:
    """All parts of the snippets, rendered or found in `folder`; raises as `fluidsynth.kept`."""
    pcm = np.zeros((len(snippets), len(STEMS), SAMPLES), np.int16)
    runs = [
        (stem, numbers[k : k + RUN])
        for stem in range(len(STEMS))
        for numbers in [[n for n, each in enumerate(snippets) if each.parts[stem].notes]]
        for k in range(0, len(numbers), RUN)
    ]
    for done, (stem, numbers) in enumerate(runs):

        def told(part: float, before: int = done) -> None:
            on_progress((before + part) / len(runs))

        parts = [snippets[n].parts[stem] for n in numbers]
        sound = fluidsynth.kept(
            sequence(parts, drums=STEMS[stem] == "drums"), soundfont, folder, told
        )
        for slot, n in enumerate(numbers):
            first = round(slot * SLOT_S * fluidsynth.SAMPLE_RATE)
            pcm[n, stem] = sound[first : first + SAMPLES]
    return Takes(pcm, np.array([snippet.levels_db for snippet in snippets]))


def sequence(parts: Sequence[Part], *, drums: bool) -> mido.MidiFile:
    """Parts of one instrument one after another, each `SLOT_S` long."""
    channel = DRUM_CHANNEL if drums else 0
    off = {"type": "control_change", "control": ALL_SOUND_OFF, "value": 0}
    events: list[tuple[int, int, dict[str, Any]]] = []  # at one tick, ends go before starts
    for slot, part in enumerate(parts):
        start_s = slot * SLOT_S
        events.append((_tick(start_s), 0, off))
        events.append((_tick(start_s), 1, {"type": "program_change", "program": part.program}))
        for note in part.notes:
            at_s, key = start_s + note.start_s, {"note": note.pitch}
            starts = {"type": "note_on", "velocity": note.velocity, **key}
            events.append((_tick(at_s), 3, starts))
            events.append((_tick(at_s + note.length_s), 2, {"type": "note_off", **key}))
    events.append((_tick(len(parts) * SLOT_S), 0, off))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=BEAT_US)])
    now = 0
    for tick, _, what in sorted(events, key=lambda event: event[:2]):
        track.append(mido.Message(**what, channel=channel, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(track)
    return file


def _tick(seconds: float) -> int:
    return round(seconds * TICKS_PER_BEAT * 1e6 / BEAT_US)
