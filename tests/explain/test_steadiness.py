"""What small changes of a whole session do, on taggers of which it is known what they hear."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.meter import RATE, Meter
from support.sounds import sounds, stem_folder

from stemlens import Options, Session, analyze
from stemlens.attribution import anytime
from stemlens.attribution.shares import Shares
from stemlens.explain import steadiness
from stemlens.explain.steadiness import CHANGES, Change, Steadiness
from stemlens.game import Game
from stemlens_bridge.table import columns, table

NOTHING = Change("as it is", "")
LOUDER, SOFTER = CHANGES[-2:]


class LevelBlind(Meter):
    """How bright, whatever the level."""

    name = identity = "test-level-blind"
    tags = Meter.tags[1:]

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float32]:
        loud, fast = (inputs**2).mean(1), (np.diff(inputs, axis=1) ** 2).mean(1)
        return (fast / np.maximum(fast + loud, 1e-12))[:, None].astype(np.float32)


def last(game: Game, tell: Any = lambda fraction: None) -> Shares:
    *_, shares = anytime.revisions(game, on_progress=tell)
    return shares


def steady(
    waveforms: NDArray[np.float32], *changes: Change, tagger: Meter | None = None, **how: Any
) -> Steadiness:
    game = Game(tagger or Meter(), waveforms, [-3.0] * len(waveforms))
    told = how.pop("on_progress", lambda stage, fraction: None)
    return steadiness.measured(game, waveforms, last(game), last, told, changes)


def reach(values: NDArray[np.float64]) -> float:
    return float(np.ptp(values, axis=0).max())


@pytest.fixture(scope="module")
def stems() -> NDArray[np.float32]:
    return sounds(2.0)[[0, 1, 3]]


def test_a_change_that_changes_nothing_gives_a_range_of_nothing(stems: Any) -> None:
    found = steady(stems, NOTHING, NOTHING)
    assert found.scores.shape == (3, 2) and found.attributions.shape == (3, 3, 2)
    assert reach(found.scores) < 1e-6 and reach(found.attributions) < 1e-6


def test_a_tagger_that_does_not_hear_level_is_steady_in_level(stems: Any) -> None:
    found = steady(stems, LOUDER, SOFTER, tagger=LevelBlind())
    assert reach(found.scores) < 1e-6 and reach(found.attributions) < 1e-6
    heard = steady(stems, LOUDER, SOFTER)
    assert heard.scores[1, 0] > heard.scores[0, 0] > heard.scores[2, 0]


def test_stems_in_another_order_are_the_same_in_that_order(stems: Any) -> None:
    other, changes = [1, 0], (CHANGES[0], LOUDER)
    short = stems[1:, :RATE]
    one, two = steady(short, *changes), steady(short[other], *changes)
    np.testing.assert_allclose(two.attributions, one.attributions[:, other], atol=1e-6)
    np.testing.assert_allclose(two.scores, one.scores, atol=1e-6)


def spectrum_peak_hz(samples: NDArray[np.float32]) -> float:
    inside = samples[RATE // 2 : -RATE // 2]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    return float(np.argmax(spectrum)) * RATE / len(inside)


def test_pitch_tempo_and_what_undoes_them() -> None:
    """A tone of 1 kHz is a quarter tone off, or as high and shorter; a silent stem stays so."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE).astype(np.float32)
    both = np.stack([0.1 * tone, 0 * tone])
    told: list[tuple[str, float]] = []
    for change in (CHANGES[0], CHANGES[2]):
        made = steadiness.stretched(both, RATE, change, lambda *said: told.append(said))
        assert made.shape[1] == pytest.approx(3 * RATE / change.tempo, abs=2)
        assert spectrum_peak_hz(made[0]) == pytest.approx(1000 * 2 ** (change.pitch / 12), abs=2)
        assert not made[1].any()
        back = steadiness.stretched(made, RATE, change.back, lambda *said: None)
        assert back.shape[1] == pytest.approx(3 * RATE, abs=4)
        assert spectrum_peak_hz(back[0]) == pytest.approx(1000, abs=2)
    assert told[-1] == ("steady: 3 % faster", 1.0)


