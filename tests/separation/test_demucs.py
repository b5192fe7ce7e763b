"""Demucs models: found, checked before anything of them is called, and run on any mix."""

from __future__ import annotations

import json
import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from support.models import (
    SOURCES,
    hub_cache,
    package,
    save_safetensors,
    save_th,
    tiny,
)

from stemlens import separation
from stemlens.audio import Samples
from stemlens.separation import demucs_files, demucs_models
from stemlens_bridge.errors import StemlensError


def noise(seconds: float, rate: int = 44_100, channels: int = 2) -> Samples:
    generator = np.random.default_rng(0)
    return 0.1 * generator.standard_normal((round(seconds * rate), channels)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> str:
    save_th(tmp_path / "models", "tiny", package(tiny()))
    return str(tmp_path / "models")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("rate", "channels", "seconds", "plays"),
    [
        (44_100, 1, 1.7, 1),
        (8_000, 1, 1.7, 1),  # the model's own rate: where the library would trip over mono
        (48_000, 2, 3.1, 2),
        (48_000, 6, 1.1, 2),
        (44_100, 2, 0.3, 2),
        (96_000, 2, 0.0001, 2),
    ],
)
def test_any_mix(model: str, rate: int, channels: int, seconds: float, plays: int) -> None:
    mix = noise(seconds, rate, channels)
    kept = mix.copy()
    made = separation.load(model, "cpu").separate(mix, rate)
    assert list(made) == SOURCES and np.array_equal(mix, kept)
    for stem in made.values():
        assert stem.shape == (len(mix), plays) and stem.dtype == np.float32


def test_the_same_mix_gives_the_same_stems_bit_for_bit(model: str) -> None:
    mix = noise(2.5, 8_000)
    one, other = (separation.load(model, "cpu").separate(mix, 8_000) for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in SOURCES)
    assert max(abs(one["drums"]).max(), abs(one["bass"]).max()) > 0


def test_it_is_what_demucs_itself_makes(model: str) -> None:
    import torch
    from demucs.apply import apply_model

    mix = noise(2.5, 8_000)
    ours = separation.load(model, "cpu").separate(mix, 8_000)
    wav = torch.from_numpy(mix.T.copy())
    level, spread = wav.mean(0).mean(), wav.mean(0).std() + 1e-8
    net = tiny().eval()
    theirs = apply_model(net, ((wav - level) / spread)[None], shifts=0)[0] * spread + level
    for stem, name in zip(theirs, SOURCES, strict=True):
        np.testing.assert_allclose(ours[name], stem.numpy().T, atol=1e-6)


def test_silence_stays_silent(model: str) -> None:
    made = separation.load(model, "cpu").separate(np.zeros((8_000, 2), np.float32), 8_000)
    assert all(abs(stem).max() < 1e-5 for stem in made.values())


def test_progress_rises_over_all_models_of_a_bag_and_a_cancel_comes_through(
    tmp_path: Path,
) -> None:
    for own, seed in (("one", 1), ("two", 2)):
        save_th(tmp_path, own, package(tiny(seed=seed)), checksum=True)
    (tmp_path / "bag.yaml").write_text("models: [one, two]\nweights: [[1,0,1,1],[0,1,1,1]]\n")
    separator = separation.load(str(tmp_path / "bag"), "cpu")
    told: list[float] = []
    mix = noise(4.0, 8_000)
    separator.separate(mix, 8_000, told.append)
    assert told == sorted(told) and told[-1] == 1.0 and len(set(told)) > 6
    assert any(0 < part < 0.5 for part in told) and any(0.5 < part < 1 for part in told)

    class Cancelled(Exception):
        pass

    def cancel(fraction: float) -> None:
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        separator.separate(mix, 8_000, cancel)
    separator.separate(mix[:800], 8_000)  # and it works again


def test_long_segments_are_cut_so_that_memory_is_bounded(tmp_path: Path) -> None:
    net = HDemucs(SOURCES, channels=8, samplerate=8_000, segment=40)
    save_th(tmp_path, "long", package(net))
    told: list[float] = []
    separation.load(str(tmp_path), "cpu").separate(noise(20.0, 8_000), 8_000, told.append)
    assert len(set(told)) > 3  # one segment of 40 s would be 0 and 1


