"""Separators that do to a worker what real ones can: installed as another package's, by entry
points, in a folder that a server's environment names."""

from __future__ import annotations

import os
from pathlib import Path

CODE = """
import ctypes
import time

import numpy as np
from scipy.signal import butter, sosfilt


class Bad:
    stems, rate = ("drums", "bass"), 8000

    def __init__(self, device, words=""):
        self.name = words

    def separate(self, samples, rate, on_progress=lambda fraction: None):
        on_progress(0.1)
        if self.name == "hungry":
            return {"drums": np.ones(10**12, np.float32)}
        if self.name == "hung":
            time.sleep(3600)
        if self.name == "crash":
            ctypes.string_at(0)
        if self.name == "apart":
            low = sosfilt(butter(8, 400, fs=rate, output="sos"), samples, axis=0)
            low = low.astype(np.float32)
            return {"drums": samples - low, "bass": low}
        return {"drums": samples * 0.5, "bass": samples * 0.5}
"""


def environment(folder: Path) -> dict[str, str]:
    """Installs them below a folder as `bad:hungry`, `bad:hung`, `bad:crash`, `bad:good` and
    `bad:apart`; returns the environment of a server that finds them."""
    about = folder / "bad-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "bad_separators.py").write_text(CODE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[stemlens.separation]\nbad = bad_separators:Bad\n")
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([known] if known else [])])}
