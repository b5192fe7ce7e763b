"""Is what REAPER rendered what it was asked for? Looked at before anything is submitted.

Two ways in which a render goes wrong leave no other trace: a stem that was never written, and the
same sound in two files, because REAPER rendered the whole mix where it should have rendered one
track. Compared is the audio alone (the data chunk of a WAV file): the headers of equal renders
differ by their time stamps. Read is no more than it takes to tell the files apart.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from stemlens_bridge import wavefile
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session, Stem

BLOCK = 1 << 18  # bytes


@dataclass(frozen=True, slots=True)
class _Audio:
    stem: Stem
    start: int
    size: int
    float_samples: bool = False


def check(session: Session) -> list[tuple[str, str]]:
    """Warnings (code, sentence) about a bounce; raises `bounce_failed` for one that is no good."""
    wanted = [stem.path for stem in session.stems] + ([session.mix] if session.mix else [])
    lacking = [path.name for path in wanted if not os.path.isfile(path)]
    if lacking:
        raise StemlensError(
            "bounce_failed",
            f"REAPER did not write {len(lacking)} of {len(wanted)} files: {_listed(lacking)}. "
            "Render once by hand (File → Render) to see what REAPER says, then analyse again.",
        )
    try:
        groups = _equal([_audio(stem) for stem in session.stems])
        silent: list[list[str]] = []
        same: list[list[str]] = []
        for group in groups:
            (silent if _silent(group[0]) else same).append([audio.stem.name for audio in group])
    except OSError as error:
        raise StemlensError(
            "bounce_failed", f"{error.filename} cannot be read: {error.strerror}."
        ) from error
    if same:
        raise StemlensError(
            "bounce_failed",
            f"REAPER rendered exactly the same sound for {' and '.join(same[0][:5])}. Delete or "
            "mute a track that is there twice; if they are different tracks, look at the render "
            "settings (source: stems).",
        )
    return [
        ("silent_stems", f"{_listed(names)} are silent; they take no part.") for names in silent
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _audio(stem: Stem) -> _Audio:
    """Where the samples lie in a file; the whole of it where it is no WAV file."""
    with stem.path.open("rb") as file:
        whole = file.seek(0, 2)
        file.seek(0)
        try:
            found = wavefile.samples(file)
        except struct.error:
            found = None
    if found is None:
        return _Audio(stem, 0, whole)
    return _Audio(stem, found.start, found.size, found.kind == wavefile.FLOAT)


def _equal(audios: Sequence[_Audio]) -> list[list[_Audio]]:
    """The groups of two or more with the same samples: split block by block while any are alike."""
    by_size: dict[int, list[_Audio]] = {}
    for audio in audios:
        by_size.setdefault(audio.size, []).append(audio)
    found = []
    todo = [(0, group) for group in by_size.values() if len(group) > 1]
    while todo:
        at, group = todo.pop()
        if at >= group[0].size:
            found.append(group)
            continue
        parts: dict[bytes, list[_Audio]] = {}
        for audio in group:
            parts.setdefault(hashlib.sha256(_block(audio, at)).digest(), []).append(audio)
        todo += [(at + BLOCK, part) for part in parts.values() if len(part) > 1]
    return found


def _block(audio: _Audio, at: int) -> bytes:
    with audio.stem.path.open("rb") as file:
        file.seek(audio.start + at)
        return file.read(min(BLOCK, audio.size - at))


def _silent(audio: _Audio) -> bool:
    zeros = b"\0\x80" if audio.float_samples else b"\0"  # a float zero may be negative
    return not any(_block(audio, at).strip(zeros) for at in range(0, audio.size, BLOCK))
