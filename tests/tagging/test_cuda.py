"""A GPU gives the scores of the CPU to the tolerance of `gpu.py`, whatever is allowed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stemlens import tagging
from stemlens.tagging import gpu

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize("name", ["msd-musicnn", "mtt-musicnn", "msd-vgg", "mtt-vgg"])
def test_same_scores_as_on_the_cpu(tagger, stems, name):
    session = np.concatenate([stems, -stems[:1]])  # two stems that cancel need float64
    gains = np.array([[(n >> k) & 1 for k in range(4)] for n in range(16)], np.float64)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        scores = []
        for each in (tagger(name), tagging.load(name, "cuda")):
            opened = each.open(session)
            scores.append(
                np.stack([each.score(opened.segment(t, range(4)).mix(gains)) for t in (0, 1)])
            )
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert np.abs(scores[0] - scores[1]).max() < gpu.TOLERANCE


def test_a_full_batch_fits(stems):
    gpu = tagging.load("msd-musicnn", "cuda")
    gains = np.random.RandomState(0).rand(gpu.batch, 3)
    scores = gpu.score(gpu.open(stems).segment(0, range(3)).mix(gains))
    assert scores.shape == (gpu.batch, 50)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["msd-musicnn", "mtt-vgg"])
def test_every_way_is_close_to_float32(stems, name):
    """On coalitions, not on the made-up segments by which the tagger has chosen."""
    chosen = tagging.load(name, "cuda")
    assert chosen._way.difference <= gpu.TOLERANCE
    assert chosen.identity == f"{name}, {chosen._way.name}"
    gains = np.random.RandomState(1).rand(64, 3)
    inputs = chosen.open(stems).segment(1, range(3)).mix(gains)
    ways = gpu.ways(chosen._network, chosen._network.fused(), 64)
    exact = ways["float32"](inputs)
    for way, run in ways.items():
        difference = (run(inputs) - exact).abs().max().item()
        assert difference <= gpu.TOLERANCE, way
        part = run(inputs[:5])  # a graph has one size
        assert (part - exact[:5]).abs().max().item() <= gpu.TOLERANCE, way


def test_a_hundred_stems_of_ten_minutes_fit_into_8_gib():
    tagger = tagging.load("msd-musicnn", "cuda")
    waveforms = np.random.default_rng(0).standard_normal((100, 600 * 16_000), np.float32)
    waveforms *= 0.01
    torch.cuda.reset_peak_memory_stats()
    opened = tagger.open(waveforms)
    gains = np.random.RandomState(0).rand(tagger.batch, 100)
    for segment in range(0, 30, 3):
        tagger.score(opened.segment(segment, range(100)).mix(gains))
    assert torch.cuda.max_memory_reserved() < 8 * 2**30
