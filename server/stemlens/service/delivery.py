"""A result as the OSC messages that carry it.

A pure function of the result: the same result gives the same messages with the same numbers, so
that a client which lost some can ask for them again by seq, also from a server that was restarted.
Only the best tags are sent; all of them are in the result file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from stemlens_bridge.protocol import (
    MAX_RESULT_BYTES,
    UNKNOWN,
    Annotation,
    Attributions,
    Marker,
    Message,
    Share,
    TagScore,
    Warning_,
)

Item = TypeVar("Item")


def result_messages(job: str, result: Mapping[str, Any], tags: int) -> list[Message]:
    """The numbered messages of a result; the seq of message k is k + 1."""
    revision = result["revision"]
    messages: list[Message] = []

    def add(kind: type[Message], *rest: Any) -> None:
        messages.append(kind(job, revision, len(messages) + 1, *rest))  # type: ignore[call-arg]

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
    return messages


def warning_messages(job: str, result: Mapping[str, Any]) -> list[Message]:
    """The warnings of a result; they have no numbers and go ahead of every delivery."""
    return [Warning_(job, item["code"], item["message"]) for item in result["warnings"]]


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
