"""One agent for each mailbox: a lock that the system gives back when its holder dies, however."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from stemlens_bridge.writing import failed


class Lock:
    """The right to serve a mailbox. The system gives it back when its holder dies, however."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def taken(self) -> bool:
        """Takes the lock if it is free; the process id of its holder is in the file.

        Raises `output_failed` or `disk_full` where the file cannot be written.
        """
        try:
            file = self._path.open("a+", encoding="ascii")
            if not _locked(file):
                file.close()
                return False
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        except OSError as error:
            raise failed(self._path, error) from error
        self._file = file
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _locked(file: IO[str]) -> bool:
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # beyond the process id, which others may read
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        file.seek(0)
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
