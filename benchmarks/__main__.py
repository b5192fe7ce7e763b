"""Runs every measurement and prints the page; `make bench` keeps it as `docs/performance.md`.

`python -m benchmarks SECTION …` prints only the sections named (see `SECTIONS`).
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator

from benchmarks import comparison, programs, waiting

Section = Callable[[], Iterator[str]]
SECTIONS: dict[str, Section] = {
    "waiting": waiting.waiting,
    "targets": waiting.targets,
    "comparison": comparison.comparison,
    "again": waiting.again,
    "live": programs.live,
    "network": programs.network,
    "gpu": programs.on_gpu,
    "daw": programs.daw,
}


def main(*wanted: str) -> None:
    """Prints the page, or the sections wanted; one that fails is told and does not end the rest."""
    if not wanted:
        print("# Performance\n")
        print(
            f"Made by `make bench` on {os.cpu_count()} cores ({platform.machine()}), Python "
            f"{platform.python_version()}, no GPU. Times are of one run; compare what stands on "
            "this page with each other, not with another machine. A *tagging* is one run of the "
            "network, on one sum of stems in one segment of 3 s; *points* are scores times 100.\n"
        )
    for name in wanted or SECTIONS:
        try:
            for line in SECTIONS[name]():
                print(line, flush=True)
        except Exception as failure:  # whatever it is, the other sections are worth having
            traceback.print_exc()
            print(f"\n*This section failed: {failure}*")
        print()


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"There is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.")
    main(*sys.argv[1:])
