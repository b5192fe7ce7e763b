"""placeholder until the branch comes"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Goal:
    text: str
    weights: NDArray[np.float64]
    keep: NDArray[np.float64]

    def gain(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        return change @ self.weights - np.abs(change) @ self.keep
