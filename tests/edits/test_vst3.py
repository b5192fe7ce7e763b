"""VST3 plug-ins by path: they render, and whatever they do wrong harms nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.vst3plugin import bundle

from stemlens.edits.vst3 import describe_vst3, render_vst3
from stemlens_bridge.errors import StemlensError

RATE = 44100
LONG_S = 60.0


@pytest.fixture(scope="module")
def gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("vst3"), "gain", latency=100)


@pytest.fixture(scope="module")
def noise() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)


def refused(code: str, path: Path, *args: object, **options: object) -> str:
    options = {"timeout_s": LONG_S, **options}
    with pytest.raises(StemlensError) as error:
        render_vst3(path, *args, RATE, **options)  # type: ignore[arg-type]
    assert error.value.code == code
    return error.value.message


@pytest.mark.parametrize("frames", [1, 2, 50, RATE])
def test_it_renders_in_time_and_as_long(
    gain: Path, noise: NDArray[np.float32], frames: int
) -> None:
    given = noise[:frames].copy()
    output = render_vst3(gain, {"gain_db": -12.0}, given, RATE, timeout_s=LONG_S)
    assert output.shape == given.shape and output.dtype == np.float32
    np.testing.assert_allclose(output, given * 10 ** (-12 / 20), rtol=1e-3, atol=1e-7)
    assert np.array_equal(given, noise[:frames])


def test_each_render_starts_anew(gain: Path, noise: NDArray[np.float32]) -> None:
    first = render_vst3(gain, {}, noise[:5000], RATE, timeout_s=LONG_S)
    render_vst3(gain, {"gain_db": 3}, noise[:5000], RATE, timeout_s=LONG_S)
    assert np.array_equal(first, render_vst3(gain, {}, noise[:5000], RATE, timeout_s=LONG_S))
    np.testing.assert_allclose(first, noise[:5000] * 10 ** (-6 / 20), rtol=1e-3, atol=1e-7)


def test_nothing_in_is_nothing_out(gain: Path) -> None:
    empty = np.zeros((0, 2), np.float32)
    assert render_vst3(gain, {}, empty, RATE, timeout_s=LONG_S).shape == (0, 2)


def test_it_tells_its_parameters(gain: Path) -> None:
    told = {one.name: one for one in describe_vst3(gain)}
    level, mode = told["gain_db"], told["mode"]
    assert (level.low, level.high, level.unit) == (-24, 12, "dB")
    assert level.default == pytest.approx(-6) and (mode.low, mode.high) == (0, 3)


def test_parameters_are_checked(gain: Path, noise: NDArray[np.float32]) -> None:
    unknown = refused("preset_invalid", gain, {"gain": 1.0}, noise)
    assert "no parameter 'gain'. The nearest is 'gain_db'" in unknown and "mode" in unknown
    assert "-24 to 12 dB" in refused("preset_invalid", gain, {"gain_db": 40.0}, noise)
    assert "gain_db cannot be" in refused("preset_invalid", gain, {"gain_db": "loud"}, noise)


def test_a_crash_is_told_and_harms_nothing(
    gain: Path, noise: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    message = refused("plugin_failed", gain, {"mode": 1}, noise)
    assert "gain.vst3 crashed (SIGSEGV) while it rendered" in message
    assert "Segmentation fault" in caplog.text
    assert len(render_vst3(gain, {}, noise, RATE, timeout_s=LONG_S)) == len(noise)


def test_a_crash_while_loading(
    gain: Path, noise: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASH", "1")
    assert "(SIGSEGV) while it was loaded" in refused("plugin_failed", gain, {}, noise)
    with pytest.raises(StemlensError, match="SIGSEGV"):
        describe_vst3(gain)


def test_a_hang_is_ended(gain: Path, noise: NDArray[np.float32]) -> None:
    message = refused("plugin_failed", gain, {"mode": 2}, noise, timeout_s=5.0)
    assert "was not done after 5 s (it rendered)" in message


def test_samples_that_are_no_numbers(gain: Path, noise: NDArray[np.float32]) -> None:
    assert "no numbers" in refused("plugin_failed", gain, {"mode": 3}, noise)


def test_channels_it_cannot_take(gain: Path, noise: NDArray[np.float32]) -> None:
    assert "1-channel" in refused("plugin_failed", gain, {}, noise[:, :1])


def test_an_instrument_is_no_effect(tmp_path: Path, noise: NDArray[np.float32]) -> None:
    made = bundle(tmp_path, "synth", instrument=1)
    assert "is an instrument" in refused("plugin_failed", made, {}, noise)


def test_what_is_no_plug_in(tmp_path: Path, noise: NDArray[np.float32]) -> None:
    assert "no plug-in at" in refused("plugin_failed", tmp_path / "none.vst3", {}, noise)
    assert "not a file in it" in refused("plugin_failed", tmp_path / "gain.so", {}, noise)
    inside = tmp_path / "garbage.vst3" / "Contents" / "x86_64-linux"
    inside.mkdir(parents=True)
    (inside / "garbage.so").write_bytes(b"no library")
    assert "garbage.vst3" in refused("plugin_failed", tmp_path / "garbage.vst3", {}, noise)


def test_preset_files(gain: Path, tmp_path: Path, noise: NDArray[np.float32]) -> None:
    saved = tmp_path / "quiet.vstpreset"
    save = (
        "import pathlib, sys, numpy, pedalboard\n"
        "plugin = pedalboard.VST3Plugin(sys.argv[1])\n"
        "plugin.gain_db = -20\n"
        "plugin(numpy.zeros((2, 512), 'float32'), 44100)\n"  # only now its audio side knows
        "pathlib.Path(sys.argv[2]).write_bytes(plugin.preset_data)\n"
    )
    subprocess.run([sys.executable, "-c", save, gain, saved], check=True)
    output = render_vst3(gain, {}, noise, RATE, timeout_s=LONG_S, preset=saved)
    np.testing.assert_allclose(output, noise * 0.1, rtol=1e-2, atol=1e-6)
    bad = tmp_path / "bad.vstpreset"
    bad.write_bytes(b"junk" * 100)
    assert "bad.vstpreset" in refused("plugin_failed", gain, {}, noise, preset=bad)
    missing = tmp_path / "none.vstpreset"
    assert ".vstpreset" in refused("preset_invalid", gain, {}, noise, preset=missing)
