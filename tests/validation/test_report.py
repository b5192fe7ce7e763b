"""The page and the command: a missed target is told and ends with 1, what was not run is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.meter import Meter
from typer.testing import CliRunner

from stemlens import cli_validate
from stemlens.cli import app
from stemlens.validation import EXPERIMENTS, module_of, report
from stemlens.validation.experiment import Check, Settings, points, table, tiny
from stemlens_bridge.errors import StemlensError


@dataclass(frozen=True)
class Figures:
    checks: tuple[Check, ...]
    odd: tuple[Any, ...] = (float("nan"), np.float64(0.5), Path("a"))


def experiments(**checks: Check | StemlensError) -> Any:
    """Modules with one check each, or that raise an error."""

    def module(name: str) -> ModuleType:
        own = checks[name]

        def run(settings: Settings, on_progress: Any) -> Figures:
            on_progress("working", 1.0)
            if isinstance(own, StemlensError):
                raise own
            return Figures((own,))

        return SimpleNamespace(run=run, told=lambda figures: [f"Told of {name}."])  # type: ignore[return-value]

    return module


MET = Check("Is one <b>1</b> | `x`?", "1", "1", True)
MISSED = Check("Is one 2?", "2", "1", False)


def test_a_missed_target_and_what_was_not_run_are_told(settings: Settings) -> None:
    lacking = StemlensError("extra_missing", "Install FluidSynth.")
    stages: list[str] = []
    module = experiments(confounder=lacking, sanity=MISSED, article=MET)
    names = ["confounder", "sanity", "article"]
    found = report.run(names, settings, lambda stage, _: stages.append(stage), module)
    page = found.markdown()
    assert found.missed == [MISSED]
    assert "| Is one 2? | 2 | 1 | **no** |" in page
    assert "| The confounder test | – | – | not run |" in page
    assert "## The confounder test\n\n**Not run.** Install FluidSynth.\n" in page
    assert "**1 target missed.**" in page and "Told of sanity." in page
    assert "&lt;b>1&lt;/b> \\| \\`x\\`?" in page and "<b>1" not in page
    assert "Versions: stemlens " in page and "seed 0; quick" in page
    assert stages == ["confounder: working", "sanity: working", "article: working"]
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["schema"] == "stemlens.validation/1" and plain["holds"] is False
    assert plain["experiments"][0]["not_run"] == "Install FluidSynth."
    assert plain["experiments"][1]["figures"]["odd"] == [None, 0.5, "a"]


def test_what_is_not_lacking_but_wrong_ends_it(settings: Settings) -> None:
    module = experiments(article=StemlensError("audio_missing", "There is no a.wav."))
    with pytest.raises(StemlensError, match=r"a\.wav"):
        report.run(["article"], settings, lambda stage, _: None, module)


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `stemlens validate` on the four stems, heard by a meter."""
    monkeypatch.setattr(cli_validate, "loaded_tagger", lambda *_: Meter())
    folder = str(settings.sessions[0].stems[0].path.parent)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["validate", *arguments, "--stems", folder])

    return run


def test_the_report_goes_to_standard_output_or_a_file(command: Any, tmp_path: Path) -> None:
    done = command("article")
    assert done.exit_code == 0 and done.stdout.startswith("# Is it true?\n")
    assert "`stemlens validate article --stems …`" in done.stdout
    page, figures = tmp_path / "v.md", tmp_path / "v.json"
    done = command("article", "faithfulness", "--quick", "-o", str(page), "--json", str(figures))
    assert done.exit_code == 0 and done.stdout == ""
    told = page.read_text(encoding="utf-8")
    assert told.index("## Faithfulness") < told.index("## The article's tables")
    assert "Four | &lt;b>" not in told.split("## ")[0]
    assert json.loads(figures.read_text())["experiments"][0]["name"] == "faithfulness"


def test_a_missed_target_ends_with_1(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlens.validation.article.PIXEL", 0.0)
    monkeypatch.setattr("stemlens.validation.article.READ", 0.0)
    done = command("article")
    assert done.exit_code == 1
    assert "**no**" in done.stdout and "Missed: The article's figure" in done.stderr


def test_an_unknown_experiment_is_refused_before_any_work(command: Any) -> None:
    done = command("faithfullness")
    assert done.exit_code == 2
    assert "faithfullness" in done.stderr and "faithfulness" in done.stderr


def test_without_lmms_its_song_is_told_to_be_lacking(
    command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("stemlens.validation.songs.cache_folder", lambda: tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    done = command("article", "--songs")
    assert done.exit_code == 0
    assert "| All experiments, on a song of LMMS too | – | – | not run |" in done.stdout
    assert "LMMS or its songs are not installed" in done.stdout


def test_a_lone_mix_is_no_material(command: Any, settings: Settings, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "session.json").write_text(
        json.dumps({"stems": [], "mix": str(settings.sessions[0].stems[0].path)})
    )
    done = CliRunner().invoke(app, ["validate", "article", "--stems", str(alone)])
    assert isinstance(done.exception, StemlensError) and done.exception.code == "session_invalid"


def test_every_experiment_has_a_module() -> None:
    for name in EXPERIMENTS:
        own = module_of(name)
        assert callable(own.run) and callable(own.told)


def test_numbers_as_people_write_them() -> None:
    assert (points(0.2138), points(-0.003), points(-0.0001)) == ("+21.4", "−0.3", "0.0")
    assert (tiny(3.2e-8), tiny(0.0), tiny(1e-6)) == ("3e−8", "0", "1e−6")
    assert table(["a"], [["x|y"]]) == ["| a |", "| --- |", "| x\\|y |"]
