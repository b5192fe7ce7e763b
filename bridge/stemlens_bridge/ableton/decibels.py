"""Live's fader: from the number 0 to 1 that its API tells, to decibels and back.

The fader is linear in dB from −18 dB (0.4) to +6 dB (1.0): 40·x − 34, so that 0.85 is 0 dB. Below
it bends down; 0 is silence. For that part there is no published formula; the points below were read
off Live in steps of 3 dB by others (several projects that talk to Live publish such tables, and
they agree) and are rounded here to 1e-4.

Error: nothing beyond rounding (0.003 dB) above −18 dB. Below, linear interpolation tells at most
0.1 dB less than the fader shows, down to −60 dB: the slope of the table changes by at most 27 %
from one step to the next, and 3 dB · 0.27 / 8 is that. Below −63 dB nothing is known but that it
goes down to silence; there the error can be several dB, of something that is hardly heard.
"""

from __future__ import annotations

from bisect import bisect_right

from stemlens_bridge.moves import SILENCE_DB

LINEAR_FROM = 0.4  # and up: 40·x − 34 dB
# (what the API tells, what Live shows in dB), rising
POINTS = (
    (0.0213, -63.0),
    (0.0346, -60.0),
    (0.0510, -57.0),
    (0.0678, -54.0),
    (0.0852, -51.0),
    (0.1035, -48.0),
    (0.1227, -45.0),
    (0.1429, -42.0),
    (0.1642, -39.0),
    (0.1870, -36.0),
    (0.2116, -33.0),
    (0.2384, -30.0),
    (0.2683, -27.0),
    (0.3024, -24.0),
    (0.3437, -21.0),
    (LINEAR_FROM, -18.0),
)


def from_volume(volume: float) -> float:
    """The fader in dB for the API's 0 to 1; `SILENCE_DB` at (and below) 0."""
    if volume >= LINEAR_FROM:
        return 40 * min(volume, 1.0) - 34
    if volume <= 0:
        return SILENCE_DB
    places = [place for place, _ in POINTS]
    above = max(1, bisect_right(places, volume))
    (x0, y0), (x1, y1) = POINTS[above - 1], POINTS[above]
    return max(SILENCE_DB, y0 + (volume - x0) * (y1 - y0) / (x1 - x0))


def to_volume(level_db: float) -> float:
    """The API's 0 to 1 for a level in dB, held within what the fader can show."""
    if level_db >= POINTS[-1][1]:
        return min(1.0, (level_db + 34) / 40)
    if level_db <= SILENCE_DB:
        return 0.0
    levels = [level for _, level in POINTS]
    above = max(1, bisect_right(levels, level_db))
    (x0, y0), (x1, y1) = POINTS[above - 1], POINTS[above]
    return max(0.0, x0 + (level_db - y0) * (x1 - x0) / (y1 - y0))
