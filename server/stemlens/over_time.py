"""Scores and shares segment by segment, of an Analysis or from the .npz of a saved result.

Scores and shares are 0 to 1, times are seconds of project time.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings


@dataclass(frozen=True, slots=True)
class OverTime:
    """What each segment scored, and each stem's share of it.

    start_s: where the segments start `[segments]`, in order; they overlap where a finer hop was
    asked for. segment_s: how long each is. scores: of all stems together, baseline: of silence,
    `[segments, tags]`. attributions: `[segments, stems, tags]`, of a finer hop in float32. stems:
    ids, tags: names, in the order of these axes. sounds: which stem sounds in which segment
    `[segments, stems]`, where that is known.
    """

    start_s: NDArray[np.float64]
    segment_s: float
    scores: NDArray[np.float64]
    baseline: NDArray[np.float64]
    attributions: NDArray[np.floating[Any]]
    stems: tuple[str, ...]
    tags: tuple[str, ...]
    sounds: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        segments, stems, tags = len(self.start_s), len(self.stems), len(self.tags)
        good = self.scores.shape == self.baseline.shape == (segments, tags)
        good = good and (self.sounds is None or self.sounds.shape == (segments, stems))
        if not (good and self.attributions.shape == (segments, stems, tags)):
            raise ValueError("its arrays do not belong together")
        if not all(np.isfinite(a).all() for a in self._arrays()):
            raise ValueError("it has values that are no numbers")

    def _arrays(self) -> tuple[NDArray[np.floating[Any]], ...]:
        return self.start_s, self.scores, self.baseline, self.attributions

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """For each segment the span of project time that it stands for: all of it, or where
        segments overlap, its middle, as long as the hop. Spans follow one another."""
        middles = self.start_s + self.segment_s / 2
        edges = np.concatenate(
            [self.start_s[:1], (middles[:-1] + middles[1:]) / 2, self.start_s[-1:] + self.segment_s]
        )
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    @property
    def sounding(self) -> NDArray[np.bool_]:
        """Which stem sounds in which segment `[segments, stems]`. Where a result does not say it,
        those do that have a share of anything."""
        if self.sounds is not None:
            return self.sounds
        return np.asarray(self.attributions.any(axis=2))

    def shares(self, tag: int) -> NDArray[np.float64]:
        """Those of one tag, by its column: `[segments, stems]`."""
        return np.asarray(self.attributions[:, :, tag], dtype=np.float64)

    @classmethod
    def read(cls, path: Path, segment_s: float) -> OverTime:
        """Those in an .npz file, at the finest hop that it has; raises `result_invalid`."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                hop = "fine_" if "fine_start_s" in arrays else ""
                sounds = hop + "sounding"
                return cls(
                    start_s=np.asarray(arrays[hop + "start_s"], dtype=np.float64),
                    segment_s=segment_s,
                    scores=np.asarray(arrays[hop + "scores"], dtype=np.float64),
                    baseline=np.asarray(arrays[hop + "baseline"], dtype=np.float64),
                    attributions=np.asarray(arrays[hop + "attributions"], dtype=np.float64),
                    stems=tuple(map(str, arrays["stems"])),
                    tags=tuple(map(str, arrays["tags"])),
                    sounds=np.asarray(arrays[sounds], np.bool_) if sounds in arrays else None,
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise StemlensError(
                "result_invalid",
                f"{path} does not hold the shares over time ({error}). "
                "'stemlens analyze … --npz FILE' writes them.",
            ) from error


def saved(path: Path) -> tuple[Findings, OverTime | None]:
    """A saved result, and its shares over time where it names a file of them that is there.

    A result that was moved is looked for beside its JSON too. Raises `result_invalid`.
    """
    findings = Findings.read(path)
    document: dict[str, Any] = jsontext.read(path.read_text(encoding="utf-8"))
    named = document.get("time")
    if not isinstance(named, str):
        return findings, None
    places = (Path(named), path.parent / Path(named).name)
    there = next(filter(os.path.isfile, places), None)
    if there is None:
        return findings, None
    try:
        segment_s = float(document["tagger"]["segment_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise StemlensError(
            "result_invalid", f"{path} does not say how long a segment is."
        ) from error
    return findings, OverTime.read(there, segment_s)
