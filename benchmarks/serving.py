"""A real server for a measurement: `stemlens serve` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Serving:
    """The server that runs: where it listens, and its process."""

    address: tuple[str, int]
    pid: int


def start(data: Path, *options: str, port: int = 0) -> tuple[subprocess.Popen[str], Serving]:
    """Starts a server on its own data folder, in which its log is; returns when it listens."""
    data.mkdir(parents=True, exist_ok=True)
    where = ["--config", os.devnull, "--port", str(port), "--panel-port", "0", "--data", str(data)]
    command = [sys.executable, "-m", "stemlens", "serve", *where]
    with (data / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--device", "cpu", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r":(\d+) ", said)
    if found is None:
        raise RuntimeError(f"the server did not start: {said} {(data / 'log.txt').read_text()}")
    return process, Serving(("127.0.0.1", int(found[1])), process.pid)


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Serving]:
    """A server until the block ends."""
    process, running = start(data, *options)
    try:
        yield running
    finally:
        process.terminate()
        process.wait()
