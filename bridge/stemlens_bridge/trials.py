"""Asks the server to try edits, to look for some, or to make a tag audible, and collects every
message of the answer.

Over UDP anything may be lost, doubled or out of order. The request's id makes that harmless: the
same request again is answered by what is known of it, so it is repeated until something comes,
again after a silence (at work the server speaks once a second), and again while messages are
missing from 1 to the number that ends the answer.

Scores and gains are 0 to 1, levels dB. As plain data an answer has the schema `stemlens.tried/1`:
what files and mailboxes hold; that of an explanation has `stemlens.explained/1`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from stemlens_bridge import jsontext, osc
from stemlens_bridge.client import (
    ASK_AFTER_S,
    FIRST_RETRY_S,
    LAST_RETRY_S,
    LOYALTY_S,
    PATIENCE_S,
    SETTLE_S,
)
from stemlens_bridge.edits import (
    Edit,
    ExplainOptions,
    SuggestOptions,
    TryOptions,
    require_request,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import Link, connect
from stemlens_bridge.protocol import (
    ChangedShare,
    Error,
    Explain,
    Explanation,
    ExplanationTracks,
    Message,
    Suggest,
    Suggestion,
    Trial,
    TrialCancel,
    TrialDone,
    TrialEdit,
    TrialFailed,
    TrialProgress,
    TrialShares,
    TrialTag,
    Try,
    Verified,
    Verify,
)

SCHEMA = "stemlens.tried/1"
EXPLAINED = "stemlens.explained/1"
CANCEL_S = 1.0  # how long a user who stops waits for the server to hear of it

Answer = Trial | TrialEdit | TrialTag | TrialShares | Suggestion | Explanation | ExplanationTracks
Asked = Try | Suggest | Explain | Verify
Kind = TypeVar("Kind", bound=Message)
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class TriedTrial:
    """One trial whole: what it is, each edited stem, what it does to tags, and to shares."""

    trial: Trial
    edits: tuple[TrialEdit, ...]
    tags: tuple[TrialTag, ...]
    shares: tuple[TrialShares, ...] = ()

    @property
    def rank(self) -> int:
        return self.trial.rank


@dataclass(frozen=True, slots=True)
class Tried:
    """The whole answer to a request; `path` is the server's own JSON of it, on its machine.

    `suggestion` is None for what was asked by `tried`; trials are in the order of their ranks.
    """

    job: str
    request: str
    path: str
    suggestion: Suggestion | None
    trials: tuple[TriedTrial, ...]

    def of_rank(self, rank: int) -> TriedTrial:
        """The trial of that rank; raises `trial_unknown`."""
        for trial in self.trials:
            if trial.rank == rank:
                return trial
        there = ", ".join(str(trial.rank) for trial in self.trials)
        raise StemlensError(
            "trial_unknown",
            f"{self.request} has no trial of rank {rank}; "
            + (f"it has {there}." if there else "nothing that was tried helps."),
        )

    @classmethod
    def from_messages(cls, done: TrialDone, messages: Sequence[Message]) -> Tried:
        """The answer in its messages, in the order of their seq."""

        def of(kind: type[Kind]) -> list[Kind]:
            return [message for message in messages if isinstance(message, kind)]

        return cls(
            job=done.job,
            request=done.request,
            path=done.path,
            suggestion=next(iter(of(Suggestion)), None),
            trials=tuple(
                TriedTrial(
                    trial,
                    tuple(edit for edit in of(TrialEdit) if edit.rank == trial.rank),
                    tuple(tag for tag in of(TrialTag) if tag.rank == trial.rank),
                    tuple(part for part in of(TrialShares) if part.rank == trial.rank),
                )
                for trial in sorted(of(Trial), key=lambda trial: trial.rank)
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema `stemlens.tried/1`; the actions of edits are lists of objects."""
        return {
            "schema": SCHEMA,
            "job": self.job,
            "request": self.request,
            "path": self.path,
            "suggestion": None if self.suggestion is None else _plain(self.suggestion),
            "trials": [
                {
                    **_plain(one.trial),
                    "edits": [{**_plain(it), "actions": actions(it)} for it in one.edits],
                    "tags": [_plain(tag) for tag in one.tags],
                    "shares": [_plain(part) for part in one.shares],
                }
                for one in self.trials
            ],
        }

    @classmethod
    def from_dict(cls, given: Any) -> Tried:
        """The answer in plain data; raises KeyError, TypeError, ValueError or `bad_message` where
        that is not what it should be."""
        if not isinstance(given, Mapping) or given.get("schema") != SCHEMA:
            raise ValueError(f"it has not the schema {SCHEMA}")
        done = TrialDone.from_arguments([given["job"], given["request"], given["path"], 0])
        messages: list[Message] = []

        def read(kind: type[Kind], record: Mapping[str, Any]) -> Kind:
            message = _message(kind, done, record)
            messages.append(message)
            return message

        if given["suggestion"] is not None:
            read(Suggestion, given["suggestion"])
        for one in given["trials"]:
            read(Trial, {**one, "edits": len(one["edits"])})
            for edit in one["edits"]:
                actions(read(TrialEdit, {**edit, "actions": json.dumps(edit["actions"])}))
            for tag in one["tags"]:
                read(TrialTag, tag)
            for part in one["shares"]:
                read(TrialShares, part)
        return cls.from_messages(done, messages)

    @classmethod
    def read(cls, path: Path) -> Tried:
        """The answer in a file; raises `result_invalid`."""
        try:
            return cls.from_dict(jsontext.read(path.read_text(encoding="utf-8")))
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        except KeyError as error:
            why = f"is incomplete: it lacks {error}"
        except (TypeError, ValueError, AttributeError, StemlensError) as error:
            why = f"holds nothing that was tried: {error}"
        raise StemlensError(
            "result_invalid",
            f"{path} {why}. Such files are written by 'stemlens-bridge suggest … --json FILE' and "
            "'stemlens-bridge try … --json FILE'.",
        )


