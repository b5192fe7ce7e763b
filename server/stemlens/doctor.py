"""Looks over an installation: what is there, what is missing, and how to mend it.

Each check is a function that gives findings; none changes anything. torch is asked in a process of
its own, because a broken build of it can take the asker along.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from stemlens.separation import demucs_models
from stemlens.service.diskspace import free_gb
from stemlens.tagging import weights
from stemlens_bridge import __version__
from stemlens_bridge.ardour import program
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.reaper import install

State = Literal["ok", "note", "problem"]

TORCH_S = 120.0
SPARE_GB = 2.0
FEW_WATCHES = 8192
ASK_TORCH = """
import json, torch
print(json.dumps({
    "version": torch.__version__,
    "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    "mps": torch.backends.mps.is_available(),
    "cuda_build": torch.version.cuda,
}))
"""
LIVE_SCRIPTS = (
    "Music/Ableton/User Library/Remote Scripts",
    "Documents/Ableton/User Library/Remote Scripts",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in one line what it is about and how that stands; `mend` is what to do
    where it is not right."""

    state: State
    about: str
    told: str
    mend: str = ""


def findings(data: Path, host: str, port: int) -> Iterator[Finding]:
    """All checks, the cheap ones first; `data`, `host` and `port` are those of the server."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        versions,
        lambda: folder(data),
        lambda: listening(host, port),
        tagger_weights,
        separator_weights,
        reaper,
        ardour,
        live,
        watching,
        compute,
    ]
    for check in checks:
        yield from check()


def versions() -> Iterator[Finding]:
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Finding("ok", "version", f"Stemlens {__version__}, {python}")


def folder(data: Path) -> Iterator[Finding]:
    """Whether the server's folder can be used, and has room."""
    there = next(place for place in (data, *data.parents) if place.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        mend = f"Give yourself the right to write there, or choose another folder: {_DATA}"
        yield Finding("problem", "data folder", f"{there} cannot be written to", mend)
        return
    free = free_gb(there)
    state: State = "ok" if free >= SPARE_GB else "problem"
    mend = "" if state == "ok" else f"Make room on that disk, or choose another folder: {_DATA}"
    yield Finding(state, "data folder", f"{data}, {free:.1f} GB free", mend)


def listening(host: str, port: int) -> Iterator[Finding]:
    """Whether a server runs, or its port is free, or who has it."""
    try:
        with Client((host, port)) as client:
            version = client.ping(patience_s=1.0).version
        yield Finding("ok", "server", f"Stemlens {version} runs on {host}:{port}")
        return
    except StemlensError as error:
        if error.code != "server_unreachable":
            raise
    taken = [
        kind for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM) if _is_taken(host, port, kind)
    ]
    if not taken:
        mend = "'stemlens serve' starts it, 'stemlens autostart install' at every login."
        yield Finding("note", "server", f"none runs; port {port} is free", mend)
        return
    who = _owner(port) or "another program"
    mend = "End it, or take another: stemlens serve --next-port"
    yield Finding("problem", "server", f"port {port} is taken by {who}", mend)


def _is_taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    with closing(socket.socket(socket.AF_INET, kind)) as tried:
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


def tagger_weights() -> Iterator[Finding]:
    default = Options().tagger
    here = [name for name in weights.MODELS if weights.is_there(name)]
    if default in here:
        yield Finding("ok", "tagger", f"the weights of {', '.join(here)} are here")
        return
    mend = f"They are fetched at the first analysis; to do it now: stemlens models pull {default}"
    yield Finding("note", "tagger", f"the weights of {default} are not fetched yet", mend)


def separator_weights() -> Iterator[Finding]:
    here = [name for name in demucs_models.MODELS if demucs_models.is_there(name)]
    if here:
        yield Finding("ok", "separator", f"{', '.join(here)} can separate a lone mix")
        return
    mend = "Only a mix without stems needs one; it is fetched then (docs/separation.md)."
    yield Finding("note", "separator", "none is fetched yet", mend)


def reaper() -> Iterator[Finding]:
    """REAPER's resource folder, and whether our actions are in it."""
    try:
        resource = install.resource_folder(None)
    except StemlensError:
        yield Finding("note", "REAPER", "not found", "Nothing to do if you do not use it.")
        return
    if (resource / install.RECORD).is_file() or install.by_reapack(resource) is not None:
        yield Finding("ok", "REAPER", f"the actions are installed in {resource}")
        return
    mend = "stemlens-bridge reaper install"
    yield Finding("note", "REAPER", f"{resource} has no Stemlens actions yet", mend)


def ardour() -> Iterator[Finding]:
    try:
        yield Finding("ok", "Ardour", program.find())
    except StemlensError:
        yield Finding("note", "Ardour", "not found", "Nothing to do if you do not use it.")


def live() -> Iterator[Finding]:
    """Live's user library, and whether AbletonOSC, by which it is spoken to, lies in it."""
    scripts = next(
        (path for path in map(Path.home().joinpath, LIVE_SCRIPTS) if path.is_dir()), None
    )
    if scripts is None:
        yield Finding("note", "Ableton Live", "not found", "Nothing to do if you do not use it.")
    elif (scripts / "AbletonOSC").is_dir():
        yield Finding("ok", "Ableton Live", f"AbletonOSC is in {scripts}")
    else:
        mend = "Put AbletonOSC there (docs/ableton.md)."
        yield Finding("note", "Ableton Live", f"{scripts} has no AbletonOSC", mend)


def watching(limits: Path = Path("/proc/sys/fs/inotify/max_user_watches")) -> Iterator[Finding]:
    """Linux tells of changes in a limited number of folders."""
    if not limits.is_file():
        return
    most = int(limits.read_text())
    if most < FEW_WATCHES:
        mend = "Large watched folders are looked at every few seconds instead, or raise it: "
        mend += f"sysctl fs.inotify.max_user_watches={16 * FEW_WATCHES}"
        yield Finding("note", "watched folders", f"the system tells of {most} folders", mend)


def compute() -> Iterator[Finding]:
    """PyTorch and the GPU, asked in another process."""
    mend = "Install it again: pip install --force-reinstall torch (docs on pytorch.org for a GPU)."
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASK_TORCH], capture_output=True, text=True, timeout=TORCH_S
        )
    except subprocess.TimeoutExpired:
        yield Finding("problem", "PyTorch", f"does not load within {TORCH_S:g} s", mend)
        return
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        yield Finding("problem", "PyTorch", f"does not load: {last}", mend)
        return
    yield from _computes(json.loads(done.stdout.strip().splitlines()[-1]))


def _computes(torch: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("ok", "PyTorch", torch["version"])
    if torch["gpu"]:
        yield Finding("ok", "GPU", torch["gpu"])
    elif torch["mps"]:
        yield Finding("ok", "GPU", "Apple's (mps)")
    elif torch["cuda_build"]:
        mend = "If there is an NVIDIA GPU, see whether 'nvidia-smi' runs, and mend its driver."
        yield Finding("note", "GPU", "none that PyTorch can use; the CPU does the work", mend)
    else:
        mend = "If there is an NVIDIA GPU, install a build of PyTorch for it (pytorch.org)."
        yield Finding("note", "GPU", "this PyTorch is built for the CPU alone", mend)


_DATA = "stemlens serve --data DIR"
