"""A GPU gives the scores of the CPU, whatever TensorFloat-32 is allowed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stemlens import tagging

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
    assert np.abs(scores[0] - scores[1]).max() < 1e-4


def test_a_full_batch_fits(stems):
    gpu = tagging.load("msd-musicnn", "cuda")
    gains = np.random.RandomState(0).rand(gpu.batch, 3)
    scores = gpu.score(gpu.open(stems).segment(0, range(3)).mix(gains))
    assert scores.shape == (gpu.batch, 50)
    assert np.isfinite(scores).all()
