"""Broken messages of every kind: none gets further than an error of our own, and a server that was
sent thousands of them still works."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from benchmarks.malformed import malformed, send_datagrams, send_frames, valid
from support.server import ServerProcess

from stemlens_bridge import osc
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.framing import Framing, LengthPrefix, Slip
from stemlens_bridge.protocol import Options, decode
from stemlens_bridge.session import Session


def test_what_cannot_be_understood_is_an_error_of_our_own() -> None:
    refused = 0
    for packet in malformed(5_000, seed=1):
        try:
            for message in osc.messages(packet):
                decode(message)
        except StemlensError as error:
            assert error.code in ("bad_message", "unknown_address")
            refused += 1
    assert refused > 4_000  # or the fuzz breaks nothing


def test_what_is_not_broken_is_understood() -> None:
    for packet in valid():
        (message,) = osc.messages(packet)
        assert decode(message).encode() == packet


@pytest.mark.parametrize("framing", [Slip, LengthPrefix])
def test_frames_come_out_whole_however_the_stream_is_cut(framing: type[Framing]) -> None:
    packets = [packet for packet in malformed(300, seed=2) if packet]
    stream = b"".join(map(framing().encode, packets))
    chance = random.Random(3)
    reader, came = framing(), []
    while stream:
        size = chance.choice([1, 2, 7, 1000])
        came += reader.feed(stream[:size])
        stream = stream[size:]
    assert came == packets and not reader.waits


@pytest.mark.parametrize("framing", [Slip, LengthPrefix])
def test_a_stream_of_noise_ends_in_an_error_and_takes_no_memory(framing: type[Framing]) -> None:
    chance = random.Random(4)
    for _ in range(200):
        reader = framing()
        with suppress(StemlensError):
            for _ in range(30):
                reader.feed(chance.randbytes(10_000))
                kept = reader._frame if isinstance(reader, Slip) else reader._buffer  # type: ignore[attr-defined]
                assert len(kept) <= 2 * osc.MAX_PACKET + 10_004


def test_a_server_that_was_sent_thousands_of_them_still_works(
    server: ServerProcess, stems: Path
) -> None:
    send_datagrams(server.address, malformed(2_000, seed=5))
    send_frames(server.address, malformed(2_000, seed=6))
    with Client(server.address) as client:
        job = new_job_id("after")
        client.submit(Session.read(stems), Options(), job)
        assert client.follow(job).messages
    assert "Traceback" not in server.log.read_text()
