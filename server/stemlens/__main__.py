"""The command `stemlens`: the standard library alone, until a command needs more.

A base install is only the bridge. There, this says which extra is missing instead of failing with
a name that means nothing to a musician.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from stemlens_bridge import __version__

NEEDED = (
    "demucs",
    "filelock",
    "mido",
    "nicegui",
    "numpy",
    "pedalboard",
    "platformdirs",
    "psutil",
    "pyloudnorm",
    "rich",
    "safetensors",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "typer",
    "watchdog",
)
HELP = f"""Stemlens {__version__}: which stem makes a mix sound like something, measured.

Commands: analyze, try, suggest, verify, presets, goals, separate, tag, midi, models, scores, serve,
watch, status, doctor, autostart, validate.
They need the extra 'server', which is not installed [extra_missing]:

    pip install 'stemlens[server]'

'stemlens-bridge', which brings a DAW's stems to a server, works without it.
"""


def main() -> None:
    """Runs the command and exits with its code."""
    # Before numpy is loaded; see `service.worker_process`.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.argv[1:] == ["--version"]:
        print(f"stemlens {__version__}")
        return
    try:
        complete = all(importlib.util.find_spec(name) for name in NEEDED)
        if complete:
            from stemlens.cli import run
    except KeyboardInterrupt:  # loading takes a second or two
        print("stemlens: stopped", file=sys.stderr)
        sys.exit(130)
    if not complete:
        asks_for_help = not sys.argv[1:] or "--help" in sys.argv[1:]
        print(HELP, end="", file=sys.stdout if asks_for_help else sys.stderr)
        sys.exit(0 if asks_for_help else 1)
    run()


if __name__ == "__main__":
    main()
