"""One member of a zip file replaced in a copy; every other member's bytes are carried over as is.

Nothing but that member is unpacked or packed again: local headers, compressed data, dates, order,
extra fields and comments of the others are copied, and the directory at the end is written with the
new positions. So a project of many gigabytes takes as long as copying it.

Source: PKWARE's APPNOTE.TXT 6.3: 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (end),
4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from stemlens_bridge.errors import StemlensError

LIMIT_32 = 0xFFFF_FFFF  # from here on a size or position needs zip64
LIMIT_16 = 0xFFFF
BLOCK = 2**20

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENCRYPTED, _SIZES_BEHIND = 0x1, 0x8
_ZIP64_EXTRA = 1


def read_member(path: Path, name: str, most: int) -> bytes:
    """What a member of a zip file holds, unpacked; at most `most` bytes.

    Raises `project_invalid` where the file cannot be read, is no zip file or damaged, lacks the
    member or has it twice, or where the member is encrypted or too large.
    """
    try:
        with ZipFile(path) as archive:
            info = _member(archive, path, name)
            if info.file_size > most:
                raise _invalid(path, f"holds a {name} of more than {most // 2**20} MiB")
            with archive.open(info) as file:
                return file.read()
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror or error}") from error
    except (BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise _invalid(path, f"is damaged ({error}); save or export it again") from error
    except NotImplementedError as error:
        raise _invalid(path, f"is packed in a way that cannot be read ({error})") from error


def write_with(source: Path, target: IO[bytes], name: str, data: bytes) -> None:
    """Writes to `target` the zip file `source` with `data` as its member `name`.

    The member keeps its place, date and way of compression. Raises as `read_member` does, and
    OSError where `target` cannot be written.
    """
    with ZipFile(source) as archive, source.open("rb") as original:
        changed = _member(archive, source, name)
        infos = archive.infolist()
        directory = _directory(archive, original, source)
        begins = sorted(info.header_offset for info in infos)
        ends = dict(zip(begins, [*begins[1:], archive.start_dir], strict=True))
        if len(ends) != len(infos):
            raise _invalid(source, "is damaged (two of its members begin at the same place)")
        _copy(original, target, 0, min(begins))
        moved: dict[int, int] = {}
        packed = _Packed.of(data, changed.compress_type)
        for begin in begins:
            moved[begin] = target.tell()
            original.seek(begin)
            header = original.read(_LOCAL.size)
            if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
                raise _invalid(source, "is damaged (a member is not where it should be)")
            if begin == changed.header_offset:
                fields = list(_LOCAL.unpack(header))
                own_name, extra = original.read(fields[9]), original.read(fields[10])
                extra = _without_zip64(extra)
                fields[2] &= ~_SIZES_BEHIND
                fields[6:9] = packed.crc, len(packed.data), len(data)
                fields[10] = len(extra)
                target.write(_LOCAL.pack(*fields) + own_name + extra + packed.data)
            else:
                _copy(original, target, begin, ends[begin])
        start = target.tell()
        for info, entry in zip(infos, directory, strict=True):
            sizes = packed.crc, len(packed.data), len(data)
            target.write(_entry(entry, info, moved, sizes if info is changed else None))
        _end(target, len(infos), start, archive.comment)


@dataclass(frozen=True, slots=True)
class _Packed:
    data: bytes
    crc: int

    @classmethod
    def of(cls, data: bytes, method: int) -> _Packed:
        if method == ZIP_STORED:
            return cls(data, zlib.crc32(data))
        pack = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -15)
        return cls(pack.compress(data) + pack.flush(), zlib.crc32(data))


def _member(archive: ZipFile, path: Path, name: str) -> ZipInfo:
    found = [info for info in archive.infolist() if info.filename == name]
    if not found:
        raise _invalid(path, f"has no {name} in it")
    if len(found) > 1:
        raise _invalid(path, f"has more than one {name} in it")
    if found[0].flag_bits & _ENCRYPTED:
        raise _invalid(path, "is protected by a password; save it without one")
    if found[0].compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _invalid(path, f"has its {name} packed in a way that cannot be read")
    return found[0]


def _directory(archive: ZipFile, original: IO[bytes], path: Path) -> list[bytes]:
    """The directory's entries as they are."""
    original.seek(archive.start_dir)
    entries = []
    for _ in archive.infolist():
        fixed = original.read(_ENTRY.size)
        if len(fixed) < _ENTRY.size or not fixed.startswith(b"PK\1\2"):
            raise _invalid(path, "is damaged (its directory is incomplete)")
        entries.append(fixed + original.read(sum(_ENTRY.unpack(fixed)[10:13])))
    return entries


def _entry(
    raw: bytes, info: ZipInfo, moved: dict[int, int], sizes: tuple[int, int, int] | None
) -> bytes:
    """An entry of the directory with its member's new position, and new (crc, packed, unpacked)."""
    fields = list(_ENTRY.unpack_from(raw))
    name_end = _ENTRY.size + fields[10]
    extra_end = name_end + fields[11]
    if sizes is not None:
        fields[3] &= ~_SIZES_BEHIND
    crc, packed, unpacked = sizes or (info.CRC, info.compress_size, info.file_size)
    long = {8: packed, 9: unpacked, 16: moved[info.header_offset]}
    fields[7] = crc
    extra = _without_zip64(raw[name_end:extra_end])
    big = b""
    for at in (9, 8, 16):  # the order in the extra field: unpacked, packed, position
        if long[at] >= LIMIT_32:
            big += struct.pack("<Q", long[at])
            fields[at] = 0xFFFF_FFFF
        else:
            fields[at] = long[at]
    if big:
        extra = struct.pack("<2H", _ZIP64_EXTRA, len(big)) + big + extra
        fields[2] = max(fields[2], 45)
    fields[11] = len(extra)
    return _ENTRY.pack(*fields) + raw[_ENTRY.size : name_end] + extra + raw[extra_end:]


def _end(target: IO[bytes], count: int, start: int, comment: bytes) -> None:
    at = target.tell()
    size = at - start
    if count >= LIMIT_16 or start >= LIMIT_32 or size >= LIMIT_32:
        target.write(_END_64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start))
        target.write(_LOCATOR_64.pack(b"PK\6\7", 0, at, 1))
        count, size, start = 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF
    target.write(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, len(comment)) + comment)


def _without_zip64(extra: bytes) -> bytes:
    return b"".join(field for kind, field in _extra_fields(extra) if kind != _ZIP64_EXTRA)


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        yield kind, extra[: 4 + length]
        extra = extra[4 + length :]
    if extra:  # padding that is no field
        yield -1, extra


def _copy(original: IO[bytes], target: IO[bytes], begin: int, end: int) -> None:
    original.seek(begin)
    left = end - begin
    while left > 0:
        block = original.read(min(BLOCK, left))
        if not block:
            raise OSError(None, "the file became shorter while it was read")
        target.write(block)
        left -= len(block)


def _invalid(path: Path, why: str) -> StemlensError:
    return StemlensError("project_invalid", f"{path} {why}.")
