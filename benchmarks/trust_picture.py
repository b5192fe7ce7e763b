"""The picture of `docs/trust.md`: trust against what is true of stems that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito's colours, which differ for every kind of colour vision; markers differ as well.
STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "v"), ("#D55E00", "D"))
INK, FAINT = "#24292f", "#d8dee4"
mpl.rcParams.update({"svg.hashsalt": "stemlens", "font.family": "sans-serif", "font.size": 10})


def draw(points: Mapping[str, Sequence[tuple[float, float, float]]], path: Path) -> None:
    """Writes the picture as SVG; points by kind: (distortion in dB, error in points, trust)."""
    figure = Figure(figsize=(10, 4.2), facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2)
    for (kind, some), (colour, marker) in zip(points.items(), STYLES, strict=True):
        distortion, error, trust = np.array(some).T
        style = {"color": colour, "marker": marker, "s": 16, "alpha": 0.75, "linewidths": 0}
        left.scatter(distortion, trust, label=kind, **style)
        right.scatter(trust, np.maximum(error, 0.01), **style)
    line = np.linspace(-50, 10, 200)
    left.plot(line, 1 / (1 + 10 * 10 ** (line / 10)), color=INK, lw=1, ls="--")
    left.set(xlim=(-50, 10), ylim=(0, 1.02), xlabel="true distortion, dB below the stem")
    left.set_ylabel("trust, told without the true stems")
    left.legend(frameon=False, labelcolor=INK)
    right.set(yscale="log", xlim=(0, 1.02), xlabel="trust")
    right.set_ylabel("error of the stem's shares, points")
    for axis in (left, right):
        axis.grid(color=FAINT, lw=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
