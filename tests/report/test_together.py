"""What two stems do together, in words that are true whatever each of them does."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from support.results import result

from stemlens.attribution.interactions import interactions
from stemlens.report.together import together


@pytest.mark.parametrize(
    ("drums", "bass", "more"), [*product((0.2, -0.2), (0.1, -0.1), (0.06, -0.06))]
)
def test_the_words_are_true_for_every_sign(drums: float, bass: float, more: float) -> None:
    """Two stems of which is known what they do one by one, and what together."""
    both = drums + bass + more
    table = 0.5 + np.array([0.0, drums, bass, both])[:, None]
    value = float(interactions(table)[0, 1, 0])
    pair = {"tag": "rock", "stems": ["drums", "bass"], "value": value, "low": value, "high": value}
    shares = {"drums": (drums + more / 2,) * 3, "bass": (bass + more / 2,) * 3}
    (told,) = together({**result(shares), "interactions": [pair]}, "rock")
    said = re.fullmatch(r"Drums and Bass together: (\d+) points (\w+) than one by one\.", told)
    assert said is not None
    apart = int(said[1]) * {"more": 1, "less": -1}[said[2]]
    assert apart == round(100 * (both - (drums + bass)))
