"""Stems that leak still add up to the mix, and leak as loud as they are said to."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens.validation.leakage import distortion_ratio_db, into_all, into_next, leaking


@pytest.mark.parametrize("level_db", [-20.0, -6.0, 0.0])
def test_leaks_into_all_keep_the_sum(level_db: float) -> None:
    stems = np.random.default_rng(1).standard_normal((5, 4000)).astype(np.float32)
    stems[0] = 0  # does not play, and gets what leaks all the same
    found = leaking(stems, into_all(5, level_db))
    assert np.abs(found.sum(axis=0) - stems.sum(axis=0)).max() < 1e-5
    copy = found[0] @ stems[2] / (found[2] @ stems[2])
    assert 20 * np.log10(copy) == pytest.approx(level_db, abs=1.0)  # noise is not quite unrelated
    assert (distortion_ratio_db(stems[2], found[2]) > 9) == (level_db == -20)
    assert distortion_ratio_db(stems[2], stems[2]) == np.inf


def test_leaks_into_the_next_go_one_way() -> None:
    stems = np.eye(3, dtype=np.float32)[:, :, None].repeat(2, axis=2)  # [stems, frames, channels]
    found = leaking(stems, into_next(3, -20.0))
    np.testing.assert_allclose(found.sum(axis=0), stems.sum(axis=0), atol=1e-7)
    np.testing.assert_allclose(found[1, :, 0], [0.1, 0.9, 0], atol=1e-7)
    np.testing.assert_allclose(found[0, :, 1], [0.9, 0, 0.1], atol=1e-7)
    np.testing.assert_array_equal(leaking(stems[:1], into_next(1, -20.0)), stems[:1])
