"""When an export is finished."""

from __future__ import annotations

import os
import struct
import wave
from pathlib import Path

import pytest

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.stemfolder import Settling, complete


def wav(path: Path, samples: int = 100) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(2 * samples))
    return path


def test_an_export_is_finished_when_it_has_been_quiet_for_a_while(tmp_path: Path) -> None:
    settling = Settling(tmp_path, settle_s=2.0)
    assert settling.look(0.0) is None
    first = wav(tmp_path / "1 Bass.wav")
    assert settling.look(1.0) is None
    assert settling.look(2.9) is None
    second = wav(tmp_path / "2 Pad.wav")
    assert settling.look(3.1) is None, "another file came"
    assert settling.look(5.0) is None
    assert settling.look(5.2) == [first, second]


def test_a_file_whose_header_announces_more_is_waited_for(tmp_path: Path) -> None:
    path = wav(tmp_path / "Bass.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    settling = Settling(tmp_path, settle_s=1.0)
    assert settling.look(0.0) is None and settling.look(9.0) is None
    path.write_bytes(whole)
    assert settling.look(10.0) is None and settling.look(11.0) == [path]


def test_a_former_export_in_the_folder_is_not_taken(tmp_path: Path) -> None:
    old = wav(tmp_path / "Bass.wav")
    os.utime(old, (1000, 1000))
    settling = Settling(tmp_path, settle_s=1.0, since_s=2000.0)
    assert settling.look(0.0) is None and settling.look(5.0) is None
    os.utime(old, (3000, 3000))
    assert settling.look(6.0) is None and settling.look(7.0) == [old]


@pytest.mark.parametrize(
    ("head", "finished"),
    [
        (b"RIFF" + struct.pack("<I", 0) + b"WAVE", False),
        (b"RIFF" + struct.pack("<I", 4) + b"WAVE", True),
        (b"RIFF\xff\xff\xff\xffWAVE", True),
        (b"FORM" + struct.pack(">I", 100) + b"AIFF", False),
        (b"fLaC" + bytes(20), True),
        (b"RIFF", False),
    ],
)
def test_headers(tmp_path: Path, head: bytes, finished: bool) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(head)
    assert complete(path) is finished


def test_a_folder_that_vanishes_is_told(tmp_path: Path) -> None:
    with pytest.raises(StemlensError, match="no folder"):
        Settling(tmp_path / "gone").look(0.0)


def test_a_folder_that_cannot_be_read_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "export.wav").touch()
    with pytest.raises(StemlensError) as caught:
        Settling(tmp_path / "export.wav").look(0.0)
    assert caught.value.code == "audio_unreadable"
