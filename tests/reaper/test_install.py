"""The actions come into REAPER's folder and leave it as it was."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from support import lualiteral
from support.programs import needs
from support.reaperside import AgentThread, awaited

from stemlens_bridge import __version__, resources
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper import actions, install

SOURCE = resources.folder("reaper_scripts") / "Stemlens"
KB = (
    b'ACT 0 0 "6ddbf2fb39a2eb4dbfbc60d50065a184" "Custom: mine" 41039 40290\r\n'
    b'SCR 4 0 RS1ee9bb229dabffe151848d7efa3c10f748e1a1cf "Custom: lyrics.lua" Cockos/lyrics.lua\r\n'
    b"KEY 1 65 _RS1ee9bb229dabffe151848d7efa3c10f748e1a1cf 0\t\t # Main : A\r\n"
    b"KEY 9 90 0 0\r\n"
)


def idle() -> bool:
    return False


def busy() -> bool:
    return True


@pytest.fixture
def resource(tmp_path: Path) -> Path:
    """REAPER's resource folder with what a user has in it."""
    folder = tmp_path / "Jörg's Studio (2)" / "REAPER"
    (folder / "Scripts" / "Cockos").mkdir(parents=True)
    (folder / "Scripts" / "Cockos" / "lyrics.lua").write_text("-- theirs")
    (folder / "Scripts" / "__startup.lua").write_text("-- the user's own")
    (folder / "reaper.ini").write_text("[REAPER]\n")
    (folder / "reaper-kb.ini").write_bytes(KB)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
    }


def test_install_and_uninstall_leave_the_folder_as_it_was(resource: Path) -> None:
    before = content(resource)
    install.install(resource, idle)
    assert install.install(resource, idle)[-1].startswith(f"Stemlens {__version__} is in")
    installed = content(resource)
    for path in SOURCE.rglob("*.lua"):
        place = f"Scripts/Stemlens/{path.relative_to(SOURCE).as_posix()}"
        assert installed[place] == path.read_bytes()
    assert {place for place in before if installed[place] != before[place]} == {"reaper-kb.ini"}

    (told,) = install.uninstall(resource, idle)
    assert "no longer" in told
    after = content(resource)
    assert after.pop(actions.BACKUP_NAME) == installed["reaper-kb.ini"]
    assert after == before
    assert "is not installed" in install.uninstall(resource, idle)[0]


def test_the_actions_are_in_reapers_list(resource: Path) -> None:
    told = install.install(resource, idle)
    listed = (resource / "reaper-kb.ini").read_bytes()
    assert listed.startswith(KB) and listed.endswith(b"\r\n")
    assert (resource / actions.BACKUP_NAME).read_bytes() == KB
    lines = listed[len(KB) :].decode().splitlines()
    scripts = {p.name for p in SOURCE.glob("Stemlens_*.lua")} - {install.REGISTER}
    assert len(lines) == len(scripts) > 10
    assert {line.split('"')[1].removeprefix("Custom: ") for line in lines} == scripts
    for line in lines:
        path = line.split('" ')[1].strip('"')
        assert (resource / "Scripts" / path).is_file()
    assert any(f"{len(scripts)} actions" in sentence for sentence in told)
    install.install(resource, idle)
    assert (resource / "reaper-kb.ini").read_bytes() == listed


@pytest.mark.parametrize(
    ("script", "line"),
    [  # as REAPER itself wrote them for scripts that everybody has
        (
            "Cockos/lyrics.lua",
            "SCR 4 0 RS1ee9bb229dabffe151848d7efa3c10f748e1a1cf "
            '"Custom: lyrics.lua" Cockos/lyrics.lua',
        ),
        (
            "Cockos/Default_6.0_theme_adjuster.lua",
            "SCR 4 0 RS1cbf05b0c4f875518496f34a5ce45adefe05cb67 "
            '"Custom: Default_6.0_theme_adjuster.lua" Cockos/Default_6.0_theme_adjuster.lua',
        ),
        (
            "X-Raym Scripts/Various/X-Raym_Render selected tracks individually through master.lua",
            "SCR 4 0 RS2f84f7d0f526f29e65a51b29befe8ada0fcd0ce0 "
            '"Custom: X-Raym_Render selected tracks individually through master.lua" '
            '"X-Raym Scripts/Various/X-Raym_Render selected tracks individually through '
            'master.lua"',
        ),
    ],
)
def test_a_line_is_the_one_reaper_would_write(script: str, line: str) -> None:
    assert actions.line(PurePosixPath(script)) == line


