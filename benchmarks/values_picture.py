"""The picture of `docs/values.md`: one tag by three values, and what each of them looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.trust_picture import FAINT, INK, STYLES

Points = NDArray[np.float64]
COLOURS = dict(zip(("Shapley", "Banzhaf", "LIME"), (colour for colour, _ in STYLES), strict=False))


def draw(
    tag: str,
    names: Sequence[str],
    values: Mapping[str, Points],
    last: Points,
    first: Points,
    places: Mapping[str, Points],
    path: Path,
) -> None:
    """Writes the picture as SVG.

    values: points by stem, for each value; last, first: what each stem does as the last to enter
    and as the first. places: what it counts to enter as the 1st, 2nd …, for each value.
    """
    figure = Figure(figsize=(10, 4.2), facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    rows = -np.arange(len(names), dtype=float)
    for k, (name, points) in enumerate(values.items()):
        left.barh(rows + 0.25 - 0.25 * k, points, 0.22, color=COLOURS[name], label=name)
    for effect, mark, label in (
        (last, "|", "enters last (muted)"),
        (first, "x", "enters first (solo)"),
    ):
        left.plot(effect, rows, mark, color=INK, ms=9, label=label)
    left.axvline(0, color=INK, lw=0.8)
    left.set_yticks(rows, names)
    left.set_xlabel(f"points of “{tag}”")
    figure.legend(*_told(left), frameon=False, labelcolor=INK, loc="outside upper center", ncols=5)
    for k, (name, counts) in enumerate(places.items()):
        at = np.arange(1, len(counts) + 1)
        right.bar(at - 0.25 + 0.25 * k, 100 * counts, 0.22, color=COLOURS[name])
    right.axhline(0, color=INK, lw=0.8)
    right.set_xlabel(f"a stem enters as the … of {len(names)}")
    right.set_ylabel("counts in the value, %")
    for axis in (left, right):
        axis.grid(color=FAINT, lw=0.8, axis="x" if axis is left else "y")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _told(axis: Axes) -> tuple[list[Artist], list[str]]:
    """What the legend tells, the values before the effects."""
    handles, labels = axis.get_legend_handles_labels()
    return [*handles[2:], *handles[:2]], [*labels[2:], *labels[:2]]
