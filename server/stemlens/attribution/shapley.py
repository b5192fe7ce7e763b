"""The Shapley value: a stem's contribution averaged over all orders in which stems could enter.

It is the only way of sharing that is efficient (shares add up to what all stems do together),
symmetric (stems that do the same get the same), gives nothing to stems that do nothing, and is
linear (the shares of a mean are the mean of the shares). For n players

    φᵢ = Σ over S without i of |S|! (n − |S| − 1)! / n! · (v(S ∪ i) − v(S)).

Source: L. S. Shapley, "A value for n-person games", 1953.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.table import validate, weighted


def shapley(values: ArrayLike) -> NDArray[np.float64]:
    """Shapley values `[n, ...]` of a table `[2**n, ...]` indexed by bit mask (bit i ↔ stem i).

    Raises ValueError for a table that is not one.
    """
    n, table = validate(values)
    # A contribution that completes a coalition of size s is met in (s − 1)! (n − s)! of n! orders.
    joined = [0.0] + [1.0 / (n * comb(n - 1, s - 1)) for s in range(1, n + 1)]
    return weighted(table, np.array(joined), n)
