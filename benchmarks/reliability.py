"""What the service withstands: runs every measurement and prints the page `docs/reliability.md`.

`python -m benchmarks.reliability [SECTION …]` prints only the sections named (see `SECTIONS`). The
whole takes three quarters of an hour.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator

from benchmarks import page
from benchmarks.measuring import measured

ROUNDS, MESSAGES, QUESTIONS, WATCH_ROUNDS, SOAK_MINUTES = 200, 1_000_000, 1000, 10, 30
LOSS_JOBS = 30


def kill_rounds() -> Iterator[str]:
    found = measured("kill_rounds", str(ROUNDS), limit_s=3600)
    yield "## `kill -9`, again and again"
    yield ""
    yield (
        f"{found['rounds']} rounds: a client submits a session, and at a random moment between its "
        "first message and the end of the job the server or its worker and panel are killed. The "
        "server is started again at once; the client just goes on. A job counts as lost unless its "
        "whole result arrives, is the one in the file, and is `done` in the database once."
    )
    yield ""
    yield "| | target | measured |"
    yield "|---|---|---|"
    yield f"| servers killed | | {found['servers_killed']} |"
    yield f"| workers killed | | {found['workers_killed']} |"
    yield f"| jobs lost | 0 | {found['lost']} |"
    yield f"| jobs done twice | 0 | {found['done_twice']} |"
    yield f"| the database's own check of itself | ok | {found['database']} |"
    yield (
        "| from the restart to the first answer, s: median, 99 % | 2 | "
        f"{found['restart_median_s']:.1f}, {found['restart_p99_s']:.1f} |"
    )
    yield f"| the longest round, s | | {found['longest_round_s']:.1f} |"


def malformed() -> Iterator[str]:
    found = measured("malformed", str(MESSAGES))
    yield "## Malformed messages"
    yield ""
    yield (
        f"{found['messages']:,} messages in {found['seconds']:.0f} s: valid ones of every kind "
        "with something broken (cut short, bits flipped, other types, bundles that lie about their "
        "sizes, patterns, bytes that are no text, noise), half as datagrams, half in frames over "
        f"TCP. Meanwhile {found['jobs_meanwhile']} valid jobs were done."
    )
    yield ""
    yield "| | target | measured |"
    yield "|---|---|---|"
    slower = found["job_meanwhile_s"] / found["job_alone_s"]
    yield f"| a valid job meanwhile, beside one alone | 2 × | {slower:.2f} × |"
    yield (
        "| the server's memory before, half way, after, MiB | | "
        f"{found['first_mib']:.0f}, {found['half_mib']:.0f}, {found['last_mib']:.0f} |"
    )


def loss() -> Iterator[str]:
    found = {
        probability: row
        for probability, row in measured("loss", str(LOSS_JOBS)).items()
        if isinstance(row, dict)
    }
    yield "## A bad network"
    yield ""
    first = next(iter(found.values()))
    yield (
        "Sessions of two stems over UDP through a relay that loses each datagram with the "
        "probability given, in both directions, and else doubles it or lets others overtake it "
        f"with the same one. A result has some {first['messages_a_job']:.0f} messages; a job is "
        "whole when all of them have come with the numbers of its file."
    )
    yield ""
    yield (
        "| loss | jobs | whole (target: all) | to the whole result, s: median | worst "
        "| datagrams lost | doubled | overtaken |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for probability, row in found.items():
        yield (
            f"| {probability} | {row['jobs']} | {row['whole']} | {row['median_s']:.1f} | "
            f"{row['worst_s']:.1f} | {row['lost']:,} | {row['doubled']:,} | {row['overtaken']:,} |"
        )


ASKED = {
    "idle": "ping, idle",
    "ping": "ping",
    "open": "open a job",
    "flooded": "ping over TCP beside a flood of datagrams, nothing analysed",
}


def latency() -> Iterator[str]:
    found = measured("latency", str(QUESTIONS))
    yield "## Answers under load"
    yield ""
    yield (
        f"{found['questions']} pings one after the other while the worker analyses on every core, "
        "and the acknowledgement of new jobs, which comes when the disk has them."
    )
    yield ""
    yield "| ms | median | 99 % | worst |"
    yield "|---|---|---|---|"
    for name, told in ASKED.items():
        row = found[name]
        ms = " | ".join(f"{1000 * row[key]:.1f}" for key in ("median_s", "p99_s", "worst_s"))
        yield f"| {told} | {ms} |"


def watching() -> Iterator[str]:
    found = measured("watching", "--rounds", str(WATCH_ROUNDS))
    latency_s, look_s = found["latency_s"], found["look_s"]
    yield "## The watch folder"
    yield ""
    yield (
        "From the last byte of a session to the start of its job, less the settle time: median "
        f"{1000 * latency_s['median']:.0f} ms, worst {1000 * latency_s['worst']:.0f} ms (target "
        f"500). One look at 5,000 files takes {1000 * look_s['first']:.0f} ms."
    )


def upload() -> Iterator[str]:
    found = measured("upload")
    yield "## Files from another machine"
    yield ""
    yield (
        f"{found['megabytes']} MB in {found['files']} files sent with `submit --upload` to a "
        f"server on this machine: median of {found['rounds']} rounds {found['mb_per_s']:.0f} MB/s, "
        f"slowest {found['slowest_mb_per_s']:.0f} (target 200), hashing before and checking after "
        f"included; a plain copy to the same disk reaches {found['copy_mb_per_s']:.0f} MB/s. What "
        f"the server has already takes {found['again_s']:.1f} s."
    )


def soak() -> Iterator[str]:
    found = measured("soak", str(SOAK_MINUTES), limit_s=60 * SOAK_MINUTES + 600)
    yield "## Half an hour without a pause"
    yield ""
    yield (
        f"{found['jobs']} sessions of 30 s in {found['minutes']:.0f} minutes, each with audio that "
        f"was never there before: {found['jobs_per_hour']:,.0f} jobs an hour. Memory at the first "
        "and at the last look, and its slope over the later two thirds:"
    )
    yield ""
    yield "| process | first, MiB | last, MiB | MiB an hour |"
    yield "|---|---|---|---|"
    for name, row in found["memory"].items():
        yield (
            f"| {name} | {row['first_mib']:.0f} | {row['last_mib']:.0f} | "
            f"{row['mib_per_hour']:+.1f} |"
        )


SECTIONS: dict[str, page.Section] = {
    "kill": kill_rounds,
    "malformed": malformed,
    "loss": loss,
    "latency": latency,
    "watching": watching,
    "upload": upload,
    "soak": soak,
}
HEAD = (
    "# What the service withstands\n\n"
    f"Made by `make reliability` on {os.cpu_count()} cores ({platform.machine()}), Python "
    f"{platform.python_version()}, no GPU.\n"
)

if __name__ == "__main__":
    page.show(HEAD, SECTIONS, sys.argv[1:])
