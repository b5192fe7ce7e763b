"""How soon the server answers while its worker computes on every core. Prints JSON: for pings, and
for the acknowledgement of a job's `open` (which has reached the disk), seconds at the median and at
the 99th percentile; then for pings over TCP beside a program that floods the server with datagrams.

`python -m benchmarks.latency [QUESTIONS]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles

from benchmarks.serving import serving
from benchmarks.soak import session
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.link import Link, TcpLink, UdpLink
from stemlens_bridge.protocol import JobOpen, Message, Options, Ping

LIMIT_S = 10.0
BETWEEN_S = 0.02


class Enough(Exception):
    """All was asked."""


def asked(link: Link, question: Callable[[], Message], times: int) -> dict[str, float]:
    """Asks one after the other, and waits for each answer."""
    took = []
    for _ in range(times):
        message = question()
        began = time.perf_counter()
        link.send(message)
        if not link.receive(LIMIT_S):
            raise RuntimeError(f"no answer to {message.address} within {LIMIT_S:g} s")
        took.append(time.perf_counter() - began)
        time.sleep(BETWEEN_S)
    return {
        "median_s": median(took),
        "p99_s": quantiles(took, n=100, method="inclusive")[-1],
        "worst_s": max(took),
    }


@contextmanager
def flood(address: tuple[str, int]) -> Iterator[None]:
    """A program that sends pings as fast as the system takes them, until the block ends."""
    endless = (
        "import socket, sys\n"
        "link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "link.connect((sys.argv[1], int(sys.argv[2])))\n"
        "while True:\n"
        "    try: link.send(bytes.fromhex(sys.argv[3]))\n"
        "    except OSError: pass\n"
    )
    host, port = address
    command = [sys.executable, "-c", endless, host, str(port), Ping().encode().hex()]
    flooding = subprocess.Popen(command)
    try:
        yield
    finally:
        flooding.kill()
        flooding.wait()


def main(questions: int) -> None:
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "data") as running:
        link = UdpLink(running.address)
        idle = asked(link, Ping, questions)
        begun, over = threading.Event(), threading.Event()

        def compute() -> None:
            """Keeps the worker at it, with one session after the other."""

            def look(stage: str, fraction: float) -> None:
                if stage == "tagging":
                    begun.set()
                if over.is_set():
                    raise Enough

            with suppress(Enough), Client(running.address) as client:
                for seed in range(10_000):
                    job = new_job_id("busy")
                    client.submit(session(Path(name) / job, seed), Options(), job)
                    client.follow(job, look)

        working = threading.Thread(target=compute)
        working.start()
        begun.wait()
        pings = asked(link, Ping, questions)
        opens = asked(
            link, lambda: JobOpen(new_job_id("open"), "bench", "p", 0), max(questions // 4, 4)
        )
        over.set()
        working.join()
        link.close()
        with flood(running.address):
            beside = TcpLink(running.address)
            flooded = asked(beside, Ping, questions)
            beside.close()
    found = {"idle": idle, "ping": pings, "open": opens, "flooded": flooded}
    print(json.dumps({**found, "questions": questions}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
