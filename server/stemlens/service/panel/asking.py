"""What pages have asked the server to try: each request in a thread of its own, with its progress.

Requests belong to the panel and not to a page, so that a page that is loaded anew, or a second one,
shows the same and can give up the same. What comes of them is in the server's database.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.trials import OnProgress, TrialsClient, new_request_id


class Ask(Protocol):
    """Asks over a client, and returns when all that came of it is at the server."""

    def __call__(self, client: TrialsClient, *, request: str, on_progress: OnProgress) -> object:
        pass


@dataclass(slots=True, eq=False)
class Request:
    """One request and how far it is. `words` say what it is about, `error` why nothing came of it;
    `ended` comes last."""

    job: str
    words: str
    stage: str = "waiting"
    fraction: float = 0.0
    stopping: bool = False
    error: str = ""
    ended: bool = False

    def stop(self) -> None:
        """Gives it up, with the next word of its progress, which comes once a second."""
        self.stopping = True


class _Stopped(Exception):
    """Nobody wants it any more."""


class Requests:
    """All requests to the server that listens at `osc`, those that ended well left out."""

    def __init__(self, osc: tuple[str, int]) -> None:
        self._osc = osc
        self._lock = threading.Lock()
        self._all: list[Request] = []

    def of(self, job: str) -> list[Request]:
        """Those about a job that are at work, or came to nothing; in the order they were asked."""
        with self._lock:
            return [one for one in self._all if one.job == job]

    def begin(self, job: str, words: str, ask: Ask) -> None:
        """Asks; the job's requests that came to nothing are forgotten."""
        asked = Request(job, words)
        with self._lock:
            self._all = [one for one in self._all if one.job != job or not one.ended]
            self._all.append(asked)
        threading.Thread(target=self._run, args=(asked, ask), daemon=True).start()

    def forget(self, asked: Request) -> None:
        """Shows it no longer."""
        with self._lock:
            self._all = [one for one in self._all if one is not asked]

    def _run(self, asked: Request, ask: Ask) -> None:
        own = new_request_id()

        def on_progress(stage: str, fraction: float) -> None:
            if asked.stopping:
                raise _Stopped
            asked.stage, asked.fraction = stage, fraction

        try:
            with TrialsClient(self._osc, "tcp") as client:
                try:
                    ask(client, request=own, on_progress=on_progress)
                except _Stopped:
                    client.cancel(asked.job, own)
                    asked.error = "You gave it up."
        except StemlensError as error:
            asked.error = error.message
        finally:
            asked.ended = True
            if not asked.error:
                self.forget(asked)
