"""How counts are said in sentences."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """How many there are of something with a regular plural: "1 stem", "2 stems"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
