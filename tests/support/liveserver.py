"""The server's end of a live mix, played by a test: answers states with tags, or as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from stemlens_bridge import osc
from stemlens_bridge.protocol import (
    LiveClose,
    LiveClosed,
    LiveDone,
    LiveEffect,
    LiveEffects,
    LiveOpen,
    LiveOpened,
    LiveScore,
    LiveState,
    LiveTags,
    Message,
    decode,
)

Answer = Callable[["LiveServer", Message], list[Message]]


def loudness(state: LiveState | None) -> float:
    """The score of the tag "loud": half, and a hundredth for each dB on any fader."""
    return 0.5 + sum(0.01 * track.db for track in (state.tracks if state else ()))


def answers(job: str, seq: int, state: LiveState | None) -> list[Message]:
    """What a mix is answered with."""
    effects = (LiveEffect("kick", 0.01, 0.01, 0.01), LiveEffect("chord", -0.002, -0.002, -0.002))
    return [
        LiveTags(job, seq, (LiveScore("loud", loudness(state)), LiveScore("calm", 0.1))),
        LiveEffects(job, seq, "decibel", "loud", effects),
        LiveEffects(job, seq, "mute", "loud", effects[:1]),
        LiveDone(job, seq, 3),
    ]


def usual(server: LiveServer, message: Message) -> list[Message]:
    """Answers as the server does."""
    if isinstance(message, LiveOpen):
        return [LiveOpened(message.job, 3.0, 15.0), *answers(message.job, 0, None)]
    if isinstance(message, LiveState):
        return answers(message.job, message.seq, message)
    if isinstance(message, LiveClose):
        return [LiveClosed(message.job, "its client has closed it")]
    return []


class LiveServer:
    """A UDP socket that remembers what it `heard`; `answer` makes the answers."""

    def __init__(self, answer: Answer = usual) -> None:
        self.answer = answer
        self.heard: list[Message] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._client: tuple[str, int] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def states(self) -> list[LiveState]:
        return [message for message in self.heard if isinstance(message, LiveState)]

    def say(self, *messages: Message) -> None:
        """Tells the client something by itself."""
        assert self._client is not None
        for message in messages:
            self._socket.sendto(message.encode(), self._client)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                packet, self._client = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            for part in osc.messages(packet):
                message = decode(part)
                self.heard.append(message)
                self.say(*self.answer(self, message))

    def __enter__(self) -> LiveServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
