"""What the watch desk does with folders that behave as folders do: renamed, replaced, full, remote,
with names of any kind."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
import socket
import sys
import threading
import time
import unicodedata
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.sounds import stem_folder
from support.watching import Watching

from stemlens.service.freezing import freeze
from stemlens.service.store import JobFile
from stemlens.service.watch import desk, folder, page_process, results
from stemlens.service.watch.candidates import by_prefix, candidates
from stemlens.service.watch.readiness import ABANDONED_S, STALLED_S, Readiness
from stemlens.service.watch.results import Target
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Error, JobState, Warning_
from stemlens_bridge.session import FILE_NAME
from stemlens_bridge.writing import written

HAVE_MADE = results._have_made


def page_made_here(page: Path, saved: Path, folders: Sequence[Path]) -> None:
    page_process.make(str(saved), str(page), results.PAGE_MB, [str(folder) for folder in folders])


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are made in this process, which need not be started for each."""
    monkeypatch.setattr(results, "_have_made", page_made_here)
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(desk, "REWRITE_S", 0.0)
    monkeypatch.setattr(folder, "POLL_S", 0.05)


def song(place: Path, seconds: float = 0.1) -> Path:
    return stem_folder(place, seconds=seconds, stems=2)


def watched(
    test: Callable[[Watching], Awaitable[None]], data: Path, *roots: Path, **settings: Any
) -> Watching:
    async def run() -> Watching:
        async with Watching(data, *roots, **settings) as watching:
            await test(watching)
        return watching

    for root in roots:
        root.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run())


# ---------------------------------------------------------------------- hearing of changes


async def come_and_go(watching: Watching, root: Path) -> None:
    """A session comes, is replaced, its folder goes with all that is in it, and comes again."""
    for seconds in (0.1, 0.2):
        song(root / "song", seconds)
        await watching.until(lambda: (root / "song" / "stemlens.json").exists())
        done = watching.count("done")
        song(root / "song", seconds + 0.05)
        await watching.until(lambda done=done: watching.count("done") > done)  # type: ignore[misc]
        shutil.rmtree(root)
        await watching.looks()
    assert len(watching.analysed) == 4 and watching.count("failed") == 0


@pytest.mark.parametrize("polling", [False, True])
def test_a_folder_that_goes_and_comes_again_is_watched(tmp_path: Path, polling: bool) -> None:
    root = tmp_path / "root"
    watched(
        lambda watching: come_and_go(watching, root), tmp_path / "d", root, watch_polling=polling
    )


class Unable(folder.Observer):  # type: ignore[misc, valid-type]
    """There are no watches left."""

    def schedule(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


class Deaf(folder.Observer):  # type: ignore[misc, valid-type]
    """As on a network drive: nothing is wrong, and nothing is told."""

    def schedule(self, *_: object, **__: object) -> None:  # type: ignore[override]
        return


def no_instances() -> None:
    raise OSError(errno.EMFILE, "inotify instance limit reached")


@pytest.mark.parametrize("observer", [Unable, no_instances, Deaf])
def test_where_the_system_does_not_tell_folders_are_looked_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    observer: Callable[[], object],
) -> None:
    monkeypatch.setattr(folder, "Observer", observer)
    monkeypatch.setattr(folder, "RESCAN_S", 0.3)
    monkeypatch.setattr(desk, "LATE_S", 0.1)
    root = tmp_path / "root"

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.desk.looks)
        await asyncio.sleep(0.05)  # it waits to be told now
        song(root / "song")
        await watching.until(lambda: watching.count("done"))

    with caplog.at_level(logging.WARNING):
        watched(test, tmp_path / "data", root)
    told = [record.message for record in caplog.records]
    assert sum("looking each second" in message for message in told) == 1, told


def test_what_is_heard_of_is_not_looked_for_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folder, "RESCAN_S", 0.2)
    root = tmp_path / "root"

    async def test(watching: Watching) -> None:
        for number in range(4):
            song(root / str(number), 0.1 + 0.01 * number)
            await watching.until(lambda number=number: watching.count("done") > number)  # type: ignore[misc]
            await asyncio.sleep(0.25)

    with caplog.at_level(logging.WARNING):
        watched(test, tmp_path / "data", root)
    assert not caplog.records


