"""The passage in which a tag is heard best, by the shares alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.results import result

from stemlens.explain.passage import Passage, best, made, named, require_tag, strongest
from stemlens.over_time import OverTime
from stemlens_bridge.errors import StemlensError

SEGMENT_S = 3.0
STARTS_S = 60 + SEGMENT_S * np.arange(8)


def found(*strength: float, end_s: float = 84.0) -> tuple[float, float]:
    place = best(np.array(strength), STARTS_S[: len(strength)], SEGMENT_S, end_s)
    assert place.last - place.first == round((place.end_s - place.start_s) / SEGMENT_S + 0.4)
    return place.start_s, place.end_s


def test_it_is_where_it_is_strongest_and_grows_by_what_is_nearly_as_strong() -> None:
    assert found(0, 0.1, 0.2, 0.9, 1.0, 0.1, 0, 0) == (69, 75)
    assert found(0, 0.1, 0.8, 0.9, 1.0, 0.75, 0, 0) == (66, 78)
    assert found(1, 1, 1, 1, 1, 1, 1, 1) == (60, 75), "15 s at most"
    assert found(0, 0, 0, 0, 0, 0, 0.1, 1, end_s=83.2) == (78, 83.2), "no longer than the session"


def test_a_session_of_one_segment_is_all_there_is() -> None:
    assert found(0.3) == (60, 63)
    assert found(-0.3, end_s=61.5) == (60, 61.5)


def over(shares: np.ndarray, scores: np.ndarray, hop_s: float = SEGMENT_S) -> OverTime:
    """Shares `[segments, stems]` and scores `[segments]` of one tag, over silence that scores
    0.05."""
    count = len(scores)
    return OverTime(
        60 + hop_s * np.arange(count), SEGMENT_S, scores[:, None], np.full((count, 1), 0.05),
        shares[:, :, None], ("a", "b"), ("rock",),
    )  # fmt: skip


SHARES = {"a": (0.3, 0.3, 0.3), "b": (-0.1, -0.1, -0.1)}


def long_result() -> dict[str, Any]:
    """A result of a session of 24 s."""
    document = result(SHARES)
    document["session"]["duration_s"] = 24.0
    return document


def test_both_must_be_there_the_tag_and_what_makes_it() -> None:
    """Where a stem has a share that others take back, the tag is not heard."""
    shares = np.zeros((8, 2))
    shares[1:3] = (0.9, -0.8)
    shares[5:7] = (0.4, 0.1)
    scores = np.full(8, 0.8)  # by others
    scores[1:3] = 0.15
    document = long_result()
    strength = made(document, over(shares, scores), "rock", ["a"])
    np.testing.assert_allclose(strength, [0, 0.1, 0.1, 0, 0, 0.4, 0.4, 0])
    place = strongest(document, over(shares, scores), "rock", ["a"], STARTS_S, SEGMENT_S)
    assert place == Passage(75, 81, 5, 7)


def test_a_finer_hop_makes_no_other_passages() -> None:
    shares, scores = np.zeros((8, 2)), np.full(8, 0.8)
    shares[5:7, 0] = 0.4
    fine = over(np.repeat(shares, 4, axis=0), np.repeat(scores, 4), SEGMENT_S / 4)
    place = strongest(long_result(), fine, "rock", ["a"], STARTS_S, SEGMENT_S)
    assert place == Passage(75, 81, 5, 7)


def test_log_odds_are_compared_with_log_odds() -> None:
    document = result(SHARES)
    document["method"]["unit"] = "log-odds"
    strength = made(document, over(np.full((1, 2), 2.0), np.array([0.05])), "rock", ["a"])
    np.testing.assert_allclose(strength, 0, atol=1e-9)
    strength = made(document, over(np.full((1, 2), 2.0), np.array([0.9])), "rock", ["a"])
    np.testing.assert_allclose(strength, 2.0)


def test_passages_that_are_named() -> None:
    assert named(62.0, 70.0, STARTS_S, SEGMENT_S, 84.0) == Passage(62, 70, 1, 3, named=True)
    assert named(64.0, 66.0, STARTS_S, SEGMENT_S, 84.0) == Passage(64, 66, 1, 2, named=True)
    assert named(None, 65.0, STARTS_S, SEGMENT_S, 84.0) == Passage(60, 65, 0, 1, named=True)
    with pytest.raises(StemlensError, match="goes from 60 to 84 s"):
        named(90.0, None, STARTS_S, SEGMENT_S, 84.0)


def test_what_comes_after_the_last_whole_segment_has_no_score() -> None:
    """The session ends at 86.5 s, its last segment at 84."""
    assert named(83.0, 86.5, STARTS_S, SEGMENT_S, 86.5) == Passage(83, 86.5, 7, 8, named=True)
    for start_s, end_s in ((84.0, 86.5), (84.5, None), (85.0, 90.0)):
        with pytest.raises(StemlensError, match="which ends at 84 s") as caught:
            named(start_s, end_s, STARTS_S, SEGMENT_S, 86.5)
        assert caught.value.code == "bad_options"
    (short,) = starts = np.array([60.0])  # a session of less than a segment is padded
    assert named(61.0, 61.4, starts, SEGMENT_S, 61.5) == Passage(61, 61.4, 0, 1, named=True)
    assert named(short, None, starts, SEGMENT_S, 61.5) == Passage(60, 61.5, 0, 1, named=True)


def test_tags_are_found_in_any_case() -> None:
    assert require_tag("hip-hop", ["rock", "Hip-Hop"]) == "Hip-Hop"
    with pytest.raises(StemlensError, match="did you mean Hip-Hop"):
        require_tag("hiphop", ["rock", "Hip-Hop"])
