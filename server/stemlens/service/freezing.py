"""A job's files as they are at one moment: sizes, times and hashes.

Taken at submit, so that an answer always belongs to what was handed over; compared before the work
begins. A file counts as unchanged when size and time are the same, and otherwise when its content
is (a DAW that touches files is no reason to complain).
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterable
from dataclasses import replace

from stemlens.service.places import Places
from stemlens.service.store import JobFile
from stemlens_bridge.errors import StemlensError

BLOCK = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)


def freeze(
    file: JobFile, stop: threading.Event | None = None, places: Places | None = None
) -> JobFile:
    """The file with its size, time and SHA-256; raises `audio_missing` or `audio_unreadable`.

    `places`: the folders outside which nothing is opened, and what a link led out of while it was
    opened is not read; raises `path_not_allowed`. Only regular files are opened: a pipe or a device
    would wait forever. Raises `cancelled` soon after `stop` is set.
    """
    if places is not None:
        places.check(file.path)
    try:
        # Without O_NONBLOCK, opening a pipe would already wait.
        descriptor = os.open(file.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StemlensError("audio_unreadable", f"{file.path} is not a file.")
            if places is not None:
                places.require_inside(file.path, opened.fileno())
            digest = hashlib.sha256()
            while block := opened.read(BLOCK):
                if stop is not None and stop.is_set():
                    raise StemlensError("cancelled", "The job was cancelled.")
                digest.update(block)
    except FileNotFoundError as error:
        raise StemlensError(
            "audio_missing", f"There is no file {file.path} for the stem {file.name!r}."
        ) from error
    except OSError as error:
        raise StemlensError(
            "audio_unreadable", f"{file.path} cannot be read: {error.strerror}."
        ) from error
    return replace(
        file, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest.hexdigest()
    )


def is_unchanged(frozen: JobFile, places: Places, stop: threading.Event | None = None) -> bool:
    """Whether the file still is what it was, and where it may be; raises as `freeze` does."""
    places.check(frozen.path)
    try:
        status = os.stat(frozen.path)
    except OSError:
        status = None
    if status and (status.st_size, status.st_mtime_ns) == (frozen.size, frozen.mtime_ns):
        return True
    return freeze(frozen, stop, places).sha256 == frozen.sha256


def require_unchanged(files: Iterable[JobFile], places: Places) -> None:
    """Raises `files_changed` for the first file that is not what was submitted, `path_not_allowed`
    for one that leads elsewhere by now."""
    for file in files:
        if not is_unchanged(file, places):
            raise StemlensError(
                "files_changed",
                f"{file.path} has changed since it was submitted. Submit the session again under "
                "a new job id.",
            )
