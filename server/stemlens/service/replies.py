"""Who is told what: where the answers and results of a job go, and who subscribed to all of them.

A request is answered at its sender. What the server sends by itself goes to where the job's latest
open, status or results came from, and never to another host than the sender's. A client that named
a port when it opened the job keeps it when it asks from other ports of its host, as tools do that
send each message from a new socket. Over TCP everything uses the connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stemlens.service.delivery import result_messages, warning_messages
from stemlens.service.store import Reply, Store
from stemlens.service.transport import Peer, TcpPeer, Transport, UdpPeer
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Error, JobDone, JobRevision, JobState, Message, Options

MAX_SUBSCRIBERS = 64  # of one host
SUBSCRIPTION_S = 120.0  # subscribers renew each 60 s; one renewal may be lost


class Replies:
    """The way back to clients."""

    def __init__(self, store: Store, transport: Transport) -> None:
        self._store = store
        self._transport = transport
        self._connections: dict[str, TcpPeer] = {}
        self._subscribers: dict[Peer, float] = {}
        self.listeners: list[Callable[[str, Message], None]] = []

    def named(self, peer: Peer, reply_port: int) -> Peer:
        """The sender, or another port on the sender's host; raises `bad_message`."""
        if not 0 <= reply_port < 65_536:
            raise StemlensError("bad_message", f"There is no port {reply_port}.")
        if reply_port and isinstance(peer, UdpPeer):
            return UdpPeer(self._transport.udp, peer.host, reply_port)
        return peer

    def turn_to(self, job: str, peer: Peer, reply_port: int = 0, *, opened: bool = False) -> None:
        """From now on what concerns the job goes to this peer."""
        if isinstance(peer, TcpPeer):
            self._connections[job] = peer
            return
        self._connections.pop(job, None)
        named = self.named(peer, reply_port)
        assert isinstance(named, UdpPeer)
        known = self._store.known(job).reply
        if not opened and known is not None and known.fixed and known.host == peer.host:
            return
        self._store.set_reply(job, Reply(named.host, named.port, fixed=bool(reply_port)))

    def subscribe(self, peer: Peer, reply_port: int) -> None:
        """From now on this peer is told states and results of every job, for two minutes.

        Raises `bad_message`, and `too_many` where many of its host are told already.
        """
        named = self.named(peer, reply_port)
        of_host = sum(one.host == peer.host for one in self._subscribers)
        if named not in self._subscribers and of_host >= MAX_SUBSCRIBERS:
            raise StemlensError(
                "too_many", f"{MAX_SUBSCRIBERS} programs on {peer.host} are told of all jobs now."
            )
        self._subscribers[named] = time.monotonic() + SUBSCRIPTION_S

    def forget_gone(self) -> None:
        """Drops closed connections, and subscribers that did not renew."""
        now = time.monotonic()
        for peer, until in list(self._subscribers.items()):
            if now > until or (isinstance(peer, TcpPeer) and peer.closed):
                del self._subscribers[peer]
        for job, connection in list(self._connections.items()):
            if connection.closed:
                del self._connections[job]

    def answer(self, job: str, peer: Peer, message: Message) -> None:
        """Answers a request at its sender, or at the port that the job's client named."""
        kept = self._store.job(job)
        reply = None if kept is None else kept.reply
        if isinstance(peer, UdpPeer) and reply and reply.fixed and reply.host == peer.host:
            peer = UdpPeer(self._transport.udp, reply.host, reply.port)
        peer.send(message.encode())

    def acknowledge(self, job: str, peer: Peer) -> None:
        """Answers a request with the job's state."""
        self.answer(job, peer, self._state(job))

    def error(self, job: str, peer: Peer, error: StemlensError) -> None:
        """Answers a request with what is wrong with it."""
        self.answer(job, peer, Error(job, error.code, error.message))

    def tell(self, job: str, message: Message, *, subscribers: bool = False) -> None:
        """Sends a message to the job's client, and to all subscribers if need be."""
        client = self._client(job)
        others = [peer for peer in self._subscribers if peer != client] if subscribers else []
        for peer in [*([client] if client else []), *others]:
            peer.send(message.encode())
        for listener in self.listeners if subscribers else []:
            listener(job, message)

    def tell_state(self, job: str, *, subscribers: bool = False) -> None:
        """Sends the job's state."""
        self.tell(job, self._state(job), subscribers=subscribers)

    def is_busy(self, job: str) -> bool:
        """Whether the job's client cannot be sent more now."""
        client = self._client(job)
        return client is None or client.busy

    def deliver(
        self, job: str, result: dict[str, Any], path: str = "", seqs: frozenset[int] | None = None
    ) -> None:
        """Sends a result to the job's client and all subscribers; with `seqs` to the client alone,
        and only the messages with these numbers (none given: all). A result without a path is not
        the last."""
        tags = Options.from_json(self._store.known(job).options).tags
        numbered = result_messages(job, result, tags)
        revision, count = result["revision"], len(numbered)
        ended = JobDone(job, revision, path, count) if path else JobRevision(job, revision, count)
        chosen = [message for seq, message in enumerate(numbered, 1) if not seqs or seq in seqs]
        for message in [*warning_messages(job, result), *chosen, ended]:
            self.tell(job, message, subscribers=seqs is None)

    def _state(self, job: str) -> JobState:
        return JobState(job, self._store.known(job).state, self._store.stem_count(job))

    def _client(self, job: str) -> Peer | None:
        connection = self._connections.get(job)
        if connection is not None and not connection.closed:
            return connection
        kept = self._store.job(job)
        if kept is None or kept.reply is None:
            return None
        return UdpPeer(self._transport.udp, kept.reply.host, kept.reply.port)
