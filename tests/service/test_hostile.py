"""What clients should never send: each is answered with a reason, and the server works on."""

from __future__ import annotations

import os
import socket
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service.freezing import freeze, require_unchanged
from stemlens.service.link import WorkerLink
from stemlens.service.places import Places, is_elsewhere
from stemlens.service.store import JobFile
from stemlens_bridge import osc
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import UdpLink
from stemlens_bridge.protocol import Error, JobOpen, JobState, Message, Options
from stemlens_bridge.session import Session, Stem


@pytest.fixture
def link(server: ServerProcess) -> Iterator[UdpLink]:
    """A bare link to the server, which must still do a job when the test is over."""
    opened = UdpLink(server.address)
    yield opened
    opened.close()
    with Client(server.address) as client:
        assert client.ping()


def answer(link: UdpLink, packet: bytes) -> Message:
    """What the server answers first to a packet."""
    link._socket.send(packet)
    came = link.receive(10)
    assert came, "no answer"
    return came[0]


DEEP = "[" * 30_000 + "]" * 30_000
HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (b"\x00" * 16, "bad_message"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", -4), "bad_message"),
        (osc.encode("/stemlens/" + "*" * 60, "", []), "unknown_address"),
        (osc.encode("/stemlens/ping", "i", [70_000]), "bad_message"),
        (osc.encode("/stemlens/ping", "i", [-1]), "bad_message"),
        (JobOpen("", "d", "p", 0).encode(), "bad_message"),
        (JobOpen("x" * 65, "d", "p", 0).encode(), "bad_message"),
        (JobOpen("j", "d", "p" * 600, 0).encode(), "session_invalid"),
        (JobOpen("j", "d", "p", 70_000).encode(), "bad_message"),
        (JobOpen("j", "d", "p", 0, DEEP).encode(), "bad_options"),
        (JobOpen("j", "d", "p", 0, '{"silence": ' + HUGE + "}").encode(), "bad_options"),
        (JobOpen("j", "d", "p", 0, '{"start_s": 1e300}').encode(), "bad_options"),
        (JobOpen("j", "d", "p", 0, r'{"\ud800": 1}').encode(), "bad_options"),
        (JobOpen("j", "d", "p", 0, r'{"tagger": "\ud800"}').encode(), "bad_options"),
        (osc.encode("/stemlens/job/status", "s", ["never heard of"]), "job_unknown"),
    ],
)
def test_bad_messages_get_a_reason(link: UdpLink, packet: bytes, code: str) -> None:
    found = answer(link, packet)
    assert isinstance(found, Error) and found.code == code
    unknown = answer(link, osc.encode("/stemlens/job/status", "s", ["j"]))
    assert isinstance(unknown, Error) and unknown.code == "job_unknown"  # no half of it was kept


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["relative.wav"], "session_invalid"),
        (["/etc/passwd"], "path_not_allowed"),
        (["/tmp/../etc/passwd"], "path_not_allowed"),
        (["/tmp/a.wav", 1e30], "session_invalid"),
        (["/tmp/a.wav", 0.0, r'{"group": "\ud800"}'], "session_invalid"),
        (["/tmp/a.wav", 0.0, '{"sidechains": [{"a": 1}]}'], "session_invalid"),
        (["/tmp/a.wav", 0.0, '{"pan": ' + HUGE + "}"], "session_invalid"),
        (["/tmp/a.wav", 0.0, DEEP[:50_000]], "session_invalid"),
        (["/tmp/a.wav", 0.0, "[]"], "session_invalid"),
    ],
)
def test_bad_stems_get_a_reason(link: UdpLink, arguments: list[Any], code: str) -> None:
    job = new_job_id("hostile")
    assert isinstance(answer(link, JobOpen(job, "d", "p", 0).encode()), JobState)
    types = "ssss" + "sfs"[1 : len(arguments)]
    packet = osc.encode("/stemlens/job/stem", types, [job, "t", "name", *arguments])
    found = answer(link, packet)
    assert isinstance(found, Error) and (found.job, found.code) == (job, code)


