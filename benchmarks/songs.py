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
        shutil.rmtree(rendering, ignore_errors=True)
        rendering.mkdir(parents=True)
        subprocess.run(
            ["lmms", "--allowroot", "rendertracks", LMMS_SONG, "-o", rendering, "-f", "wav"],
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            check=True,
            capture_output=True,
        )
        rendering.rename(folder)
    return folder
