"""Counts, numbers and times in sentences."""

from __future__ import annotations

from stemlens_bridge.wording import clock, counted, number, tenths


def test_one_is_no_plural() -> None:
    assert [counted(n, "stem") for n in (0, 1, 2)] == ["0 stems", "1 stem", "2 stems"]


def test_numbers_have_a_minus_sign_and_nothing_has_no_sign() -> None:
    assert (number(-0.314), number(0.0), number(1, 1)) == ("−0.31", "0.00", "1.0")
    assert (number(2, 1, sign=True), number(-0.04, 1, sign=True)) == ("+2.0", "0.0")
    assert [tenths(v) for v in (0.0041, -0.0123, 0.0002, -0.0002)] == ["+0.4", "−1.2", "0.0", "0.0"]


def test_times_are_those_of_a_transport() -> None:
    told = [clock(s) for s in (0, 7.4, 61, 62.9, 3700, -3, -0.4)]
    assert told == ["0:00", "0:07", "1:01", "1:03", "61:40", "−0:03", "0:00"]