def test_lines_come_and_go_and_nothing_else_changes() -> None:
    line = actions.line(PurePosixPath("Stemlens/Stemlens_Analyze session.lua"))
    for before in (b"", KB, KB.replace(b"\r\n", b"\n"), KB.rstrip(b"\r\n"), b"# \xff\xfe\n"):
        after = actions.added(before, [line])
        assert after.startswith(before) and after.count(line.encode()) == 1
        assert actions.added(after, [line]) == after
        assert actions.removed(after, [line]).rstrip() == before.rstrip()
        renamed = after.replace(b"Custom: Stemlens_", b"Script: Stemlens_")
        assert actions.removed(renamed, [line]).rstrip() == before.rstrip()
    shortcut = f"KEY 1 65 _{line.split()[3]} 0\n".encode()  # the user's: works again some day
    assert actions.removed(shortcut, [line]) == shortcut


def test_while_reaper_runs_its_list_is_left_alone_and_the_way_is_told(resource: Path) -> None:
    told = install.install(resource, busy)
    assert (resource / "reaper-kb.ini").read_bytes() == KB
    (step,) = [sentence for sentence in told if "One step is left" in sentence]
    script = resource / "Scripts" / "Stemlens" / install.REGISTER
    assert str(script) in step and "REAPER runs" in step and script.is_file()
    later = install.install(resource, idle)
    assert not any("step is left" in sentence for sentence in later)
    assert b"Stemlens_Analyze session.lua" in (resource / "reaper-kb.ini").read_bytes()


def test_a_reaper_without_a_list_of_actions_gets_none(resource: Path) -> None:
    (resource / "reaper-kb.ini").unlink()
    told = install.install(resource, idle)
    assert any("One step is left" in sentence for sentence in told)
    assert not (resource / "reaper-kb.ini").exists()


def test_uninstall_while_reaper_runs_is_finished_later(resource: Path) -> None:
    before = content(resource)
    install.install(resource, idle)
    (told,) = install.uninstall(resource, busy)
    assert "quit it" in told
    assert not (resource / "Scripts" / "Stemlens").exists()
    install.uninstall(resource, idle)
    after = content(resource)
    after.pop(actions.BACKUP_NAME)
    assert after == before


def test_actions_that_reaper_was_told_of_inside_are_taken_out_too(resource: Path) -> None:
    install.install(resource, busy)
    inside = [
        actions.line(PurePosixPath("Stemlens", path.name)) for path in SOURCE.glob("Stemlens_*")
    ]
    (resource / "reaper-kb.ini").write_bytes(actions.added(KB, inside))
    install.uninstall(resource, idle)
    assert (resource / "reaper-kb.ini").read_bytes() == KB


def test_what_the_user_changed_is_kept_and_told(resource: Path) -> None:
    install.install(resource, idle)
    folder = resource / "Scripts" / "Stemlens"
    changed = folder / "Stemlens_Settings.lua"
    changed.write_text("-- my own")
    told = install.install(resource, idle)
    kept = folder / "Stemlens_Settings.lua.kept-1"
    assert kept.read_text() == "-- my own" and any(str(kept) in sentence for sentence in told)
    assert changed.read_bytes() == (SOURCE / changed.name).read_bytes()

    changed.write_text("-- again")
    told = install.uninstall(resource, idle)
    assert any(str(changed) in sentence for sentence in told)
    left = {path.name for path in folder.rglob("*")}
    assert left == {kept.name, changed.name} and changed.read_text() == "-- again"


