"""An edit in a DAW's own terms: words for people, and actions that a DAW can carry out exactly.

Exact are the level (any fader) and bell filters: pedalboard's are those of R. Bristow-Johnson's
cookbook, by frequency, gain and Q, which digital equalisers with bells share. All else sounds
different from plug-in to plug-in (a compressor's detector, the slope of a low cut, a reverb), so
the rendered file is the only exact form of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stemlens.edits.chains import Chain, Setting

Values = Mapping[str, Any]
SMALLEST_DB = 0.05


def signed_db(value: float) -> str:
    """ "+1.5 dB", "−3 dB"."""
    text = f"{abs(value):.1f}".removesuffix(".0")
    return f"{'−' if value < 0 else '+'}{text} dB"


def hz(value: float) -> str:
    """ "120 Hz", "2.5 kHz"."""
    if value < 1_000:
        return f"{value:.0f} Hz"
    return f"{value / 1_000:.1f}".removesuffix(".0") + " kHz"


def _dynamics(word: str) -> Callable[[Values], str]:
    return lambda v: (
        f"{word} {v['ratio']:.1f}:1 {'above' if word == 'compress' else 'below'} "
        f"{_level(v['threshold_db'])} ({v['attack_ms']:.0f} ms attack, "
        f"{v['release_ms']:.0f} ms release)"
    )


def _level(value: float) -> str:
    return f"{value:.0f} dBFS".replace("-", "−")


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


WORDS: dict[str, Callable[[Values], str]] = {
    "Gain": lambda v: f"level {signed_db(v['gain_db'])}",
    "Invert": lambda v: "polarity inverted",
    "PeakFilter": lambda v: (
        f"{signed_db(v['gain_db'])} at {hz(v['cutoff_frequency_hz'])}, Q {v['q']:.1f}"
    ),
    "LowShelfFilter": lambda v: (
        f"low shelf {signed_db(v['gain_db'])} below {hz(v['cutoff_frequency_hz'])}"
    ),
    "HighShelfFilter": lambda v: (
        f"high shelf {signed_db(v['gain_db'])} above {hz(v['cutoff_frequency_hz'])}"
    ),
    "HighpassFilter": lambda v: f"low cut at {hz(v['cutoff_frequency_hz'])} (6 dB/octave)",
    "LowpassFilter": lambda v: f"high cut at {hz(v['cutoff_frequency_hz'])} (6 dB/octave)",
    "LadderFilter": lambda v: f"{v['mode']} ladder filter at {hz(v['cutoff_hz'])}",
    "Compressor": _dynamics("compress"),
    "NoiseGate": _dynamics("expand"),
    "BrickwallLimiter": lambda v: f"limit at {_level(v['ceiling_db'])}",
    "Clipping": lambda v: f"clip at {_level(v['threshold_db'])}",
    "Distortion": lambda v: f"saturate by {v['drive_db']:.0f} dB",
    "Bitcrush": lambda v: f"reduce to {v['bit_depth']:.0f} bits",
    "Resample": lambda v: f"reduce to {hz(v['target_sample_rate'])} sample rate",
    "MP3Compressor": lambda v: f"MP3 at quality V{v['vbr_quality']:.0f} and back",
    "GSMFullRateCompressor": lambda v: "telephone codec (GSM) and back",
    "PitchShift": lambda v: f"pitch {v['semitones']:+.1f} semitones".replace("-", "−"),
    "Chorus": lambda v: f"chorus at {v['rate_hz']:.1f} Hz, {_share(v['mix'])} wet",
    "Phaser": lambda v: f"phaser at {v['rate_hz']:.1f} Hz, {_share(v['mix'])} wet",
    "Delay": lambda v: (
        f"delay of {1_000 * v['delay_seconds']:.0f} ms, feedback {_share(v['feedback'])}, "
        f"{_share(v['mix'])} wet"
    ),
    "Reverb": lambda v: f"reverb, room size {_share(v['room_size'])}, wet {_share(v['wet_level'])}",
    "Width": lambda v: f"sides {signed_db(v['side_db'])}",
}


def words(chain: Chain, match_db: float = 0.0) -> str:
    """A chain and the gain after it in words: "−3 dB at 2.5 kHz, Q 0.7; level −1.5 dB"."""
    parts = [_words(setting) for setting in chain]
    if abs(match_db) >= SMALLEST_DB:
        parts.append(f"level {signed_db(match_db)}")
    return "; ".join(parts) or "nothing"


def _words(setting: Setting) -> str:
    if setting.plugin == "VST3":
        return setting.path.stem if setting.path is not None else "VST3"
    if setting.plugin == "Mix":
        inside = "; ".join(_words(inner) for inner in setting.inside)
        if setting.values["dry"] == 0 and setting.values["wet"] == 1:
            return inside
        dry, wet = float(setting.values["dry"]), float(setting.values["wet"])
        return f"in parallel ({_share(dry)} dry, {_share(wet)} wet): {inside}"
    return WORDS[setting.plugin](setting.values)


def actions(chain: Chain, match_db: float = 0.0) -> list[dict[str, Any]]:
    """What a DAW can do to get exactly this: `level` and `eq`, or `take`, the rendered file."""
    bands, level_db = [], match_db
    for setting in chain:
        if setting.plugin == "Gain":
            level_db += float(setting.values["gain_db"])
        elif setting.plugin == "PeakFilter":
            bands.append(
                {
                    "shape": "bell",
                    "hz": round(float(setting.values["cutoff_frequency_hz"]), 2),
                    "db": round(float(setting.values["gain_db"]), 3),
                    "q": round(float(setting.values["q"]), 4),
                }
            )
        else:
            return [{"do": "take"}]
    done: list[dict[str, Any]] = [{"do": "eq", "bands": bands}] if bands else []
    if abs(level_db) >= SMALLEST_DB / 10:
        done.append({"do": "level", "db": round(level_db, 3)})
    return done
