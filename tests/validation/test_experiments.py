"""The experiments on small material, heard by a meter of which everything is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from support.games import music
from support.meter import Meter
from support.sounds import sounds, stem_folder

from stemlens import separation
from stemlens.attribution import anytime, shapley
from stemlens.attribution.anytime import Limits
from stemlens.separation import demucs_models
from stemlens.validation import coverage, faithfulness, sanity, separated
from stemlens.validation.coverage import Known
from stemlens.validation.degrading import Stems
from stemlens.validation.experiment import Check, Settings, of_enough, percent
from stemlens.validation.material import chosen, passages
from stemlens.validation.needs import NEEDS
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session


def quiet(stage: str, fraction: float) -> None:
    assert 0 <= fraction <= 1


def test_segments_lie_evenly_and_within_the_budget() -> None:
    sounding = np.ones((20, 4), dtype=np.bool_)
    sounding[3] = False
    found = chosen(sounding, 5 * 16)
    assert len(found) == 5 and 3 not in found
    assert max(np.diff([0, *found, 20])) <= 8
    assert chosen(sounding, 10_000) == [t for t in range(20) if t != 3]
    assert len(chosen(sounding, 2)) == 1  # too dear, and taken all the same
    assert chosen(np.ones((4, 30), dtype=np.bool_), 10_000) == []


def test_too_many_stems_everywhere_is_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemlens.validation.material.MOST_STEMS", 2)
    with pytest.raises(StemlensError, match="fewer stems"):
        passages(settings, quiet)


def test_turning_a_stem_down_is_what_happens_to_the_audio(settings: Settings) -> None:
    (one,) = passages(settings, quiet)
    effect = faithfulness.turned_down(one, quiet)
    factor, gain = 10 ** (-3 / 20), 10 ** (one.opened.material.session_gain_db / 20)
    stems = sounds(3.2).astype(np.float64) * gain
    order = ["kick", "chord", "noise", "lead"]
    at = [order.index(name) for name in one.names]
    for i, own in enumerate(at):
        louds = []
        for down in (1.0, factor):
            total = (stems * np.where(np.arange(4) == own, down, 1.0)[:, None]).sum(axis=0)
            loud = [(total[t * 16_000 : (t + 1) * 16_000] ** 2).mean() for t in range(3)]
            louds.append(np.mean([value / (value + 0.01) for value in loud]))
        tag = one.tag_names().index("loud")
        assert effect[i, tag] == pytest.approx(louds[1] - louds[0], abs=1e-4)  # files of 16 bits


def test_faithfulness_of_a_meter(settings: Settings) -> None:
    """More power is more of both its tags, so that shares must order stems nearly as best."""
    figures = faithfulness.run(settings, quiet)
    (heard,) = figures.heard
    orders = {order.name: order for order in heard.orders}
    assert heard.every == 24 and heard.audio_off < 1e-6
    assert orders["the best there is"].gained == 1
    assert orders["Shapley"].gained > 0.9 and orders["Shapley"].beats > 0.9
    for order in orders.values():
        assert orders["the best there is"].deletion <= order.deletion + 1e-12
        assert orders["the best there is"].insertion >= order.insertion - 1e-12
    assert heard.agreement[0][0] == "Shapley" and heard.agreement[0][1] > 0.8
    assert all(check.holds for check in figures.checks)


def test_an_order_that_is_no_better_than_chance_misses_its_target(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faithfulness, "shapley", lambda table: -shapley(table))
    figures = faithfulness.run(settings, quiet)
    assert [check.holds for check in figures.checks] == [False, False, False, False, True]


@pytest.mark.parametrize("stems", [1, 2])
def test_of_one_or_two_stems_no_order_and_no_rank_is_told(tmp_path: Path, stems: int) -> None:
    session = Session.read(stem_folder(tmp_path / "Few", seconds=3.0, stems=stems))
    few = Settings(Meter(), (session,), quick=True)
    figures = faithfulness.run(few, quiet)
    assert [check.holds for check in figures.checks] == [None] * 4 + [True]
    assert all(f"too few to tell: {stems} stem" in check.found for check in figures.checks[:4])
    told = "\n".join(faithfulness.told(figures))
    assert "nan" not in told and "| Shapley | – | – | – |" in told and "too few to tell" in told
    sane = sanity.run(few, quiet)
    assert sane.checks[1].holds is (None if stems == 1 else True)
    apart = separated.run(few, quiet)
    assert [check.holds for check in apart.checks] == [None, None]
    assert "nan" not in "\n".join(separated.told(apart))


def test_a_session_with_few_stems_does_not_speak_for_another(
    settings: Settings, tmp_path: Path
) -> None:
    few = Session.read(stem_folder(tmp_path / "Few", seconds=3.0, stems=2))
    both = replace(settings, sessions=(few, *settings.sessions))
    first, *_ = faithfulness.run(both, quiet).checks
    assert first.holds is True and first.found.startswith("–, ")


def test_rates_of_few_cases_get_no_verdict() -> None:
    row = Check("a", "b", "100 %", True)
    for fact, need in NEEDS.items():
        assert of_enough(fact, need.count, row) == row
        less = of_enough(fact, need.count - 1, row)
        assert less.holds is None and less.found.startswith("too few to tell: ")
        assert f"it takes {need.count} (" in less.found


def test_sanity_of_a_meter(settings: Settings) -> None:
    figures = sanity.run(settings, quiet)
    first, *others = figures.checks
    assert first.found == "not run" and first.holds is None  # nobody knows a meter's layers
    assert [check.holds for check in others] == [True] * 5
    assert "Not run. The layers of the tagger test-meter" in "\n".join(sanity.told(figures))


def test_what_two_halves_have_more_is_how_bent_the_answer_is(settings: Settings) -> None:
    """Σ over S of s!(n−s−1)!/n! · (n−1−2s)/(n+1) · (2 v(S ∪ half) − v(S) − v(S ∪ whole))."""
    (one,) = passages(settings, quiet)
    (segment,) = one.segments[:1]
    single = replace(one, segments=(segment,), tables=one.tables[:1])
    players, n = one.game.players(segment), len(one.game.players(segment))
    opened = one.game.stems.segment(segment, players.tolist())
    more = np.zeros(2)
    for mask in range(2**n):
        if mask & 1:
            continue
        plays = (mask >> np.arange(n) & 1).astype(float)
        rows = np.stack([plays, plays, plays])
        rows[:, 0] = (0.0, 0.5, 1.0)
        without, half, whole = one.game.tagger.score(opened.mix(rows * one.game.gains[players]))
        s = int(plays.sum())
        weight = factorial(s) * factorial(n - s - 1) / factorial(n) * (n - 1 - 2 * s) / (n + 1)
        more += weight * (2 * half.astype(np.float64) - without - whole)
    found = sanity.halved(single, int(np.searchsorted(one.stems, players[0])), quiet)
    tag = single.tag_names().index(found.tag)
    assert found.both - found.whole == pytest.approx(more[single.best[tag]], abs=1e-6)
    assert abs(found.both - found.whole) > 1e-3 and found.apart < 1e-6


def test_intervals_of_a_known_game() -> None:
    table = music(9, seed=1)
    meter = Meter()
    meter.tags = tuple(meter.tags[:1]) * table.shape[1]
    game = Known(meter, np.ones((1, 9), dtype=np.bool_), [table])
    budget = coverage.cost(game, 4.2)
    *_, last = anytime.revisions(game, limits=Limits(budget, precision=0.0))
    assert last.coalitions == budget == 2 + 2 * 38
    held, _, alone, error, half, cases = coverage.count_held(game, budget, range(6), quiet)
    assert held == alone  # there is one segment
    assert cases == 6 * 9 * min(10, table.shape[1])
    assert 0.8 < held <= 1 and 0 < error < half
    assert coverage.cost(game, 15) == anytime.cost(game) == 512  # more than half of all pairs


def test_intervals_that_are_too_narrow_are_found_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "QUICK_SEEDS", 3)
    monkeypatch.setattr("stemlens.attribution.shares.Z95", 0.2)
    figures = coverage.run(settings, quiet)
    assert "in canon with itself, 1 segment with 8 stems" in figures.heard[0]
    assert [check.holds for check in figures.checks] == [False, False]


def test_separated_stems_of_a_meter(settings: Settings) -> None:
    figures = separated.run(settings, quiet)
    assert figures.missing == "htdemucs" or demucs_models.is_there("htdemucs")
    mildest = figures.versions[0]
    assert mildest.made == "leak, −24 dB" and mildest.rank > 0.9 and mildest.same_top == 1
    assert "No separator was run" in "\n".join(separated.told(figures))


def test_a_separator_that_is_there_is_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives the true stems, two of them as one: then groups have the same shares."""

    class Perfect:
        def separate(
            self, samples: np.ndarray, rate: int, on_progress: Callable[[float], None]
        ) -> Stems:
            on_progress(1.0)
            kick, chord, noise, lead = (
                np.repeat(own[:16_000, None], 2, axis=1) for own in sounds(3.2)
            )
            scale = np.float32(len(samples) > 0)
            return {"drums": scale * (kick + noise), "other": chord + lead, "no": 1e-6 * lead}

    monkeypatch.setattr(demucs_models, "is_there", lambda name: True)
    monkeypatch.setattr(separation, "load", lambda name, device: Perfect())
    figures = separated.run(settings, quiet)
    assert figures.missing is None
    assert {name: set(own) for name, own in figures.grouped.items()} == {
        "drums": {"kick", "noise"},
        "other": {"chord", "lead"},
        "no": set(),
    }
    last = figures.versions[-1]
    assert last.made == "htdemucs" and last.by == "separator"
    assert last.error < 0.01 and last.same_top == 1
    assert "drums: kick, noise" in "\n".join(separated.told(figures))


def test_parts_have_the_minus_sign_of_all_numbers() -> None:
    assert [percent(part) for part in (-1.0, 0.954, float("nan"))] == ["−100 %", "95 %", "–"]
