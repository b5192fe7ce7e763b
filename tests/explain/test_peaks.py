"""Peaks that were put there are found, each with the stem that makes it."""

from __future__ import annotations

import numpy as np
import pytest
from support.explained import over_time

from stemlens.explain import peaks
from stemlens_bridge.verdicts import in_time_and_change

NAMES = {"s0": "Piano", "s1": "Drums", "s2": "שיר"}


def session(**at: list[float]) -> np.ndarray:
    """Shares of one tag `[segments, stems, 1]`, a list for each stem."""
    return np.array(list(at.values())).T[:, :, None]


def test_it_is_the_same_stem_each_time() -> None:
    over = over_time(session(a=[0.1, 0.5, 0.1, 0.1, 0.4, 0.1, 0.6], b=[0.05] * 7), start_s=10)
    found = peaks.of(over, "rock")
    assert [peak.start_s for peak in found] == [13, 22, 28]
    assert [round(peak.score, 2) for peak in found] == [0.56, 0.46, 0.66]
    assert found[0].stems[0] == peaks.StemAt("s0", 0.5, 0.0)
    told = peaks.lines(found, "rock", NAMES)
    assert told[0] == "Rock peaks at 0:13, 0:22 and 0:28: Piano each time."
    assert told[1] == "0:13  56 of 100: Piano (+50), Drums (+5)"


def test_first_the_piano_then_the_drums() -> None:
    over = over_time(session(a=[0.5, 0.1, 0.1, 0.0], b=[0.0, 0.0, 0.1, 0.4]))
    told = peaks.sentence(peaks.of(over, "rock"), "rock", NAMES)
    assert told == "Rock peaks at 0:00 and 0:09: first Piano, then Drums."


def test_only_the_three_highest_and_none_close_together() -> None:
    values = [0.3, 0, 0.5, 0, 0.4, 0, 0.6, 0, 0.45, 0]
    found = peaks.of(over_time(session(a=values)), "rock")
    assert [peak.start_s for peak in found] == [6, 18, 24]
    near = peaks.of(over_time(session(a=[0.3, 0.0, 0.5, 0.0, 0.4]), hop_s=1.0), "rock")
    # The third segment, from 2 to 5 s; it stands for its middle, as long as the hop.
    assert [(peak.start_s, peak.end_s) for peak in near] == [(3, 4)]


def test_what_hardly_stands_out_is_no_peak() -> None:
    found = peaks.of(over_time(session(a=[0.5, 0.45, 0.45, 0.49, 0.1])), "rock")
    assert [peak.start_s for peak in found] == [0]


def test_a_level_tag_has_one_peak_and_a_silent_one_none() -> None:
    assert len(peaks.of(over_time(session(a=[0.3] * 5)), "rock")) == 1
    assert len(peaks.of(over_time(session(a=[0.3])), "rock")) == 1
    assert peaks.of(over_time(session(a=[0.0] * 5)), "rock") == ()
    assert peaks.of(over_time(session(a=[-0.005] * 5)), "rock") == ()
    assert peaks.lines((), "rock", NAMES) == [] and peaks.sentence((), "rock", NAMES) == ""


def test_which_stem_it_is_is_said_only_where_it_is_certain() -> None:
    over = over_time(session(a=[0.30, 0.0, 0.0, 0.30], b=[0.24, 0.0, 0.0, 0.02]))
    off = np.full((4, 2), 0.05)
    assert [peak.leader for peak in peaks.of(over, "rock")] == ["s0", "s0"]
    found = peaks.of(over, "rock", off)
    assert [peak.leader for peak in found] == [None, "s0"]
    assert "first no stem for certain, then Piano" in peaks.sentence(found, "rock", NAMES)


def test_stems_that_tie_or_only_take_make_no_peak() -> None:
    tied = peaks.of(over_time(session(a=[0.2], b=[0.2])), "rock")
    assert tied[0].leader is None
    assert peaks.sentence(tied, "rock", NAMES) == "Rock peaks at 0:00: no stem for certain."


def test_a_name_from_right_to_left_does_not_turn_the_sentence() -> None:
    over = over_time(session(a=[0.0], b=[0.0], c=[0.3]))
    told = peaks.to_plain(peaks.of(over, "rock"), "rock", NAMES)
    assert "\u2068שיר\u2069" in told["sentence"]
    assert told["peaks"][0]["attributions"][0]["value"] == pytest.approx(0.3)
    assert in_time_and_change({"peaks": [told]}, "rock") == [told["sentence"]]
    assert in_time_and_change({"peaks": [told]}, "pop") == []
