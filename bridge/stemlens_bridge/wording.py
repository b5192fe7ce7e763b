"""How counts, numbers and times are said in sentences."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """How many there are of something with a regular plural: "1 stem", "2 stems"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def number(value: float, digits: int = 2, *, sign: bool = False) -> str:
    """A number as people write it: "−0.31"; with `sign`, "+0.31"; never "−0.00"; a dash for NaN."""
    if value != value:
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", "−") if value < 0 or not sign else f"+{text}"


def tenths(value: float) -> str:
    """A part of a score in points with its sign and one digit: "+0.4", "−1.2", "0.0"."""
    return number(100 * value, 1, sign=True)


def clock(seconds: float) -> str:
    """A time as a transport shows it: "0:07", "61:40"; before 0 with a minus sign."""
    whole = round(abs(seconds))
    sign = "−" if round(seconds) < 0 else ""
    return f"{sign}{whole // 60}:{whole % 60:02d}"
