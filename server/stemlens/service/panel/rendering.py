"""Files that any browser can play and seek in, made of a job's files, and kept for a while.

A sound is the sum of parts, each a file at a gain from a time on: 16-bit stereo WAV at 48 kHz at
most, as long as the session, so that one time means the same in every sound of it. What would clip
is turned down as a whole, and how far is told. With each sound its outline is kept, for pictures.

They lie in one folder, named by what they are made of, and take up to `MAX_BYTES` there; what was
used least lately goes first.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stemlens import audio, mixing
from stemlens.explain.pair import FULL_SCALE, Pair, middle_third
from stemlens.report.sounds import outline
from stemlens_bridge.protocol import SOUNDS
from stemlens_bridge.writing import failed, written

MAX_BYTES = 2 << 30
MAX_RATE = 48_000
COLUMNS = 1000  # of an outline
MEASURED_S = 240  # of a sound, for its loudness
_BYTES = 8  # of disk that a frame of the sound takes, and some to spare
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A file as it plays in a sound: `content` tells it from what the file may become."""

    path: str
    content: str
    gain_db: float
    start_s: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A file to play, and what is to be known of it.

    gain_db: what all of it was changed by to sound as loud as another; down_db: how far it was
    turned down so that it does not clip. outline: lowest and highest sample of `COLUMNS` equal
    parts, before both (none in a pair). loudness_lufs: before it was turned down; None for silence.
    """

    path: str
    gain_db: float
    down_db: float
    loudness_lufs: float | None
    outline: list[tuple[float, float]]


def playing_rate(rate: int) -> int:
    """The rate at which a session of that rate plays: its own, or a whole part of it."""
    while rate > MAX_RATE:
        rate //= 2
    return rate


class Rendered:
    """The folder of rendered sounds. Its methods block, and are used from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = threading.Lock()  # one at a time: they share a disk

    def sound(
        self,
        parts: Sequence[Part],
        rate: int,
        duration_s: float,
        *,
        loudness_lufs: float | None = None,
    ) -> Sound:
        """The sum of the parts at `rate` Hz, made now unless it is there.

        `loudness_lufs`: as loud as that, instead of at the parts' own gains. Raises the errors of
        `audio.read`, `disk_full` and `output_failed`.
        """
        what = [_VERSION, rate, duration_s, loudness_lufs, [asdict(one) for one in parts]]
        name = hashlib.blake2b(json.dumps(what).encode(), digest_size=16).hexdigest()
        with self._making:
            kept = self._kept(name)
            return kept or self._make(name, parts, rate, duration_s, loudness_lufs)

    def pair(
        self,
        only: Sequence[Part],
        without: Sequence[Part],
        rate: int,
        duration_s: float,
        span_s: tuple[float, float],
    ) -> dict[str, Sound]:
        """What makes a tag, the rest, and the crossfade between them (`SOUNDS`), equally loud in a
        span, in whose middle the crossfade is; made now unless they are there. Raises as `sound`
        does."""
        parts = [[asdict(one) for one in side] for side in (only, without)]
        what = [_VERSION, rate, duration_s, span_s, parts]
        name = hashlib.blake2b(json.dumps(what).encode(), digest_size=16).hexdigest()
        with self._making:
            kept = {kind: self._kept(f"{name}-{kind}") for kind in SOUNDS}
            found = {kind: sound for kind, sound in kept.items() if sound is not None}
            if len(found) == len(SOUNDS):
                return found
            return self._make_pair(name, (only, without), rate, duration_s, span_s)

    def _kept(self, name: str) -> Sound | None:
        told = self._folder / f"{name}.json"
        try:
            sound = Sound(**json.loads(told.read_text()))
            for path in (told, Path(sound.path)):
                os.utime(path)
        except (OSError, ValueError, TypeError):
            return None
        return sound

    def _make(
        self,
        name: str,
        parts: Sequence[Part],
        rate: int,
        duration_s: float,
        loudness_lufs: float | None,
    ) -> Sound:
        frames = max(round(duration_s * rate), 1)
        path = self._folder / f"{name}.wav"
        try:
            with mixing.on_disk(self._folder, frames, spare_bytes=frames * _BYTES) as (total,):
                for part in parts:
                    mixing.add(total, part.path, part.gain_db, part.start_s, rate)
                drawn = outline(total, COLUMNS)
                own = audio.loudness(total[: MEASURED_S * rate], rate)
                gain_db = 0.0
                if own is not None and loudness_lufs is not None:
                    gain_db = loudness_lufs - own
                peak = max(max(-low, high) for low, high in drawn) * 10 ** (gain_db / 20)
                down_db = max(20 * np.log10(peak / FULL_SCALE), 0.0) if peak else 0.0
                gain = np.float32(10 ** ((gain_db - down_db) / 20))
                blocks = (total[span] * gain for span in mixing.spans(0, frames))
                with written(path) as part_path:
                    audio.write_blocks(part_path, blocks, frames, 2, rate, "PCM_16")
        except OSError as error:
            raise failed(self._folder, error) from error
        heard = None if own is None else own + gain_db
        sound = Sound(str(path), gain_db, float(down_db), heard, drawn)
        self._keep(name, sound)
        self._make_room(name)
        return sound

    def _make_pair(
        self,
        name: str,
        sides: tuple[Sequence[Part], Sequence[Part]],
        rate: int,
        duration_s: float,
        span_s: tuple[float, float],
    ) -> dict[str, Sound]:
        frames = max(round(duration_s * rate), 1)
        first, last = (min(round(at * rate), frames) for at in span_s)
        span = slice(first, max(last, first + 1))
        spare = len(SOUNDS) * frames * _BYTES
        made = {}
        try:
            with mixing.on_disk(self._folder, frames, 2, spare) as sums:
                for total, parts in zip(sums, sides, strict=True):
                    for part in parts:
                        mixing.add(total, part.path, part.gain_db, part.start_s, rate)
                pair = Pair(sums[0], sums[1], rate, middle_third(span))
                levels = pair.levels(span, pair.whole)
                gains = {"only": levels.only_db, "without": levels.without_db}
                for kind in SOUNDS:
                    path = self._folder / f"{name}-{kind}.wav"
                    with written(path) as part_path:
                        blocks = pair.sound(kind, pair.whole, levels)
                        audio.write_blocks(part_path, blocks, frames, 2, rate, "PCM_16")
                    gain_db = gains.get(kind) or 0.0
                    loud = levels.loudness_lufs if gains.get(kind, 0.0) is not None else None
                    made[kind] = Sound(str(path), gain_db, levels.down_db, loud, [])
                    self._keep(f"{name}-{kind}", made[kind])
        except OSError as error:
            raise failed(self._folder, error) from error
        self._make_room(*(f"{name}-{kind}" for kind in SOUNDS))
        return made

    def _keep(self, name: str, sound: Sound) -> None:
        with written(self._folder / f"{name}.json") as part_path:
            part_path.write_text(json.dumps(asdict(sound)))

    def _make_room(self, *latest: str) -> None:
        """Deletes what was used least lately, until the rest fits; never the latest."""
        with suppress(OSError):  # another process may be faster, or Windows holds a file open
            files = [(path, path.stat()) for path in self._folder.iterdir()]
            size = sum(status.st_size for _, status in files)
            for path, status in sorted(files, key=lambda one: one[1].st_mtime):
                if size <= MAX_BYTES:
                    return
                if path.stem not in latest:
                    path.unlink(missing_ok=True)
                    size -= status.st_size
