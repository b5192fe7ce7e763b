"""What Live sets held before Stemlens wrote on them, kept beside Live.

A set has nowhere to note what a track was called, how it was coloured or where its fader stood, so
the bridge notes it in the user's state folder, one file a set, before each write. AbletonOSC does
not tell which set is open, so the file goes by a name that the user may give (`--set`); therefore
nothing is put back on the strength of this file alone: the track must be found by place and name,
and still look as Stemlens left it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stemlens_bridge import jsontext
from stemlens_bridge.ableton import DEFAULT_SET
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.folders import state_folder
from stemlens_bridge.writing import written

SCHEMA = "stemlens.ableton-memory/1"
SAME_VOLUME = 1e-4  # of 0 to 1: 0.004 dB


@dataclass(frozen=True, slots=True)
class Before:
    """A track before Stemlens: its place (from 1), its name, and its colour and fader (0 to 1) with
    what they became."""

    id: str
    name: str
    color: int | None = None
    color_ours: int | None = None
    volume: float | None = None
    volume_ours: float | None = None


class Memory:
    """What is remembered of one set. Every change is on disk before the method returns."""

    def __init__(self, set_name: str = DEFAULT_SET, folder: Path | None = None) -> None:
        place = state_folder() / "ableton" if folder is None else folder
        self.path = place / f"{quote(set_name, safe=' ')[:200]}.json"
        self._set_name = set_name
        self._tracks: dict[tuple[str, str], Before] = {}
        self._read()

    @property
    def tracks(self) -> list[Before]:
        """All tracks that are remembered."""
        return list(self._tracks.values())

    def remember(self, before: Before) -> None:
        """Notes a track. What was noted first stays: it is from before the first annotation; only
        a colour that Stemlens gives now is added."""
        key = (before.id, before.name)
        known = self._tracks.get(key, replace(before, color=None, color_ours=None))
        if before.color_ours is not None:
            # a colour that is not the one we gave last is the user's, and the one to go back to
            fresh = known.color_ours is None or before.color != known.color_ours
            color = before.color if fresh else known.color
            known = replace(known, color=color, color_ours=before.color_ours)
        if self._tracks.get(key) != known:
            self._tracks[key] = known
            self._write()

    def remember_fader(self, before: Before, volume: float, ours: float) -> None:
        """Notes where a track's fader stood and where it goes now. A fader that stands as we left
        it goes back to where it stood before the first time."""
        key = (before.id, before.name)
        known = self._tracks.get(key, before)
        again = known.volume_ours is not None and abs(known.volume_ours - volume) < SAME_VOLUME
        first = known.volume if again else volume
        self._tracks[key] = replace(known, volume=first, volume_ours=ours)
        self._write()

    def forget(self, before: Before) -> None:
        """Forgets a track that is as it was; a fader that was moved stays noted."""
        key = (before.id, before.name)
        known = self._tracks.pop(key, None)
        if known is not None and known.volume_ours is not None:
            self._tracks[key] = replace(known, color=None, color_ours=None)
        if known is not None:
            self._write()

    def forget_fader(self, before: Before) -> None:
        """Forgets where a fader stood."""
        key = (before.id, before.name)
        if key in self._tracks:
            self._tracks[key] = replace(self._tracks[key], volume=None, volume_ours=None)
            self._write()

    def _read(self) -> None:
        try:
            given = jsontext.read(self.path.read_text(encoding="utf-8"))
            if given["schema"] != SCHEMA:
                raise ValueError(f"its schema is {given['schema']!r}")
            entries = [_before(item) for item in given["tracks"]]
        except FileNotFoundError:
            return
        except OSError as error:
            raise StemlensError(
                "output_failed", f"{self.path} cannot be read: {error.strerror}."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StemlensError(
                "project_invalid",
                f"{self.path}, where Stemlens remembers colours of the set, is damaged ({error}). "
                "Move it away to go on; the colours it held are then lost.",
            ) from error
        self._tracks = {(entry.id, entry.name): entry for entry in entries}

    def _write(self) -> None:
        if not self._tracks:
            self.path.unlink(missing_ok=True)
            return
        document = {
            "schema": SCHEMA,
            "set": self._set_name,
            "tracks": [asdict(entry) for entry in self._tracks.values()],
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StemlensError(
                "output_failed", f"{self.path.parent} cannot be made: {error.strerror}."
            ) from error
        with written(self.path) as part:
            part.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")


def _before(item: Any) -> Before:
    entry = Before(**item)
    numbers = (entry.color, entry.color_ours)
    if not isinstance(entry.id, str) or not isinstance(entry.name, str):
        raise ValueError("a track has no id or name")
    if any(number is not None and not isinstance(number, int) for number in numbers):
        raise ValueError(f"the colour of {entry.name!r} is no number")
    faders = (entry.volume, entry.volume_ours)
    if any(fader is not None and not jsontext.is_number(fader) for fader in faders):
        raise ValueError(f"the fader of {entry.name!r} is no number")
    return entry
