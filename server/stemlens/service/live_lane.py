"""The worker's second lane: the live mix, which does not wait for the job that runs.

A thread of its own with a place for what is wanted next, not a queue: of several moves only the
newest matters, and opening another mix ends all that was wanted of the last. Its taggings overtake
those of the job (see `stemlens.tagging.lanes`), which goes on where it was.

Commands: `{"open": {"number", "job", "start_s", …}}` with all that a job's `run` has, `{"play":
{"number", "job", "seq", "moved_db", "muted"}}`, `{"close": number}`.
Events, all with the `number` that the server gave when it opened: "progress", "opened", "tags",
"effects", "done", "failed".
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stemlens.live import (
    EXCERPT_S,
    Effects,
    Excerpt,
    LiveMix,
    Tags,
    most_like_all,
    scores_over_time,
)
from stemlens.opening import OpenedSession, Progress
from stemlens.service.memory import lacks_memory
from stemlens.tagging.lanes import urgent
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options

log = logging.getLogger(__name__)

KEPT_BYTES = 1 << 29  # of waveforms, of sessions that were opened lately
PROGRESS_EVERY_S = 0.25


class Outdated(Exception):
    """Something newer is wanted."""


class Shelf:
    """Sessions that jobs have opened, by job: the latest, and so many that they fit the memory.

    All but the latest rest: what they had opened of their segments, up to half a GB each, is given
    back.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, OpenedSession] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, job: str, opened: OpenedSession) -> None:
        """Keeps a session, and the ones before it as long as there is room."""
        with self._lock:
            self._kept[job] = opened
            self._kept.move_to_end(job)
            while sum(map(_bytes, self._kept.values())) > self._most_bytes:
                self._kept.popitem(last=False)
            for other in self._kept.values():
                if other.game.stems is not opened.game.stems:
                    other.game.stems.rest()

    def find(self, job: str) -> OpenedSession | None:
        """The session that was opened for a job, if it is kept still."""
        with self._lock:
            if job in self._kept:
                self._kept.move_to_end(job)
            return self._kept.get(job)

    def every(self) -> list[OpenedSession]:
        """All sessions that are kept."""
        with self._lock:
            return list(self._kept.values())


def _bytes(opened: OpenedSession) -> int:
    return opened.material.waveforms.nbytes


class Tell(Protocol):
    """How events get to the server."""

    def __call__(self, event: str, job: str = "", **rest: Any) -> None: ...


OpenSession = Callable[[dict[str, Any], Progress], OpenedSession]
"""Opens the session of a command `run` or `open`, as a job does."""


@dataclass(frozen=True, slots=True)
class _Playing:
    """The live mix that is open: its tags, and at which row of the arrays each track is."""

    number: int
    job: str
    mix: LiveMix
    excerpt: Excerpt
    tags: list[str]
    tracks: list[str]
    shown: int


