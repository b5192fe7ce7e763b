"""Packets on a stream: cut anywhere, they come out whole and in order."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import slip

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.framing import LengthPrefix, Slip, detect
from stemlens_bridge.osc import MAX_PACKET

PACKETS = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


@pytest.mark.parametrize("framing", [Slip, LengthPrefix])
@given(PACKETS, st.integers(1, 17))
def test_packets_survive_any_cutting(
    framing: type[Slip] | type[LengthPrefix], packets: list[bytes], piece: int
) -> None:
    sender, receiver = framing(), framing()
    stream = b"".join(sender.encode(packet) for packet in packets)
    came = [
        packet
        for start in range(0, len(stream), piece)
        for packet in receiver.feed(stream[start : start + piece])
    ]
    assert came == packets


@given(st.binary(min_size=1, max_size=100))
def test_slip_is_the_slip_of_others(packet: bytes) -> None:
    assert Slip().feed(slip.encode(packet)) == [packet]
    assert slip.decode(Slip().encode(packet)) == packet


def test_the_first_byte_tells_which_framing_it_is() -> None:
    assert isinstance(detect(Slip().encode(b"/a\0\0")[0]), Slip)
    assert isinstance(detect(LengthPrefix().encode(b"/a\0\0")[0]), LengthPrefix)
    with pytest.raises(StemlensError, match="0x47"):
        detect(ord("G"))  # a browser's GET


def test_an_endless_slip_frame_is_cut_off() -> None:
    framing = Slip()
    framing.feed(b"\xc0" + b"x" * MAX_PACKET)
    with pytest.raises(StemlensError, match="longer"):
        framing.feed(b"x")


def test_a_bad_slip_escape() -> None:
    with pytest.raises(StemlensError, match="escape"):
        Slip().feed(b"\xc0a\xdbb\xc0")


@pytest.mark.parametrize("size", [0, -1, MAX_PACKET + 1])
def test_a_length_that_cannot_be(size: int) -> None:
    with pytest.raises(StemlensError, match="claims"):
        LengthPrefix().feed(struct.pack(">i", size) + b"abcd")
