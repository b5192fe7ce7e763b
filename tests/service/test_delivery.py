"""A result as messages: small enough for a datagram, numbered from 1, all shares in them."""

from __future__ import annotations

from typing import Any

import pytest

from stemlens.service.delivery import result_messages
from stemlens_bridge.protocol import MAX_RESULT_BYTES, Attributions, TagScore


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
