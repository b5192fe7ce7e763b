"""A running Ardour, spoken to over its OSC surface (UDP, ports 3819 to 3838).

Ardour counts its strips from 1 in the order of the mixer (`ssid`); no message knows the id of a
route. It answers a query under the query's own path, whatever follows the known part of it, so
each query gets a tail that no other has, and answers cannot be taken for one another. Several
messages in one bundle are handled one after the other at once: a write is sent together with the
queries that show what it did, and sent again until they are answered. Nothing is ever sent to
`/select/*`, which acts on the master where nothing is selected.

By default Ardour answers to port 8000; `SURFACE` makes it answer to the sender, and with addresses
that begin with a slash (feedback bit 16384).

Sources: "Controlling Ardour with OSC" of the Ardour manual; Ardour 7.3, tried.
"""

from __future__ import annotations

import math
import secrets
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stemlens_bridge import moves, osc
from stemlens_bridge.errors import StemlensError

FIRST_PORT, PORTS = 3819, 20
STRIP_TYPES = 31  # audio and MIDI tracks and buses, VCAs; not the master, monitors, hidden strips
REPLIES = 16_384  # feedback bit: answers go to /reply
BUTTONS, CONTROLS = 1, 2  # feedback bits: mute and solo; faders
GLOBAL = 16  # feedback bit: the session's name, the marker at the playhead
IMMEDIATELY = struct.pack(">Q", 1)
TRACKS_AND_BUSES = frozenset({"AT", "MT", "B", "MB"})

AT_ONCE = 24  # exchanges that wait for their answers at one time
FIRST_RETRY_S, LAST_RETRY_S = 0.12, 1.0
PATIENCE_S = 6.0
FIND_S = 0.8
LIST_SETTLE_S = 0.15

Sent = tuple[str, Sequence[osc.Argument]]
Answers = dict[str, list[osc.Argument]]


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip as `/strip/list` tells: its place from 1, its kind (AT, MT, B, MB, V) and name."""

    ssid: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """What goes to Ardour as one bundle: `writes` as they are, then `queries`, by path."""

    queries: tuple[str, ...]
    writes: tuple[Sent, ...] = ()


def surface(feedback: int = 0) -> list[Sent]:
    """What makes Ardour answer to the sender, with the feedback asked for."""
    return [
        ("/set_surface/port", (0,)),
        ("/set_surface", (0, STRIP_TYPES, REPLIES | feedback, 0, 0, 0)),
    ]


def packet(messages: Iterable[Sent]) -> bytes:
    """Messages as one bundle."""
    parts = [osc.encode(path, _types(given), given) for path, given in messages]
    body = b"".join(struct.pack(">i", len(part)) + part for part in parts)
    return osc.BUNDLE_START + IMMEDIATELY + body


def _types(given: Sequence[osc.Argument]) -> str:
    return "".join({str: "s", int: "i", float: "f"}[type(argument)] for argument in given)


def fader_db(position: float) -> float:
    """The level of a fader at a position from 0 to 1 (0.7818 is 0 dB, 1 is +6 dB).

    Ardour's scale: position = ((6 log2(gain) + 192) / 198)^8 of a gain of up to 2, so that dB are
    (198 position^(1/8) − 192) log10(2) · 20 / 6.
    """
    if position <= 0:
        return moves.SILENCE_DB
    level = (198 * position**0.125 - 192) / 6 * 20 * math.log10(2)
    return max(moves.SILENCE_DB, level)


class Ardour:
    """One Ardour at a UDP address. A context manager; methods block, and raise `daw_unreachable`
    when it stops answering."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._socket = _socket()
        self._tail = secrets.token_hex(3)
        self._count = 0
        self._feedback = 0
        self.send(surface())

    def __enter__(self) -> Ardour:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Iterable[Sent]) -> None:
        """Sends messages as one bundle; nothing tells whether it arrives."""
        self._socket.sendto(packet(messages), self.address)

    def receive(self, wait_s: float) -> list[tuple[str, list[osc.Argument]]]:
        """What comes within `wait_s`: at once when something does."""
        return [message for _, message in _receive(self._socket, wait_s)]

    def ask(self, *paths: str) -> Answers:
        """The answers to queries, by path."""
        return (
            self.exchange([Exchange((path,)) for path in paths])[0]
            if len(paths) == 1
            else {
                path: given
                for answers in self.exchange([Exchange((path,)) for path in paths])
                for path, given in answers.items()
            }
        )

    def exchange(self, exchanges: Sequence[Exchange]) -> list[Answers]:
        """Has each exchange done and answered, sending again what is not answered.

        Writes may so be done more than once. Returns the answers of each, by path.
        """
        done: list[Answers] = [{} for _ in exchanges]
        waiting: dict[str, tuple[int, str]] = {}
        bundles: list[list[Sent]] = []
        for at, exchange in enumerate(exchanges):
            tails = []
            for path in exchange.queries:
                self._count += 1
                tail = f"{path}/q{self._tail}{self._count}"
                waiting[tail] = (at, path)
                tails.append((tail, ()))
            bundles.append([*exchange.writes, *tails])
        open_ = [at for at, exchange in enumerate(exchanges) if exchange.queries]
        heard = time.monotonic()
        retry_s = FIRST_RETRY_S
        repeat = False
        while open_:
            for at in open_[:AT_ONCE]:
                head = surface(self._feedback) if repeat and at == open_[0] else []
                self.send([*head, *bundles[at]])
            until = time.monotonic() + retry_s
            progress = False
            batch = set(open_[:AT_ONCE])
            while batch and (left := until - time.monotonic()) > 0:
                for path, given in self.receive(left):
                    if path not in waiting:
                        continue
                    heard = time.monotonic()
                    progress = True
                    at, query = waiting.pop(path)
                    done[at][query] = given
                    if len(done[at]) == len(exchanges[at].queries):
                        batch.discard(at)
            open_ = [at for at in open_ if len(done[at]) < len(exchanges[at].queries)]
            repeat = bool(batch)
            retry_s = FIRST_RETRY_S if progress else min(2 * retry_s, LAST_RETRY_S)
            if open_ and time.monotonic() - heard > PATIENCE_S:
                raise StemlensError(
                    "daw_unreachable",
                    f"Ardour at port {self.address[1]} does not answer any more. "
                    "What was not written yet was left as it was.",
                )
        return done

    def strips(self) -> list[Strip]:
        """All strips, in the order of the mixer; asked until two lists without a gap agree."""
        known: dict[int, Strip] = {}
        agreed = 0
        started = time.monotonic()
        while agreed < 2:
            before = dict(known)
            ended = False
            self.send([*surface(self._feedback), ("/strip/list", ())])
            until = time.monotonic() + 1.0
            fresh: dict[int, Strip] = {}
            while (left := until - time.monotonic()) > 0:
                for path, given in self.receive(min(left, LIST_SETTLE_S)) or [("", [])]:
                    if not path and (ended or fresh):
                        until = 0.0
                    elif path in ("/reply", "#reply") and given:
                        ended = ended or given[0] == "end_route_list"
                        strip = _strip(given)
                        if strip is not None:
                            fresh[strip.ssid] = strip
                if ended and fresh and sorted(fresh) == list(range(1, len(fresh) + 1)):
                    until = min(until, time.monotonic() + LIST_SETTLE_S / 3)
            known |= fresh
            whole = ended and sorted(known) == list(range(1, len(known) + 1))
            agreed = agreed + 1 if whole and known == before else int(whole)
            if time.monotonic() - started > PATIENCE_S:
                raise StemlensError(
                    "daw_unreachable",
                    f"Ardour at port {self.address[1]} does not tell its tracks.",
                )
        return [known[ssid] for ssid in sorted(known)]

    def watch(self, feedback: int) -> None:
        """Asks for feedback, from now on and whenever the surface is set up again."""
        self._feedback = feedback
        self.send(surface(feedback))


