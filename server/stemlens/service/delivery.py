"""A result as the OSC messages that carry it.

A pure function of the result: the same result gives the same messages with the same numbers, so
that a client which lost some can ask for them again by seq, also from a server that was restarted.
Only the best tags are sent; all of them are in the result file. No datagram is larger than
`MAX_RESULT_BYTES`: lists are split, texts cut (`CUT`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from stemlens_bridge.protocol import (
    MAX_RESULT_BYTES,
    UNKNOWN,
    Annotation,
    Attributions,
    ChangedShare,
    Explanation,
    ExplanationTracks,
    Marker,
    Message,
    Share,
    Suggestion,
    TagScore,
    Trial,
    TrialEdit,
    TrialShares,
    TrialTag,
    Verdict,
    Warning_,
)

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=Message)

CUT: dict[type[Message], str] = {
    Annotation: "text",
    Marker: "text",
    Verdict: "sentence",
    Warning_: "message",
    Explanation: "sentence",
}
"""What of a message is cut where names in it make it too large for a datagram."""


def result_messages(job: str, result: Mapping[str, Any], tags: int) -> list[Message]:
    """The numbered messages of a result; the seq of message k is k + 1."""
    revision = result["revision"]
    messages: list[Message] = []

    def add(kind: type[Message], *rest: Any) -> None:
        message = kind(job, revision, len(messages) + 1, *rest)  # type: ignore[call-arg]
        messages.append(fitted(message))

    for tag in result["tags"][:tags]:
        mix_score = -1.0 if tag["mix_score"] is None else tag["mix_score"]
        add(TagScore, tag["tag"], tag["score"], tag["baseline"], mix_score)
        shares = [
            Share(
                s["stem"],
                s["value"],
                s["low"],
                s["high"],
                UNKNOWN if s["mute"] is None else s["mute"],
                UNKNOWN if s["solo"] is None else s["solo"],
            )
            for s in tag["attributions"]
        ]
        for part in split(Attributions(job, revision, 0, tag["tag"]), "shares", shares):
            add(Attributions, tag["tag"], part)
    for item in result["annotations"]:
        add(Annotation, item["track"], item["text"], item["color"], item.get("label", ""))
    for item in result["markers"]:
        add(Marker, item["track"], item["start_s"], item["end_s"], item["text"])
    for item in result.get("intent", ()):
        add(Verdict, item["tag"], item["verdict"], item["score"], item["sentence"])
    return messages


def trial_messages(job: str, request: str, document: Mapping[str, Any], tags: int) -> list[Message]:
    """The numbered messages of trials (`stemlens.trials/1`), of each so many tags: a pure function
    too, so that what was lost can simply be sent again."""
    messages: list[Message] = []

    def add(kind: type[Message], *rest: Any) -> None:
        messages.append(kind(job, request, len(messages) + 1, *rest))  # type: ignore[call-arg]

    if document["suggestion"] is not None:
        told = document["suggestion"]
        goal = document["goal"]["text"]
        add(Suggestion, goal, told["sentence"], told["trials"], told["tried"], told["taggings"])
    for trial in document["trials"]:
        rank = trial["rank"]
        gain = trial["gain"] or {"value": 0.0, "low": 0.0, "high": 0.0}
        add(
            Trial,
            rank,
            len(trial["edits"]),
            trial["words"],
            trial["sentence"],
            trial["loudness_db"],
            trial["spectrum_db"],
            trial["audible"],
            int(any(edit["heard"] for edit in trial["edits"])),
            int(any(edit["verify"] for edit in trial["edits"])),
            gain["value"],
            _end(gain["low"], -1.0),
            _end(gain["high"], 1.0),
            trial["before_path"] or "",
            trial["after_path"] or "",
        )
        for edit in trial["edits"]:
            add(
                TrialEdit,
                rank,
                edit["stem"],
                edit["preset"],
                float(edit["amount"]),
                edit["words"],
                edit["match_db"],
                json.dumps(edit["actions"], separators=(",", ":")),
                edit["path"] or "",
                edit["verify"],
            )
        for tag in trial["tags"][:tags]:
            low, high = _end(tag["low"], -1.0), _end(tag["high"], 1.0)
            add(TrialTag, rank, tag["tag"], tag["before"], tag["after"], tag["change"], low, high)
        for tag in (trial["shares"] or [])[:tags]:
            empty = TrialShares(job, request, 0, rank, tag["tag"])
            shares = [
                ChangedShare(s["stem"], s["before"], s["after"], s["low"], s["high"])
                for s in tag["attributions"]
            ]
            for part in split(empty, "shares", shares):
                add(TrialShares, rank, tag["tag"], part)
    return messages


def explanation_messages(job: str, request: str, document: Mapping[str, Any]) -> list[Message]:
    """The numbered messages of explanations (`stemlens.explanation/1`): one for each sound, then
    which stems play in those of a kind, which both spans have in common."""
    messages: list[Message] = []

    def add(kind: type[Message], *rest: Any) -> None:
        message = kind(job, request, len(messages) + 1, *rest)  # type: ignore[call-arg]
        messages.append(fitted(message))

    for one in document["explanations"]:
        playing = {}
        for sound in one["sounds"]:
            playing[sound["kind"]] = sound["stems"]
            add(
                Explanation,
                one["tag"],
                sound["kind"],
                sound["span"],
                sound["start_s"],
                sound["end_s"],
                -1.0 if sound["score"] is None else sound["score"],
                sound["path"],
                sound["sentence"],
            )
        for kind in ("only", "without"):
            empty = ExplanationTracks(job, request, 0, one["tag"], kind)
            for part in split(empty, "tracks", playing[kind]):
                add(ExplanationTracks, one["tag"], kind, part)
    return messages


def with_trials(
    result: Mapping[str, Any],
    tried: Iterable[tuple[str, Mapping[str, Any]]],
    explained: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> dict[str, Any]:
    """A result with all that was tried on its session, and all of it that was explained: requests
    and their documents."""
    trials: list[dict[str, Any]] = []
    suggestions: list[dict[str, Any]] = []
    for request, document in tried:
        into = trials if document["kind"] == "try" else suggestions
        into += [{"request": request, **trial} for trial in document["trials"]]
    explanations = [
        {"request": request, **one}
        for request, document in explained
        for one in document["explanations"]
    ]
    return {**result, "trials": trials, "suggestions": suggestions, "explanations": explanations}


def _end(bound: float | None, unknown: float) -> float:
    """An end of an interval; what is not known may be anything."""
    return unknown if bound is None else bound


def warning_messages(job: str, result: Mapping[str, Any]) -> list[Message]:
    """The warnings of a result; they have no numbers and go ahead of every delivery."""
    return [fitted(Warning_(job, item["code"], item["message"])) for item in result["warnings"]]


def fitted(message: Kind) -> Kind:
    """The message, its text (`CUT`) ending in "…" where it would be more than `MAX_RESULT_BYTES`.
    One that is too large by what cannot be cut, ids or a path, stays as it is."""
    over = len(message.encode()) - MAX_RESULT_BYTES
    if over <= 0 or type(message) not in CUT:
        return message
    field = CUT[type(message)]
    text = getattr(message, field).encode()
    room = len(text) - over - len("…".encode())
    kept = text[: max(room, 0)].decode(errors="ignore")
    return replace(message, **{field: f"{kept}…"}) if kept else message


def split(empty: Message, field: str, items: Iterable[Item]) -> list[tuple[Item, ...]]:
    """Items in groups, each of which fits as `field` into one message like `empty` of at most
    `MAX_RESULT_BYTES`."""
    bare = len(empty.encode())
    groups: list[list[Item]] = [[]]
    room = MAX_RESULT_BYTES - bare
    for item in items:
        # Type tags are padded to four bytes together, so each item is given its worst case.
        size = len(replace(empty, **{field: (item,)}).encode()) - bare + 4
        if groups[-1] and size > room:
            groups.append([])
            room = MAX_RESULT_BYTES - bare
        groups[-1].append(item)
        room -= size
    return [tuple(group) for group in groups]
