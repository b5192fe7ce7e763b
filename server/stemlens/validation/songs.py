"""A real song as material: LMMS bounces one that comes with it, one file a track.

It is rendered on first use, which takes minutes, and kept in the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.folders import cache_folder

PROJECTS = Path("/usr/share/lmms/projects")
SONG = PROJECTS / "demos" / "CapDan" / "CapDan-ReggaeTry.mmpz"
RENDER_LIMIT_S = 1500  # 24 tracks of 276 s, rendered one after the other on a busy machine


def lmms_song(on_progress: Callable[[str, float], None]) -> Path:
    """The folder with the nine stems of `SONG`; raises `extra_missing` where LMMS is not installed,
    `bounce_failed` where it fails each time."""
    place = cache_folder() / "songs" / SONG.stem
    if place.exists():
        return place
    if not shutil.which("lmms") or not SONG.exists():
        raise StemlensError(
            "extra_missing",
            "LMMS or its songs are not installed. Install LMMS, or leave out --songs.",
        )
    on_progress("LMMS is rendering", 0.0)
    part = place.with_name(f"{place.name}.part")
    try:
        bounce(SONG, part)
    except (subprocess.SubprocessError, OSError) as error:
        raise StemlensError(
            "bounce_failed", f"LMMS did not render {SONG.stem}: {error}. Leave out --songs."
        ) from error
    part.rename(place)
    on_progress("LMMS is rendering", 1.0)
    return place


def bounce(project: Path, folder: Path) -> None:
    """Has LMMS render each track of a song into a folder, which is made anew.

    LMMS 1.2 crashes now and then while it renders, on its own demo songs too; then it is asked
    again. Raises CalledProcessError when it crashes every time.
    """
    command = ["lmms", "--allowroot", "rendertracks", str(project), "-o", str(folder), "-f", "wav"]
    for last in (False, False, False, True):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        done = subprocess.run(
            command,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            timeout=RENDER_LIMIT_S,
            check=last,
        )
        if done.returncode == 0:
            return
