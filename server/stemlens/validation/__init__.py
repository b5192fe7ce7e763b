"""Is it true? Experiments that could show that explanations are wrong: `stemlens validate`.

An experiment (see `experiment`) is a module with `run` and `told`; `EXPERIMENTS` has them all. The
material (`material`) is real sessions of which every coalition is scored. Of pure arithmetic,
`curves` has deletion and insertion, `randomized` networks with shuffled weights, and `degrading`
what separators do to stems. `report` runs them and writes the page. Nothing here imports torch
before an experiment runs.

Imports run one way: cli → validation → {attribution, separation, opening} → game.
"""

from __future__ import annotations

import importlib
from types import ModuleType

EXPERIMENTS = {
    "confounder": "The confounder test",
    "faithfulness": "Faithfulness",
    "sanity": "Sanity",
    "article": "The article's tables",
    "coverage": "Intervals",
    "separated": "Separated against real stems",
}
"""The experiments by their names on the command line, in the order of the page."""


def module_of(name: str) -> ModuleType:
    """The module of an experiment."""
    own = {"confounder": "confounded"}.get(name, name)
    return importlib.import_module(f"{__name__}.{own}")
