"""Plain data as a Lua literal, which DAW scripts load without a parser.

The text is `return {…}` and holds no code, so that a script can load it with an empty environment
(`load(text, name, "t", {})`). Strings are UTF-8; None becomes nil, and a key whose value is nil is
left out, as Lua would. Source: the Lua 5.3 reference manual, sections 3.1 and 3.4.9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def dumps(data: Any) -> str:
    """`data` (what JSON can hold) as the text of a Lua chunk that returns it.

    Raises ValueError for NaN and infinities, TypeError for what JSON could not hold either.
    """
    return f"return {_literal(data)}\n"


def _literal(data: Any) -> str:
    if data is None:
        return "nil"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, str):
        return _quoted(data)
    if isinstance(data, int | float):
        if not math.isfinite(data):
            raise ValueError(f"{data} has no Lua literal")
        return repr(data)
    if isinstance(data, Mapping):
        pairs = (f"[{_key(k)}]={_literal(v)}" for k, v in data.items() if v is not None)
        return "{" + ",".join(pairs) + "}"
    if isinstance(data, Sequence):
        return "{" + ",".join(map(_literal, data)) + "}"
    raise TypeError(f"{type(data).__name__} has no Lua literal")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is not a text")
    return _quoted(key)


def _quoted(text: str) -> str:
    """A Lua string; control characters as three-digit escapes, so that a digit may follow."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = "".join(f"\\{ord(c):03d}" if ord(c) < 32 or ord(c) == 127 else c for c in plain)
    return f'"{escaped}"'
