"""The rearranged networks compute what the plain ones would, also with negative batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from stemlens.tagging import weights
from stemlens.tagging.musicnn_network import Musicnn, Vgg, distinct_windows


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


def sparse_batch():
    """Coalitions of two stems, one of which is silent half of the time."""
    random = np.random.RandomState(0)
    one, two = random.rand(2, 187, 96).astype(np.float32)
    two[60:150] = 0
    return torch.from_numpy(np.stack([np.zeros_like(one), one, two, one + two]))


def test_windows_that_are_the_same_are_found_and_no_others():
    x = sparse_batch()
    which, examples = distinct_windows(x)
    padded = functional.pad(x + 1, (0, 0, 3, 3))  # + 1: silence is not what lies outside
    windows = padded.unfold(1, 7, 1).reshape(4 * 187, -1)
    same = (windows[:, None] == windows[None]).all(2)
    assert torch.equal(which.flatten()[:, None] == which.flatten()[None], same)
    assert torch.equal(which.flatten()[examples], torch.arange(len(examples)))
    # all of `one` and `one + two`; but 84 windows of `two` are inside the silence
    assert len(examples) == 187 + (187 - 84) * 2 + len(torch.unique(which[0]))


def test_one_bit_makes_another_window():
    x = sparse_batch()
    before = len(distinct_windows(x)[1])
    x.view(torch.int32)[0, 100, 50] ^= 1
    assert len(distinct_windows(x)[1]) == before + 7


def test_computing_each_window_once_changes_nothing(musicnn_weights):
    network = Musicnn(musicnn_weights).eval()
    x = sparse_batch()
    with torch.inference_mode():
        score = network.scorer(x, lambda function, numbers: [function(n) for n in numbers])
        found = torch.cat([score(slice(n, n + 1)) for n in range(4)])
        torch.testing.assert_close(found, network(x), rtol=0, atol=1e-6)
