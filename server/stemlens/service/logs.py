"""The server's log: one file for the server and its processes, turned over before it grows large.

Every record is a line that begins with its time; what follows it (a traceback) begins with a bar.
Names and sentences come from clients and files, so control characters are written as escapes: no
name can forge a line, or tell the terminal anything.

`stemlens.log` is the latest, `stemlens.log.1` the one before, up to `FILES` of `FILE_BYTES` each.
A log that cannot be written is told once, and the server serves on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Protocol

import filelock
import platformdirs

from stemlens_bridge.terminal import plain

NAME = "stemlens.log"
FILE_BYTES, FILES = 5_000_000, 5
MAX_LINE = 4_000  # characters
FORMAT = "%(asctime)s %(levelname)s %(message)s"
OF_A_CHILD = "%(levelname)s %(message)s"  # the server's log has the time

log = logging.getLogger(__name__)


class Note(Protocol):
    """Writes a line to the file alone."""

    def __call__(self, told: str, level: int = ...) -> None: ...


def folder(named: Path | None, data: Path | None) -> Path:
    """Where the log is kept: in the folder named for it, or below the data folder where one was
    named (two servers have two logs), or where the system keeps logs."""
    if named is not None:
        return named.absolute()
    return data.absolute() / "logs" if data else Path(platformdirs.user_log_dir("stemlens"))


class Lines(logging.Formatter):
    """Records as lines that nothing in them can break."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record)]
        if record.exc_info:
            lines += [f"  | {line}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(map(_bounded, map(plain, lines)))


def _bounded(line: str) -> str:
    left = len(line) - MAX_LINE
    return line if left <= 0 else f"{line[:MAX_LINE]} … ({left} more characters)"


def to_terminal(form: str = FORMAT, least: int = logging.INFO) -> None:
    """Writes what is logged from now on, from that level on, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(form))
    handler.setLevel(least)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


@contextmanager
def kept(place: Path) -> Iterator[Note]:
    """Keeps the log in a folder too while the block runs, with the error that ends it. The block
    gets a way to note there what people are told otherwise."""
    file = _opened(place)

    def note(told: str, level: int = logging.INFO) -> None:
        if file is not None:
            file[0].handle(logging.LogRecord(__name__, level, "", 0, told, None, None))

    try:
        yield note
        note("the server ends")
    except Exception as error:
        note(f"the server ends: {error}", logging.ERROR)
        raise
    finally:
        if file is not None:
            logging.getLogger().removeHandler(file[0])
            file[0].close()
            file[1].release()


def current() -> str | None:
    """The file that is being written, if there is one."""
    handlers = logging.getLogger().handlers
    return next((one.baseFilename for one in handlers if isinstance(one, _File)), None)


def _opened(place: Path) -> tuple[_File, filelock.BaseFileLock] | None:
    path = place / NAME
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place / f"{NAME}.lock")
        lock.acquire(timeout=0)
        handler = _File(path)
    except filelock.Timeout:
        log.warning("another server keeps its log in %s; give this one a --log-dir", place)
        return None
    except OSError as error:
        _tell(path, error)
        return None
    logging.getLogger().addHandler(handler)
    return handler, lock


def _tell(path: Path, error: BaseException | None) -> None:
    why = getattr(error, "strerror", None) or error
    log.warning("the log %s cannot be written: %s; another folder: --log-dir", path, why)


class _File(RotatingFileHandler):
    """The file, and those before it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            maxBytes=FILE_BYTES,
            backupCount=FILES - 1,
            encoding="utf-8",
            errors="backslashreplace",
        )
        self.setFormatter(Lines(FORMAT))
        self._told = False

    def doRollover(self) -> None:
        """As it is; where it cannot be done (a file is open elsewhere, on Windows), the file grows
        until it can."""
        try:
            super().doRollover()
        except OSError as error:
            self._tell_once(error)
            if self.stream is not None and self.stream.closed:
                self.stream = None  # which is opened again for the next record

    def close(self) -> None:
        """As it is; what a full disk has not taken is lost."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Called where a record could not be written."""
        self._tell_once(sys.exception())

    def _tell_once(self, error: BaseException | None) -> None:
        if not self._told:
            self._told = True
            _tell(Path(self.baseFilename), error)
