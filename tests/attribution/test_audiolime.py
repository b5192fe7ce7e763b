"""audioLIME on whole sessions: the published algorithm on waveforms says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.audiolime import AudioLime
from support.meter import RATE, Meter
from support.sounds import sounds, stem_folder

from stemlens import Options, analyze, audio, tagging
from stemlens.attribution import shapley
from stemlens.attribution.anytime import Limits, cost, revisions
from stemlens.attribution.components import Components
from stemlens.attribution.lime import fit, lime_masks, of_all_masks, ridge
from stemlens.attribution.shares import Shares
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens_bridge.errors import StemlensError

DEMO = Path(__file__).parents[2] / "examples" / "demo"


def found(
    game: Game, parts: int = 1, features: int | None = None, seed: int = 0, **limits: float
) -> Shares:
    limited = Limits(**limits)  # type: ignore[arg-type]
    *_, last = revisions(game, "lime", limits=limited, parts=parts, features=features, seed=seed)
    return last


def band(stems: int, seconds: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """Tones with noise, the first of which stops after the first second."""
    rng = np.random.RandomState(seed)
    time = np.arange(seconds * RATE) / RATE
    tones = [
        rng.uniform(0.02, 0.08) * np.sin(2 * np.pi * rng.uniform(60, 3000) * time)
        + 0.01 * rng.standard_normal(time.size)
        for _ in range(stems)
    ]
    tones[0] *= time < 1
    return np.array(tones, dtype=np.float32)


def by_component(shares: Shares, sounding: NDArray[np.bool_], parts: int) -> NDArray[np.float64]:
    """The coefficients `[components, tags]`, part by part: a stem's mean in the part, by how much
    of the session that is."""
    components = Components.cut(sounding, parts)
    means = [
        shares.attributions[components.part == p, i].sum(axis=0) / len(sounding)
        for p in range(parts)
        for i in range(sounding.shape[1])
        if components.number[p, i] >= 0
    ]
    return np.array(means)


@pytest.mark.parametrize(("parts", "features"), [(1, None), (1, 2), (2, None), (3, 3), (3, 7)])
def test_it_is_the_published_algorithm_on_waveforms(parts: int, features: int | None) -> None:
    stems = sounds(3.0)
    stems[3, RATE:] = 0  # so that of a part it is no component
    stems[1] *= 0.3
    game = Game(Meter(), stems)
    ours = by_component(found(game, parts, features), game.sounding, parts)
    edges = {1: [0, 3], 2: [0, 2, 3], 3: [0, 1, 2, 3]}[parts]  # in whole segments
    published = AudioLime(stems, Meter(), [RATE * edge for edge in edges])
    runs = np.array([published.explain(seed, features=features) for seed in range(4)])
    off = ours - runs.mean(axis=0)
    error = np.sqrt(runs.var(axis=0, ddof=1).mean() / len(runs))
    assert ours.shape == off.shape
    assert np.sqrt((off**2).mean()) < 2 * error < 0.006
    if features is None:
        others = shapley(whole(game)) if parts == 1 else 0.9 * ours
        assert np.sqrt(((others - runs.mean(axis=0)) ** 2).mean()) > 2 * error


def test_it_is_the_published_algorithm_on_music(real_weights: None) -> None:
    """Between the parts nothing sounds for a moment: there it makes no difference whether waveforms
    are cut, or segments, of which the second hears 16 ms of the first."""
    tagger = tagging.load("msd-musicnn", "cpu")
    edge = 187 * 256  # samples
    clips = [audio.read(DEMO / f"{name}.flac") for name in ("drums", "guitar", "keys")]
    rate = clips[0].sample_rate
    stems = np.array(
        [
            audio.resample(clip.samples[10 * rate : 17 * rate], rate, tagger.sample_rate).mean(
                axis=1
            )
            for clip in clips
        ]
    )[:, : 2 * edge + 256]
    stems[:, edge - 600 : edge + 600] = 0
    stems[2, edge:] = 0
    game = Game(tagger, stems)
    assert game.sounding.tolist() == [[True] * 3, [True, True, False]]
    published = AudioLime(stems, tagger, [0, edge, stems.shape[1]])
    runs = np.array([published.explain(seed) for seed in range(3)])
    ours = by_component(found(game, 2), game.sounding, 2)
    error = np.sqrt(runs.var(axis=0, ddof=1).mean() / len(runs))
    assert np.sqrt(((ours - runs.mean(axis=0)) ** 2).mean()) < 2 * error < 0.002


def whole(game: Game) -> NDArray[np.float64]:
    """What all 2ⁿ coalitions of all stems score in the session."""
    plays = membership(game.sounding.shape[1])
    heard = [game.scores(t, plays[:, sounding]) for t, sounding in enumerate(game.sounding)]
    return np.mean(np.array(heard, dtype=np.float64), axis=0)


def test_of_all_masks_it_is_exact_and_costs_what_shapley_values_cost() -> None:
    game = Game(Meter(), band(6))
    last = found(game)
    expected = ridge(of_all_masks(6, [(np.arange(6), whole(game))]))
    np.testing.assert_allclose(last.attributions.mean(axis=0), expected, atol=1e-7)
    assert last.exact and last.masks is None and last.coalitions == cost(game)
    assert last.interactions is None
    known = game.tagged
    for parts in (2, 3):  # of 2¹¹ and 2¹⁶ masks
        assert found(game, parts).exact
    assert game.tagged == known


def test_a_share_is_where_its_component_sounds() -> None:
    """The mean over segments is the sum of a stem's coefficients, and silence has no share."""
    stems = band(4, seconds=5)
    stems[1, 2 * RATE : 3 * RATE] = 0
    game = Game(Meter(), stems)
    for parts in (1, 2):
        last = found(game, parts)
        assert (last.attributions.any(axis=2) == game.sounding).all()
        components = Components.cut(game.sounding, parts)
        for p in range(parts):
            for i in range(4):
                where = (components.part == p) & game.sounding[:, i]
                assert (last.attributions[where, i] == last.attributions[where, i][:1]).all()
        coefficients = by_component(last, game.sounding, parts)
        np.testing.assert_allclose(
            components.of_stems @ coefficients, last.attributions.mean(axis=0), atol=1e-12
        )
    assert len(coefficients) == 7  # the first stem plays only in the first part


