"""Following faders in a terminal: moves go to the live mix of a job, and what they do is shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from stemlens_bridge.live import LiveMix
from stemlens_bridge.liveview import Screen
from stemlens_bridge.moves import Move


class Playing:
    """The live mix of a job, for the tracks with these `names`; a context manager."""

    def __init__(self, given: argparse.Namespace, job: str, names: Mapping[str, str]) -> None:
        self._given, self._job, self._names = given, job, names
        self._screen = Screen(sys.stdout, names)

    def __enter__(self) -> Playing:
        self._live = LiveMix(
            self._given.server, self._given.transport, self._job, self._screen.show
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()

    def move(self, move: Move, since: str) -> None:
        """Plays a move and tells it, unless a picture shows where the faders are; `since` is what
        it is relative to ("the bounce")."""
        if not self._screen.redraws:
            told = [] if move.gain_db is None else [f"{move.gain_db:+.1f} dB against {since}"]
            told += [] if move.muted is None else ["silent" if move.muted else "heard"]
            self._screen.say(f"{self._names[move.track]}: {', '.join(told)}")
        self._live.move(move)

    def say(self, sentence: str) -> None:
        """Tells something else, without a scratch on the picture."""
        if self._screen.redraws:
            self._screen.say(sentence)
        else:
            print(sentence, file=sys.stderr, flush=True)
