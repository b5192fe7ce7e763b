"""The README's picture: a result's table as a terminal shows it, as SVG.

`python examples/picture.py RESULT.json PICTURE.svg`
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from stemlens_bridge.table import table

COLUMNS = 80


def main(result: str, picture: str) -> None:
    """Draws the best three tags of a result."""
    shown = table(json.loads(Path(result).read_text()), tags=3, width=COLUMNS, colour=True)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="stemlens", unique_id="stemlens")
    # Its web fonts would be fetched from elsewhere; the reader's own monospace font will do.
    Path(picture).write_text(re.sub(r"@font-face {[^}]*}", "", svg), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
