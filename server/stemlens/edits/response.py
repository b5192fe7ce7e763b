"""A chain of filters as one filter: what it does to a mono sum, without the audio file.

A chain of gains and equalisers is linear, the same at all times and on both sides, so it commutes
with mixing the sides and with resampling: filtering what the tagger hears is rendering the file and
then making it mono and resampling it. The filter is taken from pedalboard itself, as its response
to an impulse at the file's rate, and brought to the tagger's rate. Below the edge of the resampling
(0.9 of the lower Nyquist frequency) both ways agree; `tests/edits/test_response.py` holds them to
0.001 in score.
"""

from __future__ import annotations

import numpy as np

from stemlens import audio
from stemlens.audio import Samples
from stemlens.edits.chains import Chain
from stemlens.edits.render import render

BEFORE_S, AFTER_S = 0.05, 0.75


def impulse_response(chain: Chain, rate: int, heard_rate: int) -> Samples:
    """The chain's response at `heard_rate` to an impulse at `rate`; it begins `BEFORE_S` early, for
    what resampling adds before."""
    impulse = np.zeros((round((BEFORE_S + AFTER_S) * rate), 1), dtype=np.float32)
    impulse[round(BEFORE_S * rate)] = 1.0
    response = render(impulse, rate, chain, loudness_match=False).samples[: len(impulse)]
    return audio.resample(response[:, 0], rate, heard_rate) * np.float32(rate / heard_rate)


def filtered(waveform: Samples, chain: Chain, rate: int, heard_rate: int) -> Samples:
    """A mono waveform `[samples]` at `heard_rate` as it would be had the file it came from, at
    `rate`, gone through a chain of filters."""
    from scipy.signal import oaconvolve

    response = impulse_response(chain, rate, heard_rate)
    before = round(BEFORE_S * heard_rate)
    full = oaconvolve(waveform.astype(np.float64), response.astype(np.float64))
    out: Samples = full[before : before + len(waveform)].astype(np.float32)
    return out