def _strip(given: list[osc.Argument]) -> Strip | None:
    if len(given) < 7 or not isinstance(given[0], str) or given[0] == "end_route_list":
        return None
    name, ssid = given[1], given[6]
    if not isinstance(name, str) or not isinstance(ssid, int):
        return None
    return Strip(ssid, given[0], name)


def find(snapshot: str, names: Sequence[str], ports: Iterable[int] | None = None) -> Ardour | None:
    """The running Ardour that has a session open; None where none answers for it.

    It is known by the session's name (`snapshot`) and by `names`, the names of its strips: at
    least one must be among those that it tells. Raises `tracks_unmatched` where several are.
    """
    near = set(names)
    found = []
    for port, (session, strips) in _answers(
        range(FIRST_PORT, FIRST_PORT + PORTS) if ports is None else ports
    ).items():
        if session == snapshot and (strips & near or not near):
            found.append((strips == near, port))
    best = [port for same, port in sorted(found) if same] or [port for _, port in found]
    if len(best) > 1:
        raise StemlensError(
            "tracks_unmatched",
            f"Several Ardours have a session called {snapshot!r} open. Close all but one.",
        )
    return Ardour(("127.0.0.1", best[0])) if best else None


def _answers(ports: Iterable[int]) -> Mapping[int, tuple[str, set[str]]]:
    """Which ports answer, and of each the session's name and the names of its strips."""
    ports = list(ports)
    names: dict[int, set[str]] = {}
    sessions: dict[int, str] = {}
    with _socket() as own:
        started = time.monotonic()
        asked = 0.0
        wanted = FIND_S / 2
        while (now := time.monotonic()) - started < wanted:
            if now - asked > FIND_S / 4:
                asked = now
                for port in ports:
                    own.sendto(packet([*surface(GLOBAL), ("/strip/list", ())]), ("127.0.0.1", port))
            for port, (path, given) in _receive(own, 0.05):
                wanted = FIND_S  # somebody is there: wait for all it says
                if path == "/session_name" and given:
                    sessions[port] = str(given[0])
                strip = _strip(given) if path in ("/reply", "#reply") else None
                if strip is not None and strip.kind in TRACKS_AND_BUSES:
                    names.setdefault(port, set()).add(strip.name)
        for port in sessions:
            own.sendto(packet(surface()), ("127.0.0.1", port))  # and no feedback from now on
    return {port: (session, names.get(port, set())) for port, session in sessions.items()}


def _socket() -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    own.bind(("127.0.0.1", 0))
    return own


def _receive(own: socket.socket, wait_s: float) -> list[tuple[int, tuple[str, list[osc.Argument]]]]:
    """What has come, each with the port it came from; waits for the first datagram."""
    came: list[tuple[int, tuple[str, list[osc.Argument]]]] = []
    own.settimeout(max(0.001, wait_s))
    while True:
        try:
            data, sender = own.recvfrom(osc.MAX_PACKET)
        except (TimeoutError, BlockingIOError):
            return came
        except ConnectionResetError:  # Windows, of a port where nobody listens
            continue
        own.settimeout(0.0)
        try:
            for message in osc.messages(data):
                came.append((sender[1], osc.decode(message)))
        except StemlensError:
            continue  # some other surface's language; nothing that was asked for
