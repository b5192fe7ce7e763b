"""Stemlens in Ardour's menu (Edit > Lua Scripts): installing the actions, and what they exchange
with the bridge.

An action of Ardour is one Lua file in the user's `scripts` folder; here each is the same core
(`lua/core.lua`) and one call. Which actions the menu shows is kept in `ui_scripts`, XML around the
base64 of a Lua chunk that fills the table `scripts`; Ardour reads it when it starts and writes it
anew when an action is assigned. Assigning ours means adding statements to that chunk.

For an analysis that was started from the menu the bridge writes, in the folder `stemlens` of the
session, `state.lua` ({state, message}; running, done or failed) and `annotations.lua` (comments
and colours by route id, markers), which the action "write annotations" takes from there.
"""

from __future__ import annotations

import base64
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import luatext
from stemlens_bridge.ardour import closed, program, record
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.ardour.wanted import COLOR, COMMENTS, MARKERS, Wanted
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written

SNAPSHOT = "stemlens-bounce"
BEFORE = "ui_scripts.before-stemlens"
SLOTS = 32


@dataclass(frozen=True, slots=True)
class Action:
    """An action: its file, what the menu calls it, what it says of itself, what it does."""

    file: str
    name: str
    description: str
    call: str


ACTIONS = (
    Action(
        "stemlens_analyse.lua",
        "Stemlens: analyse session",
        "Bounces the stems beside Ardour and has them analysed",
        "stemlens.analyse(Session, COMMAND, SNAPSHOT)",
    ),
    Action(
        "stemlens_write.lua",
        "Stemlens: write annotations",
        "Writes what the analysis found as comments and markers",
        "stemlens.write(Session, Editor, false)",
    ),
    Action(
        "stemlens_colours.lua",
        "Stemlens: write annotations and colours",
        "The same, and colours the tracks by their strongest tag",
        "stemlens.write(Session, Editor, true)",
    ),
    Action(
        "stemlens_remove.lua",
        "Stemlens: remove annotations",
        "Takes everything that Stemlens wrote out of the session",
        "stemlens.remove(Session, Editor)",
    ),
    Action(
        "stemlens_intended.lua",
        "Stemlens: meant to sound like",
        "Asks for the tags as which the song is meant to be heard",
        "stemlens.intend(Session, COMMAND)",
    ),
)


def command() -> list[str]:
    """What starts this bridge, wherever it is installed."""
    return [sys.executable, "-m", "stemlens_bridge.cli"]


def core() -> str:
    """The Lua text that all actions share; it returns a table."""
    return (Path(__file__).parent / "lua" / "core.lua").read_text(encoding="utf-8")


def body(action: Action) -> str:
    """What an action does, as Lua statements."""
    words = luatext.dumps(command()).strip().removeprefix("return ")
    return (
        f"local COMMAND, SNAPSHOT = {words}, {luatext.dumps(SNAPSHOT).strip()[7:]}\n"
        f"local stemlens = (function()\n{core()}end)()\n{action.call}\n"
    )


def script(action: Action) -> str:
    """The file of an action."""
    return (
        "ardour {\n"
        '  ["type"] = "EditorAction",\n'
        f'  name = "{action.name}",\n'
        '  author = "Stemlens",\n'
        '  license = "GPL-3.0-or-later",\n'
        f'  description = "{action.description}"\n'
        "}\n\n"
        f"function factory() return function()\n{body(action)}end end\n"
    )


def config_folder() -> Path:
    """Ardour's folder of the user's settings; raises `daw_unreachable` where there is no Ardour,
    and `daw_failed` where one with these settings runs."""
    found = program.user_config(program.find())
    if not found.is_dir():
        raise StemlensError(
            "daw_unreachable", f"Ardour has no settings in {found} yet. Start it once, then again."
        )
    if closed.running(lambda its: program.user_config(found.name, its) == found):
        raise StemlensError(
            "daw_failed",
            "Ardour is running and would overwrite its list of actions. Close it and try again.",
        )
    return found


