"""REAPER's scripts under a plain Lua, against a stand-in for REAPER's API (`lua/support`).

Each Lua test is one case here; `lua5.4 tests/reaper/lua/run.lua run FILE NAME FOLDER` runs one by
itself. `reascript_api.json` is REAPER's own API documentation as data (function, least and most
arguments, their types, what is returned): the scripts' calls are checked against it in their
source, and the stand-in checks them again as they happen.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.programs import needs

from stemlens_bridge.routing import Track, cut

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


@pytest.mark.parametrize(
    ("selected", "stems", "skipped"),
    [
        ([], ["Drums", "Bass", "Guitar", "Reverb"], ["Click", "Ideas"]),
        (["kick", "guitar"], ["Kick", "Guitar"], ["Snare", "Bass", "Reverb", "Click", "Ideas"]),
        (["drums"], ["Drums"], ["Bass", "Band", "Guitar", "Reverb", "Click", "Ideas"]),
    ],
)
def test_the_bridge_cuts_what_the_scripts_tell_of_the_routing(
    tmp_path: Path, selected: list[str], stems: list[str], skipped: list[str]
) -> None:
    lua = needs("lua5.4", "lua5.4")
    command = [lua, str(HERE / "lua" / "facts.lua"), str(tmp_path), *selected]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = cut([Track.from_plain(track) for track in told["tracks"]], told["choices"])
    assert [stem.name for stem in found.stems] == stems
    assert [track.name for track in found.skipped] == skipped
    if not selected:
        drums, _, guitar, reverb = found.stems
        assert (drums.kind, len(drums.inside), guitar.group) == ("bus", 2, "Band")
        assert (reverb.kind, guitar.feeds) == ("return", (reverb.id,))


def test_luacheck_has_nothing_to_say() -> None:
    luacheck = needs("luacheck", "lua-check")
    command = [luacheck, "--no-color", "--codes", "Stemlens"]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("view", "file", "height"),
    [("results", "reaper-window.svg", "340"), ("suggestions", "reaper-suggestions.svg", "420")],
)
def test_the_manual_shows_the_window_as_it_is_drawn(
    tmp_path: Path, view: str, file: str, height: str
) -> None:
    lua = needs("lua5.4", "lua5.4")
    drawn = tmp_path / file
    size = ("1000", height)
    subprocess.run([lua, str(HERE / "lua" / "draw.lua"), view, str(drawn), *size], check=True)
    kept = (HERE.parents[1] / "docs" / file).read_text(encoding="utf-8")
    assert kept == drawn.read_text(encoding="utf-8"), (
        f"run: lua5.4 tests/reaper/lua/draw.lua {view} docs/{file} 1000 {height}"
    )
