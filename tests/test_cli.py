"""The commands as people type them: results on standard output, one sentence when it goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.sounds import RATE, sounds, stem_folder
from typer.testing import CliRunner

from stemlens import cli, cli_explain
from stemlens.cli import app
from stemlens_bridge.errors import StemlensError

pytestmark = pytest.mark.usefixtures("real_weights")


def typed(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which takes seconds to load what it needs."""
    done = subprocess.run(
        [sys.executable, "-m", "stemlens", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def stemlens(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The same here, where everything is loaded."""
    command = ["stemlens", *map(str, arguments)]
    out, told = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(told),
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr(sys, "argv", command)
        cli.run()
    assert (ended.value.code or 0) == code, told.getvalue()
    return subprocess.CompletedProcess(command, code, out.getvalue(), told.getvalue())


def test_analyze(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "Song", seconds=6.5, stems=3)
    out, over_time = tmp_path / "r.json", tmp_path / "t.npz"
    policy = tmp_path / "notes.toml"
    policy.write_text("[annotations]\nmarkers = false\n")
    page, table = tmp_path / "r.html", tmp_path / "r.csv"
    files = (
        "--json",
        out,
        "--npz",
        over_time,
        "--policy",
        policy,
        "--report",
        page,
        "--csv",
        table,
    )
    done = typed("analyze", folder, *files, "--device", "cpu")
    assert "Song: 3 stems" in done.stdout and "kick" in done.stdout and not done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    result = json.loads(out.read_text())
    assert result["schema"] == "stemlens.analysis/1" and result["method"]["exact"]
    assert result["time"] == str(over_time) and over_time.exists()
    assert result["markers"] == []
    assert "data-clip" in page.read_text() and len(table.read_bytes().splitlines()) == 151
    for tag in result["tags"]:
        total = sum(share["value"] for share in tag["attributions"])
        assert total == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)


def test_banzhaf_is_another_value(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path, stems=3)
    found = []
    for value in ("shapley", "banzhaf"):
        stemlens("analyze", folder, "--value", value, "--json", tmp_path / "r.json")
        result = json.loads((tmp_path / "r.json").read_text())
        assert result["method"]["value"] == value
        found.append([s["value"] for s in result["tags"][0]["attributions"]])
    assert found[0] != found[1]


def test_what_was_tagged_stays_known_unless_it_must_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLENS_SCORES", str(tmp_path / "scores.sqlite3"))
    folder = stem_folder(tmp_path / "Again", seconds=3.5, stems=3)
    told = []
    for more in ([], [], ["--fresh"]):
        stemlens("analyze", folder, "--seed", 3, *more, "--json", tmp_path / "r.json")
        told.append(json.loads((tmp_path / "r.json").read_text()))
    assert [one["method"]["taggings"] for one in told] == [8, 0, 8]
    assert told[0]["tags"] == told[1]["tags"] == told[2]["tags"]
    assert " scores, " in stemlens("scores").stdout
    assert stemlens("scores", "--clear").stdout.startswith("0 scores")


def test_a_small_budget_is_told(tmp_path: Path) -> None:
    """A budget of 0 still says what the mix sounds like, and claims nothing of the stems."""
    folder = stem_folder(tmp_path, seconds=3.5, stems=4)
    done = stemlens("analyze", folder, "--budget", 0, "--fresh", "--json", tmp_path / "r.json")
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["method"]["coalitions"] == 2 and not result["method"]["exact"]
    assert result["tags"][0]["score"] > 0 and result["annotations"] == []
    share = result["tags"][0]["attributions"][0]
    assert share["mute"] is None and share["high"] - share["low"] >= 1
    assert "Allow more taggings" in done.stdout.replace("\n      ", " ")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_tag(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a b.wav", sounds(7.0).sum(axis=0), RATE)
    out = tmp_path / "r.json"
    done = stemlens("tag", tmp_path / "a b.wav", "--top", 3, "--json", out)
    assert len(done.stdout.splitlines()) == 4
    (found,) = json.loads(out.read_text())["files"]
    assert set(found) == {"path", "tagger", "tags", "segment_s", "taggram", "mean"}
    assert np.shape(found["taggram"]) == (2, 50) and len(found["tags"]) == 50
    np.testing.assert_allclose(np.mean(found["taggram"], axis=0), found["mean"], atol=1e-6)


def test_models(tmp_path: Path) -> None:
    assert "msd-musicnn    here" in stemlens("models", "list").stdout
    folder = Path(stemlens("models", "path").stdout.strip())
    assert Path(stemlens("models", "pull", "msd-musicnn").stdout.strip()).parent == folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["analyze", "none.wav"], "audio_missing"),
        (["analyze", "nowhere/"], "audio_missing"),
        (["analyze", "empty"], "has no audio files"),
        (["analyze", "stems", "--tagger", "msd-musicn"], "msd-musicnn"),
        (["analyze", "stems", "--session-loudness", "loud"], "bad_options"),
        (["analyze", "stems", "--silence", "-1"], "bad_options"),
        (["analyze", "stems", "--value", "median"], "bad_options"),
        (["analyze", "stems", "--device", "cuda"], "device_unavailable"),
        (["analyze", "stems", "--json", "none/r.json"], "output_failed"),
        (["analyze", "stems", "--max-minutes", "0.1", "long.wav"], "one session at a time"),
        (["tag", "long.wav", "--max-minutes", "0.1"], "audio_too_long"),
        (["serve", "--host", "0.0.0.0"], "remote_not_allowed"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    stem_folder(tmp_path / "stems")
    (tmp_path / "empty").mkdir()
    soundfile.write(tmp_path / "long.wav", np.zeros(10 * RATE), RATE)
    done = stemlens(*arguments, code=1)
    assert says in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("analyze nowhere --report none/r.html", "there is no folder"),
        ("analyze nowhere --report folder", "it is a folder; name a file in it"),
        ("analyze nowhere --plots file", "is a file and no folder; choose another"),
        ("analyze nowhere --csv none/r.csv", "make it, or choose another"),
        ("report nowhere.json -o folder", "it is a folder"),
        ("report nowhere.json --plots file/below", "is a file and no folder"),
        ("explain nowhere -o file", "is a file and no folder"),
        ("highlight nowhere -o none/h.wav", "there is no folder"),
        ("highlight nowhere -o folder", "it is a folder"),
        ("validate --stems nowhere -o none/v.md", "there is no folder"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    error = CliRunner().invoke(app, command.split()).exception
    assert isinstance(error, StemlensError) and error.code == "output_failed"
    assert reason in error.message and "\n" not in error.message
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("report r.json", "-o FILE.html, --plots DIR or --csv"),
        ("highlight stems", "Missing option"),
        ("highlight stems -o best.mp3", "call it best.wav"),
    ],
)
def test_where_it_is_to_go_is_asked_for(command: str, says: str) -> None:
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 2 and says in " ".join(done.output.replace("│", "").split())


def test_a_process_says_nothing_else() -> None:
    done = typed("models", "pull", "nothing", code=1)
    assert "[tagger_unknown]" in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


def test_files_are_looked_at_before_the_tagger_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cli, cli_explain):
        monkeypatch.setattr(module, "loaded_tagger", lambda *_: pytest.fail("it was loaded"))
    for command in (["analyze"], ["explain", "--tag", "rock", "-o", "out"]):
        for place in (["none.wav"], ["--mix", "none.wav"]):
            assert "[audio_missing]" in stemlens(*command, *place, code=1).stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no /dev/full")
def test_a_full_disk_does_not_take_the_result_away(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "Song", seconds=3.5, stems=2)
    done = stemlens("analyze", folder, "--json", "/dev/full", code=1)
    assert "Song: 2 stems" in done.stdout and "disk_full" in done.stderr
