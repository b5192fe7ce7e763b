"""What was tagged once is never tagged again, and nothing stale is ever taken for it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.meter import RATE, Meter
from support.sounds import sounds, stem_folder

from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.opening import open_game
from stemlens.scorecache import ScoreCache, digest, keys
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

EVERYBODY = membership(4)


def heard(
    waveforms: NDArray[np.float32], cache: ScoreCache, gains_db: list[float] | None = None
) -> tuple[int, NDArray[np.float32]]:
    """How many coalitions had to be tagged, and all scores of the first segment."""
    game = Game(Meter(), waveforms, gains_db, kept=cache, silence=0)
    scores = [game.scores(t, membership(len(game.players(t)))) for t in range(len(game.sounding))]
    return game.tagged, scores[0]


def test_the_same_session_again_costs_nothing(tmp_path: Path) -> None:
    with ScoreCache(tmp_path / "scores.sqlite3") as cache:
        tagged, first = heard(sounds(2.0), cache)
    assert tagged > 20
    with ScoreCache(tmp_path / "scores.sqlite3") as cache:
        again, second = heard(sounds(2.0), cache)
    assert again == 0
    np.testing.assert_array_equal(first, second)


def test_one_sample_makes_another_stem(tmp_path: Path) -> None:
    """Only the coalitions with the stem in the segment with the sample are tagged again, and they
    get their own scores."""
    changed = sounds(2.0)
    changed[1, RATE // 2] += 0.5
    with ScoreCache(tmp_path / "scores.sqlite3") as cache:
        _, before = heard(sounds(2.0), cache)
        tagged, after = heard(changed, cache)
    assert tagged == 8
    fresh = heard(changed, ScoreCache())[1]
    np.testing.assert_array_equal(after, fresh)
    with_it = EVERYBODY[:, 1]
    assert (before[with_it] != after[with_it]).any() and (before == after)[~with_it].all()


def test_a_stem_that_changed_costs_half() -> None:
    """Of nine stems: what the others do together stays known."""
    nine = np.concatenate([sounds(1.0), -0.5 * sounds(1.0), sounds(1.0)[:1] ** 2])
    cache = ScoreCache()
    cold, _ = heard(nine, cache)
    nine[3] *= 0.9
    again, _ = heard(nine, cache)
    assert again <= 0.5 * cold


def test_a_session_that_grew_costs_what_is_new() -> None:
    cache = ScoreCache()
    heard(sounds(3.0)[:, : 2 * RATE], cache)
    longer = Game(Meter(), sounds(3.0), kept=cache, silence=0)
    for t in range(3):
        longer.scores(t, membership(len(longer.players(t))))
    assert longer.tagged == 2 ** len(longer.players(2)) - 1  # silence was known


def test_names_and_order_do_not_matter_gain_does() -> None:
    cache = ScoreCache()
    cold, forward = heard(sounds(1.0), cache)
    turned, backward = heard(sounds(1.0)[::-1].copy(), cache)
    assert cold == 16 and turned == 0
    everyone = slice(-1, None)
    np.testing.assert_array_equal(forward[everyone], backward[everyone])
    assert heard(sounds(1.0), cache, [0, 0, 0, 1e-9])[0] == 8


def test_twins_are_tagged_once() -> None:
    """Two stems that are the same: one of them is as good as the other."""
    kick = sounds(1.0)[0]
    game = Game(Meter(), np.stack([kick, kick, 0.5 * kick]))
    scores = game.scores(0, membership(3))
    assert game.tagged == 6  # nobody, a twin, both, each with and without the third
    np.testing.assert_array_equal(scores[0b001], scores[0b010])
    assert (scores[0b011] != scores[0b001]).any()


def test_other_gains_open_nothing_and_leave_the_cache_alone() -> None:
    cache = ScoreCache()
    game = Game(Meter(), sounds(1.0), kept=cache)
    game.scores(0, EVERYBODY)
    size = len(cache)
    louder = game.at([0, 6, 0, 0])
    assert louder.stems is game.stems
    expected = Game(Meter(), sounds(1.0), [0, 6, 0, 0]).scores(0, EVERYBODY)
    np.testing.assert_array_equal(louder.scores(0, EVERYBODY), expected)
    assert len(cache) == size


def test_a_session_that_is_open_lends_what_was_made_of_it(tmp_path: Path) -> None:
    """The same files at another gain need no new spectra; other files do."""
    tagger = Meter()
    place = stem_folder(tmp_path / "one", seconds=3.0)
    first = open_game(Session.read(place), tagger, Options())
    session = Session.read(place)
    louder = replace(session, stems=(replace(session.stems[0], gain_db=6.0), session.stems[1]))
    second = open_game(louder, tagger, Options(session_loudness="off"), before=[first])
    assert second.game.stems is first.game.stems
    assert second.material.waveforms is first.material.waveforms
    assert second.game.gains[0] == pytest.approx(10 ** (6 / 20))
    fresh = open_game(louder, tagger, Options(session_loudness="off"))
    everyone = np.ones((1, 2), bool)
    np.testing.assert_array_equal(second.game.scores(0, everyone), fresh.game.scores(0, everyone))
    other = Session.read(stem_folder(tmp_path / "other", seconds=2.0))
    assert open_game(other, tagger, Options(), before=[first]).game.stems is not first.game.stems


class Deaf(Meter):
    """The same audio, another network."""

    identity = "deaf"

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.zeros((len(inputs), 2), np.float32)


def test_another_tagger_has_its_own_scores() -> None:
    cache = ScoreCache()
    heard(sounds(1.0), cache)
    assert not Game(Deaf(), sounds(1.0), kept=cache, silence=0).scores(0, EVERYBODY).any()


def test_what_is_done_when_work_ends_stays_known(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with ScoreCache(tmp_path / "scores.sqlite3") as cache, pytest.raises(KeyboardInterrupt):
        Game(Meter(), sounds(1.0), kept=cache).scores(0, EVERYBODY, on_tagged=stop)
    with ScoreCache(tmp_path / "scores.sqlite3") as cache:
        assert heard(sounds(1.0), cache)[0] == 16 - Meter.batch


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ScoreCache(tmp_path / "scores.sqlite3", max_bytes=200_000)
    today = iter(range(100))
    monkeypatch.setattr("stemlens.scorecache._today", lambda: next(today))
    rng = np.random.default_rng(0)
    mine, scores = rng.integers(0, 2**63, (200, 2)).astype(np.uint64), np.ones((200, 50), "f4")
    cache.keep(mine, scores)
    for _ in range(20):
        others = rng.integers(0, 2**63, (100, 2)).astype(np.uint64)
        cache.keep(others, scores[:100])
        assert cache.find(mine, 50)[0].all()  # used again and again, so never the oldest
        assert cache.bytes() <= 240_000
    assert len(cache) < 200 + 20 * 100


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores.sqlite3"
    path.write_bytes(content)
    with ScoreCache(path) as cache:
        assert cache.problem is None
        heard(sounds(1.0), cache)
        assert heard(sounds(1.0), cache)[0] == 0


def test_a_place_that_cannot_be_used_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ScoreCache(tmp_path / "file" / "scores.sqlite3")
    assert cache.problem is not None
    assert heard(sounds(1.0), cache)[0] == 16


def test_a_cache_that_breaks_under_way_costs_time_only(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite3"
    with ScoreCache(path) as cache:
        heard(sounds(1.0), cache)
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE scores")
        assert heard(sounds(1.0), cache)[0] == 16
        assert cache.problem is not None and "scores" in cache.problem


def test_two_processes_share_one(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite3"
    with ScoreCache(path) as one, ScoreCache(path) as two:
        heard(sounds(1.0), one)
        assert heard(sounds(1.0), two)[0] == 0


def test_everything_can_be_forgotten(tmp_path: Path) -> None:
    with ScoreCache(tmp_path / "scores.sqlite3") as cache:
        heard(sounds(1.0), cache)
        cache.clear()
        assert len(cache) == 0 and heard(sounds(1.0), cache)[0] == 16


@given(st.integers(0, 2**12 - 1), st.integers(0, 2**12 - 1))
def test_coalitions_have_the_same_key_only_if_they_are_the_same(one: int, other: int) -> None:
    stems = np.array([digest(bytes([i])) for i in range(12)])
    plays = membership(12)[[one, other]]
    a, b = keys(digest(b"tagger"), stems, plays)
    assert (a == b).all() == (one == other)
