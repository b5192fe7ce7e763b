"""Simple Markdown as RTF: the one format in which ReaPack shows what a package is about.

Source: Rich Text Format Specification 1.9.1 (Microsoft, 2008): a character beyond ASCII is the
number of each of its UTF-16 units, signed, and behind it what readers show that know no Unicode.
"""

from __future__ import annotations

import re


def rtf(markdown: str) -> str:
    """Simple Markdown (headings, paragraphs, lists) as an RTF document."""
    blocks: list[list[str]] = [[]]
    for line in markdown.splitlines():
        if not line.strip():
            blocks.append([])
        elif line.startswith(("#", "- ")):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    shown = []
    for block in filter(None, blocks):
        text = " ".join(line.strip() for line in block).replace("`", "")
        marks = len(text) - len(text.lstrip("#"))
        if marks:
            shown.append(
                rf"{{\pard\sa180\b\fs{36 - 4 * marks} {_escaped(text[marks:].strip())}\par}}"
            )
        elif text.startswith("- "):
            shown.append(rf"{{\pard\sa60\li360\fi-180 \bullet  {_escaped(text[2:])}\par}}")
        else:
            shown.append(rf"{{\pard\sa180 {_escaped(text)}\par}}")
    return "\n".join([r"{\rtf1\ansi\deff0{\fonttbl{\f0\fswiss Helvetica;}}", *shown, "}"])


def _escaped(text: str) -> str:
    plain = re.sub(r"([\\{}])", r"\\\1", text)
    parts = []
    for char in plain:
        if ord(char) < 128:
            parts.append(char)
            continue
        units = char.encode("utf-16-le")
        for at in range(0, len(units), 2):
            unit = int.from_bytes(units[at : at + 2], "little", signed=True)
            parts.append(rf"\u{unit}?")
    return "".join(parts)
