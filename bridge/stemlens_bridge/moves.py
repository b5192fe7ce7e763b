"""Fader moves in a DAW since the bounce, as the live mix takes them.

A bounce is post-fader, so what counts for a mix of its stems is how far each fader has moved since:
`gain_db` is relative to the fader at the bounce. A DAW's solo is told as mutes of the others, since
that is what it does to the sum; `sounding` is that rule, once for all DAWs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

SILENCE_DB = -150.0  # a fader pulled down all the way


@dataclass(frozen=True, slots=True)
class Move:
    """What changed on one track: its gain in dB relative to the bounce, whether it is muted now.

    None is what did not change.
    """

    track: str
    gain_db: float | None = None
    muted: bool | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """A track's fader (dB) and switches at one moment."""

    fader_db: float
    muted: bool = False
    soloed: bool = False


OnMove = Callable[[Move], None]


def sounding(strips: Mapping[str, Strip]) -> dict[str, bool]:
    """Which tracks sound: not muted, and soloed themselves where any track is."""
    solo = any(strip.soloed for strip in strips.values())
    return {
        track: not strip.muted and (strip.soloed or not solo) for track, strip in strips.items()
    }


def moves(
    before: Mapping[str, Strip], now: Mapping[str, Strip], bounced_db: Mapping[str, float]
) -> list[Move]:
    """The moves that lead from one moment to another, for the tracks of the bounce.

    `bounced_db` is each stem's fader at the bounce. A track that is gone counts as muted.
    """
    heard_before, heard_now = sounding(before), sounding(now)
    found = []
    for track, zero_db in bounced_db.items():
        was, is_now = before.get(track), now.get(track)
        gain_db = None
        if is_now is not None and (was is None or was.fader_db != is_now.fader_db):
            gain_db = max(is_now.fader_db, SILENCE_DB) - max(zero_db, SILENCE_DB)
        muted = not heard_now.get(track, False)
        if was is not None and muted == (not heard_before[track]):
            found += [] if gain_db is None else [Move(track, gain_db)]
        else:
            found.append(Move(track, gain_db, muted))
    return found
