"""Plots of a result for a forum post or a paper, as PNG and SVG: `heatmap`, and of each of the
first tags `bars-…` and, where the course over time is known, `taggram-…`.

They are 80 mm wide, the column of a paper, with letters of 7 points and 300 dots an inch. Colours
are those of the page (`heatmap`, `taggram`), told apart by colour-blind eyes; axes have titles and
units. The same result gives the same bytes. In the SVG letters are outlines, so that it looks the
same everywhere.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from stemlens.over_time import OverTime
from stemlens.report.heatmap import shown_tags
from stemlens.report.taggram import Lane, lanes_of
from stemlens.wording.shares import LEAST_POINTS, Row, rows
from stemlens.wording.told import unit_of
from stemlens_bridge.annotations import AGAINST, FOR, points, signed
from stemlens_bridge.table import fit, stem_names
from stemlens_bridge.wording import clock, number
from stemlens_bridge.writing import failed, written

WIDTH_IN = 80 / 25.4
ROW_IN, HEAD_IN = 0.19, 0.95
DPI = 300
TAGS = 3  # that have plots of their own
NAME = 22  # columns of a name
SCALE_IN, SLANTED_IN = 0.25, 0.042  # the scale below a heat map; a column of a name that is aslant
LEAST_LOG_ODDS = 0.05  # less is shown as nothing
INK, FAINT, UNCLEAR = "#1b1b1f", "#d0d0d8", "#c8c8d0"
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "Arial Unicode MS")
UNITS = {"points": "points of 100", "log-odds": "log-odds"}
STYLE: Any = {
    "svg.hashsalt": "stemlens",
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a $ in a name is a $
}


def write(folder: Path, document: Mapping[str, Any], over_time: OverTime | None) -> list[Path]:
    """Writes all plots into a folder, which is made where there is none; returns their paths.
    Raises `output_failed`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(folder, error) from error
    made = []
    with mpl.rc_context({**STYLE, "font.family": _fonts()}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # there is a box in its place
        for name, draw in _plots(document, over_time):
            figure = draw()
            for ending in ("png", "svg"):
                path = folder / f"{name}.{ending}"
                # Neither the time nor what drew it: the same result is the same file.
                bare = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
                with written(path) as part, part.open("wb") as file:
                    figure.savefig(file, format=ending, dpi=DPI, metadata=bare)
                made.append(path)
    return made


def _fonts() -> list[str]:
    """The fonts that are there; with several, letters that one lacks come from the next."""
    found = []
    for name in FONTS:
        with suppress(ValueError):
            font_manager.findfont(name, fallback_to_default=False)
            found.append(name)
    return found or ["sans-serif"]


def _plots(
    document: Mapping[str, Any], over_time: OverTime | None
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    yield "heatmap", lambda: heat_map(document)
    for place, tag in enumerate(shown_tags(document)[:TAGS], 1):
        name = f"{place}-{re.sub('[^a-z0-9]+', '-', tag['tag'].lower()).strip('-')}"
        yield f"bars-{name}", lambda tag=tag: bars(document, tag)  # type: ignore[misc]
        if over_time is not None:
            yield f"taggram-{name}", lambda tag=tag: taggram(document, tag, over_time)  # type: ignore[misc]


def bars(document: Mapping[str, Any], tag: Mapping[str, Any]) -> Figure:
    """A tag's shares as bars with their intervals, the largest on top."""
    unit = unit_of(document)
    scale = 100 if unit == "points" else 1
    own = rows(document, tag)[::-1]
    figure, axes = _figure(HEAD_IN + ROW_IN * len(own))
    values = np.array([scale * row.value for row in own])
    off = np.array([[scale * (row.value - row.low), scale * (row.high - row.value)] for row in own])
    estimated = off.any()
    axes.barh(
        range(len(own)),
        values,
        height=0.62,
        color=[_shade(row) for row in own],
        xerr=off.clip(0).T if estimated else None,
        error_kw={"ecolor": INK, "elinewidth": 0.8, "capsize": 2, "capthick": 0.8},
    )
    axes.axvline(0, color=INK, lw=0.6)
    axes.set_yticks(range(len(own)), [_short(row.name) for row in own])
    axes.tick_params(axis="y", length=0)
    reach = max(float(np.abs(values).max(initial=0)), 5 if unit == "points" else 0.25)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.2 * reach), max(high, reach))
    axes.set_xlabel(f"share of the score, {UNITS[unit]}" + (" (95 %)" if estimated else ""))
    axes.set_title(_title(tag), loc="left")
    axes.grid(axis="x", color=FAINT, lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def heat_map(document: Mapping[str, Any]) -> Figure:
    """Stems × best tags, with the numbers in the cells."""
    unit = unit_of(document)
    tags, names = shown_tags(document), stem_names(document)
    shares = [{share["stem"]: share["value"] for share in tag["attributions"]} for tag in tags]
    values = np.array([[of[stem] for of in shares] for stem in names])
    labels = [_short(tag["tag"]) for tag in tags]
    below_in = SCALE_IN + SLANTED_IN * max(map(len, labels), default=0)
    figure, axes = _figure(HEAD_IN + below_in + ROW_IN * len(names))
    most = max(float(np.abs(values).max(initial=0)), 0.05)
    colours = LinearSegmentedColormap.from_list("shares", [AGAINST, "#ffffff", FOR])
    image = axes.imshow(values, cmap=colours, norm=Normalize(-most, most), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        light = abs(value) > 0.85 * most
        axes.text(
            column,
            row,
            _cell(float(value), unit),
            ha="center",
            va="center",
            fontsize=5.5,
            color="white" if light else INK,
        )
    axes.set_yticks(range(len(names)), [_short(name) for name in names.values()])
    axes.set_xticks(range(len(tags)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("What each stem adds to each tag", loc="left")
    scale = figure.colorbar(image, ax=axes, location="bottom", pad=0.02, aspect=40)
    scale.outline.set_visible(False)
    ticks = [-most, 0, most]
    scale.set_ticks(ticks, labels=[_cell(tick, unit) if tick else "0" for tick in ticks])
    scale.set_label(UNITS[unit])
    return figure


def taggram(document: Mapping[str, Any], tag: Mapping[str, Any], over_time: OverTime) -> Figure:
    """A tag's score over time, and below the shares of the stems that have most to do with it."""
    unit = unit_of(document)
    scale = 100 if unit == "points" else 1
    figure = Figure(figsize=(WIDTH_IN, 2.9), layout="constrained", facecolor="white")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    spans = over_time.spans_s
    edges = np.array([*(start for start, _ in spans), spans[-1][1]])
    scores = over_time.scores[:, over_time.tags.index(tag["tag"])]
    above.stairs(100 * scores, edges, color=INK, lw=1.0)
    above.set_ylim(0, max(100 * float(scores.max()) * 1.1, 10))
    above.set_ylabel("score,\npoints of 100")
    above.set_title(_title(tag), loc="left")
    up, down = np.zeros(len(scores)), np.zeros(len(scores))
    for lane in lanes_of(tag["tag"], over_time, stem_names(document)):
        _stack(below, lane, scale, edges, up, down)
    below.axhline(0, color=INK, lw=0.6)
    below.set_ylabel(f"shares,\n{UNITS[unit]}")
    below.set_xlabel("time, minutes:seconds")
    below.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
    below.set_xlim(edges[0], edges[-1])
    for axes in (above, below):
        axes.grid(axis="y", color=FAINT, lw=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if below.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=6)
    return figure


def _stack(axes: Axes, lane: Lane, scale: float, edges: Any, up: Any, down: Any) -> None:
    """Puts a stem's shares on top of those before it, what takes below the axis."""
    name, colour, values = lane
    label = _short(name)
    for pile, part in ((up, values.clip(0)), (down, values.clip(max=0))):
        if part.any():
            foot = pile.copy()
            pile += part
            axes.stairs(
                scale * pile, edges, baseline=scale * foot, fill=True, color=colour, label=label
            )
            label = "_"  # once in the legend


def _figure(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor="white")
    return figure, figure.subplots()


def _title(tag: Mapping[str, Any]) -> str:
    return f"{tag['tag']}: {points(tag['score'])} of 100 (silence {points(tag['baseline'])})"


def _shade(row: Row) -> str:
    """Blue for what adds, orange for what takes; pale for what may be 0."""
    if 100 * abs(row.value) >= LEAST_POINTS and not row.clear:
        return UNCLEAR
    return FOR if row.value > 0 else AGAINST


def _cell(value: float, unit: str) -> str:
    """A share in as few letters as go into a cell."""
    if unit != "points":
        return number(value, 1, sign=True) if abs(value) >= LEAST_LOG_ODDS else "·"
    return signed(value) if 100 * abs(value) >= LEAST_POINTS else "·"


def _short(name: str) -> str:
    return fit(name, NAME)