def test_half_of_what_going_there_and_back_does_is_taken_off(
    stems: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the library whose only effect is that each pass leaves a trace."""

    def worse(waveforms: Any, rate: int, change: Change, tell: Any) -> Any:
        return np.float32(0.9) * waveforms

    monkeypatch.setattr(steadiness, "stretched", worse)
    found = steady(stems, CHANGES[0])
    game = Game(Meter(), stems, [-3.0] * 3)
    there, back = (last(game.louder(20 * np.log10(0.9**n))).scores.mean(0) for n in (1, 2))
    np.testing.assert_allclose(found.traces[1], (back - found.scores[0]) / 2, atol=1e-6)
    np.testing.assert_allclose(found.scores[1], there - found.traces[1], atol=1e-6)
    assert reach(found.scores) < 0.15 * reach(np.stack([found.scores[0], there]))


def test_giving_up_ends_it(stems: Any) -> None:
    class Enough(Exception):
        pass

    def tell(stage: str, fraction: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        steady(stems, CHANGES[0], on_progress=tell)
    with pytest.raises(Enough):
        steady(stems, LOUDER, on_progress=tell)


def test_a_score_is_never_below_nothing(stems: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library that makes all louder when asked back: more is to be taken off
    than there is."""

    def worse(waveforms: Any, rate: int, change: Change, tell: Any) -> Any:
        return np.float32(3000 if change.name.startswith("back") else 0.01) * waveforms

    monkeypatch.setattr(steadiness, "stretched", worse)
    found = steady(stems, CHANGES[0])
    assert found.traces[1, 0] > 0.1
    assert found.scores[1, 0] == 0.0 and (found.scores <= 1).all()


def test_what_it_costs_is_counted(stems: Any) -> None:
    assert steady(stems).tagged == 0
    one, two = steady(stems, LOUDER), steady(stems, LOUDER, SOFTER)
    assert one.tagged + one.recalled == 2 * 2**3  # two segments of three stems
    assert two.tagged == 2 * one.tagged and two.recalled == 2 * one.recalled


def test_separated_stems_are_as_doubtful_in_peaks_and_steadiness_as_in_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steadiness, "stretched", lambda waveforms, *rest: waveforms)
    session = Session.read(stem_folder(tmp_path, seconds=1.5, stems=3))
    widths = []
    for trust in (None, 1.0, 0.9, 0.3):
        facts = {} if trust is None else {"trust": trust}
        own = replace(session, stems=tuple(replace(s, facts=facts) for s in session.stems))
        result = analyze(own, Options(steady=True), tagger=Meter()).to_dict()
        (peak,) = result["peaks"][0]["peaks"]
        spans = [(share["stem"], share["high"] - share["low"]) for share in peak["attributions"]]
        off = [share["off"] for share in result["steadiness"]["tags"][0]["attributions"]]
        widths.append((dict(spans), off))
        if trust == 0.3:
            assert "no stem for certain" in result["peaks"][0]["sentence"]
            assert result["steadiness"]["tags"][0]["leader"] is None
    assert widths[0] == widths[1] and not any(widths[0][1])
    for (narrow, less), (wide, more) in pairwise(widths[1:]):
        assert all(wide[own] > narrow[own] for own in wide)
        assert all(one > other for one, other in zip(more, less, strict=True))


def told(shares: list[list[float]], scores: list[float], off: float = 0.0) -> dict[str, Any]:
    """What is said of one tag: shares `[1 + changes, stems]`."""
    found = Steadiness(
        tuple(CHANGES[: len(scores) - 1]),
        np.array(scores)[:, None],
        np.array(shares)[:, :, None],
        np.full((*np.shape(shares), 1), off),
        np.zeros((len(scores), 1)),
    )
    names = {"g": "Guitar", "b": "Bass", "<b>": "<b>"}
    (tag,) = steadiness.to_plain(found, ["rock"], ["rock"], names)["tags"]
    return dict(tag)


def test_it_is_said_in_words() -> None:
    same = told([[0.1, 0.05, 0.0]] * 7, [0.18, 0.24, 0.2, 0.2, 0.2, 0.2, 0.21])
    assert same["sentence"] == (
        "Rock stays between 18 and 24 of 100; Guitar (+10) leads in all seven; no stems "
        "clearly change places."
    )
    other = told([[0.1, 0.05, 0.0], [0.05, 0.09, 0.0], [0.1, 0.05, 0.0]], [0.2, 0.2, 0.2])
    assert (other["leader"], other["leads"], other["of"]) == ("g", 2, 3)
    assert other["order_kept"] is False and other["swapped"] == [["g", "b"]]
    assert "stays at 20 of 100; Guitar (+5 to +10) leads in two of three" in other["sentence"]
    assert "changing places: Guitar with Bass." in other["sentence"]


def test_stems_within_a_point_of_each_other_have_no_order() -> None:
    near = told([[0.100, 0.095, 0.0], [0.095, 0.100, 0.0]], [0.2, 0.2])
    assert near["order_kept"] is True
    unsure = told([[0.10, 0.05, 0.0], [0.05, 0.10, 0.0]], [0.2, 0.2], off=0.03)
    assert unsure["order_kept"] is True and "Guitar (+5 to +10, each ±3)" in unsure["sentence"]
    unknown = told([[0.10, 0.05, 0.0], [0.05, 0.10, 0.0]], [0.2, 0.2], off=0.5)
    assert unknown["leader"] is None
    none = told([[0.001, 0.002, 0.0], [0.05, 0.0, 0.0]], [0.1, 0.1])
    assert none["leader"] is None and "no stem leads" in none["sentence"]


def test_a_result_says_all_of_it_at_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From files to the table, with a tagger that needs no weights, and nothing stretched."""
    monkeypatch.setattr(steadiness, "stretched", lambda waveforms, *rest: waveforms)
    stages: list[str] = []
    analysis = analyze(
        stem_folder(tmp_path, seconds=1.5),
        Options(intended="Loud, bright", steady=True),
        tagger=Meter(),
        on_progress=lambda stage, fraction: stages.append(stage),
    )
    result = json.loads(json.dumps(analysis.to_dict()))
    assert [word["tag"] for word in result["intent"]] == ["loud", "bright"]
    assert {tag["tag"] for tag in result["peaks"]} == {"loud", "bright"}
    steady = result["steadiness"]
    assert [change["name"] for change in steady["changes"]] == [change.name for change in CHANGES]
    loud = next(tag for tag in steady["tags"] if tag["tag"] == "loud")
    assert len(loud["scores"]) == 7 and loud["low"] <= loud["scores"][0] <= loud["high"]
    assert "steady: 3 dB softer" in stages and result["timings_s"]["steady"] > 0
    shown = table(result, width=80)
    assert loud["sentence"] in " ".join(shown.split()) and "Heard as you mean it?" in shown
    assert all(columns(line) <= 80 for line in shown.splitlines())
    before = analyze(tmp_path, Options(), tagger=Meter()).to_dict()
    assert before["steadiness"] is None and before["intended"] is None and before["intent"] == []
    assert "mean it" not in table(before)
