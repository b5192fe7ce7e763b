"""The server's end of the worker process: gives it jobs and hears of them.

To the worker: `{"run": …}`, `{"cancel": job}`, `{"live": …}` (see `live_lane`), `{"trial": …}` (see
`trial_lane`). From it: `{"event": …, "job": …, …}` with the events "ready", "progress",
"revision", "done", "failed", "cancelled", "live", "trial". When the worker is gone the server hears
of it by `on_death`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from stemlens.service.child import Child

RESTART_PAUSE_S = 0.5


class WorkerLink(Child):
    """One worker process, replaced whenever it dies, until `stop`.

    `memory_gb` is what it may take (None: all there is). `on_event` is told what the worker says;
    `on_death` its exit code, and how many workers in a row have died before they were ready.
    """

    def __init__(
        self,
        device: str,
        memory_gb: float | None,
        on_event: Callable[[dict[str, Any]], None],
        on_death: Callable[[int, int], None],
    ) -> None:
        limit = [] if memory_gb is None else [str(memory_gb)]
        command = [sys.executable, "-m", "stemlens.service.worker_process", device, *limit]
        super().__init__("worker", command)
        self._on_event, self._on_death = on_event, on_death
        self._failed_starts = 0
        self._started = False
        self.ready = False
        """Whether there is a process that has started and can be given work."""

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            self.ready = self._started = True
        self._on_event(event)

    def _ended(self, code: int) -> float:
        self._failed_starts = 0 if self._started else self._failed_starts + 1
        self.ready = self._started = False
        return RESTART_PAUSE_S * self._failed_starts

    def _died(self, code: int) -> None:
        self._on_death(code, self._failed_starts)

    def replace(self) -> None:
        self.ready = False
        super().replace()
