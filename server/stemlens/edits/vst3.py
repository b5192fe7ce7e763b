"""VST3 effects by path, each hosted in a process of its own, which may crash without harm.

A process lives for one render: nothing is kept from one to the next. What it runs is in
`vst3_process.py`; audio goes to and fro as files. This module imports no pedalboard.

Conventions: float32 `[frames, channels]`; the output has the frames of the input (pad it for a
tail) and is in time with it. Plug-ins' opaque state is not offered: wrong bytes end the process.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens_bridge.errors import StemlensError

log = logging.getLogger(__name__)

DESCRIBE_S = 60.0
_MOST_LOGGED = 4000  # characters, the last ones


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as presets write it: a number from `low` to `high` in `unit`, or (both None)
    one of `values`. `default` is the plug-in's own."""

    name: str
    low: float | None
    high: float | None
    unit: str
    default: float | str | bool | None
    values: tuple[str | bool, ...]


def render_vst3(
    path: Path,
    parameters: Mapping[str, float | str | bool],
    samples: NDArray[np.float32],
    rate: float,
    *,
    timeout_s: float,
    plugin_name: str | None = None,
    preset: Path | None = None,
) -> NDArray[np.float32]:
    """`samples` `[frames, channels]` through the effect in the bundle `path`, same shape.

    plugin_name: which one, where the bundle has several. preset: a .vstpreset file that is loaded
    before the parameters are set. Raises `plugin_failed` for a plug-in that is missing, crashes,
    hangs beyond `timeout_s`, is no effect or cannot take the channels, and `preset_invalid` for a
    parameter or a preset file that it does not have.
    """
    _require_bundle(path)
    if preset is not None and not (preset.suffix == ".vstpreset" and preset.is_file()):
        raise StemlensError(
            "preset_invalid", f"{preset} must be a .vstpreset file, as DAWs save them."
        )
    if not len(samples):
        return samples.astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="stemlens-vst3-") as name:
        folder = Path(name)
        np.save(folder / "in.npy", np.ascontiguousarray(samples.T, dtype=np.float32))
        job = {
            "path": str(path.absolute()),
            "plugin_name": plugin_name,
            "preset": None if preset is None else str(preset.absolute()),
            "parameters": dict(parameters),
            "render": float(rate),
        }
        _run(job, folder, timeout_s)
        output = np.ascontiguousarray(np.load(folder / "out.npy").T)
    if not np.isfinite(output).all():
        raise StemlensError(
            "plugin_failed",
            f"{path.name} gave samples that are no numbers; choose other parameters or another "
            "plug-in.",
        )
    return output


def describe_vst3(
    path: Path, *, timeout_s: float = DESCRIBE_S, plugin_name: str | None = None
) -> tuple[Parameter, ...]:
    """The parameters of the effect in the bundle `path`; raises `plugin_failed`."""
    _require_bundle(path)
    with tempfile.TemporaryDirectory(prefix="stemlens-vst3-") as name:
        job = {"path": str(path.absolute()), "plugin_name": plugin_name, "render": None}
        answer = _run(job, Path(name), timeout_s)
    return tuple(
        Parameter(**{**row, "values": tuple(row["values"])}) for row in answer["parameters"]
    )


def _require_bundle(path: Path) -> None:
    if path.suffix.lower() != ".vst3":
        raise StemlensError(
            "plugin_failed",
            f"{path} is no VST3 bundle: give the folder named .vst3, not a file in it.",
        )
    if not path.exists():
        raise StemlensError(
            "plugin_failed",
            f"There is no plug-in at {path}. Install it there, or correct the path.",
        )


def _run(job: Mapping[str, Any], folder: Path, timeout_s: float) -> dict[str, Any]:
    """The answer of a process that does the job in the folder; raises what it answers."""
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    output = folder / "output.log"
    command = [sys.executable, "-X", "faulthandler", "-m", "stemlens.edits.vst3_process"]
    with output.open("wb") as file:
        child = subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    bundle = Path(job["path"]).name
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise StemlensError(
            "plugin_failed",
            f"{bundle} was not done after {timeout_s:g} s ({_stage(folder)}) and was stopped. Try "
            "it again with more time, or use another plug-in.",
        ) from None
    finally:
        child.kill()
        child.wait()
        said = output.read_text(encoding="utf-8", errors="replace").strip()
        if said:
            log.info("%s said: %s", bundle, said[-_MOST_LOGGED:])
    answered = folder / "answer.json"
    if not answered.is_file():
        raise StemlensError(
            "plugin_failed",
            f"{bundle} crashed ({_end(child.returncode)}) while {_stage(folder)}. Nothing else is "
            "harmed; the log has what it said. Use another version of it, or another plug-in.",
        )
    answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    if "code" in answer:
        raise StemlensError.told(answer["code"], answer["message"])
    return answer


def _stage(folder: Path) -> str:
    stage = folder / "stage"
    return stage.read_text() if stage.is_file() else "its process started"


def _end(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
