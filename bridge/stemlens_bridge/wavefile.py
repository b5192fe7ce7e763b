"""Where the samples lie in a WAV file, and what they are: no more than the standard library can do.

Sources: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991),
with format 3 for floats and 0xFFFE for extensible ones; RF64 and BW64 (EBU Tech 3306 and ITU-R
BS.2088) for files whose size does not fit 32 bits and stands in a chunk `ds64`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

KINDS = (b"RIFF", b"RF64", b"BW64")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
IN_DS64 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Samples:
    """`size` bytes of samples from byte `start` on, `width` bytes each, of the format `kind`
    (`PCM`, `FLOAT` or another one); `channels` of them a frame, `rate` frames a second."""

    start: int
    size: int
    width: int
    kind: int
    channels: int
    rate: int

    @property
    def frames(self) -> int:
        """How many whole frames there are."""
        return self.size // (self.width * self.channels) if self.width and self.channels else 0


def samples(file: BinaryIO) -> Samples | None:
    """The samples of a file that stands at its start, as far as they are there; None for what is no
    WAV file or has none. Raises struct.error for a header that is cut short."""
    head = file.read(12)
    if head[:4] not in KINDS or head[8:] != b"WAVE":
        return None
    whole = file.seek(0, 2)
    file.seek(len(head))
    width, kind, channels, rate, long_size = 0, 0, 0, 0, 0
    for name, start, size in chunks(file, "<"):
        if name == b"ds64":
            _, long_size = struct.unpack("<QQ", file.read(16))
        elif name == b"fmt ":
            form = file.read(min(size, 40))
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
            if kind == EXTENSIBLE and len(form) >= 26:
                (kind,) = struct.unpack("<H", form[24:26])
            width = (bits + 7) // 8
        elif name == b"data":
            size = long_size if size == IN_DS64 and long_size else size
            return Samples(start, min(size, whole - start), width, kind, channels, rate)
    return None


def chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each chunk behind the first twelve bytes; the file stands at its
    start. `order`: "<" for RIFF, ">" for AIFF."""
    position = 12
    file.seek(position)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack(order + "4sI", head)
        yield name, position + 8, size
        position += 8 + size + size % 2
        file.seek(position)
