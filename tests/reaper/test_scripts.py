"""REAPER's scripts under a plain Lua, against a stand-in for REAPER's API (`lua/support`).

Each Lua test is one case here; `lua5.4 tests/reaper/lua/run.lua run FILE NAME FOLDER` runs one by
itself. `reascript_api.json` is REAPER's own API documentation as data (function, least and most
arguments, their types, what is returned): the scripts' calls are checked against it in their
source, and the stand-in checks them again as they happen.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.programs import needs

HERE = Path(__file__).parent
RUN = HERE / "lua" / "run.lua"
SCRIPTS = HERE.parents[1] / "reaper_scripts"


def cases() -> list[tuple[str, str]]:
    """The Lua tests, or one that says what is missing."""
    lua = shutil.which("lua5.4")
    if lua is None:
        return [("", "")]
    listed = subprocess.run([lua, str(RUN), "list"], capture_output=True, text=True, check=True)
    return [
        (file, name)
        for line in listed.stdout.splitlines()
        for file, _, name in [line.partition("\t")]
    ]


@pytest.mark.parametrize(("file", "name"), cases())
def test_in_lua(file: str, name: str, tmp_path: Path) -> None:
    lua = needs("lua5.4", "lua5.4")
    command = [lua, str(RUN), "run", file, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout


def test_luacheck_has_nothing_to_say() -> None:
    luacheck = needs("luacheck", "lua-check")
    command = [luacheck, "--no-color", "--codes", "Stemlens"]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_manual_shows_the_window_as_it_is_drawn(tmp_path: Path) -> None:
    lua = needs("lua5.4", "lua5.4")
    drawn = tmp_path / "window.svg"
    size = ("1000", "340")
    subprocess.run([lua, str(HERE / "lua" / "draw.lua"), "results", str(drawn), *size], check=True)
    kept = (HERE.parents[1] / "docs" / "reaper-window.svg").read_text(encoding="utf-8")
    assert kept == drawn.read_text(encoding="utf-8"), (
        "run: lua5.4 tests/reaper/lua/draw.lua results docs/reaper-window.svg 1000 340"
    )
