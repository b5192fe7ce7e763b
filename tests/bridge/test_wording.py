"""Counts and times in sentences."""

from __future__ import annotations

from stemlens_bridge.wording import clock, counted


def test_one_is_no_plural() -> None:
    assert [counted(n, "stem") for n in (0, 1, 2)] == ["0 stems", "1 stem", "2 stems"]


def test_times_are_those_of_a_transport() -> None:
    told = [clock(s) for s in (0, 7.4, 61, 62.9, 3700, -3, -0.4)]
    assert told == ["0:00", "0:07", "1:01", "1:03", "61:40", "−0:03", "0:00"]
