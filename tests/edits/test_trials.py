"""Trials: what is promised is what a new bounce would score."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.meter import Meter

from stemlens import audio
from stemlens.edits import document
from stemlens.edits.promise import promises, sentence
from stemlens.edits.trials import TrialSession
from stemlens.opening import open_game
from stemlens.scorecache import ScoreCache
from stemlens_bridge.edits import Edit, TryOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

from .conftest import RATE, session_of

OFF = Options(session_loudness="off")


def scored(files: Path) -> np.ndarray:
    """What the sum of a folder's stems scores, in a session opened anew."""
    opened = open_game(session_of(files), Meter(), OFF)
    with TrialSession(opened, OFF) as again:
        return again.before


@pytest.mark.parametrize(
    "edits",
    [
        ["kick:quieter"],
        ["noise:darker"],
        ["lead:compress-hard@0.5", "lead:reverb-room"],
        ["chord:lo-fi", "kick:presence@1.5"],
        ["noise:wider"],
    ],
)
def test_a_promise_holds_when_it_is_carried_out(
    session: TrialSession, files: Path, tmp_path: Path, edits: list[str]
) -> None:
    """The rendered stems in the place of the old ones, bounced again, score what was promised."""
    asked = [Edit.from_text(text) for text in edits]
    trial = session.trial(asked, folder=tmp_path / "out")
    again = tmp_path / "again"
    shutil.copytree(files, again)
    for tried in trial.edits:
        name = session.stems[tried.plan.stem].path.name
        assert tried.path is not None
        shutil.copy(tried.path, again / name)
    frames = soundfile.info(files / "kick.wav").frames
    for path in again.glob("*.wav"):  # what rings on after the end is not part of the session
        samples, rate = soundfile.read(path, dtype="float32")
        soundfile.write(path, samples[:frames], rate, subtype="FLOAT")
    np.testing.assert_allclose(scored(again), session.before + trial.change, atol=2e-5)


def test_level_and_filters_need_no_file(session: TrialSession, tmp_path: Path) -> None:
    """Neither way of getting there changes the answer."""
    unmatched = TryOptions(loudness_match=False)
    for text in ("chord:quieter", "noise:presence", "noise:warmer", "lead:less-mud"):
        edit = [Edit.from_text(text)]
        without = session.trial(edit, unmatched)
        assert not session._clips
        rendered = session.trial(edit, unmatched, folder=tmp_path)
        # this meter hears the very edge of resampling; a real tagger is held to 0.001 elsewhere
        np.testing.assert_allclose(without.change, rendered.change, atol=3e-3)
        session._clips.clear()


def test_a_trial_costs_the_segments_in_which_the_stem_sounds(files: Path) -> None:
    opened = open_game(session_of(files), Meter(), OFF)
    with TrialSession(opened, OFF) as session:
        assert session.hearing.tagged == session.segments == 6
        trial = session.trial([Edit("Lead", "quieter")])
        assert trial.heard_in == 3 and session.hearing.tagged == 9
        assert (trial.change[:3] == 0).all() and trial.change[3:].any()
        session.trial([Edit("Lead", "quieter")])
        assert session.hearing.tagged == 9  # the same again is known


def test_scores_are_kept_from_session_to_session(files: Path, tmp_path: Path) -> None:
    opened = open_game(session_of(files), Meter(), OFF)
    for expected in (12, 0):
        kept = ScoreCache(tmp_path / "scores.sqlite3")
        with kept, TrialSession(opened, OFF, kept=kept) as session:
            session.trial([Edit("Kick", "quieter")])
            assert session.hearing.tagged == expected


def test_nothing_changes_at_amount_0(session: TrialSession) -> None:
    for preset in ("presence", "reverb-hall", "louder"):
        trial = session.trial([Edit("chord", preset, 0.0)])
        assert not trial.change.any() and trial.heard_in == 0
        assert not trial.edits[0].heard and "amount of 0" in trial.edits[0].unheard


def test_what_the_tagger_cannot_hear_is_told(session: TrialSession, tmp_path: Path) -> None:
    wider = session.trial([Edit("noise", "wider")])
    assert not wider.edits[0].heard and "only moves the sides" in wider.edits[0].unheard
    np.testing.assert_allclose(wider.change, 0, atol=1e-5)
    # the kick has nothing up there
    air = session.trial([Edit("kick", "air")])
    assert not air.edits[0].heard and "nothing of this edit" in air.edits[0].unheard
    assert session.trial([Edit("noise", "darker")]).edits[0].unheard == ""


def test_a_stem_that_keys_a_sidechain_must_be_verified(session: TrialSession) -> None:
    kick, chord = (session.trial([Edit(name, "quieter")]) for name in ("kick", "chord"))
    assert kick.edits[0].verify == "Verify by a new bounce: it keys effects of Chord."
    assert chord.edits[0].verify == ""


def test_two_edits_of_one_stem_are_played_one_after_the_other(session: TrialSession) -> None:
    both = session.trial([Edit("chord", "louder"), Edit("chord", "quieter")])
    np.testing.assert_allclose(both.change, 0, atol=1e-5)


