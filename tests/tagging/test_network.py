"""The rearranged networks compute what the plain ones would, also with negative batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from stemlens.tagging import musicnn_network, weights
from stemlens.tagging.musicnn_network import Musicnn, Vgg, _spectrum


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
    spectrum = _spectrum(single)
    pads = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    found = [block(spectrum).view(-1, 2, 187).transpose(0, 1) for block in network.timbral]
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


def in_turn(function, items):
    return [function(item) for item in items]


def scored(network, x):
    """As a tagger on a CPU scores: one segment after the other, each window computed once."""
    with torch.inference_mode():
        score = network.scorer(x, in_turn)
        return torch.cat([score(slice(n, n + 1)) for n in range(len(x))])


def sparse(seed):
    """All coalitions of two stems, one of which is silent half of the time."""
    one, two = np.random.RandomState(seed).rand(2, 187, 96).astype(np.float32)
    two[60:150] = 0
    return torch.from_numpy(np.stack([np.zeros_like(one), one, two, one + two]))


def test_computing_each_window_once_changes_nothing(musicnn_weights, monkeypatch):
    """In one batch, in batches that have windows in common, and when the memory is so short that
    windows are forgotten in the middle of a batch."""
    for remembered in (2**16, 300, 1):
        monkeypatch.setattr(musicnn_network, "REMEMBERED", remembered)
        network = Musicnn(musicnn_weights).eval()
        batches = [sparse(0), sparse(1), sparse(0).flip(0), sparse(1)[2:]]
        for x in batches:
            with torch.inference_mode():
                plain = network(x)
            torch.testing.assert_close(scored(network, x), plain, rtol=0, atol=1e-6)


def test_what_was_computed_before_is_not_computed_again(musicnn_weights, monkeypatch):
    network = Musicnn(musicnn_weights).eval()
    x = sparse(0)
    first = scored(network, x)
    for name, module in network.named_modules():
        if name.startswith(("timbral.", "temporal.")):
            monkeypatch.setattr(module, "tail", None)
    assert torch.equal(scored(network, x.flip(0)), first.flip(0))
