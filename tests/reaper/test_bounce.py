"""What REAPER rendered is looked at before it is submitted."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper import bounce
from stemlens_bridge.session import Session, Stem

RATE = 8_000


def session(folder: Path, *names: str, mix: Path | None = None) -> Session:
    stems = tuple(Stem(f"{{{name}}}", name, folder / f"{name}.wav") for name in names)
    return Session("Song", "REAPER", stems, mix)


def write(path: Path, samples: np.ndarray, subtype: str = "FLOAT", when: str | None = None) -> None:
    """A WAV file, with a chunk in front that says when it was rendered (as BWF does)."""
    soundfile.write(path, samples.astype(np.float32), RATE, subtype=subtype)
    if when:
        data = path.read_bytes()
        chunk = b"bext" + struct.pack("<I", len(when)) + when.encode()
        whole = data[:12] + chunk + data[12:]
        path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.RandomState(1).uniform(-0.5, 0.5, (RATE * 20, 2))


def test_different_stems_pass(tmp_path: Path, noise: np.ndarray) -> None:
    late = noise.copy()
    late[-1] += 0.25  # alike but for the very last sample
    write(tmp_path / "a.wav", noise)
    write(tmp_path / "b.wav", late)
    write(tmp_path / "c.wav", noise[:-1])
    assert bounce.check(session(tmp_path, "a", "b", "c")) == []


def test_the_same_sound_twice_is_refused_by_name_whatever_the_headers_say(
    tmp_path: Path, noise: np.ndarray
) -> None:
    write(tmp_path / "Kick.wav", noise, when="2026-01-01T10:00:01Z")
    write(tmp_path / "Bass.wav", noise / 2)
    write(tmp_path / "Vox.wav", noise, when="2026-01-01T10:00:09Z")
    with pytest.raises(StemlensError, match="Kick and Vox") as caught:
        bounce.check(session(tmp_path, "Kick", "Bass", "Vox"))
    assert caught.value.code == "bounce_failed"


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_silent_stems_are_alike_and_only_told(
    tmp_path: Path, noise: np.ndarray, subtype: str
) -> None:
    for name in ("Pad", "Choir"):
        write(tmp_path / f"{name}.wav", 0 * noise, subtype)  # zeros of either sign
    write(tmp_path / "Bass.wav", noise, subtype)
    ((code, sentence),) = bounce.check(session(tmp_path, "Pad", "Bass", "Choir"))
    assert code == "silent_stems" and "Pad, Choir" in sentence


def test_what_was_not_written_is_named(tmp_path: Path, noise: np.ndarray) -> None:
    write(tmp_path / "a.wav", noise)
    wanted = session(tmp_path, "a", "b", mix=tmp_path / "master.wav")
    with pytest.raises(StemlensError, match=r"2 of 3 files: b\.wav, master\.wav") as caught:
        bounce.check(wanted)
    assert caught.value.code == "bounce_failed"


def test_files_that_are_no_wav_are_compared_whole(tmp_path: Path) -> None:
    for name, content in (
        ("a", b"fLaC 1"),
        ("b", b"fLaC 2"),
        ("c", b"RIFF\0\0\0\0WAVE"),
        ("d", b""),
    ):
        (tmp_path / f"{name}.wav").write_bytes(content)
    assert bounce.check(session(tmp_path, "a", "b", "c", "d")) == []
    (tmp_path / "b.wav").write_bytes(b"fLaC 1")
    with pytest.raises(StemlensError, match="a and b"):
        bounce.check(session(tmp_path, "a", "b", "c", "d"))


def test_a_long_file_says_its_size_elsewhere(tmp_path: Path, noise: np.ndarray) -> None:
    """RF64: the size in the data chunk is all ones, the true one is in the chunk ds64."""
    for name, tail in (("a", b"x"), ("b", b"y")):
        samples = (noise * 32_767).astype("<i2").tobytes()
        form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, RATE, 4 * RATE, 4, 16)
        sizes = b"ds64" + struct.pack("<IQQQI", 28, 0, len(samples), len(noise), 0)
        head = b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + form + b"data" + b"\xff" * 4
        (tmp_path / f"{name}.wav").write_bytes(head + samples + b"LIST\1\0\0\0" + tail)
    with pytest.raises(StemlensError, match="a and b"):
        bounce.check(session(tmp_path, "a", "b"))
