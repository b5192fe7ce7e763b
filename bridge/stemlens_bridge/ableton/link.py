"""The connection to AbletonOSC: questions, answers, and what Live says unasked.

AbletonOSC is a script inside Live with three habits that everything here is about:

- It answers to one fixed port, whoever asks. Only one program on a machine can have that port.
- It reads what has come once per tick of 100 ms, later while Live is busy (a menu, a dialog, an
  export), and an exception in one message ends the tick: what came behind it waits, or is lost.
  So a tick gets few questions at a time.
- Setters answer nothing and errors (`/live/error`) do not say what they are about. So every answer
  is one that was asked for, and whoever writes asks afterwards what is there now.

Over UDP anything may be lost: a question is repeated until its answer comes. Two answers to the
same question are two readings, one later than the other: where a question was repeated, the other
answers are waited for a while, and the last one counts.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pythonosc.osc_message import OscMessage, ParseError

from stemlens_bridge import osc
from stemlens_bridge.ableton import addresses
from stemlens_bridge.ableton.addresses import PORT, REPLY_PORT, TICK_S, Address
from stemlens_bridge.errors import StemlensError

log = logging.getLogger(__name__)

Value = str | int | float | bool | None
Values = tuple[Value, ...]

QUESTIONS_PER_TICK = 16
FIRST_WAIT_TICKS, LAST_WAIT_TICKS = 2.5, 10.0
ERROR_WAIT_TICKS = 1.5  # for what came before the message that failed, or waits behind it
PATIENCE_S = 10.0  # without a single answer before Live is given up
FIND_S = 3.0  # the same for the first contact
ERRORS_TO_FAIL = 4  # so many repeats that only got errors: the question itself is wrong
MAX_PUSHES = 4096
ARGUMENT_TYPES = frozenset("ifhdsTFN")


@dataclass(frozen=True, slots=True)
class Question:
    """A getter (or listener) and its arguments."""

    address: Address
    arguments: Values = ()


@dataclass(frozen=True, slots=True)
class Push:
    """Something that came unasked, or too late to count as an answer."""

    path: str
    values: Values


class LiveLink:
    """One AbletonOSC. A context manager.

    `tick_s` is how often the other side looks for messages: the measure of waiting for answers.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = PORT,
        reply_port: int = REPLY_PORT,
        tick_s: float = TICK_S,
    ) -> None:
        self.tick_s = tick_s
        self.startups = 0
        self.pushes: deque[Push] = deque(maxlen=MAX_PUSHES)
        self.last_error = ""
        self._errors = 0
        self._answered: Counter[int] = Counter()
        self._port, self._host = port, host
        try:
            self._there = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
        except OSError as error:
            raise StemlensError(
                "daw_unreachable", f"There is no machine {host!r}: {error.strerror}."
            ) from error
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would let two programs share a port
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        here = "127.0.0.1" if str(self._there[0]).startswith("127.") else ""
        try:
            self._socket.bind((here, reply_port))
        except OSError as error:
            self._socket.close()
            raise StemlensError(
                "port_in_use",
                f"UDP port {reply_port}, to which AbletonOSC always answers, is taken by another "
                "program (a controller app, another stemlens-bridge). Close that and try again.",
            ) from error
        self._socket.setblocking(False)

    def __enter__(self) -> LiveLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()

    def find(self) -> tuple[int, int]:
        """Makes sure that Live is there; returns its version (major, minor).

        Raises `daw_unreachable` with what is likely the matter.
        """
        self.ask(addresses.TEST, patience_s=FIND_S)
        major, minor = self.ask(addresses.VERSION)[:2]
        return int(major or 0), int(minor or 0)

    def tell(self, address: Address, *arguments: Value) -> None:
        """Sends a message that nothing answers; there is no promise that it arrives.

        Raises `bad_message` for a text that OSC cannot carry.
        """
        types = address.types
        if types.endswith("*"):
            types = types[:-1].ljust(len(arguments), types[-2])
        plain = [argument for argument in arguments if argument is not None]
        packet = osc.encode(address.path, types, plain)
        try:
            self._socket.sendto(packet, self._there)
        except OSError as error:  # the same as a lost datagram
            log.debug("not sent: %s", error)

    def ask(self, address: Address, *arguments: Value, patience_s: float | None = None) -> Values:
        """The values that one getter answers with, what it echoes left out."""
        return self.ask_all([Question(address, arguments)], patience_s)[0]

    def ask_all(
        self, questions: Sequence[Question], patience_s: float | None = None
    ) -> list[Values]:
        """The answers to several questions, in their order.

        Questions must differ in what they echo or in their address, or their answers could not be
        told apart. Raises `daw_unreachable` when nothing has been answered for too long, and
        `daw_failed` when all that comes are errors.
        """
        answers: dict[int, Values] = {}
        self._answered = Counter()
        places = {_key(question): place for place, question in enumerate(questions)}
        if len(places) < len(questions):
            raise ValueError("two of the questions cannot be told apart by their answers")
        asked = [0] * len(questions)
        wait = FIRST_WAIT_TICKS
        heard = time.monotonic()
        self._errors = 0
        errors_in_vain = 0
        while waiting := [place for place in range(len(questions)) if place not in answers]:
            batch = waiting[:QUESTIONS_PER_TICK]
            for place in batch:
                self.tell(questions[place].address, *questions[place].arguments)
                asked[place] += 1
            errors_before, answers_before = self._errors, len(answers)
            self._collect(places, answers, batch, wait * self.tick_s)
            if len(answers) > answers_before:
                heard, wait, errors_in_vain = time.monotonic(), FIRST_WAIT_TICKS, 0
                continue
            wait = min(1.5 * wait, LAST_WAIT_TICKS)
            errors_in_vain += self._errors > errors_before
            if errors_in_vain >= ERRORS_TO_FAIL:
                raise StemlensError(
                    "daw_failed",
                    f"AbletonOSC could not answer {questions[batch[0]].address.path}: "
                    f"{self.last_error or 'it did not say why'}.",
                )
            if time.monotonic() - heard > (PATIENCE_S if patience_s is None else patience_s):
                raise self._silent()
        until = time.monotonic() + FIRST_WAIT_TICKS * self.tick_s
        while sum(asked) > self._answered.total() and time.monotonic() < until:
            self._collect(places, answers, [], self.tick_s / 4)
        return [answers[place] for place in range(len(questions))]

    def listen(self, seconds: float) -> list[Push]:
        """What Live says unasked, after waiting up to `seconds` for the first of it."""
        if not self.pushes:
            for path, values in self._received(seconds):
                self._note(path, values)
        found = list(self.pushes)
        self.pushes.clear()
        return found

    def pause(self, ticks: float) -> None:
        """Lets ticks pass; what comes meanwhile is kept."""
        self._collect({}, {}, [], ticks * self.tick_s)

    def _collect(
        self,
        places: dict[tuple[object, ...], int],
        answers: dict[int, Values],
        batch: Sequence[int],
        seconds: float,
    ) -> None:
        """Takes messages in until the batch is answered, or (with an empty one) the time is up."""
        until = time.monotonic() + seconds
        errors = self._errors
        while (left := until - time.monotonic()) > 0:
            if batch and self._errors > errors:  # the rest of that tick will hardly be answered
                errors = self._errors
                until = min(until, time.monotonic() + ERROR_WAIT_TICKS * self.tick_s)
            for path, values in self._received(left):
                place = _place(places, path, values)
                if place is None:
                    self._note(path, values)
                else:
                    echoed = len(_echo(path, values, places))
                    answers[place] = values[echoed:]
                    self._answered[place] += 1
            if batch and all(place in answers for place in batch):
                return

    def _received(self, seconds: float) -> Iterator[tuple[str, Values]]:
        if not select.select([self._socket], [], [], max(0.0, seconds))[0]:
            return
        while True:
            try:
                packet, sender = self._socket.recvfrom(osc.MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:  # Windows tells here that nothing listened to an earlier one
                log.debug("nothing received: %s", error)
                return
            if sender[0] != self._there[0]:
                continue
            found = decoded(packet)
            if found is None:
                log.warning("a packet that is not OSC came to the port of AbletonOSC's answers")
            else:
                yield found

    def _note(self, path: str, values: Values) -> None:
        if path == addresses.ERROR:
            self._errors += 1
            text = str(values[0]).strip() if values else ""
            self.last_error = text.partition("\n")[0]
            log.info("AbletonOSC: %s", self.last_error)
        elif path == addresses.STARTUP:
            self.startups += 1
        self.pushes.append(Push(path, values))

    def _silent(self) -> StemlensError:
        if _refused(str(self._there[0]), self._port):
            return StemlensError(
                "daw_unreachable",
                f"Nothing listens on UDP port {self._port} of {self._host}: start Live, and choose "
                "AbletonOSC as a control surface in its settings (Link, Tempo & MIDI). How to "
                "install it: docs/ableton.md.",
            )
        if self.startups:
            return StemlensError(
                "daw_unreachable",
                "AbletonOSC was started again and went silent. Wait until the set is open in Live, "
                "then try again.",
            )
        return StemlensError(
            "daw_unreachable",
            f"AbletonOSC does not answer on UDP port {self._port} of {self._host}. Live may be "
            "busy with a dialog, a menu or an export: close it and try again. Otherwise see that "
            "AbletonOSC is chosen in Live's settings (Link, Tempo & MIDI).",
        )


def decoded(packet: bytes) -> tuple[str, Values] | None:
    """Address and arguments of a message from AbletonOSC; None for what is none.

    Unlike the messages of our own protocol (`osc.decode`) these may hold nothing (`N`) as a value.
    """
    types = packet.partition(b"\x00")[2].lstrip(b"\x00").partition(b"\x00")[0]
    strange = set(types[1:].decode("latin-1")) - ARGUMENT_TYPES
    if len(packet) % 4 or packet[:1] != b"/" or types[:1] not in (b"", b",") or strange:
        return None
    try:
        message = OscMessage(packet)
    except (ParseError, UnicodeDecodeError):
        return None
    return message.address, tuple(message.params)


def _key(question: Question) -> tuple[object, ...]:
    echoed = question.arguments[: question.address.echo]
    return (question.address.reply, *echoed)


def _echo(path: str, values: Values, places: dict[tuple[object, ...], int]) -> Values:
    for length in (0, 1):
        if (path, *values[:length]) in places:
            return values[:length]
    return ()


def _place(places: dict[tuple[object, ...], int], path: str, values: Values) -> int | None:
    return places.get((path, *_echo(path, values, places)))


def _refused(host: str, port: int) -> bool:
    """Whether this machine says that nothing listens on a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))
            probe.settimeout(0.2)
            probe.send(osc.encode(addresses.TEST.path, "", []))
            probe.recv(64)
        except ConnectionError:
            return True
        except OSError:
            return False
    return False
