"""The log: one file for a server and its processes, whatever they are fed."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import ServerProcess

from stemlens.service import logs
from stemlens.service.standard_error import BURST, LAST, StandardError
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

HOSTILE = "Bass\n2026-01-01 00:00:00,000 ERROR forged\r\x1b]0;title\x07\x1b[2J\x9b1m\u2028\u202ex"
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")
log = logging.getLogger("test of logs")


@pytest.fixture(autouse=True)
def everything() -> Iterator[None]:
    root = logging.getLogger()
    before, root.level = root.level, logging.INFO
    yield
    root.setLevel(before)


def test_a_full_log_is_turned_over_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2_000)
    with logs.kept(tmp_path):
        for number in range(400):
            log.info("line %d", number)
    files = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert {path.name for path in files} == {"stemlens.log", *(f"stemlens.log.{n}" for n in "1234")}
    assert all(path.stat().st_size <= 2_000 for path in files)
    assert (tmp_path / "stemlens.log").read_text().splitlines()[-2].endswith("line 399")
    with logs.kept(tmp_path):
        log.info("and on")
    text = (tmp_path / "stemlens.log").read_text()
    assert "line 399" in text and "and on" in text, "a new start goes on in the same file"


def test_what_is_hostile_stays_in_its_line(tmp_path: Path) -> None:
    with logs.kept(tmp_path) as note:
        log.warning("no file %s", HOSTILE)
        note(HOSTILE)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("failed")
        log.info("a name in another encoding: \udcff, %s", "x" * 10_000)
    text = (tmp_path / "stemlens.log").read_text()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text)
    lines = text.splitlines()
    assert [line for line in lines if not RECORD.match(line) and not line.startswith("  | ")] == []
    assert [line for line in lines if RECORD.match(line) and line.endswith("forged")] == []
    assert max(map(len, lines)) < 4_200


def test_a_log_that_cannot_be_written_is_told_once_and_all_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with logs.kept(tmp_path / "file" / "logs") as note:
        note("nobody hears this")
        assert logs.current() is None
        log.info("and on")
    said = [record.message for record in caplog.records if record.name == logs.log.name]
    assert len(said) == 1 and "cannot be written" in said[0] and "--log-dir" in said[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_disk_that_fills_up_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "stemlens.log").symlink_to("/dev/full")
    with logs.kept(tmp_path):
        for number in range(3):
            log.info("line %d", number)
    said = [record.message for record in caplog.records if record.name == logs.log.name]
    assert len(said) == 1 and "No space left" in said[0]


def test_a_log_that_cannot_be_turned_over_grows_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2_000)

    def refused(old: object, new: object) -> None:
        raise PermissionError(13, "Somebody has it open")

    with logs.kept(tmp_path):
        with monkeypatch.context() as windows:
            windows.setattr(os, "rename", refused)
            for number in range(100):
                log.info("line %d", number)
            lines = (tmp_path / "stemlens.log").read_text().splitlines()
            assert sum("Somebody has it open" in line for line in lines) == 1 < 100 < len(lines)
        log.info("and on")
    assert "line 99" not in (tmp_path / "stemlens.log").read_text()


def test_two_servers_never_turn_over_one_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import sys; from pathlib import Path; from stemlens.service import logs\n"
        "with logs.kept(Path(sys.argv[1])): print(logs.current(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == str(tmp_path / "stemlens.log")
        with logs.kept(tmp_path):
            assert logs.current() is None
        other.communicate("\n")
    assert "another server keeps its log" in caplog.text
    with logs.kept(tmp_path):
        assert logs.current() is not None


def test_the_error_that_ends_a_server_is_in_its_log(tmp_path: Path) -> None:
    with pytest.raises(StemlensError), logs.kept(tmp_path):
        raise StemlensError("port_in_use", "Port 1 is taken.")
    assert "Port 1 is taken." in (tmp_path / "stemlens.log").read_text()


def test_where_the_log_is_kept(tmp_path: Path) -> None:
    assert logs.folder(tmp_path / "a", tmp_path) == tmp_path / "a"
    assert logs.folder(None, tmp_path) == tmp_path / "logs"
    assert "stemlens" in str(logs.folder(None, None)).lower()


# ------------------------------------------------------------------- what processes print


def heard(caplog: pytest.LogCaptureFixture, *said: bytes) -> list[tuple[str, str]]:
    """What the log has of a process that prints this, with its levels."""
    pipe = StandardError("worker")
    far = os.dup(pipe.far)
    pipe.follow()
    with open(far, "wb", buffering=0) as file:
        for part in said:
            file.write(part)
    pipe.ended(10)
    return [(record.levelname, record.message) for record in caplog.records]


def test_lines_of_a_process_are_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said = heard(
        caplog, b"INFO all is well\nWARNING: no\r\nFatal Py", b"thon error\n\n\xff cut off"
    )
    assert said == [
        ("INFO", "worker: all is well"),
        ("WARNING", "worker: no"),
        ("WARNING", "worker: Fatal Python error"),
        ("WARNING", "worker: \\xff cut off"),
    ]


def test_a_process_that_prints_without_end_never_waits_and_its_last_words_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    lines = 60_000
    said = heard(caplog, b"".join(b"line %d\n" % number for number in range(lines)))
    kept = [text for _, text in said if "left out" not in text]
    assert BURST + LAST <= len(kept) <= BURST + LAST + 100
    assert kept[-1] == f"worker: line {lines - 1}"
    out = [int(found[1]) for _, text in said if (found := re.search(r"(\d+) lines are left", text))]
    assert len(kept) + sum(out) == lines


def test_a_line_without_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    said = heard(caplog, b"x" * 200_000 + b"\nend\n")
    assert 2 < len(said) < 10 and said[-1][1] == "worker: end"


def test_a_process_that_lives_on_with_the_pipe_is_not_waited_for() -> None:
    pipe = StandardError("worker")
    kept = os.dup(pipe.far)
    pipe.follow()
    pipe.ended(0.01)
    os.close(kept)
    pipe.ended(10)
    assert not any(thread.name == "worker log" for thread in threading.enumerate())


# ------------------------------------------------------------------------ a whole server


def test_a_server_says_where_its_log_is_and_no_name_forges_a_line(
    server: ServerProcess, stems: Path
) -> None:
    job = HOSTILE[:64]
    with Client(server.address) as client:
        kept = Path(client.health()["log"])
        (stems / "bass.wav").write_bytes(b"this is no audio")
        client.submit(Session.read(stems), Options(), job)
        with pytest.raises(StemlensError, match=r"bass\.wav"):
            client.follow(job)
    assert kept.is_relative_to(server.log.parent)
    for text in (kept.read_text(), server.log.read_text()):
        assert "\\n2026-01-01 00:00:00,000 ERROR forged" in text and "\x1b" not in text
        assert not re.search("^2026-01-01 00", text, re.MULTILINE)
        # Another test's server was refused this one's folder, and said so.
        known = [line.startswith("stemlens: ") or RECORD.match(line) for line in text.splitlines()]
        assert all(known)
    assert f"listens on 127.0.0.1:{server.port}" in kept.read_text()
