"""A page of measurements: a heading and sections, each of which prints itself when it is done."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

Section = Callable[[], Iterator[str]]


def show(head: str, sections: Mapping[str, Section], wanted: Sequence[str]) -> None:
    """Prints the whole page, or only the sections wanted, without the head.

    One that fails is told and does not end the rest. Exits with a sentence where there is no
    section of that name.
    """
    unknown = [name for name in wanted if name not in sections]
    if unknown:
        raise SystemExit(f"There is no section {unknown[0]!r}; there are {', '.join(sections)}.")
    if not wanted:
        print(head)
    for name in wanted or sections:
        try:
            for line in sections[name]():
                print(line, flush=True)
        except Exception as failure:  # whatever it is, the other sections are worth having
            traceback.print_exc()
            print(f"\n*This section failed: {failure}*")
        print()
