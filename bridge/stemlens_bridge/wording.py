"""How counts and times are said in sentences."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """How many there are of something with a regular plural: "1 stem", "2 stems"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def clock(seconds: float) -> str:
    """A time as a transport shows it: "0:07", "61:40"; before 0 with a minus sign."""
    whole = round(abs(seconds))
    sign = "−" if round(seconds) < 0 else ""
    return f"{sign}{whole // 60}:{whole % 60:02d}"
