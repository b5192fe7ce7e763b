"""A real Ardour opens the snapshot with the sounds that explain a tag, and plays them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from support.ardour import copied, run_lua
from support.whysounds import explained

from stemlens_bridge.ardour import bounce, hearing, session_file

PLAY = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(job.folder, job.name)
local track = session:route_by_name("Stemlens only"):to_track()
track:bounce_range(
  job.from, job.to, ARDOUR.InterThreadInfo(), track:main_outs(), false, "played")
session:save_state("", false, false, false, false, false)
close_session()
quit()
"""


def test_ardour_plays_what_explains_a_tag_where_it_belongs(
    routed_made: Path, ardour_home: Path, tmp_path: Path
) -> None:
    path = copied(routed_made, tmp_path / routed_made.parent.name)
    before, users = path.read_bytes(), session_file.read(path)
    found = explained(tmp_path)
    made = hearing.write(users, found)
    name = hearing.name(users, found)
    job = {"folder": str(path.parent), "name": name, "from": 48_000, "to": 96_000}
    assert run_lua(PLAY, job, ardour_home).wait(60) == 0

    played = sorted(path.parent.glob("interchange/*/audiofiles/played*"))
    heard = np.stack([soundfile.read(file, dtype="float32")[0] for file in played], axis=1)
    np.testing.assert_allclose(
        heard, soundfile.read(found.sounds[0].path, dtype="float32")[0], atol=1e-6
    )
    saved = session_file.read(made)  # as Ardour has written it
    assert path.read_bytes() == before
    assert [route.name for route in saved.mixed if not route.is_beside] == [
        route.name for route in users.mixed
    ]
    ours = [route for route in saved.mixed if route.is_beside]
    assert len(ours) == 6 and all(route.muted and route.sounds for route in ours)
    stems = [(stem.id, stem.name, stem.inside) for stem in bounce.plan(saved).cut.stems]
    assert stems == [(stem.id, stem.name, stem.inside) for stem in bounce.plan(users).cut.stems]
