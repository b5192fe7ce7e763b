"""What a person is told of an installation, and how to mend it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from support.server import ServerProcess
from typer.testing import CliRunner

from stemlens.cli import app
from stemlens.doctor import findings, programs, serving
from stemlens.service.settings import Settings
from stemlens_bridge.errors import StemlensError

WITHOUT_LOG = {"version": "1", "panel": None, "log": None}
Mount = namedtuple("Mount", "device mountpoint fstype opts")


def doctor(*words: str) -> dict[str, list[dict[str, str]]]:
    """Its findings, by what they are about."""
    done = subprocess.run(
        [sys.executable, "-m", "stemlens", "doctor", "--json", *words],
        capture_output=True,
        text=True,
    )
    return by_subject(done.stdout, done.returncode)


def by_subject(output: str, code: int) -> dict[str, list[dict[str, str]]]:
    told: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(output):
        told.setdefault(finding["about"], []).append(finding)
    bad = any(one["state"] == "problem" for found in told.values() for one in found)
    assert code == bad
    return told


def test_the_whole_examination_of_what_a_configuration_file_names(tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    file = tmp_path / "config.toml"
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        lines = {
            "port": 1,
            "data": str(tmp_path / "data"),
            "panel_port": taken.getsockname()[1],
            "watch": [str(watched), str(tmp_path / "none")],
            "allow": [str(tmp_path)],
        }
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
        told = doctor("--config", str(file))
    states = {about: [one["state"] for one in found] for about, found in told.items()}
    assert states["configuration"] == states["version"] == states["data folder"] == ["ok"]
    assert states["panel"] == ["problem"] and str(os.getpid()) in told["panel"][0]["told"]
    assert states["watched folder"] == ["ok", "problem"] and states["allowed folder"] == ["ok"]
    assert told["log"][0]["told"] == str(tmp_path / "data" / "logs" / "stemlens.log")
    assert {"server", "clock", "tagger", "separator", "PyTorch", "GPU"} <= set(told)
    assert all(one["mend"] or one["state"] == "ok" for found in told.values() for one in found)
    assert not (tmp_path / "data").exists(), "it only looks"


def test_a_configuration_file_that_is_wrong_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_by_torch = {"version": "2", "gpu": None, "mps": False, "cuda_build": None}
    monkeypatch.setattr(programs, "ASK_TORCH", f"print({json.dumps(told_by_torch)!r})")
    file = tmp_path / "config.toml"
    file.write_text("prot = 9500")
    where = ["--config", str(file), "--data", str(tmp_path), "--server", "127.0.0.1:1"]
    done = CliRunner().invoke(app, ["doctor", "--json", *where])
    told = by_subject(done.stdout, done.exit_code)
    (found,) = told["configuration"]
    assert found["state"] == "problem" and "did you mean port?" in found["told"]
    assert told["data folder"][0]["told"].startswith(str(tmp_path)) and "PyTorch" in told


def test_a_server_that_runs_has_its_port_by_right(server: ServerProcess) -> None:
    report = serving.report(server.address)
    (found,) = serving.listening("127.0.0.1", server.port, report)
    assert found.state == "ok"
    (found,) = serving.log_folder(Path("/elsewhere"), report)
    assert (found.state, found.told) == ("ok", str(server.log.parent / "logs" / "stemlens.log"))
    (found,) = serving.panel(Settings(Path(), panel_port=0), report)
    assert found.state == "note" and "has none" in found.told


def test_a_server_that_wants_a_key_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wants_a_key(address: tuple[str, int]) -> None:
        raise StemlensError("not_authorised", "It wants a key.")

    monkeypatch.setattr(serving, "report", wants_a_key)
    monkeypatch.setattr(programs, "compute", lambda: iter(()))
    told = {one.about: one for one in findings(Settings(tmp_path), tmp_path)}
    assert told["server"].state == "problem" and "It wants a key." in told["server"].told
    assert "STEMLENS_KEY" in told["server"].mend and "clock" in told


def test_a_port_that_another_program_has_is_a_problem_and_names_it() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        (found,) = serving.listening("127.0.0.1", port, serving.report(("127.0.0.1", 1)))
    assert found.state == "problem" and found.mend
    assert str(os.getpid()) in found.told


def test_folders_without_room_or_leave_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = serving.data_folder(tmp_path / "not" / "made" / "yet")
    assert found.state == "ok"
    monkeypatch.setattr(serving, "free_gb", lambda place: 0.1)
    (found,) = serving.data_folder(tmp_path)
    assert found.state == "problem" and "Make room" in found.mend
    monkeypatch.setattr(os, "access", lambda place, mode: mode == os.R_OK | os.X_OK)
    (found,) = serving.data_folder(tmp_path)
    assert found.state == "problem" and "cannot be written" in found.told
    (found,) = serving.log_folder(tmp_path, None)
    assert found.state == "problem" and "--log-dir" in found.mend
    found = next(serving.folders(Settings(Path(), watch=(tmp_path,))))
    assert found.state == "problem" and "--watch-out" in found.mend
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    (found,) = serving.folders(Settings(Path(), allow=(tmp_path,)))
    assert found.state == "problem" and "cannot be read" in found.told


def test_a_server_that_keeps_no_log_is_a_problem(tmp_path: Path) -> None:
    (found,) = serving.log_folder(tmp_path, WITHOUT_LOG)
    assert found.state == "problem" and "--log-dir" in found.mend


def test_a_watched_network_drive_is_to_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = str(tmp_path)
    mounts = [Mount("/dev/sda", "/", "ext4", "rw"), Mount("nas:/a", drive, "nfs4", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    found = next(serving.folders(Settings(Path(), watch=(tmp_path,))))
    assert found.state == "note" and "(nfs4)" in found.told and "--watch-poll" in found.mend
    found = next(serving.folders(Settings(Path(), watch=(tmp_path,), watch_polling=True)))
    assert found.state == "ok"
    assert serving.network_drive(tmp_path.parent) is None
    mounts[1] = Mount("Z:", drive, "NTFS", "rw,remote")
    assert serving.network_drive(tmp_path) == "remote"


@pytest.mark.parametrize(
    ("command", "state", "said"),
    [
        (("echo", "yes"), "ok", "time server"),
        (("echo", "no"), "note", "not set"),
        (("false",), "note", "does not tell"),
        (("no such program",), "note", "does not tell"),
    ],
)
def test_a_clock_is_judged_by_what_the_system_says_and_no_further(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], state: str, said: str
) -> None:
    monkeypatch.setattr(serving, "ASK_CLOCK", command)
    (found,) = serving.clock()
    assert found.state == state and said in found.told and bool(found.mend) == (state != "ok")


def test_a_gpu_that_is_not_used_is_told_with_the_way_to_it() -> None:
    def told(**of: object) -> str:
        known = {"version": "2", "gpu": None, "mps": False, "cuda_build": None}
        return [finding for finding in programs._computes(known | of)][-1].told

    assert told(gpu="H100") == "H100"
    assert "Apple" in told(mps=True)
    assert "none" in told(cuda_build="13.0")
    assert "CPU alone" in told()


def test_a_torch_that_does_not_load_is_told_by_its_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(programs, "ASK_TORCH", "raise ImportError('libcudart is missing')")
    (found,) = programs.compute()
    assert found.state == "problem" and "libcudart is missing" in found.told
