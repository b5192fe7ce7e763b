"""How Stemlens' own words are told from the user's in comments, notes, names and markers.

What a DAW keeps for its user is never overwritten. In a text (a track's comment, its notes, its
info text) ours stand in a block of their own at the end, and taking the block out gives back the
user's text to the letter:

    the user's words
    [Stemlens] rock: 21 of 63 points (muting it: −9) [/Stemlens]

A suggestion stands before what else the block says: "to try: −3 dB at 2.5 kHz // rock: 21 of …",
and in a name behind its label: "Guitar {to try -3 dB at 2.5 kHz}".

A track's name gets its label in braces, "Guitar {rock 21 of 63 points}": characters that every file
system takes, because DAWs make file names of track names. A colour that we gave a track is told in
the block with the one that it had, so that this comes back too. Every marker that is ours has a
name that begins with `MARKER_PREFIX`.
"""

from __future__ import annotations

import re

MARKER_PREFIX = "stemlens: "
TO_TRY, AND = "to try: ", " // "
BEGIN, END = "[Stemlens] ", " [/Stemlens]"
# A beginning without its end (the user's own, or a block that a program has cut off) is no block.
_BLOCK = re.compile(r"\n?\[Stemlens\] ((?:(?!\[Stemlens\] ).)*?) \[/Stemlens\]", re.DOTALL)
_COLOURED = re.compile(r" \(colour (\S+) (?:where none was|instead of (.*))\)\Z", re.DOTALL)
_LABEL = re.compile(r" \{[^{}]* -?\d+ of \d+ points\}\Z")
_TO_TRY = re.compile(r" \{to try [^{}]*\}\Z")
_NOT_IN_FILES = re.compile(r'[\\/:*?"<>|\s]+')


def put(text: str, ours: str) -> str:
    """`text` with `ours` in our block at its end, in the place of a former one."""
    own = taken_out(text)
    words = ours.replace("[Stemlens]", "(Stemlens)").replace("[/Stemlens]", "(/Stemlens)")
    return f"{own}\n{BEGIN}{words}{END}" if own else f"{BEGIN}{words}{END}"


def taken_out(text: str) -> str:
    """`text` without our block: what the user wrote, before or since."""
    return _BLOCK.sub("", text)


def ours(text: str) -> str | None:
    """What our block in `text` says; None without one."""
    found = _BLOCK.search(text)
    return found[1] if found else None


def with_colour(words: str, colour: str, before: str | None) -> str:
    """Words of ours that remember which colour we gave a track, and which it had (None: none)."""
    former = "where none was" if before is None else f"instead of {before}"
    return f"{words} (colour {colour} {former})"


def colour_before(ours: str | None, present: str | None) -> str | None:
    """The colour that a track had before us, by what our block says; the `present` one where that
    is not the one that we gave: the user has given it since."""
    found = _COLOURED.search(ours or "")
    if found is None or present is None or present.casefold() != found[1].casefold():
        return present
    return found[2]


def with_suggestion(ours: str | None, words: str) -> str:
    """What our block says, with words of what to try in front, in the place of former ones."""
    rest = without_suggestion(ours)
    told = TO_TRY + " ".join(words.replace(AND, " / ").split())
    return told if rest is None else f"{told}{AND}{rest}"


def without_suggestion(ours: str | None) -> str | None:
    """What our block says besides what to try; None where that is nothing."""
    if ours is None or not ours.startswith(TO_TRY):
        return ours
    return ours.partition(AND)[2] or None


def with_label(name: str, label: str) -> str:
    """A track's name with a label ("rock 21 of 63 points") behind it, in the place of a former."""
    return f"{without_label(name)} {{{label}}}"


def with_suggestion_label(name: str, words: str) -> str:
    """A track's name, its label kept, with what to try behind it in the place of a former."""
    plain = _NOT_IN_FILES.sub(" ", words.translate({0x2212: "-", 0x7B: "(", 0x7D: ")"}))
    return f"{without_suggestion_label(name)} {{to try {plain.strip()}}}"


def without_suggestion_label(name: str) -> str:
    """A track's name without what to try."""
    return _TO_TRY.sub("", name)


def without_label(name: str) -> str:
    """A track's name as its user wrote it."""
    return _LABEL.sub("", without_suggestion_label(name))
