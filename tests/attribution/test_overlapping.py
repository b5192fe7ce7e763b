"""Shares over time at a finer hop: the session's own segments, and others between them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from support.meter import RATE, Meter
from support.sounds import NAMES, sounds, stem_folder

from stemlens import Options, Session, analyze
from stemlens.analysis import Analysis
from stemlens.attribution import anytime, overlapping
from stemlens.attribution.shares import Shares
from stemlens.game import Game
from stemlens.over_time import OverTime
from stemlens.tagging import Tag, Tagger
from stemlens.tagging.mel_tagger import LogMelNetwork, MelTagger

GAINS_DB = [0.0, -6.0, 3.0]


class Ears(LogMelNetwork):
    """Two tags of the mean spectrum, with weights of chance."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(96, 2, generator=generator) / 8

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(log_mel.mean(1) @ self.weights)


@cache
def mel_tagger() -> Tagger:
    return MelTagger("ears", (Tag("a", "mood", "a"), Tag("b", "mood", "b")), Ears(), "cpu")


def played(game: Game, on_done: overlapping.Progress = lambda fraction: None) -> Shares:
    *_, last = anytime.revisions(game, on_progress=on_done)
    return last


def stems(seconds: float) -> NDArray[np.float32]:
    """Three stems; the last one is silent in the first half."""
    made = sounds(seconds, RATE)[:3]
    made[2, : made.shape[1] // 2] = 0
    return made


@pytest.mark.parametrize(
    ("make", "seconds", "hop_s", "expected_hop_s", "count"),
    [
        (Meter, 4.4, 0.25, 0.25, 4 + 4 + 3 + 3),
        (Meter, 4.4, 0.3, 0.25, 14),
        (mel_tagger, 7.0, 0.8, 2.992 / 4, 2 + 2 + 1 + 1),
    ],
)
def test_scores_are_those_of_the_sum_played_from_there(
    make: type[Tagger], seconds: float, hop_s: float, expected_hop_s: float, count: int
) -> None:
    tagger, waveforms = make(), stems(seconds)
    game = Game(tagger, waveforms, GAINS_DB)
    own = played(game)
    asked = game.tagged
    found = overlapping.course(game, own, hop_s, played)
    assert found.hop_s == pytest.approx(expected_hop_s) and len(found.start_s) == count
    assert game.tagged == asked, "what was known is not asked for again"
    assert (np.diff(found.start_s) == pytest.approx(expected_hop_s, abs=1 / RATE)) or seconds == 7
    at = np.flatnonzero(np.isin(found.start_s, game.start_s))
    assert found.start_s[at].tolist() == game.start_s.tolist()
    np.testing.assert_array_equal(found.scores[at], own.scores)
    np.testing.assert_array_equal(found.attributions[at], own.attributions.astype(np.float32))
    gains = 10.0 ** (np.array(GAINS_DB) / 20)
    summed = (gains @ waveforms).astype(np.float32)
    for t, start_s in enumerate(found.start_s):
        # the session played from the segment's own offset, and the segment's number in that
        first = round(start_s % tagger.segment_s * tagger.sample_rate)
        number = round((start_s - first / tagger.sample_rate) / tagger.segment_s)
        alone = tagger.score(tagger.open_one(summed[first:], number))
        np.testing.assert_allclose(found.scores[t], alone[0], atol=2e-6)


def test_shares_add_up_in_every_segment_and_go_with_their_stems() -> None:
    waveforms, order = stems(3.0), [2, 0, 1]
    one, other = (
        overlapping.course(game, played(game), 0.25, played)
        for game in (
            Game(Meter(), waveforms, GAINS_DB),
            Game(Meter(), waveforms[order], np.array(GAINS_DB)[order]),
        )
    )
    total = one.scores - one.baseline
    np.testing.assert_allclose(one.attributions.sum(axis=1), total, atol=1e-5)
    np.testing.assert_allclose(one.attributions[:, order], other.attributions, atol=1e-6)
    silent = one.start_s + 1 <= 1.5
    assert not one.attributions[silent, 2].any() and one.attributions[~silent, 2].any()
    assert not one.off.any()


@pytest.mark.parametrize(("seconds", "count"), [(0.6, 1), (1.0, 1), (1.1, 1), (1.3, 2)])
def test_segments_that_the_session_does_not_fill_are_left_out(seconds: float, count: int) -> None:
    game = Game(Meter(), stems(seconds), GAINS_DB)
    found = overlapping.course(game, played(game), 0.25, played)
    assert found.start_s.tolist() == [0.0, 0.25][:count]


def test_a_silent_session_has_no_shares() -> None:
    game = Game(Meter(), np.zeros((2, 2 * RATE), np.float32))
    found = overlapping.course(game, played(game), 0.5, played)
    assert len(found.start_s) == 3 and not found.attributions.any()


def test_work_ends_where_progress_says_so() -> None:
    class Enough(Exception):
        pass

    told: list[float] = []

    def stop(fraction: float) -> None:
        told.append(fraction)
        if fraction > 0.5:
            raise Enough

    game = Game(Meter(), stems(2.0), GAINS_DB)
    with pytest.raises(Enough):
        overlapping.course(game, played(game), 0.25, played, stop)
    assert told == sorted(told) and told[0] == 0


def test_no_more_is_kept_of_a_pass_than_is_told() -> None:
    """Two float32 arrays, of stems × tags × segments, beside what one pass itself takes."""
    stems, tags, segments, count = 20, 50, 250, 12
    shape = (segments, stems, tags)

    class Long:
        """A game of which only its sizes are asked."""

        tagger = SimpleNamespace(
            segment_s=3.0, sample_rate=1, segments=lambda samples: (samples // 3, 0.0)
        )
        samples, start_s = 3 * segments + 3, 3.0 * np.arange(segments)
        sounding, tagged, recalled = np.ones((segments, stems), np.bool_), 1, 0

        def played_from(self, first: int) -> Long:
            return self

    def play(game: Any, tell: Any = None) -> Shares:
        flat = np.zeros((segments, tags))
        return Shares(*(np.ones(shape) for _ in range(5)), flat, flat, flat, 0)

    own, told = play(None), 2 * count * 4 * np.prod(shape)
    tracemalloc.start()
    try:
        found = overlapping.course(Long(), own, 0.25, play)  # type: ignore[arg-type]
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.attributions.shape == found.off.shape == (count * segments, stems, tags)
    assert found.attributions.dtype == found.off.dtype == np.float32
    assert kept < 1.15 * told and most < told + 8 * 8 * np.prod(shape)


# --------------------------------------------------------------------------------- in an analysis


def heard(folder: Path, **options: object) -> Analysis:
    return analyze(folder, Options.from_dict(options), tagger=Meter())


def test_the_sessions_shares_stay_and_the_course_is_finer(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "song", seconds=3.2, stems=3)
    coarse, fine = (heard(folder, hop_s=hop_s, start_s=60.0) for hop_s in (None, 0.4))
    np.testing.assert_array_equal(coarse.attributions, fine.attributions)
    one, other = coarse.to_dict(), fine.to_dict()
    assert one["tags"] == other["tags"] and one["revision"] < other["revision"]
    assert (one["method"]["hop_s"], other["method"]["hop_s"]) == (1.0, 0.333333)
    assert other["method"]["taggings"] > one["method"]["taggings"]
    fine = fine.with_npz(tmp_path / "fine.npz")
    read = OverTime.read(tmp_path / "fine.npz", 1.0)
    assert len(read.start_s) == 3 + 2 + 2 and read.start_s[0] == 60
    for name in ("start_s", "scores", "baseline", "attributions"):
        np.testing.assert_array_equal(getattr(fine.over_time, name), getattr(read, name))
    with np.load(tmp_path / "fine.npz") as arrays:
        assert arrays["scores"].shape == (3, 2) and arrays["fine_off"].shape == (7, 3, 2)
    spans = read.spans_s
    assert spans[0][0] == 60 and spans[-1][1] == 63
    assert all(one[1] == two[0] for one, two in pairwise(spans))


def test_every_pass_has_the_limits_of_the_first(tmp_path: Path) -> None:
    """With a budget for nothing no stem is muted, at whatever hop; what all score is known."""
    folder = stem_folder(tmp_path, seconds=3.0, stems=4)
    bounded = heard(folder, hop_s=0.5, budget=0)
    assert bounded.course is not None and bounded.course.off.max() > 0.5
    exact = heard(folder, hop_s=0.5)
    assert exact.course is not None and not exact.course.off.any()
    np.testing.assert_array_equal(bounded.course.scores, exact.course.scores)


def test_a_hop_of_a_segment_or_more_is_none(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path, seconds=3.0)
    assert heard(folder, hop_s=1.0).course is None
    assert heard(folder, hop_s=7).to_dict()["method"]["hop_s"] == 1.0


def test_stages_of_their_own(tmp_path: Path) -> None:
    stages: list[str] = []
    session = replace(Session.read(stem_folder(tmp_path, seconds=2.0)), mix=None)
    analyze(
        session,
        Options(hop_s=0.5),
        tagger=Meter(),
        on_progress=lambda stage, fraction: stages.append(stage),
    )
    assert list(dict.fromkeys(stages)) == ["reading stems", "tagging", "tagging at finer hop"]


def test_unicode_names_come_back(tmp_path: Path) -> None:
    for name, samples in zip(("<b>低音", NAMES[1]), sounds(2.0), strict=False):
        soundfile.write(tmp_path / f"{name.replace('/', '_')}.wav", samples, RATE)
    heard(tmp_path, hop_s=0.5).with_npz(tmp_path / "a.npz")
    assert "<b>低音" in OverTime.read(tmp_path / "a.npz", 1.0).stems
