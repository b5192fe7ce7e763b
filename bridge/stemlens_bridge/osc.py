"""Single OSC 1.0 messages and the bundles around them: bytes on one side, arguments on the other.

python-osc encodes and decodes single messages; what it does not guard against is checked here
before it sees a byte. A bundle element of negative size would put its own bundle parser into an
endless loop, a bundle dated ahead would block it, and an address pattern costs seconds to match.
So bundles are unpacked by a bounded loop, time tags are ignored, and addresses are compared, never
matched.

Conventions: a packet is what one datagram or one TCP frame carries, at most `MAX_PACKET` bytes.
Strings are UTF-8. Source: the OSC 1.0 specification (Wright, 2002).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import BuildError, OscMessageBuilder

from stemlens_bridge.errors import StemlensError

MAX_PACKET = 65_536  # of a TCP frame
MAX_DATAGRAM = 65_507  # what UDP over IPv4 can carry
MAX_BUNDLE_DEPTH = 2
ARGUMENT_TYPES = frozenset("ifhdsTF")
BUNDLE_START = b"#bundle\x00"

Argument = str | int | float | bool


def bad_message(why: str) -> StemlensError:
    return StemlensError("bad_message", f"The OSC message cannot be understood: {why}.")


def encode(address: str, types: str, arguments: Sequence[Argument]) -> bytes:
    """One message as bytes; `types` has a letter (`i`, `f`, `s`) for each argument.

    Raises `bad_message` for text that has no UTF-8 form (a file name in another encoding) or holds
    a NUL, for numbers beyond 32 bits, and for a message that would fit no datagram.
    """
    builder = OscMessageBuilder(address)
    for kind, argument in zip(types, arguments, strict=True):
        if isinstance(argument, str) and "\x00" in argument:
            raise bad_message(f"the text {argument!r} holds a NUL character")
        builder.add_arg(argument, kind)
    try:
        packet = bytes(builder.build().dgram)
    except (BuildError, OverflowError) as error:
        raise bad_message(str(error)) from error
    if len(packet) > MAX_DATAGRAM:
        raise bad_message(f"{address} would have {len(packet)} bytes, more than {MAX_DATAGRAM}")
    return packet


def decode(message: bytes) -> tuple[str, list[Argument]]:
    """Address and arguments of one message (not of a bundle); raises `bad_message`."""
    if len(message) > MAX_PACKET:
        raise bad_message(f"it has {len(message)} bytes, more than {MAX_PACKET}")
    if len(message) % 4 or not message.startswith(b"/"):
        raise bad_message("it does not start like an OSC message, or is cut short")
    _, _, after_address = message.partition(b"\x00")
    types = after_address.lstrip(b"\x00").partition(b"\x00")[0]
    if types and not types.startswith(b","):
        raise bad_message("it has no type tags")
    strange = set(types[1:].decode("latin-1")) - ARGUMENT_TYPES
    if strange:
        raise bad_message(f"arguments of type {', '.join(sorted(strange))} are not used here")
    try:
        parsed = OscMessage(message)
    except (ParseError, UnicodeDecodeError) as error:
        raise bad_message("an argument is cut short or is not UTF-8") from error
    return parsed.address, parsed.params


def with_text(message: bytes, text: str) -> bytes:
    """A message with one more string argument; raises `bad_message`."""
    address, types, arguments = _parts(message)
    longer = address + _padded(types + b"s") + arguments + _padded(text.encode())
    if len(longer) > MAX_DATAGRAM:
        raise bad_message(f"it would have {len(longer)} bytes, more than {MAX_DATAGRAM}")
    return longer


def without_text(message: bytes, size: int) -> bytes:
    """A message without its last argument, a string that takes the last `size` bytes; raises
    `bad_message`."""
    address, types, arguments = _parts(message)
    if not types.endswith(b"s") or len(arguments) < size:
        raise bad_message("its last argument is no text")
    return address + _padded(types[:-1]) + arguments[: len(arguments) - size]


def _parts(message: bytes) -> tuple[bytes, bytes, bytes]:
    """Address (padded), type tags (not padded) and the bytes of the arguments."""
    end = message.find(b"\0") // 4 * 4 + 4
    types_end = message.find(b"\0", end)
    if not message.startswith(b"/") or message[end : end + 1] != b"," or types_end < 0:
        raise bad_message("it has no type tags")
    return message[:end], message[end:types_end], message[types_end // 4 * 4 + 4 :]


def _padded(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


def messages(packet: bytes) -> Iterator[bytes]:
    """The single messages of a packet: itself, or the elements of a bundle, in order.

    Raises `bad_message` at the first element that cannot be right; elements before it were given.
    """
    if len(packet) > MAX_PACKET:
        raise bad_message(f"it has {len(packet)} bytes, more than {MAX_PACKET}")
    yield from _elements(packet, depth=0)


def _elements(packet: bytes, depth: int) -> Iterator[bytes]:
    if not packet.startswith(BUNDLE_START):
        yield packet
        return
    if depth == MAX_BUNDLE_DEPTH:
        raise bad_message(f"bundles are nested more than {MAX_BUNDLE_DEPTH} deep")
    position = len(BUNDLE_START) + 8  # the time tag is ignored: everything is handled on arrival
    if len(packet) < position:
        raise bad_message("the bundle has no time tag")
    while position < len(packet):
        if position + 4 > len(packet):
            raise bad_message("the bundle is cut short")
        (size,) = struct.unpack_from(">i", packet, position)
        position += 4
        if size <= 0 or size % 4 or position + size > len(packet):
            raise bad_message(f"a bundle element claims {size} bytes")
        yield from _elements(packet[position : position + size], depth + 1)
        position += size