def test_a_strangers_file_in_the_way_is_kept(resource: Path) -> None:
    stranger = resource / "Scripts" / "Stemlens" / "lib" / "json.lua"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("-- not ours")
    install.install(resource, idle)
    assert stranger.with_name("json.lua.kept-1").read_text() == "-- not ours"
    install.uninstall(resource, idle)
    assert stranger.with_name("json.lua.kept-1").is_file() and not stranger.exists()


@pytest.mark.parametrize(("before", "says"), [("0.0.9", "version"), ("99.1.0", "the older")])
def test_another_version_is_replaced_cleanly_and_told(
    resource: Path, before: str, says: str
) -> None:
    install.install(resource, idle)
    record = resource / "Stemlens" / "installed.json"
    given = json.loads(record.read_text())
    gone = resource / "Scripts" / "Stemlens" / "Stemlens_Former action.lua"
    gone.write_text("former")
    line = actions.line(PurePosixPath("Stemlens", gone.name))
    kb = resource / "reaper-kb.ini"
    kb.write_bytes(actions.added(kb.read_bytes(), [line]))
    own = hashlib.sha256(b"former").hexdigest()
    given["files"]["Scripts/Stemlens/Stemlens_Former action.lua"] = own
    given["lines"].append(line)
    given["version"] = before
    record.write_text(json.dumps(given))

    told = install.install(resource, idle)
    assert told[0] == f"Version {before} is replaced by {says} {__version__}."
    assert not gone.exists() and line.encode() not in kb.read_bytes()
    assert json.loads(record.read_text())["version"] == __version__


def test_a_damaged_record_is_a_sentence(resource: Path) -> None:
    install.install(resource, idle)
    record = resource / "Stemlens" / "installed.json"
    numbers = json.dumps({**json.loads(record.read_text()), "lines": [3]})
    for text in ("", "[]", '{"schema": "other"}', numbers):
        record.write_text(text)
        for command in (install.install, install.uninstall):
            with pytest.raises(StemlensError, match=r"installed\.json"):
                command(resource, idle)


