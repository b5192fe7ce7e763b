"""The network alone beside its five front-end convolutions as torch computes them.

The convolutions are most of musicnn's arithmetic (2.7 of 2.8 GFLOP a segment), so what they alone
reach was taken as the limit: "bare" is two timbral and three temporal convolutions on random
numbers, without bias, relu, batch norm or maximum, in their best micro-batch.

"network" scores random numbers, of which no two windows are the same. "coalitions of SESSION" mixes
and scores random coalitions of the sounding stems of one segment, as an analysis does: there the
network meets windows that it has computed before, and does not compute them again. Of each round
all is new. All take turns, so that a machine that slows down slows all. Run as a process of its
own, with folders of sessions as arguments; prints JSON: segments per second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn import functional

from stemlens import Options, Session, tagging
from stemlens.game import Game
from stemlens.material import prepare
from stemlens.scorecache import ScoreCache
from stemlens.tagging.tagger import Tagger

SHAPES = [(204, 7, 38), (204, 7, 67), (51, 128, 1), (51, 64, 1), (51, 32, 1)]
ROUNDS, SEGMENTS = 7, 32
COALITIONS = 256
MICRO_BATCHES = (1, 2, 4, 8)

Run = Callable[[int], int]
"""Does what belongs to a round (they are numbered) and returns how many segments it scored."""


def bare(micro_batch: int) -> Run:
    """The five convolutions over `SEGMENTS` segments."""
    kernels = [torch.randn(n, 1, frames, bands) for n, frames, bands in SHAPES]
    inputs = torch.randn(micro_batch, 1, 187, 96)
    padded = [
        functional.pad(inputs, (0, 0, (k.shape[2] - 1) // 2, k.shape[2] // 2)) for k in kernels
    ]

    def run(_: int) -> int:
        with torch.inference_mode():
            for _ in range(SEGMENTS // micro_batch):
                for kernel, x in zip(kernels, padded, strict=True):
                    functional.conv2d(x, kernel)
        return SEGMENTS

    return run


def network(tagger: Tagger) -> Run:
    """Segments of random numbers."""

    def run(number: int) -> int:
        generator = torch.Generator().manual_seed(number)
        return len(tagger.score(torch.rand(SEGMENTS, 187, 96, generator=generator)))

    return run


def coalitions(tagger: Tagger, folder: Path) -> Run:
    """Coalitions of a segment of a session: in each round another, of those in which at least half
    as many stems sound as at most."""
    material = prepare(Session.read(folder), tagger.sample_rate, Options().session_loudness)
    game = Game(tagger, material.waveforms, material.gains_db, kept=ScoreCache())
    stems = game.sounding.sum(axis=1)
    segments = np.flatnonzero(2 * stems >= stems.max())
    segments = segments[np.linspace(0, len(segments) - 1, ROUNDS + 1).astype(int)]

    def run(number: int) -> int:
        segment = int(segments[number])
        players = len(game.players(segment))
        random = np.random.RandomState(number)
        plays = np.unique(random.rand(COALITIONS, players) < 0.5, axis=0)
        game.scores(segment, plays)
        return len(plays)

    return run


def main(*folders: str) -> None:
    """Prints segments per second of everything."""
    tagger = tagging.load("msd-musicnn", "cpu")
    runs = {"network": network(tagger)}
    runs |= {
        f"coalitions of {Path(folder).name}": coalitions(tagger, Path(folder)) for folder in folders
    }
    runs |= {f"bare {size}": bare(size) for size in MICRO_BATCHES}
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            scored = run(number)
            speeds[name].append(scored / (time.perf_counter() - started))
    print(json.dumps({name: median(found[1:]) for name, found in speeds.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
