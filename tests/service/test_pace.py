"""How long a stage will still take, from its pace."""

from __future__ import annotations

import pytest

from stemlens.service.pace import Pace


def test_half_done_in_ten_seconds_takes_ten_more() -> None:
    assert Pace.at(100.0).heard("tagging", 0.0, 100.0).heard("tagging", 0.5, 110.0).left_s(
        110.0
    ) == pytest.approx(10.0)


def test_time_that_passes_without_a_word_counts_and_never_goes_below_nothing() -> None:
    pace = Pace.at(0.0).heard("tagging", 0.0, 0.0).heard("tagging", 0.5, 10.0)
    assert pace.left_s(14.0) == pytest.approx(6.0)
    assert pace.left_s(40.0) == 0.0


def test_a_new_stage_knows_nothing_yet() -> None:
    pace = Pace.at(0.0).heard("reading", 0.9, 10.0).heard("tagging", 0.01, 11.0)
    assert pace.left_s(11.0) is None
    assert (pace.began, pace.entered) == (0.0, 11.0)
