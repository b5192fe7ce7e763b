"""Stems cut into parts of time."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens.attribution.components import Components

SOUNDING = np.array(
    [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.bool_
)


@pytest.mark.parametrize("segments", [1, 2, 7, 12])
def test_parts_are_runs_of_segments_as_equal_as_can_be(segments: int) -> None:
    for parts in range(1, segments + 1):
        part = Components.cut(np.ones((segments, 2), dtype=np.bool_), parts).part
        sizes = np.bincount(part, minlength=parts)
        assert (np.diff(part) >= 0).all() and len(sizes) == parts
        assert sizes.min() >= 1 and np.ptp(sizes) <= 1


def test_a_stem_is_a_component_where_it_sounds() -> None:
    components = Components.cut(SOUNDING, 2)
    assert components.part.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert components.number.tolist() == [[0, 1, -1], [-1, 2, -1]]
    assert len(components) == 3
    assert [components.players(t).tolist() for t in range(7)] == [
        [0, 1], [0], [], [0, 1], [2], [2], [2],
    ]  # fmt: skip
    assert components.of_stems.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_coefficients_over_time_have_the_sum_of_components_as_their_mean() -> None:
    components = Components.cut(SOUNDING, 2)
    whose, times = components.over_time()
    assert ((whose >= 0) == SOUNDING).all() and not times[~SOUNDING].any()
    coefficients = np.array([3.0, 5.0, 7.0, 0.0])
    mean = (coefficients[whose] * times).mean(axis=0)
    np.testing.assert_allclose(mean, components.of_stems @ coefficients[:3])


def test_where_nothing_sounds_there_is_no_component() -> None:
    components = Components.cut(np.zeros((3, 2), dtype=np.bool_), 3)
    assert len(components) == 0 and components.of_stems.shape == (2, 0)


@pytest.mark.parametrize("parts", [0, 8])
def test_a_part_is_a_segment_at_least(parts: int) -> None:
    with pytest.raises(ValueError, match="7 segments"):
        Components.cut(SOUNDING, parts)
