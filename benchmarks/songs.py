"""The sessions that are measured: the demo, songs that LMMS bounces, and synthetic ones.

LMMS's own songs come with LMMS and are bounced by it, one file a track, like any user's export.
They and the synthetic sessions are rendered on first use and kept under `build/bench`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import synthetic

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "bench"
PROJECTS = Path("/usr/share/lmms/projects")
LMMS_SONG = PROJECTS / "demos" / "CapDan" / "CapDan-ReggaeTry.mmpz"
RENDER_LIMIT_S = 1500  # 24 tracks of 276 s, rendered one after the other on a busy machine


@dataclass(frozen=True, slots=True)
class Song:
    """A session that can be had here.

    key: its name on the command line; name: what the page calls it; tagger: what it is heard by;
    place: where its stems are, or will be once `render` has filled that folder.
    """

    key: str
    name: str
    tagger: str
    place: Path
    render: Callable[[Path], None] | None = None

    @property
    def folder(self) -> Path:
        """The folder with its stems, which are rendered where they are not there yet."""
        if self.render is not None and not self.place.exists():
            part = self.place.with_name(f"{self.place.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            self.render(part)
            part.rename(self.place)
        return self.place


def songs() -> list[Song]:
    """All that can be had here, in the order of their stems; LMMS's where LMMS is, or was."""
    found = [Song("demo", "demo session", "msd-musicnn", ROOT / "examples" / "demo")]
    for project, tagger in (
        (LMMS_SONG, "mtt-musicnn"),
        (PROJECTS / "demos" / "Thomasso-AxeFromThe80s.mmpz", "msd-musicnn"),
        (PROJECTS / "shorties" / "DirtyLove.mmpz", "msd-musicnn"),
        (PROJECTS / "demos" / "TameAnderson-MakeMe.mmpz", "msd-musicnn"),
    ):
        name, place = project.stem, CACHE / project.stem
        if place.exists() or (shutil.which("lmms") and project.exists()):
            found.append(Song(name, name, tagger, place, partial(bounce, project)))
    for stems in (48, 100):
        key, name = f"synthetic-{stems}", f"synthetic, {stems} stems"
        render = partial(synthetic.render, stems=stems)
        found.append(Song(key, name, "msd-musicnn", CACHE / key, render))
    return found


def song(key: str) -> Song:
    """The song of that key; raises SystemExit, naming those there are, for any other."""
    known = {one.key: one for one in songs()}
    if key not in known:
        raise SystemExit(f"There is no song {key!r} here; there are {', '.join(known)}.")
    return known[key]


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
