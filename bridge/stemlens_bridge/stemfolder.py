"""Which files of a folder are one session, and whether an export into it is finished.

A folder of exported stems is a session: each audio file is a stem whose id is the file's name
without its ending, and whose name is what `stemnames` makes of it. A file that is the mix by its
name ("mix", "master", "mixdown", Cubase's "Stereo Out" …) is never a stem, because it would count
everything twice; nor is what FL Studio writes of the track that happens to be selected. Hidden
files, and what macOS and DAWs leave beside their exports, are passed over.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.stemnames import track_names

AUDIO_ENDINGS = (
    ".wav",
    ".wave",
    ".bwf",
    ".rf64",
    ".flac",
    ".aif",
    ".aiff",
    ".aifc",
    ".ogg",
    ".mp3",
)
MIX_NAMES = frozenset(
    {
        *("mix", "mixdown", "master", "main", "mix master", "full mix", "stereo mix", "final mix"),
        *("2mix", "stereo out", "master out", "main out", "main mix", "bounce"),
    }
)
CURRENT = "current"  # FL Studio's extra file of the selected mixer track
SETTLE_S = 2.0
UNKNOWN_SIZE = 0xFFFFFFFF  # of a RIFF file that was streamed


@dataclass(frozen=True, slots=True)
class Export:
    """The files of one session: stems with their readable names, and the mix."""

    stems: tuple[Path, ...]
    names: tuple[str, ...]
    mix: Path | None


def audio_files(folder: Path) -> list[Path]:
    """The audio files directly in a folder, in the order people count ("2 Bass" before "10 Pad").

    Raises `audio_missing` for a folder that is not there, `audio_unreadable` for one that cannot be
    read.
    """
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in AUDIO_ENDINGS and not path.name.startswith(".")
        ]
    except FileNotFoundError as error:
        raise StemlensError("audio_missing", f"There is no folder {folder}.") from error
    except OSError as error:
        raise StemlensError(
            "audio_unreadable", f"The folder {folder} cannot be read: {error.strerror}."
        ) from error
    return sorted(found, key=_counting_order)


def sorted_out(files: Sequence[Path]) -> Export:
    """Stems, names and mix among the files of one export.

    Raises `session_invalid` where several files are named like a mix.
    """
    names = dict(zip(files, track_names(files), strict=True))
    mixes = [path for path in files if named_like_a_mix(path.stem) or named_like_a_mix(names[path])]
    if len(mixes) > 1:
        told = ", ".join(path.name for path in mixes)
        raise StemlensError(
            "session_invalid",
            f"More than one file is named like a mix: {told}. Leave one of them.",
        )
    selected = {path for path in files if mixes and _words(names[path]) == CURRENT}
    stems = [path for path in files if path not in selected.union(mixes)]
    return Export(tuple(stems), tuple(names[path] for path in stems), mixes[0] if mixes else None)


def named_like_a_mix(name: str) -> bool:
    """Whether a name is one that DAWs, and people, give to a bounce of the whole mix."""
    return _words(name) in MIX_NAMES


def stem_ids(files: Sequence[Path]) -> list[str]:
    """An id for each file: its name without the ending, with its folder where names would clash.

    Raises `session_invalid` where two files in one folder differ only in their endings: they are
    most likely the same stem twice.
    """
    names = Counter(path.stem for path in files)
    ids = [
        path.stem if names[path.stem] == 1 else f"{path.parent.name}/{path.stem}" for path in files
    ]
    clashes = [name for name, count in Counter(ids).items() if count > 1]
    if clashes:
        twice = [str(path) for path, own in zip(files, ids, strict=True) if own == clashes[0]]
        raise StemlensError(
            "session_invalid",
            f"{' and '.join(twice)} would both be the stem {clashes[0]!r}. "
            "Leave one of them, or rename one.",
        )
    return ids


class Settling:
    """Watches an export grow: it is finished when every file is complete and all have been quiet
    for a while.

    `since_s` is the time before which files count as old, so that a former export in the same
    folder is not taken for a new one; None takes whatever is there.
    """

    def __init__(
        self, folder: Path, settle_s: float = SETTLE_S, since_s: float | None = None
    ) -> None:
        self._folder, self._settle_s, self._since_s = folder, settle_s, since_s
        self._seen: dict[Path, tuple[int, float]] = {}
        self._quiet_since: float | None = None

    def look(self, now_s: float) -> list[Path] | None:
        """The files of a finished export, or None while there is none.

        `now_s` is any steadily rising time in seconds. Raises `audio_missing` or
        `audio_unreadable` where the folder is not there or cannot be read.
        """
        seen = {}
        for path in audio_files(self._folder):
            try:
                state = path.stat()
            except OSError:  # renamed or removed while the DAW writes
                continue
            if self._since_s is None or state.st_mtime >= self._since_s:
                seen[path] = (state.st_size, state.st_mtime)
        if seen != self._seen or self._quiet_since is None:
            self._seen, self._quiet_since = seen, now_s
        if not seen or now_s - self._quiet_since < self._settle_s:
            return None
        return list(seen) if all(map(complete, seen)) else None


def complete(path: Path) -> bool:
    """Whether a file has all that its header announces, as far as the first bytes tell."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            size = path.stat().st_size
    except OSError:
        return False
    if len(head) < 12:
        return False
    if head[:4] == b"RIFF":
        announced = struct.unpack("<I", head[4:8])[0]
        return announced == UNKNOWN_SIZE or 0 < announced <= size - 8
    if head[:4] == b"FORM":
        return size >= struct.unpack(">I", head[4:8])[0] + 8
    return True


def _words(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _counting_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
