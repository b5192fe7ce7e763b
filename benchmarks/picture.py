"""The picture of the page: error against seconds, one panel a song, one line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

# Okabe and Ito's colours, which differ for every kind of colour vision; markers differ as well.
STYLES = {
    "Stemlens": ("#0072B2", "o"),
    "pairs, all stems": ("#E69F00", "s"),
    "permutation sampling": ("#009E73", "^"),
    "audioLIME": ("#D55E00", "D"),
}
INK, FAINT = "#24292f", "#d8dee4"
SMALLEST, LARGEST = 0.008, 6  # points: below the smallest counts as exact
mpl.rcParams.update({"svg.hashsalt": "stemlens", "font.family": "sans-serif", "font.size": 10})


@dataclass(frozen=True, slots=True)
class Panel:
    """One song: (seconds, error in points) by method, and when exact shares are there."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    exact_s: float | None
    naive: str


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Writes the picture as SVG."""
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(10, 0.9 + 3.5 * rows), facecolor="white", layout="constrained")
    figure.get_layout_engine().set(
        hspace=0.08, wspace=0.06, rect=(0, 0, 1, 1 - 0.5 / (1 + 4 * rows))
    )
    axes = figure.subplots(rows, 2, squeeze=False).flat
    for panel, axis in zip(panels, axes, strict=False):
        _panel(axis, panel)
    for axis in list(axes)[len(panels) :]:
        axis.set_visible(False)
    handles = [
        Line2D(
            [], [], color=colour, marker=marker, lw=2.6 if name == "Stemlens" else 1.6, label=name
        )
        for name, (colour, marker) in STYLES.items()
    ]
    figure.legend(
        handles=handles, loc="upper center", ncols=4, frameon=False, labelcolor=INK, fontsize=11
    )
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _panel(axis: Axes, panel: Panel) -> None:
    for name, points in panel.lines.items():
        colour, marker = STYLES[name]
        seen = [(s, max(error, SMALLEST)) for s, error in points if error > SMALLEST]
        ours = name == "Stemlens"
        if ours and panel.exact_s is not None:
            seen = [(s, error) for s, error in seen if s < panel.exact_s]
            axis.plot(
                [seen[-1][0], panel.exact_s], [seen[-1][1], SMALLEST], color=colour, lw=2.6, ls=":"
            )
            axis.plot(
                panel.exact_s, SMALLEST, marker="v", color=colour, ms=10, clip_on=False, zorder=5
            )
            axis.annotate(
                f"exact: {panel.exact_s:.0f} s",
                (panel.exact_s, SMALLEST),
                (9, 5),
                textcoords="offset points",
                color=colour,
                weight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                zorder=6,
            )
        axis.plot(
            *zip(*seen, strict=True),
            color=colour,
            marker=marker,
            ms=5 if ours else 4,
            lw=2.6 if ours else 1.6,
            zorder=4 if ours else 3,
        )
    axis.set(xscale="log", yscale="log", ylim=(SMALLEST, LARGEST))
    axis.set_title(panel.title, loc="left", color=INK, weight="bold", fontsize=11)
    axis.set_xlabel("seconds of tagging", color=INK)
    axis.set_ylabel("error, points (root mean square)", color=INK)
    axis.text(
        0.985,
        0.965,
        panel.naive,
        transform=axis.transAxes,
        ha="right",
        va="top",
        color="#57606a",
        fontsize=9,
    )
    axis.grid(which="major", color=FAINT, lw=0.8)
    axis.tick_params(which="both", color=FAINT, labelcolor=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(INK)
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        one.set_minor_formatter(NullFormatter())