@dataclass(frozen=True, slots=True)
class Explained:
    """The whole answer to a request for an explanation: its sounds, those of the passage first, and
    the stems that play in the sounds of each kind.

    `path` is the server's own JSON of it (`stemlens.explanation/1`), on its machine, where the
    sounds' files are too.
    """

    job: str
    request: str
    path: str
    sounds: tuple[Explanation, ...]
    playing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_messages(cls, done: TrialDone, messages: Sequence[Message]) -> Explained:
        """The answer in its messages, in the order of their seq."""
        playing: dict[str, tuple[str, ...]] = {}
        for part in messages:
            if isinstance(part, ExplanationTracks):
                playing[part.kind] = (*playing.get(part.kind, ()), *part.tracks)
        sounds = tuple(one for one in messages if isinstance(one, Explanation))
        return cls(done.job, done.request, done.path, sounds, playing)

    def tracks(self, sound: Explanation) -> list[str]:
        """The tracks of a sound; of a crossfade those that make the tag."""
        return list(self.playing.get("without" if sound.kind == "without" else "only", ()))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema `stemlens.explained/1`; each sound has its `tracks`."""
        return {
            "schema": EXPLAINED,
            "job": self.job,
            "request": self.request,
            "path": self.path,
            "sounds": [{**_plain(one), "tracks": self.tracks(one)} for one in self.sounds],
        }


def actions(edit: TrialEdit) -> list[dict[str, Any]]:
    """What a DAW can do itself to get an edit (docs/edits.md); raises `bad_message`."""
    try:
        found = jsontext.read(edit.actions)
    except ValueError as error:
        raise osc.bad_message(f"the actions of an edit are not JSON: {error}") from error
    if not isinstance(found, list) or not all(
        isinstance(action, dict) and isinstance(action.get("do"), str) for action in found
    ):
        raise osc.bad_message("the actions of an edit must be a list of objects with 'do'")
    return found


def _plain(message: Answer) -> dict[str, Any]:
    """A message without what is the same in all of an answer."""
    return {
        key: value for key, value in asdict(message).items() if key not in ("job", "request", "seq")
    }


def _message(kind: type[Kind], done: TrialDone, record: Mapping[str, Any]) -> Kind:
    """The message of plain data; raises KeyError or `bad_message`."""
    known = {"job": done.job, "request": done.request, "seq": 0}
    arguments: list[Any] = []
    for spec in fields(kind):
        if spec.name == "shares":
            shares = [ChangedShare(**share) for share in record["shares"]]
            arguments += [value for share in shares for value in asdict(share).values()]
        else:
            arguments.append(known[spec.name] if spec.name in known else record[spec.name])
    return kind.from_arguments(arguments)


def new_request_id() -> str:
    """A request id that no other request has."""
    return uuid.uuid4().hex[:12]


class TrialsClient:
    """One server, reached over one link; `transport` is "udp" or "tcp". A context manager.

    All methods block. They raise `server_unreachable`, `server_stopped`, or what the server objects
    to; where the user stops one (KeyboardInterrupt), the server is told to stop too.
    """

    def __init__(self, server: tuple[str, int], transport: str = "udp") -> None:
        self._link: Link = connect(server, transport)

    def __enter__(self) -> TrialsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def tried(
        self,
        job: str,
        edits: Sequence[Edit],
        options: TryOptions = TryOptions(),  # noqa: B008  # it is frozen
        request: str | None = None,
        on_progress: OnProgress = lambda stage, fraction: None,
    ) -> Tried:
        """What edits of an analysed job's stems, played together, do to its mix."""
        plain = json.dumps([edit.to_plain() for edit in edits])
        own = request or new_request_id()
        asked = Try(job, own, plain, json.dumps(asdict(options)))
        return Tried.from_messages(*self._collected(asked, on_progress))

    def suggested(
        self,
        job: str,
        goal: str,
        options: SuggestOptions = SuggestOptions(),  # noqa: B008  # it is frozen
        request: str | None = None,
        on_progress: OnProgress = lambda stage, fraction: None,
    ) -> Tried:
        """Edits that bring an analysed job's mix nearer to a goal, best first; perhaps none."""
        own = request or new_request_id()
        asked = Suggest(job, own, goal, json.dumps(asdict(options)))
        return Tried.from_messages(*self._collected(asked, on_progress))

    def explained(
        self,
        job: str,
        tag: str,
        options: ExplainOptions = ExplainOptions(),  # noqa: B008  # it is frozen
        request: str | None = None,
        on_progress: OnProgress = lambda stage, fraction: None,
    ) -> Explained:
        """What makes an analysed job's mix sound like a tag, as files to listen to."""
        own = request or new_request_id()
        asked = Explain(job, own, tag, json.dumps(asdict(options)))
        return Explained.from_messages(*self._collected(asked, on_progress))

    def verified(self, job: str, before: str, request: str, rank: int = 0) -> Verified:
        """Whether what was promised of the job `before` holds in the new bounce, `job`."""
        asked = Verify(job, before, request, rank)
        answer = _Answer(asked, lambda stage, fraction: None)
        self._ask(asked, answer)
        assert answer.verified is not None
        return answer.verified

    def cancel(self, job: str, request: str, patience_s: float = PATIENCE_S) -> None:
        """Gives a request up; returns when the server has heard of it."""
        asked = TrialCancel(job, request)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            self._link.send(asked)
            until = time.monotonic() + FIRST_RETRY_S
            while (left := until - time.monotonic()) > 0:
                for message in self._link.receive(left):
                    ends = isinstance(message, TrialFailed | TrialDone | Error)
                    if ends and _concerns(message, asked):
                        return
        raise self._link.unanswered()

    def _collected(
        self, asked: Try | Suggest | Explain, on_progress: OnProgress
    ) -> tuple[TrialDone, list[Message]]:
        """The whole answer: its end, and its messages in the order of their seq."""
        answer = _Answer(asked, on_progress)
        try:
            self._ask(asked, answer)
        except KeyboardInterrupt:
            with suppress(StemlensError):
                self.cancel(asked.job, asked.request, CANCEL_S)
            raise
        assert answer.done is not None
        return answer.done, [message for _, message in sorted(answer.messages.items())]

    def _ask(self, asked: Asked, answer: _Answer) -> None:
        require_request(asked.request)
        self._link.receive(0)  # what came before can be no answer
        started = sent = time.monotonic()
        heard: float | None = None
        retry_s = FIRST_RETRY_S
        self._link.send(asked)
        while not answer.whole:
            for message in self._link.receive(SETTLE_S):
                if _concerns(message, asked):
                    heard, retry_s = time.monotonic(), FIRST_RETRY_S
                    answer.take(message)
            now = time.monotonic()
            if heard is None and now - started > PATIENCE_S:
                raise self._link.unanswered()
            if heard is not None and now - heard > LOYALTY_S:
                raise _stopped(asked.job)
            at_work = heard is not None and answer.done is None
            if now - max(sent, heard or sent) >= (ASK_AFTER_S if at_work else retry_s):
                self._link.send(asked)
                sent, retry_s = now, min(2 * retry_s, LAST_RETRY_S)


