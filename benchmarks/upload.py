"""How fast a session's files go to a server over HTTP, on this machine.

`python -m benchmarks.upload [MB] [ROUNDS]` prints JSON: MB/s (10⁶ bytes) of whole uploads, with the
hashing before and the check and fsync after; beside it what a plain copy of the same files with
fsync reaches, and how long the same session takes when the server has it already.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.serving import serving
from stemlens_bridge.client import Client
from stemlens_bridge.session import Session, Stem
from stemlens_bridge.upload import upload

FILES = 8


def session(folder: Path, size: int) -> Session:
    """Files of noise, which nothing can make smaller; never the same twice."""
    folder.mkdir()
    stems = []
    for number in range(FILES):
        path = folder / f"{number}.wav"
        path.write_bytes(os.urandom(size // FILES))
        stems.append(Stem(path.stem, path.stem, path))
    return Session("upload", "", tuple(stems))


def copied_s(files: Session, to: Path) -> float:
    """How long a copy to the same disk takes, until it is safe there."""
    to.mkdir()
    began = time.perf_counter()
    for stem in files.stems:
        copy = shutil.copyfile(stem.path, to / stem.path.name)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
    took_s = time.perf_counter() - began
    shutil.rmtree(to)
    return took_s


def main(megabytes: int, rounds: int) -> None:
    speeds, copies, again = [], [], []
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "data") as running:
        with Client(running.address) as client:
            while client.health()["panel"] is None:
                time.sleep(0.1)
        for number in range(rounds):
            files = session(Path(name) / str(number), megabytes * 10**6)
            copies.append(megabytes / copied_s(files, Path(name) / "copy"))
            began = time.perf_counter()
            upload(files, running.address)
            speeds.append(megabytes / (time.perf_counter() - began))
            began = time.perf_counter()
            upload(files, running.address)
            again.append(time.perf_counter() - began)
            shutil.rmtree(Path(name) / str(number))
    found = {
        "megabytes": megabytes,
        "files": FILES,
        "rounds": rounds,
        "mb_per_s": median(speeds),
        "slowest_mb_per_s": min(speeds),
        "copy_mb_per_s": median(copies),
        "again_s": median(again),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [800, 5][len(numbers) :]))
