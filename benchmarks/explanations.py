"""How long each explanation of the nine-stem song takes: `python -m benchmarks.explanations`

Each row is a command as one types it, in a process of its own, start included. Scores are
kept in a file that is empty at first: the first command tags all that it needs, the others find
that known, as after any first analysis, and tag only what is new to them. *Times* compares with the
first, in the same run. Where LMMS is not, the demo session is measured. `--device` is that of the
commands; `--long` adds those that tag many times as much: at a finer hop, and under small changes.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import ENVIRONMENT
from benchmarks.songs import Song, songs

LIMIT_S = 900
# What a row is called, and its command; {out} is an empty folder, {tagger} the song's.
ROWS = (
    ("Shapley, nothing known before", "analyze"),
    ("Shapley again, moments, sections and highlight with it", "analyze"),
    ("Banzhaf", "analyze --value banzhaf"),
    ("Owen", "analyze --value owen"),
    ("muted", "analyze --value mute"),
    ("solo", "analyze --value solo"),
    ("LIME", "analyze --value lime"),
    ("the highlight as a file", "highlight -o {out}/highlight.wav"),
    ("only, without and crossfade of a passage", "explain --no-whole -o {out}/passage"),
    ("the same, and of the whole song", "explain -o {out}/whole"),
    ("verdicts on what is intended", "analyze --intended rock"),
    ("report with sounds", "analyze --report {out}/report.html"),
    ("plots", "analyze --plots {out}/plots"),
    ("table (CSV)", "analyze --csv {out}/shares.csv"),
)
LONG = (
    ("shares every 0.75 s instead of every 3 s", "analyze --hop 0.75"),
    ("how steady it is", "analyze --steady"),
)


def main() -> None:
    """Prints the table."""
    asked = argparse.ArgumentParser(description="Times explanations of the nine-stem song.")
    asked.add_argument("--device", default="auto", help="as of stemlens analyze")
    asked.add_argument("--long", action="store_true", help="--hop and --steady as well")
    given = asked.parse_args()
    song = next((one for one in songs() if one.key.startswith("CapDan")), songs()[0])
    print(f"{song.name}, {os.cpu_count()} cores ({platform.machine()}), --device {given.device}\n")
    print("| what | seconds | times the first |\n|---|---|---|")
    for line in rows(song, given.device, ROWS + LONG if given.long else ROWS):
        print(line, flush=True)


def rows(song: Song, device: str, which: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """A row for each command; raises SystemExit, with its last words, where one fails."""
    first_s = None
    with tempfile.TemporaryDirectory() as folder:
        for name, command in which:
            words = command.format(out=folder).split()
            seconds = _seconds([*words, str(song.folder), "--device", device,
                                "--tagger", song.tagger], Path(folder))  # fmt: skip
            first_s = first_s or seconds
            yield f"| {name} | {seconds:.1f} | {seconds / first_s:.2f} |"


def _seconds(words: list[str], folder: Path) -> float:
    """How long `stemlens WORDS` takes."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "stemlens", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, **ENVIRONMENT, "STEMLENS_SCORES": str(folder / "scores.sqlite3")},
    )
    if done.returncode != 0:
        raise SystemExit(f"stemlens {' '.join(words)}: {done.stderr.strip()}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
