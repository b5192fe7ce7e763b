"""Seconds and beats."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge.protocol import Options
from stemlens_bridge.tempo import TempoChange, TempoMap

CHANGES = st.builds(TempoChange, st.floats(-100, 1000), st.floats(20, 400))
MAPS = st.lists(CHANGES, min_size=1, max_size=8, unique_by=lambda change: change.start_s).map(
    lambda changes: TempoMap(tuple(sorted(changes, key=lambda change: change.start_s)))
)


def test_a_minute_at_120_has_120_beats_also_before_zero() -> None:
    steady = TempoMap((TempoChange(0.0, 120.0),))
    assert steady.beats(60.0) == 120.0
    assert steady.beats(-1.0) == -2.0
    assert steady.seconds(-2.0) == -1.0


def test_half_the_tempo_from_the_second_bar_on() -> None:
    slower = TempoMap((TempoChange(0.0, 120.0), TempoChange(2.0, 60.0, 3, 4)))
    assert [slower.beats(s) for s in (0, 1, 2, 3, 4)] == [0, 2, 4, 5, 6]


@given(MAPS, st.floats(-200, 2000))
def test_there_and_back(tempo: TempoMap, at_s: float) -> None:
    assert tempo.beats(0.0) == 0.0
    assert tempo.seconds(tempo.beats(at_s)) == pytest.approx(at_s, abs=1e-6)


@given(MAPS)
def test_a_map_travels_in_the_options(tempo: TempoMap) -> None:
    assert Options.from_json(Options(tempo=tempo).to_json()).tempo == tempo


@pytest.mark.parametrize(
    "wrong",
    [
        0, -3, "120", [], {}, [{"bpm": 120}], [{"start_s": 0, "bpm": 120, "beat": 3}], [3],
        [{"start_s": 0, "bpm": float("nan")}], [{"start_s": 0, "bpm": 120, "numerator": 0}],
        [{"start_s": 1, "bpm": 120}, {"start_s": 1, "bpm": 90}], True,
    ],
)  # fmt: skip
def test_what_is_no_tempo_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError):
        TempoMap.from_plain(wrong)
