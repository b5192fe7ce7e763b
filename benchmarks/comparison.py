"""Section of the page: Stemlens beside other ways to the same shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log
from typing import Any

from benchmarks.measuring import Failed, measured
from benchmarks.picture import STYLES, Panel, draw
from benchmarks.songs import ROOT, Song, songs
from benchmarks.waiting import cold, duration, exact_at, number, seconds_at

PICTURE = ROOT / "docs" / "performance.svg"
COMPARED = ("CapDan-ReggaeTry", "Thomasso-AxeFromThe80s", "DirtyLove", "TameAnderson-MakeMe")
BUDGETS = (32, 128, 1000)  # coalitions a segment; the last is what audioLIME takes
ERRORS = (0.5, 0.2)  # points, root mean square
EXACT = 1e-9  # an error as small as that is rounding


def comparison() -> Iterator[str]:
    """Naive mixing, then errors at equal budget and at equal error, and the picture."""
    yield from naive()
    yield from errors()


def naive() -> Iterator[str]:
    """Sums of waveforms."""
    yield "## Beside naive mixing\n"
    yield (
        "The plain way to exact shares: sum the waveforms of each of the 2ⁿ coalitions of all "
        "stems, make the mel spectrogram, run the same network in the same micro-batches. A part "
        "of the coalitions was run; the time for all is extrapolated from it. *Difference* is the "
        "largest in any score of the coalitions that were asked of both.\n"
    )
    yield "| session | run | taggings/s | MiB | all, extrapolated | Stemlens | difference |"
    yield "|---|---|---|---|---|---|---|"
    for song in songs():
        try:
            plain, run = measured("naive", song.key), cold(song)
        except Failed as failure:
            yield f"| {song.name} | failed: {failure} | | | | | |"
            continue
        last = run["revisions"][-1]
        ours = f"exact after {duration(last['s'])}"
        if not last["exact"]:
            ours = f"±{100 * last['half_width']:.1f} points after {duration(last['s'])}"
        yield (
            f"| {song.name} | {plain['taggings']:,} | {plain['taggings'] / plain['seconds']:.0f} "
            f"| {plain['mib']:.0f} | {duration(naive_s(plain, run))} | {ours} "
            f"| {plain['difference']:.0e} |"
        )
    yield ""


def naive_s(plain: dict[str, Any], run: dict[str, Any]) -> float:
    """Seconds that all coalitions of all stems would take."""
    return float(run["segments"] * 2.0 ** run["stems"] * plain["seconds"] / plain["taggings"])


def errors() -> Iterator[str]:
    """Error by budget, budget by error."""
    yield "## Beside other estimators\n"
    yield (
        "How far shares are from the exact Shapley values, over all stems and the ten best tags: "
        "root mean square (and largest), in points, medians of five seeds. The others are played "
        "as their authors play them, by all stems in every segment: *audioLIME* with its masks, "
        "weights and ridge; *permutation sampling*; and *pairs, all stems*, which is Stemlens's "
        "own estimator without its knowledge of which stems sound when. All were replayed from "
        "tables of scores; seconds are what that many taggings took, for Stemlens in its cold "
        "run above, for the others in naive mixing.\n"
    )
    yield f"![Error against seconds, one line a method]({PICTURE.name})\n"
    found: list[tuple[Song, dict[str, Any]]] = []
    for song in songs():
        if song.key in COMPARED:
            try:
                found.append((song, measured("compare", song.key)))
            except Failed as failure:
                yield f"*{song.name} failed: {failure}*\n"
    yield from _at_equal_budget(found)
    yield from _at_equal_error(found)
    yield from _lime(found)
    draw([_panel(song, one) for song, one in found], PICTURE)


def _at_equal_budget(found: Sequence[tuple[Song, dict[str, Any]]]) -> Iterator[str]:
    budgets = ", ".join(f"{many:,}" for many in BUDGETS)
    yield (
        f"At equal budget ({budgets} coalitions a segment, of which the last is audioLIME's own; "
        "its error was to be at least twice that of Stemlens):\n"
    )
    yield f"| session | taggings | {' | '.join(STYLES)} | audioLIME / Stemlens |"
    yield f"|---|---|{'---|' * len(STYLES)}---|"
    for song, one in found:
        for coalitions in BUDGETS:
            at = one["coalitions"].index(coalitions)
            points = {name: one["points"][name][at] for name in STYLES}
            ours, lime = points["Stemlens"], points["audioLIME"]
            ratio = f"{lime[1] / ours[1]:.0f} ×" if ours[1] > EXACT else "∞"
            budget = coalitions * one["segments"]
            cells = " | ".join(_shown(point, budget) for point in points.values())
            yield f"| {song.name} | {budget:,} | {cells} | {ratio} |"
    yield ""


def _shown(point: list[float] | None, budget: float = 0) -> str:
    if point is None:
        return "too few"
    spent, error, largest = point
    text = "**exact**" if error < EXACT else f"{100 * error:.2f} ({100 * largest:.1f})"
    return f"{text} by {spent:,.0f}" if spent < 0.9 * budget else text


def _at_equal_error(found: Sequence[tuple[Song, dict[str, Any]]]) -> Iterator[str]:
    yield (
        "At equal error (root mean square; taggings, and the time they take; – is not reached "
        "with 1,000 coalitions a segment):\n"
    )
    yield f"| session | error, points | {' | '.join(STYLES)} |"
    yield f"|---|---|{'---|' * len(STYLES)}"
    for song, one in found:
        for error in ERRORS:
            cells = []
            for name in STYLES:
                needed = reached(one, name, error / 100)
                cells.append(
                    "–"
                    if needed is None
                    else f"{number(needed)}, {duration(_seconds(song, name, needed))}"
                )
            yield f"| {song.name} | {error} | {' | '.join(cells)} |"
    yield ""


def reached(one: dict[str, Any], name: str, error: float) -> float | None:
    """Taggings after which a method's error stays at or below `error`, interpolated."""
    points = [(point[0], max(point[1], EXACT)) for point in one["points"][name] if point]
    if points[-1][1] > error:
        return None
    after = len(points) - 1
    while after > 0 and points[after - 1][1] <= error:
        after -= 1
    if after == 0:
        return float(points[0][0])
    (few, worse), (many, better) = points[after - 1], points[after]
    part = log(worse / error) / log(worse / better)
    return exp(log(few) + part * log(many / few))


