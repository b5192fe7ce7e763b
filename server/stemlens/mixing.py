"""Files summed up on disk, block by block, so that an hour of sound needs next to no memory.

Sums are float32 `[frames, 2]` at one rate, ±1 full scale and unclipped, in a file that nobody sees
and that is gone with the block that made it.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soxr

from stemlens import audio
from stemlens.audio import Samples

BLOCK = 1 << 18  # frames handled at once
FRAME_BYTES = 8


@contextmanager
def on_disk(folder: Path, frames: int, sums: int = 1, spare_bytes: int = 0) -> Iterator[Samples]:
    """Empty sums `[sums, frames, 2]` in a folder, which is made where there is none.

    Raises OSError, also where these and `spare_bytes` more do not fit on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < sums * frames * FRAME_BYTES + spare_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # or a disk that fills up meanwhile ends the process
            os.posix_fallocate(file.fileno(), 0, sums * frames * FRAME_BYTES)
        yield np.memmap(file, np.float32, "w+", shape=(sums, frames, 2))


def add(
    total: Samples,
    path: str | os.PathLike[str],
    gain_db: float,
    start_s: float,
    rate: int,
    on_block: Callable[[], None] = lambda: None,
) -> None:
    """Plays a file into a sum at `rate` Hz, from `start_s` on, as much of it as fits.

    `on_block` is called after each block; what it raises ends the work. Raises the errors of
    `audio.blocks`.
    """
    for at, samples in played(path, gain_db, start_s, rate):
        if at >= len(total):
            break
        audio.add_at(total, samples, at)
        on_block()


def played(
    path: str | os.PathLike[str], gain_db: float, start_s: float, rate: int
) -> Iterator[tuple[int, Samples]]:
    """The blocks `[frames, 2]` of a file at a gain and at `rate` Hz, each with the frame at which
    it plays where the file plays from `start_s` on. Raises the errors of `audio.blocks`."""
    own = audio.probe(path, max_duration_s=math.inf).sample_rate
    gain = np.float32(10 ** (gain_db / 20))
    converter = None if own == rate else soxr.ResampleStream(own, rate, 2, "float32", "HQ")
    at = round(start_s * rate)
    for block in audio.blocks(path, max_duration_s=math.inf):
        samples = audio.to_stereo(block) * gain
        if converter is not None:
            samples = converter.resample_chunk(np.ascontiguousarray(samples))
        yield at, samples
        at += len(samples)
    if converter is not None:
        yield at, converter.resample_chunk(np.zeros((0, 2), np.float32), last=True)


def spans(start: int, stop: int, size: int = BLOCK) -> Iterator[slice]:
    """The frames from `start` to `stop`, some at a time."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
