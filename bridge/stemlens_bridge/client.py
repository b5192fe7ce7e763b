"""Submits a session to the server, follows the job and collects every message of its result.

Over UDP anything may be lost, doubled or out of order, so nothing is taken on trust: each request
is repeated until its acknowledgement comes, a submit that lacks stems makes all of them be sent
again, silence makes the client ask for the job's state, and a result is complete only when the seq
of its messages run from 1 to the number that ends the revision; what is missing is asked for by
number. Over TCP the same steps simply never fail.

A server that restarts meanwhile is waited for: it keeps what it acknowledged.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import Link, connect
from stemlens_bridge.protocol import (
    FINAL_STATES,
    MAX_JOB_ID,
    Annotation,
    Attributions,
    Error,
    Health,
    Healthy,
    JobCancel,
    JobDone,
    JobMix,
    JobOpen,
    JobProgress,
    JobResults,
    JobRevision,
    JobState,
    JobStatus,
    JobStem,
    JobSubmit,
    Marker,
    Message,
    Options,
    Ping,
    Pong,
    TagScore,
    Verdict,
    Warning_,
)
from stemlens_bridge.session import Session

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 2.0
PATIENCE_S = 10.0  # for the first answer of a server
LOYALTY_S = 60.0  # for a server that has acknowledged the job and fell silent
ASK_AFTER_S = 2.0  # silence after which the state is asked for: progress comes once a second
SETTLE_S = 0.15  # silence after which what has not come is taken as lost
SEQS_PER_REQUEST = 200
MISSING_ROUNDS = 100  # how often all stems are sent again before something else must be wrong

ResultMessage = TagScore | Attributions | Annotation | Marker | Verdict
Kind = TypeVar("Kind", bound=Message)


@dataclass(slots=True)
class Results:
    """What the server sent for a job: the messages of its last revision, in the order of seq."""

    job: str
    revision: int = 0
    path: str = ""
    messages: dict[int, ResultMessage] = field(default_factory=dict)
    warnings: list[Warning_] = field(default_factory=list)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All messages of one kind."""
        return [m for _, m in sorted(self.messages.items()) if isinstance(m, kind)]

    def to_dict(self) -> dict[str, Any]:
        """Everything that came over OSC, as JSON's dict (schema `stemlens.messages/1`)."""
        return {
            "schema": "stemlens.messages/1",
            "job": self.job,
            "revision": self.revision,
            "path": self.path,
            "tags": [asdict(message) for message in self.of(TagScore)],
            "attributions": [asdict(message) for message in self.of(Attributions)],
            "annotations": [asdict(message) for message in self.of(Annotation)],
            "markers": [asdict(message) for message in self.of(Marker)],
            "verdicts": [asdict(message) for message in self.of(Verdict)],
            "warnings": [asdict(message) for message in self.warnings],
        }


def new_job_id(project: str) -> str:
    """A job id that no other job has, with the project's name in front for people."""
    return f"{project[: MAX_JOB_ID - 9]}-{uuid.uuid4().hex[:8]}"


