"""Which genres and eras are heard in recordings, with every tag of both lists asked for.
`python -m benchmarks.verdicts FILE…` prints the table of `docs/intended.md`, a row for each file.

A recording is analysed as a session of one stem, of which no more is asked than what it scores.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from stemlens import Options, Session, analyze, tagging
from stemlens.explain.intent import HEARD, WEAK
from stemlens.tagging import Tagger
from stemlens.wording.silence import named

TAGGERS = ("msd-musicnn", "mtt-musicnn")
KINDS = ("genre", "era")


def main(files: Sequence[str]) -> None:
    """Prints the table."""
    taggers = [tagging.load(name, "cpu") for name in TAGGERS]
    heads = [f"{name}: {verdict}" for name in TAGGERS for verdict in (HEARD, WEAK)]
    print(f"| recording | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
    for file in files:
        cells = [cell for tagger in taggers for cell in verdicts(Path(file), tagger)]
        print(f"| {Path(file).stem} | {' | '.join(cells)} |", flush=True)


def verdicts(file: Path, tagger: Tagger) -> list[str]:
    """The tags that are heard in a file, and those that are weak, the best first, in words."""
    asked = ", ".join(tag.name for tag in tagger.tags if tag.kind in KINDS)
    options = Options(tagger=tagger.name, budget=0, intended=asked)
    words = analyze(Session.read(file), options, tagger=tagger).to_dict()["intent"]
    words.sort(key=lambda word: word["baseline"] - word["score"])
    return [
        ", ".join(named(word["plain"], word) for word in words if word["verdict"] == verdict)
        for verdict in (HEARD, WEAK)
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
