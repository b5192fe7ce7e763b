"""What both commands do with the terminal they run in."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.table import table

# Controls, line and paragraph separators, marks that turn the direction of text, and surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Text from elsewhere as one line that cannot tell a terminal anything: what is no character
    to read is written as an escape."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def prepare() -> None:
    """Lets characters that a terminal does not know (bars on some Windows consoles) come out as
    "?" instead of ending the command after its work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(result: Mapping[str, Any]) -> None:
    """Prints the table of a result as wide as the terminal, in colour unless NO_COLOR is set."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    write(table(result, width=width(), colour=colour))


def width() -> int:
    """The columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


def write(text: str) -> None:
    """Prints what a command was run for.

    Raises `output_failed` where standard output takes nothing, but not where its reader has gone
    (`| head`): what else is to be done goes on.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # what is still in the buffer would fail once more when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise StemlensError(
                "output_failed", f"The result cannot be shown: {error.strerror}."
            ) from error
