"""Runs every measurement and prints the page; `make bench` keeps it as `docs/performance.md`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.songs import songs


def measured(module: str, *arguments: str) -> dict[str, Any]:
    """What a measurement prints, with the wall time of its whole process as `whole_s`."""
    print(f"{module} {' '.join(arguments)} …", file=sys.stderr)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result | {"whole_s": time.perf_counter() - started}


def main() -> None:
    """Prints the page."""
    print("# Performance\n")
    print(
        f"Made by `make bench` on {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, no GPU. Times are one run of a whole process, start-up "
        "included; compare within a row, not with another machine.\n"
    )
    print("## Exact shares\n")
    print(
        "The same shares two ways. *Naive*: sum the waveforms of each of the 2ⁿ coalitions, make "
        "the mel spectrogram, run the same network in the same micro-batches.\n"
    )
    print("| session | way | taggings | seconds | MiB | naive / Stemlens |")
    print("|---|---|---|---|---|---|")
    differences = []
    for song in songs():
        ours = measured("exact", str(song.folder), song.tagger)
        naive = measured("naive", str(song.folder), song.tagger)
        ratio = naive["whole_s"] / ours["whole_s"]
        for way, one, shown in (("Stemlens", ours, f"{ratio:.1f} ×"), ("naive", naive, "")):
            print(
                f"| {song.name} | {way} | {one['taggings']:,} | {one['whole_s']:.1f} "
                f"| {one['mib']:.0f} | {shown} |"
            )
        largest = np.abs(np.array(ours["shares"]) - np.array(naive["shares"])).max()
        differences.append(f"{song.name} {largest:.1e}")
    print(f"\nLargest difference between the two ways in any share: {', '.join(differences)}.\n")

    network = measured("network")
    best = max(speed for name, speed in network.items() if name.startswith("bare"))
    print("## The network\n")
    print("Segments of 3 s per second, musicnn in float32.\n")
    print("| what | segments/s | of the best bare convolutions |")
    print("|---|---|---|")
    for name, speed in network.items():
        if name != "whole_s":
            shown = name.replace("bare", "bare convolutions, micro-batch")
            print(f"| {shown} | {speed:.0f} | {speed / best:.0%} |")

    print("\n## In the DAW\n")
    print("Medians of several runs; whole processes, start-up included, where one is started.\n")
    print("| what | seconds | at most |")
    print("|---|---|---|")
    for name, seconds in measured("bridge_start").items():
        if name != "whole_s":
            print(
                f"| start of the bridge ({name}) to its first OSC message | {seconds:.2f} | 0.3 |"
            )
    ardour = measured("ardour_annotations")
    print(
        f"| comments on {ardour['tracks']} tracks of a running Ardour, each read back "
        f"| {ardour['seconds']:.2f} | 2 |"
    )
    print(f"| of that, to find the Ardour that has the session open | {ardour['find_s']:.2f} | |")


if __name__ == "__main__":
    main()
