"""A real server in its own process, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from stemlens_bridge.client import Client

START_LIMIT_S = 30.0
READY = re.compile(r"listens on \S+:(\d+)")


class ServerProcess:
    """`stemlens serve` on 127.0.0.1 with its own data folder; its log is in that folder."""

    def __init__(
        self, data: Path, *options: str, port: int = 0, env: Mapping[str, str] | None = None
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / "log.txt"
        # Not with the options of whoever runs the tests.
        where = ["--config", os.devnull, "--port", str(port), "--data", str(data)]
        where += ["--device", "cpu"]
        if "--panel-port" not in options:
            where.append("--no-panel")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stemlens", "serve", *where, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **(env or {})},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # comes when it listens, or ends when it cannot
        found = READY.search(line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line} {self.log.read_text()}")
        self.port = int(found[1])
        self.address = ("127.0.0.1", self.port)

    @property
    def worker(self) -> psutil.Process:
        """The worker process there is now."""
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def until(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The server's health as soon as this holds of it; there is no event to wait for."""
        deadline = time.monotonic() + 2 * START_LIMIT_S
        with Client(self.address) as client:
            while time.monotonic() < deadline:
                health = client.health()
                if holds(health):
                    return health
                time.sleep(0.1)
        raise AssertionError(f"it never came to that: {self.log.read_text()}")

    def kill(self) -> None:
        """As by `kill -9`."""
        self.process.kill()
        self.process.wait(START_LIMIT_S)

    def stop(self) -> int:
        """As by SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_LIMIT_S)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
