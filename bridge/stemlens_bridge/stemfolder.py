"""Which files of a folder are one session, and which file is which track.

A folder of exported stems is a session: each audio file is a stem whose id and name are the file's
name without its ending. A file whose whole name says that it is the mix ("mix", "master",
"mixdown" …) is the mix and never a stem, because it would count everything twice. Hidden files,
and what macOS and DAWs leave beside their exports, are passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stemlens_bridge.errors import StemlensError

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
    {"mix", "mixdown", "master", "mix master", "full mix", "stereo mix", "final mix", "2mix"}
)


def audio_files(folder: Path) -> list[Path]:
    """The audio files directly in a folder, in the order people count ("2 Bass" before "10 Pad").

    Raises `session_invalid` where the folder has none, `audio_missing` where it is not there.
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
    if not found:
        raise StemlensError(
            "session_invalid",
            f"The folder {folder} has no audio files. Export the tracks as separate files "
            f"({', '.join(ending[1:] for ending in AUDIO_ENDINGS)}) into it.",
        )
    return sorted(found, key=_counting_order)


def split_mix(files: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """The stems among `files`, and the mix if one of them is named as such."""
    mixes = [path for path in files if _words(path.stem) in MIX_NAMES]
    if len(mixes) > 1:
        names = ", ".join(path.name for path in mixes)
        raise StemlensError(
            "session_invalid",
            f"More than one file is named like a mix: {names}. Leave one of them.",
        )
    stems = [path for path in files if path not in mixes]
    return stems, mixes[0] if mixes else None


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


def _words(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _counting_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
