"""Samples are found in every kind of WAV file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemlens_bridge import wavefile


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize(
    ("subtype", "width", "kind"),
    [("PCM_16", 2, wavefile.PCM), ("PCM_24", 3, wavefile.PCM), ("FLOAT", 4, wavefile.FLOAT)],
)
def test_samples(tmp_path: Path, form: str, subtype: str, width: int, kind: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-1, 1, 200).reshape(100, 2), 48_000, subtype, format=form)
    with path.open("rb") as file:
        found = wavefile.samples(file)
    assert found is not None
    assert (found.size, found.width, found.kind) == (200 * width, width, kind)
    assert (found.channels, found.rate, found.frames) == (2, 48_000, 100)
    assert found.start + found.size <= path.stat().st_size


def test_a_file_that_was_cut_short_has_what_is_there() -> None:
    head = b"RIFF" + struct.pack("<I", 1000) + b"WAVE"
    form = b"fmt " + struct.pack("<IHHIIHH", 16, wavefile.PCM, 1, 48_000, 96_000, 2, 16)
    data = b"data" + struct.pack("<I", 900) + bytes(10)
    assert wavefile.samples(io.BytesIO(head + form + data)) == wavefile.Samples(
        44, 10, 2, 1, 1, 48_000
    )
    assert wavefile.samples(io.BytesIO(head + form)) is None
    assert wavefile.samples(io.BytesIO(b"fLaC")) is None
