"""JSON in and out, with what JSON leaves open settled.

Read: whatever cannot be used raises ValueError, also nesting without end and text that has no
UTF-8 form (a lone surrogate), which could be neither sent nor written later on.
Written: UTF-8, indented by one, no NaN, whole or not at all.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from stemlens_bridge.writing import written


def read(text: str) -> Any:
    """The data that `text` stands for; raises ValueError."""
    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return data


def write(path: Path, data: Any) -> None:
    """Writes `data` to a file; raises `output_failed`."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    with written(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def is_number(value: Any) -> bool:
    """Whether JSON data is a number that a float can hold; true and false are none."""
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:
        return False
