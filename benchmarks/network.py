"""The network alone beside its five front-end convolutions as torch computes them.

The convolutions are most of musicnn's arithmetic (2.7 of 2.8 GFLOP a segment), so what they alone
reach was taken as the limit: "bare" is two timbral and three temporal convolutions on random
numbers, without bias, relu, batch norm or maximum, in their best micro-batch. Both take turns, so
that a machine that slows down slows both. Run as a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.nn import functional

from stemlens import tagging

SHAPES = [(204, 7, 38), (204, 7, 67), (51, 128, 1), (51, 64, 1), (51, 32, 1)]
ROUNDS, SEGMENTS = 7, 32
MICRO_BATCHES = (1, 2, 4, 8)


def bare(micro_batch: int) -> Callable[[], None]:
    """The five convolutions over `SEGMENTS` segments."""
    kernels = [torch.randn(n, 1, frames, bands) for n, frames, bands in SHAPES]
    inputs = torch.randn(micro_batch, 1, 187, 96)
    padded = [
        functional.pad(inputs, (0, 0, (k.shape[2] - 1) // 2, k.shape[2] // 2)) for k in kernels
    ]

    def run() -> None:
        with torch.inference_mode():
            for _ in range(SEGMENTS // micro_batch):
                for kernel, x in zip(kernels, padded, strict=True):
                    functional.conv2d(x, kernel)

    return run


def main() -> None:
    """Prints segments per second of the network and of the bare convolutions."""
    tagger = tagging.load("msd-musicnn", "cpu")
    inputs = torch.rand(SEGMENTS, 187, 96)
    runs = {"network": lambda: tagger.score(inputs)}
    runs |= {f"bare {size}": bare(size) for size in MICRO_BATCHES}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    print(json.dumps({name: SEGMENTS / median(times) for name, times in seconds.items()}))


if __name__ == "__main__":
    main()
