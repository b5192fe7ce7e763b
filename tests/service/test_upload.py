"""Sessions whose files are on another machine: sent once, checked, and gone on with after a cut."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.server import ServerProcess

from stemlens.service.uploads import Uploads
from stemlens_bridge import upload as uploading
from stemlens_bridge.cli import main
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session, Stem
from stemlens_bridge.upload import upload


def named(content: bytes, ending: str = ".wav") -> str:
    return hashlib.sha256(content).hexdigest() + ending


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", 1.0, 0.0, set)


def send(uploads: Uploads, content: bytes, first: int = 0, last: int | None = None) -> None:
    end = len(content) if last is None else last + 1
    coming = uploads.begin(named(content), first, end - 1, len(content))
    try:
        coming.write(content[first:end])
    finally:
        coming.close()


def test_a_file_is_there_under_its_content_once_it_is_whole(uploads: Uploads) -> None:
    content = os.urandom(1000)
    name = named(content)
    assert uploads.state(name).offset == 0
    send(uploads, content, last=399)
    state = uploads.state(name)
    assert (state.offset, state.whole) == (400, False) and not Path(state.path).exists()
    send(uploads, content, first=400)
    state = uploads.state(name)
    assert state.whole and Path(state.path).read_bytes() == content


def test_what_is_not_what_its_name_says_is_not_kept(uploads: Uploads) -> None:
    content = os.urandom(1000)
    coming = uploads.begin(named(content), 0, 999, 1000)
    coming.write(content[:-1] + b"?")
    with pytest.raises(StemlensError, match="not what its name says"):
        coming.close()
    assert uploads.state(named(content)).offset == 0
    send(uploads, content)


@pytest.mark.parametrize(
    "name",
    ["..", "../" * 3, "A" * 63 + "g", "a" * 63, "a" * 65, "0" * 64 + "./..", "0" * 64
     + ".part/", "0" * 64 + ".toolong", "", "CON", "0" * 64 + "\n", "0" * 64 + ".wav\0"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(uploads: Uploads, name: str) -> None:
    with pytest.raises(StemlensError, match="no SHA-256"):
        uploads.begin(name, 0, 0, 1)


def test_only_what_comes_next_is_taken_and_from_one_sender(uploads: Uploads) -> None:
    content = os.urandom(100)
    name = named(content)
    for first, last, total in ((1, 99, 100), (0, 100, 100), (5, 4, 100), (0, -1, 0)):
        with pytest.raises(StemlensError):
            uploads.begin(name, first, last, total)
    coming = uploads.begin(name, 0, 99, 100)
    with pytest.raises(StemlensError, match="being sent"):
        uploads.begin(name, 0, 99, 100)
    with pytest.raises(StemlensError, match="more bytes"):
        coming.write(content + b"!")
    coming.close()
    send(uploads, content)
    with pytest.raises(StemlensError, match="100 bytes are there"):
        uploads.begin(name, 0, 99, 100)


def test_two_senders_at_once_never_write_the_same_file(uploads: Uploads) -> None:
    contents = [os.urandom(100_000) for _ in range(10)]
    begun: Counter[bytes] = Counter()

    def send_each() -> None:
        for content in contents:
            try:
                coming = uploads.begin(named(content), 0, len(content) - 1, len(content))
            except StemlensError:
                continue
            begun[content] += 1
            for at in range(0, len(content), 10_000):
                coming.write(content[at : at + 10_000])
            coming.close()

    senders = [threading.Thread(target=send_each) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for content in contents:
        assert begun[content] == 1
        assert Path(uploads.state(named(content)).path).read_bytes() == content


def test_what_is_still_to_come_counts_as_taken(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 1000 / 1e9, 0.0, set)
    contents = [os.urandom(400) for _ in range(3)]
    coming = [uploads.begin(named(content), 0, 399, 400) for content in contents[:2]]
    with pytest.raises(StemlensError) as caught:
        uploads.begin(named(contents[2]), 0, 399, 400)
    assert caught.value.code == "disk_full"
    for one in coming:
        one.close()


def test_a_whole_part_that_got_no_name_is_sent_anew(uploads: Uploads) -> None:
    """The process ended between the last byte and the name."""
    content = os.urandom(100)
    part = Path(f"{uploads.state(named(content)).path}.part")
    part.write_bytes(content)
    assert uploads.state(named(content)).offset == 100
    send(uploads, content)
    assert uploads.state(named(content)).whole and not part.exists()


def test_a_disk_that_fills_up_is_told_and_stops_nothing(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(100)
    coming = uploads.begin(named(content), 0, 99, 100)
    coming.write(content[:50])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StemlensError) as caught:
            coming.close()
    assert caught.value.code == "disk_full"
    send(uploads, content, first=50)
    assert uploads.state(named(content)).whole


def test_the_oldest_makes_room_but_never_what_a_job_needs(tmp_path: Path) -> None:
    needed: set[str] = set()
    uploads = Uploads(tmp_path, 1000 / 1e9, 0.0, lambda: needed)
    contents = [os.urandom(400) for _ in range(4)]
    for at, content in enumerate(contents[:2]):
        send(uploads, content)
        path = uploads.state(named(content)).path
        os.utime(path, (at, os.stat(path).st_mtime))
    first, second = (uploads.state(named(content)).path for content in contents[:2])
    os.utime(first, (0, 0))
    os.utime(second, (1, 1))
    needed.add(first)
    send(uploads, contents[2])  # and that was asked for just now
    assert Path(first).exists() and not Path(second).exists()
    with pytest.raises(StemlensError) as caught:
        send(uploads, contents[3])
    assert caught.value.code == "disk_full"
    with pytest.raises(StemlensError, match="--upload-gb"):
        uploads.begin(named(b"large"), 0, 1999, 2000)


def test_asking_for_a_file_does_not_change_its_time(uploads: Uploads) -> None:
    send(uploads, b"content")
    path = uploads.state(named(b"content")).path
    os.utime(path, (5, 7))
    uploads.state(named(b"content"))
    assert os.stat(path).st_mtime == 7 and os.stat(path).st_atime > time.time() - 60


@pytest.fixture
def served(open_server: ServerProcess, panel: str) -> tuple[ServerProcess, str]:
    return open_server, panel


def test_a_session_is_sent_and_analysed_where_it_lies_then(
    served: tuple[ServerProcess, str], stems: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, _ = served
    job = new_job_id("upload")
    where = ["--server", f"127.0.0.1:{server.port}", "--job", job]
    assert main(["submit", str(stems), "--upload", *where]) == 0
    assert "sending files" in capsys.readouterr().err
    sent = sorted((server.log.parent / "uploads").iterdir())
    session = Session.read(stems)
    assert {path.name for path in sent} == {
        named(stem.path.read_bytes(), stem.path.suffix) for stem in session.stems
    }
    before = [path.stat().st_mtime_ns for path in sent]
    again = upload(session, server.address)
    assert sorted(map(Path, again.values())) == sent
    assert [path.stat().st_mtime_ns for path in sent] == before  # nothing was sent twice


def test_what_is_wrong_with_a_file_names_the_file_here(
    served: tuple[ServerProcess, str], stems: Path
) -> None:
    server, _ = served
    (stems / "notes.wav").write_text("no audio")
    session = Session.read(stems)
    with Client(server.address) as client:
        job = new_job_id("upload")
        client.submit(session, Options(), job, upload(session, server.address))
        with pytest.raises(StemlensError) as caught:
            client.follow(job)
    assert str(stems / "notes.wav") in caught.value.message
    assert "uploads" not in caught.value.message


class Cut:
    """A way to a server that breaks after so many bytes, a few times."""

    def __init__(self, to: tuple[str, int], after: int, times: int) -> None:
        self._to, self._after, self.left = to, after, times
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            threading.Thread(target=self._pass_on, args=(far, near), daemon=True).start()
            passed = 0
            while data := near.recv(65_536):
                passed += len(data)
                if passed > self._after and self.left:
                    self.left -= 1
                    break
                far.sendall(data)
            else:
                continue
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listening.close()


def test_a_line_that_breaks_is_gone_on_with(
    served: tuple[ServerProcess, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = served
    content = os.urandom(9_000_000)
    path = tmp_path / "long.wav"
    path.write_bytes(content)
    where = urlsplit(url)
    line = Cut((str(where.hostname), where.port or 0), 5_000_000, times=3)
    monkeypatch.setattr(uploading, "_http_address", lambda *_: line.address)
    told: list[float] = []
    session = Session.read(path)
    places = upload(session, server.address, on_progress=lambda _, done: told.append(done))
    assert Path(places[path]).read_bytes() == content and line.left < 3
    assert told[-1] == 1.0
    line.close()


def test_what_is_wrong_with_a_request_is_said(served: tuple[ServerProcess, str]) -> None:
    where = urlsplit(served[1])
    content = b"some audio"

    def put(name: str, **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection(str(where.hostname), where.port)
        named_headers = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request("PUT", f"/upload/{name}", content, named_headers)
        answer = connection.getresponse()
        told = answer.status, answer.read()
        connection.close()
        return told

    whole = f"bytes 0-{len(content) - 1}/{len(content)}"
    assert b"Content-Range" in put(named(content))[1]
    assert put("..%2f..%2fetc", content_range=whole)[0] in (404, 409)
    assert put("x", content_range=whole)[0] == 409
    assert put(named(content), content_range=whole, origin="http://evil.example")[0] == 403
    assert put(named(content), content_range="bytes 0-3/10")[0] == 409  # more came than announced
    assert put(named(b"other"), content_range=whole)[0] == 409
    assert put(named(content), content_range=f"bytes 0-0/{10**14}")[0] == 507
    state, told = put(named(content, ""), content_range=whole)
    assert state == 200 and b'"whole":true' in told


def test_a_server_without_a_panel_takes_no_uploads(
    server: ServerProcess, stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemlens_bridge.upload.PANEL_BEGINS_S", 0.5)
    with pytest.raises(StemlensError, match="--no-panel") as caught:
        upload(Session.read(stems), server.address)
    assert caught.value.code == "upload_failed"


def test_an_answer_that_names_another_file_is_not_believed(
    stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = {"offset": 0, "whole": True, "path": "/home/owner/unreleased.wav"}
    monkeypatch.setattr(uploading, "_http_address", lambda *_: ("127.0.0.1", 1))
    monkeypatch.setattr(uploading._Sending, "_asked", lambda *_: forged)
    monkeypatch.setattr(uploading, "TRIES", 1)
    with pytest.raises(StemlensError, match="unreleased"):
        upload(Session.read(stems), ("127.0.0.1", 1))


def test_an_empty_file_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "kick.wav").touch()
    with pytest.raises(StemlensError) as caught:
        upload(Session("p", "", (Stem("k", "k", tmp_path / "kick.wav"),)), ("127.0.0.1", 1))
    assert caught.value.code == "audio_empty"


def test_a_file_that_is_gone(served: tuple[ServerProcess, str], stems: Path) -> None:
    session = Session.read(stems)
    session.stems[0].path.unlink()
    with pytest.raises(StemlensError) as caught:
        upload(session, served[0].address)
    assert caught.value.code == "audio_unreadable"
