"""One question (what to change, did a promise hold, what makes a tag), told in the mailbox.

Each has a thread of its own, because the answer takes a while. What is known of it is one record,
rewritten whole: `state` (running, done, failed, cancelled), `stage` and `fraction` on the way, then
`found`, or `code` and `message`. A request's id makes asking harmless: the server answers the same
request again by what it knows, so a script that lost its agent simply asks the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from stemlens_bridge import whysounds
from stemlens_bridge.edits import ExplainOptions, SuggestOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper.job import CANCEL_PATIENCE_S, TELL_EVERY_S, aside
from stemlens_bridge.reaper.mailbox import Mailbox
from stemlens_bridge.trials import OnProgress, TrialsClient

log = logging.getLogger(__name__)

Ask = Callable[[TrialsClient, OnProgress], Mapping[str, Any]]


def suggestions(job: str, request: str, goal: str, options: SuggestOptions) -> Ask:
    """Asks for edits that bring a job's mix nearer to a goal: schema `stemlens.tried/1`."""

    def ask(client: TrialsClient, on_progress: OnProgress) -> Mapping[str, Any]:
        return client.suggested(job, goal, options, request, on_progress).to_dict()

    return ask


def explanation(job: str, request: str, tag: str, options: ExplainOptions) -> Ask:
    """Asks what makes a job's mix sound like a tag: schema `stemlens.explained/1`."""

    def ask(client: TrialsClient, on_progress: OnProgress) -> Mapping[str, Any]:
        return whysounds.named(client.explained(job, tag, options, request, on_progress))

    return ask


def verification(job: str, before: str, request: str, rank: int) -> Ask:
    """Asks whether what was promised of the job `before` holds in the new bounce `job`."""

    def ask(client: TrialsClient, on_progress: OnProgress) -> Mapping[str, Any]:
        return asdict(client.verified(job, before, request, rank))

    return ask


class Inquiry:
    """One question; `ask` puts it to the server and returns the answer as plain data."""

    def __init__(
        self,
        mailbox: Mailbox,
        server: tuple[str, int],
        transport: str,
        job: str,
        request: str,
        ask: Ask,
    ) -> None:
        self.job, self.request = job, request
        self._mailbox = mailbox
        self._server, self._transport = server, transport
        self._ask = ask
        self._state: dict[str, Any] = {"job": job, "request": request, "state": "running"}
        self._lock = threading.Lock()
        self._told = 0.0
        self._unwritten = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ask {request}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.is_set()

    @property
    def settled(self) -> bool:
        """Whether it has ended and the mailbox says so."""
        return self._ended.is_set() and not self._unwritten

    def start(self) -> None:
        """Tells that it is under way, and sets off."""
        self._tell("asking", 0.0)
        self._thread.start()

    def cancel(self) -> None:
        """Ends it here at once, and at the server as soon as that hears of it."""
        self._end("cancelled")
        aside(self._cancel_at_server)

    def watch(self) -> None:
        """To be called once a second: tells what found no room on the disk before."""
        if self._unwritten:
            with self._lock:
                self._write()

    def _run(self) -> None:
        try:
            with TrialsClient(self._server, self._transport) as client:
                found = self._ask(client, self._tell)
            self._end("done", found=found)
        except StemlensError as error:
            log.info("%s: %s [%s]", self.request, error, error.code)
            if error.code == "cancelled":
                self._end("cancelled")
            else:
                self._end("failed", code=error.code, message=error.message)
        except Exception as error:
            log.exception("%s", self.request)
            message = f"Something went wrong in the bridge ({error}); its log says more."
            self._end("failed", code="internal", message=message)

    def _cancel_at_server(self) -> None:
        with TrialsClient(self._server, self._transport) as client:
            client.cancel(self.job, self.request, CANCEL_PATIENCE_S)

    def _tell(self, stage: str, fraction: float) -> None:
        """Tells how far it is: a new stage at once, else now and then."""
        with self._lock:
            now = time.monotonic()
            due = stage != self._state.get("stage") or now - self._told >= TELL_EVERY_S
            if due and not self._ended.is_set():
                self._state |= {"stage": stage, "fraction": fraction}
                self._told = now
                self._write()

    def _end(self, state: str, **more: Any) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._state |= {**more, "state": state}
                self._write()
                self._ended.set()

    def _write(self) -> None:
        try:
            self._mailbox.write_trial(self.request, self._state)
            self._unwritten = False
        except StemlensError as error:
            if not self._unwritten:
                log.error("%s", error)
            self._unwritten = True
