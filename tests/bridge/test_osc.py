"""Packets as they should not be: bounded work, one clear error, never a stall."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge import osc
from stemlens_bridge.errors import StemlensError

MESSAGE = osc.encode("/stemlens/ping", "i", [1])
TIME_TAG_AHEAD = b"\xff" * 8


def bundle(*elements: bytes, time_tag: bytes = b"\0" * 7 + b"\1") -> bytes:
    return b"#bundle\0" + time_tag + b"".join(struct.pack(">i", len(e)) + e for e in elements)


def test_a_message_is_its_own_packet() -> None:
    assert list(osc.messages(MESSAGE)) == [MESSAGE]


def test_bundles_are_unpacked_in_order_whatever_their_time() -> None:
    other = osc.encode("/stemlens/ping", "i", [2])
    packet = bundle(MESSAGE, bundle(other), MESSAGE, time_tag=TIME_TAG_AHEAD)
    assert list(osc.messages(packet)) == [MESSAGE, other, MESSAGE]


@pytest.mark.parametrize("size", [-1, -4, 0, 3, 4096, 2**31 - 1, -(2**31)])
def test_bundle_elements_of_impossible_size(size: int) -> None:
    packet = b"#bundle\0" + b"\0" * 8 + struct.pack(">i", size) + MESSAGE
    with pytest.raises(StemlensError, match="claims"):
        list(osc.messages(packet))


def test_bundles_in_bundles_in_bundles() -> None:
    with pytest.raises(StemlensError, match="nested"):
        list(osc.messages(bundle(bundle(bundle(MESSAGE)))))


def test_a_packet_that_is_too_large() -> None:
    with pytest.raises(StemlensError, match="more than"):
        list(osc.messages(b"/" * (osc.MAX_PACKET + 4)))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no slash",
        b"/a\0\0i\0\0\0",
        b"/a\0\0,i\0\0",
        b"/a\0\0,s\0\0abcd",
        b"/a\0\0,s\0\0\xff\xfe\0\0",
        b"/\xff\xfe\0,\0\0\0",
        b"/a\0\0,[[[[[[\0",
        b"/a\0\0,b\0\0\xff\xff\xff\xff",
        b"/" + b"*" * 43 + b"\0\0\0\0",
        MESSAGE[:-1],
    ],
)
def test_what_is_no_message(message: bytes) -> None:
    try:
        address, arguments = osc.decode(message)
    except StemlensError as error:
        assert error.code == "bad_message"
    else:
        assert address.startswith("/*") and arguments == []  # compared later, never matched


def understood_or_refused(packet: bytes) -> None:
    try:
        for message in osc.messages(packet):
            osc.decode(message)
    except StemlensError as error:
        assert error.code == "bad_message"


@given(st.binary(max_size=200))
def test_any_bytes_at_all(packet: bytes) -> None:
    understood_or_refused(packet)


@given(st.data())
def test_a_good_bundle_with_a_flipped_byte(data: st.DataObject) -> None:
    packet = bytearray(bundle(MESSAGE, bundle(MESSAGE, MESSAGE)))
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= data.draw(st.integers(1, 255))
    understood_or_refused(bytes(packet))
