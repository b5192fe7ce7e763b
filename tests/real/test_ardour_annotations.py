"""Annotations on a real Ardour session: over OSC while it is open, in its file while it is not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ardour import (
    Made,
    RunningArdour,
    bridge,
    copied,
    environment,
    make_session,
    own_name,
    run_lua,
)
from support.badnet import BadNet
from support.server import ServerProcess
from support.trialserver import EQ, LEVEL, numbered, trial

from stemlens_bridge import luatext, marks, moves
from stemlens_bridge.applying import moved
from stemlens_bridge.ardour import annotate, closed, menu, osc, record, running, session_file
from stemlens_bridge.ardour.follow import Follower
from stemlens_bridge.ardour.wanted import COMMENTS, MARKERS, Wanted
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.session import Session
from stemlens_bridge.trials import Tried

USERS = "the bass – the user's own words\nin two lines"
NO_COLOR = frozenset({COMMENTS, MARKERS})


@pytest.fixture(scope="module", autouse=True)
def settings(ardour_home: Path) -> Iterator[None]:
    """Ardour finds no settings of whoever runs the tests, and bounces go to no cache of theirs.
    Without its window Ardour removes no marker, however long one waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "REMOVE_S", 1.0)
        for name, value in environment(ardour_home).items():
            patch.setenv(name, value)
        yield


def comments(ardour: osc.Ardour) -> dict[str, str]:
    """What Ardour says over OSC, by the names of its tracks."""
    found = {}
    for strip in ardour.strips():
        path = f"/strip/{strip.ssid}/comment"
        found[strip.name] = str(ardour.ask(path)[path][0])
    return found


def speed(ardour: osc.Ardour) -> float:
    """How fast the transport rolls; 0 where no answer has come."""
    ardour.send([("/transport_speed", ())])
    heard = [given for path, given in ardour.receive(0.1) if path == "/transport_speed"]
    return float(heard[-1][0]) if heard else 0.0  # type: ignore[arg-type]


def wanted_for(session: session_file.SessionFile, words: str) -> Wanted:
    return Wanted(
        {route.id: f"{words} {route.name}: 21 of 63 points (−9)" for route in session.mixed},
        {route.id: "#E69F00" for route in session.mixed},
        ((0.5, "stemlens: rock – erste"), (2.25, 'stemlens: "quoted" & <two>')),
    )


# ------------------------------------------------------------------------------ the whole way


