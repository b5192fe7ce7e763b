"""The passage in which a song is most what it is, and that passage as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.meter import RATE, Meter
from support.sounds import sounds, stem_folder
from typer.testing import CliRunner, Result

from stemlens import Options, analyze, cli, cli_when
from stemlens.explain.excerpt import FADE_S, excerpt
from stemlens.explain.highlight import LEAST_S, MOST_S, passage
from stemlens.explain.leading import leading
from stemlens_bridge.annotations import AnnotationPolicy
from stemlens_bridge.errors import StemlensError

FADED = round(FADE_S * RATE)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=90),
    st.sampled_from([0.25, 0.7, 1.0, 2.992, 4.0]),
)
def test_it_lasts_15_to_30_s_or_all_there_is(course: list[float], hop_s: float) -> None:
    spans = [(t * hop_s, (t + 1) * hop_s) for t in range(len(course))]
    first, last = passage(np.array(course), spans)
    length = spans[last][1] - spans[first][0]
    if spans[-1][1] < LEAST_S:
        assert (first, last) == (0, len(course) - 1)
    else:
        assert LEAST_S - 1e-6 <= length <= MOST_S + 1e-6
    assert np.mean(course[first : last + 1]) >= np.mean(course) - 1e-6 or len(course) == 1


def test_it_is_where_most_is_and_grows_while_there_is_much() -> None:
    spans = [(float(t), t + 1.0) for t in range(60)]
    course = np.full(60, 0.2)
    course[30:47] = 0.6
    assert passage(course, spans) == (30, 46)
    course[10:50] = 0.6
    first, last = passage(course, spans)
    assert (last + 1 - first, first >= 10, last < 50) == (30, True, True)


def loud_part(folder: Path, seconds: float, first_s: float, last_s: float) -> Path:
    """Stems of which all play between two times, and only the chord outside of them."""
    folder.mkdir(parents=True)
    waveforms = sounds(seconds)
    waveforms[[0, 2, 3], : round(first_s * RATE)] = 0
    waveforms[[0, 2, 3], round(last_s * RATE) :] = 0
    for name, samples in zip(("kick", "chord", "noise", "lead"), waveforms, strict=True):
        soundfile.write(folder / f"{name}.wav", samples, RATE, "FLOAT")
    return folder


def test_of_a_session(tmp_path: Path) -> None:
    folder = loud_part(tmp_path / "song", 50.0, 20.0, 37.0)
    result = analyze(folder, Options(start_s=100.0), tagger=Meter()).to_dict()
    found = result["highlight"]
    assert (found["start_s"], found["end_s"]) == (120, 137)
    assert [tag["tag"] for tag in found["tags"]] == ["loud", "bright"]
    assert found["tags"][0]["score"] > found["tags"][0]["song"]
    assert result["markers"][-1] == {
        "track": "", "tag": "loud", "start_s": 120, "end_s": 137,
        "text": "highlight: loud, bright",
    }  # fmt: skip


KINDS = {"rock": "genre", "sad": "mood", "guitar": "instrument", "80s": "era", "live": "quality"}
SCORES = np.array([0.32, 0.15, 0.40, 0.14, 0.15])
SILENCE = np.array([0.20, 0.01, 0.10, 0.13, 0.12])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, ["guitar", "sad", "rock"]),  # by what is above silence, of those that are heard
        ({"kinds": ("era", "quality")}, ["live"]),  # faintly, and the 80s are not
        ({"kinds": ("genre", "mood")}, ["sad", "rock"]),
        ({"kinds": ("era",)}, ["guitar", "sad", "rock"]),  # where there are none of these
        ({"min_score": 20.0}, ["guitar", "rock"]),
    ],
)
def test_a_song_is_what_it_has_most_of_above_silence(
    policy: dict[str, Any], expected: list[str]
) -> None:
    tags = tuple(KINDS)
    found = leading(SCORES, SILENCE, tags, KINDS, AnnotationPolicy(**policy))
    assert [tags[k] for k in found] == expected


@pytest.mark.parametrize("seconds", [0.5, 1.0, 14.6, 15.0])
def test_a_short_session_is_its_own(tmp_path: Path, seconds: float) -> None:
    folder = stem_folder(tmp_path, seconds=seconds)
    found = analyze(folder, Options(start_s=3.0), tagger=Meter()).to_dict()["highlight"]
    assert (found["start_s"], found["end_s"]) == (3, pytest.approx(3 + seconds))


def test_silence_has_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(3 * RATE), RATE)
    result = analyze(tmp_path, Options(), tagger=Meter()).to_dict()
    assert result["highlight"] is None and result["moments"] == result["markers"] == []
    assert len(result["sections"]) == 1


# ------------------------------------------------------------------------------------- as a file


def run(
    monkeypatch: pytest.MonkeyPatch, *words: object, tagger: Callable[[], Meter] | None = Meter
) -> Result:
    monkeypatch.setattr(cli_when, "loaded_tagger", tagger and (lambda *_: tagger()))
    return CliRunner().invoke(cli.app, ["highlight", *map(str, words)])


def test_the_file_is_the_sum_at_its_own_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = loud_part(tmp_path / "song", 40.0, 20.0, 37.0)
    out = tmp_path / "out.wav"
    done = run(monkeypatch, folder, "-o", out)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("0:20 to 0:37 is in ") and "of 100 points" in done.output
    samples, rate = soundfile.read(out, dtype="float32")
    summed = sum(soundfile.read(path, dtype="float32")[0] for path in folder.glob("*.wav"))
    assert rate == RATE and samples.shape == (17 * RATE, 2)
    inside = slice(FADED, -FADED)
    expected = summed[20 * RATE : 37 * RATE]
    np.testing.assert_allclose(samples[inside, 0], expected[inside], atol=1e-6)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])
    assert abs(samples[0]).max() < 1e-4 > abs(samples[-1]).max()


def test_of_a_saved_result_with_gains_and_a_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mix is heard where there is one, though it starts later than the stems."""
    folder = stem_folder(tmp_path / "song", seconds=16.0, stems=3)
    stems = [{"path": f"{name}.wav", "gain_db": -6.0} for name in ("kick", "chord", "noise")]
    (folder / "session.json").write_text(json.dumps({"stems": stems, "start_s": 7.0}))
    result, out = tmp_path / "r.json", tmp_path / "o.wav"
    analyze(folder / "session.json", Options(), tagger=Meter()).write_json(result)
    assert run(monkeypatch, result, "-o", out).exit_code == 0
    found = json.loads(result.read_text())["highlight"]
    at = round((found["start_s"] - 7) * RATE)
    summed = sum(soundfile.read(path, dtype="float32")[0] for path in folder.glob("*.wav"))
    samples = soundfile.read(out, dtype="float32")[0][:, 0]
    expected = 10 ** (-6 / 20) * summed[at : at + len(samples)]
    np.testing.assert_allclose(samples[FADED:-FADED], expected[FADED:-FADED], atol=1e-6)

    mix = np.concatenate([np.zeros(100), 0.5 * np.tanh(summed)])
    soundfile.write(tmp_path / "mix.wav", mix, RATE, "FLOAT")
    with_mix = json.loads((folder / "session.json").read_text()) | {"mix": "../mix.wav"}
    (folder / "session.json").write_text(json.dumps(with_mix))
    analyze(folder / "session.json", Options(), tagger=Meter()).write_json(result)
    assert run(monkeypatch, result, "-o", out).exit_code == 0
    samples = soundfile.read(out, dtype="float32")[0][:, 0]
    expected = 0.5 * np.tanh(summed)[at : at + len(samples)]
    np.testing.assert_allclose(samples[FADED:-FADED], expected[FADED:-FADED], atol=1e-6)


