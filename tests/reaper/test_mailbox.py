"""The folder between REAPER's scripts and the bridge: nothing is lost, doubled or read in half."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lualiteral
from support.reaperside import Scripts

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper import mailbox as module
from stemlens_bridge.reaper.lock import Lock
from stemlens_bridge.reaper.mailbox import NAME, Damaged, Mailbox, Request


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "REAPER Media" / "Björk" / "mailbox")


@pytest.fixture
def scripts(mailbox: Mailbox) -> Scripts:
    return Scripts(mailbox.folder)


def test_requests_come_in_the_order_of_their_names_and_once(
    mailbox: Mailbox, scripts: Scripts
) -> None:
    for name in ("0002-000001-plan", "0001-000002-submit", "0001-000001-hello"):
        kind = name.rpartition("-")[2]
        scripts.put(f"{name}.json", json.dumps({"mailbox": 1, "id": name, "kind": kind, "n": 1}))
    found = list(mailbox.requests())
    assert [r.kind for r in found if isinstance(r, Request)] == ["hello", "submit", "plan"]
    assert isinstance(found[0], Request) and found[0].body == {"n": 1}
    assert list(mailbox.requests()) == []
    assert not list((mailbox.folder / "to-bridge").iterdir())


def test_what_is_still_being_written_is_left_alone(mailbox: Mailbox) -> None:
    part = mailbox.folder / "to-bridge" / "0001-000001-hello.json.part"
    part.write_text('{"mailbox": 1, "id": "x", "ki')
    assert list(mailbox.requests()) == []
    assert part.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b'{"mailbox": 1, "kind": "hello"}',
        b'{"mailbox": 1, "kind": "hello", "id": "../../autoexec"}',
        b'{"mailbox": 1, "kind": "hello", "id": "a\\u0000b"}',
        b'{"mailbox": 1, "kind": "hello", "id": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_request_is_answered_put_aside_and_hinders_no_other(
    mailbox: Mailbox, scripts: Scripts, content: bytes
) -> None:
    scripts.put("0001-000001-hello.json", content)
    scripts.put("0002-000001-bye.json", json.dumps({"mailbox": 1, "id": "next", "kind": "bye"}))
    damaged, good = mailbox.requests()
    assert isinstance(damaged, Damaged) and damaged.error.code == "bad_message"
    assert damaged.reply_to == "0001-000001-hello"
    assert good == Request("next", "bye")
    assert (mailbox.folder / "damaged" / "0001-000001-hello.json").read_bytes() == content


@pytest.mark.parametrize("change", [{"mailbox": 2}, {"mailbox": None}, {"kind": "dance"}])
def test_another_version_is_told_the_way_out(
    mailbox: Mailbox, scripts: Scripts, change: dict[str, object]
) -> None:
    request = {"mailbox": 1, "id": "own", "kind": "hello"} | change
    scripts.put("0001-000001-hello.json", json.dumps(request))
    (found,) = mailbox.requests()
    assert isinstance(found, Damaged) and found.reply_to == "own"
    mailbox.refuse(found.reply_to, found.error)
    reply = scripts.answer("own")
    assert reply["ok"] is False and reply["code"] == "bad_message"
    assert "stemlens-bridge reaper install" in reply["message"]


def test_what_was_meant_for_another_day_is_not_done(mailbox: Mailbox, scripts: Scripts) -> None:
    scripts.put("1-submit.json", json.dumps({"mailbox": 1, "id": "own", "kind": "submit"}))
    path = mailbox.folder / "to-bridge" / "1-submit.json"
    yesterday = time.time() - 86_400
    os.utime(path, (yesterday, yesterday))
    (found,) = mailbox.requests()
    assert isinstance(found, Damaged) and "too old" in found.error.message


def test_damaged_requests_do_not_pile_up(mailbox: Mailbox, scripts: Scripts) -> None:
    for number in range(module.KEPT_DAMAGED + 10):
        scripts.put(f"{number:04d}-hello.json", "no")
    assert len(list(mailbox.requests())) == module.KEPT_DAMAGED + 10
    assert len(list((mailbox.folder / "damaged").iterdir())) == module.KEPT_DAMAGED


def test_a_request_that_cannot_be_removed_is_taken_once(
    mailbox: Mailbox, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts.post("hello")
    with monkeypatch.context() as held:  # as by a virus scanner on Windows
        held.setattr(module, "_gone", lambda path: None)
        assert len(list(mailbox.requests())) == 1
        assert list(mailbox.requests()) == []
    assert list(mailbox.requests()) == []
    assert not list((mailbox.folder / "to-bridge").iterdir())


def test_what_reaper_reads_is_lua_with_any_text_in_it(mailbox: Mailbox, scripts: Scripts) -> None:
    text = 'Kick "in"\\\n{909} – Ö 鼓 \x01'
    mailbox.write_job("Café 鼓-1a2b", {"job": "x", "state": "failed", "message": text})
    assert scripts.read("job-Café 鼓-1a2b.lua")["message"] == text


def test_nobody_ever_reads_half_a_file(mailbox: Mailbox, scripts: Scripts) -> None:
    """A reader in another process looks all the time while the file is rewritten."""
    path = mailbox.folder / "to-reaper" / "job-a.lua"
    mailbox.write_job("a", {"text": "x" * 100_000})
    code = (
        "import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\nprint(flush=True)\n"
        "bad = sum(not path.read_text().endswith('}\\n') for _ in range(2000))\nprint(bad)"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    while reader.poll() is None:
        mailbox.write_job("a", {"text": "x" * 100_000})
    assert reader.stdout.read().strip() == "0"


@given(st.text(max_size=80))
def test_a_name_is_a_file_in_its_folder_or_refused(text: str) -> None:
    if NAME.fullmatch(text):
        assert Path("folder", f"job-{text}.lua").parent == Path("folder")
        assert not set(text) & set('<>:"/\\|?*\x00\n') and text == text.strip(". ")


def test_jobs_that_name_no_file_are_refused() -> None:
    for job in ("", "../a", "a/b", "a\\b", "C:", "nul\x00", "x" * 65, " a", 7, None):
        with pytest.raises(StemlensError) as caught:
            _ = Request("id", "submit", {"job": job}).job
        assert caught.value.code == "bad_message"
    assert Request("id", "submit", {"job": "My song {1}-ab12"}).job == "My song {1}-ab12"


def test_of_jobs_only_the_newest_are_kept(mailbox: Mailbox, scripts: Scripts) -> None:
    for number in range(module.KEPT_JOBS + 3):
        job = f"job{number}"
        mailbox.write_job(job, {"job": job, "state": "done"})
        name = mailbox.write_findings(job, {"job": job})
        dated = number * 10
        for file in (f"job-{job}.lua", name):
            os.utime(mailbox.folder / "to-reaper" / file, (dated, dated))
    mailbox.reply("fresh", {"ok": True})
    mailbox.reply("old", {"ok": True})
    os.utime(mailbox.folder / "to-reaper" / "old.lua", (0, 0))
    mailbox.tidy()
    assert scripts.read("job-job2.lua") is None and scripts.read("findings-job2.lua") is None
    assert scripts.read("job-job3.lua") and scripts.read("findings-job3.lua") == {"job": "job3"}
    assert scripts.read("fresh.lua") and scripts.read("old.lua") is None


def test_a_submit_is_remembered_until_its_job_ends(mailbox: Mailbox) -> None:
    assert mailbox.remembered("a") is None
    mailbox.remember("a", {"session": "/tmp/Ä/session.json", "options": {"tags": 3}})
    assert Mailbox(mailbox.folder).remembered("a") == {
        "session": "/tmp/Ä/session.json",
        "options": {"tags": 3},
    }
    (mailbox.folder / "jobs" / "b.json").write_text("{")
    assert mailbox.remembered("b") is None
    mailbox.forget("a")
    assert mailbox.remembered("a") is None


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [(errno.ENOSPC, "disk_full", "full"), (errno.EACCES, "output_failed", "denied")],
)
def test_a_full_disk_and_a_shut_folder_are_sentences(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, number: int, code: str, says: str
) -> None:
    mailbox.write_job("a", {"state": "running"})

    def refuse(self: Path, *given: object, **more: object) -> int:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(StemlensError, match=says) as caught:
        mailbox.write_job("a", {"state": "done"})
    assert caught.value.code == code
    monkeypatch.undo()
    kept = (mailbox.folder / "to-reaper" / "job-a.lua").read_text()
    assert lualiteral.loads(kept) == {"state": "running"}


def test_a_mailbox_where_a_file_lies_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mailbox").write_text("mine")
    with pytest.raises(StemlensError, match="mailbox") as caught:
        Mailbox(tmp_path / "mailbox")
    assert caught.value.code == "output_failed"


def test_a_lock_has_one_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom stemlens_bridge.reaper.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1]))\nprint(lock.taken(), flush=True)\nsys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline().strip() == "True"
    lock = Lock(path)
    assert not lock.taken()
    assert path.read_text() == str(holder.pid)
    holder.kill()
    holder.communicate()
    assert lock.taken()
    assert path.read_text() == str(os.getpid())
    assert not Lock(path).taken()
    lock.release()
    assert Lock(path).taken()
