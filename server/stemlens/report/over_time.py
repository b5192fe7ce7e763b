"""An Analysis over time, as arrays in an .npz file for whoever wants to plot or compute.

Arrays: attributions, mute, solo float64 `[segments, stems, tags]`; scores, baseline float64
`[segments, tags]`; start_s float64 `[segments]` in project time; stems, tags: names of the axes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemlens_bridge.writing import written

if TYPE_CHECKING:
    from stemlens.analysis import Analysis


def write_npz(analysis: Analysis, path: Path) -> None:
    """Writes the arrays, whole or not at all; raises `output_failed`."""
    shares, game = analysis.shares, analysis.opened.game
    with written(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            attributions=shares.attributions,
            mute=shares.mute,
            solo=shares.solo,
            scores=shares.scores,
            baseline=shares.baseline,
            start_s=analysis.options.start_s + game.start_s,
            stems=np.array([stem.id for stem in analysis.opened.material.session.stems]),
            tags=np.array([tag.name for tag in game.tagger.tags]),
        )
