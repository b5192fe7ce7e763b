"""Stems asked for in words, through stand-ins that have the published interfaces of the networks
(which cannot be installed here) and their faults: mono, their own rate, another length."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from stemlens import separation
from stemlens_bridge.errors import StemlensError

AUDIOSEP = """
import torch
class Encoder:
    def get_query_embed(self, modality, text, device):
        assert modality == "text" and len(text) == 1
        return {"half": 0.5, "all": 1.0, "broken": float("nan")}[text[0]]
class Model:
    query_encoder = Encoder()
    def ss_model(self, given):
        mixture = given["mixture"]
        assert mixture.ndim == 3 and mixture.shape[:2] == (1, 1)
        return {"waveform": (mixture * given["condition"])[..., :-7]}
def build_audiosep(config_yaml, checkpoint_path, device):
    return Model()
"""
SAM_AUDIO = """
from types import SimpleNamespace
class Batch(SimpleNamespace):
    def to(self, device):
        return self
class SAMAudio:
    @classmethod
    def from_pretrained(cls, name):
        if name == "gated":
            raise OSError("you need access")
        return cls()
    def eval(self):
        return self
    def to(self, device):
        return self
    def separate(self, batch):
        assert batch.audios[0].ndim == 2
        return SimpleNamespace(target=[batch.audios[0].mean(0) * 0.5])
class SAMAudioProcessor:
    audio_sampling_rate = 48_000
    @classmethod
    def from_pretrained(cls, name):
        return cls()
    def __call__(self, audios, descriptions):
        return Batch(audios=audios, descriptions=descriptions)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of imports, and AudioSep's two files."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for variable in ("AUDIOSEP_CONFIG", "AUDIOSEP_CHECKPOINT"):
        (tmp_path / variable).touch()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for name in ("pipeline", "sam_audio"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def tone(channels: int, rate: int = 44_100) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    time = np.arange(rate) / rate
    sides = [0.3 * np.sin(2 * np.pi * (400 + 100 * side) * time) for side in range(channels)]
    return np.stack(sides, axis=1).astype(np.float32)


@pytest.mark.parametrize(("package", "content"), [("pipeline", AUDIOSEP), ("sam_audio", SAM_AUDIO)])
@pytest.mark.parametrize("channels", [1, 2])
def test_stem_and_rest_are_two_players_that_add_up_to_the_mix(
    installed: Path, package: str, content: str, channels: int
) -> None:
    (installed / f"{package}.py").write_text(content)
    mix = tone(channels)
    told: list[float] = []
    separator = separation.load("query:half", "cpu")
    made = separator.separate(mix, 44_100, told.append)
    assert separator.stems == tuple(made) == ("half", "rest") and told[-1] == 1.0
    np.testing.assert_allclose(made["half"] + made["rest"], mix, atol=1e-6)
    inside = slice(500, -500)
    np.testing.assert_allclose(made["half"][inside], mix[inside] / 2, atol=1e-3)
    assert f"query:half {package}" == separation.identity("query:half")


def test_several_words_are_asked_for_one_after_the_other(installed: Path) -> None:
    (installed / "pipeline.py").write_text(AUDIOSEP)
    mix = tone(2)
    made = separation.load("query:half, all", "cpu").separate(mix, 44_100)
    np.testing.assert_allclose(sum(made.values()), mix, atol=1e-6)
    assert abs(made["rest"][500:-500]).max() < 1e-3


def test_no_network_that_understands_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlens.separation.query.PACKAGES", {"no_such_network": ""})
    with pytest.raises(StemlensError, match="install SAM-Audio") as caught:
        separation.load("query:the piano", "cpu")
    assert caught.value.code == "separator_unknown"
    for words in ("query", "query:", "query:a,a", "query:rest"):
        with pytest.raises(StemlensError, match="each once"):
            separation.load(words, "cpu")


def test_what_goes_wrong_in_the_network(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (installed / "pipeline.py").write_text(AUDIOSEP)
    with pytest.raises(StemlensError, match="other words") as caught:
        separation.load("query:broken", "cpu").separate(tone(1), 44_100)
    assert caught.value.code == "separation_failed"
    monkeypatch.delenv("AUDIOSEP_CHECKPOINT")
    with pytest.raises(StemlensError, match="AUDIOSEP_CHECKPOINT") as caught:
        separation.load("query:half", "cpu")
    assert caught.value.code == "weights_missing"
    (installed / "sam_audio.py").write_text(SAM_AUDIO)
    monkeypatch.setenv("STEMLENS_SAM_AUDIO", "gated")
    with pytest.raises(StemlensError, match="hf auth login"):
        separation.load("query:half", "cpu")


def test_other_packages_provide_separators_by_entry_point(installed: Path) -> None:
    (installed / "halves.py").write_text(
        "class Halves:\n"
        "    name, stems, rate = 'halves', ('a', 'b'), 8000\n"
        "    def __init__(self, device, words=''):\n"
        "        self.given = (device, words)\n"
        "    def separate(self, samples, rate, on_progress=print):\n"
        "        return {'a': samples / 2, 'b': samples / 2}\n"
    )
    info = installed / "halves-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[stemlens.separation]\nhalves = halves:Halves\nhtdemucs = halves:Halves\n"
    )
    assert "halves" in separation.names() and separation.identity("halves").endswith("1.2")
    assert separation.load("halves", "cpu").given == ("cpu", "")  # type: ignore[attr-defined]
    assert separation.load("halves:a b", "cpu").given == ("cpu", "a b")  # type: ignore[attr-defined]
    assert "demucs" in separation.identity("htdemucs")  # which nobody else can be
