"""Which components LIME lets have a coefficient, where it may only give some of them one.

Up to six are found by *forward selection*: always the one is added with which a weighted least
squares fit, without a ridge, explains most of what is not explained yet. More are those with the
*highest weights*, the largest coefficients, for or against, of a fit to all with hardly any ridge.
This is done for each tag by itself. Of two that explain the same the first is taken.

Source: M. T. Ribeiro's program `lime`, 0.2.0.1, the method `auto`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.lime import MASKS, Moments, Values, ridge

FORWARD = 6
HARDLY = 0.01  # what the sum of the squared coefficients costs beside MASKS masks
EXPLAINED = 1e-9  # of what a component does: there is nothing in it that others do not explain


def selected(moments: Moments, features: int | None) -> NDArray[np.bool_]:
    """Which components are to be fitted for which tag, `[n, tags]`; at most `features` for each
    (None: all)."""
    n, tags = moments.cross.shape
    chosen = np.zeros((n, tags), dtype=np.bool_)
    if features is None or features >= n:
        chosen[:] = True
    else:
        find = forward_selection if features <= FORWARD else highest_weights
        np.put_along_axis(chosen, find(moments, features), True, axis=0)
    return chosen


def highest_weights(moments: Moments, features: int) -> NDArray[np.intp]:
    """The components `[features, tags]` with the largest coefficients."""
    size = abs(ridge(moments, HARDLY / MASKS))
    return np.argsort(-size, axis=0, kind="stable")[:features]


def forward_selection(moments: Moments, features: int) -> NDArray[np.intp]:
    """The components `[features, tags]` in the order in which they are added."""
    gram, cross = moments.gram, moments.cross.T
    each = np.arange(len(cross))[:, None]
    chosen = np.zeros((len(cross), 0), dtype=np.intp)
    for _ in range(features):
        # What is left of every component, and of its part in the worth, beside those chosen.
        inner = gram[chosen[:, :, None], chosen[:, None, :]]
        explained = np.linalg.pinv(inner, hermitian=True) @ gram[chosen]
        left = gram.diagonal() - (gram[chosen] * explained).sum(axis=1)
        unexplained: Values = cross - np.einsum("tfn,tf->tn", explained, cross[each, chosen])
        own = left > EXPLAINED * gram.diagonal()
        gain = np.where(own, unexplained**2 / np.where(own, left, 1), 0)
        gain[each, chosen] = -1
        chosen = np.concatenate([chosen, gain.argmax(axis=1)[:, None]], axis=1)
    return chosen.T
