"""Fetches the musicnn networks' trained weights and keeps them in the user's cache folder.

The weights are published as TensorFlow checkpoints inside the package `musicnn` 0.1.0 on the
Python package index (Jordi Pons, ISC licence). `pull` gets that wheel with pip, checks its
SHA-256, and converts all networks in it at once: `NAME.safetensors` holds every variable that
inference needs, float32, under TensorFlow's name and in TensorFlow's layout; beside it
`NAME.safetensors.sha256` holds the file's own hash, so that `load` notices damage. A file lock
keeps processes that start at the same time from fetching twice or reading half a file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import platformdirs
import safetensors.numpy
from numpy.typing import NDArray

from stemlens.tagging import tf_checkpoint, unknown
from stemlens.tagging.vocabulary import MSD, MTT, Tag
from stemlens_bridge.errors import StemlensError


@dataclass(frozen=True, slots=True)
class Model:
    """One trained network: its checkpoint's folder in the wheel, its architecture, its tags."""

    folder: str
    network: str
    tags: tuple[Tag, ...]


MODELS = {
    "msd-musicnn": Model("musicnn/MSD_musicnn", "musicnn", MSD),
    "mtt-musicnn": Model("musicnn/MTT_musicnn", "musicnn", MTT),
    "msd-vgg": Model("musicnn/MSD_vgg", "vgg", MSD),
    "mtt-vgg": Model("musicnn/MTT_vgg", "vgg", MTT),
}
DEFAULT = "msd-musicnn"

REQUIREMENT = "musicnn==0.1.0"
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_BYTES = 29_292_476
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"

STALLED_S = 120.0  # pip is given up when it has written nothing for so long
WAIT_S = 1800.0  # how long to wait for another process that is fetching
POLL_S = 0.1

Progress = Callable[[float], None]


def folder() -> Path:
    """Where converted weights are kept; it need not exist yet."""
    return Path(platformdirs.user_cache_dir("stemlens")) / "models"


def path(name: str) -> Path:
    """Where the weights of tagger `name` are kept, there or not."""
    _model(name)
    return folder() / f"{name}.safetensors"


def is_there(name: str) -> bool:
    """Whether the weights of `name` have been pulled; says nothing about their content."""
    return path(name).is_file() and _sidecar(name).is_file()


def load(name: str) -> dict[str, NDArray[np.float32]]:
    """The weights of tagger `name` by variable name; pulls them first when they are not there.

    Raises StemlensError: tagger_unknown; weights_missing when they cannot be fetched;
    weights_damaged when the file is not what was once written.
    """
    if not is_there(name):
        pull(name)
    content = path(name).read_bytes()
    if not _matches(name, content):
        raise StemlensError(
            "weights_damaged",
            f"The weights in {path(name)} are damaged. "
            f"Replace them with: stemlens models pull {name}",
        )
    return safetensors.numpy.load(content)


