"""The sessions that are measured: the demo, and a song that LMMS bounces."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "bench"
LMMS_SONG = Path("/usr/share/lmms/projects/demos/CapDan/CapDan-ReggaeTry.mmpz")


@dataclass(frozen=True, slots=True)
class Song:
    """A session by name, and the tagger it is heard by."""

    name: str
    folder: Path
    tagger: str


def songs() -> list[Song]:
    """All that can be had here; LMMS's song only where LMMS is installed."""
    found = [Song("demo session", ROOT / "examples" / "demo", "msd-musicnn")]
    if shutil.which("lmms") and LMMS_SONG.exists():
        found.append(Song("LMMS, CapDan-ReggaeTry", bounced(), "mtt-musicnn"))
    return found


def bounced() -> Path:
    """The stems of LMMS's song, rendered once and kept."""
    folder = CACHE / "CapDan-ReggaeTry"
    if not folder.exists():
        rendering = folder.with_name("rendering")
        bounce(LMMS_SONG, rendering)
        rendering.rename(folder)
    return folder


def bounce(song: Path, folder: Path) -> None:
    """Has LMMS render each track of a song into a folder, which is made anew.

    LMMS 1.2 crashes now and then while it renders, on its own demo songs too; then it is asked
    again. Raises CalledProcessError when it crashes every time.
    """
    command = ["lmms", "--allowroot", "rendertracks", str(song), "-o", str(folder), "-f", "wav"]
    for last in (False, False, False, True):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        done = subprocess.run(
            command,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            timeout=120,
            check=last,
        )
        if done.returncode == 0:
            return