def test_a_silent_stem_gets_nothing_and_changes_nothing() -> None:
    stems = band(4)
    silent = np.insert(stems, 2, 0, axis=0)
    for options in ({}, {"parts": 3, "features": 3}):
        last, other = (found(Game(Meter(), some), **options) for some in (silent, stems))
        assert not last.attributions[:, 2].any() and not last.half_width[2].any()
        np.testing.assert_array_equal(np.delete(last.attributions, 2, axis=1), other.attributions)


@pytest.mark.parametrize(("parts", "features"), [(1, None), (3, 4), (3, 8)])
def test_the_order_of_stems_changes_nothing(parts: int, features: int | None) -> None:
    order = [3, 0, 4, 1, 2]
    one, other = (
        found(Game(Meter(), stems), parts, features).attributions
        for stems in (band(5), band(5)[order])
    )
    np.testing.assert_allclose(one[:, order], other, atol=1e-9)


def test_twins_share_alike() -> None:
    stems = band(5)
    stems[4] = stems[3]
    last = found(Game(Meter(), stems), 3)
    np.testing.assert_allclose(last.attributions[:, 3], last.attributions[:, 4], atol=1e-9)


def test_so_many_components_have_a_share_as_are_wanted() -> None:
    game = Game(Meter(), band(5))
    for features in (1, 2, 6, 7, 12, 13, 100):
        coefficients = by_component(found(game, 3, features), game.sounding, 3)
        assert (np.count_nonzero(coefficients, axis=0) == min(features, 13)).all()


def test_of_one_stem_the_ridge_leaves_little() -> None:
    """Nobody weighs next to nothing, so two masks that differ are hardly there."""
    game = Game(Meter(), band(2, seconds=1)[1:])
    weight = np.array([np.sqrt(np.exp(-1 / 0.25**2)) * 499.5, 499.5 + 1])
    spread = weight.prod() / weight.sum()
    *_, last = revisions(game, "lime")
    np.testing.assert_allclose(last.attributions[:, 0], last.total * spread / (spread + 1))
    assert last.exact and (last.attributions < 0.2 * last.total).all()


def test_silence_shares_nothing_out() -> None:
    last = found(Game(Meter(), np.zeros((3, 2 * RATE), np.float32)), 2)
    assert last.exact and not last.attributions.any() and not last.mute.any()


def test_effects_are_measured_beside_it() -> None:
    game = Game(Meter(), band(5))
    _, mutes, *_, last = revisions(game, "lime", parts=3)
    *_, shapley_ = revisions(game)
    assert not np.isnan(mutes.mute).any() and np.isnan(mutes.solo).any()
    np.testing.assert_array_equal(last.mute, shapley_.mute)
    np.testing.assert_array_equal(last.solo, shapley_.solo)


@pytest.fixture(scope="module")
def crowd() -> Game:
    return Game(Meter(), band(9, seconds=3, seed=4))


