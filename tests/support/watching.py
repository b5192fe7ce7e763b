"""A watch desk in this process, with a worker that does nothing but look whether the files are
there: what is found, taken and written can be seen without an analysis."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from stemlens.service.freezing import require_unchanged
from stemlens.service.places import Places
from stemlens.service.replies import Replies
from stemlens.service.settings import Settings
from stemlens.service.store import Store
from stemlens.service.transport import Transport, UdpPeer
from stemlens.service.watch.desk import WatchDesk
from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Message, decode

LIMIT_S = 20.0
RESULT: dict[str, Any] = {
    "schema": "stemlens.analysis/1",
    "revision": 1,
    "session": {
        "id": "job",
        "project": "Song",
        "daw": "watch",
        "source": "multitrack",
        "sample_rate": 44_100,
        "duration_s": 3.0,
        "start_s": 0.0,
        "tempo": None,
        "session_gain_db": 0.0,
        "stems": [
            {"id": "kick", "name": "Kick", "kind": "track", "path": "/kick.wav", "gain_db": 0.0}
        ],
        "mix": None,
        "master": "off",
    },
    "tagger": {"name": "t", "segment_s": 3.0, "tags": ["rock"]},
    "method": {"value": "shapley", "unit": "points", "exact": True, "taggings": 2, "segments": 1},
    "tags": [
        {
            "tag": "rock",
            "kind": "genre",
            "score": 0.5,
            "baseline": 0.1,
            "mix_score": None,
            "total": 0.4,
            "attributions": [
                {"stem": "kick", "value": 0.4, "low": 0.4, "high": 0.4, "mute": -0.4, "solo": 0.4}
            ],
        }
    ],
    "groups": [],
    "interactions": [],
    "annotations": [],
    "markers": [],
    "time": None,
    "warnings": [],
    "timings_s": {},
    "versions": {},
}


class Subscriber:
    """Instead of a socket: remembers what subscribers are sent."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def send(self, packet: bytes, address: tuple[str, int]) -> None:
        self.heard.append(decode(packet))


class Watching:
    """An asynchronous context in which folders are watched. `told`: what happened to which session
    and more about it; `analysed`: the paths of the files of each job that was done; while `held`
    is true no job is begun."""

    def __init__(self, data: Path, *roots: Path, **settings: Any) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.analysed: list[list[Path]] = []
        self.held = False
        self.subscriber = Subscriber()
        data.mkdir(parents=True, exist_ok=True)
        self._results = data / "results"
        self.store = Store(data / "jobs.sqlite3")
        transport = cast(Transport, type("T", (), {"udp": self.subscriber})())
        self._replies = Replies(self.store, transport)
        self._replies.subscribe(UdpPeer(transport.udp, "127.0.0.1", 1), 0)
        wanted = Settings(data, watch=tuple(roots), settle_s=0.05)
        self._settings = replace(wanted, **settings)
        self._news = asyncio.Event()

    async def __aenter__(self) -> Watching:
        self._places = Places([Path(tempfile.gettempdir()), self._settings.data])
        self.desk = WatchDesk(self._settings, self.store, self._places, self._replies, self.release)
        self._replies.listeners.append(self.desk.hear)
        self.desk.news = self._hear
        self._running = asyncio.create_task(self.desk.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.desk.stop()
        await self._running
        self.store.close()

    def _hear(self, what: str, name: str, more: str) -> None:
        self.told.append((what, name, more))
        self._news.set()

    def release(self) -> None:
        """Begins what waits."""
        self.held or asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        while not self.held and (job := self.store.next_queued()) is not None:
            self.store.set_state(job.id, "running")
            self._replies.tell_state(job.id, subscribers=True)
            files = self.store.files(job.id)
            try:
                require_unchanged(files, self._places)
            except StemlensError as error:
                self.store.set_state(job.id, "failed", (error.code, error.message))
            else:
                self.analysed.append([Path(file.path) for file in files])
                path = self._results / f"{len(self.analysed)}.json"
                path.parent.mkdir(exist_ok=True)
                jsontext.write(path, RESULT)
                self.store.finish(job.id, RESULT, path)
            self._replies.tell_state(job.id, subscribers=True)

    def count(self, what: str) -> int:
        """How often that was told."""
        return sum(one == what for one, _, _ in self.told)

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until this holds; asked at each piece of news, and now and then for files."""
        async with asyncio.timeout(LIMIT_S):
            while not holds():
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.02)
                except TimeoutError:
                    continue
        await self.quiet()

    async def looks(self, count: int = 2) -> None:
        """Waits for so many further looks."""
        before = self.desk.looks
        async with asyncio.timeout(LIMIT_S):
            while self.desk.looks < before + count:
                self.desk.look_now()
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Waits until nothing is being written."""
        async with asyncio.timeout(LIMIT_S):
            while self.desk.busy and not self.held:
                await asyncio.sleep(0.01)
