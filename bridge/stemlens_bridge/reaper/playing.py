"""The live mix of the project whose faders are followed, told in the mailbox as it goes.

One file for each job, rewritten whole with what is known now, at most once in a turn of the agent:
the scripts look at it some times a second, and draw what it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stemlens_bridge.live import LiveMix, View
from stemlens_bridge.moves import Move
from stemlens_bridge.reaper.mailbox import Mailbox

TAGS, EACH = 10, 4  # told of the mix; told of each fader


class Playing:
    """Plays the live mix of one job."""

    def __init__(self, mailbox: Mailbox, server: tuple[str, int], transport: str, job: str) -> None:
        self.job, self.server = job, server
        self._mailbox = mailbox
        self._view: View | None = None
        self._number = 0
        self._live = LiveMix(server, transport, job, self._take)

    def move(self, moves: Iterable[Move]) -> None:
        """Plays moves; returns at once."""
        for move in moves:
            self._live.move(move)

    def tell(self) -> None:
        """Writes what is new since the last time, if anything is."""
        view, self._view = self._view, None
        if view is not None:
            self._number += 1
            self._mailbox.write_live(self.job, {"number": self._number, **plain(view)})

    def close(self) -> None:
        """Ends the live mix; takes a moment."""
        self._live.close()

    def _take(self, view: View) -> None:
        self._view = view


def plain(view: View) -> dict[str, Any]:
    """What scripts are told: the best tags, and of each fader that is heard what matters most."""
    tracks = {
        effect.track: None
        for effects in view.effects.get("decibel", {}).values()
        for effect in effects
    }
    faders = [
        {
            "track": track,
            "up": _strongest(view, "decibel", track),
            "mute": _strongest(view, "mute", track),
        }
        for track in tracks
    ]
    return {
        "message": view.message,
        "start_s": view.start_s,
        "end_s": view.end_s,
        "fresh": "decibel" in view.fresh,
        "tags": [
            {"tag": tag, "score": score, "change": view.change(tag)}
            for tag, score in list(view.tags.items())[:TAGS]
        ],
        "faders": faders,
    }


def _strongest(view: View, kind: str, track: str) -> list[dict[str, Any]]:
    return [
        {"tag": tag, "value": effect.value} for tag, effect in view.of_track(kind, track)[:EACH]
    ]
