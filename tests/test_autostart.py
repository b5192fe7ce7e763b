"""Started at login: the texts are what each system reads, and nobody's file is overwritten."""

from __future__ import annotations

import configparser
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from lxml import etree

from stemlens import autostart
from stemlens.autostart import Autostart
from stemlens_bridge.errors import StemlensError

WORDS = ["/opt/my programs/python", "-m", "stemlens", "serve", "--watch", '/a "b" & 100 %']
HOME = Path("/home/me")


def of(platform: str, **environment: str) -> Autostart:
    return autostart.of(platform, environment, HOME, WORDS)


def test_a_systemd_unit_quotes_what_systemd_would_read_otherwise() -> None:
    auto = of("linux")
    assert auto.path == HOME / ".config/systemd/user/stemlens.service"
    assert of("linux", XDG_CONFIG_HOME="/c").path == Path("/c/systemd/user/stemlens.service")
    unit: Any = configparser.RawConfigParser()
    unit.optionxform = str
    unit.read_string(auto.text)
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["ExecStart"].endswith(r'"--watch" "/a \"b\" & 100 %%"')


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    def said(text: str) -> str:
        unit = tmp_path / autostart.UNIT
        unit.write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--user", str(unit)],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "LC_ALL": "C"},
        )
        return "\n".join(line for line in done.stderr.splitlines() if autostart.UNIT in line)

    unit = autostart.unit([sys.executable, *WORDS[1:], "$HOME", "%h", "a\\b"])
    assert said(unit) == ""
    assert "alwys" in said(unit.replace("Restart=always", "Restart=alwys")), "it does look"
    assert "executable" in said(unit.replace('ExecStart="/', 'ExecStart="')), "it does look"


def test_a_launchd_agent_runs_the_very_words_and_is_kept_alive() -> None:
    agent = plistlib.loads(of("darwin").text.encode())
    assert agent["ProgramArguments"] == WORDS and agent["KeepAlive"] is True
    assert agent["Label"] == autostart.LABEL and agent["RunAtLoad"] is True
    assert of("darwin").path.stem == agent["Label"], "as launchd wants it"


def test_a_windows_task_has_no_time_limit_and_its_words_escaped() -> None:
    auto = of("win32", LOCALAPPDATA="/local", USERDOMAIN="STUDIO", USERNAME="Zoë & Co")
    task = etree.fromstring(auto.text.encode())
    space = {"t": task.nsmap[None]}
    command = task.findtext(".//t:Command", namespaces=space)
    assert command == str(PureWindowsPath(WORDS[0]))
    assert {user.text for user in task.iterfind(".//t:UserId", space)} == {r"STUDIO\Zoë & Co"}
    arguments = task.findtext(".//t:Arguments", namespaces=space)
    assert arguments == subprocess.list2cmdline(WORDS[1:]) and '\\"b\\" & 100 %' in arguments
    assert [trigger.tag for trigger in task.iterfind("t:Triggers/*", space)] == [
        f"{{{space['t']}}}LogonTrigger"
    ]
    assert task.findtext(".//t:ExecutionTimeLimit", namespaces=space) == "PT0S"


def test_a_windows_task_opens_no_window() -> None:
    words = [r"C:\Program Files\Python\python.exe", "-m", "stemlens"]
    auto = autostart.of("win32", {"USERNAME": "me"}, HOME, words)
    assert r"<Command>C:\Program Files\Python\pythonw.exe</Command>" in auto.text


def local(tmp_path: Path, begin: tuple[tuple[str, ...], ...] = ()) -> Autostart:
    return Autostart(tmp_path / "new" / "unit", f"# {autostart.MARK}\n", begin, ())


def test_what_was_written_is_taken_away_again(tmp_path: Path) -> None:
    auto = local(tmp_path)
    autostart.install(auto)
    assert auto.path.read_text() == auto.text
    autostart.install(auto)  # again, after an update
    autostart.remove(auto)
    assert not auto.path.exists()
    assert "nothing to take away" in autostart.remove(auto)[0]


@pytest.mark.parametrize("change", [autostart.install, autostart.remove])
def test_somebody_else_s_file_is_left_alone(tmp_path: Path, change: Any) -> None:
    auto = local(tmp_path)
    auto.path.parent.mkdir()
    auto.path.write_text("mine")
    with pytest.raises(StemlensError, match="somebody else"):
        change(auto)
    assert auto.path.read_text() == "mine"
    change(auto, force=True)
    assert not auto.path.exists() or auto.path.read_text() == auto.text


def test_a_system_that_cannot_be_told_is_said_with_what_to_do_by_hand(tmp_path: Path) -> None:
    auto = local(tmp_path, (("no-such-program", "enable"), ("no-such-program", "start")))
    told = autostart.install(auto)[-1]
    assert "there is no no-such-program here" in told
    assert told.endswith("no-such-program enable; no-such-program start")
    failing = local(tmp_path, (("false",),))
    assert "exit status 1" in autostart.install(failing)[-1]
