"""Which tags a song, or a part of it, is told by: the strongest of those that are worth telling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens_bridge.annotations import AnnotationPolicy


def leading(
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    tags: Sequence[str],
    kinds: Mapping[str, str],
    policy: AnnotationPolicy,
) -> list[int]:
    """The columns of the tags that lead, the best first: tags of kinds that the policy tells, with
    its least score and more than silence; of any kind where none of these is.

    scores, baseline: `[tags]`; kinds: by the tags' names.
    """
    worth = (100 * scores >= policy.min_score) & (scores > baseline)
    told = np.array([kinds.get(tag) in policy.kinds for tag in tags], dtype=np.bool_)
    chosen = worth & told if (worth & told).any() else worth
    return [int(k) for k in np.argsort(-scores, kind="stable") if chosen[k]]
