"""From the start of a bridge process to its first OSC message, received on a socket.

Two ways in which a user meets it: `stemlens-bridge ping`, and the agent that REAPER's scripts start
with a request already waiting. Whole processes, interpreter included. Run as a process of its own;
prints JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from stemlens_bridge.reaper.mailbox import Mailbox

STARTS = 15
LIMIT_S = 10.0


def measure(starts: int = STARTS) -> dict[str, float]:
    """Median seconds to the first datagram, by what was started: "ping", "reaper agent"."""
    seconds: dict[str, list[float]] = {"ping": [], "reaper agent": []}
    with tempfile.TemporaryDirectory() as folder:
        mailbox = Mailbox(Path(folder) / "mailbox")
        once(["ping"])  # compiles the modules
        for _ in range(starts):
            seconds["ping"].append(once(["ping"]))
            mailbox.ask("hello")
            agent = ["reaper", "agent", "--mailbox", str(mailbox.folder)]
            seconds["reaper agent"].append(once(agent))
    return {name: median(times) for name, times in seconds.items()}


def once(command: list[str]) -> float:
    """Seconds from the start of one process to its first datagram; the process is then ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(LIMIT_S)
        server = f"127.0.0.1:{listening.getsockname()[1]}"
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "stemlens_bridge.cli", *command, "--server", server],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            listening.recv(1024)
            return time.perf_counter() - started
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    print(json.dumps(measure()))
