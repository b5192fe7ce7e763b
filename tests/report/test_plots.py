"""Plots for papers and posts."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from lxml import etree
from PIL import Image
from support.reports import session

from stemlens.report import plots
from stemlens_bridge.annotations import signed


def test_plots_are_whole_narrow_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "TAGS", 1)
    names = {"a": "$x_1$ <b> & גיטרה", "b": "a name that goes on for as long as it wants to"}
    document, over_time = session(tmp_path, names, 12.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that no font has, a layout that does not fit
        made = plots.write(tmp_path / "one", document, over_time)
        again = plots.write(tmp_path / "two", document, None)
    assert [path.name for path in made] == [
        *("heatmap.png", "heatmap.svg", "bars-1-rock.png", "bars-1-rock.svg"),
        *("taggram-1-rock.png", "taggram-1-rock.svg"),
    ]
    for path in again:
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()
    for path in made:
        if path.suffix == ".svg":
            width = float(etree.parse(str(path)).getroot().get("width").removesuffix("pt"))
            assert width / 72 * 25.4 == pytest.approx(80, abs=0.1)
        else:
            with Image.open(path) as image:
                assert image.width == round(80 / 25.4 * plots.DPI) or image.width == 944


def test_names_that_fit_stand_whole_beside_the_heat_map(tmp_path: Path) -> None:
    names = {"a": "Overdriven guitar", "b": "Kick (room mics, left)", "c": "Bass"}
    tags = ("rock", "Progressive rock", "female vocalists", *"abcdefg")
    document, _ = session(tmp_path, names, 3.0, tags=tags)
    with mpl.rc_context(plots.STYLE):
        figure = plots.heat_map(document)
        figure.draw_without_rendering()
    axes, scale = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(names.values())
    assert [label.get_text() for label in axes.get_xticklabels()] == list(tags)
    for label in (*axes.get_yticklabels(), *axes.get_xticklabels(), scale.xaxis.label):
        box = label.get_window_extent()
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
    cell = axes.bbox.width / len(tags)
    assert [text.get_text() for text in axes.texts[:10]] == [signed(0.3)] * 10
    assert all(text.get_window_extent().width < cell for text in axes.texts)
