"""Files that other machines sent: kept by their content, below one folder, within one size.

A file is named by its SHA-256 and its ending (`<64 hex digits>.wav`): who has the same file sends
nothing, and what is sent is only believed when it has the content that its name says. What has come
of a file that is not whole lies beside it as `.part` and is gone on with, even after days. When the
room ends, what was asked for longest ago goes first, but nothing that a job waits for, or that
somebody asked for within the hour: that may be for a session whose other files are on their way.

Sizes are bytes. Everything here blocks, and is used by any thread of one process.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stemlens.service import diskspace
from stemlens_bridge import writing
from stemlens_bridge.errors import StemlensError

PART = ".part"
NAME = re.compile(rf"([0-9a-f]{{64}})(?!\{PART})(\.[a-z0-9]{{1,5}})?")
BLOCK = 1 << 20
SPARED_S = 3600.0


def folder_of(data: Path) -> Path:
    """Where a server with this data folder keeps them."""
    return data / "uploads"


@dataclass(frozen=True, slots=True)
class Upload:
    """What there is of a file: so many bytes; whole or not; and where it is."""

    offset: int
    whole: bool
    path: str


class Uploads:
    """The folder of uploads. `needed` tells the paths that jobs still need."""

    def __init__(
        self, folder: Path, limit_gb: float, spare_gb: float, needed: Callable[[], set[str]]
    ) -> None:
        self._folder = folder
        self._limit = int(limit_gb * diskspace.GB)
        self._spare_gb = spare_gb
        self._needed = needed
        self._coming: dict[str, Coming] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def state(self, name: str) -> Upload:
        """What there is of a file; from now on it counts as asked for. Raises `upload_failed`."""
        path = self._path(name)
        for there, whole in ((path, True), (_part(path), False)):
            try:
                status = there.stat()
                # The time of its content stays: jobs know the file by that.
                os.utime(there, ns=(time.time_ns(), status.st_mtime_ns))
            except FileNotFoundError:
                continue
            return Upload(status.st_size, whole, str(path))
        return Upload(0, False, str(path))

    def begin(self, name: str, first: int, last: int, total: int) -> Coming:
        """Takes the bytes `first` to `last` of a file of `total` bytes; from 0 on always, in the
        place of what there was of it.

        Raises `upload_failed` where they are not what comes next, or someone else sends the same;
        `disk_full` where there is no room.
        """
        path = self._path(name)
        if not 0 <= first <= last < total:
            raise _failed(f"bytes {first}-{last} of {total} make no sense")
        with self._lock:
            there = self.state(name)
            if name in self._coming:
                raise _failed(f"{name} is being sent already; ask again in a moment")
            if there.whole or first not in (0, there.offset):
                raise _failed(f"{there.offset} bytes are there, and these begin at {first}")
            self._make_room(total - there.offset, {path.name, _part(path).name})
            try:
                coming = Coming(path, first, last + 1, total, self._closed)
            except OSError as error:
                raise writing.failed(path, error) from error
            self._coming[name] = coming
        return coming

    def _closed(self, name: str) -> None:
        with self._lock:
            self._coming.pop(name, None)

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise _failed(f"{name[:80]!r} is no SHA-256 with an ending like .wav")
        return self._folder / name

    def _make_room(self, size: int, spared: set[str]) -> None:
        """Room for so many bytes, beside what is still to come of other files."""
        if size > self._limit:
            raise StemlensError(
                "disk_full",
                f"The file has {size / diskspace.GB:.2f} GB and the server keeps "
                f"{self._limit / diskspace.GB:g} GB of uploads; allow more with --upload-gb.",
            )
        spared = spared | {Path(path).name for path in self._needed()}
        spared |= {_part(self._folder / name).name for name in self._coming}
        files = []
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # one that has become whole meanwhile
                files.append((entry.name, entry.stat()))
        size += sum(coming.left for coming in self._coming.values())
        taken = sum(status.st_size for _, status in files)
        free = (diskspace.free_gb(self._folder) - self._spare_gb) * diskspace.GB
        lately_ns = time.time_ns() - int(SPARED_S * 1e9)
        for name, status in sorted(files, key=lambda file: file[1].st_atime_ns):
            if taken + size <= self._limit and size <= free:
                return
            if name not in spared and status.st_atime_ns < lately_ns:
                with suppress(OSError):  # open elsewhere, on Windows
                    (self._folder / name).unlink()
                    taken -= status.st_size
                    free += status.st_size
        if taken + size > self._limit or size > free:
            raise StemlensError(
                "disk_full",
                "The server has no room for more uploads: what is there was asked for within the "
                "hour or a job waits for it, or the disk is full. Try again later, or allow more "
                "with --upload-gb.",
            )


class Coming:
    """A file, or the rest of one, on its way in: written by one sender, and closed in any case.

    `left`: how many bytes of the file are still to come.
    """

    def __init__(
        self, path: Path, first: int, end: int, total: int, on_closed: Callable[[str], None]
    ) -> None:
        self._path, self._at, self._end, self._total = path, first, end, total
        self._on_closed = on_closed
        self._hash = hashlib.sha256()
        self._file = _part(path).open("r+b" if first else "wb", buffering=0)
        self._unhashed = first

    @property
    def left(self) -> int:
        return self._total - self._at

    def _hash_what_was_there(self) -> None:
        while self._unhashed:
            block = self._file.read(min(BLOCK, self._unhashed))
            if not block:
                raise _failed("what had come is gone; send it again")
            self._hash.update(block)
            self._unhashed -= len(block)

    def write(self, data: bytes) -> None:
        """The next bytes; raises `upload_failed` for more than were announced, `disk_full`."""
        if self._at + len(data) > self._end:
            raise _failed("more bytes came than were announced")
        self._hash_what_was_there()
        rest = memoryview(data)
        while rest:
            try:
                written = self._file.write(rest)
            except OSError as error:
                raise writing.failed(self._path, error) from error
            self._hash.update(rest[:written])
            self._at += written
            rest = rest[written:]

    def close(self) -> Upload:
        """Keeps what has come, under its name once it is whole; raises `upload_failed` where its
        content is not what its name says: then nothing of it is kept."""
        part = _part(self._path)
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            if self._at < self._total:
                return Upload(self._at, False, str(self._path))
            if self._hash.hexdigest() != self._path.name[:64]:
                part.unlink()
                raise _failed("the content is not what its name says; send it again")
            os.replace(part, self._path)
            _keep_names(self._path.parent)
            return Upload(self._total, True, str(self._path))
        except OSError as error:
            raise writing.failed(self._path, error) from error
        finally:
            self._file.close()
            self._on_closed(self._path.name)


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _keep_names(folder: Path) -> None:
    """Makes sure that the names in a folder outlast a power cut, where the system lets one."""
    if sys.platform == "win32":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _failed(why: str) -> StemlensError:
    return StemlensError("upload_failed", f"The upload was not taken: {why}.")
