"""How soon the watch folder takes a session, and what a look at many files costs.

`python -m benchmarks.watching [--rounds N] [--files N]`: the time from a complete file to the start
of its job, less the settle time, s; and the time of one look at a tree, s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

from stemlens.service.settings import Settings
from stemlens.service.watch.candidates import candidates
from stemlens.service.watch.readiness import Readiness


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--files", type=int, default=5_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {"latency_s": latency(Path(folder) / "a", given.rounds)}
        found["look_s"] = look(Path(folder) / "b", given.files)
    print(json.dumps(found, indent=1))


def latency(folder: Path, rounds: int) -> dict[str, float]:
    """From the last byte of a session to "started", less the settle time, s."""
    root = folder / "root"
    root.mkdir(parents=True)
    command = [sys.executable, "-m", "stemlens", "watch", str(root), "--port", "0"]
    command += ["--data", str(folder / "data"), "--device", "cpu"]
    settle_s = Settings(folder).settle_s
    times = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for number in range(rounds + 1):  # the first waits for the worker to be there
            song = root / f"song {number}"
            song.mkdir()
            _tone(song / "a.wav", number, 0)
            _tone(song / "b.wav", number, 1)
            begun = time.monotonic()
            for line in server.stdout:
                if line.startswith("started"):
                    times.append(time.monotonic() - begun - settle_s)
                if line.startswith(("done", "failed")):
                    break
        server.terminate()
    return {"median": statistics.median(times[1:]), "worst": max(times[1:])}


def look(root: Path, files: int) -> dict[str, float]:
    """One look at so many files, ten in a folder: the first, and when nothing has changed."""
    for number in range(files):
        folder = root / f"song {number // 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.wav").touch()
    ready = Readiness(1e9)
    times = []
    for _ in range(2):
        begun = time.monotonic()
        ready.look(candidates(root), begun)
        times.append(time.monotonic() - begun)
    return {"first": times[0], "again": times[1]}


def _tone(path: Path, number: int, stem: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes([number % 100, stem + 1] * 16_000 * 4))


if __name__ == "__main__":
    main()
