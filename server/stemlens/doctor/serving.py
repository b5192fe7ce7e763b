"""Checks of what the server's options name: its folders, its ports, its log; and of the clock."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from stemlens.doctor.finding import Finding, State
from stemlens.service import logs
from stemlens.service.diskspace import free_gb
from stemlens.service.settings import Settings
from stemlens_bridge import keys
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError

SPARE_GB = 2.0
PATIENCE_S = 1.0
FEW_WATCHES = 8192
ASK_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
# As Linux, macOS and Windows call them; Windows says "remote" of the drive instead.
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "fuse.sshfs", "9p", "ncpfs"}

_DATA = "stemlens serve --data DIR"
_TAKEN = "End it, or take another: stemlens serve"


def report(address: tuple[str, int]) -> dict[str, Any] | None:
    """What the server that listens there says of itself; None where none does. Raises what a
    client is refused with."""
    if not address[1]:
        return None
    try:
        with Client(address) as client:
            return client.health(patience_s=PATIENCE_S)
    except StemlensError as error:
        if error.code != "server_unreachable":
            raise
        return None


def configuration(path: Path, error: StemlensError | None) -> Iterator[Finding]:
    """The configuration file, and what is wrong with it."""
    if error is not None:
        mend = "Mend it, or move it away: until then 'stemlens serve' does not start."
        yield Finding("problem", "configuration", error.message, mend)
    elif path.is_file():
        yield Finding("ok", "configuration", str(path))
    else:
        mend = "Nothing to do. 'stemlens serve --print-config' shows all options as such a file."
        yield Finding("note", "configuration", f"there is no {path}", mend)


def data_folder(data: Path) -> Iterator[Finding]:
    """Whether the server's folder can be used, and has room."""
    there = _nearest(data)
    if not _is_writable(there):
        mend = f"Give yourself the right to write there, or choose another folder: {_DATA}"
        yield Finding("problem", "data folder", f"{there} cannot be written to", mend)
        return
    free = free_gb(there)
    state: State = "ok" if free >= SPARE_GB else "problem"
    mend = "" if state == "ok" else f"Make room on that disk, or choose another folder: {_DATA}"
    yield Finding(state, "data folder", f"{data}, {free:.1f} GB free", mend)


