"""Which sizes of pieces a machine likes best: found out once, in about a second, and remembered.

How many segments, windows or frames are best computed together depends on a core's caches and on
the kernels that torch's libraries have for it. Where no candidate is clearly better, the first one
is taken, so that noise decides nothing. The answer is kept in the user's cache folder, for this
processor, number of cores, torch, version of ours and network; a file that cannot be read or
written only means that the second is spent again.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import platformdirs
import torch

import stemlens

BETTER = 0.95  # of the first candidate's time is what another must not exceed


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting: what it may be, what is usually best first, and the work that is timed."""

    candidates: tuple[int, ...]
    run: Callable[[int], object]


def settings(
    network: str,
    trials: Mapping[str, Trial],
    measure: Callable[[Trial], int],
    file: Path | None = None,
) -> dict[str, int]:
    """The best of each trial's candidates, as remembered in `file` or else as `measure`d."""
    file = file or Path(platformdirs.user_cache_dir("stemlens")) / "calibration.json"
    versions = f"torch {torch.__version__}, stemlens {stemlens.__version__}"
    key = f"{network}: {_processor()}, {torch.get_num_threads()} cores, {versions}"
    every = _read(file)
    known = every.get(key)
    if (
        isinstance(known, dict)
        and known.keys() == trials.keys()
        and all(known[name] in trial.candidates for name, trial in trials.items())
    ):
        return known
    found = {name: measure(trial) for name, trial in trials.items()}
    _write(file, every | {key: found})
    return found


def fastest(trial: Trial, seconds: float, clock: Callable[[], float] = time.thread_time) -> int:
    """The candidate with the shortest run, if it is clearly shorter than the first one's.

    Candidates take turns for `seconds` of the clock (of this thread's own work, unless told
    otherwise), at least three times, and the first time does not count.
    """
    shortest = dict.fromkeys(trial.candidates, float("inf"))
    started, turns = clock(), 0
    while turns < 3 or clock() - started < seconds:
        for candidate in trial.candidates:
            before = clock()
            trial.run(candidate)
            if turns:
                shortest[candidate] = min(shortest[candidate], clock() - before)
        turns += 1
    first = trial.candidates[0]
    best = min(shortest, key=lambda candidate: shortest[candidate])
    return best if shortest[best] <= BETTER * shortest[first] else first


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        read = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(read, dict):
            return read
    return {}


def _write(file: Path, content: dict[str, Any]) -> None:
    """Puts a whole file in the place of the old one, or does nothing."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=file.name, delete=False
        ) as new:
            json.dump(content, new, indent=1)
        os.replace(new.name, file)
