"""Settings are measured once, by the clock that is given, and remembered where that is possible."""

from __future__ import annotations

import json

import pytest
import torch

from stemlens import tagging
from stemlens.tagging import calibration, mel_tagger
from stemlens.tagging.calibration import Trial, fastest, settings
from stemlens.tagging.lanes import urgent


class Clock:
    """Stands still but for what a run takes."""

    def __init__(self, **seconds):
        self.now, self.runs = 0.0, []
        self.seconds = {int(name[1:]): list(taken) for name, taken in seconds.items()}

    def __call__(self):
        return self.now

    def run(self, candidate):
        taken = self.seconds[candidate]
        self.runs.append(candidate)
        self.now += taken.pop(0) if len(taken) > 1 else taken[0]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"_8": [1.0], "_4": [0.9], "_16": [2.0]}, 4),
        ({"_8": [1.0], "_4": [0.96], "_16": [2.0]}, 8),  # not clearly better
        ({"_8": [1.0], "_4": [0.1, 1.1], "_16": [2.0]}, 8),  # the first time does not count
        ({"_8": [1.0], "_4": [9.0], "_16": [9.0, 9.0, 0.5, 9.0]}, 16),  # a slow moment is no loss
    ],
)
def test_what_is_clearly_fastest_wins(seconds, expected):
    clock = Clock(**seconds)
    assert fastest(Trial((8, 4, 16), clock.run), 10.0, clock) == expected
    assert clock.runs[:6] == [8, 4, 16, 8, 4, 16]


def test_it_takes_about_as_long_as_it_may():
    clock = Clock(_1=[0.01], _2=[0.01])
    fastest(Trial((1, 2), clock.run), 1.0, clock)
    assert clock.now == pytest.approx(1.0, abs=0.05)


TRIALS = {"a": Trial((1, 2), lambda size: None), "b": Trial((3, 4), lambda size: None)}


@pytest.fixture
def measured():
    """Measures the last candidate as the best, and counts."""
    calls = []

    def measure(trial):
        calls.append(trial)
        return trial.candidates[-1]

    measure.calls = calls
    return measure


def test_an_answer_is_remembered_for_its_network_only(tmp_path, measured):
    file = tmp_path / "not yet there" / "calibration.json"
    for network, calls in (("one", 2), ("one", 2), ("two", 4), ("one", 4), ("two", 4)):
        assert settings(network, TRIALS, measured, file) == {"a": 2, "b": 4}
        assert len(measured.calls) == calls
    assert [path.name for path in file.parent.iterdir()] == ["calibration.json"]


def test_another_machine_or_version_measures_again(tmp_path, measured, monkeypatch):
    file = tmp_path / "calibration.json"
    settings("one", TRIALS, measured, file)
    monkeypatch.setattr(calibration, "_processor", lambda: "another")
    settings("one", TRIALS, measured, file)
    monkeypatch.setattr(torch, "__version__", "9.9")
    settings("one", TRIALS, measured, file)
    assert len(measured.calls) == 6


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"key": 1}', "null", "\x00\xff", "changed"])
def test_a_file_that_makes_no_sense_is_made_again(tmp_path, measured, content):
    file = tmp_path / "calibration.json"
    settings("one", TRIALS, measured, file)
    known = json.loads(file.read_text())
    if content == "changed":  # by hand, or by a version with other candidates
        content = json.dumps({key: {"a": 77, "b": 4} for key in known})
    elif content == '{"key": 1}':
        content = json.dumps(dict.fromkeys(known, 1))
    file.write_text(content)
    assert settings("one", TRIALS, measured, file) == {"a": 2, "b": 4}
    assert len(measured.calls) == 4
    assert json.loads(file.read_text()) == known


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, measured):
    (tmp_path / "file").touch()
    for file in (tmp_path / "file" / "calibration.json", tmp_path):
        assert settings("one", TRIALS, measured, file) == {"a": 2, "b": 4}
    assert len(measured.calls) == 4


@pytest.mark.parametrize("name", ["msd-musicnn", "msd-vgg"])
def test_a_tagger_is_calibrated_when_it_has_scored_enough(name, monkeypatch):
    """Whatever is chosen, the scores are the same; who scores little, or urgently, never waits."""
    monkeypatch.setattr(mel_tagger, "CALIBRATE_AFTER", 6)
    asked = []

    def last_candidates(network, trials, measure):
        asked.append(network)
        for trial in trials.values():
            for candidate in trial.candidates:
                trial.run(candidate)
        return {key: trial.candidates[-1] for key, trial in trials.items()}

    monkeypatch.setattr(calibration, "settings", last_candidates)
    tagger = tagging.load(name, "cpu")
    x = torch.rand(5, 187, 96, generator=torch.Generator().manual_seed(0))
    before = tagger.score(x)
    with urgent():
        tagger.score(x)
    assert not asked
    after = tagger.score(x)
    tagger.score(x)
    assert asked == [name]
    assert abs(after - before).max() < 1e-6