def test_an_installation_that_breaks_off_can_be_taken_out(
    resource: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(resource)
    write, count = Path.write_bytes, 0

    def breaks(self: Path, data: bytes) -> int:
        nonlocal count
        count += 1
        if count > 5:
            raise OSError(28, "No space left on device", str(self))
        return write(self, data)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", breaks)
        with pytest.raises(StemlensError, match="disk is full"):
            install.install(resource, idle)
    assert content(resource) != before
    install.uninstall(resource, idle)
    assert content(resource) == before


def test_what_reapack_installed_is_left_alone(resource: Path) -> None:
    theirs = resource / "Scripts" / "Stemlens" / "Stemlens" / "Stemlens_Analyze session.lua"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("-- by ReaPack")
    (resource / "ReaPack").mkdir()
    told = install.install(resource, idle)
    assert any("ReaPack" in sentence for sentence in told)
    assert (resource / "Stemlens" / "bridge.lua").is_file()
    assert [path.name for path in (resource / "Scripts" / "Stemlens").iterdir()] == ["Stemlens"]
    assert (resource / "reaper-kb.ini").read_bytes() == KB
    install.uninstall(resource, idle)
    assert theirs.read_text() == "-- by ReaPack" and not (resource / "Stemlens").exists()


def test_analyses_stay_when_the_actions_go(resource: Path) -> None:
    install.install(resource, idle)
    kept = resource / "Stemlens" / "mailbox" / "to-reaper" / "findings-a.lua"
    kept.parent.mkdir(parents=True)
    kept.write_text("return {}")
    told = install.uninstall(resource, idle)
    assert kept.is_file() and any(str(resource / "Stemlens") in sentence for sentence in told)


def test_an_agent_that_runs_makes_room_for_the_new_one(resource: Path) -> None:
    running = AgentThread(resource / "Stemlens" / "mailbox", ("127.0.0.1", 9))
    with running:
        install.install(resource, idle)
        running.thread.join(10)
        assert running.served == [True]


# ---------------------------------------------------------------------------- the way to the bridge


def test_the_bridge_is_started_by_what_is_written_down(resource: Path) -> None:
    install.install(resource, idle)
    bridge = lualiteral.loads((resource / "Stemlens" / "bridge.lua").read_text())
    assert (bridge["version"], bridge["mailbox"]) == (__version__, 1)
    quoted, rest = bridge["command"][1:].split('"', 1)
    done = subprocess.run(
        [quoted, *rest.split(), "--version"], capture_output=True, text=True, cwd="/", check=True
    )
    assert done.stdout.strip() == f"stemlens-bridge {__version__}"


def test_lua_reads_it_too(resource: Path) -> None:
    lua = needs("lua5.4", "lua5.4")
    install.install(resource, idle)
    code = 'local t = load(io.read("a"), "=b", "t", {})(); io.write(t.command, "|", t.mailbox)'
    bridge = (resource / "Stemlens" / "bridge.lua").read_bytes()
    done = subprocess.run([lua, "-e", code], input=bridge, capture_output=True, check=True)
    assert done.stdout.decode() == f"{install.command_line(sys.executable)}|1"


def test_paths_are_quoted_for_reaper(tmp_path: Path) -> None:
    windows = "C:\\Users\\Jörg Müller\\venv\\Scripts\\python.exe"
    assert install.command_line(windows) == f'"{windows}" -P -m stemlens_bridge.cli'
    for bad in ("", '/home/"me"/python', "/home/a\nb/python"):
        with pytest.raises(StemlensError, match="cannot start a program"):
            install.command_line(bad)
    python = tmp_path / "python.exe"
    assert install.windowless(str(python)) == str(python)
    (tmp_path / "pythonw.exe").touch()
    assert install.windowless(str(python)) == str(tmp_path / "pythonw.exe")
    assert install.windowless("/usr/bin/python3") == "/usr/bin/python3"


# ---------------------------------------------------------------------------- REAPER's folder


def test_the_usual_folders() -> None:
    roaming = {"APPDATA": "C:/Users/me/AppData/Roaming"}
    assert install.default_folder("win32", roaming) == Path(roaming["APPDATA"]) / "REAPER"
    home = Path.home()
    assert install.default_folder("win32", {}) == home / "AppData/Roaming/REAPER"
    assert install.default_folder("darwin", {}) == home / "Library/Application Support/REAPER"
    assert install.default_folder("linux", {}) == home / ".config/REAPER"


def test_a_portable_install_is_named(resource: Path) -> None:
    assert install.resource_folder(resource) == resource
    with pytest.raises(StemlensError, match=r"no reaper\.ini") as caught:
        install.resource_folder(resource / "Scripts")
    assert caught.value.code == "daw_unreachable"
    for nowhere in ("nowhere", "x" * 300):
        with pytest.raises(StemlensError, match="--resource-path"):
            install.resource_folder(resource / nowhere)


def test_the_commands_say_what_they_did(resource: Path, tmp_path: Path) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stemlens_bridge.cli", "reaper", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    where = ("--resource-path", str(resource))
    assert f"Stemlens {__version__} is in REAPER's folder" in said("install", *where)
    assert "no longer" in said("uninstall", *where)
    missing = said("install", "--resource-path", str(tmp_path / "nowhere"), code=1)
    assert "daw_unreachable" in missing


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_a_reaper_that_runs_is_seen(tmp_path: Path) -> None:
    if actions.reaper_runs():
        pytest.skip("a REAPER runs here")
    program = tmp_path / "reaper"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    running = subprocess.Popen([str(program), "60"])
    try:
        awaited(actions.reaper_runs)
    finally:
        running.kill()
        running.wait()
