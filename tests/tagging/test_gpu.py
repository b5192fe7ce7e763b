"""How a GPU's way of computing is chosen, and the fused kernel: tested without a GPU.

The kernel runs in Triton's interpreter where there is no GPU; Triton itself comes with PyTorch for
CUDA and is too large to be installed for this alone.
"""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch
from torch.nn import functional

from stemlens.tagging import gpu

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # must be set before Triton is imported

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)


def off_by(difference):
    return lambda x: x.sum((1, 2))[:, None] * 0 + difference


@pytest.mark.filterwarnings("error")
def test_the_fastest_way_that_is_close_enough_is_taken():
    probe = gpu.probe(4, torch.device("cpu"))
    ways = {
        "float32": off_by(0.0),
        "good": off_by(0.0019),
        "slow": off_by(0.0),
        "far": off_by(-0.0021),
        "not a number": off_by(float("nan")),
    }
    took = dict(zip(ways.values(), (3.0, 2.0, 4.0, 1.0, 1.0), strict=True))
    chosen = gpu.choose(ways, probe, took.__getitem__)
    assert chosen.name == "good"
    assert chosen.difference == pytest.approx(0.0019)
    assert [code for code, _ in chosen.told()] == ["reduced_precision"]
    assert "0.19 points" in chosen.told()[0][1]
    took[ways["float32"]] = 0.5
    assert gpu.choose(ways, probe, took.__getitem__).name == "float32"


def test_a_way_that_fails_is_left_out_and_told():
    def broken(x):
        raise RuntimeError("no such kernel")

    probe = gpu.probe(4, torch.device("cpu"))
    chosen = gpu.choose({"float32": off_by(0.0), "half": broken}, probe, lambda run: 1.0)
    assert (chosen.name, chosen.difference) == ("float32", 0.0)
    ((code, sentence),) = chosen.told()
    assert code == "gpu_way_failed" and "without half (no such kernel)" in sentence
    with pytest.raises(RuntimeError, match="no such kernel"):
        gpu.choose({"float32": broken}, probe, lambda run: 1.0)


def test_the_probe_sounds_like_something(tagger):
    """It is to make the network answer differently from segment to segment."""
    x = gpu.probe(16, torch.device("cpu"))
    assert x.shape == (16, 187, 96)
    assert x.min() >= 0
    assert 0 < x[0].max() < x[-1].max() < 10
    assert tagger("msd-musicnn").score(x).std(axis=0).max() > 0.05


@needs_triton
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("bands", [38, 67])
def test_the_fused_kernel_is_a_convolution_and_its_maximum(bands, dtype):
    """With rows that do not fill a block, filters that do not, and a maximum below zero."""
    from stemlens.tagging.timbral_kernel import FusedTimbral

    random = torch.Generator().manual_seed(0)
    kernel = (torch.randn(70, 7, bands, generator=random) / 10).to(DEVICE)
    kernel[3] = -1.0
    x = torch.rand(3, 50, 96, generator=random).to(DEVICE)
    found = FusedTimbral(kernel, dtype)(x)
    rounded, filters = x.to(dtype).float(), kernel.to(dtype).float()
    padded = functional.pad(rounded[:, None], (0, 0, 3, 3))
    expected = functional.conv2d(padded.double(), filters[:, None].double()).amax(3).mT
    assert found.shape == expected.shape
    assert (expected[..., 3] < 0).all()
    # On a GPU float32 is rounded to TensorFloat-32, as are the ten digits of float16.
    tolerance = 5e-3 if DEVICE == "cuda" else 1e-5
    assert (found - expected).abs().max() < tolerance * expected.abs().max()


@needs_triton
def test_the_network_with_fused_kernels_scores_alike(tagger):
    network = tagger("msd-musicnn")._network.to(DEVICE)
    x = gpu.probe(1, torch.device(DEVICE))
    with torch.inference_mode():
        for run in network.fused().values():
            assert (run(x) - network(x)).abs().max() < gpu.TOLERANCE
    network.to("cpu")
