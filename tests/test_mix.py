"""From files to players: what a session with a bounce of its master plays, and what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support.meter import RATE, Meter
from support.sounds import NAMES, sounds

from stemlens import Options, Session, analyze, audio
from stemlens.analysis import Analysis
from stemlens.material import Material, prepare

SECONDS = 6.0


def bounced(
    folder: Path, mix: NDArray[Any], stems: int = 3, rate: int = RATE, **session: Any
) -> Session:
    """A session of the first stems with that mix, as float files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in zip(NAMES[:stems], sounds(SECONDS, rate), strict=False):
        soundfile.write(folder / f"{name}.wav", samples, rate, "FLOAT")
    soundfile.write(folder / "mix.wav", np.asarray(mix, dtype=np.float32), rate, "FLOAT")
    return replace(Session.read(folder), **session)


def whole(stems: int = 3, rate: int = RATE) -> NDArray[np.float32]:
    total: NDArray[np.float32] = sounds(SECONDS, rate)[:stems].sum(axis=0)
    return total


def heard(session: Session, **options: Any) -> Analysis:
    return analyze(session, Options(**options), tagger=Meter())


def told(material: Material) -> list[str]:
    return [code for code, _ in material.warnings]


def test_a_missing_stem_plays_as_a_rest(tmp_path: Path) -> None:
    """With a share like any other, and shares that add up to what the mix scores."""
    analysis = heard(bounced(tmp_path / "a", whole(4), stems=3))
    result = analysis.to_dict()
    session = result["session"]
    assert session["master"] == "rest" and session["mix"]["residual_after_db"] == -200
    rest = session["stems"][-1]
    assert (rest["id"], rest["name"], rest["kind"]) == ("master-rest", "Master bus (rest)", "rest")
    assert rest["path"] == session["mix"]["path"] and rest["gain_db"] == 0
    lead = sounds(SECONDS)[3]
    left = audio.residual(
        np.stack([analysis.opened.material.waveforms[-1]] * 2, 1), np.stack([lead] * 2, 1), RATE
    )
    assert left.residual_db < -80 and abs(left.gain_db) < 1e-3
    for tag in result["tags"]:
        assert tag["score"] == pytest.approx(tag["mix_score"], abs=1e-4)
    complete = heard(bounced(tmp_path / "b", whole(4), stems=4)).to_dict()
    assert complete["session"]["master"] == "off"
    for tag, expected in zip(result["tags"], complete["tags"], strict=True):
        own = {share["stem"]: share["value"] for share in tag["attributions"]}
        other = {share["stem"]: share["value"] for share in expected["attributions"]}
        assert own["master-rest"] == pytest.approx(other["lead"], abs=1e-4)
        assert own["kick"] == pytest.approx(other["kick"], abs=1e-4)


def test_a_rest_has_no_track_to_write_on(tmp_path: Path) -> None:
    result = heard(bounced(tmp_path, whole(4))).to_dict()
    written = {item["track"] for item in (*result["annotations"], *result["markers"])}
    assert written and "master-rest" not in written


def test_the_id_of_a_rest_is_its_own(tmp_path: Path) -> None:
    session = bounced(tmp_path, whole(4))
    taken = [replace(s, id=i) for s, i in zip(session.stems, ("master-rest", "x"), strict=False)]
    session = replace(session, stems=(*taken, session.stems[2]))
    ids = [stem.id for stem in prepare(session, RATE, master="rest").session.stems]
    assert ids == ["master-rest", "x", "noise", "master-rest-2"]


def test_a_bus_that_changes_the_level_is_heard_on_every_stem(tmp_path: Path) -> None:
    swell = 10 ** (6 * np.sin(2 * np.pi * np.arange(len(whole())) / RATE) / 20)
    session = bounced(tmp_path, 0.7 * swell * whole())
    analysis, plain = heard(session), heard(session, master="off")
    result = analysis.to_dict()
    assert result["session"]["master"] == "curve" and len(result["session"]["stems"]) == 3
    mix = result["session"]["mix"]
    assert mix["residual_heard_db"] > -20 and mix["residual_after_db"] < -50
    assert "master_bus" in told(analysis.opened.material)
    for tag, unlike in zip(result["tags"], plain.to_dict()["tags"], strict=True):
        shares = [share["value"] for share in tag["attributions"]]
        assert sum(shares) == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)
        assert tag["score"] == pytest.approx(tag["mix_score"], abs=2e-3)
        assert unlike["mix_score"] == pytest.approx(tag["mix_score"], abs=1e-2)
    stems = sounds(SECONDS)[[1, 0, 2]]  # as files sort
    for own, stem in zip(analysis.opened.material.waveforms, stems, strict=True):
        place = np.abs(stem) > 0.01
        ratio = own[place] / (stem * swell)[place]
        assert np.quantile(ratio, 0.95) / np.quantile(ratio, 0.05) < 1.03


@pytest.mark.parametrize("master", ["auto", "rest", "curve"])
@pytest.mark.parametrize("late", [-300, 0, 1, 37, 44_100])
@pytest.mark.parametrize("gain", [0.25, 2.0])
def test_a_late_and_louder_bounce_of_the_sum_nulls(
    tmp_path: Path, master: str, late: int, gain: float
) -> None:
    """To the sample of its own rate, which is a third of one of the tagger's."""
    total = gain * whole(rate=44_100)
    mix = np.concatenate([np.zeros(late), total]) if late >= 0 else total[-late:]
    material = prepare(bounced(tmp_path, mix, rate=44_100), RATE, -14.0, master=master)
    assert material.master == "off" and material.mix is not None
    assert material.mix.treatment.before_db < -60
    assert material.mix.residual.lag_s == pytest.approx(late / 44_100)
    assert not {"master_bus", "stem_missing"} & set(told(material))