def test_what_is_meant_for_clients_is_not_answered(server: ServerProcess, link: UdpLink) -> None:
    """Or two servers could keep each other busy with errors."""
    link._socket.send(Error("", "internal", "hello").encode())
    link._socket.send(osc.encode("/stemlens/ping", "", []))
    (only,) = link.receive(10)
    assert only.address == "/stemlens/pong"


def test_a_browser_on_the_osc_port(server: ServerProcess) -> None:
    with socket.create_connection(server.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.settimeout(10)
        assert connection.recv(100) == b""


def test_files_that_would_wait_forever(server: ServerProcess, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    session = Session("p", "d", (Stem("a", "a", tmp_path / "pipe.wav"),))
    with Client(server.address) as client, pytest.raises(StemlensError) as caught:
        client.submit(session, Options(), new_job_id("pipe"))
    assert caught.value.code == "audio_unreadable"


@pytest.mark.parametrize(
    "path",
    [
        r"\\evil.example\share\kick.wav",
        r"//evil.example/share/kick.wav",
        r"\\?\C:\Windows\win.ini",
        r"\\.\pipe\stemlens",
        r"C:\Users\me\NUL",
        r"C:\Users\me\con.wav",
        r"C:\Users\me\aux .tar.gz",
        r"C:\Users\COM1\kick.wav",
        r"C:\Users\me\lpt9:kick.wav",
    ],
)
def test_paths_of_windows_that_are_no_files_of_this_machine(path: str) -> None:
    assert is_elsewhere(path, [r"C:\Users\me", r"\\nas\music"])


@pytest.mark.parametrize(
    "path",
    [r"C:\Users\me\kick.wav", r"\\NAS\music\song\kick.wav", r"C:\Users\me\console.wav", "D:/a.wav"],
)
def test_paths_of_windows_that_are(path: str) -> None:
    assert not is_elsewhere(path, [r"C:\Users\me", r"\\nas\music"])


def test_a_link_that_is_turned_while_the_job_waits_leads_nowhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "secret.wav"
    inside.mkdir()
    for path in (inside / "kick.wav", outside):
        path.write_bytes(b"the same size and content")
    places = Places([inside])
    (inside / "stem.wav").symlink_to(inside / "kick.wav")
    frozen = freeze(JobFile("t", "t", str(inside / "stem.wav"), 0, "{}"), places=places)
    os.utime(outside, ns=(frozen.mtime_ns or 0,) * 2)
    require_unchanged([frozen], places)
    (inside / "stem.wav").unlink()
    (inside / "stem.wav").symlink_to(outside)
    with pytest.raises(StemlensError) as caught:
        require_unchanged([frozen], places)
    assert caught.value.code == "path_not_allowed"


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    """Opening a pipe would wait, opening a socket or a device may do anything."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("socket", "pipe", ".", "link"):
        with pytest.raises(StemlensError) as caught:
            freeze(JobFile("t", "t", str(tmp_path / name), 0, "{}"), places=Places([tmp_path]))
        assert caught.value.code in ("audio_unreadable", "path_not_allowed")
    for outside in (
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        f"{tmp_path}/../../../etc/passwd",
    ):
        with pytest.raises(StemlensError) as caught:
            Places([tmp_path]).check(outside)
        assert caught.value.code == "path_not_allowed"
    for relative in (
        "kick.wav",
        "../kick.wav",
        r"C:\kick.wav",
        r"\\evil\kick.wav",
        "~/kick.wav",
        "",
    ):
        with pytest.raises(StemlensError, match="not absolute"):
            Places([tmp_path]).check(relative)
    listening.close()


def test_an_id_whose_job_had_other_files_of_the_same_number(
    server: ServerProcess, tmp_path: Path
) -> None:
    one, two = (stem_folder(tmp_path / name / "stems") for name in ("one", "two"))
    job = new_job_id("same")
    with Client(server.address) as client:
        client.submit(Session.read(one), Options(), job)
        client.follow(job)
        with pytest.raises(StemlensError, match="other content"):
            client.submit(Session.read(two), Options(), job)


def test_a_result_outlives_its_stems(server: ServerProcess, stems: Path) -> None:
    job, session = new_job_id("deleted"), Session.read(stems)
    with Client(server.address) as client:
        client.submit(session, Options(), job)
        first = client.follow(job)
        for path in stems.iterdir():
            path.unlink()
        assert client.submit(session, Options(), job).state == "done"
        assert client.follow(job).messages == first.messages


def test_a_stem_that_fits_no_message(server: ServerProcess, tmp_path: Path) -> None:
    for text in ("x" * 70_000, "caf\udce9"):
        with pytest.raises(StemlensError) as caught:
            Session("p", "d", (Stem("a", text, tmp_path / "a.wav"),))
        assert caught.value.code == "session_invalid"


def test_another_program_locks_the_database(server: ServerProcess, tmp_path: Path) -> None:
    """What cannot be written at once is written when it can be; the job is not lost."""
    session = Session.read(stem_folder(tmp_path / "stems", seconds=9))
    with Client(server.address) as client:
        job = new_job_id("locked")
        client.submit(session, Options(), job)
        other = sqlite3.connect(server.log.with_name("jobs.sqlite3"), isolation_level=None)

        def lock(stage: str, fraction: float) -> None:
            if stage == "tagging" and fraction == 1 and not locked:
                other.execute("BEGIN IMMEDIATE")
                locked.append(stage)
            elif other.in_transaction:
                other.execute("ROLLBACK")

        locked: list[str] = []
        client.follow(job, lock)
        assert locked
        other.close()


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(RuntimeError, match="output_failed"):
        ServerProcess(tmp_path)


@pytest.mark.parametrize("wait", [False, True])
def test_stopping_while_a_large_file_is_hashed(tmp_path: Path, wait: bool) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(40 << 30)  # sparse: takes no disk, but minutes to hash
    with ServerProcess(tmp_path / "data") as server:
        if wait:
            link = UdpLink(server.address)
            for packet in (
                JobOpen("j", "d", "p", 0).encode(),
                osc.encode("/stemlens/job/stem", "ssss", ["j", "t", "n", str(large)]),
                osc.encode("/stemlens/job/submit", "si", ["j", 1]),
            ):
                assert isinstance(answer(link, packet), JobState)
            link.close()
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 3
        assert "Traceback" not in server.log.read_text()


def test_results_asked_for_a_hundred_times(server: ServerProcess, stems: Path) -> None:
    """Answers to one client do not pile up, and others are answered meanwhile."""
    job, session = new_job_id("flood"), Session.read(stems)
    with Client(server.address) as client:
        client.submit(session, Options(tags=50), job)
        client.follow(job)
    greedy = UdpLink(server.address)
    for _ in range(100):
        greedy._socket.send(osc.encode("/stemlens/job/results", "s", [job]))
    with Client(server.address) as client:
        started = time.monotonic()
        client.ping()
        assert time.monotonic() - started < 2
    greedy.close()


def test_a_worker_that_dies_while_it_speaks() -> None:
    """Half a line is no event, and no reason to end."""
    heard: list[dict[str, Any]] = []
    half = WorkerLink("cpu", None, heard.append, lambda code, failed_starts: None)
    half._hear(b'{"event": "done", "job": "a", "resu')
    assert not heard and not half.ready
    half._hear(b'{"event": "ready", "job": ""}\n')
    assert heard and half.ready


def test_a_link_that_is_turned_after_it_was_checked_leads_nowhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "secret.wav"
    inside.mkdir()
    (inside / "real.wav").write_bytes(b"sound")
    outside.write_bytes(b"secret")
    link = inside / "link.wav"
    link.symlink_to(inside / "real.wav")
    places = Places([inside])
    places.check(str(link))
    file = JobFile("t", "t", str(link), 0.0, "{}")
    assert freeze(file, places=places).size == 5
    link.unlink()
    link.symlink_to(outside)
    with pytest.raises(StemlensError) as caught:
        freeze(file, places=places)
    assert caught.value.code == "path_not_allowed"
    with outside.open("rb") as opened, pytest.raises(StemlensError, match="turned"):
        places.require_inside(str(inside / "real.wav"), opened.fileno())
