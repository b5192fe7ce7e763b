"""Sony Wave64 files as Ardour exports them, taken apart into WAV files of single stems.

Wave64 is WAV with 64-bit sizes: chunks begin with a 16-byte GUID and a little-endian size that
counts those 24 bytes, and are padded to 8. It is what Ardour writes when many channels of 32-bit
float make a file of more than 4 GB. A stem is a run of `width` neighbouring channels.
Source: "Sony Pictures Digital: Wave64 file format", as libsndfile writes it.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
FLOAT = 3
SILENT = 1e-6  # −120 dB: a peak below it is silence
BLOCK_BYTES = 1 << 22
MAX_WAV_BYTES = (1 << 32) - 128


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples lie: 32-bit floats, `channels` of them a frame."""

    rate: int
    channels: int
    frames: int
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """What was written of one stem: whether it is silence, and a fingerprint of its samples."""

    path: Path
    silent: bool
    fingerprint: str


def layout(path: Path) -> Layout:
    """How a Wave64 file is laid out; raises ValueError for one that is incomplete or other."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(16) != RIFF:
            raise ValueError("it is no Wave64 file")
        file.seek(40)
        rate = channels = 0
        while len(head := file.read(24)) == 24:
            length = struct.unpack("<Q", head[16:])[0] - 24
            if head[:16] == b"fmt " + TAIL:
                code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", file.read(16))
                if code not in (FLOAT, 0xFFFE) or bits != 32:
                    raise ValueError("its samples are no 32-bit floats")
                length -= 16
            elif head[:16] == b"data" + TAIL and channels:
                if length <= 0 or file.tell() + length > size:
                    raise ValueError("it is incomplete")
                return Layout(rate, channels, length // (4 * channels), file.tell())
            if length < 0:
                break
            file.seek(length + -length % 8, 1)
    raise ValueError("it has no samples")


def split(
    path: Path,
    width: int,
    targets: Sequence[Path],
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> list[Part]:
    """Writes each run of `width` (1 or 2) channels of a Wave64 file as a WAV file.

    Raises ValueError for a file with other channels than that, OSError.
    """
    found = layout(path)
    if found.channels != width * len(targets):
        raise ValueError(f"it has {found.channels} channels, not {width * len(targets)}")
    if found.frames * width * 4 > MAX_WAV_BYTES:
        raise ValueError("a stem would be larger than a WAV file can be (4 GB)")
    letter = {1: "I", 2: "Q"}[width]  # one item is one frame of one stem
    count = len(targets)
    silent = [True] * count
    prints = [hashlib.blake2b(digest_size=16) for _ in targets]
    with ExitStack() as stack:
        source = stack.enter_context(path.open("rb"))
        source.seek(found.offset)
        files = [stack.enter_context(target.open("wb")) for target in targets]
        for file in files:
            _begin(file, found, width)
        frames = max(1, BLOCK_BYTES // (4 * found.channels))
        done = 0
        while done < found.frames:
            block = array(letter)
            block.fromfile(source, min(frames, found.frames - done) * count)
            for at, file in enumerate(files):
                own = block[at::count].tobytes()
                file.write(own)
                prints[at].update(own)
                silent[at] = silent[at] and _is_silence(own)
            done += len(block) // count
            on_progress(done / found.frames)
    return [
        Part(target, is_silent, fingerprint.hexdigest())
        for target, is_silent, fingerprint in zip(targets, silent, prints, strict=True)
    ]


def _begin(file: BinaryIO, found: Layout, width: int) -> None:
    size = found.frames * width * 4
    form = struct.pack(
        "<HHIIHHH", FLOAT, width, found.rate, found.rate * width * 4, width * 4, 32, 0
    )
    fact = struct.pack("<I", found.frames & 0xFFFFFFFF)
    file.write(b"RIFF" + struct.pack("<I", 4 + 8 + len(form) + 8 + len(fact) + 8 + size))
    file.write(b"WAVEfmt " + struct.pack("<I", len(form)) + form)
    file.write(b"fact" + struct.pack("<I", len(fact)) + fact)
    file.write(b"data" + struct.pack("<I", size))


def _is_silence(samples: bytes) -> bool:
    if samples.count(0) == len(samples):
        return True
    values = array("f", samples)
    return max(values) < SILENT and min(values) > -SILENT
