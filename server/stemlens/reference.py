"""The table of the server's options in `docs/operation.md`, written from the command itself.

`python -m stemlens.reference PAGE` writes it into the page, between its two marks; `make docs` does
that, and a test sees to it that the page is up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer
from typer.core import TyperGroup

from stemlens import config
from stemlens.cli import app

BEGIN = "<!-- written by `make docs`; change the options, not this table -->"
END = "<!-- end of the table -->"


def with_table(page: str) -> str:
    """A page with the table as it is now."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    table = "\n".join([BEGIN, "", *config.table(group.commands["serve"]), "", END])
    found, marks = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: table, page, flags=re.S
    )
    assert marks == 1, "the page has the marks once"
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(with_table(place.read_text(encoding="utf-8")), encoding="utf-8")
