"""Pulls the plug again and again: the server or its worker is killed (`kill -9`) at random moments
between a job's first message and its end, started again, and asked for what it had promised.

`python -m benchmarks.kill_rounds [ROUNDS] [SEED]`. A round: a session is submitted by a client that
goes on trying, meanwhile a process is killed once, and the job must come to its whole result: every
message of its last revision, the file of it with the same numbers, one `done` in the database. At
the end every job ever acknowledged must be done, and the database sound. Prints JSON; seconds of
the restart are from the start of the process to its first pong.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import psutil
import soundfile

from benchmarks.serving import start
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

RATE, FRAMES = 22_050, 136_710  # 6.2 s, two segments
SLOWEST_KILL_S = 1.5  # after the first message: as long as a job takes


def session(folder: Path, seed: int) -> Session:
    """Two stems of noise that no session before had."""
    folder.mkdir()
    sound = np.random.default_rng(seed)
    for name in ("one", "two"):
        soundfile.write(folder / f"{name}.wav", 0.1 * sound.standard_normal(FRAMES), RATE)
    return Session.read(folder)


class Plug:
    """The server whose plug is pulled; started again at once, on the same port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.process, self.serving = start(data)
        self.restarts_s: list[float] = []

    def pull(self, victim: str) -> None:
        """Kills the server, which comes back, or its worker, which the server replaces."""
        if victim == "worker":
            for child in psutil.Process(self.process.pid).children():
                child.kill()
            return
        self.process.kill()
        self.process.wait()
        began = time.perf_counter()
        self.process, self.serving = start(self._data, port=self.serving.address[1])
        with Client(self.serving.address) as client:
            client.ping()
        self.restarts_s.append(time.perf_counter() - began)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def whole(results: Results) -> bool:
    """Whether nothing of a result is missing, over OSC or in its file."""
    document = json.loads(Path(results.path).read_text())
    numbered = sorted(results.messages) == list(range(1, len(results.messages) + 1))
    return numbered and bool(results.messages) and document["revision"] == results.revision


def one_round(plug: Plug, folder: Path, seed: int, chance: random.Random) -> str:
    """One round; returns the job."""
    job = new_job_id("kill")
    victim = chance.choice(("server", "worker"))
    pulling = threading.Timer(chance.uniform(0, SLOWEST_KILL_S), plug.pull, [victim])
    stems = session(folder / job, seed)
    pulling.start()
    with Client(plug.serving.address) as client:
        client.submit(stems, Options(), job)
        results = client.follow(job)
    pulling.join()
    if not whole(results):
        raise RuntimeError(f"the result of {job} is not whole")
    return job


def main(rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    began = time.perf_counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        plug = Plug(data)
        jobs = []
        for number in range(rounds):
            started = time.perf_counter()
            jobs.append(one_round(plug, Path(name), seed + number, chance))
            longest = max(longest, time.perf_counter() - started)
            print(f"{number + 1} of {rounds} rounds", end="\r", file=sys.stderr)
        plug.end()
        with closing(sqlite3.connect(data / "jobs.sqlite3")) as database:
            (sound,) = database.execute("PRAGMA integrity_check").fetchone()
            states = dict(database.execute("SELECT id, state FROM jobs").fetchall())
            (twice,) = database.execute(
                "SELECT count(*) FROM (SELECT job FROM results GROUP BY job HAVING count(*) > 1)"
            ).fetchone()
    restarts = plug.restarts_s
    slowest = quantiles(restarts, n=100, method="inclusive")[-1] if len(restarts) > 1 else None
    print(
        json.dumps(
            {
                "rounds": rounds,
                "servers_killed": len(restarts),
                "workers_killed": rounds - len(restarts),
                "lost": sum(states.get(job) != "done" for job in jobs),
                "done_twice": twice,
                "database": sound,
                "restart_median_s": median(restarts) if restarts else None,
                "restart_p99_s": slowest,
                "longest_round_s": longest,
                "minutes": (time.perf_counter() - began) / 60,
            }
        )
    )
    if any(states.get(job) != "done" for job in jobs) or twice or sound != "ok":
        raise SystemExit(1)


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [200, 0][len(numbers) :]))
