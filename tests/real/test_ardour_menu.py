"""Stemlens in the menu of a real Ardour with its window, on a display that nobody sees."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ardour import ArdourWindow, bridge, copied, environment, window_settings
from support.programs import needs
from support.server import ServerProcess

from stemlens_bridge import marks
from stemlens_bridge.ardour import annotate, menu, record, running, session_file
from stemlens_bridge.ardour.wanted import Wanted
from stemlens_bridge.errors import StemlensError


@pytest.fixture(scope="module")
def window(
    routed_made: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ArdourWindow, Path, Path]]:
    """Ardour with our actions and the routed session; its session file; what a started bridge is
    told (a stand-in that only writes down its arguments)."""
    needs("ardour", "ardour")
    needs("xvfb-run", "xvfb")
    folder = tmp_path_factory.mktemp("window")
    path = copied(routed_made, folder / "Window")
    told = folder / "told.json"
    stand_in = f"import json, sys; json.dump(sys.argv[1:], open({str(told)!r}, 'w'))"
    window_settings(folder / "home", 48_000)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder / "home").items():
            patch.setenv(name, value)
        patch.setattr(menu, "command", lambda: [sys.executable, "-c", stand_in])
        menu.install()
        with ArdourWindow(path, folder / "home") as ardour:
            with pytest.raises(StemlensError, match="Ardour is running"):
                menu.install()
            yield ardour, path, told


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def saved(ardour: ArdourWindow, path: Path) -> session_file.SessionFile:
    """The session as Ardour has it now."""
    running.save(ardour.osc, session_file.read(path))
    return session_file.read(path)


def shown(session: session_file.SessionFile) -> object:
    """What an annotation could change."""
    return [(r.name, r.comment, r.color) for r in session.routes], session.marks


def test_markers_are_removed_over_osc_where_there_is_a_window(
    window: tuple[ArdourWindow, Path, Path],
) -> None:
    ardour, path, _ = window
    session = saved(ardour, path)
    two = Wanted(marks=((0.5, "stemlens: one"), (1.5, "stemlens: zwei – ü")))
    assert annotate.write(path, [], two, ardour.osc).marks == 2
    ours = [m.name for m in saved(ardour, path).marks if m not in session.marks]
    assert sorted(ours) == ["stemlens: one", "stemlens: zwei – ü"]
    moved = Wanted(marks=((0.5, "stemlens: one"), (2.0, "stemlens: three")))
    annotate.write(path, [], moved, ardour.osc)
    ours = [m.name for m in saved(ardour, path).marks if m not in session.marks]
    assert sorted(ours) == ["stemlens: one", "stemlens: three"]
    done = annotate.write(path, [], Wanted(), ardour.osc)
    assert not done.left and saved(ardour, path).marks == session.marks


def test_what_was_found_is_written_by_an_action_and_removed_by_another(
    window: tuple[ArdourWindow, Path, Path],
) -> None:
    ardour, path, _ = window
    before = saved(ardour, path)
    noted = {route.name: route.id for route in before.mixed[:4]}
    wanted = Wanted(
        {own: f"rock: 21 of 63 points (muting it: −9) {name}" for name, own in noted.items()},
        {own: "#E69F00" for own in noted.values()},
        ((1.0, "stemlens: rock – peak"), (2.0, "stemlens: jazz – peak")),
    )
    menu.hand_over(before, wanted)
    menu.tell(before, "done", "")

    for _ in range(2):  # the second time changes nothing
        ardour.action("LuaAction/script-3")  # with colours
        until(lambda: len(saved(ardour, path).marks) == len(before.marks) + 2)  # come last
    written = saved(ardour, path)
    ours = {route.id: marks.ours(route.comment) for route in written.mixed}
    assert {own: text for own, text in ours.items() if text} == wanted.comments
    users = {route.id: route.comment for route in before.mixed}
    assert all(marks.taken_out(r.comment) == users[r.id] for r in written.mixed)
    changed = {
        now.id
        for now, was in zip(written.mixed, before.mixed, strict=True)
        if now.color != was.color
    }
    assert changed == set(noted.values()) == set(record.read(written).colors)
    assert [(m.start_s, m.name) for m in written.marks][-2:] == list(wanted.marks)

    ardour.action("LuaAction/script-4")
    until(lambda: shown(saved(ardour, path)) == shown(before))


def test_an_analysis_started_from_the_menu_hands_its_findings_over(
    window: tuple[ArdourWindow, Path, Path], server: ServerProcess
) -> None:
    ardour, path, told = window
    midi = sorted(path.parent.glob("interchange/*/midifiles/*"))
    ardour.action("LuaAction/script-1")  # opens a message that nobody closes: the last test here
    until(lambda: told.exists() and told.stat().st_size > 0)
    given = json.loads(told.read_text())
    snapshot = path.with_name(f"{menu.SNAPSHOT}.ardour")
    assert snapshot.exists(), "the session as it is, saved or not"
    assert midi and sorted(path.parent.glob("interchange/*/midifiles/*")) == midi
    assert given[:4] == ["ardour", str(path.parent), "--snapshot", menu.SNAPSHOT]
    assert bridge(*given[1:], "--server", f"127.0.0.1:{server.port}") == 0
    assert not list(path.parent.glob(f"{menu.SNAPSHOT}*"))
    folder = path.parent / "stemlens"
    assert '"done"' in (folder / "state.lua").read_text()
    assert (folder / "annotations.lua").read_text().startswith('return {["comments"]=')