def log_folder(place: Path, report: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Where the log is; of a server that runs, what it says itself."""
    mend = "Give yourself the right to write there, or choose another: stemlens serve --log-dir DIR"
    if report is not None and report.get("log") is None:
        yield Finding("problem", "log", "the server that runs keeps none", mend)
    elif not _is_writable(there := _nearest(place)):
        yield Finding("problem", "log", f"{there} cannot be written to", mend)
    else:
        yield Finding("ok", "log", report["log"] if report else str(place / logs.NAME))


def listening(host: str, port: int, report: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether a server runs, or its port is free, or who has it."""
    if report is not None:
        yield Finding("ok", "server", f"Stemlens {report['version']} runs on {host}:{port}")
        return
    if not any(_is_taken(host, port, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
        mend = "'stemlens serve' starts it, 'stemlens autostart install' at every login."
        yield Finding("note", "server", f"none runs; port {port} is free", mend)
        return
    who = _owner(port) or "another program"
    yield Finding("problem", "server", f"port {port} is taken by {who}", f"{_TAKEN} --next-port")


def refused(host: str, port: int, why: StemlensError) -> Finding:
    """That a server is there and does not answer this user."""
    mend = f"{keys.VARIABLE}=FILE names its key (docs/remote.md)."
    return Finding("problem", "server", f"one listens on {host}:{port}. {why.message}", mend)


def panel(settings: Settings, report: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether the page is there, or its port is free."""
    port, mend = settings.panel_port, f"{_TAKEN} --panel-port PORT"
    if not settings.panel:
        yield Finding("ok", "panel", "not wanted (panel is off)")
    elif report is not None and report["panel"] is not None:
        yield Finding("ok", "panel", report["panel"])
    elif port and _is_taken("127.0.0.1", port, socket.SOCK_STREAM):
        who = _owner(port) or "another program"
        yield Finding("problem", "panel", f"port {port} is taken by {who}", mend)
    elif report is not None:
        mend = "It may be just starting; if not, the server's log says why."
        yield Finding("note", "panel", "the server that runs has none", mend)
    else:
        yield Finding("ok", "panel", f"port {port} is free" if port else "any free port")


def folders(settings: Settings) -> Iterator[Finding]:
    """The folders that are allowed and watched: there, readable, and of a kind that is told of."""
    for place in settings.allow:
        yield _readable("allowed folder", place)
    for place in settings.watch:
        found = _readable("watched folder", place)
        target = settings.watch_output or place
        if found.state != "ok":
            yield found
        elif not _is_writable(_nearest(target)):
            mend = "Give yourself the right to write there, or: stemlens serve --watch-out DIR"
            told = f"results cannot be written to {target}"
            yield Finding("problem", "watched folder", told, mend)
        elif not settings.watch_polling and (kind := network_drive(place)) is not None:
            mend = "Systems seldom tell of changes there. Have it looked at each second: "
            told = f"{place} is on a network drive ({kind})"
            yield Finding("note", "watched folder", told, f"{mend}stemlens serve --watch-poll")
        else:
            yield found
    if settings.watch:
        yield from watches()


def _readable(about: str, place: Path) -> Finding:
    if not place.is_dir():
        mend = "Make it or connect its drive, or take it out of the options."
        return Finding("problem", about, f"there is no folder {place}", mend)
    if not os.access(place, os.R_OK | os.X_OK):
        mend = "Give yourself the right to read it."
        return Finding("problem", about, f"{place} cannot be read", mend)
    return Finding("ok", about, str(place))


def network_drive(place: Path) -> str | None:
    """The kind of network drive that a folder lies on; None where it is on none."""
    real = Path(os.path.realpath(place))
    known = psutil.disk_partitions(all=True)
    mounts = [one for one in known if real.is_relative_to(one.mountpoint)]
    if not mounts:
        return None
    mount = max(mounts, key=lambda one: len(one.mountpoint))
    if mount.fstype.lower() in NETWORK:
        return mount.fstype
    return "remote" if "remote" in mount.opts.split(",") else None


def watches(limits: Path = Path("/proc/sys/fs/inotify/max_user_watches")) -> Iterator[Finding]:
    """Linux tells of changes in a limited number of folders."""
    if not limits.is_file():
        return
    most = int(limits.read_text())
    if most < FEW_WATCHES:
        mend = "Large watched folders are looked at every few seconds instead, or raise it: "
        mend += f"sysctl fs.inotify.max_user_watches={16 * FEW_WATCHES}"
        yield Finding("note", "watched folders", f"the system tells of {most} folders", mend)


def clock() -> Iterator[Finding]:
    """Whether the system keeps the clock right, where it says so without a network. Clients on
    other machines and the server must agree on the time (docs/operation.md)."""
    said = _synchronised()
    if said == "yes":
        yield Finding("ok", "clock", "set by a time server")
        return
    told = "not set by a time server" if said == "no" else "this system does not tell who sets it"
    mend = "It matters only where other machines use this server: all clocks must agree to half a "
    mend += "minute. " + ("timedatectl set-ntp true" if said == "no" else "Compare them.")
    yield Finding("note", "clock", told, mend)


def _synchronised() -> str:
    """yes, no, or nothing where it is not known."""
    if shutil.which(ASK_CLOCK[0]) is None:
        return ""
    try:
        done = subprocess.run(ASK_CLOCK, capture_output=True, text=True, timeout=10 * PATIENCE_S)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _nearest(place: Path) -> Path:
    """The folder itself, or the nearest above it that there is."""
    return next(above for above in (place, *place.parents) if above.is_dir())


def _is_writable(place: Path) -> bool:
    return os.access(place, os.W_OK | os.X_OK)


def _is_taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, kind)) as tried:
        if kind == socket.SOCK_STREAM and sys.platform != "win32":
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            tried.bind((host, port))
        except OSError:
            return True
    return False


def _owner(port: int) -> str | None:
    """The program that has a port, where this user may know."""
    try:
        connections = psutil.net_connections("inet")
    except (psutil.Error, OSError):
        return None
    for one in connections:
        if one.laddr and one.laddr.port == port and one.pid is not None:
            try:
                return f"{psutil.Process(one.pid).name()} (process {one.pid})"
            except psutil.Error:
                return None
    return None
