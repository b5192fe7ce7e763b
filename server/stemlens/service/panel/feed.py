"""What the server does now: a thread that listens to it and remembers the latest of each job.

It subscribes over OSC on TCP, renews that each minute, and connects again by itself. What was
missed meanwhile is in the database, so pages only look whether `version` has moved.
"""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import Link, connect
from stemlens_bridge.protocol import (
    FINAL_STATES,
    JobCancel,
    JobFirst,
    JobProgress,
    Message,
    Ping,
    Subscribe,
)

RENEW_S = 60.0
PING_S, SILENT_S = 2.0, 6.0
RETRY_S = 0.5


class Feed:
    """The connection of the panel to its server.

    `connected` says whether the server answers, `progress` is the latest word of each job at work,
    `version` counts changes. Only the thread writes them.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._out: SimpleQueue[Message] = SimpleQueue()
        self.connected = False
        self.version = 0
        self.progress: dict[str, JobProgress] = {}
        threading.Thread(target=self._run, name="panel feed", daemon=True).start()

    def cancel(self, job: str) -> None:
        """Asks the server to cancel a job; its answer comes as a change."""
        self._out.put(JobCancel(job))

    def put_first(self, job: str) -> None:
        """Asks the server to do a job before all that wait."""
        self._out.put(JobFirst(job))

    def _run(self) -> None:
        while True:
            try:
                link = connect(self._server, "tcp")
            except StemlensError:
                self._turn(False)
                time.sleep(RETRY_S)
                continue
            try:
                self._listen(link)
            finally:
                link.close()
            self._turn(False)  # a server that is held up still lets connect

    def _listen(self, link: Link) -> None:
        """Until the server has been silent for too long."""
        heard = time.monotonic()
        renew = ping = 0.0
        while (now := time.monotonic()) - heard < SILENT_S:
            if now >= renew:
                link.send(Subscribe(0))
                renew = now + RENEW_S
            if now >= ping:
                link.send(Ping())
                ping = now + PING_S
            with contextlib.suppress(Empty):
                link.send(self._out.get_nowait())
            came = link.receive(0.1)
            if came:
                heard = time.monotonic()
                self._turn(True)
            for message in came:
                self._take(message)

    def _turn(self, connected: bool) -> None:
        if connected != self.connected:
            self.connected = connected
            self.version += 1

    def _take(self, message: Message) -> None:
        job = getattr(message, "job", "")
        if not job:
            return
        if isinstance(message, JobProgress):
            self.progress[job] = message
        elif getattr(message, "state", "") in FINAL_STATES:
            self.progress.pop(job, None)
        self.version += 1
