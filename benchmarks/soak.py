"""A server that is kept busy: sessions one after the other, each with content of its own, for so
many minutes. Prints JSON: jobs an hour, and how the memory of each of its processes grows.

`python -m benchmarks.soak [MINUTES]`. Memory is the resident set in MiB, read every few seconds;
its slope is a straight line through the later two thirds, when all that is loaded once has been
loaded and the caches have met their first sessions.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
import soundfile

from benchmarks.serving import serving
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

RATE = 22_050
SECONDS = 30.0
LOOK_EVERY_S = 5.0
MIB = 1 << 20


def session(folder: Path, seed: int) -> Session:
    """Four stems that no session before had: a beat, a bass, a chord and noise, tuned by `seed`."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(SECONDS * RATE)) / RATE
    pitch = 110 * 2 ** random.uniform(0, 1)
    beat = np.exp(-random.uniform(5, 20) * (time_s % random.uniform(0.4, 0.6)))
    stems = {
        "beat": 0.5 * np.sin(2 * np.pi * 60 * time_s) * beat,
        "bass": 0.3 * np.sign(np.sin(np.pi * pitch * time_s)),
        "chord": 0.1 * sum(np.sin(2 * np.pi * pitch * k * time_s) for k in (2, 2.5, 3)),
        "noise": 0.1 * random.standard_normal(time_s.size) * (time_s % 4 < 2),
    }
    folder.mkdir()
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return Session.read(folder)


def process_name(process: psutil.Process) -> str:
    """What a process of the server is: worker, panel or server."""
    command = " ".join(process.cmdline())
    return next((name for name in ("worker", "panel") if f"{name}_process" in command), "server")


def slope(times: list[float], sizes: list[float]) -> float:
    """MiB an hour, over the later two thirds."""
    from_s = times[0] + (times[-1] - times[0]) / 3
    late = [(t, size) for t, size in zip(times, sizes, strict=True) if t >= from_s]
    return float(np.polyfit([t / 3600 for t, _ in late], [size for _, size in late], 1)[0])


def main(minutes: float) -> None:
    sizes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    jobs = 0
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "data") as running:
        started = looked = time.monotonic()
        with Client(running.address) as client:
            while time.monotonic() - started < 60 * minutes:
                folder = Path(name) / f"session {jobs}"
                job = new_job_id("soak")
                client.submit(session(folder, seed=jobs), Options(budget=64), job)
                client.follow(job)
                jobs += 1
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
                if time.monotonic() - looked >= LOOK_EVERY_S:
                    looked = time.monotonic()
                    root = psutil.Process(running.pid)
                    for process in [root, *root.children(recursive=True)]:
                        size = process.memory_info().rss / MIB
                        sizes[process_name(process)].append((looked - started, size))
        took = time.monotonic() - started
    print(
        json.dumps(
            {
                "minutes": took / 60,
                "jobs": jobs,
                "jobs_per_hour": jobs * 3600 / took,
                "memory": {
                    name: {
                        "first_mib": seen[0][1],
                        "last_mib": seen[-1][1],
                        "mib_per_hour": slope([t for t, _ in seen], [size for _, size in seen]),
                    }
                    for name, seen in sizes.items()
                    if len(seen) > 2
                },
            }
        )
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
