"""The sounds that explain tags, as text for a terminal: what each is, and where its file is.

No line but one that names a file is longer than `width` columns.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from stemlens_bridge.protocol import Explanation
from stemlens_bridge.table import one_line

LEGEND = (
    "Points of 100, at the level in the mix. All sounds of a span are equally loud "
    "(docs/explain.md)."
)


def explained_table(sounds: Sequence[Explanation], *, width: int = 80) -> str:
    """Sounds that follow one another and explain the same tag stand together."""
    lines: list[str] = []
    for tag, those in groupby(sounds, key=lambda sound: sound.tag):
        lines.append(one_line(tag))
        for sound in those:
            lines += _wrapped(f"  {one_line(sound.sentence)}", width, "    ")
            lines.append(f"    {one_line(sound.path)}")
        lines.append("")
    return "\n".join([*lines, *_wrapped(LEGEND, width, "")])


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent) or [""]
