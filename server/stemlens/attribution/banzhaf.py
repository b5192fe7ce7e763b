"""The Banzhaf value: a stem's contribution averaged over all coalitions of the others, alike.

It is not efficient: shares do not add up to what all stems do together. It is here because the
article "Making Music Tagging AI Explainable Through Source Separation" prints it (under the name
Shapley), and because LIME with its usual masks estimates something close to it. For n players

    βᵢ = 2^(1−n) · Σ over S without i of (v(S ∪ i) − v(S)).

Source: J. F. Banzhaf, "Weighted voting doesn't work", 1965.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.table import validate, weighted


def banzhaf(values: ArrayLike) -> NDArray[np.float64]:
    """Banzhaf values `[n, ...]` of a table `[2**n, ...]` indexed by bit mask (bit i ↔ stem i).

    Raises ValueError for a table that is not one.
    """
    n, table = validate(values)
    return weighted(table, np.full(n + 1, 2.0 ** (1 - n)), n)
