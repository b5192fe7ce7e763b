"""Ableton Live 11 and 12, through the control surface script AbletonOSC.

Nothing that can be called from outside makes Live render, so the user exports all tracks into a
folder (`export`) and the bridge does the rest: it learns what is in the set (`live_set`), over OSC
(`link`, `addresses`), writes names, colours and locators (`writing`), which it can take back
(`memory`), and follows the faders (`follow`). What only Live's own files can hold, the info text
of tracks, is the business of `stemlens_bridge.als`.
"""

DAW = "Ableton Live"  # how sessions and results name it
DEFAULT_SET = "default"  # what is remembered of a set that the user gives no name
RETURN = "return "  # begins the ids of returns: "return A-Reverb"