class LiveLane:
    """Plays one live mix at a time."""

    def __init__(self, shelf: Shelf, open_session: OpenSession, tell: Tell) -> None:
        self._shelf = shelf
        self._open_session = open_session
        self._tell = tell
        self._changed = threading.Condition()
        self._opening: dict[str, Any] | None = None
        self._play: dict[str, Any] | None = None
        self._closing = False
        self._playing: _Playing | None = None

    def take(self, command: dict[str, Any]) -> None:
        """Hears a command, at any time and from any thread."""
        with self._changed:
            if "open" in command:
                self._opening, self._play, self._closing = command["open"], None, False
            elif "play" in command:
                self._play = command["play"]
            else:
                self._opening, self._play, self._closing = None, None, True
            self._changed.notify()

    def run(self) -> None:
        """Plays forever."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._opening or self._play or self._closing)
                opening, self._opening = self._opening, None
                play = None if opening else self._play
                self._play = self._play if opening else None
                closing, self._closing = self._closing, False
            if opening or closing:
                self._close()
            command = opening or play
            if command is None:
                continue
            try:
                if opening:
                    self._open(opening)
                elif self._playing is not None and self._playing.number == command["number"]:
                    self._answer(self._playing, command)
            except Outdated:
                pass
            except StemlensError as error:
                self._fail(command, error.code, error.message)
            except Exception as error:
                if lacks_memory(error):
                    why = "The memory was not enough to open the live mix. Analyse fewer stems."
                    self._fail(command, "out_of_memory", why)
                    continue
                log.exception("the live mix failed")
                self._fail(command, "internal", f"{type(error).__name__}: {error}")

    # ------------------------------------------------------------------ one command

    def _open(self, spec: dict[str, Any]) -> None:
        number, job, options = spec["number"], spec["job"], Options.from_json(spec["options"])

        told_at = 0.0

        def on_progress(stage: str, fraction: float) -> None:
            nonlocal told_at
            if self._opening or self._closing:  # moves meanwhile are answered when it is open
                raise Outdated
            if time.monotonic() - told_at >= PROGRESS_EVERY_S:
                told_at = time.monotonic()
                self._say(number, job, "progress", stage=stage, fraction=fraction)

        opened = self._shelf.find(job)
        if opened is None:
            with urgent():
                opened = self._open_session(spec, on_progress)
            self._shelf.keep(job, opened)
        game, tagger = opened.game, opened.game.tagger
        at_s = spec["start_s"] - options.start_s
        count = max(1, round(EXCERPT_S / tagger.segment_s))
        if 0 <= at_s < game.start_s[-1] + tagger.segment_s:
            first = max(0, min(int(at_s / tagger.segment_s), len(game.start_s) - count))
        else:
            total = (game.gains @ opened.material.waveforms).astype(np.float32)
            scores = scores_over_time(
                tagger, total, lambda fraction: on_progress("choosing what to hear", fraction)
            )
            first = most_like_all(scores, count)
        segments = range(first, min(first + count, len(game.start_s)))
        excerpt = Excerpt(tagger, game.stems, segments, game.gains, options.silence)
        self._playing = _Playing(
            number,
            job,
            LiveMix(excerpt, game.gains, options.seed),
            excerpt,
            [tag.name for tag in tagger.tags],
            [stem.id for stem in opened.material.session.stems],
            options.tags,
        )
        start_s = options.start_s + float(game.start_s[first])
        end_s = start_s + len(segments) * tagger.segment_s
        self._say(number, job, "opened", start_s=start_s, end_s=end_s)
        self._answer(self._playing, {"seq": 0, "moved_db": {}, "muted": []})

    def _answer(self, playing: _Playing, move: dict[str, Any]) -> None:
        """Tells everything about a mix, until something newer is wanted."""
        number, job, seq = playing.number, playing.job, move["seq"]
        moved_db = np.array([move["moved_db"].get(track, 0.0) for track in playing.tracks])
        muted = np.isin(playing.tracks, move["muted"])
        order = np.zeros(0, dtype=np.intp)
        for answer in playing.mix.answers(moved_db, muted, playing.shown, self._go_on):
            if isinstance(answer, Tags):
                order = np.argsort(-answer.scores, kind="stable")
                tags = [[playing.tags[tag], float(answer.scores[tag])] for tag in order]
                self._say(number, job, "tags", seq=seq, tags=tags)
            else:
                effects = _rows(playing, answer, order[: playing.shown])
                self._say(number, job, "effects", seq=seq, kind=answer.kind, effects=effects)
            self._go_on()
        self._say(number, job, "done", seq=seq)

    def _go_on(self) -> None:
        if self._opening or self._play or self._closing:
            raise Outdated

    def _close(self) -> None:
        if self._playing is not None:
            self._playing.excerpt.close()
        self._playing = None

    def _fail(self, command: dict[str, Any], code: str, message: str) -> None:
        self._close()
        self._say(command["number"], command["job"], "failed", code=code, message=message)

    def _say(self, number: int, job: str, what: str, **rest: Any) -> None:
        self._tell("live", job, number=number, what=what, **rest)


def _rows(playing: _Playing, effects: Effects, tags: Any) -> list[list[Any]]:
    """For each tag its name, and for each track that sounds [track, value, low, high]."""
    bounds = np.stack([effects.value, effects.low, effects.high], axis=-1)
    heard = np.flatnonzero(effects.sounds)
    return [
        [
            playing.tags[tag],
            [[playing.tracks[stem], *bounds[stem, tag].tolist()] for stem in heard],
        ]
        for tag in tags
    ]
