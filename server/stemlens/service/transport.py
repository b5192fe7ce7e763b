"""Packets from and to clients, over UDP and TCP on one port.

A `Peer` is whoever can be answered: an address over UDP, a connection over TCP. Packets to a peer
are paced over UDP, because a burst of thousands into a default socket loses a tenth or far more;
over TCP the connection sees to that itself.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from stemlens.service.hosts import is_loopback
from stemlens.service.rates import Bucket, Buckets
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.framing import Framing, detect
from stemlens_bridge.osc import MAX_PACKET
from stemlens_bridge.protocol import BURST, PAUSE_S

log = logging.getLogger(__name__)

BUSY_PACKETS, BUSY_BYTES = 256, 1 << 20
FRAME_S = 30.0  # so long a frame may take to come, and a connection to say its first byte
MAX_CONNECTIONS = 256
MAX_OF_OTHERS, MAX_OF_ANOTHER = 128, 32  # of all other machines, and of one of them
MAX_WAITING = 1 << 26  # bytes that a TCP client may leave unread before it is given up
# Messages of one sender (a program of this machine, or another machine): a second, and at once.
# Clients send up to 3,200 a second.
RATE, MAX_AT_ONCE = 5_000, 20_000
MAX_QUEUED = 20_000  # packets that wait for one address; a large result has some thousands

TOGETHER = 100  # messages that are answered before others have their turn
TOO_MANY = StemlensError("too_many", "There are more connections than the server takes.")
TOO_FAST = StemlensError(
    "too_many", f"Messages come faster than {RATE:,} a second; some are passed over. Send fewer."
)


class Peer(Protocol):
    """Whoever sent a packet, and can be answered."""

    host: str

    def send(self, packet: bytes) -> None:
        """Queues a packet; returns at once."""

    @property
    def busy(self) -> bool:
        """Whether much that was sent still waits to go out."""


Handler = Callable[[bytes, Peer], int]
Seal = Callable[[bytes], bytes]
Refusal = Callable[[StemlensError, str, Peer | None], None]


class UdpPeer:
    """An address that datagrams came from, or that a client named on its own host."""

    def __init__(self, endpoint: UdpEndpoint, host: str, port: int) -> None:
        self._endpoint = endpoint
        self.host, self.port = host, port

    def send(self, packet: bytes) -> None:
        self._endpoint.send(packet, (self.host, self.port))

    @property
    def busy(self) -> bool:
        return self._endpoint.waiting((self.host, self.port)) > BUSY_PACKETS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UdpPeer) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))


class UdpEndpoint(asyncio.DatagramProtocol):
    """The UDP socket; each destination has its own paced queue."""

    def __init__(self, handler: Handler, on_refusal: Refusal, seal: Seal, buckets: Buckets) -> None:
        self._handler = handler
        self._on_refusal = on_refusal
        self._seal = seal
        self._buckets = buckets
        self._waiting: dict[tuple[str, int], deque[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport is no subclass of asyncio.DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int] | None) -> None:
        if address is None:  # on Windows, when an earlier datagram could not be delivered
            return
        peer = UdpPeer(self, address[0], address[1])
        bucket = self._buckets.of(peer if is_loopback(peer.host) else peer.host)
        if bucket.debt_s:
            self._on_refusal(TOO_FAST, peer.host, peer)
        else:
            bucket.take(self._handler(data, peer))

    def error_received(self, error: Exception) -> None:
        log.debug("a datagram could not be delivered: %s", error)

    def waiting(self, address: tuple[str, int]) -> int:
        """How many packets wait to be sent to an address."""
        return len(self._waiting.get(address, ()))

    def send(self, packet: bytes, address: tuple[str, int]) -> None:
        if address in self._waiting:
            if len(self._waiting[address]) < MAX_QUEUED:  # else it is lost, as datagrams may be
                self._waiting[address].append(packet)
            return
        self._waiting[address] = deque([packet])
        task = asyncio.get_running_loop().create_task(self._drain(address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, address: tuple[str, int]) -> None:
        queue = self._waiting[address]
        try:
            while queue and self._transport is not None:
                for _ in range(min(BURST, len(queue))):
                    self._transport.sendto(self._seal(queue.popleft()), address)
                await asyncio.sleep(PAUSE_S)
        finally:
            del self._waiting[address]

    async def close(self, patience_s: float) -> None:
        """Sends what is waiting, for so long, then closes."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class TcpPeer:
    """A connection; `closed` once nothing can be sent any more, `admitted` once something came that
    was let in."""

    def __init__(self, writer: asyncio.StreamWriter, framing: Framing, seal: Seal) -> None:
        self._writer, self._framing, self._seal = writer, framing, seal
        self.host = str(writer.get_extra_info("peername")[0])
        self.admitted = self.closed = False

    def send(self, packet: bytes) -> None:
        if self.closed:
            return
        if self._writer.transport.get_write_buffer_size() > MAX_WAITING:
            log.warning("a client on %s reads nothing; its connection is closed", self.host)
            self.closed = True
            self._writer.transport.abort()
            return
        self._writer.write(self._framing.encode(self._seal(packet)))

    @property
    def busy(self) -> bool:
        return self._writer.transport.get_write_buffer_size() > BUSY_BYTES