def test_a_lone_mix_is_not_separated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = sounds(3.0)[0]
    soundfile.write(tmp_path / "mix.wav", mix, RATE, "FLOAT")
    out = tmp_path / "out.wav"
    assert run(monkeypatch, "--mix", tmp_path / "mix.wav", "-o", out).exit_code == 0
    np.testing.assert_allclose(soundfile.read(out)[0][FADED:-FADED, 1], mix[FADED:-FADED])


def test_what_cannot_be_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stem_folder(tmp_path / "song", seconds=3.0)
    result = tmp_path / "r.json"
    analyze(folder, Options(), tagger=Meter()).write_json(result)
    own = folder / "kick.wav"
    before = own.read_bytes()
    for place in (result, folder):  # of a session it is told before it is analysed
        code(run(monkeypatch, place, "-o", own, tagger=None), "output_failed")
    assert own.read_bytes() == before
    document: dict[str, Any] = json.loads(result.read_text())
    for changed, expected in (
        ({"highlight": None}, "nothing_to_analyse"),
        ({"schema": "stemlens.analysis/0"}, "result_invalid"),
    ):
        result.write_text(json.dumps(document | changed))
        code(run(monkeypatch, result, "-o", tmp_path / "o.wav"), expected)
    result.write_text(json.dumps({k: v for k, v in document.items() if k != "highlight"}))
    code(run(monkeypatch, result, "-o", tmp_path / "o.wav"), "result_invalid")
    stem_folder(folder, seconds=2.0)
    with pytest.raises(StemlensError) as caught:
        excerpt(document, 0.0, 3.0)
    assert caught.value.code == "files_changed"


def code(done: Result, expected: str) -> None:
    assert isinstance(done.exception, StemlensError), done.output
    assert done.exception.code == expected
