"""`stemlens try`, `suggest`, `verify`, `presets` and `goals`, as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile
from click.testing import Result
from support.sounds import stem_folder
from typer.testing import CliRunner

from stemlens.cli import app
from stemlens_bridge.errors import StemlensError

pytestmark = pytest.mark.usefixtures("real_weights")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stem_folder(tmp_path_factory.mktemp("commands") / "song", seconds=9.2, stems=3)


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def fails(*arguments: object) -> StemlensError:
    error = run(*arguments, code=1).exception
    assert isinstance(error, StemlensError)
    return error


def test_try(song: Path, tmp_path: Path) -> None:
    out = run(
        "try", song, "--edit", "noise:darker", "--edit", "kick:quieter@0.5",
        "--render", tmp_path / "ab", "--json", tmp_path / "t.json",
    ).output  # fmt: skip
    assert "level −1.5 dB" in out and "Listen, before:" in out
    assert all(len(line) <= 80 for line in out.splitlines() if "Listen" not in line and line)
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["schema"] == "stemlens.trials/1" and document["kind"] == "try"
    assert Path(document["trials"][0]["after_path"]).is_file()


def test_suggest_and_verify(song: Path, tmp_path: Path) -> None:
    kept = tmp_path / "s.json"
    out = run(
        "suggest", song, "--goal", "+electronic", "--budget", 150, "--most", 2,
        "--presets", "darker", "--presets", "louder", "--presets", "brighter",
        "--render", tmp_path / "ab", "--json", kept,
    ).output  # fmt: skip
    document = json.loads(kept.read_text())
    assert document["suggestion"]["sentence"].split()[0] in out
    if not document["trials"]:
        pytest.skip("nothing helps here")
    again = tmp_path / "again"
    shutil.copytree(song, again)
    frames = soundfile.info(song / "kick.wav").frames
    for edit in document["trials"][0]["edits"]:
        samples, rate = soundfile.read(edit["path"], dtype="float32")
        soundfile.write(again / f"{edit['stem']}.wav", samples[:frames], rate, subtype="FLOAT")
    assert "The promise held" in run("verify", kept, again).output
    assert "not held" in run("verify", kept, song).output  # nothing was done to it


def test_presets_and_goals() -> None:
    listed = run("presets").output
    assert "less-distorted" in listed and "Your own go into" in listed
    shown = run("presets", "presence").output
    assert "gain_db" in shown and "(0 to 8)" in shown
    goals = run("goals").output
    assert "more-metal-keep-happy" in goals and "calm" in goals


def test_what_cannot_be(song: Path, tmp_path: Path) -> None:
    assert fails("try", song, "--edit", "guitar:darker").code == "edit_invalid"
    assert fails("try", song, "--edit", "darker").code == "edit_invalid"
    assert fails("suggest", song, "--goal", "+metall").code == "goal_invalid"
    assert fails("presets", "presense").code == "preset_unknown"
    (tmp_path / "x.json").write_text("{}")
    assert fails("verify", tmp_path / "x.json", song).code == "result_invalid"
    run("try", song, code=2)
    run("suggest", song, code=2)
