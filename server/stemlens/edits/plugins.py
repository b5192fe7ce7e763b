"""The plug-ins that edits are made of, as data: parameters, ranges, units, what they do to time.

Sources: pedalboard 0.9.26's own signatures and JUCE's parameter ranges. `neutral` is the value at
which a parameter does nothing: an edit's amount goes from there (0) to the preset's value (1). A
parameter without one stays as the preset has it. `log` parameters go there in ratios, not in steps.

Levels in LU are relative to the loudness of the stem, so that one preset fits quiet and loud stems:
a threshold of −6 LU lies 6 dB below the stem's loudness, a drive of 6 LU brings that loudness 6 dB
above full scale. In dB they are relative to full scale, and the amount leaves them as they are.

Three of them are not pedalboard's. `Mix` plays a chain beside the sound as it was; `Width` turns
the sides up or down against the middle; `VST3` is any VST3 plug-in, by the path of its bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

HZ = "Hz"
DB = "dB"
LU = "LU"

FALLEN_DB = 60.0  # how far a tail must have fallen to be over


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a plug-in's parameter can be, in `unit`; `default` is pedalboard's own.

    choices: where it is a word, those there are.
    """

    default: float | str
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    neutral: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """The units in which it may be given."""
        return (DB, LU) if self.unit == LU else (self.unit,)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in: its parameters by name.

    is_filter: linear, the same at all times and on all channels, and over within a tenth of a
    second, so that it is known by its impulse response. clips: at full scale, whatever its numbers.
    has_chain: it plays other plug-ins. tail_s: how long it sounds after the last sample, from its
    settled parameters.
    """

    parameters: Mapping[str, Parameter]
    is_filter: bool = False
    clips: bool = False
    has_chain: bool = False
    tail_s: Callable[[Mapping[str, float | str]], float] = lambda settled: 0.0


def _hz(default: float, neutral: float | None = None) -> Parameter:
    return Parameter(default, 10.0, 24_000.0, HZ, neutral, log=True)


def _ms(default: float, low: float, high: float) -> Parameter:
    return Parameter(default, low, high, "ms", log=True)


def _part(default: float, neutral: float | None = None) -> Parameter:
    """A number from 0 to 1."""
    return Parameter(default, 0.0, 1.0, "", neutral)


_GAIN = Parameter(0.0, -48.0, 48.0, DB, 0.0)
_Q = Parameter(0.70710678, 0.05, 30.0, "", log=True)
_THRESHOLD = Parameter(0.0, -100.0, 60.0, LU)
_RATIO = Parameter(1.0, 1.0, 100.0, "", 1.0, log=True)
_BAND = {"cutoff_frequency_hz": _hz(440.0), "gain_db": _GAIN, "q": _Q}


def _echoes_s(settled: Mapping[str, float | str]) -> float:
    """How long a delay's echoes take to fall by 60 dB."""
    delay_s, feedback = float(settled["delay_seconds"]), float(settled["feedback"])
    times, left = 1, feedback
    while left > 10 ** (-FALLEN_DB / 20) and times < 400:
        times, left = times + 1, left * feedback
    return delay_s * times


def _room_s(settled: Mapping[str, float | str]) -> float:
    """How long Freeverb's longest comb (1,640 of 44,100 samples) takes to fall by 60 dB: its
    feedback is 0.28 · room size + 0.7. Damping only makes it shorter."""
    feedback = 0.28 * float(settled["room_size"]) + 0.7
    combs, left = 1, feedback
    while left > 10 ** (-FALLEN_DB / 20):
        combs, left = combs + 1, left * feedback
    return combs * 1_640 / 44_100 + 0.1


