"""A network between a client and a UDP server that loses, doubles and reorders datagrams."""

from __future__ import annotations

import random
import select
import socket
import threading


class BadNet:
    """A UDP proxy: each datagram is lost with probability `loss`, and else with the same
    probability held back until others have overtaken it, or sent twice.

    Serves one client at a time; `address` is what the client takes for the server.
    """

    def __init__(self, server: tuple[str, int], loss: float, seed: int) -> None:
        self._server = server
        self._loss = loss
        self._random = random.Random(seed)
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind(("127.0.0.1", 0))
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.connect(server)
        for side in (self._near, self._far):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.address: tuple[str, int] = self._near.getsockname()
        self.lost = self.reordered = self.doubled = 0
        self._client: tuple[str, int] | None = None
        self._ending, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        held: dict[socket.socket, list[bytes]] = {self._near: [], self._far: []}
        while True:
            ready, _, _ = select.select([self._near, self._far, self._ending], [], [], 0.05)
            if self._ending in ready:
                return
            for side in (self._near, self._far):
                came = []
                if side in ready:
                    try:
                        packet, sender = side.recvfrom(65_536)
                    except ConnectionRefusedError:
                        continue
                    if side is self._near:
                        self._client = sender
                    came = self._treat(packet, held[side])
                elif held[side]:
                    came = [held[side].pop()]
                for packet in came:
                    self._pass_on(side, packet)

    def _treat(self, packet: bytes, held: list[bytes]) -> list[bytes]:
        if self._random.random() < self._loss:
            self.lost += 1
            return []
        if self._random.random() < self._loss:
            self.reordered += 1
            held.append(packet)
            return []
        if self._random.random() < self._loss:
            self.doubled += 1
            return [packet, packet]
        late = [held.pop()] if held and self._random.random() < 0.5 else []
        return [packet, *late]

    def _pass_on(self, side: socket.socket, packet: bytes) -> None:
        try:
            if side is self._near:
                self._far.send(packet)
            elif self._client is not None:
                self._near.sendto(packet, self._client)
        except ConnectionRefusedError:
            self.lost += 1

    def __enter__(self) -> BadNet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send(b"x")
        self._thread.join()
        for side in (self._near, self._far, self._ending, self._end):
            side.close()
