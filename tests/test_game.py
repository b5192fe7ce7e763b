"""Who sounds when, and that a game's scores are those of the sums of waveforms."""

from __future__ import annotations

import numpy as np
import pytest
from support.meter import RATE, Meter
from support.sounds import sounds

from stemlens.attribution import anytime, shapley
from stemlens.attribution.shares import Shares
from stemlens.attribution.table import membership
from stemlens.game import Game


def exact(game: Game) -> Shares:
    *_, last = anytime.revisions(game)
    assert last.exact
    return last


def four_stems() -> Game:
    """4 s; the third stem is silent in the first second, the fourth from the third on."""
    waveforms = sounds(4.0, RATE)
    waveforms[2, :RATE] = 0
    waveforms[3, 2 * RATE :] = 0
    return Game(Meter(), waveforms, gains_db=[0, -6, 3, 0])


def test_who_sounds_when() -> None:
    expected = [[1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]]
    waveforms = sounds(4.0, RATE)
    waveforms[2, :RATE] = 0
    waveforms[2, RATE:] += 0.01
    waveforms[3, 2 * RATE :] = 0
    assert (Game(Meter(), waveforms).sounding == np.array(expected, bool)).all()


def test_a_stem_can_be_turned_down_until_it_does_not_sound() -> None:
    waveforms = sounds(1.0, RATE)[:2]
    assert Game(Meter(), waveforms, [0, -200]).sounding.tolist() == [[True, False]]
    assert Game(Meter(), waveforms, silence=1.0).sounding.tolist() == [[False, False]]


def test_scores_are_those_of_summed_waveforms() -> None:
    game, tagger = four_stems(), Meter()
    waveforms = sounds(4.0, RATE)
    waveforms[2, :RATE] = 0
    waveforms[3, 2 * RATE :] = 0
    gains = 10.0 ** (np.array([0, -6, 3, 0]) / 20)
    for t in range(4):
        players = np.flatnonzero(game.sounding[t])
        plays = membership(len(players)) * gains[players]
        sums = plays @ waveforms[players, t * RATE : (t + 1) * RATE]
        scores = game.scores(t, membership(len(players)))
        np.testing.assert_allclose(scores, tagger.score(sums), atol=1e-6)


def test_the_exact_shares_are_those_of_the_whole_game() -> None:
    """Segment by segment over sounding stems = all 2ⁿ coalitions over the whole session."""
    game = four_stems()
    whole = np.zeros((16, 2))
    for mask in range(16):
        for t in range(4):
            players = np.flatnonzero(game.sounding[t])
            local = sum(1 << i for i, p in enumerate(players) if mask >> p & 1)
            whole[mask] += game.scores(t, membership(len(players))[[local]])[0] / 4
    shares = exact(game)
    np.testing.assert_allclose(shares.attributions.mean(axis=0), shapley(whole), atol=1e-6)
    assert shares.coalitions == sum(2 ** int(n) for n in game.sounding.sum(axis=1)) < 4 * 16
    total = shares.scores.mean(axis=0) - shares.baseline.mean(axis=0)
    np.testing.assert_allclose(shares.attributions.mean(axis=0).sum(axis=0), total, atol=1e-6)


def test_a_silent_stem_gets_nothing() -> None:
    waveforms = sounds(2.0, RATE)
    waveforms[1] = 0
    shares = exact(Game(Meter(), waveforms))
    for part in (shares.attributions, shares.mute, shares.solo):
        assert (part[:, 1] == 0).all() and part[:, 0].any()


def test_stems_that_cancel_share_what_their_sum_does() -> None:
    """A stem and its inverse: alone each is loud, together they are silence."""
    drum = sounds(1.0, RATE)[0]
    shares = exact(Game(Meter(), np.stack([drum, -drum])))
    np.testing.assert_allclose(shares.attributions.sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(shares.scores, shares.baseline, atol=1e-6)
    assert (shares.solo[:, :, 0] > 0.05).all()
    np.testing.assert_allclose(shares.mute, shares.solo[:, ::-1], atol=1e-6)


def test_work_ends_between_batches() -> None:
    class Enough(Exception):
        pass

    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise Enough

    with pytest.raises(Enough):
        list(anytime.revisions(four_stems(), on_progress=stop))
