"""Which running Ardour is believed to have a session open."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.findings import findings

from stemlens_bridge.ardour import annotate, closed, osc, session_file
from stemlens_bridge.ardour.wanted import Wanted
from stemlens_bridge.findings import TimeNote

SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<Session version="7002" sample-rate="48000" id-counter="9"><Sources>
<Source id="3" name="take.wav" type="audio"/></Sources>
<Playlists><Playlist id="4"><Region length="a1@a0"{}/></Playlist></Playlists></Session>"""


class Found:
    """Stands for an Ardour that answers for a session of that name."""

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("played", "in_use", "believed"),
    [
        (True, True, True),
        (True, False, False),  # a copy of the session elsewhere
        (False, False, True),  # recordings that no track plays are not kept open
    ],
)
def test_an_ardour_is_believed_that_has_the_recordings_open(
    played: bool, in_use: bool, believed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = tmp_path / "interchange" / "Song" / "audiofiles"
    audio.mkdir(parents=True)
    (audio / "take.wav").touch()
    path = tmp_path / "Song.ardour"
    path.write_text(SESSION.format(' source-0="3"' if played else ""))
    monkeypatch.setattr(osc, "find", lambda snapshot, names: Found())
    monkeypatch.setattr(closed, "can_see", lambda: True)
    monkeypatch.setattr(closed, "in_use", lambda folder: in_use)
    assert (annotate.opened(session_file.read(path)) is not None) is believed


def test_what_belongs_to_no_track_is_a_marker_whatever_tracks_are_found() -> None:
    notes = [TimeNote("", 9.0, 25.0, "highlight: rock"), TimeNote("1", 4.0, 7.0, "Bass: x")]
    wanted = Wanted.from_findings(findings({"1": "Bass"}, markers=notes), ("markers",))
    marks = ((4.0, "stemlens: Bass: x"), (9.0, "stemlens: highlight: rock"))
    assert wanted.marks == wanted.placed({}).marks == marks
