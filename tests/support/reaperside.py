"""REAPER's side of the mailbox, played in Python: what the scripts write and read."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stemlens_bridge.reaper import agent
from support import lualiteral

PATIENCE_S = 20.0


def awaited(look: Any, what: str = "", patience_s: float = PATIENCE_S) -> Any:
    """What `look` returns once it is true; fails after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what or look} did not come within {patience_s:g} s")


class Scripts:
    """Asks as the scripts do, and reads what they would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counter = itertools.count()
        (folder / "to-bridge").mkdir(parents=True, exist_ok=True)

    def post(self, kind: str, **body: Any) -> str:
        own = f"{time.time_ns()}-{next(self._counter):06d}-{kind}"
        self.put(f"{own}.json", json.dumps({"mailbox": 1, "id": own, "kind": kind} | body))
        return own

    def put(self, name: str, content: str | bytes) -> None:
        """A file in the folder of requests, whatever is in it."""
        part = self.folder / "to-bridge" / f"{name}.part"
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.rename(part.with_suffix(""))

    def ask(self, kind: str, **body: Any) -> dict[str, Any]:
        return self.answer(self.post(kind, **body))

    def answer(self, own: str) -> dict[str, Any]:
        found: dict[str, Any] = awaited(lambda: self.read(f"{own}.lua"), f"the reply to {own}")
        (self.folder / "to-reaper" / f"{own}.lua").unlink()
        return found

    def read(self, name: str) -> Any:
        """A file that the bridge wrote for REAPER; None where there is none."""
        try:
            text = (self.folder / "to-reaper" / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return lualiteral.loads(text)

    def beat(self) -> dict[str, Any] | None:
        try:
            text = (self.folder / "agent.lua").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        found: dict[str, Any] = lualiteral.loads(text)
        return found

    def job(self, job: str, *states: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The state of a job once it is one of `states`."""

        def look() -> Any:
            state = self.read(f"job-{job}.lua")
            return state if state and state["state"] in states else None

        found: dict[str, Any] = awaited(look, f"{job} {states}", patience_s)
        return found


class AgentThread:
    """An agent in this process, for a mailbox that is made in `folder`."""

    def __init__(self, folder: Path, server: tuple[str, int], **more: Any) -> None:
        self.scripts = Scripts(folder)
        self._stop = threading.Event()
        self.served: list[bool] = []

        def run() -> None:
            self.served.append(agent.serve(folder, server, "udp", self._stop, **more))

        self.thread = threading.Thread(target=run)

    def __enter__(self) -> Scripts:
        self.thread.start()
        awaited(self.scripts.beat, "the first heartbeat")
        return self.scripts

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


class AgentProcess:
    """`stemlens-bridge reaper agent` as REAPER starts it."""

    def __init__(self, folder: Path, server: tuple[str, int]) -> None:
        self.scripts = Scripts(folder)
        where = ["--mailbox", str(folder), "--server", f"{server[0]}:{server[1]}"]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stemlens_bridge.cli", "reaper", "agent", *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> AgentProcess:
        return self

    def kill(self) -> None:
        """As by `kill -9`."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self) -> tuple[int, str]:
        """As by SIGTERM; the exit code and what was printed."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)
