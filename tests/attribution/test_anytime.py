"""Shares of whole sessions, better and better: what each revision may claim."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise, permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.meter import RATE, Meter

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.anytime import LEAST_SCORE, PRECISION, Limits, cost, log_odds, revisions
from stemlens.attribution.interactions import interactions
from stemlens.attribution.shares import Shares
from stemlens.attribution.table import membership
from stemlens.game import Game


def band(stems: int, seconds: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """Tones and bursts of noise, most of them through the whole of the session."""
    rng = np.random.RandomState(seed)
    time = np.arange(seconds * RATE) / RATE
    sounds = [
        rng.uniform(0.02, 0.08) * np.sin(2 * np.pi * rng.uniform(60, 3000) * time)
        + 0.01 * rng.standard_normal(time.size) * (time % 1 < rng.uniform(0.1, 1))
        for _ in range(stems)
    ]
    if stems > 3:
        sounds[1] *= time < 1
        sounds[2] *= time >= 1
    return np.array(sounds, dtype=np.float32)


def found(
    game: Game, value: str = "shapley", unit: str = "points", **limits: float
) -> list[Shares]:
    return list(revisions(game, value, unit, Limits(**limits)))  # type: ignore[arg-type]


def whole(game: Game, unit: str = "points") -> NDArray[np.float64]:
    """What all 2ⁿ coalitions of all stems are worth in the session."""
    plays = membership(game.sounding.shape[1])
    worth = np.zeros((len(plays), 2))
    for t, sounding in enumerate(game.sounding):
        scores = game.scores(t, plays[:, sounding]).astype(float)
        worth += (scores if unit == "points" else log_odds(scores)) / len(game.sounding)
    return worth


@cache
def known(stems: int) -> tuple[Game, NDArray[np.float64]]:
    """A game of which every coalition is scored already, and what they are worth."""
    game = Game(Meter(), band(stems))
    return game, whole(game)


@pytest.mark.parametrize("unit", ["points", "log-odds"])
@pytest.mark.parametrize(("value", "of"), [("shapley", shapley), ("banzhaf", banzhaf)])
def test_the_last_revision_is_exact_where_that_is_affordable(value, of, unit) -> None:  # type: ignore[no-untyped-def]
    game = Game(Meter(), band(6))
    *_, last = found(game, value, unit)
    expected = of(whole(game, unit))
    np.testing.assert_allclose(last.attributions.mean(axis=0), expected, atol=1e-6)
    assert last.exact and last.coalitions == cost(game) == sum(2 ** game.sounding.sum(axis=1))
    assert not last.half_width.any()


def test_sums_come_first_then_mutes_then_solos_and_intervals_narrow() -> None:
    game = Game(Meter(), band(12))
    sums, mutes, solos, *estimates = found(game, precision=0.0002)
    assert sums.coalitions == 2 * 3 and np.isnan(sums.mute).any()
    np.testing.assert_allclose(sums.total, sums.scores - sums.baseline)
    assert mutes.coalitions == sums.coalitions + game.sounding.sum()
    assert not np.isnan(mutes.mute).any() and np.isnan(mutes.solo).any()
    assert not np.isnan(solos.solo).any() and len(estimates) > 1
    steps = [shares.half_width.mean() for shares in (sums, mutes, solos, *estimates)]
    assert steps == sorted(steps, reverse=True)
    assert (sums.half_width <= 1.2).all()


def test_every_revision_claims_what_is_true() -> None:
    """Certain bounds hold always; the sum of shares is what everybody together is worth."""
    game = Game(Meter(), band(9, seed=1))
    exact = shapley(whole(game))
    revision = found(game)
    for shares in revision[:3]:
        off = abs(shares.attributions.mean(axis=0) - exact)
        assert (off <= shares.half_width + 1e-9).all()
    for shares in revision:
        np.testing.assert_allclose(shares.attributions.sum(axis=1), shares.total, atol=1e-9)


def test_effects_are_those_of_the_session() -> None:
    game = Game(Meter(), band(5))
    worth = whole(game)
    _, _, solos, *_ = found(game)
    everybody = len(worth) - 1
    for i in range(5):
        muted = worth[everybody ^ 1 << i] - worth[everybody]
        np.testing.assert_allclose(solos.mute.mean(axis=0)[i], muted, atol=1e-6)
        np.testing.assert_allclose(solos.solo.mean(axis=0)[i], worth[1 << i] - worth[0], atol=1e-6)


@pytest.mark.parametrize("value", ["mute", "solo"])
def test_effects_as_values_cost_two_taggings_a_stem(value: str) -> None:
    game = Game(Meter(), band(14))
    *_, last = found(game, value)
    effect = -last.mute if value == "mute" else last.solo
    np.testing.assert_array_equal(last.attributions, effect)
    assert last.exact and last.coalitions == 2 * 3 + 2 * game.sounding.sum()


def test_estimates_stop_when_they_are_good_enough() -> None:
    game = Game(Meter(), band(12))
    *_, before, last = found(game, precision=0.004)
    assert last.half_width.max() <= 0.004 < before.half_width.max()
    assert not last.exact and last.coalitions < cost(game) / 2
    exact = shapley(whole(game))
    assert abs(last.attributions.mean(axis=0) - exact).max() < 3 * 0.004


def test_what_is_not_affordable_is_estimated_to_a_point() -> None:
    game = Game(Meter(), band(16))
    *_, last = found(game, budget=5_000)
    assert cost(game) > 5_000 and not last.exact
    assert last.half_width.max() <= PRECISION


@pytest.mark.parametrize("budget", [0, 5, 6, 20, 60, 70, 100, 137, 620])
def test_a_budget_is_kept(budget: int) -> None:
    """The sum's own scores are always told; whatever is not known is not claimed.

    Not 500: there all but one pair of size 2 are known, and of a meter, which is far smoother than
    any song, intervals are half as wide then as they should be (docs/estimators.md).
    """
    game, worth = known(10)
    *_, last = found(game, budget=budget, precision=0.0)
    assert last.coalitions <= max(budget, 6)
    exact = shapley(worth)
    off = abs(last.attributions.mean(axis=0) - exact)
    assert (off <= 2 * last.half_width + 1e-9).all()
    np.testing.assert_allclose(last.scores.mean(axis=0), worth[-1], atol=1e-6)


def test_what_a_budget_pays_for_is_used() -> None:
    """456 taggings end a round of three segments with nine stems; 44 more go to the first one."""
    game, _ = known(10)
    (*_, whole_round), (*_, more) = (found(game, budget=b, precision=0.0) for b in (456, 500))
    assert (whole_round.coalitions, more.coalitions) == (456, 500)
    assert (more.variance[0].mean(axis=0) < whole_round.variance[0].mean(axis=0)).all()
    np.testing.assert_array_equal(more.variance[1:], whole_round.variance[1:])


class Clock:
    """One second for each coalition that is tagged."""

    def __init__(self) -> None:
        self.game: Game | None = None

    def __call__(self) -> float:
        return float(self.game.tagged) if self.game else 0.0


@pytest.mark.parametrize("time_s", [0.0, 10.0, 40.0, 200.0])
def test_a_time_limit_is_kept(time_s: float) -> None:
    game = Game(Meter(), band(10))
    clock = Clock()
    clock.game = game
    *_, last = revisions(game, limits=Limits(time_s=time_s), clock=clock)
    assert game.tagged <= time_s + 6 and not last.exact  # the speed is known roughly at first
    assert (last.scores > 0).any()


def test_the_same_seed_gives_the_same() -> None:
    one, same, other = (
        [*revisions(Game(Meter(), band(12)), limits=Limits(budget=1000), seed=seed)][
            -1
        ].attributions
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_segments_draw_their_own_coalitions() -> None:
    """A session that repeats itself: the same masks everywhere would repeat the same error."""
    loop = np.tile(band(12, seconds=1), (1, 8))
    shares = [*revisions(Game(Meter(), loop), limits=Limits(budget=8 * 120))][-1]
    assert (shares.attributions[0] != shares.attributions[1]).any()
    assert (shares.variance[0] > 0).any()


def test_silence_shares_nothing_out() -> None:
    *_, last = found(Game(Meter(), np.zeros((3, RATE), np.float32)))
    assert last.exact and not last.attributions.any() and not last.mute.any()


def test_one_stem_has_it_all() -> None:
    game = Game(Meter(), band(1))
    for shares in found(game):
        np.testing.assert_array_equal(shares.attributions[:, 0], shares.total)
        np.testing.assert_array_equal(shares.mute[:, 0], -shares.total)
        np.testing.assert_array_equal(shares.solo[:, 0], shares.total)
        assert shares.exact


def test_of_two_stems_muting_one_is_soloing_the_other() -> None:
    _, mutes, shares, *_ = found(Game(Meter(), band(2)))
    assert not np.isnan(mutes.mute).any(), "a mute is told with the mutes"
    worth = shares.total
    np.testing.assert_allclose(shares.solo[:, 0] - shares.mute[:, 1], worth, atol=1e-9)
    np.testing.assert_allclose(shares.solo[:, 1] - shares.mute[:, 0], worth, atol=1e-9)
    assert shares.exact and not np.isnan(shares.mute).any()


def test_twins_share_alike_and_are_tagged_once() -> None:
    stems = band(6, seconds=1)
    stems[5] = stems[4]
    game = Game(Meter(), stems)
    *_, last = found(game)
    np.testing.assert_allclose(last.attributions[:, 4], last.attributions[:, 5], atol=1e-9)
    assert game.tagged == 3 * 2 ** (int(game.sounding.sum()) - 2)


def test_many_stems_at_once() -> None:
    game = Game(Meter(), band(100, seconds=1) / 5)
    *_, last = found(game, budget=1500, precision=0.0)
    assert not last.exact and last.coalitions <= 1500
    np.testing.assert_allclose(last.attributions.sum(axis=1), last.total, atol=1e-9)


def test_a_limit_for_the_tags_that_are_shown() -> None:
    """Tags that nobody sees need not be known so well."""

    class Three(Meter):
        identity = "three"
        tags = (*Meter.tags, Meter.tags[0])

        def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float32]:
            scores = super().score(inputs)
            rough = (np.sin(300 * scores[:, :1]) + 1) / 200
            return np.concatenate([scores, rough], axis=1)

    game = Game(Three(), band(12))
    *_, last = found(game, precision=0.004, tags=2)
    shown = last.best(2)
    assert sorted(shown) == [0, 1]
    assert last.half_width[:, shown].max() <= 0.004


def test_log_odds_do_not_saturate() -> None:
    scores = np.array([0.0, 0.5, 1.0])
    assert log_odds(scores).tolist() == pytest.approx([-13.8155, 0, 13.8155], abs=1e-3)
    assert LEAST_SCORE == 1e-6


def test_progress_grows_and_can_stop_the_work() -> None:
    told: Sequence[float] = []
    list(revisions(Game(Meter(), band(8)), on_progress=told.append))  # type: ignore[attr-defined]
    assert told == sorted(told) and told[-1] == 1.0


GROUPS = [0, 0, 0, 1, 1, 2, 0]


def by_orders(worth: NDArray[np.float64], groups: list[int]) -> NDArray[np.float64]:
    """Owen values by definition: the mean over all orders in which groups stay together."""
    n = len(groups)
    orders = [
        order
        for order in permutations(range(n))
        if sum(groups[a] != groups[b] for a, b in pairwise(order)) == len(set(groups)) - 1
    ]
    values = np.zeros((n, worth.shape[1]))
    for order in orders:
        mask = 0
        for player in order:
            values[player] += worth[mask | 1 << player] - worth[mask]
            mask |= 1 << player
    return values / len(orders)


def test_owen_values_are_exact_at_a_fraction_of_the_cost() -> None:
    game = Game(Meter(), band(7))
    *_, last = revisions(game, "owen", groups=GROUPS)
    expected = by_orders(whole(game), GROUPS)
    np.testing.assert_allclose(last.attributions.mean(axis=0), expected, atol=1e-6)
    assert last.groups is not None and last.exact
    of_groups = [expected[np.array(GROUPS) == g].sum(axis=0) for g in range(3)]
    np.testing.assert_allclose(last.groups.attributions.mean(axis=0), of_groups, atol=1e-6)
    assert last.coalitions == cost(game, GROUPS) < cost(game)


def test_owen_values_are_estimated_where_they_cost_too_much() -> None:
    groups = [i // 5 for i in range(20)]
    game = Game(Meter(), band(20))
    *_, exact = revisions(game, "owen", groups=groups)
    *_, last = revisions(game, "owen", groups=groups, limits=Limits(budget=700), seed=1)
    assert exact.exact and not last.exact and last.coalitions <= 700
    assert last.groups is not None and exact.groups is not None
    for one, other in ((last, exact), (last.groups, exact.groups)):
        off = abs(one.attributions.mean(axis=0) - other.attributions.mean(axis=0))
        assert (off < 2 * one.half_width + 1e-9).all() and off.any()
    members = last.attributions.reshape(3, 4, 5, 2).sum(axis=2)
    np.testing.assert_allclose(members, last.groups.attributions, atol=1e-9)


def test_stems_of_no_group_have_their_shapley_values() -> None:
    game = Game(Meter(), band(5))
    *_, owen = revisions(game, "owen")
    *_, shapley_ = revisions(game)
    np.testing.assert_allclose(owen.attributions, shapley_.attributions, atol=1e-9)


@pytest.mark.parametrize("budget", [0, 7, 30, 50, 65, 100, 180])
def test_owen_values_keep_a_budget(budget: int) -> None:
    game, worth = known(7)
    *_, last = revisions(game, "owen", groups=GROUPS, limits=Limits(budget=budget, precision=0))
    assert last.coalitions <= max(budget, 6)
    off = abs(last.attributions.mean(axis=0) - by_orders(worth, GROUPS))
    assert (off <= 2 * last.half_width + 1e-6).all()


def test_interactions_are_those_of_the_session() -> None:
    game = Game(Meter(), band(5))
    *_, last = found(game)
    assert last.interactions is not None and last.interactions.measured == 1
    np.testing.assert_allclose(last.interactions.value, interactions(whole(game)), atol=1e-6)
    assert not last.interactions.half_width.any()


def test_interactions_are_estimated_with_the_shares() -> None:
    game = Game(Meter(), band(12))
    *earlier, last = found(game, precision=0.004)
    assert not last.exact and last.interactions is not None
    off = abs(last.interactions.value - interactions(whole(game)))
    assert (off <= last.interactions.half_width).mean() > 0.8
    assert all(shares.interactions is None for shares in earlier)


def test_interactions_say_how_much_of_the_session_they_are_of() -> None:
    """With a budget for the effects alone only the segment that has few stems tells them."""
    stems = band(13)
    stems[2:, 2 * RATE :] = 0
    game = Game(Meter(), stems)
    *_, last = found(game, budget=60, precision=0.0)
    assert last.interactions is not None
    assert last.interactions.measured == pytest.approx(1 / 3)
    *_, of_one = found(Game(Meter(), stems[:, 2 * RATE :]))
    assert of_one.interactions is not None
    np.testing.assert_allclose(last.interactions.value, of_one.interactions.value / 3, atol=1e-6)
