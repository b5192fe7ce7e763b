"""The process that loads one VST3 plug-in, does one thing with it and ends.

    python -m stemlens.edits.vst3_process FOLDER

A plug-in is foreign code: it may crash, hang or end the process, so it runs here and nowhere else
(`vst3.py` is the other side). The folder holds `job.json` (what to do) and, to render, `in.npy`,
float32 `[channels, frames]`. The answer is `answer.json`, written last, and `out.npy` of the same
shape. `stage` says what is being done, for the case that this process ends without an answer.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard

from stemlens.edits.tomlfile import nearest
from stemlens_bridge.errors import StemlensError

_LEAST = 64  # frames: in shorter arrays the library cannot tell channels from frames


def main(folder: Path) -> None:
    """Does the job in the folder; what a plug-in or a user can do wrong becomes the answer."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        answer = _done(job, folder)
    except StemlensError as error:
        answer = {"code": error.code, "message": error.message}
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        answer = {"code": "plugin_failed", "message": f"{Path(job['path']).name}: {error}"}
    part = folder / "answer.part"
    part.write_text(json.dumps(answer), encoding="utf-8")
    part.replace(folder / "answer.json")


def _done(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    stage = folder / "stage"
    stage.write_text("it was loaded")
    # The library would wait for ten seconds until an instrument sounds; none is taken.
    plugin: Any = pedalboard.VST3Plugin(
        job["path"], plugin_name=job["plugin_name"], initialization_timeout=0.0
    )
    if not plugin.is_effect:
        raise StemlensError(
            "plugin_failed",
            f"{plugin.name} is an instrument: it plays notes and cannot edit a stem. Choose an "
            "effect.",
        )
    stage.write_text("its parameters were read")
    if job["render"] is None:
        rows = [_row(name, one, getattr(plugin, name)) for name, one in plugin.parameters.items()]
        return {"parameters": rows}
    if job["preset"] is not None:
        stage.write_text(f"it read {job['preset']}")
        plugin.load_preset(job["preset"])
    stage.write_text("its parameters were set")
    for name, value in job["parameters"].items():
        _set(plugin, name, value)
    samples = np.load(folder / "in.npy")
    stage.write_text("it rendered")
    np.save(folder / "out.npy", _rendered(plugin, samples, job["render"]))
    return {}


def _row(name: str, parameter: Any, default: Any = None) -> dict[str, Any]:
    number = parameter.type is float
    return {
        "name": name,
        "low": float(parameter.min_value) if number else None,
        "high": float(parameter.max_value) if number else None,
        "unit": parameter.label or "",
        "default": default,
        "values": [] if number else list(dict.fromkeys(parameter.valid_values)),
    }


def _set(plugin: Any, name: str, value: float | str | bool) -> None:
    """Sets one parameter; raises `preset_invalid`. The library would take an unknown name silently
    for an attribute of its own."""
    known = plugin.parameters
    if name not in known:
        raise StemlensError(
            "preset_invalid",
            f"{plugin.name} has no parameter {name!r}.{nearest(name, known)} It has: "
            f"{', '.join(known) or 'none'}.",
        )
    try:
        setattr(plugin, name, value)
    except (TypeError, ValueError) as error:
        one = _row(name, known[name])
        allowed = ", ".join(map(str, one["values"]))
        if not allowed:
            allowed = f"{one['low']:g} to {one['high']:g} {one['unit']}".strip()
        raise StemlensError(
            "preset_invalid", f"{plugin.name}: {name} cannot be {value!r}; allowed: {allowed}."
        ) from error


def _rendered(plugin: Any, samples: Any, rate: float) -> Any:
    """The plug-in's output `[channels, frames]`, as long as the input and in time with it."""
    frames = samples.shape[1]
    # What the plug-in holds back by its latency comes out with as much silence after the end.
    beyond = max(int(plugin.reported_latency_samples), _LEAST - frames, 0)
    padded = np.pad(samples, ((0, 0), (0, beyond)))
    output = plugin.process(np.ascontiguousarray(padded), rate)
    if output.shape[0] != samples.shape[0] or output.shape[1] < frames:
        raise StemlensError(
            "plugin_failed",
            f"{plugin.name} gave {output.shape[0]} channels of {output.shape[1]} frames for "
            f"{samples.shape[0]} of {frames}; it cannot be used on this stem.",
        )
    return np.ascontiguousarray(output[:, :frames], dtype=np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(0)  # the answer is there: how the plug-in takes its leave is of no interest
