"""Sessions that lack stems get them; sessions that have them never see Demucs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.models import package, save_th, tiny
from support.sounds import RATE, sounds, stem_folder
from typer.testing import CliRunner

from stemlens import audio, cli_separation, separating, separation
from stemlens.audio import Samples
from stemlens.cli import app
from stemlens.separation.trust import Trust
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session, Stem


@pytest.fixture
def model(tmp_path: Path) -> str:
    save_th(tmp_path / "models", "tiny", package(tiny()))
    return str(tmp_path / "models")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A lone mix of 3.2 s, mono."""
    soundfile.write(tmp_path / "song.wav", sounds(3.2).sum(axis=0), RATE)
    return tmp_path / "song.wav"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "separated"


class Halves:
    """A perfect separator of noise from what it is told to be the rest."""

    name, stems, rate = "halves", ("low", "high", "nothing"), RATE

    def separate(
        self, samples: Samples, rate: int, on_progress: Callable[[float], None] = print
    ) -> dict[str, Samples]:
        low = np.float32(0.25) * samples
        return {"low": low, "high": samples - low, "nothing": np.float32(1e-4) * samples}


def test_a_lone_mix_becomes_stems_that_are_made_once(
    song: Path, model: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session.read(mix=song)
    assert session.stems == () and session.project == "song"
    options = Options(separator=model)
    stages: list[str] = []
    made = separating.with_stems(session, options, "cpu", lambda stage, _: stages.append(stage),
                                 folder=folder)  # fmt: skip
    assert "separating" in stages
    assert {stem.name for stem in made.session.stems} <= {"drums", "bass", "other", "vocals"}
    assert made.session.source == "separated" and made.session.mix == song
    assert made.options.master == "off" and [code for code, _ in made.warnings] == ["separated"]
    clip = audio.read(made.session.stems[0].path)
    assert clip.samples.shape == (len(audio.read(song).samples), 1) and clip.sample_rate == RATE
    assert soundfile.info(made.session.stems[0].path).subtype == "FLOAT"
    monkeypatch.setattr("stemlens.separation.load", None)  # would not be callable
    again = separating.with_stems(session, options, "cpu", folder=folder)
    assert again.session == made.session
    save_th(Path(model), "tiny", package(tiny(seed=1)))  # another model of the same name
    with pytest.raises(TypeError):
        separating.with_stems(session, options, "cpu", folder=folder)


def test_a_cancelled_separation_leaves_nothing_behind(song: Path, model: str, folder: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(stage: str, fraction: float) -> None:
        if stage == "separating" and fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        separating.with_stems(
            Session.read(mix=song), Options(separator=model), "cpu", cancel, folder=folder
        )
    assert not folder.exists() or not list(folder.iterdir())


def test_what_cannot_be_separated(song: Path, model: str, folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    for mix, options, code in (
        (song, Options(separate="off"), "session_invalid"),
        (tmp_path / "silence.wav", Options(separator=model), "nothing_to_analyse"),
        (tmp_path / "none.wav", Options(separator=model), "audio_missing"),
        (song, Options(separator="htdemux"), "separator_unknown"),
    ):
        with pytest.raises(StemlensError) as caught:
            separating.with_stems(Session.read(mix=mix), options, "cpu", folder=folder)
        assert caught.value.code == code


def test_silent_stems_are_dropped_by_their_loudest_moment() -> None:
    mix = np.zeros((4 * RATE, 2), np.float32)
    mix[RATE : 2 * RATE] = 0.5
    brief = mix.copy()
    brief[round(1.3 * RATE) :] = 0
    stems = {"all": mix, "brief": 0.02 * brief, "hiss": 10 ** (-55 / 20) * mix, "none": 0 * mix}
    assert list(separating.drop_silent(stems, mix, RATE)) == ["all", "brief"]


def test_the_rest_of_a_mix_is_separated_beside_real_stems(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four stems, with time stamps from 10:00:00 on, and a mix: the parts of the rest are
    the fourth to −50 dB, and lie in time where the others lie."""
    monkeypatch.setattr("stemlens.separation.load", lambda name, device: Halves())
    monkeypatch.setattr("stemlens.separation.identity", lambda name: name)
    four = sounds(3.2)[:, :, None]
    for name, stem, start_s in (("kick", four[0], 36_000.0), ("chord", four[1], 36_000.0)):
        separating.write_wav(tmp_path / f"{name}.wav", stem, RATE, start_s)
    late = four[2][RATE:]
    separating.write_wav(tmp_path / "noise.wav", late, RATE, 36_001.0)
    mix = four[0] + four[1] + four[3]
    mix[RATE:] += late
    separating.write_wav(tmp_path / "mix.wav", 0.5 * mix, RATE, 36_000.0)
    session = Session.read(tmp_path)
    made = separating.with_stems(session, Options(separate="rest"), "cpu", folder=folder)
    assert [stem.name for stem in made.session.stems[3:]] == ["rest: low", "rest: high"]
    assert {stem.kind for stem in made.session.stems[3:]} == {"rest"}
    assert made.options.master == "off" and made.session.source == "multitrack"
    parts = [audio.read(stem.path) for stem in made.session.stems[3:]]
    assert {part.time_reference_s for part in parts} == {36_000.0}
    rest = audio.to_mono(parts[0].samples + parts[1].samples)
    off = np.sqrt(np.mean((rest - four[3, :, 0]) ** 2) / np.mean(four[3] ** 2))
    assert 20 * np.log10(off) < -50


def test_nothing_beyond_the_stems_is_told(tmp_path: Path, folder: Path) -> None:
    places = stem_folder(tmp_path / "s")
    both = sounds(3.2)[:2].sum(axis=0)
    options = Options(separate="rest")
    without = separating.with_stems(Session.read(places), options, "cpu", folder=folder)
    assert [code for code, _ in without.warnings] == ["rest_without_mix"]
    soundfile.write(tmp_path / "mix.wav", both, RATE, subtype="FLOAT")
    session = Session.read(places, mix=tmp_path / "mix.wav")
    nulls = separating.with_stems(session, options, "cpu", folder=folder)
    assert nulls.session == session and [code for code, _ in nulls.warnings] == ["no_rest"]


def test_the_folder_of_separated_stems_does_not_grow_for_ever(
    song: Path, model: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separating, "MAX_BYTES", 300_000)
    for loud in (1.0, 0.9, 0.8):
        samples = loud * audio.read(song).samples[:RATE]
        separating.stems_of(samples, RATE, model, "cpu", folder, lambda stage, fraction: None)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("name", ["the piano", "a/b", "../x", "🎸?", "..."])
def test_any_name_makes_a_file_in_the_folder(tmp_path: Path, name: str) -> None:
    samples = np.zeros((10, 1), np.float32)
    trusts = [Trust(name, 0.4, "drums leak into it")]
    session = separating.write(tmp_path / "out", {name: samples}, RATE, "query", trusts)
    assert session.stems[0].path.parent == tmp_path / "out" and session.stems[0].path.exists()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    (stem,) = Session.read(moved).stems
    assert stem.name == name and stem.path.exists() and stem.facts["trust"] == 0.4
    assert stem.facts["doubt"] == "drums leak into it"


def test_a_session_of_separated_stems_knows_that_it_is_one(tmp_path: Path) -> None:
    made = Stem("a", "a", tmp_path / "a.wav", facts={"separator": "htdemucs", "trust": 0.5})
    real = Stem("b", "b", tmp_path / "b.wav")
    assert Session("p", "files", (made,)).source == "separated"
    assert Session("p", "files", (made, real)).source == "multitrack"
    with pytest.raises(StemlensError, match="no stems and no mix"):
        Session("p", "files", ())


# ------------------------------------------------------------------------- from end to end


def stemlens(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stemlens", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEMLENS_SEPARATED", str(folder))
    return folder


def test_separate_and_analyze_by_command(
    song: Path,
    model: str,
    tmp_path: Path,
    own_folder: Path,
    real_weights: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "stems"
    monkeypatch.chdir(tmp_path)  # where the model's folder can be named by its name alone
    done = stemlens("separate", song, "--model", "models", "--device", "cpu", "-o", out)
    files = {path.stem for path in out.glob("*.wav")}
    assert files and all(f"{name} " in done.stdout for name in files) and "LUFS" in done.stdout
    run = CliRunner().invoke
    again = run(app, ["separate", str(song), "--model", model, "-o", str(out)])
    assert again.exit_code == 1
    found = []
    for place in ([out], ["--mix", song, "--separator", model]):
        command = ["analyze", *place, "--device", "cpu", "--json", tmp_path / "r.json"]
        assert run(app, [str(word) for word in command]).exit_code == 0
        found.append(json.loads((tmp_path / "r.json").read_text()))
    for result in found:
        session = result["session"]
        assert session["source"] == "separated" and session["master"] == "off"
        assert {stem["name"] for stem in session["stems"]} == files
        assert all(stem["trust"] < 1 for stem in session["stems"])
        assert session["mix"]["path"] == str(song)
    assert "separated" in {warning["code"] for warning in found[1]["warnings"]}
    assert found[0]["tags"] == found[1]["tags"]


def test_real_stems_never_load_demucs(tmp_path: Path, real_weights: None) -> None:
    """Not even a part of it, after a whole analysis, beside a mix."""
    places = stem_folder(tmp_path / "s")
    soundfile.write(places / "mix.wav", sounds(3.2)[:2].sum(axis=0), RATE)
    code = (
        "import sys, stemlens; analysis = stemlens.analyze(sys.argv[1], device='cpu');"
        "assert analysis.to_dict()['session']['source'] == 'multitrack';"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('demucs', 'sphn', 'huggingface_hub')])"
    )
    command = [sys.executable, "-c", code, str(places)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_separators_are_listed_with_state_size_and_terms(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    told = stemlens("models", "list").stdout
    for part in ("htdemucs_6s    to fetch, about 55 MB", "guitar, piano", "query:WORDS",
                 "only for scientific purposes", "MIT"):  # fmt: skip
        assert part in told


def test_no_stem_takes_the_place_of_the_mix_or_of_another_file(tmp_path: Path) -> None:
    mix, other = tmp_path / "drums.wav", tmp_path / "bass.wav"
    for path in (mix, other):
        path.write_bytes(b"a sound")
    for force in (False, True):
        with pytest.raises(StemlensError, match="over the mix"):
            cli_separation._require_room(tmp_path, mix, ("drums", "bass"), force)
    with pytest.raises(StemlensError, match=r"bass\.wav exists already"):
        cli_separation._require_room(tmp_path, mix, ("bass",), force=False)
    cli_separation._require_room(tmp_path, mix, ("bass",), force=True)
    assert other.read_bytes() == mix.read_bytes() == b"a sound"


@pytest.mark.parametrize("name", ["htdemucs", "models"])
def test_what_is_in_the_way_is_told_before_a_model_is_loaded(
    song: Path, model: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(song.parent)
    in_the_way = "drums.wav" if name == "htdemucs" else "session.json"
    (song.parent / in_the_way).touch()
    monkeypatch.setattr(separation, "load", lambda *_: pytest.fail("it was loaded"))
    done = CliRunner().invoke(app, ["separate", "song.wav", "--model", name, "-o", "."])
    assert f"{in_the_way} exists already" in str(done.exception)


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise soundfile.LibsndfileError(2, "Error : ")

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    sound = np.zeros((1000, 2), np.float32)
    with pytest.raises(StemlensError) as caught:
        separating.write(tmp_path, {"drums": sound}, 8000, "m", [Trust("drums", 1.0, "")])
    assert caught.value.code == "disk_full"
