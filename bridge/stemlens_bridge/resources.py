"""Where the files are that come with the program and are not code: presets and DAW scripts.

In an installed wheel they lie inside this package. An editable install does not put them there, so
in a checkout they are found beside the source roots.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("presets", "reaper_scripts")
PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of that name; raises FileNotFoundError where the installation lacks it."""
    if name not in NAMES:
        raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
    for place in (PACKAGE / name, PACKAGE.parents[1] / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"this installation of Stemlens lacks its folder {name}")
