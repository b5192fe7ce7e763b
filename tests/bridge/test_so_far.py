"""What a terminal shows of a job before it is done."""

from __future__ import annotations

import io

from stemlens_bridge.client import Results
from stemlens_bridge.commands.common import so_far
from stemlens_bridge.protocol import Attributions, Share, TagScore


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def results(off: float) -> Results:
    found = Results("job", revision=2)
    for seq, (tag, score) in enumerate([("rock", 0.63), ("80s", 0.2), ("sad", 0.1), ("x", 0)], 1):
        found.messages[seq] = TagScore("job", 2, seq, tag, score, 0.0, -1.0)
    share = Share("Guitar", 0.2, 0.2 - off, 0.2 + off, -0.1, 0.1)
    found.messages[9] = Attributions("job", 2, 9, "rock", (share,))
    return found


def test_the_best_tags_are_told_and_how_well_shares_are_known() -> None:
    stream = Terminal()
    so_far(stream)(results(0.04))
    assert "So far: rock 63, 80s 20, sad 10 of 100; shares to ±4 points" in stream.getvalue()
    assert len(stream.getvalue().strip("\r\n")) <= 72


def test_what_is_hardly_known_is_not_told() -> None:
    stream = Terminal()
    so_far(stream)(results(0.9))
    assert "shares follow" in stream.getvalue() and "±" not in stream.getvalue()


def test_nothing_is_told_to_a_file() -> None:
    stream = io.StringIO()
    so_far(stream)(results(0.04))
    assert stream.getvalue() == ""
