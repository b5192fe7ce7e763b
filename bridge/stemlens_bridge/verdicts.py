"""Whether a mix is heard as it was meant, in a terminal: all verdicts in a line, then a paragraph
for each word, with where it peaks and how steady it is, as far as that is in the result."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

Style = Callable[[str, str], str]

BOLD = "\033[1m"
COLOURS = {"heard": "\033[34m", "weak": "", "not heard": "\033[33m"}
MARKS = {"heard": "✓", "weak": "~", "not heard": "✗"}


def verdict_lines(result: Mapping[str, Any], width: int, style: Style) -> list[str]:
    """The lines about what was intended, none longer than `width`, with an empty one at the end;
    none where nothing was."""
    whole = result.get("intended")
    if whole is None:
        return []
    lines = [style(BOLD, "Heard as you mean it?"), *_wrapped(whole["sentence"], width, "  ")]
    for word in result["intent"]:
        mark = style(COLOURS[word["verdict"]], MARKS[word["verdict"]])
        first, *rest = _wrapped(word["sentence"], width, "    ")
        lines += ["", f"  {mark} {first.lstrip()}", *rest]
        for said in in_time_and_change(result, word["tag"]):
            lines += _wrapped(said, width, "    ")
    return [*lines, ""]


def in_time_and_change(result: Mapping[str, Any], tag: str) -> list[str]:
    """What a result says, in sentences, of a tag's peaks and of how steady it is."""
    return [
        item["sentence"]
        for key in ("peaks", "steadiness")
        for item in _listed(result.get(key))
        if item["tag"] == tag and item["sentence"]
    ]


def _listed(told: Any) -> list[Mapping[str, Any]]:
    """What is told of single tags: a list, or the list `tags` of something larger, or nothing."""
    return list(told["tags"] if isinstance(told, Mapping) else told or ())


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
