"""What Stemlens adds to Demucs: a whole separation of a file beside Demucs' bare `apply_model`.

The network has the dimensions of `htdemucs` and random weights: what it costs does not depend on
what it knows. Both sides separate the same 10 s of noise at 48 kHz; Stemlens' side reads the file,
converts rates, separates, drops silent stems, looks for traces (trust) and writes them. The
overhead is the part of that run which is not spent inside `apply_model`, because other work on the
machine moves two runs apart; the bare run is told beside it. `python -m benchmarks.separation`
prints JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import demucs.api
import numpy as np
import soundfile
import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs

from stemlens import audio, separating, separation
from stemlens.separation.trust import assess

SECONDS, RATE = 10, 48_000
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
    inside = []

    def timed(*given: Any, **options: Any) -> Any:
        started = time.perf_counter()
        made = apply_model(*given, **options)
        inside.append(time.perf_counter() - started)
        return made

    demucs.api.apply_model = timed
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        torch.save(package, folder / "like_htdemucs.th")
        noise = 0.1 * np.random.default_rng(0).standard_normal((SECONDS * RATE, 2))
        soundfile.write(folder / "mix.wav", noise, RATE, subtype="FLOAT")
        started = time.perf_counter()
        separator = separation.load(str(folder), "cpu")
        load_s = time.perf_counter() - started
        wav = torch.from_numpy(audio.resample(audio.read(folder / "mix.wav").samples, RATE, 44_100))
        started = time.perf_counter()
        apply_model(net, wav.T[None], shifts=0)
        bare_s = time.perf_counter() - started
        started = time.perf_counter()
        clip = audio.read(folder / "mix.wav")
        made = separating.separate(separator, clip.samples, RATE, lambda fraction: None)
        trusts = assess(clip.samples, made, RATE)
        separating.write(folder / "stems", made, RATE, "like_htdemucs", trusts)
        whole_s = time.perf_counter() - started
    print(
        json.dumps(
            {
                "seconds_of_audio": SECONDS,
                "bare_network_s": round(bare_s, 2),
                "stemlens_s": round(whole_s, 2),
                "of_that_network_s": round(inside[0], 2),
                "overhead_percent": round(100 * (1 - inside[0] / whole_s), 2),
                "load_s": round(load_s, 2),
                "threads": torch.get_num_threads(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
