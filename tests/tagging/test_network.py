"""The rearranged networks compute what the plain ones would, also with negative batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from stemlens.tagging import weights
from stemlens.tagging.musicnn_network import Musicnn, Vgg


@pytest.fixture(params=["msd-musicnn", "mtt-musicnn"])
def musicnn_weights(request):
    return weights.load(request.param)


def plain_block(x, w, conv, norm, padding):
    """Convolution, bias, relu, batch norm, maximum over bands, in float64 and in this order."""
    kernel = torch.from_numpy(w[f"{conv}/kernel"]).double().permute(3, 2, 0, 1)
    padded = functional.pad(x[:, None], (0, 0, *padding))
    y = functional.relu(
        functional.conv2d(padded, kernel, torch.from_numpy(w[f"{conv}/bias"]).double())
    )
    gamma, beta, mean, variance = (
        torch.from_numpy(w[f"{norm}/{part}"]).double()[:, None, None]
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return ((y - mean) * gamma / torch.sqrt(variance + 1e-3) + beta).amax(3)


def test_the_trained_batch_norms_are_partly_negative(musicnn_weights):
    """The reason why maxima cannot simply be taken first."""
    for n in (1, 2, 3, 4, 5):
        gamma = musicnn_weights[f"batch_normalization_{n}/gamma"]
        assert (gamma < 0).any()
        assert (gamma > 0).any()


def test_front_end_is_that_of_the_paper(musicnn_weights):
    network = Musicnn(musicnn_weights)
    x = torch.from_numpy(np.random.RandomState(0).standard_normal((2, 187, 96)))
    single = x.float()
    from stemlens.tagging.musicnn_network import _spectrum

    spectrum = _spectrum(single)
    pads = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    found = [block(spectrum, 2) for block in network.timbral]
    found += [block(single) for block in network.temporal]
    for n, (block, padding) in enumerate(zip(found, pads, strict=True)):
        conv = f"conv2d_{n}" if n else "conv2d"
        expected = plain_block(x, musicnn_weights, conv, f"batch_normalization_{n + 1}", padding)
        scale = expected.abs().max()
        assert (block - expected).abs().max() < 3e-6 * scale


def test_vgg_first_layer_may_skip_every_second_band():
    """A pool 4 × 1 with stride 2 × 2 never reads the odd bands."""
    w = weights.load("msd-vgg")
    network = Vgg(w)
    x = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 1, 187, 96))).float()
    kernel = network.get_buffer("kernel_1")
    every = functional.max_pool2d(functional.conv2d(x, kernel, padding=1), (4, 1), (2, 2))
    half = functional.max_pool2d(
        functional.conv2d(x, kernel, stride=(1, 2), padding=1), (4, 1), (2, 1)
    )
    torch.testing.assert_close(half, every, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "network"), [("mtt-musicnn", Musicnn), ("mtt-vgg", Vgg)])
def test_a_segments_scores_do_not_depend_on_its_company(name, network):
    net = network(weights.load(name)).eval()
    x = torch.from_numpy(np.random.RandomState(0).rand(3, 187, 96)).float()
    with torch.inference_mode():
        together = net(x)
        alone = torch.cat([net(one) for one in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
