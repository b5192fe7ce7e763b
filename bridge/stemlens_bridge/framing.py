"""OSC packets on a TCP stream: SLIP frames or frames with a length in front.

OSC 1.1 frames packets on a stream with SLIP (RFC 1055, an END byte on both sides); OSC 1.0 puts
the packet's size in front as an int32. Both are in use. They are told apart by the first byte of
the connection: 0xC0 is SLIP's END, 0x00 the high byte of any size below 16 MiB.

Both framings are objects with the same two methods: `encode` makes a frame of a packet, `feed`
takes bytes as they arrive and gives back the packets that are complete. Frames beyond
`osc.MAX_PACKET` raise `bad_message`; after that the connection can only be closed, since there
is no telling where the next frame starts.
"""

from __future__ import annotations

import struct
from typing import Protocol

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.osc import MAX_PACKET, bad_message

END = 0xC0


class Framing(Protocol):
    """What both framings do."""

    def encode(self, packet: bytes) -> bytes: ...

    def feed(self, data: bytes) -> list[bytes]: ...

    @property
    def waits(self) -> bool:
        """Whether a frame has begun that has not ended."""
        ...


class Slip:
    """SLIP frames: END packet END, with END and ESC inside the packet escaped."""

    def __init__(self) -> None:
        self._frame = bytearray()

    def encode(self, packet: bytes) -> bytes:
        escaped = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        return b"\xc0" + escaped + b"\xc0"

    def feed(self, data: bytes) -> list[bytes]:
        packets = []
        *ended, rest = data.split(b"\xc0")
        for part in ended:
            self._frame += part
            packet = _unescaped(bytes(self._frame))
            self._frame.clear()
            if len(packet) > MAX_PACKET:
                raise _too_long()
            if packet:
                packets.append(packet)
        self._frame += rest
        if len(self._frame) - self._frame.count(0xDB) > MAX_PACKET:
            raise _too_long()
        return packets

    @property
    def waits(self) -> bool:
        return bool(self._frame)


def _unescaped(frame: bytes) -> bytes:
    first, *rest = frame.split(b"\xdb")
    parts = [first]
    for part in rest:
        if part[:1] not in (b"\xdc", b"\xdd"):
            raise bad_message("a SLIP escape is followed by a byte that is not escaped")
        parts += [b"\xc0" if part[:1] == b"\xdc" else b"\xdb", part[1:]]
    return b"".join(parts)


def _too_long() -> StemlensError:
    return bad_message(f"a SLIP frame is longer than {MAX_PACKET} bytes")


class LengthPrefix:
    """Frames with a big-endian int32 in front that says how many bytes follow."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def encode(self, packet: bytes) -> bytes:
        return struct.pack(">i", len(packet)) + packet

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        packets = []
        while len(self._buffer) >= 4:
            (size,) = struct.unpack_from(">i", self._buffer)
            if not 0 < size <= MAX_PACKET:
                raise bad_message(f"a frame claims {size} bytes")
            if len(self._buffer) < 4 + size:
                break
            packets.append(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
        return packets

    @property
    def waits(self) -> bool:
        return bool(self._buffer)


def detect(first_byte: int) -> Framing:
    """The framing of a connection by its first byte; raises `bad_message` for any other byte."""
    if first_byte == END:
        return Slip()
    if first_byte == 0:
        return LengthPrefix()
    raise StemlensError(
        "bad_message",
        f"A TCP connection starts with byte 0x{first_byte:02X}; OSC over TCP starts with 0xC0 "
        "(SLIP) or 0x00 (a length in front).",
    )
