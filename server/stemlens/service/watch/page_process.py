"""Makes the page about a watched session, in a process of its own: `results.page_by_process`.

It reads and writes audio in native code for some seconds; the server, which is to answer at once
and to run for weeks, has neither the load nor the crash. Standard input has JSON: `result`, the
server's own file of it, `page`, the file to write, `mb`, how large that may be, and `folders`,
below which audio may be read. What went wrong is told on standard output, as JSON with `code` and
`message`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from stemlens.over_time import saved
from stemlens.report.page import report
from stemlens.service.places import Places
from stemlens_bridge import schemas
from stemlens_bridge.errors import StemlensError


def make(result: str, page: str, mb: float, folders: Sequence[str]) -> None:
    """Makes the page; raises what `report` and `schemas.load` raise."""
    _, over_time = saved(Path(result))
    document = schemas.load(Path(result), schemas.RESULT)
    check = Places(map(Path, folders)).check
    made = report(document, over_time, max_mb=mb, check=check)
    Path(page).write_text(made, encoding="utf-8")


def main() -> None:
    """Does what standard input says."""
    try:
        make(**json.load(sys.stdin))
    except StemlensError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        sys.exit(1)


if __name__ == "__main__":
    main()
