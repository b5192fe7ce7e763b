"""What both commands do with the terminal they run in."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from stemlens_bridge.table import table


def prepare() -> None:
    """Lets characters that a terminal does not know (bars on some Windows consoles) come out as
    "?" instead of ending the command after its work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(result: Mapping[str, Any]) -> None:
    """Prints the table of a result as wide as the terminal, in colour unless NO_COLOR is set."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(table(result, width=shutil.get_terminal_size().columns, colour=colour))
