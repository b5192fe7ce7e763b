"""The plain way to the same scores, to compare with: coalitions of all stems, as waveforms.

A coalition's waveforms are summed, the sum's log-mel spectrogram is made, and the same network
scores all segments in the same micro-batches; so what is compared is only the way of mixing and
what is left out. All 2ⁿ coalitions are affordable only for the smallest sessions, so coalitions are
taken in random order until `LIMIT_S` is over, and the rest is extrapolated. Some of their scores
are then asked of Stemlens, too. Run as a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import torch

from benchmarks.songs import song
from benchmarks.tables import opened, session_scores
from stemlens.attribution.table import membership
from stemlens.tagging import mel

LIMIT_S = 15.0
COMPARED = 8
FEW = 12  # stems of which all coalitions can be listed


def log_mel(waveform: torch.Tensor) -> torch.Tensor:
    """Log-mel power `[segments, frames, bands]` of a waveform `[samples]`, by torch's own STFT."""
    spectrum = torch.stft(
        waveform,
        mel.WINDOW,
        mel.HOP,
        window=torch.hann_window(mel.WINDOW),
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.abs().square().T @ torch.from_numpy(mel.filter_bank()).float()
    whole = len(power) // mel.FRAMES
    return mel.compress(power[: whole * mel.FRAMES].view(whole, mel.FRAMES, -1)).float()


def main(key: str) -> None:
    """Measures one session: seconds a tagging, peak memory, the largest difference of a score."""
    session = opened(song(key))
    game = session.game
    stems = torch.from_numpy(session.material.waveforms * game.gains[:, None].astype(np.float32))
    random = np.random.default_rng(0)
    if len(stems) <= FEW:  # no coalition twice: the network would know it again
        plays = random.permutation(membership(len(stems)))
    else:
        plays = random.random((2**FEW, len(stems))) < 0.5
    scores, taggings = [], 0
    started = time.perf_counter()
    for coalition in plays:
        inputs = log_mel(torch.from_numpy(coalition).float() @ stems)
        scores.append(game.tagger.score(inputs).mean(axis=0))
        taggings += len(inputs)
        if time.perf_counter() - started > LIMIT_S:
            break
    seconds = time.perf_counter() - started
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours = session_scores(game, plays[: min(COMPARED, len(scores))])
    print(
        json.dumps(
            {
                "taggings": taggings,
                "seconds": seconds,
                "mib": mib,
                "difference": float(np.abs(ours - np.array(scores[: len(ours)])).max()),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