@pytest.mark.parametrize("budget", [0, 6, 20, 40, 70, 200, 500, 900])
@pytest.mark.parametrize(("parts", "unit"), [(1, "points"), (2, "log-odds")])
def test_a_budget_is_kept_and_what_is_not_known_is_not_claimed(
    crowd: Game, budget: int, parts: int, unit: str
) -> None:
    *_, exact = revisions(crowd, "lime", unit, parts=parts)
    limits = Limits(budget=budget, precision=0)
    *earlier, last = revisions(crowd, "lime", unit, limits, parts=parts)
    assert exact.exact and not last.exact and last.coalitions <= max(budget, 6)
    off = abs((last.attributions - exact.attributions).mean(axis=0))
    assert (off <= 2 * last.half_width).all()
    widths = [shares.half_width.mean() for shares in (*earlier, last)]
    assert widths[-1] == min(widths)
    if last.masks:
        assert last.coalitions > budget - 3  # another mask would be a coalition in each segment


@pytest.mark.parametrize(("parts", "features"), [(3, None), (1, 3)])
def test_intervals_of_sessions_hold(crowd: Game, parts: int, features: int | None) -> None:
    """With features of those that were rightly chosen: of the choice they know nothing."""
    exact = found(crowd, parts, features).attributions
    held, of_segments = [], []
    for seed in range(14):
        last = found(crowd, parts, features, seed, budget=600, precision=0)
        assert not last.exact and last.masks is not None
        chosen = last.attributions.any(axis=0) == exact.any(axis=0)
        off = last.attributions - exact
        held.append((abs(off.mean(axis=0)) <= last.half_width)[chosen].mean())
        of_segments.append((abs(off) <= last.segment_half_width)[:, chosen].mean())
    assert 0.91 < np.mean(held) < 0.99
    assert 0.91 < np.mean(of_segments) < 0.99


def test_masks_go_on_until_it_is_good_enough(crowd: Game) -> None:
    *_, before, last = revisions(
        crowd, "lime", limits=Limits(budget=1400, precision=0.004, tags=1), seed=3
    )
    shown = last.best(1)
    assert last.half_width[:, shown].max() <= 0.004 < before.half_width[:, shown].max()
    assert before.masks is not None and last.masks is not None and before.masks < last.masks


def test_the_same_seed_gives_the_same(crowd: Game) -> None:
    one, same, other = (found(crowd, 3, seed=seed, budget=600).attributions for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_drawn_masks_are_those_of_audiolime(crowd: Game) -> None:
    components = Components.cut(crowd.sounding, 3)
    last = found(crowd, 3, seed=7, budget=600, precision=0)
    masks = lime_masks(len(components), np.random.default_rng(7), last.masks or 0)
    worth = [crowd.scores(t, masks[:, components.players(t)]).astype(float) for t in range(3)]
    everyone = np.ones((len(components), 2), dtype=np.bool_)
    ours = fit(masks, np.mean(worth, axis=0), everyone, components.of_stems)
    coefficients = by_component(last, crowd.sounding, 3)
    np.testing.assert_allclose(coefficients, ours.coefficients, atol=1e-12)
    np.testing.assert_allclose(last.half_width, 1.96 * np.sqrt(ours.of_sums), rtol=1e-4)


def test_a_time_limit_is_kept() -> None:
    game = Game(Meter(), band(9))
    clock = lambda: float(game.tagged)  # noqa: E731  # a second for each coalition
    for time_s in (0.0, 30.0, 400.0):
        game = Game(Meter(), band(9))
        *_, last = revisions(game, "lime", limits=Limits(time_s=time_s), clock=clock)
        assert game.tagged <= time_s + 6 and not last.exact
        assert (last.masks or 0) > 0 or last.bound.any()


def test_progress_grows_and_can_stop_the_work() -> None:
    told: list[float] = []
    list(revisions(Game(Meter(), band(7)), "lime", parts=2, on_progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0


def test_the_result_says_how_it_was_made(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "Song", seconds=4.0, stems=3)
    options = Options(value="lime", parts=2, features=3)
    result = analyze(folder, options, tagger=Meter()).to_dict()
    method = result["method"]
    assert (method["value"], method["exact"], method["masks"]) == ("lime", True, None)
    assert (method["parts"], method["features"]) == (2, 3)
    assert result["interactions"] == []
    plain = analyze(folder, Options(), tagger=Meter()).to_dict()["method"]
    assert not {"parts", "features", "masks"} & set(plain)
    drawn = analyze(folder, Options(value="lime", budget=28, precision=0.0), tagger=Meter())
    assert drawn.to_dict()["method"]["masks"] == drawn.shares.masks
    with pytest.raises(StemlensError, match=r"at most 4 parts") as refused:
        analyze(folder, Options(value="lime", parts=5), tagger=Meter())
    assert refused.value.code == "bad_options"