# ------------------------------------------------------------------------------ what is loaded


@pytest.mark.parametrize("klass", [HTDemucs, HDemucs])
def test_both_formats_hold_the_same_model(tmp_path: Path, klass: type) -> None:
    net = tiny(klass)
    save_th(tmp_path / "pickled", "a", package(net))
    save_safetensors(tmp_path / "safe" / "a.safetensors", net)
    mix = noise(1.3, 8_000)
    one, other = (
        separation.load(str(tmp_path / place), "cpu").separate(mix, 8_000)
        for place in ("pickled", "safe")
    )
    assert all(np.array_equal(one[name], other[name]) for name in SOURCES)


@pytest.mark.parametrize(
    ("name", "repository", "plain"),
    [
        ("htdemucs", "adefossez/HTDemucs", "htdemucs"),
        ("htdemucs_ft", "adefossez/HTDemucs-ft", "htdemucs_ft"),
        ("hdemucs_mmi", "adefossez/Demucs-hdemucs_mmi", "hdemucs_mmi"),
        ("hf://someone/htdemucs_mine", "someone/HTDemucs-mine", "htdemucs_mine"),
        ("hf://mdx", "adefossez/Demucs-mdx", "mdx"),
    ],
)
def test_the_hub_s_cache_is_enough(cache: Path, name: str, repository: str, plain: str) -> None:
    """The repositories are those that demucs itself would ask."""
    from demucs.hf import hf_repo_name

    assert repository.endswith("/" + hf_repo_name(plain))
    assert not demucs_models.is_there(name)
    before = separation.identity(name)
    hub_cache(cache, repository, plain, {"abcd1234": tiny()})
    assert demucs_models.is_there(name) and separation.identity(name) != before
    assert separation.load(name, "cpu").stems == tuple(SOURCES)


def test_what_is_not_there_is_named_with_where_to_put_it(cache: Path) -> None:
    with pytest.raises(StemlensError) as caught:
        separation.load("htdemucs_ft", "cpu", say=lambda sentence: None)
    assert caught.value.code == "weights_missing"
    for part in ("HF_HUB_OFFLINE", "htdemucs_ft.yaml", "f7e0c4bc.safetensors", str(cache),
                 "adefossez/HTDemucs-ft", "scientific", "MIT"):  # fmt: skip
        assert part in caught.value.message


def test_before_fetching_it_says_what_how_large_and_under_which_terms(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives up at once where nobody answers (the hub's client alone takes 23 s)."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for variable in [key for key in os.environ if key.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    said: list[str] = []
    started = time.monotonic()
    with pytest.raises(StemlensError, match="cannot be reached") as caught:
        separation.load("htdemucs", "cpu", said.append)
    assert caught.value.code == "weights_missing" and time.monotonic() - started < 5
    (sentence,) = said
    assert "84 MB" in sentence and "only for scientific purposes" in sentence and "MIT" in sentence


@pytest.mark.parametrize(
    "metadata",
    [
        {"klass": "os.system", "args": '["touch HACKED"]', "kwargs": "{}"},
        {"klass": "subprocess.Popen"},
        {"klass": "demucs.htdemucs.HTDemucs.__init__"},
        {"klass": "demucs.states.load_model"},
        {"klass": ""},
        {"args": "null"},
        {"args": "[" * 5000},
        {"kwargs": "[]"},
        {"structure": json.dumps({"_dict": [["a", {"_class": "os.system"}]]})},
        {"structure": json.dumps({"_dict": [["__quantized", True]]})},
    ],
)
def test_metadata_that_names_something_else_is_refused_before_anything_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = save_safetensors(tmp_path / "models" / "bad.safetensors", tiny(), **metadata)
    opened: list[Any] = []
    monkeypatch.setattr("demucs.hf.load_safetensors_model", opened.append)
    with pytest.raises(StemlensError, match=path.name) as caught:
        separation.load(str(path.parent), "cpu")
    assert caught.value.code == "weights_damaged" and not opened
    assert not (tmp_path / "HACKED").exists()


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch HACKED",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"klass": Evil()}, "system"),
        ({"training_args": Evil()}, "system"),
        ({"klass": Fraction}, "none of Demucs'"),
        ({"kwargs": {"channels": 16}}, "size mismatch|Error"),
        ({"args": {}}, "arguments"),
        ({"state": {"__quantized": True}}, "DiffQ"),
        ({"state": {}}, "Missing key|Error"),
    ],
)
def test_pickles_with_anything_but_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save_th(tmp_path / "models", "bad", package(tiny()) | change)
    with pytest.raises(StemlensError, match=says) as caught:
        separation.load(str(tmp_path / "models"), "cpu")
    assert caught.value.code == "weights_damaged" and not (tmp_path / "HACKED").exists()


