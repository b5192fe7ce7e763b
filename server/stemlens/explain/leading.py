"""Which tags a song, or a part of it, is told by: those that it has most of above silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens.wording import silence
from stemlens_bridge.annotations import TOP, AnnotationPolicy


def leading(
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    tags: Sequence[str],
    kinds: Mapping[str, str],
    policy: AnnotationPolicy,
) -> list[int]:
    """The columns of the tags that lead, the best first: tags with the policy's least score that
    are heard above silence, or faintly where none is. They are of any kind where the policy tells
    the top tag of a song, else of its kinds, or where none of these leads of any kind as well.

    scores, baseline: `[tags]`; kinds: by the tags' names.
    """
    above = scores - baseline
    worth = 100 * scores >= policy.min_score
    told = np.array([TOP in policy.kinds or kinds.get(tag) in policy.kinds for tag in tags])
    for some in (worth & told, worth):
        for least in (silence.HEARD, silence.LEAST):
            chosen = some & (above >= least)
            if chosen.any():
                return [int(k) for k in np.argsort(-above, kind="stable") if chosen[k]]
    return []
