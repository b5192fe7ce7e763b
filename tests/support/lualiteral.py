"""Reads a Lua chunk that returns a literal (`stemlens_bridge.luatext`), as REAPER's Lua would."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]=,]|[^\s{}\[\]=,"]+)', re.DOTALL)


def loads(text: str) -> Any:
    """The value of `return …`; a table without keys is a list, an empty one a list too."""
    tokens = _TOKEN.findall(text)
    assert tokens[0] == "return", text[:80]
    value, rest = _value(tokens[1:])
    assert not rest, rest[:5]
    return value


def _value(tokens: list[str]) -> tuple[Any, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "{":
        return _table(rest)
    if first.startswith('"'):
        return re.sub(r"\\(\d{3}|.)", _unescaped, first[1:-1]), rest
    words = {"true": True, "false": False, "nil": None}
    return words[first] if first in words else float(first), rest


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1])) if found[1].isdigit() else found[1]


def _table(tokens: list[str]) -> tuple[Any, list[str]]:
    items: list[Any] = []
    pairs: dict[str, Any] = {}
    while tokens[0] != "}":
        if tokens[0] == "[":
            key, tokens = _value(tokens[1:])
            assert tokens[:2] == ["]", "="]
            pairs[key], tokens = _value(tokens[2:])
        else:
            item, tokens = _value(tokens)
            items.append(item)
        tokens = tokens[1:] if tokens[0] == "," else tokens
    assert not (items and pairs)
    return pairs or items, tokens[1:]
