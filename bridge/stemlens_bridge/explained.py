"""What makes a mix sound like a tag, to be heard: the whole answer to `/stemlens/explain`.

Its sounds are files on the server's machine. "only" is what makes the tag, alone; "without" the mix
without that; "crossfade" goes from the one to the other. Each is there for the passage where the
tag is strongest and, where that was asked for, for the whole session. All are equally loud.

Scores are 0 to 1, times seconds of project time. As plain data an answer has the schema
`stemlens.explained/1`: what REAPER's scripts are handed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext, osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import SOUNDS, SPANS, Explanation, Message, TrialDone
from stemlens_bridge.writing import failed, written

SCHEMA = "stemlens.explained/1"
_NOT_IN_FILES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound. `kind` and `span` are of `protocol.SOUNDS` and `SPANS`; `score` is None where it
    was not measured; `tracks` are the ids of the stems that play."""

    kind: str
    span: str
    start_s: float
    end_s: float
    score: float | None
    tracks: tuple[str, ...]
    path: str
    sentence: str

    @property
    def name(self) -> str:
        """What a track or a file with it is called: "only", "only, whole song"."""
        return self.kind if self.span == SPANS[0] else f"{self.kind}, whole song"

    @classmethod
    def from_message(cls, told: Explanation) -> Sound:
        """Raises `bad_message` for a sound that cannot be."""
        try:
            tracks = jsontext.read(told.tracks)
        except ValueError as error:
            raise osc.bad_message(f"the tracks of a sound are not JSON: {error}") from error
        if not isinstance(tracks, list) or not all(isinstance(own, str) for own in tracks):
            raise osc.bad_message("the tracks of a sound must be a list of texts")
        if told.kind not in SOUNDS or told.span not in SPANS or told.end_s <= told.start_s:
            raise osc.bad_message(f"a sound cannot be {told.kind!r}, {told.span!r}")
        score = None if told.score < 0 else told.score
        return cls(
            told.kind, told.span, told.start_s, told.end_s, score, tuple(tracks), told.path,
            told.sentence,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explained:
    """The whole answer, its passage before the whole song; `path` is the server's own JSON of it,
    on its machine."""

    job: str
    request: str
    tag: str
    path: str
    sounds: tuple[Sound, ...]

    @classmethod
    def from_messages(cls, done: TrialDone, messages: Sequence[Message]) -> Explained:
        """The answer in its messages; raises `bad_message`."""
        told = [message for message in messages if isinstance(message, Explanation)]
        sounds = sorted(
            (Sound.from_message(one) for one in told),
            key=lambda sound: (SPANS.index(sound.span), SOUNDS.index(sound.kind)),
        )
        tag = told[0].tag if told else ""
        return cls(done.job, done.request, tag, done.path, tuple(sounds))

    @property
    def name(self) -> str:
        """What a folder with it is called: "why rock"."""
        return f"why {self.tag}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema `stemlens.explained/1`."""
        sounds = [{**asdict(sound), "name": sound.name} for sound in self.sounds]
        return {"schema": SCHEMA, **asdict(self), "name": self.name, "sounds": sounds}

    def copied(self, folder: Path) -> list[Path]:
        """Copies the sounds into a folder, which is made, in the place of former ones of the tag;
        returns the copies. Raises `audio_missing`, `output_failed` or `disk_full`."""
        self.require_readable()
        copies = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failed(folder, error) from error
        for sound in self.sounds:
            plain = _NOT_IN_FILES.sub("_", f"{self.name}, {sound.name}")
            copy = folder / f"{plain}{Path(sound.path).suffix}"
            with written(copy) as part:
                try:
                    shutil.copyfile(sound.path, part)
                except OSError as error:
                    raise failed(copy, error) from error
            copies.append(copy)
        return copies

    def require_readable(self) -> None:
        """Raises `audio_missing` where a sound cannot be read from here."""
        for sound in self.sounds:
            if not os.access(sound.path, os.R_OK):
                raise StemlensError(
                    "audio_missing",
                    f"{sound.path} cannot be read here. The server's files must lie under the same "
                    "path on this machine to be heard.",
                )