@pytest.mark.parametrize("late", [0, 37])
def test_a_rest_of_a_late_and_louder_bounce_is_at_the_level_of_the_stems(
    tmp_path: Path, late: int
) -> None:
    mix = np.concatenate([np.zeros(late), -3.0 * whole(4, rate=48_000)])
    session = bounced(tmp_path, mix, stems=3, rate=48_000)
    material = prepare(session, RATE, -14.0, master="rest")
    lead = audio.resample(sounds(SECONDS, 48_000)[3], 48_000, RATE)
    middle = slice(RATE, 5 * RATE)
    difference = material.waveforms[-1][middle] - lead[middle]
    assert np.abs(difference).max() < 1e-3 * np.abs(lead).max()


def test_outside_of_a_shorter_bounce_nothing_is_taken_away(tmp_path: Path) -> None:
    session = bounced(tmp_path, whole(4)[: 4 * RATE])
    material = prepare(session, RATE, -14.0, master="rest")
    assert "mix_shorter" in told(material)
    rest = material.waveforms[-1]
    assert np.abs(rest[: 4 * RATE]).max() > 0.1 and np.abs(rest[4 * RATE :]).max() == 0
    nulls = prepare(bounced(tmp_path, whole()[: 4 * RATE]), RATE, -14.0, master="auto")
    assert nulls.master == "off" and told(nulls) == ["mix_shorter"]


def test_a_longer_bounce_is_heard_as_long_as_there_are_stems(tmp_path: Path) -> None:
    longer = np.concatenate([whole(), 0.5 * whole()])
    material = prepare(bounced(tmp_path, longer), RATE, -14.0, master="auto")
    assert material.master == "off" and told(material) == []
    assert material.waveforms.shape == (3, SECONDS * RATE)


def test_a_bounce_without_effects_is_checked_and_no_bus_is_treated(tmp_path: Path) -> None:
    session = bounced(tmp_path, whole(4), mix_bypassed=True)
    for master in ("auto", "rest", "curve"):
        analysis = heard(session, master=master)
        assert analysis.to_dict()["session"]["master"] == "off"
        assert "stems_do_not_add_up" in told(analysis.opened.material)


@pytest.mark.parametrize(("master", "code"), [("rest", True), ("curve", True), ("auto", False)])
def test_without_a_bounce_there_is_no_bus(tmp_path: Path, master: str, code: bool) -> None:
    session = replace(bounced(tmp_path, whole()), mix=None)
    material = prepare(session, RATE, -14.0, master=master)
    assert material.master == "off" and ("master_without_mix" in told(material)) is code


def test_silent_stems_under_a_bounce(tmp_path: Path) -> None:
    session = bounced(tmp_path, whole())
    for stem in session.stems:
        soundfile.write(stem.path, np.zeros(RATE), RATE)
    for master in ("auto", "rest", "curve", "off"):
        material = prepare(session, RATE, -14.0, master=master)
        assert material.master == "off" and {"silent_session", "stem_missing"} <= set(
            told(material)
        )


def test_the_session_gain_is_whole_and_the_mix_as_loud_as_the_sum(tmp_path: Path) -> None:
    for gain in (0.31, 0.33, 1.0):
        session = bounced(tmp_path, 0.2 * whole() ** 2)
        for stem, samples in zip(session.stems, sounds(SECONDS)[[1, 0, 2]], strict=True):
            soundfile.write(stem.path, gain * samples, RATE, "FLOAT")
        material = prepare(session, RATE, -14.0, master="off")
        assert material.session_gain_db == int(material.session_gain_db)
        loudness = audio.loudness(np.stack([gain * whole()] * 2, 1), RATE)
        assert loudness is not None and material.mix is not None
        assert abs(loudness + material.session_gain_db + 14) <= 0.5 + 1e-6
        of_mix = audio.loudness(np.stack([material.mix.waveform] * 2, 1), RATE)
        assert of_mix is not None
        assert of_mix + material.mix.gain_db == pytest.approx(
            loudness + material.session_gain_db, abs=0.01
        )


def test_a_stem_bounced_again_a_little_louder_leaves_the_level_of_the_others(
    tmp_path: Path,
) -> None:
    session = bounced(tmp_path, whole())
    before = prepare(session, RATE, -14.0)
    samples, _ = soundfile.read(session.stems[0].path)
    soundfile.write(session.stems[0].path, 1.01 * samples, RATE, "FLOAT")
    after = prepare(session, RATE, -14.0)
    assert after.session_gain_db == before.session_gain_db
    np.testing.assert_array_equal(after.waveforms[1:], before.waveforms[1:])


def test_stems_of_one_source_are_told_and_proposed(tmp_path: Path) -> None:
    bounced(tmp_path, whole())
    near = sounds(SECONDS)[2]
    far = 0.4 * np.concatenate([np.zeros(50), near])[: len(near)]
    for name, samples in (("Snare top", near), ("Snare bottom", -far)):
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    (tmp_path / "noise.wav").unlink()
    result = heard(replace(Session.read(tmp_path), mix=None)).to_dict()
    group = next(group for group in result["groups"] if group["why"] == "correlated")
    assert sorted(group["stems"]) == ["Snare bottom", "Snare top"] and group["name"] == "Snare"
    assert 0.9 < group["correlation"] <= 1
    message = next(w["message"] for w in result["warnings"] if w["code"] == "stems_correlated")
    assert "Snare bottom and Snare top carry the same source (0.9" in message
