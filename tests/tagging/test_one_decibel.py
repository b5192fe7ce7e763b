"""One dB up, tried out, is the slope that backpropagation finds, but for how the score bends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemlens import live, tagging
from stemlens.live import Effects, Excerpt, LiveMix
from stemlens.tagging import mel
from stemlens.tagging.mel_tagger import MelTagger

TAGS = 3  # one pass through the network, forwards and backwards, for each
SEGMENT = 1


def slopes(
    tagger: MelTagger, stems: NDArray[np.float32], gains: NDArray[np.float64], tags: list[int]
) -> NDArray[np.float64]:
    """d score / d dB `[stems, tags]` by autograd."""
    gram = mel.gram(mel.stft(torch.from_numpy(stems), SEGMENT))
    level = torch.tensor(20 * np.log10(gains), dtype=torch.float64, requires_grad=True)
    there = (10 ** (level / 20))[None]
    i, j = torch.triu_indices(len(gains), len(gains))
    power = ((there[:, i] * there[:, j]) @ gram.flatten(1)).clamp(min=0)
    heard = torch.log10(1 + mel.COMPRESSION * power.view(-1, *gram.shape[1:])).float()
    scores = tagger._network(heard)[0]
    rows = [torch.autograd.grad(scores[tag], level, retain_graph=True)[0] for tag in tags]
    return torch.stack(rows, dim=1).numpy()


def test_one_decibel_up_is_the_slope(
    tagger: Callable[[str], tagging.Tagger],
    stems: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """v(+h) − v(−h) = 2h · slope + …, and v(+h) + v(−h) − 2v = h² · curvature + …

    The network is made of straight pieces, and a tenth of a dB can already cross from one to the
    next (a slope of +0.08 points a dB was −0.09 over a tenth of one): so the slope is looked for
    very near, and a whole dB is tried rather than derived.
    """
    heard = tagger("msd-musicnn")
    assert isinstance(heard, MelTagger)
    gains = np.array([1.0, 0.7, 1.3])
    mix = LiveMix(Excerpt(heard, heard.open(stems), range(SEGMENT, SEGMENT + 1), gains), gains)

    def scores(moved_db: NDArray[np.float64]) -> NDArray[np.float64]:
        first = next(mix.answers(moved_db, np.zeros(3, bool), TAGS))
        assert not isinstance(first, Effects)
        return first.scores

    def up(db: float) -> NDArray[np.float64]:
        monkeypatch.setattr(live, "ONE_DB_UP", 10 ** (db / 20))
        _, second, *_ = mix.answers(np.zeros(3), np.zeros(3, bool), TAGS)
        assert isinstance(second, Effects) and second.kind == "decibel" and second.sounds.all()
        return second.value

    whole, now = up(1.0), scores(np.zeros(3))
    tags = np.argsort(-abs(whole).max(axis=0))[:TAGS].tolist()
    slope = slopes(heard, stems, gains, tags)
    assert abs(slope).max() > 3e-3
    difference = (up(0.02) - up(-0.02))[:, tags] / 0.04
    np.testing.assert_allclose(difference, slope, atol=0.04 * abs(slope).max())
    bend = np.array([scores(db) + scores(-db) - 2 * now for db in np.eye(3)])[:, tags] / 2
    assert (abs(whole[:, tags] - slope) <= 2 * abs(bend) + 0.1 * abs(slope).max()).all()
