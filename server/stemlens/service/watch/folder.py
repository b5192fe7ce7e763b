"""Hears of changes in watched folders from the system, in the thread of an asyncio loop.

Where the system does not tell (network drives, the limits of inotify), the folders are looked at
each second instead. That it does not tell often shows late: watchdog says nothing of a subfolder
for which there is no watch left. So a look each 30 s finds what got lost, and where it finds
something, nothing is left to the system any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

POLL_S = 1.0
RESCAN_S = 30.0
LATE_S = 1.0  # watchdog waits for half a second for the other half of a rename


class Folders:
    """Watched folders; `on_change` is called in the loop for whatever happens in one of them."""

    def __init__(
        self, roots: Sequence[Path], on_change: Callable[[], None], *, polling: bool
    ) -> None:
        self._roots, self._on_change, self.polling = roots, on_change, polling
        self._loop = asyncio.get_running_loop()
        self._seen: list[tuple[int, int] | None] = [None] * len(roots)
        self._observer: BaseObserver | None = None
        self._stale = False
        self.listens = False
        """Whether the system was to tell of all that changed since the last look."""

    def patience_s(self) -> float:
        """After how long to look unasked. A folder that is new, or was made anew, is listened to
        from now on. To be called before each look; may take long on a network drive."""
        stale, self._stale = self._stale, False
        now = [_identity(root) for root in self._roots]
        self.listens = not (stale or self.polling or now != self._seen)
        if not self.listens and not self.polling:
            self._listen()
        self._seen = now
        return POLL_S if self.polling or None in now else RESCAN_S

    def close(self) -> None:
        """Hears nothing any more."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def poll(self, why: str) -> None:
        """Looks each second from now on."""
        log.warning("the system does not tell of changes (%s); looking each second", why)
        self.polling = True
        if self._observer is not None:
            self._observer.stop()

    def _listen(self) -> None:
        handler = _Handler(self._roots, self._tell, self._listen_anew)
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.start()
            self._observer.unschedule_all()
            for root in self._roots:
                if root.is_dir():
                    self._observer.schedule(handler, str(root), recursive=True)
        except OSError as error:
            self.poll(error.strerror or str(error))

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._on_change)

    def _listen_anew(self) -> None:
        self._stale = True


class _Handler(FileSystemEventHandler):
    """`gone` is called where a root itself was deleted or renamed: what is made in its place may
    have its number on the disk."""

    def __init__(
        self, roots: Sequence[Path], tell: Callable[[], object], gone: Callable[[], object]
    ) -> None:
        self._roots, self._tell, self._gone = {str(root) for root in roots}, tell, gone

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("deleted", "moved") and event.src_path in self._roots:
            self._gone()
        if event.event_type not in ("opened", "closed_no_write"):  # our own looks do that
            self._tell()


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
