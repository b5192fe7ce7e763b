"""The Owen value: first the groups share among themselves, then each group's members share that.

Drums in a folder are one thing to a musician and several stems to a game. The Owen value is the
Shapley value of orders in which a group's members enter one right after the other. Its sum over a
group is the group's Shapley value in the game that the groups play as a whole, and it splits credit
between groups, however many stems they have. When each stem is a group of its own, or all are in
one, it is the Shapley value. It needs only coalitions in which at most one group is there in part:

    ψ(S) = what the part S of a group gets in the groups' game, when the rest of it is missing;
    the members' values are the Shapley values of the game ψ.

`groups` says for each player which group it is in: `[n]`, any integers.

Source: G. Owen, "Values of games with a priori unions", 1977.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.sampling import Plays
from stemlens.attribution.shapley import shapley
from stemlens.attribution.table import membership, validate


def owen(values: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Owen values `[n, ...]` of a table `[2**n, ...]` indexed by bit mask (bit i ↔ stem i).

    Raises ValueError for a table that is not one, or not one of as many players as `groups` has.
    """
    n, table = validate(values)
    if np.shape(groups) != (n,):
        raise ValueError(f"each of {n} players needs a group")
    needed = owen_coalitions(groups)
    return owen_from_coalitions(table[needed @ (1 << np.arange(n))], groups)


def owen_cost(groups: ArrayLike) -> int:
    """How many coalitions the exact Owen values need (Python's integers: it may be a lot)."""
    _, members = np.unique(np.asarray(groups), return_counts=True)
    in_part = sum(2 ** int(count) - 2 for count in members)
    return 2 ** len(members) + (2 ** (len(members) - 1) * in_part if len(members) else 0)


def owen_coalitions(groups: ArrayLike) -> Plays:
    """The coalitions that the exact Owen values need, each once: `[owen_cost(groups), n]`."""
    return _needed(groups)[0]


def owen_from_coalitions(values: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Owen values `[n, ...]` from the values of `owen_coalitions(groups)`, in that order."""
    known = np.asarray(values, dtype=np.float64)
    plays, tables = _needed(groups)
    if len(known) != len(plays):
        raise ValueError(f"these groups need {len(plays)} coalitions, not {len(known)}")
    others = max(0, len(tables) - 1)
    size = membership(others).sum(axis=1)
    weight = np.array([1 / ((others + 1) * comb(others, int(s))) for s in size])
    result = np.zeros((plays.shape[1], *known.shape[1:]))
    for inside, rows in tables:
        table = known[rows]
        psi = np.tensordot(weight, table, axes=(0, 1))  # and a constant, which no value sees
        result[inside] = shapley(psi)
    return result


def _needed(groups: ArrayLike) -> tuple[Plays, list[tuple[NDArray[np.bool_], NDArray[np.int64]]]]:
    """The coalitions, each once, and for each group who is in it `[n]` and the rows of its table.

    Such a table is `[2**members, 2**other groups]`, both indexed by bit mask.
    """
    kinds, of = np.unique(np.asarray(groups), return_inverse=True)
    insides = np.arange(len(kinds))[:, None] == of
    if not len(kinds):
        return np.zeros((1, 0), dtype=bool), []
    tables = []
    for at, inside in enumerate(insides):
        part = membership(int(inside.sum()))
        plays = np.repeat(
            (membership(len(kinds) - 1) @ np.delete(insides, at, 0))[None], len(part), 0
        )
        plays[:, :, inside] = part[:, None]
        tables.append(plays)
    shapes = [table.shape[:2] for table in tables]
    every = np.concatenate([table.reshape(-1, len(of)) for table in tables])
    _, first, rows = np.unique(
        np.packbits(every, axis=1), axis=0, return_index=True, return_inverse=True
    )
    ends = np.cumsum([a * b for a, b in shapes])[:-1]
    split = [
        r.reshape(shape) for r, shape in zip(np.split(rows.ravel(), ends), shapes, strict=True)
    ]
    return every[first], list(zip(insides, split, strict=True))
