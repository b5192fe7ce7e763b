"""The ported networks answer what the original TensorFlow networks answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

CHECKOUT = Path(__file__).parents[2]
CLIP = CHECKOUT.parent / "shared" / "audio" / "TRWJAZW128F42760DD_test.mp3"
DATA = CHECKOUT / "tests" / "data"

# What TensorFlow answered for CLIP: network → segments × tags
TENSORFLOW = json.loads((DATA / "musicnn_reference.json").read_text())
# What this port answered for the sum of the fixture `stems` when it agreed with TensorFlow on CLIP
PORT = json.loads((DATA / "musicnn_port.json").read_text())

NETWORKS = {
    "msd-musicnn": "MSD_musicnn",
    "mtt-musicnn": "MTT_musicnn",
    "msd-vgg": "MSD_vgg",
    "mtt-vgg": "MTT_vgg",
}


def taggram(tagger, waveform):
    opened = tagger.open(waveform[None])
    alone = np.ones((1, 1))
    return np.concatenate(
        [tagger.score(opened.segment(t, [0]).mix(alone)) for t in range(opened.segments)]
    )


@pytest.mark.skipif(not CLIP.is_file(), reason="the original's test clip is not at hand")
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_tensorflow(tagger, name):
    samples, rate = soundfile.read(CLIP, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, 16_000, quality="HQ").astype(np.float32)
    expected = np.array(TENSORFLOW[NETWORKS[name]])
    found = taggram(tagger(name), mono)
    assert found.shape == expected.shape == (10, 50)
    # The figures were found to differ by less than 5e-6; MP3 decoders and resamplers may add some.
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_the_figures_kept(tagger, stems, name):
    found = taggram(tagger(name), stems.sum(axis=0))
    expected = np.array(PORT[name])
    assert found.shape == expected.shape == (2, 50)
    assert np.abs(found - expected).max() < 1e-4
