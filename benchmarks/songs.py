"""The sessions that are measured: the demo, songs that LMMS bounces, and synthetic ones.

LMMS's own songs come with LMMS and are bounced by it, one file a track, like any user's export.
They and the synthetic sessions are rendered on first use and kept under `build/bench`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import synthetic
from stemlens.validation.songs import PROJECTS, bounce
from stemlens.validation.songs import SONG as LMMS_SONG

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "bench"


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
