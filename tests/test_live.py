"""The live mix: what faders do, told in order, and dropped when they move again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.meter import RATE, Meter

from stemlens import live
from stemlens.attribution import shapley
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.live import Effects, Excerpt, LiveMix, Tags, most_like_all, scores_over_time
from stemlens.tagging import lanes

SEGMENTS = range(1, 4)


class Moved(Exception):
    """A fader was moved meanwhile."""


class Counting(Meter):
    """A meter that counts its taggings."""

    def __init__(self) -> None:
        self.taggings = self.not_urgent = 0

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float32]:
        self.taggings += len(inputs)
        self.not_urgent += not lanes._is_urgent.get()
        return super().score(inputs)


def noise(stems: int, seconds: int = 5) -> NDArray[np.float32]:
    """Stems of unlike loudness and colour; the last one pauses in the segment 2."""
    random = np.random.default_rng(stems)
    waves = random.normal(size=(stems, seconds * RATE)) * np.linspace(0.02, 0.2, stems)[:, None]
    waves[::2, 1:] += waves[::2, :-1]
    waves[-1, 2 * RATE : 3 * RATE] = 0
    return waves.astype(np.float32)


def game_of(stems: int, tagger: Meter | None = None) -> Game:
    return Game(tagger or Counting(), noise(stems), np.linspace(-3, 2, stems))


def mix_of(game: Game, segments: range = SEGMENTS) -> LiveMix:
    return LiveMix(Excerpt(game.tagger, game.stems, segments, game.gains), game.gains)


def answers(mix: LiveMix, stems: int, moved: dict[int, float] | None = None,
            muted: tuple[int, ...] = ()) -> list[Tags | Effects]:  # fmt: skip
    moved_db = np.zeros(stems)
    for stem, db in (moved or {}).items():
        moved_db[stem] = db
    return list(mix.answers(moved_db, np.isin(np.arange(stems), muted), 2))


def tags(found: list[Tags | Effects]) -> NDArray[np.float64]:
    (only,) = (it.scores for it in found if isinstance(it, Tags))
    return only


def effects(found: list[Tags | Effects], kind: str) -> list[Effects]:
    return [it for it in found if isinstance(it, Effects) and it.kind == kind]


def coalition(game: Game, without: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """The mean score of the sum without some stems, as an analysis has it."""
    scores = [
        game.scores(t, ~np.isin(game.players(t), without)[None])[0].astype(np.float64)
        for t in SEGMENTS
    ]
    found: NDArray[np.float64] = np.mean(scores, axis=0)
    return found


def test_faders_that_were_not_moved_give_the_scores_of_the_job() -> None:
    game = game_of(4)
    found = answers(mix_of(game), 4)
    assert tags(found) == pytest.approx(coalition(game), abs=1e-7)
    assert [type(it) for it in found[:3]] == [Tags, Effects, Effects]
    kinds = [it.kind for it in found if isinstance(it, Effects)]
    assert kinds[:3] == ["decibel", "mute", "share"] and set(kinds[3:]) <= {"share"}


def test_all_the_way_down_is_muted_is_the_coalition_without() -> None:
    game = game_of(4)
    mix = mix_of(game)
    down, muted = answers(mix, 4, {1: -150.0}), answers(mix, 4, muted=(1,))
    for it, other in zip(down, muted, strict=True):
        for name in ("scores",) if isinstance(it, Tags) else ("value", "low", "high", "sounds"):
            np.testing.assert_array_equal(getattr(it, name), getattr(other, name))
    assert tags(muted) == pytest.approx(coalition(game, (1,)), abs=1e-7)
    (mute,) = effects(muted, "mute")
    assert not mute.sounds[1] and not mute.value[1].any()


def test_a_moved_fader_is_a_louder_stem() -> None:
    game = game_of(3)
    other = Game(Meter(), noise(3), [-3, 5.5, -7])
    assert tags(answers(mix_of(game), 3, {1: 6, 2: -9})) == pytest.approx(
        coalition(other), abs=1e-7
    )


def test_mutes_decibels_and_shares_are_what_an_analysis_finds() -> None:
    game = game_of(4)
    found = answers(mix_of(game), 4)
    now = tags(found)
    (mute,), (up,) = effects(found, "mute"), effects(found, "decibel")
    for stem in range(4):
        assert mute.value[stem] == pytest.approx(coalition(game, (stem,)) - now, abs=1e-7)
        louder = answers(mix_of(game), 4, {stem: 1.0})
        assert up.value[stem] == pytest.approx(tags(louder) - now, abs=1e-7)
    exact = np.zeros((4, 2))
    for t in SEGMENTS:
        players = game.players(t)
        exact[players] += shapley(game.scores(t, membership(len(players)))) / len(SEGMENTS)
    last = effects(found, "share")[-1]
    assert last.value == pytest.approx(exact, abs=1e-6)
    assert (last.low == last.value).all() and (last.high == last.value).all()


def test_shares_of_many_stems_are_estimated_better_and_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "PRECISION", 1e-5)
    game = game_of(9)
    found = answers(mix_of(game), 9)
    shares = effects(found, "share")
    widths = [(it.high - it.low).max() for it in shares]
    assert len(widths) > 2 and sorted(widths, reverse=True) == widths and widths[-1] < widths[0] / 2
    silence = np.mean([game.scores(t, np.zeros((1, 9 - (t == 2)), bool))[0] for t in SEGMENTS], 0)
    for it in shares:
        assert it.value.sum(axis=0) == pytest.approx(tags(found) - silence, abs=1e-5)
    assert isinstance(game.tagger, Counting)
    before = game.tagger.taggings
    monkeypatch.setattr(live, "PRECISION", 1.0)
    assert len(effects(answers(mix_of(game), 9), "share")) == 1  # good enough at once
    assert game.tagger.taggings - before < 3 * (4 + 9 * 9 + 2)


def test_a_stem_that_was_too_quiet_sounds_when_its_fader_goes_up() -> None:
    waves = noise(3)
    waves[0] *= 1e-6 / np.sqrt((waves[0] ** 2).mean())  # −120 dB: at the threshold
    game = Game(Meter(), waves, [-12.0, 0.0, 0.0])
    assert not game.sounding[:, 0].any()
    mix = mix_of(game)
    (mute,) = effects(answers(mix, 3), "mute")
    assert not mute.sounds[0]
    (mute,) = effects(answers(mix, 3, {0: 110.0}), "mute")
    assert mute.sounds[0] and abs(mute.value[0]).max() > 0.01


def test_when_nothing_sounds_the_tags_are_those_of_silence() -> None:
    game = game_of(2)
    found = answers(mix_of(game), 2, muted=(0, 1))
    assert tags(found) == pytest.approx(np.zeros(2), abs=1e-9)
    assert not any(it.sounds.any() or it.value.any() for it in found if isinstance(it, Effects))


def test_one_stem_alone_has_all_of_the_score() -> None:
    game = Game(Meter(), noise(2)[:1])
    found = answers(mix_of(game, range(1)), 1)
    (share,) = effects(found, "share")
    assert share.value[0] == pytest.approx(tags(found)) and (share.low == share.high).all()


@pytest.mark.parametrize("turn", [1, 2, 5, 10])
def test_a_newer_move_ends_all_that_is_under_way(turn: int) -> None:
    """What had been begun is finished, one batch of at most four; nothing is begun after it."""
    game = game_of(5)
    mix = mix_of(game)
    tagger = game.tagger
    assert isinstance(tagger, Counting)
    asked, at = 0, 0

    def go_on() -> None:
        nonlocal asked, at
        asked += 1
        if asked == turn:
            at = tagger.taggings
            raise Moved

    with pytest.raises(Moved):
        list(mix.answers(np.zeros(5), np.zeros(5, bool), 2, go_on))
    assert tagger.taggings == at and asked == turn
    after = list(mix.answers(np.full(5, 3.0), np.zeros(5, bool), 2))
    fresh = list(mix_of(game).answers(np.full(5, 3.0), np.zeros(5, bool), 2))
    assert tags(after) == pytest.approx(tags(fresh)) and len(after) == len(fresh)


def test_everything_goes_before_what_a_job_submits() -> None:
    """By `lanes.urgent`, of which its own tests show that it overtakes."""
    game = game_of(4)
    answers(mix_of(game), 4, {0: 3.0})
    assert isinstance(game.tagger, Counting)
    assert game.tagger.taggings and not game.tagger.not_urgent


def test_the_tags_cost_one_tagging_a_segment() -> None:
    game = game_of(5)
    mix = mix_of(game)
    assert isinstance(game.tagger, Counting)
    before = game.tagger.taggings
    next(mix.answers(np.ones(5), np.zeros(5, bool), 2))
    assert game.tagger.taggings - before == len(SEGMENTS)


def test_the_excerpt_is_where_the_session_sounds_like_itself() -> None:
    scores = np.array([0.0, 0.0, 1.0, 0.9, 0.2, 0.5, 0.6, 0.1])[:, None]
    means = [scores[i : i + 2].mean() for i in range(7)]
    assert most_like_all(scores, 2) == int(np.abs(means - scores.mean()).argmin())
    assert most_like_all(scores[:3], 4) == 0
    assert most_like_all(scores[:1], 4) == 0


def test_the_sum_over_time_is_what_the_game_says() -> None:
    game = game_of(3)
    heard: list[float] = []
    total = (game.gains @ noise(3)).astype(np.float32)
    scores = scores_over_time(game.tagger, total, heard.append)
    for t in range(5):
        everybody = game.scores(t, np.ones((1, len(game.players(t))), bool))[0]
        assert scores[t] == pytest.approx(everybody, abs=1e-6)
    assert heard == [0, 0.2, 0.4, 0.6, 0.8]
