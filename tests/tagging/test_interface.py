"""What holds for every tagger: a family of the tests, which reads waveforms, and the built-in ones.

The one of the tests is a file of its own (`support/meter.py`), known to nothing else in Stemlens.
Code that uses taggers relies on nothing but what is tested here.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from support.meter import Meter

from stemlens import tagging
from stemlens.tagging.vocabulary import KINDS, MSD, MTT
from stemlens_bridge.errors import StemlensError


@pytest.fixture(scope="module", autouse=True)
def meter():
    tagging.register("test-meter", lambda device: Meter())
    yield
    del tagging._factories["test-meter"]


@pytest.fixture(params=["test-meter", "msd-musicnn", "mtt-vgg"])
def any_tagger(request, tagger):
    return tagger(request.param)


SUBSETS = np.array([[(n >> k) & 1 for k in range(3)] for n in range(8)], np.float64)


def test_a_family_is_reached_by_its_name():
    assert "test-meter" in tagging.names()
    assert isinstance(tagging.load("test-meter"), Meter)


def test_shapes_and_ranges(any_tagger, stems):
    opened = any_tagger.open(stems)
    assert opened.segments == any_tagger.segments(stems.shape[1])[0]
    assert opened.power.shape == (opened.segments, 3)
    scores = any_tagger.score(opened.segment(0, [0, 1, 2]).mix(SUBSETS))
    assert scores.shape == (8, len(any_tagger.tags))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_coalition_is_the_sum_of_its_stems(any_tagger, stems):
    """Scores of mixed stems are the scores of one stem that was summed before it was opened."""
    gains = np.array([[1.0, 1.0, 1.0], [0.3, -2.0, 1.5]])
    for index in (0, 1):
        mixed = any_tagger.score(any_tagger.open(stems).segment(index, [0, 1, 2]).mix(gains))
        for g, expected in zip(gains, mixed, strict=True):
            summed = any_tagger.open((g @ stems).astype(np.float32)[None])
            alone = any_tagger.score(summed.segment(index, [0]).mix(np.ones((1, 1))))[0]
            assert np.abs(alone - expected).max() < 1e-5


def test_a_stem_left_out_is_a_stem_at_gain_zero(any_tagger, stems):
    opened = any_tagger.open(stems)
    absent = any_tagger.score(opened.segment(1, [2, 0]).mix(np.array([[0.5, 2.0]])))
    muted = any_tagger.score(opened.segment(1, [0, 1, 2]).mix(np.array([[2.0, 0.0, 0.5]])))
    assert np.abs(absent - muted).max() < 1e-6


def test_nothing_sounding_is_silence(any_tagger, stems):
    opened = any_tagger.open(stems)
    nothing = any_tagger.score(opened.segment(0, []).mix(np.zeros((1, 0))))
    zeros = any_tagger.open(np.zeros((1, stems.shape[1]), np.float32))
    silence = any_tagger.score(zeros.segment(0, [0]).mix(np.ones((1, 1))))
    assert np.abs(nothing - silence).max() < 1e-6


def test_scores_do_not_depend_on_how_coalitions_are_batched(any_tagger, stems):
    segment = any_tagger.open(stems).segment(1, [0, 1, 2])
    together = any_tagger.score(segment.mix(SUBSETS))
    apart = np.concatenate([any_tagger.score(segment.mix(row[None])) for row in SUBSETS])
    assert np.abs(together - apart).max() < 1e-6
    assert any_tagger.score(segment.mix(SUBSETS[:0])).shape == (0, len(any_tagger.tags))


def test_power_grows_with_the_square_of_the_gain(any_tagger, stems):
    quiet = any_tagger.open(stems).power
    loud = any_tagger.open(3 * stems).power
    assert loud == pytest.approx(9 * quiet, rel=1e-4, abs=1e-12)


def test_a_session_shorter_than_a_segment_is_padded(any_tagger, stems):
    short = stems[:, : int(0.4 * 16_000)]
    count, dropped = any_tagger.segments(short.shape[1])
    assert count == 1
    assert dropped == pytest.approx(0.4 - any_tagger.segment_s)
    padded = np.pad(short, ((0, 0), (0, 2 * 16_000)))
    scores = [
        any_tagger.score(any_tagger.open(x).segment(0, [0, 1, 2]).mix(SUBSETS))
        for x in (short, padded)
    ]
    if any_tagger.segment_s > 2.4:
        assert np.abs(scores[0] - scores[1]).max() < 1e-6


@pytest.mark.parametrize("name", ["msd-musicnn", "mtt-musicnn"])
def test_stems_at_the_threshold_of_silence_move_no_score(tagger, stems, name):
    """Leaving out a stem whose power is just `silence` moves no score by a tenth of a point, even
    if it is noise that is just there in every band all the time."""
    networks = tagger(name)
    noise = np.random.RandomState(5).standard_normal(stems.shape[1])
    for hidden in (stems[2], noise):
        loudest = networks.open(hidden.astype(np.float32)[None]).power[1, 0]
        barely = (hidden * np.sqrt(networks.silence / loudest)).astype(np.float32)
        segment = networks.open(np.stack([*stems, barely])).segment(1, range(4))
        gains = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 1]], np.float64)
        without_1, with_1, without_2, with_2 = networks.score(segment.mix(gains))
        assert np.abs(with_1 - without_1).max() < 1e-3
        assert np.abs(with_2 - without_2).max() < 1e-3


def test_segments_beyond_the_song_are_refused(tagger, stems):
    opened = tagger("msd-musicnn").open(stems)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            opened.segment(index, [0])


def test_scoring_changes_no_setting_of_torch(tagger, stems):
    each = tagger("msd-musicnn")
    inputs = each.open(stems).segment(0, [0]).mix(np.ones((1, 1)))
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32, torch.get_num_threads()
    try:
        for wanted in (True, False):
            convolutions.allow_tf32 = products.allow_tf32 = wanted
            each.score(inputs)
            assert (convolutions.allow_tf32, products.allow_tf32) == (wanted, wanted)
            assert torch.get_num_threads() == before[2]
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before[:2]


def test_an_unknown_tagger_is_answered_with_the_nearest():
    with pytest.raises(StemlensError) as caught:
        tagging.load("msd-musicn")
    assert caught.value.code == "tagger_unknown"
    assert "nearest is msd-musicnn" in caught.value.message
    assert "mtt-vgg" in caught.value.message


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "tpu"):
        with pytest.raises(StemlensError) as caught:
            tagging.load("msd-musicnn", device)
        assert caught.value.code == "device_unavailable"
        assert device in caught.value.message
        assert "cpu" in caught.value.message


def test_a_name_cannot_be_registered_twice():
    with pytest.raises(ValueError, match="already registered"):
        tagging.register("test-meter", lambda device: Meter())


def test_names_and_weights_need_no_torch():
    code = (
        "import sys; from stemlens import tagging;"
        "from stemlens.tagging import vocabulary, weights;"
        "print(*tagging.names()); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["msd-musicnn", "msd-vgg", "mtt-musicnn", "mtt-vgg"]


@pytest.mark.parametrize("tags", [MTT, MSD])
def test_vocabularies(tags):
    assert len(tags) == len({tag.name for tag in tags}) == len({tag.plain for tag in tags}) == 50
    assert {tag.kind for tag in tags} <= set(KINDS)
