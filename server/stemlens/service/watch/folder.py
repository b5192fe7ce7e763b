"""Hears of changes in watched folders from the system, in the thread of an asyncio loop.

Where the system does not tell (network drives, the limit of inotify), the folders are looked at
each second instead. Even where it tells, a look each 30 s finds what got lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

log = logging.getLogger(__name__)

POLL_S = 1.0
RESCAN_S = 30.0


class Folders:
    """Watched folders; `on_change` is called in the loop for whatever happens in one of them."""

    def __init__(
        self, roots: Sequence[Path], on_change: Callable[[], None], *, polling: bool
    ) -> None:
        self._roots, self._on_change, self._polling = roots, on_change, polling
        self._loop = asyncio.get_running_loop()
        self._seen: list[tuple[int, int] | None] = [None] * len(roots)
        self._observer = None if polling else Observer()
        if self._observer is not None:
            self._observer.start()

    def patience_s(self) -> float:
        """After how long to look unasked. A folder that is new, or was made anew, is listened to
        from now on. To be called before each look."""
        now = [_identity(root) for root in self._roots]
        if self._observer is not None and now != self._seen:
            self._listen()
        self._seen = now
        return POLL_S if self._observer is None or None in now else RESCAN_S

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _listen(self) -> None:
        assert self._observer is not None
        handler = _Handler(lambda: self._loop.call_soon_threadsafe(self._on_change))
        try:
            self._observer.unschedule_all()
            for root in self._roots:
                if root.is_dir():
                    self._observer.schedule(handler, str(root), recursive=True)
        except OSError as error:
            log.warning("the system does not tell of changes (%s); looking each second", error)
            self.close()
            self._observer = None


class _Handler(FileSystemEventHandler):
    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in ("opened", "closed_no_write"):  # our own looks do that
            self._tell()


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
