"""A chain of filters as one filter answers as rendering does, in what a real tagger scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemlens import audio, tagging
from stemlens.edits import chains
from stemlens.edits.presets import Presets
from stemlens.edits.render import render
from stemlens.edits.response import filtered
from stemlens_bridge.edits import Edit

CLIP = Path(__file__).parents[2] / "examples" / "demo" / "guitar.flac"
SHIPPED = Presets()
FILTERS = [
    name
    for name, preset in SHIPPED.items()
    if chains.is_filter(preset.settings(Edit("s", name))) and name not in ("louder", "quieter")
]


def test_the_equalisers_are_filters() -> None:
    assert {"presence", "darker", "low-cut", "air", "more-bass"} <= set(FILTERS)
    assert not {"compress-gentle", "saturate", "reverb-room", "chorus", "wider"} & set(FILTERS)


@pytest.mark.parametrize("name", FILTERS)
def test_filtering_is_rendering(real_weights: None, name: str) -> None:
    """Within 0.001 in every score of every segment, at twice the preset's amount too."""
    tagger = tagging.load("msd-musicnn", "cpu")
    clip = audio.read(CLIP)
    samples = clip.samples[: 6 * clip.sample_rate]

    def heard(sound: np.ndarray) -> np.ndarray:
        return audio.resample(audio.to_mono(sound), clip.sample_rate, tagger.sample_rate)

    def scores(waveform: np.ndarray) -> np.ndarray:
        return np.stack([tagger.score(tagger.open_one(waveform, t))[0] for t in (0, 1)])

    for amount in (1.0, 2.0):
        chain = SHIPPED[name].settings(Edit("s", name, amount))
        rendered = render(samples, clip.sample_rate, chain, loudness_match=False).samples
        quick = filtered(heard(samples), chain, clip.sample_rate, tagger.sample_rate)
        plain = heard(rendered)[: len(quick)]
        np.testing.assert_allclose(scores(quick), scores(plain), atol=1e-3)
