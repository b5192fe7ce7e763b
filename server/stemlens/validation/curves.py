"""Insertion and deletion curves: a tag's score as stems enter, or leave, in some order.

Of an order of n stems the insertion curve has the n + 1 scores from nobody to everybody, the first
of the order entering first; the deletion curve those from everybody to nobody, the first leaving
first. The area under a curve is its mean height along the way (trapezoids, in the unit of the
scores). Of an order by what stems do for a tag, the first being the one that does most, the area
of insertion should be large and that of deletion small.

Deleting in an order is inserting in its reverse, seen backwards, so that the best order for the one
is the worst for the other, turned round. The mean over all orders is exact: after k stems it is the
mean over all coalitions of k. So are the best and the worst order, found coalition by coalition.

Source: V. Petsiuk, A. Das and K. Saenko, "RISE: Randomized Input Sampling for Explanation of
Black-box Models", 2018 (deletion and insertion).
"""

from __future__ import annotations

from itertools import islice, permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.table import membership

Values = NDArray[np.float64]
Orders = NDArray[np.int64]


def by_value(values: Values) -> Orders:
    """Orders by what stems do, most first: `[tags, n]` of `[n, tags]`."""
    return np.argsort(-values, axis=0, kind="stable").T


def insertion(table: Values, orders: Orders) -> Values:
    """The scores `[orders, n + 1, tags]` as stems enter.

    table: `[2**n, tags]`, by bit mask; orders: `[orders, n]`.
    """
    masks = np.cumsum(1 << orders, axis=1)
    return table[np.concatenate([np.zeros_like(masks[:, :1]), masks], axis=1)]


def deletion(table: Values, orders: Orders) -> Values:
    """The scores `[orders, n + 1, tags]` as stems leave."""
    return insertion(table, orders[:, ::-1])[:, ::-1]


def area(curves: Values) -> Values:
    """The mean heights `[orders, tags]` of curves `[orders, n + 1, tags]`."""
    return (curves[:, 1:] + curves[:, :-1]).mean(axis=1) / 2


def own_areas(curves: Values) -> Values:
    """The areas `[tags]` where each tag has an order of its own: the k-th of k orders."""
    return np.diagonal(area(curves)).copy()


def mean_curve(table: Values) -> Values:
    """The mean insertion curve over all orders `[n + 1, tags]`; that of deletion is its reverse."""
    size = membership(len(table).bit_length() - 1).sum(axis=1)
    return np.stack([table[size == k].mean(axis=0) for k in range(size.max() + 1)])


def extremes(table: Values) -> tuple[Values, Values]:
    """The smallest and the largest area of insertion that any order has, both `[tags]`."""
    n = len(table).bit_length() - 1
    plays = membership(n)
    least, most = table.copy(), table.copy()  # of the sums up to a coalition, all scores in it
    for mask in range(1, len(table)):  # what has a member less has a smaller mask
        before = mask ^ (1 << np.flatnonzero(plays[mask]))
        least[mask] += least[before].min(axis=0)
        most[mask] += most[before].max(axis=0)
    ends = (table[0] + table[-1]) / 2
    return (least[-1] - ends) / n, (most[-1] - ends) / n


def some_orders(n: int, most: int, seed: int) -> Orders:
    """All orders of n stems `[orders, n]`, or as many as `most` that are drawn."""
    if factorial(n) <= most:
        return np.array(list(islice(permutations(range(n)), most)), dtype=np.int64).reshape(-1, n)
    random = np.random.default_rng(seed)
    return random.random((most, n)).argsort(axis=1)