def pull(name: str, *, wheel: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch and convert the weights of tagger `name` (and of its siblings in the same wheel).

    Files that are there and undamaged are left alone. `wheel` is a copy of `WHEEL` fetched by
    hand; without it pip downloads one. `progress` gets the fraction of the download, 0 to 1.
    Raises StemlensError: tagger_unknown, weights_missing, weights_damaged (wrong wheel).
    """
    target, report = path(name), progress or (lambda fraction: None)
    if wheel is not None:
        _check(wheel)
    try:
        with _alone(name) as workshop:
            if not _is_intact(name):
                report(0.0)
                wheel = wheel or _download(name, workshop, report)
                _check(wheel)
                for each in MODELS:
                    if not _is_intact(each):
                        _convert(each, wheel, workshop)
            report(1.0)
    except OSError as error:
        raise StemlensError(
            "weights_missing",
            f"The weights of {name} cannot be kept in {folder()}: {error}. "
            "Make that folder writable, with 50 MB of free space.",
        ) from error
    return target


def _model(name: str) -> Model:
    if name not in MODELS:
        raise unknown(name, MODELS)
    return MODELS[name]


def _sidecar(name: str) -> Path:
    return folder() / f"{name}.safetensors.sha256"


def _matches(name: str, content: bytes) -> bool:
    return _sidecar(name).read_text(encoding="ascii") == hashlib.sha256(content).hexdigest()


def _is_intact(name: str) -> bool:
    return is_there(name) and _matches(name, path(name).read_bytes())


@contextmanager
def _alone(name: str) -> Iterator[Path]:
    """The right to write to the cache folder, and a temporary folder inside it."""
    folder().mkdir(parents=True, exist_ok=True)
    workshop = folder() / "pulling"
    try:
        with filelock.FileLock(folder() / "pull.lock", timeout=WAIT_S):
            shutil.rmtree(workshop, ignore_errors=True)  # of a process that was killed
            workshop.mkdir()
            try:
                yield workshop
            finally:
                shutil.rmtree(workshop, ignore_errors=True)
    except filelock.Timeout as error:
        raise StemlensError(
            "weights_missing",
            f"Another process has been fetching weights for {WAIT_S / 60:.0f} minutes. "
            f"End it, then: stemlens models pull {name}",
        ) from error


def _check(wheel: Path) -> None:
    """Raises StemlensError unless `wheel` is the one file that the weights are taken from."""
    try:
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        raise StemlensError(
            "weights_missing", f"The wheel {wheel} cannot be read: {error.strerror}."
        ) from error
    if found != WHEEL_SHA256:
        raise StemlensError(
            "weights_damaged",
            f"{wheel} is not the expected {WHEEL}: its SHA-256 is {found} instead of "
            f"{WHEEL_SHA256}. Fetch that file again from the Python package index "
            "(project musicnn).",
        )


def _download(name: str, workshop: Path, report: Progress) -> Path:
    """The wheel, fetched by pip into `workshop`."""
    log = workshop / "pip.log"
    # pip loads into the temporary folder and moves the whole file to --dest at the end, so both
    # are inside the workshop: its size tells how far the download is, and nothing stays behind.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(workshop), REQUIREMENT]
    places = {key: str(workshop) for key in ("TMPDIR", "TEMP", "TMP")}
    try:
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | places,
            )
    except OSError as error:
        raise _by_hand(name, f"pip could not be started ({error})") from error
    try:
        stalled = _watch(child, workshop, report)
    finally:
        child.kill()
        child.wait()
    if stalled:
        raise _by_hand(name, f"pip has received nothing for {STALLED_S:.0f} s")
    wheel = workshop / WHEEL
    if child.returncode != 0 or not wheel.is_file():
        raise _by_hand(name, _last_error(log.read_text(encoding="utf-8", errors="replace")))
    return wheel


def _watch(child: subprocess.Popen[bytes], workshop: Path, report: Progress) -> bool:
    """Wait for pip; true when it has stalled."""
    written, since = 0, time.monotonic()
    while True:
        try:
            child.wait(POLL_S)
            return False
        except subprocess.TimeoutExpired:
            size = _size(workshop)
        if size > written:
            written, since = size, time.monotonic()
            report(min(1.0, written / WHEEL_BYTES))
        elif time.monotonic() - since > STALLED_S:
            return True


def _size(workshop: Path) -> int:
    """Bytes of all files under `workshop`, while another process creates and moves them."""
    total = 0
    for where, _, files in os.walk(workshop):
        for file in files:
            try:
                total += os.stat(os.path.join(where, file)).st_size
            except FileNotFoundError:
                continue  # moved since it was listed
    return total


def _last_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    if any("No module named pip" in line for line in lines):
        return "this Python environment has no pip"
    return f"pip says: {errors[-1]}" if errors else "pip failed without a word"


def _by_hand(name: str, cause: str) -> StemlensError:
    return StemlensError(
        "weights_missing",
        f"The weights of {name} could not be fetched: {cause}. Download {WHEEL} from the Python "
        "package index (project musicnn, version 0.1.0, on any machine), then: "
        f"stemlens models pull {name} --wheel FILE",
    )


def _convert(name: str, wheel: Path, workshop: Path) -> None:
    """Write the weights of `name` and their hash; each file appears whole or not at all."""
    inside = MODELS[name].folder
    try:
        with zipfile.ZipFile(wheel) as archive:
            index = archive.read(f"{inside}/.index")
            data = archive.read(f"{inside}/.data-00000-of-00001")
    except (KeyError, zipfile.BadZipFile) as error:
        raise StemlensError("weights_damaged", f"{wheel} has no {inside}: {error}.") from error
    variables = tf_checkpoint.read(index, data)
    # The optimiser's state, two thirds of the checkpoint, is for training only.
    kept = {
        key: np.ascontiguousarray(value)
        for key, value in variables.items()
        if "Adam" not in key and not key.endswith("_power")
    }
    content = safetensors.numpy.save(kept)
    fresh, digest = workshop / "weights", workshop / "sha256"
    fresh.write_bytes(content)
    digest.write_text(hashlib.sha256(content).hexdigest(), encoding="ascii")
    _sidecar(name).unlink(missing_ok=True)  # so that a file and a stale hash never meet
    os.replace(fresh, path(name))
    os.replace(digest, _sidecar(name))
