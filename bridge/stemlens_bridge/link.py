"""A client's connection to the server: messages out, messages in, over UDP or TCP.

Both links do the same job behind the same three methods, so that whoever follows a job need not
know which it is. A link hides what passes by itself: a refused datagram while the server restarts,
a TCP connection that has to be made again. It does not hide silence; that is for its user to judge.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from typing import Protocol

from stemlens_bridge import keys, osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.framing import Slip
from stemlens_bridge.protocol import BURST, PAUSE_S, Error, Message, decode

log = logging.getLogger(__name__)

# A full result of a large session is a few hundred datagrams; the usual 200 kB would do, but the
# kernel counts each small datagram as several kB.
RECEIVE_BUFFER = 4 << 20


class Link(Protocol):
    """What both links do."""

    def send(self, message: Message) -> None:
        """Sends a message, if there is a way at all; there is no promise that it arrives.

        Raises `bad_message` for one that no packet can carry.
        """

    def receive(self, timeout_s: float) -> list[Message]:
        """The messages that have come, after waiting up to `timeout_s` for the first."""

    def unanswered(self) -> StemlensError:
        """Why nothing has come that could be believed."""

    def close(self) -> None:
        """Closes the link."""


def connect(server: tuple[str, int], transport: str) -> Link:
    """A link to `server` (host, port) over "udp" or "tcp", with the user's key for it if there is
    one; raises `server_unreachable`, `key_invalid`."""
    key = keys.of_user(server[0])
    return TcpLink(server, key) if transport == "tcp" else UdpLink(server, key)


def unreachable(server: tuple[str, int]) -> StemlensError:
    return StemlensError(
        "server_unreachable",
        f"No Stemlens server answers at {server[0]}:{server[1]}. Start it with 'stemlens serve', "
        "or name the right one with --server HOST:PORT.",
    )


class Letters:
    """Messages to packets and back, stamped and checked where there is a key."""

    def __init__(self, server: tuple[str, int], key: keys.Key | None) -> None:
        self._server = server
        self._key = key
        self._gate = keys.Gate(key) if key else None
        self._refusal: StemlensError | None = None

    def packet(self, message: Message) -> bytes:
        """The packet that carries a message; raises `bad_message` where none can."""
        return self._key.seal(message.encode()) if self._key else message.encode()

    def messages(self, packets: list[bytes]) -> list[Message]:
        """What packets carry; what cannot be understood or believed is passed over."""
        found: list[Message] = []
        for packet in packets:
            try:
                for one in osc.messages(packet):
                    bare = self._gate.admit(one) if self._gate else keys.unsealed(one)
                    found += [decode(bare)] if bare else []
            except StemlensError as error:
                self._doubt(error)
                log.warning("a packet from the server was passed over: %s", error)
        for message in found:
            if isinstance(message, Error) and message.code == "not_authorised":
                self._refusal = StemlensError(message.code, message.message)
        return found

    def _doubt(self, error: StemlensError) -> None:
        if error.code == "not_authorised":
            host, port = self._server
            told = f"What answers at {host}:{port} cannot be believed. {error.message}"
            self._refusal = StemlensError(error.code, told)

    def unanswered(self) -> StemlensError:
        """Why nothing has come that could be believed."""
        return self._refusal or unreachable(self._server)


class UdpLink:
    """Datagrams to and from one server; at most 64 are sent in 20 ms."""

    def __init__(self, server: tuple[str, int], key: keys.Key | None = None) -> None:
        self._letters = Letters(server, key)
        self.unanswered = self._letters.unanswered
        try:
            family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._socket.connect(address)
        except OSError as error:
            raise unreachable(server) from error
        self._socket.setblocking(False)
        self._sent = 0

    def send(self, message: Message) -> None:
        packet = self._letters.packet(message)
        if self._sent % BURST == BURST - 1:
            time.sleep(PAUSE_S)
        self._sent += 1
        try:
            self._socket.send(packet)
        except OSError as error:  # refused while nothing listens: the same as a lost datagram
            log.debug("not sent: %s", error)

    def receive(self, timeout_s: float) -> list[Message]:
        packets: list[bytes] = []
        if select.select([self._socket], [], [], timeout_s)[0]:
            try:
                while True:
                    packets.append(self._socket.recv(osc.MAX_PACKET))
            except BlockingIOError:
                pass
            except OSError as error:
                log.debug("nothing received: %s", error)
                time.sleep(min(timeout_s, 0.05))  # a refusal comes at once, again and again
        return self._letters.messages(packets)

    def close(self) -> None:
        self._socket.close()


class TcpLink:
    """A SLIP-framed connection to one server, made again when it breaks."""

    def __init__(self, server: tuple[str, int], key: keys.Key | None = None) -> None:
        self._letters = Letters(server, key)
        self.unanswered = self._letters.unanswered
        self._server = server
        self._socket: socket.socket | None = None
        self._framing = Slip()
        if not self._connected():
            raise unreachable(server)

    def _connected(self) -> socket.socket | None:
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self._server, timeout=5)
                self._framing = Slip()
            except OSError as error:
                log.debug("no connection: %s", error)
        return self._socket

    def _broken(self, error: OSError | None) -> None:
        log.debug("the connection broke: %s", error)
        self.close()

    def send(self, message: Message) -> None:
        packet = self._letters.packet(message)
        connection = self._connected()
        if connection is None:
            return
        try:
            connection.sendall(self._framing.encode(packet))
        except OSError as error:
            self._broken(error)

    def receive(self, timeout_s: float) -> list[Message]:
        connection = self._connected()
        if connection is None:
            time.sleep(min(timeout_s, 0.1))
            return []
        if not select.select([connection], [], [], timeout_s)[0]:
            return []
        try:
            data = connection.recv(65_536)
        except OSError as error:
            self._broken(error)
            return []
        if not data:
            self._broken(None)
            return []
        try:
            return self._letters.messages(self._framing.feed(data))
        except StemlensError as error:
            log.warning("the connection is closed: %s", error)
            self.close()
            return []

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
