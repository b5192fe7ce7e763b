"""The server's side of jobs by itself: a runner whose worker and clients only remember."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from stemlens.service.places import Places
from stemlens.service.runner import Runner
from stemlens.service.settings import Settings
from stemlens.service.store import JobFile, Store
from stemlens_bridge.protocol import Error, Message


class Still:
    """Instead of a worker: hears what it is to do, and never says a word."""

    def __init__(self) -> None:
        self.ready = True
        self.told: list[dict[str, Any]] = []

    def send(self, command: dict[str, Any]) -> None:
        self.told.append(command)

    def replace(self) -> None:
        self.ready = False


class Told:
    """Instead of clients: remembers what went wrong with jobs."""

    def __init__(self) -> None:
        self.errors: list[Error] = []

    def tell_state(self, job: str, *, subscribers: bool = False) -> None:
        pass

    def tell(self, job: str, message: Message, *, subscribers: bool = False) -> None:
        self.errors += [message] if isinstance(message, Error) else []


class Desk(Runner):
    """A runner in `folder` where these `jobs` wait; all else are settings."""

    def __init__(self, folder: Path, *jobs: str, **settings: Any) -> None:
        self.store, self.told, self.worker = Store(folder / "jobs.sqlite3"), Told(), Still()
        places = Places([folder])
        wanted = Settings(folder, **settings)
        super().__init__(self.store, cast(Any, self.told), folder, wanted, places)
        self._link = cast(Any, self.worker)
        path = str(folder / "t.wav")
        file = JobFile("t", "t", path, 0.0, "{}", size=1, mtime_ns=1, sha256="0")
        for job in jobs:
            self.store.open(job, "test", "song", "{}")
            self.store.put_file(job, file)
            self.store.queue(job, [file])

    def state(self, job: str) -> str:
        return self.store.known(job).state