def test_a_fraction_is_a_length_that_models_have(tmp_path: Path) -> None:
    net = HTDemucs(SOURCES, channels=8, samplerate=8_000, segment=Fraction(3, 2), t_layers=1,
                   t_heads=2, bottom_channels=16)  # fmt: skip
    save_th(tmp_path, "a", package(net))
    assert separation.load(str(tmp_path), "cpu").rate == 8_000


def test_damaged_files(tmp_path: Path) -> None:
    good = save_th(tmp_path / "a", "sig", package(tiny()), checksum=True)
    good.write_bytes(good.read_bytes()[:-100] + bytes(100))
    cut = save_safetensors(tmp_path / "b" / "sig.safetensors", tiny())
    cut.write_bytes(cut.read_bytes()[:-100])
    save_th(tmp_path / "c", "sig", package(tiny())).write_bytes(b"not a pickle")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bag.yaml").write_text("models: ['../../etc/passwd']")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "bag.yaml").write_text("models: [1")
    save_th(tmp_path / "f", "x", package(tiny(sources=["a", "b"])))
    save_th(tmp_path / "f", "y", package(tiny()))
    (tmp_path / "f" / "bag.yaml").write_text("models: [x, y]")
    for folder in "abcdef":
        with pytest.raises(StemlensError) as caught:
            separation.load(str(tmp_path / folder), "cpu")
        assert caught.value.code == "weights_damaged", folder


def test_folders_that_hold_no_one_model(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_th(tmp_path, name, package(tiny()))
    (tmp_path / "empty").mkdir()
    for place, says in (
        (tmp_path, "one, two"),
        (tmp_path / "empty", "holds none"),
        (tmp_path / "three", "has no Demucs model 'three'"),
        (tmp_path / "none" / "x", "no folder"),
    ):
        with pytest.raises(StemlensError, match=says) as caught:
            separation.load(str(place), "cpu")
        assert caught.value.code == "weights_missing"
    assert separation.load(str(tmp_path / "two"), "cpu").stems == tuple(SOURCES)


def test_a_name_that_is_none_names_the_nearest() -> None:
    for ask in (separation.load, separation.identity):
        with pytest.raises(StemlensError, match="nearest is htdemucs_ft") as caught:
            ask("htdemucs-ft")
        assert caught.value.code == "separator_unknown"
    with pytest.raises(StemlensError, match="hf://"):
        separation.identity("hf://a b/c")


def test_a_place_that_is_typed_becomes_a_whole_path_and_a_name_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in ("models", "htdemucs"):
        (tmp_path / folder).mkdir()
    for place in ("models", "models/", "./models", "~/models"):
        assert separation.typed(place) == str(tmp_path / "models")
    assert separation.typed("models/tiny") == str(tmp_path / "models" / "tiny")
    for name in ("htdemucs", "hf://a/b", "query:the piano/organ", "nothing"):
        assert separation.typed(name) == name
    with pytest.raises(StemlensError, match=r"no folder .*nowhere"):
        separation.load(separation.typed("nowhere/tiny"), "cpu")
    with pytest.raises(StemlensError, match="paths of folders"):
        separation.load("nothing", "cpu")


def test_classes_are_demucs_own() -> None:
    assert set(demucs_files.CLASSES) == {
        "demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs"
    }  # fmt: skip


def test_the_official_models_are_those_that_demucs_lists() -> None:
    import demucs
    import yaml

    remote = Path(demucs.__file__).parent / "remote"
    for name, model in demucs_models.MODELS.items():
        bag = yaml.safe_load((remote / f"{name}.yaml").read_text())
        assert list(model.members) == bag["models"]
