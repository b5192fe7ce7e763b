"""What an audio file's container says before any of it is decoded: is it whole, and when is it?

libsndfile opens a WAV that was cut off and returns the shorter sound without a word, and it does
not show the Broadcast-WAV time reference. So `inspect` walks over the container itself. What it
cannot see from there (a FLAC that ends between two frames, an MP3 that ends before its own frame
count) the decoder's length tells: see `stemlens.audio.read`.

Conventions: sizes and positions are in bytes, time references in sample frames since midnight.

Sources: RIFF/WAVE (Microsoft, 1991) · RF64: EBU Tech 3306 · Broadcast WAV: EBU Tech 3285 · AIFF
and CAF: Apple · Wave64: Sony · FLAC: RFC 9639 · Ogg: RFC 3533 · ID3v2: id3.org ·
Xing header: LAME's tag specification.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

FORMATS = "WAV, RF64, W64, AIFF, CAF, FLAC, OGG and MP3"  # for messages


@dataclass(frozen=True)
class Container:
    """What `inspect` found out.

    `truncated`: the file does not hold what its headers promise. `time_reference`: Broadcast WAV's
    start, in sample frames since midnight. `patches`: (position, bytes) that a decoder must be
    shown instead of the file's own, where a streaming writer left a size open. `hide_size`: the
    decoder must not be told the file's size, because it would guess the length of the sound by it.
    """

    name: str
    truncated: bool = False
    time_reference: int | None = None
    patches: tuple[tuple[int, bytes], ...] = ()
    hide_size: bool = False


@dataclass(frozen=True)
class _Layout:
    """How one family of containers arranges its chunks."""

    name: str
    magic: bytes
    form_at: int  # where one of `forms` stands, which tells audio from the family's other files
    forms: tuple[bytes, ...]
    first: int  # position of the first chunk
    id_bytes: int
    size_format: str  # `struct` format of a chunk's size
    size_counts_header: bool
    align: int
    sound: bytes  # how the id of the chunk with the samples begins


_LAYOUTS = (
    _Layout("WAV", b"RIFF", 8, (b"WAVE",), 12, 4, "<I", False, 2, b"data"),
    _Layout("RF64", b"RF64", 8, (b"WAVE",), 12, 4, "<I", False, 2, b"data"),
    _Layout("W64", b"riff", 24, (b"wave",), 40, 16, "<Q", True, 8, b"data"),
    _Layout("AIFF", b"FORM", 8, (b"AIFF", b"AIFC"), 12, 4, ">I", False, 2, b"SSND"),
    _Layout("CAF", b"caff", 4, (b"\x00\x01",), 8, 4, ">Q", False, 1, b"data"),
)
_MAX_CHUNKS = 10_000  # a file of nothing but empty chunks must not keep anyone waiting

_BEXT_TIME_REFERENCE = 338  # position of the uint64 in the `bext` chunk
_OGG_END_OF_STREAM = 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # bits of each byte


def inspect(file: BinaryIO) -> Container | None:
    """What the container says, or None where the file is in none of `FORMATS`.

    Reads headers only, and an OGG whole, because its checksums cover all of it. The position in
    `file` is undefined afterwards.
    """
    end = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 40)
    for layout in _LAYOUTS:
        form = head[layout.form_at : layout.form_at + len(layout.forms[0])]
        if head.startswith(layout.magic) and form in layout.forms:
            return _inspect_chunks(file, layout, end)
    if head.startswith(b"fLaC"):
        return Container("FLAC", truncated=_flac_is_truncated(file, end))
    if head.startswith(b"OggS"):
        last = _ogg_end(file)
        if last is not None and _at(file, last, 4) == b"OggS":
            return None  # streams in a row, of which libsndfile would play only the first
        return Container("OGG", truncated=last is None)
    first = _id3_end(head) if head.startswith(b"ID3") else 0
    if first or (len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return Container(
            "MP3", truncated=first >= end, hide_size=not _mp3_tells_length(file, first)
        )
    return None


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _is_placeholder(size: int) -> bool:
    """Whether a size says "not known yet": what writers that cannot seek back leave behind.

    Seen: 0 (many, and whatever crashed), 2³²−1 (ffmpeg), 2³¹−1 (lame), 0x7FFFF000 rounded down to
    whole frames (sox), 0x7F000008 (sox, AIFF), 2⁶⁴−1 and 2⁶³−1 less a header (CAF, W64).
    """
    return (size + 8192) % 2**31 <= 8192 or 0 <= size - 0x7F000000 <= 8192


# ------------------------------------------------------------------------------------- chunks


def _chunks(file: BinaryIO, layout: _Layout, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(id, start of the content, declared size of the content) of each chunk in the file."""
    header = layout.id_bytes + struct.calcsize(layout.size_format)
    position = layout.first
    for _ in range(_MAX_CHUNKS):
        if position + header > end:
            return
        raw = _at(file, position, header)
        (size,) = struct.unpack(layout.size_format, raw[layout.id_bytes :])
        if layout.size_counts_header:
            size = max(size - header, 0)
        yield raw[: layout.id_bytes], position + header, size
        position += header + size
        position += -position % layout.align


