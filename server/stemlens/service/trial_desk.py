"""The server's side of trials, suggestions and explanations: who asked for what, how far it is, who
is told.

A request is known by its job and the id that its client chose. The same request again is answered
with where it stands, or with all that came of it, also by a server that was restarted: what is done
is in the store. A worker that dies over a request is replaced and the request tried again, once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stemlens.edits import promise
from stemlens.explain.passage import require_tag
from stemlens.service.delivery import explanation_messages, split, trial_messages
from stemlens.service.replies import Replies
from stemlens.service.store import Store
from stemlens.service.transport import Peer
from stemlens_bridge import jsontext, schemas
from stemlens_bridge.edits import (
    ExplainOptions,
    SuggestOptions,
    TryOptions,
    edits_from_json,
    require_request,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    Explain,
    Kept,
    Message,
    Suggest,
    TrialCancel,
    TrialDone,
    TrialFailed,
    TrialProgress,
    Try,
    Verified,
    Verify,
)

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
MAX_WAITING = 100
TELL_EVERY_S = 0.7
SUBMITTED = ("queued", "running", "done")

Key = tuple[str, str]


@dataclass(slots=True)
class _Request:
    """A request that the worker has, or will get when there is one. `asked` is what it was asked,
    to be compared; `command` what the worker is told."""

    number: int
    peer: Peer
    asked: str
    command: dict[str, Any]
    tags: int
    begun: bool = False
    attempts: int = 0
    stage: str = "waiting"
    fraction: float = 0.0
    told: float = field(default_factory=time.monotonic)


class TrialDesk:
    """`send` tells the worker something; `spec` makes a job's command for it; files of requests go
    below the folder `results`; `refresh` is told a job whose result has new trials."""

    def __init__(
        self,
        store: Store,
        replies: Replies,
        send: Callable[[dict[str, Any]], None],
        spec: Callable[[str], dict[str, Any]],
        results: Path,
        refresh: Callable[[str], None],
    ) -> None:
        self._store, self._replies = store, replies
        self._send, self._spec = send, spec
        self._results, self._refresh = results, refresh
        self._requests: dict[Key, _Request] = {}
        self._number = 0
        self._worker_ready = False

    # ------------------------------------------------------------------ what clients say

    def ask_to_try(self, message: Try, peer: Peer) -> None:
        """Takes edits to try; refuses by `/stemlens/trial/failed`."""

        def check() -> tuple[dict[str, Any], int]:
            edits_from_json(message.edits)
            options = TryOptions.from_json(message.options)
            return {"kind": "try", "edits": message.edits}, options.tags

        self._take(message, peer, check)

    def ask_to_suggest(self, message: Suggest, peer: Peer) -> None:
        """Takes a goal to look for; refuses by `/stemlens/trial/failed`."""

        def check() -> tuple[dict[str, Any], int]:
            options = SuggestOptions.from_json(message.options)
            steering = _steering(self._store.result(message.job))
            return {"kind": "suggest", "goal": message.goal, "steering": steering}, options.tags

        self._take(message, peer, check)

    def ask_to_explain(self, message: Explain, peer: Peer) -> None:
        """Takes a tag to make audible; refuses by `/stemlens/trial/failed`."""

        def check() -> tuple[dict[str, Any], int]:
            ExplainOptions.from_json(message.options)
            found = self._store.result(message.job)
            if found is None or self._store.known(message.job).state != "done":
                raise StemlensError(
                    "trial_impossible",
                    f"The job {message.job!r} is not analysed yet, and what makes a tag is in the "
                    "analysis. Ask again when it is done.",
                )
            tag = require_tag(message.tag, found[0]["tagger"]["tags"])
            return {"kind": "explain", "tag": tag, "result": found[1]}, 0

        self._take(message, peer, check)

    def _take(
        self,
        message: Try | Suggest | Explain,
        peer: Peer,
        check: Callable[[], tuple[dict[str, Any], int]],
    ) -> None:
        answers = self._replies.named(peer, message.reply_port)
        key = message.job, message.request
        try:
            require_request(message.request)
            job = self._store.known(message.job)
            asked = json.dumps([message.address, _given(message), message.options])
            done = self._store.trial(*key)
            waiting = self._requests.get(key)
            if (waiting and waiting.asked != asked) or (done and done.asked != asked):
                raise StemlensError(
                    "job_exists",
                    f"The request {message.request!r} was something else; choose another id.",
                )
            if done is not None:
                self._deliver(key, done.document, done.path, done.tags, answers)
                return
            if waiting is not None:
                waiting.peer = answers
                self._tell_progress(key, waiting)
                return
            if job.state not in SUBMITTED:
                raise StemlensError(
                    "trial_impossible",
                    f"The job {message.job!r} is {job.state}, so nothing can be tried on it. "
                    "Submit the session (again) first.",
                )
            self._store.result(message.job)  # trials are kept in it, so it must be readable
            if len(self._requests) >= MAX_WAITING:
                raise StemlensError(
                    "trial_impossible",
                    f"{MAX_WAITING} requests wait already; ask again when some are done.",
                )
            own, tags = check()
            self._number += 1
            command = {
                "number": self._number,
                "request": message.request,
                "wanted": message.options,
                "folder": str(self.folder(*key)),
                **own,
            }
            request = self._requests[key] = _Request(self._number, answers, asked, command, tags)
            self._tell_progress(key, request)
            self._begin(key, request)
        except StemlensError as error:
            failed = TrialFailed(*key, error.code, error.message)
            answers.send(failed.encode())

    def cancel(self, message: TrialCancel, peer: Peer) -> None:
        """Gives a request up."""
        key = message.job, message.request
        request = self._requests.pop(key, None)
        if request is not None and request.begun:
            self._send({"trial": {"cancel": request.number}})
        failed = TrialFailed(*key, "cancelled", "The request was cancelled.")
        peer.send(failed.encode())

    def verify(self, message: Verify, peer: Peer) -> None:
        """Compares a trial with a new bounce."""
        answers = self._replies.named(peer, message.reply_port)
        try:
            done = self._store.trial(message.before, message.request)
            if done is None or done.document["schema"] != schemas.TRIALS:
                raise StemlensError(
                    "trial_unknown",
                    f"Nothing was tried as {message.request!r} on the job {message.before!r}.",
                )
            found = self._store.result(message.job)
            if found is None or self._store.known(message.job).state != "done":
                raise StemlensError(
                    "trial_impossible", f"The new bounce {message.job!r} is not analysed yet."
                )
            result = found[0]
            scores = {tag["tag"]: tag["score"] for tag in result["tags"]}
            promises = promise.promises(
                done.document, message.rank, result["tagger"]["name"], scores
            )
            rows = [
                Kept(it.tag, it.promised, it.low, it.high, it.real, int(it.held)) for it in promises
            ]
            empty = Verified(
                message.job,
                message.before,
                message.request,
                message.rank,
                promise.sentence(promises),
            )
            answers.send(replace(empty, tags=split(empty, "tags", rows)[0]).encode())
        except StemlensError as error:
            failed = TrialFailed(message.job, message.request, error.code, error.message)
            answers.send(failed.encode())

    def jobs(self) -> set[str]:
        """The jobs on which something is being tried."""
        return {job for job, _ in self._requests}

    # ------------------------------------------------------------------ what the worker says

    def on_ready(self) -> None:
        """There is a worker: gives it what waits."""
        self._worker_ready = True
        for key, request in list(self._requests.items()):
            if not request.begun:
                self._begin(key, request)

    def on_death(self) -> None:
        """The worker is gone: what it had is asked of the next one, but not forever."""
        self._worker_ready = False
        for key, request in list(self._requests.items()):
            if request.begun and request.attempts >= MAX_ATTEMPTS:
                self._fail(
                    key,
                    "worker_died",
                    "The process that tries edits died over this request, most likely for want of "
                    "memory. Bounce fewer stems, or a shorter passage.",
                )
            request.begun = False

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Keeps and passes on what the worker says of a request."""
        key = event["job"], event["request"]
        request = self._requests.get(key)
        if request is None or request.number != event["number"]:
            return
        if event["what"] == "progress":
            request.stage, request.fraction = event["stage"], event["fraction"]
            self._tell_progress(key, request)
        elif event["what"] == "failed":
            self._fail(key, event["code"], event["message"])
        else:
            self._finish(key, request, event["document"])

    def tick(self) -> None:
        """Repeats the progress of what has been quiet for a while."""
        for key, request in self._requests.items():
            if time.monotonic() - request.told >= TELL_EVERY_S:
                self._tell_progress(key, request)

    # ------------------------------------------------------------------ inside

    def _begin(self, key: Key, request: _Request) -> None:
        if not self._worker_ready:
            return
        try:
            spec = self._spec(key[0])
        except StemlensError as error:
            self._fail(key, error.code, error.message)
            return
        request.begun = True
        request.attempts += 1
        self._send({"trial": {"ask": {**spec, **request.command}}})

    def _finish(self, key: Key, request: _Request, document: dict[str, Any]) -> None:
        folder = self.folder(*key)
        name = "explanation" if document["schema"] == schemas.EXPLANATION else "trials"
        path = folder / f"{name}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            jsontext.write(path, document)
        except OSError as error:
            self._fail(key, "output_failed", f"{path} cannot be written: {error.strerror}.")
            return
        except StemlensError as error:
            self._fail(key, error.code, error.message)
            return
        self._store.keep_trial(*key, request.asked, document, str(path), request.tags)
        del self._requests[key]
        self._refresh(key[0])
        self._deliver(key, document, str(path), request.tags, request.peer)

    def _deliver(
        self, key: Key, document: dict[str, Any], path: str, tags: int, peer: Peer
    ) -> None:
        messages: list[Message] = []
        if document["schema"] == schemas.EXPLANATION:
            messages += explanation_messages(*key, document)
        else:
            messages += trial_messages(*key, document, tags)
        self._send_all(peer, [*messages, TrialDone(*key, path, len(messages))])

    def _send_all(self, peer: Peer, messages: list[Message]) -> None:
        for message in messages:
            peer.send(message.encode())

    def _fail(self, key: Key, code: str, message: str) -> None:
        request = self._requests.pop(key, None)
        if request is not None:
            log.info("the request %s: %s", key, message)
            request.peer.send(TrialFailed(*key, code, message).encode())

    def _tell_progress(self, key: Key, request: _Request) -> None:
        request.told = time.monotonic()
        progress = TrialProgress(*key, request.stage, request.fraction)
        request.peer.send(progress.encode())

    def folder(self, *key: str) -> Path:
        """A folder for a request's files; ids are clients' text and may be no file names."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", key[1]).strip("-")[:30] or "request"
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
        return self._results / "trials" / f"{plain}-{digest}"


def _given(message: Try | Suggest | Explain) -> str:
    """What a request is about."""
    if isinstance(message, Try):
        return message.edits
    return message.goal if isinstance(message, Suggest) else message.tag


def _steering(found: tuple[dict[str, Any], str] | None) -> dict[str, dict[str, float]] | None:
    """How much each stem does to each tag, by tag and stem, from a job's result so far."""
    if found is None:
        return None
    return {
        tag["tag"]: {
            share["stem"]: max(abs(share["value"]), abs(share["mute"] or 0.0))
            for share in tag["attributions"]
        }
        for tag in found[0]["tags"]
    }
