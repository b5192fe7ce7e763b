"""Sessions with files, results and shares over time, as much of them as a report needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from stemlens.over_time import OverTime
from support.results import result

RATE = 16_000
SEGMENT_S = 3.0
TAGS = ("rock", "sad", "piano", '<i>odd</i> & "quoted"')


def session(
    folder: Path,
    names: dict[str, str],
    seconds: float,
    *,
    tags: tuple[str, ...] = TAGS,
    **more: Any,
) -> tuple[dict[str, Any], OverTime]:
    """A result with these stems (names by id), noise for each of them, and shares over time.

    `more` goes to `results.result`. The second third of the song scores most.
    """
    noise = np.random.RandomState(0)  # whose numbers are the same in every version of numpy
    shares = {
        stem: (0.3 / (n + 1) * (-1) ** n, 0.2 / (n + 1) * (-1) ** n, 0.4 / (n + 1) * (-1) ** n)
        for n, stem in enumerate(names)
    }
    shares = {stem: (value, min(ends), max(ends)) for stem, (value, *ends) in shares.items()}
    document = result(shares, **more)
    frames = round(seconds * RATE)
    for stem in document["session"]["stems"]:
        path = folder / f"{stem['id']}.wav"
        soundfile.write(path, 0.1 * noise.standard_normal(frames).astype(np.float32), RATE)
        stem |= {"path": str(path), "name": names[stem["id"]], "duration_s": seconds}
    document["session"] |= {"sample_rate": RATE, "duration_s": seconds, "daw": "files"}
    document["session"] |= {"tempo": None}
    document["tagger"]["name"] = "stub"
    (first,) = document["tags"]
    document["tags"] = [{**first, "tag": tag, "score": 0.5 - 0.1 * n} for n, tag in enumerate(tags)]
    document |= {"markers": [], "annotations": [], "versions": {"stemlens": "1"}}
    segments = int(seconds // SEGMENT_S)
    rise = np.where(np.arange(segments) // max(segments // 3, 1) == 1, 1.2, 0.9)[:, None]
    values = np.array([share["value"] for share in first["attributions"]])
    over_time = OverTime(
        document["session"]["start_s"] + SEGMENT_S * np.arange(segments),
        SEGMENT_S,
        np.array([[tag["score"] for tag in document["tags"]]]) * rise,
        np.full((segments, len(tags)), 0.05),
        rise[:, :, None] * values[None, :, None] * np.ones((1, 1, len(tags))),
        tuple(names),
        tags,
    )
    return document, over_time


def suggestion(name: str) -> dict[str, Any]:
    """A suggestion as a result has it, for a stem of that name."""
    tag = {"tag": "rock", "before": 0.2, "after": 0.3, "change": 0.1, "low": 0.05, "high": 0.2}
    return {
        "request": "r",
        "rank": 1,
        "edits": [{"title": "Quieter", "amount": 1.0, "name": name}],
        "words": f"{name}: level −3 dB",
        "sentence": "rock +10.0",
        "loudness_db": 0.0,
        "audible": "subtle",
        "gain": None,
        "tags": [tag],
        "before_path": None,
        "after_path": None,
    }
