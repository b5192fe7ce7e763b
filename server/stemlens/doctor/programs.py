"""Checks of what is beside the server: weights, DAWs, and PyTorch with the GPU.

torch is asked in a process of its own, because a broken build of it can take the asker along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stemlens.doctor.finding import Finding
from stemlens.separation import demucs_models
from stemlens.tagging import weights
from stemlens_bridge.ardour import program
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.reaper import install

TORCH_S = 120.0
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
