"""The article's "rock" track: scores, both values, and what its figure shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from stemlens.validation import article

DATA = Path(__file__).parents[1] / "data"


def test_the_scores_are_those_that_were_published() -> None:
    with (DATA / "article_coalitions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(article.SCORES) == 16
    for row in rows:
        coalition = {name for name in row.pop("coalition").split("+") if name}
        found = next(own for stems, own in article.SCORES.items() if set(stems) == coalition)
        assert found == tuple(float(row[tag]) for tag in article.TAGS)


def test_both_values_and_what_differs() -> None:
    """Figures worked out apart from this program: tests/data/article_rock_expected.json."""
    expected = json.loads((DATA / "article_rock_expected.json").read_text())
    assert tuple(expected["stems"]) == article.STEMS and tuple(expected["tags"]) == article.TAGS
    figures = article.run(None, print)  # type: ignore[arg-type]  # it needs no settings
    np.testing.assert_allclose(figures.shapley, expected["shapley"], atol=1e-9)
    np.testing.assert_allclose(figures.banzhaf, expected["banzhaf"], atol=1e-9)
    assert figures.reordered == []
    assert figures.turned == [("rock", "bass"), ("energetic", "bass"), ("aggressive", "bass")]
    assert [check.holds for check in figures.checks] == [True, True]
    told = "\n".join(article.told(figures))
    assert "| vocals | +34.58 (+30.8" in told and "| −13.75 (−18.1" in told
    assert "the sign differs for bass (rock, energetic, aggressive);" in told
    assert "+5.3 points (vocals for energetic: +9.3 and not +4.0)" in told


def test_a_figure_of_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shapley = tuple(tuple(row) for row in article.run(None, print).shapley)  # type: ignore[arg-type]
    monkeypatch.setattr(article, "PRINTED", shapley)
    first, second = article.run(None, print).checks  # type: ignore[arg-type]
    assert not first.holds and second.holds
