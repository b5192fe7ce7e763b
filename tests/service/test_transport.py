"""Connections that keep a server waiting."""

from __future__ import annotations

import asyncio

import pytest

from stemlens.service import transport
from stemlens.service.transport import Transport
from stemlens_bridge.framing import Slip


@pytest.mark.parametrize("begun", [b"", b"\xc0half a fra", b"\x00\x00\x00\x10half"])
def test_a_frame_that_does_not_end_closes_its_connection(begun: bytes) -> None:
    async def wait() -> tuple[bytes, list[str]]:
        refused: list[str] = []
        served = Transport(
            lambda packet, peer: 1, lambda error, host, peer: refused.append(error.message)
        )
        served.frame_s = 0.2
        port = await served.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in begun:  # one at a time: a trickle gains no time
            writer.write(bytes([byte]))
            await writer.drain()
        end = await asyncio.wait_for(reader.read(), 10)
        await served.close(0.1)
        return end, refused

    end, refused = asyncio.run(wait())
    assert end == b"" and "not whole" in refused[0]


def test_whoever_listens_between_frames_may_be_silent_for_long() -> None:
    async def wait() -> list[bytes]:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        served = Transport(lambda packet, peer: came.put_nowait(packet) or 1, lambda *_: None)
        served.frame_s = 0.05
        port = await served.listen("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        packets = []
        for packet in (b"one", b"two"):
            writer.write(Slip().encode(packet))
            packets.append(await asyncio.wait_for(came.get(), 10))
            await asyncio.sleep(0.2)  # longer than a frame may take
        writer.close()
        await served.close(0.1)
        return packets

    assert asyncio.run(wait()) == [b"one", b"two"]


def test_one_connection_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 1)

    async def wait() -> bytes:
        came = asyncio.Event()
        served = Transport(lambda packet, peer: came.set() or 1, lambda *_: None)
        port = await served.listen("127.0.0.1", 0)
        _, kept = await asyncio.open_connection("127.0.0.1", port)
        kept.write(Slip().encode(b"here"))
        await asyncio.wait_for(came.wait(), 10)
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        end = await asyncio.wait_for(reader.read(), 10)
        kept.close()
        await served.close(0.1)
        return end

    assert asyncio.run(wait()) == b""
