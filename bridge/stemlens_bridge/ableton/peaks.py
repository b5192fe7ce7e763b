"""The peak of an audio file, and whether an export was normalised.

Live's *Normalize* makes each exported file as loud as it can be, so that the stems no longer add up
to the mix. It shows: every stem that is not silent then peaks at full scale. Only what Live writes
and the standard library can tell is read: uncompressed WAV and AIFF. Levels are dB relative to full
scale (dBFS).

Source of AIFF: Audio Interchange File Format 1.3 (Apple, 1989).
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemlens_bridge import wavefile

FULL_SCALE_DB = 0.1  # so near to full scale counts as there
BLOCK = 3 * 2**18  # bytes read at a time; samples of 1 to 4 bytes and of 6 or 8 fit in whole


@dataclass(frozen=True, slots=True)
class _Sound:
    """Where the samples are and what they are."""

    start: int
    size: int
    width: int  # bytes of a sample
    floats: bool
    order: str  # "little" or "big"


def peak_db(path: Path) -> float | None:
    """The level of the loudest sample, −inf for silence; None for what is not read here."""
    try:
        with path.open("rb") as file:
            sound = _sound(file)
            if sound is None:
                return None
            file.seek(sound.start)
            loudest = max(_peaks(file, sound), default=0.0)
    except (OSError, struct.error):
        return None
    if not math.isfinite(loudest):
        return None
    return 20 * math.log10(loudest) if loudest > 0 else -math.inf


def normalised(files: Iterable[Path]) -> bool:
    """Whether all stems that are not silent peak at full scale: two at least.

    Stops at the first one that does not, which is usually the first.
    """
    at_full_scale = 0
    for path in files:
        level = peak_db(path)
        if level is None or abs(level) > FULL_SCALE_DB:
            if level == -math.inf:
                continue
            return False
        at_full_scale += 1
    return at_full_scale >= 2


def _peaks(file: BinaryIO, sound: _Sound) -> Iterator[float]:
    left = sound.size - sound.size % sound.width
    while left > 0 and (block := file.read(min(BLOCK, left))):
        left -= len(block)
        block = block[: len(block) - len(block) % sound.width]
        samples, scale = _samples(block, sound)
        if samples:
            yield max(max(samples), -min(samples)) / scale


def _samples(block: bytes, sound: _Sound) -> tuple[array[int] | array[float], float]:
    """The samples as numbers, and which number is full scale."""
    samples: array[int] | array[float]
    if sound.floats:
        samples, scale = array("f" if sound.width == 4 else "d", block), 1.0
    else:
        # the two highest bytes of a sample tell its level to 0.0003 dB at full scale
        low, high = (sound.width - 2, sound.width - 1) if sound.order == "little" else (1, 0)
        pairs = bytearray(2 * (len(block) // sound.width))
        pairs[0::2] = block[low :: sound.width]
        pairs[1::2] = block[high :: sound.width]
        samples, scale = array("h", bytes(pairs)), 32768.0
    if sys.byteorder == "big":  # by now everything is little-endian: floats only come in WAV
        samples.byteswap()
    return samples, scale


def _sound(file: BinaryIO) -> _Sound | None:
    head = file.read(12)
    file.seek(0)
    if head[:4] == b"FORM" and head[8:] == b"AIFF":
        return _aiff(file)
    found = wavefile.samples(file)
    widths = {wavefile.PCM: (2, 3, 4), wavefile.FLOAT: (4, 8)}
    if found is None or found.width not in widths.get(found.kind, ()):
        return None
    floats = found.kind == wavefile.FLOAT
    return _Sound(found.start, found.size, found.width, floats, "little")


def _aiff(file: BinaryIO) -> _Sound | None:
    width = 0
    for name, start, size in wavefile.chunks(file, ">"):
        if name == b"COMM":
            _, _, bits = struct.unpack(">hIh", file.read(8))
            width = (bits + 7) // 8
        elif name == b"SSND":
            known = width in (2, 3, 4)
            return _Sound(start + 8, size - 8, width, False, "big") if known else None
    return None
