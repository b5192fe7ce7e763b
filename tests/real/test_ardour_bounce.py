"""Stems out of real Ardour sessions: what is bounced, and that the stems are the mix."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support.ardour import environment, make_session

from stemlens_bridge.ardour import bounce, program, session_file
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session


@pytest.fixture(scope="module", autouse=True)
def settings(ardour_home: Path) -> None:
    """Ardour finds no settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(ardour_home).items():
            patch.setenv(name, value)
        yield  # type: ignore[misc]


START = 12_000  # samples: where the session's range begins


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def bounced(routed_made: Path, tmp_path_factory: pytest.TempPathFactory) -> bounce.Bounce:
    before = fingerprints(routed_made.parent)
    planned = bounce.plan(session_file.read(routed_made))
    folder = tmp_path_factory.mktemp("bounces") / "routed"
    done = bounce.bounce(planned, folder, program.find())
    assert fingerprints(routed_made.parent) == before, "the user's session was touched"
    return done


def stems(session: Session) -> dict[str, NDArray[np.float64]]:
    return {stem.name: soundfile.read(stem.path)[0] for stem in session.stems}


def level(samples: NDArray[np.float64]) -> float:
    return float(10 * np.log10((samples**2).mean() + 1e-30))


def test_the_cut_is_told_before_anything_is_bounced(routed_made: Path) -> None:
    told = bounce.plan(session_file.read(routed_made)).told()
    assert (
        "9 stems: Guitar, Bass, Drums, Fade, Keys, Synth, Silence, Orchestra (a bus of 2), Verb"
        in told
    )
    assert "Metronome (muted)" in told and "Nothing (nothing on it)" in told
    assert "0:03 min each" in told and "The solo of Bass, Keys is left out" in told


def test_buses_returns_and_what_feeds_what_travel_as_facts(bounced: bounce.Bounce) -> None:
    by_name = {stem.name: stem for stem in bounced.session.stems}
    ids = {name: stem.id for name, stem in by_name.items()}
    assert by_name["Orchestra"].kind == "bus" and len(by_name["Orchestra"].facts["inside"]) == 2
    assert by_name["Orchestra"].facts["fader_db"] == pytest.approx(-3, abs=0.01)
    assert by_name["Verb"].kind == "return"
    assert by_name["Guitar"].facts["feeds"] == [ids["Verb"]]
    assert by_name["Guitar"].facts["fader_db"] == pytest.approx(-6, abs=0.01)
    assert by_name["Bass"].facts["pan"] == pytest.approx(-0.6)
    assert by_name["Bass"].facts["fader_db"] == pytest.approx(-4, abs=0.01)  # its VCA's
    assert by_name["Synth"].group == "Folder"
    assert bounced.session.mix_bypassed


def test_the_stems_null_with_ardours_own_master_export(bounced: bounce.Bounce) -> None:
    mix, _ = soundfile.read(bounced.session.mix)
    rest = sum(stems(bounced.session).values()) - mix
    assert level(rest) - level(mix) < -100  # asked for are −60


def test_stems_begin_where_the_sessions_range_does(
    bounced: bounce.Bounce, routed_made: Path
) -> None:
    assert bounced.session.start_s == 0.25
    audio = routed_made.parent / "interchange" / routed_made.stem / "audiofiles"
    original = soundfile.read(audio / "Bass.wav")[0][START:]
    left = stems(bounced.session)["Bass"][:, 0]
    assert len(left) == len(original)
    assert np.corrcoef(left, original)[0, 1] > 0.999999  # not one sample off


def test_a_missing_stem_would_be_noticed(bounced: bounce.Bounce) -> None:
    mix, _ = soundfile.read(bounced.session.mix)
    parts = stems(bounced.session)
    for name in parts:
        rest = sum(samples for own, samples in parts.items() if own != name) - mix
        assert level(rest) - level(mix) > -40, name


def test_the_masters_effects_are_not_in_the_mix_that_stems_are_compared_with(
    bounced: bounce.Bounce, routed_made: Path
) -> None:
    assert session_file.read(routed_made).master.effects  # a compressor
    mix, _ = soundfile.read(bounced.session.mix)
    assert level(sum(stems(bounced.session).values())) == pytest.approx(level(mix), abs=0.001)


