"""A result as messages: small enough for a datagram, numbered from 1, all shares in them."""

from __future__ import annotations

from typing import Any

import pytest

from stemlens.service.delivery import explanation_messages, result_messages, warning_messages
from stemlens_bridge.protocol import (
    MAX_RESULT_BYTES,
    SOUNDS,
    SPANS,
    Attributions,
    ExplanationTracks,
    Message,
    TagScore,
    TrialDone,
    Verdict,
    decode,
)
from stemlens_bridge.trials import Explained


def result(stems: int, tags: int, name: str) -> dict[str, Any]:
    shares = [
        {"stem": f"{name}{i}", "value": i, "low": i, "high": i, "mute": -i, "solo": i}
        for i in range(stems)
    ]
    return {
        "revision": 2,
        "tags": [
            {
                "tag": f"tag {k}",
                "score": 0.5,
                "baseline": 0.1,
                "mix_score": None,
                "attributions": shares,
            }
            for k in range(tags)
        ],
        "annotations": [{"track": f"{name}0", "text": "rock", "color": "#000000"}],
        "markers": [{"track": f"{name}0", "start_s": 1.0, "end_s": 2.0, "text": "x"}],
    }


@pytest.mark.parametrize("stems", [1, 2, 9, 30, 100])
@pytest.mark.parametrize("name", ["", "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}", "ü" * 40])
def test_messages_of_a_result(stems: int, name: str) -> None:
    messages = result_messages("job", result(stems, 3, name), tags=2)
    assert [m.seq for m in messages] == list(range(1, len(messages) + 1))  # type: ignore[attr-defined]
    assert all(len(message.encode()) <= MAX_RESULT_BYTES for message in messages)
    assert [m.tag for m in messages if isinstance(m, TagScore)] == ["tag 0", "tag 1"]
    for tag in ("tag 0", "tag 1"):
        parts = [m.shares for m in messages if isinstance(m, Attributions) and m.tag == tag]
        assert [s.track for part in parts for s in part] == [f"{name}{i}" for i in range(stems)]
        if stems > 2:
            assert (
                len(parts) <= stems * (len(name.encode()) + 34) / (MAX_RESULT_BYTES - 100) + 1
            )  # parts are full


WIDE = "𝄞"  # four bytes a character, and two words of UTF-16
LONG = WIDE * 64


def read(messages: list[Message]) -> list[Any]:
    """What comes at the other end; each message must fit and has its number."""
    assert [m.seq for m in messages] == list(range(1, len(messages) + 1))  # type: ignore[attr-defined]
    packets = [message.encode() for message in messages]
    assert max(map(len, packets)) <= MAX_RESULT_BYTES
    return [decode(packet) for packet in packets]


def explanation(stems: list[str], making: int, name: str) -> dict[str, Any]:
    """An explanation by the first stems of a tag, with names as long as sentences let them be."""
    told = {"start_s": 1.0, "end_s": 9.0, "path": f"/{'ü' * 127}.wav"}
    playing = {"only": stems[:making], "without": stems[making:], "crossfade": stems[:making]}
    sounds = [
        {"kind": kind, "span": span, "score": 0.2, "stems": playing[kind], **told}
        | {"sentence": f"Only {', '.join(5 * [name])}: it is {kind}."}
        for span in SPANS
        for kind in SOUNDS
    ]
    return {"explanations": [{"tag": "rock", "sounds": sounds}]}


@pytest.mark.parametrize("making", [1, 24, 200])
def test_an_explanation_by_many_stems_fits_into_datagrams(making: int) -> None:
    stems = [f"{n:03}{LONG[3:]}" for n in range(200)]
    found = read(explanation_messages(LONG, LONG, explanation(stems, making, WIDE * 30)))
    assert sum(isinstance(one, ExplanationTracks) for one in found) < 110, "parts are full"
    whole = Explained.from_messages(TrialDone(LONG, LONG, "", len(found)), found)
    assert [one.sentence[-1] for one in whole.sounds] == 6 * ["…"]
    only, without, crossfade = map(whole.tracks, whole.sounds[3:])
    assert only == crossfade == stems[:making] and without == stems[making:]


def test_a_sentence_is_whole_where_it_fits() -> None:
    found = read(explanation_messages("job", "r", explanation(["1", "2"], 1, "Gitarre")))
    assert found[0].sentence == f"Only {', '.join(5 * ['Gitarre'])}: it is only."


def test_names_as_long_as_can_be_make_no_message_too_large() -> None:
    """Also in markers and notes of tracks, which have them whole."""
    document = result(200, 1, LONG[3:])
    named = WIDE * 512
    for item in document["annotations"] + document["markers"]:
        item["text"] = f"{named}: +31 points of metal"
    document["intent"] = [
        {"tag": "rock", "verdict": "weak", "score": 0.1, "sentence": f"Rock is weak. {named}"}
    ]
    *_, note, marker, verdict = read(result_messages(LONG, document, tags=1))
    assert note.text.startswith(WIDE * 64) and marker.text.endswith(f"{WIDE}…")
    assert isinstance(verdict, Verdict) and verdict.sentence.startswith("Rock is weak.")
    document["warnings"] = [{"code": "mono", "message": f"{named} loses half."}]
    (warning,) = warning_messages("job", document)
    assert len(warning.encode()) <= MAX_RESULT_BYTES
