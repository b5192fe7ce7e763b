"""`stemlens explain`, as a user runs it, with the real tagger on the demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import Result
from support.badseparators import environment
from support.sounds import RATE, sounds, stem_folder
from typer.testing import CliRunner

from stemlens import tagging
from stemlens.cli import app
from stemlens.taggram import taggram
from stemlens_bridge.errors import StemlensError

DEMO = Path(__file__).parents[2] / "examples" / "demo"
SECONDS = 12.2
EXACT = 1e-3

pytestmark = pytest.mark.usefixtures("real_weights")


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def test_what_is_told_is_what_the_files_score(tmp_path: Path) -> None:
    """By an independent tagging of the files, at their level in the mix."""
    kept, folder, stems = tmp_path / "e.json", tmp_path / "Größe – 日本", tmp_path / "stems"
    stems.mkdir()
    for name in ("guitar", "keys", "bass"):
        samples, rate = soundfile.read(DEMO / f"{name}.flac", frames=round(SECONDS * 44_100))
        soundfile.write(stems / f"{name}.wav", samples, rate, subtype="FLOAT")
    out = run(
        "explain", stems, "--tag", "Rock", "--top", 1, "-o", folder, "--json", kept,
    ).output  # fmt: skip
    assert out.startswith("rock\n  Only guitar (+")
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("    /"))
    document = json.loads(kept.read_text())
    assert document["schema"] == "stemlens.explanation/1"
    (one,) = document["explanations"]
    tagger = tagging.load("msd-musicnn", "cpu")
    column = [tag.name for tag in tagger.tags].index("rock")
    starts_s = [t * tagger.segment_s for t in range(100)]
    for kind in ("only", "without"):
        passage, whole = (
            next(s for s in one["sounds"] if (s["kind"], s["span"]) == (kind, span))
            for span in ("passage", "whole")
        )
        samples, rate = soundfile.read(whole["path"], dtype="float32", always_2d=True)
        gain_db = document["session"]["session_gain_db"] - whole["gain_db"] + whole["down_db"]
        soundfile.write(tmp_path / "h.wav", samples * 10 ** (gain_db / 20), rate, subtype="FLOAT")
        scores = taggram(tmp_path / "h.wav", tagger).scores[:, column]
        assert whole["score"] == pytest.approx(scores.mean(), abs=EXACT)
        inside = [
            score
            for start_s, score in zip(starts_s, scores.tolist(), strict=False)
            if passage["start_s"] <= start_s + 0.01 and start_s + 0.01 < passage["end_s"]
        ]
        assert 2 <= len(inside) <= 5
        assert passage["score"] == pytest.approx(sum(inside) / len(inside), abs=EXACT)


def test_separated_stems_and_the_best_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in environment(tmp_path / "installed")["PYTHONPATH"].split(":")[:1]:
        monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("STEMLENS_SEPARATED", str(tmp_path / "separated"))
    mix = tmp_path / "song.wav"
    soundfile.write(mix, sounds(6.4).sum(axis=0), RATE)
    kept = tmp_path / "e.json"
    run(
        "explain", "--mix", mix, "--separator", "bad:apart", "-o", tmp_path / "out",
        "--no-whole", "--json", kept,
    )  # fmt: skip
    document = json.loads(kept.read_text())
    (one,) = document["explanations"]
    assert document["session"]["source"] == "separated"
    assert one["score"] > 0.1 and {stem["stem"] for stem in one["stems"]} <= {"drums", "bass"}
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_what_cannot_be(tmp_path: Path) -> None:
    stems = stem_folder(tmp_path / "stems")

    def fails(*arguments: object) -> StemlensError:
        error = run("explain", stems, "-o", tmp_path / "out", *arguments, code=1).exception
        assert isinstance(error, StemlensError)
        return error

    error = fails("--tag", "electronik")
    assert error.code == "bad_options" and "did you mean electronic" in error.message
    assert "electronica" in error.message
    assert fails("--passage", "1-x").code == "bad_options"
    (tmp_path / "file").write_text("")
    assert fails("-o", tmp_path / "file").code == "output_failed"
    assert fails("-o", tmp_path / "file" / "below").code == "output_failed"
    assert not (tmp_path / "out").exists()