def install() -> list[str]:
    """Puts the actions into the user's Ardour; returns what was done, in sentences."""
    config = config_folder()
    folder = config / "scripts"
    folder.mkdir(exist_ok=True)
    for action in ACTIONS:
        with written(folder / action.file) as part:
            part.write_text(script(action), encoding="utf-8")
    assigned = _assign(config, ACTIONS)
    where = "Edit > Lua Scripts"
    return [
        f"Installed {len(ACTIONS)} actions in {folder}.",
        f"They are in Ardour's menu {where}, from its next start on."
        if assigned
        else f"All places in {where} are taken: assign them there with Script Manager.",
    ]


def uninstall() -> list[str]:
    """Takes the actions out of the user's Ardour; returns what was done, in sentences."""
    config = config_folder()
    _assign(config, ())
    removed = [config / "scripts" / action.file for action in ACTIONS]
    there = [path for path in removed if path.exists()]
    for path in there:
        path.unlink()
    return [f"Removed {len(there)} actions from {config / 'scripts'}."]


def _assign(config: Path, actions: Sequence[Action]) -> bool:
    """Makes `actions`, and no others of ours, part of the menu; whether there was room."""
    own = config / "ui_scripts"
    if not own.exists():
        raise StemlensError(
            "daw_unreachable",
            f"Ardour has no list of actions ({own}) yet. Start it once, then again.",
        )
    text = own.read_text(encoding="utf-8")
    found = re.search(r"<ActionScript([^>]*?)(?:/>|>([^<]*)</ActionScript>)", text)
    if found is None:
        raise StemlensError(
            "project_invalid", f"{own} is not what Ardour writes; it was left alone."
        )
    chunk = base64.b64decode(found[2] or "").decode("utf-8", "surrogateescape") or "scripts = {} "
    begun = chunk.find(_OURS)
    if begun >= 0 and chunk.endswith(_END):
        chunk = chunk[:begun]
    elif '"Stemlens: ' in chunk:  # Ardour has written its list anew since
        chunk += _FORGET
    taken = {int(slot) for slot in re.findall(r"scripts\[(\d+)\] = \{\}", chunk)}
    free = [slot for slot in range(1, SLOTS + 1) if slot not in taken]
    if len(free) < len(actions):
        return False
    if actions:
        chunk += _OURS + "".join(
            f"scripts[{slot}] = {_entry(action, config)} "
            for slot, action in zip(free, actions, strict=False)
        )
        chunk += _END
    coded = base64.b64encode(chunk.encode("utf-8", "surrogateescape")).decode("ascii")
    edited = f"<ActionScript{found[1].rstrip()}>{coded}</ActionScript>"
    if not (config / BEFORE).exists():
        shutil.copy2(own, config / BEFORE)
    with written(own) as part:
        part.write_text(text[: found.start()] + edited + text[found.end() :], encoding="utf-8")
    return True


_OURS = "do --[[stemlens]] "
_END = "end --[[stemlens]] "
_FORGET = (
    'for i, s in pairs(scripts) do if s["n"]:find("^Stemlens: ") then scripts[i] = nil end end '
)


def _entry(action: Action, config: Path) -> str:
    """An action as the table that Ardour's list holds: `n` name, `s` file, `f` what makes it."""
    path = config / "scripts" / action.file
    values = {
        "n": action.name,
        "s": script(action),
        "f": f"return function()\n{body(action)}end",
        "a": {"x-script-origin": str(path)},
    }
    return luatext.dumps(values).strip().removeprefix("return ")


def tell(session: SessionFile, state: str, message: str) -> None:
    """Writes down how an analysis from the menu stands, and what the user is told of it: when it
    is done, warnings or nothing."""
    with written(record.make_folder(session) / "state.lua") as part:
        part.write_text(luatext.dumps({"state": state, "message": message}), encoding="utf-8")


def hand_over(session: SessionFile, wanted: Wanted) -> None:
    """Writes down what the action "write annotations" is to write."""
    given = {
        "comments": dict(wanted.comments) if COMMENTS in wanted.kinds else {},
        "colors": {own: int(closed.rgba(color)) for own, color in wanted.colors.items()}
        if COLOR in wanted.kinds
        else {},
        "marks": [{"start_s": start_s, "name": name} for start_s, name in wanted.marks]
        if MARKERS in wanted.kinds
        else [],
    }
    with written(record.make_folder(session) / "annotations.lua") as part:
        part.write_text(luatext.dumps(given), encoding="utf-8")