def test_files_for_a_and_b(session: TrialSession, tmp_path: Path) -> None:
    trial = session.trial([Edit("noise", "darker")], folder=tmp_path, name="suggestion-1")
    assert trial.before_path and trial.after_path and trial.edits[0].path
    before, after = (audio.read(path) for path in (trial.before_path, trial.after_path))
    assert before.sample_rate == after.sample_rate == RATE
    levels = [audio.loudness(clip.samples, RATE) for clip in (before, after)]
    assert levels[0] == pytest.approx(levels[1], abs=0.05)
    total = sum(audio.read(stem.path).samples for stem in session.stems)
    np.testing.assert_allclose(before.samples, total, atol=1e-6)
    stem = audio.read(trial.edits[0].path)
    assert audio.loudness(stem.samples, RATE) == pytest.approx(trial.edits[0].before_lufs, abs=0.05)


def test_shares_before_and_after(session: TrialSession) -> None:
    trial = session.trial([Edit("noise", "louder")], TryOptions(attributions=True))
    assert trial.shares is not None
    before, after = trial.shares
    for shares, change in ((before, 0.0), (after, trial.change)):
        total = shares.attributions.mean(axis=0).sum(axis=0)
        scores = (session.before + change).mean(axis=0)
        np.testing.assert_allclose(total, scores - shares.baseline.mean(axis=0), atol=1e-5)
    assert after.attributions.mean(axis=0)[2, 0] > before.attributions.mean(axis=0)[2, 0]


@pytest.mark.parametrize(
    ("edit", "code", "says"),
    [
        (Edit("Guitar", "air"), "edit_invalid", "there are Kick"),
        (Edit("kick", "airy"), "preset_unknown", "nearest is air"),
        (Edit("kick", "air", 1.0, {"q": 99.0}), "edit_invalid", "from 0.4 to 1.2"),
    ],
)
def test_edits_that_cannot_be(session: TrialSession, edit: Edit, code: str, says: str) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        session.trial([edit])
    assert caught.value.code == code


def test_a_file_that_has_gone_meanwhile(files: Path, tmp_path: Path) -> None:
    copy = tmp_path / "stems"
    shutil.copytree(files, copy)
    opened = open_game(session_of(copy), Meter(), OFF)
    with TrialSession(opened, OFF) as session:
        (copy / "noise.wav").unlink()
        with pytest.raises(StemlensError) as caught:
            session.trial([Edit("noise", "darker")])
        assert caught.value.code == "audio_missing"


def test_work_ends_when_it_is_not_wanted(session: TrialSession) -> None:
    class Enough(Exception):
        pass

    def stop(stage: str, fraction: float) -> None:
        if stage == "hearing the mix":
            raise Enough

    with pytest.raises(Enough):
        session.trial([Edit("noise", "darker")], on_progress=stop)


def test_the_document_tells_all(session: TrialSession) -> None:
    trial = session.trial([Edit("noise", "louder", 2.0)], TryOptions(attributions=True))
    told = document.of_trial(session, trial)["trials"][0]
    assert told["words"] == "Noise: level +6 dB"
    assert told["sentence"].startswith("bright +") and "in the mix it is" in told["sentence"]
    for tag in told["tags"]:
        assert tag["after"] == pytest.approx(tag["before"] + tag["change"], abs=1e-6)
        assert tag["low"] <= tag["change"] <= tag["high"]
    assert told["edits"][0]["actions"] == [{"do": "level", "db": 6.0}]
    assert {share["stem"] for share in told["shares"][0]["attributions"]} == {
        "id-kick",
        "id-chord",
        "id-noise",
        "id-lead",
    }


def test_promised_and_real(session: TrialSession) -> None:
    trial = session.trial([Edit("noise", "louder")])
    told = document.of_trial(session, trial)
    after = {
        tag.name: float(score)
        for tag, score in zip(Meter.tags, session.before.mean(axis=0) + trial.mean, strict=True)
    }
    kept = promises(told, 0, "test-meter", after)
    assert all(one.held for one in kept) and "promise held" in sentence(kept)
    off = {name: score + 0.3 for name, score in after.items()}
    broken = promises(told, 0, "test-meter", off)
    assert not any(one.held for one in broken) and "0 of 1" in sentence(broken)
    with pytest.raises(StemlensError, match="same tagger"):
        promises(told, 0, "msd-musicnn", after)
    with pytest.raises(StemlensError, match="no trial 3"):
        promises(told, 3, "test-meter", after)


def test_a_stem_with_a_gain_is_edited_before_it(files: Path, tmp_path: Path) -> None:
    """As an insert before the fader: a compressor does not care where the fader is."""
    plain = session_of(files)
    turned = Session(
        "song",
        "test",
        tuple(
            stem if stem.name != "Noise" else type(stem)(stem.id, stem.name, stem.path, -12.0)
            for stem in plain.stems
        ),
    )
    thresholds = []
    for own in (plain, turned):
        with TrialSession(open_game(own, Meter(), OFF), OFF) as session:
            chain = session.trial([Edit("noise", "compress-hard")]).edits[0].chain
            thresholds.append(chain[0].values["threshold_db"])
    assert thresholds[0] == pytest.approx(thresholds[1], abs=1e-3)
