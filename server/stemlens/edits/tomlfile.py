"""A TOML file whose errors name the file, the line and what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stemlens_bridge.errors import StemlensError

_HEADER = re.compile(r"\s*\[+\s*(?P<table>[^\]]*?)\s*\]+\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<key>"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*=""")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """What the file holds (`data`), where it is, and the code that errors about it have."""

    path: Path
    code: str
    text: str
    data: dict[str, Any]

    @classmethod
    def read(cls, path: Path, code: str) -> TomlFile:
        """Raises a StemlensError with `code` for what is unreadable or no TOML."""
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path, code, text, tomllib.loads(text))
        except OSError as error:
            raise StemlensError(code, f"{path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise StemlensError(code, f"{path} is no UTF-8 text; save it as UTF-8.") from error
        except tomllib.TOMLDecodeError as error:
            raise StemlensError(code, f"{path} is not TOML: {error}.") from error

    def line(self, table: str, key: str | None = None) -> int | None:
        """The line of a key in a table ("" is the top), or of the table's own header."""
        at = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := _HEADER.fullmatch(line):
                at = header["table"].strip("\"'")
                if key is None and at == table:
                    return number
            elif at == table and (found := _KEY.match(line)) and found["key"].strip("\"'") == key:
                return number
        return None

    def fail(self, says: str, table: str = "", key: str | None = None) -> NoReturn:
        """Raises the error that `says` what is wrong, at the line of that key."""
        line = self.line(table, key)
        where = f"{self.path}, line {line}" if line else f"{self.path}"
        raise StemlensError(self.code, f"{where}: {says}")

    def check_keys(self, given: Mapping[str, Any], allowed: Iterable[str], table: str = "") -> None:
        """Raises for a key that is none of the allowed ones, naming them and the nearest."""
        known = list(allowed)
        for key in given:
            if key not in known:
                what = f"the table [{table}]" if table else "the file"
                hint = f"{nearest(key, known)} Allowed: {', '.join(known)}."
                headed = not table and self.line("", key) is None  # it stands in its own header
                place = (key, None) if headed else (table, key)
                self.fail(f"{what} can have no {key!r}.{hint}", *place)


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to `word`, or nothing if none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" The nearest is {found[0]!r}." if found else ""