# ------------------------------------------------------------------------------- renaming


def test_a_storm_of_renames_ends_in_one_job(tmp_path: Path) -> None:
    root = tmp_path / "root"
    before = song(root / "song")

    def storm() -> None:
        place = before
        for number in range(300):
            (file,) = (path for path in place.iterdir() if path.name.startswith("k"))
            file.rename(place / f"kick{number}.wav")
            place = place.rename(root / f"song {number}")
            time.sleep(0.003)
        song(place, 0.2)
        (place / "kick299.wav").unlink()

    async def test(watching: Watching) -> None:
        await asyncio.to_thread(storm)
        await watching.until(lambda: watching.count("done"))
        await asyncio.sleep(0.3)
        await watching.looks()

    watching = watched(test, tmp_path / "data", root, settle_s=0.6)
    place = root / "song 299"
    assert watching.analysed == [[place / "chord.wav", place / "kick.wav"]]
    assert os.listdir(root) == ["song 299"], "no folder was made anew"
    assert watching.count("failed") == 0


def test_what_is_renamed_while_it_waits_is_done_under_its_new_name(tmp_path: Path) -> None:
    root = tmp_path / "root"
    song(root / "before")

    async def test(watching: Watching) -> None:
        watching.held = True
        await watching.until(lambda: watching.count("found"))
        (root / "before").rename(root / "after")
        await asyncio.sleep(0.2)
        await watching.looks()
        watching.held = False
        watching.release()
        await watching.until(lambda: watching.count("done"))

    watching = watched(test, tmp_path / "data", root)
    assert len(watching.analysed) == 1 and watching.count("failed") == 0
    with pytest.raises(StemlensError, match="No such file"):
        results.write_error(Target(root / "before"), StemlensError("internal", "x"))
    assert os.listdir(root) == ["after"], "no folder was made anew"
    assert sorted(os.listdir(root / "after")) == [
        *("chord.wav", "kick.wav", "stemlens.html", "stemlens.json", "stemlens.mid", "stemlens.txt")
    ]


# ---------------------------------------------------------------------------- the output


def test_results_of_folders_of_one_name_lie_apart_and_are_no_sessions(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "Stems", tmp_path / "two" / "stems"
    for root, seconds in ((one, 0.1), (two, 0.2)):
        song(root / "song", seconds)
    out = one / "out"
    song(out / "not a session")

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("done") == 2)
        await watching.looks()

    watching = watched(test, tmp_path / "data", one, two, watch_output=out)
    assert len(watching.analysed) == 2
    written = sorted(path.parent for path in out.rglob("stemlens.json"))
    assert len(written) == 2 and all(path.name == "song" for path in written)
    assert [path.parent.name[:6].casefold() for path in written] == ["stems-", "stems-"]
    assert not list(one.glob("song/stemlens*"))


def test_what_lies_in_the_servers_own_folder_is_no_session(tmp_path: Path) -> None:
    root = tmp_path / "root"
    song(root / "song")
    song(root / "data" / "separated" / "0123")

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("done"))
        await watching.looks()

    assert len(watched(test, root / "data", root).analysed) == 1


def test_folders_that_lie_in_each_other_are_watched_once(tmp_path: Path) -> None:
    root, inner = tmp_path / "root", tmp_path / "root" / "inner"
    song(inner / "song")
    stem = song(tmp_path / "x") / "kick.wav"
    inner.joinpath("A - kick.wav").write_bytes(stem.read_bytes())
    (tmp_path / "link").symlink_to(inner)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("done") == 2)
        await watching.looks()

    roots = (root, inner, tmp_path / "link")
    watching = watched(test, tmp_path / "data", *roots)
    assert sorted(map(len, watching.analysed)) == [1, 2]


