"""Sections of the page: how long one waits for an analysis, and the second time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import log10
from typing import Any

import numpy as np

from benchmarks.measuring import Failed, measured
from benchmarks.programs import bare
from benchmarks.songs import Song, songs

POINT = 0.01
LIMITED_S = 120
# Sessions in which too much sounds at once to wait for the default end.
LIMITED = {"synthetic-48": LIMITED_S, "synthetic-100": LIMITED_S}
# The machine for which the targets were written ran its bare convolutions at this speed.
ASSUMED_BARE = 90.0
AGAIN_SONG = "CapDan-ReggaeTry"


def cold(song: Song) -> dict[str, Any]:
    """One analysis of a song as users have it, nothing known before."""
    options = {"time_s": LIMITED[song.key]} if song.key in LIMITED else {}
    return measured("run", song.key, json.dumps(options))


def speed(run: dict[str, Any]) -> float:
    """Taggings a second of a cold run."""
    last = run["revisions"][-1]
    return float(last["tagged"] / last["s"])


def seconds_at(run: dict[str, Any], coalitions: float) -> float:
    """Seconds after which a cold run had scored so many coalitions, or would have at its speed."""
    scored = [0.0, *(told["coalitions"] for told in run["revisions"])]
    seconds = [0.0, *(told["s"] for told in run["revisions"])]
    beyond = max(0.0, coalitions - scored[-1]) * seconds[-1] / scored[-1]
    return float(np.interp(coalitions, scored, seconds)) + beyond


def first_at(run: dict[str, Any], half_width: float) -> float | None:
    """Seconds until no 95 % interval of the best tags was wider than ±`half_width`."""
    return next((r["s"] for r in run["revisions"] if r["half_width"] <= half_width), None)


def mutes_at(run: dict[str, Any]) -> float | None:
    """Seconds until the effects of muting every stem were known."""
    return next((r["s"] for r in run["revisions"] if r["mutes_known"]), None)


def exact_at(run: dict[str, Any]) -> float | None:
    """Seconds until the shares were exact."""
    return next((r["s"] for r in run["revisions"] if r["exact"]), None)


def duration(seconds: float | None) -> str:
    """As people say it."""
    if seconds is None:
        return "–"
    for unit, size in (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 300)):
        if seconds >= size:
            many = seconds / (60 if unit == "min" else size)
            return f"{number(many)} {unit}" if many >= 9.95 else f"{many:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def number(many: float) -> str:
    """A whole number; huge ones as powers of ten."""
    if many < 1e8:
        return f"{many:,.0f}"
    return "10" + str(int(log10(many))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def waiting() -> Iterator[str]:
    """Every song, cold."""
    yield "## How long one waits\n"
    yield (
        "One cold analysis of each session with default options, in a process of its own (the "
        f"synthetic ones end after {LIMITED_S} s). *Opened* is reading the files and finding out "
        "who sounds when. The rest counts from there: the scores of the sum, what muting each "
        "stem does, shares of the ten best tags to ±1 point (95 %), exact shares. Taggings that "
        "exact shares take are 2 to the number of stems that sound, summed over segments; the "
        "naive way takes 2 to the number of all stems for each segment.\n"
    )
    yield "| session | stems | sounding: median, most | segments | exact shares | naive |"
    yield "|---|---|---|---|---|---|"
    runs: dict[str, dict[str, Any]] = {}
    failures: dict[str, Failed] = {}
    for song in songs():
        try:
            run = runs[song.key] = cold(song)
        except Failed as failure:
            failures[song.key] = failure
            continue
        yield (
            f"| {song.name}, {run['duration_s']:.0f} s | {run['stems']} "
            f"| {run['sounding_median']:.0f}, {run['sounding_most']} | {run['segments']} "
            f"| {number(run['exact_taggings'])} "
            f"| {number(run['segments'] * 2 ** run['stems'])} |"
        )
    yield ""
    yield (
        "| session | opened | sum | mutes | ±1 point | exact | taggings | taggings/s "
        "| of bare convolutions | MiB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for song in songs():
        if song.key in failures:
            yield f"| {song.name} | failed: {failures[song.key]} | | | | | | | | |"
            continue
        run = runs[song.key]
        last = run["revisions"][-1]
        precise = duration(first_at(run, POINT))
        if precise == "–":
            precise = f"±{100 * last['half_width']:.1f} after {duration(last['s'])}"
        yield (
            f"| {song.name} | {duration(run['opened_s'])} | {duration(run['revisions'][0]['s'])} "
            f"| {duration(mutes_at(run))} | {precise} | {duration(exact_at(run))} "
            f"| {last['tagged']:,} | {speed(run):.0f} | {speed(run) / bare():.0%} "
            f"| {run['mib']:.0f} |"
        )
    yield (
        f"\nThe bare convolutions of the network ran at {bare():.0f} segments/s here, measured in "
        "the same run (see *The network*). More than 100 % of that is possible because windows in "
        "which several sums are the same to the bit are computed once."
    )


def targets() -> Iterator[str]:
    """What was asked for, beside what was reached."""
    yield "## Targets\n"
    yield (
        f"They were set for two cores that run the bare convolutions at {ASSUMED_BARE:.0f} "
        f"segments/s; here they run at {bare():.0f}. The last column is what the time here would "
        "be at that speed.\n"
    )
    yield (f"| what | target | reached | at {ASSUMED_BARE:.0f} segments/s |")
    yield "|---|---|---|---|"
    there = {song.key: song for song in songs()}
    wanted = (
        ("CapDan-ReggaeTry", "exact", 38, {}, exact_at),
        ("Thomasso-AxeFromThe80s", "exact", 48, {}, exact_at),
        ("DirtyLove", "exact", 130, {}, exact_at),
        ("DirtyLove", "to ±1 point", 25, {"precision": POINT}, lambda r: first_at(r, POINT)),
        ("TameAnderson-MakeMe", "to ±1 point", 120, {}, lambda r: first_at(r, POINT)),
        ("TameAnderson-MakeMe", "scores of the sum", 4, {}, lambda r: r["revisions"][0]["s"]),
        ("TameAnderson-MakeMe", "and mute effects", 16, {}, mutes_at),
    )
    for key, what, limit, options, reached in wanted:
        if key not in there:
            continue
        name = f"{there[key].name}, {what}"
        try:
            run = measured("run", key, json.dumps(options))
        except Failed as failure:
            yield f"| {name} | {limit} s | failed: {failure} | |"
            continue
        seconds = reached(run)
        fair = None if seconds is None else seconds * bare() / ASSUMED_BARE
        yield f"| {name} | {limit} s | {duration(seconds)} | {duration(fair)} |"


def again() -> Iterator[str]:
    """What is known already costs nothing."""
    yield "## The second time\n"
    yield (
        f"{AGAIN_SONG} in one process with kept scores: analysed, unchanged, then changed in one "
        "way after the other. The stem that changes is the one that sounds in most segments. "
        "Seconds are of the tagging stage.\n"
    )
    yield "| session | taggings | of cold | at most | seconds | whole analysis, seconds |"
    yield "|---|---|---|---|---|---|"
    found = measured("again", AGAIN_SONG)
    limits = {"the same again": "0 %", "one stem bounced again": "55 %"}
    for name, one in found.items():
        if name != "whole_s":
            yield (
                f"| {name} | {one['tagged']:,} | {one['tagged'] / found['cold']['tagged']:.0%} "
                f"| {limits.get(name, '')} | {one['tagging_s']:.1f} | {one['seconds']:.1f} |"
            )
