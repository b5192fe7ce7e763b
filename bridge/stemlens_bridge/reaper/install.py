"""Puts the actions into REAPER's resource folder and takes them out again.

What is written: the scripts into `Scripts/Stemlens/`, how the bridge is started into
`Stemlens/bridge.lua`, the list of all that with hashes into `Stemlens/installed.json`, and a line
for each action in `reaper-kb.ini` where that can be done safely: the file is there, and REAPER does
not run. Otherwise the user is told how to load one script that does the same from inside.

Nothing of the user's is overwritten: a file that is not as we wrote it is kept under another name
when it is in the way, and left alone when Stemlens is taken out. Everything that was done, and
everything that was not, comes back as sentences.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stemlens_bridge import __version__, jsontext, luatext, resources
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper import actions
from stemlens_bridge.reaper.mailbox import VERSION, Mailbox
from stemlens_bridge.writing import failed, written

SCHEMA = "stemlens.reaper-install/1"
CATEGORY = "Stemlens"  # the folder in our sources, and in REAPER's Scripts
REGISTER = "Stemlens_Register actions.lua"
RECORD = PurePosixPath("Stemlens/installed.json")
BRIDGE = PurePosixPath("Stemlens/bridge.lua")


def resource_folder(given: Path | None) -> Path:
    """REAPER's resource folder: the one given, or the usual one of this system.

    Raises `daw_unreachable` where it is not there or is something else.
    """
    folder = default_folder(sys.platform, os.environ) if given is None else given.absolute()
    if not os.path.isdir(folder):  # Path raises where it may not look
        where = "usual resource folder" if given is None else "folder"
        raise StemlensError(
            "daw_unreachable",
            f"There is no {where} {folder}. Start REAPER once, or name its folder with "
            "--resource-path (REAPER shows it by Options → Show REAPER resource path).",
        )
    if not os.path.isfile(folder / "reaper.ini"):
        raise StemlensError(
            "daw_unreachable",
            f"{folder} is not REAPER's resource folder: it has no reaper.ini. REAPER shows the "
            "right one by Options → Show REAPER resource path.",
        )
    return folder


def default_folder(platform: str, environment: Mapping[str, str]) -> Path:
    """Where REAPER keeps its resources unless it is a portable install."""
    if platform == "win32":
        roaming = environment.get("APPDATA")
        return Path(roaming) / "REAPER" if roaming else Path.home() / "AppData/Roaming/REAPER"
    if platform == "darwin":
        return Path.home() / "Library/Application Support/REAPER"
    return Path.home() / ".config/REAPER"


def command_line(executable: str) -> str:
    """The command that starts this bridge, quoted for REAPER's ExecProcess.

    Raises `output_failed` for a path that cannot be quoted.
    """
    if '"' in executable or any(ord(c) < 32 for c in executable) or not executable:
        raise StemlensError(
            "output_failed",
            f"REAPER cannot start a program whose path is {executable!r}. Install Stemlens in a "
            "folder without quotation marks in its name.",
        )
    # -P: a folder that REAPER happens to be in must not be searched for our modules.
    return f'"{executable}" -P -m stemlens_bridge.cli'


def windowless(executable: str) -> str:
    """On Windows the interpreter that opens no console, where it is there."""
    path = Path(executable)
    quiet = path.with_name("pythonw.exe")
    return str(quiet) if path.name.lower() == "python.exe" and quiet.is_file() else executable


@dataclass(slots=True)
class _Record:
    """What an installation wrote: hashes by path below the resource folder, and action lines."""

    version: str = ""
    files: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, resource: Path) -> _Record:
        path = resource / RECORD
        try:
            given = jsontext.read(path.read_text(encoding="utf-8"))
            if given["schema"] != SCHEMA:
                raise ValueError(f"its schema is {given['schema']!r}")
            record = cls(given["version"], dict(given["files"]), list(given["lines"]))
            texts = (record.version, *record.files, *record.files.values(), *record.lines)
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("it holds something else than texts")
            return record
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StemlensError(
                "output_failed",
                f"{path} cannot be used ({error}). Delete it, and {resource / 'Scripts' / CATEGORY}"
                " too, then install again.",
            ) from error

    def write(self, resource: Path) -> None:
        given: dict[str, Any] = {"schema": SCHEMA, "version": self.version}
        given |= {"files": self.files, "lines": self.lines}
        jsontext.write(resource / RECORD, given)


def install(resource: Path, reaper_runs: Callable[[], bool] = actions.reaper_runs) -> list[str]:
    """Installs the actions, or replaces what is installed; returns what to tell the user.

    Raises `output_failed` or `disk_full`; what was written until then is recorded.
    """
    old = _Record.read(resource)
    told = _versions(old.version)
    new = _contents(resource)
    elsewhere = by_reapack(resource)
    if elsewhere:
        new = {BRIDGE.as_posix(): new[BRIDGE.as_posix()]}
        told.append(f"The actions are there already by ReaPack ({elsewhere}); they are left alone.")
    record = _Record(__version__, dict(old.files), list(old.lines))
    _end_agent(resource)
    try:
        (resource / RECORD).parent.mkdir(exist_ok=True)
        for place in [place for place in old.files if place not in new]:
            told += _taken_out(resource, place, record)
        for place, content in new.items():
            told += _put(resource, place, content, record)
        scripts = [PurePosixPath(place).relative_to("Scripts") for place in new if _action(place)]
        told += _register(resource, scripts, record, reaper_runs)
    except OSError as error:
        raise failed(Path(error.filename or resource), error) from error
    finally:
        record.write(resource)
    told.append(f"Stemlens {__version__} is in REAPER's folder {resource}.")
    return told


def uninstall(resource: Path, reaper_runs: Callable[[], bool] = actions.reaper_runs) -> list[str]:
    """Takes out what `install` wrote and nothing else; returns what to tell the user."""
    record = _Record.read(resource)
    if not record.version:
        return [f"Stemlens is not installed in {resource}."]
    told: list[str] = []
    _end_agent(resource)
    try:
        told += _unregister(resource, record, reaper_runs)
        for place in list(record.files):
            told += _taken_out(resource, place, record)
    except OSError as error:
        raise failed(Path(error.filename or resource), error) from error
    finally:
        if record.files or record.lines:
            record.write(resource)
    if record.files or record.lines:
        return told
    (resource / RECORD).unlink(missing_ok=True)
    told.append(f"Stemlens is no longer in {resource}.")
    rest = resource / "Stemlens"
    if _emptied(rest):
        told.append(f"What analyses left behind is still in {rest}; you may delete that folder.")
    return told


def _end_agent(resource: Path) -> None:
    """Asks an agent that runs to end when its jobs have: the next one is the new version."""
    folder = resource / "Stemlens" / "mailbox"
    if (folder / "agent.lua").is_file():
        Mailbox(folder).ask("bye")


def _versions(before: str) -> list[str]:
    if not before or before == __version__:
        return []
    older = _ordered(before) > _ordered(__version__)
    return [f"Version {before} is replaced by {'the older' if older else 'version'} {__version__}."]


def _ordered(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _contents(resource: Path) -> dict[str, bytes]:
    """What is to be written, by its path below the resource folder."""
    source = resources.folder("reaper_scripts") / CATEGORY
    scripts = {
        (PurePosixPath("Scripts", CATEGORY) / path.relative_to(source).as_posix()).as_posix(): (
            path.read_bytes()
        )
        for path in sorted(source.rglob("*.lua"))
    }
    if not scripts:
        raise StemlensError("output_failed", f"This installation lacks the scripts in {source}.")
    command = command_line(windowless(sys.executable))
    bridge = {"command": command, "version": __version__, "mailbox": VERSION}
    return scripts | {BRIDGE.as_posix(): luatext.dumps(bridge).encode()}


def _action(place: str) -> bool:
    path = PurePosixPath(place)
    own = path.parent == PurePosixPath("Scripts", CATEGORY) and path.name.startswith("Stemlens_")
    return own and path.name != REGISTER


def by_reapack(resource: Path) -> Path | None:
    """The folder into which ReaPack installed the same scripts, if it did."""
    if not (resource / "ReaPack").is_dir():
        return None
    scripts = (resource / "Scripts").glob(f"*/{CATEGORY}/Stemlens_*.lua")
    return next((found.parent for found in scripts), None)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _put(resource: Path, place: str, content: bytes, record: _Record) -> list[str]:
    """Writes one file; a stranger in its place is kept under another name."""
    path = resource / place
    told = []
    present = path.read_bytes() if path.exists() else content
    if present != content and record.files.get(place) != _hash(present):
        kept = _free_name(path)
        path.rename(kept)
        told.append(f"{path.name} was not as Stemlens had written it; it is kept as {kept}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as part:
        part.write_bytes(content)
    record.files[place] = _hash(content)
    return told


def _free_name(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}.kept-{number}")).exists():
        number += 1
    return free


def _taken_out(resource: Path, place: str, record: _Record) -> list[str]:
    """Removes one file that was written, unless it was changed since."""
    path = resource / place
    expected = record.files.pop(place)
    if not path.is_file():
        return []
    if _hash(path.read_bytes()) != expected:
        return [f"{path} was changed since Stemlens wrote it; it is left where it is."]
    path.unlink()
    for folder in list(path.parents)[: len(PurePosixPath(place).parts) - 1]:
        if folder.name == "Scripts" or _emptied(folder):
            break
    return []


def _emptied(folder: Path) -> bool:
    """Removes a folder if nothing is in it; whether something is."""
    try:
        folder.rmdir()
    except OSError:
        return folder.exists()
    return False


def _register(
    resource: Path,
    scripts: list[PurePosixPath],
    record: _Record,
    reaper_runs: Callable[[], bool],
) -> list[str]:
    lines = [actions.line(script) for script in scripts]
    gone = [text for text in record.lines if text not in lines]
    path = resource / actions.FILE_NAME
    if not lines and not gone:
        return []
    before = path.read_bytes() if path.is_file() else None
    if before is not None:
        after = actions.added(actions.removed(before, gone), lines)
        if after == before:
            record.lines = lines
            return []
        if not reaper_runs():
            shutil.copy2(path, path.with_name(actions.BACKUP_NAME))
            with written(path) as part:
                part.write_bytes(after)
            record.lines = lines
            return [
                f"{len(lines)} actions are in REAPER's action list; its former list is kept as "
                f"{actions.BACKUP_NAME}."
            ]
    why = "REAPER runs" if before is not None else "REAPER has no list of actions yet"
    script = resource / "Scripts" / CATEGORY / REGISTER
    return [
        f"One step is left, because {why}: in REAPER open Actions → Show action list → New action "
        f"→ Load ReaScript, choose {script} and run it; it adds all other actions."
    ]


def _unregister(resource: Path, record: _Record, reaper_runs: Callable[[], bool]) -> list[str]:
    """Takes our lines out of REAPER's list, also those that it wrote itself when asked inside."""
    path = resource / actions.FILE_NAME
    lines = record.lines + [
        actions.line(PurePosixPath(place).relative_to("Scripts"))
        for place in record.files
        if place.startswith("Scripts/") and PurePosixPath(place).name.startswith("Stemlens_")
    ]
    before = path.read_bytes() if path.is_file() else b""
    after = actions.removed(before, lines)
    if after == before:
        record.lines = []
        return []
    if reaper_runs():
        record.lines = sorted(set(lines))
        return [
            "REAPER runs and still lists the actions: quit it and run "
            "'stemlens-bridge reaper uninstall' once more."
        ]
    shutil.copy2(path, path.with_name(actions.BACKUP_NAME))
    with written(path) as part:
        part.write_bytes(after)
    record.lines = []
    return []
