"""From files to a result: levels, mixes, odd sessions, and the form of what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.meter import RATE, Meter
from support.sounds import NAMES, sounds, stem_folder

from stemlens import Options, Session, analyze
from stemlens.analysis import Analysis
from stemlens.attribution import anytime

DIFFERENT_KEYS = {"timings_s", "time"}


def shares(analysis: Analysis) -> np.ndarray:
    return analysis.attributions


def heard(place: Path | Session, **options: Any) -> Analysis:
    return analyze(place, Options(**options), tagger=Meter())


def codes(analysis: Analysis) -> list[str]:
    return [warning["code"] for warning in analysis.to_dict()["warnings"]]


def described(folder: Path, **session: Any) -> Path:
    path = folder / "session.json"
    path.write_text(json.dumps(session))
    return path


def test_the_result_has_the_documented_form(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "Song", seconds=4.0, stems=3)
    analysis = heard(folder).with_npz(tmp_path / "time.npz")
    result = analysis.to_dict()
    assert result["schema"] == "stemlens.analysis/1" and result["revision"] >= 1
    assert set(result) >= {
        "session", "tagger", "method", "tags", "groups", "interactions", "markers",
        "trials", "suggestions", "time", "warnings", "timings_s", "versions",
    }  # fmt: skip
    session = result["session"]
    assert session["source"] == "multitrack" and session["master"] == "off"
    assert (session["project"], session["sample_rate"], session["duration_s"]) == ("Song", RATE, 4)
    stem = session["stems"][0]
    assert (stem["id"], stem["kind"], stem["gain_db"], stem["trust"]) == ("chord", "track", 0, 1)
    assert stem["active_fraction"] == 1 and stem["mono_loss_db"] == 0
    scores = [tag["score"] for tag in result["tags"]]
    assert scores == sorted(scores, reverse=True)
    for tag in result["tags"]:
        assert [share["stem"] for share in tag["attributions"]] == ["chord", "kick", "noise"]
        for share in tag["attributions"]:
            assert share["low"] == share["value"] == share["high"]
    with np.load(result["time"]) as over_time:
        assert over_time["attributions"].shape == (4, 3, 2)
        assert over_time["start_s"].tolist() == [0, 1, 2, 3]
        np.testing.assert_allclose(over_time["attributions"].mean(axis=0), shares(analysis))
        assert over_time["stems"].tolist() == ["chord", "kick", "noise"]
    analysis.write_json(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text()) == json.loads(json.dumps(result))


def test_the_same_again_gives_the_same(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path)
    one, two = (heard(folder).to_dict() for _ in range(2))
    assert {k: v for k, v in one.items() if k not in DIFFERENT_KEYS} == {
        k: v for k, v in two.items() if k not in DIFFERENT_KEYS
    }


def test_a_session_is_heard_at_the_session_loudness(tmp_path: Path) -> None:
    """A quieter bounce of the same session says the same, unless levels are left as they are."""
    loud, quiet = tmp_path / "loud", tmp_path / "quiet"
    for folder, gain in ((loud, 1.0), (quiet, 0.1)):
        folder.mkdir()
        for name, samples in zip(NAMES, sounds(3.0), strict=True):
            soundfile.write(folder / f"{name}.wav", gain * samples, RATE, "FLOAT")
    np.testing.assert_allclose(shares(heard(loud)), shares(heard(quiet)), atol=1e-5)
    session = heard(quiet).to_dict()["session"]
    assert session["session_gain_db"] == pytest.approx(
        heard(loud).to_dict()["session"]["session_gain_db"] + 20, abs=1e-3
    )
    as_they_are = [shares(heard(folder, session_loudness="off")) for folder in (loud, quiet)]
    assert np.abs(as_they_are[0] - as_they_are[1]).max() > 0.1


def test_gain_still_to_be_applied_is_applied(tmp_path: Path) -> None:
    kick, chord = sounds(2.0)[:2]
    soundfile.write(tmp_path / "kick.wav", kick, RATE, "FLOAT")
    soundfile.write(tmp_path / "chord.wav", chord, RATE, "FLOAT")
    soundfile.write(tmp_path / "low.wav", chord * 10 ** (-9 / 20), RATE, "FLOAT")
    plain = described(tmp_path, stems=[{"path": "kick.wav"}, {"path": "chord.wav"}])
    expected = heard(plain)
    gained = described(tmp_path, stems=[{"path": "kick.wav"}, {"path": "low.wav", "gain_db": 9}])
    found = heard(gained)
    np.testing.assert_allclose(shares(found), shares(expected), atol=1e-6)
    loudness = [a.to_dict()["session"]["stems"][1]["loudness_lufs"] for a in (expected, found)]
    assert loudness[0] == pytest.approx(loudness[1], abs=0.01)


def test_stems_that_null_against_the_mix(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path, seconds=3.0, stems=3)
    summed = sum(soundfile.read(path)[0] for path in folder.glob("*.wav"))
    late = np.concatenate([np.zeros(100), 0.5 * np.asarray(summed)])
    soundfile.write(folder / "mix.wav", late, RATE, "FLOAT")
    result = heard(folder).to_dict()
    mix = result["session"]["mix"]
    assert mix["residual_db"] < -60
    assert mix["lag_s"] == pytest.approx(100 / RATE)
    assert mix["gain_db"] == pytest.approx(-6.02, abs=0.01)
    for tag in result["tags"]:
        assert tag["mix_score"] == pytest.approx(tag["score"], abs=1e-3)
    assert not {"master_bus", "stem_missing"} & {w["code"] for w in result["warnings"]}


def test_a_missing_stem_is_noticed(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path, seconds=3.0, stems=4)
    summed = sum(soundfile.read(path)[0] for path in folder.glob("*.wav"))
    soundfile.write(folder / "mix.wav", summed, RATE, "FLOAT")
    (folder / "lead.wav").unlink()
    assert "stem_missing" in codes(heard(folder))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda mix, stem: mix, False),
        (lambda mix, stem: mix + 0.03 * stem, True),  # a little of a stem is missing
        (lambda mix, stem: mix - stem, True),  # a stem is counted twice
        (lambda mix, stem: 0.5 * mix, True),  # the bounce is at another level
    ],
)
def test_a_cut_that_is_wrong_shows_against_a_master_without_effects(
    tmp_path: Path, change: Any, told: bool
) -> None:
    folder = stem_folder(tmp_path, seconds=3.0, stems=4)
    lead, _ = soundfile.read(folder / "lead.wav")
    summed = sum(soundfile.read(path)[0] for path in folder.glob("*.wav"))
    soundfile.write(folder / "mix.wav", change(summed, lead), RATE, "FLOAT")
    session = replace(Session.read(folder), mix_bypassed=True)
    assert ("stems_do_not_add_up" in codes(heard(session))) is told


def test_stems_of_different_rates_lengths_and_channels(tmp_path: Path) -> None:
    """A tone of 1 kHz says the same at any rate, and a short stem ends in silence."""
    for name, rate, seconds in (("a", 44_100, 3.0), ("b", 96_000, 1.0), ("c", 8_000, 2.0)):
        time = np.arange(round(seconds * rate)) / rate
        tone = 0.1 * np.sin(2 * np.pi * 1000 * time)
        soundfile.write(tmp_path / f"{name}.wav", np.stack([tone, tone], 1), rate, "FLOAT")
    analysis = heard(tmp_path)
    assert analysis.opened.game.sounding.tolist() == [[1, 1, 1], [1, 0, 1], [1, 0, 0]]
    first = analysis.shares.attributions[0]
    np.testing.assert_allclose(first[0], first[1], atol=2e-3)
    assert analysis.to_dict()["session"]["duration_s"] == 3.0


def test_all_silence_is_fine(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(2 * RATE), RATE)
    soundfile.write(tmp_path / "b.wav", np.zeros(2 * RATE), RATE)
    analysis = heard(tmp_path)
    assert (shares(analysis) == 0).all() and "silent_session" in codes(analysis)
    stem = analysis.to_dict()["session"]["stems"][0]
    assert stem["loudness_lufs"] is None and stem["active_fraction"] == 0


def test_shorter_than_a_segment_and_longer_than_whole_ones(tmp_path: Path) -> None:
    assert "session_padded" in codes(heard(stem_folder(tmp_path / "short", seconds=0.4)))
    assert "end_dropped" in codes(heard(stem_folder(tmp_path / "odd", seconds=2.5)))
    exact = codes(heard(stem_folder(tmp_path / "exact", seconds=2.0)))
    assert not {"session_padded", "end_dropped"} & set(exact)


def test_sides_that_cancel_are_pointed_out(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path)
    chord = sounds(3.2)[1]
    soundfile.write(folder / "wide.wav", np.stack([chord, -0.9 * chord], 1), RATE)
    analysis = heard(folder)
    assert codes(analysis).count("mono_loss") == 1
    assert "wide" in next(w["message"] for w in analysis.to_dict()["warnings"])


def test_annotations_and_markers_are_in_project_time(tmp_path: Path) -> None:
    kick, chord = sounds(4.0)[:2]
    chord[: 2 * RATE] = 0
    soundfile.write(tmp_path / "kick.wav", kick, RATE)
    soundfile.write(tmp_path / "chord.wav", chord, RATE)
    path = described(
        tmp_path, start_s=60, stems=[{"id": "{1}", "name": "Keys", "path": "chord.wav"},
                                     {"path": "kick.wav"}],
    )  # fmt: skip
    result = analyze(path, tagger=Meter()).to_dict()
    texts = {item["track"]: item["text"] for item in result["annotations"]}
    assert texts["{1}"].startswith("loud: ") and " of " in texts["{1}"]
    marker = next(item for item in result["markers"] if item["track"] == "{1}")
    assert (marker["start_s"], marker["end_s"]) == (62, 64)
    assert marker["text"].startswith("Keys: +") and marker["text"].endswith("points of loud")
    assert result["session"]["start_s"] == 60


def session_of(folder: Path, waveforms: list[np.ndarray], groups: list[str] | None = None) -> Path:
    folder.mkdir()
    stems = []
    for number, samples in enumerate(waveforms):
        soundfile.write(folder / f"{number}.wav", samples, RATE, subtype="FLOAT")
        stem: dict[str, Any] = {"id": str(number), "path": f"{number}.wav"}
        stems.append(stem | ({"group": groups[number]} if groups else {}))
    return described(folder, schema="stemlens.session/1", project="Song", stems=stems)


def test_one_stem_has_it_all(tmp_path: Path) -> None:
    result = heard(session_of(tmp_path / "s", [sounds(2.0)[1]])).to_dict()
    for tag in result["tags"]:
        (share,) = tag["attributions"]
        assert share["value"] == share["low"] == pytest.approx(tag["score"] - tag["baseline"])
        assert share["mute"] == pytest.approx(-share["value"])
        assert share["solo"] == pytest.approx(share["value"])
    assert result["interactions"] == [] and result["method"]["exact"]


def test_twins_get_the_same(tmp_path: Path) -> None:
    kick, chord = sounds(2.0)[:2]
    result = heard(session_of(tmp_path / "s", [kick, chord, kick])).to_dict()
    for tag in result["tags"]:
        one, _, other = tag["attributions"]
        assert one["value"] == pytest.approx(other["value"], abs=1e-6)
        assert one["mute"] == pytest.approx(other["mute"], abs=1e-6)
    assert result["method"]["taggings"] < result["method"]["coalitions"]


def test_two_hundred_stems(tmp_path: Path) -> None:
    """More than can be played exactly: an answer all the same, within the budget, that adds up."""
    rng = np.random.RandomState(0)
    time = np.arange(RATE) / RATE
    tones = [0.01 * np.sin(2 * np.pi * rng.uniform(50, 5000) * time) for _ in range(200)]
    analysis = heard(session_of(tmp_path / "s", tones), budget=1500)
    result = analysis.to_dict()
    assert result["method"]["coalitions"] <= 1500 and not result["method"]["exact"]
    for tag in result["tags"]:
        assert len(tag["attributions"]) == 200
        total = sum(share["value"] for share in tag["attributions"])
        assert total == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)
    assert codes(analysis)[-1] == "estimated"


@pytest.mark.parametrize("limit", [{"budget": 0}, {"time_s": 0.0}])
def test_no_time_and_no_budget_still_tell_the_scores(tmp_path: Path, limit: dict[str, Any]) -> None:
    folder = stem_folder(tmp_path / "s", seconds=3.0, stems=4)
    analysis = heard(folder, **limit)
    result, full = analysis.to_dict(), heard(folder).to_dict()
    assert [tag["score"] for tag in result["tags"]] == [tag["score"] for tag in full["tags"]]
    assert codes(analysis) == ["unfinished"] and result["annotations"] == []
    for tag, known in zip(result["tags"], full["tags"], strict=True):
        for share, exact in zip(tag["attributions"], known["attributions"], strict=True):
            assert share["low"] <= exact["value"] <= share["high"]


@pytest.mark.parametrize("value", ["mute", "solo"])
def test_effects_that_a_budget_cuts_short_say_what_is_missing(tmp_path: Path, value: str) -> None:
    """Three segments of four stems; in one of them only three sound, in another one two."""
    samples = sounds(3.0)
    samples[0, RATE : 2 * RATE] = samples[:2, 2 * RATE :] = 0
    place = session_of(tmp_path / "s", list(samples))
    full = heard(place, value=value).to_dict()
    enough = anytime.cost_of_effects(heard(place).opened.game, value)
    assert full["warnings"] == []
    for budget in (0, 7, 12, enough - 1, enough):
        analysis = heard(place, value=value, budget=budget)
        result = analysis.to_dict()
        if budget == enough:
            assert result["method"]["exact"] and not codes(analysis)
        else:
            assert codes(analysis) == ["unfinished"]
            said = result["warnings"][0]["message"]
            assert "scores are missing" in said and f"at least {enough} taggings" in said
        for tag, known in zip(result["tags"], full["tags"], strict=True):
            for share, exact in zip(tag["attributions"], known["attributions"], strict=True):
                assert share["low"] <= exact["value"] <= share["high"]


def test_groups_of_the_session_are_told_and_shared_among(tmp_path: Path) -> None:
    groups = ["Band", "A", "Band", "B"]
    place = session_of(tmp_path / "s", list(sounds(2.0)), groups)
    result = heard(place, value="owen").to_dict()
    (band,) = (group for group in result["groups"] if group["why"] == "session")
    assert (band["name"], band["stems"]) == ("Band", ["0", "2"])
    for tag, whole in zip(result["tags"], band["attributions"], strict=True):
        shares = {share["stem"]: share["value"] for share in tag["attributions"]}
        assert whole["tag"] == tag["tag"] and whole["low"] == whole["value"] == whole["high"]
        assert whole["value"] == pytest.approx(shares["0"] + shares["2"], abs=1e-6)


def test_owen_values_without_groups_say_so(tmp_path: Path) -> None:
    assert "no_groups" in codes(heard(stem_folder(tmp_path / "s"), value="owen"))


def test_log_odds_add_up_to_the_log_odds(tmp_path: Path) -> None:
    result = heard(stem_folder(tmp_path / "s", stems=3), unit="log-odds").to_dict()
    assert result["method"]["unit"] == "log-odds" and result["annotations"] == []
    for tag in result["tags"]:
        total = sum(share["value"] for share in tag["attributions"])
        assert total == pytest.approx(tag["total"], abs=1e-5)
        assert abs(tag["total"]) > abs(tag["score"] - tag["baseline"])


def test_interactions_are_told_largest_first(tmp_path: Path) -> None:
    analysis = heard(stem_folder(tmp_path / "s", stems=4)).with_npz(tmp_path / "t.npz")
    told = analysis.to_dict()["interactions"]
    for tag in {pair["tag"] for pair in told}:
        values = [abs(pair["value"]) for pair in told if pair["tag"] == tag]
        assert values == sorted(values, reverse=True) and len(values) <= 5
    with np.load(tmp_path / "t.npz") as over_time:
        assert over_time["interactions"].shape == (4, 4, 2)
        assert over_time["off"].shape == over_time["attributions"].shape
