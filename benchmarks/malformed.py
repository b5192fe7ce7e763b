"""Messages that nobody should send, in great numbers: valid ones, of every kind there is, with
something broken. Prints JSON: what the server's memory does, and how long valid jobs take meanwhile
beside how long they take alone.

`python -m benchmarks.malformed [MESSAGES] [SEED]`. Half go as datagrams, half over TCP in frames of
both kinds, which the server closes at the first that is beyond mending, and which are opened again.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from statistics import median
from typing import Any, get_type_hints

import psutil

from benchmarks.serving import serving
from benchmarks.soak import session
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.framing import LengthPrefix, Slip
from stemlens_bridge.osc import BUNDLE_START
from stemlens_bridge.protocol import TO_CLIENT, TO_SERVER, Message, Options

JOBS = 5
PER_SENDER = 10_000
BATCH = 50  # frames sent at once
SAMPLES = {str: "../*/{a,b}[!x]", int: 7, float: 0.5}
MIB = 1 << 20

Break = Callable[[bytes, random.Random], bytes]


def valid() -> list[bytes]:
    """A packet of each kind of message."""
    return [_example(kind).encode() for kind in (*TO_SERVER.values(), *TO_CLIENT.values())]


def _example(kind: type[Message]) -> Message:
    hints = get_type_hints(kind)
    return kind(*(SAMPLES[hints[f.name]] for f in fields(kind) if f.default is MISSING))


def _cut(packet: bytes, chance: random.Random) -> bytes:
    return packet[: chance.randrange(len(packet))]


def _flip(packet: bytes, chance: random.Random) -> bytes:
    broken = bytearray(packet)
    for _ in range(chance.randint(1, 8)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _types(packet: bytes, chance: random.Random) -> bytes:
    """Other types of arguments than there are."""
    at = packet.find(b",")
    letters = bytes(chance.choice(b"ifsbhtdScrmTFNI[]x") for _ in range(chance.randint(1, 40)))
    return packet[: at + 1] + letters + packet[at + 1 :] if at >= 0 else packet + b",]]]"


def _bundle(packet: bytes, chance: random.Random) -> bytes:
    """Elements that claim too much, too little or less than nothing; nested; dated ahead."""
    size = chance.choice([len(packet), -4, -(2**31), 2**31 - 1, 0, 3, len(packet) + 4])
    when = chance.choice([1, 2**63, 2**64 - 1])
    made = packet
    for _ in range(chance.choice([1, 1, 2, 3, 50])):
        made = BUNDLE_START + struct.pack(">Qi", when, size) + made
        size = len(made)
    return made


def _text(packet: bytes, chance: random.Random) -> bytes:
    """Bytes that are no text in the place of text."""
    return packet.replace(b"..", chance.choice([b"\xff\xfe", b"\x00\x00", b"\xc3\x28"]))


def _address(packet: bytes, chance: random.Random) -> bytes:
    """Patterns that take long to match."""
    return b"/" + b"*" * chance.randint(1, 60) + b"{a,b}[!z]\x00" + packet


def _noise(packet: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(1, 400))


BREAKS: tuple[Break, ...] = (_cut, _flip, _types, _bundle, _text, _address, _noise)


def malformed(count: int, seed: int) -> Iterator[bytes]:
    """So many packets, each broken in one way or in several."""
    chance = random.Random(seed)
    whole = valid()
    for _ in range(count):
        packet = chance.choice(whole)
        for _ in range(chance.choice([1, 1, 1, 2])):
            packet = chance.choice(BREAKS)(packet, chance) or b"\x00"
        yield packet[:65_000]


def send_datagrams(address: tuple[str, int], packets: Iterator[bytes]) -> int:
    """Sends them as fast as sockets take them, each so many that it is not told to slow down; reads
    what is answered."""
    sent = 0
    while some := list(itertools.islice(packets, PER_SENDER)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.connect(address)
            link.setblocking(False)
            for packet in some:
                while True:
                    try:
                        link.send(packet)
                        break
                    except BlockingIOError:
                        time.sleep(0.001)
                with suppress(BlockingIOError):
                    link.recv(65_536)
        sent += len(some)
    return sent


def send_frames(address: tuple[str, int], packets: Iterator[bytes]) -> int:
    """Sends them over connections that are made again whenever the server has closed them."""
    sent = 0
    batch: list[bytes] = []
    for packet in packets:
        batch.append(packet)
        if len(batch) == BATCH:
            framing = Slip() if sent % (2 * BATCH) else LengthPrefix()
            with suppress(OSError), socket.create_connection(address) as link:
                link.settimeout(5)
                link.sendall(b"".join(map(framing.encode, batch)))
                link.shutdown(socket.SHUT_WR)
                while link.recv(65_536):
                    pass
            sent += len(batch)
            batch.clear()
    return sent


def job_s(address: tuple[str, int], folder: Path, seeds: Iterator[int]) -> float:
    """How long one job takes, from its first message to its whole result."""
    job = new_job_id("valid")
    stems = session(folder / job, next(seeds))
    began = time.perf_counter()
    with Client(address) as client:
        client.submit(stems, Options(budget=64), job)
        client.follow(job)
    return time.perf_counter() - began


def main(messages: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "data") as running:
        folder, seeds = Path(name), iter(range(10**9))
        server = psutil.Process(running.pid)
        job_s(running.address, folder, seeds)  # the worker has started
        alone = [job_s(running.address, folder, seeds) for _ in range(JOBS)]
        sent: list[int] = []

        def send(how: Callable[[tuple[str, int], Iterator[bytes]], int], of: int) -> None:
            sent.append(how(running.address, malformed(messages // 2, of)))

        senders = [
            threading.Thread(target=send, args=(how, seed + number))
            for number, how in enumerate((send_datagrams, send_frames))
        ]
        first_mib = server.memory_info().rss / MIB
        began = time.perf_counter()
        for sender in senders:
            sender.start()
        beside, sizes = [], []
        while any(sender.is_alive() for sender in senders):
            beside.append(job_s(running.address, folder, seeds))
            sizes.append(server.memory_info().rss / MIB)
        took_s = time.perf_counter() - began
        after = job_s(running.address, folder, seeds)
    found: dict[str, Any] = {
        "messages": sum(sent),
        "seconds": took_s,
        "jobs_meanwhile": len(beside),
        "job_alone_s": median(alone),
        "job_meanwhile_s": median(beside),
        "job_after_s": after,
        "first_mib": first_mib,
        "half_mib": sizes[len(sizes) // 2],
        "last_mib": sizes[-1],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [1_000_000, 0][len(numbers) :]))
