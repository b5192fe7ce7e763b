"""The server's end of the worker process: starts it, gives it jobs, hears it, replaces it.

Both sides speak JSON, one object a line, over the worker's standard input and output. To the
worker: `{"run": …}`, `{"cancel": job}`, `{"live": …}` (see `live_lane`), `{"trial": …}` (see
`trial_lane`). From it: `{"event": …, "job": …, …}` with the events "ready", "progress",
"revision", "done", "failed", "cancelled", "live", "trial". When the server is gone its end of the
pipe closes, and the worker ends at once; when the worker is gone the server hears of it by
`on_death`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

MAX_LINE = 1 << 28  # a result with many stems has a few MB
RESTART_PAUSE_S = 0.5


class WorkerLink:
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
        self._command = [sys.executable, "-m", "stemlens.service.worker_process", device, *limit]
        self._on_event, self._on_death = on_event, on_death
        self._process: asyncio.subprocess.Process | None = None
        self._failed_starts = 0
        self._stopping = self._started = False
        self.ready = False
        """Whether there is a process that has started and can be given work."""

    async def run(self) -> None:
        """Keeps a worker alive; returns after `stop`."""
        while not self._stopping:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE,
                # A Ctrl-C in the terminal is for the server alone, which then ends the worker.
                start_new_session=sys.platform != "win32",
            )
            self._process = process
            if self._stopping:  # while it was being started
                process.kill()
            log.info("worker %d starts", process.pid)
            assert process.stdout is not None
            while line := await process.stdout.readline():
                self._hear(line)
            code = await process.wait()
            self._process = None
            self._failed_starts = 0 if self._started else self._failed_starts + 1
            self.ready = self._started = False
            if not self._stopping:
                log.warning("worker %d ended with code %s", process.pid, code)
                self._on_death(code, self._failed_starts)
                await asyncio.sleep(RESTART_PAUSE_S * self._failed_starts)

    def _hear(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:  # cut off, because the worker died while it wrote
            log.warning("the worker said something that cannot be understood: %r", line[:80])
            return
        if event["event"] == "ready":
            self.ready = self._started = True
        self._on_event(event)

    def send(self, command: dict[str, Any]) -> None:
        """Tells the worker something; lost where there is none."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def replace(self) -> None:
        """Ends the worker, whatever it does; another one starts."""
        self.ready = False
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ends the worker, whatever it does; `run` returns then."""
        self._stopping = True
        if self._process is not None:
            self._process.kill()
