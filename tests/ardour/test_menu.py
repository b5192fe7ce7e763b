"""The actions for Ardour's menu: valid Lua, in the list that Ardour reads, and out of it again."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.programs import needs

from stemlens_bridge import marks
from stemlens_bridge.ardour import closed, menu, program
from stemlens_bridge.errors import StemlensError

LIST = """<?xml version="1.0" encoding="UTF-8"?>
<UIScripts>
  <ActionScript lua="Lua 5.3">{}</ActionScript>
  <ActionHooks/>
</UIScripts>
"""
USERS = 'scripts = {} scripts[2] = {} scripts[2]["n"] = "Mine" scripts[2]["f"] = "\\27Lua" '


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An Ardour's settings with one action of the user's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(program, "find", lambda given=None: "/usr/bin/ardour7-lua")
    folder = tmp_path / "ardour7"
    folder.mkdir()
    (folder / "ui_scripts").write_text(LIST.format(base64.b64encode(USERS.encode()).decode()))
    return folder


def lua(text: str) -> str:
    """What a Lua program prints."""
    done = subprocess.run(
        [needs("lua5.4", "lua5.4"), "-"], input=text.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def chunk(config: Path) -> str:
    found = re.search(r'"Lua 5.3">([^<]*)<', (config / "ui_scripts").read_text())
    assert found is not None
    return base64.b64decode(found[1]).decode()


def names(config: Path) -> dict[str, str]:
    """The actions in Ardour's list, by their places, as its own Lua would find them."""
    told = lua(f'{chunk(config)}\nfor i, s in pairs(scripts) do print(i .. "=" .. s.n) end')
    return dict(sorted(line.split("=") for line in told.splitlines()))


def test_installing_adds_actions_and_leaves_the_users(config: Path) -> None:
    menu.install()
    assert names(config) == {
        "1": "Stemlens: analyse session",
        "2": "Mine",
        "3": "Stemlens: write annotations",
        "4": "Stemlens: write annotations and colours",
        "5": "Stemlens: remove annotations",
        "6": "Stemlens: meant to sound like",
    }
    assert len(list((config / "scripts").iterdir())) == 5
    again = chunk(config)
    menu.install()
    assert chunk(config) == again


def test_uninstalling_gives_the_list_back(config: Path) -> None:
    before = (config / "ui_scripts").read_bytes()
    menu.install()
    menu.uninstall()
    assert (config / "ui_scripts").read_bytes() == before
    assert not list((config / "scripts").iterdir())


def test_uninstalling_after_ardour_has_written_its_list_anew(config: Path) -> None:
    menu.install()
    anew = chunk(config).replace("do --[[stemlens]] ", "").replace("end --[[stemlens]] ", "")
    (config / "ui_scripts").write_text(LIST.format(base64.b64encode(anew.encode()).decode()))
    menu.uninstall()
    assert names(config) == {"2": "Mine"}


def test_a_full_menu_is_told(config: Path) -> None:
    full = "scripts = {} " + "".join(
        f'scripts[{i}] = {{}} scripts[{i}]["n"] = "x" ' for i in range(1, 31)
    )
    (config / "ui_scripts").write_text(LIST.format(base64.b64encode(full.encode()).decode()))
    assert any("Script Manager" in sentence for sentence in menu.install())
    assert chunk(config) == full


def test_a_list_that_is_none_is_left_alone(config: Path) -> None:
    (config / "ui_scripts").write_text("<Other/>")
    with pytest.raises(StemlensError, match="left alone"):
        menu.install()
    (config / "ui_scripts").unlink()
    with pytest.raises(StemlensError, match="Start it once"):
        menu.install()


@pytest.mark.skipif(not closed.can_see(), reason="what runs is seen on Linux")
def test_an_ardour_that_runs_with_these_settings_would_write_its_list_anew(
    config: Path, tmp_path: Path
) -> None:
    shutil.copy2(needs("sleep", "coreutils"), tmp_path / "ardour-7.3.0")
    before = (config / "ui_scripts").read_bytes()
    for settings, refused in ((tmp_path, True), (tmp_path / "others", False)):
        environment = {**os.environ, "XDG_CONFIG_HOME": str(settings)}
        command = [tmp_path / "ardour-7.3.0", "60"]
        with subprocess.Popen(command, env=environment) as running:
            try:
                if refused:
                    with pytest.raises(StemlensError, match="Ardour is running"):
                        menu.install()
                    assert (config / "ui_scripts").read_bytes() == before
                    assert not (config / "scripts").exists()
                else:
                    menu.install()
            finally:
                running.kill()


@pytest.mark.parametrize("action", menu.ACTIONS, ids=lambda action: action.file)
def test_every_action_is_valid_lua_and_makes_a_function(action: menu.Action) -> None:
    made = lua(
        "function ardour(t) print(t.type, t.name) end\n"
        f"{menu.script(action)}\nprint(type(factory()))"
    )
    assert made == f"EditorAction\t{action.name}\nfunction"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mine",
        "mine\nin two lines",
        "[Stemlens] old words [/Stemlens]",
        "mine\n[Stemlens] old words [/Stemlens]",
        "mine\n[Stemlens] two\nlines [/Stemlens] and behind",
        "[Stemlens] never ended",
        "ended only [/Stemlens]",
        "äöü − 100 % [x] (y) \\ %d",
    ],
)
def test_lua_puts_and_takes_comments_as_the_bridge_does(text: str) -> None:
    ours = "rock: 21 of 63 points (muting it: −9) %1"
    told = lua(
        f"local stemlens = (function() {menu.core()} end)()\n"
        f"local text = {menu.luatext.dumps(text).strip()[7:]}\n"
        f"local ours = {menu.luatext.dumps(ours).strip()[7:]}\n"
        'io.write(stemlens.put(text, ours), "\\0", stemlens.taken_out(text), "\\0.")'
    )
    assert told.split("\0")[:2] == [marks.put(text, ours), marks.taken_out(text)]


def test_as_what_the_song_is_meant_is_asked_for_and_left_to_the_bridge(tmp_path: Path) -> None:
    (tmp_path / "intended.txt").write_text("rock, sad\n")
    folder = menu.luatext.dumps(str(tmp_path)).strip()[7:]
    told = lua(
        f"local function path() return {folder} .. '/intended.txt' end\n"
        "ARDOUR = {LuaAPI = {build_filename = path}}\n"
        "LuaDialog = {Dialog = function(title, fields) return {run = function()\n"
        "  print(fields[2].key .. '=' .. fields[2].default .. '.')\n"
        "  return {tags = 'hip-hop, \"60s\"; $HOME'} end} end}\n"
        "os.forkexec = function(...) print(table.concat({...}, '|')) end\n"
        "local session = {}\n"
        "function session:path() return '/s' end\n"
        "function session:snap_name() return 'S' end\n"
        f"local stemlens = (function() {menu.core()} end)()\n"
        "stemlens.intend(session, {'py', '-m', 'x'})"
    )
    assert told.splitlines() == [
        "tags=rock, sad.",
        'py|-m|x|ardour|/s|--snapshot|S|--intended|hip-hop, "60s"; $HOME|--list',
    ]


def test_luacheck_is_clean(tmp_path: Path) -> None:
    core = tmp_path / "core.lua"
    core.write_text(menu.core())
    given = ["--std", "lua54", "--globals", "ARDOUR", "Temporal", "LuaDialog", "os.forkexec"]
    done = subprocess.run(
        [needs("luacheck", "lua-check"), str(core), *given], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