@dataclass(slots=True)
class _Answer:
    """What has come of an answer."""

    asked: Asked
    on_progress: OnProgress
    messages: dict[int, Answer] = field(default_factory=dict)
    done: TrialDone | None = None
    verified: Verified | None = None

    @property
    def whole(self) -> bool:
        if self.done is None:
            return self.verified is not None
        return all(seq in self.messages for seq in range(1, self.done.messages + 1))

    def take(self, message: Message) -> None:
        """Takes a message in; raises the error that it tells."""
        if isinstance(message, TrialFailed | Error):
            raise StemlensError.told(message.code, message.message)
        if isinstance(message, TrialProgress):
            if self.done is None:
                self.on_progress(message.stage, message.fraction)
        elif isinstance(message, Verified):
            self.verified = message
        elif isinstance(self.asked, Verify):
            return  # what was left of the trial itself
        elif isinstance(message, TrialDone):
            self.done = message
        elif isinstance(message, Answer):
            self.messages[message.seq] = message


def _concerns(message: Message, asked: Asked | TrialCancel) -> bool:
    """Whether a message is an answer to what was asked. Errors name no request."""
    if isinstance(message, Error):
        return message.job in (asked.job, "")
    if isinstance(message, Verified):
        return isinstance(asked, Verify) and (
            (message.job, message.before, message.request, message.rank)
            == (asked.job, asked.before, asked.request, asked.rank)
        )
    told = (getattr(message, "job", None), getattr(message, "request", None))
    # whatever fails or progresses of a verification may be told of either of its two jobs
    jobs = (asked.job, asked.before) if isinstance(asked, Verify) else (asked.job,)
    return told[0] in jobs and told[1] == asked.request


def _stopped(job: str) -> StemlensError:
    return StemlensError(
        "server_stopped",
        f"The server went silent while it tried something on {job}. Start it again "
        "('stemlens serve') and give the same command again.",
    )