def test_files_of_one_name_have_results_of_their_own(tmp_path: Path) -> None:
    sound = (song(tmp_path / "x") / "kick.wav").read_bytes()
    root = tmp_path / "root"
    root.mkdir()
    for name in ("A.wav", "A.wave", "A.zip", "a.ZIP", "B.zip"):
        (root / name).write_bytes(sound)
    found = list(candidates(root))
    assert sorted(one.prefix for one in found) == ["A", "A.wave", "A.zip", "B", "a.ZIP"]
    assert len({Target(one.place, one.prefix).path("stemlens.json") for one in found}) == 5


def test_two_mixes_of_one_song_are_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    sound = (song(tmp_path / "x") / "kick.wav").read_bytes()
    root.mkdir()
    for name in ("A.wav", "A.wave", "A - Bass.wav", "A - Pad.wav"):
        (root / name).write_bytes(sound)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("failed"))

    watching = watched(test, tmp_path / "data", root)
    assert "A.wav, A.wave" in watching.told[0][2]
    assert "Leave one" in (root / "A stemlens-error.txt").read_text()


# ------------------------------------------------------------------------------- names


def test_a_name_that_a_mac_has_written_is_the_same_name() -> None:
    mac, pc = (unicodedata.normalize(form, "Söng") for form in ("NFD", "NFC"))
    files = [Path(f"{mac} - Bass.wav"), Path(f"{pc} - Pad.wav"), Path(f"{mac}.wav")]
    assert by_prefix(files) == {pc: files}


LONG = "n" * 251
NAMES = [
    pytest.param(f"{LONG}.wav", id="255 bytes"),
    pytest.param("ü" * 125 + ".wav", id="255 bytes of two-byte letters"),
    pytest.param("a\nb\t.wav", id="a newline"),
    pytest.param("🥁🎸.wav", id="emoji"),
    pytest.param("-rf *.wav", id="like an option"),
    pytest.param("a..wav", id="two dots"),
]


@pytest.mark.parametrize("name", NAMES)
def test_results_have_names_whatever_the_audio_is_called(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(song(tmp_path / "x") / "kick.wav", root / name)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("done"))
        await watching.looks()

    watching = watched(test, tmp_path / "data", root)
    assert {what for what, _, _ in watching.told} == {"found", "started", "done"}, watching.told
    assert all("\n" not in told for _, told, _ in watching.told)
    endings = {path.name.rpartition(" ")[2] for path in root.iterdir() if path.name != name}
    assert endings >= {"stemlens.json", "stemlens.txt", "stemlens.mid", "stemlens.html"}
    assert len(list(root.iterdir())) == 5
    assert len(watched(nothing, tmp_path / "data2", root).analysed) == 0, "its results are there"


async def nothing(watching: Watching) -> None:
    await asyncio.sleep(0.2)
    await watching.looks()


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
@pytest.mark.parametrize("where", ["file", "folder", "mix"])
def test_a_name_in_no_encoding_is_told_and_stops_nothing(tmp_path: Path, where: str) -> None:
    root = tmp_path / "root"
    bad = os.fsdecode(b"caf\xe9")
    place = root if where == "mix" else root / (bad if where == "folder" else "song")
    place.mkdir(parents=True)
    sound = (song(tmp_path / "x") / "kick.wav").read_bytes()
    (place / ("kick.wav" if where == "folder" else f"{bad}.wav")).write_bytes(sound)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("failed"))
        song(root / "good", 0.3)
        await watching.until(lambda: watching.count("done"))

    watching = watched(test, tmp_path / "data", root)
    (told,) = [more for what, _, more in watching.told if what == "failed"]
    assert "rename it" in told and told.isprintable()
    (written,) = place.glob("*stemlens-error.txt")
    assert "rename it" in written.read_text()
    errors = [message for message in watching.subscriber.heard if isinstance(message, Error)]
    assert [(one.job, one.code) for one in errors] == [("", "session_invalid")]


def test_a_path_that_is_too_long_for_results_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    inner = root
    while (left := 4085 - len(os.fsencode(inner))) > 1:  # PATH_MAX is 4096
        inner = inner / ("d" * min(left - 1, 255))
    inner.mkdir(parents=True)
    shutil.copy(song(tmp_path / "song") / "kick.wav", inner / "a.wav")

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("unwritten") or watching.count("failed"))

    watching = watched(test, tmp_path / "data", root)
    assert "too long" in watching.told[-1][2], watching.told[-1]


