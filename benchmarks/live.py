"""How long a moved fader waits for its answers: over UDP, from a server in its own process.

For one session of `songs`: from sending a move to the last message of its tags, and to the last of
what one dB up on each fader would do; with nothing else to do, and while the server analyses.
`python -m benchmarks.live SONG` prints JSON, all times medians in seconds.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from benchmarks.serving import serving
from benchmarks.songs import song
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.link import UdpLink
from stemlens_bridge.protocol import (
    Error,
    LiveDone,
    LiveEffects,
    LiveGain,
    LiveOpen,
    LiveOpened,
    LiveTags,
    Message,
    Options,
)
from stemlens_bridge.session import Session

MOVES = 25
LIMIT_S = 60.0
TAGS = 50


class Faders:
    """Someone who moves faders and waits for what comes."""

    def __init__(self, server: tuple[str, int], job: str, tracks: list[str]) -> None:
        self._link, self._job, self._tracks = UdpLink(server), job, tracks
        self._seq = 0
        self._random = random.Random(0)

    def open(self) -> float:
        """Opens the live mix; seconds until it was open."""
        started = time.perf_counter()
        self._link.send(LiveOpen(self._job))
        self._until(LiveOpened)
        opened = time.perf_counter() - started
        self._until(LiveDone)
        return opened

    def move(self) -> tuple[float, float]:
        """Moves one fader; seconds to its tags, and to what a dB on each fader would do."""
        self._seq += 1
        db = self._random.uniform(-12, 6)
        self._link.send(LiveGain(self._job, self._random.choice(self._tracks), db, self._seq))
        started = time.perf_counter()
        scores = 0
        told = 0.0
        while True:
            for message in self._link.receive(LIMIT_S):
                now = time.perf_counter() - started
                if getattr(message, "seq", None) != self._seq:
                    continue
                if isinstance(message, LiveTags):
                    scores += len(message.tags)
                    told = now if scores == TAGS else told
                elif isinstance(message, LiveEffects) and message.kind == "decibel":
                    last = now
                else:  # mutes have begun: the last of the decibels was heard
                    return told, last

    def _until(self, kind: type[Message]) -> None:
        while True:
            for message in self._link.receive(LIMIT_S):
                assert not isinstance(message, Error), message
                if isinstance(message, kind):
                    return


class Busy(Exception):
    """The server has begun to tag."""


def is_busy(stage: str, fraction: float) -> None:
    """Ends following a job when it tags."""
    if stage == "tagging":
        raise Busy


def moved(faders: Faders) -> dict[str, float]:
    """Medians over `MOVES` moves, and how long nine in ten took at most."""
    taken = [faders.move() for _ in range(MOVES)]
    tags, decibels = zip(*taken, strict=True)
    return {
        "tags_s": median(tags),
        "tags_9_in_10_s": quantiles(tags, n=10)[-1],
        "decibels_s": median(decibels),
    }


def measure(key: str) -> dict[str, object]:
    """Everything about one session."""
    chosen = song(key)
    session = Session.read(chosen.folder)
    options = Options(tagger=chosen.tagger)
    allow = ("--allow", str(chosen.folder.resolve()))
    with (
        tempfile.TemporaryDirectory() as data,
        serving(Path(data), *allow) as server,
        Client(server.address) as client,
    ):
        job = new_job_id("live")
        client.submit(session, replace(options, budget=0), job)
        client.follow(job)
        faders = Faders(server.address, job, [stem.id for stem in session.stems])
        opened = faders.open()
        idle = moved(faders)
        busy = new_job_id("busy")  # at another loudness, of which no scores are kept
        loudness = -14.0 - random.uniform(1, 3)
        heavy = replace(options, session_loudness=loudness, budget=10**6, precision=0.0)
        client.submit(session, heavy, busy)
        with suppress(Busy):
            client.follow(busy, is_busy)
        beside = moved(faders)
        client.cancel(busy)
    return {"stems": len(session.stems), "opened_s": opened, "idle": idle, "beside a job": beside}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
