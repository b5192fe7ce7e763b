"""A real VST3 plug-in for tests, compiled from `vst3/gain.cpp` with the framework DPF, which
Debian packages as source (`dpf-source`); there is no package of ready VST3 plug-ins."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from support.programs import needs

SOURCE = Path(__file__).parent / "vst3"
FRAMEWORK = Path("/usr/share/dpf/distrho")


def bundle(folder: Path, name: str, *, latency: int = 0, instrument: int = 0) -> Path:
    """Compiles the plug-in and lays out its bundle; skips the test (or fails it where CI=true)
    without the framework or a compiler."""
    compiler = needs("g++", "g++")
    if not FRAMEWORK.is_dir():
        reason = "the framework DPF is not installed (Debian package dpf-source)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    made = folder / f"{name}.vst3"
    inside = made / "Contents" / f"{platform.machine()}-linux"
    inside.mkdir(parents=True)
    command = [compiler, "-O0", "-w", "-fPIC", "-shared", "-std=gnu++14", "-fvisibility=hidden"]
    command += ["-DDISTRHO_PLUGIN_TARGET_VST3", f"-DLATENCY={latency}"]
    command += [f"-DINSTRUMENT={instrument}"]
    command += [f"-I{SOURCE}", f"-I{FRAMEWORK}", str(SOURCE / "gain.cpp")]
    command += [str(FRAMEWORK / "DistrhoPluginMain.cpp"), "-o", str(inside / f"{name}.so")]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return made
