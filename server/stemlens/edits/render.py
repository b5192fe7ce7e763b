"""Audio through a chain of plug-ins, as a mixing engineer would want it back.

Tails are kept, latency is compensated (pedalboard's plug-ins do so themselves), nothing clips that
need not, and the same input gives the same samples to the bit: every rendering has new plug-ins.
Where it is asked for, what comes out is brought to the integrated loudness (ITU-R BS.1770-4) of
what went in, because louder is not better.

Samples are float32 `[frames, channels]`, mono or stereo, at any rate from 8 to 192 kHz; more
channels are folded to stereo, as everywhere here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pedalboard
from pedalboard._pedalboard import Pedalboard

from stemlens import audio
from stemlens.audio import Samples
from stemlens.edits import chains
from stemlens.edits.chains import Chain, Setting
from stemlens.edits.plugins import PLUGINS
from stemlens_bridge.errors import StemlensError

SILENT_DB = -100.0  # a tail is over where it stays below
MOST_MATCH_DB = 60.0
HEADROOM = 0.5  # to which what clips at full scale is brought before
BOTH_SIDES_DB = 10 * math.log10(2)
MP3_RATES = (32_000, 44_100, 48_000)
HIGHEST = 0.45  # of the rate, above which a digital filter cannot be
LEAST_FRAMES = 64  # so that pedalboard can tell frames from channels

Host = Callable[[Setting, Samples, int], Samples]
"""Renders a `VST3`, in a process of its own."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """What came out: at least as many frames as went in, more where there is a tail.

    before_lufs, after_lufs: integrated loudness of what went in and of what comes out, as it plays,
    so that mono counts on both sides (None: silent, or not asked for). match_db: the gain at the
    end that made them the same.
    chain: the plug-ins with all values in their own units.
    """

    samples: Samples
    chain: Chain
    before_lufs: float | None
    after_lufs: float | None
    match_db: float


def render(
    samples: Samples,
    rate: int,
    chain: Chain,
    *,
    loudness_match: bool = True,
    before_lufs: float | None = None,
    host: Host | None = None,
) -> Rendered:
    """Plays samples `[frames, channels]` through a chain.

    before_lufs: their loudness, where it is known already. Raises `plugin_failed`.
    """
    if samples.shape[1] > 2:
        samples = audio.to_stereo(samples)
    wants_loudness = loudness_match or chains.needs_loudness(chain)
    if wants_loudness and before_lufs is None:
        before_lufs = loudness(samples, rate)
    settled = chains.absolute(chain, 0.0 if before_lufs is None else before_lufs)
    settled = chains.below(settled, HIGHEST * rate)
    if not samples.any():
        return Rendered(samples, settled, before_lufs, None, 0.0)
    tail = math.ceil(rate * sum(setting.tail_s for setting in settled))
    after = max(tail, LEAST_FRAMES - len(samples), 0)
    played = _played(np.pad(samples, [(0, after), (0, 0)]), rate, settled, host)
    if not np.isfinite(played).all():
        raise StemlensError(
            "plugin_failed",
            f"{_names(settled)} made samples that are no numbers. Try other values.",
        )
    played = _without_silence(played, len(samples))
    after_lufs, match_db = None, 0.0
    if loudness_match and before_lufs is not None:
        after_lufs = loudness(played, rate)
        if after_lufs is not None:
            match_db = max(-MOST_MATCH_DB, min(before_lufs - after_lufs, MOST_MATCH_DB))
            played = played * np.float32(10 ** (match_db / 20))
            after_lufs += match_db
    return Rendered(played, settled, before_lufs, after_lufs, match_db)


def loudness(samples: Samples, rate: int) -> float | None:
    """Integrated loudness of `[frames, channels]` as it plays, LUFS: mono is on both sides."""
    if samples.shape[1] == 2 and np.array_equal(samples[:, 0], samples[:, 1]):
        samples = samples[:, :1]  # half the work for the same figure
    found = audio.loudness(samples, rate)
    return found if found is None or samples.shape[1] > 1 else found + BOTH_SIDES_DB


def _names(chain: Iterable[Setting]) -> str:
    return ", ".join(setting.plugin for setting in chain)


def _without_silence(samples: Samples, least: int) -> Samples:
    """Without the silence at the end, but at least so many frames."""
    tail = np.abs(samples[least:]).max(axis=1, initial=0)
    loud = np.flatnonzero(tail > 10 ** (SILENT_DB / 20))
    return np.ascontiguousarray(samples[: least + (int(loud[-1]) + 1 if len(loud) else 0)])


def _played(samples: Samples, rate: int, chain: Iterable[Setting], host: Host | None) -> Samples:
    """The chain, plug-in by plug-in; pedalboard's own that follow each other go in one piece."""
    waiting: list[Any] = []

    def through(played: Samples) -> Samples:
        if not waiting:
            return played
        board = Pedalboard(list(waiting))
        waiting.clear()
        out: Samples = board(np.ascontiguousarray(played.T), rate).T
        return out

    for setting in chain:
        plugin = _plugin(setting)
        if plugin is not None:
            waiting.append(plugin)
            continue
        samples = through(samples)
        if setting.plugin == "Mix":
            dry, wet = (np.float32(setting.values[name]) for name in ("dry", "wet"))
            samples = dry * samples + wet * _played(samples, rate, setting.inside, host)
        elif setting.plugin == "Width":
            samples = _widened(samples, float(setting.values["side_db"]))
        elif setting.plugin == "VST3":
            if host is None:
                raise StemlensError("plugin_failed", f"No host was given for {setting.path}.")
            samples = host(setting, samples, rate)
        else:
            samples = _clipping(samples, rate, setting)
    return through(samples)


def _plugin(setting: Setting) -> Any | None:
    """A new plug-in of pedalboard, where it can simply be played."""
    if PLUGINS[setting.plugin].clips or setting.plugin in ("Mix", "Width", "VST3"):
        return None
    return _made(setting)


def _made(setting: Setting) -> Any:
    kind = getattr(pedalboard, setting.plugin)
    values: dict[str, Any] = dict(setting.values)
    if setting.plugin == "LadderFilter":
        values["mode"] = getattr(pedalboard.LadderFilter.Mode, str(values["mode"]))
    try:
        return kind(**values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise StemlensError("plugin_failed", f"{setting.plugin}: {error}.") from error


def _clipping(samples: Samples, rate: int, setting: Setting) -> Samples:
    """Through a plug-in that clips at full scale: with headroom, and at a rate that it can."""
    own = rate
    if setting.plugin == "MP3Compressor" and rate not in MP3_RATES:
        own = 48_000 if rate > 44_100 else 44_100
    peak = float(np.abs(samples).max())
    scale = np.float32(HEADROOM / peak if peak > HEADROOM else 1.0)
    there = audio.resample(samples * scale, rate, own)
    played = Pedalboard([_made(setting)])(np.ascontiguousarray(there.T), own).T
    back = audio.resample(np.ascontiguousarray(played), own, rate) / scale
    out = np.zeros_like(samples)
    out[: len(back)] = back[: len(samples)]
    return out


def _widened(samples: Samples, side_db: float) -> Samples:
    """The difference of the sides turned up or down; their sum stays what it was."""
    if samples.shape[1] != 2:
        return samples
    middle = samples.mean(axis=1, keepdims=True)
    wider: Samples = middle + np.float32(10 ** (side_db / 20)) * (samples - middle)
    return wider