def test_stems_are_post_fader_and_post_pan_by_ardours_pan_law(
    bounced: bounce.Bounce, routed_made: Path
) -> None:
    audio = routed_made.parent / "interchange" / routed_made.stem / "audiofiles"
    parts = stems(bounced.session)
    guitar = soundfile.read(audio / "Guitar.wav")[0][START:]
    # a mono track at the centre: equal power, −3 dB to each side, and the fader at −6 dB
    for side in (0, 1):
        assert level(parts["Guitar"][:, side]) - level(guitar) == pytest.approx(-9.03, abs=0.05)
    bass = parts["Bass"]
    assert level(bass[:, 0]) - level(bass[:, 1]) > 8  # to the left
    assert level(bass.sum(1)) > level(bass[:, 0])
    power = level(bass[:, 0]), level(bass[:, 1])
    original = level(soundfile.read(audio / "Bass.wav")[0][START:])
    assert 10 * np.log10(sum(10 ** (side / 10) for side in power)) == pytest.approx(
        original - 4,  # its VCA
        abs=0.5,  # Ardour's law is close to equal power off the centre, not exactly that
    )
    fade = parts["Fade"][:, 0]
    second = len(fade) // 3
    assert level(fade[:second]) - level(fade[2 * second :]) > 8  # automation is in it


def test_silence_is_left_out_and_told(bounced: bounce.Bounce) -> None:
    assert "Silence" not in stems(bounced.session)
    assert any("Silence" in sentence for sentence in bounced.warnings)


def test_a_bounce_reads_back_as_a_session(bounced: bounce.Bounce) -> None:
    again = Session.read(bounced.folder)
    assert [stem.facts["fader_db"] for stem in again.stems] == [
        stem.facts["fader_db"] for stem in bounced.session.stems
    ]
    assert again.mix_bypassed and again.tempo is not None


def test_the_user_can_regroup(routed_made: Path) -> None:
    session = session_file.read(routed_made)
    ids = {route.name: route.id for route in session.mixed}
    planned = bounce.plan(session, {ids["Folder"]: "one", ids["Bass"]: "skip"})
    names = [stem.name for stem in planned.cut.stems]
    assert "Folder" in names and "Synth" not in names and "Bass" not in names


def test_a_session_that_ardour_cannot_open_is_a_sentence(routed_made: Path, tmp_path: Path) -> None:
    planned = bounce.plan(session_file.read(routed_made))
    false = tmp_path / "ardour7-lua"
    false.write_text("#!/bin/sh\nkill -SEGV $$\n")
    false.chmod(0o755)
    with pytest.raises(StemlensError, match="signal 11") as raised:
        bounce.bounce(planned, tmp_path / "bounce", str(false))
    assert raised.value.code == "bounce_failed"
    assert not (tmp_path / "bounce").exists()


def test_an_ardour_that_crashes_now_and_then_is_asked_again(
    routed_made: Path, tmp_path: Path
) -> None:
    planned = bounce.plan(session_file.read(routed_made))
    crashing = tmp_path / "ardour7-lua"
    crashing.write_text(
        f'#!/bin/sh\nif [ -e {tmp_path}/tried ]; then exec {program.find()} "$@"; fi\n'
        f"touch {tmp_path}/tried\nkill -SEGV $$\n"
    )
    crashing.chmod(0o755)
    done = bounce.bounce(planned, tmp_path / "bounce", str(crashing))
    assert (tmp_path / "tried").exists() and len(done.session.stems) == 8


def test_an_interrupted_bounce_leaves_nothing(routed_made: Path, tmp_path: Path) -> None:
    planned = bounce.plan(session_file.read(routed_made))

    def interrupt(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bounce.bounce(planned, tmp_path / "bounce", program.find(), interrupt)
    assert not (tmp_path / "bounce").exists()


def test_a_full_disk_is_told_before_the_bounce(
    routed_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = bounce.plan(session_file.read(routed_made))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(StemlensError, match="GB") as raised:
        bounce.bounce(planned, tmp_path / "bounce", "never-run")
    assert raised.value.code == "disk_full"


def test_a_disk_that_is_full_half_way_is_no_crash_of_a_plugin(
    routed_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = bounce.plan(session_file.read(routed_made))
    usage = shutil.disk_usage(tmp_path)
    told = iter((usage.free, 1000))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=next(told)))
    monkeypatch.setattr(program, "TRIES", 1)
    false = tmp_path / "ardour7-lua"
    false.write_text("#!/bin/sh\nkill -ABRT $$\n")
    false.chmod(0o755)
    with pytest.raises(StemlensError, match="Make room") as raised:
        bounce.bounce(planned, tmp_path / "bounce", str(false))
    assert raised.value.code == "disk_full"


def test_an_empty_session_has_nothing_to_analyse(ardour_home: Path, tmp_path: Path) -> None:
    empty = session_file.read(make_session(tmp_path / "Empty", (), ardour_home))
    with pytest.raises(StemlensError, match="No track of Empty sounds") as raised:
        bounce.plan(empty)
    assert raised.value.code == "nothing_to_analyse"
