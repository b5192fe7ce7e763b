"""Games to try estimators on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.sampling import Plays

Table = NDArray[np.float64]


def seen(table: Table, plays: Plays) -> tuple[Plays, Table, Table]:
    """What an estimator is told of a game of which some pairs were scored."""
    masks = plays.astype(int) @ (1 << np.arange(plays.shape[1]))
    return plays, table[masks] - table[len(table) - 1 - masks], table[-1] - table[0]


def music(n: int, seed: int, tags: int = 4) -> Table:
    """A game like a tagger's: log energies of the mix, then a saturating network."""
    generator = np.random.default_rng(seed)
    plays = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    energy = np.log1p(1e3 * plays @ generator.lognormal(-2, 2, size=(n, 24)))
    hidden = np.maximum(energy @ generator.normal(size=(24, 32)) / 8, 0)
    return 1 / (1 + np.exp(2 - hidden @ generator.normal(size=(32, tags)) / 3))