# -------------------------------------------------------------------------- what is no file


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in folders there")
def test_pipes_sockets_and_devices_are_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    place = song(root / "song")
    os.mkfifo(place / "pipe.wav")
    os.mkfifo(place / "stemlens.json")
    os.mkfifo(place / "Pad.wav.part")
    monkeypatch.chdir(place)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.wav")
    (place / "null.wav").symlink_to("/dev/null")
    described = root / "described"
    described.mkdir()
    os.mkfifo(described / "pipe.wav")
    told = {"project": "pipes", "stems": [{"id": "p", "name": "p", "path": "pipe.wav"}]}
    (described / FILE_NAME).write_text(json.dumps(told))

    async def test(watching: Watching) -> None:
        await watching.until(
            lambda: watching.count("unwritten") and (described / "stemlens-error.txt").exists()
        )

    watching = watched(test, tmp_path / "data", root)
    assert [len(files) for files in watching.analysed] == [2]
    assert "is not a file" in (described / "stemlens-error.txt").read_text()
    monkeypatch.setattr(os, "open", None)
    with pytest.raises(StemlensError, match="is not a file"):
        freeze(JobFile("p", "p", str(described / "pipe.wav"), 0.0, "{}"))


def test_no_link_leads_out_of_the_folder_by_a_description(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", song(tmp_path / "outside")
    for name, path in (("link", "link.wav"), ("named", str(outside / "kick.wav"))):
        place = root / name
        place.mkdir(parents=True)
        (place / "link.wav").symlink_to(outside / "kick.wav")
        told = {"project": name, "stems": [{"id": "k", "name": "k", "path": path}]}
        (place / FILE_NAME).write_text(json.dumps(told))

    async def test(watching: Watching) -> None:
        await watching.until(lambda: len(watching.told) == 4)

    watching = watched(test, tmp_path / "data", root)
    failed = [(name, more) for what, name, more in watching.told if what == "failed"]
    assert [name for name, _ in failed] == ["link"] and "leads out" in failed[0][1]
    assert watching.analysed == [[outside / "kick.wav"]]


# ------------------------------------------------------------------------ not written


def test_results_that_cannot_be_written_are_told_once_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    place = song(root / "song")
    full = threading.Event()
    full.set()

    @contextmanager
    def on_a_full_disk(path: Path) -> Iterator[Path]:
        with written(path) as part:
            if full.is_set():
                raise OSError(errno.ENOSPC, "No space left on device")
            yield part

    monkeypatch.setattr(results, "written", on_a_full_disk)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("unwritten"))
        await watching.looks(4)
        full.clear()
        watching.desk.look_now()
        await watching.until(lambda: watching.count("written"))

    watching = watched(test, tmp_path / "data", root)
    assert [what for what, _, _ in watching.told][-2:] == ["unwritten", "written"]
    assert (place / "stemlens.json").exists() and len(watching.analysed) == 1
    heard = [one for one in watching.subscriber.heard if isinstance(one, Warning_)]
    assert [one.code for one in heard] == ["disk_full"] and "tried again" in heard[0].message


@pytest.mark.skipif(sys.platform == "win32", reason="needs a program that just fails")
def test_where_the_page_cannot_be_made_the_rest_is_written_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = song(tmp_path / "root" / "song")
    (place / "stemlens.html").write_bytes(results.PAGE_MARK + b' of an earlier version">')
    monkeypatch.setattr(results, "_have_made", HAVE_MADE)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))

    async def test(watching: Watching) -> None:
        await watching.until((place / "stemlens.json").exists)

    watched(test, tmp_path / "data", tmp_path / "root")
    assert not (place / "stemlens.html").exists(), "nor one of other sounds"
    assert "There is no stemlens.html: the process" in (place / "stemlens.txt").read_text()
    assert "ended with 1" in caplog.text


