"""What of a trial a DAW can be made to do from outside: move faders, or only tell its user.

Faders are moved only where levels alone make the whole trial. One that also takes an equaliser, or
a rendered take, was never tried with its levels alone: of that everything is left to the user, in
words on the tracks. Levels are dB, relative to where a fader stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from stemlens_bridge import osc
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.protocol import MAX_GAIN_DB, TrialEdit
from stemlens_bridge.table import one_line
from stemlens_bridge.trials import TriedTrial, actions

TOP_DB = 6.0  # where the faders of Ardour and Live end
SAME_DB = 0.02  # faders are told as positions; nearer than this they are the same


@dataclass(frozen=True, slots=True)
class Step:
    """What to do on one track (by its id): `words` for people; `level_db` where that is all."""

    track: str
    words: str
    level_db: float | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: sentences for each fader that was moved (or moved back), on how many tracks
    words now stand (or were taken away), and what to tell besides."""

    faders: tuple[str, ...] = ()
    notes: int = 0
    problems: tuple[str, ...] = ()


def steps(one: TriedTrial) -> list[Step]:
    """A trial as steps, one a track, none of which moves a fader unless all do. Raises
    `bad_message` for actions that cannot be."""
    levels = [_level(edit) for edit in one.edits]
    alone = None not in levels
    by_track: dict[str, Step] = {}
    for edit, level_db in zip(one.edits, levels, strict=True):
        words = one_line(edit.words)
        known = by_track.get(edit.track)
        if known is not None:
            words = f"{known.words}; {words}"
            if alone:
                level_db = (level_db or 0.0) + (known.level_db or 0.0)
        by_track[edit.track] = Step(edit.track, words, level_db if alone else None)
    return list(by_track.values())


def impossible(level_db: float, now_db: float, silence_db: float) -> str | None:
    """Why a fader that stands at `now_db` cannot be moved by `level_db`; None where it can."""
    if now_db <= silence_db:
        return "its fader is all the way down"
    if now_db + level_db > TOP_DB + SAME_DB:
        return f"its fader ends at {TOP_DB:+.0f} dB"
    if now_db + level_db <= silence_db:
        return "its fader does not go down so far"
    return None


def moved(name: str, before_db: float, now_db: float) -> str:
    """A fader's move in words: "Bass: fader −2.0 → −5.0 dB"."""
    return f"{name}: fader {before_db:+.1f} → {now_db:+.1f} dB".replace("-", "−")


def _level(edit: TrialEdit) -> float | None:
    """The level change that is the whole edit, dB; None where it takes anything else."""
    found = actions(edit)
    if not found or any(action["do"] != "level" for action in found):
        return None
    total = 0.0
    for action in found:
        change = action.get("db")
        if change is None or not is_number(change) or abs(change) > MAX_GAIN_DB:
            raise osc.bad_message("the action level of an edit must have a number of dB")
        total += change
    return total
