"""Sessions that are dropped into a watched folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from support.sounds import stem_folder

from stemlens.service.watch import results
from stemlens.service.watch.archive import unpack
from stemlens.service.watch.candidates import by_prefix, candidates
from stemlens.service.watch.readiness import Readiness, open_for_writing
from stemlens.service.watch.results import Target
from stemlens_bridge.errors import StemlensError


def songs(*names: str) -> dict[str, list[str]]:
    found = by_prefix([Path(f"{name}.wav") for name in names])
    return {song: [path.stem for path in files] for song, files in found.items()}


def test_songs_dropped_at_once_are_told_apart_by_what_begins_their_names() -> None:
    two = songs("A - Bass", "A - Pad", "B - Bass", "B - Pad", "B", "lone")
    assert {song: len(files) for song, files in two.items()} == {"A": 2, "B": 3, "lone": 1}
    assert set(songs("My Song Bass", "My Song Pad", "My Tune Bass", "My Tune Pad")) == {
        "My Song",
        "My Tune",
    }
    assert set(songs("Hit Lead Vox", "Hit Back Vox", "Hit Drums")) == {"Hit"}
    assert set(songs("01 First", "02 Second")) == {"01 First", "02 Second"}, "numbers are no song"


def test_only_regular_files_inside_the_folder_are_looked_at(tmp_path: Path) -> None:
    outside = stem_folder(tmp_path / "outside", seconds=0.1, stems=2)
    root = tmp_path / "root"
    song = stem_folder(root / "Söng 歌", seconds=0.1, stems=2)
    (root / "away").symlink_to(outside)
    (song / "linked.wav").symlink_to(next(outside.glob("*.wav")))
    (song / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(song / "pipe.wav")
    for name in ("._Bass.wav", "Bass.wav.asd", "Bass.wav.reapeaks", "~Bass.wav", "Bass.tmp.wav"):
        (song / name).write_bytes(b"x")
    (found,) = candidates(root)
    assert (found.place, found.kind, len(found.files)) == (song, "folder", 2)
    (song / "Pad.wav.crdownload").touch()
    assert [bool(one.partial) for one in candidates(root)] == [True]


def test_a_session_is_taken_when_it_is_quiet_whole_and_closed(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "root" / "song", seconds=0.1, stems=2)
    path = next(folder.glob("*.wav"))
    ready = Readiness(2.0)

    def look(now_s: float) -> int:
        return len(ready.look(candidates(tmp_path / "root"), now_s))

    assert (look(0.0), look(1.9)) == (0, 0)
    with path.open("r+b"):
        assert str(path) in open_for_writing() or sys.platform != "linux"
        assert look(2.1) == 0 or sys.platform != "linux"
    assert look(2.2) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert (look(3.0), look(9.0)) == (0, 0), "its header announces more"
    path.write_bytes(whole)
    assert (look(10.0), look(12.1)) == (0, 1)


@pytest.mark.parametrize("name", ["../out.wav", "/out.wav", "C:\\out.wav", "a/../../out.wav"])
def test_nothing_leads_out_of_a_zip(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(name, b"x")
    with pytest.raises(StemlensError, match="leads out"):
        unpack(path, tmp_path / "data" / "bad", threading.Event())
    assert not list(tmp_path.rglob("out.wav"))


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlens.service.watch.archive.SMALL", 100_000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.wav", bytes(10_000_000))
    with pytest.raises(StemlensError, match="far more"):
        unpack(path, tmp_path / "data" / "bomb", threading.Event())
    assert not list((tmp_path / "data").iterdir())


def test_a_file_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.error.write_text("my notes")
    with pytest.raises(StemlensError, match="left alone"):
        results.write_error(target, StemlensError("internal", "x"))
    assert target.error.read_text() == "my notes"


@pytest.mark.usefixtures("real_weights")
def test_what_is_dropped_is_analysed_once_and_told_beside_the_audio(tmp_path: Path) -> None:
    """And by a second server only what is new, also in a folder that is made anew."""
    root = tmp_path / "root"
    song = stem_folder(root / "song", seconds=3.2, stems=2)
    with zipfile.ZipFile(root / "packed.zip", "w") as made:
        for path in song.glob("*.wav"):
            made.write(path, path.name)
    (root / "broken").mkdir()
    (root / "broken" / "Bass.wav").write_bytes(b"this is no audio at all")
    command = [sys.executable, "-m", "stemlens", "watch", str(root), "--port", "0"]
    command += ["--data", str(tmp_path / "data"), "--device", "cpu", "--settle-s", "0.5"]

    done = subprocess.run([*command, "--once"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    told = done.stdout.splitlines()
    assert {line.split()[0] for line in told} >= {"found", "started", "done", "failed"}, told
    found = json.loads((song / "stemlens.json").read_text())
    assert len(found["session"]["stems"]) == 2 and found["watched"]["content"]
    assert (song / "stemlens.mid").exists() and (song / "stemlens.txt").exists()
    assert "data-clip" in (song / "stemlens.html").read_text(), "and it can be heard"
    assert (root / "packed stemlens.json").exists()
    assert (root / "broken" / "stemlens-error.txt").exists()

    shutil.move(song, root / "renamed")  # nothing has changed but a name and no content
    stem_folder(root / "new", seconds=3.3, stems=2)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            tells(server, "new")
            shutil.rmtree(root)  # the watched folder itself
            stem_folder(root / "anew", seconds=3.4, stems=2)
            tells(server, "anew")
        finally:
            server.terminate()


def tells(server: subprocess.Popen[str], name: str) -> None:
    """Nothing but what becomes of this session."""
    assert server.stdout is not None
    for what in ("found", "started", "done"):
        assert server.stdout.readline().split()[:2] == [what, name]