class Client:
    """One server, reached over one link; `transport` is "udp" or "tcp". A key that
    the server may want is the user's (`keys.of_user`).

    A context manager. All methods block; they are made for a process beside the DAW, never for
    the DAW's own user-interface thread.
    """

    def __init__(self, server: tuple[str, int], transport: str = "udp") -> None:
        self._link: Link = connect(server, transport)
        self._places: Mapping[Path, str] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def ping(self, patience_s: float = 3.0) -> Pong:
        """The server's versions; raises `server_unreachable` after `patience_s`."""
        return self._asked(Ping(), Pong, patience_s)

    def health(self, patience_s: float = 3.0) -> dict[str, Any]:
        """How the server is, as `/stemlens/healthy` tells; raises `server_unreachable`."""
        report: dict[str, Any] = json.loads(self._asked(Health(), Healthy, patience_s).report)
        return report

    def _asked(self, question: Message, answer: type[Kind], patience_s: float) -> Kind:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            self._link.send(question)
            until = time.monotonic() + FIRST_RETRY_S
            while (left := until - time.monotonic()) > 0:  # whatever else comes
                for message in self._link.receive(left):
                    if isinstance(message, answer):
                        return message
        raise self._link.unanswered()

    def submit(
        self,
        session: Session,
        options: Options,
        job: str,
        places: Mapping[Path, str] = MappingProxyType({}),
    ) -> JobState:
        """Hands a session to the server; returns when the server has promised to do it.

        `places`: where the server has the files that it does not have where we have them; what it
        says of one names ours.

        Raises `server_unreachable`, `server_stopped` or what the server objects to.
        """
        self._places = places
        opening = JobOpen(job, session.daw, session.project, 0, options.to_json())
        state = self._until_acknowledged(job, opening, lambda state: True)
        stems = [
            JobStem(
                job,
                stem.id,
                stem.name,
                places.get(stem.path, str(stem.path)),
                stem.gain_db,
                json.dumps(stem.told_facts),
            )
            for stem in session.stems
        ]
        mix = session.mix
        mixes = [JobMix(job, places.get(mix, str(mix)))] if mix else []

        def send_stems() -> None:
            for message in [*stems, *mixes]:
                self._link.send(message)

        if state.state == "open":
            send_stems()
        else:  # it was submitted before; the server says if it was another session
            for message in [*stems, *mixes]:
                self._until_acknowledged(job, message, lambda state: True)
        submission = JobSubmit(job, len(stems), len(mixes))
        return self._until_acknowledged(
            job, submission, lambda state: state.state != "open", on_missing=send_stems
        )

    def _until_acknowledged(
        self,
        job: str,
        request: Message,
        accept: Callable[[JobState], bool],
        on_missing: Callable[[], None] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> JobState:
        retry_s = FIRST_RETRY_S
        heard = None
        rounds = 0
        started = time.monotonic()
        self._link.receive(0)  # what came before can be no answer
        while True:
            self._link.send(request)
            until = time.monotonic() + retry_s
            retry_s = min(2 * retry_s, LAST_RETRY_S)
            while (left := until - time.monotonic()) > 0:
                for message in self._receive(left):
                    if getattr(message, "job", None) != job:
                        continue
                    heard = time.monotonic()
                    if isinstance(message, JobState) and accept(message):
                        return message
                    if isinstance(message, Error):
                        rounds += 1
                        known = message.code == "missing_stems" and on_missing is not None
                        if not known or rounds > MISSING_ROUNDS:
                            raise StemlensError.told(message.code, message.message)
                        assert on_missing is not None
                        on_missing()
                        until = 0.0  # and submit again at once
            if heard is None and time.monotonic() - started > patience_s:
                raise self._link.unanswered()
            if heard is not None and time.monotonic() - heard > LOYALTY_S:
                raise _stopped(job)

    def _receive(self, timeout_s: float) -> list[Message]:
        """What has come, with the names that files have here."""
        return [
            replace(message, message=self._named_as_here(message.message))
            if isinstance(message, Error | Warning_)
            else message
            for message in self._link.receive(timeout_s)
        ]

    def _named_as_here(self, sentence: str) -> str:
        for path, place in self._places.items():
            sentence = sentence.replace(place, str(path))
        return sentence

    def cancel(self, job: str, patience_s: float = PATIENCE_S) -> JobState:
        """Cancels a job; returns its final state."""
        return self._until_acknowledged(
            job,
            JobCancel(job),
            lambda state: state.state in FINAL_STATES,
            patience_s=patience_s,
        )

    def follow(
        self,
        job: str,
        on_progress: Callable[[str, float], None] = lambda stage, fraction: None,
        on_revision: Callable[[Results], None] = lambda results: None,
    ) -> Results:
        """Waits for a submitted job and collects its result, whole.

        `on_revision` is shown what is known before the last: each is complete and better than the
        one before. Over UDP one may be left out.

        Raises the error with which the job failed, `cancelled`, or `server_stopped` when the
        server has been silent for a minute.
        """
        results = Results(job)
        expected: int | None = None
        done = False
        heard = time.monotonic()
        asked = heard
        self._link.send(JobStatus(job))
        while expected is None or len(results.messages) < expected:
            came = [
                message
                for message in self._receive(SETTLE_S)
                if getattr(message, "job", None) == job
            ]
            now = time.monotonic()
            if came:
                heard = now
            for message in came:
                ended = _collect(results, message, on_progress)
                if ended is not None:
                    expected = ended
                if isinstance(message, JobRevision) and _is_whole(results, message):
                    on_revision(results)
                if isinstance(message, JobState) and message.state in FINAL_STATES and not done:
                    done = message.state == "done"
                    if not done:
                        self._link.send(JobStatus(job))  # answered with the reason
            if now - heard > LOYALTY_S:
                raise _stopped(job)
            if expected is not None and now - max(heard, asked) >= SETTLE_S:
                missing = sorted(set(range(1, expected + 1)) - set(results.messages))
                for start in range(0, len(missing), SEQS_PER_REQUEST):
                    seqs = tuple(missing[start : start + SEQS_PER_REQUEST])
                    self._link.send(JobResults(job, results.revision, seqs))
                asked = now
            elif done and expected is None and now - heard >= SETTLE_S and now - asked >= SETTLE_S:
                self._link.send(JobResults(job))
                asked = now + FIRST_RETRY_S
            elif expected is None and now - max(heard, asked) >= ASK_AFTER_S:
                self._link.send(JobStatus(job))
                asked = now
        return results


def _collect(
    results: Results, message: Message, on_progress: Callable[[str, float], None]
) -> int | None:
    """Takes one message in; returns how many the last revision has, once that is known."""
    if isinstance(message, JobProgress):
        on_progress(message.stage, message.fraction)
    elif isinstance(message, Warning_):
        if message not in results.warnings:
            results.warnings.append(message)
    elif isinstance(message, Error):
        if message.code != "missing_stems":  # a late copy of what submitting has mended already
            raise StemlensError.told(message.code, message.message)
    elif isinstance(message, JobDone):
        _turn_to(results, message.revision)
        results.path = message.path
        return message.messages
    elif isinstance(message, ResultMessage):
        _turn_to(results, message.revision)
        if message.revision == results.revision:
            results.messages[message.seq] = message
    return None


def _is_whole(results: Results, ended: JobRevision) -> bool:
    return results.revision == ended.revision and len(results.messages) == ended.messages


def _turn_to(results: Results, revision: int) -> None:
    if revision > results.revision:
        results.revision = revision
        results.messages.clear()


def _stopped(job: str) -> StemlensError:
    return StemlensError(
        "server_stopped",
        f"The server went silent while it worked on {job}. The job is kept: start the server again "
        "('stemlens serve'), and it goes on. Then give the same command again ('submit' with "
        f"--job {job} shows that job's result).",
    )
