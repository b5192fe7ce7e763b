"""Every way of computing musicnn on a CUDA GPU: segments per second, and how far from float32.

A way's share of the roofline is the arithmetic of the plain convolutions, 2.8 GFLOP a segment,
against the fastest matrix product of the same precision, measured in the same run. "with mixing"
starts from gains: Gram, logarithm and scores, up to the scores on the host. Prints JSON, or says
that there is no GPU. Run as a process of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import torch

from stemlens import tagging
from stemlens.tagging import gpu
from stemlens.tagging.mel_tagger import MICRO_BATCH, MelTagger

GFLOP = 2.8  # a segment
SIZE = 8192  # of the matrices of which the roofline's product is made
TIMES = 20
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "float16": torch.float16}


def seconds(run: Callable[[], object]) -> float:
    """Of one run when many follow each other."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(TIMES):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / TIMES


def peak(precision: str) -> float:
    """TFLOP/s of one large matrix product."""
    one = torch.randn(SIZE, SIZE, device="cuda", dtype=DTYPES[precision])
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return 2 * SIZE**3 / seconds(lambda: one @ one) / 1e12
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def main() -> None:
    """Prints the figures."""
    if not torch.cuda.is_available():
        print(json.dumps({"device": None}))
        return
    tagger = tagging.load("msd-musicnn", "cuda")
    assert isinstance(tagger, MelTagger)
    batch = MICRO_BATCH["cuda"]
    probe = gpu.probe(batch, torch.device("cuda"))
    peaks = {precision: peak(precision) for precision in DTYPES}
    ways = gpu.ways(tagger._network, tagger._network.fused(), batch)
    exact = ways["float32"](probe)
    figures = {}
    for name, run in ways.items():
        speed = batch / seconds(lambda run=run: run(probe))  # type: ignore[misc]
        figures[name] = {
            "segments/s": speed,
            "roofline": speed * GFLOP / 1000 / peaks[name.partition(",")[0]],
            "difference": (run(probe) - exact).abs().max().item(),
        }
    noise = np.random.default_rng(0).standard_normal((9, 160_000), np.float32) * 0.1
    segment = tagger.open(noise).segment(0, range(9))
    gains = np.random.RandomState(0).rand(tagger.batch, 9)
    whole = tagger.batch / seconds(lambda: tagger.score(segment.mix(gains)))
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name(),
                "TFLOP/s": peaks,
                "ways": figures,
                "chosen": tagger.identity,
                "with mixing": whole,
                "GiB": torch.cuda.max_memory_reserved() / 2**30,
            }
        )
    )


if __name__ == "__main__":
    main()
