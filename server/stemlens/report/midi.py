"""An analysis as a Standard MIDI file, which every DAW can import.

Tick 0 is the project's second 0, counted by the session's own tempo map; where something lies
before that, the whole file is moved by whole bars and says so. The first track holds the tempo map
and the markers, because the standard has both there and many programs look nowhere else: those of
the result, and the sections of the song (`explain.structure`). On request each stem has a track
with a controller lane for its share of a tag over time: 64 is no share, one scale for all stems,
told in the track's name.

Texts are plain ASCII where they can be (`->`, `-`), since the standard knows nothing else and
programs disagree; names that need more are UTF-8.

Source: Standard MIDI Files 1.0 (RP-001), MIDI Manufacturers Association, 1996.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
from numpy.typing import NDArray

from stemlens.explain.structure import sections
from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.marks import MARKER_PREFIX
from stemlens_bridge.tempo import TempoChange, TempoMap
from stemlens_bridge.writing import written

TICKS_PER_BEAT = 1920  # half a tick is below 1 ms down to 16 beats a minute
UNKNOWN_BPM = 120.0
MAX_TICK = 0x0FFF_FFFF  # what a variable-length quantity holds
MAX_BEAT_US = 0xFF_FFFF  # what a tempo event holds, microseconds
SCALE_POINTS = 5  # lanes reach to a multiple of this
CENTRE, REACH = 64, 63
SECTION = "section: "  # what the words of a section's marker begin with
CONTROLLERS = (*range(20, 32), *range(102, 120))  # those that the standard leaves undefined
CHARSET = "utf-8"
_ASCII = str.maketrans({"−": "-", "–": "-", "—": "-", "→": "->", "…": "...", "’": "'"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

Event = tuple[int, Any]  # tick, mido's message without its time


@dataclass(frozen=True, slots=True)
class _Clock:
    """From project time to ticks of this file, which begins `lead` quarter notes early."""

    tempo: TempoMap
    lead: float

    def tick(self, seconds: float) -> int:
        return max(0, round(TICKS_PER_BEAT * (self.tempo.beats(seconds) + self.lead)))


def write(
    path: Path,
    findings: Findings,
    over_time: OverTime | None = None,
    *,
    lanes: Sequence[str] = (),
    policy: AnnotationPolicy | None = None,
) -> None:
    """Writes a Standard MIDI file; see `midi_file`. Raises `output_failed` too."""
    file = midi_file(findings, over_time, lanes=lanes, policy=policy)
    with written(path) as part:
        file.save(part)


def midi_file(
    findings: Findings,
    over_time: OverTime | None = None,
    *,
    lanes: Sequence[str] = (),
    policy: AnnotationPolicy | None = None,
) -> mido.MidiFile:
    """Tempo map and markers, and for each tag in `lanes` a track for each stem.

    Sections and lanes need `over_time`. `policy` says of which kinds of tags sections tell. Raises
    `bad_options` for a tag that there is not, `result_invalid` where lanes are asked for without
    `over_time`, and `output_failed` where time or tempo are beyond what a MIDI file can hold.
    """
    columns = _columns(lanes, over_time)
    markers = [(note.start_s, MARKER_PREFIX + note.text) for note in findings.markers]
    told = any(not note.track and note.text.startswith(SECTION) for note in findings.markers)
    if over_time is not None and not told:
        markers += _section_markers(findings, over_time, policy or AnnotationPolicy())
    clock = _clock(findings, [at for at, _ in markers], over_time if lanes else None)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, charset=CHARSET)
    conductor = _tempo_events(clock, known=findings.tempo is not None)
    conductor += [
        (clock.tick(at), mido.MetaMessage("marker", text=_text(text))) for at, text in markers
    ]
    file.tracks.append(_track(f"{findings.project}: Stemlens", conductor))
    if over_time is not None:
        names = {stem.id: stem.name for stem in findings.stems}
        for number, (tag, column) in zip(CONTROLLERS, columns, strict=False):
            shares = over_time.shares(column)
            full = _scale(shares)
            for i, stem in enumerate(over_time.stems):
                name = (
                    f"{names.get(stem, stem)}: share of {tag}, controller {number}, "
                    f"{CENTRE} = 0, {CENTRE + REACH} = +{full} points"
                )
                events = _lane(shares[:, i], full, number, i % 16, over_time, clock)
                file.tracks.append(_track(name, events))
    return file


def require_tags(lanes: Sequence[str], tags: Sequence[str]) -> None:
    """Raises `bad_options` for the first of `lanes` that is not one of `tags`, and for too many."""
    if len(set(lanes)) > len(CONTROLLERS):
        raise StemlensError(
            "bad_options", f"A MIDI file has room for lanes of {len(CONTROLLERS)} tags."
        )
    for tag in lanes:
        if tag not in tags:
            near = difflib.get_close_matches(tag, tags, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(tags)}."
            raise StemlensError("bad_options", f"There is no tag {tag!r} for a lane; {hint}")


def _section_markers(
    findings: Findings, over_time: OverTime, policy: AnnotationPolicy
) -> list[tuple[float, str]]:
    kinds = {tag.tag: tag.kind for tag in findings.tags}
    found = sections(over_time, kinds, policy)
    return [
        (section["start_s"], f"{MARKER_PREFIX}{SECTION}{section['text']}")
        for section in (found if len(found) > 1 else ())
    ]


def _columns(lanes: Sequence[str], over_time: OverTime | None) -> list[tuple[str, int]]:
    if not lanes:
        return []
    if over_time is None:
        raise StemlensError(
            "result_invalid",
            "Lanes need the shares over time; let 'stemlens analyze … --npz FILE' write them.",
        )
    require_tags(lanes, over_time.tags)
    return [(tag, over_time.tags.index(tag)) for tag in dict.fromkeys(lanes)]


def _clock(findings: Findings, times_s: list[float], over_time: OverTime | None) -> _Clock:
    tempo = findings.tempo or TempoMap((TempoChange(0.0, UNKNOWN_BPM),))
    if over_time is not None and len(over_time.start_s):
        times_s += [over_time.start_s[0], over_time.start_s[-1] + over_time.segment_s]
    first = min((tempo.beats(at) for at in times_s), default=0.0)
    bar = 4 * tempo.changes[0].numerator / tempo.changes[0].denominator
    lead = bar * math.ceil(-first / bar - 1e-9) if first < 0 else 0.0
    clock = _Clock(tempo, lead)
    latest = max((*times_s, tempo.changes[-1].start_s, 0.0))
    if clock.tick(latest) > MAX_TICK:
        raise StemlensError(
            "output_failed", f"A MIDI file cannot hold a time of {latest:.0f} s at this tempo."
        )
    return clock


def _tempo_events(clock: _Clock, *, known: bool) -> list[Event]:
    """Tempo and meter from tick 0 on, and what should be known of them."""
    events: list[Event] = []

    def say(text: str) -> None:
        events.append((0, mido.MetaMessage("text", text=f"Stemlens: {text}")))

    if not known:
        say(f"the project's tempo is not known; this file counts {UNKNOWN_BPM:g} beats a minute.")
    if clock.lead:
        seconds = -clock.tempo.seconds(-clock.lead)
        say(
            f"this file begins {clock.lead:g} quarter notes ({seconds:.3f} s) before the project's "
            "start; import it there."
        )
    at_zero = [change for change in clock.tempo.changes if clock.tick(change.start_s) == 0]
    first = at_zero[-1] if at_zero else clock.tempo.changes[0]  # which holds before itself too
    later = [
        (tick, change)
        for change in clock.tempo.changes
        if (tick := clock.tick(change.start_s)) > 0 and change is not first
    ]
    for tick, change in ((0, first), *later):
        beat_us = round(60e6 / change.bpm)
        if beat_us > MAX_BEAT_US:
            raise StemlensError(
                "output_failed", f"A MIDI file cannot hold a tempo of {change.bpm:g}."
            )
        events.append((tick, mido.MetaMessage("set_tempo", tempo=beat_us)))
        power = math.log2(change.denominator)
        if power.is_integer() and change.numerator < 256:
            meter = mido.MetaMessage(
                "time_signature", numerator=change.numerator, denominator=change.denominator
            )
            events.append((tick, meter))
        else:
            say(f"a MIDI file cannot say the meter {change.numerator}/{change.denominator}.")
    return events


def _scale(shares: NDArray[np.float64]) -> int:
    """The points that fill a lane: the largest share, up to the next `SCALE_POINTS`."""
    largest = 100 * float(np.abs(shares).max(initial=0.0))
    return max(1, math.ceil(largest / SCALE_POINTS - 1e-9)) * SCALE_POINTS


def _lane(
    shares: NDArray[np.float64],
    full: int,
    controller: int,
    channel: int,
    over_time: OverTime,
    clock: _Clock,
) -> list[Event]:
    """A stem's share over time as controller values; the centre before and behind the session."""
    if not len(shares):
        return []
    values = [CENTRE + round(REACH * 100 * float(share) / full) for share in shares]
    spans = over_time.spans_s
    steps = [
        (0, CENTRE),
        *((clock.tick(at), value) for (at, _), value in zip(spans, values, strict=True)),
        (clock.tick(over_time.start_s[-1] + over_time.segment_s), CENTRE),
    ]
    events: list[Event] = []
    now: int | None = None
    for i, (tick, value) in enumerate(steps):
        overruled = i + 1 < len(steps) and steps[i + 1][0] == tick
        if value != now and not overruled:
            message = mido.Message(
                "control_change", channel=channel, control=controller, value=value
            )
            events.append((tick, message))
            now = value
    return events


def _track(name: str, events: list[Event]) -> mido.MidiTrack:
    """A track of events at absolute ticks; those at one tick keep their order."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=_text(name))])
    now = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track


def _text(text: str) -> str:
    return _CONTROL.sub(" ", text.translate(_ASCII)).encode("utf-8", "replace").decode()
