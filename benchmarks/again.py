"""What a session costs the second time, when scores are kept: prints JSON.

One process with one score cache analyses a song cold, unchanged, with one stem bounced again (its
sound differs from the first to the last sample), with one fader moved, and grown by a few seconds.
The stem is the one that sounds in most segments: nothing costs more to replace.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.songs import song
from stemlens import Options, Session, analyze, tagging
from stemlens.scorecache import ScoreCache

GROWN_S = 6.0  # two more segments


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio file that is written back as it was read: `[samples, channels]`."""

    samples: NDArray[np.float64]
    rate: int
    subtype: str

    @classmethod
    def read(cls, path: Path) -> Sound:
        samples, rate = soundfile.read(path, always_2d=True)
        return cls(samples, rate, soundfile.info(path).subtype)

    def write(self, path: Path) -> None:
        soundfile.write(path, self.samples, self.rate, subtype=self.subtype)


def main(key: str) -> None:
    """Prints seconds, taggings and scores recalled of each analysis."""
    found = song(key)
    tagger = tagging.load(found.tagger, "cpu")
    options = Options(tagger=found.tagger, session_loudness="off")
    with tempfile.TemporaryDirectory() as place, ScoreCache(Path(place) / "scores") as kept:
        folder = Path(place) / "stems"
        shutil.copytree(found.folder, folder)
        measured: dict[str, dict[str, float]] = {}

        def once(name: str, session: Session) -> list[float]:
            started = time.perf_counter()
            done = analyze(session, options, tagger=tagger, kept=kept)
            measured[name] = {
                "seconds": time.perf_counter() - started,
                "tagging_s": done.timings_s["tag"],
                "tagged": done.tagged,
                "recalled": done.recalled,
            }
            return list(done.opened.game.sounding.mean(axis=0))

        session = Session.read(folder)
        sounding = once("cold", session)
        once("the same again", session)
        most = int(np.argmax(sounding))
        stem = session.stems[most]
        sound = Sound.read(stem.path)
        replace(sound, samples=np.tanh(1.2 * sound.samples)).write(stem.path)
        once("one stem bounced again", session)
        sound.write(stem.path)
        moved = replace(stem, gain_db=-3.0)
        stems = (*session.stems[:most], moved, *session.stems[most + 1 :])
        once("one fader moved by 3 dB", replace(session, stems=stems))
        for one in session.stems:
            sound = Sound.read(one.path)
            more = sound.samples[: round(GROWN_S * sound.rate)]
            replace(sound, samples=np.concatenate([sound.samples, more])).write(one.path)
        once(f"grown by {GROWN_S:.0f} s", session)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