def _inspect_chunks(file: BinaryIO, layout: _Layout, end: int) -> Container:
    time_reference = None
    patches: tuple[tuple[int, bytes], ...] = ()
    truncated: bool | None = None
    reached = layout.first
    long_size_at = long_size = 0  # RF64 keeps sizes beyond 32 bits in its `ds64` chunk
    for chunk, start, size in _chunks(file, layout, end):
        reached = start + size
        if chunk == b"ds64":
            long_size_at = start + 8
            long_size = int.from_bytes(_at(file, long_size_at, 8), "little")
        elif chunk.startswith(b"bext") and size >= _BEXT_TIME_REFERENCE + 8:
            raw = _at(file, start + _BEXT_TIME_REFERENCE, 8)
            time_reference = int.from_bytes(raw, "little") if len(raw) == 8 else None
        elif chunk.startswith(layout.sound):
            if size == 0xFFFFFFFF and long_size_at:
                size = long_size
            truncated = not _is_placeholder(size) and start + size > end
            if _is_placeholder(size) and (size or not _is_finished(file, layout, end)):
                patches = (_size_patch(layout, start, end - start, long_size_at),)
                break  # where the next chunk would be is not known
    if truncated is None:  # the chunk with the samples is missing: cut off, or never there?
        truncated = reached > end or _declared_end(file, layout) > end
    return Container(layout.name, truncated, time_reference, patches)


def _declared_end(file: BinaryIO, layout: _Layout) -> int:
    """The file's size by its own header, or 0 where the header does not say."""
    if layout.name == "CAF":
        return 0
    width = struct.calcsize(layout.size_format)
    (size,) = struct.unpack(layout.size_format, _at(file, layout.id_bytes, width))
    return 0 if _is_placeholder(size) else size + (0 if layout.size_counts_header else 8)


def _is_finished(file: BinaryIO, layout: _Layout, end: int) -> bool:
    """Whether the writer came back to fill in the file's size: then 0 samples are 0 samples."""
    return 0 <= end - _declared_end(file, layout) <= 1


def _size_patch(layout: _Layout, start: int, size: int, long_size_at: int) -> tuple[int, bytes]:
    """The size of the samples that begin at `start`, as a writer that can seek would put it."""
    if long_size_at:
        return long_size_at, struct.pack("<Q", size)
    width = struct.calcsize(layout.size_format)
    if layout.size_counts_header:
        size += layout.id_bytes + width
    return start - width, struct.pack(layout.size_format, min(size, 2 ** (8 * width) - 1))


# ------------------------------------------------------------------------- FLAC, Ogg and ID3


def _flac_is_truncated(file: BinaryIO, end: int) -> bool:
    """Whether the file ends in its metadata, or right after it though samples are announced."""
    announced = int.from_bytes(_at(file, 21, 5), "big") % 2**36
    position = 4
    last = False
    while not last:
        header = _at(file, position, 4)
        if len(header) < 4:
            return True
        last = bool(header[0] & 0x80)
        position += 4 + int.from_bytes(header[1:], "big")
    return position > end or (position == end and announced > 0)


def _ogg_end(file: BinaryIO) -> int | None:
    """Where the page ends that is marked as the last; None unless only whole pages lead to it.

    Checksums too: for one wrong bit libsndfile drops a page and returns the shorter sound.
    """
    position = 0
    last = False
    while not last:
        header = _at(file, position, 27 + 255)
        if not header.startswith(b"OggS") or len(header) < 27:
            return None
        last = bool(header[5] & _OGG_END_OF_STREAM)
        size = 27 + header[26] + sum(header[27 : 27 + header[26]])
        page = _at(file, position, size)
        checksum = int.from_bytes(page[22:26], "little")
        if len(page) < size or _ogg_checksum(page[:22] + bytes(4) + page[26:]) != checksum:
            return None
        position += size
    return position


def _ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32: zlib's polynomial, but most significant bit first, and nothing inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _id3_end(head: bytes) -> int:
    """Where the ID3v2 tag at the start of a file ends: its size has 7 bits in each byte."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _mp3_tells_length(file: BinaryIO, first: int) -> bool:
    """Whether the first frame, at `first`, is a Xing/Info header with the number of frames."""
    frame = _at(file, first, 4 + 32 + 8)  # frame header, side information, tag and its flags
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    return tag > 0 and len(frame) >= tag + 8 and bool(frame[tag + 7] & 1)
