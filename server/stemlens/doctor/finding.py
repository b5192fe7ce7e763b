"""What a check of an installation tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in one line what it is about and how that stands; `mend` is what to do
    where it is not right."""

    state: State
    about: str
    told: str
    mend: str = ""
