"""Photographs an Ardour whose tracks Stemlens has annotated: the picture of `docs/ardour.md`.

Makes a session of the demo's stems, has it analysed by a server of its own, writes comments,
markers and colours into it, opens it in Ardour on a display that nobody sees, opens the comments of
one track and takes the picture.

    python examples/ardour_picture.py docs/ardour.png

Needs, beside Stemlens: ardour, xvfb, xdotool and imagemagick (Debian's names).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import soundfile  # noqa: E402
from support.ardour import (  # noqa: E402
    ArdourWindow,
    Made,
    bridge,
    environment,
    make_session,
    window_settings,
)
from support.server import ServerProcess  # noqa: E402

TRACKS = ("Drums", "Bass", "Guitar", "Keys", "Pad")
SIZE = "1500x900"
MIXER_STRIP = "Editor/show-editor-mixer"
CROP = "1350x722+0+0"
TRACK, COMMENTS = (150, 344), (55, 700)  # where the first track's name is, and its comments
COMMENT_WINDOW, BESIDE = "comment", (905, 455)  # part of its title; where it hides little


def main(target: Path) -> None:
    """Takes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ.update(environment(home))
        made = []
        for name in TRACKS:
            file = ROOT / "examples" / "demo" / f"{name.lower()}.flac"
            samples, rate = soundfile.read(file, dtype="float32")
            made.append(Made(name, samples))
        seconds = len(samples) / rate
        session = make_session(Path(folder) / "Demo", made, home, rate, seconds)
        with ServerProcess(Path(folder) / "server") as server:
            address = f"127.0.0.1:{server.port}"
            bridge(session, "--server", address, "--annotate", "comments,markers,color")
        window_settings(home, rate)
        with ArdourWindow(session, home, SIZE) as ardour:
            photograph(ardour, target)


def photograph(ardour: ArdourWindow, target: Path) -> None:
    """Opens the comments of the first track and takes the picture."""
    display = ardour.display()

    def pointed(*words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=display, check=True)
        time.sleep(1.0)

    time.sleep(2.0)
    ardour.osc.send([("/zoom_to_session", ())])
    ardour.action(MIXER_STRIP)
    time.sleep(3.0)
    for place in (TRACK, COMMENTS):
        pointed("mousemove", *place, "click", 1)
    pointed("search", "--sync", "--name", COMMENT_WINDOW, "windowmove", *BESIDE)
    pointed("mousemove", 900, 650)
    picture = ["import", "-window", "root", "-crop", CROP, "-strip", str(target)]
    subprocess.run(picture, env=display, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
