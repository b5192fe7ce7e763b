"""A live mix in a terminal: its tags now, and what one dB up on each fader would do.

On a terminal it is one picture that is drawn over itself while faders move; elsewhere one line for
the tags and one for the faders whenever a mix is known so far. No line is longer than `width`.
Scores are in points of 100; a tenth of a point can be told of one dB.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from typing import TextIO

from stemlens_bridge.annotations import points, signed
from stemlens_bridge.live import View
from stemlens_bridge.protocol import LiveTrack
from stemlens_bridge.table import columns, fit, one_line, pad
from stemlens_bridge.wording import clock, tenths

TAGS, EACH = 6, 3  # tags shown; effects shown of each fader
SAME_DB = 0.005
UP_AND_CLEAR = "\033[{}F\033[J"


def picture(
    view: View, names: Mapping[str, str], *, width: int = 80, height: int = 24
) -> list[str]:
    """The live mix in lines: the best tags, then the faders, those that do most first.

    `names` of the tracks by id; without any, tracks are told by their ids.
    """
    names = names or {
        effect.track: effect.track
        for effects in view.effects.get("decibel", {}).values()
        for effect in effects
    }
    width, height = max(width, 60), max(height, 12)
    head = f"Listening to {clock(view.start_s)} to {clock(view.end_s)}"
    lines = [fit(one_line(f"Live mix: {view.message}" if view.message else head), width)]
    if not view.tags:
        return lines
    for tag, score in list(view.tags.items())[:TAGS]:
        change = signed(view.change(tag))
        since = "" if change == "0" else f"{change} since the bounce"
        lines.append(fit(f"  {pad(fit(tag, 24), 24)} {points(score):>3}  {since}", width))
    if "decibel" not in view.effects:
        return lines
    old = "" if "decibel" in view.fresh else " (a moment ago)"
    lines += ["", fit(f"One dB up, in points{old}:", width)]
    column = min(max((columns(one_line(name)) for name in names.values()), default=1), 24)
    order = sorted(names, key=lambda track: -_most(view, track))
    room = height - len(lines) - 2
    for track in order[:room]:
        effects = view.of_track("decibel", track)[:EACH]
        told = "  ".join(f"{tag} {tenths(effect.value)}" for tag, effect in effects)
        where = _position(view.mixer.get(track))
        name = pad(fit(one_line(names[track]), column), column)
        lines.append(fit(f"  {name} {where:>9}  {told or 'not heard'}".rstrip(), width))
    if len(order) > room:
        lines.append(f"  and {len(order) - room} more")
    return lines


def sentences(view: View, names: Mapping[str, str], width: int = 80) -> list[str]:
    """The same in two lines."""
    best = list(view.tags.items())[:TAGS]
    changes = [(tag, score, signed(view.change(tag))) for tag, score in best]
    tags = ", ".join(f"{t} {points(s)}" + (f" ({c})" if c != "0" else "") for t, s, c in changes)
    strongest = sorted(
        (
            (abs(effect.value), f"{names.get(effect.track, effect.track)} {tag} ", effect.value)
            for tag, effects in view.effects.get("decibel", {}).items()
            for effect in effects
        ),
        reverse=True,
    )[:EACH]
    up = ", ".join(one_line(who) + tenths(value) for _, who, value in strongest)
    return [fit(tags, width), fit(f"  one dB up: {up or 'nothing is heard'}", width)]


class Screen:
    """Shows views on a stream, for the tracks with these `names`; from any thread.

    redraws: whether it is a terminal, on which one picture is drawn over itself.
    """

    def __init__(self, stream: TextIO, names: Mapping[str, str]) -> None:
        self._stream, self._names = stream, names
        self.redraws = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._drawn: Sequence[str] = ()
        self._told = ""

    def show(self, view: View) -> None:
        """Shows what is known now."""
        with self._lock:
            if self.redraws:
                size = shutil.get_terminal_size()
                self._draw(picture(view, self._names, width=size.columns, height=size.lines))
            elif view.done:
                self._write(sentences(view, self._names))
            elif view.message != self._told and "%" not in view.message:
                self._write([f"Live mix: {view.message}"] if view.message else [])
                self._told = view.message

    def say(self, line: str) -> None:
        """Prints a line, above the picture if there is one."""
        with self._lock:
            drawn = self._drawn
            self._draw([])
            self._write([line])
            self._draw(drawn)

    def _draw(self, lines: Sequence[str]) -> None:
        if self._drawn:
            self._stream.write(UP_AND_CLEAR.format(len(self._drawn)))
        self._write(lines)
        self._drawn = lines

    def _write(self, lines: Sequence[str]) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def _most(view: View, track: str) -> float:
    return max((abs(effect.value) for _, effect in view.of_track("decibel", track)), default=-1.0)


def _position(fader: LiveTrack | None) -> str:
    if fader is None:
        return ""
    if fader.muted:
        return "silent"
    return "" if abs(fader.db) < SAME_DB else f"{fader.db:+.1f} dB".replace("-", "−")