PLUGINS: dict[str, Plugin] = {
    "Gain": Plugin({"gain_db": Parameter(1.0, -80.0, 48.0, DB, 0.0)}, is_filter=True),
    "Invert": Plugin({}, is_filter=True),
    "PeakFilter": Plugin(_BAND, is_filter=True),
    "LowShelfFilter": Plugin(_BAND, is_filter=True),
    "HighShelfFilter": Plugin(_BAND, is_filter=True),
    "HighpassFilter": Plugin({"cutoff_frequency_hz": _hz(50.0, 10.0)}, is_filter=True),
    "LowpassFilter": Plugin({"cutoff_frequency_hz": _hz(50.0, 20_000.0)}, is_filter=True),
    "LadderFilter": Plugin(
        {
            "mode": Parameter("LPF12", choices=("LPF12", "HPF12", "BPF12", "LPF24", "HPF24")),
            "cutoff_hz": _hz(200.0),
            "resonance": _part(0.0),
            "drive": Parameter(1.0, 1.0, 100.0, "", 1.0, log=True),
        }
    ),
    "Compressor": Plugin(
        {
            "threshold_db": _THRESHOLD,
            "ratio": _RATIO,
            "attack_ms": _ms(1.0, 0.01, 1_000.0),
            "release_ms": _ms(100.0, 1.0, 5_000.0),
        }
    ),
    "NoiseGate": Plugin(
        {
            "threshold_db": _THRESHOLD,
            "ratio": _RATIO,
            "attack_ms": _ms(1.0, 0.01, 1_000.0),
            "release_ms": _ms(100.0, 1.0, 5_000.0),
        }
    ),
    "BrickwallLimiter": Plugin(
        {
            "ceiling_db": Parameter(-1.0, -60.0, 60.0, LU),
            "release_ms": _ms(100.0, 1.0, 5_000.0),
            "lookahead_ms": _ms(5.0, 0.1, 50.0),
        }
    ),
    "Clipping": Plugin({"threshold_db": _THRESHOLD}),
    "Distortion": Plugin({"drive_db": Parameter(25.0, -60.0, 80.0, LU, -24.0)}),
    "Bitcrush": Plugin({"bit_depth": Parameter(8.0, 1.0, 24.0, "bits", 24.0)}),
    "Resample": Plugin(
        {"target_sample_rate": Parameter(8_000.0, 1_000.0, 48_000.0, HZ, 48_000.0, log=True)}
    ),
    "MP3Compressor": Plugin(
        {"vbr_quality": Parameter(2.0, 0.0, 9.9, "", 0.0)}, clips=True, tail_s=lambda _: 0.1
    ),
    "GSMFullRateCompressor": Plugin({}, clips=True, tail_s=lambda _: 0.1),
    "PitchShift": Plugin(
        {"semitones": Parameter(0.0, -24.0, 24.0, "semitones", 0.0)}, tail_s=lambda _: 0.2
    ),
    "Chorus": Plugin(
        {
            "rate_hz": Parameter(1.0, 0.01, 20.0, HZ, log=True),
            "depth": _part(0.25),
            "centre_delay_ms": _ms(7.0, 1.0, 100.0),
            "feedback": Parameter(0.0, -0.95, 0.95),
            "mix": _part(0.5, 0.0),
        },
        tail_s=lambda _: 0.3,
    ),
    "Phaser": Plugin(
        {
            "rate_hz": Parameter(1.0, 0.01, 20.0, HZ, log=True),
            "depth": _part(0.5),
            "centre_frequency_hz": _hz(1_300.0),
            "feedback": Parameter(0.0, -0.95, 0.95),
            "mix": _part(0.5, 0.0),
        },
        tail_s=lambda _: 0.3,
    ),
    "Delay": Plugin(
        {
            "delay_seconds": Parameter(0.5, 0.001, 10.0, "s", log=True),
            "feedback": Parameter(0.0, 0.0, 0.95),
            "mix": _part(0.5, 0.0),
        },
        tail_s=_echoes_s,
    ),
    "Reverb": Plugin(
        {
            "room_size": _part(0.5),
            "damping": _part(0.5),
            "wet_level": _part(0.33, 0.0),
            "dry_level": _part(0.4, 0.5),  # at 0.5 JUCE lets the sound through as it was
            "width": _part(1.0),
        },
        tail_s=_room_s,
    ),
    "Width": Plugin({"side_db": Parameter(0.0, -60.0, 12.0, DB, 0.0)}),
    "Mix": Plugin(
        {
            "dry": Parameter(1.0, 0.0, 2.0, "", 1.0),
            "wet": Parameter(0.0, 0.0, 4.0, "", 0.0),
        },
        has_chain=True,
    ),
    "VST3": Plugin({}),
}

REFUSED: dict[str, str] = {
    "Limiter": "it adds gain by itself; use BrickwallLimiter",
    "Convolution": "it needs an impulse response beside the preset; use Reverb, or a VST3",
    "IIRFilter": "its coefficients say nothing to people; use the named filters",
}
"""Plug-ins of pedalboard that no preset may use, and why."""
