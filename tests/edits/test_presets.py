"""Presets: those that come with Stemlens make sense, and what is wrong in a file is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemlens.edits import chains
from stemlens.edits.plugins import LU, PLUGINS
from stemlens.edits.presets import Preset, Presets, read
from stemlens.edits.render import render
from stemlens_bridge.edits import Edit
from stemlens_bridge.errors import StemlensError

SHIPPED = Presets()

GOOD = """title = "Presence"
says = "Brings it forward"
suits = { names = ["*vox*"], tags = ["guitar"] }

[[chain]]
plugin = "PeakFilter"
cutoff_frequency_hz = { default = 3500, low = 2000, high = 6000, unit = "Hz" }
gain_db = { default = 4, low = 0, high = 8, unit = "dB" }

[[chain]]
plugin = "Mix"
wet = { default = 0.5, low = 0, high = 1, unit = "" }
[[chain.chain]]
plugin = "Compressor"
threshold_db = { default = -6, low = -20, high = 0, unit = "LU" }
ratio = { default = 4, low = 1, high = 10, unit = "" }
"""


def written(folder: Path, text: str, name: str = "own") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_there_are_those_that_people_use() -> None:
    assert len(SHIPPED) >= 24
    asked_for = """louder quieter low-cut less-mud presence air darker less-harsh compress-gentle
        compress-hard expand gate saturate more-distorted less-distorted reverb-room reverb-hall
        drier delay chorus phaser wider octave-down octave-up lo-fi telephone parallel-compression
        tape-like"""
    assert set(asked_for.split()) <= set(SHIPPED)


@pytest.mark.parametrize("preset", SHIPPED.values(), ids=lambda preset: preset.name)
def test_every_preset_renders_at_every_amount(preset: Preset) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal((8_000, 2)).astype(np.float32)
    for amount in (0.0, 0.3, 1.0, 2.0):
        chain = preset.settings(Edit("s", preset.name, amount))
        out = render(noise, 16_000 if amount == 1 else 44_100, chain)
        assert out.samples.dtype == np.float32 and len(out.samples) >= len(noise)
        assert np.isfinite(out.samples).all()
        if amount == 0:
            np.testing.assert_array_equal(out.samples, noise)


@pytest.mark.parametrize("preset", SHIPPED.values(), ids=lambda preset: preset.name)
def test_the_amount_scales_every_preset(preset: Preset) -> None:
    """Otherwise `@0.5` would be a lie."""
    whole, half = (preset.settings(Edit("s", preset.name, amount)) for amount in (1.0, 0.5))
    assert whole != half


def test_half_an_amount_is_half_the_decibels_and_the_middle_of_the_octaves() -> None:
    (peak,) = SHIPPED["presence"].settings(Edit("s", "presence", 0.5))
    assert peak.values["gain_db"] == 2.0
    cut, _ = SHIPPED["low-cut"].settings(Edit("s", "low-cut", 0.5))
    assert cut.values["cutoff_frequency_hz"] == pytest.approx(np.sqrt(10 * 120))


def test_beyond_one_the_range_holds() -> None:
    (level,) = SHIPPED["louder"].settings(Edit("s", "louder", 2.0))
    assert level.values["gain_db"] == 6.0
    (peak,) = SHIPPED["presence"].settings(Edit("s", "presence", 2.0))
    assert peak.values["gain_db"] == 8.0


def test_parameters_can_be_set_by_name(tmp_path: Path) -> None:
    preset = read(written(tmp_path, GOOD))
    chain = preset.settings(Edit("s", "own", 1.0, {"gain_db": 6.0, "2.wet": 0.25}))
    assert chain[0].values["gain_db"] == 6.0 and chain[1].values["wet"] == 0.25
    assert chain[1].inside[0].values["ratio"] == 4


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"gain": 3.0}, "did you mean gain_db"),
        ({"zzz": 3.0}, "it has cutoff_frequency_hz"),
        ({"gain_db": 9.0}, "from 0 to 8 dB"),
        ({"gain_db": "loud"}, "must be a number"),
    ],
)
def test_parameters_that_cannot_be(
    tmp_path: Path, parameters: dict[str, float | str], says: str
) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        read(written(tmp_path, GOOD)).settings(Edit("s", "own", 1.0, parameters))
    assert caught.value.code == "edit_invalid"


def test_levels_are_relative_to_the_stem(tmp_path: Path) -> None:
    chain = read(written(tmp_path, GOOD)).settings(Edit("s", "own"))
    assert chains.needs_loudness(chain)
    settled = chains.absolute(chain, -20.0)
    assert settled[1].inside[0].values["threshold_db"] == -26.0
    assert not chains.needs_loudness(settled)
    driven = SHIPPED["saturate"].settings(Edit("s", "saturate"))
    assert chains.absolute(driven, -20.0)[0].values["drive_db"] == 22.0


def test_whom_a_preset_suits(tmp_path: Path) -> None:
    preset = read(written(tmp_path, GOOD))
    assert preset.suits("Lead VOX 2", {})
    assert preset.suits("Track 7", {"guitar": 0.2})
    assert not preset.suits("Track 7", {"guitar": 0.01})
    assert SHIPPED["louder"].suits("anything", {})


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('"PeakFilter"', '"PeekFilter"', 6, "did you mean PeakFilter"),
        ('"PeakFilter"', '"Limiter"', 6, "use BrickwallLimiter"),
        ("gain_db", "gain", 8, "did you mean gain_db"),
        ('unit = "dB"', 'unit = "Hz"', 8, "must be 'dB'"),
        ("low = 0, high = 8", "low = 0, high = 80", 8, "from -48 to 48"),
        ("default = 4, low = 0", "default = 9, low = 0", 8, "does not lie between"),
        ("default = 4, low = 0", "low = 0", 8, "needs default"),
        ("high = 8,", "hihg = 8,", 8, "did you mean high"),
        ('unit = "LU"', 'unit = "LUFS"', 15, "'dB' or 'LU'"),
        ("suits =", "suit =", 3, "did you mean suits"),
        ('title = "Presence"\n', "", 0, "needs title"),
        ('says = "Brings it forward"', "says = 3", 2, "needs says"),
        ("[[chain.chain]]", "[[chian]]", 13, "did you mean chain"),
        ('title = "Presence"', 'title = "Presence', 1, "line 1"),
        ('plugin = "Compressor"', 'plugin = "Mix"', 14, "without a Mix in it"),
    ],
)
def test_what_is_wrong_in_a_file(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(StemlensError) as caught:
        read(path)
    assert caught.value.code == "preset_invalid"
    assert says in caught.value.message and str(path) in caught.value.message
    if line:
        assert f"line {line}" in caught.value.message


def test_the_users_presets_take_the_place_of_ours(tmp_path: Path) -> None:
    ours, users = tmp_path / "ours", tmp_path / "users"
    for folder in (ours, users):
        folder.mkdir()
        written(folder, GOOD.replace("Presence", folder.name), "presence")
    written(users, GOOD, "another")
    both = Presets([ours, users])
    assert both["presence"].title == "users" and set(both) == {"presence", "another"}


def test_an_unknown_preset() -> None:
    with pytest.raises(StemlensError, match=r"nearest is less-distorted") as caught:
        SHIPPED["less-distortion"]
    assert caught.value.code == "preset_unknown"


def test_a_vst3_is_named_by_its_path(tmp_path: Path) -> None:
    text = 'title = "T"\nsays = "S"\n[[chain]]\nplugin = "VST3"\npath = "a/b.vst3"\n'
    preset = read(written(tmp_path, text + "parameters = { gain = 0.5 }\n"))
    (setting,) = preset.settings(Edit("s", "own"))
    assert setting.path == tmp_path / "a" / "b.vst3" and setting.values == {"gain": 0.5}
    with pytest.raises(StemlensError, match="needs path"):
        read(written(tmp_path, text.replace("path", "#path"), "other"))


def test_pedalboard_has_what_the_table_says() -> None:
    import pedalboard

    for name, plugin in PLUGINS.items():
        if name in ("Mix", "Width", "VST3"):
            continue
        made = getattr(pedalboard, name)
        defaults = {
            key: getattr(made.Mode, str(it.default)) if key == "mode" else it.default
            for key, it in plugin.parameters.items()
            if it.unit != LU or it.default
        }
        made(**defaults)
