"""Sections of songs whose parts are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stemlens.explain.structure import LEAST_NOVELTY, LEAST_S, novelty, sections, spans
from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy

TAGS = ("metal", "happy", "guitar")
KINDS = {"metal": "genre", "happy": "mood", "guitar": "instrument"}
GENRES_AND_MOODS = AnnotationPolicy(kinds=("genre", "mood"))
SEGMENT_S = 3.0
CALM, LOUD = (0.1, 0.5, 0.2), (0.6, 0.2, 0.7)


def song(
    *parts: tuple[tuple[float, ...], float], hop_s: float = SEGMENT_S, noise: float = 0.02
) -> OverTime:
    """Parts, each (scores, seconds), as segments of 3 s hear them: the mean of what is in them."""
    fine = np.repeat([scores for scores, _ in parts], [round(s * 20) for _, s in parts], axis=0)
    fine = fine + noise * np.random.RandomState(0).standard_normal(fine.shape)
    length, hop = round(20 * SEGMENT_S), round(20 * hop_s)
    starts = np.arange(0, len(fine) - length + 1, hop)
    scores = np.stack([fine[at : at + length].mean(axis=0) for at in starts])
    return OverTime(
        60 + starts / 20,
        SEGMENT_S,
        scores,
        np.zeros_like(scores),
        np.zeros((len(scores), 0, 3)),
        (),
        TAGS,
    )


@pytest.mark.parametrize("hop_s", [3.0, 1.0, 0.25])
@pytest.mark.parametrize("at_s", [24.0, 9.0, 39.0])
def test_two_halves_have_one_boundary(hop_s: float, at_s: float) -> None:
    over_time = song((CALM, at_s), (LOUD, 48.0 - at_s), hop_s=hop_s)
    one, other = sections(over_time, KINDS, GENRES_AND_MOODS)
    assert one["end_s"] == other["start_s"] == pytest.approx(60 + at_s, abs=hop_s / 2 + 0.01)
    assert (one["start_s"], other["end_s"]) == (60, 108)
    assert (one["text"], other["text"]) == ("happy, less metal", "metal, less happy")
    step = np.linalg.norm(np.array(LOUD) - CALM)
    least = 0.95 if hop_s == SEGMENT_S else 0.75
    assert one["novelty"] == 0 and least * step < other["novelty"] < 1.05 * step


def test_the_boundaries_of_a_form() -> None:
    form = [(CALM, 16.0), (LOUD, 20.0), (CALM, 14.0), ((0.3, 0.9, 0.1), 30.0)]
    found = sections(song(*form, hop_s=0.5), KINDS, AnnotationPolicy())
    assert [s["start_s"] for s in found] == pytest.approx([60, 76, 96, 110], abs=0.6)
    assert all(one["end_s"] == two["start_s"] for one, two in pairwise(found))


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("hop_s", [3.0, 0.5])
def test_a_song_of_one_kind_is_one_section(noise: float, hop_s: float) -> None:
    over_time = song((LOUD, 90.0), hop_s=hop_s, noise=noise)
    (only,) = sections(over_time, KINDS, AnnotationPolicy())
    assert (only["start_s"], only["end_s"]) == (60, 150)
    assert only["text"] == "guitar, metal, happy" and only["tags"][0]["rest"] is None
    (only,) = sections(over_time, KINDS, GENRES_AND_MOODS)
    assert only["text"] == "metal, happy"


@pytest.mark.parametrize("seconds", [3.0, 9.0, 15.0])
def test_what_is_too_short_for_two_sections_is_one(seconds: float) -> None:
    over_time = song((CALM, seconds / 2), (LOUD, seconds / 2))
    assert len(spans(over_time)) == 1 and seconds < 2 * LEAST_S
    assert not novelty(over_time)[0].any()


def test_no_song_has_no_sections() -> None:
    nothing = song((CALM, 3.0))
    none = OverTime(
        nothing.start_s[:0], 3.0, nothing.scores[:0], nothing.baseline[:0],
        nothing.attributions[:0], (), TAGS,
    )  # fmt: skip
    assert sections(none, KINDS, AnnotationPolicy()) == []


def test_a_song_that_is_never_alike_has_no_sections() -> None:
    """Where each segment is unlike the next, no place is a boundary, though much is new there."""
    restless = np.random.RandomState(3).uniform(0, 1, (30, 3))
    over_time = song(*((tuple(scores), SEGMENT_S) for scores in restless))
    assert novelty(over_time)[0].max() > 2 * LEAST_NOVELTY and len(spans(over_time)) == 1


def test_a_break_that_is_shorter_than_a_section_makes_none() -> None:
    over_time = song((LOUD, 30.0), (CALM, 3.0), (LOUD, 30.0))
    assert len(spans(over_time)) == 1


def test_tags_are_told_as_the_policy_wants() -> None:
    over_time = song((CALM, 24.0), (LOUD, 24.0))
    texts = [
        sections(over_time, KINDS, AnnotationPolicy(**policy))[1]["text"]  # type: ignore[arg-type]
        for policy in ({"kinds": ("instrument",)}, {"kinds": ("era",)}, {"min_share": 45.0})
    ]
    assert texts == ["guitar", "like the rest", "guitar, metal"]
