"""What Stemlens adds to Demucs: a whole separation of a file beside Demucs' bare `apply_model`.

The network has the dimensions of `htdemucs` and random weights: what it costs does not depend on
what it knows. Both sides separate the same 20 s of noise at 48 kHz; Stemlens' side reads the file,
converts rates, separates, drops silent stems and writes them. Each side runs `ROUNDS` times, turn
about, and the least counts. `python -m benchmarks.separation` prints JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs

from stemlens import audio, separating, separation

SECONDS, RATE, ROUNDS = 20, 48_000, 2
SOURCES = ["drums", "bass", "other", "vocals"]


def network() -> Any:
    """A network like `htdemucs`, untrained."""
    torch.manual_seed(0)
    kwargs = {"segment": Fraction(39, 5), "bottom_channels": 512, "depth": 4, "dconv_comp": 8}
    return HTDemucs(SOURCES, **kwargs)


def main() -> None:
    net = network().eval()
    args, kwargs = net._init_args_kwargs
    package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": net.state_dict()}
    bare, whole = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        torch.save(package, folder / "like_htdemucs.th")
        noise = 0.1 * np.random.default_rng(0).standard_normal((SECONDS * RATE, 2))
        soundfile.write(folder / "mix.wav", noise, RATE, subtype="FLOAT")
        started = time.perf_counter()
        separator = separation.load(str(folder), "cpu")
        load_s = time.perf_counter() - started
        wav = torch.from_numpy(audio.resample(audio.read(folder / "mix.wav").samples, RATE, 44_100))
        for _ in range(ROUNDS):
            started = time.perf_counter()
            apply_model(net, wav.T[None], shifts=0)
            bare.append(time.perf_counter() - started)
            started = time.perf_counter()
            clip = audio.read(folder / "mix.wav")
            made = separating.separate(separator, clip.samples, RATE, lambda fraction: None)
            separating.write(folder / "stems", made, RATE, "like_htdemucs")
            whole.append(time.perf_counter() - started)
    overhead = (min(whole) - min(bare)) / min(whole)
    print(
        json.dumps(
            {
                "seconds_of_audio": SECONDS,
                "network_s": round(min(bare), 2),
                "stemlens_s": round(min(whole), 2),
                "overhead_percent": round(100 * overhead, 2),
                "load_s": round(load_s, 2),
                "threads": torch.get_num_threads(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
