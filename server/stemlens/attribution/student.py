"""How much wider an interval must be when its variance is known from few samples."""

from __future__ import annotations

import numpy as np

# What Student's t with 1, 2 … 30 degrees of freedom is below in 97.5 % of cases.
_T = np.fromstring(
    "12.7062 4.3027 3.1824 2.7764 2.5706 2.4469 2.3646 2.3060 2.2622 2.2281 2.2010 2.1788 2.1604 "
    "2.1448 2.1314 2.1199 2.1098 2.1009 2.0930 2.0860 2.0796 2.0739 2.0687 2.0639 2.0595 2.0555 "
    "2.0518 2.0484 2.0452 2.0423",
    sep=" ",
)
_NORMAL = 1.959964


def widening(freedom: int) -> float:
    """What a variance with `freedom` (at least 1) degrees of freedom is multiplied by, so that
    ± 1.96 standard deviations become the 95 % interval of Student's t."""
    t = _T[freedom - 1] if freedom <= len(_T) else _NORMAL + 2.41 / freedom
    return float((t / _NORMAL) ** 2)
