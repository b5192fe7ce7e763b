"""Edits in a DAW's words and actions."""

from __future__ import annotations

from stemlens.edits import terms
from stemlens.edits.chains import Setting
from stemlens.edits.plugins import PLUGINS
from stemlens.edits.presets import Presets

PEAK = Setting("PeakFilter", {"cutoff_frequency_hz": 2_500.0, "gain_db": -3.0, "q": 0.7})
GAIN = Setting("Gain", {"gain_db": -1.0})


def test_words() -> None:
    assert terms.words((PEAK,), -1.5) == "−3 dB at 2.5 kHz, Q 0.7; level −1.5 dB"
    assert terms.words((GAIN,)) == "level −1 dB"
    assert terms.words(()) == "nothing"


def test_what_a_daw_can_do_exactly() -> None:
    band = {"shape": "bell", "hz": 2500.0, "db": -3.0, "q": 0.7}
    assert terms.actions((PEAK, GAIN), -0.5) == [
        {"do": "eq", "bands": [band]},
        {"do": "level", "db": -1.5},
    ]
    assert terms.actions((GAIN,)) == [{"do": "level", "db": -1.0}]
    assert terms.actions(()) == []


def test_all_else_is_a_take() -> None:
    shelf = Setting("HighShelfFilter", PEAK.values)
    for chain in ((shelf,), (PEAK, Setting("Compressor")), (Setting("Mix", inside=(PEAK,)),)):
        assert terms.actions(chain) == [{"do": "take"}]


def test_every_plug_in_has_words() -> None:
    assert set(terms.WORDS) == set(PLUGINS) - {"Mix", "VST3"}
    assert all(preset.title and preset.says for preset in Presets().values())