@pytest.fixture(scope="module")
def analysed(
    open_demo: RunningArdour, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The open demo, bounced, analysed by a real server and annotated; the bounce's folder."""
    open_demo.osc.send([("/strip/2/comment", (USERS,))])
    running.save(open_demo.osc, session_file.read(open_demo.path))
    folder = tmp_path_factory.mktemp("bounces") / "demo"
    found = folder.with_suffix(".json")
    address = f"127.0.0.1:{server.port}"
    assert bridge(
        open_demo.path.parent, "--server", address, "--bounce-folder", folder, "--json", found
    ) == 0  # fmt: skip
    return folder


def test_a_session_is_bounced_analysed_and_annotated(
    open_demo: RunningArdour, analysed: Path
) -> None:
    findings = Findings.read(analysed.with_suffix(".json"))
    names = {stem.id: stem.name for stem in findings.stems}
    assert list(names.values()) == ["Drums", "Bass", "Guitar", "Keys", "Pad"]
    notes = {names[note.track]: note.text for note in findings.notes}
    assert notes, "the demo has something to say"
    there = comments(open_demo.osc)
    assert {name: marks.ours(text) for name, text in there.items() if marks.ours(text)} == notes
    assert marks.taken_out(there["Bass"]) == USERS

    running.save(open_demo.osc, session_file.read(open_demo.path))
    saved = session_file.read(open_demo.path)
    assert {route.name: route.comment for route in saved.mixed} == there
    ours = [mark for mark in saved.marks if mark.name.startswith(marks.MARKER_PREFIX)]
    starts = sorted(marker.start_s for marker in findings.markers)
    assert starts and [mark.start_s for mark in ours] == pytest.approx(starts, abs=1e-4)


def test_writing_again_changes_nothing(open_demo: RunningArdour, analysed: Path) -> None:
    before = comments(open_demo.osc)
    findings = Findings.read(analysed.with_suffix(".json"))
    session = session_file.read(open_demo.path)
    wanted = Wanted({note.track: note.text for note in findings.notes}, kinds=frozenset({COMMENTS}))
    running.write(open_demo.osc, session, wanted)
    assert comments(open_demo.osc) == before


def test_a_fader_that_is_moved_is_a_move_relative_to_the_bounce(
    open_demo: RunningArdour, analysed: Path
) -> None:
    session = session_file.read(open_demo.path)
    ids = {route.name: route.id for route in session.mixed}
    came: list[moves.Move] = []
    stale: list[str] = []
    heard = threading.Event()

    def on_move(move: moves.Move) -> None:
        came.append(move)
        heard.set()

    def moved(*message: object) -> moves.Move:
        heard.clear()
        open_demo.osc.send([(str(message[0]), message[1:])])  # type: ignore[list-item]
        assert heard.wait(10), message
        return came[-1]

    stop = threading.Event()
    with osc.Ardour(open_demo.osc.address) as own:
        follower = Follower(own, session, Session.read(analysed), on_move, stale.append)
        thread = threading.Thread(target=follower.run, args=(stop,))
        thread.start()
        try:
            move = moved("/strip/gain", 3, -7.5)
            assert (move.track, move.muted) == (ids["Guitar"], None)
            assert move.gain_db == pytest.approx(-7.5, abs=0.01)
            assert moved("/strip/mute", 1, 1) == moves.Move(ids["Drums"], muted=True)
            assert moved("/strip/mute", 1, 0) == moves.Move(ids["Drums"], muted=False)
            back = moved("/strip/gain", 3, 0.0)
            assert back.gain_db == pytest.approx(0.0, abs=0.01)
            assert not stale
            open_demo.osc.send([("/strip/pan_stereo_position", (5, 0.75))])
            deadline = time.monotonic() + 10
            while not stale and time.monotonic() < deadline:
                time.sleep(0.02)
            assert stale == ["the pan of Pad was moved"]
        finally:
            open_demo.osc.send([("/strip/pan_stereo_position", (5, 0.5))])
            stop.set()
            thread.join()


def test_a_track_renamed_since_the_session_was_saved_is_never_written_on(
    open_demo: RunningArdour, analysed: Path
) -> None:
    session = session_file.read(open_demo.path)
    before = comments(open_demo.osc)
    stems = [(route.id, route.name) for route in session.mixed]
    wanted = Wanted({route.id: "wrong" for route in session.mixed}, kinds=NO_COLOR)
    try:
        # two tracks change their names: every name is still there
        for ssid, name in ((3, "Other"), (4, "Guitar"), (3, "Keys")):
            open_demo.osc.send([("/strip/name", (ssid, name))])
            path = f"/strip/{ssid}/name"
            assert open_demo.osc.ask(path)[path] == [name]
        with pytest.raises(StemlensError, match="Ctrl") as raised:
            annotate.write(open_demo.path, stems, wanted, open_demo.osc)
        assert raised.value.code == "tracks_unmatched"
        assert not any("wrong" in text for text in comments(open_demo.osc).values())

        # once it is saved the ids tell: told, and written on the very track
        done = annotate.write(open_demo.path, stems, wanted, open_demo.osc, save=True)
        assert any("'Guitar' is called 'Keys' now" in sentence for sentence in done.problems)
        gone = [*stems, ("99999", "Deleted")]
        only = Wanted({stems[2][0]: "the guitar", "99999": "wrong"}, kinds=frozenset({COMMENTS}))
        done = annotate.write(open_demo.path, gone, only, open_demo.osc)
        assert any("'Deleted' is no longer there" in sentence for sentence in done.problems)
        there = comments(open_demo.osc)
        assert marks.ours(there["Keys"]) == "the guitar"
        assert not any("wrong" in text for text in there.values())
    finally:
        for ssid, name in ((3, "Other"), (4, "Keys"), (3, "Guitar")):
            open_demo.osc.send([("/strip/name", (ssid, name))])
            open_demo.osc.ask(f"/strip/{ssid}/name")
        running.save(open_demo.osc, session)
    assert set(comments(open_demo.osc)) == set(before)


def test_no_annotation_is_lost_where_datagrams_are(
    open_demo: RunningArdour, analysed: Path
) -> None:
    session = session_file.read(open_demo.path)
    wanted = Wanted(
        {route.id: f"{route.name} {'x' * 300} end" for route in session.mixed},
        marks=tuple((2.0 + at, f"stemlens: lossy {at}") for at in range(2)),
        kinds=NO_COLOR,
    )
    with BadNet(open_demo.osc.address, loss=0.3, seed=5) as net:
        with osc.Ardour(net.address) as ardour:
            done = running.write(ardour, session, wanted)
        assert net.lost > 5 and net.reordered and net.doubled
    assert (done.comments, done.marks) == (5, 2)
    there = comments(open_demo.osc)
    by_id = {route.name: route.id for route in session.mixed}
    assert {by_id[name]: marks.ours(text) for name, text in there.items()} == wanted.comments
    running.save(open_demo.osc, session)
    saved = {
        (mark.name, round(mark.start_s, 3)) for mark in session_file.read(open_demo.path).marks
    }
    assert {(name, start_s) for start_s, name in wanted.marks} <= saved


def test_markers_wait_for_the_transport_to_stand_still(
    open_demo: RunningArdour, analysed: Path
) -> None:
    session = session_file.read(open_demo.path)
    names = {mark.name for mark in session.marks}
    open_demo.osc.send([("/locate", (0, 0)), ("/transport_play", ())])
    deadline = time.monotonic() + 10
    while not speed(open_demo.osc):
        assert time.monotonic() < deadline, "the transport does not roll"
    try:
        new = Wanted(marks=((1.0, "stemlens: rolling"),), kinds=frozenset({MARKERS}))
        done = running.write(open_demo.osc, session, new)
    finally:
        open_demo.osc.send([("/transport_stop", ())])
    assert done.marks == 0 and any("rolling" in sentence for sentence in done.problems)
    running.save(open_demo.osc, session)
    assert {mark.name for mark in session_file.read(open_demo.path).marks} == names


def test_a_file_that_an_ardour_has_open_is_not_edited(
    open_demo: RunningArdour, analysed: Path
) -> None:
    session = session_file.read(open_demo.path)
    before = open_demo.path.read_bytes()
    with pytest.raises(StemlensError, match="open in an Ardour") as raised:
        closed.write(session, wanted_for(session, "no"))
    assert raised.value.code == "daw_unreachable"
    assert open_demo.path.read_bytes() == before


def faders(ardour: osc.Ardour) -> dict[str, float]:
    """Where the faders stand, dB, by the names of the tracks."""
    strips = {strip.name: f"/strip/{strip.ssid}/fader" for strip in ardour.strips()}
    told = {name: ardour.ask(path)[path][0] for name, path in strips.items()}
    return {name: osc.fader_db(float(position)) for name, position in told.items()}


def kept_trial(path: Path, *edits: tuple[str, list[dict[str, object]]]) -> Path:
    """A file with one trial of these edits, as 'stemlens-bridge try --json' writes it."""
    messages = numbered(trial("job", "r1", 0, *edits), "job", "r1")
    path.write_text(json.dumps(Tried.from_messages(messages[-1], messages).to_dict()))  # type: ignore[arg-type]
    return path


def test_a_tried_level_moves_a_fader_and_goes_back(
    open_demo: RunningArdour, analysed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = open_demo.path.parent
    ids = {route.name: route.id for route in session_file.read(open_demo.path).mixed}
    before, texts = faders(open_demo.osc), comments(open_demo.osc)
    file = kept_trial(tmp_path / "level.json", (ids["Bass"], LEVEL), (ids["Keys"], LEVEL))
    assert bridge(folder, "--apply", file) == 0
    down = moved("Bass", before["Bass"], before["Bass"] - 3.0)
    assert f"{down}." in capfd.readouterr().out
    now = faders(open_demo.osc)
    for name, level_db in before.items():
        lower = 3.0 if name in ("Bass", "Keys") else 0.0
        assert now[name] == pytest.approx(level_db - lower, abs=0.01), name
    assert bridge(folder, "--apply", file) == 0  # once more, from where it stands
    assert faders(open_demo.osc)["Bass"] == pytest.approx(before["Bass"] - 6.0, abs=0.01)
    keys = next(strip.ssid for strip in open_demo.osc.strips() if strip.name == "Keys")
    open_demo.osc.send([("/strip/gain", (keys, -1.5))])  # the user's own since
    assert bridge(folder, "--undo") == 0
    out, err = capfd.readouterr()
    up = moved("Bass", before["Bass"] - 6.0, before["Bass"])
    assert f"{up}, as before." in out and "Keys: its fader was moved" in err
    now = faders(open_demo.osc)
    assert now["Bass"] == pytest.approx(before["Bass"], abs=0.01)
    assert now["Keys"] == pytest.approx(-1.5, abs=0.01)
    assert not record.read(session_file.read(open_demo.path)).faders
    assert comments(open_demo.osc) == texts
    open_demo.osc.send([("/strip/gain", (keys, before["Keys"]))])
    assert faders(open_demo.osc) == pytest.approx(before, abs=0.01)


def test_what_is_no_level_alone_is_written_and_moves_nothing(
    open_demo: RunningArdour, analysed: Path, tmp_path: Path
) -> None:
    folder = open_demo.path.parent
    ids = {route.name: route.id for route in session_file.read(open_demo.path).mixed}
    before, texts = faders(open_demo.osc), comments(open_demo.osc)
    file = kept_trial(tmp_path / "eq.json", (ids["Bass"], [*EQ, *LEVEL]), (ids["Pad"], LEVEL))
    assert bridge(folder, "--apply", file) == 0
    assert faders(open_demo.osc) == pytest.approx(before, abs=0.01)
    there = comments(open_demo.osc)
    block = marks.ours(there["Bass"])
    assert block is not None and block.startswith("to try: ") and "2.5 kHz" in block
    assert marks.without_suggestion(block) == marks.ours(texts["Bass"])
    assert marks.taken_out(there["Bass"]) == USERS
    assert "level −3 dB" in there["Pad"] and there["Keys"] == texts["Keys"]
    too_high = kept_trial(tmp_path / "high.json", (ids["Keys"], [{"do": "level", "db": 50.0}]))
    assert bridge(folder, "--apply", too_high) == 0  # the fader ends at +6 dB
    assert faders(open_demo.osc) == pytest.approx(before, abs=0.01)
    there = comments(open_demo.osc)
    assert "to try" in there["Keys"] and "to try" not in there["Bass"] + there["Pad"]
    assert bridge(folder, "--undo") == 0
    assert comments(open_demo.osc) == texts
    elsewhere = kept_trial(tmp_path / "elsewhere.json", ("99999", LEVEL))
    with pytest.raises(StemlensError, match="has no track for") as raised:
        bridge(folder, "--apply", elsewhere)
    assert raised.value.code == "tracks_unmatched"


def test_removing_gives_the_users_comments_back(open_demo: RunningArdour, analysed: Path) -> None:
    assert bridge(open_demo.path.parent, "--remove") == 0
    assert comments(open_demo.osc) == {
        "Drums": "", "Bass": USERS, "Guitar": "", "Keys": "", "Pad": "",
    }  # fmt: skip


# ------------------------------------------------------------------------------ a closed session


def seen_by_ardour(path: Path, home: Path) -> dict[str, str]:
    """What Ardour itself reads from a session file, and writes when it saves it."""
    report = path.with_suffix(".report")
    script = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(job.folder, job.name)
local out = io.open(job.report, "wb")
for route in session:get_routes():iter() do
  out:write(route:name(), "=", route:comment():gsub("\\n", "|"),
    "=", string.format("%08X", route:presentation_info_ptr():color()), "\\0")
end
for mark in session:locations():list():iter() do
  out:write(mark:name(), "=", mark:start():samples(), "\\0")
end
out:close()
session:save_state("", false, false, false, false, false)
close_session()
quit()
"""
    job = {"folder": str(path.parent), "name": path.stem, "report": str(report)}
    assert run_lua(script, job, home).wait(60) == 0
    lines = report.read_text(encoding="utf-8").rstrip("\0").split("\0")
    return dict(line.split("=", 1) for line in lines)


def test_a_closed_session_is_annotated_and_comes_back_byte_by_byte(
    routed_made: Path, ardour_home: Path, tmp_path: Path
) -> None:
    path = copied(routed_made, tmp_path / "Closed")
    original = path.read_bytes()
    session = session_file.read(path)
    wanted = wanted_for(session, "jazz")
    done = closed.write(session, wanted)
    everywhere = len(session.mixed)
    assert (done.comments, done.marks, done.colors) == (everywhere, 2, everywhere)
    once = path.read_bytes()
    closed.write(session_file.read(path), wanted)
    assert path.read_bytes() == once, "the same again changes nothing"
    closed.write(session_file.read(path), Wanted())
    assert path.read_bytes() == original
    assert not (path.parent / record.FOLDER).exists()


def test_ardour_reads_what_was_written_into_its_file(
    routed_made: Path, ardour_home: Path, tmp_path: Path
) -> None:
    path = copied(routed_made, tmp_path / "Read")
    before = session_file.read(path)
    closed.write(before, wanted_for(before, "jazz"))
    seen = seen_by_ardour(path, ardour_home)  # and has saved the session
    ours = "[Stemlens] jazz {}: 21 of 63 points (−9) [/Stemlens]"
    assert seen["Bass"] == f"{ours.format('Bass')}=E69F00FF"
    assert seen["Verb"] == f"two|lines <&> äöü|{ours.format('Verb')}=E69F00FF"
    assert seen['stemlens: "quoted" & <two>'] == "108000"

    closed.write(session_file.read(path), Wanted())
    after = session_file.read(path)
    assert [(r.name, r.comment, r.color) for r in after.routes] == [
        (r.name, r.comment, r.color) for r in before.routes
    ]
    assert [mark.name for mark in after.marks] == [mark.name for mark in before.marks]


def test_a_colour_that_the_user_gives_later_is_kept(routed_made: Path, tmp_path: Path) -> None:
    path = copied(routed_made, tmp_path / "Colours")
    session = session_file.read(path)
    orchestra = next(route for route in session.mixed if route.name == "Orchestra")
    assert orchestra.color == "#112233"
    closed.write(session, Wanted(colors={orchestra.id: "#E69F00"}))
    closed.write(session_file.read(path), Wanted(colors={orchestra.id: "#56B4E9"}))
    again = session_file.read(path)
    assert record.read(again).colors[orchestra.id].before == closed.rgba("#112233")
    path.write_bytes(
        path.read_bytes().replace(closed.rgba("#56B4E9").encode(), closed.rgba("#00FF00").encode())
    )
    closed.write(session_file.read(path), Wanted())
    (now,) = (r for r in session_file.read(path).mixed if r.name == "Orchestra")
    assert now.color == "#00FF00"


def test_the_menus_lua_does_the_same_inside_ardour(
    routed_made: Path, ardour_home: Path, tmp_path: Path
) -> None:
    path = copied(routed_made, tmp_path / "Menu")
    before = session_file.read(path)
    wanted = wanted_for(before, "jazz")
    menu.hand_over(before, wanted)
    script = f"""
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(job.folder, job.name)
local stemlens = (function() {menu.core()} end)()
local given = job.remove and {{comments = {{}}, colors = {{}}, marks = {{}}}}
  or stemlens.load(session, "annotations.lua")
stemlens.apply(session, nil, given)
stemlens.apply(session, nil, given)
session:save_state("", false, false, false, false, false)
close_session()
quit()
"""
    job: dict[str, object] = {"folder": str(path.parent), "name": path.stem}
    assert run_lua(script, job, ardour_home).wait(60) == 0
    there = session_file.read(path)
    assert {r.id: marks.ours(r.comment) for r in there.mixed} == dict(wanted.comments)
    assert {r.color for r in there.mixed} == {"#E69F00"}
    by_bridge = record.read(there).colors
    assert len(by_bridge) == len(there.mixed), (
        "the bridge can take out what the menu wrote, and the other way"
    )

    assert run_lua(script, {**job, "remove": True}, ardour_home).wait(60) == 0
    after = session_file.read(path)
    assert [(r.name, r.comment, r.color) for r in after.routes] == [
        (r.name, r.comment, r.color) for r in before.routes
    ]


# ------------------------------------------------------------------------------ many tracks


def test_64_tracks_are_annotated_at_once(ardour_home: Path, tmp_path: Path) -> None:
    made = [Made(f"Track {number}", bus=number > 32) for number in range(1, 65)]
    path = make_session(tmp_path / own_name("Many"), made, ardour_home)
    session = session_file.read(path)
    with RunningArdour(path, ardour_home) as ardour:
        wanted = Wanted(wanted_for(session, "rock").comments, kinds=frozenset({COMMENTS}))
        started = time.monotonic()
        done = running.write(ardour.osc, session, wanted)
        took_s = time.monotonic() - started
        assert done.comments == 64
        there = comments(ardour.osc)
    assert {r.id: marks.ours(there[r.name]) for r in session.mixed} == dict(wanted.comments)
    assert took_s < 10  # measured by benchmarks/ardour_annotations.py: well below 2 s


def test_the_names_of_lua_and_python_agree() -> None:
    assert marks.put("", "x") in luatext.dumps(marks.put("", "x"))
    assert f'"{marks.MARKER_PREFIX}"' in menu.core() and f'"{marks.BEGIN}"' in menu.core()
