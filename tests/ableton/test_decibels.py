"""Live's fader in decibels, and its palette."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge import annotations
from stemlens_bridge.ableton import decibels, palette
from stemlens_bridge.moves import SILENCE_DB


@pytest.mark.parametrize(
    ("volume", "level_db"),
    [(1.0, 6.0), (0.85, 0.0), (0.7, -6.0), (0.4, -18.0), (0.2384, -30.0), (0.0346, -60.0)],
)
def test_documented_points(volume: float, level_db: float) -> None:
    assert decibels.from_volume(volume) == pytest.approx(level_db, abs=0.01)
    assert decibels.to_volume(level_db) == pytest.approx(volume, abs=1e-4)


def test_the_ends() -> None:
    assert decibels.from_volume(0.0) == decibels.from_volume(-1.0) == SILENCE_DB
    assert decibels.from_volume(2.0) == 6.0 and decibels.to_volume(20.0) == 1.0
    assert decibels.to_volume(SILENCE_DB) == 0.0


@given(st.floats(0, 1), st.floats(0, 1))
def test_higher_is_never_quieter(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert decibels.from_volume(low) <= decibels.from_volume(high)


@given(st.floats(0.01, 1))
def test_there_and_back(volume: float) -> None:
    assert decibels.to_volume(decibels.from_volume(volume)) == pytest.approx(volume, abs=1e-6)


def test_the_parts_meet() -> None:
    assert decibels.from_volume(0.4 - 1e-9) == pytest.approx(decibels.from_volume(0.4), abs=1e-5)


def test_the_palette() -> None:
    assert len(set(palette.PALETTE)) == 70
    for place, colour in enumerate(palette.PALETTE):
        assert palette.nearest(colour) == place


def test_our_colours_stay_apart_on_live_s_palette() -> None:
    """Made to be told apart by colour-blind eyes, they must not fall together."""
    places = [palette.nearest(colour) for colour in annotations.PALETTE]
    assert len(set(places)) == len(places)
    assert palette.nearest(annotations.FOR) != palette.nearest(annotations.AGAINST)
