"""Starts the server at every login, by what each system has for that.

| system | what is written | who starts it |
|---|---|---|
| Linux | a systemd user unit | `systemctl --user` |
| macOS | a launchd property list | `launchctl` |
| Windows | a task for the Task Scheduler, as XML | `schtasks` |

The texts are pure functions of the command that is to run; each starts it again when it dies.
Sources: systemd.service(5), launchd.plist(5), Microsoft's Task Scheduler schema 1.2.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from xml.sax.saxutils import escape

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written

LABEL = "org.stemlens.server"
UNIT = "stemlens.service"
TASK = "Stemlens"
MARK = "written by 'stemlens autostart install'"
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Autostart:
    """What is written for a system, and the commands that begin and end its use."""

    path: Path
    text: str
    begin: tuple[tuple[str, ...], ...]
    end: tuple[tuple[str, ...], ...]


def command() -> list[str]:
    """What is to run: this installation's server."""
    return [sys.executable, "-m", "stemlens", "serve"]


def of(
    platform: str, environment: Mapping[str, str], home: Path, words: Sequence[str]
) -> Autostart:
    """How a system (as `sys.platform` calls it) is told to start a command at login."""
    if platform == "win32":
        local = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
        path = local / "Stemlens" / "autostart.xml"
        create = ("schtasks", "/Create", "/F", "/TN", TASK, "/XML", str(path))
        run = ("schtasks", "/Run", "/TN", TASK)
        delete = ("schtasks", "/Delete", "/F", "/TN", TASK)
        user = "\\".join(filter(None, map(environment.get, ("USERDOMAIN", "USERNAME"))))
        return Autostart(path, task(_windowless(words), user), (create, run), (delete,))
    if platform == "darwin":
        path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        load = ("launchctl", "load", "-w", str(path))
        unload = ("launchctl", "unload", "-w", str(path))
        return Autostart(path, plist(words, home), (load,), (unload,))
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    path = config / "systemd" / "user" / UNIT
    systemctl = ("systemctl", "--user")
    return Autostart(
        path,
        unit(words),
        ((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", UNIT)),
        ((*systemctl, "disable", "--now", UNIT),),
    )


def unit(words: Sequence[str]) -> str:
    """A systemd user unit."""
    quoted = " ".join(_systemd(word) for word in words)
    return f"""# {MARK}
[Unit]
Description=Stemlens: which track makes a mix sound like what
StartLimitIntervalSec=0

[Service]
ExecStart={quoted}
Restart=always
RestartSec=1

[Install]
WantedBy=default.target
"""


def _systemd(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def plist(words: Sequence[str], home: Path) -> str:
    """A launchd agent."""
    log = str(home / "Library" / "Logs" / "Stemlens.log")
    agent = {
        "Label": LABEL,
        "ProgramArguments": list(words),
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 1,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    head, _, rest = plistlib.dumps(agent).decode().partition("\n")
    return f"{head}\n<!-- {MARK} -->\n{rest}"


def _windowless(words: Sequence[str]) -> list[str]:
    """With the Python that opens no console window, where the command is run by the other one."""
    program = PureWindowsPath(words[0])
    quiet = program.with_name("pythonw.exe") if program.name.lower() == "python.exe" else program
    return [str(quiet), *words[1:]]


def task(words: Sequence[str], user: str) -> str:
    """A task of the Task Scheduler, begun when this user logs in: one for all users would need the
    rights of an administrator."""
    program, *rest = words
    arguments = escape(subprocess.list2cmdline(rest))
    return f"""<?xml version="1.0"?>
<!-- {MARK} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger>
    <Enabled>true</Enabled>
    <UserId>{escape(user)}</UserId>
  </LogonTrigger></Triggers>
  <Principals><Principal id="Author">
    <UserId>{escape(user)}</UserId>
    <LogonType>InteractiveToken</LogonType>
    <RunLevel>LeastPrivilege</RunLevel>
  </Principal></Principals>
  <Settings>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author"><Exec>
    <Command>{escape(program)}</Command>
    <Arguments>{arguments}</Arguments>
  </Exec></Actions>
</Task>
"""


def here() -> Autostart:
    """That of this system and user."""
    return of(sys.platform, os.environ, Path.home(), command())


def is_ours(path: Path) -> bool:
    """Whether a file that is there was written by `install`."""
    return MARK in path.read_text(encoding="utf-8", errors="replace")


def install(auto: Autostart, *, force: bool = False) -> list[str]:
    """Writes it and begins its use; returns what a person has to know.

    Raises `output_failed` where somebody else's file is in the place, unless `force`.
    """
    _require_ours(auto.path, force)
    try:
        auto.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StemlensError(
            "output_failed", f"{auto.path.parent} cannot be made: {error.strerror}."
        ) from error
    with written(auto.path) as part:
        part.write_text(auto.text, encoding="utf-8")
    return [f"Written: {auto.path}", *_all(auto.begin)]


def remove(auto: Autostart, *, force: bool = False) -> list[str]:
    """Ends its use and takes it away; returns what a person has to know."""
    if not auto.path.exists():
        return [f"There is no {auto.path}; nothing to take away."]
    _require_ours(auto.path, force)
    told = _all(auto.end)
    auto.path.unlink(missing_ok=True)
    return [*told, f"Taken away: {auto.path}"]


def _require_ours(path: Path, force: bool) -> None:
    if path.exists() and not force and not is_ours(path):
        raise StemlensError(
            "output_failed", f"{path} was written by somebody else; --force takes its place."
        )


def _all(commands: Sequence[Sequence[str]]) -> list[str]:
    """Runs commands one after the other; the first that fails is told, with the rest to be run by
    hand."""
    for number, words in enumerate(commands):
        line = subprocess.list2cmdline(words)
        why = _run(words)
        if why is not None:
            rest = "; ".join(map(subprocess.list2cmdline, commands[number:]))
            return [f"'{line}' did not work: {why}. To do by hand when it can: {rest}"]
    return ["The system has been told."]


def _run(words: Sequence[str]) -> str | None:
    """None where it worked, else why not."""
    if shutil.which(words[0]) is None:
        return f"there is no {words[0]} here"
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"no end within {LIMIT_S:g} s"
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1].rstrip(".")