class Transport:
    """Both sockets on one port.

    `handler` gets each packet and who sent it, and returns its cost, which is the number of its
    messages or more; `on_refusal` why a packet is passed over or a connection is closed, the host,
    and the peer if it can still be answered. `seal` is done to each packet when it goes out.
    """

    def __init__(
        self, handler: Handler, on_refusal: Refusal, seal: Seal = lambda packet: packet
    ) -> None:
        self._handler = handler
        self._on_refusal = on_refusal
        self._seal = seal
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._buckets = Buckets(RATE, MAX_AT_ONCE)
        self.frame_s = FRAME_S

    async def listen(self, host: str, port: int) -> int:
        """Binds both sockets (port 0: to a free one) and returns the port; raises `port_in_use`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await asyncio.start_server(self._serve, host, port)
            bound = int(self._server.sockets[0].getsockname()[1])
            _, self.udp = await loop.create_datagram_endpoint(
                lambda: UdpEndpoint(self._handler, self._on_refusal, self._seal, self._buckets),
                local_addr=(host, bound),
            )
        except OSError as error:
            if self._server is not None:  # TCP was free, and UDP was not
                self._server.close()
            if error.errno != errno.EADDRINUSE:
                raise StemlensError(
                    "port_in_use", f"Cannot listen on {host}:{port}: {error.strerror or error}."
                ) from error
            raise StemlensError(
                "port_in_use",
                f"Port {port} on {host} is taken, perhaps by a Stemlens server that runs already "
                "('stemlens-bridge ping' tells). Stop it, or choose another with --port.",
            ) from error
        return bound

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = _host(writer)
        if self._is_full(host):
            self._on_refusal(TOO_MANY, host, None)
            writer.close()
            return
        self._connections.add(writer)
        peer = None
        try:
            first = await asyncio.wait_for(reader.read(1), self.frame_s)
            if not first:
                return
            framing = detect(first[0])
            peer = TcpPeer(writer, framing, self._seal)
            near = is_loopback(host)
            bucket = Bucket(RATE, MAX_AT_ONCE) if near else self._buckets.of(host)
            data = first
            until = time.monotonic() + self.frame_s  # of the frame that has begun
            while data:
                packets = framing.feed(data)
                for number, packet in enumerate(packets):
                    bucket.take(self._handler(packet, peer))
                    if bucket.debt_s or number % TOGETHER == TOGETHER - 1:
                        await asyncio.sleep(bucket.debt_s)  # or it would have the server for itself
                at_home = near or peer.admitted
                if at_home and (packets or not framing.waits):
                    until = time.monotonic() + self.frame_s
                hurry = framing.waits or not at_home
                left_s = until - time.monotonic() if hurry else None
                data = await asyncio.wait_for(reader.read(MAX_PACKET), left_s)
        except TimeoutError:
            why = f"A frame that was begun is not whole after {self.frame_s:g} s."
            self._on_refusal(StemlensError("bad_message", why), host, peer)
        except StemlensError as error:
            self._on_refusal(error, host, peer)
        except ConnectionError as error:
            log.debug("a connection broke: %s", error)
        finally:
            if peer is not None:
                peer.closed = True
            self._connections.discard(writer)
            writer.close()

    def _is_full(self, host: str) -> bool:
        """Whether another connection from there would be one too many; whatever others do, there
        is room for programs of this machine."""
        if is_loopback(host):
            return len(self._connections) >= MAX_CONNECTIONS
        others = [one for one in map(_host, self._connections) if not is_loopback(one)]
        return len(others) >= MAX_OF_OTHERS or others.count(host) >= MAX_OF_ANOTHER

    async def close(self, patience_s: float = 1.0) -> None:
        """Sends what is waiting, for so long, and closes both sockets and all connections."""
        if self._server is not None:
            self._server.close()
        closing = [asyncio.ensure_future(_closed(writer)) for writer in self._connections]
        await self.udp.close(patience_s)
        if closing:
            await asyncio.wait(closing, timeout=patience_s)


def _host(writer: asyncio.StreamWriter) -> str:
    return str(writer.get_extra_info("peername")[0])


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