def test_what_was_not_written_is_written_by_the_next_server(tmp_path: Path) -> None:
    root = tmp_path / "root"
    place = song(root / "song")
    theirs = place / "stemlens.txt"
    theirs.write_text("my notes")

    async def fails(watching: Watching) -> None:
        await watching.until(lambda: watching.count("unwritten"))

    watching = watched(fails, tmp_path / "data", root)
    assert "rename it" in watching.told[-1][2] and theirs.read_text() == "my notes"
    assert not (place / "stemlens.json").exists()
    theirs.unlink()

    async def works(watching: Watching) -> None:
        await watching.until(lambda: (place / "stemlens.json").exists())

    assert watched(works, tmp_path / "data", root).analysed == []


def test_a_zip_whose_results_lie_there_is_not_unpacked_again(tmp_path: Path) -> None:
    """As when the server has forgotten its job, and cleared what it had unpacked."""
    root = tmp_path / "root"
    root.mkdir()
    with zipfile.ZipFile(root / "packed.zip", "w") as made:
        for path in song(tmp_path / "x").iterdir():
            made.write(path, path.name)

    async def test(watching: Watching) -> None:
        await watching.until(lambda: (root / "packed stemlens.json").exists())

    assert len(watched(test, tmp_path / "data", root).analysed) == 1
    assert watched(nothing, tmp_path / "data2", root).told == []
    assert not (tmp_path / "data2" / "unpacked").exists()
    (root / "packed stemlens.json").unlink()
    assert len(watched(test, tmp_path / "data2", root).analysed) == 1


# ---------------------------------------------------------------------------- waiting


def test_a_missing_file_is_named_soon_and_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    place = song(root / "song")
    stems = [{"id": name, "name": name, "path": f"{name}.wav"} for name in ("kick", "bass")]
    (place / FILE_NAME).write_text(json.dumps({"project": "song", "stems": stems}))

    async def test(watching: Watching) -> None:
        await watching.until(lambda: watching.count("waiting"))
        await watching.looks(4)
        assert watching.count("waiting") == 1
        shutil.copy(place / "kick.wav", place / "bass.wav")
        await watching.until(lambda: watching.count("done"))

    watching = watched(test, tmp_path / "data", root)
    assert f"there is no file {place / 'bass.wav'}" in watching.told[0][2]
    (heard,) = [one for one in watching.subscriber.heard if isinstance(one, Warning_)]
    assert heard.code == "export_incomplete" and "bass.wav" in heard.message
    states = [one.state for one in watching.subscriber.heard if isinstance(one, JobState)]
    assert states == ["queued", "running", "done"]


def test_a_download_that_stands_still_is_told_and_at_last_given_up(tmp_path: Path) -> None:
    place = song(tmp_path / "root" / "song")
    part = place / "Pad.wav.part"
    part.write_bytes(b"half")
    ready = Readiness(2.0)

    def look(now_s: float) -> tuple[int, list[str]]:
        found = ready.look(candidates(tmp_path / "root"), now_s)
        return len(found), [waits.why for waits in ready.stalled()]

    assert look(0.0) == (0, []) and look(STALLED_S - 1) == (0, [])
    part.write_bytes(b"half, and more")  # it goes on
    assert look(STALLED_S) == (0, []) and look(2 * STALLED_S - 1) == (0, [])
    (why,) = look(2 * STALLED_S)[1]
    assert "Pad.wav.part" in why
    assert look(3 * STALLED_S) == (0, []), "it is told once"
    assert look(ABANDONED_S + STALLED_S - 1)[0] == 0
    assert look(ABANDONED_S + STALLED_S)[0] == 1
    part.write_bytes(b"half, and much more")
    assert look(ABANDONED_S + STALLED_S + 1) == (0, [])


def test_what_is_not_complete_is_looked_at_less_and_less(tmp_path: Path) -> None:
    place = song(tmp_path / "root" / "song")
    (place / "Pad.wav.part").touch()
    ready = Readiness(2.0)
    waits = []
    for now_s in (0.0, 3.0, 1000.0):
        ready.look(candidates(tmp_path / "root"), now_s)
        waits.append(ready.next_look_s(now_s))
    assert waits == [2.0, 0.25, 50.0]
