"""Runs every measurement and prints the page; `make bench` keeps it as `docs/performance.md`.

`python -m benchmarks SECTION …` prints only the sections named (see `SECTIONS`).
"""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import comparison, page, programs, waiting

SECTIONS: dict[str, page.Section] = {
    "waiting": waiting.waiting,
    "targets": waiting.targets,
    "comparison": comparison.comparison,
    "again": waiting.again,
    "live": programs.live,
    "network": programs.network,
    "gpu": programs.on_gpu,
    "daw": programs.daw,
}
HEAD = (
    "# Performance\n\n"
    f"Made by `make bench` on {os.cpu_count()} cores ({platform.machine()}), Python "
    f"{platform.python_version()}, no GPU. Times are of one run; compare what stands on "
    "this page with each other, not with another machine. A *tagging* is one run of the "
    "network, on one sum of stems in one segment of 3 s; *points* are scores times 100.\n"
)

if __name__ == "__main__":
    page.show(HEAD, SECTIONS, sys.argv[1:])