def _lime(found: Sequence[tuple[Song, dict[str, Any]]]) -> Iterator[str]:
    yield (
        "LIME does not converge to the Shapley value: with all masks it would still be this far "
        "from it. Beside it, how far 1,000 masks are from that limit of its own.\n"
    )
    yield "| session | LIME with all masks to Shapley | 1,000 masks to their limit |"
    yield "|---|---|---|"
    for song, one in found:
        if one["lime_limit"] is not None:
            limit = _shown([0, *one["lime_limit"]])
            yield f"| {song.name} | {limit} | {100 * one['lime_to_limit']:.2f} |"
    for song, one in found:
        if one["reference_half_width"] > 0:
            yield (
                f"\n{song.name} has a segment with too many stems for a table; there the "
                "reference is a long run of Stemlens's own estimator, by which the session's "
                f"shares are known to ±{100 * one['reference_half_width']:.1g} points (95 %)."
            )


def _seconds(song: Song, name: str, taggings: float) -> float:
    """How long a method takes for that many taggings of a song."""
    if name == "Stemlens":
        return seconds_at(cold(song), taggings)
    plain = measured("naive", song.key)
    return float(taggings * plain["seconds"] / plain["taggings"])


def _panel(song: Song, one: dict[str, Any]) -> Panel:
    run = cold(song)
    lines = {
        name: [
            (_seconds(song, name, point[0]), 100 * point[1])
            for point in one["points"][name]
            if point
        ]
        for name in STYLES
    }
    return Panel(
        f"{song.name}: {run['stems']} stems, {run['duration_s']:.0f} s",
        lines,
        exact_at(run),
        f"naive mixing: exact after {duration(naive_s(measured('naive', song.key), run))}",
    )
