"""How fast a job goes: its stage, how much of it is done, and how long the rest will take.

Times are seconds of a steadily rising clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

EARLIEST_S = 1.0  # before that a pace is chance
LEAST = 0.02  # of a stage


@dataclass(frozen=True, slots=True)
class Pace:
    """A job at one moment. `began` is when it was given to the worker, `entered` when its stage
    began, `moved` when anything was last heard of it."""

    began: float
    entered: float
    moved: float
    stage: str = "starting"
    fraction: float = 0.0

    @classmethod
    def at(cls, now: float) -> Pace:
        """Of a job that begins now."""
        return cls(now, now, now)

    def heard(self, stage: str, fraction: float, now: float) -> Pace:
        """After a word of its progress."""
        entered = self.entered if stage == self.stage else now
        return replace(self, stage=stage, fraction=fraction, entered=entered, moved=now)

    def left_s(self, now: float) -> float | None:
        """How long the stage will still take if it goes on as it went; None: nobody knows yet."""
        spent = now - self.entered
        if spent < EARLIEST_S or self.fraction < LEAST:
            return None
        # What has passed since the last word counts for what is left, or it would stand still.
        whole = (self.moved - self.entered) / self.fraction
        return max(whole - spent, 0.0)
