"""The server's end of trials, played by a test: what `/stemlens/try`, `suggest`, `explain`
and `verify` get.

`TrialServer` is a `LiveServer` that tries nothing: it says what it was made with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stemlens_bridge.protocol import (
    SOUNDS,
    ChangedShare,
    Explain,
    Explanation,
    ExplanationTracks,
    JobDone,
    JobStatus,
    Kept,
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
from support.liveserver import LiveServer

LEVEL = [{"do": "level", "db": -3.0}]
EQ = [{"do": "eq", "bands": [{"shape": "bell", "hz": 2500, "db": -3.0, "q": 0.7}]}]
TAKE = [{"do": "take"}]


def trial(
    job: str,
    request: str,
    rank: int,
    *edits: tuple[str, list[dict[str, Any]]],
    tags: int = 3,
    gain: float = 0.08,
) -> list[Message]:
    """The messages of a trial; each of `edits` is a track and what the DAW can do there itself."""
    told = [
        TrialEdit(
            job, request, 0, rank, track, "gentler", 0.5, f"{track}: {_words(actions)}",
            -1.5, json.dumps(actions), f"/renders/{rank}-{track}.wav", "",
        )
        for track, actions in edits
    ]  # fmt: skip
    words = "; ".join(edit.words for edit in told)
    return [
        Trial(
            job, request, 0, rank, len(edits), words, "metal 20 → 28 points, happy as before.",
            -0.5, 1.25, "plain to hear", 1, 0, gain, 0.05, 0.11,
            f"/renders/{rank}-before.wav", f"/renders/{rank}-after.wav",
        ),
        *told,
        TrialTag(job, request, 0, rank, "metal", 0.2, 0.28, 0.08, 0.05, 0.11),
        *(
            TrialTag(job, request, 0, rank, f"tag {at}", 0.3, 0.29, -0.01, -0.02, 0.0)
            for at in range(1, tags)
        ),
        TrialShares(job, request, 0, rank, "metal", (ChangedShare("1", 0.1, 0.2, 0.15, 0.25),)),
    ]  # fmt: skip


def explanation(job: str, request: str, tag: str, spans: Sequence[str]) -> list[Message]:
    """The messages of an explanation."""
    return [
        *(
            Explanation(
                job, request, 0, tag, kind, span, 62.0, 71.0,
                -1.0 if kind == "crossfade" else 0.24, f"/sounds/{tag}-{kind}-{span}.wav",
                f"{kind}, {span}: {tag} 24 of 100.",
            )
            for span in spans
            for kind in SOUNDS
        ),
        ExplanationTracks(job, request, 0, tag, "only", ("3",)),
        ExplanationTracks(job, request, 0, tag, "only", ("5",)),
        ExplanationTracks(job, request, 0, tag, "without", ("1",)),
    ]  # fmt: skip


def _words(actions: list[dict[str, Any]]) -> str:
    told = {"level": "level −3 dB", "eq": "−3 dB at 2.5 kHz, Q 0.7", "take": "the rendered take"}
    return ", ".join(told[action["do"]] for action in actions)


def numbered(messages: Sequence[Message], job: str, request: str) -> list[Message]:
    """A whole answer: the messages with their seq, and its end."""
    seqs = [replace(message, seq=at) for at, message in enumerate(messages, 1)]  # type: ignore[call-arg]
    return [*seqs, TrialDone(job, request, "/trials/1.json", len(seqs))]


class TrialServer(LiveServer):
    """Answers requests by `says(job, request)`, the messages of an answer without their seq.

    `progress` requests are answered by progress before the whole answer comes; `failure` (code,
    message) is what all come to; `stems` the path of a result file that a job's status tells.
    """

    def __init__(
        self,
        *edits: tuple[str, list[dict[str, Any]]],
        suggestions: int = 1,
        tags: int = 3,
        progress: int = 1,
        failure: tuple[str, str] | None = None,
        result: str = "",
    ) -> None:
        super().__init__(_answer)
        self.edits = edits or (("3", LEVEL),)
        self.suggestions, self.tags, self.progress = suggestions, tags, progress
        self.failure, self.result = failure, result

    def whole(self, message: Try | Suggest | Explain) -> list[Message]:
        """The whole answer to a request."""
        job, request = message.job, message.request
        if isinstance(message, Explain):
            spans = ("passage", "whole") if json.loads(message.options)["whole"] else ("passage",)
            return numbered(explanation(job, request, message.tag, spans), job, request)
        if isinstance(message, Try):
            return numbered(trial(job, request, 0, *self.edits, tags=self.tags), job, request)
        count = self.suggestions
        sentence = "The best of 40 edits." if count else "Nothing that was tried helps."
        told: list[Message] = [Suggestion(job, request, 0, message.goal, sentence, count, 40, 2500)]
        for rank in range(1, count + 1):
            told += trial(job, request, rank, *self.edits, tags=self.tags)
        return numbered(told, job, request)


def _answer(server: LiveServer, message: Message) -> list[Message]:
    assert isinstance(server, TrialServer)
    if isinstance(message, Try | Suggest | Explain | Verify) and server.failure:
        return [TrialFailed(message.job, message.request, *server.failure)]
    if isinstance(message, Try | Suggest | Explain):
        asked = sum(isinstance(one, Try | Suggest | Explain) for one in server.heard)
        if asked <= server.progress:
            return [TrialProgress(message.job, message.request, "trying", 0.1 * asked)]
        return server.whole(message)
    if isinstance(message, TrialCancel):
        told = "The request was cancelled."
        return [TrialFailed(message.job, message.request, "cancelled", told)]
    if isinstance(message, Verify):
        tags = (Kept("metal", 0.08, 0.05, 0.11, 0.07, 1), Kept("happy", 0.0, -0.01, 0.01, -0.05, 0))
        told = "metal kept its promise; happy fell by 5 points instead of staying."
        return [Verified(message.job, message.before, message.request, message.rank, told, tags)]
    if isinstance(message, JobStatus):
        return [JobDone(message.job, 1, server.result, 0)]
    return []
