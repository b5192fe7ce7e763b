"""The plain way to the same shares, to compare with: every coalition of all stems as a waveform.

For each of the 2ⁿ coalitions the waveforms are summed, the sum's log-mel spectrogram is made, and
the network scores all segments; then the Shapley values of the 2ⁿ mean scores are taken. It uses
the same network in the same micro-batches, so that what is compared is only the way of mixing and
what is left out. Run as a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from stemlens import Options, Session, tagging
from stemlens.attribution import shapley
from stemlens.attribution.table import membership
from stemlens.material import prepare
from stemlens.tagging import mel


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


def main(folder: str, tagger_name: str) -> None:
    """Measures one session and prints seconds, taggings, peak memory and the shares."""
    started = time.perf_counter()
    tagger = tagging.load(tagger_name, "cpu")
    session = Session.read(Path(folder))
    material = prepare(session, tagger.sample_rate, Options().session_loudness)
    gains = 10 ** (np.array(material.gains_db) / 20)
    stems = torch.from_numpy(material.waveforms * gains[:, None].astype(np.float32))
    table, taggings = [], 0
    for plays in membership(len(stems)):
        inputs = log_mel(torch.from_numpy(plays).float() @ stems)
        table.append(tagger.score(inputs).mean(axis=0))
        taggings += len(inputs)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "taggings": taggings,
                "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "shares": shapley(np.array(table)).tolist(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
