"""Sections of the page: the live mix, the network alone, and the DAW's side."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measuring import Failed, measured
from benchmarks.songs import songs

LIVE_SONGS = ("demo", "CapDan-ReggaeTry")
NETWORK_SONG = "CapDan-ReggaeTry"


def speeds() -> dict[str, float]:
    """Segments a second of the network and of its bare convolutions, measured once."""
    folders = [str(song.folder) for song in songs() if song.key == NETWORK_SONG]
    return {name: one for name, one in measured("network", *folders).items() if name != "whole_s"}


def bare() -> float:
    """Segments a second of the bare convolutions in their best micro-batch: the roofline."""
    return max(speed for name, speed in speeds().items() if name.startswith("bare"))


def live() -> Iterator[str]:
    """From a moved fader to its tags."""
    yield "## Moving faders\n"
    yield (
        "Milliseconds from sending a move over OSC to the last message of the mix's tags (target: "
        "150 for 12 s of music), and to the last of what one dB up on each fader would do. The "
        "server is a process of its own; *beside a job* it analyses at the same time.\n"
    )
    yield "| session | stems | server | tags, median | nine in ten within | one dB on each fader |"
    yield "|---|---|---|---|---|---|"
    there = {song.key: song for song in songs()}
    for key in LIVE_SONGS:
        if key not in there:
            continue
        try:
            found = measured("live", key)
        except Failed as failure:
            yield f"| {there[key].name} | failed: {failure} | | | | |"
            continue
        for state in ("idle", "beside a job"):
            tags, most, decibels = (
                f"{1000 * found[state][name]:.0f}"
                for name in ("tags_s", "tags_9_in_10_s", "decibels_s")
            )
            yield (
                f"| {there[key].name} | {found['stems']} | {state} | {tags} | {most} | {decibels} |"
            )


def network() -> Iterator[str]:
    """The network beside its convolutions."""
    yield "## The network\n"
    yield (
        "Segments of 3 s per second, musicnn in float32: of random numbers, in which no window "
        "repeats; of coalitions of a real session, where what is the same to the bit is computed "
        "once; and of nothing but the five convolutions of the front end, as torch computes "
        "them.\n"
    )
    yield "| what | segments/s | of the best bare convolutions |"
    yield "|---|---|---|"
    for name, speed in speeds().items():
        shown = name.replace("bare", "bare convolutions, micro-batch")
        yield f"| {shown} | {speed:.0f} | {speed / bare():.0%} |"


def on_gpu() -> Iterator[str]:
    """The network on a GPU, where there is one."""
    yield "## On a GPU\n"
    found = measured("gpu")
    if found["device"] is None:
        yield (
            "There was none, so nothing of it has been measured: neither speed nor the real "
            "difference to float32. What is ready: float32, TF32, float16 and a fused kernel for "
            "the timbral convolutions, of which the fastest that stays within 0.2 points of "
            "float32 is taken when a tagger is loaded (emulated on a CPU, float16 differs by up to "
            "0.14 points); CUDA graphs; sums of stems in float64 on the GPU; memory bounded by the "
            "micro-batch. `python -m benchmarks.gpu` measures all of them, and the tests in "
            "`tests/tagging/test_cuda.py` run where there is a GPU. The fused kernel has been "
            "checked by Triton's interpreter alone."
        )
        return
    yield (
        f"On {found['device']}, at most {found['GiB']:.1f} GiB of its memory; taken when loaded: "
        f"{found['chosen']}, {found['with mixing']:,.0f} segments/s with the mixing.\n"
    )
    yield "| way | segments/s | of the roofline | difference to float32 |"
    yield "|---|---|---|---|"
    for name, way in found["ways"].items():
        yield (
            f"| {name} | {way['segments/s']:,.0f} | {way['roofline']:.0%} "
            f"| {way['difference']:.1e} |"
        )


def daw() -> Iterator[str]:
    """What a DAW's user waits for on its side."""
    yield "## In the DAW\n"
    yield "Medians of several runs; whole processes, start-up included, where one is started.\n"
    yield "| what | seconds | at most |"
    yield "|---|---|---|"
    for name, seconds in measured("bridge_start").items():
        if name != "whole_s":
            yield f"| start of the bridge ({name}) to its first OSC message | {seconds:.2f} | 0.3 |"
    ardour = measured("ardour_annotations")
    yield (
        f"| comments on {ardour['tracks']} tracks of a running Ardour, each read back "
        f"| {ardour['seconds']:.2f} | 2 |"
    )
    yield f"| of that, to find the Ardour that has the session open | {ardour['find_s']:.2f} | |"
