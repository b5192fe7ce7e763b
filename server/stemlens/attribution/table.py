"""Tables of a game's values: how many players one has, and who plays in which row.

A table is an array `[2**n, ...]` indexed by bit mask: row m is the coalition of the players i with
bit i of m set, so row 0 is the empty coalition and the last row everybody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def validate(values: ArrayLike) -> tuple[int, NDArray[np.float64]]:
    """The number of players and the table as float64.

    Raises ValueError where the first axis is no power of two, or a value is not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 0 or table.shape[0] < 1 or table.shape[0].bit_count() != 1:
        raise ValueError("a table of values needs 2**n rows, one for each coalition of n players")
    if not np.isfinite(table).all():
        raise ValueError("a table of values must be finite")
    return table.shape[0].bit_length() - 1, table


def membership(n: int) -> NDArray[np.bool_]:
    """Who plays in which coalition of n players: `[2**n, n]`."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(bool)


def weighted(
    table: NDArray[np.float64], joined: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Sums of marginal contributions: for player i, Σ over coalitions S with i of
    joined[|S|] · (v(S) − v(S without i)), as one product with the table.

    `joined` `[n + 1]` is the weight of a contribution by the size of the coalition it completes
    (entry 0 is not used). Result `[n, ...]`.
    """
    plays = membership(n)
    size = plays.sum(axis=1)
    with_player = np.append(joined, 0.0)  # index -1 and n + 1 are never weighted
    coefficients = np.where(plays, with_player[size][:, None], -with_player[size + 1][:, None])
    flat = coefficients.T @ table.reshape(table.shape[0], -1)
    return flat.reshape(n, *table.shape[1:])
