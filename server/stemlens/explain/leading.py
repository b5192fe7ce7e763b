"""Which tags a song, or a part of it, is told by: those that it has most of above silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens.report import silence
from stemlens_bridge.annotations import TOP, AnnotationPolicy


def leading(
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    tags: Sequence[str],
    kinds: Mapping[str, str],
    policy: AnnotationPolicy,
) -> list[int]:
    """The columns of the tags that lead, the best first: tags with the policy's least score and
    clearly more than silence; of the kinds that it tells, and of any kind where these are not all
    that was asked for ("top"), or none of them leads.

    scores, baseline: `[tags]`; kinds: by the tags' names.
    """
    above = scores - baseline
    worth = (100 * scores >= policy.min_score) & (above >= silence.LEAST)
    told = np.array([TOP in policy.kinds or kinds.get(tag) in policy.kinds for tag in tags])
    chosen = worth & told if (worth & told).any() else worth
    return [int(k) for k in np.argsort(-above, kind="stable") if chosen[k]]
