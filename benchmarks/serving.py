"""A real server for a measurement: `stemlens serve` in a process of its own, on a free port."""

from __future__ import annotations

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


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Serving]:
    """A server on its own data folder until the block ends; its log is in that folder."""
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stemlens", "serve", "--port", "0", "--data", str(data)]
    with (data / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--device", "cpu", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r":(\d+) ", said)
        if found is None:
            raise RuntimeError(f"the server did not start: {said} {(data / 'log.txt').read_text()}")
        yield Serving(("127.0.0.1", int(found[1])), process.pid)
    finally:
        process.terminate()
        process.wait()
